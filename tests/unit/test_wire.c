/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to checked views and back: formats of 4380 §5.1.1 and 6081 §4. */
#include "rig.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RS_VECTOR                                                              \
	"60000000 00083aff fe800000 00000000 14673caf 3f57fefa"                \
	"ff020000 00000000 00000000 00000002 8500edce 00000000"

static struct packet p;
static struct frame f;

static enum reason parse(void)
{
	return frame_parse(&f, p.b, p.n);
}

static void test_plain_packet(void **state)
{
	(void)state;
	hex(&p, RS_VECTOR);
	assert_int_equal(parse(), REASON_NONE);
	assert_false(f.has_auth);
	assert_false(f.has_origin);
	assert_ptr_equal(f.ip, p.b);
	assert_int_equal(f.len, 48);
	assert_int_equal(f.tail_len, 0);
	assert_int_equal(ip6_icmp_type(f.ip), 133);
	assert_false(ip6_is_bubble(f.ip));
}

static void test_nonce_only_block(void **state)
{
	(void)state;
	hex(&p, "00010000 01020304 05060708 00" RS_VECTOR);
	assert_int_equal(parse(), REASON_NONE);
	assert_true(f.has_auth);
	assert_false(f.has_origin);
	assert_int_equal(f.auth.id_len, 0);
	assert_int_equal(f.auth.value_len, 0);
	assert_ptr_equal(f.auth.nonce, p.b + 4);
	assert_int_equal(f.auth.confirm, 0);
	assert_ptr_equal(f.ip, p.b + 13);
}

static void test_signed_block(void **state)
{
	(void)state;
	hex(&p, "00010514 616c6963 65 b59ca4c2 60aedc36 77070b03 33763c03"
		"6ac5d9ec 01020304 05060708 7f" RS_VECTOR);
	assert_int_equal(parse(), REASON_NONE);
	assert_int_equal(f.auth.id_len, 5);
	assert_memory_equal(f.auth.id, "alice", 5);
	assert_int_equal(f.auth.value_len, 20);
	assert_ptr_equal(f.auth.value, p.b + 9);
	assert_ptr_equal(f.auth.nonce, p.b + 29);
	assert_int_equal(f.auth.confirm, 0x7f);
	assert_ptr_equal(f.ip, p.b + 38);
}

static void test_both_blocks(void **state)
{
	(void)state;
	hex(&p, "00010000 01020304 05060708 00 0000feae fefdfcfb" RS_VECTOR);
	assert_int_equal(parse(), REASON_NONE);
	assert_true(f.has_auth);
	assert_true(f.has_origin);
	assert_int_equal(f.origin.ip, ip4("1.2.3.4"));
	assert_int_equal(f.origin.port, 337);
	assert_ptr_equal(f.ip, p.b + 21);
}

/* Vector: origin of 1.2.3.4 port 337. */
static void test_origin_vector(void **state)
{
	struct wire_origin o;

	(void)state;
	hex(&p, "0000feae fefdfcfb");
	wire_put_origin(&o, at("1.2.3.4", 337));
	assert_memory_equal(&o, p.b, 8);
}

/* S21: bytes behind the packet are no error; they are the tail. */
static void s21_tail_is_told_apart(void **state)
{
	(void)state;
	bubble(&p, native, client);
	add_tail(&p, "0104a1b2c3d4");
	assert_int_equal(parse(), REASON_NONE);
	assert_int_equal(f.len, 40);
	assert_int_equal(f.tail_len, 6);
	assert_ptr_equal(f.tail, p.b + 40);
	assert_true(ip6_is_bubble(f.ip));
}

