/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables that are put together again out of the memory of one that died. */
#include "peers.h"
#include "recent.h"
#include "rig.h"
#include "whole.h"

#include <stdlib.h>
#include <string.h>

enum {
	SIZE = 128,
	SHARE = SIZE - SIZE / PEERS_UNPROVEN_SHARE, /* of the proven */
	RECENT_SHARE = SIZE / 4,
};

static const struct hash_key key = {{9}}, other_key = {{8}};
static const uint64_t now = SECONDS(1000), life = SECONDS(300);
static struct peers peers;
static struct recent recent;
static void *mem;
static unsigned asked;

static bool any(const void *arg, const struct peer *e)
{
	(void)arg;
	(void)e;
	asked++;
	return true;
}

static bool odd(const void *arg, const struct peer *e)
{
	(void)arg;
	return e->ip % 2;
}

static bool any_recent(const void *arg, struct recent_peer *e)
{
	(void)arg;
	(void)e;
	asked++;
	return true;
}

static int fresh(void **state)
{
	(void)state;
	asked = 0;
	mem = calloc(1, peers_memory(SIZE) + recent_memory(SIZE));
	assert_non_null(mem);
	peers_init(&peers, SIZE, &key, mem);
	return 0;
}

static int fresh_recent(void **state)
{
	fresh(state);
	memset(mem, 0, peers_memory(SIZE));
	recent_init(&recent, SIZE, &key, mem);
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

/* Proven, and heard then. */
static uint32_t prove(uint32_t n, uint64_t heard)
{
	struct ip6 a = number(n);
	uint32_t i = peers_add(&peers, &a, ROLL_PROVEN);
	struct peer *e = peers_at(&peers, i);

	e->ip = n;
	e->port = 4096;
	e->heard = heard;
	e->nonce = 7;
	e->due = now + SECONDS(7);
	return i;
}

static bool knows(uint32_t n)
{
	struct ip6 a = number(n);

	return peers_find(&peers, &a) != PEER_NONE;
}

/* Another life: the same memory, another key. */
static void recover(peer_judge *judge)
{
	peers_init(&peers, SIZE, &other_key, mem);
	peers_recover(&peers, life, now, judge, NULL);
	assert_null(whole_peers(&peers));
}

static void test_proven_stay(void **state)
{
	const struct peer *e;
	uint32_t i = prove(1, now - SECONDS(10));

	(void)state;
	prove(2, now - SECONDS(20));
	peers_at(&peers, i)->held = 5;
	recover(any);
	assert_int_equal(peers.n[ROLL_PROVEN], 2);
	assert_true(knows(1) && knows(2));
	e = peers_at(&peers, i);
	assert_int_equal(e->ip, 1);
	assert_int_equal(e->port, 4096);
	assert_int_equal(e->heard, now - SECONDS(10));
	assert_true(e->held == PEER_NONE);
	assert_int_equal(e->nonce, 0);
	assert_true(e->due <= now);
	/* The longest silent is the first to go. */
	assert_int_equal(peers_at(&peers, peers.oldest[ROLL_PROVEN])->ip, 2);
}

static struct peer *ask(uint32_t n, enum roll roll, uint64_t when)
{
	struct ip6 a = number(n);
	struct peer *e = peers_at(&peers, peers_add(&peers, &a, roll));

	e->bubbled = when;
	e->heard = now;
	e->tries = 2;
	e->nonce = 3;
	e->held = 4;
	e->due = now - 1;
	return e;
}

static void test_unproven_go(void **state)
{
	(void)state;
	ask(1, ROLL_PROBING, 0);
	ask(2, ROLL_PROBING, now - SECONDS(2));
	ask(3, ROLL_PROBING, now + 1);
	ask(4, ROLL_FAILED, now);
	recover(any);
	assert_int_equal(asked, 0);
	assert_int_equal(peers.touched, 0);
}

/* Whom we have just asked we do not ask again. */
static void r21_just_asked(void **state)
{
	const struct peer *e = ask(1, ROLL_PROBING, now - SECONDS(1));
	struct ip6 a = number(4);

	(void)state;
	prove(2, now - SECONDS(1));
	ask(3, ROLL_PROBING, now)->heard = now + 1;
	ask(4, ROLL_PROBING, now);
	peers_remove(&peers, peers_find(&peers, &a));
	recover(any);
	assert_int_equal(peers.n[ROLL_PROBING], 2);
	assert_true(knows(1) && knows(2) && knows(3) && !knows(4));
	assert_int_equal(e->tries, 2);
	assert_int_equal(e->nonce, 3);
	assert_int_equal(e->bubbled, now - SECONDS(1));
	assert_int_equal(e->due, now + SECONDS(2));
	assert_int_equal(e->heard, now);
	assert_true(e->held == PEER_NONE);
	a = number(3);
	assert_int_equal(peers_at(&peers, peers_find(&peers, &a))->heard, 0);
}

/* ... though they are in the slab as they were. */
static void test_removed_stay_away(void **state)
{
	(void)state;
	prove(1, now);
	peers_remove(&peers, prove(2, now));
	recover(any);
	assert_true(knows(1));
	assert_false(knows(2));
}

static void test_times(void **state)
{
	(void)state;
	prove(1, now - life + 1);
	prove(2, now - life);
	prove(3, now);
	prove(4, now + 1);
	prove(5, UINT64_MAX);
	prove(6, 0);
	recover(any);
	assert_true(knows(1) && knows(3));
	assert_int_equal(peers.n[ROLL_PROVEN], 2);
	/* Of a host that has just been started: nothing wraps. */
	peers_init(&peers, SIZE, &key, mem);
	peers_recover(&peers, life, SECONDS(1), any, NULL);
	assert_int_equal(peers.n[ROLL_PROVEN], 0);
}

static void test_judge(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 10; n++)
		prove(n, now - n);
	recover(odd);
	assert_int_equal(peers.n[ROLL_PROVEN], 5);
	for (uint32_t n = 1; n <= 10; n++)
		assert_int_equal(knows(n), n % 2);
}

