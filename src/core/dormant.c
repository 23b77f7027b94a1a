/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See dormant.h. Numbers in comments are those of doc/conformance.md. */
#include "dormant.h"

#include "contact.h"
#include "search.h"

/* Longer than a phase of three solicitations, whose end is an answer, too. */
static const uint64_t WAIT_NS = 6 * NS_PER_S;

/*
 * What a host says by itself to whoever knocks. Behind extension headers is
 * what somebody meant to send.
 */
static bool is_mere_answer(const uint8_t *p, uint16_t len)
{
	const struct wire_ip6 *ip = (const void *)p;
	const uint8_t *u = ip6_payload(ip);
	size_t n = len - sizeof(*ip);

	if (ip->next == NEXT_ICMPV6)
		return n > 0 &&
		       (u[0] < ICMP6_ECHO_REQUEST || u[0] == ICMP6_ECHO_REPLY);
	return ip->next == NEXT_TCP && n > offsetof(struct wire_tcp, flags) &&
	       u[offsetof(struct wire_tcp, flags)] & TCP_RST;
}

void dormant_sent(struct client *c, struct recent_peer *e, const uint8_t *p,
		  uint16_t len, uint64_t now, struct outbox *out)
{
	if (is_mere_answer(p, len))
		return;
	e->sought = true;
	dormant_carried(c, WAKER_HOST, now, out);
}

void dormant_carried(struct client *c, enum client_waker who, uint64_t now,
		     struct outbox *out)
{
	c->dormancy.carried = now;
	dormant_wake(c, who, now, out);
}

void dormant_end(struct client *c)
{
	if (!c->dormancy.on)
		return;
	c->dormancy.on = false;
	c->dormancy.waker = WAKER_ORDER;
	c->why = WHY_NONE;
}

void dormant_wake(struct client *c, enum client_waker who, uint64_t now,
		  struct outbox *out)
{
	if (!c->dormancy.on)
		return;
	dormant_end(c);
	c->dormancy.carried = now;
	c->dormancy.waker = who;
	c->dormancy.waits_until = now + WAIT_NS;
	qualify_check(&c->qualify, now, out);
	client_publish(c);
}

bool dormant_moves(struct client *c, struct tuple local)
{
	if (!c->dormancy.on)
		return false;
	if (local.ip == 0) {
		dormant_end(c);
		return false;
	}
	c->qualify.local = local;
	return true;
}

void dormant_answered(struct client *c, uint64_t now)
{
	if (!c->dormancy.waits_until)
		return;
	contact_go_on(c, c->dormancy.waits_until, now);
	c->dormancy.waits_until = 0;
}

/* All is settled: there is nothing that it would have to see to the end. */
static bool may_rest(const struct client *c)
{
	return c->conf.idle_s && !c->dormancy.on && client_has_address(c) &&
	       c->qualify.step == QUALIFY_DONE && !c->keep_until && !c->left &&
	       c->held.n == 0;
}

uint64_t dormant_next(const struct client *c)
{
	return may_rest(c) ? c->dormancy.carried + c->conf.idle_s * NS_PER_S
			   : UINT64_MAX;
}

/* What was found out of the interval stays, but a search is given up. */
void dormant_timeout(struct client *c, uint64_t now)
{
	if (dormant_next(c) > now)
		return;
	c->dormancy.on = true;
	c->why = WHY_IDLE;
	c->announce_at = 0;
	if (c->search.on)
		search_stop(c);
}
