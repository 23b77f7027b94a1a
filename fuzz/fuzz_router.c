/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Router Solicitations and Advertisements, with their options and blocks: what
 * a client of ours asks is bent by the script, given to a server of ours, its
 * answer is bent and given back. Each is taken if and only if a slow reader
 * here, who knows 4861 and 4380, finds it right; what is not taken changes
 * nothing.
 *
 * First byte: conf. Then twice: how (FIX_...), options to put in and their
 * length, and a list of places and bytes to lay over it.
 */
#include "fuzz.h"

#include "pkt.h"
#include "qualify.h"
#include "server.h"

enum {
	PRIMARY = 0x09000002,
	FIX_SUM = 1,  /* the checksum is made right again */
	FIX_SIGN = 2, /* so is the signature */
	OPTIONS = 4,  /* of the script, instead of what was there */
};

static const struct tuple local = {0xc0a80105, 5000}, mapped = {0x0b000001, 7};
static const struct self nobody;
static const struct gate gate = {.self = &nobody, .prefix = TEREDO_PREFIX};
static const struct rng rng = {.key = {{3}}};
static struct secret secret;
static struct server server;
static struct ledger ledger;
static struct qualify qualify;
static struct outbox out;
static const uint64_t now = 1000 * NS_PER_S;

/* A datagram, on its way. */
struct letter {
	uint8_t p[PKT_MAX];
	size_t n;
};

static void gather(struct letter *l)
{
	const struct out *o = &out.v[0];

	WANT(out.n == 1 && o->kind == OUT_UDP && o->body_len == 0);
	l->n = o->head_len;
	memcpy(l->p, o->head, l->n);
	outbox_clear(&out);
}

/* --- bending --- */

