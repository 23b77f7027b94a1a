/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See memo.h. Numbers in comments are those of doc/conformance.md. */
#include "memo.h"

#include <string.h>

#include "contact.h"

static const uint64_t LIFE_NS = 300 * NS_PER_S; /* of a silent peer, as C57 */
static const uint64_t ANNOUNCE_NS = 300 * NS_PER_S; /* C72 */

static void put_address(struct memo_address *m, const struct own_address *a)
{
	if (!a->on)
		return;
	m->server = a->server;
	m->mapped = a->mapped;
	m->flags = a->flags;
	m->used = a->used;
}

static bool is_settled(const struct client *c)
{
	const struct qualify *q = &c->qualify;

	return (q->step == QUALIFY_DONE || q->step == QUALIFY_CHECK) &&
	       q->primary == c->own[c->cur].server;
}

void memo_write(struct client *c)
{
	const struct qualify *q = &c->qualify;
	struct memos *all = c->memos;
	unsigned turn = all->turn & 1;
	struct memo m;

	memset(&m, 0, sizeof(m)); /* what is between the fields, too */
	put_address(&m.own[0], &c->own[c->cur]);
	put_address(&m.own[1], &c->own[!c->cur]);
	m.at = c->at;
	m.primary = q->primary;
	m.secondary = q->secondary;
	m.second = q->second;
	m.settled = is_settled(c);
	m.is_cone = q->is_cone;
	m.is_symmetric = q->is_symmetric;
	m.has_flags = c->conf.has_flags;
	m.flags = c->conf.flags;
	m.flags_for = c->conf.mapped;
	m.local = c->local;
	m.heard = c->heard;
	m.keep_until = c->keep_until;
	m.changed = c->changed;
	m.announce_at = c->announce_at;
	/* It was asked before it answered. */
	m.asked = q->sent ? q->sent : c->heard;
	m.asked_whom = q->sent ? q->sent_to : q->primary;
	m.since = q->since;
	/* NOLINTNEXTLINE: what is between the fields is 0 in both */
	if (memcmp(&m, &all->v[turn], sizeof(m)) == 0)
		return;
	all->v[!turn] = m;
	__atomic_store_n(&all->turn, !turn, __ATOMIC_RELEASE);
}

/* --- and back --- */

static uint64_t past(uint64_t t, uint64_t now)
{
	return t < now ? t : now;
}

static bool is_good_address(const struct client *c,
			    const struct memo_address *a)
{
	const struct tuple server = {a->server, TEREDO_PORT};

	return a->mapped.port && gate_is_global(c->gate, a->mapped) &&
	       gate_target(c->gate, server) == REASON_NONE &&
	       (a->flags & ~(FLAGS_RANDOM | FLAG_CONE)) == 0;
}

static void take_address(struct client *c, unsigned i,
			 const struct memo_address *m, uint64_t now)
{
	const struct teredo t = {c->gate->prefix, m->server, m->flags,
				 m->mapped};
	struct own_address *a = &c->own[i];

	*a = (struct own_address){
		.on = true,
		.flags = m->flags,
		.server = m->server,
		.mapped = m->mapped,
		.used = past(m->used, now),
	};
	teredo_pack(&a->ip6, &t);
}

/* Two of them have one mapping, and differ (C85). */
static bool take_addresses(struct client *c, const struct memo *m, uint64_t now)
{
	const struct memo_address *a = &m->own[0], *b = &m->own[1];

	if (!is_good_address(c, a))
		return false;
	take_address(c, 0, a, now);
	c->gate->mapped = a->mapped;
	if (is_good_address(c, b) && tuple_equal(a->mapped, b->mapped)) {
		take_address(c, 1, b, now);
		c->own[1].on = !ip6_equal(&c->own[0].ip6, &c->own[1].ip6);
	}
	return true;
}

static void take_flags(struct client *c, const struct memo *m)
{
	if (m->has_flags != 1 || m->flags & ~FLAGS_RANDOM)
		return;
	c->conf.has_flags = true;
	c->conf.flags = m->flags;
	c->conf.mapped = m->flags_for;
}

