/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client remembers: files whole, damaged and hostile. */
#include <errno.h>
#include <fcntl.h>
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

#include "../../src/sys/state.h"

static char dir[] = "/tmp/test_state.XXXXXX", path[64], other[64];
static struct state s;

static const struct state whole = {
	.port = 40000,
	.has_flags = true,
	.flags = 0x1c2d,
	.mapped = {0x09000a02, 1},
	.server = 0x09000002,
	.host = "teredo.example.net",
	.lease = {PORTMAP_NATPMP,
		  0xc0a80101,
		  {0xc0a80102, 40000},
		  {0x09000a02, 1}},
	.nonce = {1, 2, 3, 250},
};

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/teredo.state", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	rmdir(path);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void put(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static int write_state(const struct state *what)
{
	int fd = state_open(path, geteuid()), r;

	if (fd < 0)
		return fd;
	r = state_write(what, fd);
	close(fd);
	return r;
}

static void assert_empty(void)
{
	assert_int_equal(s.port, 0);
	assert_false(s.has_flags);
	assert_int_equal(s.flags, 0);
	assert_int_equal(s.mapped.ip, 0);
	assert_int_equal(s.mapped.port, 0);
	assert_int_equal(s.server, 0);
}

static void read_text(const char *text)
{
	put(text, strlen(text));
	s = whole; /* must not stay */
	state_read(&s, path);
}

static void assert_whole(void)
{
	assert_int_equal(s.port, whole.port);
	assert_true(s.has_flags);
	assert_int_equal(s.flags, whole.flags);
	assert_int_equal(s.mapped.ip, whole.mapped.ip);
	assert_int_equal(s.mapped.port, whole.mapped.port);
	assert_int_equal(s.server, whole.server);
}

/* X21: what is left at a router is whole, or nothing. */
static void half_a_lease_is_none(void **state)
{
	static const char *const halves[] = {
		"router 192.168.1.1\nforwards 9.0.10.2:1\n",
		"method upnp\nforwards-to 192.168.1.2:1\n",
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "port 1\n%s", halves[i]);
		read_text(text);
		assert_int_equal(s.port, 1);
		assert_int_equal(s.lease.method, PORTMAP_NONE);
		assert_int_equal(s.lease.external.port, 0);
	}
	/* Who has answered, and has nothing of ours. */
	read_text("port 1\nrouter 192.168.1.1\nmethod pcp\n");
	assert_int_equal(s.lease.method, PORTMAP_PCP);
	assert_int_equal(s.lease.external.port, 0);
	read_text("port 1\nmethod telnet\n");
	assert_int_equal(s.port, 0);
	read_text("port 1\nnonce 0102\n");
	assert_int_equal(s.port, 0);
}

static void what_is_written_is_read(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(write_state(&whole), 0);
	state_read(&s, path);
	assert_whole();
	assert_true(portmap_lease_equal(&s.lease, &whole.lease));
	assert_memory_equal(s.nonce, whole.nonce, sizeof(s.nonce));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 022, 0);
	assert_int_equal(st.st_size, 512);
}

static void only_a_port_is_enough(void **state)
{
	const struct state little = {.port = 65535};

	(void)state;
	assert_int_equal(write_state(&whole), 0);
	assert_int_equal(write_state(&little), 0);
	s = whole;
	state_read(&s, path);
	assert_int_equal(s.port, 65535);
	assert_false(s.has_flags);
	assert_int_equal(s.mapped.port, 0);
	assert_int_equal(s.server, 0);
}

static void form_is_name_and_value(void **state)
{
	(void)state;
	read_text("server 9.0.0.2\nmapped 9.0.10.2:1\nflags 1C2d\n"
		  "port 40000\n");
	assert_whole();
	/* A newer version may know more. */
	read_text("port 40000\nflags 1c2d\nmapped 9.0.10.2:1\n"
		  "server 9.0.0.2\ncolour green\n");
	assert_whole();
}

static void missing_file_is_no_error(void **state)
{
	(void)state;
	s = whole;
	state_read(&s, path);
	assert_empty();
}

