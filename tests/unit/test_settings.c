/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that one process writes and others read: always of one moment. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/settings.h"

enum {
	ROUNDS = 20000
};

static struct settings_view v;
static struct settings *writer;
static const struct settings *all;

static int set_up(void **state)
{
	(void)state;
	memset(&v, 0, sizeof(v));
	v.serial = 1;
	conf_defaults(&v.conf);
	all = settings_make(&writer, &v);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	settings_let_go(writer);
	return 0;
}

/* Each view has one number everywhere. */
static void number(uint32_t n)
{
	v.serial = n;
	v.failed = n;
	v.conf.reply_rate = n;
	v.conf.origins.of[CONF_ORIGINS - 1].line = n;
}

static bool is_whole(void)
{
	return v.failed == v.serial && v.conf.reply_rate == v.serial &&
	       v.conf.origins.of[CONF_ORIGINS - 1].line == v.serial;
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (uint32_t n = 2; n < 10; n++) {
		number(n);
		settings_write(writer, &v);
		memset(&v, 0, sizeof(v));
		assert_true(settings_read(all, &v));
		assert_int_equal(v.serial, n);
		assert_true(is_whole());
	}
}

static _Noreturn void write_for_ever(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
	for (uint32_t n = 2;; n++) {
		number(n);
		settings_write(writer, &v);
	}
}

/* While another process writes as fast as it can. */
static void always_of_one_moment(void **state)
{
	uint32_t last = 0;
	pid_t pid;

	(void)state;
	number(1);
	settings_write(writer, &v);
	pid = fork();
	if (pid == 0)
		write_for_ever();
	for (unsigned i = 0; i < ROUNDS || last < ROUNDS / 10; i++) {
		if (!settings_read(all, &v))
			continue;
		assert_true(is_whole());
		assert_true(v.serial >= last);
		last = v.serial;
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* Wherever it was when it was killed. */
	assert_true(settings_read(all, &v));
	assert_true(is_whole());
}

static _Noreturn void write_there(void)
{
	volatile char *at = (char *)(uintptr_t)all;

	signal(SIGSEGV, SIG_DFL);
	mprotect((void *)(uintptr_t)all, 4096, PROT_READ | PROT_WRITE);
	*at = 1;
	_exit(0);
}

/* F_SEAL_FUTURE_WRITE: from Linux 5.1 on. */
static void nobody_else_can_write(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		write_there();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(always_of_one_moment),
		TEST(nobody_else_can_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
