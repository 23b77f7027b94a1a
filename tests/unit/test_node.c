/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Roles of one process: server, relay, both (4380 §5.4.3). */
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p, q, expected;

static const struct tuple via_other = {0x0b000001, 3544};

static int both(void **state)
{
	(void)state;
	start_both(&r);
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void goes_in(struct ip6 to)
{
	data(&p, native, to);
	from_ip6(&r, &p);
}

static void comes_back(struct tuple from)
{
	from_ip4(&r, DOOR_PRIMARY, from, &q);
}

/*
 * S41: to a client of our own server the bubble goes straight, with the origin
 * indication that the server would have put in front.
 */
static void expect_own_bubble(void)
{
	const struct sent *s = next_sent(&r);

	bubble(&expected, home, client);
	memcpy(expected.b + 16, s->p.b + 24, 8); /* the cookie */
	add_tail(&expected, "0104");
	memcpy(expected.b + 42, s->p.b + 50, 4);
	expected.n += 4;
	add_origin(&expected, at(SERVER, 3544));
	r.first--;
	sent_udp(&r, DOOR_PRIMARY, client_at, &expected);
}

static void trust_own_client(void)
{
	goes_in(client);
	ended(&r, REASON_HELD);
	expect_own_bubble();
	bubble(&q, client, home);
	comes_back(client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_PRIMARY, client_at, &p);
}

/* S41: both roles on one port. */
static void s41_own_client(void **state)
{
	(void)state;
	trust_own_client();
	data(&q, client, native);
	comes_back(client_at);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
	goes_in(client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_PRIMARY, client_at, &p);
}

/* S41: the answers of 1.2.6 have hop limit 0; the relay takes them. */
static void s41_worn_out_answer(void **state)
{
	(void)state;
	goes_in(client);
	ended(&r, REASON_HELD);
	expect_own_bubble();
	bubble(&q, client, home);
	set_hops(&q, 0);
	comes_back(client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_PRIMARY, client_at, &p);
}

/* Z8, Z32: a server's addresses are its own, whatever the list says. */
static void z32_own_without_list(void **state)
{
	static const char *const own[] = {SERVER, SECOND};

	(void)state;
	r.node.self.n_ip4 = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
		bubble(&q, native, ta(SERVER, 0, 3544, own[i]));
		from_ip4(&r, DOOR_PRIMARY, at("11.0.0.9", 5000), &q);
		dropped(&r, REASON_DST_OWN);
		bubble(&q, native, client);
		from_ip4(&r, DOOR_PRIMARY, at(own[i], 3544), &q);
		dropped(&r, REASON_SRC_OWN);
	}
}

/* S41: the same packet, and a pure server. */
static void s41_pure_server(void **state)
{
	(void)state;
	start_server(&r);
	data(&q, client, native);
	comes_back(client_at);
	dropped(&r, REASON_NOT_RELAYED);
	bubble(&q, client, home);
	comes_back(client_at);
	dropped(&r, REASON_NOT_RELAYED);
	rig_end(&r);
}

/* S41: clients of other servers are reached by way of these. */
static void s41_client_of_another_server(void **state)
{
	uint32_t nonce;

	(void)state;
	goes_in(far_client);
	ended(&r, REASON_HELD);
	nonce = sent_bubble(&r, via_other, far_client);
	/* Behind a symmetric NAT the server rule says mismatch; R32 decides. */
	bubble(&q, far_client, home);
	comes_back(at("11.0.0.6", 9999));
	dropped(&r, REASON_MISMATCH);
	add_tail(&q, "010400000000");
	put32(q.b + 42, nonce);
	comes_back(at("11.0.0.6", 9999));
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_PRIMARY, at("11.0.0.6", 9999), &p);
	data(&q, far_client, native);
	comes_back(at("11.0.0.6", 9999));
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
}

