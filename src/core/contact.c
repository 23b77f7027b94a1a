/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See contact.h. Numbers in comments are those of doc/conformance.md. */
#include "contact.h"

#include <string.h>

#include "csum.h"
#include "icmp6.h"

enum {
	TRIES = 4,           /* one and three repeats: C43, C47 */
	LOCAL_TRIES = 2,     /* which leaves two of the four of C57 */
	PATIENCE_MAX_S = 24, /* less than PEER_VALID_S */
	DENSE = 8,           /* packets in a row, each soon after the last */
};

static const uint64_t VALID_NS = PEER_VALID_S * NS_PER_S;
static const uint64_t DENSE_NS = NS_PER_S / 2;
static const uint64_t CALM_NS = 30 * NS_PER_S;
static const uint64_t KEEP_NS = 20 * NS_PER_S;           /* < PEER_VALID_S */
static const uint64_t TEST_WAIT_NS = 2 * NS_PER_S;       /* C43 */
static const uint64_t BUBBLE_GAP_NS = 2 * NS_PER_S;      /* C56 */
static const uint64_t BUBBLE_WAIT_NS = 2050 * NS_PER_MS; /* C47, A7 */
static const uint64_t BUBBLE_SPREAD_MS = 200;
static const uint64_t TOUCH_NS = NS_PER_S; /* how often limits are cleared */

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

/* From the server, as the router of the link that it is. */
void contact_complain(struct client *c, uint8_t type, uint8_t code,
		      const void *packet, uint16_t len, uint64_t now,
		      struct outbox *out)
{
	const struct tuple server = {c->own[c->cur].server, TEREDO_PORT};
	uint32_t mtu = type == ICMP6_PACKET_TOO_BIG ? c->conf.mtu : 0;
	struct ip6 src;
	size_t n;

	if (!icmp6_may_complain(packet, type) ||
	    !bucket_take(&c->errors, &c->conf.errors, now))
		return;
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
	recent_remove(&c->recent, i);
}

static void make_room(struct client *c, enum standing s)
{
	uint32_t victim = recent_victim(&c->recent, s);

	if (victim != RECENT_NONE)
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
	return i;
}

void contact_flush(struct client *c, unsigned own)
{
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s], newer;

		for (; i != RECENT_NONE; i = newer) {
			newer = recent_at(&c->recent, i)->newer;
			if (recent_at(&c->recent, i)->own == own)
				forget(c, i, REASON_NOT_QUALIFIED);
		}
	}
}

/* C51: the newest packets are kept, of a peer and of all. */
static void hold(struct client *c, uint32_t i, const uint8_t *p, uint16_t len)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	uint32_t other;

	if (held_count(&c->held, e->held) >= CLIENT_HELD_PER_PEER)
		drop_held(c, e, REASON_QUEUE_PEER);
	other = held_in_the_way(&c->held);
	if (other != HELD_NONE)
		drop_held(c, recent_at(&c->recent, other), REASON_QUEUE_FULL);
	held_add(&c->held, i, &e->held, p, len);
}

void contact_stop(struct client *c)
{
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s];

		for (; i != RECENT_NONE; i = recent_at(&c->recent, i)->newer) {
			struct recent_peer *e = recent_at(&c->recent, i);

			e->effort = EFFORT_NONE;
			e->due = UINT64_MAX;
			e->owes = false;
			while (held_first(&c->held, e->held))
				drop_held(c, e, REASON_UNREACHABLE);
		}
	}
	c->effort_at = UINT64_MAX;
}

static void set_due(struct client *c, struct recent_peer *e, uint64_t due)
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
	set_due(c, e, now);
}

static void end_effort(struct recent_peer *e)
{
	e->effort = EFFORT_NONE;
	e->due = UINT64_MAX;
}

/* C52: say so to the own host. */
static void give_up(struct client *c, struct recent_peer *e, uint64_t now,
		    struct outbox *out)
{
	const struct held_packet *k;

