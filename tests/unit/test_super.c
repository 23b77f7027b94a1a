/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Super-packets of the tun device, and what is one packet after all. */
#include "super.h"
#include "rig.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIN_PSH = TCP_ACK | TCP_FIN | TCP_PSH
};

static struct packet p, want;
static struct vnet v;
static struct super s;
static uint8_t *exact; /* what is parsed, in memory that ends where it ends */
static size_t exact_n;

static const struct vnet tcp6 = {VNET_NEEDS_CSUM, VNET_TCP6, 60, 100, 40, 16};
static const struct vnet udp6 = {VNET_NEEDS_CSUM, VNET_UDP, 48, 100, 40, 6};
static const struct vnet one_tcp = {VNET_NEEDS_CSUM, VNET_NONE, 60, 0, 40, 16};
static const struct vnet one_udp = {VNET_NEEDS_CSUM, VNET_NONE, 48, 0, 40, 6};

static enum reason parse_n(size_t n)
{
	struct packet whole = p;

	put_front(&whole, &v, sizeof(v));
	free(exact);
	exact = malloc(n ? n : 1);
	assert_non_null(exact);
	memcpy(exact, whole.b, n);
	exact_n = n;
	return super_parse(&s, exact, n);
}

static enum reason parse(void)
{
	return parse_n(p.n + VNET_LEN);
}

static int teardown(void **state)
{
	(void)state;
	free(exact);
	exact = NULL;
	return 0;
}

/* Segment i is `want`, made whole and made of head and payload. */
static void segment_is(unsigned i)
{
	struct packet got;
	const uint8_t *payload;
	size_t len;

	got.n = super_segment(&s, i, got.b);
	same_packet(&got, &want);
	super_heads(&s, i, 1, got.b);
	payload = super_payload(&s, i, &len);
	memcpy(got.b + s.head_len, payload, len);
	got.n = s.head_len + len;
	same_packet(&got, &want);
	assert_in_range((size_t)(payload - exact), VNET_LEN, exact_n - len);
}

/* It is one packet, and stands whole where it was. */
static void single_is_want(void)
{
	struct packet got, untouched;
	size_t len;

	assert_int_equal(parse(), REASON_NONE);
	assert_int_equal(s.kind, SUPER_NONE);
	memset(&got, 0xaa, sizeof(got));
	memset(&untouched, 0xaa, sizeof(untouched));
	super_heads(&s, 0, 1, got.b);
	assert_memory_equal(got.b, untouched.b, sizeof(got.b));
	assert_int_equal(super_count(&s), 1);
	assert_ptr_equal(s.p, exact + VNET_LEN);
	got.n = s.len;
	memcpy(got.b, s.p, s.len);
	same_packet(&got, &want);
	assert_ptr_equal(super_payload(&s, 0, &len), s.p);
	assert_int_equal(len, want.n);
	got.n = super_segment(&s, 0, got.b);
	same_packet(&got, &want);
}

static void super_of(unsigned count)
{
	assert_int_equal(parse(), REASON_NONE);
	assert_int_equal(super_count(&s), count);
}

static void test_tcp(void **state)
{
	(void)state;
	v = tcp6;
	tcp(&p, .seq = 5000, .payload = 250, .partial = true);
	super_of(3);
	assert_int_equal(s.kind, SUPER_TCP);
	assert_int_equal(s.l4, 40);
	assert_int_equal(s.head_len, 60);
	tcp(&want, .seq = 5000, .payload = 100);
	segment_is(0);
	tcp(&want, .seq = 5100, .payload = 100);
	segment_is(1);
	tcp(&want, .seq = 5200, .payload = 50);
	segment_is(2);
}

static void test_last_may_be_full(void **state)
{
	(void)state;
	v = tcp6;
	tcp(&p, .payload = 300, .partial = true);
	super_of(3);
	tcp(&want, .seq = 200, .payload = 100);
	segment_is(2);
	tcp(&p, .payload = 301, .partial = true);
	super_of(4);
	tcp(&want, .seq = 300, .payload = 1);
	segment_is(3);
}

