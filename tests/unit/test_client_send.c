/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client: packets of its host, and finding the way for them. */
#include "recent.h"
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p, q, t, e;

static const struct tuple relay2 = {0x0b00000a, 41000};
static const struct tuple lan = {0xc0a80107, 50001};

static int qualified(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	return 0;
}

static int neighbours(void **state)
{
	(void)state;
	prepare_client(&r);
	r.conf.client.local_discovery = true;
	start_qualified(&r);
	pass(&r, 0);
	assert_int_equal(next_sent(&r)->kind, OUT_GROUP);
	return 0;
}

/* The server is heard, and will not be asked for long. */
static void server_is_heard(void)
{
	r.node.client.heard = r.now + SECONDS(1000);
	unsuspecting(&r);
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void again(void)
{
	rig_end(&r);
	prepare_client(&r);
}

static void forget_log(void)
{
	r.first = r.n = 0;
}

static void comes(struct tuple from)
{
	from_ip4(&r, DOOR_SERVICE, from, &q);
}

static void holds(struct ip6 to)
{
	goes_to(&r, &p, to);
	ended(&r, REASON_HELD);
}

static void flows(struct ip6 to, struct tuple where)
{
	goes_to(&r, &p, to);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, where, &p);
}

/* The same, and what else was sent is skipped. */
static void flows_among(struct ip6 to, struct tuple where)
{
	goes_to(&r, &p, to);
	ended(&r, REASON_TO_IPV4);
	while (r.log[r.first].kind != OUT_UDP ||
	       r.log[r.first].to.ip != where.ip)
		next_sent(&r);
	sent_udp(&r, DOOR_SERVICE, where, &p);
}

/* The error about p. */
static void unreachable(void)
{
	complaint(&e, 1, 3, 0, &p);
	sent_ip6(&r, &e);
}

/* ---- C50, C81: what is not sent at all ---- */

static void goes(struct ip6 from, struct ip6 to)
{
	data(&p, from, to);
	from_ip6(&r, &p);
}

static void c50_not_tunnelled(void **state)
{
	static const char *const far[] = {"ff02::1", "ff0e::1", "fe80::1",
					  "::1",     "::",      "fd00::1"};
	static const char *const from[] = {"2001:db8::7", "fe80::1",
					   "::", "2001:db8:9::9"};

	(void)state;
	own_ip4(&r, "11.8.0.8", 24);
	for (unsigned i = 0; i < ARRAY_SIZE(far); i++) {
		r.about = far[i];
		goes(client, ip6(far[i]));
		dropped(&r, REASON_SCOPE);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(from); i++) {
		r.about = from[i];
		goes(ip6(from[i]), native);
		dropped(&r, REASON_BAD_SOURCE);
	}
	r.about = "other flags of ours";
	goes(ta(SERVER, 1, 4096, "11.0.0.5"), native);
	dropped(&r, REASON_BAD_SOURCE);
	goes(client, ta(SERVER, 1, 4096, "11.0.0.5"));
	dropped(&r, REASON_DST_OWN);
	goes(client, ta(OTHER, 0, 4096, "11.0.0.5"));
	dropped(&r, REASON_DST_OWN);
	goes(client, client);
	dropped(&r, REASON_DST_OWN);
	/* Z36-Z38: by way of another tunnel to ourselves. */
	r.about = "another tunnel";
	goes(client, ip6("2002:b08:8::1"));
	dropped(&r, REASON_LOOP);
	goes(client, ta(OTHER, 0, 9, "11.8.0.8"));
	dropped(&r, REASON_LOOP);
	goes(client, ip6("2001:db8::5efe:b08:8"));
	dropped(&r, REASON_LOOP);
	r.about = "malformed";
	data(&p, client, native);
	cut(&p, 1);
	from_ip6(&r, &p);
	dropped(&r, REASON_TRUNCATED);
	data(&p, client, native);
	p.b[0] = 0x45;
	from_ip6(&r, &p);
	dropped(&r, REASON_BAD_VERSION);
	/* Somebody else behind our NAT. */
	goes(client, ta(OTHER, 0, 4097, "11.0.0.5"));
	ended(&r, REASON_HELD);
	forget_log();
}

/* C56, C57: bubbles have limits to keep, so the host makes none itself. */
static void c56_bubble_of_the_host(void **state)
{
	static const struct ip6 *const far[] = {&native, &far_client};

	(void)state;
	for (int known = 0; known < 2; known++) {
		for (unsigned i = 0; i < ARRAY_SIZE(far); i++) {
			bubble(&p, client, *far[i]);
			from_ip6(&r, &p);
			dropped(&r, REASON_CONTROL);
		}
		if (known)
			break;
		for (int s = 0; s < STANDINGS; s++)
			assert_int_equal(r.node.client.recent.n[s], 0);
		trust_native(&r, native, other_relay_at);
		trust_client(&r, far_client, far_client_at);
	}
}

