/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client that is quiet while nobody needs it: when, and who wakes it. */
#include "rig_client.h"
#include "rig_record.h"

#include <string.h>

enum {
	IDLE_S = 600
};

static const struct tuple moved_at = {0x0b000005, 4097};
static const struct tuple elsewhere = {0xc0a80205, 50000};
static const struct tuple none = {0, 0};
static const struct tuple lan_at = {0xc0a80107, 50007};

static struct rig r;
static struct packet p, q, t;

static int fresh(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	prepare_client(&r);
	r.conf.client.idle_s = IDLE_S;
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* ---- sentences ---- */

#define is_awake()   is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1)
#define is_dormant() is_state(&r, CLIENT_DORMANT, WHY_IDLE, 1)

static bool is_solicitation(const struct packet *s)
{
	return s->b[0] == 0 && s->b[1] == 1;
}

/* Of all that was sent, a solicitation. */
static void server_answers(void)
{
	struct asked a;
	bool is_asked = false;

	while (r.first != r.n) {
		is_asked = is_solicitation(&r.log[r.first].p);
		if (is_asked)
			break;
		r.first++;
	}
	if (!is_asked)
		return;
	a = asked(&r, server_at);
	r.first = r.n;
	advert(&q, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &q);
	ended(&r, REASON_RA_TAKEN);
}

/* The server answers as ever; to nothing else that is sent anybody does. */
static void time_passes(uint64_t s)
{
	for (uint64_t end = r.now + s * NS_PER_S; r.now < end;) {
		uint64_t next = node_next(&r.node);

		if (next > end)
			next = end;
		pass(&r, next > r.now ? next - r.now : 0);
		server_answers();
	}
}

static void falls_asleep(void)
{
	if (!r.node.client.local.ip)
		start_qualified(&r);
	time_passes(IDLE_S);
	is_dormant();
}

static void reconfigure(void)
{
	node_reconfigure(&r.node, &r.conf, &r.node.gate, r.now, &r.out);
	rig_flush(&r);
}

static void comes_from(struct ip6 from, struct tuple where)
{
	data(&q, from, client);
	from_ip4(&r, DOOR_SERVICE, where, &q);
	ended(&r, REASON_TO_IPV6);
	if (r.log[r.first].kind == OUT_UDP)
		r.first++; /* a bubble, so that it learns that we are here */
	sent_ip6(&r, &q);
}

/* What our host says to somebody who is open: p. */
static void goes(enum reason why)
{
	from_ip6(&r, &p);
	ended(&r, why);
	if (why == REASON_TO_IPV4)
		sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* Our host talks with it, as ever. */
static void host_sends(void)
{
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	sent_test(&r, server_at, native, &t);
	if (r.first != r.n)
		sent_udp(&r, DOOR_SERVICE, other_relay_at, &t);
	reply(&q, &t);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	sent_nothing(&r);
}

/* It answers our test: the host's packet leaves. */
static void test_is_answered(const struct packet *waits)
{
	sent_test(&r, server_at, native, &t);
	sent_nothing(&r);
	reply(&q, &t);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, waits);
	sent_nothing(&r);
}

/* ---- when ---- */

/* A53: after so long, and then there is nothing that it does, for ever. */
static void a53_falls_asleep(void **state)
{
	unsigned version;

	(void)state;
	start_qualified(&r);
	time_passes(IDLE_S - 1);
	is_awake();
	version = status(&r)->version;
	time_passes(1);
	is_dormant();
	assert_int_equal(status(&r)->version, version + 1);
	assert_true(same_ip6(status(&r)->address[0], client));
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	pass(&r, SECONDS(86400));
	is_dormant();
	sent_nothing(&r);
}

static void a53_not_by_default(void **state)
{
	(void)state;
	r.conf.client = client_defaults;
	assert_int_equal(r.conf.client.idle_s, 0);
	start_qualified(&r);
	time_passes(100000);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* A53: packets of our host keep it awake, of whatever kind. */
static void a53_host_keeps_it_awake(void **state)
{
	(void)state;
	start_qualified(&r);
	for (unsigned i = 0; i < 10; i++) {
		host_sends();
		time_passes(IDLE_S - 1);
		is_awake();
	}
	trust_client(&r, far_client, far_client_at);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	time_passes(IDLE_S - 1);
	is_awake();
	time_passes(1);
	is_dormant();
}

static void super_goes(void)
{
	struct gso g;

	tcp(&p, .from = &client, .to = &far_client, .payload = 3500,
	    .partial = true);
	gso_make(&g, &p, 1000);
	assert_true(node_super_from_ip6(&r.node, &g.s, r.now, &r.out));
	r.packets_in += super_count(&g.s);
	rig_flush(&r);
	gso_free(&g);
	r.first = r.n = 0;
}

/* A53: of super-packets, too; and who gets them is somebody whom it wants. */
static void a53_super_packets(void **state)
{
	(void)state;
	r.conf.client.idle_s = 10;
	start_qualified(&r);
	time_passes(9);
	trust_client(&r, far_client, far_client_at);
	super_goes();
	time_passes(9);
	is_awake();
	comes_from(far_client, far_client_at);
	time_passes(9);
	is_awake();
	time_passes(1);
	is_dormant();
	super_goes();
	assert_int_equal(status(&r)->waker, WAKER_HOST);
	pass(&r, SECONDS(1.5));
	server_answers();
	is_awake();
}

/* A53: so do packets of a peer that it has talked with. */
static void a53_peer_keeps_it_awake(void **state)
{
	(void)state;
	start_qualified(&r);
	host_sends();
	for (unsigned i = 0; i < 100; i++) {
		time_passes(IDLE_S / 50);
		is_awake();
		comes_from(native, other_relay_at);
	}
	time_passes(IDLE_S);
	is_dormant();
}

/* A53: neither bubbles nor data of strangers, nor what a host says by itself
 * to whoever asks. */
static void a53_strangers_do_not(void **state)
{
	static const uint8_t rst = 0x14; /* and ACK */

	(void)state;
	start_qualified(&r);
	for (unsigned i = 0; i < IDLE_S / 10; i++) {
		is_awake();
		trust_client(&r, far_client, far_client_at);
		comes_from(far_client, far_client_at);
		echo_reply(&p, client, far_client);
		goes(REASON_TO_IPV4);
		icmp6(&p, client, far_client, 1, 4, "00000000");
		goes(REASON_TO_IPV4);
		tcp(&p, .from = &client, .to = &far_client, .flags = rst);
		goes(REASON_TO_IPV4);
		comes_from(far_client, far_client_at);
		time_passes(10);
	}
	is_dormant();
}

/* A53: a service that answers is wanted, and the rest of a segment counts. */
static void a53_answers_of_a_service(void **state)
{
	(void)state;
	start_qualified(&r);
	time_passes(IDLE_S - 1);
	trust_client(&r, far_client, far_client_at);
	tcp(&p, .from = &client, .to = &far_client, .flags = 0x12);
	from_ip6(&r, &p);
	ended(&r, REASON_TO_IPV4);
	r.first = r.n = 0;
	time_passes(2);
	is_awake();
	comes_from(far_client, far_client_at);
	time_passes(IDLE_S - 1);
	is_awake();
	time_passes(1);
	is_dormant();
}

/* A53: not while packets wait, or the server is silent. */
static void a53_not_in_trouble(void **state)
{
	(void)state;
	r.conf.client.idle_s = 5;
	start_qualified(&r);
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	time_passes(7);
	is_awake();
	time_passes(2);
	is_dormant();
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
	rig_end(&r);
	fresh(state);
	start_qualified(&r);
	pass(&r, SECONDS(45));
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	r.first = r.n = 0;
}

/* ---- waking ---- */

/* A53: a packet waits until the server has said that all is as it was. */
static void a53_packet_for_a_host(void **state)
{
	(void)state;
	falls_asleep();
	pass(&r, SECONDS(5000));
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	is_awake();
	assert_int_equal(status(&r)->waker, WAKER_HOST);
	pass(&r, SECONDS(0.9));
	answers(&r, server_at, client_at);
	pass(&r, 0);
	test_is_answered(&p);
	time_passes(IDLE_S - 2);
	is_awake();
	time_passes(2);
	is_dormant();
}

static void a53_packet_for_a_client(void **state)
{
	struct packet other;
	struct asked a;

	(void)state;
	falls_asleep();
	goes_to(&r, &p, far_client);
	ended(&r, REASON_HELD);
	other = p;
	a = asked(&r, server_at);
	goes_to(&r, &p, native);
	dropped(&r, REASON_HELD);
	advert(&q, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &q);
	dropped(&r, REASON_RA_TAKEN);
	pass(&r, 0);
	/* In the order of standing and use: all of them go on. */
	sent_direct(&r, far_client_at, far_client, NULL);
	next_sent(&r);
	test_is_answered(&p);
	bubble(&q, far_client, client);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &other);
	sent_nothing(&r);
}

/* A53, C62: the NAT has forgotten us; it ends as after any new address. */
static void a53_mapping_has_gone(void **state)
{
	const uint64_t before = counted(&r, REASON_UNREACHABLE);
	struct packet e;

	(void)state;
	falls_asleep();
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	answers(&r, server_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_MOVED, 1);
	answers(&r, second_at, moved_at);
	is_awake();
	assert_true(same_ip6(status(&r)->address[0],
			     r.node.client.own[r.node.client.cur].ip6));
	assert_false(same_ip6(status(&r)->address[0], client));
	pass(&r, 0);
	complaint(&e, 1, 0, 0, &p);
	sent_ip6(&r, &e);
	sent_nothing(&r);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), before + 1);
	pass_answered(&r, SECONDS(IDLE_S), moved_at);
	is_dormant();
}

