/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop of the packet process. Each time it wakes up it reads the clock
 * once, takes at most one batch from each socket, feeds it to the core, and
 * sends what the core wants sent. Nothing here allocates, but for a pattern of
 * names that is compared when the network changes.
 *
 * Packets are carried by lanes (lanes.h). The first one is here; the others, if
 * there are any, have threads of their own, and call the loop when there is
 * something for it.
 */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include <time.h>

#include "../core/node.h"
#include "lanes.h"
#include "publish.h"
#include "self.h"

struct clientrun;
struct plan;

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
	SOURCE_MAPPER,
	SOURCE_CALL,     /* another lane has something for the loop */
	SOURCE_SETTINGS, /* there are new ones */
	SOURCES,
	SOURCE_RANDOM = SOURCES, /* and the next RANDOM_DOORS - 1 */
};

struct loop {
	int epoll;
	int channel; /* to the monitor */
	int signals, sunset, timer;
	int call;       /* eventfd of other lanes; -1 = there are none */
	uint64_t armed; /* the timer; UINT64_MAX = not */
	struct self_watch *watch;
	struct plan *plan;        /* what is in force */
	uint32_t serial;          /* of these settings */
	struct clientrun *client; /* NULL = no client here */
	const char *bound_name;   /* the interface our sockets are bound to */
	unsigned bound;           /* 0 = none */
	uint64_t refresh_at;      /* look at our addresses again; ns */
	uint64_t refreshed;
	struct publisher publisher;
	struct tuple relay_local; /* where a relay listens */
	bool forwarding;          /* this host forwards IPv6 */
	bool is_stale;            /* the last look failed, and that was said */
	bool was_up;              /* the tunnel interface */
	bool done;
	int status;
	struct node node;
	struct lanes lanes; /* the last, as there may be fewer */
};

/*
 * Prepare for loop_run(): the descriptors are set, the node is made. Dies if
 * it cannot. sunset: when to end, 0 = never.
 */
void loop_open(struct loop *l, time_t sunset);

/* Start threads, which wait for loop_run(). */
void loop_start(struct loop *l);

/* Until told to end; the exit status. */
int loop_run(struct loop *l);

/* Another time for that. */
void loop_sunset(struct loop *l, time_t sunset);

/* --- for clientrun.c and renew.c --- */

/* Wait for a descriptor, too; -1 is none. */
void loop_watch(struct loop *l, int fd, enum source source);
void loop_unwatch(struct loop *l, int fd);

/* Where the core writes what it wants while the loop calls it. */
struct outbox *loop_out(struct loop *l);

/* Run it; or only if one call of the core might find it full. */
void loop_flush(struct loop *l);
void loop_make_room(struct loop *l);

/* End with this status when the round is through. */
void loop_finish(struct loop *l, int status);

#endif
