/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The peer table against a model: each roll is an array, oldest first. The
 * input is a list of operations, two bytes each: what, and to which address.
 */
#include "fuzz.h"

#include <string.h>

#include "peers.h"

enum {
	CAPACITY = PEERS_MIN,
	MAX_UNPROVEN = CAPACITY / PEERS_UNPROVEN_SHARE
};

static struct {
	unsigned n;
	uint8_t v[256];
} model[ROLL_COUNT];

static _Alignas(64) uint8_t memory[64 * 1024];

static struct ip6 address(uint8_t name)
{
	return (struct ip6){{0x20, 1, [4] = 9, [7] = 2, [15] = name}};
}

/* The roll an address is in, by the model; ROLL_COUNT = none. */
static unsigned roll_of(uint8_t name)
{
	for (unsigned r = 0; r < ROLL_COUNT; r++) {
		if (memchr(model[r].v, name, model[r].n))
			return r;
	}
	return ROLL_COUNT;
}

static void model_leave(uint8_t name)
{
	unsigned r = roll_of(name);
	uint8_t *at;

	WANT(r < ROLL_COUNT);
	at = memchr(model[r].v, name, model[r].n);
	WANT(at);
	memmove(at, at + 1, (size_t)(model[r].v + model[r].n - at) - 1);
	model[r].n--;
}

static void model_join(uint8_t name, unsigned roll)
{
	model[roll].v[model[roll].n++] = name;
}

/* Whom the model pushes out; -1 = nobody. */
static int model_victim(unsigned roll)
{
	unsigned unproven = model[ROLL_PROBING].n + model[ROLL_FAILED].n;

	if (roll == ROLL_PROVEN)
		return model[roll].n < CAPACITY - MAX_UNPROVEN
			       ? -1
			       : model[roll].v[0];
	if (unproven < MAX_UNPROVEN)
		return -1;
	return model[ROLL_FAILED].n ? model[ROLL_FAILED].v[0]
				    : model[ROLL_PROBING].v[0];
}

static void make_room(struct peers *p, unsigned roll)
{
	uint32_t victim = peers_victim(p, (enum roll)roll);
	int expected = model_victim(roll);

	WANT((victim == PEER_NONE) == (expected < 0));
	if (expected < 0)
		return;
	WANT(peers_at(p, victim)->key.b[11] == expected);
	peers_remove(p, victim);
	model_leave((uint8_t)expected);
}

static void check(const struct peers *p)
{
	for (unsigned r = 0; r < ROLL_COUNT; r++) {
		uint32_t i = p->oldest[r];

		WANT(p->n[r] == model[r].n);
		for (unsigned k = 0; k < model[r].n; k++) {
			struct ip6 a = address(model[r].v[k]), b;

			WANT(i != PEER_NONE && peers_find(p, &a) == i);
			peer_address(peers_at(p, i), 0x20010000, &b);
			WANT(memcmp(&a, &b, sizeof(a)) == 0);
			i = peers_at(p, i)->newer;
		}
		WANT(i == PEER_NONE);
	}
}

static bool is_unproven(unsigned roll)
{
	return roll == ROLL_PROBING || roll == ROLL_FAILED;
}

static void join(struct peers *p, uint8_t name, unsigned roll)
{
	struct ip6 a = address(name);
	unsigned was = roll_of(name);

	/* Within one share there is always room. */
	if (was == ROLL_COUNT || is_unproven(was) != is_unproven(roll))
		make_room(p, roll);
	if (was == ROLL_COUNT) {
		peers_add(p, &a, (enum roll)roll);
	} else {
		peers_move(p, peers_find(p, &a), (enum roll)roll);
		model_leave(name);
	}
	model_join(name, roll);
}

static void leave(struct peers *p, uint8_t name)
{
	struct ip6 a = address(name);
	uint32_t i = peers_find(p, &a);

	WANT((i == PEER_NONE) == (roll_of(name) == ROLL_COUNT));
	if (i == PEER_NONE)
		return;
	peers_remove(p, i);
	model_leave(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	struct hash_key key = {{script_u8(&s)}};
	struct peers p;

	memset(model, 0, sizeof(model));
	memset(memory, 0, sizeof(memory));
	WANT(peers_memory(CAPACITY) <= sizeof(memory));
	peers_init(&p, CAPACITY, &key, memory);
	while (s.n) {
		uint8_t op = script_u8(&s), name = script_u8(&s);

		if (op % 4 == ROLL_COUNT)
			leave(&p, name);
		else
			join(&p, name, op % 4);
		check(&p);
	}
	return 0;
}
