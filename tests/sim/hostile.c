/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Those who mean harm. A flooder names invented clients to a relay. A villain
 * does something nasty every few milliseconds, from addresses of its choice;
 * it overhears what the wires carried, and replays it.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "csum.h"

/* --- flood --- */

static struct flooder *flooder(const struct actor *a)
{
	return (struct flooder *)((uintptr_t)a - offsetof(struct flooder, a));
}

static void invent(struct world *w, struct ip6 *a)
{
	struct teredo t = {TEREDO_PREFIX, IP(11, 0, 0, 1), 0, {0, 0}};

	t.server += sim_below(w, 1 << 24);
	t.client.ip = IP(12, 0, 0, 0) + sim_below(w, 1 << 24);
	t.client.port = (uint16_t)(1 + sim_below(w, 65535));
	teredo_pack(a, &t);
}

static void claim_one(struct flooder *f)
{
	const struct ip6 ll = {{0xfe, 0x80, [15] = 1}};
	struct world *w = f->a.w;
	struct tuple from = {IP(12, 34, 56, 0), (uint16_t)sim_random(w)};
	uint8_t p[PKT_MAX];

	from.ip += 1 + sim_below(w, 254);
	sim_send(&f->a, from, f->server, p, pkt_rs(p, &ll, NULL), 0);
}

static void flood_one(struct flooder *f)
{
	struct world *w = f->a.w;
	struct ip6 src = f->a.ip6[0], dst;
	uint8_t p[PKT_MAX], data[8] = {0};
	size_t n;

	invent(w, &dst);
	if (f->kind == FLOOD_SPREAD)
		put32(src.b + 4, (uint32_t)sim_random(w));
	if (f->kind == FLOOD_ECHO)
		n = pkt_echo(p, &src, &dst, ICMP6_ECHO_REPLY, data);
	else
		n = pkt_app(p, &src, &dst, APP_REQUEST, 0);
	sim_send_ip6(&f->a, p, n, 0);
}

static uint64_t flood_next(const struct actor *a)
{
	const struct flooder *f = flooder(a);

	return f->due < f->stop ? f->due : NEVER;
}

static void flood_timer(struct actor *a)
{
	struct flooder *f = flooder(a);

	for (unsigned i = 0; i < f->per_ms; i++)
		(f->kind == FLOOD_CLAIMS ? claim_one : flood_one)(f);
	f->due = a->w->now + MS(1);
}

void flooder_init(struct flooder *f, struct world *w, enum flood kind,
		  unsigned per_ms, struct actor *via)
{
	f->kind = kind;
	f->per_ms = per_ms;
	f->due = f->stop = NEVER;
	f->a.name = "flooder";
	f->a.via = via;
	f->a.next = flood_next;
	f->a.timer = flood_timer;
	f->a.n_ip6 = 1;
	f->a.ip6[0] = (struct ip6){{0x2a, 0, 0, 2, [15] = 66}};
	world_add(w, &f->a);
}

/* --- villain --- */

static struct villain *villain(const struct actor *a)
{
	return (struct villain *)((uintptr_t)a - offsetof(struct villain, a));
}

/* An IPv4 address that may be anybody's, our own or nobody's. */
static uint32_t some_ip(struct villain *v)
{
	static const uint32_t bad[] = {0,
				       IP(127, 0, 0, 1),
				       IP(10, 0, 0, 1),
				       IP(192, 168, 1, 5),
				       IP(224, 0, 0, 253),
				       IP(255, 255, 255, 255),
				       IP(9, 0, 0, 255),
				       IP(169, 254, 1, 1),
				       IP(192, 88, 99, 1),
				       IP(203, 0, 113, 1),
				       IP(172, 16, 0, 1),
				       IP(9, 0, 0, 0)};
	struct world *w = v->a.w;

	switch (sim_below(w, 4)) {
	case 0:
		return bad[sim_below(w, sizeof(bad) / sizeof(bad[0]))];
	case 1:
		return v->targets[sim_below(w, v->n_targets)].ip;
	case 2:
		return v->a.ip[0];
	}
	return (uint32_t)sim_random(w);
}

static struct tuple some_tuple(struct villain *v)
{
	struct world *w = v->a.w;
	struct tuple t = {some_ip(v), (uint16_t)sim_random(w)};

	if (sim_chance(w, 300))
		t.port = TEREDO_PORT;
	else if (sim_chance(w, 50))
		t.port = 0;
	return t;
}

