/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book is a hash table of rows. A row with a tuple says when that tuple
 * last showed itself to be that client; a row without one says what was last
 * sent to reach the client: when, and with which nonce.
 */
#include "audit.h"

#include <stdlib.h>
#include <string.h>

#include "audit_client.h"
#include "pkt.h"

#define WANT(cond, ...)                                                        \
	do {                                                                   \
		if (!(cond))                                                   \
			audit_failed(__VA_ARGS__);                             \
	} while (0)

static const uint64_t PROOF_NS = 30 * NS_PER_S;
static const uint64_t GAP_NS = 2 * NS_PER_S;

struct proof {
	struct ip6 client;
	struct tuple t; /* {0, 0}: what we sent */
	bool used;
	uint32_t nonce;
	struct ip6 source; /* that only who got our bubble can know (R32) */
	uint64_t when;
};

/* --- the book --- */

static size_t proof_hash(const struct ip6 *c, struct tuple t)
{
	uint64_t h = t.ip * UINT64_C(0x9e3779b97f4a7c15) + t.port;

	for (int i = 0; i < 16; i++)
		h = (h ^ c->b[i]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 29);
}

static struct proof *proof_slot(struct proof *v, size_t size,
				const struct ip6 *c, struct tuple t)
{
	size_t i = proof_hash(c, t) & (size - 1);

	while (v[i].used && (memcmp(v[i].client.b, c->b, 16) != 0 ||
			     v[i].t.ip != t.ip || v[i].t.port != t.port))
		i = (i + 1) & (size - 1);
	return &v[i];
}

static void book_grow(struct audit *a)
{
	size_t size = a->book_size ? a->book_size * 2 : 256;
	struct proof *v = calloc(size, sizeof(*v));

	WANT(v, "out of memory");
	for (size_t i = 0; i < a->book_size; i++) {
		const struct proof *p = &a->book[i];

		if (p->used)
			*proof_slot(v, size, &p->client, p->t) = *p;
	}
	free(a->book);
	a->book = v;
	a->book_size = size;
}

static const struct proof *book_find(const struct audit *a, const struct ip6 *c,
				     struct tuple t)
{
	const struct proof *p;

	if (!a->book_size)
		return NULL;
	p = proof_slot(a->book, a->book_size, c, t);
	return p->used ? p : NULL;
}

static struct proof *book_row(struct audit *a, const struct ip6 *c,
			      struct tuple t)
{
	struct proof *p;

	if (a->book_used * 2 >= a->book_size)
		book_grow(a);
	p = proof_slot(a->book, a->book_size, c, t);
	if (!p->used) {
		*p = (struct proof){.client = *c, .t = t, .used = true};
		a->book_used++;
	}
	return p;
}

/* --- I1: written from the list of the RFC, not from gate.c --- */

static bool in(uint32_t ip, unsigned a, unsigned b, unsigned c, unsigned len)
{
	uint32_t net = a << 24 | b << 16 | c << 8;

	return ip / (UINT64_C(1) << (32 - len)) ==
	       net / (UINT64_C(1) << (32 - len));
}

static bool is_private(uint32_t ip)
{
	return in(ip, 10, 0, 0, 8) || in(ip, 172, 16, 0, 12) ||
	       in(ip, 192, 168, 0, 16);
}

static bool is_never(uint32_t ip)
{
	return in(ip, 0, 0, 0, 8) || in(ip, 127, 0, 0, 8) ||
	       in(ip, 169, 254, 0, 16) || in(ip, 192, 88, 99, 24) ||
	       in(ip, 224, 0, 0, 4) || ip == 0xffffffff;
}

static bool is_reserved(uint32_t ip)
{
	return in(ip, 100, 64, 0, 10) || in(ip, 192, 0, 0, 24) ||
	       in(ip, 192, 0, 2, 24) || in(ip, 198, 18, 0, 15) ||
	       in(ip, 198, 51, 100, 24) || in(ip, 203, 0, 113, 24) ||
	       in(ip, 240, 0, 0, 4);
}

static bool in_list(const struct ip4_prefix *v, unsigned n, uint32_t ip)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t size = UINT64_C(1) << (32 - v[i].len);

		if (ip / size == v[i].ip / size)
			return true;
	}
	return false;
}

