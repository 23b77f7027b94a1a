/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients on one link: what is said to it, and what is believed of it. */
#include "contact.h"
#include "rig_client.h"

#include <string.h>

static const struct tuple lan_at = {0xc0a80107, 50007}; /* a neighbour */
static const struct tuple third_at = {0xc0a80108, 50008};

static struct rig r;
static struct packet p, q;
static struct ip6 all_nodes;
static struct ip6 peer; /* the neighbour: behind the same NAT */

static int fresh(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	all_nodes = ip6("ff02::1");
	peer = ta(SERVER, 0x1234, 4097, "11.0.0.5");
	prepare_client(&r);
	r.conf.client.local_discovery = true;
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* ---- sentences ---- */

#define sent_announcement() check_announcement(next_sent(&r))

static void check_announcement(const struct sent *s)
{
	struct packet want;

	bubble(&want, client, all_nodes);
	set_hops(&want, 1);
	assert_int_equal(s->kind, OUT_GROUP);
	assert_int_equal(s->door, DOOR_SERVICE);
	same_packet(&s->p, &want);
}

static void begin(void)
{
	start_qualified(&r);
	pass(&r, 0);
	sent_announcement();
	sent_nothing(&r);
}

static void said_by(struct ip6 who, struct tuple from)
{
	bubble(&p, who, all_nodes);
	set_hops(&p, 1);
	from_ip4(&r, DOOR_DISCOVERY, from, &p);
}

/* The neighbour says that it is there, and is answered. */
static void neighbour(void)
{
	said_by(peer, lan_at);
	ended(&r, REASON_DISCOVERY);
	sent_direct(&r, lan_at, peer, NULL);
	sent_nothing(&r);
}

static const struct recent_peer *entry(struct ip6 a)
{
	const struct recent *t = &r.node.client.recent;
	uint32_t i = recent_find(t, 0, &a);

	return i == RECENT_NONE ? NULL : recent_at(t, i);
}

/* Time passes; the server answers, and what is said to the link is skipped. */
static void server_and_announcements(uint64_t ns)
{
	pass(&r, ns);
	while (r.first != r.n) {
		if (r.log[r.first].kind == OUT_UDP)
			answers(&r, r.log[r.first].to, client_at);
		else
			sent_announcement();
	}
}

/* ---- announcing ---- */

/* C72: as soon as there is an address, and then every 200 to 300 s. */
static void c72_announces(void **state)
{
	uint64_t last, least = UINT64_MAX, most = 0;
	unsigned n = 0;

	(void)state;
	start_client(&r);
	pass(&r, SECONDS(0.5));
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	pass(&r, 0);
	last = r.now;
	sent_announcement();
	while (n < 60) {
		pass(&r, SECONDS(0.25));
		for (; r.first != r.n;) {
			const struct sent *s = &r.log[r.first];
			uint64_t gap = s->when - last;

			if (s->kind == OUT_UDP) {
				answers(&r, s->to, client_at);
				continue;
			}
			sent_announcement();
			last = s->when;
			least = gap < least ? gap : least;
			most = gap > most ? gap : most;
			n++;
		}
	}
	assert_in_range(least, SECONDS(200), SECONDS(215));
	assert_in_range(most, SECONDS(285), SECONDS(300));
}

/* C72: only while it is qualified. */
static void c72_only_while_qualified(void **state)
{
	(void)state;
	start_client(&r);
	for (unsigned i = 0; i < 20; i++) {
		pass(&r, SECONDS(1));
		while (r.first != r.n)
			assert_int_equal(next_sent(&r)->kind, OUT_UDP);
	}
	pass(&r, SECONDS(0.9));
	r.first = r.n = 0;
	network(&r, local_at);
	while (r.first == r.n)
		pass(&r, SECONDS(0.1));
	answers(&r, server_at, client_at);
	answers(&r, second_at, client_at);
	pass(&r, 0);
	sent_announcement();
	want(&r, false);
	pass(&r, SECONDS(3600));
	sent_nothing(&r);
}

/* C77: off it is inert. */
static void c77_off(void **state)
{
	(void)state;
	r.conf.client.local_discovery = false;
	start_qualified(&r);
	for (unsigned i = 0; i < 60; i++) {
		pass_answered(&r, SECONDS(10), client_at);
		sent_nothing(&r);
	}
	said_by(peer, lan_at);
	dropped(&r, REASON_NOT_QUALIFIED);
	assert_null(entry(peer));
	/* Nor is anybody on the link heard. */
	bubble(&p, peer, client);
	from_ip4(&r, DOOR_SERVICE, lan_at, &p);
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	assert_null(entry(peer));
}

/* Without an address nobody is listened to. */
static void c77_not_qualified(void **state)
{
	(void)state;
	start_client(&r);
	(void)asked(&r, server_at);
	said_by(peer, lan_at);
	dropped(&r, REASON_NOT_QUALIFIED);
}

/* ---- C73: what is not believed ---- */

static void none(enum reason why, const char *what)
{
	r.about = what;
	dropped(&r, why);
	for (int s = 0; s < STANDINGS; s++)
		assert_int_equal(r.node.client.recent.n[s], 0);
	r.about = NULL;
}

static void c73_inner(void **state)
{
	struct ip6 bad = ip6("ff02::2");

	(void)state;
	begin();
	said_by(native, lan_at);
	none(REASON_NOT_TEREDO, "native source");
	said_by(ll(0, 4096, "11.0.0.5"), lan_at);
	none(REASON_NOT_TEREDO, "link-local source");
	said_by(client, lan_at);
	none(REASON_BAD_SOURCE, "ourselves");
	said_by(ta(SERVER, 0x2222, client_at.port, "11.0.0.5"), lan_at);
	none(REASON_BAD_SOURCE, "our mapping");
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		said_by(ta(SERVER, 0, 4096, bad_ranges[i].first), lan_at);
		none(REASON_BAD_SOURCE, bad_ranges[i].name);
		said_by(ta(bad_ranges[i].first, 0, 4096, "11.0.0.6"), lan_at);
		none(REASON_BAD_SOURCE, bad_ranges[i].name);
	}
	said_by(ta(OTHER, 0, 3544, SERVER), lan_at);
	none(REASON_BAD_SOURCE, "our server");
	said_by(ta(SERVER, 0, 0, "11.0.0.6"), lan_at);
	none(REASON_BAD_SOURCE, "mapped port 0");
	bubble(&p, peer, bad);
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	none(REASON_NOT_OURS, "another group");
	bubble(&p, peer, client);
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	none(REASON_NOT_OURS, "to us only");
	data(&p, peer, all_nodes);
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	none(REASON_NOT_OURS, "data");
	ip6_with(&p, peer, all_nodes, 59, "00");
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	none(REASON_NOT_OURS, "a payload");
	icmp6(&p, server_ll, all_nodes, 134, 0, "00000000 00000000 00000000");
	from_ip4(&r, DOOR_DISCOVERY, server_at, &p);
	none(REASON_NOT_OURS, "an advertisement");
}

