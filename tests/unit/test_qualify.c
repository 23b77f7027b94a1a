/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a server: each arrow of qualify.h, each reason not to believe. */
#include "qualify.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PHRASE "correct horse battery staple"

enum {
	LOG = 4096,
	PORT_OF_SERVER = 3544,
};

/* One solicitation, as it left. */
struct asked {
	uint64_t when;
	struct tuple to;
	enum door door;
	struct ip6 from;
	char nonce[17]; /* hex */
	struct packet p;
};

static struct self self;
static struct gate gate;
static struct outbox out;
static struct qualify q;
static struct qualify_conf conf;
static struct secret alice;
static struct rng seed;
static struct packet p;
static uint64_t now;
static enum qualify_event event; /* of the last advertisement */
static struct asked asked[LOG];  /* since forget() */
static unsigned n_asked;
static uint64_t told[LOG]; /* when a phase ended */
static unsigned n_told;

static const struct tuple home_at = {0xc0a80105, 50000};
static const struct tuple mapped_at = {0x0b000005, 4096};

static void forget(void)
{
	n_asked = n_told = 0;
}

static int fresh(void **state)
{
	(void)state;
	memset(&self, 0, sizeof(self));
	gate = (struct gate){
		.self = &self, .prefix = TEREDO_PREFIX, .public_only = true};
	conf = (struct qualify_conf){.door = DOOR_SERVICE,
				     .prefix = TEREDO_PREFIX};
	alice = (struct secret){.id_len = 5,
				.id = "alice",
				.key_len = sizeof(PHRASE) - 1,
				.key = PHRASE};
	seed = (struct rng){.key = {{7, 7, 7}}};
	now = SECONDS(5000);
	outbox_init(&out, &gate);
	qualify_init(&q, &conf, &gate, &seed);
	forget();
	return 0;
}

/* Another one, with what conf and seed say now. */
static void again(void)
{
	qualify_init(&q, &conf, &gate, &seed);
	outbox_clear(&out);
	forget();
}

/* ---- what it sends ---- */

static void take(const struct out *o)
{
	struct asked *a = &asked[n_asked];
	size_t skip;

	assert_in_range(n_asked, 0, LOG - 1);
	n_asked++;
	assert_int_equal(o->kind, OUT_UDP);
	*a = (struct asked){.when = now, .to = o->to, .door = o->door};
	a->p.n = o->head_len;
	memcpy(a->p.b, o->head, o->head_len);
	assert_int_equal(o->body_len, 0);
	assert_int_equal(be16(a->p.b), 1);
	skip = 4u + a->p.b[2] + a->p.b[3];
	for (unsigned i = 0; i < 8; i++)
		snprintf(a->nonce + 2 * i, 3, "%02x", a->p.b[skip + i]);
	assert_int_equal(a->p.n, skip + 9 + 48);
	memcpy(&a->from, a->p.b + skip + 9 + 8, 16);
}

static void collect(void)
{
	for (unsigned i = 0; i < out.n; i++)
		take(&out.v[i]);
	outbox_clear(&out);
}

static struct asked *last(void)
{
	assert_int_not_equal(n_asked, 0);
	return &asked[n_asked - 1];
}

static void begin(void)
{
	qualify_start(&q, ip4(SERVER), ip4(SECOND), home_at, now, &out);
	collect();
}

static void check(void)
{
	qualify_check(&q, now, &out);
	collect();
}

static void hurry(struct tuple local)
{
	qualify_hurry(&q, local, now, &out);
	collect();
}

/* What is due is done at its time; the caller always goes on. */
static void pass_until(uint64_t end)
{
	uint64_t next;

	while ((next = qualify_next(&q)) <= end) {
		enum qualify_event e;

		if (next > now)
			now = next;
		e = qualify_timeout(&q, now, &out);
		collect();
		if (e == QUALIFY_UNANSWERED) {
			assert_in_range(n_told, 0, LOG - 1);
			told[n_told++] = now;
		} else {
			assert_int_equal(e, QUALIFY_NOTHING);
		}
	}
	now = end;
}

static void wait(uint64_t ns)
{
	pass_until(now + ns);
}

/* ---- what it gets ---- */

#define PREFIX_OPTION                                                          \
	"03044040 ffffffff ffffffff 00000000 20010000 09000002 00000000 "      \
	"00000000"
#define MTU_OPTION "05010000 00000500"

/* The inner advertisement with these options. */
static void inner(const char *options)
{
	struct ip6 to = last()->from;

	icmp6(&p, server_ll, to, 134, 0, "00000000 00000000 00000000");
	add_tail(&p, options);
	p.b[4] = 0;
	p.b[5] = (uint8_t)(p.n - 40);
	p.b[7] = 255;
	fix_icmp6(&p);
}

static void good_inner(void)
{
	inner(PREFIX_OPTION MTU_OPTION);
}

/* With what stands before it. */
static void seal(struct tuple mapped, const char *nonce)
{
	add_origin(&p, mapped);
	if (nonce && conf.secret)
		add_auth(&p, "alice", PHRASE, nonce, 0,
			 alice.algorithm == HMAC_SHA1 ? 20 : 32);
	else if (nonce)
		add_nonce(&p, nonce);
}

static struct tuple server_at(void)
{
	return last()->to;
}

/* Bytes of their exact length, for sanitizers. COUNT = the parser refused. */
static enum reason give(struct tuple from)
{
	uint8_t *bytes = malloc(p.n);
	enum reason why = REASON_COUNT;
	struct frame f;

	memcpy(bytes, p.b, p.n);
	event = QUALIFY_NOTHING;
	if (frame_parse(&f, bytes, p.n) == REASON_NONE &&
	    frame_is_advertisement(&f))
		why = qualify_input(&q, &f, from, now, &out, &event);
	free(bytes);
	return why;
}

/* What is no good leaves no trace (C22), but that it came from whom was asked.
 */
static void refused(struct tuple from, enum reason want, const char *what)
{
	struct qualify before;
	enum reason why;

	memcpy(&before, &q, sizeof(q));
	why = give(from);
	if (why != want)
		fail_msg("%s: %s, not %s", what,
			 why == REASON_COUNT ? "no advertisement"
					     : reason_name(why),
			 want == REASON_COUNT ? "no advertisement"
					      : reason_name(want));
	if (want != REASON_COUNT && want != REASON_RA_UNEXPECTED)
		before.refused = want;
	if (event != QUALIFY_NOTHING || out.n != 0 ||
	    memcmp(&before, &q, sizeof(q)) != 0)
		fail_msg("%s: it had an effect", what);
}

/* A right answer to the last solicitation. */
static enum qualify_event answered(struct tuple mapped)
{
	good_inner();
	seal(mapped, last()->nonce);
	assert_int_equal(give(server_at()), REASON_RA_TAKEN);
	collect();
	return event;
}

static void qualify_as(struct tuple mapped)
{
	begin();
	assert_int_equal(answered(mapped), QUALIFY_NOTHING);
	assert_int_equal(answered(mapped), QUALIFY_QUALIFIED);
}