/* S41: the server still does all that it does. */
static void s41_server_first(void **state)
{
	(void)state;
	rs(&p, .cone = true);
	from_ip4(&r, DOOR_PRIMARY, client_at, &p);
	ended(&r, REASON_RA);
	assert_int_equal(next_sent(&r)->door, DOOR_SECONDARY);
	bubble(&q, native, client);
	comes_back(other_relay_at);
	ended(&r, REASON_TO_IPV4);
	expected = q;
	set_hops(&expected, 63);
	add_origin(&expected, other_relay_at);
	sent_udp(&r, DOOR_PRIMARY, client_at, &expected);
	echo_request(&q, client, native);
	comes_back(client_at);
	ended(&r, REASON_TO_IPV6);
	expected = q;
	set_hops(&expected, 63);
	sent_ip6(&r, &expected);
}

/* S41, R18: an echo that the server passes on shows where a client is. */
static void s41_echo_proves(void **state)
{
	(void)state;
	goes_in(client);
	ended(&r, REASON_HELD);
	expect_own_bubble();
	echo_reply(&q, client, native);
	comes_back(client_at);
	ended(&r, REASON_TO_IPV6);
	expected = q;
	set_hops(&expected, 63);
	sent_ip6(&r, &expected);
	sent_udp(&r, DOOR_PRIMARY, client_at, &p);
	goes_in(client);
	ended(&r, REASON_TO_IPV4);
	next_sent(&r);
	/* A stranger's echo makes no entry (R17). */
	echo_request(&q, far_client, native);
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	next_sent(&r);
	assert_int_equal(peers_find(&r.node.relay.peers, &far_client),
			 PEER_NONE);
}

/* S39 holds in combination: the second address relays nothing. */
static void s39_s41_secondary(void **state)
{
	(void)state;
	trust_own_client();
	data(&q, client, native);
	from_ip4(&r, DOOR_SECONDARY, client_at, &q);
	dropped(&r, REASON_NOT_RELAYED);
	bubble(&q, client, native);
	from_ip4(&r, DOOR_SECONDARY, client_at, &q);
	dropped(&r, REASON_SECONDARY);
}

/* Z25, Z17, R16 in combination: what the server leaves, the relay judges. */
static void z25_z17_combined(void **state)
{
	(void)state;
	trust_own_client();
	ip6_with(&q, client, native, 43, "11000001 00000000");
	comes_back(client_at);
	dropped(&r, REASON_ROUTING);
	data(&q, client, native);
	add_origin(&q, client_at);
	comes_back(client_at);
	dropped(&r, REASON_FORGED_BLOCK);
	data(&q, native, client);
	comes_back(other_relay_at);
	dropped(&r, REASON_NOT_TEREDO);
	data(&q, far_client, native);
	comes_back(far_client_at);
	dropped(&r, REASON_UNKNOWN_PEER);
	data(&q, client, far_client);
	comes_back(client_at);
	dropped(&r, REASON_LOOP);
}

/* Z8, Z32, Z35, Z40: with both roles, too, nothing leads to ourselves. */
static void z32_z35_z40_combined(void **state)
{
	static const char *const own[] = {SERVER, SECOND};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
		goes_in(ta(SERVER, 0, 3544, own[i]));
		dropped(&r, REASON_DST_OWN);
		goes_in(ta(OTHER, 0, 3544, own[i]));
		dropped(&r, REASON_DST_OWN);
		bubble(&q, native, ta(SERVER, 0, 3544, own[i]));
		comes_back(other_relay_at);
		dropped(&r, REASON_DST_OWN);
		data(&q, ta(SERVER, 0, 3544, own[i]), native);
		comes_back(at(own[i], 3544));
		dropped(&r, REASON_SRC_OWN);
	}
	/* The second address is nobody's server. */
	goes_in(ta(SECOND, 0, 4096, "11.0.0.5"));
	dropped(&r, REASON_DST_OWN);
}

/* R7, R9, S41: bubbles to own clients repeat as any others do. */
static void r9_s41_repeats(void **state)
{
	(void)state;
	goes_in(client);
	pass(&r, SECONDS(8));
	for (int i = 0; i < 4; i++)
		expect_own_bubble();
	sent_nothing(&r);
	pass(&r, SECONDS(2));
	assert_int_equal(next_sent(&r)->kind, OUT_IP6);
}

