/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client looks what its host lets in from the tunnel. */
#include "rig_client.h"

#include <string.h>

static struct rig r;
static struct packet p;

/* What a stranger sent last: SYN and echo request. */
static struct packet syn, ping;

static const struct knock *knock(void)
{
	return &r.node.client.knock;
}

static void is_inbound(const char *what)
{
	assert_string_equal(inbound_name(knock()->inbound), what);
}

/* --- what is sent --- */

static struct ip6 source(const struct packet *q)
{
	struct ip6 a;

	memcpy(&a, q->b + 8, sizeof(a));
	return a;
}

/* Nobody's address: our own, with flags that are not. */
static void is_strange(struct ip6 a)
{
	struct ip6 same = a;

	assert_false(same_ip6(a, client));
	assert_int_equal(be16(a.b + 8) & ~0x3cff, 0);
	memcpy(same.b + 8, client.b + 8, 2);
	assert_true(same_ip6(same, client));
}

static void sent_ping(void)
{
	struct packet want;

	ping = next_sent(&r)->p;
	is_strange(source(&ping));
	icmp6(&want, source(&ping), client, 128, 0, "00000000");
	memcpy(want.b + 44, ping.b + 44, 4);
	fix_icmp6(&want);
	same_packet(&ping, &want);
}

/* From the stranger of the last SYN. */
static void from_stranger(struct packet *q, uint8_t flags, uint32_t seq,
			  uint16_t window)
{
	struct ip6 from = source(&syn);

	tcp(q, .from = &from, .to = &client, .sport = be16(syn.b + 40),
	    .dport = be16(syn.b + 42), .seq = seq, .flags = flags);
	put32(q->b + 48, 0);
	put16(q->b + 54, window);
	fix_l4(q);
}

static void sent_syn(void)
{
	struct packet want;

	syn = next_sent(&r)->p;
	is_strange(source(&syn));
	assert_in_range(be16(syn.b + 40), 49152, 65535);
	assert_in_range(be16(syn.b + 42), 49152, 65535);
	from_stranger(&want, 0x02, be32(syn.b + 44), 1024);
	same_packet(&syn, &want);
}

static void sent_both(void)
{
	sent_ping();
	sent_syn();
	assert_true(same_ip6(source(&ping), source(&syn)));
	sent_nothing(&r);
}

/* --- what comes back --- */

static void answer_tcp(uint8_t flags)
{
	struct ip6 to = source(&syn);

	tcp(&p, .from = &client, .to = &to, .sport = be16(syn.b + 42),
	    .dport = be16(syn.b + 40), .seq = 77, .ack = be32(syn.b + 44) + 1,
	    .flags = flags);
}

static void answer_ping(void)
{
	icmp6(&p, client, source(&ping), 129, 0, "00000000");
	memcpy(p.b + 44, ping.b + 44, 4);
	fix_icmp6(&p);
}

/* An error about one of both. */
static void answer_error(const struct packet *about, uint8_t code)
{
	icmp6(&p, client, source(about), 1, code, "00000000");
	memcpy(p.b + 48, about->b, about->n);
	p.n = 48 + about->n;
	put16(p.b + 4, (uint16_t)(8 + about->n));
	fix_icmp6(&p);
}

static void is_taken(void)
{
	from_ip6(&r, &p);
	dropped(&r, REASON_KNOCK);
}

/* It is for our own mapping: the gate does not let it out. */
static void is_refused(void)
{
	from_ip6(&r, &p);
	dropped(&r, REASON_DST_OWN);
}

static void host_is_ready(void)
{
	knock_ready(&r.node.client, r.now);
}

static int qualified(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	start_qualified(&r);
	unsuspecting(&r);
	/* The server is heard, and will not be asked for long. */
	r.node.client.heard = r.now + SECONDS(100000);
	return 0;
}

