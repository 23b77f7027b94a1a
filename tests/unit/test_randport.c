/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random ports (6081 §5.4, §5.5). The host is behind a symmetric NAT: one that
 * keeps ports (the service port is 4096 inside and outside), or one that
 * counts. The shell is played by doors().
 */
#include <stdio.h>
#include <string.h>

#include "contact.h"
#include "randport.h"
#include "rig_client.h"

static struct rig r;
static struct packet p, q;

static const struct tuple kept_at = {0xc0a80105, 4096};
static const struct tuple far_random = {0x0b000006, 9000}; /* 11.0.0.6 */

static struct client *me(void)
{
	return &r.node.client;
}

/* What the shell does: DOOR_RANDOM + k gets port 20000 + k, and 100 more each
 * time. */
static unsigned opened;

static void doors(void)
{
	static uint64_t open;
	uint64_t wants;

	if (!opened)
		open = 0;
	while ((wants = me()->ports.wants) != open) {
		for (unsigned k = 0; k < RANDOM_DOORS; k++) {
			uint64_t bit = UINT64_C(1) << k;

			if (!((wants ^ open) & bit))
				continue;
			open ^= bit;
			client_door(me(), k,
				    (wants & bit) ? (uint16_t)(20000 + opened++)
						  : 0,
				    r.now);
		}
	}
}

/* A test has made its configuration itself. */
static bool is_prepared;

/* The servers see the service port there. */
static void qualify_at(struct tuple local, struct tuple first,
		       struct tuple second)
{
	const struct tuple whom[] = {server_at, second_at};
	const struct tuple seen[] = {first, second};

	opened = 0;
	if (!is_prepared)
		prepare_client(&r);
	is_prepared = false;
	start(&r);
	network(&r, local);
	server(&r, 0, SERVER, SECOND);
	for (int i = 0; i < 2; i++) {
		struct asked a = asked_from(&r, whom[i], local);

		advert(&q, &a, SERVER, seen[i]);
		from_ip4(&r, DOOR_SERVICE, whom[i], &q);
		ended(&r, REASON_RA_TAKEN);
	}
	is_state(&r, CLIENT_QUALIFIED, WHY_NONE, 1);
	unsuspecting(&r);
	me()->heard = r.now + SECONDS(100000);
	doors();
}

static int preserving(void **state)
{
	(void)state;
	qualify_at(kept_at, client_at, at("11.0.0.5", 777));
	return 0;
}

static int counting(void **state)
{
	(void)state;
	qualify_at(local_at, client_at, at("11.0.0.5", 4098));
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static struct recent_peer *far_entry(void)
{
	uint32_t i = recent_find(&me()->recent, me()->cur, &far_client);

	assert_int_not_equal(i, RECENT_NONE);
	return recent_at(&me()->recent, i);
}

static const struct randport *far_port(void)
{
	return randport_seen(me(), recent_find(&me()->recent, me()->cur,
					       &far_client));
}

static enum door far_door(void)
{
	assert_non_null(far_port());
	return randport_door(me(), far_port());
}

/* A bubble with a nonce (0 = none) and a port (0 = none). */
static void put(struct packet *b, struct ip6 from, struct ip6 to,
		uint32_t nonce, uint16_t port)
{
	char text[16];

	bubble(b, from, to);
	if (nonce) {
		snprintf(text, sizeof(text), "0104%08x", nonce);
		add_tail(b, text);
	}
	if (port) {
		snprintf(text, sizeof(text), "0502%04x", port);
		add_tail(b, text);
	}
}

static void sent_bubble_with(enum door door, struct tuple to, uint32_t nonce,
			     uint16_t port)
{
	struct packet want;

	put(&want, client, far_client, nonce, port);
	sent_udp(&r, door, to, &want);
}

/* The indirect one: its nonce. X10, X36. */
static uint32_t sent_indirect_with(uint16_t port)
{
	const struct sent *s = next_sent(&r);
	uint32_t nonce = be32(s->p.b + 42);
	struct packet want;

	put(&want, client, far_client, nonce, port);
	r.first--;
	sent_udp(&r, DOOR_SERVICE, other_server_at, &want);
	assert_int_not_equal(nonce, 0);
	return nonce;
}

/* The peer's indirect bubble comes. */
static void announces(uint32_t nonce, uint16_t port)
{
	put(&q, far_client, client, nonce, port);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	doors();
}

static void holds(void)
{
	goes_to(&r, &p, far_client);
	ended(&r, REASON_HELD);
	doors();
}

static void comes_to(enum door door, struct tuple from)
{
	from_ip4(&r, door, from, &q);
}

/* Our host wants far_client; the first attempt is sent. */
static uint32_t asks_far(void)
{
	uint32_t nonce;

	holds();
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0); /* X12, X38 */
	nonce = sent_indirect_with(far_port()->port);
	sent_nothing(&r);
	return nonce;
}

