/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around a client, as bytes tell it. The script cannot guess nonces,
 * so what the client sent last is kept here: an answer can be right but for
 * what the script bends. See machine.c for how packets are built.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "auth.h"
#include "csum.h"
#include "fuzz.h"
#include "machine.h"
#include "pkt.h"
#include "twin.h"

enum {
	MAX_OPS = 512,
	MANY = 0xf8, /* operations from here on are about many at once */
	TEST_DATA = TEST_NONCE_LEN,
};

static const uint32_t server_ip[4] = {0x09000002, 0x09000003, 0x09000402,
				      0x09000403};

struct asked {
	struct datagram from; /* where an answer comes from, and to */
	struct ip6 ll;
	uint8_t nonce[AUTH_NONCE_LEN];
	bool is_signed;
};

struct world_state {
	struct script s;
	struct node node;
	struct outbox out;
	struct audit audit;
	struct node_conf conf;
	uint64_t now;
	void *mem;
	struct secret secret;
	struct tuple local;
	struct asked asked; /* last solicitation */
	struct ip6 tested;  /* last connectivity test */
	uint8_t test[TEST_DATA];
	struct ip6 called, call_src; /* last indirect bubble */
	uint32_t call_nonce;
	uint8_t last[PKT_MAX]; /* datagram, for bending */
	size_t last_len;
	struct datagram last_head;
	struct twin *twin;
	bool is_train; /* what is given now */
};

