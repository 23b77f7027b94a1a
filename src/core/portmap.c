/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See portmap.h. */
#include "portmap.h"

#include <assert.h>

#include "gate.h"
#include "ratelim.h"

static const struct {
	const char *name, *text, *advice;
} whys[] = {
#define X(id, name, text, advice) [PORTMAP_##id] = {name, text, advice},
	PORTMAP_LIST(X)
#undef X
};

static const struct {
	const char *name, *title;
} methods[] = {
	[PORTMAP_NONE] = {"none", "nothing"},
	[PORTMAP_PCP] = {"pcp", "PCP"},
	[PORTMAP_NATPMP] = {"natpmp", "NAT-PMP"},
	[PORTMAP_UPNP] = {"upnp", "UPnP"},
};

const char *portmap_method_name(enum portmap_method m)
{
	return methods[m].name;
}

const char *portmap_method_title(enum portmap_method m)
{
	return methods[m].title;
}

const char *portmap_why_name(enum portmap_why w)
{
	return whys[w].name;
}

const char *portmap_why_text(enum portmap_why w)
{
	return whys[w].text;
}

const char *portmap_why_advice(enum portmap_why w)
{
	return whys[w].advice[0] ? whys[w].advice : NULL;
}

static bool is_local(uint32_t ip)
{
	static const struct ip4_prefix of[] = {
		{0x0a000000, 8},                                      /* 1918 */
		{0xac100000, 12}, {0xc0a80000, 16}, {0xa9fe0000, 16}, /* 3927 */
		{0x64400000, 10},                                     /* 6598 */
	};

	for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		if (ip4_in(ip, &of[i]))
			return true;
	}
	return false;
}

enum portmap_why portmap_gateway(uint32_t local, uint32_t gateway)
{
	if (!local || !gateway || local == gateway)
		return PORTMAP_NO_GATEWAY;
	if (!is_local(local))
		return PORTMAP_NO_NAT;
	return is_local(gateway) ? PORTMAP_OK : PORTMAP_NOT_PRIVATE;
}

bool portmap_lease_equal(const struct portmap_lease *a,
			 const struct portmap_lease *b)
{
	return a->method == b->method && a->gateway == b->gateway &&
	       tuple_equal(a->local, b->local) &&
	       tuple_equal(a->external, b->external);
}

/* --- what is wished --- */

static bool wants_any(const struct portmap *m)
{
	return m->wish.choice != PORTMAP_BY_NONE;
}

static bool wants(const struct portmap *m, uint8_t method)
{
	return m->wish.choice == PORTMAP_BY_ANY || m->wish.choice == method;
}

/* The first that may be tried from this one on, or PORTMAP_METHODS. */
static uint8_t next_method(const struct portmap *m, uint8_t from)
{
	while (from < PORTMAP_METHODS && !wants(m, from))
		from++;
	return from;
}

static void search(struct portmap *m)
{
	m->have.method = PORTMAP_NONE;
	m->is_left = false;
	m->method = next_method(m, PORTMAP_PCP);
	m->worst = PORTMAP_SILENT;
	m->why = PORTMAP_ASKING;
	m->fails = 0;
}

static bool fits(const struct portmap *m)
{
	return m->have.gateway == m->wish.gateway &&
	       tuple_equal(m->have.local, m->wish.local) &&
	       wants(m, m->have.method);
}

/*
 * Can and must it be taken away? PCP and NAT-PMP know a host by its address, so
 * what was for another address of ours goes by its lifetime. Of what the last
 * run has left it is not known whether its router is on this link.
 */
static bool must_end(const struct portmap *m)
{
	if (!m->have.method)
		return false;
	if (!wants_any(m))
		return !m->is_left || m->have.gateway == m->wish.gateway;
	if (m->have.gateway != m->wish.gateway)
		return false;
	if (m->have.method != PORTMAP_UPNP &&
	    m->have.local.ip != m->wish.local.ip)
		return false;
	return !fits(m) || (m->is_left && m->have.method == PORTMAP_UPNP);
}

/* What is not ours any more, and is out of reach. */
static void forget(struct portmap *m)
{
	if (m->have.method && m->wish.gateway && !fits(m) && !must_end(m))
		search(m);
}

void portmap_init(struct portmap *m, const struct portmap_lease *left)
{
	*m = (struct portmap){.at = UINT64_MAX, .why = PORTMAP_OFF};
	if (!left || !left->method || left->method >= PORTMAP_METHODS)
		return;
	m->have = *left;
	m->is_left = true;
}

static bool is_same(const struct portmap_wish *a, const struct portmap_wish *b)
{
	return a->choice == b->choice && a->gateway == b->gateway &&
	       a->why == b->why && tuple_equal(a->local, b->local);
}

static void go(struct portmap *m, uint64_t now)
{
	m->at = (wants_any(m) && m->wish.gateway) || must_end(m) ? now
								 : UINT64_MAX;
	m->hurry = m->is_busy;
}

void portmap_wish(struct portmap *m, const struct portmap_wish *w, uint64_t now)
{
	bool same = is_same(&m->wish, w), again = m->wish.again != w->again;
	bool moved = m->wish.gateway != w->gateway;

	m->wish = *w;
	if (same && again)
		portmap_hurry(m, now);
	if (same)
		return;
	if (moved)
		m->found = m->undoes = false;
	m->fails = 0;
	forget(m);
	if (!m->have.method)
		search(m);
	go(m, now);
}

