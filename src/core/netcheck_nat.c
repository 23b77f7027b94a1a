/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the NAT does with packets of strangers and of its own hosts; see
 * netcheck.h. */
#include "netcheck_nat.h"

#include <string.h>

#include "ratelim.h"

enum {
	BUBBLES = 3,       /* until one is taken for lost */
	OTHERS = 2,        /* datagrams to the other port */
	HAIRPIN_SENDS = 2, /* of each step */

	/* Milliseconds. */
	OTHER_MS = 900,
	HAIRPIN_MS = 250, /* to the NAT and back */
	SETTLE_MS = 400,  /* for what is late */
	WAIT_LEAST_MS = 300,
	WAIT_MOST_MS = 1000,
};

static void probe_start(struct netcheck *n, struct netcheck_probe *p,
			uint64_t now)
{
	if (p->on)
		return;
	*p = (struct netcheck_probe){
		.on = true, .due = now, .nonce = rng_nonce(&n->rng)};
}

bool netcheck_probe_due(struct netcheck_probe *p, unsigned most, uint64_t wait,
			uint64_t now)
{
	if (!p->on || p->done || now < p->due)
		return false;
	if (p->tries == most) {
		p->done = true;
		return false;
	}
	p->tries++;
	p->due = now + wait;
	return true;
}

static bool is_over(const struct netcheck_probe *p)
{
	return p->done || !p->on;
}

/* A probe that was answered, maybe after it had been given up. */
static bool hear(struct netcheck_probe *p, uint32_t nonce)
{
	if (!p->on || p->nonce != nonce)
		return false;
	p->heard = p->done = true;
	return true;
}

/* --- bubbles --- */

static void address_of(const struct netcheck *n, uint32_t server,
		       struct tuple seen, struct ip6 *a)
{
	const struct teredo t = {.prefix = n->conf.prefix,
				 .server = server,
				 .flags = n->flags,
				 .client = seen};

	teredo_pack(a, &t);
}

static void send_bubble(enum door door, struct tuple to, const struct ip6 *src,
			const struct ip6 *dst, uint32_t nonce,
			struct outbox *out)
{
	const struct trailers with = {.nonce = nonce};
	size_t len =
		wire_put_bubble(outbox_head(out), src, dst, BUBBLE_HOPS, &with);

	(void)outbox_udp(out, door, to, len, NULL, 0);
}

/* From MAIN, by way of a server, to where that sees one of our sockets. */
static void send_indirect(struct netcheck *n, const struct netcheck_server *s,
			  struct tuple seen, uint32_t nonce, struct outbox *out)
{
	const struct tuple server = {s->ip[0], TEREDO_PORT};
	struct ip6 src, dst;

	address_of(n, s->ip[0], s->ask[0].seen, &src);
	address_of(n, s->ip[0], seen, &dst);
	send_bubble(NETCHECK_MAIN, server, &src, &dst, nonce, out);
}

/* From one of our sockets to where another is seen. */
static void send_direct(struct netcheck *n, enum door door, struct tuple from,
			struct tuple to, uint32_t nonce, struct outbox *out)
{
	const uint32_t server = n->v[n->via].ip[0];
	struct ip6 src, dst;

	address_of(n, server, from, &src);
	address_of(n, server, to, &dst);
	send_bubble(door, to, &src, &dst, nonce, out);
}

/* --- who helps --- */

/* Is it known of each address whether it answers? */
static bool is_settled(const struct netcheck *n)
{
	for (unsigned i = 0; i < n->n && !n->servers_done; i++) {
		for (int k = 0; k < 2; k++) {
			const struct netcheck_ask *a = &n->v[i].ask[k];

			if (!a->n_heard && a->due != UINT64_MAX)
				return false;
		}
	}
	return true;
}

/* Does it answer, and see what others see? */
static bool is_sound(const struct netcheck *n, const struct netcheck_ask *a)
{
	struct tuple at = netcheck_agreed(n);

	return a->n_heard && (!at.port || tuple_equal(a->seen, at));
}

/*
 * A server that passes bubbles on, and another address for FRESH to ask;
 * rather the second one of the same server.
 */
