/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that a relay or a client keeps until their peer has answered
 * (R11-R13, C51): a ring of slots of fixed size, taken in turn. When the ring
 * has gone round, the oldest packet of all makes room, whoever's it is; so a
 * flood costs others a packet after max_held packets, and costs nobody memory.
 *
 * A peer's packets are chained in order of arrival; the head of the chain,
 * HELD_NONE at first, is in the peer's entry. The slot that is taken next holds
 * the oldest packet of all, so it is the first in its owner's chain.
 */
#ifndef CORE_HELD_H
#define CORE_HELD_H

#include "wire.h"

#define HELD_NONE UINT32_MAX

enum {
	HELD_MIN = 64,
	HELD_MAX = 1 << 20
};

struct held_packet {
	uint64_t since; /* when its peer's first packet came, of those that
			   waited together; ns */
	uint32_t owner; /* index of the peer, HELD_NONE = slot unused */
	uint32_t next;
	uint16_t len;
	uint8_t data[INNER_MAX];
};

struct held {
	struct held_packet *v;
	uint32_t capacity;
	uint32_t turn; /* slot taken next */
	uint32_t n;    /* packets kept */
};

size_t held_memory(uint32_t capacity);

/* mem is aligned to 64 and zeroed; it belongs to the caller. */
void held_init(struct held *h, uint32_t capacity, void *mem);

/* Whose packet must be dropped before the next can be kept; or HELD_NONE. */
uint32_t held_in_the_way(const struct held *h);

/* Keep a packet of at most INNER_MAX bytes; nothing is in the way. */
void held_add(struct held *h, uint32_t peer, uint32_t *head,
	      const uint8_t *data, uint16_t len, uint64_t now);

/* The oldest packet of a chain, NULL if there is none. */
const struct held_packet *held_first(const struct held *h, uint32_t head);

/* Forget the oldest packet of a chain; there is one. */
void held_drop_first(struct held *h, uint32_t *head);

/* How many packets are in a chain. */
unsigned held_count(const struct held *h, uint32_t head);

#endif
