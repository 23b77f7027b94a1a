/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct node_seed seed = {
	.table = {{1, 2, 3, 4, 5, 6, 7, 8}},
	.rng = {{8, 7, 6, 5, 4, 3, 2, 1}},
};

#define complain(r, file, line, ...)                                           \
	do {                                                                   \
		fprintf(stderr, "%s:%d: ", file, line);                        \
		if ((r)->about)                                                \
			fprintf(stderr, "[%s] ", (r)->about);                  \
		fprintf(stderr, __VA_ARGS__);                                  \
		fputc('\n', stderr);                                           \
		_fail(file, line);                                             \
	} while (0)

void own_ip4(struct rig *r, const char *ip, uint8_t len)
{
	struct self *s = &r->node.self;

	s->ip4[s->n_ip4].ip = ip4(ip);
	s->ip4[s->n_ip4++].len = len;
}

void own_ip6(struct rig *r, const char *ip)
{
	struct self *s = &r->node.self;

	s->ip6[s->n_ip6++] = ip6(ip);
}

void deny(struct rig *r, const char *ip, uint8_t len)
{
	struct gate *g = &r->node.gate;

	g->deny[g->n_deny++] = (struct ip4_prefix){ip4(ip), len};
}

static void prepare(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->conf.prefix = 0x20010000;
	r->node.gate.public_only = true;
	r->now = SECONDS(1000);
	own_ip6(r, "2001:db8:9::9");
}

static void be_server(struct rig *r)
{
	r->conf.is_server = true;
	r->conf.server.primary = ip4(SERVER);
	r->conf.server.secondary = ip4(SECOND);
	r->conf.server.mtu = 1280;
	r->conf.server.per_address = (struct rate){50, 100};
	r->conf.server.per_network = (struct rate){1000, 2000};
	own_ip4(r, SERVER, 24);
	own_ip4(r, SECOND, 24);
}

static void be_relay(struct rig *r)
{
	r->conf.is_relay = true;
	r->conf.relay = relay_defaults;
	r->conf.relay.max_peers = 1024;
	r->conf.relay.max_held = HELD_MIN;
	r->node.self.has_source = true;
	r->node.self.source = home;
}

void prepare_server(struct rig *r)
{
	prepare(r);
	be_server(r);
}

void prepare_relay(struct rig *r)
{
	prepare(r);
	be_relay(r);
	own_ip4(r, RELAY, 24);
}

void prepare_both(struct rig *r)
{
	prepare(r);
	be_server(r);
	be_relay(r);
	r->conf.relay.server = ip4(SERVER);
	r->conf.relay.door = DOOR_PRIMARY;
}

void start(struct rig *r)
{
	size_t n = node_memory(&r->conf);

	if (n) {
		n = (n + 63) / 64 * 64;
		r->mem = aligned_alloc(64, n);
		assert_non_null(r->mem);
		memset(r->mem, 0, n);
	}
	node_init(&r->node, &r->conf, &seed, r->mem);
	outbox_init(&r->out, &r->node.gate);
}

/* What its process knew beside the memory is gone, and its numbers are new. */
void die_and_recover(struct rig *r)
{
	const struct node_seed next = {
		.table = {{3, 3}},
		.rng = {{(uint8_t)(r->node.stats.n[REASON_BUBBLE] + 4)}},
		.log = seed.log,
	};
	const struct self self = r->node.self;
	const struct gate gate = r->node.gate;

	sent_nothing(r);
	memset(&r->node, 0xa5, sizeof(r->node));
	r->node.self = self;
	r->node.gate = gate;
	node_init(&r->node, &r->conf, &next, r->mem);
	node_recover(&r->node, r->now);
	outbox_init(&r->out, &r->node.gate);
	r->packets_in = 0;
}

void start_server(struct rig *r)
{
	prepare_server(r);
	start(r);
}

void start_relay(struct rig *r)
{
	prepare_relay(r);
	start(r);
}

void start_both(struct rig *r)
{
	prepare_both(r);
	start(r);
}

void rig_end(struct rig *r)
{
	sent_nothing(r);
	free(r->mem);
	r->mem = NULL;
}

static uint64_t held_now(const struct rig *r)
{
	return (r->node.is_relay ? r->node.relay.held.n : 0) +
	       (r->node.is_client ? r->node.client.held.n : 0);
}

