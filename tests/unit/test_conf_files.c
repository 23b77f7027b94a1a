/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and directories that one configuration is made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/conf_files.h"

static struct conf c;
static struct report r;
static char dir[] = "/tmp/miredo-conf-XXXXXX";

static const char *path(const char *name)
{
	static char s[200];

	snprintf(s, sizeof(s), "%s/%s", dir, name);
	return s;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void read_all(void)
{
	r = (struct report){0};
	conf_defaults(&c);
	conf_files_read(&c, path("m.conf"), false, &r);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/miredo-conf-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mkdir(path("m.conf.d"), 0755), 0);
	write_file("m.conf", "BindPort 1\nDenyIPv4 9.0.0.1\n");
	return 0;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command); /* NOLINT(cert-env33-c): our own name */
}

static void directory_is_read_by_name(void **state)
{
	(void)state;
	write_file("m.conf.d/b.conf", "BindPort 3\n");
	write_file("m.conf.d/B.conf", "BindPort 4\nUser b\n");
	write_file("m.conf.d/a.conf", "BindPort 2\nUser a\nDenyIPv4 9.0.0.2\n");
	write_file("m.conf.d/c.conf~", "Nonsense 1\n");
	write_file("m.conf.d/.d.conf", "Nonsense 2\n");
	write_file("m.conf.d/.conf", "Nonsense 3\n");
	read_all();
	assert_int_equal(r.n, 0);
	assert_int_equal(c.bind_port, 3);
	assert_string_equal(c.user, "a");
	assert_int_equal(c.n_deny, 2);
}

static void there_need_be_no_directory(void **state)
{
	(void)state;
	assert_int_equal(rmdir(path("m.conf.d")), 0);
	read_all();
	assert_int_equal(r.n, 0);
	assert_int_equal(c.bind_port, 1);
}

static void errors_of_all_files_are_reported(void **state)
{
	char text[300];

	(void)state;
	write_file("m.conf", "BindPort x\n");
	write_file("m.conf.d/a.conf", "\nReplyRat 1\n");
	assert_int_equal(mkdir(path("m.conf.d/b.conf"), 0755), 0);
	read_all();
	assert_int_equal(r.errors, 3);
	snprintf(text, sizeof(text),
		 "%s:2: ReplyRat: unknown directive, did you mean ReplyRate?",
		 path("m.conf.d/a.conf"));
	assert_string_equal(r.v[1].text, text);
	assert_non_null(strstr(r.v[2].text, "b.conf: not a regular file"));
}

static void what_others_may_write_is_refused(void **state)
{
	(void)state;
	write_file("m.conf.d/a.conf", "BindPort 2\n");
	assert_int_equal(chmod(path("m.conf.d"), 0777), 0);
	read_all();
	assert_int_equal(r.errors, 1);
	assert_non_null(strstr(r.v[0].text, "others may write it"));
	assert_int_equal(c.bind_port, 1);
}

static void directory_that_is_none(void **state)
{
	(void)state;
	assert_int_equal(rmdir(path("m.conf.d")), 0);
	write_file("m.conf.d", "");
	read_all();
	assert_int_equal(r.errors, 1);
	assert_non_null(strstr(r.v[0].text, "not a directory"));
}

static void more_files_than_fit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONF_FILES + 3; i++) {
		char name[40];

		snprintf(name, sizeof(name), "m.conf.d/%03u.conf", i);
		write_file(name, "DSCP 1\n");
	}
	read_all();
	assert_int_equal(r.errors, 1);
	assert_non_null(strstr(r.v[0].text, "more than 63 files"));
}

static void file_that_is_missing(void **state)
{
	(void)state;
	assert_int_equal(unlink(path("m.conf")), 0);
	read_all();
	assert_int_equal(r.errors, 1);
	assert_non_null(strstr(r.v[0].text, "cannot read the configuration "
					    "file"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(directory_is_read_by_name),
		TEST(there_need_be_no_directory),
		TEST(errors_of_all_files_are_reported),
		TEST(what_others_may_write_is_refused),
		TEST(directory_that_is_none),
		TEST(more_files_than_fit),
		TEST(file_that_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
