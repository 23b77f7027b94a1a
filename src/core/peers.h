/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The peer table of a relay: a fixed slab of entries, found by a keyed hash,
 * referred to by index. Nothing in it grows (R22, Z21, Z22).
 *
 * Entries belong to one of three rolls, each in order of age:
 *
 *   PROBING   bubbles are out, nothing was heard; may hold packets
 *   FAILED    did not answer; kept so that it is left alone for a while
 *   PROVEN    was heard from its tuple; the oldest is the longest silent
 *
 * Strangers make PROBING and FAILED entries by naming addresses; these share
 * an eighth of the table and push out only each other. PROVEN entries have the
 * rest and are pushed out only by newly PROVEN ones. So no flood of invented
 * addresses costs a working client its entry, and none keeps a new client out.
 */
#ifndef CORE_PEERS_H
#define CORE_PEERS_H

#include "addr.h"
#include "hash.h"

#define PEER_NONE UINT32_MAX

enum {
	PEERS_MIN = 64,
	PEERS_MAX = 1 << 24,
	PEERS_UNPROVEN_SHARE = 8
};

enum roll {
	ROLL_PROBING,
	ROLL_FAILED,
	ROLL_PROVEN,
	ROLL_COUNT
};

/* What tells Teredo addresses under one prefix apart: bytes 4-15. */
struct peer_key {
	uint8_t b[12];
};

/* One cache line. Times in ns, 0 = never. */
struct peer {
	struct peer_key key;
	uint32_t chain; /* next in its hash chain */
	uint32_t newer; /* neighbours in its roll */
	uint32_t older;
	uint32_t ip; /* tuple it was heard from (PROVEN) */
	uint16_t port;
	uint8_t roll;     /* enum roll */
	uint8_t tries;    /* bubble attempts of this procedure */
	uint32_t nonce;   /* in its last bubble, 0 = none (R32) */
	uint32_t held;    /* oldest packet kept for it, or PEER_NONE */
	uint64_t heard;   /* last packet from it */
	uint64_t bubbled; /* last bubble attempt */
	uint64_t due;     /* PROBING: next attempt; FAILED: forgotten;
			     PROVEN: moves up if heard from after this */
};
static_assert(sizeof(struct peer) == 64, "a peer fills a cache line");

struct peers {
	struct hash_key key;
	uint32_t capacity, max_unproven;
	uint32_t mask; /* of the hash index */
	uint32_t n[ROLL_COUNT];
	uint32_t oldest[ROLL_COUNT], newest[ROLL_COUNT];
	uint32_t unused;  /* chain of unused entries */
	uint32_t touched; /* entries from here on were never used */
	struct peer *v;
	uint32_t *index;
};

/* Bytes of memory for a table; capacity is PEERS_MIN..PEERS_MAX. */
size_t peers_memory(uint32_t capacity);

/* mem is aligned to 64, and zeroed or to be recovered; it is the caller's. */
void peers_init(struct peers *p, uint32_t capacity, const struct hash_key *key,
		void *mem);

/* Is an entry with this roll, key, and tuple if PROVEN, fit to stay? */
typedef bool peer_judge(const void *arg, const struct peer *e);

/*
 * After peers_init() with memory in which a table of this capacity was: take
 * over its PROVEN entries that were heard in the last `life` ns and that judge
 * finds fit; the youngest, if they are too many. And of the PROBING those that
 * were asked less than two seconds ago, lest they be asked again (R21). Nothing
 * else is, and nothing is believed: who had the table may have died in the
 * middle of a change, or been taken over. One pass over the slab, and one over
 * what stays, in order of age; that order is kept to a thousandth of `life`.
 */
void peers_recover(struct peers *p, uint64_t life, uint64_t now,
		   peer_judge *judge, const void *arg);

static inline struct peer *peers_at(const struct peers *p, uint32_t i)
{
	return &p->v[i];
}

/* Index of the peer with this address (of the right prefix), or PEER_NONE. */
uint32_t peers_find(const struct peers *p, const struct ip6 *a);

/*
 * The entry that must go before one can join (or move to) a roll, or
 * PEER_NONE if there is room. The caller lets go of what that entry holds and
 * removes it.
 */
uint32_t peers_victim(const struct peers *p, enum roll roll);

/* Add an entry as the newest of a roll; there is room. */
uint32_t peers_add(struct peers *p, const struct ip6 *a, enum roll roll);

/* Move an entry to the newest end of a roll; there is room. */
void peers_move(struct peers *p, uint32_t i, enum roll roll);

void peers_remove(struct peers *p, uint32_t i);

/* The Teredo address of an entry. */
void peer_address(const struct peer *e, uint32_t prefix, struct ip6 *a);

#endif
