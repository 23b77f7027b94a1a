/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trailers (6081 §4): which nonce counts and what is refused, against the
 * definition by recursion. What is not known changes nothing, wherever it is.
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

static uint32_t first_nonce(const uint8_t *p, size_t n)
{
	size_t len = whole(p, n);

	if (!len)
		return 0;
	return p[0] == 1 && p[1] == 4 ? be32(p + 2)
				      : first_nonce(p + len, n - len);
}

static void check(const uint8_t *p, size_t n)
{
	uint32_t nonce;
	enum reason r = trailer_nonce(p, n, &nonce);

	WANT((r == REASON_TRAILER) == refused(p, n));
	WANT(r == REASON_NONE || r == REASON_TRAILER);
	if (r == REASON_NONE)
		WANT(nonce == first_nonce(p, n));
}

/* Behind a bubble that has one of its own, if mine is not 0. */
static void check_bubble(const uint8_t *p, size_t n, uint32_t mine)
{
	static const struct ip6 a = {{0x20, 1, [15] = 1}};
	uint8_t packet[IP6_LEN + TRAILER_NONCE_LEN + TAIL];
	size_t len = wire_put_bubble(packet, &a, &a, 64, mine);
	uint32_t nonce;
	struct frame f;

	if (n)
		memcpy(packet + len, p, n);
	WANT(frame_parse(&f, packet, len + n) == REASON_NONE);
	WANT(f.tail == packet + IP6_LEN && f.tail_len == len + n - IP6_LEN);
	if (trailer_nonce(f.tail, f.tail_len, &nonce) == REASON_NONE)
		WANT(nonce == (mine ? mine : first_nonce(p, n)));
	else
		WANT(refused(p, n));
}

/* Behind one of a type that nobody knows; for types 01xxxxxx see above. */
static void check_unknown(const uint8_t *p, size_t n, uint8_t type)
{
	uint8_t copy[2 + 9 + TAIL] = {type, 9};
	uint32_t with, without;

	if (n)
		memcpy(copy + 11, p, n);
	WANT(trailer_nonce(copy, n + 11, &with) ==
	     trailer_nonce(p, n, &without));
	WANT(with == without);
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
