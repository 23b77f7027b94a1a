/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has how much traffic: packets and bytes of the peers that have most of
 * it, for people who look. Counted where packets leave, so whatever way they
 * took. Of two peers that share a place the one that was longer silent is
 * forgotten, and counts from zero when it comes again.
 *
 * One thread counts; others may read meanwhile, and see a peer's numbers mixed
 * with another's at worst.
 */
#ifndef CORE_METER_H
#define CORE_METER_H

#include "hash.h"
#include "outbox.h"

enum {
	METER_PEERS = 256
};

struct meter_count {
	uint64_t packets, bytes;
};

struct meter_peer {
	struct ip6 address;
	uint64_t used;              /* ns; 0 = nobody is here */
	struct meter_count in, out; /* from it, to it */
};

struct meter {
	struct hash_key key;
	unsigned last;              /* the place that was used last */
	struct meter_count in, out; /* of all */
	struct meter_peer v[METER_PEERS];
};

void meter_init(struct meter *m, const struct hash_key *key);

/* Count what is in an outbox; now: ns, not 0. */
void meter_outbox(struct meter *m, const struct outbox *sent, uint64_t now);

/* Add what is known of a peer. */
void meter_read(const struct meter *m, const struct ip6 *a,
		struct meter_count *in, struct meter_count *out);

#endif