static void test_sequence_numbers_wrap(void **state)
{
	(void)state;
	v = tcp6;
	tcp(&p, .seq = 0xffffffce, .payload = 200, .partial = true);
	super_of(2);
	tcp(&want, .seq = 0xffffffce, .payload = 100);
	segment_is(0);
	/* The stream of build.h does not wrap. */
	assert_int_equal(super_segment(&s, 1, want.b), 160);
	assert_int_equal(be32(want.b + 44), 50);
}

/* Each flag where it belongs, whether or not the kernel says ECN. */
static void test_flags(void **state)
{
	uint8_t flags = TCP_ACK | TCP_FIN | TCP_PSH | TCP_CWR | TCP_ECE;

	(void)state;
	for (int ecn = 0; ecn < 2; ecn++) {
		v = tcp6;
		v.gso_type |= ecn ? VNET_ECN : 0;
		tcp(&p, .payload = 300, .flags = flags, .partial = true);
		super_of(3);
		tcp(&want, .payload = 100,
		    .flags = TCP_ACK | TCP_CWR | TCP_ECE);
		segment_is(0);
		tcp(&want, .seq = 100, .payload = 100,
		    .flags = TCP_ACK | TCP_ECE);
		segment_is(1);
		tcp(&want, .seq = 200, .payload = 100,
		    .flags = FIN_PSH | TCP_ECE);
		segment_is(2);
	}
}

static void test_options(void **state)
{
	const char *stamps = "0101080a 00000001 00000002";

	(void)state;
	v = tcp6;
	tcp(&p, .payload = 150, .options = stamps, .partial = true);
	super_of(2);
	assert_int_equal(s.head_len, 72);
	tcp(&want, .payload = 100, .options = stamps);
	segment_is(0);
	tcp(&want, .seq = 100, .payload = 50, .options = stamps);
	segment_is(1);
}

static void test_udp(void **state)
{
	(void)state;
	v = udp6;
	udp(&p, .payload = 250, .partial = true);
	super_of(3);
	assert_int_equal(s.kind, SUPER_UDP);
	assert_int_equal(s.head_len, 48);
	udp(&want, .payload = 100);
	segment_is(0);
	udp(&want, .seq = 100, .payload = 100);
	segment_is(1);
	udp(&want, .seq = 200, .payload = 50);
	segment_is(2);
}

/* Odd sizes: sums of payloads that begin anywhere. */
static void test_odd_segments(void **state)
{
	(void)state;
	v = udp6;
	v.gso_size = 33;
	udp(&p, .payload = 99, .partial = true);
	super_of(3);
	udp(&want, .seq = 66, .payload = 33);
	segment_is(2);
}

/* A sum of 0 is sent as 0xffff in UDP, as it is in TCP. */
static void test_sum_of_zero(void **state)
{
	(void)state;
	for (int is_udp = 0; is_udp < 2; is_udp++) {
		struct packet parts;
		uint16_t sum;

		v = is_udp ? udp6 : tcp6;
		v.gso_size = 2;
		build_l4((struct segment){.p = &parts, .payload = 2},
			 is_udp ? 17 : 6);
		sum = be16(parts.b + 40 + v.csum_offset);
		build_l4((struct segment){.p = &p,
					  .payload = 4,
					  .partial = true},
			 is_udp ? 17 : 6);
		/* What was missing comes into the payload. */
		sum = (uint16_t)(sum + be16(parts.b + parts.n - 2) +
				 (sum + be16(parts.b + parts.n - 2) > 0xffff));
		put16(p.b + p.n - 4, sum);
		super_of(2);
		super_heads(&s, 0, 1, want.b);
		assert_int_equal(be16(want.b + 40 + v.csum_offset),
				 is_udp ? 0xffff : 0);
	}
}

