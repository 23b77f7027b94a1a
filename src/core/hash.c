/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hash.h"

#include <assert.h>
#include <endian.h>

#include <sodium/crypto_shorthash.h>

static_assert(HASH_KEY_LEN == crypto_shorthash_KEYBYTES, "SipHash key");
static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "SipHash result");

uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t n)
{
	union {
		uint8_t b[crypto_shorthash_BYTES];
		uint64_t u;
	} h;

	crypto_shorthash(h.b, p, n, k->b);
	return le64toh(h.u);
}

uint32_t rng_u32(struct rng *r)
{
	uint64_t n = htole64(r->count++);

	return (uint32_t)hash_bytes(&r->key, &n, sizeof(n));
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((uint64_t)rng_u32(r) * n >> 32);
}

uint32_t rng_nonce(struct rng *r)
{
	uint32_t n;

	do
		n = rng_u32(r);
	while (n == 0);
	return n;
}
