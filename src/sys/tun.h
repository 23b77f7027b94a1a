/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnel device. It is not persistent: the kernel removes it, and with it
 * the route, when the process that holds it ends, however it ends; unless the
 * service manager keeps it (fdstore.h).
 *
 * With offloads each packet has a virtio-net header before it, and may be a
 * super-packet, both ways (super.h, merge.h). With several queues, a flow comes
 * out of the queue that last wrote a packet of it.
 */
#ifndef SYS_TUN_H
#define SYS_TUN_H

#include <net/if.h>

#include "../core/merge.h"
#include "udp.h"

enum {
	QUEUES_MAX = 4,
	/* Small packets are many, large ones few. */
	TUN_SPACE = VNET_LEN + 65536 + IP6_LEN,
	TUN_BATCH_BYTES = 4 * TUN_SPACE,
};

struct tun {
	unsigned n; /* queues; 0 = there is no device */
	int fd[QUEUES_MAX];
	unsigned offloads; /* OFFLOAD_TSO, OFFLOAD_USO */
	bool has_header;   /* with either of them */
};

struct tun_batch {
	uint8_t *memory; /* TUN_BATCH_BYTES, the caller's */
	struct {
		uint8_t *p; /* header first, if there is one */
		uint32_t len;
	} v[BATCH];
};

/* How tun_send() writes, and what it has written. */
struct tun_sender {
	struct merge merge;
	unsigned parts;
	struct iovec iov[2 + 2 * MERGE_SEGMENTS];
	uint64_t packets, writes; /* handed to the kernel, in how many calls */
	uint64_t refused;         /* of these */
	uint64_t bad_csum;        /* were not merged for that */
};

/*
 * Create a device of this name, with as many of these queues and offloads as
 * the kernel has. 0 or -errno, -EBUSY if it exists.
 */
int tun_open(struct tun *t, const char *name, unsigned queues,
	     unsigned offloads);

/*
 * Is this a queue of the device that tun_open() would make? Then n such queues,
 * without a gap, are taken up again, and more of them made.
 */
bool tun_fits(int fd, const char *name, unsigned queues, unsigned offloads);
void tun_resume(struct tun *t, const int *fd, unsigned n, const char *name,
		unsigned queues, unsigned offloads);

/* A device that was passed to us: one queue, without header. 0 or -errno. */
int tun_adopt(struct tun *t, int fd, char name[static IFNAMSIZ]);

/* Packets of a queue; how many, 0 if there are none, or -errno. */
int tun_receive(const struct tun *t, int fd, struct tun_batch *b);

/*
 * Hand n packets to the kernel, by way of a queue; those of one flow in order.
 * What it refuses is counted.
 */
void tun_send(struct tun_sender *s, const struct tun *t, int fd,
	      const struct out *const *v, unsigned n);

#endif
