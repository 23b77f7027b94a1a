/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMPv6 errors, 4443 §2.4 and §3. */
#include "icmp6.h"
#include "rig.h"

#include <string.h>

static struct packet p, error;

static bool may(uint8_t type)
{
	return icmp6_may_complain((const void *)p.b, type);
}

static void make(uint8_t type, uint8_t code, uint32_t mtu)
{
	memset(error.b, 0xff, sizeof(error.b));
	error.n = icmp6_error(error.b, type, code, mtu, &home,
			      (const void *)p.b, p.n);
}

/* R24: Address Unreachable quotes the packet, byte for byte. */
static void r24_bytes(void **state)
{
	struct packet want;

	(void)state;
	bubble(&p, native, client);
	make(1, 3, 0);
	hex(&want, "60000000 00303a40"
		   "20010db8 00090000 00000000 00000009"
		   "20010db8 00000000 00000000 00000001"
		   "01030000 00000000"
		   "60000000 00003b40"
		   "20010db8 00000000 00000000 00000001"
		   "20010000 09000002 0000efff f4fffffa");
	fix_icmp6(&want);
	same_packet(&error, &want);
}

/* R23: Packet Too Big names the MTU; no error is larger than 1280. */
static void r23_r25_size(void **state)
{
	(void)state;
	for (size_t n = 40; n <= 1472; n++) {
		data_of(&p, native, client, n, 0x55);
		make(2, 0, 1280);
		assert_int_equal(error.n, n + 48 < 1280 ? n + 48 : 1280);
		assert_int_equal(be16(error.b + 4), error.n - 40);
		assert_int_equal(error.b[40], 2);
		assert_int_equal(be32(error.b + 44), 1280);
		assert_memory_equal(error.b + 48, p.b, error.n - 48);
		assert_int_equal(icmp6_sum(error.b), 0);
	}
}

/* R25, Z30: about what no error may be sent. */
static void r25_z30_rules(void **state)
{
	static const uint8_t errors[] = {0, 1, 2, 3, 4, 100, 101, 127, 137};
	static const uint8_t queries[] = {128, 129, 133, 134, 135, 136, 138};

	(void)state;
	data(&p, native, client);
	assert_true(may(1));
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		icmp6(&p, native, client, errors[i], 0, "00000000");
		if (may(1) || may(2))
			fail_msg("type %u", errors[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(queries); i++) {
		icmp6(&p, native, client, queries[i], 0, "00000000");
		if (!may(1))
			fail_msg("type %u", queries[i]);
	}
	/* Multicast: only Packet Too Big. */
	data(&p, native, ip6("ff0e::1"));
	assert_false(may(1));
	assert_true(may(2));
}

/* R25: a source that is no single node, or not reachable at all. */
static void r25_sources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_impossible_sources; i++) {
		if (strncmp(impossible_sources[i], "2002", 4) == 0)
			continue;
		data(&p, ip6(impossible_sources[i]), client);
		if (may(1) || may(2))
			fail_msg("%s", impossible_sources[i]);
	}
	data(&p, ip6("fe80::1"), client);
	assert_false(may(1));
}

/* R25: behind extension headers, too; what cannot be seen gets no error. */
static void r25_behind_headers(void **state)
{
	(void)state;
	ip6_with(&p, native, client, 0, "3a000000 00000000 01000000 00000000");
	assert_false(may(1));
	ip6_with(&p, native, client, 60, "3a000000 00000000 80000000 00000000");
	assert_true(may(1));
	ip6_with(&p, native, client, 44, "3a000001 00000000 01000000 00000000");
	assert_false(may(1));
	ip6_with(&p, native, client, 44, "11000009 00000000 01000000 00000000");
	assert_false(may(1));
	ip6_with(&p, native, client, 0, "3a010000 00000000");
	assert_false(may(1));
	ip6_with(&p, native, client, 58, "");
	assert_false(may(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(r24_bytes),
		cmocka_unit_test(r23_r25_size),
		cmocka_unit_test(r25_z30_rules),
		cmocka_unit_test(r25_sources),
		cmocka_unit_test(r25_behind_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