/* A53, C65: the server is silent: what needs no server goes on, once that is
 * known. */
static void a53_server_is_gone(void **state)
{
	uint64_t woken;

	(void)state;
	falls_asleep();
	woken = r.now;
	goes_to(&r, &p, far_client);
	ended(&r, REASON_HELD);
	for (unsigned i = 0; i < 3; i++) {
		while (r.first == r.n)
			pass(&r, node_next(&r.node) - r.now);
		asked(&r, server_at);
		sent_nothing(&r);
	}
	while (r.first == r.n)
		pass(&r, node_next(&r.node) - r.now);
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	assert_in_range(r.now - woken, SECONDS(3.8), SECONDS(4.8));
	for (bool bubbled = false; !bubbled;) {
		if (r.first == r.n)
			pass(&r, node_next(&r.node) - r.now);
		bubbled = r.log[r.first].to.ip == far_client_at.ip;
		r.first += !bubbled;
	}
	assert_in_range(r.now - woken, SECONDS(3.8), SECONDS(4.9));
	sent_direct(&r, far_client_at, far_client, NULL);
	r.first = r.n = 0;
	bubble(&q, far_client, client);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	pass(&r, SECONDS(100));
	assert_int_equal(status(&r)->n, 0);
	r.first = r.n = 0;
}

