/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is around the machines: NATs, a real server, and others who do what a
 * client or a relay does, without knowing anything. What they send to a machine
 * waits in the scene until it is delivered, if ever.
 */
#include "explore.h"

#include <stdio.h>
#include <string.h>

#include "csum.h"

struct scene scene;
struct machine machines[MACHINES];
unsigned n_machines;
struct machine server;
const struct world *world;
bool tell;
struct other others[OTHERS];
bool symmetric[MACHINES];

const uint32_t servers[2] = {IP(9, 0, 0, 2), IP(9, 0, 0, 3)};
const struct ip6 native_host = {{0x2a, 0, 0, 1, [15] = 1}};

enum {
	FAN_OUT = 4, /* how deep answers may cause answers */
	STUCK = 64,
	PROBE = 8, /* from one mapped port to the other */
};

static unsigned depth;

/* --- what is told --- */

static const char *what(const uint8_t *p, size_t n)
{
	static char s[80];
	struct view v;
	const char *kind = "data";

	view_read(&v, p, n);
	if (!v.ip)
		return "no packet";
	if (view_is_bubble(&v))
		kind = "bubble";
	else if (v.ip->next == NEXT_ICMPV6)
		kind = ip6_payload(v.ip)[0] < 128 ? "error"
		       : ip6_payload(v.ip)[0] == ICMP6_ECHO_REQUEST
			       ? "echo request"
		       : ip6_payload(v.ip)[0] == ICMP6_ECHO_REPLY ? "echo reply"
		       : ip6_payload(v.ip)[0] == ICMP6_ROUTER_SOLICITATION
			       ? "solicitation"
			       : "advertisement";
	snprintf(s, sizeof(s), "%s%s ..%02x%02x -> ..%02x%02x nonce %08x", kind,
		 v.has_origin ? " with origin" : "", v.ip->src.b[14],
		 v.ip->src.b[15], v.ip->dst.b[14], v.ip->dst.b[15],
		 view_trailer(&v));
	return s;
}

static void say(const char *who, const char *verb, struct tuple t,
		const uint8_t *p, size_t n)
{
	if (tell)
		printf("      %s %s %u.%u.%u.%u:%u: %s\n", who, verb,
		       t.ip >> 24, t.ip >> 16 & 255, t.ip >> 8 & 255,
		       t.ip & 255, t.port, what(p, n));
}

/* --- addresses --- */

static bool same(struct tuple a, struct tuple b)
{
	return a.ip == b.ip && a.port == b.port;
}

/* Each rebinding gives another address and port. */
struct tuple net_mapped(unsigned machine, struct tuple to)
{
	uint8_t k = scene.mapping[machine];
	struct tuple t = {IP(9, 0, 10 + machine, 1 + k),
			  (uint16_t)(4096 + 16 * k)};

	if (!machines[machine].node.is_client)
		return machines[machine].local;
	if (symmetric[machine])
		t.port = (uint16_t)(t.port + (to.ip & 15));
	return t;
}

struct ip6 net_address(uint32_t server_ip, struct tuple client)
{
	const struct teredo t = {TEREDO_PREFIX, server_ip, 0x1467, client};
	struct ip6 a;

	teredo_pack(&a, &t);
	return a;
}

/* --- others --- */

static void answer_bubble(const struct other *o, const struct view *v,
			  struct tuple to)
{
	bool old = o->habit == HABIT_SYMMETRIC;
	struct tuple from = o->at;
	uint8_t p[PKT_MAX];
	size_t n;

	if (old)
		from.port++;
	n = pkt_bubble(p, &o->address, &v->ip->src, old ? 0 : view_trailer(v));
	net_send(from, to, p, n);
}

static void answer_data(const struct other *o, const struct view *v,
			struct tuple from)
{
	struct tuple at = o->at;
	uint8_t p[PKT_MAX];

	if (o->habit == HABIT_SYMMETRIC)
		at.port++;
	net_send(at, from, p,
		 pkt_app(p, &v->ip->dst, &v->ip->src, APP_REPLY, 0));
}

static bool is_ping(const struct view *v)
{
	return v->ip->next == NEXT_ICMPV6 && v->len >= 48 &&
	       ip6_payload(v->ip)[0] == ICMP6_ECHO_REQUEST;
}

/* The host behind a relay answers a test; the relay carries it. */
static void answer_ping(const struct other *o, const struct view *v,
			struct tuple to)
{
	uint8_t p[PKT_MAX];

	net_send(o->at, to, p, pkt_pong(p, v->ip, v->len));
}

static void other_hears(const struct other *o, struct tuple from,
			const uint8_t *p, size_t n)
{
	struct view v;

	view_read(&v, p, n);
	if (!v.ip || v.nonce)
		return;
	if (view_is_bubble(&v) && v.has_origin)
		answer_bubble(o, &v, v.origin);
	else if (view_is_bubble(&v) && o->habit == HABIT_NEIGHBOUR)
		answer_bubble(o, &v, from);
	else if (is_ping(&v) && !v.has_origin)
		answer_ping(o, &v, from);
	else if (!view_is_bubble(&v) && !v.has_origin)
		answer_data(o, &v, from);
}