static void c81_mtu(void **state)
{
	(void)state;
	data_of(&p, client, native, 1281, 1);
	from_ip6(&r, &p);
	ended(&r, REASON_TOO_BIG);
	complaint(&e, 2, 0, 1280, &p);
	sent_ip6(&r, &e);
	data_of(&p, client, native, 1280, 1);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_test(&r, server_at, native, &t);
	reply(&q, &t);
	comes(other_relay_at);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	data_of(&p, client, native, 1281, 1);
	from_ip6(&r, &p);
	ended(&r, REASON_TOO_BIG);
	forget_log();
}

/* Z30: errors are limited. */
static void z30_errors(void **state)
{
	unsigned n;

	(void)state;
	r.count_only = true;
	data_of(&p, client, native, 1400, 1);
	for (int i = 0; i < 1000; i++)
		from_ip6(&r, &p);
	n = r.n_ip6;
	assert_in_range(n, 100, 100);
	pass(&r, SECONDS(1));
	for (int i = 0; i < 1000; i++)
		from_ip6(&r, &p);
	assert_in_range(r.n_ip6 - n, 100, 100);
	r.count_only = false;
}

static void refused(struct ip6 to, enum reason why)
{
	const struct recent *v = &r.node.client.recent;

	goes(client, to);
	dropped(&r, why);
	/* Z30: silence, whatever its size. */
	data_of(&p, client, to, 1400, 1);
	from_ip6(&r, &p);
	dropped(&r, why);
	assert_int_equal(recent_find(v, 0, &to), RECENT_NONE);
}

/* C48, C49, Z1, Z10, Z30, Z42: both addresses in an address. */
static void c48_z1_z30_z42_refused(void **state)
{
	(void)state;
	own_ip4(&r, "12.0.0.9", 24);
	deny(&r, "11.7.0.0", 16);
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		struct ip6 a = far_client;

		r.about = bad_ranges[i].name;
		refused(ta(OTHER, 0, 4000, bad_ranges[i].first),
			REASON_DST_NOT_GLOBAL);
		refused(ta(OTHER, 0, 4000, bad_ranges[i].last),
			REASON_DST_NOT_GLOBAL);
		put32(a.b + 4, ip4(bad_ranges[i].first));
		refused(a, REASON_DST_NOT_GLOBAL);
		put32(a.b + 4, ip4(bad_ranges[i].last));
		refused(a, REASON_DST_NOT_GLOBAL);
	}
	r.about = "others";
	refused(ta(OTHER, 0, 0, "11.0.0.6"), REASON_DST_NOT_GLOBAL);
	refused(ta(OTHER, 0, 4000, "12.0.0.255"), REASON_DST_NOT_GLOBAL);
	refused(ta(OTHER, 0, 4000, "11.7.9.9"), REASON_DST_DENIED);
	refused(ta("11.7.9.9", 0, 4000, "11.0.0.6"), REASON_DST_DENIED);
	refused(ta("12.0.0.9", 0, 4000, "11.0.0.6"), REASON_DST_OWN);
	refused(ta(OTHER, 0, 4096, "11.0.0.5"), REASON_DST_OWN);
}

/* Z40: a server of ours is nobody's NAT. */
static void z40_own_server_tuple(void **state)
{
	(void)state;
	refused(ta(OTHER, 0, 3544, SERVER), REASON_DST_OWN);
	refused(ta(OTHER, 0, 3544, SECOND), REASON_DST_OWN);
	/* Z42: other ports of it, other servers: bubbles, never data. */
	holds(ta(OTHER, 0, 3545, SERVER));
	forget_log();
}

/* ---- C43, C52, C78: native hosts ---- */

/* C43: at 0, 2, 4 and 6 s; given up at 8. */
static void c43_c52_silent_host(void **state)
{
	uint64_t began = r.now;

	(void)state;
	unsuspecting(&r);
	holds(native);
	pass(&r, SECONDS(8) - 1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(r.log[r.first].when, began + SECONDS(2) * i);
		sent_test(&r, server_at, native, &t);
	}
	sent_nothing(&r);
	assert_int_equal(r.node.client.held.n, 1);
	pass(&r, 1);
	unreachable();
	sent_nothing(&r);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
	pass(&r, SECONDS(10));
	sent_nothing(&r);
	/* Another packet, another test. */
	holds(native);
	sent_test(&r, server_at, native, &t);
}

/* C43: answered at 3 s. */
static void c43_late_answer(void **state)
{
	(void)state;
	unsuspecting(&r);
	holds(native);
	sent_test(&r, server_at, native, &t);
	pass(&r, SECONDS(3));
	sent_test(&r, server_at, native, &t);
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	pass(&r, SECONDS(10));
	sent_nothing(&r);
}

/* C41, C43: silent for 30 s: by way of the server, and the last relay. */
static void c41_expired_host(void **state)
{
	struct packet t2;

	(void)state;
	trust_native(&r, native, other_relay_at);
	pass_answered(&r, SECONDS(30) - 1, client_at);
	goes_to(&r, &p, native);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	pass(&r, 1);
	holds(native);
	sent_test(&r, server_at, native, &t);
	sent_test(&r, other_relay_at, native, &t2);
	same_packet(&t2, &t);
	sent_nothing(&r);
	/* Either answer is good; here another relay has taken over. */
	reply(&q, &t);
	comes(relay2);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, relay2, &p);
	flows(native, relay2);
}

