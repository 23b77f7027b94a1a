/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Token buckets, each in eight bytes: only the time at which the bucket will
 * be full again is kept, so a bucket of zeros is full and one of a large table
 * needs no upkeep. Times are nanoseconds on the machine's clock.
 */
#ifndef CORE_RATELIM_H
#define CORE_RATELIM_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

struct rate {
	uint32_t per_second; /* 0: no limit */
	uint32_t burst;      /* at least 1 */
};

struct bucket {
	uint64_t full;
};

/* Take a token; false if there is none. */
bool bucket_take(struct bucket *b, const struct rate *r, uint64_t now);

#endif
