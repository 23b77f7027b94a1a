/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client: its address, servers, network and time. */
#include "contact.h"
#include "rig_client.h"
#include "search.h"

#include <string.h>

static struct rig r;
static struct packet p, q;

static const struct tuple moved_at = {0x0b000005, 4097};

static int qualified(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	return 0;
}

static int asking(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_client(&r);
	return 0;
}

static int prepared(void **state)
{
	(void)state;
	prepare_client(&r);
	return 0;
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

/* What is sent until then, thrown away: how many. */
static unsigned silent_for(uint64_t ns)
{
	unsigned n = r.n_udp;

	r.first = r.n = 0;
	r.count_only = true;
	pass(&r, ns);
	r.count_only = false;
	return r.n_udp - n;
}

static void forget_log(void)
{
	r.first = r.n = 0;
}

/* Time passes until something is sent. */
static void until_sent(void)
{
	while (r.first == r.n)
		pass(&r, node_next(&r.node) - r.now);
}

/* The next solicitations go unanswered, and the phase ends. */
static void unanswered(struct tuple to)
{
	for (int i = 0; i < 3; i++) {
		until_sent();
		asked(&r, to);
		sent_nothing(&r);
	}
	pass(&r, node_next(&r.node) - r.now);
}

static void data_by(struct ip6 from, struct tuple where)
{
	data(&q, from, client);
	from_ip4(&r, DOOR_SERVICE, where, &q);
}

/* ---- states ---- */

static void test_names(void **state)
{
	static const char *const why[] = {"ok",
					  "native-ipv6",
					  "no-ipv4",
					  "resolver-failed",
					  "starting",
					  "server-silent",
					  "secondary-silent",
					  "symmetric-nat",
					  "mapping-changed",
					  "idle"};

	(void)state;
	assert_int_equal(WHY_COUNT, ARRAY_SIZE(why));
	for (int i = 0; i < WHY_COUNT; i++) {
		assert_string_equal(client_why_name((enum client_why)i),
				    why[i]);
		assert_true(strlen(client_why_text((enum client_why)i)) > 5);
	}
	assert_string_equal(client_nat_name(CLIENT_NAT_NONE), "none");
	assert_string_equal(client_nat_name(CLIENT_NAT_CONE), "cone");
	assert_string_equal(client_nat_name(CLIENT_NAT_RESTRICTED),
			    "restricted");
	assert_string_equal(client_nat_name(CLIENT_NAT_SYMMETRIC), "symmetric");
	assert_string_equal(client_nat_name(CLIENT_NAT_UNKNOWN), "unknown");
}

/* C5, C8, C9, C17, C18: the way up, state by state. */
static void c5_c8_c9_c17_the_way_up(void **state)
{
	unsigned version;

	(void)state;
	start(&r);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	node_timeout(&r.node, r.now, &r.out);
	is_state(&r, CLIENT_OFF, WHY_NO_IPV4, 0);
	goes_to(&r, &p, native);
	dropped(&r, REASON_NOT_QUALIFIED);
	network(&r, local_at);
	is_state(&r, CLIENT_RESOLVING, WHY_RESOLVER, 0);
	sent_nothing(&r);
	version = status(&r)->version;
	server(&r, 0, SERVER, SECOND);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	asked(&r, server_at);
	assert_int_not_equal(status(&r)->version, version);
	assert_int_equal(status(&r)->server_ip, server_at.ip);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_UNKNOWN);
	goes_to(&r, &p, native);
	dropped(&r, REASON_NOT_QUALIFIED);
	pass(&r, SECONDS(1.4));
	answers(&r, server_at, client_at);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	assert_int_equal(r.n - r.first, 1);
	answers(&r, second_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_true(same_ip6(status(&r)->address[0], client));
	assert_int_equal(status(&r)->mapped.ip, client_at.ip);
	assert_int_equal(status(&r)->mapped.port, client_at.port);
	assert_int_equal(status(&r)->flags, 0);
	assert_int_equal(status(&r)->server, 0);
	assert_int_equal(status(&r)->server_ip, server_at.ip);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_RESTRICTED);
	assert_int_equal(status(&r)->refresh_s, 30);
	assert_false(status(&r)->preserves_port);
	assert_false(status(&r)->key_ends);
	assert_false(status(&r)->wants_probe);
}

/* The version tells of each change, and of nothing else. */
static void test_version(void **state)
{
	unsigned v = status(&r)->version;
	struct client_status before = *status(&r);

	(void)state;
	pass_answered(&r, SECONDS(300), client_at);
	server(&r, 0, SERVER, SECOND);
	want(&r, true);
	goes_to(&r, &p, native);
	next_sent(&r);
	data_by(native, other_relay_at);
	next_sent(&r);
	pass_answered(&r, SECONDS(1), client_at);
	assert_int_equal(status(&r)->version, v);
	assert_memory_equal(&before, status(&r), sizeof(before));
	want(&r, false);
	assert_int_equal(status(&r)->version, v + 1);
	want(&r, false);
	node_timeout(&r.node, r.now, &r.out);
	assert_int_equal(status(&r)->version, v + 1);
	want(&r, true);
	assert_int_equal(status(&r)->version, v + 2);
	next_sent(&r); /* the error about what waited */
	asked(&r, server_at);
}

/* A NAT that leaves the port as it is; and none at all. */
static void test_nat_kinds(void **state)
{
	const struct tuple kept = {client_at.ip, local_at.port};
	struct asked a;

	(void)state;
	start_client(&r);
	answers(&r, server_at, kept);
	answers(&r, second_at, kept);
	assert_true(status(&r)->preserves_port);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_RESTRICTED);
	again();
	r.node.self.n_ip4 = 0;
	own_ip4(&r, "11.0.0.5", 24);
	start(&r);
	network(&r, client_at);
	server(&r, 0, SERVER, SECOND);
	for (int i = 0; i < 2; i++) {
		struct tuple to = i ? second_at : server_at;

		a = asked_from(&r, to, client_at);
		advert(&p, &a, SERVER, client_at);
		from_ip4(&r, DOOR_SERVICE, to, &p);
		ended(&r, REASON_RA_TAKEN);
	}
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_NONE);
	assert_true(status(&r)->preserves_port);
}

/* ---- C1 ---- */