uint64_t noted_family(const struct rig *r, enum ledger_family f)
{
	uint64_t sum = 0;

	for (int i = 0; i < LEDGER_COUNT; i++) {
		if (ledger_words((enum ledger_line)i)->family == f)
			sum += r->node.ledger.n[i];
	}
	return sum;
}

/* Each packet ends exactly once. */
static void check_counts(struct rig *r, const char *file, int line)
{
	uint64_t sum = held_now(r);

	for (int i = 0; i < REASON_COUNT; i++)
		sum += r->node.stats.n[i];
	if (sum != r->packets_in)
		complain(r, file, line, "%ju packets came, %ju ended",
			 (uintmax_t)r->packets_in, (uintmax_t)sum);
	if (r->node.stats.n[REASON_NONE] || r->node.stats.n[REASON_HELD])
		complain(r, file, line, "counted what is no end");
	if (noted_family(r, LEDGER_FAMILY_BUBBLES_RECEIVED) !=
	    r->node.stats.n[REASON_BUBBLE])
		complain(r, file, line, "bubbles ended and were not noted");
}

static void log_one(struct rig *r, const struct out *o)
{
	struct sent *s = &r->log[r->n];

	if (o->kind == OUT_UDP)
		r->n_udp++;
	else
		r->n_ip6++;
	if (r->count_only)
		return;
	assert_in_range(r->n, 0, RIG_LOG - 1);
	r->n++;
	*s = (struct sent){
		.when = r->now, .kind = o->kind, .door = o->door, .to = o->to};
	memcpy(s->p.b, o->head, o->head_len);
	if (o->body_len)
		memcpy(s->p.b + o->head_len, o->body, o->body_len);
	s->p.n = (size_t)o->head_len + o->body_len;
}

static void run_outbox(struct rig *r)
{
	for (unsigned i = 0; i < r->out.n; i++)
		log_one(r, &r->out.v[i]);
	outbox_clear(&r->out);
}

static void arrive(struct rig *r, const char *file, int line)
{
	if (r->first == r->n)
		r->first = r->n = 0;
	else
		rig_sent_nothing(r, file, line);
	r->before = r->node.stats;
	r->held_before = held_now(r);
	r->packets_in++;
}

/*
 * Each packet lies in memory of its own, of its exact length, so that
 * sanitizers see each byte read beyond it; it stays until the outbox was run.
 */
void rig_from_ip4(struct rig *r, enum door door, struct tuple from, uint8_t ecn,
		  const struct packet *p, const char *file, int line)
{
	uint8_t *bytes = malloc(p->n ? p->n : 1);
	struct datagram d = {.door = door,
			     .from = from,
			     .ecn = ecn,
			     .data = bytes,
			     .len = (uint16_t)p->n};

	assert_non_null(bytes);
	memcpy(bytes, p->b, p->n);
	arrive(r, file, line);
	node_from_ip4(&r->node, &d, r->now, &r->out);
	assert_in_range(r->out.n, 0, OUT_PER_CALL);
	run_outbox(r);
	free(bytes);
	check_counts(r, file, line);
}

void rig_from_ip6(struct rig *r, const struct packet *p, const char *file,
		  int line)
{
	uint8_t *bytes = malloc(p->n ? p->n : 1);

	assert_non_null(bytes);
	memcpy(bytes, p->b, p->n);
	arrive(r, file, line);
	node_from_ip6(&r->node, bytes, (uint16_t)p->n, r->now, &r->out);
	assert_in_range(r->out.n, 0, OUT_PER_CALL);
	run_outbox(r);
	free(bytes);
	check_counts(r, file, line);
}

void rig_flush(struct rig *r)
{
	assert_in_range(r->out.n, 0, OUT_PER_CALL);
	run_outbox(r);
	check_counts(r, __FILE__, __LINE__);
}

/* What is due is done with few calls, so nothing spins. */
void pass(struct rig *r, uint64_t ns)
{
	uint64_t end = r->now + ns, next;
	unsigned calls = 0;

	while ((next = node_next(&r->node)) <= end) {
		calls = next > r->now ? 0 : calls + 1;
		if (calls > 1000 || (calls > 3 && !r->node.is_relay))
			fail_msg("it is due again and again");
		if (next > r->now)
			r->now = next;
		node_timeout(&r->node, r->now, &r->out);
		assert_in_range(r->out.n, 0, OUT_MAX);
		run_outbox(r);
	}
	r->now = end;
	check_counts(r, __FILE__, __LINE__);
}