static bool is_ours(const struct self *s, uint32_t ip)
{
	for (unsigned i = 0; i < s->n_ip4; i++) {
		unsigned len = s->ip4[i].len;
		uint64_t size = UINT64_C(1) << (32 - len);

		if (s->ip4[i].ip == ip)
			return true;
		if (len == 0 || len > 30 || ip / size != s->ip4[i].ip / size)
			continue;
		if (ip % size == 0 || ip % size == size - 1)
			return true;
	}
	return false;
}

bool audit_allows(const struct node *n, struct tuple t)
{
	const struct gate *g = &n->gate;
	bool open = in_list(g->allow, g->n_allow, t.ip);

	if (t.port == 0 || is_never(t.ip) || is_ours(&n->self, t.ip))
		return false;
	if (is_private(t.ip) && !open)
		return false;
	if (is_reserved(t.ip) && g->public_only && !open)
		return false;
	return !in_list(g->deny, g->n_deny, t.ip);
}

/* --- what leaves --- */

static bool is_teredo(const struct audit *a, const struct ip6 *ip)
{
	return be32(ip->b) == a->node->gate.prefix;
}

static struct tuple mapped(const struct ip6 *c)
{
	return (struct tuple){be32(c->b + 12) ^ 0xffffffff,
			      be16(c->b + 10) ^ 0xffff};
}

static bool same_tuple(struct tuple a, struct tuple b)
{
	return a.ip == b.ip && a.port == b.port;
}

static size_t flatten(uint8_t *p, const struct out *o)
{
	WANT(o->head_len + o->body_len <= PKT_MAX, "I3: output of %d bytes",
	     o->head_len + o->body_len);
	if (o->head_len)
		memcpy(p, o->head, o->head_len);
	if (o->body_len)
		memcpy(p + o->head_len, o->body, o->body_len);
	return (size_t)o->head_len + o->body_len;
}

/* A bubble that a relay made: where to, and not too soon. */
static void check_bubble(struct audit *a, const struct out *o,
			 const struct view *v, uint64_t now)
{
	const struct relay_conf *c = &a->node->relay.conf;
	const struct ip6 *client = &v->ip->dst;
	struct tuple via = {be32(client->b + 4), TEREDO_PORT};
	bool own = c->server && via.ip == c->server;
	bool direct = same_tuple(o->to, mapped(client));
	struct proof *p;

	a->bubbles++;
	WANT(own || c->direct_bubbles || same_tuple(o->to, via),
	     "I2: bubble neither to the server nor to the client");
	WANT(same_tuple(o->to, via) || direct, "I2: bubble to somebody else");
	WANT(o->door == c->door, "R1: bubble from another door");
	p = book_row(a, client, (struct tuple){0, 0});
	WANT(p->when == 0 || p->when == now || now - p->when >= GAP_NS ||
		     a->lost_proven,
	     "R21: bubbles %llu ms apart",
	     (unsigned long long)((now - p->when) / NS_PER_MS));
	p->when = now;
	p->source = v->ip->src;
	if (!direct || own || view_trailer(v))
		p->nonce = view_trailer(v);
	a->last_nonce = p->nonce;
	a->last_source = p->source;
	a->last_client = *client;
}

/* I2. */
static void check_data(const struct audit *a, const struct out *o,
		       const struct view *v, uint64_t now)
{
	const struct proof *p = book_find(a, &v->ip->dst, o->to);

	WANT(o->door == a->node->relay.conf.door, "R1: data from another door");
	WANT(is_teredo(a, &v->ip->dst), "I2: data to no client");
	WANT(p, "I2: data to a tuple that was never proven");
	WANT(now - p->when < PROOF_NS, "I2: data %llu ms after the last proof",
	     (unsigned long long)((now - p->when) / NS_PER_MS));
	WANT(v->len <= a->node->relay.conf.mtu, "R23: data above the MTU");
	WANT(v->tail_len == 0, "R27: data with a tail");
}

/* Is this made by the relay of the node, and not by its server? */
static bool is_from_relay(const struct audit *a, const struct view *v,
			  const struct view *in)
{
	if (!a->node->is_relay || v->nonce || is_teredo(a, &v->ip->src) ||
	    v->ip->src.b[0] == 0xfe)
		return false;
	if (!a->node->is_server)
		return true;
	/* A server passes on what came in, always behind an origin block. */
	if (in && in->ip && memcmp(&in->ip->src, &v->ip->src, 32) == 0)
		return false;
	return v->ip->next != NEXT_ICMPV6 || !v->has_origin;
}

/*
 * I4: the same packet with one hop less. A bubble may arrive without any; it is
 * passed on behind an origin block, with which no server takes it again.
 */
