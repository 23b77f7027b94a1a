/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client looks whether a relay leads to a native host. */
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p, t;

static const struct probe *probe(void)
{
	return &r.node.client.probe;
}

static int qualified(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	prepare_client(&r);
	r.conf.client.probe = native;
	start_qualified(&r);
	unsuspecting(&r);
	/* The server is heard, and will not be asked for long. */
	r.node.client.heard = r.now + SECONDS(100000);
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void answered(void **state)
{
	(void)state;
	assert_string_equal(probe_state_name(probe()->state), "asking");
	pass(&r, 0);
	sent_test(&r, server_at, native, &t);
	pass(&r, SECONDS(1));
	reply(&p, &t);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &p);
	ended(&r, REASON_TEST_REPLY);
	assert_int_equal(probe()->state, PROBE_OK);
	assert_true(tuple_equal(probe()->relay, other_relay_at));
	assert_int_equal(probe()->rtt, SECONDS(1));
	/* Every five minutes. */
	pass(&r, SECONDS(300) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	sent_test(&r, server_at, native, &t);
	assert_int_equal(probe()->state, PROBE_OK);
}

static void unanswered(void **state)
{
	(void)state;
	pass(&r, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(probe()->state, PROBE_ASKING);
		sent_test(&r, server_at, native, &t);
		pass(&r, SECONDS(3));
	}
	assert_int_equal(probe()->state, PROBE_FAILED);
	pass(&r, SECONDS(60) - 1);
	sent_nothing(&r);
	assert_int_equal(probe()->state, PROBE_FAILED);
	pass(&r, 1);
	sent_test(&r, server_at, native, &t);
	reply(&p, &t);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &p);
	assert_int_equal(probe()->state, PROBE_OK);
}

/* Our host's own packets are tests, too. */
static void shared(void **state)
{
	(void)state;
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	sent_test(&r, server_at, native, &t);
	pass(&r, SECONDS(1));
	sent_nothing(&r);
	reply(&p, &t);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &p);
	assert_int_equal(probe()->state, PROBE_OK);
	r.first = r.n; /* the packet that was held */
}

static void without_network(void **state)
{
	(void)state;
	network(&r, (struct tuple){0, 0});
	pass(&r, SECONDS(10));
	sent_nothing(&r);
}

static void answers_of_others(void **state)
{
	(void)state;
	pass(&r, 0);
	sent_test(&r, server_at, native, &t);
	trust_native(&r, ip6("2001:db8::2"), other_relay_at);
	assert_int_equal(probe()->state, PROBE_ASKING);
}

static void not_asked_for(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	pass(&r, 0);
	sent_nothing(&r);
	assert_int_equal(probe()->state, PROBE_UNTRIED);
	assert_int_equal(probe_next(&r.node.client), UINT64_MAX);
}

/* What is told of the server: time, silence, answers that are none. */
static void of_the_server(void **state)
{
	const struct qualify *q = &r.node.client.qualify;
	struct asked a;

	(void)state;
	memset(&r, 0, sizeof(r));
	start_client(&r);
	a = asked(&r, server_at);
	assert_int_equal(q->asked, 1);
	assert_int_equal(q->silent, 1);
	memcpy(a.nonce, "0000000000000000", 16);
	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	ended(&r, REASON_RA_NONCE);
	assert_int_equal(q->refused, REASON_RA_NONCE);
	pass(&r, SECONDS(1.5));
	while (r.first < r.n)
		a = asked(&r, server_at);
	pass(&r, SECONDS(0.1));
	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	ended(&r, REASON_RA_TAKEN);
	assert_in_range(q->rtt, SECONDS(0.1), SECONDS(1.6));
	assert_int_equal(q->refused, REASON_NONE);
	assert_int_equal(q->silent, 1); /* the second address */
	r.first = r.n;
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, qualified, done)
#define EMPTY(name) cmocka_unit_test_setup_teardown(name, NULL, done)
	const struct CMUnitTest tests[] = {
		TEST(answered),
		TEST(unanswered),
		TEST(shared),
		TEST(without_network),
		TEST(answers_of_others),
		EMPTY(not_asked_for),
		EMPTY(of_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
