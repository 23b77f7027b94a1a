/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes to a client from the IPv4 side (4380 §5.2.3): advertisements to
 * qualify.c; bubbles by way of the server are answered; all the rest is for one
 * of our addresses, and is judged by whom it comes from. Numbers in comments
 * are those of doc/conformance.md.
 */
#include <string.h>

#include "contact.h"
#include "decap.h"
#include "dormant.h"
#include "receive.h"

static const uint64_t SETTLES_NS = 2 * NS_PER_S;

/* A packet under judgement. */
struct arrival {
	const struct datagram *d;
	struct frame f;
	const struct trailers *t; /* none but of a bubble, A30 */
	bool by_server;           /* outer source is a server of ours */
	bool is_neighbour;        /* outer source is usable on the link only */
	unsigned own;             /* which address it is for */
	int icmp;                 /* type of an ICMPv6 message, else -1 */
	bool to_cookie; /* or rather, for a bubble's link-local source */
	bool is_sought; /* from a trusted peer that our host wanted */
};

/* C29: a server of an address that we have. */
static bool is_server(const struct client *c, struct tuple t)
{
	if (t.port != TEREDO_PORT)
		return false;
	for (int i = 0; i < CLIENT_ADDRESSES; i++) {
		if (c->own[i].on && c->own[i].server == t.ip)
			return true;
	}
	return false;
}

/* Is it the answer of a 1.2.6 client to our link-local source? */
static bool is_for_cookie(const struct client *c, struct arrival *a)
{
	const struct wire_ip6 *ip = a->f.ip;
	struct ip6 cookie;

	if (!ip6_is_bubble(ip) || a->by_server)
		return false;
	for (unsigned own = 0; own < CLIENT_ADDRESSES; own++) {
		uint32_t i = recent_find(&c->recent, own, &ip->src);

		if (i == RECENT_NONE || !recent_at(&c->recent, i)->nonce_sent)
			continue;
		contact_cookie(c, recent_at(&c->recent, i), &cookie);
		if (ip6_equal(&ip->dst, &cookie)) {
			a->own = own;
			return true;
		}
	}
	return false;
}

/* C28 */
static enum reason check_destination(const struct client *c, struct arrival *a)
{
	int own = client_own(c, &a->f.ip->dst);

	if (own >= 0) {
		a->own = (unsigned)own;
		return REASON_NONE;
	}
	if (ip6_is_link_local(&a->f.ip->dst))
		a->to_cookie = is_for_cookie(c, a);
	return a->to_cookie ? REASON_NONE : REASON_NOT_OURS;
}

/* Z9, Z18, A51. A Teredo source is judged later, by its rules. */
static enum reason check_source(const struct client *c, const struct arrival *a)
{
	const struct ip6 *src = &a->f.ip->src;

	if (ip6_is_teredo(src, c->gate->prefix))
		return client_own(c, src) >= 0 ? REASON_BAD_SOURCE
					       : REASON_NONE;
	if (a->is_neighbour)
		return REASON_SRC_NOT_GLOBAL;
	if (a->by_server && ip6_is_bubble(a->f.ip) && ip6_is_link_local(src))
		return REASON_NONE;
	if (self_has_ip6(c->gate->self, src))
		return REASON_BAD_SOURCE;
	return gate_native_source(c->gate, src);
}

/* C27, C39, Z25. */
static enum reason check_frame(struct arrival *a)
{
	const struct frame *f = &a->f;
	struct upper u;
	enum reason why;

	if (f->has_auth || (f->has_origin && !a->by_server))
		return REASON_FORGED_BLOCK;
	why = ip6_upper(f->ip, &u);
	if (why != REASON_NONE)
		return why;
	a->icmp = u.next == NEXT_ICMPV6 && u.n ? u.p[0] : -1;
	return u.routing ? REASON_ROUTING : REASON_NONE;
}

/* X71: is it one that would answer a solicitation? */
static void note_trailers(struct recent_peer *e, const struct trailers *t)
{
	if (t->nonce || t->discovery != ND_NONE || t->random_port ||
	    t->n_alternates)
		e->speaks_6081 = true;
	if (t->discovery == ND_ADVERTISEMENT && e->effort == EFFORT_SOLICIT &&
	    e->tries == 1)
		e->is_late = false;
}

