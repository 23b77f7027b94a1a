/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ledger.h"

#include "ratelim.h"

/* From a relay around the corner to four bubbles that were needed. */
const uint32_t ledger_bound_ms[LEDGER_WAITS - 1] = {
	25, 50, 100, 250, 500, 1000, 2500, 5000, 10000,
};

static const struct ledger_words words[LEDGER_COUNT] = {
#define X(id, family, name, roles)                                             \
	[LEDGER_##id] = {name, LEDGER_FAMILY_##family, roles},
	LEDGER_LIST(X)
#undef X
};

static const char *const families[LEDGER_FAMILY_COUNT] = {
#define X(id, name) [LEDGER_FAMILY_##id] = (name),
	LEDGER_FAMILIES(X)
#undef X
};

const struct ledger_words *ledger_words(enum ledger_line l)
{
	return &words[l];
}

const char *ledger_family_name(enum ledger_family f)
{
	return families[f];
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes to it */
static void add(uint64_t *n, uint64_t more)
{
	__atomic_store_n(n, *n + more, __ATOMIC_RELAXED);
}

void ledger_wait(struct ledger *l, uint64_t ns)
{
	unsigned i = 0;

	while (i < LEDGER_WAITS - 1 && ns > ledger_bound_ms[i] * NS_PER_MS)
		i++;
	add(&l->waits[i], 1);
	add(&l->waited_ns, ns);
}

static uint64_t read(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

void ledger_add(struct ledger *l, const struct ledger *more)
{
	for (int i = 0; i < LEDGER_COUNT; i++)
		l->n[i] += read(&more->n[i]);
	for (int i = 0; i < LEDGER_WAITS; i++)
		l->waits[i] += read(&more->waits[i]);
	l->waited_ns += read(&more->waited_ns);
}
