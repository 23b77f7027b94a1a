/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Teredo relay (4380 §5.4): carries packets between the native IPv6
 * Internet and Teredo clients.
 *
 * A packet for a client that was heard from within 30 s leaves at once. For
 * any other, the relay keeps the packet, sends a bubble through the client's
 * server, and waits for the client to answer; only the answer proves that the
 * client wants to be reached and where (I2). Four bubbles without an answer,
 * and the client is left alone for 30 s; packets for it are answered with
 * Address Unreachable meanwhile (A33).
 *
 * New destinations are rationed, since each costs a bubble to a server that a
 * stranger named: per second in all, and per /64 of the packet's source. Echo
 * replies have rations of their own, for a client that is testing the path to
 * a native host (4380 §5.2.9) shows itself by one: so it gets in while somebody
 * sprays other packets over the prefix. So have clients that answered before
 * and fell silent.
 *
 * Left out: R6's legacy mode, which trusts the cone bit.
 */
#ifndef CORE_RELAY_H
#define CORE_RELAY_H

#include "held.h"
#include "ledger.h"
#include "outbox.h"
#include "peers.h"
#include "ratelim.h"

enum {
	RELAY_MAX_SERVED = 64,
	RELAY_SOURCES = 4096,    /* buckets for source prefixes */
	RELAY_HELD_PER_PEER = 8, /* R13 */
};

struct relay_conf {
	uint16_t mtu;    /* of the tunnel: TEREDO_MTU..INNER_MAX */
	enum door door;  /* all it sends leaves here (R1) */
	uint32_t server; /* primary address of a server in this process, or 0 */
	bool host_only;  /* serves this host's own addresses only (R28) */
	bool direct_bubbles;   /* relay behind a NAT (R14) */
	bool accept_strangers; /* take packets without having sent any (R17) */
	bool no_nonces;        /* literal 4380 §5.4.2 (R32) */
	unsigned n_served;     /* 0: all global addresses (R19, R31) */
	struct ip6_prefix served[RELAY_MAX_SERVED];
	uint32_t max_peers;
	uint32_t max_held;      /* packets kept in all */
	struct rate strangers;  /* new destinations */
	struct rate per_source; /* of these and of answers, from one /64 */
	struct rate answers;    /* new destinations of echo replies */
	struct rate repeats;    /* bubbles again, if there is no answer */
	struct rate known;  /* bubbles to clients that have answered before */
	struct rate errors; /* ICMPv6 errors (4443 §2.4 f) */
};

struct relay {
	struct relay_conf conf;
	const struct gate *gate;
	struct stats *stats; /* counts packets that were held when they end */
	struct ledger *ledger;
	struct rng rng;
	struct peers peers;
	struct held held;
	struct bucket strangers, answers, repeats, known, errors;
	struct bucket sources[RELAY_SOURCES];
	uint32_t moved; /* proven peers that are somewhere else now */
};

/* What a configuration gets that says nothing else (spec values). */
extern const struct relay_conf relay_defaults;

/* Bytes of memory that relay_init() needs; all a relay will ever use. */
size_t relay_memory(const struct relay_conf *conf);

/* mem is aligned to 64, and zeroed or to be recovered; it is the caller's. */
void relay_init(struct relay *r, const struct relay_conf *conf,
		const struct gate *gate, struct stats *stats,
		struct ledger *ledger, const struct hash_key *key,
		const struct rng *rng, void *mem);

/* After that, if a relay of this configuration had the memory before: take over
 * the peers that it has proven or has just asked (peers_recover()). */
void relay_recover(struct relay *r, uint64_t now);

/* Go on with these rates and rules; what is behind tables and sockets stays. */
void relay_reconfigure(struct relay *r, const struct relay_conf *conf);

/* A datagram from the IPv4 side: how it ended. */
enum reason relay_from_ip4(struct relay *r, const struct datagram *d,
			   uint64_t now, struct outbox *out);

/* A packet from the tunnel device: how it ended, or REASON_HELD. */
enum reason relay_from_ip6(struct relay *r, const uint8_t *p, uint16_t len,
			   uint64_t now, struct outbox *out);

/*
 * A super-packet from the tunnel device: true if all of it leaves at once; else
 * nothing was done, and its segments are to be handed over one by one.
 */
bool relay_super_from_ip6(struct relay *r, const struct super *s, uint64_t now,
			  struct outbox *out);

struct lease;

/* Fill in what node_lease() has begun; false if there is none. */
bool relay_lease(const struct relay *r, struct lease *l, uint64_t now);

/* Something valid came from this client: trust it, send what is held (R18). */
void relay_heard(struct relay *r, const struct ip6 *client, struct tuple from,
		 uint64_t now, struct outbox *out);

/* Do what is due, as long as the outbox has room. */
void relay_timeout(struct relay *r, uint64_t now, struct outbox *out);

/* When relay_timeout() wants to be called; UINT64_MAX = not at all. */
uint64_t relay_next(const struct relay *r);

#endif
