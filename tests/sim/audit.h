/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold after every step of a node, whatever it was fed. Simulator
 * and fuzzers call the node through here. The checks know the rules, not the
 * code: they keep a book of their own about what was delivered and what left.
 *
 *   I1  no datagram leaves for a tuple that is not global, own, or denied
 *   I2  a relay sends data only to a tuple that sent something as that client
 *       less than 30 s ago, by its own address or by our last nonce
 *   I3  an input causes few outputs; a server's at most one
 *   I4  what is forwarded has a smaller hop limit and is otherwise the same
 *   I5  an input ends with one counted reason, or is held
 *   I6  tables are within bounds, and their lists are whole
 *   I7  packets of strangers do not cost a proven peer its entry
 *   I9  a deadline that was served does not stay in the past
 *   Z4  a server answers to a /24 so many times a second
 *   R21 two attempts to reach a client are 2 s apart
 *
 * and for a client (audit_client.c) I1-I3 and I5-I9 in its own terms, with
 *
 *   I8  its address is what the last valid advertisement says
 *   A38 not more than one solicitation a second to a server that is silent
 *   C56 a bubble is 2 s from what was last sent to that peer
 *   C57 four attempts in 300 s, if there is no direct answer
 *   Z6  a connectivity test every 2 s to a host, so many a second in all
 *   Z10 nonces do not repeat
 *   K1  who knocks at our host is nobody else, and hears nobody else
 *   A53 who is dormant asks nobody, and no stranger wakes it
 */
#ifndef SIM_AUDIT_H
#define SIM_AUDIT_H

#include "node.h"

struct proof;
struct client_book;

/* A leaky bucket, filled by what was sent to whom. */
struct leak {
	uint32_t whom;
	double level;
	uint64_t at;
};

/* One more: is that within the rate? */
bool audit_leaks(struct leak *l, const struct rate *r, uint64_t now);

struct audit {
	struct node *node;
	uint64_t inputs;
	unsigned steps, next_walk;
	unsigned walk_every; /* steps between two looks at empty tables */
	bool lost_proven;    /* the share of the proven has been full */
	bool native_bubbles; /* packets that look like such have come */
	uint64_t bubbles;
	struct proof *book;
	size_t book_size, book_used;
	uint32_t last_nonce; /* of the last bubble, and so on */
	struct ip6 last_source, last_client;
	struct leak answers[64]; /* of a server; those of one slot forget each
				    other */
	/* of a client */
	struct client_book *client;
	unsigned client_version;
	uint64_t solicitations, attempts, tests, announcements;
	uint64_t solicited, advertised; /* 6081 §5.7 */
	uint64_t last_solicitation, min_refresh, max_refresh;
};

/* Provided by the program; says what is wrong and ends the run. */
_Noreturn void audit_failed(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

void audit_init(struct audit *a, struct node *n);
void audit_free(struct audit *a);

void audit_ip4(struct audit *a, const struct datagram *d, uint64_t now,
	       struct outbox *out);
void audit_ip6(struct audit *a, const uint8_t *p, uint16_t len, uint64_t now,
	       struct outbox *out);
void audit_timeout(struct audit *a, uint64_t now, struct outbox *out);

/* Events of a client; see client.h. */
void audit_server(struct audit *a, unsigned i, uint32_t primary,
		  uint32_t secondary, uint64_t now, struct outbox *out);
void audit_network(struct audit *a, struct tuple local, uint64_t now,
		   struct outbox *out);
void audit_want(struct audit *a, bool wanted, uint64_t now, struct outbox *out);
void audit_native(struct audit *a, bool native, uint64_t now,
		  struct outbox *out);
void audit_check(struct audit *a, uint64_t now, struct outbox *out);
void audit_ready(struct audit *a, uint64_t now, struct outbox *out);

/*
 * For who goes back in time (tests/explore): the books as bytes, and from bytes
 * again; how many bytes. The digest is of what checks to come depend on.
 */
size_t audit_save(const struct audit *a, uint8_t *to);
size_t audit_load(struct audit *a, const uint8_t *from);
uint64_t audit_digest(const struct audit *a);

/* I6, all of it. */
void audit_walk(const struct audit *a);

/* I1: may a datagram leave for this tuple? */
bool audit_allows(const struct node *n, struct tuple t);

#endif
