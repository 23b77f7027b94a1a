/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a configuration and options amount to: the role, and sizes and rates
 * that depend on the memory of the host.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "plan.h"

#define GIB (UINT64_C(1) << 30)

static struct conf c;
static struct options o;
static struct plan p;

static int fresh(void **state)
{
	(void)state;
	conf_defaults(&c);
	o = (struct options){.program = "miredo", .tun_fd = -1};
	return 0;
}

static void relay_on(uint64_t memory)
{
	plan_make(&p, &c, &o, memory, 2);
	assert_true(p.node.is_relay);
}

/* Without anything: the relay of 2004. */
static void test_nothing_is_relay(void **state)
{
	(void)state;
	assert_int_equal(plan_role(&c, &o), ROLE_RELAY);
}

/* First match wins: name or -s, --role, RelayType, a server's name. */
static void test_order_of_roles(void **state)
{
	(void)state;
	c.n_servers = 1;
	assert_int_equal(plan_role(&c, &o), ROLE_CLIENT);
	c.type = TYPE_RELAY;
	o.servers[0] = "teredo.example.net";
	o.n_servers = 1;
	assert_int_equal(plan_role(&c, &o), ROLE_RELAY);
	o.role = "server";
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);
	o.role = "relay";
	o.names_server_addr = true;
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);
	o.names_server_addr = false;
	o.as_server = true;
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);
}

/* What would keep a role from starting is known before the start. */
static void test_what_a_role_needs(void **state)
{
	static struct report r;

	(void)state;
	c.require_secret = CHOICE_YES;
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 0); /* a relay */
	c.type = TYPE_SERVER;
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 2);
	c.server = 0x09000002;
	strcpy(c.secret_file, "/dev/null");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 2); /* none were added */
	strcpy(c.secret_file, "/nowhere/f");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 3);
}

/* C1, C2 */
static void test_what_a_client_needs(void **state)
{
	static struct report r;

	(void)state;
	c.type = TYPE_CLIENT;
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 1); /* no server */
	c.n_servers = 1;
	strcpy(c.servers[0].host, "9.0.0.2");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 1);
	strcpy(c.servers[0].second, "9.0.0.2");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 1);
	assert_int_equal(r.warnings, 1); /* 1.2.6 asked it twice */
	assert_string_equal(c.servers[0].second, "");
	strcpy(c.client_id, "me");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 2);
	strcpy(c.secret_file, "/dev/null");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 2);
	c.client_id[0] = '\0';
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 3);
	strcpy(c.client_id, "me");
	strcpy(c.secret_file, "/nowhere/f");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 4);
	assert_string_equal(r.v[r.n - 1].text,
			    "/nowhere/f: No such file or directory");
}

/* Advice that helps, and all at once. */
static void test_addresses_of_servers(void **state)
{
	static const struct {
		const char *first, *second, *text;
	} cases[] = {
		{"9.0.0.2", "", NULL},
		{"a.test", "", NULL},
		{"10.0.0.1", "", "10.0.0.1 is not a global address: "},
		{"a.test", "10.0.0.1", "10.0.0.1 is not a global address: "},
		{"10.0.0.1", "a.test", "10.0.0.1 is not a global address: "},
		{"9.0.0.2", "127.0.0.1",
		 "127.0.0.1 cannot be the address of a server\n  a server has "
		 "two global unicast addresses"},
		{"9.255.255.255", "",
		 "10.0.0.0 (the one above 9.255.255.255) is not a global "},
		{"223.255.255.255", "",
		 "224.0.0.0 (the one above 223.255.255.255) cannot be the "},
	};
	static struct report r;

	(void)state;
	c.type = TYPE_CLIENT;
	c.n_servers = 1;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = (struct report){0};
		strcpy(c.servers[0].host, cases[i].first);
		strcpy(c.servers[0].second, cases[i].second);
		plan_check(&c, &o, &r);
		assert_int_equal(r.n, cases[i].text != NULL);
		if (cases[i].text)
			assert_memory_equal(r.v[0].text, cases[i].text,
					    strlen(cases[i].text));
	}
	r = (struct report){0};
	strcpy(c.servers[0].host, "10.0.0.1");
	strcpy(c.servers[0].second, "127.0.0.1");
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 2);
	c.type = TYPE_SERVER;
	c.server = 0x0a000001;
	c.server2 = 0x7f000001;
	plan_check(&c, &o, &r);
	assert_int_equal(r.errors, 4);
}

