/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay, sentence by sentence; ids are those of doc/conformance.md. */
#include "reach.h"
#include "rig.h"

#include <string.h>

static struct rig r;
static struct packet p, q, want;

static const struct tuple via_server = {0x09000002, 3544};
static const struct tuple via_other = {0x0b000001, 3544};

static int fresh(void **state)
{
	(void)state;
	start_relay(&r);
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/*
 * The client of a far server is the usual one here: our own 9.0.0.9 is in one
 * subnet with 9.0.0.2, which is nothing special.
 */
static void goes_in(struct ip6 to)
{
	data(&p, native, to);
	from_ip6(&r, &p);
}

static void comes_back(struct tuple from)
{
	from_ip4(&r, DOOR_SERVICE, from, &q);
}

/* The client has answered a bubble and is trusted; nothing is held. */
static void trust(struct ip6 who, struct tuple where)
{
	goes_in(who);
	ended(&r, REASON_HELD);
	next_sent(&r);
	bubble(&q, who, home);
	comes_back(where);
	ended(&r, REASON_BUBBLE);
	next_sent(&r);
	sent_nothing(&r);
}

/* Data for a trusted client leaves as it is. */
static void flows_to(struct ip6 who, struct tuple where)
{
	goes_in(who);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, where, &p);
}

static uint64_t table_size(void)
{
	const struct peers *t = &r.node.relay.peers;

	return (uint64_t)t->n[ROLL_PROBING] + t->n[ROLL_FAILED] +
	       t->n[ROLL_PROVEN];
}

/* An ICMPv6 error about p, to its sender. */
static void complaint(struct packet *e, uint8_t type, uint8_t code,
		      uint32_t mtu, const struct packet *about)
{
	size_t n = about->n > 1232 ? 1232 : about->n;

	hex(e, "60000000 00003a40"
	       "20010db8 00090000 00000000 00000009"
	       "00000000 00000000 00000000 00000000 00000000 00000000");
	memcpy(e->b + 24, about->b + 8, 16);
	e->b[40] = type;
	e->b[41] = code;
	put32(e->b + 44, mtu);
	memcpy(e->b + 48, about->b, n);
	e->n = 48 + n;
	put16(e->b + 4, (uint16_t)(n + 8));
	fix_icmp6(e);
}

/* ---- R1-R6 ---- */

/* R1: everything leaves by one door. */
static void r1_one_port(void **state)
{
	(void)state;
	for (uint16_t i = 1; i <= 100; i++) {
		struct tuple t = {0x0b010000 + i, i};
		struct ip6 a = ta_of(OTHER, t);

		goes_in(a);
		assert_int_equal(next_sent(&r)->door, DOOR_SERVICE);
		bubble(&q, a, home);
		comes_back(t);
		assert_int_equal(next_sent(&r)->door, DOOR_SERVICE);
		flows_to(a, t);
	}
}

/* R3: only Teredo destinations; others get "no route". */
static void r3_not_teredo(void **state)
{
	static const char *const v[] = {"2001:db8::2", "2001:1::1",
					"2002:b00:5::1", "fe80::1", "::1"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		r.about = v[i];
		goes_in(ip6(v[i]));
		ended(&r, REASON_NOT_TEREDO);
		complaint(&want, 1, 0, 0, &p);
		sent_ip6(&r, &want);
	}
	r.about = "multicast: no error";
	goes_in(ip6("ff0e::1"));
	dropped(&r, REASON_NOT_TEREDO);
	r.about = "no port, no server";
	goes_in(ta(OTHER, 0, 0, "11.0.0.6"));
	dropped(&r, REASON_DST_NOT_GLOBAL);
	goes_in(ta("0.0.0.0", 0, 8192, "11.0.0.6"));
	dropped(&r, REASON_DST_NOT_GLOBAL);
	assert_int_equal(table_size(), 0);
}

/* R3: what is no whole IPv6 packet goes nowhere. */
static void r3_malformed(void **state)
{
	(void)state;
	data(&p, native, far_client);
	cut(&p, 1);
	from_ip6(&r, &p);
	dropped(&r, REASON_TRUNCATED);
	data(&p, native, far_client);
	add_bytes(&p, 0, 1);
	from_ip6(&r, &p);
	dropped(&r, REASON_TRUNCATED);
	data(&p, native, far_client);
	p.b[0] = 0x45;
	from_ip6(&r, &p);
	dropped(&r, REASON_BAD_VERSION);
	p.n = 0;
	from_ip6(&r, &p);
	dropped(&r, REASON_TRUNCATED);
}

static struct tuple in_range(const struct bad_range *b, unsigned step,
			     uint16_t port)
{
	uint32_t first = ip4(b->first), last = ip4(b->last);

	return (struct tuple){first + (last - first) / 2 * step, port};
}

static void refused(struct ip6 to, enum reason why)
{
	goes_in(to);
	dropped(&r, why);
	/* Too big or not: no error, for that would be no silence. */
	data_of(&p, native, to, 1400, 1);
	from_ip6(&r, &p);
	dropped(&r, why);
	assert_int_equal(table_size(), 0);
}

/* R4, Z1, Z30: an embedded address of each range: silence, no entry. */
static void r4_z1_z30_embedded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		r.about = bad_ranges[i].name;
		for (unsigned k = 0; k < 3; k++)
			refused(ta_of(OTHER, in_range(&bad_ranges[i], k, 5)),
				REASON_DST_NOT_GLOBAL);
	}
	r.about = "a broadcast of our subnet";
	refused(ta(OTHER, 0, 4096, "9.0.0.255"), REASON_DST_NOT_GLOBAL);
	refused(ta(OTHER, 0, 4096, "9.0.0.0"), REASON_DST_NOT_GLOBAL);
}

/* R8, Z1: the same for the server field. */
static void r8_z1_server_field(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		r.about = bad_ranges[i].name;
		for (unsigned k = 0; k < 3; k++) {
			struct ip6 a = far_client;

			put32(a.b + 4, in_range(&bad_ranges[i], k, 1).ip);
			refused(a, REASON_DST_NOT_GLOBAL);
		}
	}
	r.about = "our own address, a broadcast";
	refused(ta(RELAY, 0, 8192, "11.0.0.6"), REASON_DST_OWN);
	refused(ta("9.0.0.255", 0, 8192, "11.0.0.6"), REASON_DST_NOT_GLOBAL);
}

/* R5: trusted and heard from less than 30 s ago: at once, to its tuple. */
static void r5_direct(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	flows_to(far_client, far_client_at);
	pass(&r, SECONDS(29.9));
	flows_to(far_client, far_client_at);
	/* Sending does not keep it valid. */
	pass(&r, SECONDS(0.1));
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	flows_to(far_client, far_client_at);
}

/* R5, R18: receiving does. */
static void r5_r18_refresh(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	for (int i = 0; i < 20; i++) {
		pass(&r, SECONDS(29));
		flows_to(far_client, far_client_at);
		data(&q, far_client, native);
		comes_back(far_client_at);
		ended(&r, REASON_TO_IPV6);
		sent_ip6(&r, &q);
	}
}

/* R6, Z20: the cone bit of a destination has no meaning. */
static void r6_z20_cone_bit(void **state)
{
	static const uint16_t flags[] = {0x8000, 0xffff, 0x3cff};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		struct ip6 a = ta(OTHER, flags[i], 8192, "11.0.0.6");

		goes_in(a);
		ended(&r, REASON_HELD);
		sent_bubble(&r, via_other, a);
	}
}

/* ---- R7-R14: the bubble procedure ---- */

/* R7: one indirect bubble through the client's server, the packet waits. */
static void r7_indirect_bubble(void **state)
{
	const struct peer *e;

	(void)state;
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	sent_nothing(&r);
	assert_int_equal(table_size(), 1);
	e = peers_at(&r.node.relay.peers,
		     peers_find(&r.node.relay.peers, &far_client));
	assert_int_equal(e->roll, ROLL_PROBING);
	/* More packets, no more bubbles. */
	goes_in(far_client);
	dropped(&r, REASON_HELD);
}

/* R7, R32 off: the bubble of 40 bytes, byte for byte. */
static void r7_r32_plain_bubble(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.no_nonces = true;
	start(&r);
	goes_in(far_client);
	hex(&want, "60000000 00003b40"
		   "20010db8 00090000 00000000 00000009"
		   "20010000 0b000001 0000dfff f4fffff9");
	sent_udp(&r, DOOR_SERVICE, via_other, &want);
	rig_end(&r);
}

