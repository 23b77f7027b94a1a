/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of this host: the kernel may say of a list that they changed
 * while it was made.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "../../src/sys/self.h"

static unsigned interruptions; /* how many lists to interrupt */
static struct self_watch w;
static struct self s;

/* In place of libmnl's. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf,
			    size_t space)
{
	ssize_t n = recv(mnl_socket_get_fd(nl), buf, space, 0);

	if (n > 0 && interruptions) {
		((struct nlmsghdr *)buf)->nlmsg_flags |= NLM_F_DUMP_INTR;
		interruptions--;
	}
	return n;
}

static int open_watch(void **state)
{
	(void)state;
	interruptions = 0;
	s = (struct self){0};
	return self_open(&w, 0x20010000);
}

static int close_watch(void **state)
{
	(void)state;
	mnl_socket_close(w.events.socket);
	mnl_socket_close(w.requests.socket);
	return 0;
}

static void interrupted_list_is_made_again(void **state)
{
	(void)state;
	interruptions = 2;
	assert_int_equal(self_refresh(&w, &s), 0);
	assert_int_equal(interruptions, 0);
	assert_true(self_has_ip4(&s, 0x7f000001));
}

/* What is left of one answer is not taken for another. */
static void failure_leaves_nothing_behind(void **state)
{
	(void)state;
	interruptions = 1000;
	assert_int_equal(self_refresh(&w, &s), -EINTR);
	assert_int_equal(s.n_ip4, 0);
	interruptions = 0;
	assert_int_equal(self_refresh(&w, &s), 0);
	assert_true(self_has_ip4(&s, 0x7f000001));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_watch, close_watch)
	const struct CMUnitTest tests[] = {
		T(interrupted_list_is_made_again),
		T(failure_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
