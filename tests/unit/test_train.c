/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trains and super-packets are a shorter way to what happens anyway. So each is
 * given to a node twice, as a whole and cut by hand: what is sent and counted,
 * and all that the node remembers, must be the same.
 */
#include "rig_client.h"
#include "rig_record.h"

#include <stdlib.h>
#include <string.h>

static struct rig r;
static struct packet p, q;
static struct copy before, after;
static struct record whole, by_hand, whole_own, by_hand_own;

enum {
	SIZE = 120, /* of the packets of a train, unless a case says more */
};

/* --- who sends to whom --- */

struct scene {
	const char *name;
	void (*start)(void);
	const struct ip6 *peer, *host;
	const struct tuple *from;
	enum door door;
};

static const struct scene *sc;

/* What was sent until now is what other tests are about. */
static void look_away(void)
{
	r.first = r.n = 0;
}

/* Packets of our host to this peer, and its bubble, wait for nothing. */
static void relay_knows(const struct ip6 *peer, struct tuple from)
{
	data(&p, native, *peer);
	from_ip6(&r, &p);
	look_away();
	bubble(&q, *peer, home);
	from_ip4(&r, r.conf.relay.door, from, &q);
	ended(&r, REASON_BUBBLE);
	look_away();
}

static void be_relay(void)
{
	start_relay(&r);
	relay_knows(&far_client, far_client_at);
}

static void be_open_relay(void)
{
	prepare_relay(&r);
	r.conf.relay.accept_strangers = true;
	start(&r);
}

static void be_both(void)
{
	start_both(&r);
	relay_knows(&client, client_at);
}

static void be_server(void)
{
	start_server(&r);
}

/* See make_other_source(). */
static struct ip6 neighbour_of(struct ip6 a)
{
	a.b[15] ^= 1;
	return a;
}

/* Small, since all of it is copied for each train. */
static void start_small_client(void)
{
	prepare_client(&r);
	r.conf.client.max_peers = 64;
	r.conf.client.max_held = HELD_MIN;
	start_qualified(&r);
}

static void be_client(void)
{
	start_small_client();
	trust_native(&r, native, other_relay_at);
	trust_native(&r, neighbour_of(native), other_relay_at);
	trust_client(&r, far_client, far_client_at);
}

/* Nobody knows anybody yet. */
static void be_new_client(void)
{
	start_small_client();
}

static void be_native(void)
{
	prepare_client(&r);
	r.conf.client.max_peers = 64;
	r.conf.client.max_held = HELD_MIN;
	r.conf.is_relay = true;
	r.conf.relay = relay_defaults;
	r.conf.relay.max_peers = PEERS_MIN;
	r.conf.relay.max_held = HELD_MIN;
	r.node.self.has_source = true;
	r.node.self.source = home;
	start_qualified(&r);
	node_native(&r.node, true, r.now, &r.out);
	rig_flush(&r);
	look_away();
	relay_knows(&far_client, far_client_at);
}

static const struct scene scenes[] = {
	{"relay", be_relay, &far_client, &native, &far_client_at, DOOR_SERVICE},
	{"relay, open", be_open_relay, &far_client, &native, &far_client_at,
	 DOOR_SERVICE},
	{"server and relay", be_both, &client, &native, &client_at,
	 DOOR_PRIMARY},
	{"server", be_server, &client, &native, &client_at, DOOR_PRIMARY},
	{"client of a host", be_client, &native, &client, &other_relay_at,
	 DOOR_SERVICE},
	{"client of a client", be_client, &far_client, &client, &far_client_at,
	 DOOR_SERVICE},
	{"client of a stranger", be_new_client, &native, &client,
	 &other_relay_at, DOOR_SERVICE},
	{"client of a new client", be_new_client, &far_client, &client,
	 &far_client_at, DOOR_SERVICE},
	{"client by its server", be_client, &native, &client, &server_at,
	 DOOR_SERVICE},
	{"client at its probe", be_client, &native, &client, &other_relay_at,
	 DOOR_PROBE},
	{"auto, native", be_native, &far_client, &native, &far_client_at,
	 DOOR_SERVICE},
	{"auto, native, at the group", be_native, &far_client, &native,
	 &far_client_at, DOOR_DISCOVERY},
};

static void set_scene(const struct scene *s)
{
	memset(&r, 0, sizeof(r));
	sc = s;
	s->start();
	r.about = s->name;
}

