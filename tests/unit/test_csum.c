/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksum of ICMPv6 with its pseudo-header, 8200 §8.1. */
#include "csum.h"
#include "rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(s8_every_bit_counts),
		cmocka_unit_test(test_odd_length),
		cmocka_unit_test(test_all_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
