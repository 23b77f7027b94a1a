/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our client and its peers, near and far, behind all pairs of NATs.
 */
#include <string.h>

#include "scenario.h"

enum chance {
	NEVER_MEET,
	MAY_MEET,
	MUST_MEET
};

/* Whom does the mapping that is in the address let in? */
static bool is_open_to_known(enum nat_rule filtering)
{
	return filtering != NAT_BY_PORT;
}

/* Where a random port is from outside can be told to a peer (6081 §5.4, §5.5).
 */
static bool is_foreseen(const struct nat *n)
{
	return nat_is_symmetric(n) && (n->preserve || n->sequential);
}

/*
 * What bubbles and the nonces of 6081 §5.2 can do. Behind a symmetric NAT, a
 * peer comes from a port that nobody knows before; so the other must let in
 * any port of that address. If it does not, a symmetric mapping that lets
 * everybody in is one way only, unless the peer is lucky. Random ports may do
 * more; what they must do is in the scenes of their own.
 */
static enum chance meeting(const struct nat *a, const struct nat *b)
{
	const struct nat *t;

	if (!nat_is_symmetric(a) && !nat_is_symmetric(b))
		return MUST_MEET;
	if (nat_is_symmetric(a) && nat_is_symmetric(b))
		return a->filtering == NAT_INDEPENDENT ||
				       b->filtering == NAT_INDEPENDENT ||
				       is_foreseen(a) || is_foreseen(b)
			       ? MAY_MEET
			       : NEVER_MEET;
	t = nat_is_symmetric(a) ? a : b; /* t is the symmetric one */
	if (is_open_to_known((t == a ? b : a)->filtering))
		return MUST_MEET;
	return t->filtering == NAT_INDEPENDENT || is_foreseen(t) ? MAY_MEET
								 : NEVER_MEET;
}

/* Kind of NAT of the first and of the second host: all pairs in turn. */
static void two_homes(struct stage *s, const struct client_conf *c)
{
	enum nat_kind a = (enum nat_kind)(s->seed % NAT_KINDS);
	enum nat_kind b = (enum nat_kind)(s->seed / NAT_KINDS % NAT_KINDS);

	start_server(s);
	start_home(s, &s->h, a, c);
	start_home(s, &s->h2, b, c);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(2));
	run(s, S(sim_below(&s->w, 20)));
}

static void meet(struct stage *s, struct home *h, struct home *other,
		 uint64_t limit)
{
	home_talk(h, 0, home_address(other), MS(250));
	expect_heals(s, &h->flow[0], limit, h->o.a.name);
	expect_no_loss(s, &h->flow[0], S(20), h->o.a.name);
}

/* The host is told, and the limits hold (audit.h). */
static void miss(struct stage *s, struct home *h, struct home *other)
{
	uint64_t before = h->o.audit.attempts;

	home_talk(h, 0, home_address(other), MS(250));
	run(s, S(10));
	EXPECT(h->errors, "the host does not learn that nobody answers");
	run(s, S(270));
	EXPECT(h->flow[0].answered == 0, "they met after all");
	EXPECT(h->o.audit.attempts - before <= 5, "%llu attempts",
	       (unsigned long long)(h->o.audit.attempts - before));
}

static void pairs(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	two_homes(s, &c);
	switch (meeting(&s->nat, &s->nat2)) {
	case MUST_MEET:
		meet(s, &s->h, &s->h2, S(5));
		break;
	case NEVER_MEET:
		miss(s, &s->h, &s->h2);
		break;
	case MAY_MEET:
		home_talk(&s->h, 0, home_address(&s->h2), MS(250));
		run(s, S(60));
		break;
	}
	s->h.flow[0].on = false;
	if (meeting(&s->nat, &s->nat2) != MUST_MEET)
		return;
	/* Silence, and the other begins. */
	run(s, S(sim_below(&s->w, 400)));
	meet(s, &s->h2, &s->h, S(5));
	/* Both at once, as two who have never heard of each other. */
	run(s, S(30));
	home_restart(&s->h);
	home_restart(&s->h2);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(1));
	home_talk(&s->h, 0, home_address(&s->h2), MS(250));
	home_talk(&s->h2, 0, home_address(&s->h), MS(250));
	run(s, S(5));
	expect_heals(s, &s->h.flow[0], S(1), "the first of two");
	expect_heals(s, &s->h2.flow[0], S(1), "the second of two");
}