/* A53: who is open needs no server. */
static void a53_open_peer(void **state)
{
	(void)state;
	r.conf.client.idle_s = 10;
	start_qualified(&r);
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(10));
	is_dormant();
	goes_to(&r, &p, native);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	answers(&r, server_at, client_at);
	is_awake();
}

/* A53: the NAT has kept the mapping, and whom we talk with sends. */
static void a53_packet_of_a_peer(void **state)
{
	(void)state;
	start_qualified(&r);
	host_sends();
	falls_asleep();
	pass(&r, SECONDS(50));
	data(&q, native, client);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TO_IPV6);
	next_sent(&r); /* a bubble to the relay */
	sent_ip6(&r, &q);
	assert_int_equal(status(&r)->waker, WAKER_PEER);
	answers(&r, server_at, client_at);
	is_awake();
}

/* A53: others get what they always get, and nobody is woken. */
static void a53_packet_of_a_stranger(void **state)
{
	const struct ip6 stranger = ip6("2001:db8::9");

	(void)state;
	falls_asleep();
	comes_from(far_client, far_client_at);
	sent_nothing(&r);
	echo_reply(&p, client, far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	comes_from(far_client, far_client_at);
	is_dormant();
	/* By way of a relay: a test, and the held answer of our host. */
	data(&q, stranger, client);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TO_IPV6);
	sent_test(&r, server_at, stranger, &t);
	sent_ip6(&r, &q);
	echo_reply(&p, client, stranger);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_nothing(&r);
	reply(&q, &t);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	is_dormant();
	/* By way of the server: it is answered. */
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	is_dormant();
	r.first = r.n = 0;
	pass(&r, SECONDS(3600));
	sent_nothing(&r);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
}

