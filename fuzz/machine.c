/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw bytes alone would hardly ever get past the first checks, so most
 * operations build a packet that is right but for what the script bends: who
 * sends it, from where, to whom, and a byte of it now and then. Addresses come
 * from a short list of good and bad ones, so that packets meet.
 *
 * Each packet lies in memory of its own, to the byte: what is read beyond its
 * end is found.
 */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "csum.h"
#include "fuzz.h"
#include "pkt.h"
#include "twin.h"

enum {
	MAX_OPS = 512,
	MANY = 0xf8, /* operations from here on are about many at once */
	PRIMARY = 0x09000002,
	SECONDARY = 0x09000003,
	FOREIGN = 0x0d000001 /* another server */
};

struct machine_state {
	struct script s;
	struct node node;
	struct outbox out;
	struct audit audit;
	struct node_conf conf;
	uint64_t now;
	void *mem;
	struct secret secrets[2];
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

static struct teredo some_client(struct machine_state *m)
{
	static const struct teredo odd[] = {
		{0, PRIMARY, 0, {0x0a000001, 4000}},    /* private */
		{0, PRIMARY, 0, {PRIMARY, 3544}},       /* us */
		{0, 0x7f000001, 0, {0x0c000001, 4000}}, /* bad server */
		{0, PRIMARY, 0, {0x0c000001, 0}},
		{0, PRIMARY, 0, {0xe0000001, 4000}},
		{0, FOREIGN, 0, {0x090000ff, 4000}}, /* broadcast */
		{0, 0, 0, {0xcb007101, 4000}},
		{0, SECONDARY, 0, {SECONDARY, 3544}},
	};
	uint8_t k = script_u8(&m->s);
	struct teredo t = {0, k & 0x40 ? FOREIGN : PRIMARY, 0, {0, 0}};

	if ((k & 0x38) == 0x38)
		t = odd[k & 7];
	else
		t.client = (struct tuple){0x0c000000 + (k & 31) + 1,
					  (uint16_t)(4000 + (k & 31))};
	if (k & 0x80)
		t.flags = 0x8000;
	t.prefix = TEREDO_PREFIX;
	return t;
}

static void some_native(struct machine_state *m, struct ip6 *a)
{
	uint8_t k = script_u8(&m->s);
	uint32_t v4 = k & 8 ? PRIMARY : 0x0a000001;

	*a = (struct ip6){{0x2a, 0, 0, 1, 0, k & 7, [15] = 1}};
	switch (k >> 4) {
	case 1:
		put16(a->b, 0x2002);
		put32(a->b + 2, v4);
		break;
	case 2:
		put32(a->b + 8, 0x00005efe);
		put32(a->b + 12, v4);
		break;
	case 3:
		*a = (struct ip6){{0xfe, 0x80, [15] = k & 7}};
		break;
	case 4:
		*a = (struct ip6){{0xff, 2, [15] = 2}};
		break;
	case 5:
		*a = m->node.self.source;
		break;
	case 6:
		teredo_link_local(a, FLAG_CONE,
				  (struct tuple){PRIMARY, TEREDO_PORT});
		break;
	case 7:
		*a = (struct ip6){{0}};
		break;
	}
}

static enum door some_door(uint8_t k)
{
	return (enum door)(k % 3);
}

/* --- input --- */

static void carry_out(struct machine_state *m)
{
	outbox_clear(&m->out);
}

static void time_passes(struct machine_state *m)
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

static uint8_t *exact(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, p, n);
	return copy;
}

/* Does the script go on with the same datagram, nearly? */
static bool again_is_next(const struct machine_state *m);

static void give_ip4(struct machine_state *m, struct datagram d,
		     const uint8_t *p, size_t n)
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

static void give_ip6(struct machine_state *m, const uint8_t *p, size_t n)
{
	uint8_t *copy = exact(p, n);

	audit_ip6(&m->audit, copy, (uint16_t)n, m->now, &m->out);
	carry_out(m);
	free(copy);
}

static size_t raw(struct machine_state *m, uint8_t *p)
{
	size_t n = script_u16(&m->s) % (PKT_MAX - 300);

	if (n > m->s.n && n > 200)
		n = 200;
	for (size_t i = 0; i < n; i++)
		p[i] = script_u8(&m->s);
	return n;
}

/* How a packet is bent: a byte of how says what, more bytes say where. */
static size_t bend(struct machine_state *m, uint8_t *p, size_t n, uint8_t how)
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
		memset(p, 0, 2);
		n += 8;
	}
	return n;
}