/* 1.2.6 ran with them. */
static void test_mtu_is_brought_within_bounds(void **state)
{
	static struct report r;

	(void)state;
	c.mtu = 1279;
	plan_check(&c, &o, &r);
	assert_int_equal(c.mtu, 1280);
	c.mtu = 9000;
	plan_check(&c, &o, &r);
	assert_int_equal(c.mtu, INNER_MAX);
	assert_int_equal(r.warnings, 2);
	assert_int_equal(r.errors, 0);
	plan_check(&c, &o, &r);
	assert_int_equal(r.n, 2);
}

/* What idles in a laptop is small. */
static void test_client_is_small(void **state)
{
	(void)state;
	c.n_servers = 1;
	plan_make(&p, &c, &o, 24 * GIB, 2);
	assert_true(p.node.is_client);
	assert_false(p.node.is_relay || p.node.is_server);
	assert_in_range(node_memory(&p.node), 1, 1 << 20);
	assert_int_equal(p.node.client.n_servers, 1);
	assert_int_equal(p.node.client.refresh_s, 30);
	assert_int_equal(p.node.client.idle_s, 0);
	c.qualify = DEMAND_ON;
	plan_make(&p, &c, &o, 24 * GIB, 2);
	assert_int_equal(p.node.client.idle_s, 600);
	assert_false(p.node.client.local_discovery ||
		     p.node.client.cone_first || p.node.client.no_symmetric ||
		     p.node.client.no_nonce_ok || p.node.client.learn_refresh);
}

/* 4380 §5.5 */
static void test_auto_is_two(void **state)
{
	(void)state;
	c.n_servers = 1;
	c.type = TYPE_AUTO;
	plan_make(&p, &c, &o, 24 * GIB, 2);
	assert_true(p.node.is_client && p.node.is_relay);
	assert_true(p.node.relay.host_only);
	assert_int_equal(p.node.relay.door, DOOR_SERVICE);
	assert_in_range(node_memory(&p.node), 1, 3 << 19);
}

/* A full table where there is memory: a sixteenth of it at most. */
static void test_peers_by_memory(void **state)
{
	(void)state;
	relay_on(24 * GIB);
	assert_int_equal(p.node.relay.max_peers, 1 << 20);
	assert_in_range(node_memory(&p.node), 1, 96 << 20);
	relay_on(GIB / 2);
	assert_in_range(p.node.relay.max_peers, 4096, (1 << 20) - 1);
	assert_in_range(node_memory(&p.node), 1, GIB / 32);
	relay_on(GIB / 64);
	assert_int_equal(p.node.relay.max_peers, 4096);
	c.max_peers = 100;
	relay_on(24 * GIB);
	assert_int_equal(p.node.relay.max_peers, 100);
}

/* A small table takes fewer newcomers, unless told how many. */
static void test_newcomers_by_table(void **state)
{
	const struct relay_conf *r = &p.node.relay;

	(void)state;
	relay_on(24 * GIB);
	assert_int_equal(r->strangers.per_second, 1000);
	assert_int_equal(r->strangers.burst, 2000);
	assert_int_equal(r->per_source.per_second, 250);
	assert_int_equal(r->answers.per_second, 1000);
	c.max_peers = 16384;
	relay_on(24 * GIB);
	assert_int_equal(r->strangers.per_second, 64);
	assert_int_equal(r->answers.per_second, 64);
	assert_int_equal(r->per_source.per_second, 16);
	c.max_peers = 64;
	relay_on(24 * GIB);
	assert_int_equal(r->strangers.per_second, 1);
	assert_int_equal(r->per_source.per_second, 1);
	c.has_new_peers = true;
	c.new_peers = 5;
	relay_on(24 * GIB);
	assert_int_equal(r->strangers.per_second, 5);
	assert_int_equal(r->per_source.per_second, 2);
	c.new_peers = 0;
	relay_on(24 * GIB);
	assert_int_equal(r->strangers.per_second, 0);
	assert_int_equal(r->per_source.per_second, 0);
}

