/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client: what comes in from the IPv4 side. */
#include "recent.h"
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p, q, t;

static const struct tuple relay2 = {0x0b00000a, 41000};
static const struct tuple far_other = {0x0b000006, 9999};

static int qualified(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
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
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
}

static void forget_log(void)
{
	r.first = r.n = 0;
}

static void comes(struct tuple from)
{
	from_ip4(&r, DOOR_SERVICE, from, &q);
}

static unsigned entries(void)
{
	const struct recent *t_ = &r.node.client.recent;

	return t_->n[STANDING_UNTRUSTED] + t_->n[STANDING_TRUSTED] +
	       t_->n[STANDING_ACTIVE];
}

static bool is_trusted(struct ip6 who)
{
	const struct recent *v = &r.node.client.recent;
	uint32_t i = recent_find(v, r.node.client.cur, &who);

	return i != RECENT_NONE && recent_is_trusted(recent_at(v, i));
}

/* Delivered as it is, and nothing else. */
static void delivered(const struct packet *what)
{
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, what);
	sent_nothing(&r);
}

/* ---- C27, X1-X6: the frame ---- */

static void refused(const char *about, enum reason why)
{
	unsigned n = entries();

	r.about = about;
	comes(other_relay_at);
	dropped(&r, why);
	assert_int_equal(entries(), n);
}

/* C27, C39, Z17, Z25: what is no good is dropped before it has any effect. */
static void c27_c39_z17_z25_malformed(void **state)
{
	static const char *const routing[] = {
		"3b000001 00000000", "3b000200 00000000", "3b000401 00000000"};

	(void)state;
	q.n = 0;
	refused("nothing", REASON_TRUNCATED);
	data(&q, native, client);
	cut(&q, 1);
	refused("cut", REASON_TRUNCATED);
	data(&q, native, client);
	q.b[0] = 0x45;
	refused("IPv4 inside", REASON_BAD_VERSION);
	data(&q, native, client);
	add_origin(&q, other_relay_at);
	refused("origin block", REASON_FORGED_BLOCK);
	bubble(&q, native, client);
	add_origin(&q, other_relay_at);
	refused("origin block on a bubble", REASON_FORGED_BLOCK);
	data(&q, native, client);
	add_nonce(&q, "0102030405060708");
	refused("authentication block", REASON_FORGED_BLOCK);
	data(&q, native, client);
	add_origin(&q, other_relay_at);
	add_origin(&q, other_relay_at);
	refused("twice", REASON_BAD_BLOCK);
	data_of(&q, native, client, 1473, 1);
	refused("oversize", REASON_OVERSIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(routing); i++) {
		ip6_with(&q, native, client, 43, routing[i]);
		refused("routing header", REASON_ROUTING);
	}
	ip6_with(&q, native, client, 60, "2b000104 00000000 3b000001 00000000");
	refused("routing header behind options", REASON_ROUTING);
	ip6_with(&q, native, client, 60, "3b010104 00000000");
	refused("extension beyond the end", REASON_TRUNCATED);
	data(&q, native, client);
	add_tail(&q, "4100");
	refused("trailer 41", REASON_TRAILER);
	data(&q, native, client);
	add_tail(&q, "06017f7f00");
	refused("trailer 7f", REASON_TRAILER);
	/* Other servers, and other ports of ours, are strangers. */
	bubble(&q, native, client);
	add_origin(&q, other_relay_at);
	comes(other_server_at);
	dropped(&r, REASON_FORGED_BLOCK);
	comes(second_at);
	dropped(&r, REASON_FORGED_BLOCK);
	comes(at(SERVER, 3545));
	dropped(&r, REASON_FORGED_BLOCK);
	/* Nor may the server itself use this one. */
	data(&q, native, client);
	add_nonce(&q, "0102030405060708");
	comes(server_at);
	dropped(&r, REASON_FORGED_BLOCK);
}

/* X1, X3, X6: others are skipped, and no host sees them. */
static void x1_x3_x6_trailers_of_data(void **state)
{
	static const char *const tails[] = {
		"0604aabbccdd",
		"3f00",
		"8000",
		"c10155",
		"ff",
		"0104",
		"01040102030403080000c0a80105c3500404000000000502c34f"};

	(void)state;
	trust_native(&r, native, other_relay_at);
	for (unsigned i = 0; i < ARRAY_SIZE(tails); i++) {
		r.about = tails[i];
		data(&q, native, client);
		p = q;
		add_tail(&q, tails[i]);
		comes(other_relay_at);
		delivered(&p);
	}
}

/* A39: congestion marks. */
static void a39_ecn(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	data(&q, native, client);
	from_ip4_ecn(&r, DOOR_SERVICE, other_relay_at, 3, &q);
	dropped(&r, REASON_ECN);
	set_ecn(&q, 2);
	from_ip4_ecn(&r, DOOR_SERVICE, other_relay_at, 3, &q);
	set_ecn(&q, 3);
	delivered(&q);
}

/* ---- C28, Z9, Z18: for whom, from whom ---- */

/* C28, Z26, Z39: all 128 bits. */
static void c28_for_us_only(void **state)
{
	static const char *const others[] = {"2001:db8::2", "2001:db8:9::9",
					     "ff02::1", "fe80::1", "::1"};

	(void)state;
	trust_native(&r, native, other_relay_at);
	for (unsigned bit = 0; bit < 128; bit++) {
		struct ip6 to = client;

		to.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		data(&q, native, to);
		comes(other_relay_at);
		dropped(&r, REASON_NOT_OURS);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		data(&q, native, ip6(others[i]));
		comes(other_relay_at);
		dropped(&r, REASON_NOT_OURS);
		bubble(&q, native, ip6(others[i]));
		comes(server_at);
		dropped(&r, REASON_NOT_OURS);
	}
}

/* Z9, Z39: nobody comes from where we are. */
static void z9_z39_outer_source(void **state)
{
	(void)state;
	deny(&r, "11.7.0.0", 16);
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		r.about = bad_ranges[i].name;
		data(&q, native, client);
		comes(at(bad_ranges[i].first, 4000));
		dropped(&r, REASON_SRC_NOT_GLOBAL);
		comes(at(bad_ranges[i].last, 4000));
		dropped(&r, REASON_SRC_NOT_GLOBAL);
	}
	r.about = "own, denied, port 0";
	comes(at("11.7.0.1", 4000));
	dropped(&r, REASON_SRC_DENIED);
	comes(at("11.0.0.9", 0));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	comes(client_at); /* our own mapping */
	dropped(&r, REASON_SRC_OWN);
	data(&q, ta_of(OTHER, client_at), client);
	comes(client_at);
	dropped(&r, REASON_SRC_OWN);
	/* Another port of our NAT is somebody else. */
	data(&q, native, client);
	comes(at("11.0.0.5", 4097));
	ended(&r, REASON_TO_IPV6);
	forget_log();
}