/* Two servers, one each. */
static void pairs_two_servers(struct stage *s, int arg)
{
	struct client_conf c = home_conf(), d = c;

	(void)arg;
	start_server(s);
	start_second_server(s);
	d.first_server = 1;
	start_home(s, &s->h, (enum nat_kind)(s->seed % NAT_KINDS), &c);
	start_home(s, &s->h2, (enum nat_kind)(s->seed / 10 % NAT_KINDS), &d);
	home_qualifies(s, &s->h, S(2));
	home_qualifies(s, &s->h2, S(2));
	EXPECT(be32(home_address(&s->h2)->b + 4) == homes_servers[1][0],
	       "the server that worked last is not the first");
	if (meeting(&s->nat, &s->nat2) != MUST_MEET)
		return;
	meet(s, &s->h, &s->h2, S(5));
	s->h.flow[0].on = false;
	run(s, S(sim_below(&s->w, 400)));
	meet(s, &s->h2, &s->h, S(5));
}

static void pairs_lossy(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_loss(s, 200);
	start_server(s);
	start_home(s, &s->h, (enum nat_kind)(s->seed % NAT_KINDS), &c);
	start_home(s, &s->h2, (enum nat_kind)(s->seed / 10 % NAT_KINDS), &c);
	home_qualifies(s, &s->h, S(30));
	home_qualifies(s, &s->h2, S(30));
	home_talk(&s->h, 0, home_address(&s->h2), MS(500));
	run(s, S(100));
	s->h.flow[0].on = false;
	home_talk(&s->h2, 0, home_address(&s->h), MS(500));
	run(s, S(400));
	/* A symmetric NAT needs more packets than C57 lets us repeat. */
	if (!nat_is_symmetric(&s->nat) && !nat_is_symmetric(&s->nat2))
		EXPECT(s->h.flow[0].answered + s->h2.flow[0].answered > 20,
		       "%u and %u answered", s->h.flow[0].answered,
		       s->h2.flow[0].answered);
}

/* --- random ports (6081 §5.4, §5.5) --- */

enum port_nat {
	PRESERVING, /* symmetric */
	COUNTING,   /* symmetric, one port after the other */
	RANDOM,     /* symmetric */
	STRICT,     /* a filter of ports, and one mapping */
	KNOWN,      /* a filter of addresses */
	ANYBODY,
	PORT_NATS
};

static void start_port_home(struct stage *s, struct home *h, enum port_nat kind,
			    const struct client_conf *c)
{
	static const enum nat_kind kinds[PORT_NATS] = {
		NAT_SYMMETRIC,       NAT_SYMMETRIC,  NAT_SYMMETRIC,
		NAT_PORT_RESTRICTED, NAT_RESTRICTED, NAT_FULL_CONE};
	struct nat *n = h == &s->h ? &s->nat : &s->nat2;

	start_home(s, h, kinds[kind], c);
	if (kind > RANDOM)
		return;
	n->preserve = kind == PRESERVING;
	n->sequential = kind == COUNTING;
}

#define PORT_PAIR(a, b) ((a)*PORT_NATS + (b))

static void two_port_homes(struct stage *s, int pair)
{
	struct client_conf c = home_conf();

	start_server(s);
	start_port_home(s, &s->h, (enum port_nat)(pair / PORT_NATS), &c);
	start_port_home(s, &s->h2, (enum port_nat)(pair % PORT_NATS), &c);
	home_qualifies(s, &s->h, S(s->w.loss ? 30 : 1));
	home_qualifies(s, &s->h2, S(s->w.loss ? 30 : 2));
	run(s, S(sim_below(&s->w, 20)));
}

/* The first begins. Then there is silence; and it begins again, with a mapping
 * that is gone or not; and as a new process that knows nothing. */
static void ports(struct stage *s, int pair)
{
	two_port_homes(s, pair);
	meet(s, &s->h, &s->h2, S(7));
	expect_no_loss(s, &s->h.flow[0], S(100), "a steady flow");
	for (int i = 0; i < 3; i++) {
		s->h.flow[0].on = false;
		run(s, S(sim_below(&s->w, 900)));
		meet(s, &s->h, &s->h2, S(7));
	}
	home_restart(&s->h);
	home_qualifies(s, &s->h, S(1));
	home_talk(&s->h, 0, home_address(&s->h2), MS(250));
	expect_heals(s, &s->h.flow[0], S(15), "a new process");
	expect_no_loss(s, &s->h.flow[0], S(20), "a new process");
	home_restart(&s->h2);
	home_qualifies(s, &s->h2, S(1));
	expect_heals(s, &s->h.flow[0], S(60), "the old process");
	expect_no_loss(s, &s->h.flow[0], S(20), "the old process");
}

