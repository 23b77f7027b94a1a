/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases: who gets one, for how long; and what passes by it, which is never
 * more than the core would let pass, and the same bytes.
 */
#include "rig_client.h"
#include "rig_record.h"

#include <stdlib.h>
#include <string.h>

static struct rig r;
static struct packet p, q;
static struct leases ls;
static struct lease l;
static struct stats stats;
static struct record by_lease, by_core;

enum {
	MS = 1000000, /* in ns */
	SIZE = 120,   /* of the packets of a train */
};

static void look_away(void)
{
	r.first = r.n = 0;
}

/* --- who is who --- */

static void relay_knows(struct ip6 peer, struct tuple from)
{
	data(&p, native, peer);
	from_ip6(&r, &p);
	look_away();
	bubble(&q, peer, home);
	from_ip4(&r, r.conf.relay.door, from, &q);
	ended(&r, REASON_BUBBLE);
	look_away();
}

static int be_relay(void **state)
{
	(void)state;
	start_relay(&r);
	relay_knows(far_client, far_client_at);
	memset(&ls, 0, sizeof(ls));
	return 0;
}

static int be_client(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	trust_native(&r, native, other_relay_at);
	trust_client(&r, far_client, far_client_at);
	memset(&ls, 0, sizeof(ls));
	return 0;
}

static int done(void **state)
{
	(void)state;
	look_away();
	rig_end(&r);
	return 0;
}

static struct recent_peer *entry(struct ip6 who)
{
	uint32_t i = recent_find(&r.node.client.recent, 0, &who);

	assert_int_not_equal(i, RECENT_NONE);
	return recent_at(&r.node.client.recent, i);
}

/* --- asking for one --- */

static bool granted(enum lease_way way, struct ip6 src, struct ip6 dst)
{
	tcp(&p, .from = &src, .to = &dst, .payload = 60);
	memset(&l, 0xa5, sizeof(l));
	return node_lease(&r.node, &l, way, (const void *)p.b, r.now);
}

static bool up(struct ip6 peer, struct ip6 host)
{
	return granted(LEASE_UP, peer, host);
}

static bool down(struct ip6 host, struct ip6 peer)
{
	return granted(LEASE_DOWN, host, peer);
}

static void is_for(enum lease_way way, struct ip6 src, struct ip6 dst,
		   struct tuple where, enum door door)
{
	assert_true(same_ip6(l.src, src));
	assert_true(same_ip6(l.dst, dst));
	assert_true(tuple_equal(l.tuple, where));
	assert_int_equal(l.way, way);
	assert_int_equal(l.door, door);
	assert_int_equal(l.epoch, node_epoch(&r.node));
	if (way == LEASE_DOWN)
		assert_int_equal(l.mtu, 1280);
}

/* Until the same moment of the next quarter of a second, and no longer. */
static void ends_in(uint64_t ns)
{
	assert_int_equal(l.until, r.now + ns);
}

/* R5, R18: to whom packets leave at once. */
static void relays_proven_peers(void **state)
{
	(void)state;
	assert_true(up(far_client, native));
	is_for(LEASE_UP, far_client, native, far_client_at, DOOR_SERVICE);
	ends_in(250 * MS);
	assert_true(down(native, far_client));
	is_for(LEASE_DOWN, native, far_client, far_client_at, DOOR_SERVICE);
	ends_in(250 * MS);
	/* Nobody has heard of this one; this one was only asked. */
	assert_false(up(client, native));
	assert_false(down(native, client));
	data(&p, native, client);
	from_ip6(&r, &p);
	look_away();
	assert_false(up(client, native));
	assert_false(down(native, client));
}

static void relays_peers_fall_silent(void **state)
{
	(void)state;
	r.now += SECONDS(29.75);
	assert_true(up(far_client, native));
	ends_in(250 * MS);
	r.now++;
	assert_true(up(far_client, native));
	ends_in(250 * MS - 1);
	assert_true(down(native, far_client));
	ends_in(250 * MS - 1);
	r.now += 250 * MS - 2;
	assert_true(down(native, far_client));
	ends_in(1);
	r.now++;
	assert_false(down(native, far_client));
	assert_false(up(far_client, native));
	/* A packet for it: now it is asked, and is nobody to lease to. */
	data(&p, native, far_client);
	from_ip6(&r, &p);
	look_away();
	assert_false(down(native, far_client));
}

static void relays_failed_peers(void **state)
{
	(void)state;
	r.now += SECONDS(31);
	data(&p, native, far_client);
	from_ip6(&r, &p);
	pass(&r, SECONDS(10));
	look_away();
	assert_false(down(native, far_client));
	assert_false(up(far_client, native));
}

