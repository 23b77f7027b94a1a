/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases: what the core has decided about packets between two addresses, for a
 * quarter of a second. With several threads, one at a time calls the core; a
 * lease lets each of them pass on the packets of established peers meanwhile,
 * and whoever has one shares nothing with anybody. Four times a second a packet
 * of each flow takes the long way and renews its lease, so the core sees that a
 * peer is heard, or is silent, a little coarser than with one thread.
 *
 * A lease is for plain packets of TCP and UDP (train.h) only. It ends early
 * when something changes that the core would heed: it counts up its epoch then.
 * What a lease lets pass is what the core would have let pass when it was
 * granted; all else is left to the core, in order.
 *
 * The table belongs to one thread. It is small: what is missing costs time
 * only. The other ways were to let all threads read the tables of peers, by
 * RCU or sequence numbers, or to give each thread peers of its own. The first
 * makes each field of a peer a matter of memory order, in a machine that is
 * easy to trust because it has one caller, and relay and client would each need
 * it; the second needs the kernel to send both directions of a peer to the same
 * thread, which for the device takes BPF. A look-up here is one hash and one
 * line of memory more or less, like theirs, and writes nothing.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "hash.h"
#include "train.h"

enum {
	LEASES = 256,
	LEASE_MS = 250,
};

enum lease_way {
	LEASE_UP,   /* from a peer to the IPv6 side */
	LEASE_DOWN, /* from the IPv6 side to a peer */
};

struct lease {
	struct ip6 src, dst;
	struct tuple tuple; /* where the peer is */
	enum lease_way way;
	enum door door; /* it sends from, and we too */
	uint16_t mtu;   /* LEASE_DOWN */
	uint32_t epoch;
	uint64_t until; /* ns; 0 = no lease */
};

struct leases {
	struct hash_key key;
	struct lease v[LEASES];
};

/* Of a lease that is granted now, for what is valid until then. */
static inline uint64_t lease_end(uint64_t now, uint64_t valid)
{
	uint64_t longest = now + LEASE_MS * UINT64_C(1000000);

	return longest < valid ? longest : valid;
}

/*
 * Is there a place for a lease of this flow? Others keep theirs, so where there
 * are too many flows they do not push each other out.
 */
bool lease_wanted(const struct leases *ls, enum lease_way way,
		  const struct wire_ip6 *ip, uint32_t epoch, uint64_t now);

/* What the core has granted: see node_lease(). */
void lease_put(struct leases *ls, const struct lease *l);

/*
 * Pass on what there are leases for: datagrams of a train from t->at on, a
 * packet, or all segments of a super-packet. True if that was all of it. How
 * packets end is counted in stats. epoch: of the core, now.
 */
bool lease_train(const struct leases *ls, struct train *t, uint32_t epoch,
		 uint64_t now, struct stats *stats, struct outbox *out);
bool lease_packet(const struct leases *ls, const struct super *s,
		  uint32_t epoch, uint64_t now, struct stats *stats,
		  struct outbox *out);

#endif
