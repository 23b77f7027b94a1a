/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a peer (see reach.h): relay_reach() has bubbles sent to it,
 * relay_prove() trusts it, give_up() does not. Numbers in comments are those of
 * doc/conformance.md.
 */
#include "reach.h"

#include <string.h>

#include "icmp6.h"

enum {
	BUBBLE_TRIES = 4,  /* one and three repeats, R9 */
	EXPIRE_MAX = 1024, /* entries that one wake-up forgets */
};

static const uint64_t RETRY_NS = 2050 * NS_PER_MS; /* R9, A7 */
static const uint64_t RETRY_SPREAD_MS = 200;
static const uint64_t BUBBLE_GAP_NS = 2 * NS_PER_S; /* R21, 4380 §5.2.6 */
static const uint64_t TOMBSTONE_NS = 30 * NS_PER_S; /* R10, A33 */
static const uint64_t MOVE_UP_NS = NS_PER_S;        /* how exact the order is */

/* R25: an ICMPv6 error to the sender of a packet, if one may be sent. */
void relay_complain(struct relay *r, uint8_t type, uint8_t code,
		    const void *packet, uint16_t len, uint64_t now,
		    struct outbox *out)
{
	const struct self *self = r->gate->self;
	uint32_t mtu = type == ICMP6_PACKET_TOO_BIG ? r->conf.mtu : 0;
	size_t n;

	if (!self->has_source || !icmp6_may_complain(packet, type))
		return;
	if (!bucket_take(&r->errors, &r->conf.errors, now)) {
		ledger_count(r->ledger, LEDGER_LIMITED_ERROR);
		return;
	}
	n = icmp6_error(outbox_head(out), type, code, mtu, &self->source,
			packet, len);
	outbox_ip6(out, n, NULL, 0);
}

/* Forget the oldest packet of a peer; it ended with this reason. */
static void drop_held(struct relay *r, struct peer *e, enum reason why)
{
	stats_count(r->stats, why);
	held_drop_first(&r->held, &e->held);
}

/* Forget a peer; this is how the packets end that are held for it. */
static void forget(struct relay *r, uint32_t i, enum reason why)
{
	struct peer *e = peers_at(&r->peers, i);

	while (held_first(&r->held, e->held))
		drop_held(r, e, why);
	peers_remove(&r->peers, i);
}

/*
 * R11, R13: the newest packets are kept, of a peer and of all. About those that
 * make room there is silence (4443 §3.1: no Destination Unreachable for
 * congestion); the client may be there. So it is in make_room().
 */
static void hold(struct relay *r, uint32_t i, const uint8_t *p, uint16_t len,
		 uint64_t now)
{
	struct peer *e = peers_at(&r->peers, i);
	uint32_t other;

	if (held_count(&r->held, e->held) >= RELAY_HELD_PER_PEER)
		drop_held(r, e, REASON_QUEUE_PEER);
	other = held_in_the_way(&r->held);
	if (other != HELD_NONE)
		drop_held(r, peers_at(&r->peers, other), REASON_QUEUE_FULL);
	held_add(&r->held, i, &e->held, p, len, now);
}

/*
 * The last eight bytes are a cookie for this peer and its last nonce; see
 * reach.h. Clients answer to it, and nothing else ever does: bubbles are
 * consumed here (R20), so the address is not seen outside of tunnels.
 */
void relay_bubble_source(const struct relay *r, const struct peer *e,
			 struct ip6 *a)
{
	struct {
		struct peer_key key;
		uint32_t nonce;
	} in = {e->key, e->nonce};
	uint64_t cookie;

	*a = r->gate->self->source;
	if (e->nonce == 0)
		return;
	cookie = hash_bytes(&r->rng.key, &in, sizeof(in));
	memcpy(a->b + 8, &cookie, sizeof(cookie));
}

/*
 * One bubble to a peer. Through its server, it carries the nonce (R32) and
 * where that server is this process, what the server would have put in front
 * of it; else it is bare (X12). The gate may refuse: an address may have
 * become ours since the peer was let in. Its tries run out all the same.
 */
static void send_bubble(struct relay *r, const struct peer *e, struct tuple to,
			bool origin, bool nonce, struct outbox *out,
			enum ledger_line line)
{
	const struct trailers with = {.nonce = nonce ? e->nonce : 0};
	uint8_t *head = outbox_head(out), *p = head;
	struct ip6 source, client;

