/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A little world for netcheck: a NAT of any kind, servers that are ours or that
 * lie, a relay, delays. The servers are our own server.c.
 */
#include "netcheck.h"
#include "rig.h"

#include <string.h>

#include "server.h"

enum {
	WAY = 64, /* datagrams on their way */
	MAPPINGS = 64,
	SERVERS = 3,
};

/* How much of the other side's tuple counts. */
enum rule {
	NOTHING,
	ADDRESS,
	PORT
};

enum mood {
	HONEST,
	SILENT,        /* both */
	SECOND_SILENT, /* the first only */
	FIRST_SILENT,
	WRONG_PREFIX,
	NO_NONCE,
	OLD_NONCE, /* somebody else's */
	RUBBISH,
	HALF,       /* packets */
	PRIVATE,    /* mapping */
	ODD,        /* mapping */
	NO_BUBBLES, /* but all else */
	FLOODS,
};

struct mapping {
	struct tuple in, to; /* of `to` as much as the rule says */
	uint16_t port;
	struct tuple sent[64];
	unsigned n_sent;
};

struct transit {
	uint64_t when;
	enum door door;    /* of netcheck */
	struct tuple from; /* as it arrives */
	struct packet p;
};

static struct world {
	bool no_nat, hairpin, no_hairpin_filter, preserve;
	enum rule maps, filters;
	struct mapping m[MAPPINGS];
	unsigned n_m;

	struct server server[SERVERS];
	struct gate server_gate[SERVERS];
	struct ledger ledger;
	enum mood mood[SERVERS];
	uint64_t delay[SERVERS]; /* there and back */
	uint64_t later[SERVERS]; /* more, of the second address */
	uint64_t more[SERVERS];  /* the first answers of all take longer */
	bool only_main;          /* the other sockets get nothing through */
	unsigned lose_asks, lose_bubbles; /* the first so many to servers */
	unsigned steps;                   /* a bit for each that it was in */
	unsigned asks, bubbles, others, elsewhere; /* what was sent */
	bool host_answers[SERVERS];

	bool has_relay;
	struct ip6 asks_from; /* the echo request that the relay holds */
	struct packet held;

	struct transit way[WAY];
	unsigned n_way;
	unsigned sent;    /* by netcheck */
	unsigned strange; /* to nobody that it may send to */
	struct outbox out, answers;
	uint64_t now, start;
} w;

static struct self self, server_self;
static struct gate gate;
static struct netcheck n;
static struct netcheck_findings f;
static const struct ip6 host6 = {{0x20, 1, 0xd, 0xb8, [15] = 0x55}};
static const char outside[] = "11.0.0.5";

static const struct tuple *local(void)
{
	static struct tuple at_doors[DOORS];

	for (int i = 0; i < DOORS; i++)
		at_doors[i] = at(w.no_nat ? outside : "192.168.1.5",
				 (uint16_t)(50000 + i));
	return at_doors;
}

/* ---- the NAT ---- */

static struct tuple part(enum rule rule, struct tuple t)
{
	return (struct tuple){rule == NOTHING ? 0 : t.ip,
			      rule == PORT ? t.port : 0};
}

static struct mapping *map(struct tuple in, struct tuple to)
{
	struct tuple key = part(w.maps, to);
	struct mapping *m = w.m;

	for (; m < w.m + w.n_m; m++) {
		if (tuple_equal(m->in, in) && tuple_equal(m->to, key))
			return m;
	}
	assert_true(w.n_m < MAPPINGS);
	*m = (struct mapping){.in = in, .to = key};
	m->port = (uint16_t)(w.preserve ? in.port : 4096 + w.n_m);
	w.n_m++;
	return m;
}

/* A packet from outside: to which door, or -1. */
static int inward(struct tuple from, struct tuple to, bool filtered)
{
	for (unsigned i = 0; i < w.n_m; i++) {
		const struct mapping *m = &w.m[i];

		if (m->port != to.port)
			continue;
		for (unsigned k = 0; k < m->n_sent && filtered; k++) {
			if (tuple_equal(part(w.filters, m->sent[k]),
					part(w.filters, from)))
				filtered = false;
		}
		if (!filtered || w.filters == NOTHING)
			return m->in.port - 50000;
	}
	return -1;
}

static void arrive(struct tuple from, struct tuple to, const struct packet *p,
		   uint64_t delay, bool filtered)
{
	int door = inward(from, to, filtered);

	if (door < 0 || w.n_way == WAY)
		return;
	w.way[w.n_way++] = (struct transit){
		.when = w.now + delay, .door = (enum door)door, .from = from};
	w.way[w.n_way - 1].p = *p;
}

static void take(struct packet *p, const struct out *o)
{
	p->n = 0;
	memcpy(p->b, o->head, o->head_len);
	if (o->body_len)
		memcpy(p->b + o->head_len, o->body, o->body_len);
	p->n = (size_t)o->head_len + o->body_len;
}

/* ---- servers and the relay ---- */