static void c73_blocks(void **state)
{
	(void)state;
	begin();
	bubble(&p, peer, all_nodes);
	add_origin(&p, lan_at);
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	none(REASON_FORGED_BLOCK, "origin");
	bubble(&p, peer, all_nodes);
	add_nonce(&p, "0102030405060708");
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	none(REASON_FORGED_BLOCK, "authentication");
	bubble(&p, peer, all_nodes);
	cut(&p, 1);
	from_ip4(&r, DOOR_DISCOVERY, lan_at, &p);
	none(REASON_TRUNCATED, "truncated");
}

/* C73, Z15: from the link, and no other place. */
static void c73_z15_outer_source(void **state)
{
	static const struct {
		const char *ip;
		uint16_t port;
	} bad[] = {
		{"192.168.2.7", 50007}, {"192.168.0.255", 50007},
		{"11.0.0.9", 40000},    {"192.168.1.255", 50007},
		{"192.168.1.0", 50007}, {"192.168.1.7", 0},
		{"192.168.1.5", 50000}, {"224.0.0.253", 3544},
		{"127.0.0.1", 50007},   {"10.0.0.7", 50007},
	};

	(void)state;
	deny(&r, "192.168.1.66", 32);
	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		said_by(peer, at(bad[i].ip, bad[i].port));
		none(REASON_SRC_NOT_GLOBAL, bad[i].ip);
	}
	said_by(peer, at("192.168.1.66", 50007));
	none(REASON_SRC_NOT_GLOBAL, "denied");
	neighbour();
}

