/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the names of servers are looked up, and what of the answers counts.
 * Decides only: clientrun.c asks the resolver and tells the core.
 *
 * A name is asked for at the start, when the network changes, and when the core
 * wants to know. As long as nothing usable is known for it, and no server
 * answers, it is asked for again: every second or two at first, since name
 * servers come up late, and in the end once a minute. While a server answers, a
 * known name is left alone, so that one with many addresses does not move a
 * client from one server to another; an unknown one may be a slip of the pen,
 * and is asked for every five minutes.
 */
#ifndef SYS_NAMES_H
#define SYS_NAMES_H

#include "../core/hash.h"
#include "conf.h"
#include "resolver.h"

struct name {
	const char *host; /* NULL = one above the first */
	bool is_numeric;
	unsigned n; /* 0 = nothing usable is known */
	uint32_t ip[RESOLVER_ADDRESSES];
	uint32_t at;    /* the one of them that is used; 0 = none yet */
	uint64_t since; /* unknown, ns */
	uint64_t asked, due, gap;
	unsigned tries;
};

struct names {
	const struct gate *gate;
	struct rng rng;
	bool is_silent;  /* the server; so it is at first */
	uint32_t prefer; /* of several addresses; 0 = none */
	unsigned n_servers;
	struct name v[RESOLVER_NAMES]; /* two of each server */
};

/* servers stays in place. prefer: address that answered in the last run. */
void names_init(struct names *n, const struct server_name *servers,
		unsigned n_servers, const struct gate *gate,
		const struct hash_key *key, uint32_t prefer);

/*
 * Other servers, which stay in place as well. Server i is the one that was
 * from[i] before, and what is known of it stays; or CLIENT_SERVERS: new, and
 * to be looked up now.
 */
void names_change(struct names *n, const struct server_name *servers,
		  unsigned n_servers, unsigned from[static CLIENT_SERVERS],
		  uint64_t now);

/* Is there a name that must be looked up at all? */
bool names_need_resolver(const struct server_name *servers, unsigned n_servers);

/* Look all of them up now, and with patience as at the start. */
void names_hurry(struct names *n, uint64_t now);

/* The server does not answer, or does again. */
void names_silent(struct names *n, bool silent, uint64_t now);

/* When names_due() is to be called; UINT64_MAX = not at all. */
uint64_t names_next(const struct names *n);

/* The index of a name to ask for now, or -1. Call until there is none. */
int names_due(struct names *n, uint64_t now);

/* REASON_NONE if something of the answer is usable, or why nothing is; what is
 * known stays known then. */
enum reason names_answer(struct names *n, const struct resolver_answer *a);

/* Of several addresses of server i take the next. */
void names_rotate(struct names *n, unsigned i);

/* The addresses of server i; false if they are not known. */
bool names_server(struct names *n, unsigned i, uint32_t *primary,
		  uint32_t *secondary);

#endif