	relay_bubble_source(r, e, &source);
	peer_address(e, r->gate->prefix, &client);
	if (origin) {
		struct tuple own = {r->conf.server, TEREDO_PORT};

		wire_put_origin((void *)p, own);
		p += ORIGIN_LEN;
	}
	p += wire_put_bubble(p, &source, &client, BUBBLE_HOPS, &with);
	if (outbox_udp(out, r->conf.door, to, (size_t)(p - head), NULL, 0) ==
	    REASON_NONE)
		ledger_count(r->ledger, line);
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
	e->nonce = r->conf.no_nonces ? 0 : rng_nonce(&r->rng);
	if (r->conf.direct_bubbles && !own)
		send_bubble(r, e, t.client, false, false, out,
			    LEDGER_SENT_DIRECT);
	send_bubble(r, e, own ? t.client : via, own, e->nonce != 0, out,
		    LEDGER_SENT_INDIRECT);
}

/* R9: an attempt; without a token it counts, but sends nothing. */
static void attempt(struct relay *r, uint32_t i, bool send, uint64_t now,
		    struct outbox *out)
{
	struct peer *e = peers_at(&r->peers, i);

	e->tries++;
	e->due = now + RETRY_NS +
		 rng_below(&r->rng, RETRY_SPREAD_MS) * NS_PER_MS;
	if (!send) {
		ledger_count(r->ledger, LEDGER_LIMITED_BUBBLE);
		return;
	}
	e->bubbled = now;
	send_bubbles(r, e, out);
}

