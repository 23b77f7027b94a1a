/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of secrets: what it may hold, and who may read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/secrets.h"

static struct secrets s;
static struct report r;
static const char *const error = r.v[0].text; /* the first */

static unsigned read_text(const char *text)
{
	FILE *f = tmpfile();
	unsigned n;

	assert_non_null(f);
	fputs(text, f);
	rewind(f);
	r = (struct report){0};
	n = secrets_read(&s, f, "keys", &r);
	fclose(f);
	return n;
}

static void lines_become_a_table_in_order(void **state)
{
	(void)state;
	assert_int_equal(read_text("# comment\n\n"
				   "zoe hmac-sha256 hex:00fFa0\n"
				   "  bob\thmac-sha1 word renew\n"
				   "alice hmac-sha1 x\n"),
			 0);
	assert_int_equal(s.n, 3);
	for (unsigned i = 1; i < s.n; i++)
		assert_true(secret_compare(&s.v[i - 1], &s.v[i]) < 0);
	/* By length, then by bytes. */
	assert_memory_equal(s.v[0].id, "bob", 3);
	assert_true(s.v[0].renew);
	assert_int_equal(s.v[0].algorithm, HMAC_SHA1);
	assert_int_equal(s.v[0].key_len, 4);
	assert_memory_equal(s.v[0].key, "word", 4);
	assert_memory_equal(s.v[1].id, "zoe", 3);
	assert_int_equal(s.v[1].algorithm, HMAC_SHA256);
	assert_int_equal(s.v[1].key_len, 3);
	assert_memory_equal(s.v[1].key, "\x00\xff\xa0", 3);
	assert_false(s.v[1].renew);
	assert_memory_equal(s.v[2].id, "alice", 5);
	secrets_free(&s);
}

static void bad_lines_are_all_named(void **state)
{
	char text[1200] = "x hmac-sha1 ";

	(void)state;
	assert_int_equal(read_text("a hmac-sha1\n"
				   "b md5 k\n"
				   "c hmac-sha1 hex:0\n"
				   "d hmac-sha1 hex:\n"
				   "e hmac-sha1 hex:0g\n"
				   "f hmac-sha1 k now\n"
				   "g hmac-sha1 k renew now\n"
				   "h hmac-sha1 k\n"),
			 7);
	assert_int_equal(s.n, 0);
	assert_null(s.v);
	assert_int_equal(r.n, 7);
	assert_memory_equal(error, "keys:1: expected: identifier", 28);
	assert_memory_equal(r.v[1].text, "keys:2: the algorithm must be", 29);
	assert_memory_equal(r.v[6].text, "keys:7: behind the secret", 25);

	memset(text + strlen(text), 'k', 256); /* a byte too long */
	assert_int_equal(read_text(text), 1);
	text[12 + 255] = '\0';
	assert_int_equal(read_text(text), 0);
	assert_int_equal(s.v[0].key_len, 255);
	secrets_free(&s);
}

static void secrets_are_not_shown_in_errors(void **state)
{
	(void)state;
	assert_int_equal(read_text("a md5 topsecret\nb hmac-sha1 hex:topsecre"),
			 2);
	assert_int_equal(r.n, 2);
	for (unsigned i = 0; i < r.n; i++)
		assert_null(strstr(r.v[i].text, "topsecre"));
}

static void identifiers_are_unique(void **state)
{
	(void)state;
	assert_int_equal(read_text("bob hmac-sha1 x\nal hmac-sha1 y\n"
				   "bob hmac-sha256 z\n"),
			 1);
	assert_string_equal(error, "keys: identifier \"bob\" occurs twice");
	assert_int_equal(s.n, 0);
}

static void many_lines_fit(void **state)
{
	char *text = malloc(1000 * 32), *at = text;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		at += sprintf(at, "client%u hmac-sha1 k%u\n", i, i);
	assert_int_equal(read_text(text), 0);
	assert_int_equal(s.n, 1000);
	secrets_free(&s);
	free(text);
}

static void file_that_others_may_read_is_refused(void **state)
{
	char path[] = "/tmp/test_secrets.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	r = (struct report){0};
	assert_int_equal(write(fd, "a hmac-sha1 k\n", 14), 14);
	fchmod(fd, 0644);
	assert_int_equal(secrets_load(&s, path, &r), 1);
	assert_non_null(strstr(error, "chmod o= /tmp/test_secrets."));
	fchmod(fd, 0640);
	assert_int_equal(secrets_load(&s, path, &r), 0);
	assert_int_equal(s.n, 1);
	secrets_free(&s);
	unlink(path);
	close(fd);
	assert_int_equal(secrets_load(&s, path, &r), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_a_table_in_order),
		cmocka_unit_test(bad_lines_are_all_named),
		cmocka_unit_test(secrets_are_not_shown_in_errors),
		cmocka_unit_test(identifiers_are_unique),
		cmocka_unit_test(many_lines_fit),
		cmocka_unit_test(file_that_others_may_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
