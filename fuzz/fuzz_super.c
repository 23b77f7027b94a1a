/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's virtio-net header and a packet, both arbitrary. What is taken
 * for a super-packet is cut into packets that are whole, have right checksums,
 * and together the payload. The input is how to help (FIX_...), the number of
 * bytes to add, and what the device would hand out.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "super.h"

enum {
	FIX_LENGTH = 1,   /* the IPv6 payload length fits */
	FIX_PSEUDO = 2,   /* the checksum field holds the pseudo-header's sum */
	FULL_CHECK = 100, /* segments looked at, from both ends */
};

static uint8_t *packet; /* behind its virtio-net header */
static uint8_t *before; /* as it was */
static size_t len, input_n;
static struct vnet v;
static bool pseudo_fixed;

/* A number that is 0 modulo 2^16 - 1 if the checksum over it is right. */
static uint64_t slow_sum(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint64_t)p[i] << 8;
	return sum;
}

static uint64_t pseudo(size_t l4_len, uint8_t next)
{
	return slow_sum(packet + 8, 32) + l4_len + next;
}

static void help(uint8_t how)
{
	size_t field = (size_t)v.csum_start + v.csum_offset;

	if (how & FIX_LENGTH && len >= IP6_LEN)
		put16(packet + 4, (uint16_t)(len - IP6_LEN));
	pseudo_fixed =
		how & FIX_PSEUDO && v.csum_start >= IP6_LEN && field + 2 <= len;
	if (pseudo_fixed) {
		uint8_t next = v.csum_offset == 16 ? NEXT_TCP : NEXT_UDP;
		uint64_t sum = pseudo(len - v.csum_start, next);

		put16(packet + field, (uint16_t)((sum - 1) % 65535 + 1));
	}
}

static uint8_t *input(struct script *s)
{
	uint8_t how = script_u8(s);
	size_t more = script_u16(s), n = s->n + more;
	uint8_t *whole = malloc(n ? n : 1);

	WANT(whole);
	if (s->n)
		memcpy(whole, s->p, s->n);
	for (size_t i = s->n; i < n; i++)
		whole[i] = (uint8_t)(i * 7 + i / 256);
	input_n = n;
	packet = whole + VNET_LEN;
	len = n < VNET_LEN ? 0 : n - VNET_LEN;
	if (n >= VNET_LEN) {
		memcpy(&v, whole, VNET_LEN);
		help(how);
	}
	before = malloc(len + 1);
	WANT(before);
	if (len)
		memcpy(before, packet, len);
	return whole;
}

/* The checksum field and no other byte. */
static void check_single(const struct super *s)
{
	size_t field = (size_t)v.csum_start + v.csum_offset;
	uint64_t sum;
	uint16_t want;
	size_t n;

	WANT(s->p == packet && s->len == len && super_count(s) == 1);
	WANT(super_payload(s, 0, &n) == packet && n == len);
	if (v.flags & VNET_NEEDS_CSUM) {
		WANT(v.csum_start >= IP6_LEN && field + 2 <= len);
		sum = slow_sum(before + v.csum_start, len - v.csum_start);
		want = sum ? (uint16_t) ~((sum - 1) % 65535 + 1) : 0xffff;
		if (want == 0 && v.csum_offset == 6)
			want = 0xffff;
		put16(before + field, want);
	}
	WANT(len == 0 || memcmp(packet, before, len) == 0);
}

/* But for lengths, sequence number, flags and checksum, all heads are one. */
static void check_head(const struct super *s, const uint8_t *p, unsigned i)
{
	uint8_t h[SUPER_HEAD];
	bool last = i + 1 == super_count(s);

	memcpy(h, p, s->head_len);
	memcpy(h + 4, before + 4, 2);
	if (s->kind == SUPER_UDP) {
		WANT(be16(h + s->l4 + 6) != 0);
		memcpy(h + s->l4 + 4, before + s->l4 + 4, 4);
	} else {
		uint8_t *t = h + s->l4;
		uint8_t clear =
			(i ? TCP_CWR : 0) | (last ? 0 : TCP_FIN | TCP_PSH);

		WANT(be16(t + 16) != 0xffff);
		WANT(be32(t + 4) == be32(before + s->l4 + 4) + i * v.gso_size);
		WANT(t[13] == (before[s->l4 + 13] & ~clear));
		memcpy(t + 4, before + s->l4 + 4, 4);
		t[13] = before[s->l4 + 13];
		memcpy(t + 16, before + s->l4 + 16, 2);
	}
	WANT(memcmp(h, before, s->head_len) == 0);
}