/* And it is heard at the random port: packets go to where it is. */
static void meets_far(void)
{
	uint32_t nonce = asks_far(), epoch = node_epoch(&r.node);

	announces(0x1111, far_random.port);
	put(&q, far_client, client, nonce, far_random.port);
	comes_to(far_door(), far_random);
	ended(&r, REASON_BUBBLE);
	sent_bubble_with(far_door(), far_random, 0x1111, far_port()->port);
	sent_udp(&r, far_door(), far_random, &p);
	sent_nothing(&r);
	assert_int_equal(far_entry()->door, far_door());
	assert_int_not_equal(node_epoch(&r.node), epoch); /* no old lease */
}

/* ---- PP ---- */

/* X33: at first nothing is known, and nothing is open. */
static void x33_nothing_before(void **state)
{
	(void)state;
	prepare_client(&r);
	start(&r);
	assert_int_equal(randport_mode(me()), RANDPORT_OFF);
	assert_int_equal(me()->ports.wants, 0);
	rig_end(&r);
	/* Neither behind a NAT that needs none. */
	prepare_client(&r);
	start_qualified(&r);
	assert_int_equal(me()->ports.wants, 0);
	announces(0x1111, 9000);
	r.first = r.n = 0;
	assert_int_equal(me()->ports.wants, 0);
}

/* X34: the origin port is the local port, or not. */
static void x34_flag(void **state)
{
	(void)state;
	qualify_at(kept_at, client_at, at("11.0.0.5", 777));
	assert_int_equal(randport_mode(me()), RANDPORT_PRESERVED);
	assert_true(status(&r)->preserves_port);
	rig_end(&r);
	qualify_at(local_at, client_at, at("11.0.0.5", 777));
	assert_int_equal(randport_mode(me()), RANDPORT_OFF);
	assert_false(status(&r)->preserves_port);
	rig_end(&r);
	prepare_client(&r);
	is_prepared = true;
	r.conf.client.extensions &= ~(unsigned)EXT_PP;
	qualify_at(kept_at, client_at, at("11.0.0.5", 777));
	assert_int_equal(randport_mode(me()), RANDPORT_OFF);
	assert_int_equal(me()->ports.wants, 0);
}

/* X35, X36, X37: a port of its own for each peer, open before it is told. */
static void x35_x36_x37_port(void **state)
{
	uint16_t port;

	(void)state;
	assert_int_equal(me()->ports.n, 0);
	assert_int_equal(__builtin_popcountll(me()->ports.wants),
			 RANDPORT_SPARE);
	asks_far();
	port = far_port()->port;
	assert_in_range(port, 20000, 20010);
	/* The same one when it is repeated. */
	pass(&r, SECONDS(2.3));
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0);
	sent_indirect_with(port);
	/* Another peer, another port. */
	goes_to(&r, &p, ta(OTHER, 0, 99, "11.0.0.99"));
	assert_int_equal(me()->ports.n, 2);
	r.first = r.n;
}

/* X39: from our port to its port, with the trailer; X38, X11. */
static void x38_x39_second_bubble(void **state)
{
	uint16_t port;

	(void)state;
	announces(0x1111, far_random.port);
	port = far_port()->port;
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1111, 0);
	sent_bubble_with(far_door(), far_random, 0x1111, port);
	sent_indirect_with(port);
	sent_nothing(&r);
}

/* A69: who announces none hears one bubble, from the port that it was told. */
static void a69_peer_without_port(void **state)
{
	uint16_t port;

	(void)state;
	announces(0x1111, 0);
	port = far_port()->port;
	sent_bubble_with(far_door(), far_client_at, 0x1111, port);
	sent_indirect_with(port);
	sent_nothing(&r);
}

