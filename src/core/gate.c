/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate.h"

/*
 * Three kinds of ranges: those that lead to this host, this link, nobody or
 * everybody, which nothing can open; private networks (1918), which AllowIPv4
 * can; and those that 6890 calls not global (A35), which PublicOnly no opens
 * too.
 */
static const struct range {
	struct ip4_prefix p;
	enum {
		NEVER,
		PRIVATE,
		NOT_PUBLIC
	} kind;
} ranges[] = {
	{{0x00000000, 8}, NEVER},       /* 0.0.0.0/8 */
	{{0x0a000000, 8}, PRIVATE},     /* 10.0.0.0/8 */
	{{0x64400000, 10}, NOT_PUBLIC}, /* 100.64.0.0/10 */
	{{0x7f000000, 8}, NEVER},       /* 127.0.0.0/8 */
	{{0xa9fe0000, 16}, NEVER},      /* 169.254.0.0/16 */
	{{0xac100000, 12}, PRIVATE},    /* 172.16.0.0/12 */
	{{0xc0000000, 24}, NOT_PUBLIC}, /* 192.0.0.0/24 */
	{{0xc0000200, 24}, NOT_PUBLIC}, /* 192.0.2.0/24 */
	{{0xc0586300, 24}, NEVER},      /* 192.88.99.0/24 */
	{{0xc0a80000, 16}, PRIVATE},    /* 192.168.0.0/16 */
	{{0xc6120000, 15}, NOT_PUBLIC}, /* 198.18.0.0/15 */
	{{0xc6336400, 24}, NOT_PUBLIC}, /* 198.51.100.0/24 */
	{{0xcb007100, 24}, NOT_PUBLIC}, /* 203.0.113.0/24 */
	{{0xe0000000, 4}, NEVER},       /* 224.0.0.0/4 */
	{{0xf0000000, 4}, NOT_PUBLIC},  /* 240.0.0.0/4 */
	{{0xffffffff, 32}, NEVER},      /* 255.255.255.255 */
};

static bool in_rules(const struct ip4_prefix *v, unsigned n, uint32_t ip)
{
	for (unsigned i = 0; i < n; i++) {
		if (ip4_in(ip, &v[i]))
			return true;
	}
	return false;
}

/* 4380 §5.2.4 and 6890. */
static bool is_global(const struct gate *g, uint32_t ip)
{
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (!ip4_in(ip, &ranges[i].p))
			continue;
		if (ranges[i].kind == NEVER)
			return false;
		if (ranges[i].kind == NOT_PUBLIC && !g->public_only)
			continue;
		if (!in_rules(g->allow, g->n_allow, ip))
			return false;
	}
	return true;
}

/*
 * All ones and all zeros of an attached subnet; /31 and /32 have neither
 * (3021).
 */
static bool is_broadcast(const struct self *s, uint32_t ip)
{
	for (unsigned i = 0; i < s->n_ip4; i++) {
		uint32_t host = UINT32_MAX >> s->ip4[i].len % 32;

		if (s->ip4[i].len == 0 || s->ip4[i].len > 30)
			continue;
		if ((ip ^ s->ip4[i].ip) & ~host)
			continue;
		if ((ip & host) == host || (ip & host) == 0)
			return true;
	}
	return false;
}

bool self_has_ip4(const struct self *s, uint32_t ip)
{
	for (unsigned i = 0; i < s->n_ip4; i++) {
		if (s->ip4[i].ip == ip)
			return true;
	}
	return false;
}

bool self_has_ip6(const struct self *s, const struct ip6 *a)
{
	for (unsigned i = 0; i < s->n_ip6; i++) {
		if (ip6_equal(&s->ip6[i], a))
			return true;
	}
	return false;
}

bool gate_embeds_self(const struct gate *g, const struct ip6 *a)
{
	uint32_t ip;

	return ip6_embedded(a, g->prefix, &ip) && self_has_ip4(g->self, ip) &&
	       !self_has_ip6(g->self, a);
}

/* What is wrong with a tuple, whichever way it is used. */
enum verdict {
	PASS,
	NOT_GLOBAL,
	OWN,
	DENIED
};

/* A client's NAT has hosts besides it: its own is one port only (Z39). */
static bool is_own(const struct gate *g, struct tuple t)
{
	return t.ip == g->own[0] || t.ip == g->own[1] ||
	       self_has_ip4(g->self, t.ip) ||
	       (t.ip == g->mapped.ip && t.port == g->mapped.port);
}

static enum verdict judge(const struct gate *g, struct tuple t)
{
	if (t.port == 0 || !is_global(g, t.ip))
		return NOT_GLOBAL;
	if (is_own(g, t))
		return OWN;
	if (is_broadcast(g->self, t.ip))
		return NOT_GLOBAL;
	if (in_rules(g->deny, g->n_deny, t.ip))
		return DENIED;
	return PASS;
}

bool gate_is_global(const struct gate *g, struct tuple t)
{
	return t.port != 0 && is_global(g, t.ip);
}

enum reason gate_source(const struct gate *g, struct tuple t)
{
	switch (judge(g, t)) {
	case PASS:
		return REASON_NONE;
	case NOT_GLOBAL:
		return REASON_SRC_NOT_GLOBAL;
	case OWN:
		return REASON_SRC_OWN;
	case DENIED:
		break;
	}
	return REASON_SRC_DENIED;
}

enum reason gate_target(const struct gate *g, struct tuple t)
{
	switch (judge(g, t)) {
	case PASS:
		return REASON_NONE;
	case NOT_GLOBAL:
		return REASON_DST_NOT_GLOBAL;
	case OWN:
		return REASON_DST_OWN;
	case DENIED:
		break;
	}
	return REASON_DST_DENIED;
}

/* On the link of our address i; and no broadcast address of it. */
static bool is_near(const struct gate *g, unsigned i, uint32_t ip)
{
	struct ip4_prefix net = {g->self->ip4[i].ip, g->self->ip4[i].len};
	uint32_t host;

	if (net.len == 0 || net.ip >> 24 == 127)
		return false;
	if (g->neighbour_len)
		net.len = g->neighbour_len;
	host = UINT32_MAX >> net.len % 32;
	if (net.len < 31 && ((ip & host) == host || (ip & host) == 0))
		return false;
	return ip4_in(ip, &net);
}

enum reason gate_neighbour(const struct gate *g, struct tuple t)
{
	if (t.port == 0 || t.ip >> 28 == 0xe || is_broadcast(g->self, t.ip))
		return REASON_DST_NOT_GLOBAL;
	if (is_own(g, t))
		return REASON_DST_OWN;
	if (in_rules(g->deny, g->n_deny, t.ip))
		return REASON_DST_DENIED;
	for (unsigned i = 0; i < g->self->n_ip4; i++) {
		if (is_near(g, i, t.ip))
			return REASON_NONE;
	}
	return REASON_DST_NOT_GLOBAL;
}

enum reason gate_native_source(const struct gate *g, const struct ip6 *a)
{
	uint32_t ip;

	if (!ip6_is_global(a))
		return REASON_BAD_SOURCE;
	if (gate_embeds_self(g, a))
		return REASON_LOOP;
	if (ip6_is_6to4(a) && ip6_embedded(a, g->prefix, &ip) &&
	    !is_global(g, ip))
		return REASON_BAD_SOURCE;
	return REASON_NONE;
}