static void refused_server(const char *primary, const char *secondary)
{
	r.about = primary;
	server(&r, 0, primary, secondary);
	sent_nothing(&r);
	is_state(&r, CLIENT_RESOLVING, WHY_RESOLVER, 0);
	pass(&r, SECONDS(10));
	sent_nothing(&r);
}

/* C1, Z1, Z8: both are global, not ours, and two. */
static void c1_unusable_servers(void **state)
{
	(void)state;
	deny(&r, "11.7.0.0", 16);
	own_ip4(&r, "11.8.0.8", 24);
	start(&r);
	network(&r, local_at);
	refused_server("0.0.0.0", "0.0.0.0");
	refused_server(SERVER, SERVER);
	refused_server(SERVER, "10.0.0.1");
	refused_server("192.168.1.1", SECOND);
	refused_server("127.0.0.1", SECOND);
	refused_server("11.7.0.1", "11.7.0.2");
	refused_server("11.8.0.8", SECOND);
	refused_server(SERVER, "11.8.0.8");
	refused_server("11.8.0.255", SECOND);
	server(&r, 0, SERVER, SECOND);
	asked(&r, server_at);
	/* One that was good stays if a later look-up is not. */
	server(&r, 0, "0.0.0.0", "0.0.0.0");
	pass(&r, SECONDS(1.5));
	asked(&r, server_at);
}

/* C1: new addresses while the old ones are asked in vain. */
static void c1_address_of_the_name_changes(void **state)
{
	(void)state;
	asked(&r, server_at);
	server(&r, 0, OTHER, "11.0.0.2");
	asked(&r, other_server_at);
	assert_int_equal(status(&r)->server_ip, other_server_at.ip);
	server(&r, 0, OTHER, "11.0.0.2");
	sent_nothing(&r);
}

/* C1, C10: the same again and again does not begin anew. */
static void c1_same_addresses(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		pass(&r, SECONDS(0.5));
		server(&r, 0, SERVER, SECOND);
	}
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
	forget_log();
	/* One of the two is enough to be new. */
	server(&r, 0, SERVER, "11.0.0.2");
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	until_sent();
	answers(&r, server_at, client_at);
	asked(&r, other_second_at);
}

/* ... and while there is an address: it stays until the server falls silent. */
static void c1_address_of_the_name_changes_later(void **state)
{
	(void)state;
	server(&r, 0, OTHER, "11.0.0.2");
	sent_nothing(&r);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	until_sent();
	asked(&r, server_at);
}

/* C1: it was told early; when the old one is silent, it is asked. */
static void c1_told_before_the_silence(void **state)
{
	unsigned names = status(&r)->wants_names;

	(void)state;
	server(&r, 0, OTHER, "11.0.0.2");
	pass_answered(&r, SECONDS(100), client_at);
	server(&r, 0, OTHER, "11.0.0.2");
	sent_nothing(&r);
	assert_int_equal(status(&r)->server_ip, server_at.ip);
	until_sent();
	unanswered(server_at);
	forget_log();
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	assert_int_equal(status(&r)->wants_names, names + 1);
	pass(&r, SECONDS(0.1));
	forget_log();
	server(&r, 0, OTHER, "11.0.0.2"); /* what the name says, again */
	answers_as(&r, other_server_at, OTHER, client_at);
	server(&r, 0, OTHER, "11.0.0.2"); /* nothing new now */
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	assert_true(same_ip6(status(&r)->address[0], ta_of(OTHER, client_at)));
}

/* ---- C6 ---- */

static void c6_wanted(void **state)
{
	(void)state;
	want(&r, false);
	is_state(&r, CLIENT_OFF, WHY_NATIVE, 0);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	pass(&r, SECONDS(600));
	goes_to(&r, &p, native);
	dropped(&r, REASON_NOT_QUALIFIED);
	data_by(native, other_relay_at);
	dropped(&r, REASON_NOT_QUALIFIED);
	check_server(&r);
	server(&r, 0, OTHER, "11.0.0.2");
	server(&r, 0, SERVER, SECOND);
	sent_nothing(&r);
	is_state(&r, CLIENT_OFF, WHY_NATIVE, 0);
	want(&r, true);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_true(same_ip6(status(&r)->address[0], client));
}

/* C6: while asking, silent, or resting. */
static void c6_unwanted_in_any_state(void **state)
{
	(void)state;
	asked(&r, server_at);
	want(&r, false);
	is_state(&r, CLIENT_OFF, WHY_NATIVE, 0);
	assert_int_equal(silent_for(SECONDS(100)), 0);
	want(&r, true);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	until_sent();
	unanswered(server_at);
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	forget_log();
	want(&r, false);
	is_state(&r, CLIENT_OFF, WHY_NATIVE, 0);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	want(&r, true);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	pass(&r, SECONDS(1)); /* it was asked just before */
	forget_log();
}

/* C6: why tells what is in the way now, whatever came first. */
static void c6_why_after_changes(void **state)
{
	const struct tuple none = {0, 0};

	(void)state;
	want(&r, false);
	network(&r, none);
	network(&r, local_at);
	is_state(&r, CLIENT_OFF, WHY_NATIVE, 0);
	network(&r, none);
	want(&r, true);
	is_state(&r, CLIENT_OFF, WHY_NO_IPV4, 0);
	network(&r, local_at);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	forget_log();
}

/* ---- C11, C19, C65: silence ---- */

