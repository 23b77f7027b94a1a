/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet process: what belongs to one life of it, with the sockets that the
 * keeper holds open. It has no privilege from the start.
 */
#ifndef SYS_WORKER_H
#define SYS_WORKER_H

#include "calls.h"
#include "loop.h"
#include "plan.h"

struct life {
	const struct plan *plan;
	struct loop *loop; /* with all that open.h opens */
	uint8_t *buffers;  /* LANE_BYTES for each lane */
	void *memory;      /* node_memory(), shared by all lives */
	size_t memory_size;
	struct board *board;
	int bell;                /* of struct publisher */
	uint64_t beat;           /* the same, ns */
	uint32_t lives;          /* this one is so many-th */
	struct hash_key log_key; /* as in struct node_seed */
	bool is_first;
	bool recovers; /* there is something in the memory, and it may be used
			*/
	int ready;     /* say so there: daemon_ready() */
};

/* What it asks of the kernel in its loop: enum calls_of. */
unsigned worker_calls(const struct plan *p);

/* Until the loop ends: the exit status. */
int worker_run(const struct life *life);

#endif
