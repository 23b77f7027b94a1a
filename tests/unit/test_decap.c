/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the IPv6 side gets of a datagram. */
#include "decap.h"
#include "rig.h"

#include <string.h>

static struct self self;
static struct gate gate;
static struct outbox out;
static struct packet p;

static int fresh(void **state)
{
	(void)state;
	gate = (struct gate){.self = &self, .prefix = TEREDO_PREFIX};
	outbox_init(&out, &gate);
	return 0;
}

static enum reason decap(uint8_t ecn)
{
	struct frame f;

	assert_int_equal(frame_parse(&f, p.b, p.n), REASON_NONE);
	return decapsulate(&f, ecn, &out);
}

static void handed_over(const struct packet *want)
{
	struct packet got = {0};

	assert_int_equal(out.n, 1);
	assert_int_equal(out.v[0].kind, OUT_IP6);
	memcpy(got.b, out.v[0].head, out.v[0].head_len);
	memcpy(got.b + out.v[0].head_len, out.v[0].body, out.v[0].body_len);
	got.n = (size_t)out.v[0].head_len + out.v[0].body_len;
	same_packet(&got, want);
	outbox_clear(&out);
}

/* R26, X6: without blocks before it and bytes behind it. */
static void r26_x6_bare(void **state)
{
	struct packet want;

	(void)state;
	for (uint8_t ecn = 0; ecn < 2; ecn++) {
		data(&p, native, client);
		set_ecn(&p, ecn ? 2 : 0);
		want = p;
		add_bytes(&p, 0xee, 44);
		add_origin(&p, client_at);
		add_nonce(&p, "0102030405060708");
		if (ecn)
			set_ecn(&want, 3);
		assert_int_equal(decap(ecn ? 3 : 0), REASON_TO_IPV6);
		handed_over(&want);
	}
}

/* R27, A39: the whole table of 6040 §4.2; -1 is dropped. */
static void r27_a39_ecn(void **state)
{
	static const int merged[4][4] = {
		/* outer: not-ECT, ECT(1), ECT(0), CE */
		{0, 0, 0, -1}, /* inner not-ECT */
		{1, 1, 1, 3},  /* ECT(1) */
		{2, 1, 2, 3},  /* ECT(0) */
		{3, 3, 3, 3},  /* CE */
	};
	struct packet want;

	(void)state;
	for (uint8_t inner = 0; inner < 4; inner++) {
		for (uint8_t outer = 0; outer < 4; outer++) {
			int m = merged[inner][outer];

			data(&p, native, client);
			p.b[0] = 0x6f; /* traffic class and flow label stay */
			p.b[1] = 0xcf;
			p.b[2] = 0x5a;
			set_ecn(&p, inner);
			want = p;
			if (m < 0) {
				assert_int_equal(decap(outer), REASON_ECN);
				assert_int_equal(out.n, 0);
				continue;
			}
			set_ecn(&want, (uint8_t)m);
			assert_int_equal(decap(outer), REASON_TO_IPV6);
			handed_over(&want);
		}
	}
}

/* What was received is not written over. */
static void test_received_bytes_stay(void **state)
{
	struct packet before;

	(void)state;
	data(&p, native, client);
	set_ecn(&p, 2);
	before = p;
	assert_int_equal(decap(3), REASON_TO_IPV6);
	same_packet(&p, &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(r26_x6_bare, fresh),
		cmocka_unit_test_setup(r27_a39_ecn, fresh),
		cmocka_unit_test_setup(test_received_bytes_stay, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