/* R9: at 0, 2.2, 4.4 and 6.6 s, then none for 25 s. */
static void r9_repeats(void **state)
{
	uint64_t last = 0, start_ = r.now;

	(void)state;
	goes_in(far_client);
	pass(&r, SECONDS(8));
	for (int i = 0; i < 4; i++) {
		uint64_t when = r.log[r.first].when;

		sent_bubble(&r, via_other, far_client);
		if (i == 0)
			assert_int_equal(when, start_);
		else /* A7: 2 s and 50 to 250 ms */
			assert_in_range(when - last, SECONDS(2.05),
					SECONDS(2.25));
		last = when;
	}
	sent_nothing(&r);
	/* ... but for the error when it has failed (R24). */
	pass(&r, SECONDS(2));
	complaint(&want, 1, 3, 0, &p);
	assert_in_range(r.log[r.first].when - last, SECONDS(2.05),
			SECONDS(2.25));
	sent_ip6(&r, &want);
	pass(&r, SECONDS(25));
	sent_nothing(&r);
}

/* R9: the waits are spread, so that relays do not march in step. */
static void r9_spread(void **state)
{
	uint64_t first_wait = 0;
	bool differs = false;

	(void)state;
	for (uint16_t i = 1; i < 20; i++) {
		struct ip6 a = ta(OTHER, 0, i, "11.0.0.6");
		const struct peer *e;

		goes_in(a);
		next_sent(&r);
		e = peers_at(&r.node.relay.peers,
			     peers_find(&r.node.relay.peers, &a));
		assert_in_range(e->due - r.now, SECONDS(2.05), SECONDS(2.25));
		if (first_wait == 0)
			first_wait = e->due - r.now;
		differs |= e->due - r.now != first_wait;
	}
	assert_true(differs);
}

/* A new nonce for each bubble (R32). */
static void r32_fresh_nonces(void **state)
{
	uint32_t seen[4];

	(void)state;
	goes_in(far_client);
	pass(&r, SECONDS(8));
	for (int i = 0; i < 4; i++) {
		seen[i] = sent_bubble(&r, via_other, far_client);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(seen[i], seen[k]);
	}
}

static void fail_procedure(void)
{
	goes_in(far_client);
	ended(&r, REASON_HELD);
	pass(&r, SECONDS(9));
	for (int i = 0; i < 4; i++)
		sent_bubble(&r, via_other, far_client);
	complaint(&want, 1, 3, 0, &p);
	sent_ip6(&r, &want);
	sent_nothing(&r);
	assert_int_equal(counted(&r, REASON_UNREACHABLE),
			 r.before.n[REASON_UNREACHABLE] + 1);
}

/* R10, R24: for 30 s packets are answered by an error, and no bubble. */
static void r10_r24_tombstone(void **state)
{
	uint64_t failed;

	(void)state;
	fail_procedure();
	failed = r.log[r.first - 1].when;
	while (r.now + SECONDS(1) < failed + SECONDS(30)) {
		pass(&r, SECONDS(1));
		goes_in(far_client);
		ended(&r, REASON_UNREACHABLE);
		complaint(&want, 1, 3, 0, &p);
		sent_ip6(&r, &want);
	}
	r.now = failed + SECONDS(30) - 1;
	goes_in(far_client);
	ended(&r, REASON_UNREACHABLE);
	next_sent(&r);
	/* Then one new procedure, whether or not the entry was swept away. */
	r.now++;
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
}

/*
 * A33: who has answered before is no stranger: it is asked for as long as there
 * are packets for it, at the pace of repeats, and is found when it is back.
 */
static void r10_a33_known_client(void **state)
{
	uint64_t last = 0;
	unsigned errors = 0;

	(void)state;
	trust(far_client, far_client_at);
	pass(&r, SECONDS(60));
	for (int i = 0; i < 90 * 2; i++) {
		goes_in(far_client);
		ended(&r, REASON_HELD);
		for (; r.first != r.n;) {
			uint64_t when = r.log[r.first].when;

			if (r.log[r.first].kind == OUT_IP6) {
				next_sent(&r);
				errors++;
				continue;
			}
			sent_bubble(&r, via_other, far_client);
			if (last)
				assert_in_range(when - last, SECONDS(2.05),
						SECONDS(2.75));
			last = when;
		}
		pass(&r, SECONDS(0.5));
		if (r.first != r.n && r.log[r.first].kind == OUT_UDP) {
			if (last)
				assert_in_range(r.log[r.first].when - last,
						SECONDS(2.05), SECONDS(2.75));
			last = r.log[r.first].when;
			sent_bubble(&r, via_other, far_client);
		}
		while (r.first != r.n) {
			assert_int_equal(next_sent(&r)->kind, OUT_IP6);
			errors++;
		}
	}
	assert_in_range(errors, 40, 100);
	assert_in_range(r.now - last, 0, SECONDS(2.75));
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	ended(&r, REASON_BUBBLE);
	while (r.first != r.n)
		assert_int_equal(next_sent(&r)->to.ip, far_client_at.ip);
	flows_to(far_client, far_client_at);
}

/* A33: without packets it is left alone. */
static void r10_a33_known_client_rests(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	pass(&r, SECONDS(60));
	goes_in(far_client);
	ended(&r, REASON_HELD);
	pass(&r, SECONDS(10));
	for (int i = 0; i < 4; i++)
		sent_bubble(&r, via_other, far_client);
	assert_int_equal(next_sent(&r)->kind, OUT_IP6);
	pass(&r, SECONDS(60));
	sent_nothing(&r);
}

/* A33, Z22: known clients have a budget; over it they are not asked again. */
static void r10_a33_z22_budget(void **state)
{
	unsigned before;

	(void)state;
	rig_end(&r);
	prepare_relay(&r);
	r.conf.relay.known = (struct rate){1, 10};
	start(&r);
	r.count_only = true;
	for (uint16_t i = 0; i < 40; i++) {
		struct tuple t = {0x0c000001, (uint16_t)(1 + i)};

		goes_in(ta_of(OTHER, t));
		bubble(&q, ta_of(OTHER, t), home);
		comes_back(t);
	}
	pass(&r, SECONDS(40));
	before = r.n_udp;
	for (int k = 0; k < 30; k++) {
		for (uint16_t i = 0; i < 40; i++) {
			struct tuple t = {0x0c000001, (uint16_t)(1 + i)};

			goes_in(ta_of(OTHER, t));
		}
		pass(&r, SECONDS(1));
	}
	assert_in_range(r.n_udp - before, 30, 41);
	r.count_only = false;
}

/* R10: the same with the entry swept away. */
static void r10_new_procedure(void **state)
{
	(void)state;
	fail_procedure();
	pass(&r, SECONDS(31));
	assert_int_equal(table_size(), 0);
	fail_procedure();
}

/* R10, R12: a late bubble restores trust, and releases nothing old. */
static void r10_r12_late_bubble(void **state)
{
	(void)state;
	fail_procedure();
	pass(&r, SECONDS(5));
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	dropped(&r, REASON_BUBBLE);
	flows_to(far_client, far_client_at);
}

/* R11, R12: in order, to the tuple that the proof came from. */
static void r11_r12_queue_in_order(void **state)
{
	struct packet in[3];

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		data_of(&in[i], native, far_client, 1280 - 100u * i, i);
		from_ip6(&r, &in[i]);
		ended(&r, REASON_HELD);
		if (i == 0)
			sent_bubble(&r, via_other, far_client);
	}
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	ended(&r, REASON_BUBBLE);
	for (int i = 0; i < 3; i++)
		sent_udp(&r, DOOR_SERVICE, far_client_at, &in[i]);
	assert_int_equal(counted(&r, REASON_RELEASED), 3);
}

/* R13, Z23: the newest 8 of 100. */
static void r13_z23_eight_newest(void **state)
{
	struct packet in[100];

	(void)state;
	for (uint8_t i = 0; i < 100; i++) {
		data_of(&in[i], native, far_client, 200, i);
		from_ip6(&r, &in[i]);
		ended(&r, REASON_HELD);
		if (i == 0)
			sent_bubble(&r, via_other, far_client);
		sent_nothing(&r); /* overflow is silent */
	}
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	ended(&r, REASON_BUBBLE);
	for (int i = 92; i < 100; i++)
		sent_udp(&r, DOOR_SERVICE, far_client_at, &in[i]);
	assert_int_equal(counted(&r, REASON_QUEUE_PEER), 92);
	assert_int_equal(counted(&r, REASON_RELEASED), 8);
}