/* What the server lets out into the native Internet. */
static void native_hears(const uint8_t *p, size_t n)
{
	struct teredo t;
	struct view v;

	view_read(&v, p, n);
	for (int i = 0; i < OTHERS; i++) {
		if (others[i].habit != HABIT_RELAY || !is_ping(&v) ||
		    !ip6_equal(&v.ip->dst, &others[i].address))
			continue;
		teredo_unpack(&t, &v.ip->src);
		answer_ping(&others[i], &v, t.client);
	}
}

/* --- the way --- */

static void server_hears(enum door door, struct tuple from, const uint8_t *p,
			 size_t n)
{
	const struct datagram d = {
		.door = door, .from = from, .data = p, .len = (uint16_t)n};

	audit_ip4(&server.audit, &d, scene.now, &server.out);
	carry_out(&server);
}

/* Who sent it, and what it is; not what it is about. */
static uint64_t kind_of(const struct message *m)
{
	uint64_t h = digest_bytes(m->data, 0, m->machine * 8u + m->door);
	struct view v;

	view_read(&v, m->data, m->len);
	h = digest_bytes(&m->from.ip, sizeof(m->from.ip), h + m->from.port);
	if (v.ip)
		h = digest_bytes(&v.ip->next, 1, h + v.len + v.tail_len);
	return v.ip && v.len > IP6_LEN ? h + ip6_payload(v.ip)[0] : h;
}

static void lose(unsigned i)
{
	scene.n--;
	memmove(&scene.v[i], &scene.v[i + 1],
		(scene.n - i) * sizeof(scene.v[0]));
}

/* Of each kind so many are kept; older ones are lost. */
static void make_room(uint64_t kind)
{
	unsigned same = 0, oldest = 0;

	for (unsigned i = scene.n; i-- > 0;) {
		if (scene.v[i].kind != kind)
			continue;
		same++;
		oldest = i;
	}
	if (same && same >= world->keep)
		lose(oldest);
}

static bool is_there(const struct message *m)
{
	for (unsigned i = 0; i < scene.n; i++) {
		if (memcmp(&scene.v[i], m, sizeof(*m)) == 0)
			return true;
	}
	return false;
}

void net_throw(unsigned machine, enum door door, struct tuple from,
	       const void *p, size_t n)
{
	struct message m;

	if (n > MESSAGE_MAX)
		audit_failed("a message of %zu bytes", n);
	memset(&m, 0, sizeof(m));
	m.machine = (uint8_t)machine;
	m.door = (uint8_t)door;
	m.from.ip = from.ip;
	m.from.port = from.port;
	m.len = (uint16_t)n;
	memcpy(m.data, p, n);
	m.digest = digest_bytes(&m, sizeof(m), 4);
	m.kind = kind_of(&m);
	if (is_there(&m))
		return;
	make_room(m.kind);
	if (scene.n == MESSAGES)
		audit_failed("more messages than there is room for");
	memcpy(&scene.v[scene.n++], &m, sizeof(m));
}

/* Order matters among those of one kind only: see make_room(). */
uint64_t net_digest(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < scene.n; i++) {
		uint64_t before = 0;

		for (unsigned k = 0; k < i; k++)
			before += scene.v[k].kind == scene.v[i].kind;
		sum += digest_bytes(&before, sizeof(before), scene.v[i].digest);
	}
	return sum;
}

/* If it is for this machine, it may arrive there. */
static void arrive(unsigned i, struct tuple from, struct tuple to,
		   const void *p, size_t n)
{
	struct tuple t = net_mapped(i, from);

	if (same(t, to) || same(machines[i].local, to))
		net_throw(i, DOOR_SERVICE, from, p, n);
	t.port += PROBE;
	if (same(t, to) && machines[i].node.is_client)
		net_throw(i, DOOR_PROBE, from, p, n);
}

void net_send(struct tuple from, struct tuple to, const void *p, size_t n)
{
	if (depth == FAN_OUT)
		return;
	depth++;
	for (int k = 0; k < 2; k++) {
		if (server.mem && to.ip == servers[k] && to.port == TEREDO_PORT)
			server_hears(k ? DOOR_SECONDARY : DOOR_PRIMARY, from, p,
				     n);
	}
	for (int i = 0; i < OTHERS; i++) {
		if (others[i].habit && same(others[i].at, to))
			other_hears(&others[i], from, p, n);
	}
	for (unsigned i = 0; i < n_machines; i++) {
		arrive(i, from, to, p, n);
	}
	depth--;
}

