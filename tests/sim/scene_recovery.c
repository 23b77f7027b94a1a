/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our client, and what goes wrong: how soon is it well again?
 */
#include "scenario.h"

static const struct client_status *status(const struct home *h)
{
	return &h->o.node->client.status;
}

/* Requests of x to the client. */
static void host_talks(struct stage *s, uint64_t period)
{
	flow_start(&s->x.flow, &s->x.a.ip6[0], home_address(&s->h), s->w.now,
		   period);
	world_touch(&s->x.a);
}

/* The client, x, and the two talking. */
static void established(struct stage *s, enum nat_kind kind)
{
	struct client_conf c = home_conf();

	set_service(s);
	start_home(s, &s->h, kind, &c);
	home_qualifies(s, &s->h, S(1));
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(200));
	run(s, S(1) + MS(sim_below(&s->w, 40000)));
	EXPECT(s->h.flow[0].answered, "the client was never answered");
}

/* And another client. */
static void peer_too(struct stage *s)
{
	struct client_conf c = home_conf();

	start_home(s, &s->h2, any_cone(s), &c);
	home_qualifies(s, &s->h2, S(2));
	home_talk(&s->h, 1, home_address(&s->h2), MS(200));
	run(s, S(5) + MS(sim_below(&s->w, 40000)));
	EXPECT(s->h.flow[1].answered, "the client was never answered");
}

static enum nat_kind any_real_nat(struct stage *s)
{
	return (enum nat_kind)(NAT_FULL_CONE + sim_below(&s->w, 9));
}

static void rebind(struct stage *s)
{
	nat_rebind(&s->nat, s->nat.ip + sim_below(&s->w, 2));
}

/*
 * Things go wrong again and again: who was alarmed lately is patient for
 * longer.
 */
static uint64_t patience(const struct stage *s, uint64_t limit)
{
	bool is_calm = s->w.now - s->alarmed > S(65) || s->alarmed == 0;

	return is_calm ? limit : limit + S(4);
}

static void expect_soon(struct stage *s, struct flow *f, uint64_t limit)
{
	expect_heals(s, f, patience(s, limit), "the client");
	s->alarmed = s->w.now;
}

/*
 * A symmetric NAT that preserves ports may give the mapping for the server its
 * old port back, so that the relay's alone is new. Then the address stays, and
 * the relay goes by the place that it knows for 30 s (R5) before it asks.
 */
static void expect_soon_or_late(struct stage *s, uint64_t limit)
{
	const struct ip6 was = *home_address(&s->h), *now;
	struct flow *f = &s->h.flow[0];

	if (!heals(s, f, patience(s, limit))) {
		now = home_address(&s->h);
		EXPECT(s->nat.mapping != NAT_INDEPENDENT && now &&
			       ip6_equal(now, &was),
		       "the client is not answered within %llu ms",
		       (unsigned long long)(limit / NS_PER_MS));
		expect_heals(s, f, S(31), "the client");
	}
	s->alarmed = s->w.now;
}

/* The first answer may be one to a packet from before; so 3 s must be over. */
static void rebind_busy(struct stage *s, int arg)
{
	(void)arg;
	established(s, any_real_nat(s));
	for (int i = 0; i < 4; i++) {
		rebind(s);
		expect_soon_or_late(s, S(3));
		run(s, S(3 + sim_below(&s->w, 150)));
	}
	/* Behind a symmetric NAT packets go on by the mapping for the relay,
	 * and only the next refresh shows that the one for the server is new.
	 */
	run(s, S(31));
	expect_no_loss(s, &s->h.flow[0], S(20), "the client");
}

static void rebind_peers(struct stage *s, int arg)
{
	(void)arg;
	established(s, NAT_FULL_CONE + sim_below(&s->w, 3));
	s->h.flow[0].on = false;
	peer_too(s);
	for (int i = 0; i < 4; i++) {
		rebind(s);
		expect_soon(s, &s->h.flow[1], S(3));
		run(s, S(3 + sim_below(&s->w, 150)));
	}
	expect_no_loss(s, &s->h.flow[1], S(20), "the client");
}

