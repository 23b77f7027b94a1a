/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a UDP port: this process, by each kind of socket. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/portuser.h"

enum {
	LOOPBACK = 0x7f000001,
	OTHER = 0x7f000002,
};

static uint16_t port;

/* A socket on some port of an address, which is IPv4 in IPv6. */
static int take_port6(const char *address)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	assert_int_equal(inet_pton(AF_INET6, address, &a.sin6_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	port = ntohs(a.sin6_port);
	return fd;
}

static int take_port(uint32_t ip)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(ip)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	port = ntohs(a.sin_port);
	return fd;
}

static void assert_user(uint32_t ip, bool is_us)
{
	char found[64], us[64];

	snprintf(us, sizeof(us), "test_portuser (process %d)", getpid());
	port_user(found, sizeof(found), ip, port);
	assert_string_equal(found, is_us ? us : "another process");
}

static void socket_on_an_address(void **state)
{
	int fd = take_port(LOOPBACK);

	(void)state;
	assert_user(LOOPBACK, true);
	assert_user(0, true);
	assert_user(OTHER, false);
	close(fd);
	assert_user(LOOPBACK, false);
}

static void socket_on_any_address(void **state)
{
	int fd = take_port(0);

	(void)state;
	assert_user(LOOPBACK, true);
	assert_user(0, true);
	close(fd);
}

static void socket_of_both_families(void **state)
{
	int fd = take_port6("::");

	(void)state;
	assert_user(LOOPBACK, true);
	assert_user(0, true);
	close(fd);
}

static void ip4_socket_in_ip6(void **state)
{
	int fd = take_port6("::ffff:127.0.0.1");

	(void)state;
	assert_user(LOOPBACK, true);
	assert_user(0, true);
	assert_user(OTHER, false);
	close(fd);
}

static void ip6_socket_is_in_nobodys_way(void **state)
{
	int fd = take_port6("::1");

	(void)state;
	assert_user(0, false);
	assert_user(1, false);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socket_on_an_address),
		cmocka_unit_test(socket_on_any_address),
		cmocka_unit_test(socket_of_both_families),
		cmocka_unit_test(ip4_socket_in_ip6),
		cmocka_unit_test(ip6_socket_is_in_nobodys_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
