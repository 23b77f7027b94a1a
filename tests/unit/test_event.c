/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of state: names and identifiers that stay, and fit the verdicts. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "event.h"
#include "verdict.h"

static void identifiers_are_such(void **state)
{
	(void)state;
	for (unsigned e = EVENT_NONE + 1; e < EVENT_COUNT; e++) {
		const char *m = event_message((enum event)e);

		assert_int_equal(strlen(m), 32);
		assert_int_equal(strspn(m, "0123456789abcdef"), 32);
		for (unsigned k = EVENT_NONE + 1; k < e; k++) {
			assert_string_not_equal(m,
						event_message((enum event)k));
			assert_string_not_equal(event_name((enum event)e),
						event_name((enum event)k));
		}
	}
}

static void reasons_of_a_client_are_events(void **state)
{
	(void)state;
	for (unsigned w = 0; w < WHY_COUNT; w++)
		assert_string_equal(
			event_name(event_of_why((enum client_why)w)),
			client_why_name((enum client_why)w));
}

/* One word for one thing, wherever it is said. */
static void they_are_called_as_verdicts_are(void **state)
{
	static const enum event same[] = {EVENT_SOURCE_LOST, EVENT_STARTED,
					  EVENT_RELOAD_FAILED,
					  EVENT_INBOUND_OPEN};

	(void)state;
	for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_non_null(verdict_find(event_name(same[i])));
	for (unsigned w = 0; w < WHY_COUNT; w++)
		assert_non_null(
			verdict_find(client_why_name((enum client_why)w)));
}

static void facts_are_valid(void **state)
{
	(void)state;
	for (unsigned e = EVENT_NONE; e < EVENT_COUNT; e++) {
		struct event_facts f = event_facts((enum event)e);

		assert_true(event_is_valid(&f));
		assert_string_equal(
			f.reason,
			e == EVENT_NONE ? "" : event_name((enum event)e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifiers_are_such),
		cmocka_unit_test(reasons_of_a_client_are_events),
		cmocka_unit_test(they_are_called_as_verdicts_are),
		cmocka_unit_test(facts_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