_Noreturn void audit_failed(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

/* --- who and where --- */

static const struct ip6 *own(const struct world_state *m)
{
	static const struct ip6 none = {{0x20, 1, [15] = 7}};
	const struct client_status *s = &m->node.client.status;

	return s->n ? &s->address[0] : &none;
}

static struct tuple some_mapping(struct world_state *m)
{
	static const struct tuple v[] = {
		{0x0b000001, 5000}, {0x0b000001, 5001}, {0x0b000002, 5000},
		{0xc0a80105, 5000}, {0x0a000001, 5000}, {0x09000002, 3544},
		{0x0b000001, 0},    {0xe0000001, 1},
	};
	uint8_t k = script_u8(&m->s);

	/* Mostly good ones. */
	return v[k & 0x80 ? k % 8 : k % 3];
}

static struct tuple some_relay(struct world_state *m)
{
	static const struct tuple v[] = {
		{0x0e000001, 3545}, {0x0e000002, 3545}, {0x0e000003, 3545},
		{0x0e000003, 3546}, {0x09000002, 3544}, {0xc0a80109, 4000},
		{0x7f000001, 3545}, {0x0b000001, 5000},
	};

	return v[script_u8(&m->s) % 8];
}

/* Another client; one of 32, or an odd one. */
static struct teredo some_client(struct world_state *m)
{
	static const struct teredo odd[] = {
		{0, 0x09000002, 0, {0x0a000001, 4000}}, /* private */
		{0, 0x09000002, 0, {0x0b000001, 5000}}, /* us */
		{0, 0x7f000001, 0, {0x0c000001, 4000}}, /* bad server */
		{0, 0x09000002, 0, {0x0c000001, 0}},
		{0, 0x09000002, 0, {0xe0000001, 4000}},
		{0, 0x0b000001, 0, {0x0c000002, 4000}}, /* we as server */
		{0, 0x09000002, 0, {0x09000002, 3544}}, /* the server */
		{0, 0, 0, {0xcb007101, 4000}},
	};
	uint8_t k = script_u8(&m->s);
	struct teredo t = {0, k & 0x40 ? 0x0d000001 : 0x09000002, 0, {0, 0}};

	if ((k & 0x38) == 0x38)
		t = odd[k & 7];
	else
		t.client = (struct tuple){0x0c000000 + (k & 31) + 1,
					  (uint16_t)(4000 + (k & 31))};
	if (k & 0x80)
		t.flags = 0x1234;
	t.prefix = TEREDO_PREFIX;
	return t;
}

static void some_native(struct world_state *m, struct ip6 *a)
{
	uint8_t k = script_u8(&m->s);

	*a = (struct ip6){{0x2a, 0, 0, 1, 0, k & 15, [15] = 1}};
	switch (k >> 4) {
	case 1: /* 6to4 of ours, of a private one */
		put16(a->b, 0x2002);
		put32(a->b + 2, k & 8 ? 0x0b000001 : 0x0a000001);
		break;
	case 2:
		put32(a->b + 8, 0x00005efe);
		put32(a->b + 12, k & 8 ? 0xc0a80105 : 0x0b000001);
		break;
	case 3:
		*a = (struct ip6){{0xfe, 0x80, [15] = k & 15}};
		break;
	case 4:
		*a = (struct ip6){{0xff, 2, [15] = 2}};
		break;
	case 5:
		*a = *own(m);
		break;
	case 6:
		*a = (struct ip6){{0}};
		break;
	case 7:
		*a = m->node.self.ip6[0];
		break;
	}
}

/* A peer of either kind. */
static void some_peer(struct world_state *m, struct ip6 *a, uint8_t kind)
{
	struct teredo t;

	if (kind & 0x80) {
		some_native(m, a);
		return;
	}
	t = some_client(m);
	teredo_pack(a, &t);
}

/* --- what the client does --- */

static void note_output(struct world_state *m, const struct out *o)
{
	uint8_t p[PKT_MAX];
	struct view v;
	size_t n = (size_t)o->head_len + o->body_len;
	const uint8_t *u;

	memcpy(p, o->head, o->head_len);
	if (o->body_len)
		memcpy(p + o->head_len, o->body, o->body_len);
	view_read(&v, p, n);
	u = ip6_payload(v.ip);
	if (v.ip->next == NEXT_ICMPV6 && u[0] == ICMP6_ROUTER_SOLICITATION) {
		m->asked.from =
			(struct datagram){.door = o->door, .from = o->to};
		m->asked.ll = v.ip->src;
		memcpy(m->asked.nonce, v.nonce, AUTH_NONCE_LEN);
		return;
	}
	if (v.ip->next == NEXT_ICMPV6 && u[0] == ICMP6_ECHO_REQUEST &&
	    v.len == IP6_LEN + 8 + TEST_DATA) {
		m->tested = v.ip->dst;
		memcpy(m->test, u + 8, TEST_DATA);
	}
	if (view_is_bubble(&v) && o->to.port == TEREDO_PORT) {
		m->called = v.ip->dst;
		m->call_src = v.ip->src;
		m->call_nonce = view_trailer(&v);
	}
}

static void carry_out(struct world_state *m)
{
	for (unsigned i = 0; i < m->out.n; i++) {
		if (m->out.v[i].kind == OUT_UDP)
			note_output(m, &m->out.v[i]);
	}
	outbox_clear(&m->out);
}

static void time_passes(struct world_state *m)
{
	if (node_next(&m->node) <= m->now)
		twin_settle(m->twin);
	for (int n = 0; node_next(&m->node) <= m->now; n++) {
		if (n > 10000)
			audit_failed("I9: no end of deadlines");
		audit_timeout(&m->audit, m->now, &m->out);
		carry_out(m);
	}
}

/* --- input --- */

static uint8_t *exact(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, p, n);
	return copy;
}

/* Does the script go on with the same datagram, nearly? */
static bool again_is_next(const struct world_state *m);

static void give_ip4(struct world_state *m, struct datagram d, const uint8_t *p,
		     size_t n)
{
	uint8_t *copy = exact(p, n);

	memmove(m->last, p, n);
	m->last_len = n;
	m->last_head = d;
	d.data = copy;
	d.len = (uint16_t)n;
	twin_before(m->twin, &d, m->is_train || again_is_next(m), m->now);
	audit_ip4(&m->audit, &d, m->now, &m->out);
	twin_behind(m->twin, &m->out);
	carry_out(m);
	free(copy);
}

static void give_ip6(struct world_state *m, const uint8_t *p, size_t n)
{
	uint8_t *copy = exact(p, n);

	audit_ip6(&m->audit, copy, (uint16_t)n, m->now, &m->out);
	carry_out(m);
	free(copy);
}

static size_t raw(struct world_state *m, uint8_t *p)
{
	size_t n = script_u16(&m->s) % (PKT_MAX - 300);

	if (n > m->s.n && n > 200)
		n = 200;
	for (size_t i = 0; i < n; i++)
		p[i] = script_u8(&m->s);
	return n;
}

