/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 under a secret key (libsodium's crypto_shorthash), used twice:
 * as the hash of tables whose keys strangers choose (Z24), and in counter mode
 * as the generator of nonces and jitter. A machine's randomness is an argument
 * like its time: same seed, same run, whatever the order of bytes.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

enum {
	HASH_KEY_LEN = 16
};

struct hash_key {
	uint8_t b[HASH_KEY_LEN];
};

uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t n);

struct rng {
	struct hash_key key; /* from the kernel's generator; never shown */
	uint64_t count;
};

uint32_t rng_u32(struct rng *r);

/* Not zero, which means none (A19). */
uint32_t rng_nonce(struct rng *r);

/* Uniform in [0, n) but for a bias below 2^-32; n is not 0. */
uint32_t rng_below(struct rng *r, uint32_t n);

#endif
