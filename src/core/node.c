/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node.h"

#include <string.h>

#include "decap.h"

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

const struct peer *node_peers(const struct node_conf *conf, const void *mem)
{
	return conf->is_relay ? (const void *)((const uint8_t *)mem +
					       client_part(conf))
			      : NULL;
}

const struct recent_peer *node_recent(const struct node_conf *conf,
				      const void *mem)
{
	return conf->is_client ? client_slab(mem) : NULL;
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
	n->ledger = (struct ledger){0};
	n->gate.self = &n->self;
	n->gate.prefix = conf->prefix;
	n->gate.own[0] = n->is_server ? conf->server.primary : 0;
	n->gate.own[1] = n->is_server ? conf->server.secondary : 0;
	n->gate.mapped = (struct tuple){0, 0};
	if (n->is_server)
		server_init(&n->server, &conf->server, &n->gate, &n->ledger,
			    &seed->table);
	if (n->is_relay)
		relay_init(&n->relay, &conf->relay, &n->gate, &n->stats,
			   &n->ledger, &seed->table, &rng,
			   (uint8_t *)mem + client_part(conf));
	if (n->is_client)
		client_init(&n->client, &conf->client, &n->gate, &n->stats,
			    &n->ledger, &seed->table, &client_rng, mem);
	n->client.recent.log_key = seed->log;
}

void node_recover(struct node *n, uint64_t now)
{
	if (n->is_relay)
		relay_recover(&n->relay, now);
	if (n->is_client)
		client_recover(&n->client, now);
}

void node_reconfigure(struct node *n, const struct node_conf *conf,
		      const struct gate *rules, uint64_t now,
		      struct outbox *out)
{
	n->gate.neighbour_len = rules->neighbour_len;
	n->gate.public_only = rules->public_only;
	n->gate.n_allow = rules->n_allow;
	n->gate.n_deny = rules->n_deny;
	memcpy(n->gate.allow, rules->allow, sizeof(n->gate.allow));
	memcpy(n->gate.deny, rules->deny, sizeof(n->gate.deny));
	n->addresses++; /* no lease outlives the rules it was granted by */
	if (n->is_server)
		server_reconfigure(&n->server, &conf->server);
	if (n->is_relay)
		relay_reconfigure(&n->relay, &conf->relay);
	if (n->is_client)
		client_reconfigure(&n->client, &conf->client, now, out);
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

static enum reason judge(struct node *n, const struct datagram *d, uint64_t now,
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
	return r;
}

void node_from_ip4(struct node *n, const struct datagram *d, uint64_t now,
		   struct outbox *out)
{
	stats_count(&n->stats, judge(n, d, now, out));
}

bool node_train_from_ip4(struct node *n, struct train *t, uint64_t now,
			 struct outbox *out)
{
	struct datagram d;

	t->model = NULL; /* things may have changed since the last call */
	while (outbox_has_room(out) && train_next(t, &d)) {
		const struct wire_ip6 *ip = train_plain(&d);
		enum reason r;

		if (ip && t->model && train_alike(t->model, ip)) {
			/* What machines note of a packet, they would only note
			 * again. */
			const struct frame f = {.ip = ip, .len = d.len};

			r = decapsulate(&f, d.ecn, out);
		} else {
			r = judge(n, &d, now, out);
			t->model = r == REASON_TO_IPV6 ? ip : NULL;
		}
		stats_count(&n->stats, r);
	}
	return train_ended(t);
}

bool node_super_from_ip6(struct node *n, const struct super *s, uint64_t now,
			 struct outbox *out)
{
	bool gone;

	if (n->is_client && !n->is_native)
		gone = client_super_from_ip6(&n->client, s, now, out);
	else
		gone = n->is_relay &&
		       relay_super_from_ip6(&n->relay, s, now, out);
	if (gone)
		stats_add(&n->stats, REASON_TO_IPV4, super_count(s));
	return gone;
}

enum reason node_from_ip6(struct node *n, const uint8_t *p, uint16_t len,
			  uint64_t now, struct outbox *out)
{
	enum reason r = REASON_NONE;

	if (n->is_client && !n->is_native)
		r = client_from_ip6(&n->client, p, len, now, out);
	else if (n->is_relay)
		r = relay_from_ip6(&n->relay, p, len, now, out);
	stats_count(&n->stats, r);
	return r;
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

uint32_t node_epoch(const struct node *n)
{
	return n->addresses + n->relay.moved + n->client.moved +
	       n->client.status.version;
}

bool node_lease(const struct node *n, struct lease *l, enum lease_way way,
		const struct wire_ip6 *ip, uint64_t now)
{
	*l = (struct lease){
		.src = ip->src,
		.dst = ip->dst,
		.way = way,
		.epoch = node_epoch(n),
	};
	if (n->is_client && !n->is_native)
		return client_lease(&n->client, l, now);
	return n->is_relay && relay_lease(&n->relay, l, now);
}