/* A byte says how a packet is bent, more bytes say where. */
static size_t bend(struct world_state *m, uint8_t *p, size_t n, uint8_t how)
{
	if (how & 1 && n)
		p[script_u8(&m->s) % n] ^= script_u8(&m->s);
	if (how & 2 && n)
		n -= script_u8(&m->s) % n;
	if (how & 4) {
		size_t tail = script_u8(&m->s) % 140;

		for (size_t i = 0; i < tail; i++)
			p[n++] = script_u8(&m->s);
	}
	if (how & 8) { /* an origin block in front */
		memmove(p + 8, p, n);
		wire_put_origin((void *)p, some_relay(m));
		n += 8;
	}
	return n;
}

static size_t some_packet(struct world_state *m, uint8_t *p, uint8_t kind,
			  const struct ip6 *src, const struct ip6 *dst)
{
	static const uint8_t data[8] = "payload";
	size_t n;

	switch (kind & 7) {
	case 0:
		return pkt_app(p, src, dst, APP_REQUEST, 7);
	case 1:
		return pkt_echo(p, src, dst, ICMP6_ECHO_REQUEST, data);
	case 2:
		return pkt_echo(p, src, dst, ICMP6_ECHO_REPLY, data);
	case 3:
		return pkt_echo(p, src, dst, script_u8(&m->s), data);
	case 4: /* of a length that the script chooses */
		n = IP6_LEN + script_u16(&m->s) % 1500;
		memset(p, 0x5a, n);
		wire_put_ip6((void *)p, (uint16_t)(n - IP6_LEN), 17, 64, src,
			     dst);
		return n;
	case 5: /* extension headers */
		n = pkt_app(p, src, dst, APP_REPLY, 1);
		p[6] = script_u8(&m->s) % 61;
		p[40] = script_u8(&m->s) % 61;
		p[41] = script_u8(&m->s) % 3;
		return n;
	case 6:
		n = pkt_app(p, src, dst, APP_REQUEST, 8);
		p[7] = script_u8(&m->s); /* hop limit */
		p[1] = script_u8(&m->s); /* ECN */
		return n;
	}
	return pkt_bubble(p, src, dst, script_u8(&m->s));
}

/* --- operations --- */

static void op_raw_ip4(struct world_state *m)
{
	uint8_t p[PKT_MAX], k = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE + k % 3, .ecn = k >> 6};

	d.from = k & 8 ? some_relay(m)
		       : (struct tuple){server_ip[k >> 4 & 3], TEREDO_PORT};
	give_ip4(m, d, p, raw(m, p));
}

static void op_raw_ip6(struct world_state *m)
{
	uint8_t p[PKT_MAX];

	give_ip6(m, p, raw(m, p));
}

/* Room for the block, and what is to be filled in when all is written. */
static size_t put_auth(struct world_state *m, uint8_t *p, uint8_t **value)
{
	const struct secret *s = m->conf.client.secret;
	size_t n = 4;

	p[0] = 0;
	p[1] = 1;
	p[2] = s ? s->id_len : 0;
	p[3] = s ? hmac_len(s->algorithm) : 0;
	if (s)
		memcpy(p + n, s->id, s->id_len);
	n += p[2];
	*value = p + n;
	n += p[3];
	memcpy(p + n, m->asked.nonce, AUTH_NONCE_LEN);
	n += AUTH_NONCE_LEN;
	p[n++] = script_u8(&m->s) & 1;
	return n;
}

static size_t put_advertisement(struct world_state *m, uint8_t *p,
				uint32_t server)
{
	struct wire_ra *ra = (void *)p;

	memset(ra, 0, sizeof(*ra));
	wire_put_ip6(&ra->ip, sizeof(*ra) - IP6_LEN, NEXT_ICMPV6, 255,
		     &m->asked.ll, &m->asked.ll);
	teredo_link_local(&ra->ip.src, FLAG_CONE,
			  (struct tuple){server, TEREDO_PORT});
	ra->type = ICMP6_ROUTER_ADVERTISEMENT;
	ra->prefix.type = 3;
	ra->prefix.len = 4;
	ra->prefix.prefix_len = 64;
	put32(ra->prefix.prefix.b, TEREDO_PREFIX);
	put32(ra->prefix.prefix.b + 4, server);
	ra->mtu.type = 5;
	ra->mtu.len = 1;
	put16(ra->csum, csum_ip6(&ra->ip, NEXT_ICMPV6));
	return sizeof(*ra);
}