/* Who knows no nonces is answered as ever (X8). */
static void x8_peer_without_nonce(void **state)
{
	(void)state;
	announces(0, 0);
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0);
	sent_indirect_with(far_port()->port);
	sent_nothing(&r);
}

/* X40, X37: 0x02 is understood, 0 is ignored. */
static void x37_x40_announced(void **state)
{
	(void)state;
	bubble(&q, far_client, client);
	add_tail(&q, "010400001111 02022328");
	by_server(&r, &q, far_client_at);
	assert_int_equal(far_entry()->peer_port, 9000);
	r.first = r.n;
	rig_end(&r);
	preserving(NULL);
	bubble(&q, far_client, client);
	add_tail(&q, "010400001111 05020000");
	by_server(&r, &q, far_client_at);
	assert_int_equal(far_entry()->peer_port, far_client_at.port);
	r.first = r.n;
}

/* X41: while packets flow, another port is ignored, and so is the same. */
static void x41_ignored_while_data_flows(void **state)
{
	uint16_t port;

	(void)state;
	meets_far();
	port = far_port()->port;
	pass(&r, SECONDS(2.9));
	announces(0x2222, far_random.port);
	r.first = r.n;
	announces(0x2223, 9999);
	r.first = r.n;
	assert_int_equal(far_entry()->peer_port, far_random.port);
	assert_int_equal(far_port()->port, port);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, far_door(), far_random, &p);
}

/* X42, A66, A67: after silence it is used, and from a fresh port. */
static void x42_taken_after_silence(void **state)
{
	uint16_t port;

	(void)state;
	meets_far();
	port = far_port()->port;
	pass(&r, SECONDS(31));
	r.first = r.n; /* X48 */
	pass(&r, SECONDS(3));
	announces(0x2222, 9999);
	assert_int_equal(far_entry()->peer_port, 9999);
	assert_int_not_equal(far_port()->port, port);
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0x2222, 0);
	sent_bubble_with(far_door(), at("11.0.0.6", 9999), 0x2222,
			 far_port()->port);
	sent_indirect_with(far_port()->port);
	sent_nothing(&r);
}

/* A67: three seconds of silence are enough, though it is valid still. */
static void a67_taken_from_who_is_valid(void **state)
{
	(void)state;
	meets_far();
	pass(&r, SECONDS(3));
	assert_true(contact_is_valid(far_entry(), r.now));
	announces(0x2222, 9999);
	assert_int_equal(far_entry()->peer_port, 9999);
	assert_false(contact_is_valid(far_entry(), r.now));
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0x2222, 0);
	sent_bubble_with(far_door(), at("11.0.0.6", 9999), 0x2222,
			 far_port()->port);
	sent_indirect_with(far_port()->port);
	sent_nothing(&r);
}

/* A66: where it was heard once it is looked for once; then from a fresh port,
 * and what it had announced was for the old one. */
static void a66_stale_port(void **state)
{
	uint16_t port;

	(void)state;
	for (int heard = 0; heard < 2; heard++) {
		meets_far();
		port = far_port()->port;
		pass(&r, SECONDS(31));
		r.first = r.n;
		pass(&r, SECONDS(5));
		holds();
		sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1111, 0);
		sent_bubble_with(far_door(), far_random, 0x1111, port);
		sent_indirect_with(port);
		if (!heard) {
			pass(&r, SECONDS(2.3));
			doors();
			sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1111,
					 0);
			sent_indirect_with(far_port()->port);
			assert_int_not_equal(far_port()->port, port);
			assert_int_equal(far_entry()->peer_port, 0);
			rig_end(&r);
			preserving(NULL);
			continue;
		}
		/* It is there after all; the next time begins as this did. */
		data(&q, far_client, client);
		comes_to(far_door(), far_random);
		ended(&r, REASON_TO_IPV6);
		r.first = r.n;
		pass(&r, SECONDS(36));
		r.first = r.n;
		holds();
		sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1111, 0);
		sent_bubble_with(far_door(), far_random, 0x1111, port);
		sent_indirect_with(port);
	}
}

