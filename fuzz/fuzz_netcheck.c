/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A netcheck among two servers that may say anything. The script answers what
 * was asked, bent or not, sends bytes of its own, says that datagrams were
 * refused, lets time pass. It ends in time; it sends to the servers, and a few
 * datagrams to where they say it or a relay is; and no server is good that has
 * not returned the nonces sent to both its addresses.
 */
#include "fuzz.h"

#include "netcheck.h"
#include "ratelim.h"
#include "server.h"

enum {
	SERVERS = 2,
	MAPPED = 0x0b000001, /* where they see us: ports 4096 and on */
	KEPT = 32,           /* of what was sent, the last */
	LONGEST = 256,
	MOST_SENT = 200,
	MOST_ELSEWHERE = 14, /* hairpin 8, bubbles to relays 4, echos 2 */
};

static const uint32_t first[SERVERS] = {0x09000002, 0x0c000001};
static const struct self self = {.n_ip4 = 1, .ip4 = {{0xc0a80105, 24}}};
static const struct gate gate = {
	.self = &self, .prefix = TEREDO_PREFIX, .public_only = true};
static const struct self far_self;
static const struct gate far_gate = {.self = &far_self,
				     .prefix = TEREDO_PREFIX};
static struct server server[SERVERS];
static struct ledger ledger;
static struct netcheck n;
static struct outbox out, answers;
static uint64_t now;
static unsigned n_sent, elsewhere;
static bool answered[SERVERS][2];

static struct kept {
	enum door door;
	int server; /* -1 = to nobody */
	bool second;
	uint16_t len;
	uint8_t p[LONGEST];
} kept[KEPT];

static void keep(const struct out *o)
{
	struct kept *k = &kept[n_sent++ % KEPT];

	WANT(n_sent <= MOST_SENT);
	WANT(o->kind == OUT_UDP && o->head_len + o->body_len <= LONGEST);
	WANT(gate_target(&gate, o->to) == REASON_NONE);
	k->door = o->door;
	k->server = -1;
	for (int i = 0; i < SERVERS; i++) {
		uint32_t second = o->to.ip - first[i];

		if (second > 1)
			continue;
		k->server = o->to.port == TEREDO_PORT ? i : -1;
		k->second = second;
		WANT(o->to.port == TEREDO_PORT ||
		     (o->to.port == NETCHECK_OTHER_PORT && !second) ||
		     ++elsewhere <= MOST_ELSEWHERE);
		goto known;
	}
	WANT(++elsewhere <= MOST_ELSEWHERE);
known:
	k->len = (uint16_t)(o->head_len + o->body_len);
	memcpy(k->p, o->head, o->head_len);
	if (o->body_len)
		memcpy(k->p + o->head_len, o->body, o->body_len);
}

static void keep_all(void)
{
	for (unsigned i = 0; i < out.n; i++)
		keep(&out.v[i]);
	outbox_clear(&out);
}

static void arrive(enum door door, struct tuple from, const uint8_t *p,
		   size_t len)
{
	struct datagram d = {.door = door, .from = from};
	uint8_t *copy = malloc(len ? len : 1);

	WANT(copy);
	if (len)
		memcpy(copy, p, len);
	d.data = copy;
	d.len = (uint16_t)len;
	netcheck_input(&n, &d, now, &out);
	free(copy);
	keep_all();
}

/* What the server answers to the i-th last datagram, with bytes bent. */
static void answer(struct script *s)
{
	const struct kept *k = &kept[(n_sent - 1 - script_u8(s) % KEPT) % KEPT];
	struct datagram d = {.from = {MAPPED, (uint16_t)(4096 + k->door)},
			     .data = k->p,
			     .len = k->len};
	uint8_t p[LONGEST], bends = script_u8(s);
	const struct out *o = answers.v;
	struct tuple from = {0, TEREDO_PORT};
	size_t len;
	bool right = true;

	if (!n_sent || k->server < 0 || !k->len)
		return;
	d.door = k->second ? DOOR_SECONDARY : DOOR_PRIMARY;
	outbox_clear(&answers);
	server_input(&server[k->server], &d, now, &answers);
	if (!answers.n || o->kind != OUT_UDP ||
	    o->head_len + o->body_len > LONGEST)
		return;
	len = (size_t)o->head_len + o->body_len;
	memcpy(p, o->head, o->head_len);
	if (o->body_len)
		memcpy(p + o->head_len, o->body, o->body_len);
	for (unsigned i = 0; i < bends % 8; i++) {
		unsigned where = script_u8(s);

		right &= where >= 13;
		p[where] ^= script_u8(s);
	}
	if (bends & 0x40) {
		len = script_u8(s);
		right &= len >= 13;
	}
	from.ip = first[k->server] + (o->door == DOOR_SECONDARY);
	if (right && k->door == NETCHECK_MAIN)
		answered[k->server][k->second] = true;
	arrive((enum door)(NETCHECK_MAIN + (o->to.port - 4096u) % 3), from, p,
	       len);
}