/* Nobody was talked with, when the mapping changed. */
static void rebind_new_flow(struct stage *s, int arg)
{
	(void)arg;
	established(s, any_real_nat(s));
	s->h.flow[0].on = false;
	for (int i = 0; i < 4; i++) {
		run(s, S(35 + sim_below(&s->w, 60)));
		rebind(s);
		home_talk(&s->h, 0, &s->x.a.ip6[0], MS(200));
		expect_heals(s, &s->h.flow[0], S(5), "the client");
		s->h.flow[0].on = false;
	}
}

static void rebind_idle(struct stage *s, int arg)
{
	(void)arg;
	established(s, any_real_nat(s));
	s->h.flow[0].on = false;
	run(s, S(1 + sim_below(&s->w, 100)));
	rebind(s);
	run(s, S(31));
	host_talks(s, MS(200));
	expect_heals(s, &s->x.flow, S(3), "the host");
}

/* Row 5 and 6: those who talk do not notice, in either direction. */
static void server_gone(struct stage *s, int arg)
{
	struct ip6 was;
	bool cone = sim_chance(&s->w, 500);

	(void)arg;
	established(s, cone ? any_cone(s) : any_nat(s));
	if (cone)
		peer_too(s);
	host_talks(s, MS(300));
	if (cone)
		home_talk(&s->h2, 0, home_address(&s->h), MS(300));
	run(s, S(5));
	was = *home_address(&s->h);
	flow_mark(&s->h.flow[0]);
	flow_mark(&s->h.flow[1]);
	flow_mark(&s->h2.flow[0]);
	flow_mark(&s->x.flow);
	s->server.down = true;
	run(s, S(60));
	EXPECT(status(&s->h)->state == CLIENT_SILENT, "state %d",
	       status(&s->h)->state);
	EXPECT(home_address(&s->h) && ip6_equal(home_address(&s->h), &was),
	       "the address is gone");
	s->server.down = false;
	run(s, S(2));
	EXPECT(status(&s->h)->state == CLIENT_QUALIFIED,
	       "two seconds after it is back, state %d", status(&s->h)->state);
	EXPECT(ip6_equal(home_address(&s->h), &was), "another address");
	s->h.flow[0].on = s->x.flow.on = s->h.flow[1].on = false;
	s->h2.flow[0].on = false;
	run(s, S(1));
	expect_lossless(&s->h.flow[0], "the client");
	expect_lossless(&s->x.flow, "the host");
	if (!cone)
		return;
	expect_lossless(&s->h.flow[1], "the client to its peer");
	expect_lossless(&s->h2.flow[0], "the peer");
}

/* Without peers, the address goes after a while, and comes back soon. */
static void server_gone_idle(struct stage *s, int arg)
{
	uint64_t sent;

	(void)arg;
	established(s, any_nat(s));
	s->h.flow[0].on = false;
	s->server.down = true;
	run(s, S(55));
	EXPECT(home_address(&s->h), "the address is gone too soon");
	run(s, S(95));
	EXPECT(!home_address(&s->h), "an address that is of no use");
	run(s, S(120));
	sent = s->h.o.audit.solicitations;
	run(s, S(600));
	sent = s->h.o.audit.solicitations - sent;
	EXPECT(sent < 60, "%llu solicitations in ten minutes",
	       (unsigned long long)sent);
}

enum {
	CUT_CLIENT_SENDS,
	CUT_HOST_SENDS,
	CUT_BOTH_SEND,
};

