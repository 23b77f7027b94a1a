/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading order: from the IPv6 side (relay_from_ip6), from the IPv4 side
 * (relay_from_ip4), what time does (relay_timeout). Between them stands what
 * happens to a peer: reach() sends bubbles, prove() trusts it, give_up() does
 * not. Numbers in comments are those of doc/conformance.md.
 */
#include "relay.h"

#include <string.h>

#include "icmp6.h"

enum {
	BUBBLE_TRIES = 4,  /* one and three repeats, R9 */
	EXPIRE_MAX = 1024, /* entries that one wake-up forgets */
};

static const uint64_t VALID_NS = 30 * NS_PER_S;    /* R5, 4380 §5.2.4 */
static const uint64_t RETRY_NS = 2050 * NS_PER_MS; /* R9, A7 */
static const uint64_t RETRY_SPREAD_MS = 200;
static const uint64_t BUBBLE_GAP_NS = 2 * NS_PER_S; /* R21, 4380 §5.2.6 */
static const uint64_t TOMBSTONE_NS = 30 * NS_PER_S; /* R10, A33 */
static const uint64_t FORGET_NS = 300 * NS_PER_S;   /* silent, proven peers */
static const uint64_t MOVE_UP_NS = NS_PER_S;        /* how exact the order is */

const struct relay_conf relay_defaults = {
	.mtu = TEREDO_MTU,
	.door = DOOR_SERVICE,
	.max_peers = 1 << 20,
	.max_held = 8192,
	.strangers = {1000, 2000},
	.per_source = {250, 500},
	.answers = {1000, 2000},
	.again = {2000, 4000},
	.errors = {100, 100},
};

size_t relay_memory(const struct relay_conf *conf)
{
	return (peers_memory(conf->max_peers) + 63) / 64 * 64 +
	       held_memory(conf->max_held);
}

void relay_init(struct relay *r, const struct relay_conf *conf,
		const struct gate *gate, struct stats *stats,
		const struct hash_key *key, const struct rng *rng, void *mem)
{
	size_t peers = (peers_memory(conf->max_peers) + 63) / 64 * 64;

	*r = (struct relay){
		.conf = *conf, .gate = gate, .stats = stats, .rng = *rng};
	peers_init(&r->peers, conf->max_peers, key, mem);
	held_init(&r->held, conf->max_held, (uint8_t *)mem + peers);
}

/* R25: an ICMPv6 error to the sender of a packet, if one may be sent. */
static void complain(struct relay *r, uint8_t type, uint8_t code,
		     const void *packet, uint16_t len, uint64_t now,
		     struct outbox *out)
{
	const struct self *self = r->gate->self;
	uint32_t mtu = type == ICMP6_PACKET_TOO_BIG ? r->conf.mtu : 0;
	size_t n;

	if (!self->has_source || !icmp6_may_complain(packet, type) ||
	    !bucket_take(&r->errors, &r->conf.errors, now))
		return;
	n = icmp6_error(outbox_head(out), type, code, mtu, &self->source,
			packet, len);
	outbox_ip6(out, n, NULL, 0);
}

/* Forget the oldest packet of a peer; it ended with this reason. */
static void drop_held(struct relay *r, struct peer *e, enum reason why)
{
	stats_count(r->stats, why);
	held_drop_first(&r->held, e);
}

/* Make room in a roll. */
static void evict(struct relay *r, uint32_t victim)
{
	struct peer *e = peers_at(&r->peers, victim);

	while (held_first(&r->held, e))
		drop_held(r, e, REASON_QUEUE_EVICTED);
	peers_remove(&r->peers, victim);
}

/* R11, R13: the newest packets are kept, of a peer and of all. */
static void hold(struct relay *r, uint32_t i, const uint8_t *p, uint16_t len)
{
	struct peer *e = peers_at(&r->peers, i);
	uint32_t other;

	if (held_count(&r->held, e) >= RELAY_HELD_PER_PEER)
		drop_held(r, e, REASON_QUEUE_PEER);
	other = held_in_the_way(&r->held);
	if (other != PEER_NONE)
		drop_held(r, peers_at(&r->peers, other), REASON_QUEUE_FULL);
	held_add(&r->held, &r->peers, i, p, len);
}