static void check_sum(const struct super *s, const uint8_t *p, size_t n)
{
	uint64_t sum = slow_sum(p + s->l4, n - s->l4) + n - s->l4;
	uint16_t field = be16(before + s->l4 + v.csum_offset);
	uint8_t next = s->kind == SUPER_TCP ? NEXT_TCP : NEXT_UDP;

	WANT((sum + field + 65535 * 2 - (len - s->l4)) % 65535 == 0);
	if (pseudo_fixed)
		WANT((sum + pseudo(0, next)) % 65535 == 0);
}

static void check_segment(const struct super *s, unsigned i)
{
	size_t n, got;
	const uint8_t *payload = super_payload(s, i, &n);
	uint8_t *p = malloc(s->head_len + n), *h = malloc(s->head_len);

	WANT(p && h);
	got = super_segment(s, i, p);
	WANT(got == s->head_len + n);
	WANT(ip6_check(p, got) == REASON_NONE);
	WANT(memcmp(p + s->head_len, payload, n) == 0);
	super_heads(s, i, 1, h);
	WANT(memcmp(p, h, s->head_len) == 0);
	if (s->kind == SUPER_UDP)
		WANT(be16(p + s->l4 + 4) == got - s->l4);
	check_head(s, p, i);
	check_sum(s, p, got);
	free(p);
	free(h);
}

static void check_together(const struct super *s)
{
	unsigned n = super_count(s) < FULL_CHECK ? super_count(s) : FULL_CHECK;
	uint8_t *heads = malloc(n * s->head_len), one[SUPER_HEAD];

	WANT(heads);
	super_heads(s, 0, n, heads);
	for (unsigned i = 0; i < n; i++) {
		super_heads(s, i, 1, one);
		WANT(memcmp(heads + i * s->head_len, one, s->head_len) == 0);
	}
	free(heads);
}

/* No copy may be made of what identifies or signs one packet. */
static bool is_singular(void)
{
	size_t at = IP6_LEN;

	for (uint8_t next = before[6]; next != NEXT_TCP && next != NEXT_UDP;) {
		if (next == NEXT_FRAGMENT || next == NEXT_AUTH)
			return true;
		WANT(next == NEXT_HOPOPTS || next == NEXT_DSTOPTS ||
		     next == NEXT_ROUTING);
		next = before[at];
		at += 8 * (before[at + 1] + 1u);
	}
	WANT(at == v.csum_start);
	return false;
}

static void check_super(const struct super *s)
{
	unsigned count = super_count(s);
	const uint8_t *at = packet + s->head_len;
	size_t n;

	WANT(count > 1 && s->seg == v.gso_size && s->head_len <= SUPER_HEAD);
	WANT(s->l4 == v.csum_start && s->l4 < s->head_len);
	WANT(v.flags & VNET_NEEDS_CSUM && !is_singular());
	WANT(v.csum_offset == (s->kind == SUPER_TCP ? 16 : 6));
	for (unsigned i = 0; i < count; i++) {
		WANT(super_payload(s, i, &n) == at);
		WANT(i + 1 < count ? n == s->seg : n > 0 && n <= s->seg);
		at += n;
		if (i < FULL_CHECK || i + FULL_CHECK > count)
			check_segment(s, i);
	}
	WANT(at == packet + len);
	check_together(s);
	WANT(memcmp(packet, before, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};
	struct super s;
	uint8_t *whole = input(&script);
	enum reason r = super_parse(&s, whole, input_n);

	if (r != REASON_NONE)
		WANT(len == 0 || memcmp(packet, before, len) == 0);
	else if (s.kind == SUPER_NONE)
		check_single(&s);
	else
		check_super(&s);
	free(whole);
	free(before);
	return 0;
}