static void end_scene(void)
{
	copy_free(&before);
	copy_free(&after);
	rig_end(&r);
}

static const struct scene *scene(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(scenes); i++) {
		if (strcmp(scenes[i].name, name) == 0)
			return &scenes[i];
	}
	fail_msg("no scene \"%s\"", name);
	return NULL;
}

/* --- trains --- */

static struct {
	enum door door;
	struct tuple from;
	uint8_t ecn;
	uint16_t segment; /* as the kernel says it; 0 = it says nothing */
	unsigned n;       /* datagrams */
	size_t len;
	uint8_t b[65536];
} t;

static unsigned room; /* actions that the outbox takes at a time */
static unsigned calls;

static void begin(uint16_t segment)
{
	t.door = sc->door;
	t.from = *sc->from;
	t.ecn = 0;
	t.segment = segment;
	t.n = 0;
	t.len = 0;
}

/* One more datagram; only the last one may be shorter. */
static void couple(const struct packet *car)
{
	assert_true(t.len + car->n <= 65535);
	assert_true(t.segment == 0 || t.len % t.segment == 0);
	memcpy(t.b + t.len, car->b, car->n);
	t.len += car->n;
	t.n++;
}

static void run_train(const uint8_t *bytes)
{
	struct train train = {.all = {.door = t.door,
				      .from = t.from,
				      .ecn = t.ecn,
				      .data = bytes,
				      .len = (uint16_t)t.len}};
	bool done = false;

	train_begin(&train, t.segment);
	assert_int_equal(train.count, t.n);
	for (calls = 0; !done; calls++) {
		assert_true(calls <= t.n);
		crowd(&r.out, room);
		done = node_train_from_ip4(&r.node, &train, r.now, &r.out);
		assert_int_equal(done, train_ended(&train));
		record_take(&whole, NULL, &r.out, OUT_MAX - room);
	}
	assert_int_equal(train.taken, t.n);
}

static void run_by_hand(const uint8_t *bytes)
{
	size_t at = 0;

	for (unsigned i = 0; i < t.n; i++) {
		size_t n = t.len - at;

		if (t.segment && n > t.segment)
			n = t.segment;
		node_from_ip4(&r.node,
			      &(struct datagram){.door = t.door,
						 .from = t.from,
						 .ecn = t.ecn,
						 .data = bytes + at,
						 .len = (uint16_t)n},
			      r.now, &r.out);
		record_take(&by_hand, NULL, &r.out, 0);
		at += n;
	}
	assert_int_equal(at, t.len);
}

static void compare(void)
{
	same_record(&whole, &by_hand, r.about);
	same_record(&whole_own, &by_hand_own, r.about);
	for (int i = 0; i < REASON_COUNT; i++) {
		if (after.node.stats.n[i] != r.node.stats.n[i])
			fail_msg("[%s] %ju, not %ju ended as \"%s\"", r.about,
				 (uintmax_t)after.node.stats.n[i],
				 (uintmax_t)r.node.stats.n[i],
				 reason_name((enum reason)i));
	}
	if (!copy_is(&after, &r))
		fail_msg("[%s] the node remembers something else", r.about);
}

static void clear_records(void)
{
	record_clear(&whole);
	record_clear(&whole_own);
	record_clear(&by_hand);
	record_clear(&by_hand_own);
}

static void goes_through(unsigned room_for)
{
	uint8_t *exact = malloc(t.len ? t.len : 1);

	assert_non_null(exact);
	memcpy(exact, t.b, t.len);
	room = room_for;
	clear_records();
	copy_save(&before, &r);
	run_train(exact);
	copy_save(&after, &r);
	copy_put_back(&before, &r);
	r.before = r.node.stats;
	run_by_hand(exact);
	r.packets_in += t.n;
	compare();
	rig_flush(&r); /* each has ended once */
	free(exact);
}

static void departs(void)
{
	goes_through(OUT_MAX);
}

/* --- what is in them --- */

static uint32_t seq;

/* A plain packet of the peer for our host. */
static void plain(struct packet *car, size_t size)
{
	seq++;
	tcp(car, .from = sc->peer, .to = sc->host, .seq = seq,
	    .sport = (uint16_t)(1000 + seq % 3), .payload = size - 60);
}

static void couple_plain(size_t size)
{
	plain(&p, size);
	couple(&p);
}