static void wrong_values_leave_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"port 0\n",
		"port 65536\n",
		"port 4294967297\n",
		"port -1\n",
		"port 12x\n",
		"port \n",
		"port\n",
		"port 4000",
		"flags 0001\n",
		"port 1\nflags 8000\n",
		"port 1\nflags 4000\n",
		"port 1\nflags 0100\n",
		"port 1\nflags 13cff\n",
		"port 1\nflags -1\n",
		"port 1\nflags 0x1\n",
		"port 1\nflags \n",
		"port 1\nmapped 9.0.0.2\n",
		"port 1\nmapped 9.0.0.2:0\n",
		"port 1\nmapped 9.0.0.2:65536\n",
		"port 1\nmapped 9.0.0.256:1\n",
		"port 1\nmapped 9999999999999999999999999999.0.0.2:1\n",
		"port 1\nmapped :1\n",
		"port 1\nserver teredo.example\n",
		"port 1\n\nserver 9.0.0.2\n",
		"port 1\nserver 9.0.0.2\nport",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		read_text(bad[i]);
		assert_empty();
	}
}

static void huge_and_binary_files_leave_nothing(void **state)
{
	static char text[1 << 20];

	(void)state;
	put("port 1\n\0port 2\n", 15);
	state_read(&s, path);
	assert_empty();
	memset(text, '\n', sizeof(text));
	memcpy(text, "port 1\n", 7);
	put(text, sizeof(text));
	state_read(&s, path);
	assert_empty();
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 2654435761U >> 13);
	for (unsigned n = 1; n < 5000; n += 97) {
		put(text + n, n);
		state_read(&s, path);
		assert_empty();
	}
}

/* Each byte of a good file changed: it is read, or it is not. */
static void damage_does_no_harm(void **state)
{
	const char good[] = "port 40000\nflags 1c2d\nmapped 9.0.10.2:1\n";
	char text[sizeof(good)];

	(void)state;
	for (unsigned i = 0; i < sizeof(good) - 1; i++) {
		for (unsigned v = 0; v < 256; v++) {
			memcpy(text, good, sizeof(good));
			text[i] = (char)v;
			put(text, sizeof(good) - 1);
			state_read(&s, path);
			assert_int_equal(s.flags & ~0x3cff, 0);
			assert_true(s.port || !s.has_flags);
		}
	}
}

static void what_is_no_file_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	state_read(&s, path);
	assert_empty();
	assert_int_equal(write_state(&whole), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	/* Nobody writes to it: reading would wait. */
	assert_int_equal(mkfifo(path, 0600), 0);
	state_read(&s, path);
	assert_empty();
	assert_int_equal(write_state(&whole), -EPERM);
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	state_read(&s, path);
	assert_empty();
}

/* Who may write to the directory cannot make us write to anything else. */
static void links_are_not_followed(void **state)
{
	(void)state;
	put("else's\n", 7);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(write_state(&whole), -ELOOP);
	unlink(path);
	assert_int_equal(link(other, path), 0);
	assert_int_equal(write_state(&whole), -EPERM);
	unlink(path);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(write_state(&whole), 0);
}

static void file_of_another_user(void **state)
{
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(write_state(&whole), 0);
	assert_int_equal(chown(path, 1234, 0), 0);
	assert_int_equal(state_open(path, 4321), -EPERM);
	fd = state_open(path, 1234);
	assert_true(fd >= 0);
	close(fd);
}

/* The longest there is fits, and one that was too long is cut. */
static void always_of_one_length(void **state)
{
	static char text[4000];
	struct state longest = whole;

	(void)state;
	for (unsigned i = 0; i < HOST_SPACE - 1; i++)
		longest.host[i] = i % 2 ? '.' : 'x';
	longest.mapped = (struct tuple){0xfefefefe, 65535};
	longest.server = 0xfefefefe;
	memset(text, 'x', sizeof(text));
	put(text, sizeof(text));
	assert_int_equal(write_state(&longest), 0);
	state_read(&s, path);
	assert_int_equal(s.mapped.port, 65535);
	assert_int_equal(s.server, 0xfefefefe);
}

static void failures_are_told(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(state_open("/nowhere/teredo.state", 0), -ENOENT);
	assert_int_equal(write_state(&whole), 0);
	fd = open(path, O_RDONLY);
	assert_true(state_write(&whole, fd) < 0);
	close(fd);
	fd = open("/dev/full", O_RDWR);
	assert_int_equal(state_write(&whole, fd), -ENOSPC);
	close(fd);
	state_read(&s, path);
	assert_whole();
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean)
	const struct CMUnitTest tests[] = {
		T(what_is_written_is_read),
		T(only_a_port_is_enough),
		T(half_a_lease_is_none),
		T(form_is_name_and_value),
		T(missing_file_is_no_error),
		T(wrong_values_leave_nothing),
		T(huge_and_binary_files_leave_nothing),
		T(damage_does_no_harm),
		T(what_is_no_file_leaves_nothing),
		T(links_are_not_followed),
		T(file_of_another_user),
		T(always_of_one_length),
		T(failures_are_told),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