/* A53: an answer to somebody who is gone is given up, and nobody is asked. */
static void a53_answer_in_vain(void **state)
{
	(void)state;
	falls_asleep();
	echo_reply(&p, client, native);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	for (unsigned i = 0; i < 4; i++) {
		sent_test(&r, server_at, native, &t);
		pass(&r, SECONDS(2));
	}
	next_sent(&r); /* no error about an echo reply would be right, too */
	sent_nothing(&r);
	is_dormant();
	assert_int_equal(node_next(&r.node), UINT64_MAX);
}

static void a53_by_order(void **state)
{
	(void)state;
	falls_asleep();
	check_server(&r);
	assert_int_equal(status(&r)->waker, WAKER_ORDER);
	answers(&r, server_at, client_at);
	is_awake();
	time_passes(IDLE_S - 1);
	is_awake();
	time_passes(1);
	is_dormant();
}

/* ---- other things that happen ---- */

/* A53: at run time, to and fro. */
static void a53_reconfigured(void **state)
{
	(void)state;
	falls_asleep();
	reconfigure();
	is_dormant();
	sent_nothing(&r);
	r.conf.client.idle_s = 0;
	reconfigure();
	answers(&r, server_at, client_at);
	is_awake();
	time_passes(10 * IDLE_S);
	is_awake();
	/* It is known how long nothing was sent. */
	r.conf.client.idle_s = IDLE_S;
	reconfigure();
	pass(&r, 0);
	is_dormant();
}

/* A53: what is new begins when it is awake. */
static void a53_reconfigured_all(void **state)
{
	struct secret own = {.algorithm = HMAC_SHA1};

	(void)state;
	falls_asleep();
	r.conf.client.learn_refresh = true;
	r.conf.client.local_discovery = true;
	r.conf.client.probe = native;
	r.conf.client.secret = &own;
	reconfigure();
	is_dormant();
	assert_false(status(&r)->wants_probe);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	sent_nothing(&r);
	r.node.client.qualify.conf.secret = NULL; /* the rig knows none */
	check_server(&r);
	answers(&r, server_at, client_at);
	is_awake();
	assert_true(status(&r)->wants_probe);
	r.first = r.n = 0;
}

/* A53: what the new network is like is seen when there is a packet. */
static void a53_another_network(void **state)
{
	struct asked a;

	(void)state;
	falls_asleep();
	network(&r, elsewhere);
	network(&r, elsewhere);
	is_dormant();
	pass(&r, SECONDS(1000));
	sent_nothing(&r);
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	a = asked_from(&r, server_at, elsewhere);
	advert(&q, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &q);
	ended(&r, REASON_RA_TAKEN);
	is_awake();
	pass(&r, 0);
	test_is_answered(&p);
}

/* A53, C65: and if no server is heard there, the address goes at once. */
static void a53_another_network_without_server(void **state)
{
	(void)state;
	falls_asleep();
	network(&r, elsewhere);
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	pass(&r, SECONDS(5));
	assert_int_equal(status(&r)->n, 0);
	assert_int_equal(status(&r)->why, WHY_SERVER);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
	r.first = r.n = 0;
}

/* A53: without any, that is what is said; and it begins as at the start. */
static void a53_no_network(void **state)
{
	(void)state;
	falls_asleep();
	network(&r, none);
	is_state(&r, CLIENT_SILENT, WHY_NO_IPV4, 1);
	pass(&r, SECONDS(60));
	is_state(&r, CLIENT_OFF, WHY_NO_IPV4, 0);
	sent_nothing(&r);
	network(&r, local_at);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_awake();
	time_passes(IDLE_S - 1);
	is_awake();
	time_passes(1);
	is_dormant();
	network(&r, none);
	network(&r, local_at);
	answers(&r, server_at, client_at);
	is_awake();
}

static void a53_unwanted(void **state)
{
	(void)state;
	falls_asleep();
	want(&r, false);
	is_state(&r, CLIENT_OFF, WHY_NATIVE, 0);
	want(&r, true);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_awake();
}

