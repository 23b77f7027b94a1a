/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fairness: who floods takes nobody else's place. When more comes than can be
 * carried, the kernel drops what does not fit into its queue, whoever sent it.
 * So as long as it does, those who send more than a share are cut short here,
 * which costs little more than to receive them; then the queue has room for all
 * others.
 *
 * Time goes in slices. After one in which the kernel has dropped something and
 * one sender had much more than the others, the share is set to what would have
 * made three quarters of what was carried, had nobody had more. What it drops
 * is known only when what came before has been received, so there are some
 * slices of patience before the share is made even smaller. After one without
 * loss it grows by a 64th; and after a second of these, nothing is counted any
 * more. Nothing is, as long as nothing is dropped: then this costs nothing.
 *
 * Senders are told apart by a keyed hash that is another one in each slice, so
 * who has the misfortune to share a flooder's place has it for a moment only.
 */
#ifndef CORE_FAIR_H
#define CORE_FAIR_H

#include <stdbool.h>

#include "hash.h"

enum {
	FAIR_PLACES = 256,
	FAIR_SLICE_MS = 20,
	FAIR_CALM = 50, /* slices without loss after which it ends */
	FAIR_PATIENCE = 5,
};

struct fair {
	struct hash_key key;
	uint32_t dropped;  /* the kernel's count, when last told */
	bool is_on;        /* packets are counted */
	bool is_lossy;     /* the kernel has dropped some in this slice */
	unsigned calm;     /* slices without loss */
	unsigned patience; /* slices before the share gets smaller again */
	uint64_t ends;     /* of this slice; ns */
	uint32_t slice;
	uint32_t share;          /* UINT32_MAX = no limit */
	uint32_t n[FAIR_PLACES]; /* packets of this slice */
};

void fair_init(struct fair *f, const struct hash_key *key);

/* The kernel's count of what it has dropped so far. Once a batch, before it. */
void fair_begin(struct fair *f, uint32_t dropped, uint64_t now);

/* May these packets of one sender (n bytes say who) be carried? */
bool fair_admits(struct fair *f, const void *who, size_t n, unsigned packets);

#endif