static void check_forward(const struct view *out, const struct view *in)
{
	int hops = in->ip->hops;

	WANT(hops > 1 || (view_is_bubble(in) && out->has_origin),
	     "I4: forwarded at hop limit %d", hops);
	WANT(out->ip->hops == (hops ? hops - 1 : 0),
	     "I4: hop limit %d became %d", hops, out->ip->hops);
	WANT(out->len == in->len && memcmp(out->ip, in->ip, 7) == 0 &&
		     memcmp(&out->ip->src, &in->ip->src, in->len - 8) == 0,
	     "I4: changed on the way");
}

/* A server speaks for no client but who is there (Z3). */
static void check_passed_on(const struct audit *a, const struct view *in,
			    const struct datagram *d)
{
	WANT(!is_teredo(a, &in->ip->src) ||
		     mapped(&in->ip->src).ip == d->from.ip,
	     "Z3: passed on for another than the sender");
}

bool audit_leaks(struct leak *l, const struct rate *r, uint64_t now)
{
	if (r->per_second == 0)
		return true;
	l->level -= (double)(now - l->at) / 1e9 * r->per_second;
	l->at = now;
	if (l->level < 0)
		l->level = 0;
	l->level += 1;
	return l->level <= r->burst + 1.001;
}

/* Z4. Who signs has as much again. */
static void check_ration(struct audit *a, uint32_t ip, uint64_t now)
{
	const struct server_conf *c = &a->node->server.conf;
	const unsigned n = c->n_secrets ? 2 : 1;
	const struct rate rate = {n * c->per_network.per_second,
				  n * c->per_network.burst};
	struct leak *l = &a->answers[(ip >> 8) % 64];

	if (l->whom != ip >> 8)
		*l = (struct leak){.whom = ip >> 8, .at = now};
	WANT(audit_leaks(l, &rate, now), "Z4: too much to %08x/24", ip);
}

/* What a server may say: an answer to where the question came from, or on. */
static void check_server(struct audit *a, const struct out *o,
			 const struct view *v, const struct view *in,
			 const struct datagram *d, uint64_t now)
{
	bool icmp = v->ip->next == NEXT_ICMPV6 && v->len >= 48;
	int type = icmp ? ip6_payload(v->ip)[0] : -1;

	WANT(d && in->ip, "S40: sends without being asked");
	if (type == ICMP6_ROUTER_ADVERTISEMENT) {
		WANT(same_tuple(o->to, d->from), "S27: advertised elsewhere");
		check_ration(a, o->to.ip, now);
		WANT(v->has_origin && same_tuple(v->origin, d->from),
		     "S31: wrong origin");
		WANT(!in->nonce ||
			     (v->nonce && memcmp(in->nonce, v->nonce, 8) == 0),
		     "S33: wrong nonce");
		return;
	}
	WANT(o->door == DOOR_PRIMARY && d->door == DOOR_PRIMARY,
	     "S18, S39: the second address is for solicitations");
	if ((v->ip->src.b[0] == 0xfe) && type == ICMP6_ECHO_REPLY &&
	    memcmp(&v->ip->src, &in->ip->src, 16) != 0) {
		WANT(same_tuple(o->to, d->from), "S14: answered elsewhere");
		check_ration(a, o->to.ip, now);
		return;
	}
	WANT(same_tuple(o->to, mapped(&in->ip->dst)), "S18: wrong tuple");
	check_passed_on(a, in, d);
	WANT(!v->has_origin || same_tuple(v->origin, d->from),
	     "S19: wrong origin");
	WANT(v->has_origin ==
		     (be32(in->ip->dst.b + 4) == a->node->server.conf.primary),
	     "S19: origin for another server's client, or none for an own");
	WANT(view_is_bubble(v) || type == ICMP6_ECHO_REQUEST ||
		     type == ICMP6_ECHO_REPLY,
	     "S4: passed on something else");
	check_forward(v, in);
	WANT(v->tail_len == in->tail_len &&
		     memcmp(v->tail, in->tail, v->tail_len) == 0,
	     "S21: tail changed");
}

/*
 * A bubble of the relay, or one that somebody on the IPv6 side made and that
 * is carried like any packet? A relay makes none when it hears from a client.
 */