/* R14, S41: no second, direct bubble to an own client: that one is direct. */
static void r14_s41_one_bubble(void **state)
{
	(void)state;
	prepare_both(&r);
	r.conf.relay.direct_bubbles = true;
	start(&r);
	goes_in(client);
	expect_own_bubble();
	sent_nothing(&r);
	rig_end(&r);
}

/* R28, S43: a relay answers no solicitation; a server has no deadlines. */
static void r28_pure_roles(void **state)
{
	(void)state;
	start_relay(&r);
	rs(&p);
	from_ip4(&r, DOOR_SERVICE, client_at, &p);
	dropped(&r, REASON_NOT_TEREDO);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	goes_in(far_client);
	next_sent(&r);
	assert_in_range(node_next(&r.node) - r.now, SECONDS(2), SECONDS(2.3));
	rig_end(&r);
	start_server(&r);
	assert_int_equal(node_memory(&r.conf), 0);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	rig_end(&r);
}

/*
 * An outbox that is full is left alone: what is due is done when there is room,
 * nothing is lost.
 */
static void test_timeout_in_portions(void **state)
{
	unsigned sent = 0, calls = 0;

	(void)state;
	prepare_both(&r);
	r.conf.relay.errors.per_second = 0;
	r.conf.relay.max_held = 2048;
	start(&r);
	r.count_only = true;
	for (uint32_t i = 0; i < 300; i++) {
		for (int k = 0; k < 8; k++)
			goes_in(ta_of(OTHER,
				      (struct tuple){0x0c000000 + i, 1}));
	}
	pass(&r, SECONDS(6.8));
	r.now += SECONDS(60); /* asleep for a minute */
	while (node_next(&r.node) <= r.now) {
		node_timeout(&r.node, r.now, &r.out);
		assert_in_range(r.out.n, 0, OUT_MAX);
		assert_in_range(r.out.used, 0, OUT_BYTES);
		sent += r.out.n;
		outbox_clear(&r.out);
		calls++;
		if (calls > 1000)
			fail_msg("it never ends");
	}
	assert_int_equal(r.node.relay.held.n, 0);
	assert_in_range(sent, 1024, 1024 + 300);
	assert_in_range(calls, 3, 20);
	rig_end(&r);
}

/* Two runs with one seed are the same, packet by packet. */
static void test_same_seed_same_run(void **state)
{
	uint32_t nonce[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		start_relay(&r);
		goes_in(far_client);
		nonce[i] = sent_bubble(&r, via_other, far_client);
		rig_end(&r);
	}
	assert_int_equal(nonce[0], nonce[1]);
}

/* ---- client, and role auto (4380 §5.5, C6) ---- */

static void start_auto(void)
{
	prepare_client(&r);
	r.conf.is_relay = true;
	r.conf.relay = relay_defaults;
	r.conf.relay.max_peers = 1024;
	r.conf.relay.max_held = 256;
	r.node.self.has_source = true;
	r.node.self.source = home;
	start_qualified(&r);
}

static void native_is(bool there)
{
	node_native(&r.node, there, r.now, &r.out);
	rig_flush(&r);
}

/* C6: a client without native IPv6, a relay with it; never both. */
static void c6_auto(void **state)
{
	(void)state;
	start_auto();
	data(&p, native, far_client);
	from_ip6(&r, &p);
	dropped(&r, REASON_BAD_SOURCE);
	trust_native(&r, native, other_relay_at);
	native_is(true);
	is_state(&r, CLIENT_OFF, WHY_NATIVE, 0);
	assert_true(r.node.is_native);
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	bubble(&q, far_client, home);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	/* The client is gone: what is for it is nobody's. */
	data(&q, native, client);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	dropped(&r, REASON_NOT_TEREDO);
	pass(&r, SECONDS(200));
	sent_nothing(&r);
	native_is(false);
	assert_false(r.node.is_native);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	data(&p, native, far_client);
	from_ip6(&r, &p);
	dropped(&r, REASON_BAD_SOURCE);
	data(&q, far_client, native);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	dropped(&r, REASON_NOT_OURS);
	rig_end(&r);
}