/* What a bubble says of discovery, if we listen to that. */
static enum nd discovery_of(const struct client *c, const struct arrival *a)
{
	return client_has(c, EXT_SLR) ? (enum nd)a->t->discovery : ND_NONE;
}

/* A peer that is heard at a random port cannot be heard elsewhere. */
static void answer(struct client *c, uint32_t i, enum nd nd, uint64_t now,
		   struct outbox *out)
{
	if (!randport_greets(c, i, now)) {
		contact_answer(c, i, nd, now, out);
		return;
	}
	contact_greet(c, i, now, out);
	contact_go(c, i, now, out);
}

/* C36, X13, X19, X73: a client wants us to open the way. */
static enum reason on_indirect(struct client *c, const struct arrival *a,
			       uint64_t now, struct outbox *out)
{
	struct recent_peer *e;
	enum reason why = contact_check_target(c, &a->f.ip->src);
	uint32_t i;

	if (why != REASON_NONE)
		return why;
	i = contact_of(c, a->own, &a->f.ip->src);
	e = recent_at(&c->recent, i);
	e->nonce_got = a->t->nonce;
	note_trailers(e, a->t);
	randport_announced(c, i, a->t->random_port, now);
	ledger_count(c->ledger, LEDGER_GOT_INDIRECT);
	answer(c, i,
	       discovery_of(c, a) == ND_SOLICITATION ? ND_ADVERTISEMENT
						     : ND_NONE,
	       now, out);
	return REASON_BUBBLE;
}

/* What the server passes on (C29, C36, C38, C66). */
static enum reason by_server(struct client *c, const struct arrival *a,
			     uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = a->f.ip;

	if (!ip6_is_bubble(ip))
		return REASON_NONE; /* A40: go on */
	if (ip6_is_teredo(&ip->src, c->gate->prefix))
		return on_indirect(c, a, now, out);
	ledger_count(c->ledger, LEDGER_GOT_RELAY);
	if (a->f.has_origin)
		contact_answer_relay(c, a->own, &ip->src, a->f.origin,
				     a->t->nonce, now, out);
	return REASON_BUBBLE;
}

/* Rule 1 (C30): a peer that has proven before to be there. */
static bool is_at_tuple(const struct recent_peer *e, struct tuple from)
{
	return recent_is_trusted(e) && tuple_equal(e->tuple, from);
}

/* C31, C80, A48: is it the answer to our test of this peer? */
static bool is_test_reply(const struct frame *f, const struct recent_peer *e)
{
	const uint8_t *p = ip6_payload(f->ip);

	return e->tested && ip6_icmp_type(f->ip) == ICMP6_ECHO_REPLY &&
	       ip6_payload_len(f->ip) ==
		       sizeof(struct wire_icmp6) + TEST_NONCE_LEN &&
	       memcmp(p + sizeof(struct wire_icmp6), e->test_nonce,
		      TEST_NONCE_LEN) == 0;
}

/* Rule 2, also for a relay that takes the place of another (Z13). */
static void on_test_reply(struct client *c, uint32_t i, struct tuple from,
			  uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (!e->test_open)
		return; /* one nonce is good for one proof */
	e->test_open = false;
	probe_answered(c, e, from, now);
	contact_prove(c, i, from, false, now, out);
}

/* Rules 1, 2 and 6 (C30, C31, C37). */
static enum reason from_native(struct client *c, struct arrival *a,
			       uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = a->f.ip;
	uint32_t i = recent_find(&c->recent, a->own, &ip->src);
	struct recent_peer *e;

	e = i == RECENT_NONE ? NULL : recent_at(&c->recent, i);
	if (e && is_test_reply(&a->f, e)) {
		on_test_reply(c, i, a->d->from, now, out);
		return REASON_TEST_REPLY;
	}
	if (e && is_at_tuple(e, a->d->from)) {
		contact_calm(e, now);
		contact_prove(c, i, a->d->from, false, now, out); /* C34 */
		a->is_sought = e->sought;
		contact_keep(c, i, now, out);
	} else if (!ip6_is_bubble(ip)) {
		contact_test_stranger(c, a->own, &ip->src, now, out);
	}
	return REASON_NONE;
}