/* Not zero, which means none (A19). */
static uint32_t new_nonce(struct rng *rng)
{
	uint32_t n;

	do
		n = rng_u32(rng);
	while (n == 0);
	return n;
}

/*
 * One bubble to a peer. Through its server, it carries the nonce (R32) and
 * where that server is this process, what the server would have put in front
 * of it; else it is bare (X12). The gate may refuse: an address may have
 * become ours since the peer was let in. Its tries run out all the same.
 */
static void send_bubble(struct relay *r, const struct peer *e, struct tuple to,
			bool origin, bool nonce, struct outbox *out)
{
	uint8_t *head = outbox_head(out), *p = head;
	struct ip6 client;

	peer_address(e, r->gate->prefix, &client);
	if (origin) {
		struct tuple own = {r->conf.server, TEREDO_PORT};

		wire_put_origin((void *)p, own);
		p += ORIGIN_LEN;
	}
	wire_put_ip6((void *)p, 0, NEXT_NONE, BUBBLE_HOPS,
		     &r->gate->self->source, &client);
	p += IP6_LEN;
	if (nonce) {
		p[0] = TRAILER_NONCE;
		p[1] = TRAILER_NONCE_LEN - 2;
		put32(p + 2, e->nonce);
		p += TRAILER_NONCE_LEN;
	}
	(void)outbox_udp(out, r->conf.door, to, (size_t)(p - head), NULL, 0);
}

/* R7, R14, R21: one attempt, which may be two bubbles. */
static void send_bubbles(struct relay *r, struct peer *e, struct outbox *out)
{
	struct tuple via = {0, TEREDO_PORT};
	struct teredo t;
	struct ip6 client;
	bool own;

	peer_address(e, r->gate->prefix, &client);
	teredo_unpack(&t, &client);
	via.ip = t.server;
	own = r->conf.server != 0 && t.server == r->conf.server;
	e->nonce = r->conf.no_nonces ? 0 : new_nonce(&r->rng);
	if (r->conf.direct_bubbles && !own)
		send_bubble(r, e, t.client, false, false, out);
	send_bubble(r, e, own ? t.client : via, own, e->nonce != 0, out);
}

/* R9: an attempt; without a token it counts, but sends nothing. */
static void attempt(struct relay *r, uint32_t i, bool send, uint64_t now,
		    struct outbox *out)
{
	struct peer *e = peers_at(&r->peers, i);

	e->tries++;
	e->bubbled = now;
	e->due = now + RETRY_NS +
		 rng_below(&r->rng, RETRY_SPREAD_MS) * NS_PER_MS;
	if (send)
		send_bubbles(r, e, out);
}

static bool bubble_again(struct relay *r, uint64_t now)
{
	return r->gate->self->has_source &&
	       bucket_take(&r->again, &r->conf.again, now);
}

/*
 * Room for one more unproven peer. A peer that was asked less than 2 s ago is
 * not pushed out: it may answer yet, and must not be asked again (R21).
 */
static bool make_room(struct relay *r, uint64_t now)
{
	uint32_t victim = peers_victim(&r->peers, ROLL_PROBING);
	const struct peer *e;

	if (victim == PEER_NONE)
		return true;
	e = peers_at(&r->peers, victim);
	if (e->roll == ROLL_PROBING && now - e->bubbled < BUBBLE_GAP_NS)
		return false;
	evict(r, victim);
	return true;
}

/* Z22: may this packet make us send a bubble to somebody new? */
static bool admit(struct relay *r, const struct wire_ip6 *ip, uint64_t now)
{
	uint64_t h;

	if (ip6_icmp_type(ip) == ICMP6_ECHO_REPLY)
		return bucket_take(&r->answers, &r->conf.answers, now);
	h = hash_bytes(&r->peers.key, ip->src.b, 8);
	return bucket_take(&r->sources[h % RELAY_SOURCES], &r->conf.per_source,
			   now) &&
	       bucket_take(&r->strangers, &r->conf.strangers, now);
}