/* The three steps in which an answer is waited for. */
static void to_step(enum qualify_step step)
{
	again();
	begin();
	if (step == QUALIFY_PRIMARY)
		return;
	answered(mapped_at);
	if (step == QUALIFY_SECONDARY)
		return;
	answered(mapped_at);
	check();
	assert_int_equal(q.step, QUALIFY_CHECK);
}

static const enum qualify_step asking[] = {QUALIFY_PRIMARY, QUALIFY_SECONDARY,
					   QUALIFY_CHECK};

/* ---- the solicitation ---- */

/* C8, C9, C12, C23: byte for byte. */
static void c8_c9_c12_solicitation(void **state)
{
	struct packet want;
	struct ip6 from;

	(void)state;
	begin();
	assert_int_equal(n_asked, 1);
	assert_int_equal(last()->to.ip, ip4(SERVER));
	assert_int_equal(last()->to.port, PORT_OF_SERVER);
	assert_int_equal(last()->door, DOOR_SERVICE);
	from = ll(q.flags, home_at.port, "192.168.1.5");
	rs(&want, .from = &from);
	add_nonce(&want, last()->nonce);
	same_packet(&last()->p, &want);
	assert_int_equal(from.b[8] & 0x80, 0);
}

/* It leaves by the door that it is told. */
static void c69_door(void **state)
{
	(void)state;
	conf.door = DOOR_PROBE;
	again();
	begin();
	assert_int_equal(last()->door, DOOR_PROBE);
}

/* C24, C26: signed with the one algorithm and the other. */
static void c24_c26_signed_solicitation(void **state)
{
	struct packet want;

	(void)state;
	conf.secret = &alice;
	for (int i = 0; i < 2; i++) {
		alice.algorithm = i ? HMAC_SHA256 : HMAC_SHA1;
		again();
		begin();
		rs(&want, .from = &last()->from);
		add_auth(&want, "alice", PHRASE, last()->nonce, 0, i ? 32 : 20);
		same_packet(&last()->p, &want);
	}
}

/* A15, Z19: twelve bits of the link-local source are random, no others. */
static void a15_z19_flags(void **state)
{
	uint16_t ones = 0, zeros = 0;
	unsigned same = 0;
	uint16_t before = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		begin();
		wait(SECONDS(2));
		ones |= be16(last()->from.b + 8);
		zeros |= (uint16_t)~be16(last()->from.b + 8);
		same += before == q.flags;
		before = q.flags;
		forget();
	}
	assert_int_equal(ones, 0x3cff);
	assert_int_equal(zeros, 0xffff);
	assert_in_range(same, 0, 3);
}

/* C23, Z10, X20: a nonce is used once. */
static void c23_z10_nonces_never_repeat(void **state)
{
	uint8_t ones[8] = {0}, zeros[8] = {0};
	struct packet n;

	(void)state;
	begin();
	wait(SECONDS(118));
	qualify_hurry(&q, home_at, now, &out);
	wait(SECONDS(118));
	assert_in_range(n_asked, 120, LOG);
	for (unsigned i = 0; i < n_asked; i++) {
		hex(&n, asked[i].nonce);
		for (unsigned k = 0; k < 8; k++) {
			ones[k] |= n.b[k];
			zeros[k] |= (uint8_t)~n.b[k];
		}
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(asked[i].nonce, asked[k].nonce);
	}
	for (unsigned k = 0; k < 8; k++)
		assert_int_equal(ones[k] & zeros[k], 0xff);
}

/* ---- the arrows ---- */

/* C17, C18, C12: the second address is asked at once; two equal answers. */
static void c17_c18_qualifies(void **state)
{
	(void)state;
	begin();
	assert_int_equal(q.step, QUALIFY_PRIMARY);
	wait(SECONDS(0.1));
	assert_int_equal(answered(mapped_at), QUALIFY_NOTHING);
	assert_int_equal(q.step, QUALIFY_SECONDARY);
	assert_int_equal(n_asked, 2);
	assert_int_equal(last()->when, now);
	assert_int_equal(last()->to.ip, ip4(SECOND));
	assert_int_equal(last()->to.port, PORT_OF_SERVER);
	assert_int_equal(last()->from.b[8] & 0x80, 0);
	assert_true(same_ip6(asked[0].from, asked[1].from));
	assert_int_equal(answered(mapped_at), QUALIFY_QUALIFIED);
	assert_int_equal(q.step, QUALIFY_DONE);
	assert_int_equal(q.mapped.ip, mapped_at.ip);
	assert_int_equal(q.mapped.port, mapped_at.port);
	assert_false(q.is_symmetric);
	assert_false(q.is_cone);
	assert_false(qualify_is_asking(&q));
	assert_true(qualify_next(&q) == UINT64_MAX);
	assert_int_equal(n_asked, 2);
}

/* C18, X9: another address or another port means a symmetric NAT. */
static void c18_x9_symmetric(void **state)
{
	static const struct tuple others[] = {
		{0x0b000005, 4097}, {0x0b000006, 4096}, {0x0b000006, 4097}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		again();
		begin();
		answered(mapped_at);
		assert_int_equal(answered(others[i]), QUALIFY_QUALIFIED);
		assert_true(q.is_symmetric);
		assert_int_equal(q.mapped.ip, mapped_at.ip);
		assert_int_equal(q.mapped.port, mapped_at.port);
	}
	/* ... until it is found to be none. */
	check();
	answered(others[0]);
	assert_int_equal(answered(others[0]), QUALIFY_QUALIFIED);
	assert_false(q.is_symmetric);
}

/* Solicitations of this step, and nobody answers. */
static void unanswered(unsigned n)
{
	unsigned before = n_asked;

	while (n_asked < before + n)
		wait(SECONDS(0.1));
}

/*
 * C18: an answer after a long silence is compared with one that is as old. So
 * if they differ, the first address is asked again; else nothing is wrong.
 */
static void c18_late_second_answer(void **state)
{
	static const struct tuple moved = {0x0b000005, 4099};

	(void)state;
	for (unsigned tries = 1; tries <= 4; tries++) {
		again();
		begin();
		answered(mapped_at);
		unanswered(tries - 1);
		assert_int_equal(last()->to.ip, ip4(SECOND));
		if (tries <= 3) {
			assert_int_equal(answered(moved), QUALIFY_QUALIFIED);
			assert_true(q.is_symmetric);
			continue;
		}
		assert_int_equal(answered(moved), QUALIFY_NOTHING);
		assert_int_equal(q.step, QUALIFY_PRIMARY);
		assert_int_equal(last()->to.ip, ip4(SERVER));
		assert_int_equal(last()->when, now);
		assert_int_equal(answered(moved), QUALIFY_MOVED);
		assert_int_equal(answered(moved), QUALIFY_QUALIFIED);
		assert_false(q.is_symmetric);
		assert_int_equal(q.mapped.port, moved.port);
	}
	/* The same as before: it is not asked again for that. */
	again();
	begin();
	answered(mapped_at);
	unanswered(5);
	assert_int_equal(answered(mapped_at), QUALIFY_QUALIFIED);
	assert_false(q.is_symmetric);
	/* Nor is who is symmetric asked for ever. */
	again();
	begin();
	answered(mapped_at);
	unanswered(5);
	assert_int_equal(answered(moved), QUALIFY_NOTHING);
	assert_int_equal(answered(mapped_at), QUALIFY_NOTHING);
	assert_int_equal(answered(moved), QUALIFY_QUALIFIED);
	assert_true(q.is_symmetric);
}

