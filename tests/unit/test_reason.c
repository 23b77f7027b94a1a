/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one list of ends. */
#include "reason.h"
#include "rig.h"

#include <string.h>

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < REASON_COUNT; i++) {
		const char *name = reason_name((enum reason)i);

		assert_non_null(name);
		assert_non_null(reason_text((enum reason)i));
		assert_in_range(strlen(name), 1, 24);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-46"),
				 strlen(name));
		assert_in_range(strlen(reason_text((enum reason)i)), 1, 72);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(name,
						reason_name((enum reason)k));
	}
	assert_string_equal(reason_name(REASON_RATE_PEER), "rate-peer");
}

/* What is no end is not counted, anything else once. */
static void test_count(void **state)
{
	struct stats s = {{0}};

	(void)state;
	for (int i = 0; i < REASON_COUNT; i++)
		stats_count(&s, (enum reason)i);
	for (int i = 0; i < REASON_COUNT; i++)
		assert_int_equal(s.n[i], i != REASON_NONE && i != REASON_HELD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
