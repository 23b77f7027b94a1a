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

#include "../../src/sys/board.h"
#include "../../src/sys/configure.h"
#include "../../src/sys/groups.h"
#include "../../src/sys/reader.h"
#include "../../src/sys/vault.h"

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
static struct board *board; /* for the next one */

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
	p.board = board;
	p.has_group = c.control_group[0];
	p.group = 4711;
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

static void take_answer(void)
{
	struct pollfd fd = {.fd = r.control, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, LONG_MS), 1);
	assert_int_equal(recv(r.control, &a, sizeof(a), 0), sizeof(a));
	assert_true(settings_read(r.settings, &v));
}

/* Ask it; the answer is in a, and what is in force in v. */
static void request(const void *q, size_t n)
{
	assert_int_equal(send(r.control, q, n, 0), n);
	take_answer();
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
	assert_in_range(a.confirm_s, 0, 1); /* on a slow machine it is over */
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

/* --- secrets --- */

static const struct vault *vault;

static void write_keys(const char *name, const char *text, mode_t mode)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

/* A configuration with that file of secrets; "" = none. */
static void write_with(const char *text, const char *keys)
{
	char all[300];

	snprintf(all, sizeof(all), *keys ? "%sSecret %s/%s\n" : "%s", text, dir,
		 keys);
	write_conf(all);
}

static void start_with_keys(const char *text)
{
	char all[300];

	stop();
	write_keys("keys", "a hmac-sha1 old\n", 0600);
	snprintf(all, sizeof(all), "%sSecret %s/keys\n", text, dir);
	start_with(all);
	vault = vault_open(r.secrets);
	assert_non_null(vault);
}

/* What the packet process gets: the i-th secret is that word. */
static void handed_on(unsigned want, unsigned i, const char *word)
{
	const struct secret *s;
	unsigned n;

	s = vault_find(vault, v.secrets, &n);
	assert_non_null(s);
	assert_int_equal(n, want);
	if (i == want)
		return;
	assert_int_equal(s[i].key_len, strlen(word));
	assert_memory_equal(s[i].key, word, strlen(word));
}

#define SERVER "RelayType server\nServerBindAddress 9.0.0.2\n"

static void other_secrets(void **state)
{
	unsigned n;

	(void)state;
	start_with_keys(SERVER);
	ask(READER_RELOAD, 0);
	assert_int_equal(count(a.applied) + count(a.waiting), 0);
	assert_int_equal(v.secrets, 0);
	/* The same file, with others in it. */
	write_keys("keys", "b hmac-sha1 two\na hmac-sha256 one\n", 0600);
	ask(READER_RELOAD, 0);
	assert_false(a.failed);
	assert_int_equal(count(a.applied), 1);
	assert_true(in(a.applied, "Secret"));
	assert_int_equal(v.serial, 2);
	handed_on(2, 0, "one");
	handed_on(2, 1, "two");
	ask(READER_RELOAD, 0);
	assert_int_equal(count(a.applied), 0);
	/* Another file; and what was in the place of its secrets is gone. */
	write_keys("more", "c hmac-sha1 three\n", 0640);
	write_with(SERVER, "more");
	ask(READER_RELOAD, 0);
	assert_true(in(a.applied, "Secret"));
	handed_on(1, 0, "three");
	/* Until the packet process goes by it, it may look there. */
	assert_non_null(vault_find(vault, 1, &n));
	assert_int_equal(n, 2);
	/* None at all. */
	write_with(SERVER, "");
	ask(READER_RELOAD, 0);
	assert_true(in(a.applied, "Secret"));
	handed_on(0, 0, "");
	assert_null(vault_find(vault, 1, &n));
	assert_non_null(vault_find(vault, 2, &n));
}

/* All goes on with the old ones; also what else would have changed. */
static void bad_secrets_change_nothing(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *error;
	} bad[] = {
		{"a hmac-sha1 k\nb hmac-sha1\n", 0600, "keys:2: expected"},
		{"a hmac-sha1 k\na hmac-sha1 l\n", 0600, "\"a\" occurs twice"},
		{"a hmac-sha1 k\n", 0604, "keys: others may read it"},
	};

	(void)state;
	start_with_keys(SERVER);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_keys("keys", bad[i].text, bad[i].mode);
		write_with(SERVER "ReplyRate 2\n", "keys");
		ask(READER_RELOAD, 0);
		assert_true(a.failed);
		assert_non_null(strstr(a.error[0], bad[i].error));
		assert_int_equal(v.serial, 1);
		assert_int_equal(v.secrets, 0);
		assert_int_not_equal(v.conf.reply_rate, 2);
	}
	write_with(SERVER "RequireSecret yes\n", "");
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	write_with(SERVER, "none");
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	write_keys("keys", "a hmac-sha1 new\n", 0600);
	write_with(SERVER, "keys");
	ask(READER_RELOAD, 0);
	handed_on(1, 0, "new");
}

