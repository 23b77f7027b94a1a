/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop of the packet process. Each time it wakes up it reads the clock
 * once, takes at most one batch from each socket, feeds it to the core, and
 * sends what the core wants sent. Nothing here allocates.
 */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include <time.h>

#include "../core/node.h"
#include "self.h"
#include "tun.h"
#include "udp.h"

struct loop {
	int epoll;
	int door[DOORS]; /* by enum door; -1 = closed. All owned by the worker
			  */
	int tun, raw6;   /* the IPv6 side is the first that is not -1 */
	int channel;     /* to the monitor */
	int signals, sunset;
	struct self_watch *watch;
	uint64_t refresh_at; /* look at our addresses again; ns */
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

#endif
