/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connectivity tests (4380 §5.2.9): a client holds a packet for a native host
 * and has sent it an echo request. What comes back from a relay is the right
 * answer with the script laid over it (exclusive or). If and only if it is what
 * only the host can know, the packet leaves, to that relay; and no answer is
 * good for two relays.
 */
#include "fuzz.h"

#include "node.h"
#include "pkt.h"
#include "recent.h"

enum {
	PRIMARY = 0x09000002,
	REPLY = IP6_LEN + 8 + TEST_NONCE_LEN
};

static const struct tuple mapped = {0x0b000001, 5000};
static const struct tuple relays[2] = {{0x0e000001, 3545}, {0x0e000002, 3545}};
static const struct ip6 native = {{0x2a, 0, 0, 1, [15] = 1}};
static const struct node_seed seed = {{{1}}, {{2}}, {{3}}};
static struct node node;
static struct server server;
static struct ledger ledger;
static struct outbox out, answers;
static uint8_t mem[1 << 20] __attribute__((aligned(64)));
static uint64_t now;

static void init(void)
{
	struct node_conf conf = {.prefix = TEREDO_PREFIX, .is_client = true};

	conf.client = client_defaults;
	conf.client.max_peers = RECENT_MIN;
	conf.client.max_held = HELD_MIN;
	WANT(node_memory(&conf) <= sizeof(mem));
	memset(mem, 0, node_memory(&conf));
	node_init(&node, &conf, &seed, mem);
	node.self.n_ip4 = 1;
	node.self.ip4[0].ip = 0xc0a80105;
	node.self.ip4[0].len = 24;
	outbox_init(&out, &node.gate);
	now = 1000 * NS_PER_S;
}

/* One of our own servers; it has neither clock nor memory. */
static void init_server(void)
{
	static const struct self self = {
		.n_ip4 = 2, .ip4 = {{PRIMARY, 24}, {PRIMARY + 1, 24}}};
	static const struct gate gate = {.self = &self,
					 .prefix = TEREDO_PREFIX};
	const struct server_conf conf = {.primary = PRIMARY,
					 .secondary = PRIMARY + 1,
					 .mtu = TEREDO_MTU};

	server_init(&server, &conf, &gate, &ledger, &seed.rng);
	outbox_init(&answers, &gate);
}

static size_t gather(uint8_t *p, const struct out *o)
{
	memcpy(p, o->head, o->head_len);
	if (o->body_len)
		memcpy(p + o->head_len, o->body, o->body_len);
	return (size_t)o->head_len + o->body_len;
}

/* What it asks is answered, until it has an address. */
static void qualify(void)
{
	uint8_t ask[PKT_MAX], reply[PKT_MAX];

	client_network(&node.client, (struct tuple){0xc0a80105, 5000}, now,
		       &out);
	client_server(&node.client, 0, PRIMARY, PRIMARY + 1, now, &out);
	for (int i = 0; i < 2; i++) {
		struct datagram d = {.from = mapped, .data = ask};

		WANT(out.n == 1 && out.v[0].kind == OUT_UDP);
		d.len = (uint16_t)gather(ask, &out.v[0]);
		d.door = out.v[0].to.ip == PRIMARY ? DOOR_PRIMARY
						   : DOOR_SECONDARY;
		outbox_clear(&answers);
		WANT(server_input(&server, &d, now, &answers) == REASON_RA);
		d.from = out.v[0].to;
		d.door = DOOR_SERVICE;
		d.data = reply;
		d.len = (uint16_t)gather(reply, &answers.v[0]);
		outbox_clear(&out);
		node_from_ip4(&node, &d, now, &out);
	}
	WANT(node.client.status.state == CLIENT_QUALIFIED);
	outbox_clear(&out);
}

/* The host sends to the native one; the answer to the test. */
static size_t call(uint8_t *reply)
{
	uint8_t p[PKT_MAX];
	const struct ip6 *own = &node.client.status.address[0];
	size_t n = pkt_app(p, own, &native, APP_REQUEST, 7);
	struct view v;

	WANT(node_from_ip6(&node, p, (uint16_t)n, now, &out) == REASON_HELD);
	WANT(out.n == 1 && out.v[0].to.ip == PRIMARY);
	n = gather(p, &out.v[0]);
	outbox_clear(&out);
	view_read(&v, p, n);
	WANT(v.ip && v.len == REPLY);
	return pkt_pong(reply, v.ip, v.len);
}

/* Does the packet leave now? Nothing else may, to this relay. */
static bool arrives(const uint8_t *p, size_t n, struct tuple from)
{
	struct datagram d = {.door = DOOR_SERVICE, .from = from};
	uint8_t *copy = malloc(n ? n : 1);
	unsigned to_relay = 0;

	WANT(copy);
	if (n)
		memcpy(copy, p, n);
	d.data = copy;
	d.len = (uint16_t)n;
	outbox_clear(&out);
	node_from_ip4(&node, &d, now, &out);
	for (unsigned i = 0; i < out.n; i++) {
		const struct out *o = &out.v[i];

		if (o->kind == OUT_UDP && tuple_equal(o->to, from)) {
			WANT(o->head_len + o->body_len == APP_LEN);
			to_relay++;
		}
	}
	free(copy);
	WANT(to_relay <= 1);
	return to_relay;
}

/* Is it what only the host knows, and in the form of an answer? */
static bool is_right(const uint8_t *p, size_t n, const uint8_t *right)
{
	struct view v;
	const uint8_t *u;
	struct trailers with;

	view_read(&v, p, n);
	if (trailers_parse(&with, v.tail, v.tail_len) != REASON_NONE)
		return false; /* X3 */
	if (!v.ip || v.nonce || v.has_origin || v.len != REPLY)
		return false;
	u = (const uint8_t *)(v.ip + 1);
	return ip6_equal(&v.ip->src, &native) &&
	       ip6_equal(&v.ip->dst, &node.client.status.address[0]) &&
	       v.ip->next == 58 && u[0] == ICMP6_ECHO_REPLY &&
	       memcmp(u + 8, right + 48, TEST_NONCE_LEN) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	uint8_t right[PKT_MAX] = {0}, p[PKT_MAX];
	size_t n, at;
	bool good;

	if (!server.ra.type)
		init_server();
	init();
	qualify();
	n = call(right);
	memcpy(p, right, sizeof(p));
	n = (n + (int8_t)script_u8(&s)) % 256; /* shorter or longer */
	at = script_u8(&s);
	for (; s.n && at < n; at++)
		p[at] ^= script_u8(&s);
	good = is_right(p, n, right);
	WANT(arrives(p, n, relays[0]) == good);
	/* Used up; by another way only what is right brings anything. */
	WANT(arrives(right, REPLY, relays[1]) == !good);
	WANT(!arrives(right, REPLY, relays[0]));
	return 0;
}
