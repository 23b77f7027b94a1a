/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one list of how a packet can end. Each packet that comes in, from either
 * side, ends with exactly one of these, and that one is counted. Names appear
 * in logs and manual pages and stay as they are.
 *
 * REASON_NONE is no end: a check passed. REASON_HELD is none either: a relay
 * keeps the packet until its client has answered, and counts it when it goes.
 */
#ifndef CORE_REASON_H
#define CORE_REASON_H

#include <stdint.h>

#define REASON_LIST(X)                                                         \
	X(NONE, "none", "check passed, not an end")                            \
	X(HELD, "held", "kept until the client answers, not an end")           \
	/* what a packet is there for */                                       \
	X(RA, "advertised", "solicitation answered")                           \
	X(ECHO, "echo-answered", "echo to the server itself answered")         \
	X(TO_IPV4, "to-ipv4", "sent to a Teredo client")                       \
	X(TO_IPV6, "to-ipv6", "handed to the IPv6 side")                       \
	X(RELEASED, "released", "held, then sent when the client answered")    \
	X(BUBBLE, "bubble", "bubble taken note of")                            \
	X(RA_TAKEN, "advertisement", "advertisement of our server")            \
	X(TEST_REPLY, "test-reply", "answer to a connectivity test")           \
	X(DISCOVERY, "discovery", "discovery bubble of a neighbour")           \
	X(KNOCK, "knock-answer", "answer to a test of this host's firewall")   \
	/* malformed */                                                        \
	X(TRUNCATED, "truncated", "shorter than its headers say")              \
	X(OVERSIZE, "oversize", "larger than any Teredo packet")               \
	X(BAD_BLOCK, "bad-block", "unknown, repeated or misplaced block")      \
	X(BAD_VERSION, "bad-version", "the inner packet is not IPv6")          \
	X(BAD_TAIL, "bad-tail", "too many bytes behind the inner packet")      \
	X(TRAILER, "trailer",                                                  \
	  "trailer that asks for the packet to be dropped")                    \
	X(ROUTING, "routing-header", "Routing header inside")                  \
	X(BAD_OFFLOAD, "bad-offload",                                          \
	  "the kernel's header does not fit its packet")                       \
	/* outer source */                                                     \
	X(SRC_NOT_GLOBAL, "source-not-global", "IPv4 source is not global")    \
	X(SRC_OWN, "source-own", "IPv4 source is an address of this host")     \
	X(SRC_DENIED, "source-denied", "IPv4 source is refused by DenyIPv4")   \
	/* outer destination */                                                \
	X(DST_NOT_GLOBAL, "target-not-global",                                 \
	  "IPv4 address or port inside the destination is not usable")         \
	X(DST_OWN, "target-own", "IPv4 destination is this host")              \
	X(DST_DENIED, "target-denied",                                         \
	  "IPv4 destination is refused by DenyIPv4")                           \
	/* server */                                                           \
	X(RS_INVALID, "solicitation-invalid",                                  \
	  "fails the checks of 4861 6.1.1")                                    \
	X(RS_UNEXPECTED, "solicitation-misplaced",                             \
	  "wrong source or destination")                                       \
	X(AUTH_MISSING, "auth-missing", "secure qualification is required")    \
	X(AUTH_FAILED, "auth-failed", "unknown identifier or wrong value")     \
	X(RATE_RA, "rate-advertisement", "too many answers to this source")    \
	X(FORGED_BLOCK, "forged-block", "block that a sender may not use")     \
	X(NOT_RELAYED, "not-relayed", "servers pass bubbles and echos only")   \
	X(SECONDARY, "secondary",                                              \
	  "only solicitations go to the second address")                       \
	X(MISMATCH, "mismatch", "inner source is not the outer one")           \
	X(BAD_SOURCE, "bad-source", "nobody may use this inner source")        \
	X(NOT_CLIENT, "not-client",                                            \
	  "neither from nor to a client served here")                          \
	X(SCOPE, "scope", "inner destination is not global")                   \
	X(HOPS, "hop-limit", "hop limit is used up")                           \
	/* relay */                                                            \
	X(LOOP, "loop", "would come back through another tunnel")              \
	X(NOT_TEREDO, "not-teredo", "no Teredo address where one is needed")   \
	X(NOT_SERVED, "not-served", "address outside of what is served")       \
	X(UNKNOWN_PEER, "unknown-peer", "client that nobody here has sent to") \
	X(NO_SOURCE, "no-source",                                              \
	  "no native IPv6 address to send bubbles from")                       \
	X(TOO_BIG, "too-big", "larger than the MTU of the tunnel")             \
	X(ECN, "ecn", "congestion mark on a packet that does not know it")     \
	X(RATE_PEER, "rate-peer", "too many new destinations")                 \
	X(FLOOD, "flood", "more than one sender's share of too much")          \
	X(RA_INVALID, "advertisement-invalid",                                 \
	  "fails the checks of 4861 6.1.2 or 4380 5.2.1")                      \
	X(RA_UNEXPECTED, "advertisement-unexpected",                           \
	  "not from whom was asked, or nobody was")                            \
	X(RA_NONCE, "advertisement-nonce",                                     \
	  "does not hold the nonce of our solicitation")                       \
	X(NOT_QUALIFIED, "not-qualified", "there is no Teredo address")        \
	X(NOT_OURS, "not-ours", "not for our Teredo address")                  \
	X(CONTROL, "control",                                                  \
	  "neighbour discovery or a bubble, of no use here")                   \
	X(UNTRUSTED, "untrusted", "a client that has not proven to be there")  \
	X(UNREACHABLE, "unreachable", "the client does not answer")            \
	X(QUEUE_PEER, "queue-peer", "held, replaced by a newer packet")        \
	X(QUEUE_FULL, "queue-full", "held, pushed out by other clients'")      \
	X(QUEUE_EVICTED, "queue-evicted", "held, and its peer was evicted")

enum reason {
#define X(id, name, text) REASON_##id,
	REASON_LIST(X)
#undef X
	REASON_COUNT
};

/* How packets ended; index with enum reason. */
struct stats {
	uint64_t n[REASON_COUNT];
};

/* Identifier, such as "rate-peer"; a sentence for it. Never NULL. */
const char *reason_name(enum reason r);
const char *reason_text(enum reason r);

/*
 * Count the end of a packet, or of n that end alike; what is no end is not
 * counted. One thread counts, others may read meanwhile, one number at a time.
 */
void stats_count(struct stats *s, enum reason r);
void stats_add(struct stats *s, enum reason r, unsigned n);

#endif
