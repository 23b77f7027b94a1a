/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A relay, with two clients and their server. One client answers the nonce of
 * a bubble; the other is behind a symmetric NAT and knows no nonces, so it
 * answers from another port, to the address that the bubble came from.
 */
#include "explore.h"

#include <string.h>

enum {
	A,
	B,
	FLAG_NO_SOURCE = 1, /* the relay has no native address */
	FLAG_TAKEN = 2,     /* it has got the address of B for its own */
};

static const struct tuple relay_at = {IP(9, 0, 0, 20), 3545};

static struct ip6 client_at(struct tuple t)
{
	return net_address(servers[0], t);
}

static void add_other(unsigned i, enum habit habit, struct tuple at)
{
	others[i] = (struct other){habit, at, client_at(at)};
}

/* Whatever may come without being asked for. */
static void add_wild(void)
{
	const struct tuple nowhere = {IP(9, 0, 7, 7), 7};
	struct tuple beside = others[A].at;
	const struct ip6 *a = &others[A].address;
	uint8_t p[PKT_MAX];
	size_t n;

	beside.port += 5;
	n = pkt_app(p, a, &native_host, APP_REQUEST, 1);
	net_throw(0, DOOR_SERVICE, others[A].at, p, n);
	net_throw(0, DOOR_SERVICE, beside, p, n);
	n = pkt_bubble(p, a, &native_host, 0x12345678);
	net_throw(0, DOOR_SERVICE, beside, p, n);
	n = pkt_bubble(p, &others[B].address, &native_host, 0);
	net_throw(0, DOOR_SERVICE, nowhere, p, n);
}

static void start_with(const struct relay_conf *conf)
{
	struct node_conf c = {
		.is_relay = true, .prefix = TEREDO_PREFIX, .relay = *conf};
	struct machine *m = &machines[0];

	net_start_server();
	n_machines = 1;
	machine_init(m, "relay", &c, relay_at);
	m->node.self.n_ip4 = 2; /* the second is none, until FLAG_TAKEN */
	m->node.self.n_ip6 = 1;
	m->node.self.ip6[0] = (struct ip6){{0x2a, 0, 0, 3, [15] = 1}};
	m->node.self.source = m->node.self.ip6[0];
	m->node.self.has_source = true;
	add_other(A, HABIT_NONCE, (struct tuple){IP(9, 0, 1, 1), 4001});
	add_other(B, HABIT_SYMMETRIC, (struct tuple){IP(9, 0, 1, 2), 4002});
	add_wild();
}

static struct relay_conf small(void)
{
	struct relay_conf c = relay_defaults;

	c.max_peers = PEERS_MIN;
	c.max_held = HELD_MIN;
	c.per_source = (struct rate){0};
	return c;
}

static void start_relay(void)
{
	const struct relay_conf c = small();

	start_with(&c);
}

/* Behind a NAT itself, and with rates that are soon used up. */
static void start_natted(void)
{
	struct relay_conf c = small();

	c.direct_bubbles = true;
	c.accept_strangers = true;
	c.strangers = (struct rate){1, 2};
	c.repeats = c.known = c.errors = (struct rate){1, 1};
	start_with(&c);
}

static void pass_on(const struct ip6 *to)
{
	host_sends(0, &native_host, to);
}

/* Full shares of the table: proven ones, and ones that are asked. */
static void start_full(void)
{
	const struct relay_conf c = small();
	struct machine *m = &machines[0];

	start_with(&c);
	for (unsigned i = 0; i < PEERS_MIN; i++) {
		const struct tuple t = {IP(9, 0, 4, 1 + i), 5000};
		const struct ip6 a = client_at(t);
		uint8_t p[PKT_MAX];
		const struct datagram d = {
			.door = DOOR_SERVICE,
			.from = t,
			.data = p,
			.len = (uint16_t)pkt_app(p, &a, &native_host,
						 APP_REQUEST, 0)};

		pass_until(scene.now + MS(10));
		pass_on(&a);
		if (i >= PEERS_MIN / PEERS_UNPROVEN_SHARE) {
			audit_ip4(&m->audit, &d, scene.now, &m->out);
			carry_out(m);
		}
	}
	scene.n = 4; /* but for what is wild, nothing of that arrives later */
}

static void host_a(void)
{
	pass_on(&others[A].address);
}

static void host_b(void)
{
	pass_on(&others[B].address);
}

/* Somebody who does not exist. */
static void host_c(void)
{
	const struct ip6 c = client_at((struct tuple){IP(9, 0, 1, 3), 4003});

	pass_on(&c);
}

static void toggle_source(void)
{
	scene.flags ^= FLAG_NO_SOURCE;
	machines[0].node.self.has_source = !(scene.flags & FLAG_NO_SOURCE);
	machines[0].node.addresses++;
}

static void toggle_taken(void)
{
	struct self *s = &machines[0].node.self;

	scene.flags ^= FLAG_TAKEN;
	s->ip4[1].ip = scene.flags & FLAG_TAKEN ? others[B].at.ip : 0;
	s->ip4[1].len = 32;
	machines[0].node.addresses++;
}

const struct world relay_worlds[] = {
	{"relay",
	 "a relay and two clients; addresses come and go",
	 5,
	 8,
	 2,
	 start_relay,
	 NULL,
	 NULL,
	 {{"a", host_a},
	  {"b", host_b},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep},
	  {"source", toggle_source},
	  {"taken", toggle_taken}}},
	{"relay-nat",
	 "a relay behind a NAT, that takes strangers and has low rates",
	 5,
	 8,
	 2,
	 start_natted,
	 NULL,
	 NULL,
	 {{"a", host_a},
	  {"b", host_b},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"relay-full",
	 "a relay whose table is full",
	 5,
	 8,
	 2,
	 start_full,
	 NULL,
	 NULL,
	 {{"a", host_a},
	  {"b", host_b},
	  {"c", host_c},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{0},
};