	end_effort(e);
	while ((k = held_first(&c->held, e->held)) != NULL) {
		contact_complain(c, ICMP6_UNREACHABLE, UNREACHABLE_ADDRESS,
				 k->data, k->len, now, out);
		drop_held(c, e, REASON_UNREACHABLE);
	}
}

enum reason contact_send(const struct recent_peer *e, struct outbox *out,
			 size_t head_len, const void *body, size_t body_len)
{
	return (e->is_lan ? outbox_neighbour : outbox_udp)(
		out, DOOR_SERVICE, e->tuple, head_len, body, body_len);
}

/* C34: what was kept goes where the proof came from, in order. */
static void release(struct client *c, struct recent_peer *e, uint64_t now,
		    struct outbox *out)
{
	const struct held_packet *k;
	enum reason why;

	if (held_first(&c->held, e->held)) {
		e->sent = now;
		e->talked = true;
	}
	while ((k = held_first(&c->held, e->held)) != NULL) {
		memcpy(outbox_head(out), k->data, k->len);
		why = contact_send(e, out, k->len, NULL, 0);
		drop_held(c, e, why == REASON_NONE ? REASON_RELEASED : why);
	}
}

/* --- hearing from peers --- */

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
static void clear_limits(struct client *c, const struct recent_peer *e)
{
	const struct relay_key k = relay_key(e->tuple);

	bubble_answered(&c->recent, e->address.b, sizeof(e->address.b));
	bubble_answered(&c->recent, &k, sizeof(k));
}

/* By way of its tuple. */
static void heard(struct client *c, uint32_t i, uint64_t now)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	/* It was heard, so it is trusted; and does our host talk to it? */
	bool talks = e->standing == STANDING_ACTIVE || e->talked ||
		     held_first(&c->held, e->held);
	enum standing s = talks ? STANDING_ACTIVE : STANDING_TRUSTED;

	if (now - e->heard >= TOUCH_NS || e->standing != s)
		clear_limits(c, e);
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

void contact_prove(struct client *c, uint32_t i, struct tuple from, bool is_lan,
		   uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	e->tuple = from;
	e->is_lan = is_lan;
	heard(c, i, now);
	e->effort = EFFORT_NONE;
	if (!e->owes)
		e->due = UINT64_MAX;
	release(c, e, now, out);
}

/* --- bubbles --- */

