/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node.h"

/* The client's part comes first, and the relay's behind it is aligned. */
static size_t client_part(const struct node_conf *conf)
{
	return conf->is_client ? (client_memory(&conf->client) + 63) / 64 * 64
			       : 0;
}

size_t node_memory(const struct node_conf *conf)
{
	return client_part(conf) +
	       (conf->is_relay ? relay_memory(&conf->relay) : 0);
}

void node_init(struct node *n, const struct node_conf *conf,
	       const struct node_seed *seed, void *mem)
{
	struct rng rng = {.key = seed->rng};
	/* One key, and ranges of the counter that never meet. */
	struct rng client_rng = {.key = seed->rng, .count = UINT64_C(1) << 60};

	n->is_server = conf->is_server;
	n->is_relay = conf->is_relay;
	n->is_client = conf->is_client;
	n->is_native = false;
	n->stats = (struct stats){0};
	n->gate.self = &n->self;
	n->gate.prefix = conf->prefix;
	n->gate.own[0] = n->is_server ? conf->server.primary : 0;
	n->gate.own[1] = n->is_server ? conf->server.secondary : 0;
	n->gate.mapped = (struct tuple){0, 0};
	if (n->is_server)
		server_init(&n->server, &conf->server, &n->gate, &seed->table);
	if (n->is_relay)
		relay_init(&n->relay, &conf->relay, &n->gate, &n->stats,
			   &seed->table, &rng,
			   (uint8_t *)mem + client_part(conf));
	if (n->is_client)
		client_init(&n->client, &conf->client, &n->gate, &n->stats,
			    &seed->table, &client_rng, mem);
}

/* What the server rules leave to a relay in the same process (S41). */
static bool is_relay_business(enum reason server_said)
{
	return server_said == REASON_NOT_RELAYED ||
	       server_said == REASON_MISMATCH;
}

/*
 * Both roles on one socket: the server judges first. An echo request that it
 * passed on also shows the relay where that client is.
 */
static enum reason both(struct node *n, const struct datagram *d, uint64_t now,
			struct outbox *out)
{
	enum reason r = server_input(&n->server, d, now, out);
	struct frame f;

	if (is_relay_business(r) && d->door == n->relay.conf.door)
		return relay_from_ip4(&n->relay, d, now, out);
	if (r == REASON_TO_IPV6 &&
	    frame_parse(&f, d->data, d->len) == REASON_NONE)
		relay_heard(&n->relay, &f.ip->src, d->from, now, out);
	return r;
}

void node_from_ip4(struct node *n, const struct datagram *d, uint64_t now,
		   struct outbox *out)
{
	enum reason r;

	if (n->is_client && !n->is_native)
		r = client_from_ip4(&n->client, d, now, out);
	else if (n->is_server && n->is_relay)
		r = both(n, d, now, out);
	else if (n->is_server)
		r = server_input(&n->server, d, now, out);
	else if (d->door == n->relay.conf.door)
		r = relay_from_ip4(&n->relay, d, now, out);
	else
		r = REASON_NOT_OURS; /* of the client that does not work now */
	stats_count(&n->stats, r);
}

void node_from_ip6(struct node *n, const uint8_t *p, uint16_t len, uint64_t now,
		   struct outbox *out)
{
	if (n->is_client && !n->is_native)
		stats_count(&n->stats,
			    client_from_ip6(&n->client, p, len, now, out));
	else if (n->is_relay)
		stats_count(&n->stats,
			    relay_from_ip6(&n->relay, p, len, now, out));
}

void node_native(struct node *n, bool native, uint64_t now, struct outbox *out)
{
	if (!n->is_client)
		return;
	n->is_native = native && n->is_relay;
	client_want(&n->client, !n->is_native, now, out);
}

void node_timeout(struct node *n, uint64_t now, struct outbox *out)
{
	if (n->is_client)
		client_timeout(&n->client, now, out);
	if (n->is_relay)
		relay_timeout(&n->relay, now, out);
}

uint64_t node_next(const struct node *n)
{
	uint64_t relay = n->is_relay ? relay_next(&n->relay) : UINT64_MAX;
	uint64_t client = n->is_client ? client_next(&n->client) : UINT64_MAX;

	return relay < client ? relay : client;
}
