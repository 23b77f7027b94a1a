/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peers.h"

#include <string.h>

#include "ratelim.h"

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

	e->heard = e->bubbled = 0; /* it is none, whoever looks later */
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

static const uint64_t ASKED_NS = 2 * NS_PER_S; /* R21 */

/* What stays, chained by `older`. */
struct keeping {
	uint64_t life, now;
	uint32_t proven[AGES]; /* of about one age each */
	uint32_t probing;
};

/* A roll is put together from the youngest on: this is older than all. */
static void join_oldest(struct peers *p, uint32_t i, enum roll roll)
{
	struct peer *e = peers_at(p, i);

	e->roll = (uint8_t)roll;
	e->older = PEER_NONE;
	e->newer = p->oldest[roll];
	if (e->newer == PEER_NONE)
		p->newest[roll] = i;
	else
		peers_at(p, e->newer)->older = i;
	p->oldest[roll] = i;
	p->n[roll]++;
}

/* e is what the entry will be; its key is there. */
static void readmit(struct peers *p, uint32_t i, const struct peer *e)
{
	uint32_t *head = slot(p, e->key.b);
	enum roll roll = (enum roll)e->roll;
	uint32_t share =
		roll == ROLL_PROVEN ? proven_share(p) : p->max_unproven;

	if (p->n[roll] == share || find(p, *head, e->key.b) != PEER_NONE) {
		put_unused(p, i);
		return;
	}
	p->v[i] = *e;
	p->v[i].chain = *head;
	*head = i;
	join_oldest(p, i, roll);
}

static void readmit_proven(struct peers *p, uint32_t i)
{
	const struct peer *old = peers_at(p, i);
	const struct peer e = {
		.key = old->key,
		.roll = ROLL_PROVEN,
		.ip = old->ip,
		.port = old->port,
		.held = PEER_NONE,
		.heard = old->heard,
	};

	readmit(p, i, &e);
}

/* It may answer yet, and is asked again when that is allowed. */
static void readmit_probing(struct peers *p, uint32_t i, uint64_t now)
{
	const struct peer *old = peers_at(p, i);
	const struct peer e = {
		.key = old->key,
		.roll = ROLL_PROBING,
		.tries = old->tries,
		.nonce = old->nonce,
		.held = PEER_NONE,
		.heard = old->heard <= now ? old->heard : 0,
		.bubbled = old->bubbled,
		.due = now + ASKED_NS,
	};

	readmit(p, i, &e);
}

static bool is_within(uint64_t t, uint64_t ns, uint64_t now)
{
	return t && t <= now && now - t < ns;
}

/* The chain that an entry is to be in; NULL = none. */
static uint32_t *chain_for(struct keeping *k, const struct peer *e)
{
	if (e->roll == ROLL_PROVEN && is_within(e->heard, k->life, k->now))
		return &k->proven[(k->now - e->heard) / (k->life / AGES + 1)];
	if (e->roll == ROLL_PROBING && is_within(e->bubbled, ASKED_NS, k->now))
		return &k->probing;
	return NULL;
}

/*
 * From the last entry down, so that what was never used stays so, and entries
 * are taken in order again.
 */
static void sort_out(struct peers *p, struct keeping *k, peer_judge *judge,
		     const void *arg)
{
	for (uint32_t i = p->capacity; i-- > 0;) {
		struct peer *e = peers_at(p, i);
		uint32_t *first = chain_for(k, e);

		if (first && judge(arg, e)) {
			if (p->touched == 0)
				p->touched = i + 1;
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
	struct keeping k;
	uint32_t older;

	memset(&k, 0xff, sizeof(k)); /* PEER_NONE */
	k.life = life;
	k.now = now;
	sort_out(p, &k, judge, arg);
	for (int a = 0; a < AGES; a++) {
		for (uint32_t i = k.proven[a]; i != PEER_NONE; i = older) {
			older = peers_at(p, i)->older;
			readmit_proven(p, i);
		}
	}
	for (uint32_t i = k.probing; i != PEER_NONE; i = older) {
		older = peers_at(p, i)->older;
		readmit_probing(p, i, now);
	}
}

void peer_address(const struct peer *e, uint32_t prefix, struct ip6 *a)
{
	put32(a->b, prefix);
	memcpy(a->b + 4, e->key.b, sizeof(e->key.b));
}
