/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of recent peers, and the memory of bubbles. */
#include "recent.h"
#include "rig.h"

#include <stdlib.h>
#include <string.h>

enum {
	SIZE = 64,
	SHARE = SIZE / 4,
};

static const struct hash_key key = {{9}};
static struct recent recent;
static void *mem;

static void make(uint32_t capacity)
{
	size_t n = recent_memory(capacity);

	free(mem);
	mem = calloc(1, n);
	assert_non_null(mem);
	recent_init(&recent, capacity, &key, mem);
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
	mem = NULL;
	return 0;
}

static struct ip6 number(uint32_t n)
{
	return ta_of(SERVER, (struct tuple){0x0b000000 + n, 4096});
}

static uint32_t find(uint32_t n)
{
	struct ip6 a = number(n);

	return recent_find(&recent, 0, &a);
}

static bool knows(uint32_t n)
{
	return find(n) != RECENT_NONE;
}

static void make_room(enum standing s)
{
	uint32_t victim = recent_victim(&recent, s);

	if (victim == RECENT_NONE)
		return;
	assert_int_equal(recent_at(&recent, victim)->standing, s);
	recent_remove(&recent, victim);
}

/* As the machine does. */
static uint32_t add(uint32_t n, enum standing s)
{
	struct ip6 a = number(n);
	uint32_t i;

	make_room(STANDING_UNTRUSTED);
	i = recent_add(&recent, 0, &a);
	if (s != STANDING_UNTRUSTED) {
		make_room(s);
		recent_touch(&recent, i, s);
	}
	return i;
}

/* ---- entries ---- */

static void test_find(void **state)
{
	struct ip6 a = number(1);
	const struct recent_peer *e;
	uint32_t i;

	(void)state;
	assert_false(knows(1));
	i = add(1, STANDING_UNTRUSTED);
	assert_int_equal(find(1), i);
	e = recent_at(&recent, i);
	assert_true(same_ip6(e->address, a));
	assert_int_equal(e->standing, STANDING_UNTRUSTED);
	assert_false(recent_is_trusted(e));
	assert_true(e->held == RECENT_NONE);
	assert_true(e->due == UINT64_MAX);
	assert_int_equal(e->tuple.port, 0);
	recent_touch(&recent, i, STANDING_TRUSTED);
	assert_true(recent_is_trusted(e));
	recent_touch(&recent, i, STANDING_ACTIVE);
	assert_true(recent_is_trusted(e));
	recent_remove(&recent, i);
	assert_false(knows(1));
	for (int s = 0; s < STANDINGS; s++)
		assert_int_equal(recent.n[s], 0);
}

/* The same peer is another one to another of our addresses. */
static void test_own_is_part_of_the_key(void **state)
{
	struct ip6 a = number(1);
	uint32_t i[2];

	(void)state;
	for (unsigned own = 0; own < 2; own++) {
		assert_true(recent_find(&recent, own, &a) == RECENT_NONE);
		i[own] = recent_add(&recent, own, &a);
		assert_int_equal(recent_at(&recent, i[own])->own, own);
	}
	assert_int_not_equal(i[0], i[1]);
	assert_int_equal(recent_find(&recent, 0, &a), i[0]);
	assert_int_equal(recent_find(&recent, 1, &a), i[1]);
	recent_remove(&recent, i[0]);
	assert_true(recent_find(&recent, 0, &a) == RECENT_NONE);
	assert_int_equal(recent_find(&recent, 1, &a), i[1]);
	/* Also where both come to lie in one chain. */
	make(RECENT_MIN);
	for (uint32_t n = 0; n < 300; n++) {
		uint32_t k = add(n, STANDING_UNTRUSTED);

		a = number(n);
		assert_true(recent_find(&recent, 1, &a) == RECENT_NONE);
		assert_int_equal(recent_find(&recent, 0, &a), k);
	}
}

