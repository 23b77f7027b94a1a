/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which packets become one. A case builds packets by way of more(), and says
 * which trains they make: "0,1 2" is a train of the first two, and the third by
 * itself. Whatever the trains, cut again they give what went in.
 */
#include "merge.h"
#include "outbox.h"
#include "rig.h"

#include <stdio.h>
#include <string.h>

enum {
	ALL = MERGE_TCP | MERGE_ECN | MERGE_UDP
};

static struct packet packets[MERGE_MAX];
static struct out outs[MERGE_MAX];
static const struct out *list[MERGE_MAX];
static unsigned n;
static size_t cut_at; /* bytes of each packet that stand in its head */
static struct merge m;
static uint8_t whole[VNET_LEN + IP6_LEN + 65535];

static int setup(void **state)
{
	(void)state;
	n = 0;
	cut_at = 0;
	return 0;
}

static struct packet *more(void)
{
	assert_in_range(n, 0, MERGE_MAX - 1);
	return &packets[n++];
}

/* Write a train as the shell does: its length. */
static size_t write_train(const struct merge_train *t)
{
	struct merge_piece piece[2];
	size_t len = VNET_LEN + t->head_len;

	memcpy(whole, &t->vnet, VNET_LEN);
	memcpy(whole + VNET_LEN, t->head, t->head_len);
	for (unsigned i = t->first; i != MERGE_END; i = m.next[i]) {
		unsigned k = merge_pieces(list[i], t->head_len, piece);

		for (unsigned j = 0; j < k; j++) {
			assert_in_range(piece[j].n, 1, sizeof(whole) - len);
			memcpy(whole + len, piece[j].p, piece[j].n);
			len += piece[j].n;
		}
	}
	return len;
}

static void same_again(const struct merge_train *t)
{
	static const struct vnet zero;
	struct super s;
	struct packet got;
	unsigned k = 0;
	size_t len = write_train(t);

	if (t->n == 1)
		assert_memory_equal(whole, &zero, VNET_LEN);
	assert_int_equal(super_parse(&s, whole, len), REASON_NONE);
	assert_int_equal(s.kind, t->kind);
	assert_int_equal(super_count(&s), t->n);
	for (unsigned i = t->first; i != MERGE_END; i = m.next[i]) {
		got.n = super_segment(&s, k++, got.b);
		same_packet(&got, &packets[i]);
	}
	assert_int_equal(k, t->n);
}

static void merge(unsigned allow)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t len = (uint16_t)packets[i].n;
		uint16_t head = (uint16_t)(cut_at < len ? cut_at : len);

		outs[i] = (struct out){.kind = OUT_IP6,
				       .head = packets[i].b,
				       .body = packets[i].b + head,
				       .head_len = head,
				       .body_len = (uint16_t)(len - head)};
		list[i] = &outs[i];
	}
	memset(&m, 0xee, sizeof(m));
	merge_packets(&m, list, n, allow);
	for (unsigned i = 0; i < m.n; i++)
		same_again(&m.trains[i]);
}

#define trains(allow, want) merge_gives(allow, want, __FILE__, __LINE__)
static void merge_gives(unsigned allow, const char *want, const char *file,
			int line)
{
	static char got[MERGE_MAX * 5];
	size_t len = 0;

	merge(allow);
	for (unsigned i = 0; i < m.n; i++) {
		for (unsigned k = m.trains[i].first; k != MERGE_END;
		     k = m.next[k])
			len += (size_t)sprintf(got + len, "%u,", k);
		got[len - 1] = ' ';
	}
	got[len ? len - 1 : 0] = '\0';
	if (strcmp(got, want) != 0) {
		print_error("%s, not %s\n", got, want);
		_fail(file, line);
	}
}

/* Packets of 100 bytes that follow each other. */
static void tcps(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tcp(more(), .seq = i * 100, .payload = 100);
}

static void udps(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		udp(more(), .seq = i * 100, .payload = 100);
}