/* Each tenth packet is lost, and a meeting takes half a dozen of them; what C57
 * lets us repeat in 300 s may not be enough, but not often. */
static void ports_lossy(struct stage *s, int pair)
{
	set_loss(s, 100);
	two_port_homes(s, pair);
	home_talk(&s->h, 0, home_address(&s->h2), MS(250));
	run(s, S(2000));
	EXPECT(s->h.flow[0].answered * 5 > s->h.flow[0].sent,
	       "%u of %u answered", s->h.flow[0].answered, s->h.flow[0].sent);
}

/* X50: many peers, and there are so many ports. */
static void ports_used_up(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	struct ip6 a;

	(void)arg;
	c.max_peers = 1024;
	start_server(s);
	start_port_home(s, &s->h,
			sim_chance(&s->w, 500) ? PRESERVING : COUNTING, &c);
	start_port_home(s, &s->h2, STRICT, &c);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(2));
	a = *home_address(&s->h2);
	for (int i = 0; i < 200; i++) {
		a.b[12] = (uint8_t)~9;
		a.b[15] = (uint8_t)i;
		home_talk(&s->h, 1, &a, S(1000));
		run(s, MS(20));
		EXPECT(s->h.o.node->client.ports.n <= RANDOM_DOORS, "%u ports",
		       s->h.o.node->client.ports.n);
	}
	s->h.flow[1].on = false;
	run(s, S(120)); /* nobody answers, so they are given back */
	EXPECT(s->h.o.node->client.ports.n == 0, "%u ports are left",
	       s->h.o.node->client.ports.n);
	meet(s, &s->h, &s->h2, S(7));
}

static uint64_t indirect(const struct home *h)
{
	return h->o.node->ledger.n[LEDGER_SENT_INDIRECT];
}

/*
 * X71: two who were silent for half a minute find each other again, and their
 * server is gone. Without SLR they do not.
 */
static void silent_pair(struct stage *s, int without)
{
	struct client_conf c = home_conf();
	struct home *h = sim_chance(&s->w, 500) ? &s->h : &s->h2;
	struct home *other = h == &s->h ? &s->h2 : &s->h;
	uint64_t before;

	if (without)
		c.extensions &= ~EXT_SLR;
	start_server(s);
	start_home(s, &s->h, NAT_FULL_CONE + sim_below(&s->w, 3), &c);
	start_home(s, &s->h2, NAT_FULL_CONE + sim_below(&s->w, 3), &c);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(2));
	meet(s, &s->h, &s->h2, S(5));
	s->h.flow[0].on = false;
	s->server.down = true;
	run(s, S(32) + MS(sim_below(&s->w, 6000)));
	before = indirect(h);
	if (without) {
		home_talk(h, 0, home_address(other), MS(250));
		run(s, S(15));
		EXPECT(h->flow[0].answered == 0, "they met after all");
		return;
	}
	meet(s, h, other, S(1));
	EXPECT(h->o.audit.solicited && other->o.audit.advertised,
	       "nobody solicited");
	EXPECT(indirect(h) == before, "the server was asked");
}

/* A native host, through a relay; either begins. */
static void native_pairs(struct stage *s, int host_first)
{
	struct client_conf c = home_conf();

	set_service(s);
	start_home(s, &s->h, (enum nat_kind)(s->seed % NAT_KINDS), &c);
	home_qualifies(s, &s->h, S(1));
	run(s, S(sim_below(&s->w, 60)));
	flow_start(&s->x.flow, &s->x.a.ip6[0], home_address(&s->h), s->w.now,
		   MS(250));
	s->x.flow.on = host_first;
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(250));
	s->h.flow[0].on = !host_first;
	world_touch(&s->x.a);
	run(s, S(1));
	for (int i = 0; i < 2; i++) {
		struct flow *f = i == host_first ? &s->h.flow[0] : &s->x.flow;

		f->on = true;
		f->next = s->w.now;
		world_touch(&s->h.o.a);
		world_touch(&s->x.a);
		expect_heals(s, f, S(1),
			     i == host_first ? "the client" : "the host");
		expect_no_loss(s, f, S(40), "a steady flow");
		f->on = false;
		run(s, S(sim_below(&s->w, 200)));
	}
}