/* All of an address counts, also in one chain. */
static void test_every_byte_counts(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 16; k++) {
		struct ip6 a = native;

		make(RECENT_MIN);
		for (unsigned v = 0; v < RECENT_MIN; v++) {
			a.b[k] = (uint8_t)(v * 3);
			recent_add(&recent, 0, &a);
		}
		for (unsigned v = 0; v < 256; v++) {
			a.b[k] = (uint8_t)v;
			assert_int_equal(recent_find(&recent, 0, &a) !=
						 RECENT_NONE,
					 v % 3 == 0 && v < RECENT_MIN * 3);
		}
	}
}

/* An entry that is used again is as new. */
static void test_used_again(void **state)
{
	uint32_t i = add(1, STANDING_ACTIVE);
	struct recent_peer *e = recent_at(&recent, i);

	(void)state;
	e->nonce_sent = 5;
	e->heard = 7;
	e->tuple = client_at;
	e->talked = true;
	recent_remove(&recent, i);
	assert_int_equal(add(2, STANDING_UNTRUSTED), i);
	assert_int_equal(e->nonce_sent, 0);
	assert_int_equal(e->heard, 0);
	assert_int_equal(e->tuple.port, 0);
	assert_false(e->talked);
	assert_false(recent_is_trusted(e));
}

/* ---- shares ---- */

/* C67, Z21: a share is full when it is full, and the oldest of it goes. */
static void c67_z21_shares(void **state)
{
	(void)state;
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t base = 1000u * (uint32_t)s;

		for (uint32_t n = 0; n < SHARE; n++) {
			assert_true(recent_victim(&recent, (enum standing)s) ==
				    RECENT_NONE);
			add(base + n, (enum standing)s);
		}
		assert_int_equal(recent_victim(&recent, (enum standing)s),
				 find(base));
		/* To pass through the untrusted it needs room there. */
		if (s != STANDING_UNTRUSTED)
			continue;
		add(base + 500, STANDING_UNTRUSTED);
		assert_false(knows(base));
		assert_true(knows(base + 1));
	}
	for (int s = 0; s < STANDINGS; s++)
		assert_in_range(recent.n[s], SHARE - 3, SHARE);
}

/* C67: ten thousand strangers push out each other. */
static void c67_z21_strangers(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < SHARE; n++)
		add(n, STANDING_ACTIVE);
	for (uint32_t n = 100; n < 100 + SHARE; n++)
		add(n, STANDING_TRUSTED);
	for (uint32_t n = 200; n < 200 + SHARE; n++)
		add(n, STANDING_WANTED);
	for (uint32_t n = 1000; n < 11000; n++) {
		add(n, STANDING_UNTRUSTED);
		assert_in_range(recent.n[STANDING_UNTRUSTED], 1, SHARE);
		assert_in_range(recent.touched, 1, SIZE);
	}
	for (uint32_t n = 0; n < SHARE; n++)
		assert_true(knows(n));
	for (uint32_t n = 100; n < 100 + SHARE; n++)
		assert_true(knows(n));
	for (uint32_t n = 200; n < 200 + SHARE; n++)
		assert_true(knows(n));
	for (uint32_t n = 11000 - SHARE; n < 11000; n++)
		assert_true(knows(n));
	assert_false(knows(11000 - SHARE - 1));
	/* Nor do those who show where they are push out our own talks, */
	for (uint32_t n = 20000; n < 30000; n++)
		add(n, STANDING_TRUSTED);
	/* nor do those who are waited for. */
	for (uint32_t n = 30000; n < 40000; n++)
		add(n, STANDING_WANTED);
	for (uint32_t n = 0; n < SHARE; n++)
		assert_true(knows(n));
	for (uint32_t n = 30000 - SHARE; n < 30000; n++)
		assert_true(knows(n));
	assert_int_equal(recent.n[STANDING_TRUSTED], SHARE);
}