size_t contact_put_bubble(uint8_t *p, const struct ip6 *src,
			  const struct ip6 *dst, uint8_t hops, uint32_t nonce)
{
	wire_put_ip6((void *)p, 0, NEXT_NONE, hops, src, dst);
	if (nonce == 0)
		return IP6_LEN;
	p += IP6_LEN;
	p[0] = TRAILER_NONCE;
	p[1] = TRAILER_NONCE_LEN - 2;
	put32(p + 2, nonce);
	return IP6_LEN + TRAILER_NONCE_LEN;
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
static uint64_t attempt_allowed(const struct client *c,
				const struct recent_peer *e, uint64_t now)
{
	uint64_t at = bubble_allowed(&c->recent, e->address.b,
				     sizeof(e->address.b), now);

	if (e->sent && at != UINT64_MAX && at < e->sent + BUBBLE_GAP_NS)
		at = e->sent + BUBBLE_GAP_NS;
	return at;
}

static void note_attempt(struct client *c, struct recent_peer *e, uint64_t now)
{
	bubble_note(&c->recent, e->address.b, sizeof(e->address.b), now);
	e->sent = now;
}

/* C53, X11, X12: to where it is known to be, or to what its address says. */
static void send_direct(struct client *c, const struct recent_peer *e,
			uint64_t now, struct outbox *out)
{
	uint8_t *head = outbox_head(out);
	struct teredo t;
	size_t n = contact_put_bubble(head, &c->own[e->own].ip6, &e->address,
				      BUBBLE_HOPS, e->nonce_got);

	teredo_unpack(&t, &e->address);
	if (contact_is_valid(e, now) && !e->is_lan)
		t.client = e->tuple;
	(void)outbox_udp(out, DOOR_SERVICE, t.client, n, NULL, 0);
}

/* C54, X10; a cookie instead of the nonce, if the peer may be of 1.2.6. */
static void send_indirect(struct client *c, struct recent_peer *e, bool cookie,
			  struct outbox *out)
{
	struct ip6 src = c->own[e->own].ip6;
	uint8_t *head = outbox_head(out);
	struct teredo t;
	size_t n;

	e->nonce_sent = rng_nonce(&c->rng);
	if (cookie)
		contact_cookie(c, e, &src);
	n = contact_put_bubble(head, &src, &e->address, BUBBLE_HOPS,
			       cookie ? 0 : e->nonce_sent);
	teredo_unpack(&t, &e->address);
	(void)outbox_udp(out, DOOR_SERVICE,
			 (struct tuple){t.server, TEREDO_PORT}, n, NULL, 0);
}

/*
 * One attempt, if the budget of all has something left; it is noted before it
 * is sent (C58).
 */
static void send_attempt(struct client *c, struct recent_peer *e,
			 bool direct_only, uint64_t now, struct outbox *out)
{
	bool ours = e->effort == EFFORT_BUBBLES || contact_is_valid(e, now);
	/* Who is behind a symmetric NAT gains nothing by a cookie. */
	bool cookie =
		ours && e->tries % 2 && c->status.nat != CLIENT_NAT_SYMMETRIC;

	if (ours ? !bucket_take(&c->bubbles, &c->conf.bubbles, now)
		 : !bucket_take(&c->answers, &c->conf.answers, now))
		return;
	note_attempt(c, e, now);
	e->owes = false;
	send_direct(c, e, now, out);
	if (!direct_only)
		send_indirect(c, e, cookie, out);
}

void contact_attempt(struct client *c, uint32_t i, bool direct_only,
		     uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (contact_check_target(c, &e->address) == REASON_NONE &&
	    attempt_allowed(c, e, now) <= now)
		send_attempt(c, e, direct_only, now, out);
}

void contact_answer(struct client *c, uint32_t i, uint64_t now,
		    struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);
	bool valid = contact_is_valid(e, now);
	uint64_t at = attempt_allowed(c, e, now);

	if (at <= now) {
		send_attempt(c, e, valid, now, out);
	} else if (at != UINT64_MAX && e->effort == EFFORT_NONE &&
		   (!valid || c->status.nat == CLIENT_NAT_SYMMETRIC)) {
		e->owes = true;
		set_due(c, e, at);
	}
}

/* On the link, where its discovery bubble came from. */
static void send_local(struct client *c, struct recent_peer *e, uint64_t now,
		       struct outbox *out)
{
	uint8_t *head = outbox_head(out);
	size_t n = contact_put_bubble(head, &c->own[e->own].ip6, &e->address,
				      BUBBLE_HOPS, 0);

	note_attempt(c, e, now);
	(void)outbox_neighbour(out, DOOR_SERVICE, e->lan, n, NULL, 0);
}

/* Two of the four of C57 are left for what our own host may want. */
void contact_answer_neighbour(struct client *c, uint32_t i, uint64_t now,
			      struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (attempt_allowed(c, e, now) <= now &&
	    bubbles_spent(&c->recent, e->address.b, sizeof(e->address.b), now) <
		    LOCAL_TRIES &&
	    bucket_take(&c->answers, &c->conf.answers, now))
		send_local(c, e, now, out);
}

/* --- connectivity tests --- */

/* C78: an echo request, whose answer nobody else can give. */
static size_t put_test(struct client *c, const struct recent_peer *e,
		       uint8_t *p)
{
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *echo = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*echo) + TEST_NONCE_LEN, NEXT_ICMPV6,
		     BUBBLE_HOPS, &c->own[e->own].ip6, &e->address);
	*echo = (struct wire_icmp6){.type = ICMP6_ECHO_REQUEST};
	memcpy(echo->body, e->test_nonce, sizeof(echo->body));
	memcpy(echo + 1, e->test_nonce, TEST_NONCE_LEN);
	put16(echo->csum, csum_ip6(ip, NEXT_ICMPV6));
	return sizeof(*ip) + sizeof(*echo) + TEST_NONCE_LEN;
}