static bool is_own_bubble(const struct audit *a, const struct out *o,
			  const struct view *v, const struct view *in,
			  const struct datagram *d)
{
	if (!view_is_bubble(v) || d)
		return false;
	if (!in || v->has_origin || v->tail_len || in->len != v->len ||
	    memcmp(in->ip, v->ip, v->len) != 0)
		return true;
	return !book_find(a, &v->ip->dst, o->to);
}

static void check_udp(struct audit *a, const struct out *o, uint64_t now,
		      const struct view *in, const struct datagram *d)
{
	uint8_t p[PKT_MAX];
	size_t n = flatten(p, o);
	struct view v;

	WANT(audit_allows(a->node, o->to), "I1: sends to %08x port %d",
	     o->to.ip, o->to.port);
	view_read(&v, p, n);
	WANT(v.ip, "sends what is no Teredo packet");
	if (!is_from_relay(a, &v, d ? in : NULL))
		check_server(a, o, &v, in, d, now);
	else if (is_own_bubble(a, o, &v, in, d))
		check_bubble(a, o, &v, now);
	else
		check_data(a, o, &v, now);
	/* What comes from the tunnel leaves as it is. */
	if (in && !d && is_teredo(a, &v.ip->dst) && !view_is_bubble(&v))
		WANT(n == in->len && memcmp(p, in->ip, n) == 0,
		     "R27: data changed on the way");
}

static bool is_icmp_error(const struct wire_ip6 *ip, size_t len)
{
	return ip->next == NEXT_ICMPV6 && len >= 48 && ip6_payload(ip)[0] < 128;
}

/* To the IPv6 side goes what a client sent, or an error about a packet. */
static void check_ip6(const struct audit *a, const struct out *o,
		      const struct view *in, const struct datagram *d)
{
	uint8_t p[PKT_MAX];
	size_t n = flatten(p, o);
	struct view v;

	view_read(&v, p, n);
	WANT(v.ip && v.ip == (const void *)p && v.tail_len == 0,
	     "R30: no plain packet to the IPv6 side");
	if (!d) {
		WANT(is_icmp_error(v.ip, n) && n <= TEREDO_MTU,
		     "only errors come back from the tunnel");
		/* What waited for the client that this node was before. */
		if (a->node->is_client && !in && ip6_is_link_local(&v.ip->src))
			return;
		WANT(memcmp(&v.ip->src, &a->node->self.source, 16) == 0,
		     "R25: error from a foreign address");
		return;
	}
	WANT(in->ip && in->len == n, "R30: another length");
	WANT(is_teredo(a, &v.ip->src) && !is_teredo(a, &v.ip->dst),
	     "R16, L1: not from a client to the native side");
	if (v.ip->hops != in->ip->hops) {
		WANT(a->node->is_server, "hop limit changed by a relay");
		check_passed_on(a, in, d);
		check_forward(&v, in);
		return;
	}
	WANT(a->node->is_relay, "I4: forwarded with the same hop limit");
	p[1] = (uint8_t)((p[1] & ~0x30) | (in->ip->vcf[1] & 0x30));
	WANT(memcmp(p, in->ip, n) == 0, "R27: changed on the way");
}

/* --- one step --- */

struct before {
	uint64_t ended;
	uint32_t held, n[ROLL_COUNT], oldest, dst;
	struct peer_key oldest_key;
	unsigned outs;
	uint64_t sent; /* bubbles, as the node counts them */
};

static uint64_t ended(const struct node *n)
{
	uint64_t sum = 0;

	for (int i = 0; i < REASON_COUNT; i++)
		sum += n->stats.n[i];
	return sum;
}

static uint32_t held(const struct node *n)
{
	return (n->is_relay ? n->relay.held.n : 0) +
	       (n->is_client ? n->client.held.n : 0);
}

/* All lines of a family. */
static uint64_t noted(const struct node *n, enum ledger_family f)
{
	uint64_t sum = 0;

	for (int i = 0; i < LEDGER_COUNT; i++) {
		if (ledger_words((enum ledger_line)i)->family == f)
			sum += n->ledger.n[i];
	}
	return sum;
}

static void look(const struct audit *a, struct before *b,
		 const struct outbox *out)
{
	const struct peers *p = &a->node->relay.peers;

	*b = (struct before){.ended = ended(a->node), .outs = out->n};
	b->oldest = PEER_NONE;
	b->held = held(a->node);
	b->sent = noted(a->node, LEDGER_FAMILY_BUBBLES_SENT);
	if (!a->node->is_relay)
		return;
	memcpy(b->n, p->n, sizeof(b->n));
	b->oldest = p->oldest[ROLL_PROVEN];
	if (b->oldest != PEER_NONE)
		b->oldest_key = p->v[b->oldest].key;
}

