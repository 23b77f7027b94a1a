/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop of the packet process. Each time it wakes up it reads the clock
 * once, takes at most one batch from each socket, feeds it to the core, and
 * sends what the core wants sent. No packet makes anything here allocate; what
 * does (getifaddrs(), for local discovery) is done when the network changes.
 */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include <time.h>

#include "../core/node.h"
#include "self.h"
#include "tun.h"
#include "udp.h"

struct clientrun;

/* What the loop waits for. */
enum source {
	SOURCE_DOOR, /* and the next DOORS - 1 */
	SOURCE_TUN = DOORS,
	SOURCE_CHANNEL,
	SOURCE_SIGNALS,
	SOURCE_ADDRESSES,
	SOURCE_SUNSET,
	SOURCE_TIMER,
	SOURCE_STEWARD,
	SOURCE_RESOLVER,
	SOURCE_WAY,
	SOURCES,
};

struct loop {
	int epoll;
	int door[DOORS]; /* by enum door; -1 = closed. All owned by the worker
			  */
	int tun, raw6;   /* the IPv6 side is the first that is not -1 */
	int channel;     /* to the monitor */
	int signals, sunset, timer;
	uint64_t armed; /* the timer; UINT64_MAX = not */
	struct self_watch *watch;
	struct clientrun *client; /* NULL = no client here */
	const char *bound_name;   /* the interface our sockets are bound to */
	unsigned bound;           /* 0 = none */
	uint64_t refresh_at;      /* look at our addresses again; ns */
	uint64_t refreshed;
	bool is_stale; /* the last look failed, and that was said */
	bool was_up;   /* the tunnel interface */
	bool done;
	int status;
	uint64_t unsent; /* what the kernel did not take, of what the core sent
			  */
	struct node node;
	struct outbox out;
	struct udp_batch udp;
	struct tun_batch packets;
};

/*
 * Prepare for loop_run(): the descriptors are set, the node is made. Dies if
 * it cannot. sunset: when to end, 0 = never.
 */
void loop_open(struct loop *l, time_t sunset);

/* Until told to end; the exit status. */
int loop_run(struct loop *l);

/* --- for clientrun.c --- */

/* Wait for a descriptor, too; -1 is none. */
void loop_watch(struct loop *l, int fd, enum source source);
void loop_watch_door(struct loop *l, enum door door);
void loop_unwatch(struct loop *l, int fd);

/* Run the outbox; or only if one call of the core might find it full. */
void loop_flush(struct loop *l);
void loop_make_room(struct loop *l);

/* End with this status when the round is through. */
void loop_finish(struct loop *l, int status);

#endif