/* Z9, Z18, A51: inner sources that are not to be believed. */
static void z9_z18_inner_source(void **state)
{
	unsigned n = entries();

	(void)state;
	own_ip4(&r, "11.8.0.8", 24);
	for (unsigned i = 0; i < n_impossible_sources; i++) {
		r.about = impossible_sources[i];
		data(&q, ip6(impossible_sources[i]), client);
		comes(other_relay_at);
		dropped(&r, REASON_BAD_SOURCE);
		comes(server_at);
		dropped(&r, REASON_BAD_SOURCE);
		bubble(&q, ip6(impossible_sources[i]), client);
		comes(server_at);
		dropped(&r, REASON_BAD_SOURCE);
	}
	r.about = "our own IPv6 address, our Teredo address";
	data(&q, home, client);
	comes(other_relay_at);
	dropped(&r, REASON_BAD_SOURCE);
	data(&q, client, client);
	comes(other_relay_at);
	dropped(&r, REASON_BAD_SOURCE);
	bubble(&q, client, client);
	comes(server_at);
	dropped(&r, REASON_BAD_SOURCE);
	r.about = "link-local, but not by the server, or no bubble";
	bubble(&q, ip6("fe80::1"), client);
	comes(other_relay_at);
	dropped(&r, REASON_BAD_SOURCE);
	data(&q, ip6("fe80::1"), client);
	comes(server_at);
	dropped(&r, REASON_BAD_SOURCE);
	r.about = "another tunnel of ours";
	data(&q, ip6("2002:b08:8::1"), client);
	comes(other_relay_at);
	dropped(&r, REASON_LOOP);
	assert_int_equal(entries(), n);
	r.about = "another tunnel of others";
	data(&q, ip6("2002:b08:9::1"), client);
	comes(other_relay_at);
	ended(&r, REASON_TO_IPV6);
	forget_log();
}

/* ---- C30: rule 1 ---- */

/* C30, Z13: a trusted peer is believed at its tuple, and moved by none. */
static void c30_z13_at_its_tuple(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	data(&q, native, client);
	comes(other_relay_at);
	delivered(&q);
	/* Another tuple: accepted, tested, not believed. */
	comes(relay2); /* it was tested just now */
	delivered(&q);
	pass(&r, SECONDS(3));
	comes(relay2);
	ended(&r, REASON_TO_IPV6);
	sent_test(&r, server_at, native, &t);
	sent_ip6(&r, &q);
	goes_to(&r, &p, native);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	/* The same address with another port is another tuple. */
	comes(at("11.0.0.9", 40001));
	delivered(&q);
	goes_to(&r, &p, native);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	/* A proof moves it. */
	reply(&q, &t);
	comes(relay2);
	dropped(&r, REASON_TEST_REPLY);
	goes_to(&r, &p, native);
	sent_udp(&r, DOOR_SERVICE, relay2, &p);
}

/* C30, C41: each packet from its tuple keeps it valid, from others none. */
static void c30_c41_refreshes(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	for (int i = 0; i < 5; i++) {
		pass_answered(&r, SECONDS(19), client_at);
		data(&q, native, client);
		comes(other_relay_at);
		delivered(&q);
		goes_to(&r, &p, native);
		ended(&r, REASON_TO_IPV4);
		forget_log();
	}
	for (int i = 0; i < 29; i++) {
		pass_answered(&r, SECONDS(1), client_at);
		comes(relay2);
		ended(&r, REASON_TO_IPV6);
		forget_log();
	}
	pass_answered(&r, SECONDS(1), client_at);
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	forget_log();
}

/* ---- C31, C78-C80: rule 2, the test ---- */

/* C31, Z12: a reply with the nonce, from wherever it comes. */
static void c31_z12_reply(void **state)
{
	(void)state;
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	sent_test(&r, server_at, native, &t);
	/* Nothing else makes the packet leave (C79). */
	data(&q, native, client);
	comes(relay2);
	delivered(&q);
	bubble(&q, native, client);
	comes(relay2);
	dropped(&r, REASON_BUBBLE);
	assert_false(is_trusted(native));
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	sent_nothing(&r);
	assert_true(is_trusted(native));
}

/* C31, C80, Z12, A48: whatever is not the very same nonce. */
static void c31_c80_wrong_replies(void **state)
{
	(void)state;
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &t);
	for (unsigned bit = 0; bit < 128; bit++) {
		reply(&q, &t);
		flip(&q, 48 + bit / 8, (uint8_t)(1 << bit % 8));
		fix_icmp6(&q);
		comes(relay2);
		delivered(&q);
	}
	reply(&q, &t);
	add_bytes(&q, 0, 1);
	q.b[5]++;
	fix_icmp6(&q);
	comes(relay2);
	delivered(&q);
	reply(&q, &t);
	cut(&q, 1);
	q.b[5]--;
	fix_icmp6(&q);
	comes(relay2);
	delivered(&q);
	reply(&q, &t);
	q.b[40] = 128; /* its echo, not its answer */
	fix_icmp6(&q);
	comes(relay2);
	delivered(&q);
	reply(&q, &t);
	q.b[6] = 17;
	comes(relay2);
	delivered(&q);
	reply(&q, &t);
	memcpy(q.b + 8, ip6("2001:db8::2").b, 16); /* of another host */
	fix_icmp6(&q);
	comes(relay2);
	ended(&r, REASON_TO_IPV6);
	forget_log();
	assert_false(is_trusted(native));
	assert_false(is_trusted(ip6("2001:db8::2")));
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
}

/* C80, C40: a reply is consumed, be it the second one. */
static void c80_second_reply(void **state)
{
	struct packet t2;

	(void)state;
	trust_native(&r, native, other_relay_at);
	pass_answered(&r, SECONDS(31), client_at);
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	sent_test(&r, server_at, native, &t);
	sent_test(&r, other_relay_at, native, &t2);
	same_packet(&t2, &t);
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
	comes(other_relay_at);
	dropped(&r, REASON_TEST_REPLY);
	/* By way of another relay it moves nothing any more. */
	comes(relay2);
	assert_int_equal(counted(&r, REASON_TO_IPV6), 0);
	forget_log();
	goes_to(&r, &p, native);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
}

/* C78, Z12: nonces are new for each test, and differ in all their bits. */
static void c78_nonces(void **state)
{
	uint8_t seen[1000][16];
	unsigned ones[128] = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct ip6 who = native;

		put16(who.b + 12, (uint16_t)(1 + i));
		goes_to(&r, &p, who);
		ended(&r, REASON_HELD);
		sent_test(&r, server_at, who, &t);
		memcpy(seen[i], t.b + 48, 16);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(seen[i], seen[k], 8);
		for (int b = 0; b < 128; b++)
			ones[b] += seen[i][b / 8] >> b % 8 & 1;
		reply(&q, &t);
		comes(other_relay_at);
		ended(&r, REASON_TEST_REPLY);
		forget_log();
		pass_answered(&r, SECONDS(0.05), client_at);
	}
	for (int b = 0; b < 128; b++)
		assert_in_range(ones[b], 400, 600);
}

