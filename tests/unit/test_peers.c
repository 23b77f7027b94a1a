/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peer table: found by address, bounded, fair. */
#include "peers.h"
#include "rig.h"

#include <stdlib.h>
#include <string.h>

enum {
	SIZE = 128,
	UNPROVEN = SIZE / PEERS_UNPROVEN_SHARE,
	PROVEN = SIZE - UNPROVEN,
};

static const struct hash_key key = {{9}};
static struct peers peers;
static void *mem;

static void make(uint32_t capacity)
{
	mem = calloc(1, peers_memory(capacity));
	assert_non_null(mem);
	peers_init(&peers, capacity, &key, mem);
}

static int fresh(void **state)
{
	(void)state;
	make(SIZE);
	return 0;
}

static int done(void **state)
{
	(void)state;
	free(mem);
	return 0;
}

static struct ip6 number(uint32_t n)
{
	return ta_of(SERVER, (struct tuple){0x0b000000 + n, 4096});
}

/* As the machine does: make room, then add. */
static uint32_t add(uint32_t n, enum roll roll)
{
	struct ip6 a = number(n);
	uint32_t victim = peers_victim(&peers, roll);

	if (victim != PEER_NONE)
		peers_remove(&peers, victim);
	return peers_add(&peers, &a, roll);
}

static bool knows(uint32_t n)
{
	struct ip6 a = number(n);

	return peers_find(&peers, &a) != PEER_NONE;
}

static void test_find(void **state)
{
	struct ip6 a = number(1), got;
	uint32_t i;

	(void)state;
	assert_int_equal(peers_find(&peers, &a), PEER_NONE);
	i = add(1, ROLL_PROBING);
	assert_int_equal(peers_find(&peers, &a), i);
	assert_int_equal(peers_at(&peers, i)->held, PEER_NONE);
	assert_int_equal(peers_at(&peers, i)->roll, ROLL_PROBING);
	peer_address(peers_at(&peers, i), TEREDO_PREFIX, &got);
	assert_memory_equal(&got, &a, 16);
	peers_remove(&peers, i);
	assert_int_equal(peers_find(&peers, &a), PEER_NONE);
}

/* All of bytes 4-15 tell peers apart: server, flags, port, address. */
static void test_every_byte_counts(void **state)
{
	struct ip6 a = number(1);

	(void)state;
	add(1, ROLL_PROVEN);
	for (unsigned k = 4; k < 16; k++) {
		a.b[k] ^= 1;
		assert_int_equal(peers_find(&peers, &a), PEER_NONE);
		a.b[k] ^= 1;
	}
	assert_int_not_equal(peers_find(&peers, &a), PEER_NONE);
}

/* Also where many lie in one chain. */
static void test_every_byte_counts_in_a_chain(void **state)
{
	struct ip6 a;

	(void)state;
	for (unsigned k = 4; k < 16; k++) {
		free(mem);
		make(SIZE);
		a = number(1);
		for (unsigned v = 0; v < PROVEN; v++) {
			a.b[k] = (uint8_t)v;
			peers_add(&peers, &a, ROLL_PROVEN);
		}
		for (unsigned v = 0; v < 256; v++) {
			a.b[k] = (uint8_t)v;
			assert_int_equal(peers_find(&peers, &a) != PEER_NONE,
					 v < PROVEN);
		}
	}
}

/* R22, Z22: strangers have an eighth and push out only each other. */
static void r22_z22_unproven_share(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < PROVEN; n++)
		add(n, ROLL_PROVEN);
	for (uint32_t n = 1000; n < 1000 + 50 * UNPROVEN; n++) {
		add(n, ROLL_PROBING);
		assert_in_range(peers.n[ROLL_PROBING] + peers.n[ROLL_FAILED], 1,
				UNPROVEN);
	}
	for (uint32_t n = 0; n < PROVEN; n++)
		assert_true(knows(n));
	/* The oldest strangers went first. */
	for (uint32_t n = 1000 + 49 * UNPROVEN; n < 1000 + 50 * UNPROVEN; n++)
		assert_true(knows(n));
	assert_false(knows(1000 + 49 * UNPROVEN - 1));
}

