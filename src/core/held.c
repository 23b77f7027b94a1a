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

void held_add(struct held *h, uint32_t peer, uint32_t *head,
	      const uint8_t *data, uint16_t len, uint64_t now)
{
	uint32_t i = h->turn, *link = head;
	struct held_packet *k = &h->v[i];

	assert(k->owner == HELD_NONE && len <= sizeof(k->data));
	while (*link != HELD_NONE)
		link = &h->v[*link].next;
	*link = i;
	k->since = *head == i ? now : h->v[*head].since;
	k->owner = peer;
	k->next = HELD_NONE;
	k->len = len;
	memcpy(k->data, data, len);
	h->turn = i + 1 < h->capacity ? i + 1 : 0;
	h->n++;
}

const struct held_packet *held_first(const struct held *h, uint32_t head)
{
	return head == HELD_NONE ? NULL : &h->v[head];
}

void held_drop_first(struct held *h, uint32_t *head)
{
	struct held_packet *k = &h->v[*head];

	*head = k->next;
	k->owner = HELD_NONE;
	h->n--;
}

unsigned held_count(const struct held *h, uint32_t head)
{
	unsigned n = 0;

	for (uint32_t i = head; i != HELD_NONE; i = h->v[i].next)
		n++;
	return n;
}
