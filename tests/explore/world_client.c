/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client, its server, a native host by way of a relay, and another client;
 * or two of our clients, who want to reach each other.
 *
 * Others call whenever the client has a new address: the bubble of a client
 * and that of a relay by way of the server, packets of both, and what is
 * forged.
 */
#include "explore.h"

#include <string.h>

enum {
	PEER,
	RELAY,
	RELAY_2, /* the same native host by way of another */
	NEIGHBOUR,
	FLAG_DOWN = 1,
	FLAG_MOVED = 2, /* the name of the server has another address */
};

static const uint32_t other_servers[2] = {IP(9, 0, 0, 4), IP(9, 0, 0, 5)};
static const struct tuple at_peer = {IP(9, 0, 2, 2), 4002};
static const struct tuple at_relay = {IP(9, 0, 0, 20), 3545};
static const struct tuple at_relay_2 = {IP(9, 0, 0, 21), 3545};
static const struct tuple at_home = {IP(192, 168, 1, 5), 40000};
static const struct tuple at_neighbour = {IP(192, 168, 1, 6), 40000};

static struct client_conf small(void)
{
	struct client_conf c = client_defaults;

	c.max_peers = RECENT_MIN;
	c.max_held = HELD_MIN;
	return c;
}

static const struct client_status *status(unsigned i)
{
	return &machines[i].node.client.status;
}

static const struct ip6 *address(unsigned i)
{
	static const struct ip6 none;

	return status(i)->n ? &status(i)->address[0] : &none;
}

/* --- others call --- */

static void forge(const struct ip6 *to)
{
	const struct tuple nowhere = {IP(9, 0, 7, 7), 7};
	const struct tuple at_server = {servers[0], TEREDO_PORT};
	uint8_t p[PKT_MAX];
	uint8_t data[8] = {0};
	size_t n;

	n = pkt_bubble(p, &others[PEER].address, to, 0x12345678);
	net_throw(0, DOOR_SERVICE, nowhere, p, n);
	n = pkt_echo(p, &native_host, to, ICMP6_ECHO_REPLY, data);
	net_throw(0, DOOR_SERVICE, at_relay, p, n);
	n = pkt_app(p, &others[PEER].address, to, APP_REQUEST, 2);
	net_throw(0, DOOR_SERVICE, at_server, p, n);
}

static void call(const struct ip6 *to)
{
	const struct tuple at_server = {be32(to->b + 4), TEREDO_PORT};
	struct teredo t;
	uint8_t p[PKT_MAX];
	size_t n;

	teredo_unpack(&t, to);
	if (others[PEER].habit) {
		n = pkt_bubble(p, &others[PEER].address, to, 0xb0b);
		net_send(at_peer, at_server, p, n);
		n = pkt_app(p, &others[PEER].address, to, APP_REQUEST, 1);
		net_send(at_peer, t.client, p, n);
	}
	if (others[RELAY].habit) {
		n = pkt_bubble(p, &native_host, to, 0xacdc);
		net_send(at_relay, at_server, p, n);
		n = pkt_app(p, &native_host, to, APP_REQUEST, 1);
		net_send(at_relay, t.client, p, n);
	}
	forge(to);
}

static void after(void)
{
	if (ip6_equal(address(0), &scene.address))
		return;
	scene.address = *address(0);
	if (status(0)->n)
		call(&scene.address);
}

/* Somebody makes the server answer a solicitation with another nonce. */
static void sent(const struct out *o, const uint8_t *p, size_t n)
{
	uint8_t copy[PKT_MAX];
	struct view v;

	memcpy(copy, p, n);
	view_read(&v, copy, n);
	if (!v.nonce || o->door != DOOR_SERVICE)
		return;
	copy[v.nonce - copy] ^= 1;
	net_send(net_mapped(0, o->to), o->to, copy, n);
}

/* --- how it begins --- */

static void add_client(unsigned i, const char *name, struct tuple local,
		       const struct client_conf *conf)
{
	struct node_conf c = {
		.is_client = true, .prefix = TEREDO_PREFIX, .client = *conf};
	struct machine *m = &machines[i];

	n_machines = i + 1;
	machine_init(m, name, &c, local);
	audit_network(&m->audit, local, scene.now, &m->out);
	carry_out(m);
	audit_server(&m->audit, 0, servers[0], servers[1], scene.now, &m->out);
	carry_out(m);
}

static void add_others(enum habit peer, bool relays)
{
	others[PEER] =
		(struct other){peer, at_peer, net_address(servers[0], at_peer)};
	if (!relays)
		return;
	others[RELAY] = (struct other){HABIT_RELAY, at_relay, native_host};
}

/* All that was sent to it arrives, once. */
static void deliver_all(void)
{
	for (unsigned i = 0; i < scene.n; i++)
		net_deliver(i);
}

static void start_new(void)
{
	const struct client_conf c = small();

	net_start_server();
	add_others(HABIT_NONE, true);
	add_client(0, "client", at_home, &c);
}

static void start_up(const struct client_conf *conf, enum habit peer,
		     bool relays)
{
	net_start_server();
	add_others(peer, relays);
	add_client(0, "client", at_home, conf);
	deliver_all();
	scene.n = 0; /* old advertisements are looked at in the world "roam" */
	jump(S(3));
}

static void start_peer(void)
{
	const struct client_conf c = small();

	start_up(&c, HABIT_NONCE, false);
}

/* Its packets may come by way of two relays. */
static void start_native(void)
{
	const struct client_conf c = small();

	others[RELAY_2] = (struct other){HABIT_RELAY, at_relay_2, native_host};
	start_up(&c, HABIT_NONE, true);
}