/* Fill up with a trailer that nobody knows (6081 §4), at least two bytes. */
static void fill(struct packet *car, size_t size)
{
	size_t n = size - car->n - 2;

	add_bytes(car, 5, 1);
	add_bytes(car, (uint8_t)n, 1);
	add_bytes(car, 0, n);
}

static void make_bubble(struct packet *car)
{
	bubble(car, *sc->peer, *sc->host);
	fill(car, SIZE);
}

static void make_origin(struct packet *car)
{
	plain(car, SIZE - 8);
	add_origin(car, *sc->from);
}

static void make_auth(struct packet *car)
{
	plain(car, SIZE - 13);
	add_nonce(car, "0102030405060708");
}

static void make_tail(struct packet *car)
{
	plain(car, SIZE - 6);
	add_tail(car, "0104a1b2c3d4");
}

/* X3: it asks to be dropped. */
static void make_bad_tail(struct packet *car)
{
	plain(car, SIZE - 2);
	add_tail(car, "4100");
}

static void make_long_lie(struct packet *car)
{
	plain(car, SIZE);
	put16(car->b + 4, SIZE - 40 + 1);
}

static void make_short_lie(struct packet *car)
{
	plain(car, SIZE);
	put16(car->b + 4, SIZE - 40 - 1);
}

static void make_other_source(struct packet *car)
{
	plain(car, SIZE);
	flip(car, 23, 1);
}

static void make_other_target(struct packet *car)
{
	plain(car, SIZE);
	flip(car, 39, 1);
}

/* Never out of the tunnel, or back into one. */
static void make_teredo_target(struct packet *car)
{
	struct ip6 to = ta_of(OTHER, at("11.0.0.77", 7777));

	tcp(car, .from = sc->peer, .to = &to, .payload = SIZE - 60);
}

static void make_ll_target(struct packet *car)
{
	struct ip6 to = ip6("fe80::1");

	tcp(car, .from = sc->peer, .to = &to, .payload = SIZE - 60);
}

static void make_label(struct packet *car)
{
	plain(car, SIZE);
	flip(car, 3, 7);
}

static void make_ect0(struct packet *car)
{
	plain(car, SIZE);
	set_ecn(car, 2);
}

static void make_ce(struct packet *car)
{
	plain(car, SIZE);
	set_ecn(car, 3);
}

static void make_udp(struct packet *car)
{
	udp(car, .from = sc->peer, .to = sc->host, .payload = SIZE - 48);
}

static void make_echo(struct packet *car)
{
	echo_request(car, *sc->peer, *sc->host);
	fill(car, SIZE);
}

static void make_redirect(struct packet *car)
{
	icmp6(car, *sc->peer, *sc->host, 137, 0, "00000000");
	fill(car, SIZE);
}

static void make_routed(struct packet *car)
{
	plain(car, SIZE);
	car->b[6] = NEXT_ROUTING;
	car->b[40] = NEXT_TCP;
	car->b[41] = 0;
}

static void make_fragment(struct packet *car)
{
	plain(car, SIZE);
	car->b[6] = NEXT_FRAGMENT;
	car->b[40] = NEXT_TCP;
}

static void make_options(struct packet *car)
{
	plain(car, SIZE);
	car->b[6] = NEXT_DSTOPTS;
	car->b[40] = NEXT_TCP;
	car->b[41] = 0;
}

static void make_others_redirect(struct packet *car)
{
	icmp6(car, neighbour_of(*sc->peer), *sc->host, 137, 0, "00000000");
	fill(car, SIZE);
}

static void make_others_bubble(struct packet *car)
{
	bubble(car, neighbour_of(*sc->peer), *sc->host);
	fill(car, SIZE);
}

static void make_ip4(struct packet *car)
{
	plain(car, SIZE);
	car->b[0] = 0x45;
}

static void make_plain(struct packet *car)
{
	plain(car, SIZE);
}

static void (*const cars[])(struct packet *car) = {
	make_bubble,
	make_origin,
	make_auth,
	make_tail,
	make_bad_tail,
	make_long_lie,
	make_short_lie,
	make_other_source,
	make_other_target,
	make_teredo_target,
	make_ll_target,
	make_label,
	make_ect0,
	make_ce,
	make_udp,
	make_echo,
	make_redirect,
	make_routed,
	make_others_redirect,
	make_others_bubble,
	make_fragment,
	make_options,
	make_ip4,
	make_plain,
};