/* I5. */
static void check_count(const struct audit *a, const struct before *b,
			uint64_t now_in)
{
	const struct node *n = a->node;

	WANT(ended(n) + held(n) == b->ended + b->held + now_in,
	     "I5: %llu ended and %u held, after %llu and %u",
	     (unsigned long long)ended(n), held(n),
	     (unsigned long long)b->ended, b->held);
	WANT(ended(n) + held(n) == a->inputs, "I5: %llu inputs",
	     (unsigned long long)a->inputs);
	WANT(n->stats.n[REASON_NONE] == 0 && n->stats.n[REASON_HELD] == 0,
	     "I5: counted what is no end");
}

static bool is_bubble_out(const struct out *o)
{
	uint8_t p[PKT_MAX];
	struct view v;

	if (o->kind == OUT_IP6)
		return false;
	view_read(&v, p, flatten(p, o));
	return v.ip && view_is_bubble(&v);
}

/* Each bubble is in the ledger, under one line, if it is no packet of a native
 * host that looks like one. */
static void check_ledger(const struct audit *a, const struct before *b,
			 const struct outbox *out)
{
	const struct node *n = a->node;
	uint64_t sent = noted(n, LEDGER_FAMILY_BUBBLES_SENT) - b->sent;
	unsigned bubbles = 0;

	for (unsigned i = b->outs; i < out->n; i++)
		bubbles += is_bubble_out(&out->v[i]);
	WANT(a->native_bubbles ? sent <= bubbles : sent == bubbles,
	     "%u bubbles were sent, and %llu counted", bubbles,
	     (unsigned long long)sent);
	WANT(noted(n, LEDGER_FAMILY_BUBBLES_RECEIVED) ==
		     n->stats.n[REASON_BUBBLE],
	     "received bubbles are not those that ended so");
}

static void check_sizes(const struct audit *a)
{
	const struct peers *p = &a->node->relay.peers;
	const struct held *h = &a->node->relay.held;

	if (!a->node->is_relay)
		return;
	WANT(p->n[ROLL_PROBING] + p->n[ROLL_FAILED] <= p->max_unproven,
	     "I6: too many unproven peers");
	WANT(p->n[ROLL_PROVEN] <= p->capacity - p->max_unproven,
	     "I6: too many proven peers");
	WANT(h->n <= h->capacity, "I6: too many held");
}

static unsigned n_peers(const struct audit *a)
{
	const uint32_t *n = a->node->relay.peers.n;
	const uint32_t *m = a->node->client.recent.n;

	unsigned sum = n[ROLL_PROBING] + n[ROLL_FAILED] + n[ROLL_PROVEN];

	for (int s = 0; s < STANDINGS; s++)
		sum += m[s];
	return sum;
}

static void after(struct audit *a, const struct before *b, uint64_t inputs,
		  const struct outbox *out)
{
	a->inputs += inputs;
	check_count(a, b, inputs);
	check_ledger(a, b, out);
	check_sizes(a);
	if (++a->steps >= a->next_walk) {
		audit_walk(a);
		a->next_walk = a->steps + a->walk_every + 8 * n_peers(a);
	}
}

static unsigned count_kind(const struct outbox *out, unsigned from,
			   enum out_kind kind)
{
	unsigned n = 0;

	for (unsigned i = from; i < out->n; i++)
		n += out->v[i].kind == kind;
	return n;
}

/* Does this bubble show that its sender has got our last one (R32)? */
static bool is_answer(const struct audit *a, const struct view *v)
{
	const struct proof *sent =
		book_find(a, &v->ip->src, (struct tuple){0, 0});

	if (!sent || !view_is_bubble(v) || a->node->relay.conf.no_nonces)
		return false;
	return (sent->nonce && view_trailer(v) == sent->nonce) ||
	       ip6_equal(&v->ip->dst, &sent->source);
}

/* Does this datagram show where its client is? Noted before the node sees it.
 */
static void note_proof(struct audit *a, const struct datagram *d,
		       const struct view *v, uint64_t now)
{
	const struct ip6 *c;
	struct tuple t;
	bool shown;

	if (!v->ip || v->nonce || v->has_origin || !is_teredo(a, &v->ip->src))
		return;
	c = &v->ip->src;
	t = mapped(c);
	if (t.ip != d->from.ip)
		return;
	shown = t.port == d->from.port || book_find(a, c, d->from) ||
		is_answer(a, v);
	if (shown)
		book_row(a, c, d->from)->when = now;
}

