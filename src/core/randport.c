/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See randport.h. Numbers in comments are those of doc/conformance.md. */
#include "randport.h"

#include <string.h>

#include "contact.h"

static const uint64_t SILENT_NS = 30 * NS_PER_S;    /* X42, X44 */
static const uint64_t FLOWS_NS = 3 * NS_PER_S;      /* X41, A67 */
static const uint64_t REFRESH_NS = 30 * NS_PER_S;   /* X48 */
static const uint64_t IDLE_NS = 600 * NS_PER_S;     /* X50 */
static const uint64_t BUBBLE_GAP_NS = 2 * NS_PER_S; /* C56 */
static const uint64_t RETRY_NS = 10 * NS_PER_S;

enum {
	UNPROVEN_TICKS = 2
};

void randport_init(struct client *c)
{
	c->ports = (struct randports){.next = UINT64_MAX};
	for (unsigned k = 0; k < RANDOM_DOORS; k++)
		c->ports.v[k].test_ends = UINT64_MAX;
}

static uint64_t bit(const struct client *c, const struct randport *p)
{
	return UINT64_C(1) << (p - c->ports.v);
}

static bool is_wanted(const struct client *c, const struct randport *p)
{
	return c->ports.wants & bit(c, p);
}

bool randport_near(uint16_t a, uint16_t b)
{
	int apart = a - b;

	return apart && apart <= RANDPORT_NEAR && apart >= -RANDPORT_NEAR;
}

/* X34, X35, X51, A65: qualification has shown two ports already. */
enum randport_mode randport_mode(const struct client *c)
{
	const struct qualify *q = &c->qualify;

	if (!client_has_address(c) || !q->is_symmetric)
		return RANDPORT_OFF;
	if (q->mapped.port == c->local.port)
		return c->conf.extensions & EXT_PP ? RANDPORT_PRESERVED
						   : RANDPORT_OFF;
	return c->conf.extensions & EXT_SP && !c->ports.scattered &&
			       q->second.ip == q->mapped.ip &&
			       randport_near(q->mapped.port, q->second.port)
		       ? RANDPORT_PREDICTED
		       : RANDPORT_OFF;
}

const char *randport_mode_name(enum randport_mode m)
{
	switch (m) {
	case RANDPORT_PRESERVED:
		return "preserved";
	case RANDPORT_PREDICTED:
		return "predicted";
	case RANDPORT_OFF:
		break;
	}
	return "off";
}

const struct randport *randport_seen(const struct client *c, uint32_t i)
{
	const struct randports *all = &c->ports;

	for (unsigned k = 0; all->n && k < RANDOM_DOORS; k++) {
		if (all->v[k].taken && all->v[k].peer == i)
			return &all->v[k];
	}
	return NULL;
}

struct randport *randport_of(struct client *c, uint32_t i)
{
	const struct randport *p = randport_seen(c, i);

	return p ? &c->ports.v[p - c->ports.v] : NULL;
}

enum door randport_door(const struct client *c, const struct randport *p)
{
	return (enum door)(DOOR_RANDOM + (p - c->ports.v));
}

bool randport_is_for(const struct client *c, enum door door, uint32_t i)
{
	const struct randport *p = &c->ports.v[door - DOOR_RANDOM];

	return p->taken && p->peer == i;
}

/* --- taking and leaving --- */

void randport_refill(struct client *c)
{
	struct randports *all = &c->ports;
	bool is_off = randport_mode(c) == RANDPORT_OFF;
	unsigned spare = 0;

	for (unsigned k = 0; k < RANDOM_DOORS; k++) {
		struct randport *p = &all->v[k];

		if (p->taken || !is_wanted(c, p))
			continue;
		if (is_off)
			all->wants &= ~bit(c, p);
		else
			spare++;
	}
	for (unsigned k = 0; k < RANDOM_DOORS && !is_off && !all->retry_at &&
			     spare < RANDPORT_SPARE;
	     k++) {
		const struct randport *p = &all->v[k];

		if (p->port || is_wanted(c, p))
			continue;
		all->wants |= bit(c, p);
		spare++;
	}
}

void randport_due(struct client *c, uint64_t at)
{
	if (at < c->ports.next)
		c->ports.next = at;
}

/* Not wanted any more: the shell shuts it. */
static void drop(struct client *c, struct randport *p)
{
	c->ports.n--;
	c->ports.for_others -= !p->is_ours;
	c->ports.wants &= ~bit(c, p);
	*p = (struct randport){.port = p->port, .test_ends = UINT64_MAX};
	randport_refill(c);
}

/* Where it was it is not, or not for us. */
static void distrust(struct client *c, uint32_t i, uint64_t heard)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (!e->tuple.port)
		return;
	e->tuple = (struct tuple){0, 0};
	e->heard = heard;
	e->door = DOOR_SERVICE;
	c->moved++; /* no lease for it is good */
}