static void choose_helpers(struct netcheck *n, uint64_t now)
{
	const struct netcheck_ask *other = NULL;
	const struct netcheck_server *via = NULL;

	for (unsigned i = 0; i < n->n && !via; i++) {
		if (n->v[i].control.heard && is_sound(n, &n->v[i].ask[0]))
			via = &n->v[i];
	}
	for (unsigned i = 0; i < n->n && via; i++) {
		for (int k = 0; k < 2; k++) {
			const struct netcheck_ask *a = &n->v[i].ask[k];

			if (is_sound(n, a) && a->ip != via->ip[0] &&
			    (!other || &n->v[i] == via))
				other = a;
		}
	}
	if (!other)
		return;
	n->via = (int)(via - n->v);
	netcheck_ask_start(&n->fresh, NETCHECK_FRESH, other->ip, other->server,
			   1, now);
	netcheck_ask_start(&n->third, NETCHECK_THIRD, via->ip[0], via->ip[0], 1,
			   now);
}

/* Twice what the slower one of these two took, and some more. */
static uint64_t bubble_wait(const struct netcheck *n)
{
	uint64_t a = n->v[n->via].ask[0].rtt[0], b = n->fresh.rtt[0];
	uint64_t wait = 2 * (a > b ? a : b) + WAIT_LEAST_MS * NS_PER_MS;
	const uint64_t most = WAIT_MOST_MS * NS_PER_MS;

	return wait < most ? wait : most;
}

bool netcheck_is_translated(const struct netcheck *n)
{
	for (unsigned i = 0; i < n->n; i++) {
		for (int k = 0; k < 2; k++) {
			const struct netcheck_ask *a = &n->v[i].ask[k];

			if (a->n_heard &&
			    tuple_equal(a->seen, n->local[NETCHECK_MAIN]))
				return false;
		}
	}
	return true;
}

/* --- the tests --- */

/* Does each server pass bubbles on? */
static bool control(struct netcheck *n, uint64_t now, struct outbox *out)
{
	bool over = true;

	for (unsigned i = 0; i < n->n; i++) {
		struct netcheck_server *s = &n->v[i];
		const struct netcheck_ask *a = &s->ask[0];

		if (a->n_heard == 0)
			continue;
		probe_start(n, &s->control, now);
		if (netcheck_probe_due(&s->control, BUBBLES,
				       WAIT_MOST_MS * NS_PER_MS, now))
			send_indirect(n, s, a->seen, s->control.nonce, out);
		over &= is_over(&s->control);
	}
	return over;
}

/* Does a server get through to FRESH, which has not sent to it? */
static bool filtering(struct netcheck *n, uint64_t now, struct outbox *out)
{
	if (n->via < 0 || n->fresh.n_heard == 0)
		return n->via < 0 || n->fresh.due == UINT64_MAX;
	probe_start(n, &n->filter, now);
	if (netcheck_probe_due(&n->filter, BUBBLES, bubble_wait(n), now))
		send_indirect(n, &n->v[n->via], n->fresh.seen, n->filter.nonce,
			      out);
	return is_over(&n->filter);
}

/*
 * What FRESH has sent to when a step begins: nobody inside; another port of our
 * outside address; THIRD itself.
 */
static void begin_step(struct netcheck *n, struct outbox *out)
{
	const struct tuple whom[NETCHECK_HAIRPINS] = {
		[1] = n->v[n->via].ask[0].seen, [2] = n->third.seen};
	struct tuple to = whom[n->step];

	if (to.port)
		send_direct(n, NETCHECK_FRESH, n->fresh.seen, to,
			    rng_nonce(&n->rng), out);
}