/* The server answers what it was asked last; rightly, unless bent. */
static void op_advertise(struct world_state *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s), bends = 0;
	struct datagram d = m->asked.from;
	uint32_t server = d.from.ip & ~1u; /* 3 is the second of 2 */
	uint8_t *value = NULL;
	size_t n = 0, nonce;

	if (how & 0x80)
		bends = script_u8(&m->s);
	if (how & 0x40)
		d.from.ip ^= 1; /* from its other address */
	if (d.from.ip == 0)
		return;
	if (!(bends & 0x80))
		n = put_auth(m, p, &value);
	nonce = n - AUTH_NONCE_LEN - 1;
	wire_put_origin((void *)(p + n), some_mapping(m));
	n += ORIGIN_LEN;
	n += put_advertisement(m, p + n, server);
	if (value && m->conf.client.secret)
		auth_sign(m->conf.client.secret, p + nonce, n - nonce, value);
	give_ip4(m, d, p, bend(m, p, n, bends & 0x40 ? bends & 7 : 0));
}

/* From another client, by its own tuple or nearly so. */
static void op_client(struct world_state *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct teredo t = some_client(m);
	struct datagram d = {
		.door = DOOR_SERVICE, .from = t.client, .ecn = kind >> 6};
	struct ip6 src;

	teredo_pack(&src, &t);
	if (how & 0x10)
		d.from.port ^= script_u8(&m->s);
	if (how & 0x20)
		d.from = (struct tuple){0xc0a80100u + (script_u8(&m->s) & 15),
					4000};
	if (how & 0x40)
		d.door = DOOR_PROBE;
	give_ip4(m, d, p,
		 bend(m, p, some_packet(m, p, kind, &src, own(m)), how));
}

/* By way of the server: a bubble of a client or of a relay. */
static void op_by_server(struct world_state *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE,
			     .from = {server_ip[how >> 4 & 3], TEREDO_PORT}};
	struct ip6 src;
	size_t n;

	some_peer(m, &src, how);
	wire_put_origin((void *)p, some_relay(m));
	n = ORIGIN_LEN +
	    (kind & 0x40 ? some_packet(m, p + 8, kind, &src, own(m))
			 : pkt_bubble(p + 8, &src, own(m), script_u8(&m->s)));
	give_ip4(m, d, p, bend(m, p, n, how & 7));
}

/* From a native host by way of a relay. */
static void op_relay(struct world_state *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE, .ecn = kind >> 6};
	struct ip6 src;

	d.from = some_relay(m);
	some_native(m, &src);
	give_ip4(m, d, p,
		 bend(m, p, some_packet(m, p, kind, &src, own(m)), how));
}

/* The answer to the last connectivity test. */
static void op_pong(struct world_state *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE};
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *h = (void *)(ip + 1);
	size_t n = IP6_LEN + 8 + TEST_DATA;

	d.from = some_relay(m);
	wire_put_ip6(ip, 8 + TEST_DATA, NEXT_ICMPV6, 60, &m->tested, own(m));
	*h = (struct wire_icmp6){.type = ICMP6_ECHO_REPLY};
	memcpy(h + 1, m->test, TEST_DATA);
	put16(h->csum, csum_ip6(ip, NEXT_ICMPV6));
	give_ip4(m, d, p, bend(m, p, n, how & 0x80 ? how : 0));
}

/* Who was called by way of his server answers: by nonce, or by the source. */
static void op_answer(struct world_state *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE};
	uint32_t nonce = m->call_nonce;

	d.from.ip = ~be32(m->called.b + 12);
	d.from.port = (uint16_t)(~be16(m->called.b + 10) ^ (how & 7));
	if (how & 0x40)
		nonce ^= 1u << (how & 15);
	give_ip4(m, d, p,
		 pkt_bubble(p, &m->called, how & 0x20 ? &m->call_src : own(m),
			    how & 0x80 ? 0 : nonce));
}