void same_rate(struct rate got, uint32_t per_second, uint32_t burst)
{
	assert_int_equal(got.per_second, per_second);
	assert_int_equal(got.burst, burst);
}

uint64_t counted(const struct rig *r, enum reason why)
{
	return r->node.stats.n[why];
}

/* What can end while another packet is handled. */
static bool is_of_held(int why)
{
	return why == REASON_RELEASED || why == REASON_QUEUE_PEER ||
	       why == REASON_QUEUE_FULL || why == REASON_QUEUE_EVICTED;
}

void rig_ended(struct rig *r, enum reason why, const char *file, int line)
{
	enum reason got = REASON_HELD;

	for (int i = 0; i < REASON_COUNT; i++) {
		if (r->node.stats.n[i] != r->before.n[i] && !is_of_held(i))
			got = (enum reason)i;
	}
	if (got != why)
		complain(r, file, line, "it ended as \"%s\", not \"%s\"",
			 reason_name(got), reason_name(why));
}

const struct sent *rig_next_sent(struct rig *r, const char *file, int line)
{
	if (r->first == r->n)
		complain(r, file, line, "nothing was sent");
	return &r->log[r->first++];
}

static void show(const char *who, const struct packet *p)
{
	fprintf(stderr, "  %s %3zu:", who, p->n);
	for (size_t i = 0; i < p->n && i < 128; i++)
		fprintf(stderr, "%s%02x", i % 4 ? "" : " ", p->b[i]);
	fputc('\n', stderr);
}

void rig_same_packet(const struct packet *got, const struct packet *want,
		     const char *about, const char *file, int line)
{
	if (got->n == want->n && memcmp(got->b, want->b, want->n) == 0)
		return;
	fprintf(stderr, "%s:%d: [%s] bytes differ\n", file, line, about);
	show(" got", got);
	show("want", want);
	_fail(file, line);
}

void rig_sent_udp(struct rig *r, enum door door, struct tuple to,
		  const struct packet *p, const char *file, int line)
{
	const struct sent *s = rig_next_sent(r, file, line);

	if (s->kind != OUT_UDP)
		complain(r, file, line, "it went to the IPv6 side");
	if (s->door != door || s->to.ip != to.ip || s->to.port != to.port)
		complain(r, file, line,
			 "it went from door %d to %08x:%u, not from %d to "
			 "%08x:%u",
			 (int)s->door, s->to.ip, s->to.port, (int)door, to.ip,
			 to.port);
	rig_same_packet(&s->p, p, r->about ? r->about : "", file, line);
}

void rig_sent_ip6(struct rig *r, const struct packet *p, const char *file,
		  int line)
{
	const struct sent *s = rig_next_sent(r, file, line);

	if (s->kind != OUT_IP6)
		complain(r, file, line, "it went to the IPv4 side");
	rig_same_packet(&s->p, p, r->about ? r->about : "", file, line);
}

void rig_sent_nothing(struct rig *r, const char *file, int line)
{
	const struct sent *s = &r->log[r->first];

	if (r->first == r->n)
		return;
	fprintf(stderr, "  kind %d door %d to %08x:%u\n", (int)s->kind,
		(int)s->door, s->to.ip, s->to.port);
	show("sent", &s->p);
	complain(r, file, line, "%u more than expected were sent",
		 r->n - r->first);
}

uint32_t rig_sent_bubble(struct rig *r, struct tuple via, struct ip6 to,
			 const char *file, int line)
{
	const struct sent *s = rig_next_sent(r, file, line);
	struct ip6 from = r->node.self.source;
	struct packet want;
	uint32_t nonce;

	/* The cookie behind its /64. */
	memcpy(from.b + 8, s->p.b + 16, 8);
	bubble(&want, from, to);
	add_tail(&want, "0104");
	memcpy(want.b + want.n, s->p.b + want.n, 4);
	want.n += 4;
	nonce = be32(s->p.b + 42);
	r->first--;
	rig_sent_udp(r, r->conf.relay.door, via, &want, file, line);
	if (nonce == 0)
		complain(r, file, line, "a nonce of zero");
	return nonce;
}
