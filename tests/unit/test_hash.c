/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyed hash and the generator. */
#include "hash.h"
#include "rig.h"

#include <endian.h>
#include <string.h>

/* Z24: it is SipHash-2-4; the vector is that of its authors. */
static void z24_siphash_vector(void **state)
{
	struct hash_key k;
	uint8_t in[15], got[8];
	uint64_t h;

	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		k.b[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		in[i] = i;
	h = htole64(hash_bytes(&k, in, sizeof(in)));
	memcpy(got, &h, 8);
	assert_memory_equal(got, "\xe5\x45\xbe\x49\x61\xca\x29\xa1", 8);
}

/* Z24: another key, another order. */
static void z24_key_matters(void **state)
{
	struct hash_key a = {{1}}, b = {{2}};

	(void)state;
	assert_int_not_equal(hash_bytes(&a, "x", 1), hash_bytes(&b, "x", 1));
	assert_int_not_equal(hash_bytes(&a, "x", 1), hash_bytes(&a, "y", 1));
	assert_int_not_equal(hash_bytes(&a, "x", 1), hash_bytes(&a, "x", 2));
}

static void test_same_seed_same_run(void **state)
{
	struct rng a = {.key = {{1}}}, b = a, c = {.key = {{3}}};
	unsigned same = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint32_t v = rng_u32(&a);

		assert_int_equal(v, rng_u32(&b));
		same += v == rng_u32(&c);
	}
	assert_in_range(same, 0, 1);
}

static void test_below(void **state)
{
	struct rng r = {.key = {{1}}};
	unsigned seen[200] = {0};

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint32_t v = rng_below(&r, 200);

		assert_in_range(v, 0, 199);
		seen[v]++;
	}
	for (int i = 0; i < 200; i++)
		assert_in_range(seen[i], 800, 1200);
	assert_int_equal(rng_below(&r, 1), 0);
}

/* A19: 0 means that there is none; the generator makes one here. */
static void a19_no_nonce_is_zero(void **state)
{
	const struct rng zero = {.key = {{1}}, .count = 6651769571};
	struct rng a = zero, b = zero;
	uint32_t n;

	(void)state;
	assert_int_equal(rng_u32(&a), 0);
	n = rng_nonce(&b);
	assert_int_not_equal(n, 0);
	assert_int_equal(n, rng_u32(&a));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rng_nonce(&b), rng_u32(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(z24_siphash_vector),
		cmocka_unit_test(z24_key_matters),
		cmocka_unit_test(test_same_seed_same_run),
		cmocka_unit_test(test_below),
		cmocka_unit_test(a19_no_nonce_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
