/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real node, with the simulator as its shell. Its host routes IPv6, and
 * takes a hop off what goes through; the host of a client is in home.c.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static struct ours *ours(const struct actor *a)
{
	return (struct ours *)((uintptr_t)a - offsetof(struct ours, a));
}

static struct tuple door_tuple(const struct ours *o, enum door door)
{
	if (door >= DOOR_RANDOM)
		return (struct tuple){o->a.ip[0],
				      o->random[door - DOOR_RANDOM]};
	switch (door) {
	case DOOR_PRIMARY:
		return (struct tuple){o->a.ip[0], TEREDO_PORT};
	case DOOR_SECONDARY:
		return (struct tuple){o->a.ip[1], TEREDO_PORT};
	case DOOR_DISCOVERY:
		return (struct tuple){IP(224, 0, 0, 253), TEREDO_PORT};
	case DOOR_PROBE:
		return (struct tuple){o->a.ip[0], (uint16_t)(o->port + 1)};
	case DOOR_SERVICE:
	case DOORS:
		break;
	}
	return (struct tuple){o->a.ip[0], o->port};
}

static bool door_is_open(const struct ours *o, enum door door)
{
	if (door >= DOOR_RANDOM)
		return o->random[door - DOOR_RANDOM];
	switch (door) {
	case DOOR_PRIMARY:
	case DOOR_SECONDARY:
		return o->conf.is_server;
	case DOOR_SERVICE:
		return o->conf.is_relay || o->conf.is_client;
	case DOOR_PROBE:
		return o->conf.is_client && o->node->client.status.wants_probe;
	case DOOR_DISCOVERY:
		return o->conf.is_client && o->conf.client.local_discovery;
	case DOORS:
		break;
	}
	return false;
}

/* The same inner packet, but for its hop limit? */
static bool is_forward(const struct view *in, const struct view *out)
{
	return in->ip && out->ip && in->len == out->len &&
	       memcmp(&in->ip->src, &out->ip->src, in->len - 8) == 0;
}

static uint32_t trail(const struct ours *o, const struct packet *in,
		      const uint8_t *p, size_t n)
{
	uint32_t bit = UINT32_C(1) << o->a.id;
	struct view v, w;

	if (!in)
		return 0;
	view_read(&v, in->data, in->len);
	view_read(&w, p, n);
	if (!is_forward(&v, &w))
		return 0;
	if (in->trail & bit)
		audit_failed("I4: forwarded twice by %s", o->a.name);
	return in->trail | bit;
}

/* Out of the tunnel, into the Internet. */
static void route(struct ours *o, uint8_t *p, size_t n, uint32_t t)
{
	struct wire_ip6 *ip = (void *)p;

	if (t) {
		if (ip->hops <= 1)
			return;
		ip->hops--;
	}
	sim_send_ip6(&o->a, p, n, t);
}

static void send_udp(struct ours *o, const struct out *a, const uint8_t *p,
		     size_t n, uint32_t t)
{
	struct tuple from = door_tuple(o, a->door);

	if (!door_is_open(o, a->door))
		audit_failed("C69: sends from door %d, which is closed",
			     a->door);
	if (a->kind == OUT_GROUP)
		sim_send_group(&o->a, from, p, n);
	else
		sim_send(&o->a, from, a->to, p, n, t);
}

/* Any that nothing else of this host has. */
static uint16_t free_port(struct ours *o)
{
	for (;;) {
		uint16_t port = (uint16_t)(2000 + sim_below(o->a.w, 40000));
		bool taken = false;

		for (unsigned k = 0; k < RANDOM_DOORS; k++)
			taken |= o->random[k] == port;
		if (!taken)
			return port;
	}
}

void ours_doors(struct ours *o)
{
	struct client *c = &o->node->client;

	for (unsigned k = 0; o->conf.is_client && k < RANDOM_DOORS; k++) {
		bool wants = c->ports.wants >> k & 1;

		if (wants == (o->random[k] != 0))
			continue;
		o->random[k] = wants && !o->no_random ? free_port(o) : 0;
		client_door(c, k, o->random[k], o->a.w->now);
	}
}