#define EACH_SCENE(body)                                                       \
	for (unsigned each = 0; each < ARRAY_SIZE(scenes); each++) {           \
		set_scene(&scenes[each]);                                      \
		body;                                                          \
		end_scene();                                                   \
	}

/* --- cases --- */

static void plain_ones(void)
{
	begin(SIZE);
	for (int i = 0; i < 64; i++)
		couple_plain(SIZE);
	departs();
}

/* Most trains: packets of one flow, or of some. */
static void of_plain_packets(void **state)
{
	(void)state;
	EACH_SCENE(plain_ones());
	set_scene(scene("relay"));
	plain_ones();
	assert_int_equal(counted(&r, REASON_TO_IPV6), 64);
	assert_int_equal(whole.packets, 64);
	end_scene();
}

static void one_in_the_middle(void (*make)(struct packet *car), uint8_t ecn)
{
	for (unsigned where = 0; where < 5; where++) {
		begin(SIZE);
		t.ecn = ecn;
		for (unsigned i = 0; i < 5; i++) {
			(i == where ? make : make_plain)(&p);
			couple(&p);
		}
		departs();
	}
}

static void each_in_the_middle(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cars); i++) {
		for (uint8_t ecn = 0; ecn < 4; ecn++)
			one_in_the_middle(cars[i], ecn);
	}
}

/* Whatever is not plain, at each place, with each mark of the outer header. */
static void with_something_else(void **state)
{
	(void)state;
	EACH_SCENE(each_in_the_middle());
}

/* A verdict is for what comes next, and only if that is like it. */
static void pairs(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cars); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(cars); k++) {
			begin(SIZE);
			t.ecn = (i + k) % 4;
			couple_plain(SIZE);
			cars[i](&p);
			couple(&p);
			cars[k](&p);
			couple(&p);
			couple_plain(SIZE);
			departs();
		}
	}
}

static void with_each_pair(void **state)
{
	(void)state;
	EACH_SCENE(pairs());
}

/* 6040 §4.2, A39: the outer mark changes each packet, or ends it. */
static void marked_ones(void)
{
	for (uint8_t outer = 0; outer < 4; outer++) {
		begin(SIZE);
		t.ecn = outer;
		for (uint8_t inner = 0; inner < 16; inner++) {
			plain(&p, SIZE);
			set_ecn(&p, inner / 2 % 4);
			couple(&p);
		}
		departs();
	}
}

static void with_marks(void **state)
{
	(void)state;
	EACH_SCENE(marked_ones());
}

/* What else may be on the road, and when. */
static void random_ones(void)
{
	static const uint64_t pauses[] = {0, 1, 400, 999, 2000, 20000, 31000};

	srand(1);
	for (int i = 0; i < 200; i++) {
		unsigned n = 1 + (unsigned)rand() % 20;

		begin(SIZE);
		t.ecn = rand() % 8 ? 0 : rand() % 4;
		if (rand() % 16 == 0)
			t.from.port ^= 1;
		while (n--) {
			(rand() % 3
				 ? make_plain
				 : cars[(unsigned)rand() % ARRAY_SIZE(cars)])(
				&p);
			couple(&p);
		}
		goes_through(rand() % 2 ? OUT_MAX : OUT_PER_CALL);
		pass(&r,
		     pauses[(unsigned)rand() % ARRAY_SIZE(pauses)] * NS_PER_MS);
		look_away();
	}
}

static void at_random(void **state)
{
	(void)state;
	EACH_SCENE(random_ones());
}

/* UDP_GRO ends a train with what is shorter. */
static void shorter_ones(void)
{
	static const size_t last[] = {0, 1, 39, 40, 60, 61, SIZE - 1};

	for (unsigned i = 0; i < ARRAY_SIZE(last); i++) {
		begin(SIZE);
		couple_plain(SIZE);
		couple_plain(SIZE);
		plain(&p, SIZE);
		p.n = last[i];
		put16(p.b + 4, (uint16_t)(p.n - 40));
		if (p.n)
			couple(&p);
		departs();
	}
}

static void with_a_shorter_end(void **state)
{
	(void)state;
	EACH_SCENE(shorter_ones());
}

static void single_ones(void)
{
	static const uint16_t segments[] = {0, SIZE, SIZE + 1, 65535};

	for (unsigned i = 0; i < ARRAY_SIZE(segments); i++) {
		begin(0);
		couple_plain(SIZE);
		t.segment = segments[i];
		departs();
		begin(0); /* an empty one */
		p.n = 0;
		couple(&p);
		t.segment = segments[i];
		departs();
	}
}