/*
 * The server is known as it was, and so is the NAT; unless another one was just
 * asked, or the first address of this one has told something new: then it is
 * asked anew, and the address is kept meanwhile as if there were silence.
 */
static void take_server(struct client *c, const struct memo *m, uint64_t now)
{
	const struct tuple b = {m->secondary, TEREDO_PORT};

	c->why = WHY_NONE;
	c->keep_until = m->keep_until < now + CLIENT_KEEPS_NS
				? m->keep_until
				: now + CLIENT_KEEPS_NS;
	if (m->settled == 1 && m->primary == c->own[0].server &&
	    m->secondary != m->primary &&
	    gate_target(c->gate, b) == REASON_NONE) {
		c->server[c->at].primary = m->primary;
		c->server[c->at].secondary = m->secondary;
		qualify_resume(&c->qualify, m->primary, m->secondary, m->local,
			       c->own[0].mapped, m->is_cone == 1,
			       m->is_symmetric == 1);
		c->qualify.second = m->second;
	} else if (!c->keep_until) {
		c->keep_until = now + CLIENT_KEEPS_NS;
	}
}

/* C72: not sooner than it would have been. */
static void take_announcement(struct client *c, const struct memo *m,
			      uint64_t now)
{
	if (!c->conf.local_discovery)
		return;
	c->announce_at = m->announce_at;
	if (c->announce_at <= now || c->announce_at > now + ANNOUNCE_NS)
		c->announce_at = now + ANNOUNCE_NS;
}

/* Of contact.c and receive.c: whom would we trust, and where? */
static bool is_fit(const void *arg, struct recent_peer *e)
{
	const struct client *c = arg;
	const struct ip6 *a = &e->address;

	e->is_native = !ip6_is_teredo(a, c->gate->prefix);
	/* A random port is gone with its process; and so is the way. */
	if (e->own >= CLIENT_ADDRESSES || !c->own[e->own].on ||
	    e->door != DOOR_SERVICE || client_own(c, a) >= 0 ||
	    client_is_server(c, e->tuple))
		return false;
	if (gate_neighbour(c->gate, e->lan) != REASON_NONE)
		e->lan = (struct tuple){0, 0};
	if (e->is_lan ? !c->conf.local_discovery ||
				gate_neighbour(c->gate, e->tuple) != REASON_NONE
		      : gate_target(c->gate, e->tuple) != REASON_NONE)
		return false;
	return e->is_native ? gate_native_source(c->gate, a) == REASON_NONE
			    : contact_check_target(c, a) == REASON_NONE;
}

/* What peers say of the time. */
static void count_peers(struct client *c)
{
	for (int s = STANDING_TRUSTED; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s];

		for (; i != RECENT_NONE; i = recent_at(&c->recent, i)->newer) {
			const struct recent_peer *e = recent_at(&c->recent, i);
			struct own_address *own = &c->own[e->own];

			if (own->used < e->heard)
				own->used = e->heard;
			if (!e->is_lan && c->any_heard < e->heard)
				c->any_heard = e->heard;
		}
	}
}

void client_recover(struct client *c, uint64_t now)
{
	const struct memos *all = c->memos;
	const struct memo m = all->v[all->turn & 1];

	take_flags(c, &m);
	if (m.at < c->conf.n_servers)
		c->at = m.at;
	c->heard = past(m.heard, now);
	c->changed = past(m.changed, now);
	qualify_asked(&c->qualify, m.asked_whom, past(m.asked, now),
		      past(m.since, now));
	if (take_addresses(c, &m, now)) {
		c->local = m.local;
		c->is_resumed = true;
		c->dormancy.carried = now; /* awake, as at the start */
		take_server(c, &m, now);
		take_announcement(c, &m, now);
	}
	recent_recover(&c->recent, LIFE_NS, now, is_fit, c);
	count_peers(c);
	client_publish(c);
}
