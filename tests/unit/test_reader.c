/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader: what it is asked, what it answers, what is in force then. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/configure.h"
#include "../../src/sys/reader.h"

enum {
	LONG_MS = 30000
};

static char dir[40], file[60];
static struct options o;
static struct conf c;
static struct plan p;
static struct reader r;
static struct settings_view v;
static struct reader_answer a;
static pid_t pid;

static void write_conf(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void start_with(const char *text)
{
	static struct report report;

	memset(&report, 0, sizeof(report));
	write_conf(text);
	o = (struct options){.program = "miredo", .file = file, .tun_fd = -1};
	configure_read(&c, &o, &report);
	assert_int_equal(report.errors, 0);
	plan_make(&p, &c, &o, 1 << 30, 1);
	pid = reader_start(&r, &p, -1, -1);
	assert_true(pid > 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/miredo-reader-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/m.conf", dir);
	start_with("ReplyRate 1\n");
	return 0;
}

static void stop(void)
{
	close(r.monitor);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(r.control);
	close(r.worker);
	close(r.steward);
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	stop();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command); /* NOLINT(cert-env33-c): our own name */
}

/* Ask it; the answer is in a, and what is in force in v. */
static void request(const void *q, size_t n)
{
	struct pollfd fd = {.fd = r.control, .events = POLLIN};

	assert_int_equal(send(r.control, q, n, 0), n);
	assert_int_equal(poll(&fd, 1, LONG_MS), 1);
	assert_int_equal(recv(r.control, &a, sizeof(a), 0), sizeof(a));
	assert_true(settings_read(r.settings, &v));
}

static void ask(enum reader_verb verb, uint32_t seconds)
{
	const struct reader_request q = {verb, seconds};

	request(&q, sizeof(q));
}

static bool in(const bool *rows, const char *name)
{
	for (unsigned i = 0; i < conf_rows(); i++) {
		if (rows[i] && strcmp(conf_name(i), name) == 0)
			return true;
	}
	return false;
}

static unsigned count(const bool *rows)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONF_ROWS; i++)
		n += rows[i];
	return n;
}

static bool is_awake(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	bool was = poll(&pfd, 1, 0) == 1;

	reader_heard(fd);
	return was;
}

static void at_the_start(void **state)
{
	(void)state;
	assert_true(settings_read(r.settings, &v));
	assert_int_equal(v.serial, 1);
	assert_int_equal(v.conf.reply_rate, 1);
	assert_int_equal(v.failed, 0);
	assert_false(is_awake(r.worker) || is_awake(r.steward));
}

static void changes_are_applied(void **state)
{
	(void)state;
	write_conf("ReplyRate 2\nBindPort 7\nDenyIPv4 9.0.0.1\n");
	ask(READER_RELOAD, 0);
	assert_false(a.failed);
	assert_int_equal(a.serial, 2);
	assert_int_equal(a.confirm_s, 0);
	assert_int_equal(count(a.applied), 2);
	assert_true(in(a.applied, "ReplyRate") && in(a.applied, "DenyIPv4"));
	assert_int_equal(count(a.waiting), 1);
	assert_true(in(v.waiting, "BindPort"));
	assert_int_equal(v.serial, 2);
	assert_int_equal(v.conf.reply_rate, 2);
	assert_int_equal(v.conf.bind_port, 0);
	assert_int_equal(v.conf.n_deny, 1);
	assert_true(is_awake(r.worker) && is_awake(r.steward));
	/* The same again is nothing new. */
	ask(READER_RELOAD, 0);
	assert_int_equal(v.serial, 2);
	assert_int_equal(count(a.applied), 0);
	assert_int_equal(count(a.waiting), 1);
	/* And what is taken back does not wait any more. */
	write_conf("ReplyRate 2\n");
	ask(READER_RELOAD, 0);
	assert_int_equal(count(a.waiting), 0);
	assert_true(in(a.applied, "DenyIPv4"));
}

static void errors_change_nothing(void **state)
{
	(void)state;
	write_conf("ReplyRate 2\nReplyRat 1\nBindPort x\n");
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	assert_int_equal(a.n_errors, 2);
	assert_non_null(strstr(a.error[0], "m.conf:2: ReplyRat: unknown"));
	assert_non_null(strstr(a.error[1], "m.conf:3: BindPort: \"x\""));
	assert_int_equal(v.serial, 1);
	assert_int_equal(v.conf.reply_rate, 1);
	assert_int_equal(v.failed, 1);
	assert_string_equal(v.error, a.error[0]);
	write_conf("ReplyRate 2\n");
	ask(READER_RELOAD, 0);
	assert_false(a.failed);
	assert_string_equal(v.error, "");
	assert_int_equal(v.failed, 1);
}

