/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bubbles (4380 §5.2.6): to clients, to neighbours, to relays; and the limits
 * of all of them. See contact.h. Numbers in comments are those of
 * doc/conformance.md.
 */
#include "contact.h"

#include <string.h>

static const uint64_t BUBBLE_GAP_NS = 2 * NS_PER_S; /* C56 */
static const uint64_t KEEP_NS = 20 * NS_PER_S;      /* < PEER_VALID_S */
static const uint64_t QUARTER_NS = NS_PER_S / 4;

/* The budgets of all bubbles: for our own host, and for others. */
static bool may_send(struct client *c, uint64_t now)
{
	if (bucket_take(&c->bubbles, &c->conf.bubbles, now))
		return true;
	ledger_count(c->ledger, LEDGER_LIMITED_BUBBLE);
	return false;
}

static bool may_answer(struct client *c, uint64_t now)
{
	if (bucket_take(&c->answers, &c->conf.answers, now))
		return true;
	ledger_count(c->ledger, LEDGER_LIMITED_ANSWER);
	return false;
}

/* Relays are known by their tuple only. */
struct relay_key {
	uint8_t ip[4], port[2];
};

static struct relay_key relay_key(struct tuple t)
{
	struct relay_key k;

	put32(k.ip, t.ip);
	put16(k.port, t.port);
	return k;
}

/* The limits of bubbles are for those who do not answer (C57, A8). */
void contact_clear_limits(struct client *c, const struct recent_peer *e)
{
	const struct relay_key k = relay_key(e->tuple);

	bubble_answered(&c->recent, e->address.b, sizeof(e->address.b));
	bubble_answered(&c->recent, &k, sizeof(k));
}

void contact_cookie(const struct client *c, const struct recent_peer *e,
		    struct ip6 *a)
{
	struct {
		struct ip6 peer;
		uint32_t own, nonce;
	} in = {e->address, e->own, e->nonce_sent};
	uint64_t cookie = hash_bytes(&c->rng.key, &in, sizeof(in));

	*a = (struct ip6){{0xfe, 0x80}};
	memcpy(a->b + 8, &cookie, sizeof(cookie));
}

/*
 * When an attempt towards this peer may be made (C56, C57). Data counts as a
 * transmission as well.
 */
uint64_t contact_attempt_allowed(const struct client *c,
				 const struct recent_peer *e, uint64_t now)
{
	uint64_t at = bubble_allowed(&c->recent, e->address.b,
				     sizeof(e->address.b), now);

	if (e->sent && at != UINT64_MAX && at < e->sent + BUBBLE_GAP_NS)
		at = e->sent + BUBBLE_GAP_NS;
	return at;
}

static uint32_t index_of(const struct client *c, const struct recent_peer *e)
{
	return (uint32_t)(e - c->recent.v);
}

static void note_attempt(struct client *c, struct recent_peer *e, uint64_t now)
{
	randport_bubbled(c, index_of(c, e), now);
	bubble_note(&c->recent, e->address.b, sizeof(e->address.b), now);
	e->sent = now;
}

struct tuple contact_random_target(const struct recent_peer *e)
{
	struct teredo t;

	teredo_unpack(&t, &e->address);
	if (e->peer_port)
		t.client.port = e->peer_port;
	return t.client;
}

/* X11, X12, X74; X39: a random port is announced to who hears it. */
static size_t write_direct(const struct client *c, const struct recent_peer *e,
			   enum nd nd, uint16_t announced, struct outbox *out)
{
	const struct trailers with = {
		.nonce = client_has_nonces(c) ? e->nonce_got : 0,
		.discovery = (uint8_t)nd,
		.random_port = announced,
	};

	return wire_put_bubble(outbox_head(out), &c->own[e->own].ip6,
			       &e->address, BUBBLE_HOPS, &with);
}

