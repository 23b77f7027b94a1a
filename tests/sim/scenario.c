/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Most scenarios start alike: a server on 9.0.0.2 and .3, a relay, a native
 * host x that reaches Teredo through it, and a client c behind a NAT. What is
 * not fixed by the scenario (kind of client, ports of the NAT, loss) is drawn
 * from the seed.
 */
#include "scenario.h"

#include <string.h>

#define EXPECT(cond, ...)                                                      \
	do {                                                                   \
		if (!(cond))                                                   \
			audit_failed(__VA_ARGS__);                             \
	} while (0)

static const uint32_t servers[2] = {IP(9, 0, 0, 2), IP(9, 0, 0, 3)};

/* How a relay is set up. */
enum shape {
	RELAY_NETWORK,
	RELAY_HOST,   /* serves its own host */
	RELAY_NATTED, /* host-specific, behind a NAT, with direct bubbles */
	RELAY_COMBINED,
};

/* --- who takes part --- */

static struct node_conf relay_conf(void)
{
	struct node_conf c = {.is_relay = true, .prefix = TEREDO_PREFIX};

	c.relay = relay_defaults;
	c.relay.max_peers = 4096;
	c.relay.max_held = 256;
	return c;
}

static void add_server_role(struct node_conf *c)
{
	c->is_server = true;
	c->prefix = TEREDO_PREFIX;
	c->server = (struct server_conf){.primary = servers[0],
					 .secondary = servers[1],
					 .mtu = TEREDO_MTU,
					 .ra = {50, 100}};
}

static void start(struct stage *s, struct ours *o, const char *name,
		  const struct node_conf *conf)
{
	s->started[s->n_started++] = o;
	ours_init(o, &s->w, name, conf);
}

static void start_server(struct stage *s)
{
	struct node_conf c = {0};

	add_server_role(&c);
	s->server.a.n_ip = 2;
	memcpy(s->server.a.ip, servers, sizeof(servers));
	start(s, &s->server, "server", &c);
}

static struct ip6 address_of(unsigned native)
{
	return (struct ip6){{0x2a, 0, 0, 1, 0, (uint8_t)native, [15] = 1}};
}

static void set_relay(struct ours *r, unsigned number)
{
	r->a.n_ip = 1;
	r->a.ip[0] = IP(9, 0, 0, 19 + number);
	r->a.n_ip6 = 1;
	r->a.ip6[0] = (struct ip6){{0x2a, 0, 0, 3, [15] = (uint8_t)number}};
}

static void start_combined(struct stage *s)
{
	struct node_conf c = relay_conf();

	add_server_role(&c);
	c.relay.door = DOOR_PRIMARY;
	c.relay.server = servers[0];
	set_relay(&s->relay, 1);
	s->relay.a.n_ip = 2;
	memcpy(s->relay.a.ip, servers, sizeof(servers));
	start(s, &s->relay, "both", &c);
}

static void nat_setup(struct stage *s, struct nat *n, enum nat_kind kind,
		      uint32_t ip)
{
	*n = (struct nat){.kind = kind,
			  .preserve = sim_chance(&s->w, 500),
			  .ip = ip,
			  .timeout = S(40 + sim_below(&s->w, 200))};
}

/* The host of x is the relay: its address is the relay's own. */
static void start_relay(struct stage *s, enum shape shape)
{
	struct node_conf c = relay_conf();

	if (s->big)
		c.relay.max_peers = 1 << 17;
	set_relay(&s->relay, 1);
	if (shape == RELAY_HOST || shape == RELAY_NATTED) {
		c.relay.host_only = true;
		s->relay.a.ip6[1] = s->relay.a.ip6[0];
		s->relay.a.ip6[0] = address_of(1);
	}
	if (shape == RELAY_NATTED) {
		c.relay.direct_bubbles = true;
		nat_setup(s, &s->relay_nat, NAT_FULL_CONE + sim_below(&s->w, 3),
			  IP(9, 0, 3, 1));
		s->relay.a.ip[0] = IP(192, 168, 9, 2);
		s->relay.a.nat = &s->relay_nat;
	}
	start(s, &s->relay, "relay", &c);
}

static void start_client(struct stage *s, enum client_kind kind,
			 enum nat_kind nat)
{
	nat_setup(s, &s->nat, nat, IP(9, 0, 1, 1));
	client_init(&s->c, &s->w, kind, 1, nat == NAT_NONE ? NULL : &s->nat,
		    servers);
}

