/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one judge of IPv4 addresses: 4380 §5.2.4, 6890, and ourselves. */
#include "gate.h"
#include "rig.h"

#include <string.h>

static struct self self;
static struct gate gate;

static int fresh(void **state)
{
	(void)state;
	memset(&self, 0, sizeof(self));
	gate = (struct gate){
		.self = &self, .prefix = TEREDO_PREFIX, .public_only = true};
	return 0;
}

static void own(const char *ip, uint8_t len)
{
	self.ip4[self.n_ip4].ip = ip4(ip);
	self.ip4[self.n_ip4++].len = len;
}

static enum reason target(uint32_t ip)
{
	return gate_target(&gate, (struct tuple){ip, 4096});
}

static enum reason source(uint32_t ip)
{
	return gate_source(&gate, (struct tuple){ip, 4096});
}

static uint32_t middle(const struct bad_range *b)
{
	return ip4(b->first) + (ip4(b->last) - ip4(b->first)) / 2;
}

/* Z1, S5, S17: first, middle and last address of each range, both ways. */
static void z1_s5_s17_every_range(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		const struct bad_range *b = &bad_ranges[i];
		uint32_t v[] = {ip4(b->first), middle(b), ip4(b->last)};

		for (unsigned k = 0; k < 3; k++) {
			if (target(v[k]) != REASON_DST_NOT_GLOBAL ||
			    source(v[k]) != REASON_SRC_NOT_GLOBAL)
				fail_msg("%s: %08x passes", b->name, v[k]);
		}
	}
}

/* Not one address more is refused. */
static void z1_neighbours_of_ranges_pass(void **state)
{
	static const char *const good[] = {
		"1.0.0.0",        "9.255.255.255",   "11.0.0.0",
		"100.63.255.255", "100.128.0.0",     "126.255.255.255",
		"128.0.0.0",      "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0",      "191.255.255.255",
		"192.0.1.0",      "192.0.1.255",     "192.0.3.0",
		"192.88.98.255",  "192.88.100.0",    "192.167.255.255",
		"192.169.0.0",    "198.17.255.255",  "198.20.0.0",
		"198.51.99.255",  "198.51.101.0",    "203.0.112.255",
		"203.0.114.0",    "223.255.255.255",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		if (target(ip4(good[i])) != REASON_NONE ||
		    source(ip4(good[i])) != REASON_NONE)
			fail_msg("%s is refused", good[i]);
	}
}

/* A35: the extended list can be switched off, the base list can not. */
static void a35_public_only(void **state)
{
	(void)state;
	gate.public_only = false;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		const struct bad_range *b = &bad_ranges[i];
		enum reason want =
			b->extended ? REASON_NONE : REASON_DST_NOT_GLOBAL;

		if (target(ip4(b->first)) != want || target(middle(b)) != want)
			fail_msg("%s", b->name);
	}
}

/* AllowIPv4 opens private networks and those of 6890, nothing else. */
static void test_allow(void **state)
{
	(void)state;
	gate.n_allow = 1;
	gate.allow[0] = (struct ip4_prefix){0, 0};
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		const struct bad_range *b = &bad_ranges[i];
		uint32_t top = ip4(b->first) >> 24;
		bool can = b->extended || top == 10 || top == 172 ||
			   strcmp(b->name, "192.168.0.0/16") == 0;

		if (target(middle(b)) !=
		    (can ? REASON_NONE : REASON_DST_NOT_GLOBAL))
			fail_msg("%s", b->name);
	}
	/* ... and only what is in it. */
	gate.allow[0] = (struct ip4_prefix){ip4("10.1.0.0"), 16};
	assert_int_equal(target(ip4("10.1.255.255")), REASON_NONE);
	assert_int_equal(target(ip4("10.2.0.0")), REASON_DST_NOT_GLOBAL);
}

/* S5, S17: no port, no way. */
static void s5_s17_port_zero(void **state)
{
	(void)state;
	assert_int_equal(gate_target(&gate, at("11.0.0.5", 0)),
			 REASON_DST_NOT_GLOBAL);
	assert_int_equal(gate_source(&gate, at("11.0.0.5", 0)),
			 REASON_SRC_NOT_GLOBAL);
	assert_int_equal(gate_target(&gate, at("11.0.0.5", 1)), REASON_NONE);
	assert_int_equal(gate_source(&gate, at("11.0.0.5", 65535)),
			 REASON_NONE);
}

/* Z8, Z9: nothing to ourselves, nothing from who claims to be us. */
static void z8_z9_own_addresses(void **state)
{
	(void)state;
	own("9.0.0.2", 24);
	own("9.0.0.3", 24);
	own("11.7.7.7", 32); /* public address of a host behind a static NAT */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(target(self.ip4[i].ip), REASON_DST_OWN);
		assert_int_equal(source(self.ip4[i].ip), REASON_SRC_OWN);
	}
	assert_int_equal(target(ip4("9.0.0.4")), REASON_NONE);
	assert_int_equal(target(ip4("11.7.7.6")), REASON_NONE);
}

