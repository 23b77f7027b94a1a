/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the packet process writes on the board (board.h). Counters are written
 * where they change, by whoever changes them; facts soon after anything may
 * have changed, and at least every beat, so that it can be seen whether the
 * process moves. Without a board (tests of the loop) nothing happens.
 */
#ifndef SYS_PUBLISH_H
#define SYS_PUBLISH_H

#include "board.h"

struct loop;

struct publisher {
	struct board *board; /* NULL = none */
	int bell;            /* eventfd: the verdict has changed; -1 = none */
	uint32_t lives;
	uint64_t beat; /* at most so long after the last ones; ns */
	uint64_t due;  /* facts are written then */
	uint64_t last; /* were written */
	uint64_t since, changed;
	uint32_t verdict, changes, version, settings;
	unsigned notes;
	uint32_t mapping; /* enum portmap_why */
};

/* A lane has run its outbox, and will clear it: its own thread only. */
void publish_lane(struct board *b, const struct lane *lane);

/* The core was called; still under the lock. */
void publish_core(struct loop *l);

/* Something may have changed: facts are due, but not again and again. */
void publish_soon(struct publisher *p, uint64_t now);

/* The same of what hardly matters: facts are due in a second, if nothing else
 * happens until then, such as an answer that comes at once. */
void publish_later(struct publisher *p, uint64_t now);

/* They are due. */
void publish_facts(struct loop *l, uint64_t now);

#endif
