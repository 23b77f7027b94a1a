/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "csum.h"

static uint64_t add(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 2; p += 2, n -= 2)
		sum += be16(p);
	if (n)
		sum += (uint64_t)(p[0] << 8);
	return sum;
}

uint16_t csum_ip6(const struct wire_ip6 *ip, uint8_t next)
{
	uint16_t len = ip6_payload_len(ip);
	uint64_t sum = (uint64_t)len + next;

	sum = add(sum, ip->src.b, sizeof(ip->src.b));
	sum = add(sum, ip->dst.b, sizeof(ip->dst.b));
	sum = add(sum, ip6_payload(ip), len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