/* An IPv6 address of any kind. */
static void some_ip6(struct villain *v, struct ip6 *a)
{
	struct world *w = v->a.w;
	struct teredo t = {TEREDO_PREFIX, some_ip(v), 0, {0, 0}};

	t.client = some_tuple(v);
	if (sim_chance(w, 500))
		t.server = v->targets[0].ip;
	switch (sim_below(w, 8)) {
	case 0:
		*a = *v->victim;
		return;
	case 1:
		*a = v->native;
		return;
	case 2: /* 6to4 */
		*a = v->native;
		put16(a->b, 0x2002);
		put32(a->b + 2, some_ip(v));
		return;
	case 3: /* ISATAP */
		*a = v->native;
		put32(a->b + 8, 0x00005efe);
		put32(a->b + 12, some_ip(v));
		return;
	case 4:
		teredo_link_local(a, 0x8000, some_tuple(v));
		return;
	case 5:
		*a = v->relay->ip6[0];
		return;
	case 6:
		sim_fill(w, a->b, 16);
		return;
	}
	teredo_pack(a, &t);
}

static size_t some_packet(struct villain *v, uint8_t *p)
{
	static const uint8_t types[] = {1, 2, 3, 128, 129, 133, 134, 137};
	struct world *w = v->a.w;
	struct ip6 src, dst;
	uint8_t data[8];
	size_t n;

	sim_fill(w, data, sizeof(data));
	some_ip6(v, &src);
	some_ip6(v, &dst);
	switch (sim_below(w, 4)) {
	case 0:
		n = pkt_rs(p, &src, sim_chance(w, 500) ? data : NULL);
		break;
	case 1:
		n = pkt_app(p, &src, &dst, APP_REQUEST, 1);
		break;
	case 2:
		n = pkt_echo(p, &src, &dst, types[sim_below(w, sizeof(types))],
			     data);
		break;
	default:
		n = pkt_bubble(p, &src, &dst,
			       sim_chance(w, 500) ? be32(data) : 0);
	}
	if (sim_chance(w, 200) && p[0] >> 4 == 6)
		p[7] = (uint8_t)sim_below(w, 3); /* hop limit */
	if (sim_chance(w, 100)) {
		memmove(p + 8, p, n);
		memset(p, 0, 2);
		sim_fill(w, p + 2, 6);
		n += 8;
	}
	return n;
}

static void mutate(struct villain *v, uint8_t *p, size_t *n)
{
	struct world *w = v->a.w;

	for (unsigned k = sim_below(w, 4); k && *n; k--)
		p[sim_below(w, (unsigned)*n)] ^= 1 << sim_below(w, 8);
	if (*n && sim_chance(w, 200))
		*n = sim_below(w, (unsigned)*n);
	else if (sim_chance(w, 200) && *n + 140 < PKT_MAX)
		*n += sim_below(w, 140);
}

static void harm_by_replay(struct villain *v)
{
	struct world *w = v->a.w;
	const struct packet *k = w->history[sim_below(w, HISTORY)];
	struct tuple from;
	uint8_t p[PKT_MAX] = {0};
	size_t n;

	if (!k)
		return;
	n = k->len;
	from = k->from;
	memcpy(p, k->data, n);
	if (sim_chance(w, 500))
		mutate(v, p, &n);
	if (sim_chance(w, 300))
		from = some_tuple(v);
	else if (sim_chance(w, 300))
		from.port++;
	sim_send(&v->a, from,
		 sim_chance(w, 200) ? v->targets[sim_below(w, v->n_targets)]
				    : k->to,
		 p, n, 0);
}

static void harm_by_datagram(struct villain *v)
{
	struct world *w = v->a.w;
	uint8_t p[PKT_MAX] = {0};
	struct tuple from = some_tuple(v);
	struct view view;
	size_t n;

	if (sim_chance(w, 200)) {
		n = sim_below(w, 200);
		sim_fill(w, p, n);
	} else {
		n = some_packet(v, p);
	}
	view_read(&view, p, n);
	if (view.ip && sim_chance(w, 500)) { /* make outer and inner agree */
		from.ip = ~be32(view.ip->src.b + 12);
		from.port = (uint16_t)~be16(view.ip->src.b + 10);
	}
	sim_send(&v->a, from, v->targets[sim_below(w, v->n_targets)], p, n, 0);
}