/* From our host. */
static void op_host(struct world_state *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s);
	const struct client_status *s = &m->node.client.status;
	struct ip6 dst, src = *own(m);

	if (kind & 0x40 && s->n == 2)
		src = s->address[1];
	else if (kind & 0x20)
		some_native(m, &src);
	some_peer(m, &dst, kind);
	give_ip6(m, p, some_packet(m, p, kind, &src, &dst));
}

/* From many who do not know us. */
static void op_flood(struct world_state *m)
{
	uint8_t p[PKT_MAX], n = script_u8(&m->s) % 64, how = script_u8(&m->s);
	struct ip6 src = {{0x2a, 0, 0, 9}};
	struct datagram d = {.door = DOOR_SERVICE, .from = {0x0e000009, 3545}};

	while (n--) {
		struct teredo t = {TEREDO_PREFIX,
				   0x0d000001,
				   0,
				   {0x0f000000u + how * 64 + n, 4000}};

		if (how & 1) {
			src.b[6] = n;
		} else {
			teredo_pack(&src, &t);
			d.from = t.client;
		}
		if (how & 2)
			give_ip6(m, p,
				 pkt_app(p, own(m), &src, APP_REQUEST, n));
		else
			give_ip4(m, d, p,
				 pkt_app(p, &src, own(m), APP_REQUEST, n));
	}
}

static void op_discovery(struct world_state *m)
{
	static const struct ip6 all_nodes = {{0xff, 2, [15] = 1}};
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	struct teredo t = some_client(m);
	struct datagram d = {.door = how & 0x10 ? DOOR_SERVICE : DOOR_DISCOVERY,
			     .from = {0xc0a80100u + (how & 15), 4000}};
	struct ip6 src;

	teredo_pack(&src, &t);
	if (how & 0x20)
		d.from.ip = script_u32(&m->s);
	give_ip4(m, d, p,
		 bend(m, p, pkt_bubble(p, &src, &all_nodes, 0),
		      how & 0x40 ? how & 7 : 0));
}

/* The last datagram once more, but for a byte. */
static void op_again(struct world_state *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	size_t n = m->last_len;

	memcpy(p, m->last, n);
	if (how & 0x80)
		m->last_head.from.port++;
	if (n < PKT_MAX - 300)
		n = bend(m, p, n, how & 7);
	give_ip4(m, m->last_head, p, n);
}

static void op_time(struct world_state *m)
{
	static const uint64_t ms[] = {0,     1,      100,    999,
				      1050,  1350,   2000,   2050,
				      2250,  8200,   22500,  30000,
				      60000, 120000, 300001, 3600000};

	m->now += ms[script_u8(&m->s) % 16] * NS_PER_MS;
}

static void op_network(struct world_state *m)
{
	uint8_t k = script_u8(&m->s);
	struct tuple t = {0xc0a80105u + (k & 1), 5000};

	if (k % 4 == 3)
		t = (struct tuple){0, 0};
	else
		m->node.self.ip4[0].ip = t.ip;
	audit_network(&m->audit, t, m->now, &m->out);
	carry_out(m);
}

static void op_server(struct world_state *m)
{
	uint8_t k = script_u8(&m->s);
	unsigned i = k & 1;
	uint32_t a = server_ip[2 * i], b = server_ip[2 * i + 1];

	if (i >= m->conf.client.n_servers)
		return;
	switch (k >> 1 & 7) {
	case 0:
		a = b = 0; /* the look-up failed */
		break;
	case 1:
		a += 0x100; /* it has moved */
		b += 0x100;
		break;
	case 2:
		b = a;
		break;
	case 3:
		a = 0x0a000001;
		break;
	}
	audit_server(&m->audit, i, a, b, m->now, &m->out);
	carry_out(m);
}

static void op_want(struct world_state *m)
{
	uint8_t k = script_u8(&m->s);

	if (k & 2)
		audit_check(&m->audit, m->now, &m->out);
	else if (m->conf.is_relay)
		audit_native(&m->audit, k & 1, m->now, &m->out);
	else
		audit_want(&m->audit, k & 1, m->now, &m->out);
	carry_out(m);
}

static void op_rules(struct world_state *m)
{
	struct gate *g = &m->node.gate;
	uint8_t k = script_u8(&m->s);

	g->n_deny = k & 1;
	g->deny[0] = (struct ip4_prefix){k & 2 ? 0x0c000000 : 0x0e000000,
					 (uint8_t)(8 + k % 16)};
}

