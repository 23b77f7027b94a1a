/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cages: how large they are, that what is needed can be done in them, and that
 * nothing else can. Each case is a child that goes in and never comes out.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#if HAS_SECCOMP
#include <seccomp.h>
#endif

#include "../../src/sys/calls.h"
#include "../../src/sys/confine.h"

#define WORKER (CALLS_LOOP | CALLS_TUNNEL)

/* How each kind of process is confined, and how many calls that may be. */
static const struct kind {
	const char *name;
	unsigned lists, most;
} kinds[] = {
	{"server", CALLS_LOOP, 12},
	{"client, relay", WORKER, 22},
	{"steward", CALLS_STEWARD, 20},
	{"monitor", CALLS_MONITOR, 24},
	{"reader", CALLS_READER, 28},
	{"who asks a router", CALLS_GATEWAY, 20},
	{"mapper", CALLS_MAPPER | CALLS_GATEWAY, 50},
	{"keeper of a server", CALLS_KEEPER | CALLS_BIRTH | CALLS_LOOP, 60},
	{"keeper", CALLS_KEEPER | CALLS_BIRTH | WORKER, 60},
};

enum {
	KINDS = sizeof(kinds) / sizeof(kinds[0])
};

/* Run this in a child: how it ended. */
static int in_child(void (*fn)(const void *arg), const void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		alarm(60); /* should one of them wait */
		fn(arg);
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool has_name(const struct call *c, const char *name)
{
	for (unsigned i = 0; i < CALL_NAMES && c->name[i]; i++) {
		if (strcmp(c->name[i], name) == 0)
			return true;
	}
	return false;
}

static const struct call *find(unsigned lists, const char *name)
{
	for (unsigned i = 0; i < CALLS_LISTS; i++) {
		for (unsigned k = 0; lists & 1U << i && k < calls_lists[i].n;
		     k++) {
			if (has_name(&calls_lists[i].v[k], name))
				return &calls_lists[i].v[k];
		}
	}
	return NULL;
}

/* A call that is in two lists, or twice with different limits, is one. */
static unsigned length(unsigned lists)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CALLS_LISTS; i++) {
		for (unsigned k = 0; lists & 1U << i && k < calls_lists[i].n;
		     k++) {
			const struct call *c = &calls_lists[i].v[k];

			n += find(lists, c->name[0]) == c;
		}
	}
	return n;
}

static void lists_are_short(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KINDS; i++) {
		unsigned n = length(kinds[i].lists);

		print_message("# %s: %u system calls\n", kinds[i].name, n);
		assert_in_range(n, 1, kinds[i].most);
	}
}

/* No process that reads what comes from outside may do any of these. */
static void lists_have_nothing_dangerous(void **state)
{
	static const char *const never[] = {
		"execve",   "execveat",   "open",           "openat2",
		"ptrace",   "kill",       "tgkill",         "connect",
		"accept4",  "ioctl",      "chmod",          "rename",
		"unlink",   "mkdir",      "setuid",         "setns",
		"unshare",  "bpf",        "mprotect",       "memfd_create",
		"clone",    "clone3",     "fork",           "prctl",
		"sendfile", "pidfd_open", "io_uring_setup",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		assert_null(find(WORKER, never[i]));
		assert_null(find(CALLS_STEWARD, never[i]));
	}
	assert_null(find(WORKER, "socket"));
	assert_int_equal(find(CALLS_STEWARD, "socket")->limit, CALL_UDP);
	assert_null(find(WORKER, "openat"));
	assert_null(find(CALLS_READER, "socket"));
	assert_null(find(CALLS_READER, "execve"));
	assert_null(find(CALLS_GATEWAY, "openat"));
	assert_null(find(CALLS_GATEWAY, "execve"));
	assert_null(find(CALLS_GATEWAY, "clone"));
	assert_null(find(CALLS_GATEWAY, "kill"));
}

#if HAS_SECCOMP
static int number(const char *name)
{
	return seccomp_syscall_resolve_name(name);
}

static void names_are_known(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CALLS_LISTS; i++) {
		for (unsigned k = 0; k < calls_lists[i].n; k++) {
			const char *name = calls_lists[i].v[k].name[0];

			if (number(name) == __NR_SCMP_ERROR)
				fail_msg("there is no call %s", name);
		}
	}
}

/* All that may be done with any arguments is done with bad ones. */
static void make_calls(const void *arg)
{
	const struct kind *kind = arg;

	calls_confine(kind->lists);
	for (unsigned i = 0; i < CALLS_LISTS; i++) {
		for (unsigned k = 0;
		     kind->lists & 1U << i && k < calls_lists[i].n; k++) {
			const struct call *c = &calls_lists[i].v[k];

			/* kill(-1) would be the end of all. */
			if (c->limit != CALL_ANY || has_name(c, "fork") ||
			    has_name(c, "kill") || has_name(c, "alarm") ||
			    has_name(c, "exit_group"))
				continue;
			for (unsigned n = 0; n < CALL_NAMES && c->name[n]; n++)
				if (number(c->name[n]) >= 0)
					syscall(number(c->name[n]), -1, -1, 0,
						0, 0, 0);
		}
	}
}

