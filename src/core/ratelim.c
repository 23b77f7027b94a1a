/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ratelim.h"

bool bucket_take(struct bucket *b, const struct rate *r, uint64_t now)
{
	uint64_t cost, full;

	if (r->per_second == 0)
		return true;
	cost = NS_PER_S / r->per_second;
	full = b->full > now ? b->full : now;
	/* full - now is what is missing from the bucket, in time. */
	if (full - now + cost > r->burst * cost)
		return false;
	b->full = full + cost;
	return true;
}
