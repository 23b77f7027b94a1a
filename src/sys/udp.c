/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets (see udp.h). What goes out is marked as the RFC wants it: DF
 * clear, TOS and so ECN zero, checksum on (S38, R27). Sockets do not block, and
 * nothing is queued here: what the kernel does not take is lost, as on any
 * full link.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "udp.h"

/* Room for a tenth of a second of small packets at full speed. */
enum {
	BUFFER_BYTES = 8 << 20
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* Beyond the limit of sysctl if we may, up to it otherwise. */
static void set_buffer(int fd, int force, int plain)
{
	if (set_int(fd, SOL_SOCKET, force, BUFFER_BYTES) < 0)
		set_int(fd, SOL_SOCKET, plain, BUFFER_BYTES);
}

static int prepare(int fd, bool with_ecn)
{
	int r = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);

	if (!r)
		r = set_int(fd, IPPROTO_IP, IP_TOS, 0);
	if (!r && with_ecn)
		r = set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	return r;
}

int udp_local(int fd, struct tuple *t)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -errno;
	if (a.sin_family != AF_INET)
		return -EAFNOSUPPORT;
	t->ip = ntohl(a.sin_addr.s_addr);
	t->port = ntohs(a.sin_port);
	return 0;
}

static int get_int(int fd, int level, int name)
{
	socklen_t n = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &n) ? -errno : value;
}

int udp_adopt(int fd, bool with_ecn, struct tuple *local)
{
	int type = get_int(fd, SOL_SOCKET, SO_TYPE), r;

	if (type < 0)
		return type;
	if (type != SOCK_DGRAM ||
	    get_int(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP)
		return -EPROTOTYPE;
	r = udp_local(fd, local);
	if (!r && !local->port)
		r = -EADDRNOTAVAIL; /* not bound */
	return r ? r : prepare(fd, with_ecn);
}

int udp_open(uint32_t ip, uint16_t port, bool with_ecn)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(ip),
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = prepare(fd, with_ecn);
	if (!r && bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

int udp_confine(int fd, const char *iface, uint32_t mark)
{
	if (*iface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface,
				 (socklen_t)strlen(iface)) < 0)
		return -errno;
	if (mark &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -errno;
	return 0;
}

void udp_batch_init(struct udp_batch *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){b->bytes[i], PACKET_SPACE};
		b->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &b->from[i],
			.msg_iov = &b->iov[i],
			.msg_iovlen = 1,
			.msg_control = b->control[i],
		};
	}
}

static uint8_t ecn_of(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			return *CMSG_DATA(c) & 3;
	}
	return 0;
}

int udp_receive(int fd, enum door door, struct udp_batch *b)
{
	int n;

	/* The kernel wrote the lengths of the last batch over ours. */
	for (unsigned i = 0; i < BATCH; i++) {
		b->msg[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		b->msg[i].msg_hdr.msg_controllen = sizeof(b->control[i]);
	}
	n = recvmmsg(fd, b->msg, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		b->d[i] = (struct datagram){
			.door = door,
			.from.ip = ntohl(b->from[i].sin_addr.s_addr),
			.from.port = ntohs(b->from[i].sin_port),
			.ecn = ecn_of(&b->msg[i].msg_hdr),
			.data = b->bytes[i],
			.len = (uint16_t)b->msg[i].msg_len,
		};
	}
	return n;
}

bool udp_is_cut(const struct udp_batch *b, int i)
{
	return b->msg[i].msg_hdr.msg_flags & MSG_TRUNC;
}

unsigned out_to_iov(struct iovec iov[static 2], const struct out *o)
{
	/* An iovec is for reading and for writing, so it knows no const. */
	union {
		const void *in;
		void *out;
	} head = {.in = o->head}, body = {.in = o->body};
	unsigned n = 0;

	if (o->head_len)
		iov[n++] = (struct iovec){head.out, o->head_len};
	if (o->body_len)
		iov[n++] = (struct iovec){body.out, o->body_len};
	return n;
}

unsigned send_all(int fd, struct mmsghdr *msg, unsigned n)
{
	unsigned at = 0, refused = 0;

	while (at < n) {
		int sent = sendmmsg(fd, msg + at, n - at, MSG_DONTWAIT);

		if (sent > 0) {
			at += (unsigned)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS)
			return refused + n - at;
		/* The first of the rest is what it refuses. */
		refused++;
		at++;
	}
	return refused;
}

unsigned udp_send(int fd, const struct out *const *v, unsigned n)
{
	struct mmsghdr msg[BATCH];
	struct sockaddr_in to[BATCH];
	struct iovec iov[BATCH][2];

	for (unsigned i = 0; i < n; i++) {
		to[i] = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = htons(v[i]->to.port),
			.sin_addr.s_addr = htonl(v[i]->to.ip),
		};
		msg[i].msg_hdr = (struct msghdr){
			.msg_name = &to[i],
			.msg_namelen = sizeof(to[i]),
			.msg_iov = iov[i],
			.msg_iovlen = out_to_iov(iov[i], v[i]),
		};
	}
	return send_all(fd, msg, n);
}