/* C67: the one used longest ago goes. */
static void c67_order_of_use(void **state)
{
	uint32_t i[4];

	(void)state;
	make(RECENT_MIN); /* four of each */
	for (uint32_t n = 0; n < 4; n++)
		i[n] = add(n, STANDING_TRUSTED);
	assert_int_equal(recent_victim(&recent, STANDING_TRUSTED), i[0]);
	recent_touch(&recent, i[0], STANDING_TRUSTED);
	assert_int_equal(recent_victim(&recent, STANDING_TRUSTED), i[1]);
	recent_touch(&recent, i[2], STANDING_TRUSTED);
	recent_touch(&recent, i[2], STANDING_TRUSTED);
	recent_touch(&recent, i[1], STANDING_TRUSTED);
	assert_int_equal(recent_victim(&recent, STANDING_TRUSTED), i[3]);
	recent_touch(&recent, i[3], STANDING_ACTIVE); /* leaves the share */
	assert_true(recent_victim(&recent, STANDING_TRUSTED) == RECENT_NONE);
	assert_int_equal(recent.oldest[STANDING_TRUSTED], i[0]);
	assert_int_equal(recent.newest[STANDING_TRUSTED], i[1]);
	assert_int_equal(recent.n[STANDING_TRUSTED], 3);
	assert_int_equal(recent.n[STANDING_ACTIVE], 1);
}

/* All of it can be used, whatever its size. */
static void test_full(void **state)
{
	(void)state;
	for (uint32_t size = RECENT_MIN; size < 80; size++) {
		uint32_t n = 0;

		make(size);
		for (int s = STANDINGS - 1; s >= 0; s--) {
			for (uint32_t k = 0; k < size / 4; k++)
				add(n++, (enum standing)s);
		}
		for (uint32_t k = 0; k < n; k++)
			assert_true(knows(k));
		for (uint32_t k = 0; k < 5 * size; k++)
			add(1000 + k, (enum standing)(k % STANDINGS));
	}
}

/* The lists hold together both ways. */
static void check_lists(void)
{
	for (int s = 0; s < STANDINGS; s++) {
		uint32_t n = 0, older = RECENT_NONE;

		for (uint32_t i = recent.oldest[s]; i != RECENT_NONE;
		     i = recent_at(&recent, i)->newer) {
			assert_int_equal(recent_at(&recent, i)->older, older);
			assert_int_equal(recent_at(&recent, i)->standing, s);
			older = i;
			n++;
		}
		assert_int_equal(recent.newest[s], older);
		assert_int_equal(recent.n[s], n);
	}
}

/* A long random life against a plain list. */
static void test_random_life(void **state)
{
	struct rng rng = {.key = key};
	int8_t model[4 * SIZE];

	(void)state;
	memset(model, -1, sizeof(model));
	for (int step = 0; step < 30000; step++) {
		uint32_t n = rng_below(&rng, 4 * SIZE);
		enum standing s = (enum standing)rng_below(&rng, STANDINGS);
		uint32_t i = find(n), victim;

		assert_int_equal(i != RECENT_NONE, model[n] >= 0);
		if (i == RECENT_NONE)
			s = STANDING_UNTRUSTED;
		else
			assert_int_equal(recent_at(&recent, i)->standing,
					 model[n]);
		if (i != RECENT_NONE && rng_below(&rng, 4) == 0) {
			recent_remove(&recent, i);
			model[n] = -1;
			continue;
		}
		victim = i != RECENT_NONE && model[n] == (int8_t)s
				 ? RECENT_NONE
				 : recent_victim(&recent, s);
		if (victim != RECENT_NONE) {
			const struct ip6 *a =
				&recent_at(&recent, victim)->address;

			model[~be32(a->b + 12) - 0x0b000000] = -1;
			recent_remove(&recent, victim);
		}
		if (i == RECENT_NONE) {
			struct ip6 a = number(n);

			recent_add(&recent, 0, &a);
		} else {
			recent_touch(&recent, i, s);
		}
		model[n] = (int8_t)s;
		if (step % 100 == 0)
			check_lists();
	}
	for (uint32_t n = 0; n < 4 * SIZE; n++)
		assert_int_equal(knows(n), model[n] >= 0);
}

