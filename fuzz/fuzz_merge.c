/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A batch of packets that want to be merged: a few flows, sequence numbers that
 * follow, now and then something odd. Whatever trains are made, cut by the
 * book (the segmenter here) and by super.c they are the packets that went in,
 * within each flow in their order, and all limits are kept.
 *
 * The input is what is allowed, then packets: flow and where head and body
 * meet, what is odd about it, its size.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "outbox.h"

enum {
	FLOWS = 32,
	PACKET_MAX = 1500,
	TOTAL_MAX = 1 << 17, /* bytes of a batch, for speed */

	REPEAT = 0x20, /* with the flow: the packet comes many times */

	ODD_SEQ = 8, /* the upper half of the second byte; less is not odd */
	ODD_FLAGS,
	ODD_OPTIONS,
	ODD_FLIP, /* the checksum does not know */
	ODD_CHANGE,
	ODD_ZERO, /* the checksum becomes 0 or the other 0 */
	ODD_LENGTH,
	ODD_NEXT,
};

struct packet {
	uint8_t b[PACKET_MAX];
	size_t n;
};

static struct {
	uint32_t seq;
	uint16_t size;
} flows[FLOWS];

static struct packet packets[MERGE_MAX];
static struct out outs[MERGE_MAX];
static const struct out *list[MERGE_MAX];
static uint8_t *heads[MERGE_MAX], *bodies[MERGE_MAX];
static unsigned n_packets;
static size_t total;
static struct merge m;

/* By the book: 1071 §1. */
static uint16_t slow_fold(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Of a packet without extension headers, its checksum field zeroed. */
static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint16_t sum = slow_fold(p + 8, n - 8, (uint32_t)(n - 40) + p[6]);

	sum = (uint16_t)~sum;
	return p[6] == NEXT_UDP && sum == 0 ? 0xffff : sum;
}

static uint8_t *field_of(uint8_t *p)
{
	return p + 40 + (p[6] == NEXT_TCP ? 16 : 6);
}

static void fix(struct packet *p)
{
	uint8_t *field = field_of(p->b);

	if (field + 2 > p->b + p->n)
		return;
	put16(field, 0);
	put16(field, checksum(p->b, p->n));
}

/* Addresses and ports; flows 0 to 15 differ from 16 to 31 in one place. */
static void put_flow(struct packet *p, unsigned flow)
{
	memset(p->b, 0, 60);
	p->b[0] = 0x60;
	p->b[6] = flow & 1 ? NEXT_UDP : NEXT_TCP;
	p->b[7] = 64;
	p->b[8] = p->b[24] = 0x20;
	p->b[23] = flow & 0x10 ? 1 : 0;
	p->b[39] = flow & 2 ? 1 : 0;
	p->b[41] = flow & 4 ? 1 : 0;
	p->b[43] = flow & 8 ? 1 : 0;
}

static size_t size_of(struct script *s, unsigned flow, uint8_t how)
{
	switch (how & 0xf) {
	case 15:
		return script_u16(s) % (PACKET_MAX - 100);
	case 14:
		return 0;
	case 13:
		return flows[flow].size + 1u;
	case 12:
		return script_u8(s) % (flows[flow].size + 1u);
	default:
		return flows[flow].size;
	}
}

static size_t put_l4(struct packet *p, unsigned flow, size_t payload,
		     uint8_t options)
{
	uint8_t *l4 = p->b + 40;
	size_t n = 8;

	if (p->b[6] == NEXT_UDP) {
		put16(l4 + 4, (uint16_t)(payload + 8));
	} else {
		n = 20 + 4 * (size_t)(options % 11);
		put32(l4 + 4, flows[flow].seq);
		l4[12] = (uint8_t)(n / 4 << 4);
		l4[13] = TCP_ACK;
		memset(l4 + 20, options, n - 20);
	}
	return n;
}

static void change(struct script *s, struct packet *p)
{
	size_t at = script_u16(s) % p->n;

	p->b[at] ^= script_u8(s);
}

