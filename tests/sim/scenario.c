/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server and relay. Most scenarios start alike: a server on 9.0.0.2 and .3, a
 * relay, a native host x that reaches Teredo through it, and a client c behind
 * a NAT. What is not fixed by the scenario (kind of client, ports of the NAT,
 * loss) is drawn from the seed. The client here is a double (model.c).
 */
#include "scenario.h"

/* --- cold start --- */

/* This client finds that its NAT is symmetric, and stays off-line. */
static bool is_hopeless(const struct model *c, enum nat_kind nat)
{
	return nat == NAT_SYMMETRIC && c->kind == MODEL_PLAIN;
}

static void be_hopeless(struct stage *s)
{
	run(s, S(60));
	EXPECT(s->c.flow.answered == 0,
	       "a client behind a symmetric NAT was reached");
}

static void client_first(struct stage *s, enum shape shape,
			 enum model_kind kind, enum nat_kind nat)
{
	any_loss(s);
	set_stage(s, shape, kind, nat);
	model_talk(&s->c, &s->x.a.ip6[0], S(1));
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
	client_first(s, RELAY_NETWORK, any_model(s), (enum nat_kind)nat);
}

static void native_first(struct stage *s, enum shape shape,
			 enum model_kind kind, enum nat_kind nat)
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
	native_first(s, RELAY_NETWORK, any_model(s), (enum nat_kind)nat);
}

static void shapes_client_first(struct stage *s, int shape)
{
	client_first(s, (enum shape)shape, any_model(s), any_cone(s));
}

static void shapes_native_first(struct stage *s, int shape)
{
	native_first(s, (enum shape)shape, any_model(s), any_cone(s));
}

/* --- things that happen --- */

static void talking(struct stage *s)
{
	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	model_talk(&s->c, &s->x.a.ip6[0], MS(500));
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
	set_stage(s, RELAY_NETWORK, any_model(s),
		  NAT_FULL_CONE + sim_below(&s->w, 3));
	model_talk(&s->c, &s->x.a.ip6[0], MS(500));
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
	set_stage(s, RELAY_NETWORK, any_model(s), NAT_NONE);
	qualify(s);
	was = s->c.addr;
	flow_start(&s->x.flow, &s->x.a.ip6[0], &was, s->w.now, MS(250));
	run(s, S(10));
	EXPECT(s->x.flow.answered, "the host was never answered");
	model_silence(&s->c);
	run(s, S(60));
	EXPECT(s->x.errors, "the host does not learn that nobody answers");
	model_return(&s->c);
	run(s, S(75));
	expect_steady(s, &s->x.flow, "the host");
}

/* R9, R10, R21: an address where nobody is costs eight bubbles a minute. */
static void nobody(struct stage *s, int arg)
{
	uint64_t bubbles;

	(void)arg;
	set_stage(s, RELAY_NETWORK, MODEL_PLAIN, NAT_NONE);
	qualify(s);
	model_silence(&s->c);
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
	set_stage(s, RELAY_NETWORK, MODEL_PLAIN, NAT_NONE);
	qualify(s);
	model_silence(&s->c);
	flow_start(f, &s->x.a.ip6[0], &s->c.addr, s->w.now, MS(500));
	run(s, S(15));
	model_return(&s->c);
	model_talk(&s->c, &s->x.a.ip6[0], S(1));
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
	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	model_talk(&s->c, &s->x.a.ip6[0], MS(100));
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
	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	model_talk(&s->c, &s->x.a.ip6[0], MS(100));
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
	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	qualify(s);
	flood(s, kind, S(3));
	run(s, MS(1500));
	model_talk(&s->c, &s->x.a.ip6[0], MS(200));
	run(s, MS(1300));
	expect_first(&s->c.flow, S(1), "the new client");
}

/* The same, and the host begins. */
static void flood_new_native(struct stage *s, int kind)
{
	s->big = true;
	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	qualify(s);
	flood(s, kind, S(3));
	run(s, MS(1500));
	flow_start(&s->x.flow, &s->x.a.ip6[0], &s->c.addr, s->w.now, MS(200));
	world_touch(&s->x.a);
	run(s, MS(1300));
	expect_first(&s->x.flow, S(1), "the host");
}

/* Row 20: lies about a /24 have it sent so much; others are served. */
static void flood_claims(struct stage *s, int kind)
{
	const uint64_t *n;

	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	n = s->server.node->stats.n;
	s->flooder.server = (struct tuple){servers[0], TEREDO_PORT};
	s->big = true; /* 4000 a second */
	flood(s, kind, S(4));
	run(s, MS(100));
	qualify(s);
	run(s, S(5));
	EXPECT(n[REASON_RA] > 3000, "the flood was not answered");
	EXPECT(n[REASON_RATE_RA] > 8000, "the flood was answered");
}

