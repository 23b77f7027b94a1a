/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksum of ICMPv6 with its pseudo-header, 8200 §8.1; its parts. */
#include "csum.h"
#include "rig.h"

#include <string.h>

static struct packet p;

static uint16_t sum(void)
{
	return csum_ip6((const void *)p.b, 58);
}

/* The solicitation and the advertisement of the vectors. */
static void test_vectors(void **state)
{
	(void)state;
	hex(&p, "60000000 00083aff fe800000 00000000 14673caf 3f57fefa"
		"ff020000 00000000 00000000 00000002 8500edce 00000000");
	assert_int_equal(sum(), 0);
	put16(p.b + 42, 0);
	assert_int_equal(sum(), 0xedce);
	hex(&p, "60000000 00383aff fe800000 00000000 8000f227 34ff8e87"
		"fe800000 00000000 14673caf 3f57fefa 86000db4 00000000"
		"00000000 00000000 03044040 ffffffff ffffffff 00000000"
		"20010000 cb007178 00000000 00000000 05010000 00000500");
	assert_int_equal(sum(), 0);
}

/* S8: a flipped bit anywhere in addresses and payload is noticed. */
static void s8_every_bit_counts(void **state)
{
	(void)state;
	echo_request(&p, native, client);
	assert_int_equal(sum(), 0);
	for (size_t i = 8; i < p.n; i++) {
		flip(&p, i, 0x10);
		assert_int_not_equal(sum(), 0);
		flip(&p, i, 0x10);
	}
	assert_int_not_equal(csum_ip6((const void *)p.b, 17), 0);
}

static void test_odd_length(void **state)
{
	(void)state;
	icmp6(&p, native, client, 128, 0, "00010002 fedcba9876");
	assert_int_equal(sum(), 0);
	flip(&p, p.n - 1, 0x80);
	assert_int_not_equal(sum(), 0);
}

/* Many carries: the sum is folded as often as it takes. */
static void test_all_ones(void **state)
{
	(void)state;
	data_of(&p, native, client, 1472, 0xff);
	put16(p.b + 42, 0);
	put16(p.b + 42, icmp6_sum(p.b));
	assert_int_equal(sum(), 0);
}

/* By the book: 1071 §1, one word after the other. */
static uint16_t slow(const uint8_t *b, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i++) {
		s += i & 1 ? b[i] : (uint32_t)b[i] << 8;
		s = (s & 0xffff) + (s >> 16);
	}
	return (uint16_t)s;
}

static void fill(uint8_t *b, size_t n)
{
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		b[i] = (uint8_t)(x >> 16);
	}
}

/* Each length on each alignment: no byte is left out, none beyond counts. */
static void test_lengths_and_places(void **state)
{
	uint8_t b[160];

	(void)state;
	fill(b, sizeof(b));
	for (size_t at = 0; at < 16; at++) {
		for (size_t n = 0; at + n <= sizeof(b); n++)
			assert_int_equal(csum_fold(csum_add(0, b + at, n)),
					 slow(b + at, n));
	}
}

/* A whole cut in two, at even and at odd places. */
static void test_pieces(void **state)
{
	uint8_t b[101];

	(void)state;
	fill(b, sizeof(b));
	for (size_t at = 0; at <= sizeof(b); at++) {
		uint64_t first = csum_add(0, b, at);
		const uint8_t *rest = b + at;
		size_t n = sizeof(b) - at;
		uint64_t whole =
			at & 1 ? csum_join_odd(first, csum_add(0, rest, n))
			       : csum_add(first, rest, n);

		assert_int_equal(csum_fold(whole), slow(b, sizeof(b)));
	}
}

/* The carry out of 64 bits comes around, from each of the sums. */
static void test_carry(void **state)
{
	uint8_t ones[96], b[96];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(csum_fold(csum_add(0, ones, sizeof(ones))), 0xffff);
	assert_int_equal(csum_fold(csum_add(UINT64_MAX, "\0\1", 2)), 1);
	for (size_t at = 0; at < sizeof(b); at += 2) {
		memset(b, 0xff, sizeof(b));
		put16(b + at, 0x1234);
		assert_int_equal(csum_fold(csum_add(UINT64_MAX, b, sizeof(b))),
				 0x1234);
	}
}

static void test_fold(void **state)
{
	(void)state;
	assert_int_equal(csum_fold(0), 0);
	assert_int_equal(csum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(csum_fold(csum_add16(0, 0x1234)), 0x1234);
	assert_int_equal(csum_fold(csum_add16(csum_add16(0, 0xffff), 1)), 1);
	assert_int_equal(csum_fold(UINT64_C(0xffffffffffff0001)), csum_fold(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(s8_every_bit_counts),
		cmocka_unit_test(test_odd_length),
		cmocka_unit_test(test_all_ones),
		cmocka_unit_test(test_lengths_and_places),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_carry),
		cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