static void c11_no_answer(void **state)
{
	unsigned names = status(&r)->wants_names;
	uint64_t began = r.now;

	(void)state;
	unanswered(server_at);
	assert_in_range(r.now - began, SECONDS(3.8), SECONDS(4.8));
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
	assert_int_equal(status(&r)->wants_names, names + 1);
	/* It goes on, and can still come up. */
	unanswered(server_at);
	assert_int_equal(status(&r)->wants_names, names + 2);
	until_sent();
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* C19: the second address is silent. */
static void c19_secondary_silent(void **state)
{
	(void)state;
	answers(&r, server_at, client_at);
	unanswered(second_at);
	is_state(&r, CLIENT_ASKING, WHY_SECONDARY, 0);
	forget_log();
	goes_to(&r, &p, native);
	ended(&r, REASON_NOT_QUALIFIED);
	forget_log();
}

/* C65: asked three times, kept for 60 s, gone; back when it answers. */
static void c65_server_falls_silent(void **state)
{
	uint64_t silent;

	(void)state;
	until_sent();
	unanswered(server_at);
	silent = r.now;
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	assert_true(same_ip6(status(&r)->address[0], client));
	assert_true(silent_for(SECONDS(59.9)) > 10);
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	silent_for(SECONDS(0.1));
	assert_int_equal(r.now - silent, SECONDS(60));
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
	goes_to(&r, &p, native);
	ended(&r, REASON_NOT_QUALIFIED);
	forget_log();
	until_sent();
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* C65: it answers again in time; nothing has happened. */
static void c65_answers_in_time(void **state)
{
	(void)state;
	until_sent();
	unanswered(server_at);
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	silent_for(SECONDS(55));
	until_sent();
	answers(&r, server_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	pass_answered(&r, SECONDS(100), client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* C65: peers that need no server go on; 30 s after the last, it is over. */
static void c65_peers_without_server(void **state)
{
	(void)state;
	trust_client(&r, far_client, far_client_at);
	until_sent();
	unanswered(server_at);
	for (int i = 0; i < 20; i++) {
		silent_for(SECONDS(19));
		bubble(&q, far_client, client);
		from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
		ended(&r, REASON_BUBBLE);
		is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	}
	silent_for(SECONDS(29.9));
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	silent_for(SECONDS(0.1));
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
}

static void trust_client_quietly(struct tuple where)
{
	forget_log();
	trust_client(&r, far_client, where);
}

/* C65: 60 s even if peers were last heard at its beginning. */
static void c65_not_shorter_by_peers(void **state)
{
	(void)state;
	until_sent();
	trust_client_quietly(far_client_at);
	while (status(&r)->state == CLIENT_QUALIFIED)
		silent_for(SECONDS(0.1));
	silent_for(SECONDS(59));
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	silent_for(SECONDS(1.1));
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
}

/* ---- C85: several servers ---- */

static void three_servers(unsigned first)
{
	r.conf.client.n_servers = 3;
	r.conf.client.first_server = first;
	start(&r);
	network(&r, local_at);
}

/* C85: in order, round and round. */
static void c85_in_order(void **state)
{
	static const struct tuple t[] = {
		{0x09000002, 3544}, {0x0b000001, 3544}, {0x0b000011, 3544}};

	(void)state;
	three_servers(0);
	server(&r, 0, SERVER, SECOND);
	server(&r, 1, OTHER, "11.0.0.2");
	server(&r, 2, "11.0.0.17", "11.0.0.18");
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(status(&r)->server, i % 3);
		assert_int_equal(status(&r)->server_ip, t[i % 3].ip);
		unanswered(t[i % 3]);
	}
	forget_log();
}

/* C85: the one that worked last is first. */
static void c85_first_server(void **state)
{
	(void)state;
	three_servers(1);
	server(&r, 0, SERVER, SECOND);
	sent_nothing(&r);
	server(&r, 1, OTHER, "11.0.0.2");
	unanswered(other_server_at);
	asked(&r, server_at); /* the third has no name yet */
}

/* C85: a name gets two seconds, no more; one that failed none. */
static void c85_late_and_failed_names(void **state)
{
	(void)state;
	three_servers(0);
	server(&r, 2, "11.0.0.17", "11.0.0.18");
	pass(&r, SECONDS(1.9));
	sent_nothing(&r);
	is_state(&r, CLIENT_RESOLVING, WHY_RESOLVER, 0);
	server(&r, 1, OTHER, "11.0.0.2");
	sent_nothing(&r);
	pass(&r, SECONDS(0.1));
	asked(&r, other_server_at);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	/* The first comes late: its turn comes. */
	server(&r, 0, SERVER, SECOND);
	sent_nothing(&r);
	again();
	three_servers(0);
	server(&r, 2, "11.0.0.17", "11.0.0.18");
	server(&r, 0, "0.0.0.0", "0.0.0.0");
	sent_nothing(&r);
	server(&r, 1, "0.0.0.0", "0.0.0.0");
	asked(&r, at("11.0.0.17", 3544));
	again();
	three_servers(0);
	for (unsigned i = 0; i < 3; i++)
		server(&r, i, "0.0.0.0", "0.0.0.0");
	pass(&r, SECONDS(100));
	sent_nothing(&r);
	is_state(&r, CLIENT_RESOLVING, WHY_RESOLVER, 0);
}

static void two_servers(void)
{
	r.conf.client.n_servers = 2;
	start(&r);
	network(&r, local_at);
	server(&r, 0, SERVER, SECOND);
	server(&r, 1, OTHER, "11.0.0.2");
}

static void two_servers_up(void)
{
	two_servers();
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	until_sent();
	unanswered(server_at);
}

static struct ip6 by_other(void)
{
	return ta_of(OTHER, client_at);
}

static void other_takes_over(void)
{
	two_servers_up();
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	assert_int_equal(status(&r)->server, 1);
	answers_as(&r, other_server_at, OTHER, client_at);
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	assert_true(same_ip6(status(&r)->address[0], by_other()));
	assert_true(same_ip6(status(&r)->address[1], client));
	assert_int_equal(status(&r)->server_ip, other_server_at.ip);
}

/* Time passes; the other server answers. */
static void other_answers(uint64_t ns)
{
	uint64_t end = r.now + ns;

	while (node_next(&r.node) <= end) {
		pass(&r, node_next(&r.node) - r.now);
		while (r.first != r.n)
			answers_as(&r, r.log[r.first].to, OTHER, client_at);
	}
	pass(&r, end - r.now);
}

/* C85: the old address goes 60 s after it was last used. */
static void c85_failover(void **state)
{
	(void)state;
	two_servers();
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	pass_answered(&r, SECONDS(100), client_at);
	silent_for(0);
	while (status(&r)->server == 0) { /* used until the server is lost */
		trust_client(&r, far_client, far_client_at);
		pass(&r, node_next(&r.node) - r.now);
		if (status(&r)->server == 0)
			forget_log();
	}
	while (r.log[r.first].to.ip != other_server_at.ip)
		r.first++;
	answers_as(&r, other_server_at, OTHER, client_at);
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	/* Both are ours. */
	data_by(native, other_relay_at);
	ended(&r, REASON_TO_IPV6);
	forget_log();
	data(&q, native, by_other());
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TO_IPV6);
	forget_log();
	for (int i = 0; i < 5; i++) {
		trust_client(&r, far_client, far_client_at);
		other_answers(SECONDS(50));
		is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	}
	trust_client(&r, far_client, far_client_at);
	other_answers(SECONDS(59.9));
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	other_answers(SECONDS(0.1));
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_true(same_ip6(status(&r)->address[0], by_other()));
	data_by(native, other_relay_at);
	dropped(&r, REASON_NOT_OURS);
	goes_to(&r, &p, native);
	dropped(&r, REASON_BAD_SOURCE);
}

/* C85, C62: with another mapping the old address is of no use. */
static void c85_failover_with_new_mapping(void **state)
{
	(void)state;
	two_servers_up();
	answers_as(&r, other_server_at, OTHER, moved_at);
	answers_as(&r, other_second_at, OTHER, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_int_equal(status(&r)->mapped.port, moved_at.port);
	data_by(native, other_relay_at);
	dropped(&r, REASON_NOT_OURS);
}

/* C85: and back to the first one. */
static void c85_back_again(void **state)
{
	(void)state;
	other_takes_over();
	trust_client(&r, far_client, far_client_at);
	while (status(&r)->server == 1) {
		trust_client(&r, far_client, far_client_at);
		silent_for(SECONDS(1));
	}
	until_sent();
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	assert_true(same_ip6(status(&r)->address[0], client));
	assert_true(same_ip6(status(&r)->address[1], by_other()));
}

/* C85: a third one: the address before stays, the one before that goes. */
static void c85_third_server(void **state)
{
	const char *third = "11.0.0.17";
	const struct tuple a = {0x0b000011, 3544}, b = {0x0b000012, 3544};

	(void)state;
	r.conf.client.n_servers = 3;
	start(&r);
	network(&r, local_at);
	server(&r, 0, SERVER, SECOND);
	server(&r, 1, OTHER, "11.0.0.2");
	server(&r, 2, third, "11.0.0.18");
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	check_server(&r);
	trust_client_quietly(far_client_at);
	while (status(&r)->server == 0)
		silent_for(SECONDS(0.1));
	forget_log();
	until_sent();
	answers_as(&r, other_server_at, OTHER, client_at);
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	check_server(&r);
	forget_log();
	while (status(&r)->server == 1)
		silent_for(SECONDS(0.1));
	until_sent();
	answers_as(&r, a, third, client_at);
	answers_as(&r, b, third, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	assert_true(same_ip6(status(&r)->address[0], ta_of(third, client_at)));
	assert_true(same_ip6(status(&r)->address[1], by_other()));
	data_by(native, other_relay_at);
	dropped(&r, REASON_NOT_OURS);
	/* Its peers went with it: none is taken for one of the new address. */
	data(&p, ta_of(third, client_at), far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	forget_log();
	bubble(&q, far_client, ta_of(third, client_at));
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	/* C62: with another mapping both go. */
	check_server(&r);
	answers_as(&r, a, third, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_MOVED, 1);
	answers_as(&r, b, third, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* ---- C13, C18, X9 ---- */

/* X9: symmetric, and the mapping that the first address sees. */
static void x9_symmetric(void **state)
{
	(void)state;
	answers(&r, server_at, client_at);
	answers(&r, second_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_SYMMETRIC);
	assert_true(same_ip6(status(&r)->address[0], client));
	until_sent();
	answers(&r, server_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_SYMMETRIC);
}

/* C18: off, asked again after a minute; by another address or port. */
static void c18_symmetric_is_off(void **state)
{
	static const struct tuple other[] = {{0x0b000005, 4097},
					     {0x0b000006, 4096}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
		again();
		r.conf.client.no_symmetric = true;
		start_client(&r);
		answers(&r, server_at, client_at);
		answers(&r, second_at, other[i]);
		assert_int_equal(status(&r)->n, 0);
		assert_int_equal(status(&r)->why, WHY_SYMMETRIC);
		goes_to(&r, &p, native);
		dropped(&r, REASON_NOT_QUALIFIED);
		pass(&r, SECONDS(59.9));
		sent_nothing(&r);
		pass(&r, SECONDS(0.1));
		answers(&r, server_at, client_at);
		answers(&r, second_at, client_at);
		is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	}
	/* A new network is a new chance. */
	again();
	r.conf.client.no_symmetric = true;
	start_client(&r);
	answers(&r, server_at, client_at);
	answers(&r, second_at, moved_at);
	network(&r, local_at);
	asked(&r, server_at);
}

/* X7, X9: the same without SNS, whatever Symmetric says. */
static void c18_x7_no_sns(void **state)
{
	(void)state;
	r.conf.client.extensions = EXT_SLR;
	start_client(&r);
	answers(&r, server_at, client_at);
	answers(&r, second_at, moved_at);
	assert_int_equal(status(&r)->n, 0);
	assert_int_equal(status(&r)->why, WHY_SYMMETRIC);
}

/* C18, C85: every server says so: they are not asked for ever and ever. */
static void c18_two_servers_no_flood(void **state)
{
	unsigned n = 0;

	(void)state;
	r.conf.client.no_symmetric = true;
	two_servers();
	while (r.first != r.n && n < 20) {
		struct tuple to = r.log[r.first].to;
		bool first =
			to.ip == server_at.ip || to.ip == other_server_at.ip;
		bool ours = to.ip == server_at.ip || to.ip == second_at.ip;

		answers_as(&r, to, ours ? SERVER : OTHER,
			   first ? client_at : moved_at);
		n++;
	}
	assert_in_range(n, 2, 4);
	assert_int_equal(status(&r)->why, WHY_SYMMETRIC);
	pass(&r, SECONDS(59));
	sent_nothing(&r);
	pass(&r, SECONDS(1));
	next_sent(&r);
}

/* C18: an address that there was goes, too. */
static void c18_becomes_symmetric(void **state)
{
	(void)state;
	r.conf.client.no_symmetric = true;
	start_qualified(&r);
	until_sent();
	answers(&r, server_at, moved_at);
	answers(&r, second_at, client_at);
	assert_int_equal(status(&r)->n, 0);
	assert_int_equal(status(&r)->why, WHY_SYMMETRIC);
	data_by(native, other_relay_at);
	dropped(&r, REASON_NOT_QUALIFIED);
}

/* C13: the order of 4380, with an open way. */
static void c13_cone(void **state)
{
	struct asked a;

	(void)state;
	r.conf.client.cone_first = true;
	start_client(&r);
	a = asked(&r, server_at);
	assert_true(a.flags & 0x8000);
	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, second_at, &p);
	ended(&r, REASON_RA_TAKEN);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_int_equal(status(&r)->nat, CLIENT_NAT_CONE);
	assert_int_equal(status(&r)->flags, 0x8000);
	sent_nothing(&r);
	/* C60: asked in the same way again. */
	until_sent();
	a = asked(&r, server_at);
	assert_true(a.flags & 0x8000);
	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, second_at, &p);
	ended(&r, REASON_RA_TAKEN);
}

/* C12, C60: never with the cone bit. */
static void c12_c60_no_cone_bit(void **state)
{
	struct asked a = asked(&r, server_at);

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(a.flags & 0x8000, 0);
		advert(&p, &a, SERVER, client_at);
		from_ip4(&r, DOOR_SERVICE, a.to, &p);
		ended(&r, REASON_RA_TAKEN);
		if (r.first == r.n)
			pass(&r, node_next(&r.node) - r.now);
		a = asked(&r, r.log[r.first].to);
	}
}

/* ---- C20, C21 ---- */

/* C20, Z19: 200 qualifications. */
static void c20_flags_are_random(void **state)
{
	unsigned ones[16] = {0};
	bool seen[0x4000] = {false};
	unsigned repeats = 0;

	(void)state;
	r.conf.client.has_flags = false;
	start_client(&r);
	for (uint16_t i = 0; i < 200; i++) {
		const struct tuple t = {0x0b000005, (uint16_t)(1024 + i)};
		uint16_t f;

		if (r.first == r.n)
			pass(&r, node_next(&r.node) - r.now);
		answers(&r, server_at, t);
		answers(&r, second_at, t);
		is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
		f = status(&r)->flags;
		assert_int_equal(f & 0xc300, 0);
		assert_true(same_ip6(status(&r)->address[0],
				     ta(SERVER, f, t.port, "11.0.0.5")));
		repeats += seen[f];
		seen[f] = true;
		for (int b = 0; b < 16; b++)
			ones[b] += f >> b & 1;
	}
	for (int b = 0; b < 16; b++) {
		if (0x3cff >> b & 1)
			assert_in_range(ones[b], 60, 140);
	}
	assert_in_range(repeats, 0, 20); /* 5 are likely */
}

/* C20, A15: kept while the mapping lasts, and from the last run. */
static void c20_flags_are_kept(void **state)
{
	uint16_t f;

	(void)state;
	r.conf.client.has_flags = false;
	start_qualified(&r);
	f = status(&r)->flags;
	for (int i = 0; i < 10; i++) {
		until_sent();
		answers(&r, server_at, client_at);
		assert_int_equal(status(&r)->flags, f);
	}
	want(&r, false);
	want(&r, true);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	assert_int_equal(status(&r)->flags, f);
	again();
	r.conf.client.flags = 0x1467;
	start_qualified(&r);
	assert_int_equal(status(&r)->flags, 0x1467);
	/* Another port, another address: others. */
	again();
	r.conf.client.flags = 0x1467;
	r.conf.client.mapped.port++;
	start_qualified(&r);
	assert_int_not_equal(status(&r)->flags, 0x1467);
	again();
	r.conf.client.flags = 0x1467;
	r.conf.client.mapped.ip++;
	start_qualified(&r);
	assert_int_not_equal(status(&r)->flags, 0x1467);
}

/* C12, C20: what was written down as a cone is none for ever. */
static void c20_flags_of_the_file(void **state)
{
	(void)state;
	r.conf.client.flags = 0xffff;
	start_qualified(&r);
	assert_int_equal(status(&r)->flags, 0x3cff);
}

/* C21, Z1: what cannot be in an address. */
static void c21_bad_mappings(void **state)
{
	struct asked a = asked(&r, server_at);

	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		r.about = bad_ranges[i].name;
		advert(&p, &a, SERVER, at(bad_ranges[i].first, 4096));
		from_ip4(&r, DOOR_SERVICE, server_at, &p);
		dropped(&r, REASON_RA_INVALID);
		advert(&p, &a, SERVER, at(bad_ranges[i].last, 4096));
		from_ip4(&r, DOOR_SERVICE, server_at, &p);
		dropped(&r, REASON_RA_INVALID);
	}
	r.about = "port 0";
	advert(&p, &a, SERVER, at("11.0.0.5", 0));
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_INVALID);
	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	ended(&r, REASON_RA_TAKEN);
	forget_log();
}

/* C21, Z40: nobody is mapped to where a server of ours is. */
static void c21_mapped_to_a_server(void **state)
{
	static const struct tuple *const bad[] = {
		&server_at, &second_at, &other_server_at, &other_second_at};
	const struct tuple port = {server_at.ip, 3545};
	struct asked a;

	(void)state;
	two_servers();
	for (int step = 0; step < 3; step++) {
		const struct tuple *to = step == 1 ? &second_at : &server_at;

		if (step == 2)
			until_sent(); /* a check */
		a = asked(&r, *to);
		for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
			advert(&p, &a, SERVER, *bad[i]);
			from_ip4(&r, DOOR_SERVICE, *to, &p);
			dropped(&r, REASON_RA_INVALID);
		}
		is_state(&r, step == 2 ? CLIENT_QUALIFIED : CLIENT_ASKING,
			 step == 2 ? WHY_NONE : WHY_START, step == 2);
		/* Another port of its is nobody's but the NAT's. */
		advert(&p, &a, SERVER, port);
		from_ip4(&r, DOOR_SERVICE, *to, &p);
		ended(&r, REASON_RA_TAKEN);
	}
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* C25: the byte that says that the key ends. */
static void c25_key_ends(void **state)
{
	struct asked a;
	unsigned v = status(&r)->version;

	(void)state;
	until_sent();
	a = asked(&r, server_at);
	advert(&p, &a, SERVER, client_at);
	p.b[12] = 1;
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_TAKEN);
	assert_true(status(&r)->key_ends);
	assert_int_not_equal(status(&r)->version, v);
	until_sent();
	answers(&r, server_at, client_at);
	assert_false(status(&r)->key_ends);
}

/* X1, X3: trailers behind an advertisement. */
static void x1_x3_advertisement(void **state)
{
	struct asked a = asked(&r, server_at);

	(void)state;
	advert(&p, &a, SERVER, client_at);
	add_tail(&p, "4100");
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_TRAILER);
	advert(&p, &a, SERVER, client_at);
	add_tail(&p, "0604aabbccdd");
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	ended(&r, REASON_RA_TAKEN);
	forget_log();
}

/* ---- C59-C64: maintenance ---- */

/* C59, C63: 200 intervals of an idle client. */
static void c59_c63_intervals(void **state)
{
	uint64_t last = r.now, least = UINT64_MAX, most = 0, sum = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint64_t gap;

		pass(&r, node_next(&r.node) - r.now);
		gap = r.log[r.first].when - last;
		last = r.now;
		assert_in_range(gap, SECONDS(22.5), SECONDS(30));
		least = gap < least ? gap : least;
		most = gap > most ? gap : most;
		sum += gap;
		answers(&r, server_at, client_at);
		sent_nothing(&r);
	}
	assert_in_range(least, SECONDS(22.5), SECONDS(23));
	assert_in_range(most, SECONDS(29.5), SECONDS(30));
	assert_in_range(sum / 200, SECONDS(25.5), SECONDS(27));
}

