/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server, two of its clients, a relay, and somebody who sends back to it
 * whatever it has sent: from where that went, and from where it came from.
 */
#include "explore.h"

#include <string.h>

static const struct tuple at_a = {IP(9, 0, 1, 1), 4001};
static const struct tuple at_b = {IP(9, 0, 1, 2), 4002};
static const struct tuple at_relay = {IP(9, 0, 0, 20), 3545};
static const struct tuple at_server = {IP(9, 0, 0, 2), TEREDO_PORT};
static const struct tuple at_second = {IP(9, 0, 0, 3), TEREDO_PORT};
static const struct tuple at_private = {IP(192, 168, 1, 1), 4003};

static void to_server(enum door door, struct tuple from, const uint8_t *p,
		      size_t n)
{
	net_throw(0, door, from, p, n);
}

static void bubble(struct tuple from, struct tuple src, struct tuple dst,
		   uint32_t dst_server)
{
	const struct ip6 s = net_address(servers[0], src);
	const struct ip6 d = net_address(dst_server, dst);
	uint8_t p[PKT_MAX];

	to_server(DOOR_PRIMARY, from, p, pkt_bubble(p, &s, &d, 7));
}

static void solicitation(enum door door, struct tuple from, bool cone)
{
	static const uint8_t nonce[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t p[PKT_MAX];
	struct ip6 src;

	teredo_link_local(&src, cone ? FLAG_CONE : 0, from);
	to_server(door, from, p, pkt_rs(p, &src, cone ? NULL : nonce));
}

static void echo(struct tuple from, const struct ip6 *src,
		 const struct ip6 *dst, uint8_t type)
{
	static const uint8_t data[8] = {8, 7, 6, 5, 4, 3, 2, 1};
	uint8_t p[PKT_MAX];

	to_server(DOOR_PRIMARY, from, p, pkt_echo(p, src, dst, type, data));
}

/* What those who take part may say, and those who mean harm. */
static void add_wild(void)
{
	const struct ip6 a = net_address(servers[0], at_a);
	const struct ip6 b = net_address(servers[0], at_b);
	const struct ip6 self = net_address(servers[0], at_server);

	solicitation(DOOR_PRIMARY, at_a, false);
	solicitation(DOOR_SECONDARY, at_a, false);
	solicitation(DOOR_PRIMARY, at_b, true);
	bubble(at_a, at_a, at_b, servers[0]);
	bubble(at_b, at_b, at_a, servers[0]);
	bubble(at_b, at_a, at_b, servers[0]);
	bubble(at_a, at_a, at_server, servers[0]);
	bubble(at_a, at_a, at_second, servers[1]);
	bubble(at_server, at_server, at_a, servers[0]);
	bubble(at_a, at_a, at_private, servers[0]);
	bubble(at_a, at_a, at_relay, IP(9, 0, 0, 9));
	echo(at_a, &a, &native_host, ICMP6_ECHO_REQUEST);
	echo(at_relay, &native_host, &b, ICMP6_ECHO_REPLY);
	echo(at_relay, &native_host, &self, ICMP6_ECHO_REQUEST);
	echo(at_b, &a, &native_host, ICMP6_ECHO_REQUEST);
}

static void start(void)
{
	const struct node_conf c = {
		.is_server = true,
		.prefix = TEREDO_PREFIX,
		.server = {.primary = servers[0],
			   .secondary = servers[1],
			   .mtu = TEREDO_MTU,
			   .per_address = {1, 2},
			   .per_network = {2, 3}},
	};
	struct machine *m = &machines[0];

	n_machines = 1;
	machine_init(m, "server", &c, at_server);
	m->node.self.n_ip4 = 2;
	m->node.self.ip4[1] = m->node.self.ip4[0];
	m->node.self.ip4[1].ip = servers[1];
	add_wild();
	/* So that their buckets have been used. */
	net_deliver(0);
	net_deliver(2);
	scene.n = 15;
	jump(S(10));
}

/* Z4: of the last two answers to each, the earlier was a second ago. */
static void count_answer(struct tuple to)
{
	uint64_t *last = scene.answered[to.ip == at_b.ip];

	if (last[1] && scene.now - last[1] < S(1))
		audit_failed("Z4: three answers within a second");
	last[1] = last[0];
	last[0] = scene.now;
}

static void sent(const struct out *o, const uint8_t *p, size_t n)
{
	struct view v;

	view_read(&v, p, n);
	if (v.ip->next == NEXT_ICMPV6 &&
	    ip6_payload(v.ip)[0] == ICMP6_ROUTER_ADVERTISEMENT)
		count_answer(o->to);
	to_server(DOOR_PRIMARY, o->to, p, n);
	to_server(DOOR_PRIMARY, at_relay, p, n);
}

const struct world server_worlds[] = {
	{"server",
	 "a server, its clients, and what it has sent sent back to it",
	 6,
	 8,
	 100,
	 start,
	 NULL,
	 sent,
	 {{"1s", act_1s}, {"sleep", act_sleep}}},
	{0},
};
