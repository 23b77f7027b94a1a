/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Held packets against a model: one list of all of them, in order of arrival.
 * The input is a list of operations, two bytes each.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "held.h"
#include "peers.h"

enum {
	OWNERS = 8,
	CAPACITY = HELD_MIN
};

static struct {
	uint8_t owner;
	uint32_t number, since;
} model[CAPACITY + 1];
static unsigned n_model;

static _Alignas(64) uint8_t slab[64 * 1024];
static struct peers peers;
static struct held held;
static uint32_t owners[OWNERS];

static int first_of(uint8_t owner)
{
	for (unsigned i = 0; i < n_model; i++) {
		if (model[i].owner == owner)
			return (int)i;
	}
	return -1;
}

static unsigned count_of(uint8_t owner)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_model; i++)
		n += model[i].owner == owner;
	return n;
}

static void model_drop(int i)
{
	n_model--;
	memmove(&model[i], &model[i + 1],
		(n_model - (unsigned)i) * sizeof(model[0]));
}

static void drop(uint8_t owner)
{
	struct peer *e = peers_at(&peers, owners[owner]);
	const struct held_packet *k = held_first(&held, e->held);
	int i = first_of(owner);

	WANT((k == NULL) == (i < 0));
	if (!k)
		return;
	WANT(k->owner == owners[owner] && k->len >= 4);
	WANT(be32(k->data) == model[i].number);
	WANT(k->since == model[i].since);
	held_drop_first(&held, &e->held);
	model_drop(i);
}

static uint8_t owner_of(uint32_t peer)
{
	uint8_t i = 0;

	while (i < OWNERS && owners[i] != peer)
		i++;
	WANT(i < OWNERS);
	return i;
}

/* What is in the way is the first of its owner, and the oldest of all. */
static void add(uint8_t owner, uint32_t number)
{
	static uint8_t data[INNER_MAX];
	uint32_t other = held_in_the_way(&held);
	int first;

	if (other != PEER_NONE) {
		uint8_t o = owner_of(other);

		WANT(model[0].owner == o);
		drop(o);
	} else {
		WANT(n_model < CAPACITY);
	}
	put32(data, number);
	held_add(&held, owners[owner], &peers_at(&peers, owners[owner])->held,
		 data, (uint16_t)(4 + number % (INNER_MAX - 3)), number);
	first = first_of(owner);
	model[n_model].since = first < 0 ? number : model[first].since;
	model[n_model].owner = owner;
	model[n_model++].number = number;
}

static void init(void)
{
	static const struct hash_key key;

	n_model = 0;
	peers_init(&peers, PEERS_MIN, &key, slab);
	for (uint8_t i = 0; i < OWNERS; i++) {
		struct ip6 a = {{0x20, 1, [15] = i}};

		owners[i] = peers_add(&peers, &a, ROLL_PROBING);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	void *mem = aligned_alloc(64, (held_memory(CAPACITY) + 63) / 64 * 64);

	WANT(mem);
	init();
	held_init(&held, CAPACITY, mem);
	for (uint32_t number = 0; s.n && number < 4096; number++) {
		uint8_t op = script_u8(&s);

		if (op & 0x80)
			drop(op % OWNERS);
		else
			add(op % OWNERS, number);
		WANT(held.n == n_model);
		for (uint8_t i = 0; i < OWNERS; i++)
			WANT(held_count(&held,
					peers_at(&peers, owners[i])->held) ==
			     count_of(i));
	}
	free(mem);
	return 0;
}
