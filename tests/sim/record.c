/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record.h"

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
void node_copy(struct node *to, const struct node *from)
{
	memcpy(to, from, HEAD);
	if (from->is_server)
		to->server = from->server;
	memcpy((uint8_t *)to + TAIL, tail(from), sizeof(*to) - TAIL);
}

bool node_same(const struct node *a, const struct node *b)
{
	return memcmp(a, b, HEAD) == 0 &&
	       (!a->is_server ||
		memcmp(&a->server, &b->server, sizeof(a->server)) == 0) &&
	       memcmp(tail(a), tail(b), sizeof(*a) - TAIL) == 0;
}

void record_clear(struct record *c)
{
	c->packets = 0;
	c->at_once = false;
	c->n = 0;
}

static void put(struct record *c, const void *bytes, size_t n)
{
	if (n && c->n + n <= RECORD_SPACE)
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
	static uint8_t segment[1 << 17];

	for (unsigned i = 0; i < super_count(o->super); i++) {
		size_t n = super_segment(o->super, i, segment);

		put_packet(c, o, NULL, 0, segment, n);
	}
}

void record_note(struct record *c, struct record *own, const struct outbox *out,
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
}

bool record_equal(const struct record *a, const struct record *b)
{
	return a->n == b->n && a->n <= RECORD_SPACE &&
	       a->at_once == b->at_once && memcmp(a->b, b->b, a->n) == 0;
}