/* All that can be overheard is right; the value is not. */
static size_t forge_signature(struct villain *v, uint8_t *p)
{
	const struct secret *s = v->asked->conf.secret;
	size_t n = 4 + (size_t)s->id_len;

	p[2] = s->id_len;
	p[3] = hmac_len(s->algorithm);
	memcpy(p + 4, s->id, s->id_len);
	sim_fill(v->a.w, p + n, p[3]);
	n += p[3];
	memcpy(p + n, v->asked->nonce[0], 8);
	p[n + 8] = 0;
	return n + 9;
}

/*
 * An advertisement as a server would send it, with another origin; all it lacks
 * is the nonce.
 */
static size_t forge_advertisement(struct villain *v, uint8_t *p)
{
	struct world *w = v->a.w;
	struct wire_origin *o;
	struct wire_ra *ra;
	size_t n = 0;

	if (sim_chance(w, 700)) {
		memset(p, 0, 13);
		p[1] = 1;
		sim_fill(w, p + 4, 8);
		n = 13;
		if (v->spies)
			n = forge_signature(v, p);
	}
	o = (void *)(p + n);
	wire_put_origin(o, some_tuple(v));
	ra = (void *)(o + 1);
	memset(ra, 0, sizeof(*ra));
	wire_put_ip6(&ra->ip, sizeof(*ra) - IP6_LEN, NEXT_ICMPV6, 255,
		     &v->native, v->victim);
	teredo_link_local(&ra->ip.src, FLAG_CONE,
			  (struct tuple){v->servers[0], TEREDO_PORT});
	some_ip6(v, &ra->ip.dst);
	if (v->asked)
		teredo_link_local(&ra->ip.dst, v->asked->flags,
				  v->asked->local);
	ra->type = ICMP6_ROUTER_ADVERTISEMENT;
	ra->prefix.type = 3;
	ra->prefix.len = 4;
	ra->prefix.prefix_len = 64;
	put32(ra->prefix.prefix.b, TEREDO_PREFIX);
	put32(ra->prefix.prefix.b + 4, v->servers[0]);
	ra->mtu.type = 5;
	ra->mtu.len = 1;
	put16(ra->csum, csum_ip6(&ra->ip, NEXT_ICMPV6));
	return n + sizeof(*o) + sizeof(*ra);
}

/* As if from the server or from a peer of a client. */
static void harm_a_client(struct villain *v)
{
	struct world *w = v->a.w;
	struct tuple from = {v->servers[sim_below(w, 2)], TEREDO_PORT};
	struct ip6 src;
	uint8_t p[PKT_MAX] = {0}, data[16];
	size_t n;

	some_ip6(v, &src);
	sim_fill(w, data, sizeof(data));
	switch (v->asked ? 0 : sim_below(w, 4)) {
	case 0:
		n = forge_advertisement(v, p);
		break;
	case 1: /* a bubble of an invented relay */
		wire_put_origin((void *)p, some_tuple(v));
		n = 8 + pkt_bubble(p + 8, &src, v->victim,
				   sim_chance(w, 500) ? be32(data) : 0);
		break;
	case 2: /* an answer to a test that was, or was not */
		n = pkt_echo(p, &v->native, v->victim, ICMP6_ECHO_REPLY, data);
		from = some_tuple(v);
		break;
	default:
		n = some_packet(v, p);
		from = some_tuple(v);
	}
	sim_send(&v->a, from, v->targets[0], p, n, 0);
}

static void harm_from_ip6(struct villain *v)
{
	uint8_t p[PKT_MAX];
	size_t n = some_packet(v, p);

	if (p[0] >> 4 == 6 && n == IP6_LEN + (size_t)be16(p + 4))
		sim_send_ip6(&v->a, p, n, 0);
}

static uint64_t villain_next(const struct actor *a)
{
	const struct villain *v = villain(a);

	return v->due < v->stop ? v->due : NEVER;
}

static void villain_timer(struct actor *a)
{
	struct villain *v = villain(a);

	switch (v->asked ? 3 : sim_below(a->w, v->servers[0] ? 4 : 3)) {
	case 3:
		harm_a_client(v);
		break;
	case 0:
		harm_by_replay(v);
		break;
	case 1:
		harm_by_datagram(v);
		break;
	default:
		harm_from_ip6(v);
	}
	v->due = a->w->now + MS(1 + sim_below(a->w, 30));
}

void villain_init(struct villain *v, struct world *w)
{
	v->a.name = "villain";
	v->a.n_ip = 1;
	v->a.ip[0] = IP(9, 0, 6, 6);
	v->a.next = villain_next;
	v->a.timer = villain_timer;
	v->due = w->now;
	v->stop = NEVER;
	world_add(w, &v->a);
}
