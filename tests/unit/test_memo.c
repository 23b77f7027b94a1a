/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node's process dies, and another goes on with its memory: node_recover().
 * Tables by themselves are in test_recover.c. */
#include "memo.h"
#include "contact.h"
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p, q;
static const struct tuple moved_at = {0x0b000005, 4097};

static int relay(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_relay(&r);
	return 0;
}

static int qualified(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	return 0;
}

static int prepared(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	prepare_client(&r);
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* ---- relay ---- */

static void goes_in(struct ip6 to)
{
	data(&p, native, to);
	from_ip6(&r, &p);
}

static void trust(struct ip6 who, struct tuple where)
{
	goes_in(who);
	ended(&r, REASON_HELD);
	next_sent(&r);
	bubble(&q, who, home);
	from_ip4(&r, DOOR_SERVICE, where, &q);
	ended(&r, REASON_BUBBLE);
	next_sent(&r);
	sent_nothing(&r);
}

static void flows_to(struct ip6 who, struct tuple where)
{
	goes_in(who);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, where, &p);
}

static void r5_relay_knows_its_peers(void **state)
{
	(void)state;
	trust(client, client_at);
	pass(&r, SECONDS(10));
	die_and_recover(&r);
	flows_to(client, client_at);
	data(&q, client, native);
	from_ip4(&r, DOOR_SERVICE, client_at, &q);
	ended(&r, REASON_TO_IPV6);
	next_sent(&r);
	/* It is silent for 30 s as it would have been. */
	pass(&r, SECONDS(30));
	goes_in(client);
	ended(&r, REASON_HELD);
	next_sent(&r);
}

static void r12_what_was_held_is_gone(void **state)
{
	(void)state;
	goes_in(client);
	ended(&r, REASON_HELD);
	next_sent(&r);
	pass(&r, SECONDS(1.9));
	die_and_recover(&r);
	assert_int_equal(r.node.relay.held.n, 0);
	/* It was just asked, and is not asked again now (R21). */
	goes_in(client);
	ended(&r, REASON_HELD);
	sent_nothing(&r);
	bubble(&q, client, home);
	from_ip4(&r, DOOR_SERVICE, client_at, &q);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, client_at, &p);
}

/* R9: the procedure goes on at its pace, and ends. */
static void r21_relay_goes_on_asking(void **state)
{
	uint64_t last;
	unsigned n = 1;

	(void)state;
	goes_in(client);
	last = next_sent(&r)->when;
	pass(&r, SECONDS(1));
	die_and_recover(&r);
	for (int i = 0; i < 40; i++) {
		pass(&r, SECONDS(0.25));
		if (r.first == r.n)
			continue;
		assert_true(r.log[r.first].when >= last + SECONDS(2));
		last = next_sent(&r)->when;
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(r.node.relay.peers.n[ROLL_FAILED], 1);
}

/* Whoever says that it was proven: Z8, R16. */
static void z8_relay_believes_nothing(void **state)
{
	static const struct {
		const char *ip;
		uint16_t port;
	} bad[] = {
		{"192.168.1.1", 4096},
		{"127.0.0.1", 4096},
		{"11.0.0.6", 4096},
		{"11.0.0.5", 0},
	};

	(void)state;
	trust(client, client_at);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct peer *e = peers_at(&r.node.relay.peers, 0);

		e->ip = ip4(bad[i].ip);
		e->port = bad[i].port;
		e->roll = ROLL_PROVEN;
		e->heard = r.now;
		die_and_recover(&r);
		assert_int_equal(r.node.relay.peers.n[ROLL_PROVEN], 0);
	}
}

/* An address of this host is no peer, even if it became ours just now. */
static void z2_relay_own_address(void **state)
{
	(void)state;
	trust(client, client_at);
	own_ip4(&r, "11.0.0.5", 24);
	die_and_recover(&r);
	assert_int_equal(r.node.relay.peers.n[ROLL_PROVEN], 0);
}

/* ---- client ---- */

