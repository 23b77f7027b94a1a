/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local client discovery (4380 §5.2.8): clients on one link find each other,
 * for behind one NAT they may not reach each other by way of the Internet.
 *
 * Everybody says every few minutes to the link that he is there; what he says
 * makes nobody trust him, it only tells where to look for him (Z15). Somebody
 * on the link can still claim to be a peer, and answer for it: so this is off
 * unless it is configured, and then the socket hears the group only (C74).
 * Who is dormant says nothing, but notes what others say.
 */
#include "contact.h"

enum {
	ANNOUNCE_MIN_S = 200, /* C72 */
	ANNOUNCE_MAX_S = 300,
	WELCOME_MS = 2000,
};

static const uint64_t WELCOME_GAP_NS = 10 * NS_PER_S;
static const uint64_t KNOWN_NS = 600 * NS_PER_S; /* C44 */
static const struct ip6 all_nodes = {{0xff, 0x02, [15] = 1}};

bool discovery_allows(const struct client *c, const struct ip6 *a)
{
	struct teredo t;

	if (!c->conf.local_discovery || !c->conf.same_mapped_only)
		return c->conf.local_discovery;
	teredo_unpack(&t, a);
	return t.client.ip == c->own[c->cur].mapped.ip;
}

bool discovery_knows(const struct client *c, const struct recent_peer *e,
		     uint64_t now)
{
	return c->conf.local_discovery && e->lan.port != 0 &&
	       now - e->lan_heard < KNOWN_NS;
}

void discovery_announce(struct client *c, struct outbox *out)
{
	size_t n = wire_put_bubble(outbox_head(out), &c->own[c->cur].ip6,
				   &all_nodes, 1, NULL);

	outbox_group(out, n);
	ledger_count(c->ledger, LEDGER_SENT_DISCOVERY);
}

void discovery_timeout(struct client *c, uint64_t now, struct outbox *out)
{
	uint32_t spread = (ANNOUNCE_MAX_S - ANNOUNCE_MIN_S) * 1000;

	if (c->announce_at == 0 || now < c->announce_at)
		return;
	discovery_announce(c, out);
	c->announced = now;
	c->announce_at = now + ANNOUNCE_MIN_S * NS_PER_S +
			 rng_below(&c->rng, spread) * NS_PER_MS;
}

/*
 * Somebody new is there, who has not heard us yet: our answer tells him
 * nothing, for it is no discovery bubble. So the next of those comes soon.
 */
static void welcome(struct client *c, uint64_t now)
{
	uint64_t at = now + rng_below(&c->rng, WELCOME_MS) * NS_PER_MS;

	if (at < c->announced + WELCOME_GAP_NS)
		at = c->announced + WELCOME_GAP_NS;
	if (at < c->announce_at)
		c->announce_at = at;
}

/* C73 */
static enum reason check(const struct client *c, const struct frame *f,
			 struct tuple from)
{
	const struct wire_ip6 *ip = f->ip;

	if (f->has_auth || f->has_origin)
		return REASON_FORGED_BLOCK;
	if (!ip6_is_bubble(ip) || !ip6_equal(&ip->dst, &all_nodes))
		return REASON_NOT_OURS;
	if (!ip6_is_teredo(&ip->src, c->gate->prefix))
		return REASON_NOT_TEREDO;
	if (client_own(c, &ip->src) >= 0)
		return REASON_BAD_SOURCE; /* ourselves */
	if (contact_check_target(c, &ip->src) != REASON_NONE)
		return REASON_BAD_SOURCE; /* of no use as a Teredo address */
	if (!discovery_allows(c, &ip->src))
		return REASON_MISMATCH;
	return gate_neighbour(c->gate, from) == REASON_NONE
		       ? REASON_NONE
		       : REASON_SRC_NOT_GLOBAL;
}

/* C75, C76. */
enum reason discovery_input(struct client *c, const struct frame *f,
			    struct tuple from, uint64_t now, struct outbox *out)
{
	struct recent_peer *e;
	enum reason why;
	uint32_t i;

	if (!c->conf.local_discovery || !c->own[c->cur].on)
		return REASON_NOT_QUALIFIED; /* C77 */
	why = check(c, f, from);
	if (why != REASON_NONE)
		return why;
	i = contact_of(c, c->cur, &f->ip->src);
	e = recent_at(&c->recent, i);
	if (!discovery_knows(c, e, now))
		welcome(c, now);
	e->lan = from;
	e->lan_heard = now;
	if (!c->dormancy.on)
		contact_answer_neighbour(c, i, now, out);
	return REASON_DISCOVERY;
}