/* One of a train: as the others are, nearly so, or something else. */
static void vary(struct world_state *m, uint8_t *p, size_t n)
{
	uint8_t how = script_u8(&m->s);

	switch (how & 3) {
	case 0:
		p[script_u8(&m->s) % n] ^= script_u8(&m->s);
		break;
	case 1: /* a bubble, and a tail */
		memset(p + IP6_LEN, how, n - IP6_LEN);
		put16(p + 4, 0);
		p[6] = NEXT_NONE;
		break;
	case 2: /* somebody else by way of the same tuple */
		some_peer(m, &((struct wire_ip6 *)(void *)p)->src, how);
		break;
	}
}

/* A peer, or who is behind the same relay, sends many. */
static void op_train(struct world_state *m)
{
	uint8_t p[PKT_MAX], car[PKT_MAX], kind = script_u8(&m->s);
	uint8_t how = script_u8(&m->s), count = script_u8(&m->s) % 32;
	struct datagram d = {.door = DOOR_SERVICE, .ecn = kind >> 6};
	struct ip6 src;
	size_t n;

	some_peer(m, &src, how);
	if (how & 0x80) {
		d.from = some_relay(m);
	} else {
		d.from.ip = ~be32(src.b + 12);
		d.from.port = (uint16_t)~be16(src.b + 10);
	}
	n = bend(m, p, some_packet(m, p, kind, &src, own(m)), how & 12);
	m->is_train = true;
	while (count--) {
		memcpy(car, p, n);
		if (n > IP6_LEN && how & 1)
			vary(m, car, n);
		give_ip4(m, d, car, n);
	}
	if (how & 2)
		give_ip4(m, d, p, script_u8(&m->s) % n);
	m->is_train = false;
}

/* The kernel's header and a packet of our host. */
static size_t put_super(struct world_state *m, uint8_t *p)
{
	uint8_t kind = script_u8(&m->s);
	bool is_tcp = kind & 1;
	size_t len = script_u16(&m->s) % 8000;
	struct vnet v = {VNET_NEEDS_CSUM,
			 is_tcp ? VNET_TCP6 : VNET_UDP,
			 0,
			 (uint16_t)(200 + script_u8(&m->s) * 5),
			 IP6_LEN,
			 is_tcp ? 16 : 6};
	struct ip6 src = *own(m), dst;

	if (kind & 0x20)
		some_native(m, &src);
	some_peer(m, &dst, kind);
	memcpy(p, &v, sizeof(v));
	p += sizeof(v);
	len += is_tcp ? 20 : 8;
	memset(p, 0x5a, IP6_LEN + len);
	wire_put_ip6((void *)p, (uint16_t)len, is_tcp ? NEXT_TCP : NEXT_UDP, 64,
		     &src, &dst);
	p[IP6_LEN + 12] = 5 << 4;
	return sizeof(v) + IP6_LEN + len;
}

static void op_super(struct world_state *m)
{
	static uint8_t p[VNET_LEN + IP6_LEN + 8020], segment[PKT_MAX];
	struct super s;

	if (super_parse(&s, p, put_super(m, p)) != REASON_NONE)
		audit_failed("a right header is wrong");
	if (s.kind == SUPER_NONE)
		return;
	twin_super(m->twin, &s, m->now);
	for (unsigned i = 0; i < super_count(&s); i++) {
		size_t n = super_segment(&s, i, segment);

		audit_ip6(&m->audit, segment, (uint16_t)n, m->now, &m->out);
		twin_segment(m->twin, &m->out);
		carry_out(m);
	}
	twin_super_done(m->twin, &s);
}

static void (*const ops[])(struct world_state *m) = {
	op_raw_ip4,   op_raw_ip6, op_advertise, op_client,  op_by_server,
	op_relay,     op_pong,    op_answer,    op_host,    op_flood,
	op_discovery, op_again,   op_time,      op_network, op_server,
	op_want,      op_rules,   op_host,      op_time,    op_advertise,
};

/* Inputs of before there were many at once mean what they meant. */
static void (*op_of(uint8_t k))(struct world_state *m)
{
	if (k >= MANY)
		return k & 1 ? op_train : op_super;
	return ops[k % (sizeof(ops) / sizeof(ops[0]))];
}

