/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEAD = offsetof(struct node, server),
	TAIL = offsetof(struct node, relay),
};

static const uint8_t *tail(const struct node *n)
{
	return (const uint8_t *)n + TAIL;
}

/* But for the server if it is none: that is nine tenths of it. */
static void copy_node(struct node *to, const struct node *from)
{
	memcpy(to, from, HEAD);
	if (from->is_server)
		to->server = from->server;
	memcpy((uint8_t *)to + TAIL, tail(from), sizeof(*to) - TAIL);
}

static bool same_node(const struct node *a, const struct node *b)
{
	return memcmp(a, b, HEAD) == 0 &&
	       (!a->is_server ||
		memcmp(&a->server, &b->server, sizeof(a->server)) == 0) &&
	       memcmp(tail(a), tail(b), sizeof(*a) - TAIL) == 0;
}

void copy_save(struct copy *c, const struct rig *r)
{
	size_t n = node_memory(&r->conf);

	copy_free(c);
	copy_node(&c->node, &r->node);
	c->mem = malloc(n + 1);
	assert_non_null(c->mem);
	if (n)
		memcpy(c->mem, r->mem, n);
}

void copy_put_back(const struct copy *c, struct rig *r)
{
	size_t n = node_memory(&r->conf);

	copy_node(&r->node, &c->node);
	if (n)
		memcpy(r->mem, c->mem, n);
}

bool copy_is(const struct copy *c, const struct rig *r)
{
	size_t n = node_memory(&r->conf);

	return same_node(&c->node, &r->node) &&
	       (n == 0 || memcmp(c->mem, r->mem, n) == 0);
}

void copy_free(struct copy *c)
{
	free(c->mem);
	c->mem = NULL;
}

void record_clear(struct record *c)
{
	c->packets = 0;
	c->at_once = false;
	c->n = 0;
}

static void put(struct record *c, const void *bytes, size_t n)
{
	assert_in_range(c->n + n, 0, RECORD_SPACE);
	if (n)
		memcpy(c->b + c->n, bytes, n);
	c->n += n;
}

static void put_packet(struct record *c, const struct out *o, const void *head,
		       size_t head_len, const void *body, size_t body_len)
{
	bool to_peer = o->kind == OUT_UDP; /* else it has no tuple */
	const uint32_t where[] = {
		o->kind,
		o->kind == OUT_IP6 ? 0 : o->door,
		to_peer ? o->to.ip : 0,
		to_peer ? o->to.port : 0,
		(uint32_t)(head_len + body_len),
	};

	put(c, where, sizeof(where));
	put(c, head, head_len);
	put(c, body, body_len);
	c->packets++;
}

static void put_segments(struct record *c, const struct out *o)
{
	for (unsigned i = 0; i < super_count(o->super); i++) {
		uint8_t segment[2048];
		size_t n = super_segment(o->super, i, segment);

		put_packet(c, o, NULL, 0, segment, n);
	}
}

void record_take(struct record *c, struct record *own, struct outbox *out,
		 unsigned first)
{
	c->at_once |= out->at_once;
	for (unsigned i = first; i < out->n; i++) {
		const struct out *o = &out->v[i];

		if (o->super)
			put_segments(c, o);
		else
			put_packet(own && o->head_len ? own : c, o, o->head,
				   o->head_len, o->body, o->body_len);
	}
	outbox_clear(out);
}

void record_same(const struct record *got, const struct record *want,
		 const char *about, const char *file, int line)
{
	if (got->n == want->n && memcmp(got->b, want->b, want->n) == 0 &&
	    got->at_once == want->at_once)
		return;
	fprintf(stderr, "%s:%d: [%s] %u packets%s, not %u%s, or not the same\n",
		file, line, about, got->packets, got->at_once ? " at once" : "",
		want->packets, want->at_once ? " at once" : "");
	_fail(file, line);
}

void crowd(struct outbox *out, unsigned room)
{
	outbox_clear(out);
	out->n = OUT_MAX - room;
}

void gso_make(struct gso *g, const struct packet *whole, uint16_t size)
{
	bool is_tcp = whole->b[6] == NEXT_TCP;
	const struct vnet v = {
		.flags = VNET_NEEDS_CSUM,
		.gso_type = is_tcp ? VNET_TCP6 : VNET_UDP,
		.gso_size = size,
		.csum_start = IP6_LEN,
		.csum_offset = is_tcp ? 16 : 6,
	};

	g->memory = malloc(sizeof(v) + whole->n);
	assert_non_null(g->memory);
	memcpy(g->memory, &v, sizeof(v));
	memcpy(g->memory + sizeof(v), whole->b, whole->n);
	assert_int_equal(super_parse(&g->s, g->memory, sizeof(v) + whole->n),
			 REASON_NONE);
}

void gso_free(struct gso *g)
{
	free(g->memory);
	g->memory = NULL;
}
