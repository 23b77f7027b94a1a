/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host with our client, in the role of its shell: looks up names when it is
 * asked to, tells of the network, remembers between runs what a shell writes to
 * its file, opens doors. On the host run applications, which send numbered
 * requests and answer those of others.
 */
#include "sim.h"

#include <string.h>

static const uint64_t RESOLVER = MS(5);
static const uint64_t STEWARD = MS(2);

static struct home *home(const struct actor *a)
{
	return (struct home *)((uintptr_t)a - offsetof(struct home, o.a));
}

static struct home *home_of(struct ours *o)
{
	return (struct home *)((uintptr_t)o - offsetof(struct home, o));
}

static const struct client_status *status(const struct home *h)
{
	return &h->o.node->client.status;
}

const struct ip6 *home_address(const struct home *h)
{
	return status(h)->n ? &status(h)->address[0] : NULL;
}

bool home_has(const struct home *h, const struct ip6 *a)
{
	for (unsigned i = 0; i < status(h)->n; i++) {
		if (ip6_equal(&status(h)->address[i], a))
			return true;
	}
	return h->o.a.n_ip6 && ip6_equal(&h->o.a.ip6[0], a);
}

/* --- the shell --- */

/* What goes into the file (I10). */
static void write_down(struct home *h)
{
	struct client_conf *c = &h->o.conf.client;

	if (status(h)->state != CLIENT_QUALIFIED)
		return;
	c->first_server = status(h)->server;
	c->has_flags = true;
	c->flags = status(h)->flags;
	c->mapped = status(h)->mapped;
}

static bool same_status(const struct client_status *a,
			const struct client_status *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		if (!ip6_equal(&a->address[i], &b->address[i]))
			return false;
	}
	return a->state == b->state && a->why == b->why &&
	       a->server_ip == b->server_ip && a->nat == b->nat &&
	       a->wants_probe == b->wants_probe &&
	       a->refresh_s == b->refresh_s && a->wants_names == b->wants_names;
}

static void look(struct ours *o)
{
	struct home *h = home_of(o);
	const struct client_status *s = status(h);

	if (s->version == h->seen.version) {
		if (!same_status(s, &h->seen))
			audit_failed("status changed, its version did not");
		return;
	}
	if (s->wants_names != h->seen.wants_names)
		h->lookup_at = o->a.w->now + RESOLVER;
	if (s->n &&
	    (!h->seen.n || !ip6_equal(&s->address[0], &h->seen.address[0]))) {
		h->up_at = o->a.w->now;
		h->ready_at = o->a.w->now + STEWARD;
	}
	h->seen = *s;
	write_down(h);
}

static void look_up(struct home *h)
{
	uint64_t now = h->o.a.w->now;

	h->lookup_at = NEVER;
	for (unsigned i = 0; i < h->o.conf.client.n_servers; i++) {
		bool down = h->resolver_down;

		audit_server(&h->o.audit, i, down ? 0 : h->name[i].ip[0],
			     down ? 0 : h->name[i].ip[1], now, h->o.out);
		ours_carry_out(&h->o, NULL);
	}
	if (h->resolver_down) /* the shell goes on asking */
		h->lookup_at = now + S(1);
}

static void be_ready(struct home *h)
{
	h->ready_at = NEVER;
	audit_ready(&h->o.audit, h->o.a.w->now, h->o.out);
	ours_carry_out(&h->o, NULL);
}

void home_network(struct home *h, uint32_t ip)
{
	struct tuple local = {ip, ip ? h->o.port : 0};

	if (ip)
		h->o.a.ip[0] = ip;
	h->o.node->self.ip4[0].ip = ip;
	audit_network(&h->o.audit, local, h->o.a.w->now, h->o.out);
	ours_carry_out(&h->o, NULL);
	world_touch(&h->o.a);
}

static void start(struct home *h)
{
	h->start_at = NEVER;
	home_network(h, h->o.a.ip[0]);
	h->lookup_at = h->o.a.w->now + RESOLVER;
}

void home_restart(struct home *h)
{
	ours_restart(&h->o);
	h->ready_at = NEVER;
	h->seen = *status(h);
	start(h);
	world_touch(&h->o.a);
}

void home_native(struct home *h, bool native)
{
	struct self *self = &h->o.node->self;

	h->o.a.n_ip6 = self->n_ip6 = native;
	h->o.a.ip6[0] = self->ip6[0] = self->source = h->native;
	self->has_source = native;
	audit_native(&h->o.audit, native, h->o.a.w->now, h->o.out);
	ours_carry_out(&h->o, NULL);
	world_touch(&h->o.a);
}

/* --- applications --- */

static void emit(struct home *h, const uint8_t *p, size_t n)
{
	const struct wire_ip6 *ip = (const void *)p;

	if (be32(ip->dst.b) == TEREDO_PREFIX ||
	    be32(ip->src.b) == TEREDO_PREFIX)
		sim_send_local(&h->o.a, p, n);
	else
		sim_send_ip6(&h->o.a, p, n, 0);
}

