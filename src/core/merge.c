/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "merge.h"

#include <assert.h>
#include <string.h>

#include "csum.h"
#include "outbox.h"

enum {
	END_FLAGS = TCP_FIN | TCP_PSH, /* on the last segment only */
	PORTS_LEN = 4,
};

/* What is to be known about a packet. */
struct view {
	const uint8_t *h; /* its first bytes, of one piece; n of them */
	size_t n;
	size_t len;        /* of the packet */
	uint16_t head_len; /* 0: it is not to be merged */
	uint16_t payload;
	bool ends;  /* a train, whatever follows */
	bool ports; /* it is known which flow it belongs to */
};

unsigned merge_pieces(const struct out *o, size_t skip,
		      struct merge_piece pieces[2])
{
	unsigned n = 0;

	if (skip < o->head_len) {
		pieces[n++] = (struct merge_piece){o->head + skip,
						   o->head_len - skip};
		skip = 0;
	} else {
		skip -= o->head_len;
	}
	if (skip < o->body_len)
		pieces[n++] = (struct merge_piece){o->body + skip,
						   o->body_len - skip};
	return n;
}

/* Headers lie in one piece, or are copied. */
static void view_bytes(struct view *v, const struct out *o, uint8_t *gathered)
{
	struct merge_piece piece[2];
	unsigned n = merge_pieces(o, 0, piece);
	size_t more;

	v->len = (size_t)o->head_len + o->body_len;
	v->h = n ? piece[0].p : NULL;
	v->n = n ? piece[0].n : 0;
	if (n < 2 || piece[0].n >= MERGE_HEAD)
		return;
	more = MERGE_HEAD - piece[0].n;
	if (more > piece[1].n)
		more = piece[1].n;
	memcpy(gathered, piece[0].p, piece[0].n);
	memcpy(gathered + piece[0].n, piece[1].p, more);
	v->h = gathered;
	v->n = piece[0].n + more;
}

/*
 * A checksum of 0xffff is equal to 0, but not what segmentation would write.
 * An urgent pointer counts from the segment that it is in.
 */
static size_t tcp_head(struct view *v, unsigned allow)
{
	const struct wire_tcp *tcp = (const void *)(v->h + IP6_LEN);
	size_t len = tcp_len(v->h + IP6_LEN, v->n - IP6_LEN);
	uint8_t never = TCP_SYN | TCP_RST | TCP_URG;

	if (!(allow & MERGE_ECN))
		never |= TCP_CWR;
	if (!(allow & MERGE_TCP) || len == 0 || tcp->flags & never ||
	    be16(tcp->csum) == 0xffff)
		return 0;
	v->ends = tcp->flags & END_FLAGS;
	return len;
}

/* A checksum of 0 is none (6935 §5), and has to stay none. */
static size_t udp_head(const struct view *v, unsigned allow)
{
	const struct wire_udp *udp = (const void *)(v->h + IP6_LEN);

	if (!(allow & MERGE_UDP) || v->n < IP6_LEN + sizeof(*udp) ||
	    be16(udp->len) != v->len - IP6_LEN || be16(udp->csum) == 0)
		return 0;
	return sizeof(*udp);
}

/* Whether a packet may be in a train at all: head_len and what follows it. */
static void view_l4(struct view *v, unsigned allow)
{
	const struct wire_ip6 *ip = (const void *)v->h;
	size_t len = 0;

	v->ports = (ip->next == NEXT_TCP || ip->next == NEXT_UDP) &&
		   v->n >= IP6_LEN + PORTS_LEN;
	if (!v->ports || v->len != IP6_LEN + (size_t)ip6_payload_len(ip))
		return;
	if (ip->next == NEXT_TCP)
		len = tcp_head(v, allow);
	else
		len = udp_head(v, allow);
	if (len == 0 || v->len == IP6_LEN + len)
		return;
	v->head_len = (uint16_t)(IP6_LEN + len);
	v->payload = (uint16_t)(v->len - v->head_len);
}

/* What has no ports may belong to any flow between its two hosts. */
static bool same_flow(const struct merge_train *t, const struct view *v)
{
	const struct wire_ip6 *a = (const void *)t->head;
	const struct wire_ip6 *b = (const void *)v->h;

	if (v->ports &&
	    (a->next != b->next || memcmp(a + 1, b + 1, PORTS_LEN) != 0))
		return false;
	return memcmp(&a->src, &b->src, sizeof(a->src)) == 0 &&
	       memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0;
}

