/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes from the IPv6 side, and what comes from the IPv4 side. What
 * happens to a peer in between is in reach.c. Numbers in comments are those of
 * doc/conformance.md.
 */
#include "relay.h"

#include <string.h>

#include "decap.h"
#include "lease.h"
#include "reach.h"

static const uint64_t VALID_NS = 30 * NS_PER_S; /* R5, 4380 §5.2.4 */

const struct relay_conf relay_defaults = {
	.mtu = TEREDO_MTU,
	.door = DOOR_SERVICE,
	.max_peers = 1 << 20,
	.max_held = 8192,
	.strangers = {1000, 2000},
	.per_source = {250, 500},
	.answers = {1000, 2000},
	.repeats = {1000, 2000},
	.known = {1000, 2000},
	.errors = {100, 100},
};

/* Of the peers, rounded up so that what follows is aligned. */
static size_t table_memory(const struct relay_conf *conf)
{
	return (peers_memory(conf->max_peers) + 63) / 64 * 64;
}

size_t relay_memory(const struct relay_conf *conf)
{
	return table_memory(conf) + held_memory(conf->max_held);
}

void relay_init(struct relay *r, const struct relay_conf *conf,
		const struct gate *gate, struct stats *stats,
		struct ledger *ledger, const struct hash_key *key,
		const struct rng *rng, void *mem)
{
	*r = (struct relay){
		.conf = *conf,
		.gate = gate,
		.stats = stats,
		.ledger = ledger,
		.rng = *rng,
	};
	peers_init(&r->peers, conf->max_peers, key, mem);
	held_init(&r->held, conf->max_held,
		  (uint8_t *)mem + table_memory(conf));
}

/* What relay_reach() and check_tuple() would have let in. */
static bool is_fit(const void *arg, const struct peer *e)
{
	const struct tuple at = {e->ip, e->port};
	const struct relay *r = arg;
	struct teredo t;
	struct ip6 a;

	peer_address(e, r->gate->prefix, &a);
	teredo_unpack(&t, &a);
	if (relay_check_target(r, &a) != REASON_NONE)
		return false;
	return e->roll != ROLL_PROVEN ||
	       (t.client.ip == at.ip &&
		(t.client.port == at.port || !r->conf.no_nonces) &&
		gate_target(r->gate, at) == REASON_NONE);
}

void relay_recover(struct relay *r, uint64_t now)
{
	peers_recover(&r->peers, RELAY_FORGETS_NS, now, is_fit, r);
}

void relay_reconfigure(struct relay *r, const struct relay_conf *conf)
{
	r->conf.mtu = conf->mtu;
	r->conf.accept_strangers = conf->accept_strangers;
	r->conf.no_nonces = conf->no_nonces;
	r->conf.n_served = conf->n_served;
	memcpy(r->conf.served, conf->served, sizeof(r->conf.served));
	r->conf.strangers = conf->strangers;
	r->conf.per_source = conf->per_source;
	r->conf.answers = conf->answers;
}

/* R19, R31: is this native address served? Own ones always are. */
static bool is_served(const struct relay *r, const struct ip6 *a)
{
	if (!r->conf.host_only && r->conf.n_served == 0)
		return ip6_is_global(a);
	if (self_has_ip6(r->gate->self, a))
		return true;
	if (r->conf.host_only)
		return false; /* R28 */
	for (unsigned i = 0; i < r->conf.n_served; i++) {
		if (ip6_in(a, &r->conf.served[i]))
			return true;
	}
	return false;
}

/* R31, Z36, Z37: the source of a packet from the IPv6 side. */
static enum reason check_native(const struct relay *r, const struct ip6 *src)
{
	enum reason why;

	if (ip6_is_teredo(src, r->gate->prefix))
		return REASON_LOOP;
	why = gate_native_source(r->gate, src);
	if (why != REASON_NONE)
		return why;
	return is_served(r, src) ? REASON_NONE : REASON_NOT_SERVED;
}

static bool is_valid(const struct peer *e, uint64_t now)
{
	return e->roll == ROLL_PROVEN && now - e->heard < VALID_NS;
}

enum reason relay_from_ip6(struct relay *r, const uint8_t *p, uint16_t len,
			   uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = (const void *)p;
	enum reason why = ip6_check(p, len);
	const struct peer *e;
	uint32_t i;

	if (why != REASON_NONE)
		return why;
	if (!ip6_is_teredo(&ip->dst, r->gate->prefix)) {
		relay_complain(r, ICMP6_UNREACHABLE, UNREACHABLE_NO_ROUTE, p,
			       len, now, out);
		return REASON_NOT_TEREDO; /* R3 */
	}
	why = check_native(r, &ip->src);
	if (why != REASON_NONE)
		return why;
	if (len > r->conf.mtu) {
		/* About what R4 refuses there is silence, whatever its size. */
		why = relay_check_target(r, &ip->dst);
		if (why != REASON_NONE)
			return why;
		relay_complain(r, ICMP6_PACKET_TOO_BIG, 0, p, len, now, out);
		return REASON_TOO_BIG; /* R23 */
	}
	i = peers_find(&r->peers, &ip->dst);
	if (i == PEER_NONE || !is_valid(peers_at(&r->peers, i), now))
		return relay_reach(r, i, p, len, now, out);
	e = peers_at(&r->peers, i);
	why = outbox_udp(out, r->conf.door, (struct tuple){e->ip, e->port}, 0,
			 p, len); /* R5 */
	return why == REASON_NONE ? REASON_TO_IPV4 : why;
}

