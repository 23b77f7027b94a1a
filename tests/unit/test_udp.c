/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets: which of those that are passed to us we take; what is received,
 * and how it is cut; several at one place. All by the loopback interface.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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

/* It has a port when it has sent, and takes no other's place before. */
static void port_comes_later(void **state)
{
	int fd = udp_open_later(LOOPBACK, false), other;
	struct sockaddr_in to = {.sin_family = AF_INET};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(udp_local(fd, &local), 0);
	assert_int_equal(local.ip, LOOPBACK);
	assert_int_equal(local.port, 0);
	other = udp_open(LOOPBACK, 0, false);
	assert_int_equal(udp_local(other, &local), 0);
	to.sin_port = htons(local.port);
	to.sin_addr.s_addr = htonl(LOOPBACK);
	assert_int_equal(sendto(fd, "", 1, 0, (const void *)&to, sizeof(to)),
			 1);
	assert_int_equal(udp_local(fd, &local), 0);
	assert_true(local.port != 0);
	close(other);
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

/* --- receiving --- */

static uint8_t memory[UDP_BATCH_BYTES];
static struct udp_batch batch;
static struct udp_sender sender;
static struct tuple there;
static int in = -1, out = -1;

static void open_pair(bool gso, bool gro)
{
	in = udp_open(LOOPBACK, 0, true);
	out = udp_open(LOOPBACK, 0, false);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(udp_local(in, &there), 0);
	assert_int_equal(udp_local(out, &local), 0);
	if (gro)
		assert_int_equal(udp_offload(in, OFFLOAD_GRO), OFFLOAD_GRO);
	sender.gso = gso;
	udp_batch_init(&batch, memory, gro);
	assert_int_equal(udp_receive(in, DOOR_SERVICE, &batch), 0);
}

static int close_pair(void **state)
{
	(void)state;
	close(in);
	close(out);
	return 0;
}

/* Datagrams of these lengths, each with a number of its own. */
static uint8_t bodies[OUT_MAX][4096];

static void send_lengths(const uint16_t *lengths, unsigned n)
{
	static struct out o[OUT_MAX];
	const struct out *v[OUT_MAX];

	for (unsigned i = 0; i < n; i++) {
		memset(bodies[i], 0x60 + (int)i, sizeof(bodies[i]));
		o[i] = (struct out){
			.to = there, .body = bodies[i], .body_len = lengths[i]};
		v[i] = &o[i];
	}
	udp_send(&sender, out, v, n);
	assert_int_equal(sender.refused, 0);
}

#define SEND(...)                                                              \
	do {                                                                   \
		static const uint16_t lengths[] = {__VA_ARGS__};               \
                                                                               \
		send_lengths(lengths, sizeof(lengths) / sizeof(*lengths));     \
	} while (0)

static struct train *received(unsigned n)
{
	assert_int_equal(udp_receive(in, DOOR_SERVICE, &batch), n);
	return batch.t;
}

static void is_train(const struct train *t, uint16_t len, uint16_t segment,
		     uint16_t count)
{
	assert_int_equal(t->all.len, len);
	assert_int_equal(t->segment, segment);
	assert_int_equal(t->count, count);
	assert_int_equal(t->taken, 0);
	assert_null(t->model);
	assert_int_equal(t->all.door, DOOR_SERVICE);
	assert_true(tuple_equal(t->all.from, local));
}

/* The datagrams of a train are number `first` and the next ones. */
static void holds(struct train *t, unsigned first)
{
	struct datagram d;

	for (; train_next(t, &d); first++)
		assert_memory_equal(d.data, bodies[first], d.len);
}

static void one_by_one(void **state)
{
	struct train *t;

	(void)state;
	open_pair(true, false);
	SEND(100, 100, 100, 40, 41);
	t = received(5);
	for (unsigned i = 0; i < 5; i++) {
		uint16_t len = i < 3 ? 100 : i == 3 ? 40 : 41;

		is_train(&t[i], len, len, 1);
		holds(&t[i], i);
	}
	received(0);
}

/* What was sent as one comes as one. */
static void trains_come_whole(void **state)
{
	struct train *t;

	(void)state;
	open_pair(true, true);
	SEND(100, 100, 100, 40, 41, 41);
	t = received(2);
	is_train(&t[0], 340, 100, 4);
	holds(&t[0], 0);
	is_train(&t[1], 82, 41, 2);
	holds(&t[1], 4);
	SEND(77);
	is_train(received(1), 77, 77, 1);
	SEND(1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400,
	     1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400,
	     1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400,
	     1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400, 1400,
	     1400, 1400);
	t = received(1);
	is_train(t, 64400, 1400, 46);
	holds(t, 0);
}

/* A kernel that puts nothing together hands over what it has. */
static void gro_of_single_ones(void **state)
{
	struct train *t;

	(void)state;
	open_pair(false, true);
	SEND(100, 100, 100);
	t = received(3);
	for (unsigned i = 0; i < 3; i++) {
		is_train(&t[i], 100, 100, 1);
		holds(&t[i], i);
	}
}

static void empty_datagrams(void **state)
{
	struct datagram d;

	(void)state;
	for (int gro = 0; gro < 2; gro++) {
		struct sockaddr_in a = {.sin_family = AF_INET};
		struct train *t;

		open_pair(true, gro);
		a.sin_port = htons(there.port);
		a.sin_addr.s_addr = htonl(there.ip);
		assert_int_equal(sendto(out, "", 0, 0, (void *)&a, sizeof(a)),
				 0);
		t = received(1);
		is_train(t, 0, 0, 1);
		assert_true(train_next(t, &d));
		assert_int_equal(d.len, 0);
		assert_false(train_next(t, &d));
		if (!gro)
			close_pair(state);
	}
}

/* Longer than any Teredo packet: it need not be whole, but must be noticed. */
static void long_ones_are_cut(void **state)
{
	struct train *t;

	(void)state;
	open_pair(true, false);
	SEND(PACKET_SPACE, PACKET_SPACE + 1, 4000, 100);
	t = received(4);
	is_train(&t[0], PACKET_SPACE, PACKET_SPACE, 1);
	assert_false(udp_is_cut(&t[0]));
	assert_true(udp_is_cut(&t[1]));
	assert_true(udp_is_cut(&t[2]));
	assert_false(udp_is_cut(&t[3]));
	holds(&t[3], 3);
	close_pair(state);
	open_pair(true, true);
	SEND(PACKET_SPACE + 1, PACKET_SPACE + 1, 100, PACKET_SPACE,
	     PACKET_SPACE);
	t = received(2);
	is_train(&t[0], 2 * PACKET_SPACE + 2 + 100, PACKET_SPACE + 1, 3);
	assert_true(udp_is_cut(&t[0]));
	is_train(&t[1], 2 * PACKET_SPACE, PACKET_SPACE, 2);
	assert_false(udp_is_cut(&t[1]));
	holds(&t[1], 3);
}

/* And the next time as much again. */
static void batches_are_limited(void **state)
{
	static uint16_t lengths[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		lengths[i] = (uint16_t)(100 + i);
	open_pair(true, false);
	send_lengths(lengths, 100);
	received(64);
	holds(&batch.t[63], 63);
	received(36);
	holds(&batch.t[35], 99);
	received(0);
	close_pair(state);
	open_pair(true, true);
	send_lengths(lengths, 40);
	received(16);
	holds(&batch.t[15], 15);
	received(16);
	received(8);
	holds(&batch.t[7], 39);
}

/* Both come beside a train: the outer mark, and where to cut. */
static void marks_are_reported(void **state)
{
	(void)state;
	open_pair(true, true);
	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		int tos = 46 << 2 | ecn;
		struct train *t;

		assert_int_equal(setsockopt(out, IPPROTO_IP, IP_TOS, &tos,
					    sizeof(tos)),
				 0);
		SEND(100, 100);
		t = received(1);
		is_train(t, 200, 100, 2);
		assert_int_equal(t->all.ecn, ecn);
	}
	assert_int_equal(udp_set_dscp(out, 10), 0);
	SEND(100);
	assert_int_equal(received(1)->all.ecn, 0);
}

static void errors_are_told(void **state)
{
	(void)state;
	udp_batch_init(&batch, memory, false);
	assert_int_equal(udp_receive(1000, DOOR_SERVICE, &batch), -EBADF);
	assert_int_equal(udp_offload(1000, OFFLOAD_ALL), 0);
	assert_int_equal(udp_open_beside(1000, false), -EBADF);
}

static void offloads_are_found(void **state)
{
	(void)state;
	open_pair(false, false);
	assert_int_equal(udp_offload(in, 0), 0);
	assert_int_equal(udp_offload(in, OFFLOAD_TSO | OFFLOAD_USO), 0);
	assert_int_equal(udp_offload(in, OFFLOAD_GSO), OFFLOAD_GSO);
	assert_int_equal(udp_offload(in, OFFLOAD_ALL),
			 OFFLOAD_GSO | OFFLOAD_GRO);
	/* The question has changed nothing: what leaves is not cut. */
	udp_offload(out, OFFLOAD_GSO);
	SEND(1400);
	is_train(received(1), 1400, 1400, 1);
}

/* --- beside each other --- */

enum {
	SENDERS = 64
};

static int beside[2];

static void open_beside(void)
{
	struct tuple second;

	beside[0] = udp_open(LOOPBACK, 0, true);
	assert_true(beside[0] >= 0);
	beside[1] = udp_open_beside(beside[0], true);
	assert_true(beside[1] >= 0);
	assert_int_equal(udp_local(beside[0], &there), 0);
	assert_int_equal(udp_local(beside[1], &second), 0);
	assert_true(tuple_equal(there, second));
	udp_batch_init(&batch, memory, false);
}

static void close_beside(void)
{
	close(beside[0]);
	close(beside[1]);
}

/* Which of the two has got it, once and only there. */
static int got_by(void)
{
	int n[2];

	for (int i = 0; i < 2; i++)
		n[i] = udp_receive(beside[i], DOOR_SERVICE, &batch);
	assert_int_equal(n[0] + n[1], 1);
	return n[1];
}

static void senders_are_spread(void **state)
{
	static const uint16_t one[] = {100};
	int senders[SENDERS], first[SENDERS], sum = 0;

	(void)state;
	open_beside();
	for (int i = 0; i < SENDERS; i++) {
		out = senders[i] = udp_open(LOOPBACK, 0, false);
		send_lengths(one, 1);
		first[i] = got_by();
		sum += first[i];
	}
	assert_in_range(sum, 1, SENDERS - 1);
	/* Each stays where it is: so does the order of what it sends. */
	for (int i = 0; i < 3 * SENDERS; i++) {
		out = senders[i % SENDERS];
		send_lengths(one, 1);
		assert_int_equal(got_by(), first[i % SENDERS]);
	}
	for (int i = 0; i < SENDERS; i++)
		close(senders[i]);
	close_beside();
}

static void they_hear_marks(void **state)
{
	static const uint16_t one[] = {100};
	int tos = 3;

	(void)state;
	open_beside();
	out = udp_open(LOOPBACK, 0, false);
	setsockopt(out, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	for (int i = 0; i < 2; i++) {
		close(beside[!i]);
		send_lengths(one, 1);
		assert_int_equal(udp_receive(beside[i], DOOR_SERVICE, &batch),
				 1);
		assert_int_equal(batch.t[0].all.ecn, 3);
		close_beside();
		if (i == 0)
			open_beside();
	}
	close(out);
}

static int bind_there(int option)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, r;
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(there.port),
				.sin_addr.s_addr = htonl(there.ip)};

	if (option)
		setsockopt(fd, SOL_SOCKET, option, &one, sizeof(one));
	r = bind(fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;
	close(fd);
	return r;
}

/* Nobody else's: that would be half of our packets. */
static void nobody_comes_beside(void **state)
{
	(void)state;
	open_beside();
	assert_int_equal(bind_there(0), EADDRINUSE);
	assert_int_equal(bind_there(SO_REUSEADDR), EADDRINUSE);
	if (geteuid() == 0) {
		assert_int_equal(seteuid(65534), 0);
		assert_int_equal(bind_there(SO_REUSEPORT), EADDRINUSE);
		assert_int_equal(seteuid(0), 0);
	} else {
		print_message("as root, another user would be tried, too\n");
	}
	close_beside();
	/* With one thread nobody at all, not even ourselves. */
	in = udp_open(LOOPBACK, 0, true);
	assert_int_equal(udp_local(in, &there), 0);
	assert_int_equal(bind_there(SO_REUSEPORT), EADDRINUSE);
	close(in);
}

int main(void)
{
#define PAIR(f) cmocka_unit_test_teardown(f, close_pair)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bound_socket_is_taken),
		cmocka_unit_test(port_comes_later),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(confined_socket_hears_one_interface),
		PAIR(one_by_one),
		PAIR(trains_come_whole),
		PAIR(gro_of_single_ones),
		PAIR(empty_datagrams),
		PAIR(long_ones_are_cut),
		PAIR(batches_are_limited),
		PAIR(marks_are_reported),
		cmocka_unit_test(errors_are_told),
		PAIR(offloads_are_found),
		cmocka_unit_test(senders_are_spread),
		cmocka_unit_test(they_hear_marks),
		cmocka_unit_test(nobody_comes_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