static void count_direct(const struct client *c, enum nd nd)
{
	static const enum ledger_line line[] = {
		[ND_NONE] = LEDGER_SENT_DIRECT,
		[ND_SOLICITATION] = LEDGER_SENT_SOLICITATION,
		[ND_ADVERTISEMENT] = LEDGER_SENT_ADVERTISEMENT,
	};

	ledger_count(c->ledger, line[nd]);
}

/* By the service port, or p. */
static void send_bubble(struct client *c, const struct recent_peer *e,
			struct randport *p, enum nd nd, struct tuple to,
			struct outbox *out)
{
	enum door door = p ? randport_door(c, p) : DOOR_SERVICE;
	size_t n = write_direct(c, e, nd, p ? p->outside : 0, out);

	if (p)
		p->used = true;
	if (outbox_udp(out, door, to, n, NULL, 0) == REASON_NONE)
		count_direct(c, nd);
}

void contact_send_bubble(struct client *c, struct recent_peer *e,
			 struct randport *p, struct tuple to,
			 struct outbox *out)
{
	send_bubble(c, e, p, ND_NONE, to, out);
}

/*
 * To a peer that has not proven itself: to what its address says (X38), and
 * from our random port, or if there is none, from the service port, to the port
 * that it has announced (X39, X61). Who has announced none, and knows nonces,
 * gets one bubble only, from where it will hear us (A69).
 */
static void send_direct_pair(struct client *c, struct recent_peer *e,
			     enum nd nd, struct outbox *out)
{
	struct randport *p = randport_of(c, index_of(c, e));
	struct tuple to = contact_random_target(e);
	struct teredo t;
	bool is_other;

	if (p && !p->outside && p->tests && p->test_ends == UINT64_MAX)
		p = NULL; /* nobody has told from where it is heard */
	teredo_unpack(&t, &e->address);
	is_other = !tuple_equal(to, t.client);
	if (!p || !e->peer_port || is_other)
		send_bubble(c, e, NULL, nd, t.client, out);
	if (p && !p->outside)
		return; /* the echo test has one, between its solicitations */
	if (e->peer_port && (p || is_other))
		send_bubble(c, e, p, nd, to, out);
}

/*
 * C53: to where it is known to be, or to what its address says. A solicitation
 * goes to where it was.
 */
static void send_direct(struct client *c, struct recent_peer *e, enum nd nd,
			uint64_t now, struct outbox *out)
{
	bool is_valid = contact_is_valid(e, now);
	struct randport *p = NULL;
	struct teredo t;

	if (!is_valid && nd != ND_SOLICITATION) {
		send_direct_pair(c, e, nd, out);
		return;
	}
	teredo_unpack(&t, &e->address);
	if (!e->is_lan) {
		t.client = e->tuple;
		if (e->door != DOOR_SERVICE)
			p = randport_of(c, index_of(c, e));
	}
	send_bubble(c, e, p, nd, t.client, out);
}

/* C54, X10; a cookie instead of the nonce, if the peer may be of 1.2.6. */
static void send_indirect(struct client *c, struct recent_peer *e, bool cookie,
			  struct outbox *out)
{
	struct ip6 src = c->own[e->own].ip6;
	uint8_t *head = outbox_head(out);
	const struct randport *p = randport_seen(c, index_of(c, e));
	struct trailers with = {.random_port = p ? p->outside : 0}; /* X36 */
	struct teredo t;
	size_t n;

	if (!client_has_nonces(c))
		e->nonce_sent = 0;
	/* An answer to the last nonce may be on its way. */
	else if (!cookie || !e->nonce_sent)
		e->nonce_sent = rng_nonce(&c->rng);
	if (cookie)
		contact_cookie(c, e, &src);
	else
		with.nonce = e->nonce_sent;
	n = wire_put_bubble(head, &src, &e->address, BUBBLE_HOPS, &with);
	teredo_unpack(&t, &e->address);
	if (outbox_udp(out, DOOR_SERVICE, (struct tuple){t.server, TEREDO_PORT},
		       n, NULL, 0) == REASON_NONE)
		ledger_count(c->ledger, LEDGER_SENT_INDIRECT);
}

