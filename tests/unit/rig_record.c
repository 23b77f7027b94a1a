/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void copy_save(struct copy *c, const struct rig *r)
{
	size_t n = node_memory(&r->conf);

	node_copy(&c->node, &r->node);
	c->mem = realloc(c->mem, n + 1);
	assert_non_null(c->mem);
	if (n)
		memcpy(c->mem, r->mem, n);
}

void copy_put_back(const struct copy *c, struct rig *r)
{
	size_t n = node_memory(&r->conf);

	node_copy(&r->node, &c->node);
	if (n)
		memcpy(r->mem, c->mem, n);
}

bool copy_is(const struct copy *c, const struct rig *r)
{
	size_t n = node_memory(&r->conf);

	return node_same(&c->node, &r->node) &&
	       (n == 0 || memcmp(c->mem, r->mem, n) == 0);
}

void copy_free(struct copy *c)
{
	free(c->mem);
	c->mem = NULL;
}

void record_take(struct record *c, struct record *own, struct outbox *out,
		 unsigned first)
{
	record_note(c, own, out, first);
	outbox_clear(out);
}

void record_same(const struct record *got, const struct record *want,
		 const char *about, const char *file, int line)
{
	if (record_equal(got, want))
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