/* --- more than one --- */

static void two_relays(struct stage *s, int arg)
{
	struct node_conf c = relay_conf();

	(void)arg;
	any_loss(s);
	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	set_relay(&s->relay2, 2);
	start(s, &s->relay2, "relay2", &c);
	native_init(&s->y, &s->w, "native2", 2, &s->relay2.a);
	model_talk(&s->c, &s->x.a.ip6[0], S(1));
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
	set_stage(s, RELAY_NETWORK, any_model(s), any_cone(s));
	nat_setup(s, &s->nat2, NAT_FULL_CONE + sim_below(&s->w, 3),
		  IP(9, 0, 1, 77));
	model_init(&s->c2, &s->w, any_model(s), 2, &s->nat2, servers);
	model_talk(&s->c, &s->x.a.ip6[0], MS(700));
	model_talk(&s->c2, &s->x.a.ip6[0], MS(300));
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
	set_stage(s, (enum shape)shape, any_model(s), any_cone(s));
	model_talk(&s->c, &s->x.a.ip6[0], MS(200));
	run(s, S(5));
	v->targets[v->n_targets++] = (struct tuple){servers[0], TEREDO_PORT};
	v->targets[v->n_targets++] = (struct tuple){servers[1], TEREDO_PORT};
	v->targets[v->n_targets++] = (struct tuple){IP(9, 0, 0, 20), 3545};
	v->relay = &s->relay.a;
	v->victim = &s->c.addr;
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

const struct scenario service_scenarios[] = {
	{"client-first-no-nat", cold_client_first, NAT_NONE, 10},
	{"client-first-full-cone", cold_client_first, NAT_FULL_CONE, 10},
	{"client-first-restricted", cold_client_first, NAT_RESTRICTED, 10},
	{"client-first-port-restricted", cold_client_first, NAT_PORT_RESTRICTED,
	 10},
	{"client-first-symmetric", cold_client_first, NAT_SYMMETRIC, 10},
	{"native-first-no-nat", cold_native_first, NAT_NONE, 10},
	{"native-first-full-cone", cold_native_first, NAT_FULL_CONE, 10},
	{"native-first-restricted", cold_native_first, NAT_RESTRICTED, 10},
	{"native-first-port-restricted", cold_native_first, NAT_PORT_RESTRICTED,
	 10},
	{"native-first-symmetric", cold_native_first, NAT_SYMMETRIC, 10},
	{"host-relay-client-first", shapes_client_first, RELAY_HOST, 10},
	{"host-relay-native-first", shapes_native_first, RELAY_HOST, 10},
	{"natted-relay-client-first", shapes_client_first, RELAY_NATTED, 10},
	{"natted-relay-native-first", shapes_native_first, RELAY_NATTED, 10},
	{"combined-client-first", shapes_client_first, RELAY_COMBINED, 10},
	{"combined-native-first", shapes_native_first, RELAY_COMBINED, 10},
	{"relay-restart", relay_restart, 0, 10},
	{"server-restart", server_restart, 0, 10},
	{"server-outage", server_outage, 0, 10},
	{"nat-rebinds", nat_rebinds, 0, 10},
	{"silence", silence, 0, 10},
	{"nobody", nobody, 0, 10},
	{"tombstone", tombstone, 0, 10},
	{"two-relays", two_relays, 0, 10},
	{"two-clients", two_clients, 0, 10},
	{"villain-network", villainy, RELAY_NETWORK, 10},
	{"villain-combined", villainy, RELAY_COMBINED, 10},
	{"flood-established-data", flood_established, FLOOD_DATA, 100},
	{"flood-established-spread", flood_established, FLOOD_SPREAD, 100},
	{"flood-established-echo", flood_established, FLOOD_ECHO, 100},
	{"flood-overflows-spread", flood_overflows, FLOOD_SPREAD, 100},
	{"flood-new-data", flood_new, FLOOD_DATA, 100},
	{"flood-new-spread", flood_new, FLOOD_SPREAD, 100},
	{"flood-new-echo", flood_new, FLOOD_ECHO, 100},
	{"flood-new-native", flood_new_native, FLOOD_DATA, 100},
	{"flood-claims", flood_claims, FLOOD_CLAIMS, 100},
	{0},
};