/* Z2: broadcasts of attached subnets, as soon as they are attached. */
static void z2_broadcasts_follow_addresses(void **state)
{
	static const struct {
		const char *own;
		uint8_t len;
		const char *zeros, *ones;
	} cases[] = {
		{"11.9.8.1", 24, "11.9.8.0", "11.9.8.255"},
		{"11.9.8.1", 25, "11.9.8.0", "11.9.8.127"},
		{"11.9.8.200", 25, "11.9.8.128", "11.9.8.255"},
		{"11.9.8.1", 16, "11.9.0.0", "11.9.255.255"},
		{"11.9.8.2", 30, "11.9.8.0", "11.9.8.3"},
		{"11.9.8.1", 8, "11.0.0.0", "11.255.255.255"},
		{"11.9.8.1", 1, "1.0.0.0", NULL},
	};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		uint32_t ones = ip4(cases[i].ones);
		uint32_t zeros = ip4(cases[i].zeros);

		self.n_ip4 = 0;
		assert_int_equal(target(ones), REASON_NONE);
		assert_int_equal(target(zeros), REASON_NONE);
		own(cases[i].own, cases[i].len);
		assert_int_equal(target(ones), REASON_DST_NOT_GLOBAL);
		assert_int_equal(target(zeros), REASON_DST_NOT_GLOBAL);
		assert_int_equal(source(ones), REASON_SRC_NOT_GLOBAL);
		assert_int_equal(source(zeros), REASON_SRC_NOT_GLOBAL);
		assert_int_equal(target(ones - 1 == ip4(cases[i].own)
						? ones - 2
						: ones - 1),
				 REASON_NONE);
		assert_int_equal(target(ones + 1), REASON_NONE);
	}
	/* 3021: point-to-point links have no broadcast. */
	self.n_ip4 = 0;
	own("11.9.8.2", 31);
	assert_int_equal(target(ip4("11.9.8.3")), REASON_NONE);
	self.n_ip4 = 0;
	own("11.9.8.2", 32);
	assert_int_equal(target(ip4("11.9.8.3")), REASON_NONE);
	assert_int_equal(target(ip4("11.9.8.1")), REASON_NONE);
	/* A length of zero says nothing about a subnet. */
	self.n_ip4 = 0;
	own("11.9.8.2", 0);
	assert_int_equal(target(ip4("11.9.8.3")), REASON_NONE);
}

/* Z42: the operator's list, both ways. */
static void z42_deny(void **state)
{
	(void)state;
	gate.n_deny = 2;
	gate.deny[0] = (struct ip4_prefix){ip4("11.0.5.0"), 24};
	gate.deny[1] = (struct ip4_prefix){ip4("12.0.0.1"), 32};
	assert_int_equal(target(ip4("11.0.5.0")), REASON_DST_DENIED);
	assert_int_equal(target(ip4("11.0.5.255")), REASON_DST_DENIED);
	assert_int_equal(source(ip4("12.0.0.1")), REASON_SRC_DENIED);
	assert_int_equal(target(ip4("12.0.0.1")), REASON_DST_DENIED);
	assert_int_equal(target(ip4("11.0.6.0")), REASON_NONE);
	assert_int_equal(target(ip4("12.0.0.2")), REASON_NONE);
}

/* Z18: who may be the source of an inner packet. */
static void z18_native_sources(void **state)
{
	static const char *const good[] = {
		"2001:db8::1",          "2a00::1", "2002:b00:1::1",
		"2001:db8::5efe:a00:1", "3fff::1",
	};
	struct ip6 a;

	(void)state;
	for (unsigned i = 0; i < n_impossible_sources; i++) {
		a = ip6(impossible_sources[i]);
		if (gate_native_source(&gate, &a) != REASON_BAD_SOURCE)
			fail_msg("%s", impossible_sources[i]);
	}
	a = ip6("fe80::1");
	assert_int_equal(gate_native_source(&gate, &a), REASON_BAD_SOURCE);
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		a = ip6(good[i]);
		if (gate_native_source(&gate, &a) != REASON_NONE)
			fail_msg("%s", good[i]);
	}
}

/* Z18: 6to4 must embed an address that is global here. */
static void z18_6to4_of_every_range(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		struct ip6 a = {{0x20, 2}};

		put32(a.b + 2, middle(&bad_ranges[i]));
		if (gate_native_source(&gate, &a) != REASON_BAD_SOURCE)
			fail_msg("%s", bad_ranges[i].name);
	}
}

