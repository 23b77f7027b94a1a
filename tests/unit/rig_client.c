/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig_client.h"

#include <stdio.h>
#include <string.h>

const struct tuple local_at = {0xc0a80105, 50000};
const struct tuple server_at = {0x09000002, 3544};
const struct tuple second_at = {0x09000003, 3544};
const struct tuple other_server_at = {0x0b000001, 3544};
const struct tuple other_second_at = {0x0b000002, 3544};

void prepare_client(struct rig *r)
{
	prepare_relay(r);
	r->conf.is_relay = false;
	r->node.self.n_ip4 = 0;
	r->node.self.has_source = false;
	own_ip4(r, "192.168.1.5", 24);
	r->conf.is_client = true;
	r->conf.client = client_defaults;
	r->conf.client.has_flags = true;
	r->conf.client.mapped = client_at;
}

void network(struct rig *r, struct tuple local)
{
	client_network(&r->node.client, local, r->now, &r->out);
	rig_flush(r);
}

void server(struct rig *r, unsigned i, const char *primary,
	    const char *secondary)
{
	client_server(&r->node.client, i, ip4(primary), ip4(secondary), r->now,
		      &r->out);
	rig_flush(r);
}

void want(struct rig *r, bool yes)
{
	client_want(&r->node.client, yes, r->now, &r->out);
	rig_flush(r);
}

void check_server(struct rig *r)
{
	client_check(&r->node.client, r->now, &r->out);
	rig_flush(r);
}

void start_client(struct rig *r)
{
	if (!r->conf.is_client)
		prepare_client(r);
	start(r);
	network(r, local_at);
	server(r, 0, SERVER, SECOND);
}

void start_qualified(struct rig *r)
{
	start_client(r);
	answers(r, server_at, client_at);
	answers(r, second_at, client_at);
	is_state(r, CLIENT_QUALIFIED, WHY_NONE, 1);
	sent_nothing(r);
}

void rig_is_state(struct rig *r, enum client_state state, enum client_why why,
		  unsigned n, const char *file, int line)
{
	const struct client_status *s = status(r);

	if (s->state == state && s->why == why && s->n == n)
		return;
	fprintf(stderr,
		"%s:%d: [%s] state %d, %s, %u addresses; not %d, %s, %u\n",
		file, line, r->about ? r->about : "", (int)s->state,
		client_why_name(s->why), s->n, (int)state, client_why_name(why),
		n);
	_fail(file, line);
}

struct asked rig_asked(struct rig *r, struct tuple to, struct tuple local,
		       const char *file, int line)
{
	const struct sent *s = rig_next_sent(r, file, line);
	struct asked a = {.when = s->when, .to = to};
	struct packet want;
	char ip[16];

	for (int i = 0; i < 8; i++)
		snprintf(a.nonce + 2 * i, 3, "%02x", s->p.b[4 + i]);
	a.flags = be16(s->p.b + 13 + 16);
	snprintf(ip, sizeof(ip), "%u.%u.%u.%u", local.ip >> 24,
		 local.ip >> 16 & 255, local.ip >> 8 & 255, local.ip & 255);
	a.from = ll(a.flags, local.port, ip);
	rs(&want, .from = &a.from);
	add_nonce(&want, a.nonce);
	r->first--;
	rig_sent_udp(r, DOOR_SERVICE, to, &want, file, line);
	if (a.flags & 0x4300)
		_fail(file, line);
	return a;
}

void advert_inner(struct packet *p, const struct asked *a, const char *primary)
{
	icmp6(p, ll(0x8000, 3544, primary), a->from, 134, 0,
	      "00000000 00000000 00000000"
	      "03044040 ffffffff ffffffff 00000000"
	      "20010000 00000000 00000000 00000000"
	      "05010000 00000500");
	put32(p->b + 76, ip4(primary));
	fix_icmp6(p);
	set_hops(p, 255);
}

void advert(struct packet *p, const struct asked *a, const char *primary,
	    struct tuple seen)
{
	advert_inner(p, a, primary);
	add_origin(p, seen);
	add_nonce(p, a->nonce);
}

void rig_answers(struct rig *r, struct tuple to, const char *primary,
		 struct tuple seen, const char *file, int line)
{
	struct asked a = rig_asked(r, to, local_at, file, line);
	struct packet p;

	rig_sent_nothing(r, file, line);
	advert(&p, &a, primary, seen);
	rig_from_ip4(r, DOOR_SERVICE, to, 0, &p, file, line);
	rig_ended(r, REASON_RA_TAKEN, file, line);
}

