/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client: peers that were silent are asked without their server (6081
 * §5.7). */
#include "recent.h"
#include "rig_client.h"

#include <string.h>

#define SOLICITS   "0404 00000000"
#define ADVERTISES "0404 01000000"

static struct rig r;
static struct packet p, q, e;

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

static void comes(struct tuple from)
{
	from_ip4(&r, DOOR_SERVICE, from, &q);
}

static void holds(void)
{
	goes_to(&r, &p, far_client);
	ended(&r, REASON_HELD);
}

/* A bubble of the far client, with these trailers. */
static void says(const char *trailers)
{
	bubble(&q, far_client, client);
	add_tail(&q, trailers);
}

static struct recent_peer *entry(void)
{
	const struct recent *v = &r.node.client.recent;

	return recent_at(v, recent_find(v, r.node.client.cur, &far_client));
}

static uint64_t noted(enum ledger_line line)
{
	return r.node.ledger.n[line];
}

/* A direct bubble that ends with this. */
static void sent_with(struct tuple to, const char *trailers)
{
	bubble(&e, client, far_client);
	add_tail(&e, trailers);
	sent_udp(&r, DOOR_SERVICE, to, &e);
}

/* The server is heard all the time, and is not asked; so all that is sent is
 * about peers. */
static void silence(uint64_t ns)
{
	r.node.client.heard = r.now + ns + SECONDS(1000);
	pass(&r, ns);
}

/* It knows nonces, is there, and then silent for so long. */
static void established(uint64_t ns)
{
	trust_client(&r, far_client, far_client_at);
	bubble_with(&q, far_client, client, 0x01020304);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	silence(ns);
	sent_nothing(&r);
}

static void advertises(void)
{
	says(ADVERTISES);
	comes(far_client_at);
	ended(&r, REASON_BUBBLE);
}

/* X71, X74, X76: byte for byte; no server hears of it; data waits. */
static void x71_x74_x76_solicits(void **state)
{
	(void)state;
	established(SECONDS(30) - 1);
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	again();
	established(SECONDS(31));
	holds();
	hex(&e, "60000000 00003b40"
		"20010000 09000002 0000efff f4fffffa"
		"20010000 0b000001 0000dfff f4fffff9"
		"04040000 0000");
	sent_udp(&r, DOOR_SERVICE, far_client_at, &e);
	sent_nothing(&r);
	assert_int_equal(noted(LEDGER_SENT_SOLICITATION), 1);
	assert_int_equal(noted(LEDGER_SENT_DIRECT), 0);
	holds();
	silence(SECONDS(0.1));
	sent_nothing(&r);
	advertises();
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	sent_nothing(&r); /* X75 */
	assert_int_equal(noted(LEDGER_GOT_ADVERTISEMENT), 1);
	assert_false(entry()->is_late);
	silence(SECONDS(20));
	sent_nothing(&r);
}

/* X71, X11: to where it was, with the nonce it gave us. */
static void x71_x11_where_it_was(void **state)
{
	(void)state;
	bubble_with(&q, far_client, client, 0x0a0b0c0d);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, "0a0b0c0d");
	bubble_with(&q, far_client, client,
		    sent_indirect(&r, other_server_at, far_client));
	silence(SECONDS(3));
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_other, far_client, "0a0b0c0d");
	silence(SECONDS(31));
	holds();
	sent_with(far_other, "0104 0a0b0c0d" SOLICITS);
	sent_nothing(&r);
	/* X76: any packet of its, from there. */
	data(&q, far_client, client);
	comes(far_other);
	ended(&r, REASON_TO_IPV6);
	sent_udp(&r, DOOR_SERVICE, far_other, &p);
	sent_ip6(&r, &q);
	sent_nothing(&r);
}

/*
 * X72, A29, A75: three, 2 s apart; from the second on an indirect one beside
 * them; one more attempt, as to a stranger, and the end.
 */
static void x72_retransmits(void **state)
{
	(void)state;
	unsuspecting(&r);
	established(SECONDS(31));
	holds();
	sent_with(far_client_at, SOLICITS);
	silence(SECONDS(2) - 1);
	sent_nothing(&r);
	for (int i = 1; i < 3; i++) {
		silence(1);
		sent_with(far_client_at, SOLICITS);
		sent_indirect(&r, other_server_at, far_client);
		silence(SECONDS(2) - 1);
		sent_nothing(&r);
	}
	silence(1);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_cookie(&r, other_server_at, far_client);
	sent_nothing(&r);
	silence(SECONDS(3));
	complaint(&e, 1, 3, 0, &p);
	sent_ip6(&r, &e);
	sent_nothing(&r);
	assert_int_equal(noted(LEDGER_SENT_SOLICITATION), 3);
	/* C57: and that was all for a while. */
	goes_to(&r, &p, far_client);
	ended(&r, REASON_UNREACHABLE);
	complaint(&e, 1, 3, 0, &p);
	sent_ip6(&r, &e);
}