/* C41, C42: 30 s from the last that was heard; sending changes nothing. */
static void c41_c42_validity(void **state)
{
	(void)state;
	trust_client(&r, far_client, far_client_at);
	for (int i = 0; i < 30; i++) {
		goes_to(&r, &p, far_client);
		ended(&r, REASON_TO_IPV4);
		forget_log();
		pass_answered(&r, SECONDS(1) - (i == 29), client_at);
		forget_log();
	}
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	forget_log();
	pass(&r, 1);
	holds(far_client);
	sent_nothing(&r); /* C56: it was sent to just now */
	pass(&r, SECONDS(2) - 2);
	sent_nothing(&r);
	pass(&r, 1);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
}

/* ---- C44: neighbours ---- */

static void discovered(void)
{
	bubble(&q, far_client, ip6("ff02::1"));
	set_hops(&q, 1);
	from_ip4(&r, DOOR_DISCOVERY, lan, &q);
	ended(&r, REASON_DISCOVERY);
	forget_log();
}

/* C44, C49, A46: on the link twice, then by the Internet twice. */
static void c44_a46_neighbour(void **state)
{
	uint64_t began;

	(void)state;
	unsuspecting(&r);
	discovered();
	/* What answered its bubble was one of the four of C57. */
	pass_answered(&r, SECONDS(301), client_at);
	forget_log();
	discovered();
	pass_answered(&r, SECONDS(301), client_at);
	forget_log();
	began = r.now;
	holds(far_client);
	sent_direct(&r, lan, far_client, NULL);
	assert_int_equal(next_sent(&r)->kind, OUT_GROUP);
	sent_nothing(&r);
	pass(&r, SECONDS(2.3));
	while (r.log[r.first].to.ip != lan.ip) /* but for solicitations */
		r.first++;
	assert_in_range(r.log[r.first].when - began, SECONDS(2.05),
			SECONDS(2.25));
	sent_direct(&r, lan, far_client, NULL);
	assert_int_equal(next_sent(&r)->kind, OUT_GROUP);
	pass(&r, SECONDS(2.3));
	while (r.first != r.n && r.log[r.first].to.ip != far_client_at.ip)
		r.first++;
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
	forget_log();
	pass(&r, SECONDS(7));
	while (r.first != r.n && r.log[r.first].kind != OUT_IP6) {
		assert_int_not_equal(r.log[r.first].to.ip, lan.ip);
		r.first++;
	}
	unreachable();
	forget_log();
}

/* C44: it is known for 600 s. */
static void c44_ten_minutes(void **state)
{
	(void)state;
	discovered();
	pass_answered(&r, SECONDS(300), client_at);
	forget_log();
	r.now += SECONDS(300) - 1;
	holds(far_client);
	sent_direct(&r, lan, far_client, NULL);
	forget_log();
	rig_end(&r);
	neighbours(NULL);
	discovered();
	r.now += SECONDS(600);
	holds(far_client);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
}

/* C35, C42, C49: it answers on the link, and packets stay there. */
static void c44_c49_answers(void **state)
{
	(void)state;
	discovered();
	pass(&r, SECONDS(3));
	holds(far_client);
	forget_log();
	bubble(&q, far_client, client);
	comes(lan);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, lan, &p);
	sent_nothing(&r);
	flows(far_client, lan);
	/* From where its address says it is heard, too, and that counts. */
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	flows(far_client, far_client_at);
}

/* ---- C45-C47, C53-C58: bubbles ---- */

/* C45, Z20: the cone bit of a peer, or its other flags, mean nothing. */
static void c45_z20_cone_bit(void **state)
{
	static const uint16_t flags[] = {0x8000, 0xffff, 0x3cff};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		struct ip6 a = ta(OTHER, flags[i], 8192, "11.0.0.6");

		holds(a);
		sent_direct(&r, far_client_at, a, NULL);
		sent_indirect(&r, other_server_at, a);
		sent_nothing(&r);
	}
}

/* C46, C53-C55, X10, X12: byte for byte; each to its own server. */
static void c46_c53_c54_c55_pair(void **state)
{
	uint32_t a, b;

	(void)state;
	holds(far_client);
	hex(&e, "60000000 00003b40"
		"20010000 09000002 0000efff f4fffffa"
		"20010000 0b000001 0000dfff f4fffff9");
	sent_udp(&r, DOOR_SERVICE, far_client_at, &e);
	a = sent_indirect(&r, other_server_at, far_client);
	holds(ta("11.0.0.3", 0, 99, "11.0.0.99"));
	sent_direct(&r, at("11.0.0.99", 99), ta("11.0.0.3", 0, 99, "11.0.0.99"),
		    NULL);
	b = sent_indirect(&r, at("11.0.0.3", 3544),
			  ta("11.0.0.3", 0, 99, "11.0.0.99"));
	assert_int_not_equal(a, b);
	/* More packets, no more bubbles. */
	holds(far_client);
	sent_nothing(&r);
	/* A client of our own server. */
	holds(ta(SERVER, 0, 99, "11.0.0.99"));
	next_sent(&r);
	sent_indirect(&r, server_at, ta(SERVER, 0, 99, "11.0.0.99"));
}

