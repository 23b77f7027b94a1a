/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node has done, and what has become of it: all that is worth a number
 * and is not how a packet ended (reason.h). One list makes the lines, what they
 * are called in answers and metrics, and which role has them.
 *
 * Nothing here is counted for a packet between peers that know each other, but
 * for bubbles, proofs, evictions and the like. Sums that follow from reasons
 * are not counted again.
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include <stdint.h>

#include "reason.h"

/* Who has a line. */
enum {
	LEDGER_SERVER = 1,
	LEDGER_RELAY = 2,
	LEDGER_CLIENT = 4,
	LEDGER_PEERS = LEDGER_RELAY | LEDGER_CLIENT,
};

/* X(id, name): what the lines of a family are about; keys of an answer. */
#define LEDGER_FAMILIES(X)                                                     \
	X(BUBBLES_SENT, "bubbles_sent")                                        \
	X(BUBBLES_RECEIVED, "bubbles_received")                                \
	X(EVICTED, "peers_evicted")                                            \
	X(GIVEN_UP, "peers_given_up")                                          \
	X(QUALIFICATIONS, "qualifications")                                    \
	X(PORTS, "random_ports")                                               \
	X(ADDRESS, "address_changes")                                          \
	X(LIMITED, "ratelimited")

/* X(id, family, name, roles); lines of a family stand together. */
#define LEDGER_LIST(X)                                                         \
	/* to where the peer is */                                             \
	X(SENT_DIRECT, BUBBLES_SENT, "direct", LEDGER_PEERS)                   \
	/* the same, which ask for an answer, and answer (6081 §5.7) */       \
	X(SENT_SOLICITATION, BUBBLES_SENT, "solicitation", LEDGER_CLIENT)      \
	X(SENT_ADVERTISEMENT, BUBBLES_SENT, "advertisement", LEDGER_CLIENT)    \
	/* by way of its server */                                             \
	X(SENT_INDIRECT, BUBBLES_SENT, "indirect", LEDGER_PEERS)               \
	/* to the relay of a native host */                                    \
	X(SENT_RELAY, BUBBLES_SENT, "relay", LEDGER_CLIENT)                    \
	/* on the link, to a neighbour; or to all of them */                   \
	X(SENT_NEIGHBOUR, BUBBLES_SENT, "neighbour", LEDGER_CLIENT)            \
	X(SENT_DISCOVERY, BUBBLES_SENT, "discovery", LEDGER_CLIENT)            \
	/* to our own second port, to learn how long mappings last */          \
	X(SENT_INTERVAL, BUBBLES_SENT, "interval", LEDGER_CLIENT)              \
	/* of somebody else, passed on */                                      \
	X(SENT_PASSED, BUBBLES_SENT, "passed", LEDGER_SERVER)                  \
	/* the same from the other side; discovery is a reason */              \
	X(GOT_DIRECT, BUBBLES_RECEIVED, "direct", LEDGER_PEERS)                \
	X(GOT_SOLICITATION, BUBBLES_RECEIVED, "solicitation", LEDGER_CLIENT)   \
	X(GOT_ADVERTISEMENT, BUBBLES_RECEIVED, "advertisement", LEDGER_CLIENT) \
	X(GOT_INDIRECT, BUBBLES_RECEIVED, "indirect", LEDGER_CLIENT)           \
	X(GOT_RELAY, BUBBLES_RECEIVED, "relay", LEDGER_CLIENT)                 \
	X(GOT_NEIGHBOUR, BUBBLES_RECEIVED, "neighbour", LEDGER_CLIENT)         \
	X(GOT_INTERVAL, BUBBLES_RECEIVED, "interval", LEDGER_CLIENT)           \
	/* pushed out by others, as there was no more room */                  \
	X(EVICTED_PROVEN, EVICTED, "proven", LEDGER_RELAY)                     \
	X(EVICTED_PROBING, EVICTED, "probing", LEDGER_RELAY)                   \
	X(EVICTED_FAILED, EVICTED, "failed", LEDGER_RELAY)                     \
	X(EVICTED_ACTIVE, EVICTED, "active", LEDGER_CLIENT)                    \
	X(EVICTED_TRUSTED, EVICTED, "trusted", LEDGER_CLIENT)                  \
	X(EVICTED_UNTRUSTED, EVICTED, "untrusted", LEDGER_CLIENT)              \
	/* did not answer; by who it was */                                    \
	X(GIVEN_UP_CLIENT, GIVEN_UP, "client", LEDGER_PEERS)                   \
	X(GIVEN_UP_NATIVE, GIVEN_UP, "native", LEDGER_CLIENT)                  \
	/* how asking a server has ended; where it is a state of the client,   \
	 * called as that */                                                   \
	X(QUALIFIED, QUALIFICATIONS, "qualified", LEDGER_CLIENT)               \
	X(CONFIRMED, QUALIFICATIONS, "confirmed", LEDGER_CLIENT)               \
	X(MOVED, QUALIFICATIONS, "mapping-changed", LEDGER_CLIENT)             \
	X(SYMMETRIC, QUALIFICATIONS, "symmetric-nat", LEDGER_CLIENT)           \
	X(SILENT, QUALIFICATIONS, "server-silent", LEDGER_CLIENT)              \
	X(SECOND_SILENT, QUALIFICATIONS, "secondary-silent", LEDGER_CLIENT)    \
	/* for one peer: opened; and of echo tests (6081 §5.5), how many,     \
	 * and how many have shown that the NAT does not count */              \
	X(PORT_OPENED, PORTS, "opened", LEDGER_CLIENT)                         \
	X(PORT_TEST, PORTS, "echo-test", LEDGER_CLIENT)                        \
	X(PORT_SCATTERED, PORTS, "scattered", LEDGER_CLIENT)                   \
	/* why there is another address, one, or none */                       \
	X(ADDRESS_FIRST, ADDRESS, "qualified", LEDGER_CLIENT)                  \
	X(ADDRESS_MAPPING, ADDRESS, "mapping-changed", LEDGER_CLIENT)          \
	X(ADDRESS_SERVER, ADDRESS, "server", LEDGER_CLIENT)                    \
	X(ADDRESS_FLAGS, ADDRESS, "flags", LEDGER_CLIENT)                      \
	X(ADDRESS_LOST, ADDRESS, "lost", LEDGER_CLIENT)                        \
	/* not sent, as that would be too many; the rest are reasons */        \
	X(LIMITED_BUBBLE, LIMITED, "bubble", LEDGER_PEERS)                     \
	X(LIMITED_ANSWER, LIMITED, "bubble-answer", LEDGER_CLIENT)             \
	X(LIMITED_TEST, LIMITED, "test", LEDGER_CLIENT)                        \
	X(LIMITED_ERROR, LIMITED, "icmp-error", LEDGER_PEERS)