/* C78: repeats of a test are the same question, a new test is another. */
static void c78_repeats(void **state)
{
	struct packet first, later;

	(void)state;
	unsuspecting(&r);
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &first);
	pass(&r, SECONDS(6.5));
	for (int i = 0; i < 3; i++) {
		sent_test(&r, server_at, native, &later);
		same_packet(&later, &first);
	}
	pass(&r, SECONDS(2));
	assert_int_equal(next_sent(&r)->kind, OUT_IP6);
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &later);
	assert_memory_not_equal(later.b + 48, first.b + 48, 16);
	reply(&q, &first);
	comes(other_relay_at);
	delivered(&q);
	assert_false(is_trusted(native));
}

/* ---- C32: rule 3 ---- */

/* C32, C34, X14: from where the address says, with any nonce or none. */
static void c32_c34_x14_matching(void **state)
{
	(void)state;
	bubble(&q, far_client, client);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	again();
	bubble_with(&q, far_client, client, 0x01020304);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	assert_true(is_trusted(far_client));
	again();
	data(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_direct(&r, far_client_at, far_client, NULL); /* R5 */
	sent_ip6(&r, &q);
	assert_true(is_trusted(far_client));
}

/* C32, Z7: an address of no use makes no entry. */
static void c32_z7_not_global(void **state)
{
	(void)state;
	data(&q, ta(OTHER, 0, 4000, "10.0.0.9"), client);
	comes(at("10.0.0.9", 4000));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	data(&q, ta(OTHER, 0, 4000, "192.168.1.9"), client);
	comes(at("192.168.1.9", 4000));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	assert_int_equal(entries(), 0);
	r.node.client.conf.local_discovery = true;
	comes(at("192.168.1.9", 4000));
	dropped(&r, REASON_UNTRUSTED);
	assert_int_equal(entries(), 0);
}

/* C37, X16, A9: what does not match is dropped, and changes nothing. */
static void c37_x16_mismatch(void **state)
{
	static const struct tuple wrong[] = {{0x0b000006, 8193},
					     {0x0b000007, 8192}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		data(&q, far_client, client);
		comes(wrong[i]);
		dropped(&r, REASON_UNTRUSTED);
		bubble(&q, far_client, client);
		comes(wrong[i]);
		dropped(&r, REASON_MISMATCH);
	}
	assert_int_equal(entries(), 0);
	/* X18: zero is no nonce, whether we sent one or not. */
	bubble_with(&q, far_client, client, 0);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	trust_client(&r, far_client, far_client_at);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	goes_to(&r, &p, far_client);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* ---- X15-X18: the nonce ---- */

static uint32_t asks(struct ip6 who, struct tuple where)
{
	unsuspecting(&r);
	goes_to(&r, &p, who);
	ended(&r, REASON_HELD);
	sent_direct(&r, where, who, NULL);
	return sent_indirect(&r, other_server_at, who);
}

/* X15, X17, C42, Z14: the right nonce proves another tuple. */
static void x15_x17_c42_nonce(void **state)
{
	uint32_t nonce = asks(far_client, far_client_at);

	(void)state;
	bubble_with(&q, far_client, client, nonce);
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_other, &p);
	sent_nothing(&r);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_other, &p);
	data(&q, far_client, client);
	comes(far_other);
	delivered(&q);
	/* Its first tuple is believed as well (rule 3), and counts from now. */
	comes(far_client_at);
	delivered(&q);
	goes_to(&r, &p, far_client);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* X5, X15, X16, X18, Z14: what is not the nonce. */
static void x16_x18_z14_wrong_nonces(void **state)
{
	const struct ip6 other = ta(OTHER, 0, 777, "11.0.0.77");
	uint32_t nonce = asks(far_client, far_client_at), others;

	(void)state;
	others = asks(other, at("11.0.0.77", 777));
	assert_int_not_equal(nonce, others);
	for (unsigned bit = 0; bit < 32; bit++) {
		bubble_with(&q, far_client, client, nonce ^ 1u << bit);
		comes(far_other);
		dropped(&r, REASON_MISMATCH);
	}
	bubble_with(&q, far_client, client, 0);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	bubble_with(&q, far_client, client, others);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	bubble_with(&q, far_client, client, nonce);
	cut(&q, 1);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	bubble(&q, far_client, client);
	add_tail(&q, "0106");
	q.n += 4;
	put32(q.b + 42, nonce);
	add_bytes(&q, 0, 2);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	/* The first one counts, and not behind what is broken. */
	bubble_with(&q, far_client, client, nonce ^ 1);
	add_tail(&q, "0104");
	q.n += 4;
	put32(q.b + q.n - 4, nonce);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	/* In data it means nothing (A30). */
	data(&q, far_client, client);
	add_tail(&q, "0104");
	q.n += 4;
	put32(q.b + q.n - 4, nonce);
	comes(far_other);
	dropped(&r, REASON_UNTRUSTED);
	assert_false(is_trusted(far_client));
	assert_int_equal(r.node.client.held.n, 2);
	/* X2, X4: behind an odd trailer, before a broken one. */
	bubble(&q, far_client, client);
	add_tail(&q, "0603aabbcc0104");
	q.n += 4;
	put32(q.b + q.n - 4, nonce);
	add_tail(&q, "0109");
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	next_sent(&r);
	assert_true(is_trusted(far_client));
}

/*
 * X2-X5: a nonce between other trailers, and what is read. '=': that nonce,
 * '1': 11111111, '0': none, 'x': the packet is dropped.
 */
static const struct {
	const char *before, *behind;
	char read;
} among_trailers[] = {
	/* in order; unknown ones of any length are skipped */
	{"0601aa 0104", "", '='},
	{"8003aabbcc 3f00 0104", "0605aabbccddee", '='},
	/* reading ends where something is malformed */
	{"0104", "06", '='},
	{"0104", "0609aa", '='},
	{"0104", "4109", '='},
	{"060aaa 0104", "", '0'},
	{"0107", "", '0'},
	/* of two the first; of a wrong length it is an unknown one */
	{"0104", "010411111111", '='},
	{"010411111111 0104", "", '1'},
	{"0105", "00", '0'},
	{"0105", "00 010411111111", '1'},
	{"0103aabbcc 0104", "", '='},
	/* wherever that is said */
	{"4000 0104", "", 'x'},
	{"0104", "7f01aa", 'x'},
};

static void put_among(unsigned i, uint32_t nonce)
{
	r.about = among_trailers[i].before;
	bubble(&q, far_client, client);
	add_tail(&q, among_trailers[i].before);
	q.n += 4;
	put32(q.b + q.n - 4, nonce);
	add_tail(&q, among_trailers[i].behind);
}

/* X2, X3, X4, X5, X15: in a direct bubble. */
static void x2_x3_x4_x5_direct(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(among_trailers); i++) {
		char read = among_trailers[i].read;

		again();
		put_among(i, asks(far_client, far_client_at));
		comes(far_other);
		ended(&r, read == '='   ? REASON_BUBBLE
			  : read == 'x' ? REASON_TRAILER
					: REASON_MISMATCH);
		assert_int_equal(is_trusted(far_client), read == '=');
		forget_log();
	}
}