static void path_is_cut(struct stage *s, int who, enum nat_kind kind,
			uint64_t limit)
{
	bool client = who != CUT_HOST_SENDS, host = who != CUT_CLIENT_SENDS;
	struct home *h = &s->h;

	established(s, kind);
	if (host)
		host_talks(s, MS(200));
	h->flow[0].on = client;
	h->flow[0].next = s->w.now;
	run(s, S(5));
	s->w.cut[0].a = s->nat.ip;
	s->w.cut[0].b = s->relay.a.ip[0];
	run(s, S(60));
	s->w.cut[0].a = 0;
	if (client)
		expect_heals(s, &h->flow[0], limit, "the client");
	if (host)
		expect_heals(s, &s->x.flow, limit, "the host");
	if (client)
		expect_no_loss(s, &h->flow[0], S(40), "the client");
	if (host)
		expect_no_loss(s, &s->x.flow, S(40), "the host");
}

static void path_cut(struct stage *s, int who)
{
	path_is_cut(s, who, NAT_FULL_CONE + sim_below(&s->w, 3), S(3));
}

/* The four bubbles of C57 may be spent: no other way leads to a relay. */
static void path_cut_symmetric(struct stage *s, int who)
{
	path_is_cut(s, who,
		    NAT_KIND(1 + sim_below(&s->w, 2), 1 + sim_below(&s->w, 2)),
		    S(310));
}

static void peer_path_cut(struct stage *s, int arg)
{
	(void)arg;
	established(s, NAT_FULL_CONE + sim_below(&s->w, 3));
	s->h.flow[0].on = false;
	peer_too(s);
	s->w.cut[0].a = s->nat.ip;
	s->w.cut[0].b = s->h2.o.a.nat ? s->nat2.ip : s->h2.o.a.ip[0];
	/* After 30 s it would look for another way, and C57 limits that. */
	run(s, S(1 + sim_below(&s->w, 28)));
	s->w.cut[0].a = 0;
	expect_heals(s, &s->h.flow[1], S(5), "the client");
	expect_no_loss(s, &s->h.flow[1], S(40), "the client");
}

static void relay_restarts(struct stage *s, int arg)
{
	(void)arg;
	established(s, any_nat(s));
	for (int i = 0; i < 4; i++) {
		ours_restart(&s->relay);
		expect_soon(s, &s->h.flow[0], S(3));
		run(s, S(3 + sim_below(&s->w, 150)));
	}
	expect_no_loss(s, &s->h.flow[0], S(20), "the client");
}

static void peer_restarts(struct stage *s, int arg)
{
	(void)arg;
	established(s, NAT_FULL_CONE + sim_below(&s->w, 3));
	peer_too(s);
	for (int i = 0; i < 4; i++) {
		home_restart(&s->h2);
		expect_heals(s, &s->h.flow[1], S(5), "the client");
		run(s, S(sim_below(&s->w, 60)));
	}
	expect_no_loss(s, &s->h.flow[1], S(20), "the client");
}

/* --- two servers --- */

static bool is_by(const struct home *h, int server)
{
	return home_address(h) &&
	       be32(home_address(h)->b + 4) == homes_servers[server][0];
}

static void first_server_dead(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	start_second_server(s);
	s->server.down = true;
	start_home(s, &s->h, any_nat(s), &c);
	home_qualifies(s, &s->h, S(8));
	EXPECT(is_by(&s->h, 1), "an address of the dead");
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(200));
	expect_heals(s, &s->h.flow[0], S(1), "the client");
}

/* Back and forth; peers that use the old address do not notice. */
static void servers_die(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	struct ours *server[2] = {&s->server, &s->server2};
	int at = 0;

	(void)arg;
	set_service(s);
	start_second_server(s);
	start_home(s, &s->h, any_cone(s), &c);
	home_qualifies(s, &s->h, S(8));
	for (int i = 0; i < 4; i++) {
		home_talk(&s->h, 0, &s->x.a.ip6[0], MS(200));
		s->h.pinned[0] = true;
		host_talks(s, MS(300));
		run(s, S(2) + MS(sim_below(&s->w, 30000)));
		server[at]->down = true;
		flow_mark(&s->h.flow[0]);
		flow_mark(&s->x.flow);
		run(s, S(30 + 8)); /* a refresh interval, and row 7 */
		at = !at;
		EXPECT(is_by(&s->h, at), "not by the other server");
		EXPECT(status(&s->h)->n == 2, "%u addresses", status(&s->h)->n);
		run(s, S(70));
		EXPECT(status(&s->h)->n == 2, "the old address is gone");
		s->h.flow[0].on = s->x.flow.on = false;
		run(s, S(1));
		expect_lossless(&s->h.flow[0], "the client");
		expect_lossless(&s->x.flow, "the host");
		server[!at]->down = false;
		if (sim_chance(&s->w, 500)) {
			run(s, S(100));
			EXPECT(status(&s->h)->n == 1, "the old stays");
		}
		EXPECT(is_by(&s->h, at), "it went back for no reason");
	}
}

