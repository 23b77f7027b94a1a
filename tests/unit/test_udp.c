/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP sockets: which of those that are passed to us we take. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/udp.h"

enum {
	LOOPBACK = 0x7f000001
};

static struct tuple local;

static int adopt(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol), r;

	assert_true(fd >= 0);
	r = udp_adopt(fd, true, &local);
	close(fd);
	return r;
}

static void bound_socket_is_taken(void **state)
{
	int fd = udp_open(LOOPBACK, 0, false);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(udp_adopt(fd, true, &local), 0);
	assert_int_equal(local.ip, LOOPBACK);
	assert_true(local.port != 0);
	close(fd);
}

static void others_are_refused(void **state)
{
	(void)state;
	assert_int_equal(adopt(AF_INET, SOCK_STREAM, 0), -EPROTOTYPE);
	assert_int_equal(adopt(AF_UNIX, SOCK_DGRAM, 0), -EPROTOTYPE);
	assert_int_equal(adopt(AF_INET6, SOCK_DGRAM, 0), -EAFNOSUPPORT);
	assert_int_equal(adopt(AF_INET, SOCK_DGRAM, 0), -EADDRNOTAVAIL);
	assert_int_equal(udp_adopt(1000, true, &local), -EBADF);
}

/* BindInterface: only what comes by way of it. */
static void confined_socket_hears_one_interface(void **state)
{
	int fd = udp_open(0, 0, false);

	(void)state;
	assert_int_equal(udp_confine(fd, "", 0), 0);
	assert_int_equal(udp_confine(fd, "no-such-link", 0), -ENODEV);
	assert_int_equal(udp_confine(fd, "lo", 0), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bound_socket_is_taken),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(confined_socket_hears_one_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