/* X2, X3, X4, X5, X13: in an indirect one; the answer shows it. */
static void x2_x3_x4_x5_indirect(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(among_trailers); i++) {
		char read = among_trailers[i].read;

		again();
		put_among(i, 0xa1b2c3d4);
		by_server(&r, &q, far_other);
		if (read == 'x') {
			dropped(&r, REASON_TRAILER);
			continue;
		}
		ended(&r, REASON_BUBBLE);
		sent_direct(&r, far_client_at, far_client,
			    read == '='   ? "a1b2c3d4"
			    : read == '1' ? "11111111"
					  : NULL);
		forget_log();
	}
}

/* X10, X15: a repeat has a new nonce, and the old one is void. */
static void x10_x15_old_nonce(void **state)
{
	uint32_t first = asks(far_client, far_client_at), third;

	(void)state;
	pass(&r, SECONDS(4.6));
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_cookie(&r, other_server_at, far_client);
	sent_direct(&r, far_client_at, far_client, NULL);
	third = sent_indirect(&r, other_server_at, far_client);
	assert_int_not_equal(first, third);
	bubble_with(&q, far_client, client, first);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	bubble_with(&q, far_client, client, third);
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	forget_log();
}

/* X18, Z14: 10^5 guesses move nothing; none is zero. */
static void z14_guesses(void **state)
{
	uint32_t nonce = asks(far_client, far_client_at);

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t guess = i * 2654435761u;

		if (guess == nonce)
			continue;
		bubble_with(&q, far_client, client, guess);
		comes(far_other);
		dropped(&r, REASON_MISMATCH);
	}
	assert_false(is_trusted(far_client));
}

/* 4380 §5.2.3: who has proven itself by the nonce learns where we are. */
static void x15_is_told(void **state)
{
	uint32_t nonce;

	(void)state;
	bubble_with(&q, far_client, client, 0x11223344);
	by_server(&r, &q, far_other);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, "11223344");
	nonce = sent_indirect(&r, other_server_at, far_client);
	pass(&r, SECONDS(2));
	bubble_with(&q, far_client, client, nonce);
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_other, far_client, "11223344");
	sent_nothing(&r);
	/* Once (C56). */
	comes(far_other);
	dropped(&r, REASON_BUBBLE);
}

/* ---- cookies: a 1.2.6 client behind a symmetric NAT ---- */

static struct ip6 second_attempt(void)
{
	struct ip6 cookie;

	asks(far_client, far_client_at);
	pass(&r, SECONDS(2.3));
	sent_direct(&r, far_client_at, far_client, NULL);
	cookie = sent_cookie(&r, other_server_at, far_client);
	sent_nothing(&r);
	return cookie;
}

static void test_cookie(void **state)
{
	struct ip6 cookie = second_attempt();

	(void)state;
	bubble(&q, far_client, cookie);
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_other, &p);
	sent_nothing(&r);
	goes_to(&r, &p, far_client);
	sent_udp(&r, DOOR_SERVICE, far_other, &p);
}

static void test_wrong_cookies(void **state)
{
	const struct ip6 other = ta(OTHER, 0, 777, "11.0.0.77");
	struct ip6 cookie = second_attempt(), wrong;

	(void)state;
	for (unsigned bit = 0; bit < 128; bit++) {
		wrong = cookie;
		wrong.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bubble(&q, far_client, wrong);
		comes(far_other);
		dropped(&r, REASON_NOT_OURS);
	}
	bubble(&q, other, cookie); /* of another peer */
	comes(far_other);
	dropped(&r, REASON_NOT_OURS);
	bubble(&q, native, cookie);
	comes(far_other);
	dropped(&r, REASON_NOT_OURS);
	data(&q, far_client, cookie);
	comes(far_other);
	dropped(&r, REASON_NOT_OURS);
	bubble(&q, far_client, cookie);
	add_tail(&q, "4100");
	comes(far_other);
	dropped(&r, REASON_TRAILER);
	bubble(&q, far_client, cookie);
	comes(server_at);
	dropped(&r, REASON_NOT_OURS);
	bubble(&q, far_client, cookie);
	comes(at("10.0.0.1", 5000));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	assert_false(is_trusted(far_client));
	/* The cookie of an attempt is good until the next. */
	pass(&r, SECONDS(4.6));
	forget_log();
	bubble(&q, far_client, cookie);
	comes(far_other);
	dropped(&r, REASON_NOT_OURS);
	assert_false(is_trusted(far_client));
	pass(&r, SECONDS(5));
	forget_log();
}

static void flow_works(struct ip6 who, struct tuple where)
{
	goes_to(&r, &p, who);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, where, &p);
	data(&q, who, client);
	comes(where);
	delivered(&q);
}

static void start_symmetric(void)
{
	rig_end(&r);
	memset(&r, 0, sizeof(r));
	start_client(&r);
	answers(&r, server_at, client_at);
	answers(&r, second_at, at("11.0.0.5", 4097));
	assert_int_equal(status(&r)->nat, CLIENT_NAT_SYMMETRIC);
}

/* Behind a symmetric NAT a cookie would bring nothing. */
static void test_no_cookie_if_symmetric(void **state)
{
	(void)state;
	start_symmetric();
	asks(far_client, far_client_at);
	pass(&r, SECONDS(2.3));
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
}

/* ---- C33, C40: what the host never sees ---- */

static void c33_c40_control(void **state)
{
	struct tuple from[] = {other_relay_at, server_at};

	(void)state;
	trust_native(&r, native, other_relay_at);
	for (unsigned i = 0; i < ARRAY_SIZE(from); i++) {
		for (unsigned type = 133; type <= 137; type++) {
			icmp6(&q, native, client, (uint8_t)type, 0,
			      "00000000 0000000000000000 00000000");
			set_hops(&q, 255);
			comes(from[i]);
			ended(&r, REASON_CONTROL);
			pass(&r, SECONDS(0.1));
			forget_log();
		}
	}
	assert_int_equal(r.n_ip6, 0);
	icmp6(&q, native, client, 132, 0, "00000000");
	comes(other_relay_at);
	delivered(&q);
	icmp6(&q, native, client, 138, 0, "00000000");
	comes(other_relay_at);
	delivered(&q);
	bubble(&q, native, client);
	comes(other_relay_at);
	dropped(&r, REASON_BUBBLE);
	/* No next header, but a payload: it is no bubble. */
	ip6_with(&q, native, client, 59, "00");
	comes(other_relay_at);
	delivered(&q);
}

