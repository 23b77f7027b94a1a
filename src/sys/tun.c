/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tunnel device (see tun.h). */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tun.h"

#ifndef TUN_F_USO4 /* kernel headers before 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	/* What is always there: /dev/net/tun knows them since 2.6. */
	FLAGS = IFF_TUN | IFF_NO_PI,
};

static int attach(const char *name, int flags)
{
	struct ifreq ifr = {.ifr_flags = (short)flags};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* What the kernel may hand over unfinished. Whichever it has. */
static unsigned set_offloads(int fd, unsigned wanted)
{
	unsigned long tso =
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	unsigned long uso = TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6;

	if (wanted & OFFLOAD_TSO && wanted & OFFLOAD_USO &&
	    ioctl(fd, TUNSETOFFLOAD, tso | uso) == 0)
		return OFFLOAD_TSO | OFFLOAD_USO;
	if (wanted & OFFLOAD_TSO && ioctl(fd, TUNSETOFFLOAD, tso) == 0)
		return OFFLOAD_TSO;
	if (wanted & OFFLOAD_USO && ioctl(fd, TUNSETOFFLOAD, uso) == 0)
		return OFFLOAD_USO;
	return 0;
}

static int flags_of(unsigned queues, unsigned offloads)
{
	int header =
		(offloads & (OFFLOAD_TSO | OFFLOAD_USO)) ? IFF_VNET_HDR : 0;

	return FLAGS | header | (queues > 1 ? IFF_MULTI_QUEUE : 0);
}

static void set_up(struct tun *t, const char *name, unsigned queues,
		   unsigned offloads)
{
	int flags = flags_of(queues, offloads), fd;

	t->has_header = flags & IFF_VNET_HDR;
	if (t->has_header)
		t->offloads = set_offloads(t->fd[0], offloads);
	while (t->n < queues && t->n < QUEUES_MAX) {
		fd = attach(name, flags);
		if (fd < 0)
			break; /* fewer will do */
		t->fd[t->n++] = fd;
	}
}

int tun_open(struct tun *t, const char *name, unsigned queues,
	     unsigned offloads)
{
	int fd;

	/* Exclusively: the kernel would hand us a persistent device that is
	 * there, with its routes. */
	fd = attach(name, flags_of(queues, offloads) | IFF_TUN_EXCL);
	if (fd < 0)
		return fd;
	*t = (struct tun){.n = 1, .fd = {fd}};
	set_up(t, name, queues, offloads);
	return 0;
}

bool tun_fits(int fd, const char *name, unsigned queues, unsigned offloads)
{
	const int all = FLAGS | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	struct ifreq ifr = {0};

	return ioctl(fd, TUNGETIFF, &ifr) == 0 &&
	       strncmp(ifr.ifr_name, name, IFNAMSIZ) == 0 &&
	       (ifr.ifr_flags & all) == flags_of(queues, offloads);
}

void tun_resume(struct tun *t, const int *fd, unsigned n, const char *name,
		unsigned queues, unsigned offloads)
{
	*t = (struct tun){.n = n};
	memcpy(t->fd, fd, n * sizeof(*fd));
	set_up(t, name, queues, offloads);
}

int tun_adopt(struct tun *t, int fd, char name[static IFNAMSIZ])
{
	struct ifreq ifr = {0};
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	if ((ifr.ifr_flags & (FLAGS | IFF_VNET_HDR)) != FLAGS)
		return -EINVAL;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	*t = (struct tun){.n = 1, .fd = {fd}};
	return 0;
}

/* Each packet right behind the last, as long as the longest would fit. */
int tun_receive(const struct tun *t, int fd, struct tun_batch *b)
{
	size_t space = t->has_header ? TUN_SPACE : PACKET_SPACE;
	size_t used = 0;
	int n = 0;

	while (n < BATCH && used + space <= TUN_BATCH_BYTES) {
		ssize_t len = read(fd, b->memory + used, space);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return n || errno == EAGAIN ? n : -errno;
		b->v[n].p = b->memory + used;
		b->v[n++].len = (uint32_t)len;
		used += ((size_t)len + 63) / 64 * 64;
	}
	return n;
}

/* What the device takes: what the kernel may cut again for others. */
static unsigned allowed(const struct tun *t)
{
	unsigned allow = 0;

	if (t->offloads & OFFLOAD_TSO)
		allow |= MERGE_TCP | MERGE_ECN;
	if (t->offloads & OFFLOAD_USO)
		allow |= MERGE_UDP;
	return allow;
}

static void add_part(struct tun_sender *s, const void *p, size_t n)
{
	s->iov[s->parts++] = part_of(p, n);
}

/* The part of a packet that is not in the train's head. */
static void add_packet(struct tun_sender *s, const struct out *o, size_t skip)
{
	struct merge_piece piece[2];
	unsigned n = merge_pieces(o, skip, piece);

	for (unsigned i = 0; i < n; i++)
		add_part(s, piece[i].p, piece[i].n);
}

static void write_all(struct tun_sender *s, int fd, unsigned packets)
{
	tally(&s->packets, packets);
	tally(&s->writes, 1);
	if (writev(fd, s->iov, (int)s->parts) < 0)
		tally(&s->refused, packets);
	s->parts = 0;
}

static void send_train(struct tun_sender *s, int fd, const struct out *const *v,
		       const struct merge_train *t)
{
	unsigned i = t->first;

	add_part(s, &t->vnet, sizeof(t->vnet));
	if (t->head_len)
		add_part(s, t->head, t->head_len);
	for (; i != MERGE_END; i = s->merge.next[i])
		add_packet(s, v[i], t->head_len);
	write_all(s, fd, t->n);
}

void tun_send(struct tun_sender *s, const struct tun *t, int fd,
	      const struct out *const *v, unsigned n)
{
	if (!t->has_header) {
		for (unsigned i = 0; i < n; i++) {
			add_packet(s, v[i], 0);
			write_all(s, fd, 1);
		}
		return;
	}
	merge_packets(&s->merge, v, n, allowed(t));
	tally(&s->bad_csum, s->merge.bad_csum);
	for (unsigned i = 0; i < s->merge.n; i++)
		send_train(s, fd, v, &s->merge.trains[i]);
}