static void start_talk(void)
{
	const struct client_conf c = small();

	start_up(&c, HABIT_NONCE, true);
}

static void start_symmetric(void)
{
	const struct client_conf c = small();

	symmetric[0] = true;
	start_up(&c, HABIT_SYMMETRIC, true);
}

/* The other client is on the link, and says so. */
static void start_link(void)
{
	const struct ip6 all_nodes = {{0xff, 2, [15] = 1}};
	struct tuple beside = at_neighbour;
	struct client_conf c = small();
	uint8_t p[PKT_MAX];
	size_t n;

	c.local_discovery = true;
	start_up(&c, HABIT_NONCE, false);
	others[NEIGHBOUR] = (struct other){HABIT_NEIGHBOUR, at_neighbour,
					   others[PEER].address};
	n = pkt_bubble(p, &others[PEER].address, &all_nodes, 0);
	net_throw(0, DOOR_DISCOVERY, at_neighbour, p, n);
	beside.port++; /* somebody else on that host */
	n = pkt_bubble(p, &others[PEER].address, address(0), 0);
	net_throw(0, DOOR_SERVICE, beside, p, n);
}

/* It looks for the longest interval that the NAT allows. */
static void start_learn(void)
{
	struct client_conf c = small();

	c.learn_refresh = true;
	start_up(&c, HABIT_NONE, true);
}

/* It is dormant while nobody needs it. */
static void start_quiet(void)
{
	struct client_conf c = small();

	c.idle_s = CLIENT_MIN_IDLE;
	start_up(&c, HABIT_NONCE, true);
}

static void start_pair(void)
{
	const struct client_conf c = small();

	net_start_server();
	add_client(0, "first", at_home, &c);
	add_client(1, "second", (struct tuple){IP(192, 168, 2, 5), 40000}, &c);
	deliver_all();
	scene.n = 0;
	jump(S(3));
}

static void start_pair_symmetric(void)
{
	symmetric[0] = true;
	start_pair();
}

/* --- events --- */

static void host_peer(void)
{
	host_sends(0, address(0), &others[PEER].address);
}

static void host_native(void)
{
	host_sends(0, address(0), &native_host);
}

static void first_to_second(void)
{
	host_sends(0, address(0), address(1));
}

static void second_to_first(void)
{
	host_sends(1, address(1), address(0));
}

static void check(void)
{
	struct machine *m = &machines[0];

	audit_check(&m->audit, scene.now, &m->out);
	carry_out(m);
}

static void rebind(void)
{
	scene.mapping[0] ^= 1;
}

static void network(void)
{
	struct machine *m = &machines[0];
	struct tuple none = {0, 0};

	scene.flags ^= FLAG_DOWN;
	audit_network(&m->audit, scene.flags & FLAG_DOWN ? none : m->local,
		      scene.now, &m->out);
	carry_out(m);
}

static void rename(void)
{
	struct machine *m = &machines[0];
	const uint32_t *v;

	scene.flags ^= FLAG_MOVED;
	v = scene.flags & FLAG_MOVED ? other_servers : servers;
	audit_server(&m->audit, 0, v[0], v[1], scene.now, &m->out);
	carry_out(m);
}

const struct world client_worlds[] = {
	{"peer",
	 "a client and another client",
	 5,
	 8,
	 2,
	 start_peer,
	 after,
	 NULL,
	 {{"peer", host_peer},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"native",
	 "a client, and a native host behind two relays",
	 5,
	 8,
	 2,
	 start_native,
	 after,
	 NULL,
	 {{"native", host_native},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"talk",
	 "a client, another client, and a native host",
	 4,
	 7,
	 2,
	 start_talk,
	 after,
	 NULL,
	 {{"peer", host_peer},
	  {"native", host_native},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"symmetric",
	 "the same behind a symmetric NAT, and the other one as well",
	 4,
	 7,
	 2,
	 start_symmetric,
	 after,
	 NULL,
	 {{"peer", host_peer},
	  {"native", host_native},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"roam",
	 "a client that is new; its NAT, network and server change",
	 5,
	 7,
	 4,
	 start_new,
	 after,
	 sent,
	 {{"native", host_native},
	  {"check", check},
	  {"rebind", rebind},
	  {"network", network},
	  {"rename", rename},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"link",
	 "a client with local discovery, and another on the link",
	 4,
	 7,
	 2,
	 start_link,
	 after,
	 NULL,
	 {{"peer", host_peer},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep},
	  {"network", network}}},
	{"learn",
	 "a client that learns its refresh interval",
	 4,
	 7,
	 3,
	 start_learn,
	 after,
	 NULL,
	 {{"native", host_native},
	  {"rebind", rebind},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"quiet",
	 "a client that is dormant when it is idle",
	 4,
	 7,
	 3,
	 start_quiet,
	 after,
	 sent,
	 {{"peer", host_peer},
	  {"check", check},
	  {"rebind", rebind},
	  {"network", network},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"pair",
	 "two of our clients, and their server",
	 4,
	 7,
	 2,
	 start_pair,
	 NULL,
	 NULL,
	 {{"1to2", first_to_second},
	  {"2to1", second_to_first},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{"pair-sym",
	 "the same, the first behind a symmetric NAT",
	 4,
	 7,
	 2,
	 start_pair_symmetric,
	 NULL,
	 NULL,
	 {{"1to2", first_to_second},
	  {"2to1", second_to_first},
	  {"next", act_next},
	  {"2s", act_2s},
	  {"30s", act_30s},
	  {"sleep", act_sleep}}},
	{0},
};
