/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world around a server, a relay, or both in one process. */
#include "auth.h"
#include "machine.h"

enum {
	PRIMARY = 0x09000002,
	SECONDARY = 0x09000003,
	FOREIGN = 0x0d000001 /* another server */
};

static struct secret secrets[2];

/* --- who and where --- */

static struct teredo a_client(struct machine *m)
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

	return some_client(m, odd, 0x8000);
}

static void some_native(struct machine *m, struct ip6 *a)
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

static void to_client(struct machine *m, uint8_t how, struct ip6 *src,
		      struct ip6 *dst)
{
	struct teredo t = a_client(m);

	(void)how;
	teredo_pack(dst, &t);
	some_native(m, src);
}

static struct datagram from_client(struct machine *m, uint8_t how,
				   struct ip6 *src, struct ip6 *dst)
{
	struct teredo t = a_client(m);

	teredo_pack(src, &t);
	some_native(m, dst);
	return (struct datagram){.door = some_door(how >> 5 & 3),
				 .from = t.client};
}

static void other_client(struct machine *m, uint8_t how, struct ip6 *src)
{
	struct teredo t = a_client(m);

	(void)how;
	teredo_pack(src, &t);
}

static struct tuple a_relay(struct machine *m)
{
	(void)m;
	return (struct tuple){0x0e000001, 3545};
}

/* --- operations --- */

static void op_raw_ip4(struct machine *m)
{
	uint8_t p[PKT_MAX], k = script_u8(&m->s);
	struct datagram d = {.door = some_door(k), .ecn = k >> 6};

	d.from.ip = k & 4 ? script_u32(&m->s) : 0x0c000001;
	d.from.port = k & 8 ? script_u16(&m->s) : 4000;
	give_ip4(m, d, p, raw(m, p));
}

/* From a client, by its own tuple or nearly so. */
static void op_client(struct machine *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct teredo t = a_client(m), to;
	struct datagram d = {.from = t.client, .ecn = kind >> 6};
	struct ip6 src, dst;

	teredo_pack(&src, &t);
	if (how & 0x80) {
		to = a_client(m);
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
static void op_stranger(struct machine *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct teredo t = a_client(m);
	struct datagram d = {.from = {0x0e000001, 3545}};
	struct ip6 src, dst;

	teredo_pack(&dst, &t);
	some_native(m, &src);
	give_ip4(m, d, p, bend(m, p, some_packet(m, p, kind, &src, &dst), how));
}

static size_t put_auth(uint8_t *p, uint8_t how)
{
	const struct secret *s = &secrets[how & 1];
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

static void op_solicit(struct machine *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s), bends = script_u8(&m->s);
	struct teredo t = a_client(m);
	struct datagram d = {.from = t.client, .door = some_door(how >> 1 & 1)};
	size_t auth = how & 0x80 ? put_auth(p, how) : 0, n;
	struct ip6 ll;

	teredo_link_local(&ll, t.flags, t.client);
	n = auth + pkt_rs(p + auth, &ll, NULL);
	if (auth > 13) {
		const struct secret *s = &secrets[how & 1];
		size_t value = (size_t)4 + s->id_len;
		size_t nonce = value + hmac_len(s->algorithm);

		auth_sign(s, p + nonce, n - nonce, p + value);
	}
	give_ip4(m, d, p, bend(m, p, n, bends & 0x40 ? bends : 0));
}

/* From the IPv6 side, to a client. */
static void op_tunnel(struct machine *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s);
	struct teredo t = a_client(m);
	struct ip6 src, dst;

	teredo_pack(&dst, &t);
	some_native(m, &src);
	give_ip6(m, p, some_packet(m, p, kind, &src, &dst));
}

/* Many clients that nobody has heard of. */
static void op_flood(struct machine *m)
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
static void op_nonce(struct machine *m)
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

static const uint32_t steps[16] = {0,     1,      100,    1000,   1999,  2000,
				   2050,  2250,   8200,   29999,  30000, 30001,
				   60000, 299999, 300001, 3600000};

/* The host gets another address, loses one, or its administrator a whim. */
static void op_host(struct machine *m)
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

static machine_op *const ops[] = {
	op_raw_ip4, op_raw_ip6, op_client, op_stranger, op_solicit, op_tunnel,
	op_flood,   op_nonce,   op_again,  op_time,     op_host,    op_client,
	op_tunnel,  op_tunnel,  op_client, op_time,
};

/* --- set-up --- */

static void set_server(struct machine *m, uint8_t bits)
{
	struct server_conf *c = &m->conf.server;

	for (int i = 0; i < 2; i++) {
		struct secret *s = &secrets[i];

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
				  .secrets = secrets,
				  .per_address = {bits & 16 ? 50 : 0, 100},
				  .per_network = {bits & 16 ? 60 : 0, 120}};
}

static void set_relay(struct machine *m, uint8_t bits, uint8_t more)
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

static void set_host(struct machine *m, uint8_t more)
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

static void configure(struct machine *m)
{
	set_server(m, m->how[0]);
	set_relay(m, m->how[1], m->how[2]);
}

static void begin(struct machine *m)
{
	set_host(m, m->how[2]);
}

#define KIND                                                                   \
	.ops = ops, .n_ops = sizeof(ops) / sizeof(ops[0]), .steps = steps,     \
	.conf_bytes = 3, .configure = configure, .begin = begin,               \
	.outward = to_client, .inward = from_client, .other = other_client,    \
	.origin = a_relay

const struct machine_kind server_machine = {.is_server = true, KIND};
const struct machine_kind relay_machine = {.is_relay = true, KIND};
const struct machine_kind node_machine = {
	.is_server = true, .is_relay = true, KIND};
