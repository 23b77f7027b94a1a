/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the service manager hears, and what it is handed. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"

static int manager = -1;
static char name[64], text[2 * NOTIFY_TEXT];

/* A manager that listens at this name; '@' first: abstract. */
static void listen_at(const char *prefix)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n;

	snprintf(name, sizeof(name), "%s/test-notify-%d", prefix,
		 (int)getpid());
	n = strlen(name);
	memcpy(a.sun_path, name, n);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(
		bind(manager, (struct sockaddr *)&a,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_open();
}

static int end(void **state)
{
	(void)state;
	notify_close();
	if (manager >= 0)
		close(manager);
	manager = -1;
	if (name[0] == '/')
		unlink(name);
	return 0;
}

static const char *heard(void)
{
	ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void words_arrive(const char *at)
{
	long long us;

	listen_at(at);
	assert_in_range(notify_descriptor(), 3, 1000);
	notify_ready();
	assert_string_equal(heard(), "READY=1");
	notify_reloading();
	assert_int_equal(
		sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%lld", &us), 1);
	assert_true(us > 0);
	notify_send("STATUS=%s %d", "all is", 7);
	assert_string_equal(heard(), "STATUS=all is 7");
	notify_stopping();
	assert_string_equal(heard(), "STOPPING=1");
	notify_unstore("a");
	assert_string_equal(heard(), "FDSTOREREMOVE=1\nFDNAME=a");
}

static void by_a_path(void **state)
{
	(void)state;
	words_arrive("/tmp");
}

static void by_an_abstract_name(void **state)
{
	(void)state;
	words_arrive("@");
}

/* No script that we start may speak for us. */
static void environment_is_clean(void **state)
{
	char pid[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	listen_at("/tmp");
	assert_true(notify_watchdog() == UINT64_C(30000000000));
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
}

static void watchdog_of_others(void **state)
{
	(void)state;
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	listen_at("/tmp");
	assert_true(notify_watchdog() == 0);
}

static void without_a_manager(void **state)
{
	(void)state;
	name[0] = '\0';
	unsetenv("NOTIFY_SOCKET");
	notify_open();
	assert_int_equal(notify_descriptor(), -1);
	notify_ready();
	notify_send("STATUS=%d", 1);
	assert_int_equal(notify_store(0, "a"), -EBADF);
}

static void what_is_no_address(void **state)
{
	static const char *const bad[] = {"", "/", "@", "run/notify",
					  "/run/nobody/listens"};
	char longest[200];

	(void)state;
	name[0] = '\0';
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (unsigned i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("NOTIFY_SOCKET",
		       i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : longest, 1);
		notify_open();
		assert_int_equal(notify_descriptor(), -1);
	}
}

/* A manager that does not read holds nobody up. */
static void nobody_waits(void **state)
{
	(void)state;
	listen_at("/tmp");
	for (int i = 0; i < 10000; i++)
		notify_send("STATUS=%d", i);
	assert_string_equal(heard(), "STATUS=0");
}

static void descriptors_are_stored(void **state)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct stat a, b;
	ssize_t n;
	int fd;

	(void)state;
	listen_at("/tmp");
	assert_int_equal(notify_store(manager, "udp-0-1"), 0);
	n = recvmsg(manager, &m, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "FDSTORE=1\nFDNAME=udp-0-1\nFDPOLL=0");
	assert_int_equal(CMSG_FIRSTHDR(&m)->cmsg_type, SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(manager, &b), 0);
	assert_true(a.st_ino == b.st_ino);
	close(fd);
}

/* What others may have the monitor say, and what not. */
static void others_are_heard(void **state)
{
	static const struct {
		const char *text;
		bool passes;
	} words[] = {
		{"STATUS=all is well", true},
		{"WATCHDOG=1", true},
		{"STATUS=x\nWATCHDOG=1", true},
		{"RELOADING=1\nMONOTONIC_USEC=7", true},
		{"READY=1", true},
		{"WATCHDOG_USEC=0", true},
		{"FDSTOREREMOVE=1\nFDNAME=a", true},
		{"MAINPID=1", false},
		{"STATUS=x\nMAINPID=1", false},
		{"STOPPING=1", false},
		{"WATCHDOG=trigger", false},
		{"WATCHDOG_USEC=1", false},
		{"ERRNO=2", false},
		{"STATUS=\033[2J", false},
		{"STATUS=x\n", false},
		{"STATUS", false},
	};
	int fd[2];

	(void)state;
	listen_at("/tmp");
	assert_int_equal(notify_channel(fd), 0);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i].text);

		assert_int_equal(send(fd[1], words[i].text, n, 0), n);
		assert_true(notify_pass_on(fd[0]));
		assert_string_equal(heard(),
				    words[i].passes ? words[i].text : "");
	}
	memset(text, 'x', sizeof(text));
	memcpy(text, "STATUS=", 7);
	assert_int_equal(send(fd[1], text, sizeof(text), 0), sizeof(text));
	assert_true(notify_pass_on(fd[0]));
	assert_string_equal(heard(), "");
	assert_true(notify_pass_on(fd[0])); /* there is nothing, yet */
	close(fd[1]);
	assert_false(notify_pass_on(fd[0]));
	close(fd[0]);
}

/* Descriptors pass through the monitor, which keeps none. */
static void others_store_descriptors(void **state)
{
	int channel[2], before, after;
	pid_t pid;
	int status;

	(void)state;
	listen_at("/tmp");
	assert_int_equal(notify_channel(channel), 0);
	before = dup(0);
	close(before);
	pid = fork();
	if (pid == 0) {
		notify_by(channel[1]);
		_exit(notify_store(manager, "x"));
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(notify_pass_on(channel[0]));
	assert_string_equal(heard(), "FDSTORE=1\nFDNAME=x\nFDPOLL=0");
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	close(channel[0]);
	close(channel[1]);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, end)
	const struct CMUnitTest tests[] = {
		T(by_a_path),
		T(by_an_abstract_name),
		T(environment_is_clean),
		T(watchdog_of_others),
		T(without_a_manager),
		T(what_is_no_address),
		T(nobody_waits),
		T(descriptors_are_stored),
		T(others_are_heard),
		T(others_store_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