static struct tuple somebody(struct script *s)
{
	static const struct tuple who[] = {
		{0x09000002, 3544},  {0x09000003, 3544}, {0x0c000001, 3544},
		{0x0c000002, 3544},  {0x0e000001, 3545}, {MAPPED, 4097},
		{0x09000002, 33434}, {0xc0a80105, 9},
	};

	return who[script_u8(s) % 8];
}

static void raw(struct script *s)
{
	enum door door = (enum door)(NETCHECK_MAIN + script_u8(s) % 3);
	struct tuple from = somebody(s);
	size_t len = script_u8(s);

	if (len > s->n)
		len = s->n;
	arrive(door, from, s->p, len);
	s->p += len;
	s->n -= len;
}

static void step(struct script *s)
{
	uint64_t next = netcheck_next(&n);

	switch (script_u8(s) % 8) {
	case 0:
		raw(s);
		break;
	case 1:
		netcheck_icmp(&n, (enum door)(NETCHECK_MAIN + script_u8(s) % 3),
			      somebody(s), script_u8(s), script_u32(s));
		break;
	case 2:
		now += script_u8(s) * 10 * NS_PER_MS;
		break;
	case 3:
		if (next != UINT64_MAX && next > now)
			now = next;
		break;
	case 4:
		netcheck_dns(&n, script_u8(s) & 1);
		break;
	default:
		answer(s);
	}
	netcheck_timeout(&n, now, &out);
	keep_all();
}

static void init(struct script *s)
{
	static const struct hash_key key;
	const struct netcheck_conf conf = {.prefix = TEREDO_PREFIX,
					   .with_relay = script_u8(s) & 1,
					   .host = {{0x2a, 0, 0, 1, [15] = 1}}};
	struct tuple local[DOORS];

	for (uint16_t i = 0; i < DOORS; i++)
		local[i] = (struct tuple){0xc0a80105, (uint16_t)(50000 + i)};
	now = 1000 * NS_PER_S;
	n_sent = elsewhere = 0;
	memset(answered, 0, sizeof(answered));
	memset(kept, 0, sizeof(kept));
	outbox_init(&out, &gate);
	outbox_init(&answers, &far_gate);
	netcheck_init(&n, &conf, &gate, &(struct rng){.key = {{1}}});
	for (int i = 0; i < SERVERS; i++) {
		const struct server_conf c = {.primary = first[i],
					      .secondary = first[i] + 1,
					      .mtu = TEREDO_MTU};

		server_init(&server[i], &c, &far_gate, &ledger, &key);
		netcheck_server(&n, first[i], first[i] + 1);
	}
	netcheck_start(&n, local, now, &out);
	keep_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	struct netcheck_findings f;
	uint64_t end;

	init(&s);
	end = now + NETCHECK_MAX_MS * NS_PER_MS;
	while (s.n)
		step(&s);
	end = now > end ? now : end;
	while (netcheck_next(&n) != UINT64_MAX) {
		uint64_t next = netcheck_next(&n);

		now = next > now ? next : now;
		WANT(now <= end);
		netcheck_timeout(&n, now, &out);
		keep_all();
		WANT(netcheck_next(&n) > now);
	}
	netcheck_judge(&n, &f);
	for (int i = 0; i < SERVERS; i++) {
		WANT(f.server[i].verdict < CHECKED_COUNT);
		if (f.server[i].verdict == CHECKED_GOOD)
			WANT(answered[i][0] && answered[i][1]);
	}
	WANT(f.good == (f.best >= 0));
	return 0;
}