/* C73, C49: at run time, for who is known as well. */
static void c73_netmask(void **state)
{
	struct gate rules;

	(void)state;
	begin();
	said_by(peer, at("192.168.2.9", 50007));
	none(REASON_SRC_NOT_GLOBAL, "another subnet");
	rules = r.node.gate;
	rules.neighbour_len = 16;
	node_reconfigure(&r.node, &r.conf, &rules, r.now, &r.out);
	said_by(peer, at("192.168.2.9", 50007));
	ended(&r, REASON_DISCOVERY);
	sent_direct(&r, at("192.168.2.9", 50007), peer, NULL);
	bubble(&q, peer, client);
	from_ip4(&r, DOOR_SERVICE, at("192.168.2.9", 50007), &q);
	ended(&r, REASON_BUBBLE);
	goes_to(&r, &p, peer);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, at("192.168.2.9", 50007), &p);
	rules.neighbour_len = 0;
	node_reconfigure(&r.node, &r.conf, &rules, r.now, &r.out);
	goes_to(&r, &p, peer);
	dropped(&r, REASON_DST_NOT_GLOBAL);
	data(&q, peer, client);
	from_ip4(&r, DOOR_SERVICE, at("192.168.2.9", 50007), &q);
	dropped(&r, REASON_SRC_NOT_GLOBAL);
}

/* C73's option: only those that come out of the same NAT. */
static void c73_same_mapped_only(void **state)
{
	(void)state;
	r.conf.client.same_mapped_only = true;
	begin();
	said_by(far_client, lan_at);
	none(REASON_MISMATCH, "another NAT");
	neighbour();
	rig_end(&r);
	fresh(NULL);
	begin();
	said_by(far_client, lan_at);
	ended(&r, REASON_DISCOVERY);
	sent_direct(&r, lan_at, far_client, NULL);
}

/* ---- C75, C76 ---- */

/* C75, Z15: it is noted where, and nobody is trusted for it. */
static void c75_z15_entry(void **state)
{
	const struct recent_peer *e;

	(void)state;
	begin();
	neighbour();
	e = entry(peer);
	assert_non_null(e);
	assert_false(recent_is_trusted(e));
	assert_int_equal(e->lan.ip, lan_at.ip);
	assert_int_equal(e->lan.port, lan_at.port);
	assert_int_equal(e->tuple.port, 0);
	assert_true(e->lan_heard == r.now);
	/* Another place: it has moved. */
	pass(&r, SECONDS(3));
	r.first = r.n = 0;
	said_by(peer, third_at);
	ended(&r, REASON_DISCOVERY);
	sent_direct(&r, third_at, peer, NULL);
	assert_int_equal(entry(peer)->lan.ip, third_at.ip);
}