/* The peer that a packet is for gets an entry, or a new procedure. */
static enum reason begin(struct relay *r, uint32_t *i,
			 const struct wire_ip6 *ip, uint64_t now,
			 struct outbox *out)
{
	bool known = *i != PEER_NONE;

	if (known ? !bubble_again(r, now) : !admit(r, ip, now))
		return REASON_RATE_PEER;
	if (known && peers_at(&r->peers, *i)->roll == ROLL_FAILED)
		peers_move(&r->peers, *i, ROLL_PROBING);
	else if (!make_room(r, now))
		return REASON_RATE_PEER;
	else if (known)
		peers_move(&r->peers, *i, ROLL_PROBING);
	else
		*i = peers_add(&r->peers, &ip->dst, ROLL_PROBING);
	peers_at(&r->peers, *i)->tries = 0;
	attempt(r, *i, true, now, out);
	return REASON_NONE;
}

/* R4, R8, Z8, Z40, Z42: both IPv4 addresses inside, before any state. */
static enum reason check_target(const struct relay *r, const struct ip6 *dst)
{
	struct tuple via = {0, TEREDO_PORT};
	struct teredo t;
	enum reason why;

	teredo_unpack(&t, dst);
	via.ip = t.server;
	why = gate_target(r->gate, t.client);
	if (why != REASON_NONE)
		return why;
	if (r->conf.server != 0 && t.server == r->conf.server)
		return REASON_NONE;
	return gate_target(r->gate, via);
}

/* R7-R13: a packet for a client that is not known to listen. */
static enum reason reach(struct relay *r, uint32_t i, const uint8_t *p,
			 uint16_t len, uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = (const void *)p;
	enum reason why = check_target(r, &ip->dst);
	const struct peer *e;

	if (why != REASON_NONE)
		return why;
	if (!r->gate->self->has_source)
		return REASON_NO_SOURCE; /* R29 */
	e = i == PEER_NONE ? NULL : peers_at(&r->peers, i);
	if (e && e->roll == ROLL_FAILED && now < e->due) {
		complain(r, ICMP6_UNREACHABLE, UNREACHABLE_ADDRESS, p, len, now,
			 out);
		return REASON_UNREACHABLE; /* R10, R24 */
	}
	if (!e || e->roll != ROLL_PROBING) {
		why = begin(r, &i, ip, now, out);
		if (why != REASON_NONE)
			return why;
	}
	hold(r, i, p, len);
	return REASON_HELD;
}

/* R19, R31: is this native address served? Own ones always are. */
static bool is_served(const struct relay *r, const struct ip6 *a)
{
	if (self_has_ip6(r->gate->self, a))
		return true;
	if (r->conf.host_only)
		return false; /* R28 */
	for (unsigned i = 0; i < r->conf.n_served; i++) {
		if (ip6_in(a, &r->conf.served[i]))
			return true;
	}
	return r->conf.n_served == 0 && ip6_is_global(a);
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
		complain(r, ICMP6_UNREACHABLE, UNREACHABLE_NO_ROUTE, p, len,
			 now, out);
		return REASON_NOT_TEREDO; /* R3 */
	}
	why = check_native(r, &ip->src);
	if (why != REASON_NONE)
		return why;
	if (len > r->conf.mtu) {
		complain(r, ICMP6_PACKET_TOO_BIG, 0, p, len, now, out);
		return REASON_TOO_BIG; /* R23 */
	}
	i = peers_find(&r->peers, &ip->dst);
	if (i == PEER_NONE || !is_valid(peers_at(&r->peers, i), now))
		return reach(r, i, p, len, now, out);
	e = peers_at(&r->peers, i);
	why = outbox_udp(out, r->conf.door, (struct tuple){e->ip, e->port}, 0,
			 p, len); /* R5 */
	return why == REASON_NONE ? REASON_TO_IPV4 : why;
}