void contact_send_indirect(struct client *c, uint32_t i, struct outbox *out)
{
	send_indirect(c, recent_at(&c->recent, i), false, out);
}

void contact_refresh(struct client *c, uint32_t i, uint64_t now,
		     struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	randport_bubbled(c, i, now);
	e->sent = now;
	contact_send_bubble(c, e, randport_of(c, i), e->tuple, out);
}

void contact_greet(struct client *c, uint32_t i, uint64_t now,
		   struct outbox *out)
{
	if (may_answer(c, now))
		contact_refresh(c, i, now, out);
}

/*
 * One attempt, if the budget of all has something left; it is noted before it
 * is sent (C58). Behind a NAT that counts, its indirect bubble comes later
 * (X51).
 */
void contact_send_attempt(struct client *c, struct recent_peer *e,
			  bool direct_only, enum nd nd, uint64_t now,
			  struct outbox *out)
{
	bool ours = e->effort == EFFORT_BUBBLES ||
		    e->effort == EFFORT_SOLICIT || contact_is_valid(e, now);
	/* Who is behind a symmetric NAT gains nothing by a cookie; and whom it
	 * solicits knows nonces. */
	bool cookie = ours && e->tries % 2 && nd != ND_SOLICITATION &&
		      client_has(c, EXT_SNS) &&
		      c->status.nat != CLIENT_NAT_SYMMETRIC;
	uint32_t i = index_of(c, e);

	if (ours ? !may_send(c, now) : !may_answer(c, now))
		return;
	note_attempt(c, e, now);
	e->owes = false;
	randport_try(c, i, now);
	if (!contact_is_valid(e, now))
		(void)randport_take(c, i, now);
	send_direct(c, e, nd, now, out);
	if (!direct_only &&
	    !randport_test(c, i, contact_random_target(e), now, out))
		send_indirect(c, e, cookie, out);
}

void contact_attempt(struct client *c, uint32_t i, bool direct_only,
		     uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (contact_check_target(c, &e->address) == REASON_NONE &&
	    contact_attempt_allowed(c, e, now) <= now)
		contact_send_attempt(c, e, direct_only, ND_NONE, now, out);
}

/*
 * A29: once a second, or a little less often. In so few bits that after some
 * hours it may be refused once in vain; who asks, asks again.
 */
static bool may_advertise(struct recent_peer *e, uint64_t now)
{
	uint16_t at = (uint16_t)(now / QUARTER_NS);

	if (e->advertised && (uint16_t)(at - e->advertised) <= 4)
		return false;
	e->advertised = at;
	return true;
}

void contact_advertise(struct client *c, uint32_t i, uint64_t now,
		       struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (may_advertise(e, now) && may_answer(c, now) &&
	    contact_send(e, out, write_direct(c, e, ND_ADVERTISEMENT, 0, out),
			 NULL, 0) == REASON_NONE)
		count_direct(c, ND_ADVERTISEMENT);
}

void contact_answer(struct client *c, uint32_t i, enum nd nd, uint64_t now,
		    struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	bool valid = contact_is_valid(e, now);
	uint64_t at = contact_attempt_allowed(c, e, now);

	if (at <= now) {
		if (nd == ND_ADVERTISEMENT && !may_advertise(e, now))
			nd = ND_NONE;
		/* X19; without nonces the other half of 4380 is enough. */
		contact_send_attempt(c, e, valid || !client_has_nonces(c), nd,
				     now, out);
		return;
	}
	if (nd == ND_ADVERTISEMENT && valid)
		contact_advertise(c, i, now, out);
	if (at != UINT64_MAX && e->effort == EFFORT_NONE &&
	    (!valid || c->status.nat == CLIENT_NAT_SYMMETRIC)) {
		e->owes = true;
		contact_set_due(c, e, at);
	}
}