static void relays_have_an_mtu(void **state)
{
	(void)state;
	r.node.relay.conf.mtu = 1400;
	assert_true(down(native, far_client));
	assert_int_equal(l.mtu, 1400);
}

/* C30, C41 */
static void clients_open_peers(void **state)
{
	(void)state;
	assert_true(up(native, client));
	is_for(LEASE_UP, native, client, other_relay_at, DOOR_SERVICE);
	ends_in(250 * MS);
	assert_true(down(client, native));
	is_for(LEASE_DOWN, client, native, other_relay_at, DOOR_SERVICE);
	ends_in(250 * MS);
	assert_true(up(far_client, client));
	is_for(LEASE_UP, far_client, client, far_client_at, DOOR_SERVICE);
	assert_true(down(client, far_client));
	is_for(LEASE_DOWN, client, far_client, far_client_at, DOOR_SERVICE);
	r.node.client.conf.mtu = 1400;
	assert_true(down(client, far_client));
	assert_int_equal(l.mtu, 1400);
}

static void clients_strangers(void **state)
{
	struct ip6 other = ip6("2001:db8::77");

	(void)state;
	assert_false(up(other, client));
	assert_false(down(client, other));
	/* Its packet is let in, and it is tested (C37): that proves nothing. */
	data(&q, other, client);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	ended(&r, REASON_TO_IPV6);
	look_away();
	assert_false(up(other, client));
	assert_false(down(client, other));
}

static void clients_own_addresses_only(void **state)
{
	(void)state;
	assert_false(up(native, home));
	assert_false(down(home, native));
	assert_false(up(native, far_client));
	assert_false(down(far_client, native));
	/* Which end is the peer depends on the way. */
	assert_false(up(client, native));
	assert_false(down(native, client));
}

static void clients_peers_fall_silent(void **state)
{
	(void)state;
	r.now += SECONDS(29.75) + 1;
	assert_true(up(native, client));
	ends_in(250 * MS - 1);
	assert_true(down(client, far_client));
	ends_in(250 * MS - 1);
	r.now += 250 * MS - 1;
	assert_false(up(native, client));
	assert_false(down(client, far_client));
}

/* Behind a symmetric NAT packets do not leave before the bubble that is owed.
 */
static void clients_debts(void **state)
{
	(void)state;
	entry(far_client)->owes = true;
	assert_false(up(far_client, client));
	assert_false(down(client, far_client));
}

/* Another gate is theirs, and other rules (C35, C49). */
static void clients_neighbours(void **state)
{
	(void)state;
	entry(far_client)->is_lan = true;
	assert_false(up(far_client, client));
	assert_false(down(client, far_client));
	assert_true(up(native, client));
}

/* C29: each packet that comes by way of a server says that it is there. */
static void clients_servers(void **state)
{
	struct ip6 other = ip6("2001:db8::77");

	(void)state;
	trust_native(&r, other, server_at);
	assert_false(up(other, client));
	assert_false(down(client, other));
	data(&q, client, other);
	from_ip6(&r, &q);
	ended(&r, REASON_TO_IPV4);
	look_away();
}

static void clients_without_address(void **state)
{
	(void)state;
	want(&r, false);
	assert_false(up(native, client));
	assert_false(down(client, native));
}

/* An untrusted entry may still stand there when its time has come. */
static void clients_untrusted_peers(void **state)
{
	(void)state;
	entry(native)->standing = STANDING_WANTED;
	assert_false(up(native, client));
	assert_false(down(client, native));
	entry(native)->standing = STANDING_ACTIVE;
}

static void of_each_role(void **state)
{
	(void)state;
	start_server(&r);
	assert_false(up(client, native));
	assert_false(down(native, client));
	rig_end(&r);
	start_both(&r);
	relay_knows(client, client_at);
	assert_true(up(client, native));
	is_for(LEASE_UP, client, native, client_at, DOOR_PRIMARY);
	assert_true(down(native, client));
	is_for(LEASE_DOWN, native, client, client_at, DOOR_PRIMARY);
	rig_end(&r);
}

static void start_auto(void)
{
	memset(&r, 0, sizeof(r));
	prepare_client(&r);
	r.conf.is_relay = true;
	r.conf.relay = relay_defaults;
	r.conf.relay.max_peers = 1024;
	r.conf.relay.max_held = 256;
	r.node.self.has_source = true;
	r.node.self.source = home;
	start_qualified(&r);
	trust_native(&r, native, other_relay_at);
}

