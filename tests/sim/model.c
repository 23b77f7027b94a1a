/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Teredo client, no more than it takes to be a partner: it qualifies (RFC
 * 4380 §5.2.1), refreshes its mapping, answers bubbles that its server brings
 * at the tuple in the origin indication, and tests the path to a native host
 * by an echo request through its server before it sends (§5.2.9).
 *
 * Left out: clients among themselves, local discovery, all extensions but the
 * nonce of RFC 6081 §5.2.
 */
#include "sim.h"

#include <string.h>

enum {
	SOLICITATIONS = 3,
	TESTS = 4
};

static const uint64_t VALID = S(30);

static struct model *model(const struct actor *a)
{
	return (struct model *)((uintptr_t)a - offsetof(struct model, a));
}

static bool same(struct tuple a, struct tuple b)
{
	return a.ip == b.ip && a.port == b.port;
}

static void send(struct model *c, struct tuple to, const void *p, size_t n)
{
	sim_send(&c->a, c->local, to, p, n, 0);
}

static struct tuple server(const struct model *c, int i)
{
	return (struct tuple){c->server[i], TEREDO_PORT};
}

/* --- qualification --- */

static void solicit(struct model *c)
{
	uint8_t p[PKT_MAX];
	bool nonce = c->kind != MODEL_DEBIAN;
	size_t n;

	sim_fill(c->a.w, c->nonce, sizeof(c->nonce));
	n = pkt_rs(p, &c->ll, nonce ? c->nonce : NULL);
	send(c, server(c, c->state == MODEL_ASK_SECOND), p, n);
	c->tries++;
	c->due = c->a.w->now + S(4);
}

static void ask(struct model *c, int state)
{
	c->state = state;
	c->tries = 0;
	solicit(c);
}

static void rest(struct model *c, uint64_t time)
{
	c->state = MODEL_UP;
	c->due = c->a.w->now + time;
}

static void start_over(struct model *c, uint64_t later)
{
	c->has_address = false;
	c->state = MODEL_ASK_FIRST;
	c->tries = SOLICITATIONS;
	c->due = c->a.w->now + later;
}

static void take_address(struct model *c)
{
	struct teredo t = {TEREDO_PREFIX, c->server[0], 0, c->first};
	struct ip6 new;

	t.flags = c->kind == MODEL_DEBIAN ? 0 : 0x1467;
	teredo_pack(&new, &t);
	if (!c->has_address || !ip6_equal(&new, &c->addr)) {
		memset(c->remotes, 0, sizeof(c->remotes));
		c->qualified_at = c->a.w->now;
	}
	c->addr = new;
	c->has_address = true;
	rest(c, MS(22500 + sim_below(c->a.w, 7500)));
}

static void on_ra(struct model *c, const struct view *v, struct tuple from)
{
	int asked = c->state == MODEL_ASK_SECOND;

	if (c->state == MODEL_UP || !same(from, server(c, asked)) ||
	    !v->has_origin || !ip6_equal(&v->ip->dst, &c->ll))
		return;
	if (c->kind != MODEL_DEBIAN &&
	    (!v->nonce || memcmp(v->nonce, c->nonce, 8) != 0))
		return;
	if (asked) {
		if (same(v->origin, c->first) || c->kind == MODEL_SNS)
			take_address(c);
		else
			start_over(c, S(10)); /* symmetric NAT */
		return;
	}
	c->first = v->origin;
	if (c->state == MODEL_ASK_FIRST && c->kind != MODEL_DEBIAN)
		ask(c, MODEL_ASK_SECOND);
	else
		take_address(c);
}

static void on_due(struct model *c)
{
	if (c->state == MODEL_UP)
		ask(c, MODEL_REFRESH);
	else if (c->tries < SOLICITATIONS)
		solicit(c);
	else if (c->state == MODEL_ASK_FIRST)
		ask(c, MODEL_ASK_FIRST);
	else
		start_over(c, S(1));
}

/* --- partners --- */

static struct remote *remote(struct model *c, const struct ip6 *a)
{
	struct remote *r = NULL;

	for (int i = 0; i < MODEL_REMOTES; i++) {
		if (c->remotes[i].used && ip6_equal(&c->remotes[i].addr, a))
			return &c->remotes[i];
		if (!r || c->remotes[i].heard < r->heard)
			r = &c->remotes[i];
	}
	*r = (struct remote){.used = true, .addr = *a, .test_due = NEVER};
	return r;
}

static void test(struct model *c, struct remote *r)
{
	uint8_t p[PKT_MAX];

	if (r->tests++ >= TESTS) {
		r->test_due = NEVER;
		r->n = 0;
		return;
	}
	r->test_due = c->a.w->now + S(2);
	send(c, server(c, 0), p,
	     pkt_echo(p, &c->addr, &r->addr, ICMP6_ECHO_REQUEST, r->nonce));
}

/* A packet of APP_LEN bytes to a native host: now, or after a test. */
static void send_native(struct model *c, struct remote *r, const uint8_t *p)
{
	if (r->trusted && c->a.w->now - r->heard < VALID) {
		send(c, r->relay, p, APP_LEN);
		return;
	}
	r->trusted = false;
	if (r->n == MODEL_QUEUE)
		memmove(r->queue[0], r->queue[1], sizeof(r->queue[0]) * --r->n);
	memcpy(r->queue[r->n++], p, APP_LEN);
	if (r->test_due != NEVER)
		return;
	r->tests = 0;
	sim_fill(c->a.w, r->nonce, sizeof(r->nonce));
	test(c, r);
}