static void both_servers_die(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	start_second_server(s);
	start_home(s, &s->h, any_nat(s), &c);
	home_qualifies(s, &s->h, S(8));
	for (int i = 0; i < 3; i++) {
		s->server.down = s->server2.down = true;
		run(s, S(10 + sim_below(&s->w, 100)));
		if (sim_chance(&s->w, 500))
			s->server.down = false;
		else
			s->server2.down = false;
		/* Each in turn is asked for a phase of about four seconds. */
		run(s, S(8));
		EXPECT(status(&s->h)->state == CLIENT_QUALIFIED, "state %d",
		       status(&s->h)->state);
		run(s, S(sim_below(&s->w, 40)));
	}
}

/* --- the host moves --- */

static void wake_up(struct stage *s, int event)
{
	(void)event;
	established(s, any_real_nat(s));
	for (int i = 0; i < 3; i++) {
		s->h.o.a.asleep = true;
		run(s, S(90));
		nat_rebind(&s->nat, s->nat.ip + 1);
		s->h.o.a.asleep = false;
		world_touch(&s->h.o.a);
		if (event)
			home_network(&s->h, s->h.o.a.ip[0]);
		s->h.flow[0].next = s->w.now + MS(300);
		run(s, MS(200) + MS(90)); /* and three round trips */
		EXPECT(status(&s->h)->state == CLIENT_QUALIFIED &&
			       s->h.up_at + MS(290) >= s->w.now,
		       "no new address");
		expect_heals(s, &s->h.flow[0], S(3), "the client");
		run(s, S(sim_below(&s->w, 40)));
	}
}

static void roaming(struct stage *s, int arg)
{
	(void)arg;
	established(s, any_real_nat(s));
	for (int i = 0; i < 4; i++) {
		/* One solicitation a second, whatever happens (A38). */
		uint64_t asked = s->h.o.audit.last_solicitation,
			 wait = s->w.now - asked < S(1) ? S(1) : 0;

		/* Another NAT altogether. */
		nat_rebind(&s->nat, s->nat.ip + 1);
		nat_set_kind(&s->nat, any_real_nat(s));
		home_network(&s->h, IP(192, 168, 1, 30 + i));
		run(s, wait + MS(200) + MS(90));
		EXPECT(status(&s->h)->state == CLIENT_QUALIFIED &&
			       s->h.up_at + MS(290) + wait >= s->w.now,
		       "no new address");
		expect_heals(s, &s->h.flow[0], S(3), "the client");
		run(s, S(sim_below(&s->w, 60)));
	}
}

/* --- a day --- */