/* It has its address before anything is sent, and asks its server. */
static void resumes(void)
{
	die_and_recover(&r);
	assert_int_equal(status(&r)->n, 1);
	assert_true(same_ip6(status(&r)->address[0], client));
	network(&r, local_at);
	assert_true(same_ip6(status(&r)->address[0], client));
}

static void i10_client_has_its_address(void **state)
{
	(void)state;
	pass(&r, SECONDS(5));
	client_publish(&r.node.client);
	die_and_recover(&r);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_true(tuple_equal(status(&r)->mapped, client_at));
	assert_int_equal(status(&r)->server_ip, server_at.ip);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_RESTRICTED);
	network(&r, local_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	answers(&r, server_at, client_at);
	sent_nothing(&r);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	server(&r, 0, SERVER, SECOND); /* its name is looked up again */
	sent_nothing(&r);
}

/* Peers are as they were, and packets for them leave at once. */
static void c41_client_knows_its_peers(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(2));
	resumes();
	answers(&r, server_at, client_at);
	goes_to(&r, &p, native);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	data(&q, native, client);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TO_IPV6);
	next_sent(&r);
}

/* A38: not twice within a second, however often it dies. */
static void a38_one_solicitation_a_second(void **state)
{
	uint64_t asked_at;

	(void)state;
	pass(&r, SECONDS(5));
	resumes();
	asked_at = asked(&r, server_at).when;
	for (int i = 0; i < 3; i++) {
		pass(&r, SECONDS(0.2));
		resumes();
		sent_nothing(&r);
	}
	pass(&r, SECONDS(0.4));
	assert_true(asked(&r, server_at).when >= asked_at + SECONDS(1));
}

/* ... though it answers at once. */
static void a38_answered(void **state)
{
	(void)state;
	pass(&r, SECONDS(5));
	resumes();
	answers(&r, server_at, client_at);
	resumes();
	sent_nothing(&r);
	pass(&r, SECONDS(1));
	answers(&r, server_at, client_at);
}

/* C65: silence that began before the death ends the address all the same. */
static void c65_silence(void **state)
{
	uint64_t until;

	(void)state;
	r.count_only = true;
	pass(&r, SECONDS(40));
	until = r.node.client.keep_until;
	assert_true(until != 0);
	r.count_only = false;
	resumes();
	is_state(&r, CLIENT_SILENT, WHY_NONE, 1);
	assert_true(r.node.client.keep_until == until);
	r.count_only = true;
	pass(&r, SECONDS(61));
	r.count_only = false;
	assert_int_equal(status(&r)->n, 0);
}

/* A server that is silent from the death on costs no address for a minute. */
static void c65_silence_after(void **state)
{
	(void)state;
	pass(&r, SECONDS(5));
	resumes();
	r.first = r.n = 0;
	r.count_only = true;
	pass(&r, SECONDS(50));
	assert_int_equal(status(&r)->n, 1);
	pass(&r, SECONDS(30));
	r.count_only = false;
	assert_int_equal(status(&r)->n, 0);
}

/* The NAT has another mapping: that is found out as ever (C62). */
static void c62_moved_meanwhile(void **state)
{
	(void)state;
	pass(&r, SECONDS(5));
	resumes();
	answers(&r, server_at, moved_at);
	answers(&r, second_at, moved_at);
	assert_true(tuple_equal(status(&r)->mapped, moved_at));
	assert_int_equal(status(&r)->n, 1);
}

