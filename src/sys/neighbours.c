/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local discovery's socket and interfaces (see neighbours.h). */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/wire.h"
#include "neighbours.h"
#include "udp.h"

enum {
	LINKS_MAX = 256
};

/* 224.0.0.253, in host order */
#define GROUP 0xe00000fdu

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int open_socket(void)
{
	const struct sockaddr_in group = {
		.sin_family = AF_INET,
		.sin_port = htons(TEREDO_PORT),
		.sin_addr.s_addr = htonl(GROUP),
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* Only what this socket has joined, not what any other has. */
	if (!r)
		r = set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	if (!r && bind(fd, (const struct sockaddr *)&group, sizeof(group)) < 0)
		r = -errno;
	if (!r)
		return fd;
	close(fd);
	return r;
}

int neighbours_open(struct neighbours *b, const char *pattern, unsigned only,
		    unsigned tun)
{
	*b = (struct neighbours){
		.has_pattern = *pattern, .tun = tun, .only = only};
	if (b->has_pattern &&
	    regcomp(&b->pattern, pattern, REG_EXTENDED | REG_NOSUB))
		return -EINVAL;
	b->fd = open_socket();
	return b->fd < 0 ? b->fd : 0;
}

static bool has(const unsigned *v, unsigned n, unsigned what)
{
	for (unsigned i = 0; i < n; i++) {
		if (v[i] == what)
			return true;
	}
	return false;
}

/* What is being listed: links that fit, and which of them have IPv4. */
struct listing {
	const struct neighbours *b;
	unsigned n_links, n;
	unsigned link[LINKS_MAX];
	unsigned ifindex[NEIGHBOURS_MAX];
};

static void take_link(void *arg, unsigned ifindex, unsigned flags,
		      const char *name)
{
	const unsigned want = IFF_UP | IFF_MULTICAST;
	struct listing *l = arg;
	const struct neighbours *b = l->b;

	if ((flags & (want | IFF_LOOPBACK)) == want && ifindex != b->tun &&
	    (!b->only || ifindex == b->only) && l->n_links < LINKS_MAX &&
	    (!b->has_pattern || regexec(&b->pattern, name, 0, NULL, 0) == 0))
		l->link[l->n_links++] = ifindex;
}

static void take_address(void *arg, const struct host_addr *a)
{
	struct listing *l = arg;

	if (!a->is_ip6 && has(l->link, l->n_links, a->ifindex) &&
	    !has(l->ifindex, l->n, a->ifindex) && l->n < NEIGHBOURS_MAX)
		l->ifindex[l->n++] = a->ifindex;
}

static int change(int fd, int what, unsigned ifindex)
{
	const struct ip_mreqn m = {
		.imr_multiaddr.s_addr = htonl(GROUP),
		.imr_ifindex = (int)ifindex,
	};

	return setsockopt(fd, IPPROTO_IP, what, &m, sizeof(m));
}

/* Another lane may be sending to them; a link more or less does not matter. */
static void keep(struct neighbours *b, const unsigned *ifindex, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&b->ifindex[i], ifindex[i], __ATOMIC_RELAXED);
	__atomic_store_n(&b->n, n, __ATOMIC_RELEASE);
}

/* What a packet process before this one has joined it does not know. */
static void leave(struct neighbours *b, const struct listing *l)
{
	for (unsigned i = 0; i < b->n; i++)
		change(b->fd, IP_DROP_MEMBERSHIP, b->ifindex[i]);
	for (unsigned i = 0; i < l->n; i++)
		change(b->fd, IP_DROP_MEMBERSHIP, l->ifindex[i]);
	keep(b, NULL, 0);
}

void neighbours_refresh(struct neighbours *b, struct netlink *nl)
{
	struct listing l = {.b = b};
	unsigned kept = 0;

	/* When they change meanwhile there will be another refresh. */
	netlink_links(nl, take_link, &l);
	netlink_addresses(nl, take_address, &l);
	if (b->is_off) {
		leave(b, &l);
		return;
	}
	for (unsigned i = 0; i < b->n; i++) {
		if (!has(l.ifindex, l.n, b->ifindex[i]))
			change(b->fd, IP_DROP_MEMBERSHIP, b->ifindex[i]);
	}
	for (unsigned i = 0; i < l.n; i++) {
		/* It may have been made anew, under the same number. */
		if (change(b->fd, IP_ADD_MEMBERSHIP, l.ifindex[i]) == 0 ||
		    errno == EADDRINUSE)
			l.ifindex[kept++] = l.ifindex[i];
	}
	keep(b, l.ifindex, kept);
}

int neighbours_prepare(int from)
{
	int r = set(from, IPPROTO_IP, IP_MULTICAST_TTL, 1);

	return r ? r : set(from, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
}

static bool send_on(int from, unsigned ifindex, const struct out *o)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(TEREDO_PORT),
		.sin_addr.s_addr = htonl(GROUP),
	};
	const struct in_pktinfo by = {.ipi_ifindex = (int)ifindex};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(by))] = {0};
	struct iovec iov[2];
	struct mmsghdr m = {
		.msg_hdr =
			{
				.msg_name = &to,
				.msg_namelen = sizeof(to),
				.msg_iov = iov,
				.msg_iovlen = out_to_iov(iov, o),
				.msg_control = control,
				.msg_controllen = sizeof(control),
			},
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m.msg_hdr);

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(by));
	memcpy(CMSG_DATA(c), &by, sizeof(by));
	return send_all(from, &m, 1) == 0;
}

unsigned neighbours_send(const struct neighbours *b, int from,
			 const struct out *o)
{
	unsigned n = __atomic_load_n(&b->n, __ATOMIC_ACQUIRE), refused = 0;

	for (unsigned i = 0; i < n; i++)
		refused += !send_on(
			from, __atomic_load_n(&b->ifindex[i], __ATOMIC_RELAXED),
			o);
	return refused;
}
