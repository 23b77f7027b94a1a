/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "meter.h"

void meter_init(struct meter *m, const struct hash_key *key)
{
	*m = (struct meter){.key = *key};
}

static unsigned place_of(const struct meter *m, const struct ip6 *a)
{
	return (unsigned)hash_bytes(&m->key, a, sizeof(*a)) % METER_PEERS;
}

static bool is_here(const struct meter_peer *p, const struct ip6 *a)
{
	return p->used && ip6_equal(&p->address, a);
}

/* One of two places; the one of whom nothing was heard for longer. */
static struct meter_peer *find(struct meter *m, const struct ip6 *a)
{
	unsigned i = m->last, other;

	if (is_here(&m->v[i], a))
		return &m->v[i];
	i = place_of(m, a);
	other = i ^ 1;
	if (!is_here(&m->v[i], a) &&
	    (is_here(&m->v[other], a) || m->v[other].used < m->v[i].used))
		i = other;
	if (!is_here(&m->v[i], a))
		m->v[i] = (struct meter_peer){.address = *a};
	m->last = i;
	return &m->v[i];
}

static void add(struct meter_count *c, uint64_t packets, uint64_t bytes)
{
	c->packets += packets;
	c->bytes += bytes;
}

/* The packet in an action, if it begins with one; how many there are of it. */
static const struct wire_ip6 *packet_in(const struct out *o, uint64_t *packets,
					uint64_t *bytes)
{
	const struct super *s = o->super;
	const uint8_t *p = o->head_len ? o->head : o->body;

	*packets = 1;
	*bytes = (uint64_t)o->head_len + o->body_len;
	if (s) {
		*packets = super_count(s);
		*bytes = s->len + (*packets - 1) * s->head_len;
		p = s->p;
	} else if ((o->head_len ? o->head_len : o->body_len) < IP6_LEN) {
		return NULL;
	}
	return p[0] >> 4 == 6 ? (const void *)p : NULL;
}

void meter_outbox(struct meter *m, const struct outbox *sent, uint64_t now)
{
	for (unsigned i = 0; i < sent->n; i++) {
		bool is_in = sent->v[i].kind == OUT_IP6;
		uint64_t packets, bytes;
		const struct wire_ip6 *ip =
			packet_in(&sent->v[i], &packets, &bytes);
		struct meter_peer *p;

		add(is_in ? &m->in : &m->out, packets, bytes);
		if (!ip)
			continue;
		p = find(m, is_in ? &ip->src : &ip->dst);
		p->used = now;
		add(is_in ? &p->in : &p->out, packets, bytes);
	}
}

void meter_read(const struct meter *m, const struct ip6 *a,
		struct meter_count *in, struct meter_count *out)
{
	unsigned i = place_of(m, a);

	for (unsigned n = 0; n < 2; n++, i ^= 1) {
		if (!is_here(&m->v[i], a))
			continue;
		add(in, m->v[i].in.packets, m->v[i].in.bytes);
		add(out, m->v[i].out.packets, m->v[i].out.bytes);
		return;
	}
}
