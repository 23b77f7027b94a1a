/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "meter.h"
#include "rig.h"

#include <string.h>

static struct meter m;
static struct outbox out;
static struct gate gate;
static struct self self;
static const struct hash_key key = {{1}};
static const struct tuple peer_at = {0x0b000005, 4096};

static int fresh(void **state)
{
	(void)state;
	gate = (struct gate){.self = &self, .public_only = true};
	outbox_init(&out, &gate);
	meter_init(&m, &key);
	return 0;
}

static void count(uint64_t now)
{
	meter_outbox(&m, &out, now);
	outbox_clear(&out);
}

static void is(struct ip6 a, uint64_t in, uint64_t in_bytes, uint64_t to,
	       uint64_t to_bytes)
{
	struct meter_count i = {0}, o = {0};

	meter_read(&m, &a, &i, &o);
	assert_int_equal(i.packets, in);
	assert_int_equal(i.bytes, in_bytes);
	assert_int_equal(o.packets, to);
	assert_int_equal(o.bytes, to_bytes);
}

/* In body or head; from the peer by its source, to it by its destination. */
static void both_ways(void **state)
{
	struct packet p, q;

	(void)state;
	data_of(&p, native, client, 100, 1);
	assert_int_equal(outbox_udp(&out, DOOR_SERVICE, peer_at, 0, p.b, p.n),
			 REASON_NONE);
	memcpy(outbox_head(&out), p.b, 50);
	assert_int_equal(outbox_udp(&out, DOOR_SERVICE, peer_at, 50, p.b + 50,
				    p.n - 50),
			 REASON_NONE);
	data_of(&q, client, native, 60, 1);
	outbox_ip6(&out, 0, q.b, q.n);
	count(1);
	is(client, 1, 60, 2, 200);
	is(native, 0, 0, 0, 0);
	assert_int_equal(m.in.packets, 1);
	assert_int_equal(m.out.bytes, 200);
}

/* A super-packet is as many as its segments, each with its head. */
static void supers(void **state)
{
	struct packet p;
	struct super s;

	(void)state;
	data_of(&p, native, client, 1000, 1);
	s = (struct super){.p = p.b,
			   .len = 60 + 940,
			   .kind = SUPER_TCP,
			   .head_len = 60,
			   .seg = 100};
	assert_int_equal(super_count(&s), 10);
	assert_int_equal(outbox_super(&out, DOOR_SERVICE, peer_at, &s),
			 REASON_NONE);
	count(1);
	is(client, 0, 0, 10, 940 + 10 * 60);
}

/* A server's blocks come before the packet: those are of no peer. */
static void what_is_no_packet(void **state)
{
	const uint8_t block[60] = {0, 1};

	(void)state;
	assert_int_equal(outbox_udp(&out, DOOR_PRIMARY, peer_at, 0, block,
				    sizeof(block)),
			 REASON_NONE);
	assert_int_equal(outbox_udp(&out, DOOR_PRIMARY, peer_at, 0, block, 10),
			 REASON_NONE);
	count(1);
	assert_int_equal(m.out.packets, 2);
	for (unsigned i = 0; i < METER_PEERS; i++)
		assert_int_equal(m.v[i].used, 0);
}

/* Many more than there are places: who goes on keeps its numbers. */
static void the_busy_stay(void **state)
{
	struct ip6 other = client;
	struct packet p;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		data_of(&p, native, client, 100, 1);
		outbox_udp(&out, DOOR_SERVICE, peer_at, 0, p.b, p.n);
		count(2 * i + 1);
		other.b[14] = (uint8_t)(i >> 8);
		other.b[15] = (uint8_t)i;
		data_of(&p, native, other, 100, 1);
		outbox_udp(&out, DOOR_SERVICE, peer_at, 0, p.b, p.n);
		count(2 * i + 2);
	}
	is(client, 0, 0, 5000, 500000);
	is(other, 0, 0, 1, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(both_ways, fresh),
		cmocka_unit_test_setup(supers, fresh),
		cmocka_unit_test_setup(what_is_no_packet, fresh),
		cmocka_unit_test_setup(the_busy_stay, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
