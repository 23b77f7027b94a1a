/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another configuration at run time: what changes, and that nothing else does:
 * no address, no peer.
 */
#include "contact.h"
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p, q;
static struct gate rules;

static const struct tuple moved_at = {0x0b000005, 4097};

static int fresh(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	return 0;
}

static int qualified(void **state)
{
	fresh(state);
	start_qualified(&r);
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* What r.conf and the rules say now. */
static void reconfigure(void)
{
	node_reconfigure(&r.node, &r.conf, &rules, r.now, &r.out);
	rig_flush(&r);
}

/* The rules as they are. */
static void take_rules(void)
{
	rules = r.node.gate;
}

static void until_sent(void)
{
	while (r.first == r.n)
		pass(&r, node_next(&r.node) - r.now);
}

/* --- relay --- */

static void trust_far_client(void)
{
	data(&p, native, far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, other_server_at, far_client);
	bubble(&q, far_client, home);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

static void relay_keeps_its_peers(void **state)
{
	(void)state;
	start_relay(&r);
	take_rules();
	trust_far_client();
	r.conf.relay.accept_strangers = true;
	r.conf.relay.no_nonces = true;
	r.conf.relay.strangers = (struct rate){1, 2};
	r.conf.relay.answers = (struct rate){3, 4};
	r.conf.relay.per_source = (struct rate){5, 6};
	r.conf.relay.max_peers *= 2; /* at the next start */
	reconfigure();
	same_rate(r.node.relay.conf.strangers, 1, 2);
	same_rate(r.node.relay.conf.answers, 3, 4);
	same_rate(r.node.relay.conf.per_source, 5, 6);
	assert_true(r.node.relay.conf.no_nonces);
	assert_int_equal(r.node.relay.conf.max_peers,
			 r.conf.relay.max_peers / 2);
	data(&p, native, far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	/* Strangers are taken now. */
	data(&q, client, native);
	from_ip4(&r, DOOR_SERVICE, client_at, &q);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
}

/* Who is denied is neither sent to nor heard, whatever was leased. */
static void denied_peers(void **state)
{
	struct lease l;
	uint32_t epoch;

	(void)state;
	start_relay(&r);
	take_rules();
	trust_far_client();
	data(&p, native, far_client);
	assert_true(
		node_lease(&r.node, &l, LEASE_DOWN, (const void *)p.b, r.now));
	epoch = node_epoch(&r.node);
	rules.deny[rules.n_deny++] = (struct ip4_prefix){far_client_at.ip, 32};
	reconfigure();
	assert_int_not_equal(node_epoch(&r.node), epoch);
	from_ip6(&r, &p);
	dropped(&r, REASON_DST_DENIED);
	data(&q, far_client, native);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	dropped(&r, REASON_SRC_DENIED);
	/* And back again: it is the peer that it was. */
	rules.n_deny--;
	reconfigure();
	from_ip6(&r, &p);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

static void served_prefixes(void **state)
{
	(void)state;
	start_relay(&r);
	take_rules();
	trust_far_client();
	r.conf.relay.n_served = 1;
	r.conf.relay.served[0] = (struct ip6_prefix){ip6("2001:db8:7::"), 48};
	reconfigure();
	data(&p, native, far_client);
	from_ip6(&r, &p);
	dropped(&r, REASON_NOT_SERVED);
	r.conf.relay.n_served = 0;
	reconfigure();
	from_ip6(&r, &p);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* What Packet Too Big says is the last that was sent. */
static void too_big(struct packet *in, uint32_t mtu)
{
	const struct sent *s;

	from_ip6(&r, in);
	ended(&r, REASON_TOO_BIG);
	s = next_sent(&r);
	assert_int_equal(s->kind, OUT_IP6);
	assert_int_equal(s->p.b[40], 2);
	assert_int_equal(be32(s->p.b + 44), mtu);
}

/* R23: both ways; no lease that has the old one outlives it. */
static void mtu_of_a_relay(void **state)
{
	uint32_t epoch;
	struct lease l;

	(void)state;
	start_relay(&r);
	take_rules();
	trust_far_client();
	epoch = node_epoch(&r.node);
	r.conf.relay.mtu = 1400;
	reconfigure();
	assert_int_not_equal(node_epoch(&r.node), epoch);
	data_of(&p, native, far_client, 1400, 1);
	from_ip6(&r, &p);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	assert_true(
		node_lease(&r.node, &l, LEASE_DOWN, (const void *)p.b, r.now));
	assert_int_equal(l.mtu, 1400);
	r.conf.relay.mtu = 1300;
	reconfigure();
	too_big(&p, 1300);
}

/* --- server --- */

/* Options are behind 40 bytes of IPv6 and 16 of the advertisement. */
static uint32_t mtu_option(const struct sent *s)
{
	size_t at = s->p.n;

	/* The last of them, eight bytes long. */
	at -= 8;
	assert_int_equal(s->p.b[at], 5);
	return be32(s->p.b + at + 4);
}

static void server_takes_rates_and_rules(void **state)
{
	struct server_conf *c;

	(void)state;
	start_server(&r);
	take_rules();
	r.conf.server.own_clients_only = true;
	r.conf.server.strict_ports = true;
	r.conf.server.mtu = 1400;
	r.conf.server.require_secret = true;
	r.conf.server.per_address = (struct rate){1, 2};
	r.conf.server.per_network = (struct rate){3, 4};
	r.conf.server.primary = 0; /* at the next start */
	reconfigure();
	c = &r.node.server.conf;
	assert_true(c->own_clients_only && c->strict_ports &&
		    c->require_secret);
	same_rate(c->per_address, 1, 2);
	same_rate(c->per_network, 3, 4);
	assert_int_equal(c->primary, server_at.ip);
	rs(&p);
	from_ip4(&r, DOOR_PRIMARY, client_at, &p);
	dropped(&r, REASON_AUTH_MISSING);
	r.conf.server.require_secret = false;
	reconfigure();
	from_ip4(&r, DOOR_PRIMARY, client_at, &p);
	ended(&r, REASON_RA);
	/* S36: it advertises the new MTU. */
	assert_int_equal(mtu_option(next_sent(&r)), 1400);
}

static struct secret secret_of(const char *id, const char *key)
{
	struct secret s = {.algorithm = HMAC_SHA1};

	s.id_len = (uint8_t)strlen(id);
	memcpy(s.id, id, s.id_len);
	s.key_len = (uint8_t)strlen(key);
	memcpy(s.key, key, s.key_len);
	return s;
}

/* S7: by the new ones; and by none, if there are none any more. */
static void server_takes_secrets(void **state)
{
	struct secret old, new;

	(void)state;
	old = secret_of("alice", "old");
	new = secret_of("alice", "new");
	prepare_server(&r);
	r.conf.server.secrets = &old;
	r.conf.server.n_secrets = 1;
	r.conf.server.require_secret = true;
	start(&r);
	take_rules();
	rs(&p);
	add_auth(&p, "alice", "old", "1122334455667788", 0, 20);
	q = p;
	from_ip4(&r, DOOR_PRIMARY, client_at, &p);
	ended(&r, REASON_RA);
	next_sent(&r);
	r.conf.server.secrets = &new;
	reconfigure();
	from_ip4(&r, DOOR_PRIMARY, client_at, &q);
	dropped(&r, REASON_AUTH_FAILED);
	rs(&p);
	add_auth(&p, "alice", "new", "1122334455667788", 0, 20);
	from_ip4(&r, DOOR_PRIMARY, client_at, &p);
	ended(&r, REASON_RA);
	next_sent(&r);
	r.conf.server.secrets = NULL;
	r.conf.server.n_secrets = 0;
	r.conf.server.require_secret = false;
	reconfigure();
	rs(&p);
	from_ip4(&r, DOOR_PRIMARY, client_at, &p);
	ended(&r, REASON_RA);
	next_sent(&r);
}

/* --- client --- */

static void servers(unsigned n, unsigned a, unsigned b)
{
	const unsigned from[CLIENT_SERVERS] = {a, b};

	client_servers(&r.node.client, n, from, r.now, &r.out);
	rig_flush(&r);
}

enum {
	NEW = CLIENT_SERVERS
};

static void same_address(void)
{
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	assert_true(same_ip6(status(&r)->address[0], client));
}

static void client_keeps_its_address(void **state)
{
	uint64_t from;

	(void)state;
	take_rules();
	for (unsigned i = 0; i < 20; i++) {
		r.conf.client.refresh_s = (uint16_t)(20 + i);
		r.conf.client.cone_first = i % 2;
		r.conf.client.no_nonce_ok = i % 2;
		reconfigure();
		same_address();
		sent_nothing(&r);
		assert_int_equal(status(&r)->refresh_s, 20 + i);
	}
	assert_true(r.node.client.qualify.conf.no_nonce_ok);
	assert_true(r.node.client.search.qualify.conf.cone_first);
	/* The server is asked when the new time has come. */
	r.conf.client.refresh_s = 10;
	reconfigure();
	from = r.now;
	until_sent();
	assert_in_range(r.now - from, SECONDS(7.4), SECONDS(10.1));
	answers(&r, server_at, client_at);
	same_address();
}

/* C68, from now on: the second port is qualified at once; C69: and then none of
 * that goes on. */
static void refresh_is_learned(void **state)
{
	(void)state;
	take_rules();
	r.conf.client.learn_refresh = true;
	reconfigure();
	assert_true(status(&r)->wants_probe);
	same_address();
	assert_int_equal(r.log[r.first].door, DOOR_PROBE);
	assert_int_equal(r.log[r.first].to.ip, server_at.ip);
	next_sent(&r);
	reconfigure(); /* the same again is nothing new */
	sent_nothing(&r);
	assert_true(status(&r)->wants_probe);
	r.node.client.search.interval = 100; /* as if it had found that */
	client_check(&r.node.client, r.now, &r.out);
	rig_flush(&r);
	answers(&r, server_at, client_at);
	assert_int_equal(status(&r)->refresh_s, 100);
	r.conf.client.learn_refresh = false;
	reconfigure();
	assert_false(status(&r)->wants_probe);
	assert_int_equal(status(&r)->refresh_s, 30);
	assert_in_range(r.node.client.interval, SECONDS(22.5), SECONDS(30));
	same_address();
	sent_nothing(&r);
}

/* Who is not qualified learns when he is. */
static void refresh_is_learned_later(void **state)
{
	(void)state;
	start_client(&r);
	take_rules();
	r.conf.client.learn_refresh = true;
	reconfigure();
	assert_false(status(&r)->wants_probe);
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	assert_true(status(&r)->wants_probe);
	assert_int_equal(next_sent(&r)->door, DOOR_PROBE);
}

/* C81; what is held was right when it came, and goes as it is. */
static void mtu_of_a_client(void **state)
{
	struct packet held, t;

	(void)state;
	take_rules();
	r.conf.client.mtu = 1400;
	reconfigure();
	data_of(&held, client, native, 1400, 1);
	from_ip6(&r, &held);
	ended(&r, REASON_HELD);
	sent_test(&r, server_at, native, &t);
	r.conf.client.mtu = 1280;
	reconfigure();
	data_of(&p, client, native, 1281, 1);
	too_big(&p, 1280);
	reply(&q, &t);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &held);
	same_address();
}

/* C2: the server is asked at once, with the new one, and the address stays. */
static void client_takes_a_secret(void **state)
{
	const struct secret one = secret_of("alice", "one"),
			    two = secret_of("bob", "two");
	const struct secret *const all[] = {&one, &two, NULL};
	struct frame f;

	(void)state;
	take_rules();
	for (unsigned i = 0; i < 3; i++) {
		const struct sent *s;

		pass(&r, SECONDS(3));
		r.node.client.qualify.key_ends = true;
		r.conf.client.secret = all[i];
		reconfigure();
		same_address();
		assert_false(status(&r)->key_ends);
		s = next_sent(&r);
		assert_int_equal(s->to.ip, server_at.ip);
		assert_int_equal(frame_parse(&f, s->p.b, (uint16_t)s->p.n),
				 REASON_NONE);
		assert_int_equal(f.auth.id_len, all[i] ? all[i]->id_len : 0);
		assert_int_equal(auth_verify(all[i], &f), all[i] != NULL);
		assert_ptr_equal(r.node.client.search.qualify.conf.secret,
				 all[i]);
		/* As if it had answered. */
		r.node.client.qualify.step = QUALIFY_DONE;
		r.node.client.qualify.due = UINT64_MAX;
		reconfigure(); /* the same again is nothing new */
		sent_nothing(&r);
	}
}

static void symmetric_nats(void **state)
{
	(void)state;
	start_client(&r);
	take_rules();
	answers(&r, server_at, client_at);
	answers(&r, second_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	r.conf.client.no_symmetric = true;
	reconfigure();
	assert_int_equal(status(&r)->n, 0);
	assert_int_equal(status(&r)->why, WHY_SYMMETRIC);
	sent_nothing(&r);
	r.conf.client.no_symmetric = false;
	reconfigure();
	until_sent();
	answers(&r, server_at, client_at);
	answers(&r, second_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	/* X7: Extensions says the same in another way. */
	r.conf.client.extensions = EXT_SLR;
	reconfigure();
	assert_int_equal(status(&r)->why, WHY_SYMMETRIC);
	r.conf.client.extensions = EXT_SNS;
	reconfigure();
	until_sent();
	answers(&r, server_at, client_at);
	answers(&r, second_at, moved_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

static void server_in_use_stays(void **state)
{
	(void)state;
	servers(2, NEW, 0); /* one before it */
	same_address();
	assert_int_equal(status(&r)->server, 1);
	server(&r, 0, OTHER, "11.0.0.2");
	same_address();
	sent_nothing(&r);
	servers(1, 1, NEW);
	same_address();
	assert_int_equal(status(&r)->server, 0);
	sent_nothing(&r);
	check_server(&r);
	answers(&r, server_at, client_at);
	same_address();
}

/* The address is kept until the other server has answered, and beside its own
 * for those who know it. */
static void other_server_answers(void)
{
	assert_true(same_ip6(status(&r)->address[0], client));
	answers_as(&r, other_server_at, OTHER, client_at);
	assert_true(same_ip6(status(&r)->address[0], client));
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 2);
	assert_true(same_ip6(status(&r)->address[0], ta_of(OTHER, client_at)));
	assert_true(same_ip6(status(&r)->address[1], client));
}

static void server_in_use_is_removed(void **state)
{
	(void)state;
	servers(2, 0, NEW);
	server(&r, 1, OTHER, "11.0.0.2");
	sent_nothing(&r);
	servers(1, 1, NEW);
	other_server_answers();
}

/* Until the name of another is known, the one that there was is used. */
static void server_in_use_is_replaced(void **state)
{
	(void)state;
	servers(1, NEW, NEW);
	same_address();
	sent_nothing(&r);
	check_server(&r);
	answers(&r, server_at, client_at);
	same_address();
	assert_true(client_is_server(&r.node.client, server_at));
	server(&r, 0, OTHER, "11.0.0.2");
	assert_false(client_is_server(&r.node.client, server_at));
	other_server_answers();
}

/* Two that replace it: the first whose name is known. */
static void first_known_of_the_new(void **state)
{
	(void)state;
	pass(&r, SECONDS(3));
	servers(2, NEW, NEW);
	server(&r, 1, OTHER, "11.0.0.2");
	other_server_answers();
	assert_int_equal(status(&r)->server, 1);
}

/* Before there is an address: what was asked is not asked any more. */
static void server_that_is_asked_is_removed(void **state)
{
	(void)state;
	start_client(&r);
	asked(&r, server_at);
	servers(1, NEW, NEW);
	is_state(&r, CLIENT_RESOLVING, WHY_RESOLVER, 0);
	pass(&r, SECONDS(1.5));
	sent_nothing(&r);
	server(&r, 0, OTHER, "11.0.0.2");
	answers_as(&r, other_server_at, OTHER, client_at);
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* It is silent, and removed; the address goes: nobody is asked at 0.0.0.0. */
static void address_goes_while_none_is_known(void **state)
{
	(void)state;
	servers(1, NEW, NEW);
	until_sent();
	r.count_only = true;
	pass(&r, SECONDS(100));
	r.count_only = false;
	r.first = r.n = 0;
	is_state(&r, CLIENT_RESOLVING, WHY_RESOLVER, 0);
	server(&r, 0, OTHER, "11.0.0.2");
	answers_as(&r, other_server_at, OTHER, client_at);
	answers_as(&r, other_second_at, OTHER, client_at);
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
}

/* A server that is denied now is left like one that is removed. */
static void server_in_use_is_denied(void **state)
{
	(void)state;
	take_rules();
	pass(&r, SECONDS(3));
	servers(2, 0, NEW);
	server(&r, 1, OTHER, "11.0.0.2");
	rules.deny[rules.n_deny++] = (struct ip4_prefix){server_at.ip, 32};
	reconfigure();
	other_server_answers();
}

/* It has another index in what outlives the process, too. */
static void worker_dies_after_that(void **state)
{
	(void)state;
	servers(2, NEW, 0);
	r.conf.client.n_servers = 2;
	die_and_recover(&r);
	assert_int_equal(r.node.client.at, 1);
	network(&r, local_at);
	server(&r, 1, SERVER, SECOND);
	until_sent();
	answers(&r, server_at, client_at);
	same_address();
}

static void probed_host(void **state)
{
	(void)state;
	take_rules();
	r.conf.client.probe = native;
	reconfigure();
	assert_int_equal(r.node.client.probe.state, PROBE_ASKING);
	until_sent();
	sent_test(&r, server_at, native, &p);
	r.conf.client.probe = (struct ip6){0};
	reconfigure();
	assert_int_equal(r.node.client.probe.state, PROBE_UNTRIED);
	same_address();
}

#define TEST(f)   cmocka_unit_test_setup_teardown(f, fresh, done)
#define CLIENT(f) cmocka_unit_test_setup_teardown(f, qualified, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(relay_keeps_its_peers),
		TEST(denied_peers),
		TEST(served_prefixes),
		TEST(mtu_of_a_relay),
		TEST(server_takes_rates_and_rules),
		TEST(server_takes_secrets),
		CLIENT(client_keeps_its_address),
		CLIENT(client_takes_a_secret),
		CLIENT(refresh_is_learned),
		TEST(refresh_is_learned_later),
		CLIENT(mtu_of_a_client),
		TEST(symmetric_nats),
		CLIENT(server_in_use_stays),
		CLIENT(server_in_use_is_removed),
		CLIENT(server_in_use_is_replaced),
		CLIENT(first_known_of_the_new),
		TEST(server_that_is_asked_is_removed),
		CLIENT(address_goes_while_none_is_known),
		CLIENT(server_in_use_is_denied),
		CLIENT(worker_dies_after_that),
		CLIENT(probed_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