/* C75: who is known already stays what he is. */
static void c75_known_peer(void **state)
{
	(void)state;
	begin();
	trust_client(&r, far_client, far_client_at);
	said_by(far_client, lan_at);
	ended(&r, REASON_DISCOVERY);
	r.first = r.n;
	assert_true(recent_is_trusted(entry(far_client)));
	assert_int_equal(entry(far_client)->lan.ip, lan_at.ip);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* C76, C56, C57: one answer in two seconds, four in 300. */
static void c76_limits(void **state)
{
	uint64_t first, last = 0;
	unsigned n = 0;

	(void)state;
	begin();
	first = r.now;
	for (unsigned i = 0; i < 2950; i++) {
		said_by(peer, lan_at);
		ended(&r, REASON_DISCOVERY);
		if (r.first != r.n) {
			assert_true(n == 0 || r.now - last >= SECONDS(2));
			sent_direct(&r, lan_at, peer, NULL);
			last = r.now;
			n++;
		}
		server_and_announcements(SECONDS(0.1));
	}
	/* Two of four are left for our own host. */
	assert_int_equal(n, 2);
	assert_int_equal(last - first, SECONDS(2));
}

/* C76, C57: what answers leave, our own host uses: on the link, then beyond. */
static void c76_c57_two_are_left(void **state)
{
	const struct recent *t = &r.node.client.recent;

	(void)state;
	begin();
	unsuspecting(&r);
	for (unsigned i = 0; i < 20; i++) {
		said_by(peer, lan_at);
		ended(&r, REASON_DISCOVERY);
		assert_int_equal(r.n - r.first, i < 2);
		r.first = r.n = 0;
		pass(&r, SECONDS(2));
		r.first = r.n = 0;
	}
	assert_int_equal(bubbles_spent(t, peer.b, 16, r.now), 2);
	goes_to(&r, &p, peer);
	ended(&r, REASON_HELD);
	sent_direct(&r, lan_at, peer, NULL);
	sent_announcement();
	sent_nothing(&r);
	bubble(&q, peer, client);
	from_ip4(&r, DOOR_SERVICE, lan_at, &q);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, lan_at, &p);
}

/* C76: and in all no more than answers may be sent. */
static void c76_limit_of_all(void **state)
{
	unsigned n = 0;

	(void)state;
	r.conf.client.answers = (struct rate){5, 5};
	begin();
	for (uint16_t i = 0; i < 100; i++) {
		said_by(ta(SERVER, 0, (uint16_t)(5000 + i), "11.0.0.5"),
			lan_at);
		for (; r.first != r.n; r.first++)
			n += r.log[r.first].kind == OUT_UDP;
	}
	assert_int_equal(n, 5);
}

/* Somebody new has not heard us yet: he soon will, but no link is flooded. */
static void c72_welcome(void **state)
{
	uint64_t since, start;

	(void)state;
	begin();
	start = r.now;
	neighbour();
	pass(&r, SECONDS(10) - 1);
	sent_nothing(&r);
	pass(&r, SECONDS(0.1));
	sent_announcement();
	assert_int_equal(r.log[r.first - 1].when - start, SECONDS(10));
	/* One who is known is nothing new. */
	server_and_announcements(SECONDS(12));
	said_by(peer, lan_at);
	sent_direct(&r, lan_at, peer, NULL);
	pass(&r, SECONDS(2.1));
	for (; r.first != r.n; r.first++)
		assert_int_equal(r.log[r.first].kind, OUT_UDP);
	/* Another one is, and the last time was long ago. */
	since = r.now;
	said_by(far_client, lan_at);
	sent_direct(&r, lan_at, far_client, NULL);
	pass(&r, SECONDS(2));
	while (r.log[r.first].kind == OUT_UDP)
		r.first++;
	sent_announcement();
	assert_in_range(r.log[r.first - 1].when - since, 0, SECONDS(2));
	r.first = r.n;
}

static void c72_welcomes_are_rare(void **state)
{
	unsigned n = 0;

	(void)state;
	begin();
	for (uint16_t i = 0; i < 1000; i++) {
		said_by(ta(SERVER, 0, (uint16_t)(5000 + i), "11.0.0.5"),
			lan_at);
		pass(&r, SECONDS(0.1));
		for (; r.first != r.n; r.first++)
			n += r.log[r.first].kind == OUT_GROUP;
		r.first = r.n = 0;
	}
	assert_in_range(n, 8, 10);
}

/* ---- C44, C35, C49 ---- */

