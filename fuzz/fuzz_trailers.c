/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trailers (6081 §4): which of each type counts and what is refused, against
 * the definition by recursion. What is not known changes nothing, wherever it
 * is; and what was understood, written by us, is understood again.
 */
#include "fuzz.h"

#include "wire.h"

enum {
	TAIL = 512
};

/* Is the first trailer whole? Then how long it is. */
static size_t whole(const uint8_t *p, size_t n)
{
	return n >= 2 && n - 2 >= p[1] ? 2u + p[1] : 0;
}

static bool refused(const uint8_t *p, size_t n)
{
	size_t len = whole(p, n);

	return len && ((p[0] & 0xc0) == 0x40 || refused(p + len, n - len));
}

/* The value of the first of this type and length, or NULL. */
static const uint8_t *first(uint8_t type, uint8_t want, const uint8_t *p,
			    size_t n)
{
	size_t len = whole(p, n);

	if (!len)
		return NULL;
	return p[0] == type && p[1] == want
		       ? p + 2
		       : first(type, want, p + len, n - len);
}

/* The first that names alternates, right or wrong, or NULL. */
static const uint8_t *naming(const uint8_t *p, size_t n)
{
	size_t len = whole(p, n);

	if (!len)
		return NULL;
	return p[0] == 3 ? p : naming(p + len, n - len);
}

static uint32_t first_nonce(const uint8_t *p, size_t n)
{
	const uint8_t *v = first(1, 4, p, n);

	return v ? be32(v) : 0;
}

static unsigned first_port(const uint8_t *p, size_t n)
{
	const uint8_t *v = first(5, 2, p, n);

	if (!v)
		v = first(2, 2, p, n); /* A1 */
	return v ? be16(v) : 0;
}

static unsigned first_discovery(const uint8_t *p, size_t n)
{
	const uint8_t *v = first(4, 4, p, n);

	return v && v[0] < 2 ? v[0] + 1u : ND_NONE;
}

static void check_alternates(const struct trailers *t, const uint8_t *p)
{
	bool bad = p && p[1] != 8 && p[1] != 14 && p[1] != 20 && p[1] != 26;

	WANT(t->bad_alternates == bad);
	WANT(t->n_alternates == (!p || bad ? 0 : p[1] / 6));
	for (unsigned i = 0; i < t->n_alternates; i++) {
		WANT(t->alternate[i].ip == be32(p + 4 + 6 * i));
		WANT(t->alternate[i].port == be16(p + 8 + 6 * i));
	}
}

static void same(const struct trailers *a, const struct trailers *b)
{
	WANT(a->nonce == b->nonce && a->random_port == b->random_port &&
	     a->discovery == b->discovery &&
	     a->n_alternates == b->n_alternates &&
	     a->bad_alternates == b->bad_alternates);
	for (unsigned i = 0; i < a->n_alternates; i++)
		WANT(a->alternate[i].ip == b->alternate[i].ip &&
		     a->alternate[i].port == b->alternate[i].port);
}

/* By way of a bubble of ours, and what may follow it. */
static void check_written(const struct trailers *t, const uint8_t *p, size_t n)
{
	static const struct ip6 a = {{0x20, 1, [15] = 1}};
	uint8_t packet[IP6_LEN + TRAILERS_MAX + TAIL];
	size_t len = wire_put_bubble(packet, &a, &a, 64, t);
	struct trailers again, want = *t;
	struct frame f;

	WANT(len <= IP6_LEN + TRAILERS_MAX);
	WANT(frame_parse(&f, packet, len) == REASON_NONE);
	WANT(trailers_parse(&again, f.tail, f.tail_len) == REASON_NONE);
	want.bad_alternates = false;
	same(&again, &want);
	if (n)
		memcpy(packet + len, p, n);
	WANT(frame_parse(&f, packet, len + n) == REASON_NONE);
	WANT(f.tail == packet + IP6_LEN && f.tail_len == len + n - IP6_LEN);
	if (trailers_parse(&again, f.tail, f.tail_len) == REASON_NONE)
		WANT(!t->nonce || again.nonce == t->nonce);
	else
		WANT(refused(p, n));
}

static void check(const uint8_t *p, size_t n)
{
	struct trailers t;
	enum reason r = trailers_parse(&t, p, n);

	WANT((r == REASON_TRAILER) == refused(p, n));
	WANT(r == REASON_NONE || r == REASON_TRAILER);
	if (r != REASON_NONE)
		return;
	WANT(t.nonce == first_nonce(p, n));
	WANT(t.random_port == first_port(p, n));
	WANT(t.discovery == first_discovery(p, n));
	check_alternates(&t, naming(p, n));
	check_written(&t, p, n);
}

/* Behind a bubble that has a nonce, and behind a bare one. */
static void check_bubble(const uint8_t *p, size_t n, uint32_t mine)
{
	static const struct ip6 a = {{0x20, 1, [15] = 1}};
	const struct trailers with = {.nonce = mine};
	uint8_t packet[IP6_LEN + TRAILERS_MAX + TAIL];
	size_t len = wire_put_bubble(packet, &a, &a, 64, mine ? &with : NULL);
	struct trailers t;
	struct frame f;

	if (n)
		memcpy(packet + len, p, n);
	WANT(frame_parse(&f, packet, len + n) == REASON_NONE);
	WANT(f.tail == packet + IP6_LEN && f.tail_len == len + n - IP6_LEN);
	if (trailers_parse(&t, f.tail, f.tail_len) == REASON_NONE)
		WANT(t.nonce == (mine ? mine : first_nonce(p, n)));
	else
		WANT(refused(p, n));
}

/* Behind one of a type that nobody knows; for types 01xxxxxx see above. */
static void check_unknown(const uint8_t *p, size_t n, uint8_t type)
{
	uint8_t copy[2 + 9 + TAIL] = {type, 9};
	struct trailers with, without;

	if (n)
		memcpy(copy + 11, p, n);
	WANT(trailers_parse(&with, copy, n + 11) ==
	     trailers_parse(&without, p, n));
	same(&with, &without);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > TAIL)
		return 0;
	check(data, size);
	check_bubble(data, size, 0);
	check_bubble(data, size, 0x01040104);
	check_unknown(data, size, 0x80);
	check_unknown(data, size, 0x3f);
	return 0;
}
