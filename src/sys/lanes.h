/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All lanes, and what they share: the node, the tunnel device, the lock. With
 * one lane nothing is locked.
 *
 * Whoever calls the core, or looks at what it holds, is between lanes_enter()
 * and lanes_leave(); what a lane does without is in lane.h. Timers, bubbles
 * that are repeated, expiry, the network and the steward are the loop's
 * (loop.h).
 */
#ifndef SYS_LANES_H
#define SYS_LANES_H

#include <semaphore.h>

#include "lane.h"

struct neighbours;
struct board;

struct lanes {
	unsigned n; /* in use */
	struct node *node;
	struct board *board; /* NULL = nobody looks */
	struct tun tun;
	int raw6;         /* the IPv6 side if there is no tun; -1 = none */
	unsigned ifindex; /* of the tun device */
	const struct neighbours *neighbours; /* for OUT_GROUP */
	unsigned offloads;                   /* in use: enum offload */
	bool copy_dscp;
	struct hash_key key; /* of tables that only cost time */

	/* Whoever called the core gives it back now. other: it was not the
	 * first lane, which is the loop's. */
	void (*on_leave)(void *arg, bool other);
	void *arg;

	int random[RANDOM_DOORS]; /* sockets; -1 = none. Set under the lock,
				     read without */
	bool has_random;          /* one was there */
	int end;                  /* eventfd; -1 with one lane */
	sem_t there, stopped;     /* threads that are */
	sem_t never;              /* what they wait for in the end */
	uint64_t latest;          /* time that the core has seen; ns */
	uint32_t epoch;           /* of the node; read without the lock */
	pthread_mutex_t lock;     /* of the node */
	struct lane lane[LANES_MAX];
};

/* The clock that goes on while the host sleeps: so do the NATs' (ns). */
uint64_t clock_now(void);

/*
 * Nobody else calls the core until lanes_leave(). Returns the time to call it
 * with: it may have been called by another lane meanwhile, at a later time than
 * this one read, and must not see time go back.
 */
uint64_t lanes_enter(struct lanes *l, uint64_t now);
void lanes_leave(struct lanes *l, const struct lane *lane);

/* No random port is open. */
void lanes_shut(struct lanes *l);

/* The socket of DOOR_RANDOM + k; -1 = none. */
static inline int lanes_random(const struct lanes *l, unsigned k)
{
	return __atomic_load_n(&l->random[k], __ATOMIC_RELAXED);
}

/* Before the first lanes_enter(); n and what is above it are set. */
void lanes_open(struct lanes *l);

/*
 * The threads of all lanes but the first: start them, let them go, stop them.
 * Between start and go they are there, carry nothing, and the lock is ours.
 * When they are stopped they are still there, but do nothing any more: to end a
 * thread takes system calls that nothing else takes, and the process is about
 * to end.
 */
void lanes_start(struct lanes *l);
void lanes_go(struct lanes *l);
void lanes_stop(struct lanes *l);

/*
 * DSCP of all that is sent from now on, 0 to 63; or, with copy, that of the
 * packet inside. Other lanes may be sending.
 */
void lanes_set_dscp(struct lanes *l, uint8_t dscp, bool copy);

/* What all lanes have carried, and in how many pieces or calls. */
struct lane_counts {
	unsigned long long datagrams, trains; /* from IPv4 */
	unsigned long long packets, supers;   /* from the tunnel device */
	unsigned long long sent, sends;       /* datagrams, to IPv4 */
	unsigned long long written, writes;   /* packets, to IPv6 */
	unsigned long long refused, cut_here, bad_csum;
};

/* Of one lane; and to add them up. */
void lane_count(const struct lane *a, struct lane_counts *c);
void lane_counts_add(struct lane_counts *c, const struct lane_counts *more);

void lanes_count(const struct lanes *l, struct lane_counts *c);

void lane_stats_add(struct stats *s, const struct stats *more);

/* Add how packets ended that went without the core. */
void lanes_stats(const struct lanes *l, struct stats *s);

#endif
