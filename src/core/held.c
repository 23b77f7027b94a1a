/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "held.h"

#include <string.h>

size_t held_memory(uint32_t capacity)
{
	return (size_t)capacity * sizeof(struct held_packet);
}

void held_init(struct held *h, uint32_t capacity, void *mem)
{
	assert(capacity >= HELD_MIN && capacity <= HELD_MAX);
	*h = (struct held){.v = mem, .capacity = capacity};
	for (uint32_t i = 0; i < capacity; i++)
		h->v[i].owner = HELD_NONE;
}

uint32_t held_in_the_way(const struct held *h)
{
	return h->v[h->turn].owner;
}

void held_add(struct held *h, struct peers *p, uint32_t peer,
	      const uint8_t *data, uint16_t len)
{
	uint32_t i = h->turn, *link = &peers_at(p, peer)->held;
	struct held_packet *k = &h->v[i];

	assert(k->owner == HELD_NONE && len <= sizeof(k->data));
	while (*link != HELD_NONE)
		link = &h->v[*link].next;
	*link = i;
	k->owner = peer;
	k->next = HELD_NONE;
	k->len = len;
	memcpy(k->data, data, len);
	h->turn = i + 1 < h->capacity ? i + 1 : 0;
	h->n++;
}

const struct held_packet *held_first(const struct held *h, const struct peer *e)
{
	return e->held == HELD_NONE ? NULL : &h->v[e->held];
}

void held_drop_first(struct held *h, struct peer *e)
{
	struct held_packet *k = &h->v[e->held];

	e->held = k->next;
	k->owner = HELD_NONE;
	h->n--;
}

unsigned held_count(const struct held *h, const struct peer *e)
{
	unsigned n = 0;

	for (uint32_t i = e->held; i != HELD_NONE; i = h->v[i].next)
		n++;
	return n;
}