/* A75: when nobody knows what a NAT still lets in, the server is asked, too. */
static void a75_both_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		r.about = (const char *[]){"forgotten by a NAT", "suspicion",
					   "another network", "is late"}[i];
		established(SECONDS(31));
		if (i == 0)
			silence(SECONDS(90));
		if (i == 1)
			r.node.client.suspected = r.now;
		if (i == 2)
			r.node.client.changed = r.now;
		entry()->is_late = i == 3;
		holds();
		sent_with(far_client_at, SOLICITS);
		sent_indirect(&r, other_server_at, far_client);
		sent_nothing(&r);
		again();
	}
	established(SECONDS(120) - 1);
	holds();
	sent_with(far_client_at, SOLICITS);
	sent_nothing(&r);
}

/* A75: who did not get the first alone is not asked so again, until it does. */
static void a75_learns(void **state)
{
	(void)state;
	unsuspecting(&r);
	established(SECONDS(31));
	holds();
	sent_with(far_client_at, SOLICITS);
	silence(SECONDS(2));
	sent_with(far_client_at, SOLICITS);
	sent_indirect(&r, other_server_at, far_client);
	says("0104 01020304");
	comes(far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	assert_true(entry()->is_late);
	silence(SECONDS(31));
	holds();
	sent_with(far_client_at, SOLICITS);
	sent_indirect(&r, other_server_at, far_client);
	advertises();
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	silence(SECONDS(31));
	holds();
	sent_with(far_client_at, SOLICITS);
	sent_nothing(&r);
}

/* A49: who has never shown trailers is asked as ever; X7: and who was, when it
 * is switched off. */
static void a49_x7_not_solicited(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		unsuspecting(&r);
		established(SECONDS(31));
		entry()->speaks_6081 = i;
		if (i)
			r.node.client.conf.extensions &= ~EXT_SLR;
		holds();
		sent_direct(&r, far_client_at, far_client, NULL);
		sent_indirect(&r, other_server_at, far_client);
		sent_nothing(&r);
		again();
	}
	/* Who shows no nonces himself would never be shown any. */
	established(SECONDS(31));
	entry()->speaks_6081 = false;
	r.node.client.conf.extensions = EXT_SLR;
	holds();
	sent_with(far_client_at, SOLICITS);
	bubble(&e, client, far_client);
	sent_udp(&r, DOOR_SERVICE, other_server_at, &e);
	advertises();
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	assert_true(entry()->speaks_6081);
}

/* X71: by which trailers it is known to know them. */
static void x71_who_knows(void **state)
{
	static const char *const yes[] = {
		"0104 00000001", SOLICITS,    ADVERTISES,
		"0502 1234",     "0202 1234", "0308 0000 0b000007 1000"};
	static const char *const no[] = {"0104 00000000", "0404 02000000",
					 "0602 1234"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(yes) + ARRAY_SIZE(no); i++) {
		bool is_yes = i < ARRAY_SIZE(yes);

		says(r.about = is_yes ? yes[i] : no[i - ARRAY_SIZE(yes)]);
		comes(far_client_at);
		ended(&r, REASON_BUBBLE);
		r.first = r.n = 0;
		assert_int_equal(entry()->speaks_6081, is_yes);
		again();
		says(r.about = is_yes ? yes[i] : no[i - ARRAY_SIZE(yes)]);
		by_server(&r, &q, far_client_at);
		ended(&r, REASON_BUBBLE);
		r.first = r.n = 0;
		assert_int_equal(entry()->speaks_6081, is_yes);
		again();
	}
}

