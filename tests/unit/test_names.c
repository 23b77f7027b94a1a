/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When names are looked up, and what of the answers counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "names.h"

#define S NS_PER_S

static const struct self nobody;
static const struct gate gate = {.self = &nobody, .public_only = true};
static const struct hash_key key = {{1}};
static struct server_name servers[2];
static struct names n;
static uint64_t now;

static int fresh(void **state)
{
	(void)state;
	memset(servers, 0, sizeof(servers));
	strcpy(servers[0].host, "a.test");
	strcpy(servers[1].host, "9.0.0.2");
	names_init(&n, servers, 2, &gate, &key, 0);
	now = 1000 * S;
	return 0;
}

/* Ask all that is due; how many. */
static unsigned ask(void)
{
	unsigned asked = 0;

	while (names_due(&n, now) >= 0)
		asked++;
	return asked;
}

static enum reason answer(uint32_t name, unsigned count, uint32_t first,
			  uint32_t second)
{
	const struct resolver_answer a = {
		.name = name, .n = count, .ip = {first, second}};

	return names_answer(&n, &a);
}

static void numbers_need_no_resolver(void **state)
{
	uint32_t first, second;

	(void)state;
	assert_true(names_need_resolver(servers, 2));
	names_init(&n, servers + 1, 1, &gate, &key, 0);
	assert_false(names_need_resolver(servers + 1, 1));
	names_hurry(&n, now);
	assert_true(names_next(&n) == UINT64_MAX);
	assert_true(names_server(&n, 0, &first, &second));
	assert_int_equal(first, 0x09000002);
	assert_int_equal(second, 0x09000003);
	strcpy(servers[1].second, "b.test");
	names_init(&n, servers + 1, 1, &gate, &key, 0);
	assert_true(names_need_resolver(servers + 1, 1));
	assert_false(names_server(&n, 0, &first, &second));
	assert_int_equal(answer(1, 1, 0x09000009, 0), REASON_NONE);
	assert_true(names_server(&n, 0, &first, &second));
	assert_int_equal(second, 0x09000009);
}

/* Whether the last look-up has ended plays no part: DNS that comes back is
 * asked within two seconds; for two minutes, then ever less, never not. */
static void unknown_names_are_asked_for_again(void **state)
{
	uint64_t longest = 0;

	(void)state;
	names_hurry(&n, now);
	assert_int_equal(ask(), 1);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t gap = names_next(&n) - now;

		assert_true(gap >= 970 * NS_PER_MS);
		if (now < 1120 * S)
			assert_true(gap <= 1900 * NS_PER_MS);
		assert_true(gap <= 60 * S);
		longest = gap > longest ? gap : longest;
		now += gap;
		assert_int_equal(ask(), 1);
	}
	assert_true(longest > 50 * S);
	names_hurry(&n, now); /* not twice in a second */
	assert_int_equal(ask(), 0);
	now += S;
	assert_int_equal(ask(), 1);
	assert_true(names_next(&n) - now < 2 * S);
}

static void known_names_are_left_alone(void **state)
{
	(void)state;
	names_silent(&n, false, now);
	names_hurry(&n, now);
	ask();
	assert_int_equal(answer(0, 1, 0x09000002, 0), REASON_NONE);
	assert_true(names_next(&n) == UINT64_MAX);
	names_silent(&n, true, now);
	assert_true(names_next(&n) == now + 300 * S);
	now += 300 * S;
	assert_int_equal(ask(), 1);
	assert_true(names_next(&n) == now + 300 * S);
	names_silent(&n, false, now);
	assert_true(names_next(&n) == UINT64_MAX);
	assert_true(answer(0, 0, 0, 0) != REASON_NONE); /* a late failure */
	assert_true(names_next(&n) == UINT64_MAX);
}

/* One that does not exist costs a client with a server next to nothing. */
static void unknown_names_can_wait_for_a_server(void **state)
{
	(void)state;
	names_hurry(&n, now);
	assert_int_equal(ask(), 1);
	now += S;
	names_silent(&n, false, now); /* the other server answers */
	assert_true(names_next(&n) == now + 300 * S);
	for (unsigned i = 0; i < 3; i++) {
		now += 300 * S;
		assert_int_equal(ask(), 1);
		assert_true(names_next(&n) == now + 300 * S);
	}
	names_hurry(&n, now); /* another network: once */
	now += S;
	assert_int_equal(ask(), 1);
	assert_true(names_next(&n) == now + 300 * S);
	now += 100 * S;
	names_silent(&n, true, now); /* now it is needed, at once */
	assert_int_equal(ask(), 1);
	assert_true(names_next(&n) < now + 2 * S);
}

