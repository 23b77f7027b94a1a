/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of PCP and NAT-PMP (see pcp.h). The epoch (6887 §8.5, 6886 §3.6)
 * tells who has many mappings that the router has lost them all. We have one,
 * and whatever tells us the epoch has just made it anew: so it is not looked
 * at.
 */
#include "pcp.h"

#include <string.h>

#include "wire.h"

enum {
	VERSION = 2,
	ANSWER = 0x80,
	OP_MAP = 1,
	UDP = 17,
	/* 6887 §7.4 */
	PCP_UNSUPPORTED_VERSION = 1,
	PCP_NOT_AUTHORIZED = 2,
	PCP_UNSUPPORTED_OPCODE = 4,
	PCP_NO_RESOURCES = 8,
	PCP_UNSUPPORTED_PROTOCOL = 9,
	PCP_QUOTA = 10,
	PCP_CANNOT_PROVIDE = 11,
	/* 6886 §3.5 */
	NATPMP_OP_ADDRESS = 0,
	NATPMP_OP_UDP = 1,
	NATPMP_UNSUPPORTED_VERSION = 1,
	NATPMP_NOT_AUTHORIZED = 2,
	NATPMP_NO_RESOURCES = 4,
	NATPMP_UNSUPPORTED_OPCODE = 5,
	/* places */
	MAP_NONCE = 24,
	MAP_PROTOCOL = 36,
	MAP_LOCAL_PORT = 40,
	MAP_PORT = 42,
	MAP_IP = 44,
};

static void put_mapped(uint8_t *out, uint32_t ip)
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	put32(out + 12, ip);
}

static uint32_t get_mapped(const uint8_t *in)
{
	static const uint8_t head[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(in, head, sizeof(head)) == 0 ? be32(in + 12) : 0;
}

void pcp_ask(uint8_t out[static PCP_MAP_SIZE], const struct pcp_question *q)
{
	memset(out, 0, PCP_MAP_SIZE);
	out[0] = VERSION;
	out[1] = OP_MAP;
	put32(out + 4, q->lifetime_s);
	put_mapped(out + 8, q->local.ip);
	memcpy(out + MAP_NONCE, q->nonce, PCP_NONCE);
	out[MAP_PROTOCOL] = UDP;
	put16(out + MAP_LOCAL_PORT, q->local.port);
	/* 6887 §11.1: none is wished of what is taken away. */
	if (q->lifetime_s)
		put16(out + MAP_PORT, q->external.port);
	put_mapped(out + MAP_IP, q->lifetime_s ? q->external.ip : 0);
}

void natpmp_ask_address(uint8_t out[static NATPMP_ADDRESS])
{
	out[0] = 0;
	out[1] = NATPMP_OP_ADDRESS;
}

void natpmp_ask(uint8_t out[static NATPMP_MAP], const struct pcp_question *q)
{
	memset(out, 0, NATPMP_MAP);
	out[1] = NATPMP_OP_UDP;
	put16(out + 4, q->local.port);
	if (q->lifetime_s)
		put16(out + 6, q->external.port);
	put32(out + 8, q->lifetime_s);
}

static uint32_t lifetime(uint32_t s)
{
	return s < PCP_MAX_LIFETIME ? s : PCP_MAX_LIFETIME;
}

/* What is mapped must be somewhere, and for a while; what is not, nowhere. */
static enum portmap_why judge(const struct pcp_question *q,
			      const struct portmap_result *r)
{
	if (q->lifetime_s == 0)
		return PORTMAP_OK;
	return r->external.ip && r->external.port && r->lifetime_s
		       ? PORTMAP_OK
		       : PORTMAP_BROKEN;
}

static enum portmap_why pcp_refusal(uint8_t code)
{
	switch (code) {
	case PCP_UNSUPPORTED_VERSION:
	case PCP_UNSUPPORTED_OPCODE:
	case PCP_UNSUPPORTED_PROTOCOL:
		return PORTMAP_UNKNOWN;
	case PCP_NOT_AUTHORIZED:
		return PORTMAP_REFUSED;
	case PCP_NO_RESOURCES:
	case PCP_QUOTA:
		return PORTMAP_FULL;
	case PCP_CANNOT_PROVIDE:
		return PORTMAP_TAKEN;
	default:
		return PORTMAP_FAILED;
	}
}

enum portmap_why pcp_answer(const uint8_t *in, size_t n,
			    const struct pcp_question *q,
			    struct portmap_result *r)
{
	*r = (struct portmap_result){0};
	/* 6886 §3.5, 6887 appendix A: one that speaks NAT-PMP only says so. */
	if (n >= 4 && in[0] == 0 && in[1] & ANSWER &&
	    be16(in + 2) == NATPMP_UNSUPPORTED_VERSION)
		return PORTMAP_UNKNOWN;
	if (n < PCP_MAP_SIZE || n > PCP_MAX || n % 4 || in[0] != VERSION ||
	    in[1] != (ANSWER | OP_MAP) ||
	    memcmp(in + MAP_NONCE, q->nonce, PCP_NONCE) != 0 ||
	    in[MAP_PROTOCOL] != UDP ||
	    be16(in + MAP_LOCAL_PORT) != q->local.port)
		return PORTMAP_ASKING;
	if (in[3])
		return pcp_refusal(in[3]);
	r->lifetime_s = lifetime(be32(in + 4));
	r->external.port = be16(in + MAP_PORT);
	r->external.ip = get_mapped(in + MAP_IP);
	return judge(q, r);
}

static enum portmap_why natpmp_refusal(uint16_t code)
{
	switch (code) {
	case NATPMP_UNSUPPORTED_VERSION:
	case NATPMP_UNSUPPORTED_OPCODE:
		return PORTMAP_UNKNOWN;
	case NATPMP_NOT_AUTHORIZED:
		return PORTMAP_REFUSED;
	case NATPMP_NO_RESOURCES:
		return PORTMAP_FULL;
	default:
		return PORTMAP_FAILED;
	}
}

/* Is it an answer to this opcode? Refusals may be short (6886 §3.5). */
static enum portmap_why natpmp_head(const uint8_t *in, size_t n, uint8_t opcode,
				    size_t size)
{
	if (n < 4 || in[0] != 0 || in[1] != (ANSWER | opcode))
		return PORTMAP_ASKING;
	if (be16(in + 2))
		return natpmp_refusal(be16(in + 2));
	return n < size ? PORTMAP_BROKEN : PORTMAP_OK;
}

enum portmap_why natpmp_address(const uint8_t *in, size_t n,
				struct portmap_result *r)
{
	enum portmap_why why =
		natpmp_head(in, n, NATPMP_OP_ADDRESS, NATPMP_ADDRESS_IS);

	*r = (struct portmap_result){0};
	if (why != PORTMAP_OK)
		return why;
	r->external.ip = be32(in + 8);
	return r->external.ip ? PORTMAP_OK : PORTMAP_BROKEN;
}

enum portmap_why natpmp_answer(const uint8_t *in, size_t n,
			       const struct pcp_question *q,
			       struct portmap_result *r)
{
	enum portmap_why why = natpmp_head(in, n, NATPMP_OP_UDP, NATPMP_MAP_IS);

	if (why != PORTMAP_OK)
		return why;
	if (be16(in + 8) != q->local.port)
		return PORTMAP_ASKING;
	r->external.port = be16(in + 10);
	r->lifetime_s = lifetime(be32(in + 12));
	return judge(q, r);
}
