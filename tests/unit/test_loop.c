/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop, with neither sockets nor device: what it does by the clock. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "../../src/sys/loop.h"

static struct self_watch w;
static struct loop l;
static uint8_t buffers[LANE_BYTES];
static unsigned failures; /* how many lists of addresses to let fail */
static int monitor;       /* its end of the channel; -1 = tell it nothing */

/* In place of libmnl's. The first answer after the failures ends the loop. */
int mnl_cb_run(const void *buf, size_t n, unsigned seq, unsigned port,
	       mnl_cb_t fn, void *arg)
{
	const char stop = SIGTERM;

	if (failures) {
		failures--;
		errno = EINTR;
		return -1;
	}
	if (send(monitor, &stop, 1, 0) != 1)
		return -1;
	return mnl_cb_run2(buf, n, seq, port, fn, arg, NULL, 0);
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
	l.node.gate.self = &l.node.self;
	l.channel = fd[0];
	monitor = fd[1];
	l.lanes.n = 1;
	l.lanes.node = &l.node;
	lane_close(&l.lanes.lane[0]);
	lane_init(&l.lanes.lane[0], &l.lanes, buffers);
	l.lanes.raw6 = -1;
	lanes_shut(&l.lanes);
	return 0;
}

static int close_loop(void **state)
{
	(void)state;
	mnl_socket_close(w.events.socket);
	mnl_socket_close(w.requests.socket);
	close(monitor);
	return 0;
}

/* Z2, R29: else the host's addresses would stay unknown until they change. */
static void failed_refresh_is_tried_again(void **state)
{
	(void)state;
	failures = 6; /* more than one refresh tries */
	loop_open(&l, time(NULL) + 100);
	loop_start(&l);
	assert_int_equal(loop_run(&l), 0);
	assert_int_equal(failures, 0);
	assert_true(self_has_ip4(&l.node.self, 0x7f000001));
	assert_false(l.is_stale);
}

/*
 * Bytes behind a packet may be a trailer, so the first bytes of what does not
 * fit the buffer may be a good packet.
 */
static void cut_datagrams_end_as_oversize(void **state)
{
	static const uint8_t data[PACKET_SPACE + 1];
	const char stop = SIGTERM;
	static struct udp_sender s;
	struct out o = {.body = data};
	const struct out *v = &o;

	(void)state;
	l.lanes.lane[0].door[DOOR_PRIMARY] = udp_open(0x7f000001, 0, false);
	assert_int_equal(udp_local(l.lanes.lane[0].door[DOOR_PRIMARY], &o.to),
			 0);
	for (o.body_len = PACKET_SPACE; o.body_len <= sizeof(data);
	     o.body_len++)
		udp_send(&s, l.lanes.lane[0].door[DOOR_PRIMARY], &v, 1);
	assert_int_equal(s.refused, 0);
	loop_open(&l, time(NULL) + 100);
	loop_start(&l);
	assert_int_equal(send(monitor, &stop, 1, 0), 1);
	assert_int_equal(loop_run(&l), 0);
	assert_int_equal(l.node.stats.n[REASON_OVERSIZE], 1);
	close(l.lanes.lane[0].door[DOOR_PRIMARY]);
}

/* Lanes read the clock each for itself, and then wait for each other. */
static void the_core_sees_no_time_go_back(void **state)
{
	(void)state;
	l.lanes.n = 2;
	lane_close(&l.lanes.lane[1]);
	loop_open(&l, 0);
	assert_int_equal(lanes_enter(&l.lanes, 1000), 1000);
	lanes_leave(&l.lanes, &l.lanes.lane[0]);
	assert_int_equal(lanes_enter(&l.lanes, 999), 1000);
	lanes_leave(&l.lanes, &l.lanes.lane[1]);
	assert_int_equal(lanes_enter(&l.lanes, 1001), 1001);
	lanes_leave(&l.lanes, &l.lanes.lane[0]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_loop, close_loop)
	const struct CMUnitTest tests[] = {
		T(failed_refresh_is_tried_again),
		T(cut_datagrams_end_as_oversize),
		T(the_core_sees_no_time_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
