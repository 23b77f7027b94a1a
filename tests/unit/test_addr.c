/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Teredo addresses (4380 §4) and classes of IPv6 addresses. */
#include "addr.h"
#include "rig.h"

#include <string.h>

static const struct vector {
	const char *server;
	uint16_t flags, port;
	const char *ip, *text;
} vectors[] = {
	{"203.0.113.120", 0, 4096, "192.0.2.1",
	 "2001:0:cb00:7178:0:efff:3fff:fdfe"},
	{"198.51.100.118", 0, 8192, "192.0.2.10",
	 "2001:0:c633:6476:0:dfff:3fff:fdf5"},
	{"203.0.113.120", 0, 4095, "198.51.100.118",
	 "2001:0:cb00:7178:0:f000:39cc:9b89"},
	{"203.0.113.120", 0x8000, 4096, "192.0.2.1",
	 "2001:0:cb00:7178:8000:efff:3fff:fdfe"},
	{"203.0.113.120", 0x1467, 4096, "192.0.2.1",
	 "2001:0:cb00:7178:1467:efff:3fff:fdfe"},
};

static void test_vectors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct teredo t = {0x20010000, ip4(v->server), v->flags,
				   at(v->ip, v->port)};
		struct ip6 a, want = ip6(v->text);

		teredo_pack(&a, &t);
		assert_memory_equal(&a, &want, 16);
		t = (struct teredo){0};
		teredo_unpack(&t, &want);
		assert_int_equal(t.prefix, 0x20010000);
		assert_int_equal(t.server, ip4(v->server));
		assert_int_equal(t.flags, v->flags);
		assert_int_equal(t.client.port, v->port);
		assert_int_equal(t.client.ip, ip4(v->ip));
	}
}

/* S25: the server's own one is the first. */
static void s25_link_local_vectors(void **state)
{
	struct ip6 a, want;

	(void)state;
	memset(&a, 0xff, sizeof(a)); /* whatever was there before */
	teredo_link_local(&a, 0x8000, at("203.0.113.120", 3544));
	want = ip6("fe80::8000:f227:34ff:8e87");
	assert_memory_equal(&a, &want, 16);
	teredo_link_local(&a, 0x1467, at("192.168.1.5", 50000));
	want = ip6("fe80::1467:3caf:3f57:fefa");
	assert_memory_equal(&a, &want, 16);
}

/* The constants of the builder are what the texts say. */
static void test_who_is_who(void **state)
{
	(void)state;
	assert_true(same_ip6(client, ta(SERVER, 0, 4096, "11.0.0.5")));
	assert_true(same_ip6(far_client, ta(OTHER, 0, 8192, "11.0.0.6")));
	assert_true(same_ip6(server_ll, ll(0x8000, 3544, SERVER)));
	assert_true(same_ip6(native, ip6("2001:db8::1")));
}

static void test_classes(void **state)
{
	static const struct {
		const char *text;
		bool teredo, global, link_local, multicast, sixtofour;
	} cases[] = {
		{"2001:0:900:2::1", true, true, false, false, false},
		{"2001:1::1", false, true, false, false, false},
		{"2000:ffff::", false, true, false, false, false},
		{"2002:900:2::1", false, true, false, false, true},
		{"3fff:ffff::1", false, true, false, false, false},
		{"4000::1", false, false, false, false, false},
		{"1fff::1", false, false, false, false, false},
		{"fe80::1", false, false, true, false, false},
		{"febf::1", false, false, true, false, false},
		{"fec0::1", false, false, false, false, false},
		{"fe7f::1", false, false, false, false, false},
		{"ff02::1", false, false, false, true, false},
		{"fd00::1", false, false, false, false, false},
		{"::", false, false, false, false, false},
		{"::1", false, false, false, false, false},
		{"::ffff:11.0.0.1", false, false, false, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip6 a = ip6(cases[i].text);

		if (ip6_is_teredo(&a, TEREDO_PREFIX) != cases[i].teredo ||
		    ip6_is_global(&a) != cases[i].global ||
		    ip6_is_link_local(&a) != cases[i].link_local ||
		    ip6_is_multicast(&a) != cases[i].multicast ||
		    ip6_is_6to4(&a) != cases[i].sixtofour)
			fail_msg("%s", cases[i].text);
	}
}

static void test_all_routers(void **state)
{
	struct ip6 a = all_routers;

	(void)state;
	assert_true(ip6_is_all_routers(&a));
	for (unsigned i = 0; i < 16; i++) {
		a.b[i] ^= 1;
		assert_false(ip6_is_all_routers(&a));
		assert_false(ip6_equal(&a, &all_routers));
		a.b[i] ^= 1;
	}
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		uint8_t len;
		const char *a;
		bool in;
	} cases[] = {
		{"::", 0, "ffff::", true},
		{"2001:db8::", 32, "2001:db8:ffff::", true},
		{"2001:db8::", 32, "2001:db9::", false},
		{"2001:db8::", 33, "2001:db8:7fff::", true},
		{"2001:db8::", 33, "2001:db8:8000::", false},
		{"2001:db8::1", 128, "2001:db8::1", true},
		{"2001:db8::1", 128, "2001:db8::", false},
		{"2001:db8::", 127, "2001:db8::1", true},
		{"2001:db8::", 127, "2001:db8::2", false},
		{"8000::", 1, "ffff::", true},
		{"8000::", 1, "7fff::", false},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip6_prefix p = {ip6(cases[i].prefix), cases[i].len};
		struct ip6 a = ip6(cases[i].a);

		if (ip6_in(&a, &p) != cases[i].in)
			fail_msg("%s in %s/%u", cases[i].a, cases[i].prefix,
				 cases[i].len);
	}
}

/* Z36-Z38: where an address leads by way of some tunnel. */
static void z38_embedded(void **state)
{
	static const struct {
		const char *text, *ip;
	} cases[] = {
		{"2002:b00:1::1", "11.0.0.1"},
		{"2002:b00:1:5:6:7:8:9", "11.0.0.1"},
		{"2001:db8::5efe:b00:1", "11.0.0.1"},
		{"2001:db8::200:5efe:b00:1", "11.0.0.1"},
		{"fe80::5efe:b00:1", "11.0.0.1"},
		{"2001:0:900:2:0:efff:f4ff:fffa", "11.0.0.5"},
		{"2001:db8::100:5efe:b00:1", NULL},
		{"2001:db8::5eff:b00:1", NULL},
		{"2001:db8::b00:1", NULL},
		{"2003:b00:1::1", NULL},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip6 a = ip6(cases[i].text);
		uint32_t ip = 0;
		bool found = ip6_embedded(&a, TEREDO_PREFIX, &ip);

		if (found != (cases[i].ip != NULL) ||
		    (found && ip != ip4(cases[i].ip)))
			fail_msg("%s: %d %08x", cases[i].text, found, ip);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(s25_link_local_vectors),
		cmocka_unit_test(test_who_is_who),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_all_routers),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(z38_embedded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