/* Does the bubble hold what only its receiver can know (X15, X18)? */
static bool proves_itself(const struct arrival *a, const struct recent_peer *e)
{
	return a->to_cookie ||
	       (a->t->nonce != 0 && a->t->nonce == e->nonce_sent);
}

/*
 * Is it heard at another place right now? Behind a symmetric NAT, bubbles with
 * one nonce come from two ports; the peer answers where it hears us first, so
 * we must not go on to the other (X44, A66).
 */
static bool is_elsewhere(const struct recent_peer *e, struct tuple from,
			 uint64_t now)
{
	return contact_is_valid(e, now) && !tuple_equal(e->tuple, from) &&
	       now - e->heard < SETTLES_NS;
}

/* By what a packet of a client shows that it is the client's. */
enum rule {
	RULE_NONE,
	RULE_KNOWN,   /* 1: it was there before (C30) */
	RULE_ADDRESS, /* 3: it is where its address says (C32, X14) */
	RULE_LAN,     /* 5: its discovery bubble came from there (C35) */
	RULE_NONCE,   /* it has got our bubble (X15) */
};

static enum rule rule_for(const struct client *c, const struct arrival *a,
			  const struct recent_peer *e, uint64_t now)
{
	struct teredo t;

	teredo_unpack(&t, &a->f.ip->src);
	if (e && is_at_tuple(e, a->d->from))
		return e->is_lan ? RULE_LAN : RULE_KNOWN;
	if (!a->is_neighbour && tuple_equal(t.client, a->d->from) &&
	    contact_check_target(c, &a->f.ip->src) == REASON_NONE)
		return RULE_ADDRESS;
	if (e && discovery_knows(c, e, now) && tuple_equal(e->lan, a->d->from))
		return RULE_LAN;
	if (e && !a->is_neighbour && client_has_nonces(c) &&
	    proves_itself(a, e) && !is_elsewhere(e, a->d->from, now))
		return RULE_NONCE;
	return RULE_NONE; /* X16, C37 */
}

/* A random port is for one peer (X46). */
static bool is_for_peer(const struct client *c, enum door door, uint32_t i)
{
	return door < DOOR_RANDOM ||
	       (i != RECENT_NONE && randport_is_for(c, door, i));
}

/* It is heard at a random port for the first time. */
static void meet(struct client *c, uint32_t i, struct tuple from, uint64_t now,
		 struct outbox *out)
{
	contact_trust(c, i, from, false, now);
	if (randport_greets(c, i, now)) {
		contact_greet(c, i, now, out);
		contact_go(c, i, now, out);
	} else {
		contact_await(c, i, now);
	}
}

/*
 * What a direct bubble that was believed is answered with: a solicitation with
 * an advertisement (X73), that with nothing (X75). Who came from where we did
 * not know is to learn that we are here, too (4380 §5.2.3, end).
 */
static void answer_direct(struct client *c, const struct arrival *a, uint32_t i,
			  enum rule rule, uint64_t now, struct outbox *out)
{
	switch (discovery_of(c, a)) {
	case ND_SOLICITATION:
		contact_advertise(c, i, now, out);
		break;
	case ND_ADVERTISEMENT:
		break;
	case ND_NONE:
		if (rule == RULE_NONCE)
			contact_attempt(c, i, true, now, out);
		break;
	}
}

static enum reason from_client(struct client *c, struct arrival *a,
			       uint64_t now, struct outbox *out)
{
	bool is_bubble = ip6_is_bubble(a->f.ip);
	uint32_t i = recent_find(&c->recent, a->own, &a->f.ip->src);
	struct recent_peer *e =
		i == RECENT_NONE ? NULL : recent_at(&c->recent, i);
	enum door door = a->d->door;
	enum rule rule = rule_for(c, a, e, now);

	if (rule == RULE_NONE || !is_for_peer(c, door, i))
		return is_bubble ? REASON_MISMATCH : REASON_UNTRUSTED;
	i = contact_of(c, a->own, &a->f.ip->src);
	e = recent_at(&c->recent, i);
	if (is_bubble && rule != RULE_LAN &&
	    randport_restarts(c, i, door, a->d->from, now)) {
		contact_answer(c, i, ND_NONE, now, out);
		return REASON_NONE;
	}
	if (is_bubble) {
		note_trailers(e, a->t);
	} else {
		contact_calm(e, now);
		e->owes = false; /* who sends packets has got our bubbles */
	}
	if (randport_prove(c, i, door, now) && is_bubble)
		meet(c, i, a->d->from, now, out);
	else
		contact_prove(c, i, a->d->from, rule == RULE_LAN, now, out);
	a->is_sought = e->sought;
	if (is_bubble)
		answer_direct(c, a, i, rule, now, out);
	else
		contact_keep(c, i, now, out);
	return REASON_NONE;
}