/* C40: behind an extension header it is the same. */
static void c40_control_behind_extension(void **state)
{
	static const char *const v[] = {
		"3a000104 00000000 85000000 00000000",
		"3a000104 00000000 86000000 00000000 00000000 00000000",
		("3a000104 00000000 87000000 00000000 00000000 00000000 "
		 "00000000 00000000"),
		"3a000104 00000000 89000000 00000000"};

	(void)state;
	trust_native(&r, native, other_relay_at);
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		r.about = v[i];
		ip6_with(&q, native, client, 60, v[i]);
		set_hops(&q, 255);
		comes(other_relay_at);
		dropped(&r, REASON_CONTROL);
	}
	ip6_with(&q, native, client, 44, "3a000001 01020304 86000000 00000000");
	comes(other_relay_at);
	dropped(&r, REASON_CONTROL);
	ip6_with(&q, native, client, 60, "3a000104 00000000 80000000 00000000");
	comes(other_relay_at);
	delivered(&q);
}

/* C40: it is a matter of ICMPv6 only; a port may begin with any number. */
static void c40_other_protocols(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	for (unsigned high = 133; high <= 137; high++) {
		data(&q, native, client);
		q.b[40] = (uint8_t)high;
		comes(other_relay_at);
		delivered(&q);
	}
}

/* ---- C36, X13, X19: bubbles by the server ---- */

/* C36, X19, X12: both answers to a stranger; bare without a nonce. */
static void c36_x19_answer(void **state)
{
	(void)state;
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
	sent_nothing(&r);
	assert_false(is_trusted(far_client));
	/* To the embedded tuple, not to the origin. */
	again();
	by_server(&r, &q, at("11.0.0.66", 66));
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
	/* Without origin block (a server that has none, A44). */
	again();
	comes(server_at);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
}

/* X11, X13: the last nonce, or none. */
static void x11_x13_nonces(void **state)
{
	(void)state;
	bubble_with(&q, far_client, client, 0xa1b2c3d4);
	by_server(&r, &q, far_client_at);
	sent_direct(&r, far_client_at, far_client, "a1b2c3d4");
	sent_indirect(&r, other_server_at, far_client);
	pass(&r, SECONDS(2));
	bubble_with(&q, far_client, client, 0x01020304);
	by_server(&r, &q, far_client_at);
	sent_direct(&r, far_client_at, far_client, "01020304");
	sent_indirect(&r, other_server_at, far_client);
	/* A direct bubble with a nonce is none of these. */
	bubble_with(&q, far_client, client, 0x99999999);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	pass(&r, SECONDS(2));
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_nothing(&r); /* it is trusted now: X19 */
}

/* X19: a trusted and valid peer is answered at its tuple only. */
static void x19_trusted(void **state)
{
	uint32_t nonce = asks(far_client, far_client_at);

	(void)state;
	bubble_with(&q, far_client, client, nonce);
	comes(far_other);
	forget_log();
	pass(&r, SECONDS(2));
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	sent_direct(&r, far_other, far_client, NULL);
	sent_nothing(&r);
	/* Too soon: nothing is owed to whom we hear. */
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_BUBBLE);
	pass(&r, SECONDS(5));
	sent_nothing(&r);
	/* No longer valid: as at first. */
	pass_answered(&r, SECONDS(30), client_at);
	by_server(&r, &q, far_client_at);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
}

/* X7, X8: without extensions it is a client of 4380 alone. */
static void x7_x8_none(void **state)
{
	const struct recent *v = &r.node.client.recent;

	(void)state;
	r.node.client.conf.extensions = 0;
	/* No nonce goes out, none is kept, and none proves anything. */
	bubble_with(&q, far_client, client, 0xa1b2c3d4);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_nothing(&r);
	again();
	r.node.client.conf.extensions = 0;
	unsuspecting(&r);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_HELD);
	for (int i = 0; i < 4; i++) {
		bubble(&q, client, far_client);
		sent_udp(&r, DOOR_SERVICE, far_client_at, &q);
		sent_udp(&r, DOOR_SERVICE, other_server_at, &q);
		sent_nothing(&r);
		assert_int_equal(recent_at(v, recent_find(v, 0, &far_client))
					 ->nonce_sent,
				 0);
		bubble_with(&q, far_client, client, 0xa1b2c3d4);
		from_ip4(&r, DOOR_SERVICE, far_other, &q);
		dropped(&r, REASON_MISMATCH);
		if (i < 3)
			pass(&r, SECONDS(2.25));
	}
	bubble(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	/* A relay's nonce is not for us. */
	bubble_with(&q, native, client, 0xa1b2c3d4);
	by_server(&r, &q, other_relay_at);
	sent_direct(&r, other_relay_at, native, NULL);
}

/* X7: nonces that were sent before do not prove anything after that. */
static void x7_x15_turned_off(void **state)
{
	uint32_t nonce = asks(far_client, far_client_at);

	(void)state;
	r.node.client.conf.extensions = EXT_ALL & ~EXT_SNS;
	bubble_with(&q, far_client, client, nonce);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	r.node.client.conf.extensions = EXT_SNS;
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	forget_log();
}

/* C36, C56, C57, Z5: once in 2 s, four times in 300 s. */
static void c36_c56_c57_limits(void **state)
{
	uint64_t began = r.now;
	unsigned n = 0;

	(void)state;
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	forget_log();
	/* What comes too soon is answered when it may be: once. */
	for (int i = 0; i < 10; i++) {
		by_server(&r, &q, far_client_at);
		dropped(&r, REASON_BUBBLE);
		pass(&r, SECONDS(0.1));
	}
	pass(&r, SECONDS(1) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
	for (int i = 0; i < 2; i++) {
		pass(&r, SECONDS(2));
		sent_nothing(&r);
		by_server(&r, &q, far_client_at);
		assert_int_equal(r.n - r.first, 2);
		forget_log();
	}
	while (r.now < began + SECONDS(300)) {
		by_server(&r, &q, far_client_at);
		ended(&r, REASON_BUBBLE);
		n += r.n - r.first;
		pass_answered(&r, SECONDS(5), client_at);
		forget_log();
	}
	assert_int_equal(n, 0);
	pass_answered(&r, SECONDS(2), client_at);
	by_server(&r, &q, far_client_at);
	assert_int_equal(r.n - r.first, 2);
	forget_log();
}

/* What is owed is sent, even if the peer has proven itself meanwhile. */
static void c36_a7_owed(void **state)
{
	(void)state;
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	forget_log();
	pass(&r, SECONDS(0.5));
	bubble_with(&q, far_client, client, 0x55667788);
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_BUBBLE);
	bubble(&q, far_client, client);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	pass(&r, SECONDS(1.5) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	sent_direct(&r, far_client_at, far_client, "55667788");
	sent_nothing(&r);
	pass(&r, SECONDS(10));
	sent_nothing(&r);
	/* A packet of its is the sign that it is no longer needed. */
	again();
	bubble(&q, far_client, client);
	by_server(&r, &q, far_client_at);
	forget_log();
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_BUBBLE);
	data(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_TO_IPV6);
	forget_log();
	pass(&r, SECONDS(10));
	sent_nothing(&r);
}

