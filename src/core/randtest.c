/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Echo tests of random ports (6081 §5.5): where will a NAT that counts put the
 * next one? See randport.h. Numbers in comments are those of
 * doc/conformance.md.
 */
#include "randport.h"

#include <string.h>

#include "contact.h"

enum {
	ECHO_TESTS = 2 /* X54 */
};

/* Of the server that has told us our address. */
static void solicit(struct client *c, struct randport *p, unsigned which,
		    struct outbox *out)
{
	const struct tuple local = {c->local.ip, p->port};
	const struct tuple to = {
		which ? c->qualify.secondary : c->qualify.primary, TEREDO_PORT};
	struct ip6 src;
	size_t n;

	put32(p->nonce[which], rng_u32(&c->rng));
	put32(p->nonce[which] + 4, rng_u32(&c->rng));
	teredo_link_local(&src, c->qualify.flags, local);
	n = solicit_put(outbox_head(out), &src, c->qualify.conf.secret,
			p->nonce[which]);
	(void)outbox_udp(out, randport_door(c, p), to, n, NULL, 0);
}

/* X52, X53: three packets in a row, of which the peer's is the second. */
static void test(struct client *c, struct randport *p, struct tuple to,
		 uint64_t now, struct outbox *out)
{
	struct recent_peer *e = recent_at(&c->recent, p->peer);

	solicit(c, p, 0, out);
	contact_send_bubble(c, e, p, to, out);
	solicit(c, p, 1, out);
	memset(p->seen, 0, sizeof(p->seen));
	p->tests++;
	p->test_ends = now + p->tests * NS_PER_S;
	randport_due(c, p->test_ends);
	ledger_count(c->ledger, LEDGER_PORT_TEST);
}

bool randport_test(struct client *c, uint32_t i, struct tuple to, uint64_t now,
		   struct outbox *out)
{
	struct randport *p = randport_of(c, i);

	if (!p || p->outside || p->tests >= ECHO_TESTS ||
	    randport_mode(c) != RANDPORT_PREDICTED)
		return p && p->test_ends != UINT64_MAX;
	if (p->test_ends != UINT64_MAX)
		return true;
	if (!bucket_take(&c->tests, &c->conf.tests, now)) {
		ledger_count(c->ledger, LEDGER_LIMITED_TEST);
		return false;
	}
	test(c, p, to, now, out);
	return true;
}

/* X56; A65: if they are not near, it was the last test behind this NAT. */
static void conclude(struct client *c, struct randport *p, struct outbox *out)
{
	uint32_t i = p->peer;

	p->test_ends = UINT64_MAX;
	if (randport_near(p->seen[0], p->seen[1])) {
		p->outside =
			(uint16_t)(((uint32_t)p->seen[0] + p->seen[1]) / 2);
	} else {
		c->ports.scattered = true;
		ledger_count(c->ledger, LEDGER_PORT_SCATTERED);
		randport_leave(c, i);
	}
	contact_send_indirect(c, i, out);
}

/* Which of the two solicitations it answers, or -1 (X55). */
static int answers(const struct randport *p, const struct auth *a)
{
	for (int which = 0; which < 2; which++) {
		if (memcmp(a->nonce, p->nonce[which], AUTH_NONCE_LEN) == 0)
			return which;
	}
	return -1;
}

static enum reason check(const struct client *c, const struct frame *f,
			 const struct datagram *d)
{
	const struct secret *s = c->qualify.conf.secret;

	if (d->from.port != TEREDO_PORT || (d->from.ip != c->qualify.primary &&
					    d->from.ip != c->qualify.secondary))
		return REASON_RA_UNEXPECTED;
	if (!f->has_origin || !gate_is_global(c->gate, f->origin))
		return REASON_RA_INVALID;
	if (!f->has_auth)
		return REASON_RA_NONCE;
	if (s && (secret_find(s, 1, &f->auth) == NULL || !auth_verify(s, f)))
		return REASON_AUTH_FAILED;
	return REASON_NONE;
}

/* X60: it says nothing of the service port, so nobody else hears of it. */
enum reason randport_advertised(struct client *c, const struct frame *f,
				const struct datagram *d, struct outbox *out)
{
	struct randport *p = &c->ports.v[d->door - DOOR_RANDOM];
	enum reason why = check(c, f, d);
	int which;

	if (p->test_ends == UINT64_MAX)
		return REASON_RA_UNEXPECTED;
	if (why != REASON_NONE)
		return why;
	which = answers(p, &f->auth);
	if (which < 0)
		return REASON_RA_NONCE;
	if (!p->seen[which])
		p->seen[which] = f->origin.ip == c->qualify.mapped.ip
					 ? f->origin.port
					 : 0;
	if (p->seen[0] && p->seen[1])
		conclude(c, p, out);
	return REASON_RA_TAKEN;
}

/* X54. */
void randport_test_failed(struct client *c, struct randport *p, uint64_t now,
			  struct outbox *out)
{
	const struct recent_peer *e = recent_at(&c->recent, p->peer);

	p->test_ends = UINT64_MAX;
	if (p->tests < ECHO_TESTS && !c->ports.scattered)
		test(c, p, contact_random_target(e), now, out);
	else
		contact_send_indirect(c, p->peer, out);
}