static void more_errors_than_fit(void **state)
{
	char text[20 * (READER_ERRORS + 7)] = "";

	(void)state;
	for (unsigned i = 0; i < READER_ERRORS + 7; i++)
		strcat(text, "BindX y\n");
	write_conf(text);
	ask(READER_RELOAD, 0);
	assert_int_equal(a.n_errors, READER_ERRORS);
	assert_int_equal(a.left_out, 7);
}

/* Until the time is over, which may be soon or late. */
static void wait_until_undone(void)
{
	struct pollfd fd = {.fd = r.worker, .events = POLLIN};

	while (v.confirm_until) {
		assert_int_equal(poll(&fd, 1, LONG_MS), 1);
		reader_heard(r.worker);
		assert_true(settings_read(r.settings, &v));
	}
}

static void undone_unless_confirmed(void **state)
{
	(void)state;
	write_conf("ReplyRate 2\n");
	ask(READER_RELOAD, 1);
	assert_int_equal(a.confirm_s, 1);
	wait_until_undone();
	assert_int_equal(v.conf.reply_rate, 1);
	assert_int_equal(v.serial, 3);
	ask(READER_KEEP, 0);
	assert_true(a.failed);
}

/* What is not confirmed is nothing to go back to. */
static void changed_again_before_it_is_confirmed(void **state)
{
	(void)state;
	write_conf("ReplyRate 2\n");
	ask(READER_RELOAD, 60);
	write_conf("ReplyRate 3\n");
	ask(READER_RELOAD, 0);
	assert_in_range(a.confirm_s, 1, 60);
	assert_int_equal(v.conf.reply_rate, 3);
	ask(READER_UNDO, 0);
	assert_int_equal(v.conf.reply_rate, 1);
}

static void confirmed(void **state)
{
	(void)state;
	write_conf("ReplyRate 2\n");
	ask(READER_RELOAD, 60);
	assert_in_range(a.confirm_s, 1, 60);
	ask(READER_KEEP, 0);
	assert_false(a.failed);
	assert_int_equal(a.confirm_s, 0);
	assert_int_equal(v.conf.reply_rate, 2);
	assert_int_equal(v.confirm_until, 0);
	ask(READER_UNDO, 0);
	assert_true(a.failed);
	assert_string_equal(a.error[0], "there is nothing to undo");
}

static void undone_at_once(void **state)
{
	(void)state;
	ask(READER_UNDO, 0);
	assert_true(a.failed);
	write_conf("ReplyRate 2\nBindPort 7\n");
	ask(READER_RELOAD, 60);
	ask(READER_UNDO, 0);
	assert_false(a.failed);
	assert_int_equal(a.serial, 3);
	assert_true(in(a.applied, "ReplyRate"));
	assert_int_equal(v.conf.reply_rate, 1);
	assert_int_equal(count(v.waiting), 0);
	assert_int_equal(v.confirm_until, 0);
}

static void what_is_no_request(void **state)
{
	static const struct reader_request bad[] = {
		{READER_VERBS, 0},
		{UINT32_MAX, 0},
		{READER_RELOAD, READER_SECONDS_MAX + 1},
		{READER_KEEP, 1},
		{READER_UNDO, 1},
	};
	char long_one[100] = "";

	(void)state;
	write_conf("ReplyRate 2\n");
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request(&bad[i], sizeof(bad[i]));
		assert_true(a.failed);
		assert_string_equal(a.error[0], "not a request");
	}
	request(long_one, sizeof(long_one));
	assert_true(a.failed);
	request(long_one, 1);
	assert_true(a.failed);
	assert_int_equal(v.serial, 1);
}

