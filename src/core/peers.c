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

/* In the chain that begins with i. */
static uint32_t find(const struct peers *p, uint32_t i, const uint8_t *key)
{
	while (i != PEER_NONE &&
	       memcmp(p->v[i].key.b, key, sizeof(struct peer_key)) != 0)
		i = p->v[i].chain;
	return i;
}

uint32_t peers_find(const struct peers *p, const struct ip6 *a)
{
	const uint8_t *key = a->b + 4;

	return find(p, *slot(p, key), key);
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

static uint32_t proven_share(const struct peers *p)
{
	return p->capacity - p->max_unproven;
}

uint32_t peers_victim(const struct peers *p, enum roll roll)
{
	if (roll == ROLL_PROVEN) {
		if (p->n[ROLL_PROVEN] < proven_share(p))
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

static void put_unused(struct peers *p, uint32_t i)
{
	struct peer *e = peers_at(p, i);

	e->heard = 0; /* it is none, whoever looks at it later */
	e->chain = p->unused;
	p->unused = i;
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
	put_unused(p, i);
}

/* --- recovery --- */

enum {
	AGES = 1024
};

/* A table is put together from the youngest on: this is older than all. */
static void join_oldest(struct peers *p, uint32_t i)
{
	struct peer *e = peers_at(p, i);

	e->roll = ROLL_PROVEN;
	e->older = PEER_NONE;
	e->newer = p->oldest[ROLL_PROVEN];
	if (e->newer == PEER_NONE)
		p->newest[ROLL_PROVEN] = i;
	else
		peers_at(p, e->newer)->older = i;
	p->oldest[ROLL_PROVEN] = i;
	p->n[ROLL_PROVEN]++;
}

static void readmit(struct peers *p, uint32_t i)
{
	struct peer *e = peers_at(p, i), old = *e;
	uint32_t *head = slot(p, old.key.b);

	if (p->n[ROLL_PROVEN] == proven_share(p) ||
	    find(p, *head, old.key.b) != PEER_NONE) {
		put_unused(p, i);
		return;
	}
	*e = (struct peer){
		.key = old.key,
		.chain = *head,
		.ip = old.ip,
		.port = old.port,
		.held = PEER_NONE,
		.heard = old.heard,
	};
	*head = i;
	join_oldest(p, i);
}

/*
 * From the last entry down, so that what was never used stays so, and entries
 * are taken in order again. Those that stay are chained by their age.
 */
static void sort_by_age(struct peers *p, uint32_t *ages, uint64_t life,
			uint64_t now, peer_judge *judge, const void *arg)
{
	for (uint32_t i = p->capacity; i-- > 0;) {
		struct peer *e = peers_at(p, i);
		uint64_t age = e->heard <= now ? now - e->heard : life;
		uint32_t *first;

		if (e->roll == ROLL_PROVEN && e->heard && age < life &&
		    judge(arg, e)) {
			if (p->touched == 0)
				p->touched = i + 1;
			first = &ages[age / (life / AGES + 1)];
			e->older = *first;
			*first = i;
		} else if (p->touched) {
			put_unused(p, i);
		}
	}
}

void peers_recover(struct peers *p, uint64_t life, uint64_t now,
		   peer_judge *judge, const void *arg)
{
	uint32_t ages[AGES], older;

	memset(ages, 0xff, sizeof(ages));
	sort_by_age(p, ages, life, now, judge, arg);
	for (int a = 0; a < AGES; a++) {
		for (uint32_t i = ages[a]; i != PEER_NONE; i = older) {
			older = peers_at(p, i)->older;
			readmit(p, i);
		}
	}
}

void peer_address(const struct peer *e, uint32_t prefix, struct ip6 *a)
{
	put32(a->b, prefix);
	memcpy(a->b + 4, e->key.b, sizeof(e->key.b));
}
