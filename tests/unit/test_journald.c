/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the journal gets, byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "journald.h"
#include "logline.h"

static int journald, fd;
static char path[64], got[4096];

static int make(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test-journald-%d", (int)getpid());
	strcpy(a.sun_path, path);
	journald = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (bind(journald, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	fd = journald_open(path);
	return fd < 0;
}

static int unmake(void **state)
{
	(void)state;
	close(fd);
	close(journald);
	unlink(path);
	return 0;
}

static size_t receive(void)
{
	ssize_t n = recv(journald, got, sizeof(got) - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	got[n] = '\0';
	return (size_t)n;
}

static void a_line(void **state)
{
	(void)state;
	assert_int_equal(journald_send(fd, "miredo", LOG_INFO, "a = b", NULL),
			 0);
	receive();
	assert_string_equal(got, "PRIORITY=6\nSYSLOG_IDENTIFIER=miredo\n"
				 "MESSAGE=a = b\n");
}

static void what_is_known(void **state)
{
	struct event_facts f = event_facts(EVENT_SERVER);
	char wanted[400];

	(void)state;
	strcpy(f.state, "silent");
	f.server = 0xc0000202;
	f.address = (struct ip6){{0x20, 0x01, [15] = 7}};
	assert_int_equal(journald_send(fd, "m", LOG_WARNING, "x", &f), 0);
	receive();
	snprintf(wanted, sizeof(wanted),
		 "PRIORITY=4\nSYSLOG_IDENTIFIER=m\nMESSAGE_ID=%s\n"
		 "TEREDO_STATE=silent\nTEREDO_REASON=server-silent\n"
		 "TEREDO_ADDRESS=2001::7\nTEREDO_SERVER=192.0.2.2\n"
		 "MESSAGE=x\n",
		 event_message(EVENT_SERVER));
	assert_string_equal(got, wanted);
}

/* Nobody can make a field of a line. */
static void several_lines(void **state)
{
	static const char wanted[] =
		"PRIORITY=3\nSYSLOG_IDENTIFIER=m\nMESSAGE\n"
		"\16\0\0\0\0\0\0\0one\nPRIORITY=0\n";

	(void)state;
	assert_int_equal(
		journald_send(fd, "m", LOG_ERR, "one\nPRIORITY=0", NULL), 0);
	assert_int_equal(receive(), sizeof(wanted) - 1);
	assert_memory_equal(got, wanted, sizeof(wanted) - 1);
}

static void the_longest(void **state)
{
	struct event_facts f = event_facts(EVENT_STARTED);
	char text[LOGLINE_TEXT];
	size_t n;

	(void)state;
	f.server = 0xdedededf;
	memset(f.state, 'x', sizeof(f.state) - 1);
	memset(&f.address, 0xff, sizeof(f.address));
	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(journald_send(fd, "miredo-server", LOG_ERR, text, &f),
			 0);
	n = receive();
	assert_in_range(n, LOGLINE_TEXT, LOGLINE_TEXT + 512);
	assert_string_equal(got + n - 3, "\n\n\n");
	/* Nothing of it is missing. */
	assert_null(memchr(got + n - LOGLINE_TEXT, 'M', LOGLINE_TEXT));
}

static void stderr_is_it_or_not(void **state)
{
	char stream[64];
	struct stat s;

	(void)state;
	fstat(STDERR_FILENO, &s);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)s.st_dev, (unsigned long long)s.st_ino);
	unsetenv("JOURNAL_STREAM");
	assert_false(journald_has_stderr());
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(journald_has_stderr());
	strcat(stream, "0");
	setenv("JOURNAL_STREAM", stream, 1);
	assert_false(journald_has_stderr());
	setenv("JOURNAL_STREAM", "1:", 1);
	assert_false(journald_has_stderr());
}

static void nobody_listens(void **state)
{
	(void)state;
	assert_int_equal(journald_open("/nowhere"), -ENOENT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)
	const struct CMUnitTest tests[] = {
		T(a_line),      T(what_is_known),       T(several_lines),
		T(the_longest), T(stderr_is_it_or_not), T(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
