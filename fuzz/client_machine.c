/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around a client, as bytes tell it. The script cannot guess nonces,
 * so what the client sent last is kept here: an answer can be right but for
 * what the script bends.
 */
#include "auth.h"
#include "csum.h"
#include "icmp6.h"
#include "machine.h"

enum {
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

static struct secret secret;
static const struct tuple local = {0xc0a80105, 5000};

/* What it sent last. */
static struct world {
	struct asked asked; /* solicitation */
	struct ip6 tested;  /* connectivity test */
	uint8_t test[TEST_DATA];
	struct ip6 called, call_src; /* indirect bubble */
	uint32_t call_nonce;
} w;

/* --- who and where --- */

static const struct ip6 *own(const struct machine *m)
{
	static const struct ip6 none = {{0x20, 1, [15] = 7}};
	const struct client_status *s = &m->node.client.status;

	return s->n ? &s->address[0] : &none;
}

static struct tuple some_mapping(struct machine *m)
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

static struct tuple some_relay(struct machine *m)
{
	static const struct tuple v[] = {
		{0x0e000001, 3545}, {0x0e000002, 3545}, {0x0e000003, 3545},
		{0x0e000003, 3546}, {0x09000002, 3544}, {0xc0a80109, 4000},
		{0x7f000001, 3545}, {0x0b000001, 5000},
	};

	return v[script_u8(&m->s) % 8];
}

static struct teredo a_client(struct machine *m)
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

	return some_client(m, odd, 0x1234);
}

static void some_native(struct machine *m, struct ip6 *a)
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
static void some_peer(struct machine *m, struct ip6 *a, uint8_t kind)
{
	struct teredo t;

	if (kind & 0x80) {
		some_native(m, a);
		return;
	}
	t = a_client(m);
	teredo_pack(a, &t);
}

/* --- what the client does --- */

static void sent(const struct out *o)
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
		w.asked.from =
			(struct datagram){.door = o->door, .from = o->to};
		w.asked.ll = v.ip->src;
		memcpy(w.asked.nonce, v.nonce, AUTH_NONCE_LEN);
		return;
	}
	if (v.ip->next == NEXT_ICMPV6 && u[0] == ICMP6_ECHO_REQUEST &&
	    v.len == IP6_LEN + 8 + TEST_DATA) {
		w.tested = v.ip->dst;
		memcpy(w.test, u + 8, TEST_DATA);
	}
	if (view_is_bubble(&v) && o->to.port == TEREDO_PORT) {
		w.called = v.ip->dst;
		w.call_src = v.ip->src;
		w.call_nonce = view_trailer(&v);
	}
}

static void from_host(struct machine *m, uint8_t how, struct ip6 *src,
		      struct ip6 *dst)
{
	*src = *own(m);
	if (how & 0x20)
		some_native(m, src);
	some_peer(m, dst, how);
}

static struct datagram from_peer(struct machine *m, uint8_t how,
				 struct ip6 *src, struct ip6 *dst)
{
	struct datagram d = {.door = DOOR_SERVICE};

	*dst = *own(m);
	some_peer(m, src, how);
	if (how & 0x80) {
		d.from = some_relay(m);
	} else {
		d.from.ip = ~be32(src->b + 12);
		d.from.port = (uint16_t)~be16(src->b + 10);
	}
	return d;
}

static void other_peer(struct machine *m, uint8_t how, struct ip6 *src)
{
	some_peer(m, src, how);
}

/* --- operations --- */

static void op_raw_ip4(struct machine *m)
{
	uint8_t p[PKT_MAX], k = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE + k % 3, .ecn = k >> 6};

	d.from = k & 8 ? some_relay(m)
		       : (struct tuple){server_ip[k >> 4 & 3], TEREDO_PORT};
	give_ip4(m, d, p, raw(m, p));
}

/* Room for the block, and what is to be filled in when all is written. */
static size_t put_auth(struct machine *m, uint8_t *p, uint8_t **value)
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
	memcpy(p + n, w.asked.nonce, AUTH_NONCE_LEN);
	n += AUTH_NONCE_LEN;
	p[n++] = script_u8(&m->s) & 1;
	return n;
}

static size_t put_advertisement(uint8_t *p, uint32_t server)
{
	struct wire_ra *ra = (void *)p;

	memset(ra, 0, sizeof(*ra));
	wire_put_ip6(&ra->ip, sizeof(*ra) - IP6_LEN, NEXT_ICMPV6, 255,
		     &w.asked.ll, &w.asked.ll);
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
static void op_advertise(struct machine *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s), bends = 0;
	struct datagram d = w.asked.from;
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
	n += put_advertisement(p + n, server);
	if (value && m->conf.client.secret)
		auth_sign(m->conf.client.secret, p + nonce, n - nonce, value);
	give_ip4(m, d, p, bend(m, p, n, bends & 0x40 ? bends & 7 : 0));
}

