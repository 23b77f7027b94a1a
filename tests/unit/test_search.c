/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long the NAT keeps an idle mapping: against NATs that do so for long. */
#include "search.h"
#include "rig_client.h"

#include <stdio.h>
#include <string.h>

/* A NAT that forgets the second port, and the servers behind it. */
static struct home {
	uint64_t life;      /* of an idle mapping */
	struct tuple probe; /* the second port, as servers see it */
	uint64_t used;      /* last */
	unsigned lose;      /* so many bubbles get lost */
	bool deaf;          /* nothing answers the second port */
	bool twice;         /* packets come in two copies */
	unsigned n;         /* how long it was left idle, and what came of it */
	uint64_t idle[32];
	unsigned bubbles;
	uint64_t bubble_at[64];
} world;

static struct rig r;
static struct packet p;
static unsigned from_probe; /* datagrams */

static struct search *s(void)
{
	return &r.node.client.search;
}

static unsigned interval(void)
{
	return search_interval_s(&r.node.client);
}

static int fresh(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	world = (struct home){.probe = at("11.0.0.5", 7000)};
	from_probe = 0;
	prepare_client(&r);
	r.conf.client.learn_refresh = true;
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* ---- the world ---- */

static void use_probe(void)
{
	if (world.used && r.now - world.used >= world.life)
		world.probe.port++; /* it has forgotten */
	world.used = r.now;
}

static void copies(enum door door, struct tuple from, enum reason first)
{
	from_ip4(&r, door, from, &p);
	ended(&r, first);
	if (world.twice && r.first == r.n) {
		from_ip4(&r, door, from, &p);
	}
}

static void answer_solicitation(const struct sent *x)
{
	bool probe = x->door == DOOR_PROBE;
	struct asked a = {.to = x->to};

	if (probe) {
		use_probe();
		from_probe++;
		if (world.deaf)
			return;
	}
	for (unsigned i = 0; i < 8; i++)
		snprintf(a.nonce + 2 * i, 3, "%02x", x->p.b[4 + i]);
	memcpy(&a.from, x->p.b + 13 + 8, 16);
	advert(&p, &a, SERVER, probe ? world.probe : client_at);
	copies(x->door, x->to, REASON_RA_TAKEN);
}

static struct ip6 probe_address(void)
{
	uint16_t flags = be16(s()->address.b + 8);

	assert_int_equal(flags & ~0x3cff, 0);
	return ta(SERVER, flags, world.probe.port, "11.0.0.5");
}

/* By way of the server, which sends it where its destination says. */
static void pass_bubble_on(const struct sent *x)
{
	struct packet want;
	struct ip6 to;

	assert_int_equal(x->door, DOOR_SERVICE);
	memcpy(to.b, x->p.b + 24, 16);
	bubble(&want, client, to);
	same_packet(&x->p, &want);
	assert_in_range(world.bubbles, 0, 63);
	world.bubble_at[world.bubbles++] = r.now;
	if (s()->tries == 1)
		world.idle[world.n++] = r.now - world.used;
	if (r.now - world.used >= world.life || world.lose) {
		if (world.lose)
			world.lose--;
		return;
	}
	assert_true(same_ip6(to, probe_address()));
	p = want;
	set_hops(&p, 63);
	add_origin(&p, client_at);
	copies(DOOR_PROBE, server_at, REASON_BUBBLE);
}

static void carry(void)
{
	while (r.first != r.n) {
		struct sent x = *next_sent(&r);

		assert_int_equal(x.kind, OUT_UDP);
		if (x.p.n == 61)
			answer_solicitation(&x);
		else
			pass_bubble_on(&x);
	}
}

static void live(uint64_t ns)
{
	uint64_t end = r.now + ns, next;

	carry();
	while ((next = node_next(&r.node)) <= end) {
		pass(&r, next > r.now ? next - r.now : 0);
		carry();
	}
	pass(&r, end - r.now);
}

static void begin(uint64_t life_s)
{
	world.life = life_s * NS_PER_S;
	start_client(&r);
	carry();
}

static void tried(const unsigned *want, unsigned n)
{
	assert_int_equal(world.n, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(world.idle[i], want[i] * NS_PER_S);
}

/* ---- C70 ---- */

/* What 4380 §5.2.7 says, and A43: tried intervals; the outcome. */
static unsigned model(unsigned life, unsigned *v, unsigned *n)
{
	unsigned interval = 30, max = 120, candidate = 60;

	for (*n = 0;; (*n)++) {
		unsigned mean;

		v[*n] = candidate;
		if (candidate < life)
			interval = candidate;
		else
			max = candidate;
		mean = (interval + max) / 2;
		if (candidate >= life && interval * 100 >= max * 75)
			break;
		if (candidate < life &&
		    (2 * interval < mean ? 2 * interval : mean) < interval + 5)
			break;
		candidate = 2 * interval < mean ? 2 * interval : mean;
	}
	(*n)++;
	return interval;
}

static void check_life(unsigned life)
{
	unsigned v[32], n, want = model(life, v, &n);

	fresh(NULL);
	begin(life);
	live(SECONDS(3600));
	tried(v, n);
	assert_int_equal(interval(), want);
	assert_true(want < life || want == 30);
	rig_end(&r);
}

static void c70_against_a_model(void **state)
{
	(void)state;
	rig_end(&r);
	for (unsigned life = 25; life < 260; life += 5)
		check_life(life);
}

/* C70: the numbers, once without a model. */
static void c70_45_100_200(void **state)
{
	static const unsigned at_45[] = {60, 45, 37};
	static const unsigned at_100[] = {60, 90, 105};
	static const unsigned at_200[] = {60, 90, 105, 112};

	(void)state;
	begin(45);
	live(SECONDS(3600));
	tried(at_45, 3);
	assert_int_equal(interval(), 37);
	rig_end(&r);
	fresh(NULL);
	begin(100);
	live(SECONDS(3600));
	tried(at_100, 3);
	assert_int_equal(interval(), 90);
	rig_end(&r);
	fresh(NULL);
	begin(200);
	live(SECONDS(3600));
	tried(at_200, 4);
	assert_int_equal(interval(), 112);
}

/* C70: a bubble and three more, two seconds apart; two more to be sure. */
static void c70_repeats(void **state)
{
	(void)state;
	begin(40);
	live(SECONDS(75));
	assert_int_equal(world.bubbles, 4);
	assert_int_equal(r.node.ledger.n[LEDGER_SENT_INTERVAL], 4);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(world.bubble_at[i] - world.bubble_at[i - 1],
				 SECONDS(2));
	/* It is asked again two seconds after the last. */
	assert_int_equal(world.used - world.bubble_at[3], SECONDS(2));
	assert_int_equal(s()->candidate, 45);
	assert_int_equal(interval(), 30);
}

/* C70: the last of them may be the one. */
static void c70_losses(void **state)
{
	(void)state;
	world.lose = 3;
	begin(100);
	live(SECONDS(67));
	assert_int_equal(world.bubbles, 4);
	assert_int_equal(interval(), 60);
	assert_int_equal(s()->candidate, 90);
}

/* A50: copies change nothing, whenever they come. */
static void c70_one_answer_counts_once(void **state)
{
	static const unsigned at_100[] = {60, 90, 105};
	struct ip6 to;

	(void)state;
	world.twice = true;
	begin(100);
	live(SECONDS(3600));
	tried(at_100, 3);
	assert_int_equal(interval(), 90);
	rig_end(&r);
	/* Between success and the next answer of the server. */
	fresh(NULL);
	begin(1000);
	live(SECONDS(59));
	world.deaf = true;
	live(SECONDS(1.5));
	assert_int_equal(interval(), 60);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	assert_int_equal(interval(), 60);
	assert_int_equal(s()->candidate, 90);
	rig_end(&r);
	/* After a failure. */
	fresh(NULL);
	world.lose = 4;
	begin(1000);
	live(SECONDS(67));
	world.deaf = true;
	to = s()->address;
	live(SECONDS(1.5));
	assert_int_equal(s()->candidate, 45);
	bubble(&p, client, to);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	assert_int_equal(interval(), 30);
}

/* What comes to the second port and is not our bubble. */
static void c69_c70_others(void **state)
{
	struct ip6 own_probe, other = client;

	(void)state;
	begin(1000);
	own_probe = probe_address();
	live(SECONDS(59.5));
	bubble(&p, client, own_probe);
	from_ip4(&r, DOOR_PROBE, server_at, &p); /* nobody sent one yet */
	dropped(&r, REASON_NOT_OURS);
	world.lose = 1;
	live(SECONDS(1));
	assert_int_equal(world.bubbles, 1);
	from_ip4(&r, DOOR_PROBE, at(SERVER, 3545), &p);
	dropped(&r, REASON_NOT_OURS);
	from_ip4(&r, DOOR_PROBE, second_at, &p);
	dropped(&r, REASON_NOT_OURS);
	bubble(&p, far_client, own_probe);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	other.b[9] ^= 1;
	bubble(&p, client, client);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	data(&p, client, own_probe);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	bubble(&p, other, own_probe);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	assert_int_equal(interval(), 30);
	bubble(&p, client, own_probe);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	ended(&r, REASON_BUBBLE);
	carry();
	assert_int_equal(interval(), 60);
}

/* ---- C68, C69 ---- */

/* C68: right after the service port, from another one. */
static void c68_at_once(void **state)
{
	uint64_t when;

	(void)state;
	world.life = SECONDS(1000);
	start_client(&r);
	assert_false(status(&r)->wants_probe);
	assert_int_equal(status(&r)->refresh_s, 30);
	assert_true(search_next(&r.node.client) == UINT64_MAX);
	when = r.now;
	answers(&r, server_at, client_at);
	assert_false(status(&r)->wants_probe);
	answers(&r, second_at, client_at);
	assert_true(status(&r)->wants_probe);
	assert_int_equal(r.log[r.first].door, DOOR_PROBE);
	assert_int_equal(r.log[r.first].to.ip, server_at.ip);
	assert_int_equal(r.log[r.first].when, when);
	carry();
	assert_int_equal(from_probe, 2); /* its second address as well */
	assert_int_equal(s()->candidate, 60);
	assert_int_equal(s()->max, 120);
}

/* C68: if that fails, it stays as it was. */
static void c68_no_answer(void **state)
{
	(void)state;
	world.deaf = true;
	begin(1000);
	live(SECONDS(10));
	assert_int_equal(from_probe, 3);
	assert_false(status(&r)->wants_probe);
	assert_int_equal(interval(), 30);
	live(SECONDS(3600));
	assert_int_equal(from_probe, 3);
	assert_int_equal(world.bubbles, 0);
}

/* C68: nor when it falls silent later; what was learned is kept. */
static void c68_silent_later(void **state)
{
	(void)state;
	begin(1000);
	live(SECONDS(59));
	world.deaf = true;
	live(SECONDS(3600));
	assert_false(status(&r)->wants_probe);
	assert_int_equal(interval(), 60);
}

static void c68_off(void **state)
{
	(void)state;
	r.conf.client.learn_refresh = false;
	begin(1000);
	live(SECONDS(3600));
	assert_int_equal(from_probe, 0);
	assert_int_equal(world.bubbles, 0);
	assert_false(status(&r)->wants_probe);
	assert_int_equal(interval(), 30);
}

/* The longest candidate is two minutes. */
static void c68_starts_from_the_configured(void **state)
{
	static const unsigned at_80[] = {120, 100};
	static const unsigned at_10[] = {20, 40, 80, 60, 70};

	(void)state;
	r.conf.client.refresh_s = 80;
	begin(85);
	assert_int_equal(interval(), 80);
	live(SECONDS(3600));
	tried(at_80, 2);
	assert_int_equal(interval(), 80);
	rig_end(&r);
	fresh(NULL);
	r.conf.client.refresh_s = 10;
	begin(70);
	live(SECONDS(3600));
	tried(at_10, 5);
	assert_int_equal(interval(), 60);
}

/* C70: where exactly it ends: at three quarters, and below five seconds. */
static void c70_ends(void **state)
{
	static const unsigned at_90[] = {120};
	static const unsigned at_20[] = {40, 80, 100, 110, 115};

	(void)state;
	r.conf.client.refresh_s = 90;
	begin(95);
	live(SECONDS(3600));
	tried(at_90, 1);
	assert_int_equal(interval(), 90);
	rig_end(&r);
	fresh(NULL);
	r.conf.client.refresh_s = 20;
	begin(200);
	live(SECONDS(3600));
	tried(at_20, 5);
	assert_int_equal(interval(), 115);
}

/* C68: it is not begun twice. */
static void c68_once(void **state)
{
	(void)state;
	begin(100);
	search_start(&r.node.client, r.now, &r.out);
	assert_int_equal(r.out.n, 0);
	live(SECONDS(3600));
	search_start(&r.node.client, r.now, &r.out);
	assert_int_equal(r.out.n, 0);
	assert_false(s()->on);
}

/* C69: a bubble that comes when all is over. */
static void c69_stopped(void **state)
{
	(void)state;
	world.lose = 1;
	begin(1000);
	live(SECONDS(60.5));
	assert_int_equal(world.bubbles, 1);
	search_stop(&r.node.client);
	bubble(&p, client, s()->address);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	assert_int_equal(interval(), 30);
}

/* More than two minutes are configured: then somebody knows better. */
static void c68_nothing_to_learn(void **state)
{
	(void)state;
	r.conf.client.refresh_s = 300;
	begin(45);
	live(SECONDS(3600));
	assert_int_equal(interval(), 300);
	assert_int_equal(from_probe, 0);
}

/* Whoever looks sees what was learned, and when the port is closed. */
static void c69_told_at_once(void **state)
{
	(void)state;
	begin(1000);
	assert_int_equal(status(&r)->refresh_s, 30);
	while (interval() == 30)
		live(SECONDS(0.01));
	assert_int_equal(status(&r)->refresh_s, 60);
	while (s()->on)
		live(SECONDS(0.01));
	assert_int_equal(status(&r)->refresh_s, 112);
	assert_false(status(&r)->wants_probe);
}

/* C69: solicitations only, and in the end nothing any more. */
static void c69_closed_at_the_end(void **state)
{
	unsigned n;

	(void)state;
	begin(100);
	assert_true(status(&r)->wants_probe);
	live(SECONDS(400));
	assert_false(status(&r)->wants_probe);
	n = from_probe;
	live(SECONDS(36000));
	assert_int_equal(from_probe, n);
	/* It is deaf. */
	bubble(&p, client, s()->address);
	from_ip4(&r, DOOR_PROBE, server_at, &p);
	dropped(&r, REASON_NOT_OURS);
	data(&p, native, client);
	from_ip4(&r, DOOR_PROBE, other_relay_at, &p);
	dropped(&r, REASON_NOT_OURS);
}

/* Once for each mapping. */
static void c68_again_with_a_new_mapping(void **state)
{
	unsigned n;

	(void)state;
	begin(200);
	live(SECONDS(3600));
	n = world.n;
	assert_int_equal(interval(), 112);
	check_server(&r);
	answers(&r, server_at, at("11.0.0.5", 4097));
	assert_false(status(&r)->wants_probe);
	assert_int_equal(interval(), 30);
	answers(&r, second_at, at("11.0.0.5", 4097));
	assert_true(status(&r)->wants_probe);
	assert_int_equal(s()->candidate, 60);
	assert_int_equal(s()->max, 120);
	r.first = r.n = 0;
	assert_int_equal(world.n, n);
}

/* ... and not with each answer of the server. */
static void c68_not_with_each_answer(void **state)
{
	unsigned n;

	(void)state;
	begin(200);
	live(SECONDS(3600));
	n = from_probe;
	network(&r, at("192.168.1.6", 50000));
	carry();
	live(SECONDS(600));
	assert_int_equal(from_probe, n);
	assert_int_equal(interval(), 112);
}

/* It ends with the address. */
static void c69_stops_with_the_client(void **state)
{
	unsigned n;

	(void)state;
	begin(200);
	live(SECONDS(70));
	assert_true(status(&r)->wants_probe);
	n = from_probe;
	want(&r, false);
	assert_false(status(&r)->wants_probe);
	live(SECONDS(600));
	assert_int_equal(from_probe, n);
	assert_true(search_next(&r.node.client) == UINT64_MAX);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(c70_against_a_model),
		TEST(c70_45_100_200),
		TEST(c70_repeats),
		TEST(c70_losses),
		TEST(c70_one_answer_counts_once),
		TEST(c69_c70_others),
		TEST(c68_at_once),
		TEST(c68_no_answer),
		TEST(c68_silent_later),
		TEST(c68_off),
		TEST(c68_starts_from_the_configured),
		TEST(c70_ends),
		TEST(c68_once),
		TEST(c69_stopped),
		TEST(c68_nothing_to_learn),
		TEST(c69_told_at_once),
		TEST(c69_closed_at_the_end),
		TEST(c68_again_with_a_new_mapping),
		TEST(c68_not_with_each_answer),
		TEST(c69_stops_with_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