static void test_tcp(void **state)
{
	const struct merge_train *t = m.trains;
	const struct vnet want = {VNET_NEEDS_CSUM, VNET_TCP6, 60, 100, 40, 16};

	(void)state;
	tcps(3);
	tcp(more(), .seq = 300, .payload = 42, .flags = TCP_ACK | TCP_PSH);
	trains(ALL, "0,1,2,3");
	tcp(&packets[9], .payload = 342, .flags = TCP_ACK | TCP_PSH,
	    .partial = true);
	assert_memory_equal(t->head, packets[9].b, 60);
	assert_memory_equal(&t->vnet, &want, sizeof(want));
	assert_int_equal(t->kind, SUPER_TCP);
	assert_int_equal(t->seg, 100);
	assert_int_equal(t->payload, 342);
	assert_int_equal(m.bad_csum, 0);
}

static void test_udp(void **state)
{
	const struct merge_train *t = m.trains;
	const struct vnet want = {VNET_NEEDS_CSUM, VNET_UDP, 48, 100, 40, 6};

	(void)state;
	udps(3);
	udp(more(), .seq = 300, .payload = 42);
	trains(ALL, "0,1,2,3");
	udp(&packets[9], .payload = 342, .partial = true);
	assert_memory_equal(t->head, packets[9].b, 48);
	assert_memory_equal(&t->vnet, &want, sizeof(want));
	assert_int_equal(t->kind, SUPER_UDP);
}

static void test_one_packet_stays(void **state)
{
	(void)state;
	trains(ALL, "");
	tcps(1);
	trains(ALL, "0");
	assert_int_equal(m.trains[0].head_len, 0);
	assert_int_equal(m.trains[0].kind, SUPER_NONE);
}

static void test_what_is_allowed(void **state)
{
	(void)state;
	tcps(2);
	udps(2);
	trains(MERGE_TCP, "0,1 2 3");
	trains(MERGE_UDP, "0 1 2,3");
	trains(0, "0 1 2 3");
	trains(ALL, "0,1 2,3");
}

/* Heads and bodies cut anywhere, in headers and at odd places too. */
static void test_pieces(void **state)
{
	(void)state;
	tcps(3);
	tcp(more(), .seq = 300, .payload = 41);
	udps(3);
	udp(more(), .seq = 300, .payload = 41);
	echo_request(more(), native, client);
	for (cut_at = 0; cut_at < 170; cut_at++) {
		trains(ALL, "0,1,2,3 4,5,6,7 8");
		assert_int_equal(m.bad_csum, 0);
	}
}

static void test_merge_pieces(void **state)
{
	static const uint8_t b[10];
	const struct out o = {
		.head = b, .head_len = 4, .body = b + 4, .body_len = 6};
	static const struct {
		size_t skip;
		unsigned n;
		size_t first, second;
	} cases[] = {{0, 2, 4, 6}, {3, 2, 1, 6},  {4, 1, 6, 0},
		     {9, 1, 1, 0}, {10, 0, 0, 0}, {11, 0, 0, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct merge_piece v[2] = {{0}};

		assert_int_equal(merge_pieces(&o, cases[i].skip, v),
				 cases[i].n);
		assert_int_equal(v[0].n, cases[i].first);
		assert_int_equal(v[1].n, cases[i].second);
		if (v[0].n)
			assert_ptr_equal(v[0].p, b + cases[i].skip);
	}
}

static void test_sequence(void **state)
{
	(void)state;
	tcp(more(), .seq = 0, .payload = 100);
	tcp(more(), .seq = 99, .payload = 100);
	tcp(more(), .seq = 200, .payload = 100);
	tcp(more(), .seq = 200, .payload = 100);
	tcp(more(), .seq = 0, .payload = 100);
	trains(ALL, "0 1 2 3 4");
	setup(state);
	tcp(more(), .seq = 0xffffff9c, .payload = 100);
	tcp(more(), .seq = 0, .payload = 100);
	trains(ALL, "0,1");
}

static void test_sizes(void **state)
{
	(void)state;
	for (int is_udp = 0; is_udp < 2; is_udp++) {
		static const size_t sizes[] = {100, 100, 40, 40, 41, 41, 41};
		uint32_t seq = 0;

		setup(state);
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			build_l4((struct segment){.p = more(),
						  .seq = seq,
						  .payload = sizes[i]},
				 is_udp ? 17 : 6);
			seq += (uint32_t)sizes[i];
		}
		trains(ALL, "0,1,2 3 4,5,6");
	}
}

