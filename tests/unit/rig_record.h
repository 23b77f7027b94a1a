/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rig that does the same twice; see tests/sim/record.h. */
#ifndef UNIT_RIG_RECORD_H
#define UNIT_RIG_RECORD_H

#include "../sim/record.h"
#include "rig.h"

/* All that a node is. */
struct copy {
	struct node node;
	uint8_t *mem;
};

void copy_save(struct copy *c, const struct rig *r);
void copy_put_back(const struct copy *c, struct rig *r);
bool copy_is(const struct copy *c, const struct rig *r);
void copy_free(struct copy *c);

/* record_note(), and the outbox is clear. */
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
