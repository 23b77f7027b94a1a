/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our client and its server: how it gets its address and keeps it.
 */
#include <string.h>

#include "scenario.h"

static const struct client_status *status(const struct home *h)
{
	return &h->o.node->client.status;
}

static enum client_nat nat_seen(enum nat_kind kind)
{
	if (kind == NAT_NONE)
		return CLIENT_NAT_NONE;
	return (kind - 1) / NAT_RULES == NAT_INDEPENDENT ? CLIENT_NAT_RESTRICTED
							 : CLIENT_NAT_SYMMETRIC;
}

/* Every NAT in turn. */
static enum nat_kind this_nat(const struct stage *s)
{
	return (enum nat_kind)(s->seed % NAT_KINDS);
}

static void qualification(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	start_home(s, &s->h, this_nat(s), &c);
	home_qualifies(s, &s->h, MS(110)); /* three round trips and 20 ms */
	EXPECT(status(&s->h)->nat == nat_seen(this_nat(s)), "NAT taken for %s",
	       client_nat_name(status(&s->h)->nat));
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(500));
	expect_heals(s, &s->h.flow[0], S(1), "the client");
	expect_no_loss(s, &s->h.flow[0], S(20), "the client");
}

static void qualification_lossy(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_loss(s, 200);
	set_service(s);
	start_home(s, &s->h, this_nat(s), &c);
	home_qualifies(s, &s->h, S(30));
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(500));
	run(s, S(200));
	EXPECT(s->h.flow[0].answered * 10 > s->h.flow[0].sent,
	       "%u of %u answered", s->h.flow[0].answered, s->h.flow[0].sent);
}

/* The order of 4380, for those who want it. */
static void qualification_cone(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	c.cone_first = true;
	set_service(s);
	start_home(s, &s->h, this_nat(s), &c);
	home_qualifies(s, &s->h, S(6));
	if (this_nat(s) != NAT_NONE && s->nat.filtering == NAT_INDEPENDENT)
		EXPECT(status(&s->h)->flags & FLAG_CONE, "no cone bit");
	else if (this_nat(s) != NAT_NONE)
		EXPECT(!(status(&s->h)->flags & FLAG_CONE), "a cone bit");
	run(s, S(100));
	EXPECT(home_address(&s->h), "the address is gone");
}

/* C59, C63: nothing but a solicitation in each interval. */
static void idle(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	const struct audit *a = &s->h.o.audit;
	struct ip6 was;

	(void)arg;
	set_service(s);
	start_home(s, &s->h, any_nat(s), &c);
	home_qualifies(s, &s->h, S(1));
	was = *home_address(&s->h);
	run(s, S(31));
	s->h.o.audit.min_refresh = UINT64_MAX;
	s->h.o.audit.max_refresh = 0;
	run(s, S(1200));
	EXPECT(a->min_refresh >= MS(22500), "%llu ms between solicitations",
	       (unsigned long long)(a->min_refresh / NS_PER_MS));
	EXPECT(a->max_refresh <= MS(30100), "%llu ms between solicitations",
	       (unsigned long long)(a->max_refresh / NS_PER_MS));
	EXPECT(a->solicitations <= 3 + 1231 * 2 / 45, "%llu solicitations",
	       (unsigned long long)a->solicitations);
	EXPECT(a->bubbles == 0 && a->tests == 0, "it is not quiet");
	EXPECT(home_address(&s->h) && ip6_equal(home_address(&s->h), &was),
	       "the address has changed");
	flow_start(&s->x.flow, &s->x.a.ip6[0], &was, s->w.now, MS(500));
	world_touch(&s->x.a);
	expect_heals(s, &s->x.flow, S(1), "the host");
}

/* A53: is nothing sent, and is nothing waited for? */
static void stays_dormant(struct stage *s, uint64_t time)
{
	const struct audit was = s->h.o.audit, *a = &s->h.o.audit;

	run(s, time);
	EXPECT(status(&s->h)->state == CLIENT_DORMANT, "state %d",
	       status(&s->h)->state);
	EXPECT(a->solicitations == was.solicitations &&
		       a->bubbles == was.bubbles && a->tests == was.tests &&
		       a->announcements == was.announcements,
	       "it is not quiet");
	EXPECT(a->steps == was.steps, "it did something");
	EXPECT(node_next(s->h.o.node) == NEVER, "it waits for something");
}