/* Who talks little: each packet finds the way anew (C38's end to end test). */
static void rare_pings(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	start_home(s, &s->h, (enum nat_kind)(s->seed % NAT_KINDS), &c);
	home_qualifies(s, &s->h, S(1));
	flow_start(&s->x.flow, &s->x.a.ip6[0], home_address(&s->h), s->w.now,
		   S(40));
	world_touch(&s->x.a);
	expect_no_loss(s, &s->x.flow, S(900), "the host");
}

/* Two relays, and routing that changes between them. */
static void route_changes(struct stage *s, int arg)
{
	struct node_conf r = relay_conf();
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	set_relay(&s->relay2, 2);
	start(s, &s->relay2, "relay2", &r);
	native_init(&s->y, &s->w, "native2", 2, &s->relay2.a);
	start_home(s, &s->h, any_nat(s), &c);
	home_qualifies(s, &s->h, S(1));
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(250));
	home_talk(&s->h, 1, &s->y.a.ip6[0], MS(250));
	run(s, S(2));
	for (int i = 0; i < 4; i++) {
		s->x.a.via = i % 2 ? &s->relay.a : &s->relay2.a;
		expect_heals(s, &s->h.flow[0], S(3), "the client");
		run(s, S(5 + sim_below(&s->w, 60)));
		expect_no_loss(s, &s->h.flow[1], S(10), "the other flow");
	}
}

/* --- on one LAN --- */

static void neighbours(struct stage *s, int discovery)
{
	struct client_conf c = home_conf();

	c.local_discovery = discovery;
	start_server(s);
	start_home(s, &s->h, NAT_KIND(NAT_INDEPENDENT, sim_below(&s->w, 3)),
		   &c);
	start_neighbour(s, &s->h2, &c);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(2));
	if (discovery) {
		run(s, S(13)); /* C72: who is new is welcomed */
		meet(s, &s->h, &s->h2, S(1));
		s->h.flow[0].on = false;
		run(s, S(sim_below(&s->w, 500)));
		meet(s, &s->h2, &s->h, S(5));
		EXPECT(s->nat.v[3].n_sent < 5, "it does not stay inside");
	} else {
		miss(s, &s->h, &s->h2);
	}
}

/* C72. */
static void announcements(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	const struct audit *a = &s->h.o.audit;

	(void)arg;
	c.local_discovery = true;
	start_server(s);
	start_home(s, &s->h, NAT_FULL_CONE, &c);
	home_qualifies(s, &s->h, S(1));
	run(s, S(6000));
	EXPECT(a->announcements >= 20 && a->announcements <= 31,
	       "%llu announcements", (unsigned long long)a->announcements);
}

/* They meet by their outside addresses if the NAT turns packets round. */
static void hairpin(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	start_server(s);
	start_home(s, &s->h, NAT_KIND(NAT_INDEPENDENT, sim_below(&s->w, 3)),
		   &c);
	s->nat.hairpin = true;
	start_neighbour(s, &s->h2, &c);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(2));
	meet(s, &s->h, &s->h2, S(5));
}

/* --- nobody there, and those who mean harm --- */

static void nobody_there(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	struct ip6 gone;

	(void)arg;
	set_service(s);
	start_home(s, &s->h, any_nat(s), &c);
	start_home(s, &s->h2, any_nat(s), &c);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(2));
	gone = *home_address(&s->h2);
	s->h2.o.down = true;
	home_talk(&s->h, 0, &gone, MS(200));
	run(s, S(12));
	EXPECT(s->h.errors, "the host does not learn that nobody answers");
	run(s, S(600));
	EXPECT(s->h.o.audit.attempts <= 12, "%llu attempts",
	       (unsigned long long)s->h.o.audit.attempts);
	/* The same for a native host that is down. */
	s->h.errors = 0;
	s->h.flow[0].on = false;
	gone = s->x.a.ip6[0];
	gone.b[15] = 99;
	home_talk(&s->h, 0, &gone, S(30));
	run(s, S(12));
	EXPECT(s->h.errors, "the host does not learn that nobody answers");
}

/* A mapping that forged packets get into, and a flow that they must not hurt.
 */
