/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same twice: what a node is given one way, it is then given another way,
 * after all that it holds was put back as it was, where it was. So its memory
 * can be compared, pointers too. What it wants done is recorded as bytes.
 */
#ifndef UNIT_RIG_RECORD_H
#define UNIT_RIG_RECORD_H

#include "rig.h"

enum {
	RECORD_SPACE = 1 << 20
};

/* All that a node is. */
struct copy {
	struct node node;
	uint8_t *mem;
};

void copy_save(struct copy *c, const struct rig *r);
void copy_put_back(const struct copy *c, struct rig *r);
bool copy_is(const struct copy *c, const struct rig *r);
void copy_free(struct copy *c);

/* Where packets went, and what they were. */
struct record {
	unsigned packets;
	bool at_once;
	size_t n;
	uint8_t b[RECORD_SPACE];
};

void record_clear(struct record *c);

/*
 * Take the actions of an outbox from number `first` on, the segments of
 * super-packets one by one, and clear it. What the core has made itself goes
 * into `own`, if that is not NULL.
 */
void record_take(struct record *c, struct record *own, struct outbox *out,
		 unsigned first);

#define same_record(got, want, about)                                          \
	record_same(got, want, about, __FILE__, __LINE__)
void record_same(const struct record *got, const struct record *want,
		 const char *about, const char *file, int line);

/* An outbox that has room for so many actions. */
void crowd(struct outbox *out, unsigned room);

/* TCP packets with consecutive payload as one, behind a header. */
struct gso {
	struct super s;
	uint8_t *memory;
};

/* tcp() or udp() packet, cut into segments with so much payload. */
void gso_make(struct gso *g, const struct packet *whole, uint16_t size);
void gso_free(struct gso *g);

#endif
