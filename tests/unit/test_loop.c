/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop, with neither sockets nor device: what it does by the clock. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "../../src/sys/loop.h"

static struct self_watch w;
static struct loop l;
static unsigned failures; /* how many lists of addresses to let fail */
static int monitor;       /* its end of the channel; -1 = tell it nothing */

/* In place of libmnl's. The first answer after the failures ends the loop. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf,
			    size_t space)
{
	const char stop = SIGTERM;
	ssize_t n = recv(mnl_socket_get_fd(nl), buf, space, 0);

	if (failures) {
		((struct nlmsghdr *)buf)->nlmsg_flags |= NLM_F_DUMP_INTR;
		failures--;
	} else if (send(monitor, &stop, 1, 0) != 1) {
		return -1;
	}
	return n;
}

static int open_loop(void **state)
{
	int fd[2];

	(void)state;
	if (self_open(&w, 0x20010000) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd))
		return -1;
	memset(&l, 0, sizeof(l));
	l.watch = &w;
	l.channel = fd[0];
	monitor = fd[1];
	l.door[0] = l.door[1] = l.door[2] = l.tun = l.raw6 = -1;
	return 0;
}

/* Z2, R29: else the host's addresses would stay unknown until they change. */
static void failed_refresh_is_tried_again(void **state)
{
	(void)state;
	failures = 6; /* more than one refresh tries */
	loop_open(&l, time(NULL) + 20);
	assert_int_equal(loop_run(&l), 0);
	assert_int_equal(failures, 0);
	assert_true(self_has_ip4(&l.node.self, 0x7f000001));
	assert_false(l.is_stale);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(failed_refresh_is_tried_again,
				       open_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