static void lie(int i, struct packet *p, struct tuple *to)
{
	struct packet r = *p;

	(void)to;
	switch (w.mood[i]) {
	case NO_NONCE:
		memmove(p->b, r.b + 13, p->n -= 13);
		break;
	case OLD_NONCE:
		p->b[5] ^= 1;
		break;
	case RUBBISH:
		memset(p->b, 0xa5, p->n);
		break;
	case HALF:
		p->n /= 2;
		break;
	case PRIVATE:
		put32(p->b + 13 + 4, ~ip4("192.168.7.7"));
		break;
	case ODD:
		put32(p->b + 13 + 4, ~ip4("11.0.0.77"));
		break;
	case HONEST:
	case SILENT:
	case SECOND_SILENT:
	case FIRST_SILENT:
	case WRONG_PREFIX:
	case NO_BUBBLES:
	case FLOODS:
		break;
	}
}

static void to_server(int i, enum door door, struct tuple from,
		      const struct packet *p);

static void relay_asks(int i)
{
	struct packet p;
	static const struct ip6 relay6 = {{0x20, 1, 0xd, 0xb8, [15] = 0x99}};

	bubble(&p, relay6, w.asks_from);
	to_server(i, DOOR_PRIMARY, other_relay_at, &p);
}

static void to_relay(struct tuple from, const struct packet *p)
{
	const struct wire_ip6 *ip = (const void *)p->b;
	struct packet r = *p;

	if (ip6_is_bubble(ip))
		r = w.held;
	else if (ip6_icmp_type(ip) != ICMP6_ECHO_REQUEST)
		return;
	if (!r.n)
		return;
	r.b[40] = ICMP6_ECHO_REPLY;
	memcpy(r.b + 8, host6.b, 16);
	memcpy(r.b + 24, w.asks_from.b, 16);
	fix_icmp6(&r);
	arrive(other_relay_at, from, &r, SECONDS(0.02), true);
}

static void to_server(int i, enum door door, struct tuple from,
		      const struct packet *p)
{
	const struct datagram d = {.door = door,
				   .from = from,
				   .data = p->b,
				   .len = (uint16_t)p->n};
	struct tuple own = {w.server[i].conf.primary, TEREDO_PORT};
	struct packet r;

	outbox_init(&w.answers, &w.server_gate[i]);
	server_input(&w.server[i], &d, w.now, &w.answers);
	for (unsigned k = 0; k < w.answers.n; k++) {
		struct out o = w.answers.v[k];

		take(&r, &o);
		if (o.kind == OUT_IP6) {
			w.held = r;
			memcpy(w.asks_from.b, r.b + 8, 16);
			if (w.has_relay)
				relay_asks(i);
			return;
		}
		if (o.door == DOOR_SECONDARY)
			own.ip = w.server[i].conf.secondary;
		if (r.n > 100)
			lie(i, &r, &o.to);
		else if (w.mood[i] == NO_BUBBLES)
			continue;
		arrive(own, o.to, &r,
		       w.delay[i] +
			       (o.door == DOOR_SECONDARY ? w.later[i] : 0) +
			       (r.n > 100 ? w.more[i] : 0),
		       true);
		if (r.n > 100)
			w.more[i] = 0;
		for (int more = 0; w.mood[i] == FLOODS && more < 8; more++) {
			flip(&r, 5, (uint8_t)(1 << more));
			arrive(own, o.to, &r, w.delay[i], true);
		}
	}
}

static void by_server(int i, struct tuple from, struct tuple to,
		      const struct packet *p)
{
	bool second = to.ip == w.server[i].conf.secondary;
	bool is_ask = p->n == 61;

	w.asks += is_ask;
	w.bubbles += !is_ask;
	if ((is_ask && w.asks <= w.lose_asks) ||
	    (!is_ask && w.bubbles <= w.lose_bubbles))
		return;
	if (w.mood[i] == SILENT || (second && w.mood[i] == SECOND_SILENT) ||
	    (!second && w.mood[i] == FIRST_SILENT))
		return;
	to_server(i, second ? DOOR_SECONDARY : DOOR_PRIMARY, from, p);
}

static void carry(const struct out *o)
{
	struct mapping *m = map(local()[o->door], o->to);
	struct tuple from = at(outside, m->port);
	struct packet p;

	if (w.no_nat)
		from.port = m->port = local()[o->door].port;
	assert_true(m->n_sent < ARRAY_SIZE(m->sent) || w.maps == NOTHING);
	if (m->n_sent < ARRAY_SIZE(m->sent))
		m->sent[m->n_sent++] = o->to;
	take(&p, o);
	w.sent++;
	if (w.only_main && o->door != NETCHECK_MAIN)
		return;
	for (int i = 0; i < SERVERS; i++) {
		uint32_t a = w.server[i].conf.primary;

		if (a == 0 || (o->to.ip != a && o->to.ip != a + 1))
			continue;
		if (o->to.port == TEREDO_PORT)
			by_server(i, from, o->to, &p);
		else if (w.others++, w.host_answers[i])
			netcheck_icmp(&n, o->door, o->to, 3, o->to.ip);
		return;
	}
	w.elsewhere++;
	if (tuple_equal(o->to, other_relay_at))
		to_relay(from, &p);
	else if (o->to.ip != ip4(outside))
		w.strange++;
	else if (w.hairpin)
		arrive(from, o->to, &p, SECONDS(0.001), !w.no_hairpin_filter);
}