/* Z36-Z38: addresses that lead back to this host. */
static void z37_z38_embeds_self(void **state)
{
	static const char *const ours[] = {
		"2002:900:2::1",
		"2002:900:2:ffff::5",
		"2001:db8::5efe:900:2",
		"2001:db8::200:5efe:900:2",
		"2001:0:b00:1:0:efff:f6ff:fffd",
	};
	struct ip6 a;

	(void)state;
	own("9.0.0.2", 24);
	for (unsigned i = 0; i < ARRAY_SIZE(ours); i++) {
		a = ip6(ours[i]);
		if (!gate_embeds_self(&gate, &a))
			fail_msg("%s", ours[i]);
		if (gate_native_source(&gate, &a) != REASON_LOOP)
			fail_msg("%s as a source", ours[i]);
	}
	a = ip6("2002:900:3::1");
	assert_false(gate_embeds_self(&gate, &a));
	assert_false(gate_embeds_self(&gate, &native));
	/* ... unless it is an address of our own. */
	self.ip6[self.n_ip6++] = ip6("2002:900:2::1");
	a = ip6("2002:900:2::1");
	assert_false(gate_embeds_self(&gate, &a));
	assert_int_equal(gate_native_source(&gate, &a), REASON_NONE);
	a = ip6("2002:900:2::2");
	assert_true(gate_embeds_self(&gate, &a));
}

static void test_own_ipv6(void **state)
{
	(void)state;
	assert_false(self_has_ip6(&self, &home));
	self.ip6[0] = native;
	self.ip6[1] = home;
	self.n_ip6 = 2;
	assert_true(self_has_ip6(&self, &home));
	assert_true(self_has_ip6(&self, &native));
	assert_false(self_has_ip6(&self, &client));
}

/* C21: what can be a mapping; one of our own addresses can. */
static void c21_global(void **state)
{
	(void)state;
	own("11.0.0.5", 24);
	gate.mapped = client_at;
	gate.n_deny = 1;
	gate.deny[0] = (struct ip4_prefix){ip4("12.0.0.0"), 8};
	assert_true(gate_is_global(&gate, client_at));
	assert_true(gate_is_global(&gate, at("12.0.0.1", 1)));
	assert_false(gate_is_global(&gate, at("11.0.0.5", 0)));
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		const struct bad_range *b = &bad_ranges[i];

		assert_false(gate_is_global(&gate, at(b->first, 4096)));
		assert_false(gate_is_global(&gate, at(b->last, 4096)));
		gate.public_only = false;
		assert_int_equal(gate_is_global(&gate, at(b->last, 4096)),
				 b->extended);
		gate.public_only = true;
	}
}

/* Z8, Z39: a client's own mapping is one port; its NAT has other hosts. */
static void z8_z39_own_mapping(void **state)
{
	(void)state;
	gate.mapped = client_at;
	assert_int_equal(gate_target(&gate, client_at), REASON_DST_OWN);
	assert_int_equal(gate_source(&gate, client_at), REASON_SRC_OWN);
	assert_int_equal(gate_neighbour(&gate, client_at), REASON_DST_OWN);
	assert_int_equal(gate_target(&gate, at("11.0.0.5", 4097)), REASON_NONE);
	assert_int_equal(gate_source(&gate, at("11.0.0.5", 4097)), REASON_NONE);
	assert_int_equal(gate_target(&gate, at("11.0.0.6", 4096)), REASON_NONE);
	gate.mapped = (struct tuple){0, 0};
	assert_int_equal(gate_target(&gate, client_at), REASON_NONE);
}

static enum reason neighbour(const char *ip)
{
	return gate_neighbour(&gate, at(ip, 50000));
}

