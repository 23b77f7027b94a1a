/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers of the resolver, a process that loads what it will and reads what
 * name servers send; and the times at which it is asked. Whatever it says, a
 * server is where datagrams may go to, and no name is asked for twice in a
 * second. The input is a list of operations.
 */
#include "fuzz.h"

#include "names.h"

enum {
	SERVERS = 3
};

static const uint64_t GAP_NS = 975 * NS_PER_MS; /* a second, less jitter */

static const struct self nobody;
static const struct hash_key key = {{1}};
static struct server_name servers[SERVERS] = {
	{"a.test", ""}, {"b.test", "c.test"}, {"9.0.0.2", "d.test"}};
static struct gate gate = {.self = &nobody};
static struct names n;
static uint64_t now, asked[RESOLVER_NAMES];

static void some_answer(struct script *s, struct resolver_answer *a,
			uint8_t how)
{
	uint8_t *p = (void *)a;

	memset(a, 0, sizeof(*a));
	if (how & 0x80) { /* any bytes */
		for (size_t i = 0; i < sizeof(*a); i++)
			p[i] = script_u8(s);
		return;
	}
	a->name = script_u8(s) % (2 * SERVERS);
	a->n = how & 3;
	for (unsigned i = 0; i < a->n; i++)
		a->ip[i] =
			how & 0x40 ? script_u32(s) : 0x09000000u | script_u8(s);
}

static void op_answer(struct script *s, uint8_t how)
{
	struct resolver_answer a;
	struct name before[RESOLVER_NAMES];
	enum reason r;

	some_answer(s, &a, how);
	memcpy(before, n.v, sizeof(before));
	r = names_answer(&n, &a);
	if (r != REASON_NONE)
		WANT(memcmp(before, n.v, sizeof(before)) == 0);
	else
		WANT(a.name < 2 * SERVERS && n.v[a.name].n > 0);
}

static void op_ask(void)
{
	unsigned count = 0;
	int i;

	while ((i = names_due(&n, now)) >= 0) {
		WANT(i < 2 * SERVERS && ++count <= 2 * SERVERS);
		WANT(!n.v[i].is_numeric && n.v[i].host);
		WANT(!asked[i] || now - asked[i] >= GAP_NS);
		asked[i] = now;
	}
	WANT(names_next(&n) > now);
}

static void step(struct script *s, uint8_t op)
{
	switch (op & 7) {
	case 0:
	case 1:
		op_answer(s, op & 0xf8 ? script_u8(s) : 0x41);
		break;
	case 2:
		now += (uint64_t)script_u16(s) * 10 * NS_PER_MS;
		break;
	case 3:
		names_silent(&n, op & 8, now);
		break;
	case 4:
		names_hurry(&n, now);
		break;
	case 5:
		names_rotate(&n, (op >> 3) % SERVERS);
		break;
	case 6: /* to the next deadline */
		if (names_next(&n) != UINT64_MAX && names_next(&n) > now)
			now = names_next(&n);
		break;
	}
	op_ask();
}

static void check(void)
{
	uint32_t a, b;

	for (unsigned i = 0; i < 2 * SERVERS; i++)
		WANT(n.v[i].n <= RESOLVER_ADDRESSES);
	for (unsigned i = 0; i < SERVERS; i++) {
		if (!names_server(&n, i, &a, &b))
			continue;
		/* Of numbers, plan.c is the judge; of what is one above, the
		 * core. */
		if (!n.v[2 * i].is_numeric)
			WANT(gate_target(&gate,
					 (struct tuple){a, TEREDO_PORT}) ==
			     REASON_NONE);
		if (n.v[2 * i + 1].host)
			WANT(gate_target(&gate,
					 (struct tuple){b, TEREDO_PORT}) ==
			     REASON_NONE);
		else
			WANT(b == a + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	uint8_t conf = script_u8(&s);

	gate.public_only = conf & 1;
	gate.n_deny = conf & 2 ? 1 : 0;
	gate.deny[0] = (struct ip4_prefix){0x09000080, 25};
	now = 1000 * NS_PER_S;
	memset(asked, 0, sizeof(asked));
	names_init(&n, servers, SERVERS, &gate, &key,
		   conf & 4 ? 0x09000007 : 0);
	if (conf & 8)
		names_hurry(&n, now);
	op_ask();
	for (int i = 0; s.n && i < 1000; i++) {
		step(&s, script_u8(&s));
		check();
	}
	return 0;
}
