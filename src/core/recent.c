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
		.log_key = *key,
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

static void put_unused(struct recent *r, uint32_t i)
{
	struct recent_peer *e = recent_at(r, i);

	/* Whoever looks at it later. */
	e->standing = STANDING_UNTRUSTED;
	e->own = RECENT_ORPHAN;
	e->chain = r->unused;
	r->unused = i;
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

void recent_orphan(struct recent *r, uint32_t i)
{
	struct recent_peer *e = recent_at(r, i);
	uint32_t *link = slot(r, e->own, &e->address);

	while (*link != i)
		link = &r->v[*link].chain;
	*link = e->chain;
	e->own = RECENT_ORPHAN;
}

void recent_remove(struct recent *r, uint32_t i)
{
	struct recent_peer *e = recent_at(r, i);

	if (e->own != RECENT_ORPHAN)
		recent_orphan(r, i);
	leave(r, i);
	put_unused(r, i);
}

/* 0 means that an entry is unused. */
static uint64_t tag_of(const struct recent *r, const void *whom, size_t n)
{
	uint64_t tag = hash_bytes(&r->log_key, whom, n);

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

/* --- recovery; as in peers.c --- */

enum {
	AGES = 256
};

/* One that was written by somebody else may be neither. */
static bool is_set(const bool *b)
{
	uint8_t c;

	memcpy(&c, b, 1);
	return c == 1;
}

static uint64_t past(uint64_t t, uint64_t now)
{
	return t < now ? t : now;
}

/* What is left when nothing is under way. */
static void clean(struct recent_peer *e, uint64_t now)
{
	const struct recent_peer old = *e;

	*e = (struct recent_peer){
		.address = old.address,
		.own = old.own,
		.standing = old.standing,
		.talked = is_set(&e->talked),
		.sought = is_set(&e->sought),
		.is_lan = is_set(&e->is_lan),
		.door = old.door,
		.held = RECENT_NONE,
		.tuple = old.tuple,
		.lan = old.lan,
		.lan_heard = past(old.lan_heard, now),
		.heard = old.heard,
		.sent = past(old.sent, now),
		.tested = past(old.tested, now),
		.due = UINT64_MAX,
		.nonce_got = old.nonce_got,
		.speaks_6081 = is_set(&e->speaks_6081),
		.is_late = is_set(&e->is_late),
	};
}

static void join_oldest(struct recent *r, uint32_t i)
{
	struct recent_peer *e = recent_at(r, i);
	unsigned s = e->standing;

	e->older = RECENT_NONE;
	e->newer = r->oldest[s];
	if (e->newer == RECENT_NONE)
		r->newest[s] = i;
	else
		recent_at(r, e->newer)->older = i;
	r->oldest[s] = i;
	r->n[s]++;
}

static void readmit(struct recent *r, uint32_t i)
{
	struct recent_peer *e = recent_at(r, i);
	uint32_t *head = slot(r, e->own, &e->address);

	if (r->n[e->standing] == r->capacity / STANDINGS ||
	    recent_find(r, e->own, &e->address) != RECENT_NONE) {
		put_unused(r, i);
		return;
	}
	e->chain = *head;
	*head = i;
	join_oldest(r, i);
}

static void sort_by_age(struct recent *r, uint32_t *ages, uint64_t life,
			uint64_t now, recent_judge *judge, const void *arg)
{
	for (uint32_t i = r->capacity; i-- > 0;) {
		struct recent_peer *e = recent_at(r, i);
		uint64_t age = e->heard <= now ? now - e->heard : life;
		bool good = recent_is_trusted(e) && e->standing < STANDINGS &&
			    e->heard && age < life;
		uint32_t *first;

		if (good)
			clean(e, now);
		if (good && judge(arg, e)) {
			if (r->touched == 0)
				r->touched = i + 1;
			first = &ages[age / (life / AGES + 1)];
			e->older = *first;
			*first = i;
		} else if (r->touched) {
			put_unused(r, i);
		}
	}
}

static void recover_log(struct recent *r, uint64_t now)
{
	uint32_t now_s = (uint32_t)(now / NS_PER_S) + 1;

	for (uint32_t i = 0; i <= r->log_mask; i++) {
		struct bubble_log *l = &r->log[i];

		l->last = past(l->last, now);
		for (int k = 0; k < BUBBLES_IN_WINDOW; k++) {
			if (l->at_s[k] > now_s)
				l->at_s[k] = now_s;
		}
	}
}

void recent_recover(struct recent *r, uint64_t life, uint64_t now,
		    recent_judge *judge, const void *arg)
{
	uint32_t ages[AGES], older;

	memset(ages, 0xff, sizeof(ages));
	sort_by_age(r, ages, life, now, judge, arg);
	for (int a = 0; a < AGES; a++) {
		for (uint32_t i = ages[a]; i != RECENT_NONE; i = older) {
			older = recent_at(r, i)->older;
			readmit(r, i);
		}
	}
	recover_log(r, now);
}