/* C77, C69: who joined the group or learned intervals is deaf there now. */
static void c6_doors_of_the_client(void **state)
{
	static const enum door doors[] = {DOOR_DISCOVERY, DOOR_PROBE};

	(void)state;
	start_auto();
	native_is(true);
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	bubble(&q, far_client, home);
	for (unsigned i = 0; i < ARRAY_SIZE(doors); i++) {
		from_ip4(&r, doors[i], far_client_at, &q);
		dropped(&r, REASON_NOT_OURS);
	}
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	data(&q, far_client, native);
	for (unsigned i = 0; i < ARRAY_SIZE(doors); i++) {
		from_ip4(&r, doors[i], far_client_at, &q);
		dropped(&r, REASON_NOT_OURS);
	}
	rig_end(&r);
}

/* Z8: a mapping that was ours is not ours any more. */
static void c6_z8_mapping_is_forgotten(void **state)
{
	(void)state;
	start_auto();
	native_is(true);
	assert_int_equal(r.node.gate.mapped.port, 0);
	goes_in(ta_of(OTHER, client_at));
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, ta_of(OTHER, client_at));
	rig_end(&r);
}

/* Native IPv6 means nothing to who is not to be both. */
static void c6_not_auto(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	native_is(true);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	rig_end(&r);
	start_relay(&r);
	native_is(true);
	assert_false(r.node.is_native);
	native_is(false);
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	rig_end(&r);
}

/* Whoever is due first. */
static void test_auto_deadlines(void **state)
{
	uint64_t due;

	(void)state;
	start_auto();
	due = node_next(&r.node);
	assert_in_range(due - r.now, SECONDS(22.5), SECONDS(30));
	assert_int_equal(due, client_next(&r.node.client));
	native_is(true);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	goes_in(far_client);
	next_sent(&r);
	assert_in_range(node_next(&r.node) - r.now, SECONDS(2), SECONDS(2.3));
	assert_int_equal(node_next(&r.node), relay_next(&r.node.relay));
	rig_end(&r);
}

/* The memory of both, each of its own. */
static void test_auto_memory(void **state)
{
	size_t both_, client_, relay_;

	(void)state;
	start_auto();
	both_ = node_memory(&r.conf);
	client_ = client_memory(&r.conf.client);
	relay_ = relay_memory(&r.conf.relay);
	assert_in_range(both_, client_ + relay_, client_ + relay_ + 63);
	assert_true((uint8_t *)r.node.relay.peers.v >=
		    (uint8_t *)r.mem + client_);
	assert_int_equal((uintptr_t)r.node.relay.peers.v % 64, 0);
	rig_end(&r);
	prepare_client(&r);
	assert_in_range(node_memory(&r.conf), client_, client_ + 63);
	start(&r);
	rig_end(&r);
}

int main(void)
{
#define BOTH(f) cmocka_unit_test_setup_teardown(f, both, done)
	const struct CMUnitTest tests[] = {
		BOTH(s41_own_client),
		BOTH(s41_worn_out_answer),
		BOTH(z32_own_without_list),
		cmocka_unit_test(s41_pure_server),
		BOTH(s41_client_of_another_server),
		BOTH(s41_server_first),
		BOTH(s41_echo_proves),
		BOTH(s39_s41_secondary),
		BOTH(z25_z17_combined),
		BOTH(z32_z35_z40_combined),
		BOTH(r9_s41_repeats),
		cmocka_unit_test(r14_s41_one_bubble),
		cmocka_unit_test(r28_pure_roles),
		cmocka_unit_test(test_timeout_in_portions),
		cmocka_unit_test(test_same_seed_same_run),
		cmocka_unit_test(c6_auto),
		cmocka_unit_test(c6_doors_of_the_client),
		cmocka_unit_test(c6_z8_mapping_is_forgotten),
		cmocka_unit_test(c6_not_auto),
		cmocka_unit_test(test_auto_deadlines),
		cmocka_unit_test(test_auto_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