static void send_test(struct client *c, struct recent_peer *e,
		      struct tuple by_way_of, struct outbox *out)
{
	size_t n = put_test(c, e, outbox_head(out));

	(void)outbox_udp(out, DOOR_SERVICE, by_way_of, n, NULL, 0);
}

/* C78: fresh for each test; a repeat is part of it, for the way may be long. */
static void draw_test_nonce(struct client *c, struct recent_peer *e)
{
	if (e->test_open && e->effort == EFFORT_TEST && e->tries > 1)
		return;
	for (unsigned i = 0; i < TEST_NONCE_LEN; i += 4)
		put32(e->test_nonce + i, rng_u32(&c->rng));
	e->test_open = true;
}

/*
 * By way of the server, and if asked for, of the last relay. Both requests have
 * the same nonce: they prove the same thing.
 */
static void test(struct client *c, struct recent_peer *e, bool last_relay,
		 uint64_t now, struct outbox *out)
{
	const struct tuple server = {c->own[e->own].server, TEREDO_PORT};

	e->tested = now;
	if (!bucket_take(&c->tests, &c->conf.tests, now))
		return;
	draw_test_nonce(c, e);
	send_test(c, e, server, out);
	if (last_relay && e->tuple.port)
		send_test(c, e, e->tuple, out);
}

static bool may_test(const struct recent_peer *e, uint64_t now)
{
	return !e->tested || now - e->tested >= TEST_WAIT_NS;
}

/* Four in 300 s, as for bubbles; of all there are so many a second (Z6). */
void contact_test_stranger(struct client *c, unsigned own, const struct ip6 *a,
			   uint64_t now, struct outbox *out)
{
	uint32_t i = recent_find(&c->recent, own, a);
	struct recent_peer *e =
		i == RECENT_NONE ? NULL : recent_at(&c->recent, i);

	if (e && (e->effort != EFFORT_NONE || !may_test(e, now)))
		return;
	if (bubble_allowed(&c->recent, a->b, sizeof(a->b), now) > now ||
	    !bucket_take(&c->strangers, &c->conf.strangers, now))
		return;
	bubble_note(&c->recent, a->b, sizeof(a->b), now);
	e = recent_at(&c->recent, contact_of(c, own, a));
	test(c, e, false, now, out);
}

/* --- efforts --- */

static void step_test(struct client *c, struct recent_peer *e, uint64_t now,
		      struct outbox *out)
{
	if (!may_test(e, now)) {
		set_due(c, e, e->tested + TEST_WAIT_NS);
		return;
	}
	if (e->tries++ == 1)
		client_suspect(c, now, out); /* it may be our own mapping */
	test(c, e, true, now, out);
	set_due(c, e, now + TEST_WAIT_NS);
}

/* C46, C47, C44. */
static void step_bubbles(struct client *c, struct recent_peer *e, uint64_t now,
			 struct outbox *out)
{
	uint64_t at = attempt_allowed(c, e, now);

	if (at == UINT64_MAX) {
		give_up(c, e, now, out);
		return;
	}
	if (at > now) {
		set_due(c, e, at);
		return;
	}
	if (e->effort == EFFORT_LOCAL) { /* C44 */
		send_local(c, e, now, out);
		discovery_announce(c, out);
	} else {
		send_attempt(c, e, false, now, out);
	}
	if (e->tries++ == 1)
		client_suspect(c, now, out);
	set_due(c, e,
		now + BUBBLE_WAIT_NS +
			rng_below(&c->rng, BUBBLE_SPREAD_MS) * NS_PER_MS);
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
	contact_answer(c, i, now, out);
}