/* 4380 §5.4.3: one process, one port. */
static void test_both(void **state)
{
	(void)state;
	o.names_server_addr = true;
	c.server = 0x09000002;
	c.relay_too = true;
	relay_on(24 * GIB);
	assert_true(p.node.is_server);
	assert_int_equal(p.node.server.secondary, 0x09000003);
	assert_int_equal(p.node.relay.door, DOOR_PRIMARY);
	assert_int_equal(p.node.relay.server, 0x09000002);
}

static unsigned threads(uint64_t memory, unsigned processors)
{
	plan_make(&p, &c, &o, memory, processors);
	return p.threads;
}

/* One for each processor, but no more than lanes. */
static void test_threads_by_processors(void **state)
{
	(void)state;
	assert_int_equal(threads(24 * GIB, 1), 1);
	assert_int_equal(threads(24 * GIB, 2), 2);
	assert_int_equal(threads(24 * GIB, 3), 3);
	assert_int_equal(threads(24 * GIB, 4), 4);
	assert_int_equal(threads(24 * GIB, 5), 4);
	assert_int_equal(threads(24 * GIB, 1000), 4);
}

/* On a small system memory is dearer than time. */
static void test_threads_by_memory(void **state)
{
	(void)state;
	assert_int_equal(threads(256 << 20, 4), 4);
	assert_int_equal(threads((256 << 20) - 1, 4), 1);
	c.threads = 3; /* but who asks for them gets them */
	assert_int_equal(threads(64 << 20, 4), 3);
	assert_int_equal(threads(24 * GIB, 1), 3);
	c.threads = 1;
	assert_int_equal(threads(24 * GIB, 4), 1);
}

/* There is one of what was passed in. */
static void test_threads_of_passed_descriptors(void **state)
{
	(void)state;
	c.threads = 4;
	o.tun_fd = 0;
	assert_int_equal(threads(24 * GIB, 4), 1);
	o.tun_fd = -1;
	assert_int_equal(threads(24 * GIB, 4), 4);
	o.n_udp = 1;
	assert_int_equal(threads(24 * GIB, 4), 1);
	c.threads = 0;
	assert_int_equal(threads(24 * GIB, 4), 1);
	o.n_udp = 0;
}

/* What was found out at the start stays, whatever is changed. */
static void test_change(void **state)
{
	static const struct secret secret;
	struct conf other;

	(void)state;
	c.n_servers = 2;
	strcpy(c.servers[0].host, "a.test");
	strcpy(c.servers[1].host, "b.test");
	plan_make(&p, &c, &o, GIB, 2);
	p.node.client.secret = &secret;
	p.node.client.has_flags = true;
	p.node.client.flags = 7;
	p.node.client.first_server = 1;
	other = c;
	other.refresh_s = 99;
	strcpy(other.servers[0].host, "b.test");
	strcpy(other.servers[1].host, "c.test");
	other.n_deny = 1;
	plan_change(&p, &other);
	assert_ptr_equal(p.conf, &other);
	assert_int_equal(p.node.client.refresh_s, 99);
	assert_int_equal(p.gate.n_deny, 1);
	assert_ptr_equal(p.node.client.secret, &secret);
	assert_true(p.node.client.has_flags);
	assert_int_equal(p.node.client.flags, 7);
	assert_int_equal(p.node.client.first_server, 0);
}

/* The table is as large as the memory was at the start. */
static void test_change_of_a_relay(void **state)
{
	uint32_t peers;

	(void)state;
	relay_on(GIB / 8);
	peers = p.node.relay.max_peers;
	c.has_new_peers = true;
	c.new_peers = 44;
	plan_change(&p, &c);
	assert_int_equal(p.node.relay.max_peers, peers);
	assert_int_equal(p.node.relay.strangers.per_second, 44);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		T(test_nothing_is_relay),
		T(test_change),
		T(test_change_of_a_relay),
		T(test_order_of_roles),
		T(test_what_a_role_needs),
		T(test_threads_by_processors),
		T(test_threads_by_memory),
		T(test_threads_of_passed_descriptors),
		T(test_peers_by_memory),
		T(test_newcomers_by_table),
		T(test_both),
		T(test_what_a_client_needs),
		T(test_client_is_small),
		T(test_auto_is_two),
		T(test_addresses_of_servers),
		T(test_mtu_is_brought_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
