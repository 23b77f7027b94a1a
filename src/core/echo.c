/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connectivity tests of native hosts (4380 §5.2.9), and what silence means. See
 * contact.h. Numbers in comments are those of doc/conformance.md.
 */
#include "contact.h"

#include <string.h>

#include "csum.h"

enum {
	PATIENCE_MAX_S = 24, /* less than PEER_VALID_S */
	DENSE = 8,           /* packets in a row, each soon after the last */
};

static const uint64_t DENSE_NS = NS_PER_S / 2;
static const uint64_t CALM_NS = 30 * NS_PER_S;

/* C78: an echo request, whose answer nobody else can give. */
static size_t put_test(struct client *c, const struct recent_peer *e,
		       uint8_t *p)
{
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *echo = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*echo) + TEST_NONCE_LEN, NEXT_ICMPV6,
		     BUBBLE_HOPS, &c->own[e->own].ip6, &e->address);
	*echo = (struct wire_icmp6){.type = ICMP6_ECHO_REQUEST};
	memcpy(echo->body, e->test_nonce, sizeof(echo->body));
	memcpy(echo + 1, e->test_nonce, TEST_NONCE_LEN);
	put16(echo->csum, csum_ip6(ip, NEXT_ICMPV6));
	return sizeof(*ip) + sizeof(*echo) + TEST_NONCE_LEN;
}

static void send_test(struct client *c, struct recent_peer *e,
		      struct tuple by_way_of, struct outbox *out)
{
	size_t n = put_test(c, e, outbox_head(out));

	(void)outbox_udp(out, DOOR_SERVICE, by_way_of, n, NULL, 0);
}

/* C78: fresh for each test; a repeat is part of it, for the way may be long. */
static void draw_test_nonce(struct client *c, struct recent_peer *e)
{
	if (e->test_open && e->effort == EFFORT_TEST && e->tries > 1)
		return;
	for (unsigned i = 0; i < TEST_NONCE_LEN; i += 4)
		put32(e->test_nonce + i, rng_u32(&c->rng));
	e->test_open = true;
}

/*
 * By way of the server, and if asked for, of the last relay. Both requests have
 * the same nonce: they prove the same thing.
 */
void contact_test(struct client *c, struct recent_peer *e, bool last_relay,
		  uint64_t now, struct outbox *out)
{
	const struct tuple server = {c->own[e->own].server, TEREDO_PORT};

	e->tested = now;
	if (!bucket_take(&c->tests, &c->conf.tests, now)) {
		ledger_count(c->ledger, LEDGER_LIMITED_TEST);
		return;
	}
	draw_test_nonce(c, e);
	send_test(c, e, server, out);
	if (last_relay && e->tuple.port)
		send_test(c, e, e->tuple, out);
}

bool contact_may_test(const struct recent_peer *e, uint64_t now)
{
	return !e->tested || now - e->tested >= CONTACT_TEST_WAIT_NS;
}

/* Four in 300 s, as for bubbles; of all there are so many a second (Z6). */
void contact_test_stranger(struct client *c, unsigned own, const struct ip6 *a,
			   uint64_t now, struct outbox *out)
{
	uint32_t i = recent_find(&c->recent, own, a);
	struct recent_peer *e =
		i == RECENT_NONE ? NULL : recent_at(&c->recent, i);

	if (e && (e->effort != EFFORT_NONE || !contact_may_test(e, now)))
		return;
	if (bubble_allowed(&c->recent, a->b, sizeof(a->b), now) > now)
		return;
	if (!bucket_take(&c->strangers, &c->conf.strangers, now)) {
		ledger_count(c->ledger, LEDGER_LIMITED_TEST);
		return;
	}
	bubble_note(&c->recent, a->b, sizeof(a->b), now);
	e = recent_at(&c->recent, contact_of(c, own, a));
	contact_test(c, e, false, now, out);
}

/* --- silence --- */

/* The longer nothing was wrong after all, the longer we wait. */
static uint64_t patience_ns(const struct recent_peer *e)
{
	unsigned s = 1u << e->patience;

	return (s < PATIENCE_MAX_S ? s : PATIENCE_MAX_S) * NS_PER_S;
}

void contact_sent(struct client *c, uint32_t i, uint64_t now,
		  struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, i);

	e->sent = now;
	e->talked = true;
	if (!e->unanswered)
		e->unanswered = now;
	if (now - e->unanswered < patience_ns(e) ||
	    (e->is_native && !contact_may_test(e, now)))
		return;
	e->unanswered = now;
	e->alarmed = now;
	if (1u << e->patience < PATIENCE_MAX_S)
		e->patience++;
	client_suspect(c, now, out);
	if (e->is_native)
		contact_test(c, e, false, now, out);
}

/*
 * Who answers rarely goes on to do so: patience is lost slowly; but at once if
 * answers come thick and fast. What comes all at once is one answer.
 */
void contact_calm(struct recent_peer *e, uint64_t now)
{
	if (e->heard == now)
		return;
	e->in_a_row = now - e->heard < DENSE_NS ? e->in_a_row + 1 : 0;
	if (e->in_a_row >= DENSE) {
		e->patience = 0;
		e->in_a_row = 0;
	}
	if (e->patience == 0 || now - e->alarmed < CALM_NS)
		return;
	e->patience--;
	e->alarmed = now;
}