/* C59, C60: the same question again; the mapping is what it was. */
static void c59_c60_confirmed(void **state)
{
	(void)state;
	qualify_as(mapped_at);
	check();
	assert_int_equal(q.step, QUALIFY_CHECK);
	assert_true(qualify_is_asking(&q));
	assert_int_equal(n_asked, 3);
	assert_int_equal(last()->to.ip, ip4(SERVER));
	assert_true(same_ip6(asked[0].from, asked[2].from));
	check(); /* it is being asked already */
	assert_int_equal(n_asked, 3);
	assert_int_equal(answered(mapped_at), QUALIFY_CONFIRMED);
	assert_int_equal(q.step, QUALIFY_DONE);
	assert_int_equal(n_asked, 3);
	assert_true(qualify_next(&q) == UINT64_MAX);
}

/* C62, A37: the mapping is another, by address or port. */
static void c62_moved(void **state)
{
	static const struct tuple others[] = {{0x0b000005, 4097},
					      {0x0b000006, 4096}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		to_step(QUALIFY_CHECK);
		assert_int_equal(answered(others[i]), QUALIFY_MOVED);
		assert_int_equal(q.step, QUALIFY_SECONDARY);
		assert_int_equal(q.mapped.ip, others[i].ip);
		assert_int_equal(q.mapped.port, others[i].port);
		assert_int_equal(last()->to.ip, ip4(SECOND));
		assert_int_equal(answered(others[i]), QUALIFY_QUALIFIED);
		assert_false(q.is_symmetric);
	}
}

/* A check is made out of DONE only. */
static void test_check_elsewhere(void **state)
{
	(void)state;
	check();
	assert_int_equal(n_asked, 0);
	assert_int_equal(q.step, QUALIFY_IDLE);
	begin();
	check();
	assert_int_equal(n_asked, 1);
	assert_int_equal(q.step, QUALIFY_PRIMARY);
	answered(mapped_at);
	check();
	assert_int_equal(q.step, QUALIFY_SECONDARY);
	assert_int_equal(n_asked, 2);
}

static void test_stop(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		to_step(asking[i]);
		qualify_stop(&q);
		assert_true(qualify_next(&q) == UINT64_MAX);
		assert_false(qualify_is_asking(&q));
		good_inner();
		seal(mapped_at, last()->nonce);
		refused(server_at(), REASON_RA_UNEXPECTED, "stopped");
		n_asked = 0;
		wait(SECONDS(3600));
		hurry(home_at);
		assert_int_equal(n_asked, 0);
	}
}

/* ---- C13: the order of 4380 ---- */

static void cone_begin(void)
{
	conf.cone_first = true;
	again();
	begin();
}

static enum qualify_event cone_answered(struct tuple mapped)
{
	good_inner();
	seal(mapped, last()->nonce);
	assert_int_equal(give(at(SECOND, PORT_OF_SERVER)), REASON_RA_TAKEN);
	collect();
	return event;
}

/* An answer that comes from where nothing was sent: that is a cone NAT. */
static void c13_cone(void **state)
{
	(void)state;
	cone_begin();
	assert_int_equal(last()->to.ip, ip4(SERVER));
	assert_int_equal(last()->from.b[8] & 0x80, 0x80);
	good_inner();
	seal(mapped_at, last()->nonce);
	refused(at(SERVER, PORT_OF_SERVER), REASON_RA_UNEXPECTED,
		"from the address that was asked");
	assert_int_equal(cone_answered(mapped_at), QUALIFY_QUALIFIED);
	assert_int_equal(q.step, QUALIFY_DONE);
	assert_true(q.is_cone);
	assert_false(q.is_symmetric);
	assert_int_equal(n_asked, 1);
	/* C60: and is asked so again. */
	check();
	assert_int_equal(last()->from.b[8] & 0x80, 0x80);
	assert_int_equal(cone_answered(mapped_at), QUALIFY_CONFIRMED);
	assert_true(q.is_cone);
}

/* Three without an answer, and it is asked as usual; nobody is told yet. */
static void c13_no_cone(void **state)
{
	(void)state;
	cone_begin();
	wait(SECONDS(5));
	assert_in_range(n_asked, 4, 5);
	for (unsigned i = 0; i < n_asked; i++) {
		assert_int_equal(asked[i].from.b[8] & 0x80, i < 3 ? 0x80 : 0);
		assert_int_equal(asked[i].to.ip, ip4(SERVER));
		assert_true(i == 0 ||
			    asked[i].when - asked[i - 1].when >= SECONDS(1));
	}
	assert_int_equal(n_told, 0);
	assert_int_equal(q.step, QUALIFY_PRIMARY);
	/* Late answers to the question that is no more asked. */
	n_asked = 3;
	good_inner();
	seal(mapped_at, last()->nonce);
	refused(at(SECOND, PORT_OF_SERVER), REASON_RA_UNEXPECTED, "late");
	wait(SECONDS(5));
	assert_int_equal(n_told, 1);
	assert_int_equal(answered(mapped_at), QUALIFY_NOTHING);
	assert_int_equal(last()->to.ip, ip4(SECOND));
	assert_int_equal(last()->from.b[8] & 0x80, 0);
	assert_int_equal(answered(mapped_at), QUALIFY_QUALIFIED);
	assert_false(q.is_cone);
	/* The next time it begins with the cone bit again. */
	begin();
	assert_int_equal(last()->from.b[8] & 0x80, 0x80);
}

/* C62: there is no second question behind a cone NAT. */
static void c13_c62_cone_moved(void **state)
{
	(void)state;
	cone_begin();
	cone_answered(mapped_at);
	check();
	assert_int_equal(cone_answered(at("11.0.0.5", 5000)),
			 QUALIFY_QUALIFIED);
	assert_int_equal(q.mapped.port, 5000);
	assert_int_equal(q.step, QUALIFY_DONE);
	assert_true(q.is_cone);
}

/* C60: silent or not, it is checked as it was qualified. */
static void c13_c60_silent_check(void **state)
{
	(void)state;
	cone_begin();
	cone_answered(mapped_at);
	check();
	forget();
	wait(SECONDS(20));
	assert_in_range(n_asked, 10, 15);
	assert_in_range(n_told, 3, 5);
	assert_int_equal(q.step, QUALIFY_CHECK);
	for (unsigned i = 0; i < n_asked; i++)
		assert_int_equal(asked[i].from.b[8] & 0x80, 0x80);
}

/* A cone NAT is not symmetric, whatever was there before. */
static void c13_after_a_symmetric_nat(void **state)
{
	(void)state;
	cone_begin();
	wait(SECONDS(5));
	answered(mapped_at);
	answered(at("11.0.0.5", 5000));
	assert_true(q.is_symmetric);
	begin();
	assert_int_equal(cone_answered(mapped_at), QUALIFY_QUALIFIED);
	assert_false(q.is_symmetric);
	assert_true(q.is_cone);
}