/* C64: another refresh interval, short or long. */
static void c64_configured(void **state)
{
	static const uint16_t s[] = {5, 10, 300};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(s); i++) {
		again();
		r.conf.client.refresh_s = s[i];
		start_qualified(&r);
		assert_int_equal(status(&r)->refresh_s, s[i]);
		for (int k = 0; k < 10; k++) {
			uint64_t was = r.now;

			pass(&r, node_next(&r.node) - r.now);
			assert_in_range(r.now - was, SECONDS(0.75 * s[i]),
					SECONDS(s[i]));
			answers(&r, server_at, client_at);
		}
	}
}

/* C29, C59: who hears the server otherwise does not ask. */
static void c29_server_is_heard(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		pass(&r, SECONDS(10));
		sent_nothing(&r);
		last = r.now;
		bubble(&q, ip6("fe80::1"), client);
		from_ip4(&r, DOOR_SERVICE, server_at, &q);
		dropped(&r, REASON_BUBBLE);
	}
	/* It is the first address, and its port, that counts. */
	pass(&r, SECONDS(22));
	bubble(&q, native, client);
	from_ip4(&r, DOOR_SERVICE, second_at, &q);
	dropped(&r, REASON_BUBBLE);
	from_ip4(&r, DOOR_SERVICE, at(SERVER, 3545), &q);
	dropped(&r, REASON_BUBBLE);
	until_sent();
	assert_in_range(r.now - last, SECONDS(22.5), SECONDS(30));
	asked(&r, server_at);
}