/* In the middle of another qualification: asked anew, the address kept. */
static void c62_died_between_the_addresses(void **state)
{
	(void)state;
	pass(&r, SECONDS(5));
	check_server(&r);
	answers(&r, server_at, moved_at);
	asked(&r, second_at);
	pass(&r, SECONDS(1));
	r.first = r.n = 0;
	die_and_recover(&r);
	is_state(&r, CLIENT_SILENT, WHY_NONE, 1);
	assert_true(r.node.client.keep_until >= r.now + SECONDS(59));
	assert_true(tuple_equal(status(&r)->mapped, moved_at));
	network(&r, local_at);
	server(&r, 0, SERVER, SECOND);
	answers(&r, server_at, moved_at);
	answers(&r, second_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* Elsewhere since: as if it had been told so alive. */
static void test_other_network_meanwhile(void **state)
{
	const struct tuple other = {0xc0a80106, 50000};

	(void)state;
	pass(&r, SECONDS(5));
	die_and_recover(&r);
	network(&r, other);
	asked_from(&r, server_at, other);
}

static void test_no_network_meanwhile(void **state)
{
	(void)state;
	pass(&r, SECONDS(5));
	die_and_recover(&r);
	network(&r, (struct tuple){0, 0});
	is_state(&r, CLIENT_SILENT, WHY_NO_IPV4, 1);
	sent_nothing(&r);
	network(&r, local_at);
	answers(&r, server_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* There was no address: the beginning, but not too soon. */
static void test_died_while_asking(void **state)
{
	uint64_t first;

	(void)state;
	start_client(&r);
	first = asked(&r, server_at).when;
	pass(&r, SECONDS(0.5));
	die_and_recover(&r);
	assert_int_equal(status(&r)->n, 0);
	network(&r, local_at);
	server(&r, 0, SERVER, SECOND);
	sent_nothing(&r);
	pass(&r, SECONDS(0.6));
	assert_true(asked(&r, server_at).when >= first + SECONDS(1));
}

/* I8, C20: flags stay those of the mapping. */
static void c20_flags_stay(void **state)
{
	struct ip6 before;

	(void)state;
	r.conf.client.has_flags = false;
	start_qualified(&r);
	before = status(&r)->address[0];
	pass(&r, SECONDS(5));
	die_and_recover(&r);
	assert_true(same_ip6(status(&r)->address[0], before));
	network(&r, (struct tuple){0xc0a80106, 50000});
	assert_true(r.node.client.conf.has_flags);
	r.first = r.n = 0;
}

static struct memo *newest(void)
{
	struct memos *m = r.node.client.memos;

	return &m->v[m->turn & 1];
}

/* C57: a peer's four bubbles are spent. */
static void c57_bubbles_are_counted(void **state)
{
	const struct bubble_log *l;
	unsigned spent = 0;

	(void)state;
	goes_to(&r, &p, far_client);
	r.first = r.n = 0;
	die_and_recover(&r);
	l = r.node.client.recent.log;
	for (uint32_t i = 0; i <= r.node.client.recent.log_mask; i++)
		spent += l[i].tag != 0 && l[i].at_s[0] != 0;
	assert_int_equal(spent, 1);
	assert_true(bubble_allowed(&r.node.client.recent, far_client.b, 16,
				   r.now) > r.now);
}

/* What cannot be is not taken over, and costs the address at most. */
static void z1_client_believes_nothing(void **state)
{
	struct memo good;

	(void)state;
	pass(&r, SECONDS(5));
	good = *newest();
	newest()->own[0].mapped.ip = ip4("192.168.1.9");
	die_and_recover(&r);
	assert_int_equal(status(&r)->n, 0);
	*newest() = good;
	newest()->own[0].server = ip4("127.0.0.1");
	die_and_recover(&r);
	assert_int_equal(status(&r)->n, 0);
	*newest() = good;
	newest()->own[0].flags = 0xffff;
	die_and_recover(&r);
	assert_int_equal(status(&r)->n, 0);
	*newest() = good;
	newest()->at = 77;
	newest()->keep_until = UINT64_MAX;
	newest()->heard = newest()->changed = newest()->asked = UINT64_MAX;
	die_and_recover(&r);
	assert_int_equal(status(&r)->n, 1);
	assert_int_equal(r.node.client.at, 0);
	assert_true(r.node.client.keep_until <= r.now + SECONDS(60));
	assert_true(r.node.client.heard <= r.now);
	network(&r, local_at);
	pass(&r, SECONDS(1));
	asked(&r, server_at);
}

/* Z1, Z8: whoever says that it was trusted there. */
static void z8_client_believes_no_peer(void **state)
{
	static const char *const bad[] = {"192.168.1.1", "127.0.0.1", SERVER,
					  "192.168.1.5"};
	const struct recent *t = &r.node.client.recent;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad) + 2; i++) {
		struct recent_peer *e;

		trust_native(&r, native, other_relay_at);
		e = recent_at(t, recent_find(t, 0, &native));
		if (i < ARRAY_SIZE(bad))
			e->tuple = (struct tuple){ip4(bad[i]), 3544};
		else if (i == ARRAY_SIZE(bad))
			e->own = 1; /* which there is not */
		else
			e->own = 200;
		pass(&r, SECONDS(2));
		die_and_recover(&r);
		assert_int_equal(t->n[STANDING_ACTIVE], 0);
		network(&r, local_at);
		answers(&r, server_at, client_at);
	}
}

/* C65: in a new network, where nothing was heard yet, it goes at once. */
static void c65_moved_before(void **state)
{
	const struct tuple other = {0xc0a80106, 50000};

	(void)state;
	pass(&r, SECONDS(5));
	network(&r, other);
	asked_from(&r, server_at, other);
	pass(&r, SECONDS(0.5));
	die_and_recover(&r);
	network(&r, other);
	r.count_only = true;
	pass(&r, SECONDS(8));
	r.count_only = false;
	assert_int_equal(status(&r)->n, 0);
}

/* C65: as long as peers are heard, it stays. */
static void c65_peers_are_heard(void **state)
{
	(void)state;
	r.count_only = true;
	pass(&r, SECONDS(85));
	assert_int_equal(status(&r)->n, 1);
	r.count_only = false;
	r.first = r.n = 0;
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &q);
	reply(&p, &q);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &p);
	r.first = r.n = 0;
	resumes();
	r.count_only = true;
	pass(&r, SECONDS(25));
	assert_int_equal(status(&r)->n, 1);
	pass(&r, SECONDS(10));
	assert_int_equal(status(&r)->n, 0);
	r.count_only = false;
}