/* C85: another server is asked on both its addresses, whatever it sees. */
static void c85_next_server(void **state)
{
	(void)state;
	qualify_as(mapped_at);
	qualify_start(&q, ip4(SERVER), ip4("9.0.0.7"), home_at, now, &out);
	collect();
	assert_int_equal(answered(mapped_at), QUALIFY_NOTHING);
	assert_int_equal(q.step, QUALIFY_SECONDARY);
	assert_int_equal(last()->to.ip, ip4("9.0.0.7"));
	assert_int_equal(answered(mapped_at), QUALIFY_QUALIFIED);
}

/* ---- C10, A4, A38: when it asks ---- */

static void check_phase_of(unsigned first)
{
	static const uint64_t least[] = {1050, 1250, 1500};

	for (unsigned i = 0; i < 3; i++) {
		uint64_t end = i < 2 ? asked[first + i + 1].when : told[0];

		assert_in_range(end - asked[first + i].when,
				least[i] * NS_PER_MS,
				(least[i] + 300) * NS_PER_MS);
	}
	assert_true(told[0] - asked[first].when < SECONDS(5));
}

/* C10: three of them, and each time it waits a little longer. */
static void c10_phase(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		seed.key.b[9] = (uint8_t)i;
		again();
		begin();
		while (n_told == 0)
			wait(SECONDS(1));
		check_phase_of(0);
	}
}

/* The waits are spread over their whole range. */
static void c10_jitter(void **state)
{
	unsigned seen[3][10] = {0};

	(void)state;
	for (unsigned i = 0; i < 250; i++) {
		static const uint64_t least[] = {1050, 1250, 1500};

		seed.key.b[9] = (uint8_t)i;
		again();
		begin();
		wait(SECONDS(6));
		for (unsigned k = 0; k < 3; k++) {
			uint64_t gap = asked[k + 1].when - asked[k].when;

			gap -= least[k] * NS_PER_MS;
			assert_true(gap < 300 * NS_PER_MS);
			seen[k][gap / (30 * NS_PER_MS)]++;
		}
	}
	for (unsigned k = 0; k < 3; k++) {
		for (unsigned i = 0; i < 10; i++)
			assert_in_range(seen[k][i], 5, 60);
	}
}

/* A4, C11, C19: told after each third one; nothing is sent as it is told. */
static void c11_a4_phases(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		to_step(asking[i]);
		forget();
		if (asking[i] == QUALIFY_PRIMARY)
			again(), begin();
		wait(SECONDS(60));
		assert_in_range(n_told, 10, 14);
		assert_int_equal(q.step, asking[i]);
		for (unsigned k = 1; k < n_told; k++) {
			unsigned between = 0;

			for (unsigned a = 0; a < n_asked; a++)
				between += asked[a].when >= told[k - 1] &&
					   asked[a].when < told[k];
			assert_int_equal(between, PHASE_TRIES);
		}
	}
}

/* The caller who does not want to go on need not. */
static void a4_told_without_asking(void **state)
{
	enum qualify_event e = QUALIFY_NOTHING;

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++) {
		now = qualify_next(&q);
		assert_int_equal(n_asked, i + 1);
		e = qualify_timeout(&q, now - 1, &out); /* not yet */
		assert_int_equal(e, QUALIFY_NOTHING);
		assert_int_equal(out.n, 0);
		e = qualify_timeout(&q, now, &out);
		assert_int_equal(out.n, i < 2 ? 1 : 0);
		collect();
	}
	assert_int_equal(e, QUALIFY_UNANSWERED);
	qualify_start(&q, ip4("11.0.0.1"), ip4("11.0.0.2"), home_at, now, &out);
	collect();
	assert_int_equal(n_asked, 4);
	assert_int_equal(last()->to.ip, ip4("11.0.0.1"));
	now = qualify_next(&q);
	assert_int_equal(qualify_timeout(&q, now, &out), QUALIFY_NOTHING);
}

/* A38: at most 1.9 s apart for two minutes, then ever longer. */
static void a38_patience(void **state)
{
	uint64_t start = now;

	(void)state;
	begin();
	wait(SECONDS(12 * 3600));
	for (unsigned i = 1; i < n_asked; i++) {
		uint64_t at = asked[i - 1].when - start;
		uint64_t gap = asked[i].when - asked[i - 1].when;

		assert_true(gap >= SECONDS(1));
		if (at <= SECONDS(120))
			assert_true(gap <= SECONDS(1.9));
		else if (at < SECONDS(2400))
			assert_in_range(gap, at / 100 * 20, at / 100 * 25);
		else
			assert_in_range(gap, SECONDS(480), SECONDS(600));
	}
	/* Two minutes, growth up to 40, and then seven in an hour. */
	assert_in_range(n_asked, 75 + 14 + 70, 85 + 18 + 90);
}

static void a38_never_more_than_ten_minutes(void **state)
{
	(void)state;
	for (unsigned s = 0; s < 20; s++) {
		seed.key.b[9] = (uint8_t)s;
		again();
		begin();
		wait(SECONDS(6 * 3600));
		for (unsigned i = 1; i < n_asked; i++)
			assert_true(asked[i].when - asked[i - 1].when <=
				    SECONDS(600));
	}
}

/* A38: with the next server as with this one: the silence is that of all. */
static void a38_other_servers(void **state)
{
	uint64_t start = now;

	(void)state;
	begin();
	wait(SECONDS(1000));
	forget();
	qualify_start(&q, ip4("11.0.0.1"), ip4("11.0.0.2"), home_at, now, &out);
	collect();
	wait(SECONDS(3600));
	assert_in_range(asked[1].when - asked[0].when,
			(asked[0].when - start) / 100 * 20, SECONDS(600));
}

/* A38: an answer of anybody, or a new network, and hope is back. */
static void a38_hope(void **state)
{
	(void)state;
	begin();
	wait(SECONDS(1000));
	hurry(home_at);
	forget();
	wait(SECONDS(30));
	assert_in_range(n_asked, 15, 25);
	wait(SECONDS(1000));
	answered(mapped_at); /* and silence again, of the second address */
	forget();
	wait(SECONDS(30));
	assert_in_range(n_asked, 15, 25);
}

/* Who is asked afresh after a stop is not one who was silent all the while. */
static void a38_patience_is_new_after_a_stop(void **state)
{
	(void)state;
	begin();
	wait(SECONDS(60));
	qualify_stop(&q);
	wait(SECONDS(3600));
	forget();
	begin();
	wait(SECONDS(30));
	assert_in_range(n_asked, 15, 25);
}

