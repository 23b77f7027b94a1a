/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See contact.h. Numbers in comments are those of doc/conformance.md. */
#include "contact.h"

#include <string.h>

#include "dormant.h"
#include "icmp6.h"

enum {
	TRIES = 4, /* one and three repeats: C43, C47 */
};

static const uint64_t VALID_NS = PEER_VALID_S * NS_PER_S;
static const uint64_t BUBBLE_WAIT_NS = 2050 * NS_PER_MS; /* C47, A7 */
static const uint64_t BUBBLE_SPREAD_MS = 200;
static const uint64_t SOLICIT_WAIT_NS = 2 * NS_PER_S; /* X72 */
/* NATs keep a mapping and whom it lets in for so long (4787 REQ-5). */
static const uint64_t NAT_KEEPS_NS = 120 * NS_PER_S;
static const uint64_t TOUCH_NS = NS_PER_S; /* how often limits are cleared */
/* After that, silence is looked into as if there had been none. */
static const uint64_t CALM_NS = 30 * NS_PER_S;

bool contact_is_valid(const struct recent_peer *e, uint64_t now)
{
	return recent_is_trusted(e) && now - e->heard < VALID_NS;
}

/*
 * Behind a symmetric NAT, packets tell a peer nothing that it could trust; only
 * the bubble does that we owe it.
 */
bool contact_is_open(const struct recent_peer *e, uint64_t now)
{
	return contact_is_valid(e, now) && !e->owes;
}

int client_own(const struct client *c, const struct ip6 *a)
{
	for (int i = 0; i < CLIENT_ADDRESSES; i++) {
		if (c->own[i].on && ip6_equal(&c->own[i].ip6, a))
			return i;
	}
	return -1;
}

/* C48, C54, Z10. */
enum reason contact_check_target(const struct client *c, const struct ip6 *a)
{
	struct tuple via = {0, TEREDO_PORT};
	struct teredo t;
	enum reason why;

	teredo_unpack(&t, a);
	via.ip = t.server;
	if (client_is_server(c, t.client))
		return REASON_DST_OWN; /* Z40 */
	why = gate_target(c->gate, t.client);
	return why == REASON_NONE ? gate_target(c->gate, via) : why;
}

enum reason contact_check(const struct client *c, const struct ip6 *a)
{
	return ip6_is_teredo(a, c->gate->prefix) ? contact_check_target(c, a)
						 : REASON_NONE;
}

/* From the server, as the router of the link that it is. */
void contact_complain(struct client *c, uint8_t type, uint8_t code,
		      const void *packet, uint16_t len, uint64_t now,
		      struct outbox *out)
{
	const struct tuple server = {c->own[c->cur].server, TEREDO_PORT};
	uint32_t mtu = type == ICMP6_PACKET_TOO_BIG ? c->conf.mtu : 0;
	struct ip6 src;
	size_t n;

	if (!icmp6_may_complain(packet, type))
		return;
	if (!bucket_take(&c->errors, &c->conf.errors, now)) {
		ledger_count(c->ledger, LEDGER_LIMITED_ERROR);
		return;
	}
	teredo_link_local(&src, FLAG_CONE, server);
	n = icmp6_error(outbox_head(out), type, code, mtu, &src, packet, len);
	outbox_ip6(out, n, NULL, 0);
}

/* --- entries and what they hold --- */

static void drop_held(struct client *c, struct recent_peer *e, enum reason why)
{
	stats_count(c->stats, why);
	held_drop_first(&c->held, &e->held);
}

static void forget(struct client *c, uint32_t i, enum reason why)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	while (held_first(&c->held, e->held))
		drop_held(c, e, why);
	randport_leave(c, i);
	recent_remove(&c->recent, i);
}

static void make_room(struct client *c, enum standing s)
{
	uint32_t victim = recent_victim(&c->recent, s);

	if (victim == RECENT_NONE)
		return;
	ledger_count(c->ledger, s == STANDING_ACTIVE ? LEDGER_EVICTED_ACTIVE
				: s == STANDING_TRUSTED
					? LEDGER_EVICTED_TRUSTED
					: LEDGER_EVICTED_UNTRUSTED);
	forget(c, victim, REASON_QUEUE_EVICTED);
}

uint32_t contact_of(struct client *c, unsigned own, const struct ip6 *a)
{
	uint32_t i = recent_find(&c->recent, own, a);

	if (i != RECENT_NONE)
		return i;
	make_room(c, STANDING_UNTRUSTED);
	i = recent_add(&c->recent, own, a);
	recent_at(&c->recent, i)->is_native =
		!ip6_is_teredo(a, c->gate->prefix);
	recent_at(&c->recent, i)->door = DOOR_SERVICE;
	return i;
}

