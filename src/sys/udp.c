/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets (see udp.h). What goes out is marked as the RFC wants it: DF
 * clear, TOS and so ECN zero, checksum on (S38, R27). Sockets do not block, and
 * nothing is queued here: what the kernel does not take is lost, as on any
 * full link.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/udp.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "udp.h"

#ifndef UDP_SEGMENT /* kernel headers before 4.18 */
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO /* before 5.0 */
#define UDP_GRO 104
#endif

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
	struct sockaddr_in a = {0};
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
	/* Whoever had it may have wanted that, and we not. */
	set_int(fd, IPPROTO_UDP, UDP_GRO, 0);
	return r ? r : prepare(fd, with_ecn);
}

/* option: of IPPROTO_IP or SOL_SOCKET, to be set before it is bound; 0 = none.
 */
static int open_at(const struct sockaddr_in *a, bool with_ecn, int level,
		   int option)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = option ? set_int(fd, level, option, 1) : 0;
	if (!r)
		r = prepare(fd, with_ecn);
	if (!r && bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0)
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

static struct sockaddr_in place(uint32_t ip, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(ip),
	};
}

int udp_open(uint32_t ip, uint16_t port, bool with_ecn)
{
	const struct sockaddr_in a = place(ip, port);

	return open_at(&a, with_ecn, 0, 0);
}

int udp_open_later(uint32_t ip, bool with_ecn)
{
	const struct sockaddr_in a = place(ip, 0);

	return open_at(&a, with_ecn, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
}

int udp_open_beside(int fd, bool with_ecn)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	int r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);

	if (r)
		return r;
	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -errno;
	return open_at(&a, with_ecn, SOL_SOCKET, SO_REUSEPORT);
}

unsigned udp_offload(int fd, unsigned wanted)
{
	unsigned has = 0;

	/* A segment of 0 is none: a question, and no change. */
	if (wanted & OFFLOAD_GSO &&
	    set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0)
		has |= OFFLOAD_GSO;
	if (wanted & OFFLOAD_GRO && set_int(fd, IPPROTO_UDP, UDP_GRO, 1) == 0)
		has |= OFFLOAD_GRO;
	return has;
}

uint32_t udp_dropped(int fd, uint32_t known)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t n = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0 ||
	    n < (SK_MEMINFO_DROPS + 1) * sizeof(*info))
		return known;
	return info[SK_MEMINFO_DROPS];
}

int udp_set_dscp(int fd, uint8_t dscp)
{
	return set_int(fd, IPPROTO_IP, IP_TOS, dscp << 2);
}

bool udp_is_confined(int fd, const char *iface, uint32_t mark)
{
	char name[IFNAMSIZ] = "";
	socklen_t n = sizeof(name);

	return getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n) == 0 &&
	       strncmp(name, iface, sizeof(name)) == 0 &&
	       (uint32_t)get_int(fd, SOL_SOCKET, SO_MARK) == mark;
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

void udp_batch_init(struct udp_batch *b, void *memory, bool gro)
{
	size_t space = gro ? TRAIN_SPACE : PACKET_SPACE;

	b->slots = gro ? TRAINS : BATCH;
	for (unsigned i = 0; i < b->slots; i++) {
		b->iov[i] =
			(struct iovec){(uint8_t *)memory + i * space, space};
		b->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &b->from[i],
			.msg_iov = &b->iov[i],
			.msg_iovlen = 1,
			.msg_control = b->control[i],
		};
	}
}

/* What the kernel says beside a train: the outer ECN, and where to cut. */
static void read_control(struct udp_batch *b, unsigned i)
{
	struct msghdr *h = &b->msg[i].msg_hdr;
	int segment = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			b->t[i].all.ecn = *CMSG_DATA(c) & 3;
		else if (c->cmsg_level == IPPROTO_UDP &&
			 c->cmsg_type == UDP_GRO)
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	}
	/* What was cut is no train: udp_is_cut() shall see it. */
	if (b->msg[i].msg_len > b->iov[i].iov_len)
		segment = 0;
	train_begin(&b->t[i], (uint16_t)segment);
}

int udp_receive(int fd, enum door door, struct udp_batch *b)
{
	int n;

	/* The kernel wrote the lengths of the last batch over ours. */
	for (unsigned i = 0; i < b->slots; i++) {
		b->msg[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		b->msg[i].msg_hdr.msg_controllen = sizeof(b->control[i]);
	}
	/* A cut one's own length shows that it was cut. */
	n = recvmmsg(fd, b->msg, b->slots, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		b->t[i] = (struct train){
			.all.door = door,
			.all.from.ip = ntohl(b->from[i].sin_addr.s_addr),
			.all.from.port = ntohs(b->from[i].sin_port),
			.all.data = b->iov[i].iov_base,
			.all.len = (uint16_t)b->msg[i].msg_len,
		};
		read_control(b, (unsigned)i);
	}
	return n;
}

unsigned out_to_iov(struct iovec iov[static 2], const struct out *o)
{
	unsigned n = 0;

	if (o->head_len)
		iov[n++] = part_of(o->head, o->head_len);
	if (o->body_len)
		iov[n++] = part_of(o->body, o->body_len);
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