/* Whatever the lists said: by what each says itself. */
static void test_order(void **state)
{
	uint32_t i;
	uint64_t last = 0;

	(void)state;
	for (uint32_t n = 1; n <= SHARE; n++)
		prove(n, now - SECONDS(2 * (n * 37 % 113)));
	recover(any);
	assert_int_equal(peers.n[ROLL_PROVEN], SHARE);
	for (i = peers.oldest[ROLL_PROVEN]; i != PEER_NONE;
	     i = peers_at(&peers, i)->newer) {
		assert_true(peers_at(&peers, i)->heard >= last);
		last = peers_at(&peers, i)->heard;
	}
}

/* More than their share say that they are proven: the youngest are. */
static void test_too_many(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= SHARE; n++)
		prove(n, now - SECONDS(n));
	for (uint32_t i = SHARE; i < SIZE; i++) {
		struct ip6 a = number(i + 1);

		*peers_at(&peers, i) = (struct peer){
			.roll = ROLL_PROVEN,
			.ip = i + 1,
			.heard = now - SECONDS(i + 1),
		};
		memcpy(peers_at(&peers, i)->key.b, a.b + 4, 12);
	}
	recover(any);
	assert_int_equal(peers.n[ROLL_PROVEN], SHARE);
	for (uint32_t n = 1; n <= SIZE; n++)
		assert_int_equal(knows(n), n <= SHARE);
}

/* One key many times: the one that was heard last. */
static void test_duplicates(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 20; n++) {
		uint32_t i = prove(n, now - SECONDS(n == 13 ? 1 : 2 * n));

		memset(&peers_at(&peers, i)->key, 5, sizeof(struct peer_key));
	}
	recover(any);
	assert_int_equal(peers.n[ROLL_PROVEN], 1);
	assert_int_equal(peers_at(&peers, peers.oldest[ROLL_PROVEN])->ip, 13);
}

/* Who recovers may die, too, and be followed. */
static void test_twice(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 50; n++)
		prove(n, now - SECONDS(n));
	for (uint32_t n = 1; n <= 50; n += 3) {
		struct ip6 a = number(n);

		peers_remove(&peers, peers_find(&peers, &a));
	}
	recover(any);
	recover(any);
	assert_int_equal(peers.n[ROLL_PROVEN], 33);
	for (uint32_t n = 51; n <= 110; n++)
		prove(n, now);
	assert_null(whole_peers(&peers));
}

static void fill_randomly(uint32_t *seed, void *to, size_t n)
{
	uint8_t *p = to;

	for (size_t i = 0; i < n; i++) {
		*seed = *seed * 1103515245 + 12345;
		p[i] = (uint8_t)(*seed >> 16);
	}
}

/* Any bytes; and such as nearly pass. */
static void test_garbage(void **state)
{
	uint32_t seed = 1, kept = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		fill_randomly(&seed, mem, peers_memory(SIZE));
		for (uint32_t i = 0; i < SIZE; i++) {
			struct peer *e = peers_at(&peers, i);

			if (e->tries % 4 == 0)
				continue;
			e->roll =
				e->tries % 8 == 3 ? ROLL_PROBING : ROLL_PROVEN;
			e->bubbled = now - e->bubbled % SECONDS(3);
			e->heard = now - e->heard % SECONDS(400);
			if (e->tries % 4 == 1)
				memset(e->key.b, e->tries / 16, 12);
		}
		recover(any);
		kept += peers.n[ROLL_PROVEN];
	}
	assert_in_range(kept, 300, 300 * SHARE);
}

/* ---- recent peers ---- */

static uint32_t add(uint32_t n, enum standing s, uint64_t heard)
{
	struct ip6 a = number(n);
	uint32_t i = recent_add(&recent, 0, &a);
	struct recent_peer *e = recent_at(&recent, i);

	recent_touch(&recent, i, s);
	e->tuple = (struct tuple){n, 1};
	e->heard = heard;
	return i;
}

static uint32_t find(uint32_t n)
{
	struct ip6 a = number(n);

	return recent_find(&recent, 0, &a);
}

static void recover_recent(void)
{
	recent_init(&recent, SIZE, &other_key, mem);
	recent.log_key = key;
	recent_recover(&recent, life, now, any_recent, NULL);
	assert_null(whole_recent(&recent));
}