/* C10: whatever is wanted, one a second to who is silent. */
static void c10_one_a_second(void **state)
{
	(void)state;
	begin();
	begin();
	hurry(home_at);
	wait(SECONDS(0.5));
	begin();
	qualify_stop(&q);
	begin();
	assert_int_equal(n_asked, 1);
	assert_int_equal(qualify_next(&q) - asked[0].when, SECONDS(1));
	wait(SECONDS(0.5));
	assert_int_equal(n_asked, 2);
	assert_int_equal(asked[1].when - asked[0].when, SECONDS(1));
	assert_int_equal(n_told, 0);
	/* A second later at once. */
	now += SECONDS(1);
	begin();
	assert_int_equal(n_asked, 3);
	/* Another one is not held up by it. */
	qualify_start(&q, ip4("11.0.0.1"), ip4("11.0.0.2"), home_at, now, &out);
	collect();
	assert_int_equal(n_asked, 4);
}

/* ... and at any pace of calls. */
static void c10_one_a_second_always(void **state)
{
	struct rng r = {.key = {{3}}};

	(void)state;
	begin();
	for (int i = 0; i < 3000; i++) {
		wait(rng_below(&r, 700) * NS_PER_MS);
		if (rng_below(&r, 2))
			hurry(home_at);
		else if (rng_below(&r, 2))
			qualify_stop(&q), begin();
		else
			begin();
	}
	assert_in_range(n_asked, 500, 1100);
	for (unsigned i = 1; i < n_asked; i++)
		assert_true(asked[i].when - asked[i - 1].when >= SECONDS(1));
}

/* Who answers may be asked again at once. */
static void test_answer_frees(void **state)
{
	(void)state;
	qualify_as(mapped_at);
	for (unsigned i = 0; i < 5; i++) {
		check();
		assert_int_equal(n_asked, 3 + i);
		assert_int_equal(answered(mapped_at), QUALIFY_CONFIRMED);
	}
}

/* What the gate holds back counts as asked. */
static void z1_refused_server(void **state)
{
	(void)state;
	gate.n_deny = 1;
	gate.deny[0] = (struct ip4_prefix){ip4("9.0.0.0"), 24};
	begin();
	wait(SECONDS(6));
	assert_int_equal(n_asked, 0);
	assert_int_equal(n_told, 1);
	gate.n_deny = 0;
	wait(SECONDS(2));
	assert_in_range(n_asked, 1, 2);
}

/* ---- the network ---- */

/* What the first address saw in another network is worth nothing. */
static enum qualify_step after_hurry(enum qualify_step step)
{
	return step == QUALIFY_SECONDARY ? QUALIFY_PRIMARY : step;
}

/* Asked at once, from the new address. */
static void test_hurry(void **state)
{
	const struct tuple other = {0x0a090909, 50001};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		struct asked old;

		to_step(asking[i]);
		wait(SECONDS(1.04));
		old = *last();
		hurry(other);
		assert_int_equal(q.step, after_hurry(asking[i]));
		assert_int_equal(last()->when, now);
		assert_true(
			same_ip6(last()->from, ll(q.flags, 50001, "10.9.9.9")));
		assert_int_equal(last()->to.ip, ip4(SERVER));
		/* The old answer is of the old network. */
		good_inner();
		seal(mapped_at, old.nonce);
		refused(server_at(), REASON_RA_NONCE, "old nonce");
		answered(mapped_at);
	}
	qualify_stop(&q);
	again();
	qualify_as(mapped_at);
	hurry(other);
	assert_int_equal(q.step, QUALIFY_CHECK);
	assert_int_equal(answered(mapped_at), QUALIFY_CONFIRMED);
}

/*
 * C18: what the first address saw in the old network is compared with nothing
 * that is seen in the new one.
 */
static void c18_hurry_compares_nothing_old(void **state)
{
	const struct tuple other = {0x0a090909, 50001};
	const struct tuple moved = {0x0c0c0c0c, 777};

	(void)state;
	to_step(QUALIFY_SECONDARY);
	wait(SECONDS(0.3));
	hurry(other);
	assert_int_equal(last()->to.ip, ip4(SERVER));
	assert_int_equal(answered(moved), QUALIFY_MOVED);
	assert_int_equal(last()->to.ip, ip4(SECOND));
	assert_int_equal(answered(moved), QUALIFY_QUALIFIED);
	assert_false(q.is_symmetric);
	assert_int_equal(q.mapped.ip, moved.ip);
}

/* A phase begins anew with it. */
static void test_hurry_is_a_new_phase(void **state)
{
	(void)state;
	begin();
	now = asked[0].when;
	while (n_asked < 3)
		wait(SECONDS(0.1));
	wait(SECONDS(1));
	assert_int_equal(n_asked, 3);
	hurry(home_at);
	forget();
	n_asked = 1;
	asked[0].when = now;
	while (n_told == 0)
		wait(SECONDS(0.5));
	check_phase_of(0);
}

static void test_pause(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		to_step(asking[i]);
		n_asked = 0;
		qualify_pause(&q);
		wait(SECONDS(1000));
		assert_int_equal(n_asked, 0);
		assert_true(qualify_next(&q) == UINT64_MAX);
		hurry(home_at);
		assert_int_equal(n_asked, 1);
		assert_int_equal(last()->when, now);
		assert_int_equal(q.step, after_hurry(asking[i]));
		wait(SECONDS(10)); /* it was not silence */
		assert_in_range(n_asked, 6, 9);
	}
	/* Nothing is asked while there is no network. */
	again();
	qualify_as(mapped_at);
	qualify_pause(&q);
	n_asked = 0;
	check();
	wait(SECONDS(1000));
	assert_int_equal(n_asked, 0);
	hurry(home_at);
	assert_int_equal(n_asked, 1);
}

/* ---- what is not believed ---- */

static void no_origin(void)
{
	good_inner();
	add_nonce(&p, last()->nonce);
}

static void twist(size_t byte, uint8_t bits, bool fix)
{
	good_inner();
	flip(&p, byte, bits);
	if (fix)
		fix_icmp6(&p);
	seal(mapped_at, last()->nonce);
}

static void hops_254(void)
{
	twist(7, 255 ^ 254, true);
}

static void code_1(void)
{
	twist(41, 1, true);
}

static void global_source(void)
{
	good_inner();
	memcpy(p.b + 8, native.b, 16);
	fix_icmp6(&p);
	seal(mapped_at, last()->nonce);
}

static void wrong_sum(void)
{
	twist(43, 1, false);
}

static void with_options(const char *options)
{
	inner(options);
	seal(mapped_at, last()->nonce);
}

static void no_prefix(void)
{
	with_options(MTU_OPTION);
}

static void no_option(void)
{
	with_options("");
}

static void two_prefixes(void)
{
	with_options(PREFIX_OPTION PREFIX_OPTION);
}

static void option_of_no_length(void)
{
	with_options(PREFIX_OPTION "01000000 00000000");
}

static void option_of_no_length_first(void)
{
	with_options("01000000 00000000" PREFIX_OPTION);
}

static void option_too_long(void)
{
	with_options(PREFIX_OPTION "01020000 00000000");
}

static void half_an_option(void)
{
	with_options(PREFIX_OPTION "01010000");
}

static void short_prefix(void)
{
	with_options("03034040 ffffffff ffffffff 00000000 20010000 09000002");
}

static void long_prefix(void)
{
	with_options("03054040 ffffffff ffffffff 00000000 20010000 09000002"
		     "00000000 00000000 00000000 00000000");
}