/* C47, C52, A7: four pairs, a little more than 2 s apart; then the error. */
static void c47_c52_silent_client(void **state)
{
	uint64_t last = 0;

	(void)state;
	unsuspecting(&r);
	holds(far_client);
	pass(&r, SECONDS(7));
	for (int i = 0; i < 4; i++) {
		uint64_t when = r.log[r.first].when;

		if (i)
			assert_in_range(when - last, SECONDS(2.05),
					SECONDS(2.25));
		last = when;
		sent_direct(&r, far_client_at, far_client, NULL);
		assert_int_equal(r.log[r.first].when, when);
		if (i % 2)
			sent_cookie(&r, other_server_at, far_client);
		else
			sent_indirect(&r, other_server_at, far_client);
	}
	sent_nothing(&r);
	pass(&r, SECONDS(2.3));
	assert_in_range(r.log[r.first].when - last, SECONDS(2.05),
			SECONDS(2.25));
	unreachable();
	sent_nothing(&r);
	/* C57: no fifth, and no waiting for it. */
	goes_to(&r, &p, far_client);
	ended(&r, REASON_UNREACHABLE);
	unreachable();
}

/* C47: after the last try, too, packets wait for an answer. */
static void c47_last_wait(void **state)
{
	struct packet first;

	(void)state;
	unsuspecting(&r);
	holds(far_client);
	first = p;
	pass(&r, SECONDS(7));
	forget_log();
	data_of(&p, client, far_client, 60, 7);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_nothing(&r);
	bubble(&q, far_client, client);
	comes(far_client_at);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &first);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* Counts the attempts of the next time, a packet each second. */
static unsigned attempts(unsigned seconds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < seconds; i++) {
		goes_to(&r, &p, far_client);
		pass(&r, SECONDS(1));
		for (; r.first != r.n; r.first++)
			n += r.log[r.first].kind == OUT_UDP &&
			     r.log[r.first].to.ip == far_client_at.ip;
	}
	return n;
}

/* C57: 4 in 300 s, for ten minutes, and over an entry that is evicted. */
static void c57_four_in_300_s(void **state)
{
	unsigned n;

	(void)state;
	again();
	r.conf.client.max_peers = RECENT_MIN;
	start_qualified(&r);
	server_is_heard();
	assert_int_equal(attempts(100), 4);
	for (uint32_t i = 0; i < 32; i++) {
		holds(ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
		forget_log();
	}
	assert_int_equal(recent_find(&r.node.client.recent, 0, &far_client),
			 RECENT_NONE);
	pass(&r, SECONDS(20));
	forget_log();
	assert_int_equal(attempts(179), 0);
	n = attempts(10);
	assert_in_range(n, 3, 4);
	assert_int_equal(n + attempts(100), 4);
}

/* C57, C34: an answer starts the count again; C56: but not the 2 s. */
static void c57_answer(void **state)
{
	(void)state;
	unsuspecting(&r);
	for (int i = 0; i < 3; i++) {
		server_is_heard();
		holds(far_client);
		sent_direct(&r, far_client_at, far_client, NULL);
		next_sent(&r);
		pass(&r, SECONDS(4.6));
		assert_int_equal(r.n - r.first, 4);
		forget_log();
		bubble(&q, far_client, client);
		comes(far_client_at);
		ended(&r, REASON_BUBBLE);
		sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
		sent_nothing(&r);
		pass_answered(&r, SECONDS(31), client_at);
	}
}

/* C58: what the gate refuses counts as well. */
static void c58_counts_what_fails(void **state)
{
	(void)state;
	unsuspecting(&r);
	holds(far_client);
	forget_log();
	own_ip4(&r, "11.0.0.6", 24); /* it has become ours */
	pass(&r, SECONDS(7));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(r.log[r.first].to.ip, other_server_at.ip);
		next_sent(&r);
	}
	sent_nothing(&r);
	pass(&r, SECONDS(2.3));
	unreachable();
}

/* ---- C51, C34, Z23: what waits ---- */

static void c51_queue(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 100; i++) {
		data_of(&p, client, native, 60, i);
		from_ip6(&r, &p);
		ended(&r, REASON_HELD);
		if (i == 0)
			sent_test(&r, server_at, native, &t);
	}
	assert_int_equal(counted(&r, REASON_QUEUE_PEER), 92);
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	for (uint8_t i = 92; i < 100; i++) {
		data_of(&p, client, native, 60, i);
		sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	}
	assert_int_equal(counted(&r, REASON_RELEASED), 8);
}