static void native_is(bool there)
{
	node_native(&r.node, there, r.now, &r.out);
	rig_flush(&r);
	look_away();
}

/* C6: the one that is at work grants them. */
static void of_role_auto(void **state)
{
	uint32_t epoch;

	(void)state;
	start_auto();
	assert_true(up(native, client));
	assert_false(up(far_client, native));
	epoch = node_epoch(&r.node);
	native_is(true);
	assert_int_not_equal(node_epoch(&r.node), epoch);
	relay_knows(far_client, far_client_at);
	assert_true(up(far_client, native));
	assert_false(up(native, client));
	epoch = node_epoch(&r.node);
	native_is(false);
	assert_int_not_equal(node_epoch(&r.node), epoch);
	assert_false(up(far_client, native));
	rig_end(&r);
}

/* --- what ends all of them --- */

static uint32_t epoch_before;

static void remember_epoch(void)
{
	epoch_before = node_epoch(&r.node);
}

static bool new_epoch(void)
{
	bool is_new = node_epoch(&r.node) != epoch_before;

	remember_epoch();
	return is_new;
}

/* R32: a client behind a symmetric NAT, seen at another port. */
static void relays_peer_moves(void **state)
{
	struct tuple other = at("11.0.0.6", 9999);
	uint32_t nonce;

	(void)state;
	remember_epoch();
	data(&q, far_client, native);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	look_away();
	assert_false(new_epoch()); /* where it was */
	data(&p, native, client);
	from_ip6(&r, &p);
	look_away();
	bubble(&q, client, home);
	from_ip4(&r, DOOR_SERVICE, client_at, &q);
	look_away();
	assert_false(new_epoch()); /* it was nowhere before */
	nonce = r.node.relay.peers
			.v[peers_find(&r.node.relay.peers, &far_client)]
			.nonce;
	bubble_with(&q, far_client, home, nonce);
	from_ip4(&r, DOOR_SERVICE, other, &q);
	ended(&r, REASON_BUBBLE);
	assert_true(new_epoch());
	assert_true(down(native, far_client));
	is_for(LEASE_DOWN, native, far_client, other, DOOR_SERVICE);
	/* Another host, though there is no way to it but by its address. */
	relay_heard(&r.node.relay, &far_client, at("11.0.0.7", 9999), r.now,
		    &r.out);
	assert_true(new_epoch());
	relay_heard(&r.node.relay, &far_client, at("11.0.0.7", 9999), r.now,
		    &r.out);
	assert_false(new_epoch());
}

/* Z13: another relay. */
static void clients_peer_moves(void **state)
{
	struct packet test;

	(void)state;
	remember_epoch();
	data(&q, native, client);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	look_away();
	assert_false(new_epoch());
	goes_to(&r, &p, ip6("2001:db8::77"));
	sent_test(&r, server_at, ip6("2001:db8::77"), &test);
	reply(&q, &test);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
	look_away();
	assert_false(new_epoch()); /* it was nowhere before */
	r.now += SECONDS(31);
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &test);
	look_away();
	reply(&q, &test);
	from_ip4(&r, DOOR_SERVICE, at("11.0.0.33", 3545), &q);
	ended(&r, REASON_TEST_REPLY);
	look_away();
	assert_true(new_epoch());
	assert_true(down(client, native));
	assert_true(tuple_equal(l.tuple, at("11.0.0.33", 3545)));
}

static void clients_status_changes(void **state)
{
	(void)state;
	remember_epoch();
	network(&r, at("0.0.0.0", 0));
	look_away();
	assert_true(new_epoch());
	want(&r, false);
	assert_true(new_epoch());
}

/* The shell counts: gate or self are others now. */
static void addresses_change(void **state)
{
	(void)state;
	remember_epoch();
	r.node.addresses++;
	assert_true(new_epoch());
}

/* --- passing --- */

static uint64_t sum_of(const struct stats *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < REASON_COUNT; i++)
		sum += s->n[i];
	return sum;
}

static void lease_is(enum lease_way way, struct ip6 src, struct ip6 dst)
{
	assert_true(granted(way, src, dst));
	lease_put(&ls, &l);
}

static struct {
	struct tuple from;
	enum door door;
	uint8_t ecn;
	unsigned n;
	size_t len;
	uint8_t b[65536];
} t;

static void begin(struct tuple from)
{
	t.from = from;
	t.door = DOOR_SERVICE;
	t.ecn = 0;
	t.n = 0;
	t.len = 0;
}

static void couple(const struct packet *car)
{
	memcpy(t.b + t.len, car->b, car->n);
	t.len += car->n;
	t.n++;
}

