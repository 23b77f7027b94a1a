/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fairness between senders when there is more than can be carried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fair.h"
#include "ratelim.h"

static struct fair f;
static uint64_t now;
static uint32_t dropped;

static int begin(void **state)
{
	const struct hash_key key = {{1, 2, 3}};

	(void)state;
	now = 100 * NS_PER_S;
	dropped = 7;
	fair_init(&f, &key);
	fair_begin(&f, dropped, now); /* what was before we looked */
	for (unsigned i = 0; i <= FAIR_CALM; i++) {
		now += FAIR_SLICE_MS * NS_PER_MS;
		fair_begin(&f, dropped, now);
	}
	assert_false(f.is_on);
	return 0;
}

/* How many of n packets of a sender are carried. */
static unsigned carry(uint32_t who, unsigned n)
{
	unsigned got = 0;

	while (n--)
		got += fair_admits(&f, &who, sizeof(who), 1);
	return got;
}

/* The next slice; in this one the kernel has dropped something, or not. */
static void slice(bool lossy)
{
	dropped += lossy;
	fair_begin(&f, dropped, now);
	now += FAIR_SLICE_MS * NS_PER_MS;
	fair_begin(&f, dropped, now);
}

/* One sends 1000 in a slice, ten others 10 each; until the share is set. */
static void flood(void)
{
	slice(true);
	carry(0, 1000);
	for (uint32_t i = 1; i <= 10; i++)
		carry(i, 10);
	slice(true);
}

static void nothing_is_counted_without_loss(void **state)
{
	(void)state;
	assert_int_equal(carry(0, 100000), 100000);
	assert_false(f.is_on);
	for (unsigned i = 0; i < FAIR_PLACES; i++)
		assert_int_equal(f.n[i], 0);
}

/* 1100 came, so 825 may, and ten times 10 of these are the others'. */
static void a_flooder_is_cut_short_others_are_not(void **state)
{
	(void)state;
	flood();
	assert_int_equal(carry(0, 1000), 725);
	for (uint32_t i = 1; i <= 10; i++)
		assert_int_equal(carry(i, 10), 10);
}

/* A train is carried whole or not at all. */
static void trains_count_by_their_datagrams(void **state)
{
	uint32_t who = 0;

	(void)state;
	flood();
	for (unsigned i = 0; i < 15; i++)
		assert_true(fair_admits(&f, &who, sizeof(who), 50));
	assert_false(fair_admits(&f, &who, sizeof(who), 50));
}

static void one_alone_is_not_limited(void **state)
{
	(void)state;
	slice(true);
	carry(0, 1000);
	slice(true);
	assert_true(f.is_on);
	assert_int_equal(carry(0, 5000), 5000);
}

static void equals_are_not_limited(void **state)
{
	(void)state;
	slice(true);
	for (uint32_t i = 0; i < 8; i++)
		carry(i, 100);
	slice(true);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(carry(i, 150), 150);
}

/* Half as much again as the mean is still even; a packet more is not. */
static void the_bound_is_one_and_a_half(void **state)
{
	for (unsigned n = 3; n <= 4; n++) {
		begin(state);
		slice(true);
		carry(0, n);
		carry(1, 1);
		slice(true);
		assert_true((carry(0, 100) < 100) == (n == 4));
	}
}

/* What the kernel dropped before the share was set is told only later. */
static void there_is_patience_before_less(void **state)
{
	uint32_t share;

	(void)state;
	flood();
	share = f.share;
	for (unsigned i = 0; i < FAIR_PATIENCE; i++) {
		carry(0, 1000);
		carry(1, 10);
		slice(true);
		assert_int_equal(f.share, share);
	}
	carry(0, 1000);
	carry(1, 10);
	slice(true);
	assert_in_range(f.share, share / 2, share - 1);
}

static void the_share_grows_and_ends(void **state)
{
	uint32_t share;
	unsigned slices = 0;

	(void)state;
	flood();
	share = f.share;
	for (; slices < FAIR_PATIENCE; slices++)
		slice(false);
	assert_int_equal(f.share, share);
	for (; slices < FAIR_CALM - 1; slices++) {
		slice(false);
		assert_true(f.share > share);
		share = f.share;
	}
	assert_true(f.is_on);
	slice(false);
	assert_false(f.is_on);
	assert_int_equal(carry(0, 100000), 100000);
}

/* A slice lasts: what comes within it is of the same. */
static void a_slice_has_its_time(void **state)
{
	(void)state;
	flood();
	assert_int_equal(carry(0, 1000), 725);
	now += FAIR_SLICE_MS * NS_PER_MS - 1;
	fair_begin(&f, dropped, now);
	assert_int_equal(carry(0, 1), 0);
	now++;
	fair_begin(&f, dropped, now);
	assert_int_equal(carry(0, 1), 1);
}

/* Who shares a place in one slice does not in the next ones. */
static void misfortune_passes(void **state)
{
	uint32_t victim = 1;
	unsigned refused = 0;

	(void)state;
	for (; victim < 100000; victim++) { /* one in the flooder's place */
		flood();
		carry(0, 1000);
		if (carry(victim, 1) == 0)
			break;
		begin(NULL);
	}
	assert_in_range(victim, 11, 99999);
	for (unsigned i = 0; i < 20; i++) {
		slice(false);
		carry(0, 100000);
		refused += carry(victim, 1) == 0;
	}
	assert_in_range(refused, 0, 3);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup(t, begin)
	const struct CMUnitTest tests[] = {
		T(nothing_is_counted_without_loss),
		T(a_flooder_is_cut_short_others_are_not),
		T(trains_count_by_their_datagrams),
		T(one_alone_is_not_limited),
		T(equals_are_not_limited),
		T(the_bound_is_one_and_a_half),
		T(there_is_patience_before_less),
		T(the_share_grows_and_ends),
		T(a_slice_has_its_time),
		T(misfortune_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