static enum ledger_line line_of(const struct arrival *a)
{
	static const enum ledger_line line[] = {
		[ND_NONE] = LEDGER_GOT_DIRECT,
		[ND_SOLICITATION] = LEDGER_GOT_SOLICITATION,
		[ND_ADVERTISEMENT] = LEDGER_GOT_ADVERTISEMENT,
	};

	return a->is_neighbour ? LEDGER_GOT_NEIGHBOUR : line[a->t->discovery];
}

/* C33, C40, X6. */
static enum reason deliver(const struct client *c, const struct arrival *a,
			   struct outbox *out)
{
	if (ip6_is_bubble(a->f.ip)) {
		ledger_count(c->ledger, line_of(a));
		return REASON_BUBBLE;
	}
	if (a->icmp >= ICMP6_ROUTER_SOLICITATION && a->icmp <= ICMP6_REDIRECT)
		return REASON_CONTROL;
	return decapsulate(&a->f, a->d->ecn, out);
}

static enum reason check(const struct client *c, struct arrival *a)
{
	enum reason why = check_frame(a);

	if (why == REASON_NONE)
		why = check_destination(c, a);
	if (why == REASON_NONE)
		why = check_source(c, a);
	return why;
}

/* C66: what ended so was accepted. */
static bool is_accepted(enum reason why)
{
	return why == REASON_BUBBLE || why == REASON_TO_IPV6 ||
	       why == REASON_TEST_REPLY;
}

/*
 * C29. Behind a symmetric NAT, only what is sent to the server keeps the
 * mapping, so only solicitations count.
 */
static void note_interaction(struct client *c, uint64_t now)
{
	if (c->status.nat != CLIENT_NAT_SYMMETRIC)
		c->heard = now;
}

static enum reason judge(struct client *c, struct arrival *a, uint64_t now,
			 struct outbox *out)
{
	enum reason why = check(c, a);

	if (why == REASON_NONE && a->by_server)
		why = by_server(c, a, now, out);
	if (why != REASON_NONE)
		return why;
	if (ip6_is_teredo(&a->f.ip->src, c->gate->prefix))
		why = from_client(c, a, now, out);
	else if (a->d->door >= DOOR_RANDOM)
		why = REASON_MISMATCH; /* nobody sends there but clients */
	else
		why = from_native(c, a, now, out);
	if (why != REASON_NONE)
		return why;
	why = deliver(c, a, out);
	if (why == REASON_TO_IPV6 && a->is_sought)
		dormant_carried(c, WAKER_PEER, now, out);
	return why;
}

enum reason receive_service(struct client *c, const struct frame *f,
			    const struct trailers *t, const struct datagram *d,
			    uint64_t now, struct outbox *out)
{
	static const struct trailers none;
	struct arrival a = {
		.d = d,
		.f = *f,
		.t = ip6_is_bubble(f->ip) ? t : &none,
		.by_server = d->door < DOOR_RANDOM && is_server(c, d->from),
	};
	enum reason why = gate_source(c->gate, d->from); /* Z9 */

	if (why == REASON_SRC_NOT_GLOBAL && c->conf.local_discovery &&
	    d->door < DOOR_RANDOM &&
	    gate_neighbour(c->gate, d->from) == REASON_NONE)
		a.is_neighbour = true;
	else if (why != REASON_NONE)
		return why;
	why = judge(c, &a, now, out);
	if (a.by_server && is_accepted(why) &&
	    d->from.ip == c->own[c->cur].server)
		note_interaction(c, now);
	return why;
}