/* Nothing to merge, and what follows it does not join what was before. */
static void test_no_payload(void **state)
{
	(void)state;
	tcps(1);
	tcp(more(), .seq = 100);
	tcp(more(), .seq = 100, .payload = 100);
	tcp(more(), .seq = 200, .payload = 100);
	trains(ALL, "0 1 2,3");
	setup(state);
	tcp(more());
	tcp(more());
	udp(more());
	udp(more());
	trains(ALL, "0 1 2 3");
}

static void test_push_and_fin_end(void **state)
{
	static const uint8_t ends[] = {TCP_PSH, TCP_FIN, TCP_PSH | TCP_FIN};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		setup(state);
		tcps(1);
		tcp(more(), .seq = 100, .payload = 100,
		    .flags = TCP_ACK | ends[i]);
		tcp(more(), .seq = 200, .payload = 100,
		    .flags = TCP_ACK | ends[i]);
		tcp(more(), .seq = 300, .payload = 100);
		trains(ALL, "0,1 2 3");
	}
}

static void test_flags_that_never_merge(void **state)
{
	static const uint8_t never[] = {TCP_SYN, TCP_RST, TCP_URG};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		setup(state);
		for (uint32_t k = 0; k < 2; k++)
			tcp(more(), .seq = 100 * k, .payload = 100,
			    .flags = TCP_ACK | never[i]);
		trains(ALL, "0 1");
	}
}

static void test_flags_that_must_be_equal(void **state)
{
	(void)state;
	for (unsigned bit = TCP_ACK; bit <= TCP_ECE; bit *= 4) {
		setup(state);
		tcps(2);
		flip(&packets[1], 53, (uint8_t)bit);
		fix_l4(&packets[1]);
		trains(ALL, "0 1");
		flip(&packets[0], 53, (uint8_t)bit);
		fix_l4(&packets[0]);
		trains(ALL, "0,1");
	}
}

static void test_cwr(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 4; k++)
		tcp(more(), .seq = 100 * k, .payload = 100,
		    .flags = k & 1 ? TCP_ACK : TCP_ACK | TCP_CWR);
	trains(ALL, "0,1 2,3");
	assert_int_equal(m.trains[0].vnet.gso_type, VNET_TCP6 | VNET_ECN);
	trains(MERGE_TCP, "0 1 2 3");
}

/*
 * All bits of the headers of the second packet, but for flags, sequence
 * number and checksum: each keeps it from the train.
 */
static void test_each_bit_of_headers(void **state)
{
	const char *stamps = "0101080a 00000001 00000002";

	(void)state;
	for (uint32_t k = 0; k < 2; k++)
		tcp(more(), .seq = 100 * k, .payload = 100, .options = stamps);
	for (size_t bit = 0; bit < 72 * 8; bit++) {
		uint8_t mask = (uint8_t)(1 << bit % 8);
		size_t at = bit / 8;

		if ((at >= 44 && at < 48) || at == 53 || at == 56 || at == 57)
			continue;
		flip(&packets[1], at, mask);
		if (at != 6)
			fix_l4(&packets[1]);
		trains(ALL, "0 1");
		flip(&packets[1], at, mask);
		fix_l4(&packets[1]);
	}
	trains(ALL, "0,1");
	setup(state);
	udps(2);
	for (size_t bit = 0; bit < 46 * 8; bit++) {
		flip(&packets[1], bit / 8, (uint8_t)(1 << bit % 8));
		if (bit / 8 != 6)
			fix_l4(&packets[1]);
		trains(ALL, "0 1");
		flip(&packets[1], bit / 8, (uint8_t)(1 << bit % 8));
		fix_l4(&packets[1]);
	}
}

static void test_version(void **state)
{
	(void)state;
	tcps(2);
	flip(&packets[0], 0, 0x20);
	flip(&packets[1], 0, 0x20);
	trains(ALL, "0 1");
}

/* The UDP length is less than what there is, in all of them. */
static void test_udp_length(void **state)
{
	(void)state;
	udps(2);
	for (unsigned i = 0; i < 2; i++) {
		packets[i].b[45]--;
		fix_l4(&packets[i]);
	}
	trains(ALL, "0 1");
}

/* More bytes than the IPv6 header says. */
static void test_ip6_length(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		tcp(more(), .seq = 101 * k, .payload = 100);
		add_bytes(&packets[k], 0, 1);
	}
	trains(ALL, "0 1");
}