/* S3, R15: each way of not being a Teredo packet. */
static void s3_r15_malformed(void **state)
{
	static const struct {
		const char *bytes;
		enum reason why;
	} cases[] = {
		{"", REASON_TRUNCATED},
		{"60", REASON_TRUNCATED},
		{"00", REASON_BAD_VERSION},
		{"40" RS_VECTOR, REASON_BAD_VERSION},
		{"70", REASON_BAD_VERSION},
		{"00 02" RS_VECTOR, REASON_BAD_BLOCK},
		{"00 ff" RS_VECTOR, REASON_BAD_BLOCK},
		{"01 00" RS_VECTOR, REASON_BAD_VERSION},
		{"0000", REASON_TRUNCATED},
		{"0000feae fefdfc", REASON_TRUNCATED},
		{"0000feae fefdfcfb", REASON_TRUNCATED},
		{"0000feae fefdfcfb 45", REASON_BAD_VERSION},
		{"0000feae fefdfcfb 0000feae fefdfcfb" RS_VECTOR,
		 REASON_BAD_BLOCK},
		{"0000feae fefdfcfb 00010000 01020304 05060708 00" RS_VECTOR,
		 REASON_BAD_BLOCK},
		{"00010000 01020304 05060708 00"
		 "00010000 01020304 05060708 00" RS_VECTOR,
		 REASON_BAD_BLOCK},
		{"0001", REASON_TRUNCATED},
		{"000100", REASON_TRUNCATED},
		{"00010000 01020304 05060708", REASON_TRUNCATED},
		{"00010001 01020304 05060708 00", REASON_TRUNCATED},
		{"00010100 01020304 05060708 00", REASON_TRUNCATED},
		{"0001ffff 01020304 05060708 00" RS_VECTOR, REASON_TRUNCATED},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		hex(&p, cases[i].bytes);
		if (parse() != cases[i].why)
			fail_msg("%s: %s", cases[i].bytes,
				 reason_name(parse()));
	}
}

/* S3: every prefix of good packets is refused, and nothing beyond is read. */
static void s3_every_truncation(void **state)
{
	static const char *const good[] = {
		RS_VECTOR,
		"0000feae fefdfcfb" RS_VECTOR,
		"00010514 616c6963 65 b59ca4c2 60aedc36 77070b03 33763c03"
		"6ac5d9ec 01020304 05060708 00 0000feae fefdfcfb" RS_VECTOR,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		hex(&p, good[i]);
		for (size_t n = 0; n < p.n; n++) {
			uint8_t *exact = malloc(n ? n : 1);

			assert_non_null(exact);
			memcpy(exact, p.b, n);
			assert_int_not_equal(frame_parse(&f, exact, n),
					     REASON_NONE);
			free(exact);
		}
	}
}

/* S3: the payload length is believed up to the last byte, and no further. */
static void s3_payload_length(void **state)
{
	(void)state;
	data_of(&p, native, client, 1280, 1);
	assert_int_equal(parse(), REASON_NONE);
	assert_int_equal(f.len, 1280);
	cut(&p, 1);
	assert_int_equal(parse(), REASON_TRUNCATED);

	data_of(&p, native, client, INNER_MAX, 1);
	assert_int_equal(parse(), REASON_NONE);
	data_of(&p, native, client, INNER_MAX + 1, 1);
	assert_int_equal(parse(), REASON_OVERSIZE);
}

static void test_packets_from_the_ipv6_side(void **state)
{
	(void)state;
	data(&p, native, client);
	assert_int_equal(ip6_check(p.b, p.n), REASON_NONE);
	assert_int_equal(ip6_check(p.b, p.n - 1), REASON_TRUNCATED);
	assert_int_equal(ip6_check(p.b, p.n + 1), REASON_TRUNCATED);
	assert_int_equal(ip6_check(p.b, 39), REASON_TRUNCATED);
	assert_int_equal(ip6_check(p.b, 0), REASON_TRUNCATED);
	p.b[0] = 0x45;
	assert_int_equal(ip6_check(p.b, p.n), REASON_BAD_VERSION);
}

static void test_icmp_type(void **state)
{
	(void)state;
	echo_request(&p, native, client);
	assert_int_equal(ip6_icmp_type((void *)p.b), 128);
	/* Shorter than an ICMPv6 message of ours: none. */
	ip6_with(&p, native, client, 58, "80000000 000000");
	assert_int_equal(ip6_icmp_type((void *)p.b), -1);
	ip6_with(&p, native, client, 58, "80000000 00000000");
	assert_int_equal(ip6_icmp_type((void *)p.b), 128);
	ip6_with(&p, native, client, 17, "80000000 00000000");
	assert_int_equal(ip6_icmp_type((void *)p.b), -1);
}