/* R12: what was kept goes where the proof came from, in order. */
static void release(struct relay *r, struct peer *e, struct outbox *out)
{
	const struct held_packet *k;
	enum reason why;

	while ((k = held_first(&r->held, e)) != NULL) {
		memcpy(outbox_head(out), k->data, k->len);
		why = outbox_udp(out, r->conf.door,
				 (struct tuple){e->ip, e->port}, k->len, NULL,
				 0);
		drop_held(r, e, why == REASON_NONE ? REASON_RELEASED : why);
	}
}

/* R18. The order of the proven is kept to a second, not for each packet. */
static void prove(struct relay *r, uint32_t i, struct tuple from, uint64_t now,
		  struct outbox *out)
{
	struct peer *e = peers_at(&r->peers, i);
	uint32_t victim;

	e->ip = from.ip;
	e->port = from.port;
	e->heard = now;
	if (e->roll == ROLL_PROVEN && now < e->due)
		return;
	if (e->roll != ROLL_PROVEN) {
		victim = peers_victim(&r->peers, ROLL_PROVEN);
		if (victim != PEER_NONE)
			evict(r, victim);
	}
	peers_move(&r->peers, i, ROLL_PROVEN);
	e->due = now + MOVE_UP_NS;
	release(r, e, out);
}

void relay_heard(struct relay *r, const struct ip6 *client, struct tuple from,
		 uint64_t now, struct outbox *out)
{
	uint32_t i = peers_find(&r->peers, client);

	if (i != PEER_NONE)
		prove(r, i, from, now, out);
}

/*
 * R16: the outer source is the tuple inside the inner one; or the tuple that
 * this peer has proven before; or, for a client behind a symmetric NAT, another
 * port of the same address and the nonce of our last bubble (R32, A14).
 */
static enum reason check_tuple(const struct relay *r, const struct frame *f,
			       const struct peer *e, struct tuple from)
{
	struct teredo t;
	uint32_t nonce;

	teredo_unpack(&t, &f->ip->src);
	if (t.client.ip != from.ip)
		return REASON_MISMATCH;
	if (t.client.port == from.port)
		return REASON_NONE;
	if (!e || r->conf.no_nonces)
		return REASON_MISMATCH;
	if (e->roll == ROLL_PROVEN && e->port == from.port)
		return REASON_NONE;
	if (!ip6_is_bubble(f->ip) ||
	    trailer_nonce(f->tail, f->tail_len, &nonce) != REASON_NONE)
		return REASON_MISMATCH;
	return nonce != 0 && nonce == e->nonce ? REASON_NONE : REASON_MISMATCH;
}

/*
 * RFC 6040 §4.2: a congestion mark on the way in is passed on, and drops a
 * packet whose sender would not see it (A39).
 */
static enum reason merge_ecn(uint8_t outer, uint8_t *inner)
{
	enum {
		NOT_ECT,
		ECT_1,
		ECT_0,
		CE
	};

	if (outer == CE) {
		if (*inner == NOT_ECT)
			return REASON_ECN;
		*inner = CE;
	} else if (outer == ECT_1 && *inner == ECT_0) {
		*inner = ECT_1;
	}
	return REASON_NONE;
}

/* R19, R26, R30, Z38: to the native side, without what follows the packet. */
static enum reason deliver(const struct relay *r, const struct frame *f,
			   uint8_t outer_ecn, struct outbox *out)
{
	const struct wire_ip6 *ip = f->ip;
	uint8_t ecn = ip->vcf[1] >> 4 & 3, merged = ecn;
	struct wire_ip6 *head;

	if (ip6_is_teredo(&ip->dst, r->gate->prefix) ||
	    gate_embeds_self(r->gate, &ip->dst))
		return REASON_LOOP;
	if (!is_served(r, &ip->dst))
		return REASON_NOT_SERVED;
	if (merge_ecn(outer_ecn, &merged) != REASON_NONE)
		return REASON_ECN;
	if (merged == ecn) {
		outbox_ip6(out, 0, ip, f->len);
		return REASON_TO_IPV6;
	}
	head = (void *)outbox_head(out);
	*head = *ip;
	head->vcf[1] = (uint8_t)((ip->vcf[1] & ~0x30) | merged << 4);
	outbox_ip6(out, sizeof(*head), ip + 1, f->len - sizeof(*head));
	return REASON_TO_IPV6;
}