/* Something longer than its headers, of a length the script chooses. */
static size_t stretch(struct machine_state *m, uint8_t *p, size_t n)
{
	size_t len = IP6_LEN + script_u16(&m->s) % 1500;

	if (len < n)
		return n;
	memset(p + n, 0x5a, len - n);
	put16(p + 4, (uint16_t)(len - IP6_LEN));
	return len;
}

static size_t some_packet(struct machine_state *m, uint8_t *p, uint8_t kind,
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
	case 4:
		return stretch(m, p, pkt_app(p, src, dst, APP_REQUEST, 9));
	case 5: /* extension headers of the script's choice */
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
	return pkt_bubble(p, src, dst, 0);
}

/* --- operations --- */

static void op_raw_ip4(struct machine_state *m)
{
	uint8_t p[PKT_MAX], k = script_u8(&m->s);
	struct datagram d = {.door = some_door(k), .ecn = k >> 6};

	d.from.ip = k & 4 ? script_u32(&m->s) : 0x0c000001;
	d.from.port = k & 8 ? script_u16(&m->s) : 4000;
	give_ip4(m, d, p, raw(m, p));
}

static void op_raw_ip6(struct machine_state *m)
{
	uint8_t p[PKT_MAX];

	give_ip6(m, p, raw(m, p));
}

/* From a client, by its own tuple or nearly so. */
static void op_client(struct machine_state *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct teredo t = some_client(m), to;
	struct datagram d = {.from = t.client, .ecn = kind >> 6};
	struct ip6 src, dst;

	teredo_pack(&src, &t);
	if (how & 0x80) {
		to = some_client(m);
		teredo_pack(&dst, &to);
	} else {
		some_native(m, &dst);
	}
	d.door = some_door(how >> 5 & 3);
	if (how & 0x10)
		d.from.port ^= script_u8(&m->s);
	give_ip4(m, d, p, bend(m, p, some_packet(m, p, kind, &src, &dst), how));
}

/* From a foreign relay or a client to a client, by way of our server. */
static void op_stranger(struct machine_state *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct teredo t = some_client(m);
	struct datagram d = {.from = {0x0e000001, 3545}};
	struct ip6 src, dst;

	teredo_pack(&dst, &t);
	some_native(m, &src);
	give_ip4(m, d, p, bend(m, p, some_packet(m, p, kind, &src, &dst), how));
}

static size_t put_auth(struct machine_state *m, uint8_t *p, uint8_t how)
{
	const struct secret *s = &m->secrets[how & 1];
	uint8_t len = hmac_len(s->algorithm);

	if (how & 0x40) {
		memset(p, 0, 13);
		p[1] = 1;
		return 13;
	}
	p[0] = 0;
	p[1] = 1;
	p[2] = s->id_len;
	p[3] = len;
	memcpy(p + 4, s->id, s->id_len);
	memset(p + 4 + s->id_len, 0, (size_t)len + 9);
	return (size_t)4 + s->id_len + len + 9;
}

static void op_solicit(struct machine_state *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s), bends = script_u8(&m->s);
	struct teredo t = some_client(m);
	struct datagram d = {.from = t.client, .door = some_door(how >> 1 & 1)};
	size_t auth = how & 0x80 ? put_auth(m, p, how) : 0, n;
	struct ip6 ll;

	teredo_link_local(&ll, t.flags, t.client);
	n = auth + pkt_rs(p + auth, &ll, NULL);
	if (auth > 13) {
		const struct secret *s = &m->secrets[how & 1];
		size_t value = (size_t)4 + s->id_len;
		size_t nonce = value + hmac_len(s->algorithm);

		auth_sign(s, p + nonce, n - nonce, p + value);
	}
	give_ip4(m, d, p, bend(m, p, n, bends & 0x40 ? bends : 0));
}

/* From the IPv6 side, to a client. */
static void op_tunnel(struct machine_state *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s);
	struct teredo t = some_client(m);
	struct ip6 src, dst;

	teredo_pack(&dst, &t);
	some_native(m, &src);
	give_ip6(m, p, some_packet(m, p, kind, &src, &dst));
}

