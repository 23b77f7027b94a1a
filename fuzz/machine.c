/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw bytes alone would hardly ever get past the first checks, so most
 * operations build a packet that is right but for what the script bends: who
 * sends it, from where, to whom, and a byte of it now and then. Addresses come
 * from a short list of good and bad ones, so that packets meet.
 */
#include "machine.h"

#include <stdarg.h>

enum {
	MAX_OPS = 512,
	MANY = 0xf8, /* operations from here on are about many at once */
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

struct teredo some_client(struct machine *m, const struct teredo odd[static 8],
			  uint16_t flags)
{
	uint8_t k = script_u8(&m->s);
	struct teredo t = {0, k & 0x40 ? 0x0d000001 : 0x09000002, 0, {0, 0}};

	if ((k & 0x38) == 0x38)
		t = odd[k & 7];
	else
		t.client = (struct tuple){0x0c000000 + (k & 31) + 1,
					  (uint16_t)(4000 + (k & 31))};
	if (k & 0x80)
		t.flags = flags;
	t.prefix = TEREDO_PREFIX;
	return t;
}

/* --- input --- */

void carry_out(struct machine *m)
{
	for (unsigned i = 0; m->kind->sent && i < m->out.n; i++) {
		if (m->out.v[i].kind == OUT_UDP)
			m->kind->sent(&m->out.v[i]);
	}
	outbox_clear(&m->out);
}

static void time_passes(struct machine *m)
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
static bool again_is_next(const struct machine *m);

void give_ip4(struct machine *m, struct datagram d, const uint8_t *p, size_t n)
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

void give_ip6(struct machine *m, const uint8_t *p, size_t n)
{
	uint8_t *copy = exact(p, n);

	audit_ip6(&m->audit, copy, (uint16_t)n, m->now, &m->out);
	carry_out(m);
	free(copy);
}

size_t raw(struct machine *m, uint8_t *p)
{
	size_t n = script_u16(&m->s) % (PKT_MAX - 300);

	if (n > m->s.n && n > 200)
		n = 200;
	for (size_t i = 0; i < n; i++)
		p[i] = script_u8(&m->s);
	return n;
}

size_t bend(struct machine *m, uint8_t *p, size_t n, uint8_t how)
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
		wire_put_origin((void *)p, m->kind->origin(m));
		n += 8;
	}
	return n;
}

/* Something longer than its headers, of a length the script chooses. */
static size_t stretch(struct machine *m, uint8_t *p, size_t n)
{
	size_t len = IP6_LEN + script_u16(&m->s) % 1500;

	if (len < n)
		return n;
	memset(p + n, 0x5a, len - n);
	put16(p + 4, (uint16_t)(len - IP6_LEN));
	return len;
}

size_t some_packet(struct machine *m, uint8_t *p, uint8_t kind,
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
	return pkt_bubble(p, src, dst, kind & 8 ? script_u8(&m->s) : 0);
}

/* --- operations --- */

void op_raw_ip6(struct machine *m)
{
	uint8_t p[PKT_MAX];

	give_ip6(m, p, raw(m, p));
}

/* The last datagram once more, but for a byte. */
void op_again(struct machine *m)
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

void op_time(struct machine *m)
{
	m->now += m->kind->steps[script_u8(&m->s) % 16] * NS_PER_MS;
}

/* One of a train: as the others are, nearly so, or something else. */
static void vary(struct machine *m, uint8_t *p, size_t n)
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
		m->kind->other(m, how, &((struct wire_ip6 *)(void *)p)->src);
		break;
	}
}

/* A peer, or somebody else by way of its tuple, sends many. */
static void op_train(struct machine *m)
{
	uint8_t p[PKT_MAX], car[PKT_MAX], kind = script_u8(&m->s);
	uint8_t how = script_u8(&m->s), count = script_u8(&m->s) % 32;
	struct ip6 src, dst;
	struct datagram d = m->kind->inward(m, how, &src, &dst);
	size_t n;

	d.ecn = kind >> 6;
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

/* The kernel's header and a packet from the IPv6 side. */
static size_t put_super(struct machine *m, uint8_t *p)
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
	struct ip6 src, dst;

	m->kind->outward(m, kind, &src, &dst);
	memcpy(p, &v, sizeof(v));
	p += sizeof(v);
	len += is_tcp ? 20 : 8;
	memset(p, 0x5a, IP6_LEN + len);
	wire_put_ip6((void *)p, (uint16_t)len, is_tcp ? NEXT_TCP : NEXT_UDP, 64,
		     &src, &dst);
	p[IP6_LEN + 12] = 5 << 4;
	return sizeof(v) + IP6_LEN + len;
}

static void op_super(struct machine *m)
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

/* Inputs of before there were many at once mean what they meant. */
static machine_op *op_of(const struct machine *m, uint8_t k)
{
	if (k >= MANY)
		return k & 1 ? op_train : op_super;
	return m->kind->ops[k % m->kind->n_ops];
}

static bool again_is_next(const struct machine *m)
{
	return m->s.n && op_of(m, *m->s.p) == op_again;
}

static void setup(struct machine *m)
{
	static const struct node_seed seed = {{{1}}, {{2}}, {{3}}};
	size_t n;

	for (unsigned i = 0; i < m->kind->conf_bytes; i++)
		m->how[i] = script_u8(&m->s);
	m->conf.prefix = TEREDO_PREFIX;
	m->conf.is_server = m->kind->is_server;
	m->conf.is_relay = m->kind->is_relay;
	m->kind->configure(m);
	n = (node_memory(&m->conf) + 63) / 64 * 64;
	if (n) {
		m->mem = aligned_alloc(64, n);
		WANT(m->mem);
		memset(m->mem, 0, n);
	}
	node_init(&m->node, &m->conf, &seed, m->mem);
	outbox_init(&m->out, &m->node.gate);
	audit_init(&m->audit, &m->node);
	twin_init(m->twin, &m->node, m->mem, n);
	m->audit.walk_every = 16;
	m->now = 1000 * NS_PER_S;
	m->kind->begin(m);
}

void machine_run(const struct machine_kind *kind, const uint8_t *data,
		 size_t size)
{
	static struct machine m;
	static struct twin twin; /* too much to clear each time */

	memset(&m, 0, sizeof(m));
	m.kind = kind;
	m.twin = &twin;
	m.s = (struct script){data, size};
	setup(&m);
	for (int n = 0; m.s.n && n < MAX_OPS; n++) {
		if (!again_is_next(&m))
			twin_settle(m.twin);
		op_of(&m, script_u8(&m.s))(&m);
		time_passes(&m);
	}
	twin_settle(m.twin);
	twin_free(m.twin);
	audit_walk(&m.audit);
	audit_free(&m.audit);
	free(m.mem);
}