static uint16_t sum_of(const struct wire_ip6 *ip)
{
	const uint8_t *p = (const void *)ip;
	size_t n = be16(ip->plen);
	uint64_t sum = n + 58;

	for (size_t i = 8; i < 40 + n; i++)
		sum += i & 1 ? p[i] : (uint64_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_options(struct letter *l, struct script *s, size_t head)
{
	size_t n = script_u8(s) % 80;
	struct view v;
	uint8_t *p;

	view_read(&v, l->p, l->n);
	p = l->p + (v.tail - l->p) - v.len;
	for (size_t i = 0; i < n; i++)
		p[head + i] = script_u8(s);
	put16(p + 4, (uint16_t)(head + n - IP6_LEN));
	l->n = (size_t)(p + head + n - l->p);
}

static void repair(struct letter *l, uint8_t how)
{
	struct view v;
	uint8_t *u;

	view_read(&v, l->p, l->n);
	if (!v.ip || v.len < IP6_LEN + 8)
		return;
	u = l->p + ((const uint8_t *)v.ip - l->p) + IP6_LEN;
	if (how & FIX_SUM) {
		put16(u + 2, 0);
		put16(u + 2, sum_of(v.ip));
	}
	if (how & FIX_SIGN && v.nonce && l->p[3] == hmac_len(secret.algorithm))
		auth_sign(&secret, v.nonce, (size_t)(v.tail - v.nonce),
			  l->p + 4 + l->p[2]);
}

/* head: where options begin, from the beginning of the inner packet on. */
static void bend(struct letter *l, struct script *s, size_t head)
{
	uint8_t how = script_u8(s);
	unsigned n = script_u8(s) % 8;

	if (how & OPTIONS)
		put_options(l, s, head);
	while (n--) {
		size_t at = script_u8(s) % l->n;

		l->p[at] ^= script_u8(s);
	}
	if (how & 0x80)
		l->n -= script_u8(s) % l->n;
	repair(l, how);
}

/* --- the slow reader --- */

static bool options_are_whole(const uint8_t *p, size_t n)
{
	if (n == 0)
		return true;
	return n >= 8 && p[1] && p[1] * 8u <= n &&
	       options_are_whole(p + p[1] * 8u, n - p[1] * 8u);
}

static bool is_signed(const struct view *v, const struct letter *l)
{
	uint8_t value[AUTH_MAX_VALUE], n = hmac_len(secret.algorithm);

	if (l->p[2] != secret.id_len || l->p[3] != n ||
	    memcmp(l->p + 4, secret.id, secret.id_len) != 0)
		return false;
	auth_sign(&secret, v->nonce, (size_t)(v->tail - v->nonce), value);
	return memcmp(value, l->p + 4 + secret.id_len, n) == 0;
}

/* Right behind the IPv6 header, and with a right checksum. */
static const uint8_t *icmp_of(const struct view *v, uint8_t type, size_t least)
{
	const uint8_t *u;

	if (!v->ip || v->ip->next != 58 || v->len < IP6_LEN + least)
		return NULL;
	u = (const uint8_t *)(v->ip + 1);
	return u[0] == type && u[1] == 0 && v->ip->hops == 255 &&
			       sum_of(v->ip) == 0
		       ? u
		       : NULL;
}

static bool rs_is_right(const struct letter *l)
{
	static const struct ip6 routers = {{0xff, 2, [15] = 2}};
	struct view v;
	const uint8_t *u;

	view_read(&v, l->p, l->n);
	u = icmp_of(&v, 133, 8);
	if (!u || v.has_origin || v.len > INNER_MAX)
		return false;
	if (v.ip->src.b[0] != 0xfe || (v.ip->src.b[1] & 0xc0) != 0x80 ||
	    !ip6_equal(&v.ip->dst, &routers))
		return false;
	if (!options_are_whole(u + 8, v.len - IP6_LEN - 8))
		return false;
	return !server.conf.require_secret || (v.nonce && is_signed(&v, l));
}

/* One prefix, and it is the server's. */
static bool prefix_is_right(const uint8_t *p, size_t n)
{
	unsigned found = 0;

	for (; n; n -= p[1] * 8u, p += p[1] * 8u) {
		if (p[0] != 3)
			continue;
		found++;
		if (p[1] != 4 || p[2] != 64 || be32(p + 16) != TEREDO_PREFIX ||
		    be32(p + 20) != PRIMARY)
			return false;
	}
	return found == 1;
}

static bool ra_is_right(const struct letter *l, const uint8_t *nonce)
{
	struct view v;
	const uint8_t *u;
	struct ip6 own;
	size_t n;

	teredo_link_local(&own, qualify.flags, local);
	view_read(&v, l->p, l->n);
	u = icmp_of(&v, 134, 16);
	if (!u || !v.has_origin || !ip6_equal(&v.ip->dst, &own) ||
	    v.ip->src.b[0] != 0xfe || (v.ip->src.b[1] & 0xc0) != 0x80)
		return false;
	n = v.len - IP6_LEN - 16;
	if (!options_are_whole(u + 16, n) || !prefix_is_right(u + 16, n) ||
	    !gate_is_global(&gate, v.origin))
		return false;
	if (!v.nonce)
		return qualify.conf.no_nonce_ok && !qualify.conf.secret;
	return memcmp(v.nonce, nonce, AUTH_NONCE_LEN) == 0 &&
	       (!qualify.conf.secret || is_signed(&v, l));
}

/* --- both ways --- */

static void init(uint8_t k)
{
	const struct server_conf sc = {.primary = PRIMARY,
				       .secondary = PRIMARY + 1,
				       .mtu = TEREDO_MTU,
				       .require_secret = k & 1,
				       .n_secrets = k & 3 ? 1 : 0,
				       .secrets = &secret};
	const struct qualify_conf qc = {.door = DOOR_SERVICE,
					.no_nonce_ok = k & 4,
					.prefix = TEREDO_PREFIX,
					.secret = k & 3 ? &secret : NULL};

	secret = (struct secret){.id_len = 5,
				 .key_len = 6,
				 .algorithm = k & 8 ? HMAC_SHA256 : HMAC_SHA1,
				 .id = "alice",
				 .key = "secret",
				 .renew = k & 16};
	if (!server.ra.type)
		server_init(&server, &sc, &gate, &ledger, &rng.key);
	server.conf = sc;
	qualify_init(&qualify, &qc, &gate, &rng);
	outbox_init(&out, &gate);
	qualify_start(&qualify, PRIMARY, PRIMARY + 1, local, now, &out);
}

/* true: it has answered, and l is the answer. */
static bool ask_server(struct letter *l)
{
	const struct datagram d = {.door = DOOR_PRIMARY,
				   .from = mapped,
				   .data = l->p,
				   .len = (uint16_t)l->n};
	bool right = rs_is_right(l);
	enum reason r = server_input(&server, &d, now, &out);

	if (r != REASON_RA) {
		WANT(!right || server.conf.n_secrets);
		return false;
	}
	WANT(right);
	gather(l);
	return true;
}

static void tell_client(struct letter *l)
{
	const struct tuple from = {PRIMARY, TEREDO_PORT};
	struct qualify before = qualify;
	bool right = ra_is_right(l, qualify.nonce[0]);
	enum qualify_event event;
	struct frame f;

	if (frame_parse(&f, l->p, l->n) != REASON_NONE ||
	    !frame_is_advertisement(&f)) {
		WANT(!right);
		return;
	}
	if (qualify_input(&qualify, &f, from, now, &out, &event) !=
	    REASON_RA_TAKEN) {
		WANT(!right && out.n == 0 && event == QUALIFY_NOTHING);
		before.refused = qualify.refused; /* why, for people */
		WANT(memcmp(&before, &qualify, sizeof(before)) == 0);
		return;
	}
	WANT(right && qualify.step == QUALIFY_SECONDARY && out.n == 1);
	WANT(tuple_equal(qualify.mapped, f.origin));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	struct letter l, untouched;

	init(script_u8(&s));
	gather(&l);
	untouched = l;
	bend(&l, &s, IP6_LEN + 8);
	if (!ask_server(&l)) {
		l = untouched;
		WANT(ask_server(&l));
	}
	bend(&l, &s, IP6_LEN + 16);
	tell_client(&l);
	return 0;
}
