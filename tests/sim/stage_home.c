/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios with our client: hosts, their NATs, and how soon things must be
 * well again.
 */
#include <string.h>

#include "scenario.h"

static const uint64_t STEP = MS(10);

const uint32_t homes_servers[2][2] = {
	{IP(9, 0, 0, 2), IP(9, 0, 0, 3)},
	{IP(9, 0, 4, 2), IP(9, 0, 4, 3)},
};

void set_service(struct stage *s)
{
	start_server(s);
	start_relay(s, RELAY_NETWORK);
	native_init(&s->x, &s->w, "native", 1, &s->relay.a);
}

void start_second_server(struct stage *s)
{
	struct node_conf c = s->server.conf;

	c.server.primary = homes_servers[1][0];
	c.server.secondary = homes_servers[1][1];
	s->server2.a.n_ip = 2;
	memcpy(s->server2.a.ip, homes_servers[1], sizeof(homes_servers[1]));
	start(s, &s->server2, "server2", &c);
}

struct client_conf home_conf(void)
{
	struct client_conf c = client_defaults;

	c.max_peers = 64;
	c.max_held = 64;
	return c;
}

static void start_behind(struct stage *s, struct home *h, struct nat *nat,
			 const struct client_conf *conf)
{
	unsigned number = h == &s->h ? 1 : 2;
	bool two = s->server2.node != NULL;

	s->started[s->n_started++] = &h->o;
	home_init(h, &s->w, h == &s->h ? "home" : "home2", number, nat, conf,
		  homes_servers, two ? 2 : 1);
}

void start_home(struct stage *s, struct home *h, enum nat_kind kind,
		const struct client_conf *conf)
{
	struct nat *nat = h == &s->h ? &s->nat : &s->nat2;

	nat_setup(s, nat, kind, h == &s->h ? IP(9, 0, 1, 1) : IP(9, 0, 5, 1));
	start_behind(s, h, kind == NAT_NONE ? NULL : nat, conf);
}

void start_neighbour(struct stage *s, struct home *h,
		     const struct client_conf *conf)
{
	start_behind(s, h, &s->nat, conf);
}

void home_qualifies(struct stage *s, struct home *h, uint64_t limit)
{
	uint64_t start = h->start_at == NEVER ? s->w.now : h->start_at;

	while (!home_address(h) && s->w.now < start + limit)
		run(s, STEP);
	EXPECT(home_address(h), "%s has no address after %llu ms", h->o.a.name,
	       (unsigned long long)(limit / NS_PER_MS));
}

bool heals(struct stage *s, struct flow *f, uint64_t limit)
{
	uint64_t end = s->w.now + limit;

	flow_mark(f);
	while (!f->mark_answered && s->w.now < end)
		run(s, STEP);
	return f->mark_answered;
}

void expect_heals(struct stage *s, struct flow *f, uint64_t limit,
		  const char *who)
{
	EXPECT(f->on, "%s sends nothing", who);
	EXPECT(heals(s, f, limit), "%s is not answered within %llu ms", who,
	       (unsigned long long)(limit / NS_PER_MS));
}

void expect_no_loss(struct stage *s, struct flow *f, uint64_t time,
		    const char *who)
{
	flow_mark(f);
	run(s, time);
	f->on = false;
	run(s, S(1));
	f->on = true;
	f->next = s->w.now;
	expect_lossless(f, who);
}

enum nat_kind any_nat(struct stage *s)
{
	return (enum nat_kind)sim_below(&s->w, NAT_KINDS);
}