static enum client_kind any_client(struct stage *s)
{
	return (enum client_kind)sim_below(&s->w, CLIENT_KINDS);
}

static enum nat_kind any_cone(struct stage *s)
{
	return (enum nat_kind)sim_below(&s->w, NAT_SYMMETRIC);
}

/* Server, relay, x and c; who answers what is drawn. */
static void set_stage(struct stage *s, enum shape shape, enum client_kind kind,
		      enum nat_kind nat)
{
	if (shape == RELAY_COMBINED)
		start_combined(s);
	else
		start_server(s);
	if (shape != RELAY_COMBINED)
		start_relay(s, shape);
	native_init(&s->x, &s->w, "native", 1, &s->relay.a);
	if (shape == RELAY_COMBINED)
		s->relay.a.via = NULL;
	start_client(s, kind, nat);
}

static void set_loss(struct stage *s, unsigned per_mille)
{
	s->w.loss = per_mille;
	s->w.duplicates = per_mille ? 50 : 0;
	s->w.jitter = per_mille ? MS(40) : MS(5);
}

static void any_loss(struct stage *s)
{
	static const unsigned loss[] = {0, 50, 200};

	set_loss(s, loss[sim_below(&s->w, 3)]);
}

static void run(struct stage *s, uint64_t time)
{
	world_run(&s->w, s->w.now + time);
}

/* Until the client has an address; a minute is enough, if it can have one. */
static void qualify(struct stage *s)
{
	for (int i = 0; i < 600 && !s->c.has_address; i++)
		run(s, MS(100));
	EXPECT(s->c.has_address, "the client gets no address");
}

static void expect_lossless(const struct flow *f, const char *who)
{
	EXPECT(f->sent > f->mark_from &&
		       f->mark_answered == f->sent - f->mark_from,
	       "%s lost %u of %u packets", who,
	       f->sent - f->mark_from - f->mark_answered,
	       f->sent - f->mark_from);
}

static void expect_first(const struct flow *f, uint64_t limit, const char *who)
{
	EXPECT(f->answered, "%s was never answered", who);
	EXPECT(f->first_answer - f->first_sent <= limit,
	       "%s was first answered after %llu ms", who,
	       (unsigned long long)((f->first_answer - f->first_sent) /
				    NS_PER_MS));
}

/* A flow in full swing loses nothing. */
static void expect_steady(struct stage *s, struct flow *f, const char *who)
{
	uint64_t period = f->period;

	if (s->w.loss) {
		uint32_t before = f->answered;

		run(s, S(120));
		EXPECT(f->answered > before, "%s is cut off", who);
		return;
	}
	run(s, S(5));
	flow_mark(f);
	run(s, S(40));
	f->on = false;
	run(s, S(5));
	f->on = true;
	f->period = period;
	f->next = s->w.now;
	expect_lossless(f, who);
}

/* --- cold start --- */

/* This client finds that its NAT is symmetric, and stays off-line. */
static bool is_hopeless(const struct client *c, enum nat_kind nat)
{
	return nat == NAT_SYMMETRIC && c->kind == CLIENT_PLAIN;
}

static void be_hopeless(struct stage *s)
{
	run(s, S(60));
	EXPECT(s->c.flow.answered == 0,
	       "a client behind a symmetric NAT was reached");
}

static void client_first(struct stage *s, enum shape shape,
			 enum client_kind kind, enum nat_kind nat)
{
	any_loss(s);
	set_stage(s, shape, kind, nat);
	client_talk(&s->c, &s->x.a.ip6[0], S(1));
	if (is_hopeless(&s->c, nat)) {
		be_hopeless(s);
		return;
	}
	run(s, S(s->w.loss ? 300 : 10));
	expect_first(&s->c.flow, s->w.loss ? S(300) : MS(500), "the client");
	expect_steady(s, &s->c.flow, "the client");
}

static void cold_client_first(struct stage *s, int nat)
{
	client_first(s, RELAY_NETWORK, any_client(s), (enum nat_kind)nat);
}

static void native_first(struct stage *s, enum shape shape,
			 enum client_kind kind, enum nat_kind nat)
{
	any_loss(s);
	set_stage(s, shape, kind, nat);
	if (is_hopeless(&s->c, nat)) {
		run(s, S(20));
		return;
	}
	qualify(s);
	run(s, S(sim_below(&s->w, 20)));
	while (!s->c.has_address)
		run(s, S(1));
	flow_start(&s->x.flow, &s->x.a.ip6[0], &s->c.addr, s->w.now, S(1));
	run(s, S(s->w.loss ? 200 : 5));
	expect_first(&s->x.flow, s->w.loss ? S(200) : MS(500), "the host");
	if (ip6_equal(&s->x.flow.dst, &s->c.addr))
		expect_steady(s, &s->x.flow, "the host");
}