/* What the sum lacks comes into the last word. */
static void zero(struct packet *p, bool other)
{
	uint8_t *field = field_of(p->b), *last = p->b + p->n - 2;
	uint32_t word = be16(last) + (uint32_t)be16(field);

	if (last < field + 2 || p->n & 1)
		return;
	put16(last, (uint16_t)(word + (word >> 16)));
	fix(p);
	if (other)
		put16(field, (uint16_t)~be16(field));
}

static void odd_before(struct script *s, struct packet *p, unsigned odd)
{
	if (odd == ODD_FLAGS && p->b[6] == NEXT_TCP)
		p->b[53] ^= script_u8(s);
	if (odd == ODD_CHANGE)
		change(s, p);
	if (odd == ODD_NEXT)
		p->b[6] = script_u8(s);
}

static void odd_behind(struct script *s, struct packet *p, unsigned odd)
{
	if (odd == ODD_FLIP)
		change(s, p);
	if (odd == ODD_ZERO)
		zero(p, script_u8(s) & 1);
	if (odd == ODD_LENGTH) {
		size_t by = script_u16(s) % (p->n + 1);

		p->n = by < 4 && p->n + by <= PACKET_MAX ? p->n + by
							 : p->n - by;
	}
}

static void make(struct script *s, unsigned flow, uint8_t how)
{
	struct packet *p = &packets[n_packets];
	unsigned odd = how >> 4;
	size_t payload = size_of(s, flow, how), head;
	uint8_t options = odd == ODD_OPTIONS ? script_u8(s) : 0;

	if (odd == ODD_SEQ)
		flows[flow].seq += (uint32_t)(int8_t)script_u8(s);
	put_flow(p, flow);
	head = 40 + put_l4(p, flow, payload, options);
	for (size_t i = 0; i < payload; i++)
		p->b[head + i] = (uint8_t)(flows[flow].seq + i * 3);
	p->n = head + payload;
	put16(p->b + 4, (uint16_t)(p->n - 40));
	odd_before(s, p, odd);
	fix(p);
	odd_behind(s, p, odd);
	flows[flow].seq += (uint32_t)payload;
	total += p->n;
}

/* To the byte, so that a sanitizer sees a read beyond the end. */
static uint8_t *copy(const uint8_t *p, size_t n)
{
	uint8_t *q = malloc(n ? n : 1);

	WANT(q);
	if (n)
		memcpy(q, p, n);
	return q;
}

static void take(size_t cut)
{
	const struct packet *p = &packets[n_packets];

	cut = cut < p->n ? cut : p->n;
	heads[n_packets] = copy(p->b, cut);
	bodies[n_packets] = copy(p->b + cut, p->n - cut);
	outs[n_packets] = (struct out){.kind = OUT_IP6,
				       .head = heads[n_packets],
				       .body = bodies[n_packets],
				       .head_len = (uint16_t)cut,
				       .body_len = (uint16_t)(p->n - cut)};
	list[n_packets] = &outs[n_packets];
	n_packets++;
}

static size_t cut_of(struct script *s, uint8_t a)
{
	static const size_t cuts[] = {0, PACKET_MAX, 40};

	return a >> 6 < 3 ? cuts[a >> 6] : script_u8(s);
}

static void decode(struct script *s)
{
	n_packets = 0;
	total = 0;
	for (unsigned i = 0; i < FLOWS; i++) {
		flows[i].seq = i * 0x21000000 - 300;
		flows[i].size = (uint16_t)(i < 24 ? 20 + i % 5 : 1400 - i);
	}
	while (s->n && n_packets < MERGE_MAX && total < TOTAL_MAX) {
		uint8_t a = script_u8(s);
		uint8_t how = script_u8(s);
		size_t cut = cut_of(s, a);
		unsigned n = a & REPEAT ? script_u8(s) % 80 : 0;

		do {
			make(s, a % FLOWS, how);
			take(cut);
		} while (n-- && n_packets < MERGE_MAX && total < TOTAL_MAX);
	}
}

