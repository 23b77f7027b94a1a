/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same twice: what a node is given one way, it is then given another way,
 * after all that it holds was put back as it was, where it was. So its memory
 * can be compared, pointers too. What it wants done is recorded as bytes.
 * Fuzzers (twin.c) and unit tests (rig_record.h) share this.
 */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "node.h"

enum {
	RECORD_SPACE = 1 << 20
};

/* A node without its memory; copied only between calls. */
void node_copy(struct node *to, const struct node *from);
bool node_same(const struct node *a, const struct node *b);

/* Where packets went, and what they were. */
struct record {
	unsigned packets;
	bool at_once;
	size_t n; /* more than RECORD_SPACE: it did not fit */
	uint8_t b[RECORD_SPACE];
};

void record_clear(struct record *c);

/*
 * Note the actions of an outbox from number `first` on, the segments of
 * super-packets one by one. What the core has made itself goes into `own`, if
 * that is not NULL.
 */
void record_note(struct record *c, struct record *own, const struct outbox *out,
		 unsigned first);

/* False also if one was not noted whole. */
bool record_equal(const struct record *a, const struct record *b);

#endif