/* What the limits of a relay are, if nothing else is said. */
static void test_defaults(void **state)
{
	const struct relay_conf *c = &relay_defaults;

	(void)state;
	assert_int_equal(c->mtu, 1280);
	assert_int_equal(c->door, DOOR_SERVICE);
	assert_int_equal(c->max_peers, 1048576);
	assert_int_equal(c->max_held, 8192);
	same_rate(c->strangers, 1000, 2000);
	same_rate(c->per_source, 250, 500);
	same_rate(c->answers, 1000, 2000);
	same_rate(c->repeats, 1000, 2000);
	same_rate(c->known, 1000, 2000);
	same_rate(c->errors, 100, 100);
}

/* R13, Z23: and in total; the oldest of all makes room. */
static void r13_z23_total(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_held = 64;
	r.conf.relay.max_peers = 1 << 17;
	r.conf.relay.strangers.per_second = 0;
	r.conf.relay.per_source.per_second = 0;
	start(&r);
	r.count_only = true;
	for (uint32_t i = 0; i < 10000; i++) {
		goes_in(ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
		ended(&r, REASON_HELD);
		assert_in_range(r.node.relay.held.n, 1, 64);
	}
	assert_int_equal(counted(&r, REASON_QUEUE_FULL), 10000 - 64);
	r.count_only = false;
	/* The last one's packet is there, an early one's is not. */
	bubble(&q, ta(OTHER, 0, 1, "12.0.39.15"), home);
	comes_back(at("12.0.39.15", 1));
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, at("12.0.39.15", 1), &p);
	bubble(&q, ta(OTHER, 0, 1, "12.0.0.7"), home);
	comes_back(at("12.0.0.7", 1));
	dropped(&r, REASON_BUBBLE);
	rig_end(&r);
}

/* Z23: nothing is kept for longer than 10 s. */
static void z23_ten_seconds(void **state)
{
	(void)state;
	r.count_only = true;
	for (uint16_t i = 1; i < 50; i++) {
		goes_in(ta(OTHER, 0, i, "11.0.0.6"));
		r.now += 7 * NS_PER_MS;
	}
	pass(&r, SECONDS(10) - 49 * 7 * NS_PER_MS);
	pass(&r, 49 * 7 * NS_PER_MS);
	assert_int_equal(r.node.relay.held.n, 0);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 49);
}

/* A direct bubble is bare (X12), and has the header of the indirect one. */
static void sent_pair(void)
{
	const struct sent *direct = &r.log[r.first];

	want = direct[1].p;
	want.n = 40;
	sent_udp(&r, DOOR_SERVICE, far_client_at, &want);
	sent_bubble(&r, via_other, far_client);
}

/* R14: a direct bubble too, with the same header; one attempt. */
static void r14_direct_bubble(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.direct_bubbles = true;
	start(&r);
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_pair();
	sent_nothing(&r);
	pass(&r, SECONDS(8));
	for (int i = 0; i < 3; i++)
		sent_pair();
	sent_nothing(&r);
	pass(&r, SECONDS(2));
	next_sent(&r);
	rig_end(&r);
}

/* ---- R15-R22 ---- */

/* R15, Z17: what is no plain IPv6 packet; each would else be trusted. */
static void r15_z17_plain_packets_only(void **state)
{
	(void)state;
	goes_in(far_client);
	next_sent(&r);
	bubble(&q, far_client, home);
	add_origin(&q, client_at);
	comes_back(far_client_at);
	dropped(&r, REASON_FORGED_BLOCK);
	bubble(&q, far_client, home);
	add_nonce(&q, "0102030405060708");
	comes_back(far_client_at);
	dropped(&r, REASON_FORGED_BLOCK);
	bubble(&q, far_client, home);
	cut(&q, 1);
	comes_back(far_client_at);
	dropped(&r, REASON_TRUNCATED);
	data(&q, far_client, native);
	cut(&q, 1);
	comes_back(far_client_at);
	dropped(&r, REASON_TRUNCATED);
	bubble(&q, far_client, home);
	q.b[0] = 0x40;
	comes_back(far_client_at);
	dropped(&r, REASON_BAD_VERSION);
	data_of(&q, far_client, native, 1473, 0);
	comes_back(far_client_at);
	dropped(&r, REASON_OVERSIZE);
	q.n = 0;
	comes_back(far_client_at);
	dropped(&r, REASON_TRUNCATED);
	goes_in(far_client); /* still not trusted */
	dropped(&r, REASON_HELD);
}

/* R16, Z16: native sources, and tuples that do not match. */
static void r16_z16_mismatch(void **state)
{
	static const struct {
		const char *ip;
		uint16_t port;
	} wrong[] = {
		{"11.0.0.6", 8191}, {"11.0.0.6", 8193},  {"11.0.0.7", 8192},
		{"11.0.0.5", 8192}, {"11.0.0.6", 32},    {"139.0.0.6", 8192},
		{"6.0.0.11", 8192}, {"11.0.0.6", 40960},
	};

	(void)state;
	goes_in(far_client);
	next_sent(&r);
	bubble(&q, native, far_client);
	comes_back(far_client_at);
	dropped(&r, REASON_NOT_TEREDO);
	data(&q, native, home);
	comes_back(far_client_at);
	dropped(&r, REASON_NOT_TEREDO);
	q = p; /* our own packet, echoed */
	comes_back(far_client_at);
	dropped(&r, REASON_NOT_TEREDO);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		bubble(&q, far_client, home);
		comes_back(at(wrong[i].ip, wrong[i].port));
		dropped(&r, REASON_MISMATCH);
		data(&q, far_client, native);
		comes_back(at(wrong[i].ip, wrong[i].port));
		dropped(&r, REASON_MISMATCH);
	}
	goes_in(far_client);
	dropped(&r, REASON_HELD);
	assert_int_equal(table_size(), 1);
}

/* R16: also once it is trusted: nobody moves it. */
static void r16_trusted_stays(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	data(&q, far_client, native);
	comes_back(at("11.0.0.6", 9));
	dropped(&r, REASON_MISMATCH);
	bubble(&q, far_client, home);
	comes_back(at("11.0.0.7", 8192));
	dropped(&r, REASON_MISMATCH);
	flows_to(far_client, far_client_at);
}

/* R17, A34: strangers. */
static void r17_strangers(void **state)
{
	(void)state;
	data(&q, far_client, native);
	comes_back(far_client_at);
	dropped(&r, REASON_UNKNOWN_PEER);
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	dropped(&r, REASON_UNKNOWN_PEER);
	assert_int_equal(table_size(), 0);
}

/* R17: the option takes their packets, and keeps no state about them. */
static void r17_accept_strangers(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.accept_strangers = true;
	start(&r);
	data(&q, far_client, native);
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
	comes_back(at("11.0.0.6", 1));
	dropped(&r, REASON_MISMATCH);
	assert_int_equal(table_size(), 0);
	goes_in(far_client);
	ended(&r, REASON_HELD);
	next_sent(&r);
	rig_end(&r);
}

/* R18: any packet counts: data, too, releases the queue. */
static void r18_data_proves(void **state)
{
	(void)state;
	goes_in(far_client);
	sent_bubble(&r, via_other, far_client);
	data(&q, far_client, native);
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	sent_ip6(&r, &q);
	flows_to(far_client, far_client_at);
}