/* ---- time ---- */

static void carry_all(void)
{
	for (unsigned i = 0; i < w.out.n; i++)
		carry(&w.out.v[i]);
	outbox_clear(&w.out);
}

/* The next thing that happens; false if nothing does. */
static bool happen(void)
{
	struct transit *first = NULL, t;
	uint64_t next = netcheck_next(&n);

	w.steps |= 1u << netcheck_step(&n);
	for (struct transit *i = w.way; i < w.way + w.n_way; i++) {
		if (i->when <= next && (!first || i->when < first->when))
			first = i;
	}
	if (!first) {
		if (next == UINT64_MAX)
			return false;
		assert_true(next > w.now || w.now == w.start);
		w.now = next;
		netcheck_timeout(&n, w.now, &w.out);
	} else {
		t = *first;
		*first = w.way[--w.n_way];
		w.now = t.when;
		netcheck_input(&n,
			       &(struct datagram){.door = t.door,
						  .from = t.from,
						  .data = t.p.b,
						  .len = (uint16_t)t.p.n},
			       w.now, &w.out);
	}
	carry_all();
	return true;
}

static void add(int i, const char *ip, enum mood mood)
{
	const struct hash_key key = {{(uint8_t)i}};
	const struct server_conf conf = {.primary = ip4(ip),
					 .secondary = ip4(ip) + 1,
					 .mtu = TEREDO_MTU};

	w.server_gate[i] = (struct gate){
		.self = &server_self,
		.prefix = mood == WRONG_PREFIX ? 0x3ffe831f : TEREDO_PREFIX,
		.public_only = true};
	server_init(&w.server[i], &conf, &w.server_gate[i], &w.ledger, &key);
	w.mood[i] = mood;
	w.delay[i] = SECONDS(0.02) * (unsigned)(i + 1);
	netcheck_server(&n, ip4(ip), ip4(ip) + 1);
}

static int fresh(void **state)
{
	const struct netcheck_conf conf = {.prefix = TEREDO_PREFIX};

	(void)state;
	memset(&w, 0, sizeof(w));
	memset(&self, 0, sizeof(self));
	gate = (struct gate){
		.self = &self, .prefix = TEREDO_PREFIX, .public_only = true};
	netcheck_init(&n, &conf, &gate, &(struct rng){.key = {{5}}});
	return 0;
}

static void run(void)
{
	outbox_init(&w.out, &gate);
	w.now = w.start = SECONDS(100);
	netcheck_start(&n, local(), w.now, &w.out);
	carry_all();
	while (happen())
		;
	assert_true(w.now - w.start <= NETCHECK_MAX_MS * NS_PER_MS);
	assert_int_equal(w.strange, 0);
	netcheck_judge(&n, &f);
}

static void is_verdict(int i, enum netcheck_verdict v)
{
	if (f.server[i].verdict != v)
		fail_msg("server %d: %s instead of %s", i,
			 netcheck_verdict_name(f.server[i].verdict),
			 netcheck_verdict_name(v));
}

static void is_reason(enum netcheck_reason r)
{
	if (f.reason != r)
		fail_msg("%s instead of %s", netcheck_reason_name(f.reason),
			 netcheck_reason_name(r));
	assert_int_equal(f.good, r == NETCHECK_OK);
}

/* ---- NATs ---- */

static void nat(enum rule maps, enum rule filters, bool hairpin)
{
	fresh(NULL);
	w.maps = maps;
	w.filters = filters;
	w.hairpin = hairpin;
	add(0, SERVER, HONEST);
	run();
	is_verdict(0, CHECKED_GOOD);
	is_reason(NETCHECK_OK);
}

static void is_nat(enum netcheck_behaviour maps,
		   enum netcheck_behaviour filters, enum tri hairpin,
		   const char *windows)
{
	assert_string_equal(netcheck_behaviour_name(f.mapping),
			    netcheck_behaviour_name(maps));
	assert_string_equal(netcheck_behaviour_name(f.filtering),
			    netcheck_behaviour_name(filters));
	assert_int_equal(f.hairpin, hairpin);
	assert_string_equal(netcheck_windows(&f), windows);
}