/* C29: not behind a symmetric NAT, whose mapping only we keep. */
static void c29_symmetric(void **state)
{
	uint64_t began;

	(void)state;
	answers(&r, server_at, client_at);
	answers(&r, second_at, moved_at);
	began = r.now;
	while (r.first == r.n && r.now < began + SECONDS(40)) {
		bubble(&q, ip6("fe80::1"), client);
		from_ip4(&r, DOOR_SERVICE, server_at, &q);
		dropped(&r, REASON_BUBBLE);
		pass(&r, SECONDS(1));
	}
	assert_in_range(r.now - began, SECONDS(22), SECONDS(31));
	asked(&r, server_at);
	forget_log();
}

/* A packet from the server's tuple that is refused, each second. */
static void is_no_sign(const char *about, const struct packet *bad,
		       enum reason why)
{
	r.about = about;
	rig_end(&r);
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	r.about = about;
	for (int i = 0; i < 29; i++) {
		pass(&r, SECONDS(1));
		if (r.first != r.n)
			break;
		from_ip4(&r, DOOR_SERVICE, server_at, bad);
		dropped(&r, why);
	}
	pass(&r, SECONDS(1));
	assert_in_range(r.n - r.first, 1, 2);
	asked(&r, server_at);
	forget_log();
}

/* C66, A42: what is not accepted does not put off maintenance. */
static void c66_forged(void **state)
{
	(void)state;
	hex(&q, "00");
	is_no_sign("garbage", &q, REASON_BAD_VERSION);
	bubble(&q, native, ta(SERVER, 0, 4096, "11.0.0.4"));
	is_no_sign("not for us", &q, REASON_NOT_OURS);
	bubble(&q, native, client);
	add_nonce(&q, "0102030405060708");
	is_no_sign("authentication", &q, REASON_FORGED_BLOCK);
	data(&q, ip6("::1"), client);
	is_no_sign("source", &q, REASON_BAD_SOURCE);
	bubble(&q, client, client);
	is_no_sign("ourselves", &q, REASON_BAD_SOURCE);
	ip6_with(&q, native, client, 43, "3b000001 00000000");
	is_no_sign("routing header", &q, REASON_ROUTING);
	bubble(&q, native, client);
	add_tail(&q, "4000");
	is_no_sign("trailer", &q, REASON_TRAILER);
	icmp6(&q, ip6("fe80::1"), ip6("fe80::2"), 134, 0,
	      "00000000 00000000 00000000");
	is_no_sign("unasked advertisement", &q, REASON_RA_UNEXPECTED);
}