static void on_proof(struct model *c, struct remote *r, struct tuple from)
{
	sim_fill(c->a.w, r->nonce, sizeof(r->nonce)); /* it counts once */
	r->trusted = true;
	r->relay = from;
	r->heard = c->a.w->now;
	r->test_due = NEVER;
	for (unsigned i = 0; i < r->n; i++)
		send(c, from, r->queue[i], APP_LEN);
	r->n = 0;
}

static void on_app(struct model *c, struct remote *r, const struct view *v)
{
	uint8_t p[PKT_MAX];
	uint32_t seq;

	switch (pkt_app_read(v->ip, v->len, &seq)) {
	case APP_REQUEST:
		c->requests++;
		pkt_app(p, &c->addr, &v->ip->src, APP_REPLY, seq);
		send_native(c, r, p);
		break;
	case APP_REPLY:
		flow_answered(&c->flow, seq, c->a.w->now);
		break;
	}
}

static void on_native(struct model *c, const struct view *v, struct tuple from)
{
	struct remote *r = remote(c, &v->ip->src);
	const uint8_t *icmp = ip6_payload(v->ip);

	if (v->ip->next == NEXT_ICMPV6 && v->len == 56 &&
	    icmp[0] == ICMP6_ECHO_REPLY &&
	    memcmp(icmp + 8, r->nonce, sizeof(r->nonce)) == 0) {
		on_proof(c, r, from);
		return;
	}
	if (r->trusted && same(r->relay, from))
		r->heard = c->a.w->now;
	on_app(c, r, v);
}

/* A bubble that the server passed on: let its sender hear from us. */
static void on_bubble(struct model *c, const struct view *v)
{
	uint8_t p[PKT_MAX];
	uint32_t nonce = c->kind == MODEL_SNS ? view_trailer(v) : 0;

	if (be32(v->ip->src.b) != TEREDO_PREFIX)
		send(c, v->origin, p,
		     pkt_bubble(p, &c->addr, &v->ip->src, nonce));
}

static void on_ip4(struct actor *a, const struct packet *p)
{
	struct model *c = model(a);
	struct view v;

	view_read(&v, p->data, p->len);
	if (c->state == MODEL_SILENT || !v.ip || p->to.port != c->local.port)
		return;
	if (v.ip->next == NEXT_ICMPV6 && v.len >= 48 &&
	    ip6_payload(v.ip)[0] == ICMP6_ROUTER_ADVERTISEMENT) {
		on_ra(c, &v, p->from);
		return;
	}
	if (!c->has_address || !ip6_equal(&v.ip->dst, &c->addr))
		return;
	if (v.has_origin) {
		if (view_is_bubble(&v) && same(p->from, server(c, 0)))
			on_bubble(c, &v);
		return;
	}
	if (!view_is_bubble(&v) && be32(v.ip->src.b) != TEREDO_PREFIX)
		on_native(c, &v, p->from);
}

/* --- time --- */

static uint64_t flow_due(const struct model *c)
{
	return c->flow.on && c->has_address ? c->flow.next : NEVER;
}

static uint64_t next(const struct actor *a)
{
	const struct model *c = model(a);
	uint64_t t = c->due;

	if (c->state == MODEL_SILENT)
		return NEVER;
	if (flow_due(c) < t)
		t = flow_due(c);
	for (int i = 0; i < MODEL_REMOTES; i++) {
		if (c->remotes[i].used && c->remotes[i].test_due < t)
			t = c->remotes[i].test_due;
	}
	return t;
}

static void on_timer(struct actor *a)
{
	struct model *c = model(a);
	uint64_t now = a->w->now;
	uint8_t p[PKT_MAX];

	if (c->due <= now)
		on_due(c);
	for (int i = 0; i < MODEL_REMOTES; i++) {
		if (c->remotes[i].used && c->remotes[i].test_due <= now)
			test(c, &c->remotes[i]);
	}
	if (flow_due(c) <= now) {
		c->flow.src = c->addr;
		flow_request(&c->flow, p, now);
		send_native(c, remote(c, &c->flow.dst), p);
	}
}

void model_silence(struct model *c)
{
	c->state = MODEL_SILENT;
	c->has_address = false;
}

void model_return(struct model *c)
{
	start_over(c, 0);
	world_touch(&c->a);
}

void model_talk(struct model *c, const struct ip6 *dst, uint64_t period)
{
	flow_start(&c->flow, &c->addr, dst, c->a.w->now, period);
	world_touch(&c->a);
}

void model_init(struct model *c, struct world *w, enum model_kind kind,
		unsigned number, struct nat *nat, const uint32_t servers[2])
{
	c->kind = kind;
	c->a.name = nat ? "client" : "client*";
	c->a.nat = nat;
	c->a.n_ip = 1;
	c->a.ip[0] = nat ? IP(192, 168, 1, 5) : IP(9, 0, 2, number);
	c->local = (struct tuple){c->a.ip[0], (uint16_t)(40000 + number)};
	c->server[0] = servers[0];
	c->server[1] = servers[1];
	c->a.ip4 = on_ip4;
	c->a.next = next;
	c->a.timer = on_timer;
	teredo_link_local(&c->ll, kind == MODEL_DEBIAN ? 0 : 0x2c31, c->local);
	world_add(w, &c->a);
	start_over(c, MS(sim_below(w, 1000)));
}