/* R18: even data for a destination that is not served. */
static void r18_r19_refused_data_proves(void **state)
{
	(void)state;
	goes_in(far_client);
	next_sent(&r);
	data(&q, far_client, ip6("fd00::1"));
	comes_back(far_client_at);
	ended(&r, REASON_NOT_SERVED);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* R19, R31: a network relay with served prefixes. */
static void r19_r31_served(void **state)
{
	static const char *const in[] = {"2001:db8::2", "2001:db8:ffff::1",
					 "2a00:1::5", "2001:db8:9::9"};
	static const char *const outside[] = {"2001:db9::1", "2a00:2::1",
					      "2002:b00:5::1"};

	(void)state;
	prepare_relay(&r);
	r.conf.relay.n_served = 2;
	r.conf.relay.served[0] = (struct ip6_prefix){ip6("2001:db8::"), 32};
	r.conf.relay.served[1] = (struct ip6_prefix){ip6("2a00:1::"), 32};
	start(&r);
	trust(far_client, far_client_at);
	for (unsigned i = 0; i < ARRAY_SIZE(in); i++) {
		r.about = in[i];
		data(&q, far_client, ip6(in[i]));
		comes_back(far_client_at);
		ended(&r, REASON_TO_IPV6);
		sent_ip6(&r, &q);
		data(&p, ip6(in[i]), far_client);
		from_ip6(&r, &p);
		ended(&r, REASON_TO_IPV4);
		sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(outside); i++) {
		r.about = outside[i];
		data(&q, far_client, ip6(outside[i]));
		comes_back(far_client_at);
		dropped(&r, REASON_NOT_SERVED);
		data(&p, ip6(outside[i]), far_client);
		from_ip6(&r, &p);
		dropped(&r, REASON_NOT_SERVED);
		data(&p, ip6(outside[i]), client);
		from_ip6(&r, &p);
		dropped(&r, REASON_NOT_SERVED);
	}
	rig_end(&r);
}

/* R19: without a list, all that is global, and nothing else. */
static void r19_global_only(void **state)
{
	static const char *const v[] = {
		"ff02::1", "ff0e::1", "fe80::1",         "fec0::1",   "fd00::1",
		"::1",     "::",      "::ffff:11.0.0.1", "::11.0.0.1"};

	(void)state;
	trust(far_client, far_client_at);
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		r.about = v[i];
		data(&q, far_client, ip6(v[i]));
		comes_back(far_client_at);
		dropped(&r, REASON_NOT_SERVED);
	}
}

/* R20: bubbles end here, whatever their destination. */
static void r20_consumes_bubbles(void **state)
{
	static const char *const v[] = {
		"2001:db8::1", "2001:db8:9::9", "2001:0:900:2:0:efff:f4ff:fffa",
		"fe80::1",     "ff02::1",       "::"};

	(void)state;
	trust(far_client, far_client_at);
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		r.about = v[i];
		bubble(&q, far_client, ip6(v[i]));
		comes_back(far_client_at);
		dropped(&r, REASON_BUBBLE);
	}
}

/* R21: 1000 packets/s for 60 s: never two bubbles in 2 s, 8 at most. */
static void r21_bubble_limits(void **state)
{
	uint64_t last = 0;
	unsigned bubbles = 0;

	(void)state;
	for (int ms = 0; ms < 60000; ms++) {
		goes_in(far_client);
		while (r.first < r.n) {
			const struct sent *s = next_sent(&r);

			if (s->kind != OUT_UDP)
				continue;
			assert_true(bubbles == 0 ||
				    s->when - last >= SECONDS(2));
			last = s->when;
			bubbles++;
		}
		pass(&r, NS_PER_MS);
		while (r.first < r.n) {
			const struct sent *s = next_sent(&r);

			if (s->kind != OUT_UDP)
				continue;
			assert_true(s->when - last >= SECONDS(2));
			last = s->when;
			bubbles++;
		}
	}
	assert_in_range(bubbles, 4, 8);
	r.about = NULL;
}

/* R21: nor does the client's expiry give a second one within 2 s. */
static void r21_full_table(void **state)
{
	uint64_t asked;

	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 64; /* 8 of them unproven */
	start(&r);
	asked = r.now;
	for (uint16_t i = 1; i <= 8; i++) {
		goes_in(ta(OTHER, 0, i, "11.0.0.6"));
		ended(&r, REASON_HELD);
		next_sent(&r);
	}
	/* No room: those asked just now are not pushed out to be asked anew. */
	goes_in(ta(OTHER, 0, 9, "11.0.0.6"));
	dropped(&r, REASON_RATE_PEER);
	r.now = asked + SECONDS(2) - 1;
	goes_in(ta(OTHER, 0, 9, "11.0.0.6"));
	dropped(&r, REASON_RATE_PEER);
	r.now = asked + SECONDS(2);
	goes_in(ta(OTHER, 0, 9, "11.0.0.6"));
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, ta(OTHER, 0, 9, "11.0.0.6"));
	assert_int_equal(counted(&r, REASON_QUEUE_EVICTED), 1);
	rig_end(&r);
}

static void flood_packet(struct rng *rng, bool many_sources)
{
	struct tuple t = {0x0c000000 + (rng_u32(rng) & 0xffffff),
			  (uint16_t)(rng_u32(rng) | 1)};
	struct ip6 from = native;

	if (many_sources)
		put32(from.b + 4, rng_u32(rng));
	data(&p, from, ta_of(OTHER, t));
	from_ip6(&r, &p);
}

static bool fits(uint64_t n, uint64_t per_second, uint64_t burst, double s)
{
	return n <= burst + (uint64_t)((double)per_second * s) + 1;
}

/* Everything about the rate of bubbles and errors fits what is configured. */
static void flood(bool many_sources, uint64_t rate, uint64_t burst)
{
	struct rng rng = {.key = {{5}}};
	uint64_t lost = 0, begun = r.now, udp, good = 0;
	const uint64_t seconds = 4;

	trust(far_client, far_client_at);
	r.count_only = true;
	r.n_udp = r.n_ip6 = 0;
	for (unsigned i = 0; i < seconds * 100000; i++) {
		flood_packet(&rng, many_sources);
		if (i % 100 == 0)
			pass(&r, NS_PER_MS);
		if (i % 2000)
			continue;
		/* The established client and its peer, both ways. */
		goes_in(far_client);
		lost += counted(&r, REASON_TO_IPV4) !=
			r.before.n[REASON_TO_IPV4] + 1;
		data(&q, far_client, native);
		comes_back(far_client_at);
		lost += counted(&r, REASON_TO_IPV6) !=
			r.before.n[REASON_TO_IPV6] + 1;
		good += 2;
	}
	assert_int_equal(r.now - begun, SECONDS(seconds));
	assert_int_equal(lost, 0);
	assert_int_equal(good, seconds * 100);
	udp = r.n_udp - good / 2;
	/* First bubbles by the rate of strangers, repeats by that of again. */
	assert_true(fits(udp, rate + 2000, burst + 4000, seconds));
	assert_true(udp > rate * seconds);
	assert_true(fits(r.n_ip6 - good / 2, 100, 100, seconds));
	assert_in_range(table_size(), 1, r.conf.relay.max_peers);
	assert_in_range(r.node.relay.held.n, 0, r.conf.relay.max_held);
	r.count_only = false;
}

/* R22, Z22: an established client among 400,000 invented ones. */
static void r22_z22_flood(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 1 << 16;
	start(&r);
	flood(true, 1000, 2000);
	rig_end(&r);
}

/* Z22: from one /64, not even all of the rate. */
static void z22_flood_from_one_source(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 1 << 16;
	start(&r);
	flood(false, 250, 500);
	/* Somebody else still gets through at once. */
	data(&p, ip6("2a00:9::1"), client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_server, client);
	rig_end(&r);
}

/* Z22: a client that tests the path is admitted while all that goes on. */
static void z22_echo_replies_have_their_own_ration(void **state)
{
	struct rng rng = {.key = {{6}}};
	struct tuple newcomer = at("11.3.3.3", 777);

	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 1 << 16;
	start(&r);
	r.count_only = true;
	for (unsigned i = 0; i < 100000; i++) {
		flood_packet(&rng, true);
		if (i % 100 == 0)
			pass(&r, NS_PER_MS);
	}
	ended(&r, REASON_RATE_PEER);
	r.count_only = false;
	echo_reply(&p, native, ta_of(OTHER, newcomer));
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, ta_of(OTHER, newcomer));
	rig_end(&r);
}