static void cold_native_first(struct stage *s, int nat)
{
	native_first(s, RELAY_NETWORK, any_client(s), (enum nat_kind)nat);
}

static void shapes_client_first(struct stage *s, int shape)
{
	client_first(s, (enum shape)shape, any_client(s), any_cone(s));
}

static void shapes_native_first(struct stage *s, int shape)
{
	native_first(s, (enum shape)shape, any_client(s), any_cone(s));
}

/* --- things that happen --- */

static void talking(struct stage *s)
{
	set_stage(s, RELAY_NETWORK, any_client(s), any_cone(s));
	client_talk(&s->c, &s->x.a.ip6[0], MS(500));
	run(s, S(10));
	EXPECT(s->c.flow.answered, "the client was never answered");
}

/* A relay that has forgotten everybody: clients test again within 30 s. */
static void relay_restart(struct stage *s, int arg)
{
	(void)arg;
	talking(s);
	run(s, MS(sim_below(&s->w, 5000)));
	ours_restart(&s->relay);
	run(s, S(40));
	expect_steady(s, &s->c.flow, "the client");
}

/* A server keeps nothing, so nobody notices. */
static void server_restart(struct stage *s, int arg)
{
	(void)arg;
	talking(s);
	flow_mark(&s->c.flow);
	for (int i = 0; i < 10; i++) {
		run(s, MS(sim_below(&s->w, 5000)));
		ours_restart(&s->server);
	}
	s->c.flow.on = false;
	run(s, S(2));
	expect_lossless(&s->c.flow, "the client");
}

static void server_outage(struct stage *s, int arg)
{
	(void)arg;
	talking(s);
	s->server.down = true;
	run(s, S(10 + sim_below(&s->w, 100)));
	s->server.down = false;
	run(s, S(60));
	expect_steady(s, &s->c.flow, "the client");
}

static void nat_rebinds(struct stage *s, int arg)
{
	(void)arg;
	set_stage(s, RELAY_NETWORK, any_client(s),
		  NAT_FULL_CONE + sim_below(&s->w, 3));
	client_talk(&s->c, &s->x.a.ip6[0], MS(500));
	run(s, S(10));
	nat_rebind(&s->nat, s->nat.ip + sim_below(&s->w, 2));
	run(s, S(75));
	expect_steady(s, &s->c.flow, "the client");
}

/* The host hears that nobody is there, and again from him who returns. */
static void silence(struct stage *s, int arg)
{
	struct ip6 was;

	(void)arg;
	set_stage(s, RELAY_NETWORK, any_client(s), NAT_NONE);
	qualify(s);
	was = s->c.addr;
	flow_start(&s->x.flow, &s->x.a.ip6[0], &was, s->w.now, MS(250));
	run(s, S(10));
	EXPECT(s->x.flow.answered, "the host was never answered");
	client_silence(&s->c);
	run(s, S(60));
	EXPECT(s->x.errors, "the host does not learn that nobody answers");
	client_return(&s->c);
	run(s, S(75));
	expect_steady(s, &s->x.flow, "the host");
}

/* R9, R10, R21: an address where nobody is costs eight bubbles a minute. */
static void nobody(struct stage *s, int arg)
{
	uint64_t bubbles;

	(void)arg;
	set_stage(s, RELAY_NETWORK, CLIENT_PLAIN, NAT_NONE);
	qualify(s);
	client_silence(&s->c);
	flow_start(&s->x.flow, &s->x.a.ip6[0], &s->c.addr, s->w.now, MS(20));
	run(s, S(36));
	bubbles = s->relay.audit.bubbles;
	EXPECT(bubbles == 4, "%llu bubbles in 36 s",
	       (unsigned long long)bubbles);
	run(s, S(24));
	bubbles = s->relay.audit.bubbles;
	EXPECT(bubbles <= 8, "%llu bubbles in 60 s",
	       (unsigned long long)bubbles);
	EXPECT(s->x.errors > 100, "%u errors", s->x.errors);
	EXPECT(s->x.errors <= 100 + 60 * 100, "%u errors", s->x.errors);
}