static void prefix_of(const char *len, const char *prefix)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "0304%s40 ffffffff ffffffff 00000000 %s 00000000 00000000",
		 len, prefix);
	with_options(text);
}

static void prefix_48(void)
{
	prefix_of("30", "20010000 09000002");
}

static void prefix_65(void)
{
	prefix_of("41", "20010000 09000002");
}

static void prefix_3ffe(void)
{
	prefix_of("40", "3ffe831f 09000002");
}

static void prefix_2001_1(void)
{
	prefix_of("40", "20010001 09000002");
}

static void prefix_of_another(void)
{
	prefix_of("40", "20010000 0b000001");
}

static void sixteen_less_one(void)
{
	good_inner();
	p.n = 40 + 15;
	p.b[5] = 15;
	fix_icmp6(&p);
	seal(mapped_at, last()->nonce);
}

static const struct bad {
	const char *name;
	void (*make)(void);
} bad_ones[] = {
	{"no origin indication", no_origin},
	{"hop limit 254", hops_254},
	{"code 1", code_1},
	{"global source", global_source},
	{"wrong checksum", wrong_sum},
	{"no prefix", no_prefix},
	{"no option at all", no_option},
	{"two prefixes", two_prefixes},
	{"option of length zero", option_of_no_length},
	{"option of length zero before", option_of_no_length_first},
	{"option longer than the rest", option_too_long},
	{"half an option", half_an_option},
	{"prefix option of 24 bytes", short_prefix},
	{"prefix option of 40 bytes", long_prefix},
	{"prefix of 48 bits", prefix_48},
	{"prefix of 65 bits", prefix_65},
	{"prefix 3ffe:831f::/32", prefix_3ffe},
	{"prefix 2001:1::/32", prefix_2001_1},
	{"prefix of another server", prefix_of_another},
	{"15 bytes", sixteen_less_one},
};

/* C14, C15, C61: whatever is asked, each of these is refused. */
static void c14_c15_c61_invalid(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(asking); s++) {
		to_step(asking[s]);
		for (unsigned i = 0; i < ARRAY_SIZE(bad_ones); i++) {
			bad_ones[i].make();
			refused(server_at(), REASON_RA_INVALID,
				bad_ones[i].name);
		}
		good_inner();
		seal(mapped_at, last()->nonce);
		assert_int_equal(give(server_at()), REASON_RA_TAKEN);
		collect();
	}
}

/* C14: what is right is right, with less and with more. */
static void c14_valid(void **state)
{
	static const char *const options[] = {
		PREFIX_OPTION,
		(MTU_OPTION PREFIX_OPTION),
		("01010000 00000000" PREFIX_OPTION MTU_OPTION),
		(PREFIX_OPTION "ff020000 00000000 00000000 00000000"),
		/* the rest of the prefix says nothing */
		("03044000 00000000 00000000 ffffffff 20010000 09000002"
		 "00000000 00000001"),
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		to_step(QUALIFY_PRIMARY);
		with_options(options[i]);
		assert_int_equal(give(server_at()), REASON_RA_TAKEN);
		collect();
	}
	/* X1: bytes behind it, too. */
	good_inner();
	seal(mapped_at, last()->nonce);
	add_tail(&p, "0104 01020304");
	assert_int_equal(give(server_at()), REASON_RA_TAKEN);
}

/* A5: the second address may put itself into the prefix, the first may not. */
static void c15_a5_second_prefix(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		to_step(asking[i]);
		prefix_of("40", "20010000 09000003");
		if (asking[i] == QUALIFY_SECONDARY)
			assert_int_equal(give(server_at()), REASON_RA_TAKEN);
		else
			refused(server_at(), REASON_RA_INVALID, "second");
	}
	conf.prefix = 0x20010001; /* another one, if configured */
	again();
	begin();
	with_options(PREFIX_OPTION);
	refused(server_at(), REASON_RA_INVALID, "the usual prefix");
	prefix_of("40", "20010001 09000002");
	assert_int_equal(give(server_at()), REASON_RA_TAKEN);
}

/* C16: from nobody but who was asked. */
static void c16_from_whom(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		bool second = asking[i] == QUALIFY_SECONDARY;

		to_step(asking[i]);
		good_inner();
		seal(mapped_at, last()->nonce);
		refused(at(second ? SERVER : SECOND, PORT_OF_SERVER),
			REASON_RA_UNEXPECTED, "its other address");
		refused(at(OTHER, PORT_OF_SERVER), REASON_RA_UNEXPECTED,
			"another server");
		refused(at(second ? SECOND : SERVER, PORT_OF_SERVER + 1),
			REASON_RA_UNEXPECTED, "another port");
	}
}

/* C14: to the source of the solicitation, and nobody else. */
static void c14_to_whom(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		to_step(asking[i]);
		for (unsigned bit = 0; bit < 128; bit++) {
			good_inner();
			flip(&p, 24 + bit / 8, (uint8_t)(1 << bit % 8));
			fix_icmp6(&p);
			seal(mapped_at, last()->nonce);
			/* fe80::/10 is link-local */
			refused(server_at(),
				bit < 8 || bit == 14 || bit == 15
					? REASON_COUNT
					: REASON_RA_UNEXPECTED,
				"another destination");
		}
	}
}

/* When nobody was asked, nobody answers. */
static void c16_unasked(void **state)
{
	(void)state;
	qualify_as(mapped_at);
	good_inner();
	seal(mapped_at, last()->nonce);
	refused(at(SECOND, PORT_OF_SERVER), REASON_RA_UNEXPECTED, "again");
	refused(at(SERVER, PORT_OF_SERVER), REASON_RA_UNEXPECTED, "the first");
}

/* C21, Z1: a mapping that is of no use. */
static void c21_mapped_address(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(asking); s++) {
		to_step(asking[s]);
		for (unsigned i = 0; i < BAD_RANGES; i++) {
			good_inner();
			seal(at(bad_ranges[i].first, 4096), last()->nonce);
			refused(server_at(), REASON_RA_INVALID,
				bad_ranges[i].name);
			good_inner();
			seal(at(bad_ranges[i].last, 4096), last()->nonce);
			refused(server_at(), REASON_RA_INVALID,
				bad_ranges[i].name);
		}
		good_inner();
		seal(at("11.0.0.5", 0), last()->nonce);
		refused(server_at(), REASON_RA_INVALID, "port 0");
	}
	/* In a laboratory. */
	gate.public_only = false;
	assert_int_equal(answered(at("100.64.0.1", 4096)), QUALIFY_MOVED);
}

/* A host without NAT is its own mapping. */
static void c21_own_address(void **state)
{
	(void)state;
	self.n_ip4 = 1;
	self.ip4[0].ip = ip4("11.0.0.5");
	self.ip4[0].len = 24;
	gate.mapped = mapped_at;
	qualify_as(mapped_at);
	assert_int_equal(q.mapped.ip, mapped_at.ip);
}