/*
 * Segment k of n, by the book (9293 §3.1, 3168 §6.1.2, and as the kernel's
 * documentation has it): p is the super-packet, of len bytes.
 */
static size_t cut_by_book(const struct vnet *v, const uint8_t *p, size_t len,
			  unsigned k, uint8_t *q)
{
	bool is_tcp = p[6] == 6;
	size_t head = is_tcp ? 40 + (size_t)(p[52] >> 4) * 4 : 48;
	size_t from = head + (size_t)k * v->gso_size;
	size_t n = len - from < v->gso_size ? len - from : v->gso_size;

	WANT(from < len);
	memcpy(q, p, head);
	memcpy(q + head, p + from, n);
	put16(q + 4, (uint16_t)(head + n - 40));
	if (is_tcp) {
		put32(q + 44, be32(p + 44) + (uint32_t)(from - head));
		if (from + n < len)
			q[53] &= 0xf6;
		if (k > 0)
			q[53] &= 0x7f;
	} else {
		put16(q + 44, (uint16_t)(n + 8));
	}
	put16(q + v->csum_start + v->csum_offset, 0);
	put16(q + v->csum_start + v->csum_offset, checksum(q, head + n));
	return head + n;
}

static size_t written(const struct merge_train *t, uint8_t *whole)
{
	struct merge_piece piece[2];
	size_t len = VNET_LEN + t->head_len;

	memcpy(whole, &t->vnet, VNET_LEN);
	memcpy(whole + VNET_LEN, t->head, t->head_len);
	for (unsigned i = t->first; i != MERGE_END; i = m.next[i]) {
		unsigned n = merge_pieces(list[i], t->head_len, piece);

		for (unsigned k = 0; k < n; k++) {
			WANT(len + piece[k].n <= VNET_LEN + 40 + 65535);
			memcpy(whole + len, piece[k].p, piece[k].n);
			len += piece[k].n;
		}
	}
	return len;
}

/* The field holds the pseudo-header's sum, the lengths are those of the whole.
 */
static void check_head(const struct merge_train *t, unsigned allow,
		       const uint8_t *p, size_t len)
{
	const struct vnet *v = &t->vnet;
	bool is_tcp = p[6] == 6;

	WANT(allow & (is_tcp ? MERGE_TCP : MERGE_UDP));
	WANT(!is_tcp || !(p[53] & (TCP_SYN | TCP_RST | TCP_URG)));
	WANT(t->kind == (is_tcp ? SUPER_TCP : SUPER_UDP));
	WANT(t->n <= MERGE_SEGMENTS && len <= 40 + 65535);
	WANT(ip6_check(p, len) == REASON_NONE);
	WANT(is_tcp || be16(p + 44) == len - 40);
	WANT(v->flags == VNET_NEEDS_CSUM && v->hdr_len == t->head_len);
	WANT(v->csum_start == 40 && v->csum_offset == (is_tcp ? 16 : 6));
	WANT(v->gso_size == t->seg && t->seg > 0);
	WANT(t->payload == len - t->head_len);
	WANT((t->n - 1u) * t->seg < t->payload);
	WANT(t->payload <= (uint32_t)t->n * t->seg);
	WANT(be16(p + 40 + v->csum_offset) ==
	     slow_fold(p + 8, 32, (uint32_t)(len - 40) + p[6]));
	if (!is_tcp)
		WANT(v->gso_type == VNET_UDP);
	else if (p[53] & TCP_CWR)
		WANT(v->gso_type == (VNET_TCP6 | VNET_ECN) &&
		     allow & MERGE_ECN);
	else
		WANT(v->gso_type == VNET_TCP6);
}

static bool is_packet(unsigned i, const uint8_t *p, size_t n)
{
	return packets[i].n == n && memcmp(packets[i].b, p, n) == 0;
}

