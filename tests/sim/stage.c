/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who takes part in a scenario, and what is asked of a flow.
 */
#include "scenario.h"

#include <string.h>

const uint32_t servers[2] = {IP(9, 0, 0, 2), IP(9, 0, 0, 3)};

/* --- who takes part --- */

struct node_conf relay_conf(void)
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
					 .per_address = {50, 100},
					 .per_network = {1000, 2000}};
}

void start(struct stage *s, struct ours *o, const char *name,
	   const struct node_conf *conf)
{
	s->started[s->n_started++] = o;
	ours_init(o, &s->w, name, conf);
}

void start_server(struct stage *s)
{
	struct node_conf c = {0};

	add_server_role(&c);
	s->server.a.n_ip = 2;
	memcpy(s->server.a.ip, servers, sizeof(servers));
	start(s, &s->server, "server", &c);
}

struct ip6 address_of(unsigned native)
{
	return (struct ip6){{0x2a, 0, 0, 1, 0, (uint8_t)native, [15] = 1}};
}

void set_relay(struct ours *r, unsigned number)
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

void nat_setup(struct stage *s, struct nat *n, enum nat_kind kind, uint32_t ip)
{
	*n = (struct nat){.preserve = sim_chance(&s->w, 500),
			  .sequential = sim_chance(&s->w, 300),
			  .refreshed_in = sim_chance(&s->w, 300),
			  .ip = ip,
			  .timeout = S(40 + sim_below(&s->w, 200))};
	nat_set_kind(n, kind);
}

/* The host of x is the relay: its address is the relay's own. */
void start_relay(struct stage *s, enum shape shape)
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

static void start_model(struct stage *s, enum model_kind kind,
			enum nat_kind nat)
{
	nat_setup(s, &s->nat, nat, IP(9, 0, 1, 1));
	model_init(&s->c, &s->w, kind, 1, nat == NAT_NONE ? NULL : &s->nat,
		   servers);
}

enum model_kind any_model(struct stage *s)
{
	return (enum model_kind)sim_below(&s->w, MODEL_KINDS);
}

enum nat_kind any_cone(struct stage *s)
{
	return (enum nat_kind)sim_below(&s->w, NAT_PORT_RESTRICTED + 1);
}

/* Server, relay, x and c; who answers what is drawn. */
void set_stage(struct stage *s, enum shape shape, enum model_kind kind,
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
	start_model(s, kind, nat);
}

void set_loss(struct stage *s, unsigned per_mille)
{
	s->w.loss = per_mille;
	s->w.duplicates = per_mille ? 50 : 0;
	s->w.jitter = per_mille ? MS(40) : MS(5);
}

void any_loss(struct stage *s)
{
	static const unsigned loss[] = {0, 50, 200};

	set_loss(s, loss[sim_below(&s->w, 3)]);
}

void run(struct stage *s, uint64_t time)
{
	world_run(&s->w, s->w.now + time);
}

/* Until the client has an address; a minute is enough, if it can have one. */
void qualify(struct stage *s)
{
	for (int i = 0; i < 600 && !s->c.has_address; i++)
		run(s, MS(100));
	EXPECT(s->c.has_address, "the client gets no address");
}

void expect_lossless(const struct flow *f, const char *who)
{
	EXPECT(f->sent > f->mark_from &&
		       f->mark_answered == f->sent - f->mark_from,
	       "%s lost %u of %u packets", who,
	       f->sent - f->mark_from - f->mark_answered,
	       f->sent - f->mark_from);
}

void expect_first(const struct flow *f, uint64_t limit, const char *who)
{
	EXPECT(f->answered, "%s was never answered", who);
	EXPECT(f->first_answer - f->first_sent <= limit,
	       "%s was first answered after %llu ms", who,
	       (unsigned long long)((f->first_answer - f->first_sent) /
				    NS_PER_MS));
}

/* A flow in full swing loses nothing. */
void expect_steady(struct stage *s, struct flow *f, const char *who)
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
