/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane carries packets: it has sockets, a queue of the tunnel device, buffers
 * and an outbox of its own, and a thread. The first lane is the loop's own
 * (loop.h); others do nothing else than this. With one lane nothing is locked.
 *
 * All lanes share the node. Receiving, cutting, merging and sending, which is
 * nine tenths of the work, each does alone, and packets of established peers
 * pass by leases (lease.h). For others a lane calls the core, and holds the
 * loop's lock meanwhile: once for a batch, not for a packet. Timers, bubbles
 * that are repeated, expiry, the network and the steward are the loop's.
 */
#ifndef SYS_LANE_H
#define SYS_LANE_H

#include <pthread.h>

#include "../core/fair.h"
#include "../core/node.h"
#include "netlink.h"
#include "tun.h"
#include "udp.h"

struct loop;

enum {
	LANES_MAX = QUEUES_MAX,
	LANE_BYTES = UDP_BATCH_BYTES + TUN_BATCH_BYTES,
};

/* Nothing here is shared but the loop, and what tally() counts. */
struct lane {
	struct loop *loop;
	int epoll;
	int door[DOORS]; /* that it receives from; -1 = none */
	int tun;         /* its queue; -1 = none to read from */
	pthread_t thread;
	uint64_t now; /* of this wake-up; ns */
	struct outbox out;
	struct udp_batch udp;
	struct tun_batch packets;
	struct super super[BATCH]; /* the same packets, without header */
	enum reason why[BATCH];    /* or what is wrong with them */
	struct udp_sender sender;
	struct tun_sender writer;
	struct fair from_door[DOORS], from_tun;
	struct netlink *link; /* asks what the device has dropped */
	uint64_t asked;       /* when, last; ns */
	struct leases leases;
	struct stats stats;          /* of what went by lease */
	uint64_t datagrams, trains;  /* received, and in how many pieces */
	uint64_t packets_in, supers; /* the same from the tunnel device */
	uint8_t segment[TUN_SPACE];  /* of a super-packet that is cut here */
};

/* What all lanes have carried, and in how many pieces or calls. */
struct lane_counts {
	unsigned long long datagrams, trains; /* from IPv4 */
	unsigned long long packets, supers;   /* from the tunnel device */
	unsigned long long sent, sends;       /* datagrams, to IPv4 */
	unsigned long long written, writes;   /* packets, to the device */
	unsigned long long refused, cut_here, bad_csum;
};

void lanes_count(const struct loop *l, struct lane_counts *c);

/* Add what went without the core. */
void lanes_stats(const struct loop *l, struct stats *s);

/* Nothing is open yet. */
void lane_close(struct lane *lane);

/* memory: LANE_BYTES, the caller's. Doors and queue are set. */
void lane_init(struct lane *lane, struct loop *l, void *memory);

/* Packets are there. lane_on_tun(): -errno if the device is gone. */
void lane_on_door(struct lane *lane, enum door door, uint64_t now);
int lane_on_tun(struct lane *lane, uint64_t now);

/* Run the outbox. */
void lane_flush(struct lane *lane);

/* Start and end the threads of all lanes but the first. */
void lanes_start(struct loop *l);
void lanes_stop(struct loop *l);

#endif