static void goes_dormant(struct stage *s, struct client_conf *c)
{
	c->idle_s = 60 + sim_below(&s->w, 600);
	c->local_discovery = sim_chance(&s->w, 500);
	c->learn_refresh = sim_chance(&s->w, 500);
	set_service(s);
	start_home(s, &s->h, this_nat(s), c);
	home_qualifies(s, &s->h, S(1));
	home_talk(&s->h, 0, &s->x.a.ip6[0], S(5));
	run(s, S(10) + S(sim_below(&s->w, 1000)));
	EXPECT(status(&s->h)->state == CLIENT_QUALIFIED, "state %d",
	       status(&s->h)->state);
	s->h.flow[0].on = false;
	run(s, S(c->idle_s + 10));
}

/* A53: the NAT has kept the mapping: the first packet arrives; or the first of
 * a host that it talked with does. */
static void dormant(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	struct ip6 was;

	(void)arg;
	goes_dormant(s, &c);
	s->nat.timeout = NEVER / 2;
	for (int i = 0; i < 3; i++) {
		/* What the NAT lets in of who was sent something long ago. */
		bool by_host = sim_chance(&s->w, 500) && i &&
			       !nat_is_symmetric(&s->nat);
		struct flow *f = by_host ? &s->x.flow : &s->h.flow[0];

		stays_dormant(s, S(3600 + sim_below(&s->w, 7200)));
		was = *home_address(&s->h);
		if (by_host)
			flow_start(f, &s->x.a.ip6[0], &was, s->w.now, MS(500));
		else
			home_talk(&s->h, 0, &s->x.a.ip6[0], MS(500));
		world_touch(&s->x.a);
		flow_mark(f);
		run(s, S(30));
		f->on = false;
		run(s, S(1));
		expect_lossless(f, by_host ? "the host" : "the client");
		EXPECT(ip6_equal(home_address(&s->h), &was), "another address");
		run(s, S(c.idle_s + 10));
	}
}

/* A53: it has forgotten us, and may have another address, too; or we are in
 * another network; and it may lose packets. */
static void dormant_rebound(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	goes_dormant(s, &c);
	for (int i = 0; i < 3; i++) {
		if (s->h.o.a.nat && sim_chance(&s->w, 300))
			home_network(&s->h, IP(192, 168, 1, 30 + i));
		stays_dormant(s, S(3600 + sim_below(&s->w, 7200)));
		nat_rebind(&s->nat, s->nat.ip + sim_below(&s->w, 2));
		home_talk(&s->h, 0, &s->x.a.ip6[0], MS(500));
		expect_heals(s, &s->h.flow[0], S(2), "the client");
		expect_no_loss(s, &s->h.flow[0], S(20), "the client");
		s->h.flow[0].on = false;
		run(s, S(c.idle_s + 10));
	}
}

/* A53, C65: the server is gone meanwhile; a peer needs none. */
static void dormant_serverless(struct stage *s, int arg)
{
	struct client_conf c = home_conf(), other = home_conf();

	(void)arg;
	goes_dormant(s, &c);
	stays_dormant(s, S(3600));
	start_home(s, &s->h2, NAT_NONE, &other);
	home_qualifies(s, &s->h2, S(2));
	s->server.down = true;
	home_talk(&s->h, 0, home_address(&s->h2), MS(500));
	run(s, S(5));
	EXPECT(status(&s->h)->state == CLIENT_SILENT, "state %d",
	       status(&s->h)->state);
	run(s, S(200));
	s->server.down = false;
	/* C57: four bubbles in 300 s. */
	expect_heals(s, &s->h.flow[0], S(310), "the client");
}

static const struct secret good = {
	.id_len = 5,
	.key_len = 6,
	.algorithm = HMAC_SHA256,
	.id = "alice",
	.key = "secret",
};

