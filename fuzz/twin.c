/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "twin.h"

#include <stdlib.h>
#include <string.h>

#include "audit.h"

enum {
	CARS_MAX = 64,
};

static uint8_t *memory(size_t n)
{
	uint8_t *p = malloc(n + 1);

	if (!p)
		abort();
	return p;
}

void twin_init(struct twin *t, struct node *n, void *mem, size_t mem_size)
{
	t->node = n;
	t->mem_size = mem_size;
	t->mem_before = memory(mem_size);
	t->mem_after = memory(mem_size);
	t->mem = mem ? mem : t->mem_before; /* a server has none */
	t->on = false;
	outbox_init(&t->out, &n->gate);
}

void twin_free(struct twin *t)
{
	free(t->mem_before);
	free(t->mem_after);
}

/* --- what leaves --- */

static void forget(struct twin *t)
{
	record_clear(&t->plain);
	record_clear(&t->plain_made);
	record_clear(&t->other);
	record_clear(&t->other_made);
}

static void same(const struct record *plain, const struct record *other,
		 const char *what)
{
	if (!record_equal(plain, other))
		audit_failed("%s sends something else than its packets", what);
}

/* --- what the node is --- */

static void save(const struct twin *t, struct node *n, uint8_t *mem)
{
	node_copy(n, t->node);
	memcpy(mem, t->mem, t->mem_size);
}

static void put_back(const struct twin *t)
{
	node_copy(t->node, &t->before);
	memcpy(t->mem, t->mem_before, t->mem_size);
}

/*
 * Padding is compared, too. It is the same both ways, as variables begin as
 * zeros (see meson.build); but not for MemorySanitizer.
 */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define PADDING_IS_ANYTHING 1
#endif
#endif
#ifndef PADDING_IS_ANYTHING
#define PADDING_IS_ANYTHING 0
#endif

static bool is_as(const struct twin *t, const struct node *n,
		  const uint8_t *mem)
{
	return PADDING_IS_ANYTHING ||
	       (node_same(n, t->node) && memcmp(mem, t->mem, t->mem_size) == 0);
}

static void compare(const struct twin *t, const char *what)
{
	same(&t->plain, &t->other, what);
	same(&t->plain_made, &t->other_made, what);
	for (int i = 0; i < REASON_COUNT; i++) {
		if (t->node->stats.n[i] != t->after.stats.n[i])
			audit_failed("%s counts %s otherwise than its packets",
				     what, reason_name((enum reason)i));
	}
	if (!is_as(t, &t->after, t->mem_after))
		audit_failed("%s changes something else than its packets",
			     what);
}

/* --- trains --- */

/* Does this datagram go on with the train? The last one may be shorter. */
static bool joins(const struct twin *t, const struct datagram *d, uint64_t now)
{
	return t->on && t->now == now && t->n < CARS_MAX &&
	       d->door == t->first.door && d->ecn == t->first.ecn &&
	       tuple_equal(d->from, t->first.from) && d->len > 0 &&
	       d->len <= t->first.len && t->len == t->n * t->first.len &&
	       t->len + d->len <= UINT16_MAX;
}

void twin_before(struct twin *t, const struct datagram *d, bool begin,
		 uint64_t now)
{
	if (!joins(t, d, now)) {
		twin_settle(t);
		if (!begin)
			return;
		save(t, &t->before, t->mem_before);
		forget(t);
		t->on = true;
		t->now = now;
		t->first = *d;
		t->n = t->len = 0;
	}
	memcpy(t->bytes + t->len, d->data, d->len);
	t->len = (uint16_t)(t->len + d->len);
	t->n++;
}

void twin_behind(struct twin *t, const struct outbox *out)
{
	if (t->on)
		record_note(&t->plain, NULL, out, 0);
}

/* In portions of one to four, or whole. */
static void run(struct twin *t, struct train *train)
{
	unsigned room = OUT_PER_CALL + t->len % 4, from = OUT_MAX - room;
	bool done;

	if (t->len % 3 == 0)
		from = 0;
	do {
		outbox_clear(&t->out);
		t->out.n = from;
		done = node_train_from_ip4(t->node, train, t->now, &t->out);
		record_note(&t->other, NULL, &t->out, from);
	} while (!done);
	outbox_clear(&t->out);
}

void twin_settle(struct twin *t)
{
	struct train train = {.all = t->first};
	uint8_t *exact;

	if (!t->on)
		return;
	t->on = false;
	exact = memory(t->len);
	memcpy(exact, t->bytes, t->len);
	train.all.data = exact;
	train.all.len = t->len;
	save(t, &t->after, t->mem_after);
	put_back(t);
	train_begin(&train, t->n > 1 ? t->first.len : 0);
	run(t, &train);
	if (train.taken != t->n)
		audit_failed("a train of %u is %u", t->n, train.taken);
	compare(t, "a train");
	free(exact);
}

/* --- super-packets --- */

void twin_super(struct twin *t, const struct super *s, uint64_t now)
{
	twin_settle(t);
	forget(t);
	save(t, &t->before, t->mem_before);
	if (node_super_from_ip6(t->node, s, now, &t->out))
		t->on = true;
	else if (t->out.n || !is_as(t, &t->before, t->mem_before))
		audit_failed("a super-packet is refused, but not in vain");
	record_note(&t->other, &t->other_made, &t->out, 0);
	outbox_clear(&t->out);
	save(t, &t->after, t->mem_after);
	put_back(t);
}

void twin_segment(struct twin *t, const struct outbox *out)
{
	record_note(&t->plain, &t->plain_made, out, 0);
}

void twin_super_done(struct twin *t, const struct super *s)
{
	bool all = t->node->stats.n[REASON_TO_IPV4] -
			   t->before.stats.n[REASON_TO_IPV4] ==
		   super_count(s);

	if (t->on != all)
		audit_failed("a super-packet is %s, its segments are not",
			     all ? "refused" : "sent");
	if (t->on)
		compare(t, "a super-packet");
	t->on = false;
}
