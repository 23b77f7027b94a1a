/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reason.h"

static const struct {
	const char *name, *text;
} reasons[REASON_COUNT] = {
#define X(id, name, text) [REASON_##id] = {name, text},
	REASON_LIST(X)
#undef X
};

const char *reason_name(enum reason r)
{
	return reasons[r].name;
}

const char *reason_text(enum reason r)
{
	return reasons[r].text;
}

void stats_add(struct stats *s, enum reason r, unsigned n)
{
	if (r != REASON_NONE && r != REASON_HELD)
		__atomic_store_n(&s->n[r], s->n[r] + n, __ATOMIC_RELAXED);
}

void stats_count(struct stats *s, enum reason r)
{
	stats_add(s, r, 1);
}