/* Many clients that nobody has heard of. */
static void op_flood(struct machine_state *m)
{
	uint8_t p[PKT_MAX], n = script_u8(&m->s) % 100;
	uint16_t base = script_u16(&m->s);
	struct ip6 src = {{0x2a, 0, 0, 9}}, dst;

	while (n--) {
		struct teredo t = {TEREDO_PREFIX,
				   FOREIGN,
				   0,
				   {0x0f000000u + base++, 4000}};

		src.b[6] = n;
		teredo_pack(&dst, &t);
		give_ip6(m, p, pkt_app(p, &src, &dst, APP_REQUEST, n));
	}
}

/* The answer of a client behind a symmetric NAT. */
static void op_nonce(struct machine_state *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	const struct ip6 *src = &m->audit.last_client;
	struct ip6 dst =
		how & 0x20 ? m->audit.last_source : m->node.self.source;
	struct datagram d = {.door = m->conf.relay.door};
	uint32_t nonce = m->audit.last_nonce;

	d.from.ip = ~be32(src->b + 12);
	d.from.port = (uint16_t)(~be16(src->b + 10) ^ (how & 15));
	if (how & 0x40)
		nonce ^= 1u << (how & 15);
	give_ip4(m, d, p, pkt_bubble(p, src, &dst, how & 0x80 ? 0 : nonce));
}

/* The last datagram once more, but for a byte. */
static void op_again(struct machine_state *m)
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

static void op_time(struct machine_state *m)
{
	static const uint64_t ms[] = {0,     1,      100,    1000,
				      1999,  2000,   2050,   2250,
				      8200,  29999,  30000,  30001,
				      60000, 299999, 300001, 3600000};

	m->now += ms[script_u8(&m->s) % 16] * NS_PER_MS;
}

/* The host gets another address, loses one, or its administrator a whim. */
static void op_host(struct machine_state *m)
{
	struct self *self = &m->node.self;
	uint8_t k = script_u8(&m->s);

	switch (k % 4) {
	case 0:
		self->has_source = !self->has_source;
		break;
	case 1:
		self->n_ip4 = self->n_ip4 == 3 ? 2 : 3;
		self->ip4[2].ip = 0x0c000000 + (k >> 3);
		self->ip4[2].len = k & 0x80 ? 24 : 32;
		break;
	case 2:
		m->node.gate.n_deny = !m->node.gate.n_deny;
		m->node.gate.deny[0] =
			(struct ip4_prefix){0x0c000000, (uint8_t)(24 + k % 8)};
		m->node.gate.deny[0].ip += (uint32_t)1 << (8 - k % 8);
		break;
	default:
		self->source.b[15] = k;
		self->ip6[0] = self->source;
	}
}

/* One of a train: as the others are, nearly so, or something else. */
static void vary(struct machine_state *m, uint8_t *p, size_t n)
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
	}
}

/* A client, or somebody else by way of its tuple, sends many. */
static void op_train(struct machine_state *m)
{
	uint8_t p[PKT_MAX], car[PKT_MAX], kind = script_u8(&m->s);
	uint8_t how = script_u8(&m->s), count = script_u8(&m->s) % 32;
	struct teredo t = some_client(m);
	struct datagram d = {.door = some_door(how >> 5 & 3),
			     .from = t.client,
			     .ecn = kind >> 6};
	struct ip6 src, dst;
	size_t n;

	teredo_pack(&src, &t);
	some_native(m, &dst);
	n = bend(m, p, some_packet(m, p, kind, &src, &dst), how & 12);
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

/* The kernel's header and a packet from the IPv6 side, to a client. */
static size_t put_super(struct machine_state *m, uint8_t *p)
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
	struct teredo t = some_client(m);
	struct ip6 src, dst;

	teredo_pack(&dst, &t);
	some_native(m, &src);
	memcpy(p, &v, sizeof(v));
	p += sizeof(v);
	len += is_tcp ? 20 : 8;
	memset(p, 0x5a, IP6_LEN + len);
	wire_put_ip6((void *)p, (uint16_t)len, is_tcp ? NEXT_TCP : NEXT_UDP, 64,
		     &src, &dst);
	p[IP6_LEN + 12] = 5 << 4;
	return sizeof(v) + IP6_LEN + len;
}

static void op_super(struct machine_state *m)
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

static void (*const ops[])(struct machine_state *m) = {
	op_raw_ip4, op_raw_ip6, op_client, op_stranger, op_solicit, op_tunnel,
	op_flood,   op_nonce,   op_again,  op_time,     op_host,    op_client,
	op_tunnel,  op_tunnel,  op_client, op_time,
};

