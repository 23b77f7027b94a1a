/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recent.h"

#include <string.h>

#include "ratelim.h"

static const uint64_t BUBBLE_GAP_NS = 2 * NS_PER_S;      /* C56 */
static const uint64_t BUBBLE_WINDOW_NS = 300 * NS_PER_S; /* C57 */

enum {
	LOGS_PER_PEER = 4
};

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t n = RECENT_MIN;

	while (n < at_least)
		n *= 2;
	return n;
}

static size_t aligned(size_t n)
{
	return (n + 63) / 64 * 64;
}

static size_t peers_size(uint32_t capacity)
{
	return aligned(capacity * sizeof(struct recent_peer));
}

static size_t index_size(uint32_t capacity)
{
	return aligned(power_of_two(capacity) * sizeof(uint32_t));
}

size_t recent_memory(uint32_t capacity)
{
	return peers_size(capacity) + index_size(capacity) +
	       (size_t)power_of_two(capacity * LOGS_PER_PEER) *
		       sizeof(struct bubble_log);
}

void recent_init(struct recent *r, uint32_t capacity,
		 const struct hash_key *key, void *mem)
{
	uint8_t *p = mem;

	assert(capacity >= RECENT_MIN && capacity <= RECENT_MAX);
	*r = (struct recent){
		.key = *key,
		.capacity = capacity,
		.mask = power_of_two(capacity) - 1,
		.log_mask = power_of_two(capacity * LOGS_PER_PEER) - 1,
		.unused = RECENT_NONE,
		.v = mem,
	};
	for (int s = 0; s < STANDINGS; s++)
		r->oldest[s] = r->newest[s] = RECENT_NONE;
	r->index = (void *)(p + peers_size(capacity));
	r->log = (void *)(p + peers_size(capacity) + index_size(capacity));
	memset(r->index, 0xff, sizeof(*r->index) * (r->mask + 1));
}

static uint32_t *slot(const struct recent *r, unsigned own, const struct ip6 *a)
{
	uint8_t key[sizeof(*a) + 1];

	memcpy(key, a->b, sizeof(*a));
	key[sizeof(*a)] = (uint8_t)own;
	return &r->index[hash_bytes(&r->key, key, sizeof(key)) & r->mask];
}

uint32_t recent_find(const struct recent *r, unsigned own, const struct ip6 *a)
{
	uint32_t i = *slot(r, own, a);

	while (i != RECENT_NONE &&
	       (r->v[i].own != own || !ip6_equal(&r->v[i].address, a)))
		i = r->v[i].chain;
	return i;
}

static void join(struct recent *r, uint32_t i, enum standing s)
{
	struct recent_peer *e = recent_at(r, i);

	e->standing = (uint8_t)s;
	e->newer = RECENT_NONE;
	e->older = r->newest[s];
	if (e->older == RECENT_NONE)
		r->oldest[s] = i;
	else
		recent_at(r, e->older)->newer = i;
	r->newest[s] = i;
	r->n[s]++;
}

static void leave(struct recent *r, uint32_t i)
{
	const struct recent_peer *e = recent_at(r, i);

	if (e->older == RECENT_NONE)
		r->oldest[e->standing] = e->newer;
	else
		recent_at(r, e->older)->newer = e->newer;
	if (e->newer == RECENT_NONE)
		r->newest[e->standing] = e->older;
	else
		recent_at(r, e->newer)->older = e->older;
	r->n[e->standing]--;
}

uint32_t recent_victim(const struct recent *r, enum standing s)
{
	return r->n[s] < r->capacity / STANDINGS ? RECENT_NONE : r->oldest[s];
}

static uint32_t take_unused(struct recent *r)
{
	uint32_t i = r->unused;

	if (i == RECENT_NONE) {
		assert(r->touched < r->capacity);
		return r->touched++;
	}
	r->unused = r->v[i].chain;
	return i;
}