bool relay_super_from_ip6(struct relay *r, const struct super *s, uint64_t now,
			  struct outbox *out)
{
	const struct wire_ip6 *ip = (const void *)s->p;
	const struct peer *e;
	uint32_t i;

	if (!ip6_is_teredo(&ip->dst, r->gate->prefix) ||
	    check_native(r, &ip->src) != REASON_NONE ||
	    super_longest(s) > r->conf.mtu)
		return false;
	i = peers_find(&r->peers, &ip->dst);
	if (i == PEER_NONE || !is_valid(peers_at(&r->peers, i), now))
		return false;
	e = peers_at(&r->peers, i);
	return outbox_super(out, r->conf.door, (struct tuple){e->ip, e->port},
			    s) == REASON_NONE;
}

/* Who has an entry that is good for both ways now. */
bool relay_lease(const struct relay *r, struct lease *l, uint64_t now)
{
	uint32_t i =
		peers_find(&r->peers, l->way == LEASE_UP ? &l->src : &l->dst);
	const struct peer *e;

	if (i == PEER_NONE || !is_valid(peers_at(&r->peers, i), now))
		return false;
	e = peers_at(&r->peers, i);
	l->tuple = (struct tuple){e->ip, e->port};
	l->door = r->conf.door;
	l->mtu = r->conf.mtu;
	l->until = lease_end(now, e->heard + VALID_NS);
	return true;
}

/* Does this bubble show that its sender has got our last one? */
static bool is_answer(const struct relay *r, const struct frame *f,
		      uint32_t nonce, const struct peer *e)
{
	struct ip6 asked_from;

	if (e->nonce == 0 || !ip6_is_bubble(f->ip))
		return false;
	if (nonce == e->nonce)
		return true;
	relay_bubble_source(r, e, &asked_from);
	return ip6_equal(&f->ip->dst, &asked_from);
}

/*
 * R16: the outer source is the tuple inside the inner one; or the tuple that
 * this peer has proven before; or, for a client behind a symmetric NAT, another
 * port of the same address, and the nonce of our last bubble or the address
 * that this bubble came from (R32, A14).
 */
static enum reason check_tuple(const struct relay *r, const struct frame *f,
			       uint32_t nonce, const struct peer *e,
			       struct tuple from)
{
	struct teredo t;

	teredo_unpack(&t, &f->ip->src);
	if (t.client.ip != from.ip)
		return REASON_MISMATCH;
	if (t.client.port == from.port)
		return REASON_NONE;
	if (!e || r->conf.no_nonces)
		return REASON_MISMATCH;
	if (e->roll == ROLL_PROVEN && e->port == from.port)
		return REASON_NONE;
	return is_answer(r, f, nonce, e) ? REASON_NONE : REASON_MISMATCH;
}

/* R19, R26, R30, Z38: to the native side, without what follows the packet. */
static enum reason deliver(const struct relay *r, const struct frame *f,
			   uint8_t outer_ecn, struct outbox *out)
{
	const struct wire_ip6 *ip = f->ip;

	if (ip6_is_teredo(&ip->dst, r->gate->prefix) ||
	    gate_embeds_self(r->gate, &ip->dst))
		return REASON_LOOP;
	if (!is_served(r, &ip->dst))
		return REASON_NOT_SERVED;
	return decapsulate(f, outer_ecn, out);
}

/*
 * R15, R16, Z25: a whole IPv6 packet of a Teredo client. Trailers count behind
 * bubbles only (A30); the nonce is 0 if there is none.
 */
static enum reason check_frame(const struct relay *r, struct frame *f,
			       struct trailers *t, const struct datagram *d)
{
	struct upper u;
	enum reason why = frame_parse(f, d->data, d->len);

	if (why != REASON_NONE)
		return why;
	if (f->has_auth || f->has_origin)
		return REASON_FORGED_BLOCK;
	if (!ip6_is_teredo(&f->ip->src, r->gate->prefix))
		return REASON_NOT_TEREDO;
	why = ip6_upper(f->ip, &u);
	if (why != REASON_NONE)
		return why;
	if (u.routing)
		return REASON_ROUTING;
	t->nonce = 0;
	return ip6_is_bubble(f->ip) ? trailers_parse(t, f->tail, f->tail_len)
				    : REASON_NONE;
}

enum reason relay_from_ip4(struct relay *r, const struct datagram *d,
			   uint64_t now, struct outbox *out)
{
	enum reason why = gate_source(r->gate, d->from); /* Z9 */
	const struct peer *e;
	struct trailers with;
	struct frame f;
	uint32_t i;

	if (why == REASON_NONE)
		why = check_frame(r, &f, &with, d);
	if (why != REASON_NONE)
		return why;
	i = peers_find(&r->peers, &f.ip->src);
	e = i == PEER_NONE ? NULL : peers_at(&r->peers, i);
	why = check_tuple(r, &f, with.nonce, e, d->from);
	if (why != REASON_NONE)
		return why;
	if (e)
		relay_prove(r, i, d->from, now, out);
	else if (!r->conf.accept_strangers)
		return REASON_UNKNOWN_PEER; /* R17 */
	if (ip6_is_bubble(f.ip)) {
		ledger_count(r->ledger, LEDGER_GOT_DIRECT);
		return REASON_BUBBLE; /* R20 */
	}
	return deliver(r, &f, d->ecn, out);
}