/* And an empty one is one, not none. */
static void of_one_datagram(void **state)
{
	(void)state;
	EACH_SCENE(single_ones());
	set_scene(scene("client of a host"));
	begin(0);
	p.n = 0;
	couple(&p);
	departs();
	dropped(&r, REASON_TRUNCATED);
	assert_int_equal(counted(&r, REASON_TRUNCATED), 1);
	end_scene();
}

/* One byte each; and as many as the longest datagram holds. */
static void tiny_ones(void)
{
	begin(1);
	p.n = 1;
	p.b[0] = 0x60;
	for (int i = 0; i < 64; i++)
		couple(&p);
	departs();
	begin(1023);
	for (int i = 0; i < 64; i++)
		couple_plain(1023);
	departs();
}

static void of_any_length(void **state)
{
	(void)state;
	EACH_SCENE(tiny_ones());
}

static void long_ones(void)
{
	static const uint16_t sizes[] = {INNER_MAX, INNER_MAX + 1, 2047, 2048};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin(sizes[i]);
		for (int n = 0; n < 20; n++)
			couple_plain(sizes[i]);
		departs();
	}
}

static void of_what_is_too_long(void **state)
{
	(void)state;
	EACH_SCENE(long_ones());
	set_scene(scene("relay"));
	long_ones();
	assert_int_equal(counted(&r, REASON_TO_IPV6), 20);
	assert_int_equal(counted(&r, REASON_OVERSIZE), 60);
	end_scene();
}

/* It stops where the outbox is full, and goes on when it is not any more. */
static void portions(void)
{
	for (unsigned n = OUT_PER_CALL; n < OUT_PER_CALL + 5; n++) {
		begin(SIZE);
		for (int i = 0; i < 20; i++)
			couple_plain(SIZE);
		goes_through(n);
		if (whole.packets == 20)
			assert_int_equal(calls, (20 + n - OUT_PER_CALL) /
							(n - OUT_PER_CALL + 1));
	}
}

static void in_portions(void **state)
{
	struct datagram d = {.len = 0};
	struct train train = {.all = d};

	(void)state;
	EACH_SCENE(portions());
	set_scene(scene("relay"));
	/* Without room it is not even looked at. */
	train_begin(&train, 0);
	crowd(&r.out, OUT_PER_CALL - 1);
	assert_false(node_train_from_ip4(&r.node, &train, r.now, &r.out));
	assert_int_equal(train.taken, 0);
	outbox_clear(&r.out);
	end_scene();
}

/* While the outbox is run others have the node (lane.c). */
static void and_things_change(void **state)
{
	struct train train = {.all = {.door = DOOR_SERVICE,
				      .from = far_client_at,
				      .data = t.b,
				      .len = 4 * SIZE}};

	(void)state;
	set_scene(scene("relay"));
	begin(SIZE);
	for (int i = 0; i < 4; i++)
		couple_plain(SIZE);
	train_begin(&train, SIZE);
	crowd(&r.out, OUT_PER_CALL + 1);
	assert_false(node_train_from_ip4(&r.node, &train, r.now, &r.out));
	assert_int_equal(train.taken, 2);
	deny(&r, "11.0.0.6", 32);
	outbox_clear(&r.out);
	assert_true(node_train_from_ip4(&r.node, &train, r.now, &r.out));
	assert_int_equal(r.out.n, 0);
	assert_null(train.model);
	assert_int_equal(counted(&r, REASON_TO_IPV6), 2);
	assert_int_equal(counted(&r, REASON_SRC_DENIED), 2);
	r.packets_in += 4;
	end_scene();
}

/* --- held packets --- */

/* R12, C34: before anybody sends later ones of the same flow. */
static void release_is_at_once(void **state)
{
	(void)state;
	set_scene(scene("relay"));
	relay_knows(&far_client, far_client_at);
	begin(SIZE);
	couple_plain(SIZE);
	departs();
	assert_false(whole.at_once);
	r.now += SECONDS(31);
	for (int i = 0; i < 3; i++) {
		data(&q, native, far_client);
		from_ip6(&r, &q);
		look_away();
	}
	begin(SIZE);
	couple_plain(SIZE);
	couple_plain(SIZE);
	departs();
	assert_true(whole.at_once);
	assert_int_equal(counted(&r, REASON_RELEASED), 1 + 3);
	assert_int_equal(whole.packets, 3 + 2);
	begin(SIZE);
	couple_plain(SIZE);
	departs();
	assert_false(whole.at_once);
	end_scene();
}

