/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A native IPv6 host: sends counted packets to Teredo clients in turn, to one
 * of them (a flow), to a few (many flows), or to millions (a spray, which
 * names each once); or, told no server, to a native address. Told to, it sends
 * echo replies nobody asked for, from an address of choice. Counts what
 * arrives.
 */
#include "gen.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int fd, out;
static struct tally tally;
static atomic_bool over;

static void *count(void *unused)
{
	static struct recvbatch b;

	(void)unused;
	while (!over) {
		const struct sockaddr_in *from;
		const uint8_t *p;
		uint64_t now;
		size_t len;

		batch_recv(&b, fd, false);
		now = now_ns();
		while ((p = batch_next(&b, &len, &from))) {
			if (len == PAYLOAD)
				tally_mark(&tally, (const void *)p, now);
		}
	}
	return NULL;
}

static void destination(struct in6_addr *to, uint64_t seq)
{
	struct ip6 a;

	*to = args->native;
	if (args->server.s_addr == 0)
		return;
	client_address(
		&a, args->first + (uint32_t)(seq / args->burst % args->peers),
		CLIENT_PORT, (uint16_t)args->flags, ntohl(args->server.s_addr));
	memcpy(to, &a, sizeof(a));
}

/* The kernel puts the checksum into an echo reply. */
static void add_packet(struct sendbatch *b, uint64_t seq, uint32_t step,
		       bool more)
{
	const struct wire_icmp6 reply = {.type = ICMP6_ECHO_REPLY};
	struct in6_addr to;
	uint8_t *p;

	if (more) {
		mark_put((void *)batch_more(b, PAYLOAD), (uint32_t)seq, step);
		return;
	}
	destination(&to, seq);
	if (args->echo) {
		p = batch_ip6(b, &to, 0, sizeof(reply) + PAYLOAD);
		memcpy(p, &reply, sizeof(reply));
		p += sizeof(reply);
	} else {
		p = batch_ip6(b, &to, SINK_PORT, PAYLOAD);
	}
	mark_put((void *)p, (uint32_t)seq, step);
}

/* Where packets leave: the sink, or what may send echo replies. */
static int open_out(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_addr = args->source};
	int s = fd;

	if (args->echo)
		s = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	if (s < 0 || (args->echo && bind(s, (void *)&a, sizeof(a))))
		fail("raw socket");
	return s;
}

static void send_all(struct pace *p)
{
	static struct sendbatch b;
	unsigned n;

	while ((n = pace_next(p)) > 0) {
		for (unsigned i = 0; i < n; i++)
			add_packet(&b, p->sent + i, p->step, i % args->train);
		batch_send(&b, out);
		pace_sent(p, n);
	}
}

int job_native(void)
{
	static struct pace pace;
	pthread_t sink;

	fd = udp6_socket(SINK_PORT);
	if (args->sink && pthread_create(&sink, NULL, count, NULL))
		fail("thread");
	out = open_out();
	send_trains(out, PAYLOAD);
	if (args->send)
		send_all(&pace);
	if (args->sink) {
		sleep_until(until_ns() + 200000000);
		over = true;
		pthread_join(sink, NULL);
	}
	printf("{");
	pace_print(&pace);
	tally_print(&tally);
	printf("\"ended\": %.6f}\n", (double)now_ns() / 1e9);
	return 0;
}