/* C34, C51: direct data releases what waits, in order. */
static void c34_data_releases(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		data_of(&p, client, far_client, 60, i);
		from_ip6(&r, &p);
		ended(&r, REASON_HELD);
		forget_log();
	}
	data(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_TO_IPV6);
	for (uint8_t i = 0; i < 3; i++) {
		data_of(&p, client, far_client, 60, i);
		sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	}
	sent_ip6(&r, &q);
}

/*
 * Z23: who sends bubbles without end gets attempts made, but does not keep
 * waiting what waits for him.
 */
static void z23_strangers_delay_nothing(void **state)
{
	(void)state;
	server_is_heard();
	r.count_only = true;
	holds(far_client);
	for (int ms = 0; ms < 11000; ms += 10) {
		bubble(&q, far_client, client);
		from_ip4(&r, DOOR_SERVICE, server_at, &q);
		pass(&r, 10 * NS_PER_MS);
	}
	assert_int_equal(r.node.client.held.n, 0);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
}

/* Z23: nor does who says that he is the relay of a host that is silent. */
static void z23_relays_delay_nothing(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	server_is_heard();
	data(&q, native, client);
	comes(other_relay_at);
	forget_log();
	r.count_only = true;
	pass(&r, SECONDS(31));
	holds(native);
	for (int ms = 0; ms < 11000; ms += 10) {
		bubble(&q, native, client);
		by_server(&r, &q, other_relay_at);
		pass(&r, 10 * NS_PER_MS);
	}
	assert_int_equal(r.node.client.held.n, 0);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
}

/* Z23: in all; the oldest goes. */
static void z23_in_all(void **state)
{
	(void)state;
	again();
	r.conf.client.max_held = HELD_MIN;
	start_qualified(&r);
	r.count_only = true;
	for (uint16_t i = 0; i < 100; i++) {
		struct ip6 a = native;

		put16(a.b + 12, i);
		holds(a);
	}
	r.count_only = false;
	assert_int_equal(counted(&r, REASON_QUEUE_FULL), 36);
	assert_int_equal(r.node.client.held.n, 64);
	/* No packet waits longer than ten seconds or so. */
	r.count_only = true;
	pass(&r, SECONDS(10.5));
	r.count_only = false;
	assert_int_equal(r.node.client.held.n, 0);
}