static int ready(void **state)
{
	qualified(state);
	host_is_ready();
	/* Which takes it a moment. */
	pass(&r, SECONDS(0.1) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	sent_both();
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* --- outcomes --- */

static void open_by_a_reset(void **state)
{
	(void)state;
	is_inbound("unknown");
	answer_tcp(0x14);
	is_taken();
	is_inbound("open");
	/* The other answer is not dropped either. */
	answer_ping();
	is_taken();
	is_inbound("open");
	assert_int_equal(knock()->tested, r.now);
	assert_int_equal(node_next(&r.node),
			 r.node.client.heard + r.node.client.interval);
}

static void open_by_a_listener(void **state)
{
	struct packet want;

	(void)state;
	answer_tcp(0x12);
	from_ip6(&r, &p);
	ended(&r, REASON_KNOCK);
	/* Who has accepted it is not left waiting. */
	from_stranger(&want, 0x04, be32(syn.b + 44) + 1, 0);
	sent_ip6(&r, &want);
	is_inbound("open");
	answer_ping();
	is_taken();
	sent_nothing(&r);
}

static void open_without_pings(void **state)
{
	(void)state;
	answer_tcp(0x14);
	is_taken();
	is_inbound("open");
	pass(&r, SECONDS(2));
	sent_nothing(&r);
	is_inbound("open");
	answer_ping();
	is_refused();
}

static void echo_only(void **state)
{
	(void)state;
	answer_ping();
	is_taken();
	is_inbound("unknown");
	pass(&r, SECONDS(2) - 1);
	sent_nothing(&r);
	pass(&r, 1);
	sent_syn(); /* of that nothing is known */
	sent_nothing(&r);
	pass(&r, SECONDS(2));
	sent_nothing(&r);
	is_inbound("echo");
}

static void echo_and_refusal(void **state)
{
	(void)state;
	answer_error(&syn, 4);
	is_taken();
	is_inbound("unknown");
	answer_ping();
	is_taken();
	is_inbound("echo");
}

static void rejected(void **state)
{
	(void)state;
	answer_error(&syn, 1);
	is_taken();
	answer_error(&ping, 1);
	is_taken();
	is_inbound("filtered");
}

static void silence(void **state)
{
	const struct packet first = syn, first_ping = ping;

	(void)state;
	pass(&r, SECONDS(2));
	sent_both();
	assert_false(same_ip6(source(&first), source(&syn)));
	assert_int_not_equal(be32(first.b + 44), be32(syn.b + 44));
	assert_int_not_equal(be32(first_ping.b + 44), be32(ping.b + 44));
	is_inbound("unknown");
	pass(&r, SECONDS(2));
	sent_nothing(&r);
	is_inbound("filtered");
	/* Too late. */
	answer_tcp(0x14);
	is_refused();
	is_inbound("filtered");
}

static void the_second_try(void **state)
{
	(void)state;
	pass(&r, SECONDS(2));
	sent_both();
	answer_ping();
	is_taken();
	answer_tcp(0x14);
	is_taken();
	is_inbound("open");
}

/* --- what is no answer --- */

static void put_wrong(unsigned byte)
{
	flip(&p, byte, 1);
	from_ip6(&r, &p);
	assert_int_equal(counted(&r, REASON_KNOCK), 0);
}

/* Each byte of a TCP answer that is ours, and its flags. */
static void other_segments(void **state)
{
	static const uint8_t flags[] = {0x00, 0x02, 0x04, 0x10, 0x11, 0x18};

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		if (i >= 4 && i < 8)
			continue; /* its own sequence number */
		answer_tcp(0x14);
		put_wrong(40 + i);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		answer_tcp(flags[i]);
		is_refused();
	}
	answer_tcp(0x14);
	cut(&p, 1);
	put16(p.b + 4, 19);
	is_refused();
	is_inbound("unknown");
}

static void other_pongs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		answer_ping();
		put_wrong(44 + i);
	}
	answer_ping();
	p.b[40] = 130;
	is_refused();
	answer_ping();
	cut(&p, 1);
	put16(p.b + 4, 7);
	is_refused();
	is_inbound("unknown");
}

