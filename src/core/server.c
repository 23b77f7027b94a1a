/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of checks is that of 4380 §5.3.1, stricter checks first. Numbers
 * in comments are those of doc/conformance.md.
 */
#include "server.h"

#include <string.h>

#include "csum.h"

/* A datagram that is being judged. */
struct query {
	const struct datagram *d;
	struct frame f;
	bool bubble;
	int icmp; /* type, -1 if it is none */
};

static void init_ra(struct server *s)
{
	struct wire_ra *ra = &s->ra;

	/* A17: the server is no router for data; only the prefix counts. */
	wire_put_ip6(&ra->ip, sizeof(*ra) - IP6_LEN, NEXT_ICMPV6, 255,
		     &s->link_local, &s->link_local);
	ra->type = ICMP6_ROUTER_ADVERTISEMENT;
	ra->prefix.type = 3;
	ra->prefix.len = 4;
	ra->prefix.prefix_len = 64;
	ra->prefix.flags = 0x40;
	put32(ra->prefix.valid, UINT32_MAX);
	put32(ra->prefix.preferred, UINT32_MAX);
	put32(ra->prefix.prefix.b, s->gate->prefix);
	put32(ra->prefix.prefix.b + 4, s->conf.primary); /* S23 */
	ra->mtu.type = 5;
	ra->mtu.len = 1;
	put32(ra->mtu.mtu, s->conf.mtu); /* S36 */
}

void server_init(struct server *s, const struct server_conf *conf,
		 const struct gate *gate, struct ledger *ledger,
		 const struct hash_key *key)
{
	*s = (struct server){
		.conf = *conf, .gate = gate, .ledger = ledger, .key = *key};
	teredo_link_local(&s->link_local, FLAG_CONE,
			  (struct tuple){conf->primary, TEREDO_PORT});
	init_ra(s);
}

void server_reconfigure(struct server *s, const struct server_conf *conf)
{
	s->conf.mtu = conf->mtu;
	s->conf.own_clients_only = conf->own_clients_only;
	s->conf.strict_ports = conf->strict_ports;
	s->conf.require_secret = conf->require_secret;
	s->conf.secrets = conf->secrets;
	s->conf.n_secrets = conf->n_secrets;
	s->conf.per_address = conf->per_address;
	s->conf.per_network = conf->per_network;
	put32(s->ra.mtu.mtu, s->conf.mtu); /* S36 */
}

static bool is_own_client(const struct server *s, const struct ip6 *a)
{
	return ip6_is_teredo(a, s->gate->prefix) &&
	       be32(a->b + 4) == s->conf.primary;
}

/* 4861 §6.1.1: no option of length 0, none beyond the end. */
static bool options_valid(const uint8_t *p, size_t n)
{
	while (n >= 2) {
		size_t len = 8 * (size_t)p[1];

		if (len == 0 || len > n)
			return false;
		p += len;
		n -= len;
	}
	return n == 0;
}

/* S8. */
static bool rs_valid(const struct wire_ip6 *ip)
{
	const struct wire_icmp6 *h = (const void *)ip6_payload(ip);

	return ip->hops == 255 && h->code == 0 &&
	       csum_ip6(ip, NEXT_ICMPV6) == 0 &&
	       options_valid(ip6_payload(ip) + sizeof(*h),
			     ip6_payload_len(ip) - sizeof(*h));
}

/*
 * S7. *secret is the one to sign the answer with, NULL for none. Where secure
 * qualification is offered but not required, a client that is not known gets
 * an unsigned answer, but a known one must prove itself (Z11).
 */
static enum reason rs_auth(const struct server *s, const struct frame *f,
			   const struct secret **secret)
{
	bool right;

	*secret = NULL;
	if (!f->has_auth)
		return s->conf.require_secret ? REASON_AUTH_MISSING
					      : REASON_NONE;
	if (!s->conf.require_secret && s->conf.n_secrets == 0)
		return REASON_NONE;
	*secret = secret_find(s->conf.secrets, s->conf.n_secrets, &f->auth);
	right = auth_verify(*secret, f);
	if (!right && (*secret || s->conf.require_secret))
		return REASON_AUTH_FAILED;
	return REASON_NONE;
}

/*
 * Z4. Buckets are shared by sources of one hash; losing them is harmless. Who
 * has signed has buckets of its own, which liars cannot empty. The address
 * comes first: what it sends too much is not taken from its neighbours.
 */
static bool may_answer(struct server *s, uint32_t ip, bool is_signed,
		       uint64_t now)
{
	const uint32_t address[] = {ip, is_signed};
	const uint32_t network[] = {ip >> 8, is_signed};
	uint64_t a = hash_bytes(&s->key, address, sizeof(address));
	uint64_t n = hash_bytes(&s->key, network, sizeof(network));

	return bucket_take(&s->addresses[a % SERVER_ADDRESSES],
			   &s->conf.per_address, now) &&
	       bucket_take(&s->networks[n % SERVER_NETWORKS],
			   &s->conf.per_network, now);
}

