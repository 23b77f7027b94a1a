/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines on their way to the log: what gets through, and what must not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "logline.h"

static int fd[2];
static struct logline_reader r;
static struct logline line;
static const uint64_t now = 1000 * NS_PER_S;

static int make(void **state)
{
	(void)state;
	r = (struct logline_reader){0};
	return logline_open(fd);
}

static int unmake(void **state)
{
	(void)state;
	close(fd[0]);
	close(fd[1]);
	return 0;
}

static bool get(uint64_t at)
{
	return logline_receive(fd[0], &r, at, &line);
}

static void lines_come_as_they_were(void **state)
{
	(void)state;
	assert_int_equal(logline_send(fd[1], LOG_ERR, "one", NULL), 0);
	assert_int_equal(logline_send(fd[1], LOG_DEBUG, "two %s; ~", NULL), 0);
	assert_true(get(now));
	assert_int_equal(line.severity, LOG_ERR);
	assert_string_equal(line.text, "one");
	assert_true(get(now));
	assert_int_equal(line.severity, LOG_DEBUG);
	assert_string_equal(line.text, "two %s; ~");
	assert_false(get(now));
	assert_int_equal(r.left_out, 0);
}

static void long_ones_are_cut_by_who_sends(void **state)
{
	char text[3000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(logline_send(fd[1], LOG_INFO, text, NULL), 0);
	assert_true(get(now));
	assert_int_equal(strlen(line.text), LOGLINE_TEXT - 1);
}

/* As a process sends that was taken over: n bytes from severity on. */
static void send_raw(const struct logline *l, size_t n)
{
	assert_int_equal(send(fd[1], l, n, 0), n);
}

static void ill_formed_ones_are_none(void **state)
{
	const size_t head = offsetof(struct logline, text);
	static const uint8_t severities[] = {0, 1, 2, 8, 255};
	static const char huge[5000] = {LOG_INFO};
	struct logline good = {.severity = LOG_INFO, .text = "good"}, bad;

	(void)state;
	for (unsigned i = 0; i < sizeof(severities); i++) {
		bad = good;
		bad.severity = severities[i];
		send_raw(&bad, head + 4);
	}
	send_raw(&good, 0);
	send_raw(&good, 1);
	send_raw(&good, head);
	assert_int_equal(send(fd[1], huge, sizeof(huge), 0), sizeof(huge));
	send_raw((const struct logline *)huge, head + LOGLINE_TEXT);
	bad = good;
	bad.facts.event = EVENT_COUNT;
	send_raw(&bad, head + 4);
	bad = good;
	strcpy(bad.facts.reason, "a\nB");
	send_raw(&bad, head + 4);
	bad = good;
	memset(bad.facts.state, 'x', sizeof(bad.facts.state));
	send_raw(&bad, head + 4);
	send_raw(&good, head + 4);
	assert_true(get(now));
	assert_string_equal(line.text, "good");
	assert_false(get(now));
}

static void what_is_no_text_is_made_harmless(void **state)
{
	static const char bad[] = "a\nb\0c\033[2J\177\200\233d\t";
	struct logline l = {.severity = LOG_INFO};

	(void)state;
	memcpy(l.text, bad, sizeof(bad) - 1);
	send_raw(&l, offsetof(struct logline, text) + sizeof(bad) - 1);
	assert_true(get(now));
	/* Several lines are told apart by where they are written. */
	assert_string_equal(line.text, "a\nb?c?[2J???d?");
}

static void facts_come_along(void **state)
{
	struct event_facts f = event_facts(EVENT_SERVER);

	(void)state;
	strcpy(f.state, "silent");
	f.server = 0x09000002;
	assert_int_equal(logline_send(fd[1], LOG_INFO, "x", &f), 0);
	assert_true(get(now));
	assert_memory_equal(&line.facts, &f, sizeof(f));
	assert_string_equal(line.facts.reason, "server-silent");
}

/* Who sends does not wait, and knows what was lost. */
static void full_is_full(void **state)
{
	unsigned sent = 0, got = 0;
	int e = 0;

	(void)state;
	while (sent < 100000 &&
	       (e = logline_send(fd[1], LOG_INFO, "x", NULL)) == 0)
		sent++;
	assert_int_equal(e, -EAGAIN);
	assert_in_range(sent, 50, 99999);
	while (get(now))
		got++;
	assert_int_equal(got, sent);
	assert_int_equal(logline_send(fd[1], LOG_INFO, "x", NULL), 0);
}

/* How many bytes of text get through within a second, if as many are sent as
 * can be. */
static unsigned long flood(uint64_t at, char *text)
{
	unsigned long got = 0;

	for (unsigned i = 0; i < 3000; i++) {
		assert_int_equal(logline_send(fd[1], LOG_INFO, text, NULL), 0);
		while (get(at))
			got += strlen(line.text);
	}
	return got;
}

static void flood_is_left_out(void **state)
{
	char text[LOGLINE_TEXT];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_in_range(flood(now, text), 1 << 19, 1 << 20);
	assert_in_range(r.left_out, 1000, 3000);
	/* A hundred seconds of it. */
	r.left_out = 0;
	assert_in_range(flood(now + 100 * NS_PER_S, text), 1, 100 * 2048);
	/* One that has calmed down is heard again. */
	assert_int_equal(logline_send(fd[1], LOG_INFO, "calm", NULL), 0);
	assert_true(get(now + 200 * NS_PER_S));
	assert_string_equal(line.text, "calm");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)
	const struct CMUnitTest tests[] = {
		T(lines_come_as_they_were),
		T(long_ones_are_cut_by_who_sends),
		T(ill_formed_ones_are_none),
		T(what_is_no_text_is_made_harmless),
		T(facts_come_along),
		T(full_is_full),
		T(flood_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
