/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fair.h"

#include <string.h>

#include "ratelim.h"

static const uint64_t SLICE_NS = FAIR_SLICE_MS * NS_PER_MS;

void fair_init(struct fair *f, const struct hash_key *key)
{
	*f = (struct fair){.key = *key, .share = UINT32_MAX};
}

/* What is carried of this slice if nobody has more than this. */
static uint64_t carried(const struct fair *f, uint32_t share)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < FAIR_PLACES; i++)
		sum += f->n[i] < share ? f->n[i] : share;
	return sum;
}

/* The largest share with which no more than this is carried; at least 1. */
static uint32_t share_for(const struct fair *f, uint64_t most)
{
	uint32_t low = 1, high = UINT32_MAX;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (carried(f, middle) <= most)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * Does one have much more than the others? If all have the same, the kernel
 * drops the same of each, and if there is only one, nobody is to be protected.
 */
static bool is_uneven(const struct fair *f)
{
	uint64_t sum = 0;
	uint32_t most = 0;
	unsigned senders = 0;

	for (unsigned i = 0; i < FAIR_PLACES; i++) {
		sum += f->n[i];
		senders += f->n[i] != 0;
		if (f->n[i] > most)
			most = f->n[i];
	}
	return 2 * (uint64_t)most * senders > 3 * sum;
}

static void end_slice(struct fair *f)
{
	f->calm = f->is_lossy ? 0 : f->calm + 1;
	if (f->is_lossy && f->patience == 0) {
		f->patience = FAIR_PATIENCE;
		f->share = is_uneven(f)
				   ? share_for(f, carried(f, f->share) / 4 * 3)
				   : UINT32_MAX;
		return;
	}
	if (f->patience)
		f->patience--;
	else if (f->share < UINT32_MAX / 2)
		f->share += f->share / 64 + 1;
}

void fair_begin(struct fair *f, uint32_t dropped, uint64_t now)
{
	bool more = dropped != f->dropped;

	f->dropped = dropped;
	f->is_lossy |= more;
	if (f->is_on ? now < f->ends : !more)
		return;
	if (f->is_on)
		end_slice(f);
	else
		f->calm = 0; /* from now on it is known who sends what */
	f->is_on = f->calm < FAIR_CALM;
	f->is_lossy = false;
	f->ends = now + SLICE_NS;
	f->slice++;
	if (!f->is_on)
		f->share = UINT32_MAX;
	memset(f->n, 0, sizeof(f->n));
}

bool fair_admits(struct fair *f, const void *who, size_t n, unsigned packets)
{
	uint32_t *place;

	if (!f->is_on)
		return true;
	/* Other bits of the hash in each slice. */
	place = &f->n[(hash_bytes(&f->key, who, n) >> f->slice % 56) %
		      FAIR_PLACES];
	*place += packets;
	return *place - packets < f->share;
}