enum {
	SECRET_GOOD,
	SECRET_WRONG,
	SECRET_UNKNOWN,
	SECRET_NONE,
	SECRETS
};

static void secure(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	struct secret mine = good;
	int how = (int)(s->seed % SECRETS);

	(void)arg;
	if (how == SECRET_WRONG)
		mine.key[0] ^= 1;
	if (how == SECRET_UNKNOWN)
		mine.id[0] ^= 1;
	c.secret = how == SECRET_NONE ? NULL : &mine;
	set_service(s);
	s->server.conf.server.n_secrets = 1;
	s->server.conf.server.secrets = &good;
	s->server.conf.server.require_secret = true;
	ours_restart(&s->server);
	start_home(s, &s->h, any_nat(s), &c);
	if (how == SECRET_GOOD) {
		home_qualifies(s, &s->h, MS(200));
		run(s, S(100));
		EXPECT(status(&s->h)->state == CLIENT_QUALIFIED, "lost it");
	} else {
		run(s, S(100));
		EXPECT(!home_address(&s->h), "an address without the secret");
		EXPECT(status(&s->h)->state == CLIENT_ASKING, "not asking");
	}
	s->h.o.conf.client.secret = NULL; /* mine ends here */
	s->h.o.node->client.qualify.conf.secret = NULL;
}

/* Without the nonce, or with it but without the secret. */
static void forged_advertisements(struct stage *s, int spies)
{
	struct villain *v = &s->villain;
	struct client_conf c = home_conf();
	struct ip6 was;

	if (spies)
		c.secret = &good;
	set_service(s);
	s->server.conf.server.n_secrets = 1;
	s->server.conf.server.secrets = &good;
	ours_restart(&s->server);
	start_home(s, &s->h, sim_chance(&s->w, 500) ? NAT_NONE : NAT_FULL_CONE,
		   &c);
	home_qualifies(s, &s->h, S(1));
	was = *home_address(&s->h);
	v->targets[v->n_targets++] = status(&s->h)->mapped;
	v->relay = &s->relay.a;
	v->victim = &was;
	v->native = s->x.a.ip6[0];
	v->servers[0] = servers[0];
	v->servers[1] = servers[1];
	v->asked = &s->h.o.node->client.qualify;
	v->spies = spies;
	villain_init(v, &s->w);
	s->server.down = true;
	run(s, S(60));
	s->server.down = false;
	run(s, S(3));
	EXPECT(home_address(&s->h) && ip6_equal(home_address(&s->h), &was),
	       "another address");
	v->stop = s->w.now;
}

/* I10. */
static void restart(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	struct ip6 was;

	(void)arg;
	set_service(s);
	start_home(s, &s->h, any_nat(s), &c);
	home_qualifies(s, &s->h, S(1));
	was = *home_address(&s->h);
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(100));
	for (int i = 0; i < 5; i++) {
		run(s, MS(sim_below(&s->w, 20000)));
		home_restart(&s->h);
		home_qualifies(s, &s->h, MS(110));
		EXPECT(ip6_equal(home_address(&s->h), &was),
		       "another address after a restart");
		/* A relay that was asking waits for two seconds. */
		expect_heals(s, &s->h.flow[0], S(3), "the client");
	}
	expect_no_loss(s, &s->h.flow[0], S(10), "the client");
}

/* C19: and when it answers again? */
static void secondary_silent(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	s->w.cut[0].a = servers[1];
	set_service(s);
	start_home(s, &s->h, any_nat(s), &c);
	run(s, S(10 + sim_below(&s->w, 60)));
	EXPECT(!home_address(&s->h), "an address by half a server");
	EXPECT(status(&s->h)->why == WHY_SECONDARY, "%s",
	       client_why_name(status(&s->h)->why));
	s->w.cut[0].a = 0;
	home_qualifies(s, &s->h, S(2));
}