/* C44, C35, C49, Z15: looked for on the link, believed when it answers. */
static void c44_c35_c49_on_the_link(void **state)
{
	struct packet held;

	(void)state;
	begin();
	neighbour();
	pass(&r, SECONDS(2));
	goes_to(&r, &held, peer);
	ended(&r, REASON_HELD);
	sent_direct(&r, lan_at, peer, NULL);
	sent_announcement();
	sent_nothing(&r);
	/* Not from another place on the link ... */
	bubble(&p, peer, client);
	from_ip4(&r, DOOR_SERVICE, third_at, &p);
	dropped(&r, REASON_MISMATCH);
	data(&q, peer, client);
	from_ip4(&r, DOOR_SERVICE, third_at, &q);
	dropped(&r, REASON_UNTRUSTED);
	assert_false(recent_is_trusted(entry(peer)));
	/* ... but from where it said. */
	from_ip4(&r, DOOR_SERVICE, lan_at, &p);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, lan_at, &held);
	sent_nothing(&r);
	assert_true(recent_is_trusted(entry(peer)));
	from_ip4(&r, DOOR_SERVICE, lan_at, &q);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &q);
	goes_to(&r, &p, peer);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, lan_at, &p);
}

static void reconfigure(void)
{
	const struct gate rules = r.node.gate;

	node_reconfigure(&r.node, &r.conf, &rules, r.now, &r.out);
	rig_flush(&r);
}

/* C77, while it runs: off, and nothing goes on; on, and it begins at once. */
static void c77_switched(void **state)
{
	struct packet held;

	(void)state;
	c44_c35_c49_on_the_link(state);
	r.conf.client.local_discovery = false;
	reconfigure();
	assert_null(entry(peer));
	from_ip4(&r, DOOR_SERVICE, lan_at, &q);
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	said_by(peer, lan_at);
	dropped(&r, REASON_NOT_QUALIFIED);
	assert_int_equal(r.node.client.announce_at, 0);
	/* By way of the Internet; C56. */
	pass(&r, SECONDS(2));
	goes_to(&r, &held, peer);
	ended(&r, REASON_HELD);
	assert_int_equal(next_sent(&r)->to.ip, at("11.0.0.5", 4097).ip);
	sent_indirect(&r, server_at, peer);
	r.conf.client.local_discovery = true;
	reconfigure();
	pass(&r, 0);
	sent_announcement();
	reconfigure(); /* the same again is nothing new */
	pass(&r, 0);
	sent_nothing(&r);
}

/* C73: who is behind another NAT is forgotten, others are not. */
static void c73_switched(void **state)
{
	const struct ip6 other = ta(SERVER, 0x1234, 4098, "11.0.0.9");

	(void)state;
	begin();
	neighbour();
	said_by(other, third_at);
	ended(&r, REASON_DISCOVERY);
	sent_direct(&r, third_at, other, NULL);
	r.conf.client.same_mapped_only = true;
	reconfigure();
	assert_true(discovery_knows(&r.node.client, entry(peer), r.now));
	assert_false(discovery_knows(&r.node.client, entry(other), r.now));
}

/* C75, C46: who said nothing is looked for by way of the Internet. */
static void c75_c46_without(void **state)
{
	(void)state;
	begin();
	goes_to(&r, &p, peer);
	ended(&r, REASON_HELD);
	sent_direct(&r, at("11.0.0.5", 4097), peer, NULL);
	sent_indirect(&r, server_at, peer);
	sent_nothing(&r);
}

/* C44, C77: who said nothing, or when it is off, is not known. */
static void c44_c77_known(void **state)
{
	struct recent_peer e = {.lan = lan_at};

	(void)state;
	begin();
	e.lan_heard = r.now;
	assert_true(discovery_knows(&r.node.client, &e, r.now));
	e.lan.port = 0;
	assert_false(discovery_knows(&r.node.client, &e, r.now));
	e.lan = lan_at;
	r.node.client.conf.local_discovery = false;
	assert_false(discovery_knows(&r.node.client, &e, r.now));
}