/*
 * Behind a symmetric NAT packets tell the peer nothing; so what is owed is
 * sent, though an effort of our own was under way when the proof came.
 */
static void c36_a7_owed_during_effort(void **state)
{
	(void)state;
	start_symmetric();
	bubble_with(&q, far_client, client, 5);
	by_server(&r, &q, far_client_at);
	forget_log();
	pass(&r, SECONDS(0.5));
	bubble_with(&q, far_client, client, 6);
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_BUBBLE);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_HELD);
	sent_nothing(&r);
	bubble(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	/* C56: two seconds after that packet. */
	pass(&r, SECONDS(2) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	sent_direct(&r, far_client_at, far_client, "00000006");
	sent_nothing(&r);
	flow_works(far_client, far_client_at);
	pass(&r, SECONDS(10));
	sent_nothing(&r);
}

/* Z40: a server of ours is at no address's place, though it sends to us. */
static void z40_server_is_no_peer(void **state)
{
	unsigned n = entries();

	(void)state;
	data(&q, ta(SERVER, 0, 3544, SERVER), client);
	comes(server_at);
	dropped(&r, REASON_UNTRUSTED);
	bubble(&q, ta(SERVER, 0, 3544, SERVER), client);
	comes(second_at);
	dropped(&r, REASON_MISMATCH);
	data(&q, ta(OTHER, 0, 3544, SECOND), client);
	comes(second_at);
	dropped(&r, REASON_UNTRUSTED);
	assert_int_equal(entries(), n);
	/* Another port of it is somebody else, and so is another server. */
	data(&q, ta(OTHER, 0, 3545, SERVER), client);
	comes(at(SERVER, 3545));
	ended(&r, REASON_TO_IPV6);
	forget_log();
	data(&q, ta_of(OTHER, other_server_at), client);
	comes(other_server_at);
	ended(&r, REASON_TO_IPV6);
	forget_log();
	assert_int_equal(entries(), n + 2);
}

/* C36, Z1, Z10, Z40: whom no answer may go to. */
static void c36_z1_z40_refused(void **state)
{
	(void)state;
	deny(&r, "11.7.0.0", 16);
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		struct ip6 a = far_client;

		r.about = bad_ranges[i].name;
		bubble(&q, ta(OTHER, 0, 4000, bad_ranges[i].first), client);
		by_server(&r, &q, far_client_at);
		dropped(&r, REASON_DST_NOT_GLOBAL);
		put32(a.b + 4, ip4(bad_ranges[i].last));
		bubble(&q, a, client);
		by_server(&r, &q, far_client_at);
		dropped(&r, REASON_DST_NOT_GLOBAL);
	}
	r.about = "own, port 0, denied";
	bubble(&q, ta_of(OTHER, client_at), client);
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_DST_OWN);
	bubble(&q, ta(OTHER, 0, 0, "11.0.0.6"), client);
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_DST_NOT_GLOBAL);
	bubble(&q, ta(OTHER, 0, 4000, "11.7.0.1"), client);
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_DST_DENIED);
	bubble(&q, ta("11.7.0.1", 0, 4000, "11.0.0.6"), client);
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_DST_DENIED);
	assert_int_equal(entries(), 0);
	r.about = "our own server as a client";
	bubble(&q, ta(OTHER, 0, 3544, SERVER), client);
	by_server(&r, &q, far_client_at);
	sent_nothing(&r);
}

/* ---- C38, A8, A51: relays ---- */

static void answered_relay(struct ip6 who, struct tuple where)
{
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, where, who, NULL);
	sent_nothing(&r);
}

/* C38, A51: at the origin, whatever the source. */
static void c38_a51_relay(void **state)
{
	(void)state;
	bubble(&q, native, client);
	by_server(&r, &q, other_relay_at);
	answered_relay(native, other_relay_at);
	assert_int_equal(entries(), 0);
	bubble(&q, ip6("fe80::1234"), client);
	by_server(&r, &q, relay2);
	answered_relay(ip6("fe80::1234"), relay2);
	/* X11: with a nonce, as relays of ours send it, the same comes back. */
	bubble_with(&q, native, client, 0x01020304);
	by_server(&r, &q, at("11.0.0.11", 1));
	sent_direct(&r, at("11.0.0.11", 1), native, "01020304");
	sent_nothing(&r);
	/* No origin block, no answer. */
	bubble(&q, native, client);
	comes(server_at);
	dropped(&r, REASON_BUBBLE);
}

/* C38, Z1, Z8: not to an origin that is no good. */
static void c38_bad_origins(void **state)
{
	(void)state;
	deny(&r, "11.7.0.0", 16);
	bubble(&q, native, client);
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		r.about = bad_ranges[i].name;
		by_server(&r, &q, at(bad_ranges[i].first, 5000));
		dropped(&r, REASON_BUBBLE);
		by_server(&r, &q, at(bad_ranges[i].last, 5000));
		dropped(&r, REASON_BUBBLE);
	}
	r.about = "own, denied, port 0";
	by_server(&r, &q, client_at);
	dropped(&r, REASON_BUBBLE);
	by_server(&r, &q, at("11.7.0.1", 5000));
	dropped(&r, REASON_BUBBLE);
	by_server(&r, &q, at("11.0.0.9", 0));
	dropped(&r, REASON_BUBBLE);
}

/* C38, Z5: 2 s, and four in 300 s for each relay, whatever the source. */
static void c38_z5_limits(void **state)
{
	(void)state;
	bubble(&q, native, client);
	by_server(&r, &q, other_relay_at);
	answered_relay(native, other_relay_at);
	pass(&r, SECONDS(2) - 1);
	bubble(&q, ip6("2001:db8::2"), client);
	by_server(&r, &q, other_relay_at);
	dropped(&r, REASON_BUBBLE);
	by_server(&r, &q, relay2); /* another relay is another */
	answered_relay(ip6("2001:db8::2"), relay2);
	by_server(&r, &q, at("11.0.0.9", 40001));
	answered_relay(ip6("2001:db8::2"), at("11.0.0.9", 40001));
	pass(&r, 1);
	for (int i = 0; i < 3; i++) {
		by_server(&r, &q, other_relay_at);
		answered_relay(ip6("2001:db8::2"), other_relay_at);
		pass(&r, SECONDS(2));
	}
	for (int i = 0; i < 140; i++) {
		by_server(&r, &q, other_relay_at);
		dropped(&r, REASON_BUBBLE);
		pass_answered(&r, SECONDS(2), client_at);
	}
	pass_answered(&r, SECONDS(14), client_at);
	by_server(&r, &q, other_relay_at);
	answered_relay(ip6("2001:db8::2"), other_relay_at);
}

