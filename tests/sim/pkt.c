/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pkt.h"

#include <string.h>

#include "csum.h"

static size_t skip_auth(struct view *v, const uint8_t *p, size_t n)
{
	size_t len;

	if (n < 4 || p[0] != 0 || p[1] != 1)
		return 0;
	len = 13 + (size_t)p[2] + p[3];
	if (len > n)
		return 0;
	v->nonce = p + len - 9;
	return len;
}

void view_read(struct view *v, const uint8_t *p, size_t n)
{
	size_t at;

	*v = (struct view){0};
	at = skip_auth(v, p, n);
	if (n - at >= 8 && p[at] == 0 && p[at + 1] == 0) {
		v->has_origin = true;
		v->origin.port = 0xffff ^ be16(p + at + 2);
		v->origin.ip = 0xffffffff ^ be32(p + at + 4);
		at += 8;
	}
	if (n - at < 40 || p[at] >> 4 != 6)
		return;
	v->len = 40 + (size_t)(p[at + 4] << 8 | p[at + 5]);
	if (v->len > n - at)
		return;
	v->ip = (const void *)(p + at);
	v->tail = p + at + v->len;
	v->tail_len = n - at - v->len;
}

uint32_t view_trailer(const struct view *v)
{
	for (size_t i = 0; i + 2 <= v->tail_len; i += 2 + v->tail[i + 1]) {
		if (v->tail[i] == 1 && v->tail[i + 1] == 4 &&
		    i + 6 <= v->tail_len)
			return be32(v->tail + i + 2);
	}
	return 0;
}

uint16_t view_port(const struct view *v)
{
	for (size_t i = 0; i + 2 <= v->tail_len; i += 2 + v->tail[i + 1]) {
		if (v->tail[i] == 5 && v->tail[i + 1] == 2 &&
		    i + 4 <= v->tail_len)
			return be16(v->tail + i + 2);
	}
	return 0;
}

int view_discovery(const struct view *v)
{
	for (size_t i = 0; i + 2 <= v->tail_len; i += 2 + v->tail[i + 1]) {
		if (v->tail[i] == 4 && v->tail[i + 1] == 4 &&
		    i + 6 <= v->tail_len)
			return v->tail[i + 2] < 2 ? v->tail[i + 2] : -1;
	}
	return -1;
}

bool view_is_bubble(const struct view *v)
{
	return v->ip && v->ip->next == 59 && v->len == 40;
}

size_t pkt_rs(uint8_t *p, const struct ip6 *src, const uint8_t *nonce)
{
	static const struct ip6 routers = {{0xff, 2, [15] = 2}};
	uint8_t *start = p;
	struct wire_ip6 *ip;
	struct wire_icmp6 *h;

	if (nonce) {
		memcpy(p, (uint8_t[]){0, 1, 0, 0}, 4);
		memcpy(p + 4, nonce, 8);
		p[12] = 0;
		p += 13;
	}
	ip = (void *)p;
	h = (void *)(ip + 1);
	wire_put_ip6(ip, sizeof(*h), NEXT_ICMPV6, 255, src, &routers);
	*h = (struct wire_icmp6){.type = ICMP6_ROUTER_SOLICITATION};
	put16(h->csum, csum_ip6(ip, NEXT_ICMPV6));
	return (size_t)(p - start) + sizeof(*ip) + sizeof(*h);
}

size_t pkt_bubble(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
		  uint32_t trailer)
{
	wire_put_ip6((void *)p, 0, NEXT_NONE, 64, src, dst);
	if (!trailer)
		return IP6_LEN;
	p[40] = 1;
	p[41] = 4;
	put32(p + 42, trailer);
	return IP6_LEN + 6;
}

size_t pkt_echo(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
		uint8_t type, const uint8_t data[8])
{
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *h = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*h) + 8, NEXT_ICMPV6, 64, src, dst);
	*h = (struct wire_icmp6){.type = type};
	memcpy(h + 1, data, 8);
	put16(h->csum, csum_ip6(ip, NEXT_ICMPV6));
	return sizeof(*ip) + sizeof(*h) + 8;
}

size_t pkt_pong(uint8_t *p, const struct wire_ip6 *ping, size_t n)
{
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *h = (void *)(ip + 1);

	memcpy(p, ping, n);
	ip->hops = 64;
	ip->src = ping->dst;
	ip->dst = ping->src;
	h->type = ICMP6_ECHO_REPLY;
	put16(h->csum, 0);
	put16(h->csum, csum_ip6(ip, NEXT_ICMPV6));
	return n;
}

size_t pkt_reset(uint8_t *p, const struct wire_ip6 *syn)
{
	const struct wire_tcp *to = (const void *)(syn + 1);
	struct wire_ip6 *ip = (void *)p;
	struct wire_tcp *tcp = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*tcp), NEXT_TCP, 64, &syn->dst, &syn->src);
	*tcp = (struct wire_tcp){
		.offset = sizeof(*tcp) / 4 << 4,
		.flags = TCP_RST | TCP_ACK,
	};
	memcpy(tcp->src, to->dst, sizeof(tcp->src));
	memcpy(tcp->dst, to->src, sizeof(tcp->dst));
	put32(tcp->ack, be32(to->seq) + 1);
	put16(tcp->csum, csum_ip6(ip, NEXT_TCP));
	return sizeof(*ip) + sizeof(*tcp);
}

size_t pkt_app(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
	       enum app_kind kind, uint32_t seq)
{
	struct wire_ip6 *ip = (void *)p;
	uint8_t *u = p + IP6_LEN;

	wire_put_ip6(ip, APP_LEN - IP6_LEN, 17, 64, src, dst);
	put16(u, 7);
	put16(u + 2, 7);
	put16(u + 4, APP_LEN - IP6_LEN);
	put16(u + 6, 0);
	put32(u + 8, 0x5eed0000 + kind);
	put32(u + 12, seq);
	put32(u + 16, seq * 2654435761u);
	put32(u + 20, 0);
	put16(u + 6, csum_ip6(ip, 17));
	return APP_LEN;
}

enum app_kind pkt_app_read(const struct wire_ip6 *ip, size_t len, uint32_t *seq)
{
	const uint8_t *u = ip6_payload(ip);
	uint32_t kind;

	if (ip->next != 17 || len != APP_LEN || csum_ip6(ip, 17) != 0)
		return 0;
	kind = be32(u + 8) - 0x5eed0000;
	*seq = be32(u + 12);
	if (kind != APP_REQUEST && kind != APP_REPLY)
		return 0;
	return be32(u + 16) == *seq * 2654435761u ? (enum app_kind)kind : 0;
}

uint64_t digest_bytes(const void *p, size_t n, uint64_t h)
{
	const uint8_t *b = p;
	uint64_t w;

	for (; n >= 8; n -= 8, b += 8) {
		memcpy(&w, b, 8);
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	w = (uint64_t)n << 56;
	memcpy(&w, b, n);
	h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 29;
}