/* Inputs of before there were many at once mean what they meant. */
static void (*op_of(uint8_t k))(struct machine_state *m)
{
	if (k >= MANY)
		return k & 1 ? op_train : op_super;
	return ops[k % (sizeof(ops) / sizeof(ops[0]))];
}

static bool again_is_next(const struct machine_state *m)
{
	return m->s.n && op_of(*m->s.p) == op_again;
}

/* --- set-up --- */

static void set_server(struct machine_state *m, uint8_t bits)
{
	struct server_conf *c = &m->conf.server;

	for (int i = 0; i < 2; i++) {
		struct secret *s = &m->secrets[i];

		s->id_len = (uint8_t)(3 + i);
		memcpy(s->id, "alice", s->id_len);
		s->algorithm = i ? HMAC_SHA256 : HMAC_SHA1;
		s->key_len = 6;
		memcpy(s->key, "secret", 6);
		s->renew = i;
	}
	*c = (struct server_conf){.primary = PRIMARY,
				  .secondary = SECONDARY,
				  .mtu = TEREDO_MTU,
				  .own_clients_only = bits & 1,
				  .strict_ports = bits & 2,
				  .require_secret = bits & 4,
				  .n_secrets = bits & 8 ? 2 : 0,
				  .secrets = m->secrets,
				  .per_address = {bits & 16 ? 50 : 0, 100},
				  .per_network = {bits & 16 ? 60 : 0, 120}};
}

static void set_relay(struct machine_state *m, uint8_t bits, uint8_t more)
{
	struct relay_conf *c = &m->conf.relay;

	*c = relay_defaults;
	c->max_peers = PEERS_MIN;
	c->max_held = HELD_MIN;
	c->host_only = bits & 1;
	c->direct_bubbles = bits & 2;
	c->accept_strangers = bits & 4;
	c->no_nonces = bits & 8;
	if (bits & 16)
		c->strangers = c->per_source = c->answers = (struct rate){0, 1};
	if (bits & 32)
		c->repeats = c->known = (struct rate){1, 2};
	if (bits & 64)
		c->errors = (struct rate){0, 1};
	if (bits & 128)
		c->mtu = INNER_MAX;
	if (more & 1) {
		c->n_served = 1;
		c->served[0] = (struct ip6_prefix){{{0x2a, 0, 0, 1}}, 45};
	}
	if (m->conf.is_server) {
		c->door = DOOR_PRIMARY;
		c->server = PRIMARY;
	}
}

static void set_host(struct machine_state *m, uint8_t more)
{
	struct self *self = &m->node.self;

	self->n_ip4 = 2;
	self->ip4[0].ip = PRIMARY;
	self->ip4[1].ip = SECONDARY;
	self->ip4[0].len = self->ip4[1].len = 24;
	self->source = (struct ip6){{0x2a, 0, 0, 3, [15] = 1}};
	self->ip6[0] = self->source;
	self->n_ip6 = 1;
	self->has_source = !(more & 2);
	m->node.gate.public_only = more & 4;
	if (more & 8) {
		m->node.gate.n_allow = 1;
		m->node.gate.allow[0] = (struct ip4_prefix){0x0a000000, 8};
	}
}

static void setup(struct machine_state *m, enum machine what)
{
	static const struct node_seed seed = {{{1}}, {{2}}, {{3}}};
	uint8_t server = script_u8(&m->s), relay = script_u8(&m->s);
	uint8_t more = script_u8(&m->s);
	size_t n;

	m->conf.prefix = TEREDO_PREFIX;
	m->conf.is_server = what & MACHINE_SERVER;
	m->conf.is_relay = what & MACHINE_RELAY;
	set_server(m, server);
	set_relay(m, relay, more);
	n = (node_memory(&m->conf) + 63) / 64 * 64;
	if (n) {
		m->mem = aligned_alloc(64, n);
		if (!m->mem)
			abort();
		memset(m->mem, 0, n);
	}
	node_init(&m->node, &m->conf, &seed, m->mem);
	set_host(m, more);
	outbox_init(&m->out, &m->node.gate);
	audit_init(&m->audit, &m->node);
	twin_init(m->twin, &m->node, m->mem, n);
	m->audit.walk_every = 16;
	m->now = 1000 * NS_PER_S;
}

void machine_run(enum machine what, const uint8_t *data, size_t size)
{
	static struct machine_state m;
	static struct twin twin; /* too much to clear each time */

	memset(&m, 0, sizeof(m));
	m.twin = &twin;
	m.s = (struct script){data, size};
	setup(&m, what);
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