static void nat_kinds(void **state)
{
	(void)state;
	nat(NOTHING, NOTHING, false);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_INDEPENDENT, TRI_NO, "cone");
	nat(NOTHING, ADDRESS, false);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_DEPENDENT, TRI_NO,
	       "restricted or restricted (port)");
	nat(NOTHING, PORT, false);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_DEPENDENT, TRI_NO,
	       "restricted or restricted (port)");
	nat(ADDRESS, ADDRESS, false);
	is_nat(BEHAVIOUR_DEPENDENT, BEHAVIOUR_DEPENDENT, TRI_UNKNOWN,
	       "symmetric or symmetric (port)");
	nat(PORT, PORT, false);
	is_nat(BEHAVIOUR_DEPENDENT, BEHAVIOUR_DEPENDENT, TRI_UNKNOWN,
	       "symmetric or symmetric (port)");
	nat(PORT, NOTHING, false);
	is_nat(BEHAVIOUR_DEPENDENT, BEHAVIOUR_INDEPENDENT, TRI_UNKNOWN,
	       "symmetric");
}

static void nat_with_hairpin(void **state)
{
	(void)state;
	nat(NOTHING, NOTHING, true);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_INDEPENDENT, TRI_YES, "cone");
	nat(NOTHING, ADDRESS, true);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_ADDRESS, TRI_YES, "restricted");
	nat(NOTHING, PORT, true);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_ADDRESS_PORT, TRI_YES,
	       "restricted (port)");
}

/* Packets that come round pass unfiltered: nothing is known about ports. */
static void nat_with_open_hairpin(void **state)
{
	(void)state;
	w.no_hairpin_filter = true;
	w.hairpin = true;
	w.filters = PORT;
	add(0, SERVER, HONEST);
	run();
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_DEPENDENT, TRI_YES,
	       "restricted or restricted (port)");
}

static void no_nat(void **state)
{
	(void)state;
	w.no_nat = true;
	w.filters = PORT;
	self.n_ip4 = 1;
	self.ip4[0].ip = ip4(outside);
	self.ip4[0].len = 24;
	add(0, SERVER, HONEST);
	run();
	is_reason(NETCHECK_OK);
	is_nat(BEHAVIOUR_NONE, BEHAVIOUR_DEPENDENT, TRI_UNKNOWN, "none");
	assert_true(tuple_equal(f.mapped, local()[NETCHECK_MAIN]));
	assert_int_equal(f.preserves_port, TRI_YES);
}

static void ports(void **state)
{
	(void)state;
	nat(NOTHING, PORT, false);
	assert_int_equal(f.preserves_port, TRI_NO);
	fresh(NULL);
	w.filters = PORT;
	w.preserve = true;
	add(0, SERVER, HONEST);
	run();
	assert_int_equal(f.preserves_port, TRI_YES);
}

/* One address alone tells nothing about mapping and filtering. */
static void nat_of_one_address(void **state)
{
	(void)state;
	add(0, SERVER, SECOND_SILENT);
	run();
	is_verdict(0, CHECKED_SECONDARY_SILENT);
	is_reason(NETCHECK_NO_GOOD_SERVER);
	is_nat(BEHAVIOUR_UNKNOWN, BEHAVIOUR_UNKNOWN, TRI_UNKNOWN, "unknown");
	assert_true(tuple_equal(f.mapped, at(outside, 4096)));
	assert_string_equal(netcheck_reaches(&f), "no peers");
}

/* Who passes no bubbles on, shows nothing about filtering. */
static void nat_needs_bubbles(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, SERVER, NO_BUBBLES);
	run();
	is_verdict(0, CHECKED_NO_BUBBLES);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_UNKNOWN, TRI_UNKNOWN,
	       "unknown");
}

/* ---- servers ---- */

static void order(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, OTHER, HONEST);
	add(1, SERVER, HONEST);
	netcheck_no_server(&n, CHECKED_NO_NAME);
	w.delay[0] = SECONDS(0.2);
	w.delay[1] = SECONDS(0.03);
	run();
	is_verdict(0, CHECKED_GOOD);
	is_verdict(1, CHECKED_GOOD);
	is_verdict(2, CHECKED_NO_NAME);
	assert_int_equal(f.best, 1);
	assert_int_equal(f.server[0].rank, 2);
	assert_int_equal(f.server[1].rank, 1);
	assert_int_equal(f.server[2].rank, 0);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(f.server[0].rtt[k], SECONDS(0.2));
		assert_int_equal(f.server[1].rtt[k], SECONDS(0.03));
		assert_int_equal(f.server[2].rtt[k], 0);
	}
}

/* The second address counts as much as the first. */
static void order_by_both(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, OTHER, HONEST);
	add(1, SERVER, HONEST);
	add(2, "12.0.0.1", HONEST);
	w.delay[0] = w.delay[1] = w.delay[2] = SECONDS(0.05);
	w.later[0] = SECONDS(0.03);
	w.later[1] = SECONDS(0.02);
	w.later[2] = SECONDS(0.02);
	run();
	assert_int_equal(f.server[0].rank, 3);
	assert_int_equal(f.server[1].rank, 1); /* of two alike, the first */
	assert_int_equal(f.server[2].rank, 2);
	assert_int_equal(f.server[0].rtt[1], SECONDS(0.08));
}

