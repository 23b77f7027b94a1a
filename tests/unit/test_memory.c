/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is of memory, by the files that the kernel shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/memory.h"

static char root[] = "/tmp/test_memory.XXXXXX";

static const char *in_root(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_root(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static uint64_t limit(void)
{
	char list[64];

	snprintf(list, sizeof(list), "%s", in_root("list"));
	return memory_limit(list, root);
}

static int make_groups(void **state)
{
	(void)state;
	if (!mkdtemp(root) || mkdir(in_root("a"), 0700) ||
	    mkdir(in_root("a/b"), 0700))
		return -1;
	return 0;
}

static int remove_groups(void **state)
{
	static const char *const files[] = {
		"a/b/memory.max", "a/memory.max", "memory.max",
		"list",           "a/b",          "a"};

	(void)state;
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		remove(in_root(files[i]));
	return rmdir(root);
}

static void no_limit_without_groups(void **state)
{
	(void)state;
	assert_true(limit() == UINT64_MAX);
	write_file("list", "2:memory:/a/b\n0::/a/b\n");
	assert_true(limit() == UINT64_MAX);
	write_file("a/b/memory.max", "max\n");
	assert_true(limit() == UINT64_MAX);
	assert_in_range(memory_size(), 1 << 20, UINT64_MAX - 1);
}

static void least_limit_counts(void **state)
{
	(void)state;
	write_file("list", "2:memory:/x\n0::/a/b\n");
	write_file("memory.max", "300\n");
	assert_int_equal(limit(), 300);
	write_file("a/memory.max", "100\n");
	assert_int_equal(limit(), 100);
	write_file("a/b/memory.max", "200\n");
	assert_int_equal(limit(), 100);
	write_file("a/b/memory.max", "50\n");
	assert_int_equal(limit(), 50);
	/* As a container shows it. */
	write_file("list", "0::/\n");
	assert_int_equal(limit(), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_without_groups),
		cmocka_unit_test(least_limit_counts),
	};

	return cmocka_run_group_tests(tests, make_groups, remove_groups);
}