/* To those of the start, and to those between. */
static void secrets_are_undone(void **state)
{
	(void)state;
	start_with_keys(SERVER);
	write_keys("keys", "a hmac-sha1 new\n", 0600);
	ask(READER_RELOAD, 60);
	handed_on(1, 0, "new");
	ask(READER_UNDO, 0);
	assert_true(in(a.applied, "Secret"));
	assert_int_equal(v.serial, 3);
	assert_int_equal(v.secrets, 0);
	/* The file is still another. */
	ask(READER_RELOAD, 0);
	handed_on(1, 0, "new");
	/* Twice before it is confirmed: there is no place for three. */
	write_keys("keys", "a hmac-sha1 newer\n", 0600);
	ask(READER_RELOAD, 60);
	write_keys("keys", "a hmac-sha1 newest\n", 0600);
	ask(READER_RELOAD, 0);
	handed_on(1, 0, "newest");
	ask(READER_UNDO, 0);
	handed_on(1, 0, "new");
	/* Something else is changed, and undone: they stay. */
	write_keys("keys", "a hmac-sha1 last\n", 0600);
	ask(READER_RELOAD, 0);
	write_with(SERVER "ReplyRate 2\n", "keys");
	ask(READER_RELOAD, 0);
	ask(READER_UNDO, 0);
	assert_false(in(a.applied, "Secret"));
	handed_on(1, 0, "last");
}

/* Where the packet process may still look nothing is written: what it goes by
 * stands on the board. */
static void secrets_wait_for_the_packet_process(void **state)
{
	struct board *b = board_make(1);

	(void)state;
	assert_non_null(b);
	board = b;
	start_with_keys(SERVER);
	board = NULL;
	b->facts.settings = 1;
	write_keys("keys", "a hmac-sha1 new\n", 0600);
	ask(READER_RELOAD, 0);
	handed_on(1, 0, "new");
	write_keys("keys", "a hmac-sha1 newer\n", 0600);
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	assert_non_null(strstr(a.error[0], "has not taken the last change"));
	handed_on(1, 0, "new");
	b->facts.settings = 2;
	ask(READER_RELOAD, 0);
	assert_false(a.failed);
	handed_on(1, 0, "newer");
}

/* A client hands on its own, and no other. */
static void own_secret_of_a_client(void **state)
{
#define CLIENT_OF(id) "ServerAddress 9.0.0.2\nClientID " id "\n"
	(void)state;
	start_with_keys(CLIENT_OF("a"));
	write_keys("keys", "a hmac-sha1 one\nb hmac-sha1 two\n", 0600);
	ask(READER_RELOAD, 0);
	handed_on(1, 0, "one");
	write_with(CLIENT_OF("b"), "keys");
	ask(READER_RELOAD, 0);
	assert_true(in(a.applied, "ClientID") && in(a.applied, "Secret"));
	handed_on(1, 0, "two");
	write_with(CLIENT_OF("c"), "keys");
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	assert_non_null(strstr(a.error[0], "has no line for c"));
	handed_on(1, 0, "two");
	write_with("ServerAddress 9.0.0.2\n", "keys");
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	write_with("ServerAddress 9.0.0.2\n", "");
	ask(READER_RELOAD, 0);
	assert_true(in(a.applied, "ClientID") && in(a.applied, "Secret"));
	handed_on(0, 0, "");
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
		bool waits; /* InterfaceMTU */
		bool dscp_waits;
	} roles[] = {
		{"RelayType relay\n", true, false},
		{"RelayType host\n", true, false},
		{"RelayType client\nServerAddress 9.0.0.2\n", false, false},
		{"RelayType auto\nServerAddress 9.0.0.2\n", false, false},
		{"RelayType server\nServerBindAddress 9.0.0.2\n", false, true},
		{"RelayType server\nServerBindAddress 9.0.0.2\nRelay yes\n",
		 true, false},
	};
	char text[200];

	(void)state;
	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		stop();
		start_with(roles[i].role);
		snprintf(text, sizeof(text), "%sInterfaceMTU 1400\nDSCP 10\n",
			 roles[i].role);
		write_conf(text);
		ask(READER_RELOAD, 0);
		assert_false(a.failed);
		assert_int_equal(in(a.waiting, "InterfaceMTU"), roles[i].waits);
		assert_int_equal(in(a.applied, "InterfaceMTU"),
				 !roles[i].waits);
		assert_int_equal(in(a.waiting, "DSCP"), roles[i].dscp_waits);
		assert_int_equal(v.conf.mtu, roles[i].waits ? 1280 : 1400);
	}
}