static void what_is_listed_can_be_done(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KINDS; i++)
		assert_int_equal(in_child(make_calls, &kinds[i]), 0);
}

struct attempt {
	unsigned lists;
	int number;
	unsigned long a, b, c;
};

static void make_attempt(const void *arg)
{
	const struct attempt *a = arg;

	calls_confine(a->lists);
	syscall(a->number, a->a, a->b, a->c, 0, 0, 0);
}

static bool is_killed(struct attempt a)
{
	int status = in_child(make_attempt, &a);

	if (!WIFSIGNALED(status))
		return false;
	assert_int_equal(WTERMSIG(status), SIGSYS);
	return true;
}

/* Every call that the kernel has, but those that are listed. */
static void all_else_kills(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KINDS; i++) {
		for (int nr = 0; nr < 460; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(
				SCMP_ARCH_NATIVE, nr);
			bool is_listed =
				name && find(kinds[i].lists, name) != NULL;

			free(name);
			if (is_listed || !name)
				continue;
			if (!is_killed((struct attempt){kinds[i].lists, nr,
							(unsigned long)-1, 0,
							0}))
				fail_msg("%s: call %d is let through",
					 kinds[i].name, nr);
		}
	}
}

static void arguments_are_looked_at(void **state)
{
	static const struct {
		const char *name;
		struct attempt a;
		bool killed;
	} v[] = {
		{"mmap", {WORKER, 0, 0, 4096, PROT_READ | PROT_WRITE}, false},
		{"mmap", {WORKER, 0, 0, 4096, PROT_READ | PROT_EXEC}, true},
		{"openat",
		 {CALLS_STEWARD, 0, (unsigned long)-1, 0, O_WRONLY | O_CLOEXEC},
		 false},
		{"openat",
		 {CALLS_STEWARD, 0, (unsigned long)-1, 0, O_CLOEXEC},
		 true},
		{"openat",
		 {CALLS_STEWARD, 0, (unsigned long)-1, 0,
		  O_WRONLY | O_CLOEXEC | O_CREAT},
		 true},
		{"openat",
		 {CALLS_READER, 0, (unsigned long)-1, 0,
		  O_CLOEXEC | O_NONBLOCK},
		 false},
		{"openat",
		 {CALLS_READER, 0, (unsigned long)-1, 0, O_RDWR | O_CLOEXEC},
		 true},
		{"openat",
		 {CALLS_READER, 0, (unsigned long)-1, 0, O_CLOEXEC | O_CREAT},
		 true},
		{"socket",
		 {CALLS_STEWARD, 0, AF_INET,
		  SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0},
		 false},
		{"socket", {CALLS_STEWARD, 0, AF_INET, SOCK_STREAM, 0}, true},
		{"socket", {CALLS_STEWARD, 0, AF_INET, SOCK_RAW, 0}, true},
		{"socket", {CALLS_STEWARD, 0, AF_INET6, SOCK_DGRAM, 0}, true},
		{"socket", {CALLS_BIRTH, 0, AF_NETLINK, SOCK_RAW, 0}, false},
		{"socket", {CALLS_BIRTH, 0, AF_INET, SOCK_DGRAM, 0}, true},
		{"socket", {CALLS_GATEWAY, 0, AF_INET, SOCK_STREAM, 0}, false},
		{"socket", {CALLS_GATEWAY, 0, AF_UNIX, SOCK_STREAM, 0}, true},
		{"socket", {CALLS_GATEWAY, 0, AF_INET6, SOCK_DGRAM, 0}, true},
		{"clone",
		 {CALLS_KEEPER, 0, CLONE_NEWUSER | SIGCHLD, 0, 0},
		 true},
		{"prctl", {CALLS_BIRTH, 0, PR_SET_PDEATHSIG, 0, 0}, false},
		{"prctl", {CALLS_BIRTH, 0, PR_SET_DUMPABLE, 1, 0}, true},
		{"clone3", {CALLS_KEEPER, 0, 0, 0, 0}, false},
		{"socket", {CALLS_LOOKUP, 0, AF_INET6, SOCK_DGRAM, 0}, false},
		{"socket", {CALLS_LOOKUP, 0, AF_PACKET, SOCK_RAW, 0}, true},
		{"execve", {CALLS_LOOKUP, 0, 0, 0, 0}, true},
		{"openat",
		 {CALLS_LOOKUP, 0, (unsigned long)-1, 0, O_RDONLY},
		 false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct attempt a = v[i].a;

		a.lists |= a.lists == CALLS_BIRTH ? CALLS_KEEPER : 0;
		if (SANITIZED && v[i].killed && a.lists != CALLS_LOOKUP)
			continue;
		a.number = number(v[i].name);
		if (is_killed(a) != v[i].killed)
			fail_msg("%s, line %u", v[i].name, i);
	}
}

/* A worker cannot widen what its keeper allows. */
static void confine_twice(const void *arg)
{
	(void)arg;
	calls_confine(CALLS_KEEPER | CALLS_BIRTH | CALLS_LOOP);
	calls_confine(CALLS_MONITOR);
	syscall(SYS_unlinkat, -1, 0, 0);
}

static void filters_only_narrow(void **state)
{
	(void)state;
	assert_int_equal(WTERMSIG(in_child(confine_twice, NULL)), SIGSYS);
}
#endif

/* --- files --- */

static long landlock(void)
{
	return SANITIZED ? 0 : syscall(444, NULL, 0, 1);
}

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			_exit(__LINE__ % 250 + 1);                             \
	} while (0)