void net_deliver(unsigned i)
{
	struct message *k = &scene.v[i];
	struct machine *m = &machines[k->machine];
	const struct datagram d = {.door = (enum door)k->door,
				   .from = k->from,
				   .data = k->data,
				   .len = k->len};

	if (d.door == DOOR_PROBE && !m->node.client.status.wants_probe)
		return;
	say(m->name, "hears", d.from, d.data, d.len);
	audit_ip4(&m->audit, &d, scene.now, &m->out);
	carry_out(m);
}

static struct tuple source(const struct machine *m, const struct out *o)
{
	struct tuple t;

	if (m->node.is_server)
		return (struct tuple){servers[o->door == DOOR_SECONDARY],
				      TEREDO_PORT};
	if (o->to.ip >> 16 == (IP(192, 168, 0, 0) >> 16))
		return m->local;
	t = net_mapped((unsigned)(m - machines), o->to);
	if (o->door != DOOR_PROBE)
		return t;
	if (!m->node.client.status.wants_probe)
		audit_failed("C69: sends from a door that is closed");
	t.port += PROBE;
	return t;
}

void carry_out(struct machine *m)
{
	uint8_t p[PKT_MAX];
	const struct out *o;
	size_t n;

	/* Bodies are where the input is, heads in the outbox: copy first. */
	static struct outbox copies[FAN_OUT + 2];
	struct outbox *out = &copies[depth];

	out->n = m->out.n;
	memcpy(out->v, m->out.v, m->out.n * sizeof(out->v[0]));
	memcpy(out->bytes, m->out.bytes, m->out.used);
	for (unsigned i = 0; i < out->n; i++) {
		if (out->v[i].head)
			out->v[i].head =
				out->bytes + (out->v[i].head - m->out.bytes);
	}
	outbox_clear(&m->out);
	for (unsigned i = 0; i < out->n; i++) {
		o = &out->v[i];
		n = (size_t)o->head_len + o->body_len;
		if (o->head_len)
			memcpy(p, o->head, o->head_len);
		if (o->body_len)
			memcpy(p + o->head_len, o->body, o->body_len);
		if (o->kind == OUT_UDP) {
			say(m->name, "sends to", o->to, p, n);
			if (world->sent && m != &server)
				world->sent(o, p, n);
			net_send(source(m, o), o->to, p, n);
		} else if (o->kind == OUT_IP6) {
			say(m->name, "has for IPv6", (struct tuple){0, 0}, p,
			    n);
			if (m == &server)
				native_hears(p, n);
		}
	}
}

/* --- time --- */

static void serve(struct machine *m)
{
	int n = 0;

	while (node_next(&m->node) <= scene.now) {
		if (n++ == STUCK)
			audit_failed("I9: the deadline stays in the past");
		audit_timeout(&m->audit, scene.now, &m->out);
		carry_out(m);
	}
}

uint64_t next_deadline(void)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < n_machines; i++) {
		uint64_t t = node_next(&machines[i].node);

		if (t < next)
			next = t;
	}
	return next;
}

static void serve_all(void)
{
	for (unsigned i = 0; i < n_machines; i++)
		serve(&machines[i]);
}

void pass_until(uint64_t when)
{
	uint64_t next;

	while ((next = next_deadline()) <= when) {
		if (next > scene.now)
			scene.now = next;
		serve_all();
	}
	scene.now = when;
}

void jump(uint64_t by)
{
	scene.now += by;
	serve_all();
}

void act_next(void)
{
	uint64_t next = next_deadline();

	if (next != UINT64_MAX)
		pass_until(next);
}

void act_1s(void)
{
	pass_until(scene.now + S(1));
}

void act_2s(void)
{
	pass_until(scene.now + S(2));
}

void act_30s(void)
{
	pass_until(scene.now + S(30));
}

void act_sleep(void)
{
	jump(S(300));
}

void host_sends(unsigned machine, const struct ip6 *src, const struct ip6 *dst)
{
	struct machine *m = &machines[machine];
	uint8_t p[PKT_MAX];
	size_t n = pkt_app(p, src, dst, APP_REQUEST, 0);

	say(m->name, "is given", (struct tuple){0, 0}, p, n);
	audit_ip6(&m->audit, p, (uint16_t)n, scene.now, &m->out);
	carry_out(m);
}

void net_start_server(void)
{
	const struct node_conf c = {
		.is_server = true,
		.prefix = TEREDO_PREFIX,
		.server = {.primary = servers[0],
			   .secondary = servers[1],
			   .mtu = TEREDO_MTU},
	};

	machine_init(&server, "server", &c,
		     (struct tuple){servers[0], TEREDO_PORT});
	server.node.self.n_ip4 = 2;
	server.node.self.ip4[1] = server.node.self.ip4[0];
	server.node.self.ip4[1].ip = servers[1];
}

void net_reset(void)
{
	memset(&scene, 0, sizeof(scene));
	memset(others, 0, sizeof(others));
	memset(symmetric, 0, sizeof(symmetric));
	scene.now = S(1000);
	n_machines = 0;
}