static struct train train_of(const uint8_t *bytes)
{
	struct train train = {.all = {.door = t.door,
				      .from = t.from,
				      .ecn = t.ecn,
				      .data = bytes,
				      .len = (uint16_t)t.len}};

	train_begin(&train, t.n > 1 ? SIZE : 0);
	return train;
}

/* So many datagrams, from the first on, as the core does it. */
static void by_hand(const uint8_t *bytes, unsigned n)
{
	size_t at = 0;

	record_clear(&by_core);
	r.before = r.node.stats;
	for (; n--; at += SIZE) {
		struct datagram d = {
			.door = t.door,
			.from = t.from,
			.ecn = t.ecn,
			.data = bytes + at,
			.len = (uint16_t)(t.len - at < SIZE || t.n == 1
						  ? t.len - at
						  : SIZE),
		};

		node_from_ip4(&r.node, &d, r.now, &r.out);
		record_take(&by_core, NULL, &r.out, 0);
		r.packets_in++;
	}
}

/* As many as there are leases for: those, and as the core would. */
static unsigned passed_at(uint32_t epoch, uint64_t now)
{
	uint8_t *exact = malloc(t.len ? t.len : 1);
	struct train train;
	bool all;

	assert_non_null(exact);
	memcpy(exact, t.b, t.len);
	train = train_of(exact);
	memset(&stats, 0, sizeof(stats));
	record_clear(&by_lease);
	all = lease_train(&ls, &train, epoch, now, &stats, &r.out);
	assert_int_equal(all, train.taken == t.n);
	record_take(&by_lease, NULL, &r.out, 0);
	by_hand(exact, train.taken);
	same_record(&by_lease, &by_core, "by lease");
	for (int i = 0; i < REASON_COUNT; i++)
		assert_int_equal(stats.n[i], r.node.stats.n[i] - r.before.n[i]);
	assert_int_equal(sum_of(&stats), train.taken);
	free(exact);
	return train.taken;
}

static unsigned passed(void)
{
	return passed_at(node_epoch(&r.node), r.now);
}

static struct ip6 peer_, host_;

static void plain(struct packet *car, size_t size)
{
	tcp(car, .from = &peer_, .to = &host_, .payload = size - 60);
}

static void couple_plain(size_t size)
{
	plain(&q, size);
	couple(&q);
}

static void relay_scene(void)
{
	peer_ = far_client;
	host_ = native;
	lease_is(LEASE_UP, far_client, native);
	begin(far_client_at);
}

static void client_scene(void)
{
	peer_ = native;
	host_ = client;
	lease_is(LEASE_UP, native, client);
	begin(other_relay_at);
}

static void whole_trains(void)
{
	for (int i = 0; i < 63; i++)
		couple_plain(SIZE);
	couple_plain(70);
	assert_int_equal(passed(), 64);
	assert_int_equal(by_lease.packets, 64);
	assert_int_equal(stats.n[REASON_TO_IPV6], 64);
}

static void train_by_lease(void **state)
{
	(void)state;
	relay_scene();
	whole_trains();
	/* UDP, too */
	udp(&q, .from = &far_client, .to = &native, .payload = 10);
	begin(far_client_at);
	couple(&q);
	assert_int_equal(passed(), 1);
}

static void clients_train_by_lease(void **state)
{
	(void)state;
	client_scene();
	whole_trains();
	/* The first packet takes the long way, and may be answered. */
	peer_ = far_client;
	plain(&q, SIZE);
	from_ip4(&r, DOOR_SERVICE, far_client_at, &q);
	look_away();
	lease_is(LEASE_UP, far_client, client);
	begin(far_client_at);
	whole_trains();
}

/* One more that is not plain, or not the lease's: it is left to the core. */
static void stops_at(const struct packet *car, const char *why)
{
	struct packet odd = *car; /* it may be q */

	for (unsigned where = 0; where < 3; where++) {
		struct tuple from = t.from;

		begin(from);
		for (unsigned i = 0; i < 4; i++) {
			if (i == where)
				couple(&odd);
			else
				couple_plain(SIZE);
		}
		if (passed() != where)
			fail_msg("%s is no reason to stop", why);
		begin(from);
	}
}

static void stops_at_changed(size_t byte, uint8_t bits, const char *why)
{
	plain(&p, SIZE);
	flip(&p, byte, bits);
	stops_at(&p, why);
}

/* A trailer, or what looks like one. */
static void fill(struct packet *car)
{
	size_t n = SIZE - car->n - 2;

	add_bytes(car, 5, 1);
	add_bytes(car, (uint8_t)n, 1);
	add_bytes(car, 0, n);
}

