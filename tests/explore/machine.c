/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node as bytes. Its memory is plain and stays where it is, so the pieces
 * that may change are copied out and in again. Large arrays, of which a scene
 * touches little, are left out but for that; machine_check() sees at the end of
 * a run that nothing else was ever written.
 *
 * The digest is over the same bytes. Left out are counters, and what is only
 * there to be counted: no decision and no check depends on them but I5, which
 * was checked.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

#include "lease.h"
#include "memo.h"

enum {
	HELD_SLOTS = 16, /* a scene holds fewer packets in all */
	HELD_BYTES = 80, /* of each, and they are shorter */
	SELF_IP4 = 4,
};

static void add(struct machine *m, void *p, size_t n, bool counts)
{
	if (m->n_parts == PARTS)
		abort();
	m->part[m->n_parts++] = (struct part){p, n, counts};
}

static void add_until(struct machine *m, void *p, void *end)
{
	add(m, p, (size_t)((uint8_t *)end - (uint8_t *)p), true);
}

static void add_held(struct machine *m, struct held *h)
{
	const size_t after = offsetof(struct held_packet, owner);

	for (int i = 0; i < HELD_SLOTS; i++) {
		struct held_packet *k = &h->v[i];

		add(m, &k->since, sizeof(k->since), false);
		add(m, &k->owner,
		    offsetof(struct held_packet, data) - after + HELD_BYTES,
		    true);
	}
}

/* Of an array of buckets, those that were used in the prologue. */
static void add_buckets(struct machine *m, struct bucket *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (v[i].full)
			add(m, &v[i], sizeof(v[i]), true);
	}
}

static void add_relay(struct machine *m)
{
	struct relay *r = &m->node.relay;

	add_until(m, r, r->sources);
	add_buckets(m, r->sources, RELAY_SOURCES);
	add_until(m, &r->moved, r + 1);
	add_until(m, r->peers.v, r->peers.index + r->peers.mask + 1);
	add_held(m, &r->held);
}

static void add_client(struct machine *m)
{
	struct client *c = &m->node.client;

	add_until(m, c, c + 1);
	add_until(m, c->recent.v, c->recent.log + c->recent.log_mask + 1);
	add_held(m, &c->held);
	/* Nobody reads it but the next life. */
	add(m, c->memos, sizeof(*c->memos), false);
}

void machine_settle(struct machine *m)
{
	struct node *n = &m->node;

	m->n_parts = 0;
	add_until(m, n, &n->self.ip4[SELF_IP4]);
	add_until(m, &n->self.has_source, n->gate.allow);
	add(m, &n->stats, sizeof(n->stats), false);
	add(m, &n->ledger, sizeof(n->ledger), false);
	add(m, &n->addresses, sizeof(n->addresses), true);
	if (n->is_server) {
		add_buckets(m, n->server.addresses, SERVER_ADDRESSES);
		add_buckets(m, n->server.networks, SERVER_NETWORKS);
	}
	if (n->is_relay)
		add_relay(m);
	if (n->is_client)
		add_client(m);
	m->node_then = malloc(sizeof(*n));
	m->mem_then = malloc(m->mem_size);
	if (!m->node_then || !m->mem_then)
		abort();
	memcpy(m->node_then, n, sizeof(*n));
	memcpy(m->mem_then, m->mem, m->mem_size);
}

/* What may differ is made the same; then all must be. */
static void check_memory(const struct machine *m, const void *now, void *then,
			 size_t n)
{
	for (unsigned i = 0; i < m->n_parts; i++) {
		size_t at = (size_t)(m->part[i].p - (const uint8_t *)now);

		if (at < n)
			memcpy((uint8_t *)then + at, m->part[i].p,
			       m->part[i].n);
	}
	if (memcmp(now, then, n) != 0)
		audit_failed("%s wrote where nothing was saved", m->name);
}

void machine_check(const struct machine *m)
{
	check_memory(m, &m->node, m->node_then, sizeof(m->node));
	check_memory(m, m->mem, m->mem_then, m->mem_size);
}

size_t machine_save(const struct machine *m, uint8_t *to)
{
	size_t at = 0;

	for (unsigned i = 0; i < m->n_parts; i++) {
		memcpy(to + at, m->part[i].p, m->part[i].n);
		at += m->part[i].n;
	}
	return at + audit_save(&m->audit, to + at);
}

size_t machine_load(struct machine *m, const uint8_t *from)
{
	size_t at = 0;

	for (unsigned i = 0; i < m->n_parts; i++) {
		memcpy(m->part[i].p, from + at, m->part[i].n);
		at += m->part[i].n;
	}
	return at + audit_load(&m->audit, from + at);
}

uint64_t machine_digest(const struct machine *m)
{
	uint64_t h = audit_digest(&m->audit);

	for (unsigned i = 0; i < m->n_parts; i++) {
		if (m->part[i].counts)
			h = digest_bytes(m->part[i].p, m->part[i].n, h);
	}
	return h;
}

void machine_init(struct machine *m, const char *name,
		  const struct node_conf *conf, struct tuple local)
{
	const struct node_seed seed = {{{1, 2, 3}}, {{4, 5, 6}}, {{7, 8, 9}}};

	audit_free(&m->audit);
	free(m->mem);
	free(m->node_then);
	free(m->mem_then);
	memset(m, 0, sizeof(*m));
	m->name = name;
	m->conf = *conf;
	m->local = local;
	m->mem_size = (node_memory(conf) + 63) / 64 * 64;
	m->mem = aligned_alloc(64, m->mem_size + 64);
	if (!m->mem)
		abort();
	memset(m->mem, 0, m->mem_size);
	node_init(&m->node, conf, &seed, m->mem);
	m->node.gate.public_only = true;
	m->node.self.n_ip4 = 1;
	m->node.self.ip4[0].ip = local.ip;
	m->node.self.ip4[0].len = 24;
	outbox_init(&m->out, &m->node.gate);
	audit_init(&m->audit, &m->node);
	m->audit.walk_every = 0;
}
