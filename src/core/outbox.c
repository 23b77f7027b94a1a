/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "outbox.h"

void outbox_init(struct outbox *o, const struct gate *gate)
{
	o->gate = gate;
	outbox_clear(o);
}

uint8_t *outbox_head(struct outbox *o)
{
	assert(o->used + OUT_HEAD <= OUT_BYTES);
	return o->bytes + o->used;
}

static struct out *add(struct outbox *o, size_t head_len, const void *body,
		       size_t body_len)
{
	struct out *a = &o->v[o->n++];

	assert(o->n <= OUT_MAX && head_len <= OUT_HEAD &&
	       body_len <= INNER_MAX + TAIL_MAX);
	a->super = NULL;
	a->head = o->bytes + o->used;
	a->head_len = (uint16_t)head_len;
	a->body = body;
	a->body_len = (uint16_t)body_len;
	o->used += (unsigned)head_len;
	return a;
}

static void add_udp(struct outbox *o, enum door door, struct tuple to,
		    size_t head_len, const void *body, size_t body_len)
{
	struct out *a = add(o, head_len, body, body_len);

	a->kind = OUT_UDP;
	a->door = door;
	a->to = to;
}

static void add_super(struct outbox *o, enum door door, struct tuple to,
		      const struct super *s)
{
	add_udp(o, door, to, 0, NULL, 0);
	o->v[o->n - 1].super = s;
}

enum reason outbox_udp(struct outbox *o, enum door door, struct tuple to,
		       size_t head_len, const void *body, size_t body_len)
{
	enum reason r = gate_target(o->gate, to);

	if (r == REASON_NONE)
		add_udp(o, door, to, head_len, body, body_len);
	return r;
}

enum reason outbox_super(struct outbox *o, enum door door, struct tuple to,
			 const struct super *s)
{
	enum reason r = gate_target(o->gate, to);

	if (r == REASON_NONE)
		add_super(o, door, to, s);
	return r;
}

void outbox_leased(struct outbox *o, enum door door, struct tuple to,
		   const struct super *s)
{
	if (s->kind == SUPER_NONE)
		add_udp(o, door, to, 0, s->p, s->len);
	else
		add_super(o, door, to, s);
}

enum reason outbox_neighbour(struct outbox *o, enum door door, struct tuple to,
			     size_t head_len, const void *body, size_t body_len)
{
	enum reason r = gate_neighbour(o->gate, to);

	if (r == REASON_NONE)
		add_udp(o, door, to, head_len, body, body_len);
	return r;
}

enum reason outbox_neighbour_super(struct outbox *o, enum door door,
				   struct tuple to, const struct super *s)
{
	enum reason r = gate_neighbour(o->gate, to);

	if (r == REASON_NONE)
		add_super(o, door, to, s);
	return r;
}

void outbox_group(struct outbox *o, size_t head_len)
{
	struct out *a = add(o, head_len, NULL, 0);

	a->kind = OUT_GROUP;
	o->at_once = true;
	a->door = DOOR_SERVICE;
}

void outbox_ip6(struct outbox *o, size_t head_len, const void *body,
		size_t body_len)
{
	add(o, head_len, body, body_len)->kind = OUT_IP6;
}