/* A failed client that shows itself is trusted at once (R10). */
static void tombstone(struct stage *s, int arg)
{
	struct flow *f = &s->x.flow;

	(void)arg;
	set_stage(s, RELAY_NETWORK, CLIENT_PLAIN, NAT_NONE);
	qualify(s);
	client_silence(&s->c);
	flow_start(f, &s->x.a.ip6[0], &s->c.addr, s->w.now, MS(500));
	run(s, S(15));
	client_return(&s->c);
	client_talk(&s->c, &s->x.a.ip6[0], S(1));
	run(s, S(5));
	EXPECT(s->relay.audit.bubbles <= 5, "the tombstone was forgotten");
	s->c.flow.on = false;
	f->on = false;
	run(s, S(30));
}

/* --- floods --- */

static void flood(struct stage *s, int kind, uint64_t time)
{
	flooder_init(&s->flooder, &s->w, (enum flood)kind, s->big ? 4 : 1,
		     &s->relay.a);
	s->flooder.due = s->w.now;
	s->flooder.stop = s->w.now + time;
	world_touch(&s->flooder.a);
}

/* Row 16: whom the relay knows loses nothing. */
static void flood_established(struct stage *s, int kind)
{
	uint64_t bubbles;

	s->big = true;
	set_stage(s, RELAY_NETWORK, any_client(s), any_cone(s));
	client_talk(&s->c, &s->x.a.ip6[0], MS(100));
	run(s, S(5));
	flow_mark(&s->c.flow);
	bubbles = s->relay.audit.bubbles;
	flood(s, kind, S(2));
	run(s, S(2));
	s->c.flow.on = false;
	run(s, S(1));
	expect_lossless(&s->c.flow, "the client");
	bubbles = s->relay.audit.bubbles - bubbles;
	EXPECT(bubbles <= 3 * 2000 + 4000 + 2000, "%llu bubbles",
	       (unsigned long long)bubbles);
}

/* The same with a table that overflows: the flood pushes out only itself. */
static void flood_overflows(struct stage *s, int kind)
{
	set_stage(s, RELAY_NETWORK, any_client(s), any_cone(s));
	client_talk(&s->c, &s->x.a.ip6[0], MS(100));
	run(s, S(5));
	flow_mark(&s->c.flow);
	flood(s, kind, S(12));
	run(s, S(12));
	s->c.flow.on = false;
	run(s, S(1));
	expect_lossless(&s->c.flow, "the client");
}

/* Row 17: a client that comes during the flood is let in within a second. */
static void flood_new(struct stage *s, int kind)
{
	s->big = true;
	set_stage(s, RELAY_NETWORK, any_client(s), any_cone(s));
	qualify(s);
	flood(s, kind, S(3));
	run(s, MS(1500));
	client_talk(&s->c, &s->x.a.ip6[0], MS(200));
	run(s, MS(1300));
	expect_first(&s->c.flow, S(1), "the new client");
}

/* The same, and the host begins. */
static void flood_new_native(struct stage *s, int kind)
{
	s->big = true;
	set_stage(s, RELAY_NETWORK, any_client(s), any_cone(s));
	qualify(s);
	flood(s, kind, S(3));
	run(s, MS(1500));
	flow_start(&s->x.flow, &s->x.a.ip6[0], &s->c.addr, s->w.now, MS(200));
	world_touch(&s->x.a);
	run(s, MS(1300));
	expect_first(&s->x.flow, S(1), "the host");
}

/* --- more than one --- */

static void two_relays(struct stage *s, int arg)
{
	struct node_conf c = relay_conf();

	(void)arg;
	any_loss(s);
	set_stage(s, RELAY_NETWORK, any_client(s), any_cone(s));
	set_relay(&s->relay2, 2);
	start(s, &s->relay2, "relay2", &c);
	native_init(&s->y, &s->w, "native2", 2, &s->relay2.a);
	client_talk(&s->c, &s->x.a.ip6[0], S(1));
	run(s, S(s->w.loss ? 200 : 5));
	EXPECT(s->c.flow.answered, "the client was never answered");
	while (!s->c.has_address)
		run(s, S(1));
	flow_start(&s->y.flow, &s->y.a.ip6[0], &s->c.addr, s->w.now, MS(700));
	run(s, S(s->w.loss ? 200 : 5));
	EXPECT(s->y.flow.answered, "the second host was never answered");
	/* Routing changes: x is served by the other relay from now on. */
	s->x.a.via = &s->relay2.a;
	run(s, S(40));
	expect_steady(s, &s->c.flow, "the client");
}

