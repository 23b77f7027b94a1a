/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted beside the ends of packets. That all bubbles are, no more and
 * no less, the rig and the simulator look at with each packet.
 */
#include "ledger.h"
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p, q;

static const struct tuple moved_at = {0x0b000005, 4097};

static int fresh(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* ---- sentences ---- */

static uint64_t noted(enum ledger_line line)
{
	return r.node.ledger.n[line];
}

static uint64_t waits(void)
{
	uint64_t n = 0;

	for (int i = 0; i < LEDGER_WAITS; i++)
		n += r.node.ledger.waits[i];
	return n;
}

static void forget_log(void)
{
	r.first = r.n = 0;
}

/* Time passes, and nobody answers. */
static void silence(uint64_t ns)
{
	forget_log();
	r.count_only = true;
	pass(&r, ns);
	r.count_only = false;
}

static void goes_in(struct ip6 to)
{
	data(&p, native, to);
	from_ip6(&r, &p);
	forget_log();
}

static void answers_bubble(struct ip6 who, struct tuple where)
{
	bubble(&q, who, home);
	from_ip4(&r, DOOR_SERVICE, where, &q);
	forget_log();
}

/* ---- the list ---- */

static void names(void **state)
{
	(void)state;
	for (int i = 0; i < LEDGER_COUNT; i++) {
		const struct ledger_words *w =
			ledger_words((enum ledger_line)i);

		assert_in_range(strlen(w->name), 1, 24);
		assert_int_equal(strspn(w->name, "abcdefghijklmnopqrstuvwxyz-"),
				 strlen(w->name));
		assert_true(w->roles);
		if (i == 0)
			continue;
		/* A family is in one piece, and in the order of families. */
		assert_in_range(w->family, w[-1].family, w[-1].family + 1);
		for (int k = 1; k <= i; k++)
			assert_true(w[-k].family != w->family ||
				    strcmp(w[-k].name, w->name) != 0);
	}
	for (int f = 0; f < LEDGER_FAMILY_COUNT; f++)
		assert_non_null(ledger_family_name((enum ledger_family)f));
}

static void buckets(void **state)
{
	struct ledger l = {0};

	(void)state;
	ledger_wait(&l, 0);
	ledger_wait(&l, 25 * NS_PER_MS);
	ledger_wait(&l, 25 * NS_PER_MS + 1);
	ledger_wait(&l, 10000 * NS_PER_MS);
	ledger_wait(&l, 10001 * NS_PER_MS);
	assert_int_equal(l.waits[0], 2);
	assert_int_equal(l.waits[1], 1);
	assert_int_equal(l.waits[LEDGER_WAITS - 2], 1);
	assert_int_equal(l.waits[LEDGER_WAITS - 1], 1);
	assert_int_equal(l.waited_ns, 20051 * NS_PER_MS + 1);
	for (int i = 1; i < LEDGER_WAITS - 1; i++)
		assert_true(ledger_bound_ms[i] > ledger_bound_ms[i - 1]);
}

/* ---- server, relay ---- */

static void a_server_passes_bubbles_on(void **state)
{
	(void)state;
	start_server(&r);
	bubble(&p, native, client);
	from_ip4(&r, DOOR_PRIMARY, other_relay_at, &p);
	ended(&r, REASON_TO_IPV4);
	forget_log();
	assert_int_equal(noted(LEDGER_SENT_PASSED), 1);
	set_hops(&p, 0);
	from_ip4(&r, DOOR_SECONDARY, other_relay_at, &p);
	dropped(&r, REASON_SECONDARY);
	assert_int_equal(noted(LEDGER_SENT_PASSED), 1);
}

/* The wait is the first packet's; who is known does not wait. */
static void a_client_answers_a_relay(void **state)
{
	(void)state;
	start_relay(&r);
	goes_in(far_client);
	ended(&r, REASON_HELD);
	assert_int_equal(noted(LEDGER_SENT_INDIRECT), 1);
	pass(&r, SECONDS(0.03));
	goes_in(far_client);
	pass(&r, SECONDS(0.03));
	assert_int_equal(waits(), 0);
	answers_bubble(far_client, far_client_at);
	ended(&r, REASON_BUBBLE);
	assert_int_equal(noted(LEDGER_GOT_DIRECT), 1);
	assert_int_equal(waits(), 1);
	assert_int_equal(r.node.ledger.waits[2], 1); /* 50 to 100 ms */
	assert_int_equal(r.node.ledger.waited_ns, SECONDS(0.06));
	goes_in(far_client);
	ended(&r, REASON_TO_IPV4);
	pass(&r, SECONDS(2));
	answers_bubble(far_client, far_client_at);
	assert_int_equal(waits(), 1);
}

static void a_relay_gives_up(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.direct_bubbles = true;
	start(&r);
	goes_in(far_client);
	silence(SECONDS(10));
	assert_int_equal(noted(LEDGER_SENT_INDIRECT), 4);
	assert_int_equal(noted(LEDGER_SENT_DIRECT), 4);
	assert_int_equal(noted(LEDGER_GIVEN_UP_CLIENT), 1);
	assert_int_equal(waits(), 0);
}

/* Time that forgets somebody evicts nobody. */
static void a_relay_is_full(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 64; /* 56 of them proven, 8 others */
	start(&r);
	for (uint16_t i = 1; i <= 57; i++) {
		goes_in(ta(OTHER, 0, i, "11.0.0.6"));
		answers_bubble(ta(OTHER, 0, i, "11.0.0.6"), at("11.0.0.6", i));
	}
	assert_int_equal(noted(LEDGER_EVICTED_PROVEN), 1);
	silence(SECONDS(400));
	assert_int_equal(noted_family(&r, LEDGER_FAMILY_EVICTED), 1);
	for (uint16_t i = 1; i <= 8; i++)
		goes_in(ta(OTHER, 0, i, "11.0.0.7"));
	pass(&r, SECONDS(2));
	forget_log();
	assert_int_equal(noted(LEDGER_EVICTED_PROBING), 0);
	goes_in(ta(OTHER, 0, 9, "11.0.0.7"));
	assert_int_equal(noted(LEDGER_EVICTED_PROBING), 1);
	silence(SECONDS(12));
	assert_int_equal(noted(LEDGER_GIVEN_UP_CLIENT), 8);
	goes_in(ta(OTHER, 0, 10, "11.0.0.7"));
	assert_int_equal(noted(LEDGER_EVICTED_FAILED), 1);
}

static void a_relay_has_limits(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.repeats = (struct rate){1, 1};
	r.conf.relay.errors = (struct rate){1, 1};
	start(&r);
	for (uint16_t i = 1; i <= 3; i++)
		goes_in(ta(OTHER, 0, i, "11.0.0.6"));
	silence(SECONDS(2.5));
	assert_int_equal(noted(LEDGER_LIMITED_BUBBLE), 2);
	data(&p, native, native);
	from_ip6(&r, &p);
	forget_log();
	assert_int_equal(noted(LEDGER_LIMITED_ERROR), 0);
	from_ip6(&r, &p);
	dropped(&r, REASON_NOT_TEREDO);
	assert_int_equal(noted(LEDGER_LIMITED_ERROR), 1);
}

/* ---- client: peers ---- */

static void bubbles_of_a_client(void **state)
{
	struct ip6 other = ta(OTHER, 0, 7, "11.0.0.7");

	(void)state;
	start_qualified(&r);
	goes_to(&r, &p, far_client);
	forget_log();
	assert_int_equal(noted(LEDGER_SENT_DIRECT), 1);
	assert_int_equal(noted(LEDGER_SENT_INDIRECT), 1);
	pass(&r, SECONDS(0.3));
	trust_client(&r, other, at("11.0.0.7", 7));
	assert_int_equal(noted(LEDGER_GOT_DIRECT), 1);
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	forget_log();
	assert_int_equal(noted(LEDGER_GOT_INDIRECT), 1);
	bubble(&q, native, client);
	by_server(&r, &q, other_relay_at);
	forget_log();
	assert_int_equal(noted(LEDGER_GOT_RELAY), 1);
	assert_int_equal(noted(LEDGER_SENT_RELAY), 1);
	bubble(&q, far_client, client);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	ended(&r, REASON_BUBBLE);
	forget_log();
	assert_int_equal(waits(), 1);
	assert_int_equal(r.node.ledger.waits[4], 1); /* 250 to 500 ms */
	silence(SECONDS(1));
	assert_int_equal(noted(LEDGER_SENT_NEIGHBOUR), 0);
	assert_int_equal(noted(LEDGER_SENT_DISCOVERY), 0);
}

static void neighbours(void **state)
{
	struct ip6 neighbour = ta(SERVER, 0x1234, 4097, "11.0.0.5");
	const struct ip6 all_nodes = ip6("ff02::1");
	const struct tuple lan_at = {0xc0a80107, 50007};

	(void)state;
	prepare_client(&r);
	r.conf.client.local_discovery = true;
	start_client(&r);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	pass(&r, 0);
	forget_log();
	assert_int_equal(noted(LEDGER_SENT_DISCOVERY), 1);
	bubble(&p, neighbour, all_nodes);
	set_hops(&p, 1);
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	ended(&r, REASON_DISCOVERY);
	forget_log();
	assert_int_equal(noted(LEDGER_SENT_NEIGHBOUR), 1);
	bubble(&p, neighbour, client);
	from_ip4(&r, DOOR_SERVICE, lan_at, &p);
	ended(&r, REASON_BUBBLE);
	assert_int_equal(noted(LEDGER_GOT_NEIGHBOUR), 1);
}

static void a_client_gives_up(void **state)
{
	(void)state;
	start_qualified(&r);
	unsuspecting(&r);
	goes_to(&r, &p, native);
	forget_log();
	goes_to(&r, &p, far_client);
	silence(SECONDS(20));
	assert_int_equal(noted(LEDGER_GIVEN_UP_NATIVE), 1);
	assert_int_equal(noted(LEDGER_GIVEN_UP_CLIENT), 1);
	/* Without a network nobody was asked. */
	goes_to(&r, &p, ip6("2001:db8::99"));
	ended(&r, REASON_HELD);
	forget_log();
	network(&r, (struct tuple){0, 0});
	silence(SECONDS(1));
	assert_int_equal(noted(LEDGER_GIVEN_UP_NATIVE), 1);
}

static void a_client_is_full(void **state)
{
	(void)state;
	prepare_client(&r);
	r.conf.client.max_peers = RECENT_MIN; /* 4 of each standing */
	start_qualified(&r);
	for (uint16_t i = 1; i <= 6; i++)
		trust_client(&r, ta(OTHER, 0, i, "11.0.0.6"),
			     at("11.0.0.6", i));
	assert_int_equal(noted(LEDGER_EVICTED_TRUSTED), 2);
	for (uint16_t i = 1; i <= 5; i++) {
		goes_to(&r, &p, ta(OTHER, 0, i, "11.0.0.8"));
		forget_log();
	}
	assert_int_equal(noted(LEDGER_EVICTED_UNTRUSTED), 1);
	for (uint16_t i = 1; i <= 5; i++) {
		struct ip6 host = native;

		host.b[15] = (uint8_t)(0x80 + i);
		trust_native(&r, host, other_relay_at);
	}
	assert_int_equal(noted(LEDGER_EVICTED_ACTIVE), 1);
}

static void a_client_has_limits(void **state)
{
	(void)state;
	prepare_client(&r);
	r.conf.client.bubbles = r.conf.client.answers = r.conf.client.tests =
		r.conf.client.strangers = r.conf.client.errors =
			(struct rate){1, 1};
	start_qualified(&r);
	for (uint16_t i = 1; i <= 3; i++) {
		goes_to(&r, &p, ta(OTHER, 0, i, "11.0.0.6"));
		forget_log();
		bubble(&q, ta(OTHER, 0, i, "11.0.0.7"), client);
		by_server(&r, &q, at("11.0.0.7", i));
		forget_log();
	}
	assert_int_equal(noted(LEDGER_LIMITED_BUBBLE), 2);
	assert_int_equal(noted(LEDGER_LIMITED_ANSWER), 2);
	goes_to(&r, &p, native);
	forget_log();
	assert_int_equal(noted(LEDGER_LIMITED_TEST), 0);
	goes_to(&r, &p, ip6("2001:db8::99"));
	forget_log();
	assert_int_equal(noted(LEDGER_LIMITED_TEST), 1);
	for (int i = 0; i < 2; i++) {
		data_of(&p, client, native, 1400, 1);
		from_ip6(&r, &p);
		ended(&r, REASON_TOO_BIG);
		forget_log();
	}
	assert_int_equal(noted(LEDGER_LIMITED_ERROR), 1);
}

/* ---- client: its address ---- */

static void same_address(void **state)
{
	(void)state;
	start_qualified(&r);
	assert_int_equal(noted(LEDGER_QUALIFIED), 1);
	assert_int_equal(noted(LEDGER_ADDRESS_FIRST), 1);
	check_server(&r);
	answers(&r, server_at, client_at);
	assert_int_equal(noted(LEDGER_CONFIRMED), 1);
	assert_int_equal(noted_family(&r, LEDGER_FAMILY_ADDRESS), 1);
}

static void another_mapping(void **state)
{
	(void)state;
	start_qualified(&r);
	pass(&r, SECONDS(2));
	check_server(&r);
	answers(&r, server_at, moved_at);
	assert_int_equal(noted(LEDGER_MOVED), 1);
	assert_int_equal(noted(LEDGER_ADDRESS_MAPPING), 1);
	answers(&r, second_at, moved_at);
	assert_int_equal(noted(LEDGER_QUALIFIED), 2);
	assert_int_equal(noted_family(&r, LEDGER_FAMILY_ADDRESS), 2);
}

static void another_server(void **state)
{
	(void)state;
	prepare_client(&r);
	r.conf.client.n_servers = 2;
	start_client(&r);
	server(&r, 1, OTHER, "11.0.0.2");
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	pass(&r, SECONDS(2));
	check_server(&r);
	for (int i = 0; i < 20 && noted(LEDGER_ADDRESS_SERVER) == 0; i++) {
		pass(&r, node_next(&r.node) - r.now);
		while (r.first != r.n) {
			struct tuple to = r.log[r.first].to;

			if (to.ip == server_at.ip || to.ip == second_at.ip)
				r.first++;
			else
				answers_as(&r, to, OTHER, client_at);
		}
	}
	assert_int_equal(noted(LEDGER_SILENT), 1);
	assert_int_equal(noted(LEDGER_QUALIFIED), 2);
	assert_int_equal(noted(LEDGER_ADDRESS_SERVER), 1);
	assert_int_equal(noted_family(&r, LEDGER_FAMILY_ADDRESS), 2);
}

/* It is lost once, and the next one is a first one. */
static void no_address(void **state)
{
	(void)state;
	start_qualified(&r);
	silence(SECONDS(200));
	assert_int_equal(status(&r)->n, 0);
	assert_true(noted(LEDGER_SILENT) > 1);
	assert_int_equal(noted(LEDGER_SECOND_SILENT), 0);
	assert_int_equal(noted(LEDGER_ADDRESS_LOST), 1);
	network(&r, local_at);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	assert_int_equal(noted(LEDGER_ADDRESS_FIRST), 2);
	want(&r, false);
	want(&r, true);
	assert_int_equal(noted(LEDGER_ADDRESS_LOST), 2);
	answers(&r, server_at, client_at);
	silence(SECONDS(6));
	assert_int_equal(noted(LEDGER_SECOND_SILENT), 1);
	want(&r, false); /* there was none */
	assert_int_equal(noted(LEDGER_ADDRESS_LOST), 2);
}

static void no_symmetric_nat(void **state)
{
	(void)state;
	prepare_client(&r);
	r.conf.client.no_symmetric = true;
	start_qualified(&r);
	pass(&r, SECONDS(2));
	check_server(&r);
	answers(&r, server_at, moved_at);
	answers(&r, second_at, client_at);
	assert_int_equal(noted(LEDGER_SYMMETRIC), 1);
	assert_int_equal(noted(LEDGER_QUALIFIED), 1);
	assert_int_equal(noted(LEDGER_ADDRESS_LOST), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(buckets),
		TEST(a_server_passes_bubbles_on),
		TEST(a_client_answers_a_relay),
		TEST(a_relay_gives_up),
		TEST(a_relay_is_full),
		TEST(a_relay_has_limits),
		TEST(bubbles_of_a_client),
		TEST(neighbours),
		TEST(a_client_gives_up),
		TEST(a_client_is_full),
		TEST(a_client_has_limits),
		TEST(same_address),
		TEST(another_mapping),
		TEST(another_server),
		TEST(no_address),
		TEST(no_symmetric_nat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
