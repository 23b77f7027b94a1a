/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a daemon shows of itself, and the verdict on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "../../src/sys/board.h"
#include "../../src/sys/iface.h"
#include "../../src/sys/verdict.h"

static struct board *b;
static struct facts f;
static const struct hash_key key = {{7}};

static int fresh(void **state)
{
	(void)state;
	b = calloc(1, board_size(2));
	memset(&f, 0, sizeof(f));
	return b == NULL;
}

static int done(void **state)
{
	(void)state;
	free(b);
	return 0;
}

static void facts_are_whole(void **state)
{
	struct facts got;

	(void)state;
	assert_false(board_read(b, &got));
	f.lives = 3;
	board_write(b, &f);
	assert_true(board_read(b, &got));
	assert_int_equal(got.lives, 3);
	/* Killed in the middle: what is there is read, and the next one's. */
	b->sequence++;
	assert_true(board_read(b, &got));
	f.lives = 4;
	board_write(b, &f);
	assert_int_equal(b->sequence % 2, 0);
	assert_true(board_read(b, &got));
	assert_int_equal(got.lives, 4);
}

/* Counters go on where the last packet process has left them. */
static void numbers_outlive_a_process(void **state)
{
	struct stats s = {0};
	struct ledger l = {0};
	struct lane_counts c;

	(void)state;
	board_take_over(b, 2, &key);
	b->core.n[REASON_RA] = 5;
	b->ledger.n[LEDGER_QUALIFIED] = 3;
	b->ledger.waits[1] = 2;
	b->ledger.waited_ns = 90;
	b->lane[1].stats.n[REASON_RA] = 2;
	b->lane[0].counts.sent = 10;
	board_take_over(b, 2, &key);
	b->core.n[REASON_RA] = 1;
	b->ledger.n[LEDGER_QUALIFIED] = 1;
	ledger_wait(&b->ledger, 30 * NS_PER_MS);
	b->lane[1].counts.sent = 1;
	board_stats(b, 2, &s);
	board_counts(b, 2, &c);
	assert_int_equal(s.n[REASON_RA], 8);
	assert_int_equal(c.sent, 11);
	board_ledger(b, &l);
	assert_int_equal(l.n[LEDGER_QUALIFIED], 4);
	assert_int_equal(l.waits[1], 3);
	assert_int_equal(l.waited_ns, 90 + 30 * NS_PER_MS);
}

static void the_last_lines(void **state)
{
	struct journal_line l;
	char text[16];

	(void)state;
	assert_false(journal_read(&b->journal, 0, &l));
	assert_false(journal_read(&b->journal, 1, &l));
	for (unsigned i = 1; i <= JOURNAL_LINES + 3; i++) {
		snprintf(text, sizeof(text), "line %u", i);
		journal_write(&b->journal, LOG_INFO, text);
	}
	assert_int_equal(b->journal.newest, JOURNAL_LINES + 3);
	assert_false(journal_read(&b->journal, 3, &l));
	assert_true(journal_read(&b->journal, 4, &l));
	assert_string_equal(l.text, "line 4");
	assert_true(journal_read(&b->journal, JOURNAL_LINES + 3, &l));
	assert_int_equal(l.severity, LOG_INFO);
	assert_true(l.time > 1600000000);
}

/* The packet process may have been taken over. */
static void lines_are_printable(void **state)
{
	struct journal_line l;

	(void)state;
	journal_write(&b->journal, LOG_INFO, "a\n  b\x1b[2J");
	assert_true(journal_read(&b->journal, 1, &l));
	assert_string_equal(l.text, "a;  b?[2J");
	memset(b->journal.v[1].text, 'x', JOURNAL_TEXT);
	assert_true(journal_read(&b->journal, 1, &l));
	assert_int_equal(strlen(l.text), JOURNAL_TEXT - 1);
	b->journal.v[1].severity = 99;
	assert_false(journal_read(&b->journal, 1, &l));
}

static void says(enum verdict want, const char *want_state)
{
	enum verdict v = verdict_of(&f);

	assert_string_equal(verdict_words(v)->name, verdict_words(want)->name);
	assert_string_equal(verdict_state(&f, v), want_state);
}