static void server_late(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	s->server.down = true;
	start_home(s, &s->h, any_nat(s), &c);
	run(s, S(10) + MS(sim_below(&s->w, 3000)));
	EXPECT(status(&s->h)->why == WHY_SERVER, "%s",
	       client_why_name(status(&s->h)->why));
	s->server.down = false;
	home_qualifies(s, &s->h, S(2));
}

static void udp_blocked(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	start_home(s, &s->h, NAT_FULL_CONE + sim_below(&s->w, 9), &c);
	s->nat.blocked = true;
	run(s, S(20) + MS(sim_below(&s->w, 3000)));
	s->nat.blocked = false;
	home_qualifies(s, &s->h, S(5));
}

static void resolver_late(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	start_home(s, &s->h, any_nat(s), &c);
	s->h.resolver_down = true;
	run(s, S(20) + MS(sim_below(&s->w, 3000)));
	EXPECT(status(&s->h)->state == CLIENT_RESOLVING, "state %d",
	       status(&s->h)->state);
	s->h.resolver_down = false;
	home_qualifies(s, &s->h, S(2));
}

/* The mapping changes between the first answer and the second. */
static void mapping_changes(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	start_home(s, &s->h, NAT_FULL_CONE + sim_below(&s->w, 9), &c);
	run(s, s->h.start_at - s->w.now);
	for (int i = 0; i < 5; i++) {
		run(s, MS(sim_below(&s->w, 60)));
		nat_rebind(&s->nat, s->nat.ip + sim_below(&s->w, 2));
	}
	run(s, S(35)); /* a refresh interval */
	EXPECT(home_address(&s->h), "no address");
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(300));
	expect_heals(s, &s->h.flow[0], S(1), "the client");
	flow_start(&s->x.flow, &s->x.a.ip6[0], home_address(&s->h), s->w.now,
		   MS(300));
	world_touch(&s->x.a);
	expect_heals(s, &s->x.flow, S(1), "the host");
}

static void no_symmetric(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	c.no_symmetric = true;
	set_service(s);
	start_home(s, &s->h, this_nat(s), &c);
	run(s, S(200));
	if (nat_seen(this_nat(s)) == CLIENT_NAT_SYMMETRIC) {
		EXPECT(!home_address(&s->h), "an address");
		EXPECT(status(&s->h)->why == WHY_SYMMETRIC, "%s",
		       client_why_name(status(&s->h)->why));
		EXPECT(s->h.o.audit.solicitations <= 20, "no rest");
	} else {
		EXPECT(home_address(&s->h), "no address");
	}
}

/* C68-C70. */
static void interval(struct stage *s, int life)
{
	struct client_conf c = home_conf();
	unsigned least = life * 3 / 4, most = (unsigned)life, got;

	c.learn_refresh = true;
	if (life == 45)
		least = 30;
	if (life > 120)
		least = 90, most = 120;
	set_service(s);
	start_home(s, &s->h, NAT_FULL_CONE + sim_below(&s->w, 9), &c);
	s->nat.timeout = S(life);
	run(s, S(1800));
	got = status(&s->h)->refresh_s;
	EXPECT(!status(&s->h)->wants_probe, "the search does not end");
	EXPECT(got >= least && got <= most, "an interval of %u s", got);
	run(s, S(600));
	EXPECT(home_address(&s->h) && status(&s->h)->refresh_s == got,
	       "the interval does not hold");
}

/* Role auto. */
static void native_comes_and_goes(struct stage *s, int arg)
{
	struct client_conf c = home_conf();

	(void)arg;
	set_service(s);
	s->h.is_auto = true;
	start_home(s, &s->h, any_cone(s), &c);
	home_qualifies(s, &s->h, S(1));
	start_home(s, &s->h2, any_cone(s), &c);
	home_qualifies(s, &s->h2, S(2));
	home_talk(&s->h, 0, &s->x.a.ip6[0], MS(250));
	run(s, S(3));
	for (int i = 0; i < 3; i++) {
		home_native(&s->h, true);
		EXPECT(!home_address(&s->h), "still a Teredo address");
		home_talk(&s->h2, 0, &s->h.native, MS(250));
		expect_heals(s, &s->h.flow[0], S(1), "the native host");
		expect_heals(s, &s->h2.flow[0], S(1), "the client");
		run(s, S(sim_below(&s->w, 40)));
		s->h2.flow[0].on = false;
		home_native(&s->h, false);
		EXPECT(status(&s->h)->state != CLIENT_OFF, "it stays off");
		expect_heals(s, &s->h.flow[0], S(2), "the client");
		run(s, S(sim_below(&s->w, 40)));
	}
}