/* A69, A66: the port of its address stays what it is. */
static void a69_port_of_the_address_stays(void **state)
{
	(void)state;
	asks_far();
	announces(0x1111, 0);
	pass(&r, SECONDS(2.3));
	sent_bubble_with(far_door(), far_client_at, 0x1111, far_port()->port);
	sent_indirect_with(far_port()->port);
	client_door(me(), far_door() - DOOR_RANDOM, 0, r.now);
	assert_null(far_port());
	pass(&r, SECONDS(2.3));
	assert_int_equal(far_entry()->peer_port, far_client_at.port);
	sent_bubble_with(far_door(), far_client_at, 0x1111, far_port()->port);
	sent_indirect_with(far_port()->port);
}

/* A66: a port from which nothing was sent is as good as a new one. */
static void a66_fresh_port_stays(void **state)
{
	uint16_t port;

	(void)state;
	asks_far();
	port = far_port()->port;
	announces(0x1111, far_random.port);
	assert_int_equal(far_port()->port, port);
	assert_int_equal(far_entry()->peer_port, far_random.port);
	pass(&r, SECONDS(2.3));
	r.first = r.n;
	assert_true(far_port()->used);
	/* Now it is bound; who began announces a fresh one, and waits. */
	announces(0x1112, 9999);
	assert_null(far_port());
	assert_int_equal(far_entry()->peer_port, 0);
	pass(&r, SECONDS(2.3));
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1112, 0);
	sent_indirect_with(far_port()->port);
	assert_int_not_equal(far_port()->port, port);
	assert_false(far_port()->used);
	sent_nothing(&r);
}

/* X43: it answers at the service port, so the random one is closed. */
static void x43_primary(void **state)
{
	uint32_t nonce = asks_far();
	enum door door = far_door();

	(void)state;
	put(&q, far_client, client, nonce, 0);
	comes_to(DOOR_SERVICE, at("11.0.0.6", 5));
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, at("11.0.0.6", 5), &p);
	sent_nothing(&r);
	assert_null(far_port());
	assert_false(me()->ports.wants >> (door - DOOR_RANDOM) & 1);
	doors();
	/* Nobody is there any more. */
	comes_to(door, far_client_at);
	dropped(&r, REASON_MISMATCH);
}

/* X44: trusted at the service port, and a bubble from another tuple. */
static void x44_another_tuple(void **state)
{
	uint32_t nonce = asks_far();

	(void)state;
	put(&q, far_client, client, nonce, 0);
	comes_to(DOOR_SERVICE, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	/* The same tuple. */
	comes_to(DOOR_SERVICE, far_client_at);
	dropped(&r, REASON_BUBBLE);
	/* Another one, at once: no. */
	comes_to(DOOR_SERVICE, at("11.0.0.6", 5));
	dropped(&r, REASON_MISMATCH);
	/* After silence: start over. */
	pass(&r, SECONDS(31));
	comes_to(DOOR_SERVICE, at("11.0.0.6", 5));
	ended(&r, REASON_BUBBLE);
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0);
	sent_indirect_with(far_port()->port);
	sent_nothing(&r);
	assert_false(contact_is_valid(far_entry(), r.now));
}