/* Extension headers are copied; a Routing header has its own destination. */
static void test_extensions(void **state)
{
	const char *routing = "0602000100000000"
			      "200100000b0000010000dffff4fffff9";

	(void)state;
	v = tcp6;
	v.csum_start = 48;
	tcp(&p, .first = NEXT_DSTOPTS, .extensions = "0600010400000000",
	    .payload = 150, .partial = true);
	super_of(2);
	assert_int_equal(s.l4, 48);
	tcp(&want, .first = NEXT_DSTOPTS, .extensions = "0600010400000000",
	    .seq = 100, .payload = 50);
	segment_is(1);
	v.csum_start = 64;
	tcp(&p, .first = NEXT_ROUTING, .extensions = routing, .payload = 150,
	    .last = &far_client, .partial = true);
	super_of(2);
	tcp(&want, .first = NEXT_ROUTING, .extensions = routing, .payload = 100,
	    .last = &far_client);
	segment_is(0);
}

/* Traffic class, flow label and hop limit are those of the whole. */
static void test_ip6_fields_stay(void **state)
{
	static const uint8_t vcf[4] = {0x6b, 0xa5, 0x43, 0x21};

	(void)state;
	v = udp6;
	udp(&p, .payload = 150, .partial = true);
	memcpy(p.b, vcf, 4);
	set_hops(&p, 7);
	super_of(2);
	udp(&want, .seq = 100, .payload = 50);
	memcpy(want.b, vcf, 4);
	set_hops(&want, 7);
	segment_is(1);
}

static void test_heads_stand_together(void **state)
{
	uint8_t heads[4 * 60];

	(void)state;
	v = tcp6;
	tcp(&p, .payload = 350, .partial = true);
	super_of(4);
	memset(heads, 0xee, sizeof(heads));
	super_heads(&s, 1, 2, heads);
	tcp(&want, .seq = 100, .payload = 100);
	assert_memory_equal(heads, want.b, 60);
	tcp(&want, .seq = 200, .payload = 100);
	assert_memory_equal(heads + 60, want.b, 60);
	assert_int_equal(heads[120], 0xee);
}

static void test_plain_packets_pass(void **state)
{
	(void)state;
	v = (struct vnet){.hdr_len = 9, .gso_size = 7, .csum_start = 50000};
	tcp(&p, .payload = 150);
	want = p;
	single_is_want();
	v.flags = 2; /* DATA_VALID */
	single_is_want();
	/* Whatever it is: it is checked later. */
	hex(&p, "45");
	want = p;
	single_is_want();
}

static void test_single_is_finished(void **state)
{
	(void)state;
	v = one_tcp;
	tcp(&p, .payload = 151, .flags = FIN_PSH | TCP_CWR, .partial = true);
	tcp(&want, .payload = 151, .flags = FIN_PSH | TCP_CWR);
	single_is_want();
	v = one_udp;
	udp(&p, .payload = 0, .partial = true);
	udp(&want, .payload = 0);
	single_is_want();
}

static void test_single_sum_of_zero(void **state)
{
	(void)state;
	for (int is_udp = 0; is_udp < 2; is_udp++) {
		struct segment seg = {.p = &p, .payload = 2};
		uint8_t next = is_udp ? 17 : 6;
		uint32_t sum;

		v = is_udp ? one_udp : one_tcp;
		build_l4(seg, next);
		sum = be16(p.b + 40 + v.csum_offset) +
		      (uint32_t)be16(p.b + p.n - 2);
		seg.partial = true;
		build_l4(seg, next);
		put16(p.b + p.n - 2, (uint16_t)(sum + (sum >> 16)));
		want = p;
		put16(want.b + 40 + v.csum_offset, is_udp ? 0xffff : 0);
		single_is_want();
	}
}

/* In a tunnel, the offsets point into what it carries. */
static void test_single_in_a_tunnel(void **state)
{
	struct packet inner, sum;

	(void)state;
	v = one_tcp;
	v.csum_start = 80;
	tcp(&inner, .payload = 20, .partial = true);
	ip6_with(&p, home, client, 41, "");
	want = p;
	memcpy(p.b + 40, inner.b, inner.n);
	tcp(&sum, .payload = 20);
	memcpy(want.b + 40, sum.b, sum.n);
	p.n += inner.n;
	want.n += inner.n;
	single_is_want();
}