uint32_t recent_add(struct recent *r, unsigned own, const struct ip6 *a)
{
	uint32_t i = take_unused(r);
	uint32_t *head = slot(r, own, a);

	*recent_at(r, i) = (struct recent_peer){
		.address = *a,
		.own = (uint8_t)own,
		.chain = *head,
		.held = RECENT_NONE,
		.due = UINT64_MAX,
	};
	*head = i;
	join(r, i, STANDING_UNTRUSTED);
	return i;
}

void recent_touch(struct recent *r, uint32_t i, enum standing s)
{
	if (r->newest[s] == i)
		return;
	leave(r, i);
	join(r, i, s);
}

void recent_remove(struct recent *r, uint32_t i)
{
	struct recent_peer *e = recent_at(r, i);
	uint32_t *link = slot(r, e->own, &e->address);

	while (*link != i)
		link = &r->v[*link].chain;
	*link = e->chain;
	leave(r, i);
	e->chain = r->unused;
	r->unused = i;
}

/* 0 means that an entry is unused. */
static uint64_t tag_of(const struct recent *r, const void *whom, size_t n)
{
	uint64_t tag = hash_bytes(&r->key, whom, n);

	return tag ? tag : 1;
}

/* The entries that may be somebody's: LOG_WAYS in a row. */
static struct bubble_log *ways(const struct recent *r, uint64_t tag)
{
	return &r->log[(tag & r->log_mask) / LOG_WAYS * LOG_WAYS];
}

static struct bubble_log *log_find(const struct recent *r, uint64_t tag)
{
	struct bubble_log *l = ways(r, tag);

	for (int i = 0; i < LOG_WAYS; i++) {
		if (l[i].tag == tag)
			return &l[i];
	}
	return NULL;
}

/* When the oldest of four leaves the window. */
static uint64_t window_opens(const struct bubble_log *l)
{
	uint32_t oldest = l->at_s[BUBBLES_IN_WINDOW - 1];

	return oldest ? oldest * NS_PER_S + BUBBLE_WINDOW_NS : 0;
}

uint64_t bubble_allowed(const struct recent *r, const void *whom, size_t n,
			uint64_t now)
{
	const struct bubble_log *l = log_find(r, tag_of(r, whom, n));

	if (!l)
		return now;
	if (window_opens(l) > now)
		return UINT64_MAX;
	return l->last + BUBBLE_GAP_NS > now ? l->last + BUBBLE_GAP_NS : now;
}

unsigned bubbles_spent(const struct recent *r, const void *whom, size_t n,
		       uint64_t now)
{
	const struct bubble_log *l = log_find(r, tag_of(r, whom, n));
	unsigned spent = 0;

	for (int i = 0; l && i < BUBBLES_IN_WINDOW; i++) {
		if (l->at_s[i] &&
		    l->at_s[i] * NS_PER_S + BUBBLE_WINDOW_NS > now)
			spent++;
	}
	return spent;
}

void bubble_note(struct recent *r, const void *whom, size_t n, uint64_t now)
{
	uint64_t tag = tag_of(r, whom, n);
	struct bubble_log *l = log_find(r, tag), *w = ways(r, tag);

	if (!l) {
		l = &w[0];
		for (int i = 1; i < LOG_WAYS; i++) {
			if (w[i].last < l->last)
				l = &w[i];
		}
		*l = (struct bubble_log){.tag = tag};
	}
	memmove(l->at_s + 1, l->at_s, sizeof(l->at_s) - sizeof(l->at_s[0]));
	l->at_s[0] = (uint32_t)(now / NS_PER_S) + 1; /* rounded up, never 0 */
	l->last = now;
}

void bubble_answered(struct recent *r, const void *whom, size_t n)
{
	struct bubble_log *l = log_find(r, tag_of(r, whom, n));

	if (l)
		memset(l->at_s, 0, sizeof(l->at_s));
}