/* X45: from the random port to the service port. */
static void x45_moves_to_primary(void **state)
{
	(void)state;
	meets_far();
	pass(&r, SECONDS(3));
	bubble(&q, far_client, client);
	comes_to(DOOR_SERVICE, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_nothing(&r);
	assert_null(far_port());
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
}

/* X46, A20: what is no proof elsewhere is none here; and it is for one peer. */
static void x46_random(void **state)
{
	uint32_t nonce;
	enum door door;

	(void)state;
	nonce = asks_far();
	door = far_door();
	put(&q, far_client, client, 0, 0);
	comes_to(door, far_random);
	dropped(&r, REASON_MISMATCH);
	put(&q, far_client, client, nonce ^ 1, 0);
	comes_to(door, far_random);
	dropped(&r, REASON_MISMATCH);
	data(&q, far_client, client);
	comes_to(door, far_random);
	dropped(&r, REASON_UNTRUSTED);
	/* Another client, from where its address says. */
	bubble(&q, ta(OTHER, 0, 99, "11.0.0.99"), client);
	comes_to(door, at("11.0.0.99", 99));
	dropped(&r, REASON_MISMATCH);
	data(&q, native, client);
	comes_to(door, other_relay_at);
	dropped(&r, REASON_MISMATCH);
	/* What claims to come by way of the server. */
	put(&q, far_client, client, 0x1111, 0);
	comes_to(door, server_at);
	dropped(&r, REASON_MISMATCH);
	put(&q, far_client, client, nonce, 0);
	comes_to(door, far_random);
	ended(&r, REASON_BUBBLE);
	sent_nothing(&r); /* it does not know us: packets wait */
	announces(0x1111, far_random.port);
	sent_bubble_with(door, far_random, 0x1111, far_port()->port);
	sent_udp(&r, door, far_random, &p);
	sent_nothing(&r);
}

/* X46, and data as the first thing that is heard. */
static void x46_data_first(void **state)
{
	(void)state;
	asks_far();
	data(&q, far_client, client);
	comes_to(far_door(), far_client_at);
	ended(&r, REASON_TO_IPV6);
	sent_udp(&r, far_door(), far_client_at, &p);
	sent_ip6(&r, &q);
	sent_nothing(&r);
}

/* X47: another tuple at the random port: a fresh one. */
static void x47_another_tuple(void **state)
{
	uint16_t port;

	(void)state;
	meets_far();
	port = far_port()->port;
	pass(&r, SECONDS(3));
	put(&q, far_client, client, far_entry()->nonce_sent, 0);
	comes_to(far_door(), far_random);
	dropped(&r, REASON_BUBBLE);
	pass(&r, SECONDS(3));
	comes_to(far_door(), at("11.0.0.6", 9001));
	ended(&r, REASON_BUBBLE);
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1111, 0);
	sent_bubble_with(far_door(), far_random, 0x1111, far_port()->port);
	sent_indirect_with(far_port()->port);
	sent_nothing(&r);
	assert_int_not_equal(far_port()->port, port);
}

/* X48, X49, A52: 20 bubbles, 30 s apart; packets begin that anew. */
static void x48_x49_a52_refreshes(void **state)
{
	(void)state;
	meets_far();
	for (int i = 0; i < RANDPORT_REFRESHES; i++) {
		pass(&r, SECONDS(30));
		assert_int_equal(r.n - r.first, 1);
		sent_bubble_with(far_door(), far_random, 0x1111,
				 far_port()->port);
		/* It is there, and says so. */
		put(&q, far_client, client, 0, 0);
		comes_to(far_door(), far_random);
		dropped(&r, REASON_BUBBLE);
	}
	pass(&r, SECONDS(29));
	comes_to(far_door(), far_random);
	pass(&r, SECONDS(2)); /* no twenty-first */
	sent_nothing(&r);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, far_door(), far_random, &p);
	pass(&r, SECONDS(60));
	sent_bubble_with(far_door(), far_random, 0x1111, far_port()->port);
}

/* C56, A52: two seconds from another bubble. */
static void a52_c56_refresh_waits(void **state)
{
	uint64_t met;

	(void)state;
	meets_far();
	met = r.now;
	pass(&r, SECONDS(29));
	put(&q, far_client, client, 0, 0);
	comes_to(far_door(), far_random);
	announces(0x3333, far_random.port); /* is answered at once, A68 */
	sent_bubble_with(far_door(), far_random, 0x3333, far_port()->port);
	pass(&r, SECONDS(1.9));
	sent_nothing(&r);
	pass(&r, SECONDS(0.1));
	assert_int_equal(r.now - met, SECONDS(31));
	sent_bubble_with(far_door(), far_random, 0x3333, far_port()->port);
}

/* X50: so many, and no more; strangers get half. */
static void x50_limit(void **state)
{
	(void)state;
	me()->conf.bubbles = me()->conf.answers = (struct rate){0, 100000};
	me()->bubbles = me()->answers = (struct bucket){0};
	for (unsigned i = 0; i < 200; i++) {
		struct ip6 a = ta(OTHER, 0, 99, "11.0.0.99");

		a.b[15] = (uint8_t)i;
		put(&q, a, client, 0x1111, 0);
		by_server(&r, &q, far_client_at);
		doors();
		r.first = r.n = 0;
	}
	assert_int_equal(me()->ports.n, RANDPORT_FOR_OTHERS);
	asks_far();
	assert_int_equal(me()->ports.n, RANDPORT_FOR_OTHERS + 1);
	pass(&r, SECONDS(200));
	r.first = r.n = 0;
	assert_int_equal(me()->ports.n, 0);
}

/* X50: nobody uses it for 600 s. */
static void x50_idle(void **state)
{
	(void)state;
	meets_far();
	pass(&r, SECONDS(700));
	r.first = r.n;
	assert_null(far_port());
	assert_int_equal(me()->ports.n, 0);
	assert_false(contact_is_valid(far_entry(), r.now));
}

