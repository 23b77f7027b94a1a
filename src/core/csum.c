/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "csum.h"

#include <string.h>

/* With end-around carry: 2^64 - 1 is a multiple of 2^16 - 1. */
static uint64_t add(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The last 0 to 7 bytes. */
static uint64_t add_rest(uint64_t sum, const uint8_t *p, size_t n)
{
	uint32_t w;
	uint16_t h;

	if (n & 4) {
		memcpy(&w, p, sizeof(w));
		sum = add(sum, w);
		p += sizeof(w);
	}
	if (n & 2) {
		memcpy(&h, p, sizeof(h));
		sum = add(sum, h);
		p += sizeof(h);
	}
	if (n & 1) {
		h = 0;
		memcpy(&h, p, 1);
		sum = add(sum, h);
	}
	return sum;
}

/* Four sums, so that an addition need not wait for the carry of the last. */
uint64_t csum_add(uint64_t sum, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t b = 0, c = 0, d = 0;

	for (; n >= 32; p += 32, n -= 32) {
		sum = add(sum, load64(p));
		b = add(b, load64(p + 8));
		c = add(c, load64(p + 16));
		d = add(d, load64(p + 24));
	}
	sum = add(add(sum, b), add(c, d));
	for (; n >= 8; p += 8, n -= 8)
		sum = add(sum, load64(p));
	return add_rest(sum, p, n);
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* 1071 §2 (B): a sum of bytes that change places is the sum, swapped. */
uint64_t csum_join_odd(uint64_t sum, uint64_t piece)
{
	uint16_t h = fold(piece);

	return add(sum, (uint16_t)(h << 8 | h >> 8));
}

uint64_t csum_add16(uint64_t sum, uint16_t v)
{
	uint8_t wire[2];

	put16(wire, v);
	return csum_add(sum, wire, sizeof(wire));
}

uint64_t csum_pseudo(uint64_t sum, const struct wire_ip6 *ip, uint16_t len,
		     uint8_t next)
{
	sum = csum_add(sum, &ip->src, sizeof(ip->src) + sizeof(ip->dst));
	sum = csum_add16(sum, len);
	return csum_add16(sum, next);
}

uint16_t csum_fold(uint64_t sum)
{
	uint16_t native = fold(sum);
	uint8_t wire[2];

	memcpy(wire, &native, sizeof(wire));
	return be16(wire);
}

uint16_t csum_ip6(const struct wire_ip6 *ip, uint8_t next)
{
	uint16_t len = ip6_payload_len(ip);
	uint64_t sum = csum_pseudo(0, ip, len, next);

	return (uint16_t)~csum_fold(csum_add(sum, ip6_payload(ip), len));
}
