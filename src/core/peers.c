/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peers.h"

#include <string.h>

static uint32_t index_size(uint32_t capacity)
{
	uint32_t n = PEERS_MIN;

	while (n < capacity)
		n *= 2;
	return n;
}

size_t peers_memory(uint32_t capacity)
{
	return (size_t)capacity * sizeof(struct peer) +
	       (size_t)index_size(capacity) * sizeof(uint32_t);
}

void peers_init(struct peers *p, uint32_t capacity, const struct hash_key *key,
		void *mem)
{
	assert(capacity >= PEERS_MIN && capacity <= PEERS_MAX);
	*p = (struct peers){
		.key = *key,
		.capacity = capacity,
		.max_unproven = capacity / PEERS_UNPROVEN_SHARE,
		.mask = index_size(capacity) - 1,
		.unused = PEER_NONE,
		.v = mem,
	};
	p->index = (void *)(p->v + capacity);
	for (int r = 0; r < ROLL_COUNT; r++)
		p->oldest[r] = p->newest[r] = PEER_NONE;
	memset(p->index, 0xff, sizeof(*p->index) * (p->mask + 1));
}

static uint32_t *slot(const struct peers *p, const uint8_t *key)
{
	uint64_t h = hash_bytes(&p->key, key, sizeof(struct peer_key));

	return &p->index[h & p->mask];
}

uint32_t peers_find(const struct peers *p, const struct ip6 *a)
{
	const uint8_t *key = a->b + 4;
	uint32_t i = *slot(p, key);

	while (i != PEER_NONE &&
	       memcmp(p->v[i].key.b, key, sizeof(struct peer_key)) != 0)
		i = p->v[i].chain;
	return i;
}

static void roll_join(struct peers *p, uint32_t i, enum roll roll)
{
	struct peer *e = peers_at(p, i);

	e->roll = (uint8_t)roll;
	e->newer = PEER_NONE;
	e->older = p->newest[roll];
	if (e->older == PEER_NONE)
		p->oldest[roll] = i;
	else
		peers_at(p, e->older)->newer = i;
	p->newest[roll] = i;
	p->n[roll]++;
}

static void roll_leave(struct peers *p, uint32_t i)
{
	const struct peer *e = peers_at(p, i);

	if (e->older == PEER_NONE)
		p->oldest[e->roll] = e->newer;
	else
		peers_at(p, e->older)->newer = e->newer;
	if (e->newer == PEER_NONE)
		p->newest[e->roll] = e->older;
	else
		peers_at(p, e->newer)->older = e->older;
	p->n[e->roll]--;
}

static uint32_t n_unproven(const struct peers *p)
{
	return p->n[ROLL_PROBING] + p->n[ROLL_FAILED];
}

uint32_t peers_victim(const struct peers *p, enum roll roll)
{
	if (roll == ROLL_PROVEN) {
		if (p->n[ROLL_PROVEN] < p->capacity - p->max_unproven)
			return PEER_NONE;
		return p->oldest[ROLL_PROVEN];
	}
	if (n_unproven(p) < p->max_unproven)
		return PEER_NONE;
	/* What has failed is worth least. */
	if (p->n[ROLL_FAILED])
		return p->oldest[ROLL_FAILED];
	return p->oldest[ROLL_PROBING];
}

/* There is one: both shares together are the capacity. */
static uint32_t take_unused(struct peers *p)
{
	uint32_t i = p->unused;

	if (i == PEER_NONE) {
		assert(p->touched < p->capacity);
		return p->touched++;
	}
	p->unused = p->v[i].chain;
	return i;
}

uint32_t peers_add(struct peers *p, const struct ip6 *a, enum roll roll)
{
	uint32_t i = take_unused(p);
	uint32_t *head = slot(p, a->b + 4);
	struct peer *e = peers_at(p, i);

	*e = (struct peer){.chain = *head, .held = PEER_NONE};
	memcpy(e->key.b, a->b + 4, sizeof(e->key.b));
	*head = i;
	roll_join(p, i, roll);
	return i;
}

void peers_move(struct peers *p, uint32_t i, enum roll roll)
{
	roll_leave(p, i);
	roll_join(p, i, roll);
}

void peers_remove(struct peers *p, uint32_t i)
{
	struct peer *e = peers_at(p, i);
	uint32_t *link = slot(p, e->key.b);

	while (*link != i)
		link = &p->v[*link].chain;
	*link = e->chain;
	roll_leave(p, i);
	e->chain = p->unused;
	p->unused = i;
}

void peer_address(const struct peer *e, uint32_t prefix, struct ip6 *a)
{
	put32(a->b, prefix);
	memcpy(a->b + 4, e->key.b, sizeof(e->key.b));
}