/* X50: where none can be opened, it goes on without. */
static void x50_without(void **state)
{
	(void)state;
	for (unsigned k = 0; k < RANDOM_DOORS; k++)
		client_door(me(), k, 0, r.now);
	assert_int_equal(me()->ports.wants, 0);
	holds();
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0);
	sent_indirect_with(0);
	/* It is tried again. */
	pass(&r, SECONDS(11));
	r.first = r.n;
	assert_int_equal(__builtin_popcountll(me()->ports.wants),
			 RANDPORT_SPARE);
}

/* A port is lost: the peer is looked for anew. */
static void lost_port_heals(void **state)
{
	unsigned k;

	(void)state;
	meets_far();
	pass(&r, SECONDS(3));
	k = far_door() - DOOR_RANDOM;
	client_door(me(), k, 0, r.now);
	assert_null(far_port());
	holds();
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1111, 0);
	sent_indirect_with(far_port()->port);
	sent_nothing(&r);
}

/* Another process goes on with its memory, but has no ports. */
static void recovered_peers_start_over(void **state)
{
	(void)state;
	meets_far();
	die_and_recover(&r);
	opened = 0;
	assert_int_equal(recent_find(&me()->recent, me()->cur, &far_client),
			 RECENT_NONE);
	assert_int_equal(randport_mode(me()), RANDPORT_PRESERVED);
	r.first = r.n;
}

/* The address goes, and with it the ports. */
static void lost_address(void **state)
{
	(void)state;
	meets_far();
	want(&r, false);
	assert_int_equal(me()->ports.n, 0);
	assert_int_equal(me()->ports.wants, 0);
}

/* ---- SP ---- */

/* One solicitation of an echo test; its nonce. */
static void sent_solicitation(struct tuple to, struct asked *a)
{
	const struct sent *s = next_sent(&r);

	assert_int_equal(s->kind, OUT_UDP);
	assert_int_equal(s->door, far_door());
	assert_true(tuple_equal(s->to, to));
	*a = (struct asked){.to = to};
	for (int i = 0; i < 8; i++)
		snprintf(a->nonce + 2 * i, 3, "%02x", s->p.b[4 + i]);
	memcpy(&a->from, s->p.b + 13 + 8, sizeof(a->from));
}

static void seen_at_port(const struct asked *a, uint16_t port, enum reason why)
{
	advert(&q, a, SERVER, at("11.0.0.5", port));
	comes_to(far_door(), a->to);
	ended(&r, why);
}

static void sent_echo_test(struct asked a[static 2], uint32_t nonce)
{
	sent_solicitation(server_at, &a[0]);
	sent_bubble_with(far_door(), far_client_at, nonce, 0);
	sent_solicitation(second_at, &a[1]);
	assert_string_not_equal(a[0].nonce, a[1].nonce);
}

static void starts_test(struct asked a[static 2])
{
	holds();
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0);
	sent_echo_test(a, 0);
	sent_nothing(&r);
}

/* X51, X52, X55-X57, X60. */
static void x51_x52_x57_echo_test(void **state)
{
	const struct client_status before = *status(&r);
	struct asked a[2];
	uint64_t heard = me()->heard;

	(void)state;
	starts_test(a);
	seen_at_port(&a[0], 1200, REASON_RA_TAKEN);
	sent_nothing(&r);
	seen_at_port(&a[1], 1202, REASON_RA_TAKEN);
	sent_indirect_with(1201);
	sent_nothing(&r);
	assert_int_not_equal(far_port()->port, 1201); /* A22 */
	assert_true(tuple_equal(status(&r)->mapped, before.mapped));
	assert_int_equal(status(&r)->flags, before.flags);
	assert_int_equal(me()->heard, heard);
	/* Late ones change nothing. */
	seen_at_port(&a[0], 1300, REASON_RA_UNEXPECTED);
	sent_nothing(&r);
}

