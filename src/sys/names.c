/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Look-ups: when, and what of them (see names.h). */
#include <string.h>
#include <strings.h>

#include "names.h"

/*
 * Two minutes long a look-up starts within two seconds of the last, whether
 * that has ended or not: who waits for a name server that was just started
 * waits no longer. getaddrinfo() itself asks again after five seconds.
 */
#define PATIENT_NS  (120 * NS_PER_S)
#define GAP_MIN_NS  (1000 * NS_PER_MS)
#define GAP_MAX_NS  (1850 * NS_PER_MS)
#define GAP_STEP_NS (100 * NS_PER_MS)
#define GAP_END_NS  (57 * NS_PER_S)
/* A known name while the server is silent, an unknown one while it is not. */
#define AGAIN_NS (300 * NS_PER_S)

static void init_name(struct name *e, const char *host)
{
	*e = (struct name){.host = host, .due = UINT64_MAX, .gap = GAP_MIN_NS};
	if (host && value_ip4(&e->ip[0], host)) {
		e->is_numeric = true;
		e->n = 1;
	}
}

void names_init(struct names *n, const struct server_name *servers,
		unsigned n_servers, const struct gate *gate,
		const struct hash_key *key, uint32_t prefer)
{
	*n = (struct names){
		.gate = gate,
		.rng.key = *key,
		.n_servers = n_servers,
		.is_silent = true,
		.prefer = prefer,
	};
	for (unsigned i = 0; i < n_servers; i++) {
		const char *second = servers[i].second;

		init_name(&n->v[2 * i], servers[i].host);
		init_name(&n->v[2 * i + 1], *second ? second : NULL);
	}
}

static bool is_looked_up(const struct name *e)
{
	return e->host && !e->is_numeric;
}

bool names_need_resolver(const struct server_name *servers, unsigned n_servers)
{
	uint32_t ip;

	for (unsigned i = 0; i < n_servers; i++) {
		const struct server_name *s = &servers[i];

		if (!value_ip4(&ip, s->host) ||
		    (*s->second && !value_ip4(&ip, s->second)))
			return true;
	}
	return false;
}

static void hurry(struct name *e, uint64_t now)
{
	uint64_t soonest = e->asked ? e->asked + GAP_MIN_NS : now;

	e->since = now;
	e->tries = 0;
	e->due = soonest > now ? soonest : now;
}

static bool is_host(const struct name *e, const char *host)
{
	return e->host ? strcasecmp(e->host, host) == 0 : *host == '\0';
}

/* Which of these it is: both of its names are the same. */
static unsigned find_server(const struct names *n, const struct server_name *s)
{
	for (unsigned i = 0; i < n->n_servers; i++) {
		if (is_host(&n->v[2 * i], s->host) &&
		    is_host(&n->v[2 * i + 1], s->second))
			return i;
	}
	return CLIENT_SERVERS;
}

static void set_name(struct name *e, const struct name *old, const char *host,
		     uint64_t now)
{
	if (old) {
		*e = *old;
		e->host = host;
	} else {
		init_name(e, host);
	}
	/* An answer that was on its way is lost. */
	if (is_looked_up(e) && !e->n)
		hurry(e, now);
}

void names_change(struct names *n, const struct server_name *servers,
		  unsigned n_servers, unsigned from[static CLIENT_SERVERS],
		  uint64_t now)
{
	const struct names old = *n;

	memset(n->v, 0, sizeof(n->v));
	n->n_servers = n_servers;
	for (unsigned i = 0; i < n_servers; i++) {
		const struct server_name *s = &servers[i];
		const struct name *was = NULL;

		from[i] = find_server(&old, s);
		if (from[i] < CLIENT_SERVERS)
			was = &old.v[2 * from[i]];
		set_name(&n->v[2 * i], was, s->host, now);
		set_name(&n->v[2 * i + 1], was ? was + 1 : NULL,
			 *s->second ? s->second : NULL, now);
	}
}

void names_hurry(struct names *n, uint64_t now)
{
	for (unsigned i = 0; i < 2 * n->n_servers; i++) {
		if (is_looked_up(&n->v[i]))
			hurry(&n->v[i], now);
	}
}