/* C66: neither does what is refused because of its Teredo source. */
static void c66_not_accepted(void **state)
{
	(void)state;
	data(&q, far_client, client);
	is_no_sign("untrusted data", &q, REASON_UNTRUSTED);
	bubble(&q, ta(OTHER, 0, 4096, "10.0.0.1"), client);
	is_no_sign("bubble from 10.0.0.1", &q, REASON_DST_NOT_GLOBAL);
}

/* C61, C22: invalid advertisements in qualified state. */
static void c61_checks_again(void **state)
{
	unsigned v = status(&r)->version;
	struct asked a, b;

	(void)state;
	until_sent();
	a = asked(&r, server_at);
	advert(&p, &a, SERVER, moved_at);
	from_ip4(&r, DOOR_SERVICE, second_at, &p);
	dropped(&r, REASON_RA_UNEXPECTED);
	from_ip4(&r, DOOR_SERVICE, at(SERVER, 3545), &p);
	dropped(&r, REASON_RA_UNEXPECTED);
	flip(&p, 5, 1);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_NONCE);
	advert_inner(&p, &a, SERVER);
	add_origin(&p, moved_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_NONCE);
	advert(&p, &a, OTHER, moved_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_INVALID);
	b = a;
	b.from.b[15] ^= 1;
	advert(&p, &b, SERVER, moved_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_UNEXPECTED);
	assert_int_equal(status(&r)->version, v);
	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_TAKEN);
	/* Once is enough. */
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_UNEXPECTED);
	assert_int_equal(status(&r)->version, v);
}