/* 5000 echo replies at once, from one /64 or from many; how many bubbles. */
static unsigned spray_replies(bool many_sources)
{
	struct ip6 from = ip6("2a00::1");

	prepare_relay(&r);
	r.conf.relay.max_peers = 1 << 16;
	start(&r);
	r.count_only = true;
	for (uint32_t i = 0; i < 5000; i++) {
		if (many_sources)
			put32(from.b + 4, i);
		echo_reply(&p, from,
			   ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
		from_ip6(&r, &p);
	}
	assert_int_equal(counted(&r, REASON_RATE_PEER), 5000 - r.n_udp);
	r.count_only = false;
	return r.n_udp;
}

/* Z22: that ration is limited, too, and a /64 has a part of it only. */
static void z22_echo_replies_are_limited(void **state)
{
	(void)state;
	assert_int_equal(spray_replies(true), 2000);
	rig_end(&r);
	assert_int_equal(spray_replies(false), 500);
	/* Others are answered for, and so is other traffic of that source. */
	echo_reply(&p, native, client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_server, client);
	data(&p, ip6("2a00::1"), far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	rig_end(&r);
}

/* R22, Z22: repeats are rationed, too; a try without a token is used up. */
static void r22_z22_repeats_are_limited(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 1 << 16;
	r.conf.relay.repeats = (struct rate){10, 20};
	start(&r);
	r.count_only = true;
	for (uint32_t i = 0; i < 400; i++)
		goes_in(ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
	assert_int_equal(r.n_udp, 400);
	pass(&r, SECONDS(10));
	assert_in_range(r.n_udp, 400 + 20, 400 + 20 + 100);
	assert_int_equal(r.node.relay.held.n, 0);
	r.count_only = false;
	rig_end(&r);
}

/* Z22: nor do they slow down a client that has answered before. */
static void z22_known_clients_first(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 1 << 16;
	start(&r);
	trust(far_client, far_client_at);
	pass(&r, SECONDS(31)); /* silent */
	r.count_only = true;
	for (uint32_t i = 0; i < 3000; i++) {
		goes_in(ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
		pass(&r, NS_PER_MS);
	}
	ended(&r, REASON_RATE_PEER);
	r.count_only = false;
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	rig_end(&r);
}

/* Z22: nor in repeats: strangers' are used up, a known client has its own. */
static void z22_known_clients_repeats(void **state)
{
	struct ip6 stranger[3];

	(void)state;
	prepare_relay(&r);
	r.conf.relay.repeats = (struct rate){1, 1};
	start(&r);
	trust(far_client, far_client_at);
	pass(&r, SECONDS(31)); /* silent */
	for (uint32_t i = 0; i < 3; i++) {
		stranger[i] = ta_of(OTHER, (struct tuple){0x0c000000 + i, 1});
		goes_in(stranger[i]);
		sent_bubble(&r, via_other, stranger[i]);
	}
	goes_in(far_client);
	sent_bubble(&r, via_other, far_client);
	pass(&r, SECONDS(2.5));
	sent_bubble(&r, via_other, stranger[0]);
	sent_bubble(&r, via_other, far_client);
	sent_nothing(&r);
	pass(&r, SECONDS(10));
	r.first = r.n;
	rig_end(&r);
}

/* Z22: a host that sprays the rest does not lose its own echo replies. */
static void z22_sprayer_keeps_its_answers(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 1 << 16;
	start(&r);
	r.count_only = true;
	for (uint32_t i = 0; i < 2000; i++)
		goes_in(ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
	ended(&r, REASON_RATE_PEER);
	r.count_only = false;
	echo_reply(&p, native, far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	rig_end(&r);
}

/* R22: strangers' packets do not push a proven client out. */
static void r22_share(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 64;
	start(&r);
	trust(far_client, far_client_at);
	r.count_only = true;
	for (uint32_t i = 0; i < 500; i++) {
		goes_in(ta_of(OTHER, (struct tuple){0x0c000000 + i, 1}));
		pass(&r, SECONDS(0.05));
		assert_in_range(table_size(), 1, 9);
	}
	r.count_only = false;
	flows_to(far_client, far_client_at);
	rig_end(&r);
}

/* R22: proven ones go for proven ones only, the longest silent first. */
static void r22_proven_lru(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.max_peers = 64; /* 56 of them proven */
	start(&r);
	for (uint16_t i = 1; i <= 56; i++) {
		trust(ta(OTHER, 0, i, "11.0.0.6"), at("11.0.0.6", i));
		pass(&r, SECONDS(0.1));
	}
	bubble(&q, ta(OTHER, 0, 1, "11.0.0.6"), home);
	comes_back(at("11.0.0.6", 1));
	dropped(&r, REASON_BUBBLE);
	trust(far_client, far_client_at);
	flows_to(ta(OTHER, 0, 1, "11.0.0.6"), at("11.0.0.6", 1));
	flows_to(ta(OTHER, 0, 3, "11.0.0.6"), at("11.0.0.6", 3));
	flows_to(far_client, far_client_at);
	goes_in(ta(OTHER, 0, 2, "11.0.0.6"));
	ended(&r, REASON_HELD);
	next_sent(&r);
	rig_end(&r);
}

/* R22: a client that is silent for long is forgotten. */
static void r22_forgets(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	pass(&r, SECONDS(299));
	assert_int_equal(table_size(), 1);
	pass(&r, SECONDS(2));
	assert_int_equal(table_size(), 0);
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	data(&q, far_client, native);
	comes_back(far_client_at);
	dropped(&r, REASON_UNKNOWN_PEER);
}

/* ---- R23-R33 ---- */

/* R23: 1280 bytes pass, 1281 are too big. */
static void r23_mtu(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	data_of(&p, native, far_client, 1280, 7);
	from_ip6(&r, &p);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	data_of(&p, native, far_client, 1281, 7);
	from_ip6(&r, &p);
	ended(&r, REASON_TOO_BIG);
	complaint(&want, 2, 0, 1280, &p);
	assert_int_equal(want.n, 1280);
	sent_ip6(&r, &want);
	data_of(&p, native, client, 1281, 7);
	from_ip6(&r, &p);
	ended(&r, REASON_TOO_BIG);
	next_sent(&r);
	assert_int_equal(table_size(), 1);
}

/* R24: one error per packet that was kept. */
static void r24_one_per_packet(void **state)
{
	struct packet in[5];

	(void)state;
	for (uint8_t i = 0; i < 5; i++) {
		data_of(&in[i], native, far_client, 100, i);
		from_ip6(&r, &in[i]);
		if (i == 0)
			sent_bubble(&r, via_other, far_client);
	}
	pass(&r, SECONDS(9.5));
	for (int i = 0; i < 3; i++)
		sent_bubble(&r, via_other, far_client);
	for (int i = 0; i < 5; i++) {
		complaint(&want, 1, 3, 0, &in[i]);
		sent_ip6(&r, &want);
	}
}

/* R25, Z30: errors are rationed. */
static void r25_z30_error_rate(void **state)
{
	(void)state;
	r.count_only = true;
	for (int i = 0; i < 1000; i++) {
		goes_in(ip6("2001:db8::77"));
		r.now += NS_PER_MS;
	}
	assert_in_range(r.n_ip6, 199, 200);
	assert_int_equal(counted(&r, REASON_NOT_TEREDO), 1000);
}

/* R25: no error about an error, nor to a source that is no single node. */
static void r25_no_error_about_errors(void **state)
{
	(void)state;
	icmp6(&p, native, ip6("2001:db8::77"), 1, 0, "00000000 60");
	from_ip6(&r, &p);
	dropped(&r, REASON_NOT_TEREDO);
	data(&p, ip6("ff02::1"), ip6("2001:db8::77"));
	from_ip6(&r, &p);
	dropped(&r, REASON_NOT_TEREDO);
	data(&p, ip6("::"), ip6("2001:db8::77"));
	from_ip6(&r, &p);
	dropped(&r, REASON_NOT_TEREDO);
	/* An error towards a client that does not answer. */
	icmp6(&p, native, far_client, 3, 0, "00000000 60");
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	pass(&r, SECONDS(10));
	for (int i = 0; i < 4; i++)
		sent_bubble(&r, via_other, far_client);
	sent_nothing(&r);
}

/* R27: all sizes, both ways, byte for byte. */
static void r27_intact(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	for (size_t n = 40; n <= 1280; n++) {
		data_of(&p, native, far_client, n, (uint8_t)n);
		p.b[1] = 0x2f; /* flow label, not-ECT and so on */
		p.b[7] = (uint8_t)n;
		from_ip6(&r, &p);
		sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
		data_of(&q, far_client, native, n, (uint8_t)(n + 1));
		comes_back(far_client_at);
		sent_ip6(&r, &q);
	}
}

/* R28: a host-specific relay serves this host, and no one else. */
static void r28_host_only(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.host_only = true;
	own_ip6(&r, "2001:db8:9::a");
	start(&r);
	goes_in(far_client); /* from another host */
	dropped(&r, REASON_NOT_SERVED);
	assert_int_equal(table_size(), 0);
	data(&p, home, far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	data(&q, far_client, ip6("2001:db8:9::a"));
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	sent_ip6(&r, &q);
	data(&q, far_client, native);
	comes_back(far_client_at);
	dropped(&r, REASON_NOT_SERVED);
	rig_end(&r);
}

/* R29: without a native address no bubbles; with one again, as before. */
static void r29_source(void **state)
{
	(void)state;
	goes_in(far_client);
	sent_bubble(&r, via_other, far_client);
	r.node.self.has_source = false;
	pass(&r, SECONDS(30));
	sent_nothing(&r);
	/* That was no failure of the client: it is asked anew. */
	assert_int_equal(counted(&r, REASON_NO_SOURCE), 1);
	assert_int_equal(table_size(), 0);
	goes_in(client);
	dropped(&r, REASON_NO_SOURCE);
	r.node.self.has_source = true;
	r.node.self.source = ip6("2001:db8:9::b");
	goes_in(client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_server, client);
	goes_in(far_client);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
}

/* R29: the answer to the bubble's source passes R19. */
static void r29_answer_is_served(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.n_served = 1;
	r.conf.relay.served[0] = (struct ip6_prefix){ip6("2a00::"), 16};
	start(&r);
	data(&p, ip6("2a00::1"), far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, far_client);
	echo_reply(&q, far_client, home);
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	sent_ip6(&r, &q);
	rig_end(&r);
}

/* R30: trailers never reach the IPv6 side. */
static void r30_no_trailers(void **state)
{
	static const char *const tails[] = {"0104a1b2c3d4", "ff", "5500",
					    "00000000000000000000000000"};

	(void)state;
	trust(far_client, far_client_at);
	for (unsigned i = 0; i < ARRAY_SIZE(tails); i++) {
		data(&q, far_client, native);
		want = q;
		add_tail(&q, tails[i]);
		comes_back(far_client_at);
		ended(&r, REASON_TO_IPV6);
		sent_ip6(&r, &want);
		/* With a congestion mark it is put together anew. */
		data(&q, far_client, native);
		set_ecn(&q, 2);
		want = q;
		set_ecn(&want, 3);
		add_tail(&q, tails[i]);
		from_ip4_ecn(&r, DOOR_SERVICE, far_client_at, 3, &q);
		ended(&r, REASON_TO_IPV6);
		sent_ip6(&r, &want);
	}
}

/* R32: the answer comes from another port. */
static void r32_symmetric_client(void **state)
{
	struct tuple other = at("11.0.0.6", 9999);
	uint32_t nonce;

	(void)state;
	goes_in(far_client);
	nonce = sent_bubble(&r, via_other, far_client);
	bubble(&q, far_client, home);
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	add_tail(&q, "010400000000");
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	put32(q.b + 42, nonce ^ 1);
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	put32(q.b + 42, nonce);
	comes_back(at("11.0.0.7", 9999)); /* another address: never */
	dropped(&r, REASON_MISMATCH);
	data(&q, far_client, native); /* only a bubble can prove that */
	add_tail(&q, "010400000000");
	put32(q.b + q.n - 4, nonce);
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	bubble(&q, far_client, home); /* a trailer that says drop me */
	add_tail(&q, "010400000000 5500");
	put32(q.b + 42, nonce);
	comes_back(other);
	dropped(&r, REASON_TRAILER);
	comes_back(far_client_at);
	dropped(&r, REASON_TRAILER);

	bubble(&q, far_client, home);
	add_tail(&q, "010400000000");
	put32(q.b + 42, nonce);
	comes_back(other);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, other, &p);
	flows_to(far_client, other);
	data(&q, far_client, native);
	comes_back(other);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
	/* A third port is not that one. */
	comes_back(at("11.0.0.6", 10000));
	dropped(&r, REASON_MISMATCH);
}

/* R32: an old nonce is no nonce. */
static void r32_last_nonce_only(void **state)
{
	uint32_t first, second;

	(void)state;
	goes_in(far_client);
	pass(&r, SECONDS(3));
	first = sent_bubble(&r, via_other, far_client);
	second = sent_bubble(&r, via_other, far_client);
	bubble(&q, far_client, home);
	add_tail(&q, "010400000000");
	put32(q.b + 42, first);
	comes_back(at("11.0.0.6", 9999));
	dropped(&r, REASON_MISMATCH);
	put32(q.b + 42, second);
	comes_back(at("11.0.0.6", 9999));
	ended(&r, REASON_BUBBLE);
	next_sent(&r);
}

/* The source of the next bubble sent. */
static struct ip6 cookie_of_next(void)
{
	struct ip6 a;

	memcpy(a.b, r.log[r.first].p.b + 8, 16);
	return a;
}

/*
 * R32, for clients that know no trailers: a bubble to where ours came from
 * proves as much; one to anywhere else, to the source of an older bubble or of
 * another client's does not.
 */
static void r32_cookie(void **state)
{
	struct ip6 other_client = ta(OTHER, 1, 8192, "11.0.0.6");
	struct tuple other = at("11.0.0.6", 9999);
	struct ip6 older, last, others;

	(void)state;
	goes_in(far_client);
	older = cookie_of_next();
	next_sent(&r);
	goes_in(other_client);
	others = cookie_of_next();
	next_sent(&r);
	goes_in(far_client);
	pass(&r, SECONDS(2.3));
	while (memcmp(r.log[r.first].p.b + 24, far_client.b, 16) != 0)
		r.first++;
	last = cookie_of_next();
	r.first = r.n;
	assert_memory_equal(last.b, home.b, 8);
	assert_memory_not_equal(last.b, older.b, 16);
	assert_memory_not_equal(last.b, others.b, 16);

	bubble(&q, far_client, home);
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	bubble(&q, far_client, older);
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	bubble(&q, far_client, others);
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	bubble(&q, far_client, last);
	comes_back(at("11.0.0.7", 9999)); /* another address: never */
	dropped(&r, REASON_MISMATCH);
	data(&q, far_client, last); /* only a bubble can prove that */
	comes_back(other);
	dropped(&r, REASON_MISMATCH);
	bubble(&q, far_client, last);
	comes_back(other);
	ended(&r, REASON_BUBBLE);
	r.first = r.n;
	flows_to(far_client, other);
}

/* R32: no two clients share a cookie, even with one nonce. */
static void r32_cookie_is_of_one_client(void **state)
{
	struct peer one = {.key = {{1}}, .nonce = 7};
	struct peer two = {.key = {{2}}, .nonce = 7};
	struct ip6 a, b;

	(void)state;
	relay_bubble_source(&r.node.relay, &one, &a);
	relay_bubble_source(&r.node.relay, &two, &b);
	assert_memory_not_equal(a.b, b.b, 16);
	two.key = one.key;
	relay_bubble_source(&r.node.relay, &two, &b);
	assert_memory_equal(a.b, b.b, 16);
	one.nonce = 0; /* none: the plain address */
	relay_bubble_source(&r.node.relay, &one, &a);
	assert_memory_equal(a.b, home.b, 16);
}

/* R32 off: dropped even with what would be the nonce. */
static void r32_off(void **state)
{
	(void)state;
	prepare_relay(&r);
	r.conf.relay.no_nonces = true;
	start(&r);
	goes_in(far_client);
	next_sent(&r);
	bubble(&q, far_client, home);
	add_tail(&q, "010400000000");
	comes_back(at("11.0.0.6", 9999));
	dropped(&r, REASON_MISMATCH);
	comes_back(far_client_at);
	ended(&r, REASON_BUBBLE);
	next_sent(&r);
	comes_back(at("11.0.0.6", 9999));
	dropped(&r, REASON_MISMATCH);
	rig_end(&r);
}

/* R32: nor is a zero that was never sent right for a fresh entry (A19). */
static void r32_a19_zero(void **state)
{
	struct peer *e;

	(void)state;
	goes_in(far_client);
	next_sent(&r);
	e = peers_at(&r.node.relay.peers,
		     peers_find(&r.node.relay.peers, &far_client));
	e->nonce = 0;
	bubble(&q, far_client, home);
	add_tail(&q, "010400000000");
	comes_back(at("11.0.0.6", 9999));
	dropped(&r, REASON_MISMATCH);
}

/* A39: the table of 6040 for decapsulation. */
static void a39_ecn(void **state)
{
	enum {
		NOT,
		ECT1,
		ECT0,
		CE,
		DROP
	};
	static const uint8_t table[4][4] = {
		/* outer:    NOT   ECT1  ECT0  CE */
		[NOT] = {NOT, NOT, NOT, DROP},
		[ECT1] = {ECT1, ECT1, ECT1, CE},
		[ECT0] = {ECT0, ECT1, ECT0, CE},
		[CE] = {CE, CE, CE, CE},
	};

	(void)state;
	trust(far_client, far_client_at);
	for (uint8_t inner = 0; inner < 4; inner++) {
		for (uint8_t outer = 0; outer < 4; outer++) {
			data(&q, far_client, native);
			q.b[0] = 0x6a; /* traffic class and flow label stay */
			q.b[1] = 0xcf;
			set_ecn(&q, inner);
			from_ip4_ecn(&r, DOOR_SERVICE, far_client_at, outer,
				     &q);
			if (table[inner][outer] == DROP) {
				dropped(&r, REASON_ECN);
				continue;
			}
			ended(&r, REASON_TO_IPV6);
			want = q;
			set_ecn(&want, table[inner][outer]);
			sent_ip6(&r, &want);
		}
	}
}

/* ---- Z ---- */

/* Z1, Z2: an address that becomes bad later is not sent to any more. */
static void z1_z2_gate_at_each_send(void **state)
{
	(void)state;
	/* A trusted client. */
	trust(far_client, far_client_at);
	deny(&r, "11.0.0.6", 32);
	goes_in(far_client);
	dropped(&r, REASON_DST_DENIED);
	/* One whose server is refused while we ask: tries run out in silence.
	 */
	r.node.gate.n_deny = 0;
	goes_in(client);
	sent_bubble(&r, via_server, client);
	own_ip4(&r, SERVER, 24);
	pass(&r, SECONDS(8));
	sent_nothing(&r);
	pass(&r, SECONDS(2));
	complaint(&want, 1, 3, 0, &p);
	sent_ip6(&r, &want);
	/* A subnet appears, and what was a client is its broadcast. */
	trust(ta(OTHER, 0, 5, "11.9.8.255"), at("11.9.8.255", 5));
	own_ip4(&r, "11.9.8.1", 24);
	goes_in(ta(OTHER, 0, 5, "11.9.8.255"));
	dropped(&r, REASON_DST_NOT_GLOBAL);
	goes_in(ta(OTHER, 0, 5, "11.9.8.0"));
	dropped(&r, REASON_DST_NOT_GLOBAL);
}

/* Z1: nor is what was held. */
static void z1_gate_on_release(void **state)
{
	(void)state;
	goes_in(far_client);
	next_sent(&r);
	deny(&r, "11.0.0.6", 32);
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	dropped(&r, REASON_SRC_DENIED);
	/* By way of a server in the same process the gate still stands. */
	relay_heard(&r.node.relay, &far_client, far_client_at, r.now, &r.out);
	assert_int_equal(r.out.n, 0);
	assert_int_equal(counted(&r, REASON_DST_DENIED), 1);
}

/* Z5: one bubble per new destination, whatever its size; not larger. */
static void z5_amplifies_nothing(void **state)
{
	(void)state;
	for (uint16_t i = 1; i < 100; i++) {
		data_of(&p, native, ta(OTHER, 0, i, "11.0.0.6"), 46, 1);
		from_ip6(&r, &p);
		ended(&r, REASON_HELD);
		assert_in_range(next_sent(&r)->p.n, 40, 46);
		sent_nothing(&r);
	}
}

/* Z7: nothing from a private address becomes a peer. */
static void z7_private_addresses(void **state)
{
	struct tuple t = at("10.0.0.9", 5);

	(void)state;
	goes_in(ta_of(OTHER, t));
	dropped(&r, REASON_DST_NOT_GLOBAL);
	bubble(&q, ta_of(OTHER, t), home);
	comes_back(t);
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	assert_int_equal(table_size(), 0);
}

/* Z9: outer sources that are ours or that nobody may use. */
static void z9_outer_source(void **state)
{
	(void)state;
	goes_in(far_client);
	next_sent(&r);
	bubble(&q, far_client, home);
	comes_back(at(RELAY, 8192));
	dropped(&r, REASON_SRC_OWN);
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		struct tuple t = in_range(&bad_ranges[i], 1, 8192);

		r.about = bad_ranges[i].name;
		data(&q, ta_of(OTHER, t), native);
		comes_back(t);
		dropped(&r, REASON_SRC_NOT_GLOBAL);
	}
	bubble(&q, ta(OTHER, 0, 0, "11.0.0.6"), home);
	comes_back(at("11.0.0.6", 0));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	bubble(&q, home, far_client);
	comes_back(far_client_at);
	dropped(&r, REASON_NOT_TEREDO);
}

/* Z18: inner sources, both ways. */
static void z18_inner_sources(void **state)
{
	(void)state;
	trust(far_client, far_client_at);
	for (unsigned i = 0; i < n_impossible_sources; i++) {
		struct ip6 a = ip6(impossible_sources[i]);

		r.about = impossible_sources[i];
		data(&q, a, native);
		comes_back(far_client_at);
		dropped(&r, REASON_NOT_TEREDO);
		data(&p, a, far_client);
		from_ip6(&r, &p);
		dropped(&r, REASON_BAD_SOURCE);
	}
	data(&p, ip6("fe80::1"), far_client);
	from_ip6(&r, &p);
	dropped(&r, REASON_BAD_SOURCE);
}

/* Z16: a target that sends everything back. */
static void z16_echoing_target(void **state)
{
	unsigned bubbles = 0;

	(void)state;
	for (int i = 0; i < 600; i++) {
		goes_in(far_client);
		pass(&r, SECONDS(0.1));
		while (r.first < r.n) {
			const struct sent *s = next_sent(&r);

			if (s->kind != OUT_UDP)
				continue;
			bubbles++;
			assert_int_equal(s->p.n, 46);
			q = s->p;
		}
		comes_back(far_client_at);
		dropped(&r, REASON_NOT_TEREDO);
		comes_back(via_other);
		dropped(&r, REASON_NOT_TEREDO);
	}
	assert_in_range(bubbles, 4, 8);
}

/* Z25: Routing headers, wherever they stand, are dropped and prove nothing. */
static void z25_routing_headers(void **state)
{
	static const struct {
		uint8_t next;
		const char *payload;
	} cases[] = {
		{43, "11000001 00000000 0102030405060708"},
		{43, "11000201 00000000 0102030405060708"},
		{43, "11000401 00000000 0102030405060708"},
		{43, "11000000 00000000 0102030405060708"},
		{0, "2b000000 00000000 11000001 00000000"},
		{60, "2b000000 00000000 11000001 00000000"},
		{44, "2b000001 00000000 11000001 00000000"},
	};

	(void)state;
	goes_in(far_client);
	next_sent(&r);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		r.about = cases[i].payload;
		ip6_with(&q, far_client, native, cases[i].next,
			 cases[i].payload);
		comes_back(far_client_at);
		dropped(&r, REASON_ROUTING);
	}
	ip6_with(&q, far_client, native, 43, "11ff0001 00000000");
	comes_back(far_client_at);
	dropped(&r, REASON_TRUNCATED);
	goes_in(far_client);
	dropped(&r, REASON_HELD);
	/* Other extension headers pass. */
	ip6_with(&q, far_client, native, 0, "11000000 00000000 0102");
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	next_sent(&r);
	next_sent(&r);
	sent_ip6(&r, &q);
}

/* Z8, Z35, Z40: the relay's own address, with any port. */
static void z35_z40_z8_to_itself(void **state)
{
	static const uint16_t ports[] = {1, 3544, 40000};

	(void)state;
	own_ip4(&r, "12.12.12.12", 32); /* public address of a static NAT */
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		struct ip6 self = ta(OTHER, 0, ports[i], RELAY);

		goes_in(self);
		dropped(&r, REASON_DST_OWN);
		goes_in(ta(OTHER, 0, ports[i], "12.12.12.12"));
		dropped(&r, REASON_DST_OWN);
		data(&p, ta(SERVER, 0, ports[i], RELAY), self);
		from_ip6(&r, &p);
		dropped(&r, REASON_LOOP);
		data(&q, self, native);
		comes_back(at(RELAY, ports[i]));
		dropped(&r, REASON_SRC_OWN);
	}
	assert_int_equal(table_size(), 0);
}

/* Z36: relay to relay, at both ends. */
static void z36_relay_to_relay(void **state)
{
	struct ip6 other_relay = ta_of(OTHER, other_relay_at);

	(void)state;
	data(&p, other_relay, far_client);
	from_ip6(&r, &p);
	dropped(&r, REASON_LOOP);
	data(&p, far_client, other_relay);
	from_ip6(&r, &p);
	dropped(&r, REASON_LOOP);
	assert_int_equal(table_size(), 0);
	trust(other_relay, other_relay_at);
	data(&q, other_relay, far_client);
	comes_back(other_relay_at);
	dropped(&r, REASON_LOOP);
	data(&q, other_relay, ta(OTHER, 0, 40000, RELAY));
	comes_back(other_relay_at);
	dropped(&r, REASON_LOOP);
}

/* Z37: sources that lead back to us by another tunnel. */
static void z37_sources(void **state)
{
	static const char *const ours[] = {"2002:900:9::1",
					   "2001:db8::5efe:900:9",
					   "2001:db8:7::200:5efe:900:9"};
	static const char *const others[] = {"2002:b00:9::1",
					     "2001:db8::5efe:b00:9"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ours); i++) {
		r.about = ours[i];
		data(&p, ip6(ours[i]), far_client);
		from_ip6(&r, &p);
		dropped(&r, REASON_LOOP);
	}
	for (uint16_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct ip6 to = ta(OTHER, 0, i + 1, "11.0.0.6");

		r.about = others[i];
		data(&p, ip6(others[i]), to);
		from_ip6(&r, &p);
		ended(&r, REASON_HELD);
		sent_bubble(&r, via_other, to);
	}
	r.about = "an address of our own";
	own_ip6(&r, "2002:900:9::1");
	data(&p, ip6("2002:900:9::1"), far_client);
	from_ip6(&r, &p);
	ended(&r, REASON_HELD);
	next_sent(&r);
}

/* Z38: destinations that do. */
static void z38_destinations(void **state)
{
	static const char *const ours[] = {"2002:900:9::1",
					   "2001:db8::5efe:900:9",
					   "2001:db8:7::200:5efe:900:9"};

	(void)state;
	trust(far_client, far_client_at);
	for (unsigned i = 0; i < ARRAY_SIZE(ours); i++) {
		r.about = ours[i];
		data(&q, far_client, ip6(ours[i]));
		comes_back(far_client_at);
		dropped(&r, REASON_LOOP);
	}
	data(&q, far_client, ip6("2002:b00:9::1"));
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
	own_ip6(&r, "2002:900:9::1");
	data(&q, far_client, ip6("2002:900:9::1"));
	comes_back(far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
}

/* Z42: listed routers are never a peer, nor a peer's server. */
static void z42_deny(void **state)
{
	(void)state;
	deny(&r, "11.0.0.6", 32);
	deny(&r, "12.0.0.0", 8);
	refused(far_client, REASON_DST_DENIED);
	refused(ta("12.0.0.1", 0, 5, "11.0.0.7"), REASON_DST_DENIED);
	bubble(&q, far_client, home);
	comes_back(far_client_at);
	dropped(&r, REASON_SRC_DENIED);
	/* Others: bubbles only, never data. */
	goes_in(ta(OTHER, 0, 5, "11.0.0.7"));
	ended(&r, REASON_HELD);
	sent_bubble(&r, via_other, ta(OTHER, 0, 5, "11.0.0.7"));
}

/* Any input whatsoever: counted once, nothing to a bad address. */
static void z1_any_input(void **state)
{
	struct rng rng = {.key = {{3}}};
	struct tuple from[] = {client_at, far_client_at, other_relay_at,
			       at("11.0.0.6", 9999)};
	const struct ip6 ends[] = {client,
				   far_client,
				   native,
				   home,
				   ip6("2002:900:9::1"),
				   ip6("ff02::1"),
				   ta(OTHER, 0, 5, "10.0.0.1"),
				   ta(OTHER, 0, 5, RELAY)};
	uint32_t nonce = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		struct ip6 a = ends[rng_below(&rng, 8)];
		struct ip6 b = ends[rng_below(&rng, 8)];

		if (rng_below(&rng, 3) == 0)
			data_of(&p, a, b, 40 + rng_below(&rng, 1300), 5);
		else
			bubble(&p, a, b);
		if (rng_below(&rng, 3) == 0) {
			add_tail(&p, "010400000000");
			put32(p.b + p.n - 4, nonce);
		}
		if (rng_below(&rng, 4) == 0)
			flip(&p, rng_below(&rng, (uint32_t)p.n),
			     (uint8_t)rng_below(&rng, 256));
		if (rng_below(&rng, 10) == 0)
			cut(&p, rng_below(&rng, (uint32_t)p.n + 1));
		if (rng_below(&rng, 2))
			from_ip4_ecn(&r, DOOR_SERVICE, from[rng_below(&rng, 4)],
				     (uint8_t)rng_below(&rng, 4), &p);
		else
			from_ip6(&r, &p);
		while (r.first < r.n) {
			const struct sent *s = next_sent(&r);

			if (s->kind != OUT_UDP)
				continue;
			if (s->p.n == 46)
				nonce = be32(s->p.b + 42);
			assert_int_not_equal(s->to.ip, ip4(RELAY));
			assert_int_not_equal(s->to.ip >> 24, 10);
			assert_int_not_equal(s->to.port, 0);
		}
		if (rng_below(&rng, 50) == 0) {
			pass(&r, SECONDS(1) * rng_below(&rng, 3));
			r.first = r.n;
		}
	}
	assert_int_not_equal(counted(&r, REASON_RELEASED), 0);
	assert_int_not_equal(counted(&r, REASON_TO_IPV6), 0);
	assert_int_not_equal(counted(&r, REASON_TO_IPV4), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(r1_one_port),
		TEST(r3_not_teredo),
		TEST(r3_malformed),
		TEST(r4_z1_z30_embedded),
		TEST(r8_z1_server_field),
		TEST(r5_direct),
		TEST(r5_r18_refresh),
		TEST(r6_z20_cone_bit),
		TEST(r7_indirect_bubble),
		cmocka_unit_test(r7_r32_plain_bubble),
		TEST(r9_repeats),
		TEST(r9_spread),
		TEST(r32_fresh_nonces),
		TEST(r10_r24_tombstone),
		TEST(r10_a33_known_client),
		TEST(r10_a33_known_client_rests),
		TEST(r10_a33_z22_budget),
		TEST(r10_new_procedure),
		TEST(r10_r12_late_bubble),
		TEST(r11_r12_queue_in_order),
		TEST(r13_z23_eight_newest),
		cmocka_unit_test(r13_z23_total),
		TEST(z23_ten_seconds),
		cmocka_unit_test(r14_direct_bubble),
		TEST(r15_z17_plain_packets_only),
		TEST(r16_z16_mismatch),
		TEST(r16_trusted_stays),
		TEST(r17_strangers),
		cmocka_unit_test(r17_accept_strangers),
		TEST(r18_data_proves),
		TEST(r18_r19_refused_data_proves),
		cmocka_unit_test(r19_r31_served),
		TEST(r19_global_only),
		TEST(r20_consumes_bubbles),
		TEST(r21_bubble_limits),
		cmocka_unit_test(r21_full_table),
		cmocka_unit_test(r22_z22_flood),
		cmocka_unit_test(z22_flood_from_one_source),
		cmocka_unit_test(z22_echo_replies_have_their_own_ration),
		cmocka_unit_test(z22_echo_replies_are_limited),
		cmocka_unit_test(r22_z22_repeats_are_limited),
		cmocka_unit_test(z22_known_clients_first),
		cmocka_unit_test(z22_known_clients_repeats),
		cmocka_unit_test(z22_sprayer_keeps_its_answers),
		cmocka_unit_test(r22_share),
		cmocka_unit_test(r22_proven_lru),
		TEST(r22_forgets),
		TEST(r23_mtu),
		TEST(r24_one_per_packet),
		TEST(r25_z30_error_rate),
		TEST(r25_no_error_about_errors),
		TEST(r27_intact),
		cmocka_unit_test(r28_host_only),
		TEST(r29_source),
		cmocka_unit_test(r29_answer_is_served),
		TEST(r30_no_trailers),
		TEST(r32_symmetric_client),
		TEST(r32_last_nonce_only),
		TEST(r32_cookie),
		TEST(r32_cookie_is_of_one_client),
		cmocka_unit_test(r32_off),
		TEST(r32_a19_zero),
		TEST(a39_ecn),
		TEST(z1_z2_gate_at_each_send),
		TEST(z1_gate_on_release),
		TEST(z5_amplifies_nothing),
		TEST(z7_private_addresses),
		TEST(z9_outer_source),
		TEST(z16_echoing_target),
		TEST(z18_inner_sources),
		TEST(z25_routing_headers),
		TEST(z35_z40_z8_to_itself),
		TEST(z36_relay_to_relay),
		TEST(z37_sources),
		TEST(z38_destinations),
		TEST(z42_deny),
		TEST(z1_any_input),
		cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
