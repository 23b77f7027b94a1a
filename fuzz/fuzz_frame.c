/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parsers: what they accept lies within the input, whatever it is.
 */
#include "fuzz.h"

#include <string.h>

#include "icmp6.h"
#include "pkt.h"

static bool within(const void *p, size_t n, const uint8_t *data, size_t size)
{
	const uint8_t *b = p;

	return b >= data && n <= size && (size_t)(b - data) <= size - n;
}

static void check_error(const struct wire_ip6 *ip, size_t n)
{
	static const struct ip6 us = {{0x2a, [15] = 1}};
	uint8_t p[TEREDO_MTU];
	size_t len;

	if (!icmp6_may_complain(ip, ICMP6_UNREACHABLE))
		return;
	WANT((ip->src.b[0] & 0xe0) == 0x20);
	len = icmp6_error(p, ICMP6_UNREACHABLE, 0, 0, &us, ip, n);
	WANT(len >= 48 && len <= TEREDO_MTU);
	WANT(ip6_check(p, len) == REASON_NONE);
	WANT(!icmp6_may_complain((void *)p, ICMP6_UNREACHABLE));
}

static void check_headers(const struct wire_ip6 *ip, size_t n)
{
	struct upper u;

	if (ip6_upper(ip, &u) == REASON_NONE) {
		WANT(within(u.p, u.n, (const void *)ip, n));
		WANT(u.p + u.n == (const uint8_t *)ip + n);
	}
	if (ip6_icmp_type(ip) >= 0)
		WANT(n >= 48);
	check_error(ip, n);
}

/* A nonce is one that is there. */
static void check_trailer(const uint8_t *p, size_t n)
{
	struct trailers t;
	bool found = false;

	if (trailers_parse(&t, p, n) != REASON_NONE || t.nonce == 0)
		return;
	for (size_t i = 0; i + 6 <= n; i++)
		found |= p[i] == 1 && p[i + 1] == 4 &&
			 be32(p + i + 2) == t.nonce;
	WANT(found);
}

static void check_auth(const struct frame *f, const uint8_t *p, size_t n)
{
	const struct auth *a = &f->auth;

	WANT(within(a->id, a->id_len, p, n));
	WANT(within(a->value, a->value_len, p, n));
	WANT(within(a->nonce, AUTH_NONCE_LEN + 1, p, n));
	WANT(a->value == a->id + a->id_len);
	WANT(a->nonce == a->value + a->value_len);
}

/* Our reader and the doubles' agree on what is there. */
static void check_frame(const uint8_t *p, size_t n)
{
	struct frame f;
	struct view v;

	view_read(&v, p, n);
	if (frame_parse(&f, p, n) != REASON_NONE) {
		WANT(!v.ip || v.len > INNER_MAX);
		return;
	}
	WANT(v.ip == f.ip && v.len == f.len && v.tail_len == f.tail_len);
	WANT(v.has_origin == f.has_origin && !v.nonce == !f.has_auth);
	if (f.has_origin)
		WANT(f.origin.ip == v.origin.ip &&
		     f.origin.port == v.origin.port);
	WANT(within(f.ip, f.len, p, n) && f.len >= IP6_LEN);
	WANT(f.tail == (const uint8_t *)f.ip + f.len);
	WANT(f.tail + f.tail_len == p + n);
	if (f.has_auth)
		check_auth(&f, p, n);
	check_headers(f.ip, f.len);
	check_trailer(f.tail, f.tail_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 2048)
		return 0;
	check_frame(data, size);
	check_trailer(data, size);
	if (ip6_check(data, size) == REASON_NONE)
		check_headers((const void *)data, size);
	return 0;
}
