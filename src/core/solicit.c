/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in comments are those of doc/conformance.md. */
#include "solicit.h"

#include <string.h>

#include "csum.h"

enum {
	RS_LEN = 8,
	RA_MIN_LEN = 16, /* 4861 §6.1.2 */
	OPTION_PREFIX = 3,
	OPTION_PREFIX_LEN = 32,
	PREFIX_LEN = 64,
};

/* The block up to and with the confirmation byte (4380 §5.1.1). */
static uint8_t *put_auth(uint8_t *p, const struct secret *s,
			 const uint8_t *nonce, uint8_t **value)
{
	p[0] = 0;
	p[1] = 1;
	p[2] = s ? s->id_len : 0;
	p[3] = s ? hmac_len(s->algorithm) : 0;
	p += 4;
	if (s) {
		memcpy(p, s->id, s->id_len);
		p += s->id_len;
		*value = p;
		p += hmac_len(s->algorithm);
	}
	memcpy(p, nonce, AUTH_NONCE_LEN);
	p[AUTH_NONCE_LEN] = 0; /* C25 */
	return p + AUTH_NONCE_LEN + 1;
}

static void put_solicitation(uint8_t *p, const struct ip6 *src)
{
	static const struct ip6 all_routers = {{0xff, 0x02, [15] = 2}};
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *rs = (void *)(ip + 1);

	wire_put_ip6(ip, RS_LEN, NEXT_ICMPV6, 255, src, &all_routers);
	memset(rs, 0, sizeof(*rs));
	rs->type = ICMP6_ROUTER_SOLICITATION;
	put16(rs->csum, csum_ip6(ip, NEXT_ICMPV6));
}

size_t solicit_put(uint8_t *p, const struct ip6 *src, const struct secret *s,
		   const uint8_t nonce[AUTH_NONCE_LEN])
{
	uint8_t *value = NULL, *inner = put_auth(p, s, nonce, &value);
	const uint8_t *signed_from = inner - AUTH_NONCE_LEN - 1;
	const uint8_t *end = inner + IP6_LEN + RS_LEN;

	put_solicitation(inner, src);
	if (s)
		auth_sign(s, signed_from, (size_t)(end - signed_from), value);
	return (size_t)(end - p);
}

bool frame_is_advertisement(const struct frame *f)
{
	return ip6_icmp_type(f->ip) == ICMP6_ROUTER_ADVERTISEMENT &&
	       ip6_is_link_local(&f->ip->dst);
}

/* Exactly one prefix of 64 bits; no option of length zero. */
static bool read_options(const uint8_t *p, size_t n, struct offer *offer)
{
	unsigned prefixes = 0;

	while (n >= 8) {
		size_t len = p[1] * 8u;

		if (len == 0 || len > n)
			return false;
		if (p[0] == OPTION_PREFIX) {
			if (len != OPTION_PREFIX_LEN || p[2] != PREFIX_LEN)
				return false;
			offer->prefix = be32(p + 16);
			offer->server = be32(p + 20);
			prefixes++;
		}
		p += len;
		n -= len;
	}
	return n == 0 && prefixes == 1;
}

bool advertisement_read(const struct frame *f, struct offer *offer)
{
	const struct wire_ip6 *ip = f->ip;
	const struct wire_icmp6 *ra = (const void *)ip6_payload(ip);
	uint16_t len = ip6_payload_len(ip);

	return f->has_origin && len >= RA_MIN_LEN && ip->hops == 255 &&
	       ra->code == 0 && ip6_is_link_local(&ip->src) &&
	       csum_ip6(ip, NEXT_ICMPV6) == 0 &&
	       read_options(ip6_payload(ip) + RA_MIN_LEN, len - RA_MIN_LEN,
			    offer);
}