/* C62, A37: a new mapping: the old address and all peers are gone. */
static void c62_mapping_changes(void **state)
{
	struct ip6 moved;
	struct asked a;

	(void)state;
	trust_native(&r, native, other_relay_at);
	check_server(&r);
	a = asked(&r, server_at);
	goes_to(&r, &p, far_client); /* it waits, and will in vain */
	forget_log();
	advert(&q, &a, SERVER, moved_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &q);
	assert_int_equal(counted(&r, REASON_RA_TAKEN), 3);
	asked(&r, second_at);
	sent_nothing(&r);
	pass(&r, 0); /* C52 */
	complaint(&q, 1, 0, 0, &p);
	sent_ip6(&r, &q);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
	assert_int_equal(r.node.client.held.n, 0);
	is_state(&r, CLIENT_QUALIFIED, WHY_MOVED, 1);
	moved = status(&r)->address[0];
	assert_int_equal(status(&r)->mapped.port, moved_at.port);
	assert_true(same_ip6(moved, ta(SERVER, status(&r)->flags, moved_at.port,
				       "11.0.0.5")));
	data(&q, native, client);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	dropped(&r, REASON_NOT_OURS);
	goes_to(&r, &p, native);
	dropped(&r, REASON_BAD_SOURCE);
	/* The peer must prove itself anew. */
	data(&p, moved, native);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	assert_int_equal(r.log[r.first].to.ip, server_at.ip);
	forget_log();
	/* Z8, Z39: the new mapping is ours now, the old one is not. */
	data(&p, moved, ta_of(OTHER, moved_at));
	from_ip6(&r, &p);
	dropped(&r, REASON_DST_OWN);
	data(&p, moved, ta_of(OTHER, client_at));
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	forget_log();
}