static void step(struct client *c, uint32_t i, uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	if (e->effort == EFFORT_LOCAL && e->tries >= LOCAL_TRIES) {
		e->lan.port = 0; /* A46: not there; ask the Internet */
		begin(c, e, EFFORT_BUBBLES, now);
	}
	if (e->effort != EFFORT_NONE && e->tries >= TRIES) {
		give_up(c, e, now, out);
		return;
	}
	switch ((enum effort)e->effort) {
	case EFFORT_TEST:
		step_test(c, e, now, out);
		break;
	case EFFORT_LOCAL:
	case EFFORT_BUBBLES:
		step_bubbles(c, e, now, out);
		break;
	case EFFORT_NONE:
		step_answer(c, i, now, out);
		break;
	}
}

/* Strangers do not push it out from now on. */
static void want(struct client *c, uint32_t i)
{
	const struct recent_peer *e = recent_at(&c->recent, i);
	enum standing s =
		recent_is_trusted(e) ? STANDING_ACTIVE : STANDING_WANTED;

	if (e->standing != s)
		make_room(c, s);
	recent_touch(&c->recent, i, s);
}

static enum effort effort_for(const struct client *c,
			      const struct recent_peer *e, uint64_t now)
{
	if (e->is_native)
		return EFFORT_TEST;
	return discovery_knows(c, e, now) ? EFFORT_LOCAL : EFFORT_BUBBLES;
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
	    attempt_allowed(c, e, now) == UINT64_MAX) {
		contact_complain(c, ICMP6_UNREACHABLE, UNREACHABLE_ADDRESS, p,
				 len, now, out);
		return REASON_UNREACHABLE;
	}
	want(c, i);
	hold(c, i, p, len);
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
		uint32_t i = c->recent.oldest[s];

		for (; i != RECENT_NONE; i = recent_at(&c->recent, i)->newer) {
			struct recent_peer *e = recent_at(&c->recent, i);

			if (e->due <= now && outbox_has_room(out))
				step(c, i, now, out);
			if (e->due < next)
				next = e->due;
		}
	}
	c->effort_at = next;
}

/* --- silence --- */

/* The longer nothing was wrong after all, the longer we wait. */
static uint64_t patience_ns(const struct recent_peer *e)
{
	unsigned s = 1u << e->patience;

	return (s < PATIENCE_MAX_S ? s : PATIENCE_MAX_S) * NS_PER_S;
}

void contact_sent(struct client *c, uint32_t i, uint64_t now,
		  struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	e->sent = now;
	e->talked = true;
	if (!e->unanswered)
		e->unanswered = now;
	if (now - e->unanswered < patience_ns(e) ||
	    (e->is_native && !may_test(e, now)))
		return;
	e->unanswered = now;
	e->alarmed = now;
	if (1u << e->patience < PATIENCE_MAX_S)
		e->patience++;
	client_suspect(c, now, out);
	if (e->is_native)
		test(c, e, false, now, out);
}

/*
 * Who answers rarely goes on to do so: patience is lost slowly; but at once if
 * answers come thick and fast.
 */
void contact_calm(struct recent_peer *e, uint64_t now)
{
	e->in_a_row = now - e->heard < DENSE_NS ? e->in_a_row + 1 : 0;
	if (e->in_a_row >= DENSE) {
		e->patience = 0;
		e->in_a_row = 0;
	}
	if (e->patience == 0 || now - e->alarmed < CALM_NS)
		return;
	e->patience--;
	e->alarmed = now;
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
	size_t n = contact_put_bubble(outbox_head(out), &c->own[own].ip6, to,
				      BUBBLE_HOPS, nonce);

	bubble_note(&c->recent, &k, sizeof(k), now);
	(void)outbox_udp(out, DOOR_SERVICE, relay, n, NULL, 0);
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
	    (at > now && at != UINT64_MAX) ||
	    !bucket_take(&c->answers, &c->conf.answers, now))
		return;
	if (at <= now) {
		send_to_relay(c, own, to, origin, nonce, now, out);
		return;
	}
	e = behind(c, origin, own);
	if (e && may_test(e, now))
		test(c, e, true, now, out);
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
	} else if (relay_allowed(c, e->tuple, now) <= now &&
		   bucket_take(&c->bubbles, &c->conf.bubbles, now)) {
		send_to_relay(c, e->own, &e->address, e->tuple, 0, now, out);
		e->sent = now;
	}
}