/* From another client, by its own tuple or nearly so. */
static void op_client(struct machine *m)
{
	uint8_t p[PKT_MAX], kind = script_u8(&m->s), how = script_u8(&m->s);
	struct teredo t = a_client(m);
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
static void op_by_server(struct machine *m)
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
static void op_relay(struct machine *m)
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
static void op_pong(struct machine *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE};
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *h = (void *)(ip + 1);
	size_t n = IP6_LEN + 8 + TEST_DATA;

	d.from = some_relay(m);
	wire_put_ip6(ip, 8 + TEST_DATA, NEXT_ICMPV6, 60, &w.tested, own(m));
	*h = (struct wire_icmp6){.type = ICMP6_ECHO_REPLY};
	memcpy(h + 1, w.test, TEST_DATA);
	put16(h->csum, csum_ip6(ip, NEXT_ICMPV6));
	give_ip4(m, d, p, bend(m, p, n, how & 0x80 ? how : 0));
}

/* Who was called by way of his server answers: by nonce, or by the source. */
static void op_answer(struct machine *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	struct datagram d = {.door = DOOR_SERVICE};
	uint32_t nonce = w.call_nonce;

	d.from.ip = ~be32(w.called.b + 12);
	d.from.port = (uint16_t)(~be16(w.called.b + 10) ^ (how & 7));
	if (how & 0x40)
		nonce ^= 1u << (how & 15);
	give_ip4(m, d, p,
		 pkt_bubble(p, &w.called, how & 0x20 ? &w.call_src : own(m),
			    how & 0x80 ? 0 : nonce));
}

/* From our host. */
static void op_host(struct machine *m)
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
static void op_flood(struct machine *m)
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

static void op_discovery(struct machine *m)
{
	static const struct ip6 all_nodes = {{0xff, 2, [15] = 1}};
	uint8_t p[PKT_MAX], how = script_u8(&m->s);
	struct teredo t = a_client(m);
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

/* Our host answers who knocks, rightly or nearly so. */
static size_t put_reset(struct machine *m, uint8_t *p, uint8_t flags)
{
	const struct knock *k = &m->node.client.knock;
	struct wire_ip6 *ip = (void *)p;
	struct wire_tcp *tcp = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*tcp), NEXT_TCP, 64, own(m), &k->stranger);
	*tcp = (struct wire_tcp){.offset = 5 << 4, .flags = flags};
	put16(tcp->src, k->to);
	put16(tcp->dst, k->from);
	put32(tcp->ack, k->seq + 1);
	return sizeof(*ip) + sizeof(*tcp);
}

static size_t put_pong(struct machine *m, uint8_t *p, uint8_t type)
{
	const struct knock *k = &m->node.client.knock;
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *h = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*h), NEXT_ICMPV6, 64, own(m), &k->stranger);
	*h = (struct wire_icmp6){.type = type};
	put32(h->body, k->echo_id);
	return sizeof(*ip) + sizeof(*h);
}

/* An error about what was sent. */
static size_t put_refusal(struct machine *m, uint8_t *p, bool is_tcp)
{
	const struct knock *k = &m->node.client.knock;
	uint8_t about[PKT_MAX];
	struct wire_ip6 *ip = (void *)about;
	struct wire_tcp *tcp = (void *)(ip + 1);
	size_t n = is_tcp ? put_reset(m, about, TCP_SYN)
			  : put_pong(m, about, ICMP6_ECHO_REQUEST);

	ip->src = k->stranger;
	ip->dst = *own(m);
	if (is_tcp) {
		put16(tcp->src, k->from);
		put16(tcp->dst, k->to);
		put32(tcp->seq, k->seq);
	}
	return icmp6_error(p, ICMP6_UNREACHABLE, 1, 0, own(m), ip, n);
}

static size_t put_knocked(struct machine *m, uint8_t *p, uint8_t how)
{
	if (how & 4)
		return put_refusal(m, p, how & 1);
	if (how & 1)
		return put_reset(m, p, TCP_ACK | (how & 2 ? TCP_RST : TCP_SYN));
	return put_pong(m, p, ICMP6_ECHO_REPLY);
}

/* From behind the door; if nobody knocks, our host has something else to do. */
static void op_door(struct machine *m)
{
	uint8_t p[PKT_MAX], how;

	if (!m->node.client.knock.is_on) {
		op_host(m);
		return;
	}
	how = script_u8(&m->s);
	give_ip6(m, p,
		 bend(m, p, put_knocked(m, p, how),
		      how & 0x80 ? how >> 3 & 7 : 0));
}

/* The shell opens random ports, and sometimes it cannot, or loses one. */
static void open_doors(struct machine *m, uint8_t how)
{
	struct client *c = &m->node.client;

	for (unsigned k = 0; k < RANDOM_DOORS; k++) {
		bool wants = c->ports.wants >> k & 1;

		if (wants != (c->ports.v[k].port != 0))
			client_door(c, k, wants ? (uint16_t)(30000 + k) : 0,
				    m->now);
	}
	if ((how & 0xe0) == 0xe0)
		client_door(c, how & 7, 0, m->now);
}