/* Z24: nobody who does not know the key makes long chains. */
static void z24_chains_are_short(void **state)
{
	unsigned longest = 0;

	(void)state;
	make(1 << 14);
	for (uint32_t n = 0; n < 1 << 14; n++) {
		struct ip6 a = ta(SERVER, (uint16_t)n, 4096, "11.0.0.5");

		recent_add(&recent, n & 1, &a);
	}
	for (uint32_t s = 0; s <= recent.mask; s++) {
		unsigned n = 0;

		for (uint32_t i = recent.index[s]; i != RECENT_NONE;
		     i = recent_at(&recent, i)->chain)
			n++;
		if (n > longest)
			longest = n;
	}
	assert_in_range(longest, 3, 12);
}

/* ---- bubbles ---- */

#define T0 SECONDS(1000)

static uint64_t allowed(uint64_t now)
{
	return bubble_allowed(&recent, "peer", 4, now);
}

static void note(uint64_t now)
{
	bubble_note(&recent, "peer", 4, now);
}

static unsigned spent(uint64_t now)
{
	return bubbles_spent(&recent, "peer", 4, now);
}

/* C56: two seconds, to the nanosecond. */
static void c56_gap(void **state)
{
	(void)state;
	assert_true(allowed(T0) == T0);
	note(T0);
	assert_true(allowed(T0) == T0 + SECONDS(2));
	assert_true(allowed(T0 + SECONDS(1)) == T0 + SECONDS(2));
	assert_true(allowed(T0 + SECONDS(2) - 1) == T0 + SECONDS(2));
	assert_true(allowed(T0 + SECONDS(2)) == T0 + SECONDS(2));
	assert_true(allowed(T0 + SECONDS(9)) == T0 + SECONDS(9));
	/* Others are not held up. */
	assert_true(bubble_allowed(&recent, "peer", 3, T0) == T0);
	assert_true(bubble_allowed(&recent, "peep", 4, T0) == T0);
}

/* C57: four in 300 s; seconds are rounded so that there are never five. */
static void c57_window(void **state)
{
	static const uint64_t parts[] = {0, 1, NS_PER_S / 2, NS_PER_S - 1};

	(void)state;
	for (unsigned k = 0; k < ARRAY_SIZE(parts); k++) {
		uint64_t t = T0 + parts[k];

		make(SIZE);
		for (unsigned i = 0; i < BUBBLES_IN_WINDOW; i++) {
			assert_true(allowed(t + i * SECONDS(2)) ==
				    t + i * SECONDS(2));
			note(t + i * SECONDS(2));
		}
		assert_true(allowed(t + SECONDS(6)) == UINT64_MAX);
		assert_true(allowed(t + SECONDS(8)) == UINT64_MAX);
		assert_true(allowed(t + SECONDS(300) - 1) == UINT64_MAX);
		assert_true(allowed(T0 + SECONDS(301) - 1) == UINT64_MAX);
		/* ... and one second later at most. */
		assert_true(allowed(T0 + SECONDS(301)) == T0 + SECONDS(301));
	}
}

/* C57: it is a window, and not a count that starts again. */
static void c57_window_slides(void **state)
{
	uint64_t sent[400], end = T0 + SECONDS(20000), now = T0;
	unsigned n = 0;

	(void)state;
	while (now < end) {
		uint64_t at = allowed(now);

		if (at == UINT64_MAX) {
			now += NS_PER_S / 4;
		} else if (at > now) {
			now = at;
		} else {
			assert_in_range(n, 0, ARRAY_SIZE(sent) - 1);
			note(now);
			sent[n++] = now;
			now += 7 * NS_PER_S / 3;
		}
	}
	for (unsigned i = 0; i + 1 < n; i++)
		assert_true(sent[i + 1] - sent[i] >= SECONDS(2));
	for (unsigned i = 0; i + BUBBLES_IN_WINDOW < n; i++)
		assert_true(sent[i + BUBBLES_IN_WINDOW] - sent[i] >=
			    SECONDS(300));
	assert_in_range(n, 4 * 20000 / 301 - 4, 4 * 20000 / 300 + 4);
}