static void of_a_client(void **state)
{
	(void)state;
	f.is_client = true;
	f.client.state = CLIENT_OFF;
	f.client.why = WHY_NO_IPV4;
	says(VERDICT_NO_IPV4, "offline");
	f.client.why = WHY_NATIVE;
	says(VERDICT_NATIVE, "dormant");
	f.client.state = CLIENT_RESOLVING;
	f.client.why = WHY_RESOLVER;
	says(VERDICT_RESOLVER, "offline");
	f.server[1].unusable = true;
	says(VERDICT_UNUSABLE, "offline");
	f.client.state = CLIENT_ASKING;
	f.client.why = WHY_SERVER;
	says(VERDICT_SERVER, "qualifying");
	f.refused = REASON_RA_NONCE;
	says(VERDICT_WRONG_NONCE, "qualifying");
	f.refused = REASON_RA_INVALID;
	says(VERDICT_WRONG_ANSWER, "qualifying");
	f.refused = REASON_AUTH_FAILED;
	says(VERDICT_AUTH_FAILED, "qualifying");
	f.refused = REASON_NONE;
	f.client.why = WHY_SECONDARY;
	says(VERDICT_SECONDARY, "qualifying");
	f.client.why = WHY_SYMMETRIC;
	says(VERDICT_SYMMETRIC, "qualifying");
	f.client.state = CLIENT_QUALIFIED;
	f.client.n = 1;
	f.client.why = WHY_MOVED;
	says(VERDICT_OK, "qualified");
	f.client.why = WHY_NONE;
	f.probe.state = PROBE_FAILED;
	says(VERDICT_NO_RELAY, "qualified");
	f.steward_error = 1;
	says(VERDICT_ADDRESS, "qualified");
	f.client.state = CLIENT_SILENT;
	f.client.why = WHY_SERVER;
	says(VERDICT_SERVER, "silent");
	f.client.state = CLIENT_DORMANT;
	f.client.why = WHY_IDLE;
	says(VERDICT_ADDRESS, "dormant");
	f.steward_error = 0;
	says(VERDICT_IDLE, "dormant");
	assert_true(verdict_words(VERDICT_IDLE)->is_good);
}

/* Said only of what is known to be open. */
static void notes_of_a_client(void **state)
{
	(void)state;
	f.is_client = true;
	f.inbound = INBOUND_OPEN;
	assert_int_equal(verdict_notes(&f), 1u << NOTE_INBOUND);
	f.inbound = INBOUND_ECHO;
	assert_int_equal(verdict_notes(&f), 0);
	f.inbound = INBOUND_UNKNOWN;
	assert_int_equal(verdict_notes(&f), 0);
}

static void of_relay_and_server(void **state)
{
	(void)state;
	f.is_relay = true;
	says(VERDICT_NO_SOURCE, "serving");
	assert_int_equal(verdict_notes(&f), 1u << NOTE_FORWARDING);
	f.has_source = f.forwarding = true;
	says(VERDICT_OK, "serving");
	f.is_server = true;
	f.has_primary = true;
	says(VERDICT_ADDRESS_GONE, "serving");
	f.has_secondary = true;
	f.allows = true;
	f.lives = 2;
	says(VERDICT_OK, "serving");
	assert_int_equal(verdict_notes(&f),
			 1u << NOTE_ALLOWED | 1u << NOTE_RESTARTED);
}

/* What status shows is what the steward does: 254 is the main table, too. */
static void default_route(void **state)
{
	static const struct {
		enum default_route wanted;
		uint32_t table;
		bool beside_native;
	} cases[] = {
		{DEFAULT_ROUTE_AUTO, 0, false},
		{DEFAULT_ROUTE_AUTO, 254, false},
		{DEFAULT_ROUTE_AUTO, 100, true},
		{DEFAULT_ROUTE_YES, 0, true},
		{DEFAULT_ROUTE_NO, 100, false},
	};
	static struct conf c;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c.default_route = cases[i].wanted;
		c.route_table = cases[i].table;
		assert_int_equal(iface_wants_default(&c, true),
				 cases[i].beside_native);
		assert_int_equal(iface_wants_default(&c, false),
				 cases[i].wanted != DEFAULT_ROUTE_NO);
	}
}

/* What the core says in the log and to hooks is called the same here. */
static void names_are_one(void **state)
{
	(void)state;
	for (int w = 0; w < WHY_COUNT; w++) {
		const char *name = client_why_name((enum client_why)w);

		assert_non_null(verdict_find(name));
	}
	for (int v = 0; v < VERDICT_COUNT; v++) {
		const struct verdict_words *w = verdict_words((enum verdict)v);

		assert_ptr_equal(verdict_find(w->name), w);
		assert_true(w->text[0]);
		assert_true(!w->advice || w->advice[0]);
	}
	for (int n = 0; n < NOTE_COUNT; n++)
		assert_ptr_equal(verdict_find(note_words((enum note)n)->name),
				 note_words((enum note)n));
	assert_null(verdict_find("nonsense"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(facts_are_whole),   TEST(numbers_outlive_a_process),
		TEST(the_last_lines),    TEST(lines_are_printable),
		TEST(of_a_client),       TEST(of_relay_and_server),
		TEST(names_are_one),     TEST(default_route),
		TEST(notes_of_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