/* One answer that was late does not count. */
static void median(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, SERVER, HONEST);
	w.more[0] = SECONDS(0.3);
	run();
	assert_int_equal(f.server[0].rtt[0], SECONDS(0.02));
	assert_int_equal(f.server[0].rtt[1], SECONDS(0.02));
	assert_int_equal(n.v[0].ask[0].rtt[0], SECONDS(0.32));
}

static uint64_t took(void)
{
	return w.now - w.start;
}

/* How much is sent, and how long it takes: of a good server; a silent one. */
static void costs(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, SERVER, HONEST);
	run();
	/* Three for each address, FRESH, THIRD. */
	assert_int_equal(w.asks, 8);
	/* One to ourselves, three to FRESH. */
	assert_int_equal(w.bubbles, 4);
	/* Two for each step of the hairpin, two by FRESH. */
	assert_int_equal(w.elsewhere, 8);
	assert_int_equal(w.others, 0);
	assert_true(took() > SECONDS(2) && took() < SECONDS(3));

	fresh(NULL);
	add(0, SERVER, SILENT);
	run();
	assert_int_equal(w.asks, 6);
	assert_int_equal(w.others, 2);
	assert_int_equal(w.bubbles + w.elsewhere, 0);
	assert_int_equal(took(), SECONDS(3.5));

	/* A second one does not make it longer. */
	fresh(NULL);
	add(0, OTHER, SILENT);
	add(1, SERVER, SECOND_SILENT);
	run();
	is_verdict(1, CHECKED_SECONDARY_SILENT);
	assert_int_equal(took(), SECONDS(3.5));

	fresh(NULL);
	add(0, SERVER, FIRST_SILENT);
	run();
	is_verdict(0, CHECKED_FIRST_SILENT);
	assert_int_equal(took(), SECONDS(3.5));
}

/* What is lost is sent again: twice, of each. */
static void loss(void **state)
{
	(void)state;
	w.filters = NOTHING;
	w.lose_asks = 4;
	w.lose_bubbles = 2;
	add(0, SERVER, HONEST);
	run();
	is_verdict(0, CHECKED_GOOD);
	assert_int_equal(f.filtering, BEHAVIOUR_INDEPENDENT);

	fresh(NULL);
	w.lose_bubbles = 3;
	add(0, SERVER, HONEST);
	run();
	is_verdict(0, CHECKED_NO_BUBBLES);

	fresh(NULL);
	w.lose_asks = 6;
	add(0, SERVER, HONEST);
	run();
	is_verdict(0, CHECKED_SILENT);
}

/* Those of FRESH and THIRD are lost: what needs them is unknown. */
static void loss_of_helpers(void **state)
{
	(void)state;
	w.hairpin = true;
	w.only_main = true;
	add(0, SERVER, HONEST);
	run();
	is_verdict(0, CHECKED_GOOD);
	is_nat(BEHAVIOUR_INDEPENDENT, BEHAVIOUR_UNKNOWN, TRI_UNKNOWN,
	       "unknown");
	assert_true(took() > SECONDS(3.5) && took() < SECONDS(3.6));
}

/* Whoever has answered is asked for no other port. */
static void late_server(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, SERVER, HONEST);
	w.more[0] = SECONDS(0.85);
	run();
	is_verdict(0, CHECKED_GOOD);
	assert_true(w.others <= 1);
}

static void slow_server(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, SERVER, HONEST);
	w.delay[0] = SECONDS(1.5);
	run();
	is_verdict(0, CHECKED_GOOD);
	assert_int_equal(f.server[0].rtt[0], SECONDS(1.5));
}

static void bad_servers(void **state)
{
	static const struct {
		enum mood mood;
		enum netcheck_verdict verdict;
	} v[] = {
		{SILENT, CHECKED_SILENT},
		{SECOND_SILENT, CHECKED_SECONDARY_SILENT},
		{FIRST_SILENT, CHECKED_FIRST_SILENT},
		{WRONG_PREFIX, CHECKED_WRONG_PREFIX},
		{NO_NONCE, CHECKED_WRONG_NONCE},
		{OLD_NONCE, CHECKED_WRONG_NONCE},
		{RUBBISH, CHECKED_NONSENSE},
		{HALF, CHECKED_NONSENSE},
		{PRIVATE, CHECKED_PRIVATE_MAPPING},
		{NO_BUBBLES, CHECKED_NO_BUBBLES},
		{FLOODS, CHECKED_GOOD},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		fresh(NULL);
		w.filters = PORT;
		add(0, OTHER, v[i].mood);
		add(1, SERVER, HONEST);
		run();
		is_verdict(0, v[i].verdict);
		is_verdict(1, CHECKED_GOOD);
		is_reason(NETCHECK_OK);
		assert_int_equal(f.mapping, BEHAVIOUR_INDEPENDENT);
		assert_int_equal(f.filtering, BEHAVIOUR_DEPENDENT);
	}
}