/*
 * C51: the newest packets are kept, of a peer and of all. About those that make
 * room there is silence (4443 §3.1: no Destination Unreachable for congestion);
 * the peer may be there.
 */
static void hold(struct client *c, uint32_t i, const uint8_t *p, uint16_t len,
		 uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	uint32_t other;

	if (held_count(&c->held, e->held) >= CLIENT_HELD_PER_PEER)
		drop_held(c, e, REASON_QUEUE_PEER);
	other = held_in_the_way(&c->held);
	if (other != HELD_NONE)
		drop_held(c, recent_at(&c->recent, other), REASON_QUEUE_FULL);
	held_add(&c->held, i, &e->held, p, len, now);
}

void contact_set_due(struct client *c, struct recent_peer *e, uint64_t due)
{
	e->due = due;
	if (due < c->effort_at)
		c->effort_at = due;
}

static void begin(struct client *c, struct recent_peer *e, enum effort effort,
		  uint64_t now)
{
	e->effort = (uint8_t)effort;
	e->tries = 0;
	contact_set_due(c, e, now);
}

static void end_effort(struct recent_peer *e)
{
	e->effort = EFFORT_NONE;
	e->due = UINT64_MAX;
}

/* C52: say so to the own host. */
static void give_up(struct client *c, uint32_t i, uint64_t now,
		    struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	bool no_way = c->local.ip == 0 || e->own == RECENT_ORPHAN;
	const struct held_packet *k;

	end_effort(e);
	if (!no_way)
		ledger_count(c->ledger, e->is_native ? LEDGER_GIVEN_UP_NATIVE
						     : LEDGER_GIVEN_UP_CLIENT);
	while ((k = held_first(&c->held, e->held)) != NULL) {
		contact_complain(c, ICMP6_UNREACHABLE,
				 no_way ? UNREACHABLE_NO_ROUTE
					: UNREACHABLE_ADDRESS,
				 k->data, k->len, now, out);
		drop_held(c, e, REASON_UNREACHABLE);
	}
	if (e->own == RECENT_ORPHAN)
		recent_remove(&c->recent, i);
}

/* There is no point in going on; it is given up when there is time for it. */
static void abandon(struct client *c, struct recent_peer *e, uint64_t now)
{
	e->owes = false;
	if (!held_first(&c->held, e->held)) {
		end_effort(e);
		return;
	}
	begin(c, e, EFFORT_BUBBLES, now);
	e->tries = TRIES;
}

/* Nobody finds it any more; what waits for it is given up in time. */
static void flush(struct client *c, uint32_t i, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	randport_leave(c, i);
	abandon(c, e, now);
	if (held_first(&c->held, e->held))
		recent_orphan(&c->recent, i);
	else
		recent_remove(&c->recent, i);
}

void contact_flush(struct client *c, unsigned own, uint64_t now)
{
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s], newer;

		for (; i != RECENT_NONE; i = newer) {
			newer = recent_at(&c->recent, i)->newer;
			if (recent_at(&c->recent, i)->own == own)
				flush(c, i, now);
		}
	}
}

void contact_leave_link(struct client *c, uint64_t now)
{
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s], newer;

		for (; i != RECENT_NONE; i = newer) {
			struct recent_peer *e = recent_at(&c->recent, i);

			newer = e->newer;
			if (e->own == RECENT_ORPHAN ||
			    discovery_allows(c, &e->address))
				continue;
			e->lan.port = 0;
			if (e->is_lan)
				flush(c, i, now);
		}
	}
}

void contact_stop(struct client *c, uint64_t now)
{
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s];

		for (; i != RECENT_NONE; i = recent_at(&c->recent, i)->newer)
			abandon(c, recent_at(&c->recent, i), now);
	}
}

void contact_go_on(struct client *c, uint64_t waited_until, uint64_t now)
{
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s];

		for (; i != RECENT_NONE; i = recent_at(&c->recent, i)->newer) {
			struct recent_peer *e = recent_at(&c->recent, i);

			if (e->effort != EFFORT_NONE && e->due == waited_until)
				contact_set_due(c, e, now);
		}
	}
}

enum reason contact_send(const struct recent_peer *e, struct outbox *out,
			 size_t head_len, const void *body, size_t body_len)
{
	return (e->is_lan ? outbox_neighbour : outbox_udp)(
		out, (enum door)e->door, e->tuple, head_len, body, body_len);
}

bool contact_send_super(const struct recent_peer *e, struct outbox *out,
			const struct super *s)
{
	return (e->is_lan ? outbox_neighbour_super : outbox_super)(
		       out, (enum door)e->door, e->tuple, s) == REASON_NONE;
}