static void clients_release_is_at_once(void **state)
{
	struct packet test;

	(void)state;
	set_scene(scene("client of a stranger"));
	goes_to(&r, &p, native);
	sent_test(&r, server_at, native, &test);
	assert_false(r.out.at_once);
	reply(&q, &test);
	begin((uint16_t)q.n);
	couple(&q);
	couple_plain(q.n);
	departs();
	assert_true(whole.at_once);
	assert_int_equal(whole.packets, 2);
	begin(SIZE);
	couple_plain(SIZE);
	departs();
	assert_false(whole.at_once);
	end_scene();
}

static void add_bubble_to_group(void)
{
	uint8_t *head = outbox_head(&r.out);

	outbox_group(&r.out, wire_put_bubble(head, &client, &client, 64, NULL));
}

/* Its sockets are the loop's, which nobody else may use meanwhile. */
static void group_is_at_once(void **state)
{
	(void)state;
	set_scene(scene("server"));
	outbox_ip6(&r.out, 0, "", 1);
	assert_false(r.out.at_once);
	outbox_udp(&r.out, DOOR_PRIMARY, client_at, 0, "", 1);
	assert_false(r.out.at_once);
	add_bubble_to_group();
	assert_true(r.out.at_once);
	outbox_clear(&r.out);
	assert_false(r.out.at_once);
	end_scene();
}

/* Neither bubbles, tests nor complaints are. */
static void all_else_is_not_at_once(void **state)
{
	(void)state;
	set_scene(scene("relay"));
	data(&q, native, ta_of(OTHER, at("11.0.0.77", 7777)));
	node_from_ip6(&r.node, q.b, (uint16_t)q.n, r.now, &r.out);
	assert_int_equal(r.out.n, 1);
	assert_false(r.out.at_once);
	data(&p, native, native);
	node_from_ip6(&r.node, p.b, (uint16_t)p.n, r.now, &r.out);
	assert_int_equal(r.out.n, 2);
	assert_false(r.out.at_once);
	r.packets_in += 2;
	outbox_clear(&r.out);
	pass(&r, SECONDS(20)); /* it gives up */
	assert_false(r.out.at_once);
	look_away();
	end_scene();
}

/* --- patience --- */

static struct recent_peer *entry(const struct ip6 *who)
{
	uint32_t i = recent_find(&r.node.client.recent, 0, who);

	assert_int_not_equal(i, RECENT_NONE);
	return recent_at(&r.node.client.recent, i);
}

/* Eight packets in a row end all patience; eight of one train are one. */
static void calm_counts_moments(void **state)
{
	(void)state;
	set_scene(scene("client of a host"));
	r.now += NS_PER_MS;
	entry(&native)->in_a_row = 0;
	entry(&native)->patience = 3;
	entry(&native)->alarmed = r.now;
	for (unsigned i = 1; i < 8; i++) {
		plain_ones();
		plain_ones();
		assert_int_equal(entry(&native)->in_a_row, i);
		assert_int_equal(entry(&native)->patience, 3);
		r.now += NS_PER_MS;
	}
	plain_ones();
	assert_int_equal(entry(&native)->patience, 0);
	end_scene();
}

/* The same one by one: what came together was one answer. */
static void calm_counts_datagrams_of_a_moment_once(void **state)
{
	(void)state;
	set_scene(scene("client of a host"));
	r.now += NS_PER_MS;
	entry(&native)->in_a_row = 0;
	plain(&p, SIZE);
	for (int i = 0; i < 20; i++) {
		from_ip4(&r, DOOR_SERVICE, other_relay_at, &p);
		ended(&r, REASON_TO_IPV6);
		look_away();
	}
	assert_int_equal(entry(&native)->in_a_row, 1);
	r.now++;
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &p);
	look_away();
	assert_int_equal(entry(&native)->in_a_row, 2);
	end_scene();
}

/* --- super-packets --- */

/* Our host's flow, all of it. */
static void flow(struct packet *car, uint8_t next, size_t payload)
{
	struct segment s = {.p = car,
			    .from = sc->host,
			    .to = sc->peer,
			    .seq = seq,
			    .payload = payload,
			    .partial = true};

	build_l4(s, next);
}

