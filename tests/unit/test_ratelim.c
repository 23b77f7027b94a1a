/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Token buckets on virtual time. */
#include "ratelim.h"
#include "rig.h"

static unsigned take_all(struct bucket *b, const struct rate *r, uint64_t now)
{
	unsigned n = 0;

	while (n < 100000 && bucket_take(b, r, now))
		n++;
	return n;
}

static void test_zeros_are_full(void **state)
{
	struct rate r = {10, 25};
	struct bucket b = {0};

	(void)state;
	assert_int_equal(take_all(&b, &r, 0), 25);
	assert_int_equal(take_all(&b, &r, 0), 0);
}

static void test_refills(void **state)
{
	struct rate r = {10, 25};
	struct bucket b = {0};
	uint64_t now = SECONDS(5);

	(void)state;
	assert_int_equal(take_all(&b, &r, now), 25);
	assert_int_equal(take_all(&b, &r, now + 99 * NS_PER_MS), 0);
	assert_int_equal(take_all(&b, &r, now + 100 * NS_PER_MS), 1);
	assert_int_equal(take_all(&b, &r, now + SECONDS(1.1)), 10);
	assert_int_equal(take_all(&b, &r, now + SECONDS(1000)), 25);
}

/* Asked for ten times the rate over an hour: burst and rate, not one more. */
static void test_long_run(void **state)
{
	struct rate r = {50, 100};
	struct bucket b = {0};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 3600 * 500; i++)
		n += bucket_take(&b, &r, SECONDS(7) + i * 2 * NS_PER_MS);
	assert_in_range(n, 3600 * 50 + 99, 3600 * 50 + 100);
}

static void test_no_limit(void **state)
{
	struct rate r = {0, 1};
	struct bucket b = {0};

	(void)state;
	assert_int_equal(take_all(&b, &r, 0), 100000);
}

/* A token that was refused costs nothing. */
static void test_refusal_is_free(void **state)
{
	struct rate r = {1, 1};
	struct bucket b = {0};

	(void)state;
	assert_true(bucket_take(&b, &r, SECONDS(1)));
	for (int i = 1; i < 1000; i++)
		assert_false(bucket_take(&b, &r, SECONDS(1) + i * NS_PER_MS));
	assert_true(bucket_take(&b, &r, SECONDS(2)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeros_are_full),
		cmocka_unit_test(test_refills),
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_refusal_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
