/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane carries packets: it has sockets, a queue of the tunnel device, buffers
 * and an outbox of its own, and a thread; the first one's is the loop's.
 *
 * All lanes share the node (lanes.h). Receiving, cutting, merging and sending,
 * which is nine tenths of the work, each does alone, and packets of established
 * peers pass by leases (lease.h). For others a lane calls the core, and holds
 * the lock meanwhile: once for a batch, not for a packet.
 */
#ifndef SYS_LANE_H
#define SYS_LANE_H

#include <pthread.h>

#include "../core/fair.h"
#include "../core/node.h"
#include "netlink.h"
#include "tun.h"
#include "udp.h"

struct lanes;

enum {
	LANES_MAX = QUEUES_MAX,
	LANE_BYTES = UDP_BATCH_BYTES + TUN_BATCH_BYTES,
};

/* Nothing here is shared but `all`, and what tally() counts. */
struct lane {
	struct lanes *all;
	int epoll;
	int door[DOORS]; /* that it receives from; -1 = none */
	int tun;         /* its queue; -1 = none to read from */
	pthread_t thread;
	uint64_t now; /* of this wake-up; ns */
	struct outbox out;
	const struct out *sorted[OUT_MAX]; /* of it, for one socket */
	struct udp_batch udp;
	struct tun_batch packets;
	struct super super[BATCH]; /* the same packets, without header */
	enum reason why[BATCH];    /* or what is wrong with them */
	struct udp_sender sender;
	struct tun_sender writer;
	struct fair from_door[DOORS], from_tun;
	struct netlink *link; /* asks what the device has dropped */
	uint64_t asked_door[DOORS], asked_tun; /* the kernel, last; ns */
	struct leases leases;
	struct stats stats;          /* of what went by lease */
	uint64_t datagrams, trains;  /* received, and in how many pieces */
	uint64_t packets_in, supers; /* the same from the tunnel device */
	uint8_t segment[TUN_SPACE];  /* of a super-packet that is cut here */
};

/* Nothing is open yet. */
void lane_close(struct lane *lane);

/* memory: LANE_BYTES, the caller's. Doors and queue are set. */
void lane_init(struct lane *lane, struct lanes *all, void *memory);

/* Packets are there. lane_on_tun(): -errno if the device is gone. */
void lane_on_door(struct lane *lane, enum door door, uint64_t now);
int lane_on_tun(struct lane *lane, uint64_t now);
/* The same at DOOR_RANDOM + k, which all lanes share; only the first looks. */
void lane_on_random(struct lane *lane, unsigned k, uint64_t now);

/* Run the outbox. */
void lane_flush(struct lane *lane);

#endif