static void what_is_not_plain(void)
{
	stops_at_changed(0, 0x20, "version 4");
	stops_at_changed(5, 1, "a length that is one less");
	stops_at_changed(4, 1, "a length that is too large");
	stops_at_changed(6, NEXT_TCP ^ NEXT_ROUTING, "a Routing header");
	stops_at_changed(6, NEXT_TCP ^ NEXT_FRAGMENT, "a fragment");
	stops_at_changed(6, NEXT_TCP ^ NEXT_HOPOPTS, "options");
	stops_at_changed(6, NEXT_TCP ^ NEXT_DSTOPTS, "options");
	stops_at_changed(6, NEXT_TCP ^ NEXT_ICMPV6, "ICMPv6");
	stops_at_changed(6, NEXT_TCP ^ 132, "SCTP");
	bubble(&p, peer_, host_);
	fill(&p);
	stops_at(&p, "a bubble");
	echo_request(&p, peer_, host_);
	fill(&p);
	stops_at(&p, "an echo request");
	plain(&p, SIZE - 6);
	add_tail(&p, "0104a1b2c3d4");
	stops_at(&p, "a trailer");
	plain(&p, SIZE - 8);
	add_origin(&p, t.from);
	stops_at(&p, "an origin indication");
	plain(&p, SIZE - 13);
	add_nonce(&p, "0102030405060708");
	stops_at(&p, "an authentication block");
}

static void train_of_others(void **state)
{
	(void)state;
	relay_scene();
	what_is_not_plain();
	stops_at_changed(23, 1, "another source");
	stops_at_changed(8, 0x40, "another source");
	stops_at_changed(39, 1, "another destination");
	stops_at_changed(24, 0x40, "another destination");
}

static void clients_train_of_others(void **state)
{
	(void)state;
	client_scene();
	what_is_not_plain();
	stops_at_changed(23, 1, "another source");
	stops_at_changed(39, 1, "another destination");
}

/* Two leases may take turns; what a lease is for may differ in its mark. */
static void train_of_two(void **state)
{
	struct ip6 other = ip6("2001:db8::77");

	(void)state;
	relay_scene();
	lease_is(LEASE_UP, far_client, other);
	for (int i = 0; i < 10; i++) {
		host_ = i % 3 ? native : other;
		couple_plain(SIZE);
	}
	assert_int_equal(passed(), 10);
}

/* 6040 §4.2, A39: as for any other packet. */
static void train_with_marks(void **state)
{
	(void)state;
	relay_scene();
	for (uint8_t outer = 0; outer < 4; outer++) {
		begin(far_client_at);
		t.ecn = outer;
		for (uint8_t inner = 0; inner < 12; inner++) {
			plain(&q, SIZE);
			set_ecn(&q, inner % 4);
			couple(&q);
		}
		assert_int_equal(passed(), 12);
		assert_int_equal(stats.n[REASON_ECN], outer == 3 ? 3 : 0);
	}
}

static void train_of_nothing(void **state)
{
	(void)state;
	relay_scene();
	q.n = 0;
	couple(&q);
	assert_int_equal(passed(), 0);
	begin(far_client_at);
	plain(&q, 60);
	cut(&q, 20);
	put16(q.b + 4, 0);
	couple(&q);
	assert_int_equal(passed(), 0); /* TCP without TCP */
}

static unsigned one_of(size_t size)
{
	begin(far_client_at);
	couple_plain(size);
	return passed();
}

static void train_too_long(void **state)
{
	(void)state;
	relay_scene();
	assert_int_equal(one_of(INNER_MAX), 1);
	assert_int_equal(one_of(INNER_MAX + 1), 0);
}

/* A lease is for one place. */
static void train_from_elsewhere(void **state)
{
	(void)state;
	relay_scene();
	couple_plain(SIZE);
	t.from.port ^= 1;
	assert_int_equal(passed(), 0);
	t.from = far_client_at;
	t.from.ip ^= 1;
	assert_int_equal(passed(), 0);
	t.from = far_client_at;
	t.door = DOOR_PROBE;
	assert_int_equal(passed(), 0);
	t.door = DOOR_SERVICE;
	assert_int_equal(passed(), 1);
}

/* And for one way. */
static void train_the_other_way(void **state)
{
	(void)state;
	relay_scene();
	memset(&ls, 0, sizeof(ls));
	assert_true(down(native, far_client));
	l.src = far_client;
	l.dst = native;
	lease_put(&ls, &l);
	couple_plain(SIZE);
	assert_int_equal(passed(), 0);
}