/* Whose port this is; or some client. */
static void whose(struct machine *m, unsigned k, struct ip6 *who)
{
	const struct client *c = &m->node.client;
	struct teredo t = a_client(m);

	teredo_pack(who, &t);
	if (c->ports.v[k].taken)
		*who = recent_at(&c->recent, c->ports.v[k].peer)->address;
}

/* Something comes to a random port; or a peer announces one of its own. */
static void op_random(struct machine *m)
{
	uint8_t p[PKT_MAX], how = script_u8(&m->s), kind = script_u8(&m->s);
	struct datagram d = {.door = (enum door)(DOOR_RANDOM + (how & 7))};
	struct ip6 src;
	size_t n, at = 0;

	open_doors(m, how);
	whose(m, how & 7, &src);
	d.from.ip = ~be32(src.b + 12);
	d.from.port = (uint16_t)(~be16(src.b + 10) ^ (kind >> 6));
	if (how & 0x10) {
		d.door = DOOR_SERVICE;
		d.from = (struct tuple){server_ip[kind & 3], TEREDO_PORT};
		wire_put_origin((void *)p, some_relay(m));
		at = ORIGIN_LEN;
	}
	n = at + (how & 0x20 ? some_packet(m, p + at, kind, &src, own(m))
			     : pkt_bubble(p + at, &src, own(m),
					  kind & 1 ? w.call_nonce : kind));
	if (how & 8) {
		p[n++] = TRAILER_RANDOM_PORT;
		p[n++] = 2;
		put16(p + n, (uint16_t)(9000 + kind % 3));
		n += 2;
	}
	give_ip4(m, d, p, n);
}

static const uint32_t steps[16] = {0,     1,      100,    999,    1050,  1350,
				   2000,  2050,   2250,   8200,   22500, 30000,
				   60000, 120000, 300001, 3600000};

static void op_network(struct machine *m)
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

static void op_server(struct machine *m)
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

static void op_want(struct machine *m)
{
	uint8_t k = script_u8(&m->s);

	if (k & 4)
		audit_ready(&m->audit, m->now, &m->out);
	else if (k & 2)
		audit_check(&m->audit, m->now, &m->out);
	else if (m->conf.is_relay)
		audit_native(&m->audit, k & 1, m->now, &m->out);
	else
		audit_want(&m->audit, k & 1, m->now, &m->out);
	carry_out(m);
}

static void op_rules(struct machine *m)
{
	struct gate *g = &m->node.gate;
	uint8_t k = script_u8(&m->s);

	g->n_deny = k & 1;
	g->neighbour_len = k & 64 ? (uint8_t)(8 + k % 24) : 0;
	g->deny[0] = (struct ip4_prefix){k & 2 ? 0x0c000000 : 0x0e000000,
					 (uint8_t)(8 + k % 16)};
}

static machine_op *const ops[] = {
	op_raw_ip4,   op_raw_ip6, op_advertise, op_client,  op_by_server,
	op_relay,     op_pong,    op_answer,    op_host,    op_flood,
	op_discovery, op_again,   op_time,      op_network, op_server,
	op_want,      op_rules,   op_door,      op_random,  op_advertise,
};

/* --- set-up --- */

static void set_client(struct machine *m, uint8_t bits, uint8_t more)
{
	struct client_conf *c = &m->conf.client;

	*c = client_defaults;
	secret =
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
	c->secret = bits & 128 ? &secret : NULL;
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
	if (more & 128)
		c->idle_s = CLIENT_MIN_IDLE;
}

static void set_host(struct machine *m)
{
	struct self *self = &m->node.self;

	self->n_ip4 = 1;
	self->ip4[0].ip = local.ip;
	self->ip4[0].len = 24;
	self->n_ip6 = 1;
	self->ip6[0] = (struct ip6){{0x2a, 0, 0, 3, [15] = 1}};
	self->source = self->ip6[0];
	self->has_source = true;
	m->node.gate.public_only = true;
}

static void configure(struct machine *m)
{
	m->conf.is_client = true;
	memset(&w, 0, sizeof(w));
	set_client(m, m->how[0], m->how[1]);
}

static void begin(struct machine *m)
{
	set_host(m);
	if (m->how[1] & 64) /* the script begins before the network does */
		return;
	audit_network(&m->audit, local, m->now, &m->out);
	carry_out(m);
	for (unsigned i = 0; i < m->conf.client.n_servers; i++) {
		audit_server(&m->audit, i, server_ip[2 * i],
			     server_ip[2 * i + 1], m->now, &m->out);
		carry_out(m);
	}
}

const struct machine_kind client_machine = {
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.steps = steps,
	.conf_bytes = 2,
	.configure = configure,
	.begin = begin,
	.sent = sent,
	.outward = from_host,
	.inward = from_peer,
	.other = other_peer,
	.origin = some_relay,
};