/* C23, Z10: the nonces of the last two solicitations, and of no others. */
static void c23_z10_last_two(void **state)
{
	static const char *const strange[] = {
		"0000000000000000", "ffffffffffffffff", "0102030405060708"};

	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(asking); s++) {
		to_step(asking[s]);
		n_asked = 0;
		hurry((struct tuple){0x0a090909, 1}); /* the first of a phase */
		pass_until(now + SECONDS(1));
		assert_int_equal(n_asked, 1);
		for (unsigned i = 0; i < ARRAY_SIZE(strange); i++) {
			good_inner();
			seal(mapped_at, strange[i]);
			refused(server_at(), REASON_RA_NONCE, strange[i]);
		}
		while (n_asked < 3)
			wait(SECONDS(0.1));
		assert_int_equal(q.n_nonces, NONCES_VALID);
		good_inner();
		seal(mapped_at, asked[0].nonce);
		refused(server_at(), REASON_RA_NONCE, "the third last");
		good_inner();
		seal(mapped_at, asked[1 + s % 2].nonce);
		assert_int_equal(give(server_at()), REASON_RA_TAKEN);
		collect();
	}
}

/* C23: nor one of an earlier question, or of the other address. */
static void c23_nonce_of_its_step(void **state)
{
	(void)state;
	begin();
	answered(mapped_at);
	good_inner();
	seal(mapped_at, asked[0].nonce);
	refused(server_at(), REASON_RA_NONCE, "of the first address");
	answered(mapped_at);
	check();
	good_inner();
	seal(mapped_at, asked[1].nonce);
	refused(server_at(), REASON_RA_NONCE, "of before");
	good_inner();
	seal(mapped_at, asked[0].nonce);
	refused(server_at(), REASON_RA_NONCE, "of long before");
}

/* C23: every bit of it. */
static void c23_z10_guessing(void **state)
{
	struct packet good;
	struct rng r = {.key = {{5}}};

	(void)state;
	begin();
	good_inner();
	seal(mapped_at, last()->nonce);
	good = p;
	for (unsigned bit = 0; bit < 64; bit++) {
		p = good;
		flip(&p, 4 + bit / 8, (uint8_t)(1 << bit % 8));
		refused(server_at(), REASON_RA_NONCE, "a bit");
	}
	for (unsigned i = 0; i < 100000; i++) {
		p = good;
		put32(p.b + 4, rng_u32(&r));
		put32(p.b + 8, rng_u32(&r));
		assert_int_equal(give(server_at()), REASON_RA_NONCE);
	}
	p = good;
	assert_int_equal(give(server_at()), REASON_RA_TAKEN);
}

/* C23, A3: without a block only where that is configured. */
static void c23_a3_no_block(void **state)
{
	(void)state;
	begin();
	good_inner();
	seal(mapped_at, NULL);
	refused(server_at(), REASON_RA_NONCE, "no block");
	conf.no_nonce_ok = true;
	again();
	begin();
	good_inner();
	seal(mapped_at, "0102030405060708");
	refused(server_at(), REASON_RA_NONCE, "wrong is not none");
	good_inner();
	seal(mapped_at, NULL);
	assert_int_equal(give(server_at()), REASON_RA_TAKEN);
	collect();
	/* With a secret there must be one. */
	conf.secret = &alice;
	again();
	begin();
	good_inner();
	seal(mapped_at, NULL);
	refused(server_at(), REASON_RA_NONCE, "no block, and a secret");
}

/* C14: no bit of the inner packet but class and flow can be another. */
static void c14_every_bit(void **state)
{
	struct qualify before;
	struct packet good;

	(void)state;
	begin();
	good_inner();
	seal(mapped_at, last()->nonce);
	good = p;
	for (unsigned bit = (13 + 8) * 8 + 4; bit < good.n * 8; bit++) {
		unsigned byte = bit / 8;
		enum reason why;

		if (byte < 13 + 8 + 4)
			continue;
		p = good;
		flip(&p, byte, (uint8_t)(0x80 >> bit % 8));
		memcpy(&before, &q, sizeof(q));
		why = give(server_at());
		if (why == REASON_RA_TAKEN)
			fail_msg("byte %u of the datagram", byte);
		before.refused = q.refused;
		assert_memory_equal(&before, &q, sizeof(q));
	}
	p = good;
	assert_int_equal(give(server_at()), REASON_RA_TAKEN);
}

/* ---- C24-C26: with a secret ---- */

static void secure_begin(enum hmac algorithm)
{
	alice.algorithm = algorithm;
	conf.secret = &alice;
	again();
	begin();
}

static void c24_c26_qualifies(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		secure_begin(i ? HMAC_SHA256 : HMAC_SHA1);
		assert_int_equal(answered(mapped_at), QUALIFY_NOTHING);
		/* X1: what follows is not signed. */
		good_inner();
		seal(mapped_at, last()->nonce);
		add_tail(&p, "0104 01020304");
		assert_int_equal(give(server_at()), REASON_RA_TAKEN);
		assert_int_equal(event, QUALIFY_QUALIFIED);
		assert_false(q.key_ends);
		collect();
	}
}

/* C24, Z11: not one bit of the datagram may be another. */
static void c24_z11_every_bit(void **state)
{
	struct packet good;

	(void)state;
	for (int i = 0; i < 2; i++) {
		secure_begin(i ? HMAC_SHA256 : HMAC_SHA1);
		good_inner();
		seal(mapped_at, last()->nonce);
		good = p;
		for (unsigned bit = 0; bit < good.n * 8; bit++) {
			p = good;
			flip(&p, bit / 8, (uint8_t)(0x80 >> bit % 8));
			if (give(server_at()) == REASON_RA_TAKEN)
				fail_msg("bit %u of byte %u", bit % 8, bit / 8);
			assert_int_equal(event, QUALIFY_NOTHING);
			assert_int_equal(out.n, 0);
		}
		p = good;
		assert_int_equal(give(server_at()), REASON_RA_TAKEN);
		collect();
	}
}

static void signed_by(const char *id, const char *key, size_t au_len)
{
	good_inner();
	add_origin(&p, mapped_at);
	add_auth(&p, id, key, last()->nonce, 0, au_len);
}

/* C24, Z11: who else could have signed it. */
static void c24_z11_strict(void **state)
{
	static const size_t lengths[] = {0, 19, 21, 32};

	(void)state;
	secure_begin(HMAC_SHA1);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		signed_by("alice", PHRASE, lengths[i]);
		refused(server_at(), REASON_AUTH_FAILED, "length");
	}
	signed_by("bob", PHRASE, 20);
	refused(server_at(), REASON_AUTH_FAILED, "another id");
	signed_by("alicf", PHRASE, 20);
	refused(server_at(), REASON_AUTH_FAILED, "an id alike");
	signed_by("", PHRASE, 20);
	refused(server_at(), REASON_AUTH_FAILED, "no id");
	signed_by("alice", "another", 20);
	refused(server_at(), REASON_AUTH_FAILED, "another key");
	good_inner();
	seal(mapped_at, NULL);
	refused(server_at(), REASON_RA_NONCE, "no block");
	good_inner();
	add_origin(&p, mapped_at);
	add_nonce(&p, last()->nonce);
	refused(server_at(), REASON_AUTH_FAILED, "a nonce only");
	/* Signed, and for another question. */
	good_inner();
	seal(mapped_at, "0102030405060708");
	refused(server_at(), REASON_RA_NONCE, "old");
	assert_int_equal(answered(mapped_at), QUALIFY_NOTHING);
	secure_begin(HMAC_SHA256);
	signed_by("alice", PHRASE, 20);
	refused(server_at(), REASON_AUTH_FAILED, "the other algorithm");
}

