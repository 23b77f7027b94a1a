/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local discovery's socket and interfaces (see neighbours.h). */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/wire.h"
#include "neighbours.h"
#include "udp.h"

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
	if (b->fd < 0)
		return b->fd;
	neighbours_refresh(b);
	return 0;
}

static bool has(const unsigned *v, unsigned n, unsigned what)
{
	for (unsigned i = 0; i < n; i++) {
		if (v[i] == what)
			return true;
	}
	return false;
}

static bool fits(const struct neighbours *b, const struct ifaddrs *a)
{
	const unsigned want = IFF_UP | IFF_MULTICAST;

	return a->ifa_addr && a->ifa_addr->sa_family == AF_INET &&
	       (a->ifa_flags & (want | IFF_LOOPBACK)) == want &&
	       (!b->has_pattern ||
		regexec(&b->pattern, a->ifa_name, 0, NULL, 0) == 0);
}

static unsigned list(const struct neighbours *b, unsigned *v)
{
	struct ifaddrs *all = NULL;
	unsigned n = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *a = all; a && n < NEIGHBOURS_MAX;
	     a = a->ifa_next) {
		unsigned i = fits(b, a) ? if_nametoindex(a->ifa_name) : 0;

		if (i && i != b->tun && (!b->only || i == b->only) &&
		    !has(v, n, i))
			v[n++] = i;
	}
	freeifaddrs(all);
	return n;
}

static int change(int fd, int what, unsigned ifindex)
{
	const struct ip_mreqn m = {
		.imr_multiaddr.s_addr = htonl(GROUP),
		.imr_ifindex = (int)ifindex,
	};

	return setsockopt(fd, IPPROTO_IP, what, &m, sizeof(m));
}

void neighbours_refresh(struct neighbours *b)
{
	unsigned v[NEIGHBOURS_MAX], n = list(b, v), kept = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (!has(v, n, b->ifindex[i]))
			change(b->fd, IP_DROP_MEMBERSHIP, b->ifindex[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		/* It may have been made anew, under the same number. */
		if (change(b->fd, IP_ADD_MEMBERSHIP, v[i]) == 0 ||
		    errno == EADDRINUSE)
			v[kept++] = v[i];
	}
	memcpy(b->ifindex, v, kept * sizeof(*v));
	b->n = kept;
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
	struct msghdr m = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = iov,
		.msg_iovlen = out_to_iov(iov, o),
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(by));
	memcpy(CMSG_DATA(c), &by, sizeof(by));
	return sendmsg(from, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

unsigned neighbours_send(const struct neighbours *b, int from,
			 const struct out *o)
{
	unsigned refused = 0;

	for (unsigned i = 0; i < b->n; i++)
		refused += !send_on(from, b->ifindex[i], o);
	return refused;
}
