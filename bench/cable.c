/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks a Teredo server as many clients do at once, for the least possible
 * price: frames that are made once, and put straight on the server's cable, at
 * its other end. They are solicitations, each from the next of `peers` IPv4
 * addresses, or bubbles, from each client to the next. Answers are for others
 * to count.
 */
#include "gen.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

struct head {
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

struct question {
	struct head h;
	union {
		struct solicitation solicitation;
		struct wire_ip6 bubble;
	};
} __attribute__((packed));

/* A UDP checksum of 0 is none: network cards verify checksums, not we. */
static void put_head(struct head *h, uint32_t from, size_t len)
{
	uint32_t sum = 0;
	uint16_t w[sizeof(h->ip) / 2];

	h->eth.ether_type = htons(ETHERTYPE_IP);
	h->udp = (struct udphdr){.source = htons(CLIENT_PORT),
				 .dest = htons(TEREDO_PORT)};
	h->udp.len = htons((uint16_t)(sizeof(h->udp) + len));
	h->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 60};
	h->ip.protocol = IPPROTO_UDP;
	h->ip.tot_len = htons((uint16_t)(sizeof(h->ip) + sizeof(h->udp) + len));
	h->ip.saddr = htonl(from);
	h->ip.daddr = args->server.s_addr;
	memcpy(w, &h->ip, sizeof(w));
	for (size_t i = 0; i < sizeof(w) / 2; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	h->ip.check = (uint16_t) ~(sum + (sum >> 16));
}

static size_t put_bubble(struct wire_ip6 *ip, uint32_t i)
{
	uint32_t server = ntohl(args->server.s_addr);
	struct ip6 src, dst;

	client_address(&src, i, CLIENT_PORT, 0, server);
	client_address(&dst, (i + 1) % args->peers, CLIENT_PORT, 0, server);
	wire_put_ip6(ip, 0, NEXT_NONE, BUBBLE_HOPS, &src, &dst);
	return sizeof(*ip);
}

/* All of them, ready to be sent. */
static struct mmsghdr *make(const struct sockaddr_ll *to)
{
	struct mmsghdr *h = calloc(args->peers, sizeof(*h));
	struct iovec *iov = calloc(args->peers, sizeof(*iov));
	struct question *q = calloc(args->peers, sizeof(*q));

	if (!h || !iov || !q)
		fail("memory");
	for (uint32_t i = 0; i < args->peers; i++) {
		size_t len = sizeof(q->solicitation);

		if (args->bubbles)
			len = put_bubble(&q[i].bubble, i);
		else
			solicitation_put(&q[i].solicitation, i);
		memcpy(q[i].h.eth.ether_dhost, to->sll_addr, ETH_ALEN);
		put_head(&q[i].h, FIRST_IP + i, len);
		iov[i] = (struct iovec){&q[i], sizeof(q[i].h) + len};
		h[i].msg_hdr =
			(struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	return h;
}

static int open_cable(struct sockaddr_ll *a)
{
	const struct ether_addr *mac = args->mac ? ether_aton(args->mac) : NULL;
	int one = 1, s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_halen = 6};
	a->sll_ifindex = args->device ? (int)if_nametoindex(args->device) : 0;
	if (s < 0 || !mac || a->sll_ifindex == 0 ||
	    bind(s, (void *)a, sizeof(*a)) ||
	    setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		fail("cable");
	memcpy(a->sll_addr, mac, ETH_ALEN);
	return s;
}

int job_cable(void)
{
	static struct pace pace;
	struct sockaddr_ll to;
	int fd = open_cable(&to);
	struct mmsghdr *h = make(&to);
	unsigned n, at;
	int sent;

	while ((n = pace_next(&pace)) > 0) {
		at = (unsigned)(pace.sent % args->peers);
		if (n > args->peers - at)
			n = args->peers - at;
		sent = sendmmsg(fd, h + at, n, 0);
		pace_sent(&pace, sent > 0 ? (unsigned)sent : n);
	}
	printf("{");
	pace_print(&pace);
	printf("\"ended\": %.6f}\n", (double)now_ns() / 1e9);
	return 0;
}