/* C57: right after the machine was switched on, too. */
static void c57_early(void **state)
{
	(void)state;
	note(SECONDS(10));
	assert_true(allowed(SECONDS(12)) == SECONDS(12));
}

/* C57: three is not four. */
static void c57_three(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		note(T0 + i * SECONDS(2));
	assert_true(allowed(T0 + SECONDS(6)) == T0 + SECONDS(6));
}

/* C57, C34: an answer, and the count starts again; the two seconds do not. */
static void c57_answered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BUBBLES_IN_WINDOW; i++)
		note(T0 + i * SECONDS(2));
	bubble_answered(&recent, "peep", 4); /* another one */
	assert_true(allowed(T0 + SECONDS(8)) == UINT64_MAX);
	bubble_answered(&recent, "peer", 4);
	assert_true(allowed(T0 + SECONDS(7)) == T0 + SECONDS(8));
	for (unsigned i = 0; i < BUBBLES_IN_WINDOW; i++) {
		assert_true(allowed(T0 + SECONDS(8 + 2 * i)) ==
			    T0 + SECONDS(8 + 2 * i));
		note(T0 + SECONDS(8 + 2 * i));
	}
	assert_true(allowed(T0 + SECONDS(20)) == UINT64_MAX);
}

/* How many of the four: what has left the window is not spent any more. */
static void c57_spent(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * BUBBLES_IN_WINDOW; i++) {
		unsigned most = i < BUBBLES_IN_WINDOW ? i : BUBBLES_IN_WINDOW;

		assert_int_equal(spent(T0 + SECONDS(2) * i), most);
		note(T0 + SECONDS(2) * i);
	}
	assert_int_equal(bubbles_spent(&recent, "peep", 4, T0), 0);
	/* The last four are those at 8, 10, 12 and 14 s. */
	assert_int_equal(spent(T0 + SECONDS(308)), 4);
	for (unsigned i = 1; i <= 4; i++) {
		uint64_t gone = T0 + SECONDS(307 + 2 * i);

		assert_int_equal(spent(gone - 1), 5 - i);
		assert_int_equal(spent(gone), 4 - i);
	}
	note(T0 + SECONDS(400));
	assert_int_equal(spent(T0 + SECONDS(400)), 1);
	bubble_answered(&recent, "peer", 4);
	assert_int_equal(spent(T0 + SECONDS(400)), 0);
}

/* C57: no removal of an entry makes anybody forget. */
static void c57_outlives_the_entry(void **state)
{
	struct ip6 a = number(1);

	(void)state;
	add(1, STANDING_UNTRUSTED);
	for (unsigned i = 0; i < BUBBLES_IN_WINDOW; i++)
		bubble_note(&recent, a.b, 16, T0 + i * SECONDS(2));
	for (uint32_t n = 100; n < 1100; n++)
		add(n, STANDING_UNTRUSTED);
	assert_false(knows(1));
	add(1, STANDING_UNTRUSTED);
	assert_true(bubble_allowed(&recent, a.b, 16, T0 + SECONDS(30)) ==
		    UINT64_MAX);
}

/* Others that share its place in the table, found by trying. */
static unsigned neighbours(const void *whom, size_t n, uint32_t *v,
			   unsigned want)
{
	uint64_t place =
		(hash_bytes(&key, whom, n) & recent.log_mask) / LOG_WAYS;
	unsigned found = 0;

	for (uint32_t i = 0; found < want; i++) {
		uint64_t h = hash_bytes(&key, &i, sizeof(i));

		if ((h & recent.log_mask) / LOG_WAYS == place)
			v[found++] = i;
	}
	return found;
}