/* C34: what was kept goes where the proof came from, in order. */
static void release(struct client *c, struct recent_peer *e, uint64_t now,
		    struct outbox *out)
{
	const struct held_packet *k = held_first(&c->held, e->held);
	enum reason why;

	if (k) {
		if (e->effort == EFFORT_SOLICIT && e->tries > 1)
			e->is_late = true; /* the first did not reach it */
		ledger_wait(c->ledger, now - k->since);
		e->sent = now;
		e->talked = true;
	}
	while ((k = held_first(&c->held, e->held)) != NULL) {
		out->at_once = true;
		memcpy(outbox_head(out), k->data, k->len);
		why = contact_send(e, out, k->len, NULL, 0);
		drop_held(c, e, why == REASON_NONE ? REASON_RELEASED : why);
	}
}

/* --- hearing from peers --- */

/* By way of its tuple. */
static void heard(struct client *c, uint32_t i, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	/* It was heard, so it is trusted; and does our host talk to it? */
	bool talks = e->standing == STANDING_ACTIVE || e->talked ||
		     held_first(&c->held, e->held);
	enum standing s = talks ? STANDING_ACTIVE : STANDING_TRUSTED;

	if (now - e->heard >= TOUCH_NS || e->standing != s)
		contact_clear_limits(c, e);
	if (e->standing != s)
		make_room(c, s);
	recent_touch(&c->recent, i, s);
	e->heard = now;
	e->unanswered = 0;
	if (!e->is_lan)
		c->any_heard = now;
	if (now - c->suspected >= CALM_NS)
		c->suspect_gap = 0;
	c->own[e->own].used = now;
}

void contact_trust(struct client *c, uint32_t i, struct tuple from, bool is_lan,
		   uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (e->tuple.port && !tuple_equal(e->tuple, from))
		c->moved++;
	e->tuple = from;
	e->is_lan = is_lan;
	heard(c, i, now);
}

void contact_await(struct client *c, uint32_t i, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	e->owes = true;
	if (e->effort == EFFORT_NONE)
		contact_set_due(c, e, now + BUBBLE_WAIT_NS);
}

void contact_go(struct client *c, uint32_t i, uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	e->owes = false;
	end_effort(e);
	release(c, e, now, out);
}

void contact_prove(struct client *c, uint32_t i, struct tuple from, bool is_lan,
		   uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	contact_trust(c, i, from, is_lan, now);
	release(c, e, now, out);
	e->effort = EFFORT_NONE;
	if (!e->owes)
		e->due = UINT64_MAX;
}

/* --- efforts --- */

static void step_test(struct client *c, struct recent_peer *e, uint64_t now,
		      struct outbox *out)
{
	if (!contact_may_test(e, now)) {
		contact_set_due(c, e, e->tested + CONTACT_TEST_WAIT_NS);
		return;
	}
	if (e->tries++ == 1)
		client_suspect(c, now, out); /* it may be our own mapping */
	contact_test(c, e, true, now, out);
	contact_set_due(c, e, now + CONTACT_TEST_WAIT_NS);
}

/*
 * A75: is a direct bubble alone likely to reach it? Not if a NAT may have
 * forgotten us; nor if something is, or was, wrong since it was heard.
 */
static bool is_within_reach(const struct client *c, const struct recent_peer *e,
			    uint64_t now)
{
	return now - e->heard < NAT_KEEPS_NS && e->speaks_6081 && !e->is_late &&
	       c->changed <= e->heard && c->suspected <= e->heard;
}

/* X71, X72; the fourth is as to one who was never heard. */
static void send_attempt(struct client *c, struct recent_peer *e, uint64_t now,
			 struct outbox *out)
{
	bool asks = e->effort == EFFORT_SOLICIT && e->tries < SOLICITATIONS;
	bool alone = asks && e->tries == 0 && is_within_reach(c, e, now);

	contact_send_attempt(c, e, alone, asks ? ND_SOLICITATION : ND_NONE, now,
			     out);
}

static uint64_t wait_ns(struct client *c, const struct recent_peer *e)
{
	if (e->effort == EFFORT_SOLICIT)
		return SOLICIT_WAIT_NS;
	return BUBBLE_WAIT_NS +
	       rng_below(&c->rng, BUBBLE_SPREAD_MS) * NS_PER_MS;
}

/* C46, C47, C44. */
static void step_bubbles(struct client *c, uint32_t i, uint64_t now,
			 struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	uint64_t at = contact_attempt_allowed(c, e, now);

	if (at == UINT64_MAX) {
		give_up(c, i, now, out);
		return;
	}
	if (at > now) {
		contact_set_due(c, e, at);
		return;
	}
	if (e->effort == EFFORT_LOCAL) { /* C44 */
		contact_send_local(c, e, now, out);
		if (!c->dormancy.on)
			discovery_announce(c, out);
	} else {
		send_attempt(c, e, now, out);
	}
	if (e->tries++ == 1)
		client_suspect(c, now, out);
	contact_set_due(c, e, now + wait_ns(c, e));
}

