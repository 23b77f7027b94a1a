/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of PCP (6887) and NAT-PMP (6886). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pcp.h"

static const struct pcp_question q = {
	.local = {0xc0a80102, 35554},
	.external = {0, 35554},
	.lifetime_s = 3600,
	.nonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
};

/* 6887 §11.1, byte by byte. */
static const uint8_t question[PCP_MAP_SIZE] = {
	2,  1, 0, 0, 0,    0,    0x0e, 0x10, 0,   0,   0,  0,
	0,  0, 0, 0, 0,    0,    0xff, 0xff, 192, 168, 1,  2,
	1,  2, 3, 4, 5,    6,    7,    8,    9,   10,  11, 12,
	17, 0, 0, 0, 0x8a, 0xe2, 0x8a, 0xe2, 0,   0,   0,  0,
	0,  0, 0, 0, 0,    0,    0xff, 0xff, 0,   0,   0,  0,
};

static uint8_t in[PCP_MAP_SIZE];
static struct portmap_result r;

/* What a router says that gives 9.0.10.2:40000 for 3600 s. */
static int answer(void **state)
{
	(void)state;
	memcpy(in, question, sizeof(in));
	in[1] = 0x81;
	memset(in + 8, 0, 16);
	in[11] = 77; /* epoch */
	in[42] = 40000 >> 8;
	in[43] = 40000 & 255;
	memcpy(in + 56, "\x09\x00\x0a\x02", 4);
	return 0;
}

static enum portmap_why take(size_t n)
{
	return pcp_answer(in, n, &q, &r);
}

static void question_is_that_of_the_rfc(void **state)
{
	uint8_t out[PCP_MAP_SIZE];
	struct pcp_question end = q;

	(void)state;
	pcp_ask(out, &q);
	assert_memory_equal(out, question, sizeof(out));
	end.lifetime_s = 0;
	pcp_ask(out, &end);
	assert_memory_equal(out + 4, "\0\0\0\0", 4);
	/* §11.1: no port and no address are wished then. */
	assert_memory_equal(out + 42, question + 2, 2);
	assert_memory_equal(out + 24, question + 24, PCP_NONCE);
}

static void answer_is_taken(void **state)
{
	(void)state;
	assert_int_equal(take(sizeof(in)), PORTMAP_OK);
	assert_int_equal(r.external.ip, 0x09000a02);
	assert_int_equal(r.external.port, 40000);
	assert_int_equal(r.lifetime_s, 3600);
}

static void lifetime_has_an_end(void **state)
{
	(void)state;
	memset(in + 4, 0xff, 4);
	assert_int_equal(take(sizeof(in)), PORTMAP_OK);
	assert_int_equal(r.lifetime_s, PCP_MAX_LIFETIME);
}

/* 6887 §11.4: others' answers are waited past. */
static void answer_to_another_question_is_none(void **state)
{
	static const uint8_t at[] = {0, 1, 24, 35, 36, 40, 41};

	for (size_t i = 0; i < sizeof(at); i++) {
		answer(state);
		in[at[i]] ^= 0x40;
		assert_int_equal(take(sizeof(in)), PORTMAP_ASKING);
	}
	answer(state);
	for (size_t n = 0; n < sizeof(in); n++)
		assert_int_equal(take(n), PORTMAP_ASKING);
}

static void what_maps_nothing_is_broken(void **state)
{
	static const uint8_t at[] = {42, 56, 4};

	for (size_t i = 0; i < sizeof(at); i++) {
		answer(state);
		memset(in + at[i], 0, at[i] == 42 ? 2 : 4);
		assert_int_equal(take(sizeof(in)), PORTMAP_BROKEN);
	}
	/* An address that is no IPv4 one. */
	answer(state);
	in[44] = 0x20;
	assert_int_equal(take(sizeof(in)), PORTMAP_BROKEN);
}