/* Of the inner header: next header and addresses; of what follows: all. */
static void other_errors(void **state)
{
	const struct packet *about[] = {&syn, &ping};

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned i = 6; i < 48; i++) {
			bool is_ours = i != 7 && (k == 0 || i < 41 || i > 43);

			if (!is_ours)
				continue;
			answer_error(about[k], 1);
			put_wrong(48 + i);
		}
		answer_error(about[k], 1);
		cut(&p, p.n - 48 - 47);
		put16(p.b + 4, 8 + 47);
		is_refused();
		answer_error(about[k], 1);
		p.b[40] = 128;
		is_refused();
	}
	is_inbound("unknown");
}

/* From an address that is not ours, or not the one that was knocked at. */
static void other_sources(void **state)
{
	struct client *c = &r.node.client;

	(void)state;
	answer_tcp(0x14);
	flip(&p, 8 + 9, 1);
	fix_l4(&p);
	from_ip6(&r, &p);
	dropped(&r, REASON_BAD_SOURCE);
	c->own[!c->cur] = c->own[c->cur];
	memcpy(&c->own[!c->cur].ip6, p.b + 8, 16);
	is_refused();
	c->own[!c->cur].on = false;
	is_inbound("unknown");
}

/* Strangers cannot answer: they are outside. */
static void forged(void **state)
{
	(void)state;
	answer_tcp(0x14);
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &p);
	assert_int_equal(counted(&r, REASON_KNOCK), 0);
	sent_nothing(&r);
	/* Nor speak for our stranger. */
	from_ip4(&r, DOOR_SERVICE, other_relay_at, &syn);
	assert_int_equal(counted(&r, REASON_TO_IPV6), 0);
	from_ip4(&r, DOOR_SERVICE, client_at, &syn);
	assert_int_equal(counted(&r, REASON_TO_IPV6), 0);
	is_inbound("unknown");
}

/* --- when --- */

static void is_known(const char *what)
{
	if (strcmp(what, "open") == 0) {
		answer_tcp(0x14);
		is_taken();
	}
	answer_ping();
	is_taken();
	if (strcmp(what, "open") != 0) {
		pass(&r, SECONDS(2));
		sent_syn();
		pass(&r, SECONDS(2));
	}
	is_inbound(what);
}

/* Whatever else has awoken the client. */
static void awake(uint64_t ns)
{
	r.now += ns;
	node_timeout(&r.node, r.now, &r.out);
	rig_flush(&r);
}

static void not_before(void **state)
{
	(void)state;
	pass(&r, SECONDS(1000));
	sent_nothing(&r);
	is_inbound("unknown");
	assert_int_equal(knock_next(&r.node.client), UINT64_MAX);
}

/* Nothing is due for it. */
static void now_and_then(void **state)
{
	(void)state;
	is_known("open");
	assert_int_equal(knock_next(&r.node.client), UINT64_MAX);
	pass(&r, SECONDS(3600));
	sent_nothing(&r);
	awake(0);
	sent_both();
	assert_int_equal(knock_next(&r.node.client), UINT64_MAX);
	answer_ping();
	is_taken();
	answer_tcp(0x14);
	is_taken();
	is_inbound("open");
	awake(SECONDS(600) - 1);
	sent_nothing(&r);
	awake(1);
	sent_both();
	/* A firewall was put up: silence is looked into. */
	awake(SECONDS(2) - 1);
	sent_nothing(&r);
	awake(SECONDS(20));
	sent_both();
	is_inbound("open");
	awake(SECONDS(30));
	sent_nothing(&r);
	is_inbound("filtered");
	/* It is there still: once is enough. */
	awake(SECONDS(600));
	sent_both();
	awake(SECONDS(30));
	sent_nothing(&r);
	is_inbound("filtered");
	assert_int_equal(knock()->tested, r.now);
	/* And was taken down. */
	awake(SECONDS(600));
	sent_both();
	answer_tcp(0x14);
	is_taken();
	is_inbound("open");
}