/* No more than a segment's payload: nothing to cut, whatever gso_type says. */
static void test_small_super_is_single(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 100; n += 50) {
		v = tcp6;
		v.gso_type |= VNET_ECN;
		tcp(&p, .payload = n, .flags = FIN_PSH | TCP_CWR,
		    .partial = true);
		tcp(&want, .payload = n, .flags = FIN_PSH | TCP_CWR);
		single_is_want();
		v = udp6;
		udp(&p, .payload = n, .partial = true);
		udp(&want, .payload = n);
		single_is_want();
	}
}

static void bad(const char *what)
{
	if (parse() != REASON_BAD_OFFLOAD)
		fail_msg("%s passed", what);
}

static void test_bad_header(void **state)
{
	static const struct {
		const char *name;
		struct vnet tcp;
	} cases[] = {
		{"no checksum", {0, VNET_TCP6, 60, 100, 40, 16}},
		{"only valid", {2, VNET_TCP6, 60, 100, 40, 16}},
		{"IPv4", {1, 1, 60, 100, 40, 16}},
		{"UFO", {1, 3, 60, 100, 40, 16}},
		{"unknown", {1, 6, 60, 100, 40, 16}},
		{"ECN without", {1, VNET_ECN, 60, 100, 40, 16}},
		{"ECN of UDP", {1, VNET_UDP | VNET_ECN, 60, 100, 40, 6}},
		{"no size", {1, VNET_TCP6, 60, 0, 40, 16}},
		{"early start", {1, VNET_TCP6, 60, 100, 39, 16}},
		{"late start", {1, VNET_TCP6, 60, 100, 48, 16}},
		{"start beyond", {1, VNET_TCP6, 60, 100, 50000, 16}},
		{"UDP's offset", {1, VNET_TCP6, 60, 100, 40, 6}},
		{"TCP as UDP", {1, VNET_UDP, 60, 100, 40, 6}},
	};

	(void)state;
	tcp(&p, .payload = 250, .partial = true);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		v = cases[i].tcp;
		bad(cases[i].name);
	}
	v = udp6;
	udp(&p, .payload = 250, .partial = true);
	super_of(3);
	v.csum_offset = 16;
	bad("TCP's offset");
	v = tcp6;
	p.b[52] = 0x50;
	bad("UDP as TCP");
}

/* hdr_len is a hint, and often a wrong one. */
static void test_hdr_len_is_not_used(void **state)
{
	static const uint16_t lens[] = {0, 40, 61, 1000, 65535};

	(void)state;
	v = tcp6;
	tcp(&p, .payload = 150, .partial = true);
	tcp(&want, .seq = 100, .payload = 50);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		v.hdr_len = lens[i];
		super_of(2);
		segment_is(1);
	}
}

static void test_bad_packet(void **state)
{
	(void)state;
	v = tcp6;
	tcp(&p, .payload = 250, .partial = true);
	flip(&p, 0, 0x10);
	bad("version 7");
	flip(&p, 0, 0x10);
	flip(&p, 5, 0x01);
	bad("wrong payload length");
	flip(&p, 5, 0x01);
	flip(&p, 52, 0x10);
	bad("data offset 4");
	p.b[52] = 0xf0;
	super_of(3);
	cut(&p, 211); /* 59 of the 60 bytes that the data offset says */
	p.b[4] = 0;
	p.b[5] = 59;
	bad("options beyond the end");
	udp(&p, .payload = 0);
	cut(&p, 1);
	p.b[5] = 7;
	v = udp6;
	v.gso_size = 1;
	bad("short UDP");
}

/* There is one identifier, one signature; no two packets may have it. */
static void test_bad_extension(void **state)
{
	(void)state;
	v = tcp6;
	v.csum_start = 48;
	tcp(&p, .first = NEXT_DSTOPTS, .extensions = "0600010400000000",
	    .payload = 250, .partial = true);
	super_of(3);
	p.b[6] = NEXT_FRAGMENT;
	put16(p.b + 42, 0);
	bad("fragment");
	v.csum_start = 52;
	tcp(&p, .first = NEXT_AUTH, .extensions = "060100000000000000000001",
	    .payload = 250, .partial = true);
	bad("authentication");
}

