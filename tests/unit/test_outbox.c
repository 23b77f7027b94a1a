/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Actions as values, and the gate that stands before each datagram. */
#include "outbox.h"
#include "rig.h"

#include <string.h>

static struct self self;
static struct gate gate;
static struct outbox out;

static int fresh(void **state)
{
	(void)state;
	memset(&self, 0, sizeof(self));
	self.n_ip4 = 1;
	self.ip4[0].ip = ip4(SERVER);
	self.ip4[0].len = 24;
	gate = (struct gate){
		.self = &self, .prefix = TEREDO_PREFIX, .public_only = true};
	outbox_init(&out, &gate);
	return 0;
}

static void test_datagram(void **state)
{
	const uint8_t body[3] = {4, 5, 6};

	(void)state;
	memcpy(outbox_head(&out), "\1\2\3", 3);
	assert_int_equal(outbox_udp(&out, DOOR_SECONDARY, client_at, 3, body,
				    3),
			 REASON_NONE);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].kind, OUT_UDP);
	assert_int_equal(out.v[0].door, DOOR_SECONDARY);
	assert_int_equal(out.v[0].to.ip, client_at.ip);
	assert_int_equal(out.v[0].to.port, client_at.port);
	assert_int_equal(out.v[0].head_len, 3);
	assert_memory_equal(out.v[0].head, "\1\2\3", 3);
	assert_ptr_equal(out.v[0].body, body);
	assert_int_equal(out.v[0].body_len, 3);
}

/* A head is not written over by the next. */
static void test_heads_stay(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < OUT_PER_CALL; i++) {
		assert_true(i > 0 || outbox_has_room(&out));
		memset(outbox_head(&out), i, OUT_HEAD);
		outbox_ip6(&out, OUT_HEAD, NULL, 0);
	}
	assert_int_equal(out.n, OUT_PER_CALL);
	for (uint8_t i = 0; i < OUT_PER_CALL; i++) {
		assert_int_equal(out.v[i].kind, OUT_IP6);
		assert_int_equal(out.v[i].head_len, OUT_HEAD);
		assert_int_equal(out.v[i].head[0], i);
		assert_int_equal(out.v[i].head[OUT_HEAD - 1], i);
	}
}

/* As long as there is room, the most that one call may add fits. */
static void test_room(void **state)
{
	unsigned calls = 0;

	(void)state;
	while (outbox_has_room(&out)) {
		for (int i = 0; i < OUT_PER_CALL; i++) {
			(void)outbox_head(&out);
			outbox_ip6(&out, OUT_HEAD, NULL, 0);
		}
		calls++;
	}
	assert_in_range(calls, 1, 64);
	assert_in_range(out.n, 1, OUT_MAX);
	assert_in_range(out.used, 1, OUT_BYTES);

	outbox_clear(&out);
	assert_int_equal(out.n, 0);
	assert_true(outbox_has_room(&out));
	while (outbox_has_room(&out))
		outbox_ip6(&out, 0, NULL, 0);
	assert_in_range(out.n, OUT_MAX - OUT_PER_CALL, OUT_MAX);
}

static void refused(struct tuple t, enum reason want, const char *what)
{
	static const enum door doors[] = {DOOR_PRIMARY, DOOR_SECONDARY,
					  DOOR_SERVICE};

	for (unsigned i = 0; i < ARRAY_SIZE(doors); i++) {
		if (outbox_udp(&out, doors[i], t, 40, NULL, 0) != want ||
		    out.n != 0 || out.used != 0)
			fail_msg("%s leaves by door %u", what, i);
	}
}

/* Z1, S32: the gate holds each refused address back, and leaves no trace. */
static void z1_s32_gate(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		refused(at(bad_ranges[i].first, 4096), REASON_DST_NOT_GLOBAL,
			bad_ranges[i].name);
		refused(at(bad_ranges[i].last, 4096), REASON_DST_NOT_GLOBAL,
			bad_ranges[i].name);
	}
	refused(at("11.0.0.5", 0), REASON_DST_NOT_GLOBAL, "port 0");
	refused(at("9.0.0.255", 4096), REASON_DST_NOT_GLOBAL, "a broadcast");
	refused(at(SERVER, 3544), REASON_DST_OWN, "an own address");
	gate.deny[gate.n_deny++] = (struct ip4_prefix){ip4("11.0.0.0"), 24};
	refused(client_at, REASON_DST_DENIED, "a denied address");
}