/* 4380 §2.8: next header 59 and no payload, both. */
static void test_what_is_a_bubble(void **state)
{
	(void)state;
	bubble(&p, native, client);
	assert_true(ip6_is_bubble((void *)p.b));
	ip6_with(&p, native, client, 59, "00000000 00000000");
	assert_false(ip6_is_bubble((void *)p.b));
	ip6_with(&p, native, client, 58, "");
	assert_false(ip6_is_bubble((void *)p.b));
}

/* Z25: a Routing header is found wherever it stands. */
static void z25_upper(void **state)
{
	static const struct {
		uint8_t next;
		const char *payload;
		enum reason why;
		bool routing;
		uint8_t upper;
		size_t n;
	} cases[] = {
		{17, "0102030405060708", REASON_NONE, false, 17, 8},
		{59, "", REASON_NONE, false, 59, 0},
		{0, "3a000000 00000000 80", REASON_NONE, false, 58, 1},
		{60, "11000000 00000000", REASON_NONE, false, 17, 0},
		{0, "3a010000 00000000 00000000 00000000", REASON_NONE, false,
		 58, 0},
		{43, "11000000 00000000", REASON_NONE, true, 17, 0},
		{43, "11000201 00000000", REASON_NONE, true, 17, 0},
		{43, "11000401 00000000", REASON_NONE, true, 17, 0},
		{0, "2b000000 00000000 3a000001 00000000", REASON_NONE, true,
		 58, 0},
		{60, "3c000000 00000000 2b000000 00000000 11000000 00000000",
		 REASON_NONE, true, 17, 0},
		/* a first fragment shows what follows, others do not */
		{44, "2b000001 00000000 11000000 00000000", REASON_NONE, true,
		 17, 0},
		{44, "3a000001 00000000 8000", REASON_NONE, false, 58, 2},
		{44, "2b000009 00000000 11000000 00000000", REASON_NONE, false,
		 44, 8},
		/* the length field of a fragment header is reserved */
		{44, "3aff0001 00000000", REASON_NONE, false, 58, 0},
		/* AH counts in fours, and from two */
		{51, "2b010000 00000000 00000000 11000000 00000000",
		 REASON_NONE, true, 17, 0},
		{51, "2b020000 00000000 00000000", REASON_TRUNCATED, false, 0,
		 0},
		{0, "", REASON_TRUNCATED, false, 0, 0},
		{0, "3a000000 000000", REASON_TRUNCATED, false, 0, 0},
		{43, "3a010000 00000000", REASON_TRUNCATED, false, 0, 0},
		{44, "3a000000", REASON_TRUNCATED, false, 0, 0},
		{60, "2bff0000 00000000", REASON_TRUNCATED, false, 0, 0},
	};
	struct upper u;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		enum reason why;

		ip6_with(&p, native, client, cases[i].next, cases[i].payload);
		why = ip6_upper((void *)p.b, &u);
		if (why != cases[i].why)
			fail_msg("case %u: %s", i, reason_name(why));
		if (why != REASON_NONE)
			continue;
		if (u.routing != cases[i].routing || u.next != cases[i].upper ||
		    u.n != cases[i].n || u.p + u.n != p.b + p.n)
			fail_msg("case %u: routing %d next %u n %zu", i,
				 u.routing, u.next, u.n);
	}
}