/*
 * Write the authentication block of an answer: identifier and nonce as
 * received (S33). Where the value goes, to be signed when the rest stands.
 */
static uint8_t *put_auth(uint8_t **p, const struct auth *a,
			 const struct secret *secret)
{
	uint8_t value_len = secret ? hmac_len(secret->algorithm) : 0;
	uint8_t *value;

	put16(*p, 1);
	(*p)[2] = a->id_len;
	(*p)[3] = value_len;
	memcpy(*p + 4, a->id, a->id_len);
	value = *p + 4 + a->id_len;
	memcpy(value + value_len, a->nonce, AUTH_NONCE_LEN);
	value[value_len + AUTH_NONCE_LEN] = secret && secret->renew; /* S35 */
	*p = value + value_len + AUTH_NONCE_LEN + 1;
	return value;
}

/* S23-S37: the answer to a solicitation. */
static enum reason send_ra(const struct server *s, const struct query *q,
			   const struct secret *secret, struct outbox *out)
{
	const struct wire_ip6 *rs = q->f.ip;
	uint8_t *head = outbox_head(out), *p = head, *value = NULL;
	enum door door = q->d->door;
	struct wire_ra *ra;
	enum reason r;

	if (q->f.has_auth)
		value = put_auth(&p, &q->f.auth, secret);
	wire_put_origin((void *)p, q->d->from); /* S31 */
	p += ORIGIN_LEN;
	ra = (void *)p;
	*ra = s->ra;
	ra->ip.dst = rs->src; /* S26 */
	put16(ra->csum, csum_ip6(&ra->ip, NEXT_ICMPV6));
	p += sizeof(*ra);
	if (secret) {
		const uint8_t *nonce = value + hmac_len(secret->algorithm);

		auth_sign(secret, nonce, (size_t)(p - nonce), value);
	}
	/* S28-S30: with the cone bit, from the address that was not asked. */
	if (be16(rs->src.b + 8) & FLAG_CONE)
		door = door == DOOR_PRIMARY ? DOOR_SECONDARY : DOOR_PRIMARY;
	r = outbox_udp(out, door, q->d->from, (size_t)(p - head), NULL, 0);
	return r == REASON_NONE ? REASON_RA : r;
}

static enum reason input_rs(struct server *s, const struct query *q,
			    uint64_t now, struct outbox *out)
{
	const struct secret *secret;
	enum reason r;

	if (q->f.has_origin)
		return REASON_FORGED_BLOCK;
	if (!rs_valid(q->f.ip))
		return REASON_RS_INVALID;
	r = rs_auth(s, &q->f, &secret);
	if (r != REASON_NONE)
		return r;
	if (!may_answer(s, q->d->from.ip, secret != NULL, now))
		return REASON_RATE_RA;
	return send_ra(s, q, secret, out);
}

/* S14. */
static enum reason answer_echo(struct server *s, const struct query *q,
			       uint64_t now, struct outbox *out)
{
	uint8_t *head = outbox_head(out), *p = head;
	const struct wire_ip6 *ip = q->f.ip;
	struct wire_icmp6 *echo;
	struct wire_ip6 *reply;
	enum reason r;

	if (q->icmp != ICMP6_ECHO_REQUEST || ip6_is_multicast(&ip->dst) ||
	    csum_ip6(ip, NEXT_ICMPV6) != 0)
		return REASON_SCOPE;
	if (!may_answer(s, q->d->from.ip, false, now))
		return REASON_RATE_RA;
	if (is_own_client(s, &ip->src)) {
		wire_put_origin((void *)p, q->d->from);
		p += ORIGIN_LEN;
	}
	reply = (void *)p;
	echo = (void *)(reply + 1);
	memcpy(p, ip, q->f.len);
	wire_put_ip6(reply, ip6_payload_len(ip), NEXT_ICMPV6, BUBBLE_HOPS,
		     &s->link_local, &ip->src);
	echo->type = ICMP6_ECHO_REPLY;
	put16(echo->csum, 0);
	put16(echo->csum, csum_ip6(reply, NEXT_ICMPV6));
	r = outbox_udp(out, DOOR_PRIMARY, q->d->from,
		       (size_t)(p - head) + q->f.len, NULL, 0);
	return r == REASON_NONE ? REASON_ECHO : r;
}

/*
 * S10-S13, A13: may this inner source send by this outer source? Answers
 * REASON_NONE if so.
 */
static enum reason check_source(const struct server *s, const struct query *q)
{
	const struct wire_ip6 *ip = q->f.ip;
	struct teredo t;
	enum reason r;