/* C49, Z1: the other way out is for the link only. */
static void c49_z1_neighbour(void **state)
{
	const struct tuple on_link = at("192.168.1.7", 50007);
	const uint8_t body[2] = {8, 9};

	(void)state;
	self.n_ip4 = 2;
	self.ip4[1].ip = ip4("192.168.1.5");
	self.ip4[1].len = 24;
	refused(on_link, REASON_DST_NOT_GLOBAL, "a neighbour");
	memcpy(outbox_head(&out), "\1\2\3", 3);
	assert_int_equal(outbox_neighbour(&out, DOOR_SERVICE, on_link, 3, body,
					  2),
			 REASON_NONE);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].kind, OUT_UDP);
	assert_int_equal(out.v[0].door, DOOR_SERVICE);
	assert_int_equal(out.v[0].to.ip, on_link.ip);
	assert_int_equal(out.v[0].to.port, on_link.port);
	assert_int_equal(out.v[0].head_len, 3);
	assert_memory_equal(out.v[0].head, "\1\2\3", 3);
	assert_ptr_equal(out.v[0].body, body);
	assert_int_equal(out.v[0].body_len, 2);
	outbox_clear(&out);
	assert_int_equal(outbox_neighbour(&out, DOOR_SERVICE, client_at, 3,
					  body, 2),
			 REASON_DST_NOT_GLOBAL);
	assert_int_equal(outbox_neighbour(&out, DOOR_SERVICE,
					  at("192.168.1.5", 9), 3, body, 2),
			 REASON_DST_OWN);
	assert_int_equal(out.n, 0);
	assert_int_equal(out.used, 0);
}

/* C72: to the link, from the service port. */
static void c72_group(void **state)
{
	(void)state;
	memset(outbox_head(&out), 7, 40);
	outbox_group(&out, 40);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].kind, OUT_GROUP);
	assert_int_equal(out.v[0].door, DOOR_SERVICE);
	assert_int_equal(out.v[0].head_len, 40);
	assert_int_equal(out.v[0].body_len, 0);
	assert_int_equal(out.v[0].head[39], 7);
}

/* What stands for all its segments has no bytes of its own. */
static void is_super(const struct super *s, struct tuple to)
{
	assert_int_equal(out.n, 1);
	assert_int_equal(out.used, 0);
	assert_int_equal(out.v[0].kind, OUT_UDP);
	assert_int_equal(out.v[0].door, DOOR_SERVICE);
	assert_int_equal(out.v[0].to.ip, to.ip);
	assert_int_equal(out.v[0].to.port, to.port);
	assert_ptr_equal(out.v[0].super, s);
	assert_null(out.v[0].body);
	assert_int_equal(out.v[0].head_len, 0);
	assert_int_equal(out.v[0].body_len, 0);
	outbox_clear(&out);
}

static void test_super(void **state)
{
	const struct tuple on_link = at("192.168.1.7", 50007);
	const struct super s = {.kind = SUPER_TCP};
	const uint8_t body[2] = {8, 9};
	const struct super one = {.kind = SUPER_NONE, .p = body, .len = 2};

	(void)state;
	self.n_ip4 = 2;
	self.ip4[1].ip = ip4("192.168.1.5");
	self.ip4[1].len = 24;
	assert_int_equal(outbox_super(&out, DOOR_SERVICE, client_at, &s),
			 REASON_NONE);
	is_super(&s, client_at);
	assert_int_equal(outbox_super(&out, DOOR_SERVICE, on_link, &s),
			 REASON_DST_NOT_GLOBAL);
	assert_int_equal(outbox_neighbour_super(&out, DOOR_SERVICE, on_link,
						&s),
			 REASON_NONE);
	is_super(&s, on_link);
	assert_int_equal(outbox_neighbour_super(&out, DOOR_SERVICE, client_at,
						&s),
			 REASON_DST_NOT_GLOBAL);
	assert_int_equal(out.n, 0);
	outbox_leased(&out, DOOR_SERVICE, client_at, &s);
	is_super(&s, client_at);
	outbox_leased(&out, DOOR_SERVICE, client_at, &one);
	assert_int_equal(out.n, 1);
	assert_null(out.v[0].super);
	assert_ptr_equal(out.v[0].body, body);
	assert_int_equal(out.v[0].head_len, 0);
	assert_int_equal(out.v[0].body_len, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_datagram, fresh),
		cmocka_unit_test_setup(test_heads_stay, fresh),
		cmocka_unit_test_setup(test_room, fresh),
		cmocka_unit_test_setup(z1_s32_gate, fresh),
		cmocka_unit_test_setup(c49_z1_neighbour, fresh),
		cmocka_unit_test_setup(c72_group, fresh),
		cmocka_unit_test_setup(test_super, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