/* Alone, too. */
static void only_liars(void **state)
{
	static const enum mood v[] = {WRONG_PREFIX, NO_NONCE, OLD_NONCE,
				      RUBBISH,      HALF,     PRIVATE};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		fresh(NULL);
		add(0, SERVER, v[i]);
		run();
		is_reason(NETCHECK_NO_GOOD_SERVER);
		assert_int_equal(f.best, -1);
		assert_int_equal(f.mapped.port, 0);
		assert_int_equal(f.server[0].bubbles, TRI_UNKNOWN);
	}
}

static void passes_bubbles(void **state)
{
	(void)state;
	add(0, OTHER, NO_BUBBLES);
	add(1, SERVER, HONEST);
	add(2, "12.0.0.1", SILENT);
	run();
	assert_int_equal(f.server[0].bubbles, TRI_NO);
	assert_int_equal(f.server[1].bubbles, TRI_YES);
	assert_int_equal(f.server[2].bubbles, TRI_UNKNOWN);
	assert_int_equal(w.steps,
			 1 << NETCHECK_ASKING | 1 << NETCHECK_TESTING_NAT);
}

/* One of three says another mapping; of two, nobody knows who is right. */
static void odd_mapping(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, OTHER, ODD);
	add(1, SERVER, HONEST);
	add(2, "12.0.0.1", HONEST);
	w.hairpin = true;
	run();
	is_verdict(0, CHECKED_ODD_MAPPING);
	is_verdict(1, CHECKED_GOOD);
	assert_int_equal(f.mapping, BEHAVIOUR_INDEPENDENT);
	assert_true(tuple_equal(f.mapped, at(outside, 4096)));

	fresh(NULL);
	w.filters = PORT;
	add(0, OTHER, ODD);
	add(1, SERVER, HONEST);
	run();
	assert_int_equal(f.mapping, BEHAVIOUR_UNKNOWN);
}

/* By name and by address. */
static void same_server_twice(void **state)
{
	(void)state;
	w.filters = PORT;
	add(0, SERVER, HONEST);
	netcheck_server(&n, ip4(SERVER), ip4(SECOND));
	run();
	is_verdict(0, CHECKED_GOOD);
	is_verdict(1, CHECKED_GOOD);
}

static void private_server(void **state)
{
	(void)state;
	add(0, "192.168.1.9", HONEST);
	run();
	is_verdict(0, CHECKED_PRIVATE);
	is_reason(NETCHECK_NO_SERVER);
	assert_int_equal(w.sent, 0);

	fresh(NULL);
	w.no_nat = true;
	gate.n_allow = 1;
	gate.allow[0] = (struct ip4_prefix){ip4("192.168.0.0"), 16};
	add(0, "192.168.1.9", HONEST);
	w.server_gate[0].n_allow = 1;
	w.server_gate[0].allow[0] = gate.allow[0];
	run();
	is_verdict(0, CHECKED_GOOD);
}

/* ---- silence ---- */

/* Of the second address, too. */
static void icmp_of_second(void **state)
{
	(void)state;
	add(0, SERVER, SILENT);
	netcheck_icmp(&n, NETCHECK_MAIN, at(SECOND, 3544), 13, ip4("10.0.0.1"));
	run();
	is_reason(NETCHECK_PORT_BLOCKED);
	assert_int_equal(f.blocked_by, ip4("10.0.0.1"));
	/* Others' ports and addresses are not meant. */
	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_icmp(&n, NETCHECK_MAIN, at(SECOND, 3545), 13, 1);
	netcheck_icmp(&n, NETCHECK_MAIN, at(OTHER, 3544), 13, 1);
	netcheck_icmp(&n, NETCHECK_FRESH, at(SERVER, 3544), 13, 1);
	run();
	is_verdict(0, CHECKED_SILENT);
	is_reason(NETCHECK_NOTHING_ANSWERS);
}

static void silence(void **state)
{
	(void)state;
	add(0, SERVER, SILENT);
	run();
	is_reason(NETCHECK_NOTHING_ANSWERS);

	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_dns(&n, false);
	run();
	is_reason(NETCHECK_UDP_BLOCKED);

	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_dns(&n, true);
	netcheck_dns(&n, false);
	run();
	is_reason(NETCHECK_ONLY_DNS);

	fresh(NULL);
	add(0, SERVER, SILENT);
	w.host_answers[0] = true;
	run();
	is_verdict(0, CHECKED_FILTERED);
	is_reason(NETCHECK_PORT_BLOCKED);
}