/* C25: it is taken note of, and it counts what was said last. */
static void c25_key_ends(void **state)
{
	(void)state;
	secure_begin(HMAC_SHA1);
	good_inner();
	add_origin(&p, mapped_at);
	add_auth(&p, "alice", PHRASE, last()->nonce, 1, 20);
	assert_int_equal(give(server_at()), REASON_RA_TAKEN);
	collect();
	assert_true(q.key_ends);
	assert_int_equal(q.step, QUALIFY_SECONDARY);
	assert_int_equal(answered(mapped_at), QUALIFY_QUALIFIED);
	assert_false(q.key_ends);
}

/* ---- C22 ---- */

/* Whatever is thrown at it meanwhile, it asks when it would have asked. */
static void c22_flood(void **state)
{
	static uint64_t calm[64];
	unsigned n;

	(void)state;
	begin();
	wait(SECONDS(30));
	n = n_asked;
	for (unsigned i = 0; i < n; i++)
		calm[i] = asked[i].when;
	now = SECONDS(5000);
	again();
	begin();
	for (unsigned i = 0; i < 300; i++) {
		bad_ones[i % ARRAY_SIZE(bad_ones)].make();
		assert_int_equal(give(server_at()), REASON_RA_INVALID);
		good_inner();
		seal(mapped_at, "0102030405060708");
		assert_int_equal(give(server_at()), REASON_RA_NONCE);
		assert_int_equal(out.n, 0);
		wait(SECONDS(0.1));
	}
	assert_int_equal(n_asked, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(asked[i].when, calm[i]);
	assert_int_equal(answered(mapped_at), QUALIFY_NOTHING);
	assert_int_equal(answered(mapped_at), QUALIFY_QUALIFIED);
}

/* A50: a copy of an answer is nothing. */
static void a50_copies(void **state)
{
	(void)state;
	begin();
	good_inner();
	seal(mapped_at, last()->nonce);
	assert_int_equal(give(at(SERVER, PORT_OF_SERVER)), REASON_RA_TAKEN);
	collect();
	refused(at(SERVER, PORT_OF_SERVER), REASON_RA_UNEXPECTED, "a copy");
	assert_int_equal(answered(mapped_at), QUALIFY_QUALIFIED);
	refused(at(SECOND, PORT_OF_SERVER), REASON_RA_UNEXPECTED, "a copy");
}

/* What is an advertisement, and what is not. */
static void test_what_is_one(void **state)
{
	(void)state;
	begin();
	good_inner();
	seal(mapped_at, last()->nonce);
	p.b[13 + 8 + 40] = 133;
	refused(server_at(), REASON_COUNT, "a solicitation");
	bubble(&p, server_ll, last()->from);
	refused(server_at(), REASON_COUNT, "a bubble");
	icmp6(&p, server_ll, client, 134, 0, "00000000 00000000 00000000");
	refused(server_at(), REASON_COUNT, "to a global address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(c8_c9_c12_solicitation, fresh),
		cmocka_unit_test_setup(c69_door, fresh),
		cmocka_unit_test_setup(c24_c26_signed_solicitation, fresh),
		cmocka_unit_test_setup(a15_z19_flags, fresh),
		cmocka_unit_test_setup(c23_z10_nonces_never_repeat, fresh),
		cmocka_unit_test_setup(c17_c18_qualifies, fresh),
		cmocka_unit_test_setup(c18_x9_symmetric, fresh),
		cmocka_unit_test_setup(c18_late_second_answer, fresh),
		cmocka_unit_test_setup(c59_c60_confirmed, fresh),
		cmocka_unit_test_setup(c62_moved, fresh),
		cmocka_unit_test_setup(test_check_elsewhere, fresh),
		cmocka_unit_test_setup(test_stop, fresh),
		cmocka_unit_test_setup(c13_cone, fresh),
		cmocka_unit_test_setup(c13_no_cone, fresh),
		cmocka_unit_test_setup(c13_c62_cone_moved, fresh),
		cmocka_unit_test_setup(c13_c60_silent_check, fresh),
		cmocka_unit_test_setup(c13_after_a_symmetric_nat, fresh),
		cmocka_unit_test_setup(c85_next_server, fresh),
		cmocka_unit_test_setup(c10_phase, fresh),
		cmocka_unit_test_setup(c10_jitter, fresh),
		cmocka_unit_test_setup(c11_a4_phases, fresh),
		cmocka_unit_test_setup(a4_told_without_asking, fresh),
		cmocka_unit_test_setup(a38_patience, fresh),
		cmocka_unit_test_setup(a38_never_more_than_ten_minutes, fresh),
		cmocka_unit_test_setup(a38_other_servers, fresh),
		cmocka_unit_test_setup(a38_hope, fresh),
		cmocka_unit_test_setup(a38_patience_is_new_after_a_stop, fresh),
		cmocka_unit_test_setup(c10_one_a_second, fresh),
		cmocka_unit_test_setup(c10_one_a_second_always, fresh),
		cmocka_unit_test_setup(test_answer_frees, fresh),
		cmocka_unit_test_setup(z1_refused_server, fresh),
		cmocka_unit_test_setup(test_hurry, fresh),
		cmocka_unit_test_setup(c18_hurry_compares_nothing_old, fresh),
		cmocka_unit_test_setup(test_hurry_is_a_new_phase, fresh),
		cmocka_unit_test_setup(test_pause, fresh),
		cmocka_unit_test_setup(c14_c15_c61_invalid, fresh),
		cmocka_unit_test_setup(c14_valid, fresh),
		cmocka_unit_test_setup(c15_a5_second_prefix, fresh),
		cmocka_unit_test_setup(c16_from_whom, fresh),
		cmocka_unit_test_setup(c14_to_whom, fresh),
		cmocka_unit_test_setup(c16_unasked, fresh),
		cmocka_unit_test_setup(c21_mapped_address, fresh),
		cmocka_unit_test_setup(c21_own_address, fresh),
		cmocka_unit_test_setup(c23_z10_last_two, fresh),
		cmocka_unit_test_setup(c23_nonce_of_its_step, fresh),
		cmocka_unit_test_setup(c23_z10_guessing, fresh),
		cmocka_unit_test_setup(c23_a3_no_block, fresh),
		cmocka_unit_test_setup(c14_every_bit, fresh),
		cmocka_unit_test_setup(c24_c26_qualifies, fresh),
		cmocka_unit_test_setup(c24_z11_every_bit, fresh),
		cmocka_unit_test_setup(c24_z11_strict, fresh),
		cmocka_unit_test_setup(c25_key_ends, fresh),
		cmocka_unit_test_setup(c22_flood, fresh),
		cmocka_unit_test_setup(a50_copies, fresh),
		cmocka_unit_test_setup(test_what_is_one, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
