/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPv6 side of a server (see raw6.h): a raw socket, for sending only. */
#include <errno.h>
#include <linux/filter.h>
#include <unistd.h>

#include "raw6.h"

int raw6_open(void)
{
	/* One instruction: take nothing. Protocol 255 hardly occurs, but what
	 * nobody reads need not be queued. */
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = {.len = 1, .filter = &drop};
	int yes = 1, r;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
		       sizeof(filter)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &yes, sizeof(yes)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Head and body may meet anywhere, so fetch the destination byte by byte. */
static void destination(struct in6_addr *to, const struct out *o)
{
	size_t at = offsetof(struct wire_ip6, dst);

	for (size_t i = 0; i < sizeof(to->s6_addr); i++, at++)
		to->s6_addr[i] = at < o->head_len ? o->head[at]
						  : o->body[at - o->head_len];
}

static unsigned send_batch(int fd, const struct out *const *v, unsigned n)
{
	struct mmsghdr msg[BATCH];
	struct sockaddr_in6 to[BATCH];
	struct iovec iov[BATCH][2];

	for (unsigned i = 0; i < n; i++) {
		to[i] = (struct sockaddr_in6){.sin6_family = AF_INET6};
		destination(&to[i].sin6_addr, v[i]);
		msg[i].msg_hdr = (struct msghdr){
			.msg_name = &to[i],
			.msg_namelen = sizeof(to[i]),
			.msg_iov = iov[i],
			.msg_iovlen = out_to_iov(iov[i], v[i]),
		};
	}
	return send_all(fd, msg, n);
}

void raw6_send(struct tun_sender *s, int fd, const struct out *const *v,
	       unsigned n)
{
	for (unsigned at = 0; at < n; at += BATCH) {
		unsigned here = n - at < BATCH ? n - at : BATCH;

		tally(&s->refused, send_batch(fd, v + at, here));
		tally(&s->packets, here);
		tally(&s->writes, 1);
	}
}