static void refusals_have_names(void **state)
{
	static const struct {
		uint8_t code;
		enum portmap_why why;
	} rows[] = {
		{1, PORTMAP_UNKNOWN},  {2, PORTMAP_REFUSED},
		{3, PORTMAP_FAILED},   {4, PORTMAP_UNKNOWN},
		{7, PORTMAP_FAILED},   {8, PORTMAP_FULL},
		{9, PORTMAP_UNKNOWN},  {10, PORTMAP_FULL},
		{11, PORTMAP_TAKEN},   {12, PORTMAP_FAILED},
		{255, PORTMAP_FAILED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		in[3] = rows[i].code;
		assert_int_equal(take(sizeof(in)), rows[i].why);
		assert_int_equal(r.external.port, 0);
	}
}

/* 6887 appendix A. */
static void router_of_natpmp_says_so(void **state)
{
	const uint8_t old[8] = {0, 0x80, 0, 1};

	(void)state;
	assert_int_equal(pcp_answer(old, sizeof(old), &q, &r), PORTMAP_UNKNOWN);
}

static void natpmp_asks_for_both(void **state)
{
	static const uint8_t map[NATPMP_MAP] = {0,    1,    0, 0, 0x8a, 0xe2,
						0x8a, 0xe2, 0, 0, 0x0e, 0x10};
	uint8_t out[NATPMP_MAP];
	struct pcp_question end = q;

	(void)state;
	natpmp_ask_address(out);
	assert_memory_equal(out, "\0\0", NATPMP_ADDRESS);
	natpmp_ask(out, &q);
	assert_memory_equal(out, map, sizeof(out));
	/* 6886 §3.4: port 0, lifetime 0. */
	end.lifetime_s = 0;
	natpmp_ask(out, &end);
	assert_memory_equal(out + 6, "\0\0\0\0\0\0", 6);
}

static void natpmp_answers(void **state)
{
	uint8_t a[NATPMP_ADDRESS_IS] = {0, 0x80, 0, 0, 0, 0, 0, 5, 9, 0, 10, 2};
	uint8_t m[NATPMP_MAP_IS] = {0,    0x81, 0,    0,    0, 0, 0,    5,
				    0x8a, 0xe2, 0x9c, 0x40, 0, 0, 0x0e, 0x10};

	(void)state;
	assert_int_equal(natpmp_answer(a, sizeof(a), &q, &r), PORTMAP_ASKING);
	assert_int_equal(natpmp_address(m, sizeof(m), &r), PORTMAP_ASKING);
	assert_int_equal(natpmp_address(a, sizeof(a), &r), PORTMAP_OK);
	assert_int_equal(natpmp_answer(m, sizeof(m), &q, &r), PORTMAP_OK);
	assert_int_equal(r.external.ip, 0x09000a02);
	assert_int_equal(r.external.port, 40000);
	assert_int_equal(r.lifetime_s, 3600);

	assert_int_equal(natpmp_address(a, 11, &r), PORTMAP_BROKEN);
	memset(a + 8, 0, 4);
	assert_int_equal(natpmp_address(a, sizeof(a), &r), PORTMAP_BROKEN);
	a[3] = 3;
	assert_int_equal(natpmp_address(a, 8, &r), PORTMAP_FAILED);
	m[9] ^= 1;
	assert_int_equal(natpmp_answer(m, sizeof(m), &q, &r), PORTMAP_ASKING);
	m[9] ^= 1;
	m[3] = 2;
	assert_int_equal(natpmp_answer(m, 8, &q, &r), PORTMAP_REFUSED);
	m[3] = 4;
	assert_int_equal(natpmp_answer(m, 8, &q, &r), PORTMAP_FULL);
	m[3] = 5;
	assert_int_equal(natpmp_answer(m, 8, &q, &r), PORTMAP_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(question_is_that_of_the_rfc, answer),
		cmocka_unit_test_setup(answer_is_taken, answer),
		cmocka_unit_test_setup(lifetime_has_an_end, answer),
		cmocka_unit_test_setup(answer_to_another_question_is_none,
				       answer),
		cmocka_unit_test_setup(what_maps_nothing_is_broken, answer),
		cmocka_unit_test_setup(refusals_have_names, answer),
		cmocka_unit_test(router_of_natpmp_says_so),
		cmocka_unit_test(natpmp_asks_for_both),
		cmocka_unit_test(natpmp_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