/* Z5: bubbles in all; an attempt without a token is none. */
static void z5_bubbles_in_all(void **state)
{
	unsigned n = r.n_udp;

	(void)state;
	r.count_only = true;
	for (uint32_t i = 0; i < 250; i++)
		holds(ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
	assert_int_equal(r.n_udp - n, 200);
	pass(&r, SECONDS(12));
	r.count_only = false;
}

/* ---- who our host talks with ---- */

static enum standing standing_of(struct ip6 who)
{
	const struct recent *v = &r.node.client.recent;
	uint32_t i = recent_find(v, 0, &who);

	assert_int_not_equal(i, RECENT_NONE);
	return (enum standing)recent_at(v, i)->standing;
}

/* Who proves to be where his address says is trusted: a share of the table. */
static void strangers(void)
{
	static struct packet s;

	r.count_only = true;
	for (uint32_t i = 0; i < 300; i++) {
		const struct tuple from = {0x0c000000 + i, 1024};

		bubble(&s, ta_of(OTHER, from), client);
		from_ip4(&r, DOOR_SERVICE, from, &s);
		ended(&r, REASON_BUBBLE);
	}
	r.count_only = false;
}

/* Z21: our host has waited for it, so it is active as soon as it answers. */
static void z21_answers_are_not_pushed_out(void **state)
{
	(void)state;
	server_is_heard();
	trust_native(&r, native, other_relay_at);
	assert_int_equal(standing_of(native), STANDING_ACTIVE);
	strangers();
	flows(native, other_relay_at);
	/* Another client the same. */
	holds(far_client);
	forget_log();
	assert_int_equal(standing_of(far_client), STANDING_WANTED);
	bubble(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	assert_int_equal(standing_of(far_client), STANDING_ACTIVE);
	strangers();
	flows(far_client, far_client_at);
	flows(native, other_relay_at);
}

/* Z21: it was just somebody who talked, until our host wanted it. */
static void z21_wanted_among_trusted(void **state)
{
	(void)state;
	server_is_heard();
	trust_client(&r, far_client, far_client_at);
	assert_int_equal(standing_of(far_client), STANDING_TRUSTED);
	pass(&r, SECONDS(40));
	holds(far_client);
	forget_log();
	assert_int_equal(standing_of(far_client), STANDING_ACTIVE);
	strangers();
	assert_int_equal(counted(&r, REASON_QUEUE_EVICTED), 0);
	bubble(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	sent_nothing(&r);
}

/* Z21: it stays active, though what it was wanted for has gone or ended. */
static void z21_once_active(void **state)
{
	(void)state;
	server_is_heard();
	trust_client(&r, far_client, far_client_at);
	pass(&r, SECONDS(40));
	holds(far_client);
	forget_log();
	r.count_only = true;
	pass(&r, SECONDS(11));
	r.count_only = false;
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
	assert_int_equal(standing_of(far_client), STANDING_ACTIVE);
	bubble(&q, far_client, client);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	assert_int_equal(standing_of(far_client), STANDING_ACTIVE);
	strangers();
	flows(far_client, far_client_at);
}

/* ---- without a network ---- */

static const struct tuple no_network = {0, 0};

static void complain_no_route(struct ip6 to)
{
	data(&p, client, to);
	complaint(&e, 1, 0, 0, &p);
	sent_ip6(&r, &e);
}

static void no_route(void)
{
	goes_to(&r, &p, far_client);
	ended(&r, REASON_NOT_QUALIFIED);
	complain_no_route(far_client);
	sent_nothing(&r);
}

/* C57: what cannot leave is not spent, and nobody waits in vain. */
static void c57_no_network(void **state)
{
	const struct recent *v = &r.node.client.recent;

	(void)state;
	server_is_heard();
	network(&r, no_network);
	for (int i = 0; i < 12; i++) {
		no_route();
		pass(&r, SECONDS(1));
		sent_nothing(&r);
	}
	assert_int_equal(recent_find(v, 0, &far_client), RECENT_NONE);
	assert_int_equal(bubbles_spent(v, far_client.b, 16, r.now), 0);
	network(&r, local_at);
	answers(&r, server_at, client_at);
	holds(far_client);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
	sent_nothing(&r);
}

/* C52, Z23: more waits than can be answered at once, or may be at all. */
static void c52_network_goes_from_many(void **state)
{
	(void)state;
	server_is_heard();
	r.count_only = true;
	for (uint16_t i = 0; i < 256; i++) {
		struct ip6 a = native;

		put16(a.b + 12, i / 8);
		data_of(&p, client, a, 1280, 0x55);
		from_ip6(&r, &p);
		ended(&r, REASON_HELD);
	}
	assert_int_equal(r.node.client.held.n, 256);
	network(&r, no_network);
	assert_int_equal(r.n_ip6, 0);
	pass(&r, 0);
	assert_int_equal(r.n_ip6, 100);
	assert_int_equal(r.node.client.held.n, 0);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 256);
}

/* C57: what was under way has ended; it begins anew with the next packet. */
static void c57_network_goes_during_efforts(void **state)
{
	const struct recent *v = &r.node.client.recent;

	(void)state;
	server_is_heard();
	holds(far_client);
	forget_log();
	holds(far_client);
	holds(native);
	forget_log();
	pass(&r, SECONDS(1));
	network(&r, no_network);
	sent_nothing(&r);
	pass(&r, 0); /* C52: its host is told */
	complain_no_route(far_client);
	complain_no_route(far_client);
	complain_no_route(native);
	assert_int_equal(r.node.client.held.n, 0);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 3);
	pass(&r, SECONDS(30));
	sent_nothing(&r);
	assert_int_equal(bubbles_spent(v, far_client.b, 16, r.now), 1);
	network(&r, local_at);
	answers(&r, server_at, client_at);
	pass(&r, SECONDS(5));
	sent_nothing(&r);
	holds(far_client);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
	holds(native);
	sent_test(&r, server_at, native, &t);
	sent_nothing(&r);
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
}

/* A bubble that is owed is not sent into nothing either. */
static void c57_network_goes_and_owes(void **state)
{
	(void)state;
	server_is_heard();
	for (uint32_t i = 1; i <= 2; i++) {
		bubble_with(&q, far_client, client, i);
		by_server(&r, &q, far_client_at);
		ended(&r, REASON_BUBBLE);
		forget_log();
	}
	network(&r, no_network);
	pass(&r, SECONDS(5));
	sent_nothing(&r);
	assert_int_equal(bubbles_spent(&r.node.client.recent, far_client.b, 16,
				       r.now),
			 1);
	/* Nor does anything wait for it afterwards. */
	network(&r, local_at);
	answers(&r, server_at, client_at);
	bubble(&q, far_client, client);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	flows(far_client, far_client_at);
}

/* Nor one for which there is no budget when it is due; nothing waits for it. */
static void c57_owes_and_is_poor(void **state)
{
	(void)state;
	server_is_heard();
	for (uint32_t i = 1; i <= 2; i++) {
		bubble_with(&q, far_client, client, i);
		by_server(&r, &q, far_client_at);
		ended(&r, REASON_BUBBLE);
		forget_log();
	}
	r.node.client.answers.full = r.now + SECONDS(60);
	pass(&r, SECONDS(3));
	sent_nothing(&r);
	bubble(&q, far_client, client);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	flows(far_client, far_client_at);
}

/* ---- silence ---- */

/* A packet each 100 ms; when solicitations and tests were sent. */
struct seen {
	unsigned n_rs, n_test;
	uint64_t rs[16], test[16];
};

static void talk(struct seen *s, uint64_t ns, bool answer_tests)
{
	uint64_t began = r.now;
	bool asked_now, tested;
	struct asked a;

	memset(s, 0, sizeof(*s));
	while (r.now < began + ns) {
		goes_to(&r, &p, native);
		if (counted(&r, REASON_HELD))
			return;
		assert_int_equal(next_sent(&r)->to.ip, other_relay_at.ip);
		asked_now = tested = false;
		while (r.first != r.n) {
			if (r.log[r.first].p.b[0] == 0) {
				a = asked(&r, server_at);
				asked_now = true;
			} else {
				sent_test(&r, server_at, native, &t);
				tested = true;
			}
		}
		if (asked_now) {
			s->rs[s->n_rs++] = r.now - began;
			advert(&q, &a, SERVER, client_at);
			comes(server_at);
			ended(&r, REASON_RA_TAKEN);
		}
		if (tested)
			s->test[s->n_test++] = r.now - began;
		if (tested && answer_tests) {
			reply(&q, &t);
			comes(other_relay_at);
			ended(&r, REASON_TEST_REPLY);
		}
		pass_answered(&r, SECONDS(0.1), client_at);
	}
}

/* Nothing comes back: the server is asked at 1 s, then ever less often. */
static void c62_suspicion(void **state)
{
	static const double rs[] = {1, 7, 15}, test[] = {1, 3, 7, 15};
	struct seen s;

	(void)state;
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(3));
	talk(&s, SECONDS(20), false);
	assert_int_equal(s.n_test, ARRAY_SIZE(test));
	for (unsigned i = 0; i < ARRAY_SIZE(test); i++)
		assert_int_equal(s.test[i], SECONDS(test[i]));
	assert_int_equal(s.n_rs, ARRAY_SIZE(rs));
	for (unsigned i = 0; i < ARRAY_SIZE(rs); i++)
		assert_int_equal(s.rs[i], SECONDS(rs[i]));
}