static void train_too_late(void **state)
{
	uint32_t epoch;

	(void)state;
	relay_scene();
	couple_plain(SIZE);
	epoch = node_epoch(&r.node);
	assert_int_equal(passed_at(epoch, l.until - 1), 1);
	assert_int_equal(passed_at(epoch, l.until), 0);
	assert_int_equal(passed_at(epoch + 1, r.now), 0);
	assert_int_equal(passed_at(epoch - 1, r.now), 0);
	r.node.addresses++;
	assert_int_equal(passed(), 0);
	lease_is(LEASE_UP, far_client, native);
	assert_int_equal(passed(), 1);
}

static bool wanted(uint32_t epoch, uint64_t now)
{
	struct packet of_flow;

	data(&of_flow, far_client, native);
	return lease_wanted(&ls, LEASE_UP, (const void *)of_flow.b, epoch, now);
}

/* One that is still good keeps its place, and only that. */
static void place_of_a_lease(void **state)
{
	uint32_t epoch;

	(void)state;
	relay_scene();
	epoch = node_epoch(&r.node);
	assert_false(wanted(epoch, r.now));
	assert_false(wanted(epoch, l.until - 1));
	assert_true(wanted(epoch, l.until));
	assert_true(wanted(epoch + 1, r.now));
	memset(&ls, 0, sizeof(ls));
	assert_true(wanted(epoch, r.now));
}

/* Nothing was put in; time 0 is no exception. */
static void empty_table(void **state)
{
	(void)state;
	relay_scene();
	memset(&ls, 0, sizeof(ls));
	couple_plain(SIZE);
	assert_int_equal(passed(), 0);
	assert_int_equal(passed_at(0, 0), 0);
	memset(t.b + 8, 0, 32);
	assert_int_equal(passed_at(0, 0), 0);
}

/* It goes on where the outbox was full. */
static void train_in_portions(void **state)
{
	uint32_t epoch = node_epoch(&r.node);
	struct train train;
	unsigned n = 0;

	(void)state;
	relay_scene();
	for (int i = 0; i < 10; i++)
		couple_plain(SIZE);
	train = train_of(t.b);
	memset(&stats, 0, sizeof(stats));
	crowd(&r.out, OUT_PER_CALL - 1);
	assert_false(lease_train(&ls, &train, epoch, r.now, &stats, &r.out));
	assert_int_equal(train.taken, 0);
	assert_int_equal(r.out.n, OUT_MAX - OUT_PER_CALL + 1);
	while (!train_ended(&train)) {
		bool all;

		crowd(&r.out, OUT_PER_CALL + 2);
		all = lease_train(&ls, &train, epoch, r.now, &stats, &r.out);
		n++;
		assert_int_equal(train.taken, n < 4 ? 3 * n : 10);
		assert_int_equal(all, n == 4);
		assert_int_equal(stats.n[REASON_TO_IPV6], train.taken);
	}
	assert_int_equal(n, 4);
	outbox_clear(&r.out);
}

/* --- packets of the host --- */

static bool packet_passed_at(const struct super *s, uint32_t epoch,
			     uint64_t now)
{
	bool gone;

	memset(&stats, 0, sizeof(stats));
	record_clear(&by_lease);
	gone = lease_packet(&ls, s, epoch, now, &stats, &r.out);
	assert_int_equal(stats.n[REASON_TO_IPV4], gone ? super_count(s) : 0);
	assert_int_equal(sum_of(&stats), gone ? super_count(s) : 0);
	assert_int_equal(r.out.n, gone);
	assert_false(r.out.at_once);
	/* A single one can be bundled with others (udpsend.c). */
	if (gone)
		assert_int_equal(r.out.v[0].super != NULL,
				 s->kind != SUPER_NONE);
	record_take(&by_lease, NULL, &r.out, 0);
	assert_int_equal(by_lease.packets, gone ? super_count(s) : 0);
	return gone;
}

static bool packet_passed(const struct super *s)
{
	return packet_passed_at(s, node_epoch(&r.node), r.now);
}

/* As the core would, packet by packet. */
static void packet_as_core(const struct super *s)
{
	uint8_t segment[2048];

	assert_true(packet_passed(s));
	record_clear(&by_core);
	for (unsigned i = 0; i < super_count(s); i++) {
		size_t n = super_segment(s, i, segment);

		node_from_ip6(&r.node, segment, (uint16_t)n, r.now, &r.out);
		record_take(&by_core, NULL, &r.out, 0);
		r.packets_in++;
	}
	same_record(&by_lease, &by_core, "by lease");
}