/* SIGHUP, however often; and what there was stays when it is gone. */
static void told_by_the_monitor(void **state)
{
	struct pollfd fd = {.fd = r.worker, .events = POLLIN};
	siginfo_t info;

	(void)state;
	write_conf("ReplyRate 2\n");
	for (unsigned i = 0; i < 1000; i++)
		assert_true(reader_tell(&r));
	assert_int_equal(poll(&fd, 1, LONG_MS), 1);
	assert_true(settings_read(r.settings, &v));
	assert_int_equal(v.conf.reply_rate, 2);
	assert_int_equal(kill(pid, SIGKILL), 0);
	/* It stays for stop() to be waited for. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(reader_tell(&r));
	assert_true(settings_read(r.settings, &v));
	assert_int_equal(v.conf.reply_rate, 2);
}

/* A file of secrets that is another one waits, too: that is said. */
static void secrets_wait(void **state)
{
	char keys[80], text[200];
	FILE *f;

	(void)state;
	stop();
	snprintf(keys, sizeof(keys), "%s/keys", dir);
	f = fopen(keys, "w");
	assert_non_null(f);
	fclose(f);
	snprintf(text, sizeof(text),
		 "RelayType server\nServerBindAddress 9.0.0.2\nSecret %s\n",
		 keys);
	start_with(text);
	ask(READER_RELOAD, 0);
	assert_int_equal(count(a.waiting), 0);
	f = fopen(keys, "w");
	assert_non_null(f);
	fputs("a hmac-sha1 k\n", f);
	fclose(f);
	ask(READER_RELOAD, 0);
	assert_false(a.failed);
	assert_int_equal(count(a.waiting), 1);
	assert_true(in(a.waiting, "Secret"));
}

/* A client that was started with addresses has nobody to look up a name. */
static void names_wait_for_a_resolver(void **state)
{
	(void)state;
	stop();
	start_with("ServerAddress 9.0.0.2\n");
	write_conf("ServerAddress 9.0.0.4\nServerAddress 9.0.0.2\n");
	ask(READER_RELOAD, 0);
	assert_int_equal(v.conf.n_servers, 2);
	assert_true(in(a.applied, "ServerAddress"));
	write_conf("ServerAddress a.example.net\nRefreshInterval 60\n");
	ask(READER_RELOAD, 0);
	assert_true(in(a.waiting, "ServerAddress"));
	assert_true(in(a.applied, "RefreshInterval"));
	assert_int_equal(v.conf.n_servers, 2);
	stop();
	start_with("ServerAddress b.example.net\n");
	write_conf("ServerAddress a.example.net\n");
	ask(READER_RELOAD, 0);
	assert_true(in(a.applied, "ServerAddress"));
	/* Without one it would be another role. */
	write_conf("RefreshInterval 60\n");
	ask(READER_RELOAD, 0);
	assert_true(in(a.waiting, "ServerAddress"));
	assert_string_equal(v.conf.servers[0].host, "a.example.net");
}

/* Where somebody is who may set it; of a server it is a number only. */
static void mtu_waits_in_some_roles(void **state)
{
	static const struct {
		const char *role;
		bool waits;
	} roles[] = {
		{"RelayType relay\n", true},
		{"RelayType host\n", true},
		{"RelayType client\nServerAddress 9.0.0.2\n", false},
		{"RelayType auto\nServerAddress 9.0.0.2\n", false},
		{"RelayType server\nServerBindAddress 9.0.0.2\n", false},
		{"RelayType server\nServerBindAddress 9.0.0.2\nRelay yes\n",
		 true},
	};
	char text[200];

	(void)state;
	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		stop();
		start_with(roles[i].role);
		snprintf(text, sizeof(text), "%sInterfaceMTU 1400\n",
			 roles[i].role);
		write_conf(text);
		ask(READER_RELOAD, 0);
		assert_false(a.failed);
		assert_int_equal(in(a.waiting, "InterfaceMTU"), roles[i].waits);
		assert_int_equal(in(a.applied, "InterfaceMTU"),
				 !roles[i].waits);
		assert_int_equal(v.conf.mtu, roles[i].waits ? 1280 : 1400);
	}
}

/* What is right as a whole, and not without what has to wait. */
static void half_of_it_is_not_applied(void **state)
{
	(void)state;
	stop();
	start_with("RelayType server\nServerBindAddress 9.0.0.2\n");
	write_conf("RelayType server\nServerBindAddress 11.0.0.2\n"
		   "DenyIPv4 9.0.0.0/8\n");
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	assert_non_null(strstr(a.error[a.n_errors - 1],
			       "cannot be applied without what waits"));
	assert_int_equal(v.conf.n_deny, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_the_start),
		TEST(changes_are_applied),
		TEST(errors_change_nothing),
		TEST(more_errors_than_fit),
		TEST(undone_unless_confirmed),
		TEST(changed_again_before_it_is_confirmed),
		TEST(confirmed),
		TEST(undone_at_once),
		TEST(what_is_no_request),
		TEST(told_by_the_monitor),
		TEST(secrets_wait),
		TEST(names_wait_for_a_resolver),
		TEST(mtu_waits_in_some_roles),
		TEST(half_of_it_is_not_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