/* Others are heard: the server need not be asked, the relay may be dead. */
static void c62_no_suspicion(void **state)
{
	unsigned n_rs = 0, n_test = 0;

	(void)state;
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(3));
	for (int i = 0; i < 20 * 10; i++) {
		flows(native, other_relay_at);
		for (; r.first != r.n; r.first++) {
			n_test += r.log[r.first].p.b[0] == 0x60;
			n_rs += r.log[r.first].p.b[0] == 0;
		}
		bubble(&q, far_client, client);
		comes(far_client_at);
		dropped(&r, REASON_BUBBLE);
		r.now += SECONDS(0.1);
	}
	assert_int_equal(n_rs, 0);
	assert_int_equal(n_test, 4);
}

/* C62: who is on the link is heard without any NAT: he is no such other. */
static void c62_neighbours_prove_nothing(void **state)
{
	uint64_t began;
	unsigned n = 0;

	(void)state;
	bubble(&q, far_client, ip6("ff02::1"));
	set_hops(&q, 1);
	from_ip4(&r, DOOR_DISCOVERY, lan, &q);
	ended(&r, REASON_DISCOVERY);
	forget_log();
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(3));
	forget_log();
	began = r.now;
	while (n == 0 && r.now < began + SECONDS(20)) {
		data(&q, far_client, client);
		comes(lan);
		ended(&r, REASON_TO_IPV6);
		forget_log();
		flows_among(native, other_relay_at);
		for (; r.first != r.n; r.first++)
			n += r.log[r.first].kind == OUT_UDP &&
			     r.log[r.first].to.ip == server_at.ip &&
			     r.log[r.first].p.b[0] == 0;
		if (n == 0)
			pass(&r, SECONDS(0.1));
	}
	assert_int_equal(n, 1);
	assert_in_range(r.now - began, SECONDS(1), SECONDS(1.1));
}

/* A flow that has no answers: asked after 1, 2, 4 ... 24 s. */
static void test_patience(void **state)
{
	static const double gap[] = {1, 2.1, 4.1, 8.1, 16.1, 24.1, 24.1};
	uint64_t last = 0;
	struct seen s;

	(void)state;
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(3));
	talk(&s, SECONDS(85), true);
	assert_int_equal(s.n_test, ARRAY_SIZE(gap));
	for (unsigned i = 0; i < s.n_test; i++) {
		assert_int_equal(s.test[i] - last, SECONDS(gap[i]));
		last = s.test[i];
	}
}

/* Clients are not tested; but the mapping is looked at. */
static void c62_suspicion_of_clients(void **state)
{
	(void)state;
	trust_client(&r, far_client, far_client_at);
	pass(&r, SECONDS(3));
	for (int i = 0; i < 10; i++) {
		flows(far_client, far_client_at);
		sent_nothing(&r);
		r.now += SECONDS(0.1);
	}
	flows(far_client, far_client_at);
	answers(&r, server_at, client_at);
}

