/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a file and options to the core's configuration: what plan_check() finds
 * nothing wrong with, a node can be made of, and its numbers are sane. First
 * bytes: options, memory, processors; the rest is the file.
 */
#include "fuzz.h"

#include "lane.h"
#include "plan.h"

enum {
	NODE_MEMORY = 16 << 20 /* larger ones are not tried */
};

static void some_options(struct script *s, struct options *o)
{
	static const char *const roles[] = {NULL,     "client", "relay",
					    "server", "auto",   NULL};
	uint8_t k = script_u8(s);

	*o = (struct options){.tun_fd = -1, .udp_fd = {-1, -1}};
	o->role = roles[k % 6];
	o->as_server = k & 0x40;
	o->names_server_addr = k & 0x80;
	if (k & 0x20)
		o->n_udp = 1;
}

static void check_rate(struct rate r)
{
	/* 0 a second is no limit; 0 at once would be none at all. */
	WANT(r.burst > 0 && r.burst >= r.per_second / 2);
}

static void check_relay(const struct relay_conf *r)
{
	WANT(r->max_peers >= PEERS_MIN && r->max_peers <= PEERS_MAX);
	WANT(r->max_held >= HELD_MIN);
	WANT(r->mtu >= TEREDO_MTU && r->mtu <= INNER_MAX);
	WANT(r->n_served <= RELAY_MAX_SERVED);
	check_rate(r->strangers);
	check_rate(r->per_source);
	check_rate(r->answers);
	check_rate(r->known);
	check_rate(r->repeats);
	check_rate(r->errors);
}

static void check_server(const struct plan *p)
{
	static const struct self nobody;
	const struct server_conf *s = &p->node.server;
	struct gate g = p->gate;

	g.self = &nobody;
	WANT(s->primary != s->secondary);
	WANT(gate_is_global(&g, (struct tuple){s->primary, TEREDO_PORT}));
	WANT(gate_is_global(&g, (struct tuple){s->secondary, TEREDO_PORT}));
	WANT(s->mtu >= TEREDO_MTU && s->mtu <= INNER_MAX);
	check_rate(s->per_address);
	check_rate(s->per_network);
}

static void check_client(const struct client_conf *k)
{
	WANT(k->n_servers >= 1 && k->n_servers <= CLIENT_SERVERS);
	WANT(k->refresh_s >= CLIENT_MIN_REFRESH &&
	     k->refresh_s <= CLIENT_MAX_REFRESH);
	WANT(k->max_peers >= RECENT_MIN && k->max_peers <= RECENT_MAX);
	WANT(k->max_held >= HELD_MIN);
	WANT(k->mtu >= TEREDO_MTU && k->mtu <= INNER_MAX);
	check_rate(k->bubbles);
	check_rate(k->tests);
	check_rate(k->strangers);
}

/* An idle node: what it does first is due sometime. */
static void make_node(const struct plan *p)
{
	static const struct node_seed seed = {{{1}}, {{2}}, {{3}}};
	static struct node node;
	size_t n = (node_memory(&p->node) + 63) / 64 * 64;
	void *mem;

	if (n > NODE_MEMORY)
		return;
	mem = aligned_alloc(64, n ? n : 64);
	WANT(mem);
	memset(mem, 0, n);
	node_init(&node, &p->node, &seed, mem);
	WANT(node_next(&node) > 0);
	free(mem);
}

static void check(const struct plan *p)
{
	const struct node_conf *n = &p->node;

	WANT(n->is_server || n->is_client || n->is_relay);
	WANT(!n->is_server || !n->is_client);
	WANT(p->threads >= 1 && p->threads <= LANES_MAX);
	WANT((n->prefix & 0xe0000000) == 0x20000000);
	if (n->is_server)
		check_server(p);
	if (n->is_relay)
		check_relay(&n->relay);
	if (n->is_client)
		check_client(&n->client);
	make_node(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	static struct report r;
	uint64_t memory;
	struct options o;
	struct conf c;
	struct plan p;
	unsigned processors;
	FILE *f;

	some_options(&s, &o);
	memory = (uint64_t)script_u8(&s) << (16 + script_u8(&s) % 24);
	processors = 1 + script_u8(&s);
	if (!s.n)
		return 0;
	f = fmemopen((void *)(uintptr_t)s.p, s.n, "r");
	WANT(f);
	memset(&r, 0, sizeof(r));
	conf_defaults(&c);
	conf_read(&c, f, "fuzz", &r);
	fclose(f);
	plan_check(&c, &o, &r);
	if (r.errors)
		return 0;
	plan_make(&p, &c, &o, memory, processors);
	check(&p);
	return 0;
}