static void test_data_offset(void **state)
{
	(void)state;
	tcps(2);
	for (unsigned i = 0; i < 2; i++) {
		packets[i].b[52] = 0x40;
		fix_l4(&packets[i]);
	}
	trains(ALL, "0 1");
	setup(state);
	for (uint32_t k = 0; k < 2; k++) {
		tcp(more(), .seq = k * 10, .payload = 10);
		packets[k].b[52] = 0x80;
		fix_l4(&packets[k]);
	}
	trains(ALL, "0 1");
}

static void test_extensions(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 2; k++)
		tcp(more(), .first = NEXT_DSTOPTS,
		    .extensions = "0600010400000000", .seq = 100 * k,
		    .payload = 100);
	trains(ALL, "0 1");
}

/* Wrong ones are counted once, go alone, and the others find together. */
static void test_bad_checksum(void **state)
{
	(void)state;
	tcps(6);
	flip(&packets[0], 99, 1);
	trains(ALL, "0 1,2,3,4,5");
	assert_int_equal(m.bad_csum, 1);
	flip(&packets[0], 99, 1);
	flip(&packets[2], 159, 1);
	trains(ALL, "0,1 2 3,4,5");
	assert_int_equal(m.bad_csum, 1);
	flip(&packets[1], 60, 1);
	trains(ALL, "0 1 2 3,4,5");
	assert_int_equal(m.bad_csum, 2);
	setup(state);
	udps(3);
	flip(&packets[1], 100, 1);
	trains(ALL, "0 1 2");
	assert_int_equal(m.bad_csum, 1);
}

/* What meets no other is not verified: the kernel will do so. */
static void test_lonely_checksum(void **state)
{
	(void)state;
	tcps(1);
	tcp(more(), .seq = 100, .payload = 100, .window = 501);
	flip(&packets[0], 99, 1);
	flip(&packets[1], 99, 1);
	trains(ALL, "0 1");
	assert_int_equal(m.bad_csum, 0);
}

/* Its checksum becomes 0: what the sum lacks comes into the last word. */
static void lacks_nothing(struct packet *p)
{
	uint32_t word = be16(p->b + p->n - 2) + (uint32_t)be16(p->b + 56);

	put16(p->b + p->n - 2, (uint16_t)(word + (word >> 16)));
	fix_l4(p);
}

/* Right in arithmetic, but not what segmentation would write. */
static void test_other_zero(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 2; which++) {
		setup(state);
		tcps(2);
		lacks_nothing(&packets[which]);
		assert_int_equal(be16(packets[which].b + 56), 0);
		trains(ALL, "0,1");
		put16(packets[which].b + 56, 0xffff);
		trains(ALL, "0 1");
		assert_int_equal(m.bad_csum, 0);
	}
}

static void test_udp_without_checksum(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 2; which++) {
		setup(state);
		udps(2);
		put16(packets[which].b + 46, 0);
		trains(ALL, "0 1");
		assert_int_equal(m.bad_csum, 0);
	}
}

static void test_flows_mixed(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 3; k++) {
		tcp(more(), .seq = 100 * k, .payload = 100);
		tcp(more(), .seq = 100 * k, .payload = 100, .sport = 7);
		tcp(more(), .seq = 100 * k, .payload = 100, .dport = 7);
		tcp(more(), .seq = 100 * k, .payload = 100, .to = &home);
		tcp(more(), .seq = 100 * k, .payload = 100, .from = &home);
		udp(more(), .seq = 100 * k, .payload = 100);
	}
	trains(ALL, "0,6,12 1,7,13 2,8,14 3,9,15 4,10,16 5,11,17");
}

/* An ACK, a SYN, what cannot be merged: later packets do not overtake it. */
static void test_order_within_a_flow(void **state)
{
	(void)state;
	tcps(1);
	udp(more(), .payload = 100);
	tcp(more(), .seq = 7, .flags = TCP_SYN);
	tcp(more(), .seq = 100, .payload = 100);
	udp(more(), .payload = 0);
	udp(more(), .seq = 100, .payload = 100);
	trains(ALL, "0 1 2 3 4 5");
}

/* What has no ports may belong to any flow of its hosts. */
static void test_order_without_ports(void **state)
{
	static const uint8_t nexts[] = {NEXT_FRAGMENT, NEXT_DSTOPTS,
					NEXT_ICMPV6, NEXT_TCP, NEXT_UDP};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nexts); i++) {
		setup(state);
		tcps(1);
		ip6_with(more(), native, client, nexts[i], "010203");
		tcp(more(), .seq = 100, .payload = 100);
		trains(ALL, "0 1 2");
		ip6_with(&packets[1], native, home, nexts[i], "010203");
		trains(ALL, "0,2 1");
	}
}