static void test_longest_head(void **state)
{
	char options[2 * 256 + 1] = "0618";

	(void)state;
	memset(options + 4, '0', sizeof(options) - 5);
	options[2 * 8 * 0x19] = '\0';
	v = tcp6;
	v.csum_start = 240;
	tcp(&p, .first = NEXT_DSTOPTS, .extensions = options, .payload = 250,
	    .partial = true);
	bad("a head of 260 bytes");
	options[2 * 8 * 0x18] = '\0';
	options[3] = '7';
	v.csum_start = 232;
	tcp(&p, .first = NEXT_DSTOPTS, .extensions = options, .payload = 250,
	    .partial = true);
	super_of(3);
	assert_int_equal(s.head_len, 252);
	tcp(&want, .first = NEXT_DSTOPTS, .extensions = options, .seq = 200,
	    .payload = 50);
	segment_is(2);
}

static void test_bad_single(void **state)
{
	(void)state;
	tcp(&p, .payload = 1, .partial = true);
	v = one_tcp;
	v.csum_start = 38;
	bad("start in the IPv6 header");
	v = one_tcp;
	v.csum_offset = 20;
	bad("field beyond the end");
	v.csum_offset = 19;
	assert_int_equal(parse(), REASON_NONE);
	v.csum_offset = 65535;
	bad("offset beyond 16 bits");
	v = one_tcp;
	v.csum_start = 65535;
	bad("start beyond the end");
}

static void test_short(void **state)
{
	(void)state;
	v = tcp6;
	tcp(&p, .payload = 250, .partial = true);
	for (size_t n = 0; n < p.n + VNET_LEN; n++)
		assert_int_equal(parse_n(n), n < VNET_LEN ? REASON_TRUNCATED
							  : REASON_BAD_OFFLOAD);
	v = one_tcp;
	for (size_t n = 0; n < VNET_LEN + 40 + 18; n++)
		assert_int_equal(parse_n(n), n < VNET_LEN ? REASON_TRUNCATED
							  : REASON_BAD_OFFLOAD);
}

/* The largest packet there is, cut into the smallest. */
static void test_many_segments(void **state)
{
	static uint8_t big[VNET_LEN + 40 + 65535], head[48];
	struct wire_ip6 *ip = (void *)(big + VNET_LEN);
	size_t payload = 65535 - 8, len;

	(void)state;
	v = udp6;
	v.gso_size = 1;
	memcpy(big, &v, sizeof(v));
	wire_put_ip6(ip, 65535, 17, 64, &native, &client);
	assert_int_equal(super_parse(&s, big, sizeof(big)), REASON_NONE);
	assert_int_equal(super_count(&s), payload);
	super_heads(&s, (unsigned)payload - 1, 1, head);
	assert_ptr_equal(super_payload(&s, (unsigned)payload - 1, &len),
			 big + sizeof(big) - 1);
	assert_int_equal(len, 1);
	assert_int_equal(be16(head + 44), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_last_may_be_full),
		cmocka_unit_test(test_sequence_numbers_wrap),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_odd_segments),
		cmocka_unit_test(test_sum_of_zero),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_ip6_fields_stay),
		cmocka_unit_test(test_heads_stand_together),
		cmocka_unit_test(test_plain_packets_pass),
		cmocka_unit_test(test_single_is_finished),
		cmocka_unit_test(test_single_sum_of_zero),
		cmocka_unit_test(test_single_in_a_tunnel),
		cmocka_unit_test(test_small_super_is_single),
		cmocka_unit_test(test_bad_header),
		cmocka_unit_test(test_hdr_len_is_not_used),
		cmocka_unit_test(test_bad_packet),
		cmocka_unit_test(test_bad_extension),
		cmocka_unit_test(test_longest_head),
		cmocka_unit_test(test_bad_single),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_many_segments),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