static void see_nothing(const void *arg)
{
	const long version = landlock();
	const struct sockaddr_in tcp = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(9),
	};
	int was_open = open("/etc/passwd", O_RDONLY), fd;

	(void)arg;
	confine_files(NULL, 0, true);
	NEED(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
	NEED(open("/", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	NEED(open("/tmp/test_confine", O_WRONLY | O_CREAT, 0600) < 0);
	NEED(mkdir("/tmp/test_confine", 0700) < 0 && errno == EACCES);
	NEED(read(was_open, &fd, 1) == 1);
	if (version >= 4) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		NEED(connect(fd, (const void *)&tcp, sizeof(tcp)) < 0 &&
		     errno == EACCES);
	}
	if (version >= 6)
		NEED(kill(getppid(), 0) < 0 && errno == EPERM);
}

static void without_rules_nothing_is_seen(void **state)
{
	(void)state;
	if (landlock() < 1)
		skip();
	assert_int_equal(in_child(see_nothing, NULL), 0);
}

static void see_some(const void *arg)
{
	const struct confine_below below[] = {
		{open("/etc", O_PATH | O_DIRECTORY), CONFINE_READ},
		{open(arg, O_PATH | O_DIRECTORY), CONFINE_REMOVE},
		{-1, CONFINE_READ},
	};
	char path[80];

	snprintf(path, sizeof(path), "%s/file", (const char *)arg);
	NEED(close(open(path, O_WRONLY | O_CREAT, 0600)) == 0);
	confine_files(below, 3, false);
	NEED(open("/etc/passwd", O_RDONLY) >= 0);
	NEED(open("/proc/self/status", O_RDONLY) < 0 && errno == EACCES);
	NEED(open(path, O_WRONLY) < 0 && errno == EACCES);
	NEED(unlink(path) == 0);
	NEED(open(path, O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
}

static void rules_let_some_be_seen(void **state)
{
	char dir[] = "/tmp/test_confine.XXXXXX";

	(void)state;
	if (landlock() < 1)
		skip();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(in_child(see_some, dir), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void be_nowhere(const void *arg)
{
	struct stat st;

	(void)arg;
	confine_root(NULL);
	NEED(open("/etc/passwd", O_RDONLY) < 0 && errno == ENOENT);
	NEED(stat("..", &st) == 0 && st.st_nlink == 0);
	/* Not even root makes anything there. */
	NEED(mkdir("/x", 0700) < 0 && errno == ENOENT);
	NEED(open("x", O_WRONLY | O_CREAT, 0600) < 0 && errno == ENOENT);
	NEED(setuid(65534) == 0 && chdir("/") == 0);
}

static void empty_root_is_empty(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(be_nowhere, NULL), 0);
}

static void be_there(const void *arg)
{
	confine_root(arg);
	NEED(open("passwd", O_RDONLY) >= 0 && open("/passwd", O_RDONLY) >= 0);
	NEED(open("/etc/passwd", O_RDONLY) < 0 && errno == ENOENT);
}

static void root_that_is_named(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(be_there, "/etc"), 0);
	assert_int_equal(WEXITSTATUS(in_child(be_there, "/nowhere")), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_short),
		cmocka_unit_test(lists_have_nothing_dangerous),
		cmocka_unit_test(root_that_is_named),
#if HAS_SECCOMP
		cmocka_unit_test(names_are_known),
		cmocka_unit_test(what_is_listed_can_be_done),
		cmocka_unit_test(arguments_are_looked_at),
		/* From here on none is for sanitizers: see OF_PLAIN. */
		cmocka_unit_test(all_else_kills),
		cmocka_unit_test(filters_only_narrow),
#endif
		cmocka_unit_test(without_rules_nothing_is_seen),
		cmocka_unit_test(rules_let_some_be_seen),
		cmocka_unit_test(empty_root_is_empty),
	};
	enum {
		OF_PLAIN = HAS_SECCOMP ? 5 : 3
	};
	size_t n = sizeof(tests) / sizeof(tests[0]);

	return _cmocka_run_group_tests(
		"confine", tests, SANITIZED ? n - OF_PLAIN : n, NULL, NULL);
}