/* C62, C17: the second address is asked again, and may say nothing. */
static void c62_second_address(void **state)
{
	(void)state;
	until_sent();
	answers(&r, server_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_MOVED, 1);
	answers(&r, second_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	until_sent();
	answers(&r, server_at, client_at);
	unanswered(second_at);
	is_state(&r, CLIENT_SILENT, WHY_SECONDARY, 1);
	silent_for(SECONDS(60));
	is_state(&r, CLIENT_ASKING, WHY_SECONDARY, 0);
}

/* ---- the network ---- */

static const struct tuple other_local = {0xc0a80207, 50000};

/* It changes: the server is asked at once, the address stays meanwhile. */
static void test_network_changes(void **state)
{
	struct asked a;

	(void)state;
	pass(&r, SECONDS(5));
	network(&r, other_local);
	a = asked_from(&r, server_at, other_local);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	dropped(&r, REASON_RA_TAKEN);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* Where no server answers, the address of the old network goes at once. */
static void test_network_without_server(void **state)
{
	(void)state;
	trust_client(&r, far_client, far_client_at);
	pass(&r, SECONDS(5));
	network(&r, other_local);
	forget_log();
	silent_for(SECONDS(3.5));
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	silent_for(SECONDS(1.5));
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
}

/* ... but not if a peer was heard there. */
static void test_network_without_server_but_peers(void **state)
{
	(void)state;
	trust_client(&r, far_client, far_client_at);
	pass(&r, SECONDS(5));
	network(&r, other_local);
	forget_log();
	trust_client(&r, far_client, far_client_at);
	silent_for(SECONDS(50));
	is_state(&r, CLIENT_SILENT, WHY_SERVER, 1);
	silent_for(SECONDS(15));
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
}

/* It is gone: nothing is sent, the address stays for a minute. */
static void test_network_gone(void **state)
{
	const struct tuple none = {0, 0};

	(void)state;
	pass(&r, SECONDS(5));
	network(&r, none);
	is_state(&r, CLIENT_SILENT, WHY_NO_IPV4, 1);
	pass(&r, SECONDS(15));
	sent_nothing(&r);
	network(&r, local_at);
	answers(&r, server_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	network(&r, none);
	silent_for(SECONDS(60));
	is_state(&r, CLIENT_OFF, WHY_NO_IPV4, 0);
	pass(&r, SECONDS(600));
	sent_nothing(&r);
	network(&r, local_at);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* It comes back as another one, without server: what counts is the new one. */
static void test_network_gone_and_another(void **state)
{
	const struct tuple none = {0, 0};

	(void)state;
	pass_answered(&r, SECONDS(100), client_at);
	network(&r, none);
	is_state(&r, CLIENT_SILENT, WHY_NO_IPV4, 1);
	pass(&r, SECONDS(3));
	network(&r, other_local);
	is_state(&r, CLIENT_SILENT, WHY_START, 1);
	silent_for(SECONDS(3.5));
	is_state(&r, CLIENT_SILENT, WHY_START, 1);
	silent_for(SECONDS(1.5));
	is_state(&r, CLIENT_ASKING, WHY_SERVER, 0);
}

/* ---- the search of the interval, C68-C70 ---- */

static void confirmed_from(struct tuple local)
{
	struct asked a = asked_from(&r, server_at, local);

	advert(&p, &a, SERVER, client_at);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	ended(&r, REASON_RA_TAKEN);
}

/* A solicitation by the port that the search uses. */
static void probed(struct tuple local)
{
	const struct sent *s = next_sent(&r);
	struct ip6 from;

	assert_int_equal(s->door, DOOR_PROBE);
	teredo_link_local(&from, be16(s->p.b + 13 + 16), local);
	assert_memory_equal(s->p.b + 13 + 8, from.b, sizeof(from.b));
	sent_nothing(&r);
	assert_true(status(&r)->wants_probe);
}

/* C70: a search knows nothing of networks: it begins again in the new one. */
static void c70_network_changes(void **state)
{
	(void)state;
	r.conf.client.learn_refresh = true;
	start_client(&r);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	probed(local_at);
	pass(&r, SECONDS(1));
	network(&r, other_local);
	assert_false(status(&r)->wants_probe);
	confirmed_from(other_local);
	probed(other_local);
	/* C68: what is concluded stays so. */
	pass(&r, SECONDS(6));
	forget_log();
	assert_false(status(&r)->wants_probe);
	r.node.client.search.interval = 90;
	pass(&r, SECONDS(5));
	network(&r, local_at);
	confirmed_from(local_at);
	sent_nothing(&r);
	assert_false(status(&r)->wants_probe);
	assert_int_equal(search_interval_s(&r.node.client), 90);
}

/* It goes while the server is silent: that makes it no longer. */
static void test_network_gone_later(void **state)
{
	const struct tuple none = {0, 0};

	(void)state;
	until_sent();
	unanswered(server_at);
	silent_for(SECONDS(50));
	network(&r, none);
	silent_for(SECONDS(9.9));
	is_state(&r, CLIENT_SILENT, WHY_NO_IPV4, 1);
	silent_for(SECONDS(0.1));
	is_state(&r, CLIENT_OFF, WHY_NO_IPV4, 0);
}

/* There is no network, so nobody is asked, whatever is due. */
static void test_network_gone_is_still(void **state)
{
	const struct tuple none = {0, 0};

	(void)state;
	trust_native(&r, native, other_relay_at);
	network(&r, none);
	check_server(&r);
	sent_nothing(&r);
	pass(&r, SECONDS(59));
	sent_nothing(&r);
	is_state(&r, CLIENT_SILENT, WHY_NO_IPV4, 1);
}

/* While the first server is asked, too. */
static void test_network_gone_while_asking(void **state)
{
	const struct tuple none = {0, 0};

	(void)state;
	asked(&r, server_at);
	network(&r, none);
	is_state(&r, CLIENT_OFF, WHY_NO_IPV4, 0);
	server(&r, 0, OTHER, "11.0.0.2");
	pass(&r, SECONDS(600));
	sent_nothing(&r);
	network(&r, local_at);
	asked(&r, other_server_at);
	is_state(&r, CLIENT_ASKING, WHY_START, 0);
}

/* It comes back with a server that is silent: why says what is awaited. */
static void test_network_is_back_why(void **state)
{
	const struct tuple none = {0, 0};

	(void)state;
	network(&r, none);
	pass(&r, SECONDS(2));
	network(&r, local_at);
	asked(&r, server_at);
	assert_int_not_equal(status(&r)->why, WHY_NO_IPV4);
}

/* The machine slept for 90 s: the first call asks. */
static void test_suspend(void **state)
{
	(void)state;
	pass(&r, SECONDS(10));
	r.now += SECONDS(90);
	node_timeout(&r.node, r.now, &r.out);
	rig_flush(&r);
	answers(&r, server_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	sent_nothing(&r);
}

/* The user wants to know. */
static void test_check(void **state)
{
	(void)state;
	pass(&r, SECONDS(3));
	check_server(&r);
	asked(&r, server_at);
	check_server(&r);
	sent_nothing(&r);
	pass(&r, SECONDS(1.5));
	answers(&r, server_at, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* What the limits of a client are, if nothing else is said. */
static void test_defaults(void **state)
{
	const struct client_conf *c = &client_defaults;

	(void)state;
	assert_int_equal(c->mtu, 1280);
	assert_int_equal(c->n_servers, 1);
	assert_int_equal(c->refresh_s, 30);
	assert_int_equal(c->max_peers, 1024);
	assert_int_equal(c->max_held, 256);
	same_rate(c->bubbles, 100, 100);
	same_rate(c->answers, 100, 100);
	same_rate(c->tests, 100, 100);
	same_rate(c->strangers, 20, 20);
	same_rate(c->errors, 100, 100);
}

int main(void)
{
#define PREPARED(f)  cmocka_unit_test_setup_teardown(f, prepared, done)
#define ASKING(f)    cmocka_unit_test_setup_teardown(f, asking, done)
#define QUALIFIED(f) cmocka_unit_test_setup_teardown(f, qualified, done)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_defaults),
		PREPARED(c5_c8_c9_c17_the_way_up),
		QUALIFIED(test_version),
		PREPARED(test_nat_kinds),
		PREPARED(c1_unusable_servers),
		ASKING(c1_address_of_the_name_changes),
		ASKING(c1_same_addresses),
		QUALIFIED(c1_address_of_the_name_changes_later),
		QUALIFIED(c1_told_before_the_silence),
		QUALIFIED(c6_wanted),
		ASKING(c6_unwanted_in_any_state),
		QUALIFIED(c6_why_after_changes),
		ASKING(c11_no_answer),
		ASKING(c19_secondary_silent),
		QUALIFIED(c65_server_falls_silent),
		QUALIFIED(c65_answers_in_time),
		QUALIFIED(c65_peers_without_server),
		QUALIFIED(c65_not_shorter_by_peers),
		PREPARED(c85_in_order),
		PREPARED(c85_first_server),
		PREPARED(c85_late_and_failed_names),
		PREPARED(c85_failover),
		PREPARED(c85_failover_with_new_mapping),
		PREPARED(c85_back_again),
		PREPARED(c85_third_server),
		ASKING(x9_symmetric),
		PREPARED(c18_symmetric_is_off),
		PREPARED(c18_x7_no_sns),
		PREPARED(c18_two_servers_no_flood),
		PREPARED(c18_becomes_symmetric),
		PREPARED(c13_cone),
		ASKING(c12_c60_no_cone_bit),
		PREPARED(c20_flags_are_random),
		PREPARED(c20_flags_are_kept),
		PREPARED(c20_flags_of_the_file),
		ASKING(c21_bad_mappings),
		PREPARED(c21_mapped_to_a_server),
		QUALIFIED(c25_key_ends),
		ASKING(x1_x3_advertisement),
		QUALIFIED(c59_c63_intervals),
		PREPARED(c64_configured),
		QUALIFIED(c29_server_is_heard),
		ASKING(c29_symmetric),
		QUALIFIED(c66_forged),
		QUALIFIED(c66_not_accepted),
		QUALIFIED(c61_checks_again),
		QUALIFIED(c62_mapping_changes),
		QUALIFIED(c62_second_address),
		QUALIFIED(test_network_changes),
		QUALIFIED(test_network_without_server),
		QUALIFIED(test_network_without_server_but_peers),
		QUALIFIED(test_network_gone),
		QUALIFIED(test_network_gone_and_another),
		PREPARED(c70_network_changes),
		QUALIFIED(test_network_gone_later),
		QUALIFIED(test_network_gone_is_still),
		ASKING(test_network_gone_while_asking),
		QUALIFIED(test_network_is_back_why),
		QUALIFIED(test_suspend),
		QUALIFIED(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