void ours_carry_out(struct ours *o, const struct packet *in)
{
	uint8_t p[PKT_MAX];

	for (unsigned i = 0; i < o->out->n; i++) {
		const struct out *a = &o->out->v[i];
		size_t n = (size_t)a->head_len + a->body_len;
		uint32_t t;

		if (a->head_len)
			memcpy(p, a->head, a->head_len);
		if (a->body_len)
			memcpy(p + a->head_len, a->body, a->body_len);
		t = trail(o, in, p, n);
		if (a->kind != OUT_IP6)
			send_udp(o, a, p, n, t);
		else if (o->deliver)
			o->deliver(o, p, n);
		else
			route(o, p, n, t);
	}
	outbox_clear(o->out);
	ours_doors(o);
	if (o->after)
		o->after(o);
}

static void on_ip4(struct actor *a, const struct packet *p)
{
	struct ours *o = ours(a);
	struct datagram d = {
		.from = p->from, .ecn = p->ecn, .data = p->data, .len = p->len};

	for (int door = DOOR_PRIMARY; door < DOOR_RANDOM + RANDOM_DOORS;
	     door++) {
		struct tuple t = door_tuple(o, (enum door)door);

		if (!door_is_open(o, (enum door)door))
			continue;
		if (o->down || t.ip != p->to.ip || t.port != p->to.port)
			continue;
		d.door = (enum door)door;
		audit_ip4(&o->audit, &d, a->w->now, o->out);
		ours_carry_out(o, p);
		return;
	}
}

static void on_ip6(struct actor *a, const struct packet *p)
{
	struct wire_ip6 *ip = (void *)(uintptr_t)p->data;
	struct ours *o = ours(a);

	if (o->down || be32(ip->dst.b) != TEREDO_PREFIX)
		return;
	if (ip->hops <= 1)
		return;
	ip->hops--;
	audit_ip6(&o->audit, p->data, p->len, a->w->now, o->out);
	ours_carry_out(o, p);
}

static uint64_t next(const struct actor *a)
{
	return ours(a)->down ? NEVER : node_next(ours(a)->node);
}

void ours_timer(struct actor *a)
{
	struct ours *o = ours(a);

	while (node_next(o->node) <= a->w->now) {
		audit_timeout(&o->audit, a->w->now, o->out);
		ours_carry_out(o, NULL);
	}
}

static void set_self(struct ours *o)
{
	struct self *s = &o->node->self;

	s->n_ip4 = o->a.n_ip;
	for (unsigned i = 0; i < o->a.n_ip; i++) {
		s->ip4[i].ip = o->a.ip[i];
		s->ip4[i].len = 24;
	}
	s->n_ip6 = o->a.n_ip6;
	memcpy(s->ip6, o->a.ip6, o->a.n_ip6 * sizeof(s->ip6[0]));
	s->has_source = o->a.n_ip6 > 0;
	s->source = o->a.ip6[0];
}

void ours_restart(struct ours *o)
{
	size_t n = node_memory(&o->conf);
	struct node_seed seed;

	sim_fill(o->a.w, &seed, sizeof(seed));
	free(o->node);
	free(o->mem);
	/* Fresh zeros are cheap: most pages are never touched. */
	o->node = calloc(1, sizeof(*o->node));
	o->mem = calloc(1, n + 64);
	if (!o->node || !o->mem)
		abort();
	memset(o->random, 0, sizeof(o->random));
	node_init(o->node, &o->conf, &seed,
		  (void *)(((uintptr_t)o->mem + 63) & ~(uintptr_t)63));
	o->node->gate.public_only = true;
	set_self(o);
	outbox_init(o->out, &o->node->gate);
	audit_free(&o->audit);
	audit_init(&o->audit, o->node);
}

void ours_init(struct ours *o, struct world *w, const char *name,
	       const struct node_conf *conf)
{
	o->a.name = name;
	o->a.ip4 = on_ip4;
	o->a.from_ip6 = on_ip6;
	o->a.timer = ours_timer;
	o->a.next = next;
	o->conf = *conf;
	if (o->port == 0)
		o->port = 3545;
	o->out = malloc(sizeof(*o->out));
	if (!o->out)
		abort();
	world_add(w, &o->a);
	ours_restart(o);
}

void ours_free(struct ours *o)
{
	audit_free(&o->audit);
	free(o->node);
	free(o->out);
	free(o->mem);
}