/* Pushed out by another, not forgotten with time. */
static void evict(struct relay *r, uint32_t i)
{
	switch ((enum roll)peers_at(&r->peers, i)->roll) {
	case ROLL_PROBING:
		ledger_count(r->ledger, LEDGER_EVICTED_PROBING);
		break;
	case ROLL_FAILED:
		ledger_count(r->ledger, LEDGER_EVICTED_FAILED);
		break;
	case ROLL_PROVEN:
	case ROLL_COUNT:
		ledger_count(r->ledger, LEDGER_EVICTED_PROVEN);
		break;
	}
	forget(r, i, REASON_QUEUE_EVICTED);
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

/*
 * Z22: may this packet make us send a bubble to somebody new? A /64 has two
 * buckets, for a host that sprays echo replies must not use up the ration that
 * all answers share, and one that sprays the rest must not lose its answers.
 */
static bool admit(struct relay *r, const struct wire_ip6 *ip, uint64_t now)
{
	bool answer = ip6_icmp_type(ip) == ICMP6_ECHO_REPLY;
	uint64_t h = hash_bytes(&r->peers.key, ip->src.b, 8) + answer;

	if (!bucket_take(&r->sources[h % RELAY_SOURCES], &r->conf.per_source,
			 now))
		return false;
	return answer ? bucket_take(&r->answers, &r->conf.answers, now)
		      : bucket_take(&r->strangers, &r->conf.strangers, now);
}

/* The peer that a packet is for gets an entry, or a new procedure. */
static enum reason begin(struct relay *r, uint32_t *i,
			 const struct wire_ip6 *ip, uint64_t now,
			 struct outbox *out)
{
	bool known = *i != PEER_NONE;
	bool failed = known && peers_at(&r->peers, *i)->roll == ROLL_FAILED;
	bool heard = known && peers_at(&r->peers, *i)->heard;

	if (heard ? !bucket_take(&r->known, &r->conf.known, now)
		  : !admit(r, ip, now))
		return REASON_RATE_PEER;
	if (failed)
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
enum reason relay_check_target(const struct relay *r, const struct ip6 *dst)
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
enum reason relay_reach(struct relay *r, uint32_t i, const uint8_t *p,
			uint16_t len, uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = (const void *)p;
	enum reason why = relay_check_target(r, &ip->dst);
	const struct peer *e;

	if (why != REASON_NONE)
		return why;
	if (!r->gate->self->has_source)
		return REASON_NO_SOURCE; /* R29 */
	e = i == PEER_NONE ? NULL : peers_at(&r->peers, i);
	/*
	 * Who has answered before is not left alone as strangers are (A33): it
	 * may be the path that has failed, and is back.
	 */
	if (e && e->roll == ROLL_FAILED && now < e->due && !e->heard) {
		relay_complain(r, ICMP6_UNREACHABLE, UNREACHABLE_ADDRESS, p,
			       len, now, out);
		return REASON_UNREACHABLE; /* R10, R24 */
	}
	if (!e || e->roll != ROLL_PROBING) {
		why = begin(r, &i, ip, now, out);
		if (why != REASON_NONE)
			return why;
	}
	hold(r, i, p, len, now);
	return REASON_HELD;
}

/* R12: what was kept goes where the proof came from, in order. */
static void release(struct relay *r, struct peer *e, uint64_t now,
		    struct outbox *out)
{
	const struct held_packet *k = held_first(&r->held, e->held);
	enum reason why;

	if (k)
		ledger_wait(r->ledger, now - k->since);
	while ((k = held_first(&r->held, e->held)) != NULL) {
		out->at_once = true;
		memcpy(outbox_head(out), k->data, k->len);
		why = outbox_udp(out, r->conf.door,
				 (struct tuple){e->ip, e->port}, k->len, NULL,
				 0);
		drop_held(r, e, why == REASON_NONE ? REASON_RELEASED : why);
	}
}

/* R18. The order of the proven is kept to a second, not for each packet. */
void relay_prove(struct relay *r, uint32_t i, struct tuple from, uint64_t now,
		 struct outbox *out)
{
	struct peer *e = peers_at(&r->peers, i);
	uint32_t victim;

	if (e->roll == ROLL_PROVEN &&
	    (e->ip != from.ip || e->port != from.port))
		r->moved++;
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
	release(r, e, now, out);
}

void relay_heard(struct relay *r, const struct ip6 *client, struct tuple from,
		 uint64_t now, struct outbox *out)
{
	uint32_t i = peers_find(&r->peers, client);

	if (i != PEER_NONE)
		relay_prove(r, i, from, now, out);
}

/* R10, R24: it did not answer; say so, and leave it alone for a while. */
static void give_up(struct relay *r, uint32_t i, uint64_t now,
		    struct outbox *out)
{
	struct peer *e = peers_at(&r->peers, i);
	const struct held_packet *k;

	while ((k = held_first(&r->held, e->held)) != NULL) {
		relay_complain(r, ICMP6_UNREACHABLE, UNREACHABLE_ADDRESS,
			       k->data, k->len, now, out);
		drop_held(r, e, REASON_UNREACHABLE);
	}
	ledger_count(r->ledger, LEDGER_GIVEN_UP_CLIENT);
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
	return roll == ROLL_PROVEN ? e->heard + RELAY_FORGETS_NS : e->due;
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

/*
 * Whoever has answered before is asked again from another budget than those
 * whom strangers named. Without an address to ask from there is nothing to
 * learn: the peer is forgotten, not held to have failed (R29).
 */
static void probe_or_give_up(struct relay *r, uint32_t i, uint64_t now,
			     struct outbox *out)
{
	const struct peer *e = peers_at(&r->peers, i);
	bool may_send;

	if (e->tries >= BUBBLE_TRIES) {
		give_up(r, i, now, out);
		return;
	}
	if (!r->gate->self->has_source) {
		forget(r, i, REASON_NO_SOURCE);
		return;
	}
	may_send = e->heard ? bucket_take(&r->known, &r->conf.known, now)
			    : bucket_take(&r->repeats, &r->conf.repeats, now);
	peers_move(&r->peers, i, ROLL_PROBING);
	attempt(r, i, may_send, now, out);
}

void relay_timeout(struct relay *r, uint64_t now, struct outbox *out)
{
	const struct peers *p = &r->peers;

	while (roll_due(r, ROLL_PROBING) <= now && outbox_has_room(out))
		probe_or_give_up(r, p->oldest[ROLL_PROBING], now, out);
	for (int n = 0; n < EXPIRE_MAX; n++) {
		if (roll_due(r, ROLL_FAILED) <= now)
			forget(r, p->oldest[ROLL_FAILED], REASON_QUEUE_EVICTED);
		else if (roll_due(r, ROLL_PROVEN) <= now)
			forget(r, p->oldest[ROLL_PROVEN], REASON_QUEUE_EVICTED);
		else
			break;
	}
}
