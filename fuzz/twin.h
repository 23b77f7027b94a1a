/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many packets at once against one by one. While a machine gives datagrams of
 * one sender to the node one by one, they are also put together to a train;
 * when it ends, the node is put back as it was before, is given the train, and
 * must then want the same done and be the same, byte for byte. Super-packets
 * are tried before their segments are given.
 */
#ifndef FUZZ_TWIN_H
#define FUZZ_TWIN_H

#include "record.h"

struct twin {
	struct node *node;
	uint8_t *mem; /* of the node */
	size_t mem_size;
	uint64_t now;
	struct outbox out;
	bool on; /* the train is under way */
	struct datagram first;
	unsigned n; /* datagrams */
	uint16_t len;
	uint8_t bytes[UINT16_MAX];
	struct record plain, plain_made, other, other_made;
	struct node before, after;
	uint8_t *mem_before, *mem_after;
};

/* The node's memory is its own, and stays where it is. */
void twin_init(struct twin *t, struct node *n, void *mem, size_t mem_size);
void twin_free(struct twin *t);

/*
 * Before a datagram is given to the node; begin: put it into a train, also if
 * there is none yet. And behind it: what the node wants done.
 */
void twin_before(struct twin *t, const struct datagram *d, bool begin,
		 uint64_t now);
void twin_behind(struct twin *t, const struct outbox *out);

/* Before anything else happens to the node. */
void twin_settle(struct twin *t);

/*
 * A super-packet is tried, and its effects undone; then its segments are given
 * to the node, each with twin_segment() behind; then the two are compared.
 */
void twin_super(struct twin *t, const struct super *s, uint64_t now);
void twin_segment(struct twin *t, const struct outbox *out);
void twin_super_done(struct twin *t, const struct super *s);

#endif