/* X(family, name, reason, roles): what else is of a family is a reason. */
#define LEDGER_REASONS(X)                                                      \
	X(BUBBLES_RECEIVED, "discovery", DISCOVERY, LEDGER_CLIENT)             \
	X(LIMITED, "server-answer", RATE_RA, LEDGER_SERVER)                    \
	X(LIMITED, "new-peer", RATE_PEER, LEDGER_RELAY)                        \
	X(LIMITED, "flood", FLOOD, LEDGER_SERVER | LEDGER_PEERS)

enum ledger_family {
#define X(id, name) LEDGER_FAMILY_##id,
	LEDGER_FAMILIES(X)
#undef X
	LEDGER_FAMILY_COUNT
};

enum ledger_line {
#define X(id, family, name, roles) LEDGER_##id,
	LEDGER_LIST(X)
#undef X
	LEDGER_COUNT
};

/*
 * How long a peer's first packet had to wait until the peer had proven where it
 * is: how many waited no longer than the bound, but longer than the one before;
 * the last has no bound.
 */
enum {
	LEDGER_WAITS = 10
};
extern const uint32_t ledger_bound_ms[LEDGER_WAITS - 1];

struct ledger {
	uint64_t n[LEDGER_COUNT];
	uint64_t waits[LEDGER_WAITS];
	uint64_t waited_ns; /* all of them */
};

struct ledger_words {
	const char *name;
	enum ledger_family family;
	unsigned roles;
};

const struct ledger_words *ledger_words(enum ledger_line l);
const char *ledger_family_name(enum ledger_family f);

/* One thread counts; who reads meanwhile, reads one number at a time. */
static inline void ledger_count(struct ledger *l, enum ledger_line line)
{
	__atomic_store_n(&l->n[line], l->n[line] + 1, __ATOMIC_RELAXED);
}

/* Somebody has waited so long. */
void ledger_wait(struct ledger *l, uint64_t ns);

/* Add what others have counted, and may go on to count. */
void ledger_add(struct ledger *l, const struct ledger *more);

#endif