static void storm(struct stage *s, int arg)
{
	struct villain *v = &s->villain;
	struct client_conf c = home_conf();
	struct ip6 victim;
	struct flow *f = &s->h.flow[0], *g = &s->h2.flow[0];

	(void)arg;
	s->w.record = true;
	c.local_discovery = sim_chance(&s->w, 500);
	set_service(s);
	start_home(s, &s->h, sim_chance(&s->w, 300) ? NAT_NONE : NAT_FULL_CONE,
		   &c);
	start_home(s, &s->h2, NAT_FULL_CONE + sim_below(&s->w, 3), &c);
	home_qualifies(s, &s->h, S(1));
	home_qualifies(s, &s->h2, S(2));
	victim = *home_address(&s->h);
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(200));
	home_talk(&s->h2, 0, &victim, MS(200));
	run(s, S(5));
	v->targets[v->n_targets++] = s->h.o.node->client.status.mapped;
	v->targets[v->n_targets++] = s->h.o.node->client.status.mapped;
	v->targets[v->n_targets++] = (struct tuple){servers[0], TEREDO_PORT};
	v->relay = &s->relay.a;
	v->victim = &victim;
	v->native = s->x.a.ip6[0];
	v->a.via = &s->relay.a;
	v->servers[0] = servers[0];
	v->servers[1] = servers[1];
	villain_init(v, &s->w);
	flow_mark(f);
	flow_mark(g);
	run(s, S(60));
	EXPECT(home_address(&s->h) && ip6_equal(home_address(&s->h), &victim),
	       "the client has lost its address");
	EXPECT(f->mark_answered * 10 > (f->sent - f->mark_from) * 9,
	       "%u of %u packets lost",
	       f->sent - f->mark_from - f->mark_answered,
	       f->sent - f->mark_from);
	EXPECT(g->mark_answered * 10 > (g->sent - g->mark_from) * 9,
	       "%u of %u packets of the other client lost",
	       g->sent - g->mark_from - g->mark_answered,
	       g->sent - g->mark_from);
}

const struct scenario peer_scenarios[] = {
	{"pairs", pairs, 0, 1},
	{"pairs-two-servers", pairs_two_servers, 0, 2},
	{"pairs-lossy", pairs_lossy, 0, 10},
	{"ports-pp-pp", ports, PORT_PAIR(PRESERVING, PRESERVING), 10},
	{"ports-pp-strict", ports, PORT_PAIR(PRESERVING, STRICT), 10},
	{"ports-strict-pp", ports, PORT_PAIR(STRICT, PRESERVING), 10},
	{"ports-pp-known", ports, PORT_PAIR(PRESERVING, KNOWN), 10},
	{"ports-pp-sp", ports, PORT_PAIR(PRESERVING, COUNTING), 10},
	{"ports-sp-strict", ports, PORT_PAIR(COUNTING, STRICT), 10},
	{"ports-strict-sp", ports, PORT_PAIR(STRICT, COUNTING), 10},
	{"ports-sp-known", ports, PORT_PAIR(COUNTING, KNOWN), 10},
	{"ports-sp-anybody", ports, PORT_PAIR(COUNTING, ANYBODY), 10},
	{"ports-random-known", ports, PORT_PAIR(RANDOM, KNOWN), 10},
	{"ports-pp-pp-lossy", ports_lossy, PORT_PAIR(PRESERVING, PRESERVING),
	 10},
	{"ports-pp-strict-lossy", ports_lossy, PORT_PAIR(PRESERVING, STRICT),
	 10},
	{"ports-sp-strict-lossy", ports_lossy, PORT_PAIR(COUNTING, STRICT), 10},
	{"ports-used-up", ports_used_up, 0, 10},
	{"silent-pair", silent_pair, 0, 5},
	{"silent-pair-no-slr", silent_pair, 1, 20},
	{"native-pairs-client-first", native_pairs, 0, 10},
	{"native-pairs-host-first", native_pairs, 1, 10},
	{"rare-pings", rare_pings, 0, 10},
	{"route-changes", route_changes, 0, 10},
	{"neighbours", neighbours, 1, 10},
	{"neighbours-no-discovery", neighbours, 0, 10},
	{"announcements", announcements, 0, 10},
	{"hairpin", hairpin, 0, 10},
	{"nobody-there", nobody_there, 0, 10},
	{"storm", storm, 0, 10},
	{0},
};