/* Long enough ago that it is not valid any more; or before the clock began,
 * which is as good. */
static uint64_t long_ago(uint64_t now)
{
	return now - PEER_VALID_S * NS_PER_S;
}

void randport_leave(struct client *c, uint32_t i)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	struct randport *p = randport_of(c, i);

	if (!p)
		return;
	if (e->door == randport_door(c, p))
		distrust(c, i, long_ago(e->heard));
	drop(c, p);
}

static struct randport *spare(struct client *c)
{
	for (unsigned k = 0; k < RANDOM_DOORS; k++) {
		struct randport *p = &c->ports.v[k];

		if (!p->taken && p->port && is_wanted(c, p))
			return p;
	}
	return NULL;
}

/* One beside that of its address. */
static bool has_port(const struct recent_peer *e)
{
	struct teredo t;

	teredo_unpack(&t, &e->address);
	return e->peer_port && e->peer_port != t.client.port;
}

bool randport_concerns(const struct client *c, const struct recent_peer *e)
{
	return randport_mode(c) != RANDPORT_OFF || has_port(e) ||
	       e->door != DOOR_SERVICE;
}

struct randport *randport_take(struct client *c, uint32_t i, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	enum randport_mode mode = randport_mode(c);
	bool is_ours = e->effort != EFFORT_NONE;
	struct randport *p = randport_of(c, i);

	if (p || mode == RANDPORT_OFF)
		return p;
	if (!is_ours && c->ports.for_others >= RANDPORT_FOR_OTHERS)
		return NULL;
	p = spare(c);
	if (!p)
		return NULL;
	c->ports.n++;
	c->ports.for_others += !is_ours;
	p->peer = i;
	p->taken = true;
	p->is_ours = is_ours;
	p->bubbled = e->sent;
	/* What it has announced was for another port of ours (A66). */
	if (is_ours && has_port(e))
		e->peer_port = 0;
	p->refresh_at = now + REFRESH_NS;
	if (mode == RANDPORT_PRESERVED)
		p->outside = p->port;
	randport_due(c, p->refresh_at);
	randport_refill(c);
	ledger_count(c->ledger, LEDGER_PORT_OPENED);
	return p;
}

void client_door(struct client *c, unsigned k, uint16_t port, uint64_t now)
{
	struct randport *p = &c->ports.v[k];

	if (!port && p->taken) /* it has failed */
		randport_leave(c, p->peer);
	if (!port && is_wanted(c, p)) {
		c->ports.wants &= ~bit(c, p);
		c->ports.retry_at = now + RETRY_NS;
		randport_due(c, c->ports.retry_at);
	}
	p->port = port;
	randport_refill(c);
}

void randport_qualified(struct client *c)
{
	c->ports.scattered = false;
}

/* --- what peers say --- */

/* When our host last sent it a packet. A bubble is noted as sent, too. */
static uint64_t data_sent(const struct recent_peer *e, const struct randport *p)
{
	return e->sent > p->bubbled ? e->sent : p->data;
}

void randport_bubbled(struct client *c, uint32_t i, uint64_t now)
{
	struct randport *p = randport_of(c, i);

	if (!p)
		return;
	p->data = data_sent(recent_at(&c->recent, i), p);
	p->bubbled = now;
}

/* X42. With our port the NAT lets in only who was meant when it was bound. Who
 * wants something of the other side announces a fresh one, and waits for what
 * is bound to that; the other side binds at once (A66). */
static void take_other(struct client *c, uint32_t i, uint16_t port,
		       uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	const struct randport *p = randport_of(c, i);
	bool is_bound = p && p->used;

	if (is_bound)
		randport_leave(c, i);
	distrust(c, i, long_ago(now));
	e->peer_port = is_bound && e->effort != EFFORT_NONE ? 0 : port;
}

void randport_announced(struct client *c, uint32_t i, uint16_t port,
			uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	const struct randport *p = randport_of(c, i);
	struct teredo t;

	teredo_unpack(&t, &e->address);
	if (!port) {
		/* It has no port but the one in its address. */
		if (!e->peer_port && e->nonce_got)
			e->peer_port = t.client.port;
		return;
	}
	if (port == e->peer_port)
		return;
	if (!e->peer_port && !(p && p->used))
		e->peer_port = port; /* X40 */
	else if (!contact_is_valid(e, now) ||
		 (!e->is_lan && now - e->heard >= FLOWS_NS))
		take_other(c, i, port, now); /* else X41 */
}

bool randport_restarts(struct client *c, uint32_t i, enum door door,
		       struct tuple from, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (randport_mode(c) == RANDPORT_OFF || !recent_is_trusted(e) ||
	    !e->tuple.port || e->is_lan || e->door != door ||
	    tuple_equal(e->tuple, from))
		return false;
	if (door == DOOR_SERVICE &&
	    (now - e->heard < SILENT_NS || now - e->sent < SILENT_NS))
		return false;
	randport_leave(c, i);
	distrust(c, i, long_ago(now));
	return true;
}

