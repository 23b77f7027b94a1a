/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that was a table: of a relay's peers, of a client's, or all that a
 * node has. It begins as zeros or as a table in use; then the input is written
 * into it, piece by piece, and it is recovered, twice. Tables must be whole
 * then, and what stays must be what may stay.
 *
 *	kind, now; then: where (16 bits), how many, so many bytes
 */
#include "fuzz.h"

#include "contact.h"
#include "node.h"
#include "reach.h"
#include "whole.h"

enum {
	PREFIX = 0x20010000,
};

static _Alignas(64) uint8_t memory[1 << 20];
static struct node node;
static struct outbox out;
static struct node_conf conf = {.prefix = PREFIX};
static uint64_t now;

static const struct node_seed seed = {{{1}}, {{2}}, {{3}}};
static const struct node_seed other = {{{4}}, {{5}}, {{3}}};

static void set_up(bool is_client)
{
	conf.is_client = is_client;
	conf.is_relay = !is_client;
	conf.relay = relay_defaults;
	conf.relay.max_peers = PEERS_MIN;
	conf.relay.max_held = HELD_MIN;
	conf.client = client_defaults;
	conf.client.max_peers = 64;
	conf.client.max_held = HELD_MIN;
	conf.client.local_discovery = true;
	WANT(node_memory(&conf) <= sizeof(memory));
	memset(memory, 0, node_memory(&conf));
	memset(&node, 0, sizeof(node));
	node.self.n_ip4 = 1;
	node.self.ip4[0].ip = 0xc0a80105; /* 192.168.1.5/24 */
	node.self.ip4[0].len = 24;
	node_init(&node, &conf, &seed, memory);
	outbox_init(&out, &node.gate);
}

/* As it might have been left, and nearly good. */
static void use_relay(void)
{
	struct peers *p = &node.relay.peers;

	for (unsigned n = 0; n < PEERS_MIN / 2; n++) {
		const struct teredo t = {
			PREFIX, 0x0c000001, 0, {0x0b000000 + n + 1, 4096}};
		struct peer *e;
		struct ip6 a;

		teredo_pack(&a, &t);
		e = peers_at(p, peers_add(p, &a, ROLL_PROVEN));
		e->ip = t.client.ip;
		e->port = t.client.port;
		e->heard = now - n * NS_PER_S;
	}
}

static void use_client(void)
{
	const struct tuple local = {0xc0a80105, 50000};
	struct client *c = &node.client;
	struct own_address *own = &c->own[0];
	const struct teredo t = {PREFIX, 0x0c000001, 0, {0x0b000005, 4096}};

	c->local = local;
	qualify_resume(&c->qualify, t.server, t.server + 1, local, t.client,
		       false, false);
	*own = (struct own_address){
		.on = true,
		.server = t.server,
		.mapped = t.client,
		.used = now,
	};
	teredo_pack(&own->ip6, &t);
	c->heard = now;
	for (unsigned n = 0; n < 16; n++) {
		const struct ip6 a = {{0x2a, 0, [15] = (uint8_t)(n + 1)}};
		uint32_t i = recent_add(&c->recent, 0, &a);
		struct recent_peer *e = recent_at(&c->recent, i);

		recent_touch(&c->recent, i,
			     n % 2 ? STANDING_ACTIVE : STANDING_TRUSTED);
		e->tuple = (struct tuple){0x0d000001 + n, 3545};
		e->heard = now - n;
		bubble_note(&c->recent, a.b, sizeof(a.b), now);
	}
	client_publish(c);
}

static void check_relay(void)
{
	const struct peers *p = &node.relay.peers;
	uint32_t i = p->oldest[ROLL_PROVEN];

	WANT(!whole_peers(p));
	WANT(p->n[ROLL_FAILED] == 0);
	for (; i != PEER_NONE; i = peers_at(p, i)->newer) {
		const struct peer *e = peers_at(p, i);
		const struct tuple at = {e->ip, e->port};

		WANT(gate_target(&node.gate, at) == REASON_NONE);
		WANT(e->heard && e->heard <= now &&
		     now - e->heard < RELAY_FORGETS_NS);
		WANT(e->held == PEER_NONE);
	}
}

static void check_peer(const struct recent_peer *e)
{
	WANT(e->own < CLIENT_ADDRESSES && node.client.own[e->own].on);
	WANT(e->heard <= now && e->sent <= now && e->tested <= now);
	WANT(e->held == RECENT_NONE && e->due == UINT64_MAX);
	WANT((e->is_lan ? gate_neighbour : gate_target)(&node.gate, e->tuple) ==
	     REASON_NONE);
}

static void check_client(void)
{
	const struct client *c = &node.client;
	const struct own_address *a = &c->own[c->cur];

	WANT(!whole_recent(&c->recent));
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t i = c->recent.oldest[s];

		for (; i != RECENT_NONE; i = recent_at(&c->recent, i)->newer)
			check_peer(recent_at(&c->recent, i));
	}
	for (uint32_t i = 0; i <= c->recent.log_mask; i++)
		WANT(c->recent.log[i].last <= now);
	WANT(c->at < c->conf.n_servers);
	WANT(c->status.n == (unsigned)(c->own[0].on + c->own[1].on));
	if (!a->on)
		return;
	WANT(gate_is_global(&node.gate, a->mapped));
	WANT(tuple_equal(node.gate.mapped, a->mapped));
	WANT(c->keep_until <= now + 60 * NS_PER_S);
	WANT(ip6_is_teredo(&a->ip6, PREFIX));
}

/* It works: nothing is sent to whom nothing may be sent. */
static void go_on(void)
{
	const struct tuple local = {0xc0a80105, 50000};

	if (conf.is_client)
		client_network(&node.client, local, now, &out);
	outbox_clear(&out);
	for (int i = 0; i < 20 && node_next(&node) != UINT64_MAX; i++) {
		uint64_t next = node_next(&node);

		if (next > now)
			now = next;
		node_timeout(&node, now, &out);
		outbox_clear(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	uint8_t kind = script_u8(&s);
	bool is_client = kind & 1;

	now = (1 + script_u32(&s)) * NS_PER_S;
	set_up(is_client);
	if (kind & 2)
		(is_client ? use_client : use_relay)();
	while (s.n) {
		size_t at = script_u16(&s), n = script_u8(&s);

		at = at * 4 % node_memory(&conf);
		for (; n && s.n; n--)
			memory[at++ % node_memory(&conf)] = script_u8(&s);
	}
	for (int i = 0; i < 2; i++) {
		node_init(&node, &conf, i ? &seed : &other, memory);
		node_recover(&node, now);
		(is_client ? check_client : check_relay)();
	}
	go_on();
	return 0;
}