/* A captive portal's private address is no reason to stop asking. */
/* Found by fuzzing: no gap had been set yet, and its jitter was of nothing. */
static void silence_when_a_name_is_due(void **state)
{
	(void)state;
	names_silent(&n, false, now);
	names_hurry(&n, now);
	assert_int_equal(ask(), 1);
	now = names_next(&n);
	names_silent(&n, true, now); /* and it is due at this moment */
	assert_int_equal(ask(), 1);
	assert_in_range(names_next(&n) - now, 1900 * NS_PER_MS,
			2100 * NS_PER_MS);
}

static void unusable_addresses_are_none(void **state)
{
	uint32_t first, second;

	(void)state;
	names_hurry(&n, now);
	ask();
	assert_int_equal(answer(0, 2, 0x0a000001, 0x7f000001),
			 REASON_DST_NOT_GLOBAL);
	assert_false(names_server(&n, 0, &first, &second));
	assert_true(names_next(&n) < now + 2 * S);
	assert_int_equal(answer(0, 2, 0x0a000001, 0x09000004), REASON_NONE);
	assert_true(names_server(&n, 0, &first, &second));
	assert_int_equal(first, 0x09000004);
}

/* Many addresses: the one in use, or of the last run, before any other. */
static void choice_is_steady(void **state)
{
	uint32_t first, second;

	(void)state;
	names_init(&n, servers, 1, &gate, &key, 0x09000007);
	answer(0, 2, 0x09000005, 0x09000007);
	names_server(&n, 0, &first, &second);
	assert_int_equal(first, 0x09000007);
	answer(0, 2, 0x09000009, 0x09000007);
	names_server(&n, 0, &first, &second);
	assert_int_equal(first, 0x09000007);
	names_rotate(&n, 0);
	names_server(&n, 0, &first, &second);
	assert_int_equal(first, 0x09000009);
	answer(0, 1, 0x09000001, 0);
	names_server(&n, 0, &first, &second);
	assert_int_equal(first, 0x09000001);
	names_rotate(&n, 0);
	names_server(&n, 0, &first, &second);
	assert_int_equal(first, 0x09000001);
}

static void answers_to_nothing_are_ignored(void **state)
{
	(void)state;
	assert_true(answer(4, 1, 0x09000001, 0) != REASON_NONE);
	assert_true(answer(UINT32_MAX, 1, 0x09000001, 0) != REASON_NONE);
}

/* Found by fuzzing: a resolver gone bad could move a server that was given by
 * its number, and have names looked up that there are not. */
static void answers_about_numbers_are_ignored(void **state)
{
	uint32_t first, second;

	(void)state;
	assert_true(answer(1, 1, 0x0b000001, 0) != REASON_NONE);
	assert_true(answer(2, 1, 0x0b000001, 0) != REASON_NONE);
	assert_true(names_next(&n) == UINT64_MAX);
	assert_true(names_server(&n, 1, &first, &second));
	assert_int_equal(first, 0x09000002);
	assert_int_equal(second, 0x09000003);
}

/* What is known of a server goes with it to its new place. */
static void servers_change(void **state)
{
	static struct server_name other[3];
	unsigned from[CLIENT_SERVERS];
	uint32_t first, second;

	(void)state;
	names_hurry(&n, now);
	ask();
	assert_int_equal(answer(0, 1, 0x09000004, 0), REASON_NONE);
	strcpy(other[0].host, "b.test");
	strcpy(other[1].host, "9.0.0.2");
	strcpy(other[2].host, "A.test");
	names_change(&n, other, 3, from, now);
	assert_int_equal(from[0], CLIENT_SERVERS);
	assert_int_equal(from[1], 1);
	assert_int_equal(from[2], 0);
	assert_true(names_server(&n, 2, &first, &second));
	assert_int_equal(first, 0x09000004);
	assert_true(names_server(&n, 1, &first, &second));
	assert_false(names_server(&n, 0, &first, &second));
	/* Only the new one is looked up. */
	assert_int_equal(names_due(&n, now), 0);
	assert_int_equal(ask(), 0);
	/* With another second address it is another server. */
	strcpy(other[2].second, "9.0.0.9");
	names_change(&n, other + 2, 1, from, now);
	assert_int_equal(from[0], CLIENT_SERVERS);
	assert_false(names_server(&n, 0, &first, &second));
	/* An answer to a name that is no more is none. */
	assert_int_not_equal(answer(2, 1, 0x09000004, 0), REASON_NONE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		T(servers_change),
		T(numbers_need_no_resolver),
		T(unknown_names_are_asked_for_again),
		T(known_names_are_left_alone),
		T(unknown_names_can_wait_for_a_server),
		T(silence_when_a_name_is_due),
		T(unusable_addresses_are_none),
		T(choice_is_steady),
		T(answers_to_nothing_are_ignored),
		T(answers_about_numbers_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