/* X55: in any order, and once; nobody else's. */
static void x55_by_nonce(void **state)
{
	struct asked a[2], other;

	(void)state;
	starts_test(a);
	other = a[0];
	memcpy(other.nonce, "0000000000000000", 16);
	seen_at_port(&other, 1, REASON_RA_NONCE);
	seen_at_port(&a[1], 1202, REASON_RA_TAKEN);
	seen_at_port(&a[1], 1212, REASON_RA_TAKEN); /* the first counts */
	other = a[0];
	other.to = at("11.0.0.99", 3544);
	seen_at_port(&other, 1, REASON_RA_UNEXPECTED);
	other.to = at(SERVER, 3545);
	seen_at_port(&other, 1, REASON_RA_UNEXPECTED);
	sent_nothing(&r);
	seen_at_port(&a[0], 1200, REASON_RA_TAKEN);
	sent_indirect_with(1201);
}

/* X55, C24: who shares a secret with its server believes nobody else. */
static void x55_c24_signed(void **state)
{
	static const struct secret secret = {.id_len = 5,
					     .key_len = 6,
					     .algorithm = HMAC_SHA1,
					     .id = "alice",
					     .key = "secret"};
	static const size_t more = 5 + 20;
	struct asked a[2];

	(void)state;
	me()->qualify.conf.secret = &secret;
	holds();
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0);
	for (int k = 0; k < 2; k++) {
		const struct sent *s = next_sent(&r);

		a[k].to = k ? second_at : server_at;
		for (int i = 0; i < 8; i++)
			snprintf(a[k].nonce + 2 * i, 3, "%02x",
				 s->p.b[4 + more + i]);
		memcpy(&a[k].from, s->p.b + 13 + more + 8, 16);
		if (k == 0)
			sent_bubble_with(far_door(), far_client_at, 0, 0);
	}
	for (int k = 0; k < 2; k++) {
		seen_at_port(&a[k], 1, REASON_AUTH_FAILED);
		advert_inner(&q, &a[k], SERVER);
		add_origin(&q, at("11.0.0.5", 1));
		comes_to(far_door(), a[k].to);
		ended(&r, REASON_RA_NONCE);
		advert_inner(&q, &a[k], SERVER);
		add_origin(&q, at("11.0.0.5", 1));
		add_auth(&q, "alice", "wrong!", a[k].nonce, 0, 20);
		comes_to(far_door(), a[k].to);
		ended(&r, REASON_AUTH_FAILED);
		sent_nothing(&r);
		advert_inner(&q, &a[k], SERVER);
		add_origin(&q, at("11.0.0.5", (uint16_t)(1200 + 2 * k)));
		add_auth(&q, "alice", "secret", a[k].nonce, 0, 20);
		comes_to(far_door(), a[k].to);
		ended(&r, REASON_RA_TAKEN);
	}
	sent_indirect_with(1201);
	me()->qualify.conf.secret = NULL;
}

/* X56, A2: the mean, rounded down. */
static void x56_mean(void **state)
{
	static const uint16_t cases[][3] = {{1200, 1202, 1201},
					    {1202, 1200, 1201},
					    {1200, 1203, 1201},
					    {65535, 65533, 65534}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct asked a[2];

		starts_test(a);
		seen_at_port(&a[0], cases[i][0], REASON_RA_TAKEN);
		seen_at_port(&a[1], cases[i][1], REASON_RA_TAKEN);
		sent_indirect_with(cases[i][2]);
		rig_end(&r);
		counting(NULL);
	}
}

/* X53, X54: after 1 s once more, after 2 s without a prediction. */
static void x53_x54_silence(void **state)
{
	struct asked a[2];

	(void)state;
	starts_test(a);
	pass(&r, SECONDS(0.99));
	sent_nothing(&r);
	pass(&r, SECONDS(0.01));
	sent_echo_test(a, 0);
	pass(&r, SECONDS(1.99));
	/* The second attempt of C47 comes in between. */
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0, 0);
	sent_nothing(&r);
	pass(&r, SECONDS(0.01));
	sent_indirect_with(0);
	sent_nothing(&r);
	assert_int_equal(far_port()->tests, 2);
}