static void two_clients(struct stage *s, int arg)
{
	(void)arg;
	set_stage(s, RELAY_NETWORK, any_client(s), any_cone(s));
	nat_setup(s, &s->nat2, NAT_FULL_CONE + sim_below(&s->w, 3),
		  IP(9, 0, 1, 77));
	client_init(&s->c2, &s->w, any_client(s), 2, &s->nat2, servers);
	client_talk(&s->c, &s->x.a.ip6[0], MS(700));
	client_talk(&s->c2, &s->x.a.ip6[0], MS(300));
	run(s, S(5));
	expect_first(&s->c.flow, MS(500), "the first");
	expect_first(&s->c2.flow, MS(500), "the second");
	expect_steady(s, &s->c2.flow, "the second");
}

/* --- villains --- */

static void villainy(struct stage *s, int shape)
{
	struct villain *v = &s->villain;

	s->w.record = true;
	set_stage(s, (enum shape)shape, any_client(s), any_cone(s));
	client_talk(&s->c, &s->x.a.ip6[0], MS(200));
	run(s, S(5));
	v->targets[v->n_targets++] = (struct tuple){servers[0], TEREDO_PORT};
	v->targets[v->n_targets++] = (struct tuple){servers[1], TEREDO_PORT};
	v->targets[v->n_targets++] = (struct tuple){IP(9, 0, 0, 20), 3545};
	v->relay = &s->relay.a;
	v->victim = &s->c;
	v->native = s->x.a.ip6[0];
	v->a.via = &s->relay.a;
	villain_init(v, &s->w);
	flow_mark(&s->c.flow);
	run(s, S(60));
	EXPECT(s->c.flow.mark_answered * 10 >
		       (s->c.flow.sent - s->c.flow.mark_from) * 9,
	       "the client lost %u of %u packets",
	       s->c.flow.sent - s->c.flow.mark_from - s->c.flow.mark_answered,
	       s->c.flow.sent - s->c.flow.mark_from);
}

const struct scenario scenarios[] = {
	{"client-first-no-nat", cold_client_first, NAT_NONE, false},
	{"client-first-full-cone", cold_client_first, NAT_FULL_CONE, false},
	{"client-first-restricted", cold_client_first, NAT_RESTRICTED, false},
	{"client-first-port-restricted", cold_client_first, NAT_PORT_RESTRICTED,
	 false},
	{"client-first-symmetric", cold_client_first, NAT_SYMMETRIC, false},
	{"native-first-no-nat", cold_native_first, NAT_NONE, false},
	{"native-first-full-cone", cold_native_first, NAT_FULL_CONE, false},
	{"native-first-restricted", cold_native_first, NAT_RESTRICTED, false},
	{"native-first-port-restricted", cold_native_first, NAT_PORT_RESTRICTED,
	 false},
	{"native-first-symmetric", cold_native_first, NAT_SYMMETRIC, false},
	{"host-relay-client-first", shapes_client_first, RELAY_HOST, false},
	{"host-relay-native-first", shapes_native_first, RELAY_HOST, false},
	{"natted-relay-client-first", shapes_client_first, RELAY_NATTED, false},
	{"natted-relay-native-first", shapes_native_first, RELAY_NATTED, false},
	{"combined-client-first", shapes_client_first, RELAY_COMBINED, false},
	{"combined-native-first", shapes_native_first, RELAY_COMBINED, false},
	{"relay-restart", relay_restart, 0, false},
	{"server-restart", server_restart, 0, false},
	{"server-outage", server_outage, 0, false},
	{"nat-rebinds", nat_rebinds, 0, false},
	{"silence", silence, 0, false},
	{"nobody", nobody, 0, false},
	{"tombstone", tombstone, 0, false},
	{"two-relays", two_relays, 0, false},
	{"two-clients", two_clients, 0, false},
	{"villain-network", villainy, RELAY_NETWORK, false},
	{"villain-combined", villainy, RELAY_COMBINED, false},
	{"flood-established-data", flood_established, FLOOD_DATA, true},
	{"flood-established-spread", flood_established, FLOOD_SPREAD, true},
	{"flood-established-echo", flood_established, FLOOD_ECHO, true},
	{"flood-overflows-spread", flood_overflows, FLOOD_SPREAD, true},
	{"flood-new-data", flood_new, FLOOD_DATA, true},
	{"flood-new-spread", flood_new, FLOOD_SPREAD, true},
	{"flood-new-echo", flood_new, FLOOD_ECHO, true},
	{"flood-new-native", flood_new_native, FLOOD_DATA, true},
};
const unsigned n_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);