/* I7, when somebody new was proven. */
static void check_proven_ip4(struct audit *a, const struct before *b)
{
	const struct peers *p = &a->node->relay.peers;

	if (!a->node->is_relay)
		return;
	WANT(p->n[ROLL_PROVEN] >= b->n[ROLL_PROVEN],
	     "I7: fewer proven peers after hearing from one");
	if (b->n[ROLL_PROVEN] == p->capacity - p->max_unproven)
		a->lost_proven = true;
}

/* --- a client --- */

static void client_after(struct audit *a, const struct before *b,
			 const struct view *in, const struct datagram *d,
			 uint64_t now, struct outbox *out)
{
	for (unsigned i = b->outs; i < out->n; i++)
		client_check_out(a, &out->v[i], in, d, now);
	client_check_step(a, out, b->outs, in, d, now);
	after(a, b, in != NULL, out);
}

static void client_ip4(struct audit *a, const struct datagram *d, uint64_t now,
		       struct outbox *out)
{
	struct before b;
	struct view v;

	look(a, &b, out);
	client_look(a);
	view_read(&v, d->data, d->len);
	node_from_ip4(a->node, d, now, out);
	client_note_input(a, d, &v, now);
	client_after(a, &b, &v, d, now, out);
}

static void client_ip6(struct audit *a, const uint8_t *p, uint16_t len,
		       uint64_t now, struct outbox *out)
{
	struct before b;
	struct view v = {0};

	look(a, &b, out);
	client_look(a);
	if (len >= 40 && p[0] >> 4 == 6)
		view_read(&v, p, len);
	a->native_bubbles |= v.ip && view_is_bubble(&v);
	node_from_ip6(a->node, p, len, now, out);
	client_after(a, &b, &v, NULL, now, out);
}

static void client_timer(struct audit *a, uint64_t now, struct outbox *out)
{
	struct before b;

	look(a, &b, out);
	client_look(a);
	node_timeout(a->node, now, out);
	client_after(a, &b, NULL, NULL, now, out);
}

void audit_server(struct audit *a, unsigned i, uint32_t primary,
		  uint32_t secondary, uint64_t now, struct outbox *out)
{
	struct before b;

	look(a, &b, out);
	client_look(a);
	client_note_server(a, i, primary, secondary);
	client_server(&a->node->client, i, primary, secondary, now, out);
	client_after(a, &b, NULL, NULL, now, out);
}

void audit_network(struct audit *a, struct tuple local, uint64_t now,
		   struct outbox *out)
{
	struct before b;

	look(a, &b, out);
	client_look(a);
	client_network(&a->node->client, local, now, out);
	client_after(a, &b, NULL, NULL, now, out);
}

void audit_want(struct audit *a, bool wanted, uint64_t now, struct outbox *out)
{
	struct before b;

	look(a, &b, out);
	client_look(a);
	client_want(&a->node->client, wanted, now, out);
	client_after(a, &b, NULL, NULL, now, out);
}

void audit_check(struct audit *a, uint64_t now, struct outbox *out)
{
	struct before b;

	look(a, &b, out);
	client_look(a);
	client_check(&a->node->client, now, out);
	client_after(a, &b, NULL, NULL, now, out);
}

void audit_ready(struct audit *a, uint64_t now, struct outbox *out)
{
	struct before b;

	look(a, &b, out);
	client_look(a);
	knock_ready(&a->node->client, now);
	client_after(a, &b, NULL, NULL, now, out);
}

void audit_native(struct audit *a, bool native, uint64_t now,
		  struct outbox *out)
{
	struct before b;

	look(a, &b, out);
	client_look(a);
	node_native(a->node, native, now, out);
	client_after(a, &b, NULL, NULL, now, out);
}

/* --- server and relay --- */

void audit_ip4(struct audit *a, const struct datagram *d, uint64_t now,
	       struct outbox *out)
{
	struct before b;
	struct view v;
	unsigned udp, ip6, k;