/* R22: what has failed goes before what still may answer. */
static void r22_failed_go_first(void **state)
{
	uint32_t i[UNPROVEN];

	(void)state;
	for (uint32_t n = 0; n < UNPROVEN; n++)
		i[n] = add(n, ROLL_PROBING);
	assert_int_equal(peers_victim(&peers, ROLL_PROBING), i[0]);
	peers_move(&peers, i[5], ROLL_FAILED);
	peers_move(&peers, i[3], ROLL_FAILED);
	assert_int_equal(peers_victim(&peers, ROLL_PROBING), i[5]);
	add(100, ROLL_PROBING);
	assert_false(knows(5));
	add(101, ROLL_PROBING);
	assert_false(knows(3));
	assert_int_equal(peers_victim(&peers, ROLL_PROBING), i[0]);
}

/* R22: of the proven, the longest silent one goes, for a proven one only. */
static void r22_proven_in_order(void **state)
{
	struct ip6 a = number(0);

	(void)state;
	for (uint32_t n = 0; n < PROVEN; n++)
		add(n, ROLL_PROVEN);
	peers_move(&peers, peers_find(&peers, &a), ROLL_PROVEN);
	assert_int_equal(peers_victim(&peers, ROLL_PROBING), PEER_NONE);
	add(500, ROLL_PROVEN);
	assert_true(knows(0));
	assert_false(knows(1));
	add(501, ROLL_PROVEN);
	assert_false(knows(2));
	assert_int_equal(peers.n[ROLL_PROVEN], PROVEN);
}

/* Both shares together are the table, and it can be filled to the brim. */
static void test_full(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < PROVEN; n++)
		add(n, ROLL_PROVEN);
	for (uint32_t n = PROVEN; n < SIZE; n++)
		add(n, n % 2 ? ROLL_PROBING : ROLL_FAILED);
	for (uint32_t n = 0; n < SIZE; n++)
		assert_true(knows(n));
}

/* A long random life against a plain list. */
static void test_random_life(void **state)
{
	struct rng rng = {.key = key};
	int8_t model[4 * SIZE];

	(void)state;
	memset(model, -1, sizeof(model));
	for (int step = 0; step < 100000; step++) {
		uint32_t n = rng_below(&rng, 4 * SIZE);
		enum roll roll = (enum roll)rng_below(&rng, ROLL_COUNT);
		struct ip6 a = number(n), v;
		uint32_t i = peers_find(&peers, &a), victim;

		assert_int_equal(i != PEER_NONE, model[n] >= 0);
		if (i != PEER_NONE) {
			assert_int_equal(peers_at(&peers, i)->roll, model[n]);
			peers_remove(&peers, i);
			model[n] = -1;
			if (rng_below(&rng, 2))
				continue;
		}
		victim = peers_victim(&peers, roll);
		if (victim != PEER_NONE) {
			peer_address(peers_at(&peers, victim), TEREDO_PREFIX,
				     &v);
			model[~be32(v.b + 12) - 0x0b000000] = -1;
			peers_remove(&peers, victim);
		}
		peers_add(&peers, &a, roll);
		model[n] = (int8_t)roll;
	}
	for (uint32_t n = 0; n < 4 * SIZE; n++)
		assert_int_equal(knows(n), model[n] >= 0);
}

static unsigned longest_chain(void)
{
	unsigned longest = 0;

	for (uint32_t s = 0; s <= peers.mask; s++) {
		unsigned n = 0;

		for (uint32_t i = peers.index[s]; i != PEER_NONE;
		     i = peers_at(&peers, i)->chain)
			n++;
		if (n > longest)
			longest = n;
	}
	return longest;
}

/* Z24: addresses that differ in flags or port only spread as any others. */
static void z24_flags_do_not_collide(void **state)
{
	(void)state;
	free(mem);
	make(1 << 18);
	for (uint32_t n = 0; n < 3 << 16; n++) {
		struct ip6 a = ta(SERVER, (uint16_t)n,
				  (uint16_t)(1 + (n >> 16)), "11.0.0.5");

		peers_add(&peers, &a, ROLL_PROVEN);
	}
	assert_in_range(longest_chain(), 1, 12);
}

/* A million peers in less than 96 MiB, all of it known at the start. */
static void r22_memory(void **state)
{
	(void)state;
	assert_in_range(peers_memory(1 << 20), 1, 96 << 20);
	assert_int_equal(sizeof(struct peer), 64);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(test_find),
		TEST(test_every_byte_counts),
		TEST(test_every_byte_counts_in_a_chain),
		TEST(r22_z22_unproven_share),
		TEST(r22_failed_go_first),
		TEST(r22_proven_in_order),
		TEST(test_full),
		TEST(test_random_life),
		TEST(z24_flags_do_not_collide),
		TEST(r22_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