	if (ip6_is_teredo(&ip->src, s->gate->prefix)) {
		teredo_unpack(&t, &ip->src);
		if (t.client.ip != q->d->from.ip)
			return REASON_MISMATCH;
		if (t.client.port == q->d->from.port)
			return REASON_NONE;
		/* A symmetric NAT gives another port towards each server. */
		if (!s->conf.strict_ports && q->bubble &&
		    is_own_client(s, &ip->dst))
			return REASON_NONE;
		return REASON_MISMATCH;
	}
	if (q->bubble && ip6_is_link_local(&ip->src)) /* A51 */
		return is_own_client(s, &ip->dst) ? REASON_NONE
						  : REASON_NOT_CLIENT;
	if (self_has_ip6(s->gate->self, &ip->src))
		return REASON_BAD_SOURCE; /* Z9 */
	r = gate_native_source(s->gate, &ip->src);
	if (r != REASON_NONE)
		return r;
	return is_own_client(s, &ip->dst) ? REASON_NONE : REASON_NOT_CLIENT;
}

/* S17-S22: on to a Teredo client, of this server or of another. */
static enum reason forward_ip4(const struct server *s, const struct query *q,
			       struct outbox *out)
{
	uint8_t *head = outbox_head(out), *p = head;
	const struct wire_ip6 *ip = q->f.ip;
	struct wire_ip6 *fwd;
	struct teredo t;
	enum reason r;

	teredo_unpack(&t, &ip->dst);
	if (q->f.tail_len > TAIL_MAX)
		return REASON_BAD_TAIL;
	if (is_own_client(s, &ip->dst)) {
		wire_put_origin((void *)p, q->d->from); /* S19 */
		p += ORIGIN_LEN;
	} else if (s->conf.own_clients_only) {
		return REASON_NOT_CLIENT;
	}
	fwd = (void *)p;
	*fwd = *ip;
	if (fwd->hops)
		fwd->hops--;
	p += sizeof(*fwd);
	r = outbox_udp(out, DOOR_PRIMARY, t.client, (size_t)(p - head),
		       ip6_payload(ip), ip6_payload_len(ip) + q->f.tail_len);
	if (r != REASON_NONE)
		return r;
	if (q->bubble)
		ledger_count(s->ledger, LEDGER_SENT_PASSED);
	return REASON_TO_IPV4;
}

/* S16, Z3: an echo packet of a verified client, out into the Internet. */
static enum reason forward_ip6(const struct server *s, const struct query *q,
			       struct outbox *out)
{
	const struct wire_ip6 *ip = q->f.ip;
	struct wire_ip6 *fwd = (void *)outbox_head(out);

	if (gate_embeds_self(s->gate, &ip->dst))
		return REASON_LOOP; /* Z38 */
	*fwd = *ip;
	fwd->hops--;
	outbox_ip6(out, sizeof(*fwd), ip6_payload(ip), ip6_payload_len(ip));
	return REASON_TO_IPV6;
}

/*
 * S22, A32. A bubble for a client of this server goes out whatever its hop
 * limit, for those of Miredo 1.2.6 have none left. It can not come round:
 * the origin indication in front makes every server refuse it (S20).
 */
static bool is_worn_out(const struct server *s, const struct query *q)
{
	return q->f.ip->hops <= 1 &&
	       !(q->bubble && is_own_client(s, &q->f.ip->dst));
}

static enum reason forward(struct server *s, const struct query *q,
			   uint64_t now, struct outbox *out)
{
	const struct ip6 *dst = &q->f.ip->dst;
	enum reason r = check_source(s, q);

	if (r != REASON_NONE)
		return r;
	if (ip6_is_all_routers(dst) || ip6_equal(dst, &s->link_local))
		return answer_echo(s, q, now, out);
	if (!ip6_is_global(dst))
		return REASON_SCOPE;
	if (q->bubble && !ip6_is_teredo(dst, s->gate->prefix))
		return REASON_NOT_RELAYED; /* a relay's, whatever its hops */
	if (is_worn_out(s, q))
		return REASON_HOPS;
	if (ip6_is_teredo(dst, s->gate->prefix))
		return forward_ip4(s, q, out);
	return forward_ip6(s, q, out);
}

enum reason server_input(struct server *s, const struct datagram *d,
			 uint64_t now, struct outbox *out)
{
	struct query q = {.d = d};
	const struct wire_ip6 *ip;
	enum reason r = gate_source(s->gate, d->from); /* S5, Z9 */

	if (r == REASON_NONE)
		r = frame_parse(&q.f, d->data, d->len); /* S3 */
	if (r != REASON_NONE)
		return r;
	ip = q.f.ip;
	q.bubble = ip6_is_bubble(ip);
	q.icmp = ip6_icmp_type(ip);
	if (q.icmp == ICMP6_ROUTER_SOLICITATION) {
		if (ip6_is_link_local(&ip->src) && ip6_is_all_routers(&ip->dst))
			return input_rs(s, &q, now, out); /* S6 */
		return REASON_RS_UNEXPECTED;              /* S9 */
	}
	if (q.f.has_auth || q.f.has_origin)
		return REASON_FORGED_BLOCK; /* S20 */
	if (!q.bubble && q.icmp != ICMP6_ECHO_REQUEST &&
	    q.icmp != ICMP6_ECHO_REPLY)
		return REASON_NOT_RELAYED; /* S4 */
	if (d->door != DOOR_PRIMARY)
		return REASON_SECONDARY; /* S39 */
	return forward(s, &q, now, out);
}