bool randport_prove(struct client *c, uint32_t i, enum door door, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	struct randport *p;

	if (door < DOOR_RANDOM) {
		/* Who is valid there has none any more. */
		if (e->door != DOOR_SERVICE || !contact_is_valid(e, now))
			randport_leave(c, i);
		return false;
	}
	p = &c->ports.v[door - DOOR_RANDOM];
	p->is_stale = false;
	if (e->door == door)
		return false;
	e->door = (uint8_t)door;
	c->moved++;
	p->refreshes = 0;
	p->refresh_at = now + REFRESH_NS;
	randport_due(c, p->refresh_at);
	return true;
}

bool randport_greets(struct client *c, uint32_t i, uint64_t now)
{
	const struct recent_peer *e = recent_at(&c->recent, i);
	struct randport *p = randport_of(c, i);

	return p && e->door == randport_door(c, p) && e->nonce_got &&
	       contact_is_valid(e, now) && p->greetings++ < RANDPORT_GREETINGS;
}

void randport_try(struct client *c, uint32_t i, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	struct randport *p = randport_of(c, i);
	bool is_stale = p && e->door == randport_door(c, p) &&
			!contact_is_valid(e, now);

	if (is_stale && p->is_stale)
		randport_leave(c, i);
	else if (p)
		p->is_stale = is_stale;
}

/* --- time --- */

/* Nobody was heard there. The peer may be there, and send its own refreshes, so
 * it stays for two of them. */
static void refresh_unproven(struct client *c, struct randport *p)
{
	const struct recent_peer *e = recent_at(&c->recent, p->peer);

	if (p->refreshes < UNPROVEN_TICKS)
		p->refreshes++;
	else if (e->effort == EFFORT_NONE && !e->owes)
		randport_leave(c, p->peer);
}

/* X48, A52. */
static void refresh_proven(struct client *c, struct randport *p, uint64_t data,
			   uint64_t now, struct outbox *out)
{
	const struct recent_peer *e = recent_at(&c->recent, p->peer);

	if (now - data < REFRESH_NS) {
		p->refreshes = 0;
	} else if (p->refreshes < RANDPORT_REFRESHES) {
		p->refreshes++;
		contact_refresh(c, p->peer, now, out);
	} else if (now - data >= IDLE_NS && !contact_is_valid(e, now)) {
		randport_leave(c, p->peer); /* X50 */
	}
}

static void refresh(struct client *c, struct randport *p, uint64_t now,
		    struct outbox *out)
{
	const struct recent_peer *e = recent_at(&c->recent, p->peer);
	uint64_t data = data_sent(e, p);
	bool is_proven = e->door == randport_door(c, p);

	/* A second bubble would be within two seconds of the last (C56). */
	if (is_proven && now - e->sent < BUBBLE_GAP_NS && e->sent != data) {
		p->refresh_at = e->sent + BUBBLE_GAP_NS;
		return;
	}
	p->refresh_at = now + REFRESH_NS;
	memset(p->seen, 0, sizeof(p->seen)); /* X59 */
	p->tests = 0;
	if (is_proven)
		refresh_proven(c, p, data, now, out);
	else
		refresh_unproven(c, p);
}

static uint64_t due(const struct randport *p)
{
	if (!p->taken)
		return UINT64_MAX;
	return p->test_ends < p->refresh_at ? p->test_ends : p->refresh_at;
}

static void step(struct client *c, struct randport *p, uint64_t now,
		 struct outbox *out)
{
	if (p->test_ends <= now)
		randport_test_failed(c, p, now, out);
	if (p->taken && p->refresh_at <= now && outbox_has_room(out))
		refresh(c, p, now, out);
}

void randport_timeout(struct client *c, uint64_t now, struct outbox *out)
{
	struct randports *all = &c->ports;
	uint64_t next = UINT64_MAX;

	if (now < randport_next(c))
		return;
	if (all->retry_at && all->retry_at <= now) {
		all->retry_at = 0;
		randport_refill(c);
	}
	for (unsigned k = 0; k < RANDOM_DOORS; k++) {
		struct randport *p = &all->v[k];

		if (due(p) <= now && outbox_has_room(out))
			step(c, p, now, out);
		if (due(p) < next)
			next = due(p);
	}
	all->next =
		all->retry_at && all->retry_at < next ? all->retry_at : next;
}

/* Nothing keeps a quiet client awake (A53); without a network, nothing can be
 * sent. */
uint64_t randport_next(const struct client *c)
{
	return c->dormancy.on || c->local.ip == 0 ? UINT64_MAX : c->ports.next;
}
