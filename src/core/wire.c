/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes to checked views, and back. Nothing here decides, logs or allocates;
 * every loop runs over the datagram once.
 */
#include "wire.h"

/* What is left of a datagram. */
struct cursor {
	const uint8_t *p;
	size_t n;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->n < n)
		return NULL;
	c->p += n;
	c->n -= n;
	return p;
}

/* 4380 §5.1.1; the two bytes 00 01 have been seen. */
static enum reason parse_auth(struct frame *f, struct cursor *c)
{
	const uint8_t *h = take(c, 4);
	struct auth *a = &f->auth;
	const uint8_t *confirm;

	if (!h)
		return REASON_TRUNCATED;
	a->id_len = h[2];
	a->value_len = h[3];
	a->id = take(c, a->id_len);
	a->value = take(c, a->value_len);
	a->nonce = take(c, AUTH_NONCE_LEN);
	confirm = take(c, 1);
	if (!a->id || !a->value || !a->nonce || !confirm)
		return REASON_TRUNCATED;
	a->confirm = *confirm;
	f->has_auth = true;
	return REASON_NONE;
}

static enum reason parse_origin(struct frame *f, struct cursor *c)
{
	const struct wire_origin *o = (const void *)take(c, sizeof(*o));

	if (!o)
		return REASON_TRUNCATED;
	f->origin.port = (uint16_t)~be16(o->port);
	f->origin.ip = ~be32(o->ip);
	f->has_origin = true;
	return REASON_NONE;
}

/* Blocks come once each, authentication first (4380 §5.1.1). */
static enum reason parse_blocks(struct frame *f, struct cursor *c)
{
	enum reason r;

	while (c->n >= 2 && c->p[0] == 0) {
		if (c->p[1] == 1 && !f->has_auth && !f->has_origin)
			r = parse_auth(f, c);
		else if (c->p[1] == 0 && !f->has_origin)
			r = parse_origin(f, c);
		else
			r = REASON_BAD_BLOCK;
		if (r != REASON_NONE)
			return r;
	}
	return REASON_NONE;
}

enum reason frame_parse(struct frame *f, const uint8_t *p, size_t n)
{
	struct cursor c = {p, n};
	enum reason r;
	size_t len;

	*f = (struct frame){0};
	r = parse_blocks(f, &c);
	if (r != REASON_NONE)
		return r;
	if (c.n && c.p[0] >> 4 != 6)
		return REASON_BAD_VERSION;
	f->ip = (const void *)take(&c, IP6_LEN);
	if (!f->ip)
		return REASON_TRUNCATED;
	len = ip6_payload_len(f->ip);
	if (len > c.n)
		return REASON_TRUNCATED;
	if (IP6_LEN + len > INNER_MAX)
		return REASON_OVERSIZE;
	f->len = (uint16_t)(IP6_LEN + len);
	f->tail = c.p + len;
	f->tail_len = (uint16_t)(c.n - len);
	return REASON_NONE;
}

enum reason ip6_check(const uint8_t *p, size_t n)
{
	const struct wire_ip6 *ip = (const void *)p;

	if (n < IP6_LEN)
		return REASON_TRUNCATED;
	if (p[0] >> 4 != 6)
		return REASON_BAD_VERSION;
	if (n != IP6_LEN + (size_t)ip6_payload_len(ip))
		return REASON_TRUNCATED;
	return REASON_NONE;
}

int ip6_icmp_type(const struct wire_ip6 *ip)
{
	if (ip->next != NEXT_ICMPV6 ||
	    ip6_payload_len(ip) < sizeof(struct wire_icmp6))
		return -1;
	return ip6_payload(ip)[0];
}

size_t tcp_len(const uint8_t *p, size_t n)
{
	const struct wire_tcp *tcp = (const void *)p;
	size_t len;

	if (n < sizeof(*tcp))
		return 0;
	len = 4 * (size_t)(tcp->offset >> 4);
	return len >= sizeof(*tcp) && len <= n ? len : 0;
}

static bool is_extension(uint8_t next)
{
	return next == NEXT_HOPOPTS || next == NEXT_DSTOPTS ||
	       next == NEXT_FRAGMENT || next == NEXT_ROUTING ||
	       next == NEXT_AUTH;
}

/* Length of an extension header of which 8 bytes are there. */
static size_t extension_len(uint8_t type, const uint8_t *h)
{
	if (type == NEXT_FRAGMENT)
		return 8;
	if (type == NEXT_AUTH)
		return 4 * ((size_t)h[1] + 2); /* 4302 §2.2 */
	return 8 * ((size_t)h[1] + 1);
}

enum reason ip6_upper(const struct wire_ip6 *ip, struct upper *u)
{
	struct cursor c = {ip6_payload(ip), ip6_payload_len(ip)};
	const uint8_t *h;

	*u = (struct upper){.next = ip->next};
	while (is_extension(u->next)) {
		if (c.n < 8)
			return REASON_TRUNCATED;
		h = take(&c, extension_len(u->next, c.p));
		if (!h)
			return REASON_TRUNCATED;
		/* Only a first fragment shows what follows. */
		if (u->next == NEXT_FRAGMENT && be16(h + 2) & 0xfff8)
			break;
		u->routing |= u->next == NEXT_ROUTING;
		u->single |= u->next == NEXT_FRAGMENT || u->next == NEXT_AUTH;
		u->next = h[0];
	}
	u->p = c.p;
	u->n = c.n;
	return REASON_NONE;
}