static bool super_goes(const struct packet *car, uint16_t size)
{
	struct gso g;
	bool gone;
	uint64_t sent;

	gso_make(&g, car, size);
	clear_records();
	copy_save(&before, &r);
	gone = node_super_from_ip6(&r.node, &g.s, r.now, &r.out);
	if (!gone) {
		assert_int_equal(r.out.n, 0);
		assert_true(copy_is(&before, &r));
	}
	record_take(&whole, &whole_own, &r.out, 0);
	copy_save(&after, &r);
	copy_put_back(&before, &r);
	sent = counted(&r, REASON_TO_IPV4);
	for (unsigned i = 0; i < super_count(&g.s); i++) {
		uint8_t *segment = malloc(2048);
		size_t n = super_segment(&g.s, i, segment);

		node_from_ip6(&r.node, segment, (uint16_t)n, r.now, &r.out);
		record_take(&by_hand, &by_hand_own, &r.out, 0);
		free(segment);
	}
	/* All of it leaves, or it is no super-packet. */
	assert_int_equal(gone, counted(&r, REASON_TO_IPV4) - sent ==
				       super_count(&g.s));
	if (gone)
		compare();
	r.packets_in +=
		r.node.is_server && !r.node.is_relay ? 0 : super_count(&g.s);
	rig_flush(&r);
	gso_free(&g);
	return gone;
}

static void super_ones(void)
{
	static const uint64_t pauses[] = {0, 500, 1500, 9000, 29500, 3000};

	for (unsigned i = 0; i < ARRAY_SIZE(pauses); i++) {
		for (int k = 0; k < 12; k++) {
			flow(&p, k % 2 ? NEXT_TCP : NEXT_UDP, 3500);
			super_goes(&p, (uint16_t)(900 + 100 * (k % 4)));
			r.now += NS_PER_MS;
		}
		pass(&r, pauses[i] * NS_PER_MS);
		look_away();
		begin(SIZE);
		couple_plain(SIZE);
		departs();
	}
}

static void super_as_its_segments(void **state)
{
	(void)state;
	EACH_SCENE(super_ones());
	for (unsigned i = 0; i < ARRAY_SIZE(scenes); i++) {
		bool may = scenes[i].start == be_relay ||
			   scenes[i].start == be_both ||
			   scenes[i].start == be_client ||
			   scenes[i].start == be_native;

		set_scene(&scenes[i]);
		flow(&p, NEXT_TCP, 3500);
		assert_int_equal(super_goes(&p, 1000), may);
		end_scene();
	}
}

/* C41: who is silent is asked about, in the same breath. */
static void super_notices_silence(void **state)
{
	(void)state;
	set_scene(scene("client of a host"));
	flow(&p, NEXT_TCP, 3500);
	assert_true(super_goes(&p, 1000));
	assert_int_equal(whole_own.packets, 0);
	r.now += SECONDS(3);
	assert_true(super_goes(&p, 1000));
	assert_true(whole_own.packets > 0);
	end_scene();
}

/* The longest segment decides. */
static void super_has_an_mtu(void **state)
{
	static const char *const names[] = {"relay", "client of a host"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		set_scene(scene(names[i]));
		flow(&p, NEXT_TCP, 3500);
		assert_true(super_goes(&p, 1280 - 60));
		assert_false(super_goes(&p, 1280 - 60 + 1));
		look_away();
		end_scene();
	}
}

/* Whatever the core refuses a packet, it refuses a super-packet. */
static void super_is_judged(void **state)
{
	static const char *const names[] = {"relay", "server and relay",
					    "client of a host",
					    "client of a client",
					    "auto, native"};
	static const char *const targets[] = {"fe80::1", "ff02::1",
					      "2002:900:2::1", "2001:db8:1::5",
					      "2001:0:b00:1:0:3fff:f4ff:fffa"};
	static const char *const sources[] = {
		"fe80::1",       "::",      "2002:a00:1::1",
		"2001:db8:9::9", "ff02::1", "2001:0:b00:1:0:efff:f4ff:fffa"};

	(void)state;
	for (unsigned k = 0; k < ARRAY_SIZE(names); k++) {
		set_scene(scene(names[k]));
		for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
			struct ip6 to = ip6(targets[i]);

			tcp(&p, .from = sc->host, .to = &to, .payload = 3000,
			    .partial = true);
			super_goes(&p, 1000);
			tcp(&p, .from = sc->host, .to = sc->peer,
			    .payload = 3000, .partial = true);
			assert_true(super_goes(&p, 1000));
		}
		for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
			struct ip6 from = ip6(sources[i]);

			tcp(&p, .from = &from, .to = sc->peer, .payload = 3000,
			    .partial = true);
			super_goes(&p, 1000);
		}
		end_scene();
	}
}