/* The second try of an effort is a sign as well: once for each. */
static void c62_suspicion_of_efforts(void **state)
{
	uint64_t began = r.now;
	unsigned n = 0;

	(void)state;
	holds(native);
	sent_test(&r, server_at, native, &t);
	pass(&r, SECONDS(2) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	while (r.first != r.n && n < 2) {
		if (r.log[r.first].p.b[0] == 0) {
			struct asked a = asked(&r, server_at);

			assert_int_equal(a.when - began, SECONDS(2));
			advert(&q, &a, SERVER, client_at);
		} else {
			sent_test(&r, server_at, native, &t);
		}
		n++;
	}
	assert_int_equal(n, 2);
	comes(server_at);
	ended(&r, REASON_RA_TAKEN);
	pass(&r, SECONDS(6) - 1);
	sent_test(&r, server_at, native, &t);
	sent_test(&r, server_at, native, &t);
	sent_nothing(&r);
	pass(&r, 1);
	unreachable();
	rig_end(&r);
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	holds(far_client);
	forget_log();
	pass(&r, SECONDS(2.3));
	for (n = 0; r.first != r.n; r.first++)
		n += r.log[r.first].p.b[0] == 0;
	assert_int_equal(n, 1);
	/* Not while somebody is heard. */
	rig_end(&r);
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	holds(far_client);
	forget_log();
	pass(&r, SECONDS(1.5));
	trust_client(&r, ta(OTHER, 0, 77, "11.0.0.77"), at("11.0.0.77", 77));
	pass(&r, SECONDS(0.8));
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_cookie(&r, other_server_at, far_client);
	sent_nothing(&r);
	/* The third try is no second one. */
	pass(&r, SECONDS(2.2));
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
	sent_nothing(&r);
}

/* Packets that come thick and fast bring patience back; others slowly. */
static void test_patience_is_lost(void **state)
{
	static const int dense[] = {7, 8};
	struct seen s;

	(void)state;
	for (unsigned k = 0; k < ARRAY_SIZE(dense); k++) {
		rig_end(&r);
		memset(&r, 0, sizeof(r));
		start_qualified(&r);
		unsuspecting(&r);
		trust_native(&r, native, other_relay_at);
		talk(&s, SECONDS(10), true);
		assert_int_equal(s.n_test, 3);
		pass(&r, SECONDS(0.6));
		for (int i = 0; i <= dense[k]; i++) {
			data(&q, native, client);
			comes(other_relay_at);
			forget_log();
			pass(&r, SECONDS(0.4));
		}
		talk(&s, SECONDS(3), false);
		assert_int_equal(s.n_test, k);
	}
	/* Slowly: from eight seconds to four. */
	rig_end(&r);
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	unsuspecting(&r);
	trust_native(&r, native, other_relay_at);
	talk(&s, SECONDS(10), true);
	for (int i = 0; i < 4; i++) {
		pass_answered(&r, SECONDS(9), client_at);
		data(&q, native, client);
		comes(other_relay_at);
		forget_log();
	}
	talk(&s, SECONDS(5), false);
	assert_int_equal(s.n_test, 1);
	assert_int_equal(s.test[0], SECONDS(4));
}

/* One packet alone is no silence. */
static void test_one_packet(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(3));
	for (int i = 0; i < 5; i++) {
		flows(native, other_relay_at);
		sent_nothing(&r);
		pass(&r, SECONDS(2));
		data(&q, native, client);
		comes(other_relay_at);
		ended(&r, REASON_TO_IPV6);
		next_sent(&r);
		sent_nothing(&r);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, qualified, done)
#define LINK(f) cmocka_unit_test_setup_teardown(f, neighbours, done)
	const struct CMUnitTest tests[] = {
		TEST(c50_not_tunnelled),
		TEST(c56_bubble_of_the_host),
		TEST(c81_mtu),
		TEST(z30_errors),
		TEST(c48_z1_z30_z42_refused),
		TEST(z40_own_server_tuple),
		TEST(c43_c52_silent_host),
		TEST(c43_late_answer),
		TEST(c41_expired_host),
		TEST(c41_c42_validity),
		LINK(c44_a46_neighbour),
		LINK(c44_ten_minutes),
		LINK(c44_c49_answers),
		TEST(c45_z20_cone_bit),
		TEST(c46_c53_c54_c55_pair),
		TEST(c47_c52_silent_client),
		TEST(c47_last_wait),
		TEST(c57_four_in_300_s),
		TEST(c57_answer),
		TEST(c58_counts_what_fails),
		TEST(c51_queue),
		TEST(c34_data_releases),
		TEST(z23_in_all),
		TEST(z23_strangers_delay_nothing),
		TEST(z23_relays_delay_nothing),
		TEST(z5_bubbles_in_all),
		TEST(z21_answers_are_not_pushed_out),
		TEST(z21_wanted_among_trusted),
		TEST(z21_once_active),
		TEST(c57_no_network),
		TEST(c57_network_goes_during_efforts),
		TEST(c52_network_goes_from_many),
		TEST(c57_network_goes_and_owes),
		TEST(c57_owes_and_is_poor),
		TEST(c62_suspicion),
		TEST(c62_no_suspicion),
		LINK(c62_neighbours_prove_nothing),
		TEST(test_patience),
		TEST(c62_suspicion_of_clients),
		TEST(c62_suspicion_of_efforts),
		TEST(test_patience_is_lost),
		TEST(test_one_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