/* On the link, where its discovery bubble came from. */
void contact_send_local(struct client *c, struct recent_peer *e, uint64_t now,
			struct outbox *out)
{
	uint8_t *head = outbox_head(out);
	size_t n = wire_put_bubble(head, &c->own[e->own].ip6, &e->address,
				   BUBBLE_HOPS, NULL);

	note_attempt(c, e, now);
	if (outbox_neighbour(out, DOOR_SERVICE, e->lan, n, NULL, 0) ==
	    REASON_NONE)
		ledger_count(c->ledger, LEDGER_SENT_NEIGHBOUR);
}

/* Two of the four of C57 are left for what our own host may want. */
void contact_answer_neighbour(struct client *c, uint32_t i, uint64_t now,
			      struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (contact_attempt_allowed(c, e, now) <= now &&
	    bubbles_spent(&c->recent, e->address.b, sizeof(e->address.b), now) <
		    LOCAL_TRIES &&
	    may_answer(c, now))
		contact_send_local(c, e, now, out);
}

/* --- relays --- */

/* The native host that was last talked with through this relay, or NULL. */
static struct recent_peer *behind(const struct client *c, struct tuple relay,
				  unsigned own)
{
	uint32_t i = c->recent.newest[STANDING_ACTIVE];

	for (; i != RECENT_NONE; i = recent_at(&c->recent, i)->older) {
		struct recent_peer *e = recent_at(&c->recent, i);

		if (e->is_native && e->own == own && e->tuple.ip == relay.ip &&
		    e->tuple.port == relay.port)
			return e;
	}
	return NULL;
}

/* A bubble to where a relay is; the limits are per relay (C56, C57). */
static void send_to_relay(struct client *c, unsigned own, const struct ip6 *to,
			  struct tuple relay, uint32_t nonce, uint64_t now,
			  struct outbox *out)
{
	const struct relay_key k = relay_key(relay);
	const struct trailers with = {
		.nonce = client_has(c, EXT_SNS) ? nonce : 0,
	};
	size_t n = wire_put_bubble(outbox_head(out), &c->own[own].ip6, to,
				   BUBBLE_HOPS, &with);

	bubble_note(&c->recent, &k, sizeof(k), now);
	if (outbox_udp(out, DOOR_SERVICE, relay, n, NULL, 0) == REASON_NONE)
		ledger_count(c->ledger, LEDGER_SENT_RELAY);
}

static uint64_t relay_allowed(const struct client *c, struct tuple relay,
			      uint64_t now)
{
	const struct relay_key k = relay_key(relay);

	return bubble_allowed(&c->recent, &k, sizeof(k), now);
}

/*
 * C38, A8. When the limits are reached, a relay that we have used before is
 * answered by a test instead, at the pace of tests: it would else not learn
 * that the path is back for five minutes.
 */
void contact_answer_relay(struct client *c, unsigned own, const struct ip6 *to,
			  struct tuple origin, uint32_t nonce, uint64_t now,
			  struct outbox *out)
{
	uint64_t at = relay_allowed(c, origin, now);
	struct recent_peer *e;

	if (gate_target(c->gate, origin) != REASON_NONE ||
	    (at > now && at != UINT64_MAX) || !may_answer(c, now))
		return;
	if (at <= now) {
		send_to_relay(c, own, to, origin, nonce, now, out);
		return;
	}
	e = behind(c, origin, own);
	if (e && contact_may_test(e, now))
		contact_test(c, e, true, now, out);
}

/* It is paid for by what is for our own host: strangers cannot prevent it. */
void contact_keep(struct client *c, uint32_t i, uint64_t now,
		  struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (now - e->sent < KEEP_NS || e->is_lan)
		return;
	if (!e->is_native) {
		contact_attempt(c, i, true, now, out);
	} else if (relay_allowed(c, e->tuple, now) <= now && may_send(c, now)) {
		send_to_relay(c, e->own, &e->address, e->tuple, 0, now, out);
		e->sent = now;
	}
}
