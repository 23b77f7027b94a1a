/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a look-up in the relay's table costs when an attacker has chosen the
 * addresses in it. He can name ports in turn, one port everywhere, addresses
 * that differ in their flags or servers only; and such as a hash with a key
 * that he knows puts into few chains. For the last he needs the key, which he
 * has not; the same table with that key shows what it would be worth to him.
 *
 * Only `peers` is used: how many. The kinds take turns, and of the times of a
 * kind the least counts, since all that disturbs makes it longer.
 */
#include "gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "peers.h"

enum {
	CAPACITY = 1 << 20,
	ROUNDS = 9,
	CROWD = 64, /* one chain of so many is used */
};

enum kind {
	RANDOM,
	PORTS,
	ONE_PORT,
	FLAGS,
	SERVERS,
	COLLIDING,
	KEY_KNOWN, /* the same, in a table that has that key */
	KINDS
};

static const char *const names[KINDS] = {"random",   "ports",   "one_port",
					 "flags",    "servers", "colliding",
					 "key_known"};

static const struct hash_key known; /* zeros */
static struct hash_key secret;
static struct rng rng;

static bool collides(const struct ip6 *a)
{
	uint64_t h = hash_bytes(&known, a->b + 4, sizeof(struct peer_key));

	return (h & (CAPACITY - 1)) % CROWD == 0;
}

static struct ip6 make(enum kind kind, uint32_t i)
{
	struct teredo t = {TEREDO_PREFIX, 0x0c090909, 0, {0, 0}};
	struct ip6 a;

	do {
		t.client.ip = 0x0b000000 + (rng_u32(&rng) & 0xffffff);
		t.client.port = (uint16_t)(1 + rng_below(&rng, 65535));
		if (kind == RANDOM || kind >= COLLIDING)
			t.flags = (uint16_t)rng_u32(&rng);
		if (kind == ONE_PORT) {
			t.client.ip = 0x0b000000 + i;
			t.client.port = 3544;
		} else if (kind == PORTS) {
			t.client.ip = 0x0b000000 + (i >> 16);
			t.client.port = (uint16_t)i;
		} else if (kind == FLAGS || kind == SERVERS) {
			t.client.ip = 0x0b000001;
			t.client.port =
				kind == FLAGS ? (uint16_t)(i >> 16) : 3544;
			t.flags = kind == FLAGS ? (uint16_t)i : 0;
			t.server += kind == SERVERS ? i : 0;
		}
		teredo_pack(&a, &t);
	} while (kind >= COLLIDING && !collides(&a));
	return a;
}

struct table {
	struct peers peers;
	struct ip6 *asked; /* in any order */
	double ns;
	unsigned longest;
};

static void *reserve(size_t n)
{
	void *p = aligned_alloc(64, (n + 63) / 64 * 64);

	if (p)
		memset(p, 0, n);
	else
		fail("aligned_alloc");
	return p;
}

static void fill(struct table *t, enum kind kind, uint32_t n)
{
	peers_init(&t->peers, CAPACITY, kind == KEY_KNOWN ? &known : &secret,
		   reserve(peers_memory(CAPACITY)));
	t->asked = reserve(n * sizeof(*t->asked));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t other = rng_below(&rng, i + 1);
		struct ip6 a = make(kind, i);

		if (peers_find(&t->peers, &a) == PEER_NONE)
			peers_add(&t->peers, &a, ROLL_PROBING);
		t->asked[i] = t->asked[other];
		t->asked[other] = a;
	}
	for (uint32_t i = 0; i <= t->peers.mask; i++) {
		unsigned length = 0;

		for (uint32_t e = t->peers.index[i]; e != PEER_NONE;
		     e = peers_at(&t->peers, e)->chain)
			length++;
		if (length > t->longest)
			t->longest = length;
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void ask(struct table *t, uint32_t n)
{
	uint64_t began = cpu_ns();
	double ns;

	for (uint32_t i = 0; i < n; i++) {
		if (peers_find(&t->peers, &t->asked[i]) == PEER_NONE)
			fail("a peer is lost");
	}
	ns = (double)(cpu_ns() - began) / n;
	if (t->ns == 0 || ns < t->ns)
		t->ns = ns;
}

int job_lookup(void)
{
	static struct table tables[KINDS];
	uint32_t n = args->peers < CAPACITY ? args->peers : CAPACITY;
	double worst = 0;

	if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret) ||
	    getrandom(&rng.key, sizeof(rng.key), 0) != sizeof(rng.key))
		fail("getrandom");
	for (int k = 0; k < KINDS; k++)
		fill(&tables[k], (enum kind)k, n);
	for (int round = 0; round < ROUNDS; round++) {
		for (int k = 0; k < KINDS; k++)
			ask(&tables[k], n);
	}
	for (int k = 0; k < KINDS; k++) {
		double ratio = tables[k].ns / tables[RANDOM].ns;

		printf("%s\"%s\": %.3f, \"%s_ns\": %.1f, \"%s_chain\": %u",
		       k ? ", " : "{", names[k], ratio, names[k], tables[k].ns,
		       names[k], tables[k].longest);
		if (k != KEY_KNOWN && ratio > worst)
			worst = ratio;
	}
	printf(", \"worst\": %.3f}\n", worst);
	return 0;
}