static struct super single(const struct packet *car)
{
	return (struct super){.p = car->b, .len = (uint32_t)car->n};
}

static void ours(struct packet *car, size_t payload)
{
	tcp(car, .from = &host_, .to = &peer_, .payload = payload,
	    .partial = true);
}

static void packets_go(void)
{
	struct super s;
	struct gso g;

	for (size_t payload = 0; payload <= 1220; payload += 305) {
		tcp(&q, .from = &host_, .to = &peer_, .payload = payload);
		s = single(&q);
		packet_as_core(&s);
	}
	udp(&q, .from = &host_, .to = &peer_, .payload = 50);
	s = single(&q);
	packet_as_core(&s);
	ours(&q, 3500);
	gso_make(&g, &q, 1000);
	packet_as_core(&g.s);
	gso_free(&g);
	udp(&q, .from = &host_, .to = &peer_, .payload = 3500, .partial = true);
	gso_make(&g, &q, 700);
	packet_as_core(&g.s);
	gso_free(&g);
}

static void packet_by_lease(void **state)
{
	(void)state;
	peer_ = far_client;
	host_ = native;
	lease_is(LEASE_DOWN, native, far_client);
	packets_go();
}

static void clients_packet_by_lease(void **state)
{
	(void)state;
	host_ = client;
	peer_ = native;
	lease_is(LEASE_DOWN, client, native);
	packets_go();
	peer_ = far_client;
	lease_is(LEASE_DOWN, client, far_client);
	packets_go();
}

/* R23: what is too long gets an answer of the core. */
static void packet_too_long(void **state)
{
	struct super s;
	struct gso g;

	(void)state;
	peer_ = far_client;
	host_ = native;
	lease_is(LEASE_DOWN, native, far_client);
	ours(&q, 1280 - 60);
	s = single(&q);
	assert_true(packet_passed(&s));
	ours(&q, 1280 - 60 + 1);
	s = single(&q);
	assert_false(packet_passed(&s));
	ours(&q, 3900);
	gso_make(&g, &q, 1280 - 60);
	assert_true(packet_passed(&g.s));
	gso_free(&g);
	gso_make(&g, &q, 1280 - 60 + 1);
	assert_false(packet_passed(&g.s));
	gso_free(&g);
}

static void changed_packet(size_t byte, uint8_t bits, const char *why)
{
	struct super s;

	ours(&q, 60);
	flip(&q, byte, bits);
	s = single(&q);
	if (packet_passed(&s))
		fail_msg("%s is let pass", why);
}

static void packet_of_others(void **state)
{
	struct super s;

	(void)state;
	peer_ = far_client;
	host_ = native;
	lease_is(LEASE_DOWN, native, far_client);
	changed_packet(0, 0x20, "version 4");
	changed_packet(5, 1, "a wrong length");
	changed_packet(4, 1, "a wrong length");
	changed_packet(6, NEXT_TCP ^ NEXT_ROUTING, "a Routing header");
	changed_packet(6, NEXT_TCP ^ NEXT_FRAGMENT, "a fragment");
	changed_packet(6, NEXT_TCP ^ NEXT_HOPOPTS, "an extension header");
	changed_packet(6, NEXT_TCP ^ NEXT_ICMPV6, "ICMPv6");
	changed_packet(23, 1, "another source");
	changed_packet(39, 1, "another destination");
	bubble(&q, native, far_client);
	s = single(&q);
	assert_false(packet_passed(&s));
	q.n = 39;
	s = single(&q);
	assert_false(packet_passed(&s));
	q.n = 0;
	s = single(&q);
	assert_false(packet_passed(&s));
}

/* An extension header before TCP, in a super-packet. */
static void super_packet_of_others(void **state)
{
	const struct vnet v = {VNET_NEEDS_CSUM, VNET_TCP6, 0, 1000, 48, 16};
	struct super s;

	(void)state;
	lease_is(LEASE_DOWN, native, far_client);
	tcp(&q, .from = &native, .to = &far_client, .first = NEXT_DSTOPTS,
	    .extensions = "0600010400000000", .payload = 3500, .partial = true);
	put_front(&q, &v, sizeof(v));
	assert_int_equal(super_parse(&s, q.b, q.n), REASON_NONE);
	assert_int_equal(super_count(&s), 4);
	assert_false(packet_passed(&s));
}