static void icmp(void **state)
{
	const struct tuple first = at(SERVER, 3544), other = at(SERVER, 33434);

	(void)state;
	add(0, SERVER, SILENT);
	netcheck_icmp(&n, NETCHECK_MAIN, first, 3, first.ip);
	run();
	is_verdict(0, CHECKED_REFUSED);
	is_reason(NETCHECK_NO_GOOD_SERVER);

	for (unsigned code = 0; code < 3; code++) {
		static const uint8_t codes[] = {3, 10, 13};

		fresh(NULL);
		add(0, SERVER, SILENT);
		netcheck_icmp(&n, NETCHECK_MAIN, first, codes[code],
			      ip4("10.0.0.1"));
		run();
		is_verdict(0, CHECKED_BLOCKED);
		is_reason(NETCHECK_PORT_BLOCKED);
		assert_int_equal(f.blocked_by, ip4("10.0.0.1"));
	}

	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_icmp(&n, NETCHECK_MAIN, first, 13, ip4("10.0.0.1"));
	netcheck_icmp(&n, NETCHECK_THIRD, other, 13, ip4("10.0.0.1"));
	run();
	is_reason(NETCHECK_UDP_BLOCKED);

	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_dns(&n, false);
	netcheck_icmp(&n, NETCHECK_MAIN, first, 13, ip4("10.0.0.1"));
	run();
	is_reason(NETCHECK_UDP_BLOCKED);

	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_dns(&n, true);
	netcheck_icmp(&n, NETCHECK_MAIN, first, 13, ip4("10.0.0.1"));
	run();
	is_reason(NETCHECK_PORT_BLOCKED);

	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_icmp(&n, NETCHECK_MAIN, first, 1, ip4("10.0.0.1"));
	run();
	is_verdict(0, CHECKED_UNREACHABLE);

	/* What comes besides, makes no answer worse. */
	fresh(NULL);
	add(0, SERVER, HONEST);
	netcheck_icmp(&n, NETCHECK_MAIN, first, 3, first.ip);
	run();
	is_verdict(0, CHECKED_GOOD);
}

static void kernel_says(void **state)
{
	(void)state;
	add(0, SERVER, SILENT);
	netcheck_no_route(&n);
	run();
	is_verdict(0, CHECKED_NOT_ASKED);
	is_reason(NETCHECK_NO_IPV4);

	fresh(NULL);
	add(0, SERVER, SILENT);
	netcheck_refused(&n);
	run();
	is_reason(NETCHECK_LOCAL_FIREWALL);
}

/* ---- the relay ---- */

static void seek_relay(bool there)
{
	fresh(NULL);
	n.conf.with_relay = true;
	n.conf.host = host6;
	w.filters = PORT;
	w.has_relay = there;
	add(0, SERVER, HONEST);
	run();
}

static void relay(void **state)
{
	(void)state;
	seek_relay(true);
	assert_int_equal(f.relay, TRI_YES);
	assert_true(tuple_equal(f.relay_at, other_relay_at));
	assert_int_equal(f.relay_found, SECONDS(0.04));
	assert_int_equal(f.relay_rtt, SECONDS(0.02));

	/* Echo requests go by the server, one to the relay; one bubble. */
	assert_int_equal(w.elsewhere, 8 + 2);

	seek_relay(false);
	assert_int_equal(f.relay, TRI_NO);
	assert_int_equal(f.relay_at.port, 0);
	/* Three echo requests have been lost. */
	assert_int_equal(n.relay.echo.tries, 3);
	assert_true(took() > SECONDS(3));
}

/* The best server is asked, when all are known. */
static void relay_by_the_best(void **state)
{
	(void)state;
	n.conf.with_relay = true;
	n.conf.host = host6;
	w.filters = PORT;
	w.has_relay = true;
	add(0, OTHER, HONEST);
	add(1, SERVER, HONEST);
	add(2, "12.0.0.1", SECOND_SILENT);
	w.delay[0] = SECONDS(0.1);
	w.delay[1] = SECONDS(0.05);
	w.delay[2] = SECONDS(0.01);
	run();
	assert_int_equal(f.relay, TRI_YES);
	assert_int_equal(n.relay.server, 1);
	assert_true(n.relay.first >= w.start + SECONDS(3.5));
	assert_int_equal(w.steps, 1 << NETCHECK_ASKING |
					  1 << NETCHECK_TESTING_NAT |
					  1 << NETCHECK_SEEKING_RELAY);

	/* Without a good one nobody is. */
	fresh(NULL);
	n.conf.with_relay = true;
	n.conf.host = host6;
	w.has_relay = true;
	add(0, SERVER, SECOND_SILENT);
	run();
	assert_int_equal(f.relay, TRI_UNKNOWN);
	assert_int_equal(took(), SECONDS(3.5));
}