/* Whatever is no IPv6 packet is handed on. */
static void test_short_packets(void **state)
{
	(void)state;
	tcps(1);
	for (size_t len = 0; len < 160; len++) {
		tcp(more(), .seq = 100, .payload = 100);
		packets[n - 1].n = len;
	}
	merge(ALL);
	assert_int_equal(m.n, n);
}

static void test_segments(void **state)
{
	(void)state;
	for (int is_udp = 0; is_udp < 2; is_udp++) {
		setup(state);
		is_udp ? udps(130) : tcps(130);
		merge(ALL);
		assert_int_equal(m.n, 3);
		assert_int_equal(m.trains[0].n, 64);
		assert_int_equal(m.trains[1].n, 64);
		assert_int_equal(m.trains[2].n, 2);
	}
}

/* 65535 bytes behind the IPv6 header, and not one more. */
static void test_total(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 45; k++)
		tcp(more(), .seq = 1456 * k, .payload = 1456);
	tcp(&packets[44], .seq = 1456 * 44, .payload = 1451);
	merge(ALL);
	assert_int_equal(m.n, 1);
	assert_int_equal(be16(m.trains[0].head + 4), 65535);
	tcp(&packets[44], .seq = 1456 * 44, .payload = 1452);
	merge(ALL);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.trains[0].n, 44);
}

/* The seventeenth flow closes the oldest train, not another. */
static void test_many_flows(void **state)
{
	(void)state;
	for (uint16_t k = 0; k < 17; k++)
		tcp(more(), .payload = 100, .sport = (uint16_t)(k + 1));
	for (uint16_t k = 17; k > 0; k--)
		tcp(more(), .seq = 100, .payload = 100, .sport = k);
	trains(ALL, "0 1,32 2,31 3,30 4,29 5,28 6,27 7,26 8,25 9,24 10,23 "
		    "11,22 12,21 13,20 14,19 15,18 16,17 33");
}

/* A train that has ended takes no place, nor does what began none. */
static void test_ended_flows(void **state)
{
	(void)state;
	tcps(1);
	for (uint16_t k = 1; k < 40; k++)
		tcp(more(), .payload = 100, .sport = k,
		    .flags = TCP_ACK | TCP_PSH);
	for (uint16_t k = 1; k < 20; k++) {
		udp(more(), .payload = 100, .sport = k);
		udp(more(), .payload = 99, .sport = k);
		tcp(more(), .sport = k);
	}
	tcp(more(), .seq = 100, .payload = 100);
	merge(ALL);
	assert_int_equal(m.trains[0].n, 2);
	assert_int_equal(m.n, 1 + 39 + 2 * 19);
}

static void test_full_batch(void **state)
{
	(void)state;
	for (uint16_t k = 0; k < MERGE_MAX; k++)
		tcp(more(), .payload = 10, .sport = (uint16_t)(k + 1));
	merge(ALL);
	assert_int_equal(m.n, MERGE_MAX);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_tcp),
		CASE(test_udp),
		CASE(test_one_packet_stays),
		CASE(test_what_is_allowed),
		CASE(test_pieces),
		CASE(test_merge_pieces),
		CASE(test_sequence),
		CASE(test_sizes),
		CASE(test_no_payload),
		CASE(test_push_and_fin_end),
		CASE(test_flags_that_never_merge),
		CASE(test_flags_that_must_be_equal),
		CASE(test_cwr),
		CASE(test_each_bit_of_headers),
		CASE(test_version),
		CASE(test_udp_length),
		CASE(test_ip6_length),
		CASE(test_data_offset),
		CASE(test_extensions),
		CASE(test_bad_checksum),
		CASE(test_lonely_checksum),
		CASE(test_other_zero),
		CASE(test_udp_without_checksum),
		CASE(test_flows_mixed),
		CASE(test_order_within_a_flow),
		CASE(test_order_without_ports),
		CASE(test_short_packets),
		CASE(test_segments),
		CASE(test_total),
		CASE(test_many_flows),
		CASE(test_ended_flows),
		CASE(test_full_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
