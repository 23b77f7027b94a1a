/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "whole.h"

static const char *walk_roll(const struct peers *p, enum roll roll)
{
	uint32_t i = p->oldest[roll], last = PEER_NONE, n = 0;

	for (; i != PEER_NONE; i = peers_at(p, i)->newer) {
		const struct peer *e;
		struct ip6 a;

		if (i >= p->touched || n++ >= p->n[roll])
			return "a roll goes on and on";
		e = peers_at(p, i);
		if (e->roll != roll || e->older != last)
			return "an entry is in a roll, and knows nothing of it";
		peer_address(e, 0x20010000, &a);
		if (peers_find(p, &a) != i)
			return "an entry is not found";
		last = i;
	}
	if (p->newest[roll] != last || p->n[roll] != n)
		return "a roll ends elsewhere";
	return NULL;
}

const char *whole_peers(const struct peers *p)
{
	uint32_t unused = p->capacity - p->touched, used = 0;

	for (int roll = 0; roll < ROLL_COUNT; roll++) {
		const char *wrong = walk_roll(p, (enum roll)roll);

		if (wrong)
			return wrong;
		used += p->n[roll];
	}
	for (uint32_t i = p->unused; i != PEER_NONE;
	     i = peers_at(p, i)->chain) {
		if (i >= p->touched || unused++ >= p->capacity)
			return "the chain of the unused goes on and on";
	}
	if (used + unused != p->capacity)
		return "an entry is lost";
	if (p->n[ROLL_PROBING] + p->n[ROLL_FAILED] > p->max_unproven)
		return "too many are not proven";
	return p->n[ROLL_PROVEN] > p->capacity - p->max_unproven
		       ? "too many are proven"
		       : NULL;
}

static const char *walk_standing(const struct recent *r, unsigned s)
{
	uint32_t i = r->oldest[s], last = RECENT_NONE, n = 0;

	for (; i != RECENT_NONE; i = recent_at(r, i)->newer) {
		const struct recent_peer *e;

		if (i >= r->touched || n++ >= r->n[s])
			return "a list goes on and on";
		e = recent_at(r, i);
		if (e->standing != s || e->older != last)
			return "an entry is in a list, and knows nothing of it";
		if (recent_find(r, e->own, &e->address) != i)
			return "an entry is not found";
		last = i;
	}
	if (r->newest[s] != last || r->n[s] != n)
		return "a list ends elsewhere";
	return n > r->capacity / STANDINGS ? "a list is too long" : NULL;
}

const char *whole_recent(const struct recent *r)
{
	uint32_t unused = r->capacity - r->touched, used = 0;

	for (unsigned s = 0; s < STANDINGS; s++) {
		const char *wrong = walk_standing(r, s);

		if (wrong)
			return wrong;
		used += r->n[s];
	}
	for (uint32_t i = r->unused; i != RECENT_NONE;
	     i = recent_at(r, i)->chain) {
		if (i >= r->touched || unused++ >= r->capacity)
			return "the chain of the unused goes on and on";
	}
	return used + unused == r->capacity ? NULL : "an entry is lost";
}