/* Sequence number, FIN, PSH and checksum differ; CWR is on the first only. */
static bool fits_tcp(const struct merge_train *t, const struct view *v)
{
	const struct wire_tcp *a = (const void *)(t->head + IP6_LEN);
	const struct wire_tcp *b = (const void *)(v->h + IP6_LEN);

	return be32(b->seq) == be32(a->seq) + t->payload &&
	       memcmp(a->ack, b->ack, sizeof(a->ack)) == 0 &&
	       a->offset == b->offset && !(b->flags & TCP_CWR) &&
	       !((a->flags ^ b->flags) & ~(END_FLAGS | TCP_CWR)) &&
	       memcmp(a->window, b->window, sizeof(a->window)) == 0 &&
	       memcmp(a->urgent, b->urgent, sizeof(a->urgent)) == 0 &&
	       memcmp(a + 1, b + 1, t->head_len - IP6_LEN - sizeof(*a)) == 0;
}

/* Whether a packet of the same flow is the next of an open train. */
static bool fits(const struct merge_train *t, const struct view *v)
{
	const struct wire_ip6 *a = (const void *)t->head;
	const struct wire_ip6 *b = (const void *)v->h;
	size_t whole = t->head_len + t->payload + v->payload;

	return v->head_len == t->head_len && v->payload <= t->seg &&
	       whole <= IP6_LEN + 65535 &&
	       memcmp(a->vcf, b->vcf, sizeof(a->vcf)) == 0 &&
	       a->hops == b->hops && (a->next == NEXT_UDP || fits_tcp(t, v));
}

/* With the IPv6 header of packet i at ip. */
static bool verify(struct merge *m, uint16_t i, const struct wire_ip6 *ip)
{
	uint64_t sum = csum_pseudo(0, ip, ip6_payload_len(ip), ip->next);
	struct merge_piece piece[2];
	unsigned n = merge_pieces(m->packets[i], IP6_LEN, piece);

	assert(n > 0); /* it was long enough for a flow */
	sum = csum_add(sum, piece[0].p, piece[0].n);
	if (n == 2 && piece[0].n & 1)
		sum = csum_join_odd(sum, csum_add(0, piece[1].p, piece[1].n));
	else if (n == 2)
		sum = csum_add(sum, piece[1].p, piece[1].n);
	if (csum_fold(sum) == 0xffff)
		return true;
	m->bad_csum++;
	return false;
}

/* Lengths of the whole; the checksum is left to the kernel. */
static void compose(struct merge_train *t)
{
	uint16_t len = (uint16_t)(t->head_len - IP6_LEN + t->payload);
	struct wire_ip6 *ip = (void *)t->head;
	struct wire_tcp *tcp = (void *)(ip + 1);
	struct wire_udp *udp = (void *)(ip + 1);
	uint16_t sum = csum_fold(csum_pseudo(0, ip, len, ip->next));

	put16(ip->plen, len);
	t->vnet = (struct vnet){
		.flags = VNET_NEEDS_CSUM,
		.hdr_len = t->head_len,
		.gso_size = t->seg,
		.csum_start = IP6_LEN,
	};
	if (ip->next == NEXT_TCP) {
		t->kind = SUPER_TCP;
		t->vnet.gso_type = VNET_TCP6;
		if (tcp->flags & TCP_CWR)
			t->vnet.gso_type |= VNET_ECN;
		t->vnet.csum_offset = offsetof(struct wire_tcp, csum);
		put16(tcp->csum, sum);
	} else {
		t->kind = SUPER_UDP;
		t->vnet.gso_type = VNET_UDP;
		t->vnet.csum_offset = offsetof(struct wire_udp, csum);
		put16(udp->len, len);
		put16(udp->csum, sum);
	}
}

static void close_flow(struct merge *m, struct merge_flow *f)
{
	struct merge_train *t;

	if (f->train == MERGE_END)
		return;
	t = &m->trains[f->train];
	if (t->n > 1)
		compose(t);
	else
		t->head_len = 0;
	f->train = MERGE_END;
}

/* A train of one packet, as it stays if no other is added. */
static struct merge_train *begin(struct merge *m, uint16_t i)
{
	struct merge_train *t = &m->trains[m->n++];

