/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that looks names up: answers, failures, and its end. */
#include <grp.h>
#include <netdb.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "groups.h"
#include "resolver.h"
#include "settings.h"

enum {
	LONG_MS = 30000
};

static const char *const names[] = {"9.0.0.2", "localhost",
				    "no-such-host.invalid", ""};
static int fd, groups, asks;

static int start(void **state)
{
	const struct identity self = {0};

	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	asks = pair[0];
	groups = pair[1];
	fd = resolver_start(names, 4, NULL, groups, &self);
	return fd < 0;
}

static int stop(void **state)
{
	(void)state;
	close(fd);
	close(asks);
	return waitpid(-1, NULL, 0) < 0;
}

static struct resolver_answer get(void)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct resolver_answer a = {0};

	assert_int_equal(poll(&p, 1, LONG_MS), 1);
	assert_int_equal(recv(fd, &a, sizeof(a), 0), sizeof(a));
	return a;
}

/* One that cannot give up its rights is none, and that is seen at once. */
static void failure_is_seen_at_the_start(void **state)
{
	const struct identity nobody = {
		.change = true, .uid = (uid_t)-1, .gid = (gid_t)-1};
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		resolver_start(names, 4, NULL, -1, &nobody);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void names_and_numbers(void **state)
{
	struct resolver_answer a;

	(void)state;
	assert_int_equal(resolver_ask(fd, 1, 0), 0);
	a = get();
	assert_int_equal(a.name, 0);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.ip[0], 0x09000002);
	assert_int_equal(resolver_ask(fd, 1, 1), 0);
	a = get();
	assert_int_equal(a.name, 1);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.ip[0] >> 24, 127);
}

static void failures_are_answers(void **state)
{
	struct resolver_answer a;

	(void)state;
	assert_int_equal(resolver_ask(fd, 1, 2), 0);
	a = get();
	assert_int_equal(a.name, 2);
	assert_int_equal(a.n, 0);
	assert_true(a.error != 0);
}

/* Whatever it is told, each name of its list gets one answer for a question,
 * and nothing else is looked up. */
static void more_than_at_once(void **state)
{
	(void)state;
	assert_int_equal(resolver_ask(fd, 1, 99), 0);
	for (int i = 0; i < RESOLVER_AT_ONCE + 4; i++)
		assert_int_equal(resolver_ask(fd, 1, 0), 0);
	for (int i = 0; i < RESOLVER_AT_ONCE + 4; i++)
		assert_int_equal(get().name, 0);
	assert_int_equal(resolver_ask(fd, 1, 1), 0);
	assert_int_equal(get().name, 1);
}

/* Groups, as getgrnam() knows them; the names go on meanwhile. */
static void groups_have_numbers(void **state)
{
	struct group_answer ga;
	const struct group *g;
	gid_t gid = 12345;

	(void)state;
	setgrent();
	g = getgrent();
	assert_non_null(g);
	assert_null(groups_ask(asks, g->gr_name, &gid));
	assert_int_equal(gid, g->gr_gid);
	assert_string_equal(groups_ask(asks, "no-such-group", &gid),
			    "there is no such group");
	assert_int_equal(gid, g->gr_gid);
	/* What is no question is none. */
	assert_int_equal(send(asks, "x", 1, 0), 1);
	assert_null(groups_ask(asks, g->gr_name, &gid));
	assert_int_equal(recv(asks, &ga, sizeof(ga), MSG_DONTWAIT), -1);
	assert_int_equal(resolver_ask(fd, 1, 0), 0);
	assert_int_equal(get().n, 1);
	/* When the reader is gone it still has its other work. */
	close(asks);
	assert_int_equal(resolver_ask(fd, 1, 0), 0);
	assert_int_equal(get().n, 1);
	asks = -1;
}

/* Names of other settings are read where those are; of settings that are not
 * those of now nothing is looked up. */
static void names_of_other_settings(void **state)
{
	static struct settings_view v = {.serial = 1};
	const struct identity self = {0};
	const struct settings *all;
	struct settings *writer;
	struct resolver_answer a;

	stop(state);
	all = settings_make(&writer, &v);
	asks = -1;
	fd = resolver_start(names, 4, all, -1, &self);
	v.serial = 2;
	v.conf.n_servers = 1;
	strcpy(v.conf.servers[0].host, "9.0.0.7");
	settings_write(writer, &v);
	assert_int_equal(resolver_ask(fd, 1, 0), 0);
	a = get();
	assert_int_equal(a.serial, 1);
	assert_int_equal(a.ip[0], 0x09000002);
	assert_int_equal(resolver_ask(fd, 2, 3), 0); /* there is none */
	assert_int_equal(resolver_ask(fd, 2, 0), 0);
	a = get();
	assert_int_equal(a.serial, 2);
	assert_int_equal(a.ip[0], 0x09000007);
	assert_int_equal(resolver_ask(fd, 3, 0), 0);
	a = get();
	assert_int_equal(a.serial, 3);
	assert_int_equal(a.n, 0);
	settings_let_go(writer);
}

static void its_end_is_seen(void **state)
{
	char path[64], line[16];
	struct resolver_answer a;
	gid_t gid;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	f = fopen(path, "r");
	if (!f)
		skip();
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(kill(atoi(line), SIGKILL), 0);
	assert_non_null(groups_ask(asks, "root", &gid));
	assert_int_equal(recv(fd, &a, sizeof(a), 0), 0);
	assert_true(resolver_ask(fd, 1, 0) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_is_seen_at_the_start),
		T(names_and_numbers),
		T(groups_have_numbers),
		T(names_of_other_settings),
		T(failures_are_answers),
		T(more_than_at_once),
		T(its_end_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