/* X58: it is heard at the service port: no more tests. */
static void x58_primary_ends_test(void **state)
{
	struct asked a[2];

	(void)state;
	starts_test(a);
	bubble(&q, far_client, client);
	comes_to(DOOR_SERVICE, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	assert_null(far_port());
	doors();
	pass(&r, SECONDS(5));
	sent_nothing(&r);
}

/* X59: the timer makes room for other tests. */
static void x59_reset(void **state)
{
	struct asked a[2];

	(void)state;
	starts_test(a);
	seen_at_port(&a[0], 1200, REASON_RA_TAKEN);
	pass(&r, SECONDS(30));
	r.first = r.n;
	assert_int_equal(far_port()->tests, 0);
	assert_int_equal(far_port()->seen[0], 0);
}

/* A65: a NAT that gives ports from anywhere is not asked by every peer. */
static void a65_scattered(void **state)
{
	struct asked a[2];

	(void)state;
	starts_test(a);
	seen_at_port(&a[0], 1200, REASON_RA_TAKEN);
	seen_at_port(&a[1], 1200 + RANDPORT_NEAR + 1, REASON_RA_TAKEN);
	sent_indirect_with(0);
	sent_nothing(&r);
	assert_null(far_port());
	assert_int_equal(randport_mode(me()), RANDPORT_OFF);
	goes_to(&r, &p, ta(OTHER, 0, 99, "11.0.0.99"));
	next_sent(&r);
	sent_indirect(&r, other_server_at, ta(OTHER, 0, 99, "11.0.0.99"));
	sent_nothing(&r);
	rig_end(&r);
	/* Qualification has shown it before. */
	qualify_at(local_at, client_at,
		   at("11.0.0.5", client_at.port + RANDPORT_NEAR + 1));
	assert_int_equal(randport_mode(me()), RANDPORT_OFF);
	rig_end(&r);
	qualify_at(local_at, client_at,
		   at("11.0.0.5", client_at.port - RANDPORT_NEAR));
	assert_int_equal(randport_mode(me()), RANDPORT_PREDICTED);
	rig_end(&r);
	prepare_client(&r);
	is_prepared = true;
	r.conf.client.extensions &= ~(unsigned)EXT_SP;
	qualify_at(local_at, client_at, at("11.0.0.5", 4098));
	assert_int_equal(randport_mode(me()), RANDPORT_OFF);
}

/* ---- X61: who has no random port ---- */

static int plain(void **state)
{
	(void)state;
	opened = 0;
	prepare_client(&r);
	start_qualified(&r);
	return 0;
}

static void x61_from_the_service_port(void **state)
{
	(void)state;
	announces(0x1111, far_random.port);
	sent_bubble_with(DOOR_SERVICE, far_client_at, 0x1111, 0);
	sent_bubble_with(DOOR_SERVICE, far_random, 0x1111, 0);
	sent_indirect_with(0);
	sent_nothing(&r);
}

int main(void)
{
#define WITH(fn, kind) cmocka_unit_test_setup_teardown(fn, kind, done)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(x33_nothing_before, done),
		cmocka_unit_test_teardown(x34_flag, done),
		WITH(x35_x36_x37_port, preserving),
		WITH(x38_x39_second_bubble, preserving),
		WITH(a69_peer_without_port, preserving),
		WITH(x8_peer_without_nonce, preserving),
		WITH(x37_x40_announced, preserving),
		WITH(x41_ignored_while_data_flows, preserving),
		WITH(x42_taken_after_silence, preserving),
		WITH(a67_taken_from_who_is_valid, preserving),
		WITH(a66_stale_port, preserving),
		WITH(a69_port_of_the_address_stays, preserving),
		WITH(a66_fresh_port_stays, preserving),
		WITH(x43_primary, preserving),
		WITH(x44_another_tuple, preserving),
		WITH(x45_moves_to_primary, preserving),
		WITH(x46_random, preserving),
		WITH(x46_data_first, preserving),
		WITH(x47_another_tuple, preserving),
		WITH(x48_x49_a52_refreshes, preserving),
		WITH(a52_c56_refresh_waits, preserving),
		WITH(x50_limit, preserving),
		WITH(x50_idle, preserving),
		WITH(x50_without, preserving),
		WITH(lost_port_heals, preserving),
		WITH(recovered_peers_start_over, preserving),
		WITH(lost_address, preserving),
		WITH(x51_x52_x57_echo_test, counting),
		WITH(x55_by_nonce, counting),
		WITH(x55_c24_signed, counting),
		WITH(x56_mean, counting),
		WITH(x53_x54_silence, counting),
		WITH(x58_primary_ends_test, counting),
		WITH(x59_reset, counting),
		WITH(a65_scattered, counting),
		WITH(x61_from_the_service_port, plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
