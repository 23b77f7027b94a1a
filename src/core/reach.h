/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the relay: how a peer is asked with bubbles, trusted when it answers,
 * and given up when it does not.
 *
 *	nothing --- a packet for it -----------> PROBING: bubbles, every 2 s
 *	PROBING --- four without an answer ----> FAILED: left alone for 30 s,
 *	            unless it was PROVEN once
 *	FAILED ---- 30 s ----------------------> nothing
 *	any ------- something valid from it ---> PROVEN: packets leave at once
 *	PROVEN ---- silent for 30 s and
 *	            a packet for it -----------> PROBING
 *	PROVEN ---- silent for 5 min ----------> nothing
 */
#ifndef CORE_REACH_H
#define CORE_REACH_H

#include "relay.h"

/* Silent, proven peers */
#define RELAY_FORGETS_NS (300 * NS_PER_S)

/*
 * May anything be sent because of this destination? REASON_NONE, or why its
 * IPv4 addresses are refused (R4, R8, Z8, Z40, Z42).
 */
enum reason relay_check_target(const struct relay *r, const struct ip6 *dst);

/*
 * A packet for a client that is not known to listen; i is its entry or
 * PEER_NONE. REASON_HELD, or how the packet ended (R7-R13).
 */
enum reason relay_reach(struct relay *r, uint32_t i, const uint8_t *p,
			uint16_t len, uint64_t now, struct outbox *out);

/* Something valid came from this entry: trust it, send what is held (R18). */
void relay_prove(struct relay *r, uint32_t i, struct tuple from, uint64_t now,
		 struct outbox *out);

/*
 * Where bubbles to a peer come from: a native address of this relay (R29), or
 * with nonces, one in the same /64 that only who got our last bubble can know.
 * A client behind a symmetric NAT answers from a port that its address does not
 * tell; the answer proves by its trailer that it is one, if the client knows
 * RFC 6081, and by the address it goes to if it does not, as Miredo 1.2.6.
 */
void relay_bubble_source(const struct relay *r, const struct peer *e,
			 struct ip6 *a);

/* An ICMPv6 error to the sender of a packet, if one may be sent (R25). */
void relay_complain(struct relay *r, uint8_t type, uint8_t code,
		    const void *packet, uint16_t len, uint64_t now,
		    struct outbox *out);

#endif