/* Not more often than that, whoever calls. */
void portmap_hurry(struct portmap *m, uint64_t now)
{
	uint64_t soonest = m->began + PORTMAP_HURRY_S * NS_PER_S;

	if (!wants_any(m) || !m->wish.gateway)
		return;
	if (m->is_busy) {
		m->hurry = true;
		return;
	}
	if (!m->have.method)
		search(m);
	if (soonest < now)
		soonest = now;
	if (m->at > soonest)
		m->at = soonest;
}

/* --- one job after the other --- */

uint64_t portmap_next(const struct portmap *m)
{
	if (m->is_busy)
		return UINT64_MAX;
	return m->undoes ? 0 : m->at;
}

static void make_job(struct portmap *m)
{
	m->job = (struct portmap_job){
		.lease = m->have,
		.lifetime_s = PORTMAP_LIFETIME_S,
	};
	if (m->undoes)
		m->job.lease = m->maybe;
	if (m->undoes || must_end(m)) {
		m->job.is_end = true;
		m->job.lifetime_s = 0;
		return;
	}
	if (m->have.method)
		return;
	m->job.lease = (struct portmap_lease){
		.method = m->method,
		.gateway = m->wish.gateway,
		.local = m->wish.local,
		.external = {.port = m->wish.local.port},
	};
}

bool portmap_due(struct portmap *m, uint64_t now, struct portmap_job *job)
{
	if (m->is_busy || (now < m->at && !m->undoes))
		return false;
	make_job(m);
	m->is_busy = true;
	m->hurry = false;
	m->began = now;
	*job = m->job;
	return true;
}

static uint64_t after(uint64_t now, uint64_t s)
{
	return now + s * NS_PER_S;
}

static void take(struct portmap *m, const struct portmap_result *r,
		 uint64_t now)
{
	uint32_t wait = r->lifetime_s ? r->lifetime_s / 2 : PORTMAP_LOOK_S;

	m->have = m->job.lease;
	m->have.external = r->external;
	m->lifetime_s = r->lifetime_s;
	m->until = r->lifetime_s ? after(now, r->lifetime_s) : UINT64_MAX;
	m->is_left = false;
	m->found = true;
	m->fails = 0;
	m->at = after(now,
		      wait > PORTMAP_RENEW_MIN_S ? wait : PORTMAP_RENEW_MIN_S);
}

/* Longer each time. */
static uint64_t patience(const struct portmap *m)
{
	uint64_t s = PORTMAP_RETRY_S;

	for (unsigned i = 1; i < m->fails && s < PORTMAP_LOOK_S; i++)
		s *= 2;
	return s < PORTMAP_LOOK_S ? s : PORTMAP_LOOK_S;
}

/* What worked before did not now. */
static void keep_failed(struct portmap *m, uint64_t now)
{
	m->fails++;
	if (m->is_left || m->fails >= PORTMAP_RETRIES || now >= m->until) {
		search(m);
		m->at = now;
		return;
	}
	m->at = after(now, patience(m));
}

static void search_failed(struct portmap *m, enum portmap_why why, uint64_t now)
{
	unsigned fails = m->fails + 1;

	if (why > m->worst &&
	    !(why == PORTMAP_UNKNOWN && m->wish.choice == PORTMAP_BY_ANY))
		m->worst = (uint8_t)why;
	m->method = next_method(m, m->method + 1);
	m->at = now;
	if (m->method < PORTMAP_METHODS)
		return;
	why = (enum portmap_why)m->worst;
	search(m);
	m->why = (uint8_t)why;
	m->fails = fails;
	m->at = after(now, m->found ? patience(m) : PORTMAP_LOOK_S);
}

/* What was asked for is not wished any more: how it ended says nothing. */
static bool is_stale(const struct portmap *m)
{
	return m->job.lease.gateway != m->wish.gateway ||
	       !tuple_equal(m->job.lease.local, m->wish.local) ||
	       !wants(m, m->job.lease.method);
}

void portmap_done(struct portmap *m, enum portmap_why why,
		  const struct portmap_result *r, uint64_t now)
{
	bool hurry = m->hurry, was_ok = why == PORTMAP_OK;

	assert(m->is_busy);
	m->is_busy = m->hurry = false;
	if (m->undoes) {
		m->undoes = false; /* it was tried; all else is as it was */
		return;
	}
	if (!was_ok && !m->job.is_end && r->is_maybe) {
		m->maybe = m->job.lease;
		m->undoes = true;
	}
	if (m->job.is_end || (!was_ok && is_stale(m))) {
		search(m);
		go(m, now);
		return;
	}
	if (was_ok)
		take(m, r, now);
	else if (m->have.method)
		keep_failed(m, now);
	else
		search_failed(m, why, now);
	/* Another wish has come meanwhile. */
	forget(m);
	if (is_stale(m))
		go(m, now);
	else if (hurry)
		portmap_hurry(m, now);
}

enum portmap_why portmap_why(const struct portmap *m)
{
	bool is_here = m->wish.gateway || !wants_any(m);

	/* Also while it is being taken away. */
	if (m->have.method && !m->is_left && is_here)
		return PORTMAP_OK;
	if (!wants_any(m))
		return PORTMAP_OFF;
	if (!m->wish.gateway)
		return (enum portmap_why)m->wish.why;
	return m->have.method ? PORTMAP_ASKING : (enum portmap_why)m->why;
}

bool portmap_is_idle(const struct portmap *m)
{
	return !m->is_busy && !m->undoes && m->at == UINT64_MAX;
}
