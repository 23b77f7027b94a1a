/* SPDX-License-Identifier: GPL-2.0-or-later */
/* teredo-mire: what it answers, with what, and what it does not. */
#include "mire.h"
#include "rig.h"

#include <string.h>

static struct self self;
static struct gate gate;
static struct mire mire;
static struct outbox out;
static struct packet p, want;
static struct ip6 me, from;
static const struct tuple asker = {0x0b000005, 4096};

static int fresh(void **state)
{
	(void)state;
	self = (struct self){.n_ip4 = 1, .ip4 = {{0x09000002, 24}}};
	gate = (struct gate){
		.self = &self, .prefix = TEREDO_PREFIX, .public_only = true};
	mire = (struct mire){.gate = &gate, .port = MIRE_PORT};
	outbox_init(&out, &gate);
	me = ta(SERVER, 0, 3545, SERVER);
	from = ta(OTHER, 0, 4096, "11.0.0.5");
	return 0;
}

static enum reason hand(enum door door, struct tuple at)
{
	const struct datagram d = {
		.door = door, .from = at, .data = p.b, .len = (uint16_t)p.n};

	outbox_clear(&out);
	return mire_input(&mire, &d, &out);
}

/* One answer, to who has asked, from the service port, and not longer. */
static void answered(enum reason how, enum door door)
{
	struct packet got = {0};

	assert_int_equal(hand(door, asker), how);
	assert_int_equal(out.n, 1);
	assert_true(tuple_equal(out.v[0].to, asker));
	assert_int_equal(out.v[0].door, DOOR_SERVICE);
	got.n = (size_t)out.v[0].head_len + out.v[0].body_len;
	memcpy(got.b, out.v[0].head, out.v[0].head_len);
	assert_true(got.n <= p.n);
	same_packet(&got, &want);
}

static void silent(enum reason why, enum door door, struct tuple at)
{
	enum reason r = hand(door, at);

	if (r != why)
		fail_msg("%s instead of %s", reason_name(r), reason_name(why));
	assert_int_equal(out.n, 0);
}

static void bubbles(void **state)
{
	const struct ip6 ll1 = ip6("fe80::1");

	(void)state;
	bubble(&p, from, me);
	bubble(&want, me, from);
	answered(REASON_BUBBLE, DOOR_PRIMARY);
	add_tail(&p, "0104a1b2c3d4");
	add_tail(&want, "0104a1b2c3d4");
	answered(REASON_BUBBLE, DOOR_PRIMARY);
	bubble(&p, native, me);
	bubble(&want, me, native);
	answered(REASON_BUBBLE, DOOR_PRIMARY);
	bubble(&p, ll1, me);
	bubble(&want, me, ll1);
	answered(REASON_BUBBLE, DOOR_PRIMARY);
	/* Flags and prefix do not matter. */
	me = ta(SERVER, 0x8123, 3545, SERVER);
	me.b[0] = 0x3f;
	bubble(&p, from, me);
	bubble(&want, me, from);
	answered(REASON_BUBBLE, DOOR_PRIMARY);
}

static void echos(void **state)
{
	(void)state;
	echo_request(&p, from, me);
	echo_reply(&want, me, from);
	answered(REASON_ECHO, DOOR_SERVICE);
	echo_request(&p, native, me);
	echo_reply(&want, me, native);
	answered(REASON_ECHO, DOOR_SERVICE);
	add_tail(&p, "5501ff");
	answered(REASON_ECHO, DOOR_SERVICE);
}

/* No answer is a question to another one. */
static void no_answer_is_answered(void **state)
{
	(void)state;
	echo_reply(&p, from, me);
	silent(REASON_CONTROL, DOOR_SERVICE, asker);
	silent(REASON_CONTROL, DOOR_PRIMARY, asker);
	bubble(&p, from, me);
	silent(REASON_CONTROL, DOOR_SERVICE, asker);
	silent(REASON_CONTROL, DOOR_PRIMARY, at("11.0.0.5", 3544));
	echo_request(&p, from, me);
	silent(REASON_CONTROL, DOOR_PRIMARY, asker);
}

static void not_for_it(void **state)
{
	static const char *const others[] = {"ff02::1", "fe80::f226:1:2",
					     "2001:db8::1"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		echo_request(&p, from, ip6(others[i]));
		silent(REASON_NOT_OURS, DOOR_SERVICE, asker);
		bubble(&p, from, ip6(others[i]));
		silent(REASON_NOT_OURS, DOOR_PRIMARY, asker);
	}
	echo_request(&p, from, ta(SERVER, 0, 3546, SERVER));
	silent(REASON_NOT_OURS, DOOR_SERVICE, asker);
}

static void malformed(void **state)
{
	(void)state;
	echo_request(&p, from, me);
	flip(&p, 42, 1);
	silent(REASON_CONTROL, DOOR_SERVICE, asker);
	echo_request(&p, from, me);
	cut(&p, 1);
	silent(REASON_TRUNCATED, DOOR_SERVICE, asker);
	echo_request(&p, from, me);
	add_origin(&p, at("11.0.0.9", 99));
	silent(REASON_FORGED_BLOCK, DOOR_SERVICE, asker);
	bubble(&p, from, me);
	add_tail(&p, "5501ff");
	silent(REASON_TRAILER, DOOR_PRIMARY, asker);
	data(&p, from, me);
	silent(REASON_CONTROL, DOOR_SERVICE, asker);
}

static void sources(void **state)
{
	(void)state;
	echo_request(&p, from, me);
	silent(REASON_SRC_OWN, DOOR_SERVICE, at(SERVER, 4096));
	silent(REASON_SRC_NOT_GLOBAL, DOOR_SERVICE, at("192.168.1.1", 4096));
	silent(REASON_SRC_NOT_GLOBAL, DOOR_SERVICE, at("11.0.0.5", 0));
	silent(REASON_MISMATCH, DOOR_SERVICE, at("11.0.0.6", 4096));
	/* A symmetric NAT gives another port. */
	assert_int_equal(hand(DOOR_SERVICE, at("11.0.0.5", 4097)), REASON_ECHO);
	for (unsigned i = 0; i < n_impossible_sources; i++) {
		const struct ip6 source = ip6(impossible_sources[i]);

		echo_request(&p, source, me);
		if (hand(DOOR_SERVICE, asker) != REASON_BAD_SOURCE || out.n)
			fail_msg("%s", impossible_sources[i]);
	}
	gate.n_allow = 1;
	gate.allow[0] = (struct ip4_prefix){ip4("192.168.0.0"), 16};
	echo_request(&p, native, me);
	assert_int_equal(hand(DOOR_SERVICE, at("192.168.1.1", 4096)),
			 REASON_ECHO);
}

static void other_port(void **state)
{
	(void)state;
	mire.port = 5000;
	echo_request(&p, from, me);
	silent(REASON_NOT_OURS, DOOR_SERVICE, asker);
	me = ta(SERVER, 0, 5000, SERVER);
	echo_request(&p, from, me);
	echo_reply(&want, me, from);
	answered(REASON_ECHO, DOOR_SERVICE);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bubbles),    TEST(echos),     TEST(no_answer_is_answered),
		TEST(not_for_it), TEST(malformed), TEST(sources),
		TEST(other_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