/* C57: four share a place, and the one that is longest silent is forgotten. */
static void c57_four_ways(void **state)
{
	uint32_t v[4];

	(void)state;
	neighbours("peer", 4, v, 4);
	for (unsigned i = 0; i < BUBBLES_IN_WINDOW; i++)
		note(T0 + i * SECONDS(2));
	for (unsigned i = 0; i < 3; i++)
		bubble_note(&recent, &v[i], sizeof(v[i]), T0 + SECONDS(3 + i));
	assert_true(allowed(T0 + SECONDS(20)) == UINT64_MAX);
	/* v[0] was noted at 3 s: it goes. */
	bubble_note(&recent, &v[3], sizeof(v[3]), T0 + SECONDS(10));
	assert_true(allowed(T0 + SECONDS(20)) == UINT64_MAX);
	assert_true(bubble_allowed(&recent, &v[0], sizeof(v[0]),
				   T0 + SECONDS(4)) == T0 + SECONDS(4));
	assert_true(bubble_allowed(&recent, &v[1], sizeof(v[1]),
				   T0 + SECONDS(5)) == T0 + SECONDS(6));
	assert_true(bubble_allowed(&recent, &v[2], sizeof(v[2]),
				   T0 + SECONDS(6)) == T0 + SECONDS(7));
	assert_true(bubble_allowed(&recent, &v[3], sizeof(v[3]),
				   T0 + SECONDS(11)) == T0 + SECONDS(12));
	/* What takes a place begins with nothing, and not with another's four.
	 */
	for (unsigned i = 0; i < 3; i++)
		bubble_note(&recent, &v[i], sizeof(v[i]), T0 + SECONDS(12 + i));
	assert_true(allowed(T0 + SECONDS(20)) == T0 + SECONDS(20));
	for (unsigned i = 0; i < 3; i++)
		assert_true(bubble_allowed(&recent, &v[i], sizeof(v[i]),
					   T0 + SECONDS(20)) ==
			    T0 + SECONDS(20));
}

/* The log has room for four times as many as there are entries. */
static void c57_log_of_many(void **state)
{
	unsigned forgotten = 0;

	(void)state;
	make(1024);
	for (uint32_t n = 0; n < 1024; n++) {
		for (unsigned i = 0; i < BUBBLES_IN_WINDOW; i++)
			bubble_note(&recent, &n, 4, T0 + SECONDS(2 * i));
	}
	for (uint32_t n = 0; n < 1024; n++)
		forgotten += bubble_allowed(&recent, &n, 4, T0 + SECONDS(9)) !=
			     UINT64_MAX;
	assert_in_range(forgotten, 0, 10);
}

/* C67: it is known from the start how much memory it takes. */
static void c67_memory(void **state)
{
	(void)state;
	assert_in_range(recent_memory(1024), 1024 * 200, 400 << 10);
	assert_in_range(recent_memory(RECENT_MAX), 1, 32 << 20);
	for (uint32_t n = RECENT_MIN; n < 300; n += 7)
		assert_int_equal(recent_memory(n) % 64, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(test_find),
		TEST(test_own_is_part_of_the_key),
		TEST(test_every_byte_counts),
		TEST(test_used_again),
		TEST(c67_z21_shares),
		TEST(c67_z21_strangers),
		TEST(c67_order_of_use),
		TEST(test_full),
		TEST(test_random_life),
		TEST(z24_chains_are_short),
		TEST(c56_gap),
		TEST(c57_window),
		TEST(c57_window_slides),
		TEST(c57_early),
		TEST(c57_three),
		TEST(c57_answered),
		TEST(c57_spent),
		TEST(c57_outlives_the_entry),
		TEST(c57_four_ways),
		TEST(c57_log_of_many),
		TEST(c67_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