/* R32: X2-X5 as far as a relay needs them. */
static void r32_nonce_trailer(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t nonce;
		enum reason why;
	} cases[] = {
		{"", 0, REASON_NONE},
		{"0104a1b2c3d4", 0xa1b2c3d4, REASON_NONE},
		{"0104a1b2c3d4 030e0000 c0a80105c350 0a000007c350 0502c34f",
		 0xa1b2c3d4, REASON_NONE},
		{"030e0000 c0a80105c350 0a000007c350 0502c34f 0104a1b2c3d4",
		 0xa1b2c3d4, REASON_NONE},
		{"0104a1b2c3d4 010411111111", 0xa1b2c3d4, REASON_NONE},
		/* zero is none, and hides the next */
		{"010400000000", 0, REASON_NONE},
		{"010400000000 010411111111", 0, REASON_NONE},
		/* unknown, or known with a wrong length: skipped */
		{"8003aabbcc 0104a1b2c3d4", 0xa1b2c3d4, REASON_NONE},
		{"c000 0104a1b2c3d4", 0xa1b2c3d4, REASON_NONE},
		{"0105a1b2c3d4ff 0104a1b2c3d4", 0xa1b2c3d4, REASON_NONE},
		{"0103a1b2c3", 0, REASON_NONE},
		/* types 01xxxxxx ask for the packet to be dropped */
		{"5500", 0, REASON_TRAILER},
		{"4000", 0, REASON_TRAILER},
		{"7f01aa", 0, REASON_TRAILER},
		{"0104a1b2c3d4 5500", 0xa1b2c3d4, REASON_TRAILER},
		/* too short: parsing ends, what was parsed counts */
		{"01", 0, REASON_NONE},
		{"0104a1b2c3", 0, REASON_NONE},
		{"0104a1b2c3d4 01", 0xa1b2c3d4, REASON_NONE},
		{"0104a1b2c3d4 55ff", 0xa1b2c3d4, REASON_NONE},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct trailers t;
		enum reason why;

		hex(&p, cases[i].bytes);
		why = trailers_parse(&t, p.b, p.n);
		if (why != cases[i].why || t.nonce != cases[i].nonce)
			fail_msg("%s: %08x, %s", cases[i].bytes, t.nonce,
				 reason_name(why));
	}
}

/* What of the other trailers is understood, in words. */
static const char *understood(const char *bytes)
{
	static char text[200];
	struct trailers t;
	size_t n;

	hex(&p, bytes);
	memset(&t, 0xff, sizeof(t)); /* nothing is to be left as it was */
	if (trailers_parse(&t, p.b, p.n) != REASON_NONE)
		return "refused";
	n = (size_t)snprintf(text, sizeof(text), "%s%s",
			     t.discovery == ND_SOLICITATION    ? "solicit "
			     : t.discovery == ND_ADVERTISEMENT ? "advertise "
							       : "",
			     t.bad_alternates ? "bad " : "");
	if (t.random_port)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "port %u ",
				      t.random_port);
	for (unsigned i = 0; i < t.n_alternates; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%08x:%u ",
				      t.alternate[i].ip, t.alternate[i].port);
	return text;
}

/* X2, X4, X5, X37, X66, X74, A1. */
static void x5_x37_x66_x74_trailers(void **state)
{
	static const struct {
		const char *bytes, *want;
	} cases[] = {
		{"", ""},
		{"0502c34f", "port 49999 "},
		{"0202c34f", "port 49999 "},
		{"0502c34f 02020101", "port 49999 "},
		{"02020101 0502c34f", "port 49999 "},
		{"02020101 05020000", ""}, /* 0x05 counts, and says none */
		{"0502c34f 05020101", "port 49999 "},
		{"02020101 02020202", "port 257 "},
		{"0501c3 0503c34f00 02020101", "port 257 "},
		{"0404 00000000", "solicit "},
		{"0404 01000000", "advertise "},
		{"0404 00ffffff", "solicit "}, /* reserved */
		{"0404 02000000", ""},
		{"0404 02000000 0404 00000000", ""},
		{"0404 01000000 0404 00000000", "advertise "},
		{"0403 000000 0405 0000000000", ""},
		{"0403 000000 0404 01000000", "advertise "},
		{"0308 0000 c0a80105c350", "c0a80105:50000 "},
		{"0308 ffff c0a80105c350", "c0a80105:50000 "},
		{"030e 0000 c0a80105c350 0a000007c350",
		 "c0a80105:50000 0a000007:50000 "},
		{"0314 0000 010101010001 020202020002 030303030003",
		 "01010101:1 02020202:2 03030303:3 "},
		{"031a 0000 010101010001 020202020002 030303030003 "
		 "040404040004",
		 "01010101:1 02020202:2 03030303:3 04040404:4 "},
		{"0300", "bad "},
		{"0302 0000", "bad "},
		{"0307 0000 c0a80105c3", "bad "},
		{"0309 0000 c0a80105c350 00", "bad "},
		{"030f 0000 c0a80105c350 0a000007c350 00", "bad "},
		{"0320 0000 010101010001 020202020002 030303030003 "
		 "040404040004 050505050005",
		 "bad "},
		{"0302 0000 0308 0000 c0a80105c350", "bad "},
		{"0308 0000 c0a80105c350 0308 0000 0a000007c350",
		 "c0a80105:50000 "},
		{"0308 0000 c0a80105c350 0302 0000", "c0a80105:50000 "},
		/* all of them, in any order, and what nobody knows */
		{"0502c34f 8001ff 0404 01000000 0308 0000 c0a80105c350",
		 "advertise port 49999 c0a80105:50000 "},
		{"0502c34f 0404 000000", "port 49999 "},
		{"0502c34f 4100", "refused"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = understood(cases[i].bytes);

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].bytes, got);
	}
}