/* A8: what comes from the relay's tuple starts the count again. */
static void c38_a8_one_ping_in_40_s(void **state)
{
	(void)state;
	for (int i = 0; i < 23; i++) {
		bubble(&q, native, client);
		by_server(&r, &q, other_relay_at);
		answered_relay(native, other_relay_at);
		echo_request(&q, native, client);
		comes(other_relay_at);
		ended(&r, REASON_TO_IPV6);
		r.about = "ping";
		if (r.n - r.first == 2) { /* not known: tested */
			sent_test(&r, server_at, native, &t);
			sent_ip6(&r, &q);
			reply(&q, &t);
			comes(other_relay_at);
			dropped(&r, REASON_TEST_REPLY);
		}
		forget_log();
		pass_answered(&r, SECONDS(40), client_at);
	}
}

/* A relay that gave us up asks; over the limit, a known one gets a test. */
static void c38_known_relay_over_the_limit(void **state)
{
	struct packet t2;

	(void)state;
	trust_native(&r, native, other_relay_at);
	trust_native(&r, ip6("2001:db8::2"), relay2);
	data(&q, native, client);
	comes(other_relay_at);
	data(&q, ip6("2001:db8::2"), client);
	forget_log();
	comes(relay2);
	forget_log();
	for (int i = 0; i < 4; i++) {
		bubble(&q, ip6("fe80::5"), client);
		by_server(&r, &q, other_relay_at);
		answered_relay(ip6("fe80::5"), other_relay_at);
		pass(&r, SECONDS(2));
	}
	by_server(&r, &q, other_relay_at);
	ended(&r, REASON_BUBBLE);
	sent_test(&r, server_at, native, &t);
	sent_test(&r, other_relay_at, native, &t2);
	sent_nothing(&r);
	by_server(&r, &q, other_relay_at);
	dropped(&r, REASON_BUBBLE);
	pass(&r, SECONDS(2) - 1);
	by_server(&r, &q, other_relay_at);
	dropped(&r, REASON_BUBBLE);
	pass(&r, 1);
	by_server(&r, &q, other_relay_at);
	sent_test(&r, server_at, native, &t);
	sent_test(&r, other_relay_at, native, &t2);
	/* Its answer lifts the limit. */
	reply(&q, &t);
	comes(other_relay_at);
	dropped(&r, REASON_TEST_REPLY);
	pass(&r, SECONDS(2));
	bubble(&q, ip6("fe80::5"), client);
	by_server(&r, &q, other_relay_at);
	answered_relay(ip6("fe80::5"), other_relay_at);
}

/* ---- C37, Z6: strangers ---- */

/* C37, Z6, A9: delivered, tested, not sent to. */
static void c37_z6_stranger(void **state)
{
	(void)state;
	data(&q, native, client);
	comes(relay2);
	ended(&r, REASON_TO_IPV6);
	sent_test(&r, server_at, native, &t);
	sent_ip6(&r, &q);
	sent_nothing(&r);
	assert_false(is_trusted(native));
	goes_to(&r, &p, native);
	ended(&r, REASON_HELD);
	sent_nothing(&r); /* one test in 2 s */
	pass(&r, SECONDS(2) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	sent_test(&r, server_at, native, &t);
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
}

/* Z6: one in 2 s, four in 300 s for each source. */
static void z6_per_source(void **state)
{
	unsigned n = 0;

	(void)state;
	data(&q, native, client);
	for (int i = 0; i < 2900; i++) {
		comes(relay2);
		ended(&r, REASON_TO_IPV6);
		if (r.n - r.first == 2)
			assert_in_range(i, n * 20, n * 20);
		n += r.n - r.first - 1;
		forget_log();
		pass_answered(&r, SECONDS(0.1), client_at);
		if (n == 4)
			r.about = "four";
	}
	assert_int_equal(n, 4);
	pass_answered(&r, SECONDS(15), client_at);
	comes(relay2);
	assert_int_equal(r.n - r.first, 2);
	forget_log();
}

/* Z6: in all, 20 a second, from 10 000 sources. */
static void z6_in_all(void **state)
{
	unsigned before;

	(void)state;
	r.count_only = true;
	before = r.n_udp;
	for (uint32_t i = 0; i < 10000; i++) {
		struct ip6 a = native;

		put32(a.b + 8, i);
		data(&q, a, client);
		comes((struct tuple){0x0c000000 + i, 1024});
		ended(&r, REASON_TO_IPV6);
		r.now += SECONDS(1) / 10000;
	}
	assert_in_range(r.n_udp - before, 20, 40);
	r.count_only = false;
}

/* ---- C35, Z15: the link ---- */

/* C49, Z15: neighbours are nobody without local discovery, or a bubble. */
static void c35_z15_neighbours(void **state)
{
	const struct tuple lan = {0xc0a80107, 50001};

	(void)state;
	data(&q, far_client, client);
	comes(lan);
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	r.node.client.conf.local_discovery = true;
	comes(lan);
	dropped(&r, REASON_UNTRUSTED);
	bubble(&q, far_client, client);
	comes(lan);
	dropped(&r, REASON_MISMATCH);
	comes(at("192.168.2.7", 50001)); /* on no link of ours */
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	assert_int_equal(entries(), 0);
	/* A discovery bubble: where it is, but no trust. */
	bubble(&q, far_client, ip6("ff02::1"));
	set_hops(&q, 1);
	from_ip4(&r, DOOR_DISCOVERY, lan, &q);
	ended(&r, REASON_DISCOVERY);
	sent_direct(&r, lan, far_client, NULL);
	sent_nothing(&r);
	assert_false(is_trusted(far_client));
	data(&q, far_client, client);
	comes(at("192.168.1.8", 50001));
	dropped(&r, REASON_UNTRUSTED);
	comes(at("192.168.1.7", 50002));
	dropped(&r, REASON_UNTRUSTED);
	comes(lan);
	delivered(&q);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, lan, &p);
	/* Native hosts are behind no neighbour. */
	data(&q, native, client);
	comes(lan);
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(2));
	data(&q, native, client);
	comes(relay2);
	sent_test(&r, server_at, native, &t);
	forget_log();
	reply(&q, &t);
	comes(lan);
	dropped(&r, REASON_SRC_NOT_GLOBAL);
}

/* ---- C67, Z21, Z22, Z24: floods ---- */

/* C67, Z21: 10 000 strangers of each kind, while one flow runs. */
static void c67_z21_floods(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	trust_client(&r, far_client, far_client_at);
	flow_works(native, other_relay_at);
	flow_works(far_client, far_client_at);
	r.count_only = true;
	for (uint32_t i = 0; i < 10000; i++) {
		struct tuple from = {0x0c000000 + i, 1024};
		struct ip6 a = native;

		put32(a.b + 8, i + 1);
		data(&q, a, client);
		comes(from);
		data(&q, ta_of(OTHER, from), client);
		comes(from);
		from.port++;
		bubble(&q, ta_of(OTHER, from), client);
		by_server(&r, &q, from);
		assert_in_range(entries(), 1, 1024);
	}
	r.count_only = false;
	flow_works(native, other_relay_at);
	flow_works(far_client, far_client_at);
}