static void no_network(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	struct ip6 was;

	(void)arg;
	set_service(s);
	start_home(s, &s->h, any_nat(s), &c);
	home_qualifies(s, &s->h, S(1));
	was = *home_address(&s->h);
	for (int i = 0; i < 3; i++) {
		uint32_t ip = s->h.o.a.ip[0];
		uint64_t sent;

		home_network(&s->h, 0);
		sent = s->h.o.audit.solicitations;
		run(s, S(sim_below(&s->w, 30)));
		EXPECT(s->h.o.audit.solicitations == sent,
		       "solicitations without a network");
		home_network(&s->h, ip);
		home_qualifies(s, &s->h, MS(200));
		if (!nat_is_symmetric(&s->nat))
			EXPECT(ip6_equal(home_address(&s->h), &was),
			       "another address");
		run(s, S(sim_below(&s->w, 30)));
	}
}

static void inbound_is(struct stage *s, enum inbound want)
{
	enum inbound got = s->h.o.node->client.knock.inbound;

	EXPECT(got == want, "inbound is %s, not %s", inbound_name(got),
	       inbound_name(want));
}

/* What the firewall of the host lets in, now and when it changes; beside it, an
 * idle client does what an idle client does. */
static void inbound(struct stage *s, int arg)
{
	struct client_conf c = home_conf();
	const struct audit *a = &s->h.o.audit;

	s->h.firewall = (enum inbound)arg;
	set_service(s);
	start_home(s, &s->h, any_nat(s), &c);
	home_qualifies(s, &s->h, S(1));
	run(s, S(5));
	inbound_is(s, s->h.firewall);
	s->h.firewall = (enum inbound)(arg % INBOUND_FILTERED + 1);
	run(s, S(590));
	inbound_is(s, (enum inbound)arg);
	run(s, S(100));
	inbound_is(s, s->h.firewall);
	EXPECT(a->solicitations <= 3 + 695 * 2 / 45 && a->bubbles == 0 &&
		       a->tests == 0,
	       "it is not quiet");
	EXPECT(s->h.o.node->stats.n[REASON_KNOCK] && s->h.errors == 0,
	       "nobody knocked");
}

const struct scenario client_scenarios[] = {
	{"qualification", qualification, 0, 2},
	{"qualification-lossy", qualification_lossy, 0, 10},
	{"qualification-cone", qualification_cone, 0, 10},
	{"idle", idle, 0, 10},
	{"dormant", dormant, 0, 10},
	{"dormant-rebound", dormant_rebound, 0, 10},
	{"dormant-serverless", dormant_serverless, 0, 10},
	{"secure", secure, 0, 10},
	{"forged-advertisements", forged_advertisements, 0, 10},
	{"forged-advertisements-spy", forged_advertisements, 1, 10},
	{"client-restart", restart, 0, 10},
	{"secondary-silent", secondary_silent, 0, 10},
	{"server-late", server_late, 0, 10},
	{"udp-blocked", udp_blocked, 0, 10},
	{"resolver-late", resolver_late, 0, 10},
	{"mapping-changes", mapping_changes, 0, 10},
	{"no-symmetric", no_symmetric, 0, 10},
	{"interval-45", interval, 45, 10},
	{"interval-100", interval, 100, 10},
	{"interval-200", interval, 200, 10},
	{"native-comes-and-goes", native_comes_and_goes, 0, 10},
	{"no-network", no_network, 0, 10},
	{"inbound-open", inbound, INBOUND_OPEN, 10},
	{"inbound-echo", inbound, INBOUND_ECHO, 10},
	{"inbound-filtered", inbound, INBOUND_FILTERED, 10},
	{0},
};