static void test_trusted_stay(void **state)
{
	struct recent_peer *e;

	(void)state;
	add(1, STANDING_UNTRUSTED, now);
	add(2, STANDING_WANTED, now);
	add(3, STANDING_TRUSTED, now - 3);
	add(4, STANDING_ACTIVE, now - 4);
	add(5, STANDING_ACTIVE, now - life);
	recent_remove(&recent, add(6, STANDING_ACTIVE, now));
	e = recent_at(&recent, find(4));
	e->talked = true;
	e->effort = EFFORT_TEST;
	e->due = now;
	e->tries = 3;
	e->owes = e->test_open = true;
	e->nonce_sent = e->nonce_got = 9;
	e->speaks_6081 = e->is_late = true;
	e->advertised = 9;
	e->held = 3;
	e->sent = now + 1;
	e->tested = now - 1;
	e->lan_heard = UINT64_MAX;
	recover_recent();
	assert_int_equal(recent.n[STANDING_TRUSTED], 1);
	assert_int_equal(recent.n[STANDING_ACTIVE], 1);
	assert_true(find(3) != RECENT_NONE);
	e = recent_at(&recent, find(4));
	assert_int_equal(e->tuple.ip, 4);
	assert_true(e->talked && e->heard == now - 4);
	assert_int_equal(e->effort, EFFORT_NONE);
	assert_true(e->due == UINT64_MAX && e->held == RECENT_NONE);
	assert_true(!e->owes && !e->test_open && e->nonce_sent == 0);
	assert_int_equal(e->nonce_got, 9);
	assert_true(e->speaks_6081 && e->is_late && e->advertised == 0);
	assert_true(e->sent == now && e->tested == now - 1);
	assert_true(e->lan_heard == now);
}

/* Each standing has its share, and who was heard last has a place in it. */
static void test_recent_too_many(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < RECENT_SHARE + 8; n++)
		add(n, STANDING_ACTIVE, now - SECONDS(2) * (n + 1));
	recover_recent();
	assert_int_equal(recent.n[STANDING_ACTIVE], RECENT_SHARE);
	for (uint32_t n = 0; n < RECENT_SHARE + 8; n++)
		assert_true((find(n) != RECENT_NONE) == (n < RECENT_SHARE));
}

static void test_recent_garbage(void **state)
{
	uint32_t seed = 1, kept = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		fill_randomly(&seed, mem, recent_memory(SIZE));
		for (uint32_t i = 0; i < SIZE; i++) {
			struct recent_peer *e = recent_at(&recent, i);

			if (e->tries % 4 == 0)
				continue;
			e->standing = e->in_a_row % 8;
			e->heard = now - e->heard % SECONDS(400);
			if (e->tries % 4 == 1)
				memset(&e->address, e->tries / 16, 16);
		}
		recover_recent();
		for (int s = 0; s < STANDINGS; s++)
			kept += recent.n[s];
		assert_int_equal(recent.n[STANDING_WANTED], 0);
	}
	assert_in_range(kept, 300, 300 * 2 * RECENT_SHARE);
}

/* C56, C57: whoever counts them. */
static void c57_bubbles_are_remembered(void **state)
{
	(void)state;
	for (int i = 4; i > 0; i--)
		bubble_note(&recent, "them", 4, now - SECONDS(3 * i));
	bubble_note(&recent, "him", 3, now - SECONDS(1));
	recover_recent();
	assert_true(bubble_allowed(&recent, "them", 4, now) == UINT64_MAX);
	assert_true(bubble_allowed(&recent, "him", 3, now) == now + SECONDS(1));
	assert_int_equal(bubbles_spent(&recent, "him", 3, now), 1);
	assert_true(bubble_allowed(&recent, "you", 3, now) == now);
}

/* A time that is to come blocks nobody for longer than now would. */
static void c57_times_to_come_are_now(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		bubble_note(&recent, "them", 4, now + SECONDS(100000));
	recover_recent();
	assert_true(bubble_allowed(&recent, "them", 4, now) == UINT64_MAX);
	assert_true(bubble_allowed(&recent, "them", 4, now + SECONDS(302)) ==
		    now + SECONDS(302));
}

int main(void)
{
#define TEST(f)        cmocka_unit_test_setup_teardown(f, fresh, done)
#define TEST_RECENT(f) cmocka_unit_test_setup_teardown(f, fresh_recent, done)
	const struct CMUnitTest tests[] = {
		TEST(test_proven_stay),
		TEST(test_unproven_go),
		TEST(r21_just_asked),
		TEST(test_removed_stay_away),
		TEST(test_times),
		TEST(test_judge),
		TEST(test_order),
		TEST(test_too_many),
		TEST(test_duplicates),
		TEST(test_twice),
		TEST(test_garbage),
		TEST_RECENT(test_trusted_stay),
		TEST_RECENT(test_recent_too_many),
		TEST_RECENT(test_recent_garbage),
		TEST_RECENT(c57_bubbles_are_remembered),
		TEST_RECENT(c57_times_to_come_are_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