/* X73, X74: at once, to where it came from; reserved bytes mean nothing. */
static void x73_x74_advertises(void **state)
{
	(void)state;
	says("0404 00ffffff");
	comes(far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_with(far_client_at, ADVERTISES);
	sent_nothing(&r);
	assert_int_equal(noted(LEDGER_GOT_SOLICITATION), 1);
	assert_int_equal(noted(LEDGER_SENT_ADVERTISEMENT), 1);
	/* A29: once a second, and beside the limits of bubbles. */
	silence(SECONDS(1) - 1);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	for (int i = 0; i < 10; i++) {
		silence(SECONDS(1.25));
		comes(far_client_at);
		ended(&r, REASON_BUBBLE);
		sent_with(far_client_at, ADVERTISES);
		sent_nothing(&r);
	}
	/* What is sent to it meanwhile is no reason to be silent. */
	silence(SECONDS(1.25));
	goes_to(&r, &p, far_client);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	comes(far_client_at);
	sent_with(far_client_at, ADVERTISES);
	/* It counts as no bubble. */
	assert_int_equal(bubbles_spent(&r.node.client.recent, far_client.b, 16,
				       r.now),
			 0);
	/* Other types are not known. */
	silence(SECONDS(1.25));
	says("0404 02000000");
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
}

/* X73, X16: not to who has not proven anything; X15: to who has. */
static void x73_x16_from_elsewhere(void **state)
{
	(void)state;
	says(SOLICITS);
	comes(far_other);
	dropped(&r, REASON_MISMATCH);
	unsuspecting(&r);
	holds();
	sent_direct(&r, far_client_at, far_client, NULL);
	bubble_with(&q, far_client, client,
		    sent_indirect(&r, other_server_at, far_client));
	add_tail(&q, SOLICITS);
	silence(SECONDS(0.5));
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_other, &p);
	sent_with(far_other, ADVERTISES);
	sent_nothing(&r);
}

/* X75: an advertisement is answered by nobody, whatever it proves. */
static void x75_no_answer(void **state)
{
	(void)state;
	says(ADVERTISES);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	silence(SECONDS(29));
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	silence(SECONDS(29));
	goes_to(&r, &p, far_client);
	ended(&r, REASON_TO_IPV4);
	sent_udp(&r, DOOR_SERVICE, far_client_at, &p);
	again();
	unsuspecting(&r);
	holds();
	sent_direct(&r, far_client_at, far_client, NULL);
	bubble_with(&q, far_client, client,
		    sent_indirect(&r, other_server_at, far_client));
	add_tail(&q, ADVERTISES);
	silence(SECONDS(2));
	r.first = r.n = 0;
	silence(SECONDS(2.3));
	r.first = r.n = 0;
	bubble_with(&q, far_client, client, entry()->nonce_sent);
	add_tail(&q, ADVERTISES);
	comes(far_other);
	ended(&r, REASON_BUBBLE);
	sent_udp(&r, DOOR_SERVICE, far_other, &p);
	sent_nothing(&r);
}

/* X73: one by way of the server gets it in the bubble it gets anyway. */
static void x73_indirect(void **state)
{
	(void)state;
	says(SOLICITS);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_with(far_client_at, ADVERTISES);
	sent_indirect(&r, other_server_at, far_client);
	sent_nothing(&r);
	/* Who is trusted gets it at once, though a bubble is not due. */
	trust_client(&r, far_client, far_client_at);
	silence(SECONDS(1.25));
	says(SOLICITS);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_with(far_client_at, ADVERTISES);
	sent_nothing(&r);
	silence(SECONDS(0.5));
	says(SOLICITS);
	by_server(&r, &q, far_client_at);
	dropped(&r, REASON_BUBBLE);
	/* A bubble is due, an advertisement is not. */
	silence(SECONDS(0.25));
	entry()->advertised = (uint16_t)(r.now / (NS_PER_S / 4));
	says(SOLICITS);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_nothing(&r);
}

/* X7: it is as if nobody had asked. */
static void x7_x73_off(void **state)
{
	(void)state;
	r.node.client.conf.extensions &= ~EXT_SLR;
	says(SOLICITS);
	comes(far_client_at);
	dropped(&r, REASON_BUBBLE);
	by_server(&r, &q, far_client_at);
	ended(&r, REASON_BUBBLE);
	sent_direct(&r, far_client_at, far_client, NULL);
	sent_nothing(&r);
}

/* Z5: of all answers together there are so many a second. */
static void x73_z5_limit(void **state)
{
	unsigned n = 0;

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		const struct tuple from = {0x0c000000 + i, 1024};

		bubble(&q, ta_of(OTHER, from), client);
		add_tail(&q, SOLICITS);
		comes(from);
		ended(&r, REASON_BUBBLE);
		n += r.n - r.first;
		r.first = r.n = 0;
	}
	assert_int_equal(n, client_defaults.answers.burst);
	assert_int_equal(noted(LEDGER_LIMITED_ANSWER), 300 - n);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, qualified, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(x71_x74_x76_solicits),
		TEST(x71_x11_where_it_was),
		TEST(x72_retransmits),
		TEST(a75_both_at_once),
		TEST(a75_learns),
		TEST(a49_x7_not_solicited),
		TEST(x71_who_knows),
		TEST(x73_x74_advertises),
		TEST(x73_x16_from_elsewhere),
		TEST(x75_no_answer),
		TEST(x73_indirect),
		TEST(x7_x73_off),
		TEST(x73_z5_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