/* A53: another server in place of ours has to be asked. */
static void a53_another_server(void **state)
{
	const unsigned new[CLIENT_SERVERS] = {CLIENT_SERVERS};

	(void)state;
	start_qualified(&r);
	client_servers(&r.node.client, 1, new, r.now, &r.out);
	time_passes(2 * IDLE_S);
	is_awake(); /* it waits for the name of the other */
	rig_end(&r);
	fresh(state);
	falls_asleep();
	server(&r, 0, SERVER, SECOND);
	server(&r, 0, "0.0.0.0", "0.0.0.0");
	is_dormant();
	sent_nothing(&r);
	client_servers(&r.node.client, 1, new, r.now, &r.out);
	rig_flush(&r);
	is_dormant();
	sent_nothing(&r);
	server(&r, 0, OTHER, "11.0.0.2");
	assert_int_equal(status(&r)->waker, WAKER_ORDER);
	answers_as(&r, other_server_at, OTHER, client_at);
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
}

/* A53: the next process begins awake. */
static void a53_recovered(void **state)
{
	(void)state;
	falls_asleep();
	die_and_recover(&r);
	is_awake();
	network(&r, local_at);
	answers(&r, server_at, client_at);
	time_passes(IDLE_S - 1);
	is_awake();
	time_passes(1);
	is_dormant();
}

/* A53: on the link, too. */
static void a53_discovery(void **state)
{
	const struct ip6 all_nodes = ip6("ff02::1");
	const struct ip6 peer = ta(SERVER, 0x1234, 4097, "11.0.0.5");

	(void)state;
	r.conf.client.local_discovery = true;
	falls_asleep();
	bubble(&q, peer, all_nodes);
	set_hops(&q, 1);
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &q);
	dropped(&r, REASON_DISCOVERY);
	pass(&r, SECONDS(500));
	sent_nothing(&r);
	is_dormant();
	goes_to(&r, &p, peer);
	ended(&r, REASON_HELD);
	answers(&r, server_at, client_at);
	pass(&r, 0);
	/* It says at once that it is there; the neighbour was noted. */
	assert_int_equal(next_sent(&r)->kind, OUT_GROUP);
	sent_direct(&r, lan_at, peer, NULL);
	r.first = r.n = 0;
}

/* A53: no search for an interval, no look for a relay. */
static void a53_search_and_probe(void **state)
{
	(void)state;
	r.conf.client.learn_refresh = true;
	r.conf.client.probe = native;
	r.conf.client.idle_s = 2;
	start_client(&r);
	answers(&r, server_at, client_at);
	assert_int_equal(next_sent(&r)->to.ip, second_at.ip);
	r.first--;
	answers(&r, second_at, client_at);
	assert_true(status(&r)->wants_probe);
	r.first = r.n = 0;
	pass(&r, SECONDS(2));
	r.first = r.n = 0;
	is_dormant();
	assert_false(status(&r)->wants_probe);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	check_server(&r);
	answers(&r, server_at, client_at);
	assert_true(status(&r)->wants_probe);
	r.first = r.n = 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(a53_falls_asleep),
		TEST(a53_not_by_default),
		TEST(a53_host_keeps_it_awake),
		TEST(a53_super_packets),
		TEST(a53_peer_keeps_it_awake),
		TEST(a53_strangers_do_not),
		TEST(a53_answers_of_a_service),
		TEST(a53_not_in_trouble),
		TEST(a53_packet_for_a_host),
		TEST(a53_packet_for_a_client),
		TEST(a53_mapping_has_gone),
		TEST(a53_server_is_gone),
		TEST(a53_open_peer),
		TEST(a53_packet_of_a_peer),
		TEST(a53_packet_of_a_stranger),
		TEST(a53_answer_in_vain),
		TEST(a53_by_order),
		TEST(a53_reconfigured),
		TEST(a53_reconfigured_all),
		TEST(a53_another_network),
		TEST(a53_another_network_without_server),
		TEST(a53_no_network),
		TEST(a53_unwanted),
		TEST(a53_another_server),
		TEST(a53_recovered),
		TEST(a53_discovery),
		TEST(a53_search_and_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
