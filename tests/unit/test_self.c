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
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "../../src/sys/self.h"

static unsigned interruptions; /* how many lists to interrupt */
static struct self_watch w;
static struct self s;

/* In place of libmnl's. */
int mnl_cb_run(const void *buf, size_t n, unsigned seq, unsigned port,
	       mnl_cb_t fn, void *arg)
{
	static _Alignas(struct nlmsghdr) char copy[32768];

	assert_in_range(n, sizeof(struct nlmsghdr), sizeof(copy));
	memcpy(copy, buf, n);
	if (interruptions) {
		((struct nlmsghdr *)(void *)copy)->nlmsg_flags |=
			NLM_F_DUMP_INTR;
		interruptions--;
	}
	return mnl_cb_run2(copy, n, seq, port, fn, arg, NULL, 0);
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