	t->first = t->last = i;
	t->n = 1;
	t->head_len = 0;
	t->kind = SUPER_NONE;
	t->vnet = (struct vnet){0};
	m->next[i] = MERGE_END;
	return t;
}

static void open_flow(struct merge *m, struct merge_flow *f,
		      struct merge_train *t, const struct view *v)
{
	t->head_len = v->head_len;
	t->seg = v->payload;
	t->payload = v->payload;
	memcpy(t->head, v->h, v->head_len);
	f->train = (uint16_t)(t - m->trains);
	f->verified = false;
	m->hot = f;
}

static void append(struct merge *m, struct merge_flow *f, uint16_t i,
		   const struct view *v)
{
	struct merge_train *t = &m->trains[f->train];
	struct wire_tcp *tcp = (void *)(t->head + IP6_LEN);

	m->next[t->last] = i;
	m->next[i] = MERGE_END;
	t->last = i;
	t->n++;
	t->payload += v->payload;
	if (t->head[6] == NEXT_TCP)
		tcp->flags |= v->h[IP6_LEN + 13] & END_FLAGS;
	if (v->ends || v->payload < t->seg || t->n == MERGE_SEGMENTS)
		close_flow(m, f);
}

/*
 * The first packet is verified when there is a second. What has a wrong
 * checksum is not to be in any train.
 */
static bool joins(struct merge *m, struct merge_flow *f, uint16_t i,
		  struct view *v)
{
	const struct merge_train *t = &m->trains[f->train];

	if (!fits(t, v))
		return false;
	if (!f->verified)
		f->verified = verify(m, t->first, (const void *)t->head);
	if (!f->verified)
		return false;
	if (verify(m, i, (const void *)v->h))
		return true;
	v->head_len = 0;
	return false;
}

static bool is_open(const struct merge *m, const struct merge_flow *f,
		    const struct view *v)
{
	return f->train != MERGE_END && same_flow(&m->trains[f->train], v);
}

/* The open train of a packet's flow. */
static struct merge_flow *find(struct merge *m, const struct view *v)
{
	if (is_open(m, m->hot, v))
		return m->hot;
	for (unsigned k = 0; k < MERGE_FLOWS; k++) {
		if (is_open(m, &m->flows[k], v)) {
			m->hot = &m->flows[k];
			return m->hot;
		}
	}
	return NULL;
}

/* A free place, or that of the oldest train. */
static struct merge_flow *place(struct merge *m)
{
	struct merge_flow *oldest = &m->flows[0];

	for (unsigned k = 0; k < MERGE_FLOWS; k++) {
		struct merge_flow *f = &m->flows[k];

		if (f->train == MERGE_END)
			return f;
		if (f->train < oldest->train)
			oldest = f;
	}
	close_flow(m, oldest);
	return oldest;
}

static void close_between(struct merge *m, const struct view *v)
{
	for (unsigned k = 0; k < MERGE_FLOWS; k++) {
		if (is_open(m, &m->flows[k], v))
			close_flow(m, &m->flows[k]);
	}
}

static void add(struct merge *m, uint16_t i)
{
	struct view v = {0};
	struct merge_flow *f;
	struct merge_train *t;

	view_bytes(&v, m->packets[i], m->gathered);
	if (v.n < IP6_LEN || v.h[0] >> 4 != 6) {
		begin(m, i);
		return;
	}
	view_l4(&v, m->allow);
	if (!v.ports)
		close_between(m, &v);
	f = v.ports ? find(m, &v) : NULL;
	if (f && joins(m, f, i, &v)) {
		append(m, f, i, &v);
		return;
	}
	if (f)
		close_flow(m, f);
	t = begin(m, i);
	if (v.head_len && !v.ends)
		open_flow(m, f ? f : place(m), t, &v);
}

void merge_packets(struct merge *m, const struct out *const *packets,
		   unsigned n, unsigned allow)
{
	assert(n <= MERGE_MAX);
	m->n = 0;
	m->bad_csum = 0;
	m->packets = packets;
	m->allow = allow;
	m->hot = &m->flows[0];
	for (unsigned k = 0; k < MERGE_FLOWS; k++)
		m->flows[k].train = MERGE_END;
	for (unsigned i = 0; i < n; i++)
		add(m, (uint16_t)i);
	for (unsigned k = 0; k < MERGE_FLOWS; k++)
		close_flow(m, &m->flows[k]);
}