/* R15, R16, Z25: a whole IPv6 packet of a Teredo client. */
static enum reason check_frame(const struct relay *r, struct frame *f,
			       const struct datagram *d)
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
	return u.routing ? REASON_ROUTING : REASON_NONE;
}

enum reason relay_from_ip4(struct relay *r, const struct datagram *d,
			   uint64_t now, struct outbox *out)
{
	enum reason why = gate_source(r->gate, d->from); /* Z9 */
	const struct peer *e;
	struct frame f;
	uint32_t i;

	if (why == REASON_NONE)
		why = check_frame(r, &f, d);
	if (why != REASON_NONE)
		return why;
	i = peers_find(&r->peers, &f.ip->src);
	e = i == PEER_NONE ? NULL : peers_at(&r->peers, i);
	why = check_tuple(r, &f, e, d->from);
	if (why != REASON_NONE)
		return why;
	if (e)
		prove(r, i, d->from, now, out);
	else if (!r->conf.accept_strangers)
		return REASON_UNKNOWN_PEER; /* R17 */
	if (ip6_is_bubble(f.ip))
		return REASON_BUBBLE; /* R20 */
	return deliver(r, &f, d->ecn, out);
}

/* R10, R24: it did not answer; say so, and leave it alone for a while. */
static void give_up(struct relay *r, uint32_t i, uint64_t now,
		    struct outbox *out)
{
	struct peer *e = peers_at(&r->peers, i);
	const struct held_packet *k;

	while ((k = held_first(&r->held, e)) != NULL) {
		complain(r, ICMP6_UNREACHABLE, UNREACHABLE_ADDRESS, k->data,
			 k->len, now, out);
		drop_held(r, e, REASON_UNREACHABLE);
	}
	peers_move(&r->peers, i, ROLL_FAILED);
	e->due = now + TOMBSTONE_NS;
}

/* When the first of a roll is due. */
static uint64_t roll_due(const struct relay *r, enum roll roll)
{
	uint32_t i = r->peers.oldest[roll];
	const struct peer *e;

	if (i == PEER_NONE)
		return UINT64_MAX;
	e = peers_at(&r->peers, i);
	return roll == ROLL_PROVEN ? e->heard + FORGET_NS : e->due;
}

/*
 * Each roll is in order of deadlines, but for the spread of retries and the
 * second of MOVE_UP_NS, by which an entry may be late.
 */
uint64_t relay_next(const struct relay *r)
{
	uint64_t next = UINT64_MAX;

	for (int roll = 0; roll < ROLL_COUNT; roll++) {
		uint64_t due = roll_due(r, (enum roll)roll);

		if (due < next)
			next = due;
	}
	return next;
}

static void probe_or_give_up(struct relay *r, uint32_t i, uint64_t now,
			     struct outbox *out)
{
	if (peers_at(&r->peers, i)->tries >= BUBBLE_TRIES) {
		give_up(r, i, now, out);
		return;
	}
	peers_move(&r->peers, i, ROLL_PROBING);
	attempt(r, i, bubble_again(r, now), now, out);
}

void relay_timeout(struct relay *r, uint64_t now, struct outbox *out)
{
	const struct peers *p = &r->peers;

	while (roll_due(r, ROLL_PROBING) <= now && outbox_has_room(out))
		probe_or_give_up(r, p->oldest[ROLL_PROBING], now, out);
	for (int n = 0; n < EXPIRE_MAX; n++) {
		if (roll_due(r, ROLL_FAILED) <= now)
			evict(r, p->oldest[ROLL_FAILED]);
		else if (roll_due(r, ROLL_PROVEN) <= now)
			evict(r, p->oldest[ROLL_PROVEN]);
		else
			break;
	}
}