	if (audit_is_client(a)) {
		client_ip4(a, d, now, out);
		return;
	}
	look(a, &b, out);
	view_read(&v, d->data, d->len);
	if (a->node->is_relay)
		note_proof(a, d, &v, now);
	node_from_ip4(a->node, d, now, out);
	udp = count_kind(out, b.outs, OUT_UDP);
	ip6 = count_kind(out, b.outs, OUT_IP6);
	k = b.held - (a->node->is_relay ? a->node->relay.held.n : 0);
	WANT(k <= RELAY_HELD_PER_PEER || b.n[ROLL_PROVEN], "I3: %u released",
	     k);
	WANT(udp + ip6 <= k + 1 && udp + ip6 <= RELAY_HELD_PER_PEER + 1,
	     "I3: %u outputs, %u released", udp + ip6, k);
	for (unsigned i = b.outs; i < out->n; i++) {
		if (out->v[i].kind == OUT_UDP)
			check_udp(a, &out->v[i], now, &v, d);
		else
			check_ip6(a, &out->v[i], &v, d);
	}
	check_proven_ip4(a, &b);
	after(a, &b, 1, out);
}

/* I7: what a stranger sends costs no proven peer its place. */
static void check_proven_ip6(const struct audit *a, const struct before *b,
			     const struct ip6 *dst, uint64_t now)
{
	const struct peers *p = &a->node->relay.peers;
	const struct peer *e;

	WANT(p->n[ROLL_PROVEN] + 1 >= b->n[ROLL_PROVEN],
	     "I7: proven peers gone");
	if (p->n[ROLL_PROVEN] < b->n[ROLL_PROVEN]) {
		uint32_t i = dst ? peers_find(p, dst) : PEER_NONE;

		WANT(i != PEER_NONE && p->v[i].roll == ROLL_PROBING &&
			     now - p->v[i].heard >= PROOF_NS,
		     "I7: a proven peer is gone");
	}
	if (b->oldest == PEER_NONE)
		return;
	e = &p->v[b->oldest];
	if (dst && memcmp(b->oldest_key.b, dst->b + 4, 12) == 0)
		return;
	WANT(memcmp(&e->key, &b->oldest_key, 12) == 0 && e->roll == ROLL_PROVEN,
	     "I7: the oldest proven peer is gone");
}

void audit_ip6(struct audit *a, const uint8_t *p, uint16_t len, uint64_t now,
	       struct outbox *out)
{
	struct before b;
	struct view v = {0};

	if (audit_is_client(a)) {
		client_ip6(a, p, len, now, out);
		return;
	}
	look(a, &b, out);
	if (len >= 40 && p[0] >> 4 == 6)
		view_read(&v, p, len);
	a->native_bubbles |= v.ip && view_is_bubble(&v);
	node_from_ip6(a->node, p, len, now, out);
	WANT(out->n - b.outs <= 2, "I3: %u outputs", out->n - b.outs);
	WANT(count_kind(out, b.outs, OUT_IP6) <= 1, "I3: two errors");
	for (unsigned i = b.outs; i < out->n; i++) {
		if (out->v[i].kind == OUT_UDP)
			check_udp(a, &out->v[i], now, &v, NULL);
		else
			check_ip6(a, &out->v[i], &v, NULL);
	}
	if (a->node->is_relay)
		check_proven_ip6(a, &b, v.ip ? &v.ip->dst : NULL, now);
	after(a, &b, a->node->is_relay, out);
}

/* I9. */
static void check_progress(const struct audit *a, const struct before *b,
			   const struct outbox *out, uint64_t now)
{
	const struct node *n = a->node;
	bool progress = out->n > b->outs || ended(n) != b->ended;

	if (node_next(n) > now)
		return;
	for (int i = 0; i < ROLL_COUNT; i++)
		progress |= n->relay.peers.n[i] != b->n[i];
	WANT(progress, "I9: the deadline stays in the past");
}

void audit_timeout(struct audit *a, uint64_t now, struct outbox *out)
{
	struct before b;

	if (audit_is_client(a)) {
		client_timer(a, now, out);
		return;
	}
	look(a, &b, out);
	node_timeout(a->node, now, out);
	for (unsigned i = b.outs; i < out->n; i++) {
		if (out->v[i].kind == OUT_UDP)
			check_udp(a, &out->v[i], now, NULL, NULL);
		else
			check_ip6(a, &out->v[i], NULL, NULL);
	}
	check_progress(a, &b, out, now);
	after(a, &b, 0, out);
}

/* --- I6 --- */