/* What we owe, though we want nothing. */
static void step_answer(struct client *c, uint32_t i, uint64_t now,
			struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	e->due = UINT64_MAX;
	if (!e->owes)
		return;
	e->owes = false;
	contact_answer(c, i, ND_NONE, now, out);
}

static void step(struct client *c, uint32_t i, uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (e->effort != EFFORT_NONE && e->tries == 0 &&
	    dormant_waits(c, now)) {
		contact_set_due(c, e, dormant_waits(c, now));
		return;
	}
	if (e->effort == EFFORT_LOCAL &&
	    (e->tries >= LOCAL_TRIES || !discovery_knows(c, e, now))) {
		e->lan.port = 0; /* A46: not there; ask the Internet */
		begin(c, e, EFFORT_BUBBLES, now);
	}
	if (e->effort != EFFORT_NONE && e->tries >= TRIES) {
		give_up(c, i, now, out);
		return;
	}
	switch ((enum effort)e->effort) {
	case EFFORT_TEST:
		step_test(c, e, now, out);
		break;
	case EFFORT_LOCAL:
	case EFFORT_BUBBLES:
	case EFFORT_SOLICIT:
		step_bubbles(c, i, now, out);
		break;
	case EFFORT_NONE:
		step_answer(c, i, now, out);
		break;
	}
}

void contact_want(struct client *c, uint32_t i)
{
	const struct recent_peer *e = recent_at(&c->recent, i);
	enum standing s =
		recent_is_trusted(e) ? STANDING_ACTIVE : STANDING_WANTED;

	if (e->standing != s)
		make_room(c, s);
	recent_touch(&c->recent, i, s);
}

/*
 * X71, A49: those who know trailers. Who uses no nonces himself cannot tell; he
 * asks everybody. A29: whether our host has sent meanwhile does not matter.
 */
static bool may_solicit(const struct client *c, const struct recent_peer *e,
			uint64_t now)
{
	return client_has(c, EXT_SLR) &&
	       (e->speaks_6081 || !client_has_nonces(c)) && !e->is_lan &&
	       !randport_concerns(c, e) && recent_is_trusted(e) &&
	       !contact_is_valid(e, now);
}

static enum effort effort_for(const struct client *c,
			      const struct recent_peer *e, uint64_t now)
{
	if (e->is_native)
		return EFFORT_TEST;
	if (discovery_knows(c, e, now))
		return EFFORT_LOCAL;
	return may_solicit(c, e, now) ? EFFORT_SOLICIT : EFFORT_BUBBLES;
}

enum reason contact_reach(struct client *c, unsigned own, const uint8_t *p,
			  uint16_t len, uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = (const void *)p;
	enum reason why = contact_check(c, &ip->dst);
	struct recent_peer *e;
	uint32_t i;

	if (why != REASON_NONE)
		return why;
	if (c->local.ip == 0) {
		contact_complain(c, ICMP6_UNREACHABLE, UNREACHABLE_NO_ROUTE, p,
				 len, now, out);
		return REASON_NOT_QUALIFIED;
	}
	i = contact_of(c, own, &ip->dst);
	e = recent_at(&c->recent, i);
	if (!e->is_native && e->effort == EFFORT_NONE &&
	    contact_attempt_allowed(c, e, now) == UINT64_MAX) {
		contact_complain(c, ICMP6_UNREACHABLE, UNREACHABLE_ADDRESS, p,
				 len, now, out);
		return REASON_UNREACHABLE;
	}
	contact_want(c, i);
	dormant_sent(c, e, p, len, now, out);
	hold(c, i, p, len, now);
	if (e->effort == EFFORT_NONE) {
		begin(c, e, effort_for(c, e, now), now);
		step(c, i, now, out);
	}
	return REASON_HELD;
}

/*
 * Efforts that are due. There are few peers, and fewer of them are waited for,
 * so they are looked through; and only when one is due.
 */
void contact_timeout(struct client *c, uint64_t now, struct outbox *out)
{
	uint64_t next = UINT64_MAX;

	if (now < c->effort_at)
		return;
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s], newer;

		for (; i != RECENT_NONE; i = newer) {
			struct recent_peer *e = recent_at(&c->recent, i);

			newer = e->newer;
			if (e->due <= now && outbox_has_room(out))
				step(c, i, now, out);
			if (e->due < next)
				next = e->due;
		}
	}
	c->effort_at = next;
}