/* X66: 1 to 4 of six bytes each, behind two that are reserved. */
static void parse_alternates(struct trailers *t, const uint8_t *v, uint8_t n)
{
	if (t->n_alternates || t->bad_alternates)
		return;
	if (n < 8 || n > 2 + 6 * ALTERNATES_MAX || (n - 2) % 6 != 0) {
		t->bad_alternates = true;
		return;
	}
	for (v += 2, n -= 2; n; v += 6, n -= 6)
		t->alternate[t->n_alternates++] =
			(struct tuple){be32(v), be16(v + 4)};
}

/* X74; what is asked by other numbers is not known. */
static uint8_t discovery_of(const uint8_t *v)
{
	return v[0] == 0   ? ND_SOLICITATION
	       : v[0] == 1 ? ND_ADVERTISEMENT
			   : ND_NONE;
}

/* Is it the first of its type with this length? */
static bool is_first(unsigned *seen, uint8_t type, uint8_t n, uint8_t right)
{
	if (n != right || *seen & 1u << type)
		return false;
	*seen |= 1u << type;
	return true;
}

static void parse_trailer(struct trailers *t, unsigned *seen, uint8_t type,
			  const uint8_t *v, uint8_t n)
{
	switch (type) {
	case TRAILER_NONCE:
		if (is_first(seen, type, n, 4))
			t->nonce = be32(v);
		break;
	case TRAILER_ALTERNATE:
		parse_alternates(t, v, n);
		break;
	case TRAILER_DISCOVERY:
		if (is_first(seen, type, n, 4))
			t->discovery = discovery_of(v);
		break;
	case TRAILER_RANDOM_PORT: /* goes before the other, A1 */
		if (is_first(seen, type, n, 2))
			t->random_port = be16(v);
		break;
	case TRAILER_RANDOM_PORT_IANA:
		if (is_first(seen, type, n, 2) &&
		    !(*seen & 1u << TRAILER_RANDOM_PORT))
			t->random_port = be16(v);
		break;
	default: /* X3: skipped */
		break;
	}
}

enum reason trailers_parse(struct trailers *t, const uint8_t *p, size_t n)
{
	struct cursor c = {p, n};
	const uint8_t *h, *v;
	unsigned seen = 0;

	/* Alternates are written when there are some: most packets have no
	 * trailers at all. */
	t->nonce = 0;
	t->random_port = 0;
	t->discovery = ND_NONE;
	t->bad_alternates = false;
	t->n_alternates = 0;
	while ((h = take(&c, 2)) != NULL) {
		v = take(&c, h[1]);
		if (!v)
			break;
		if (h[0] >> 6 == 1)
			return REASON_TRAILER;
		parse_trailer(t, &seen, h[0], v, h[1]);
	}
	return REASON_NONE;
}

void wire_put_origin(struct wire_origin *o, struct tuple t)
{
	put16(o->type, 0);
	put16(o->port, (uint16_t)~t.port);
	put32(o->ip, ~t.ip);
}

void wire_put_ip6(struct wire_ip6 *ip, uint16_t plen, uint8_t next,
		  uint8_t hops, const struct ip6 *src, const struct ip6 *dst)
{
	put32(ip->vcf, UINT32_C(6) << 28);
	put16(ip->plen, plen);
	ip->next = next;
	ip->hops = hops;
	ip->src = *src;
	ip->dst = *dst;
}

/* One trailer's head; where its value belongs. */
static uint8_t *put_trailer(uint8_t *p, uint8_t type, size_t len)
{
	p[0] = type;
	p[1] = (uint8_t)len;
	return p + 2;
}

static uint8_t *put_alternates(uint8_t *p, const struct trailers *t)
{
	p = put_trailer(p, TRAILER_ALTERNATE, 2u + 6u * t->n_alternates);
	put16(p, 0);
	p += 2;
	for (unsigned i = 0; i < t->n_alternates; i++, p += 6) {
		put32(p, t->alternate[i].ip);
		put16(p + 4, t->alternate[i].port);
	}
	return p;
}

static uint8_t *put_trailers(uint8_t *p, const struct trailers *t)
{
	if (t->nonce) {
		p = put_trailer(p, TRAILER_NONCE, 4);
		put32(p, t->nonce);
		p += 4;
	}
	if (t->n_alternates)
		p = put_alternates(p, t);
	if (t->discovery != ND_NONE) {
		p = put_trailer(p, TRAILER_DISCOVERY, 4);
		put32(p, 0);
		p[0] = t->discovery == ND_ADVERTISEMENT;
		p += 4;
	}
	if (t->random_port) {
		p = put_trailer(p, TRAILER_RANDOM_PORT, 2);
		put16(p, t->random_port);
		p += 2;
	}
	return p;
}

size_t wire_put_bubble(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
		       uint8_t hops, const struct trailers *t)
{
	wire_put_ip6((void *)p, 0, NEXT_NONE, hops, src, dst);
	return t ? (size_t)(put_trailers(p + IP6_LEN, t) - p) : IP6_LEN;
}