static bool hairpin(struct netcheck *n, uint64_t now, struct outbox *out)
{
	struct netcheck_probe *p;

	if (!is_over(&n->filter) || n->via < 0 || n->fresh.n_heard == 0 ||
	    n->third.n_heard == 0 || !netcheck_is_translated(n))
		return n->via < 0 || n->third.due == UINT64_MAX;
	while (n->step < NETCHECK_HAIRPINS) {
		bool last = n->step == NETCHECK_HAIRPINS - 1;

		p = &n->hairpin[n->step];
		if (!p->on)
			begin_step(n, out);
		probe_start(n, p, now);
		if (netcheck_probe_due(p, HAIRPIN_SENDS,
				       (last && p->tries ? SETTLE_MS
							 : HAIRPIN_MS) *
					       NS_PER_MS,
				       now))
			send_direct(n, NETCHECK_THIRD, n->third.seen,
				    n->fresh.seen, p->nonce, out);
		if (!p->done)
			return false;
		n->step = p->heard ? NETCHECK_HAIRPINS : n->step + 1;
	}
	return true;
}

/* Who is silent, is asked whether he is there at all. */
static void other_ports(struct netcheck *n, uint64_t now, struct outbox *out)
{
	for (unsigned i = 0; i < n->n; i++) {
		struct netcheck_server *s = &n->v[i];
		const struct tuple to = {s->ip[0], NETCHECK_OTHER_PORT};

		s->other.done |= s->ask[0].n_heard > 0;
		if (s->ask[0].n_sent < 2 || s->other.done)
			continue;
		probe_start(n, &s->other, now);
		if (!netcheck_probe_due(&s->other, OTHERS, OTHER_MS * NS_PER_MS,
					now))
			continue;
		memset(outbox_head(out), 0, IP6_LEN);
		(void)outbox_udp(out, NETCHECK_THIRD, to, IP6_LEN, NULL, 0);
	}
}

bool netcheck_nat_timeout(struct netcheck *n, uint64_t now, struct outbox *out)
{
	bool over = control(n, now, out);

	if (n->via < 0 && is_settled(n))
		choose_helpers(n, now);
	if (n->via >= 0) {
		netcheck_ask_timeout(n, &n->fresh, now, out);
		netcheck_ask_timeout(n, &n->third, now, out);
	}
	over &= filtering(n, now, out);
	over &= hairpin(n, now, out);
	other_ports(n, now, out);
	return netcheck_relay_timeout(n, now, out) && over;
}

bool netcheck_nat_input(struct netcheck *n, const struct datagram *d,
			const struct frame *f, uint64_t now, struct outbox *out)
{
	bool ours = false;
	struct trailers with;
	uint32_t nonce;

	if (trailers_parse(&with, f->tail, f->tail_len) != REASON_NONE)
		return false;
	nonce = with.nonce;
	if (!ip6_is_bubble(f->ip) || nonce == 0 || f->has_auth)
		return netcheck_relay_input(n, d, f, now, out);
	for (unsigned i = 0; i < n->n && d->door == NETCHECK_MAIN; i++) {
		const struct tuple at = {n->v[i].ip[0], TEREDO_PORT};

		if (tuple_equal(d->from, at))
			ours |= hear(&n->v[i].control, nonce);
	}
	if (d->door == NETCHECK_FRESH) {
		ours |= f->has_origin && d->from.port == TEREDO_PORT &&
			d->from.ip == n->v[n->via < 0 ? 0 : n->via].ip[0] &&
			hear(&n->filter, nonce);
		for (int i = 0; i < NETCHECK_HAIRPINS && !f->has_origin; i++)
			ours |= hear(&n->hairpin[i], nonce);
	}
	return ours || netcheck_relay_input(n, d, f, now, out);
}

static uint64_t probe_next(uint64_t next, const struct netcheck_probe *p)
{
	return p->on && !p->done && p->due < next ? p->due : next;
}

uint64_t netcheck_nat_next(const struct netcheck *n)
{
	uint64_t next = UINT64_MAX;

	if (n->via >= 0 && n->fresh.due < next)
		next = n->fresh.due;
	if (n->via >= 0 && n->third.due < next)
		next = n->third.due;
	for (unsigned i = 0; i < n->n; i++) {
		next = probe_next(next, &n->v[i].control);
		next = probe_next(next, &n->v[i].other);
	}
	for (int i = 0; i < NETCHECK_HAIRPINS; i++)
		next = probe_next(next, &n->hairpin[i]);
	next = probe_next(next, &n->filter);
	next = probe_next(next, &n->relay.echo);
	return probe_next(next, &n->relay.direct);
}