void names_silent(struct names *n, bool silent, uint64_t now)
{
	if (n->is_silent == silent)
		return;
	n->is_silent = silent;
	for (unsigned i = 0; i < 2 * n->n_servers; i++) {
		struct name *e = &n->v[i];

		/* One that is due now was asked for by somebody. */
		if (!is_looked_up(e) || e->due <= now)
			continue;
		if (silent && !e->n)
			hurry(e, now);
		else
			e->due = silent || !e->n ? now + AGAIN_NS : UINT64_MAX;
	}
}

uint64_t names_next(const struct names *n)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < 2 * n->n_servers; i++) {
		if (n->v[i].due < next)
			next = n->v[i].due;
	}
	return next;
}

/* A twentieth less or more, so that hosts that start together part. */
static uint64_t jitter(struct names *n, uint64_t gap)
{
	return gap - gap / 40 + rng_u32(&n->rng) % (gap / 20);
}

static uint64_t next_gap(struct names *n, struct name *e, uint64_t now)
{
	if (now - e->since < PATIENT_NS) {
		e->gap = GAP_MIN_NS + e->tries * GAP_STEP_NS;
		if (e->gap > GAP_MAX_NS)
			e->gap = GAP_MAX_NS;
	} else {
		e->gap *= 2;
		if (e->gap > GAP_END_NS)
			e->gap = GAP_END_NS;
	}
	e->tries++;
	return jitter(n, e->gap);
}

int names_due(struct names *n, uint64_t now)
{
	for (unsigned i = 0; i < 2 * n->n_servers; i++) {
		struct name *e = &n->v[i];

		if (e->due > now)
			continue;
		e->asked = now;
		if (n->is_silent && !e->n)
			e->due = now + next_gap(n, e, now);
		else
			e->due = n->is_silent || !e->n ? now + AGAIN_NS
						       : UINT64_MAX;
		return (int)i;
	}
	return -1;
}

/* What may be a server's address of this answer; why nothing is. */
static enum reason take_usable(const struct names *n, struct name *e,
			       const struct resolver_answer *a)
{
	enum reason why = REASON_NONE;

	e->n = 0;
	for (uint32_t i = 0; i < a->n && i < RESOLVER_ADDRESSES; i++) {
		struct tuple t = {a->ip[i], TEREDO_PORT};

		why = gate_target(n->gate, t);
		if (why == REASON_NONE)
			e->ip[e->n++] = a->ip[i];
	}
	return e->n ? REASON_NONE : why;
}

/* The resolver may answer what it was not asked: it is not one of us. */
enum reason names_answer(struct names *n, const struct resolver_answer *a)
{
	struct name *e, old;
	enum reason why;

	if (a->name >= 2 * n->n_servers || !a->n)
		return REASON_DST_NOT_GLOBAL;
	e = &n->v[a->name];
	if (!is_looked_up(e))
		return REASON_DST_NOT_GLOBAL;
	old = *e;
	why = take_usable(n, e, a);
	if (why != REASON_NONE) {
		*e = old;
		return why;
	}
	if (!old.n)
		e->due = n->is_silent ? e->asked + AGAIN_NS : UINT64_MAX;
	return REASON_NONE;
}

static unsigned index_of(const struct name *e, uint32_t ip)
{
	for (unsigned i = 0; i < e->n; i++) {
		if (e->ip[i] == ip)
			return i;
	}
	return e->n;
}

void names_rotate(struct names *n, unsigned i)
{
	struct name *e = &n->v[2 * i];
	unsigned at = index_of(e, e->at);

	if (at < e->n)
		e->at = e->ip[(at + 1) % e->n];
}

/* The one in use, else the one that answered in the last run, else any. */
static uint32_t pick(const struct names *n, struct name *e)
{
	if (e->at && index_of(e, e->at) < e->n)
		return e->at;
	e->at = index_of(e, n->prefer) < e->n ? n->prefer : e->ip[0];
	return e->at;
}

bool names_server(struct names *n, unsigned i, uint32_t *primary,
		  uint32_t *secondary)
{
	struct name *first = &n->v[2 * i], *second = &n->v[2 * i + 1];

	if (!first->n || (second->host && !second->n))
		return false;
	*primary = pick(n, first);
	*secondary = second->host ? pick(n, second) : *primary + 1;
	return true;
}