/* Z21: what our host waits for is not pushed out by strangers either. */
static void z21_effort_survives_flood(void **state)
{
	(void)state;
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &t);
	r.count_only = true;
	for (uint32_t i = 0; i < 2000; i++) {
		struct tuple from = {0x0c000000 + i, 1024};
		struct ip6 a = native;

		put32(a.b + 8, i + 1);
		data(&q, a, client);
		comes(from);
	}
	r.count_only = false;
	reply(&q, &t);
	comes(other_relay_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
}

/* Z22: nor is it starved of bubbles by those who want answers. */
static void z22_own_bubbles_not_starved(void **state)
{
	unsigned before = r.n_udp;

	(void)state;
	r.count_only = true;
	for (uint16_t i = 0; i < 300; i++) {
		bubble(&q, native, client);
		by_server(&r, &q, at("12.0.0.1", (uint16_t)(1024 + i)));
		bubble(&q, ta(OTHER, 0, (uint16_t)(1024 + i), "12.0.0.2"),
		       client);
		by_server(&r, &q, at("12.0.0.2", (uint16_t)(1024 + i)));
	}
	r.count_only = false;
	/* Z5: at most so many in all; an attempt is two bubbles. */
	assert_in_range(r.n_udp - before, 50, 200);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_HELD);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_indirect(&r, other_server_at, far_client);
}

/* A40: data of a relay that is our server as well. */
static void a40_combined_server(void **state)
{
	(void)state;
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &t);
	reply(&q, &t);
	comes(server_at);
	ended(&r, REASON_TEST_REPLY);
	sent_udp(&r, DOOR_SERVICE, server_at, &p);
	flow_works(native, server_at);
}

/* Who talks and hears nothing is told that we are here; once in 20 s. */
static void r5_c41_keep_alive(void **state)
{
	(void)state;
	trust_native(&r, native, other_relay_at);
	pass(&r, SECONDS(20) - 1);
	data(&q, native, client);
	comes(other_relay_at);
	delivered(&q);
	pass(&r, 1);
	comes(other_relay_at);
	ended(&r, REASON_TO_IPV6);
	sent_direct(&r, other_relay_at, native, NULL);
	sent_ip6(&r, &q);
	comes(other_relay_at);
	delivered(&q);
	pass_answered(&r, SECONDS(19), client_at);
	comes(other_relay_at);
	delivered(&q);
	/* A client the same, by a bubble of its own; bubbles of its are none.
	 */
	again();
	trust_client(&r, far_client, far_client_at);
	goes_to(&r, &p, far_client);
	forget_log();
	pass(&r, SECONDS(20));
	bubble(&q, far_client, client);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	data(&q, far_client, client);
	comes(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_ip6(&r, &q);
	comes(far_client_at);
	delivered(&q);
}

/* Fifteen bubbles each 100 ms by way of the server: nothing is left to answer
 * more. */
static void bubble_storm(void)
{
	static uint32_t i;
	static struct packet s;

	r.count_only = true;
	for (uint32_t end = i + 15; i < end; i++) {
		const struct tuple from = {0x0c000000 + i, 1024};

		bubble(&s, ta_of(OTHER, from), client);
		by_server(&r, &s, from);
	}
	r.count_only = false;
}

/* Keep-alives in 60 s, while its packets come ten times a second. */
static unsigned keep_alives(struct ip6 who, struct tuple where)
{
	unsigned n = 0;

	for (int i = 0; i < 600; i++) {
		r.now += SECONDS(0.1);
		bubble_storm();
		data(&q, who, client);
		comes(where);
		ended(&r, REASON_TO_IPV6);
		for (; r.first != r.n; r.first++)
			n += r.log[r.first].kind == OUT_UDP &&
			     r.log[r.first].to.ip == where.ip;
		forget_log();
	}
	return n;
}

/* Z5, R5, C41: strangers who want answers do not make us silent to peers. */
static void z5_r5_keep_alives_in_a_storm(void **state)
{
	(void)state;
	unsuspecting(&r);
	trust_native(&r, native, other_relay_at);
	assert_in_range(keep_alives(native, other_relay_at), 2, 3);
	again();
	unsuspecting(&r);
	trust_client(&r, far_client, far_client_at);
	assert_in_range(keep_alives(far_client, far_client_at), 2, 4);
}

/* DOOR_PROBE: nothing is expected there. */
static void c69_other_door(void **state)
{
	(void)state;
	data(&q, native, client);
	from_ip4(&r, DOOR_PROBE, other_relay_at, &q);
	dropped(&r, REASON_NOT_OURS);
	from_ip4(&r, DOOR_DISCOVERY, other_relay_at, &q);
	dropped(&r, REASON_NOT_QUALIFIED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, qualified, done)
	const struct CMUnitTest tests[] = {
		TEST(c27_c39_z17_z25_malformed),
		TEST(x1_x3_x6_trailers_of_data),
		TEST(a39_ecn),
		TEST(c28_for_us_only),
		TEST(z9_z39_outer_source),
		TEST(z9_z18_inner_source),
		TEST(c30_z13_at_its_tuple),
		TEST(c30_c41_refreshes),
		TEST(c31_z12_reply),
		TEST(c31_c80_wrong_replies),
		TEST(c80_second_reply),
		TEST(c78_nonces),
		TEST(c78_repeats),
		TEST(c32_c34_x14_matching),
		TEST(c32_z7_not_global),
		TEST(c37_x16_mismatch),
		TEST(x15_x17_c42_nonce),
		TEST(x16_x18_z14_wrong_nonces),
		TEST(x2_x3_x4_x5_direct),
		TEST(x2_x3_x4_x5_indirect),
		TEST(x10_x15_old_nonce),
		TEST(z14_guesses),
		TEST(x15_is_told),
		TEST(test_cookie),
		TEST(test_wrong_cookies),
		TEST(test_no_cookie_if_symmetric),
		TEST(c33_c40_control),
		TEST(c40_control_behind_extension),
		TEST(c40_other_protocols),
		TEST(c36_x19_answer),
		TEST(x11_x13_nonces),
		TEST(x19_trusted),
		TEST(x7_x8_none),
		TEST(x7_x15_turned_off),
		TEST(c36_c56_c57_limits),
		TEST(c36_a7_owed),
		TEST(c36_a7_owed_during_effort),
		TEST(z40_server_is_no_peer),
		TEST(c36_z1_z40_refused),
		TEST(c38_a51_relay),
		TEST(c38_bad_origins),
		TEST(c38_z5_limits),
		TEST(c38_a8_one_ping_in_40_s),
		TEST(c38_known_relay_over_the_limit),
		TEST(c37_z6_stranger),
		TEST(z6_per_source),
		TEST(z6_in_all),
		TEST(c35_z15_neighbours),
		TEST(c67_z21_floods),
		TEST(z21_effort_survives_flood),
		TEST(z22_own_bubbles_not_starved),
		TEST(a40_combined_server),
		TEST(r5_c41_keep_alive),
		TEST(z5_r5_keep_alives_in_a_storm),
		TEST(c69_other_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