/* Reload, and be the resolver meanwhile: this group has that number; 0 = there
 * is none of that name. */
static void reload_with_group(const char *name, gid_t gid)
{
	const struct reader_request q = {READER_RELOAD, 0};
	struct pollfd fd = {.fd = r.groups, .events = POLLIN};
	struct group_question gq;
	struct group_answer ga = {.found = gid != 0, .gid = gid};

	assert_int_equal(send(r.control, &q, sizeof(q), 0), sizeof(q));
	assert_int_equal(poll(&fd, 1, LONG_MS), 1);
	assert_int_equal(recv(r.groups, &gq, sizeof(gq), 0), sizeof(gq));
	assert_string_equal(gq.name, name);
	/* Of a question that nobody waits for any more. */
	ga.serial = gq.serial - 1;
	assert_int_equal(send(r.groups, &ga, sizeof(ga), 0), sizeof(ga));
	ga.serial = gq.serial;
	assert_int_equal(send(r.groups, &ga, sizeof(ga), 0), sizeof(ga));
	take_answer();
}

static void groups_are_looked_up(void **state)
{
	(void)state;
	stop();
	start_with("ControlGroup adm\n");
	assert_true(settings_read(r.settings, &v));
	assert_true(v.has_group);
	assert_int_equal(v.group, 4711);
	write_conf("ControlGroup adm\nReplyRate 2\n");
	ask(READER_RELOAD, 0); /* the same: nobody is asked */
	assert_int_equal(count(a.applied), 1);
	assert_int_equal(v.group, 4711);
	write_conf("ReplyRate 2\nControlGroup other\n");
	reload_with_group("other", 4712);
	assert_true(in(a.applied, "ControlGroup"));
	assert_int_equal(v.group, 4712);
	write_conf("ReplyRate 3\n\nControlGroup none\n");
	reload_with_group("none", 0);
	assert_true(a.failed);
	assert_non_null(strstr(a.error[0], "m.conf:3: ControlGroup: \"none\": "
					   "there is no such group"));
	assert_int_equal(v.group, 4712);
	assert_int_equal(v.conf.reply_rate, 2);
	write_conf("ReplyRate 3\n");
	ask(READER_RELOAD, 0);
	assert_true(in(a.applied, "ControlGroup"));
	assert_false(v.has_group);
	ask(READER_UNDO, 0);
	assert_true(v.has_group);
	assert_int_equal(v.group, 4712);
	close(r.groups);
	write_conf("ControlGroup third\n");
	ask(READER_RELOAD, 0);
	assert_true(a.failed);
	assert_non_null(strstr(a.error[0], "nobody is left to look it up"));
}

/* As with names of servers: who was started without has nobody for it. */
static void group_waits_for_a_resolver(void **state)
{
	(void)state;
	write_conf("ControlGroup adm\n");
	ask(READER_RELOAD, 0);
	assert_true(in(a.waiting, "ControlGroup"));
	assert_false(v.has_group);
}

/* Standard error, where this one logs to, is not there for all any more. */
static void log_does_not_leave_stderr(void **state)
{
	(void)state;
	write_conf("LogTarget journal\nSyslogFacility local3\n");
	ask(READER_RELOAD, 0);
	assert_true(in(a.waiting, "LogTarget"));
	assert_true(in(a.applied, "SyslogFacility"));
	assert_int_equal(v.conf.log_target, LOG_TARGET_AUTO);
	write_conf("LogTarget stderr\n");
	ask(READER_RELOAD, 0);
	assert_true(in(a.applied, "LogTarget")); /* it is where it is */
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
		TEST(other_secrets),
		TEST(bad_secrets_change_nothing),
		TEST(secrets_are_undone),
		TEST(secrets_wait_for_the_packet_process),
		TEST(own_secret_of_a_client),
		TEST(names_wait_for_a_resolver),
		TEST(mtu_waits_in_some_roles),
		TEST(log_does_not_leave_stderr),
		TEST(groups_are_looked_up),
		TEST(group_waits_for_a_resolver),
		TEST(half_of_it_is_not_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