static void on_app(struct home *h, const struct wire_ip6 *ip, size_t len)
{
	uint8_t p[PKT_MAX];
	uint32_t seq;

	switch (pkt_app_read(ip, len, &seq)) {
	case APP_REQUEST:
		h->served++;
		len = pkt_app(p, &ip->dst, &ip->src, APP_REPLY, seq);
		emit(h, p, len);
		return;
	case APP_REPLY:
		for (int i = 0; i < HOME_FLOWS; i++) {
			if (ip6_equal(&h->flow[i].dst, &ip->src))
				flow_answered(&h->flow[i], seq, h->o.a.w->now);
		}
		return;
	}
}

static void receive(struct home *h, const uint8_t *p, size_t n)
{
	const struct wire_ip6 *ip = (const void *)p;
	const uint8_t *u = ip6_payload(ip);
	uint8_t q[PKT_MAX];

	if (!home_has(h, &ip->dst))
		return; /* of an address that has just gone */
	on_app(h, ip, n);
	if (ip->next == NEXT_TCP && n == IP6_LEN + sizeof(struct wire_tcp) &&
	    u[13] == TCP_SYN && h->firewall < INBOUND_ECHO) {
		n = pkt_reset(q, ip);
		emit(h, q, n);
	}
	if (ip->next != NEXT_ICMPV6 || n < 48)
		return;
	h->errors += u[0] == ICMP6_UNREACHABLE;
	if (u[0] == ICMP6_ECHO_REQUEST && h->firewall < INBOUND_FILTERED)
		emit(h, q, pkt_pong(q, ip, n));
}

static void deliver(struct ours *o, uint8_t *p, size_t n)
{
	receive(home_of(o), p, n);
}

static void on_ip6(struct actor *a, const struct packet *p)
{
	struct home *h = home(a);

	if (!p->local) {
		receive(h, p->data, p->len);
		return;
	}
	audit_ip6(&h->o.audit, p->data, p->len, a->w->now, h->o.out);
	ours_carry_out(&h->o, NULL);
}

static bool can_send(const struct home *h, int i)
{
	if (!h->flow[i].on)
		return false;
	return h->pinned[i] ? home_has(h, &h->flow[i].src)
			    : h->o.a.n_ip6 || status(h)->n;
}

static void request(struct home *h, int i)
{
	struct flow *f = &h->flow[i];
	uint8_t p[PKT_MAX];
	size_t n;

	if (!h->pinned[i])
		f->src = h->o.a.n_ip6 ? h->o.a.ip6[0] : *home_address(h);
	n = flow_request(f, p, h->o.a.w->now);
	emit(h, p, n);
}

/* --- time --- */

static uint64_t next(const struct actor *a)
{
	const struct home *h = home(a);
	uint64_t t = h->o.down ? NEVER : node_next(h->o.node);

	if (h->o.down)
		return NEVER;
	if (h->start_at < t)
		t = h->start_at;
	if (h->lookup_at < t)
		t = h->lookup_at;
	if (h->ready_at < t)
		t = h->ready_at;
	for (int i = 0; i < HOME_FLOWS; i++) {
		if (can_send(h, i) && h->flow[i].next < t)
			t = h->flow[i].next;
	}
	return t;
}

static void on_timer(struct actor *a)
{
	struct home *h = home(a);
	uint64_t now = a->w->now;

	if (h->start_at <= now)
		start(h);
	if (h->lookup_at <= now)
		look_up(h);
	if (h->ready_at <= now)
		be_ready(h);
	ours_timer(a);
	for (int i = 0; i < HOME_FLOWS; i++) {
		if (can_send(h, i) && h->flow[i].next <= now)
			request(h, i);
	}
}

void home_talk(struct home *h, unsigned i, const struct ip6 *dst,
	       uint64_t period)
{
	struct ip6 src = {{0}};

	if (home_address(h))
		src = *home_address(h);
	flow_start(&h->flow[i], &src, dst, h->o.a.w->now, period);
	world_touch(&h->o.a);
}

void home_init(struct home *h, struct world *w, const char *name,
	       unsigned number, struct nat *nat, const struct client_conf *conf,
	       const uint32_t servers[][2], unsigned n)
{
	struct node_conf c = {
		.is_client = true, .prefix = TEREDO_PREFIX, .client = *conf};

	if (h->is_auto) {
		c.is_relay = true;
		c.relay = relay_defaults;
		c.relay.host_only = c.relay.direct_bubbles = true;
		c.relay.max_peers = c.relay.max_held = 64;
		c.relay.door = DOOR_SERVICE;
	}
	c.client.n_servers = n;
	for (unsigned i = 0; i < n; i++)
		memcpy(h->name[i].ip, servers[i], sizeof(servers[i]));
	h->o.a.nat = nat;
	h->o.a.n_ip = 1;
	h->o.a.ip[0] =
		nat ? IP(192, 168, 1, 10 + number) : IP(9, 0, 2, 10 + number);
	h->o.port = (uint16_t)(50000 + 10 * number);
	h->o.deliver = deliver;
	h->o.after = look;
	h->lookup_at = NEVER;
	h->ready_at = NEVER;
	h->start_at = w->now + MS(sim_below(w, 1000));
	ours_init(&h->o, w, name, &c);
	h->seen = *status(h);
	h->o.a.from_ip6 = on_ip6;
	h->o.a.timer = on_timer;
	h->o.a.next = next;
	h->native = (struct ip6){{0x2a, 0, 0, 4, 0, (uint8_t)number, [15] = 1}};
}