/* Somebody wants to know, of the server too; it sees us there. */
static void wants_to_know(struct tuple seen)
{
	struct asked a;

	check_server(&r);
	a = asked(&r, server_at);
	sent_nothing(&r);
	pass(&r, 0);
	sent_both();
	advert(&p, &a, SERVER, seen);
	from_ip4(&r, DOOR_SERVICE, server_at, &p);
	ended(&r, REASON_RA_TAKEN);
}

static void asked_for(void **state)
{
	(void)state;
	is_known("echo");
	wants_to_know(client_at);
	is_inbound("echo");
	pass(&r, SECONDS(2));
	sent_both();
	is_inbound("echo");
	pass(&r, SECONDS(2));
	is_inbound("filtered");
}

static void reconfigured(void **state)
{
	(void)state;
	is_known("open");
	node_reconfigure(&r.node, &r.conf, &r.node.gate, r.now, &r.out);
	rig_flush(&r);
	pass(&r, 0);
	sent_both();
	is_inbound("open");
}

/* Once for an address, however often the shell says so. */
static void again_ready(void **state)
{
	(void)state;
	host_is_ready();
	pass(&r, SECONDS(1));
	sent_nothing(&r);
	is_known("open");
	host_is_ready();
	pass(&r, SECONDS(1));
	sent_nothing(&r);
}

/* Who knocks is never the host itself, and the ports are all of the range. */
static void many(void **state)
{
	unsigned least = 65535, most = 0;

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		r.first = r.n = 0; /* or the log is full */
		knock_again(&r.node.client, r.now);
		awake(0);
		sent_both();
		for (unsigned at = 40; at < 44; at += 2) {
			unsigned port = be16(syn.b + at);

			least = port < least ? port : least;
			most = port > most ? port : most;
		}
	}
	assert_int_equal(least, 49152);
	assert_int_equal(most, 65535);
}

static void another_address(void **state)
{
	struct packet old;

	(void)state;
	is_known("open");
	wants_to_know(at("11.0.0.5", 4097));
	is_inbound("unknown");
	answers(&r, second_at, at("11.0.0.5", 4097));
	assert_false(knock()->is_ready);
	host_is_ready();
	pass(&r, SECONDS(0.1));
	old = next_sent(&r)->p;
	r.first++;
	/* Of the other mapping. */
	assert_int_equal(be16(old.b + 8 + 10), (uint16_t)~4097);
}

static void no_address(void **state)
{
	(void)state;
	want(&r, false);
	is_inbound("unknown");
	answer_tcp(0x14);
	from_ip6(&r, &p);
	dropped(&r, REASON_NOT_QUALIFIED);
	host_is_ready();
	pass(&r, SECONDS(1));
	sent_nothing(&r);
	check_server(&r);
	sent_nothing(&r);
}

int main(void)
{
#define READY(name) cmocka_unit_test_setup_teardown(name, ready, done)
#define EARLY(name) cmocka_unit_test_setup_teardown(name, qualified, done)
	const struct CMUnitTest tests[] = {
		READY(open_by_a_reset),
		READY(open_by_a_listener),
		READY(open_without_pings),
		READY(echo_only),
		READY(echo_and_refusal),
		READY(rejected),
		READY(silence),
		READY(the_second_try),
		READY(other_segments),
		READY(other_pongs),
		READY(other_errors),
		READY(other_sources),
		READY(forged),
		EARLY(not_before),
		READY(now_and_then),
		READY(asked_for),
		READY(reconfigured),
		READY(again_ready),
		READY(many),
		READY(another_address),
		READY(no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