/* Who is no relay, or answers another question, is none. */
static void no_relay(void **state)
{
	static const char *const bent[] = {"source", "destination", "nonce",
					   "code",   "checksum",    "length"};
	struct packet p;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bent); i++) {
		const struct datagram d = {.door = NETCHECK_MAIN,
					   .from = other_relay_at,
					   .data = p.b,
					   .len = 56};
		static const unsigned byte[] = {9, 25, 50, 41, 42, 5};

		seek_relay(false);
		n.is_done = false;
		n.until = UINT64_MAX;
		icmp6(&p, host6, n.relay.own, 129, 0, "00000000");
		p.b[5] += 8;
		memcpy(p.b + 48, n.relay.nonce, 8);
		p.n = 56;
		fix_icmp6(&p);
		p.b[byte[i]] ^= 1;
		if (i < 4)
			fix_icmp6(&p);
		netcheck_input(&n, &d, w.now, &w.out);
		if (n.relay.at.port)
			fail_msg("%s", bent[i]);
	}
	p.b[5] ^= 1;
	n.is_done = false;
	netcheck_input(&n,
		       &(struct datagram){.door = NETCHECK_MAIN,
					  .from = other_relay_at,
					  .data = p.b,
					  .len = 56},
		       w.now, &w.out);
	assert_true(tuple_equal(n.relay.at, other_relay_at));
	outbox_clear(&w.out);
}

/* However many relays want an answer, four get one. */
static void relay_flood(void **state)
{
	struct packet p;
	unsigned before;

	(void)state;
	seek_relay(false);
	n.is_done = n.relay.echo.done = false;
	n.until = UINT64_MAX;
	n.relay.echo.due = UINT64_MAX;
	before = w.sent;
	for (int i = 0; i < 50; i++) {
		const struct datagram d = {.door = NETCHECK_MAIN,
					   .from = at(SERVER, 3544),
					   .data = p.b,
					   .len = 48};

		bubble(&p, native, n.relay.own);
		add_origin(&p, at("14.0.0.1", (uint16_t)(1000 + i)));
		netcheck_input(&n, &d, w.now, &w.out);
		for (unsigned k = 0; k < w.out.n; k++)
			before += w.out.v[k].to.ip == ip4("14.0.0.1");
		outbox_clear(&w.out);
	}
	assert_int_equal(before - w.sent, 4);
}

/* Nor can a server have us send where nobody should. */
static void relay_of_nowhere(void **state)
{
	struct packet p;
	const struct datagram d = {.door = NETCHECK_MAIN,
				   .from = at(SERVER, 3544),
				   .data = p.b,
				   .len = 48};

	(void)state;
	seek_relay(false);
	n.is_done = n.relay.echo.done = false;
	n.until = UINT64_MAX;
	bubble(&p, native, n.relay.own);
	add_origin(&p, at("192.168.1.1", 53));
	netcheck_input(&n, &d, w.now, &w.out);
	for (unsigned k = 0; k < w.out.n; k++)
		assert_int_equal(w.out.v[k].to.ip, ip4(SERVER));
}

/* ---- words ---- */

static void words(void **state)
{
	(void)state;
	for (int i = 0; i < CHECKED_COUNT; i++) {
		assert_non_null(
			netcheck_verdict_text((enum netcheck_verdict)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
				netcheck_verdict_name((enum netcheck_verdict)i),
				netcheck_verdict_name(
					(enum netcheck_verdict)k));
	}
	for (int i = 0; i < NETCHECK_REASON_COUNT; i++)
		assert_non_null(netcheck_reason_text((enum netcheck_reason)i));
}

static void reaches(void **state)
{
	(void)state;
	f = (struct netcheck_findings){.good = true,
				       .mapping = BEHAVIOUR_INDEPENDENT,
				       .filtering = BEHAVIOUR_ADDRESS};
	assert_string_equal(netcheck_reaches(&f), "peers behind any NAT");
	f.filtering = BEHAVIOUR_ADDRESS_PORT;
	assert_string_equal(netcheck_reaches(&f),
			    "peers behind any NAT, but of symmetric ones only "
			    "those that keep or count ports");
	f.mapping = BEHAVIOUR_DEPENDENT;
	f.preserves_port = TRI_YES; /* X35 */
	assert_string_equal(netcheck_reaches(&f),
			    "peers behind any NAT, but of symmetric ones only "
			    "those that keep or count ports");
	f.preserves_port = TRI_NO;
	assert_non_null(strstr(netcheck_reaches(&f), "if this NAT counts"));
	f.good = false;
	assert_string_equal(netcheck_reaches(&f), "no peers");
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nat_kinds),
		TEST(nat_with_hairpin),
		TEST(nat_with_open_hairpin),
		TEST(no_nat),
		TEST(ports),
		TEST(nat_of_one_address),
		TEST(nat_needs_bubbles),
		TEST(order),
		TEST(order_by_both),
		TEST(median),
		TEST(costs),
		TEST(loss),
		TEST(loss_of_helpers),
		TEST(late_server),
		TEST(slow_server),
		TEST(bad_servers),
		TEST(only_liars),
		TEST(passes_bubbles),
		TEST(odd_mapping),
		TEST(same_server_twice),
		TEST(private_server),
		TEST(silence),
		TEST(icmp),
		TEST(icmp_of_second),
		TEST(kernel_says),
		TEST(relay),
		TEST(relay_by_the_best),
		TEST(no_relay),
		TEST(relay_flood),
		TEST(relay_of_nowhere),
		TEST(words),
		TEST(reaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