static void packet_too_late(void **state)
{
	struct super s;
	uint32_t epoch;

	(void)state;
	peer_ = far_client;
	host_ = native;
	lease_is(LEASE_DOWN, native, far_client);
	ours(&q, 60);
	s = single(&q);
	epoch = node_epoch(&r.node);
	assert_true(packet_passed_at(&s, epoch, l.until - 1));
	assert_false(packet_passed_at(&s, epoch, l.until));
	assert_false(packet_passed_at(&s, epoch + 1, r.now));
	crowd(&r.out, OUT_PER_CALL - 1);
	assert_false(lease_packet(&ls, &s, epoch, r.now, &stats, &r.out));
	crowd(&r.out, OUT_PER_CALL);
	assert_true(lease_packet(&ls, &s, epoch, r.now, &stats, &r.out));
	outbox_clear(&r.out);
	/* One for the other way. */
	memset(&ls, 0, sizeof(ls));
	assert_true(up(far_client, native));
	l.src = native;
	l.dst = far_client;
	lease_put(&ls, &l);
	assert_false(packet_passed(&s));
}

/* --- the table --- */

/* Others of the same hash push it out, and are not taken for it. */
static void slots_are_shared(void **state)
{
	unsigned lost[2] = {0, 0};

	(void)state;
	relay_scene();
	couple_plain(SIZE);
	for (unsigned i = 0; i < 4096; i++) {
		struct lease other;

		lease_is(LEASE_UP, far_client, native);
		other = l;
		put16((i & 1 ? other.src.b : other.dst.b) + 13, (uint16_t)i);
		other.tuple = t.from;
		lease_put(&ls, &other);
		lost[i & 1] += passed() == 0;
	}
	/* 2048 each into 256 slots: 8 are to be expected. */
	assert_in_range(lost[0], 1, 30);
	assert_in_range(lost[1], 1, 30);
}

/* Each packet finds the lease of its own: many fit side by side. */
static void slots_are_many(void **state)
{
	unsigned found = 0;

	(void)state;
	relay_scene();
	for (uint8_t i = 0; i < 64; i++) {
		host_.b[15] = i;
		lease_is(LEASE_UP, far_client, host_);
	}
	for (uint8_t i = 0; i < 64; i++) {
		host_.b[15] = i;
		begin(far_client_at);
		couple_plain(SIZE);
		found += passed();
	}
	assert_in_range(found, 45, 64);
}

static void lease_ends(void **state)
{
	(void)state;
	assert_int_equal(LEASE_MS, 250);
	assert_int_equal(lease_end(7, UINT64_MAX), 7 + 250 * MS);
	assert_int_equal(lease_end(7, 8), 8);
	assert_int_equal(lease_end(7, 7 + 250 * MS), 7 + 250 * MS);
	assert_int_equal(lease_end(7, 6 + 250 * MS), 6 + 250 * MS);
}

int main(void)
{
#define RELAYS(f)  cmocka_unit_test_setup_teardown(f, be_relay, done)
#define CLIENTS(f) cmocka_unit_test_setup_teardown(f, be_client, done)
	const struct CMUnitTest tests[] = {
		RELAYS(relays_proven_peers),
		RELAYS(relays_peers_fall_silent),
		RELAYS(relays_failed_peers),
		RELAYS(relays_have_an_mtu),
		CLIENTS(clients_open_peers),
		CLIENTS(clients_strangers),
		CLIENTS(clients_own_addresses_only),
		CLIENTS(clients_peers_fall_silent),
		CLIENTS(clients_debts),
		CLIENTS(clients_neighbours),
		CLIENTS(clients_servers),
		CLIENTS(clients_without_address),
		CLIENTS(clients_untrusted_peers),
		cmocka_unit_test(of_each_role),
		cmocka_unit_test(of_role_auto),
		RELAYS(relays_peer_moves),
		CLIENTS(clients_peer_moves),
		CLIENTS(clients_status_changes),
		RELAYS(addresses_change),
		RELAYS(train_by_lease),
		CLIENTS(clients_train_by_lease),
		RELAYS(train_of_others),
		CLIENTS(clients_train_of_others),
		RELAYS(train_of_two),
		RELAYS(train_with_marks),
		RELAYS(train_of_nothing),
		RELAYS(train_too_long),
		RELAYS(train_from_elsewhere),
		RELAYS(train_the_other_way),
		RELAYS(train_too_late),
		RELAYS(place_of_a_lease),
		RELAYS(empty_table),
		RELAYS(train_in_portions),
		RELAYS(packet_by_lease),
		CLIENTS(clients_packet_by_lease),
		RELAYS(packet_too_long),
		RELAYS(packet_of_others),
		RELAYS(super_packet_of_others),
		RELAYS(packet_too_late),
		RELAYS(slots_are_shared),
		RELAYS(slots_are_many),
		cmocka_unit_test(lease_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
