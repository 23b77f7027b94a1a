/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of packets that wait for their client. */
#include "held.h"
#include "peers.h"
#include "rig.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = HELD_MIN
};

static const struct hash_key key = {{7}};
static struct peers peers;
static struct held held;
static void *peer_mem, *held_mem;
static uint32_t a, b;
static uint64_t now;

static uint32_t new_peer(uint16_t port)
{
	struct ip6 t = ta(SERVER, 0, port, "11.0.0.5");

	return peers_add(&peers, &t, ROLL_PROBING);
}

static int fresh(void **state)
{
	(void)state;
	peer_mem = calloc(1, peers_memory(PEERS_MIN));
	held_mem = calloc(1, held_memory(SLOTS));
	peers_init(&peers, PEERS_MIN, &key, peer_mem);
	held_init(&held, SLOTS, held_mem);
	a = new_peer(1);
	b = new_peer(2);
	return 0;
}

static int done(void **state)
{
	(void)state;
	free(peer_mem);
	free(held_mem);
	return 0;
}

static struct peer *at_(uint32_t i)
{
	return peers_at(&peers, i);
}

static void add(uint32_t peer, uint8_t mark)
{
	uint8_t d[100];

	memset(d, mark, sizeof(d));
	held_add(&held, peer, &at_(peer)->held, d, sizeof(d), now);
}

/* Takes the first out and says what it was. */
static int take(uint32_t peer)
{
	const struct held_packet *k = held_first(&held, at_(peer)->held);
	int mark;

	if (!k)
		return -1;
	assert_int_equal(k->len, 100);
	assert_int_equal(k->data[0], k->data[99]);
	mark = k->data[0];
	held_drop_first(&held, &at_(peer)->held);
	return mark;
}

/* R11: first in, first out, per peer. */
static void r11_order(void **state)
{
	(void)state;
	assert_null(held_first(&held, at_(a)->held));
	for (uint8_t i = 0; i < 5; i++) {
		add(a, i);
		add(b, (uint8_t)(100 + i));
	}
	assert_int_equal(held.n, 10);
	assert_int_equal(held_count(&held, at_(a)->held), 5);
	assert_int_equal(held_count(&held, at_(b)->held), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(a), i);
	assert_int_equal(take(a), -1);
	assert_int_equal(held_count(&held, at_(a)->held), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(b), 100 + i);
	assert_int_equal(held.n, 0);
}

/* R13: when the ring has gone round, the oldest of all is in the way. */
static void r13_oldest_of_all_makes_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SLOTS; i++) {
		assert_int_equal(held_in_the_way(&held), PEER_NONE);
		add(i < 3 ? a : b, (uint8_t)i);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(held_in_the_way(&held), a);
		assert_int_equal(take(a), i);
		add(b, (uint8_t)(SLOTS + i));
	}
	assert_int_equal(held_in_the_way(&held), b);
	assert_int_equal(held.n, SLOTS);
	for (int i = 3; i < SLOTS + 3; i++)
		assert_int_equal(take(b), i);
	assert_int_equal(take(b), -1);
}

/* A hole left by a peer that was served does not break the order. */
static void r13_holes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SLOTS; i++)
		add(i % 2 ? a : b, (uint8_t)i);
	for (int i = 1; i < SLOTS; i += 2)
		assert_int_equal(take(a), i);
	for (int round = 0; round < 3 * SLOTS; round++) {
		uint32_t other = held_in_the_way(&held);

		if (other != PEER_NONE)
			take(other);
		assert_int_equal(held_in_the_way(&held), PEER_NONE);
		add(a, (uint8_t)round);
		assert_in_range(held.n, 1, SLOTS);
	}
	assert_int_equal(held_count(&held, at_(a)->held), SLOTS);
	assert_int_equal(held_count(&held, at_(b)->held), 0);
	for (int i = 2 * SLOTS; i < 3 * SLOTS; i++)
		assert_int_equal(take(a), i);
}

static void test_full_size(void **state)
{
	static uint8_t d[INNER_MAX];
	const struct held_packet *k;

	(void)state;
	memset(d, 0x5a, sizeof(d));
	held_add(&held, a, &at_(a)->held, d, INNER_MAX, now);
	k = held_first(&held, at_(a)->held);
	assert_int_equal(k->len, INNER_MAX);
	assert_memory_equal(k->data, d, INNER_MAX);
}

/* Who waits, waits since his first packet came, be that gone meanwhile. */
static void since_the_first(void **state)
{
	(void)state;
	now = 1000;
	add(a, 1);
	now = 2000;
	add(a, 2);
	add(b, 3);
	assert_int_equal(held_first(&held, at_(a)->held)->since, 1000);
	assert_int_equal(held_first(&held, at_(b)->held)->since, 2000);
	take(a);
	now = 3000;
	add(a, 4);
	take(a);
	assert_int_equal(held_first(&held, at_(a)->held)->since, 1000);
	take(a);
	now = 4000;
	add(a, 5);
	assert_int_equal(held_first(&held, at_(a)->held)->since, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(r11_order, fresh, done),
		cmocka_unit_test_setup_teardown(r13_oldest_of_all_makes_room,
						fresh, done),
		cmocka_unit_test_setup_teardown(r13_holes, fresh, done),
		cmocka_unit_test_setup_teardown(test_full_size, fresh, done),
		cmocka_unit_test_setup_teardown(since_the_first, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
