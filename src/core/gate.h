/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where packets may go to and come from: the one judge of IPv4 addresses.
 *
 * RFC 4380 §5.2.4 lists addresses that must never be taken out of a Teredo
 * address and sent to; reliability asks for more: nothing to ourselves (Z8,
 * the server that killed itself), nothing from somebody who claims to be us
 * (Z9), nothing where the operator forbids it (Z42). outbox.c asks here for
 * every datagram, so no machine can forget to.
 *
 * The shell keeps the addresses of this host up to date (Z2) by filling a
 * struct self; the machines only read it.
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include "addr.h"

enum {
	SELF_MAX_IP4 = 256,
	SELF_MAX_IP6 = 256,
	GATE_MAX_RULES = 64
};

/* IPv4 prefix; bits beyond len are zero. Host order. */
struct ip4_prefix {
	uint32_t ip;
	uint8_t len; /* 0..32 */
};

/* What this host calls its own. */
struct self {
	unsigned n_ip4, n_ip6;
	struct {
		uint32_t ip; /* host order */
		uint8_t len; /* of the subnet it is attached to */
	} ip4[SELF_MAX_IP4];
	struct ip6 ip6[SELF_MAX_IP6]; /* global ones, no Teredo addresses */
	bool has_source;
	struct ip6 source; /* the one that a relay sends bubbles from (R29) */
};

struct gate {
	const struct self *self;
	uint32_t own[2];     /* of a server here; ours even if self overflows */
	struct tuple mapped; /* of a client here, as the Internet sees it */
	uint32_t prefix;     /* of Teredo addresses: TEREDO_PREFIX */
	uint8_t neighbour_len; /* of links; 0 = as addresses say */
	bool public_only;      /* the extended list, 6890; default on (A35) */
	unsigned n_allow, n_deny;
	struct ip4_prefix allow[GATE_MAX_RULES]; /* lifts RFC 1918 and 6890 */
	struct ip4_prefix deny[GATE_MAX_RULES];
};

/* A global unicast address and a port, be it our own. */
bool gate_is_global(const struct gate *g, struct tuple t);

/* REASON_NONE, or one of REASON_SRC_*, for the outer source of a datagram. */
enum reason gate_source(const struct gate *g, struct tuple t);

/* REASON_NONE, or one of REASON_DST_*, for an IPv4 address and port. */
enum reason gate_target(const struct gate *g, struct tuple t);

/*
 * Is it on a link of this host, and somebody else's? Only peers that local
 * discovery has found are looked for there (C49). What is on a link is in the
 * subnet of one of our addresses, as that is, or by neighbour_len.
 */
enum reason gate_neighbour(const struct gate *g, struct tuple t);

/*
 * May this IPv6 address, which is not under the Teredo prefix, be the source of
 * a packet that goes into or comes out of the tunnel? Global unicast, not
 * 6to4 of an unusable IPv4 address (Z18), not by way of another tunnel of this
 * host (Z37). Own addresses pass.
 */
enum reason gate_native_source(const struct gate *g, const struct ip6 *a);

/* Is it an address of this host? */
bool self_has_ip4(const struct self *s, uint32_t ip);
bool self_has_ip6(const struct self *s, const struct ip6 *a);

/*
 * Does this IPv6 address lead to this host through some tunnel, without being
 * one of its own addresses? (Z36, Z37, Z38)
 */
bool gate_embeds_self(const struct gate *g, const struct ip6 *a);

static inline bool ip4_in(uint32_t ip, const struct ip4_prefix *p)
{
	return p->len == 0 || (ip ^ p->ip) >> (32 - p->len) == 0;
}

#endif