/* C85: it goes on with the server that it had, whichever is first. */
static void c85_same_server(void **state)
{
	(void)state;
	r.conf.client.n_servers = 2;
	r.conf.client.first_server = 1;
	start(&r);
	network(&r, local_at);
	server(&r, 1, SERVER, SECOND);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	r.conf.client.first_server = 0;
	pass(&r, SECONDS(2));
	resumes();
	assert_int_equal(status(&r)->server, 1);
	answers(&r, server_at, client_at);
}

/* It dies while it writes: the other memo is whole. */
static void test_torn_memo(void **state)
{
	struct memos *m = r.node.client.memos;

	(void)state;
	pass(&r, SECONDS(5));
	memset(&m->v[!(m->turn & 1)], 0x5a, sizeof(struct memo) / 2);
	m->turn |= 0xfffffffe;
	resumes();
	answers(&r, server_at, client_at);
}

int main(void)
{
#define RELAY_TEST(f) cmocka_unit_test_setup_teardown(f, relay, done)
#define TEST(f)       cmocka_unit_test_setup_teardown(f, qualified, done)
#define PREPARED(f)   cmocka_unit_test_setup_teardown(f, prepared, done)
	const struct CMUnitTest tests[] = {
		RELAY_TEST(r5_relay_knows_its_peers),
		RELAY_TEST(r12_what_was_held_is_gone),
		RELAY_TEST(r21_relay_goes_on_asking),
		RELAY_TEST(z8_relay_believes_nothing),
		RELAY_TEST(z2_relay_own_address),
		TEST(i10_client_has_its_address),
		TEST(c41_client_knows_its_peers),
		TEST(a38_one_solicitation_a_second),
		TEST(a38_answered),
		TEST(c65_silence),
		TEST(c65_silence_after),
		TEST(c62_moved_meanwhile),
		TEST(c62_died_between_the_addresses),
		TEST(test_other_network_meanwhile),
		TEST(test_no_network_meanwhile),
		PREPARED(test_died_while_asking),
		PREPARED(c20_flags_stay),
		TEST(c57_bubbles_are_counted),
		TEST(z1_client_believes_nothing),
		TEST(z8_client_believes_no_peer),
		TEST(c65_moved_before),
		TEST(c65_peers_are_heard),
		PREPARED(c85_same_server),
		TEST(test_torn_memo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