static bool again_is_next(const struct world_state *m)
{
	return m->s.n && op_of(*m->s.p) == op_again;
}

/* --- set-up --- */

static void set_client(struct world_state *m, uint8_t bits, uint8_t more)
{
	struct client_conf *c = &m->conf.client;

	*c = client_defaults;
	m->secret =
		(struct secret){.id_len = 5,
				.key_len = 6,
				.algorithm = more & 1 ? HMAC_SHA256 : HMAC_SHA1,
				.id = "alice",
				.key = "secret"};
	c->n_servers = bits & 1 ? 2 : 1;
	c->learn_refresh = bits & 2;
	c->local_discovery = bits & 4;
	c->same_mapped_only = bits & 8;
	c->cone_first = bits & 16;
	c->no_symmetric = bits & 32;
	c->no_nonce_ok = bits & 64;
	c->secret = bits & 128 ? &m->secret : NULL;
	c->max_peers = more & 2 ? RECENT_MIN : 64;
	c->max_held = HELD_MIN;
	if (more & 4)
		c->bubbles = c->answers = c->tests = c->errors =
			(struct rate){1, 2};
	if (more & 8) {
		c->has_flags = true;
		c->flags = 0x1234;
		c->mapped = (struct tuple){0x0b000001, 5000};
		c->first_server = c->n_servers - 1;
	}
	m->conf.is_relay = more & 16;
	m->conf.relay = relay_defaults;
	m->conf.relay.door = DOOR_SERVICE;
	m->conf.relay.host_only = true;
	m->conf.relay.direct_bubbles = true;
	m->conf.relay.max_peers = PEERS_MIN;
	m->conf.relay.max_held = HELD_MIN;
	if (more & 32)
		c->strangers = (struct rate){1, 1};
}

static void set_host(struct world_state *m)
{
	struct self *self = &m->node.self;

	self->n_ip4 = 1;
	self->ip4[0].ip = m->local.ip;
	self->ip4[0].len = 24;
	self->n_ip6 = 1;
	self->ip6[0] = (struct ip6){{0x2a, 0, 0, 3, [15] = 1}};
	self->source = self->ip6[0];
	self->has_source = true;
	m->node.gate.public_only = true;
}

static void setup(struct world_state *m)
{
	static const struct node_seed seed = {{{1}}, {{2}}, {{3}}};
	uint8_t bits = script_u8(&m->s), more = script_u8(&m->s);
	size_t n;

	m->conf.prefix = TEREDO_PREFIX;
	m->conf.is_client = true;
	m->local = (struct tuple){0xc0a80105, 5000};
	set_client(m, bits, more);
	n = (node_memory(&m->conf) + 63) / 64 * 64;
	m->mem = aligned_alloc(64, n);
	if (!m->mem)
		abort();
	memset(m->mem, 0, n);
	node_init(&m->node, &m->conf, &seed, m->mem);
	set_host(m);
	outbox_init(&m->out, &m->node.gate);
	audit_init(&m->audit, &m->node);
	twin_init(m->twin, &m->node, m->mem, n);
	m->audit.walk_every = 16;
	m->now = 1000 * NS_PER_S;
	if (more & 64) /* the script begins before the network does */
		return;
	audit_network(&m->audit, m->local, m->now, &m->out);
	carry_out(m);
	for (unsigned i = 0; i < m->conf.client.n_servers; i++) {
		audit_server(&m->audit, i, server_ip[2 * i],
			     server_ip[2 * i + 1], m->now, &m->out);
		carry_out(m);
	}
}

void client_machine_run(const uint8_t *data, size_t size)
{
	static struct world_state m;
	static struct twin twin; /* too much to clear each time */

	memset(&m, 0, sizeof(m));
	m.twin = &twin;
	m.s = (struct script){data, size};
	setup(&m);
	for (int n = 0; m.s.n && n < MAX_OPS; n++) {
		if (!again_is_next(&m))
			twin_settle(m.twin);
		op_of(script_u8(&m.s))(&m);
		time_passes(&m);
	}
	twin_settle(m.twin);
	twin_free(m.twin);
	audit_walk(&m.audit);
	audit_free(&m.audit);
	free(m.mem);
}