/* C49, C73: on a link of ours, whatever addresses that link has. */
static void c49_c73_neighbours(void **state)
{
	static const char *const good[] = {
		"192.168.1.1", "192.168.1.254", "10.1.255.254",
		"11.9.8.6",    "100.64.0.2",    "169.254.7.7",
	};
	static const char *const bad[] = {
		"192.168.0.255", "192.168.2.0", "10.0.255.255",
		"10.2.0.0",      "11.9.8.8",    "127.0.0.2",
		"8.8.8.8",       "224.0.0.253", "239.255.255.255",
	};

	(void)state;
	own("127.0.0.1", 8);
	own("192.168.1.5", 24);
	own("10.1.0.1", 16);
	own("11.9.8.5", 29);
	own("100.64.0.1", 30);
	own("169.254.1.1", 16);
	own("12.0.0.1", 0); /* says nothing about a link */
	own("13.0.0.1", 32);
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		if (neighbour(good[i]) != REASON_NONE)
			fail_msg("%s is no neighbour", good[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		if (neighbour(bad[i]) != REASON_DST_NOT_GLOBAL)
			fail_msg("%s is a neighbour", bad[i]);
	}
	/* 224.0.0.0/4, even where somebody has attached it. */
	own("224.1.1.1", 4);
	assert_int_equal(neighbour("224.0.0.253"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("239.255.255.250"), REASON_DST_NOT_GLOBAL);
	/* Where we are no more. */
	own("14.0.0.1", 24);
	assert_int_equal(neighbour("14.0.0.9"), REASON_NONE);
	self.n_ip4--;
	assert_int_equal(neighbour("14.0.0.9"), REASON_DST_NOT_GLOBAL);
}

/* C73: what a link is, by a mask of the operator's. */
static void c73_netmask(void **state)
{
	(void)state;
	own("127.0.0.1", 8);
	own("192.168.1.5", 24);
	own("12.0.0.1", 0);
	gate.neighbour_len = 16;
	assert_int_equal(neighbour("192.168.77.9"), REASON_NONE);
	assert_int_equal(neighbour("192.168.1.9"), REASON_NONE);
	assert_int_equal(neighbour("192.169.1.9"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("192.168.1.5"), REASON_DST_OWN);
	assert_int_equal(neighbour("192.168.1.255"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("192.168.255.255"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("192.168.0.0"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("127.0.3.4"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("12.0.0.9"), REASON_DST_NOT_GLOBAL);
	gate.neighbour_len = 29;
	assert_int_equal(neighbour("192.168.1.6"), REASON_NONE);
	assert_int_equal(neighbour("192.168.1.7"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("192.168.1.9"), REASON_DST_NOT_GLOBAL);
	gate.neighbour_len = 31;
	assert_int_equal(neighbour("192.168.1.4"), REASON_NONE);
	gate.neighbour_len = 0;
	assert_int_equal(neighbour("192.168.1.9"), REASON_NONE);
	assert_int_equal(neighbour("192.168.77.9"), REASON_DST_NOT_GLOBAL);
	/* For all else subnets are what they are. */
	gate.neighbour_len = 16;
	assert_int_equal(target(ip4("192.168.77.9")), REASON_DST_NOT_GLOBAL);
}

/* C49, Z2, Z8, Z42: somebody on the link, but not everybody, nor ourselves. */
static void c49_z2_z8_z42_no_neighbours(void **state)
{
	(void)state;
	own("192.168.1.5", 24);
	own("192.168.1.6", 24);
	gate.own[0] = ip4("192.168.1.7");
	gate.own[1] = ip4("192.168.1.8");
	gate.n_deny = 1;
	gate.deny[0] = (struct ip4_prefix){ip4("192.168.1.64"), 26};
	for (unsigned i = 5; i < 9; i++)
		assert_int_equal(
			gate_neighbour(&gate,
				       (struct tuple){0xc0a80100 + i, 9}),
			REASON_DST_OWN);
	assert_int_equal(neighbour("192.168.1.255"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("192.168.1.0"), REASON_DST_NOT_GLOBAL);
	assert_int_equal(neighbour("192.168.1.64"), REASON_DST_DENIED);
	assert_int_equal(neighbour("192.168.1.127"), REASON_DST_DENIED);
	assert_int_equal(neighbour("192.168.1.63"), REASON_NONE);
	assert_int_equal(gate_neighbour(&gate, at("192.168.1.9", 0)),
			 REASON_DST_NOT_GLOBAL);
	/* It opens nothing for others. */
	assert_int_equal(target(ip4("192.168.1.63")), REASON_DST_NOT_GLOBAL);
	assert_int_equal(source(ip4("192.168.1.63")), REASON_SRC_NOT_GLOBAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(z1_s5_s17_every_range, fresh),
		cmocka_unit_test_setup(z1_neighbours_of_ranges_pass, fresh),
		cmocka_unit_test_setup(a35_public_only, fresh),
		cmocka_unit_test_setup(test_allow, fresh),
		cmocka_unit_test_setup(s5_s17_port_zero, fresh),
		cmocka_unit_test_setup(z8_z9_own_addresses, fresh),
		cmocka_unit_test_setup(z2_broadcasts_follow_addresses, fresh),
		cmocka_unit_test_setup(z42_deny, fresh),
		cmocka_unit_test_setup(z18_native_sources, fresh),
		cmocka_unit_test_setup(z18_6to4_of_every_range, fresh),
		cmocka_unit_test_setup(z37_z38_embeds_self, fresh),
		cmocka_unit_test_setup(test_own_ipv6, fresh),
		cmocka_unit_test_setup(c21_global, fresh),
		cmocka_unit_test_setup(z8_z39_own_mapping, fresh),
		cmocka_unit_test_setup(c49_c73_neighbours, fresh),
		cmocka_unit_test_setup(c73_netmask, fresh),
		cmocka_unit_test_setup(c49_z2_z8_z42_no_neighbours, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