/* C44: what was said is good for 600 s. */
static void c44_600_seconds(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		uint64_t end;

		rig_end(&r);
		fresh(NULL);
		begin();
		neighbour();
		end = r.now + SECONDS(600) - !late;
		while (r.now < end) {
			uint64_t step = end - r.now;

			server_and_announcements(
				step < SECONDS(1) ? step : SECONDS(1));
		}
		assert_true(discovery_knows(&r.node.client, entry(peer),
					    r.now) == !late);
		goes_to(&r, &p, peer);
		ended(&r, REASON_HELD);
		if (late) {
			sent_direct(&r, at("11.0.0.5", 4097), peer, NULL);
			sent_indirect(&r, server_at, peer);
		} else {
			sent_direct(&r, lan_at, peer, NULL);
			sent_announcement();
		}
	}
}

/* C44, A46: nobody answers on the link: two of the four go the other way. */
static void c44_a46_falls_back(void **state)
{
	unsigned local = 0, remote = 0;

	(void)state;
	begin();
	said_by(peer, lan_at);
	r.first = r.n;
	bubble_answered(&r.node.client.recent, peer.b, 16);
	pass(&r, SECONDS(2));
	goes_to(&r, &p, peer);
	ended(&r, REASON_HELD);
	pass(&r, SECONDS(15));
	for (; r.first != r.n; r.first++) {
		const struct sent *s = &r.log[r.first];

		if (s->kind == OUT_UDP && s->to.ip == lan_at.ip) {
			assert_int_equal(remote, 0);
			local++;
		}
		remote += s->kind == OUT_UDP && s->to.ip == client_at.ip;
	}
	assert_int_equal(local, 2);
	assert_int_equal(remote, 2);
	assert_int_equal(counted(&r, REASON_UNREACHABLE), 1);
}

/* C44: who woke up in the middle of it does not go on with what is old. */
static void c44_a46_old_news(void **state)
{
	unsigned remote = 0;

	(void)state;
	begin();
	said_by(peer, lan_at);
	r.first = r.n;
	bubble_answered(&r.node.client.recent, peer.b, 16);
	pass(&r, SECONDS(2));
	goes_to(&r, &p, peer);
	ended(&r, REASON_HELD);
	sent_direct(&r, lan_at, peer, NULL);
	r.first = r.n;
	r.now += SECONDS(600);
	pass(&r, SECONDS(15));
	for (; r.first != r.n; r.first++) {
		const struct sent *s = &r.log[r.first];

		assert_false(s->kind == OUT_UDP && s->to.ip == lan_at.ip);
		remote += s->kind == OUT_UDP && s->to.ip == client_at.ip;
	}
	assert_true(remote > 0);
}

/* What comes to the service port for all nodes is no discovery bubble. */
static void c74_not_by_the_service_port(void **state)
{
	(void)state;
	begin();
	bubble(&p, peer, all_nodes);
	from_ip4(&r, DOOR_SERVICE, lan_at, &p);
	none(REASON_NOT_OURS, "service port");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(c72_announces),
		TEST(c72_only_while_qualified),
		TEST(c77_off),
		TEST(c77_not_qualified),
		TEST(c73_inner),
		TEST(c73_blocks),
		TEST(c73_z15_outer_source),
		TEST(c73_netmask),
		TEST(c73_same_mapped_only),
		TEST(c75_z15_entry),
		TEST(c75_known_peer),
		TEST(c76_limits),
		TEST(c76_c57_two_are_left),
		TEST(c76_limit_of_all),
		TEST(c72_welcome),
		TEST(c72_welcomes_are_rare),
		TEST(c44_c35_c49_on_the_link),
		TEST(c77_switched),
		TEST(c73_switched),
		TEST(c75_c46_without),
		TEST(c44_c77_known),
		TEST(c44_600_seconds),
		TEST(c44_a46_falls_back),
		TEST(c44_a46_old_news),
		TEST(c74_not_by_the_service_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