static void check_many(const struct merge_train *t, unsigned allow,
		       uint8_t *whole, size_t n)
{
	static uint8_t q[40 + 65535];
	struct super s;
	unsigned k = 0;

	check_head(t, allow, whole + VNET_LEN, n - VNET_LEN);
	WANT(super_parse(&s, whole, n) == REASON_NONE);
	WANT(super_count(&s) == t->n && s.kind == t->kind);
	for (unsigned i = t->first; i != MERGE_END; i = m.next[i], k++) {
		WANT(is_packet(i, q,
			       cut_by_book(&t->vnet, whole + VNET_LEN,
					   n - VNET_LEN, k, q)));
		WANT(is_packet(i, q, super_segment(&s, k, q)));
	}
	WANT(k == t->n);
}

/* It is written as it is. */
static void check_one(const struct merge_train *t, const uint8_t *whole,
		      size_t n)
{
	static const uint8_t zero_vnet[VNET_LEN];

	WANT(t->kind == SUPER_NONE && t->first == t->last);
	WANT(memcmp(whole, zero_vnet, VNET_LEN) == 0);
	WANT(is_packet(t->first, whole + VNET_LEN, n - VNET_LEN));
}

/* Each packet is in one train; first packets, and chains, ascend. */
static void check_chains(unsigned *place)
{
	unsigned seen = 0, open[MERGE_MAX] = {0};

	for (unsigned i = 0; i < m.n; i++) {
		const struct merge_train *t = &m.trains[i];
		unsigned last = t->first;

		WANT(i == 0 || m.trains[i - 1].first < t->first);
		for (unsigned k = t->first; k != MERGE_END; k = m.next[k]) {
			WANT(k < n_packets && (k == t->first || k > last));
			last = k;
			place[k] = seen++;
		}
		WANT(last == t->last);
		for (unsigned k = t->first; k < last; k++)
			WANT(++open[k] <= MERGE_FLOWS);
	}
	WANT(seen == n_packets);
}

static bool has_ports(const struct packet *p)
{
	return (p->b[6] == NEXT_TCP || p->b[6] == NEXT_UDP) && p->n >= 44;
}

/* What has no ports belongs to all flows between its hosts. */
static bool same_flow(const struct packet *a, const struct packet *b)
{
	if (a->n < 40 || b->n < 40 || memcmp(a->b + 8, b->b + 8, 32) != 0 ||
	    a->b[0] >> 4 != 6 || b->b[0] >> 4 != 6)
		return false;
	if (!has_ports(a) || !has_ports(b))
		return true;
	return a->b[6] == b->b[6] && memcmp(a->b + 40, b->b + 40, 4) == 0;
}

static void check_order(const unsigned *place)
{
	for (unsigned i = 0; i < n_packets; i++) {
		for (unsigned k = 0; k < i; k++)
			WANT(place[k] < place[i] ||
			     !same_flow(&packets[k], &packets[i]));
	}
}

static unsigned count_bad(void)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < n_packets; i++) {
		const struct packet *p = &packets[i];

		bad += p->n >= 48 &&
		       slow_fold(p->b + 8, p->n - 8,
				 (uint32_t)(p->n - 40) + p->b[6]) != 0xffff;
	}
	return bad;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t whole[VNET_LEN + 40 + 65535];
	static unsigned place[MERGE_MAX];
	struct script s = {data, size};
	unsigned allow = script_u8(&s);

	decode(&s);
	memset(&m, 0xee, sizeof(m));
	merge_packets(&m, list, n_packets, allow);
	check_chains(place);
	check_order(place);
	WANT(m.bad_csum <= count_bad());
	for (unsigned i = 0; i < m.n; i++) {
		size_t n = written(&m.trains[i], whole);

		if (m.trains[i].n == 1)
			check_one(&m.trains[i], whole, n);
		else
			check_many(&m.trains[i], allow, whole, n);
	}
	for (unsigned i = 0; i < n_packets; i++) {
		free(heads[i]);
		free(bodies[i]);
	}
	return 0;
}