static void check_put(struct trailers t, const char *bytes)
{
	uint8_t b[IP6_LEN + TRAILERS_MAX];
	size_t n = wire_put_bubble(b, &far_client, &client, 64, &t);

	bubble(&p, far_client, client);
	add_tail(&p, bytes);
	assert_int_equal(n, p.n);
	assert_memory_equal(b, p.b, n);
}

/* X36, X63, X71, X73 as they are written; the second is a known vector. */
static void test_put_trailers(void **state)
{
	uint8_t b[IP6_LEN];

	(void)state;
	check_put((struct trailers){.nonce = 0xa1b2c3d4}, "0104a1b2c3d4");
	check_put((struct trailers){.nonce = 0xa1b2c3d4,
				    .n_alternates = 2,
				    .alternate = {at("192.168.1.5", 50000),
						  at("10.0.0.7", 50000)},
				    .random_port = 49999},
		  "0104a1b2c3d4 030e0000 c0a80105c350 0a000007c350 0502c34f");
	check_put((struct trailers){.discovery = ND_SOLICITATION},
		  "0404 00000000");
	check_put((struct trailers){.discovery = ND_ADVERTISEMENT},
		  "0404 01000000");
	check_put((struct trailers){.nonce = 1,
				    .n_alternates = 4,
				    .discovery = ND_ADVERTISEMENT,
				    .random_port = 7},
		  "010400000001 031a0000 000000000000 000000000000 "
		  "000000000000 000000000000 0404 01000000 05020007");
	check_put((struct trailers){.bad_alternates = true}, "");
	assert_int_equal(wire_put_bubble(b, &far_client, &client, 64, NULL),
			 IP6_LEN);
	bubble(&p, far_client, client);
	assert_memory_equal(b, p.b, IP6_LEN);
}

static void test_put_ip6(void **state)
{
	struct wire_ip6 ip;

	(void)state;
	bubble(&p, native, client);
	memset(&ip, 0xff, sizeof(ip));
	wire_put_ip6(&ip, 0, 59, 64, &native, &client);
	assert_memory_equal(&ip, p.b, 40);
}

static void test_numbers(void **state)
{
	uint8_t b[4];

	(void)state;
	put32(b, 0x01020384);
	assert_memory_equal(b, "\x01\x02\x03\x84", 4);
	assert_int_equal(be32(b), 0x01020384);
	assert_int_equal(be16(b + 2), 0x0384);
	put16(b, 0xfffe);
	assert_int_equal(be32(b), 0xfffe0384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_plain_packet),
		cmocka_unit_test(test_nonce_only_block),
		cmocka_unit_test(test_signed_block),
		cmocka_unit_test(test_both_blocks),
		cmocka_unit_test(test_origin_vector),
		cmocka_unit_test(s21_tail_is_told_apart),
		cmocka_unit_test(s3_r15_malformed),
		cmocka_unit_test(s3_every_truncation),
		cmocka_unit_test(s3_payload_length),
		cmocka_unit_test(test_packets_from_the_ipv6_side),
		cmocka_unit_test(test_icmp_type),
		cmocka_unit_test(test_what_is_a_bubble),
		cmocka_unit_test(z25_upper),
		cmocka_unit_test(r32_nonce_trailer),
		cmocka_unit_test(x5_x37_x66_x74_trailers),
		cmocka_unit_test(test_put_trailers),
		cmocka_unit_test(test_put_ip6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
