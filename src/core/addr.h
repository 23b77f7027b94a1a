/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Teredo addresses (4380 §4, 5991 §3.1) and the classes of IPv6 addresses that
 * the roles tell apart. IPv4 addresses are judged in gate.h.
 */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include "wire.h"

/* The fields of a Teredo address, in clear and in host order. */
struct teredo {
	uint32_t prefix;
	uint32_t server;
	uint16_t flags;
	struct tuple client; /* mapped port and address */
};

struct ip6_prefix {
	struct ip6 addr;
	uint8_t len; /* 0..128 */
};

void teredo_pack(struct ip6 *a, const struct teredo *t);
void teredo_unpack(struct teredo *t, const struct ip6 *a);

/* fe80::/64 with the same last eight bytes (4380 §4). */
void teredo_link_local(struct ip6 *a, uint16_t flags, struct tuple t);

static inline bool ip6_equal(const struct ip6 *a, const struct ip6 *b)
{
	return __builtin_memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool tuple_equal(struct tuple a, struct tuple b)
{
	return a.ip == b.ip && a.port == b.port;
}

static inline bool ip6_is_teredo(const struct ip6 *a, uint32_t prefix)
{
	return be32(a->b) == prefix;
}

static inline bool ip6_is_multicast(const struct ip6 *a)
{
	return a->b[0] == 0xff;
}

/* fe80::/10 */
static inline bool ip6_is_link_local(const struct ip6 *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* ff02::2 */
bool ip6_is_all_routers(const struct ip6 *a);

/*
 * Global unicast: 2000::/3. Everything else is of smaller scope, is not
 * unicast, or has not been given out (4291 §2.4; S15, Z18).
 */
static inline bool ip6_is_global(const struct ip6 *a)
{
	return (a->b[0] & 0xe0) == 0x20;
}

/* 3056 §2: 2002:V4::/48 */
static inline bool ip6_is_6to4(const struct ip6 *a)
{
	return be16(a->b) == 0x2002;
}

bool ip6_in(const struct ip6 *a, const struct ip6_prefix *p);

/*
 * The IPv4 address that a 6to4, ISATAP or Teredo address leads to (Z36-Z38).
 * False if it is none of these.
 */
bool ip6_embedded(const struct ip6 *a, uint32_t teredo_prefix, uint32_t *ip);

#endif
