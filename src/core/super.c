/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "super.h"

#include <string.h>

#include "csum.h"

/*
 * Finish the checksum of one packet. Like the kernel's skb_checksum_help(),
 * this looks at the two offsets only: they may point into what a tunnel
 * carries. An offset of 6 is that of UDP, where 0 means that there is none
 * (RFC 768).
 */
static enum reason finish(uint8_t *p, size_t len, const struct vnet *v)
{
	size_t at = (size_t)v->csum_start + v->csum_offset;
	uint16_t sum;

	if (v->csum_start < IP6_LEN || at + 2 > len)
		return REASON_BAD_OFFLOAD;
	sum = (uint16_t)~csum_fold(
		csum_add(0, p + v->csum_start, len - v->csum_start));
	if (sum == 0 && v->csum_offset == offsetof(struct wire_udp, csum))
		sum = 0xffff;
	put16(p + at, sum);
	return REASON_NONE;
}

/* Length of the transport header of n bytes if it is what gso_type says. */
static size_t l4_len(struct super *s, const struct vnet *v,
		     const struct upper *u)
{
	switch (v->gso_type) {
	case VNET_TCP6:
	case VNET_TCP6 | VNET_ECN:
		s->kind = SUPER_TCP;
		if (u->next != NEXT_TCP ||
		    v->csum_offset != offsetof(struct wire_tcp, csum))
			return 0;
		return tcp_len(u->p, u->n);
	case VNET_UDP:
		s->kind = SUPER_UDP;
		if (u->next != NEXT_UDP || u->n < sizeof(struct wire_udp) ||
		    v->csum_offset != offsetof(struct wire_udp, csum))
			return 0;
		return sizeof(struct wire_udp);
	}
	return 0;
}

/*
 * The sum of the pseudo-header is taken from the checksum field, less the
 * length of the whole, as the kernel itself does it: made from the addresses it
 * would be wrong behind a Routing header (8200 §8.1).
 */
static uint64_t pseudo(const struct super *s, const struct vnet *v)
{
	uint64_t sum = csum_add(0, s->p + s->l4 + v->csum_offset, 2);

	return csum_add16(sum, (uint16_t) ~(s->len - s->l4));
}

static enum reason parse_gso(struct super *s, const struct vnet *v)
{
	struct upper u;
	size_t l4, len;

	if (!(v->flags & VNET_NEEDS_CSUM) || v->gso_size == 0 ||
	    ip6_check(s->p, s->len) != REASON_NONE ||
	    ip6_upper((const void *)s->p, &u) != REASON_NONE || u.single)
		return REASON_BAD_OFFLOAD;
	l4 = s->len - u.n;
	len = l4_len(s, v, &u);
	if (len == 0 || v->csum_start != l4 || l4 + len > SUPER_HEAD)
		return REASON_BAD_OFFLOAD;
	s->l4 = (uint16_t)l4;
	s->head_len = (uint16_t)(l4 + len);
	s->seg = v->gso_size;
	s->pseudo = pseudo(s, v);
	return REASON_NONE;
}

enum reason super_parse(struct super *s, uint8_t *p, size_t n)
{
	struct vnet v;
	enum reason r;

	if (n < VNET_LEN)
		return REASON_TRUNCATED;
	memcpy(&v, p, sizeof(v));
	p += VNET_LEN;
	*s = (struct super){.p = p, .len = (uint32_t)(n - VNET_LEN)};
	if (v.gso_type != VNET_NONE) {
		r = parse_gso(s, &v);
		if (r != REASON_NONE || super_count(s) > 1)
			return r;
		*s = (struct super){.p = p, .len = s->len};
	}
	if (v.flags & VNET_NEEDS_CSUM)
		return finish(p, s->len, &v);
	return REASON_NONE;
}

unsigned super_count(const struct super *s)
{
	uint32_t payload = s->len - s->head_len;

	if (s->kind == SUPER_NONE || payload == 0)
		return 1;
	return (payload + s->seg - 1) / s->seg;
}

const uint8_t *super_payload(const struct super *s, unsigned i, size_t *len)
{
	size_t at = s->head_len + (size_t)i * s->seg;

	*len = s->len - at;
	if (s->kind != SUPER_NONE && *len > s->seg)
		*len = s->seg;
	return s->p + at;
}

/* FIN and PSH are about the end, CWR about the beginning. */
static void put_tcp(const struct super *s, unsigned i, uint8_t *head)
{
	struct wire_tcp *tcp = (void *)(head + s->l4);

	put32(tcp->seq, be32(tcp->seq) + i * s->seg);
	if (i > 0)
		tcp->flags &= (uint8_t)~TCP_CWR;
	if (i + 1 < super_count(s))
		tcp->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

static void put_head(const struct super *s, unsigned i, uint8_t *head)
{
	size_t l4_head = s->head_len - s->l4, len;
	const uint8_t *payload = super_payload(s, i, &len);
	uint16_t l4_len = (uint16_t)(l4_head + len);
	struct wire_ip6 *ip = (void *)head;
	struct wire_udp *udp = (void *)(head + s->l4);
	uint8_t *field = udp->csum;
	uint64_t sum = csum_add16(s->pseudo, l4_len);
	uint16_t csum;

	memcpy(head, s->p, s->head_len);
	put16(ip->plen, (uint16_t)(s->l4 - IP6_LEN + l4_len));
	if (s->kind == SUPER_TCP) {
		put_tcp(s, i, head);
		field = ((struct wire_tcp *)(void *)udp)->csum;
	} else {
		put16(udp->len, l4_len);
	}
	put16(field, 0);
	sum = csum_add(sum, head + s->l4, l4_head);
	csum = (uint16_t)~csum_fold(csum_add(sum, payload, len));
	put16(field, s->kind == SUPER_UDP && csum == 0 ? 0xffff : csum);
}

void super_heads(const struct super *s, unsigned i, unsigned n, uint8_t *heads)
{
	if (s->kind == SUPER_NONE)
		return;
	for (; n; n--, heads += s->head_len)
		put_head(s, i++, heads);
}

size_t super_segment(const struct super *s, unsigned i, uint8_t *packet)
{
	size_t len;
	const uint8_t *payload = super_payload(s, i, &len);

	super_heads(s, i, 1, packet);
	memcpy(packet + s->head_len, payload, len);
	return s->head_len + len;
}