void pass_answered(struct rig *r, uint64_t ns, struct tuple seen)
{
	uint64_t end = r->now + ns, next;

	while ((next = node_next(&r->node)) <= end) {
		pass(r, next > r->now ? next - r->now : 0);
		while (r->first != r->n) {
			if (r->log[r->first].kind == OUT_GROUP)
				r->first++; /* an announcement */
			else
				answers(r, r->log[r->first].to, seen);
		}
	}
	pass(r, end - r->now);
}

void rig_sent_test(struct rig *r, struct tuple via, struct ip6 to,
		   struct packet *t, const char *file, int line)
{
	const struct sent *s = rig_next_sent(r, file, line);
	struct packet want;

	*t = s->p;
	icmp6(&want, client, to, 128, 0,
	      "00000000 00000000 00000000 00000000 00000000");
	if (s->p.n == want.n) {
		memcpy(want.b + 44, s->p.b + 44, 20);
		fix_icmp6(&want);
	}
	r->first--;
	rig_sent_udp(r, DOOR_SERVICE, via, &want, file, line);
}

void reply(struct packet *p, const struct packet *test)
{
	*p = *test;
	memcpy(p->b + 8, test->b + 24, 16);
	memcpy(p->b + 24, test->b + 8, 16);
	p->b[40] = 129;
	fix_icmp6(p);
}

void bubble_with(struct packet *p, struct ip6 from, struct ip6 to,
		 uint32_t nonce)
{
	bubble(p, from, to);
	add_tail(p, "010400000000");
	put32(p->b + 42, nonce);
}

void rig_sent_direct(struct rig *r, struct tuple to, struct ip6 who,
		     const char *nonce, const char *file, int line)
{
	struct packet want;

	bubble(&want, client, who);
	if (nonce) {
		add_tail(&want, "0104");
		add_tail(&want, nonce);
	}
	rig_sent_udp(r, DOOR_SERVICE, to, &want, file, line);
}

uint32_t rig_sent_indirect(struct rig *r, struct tuple via, struct ip6 who,
			   const char *file, int line)
{
	const struct sent *s = rig_next_sent(r, file, line);
	uint32_t nonce = be32(s->p.b + 42);
	struct packet want;

	bubble_with(&want, client, who, nonce);
	r->first--;
	rig_sent_udp(r, DOOR_SERVICE, via, &want, file, line);
	if (nonce == 0)
		_fail(file, line);
	return nonce;
}

struct ip6 rig_sent_cookie(struct rig *r, struct tuple via, struct ip6 who,
			   const char *file, int line)
{
	const struct sent *s = rig_next_sent(r, file, line);
	struct ip6 cookie = ip6("fe80::");
	struct packet want;

	memcpy(cookie.b + 8, s->p.b + 16, 8);
	bubble(&want, cookie, who);
	r->first--;
	rig_sent_udp(r, DOOR_SERVICE, via, &want, file, line);
	return cookie;
}

void by_server(struct rig *r, const struct packet *p, struct tuple origin)
{
	struct packet q = *p;

	set_hops(&q, 63);
	add_origin(&q, origin);
	from_ip4(r, DOOR_SERVICE, server_at, &q);
}

void trust_native(struct rig *r, struct ip6 who, struct tuple relay)
{
	struct packet p, q, t;

	goes_to(r, &p, who);
	ended(r, REASON_HELD);
	sent_test(r, server_at, who, &t);
	sent_nothing(r);
	reply(&q, &t);
	from_ip4(r, DOOR_SERVICE, relay, &q);
	ended(r, REASON_TEST_REPLY);
	sent_udp(r, DOOR_SERVICE, relay, &p);
	sent_nothing(r);
}

void trust_client(struct rig *r, struct ip6 who, struct tuple where)
{
	struct packet q;

	bubble(&q, who, client);
	from_ip4(r, DOOR_SERVICE, where, &q);
	ended(r, REASON_BUBBLE);
	sent_nothing(r);
}

void complaint(struct packet *e, uint8_t type, uint8_t code, uint32_t mtu,
	       const struct packet *about)
{
	size_t n = about->n > 1232 ? 1232 : about->n;

	icmp6(e, server_ll, client, type, code, "00000000");
	put32(e->b + 44, mtu);
	memcpy(e->b + 48, about->b, n);
	e->n = 48 + n;
	put16(e->b + 4, (uint16_t)(n + 8));
	fix_icmp6(e);
}