/* Z8, Z42: the gate has the last word. */
static void super_passes_the_gate(void **state)
{
	static const char *const names[] = {"relay", "client of a host"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		set_scene(scene(names[i]));
		flow(&p, NEXT_TCP, 3500);
		assert_true(super_goes(&p, 1000));
		deny(&r, "11.0.0.0", 24);
		assert_false(super_goes(&p, 1000));
		assert_int_equal(by_hand.packets, 0);
		end_scene();
	}
}

/* Z36: what was a peer's address leads to us now. */
static void super_comes_to_no_loop(void **state)
{
	struct ip6 other = ip6("2002:c00:1::1");

	(void)state;
	set_scene(scene("client of a host"));
	trust_native(&r, other, other_relay_at);
	tcp(&p, .from = &client, .to = &other, .payload = 3500,
	    .partial = true);
	assert_true(super_goes(&p, 1000));
	own_ip4(&r, "12.0.0.1", 32);
	assert_false(super_goes(&p, 1000));
	end_scene();
}

/* A relay's table knows clients by what is behind the prefix. */
static void super_is_for_a_teredo_address(void **state)
{
	struct ip6 other = far_client;

	(void)state;
	set_scene(scene("relay"));
	other.b[3] = 1;
	tcp(&p, .from = &native, .to = &other, .payload = 3500,
	    .partial = true);
	assert_false(super_goes(&p, 1000));
	look_away();
	end_scene();
}

/* C49: neighbours have a gate of their own. */
static void super_goes_to_neighbours(void **state)
{
	(void)state;
	set_scene(scene("client of a client"));
	flow(&p, NEXT_TCP, 3500);
	entry(&far_client)->is_lan = true;
	assert_false(super_goes(&p, 1000)); /* not on our link */
	entry(&far_client)->tuple = at("192.168.1.77", 4000);
	assert_true(super_goes(&p, 1000));
	entry(&far_client)->is_lan = false;
	assert_false(super_goes(&p, 1000));
	end_scene();
}

/* --- the train itself --- */

/* Whatever stood there before. */
static void begins_anew(void **state)
{
	struct train train;

	(void)state;
	memset(&train, 0xa5, sizeof(train));
	train.all.len = 250;
	train_begin(&train, 100);
	assert_int_equal(train.segment, 100);
	assert_int_equal(train.count, 3);
	assert_int_equal(train.taken, 0);
	assert_null(train.model);
	assert_false(train_ended(&train));
}

static void ends_once(void **state)
{
	struct train train = {.all.len = 0};
	struct datagram d;

	(void)state;
	train_begin(&train, 0);
	assert_true(train_next(&train, &d));
	assert_int_equal(d.len, 0);
	assert_true(train_ended(&train));
	assert_false(train_next(&train, &d));
	assert_int_equal(train.taken, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_plain_packets),
		cmocka_unit_test(with_something_else),
		cmocka_unit_test(with_each_pair),
		cmocka_unit_test(with_marks),
		cmocka_unit_test(at_random),
		cmocka_unit_test(with_a_shorter_end),
		cmocka_unit_test(of_one_datagram),
		cmocka_unit_test(of_any_length),
		cmocka_unit_test(of_what_is_too_long),
		cmocka_unit_test(in_portions),
		cmocka_unit_test(and_things_change),
		cmocka_unit_test(release_is_at_once),
		cmocka_unit_test(clients_release_is_at_once),
		cmocka_unit_test(group_is_at_once),
		cmocka_unit_test(all_else_is_not_at_once),
		cmocka_unit_test(calm_counts_moments),
		cmocka_unit_test(calm_counts_datagrams_of_a_moment_once),
		cmocka_unit_test(super_as_its_segments),
		cmocka_unit_test(super_notices_silence),
		cmocka_unit_test(super_has_an_mtu),
		cmocka_unit_test(super_is_judged),
		cmocka_unit_test(super_passes_the_gate),
		cmocka_unit_test(super_comes_to_no_loop),
		cmocka_unit_test(super_is_for_a_teredo_address),
		cmocka_unit_test(super_goes_to_neighbours),
		cmocka_unit_test(begins_anew),
		cmocka_unit_test(ends_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