static unsigned walk_held(const struct relay *r, uint32_t owner)
{
	const struct peer *e = &r->peers.v[owner];
	unsigned n = 0;

	for (uint32_t i = e->held; i != PEER_NONE; i = r->held.v[i].next) {
		WANT(i < r->held.capacity, "I6: held packet out of range");
		WANT(r->held.v[i].owner == owner, "I6: held for another");
		WANT(++n <= RELAY_HELD_PER_PEER, "I6: a peer holds too much");
	}
	WANT(n == 0 || e->roll == ROLL_PROBING,
	     "I6: packets are held for a peer that is not asked");
	return n;
}

static void walk_roll(const struct audit *a, int roll, unsigned *held)
{
	const struct relay *r = &a->node->relay;
	const struct peers *p = &r->peers;
	uint32_t before = PEER_NONE, n = 0;
	struct ip6 address;

	for (uint32_t i = p->oldest[roll]; i != PEER_NONE; i = p->v[i].newer) {
		WANT(i < p->touched, "I6: peer out of range");
		WANT(p->v[i].roll == roll, "I6: peer in a wrong roll");
		WANT(p->v[i].older == before, "I6: roll is torn");
		WANT(++n <= p->n[roll], "I6: roll is longer than counted");
		peer_address(&p->v[i], a->node->gate.prefix, &address);
		WANT(peers_find(p, &address) == i, "I6: peer is not found");
		*held += walk_held(r, i);
		before = i;
	}
	WANT(n == p->n[roll] && p->newest[roll] == before,
	     "I6: roll is shorter than counted");
}

void audit_walk(const struct audit *a)
{
	const struct relay *r = &a->node->relay;
	unsigned held = 0, slots = 0;

	if (a->node->is_client)
		client_walk(a);
	if (!a->node->is_relay)
		return;
	for (int roll = 0; roll < ROLL_COUNT; roll++)
		walk_roll(a, roll, &held);
	for (uint32_t i = 0; i < r->held.capacity; i++)
		slots += r->held.v[i].owner != PEER_NONE;
	WANT(held == r->held.n && slots == r->held.n,
	     "I6: %u held packets in chains, %u in slots, %u counted", held,
	     slots, r->held.n);
}

void audit_init(struct audit *a, struct node *n)
{
	*a = (struct audit){
		.node = n, .walk_every = 256, .min_refresh = UINT64_MAX};
}

void audit_free(struct audit *a)
{
	client_book_free(a);
	free(a->book);
	a->book = NULL;
	a->book_size = a->book_used = 0;
}

/* --- as bytes --- */

/* Rows are in no order: each is put to where it belongs. */
static size_t save_rows(const struct audit *a, uint8_t *to)
{
	size_t at = 0;

	for (size_t i = 0; i < a->book_size; i++) {
		if (!a->book[i].used)
			continue;
		memcpy(to + at, &a->book[i], sizeof(a->book[i]));
		at += sizeof(a->book[i]);
	}
	return at;
}

static size_t load_rows(struct audit *a, const uint8_t *from)
{
	size_t at = 0;
	struct proof p;

	for (size_t i = 0; i < a->book_size; i++)
		a->book[i].used = false;
	for (size_t n = 0; n < a->book_used; n++) {
		memcpy(&p, from + at, sizeof(p));
		*proof_slot(a->book, a->book_size, &p.client, p.t) = p;
		at += sizeof(p);
	}
	return at;
}

size_t audit_save(const struct audit *a, uint8_t *to)
{
	size_t at = sizeof(*a);

	memcpy(to, a, sizeof(*a));
	at += save_rows(a, to + at);
	return at + client_book_save(a, to + at);
}

/* Tables that have grown since stay as they are. */
size_t audit_load(struct audit *a, const uint8_t *from)
{
	const struct audit now = *a;
	size_t at = sizeof(*a);

	memcpy(a, from, sizeof(*a));
	a->book = now.book;
	a->book_size = now.book_size;
	a->client = now.client;
	at += load_rows(a, from + at);
	return at + client_book_load(a, from + at);
}

/* Of the numbers in struct audit most are for tests of the simulator. */
uint64_t audit_digest(const struct audit *a)
{
	uint64_t sum = a->lost_proven;

	for (size_t i = 0; i < a->book_size; i++) {
		const struct proof *p = &a->book[i];

		if (p->used)
			sum += digest_bytes(p, sizeof(*p), 1);
	}
	sum = digest_bytes(a->answers, sizeof(a->answers), sum);
	return client_book_digest(a) ^ digest_bytes(&sum, sizeof(sum), 2);
}
