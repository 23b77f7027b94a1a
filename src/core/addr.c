/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "addr.h"

#include <string.h>

/* The last eight bytes, which Teredo's link-local addresses share. */
static void put_identifier(uint8_t *p, uint16_t flags, struct tuple t)
{
	put16(p, flags);
	put16(p + 2, (uint16_t)~t.port);
	put32(p + 4, ~t.ip);
}

void teredo_pack(struct ip6 *a, const struct teredo *t)
{
	put32(a->b, t->prefix);
	put32(a->b + 4, t->server);
	put_identifier(a->b + 8, t->flags, t->client);
}

void teredo_unpack(struct teredo *t, const struct ip6 *a)
{
	t->prefix = be32(a->b);
	t->server = be32(a->b + 4);
	t->flags = be16(a->b + 8);
	t->client.port = (uint16_t)~be16(a->b + 10);
	t->client.ip = ~be32(a->b + 12);
}

void teredo_link_local(struct ip6 *a, uint16_t flags, struct tuple t)
{
	put32(a->b, 0xfe800000);
	put32(a->b + 4, 0);
	put_identifier(a->b + 8, flags, t);
}

bool ip6_is_all_routers(const struct ip6 *a)
{
	static const struct ip6 all_routers = {
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

	return ip6_equal(a, &all_routers);
}

bool ip6_in(const struct ip6 *a, const struct ip6_prefix *p)
{
	unsigned bytes = p->len / 8, bits = p->len % 8;

	if (memcmp(a->b, p->addr.b, bytes) != 0)
		return false;
	return bits == 0 || (a->b[bytes] ^ p->addr.b[bytes]) >> (8 - bits) == 0;
}

bool ip6_embedded(const struct ip6 *a, uint32_t teredo_prefix, uint32_t *ip)
{
	/* Teredo: the mapped address, inverted. */
	if (ip6_is_teredo(a, teredo_prefix)) {
		*ip = ~be32(a->b + 12);
		return true;
	}
	if (ip6_is_6to4(a)) {
		*ip = be32(a->b + 2);
		return true;
	}
	/* ISATAP, 5214 §6.1; the universal bit may be set or not. */
	if ((be32(a->b + 8) & ~UINT32_C(0x02000000)) == 0x00005efe) {
		*ip = be32(a->b + 12);
		return true;
	}
	return false;
}