static void mishap(struct stage *s)
{
	switch (sim_below(&s->w, 16)) {
	case 0:
		ours_restart(&s->relay);
		break;
	case 1:
		ours_restart(&s->server);
		break;
	case 2:
		s->server.down = !s->server.down;
		break;
	case 3:
		s->server2.down = !s->server2.down;
		break;
	case 4:
		nat_rebind(&s->nat, IP(9, 0, 1, 1 + sim_below(&s->w, 200)));
		break;
	case 5:
		nat_rebind(&s->nat2, IP(9, 0, 5, 1 + sim_below(&s->w, 200)));
		break;
	case 6:
		home_restart(&s->h);
		break;
	case 7:
		home_restart(&s->h2);
		break;
	case 8:
		s->w.cut[0].a = s->w.cut[0].a ? 0 : s->nat.ip;
		s->w.cut[0].b = s->relay.a.ip[0];
		break;
	case 9:
		set_loss(s, sim_below(&s->w, 3) * 100);
		break;
	case 10:
		s->h.o.a.asleep = !s->h.o.a.asleep;
		world_touch(&s->h.o.a);
		break;
	case 11:
		s->h.resolver_down = !s->h.resolver_down;
		break;
	case 12:
		s->nat.blocked = !s->nat.blocked;
		break;
	case 13:
		home_network(&s->h2, IP(192, 168, 1, 12));
		break;
	case 14:
		s->x.a.via =
			s->x.a.via == &s->relay.a ? &s->relay2.a : &s->relay.a;
		break;
	default:
		nat_set_kind(&s->nat, any_real_nat(s));
		nat_rebind(&s->nat, s->nat.ip);
	}
}

static void repair(struct stage *s)
{
	s->server.down = s->server2.down = s->nat.blocked = false;
	s->h.o.a.asleep = s->h.resolver_down = false;
	s->w.cut[0].a = 0;
	set_loss(s, 0);
	world_touch(&s->h.o.a);
}

/* Whatever happens: an hour of peace in the evening, and all is well. */
static void day(struct stage *s, int hours)
{
	struct client_conf c = home_conf();
	struct node_conf r = relay_conf();

	c.learn_refresh = sim_chance(&s->w, 500);
	c.local_discovery = sim_chance(&s->w, 500);
	c.idle_s = sim_chance(&s->w, 500) ? CLIENT_MIN_IDLE : 0;
	set_service(s);
	start_second_server(s);
	set_relay(&s->relay2, 2);
	start(s, &s->relay2, "relay2", &r);
	start_home(s, &s->h, any_real_nat(s), &c);
	start_home(s, &s->h2, NAT_FULL_CONE + sim_below(&s->w, 3), &c);
	for (uint64_t end = s->w.now + S(3600) * (uint64_t)hours;
	     s->w.now < end;) {
		if (home_address(&s->h2))
			home_talk(&s->h, 1, home_address(&s->h2), S(7));
		if (home_address(&s->h))
			host_talks(s, S(11));
		home_talk(&s->h, 0, &s->x.a.ip6[0], S(3));
		mishap(s);
		run(s, S(1) + MS(sim_below(&s->w, 600000)));
	}
	repair(s);
	run(s, S(900)); /* a server that was silent for long is asked rarely */
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(200));
	expect_heals(s, &s->h.flow[0], S(3), "the client");
	EXPECT(client_is_settled(status(&s->h2)), "state %d",
	       status(&s->h2)->state);
}

const struct scenario recovery_scenarios[] = {
	{"rebind-busy", rebind_busy, 0, 10},
	{"rebind-peers", rebind_peers, 0, 10},
	{"rebind-new-flow", rebind_new_flow, 0, 10},
	{"rebind-idle", rebind_idle, 0, 10},
	{"server-gone", server_gone, 0, 10},
	{"server-gone-idle", server_gone_idle, 0, 10},
	{"path-cut-client-sends", path_cut, CUT_CLIENT_SENDS, 10},
	{"path-cut-host-sends", path_cut, CUT_HOST_SENDS, 10},
	{"path-cut-both-send", path_cut, CUT_BOTH_SEND, 10},
	{"path-cut-symmetric", path_cut_symmetric, CUT_CLIENT_SENDS, 10},
	{"peer-path-cut", peer_path_cut, 0, 10},
	{"relay-restarts", relay_restarts, 0, 10},
	{"peer-restarts", peer_restarts, 0, 10},
	{"first-server-dead", first_server_dead, 0, 10},
	{"servers-die", servers_die, 0, 20},
	{"both-servers-die", both_servers_die, 0, 10},
	{"wake-up", wake_up, 0, 10},
	{"wake-up-event", wake_up, 1, 10},
	{"roaming", roaming, 0, 10},
	{"day", day, 24, 100},
	{0},
};
