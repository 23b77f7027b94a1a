/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See search.h. Numbers in comments are those of doc/conformance.md. */
#include "search.h"

#include "contact.h"

enum {
	MAX_S = 120,        /* C68 */
	CLOSE_ENOUGH_S = 5, /* A43 */
	TRIES = 4,          /* one and three repeats, C70 */
};

static const uint64_t WAIT_NS = 2 * NS_PER_S;

void search_init(struct client *c, const struct qualify_conf *conf,
		 const struct rng *rng)
{
	struct qualify_conf q = *conf;

	q.door = DOOR_PROBE;
	qualify_init(&c->search.qualify, &q, c->gate, rng);
	c->search.interval = c->conf.refresh_s;
	c->search.due = UINT64_MAX;
}

static void close_door(struct search *s)
{
	qualify_stop(&s->qualify);
	s->on = false;
	s->due = UINT64_MAX;
}

void search_stop(struct client *c)
{
	close_door(&c->search);
	c->search.concluded = false;
	c->search.interval = c->conf.refresh_s;
}

void search_start(struct client *c, uint64_t now, struct outbox *out)
{
	struct search *s = &c->search;

	if (!c->conf.learn_refresh || s->on || s->concluded ||
	    c->conf.refresh_s >= MAX_S)
		return;
	s->on = true;
	s->interval = c->conf.refresh_s;
	s->max = MAX_S;
	s->candidate = 2 * s->interval;
	if (s->candidate > s->max)
		s->candidate = s->max;
	s->tries = 0;
	qualify_start(&s->qualify, c->qualify.primary, c->qualify.secondary,
		      c->local, now, out);
}

uint16_t search_interval_s(const struct client *c)
{
	return (uint16_t)c->search.interval;
}

bool search_wants_door(const struct client *c)
{
	return c->search.on;
}

static void conclude(struct search *s)
{
	close_door(s);
	s->concluded = true;
}

/* The secondary port was just used: from now on it is idle. */
static void wait_for_candidate(struct client *c, uint64_t now)
{
	struct search *s = &c->search;
	const struct teredo t = {
		.prefix = c->gate->prefix,
		.server = s->qualify.primary,
		.flags = rng_u32(&c->rng) & FLAGS_RANDOM,
		.client = s->qualify.mapped,
	};

	teredo_pack(&s->address, &t);
	s->tries = 0;
	s->due = now + s->candidate * NS_PER_S;
}

void search_event(struct client *c, enum qualify_event event, uint64_t now)
{
	switch (event) {
	case QUALIFY_QUALIFIED:
	case QUALIFY_CONFIRMED:
		wait_for_candidate(c, now);
		break;
	case QUALIFY_UNANSWERED: /* C68 */
		conclude(&c->search);
		break;
	case QUALIFY_MOVED: /* its second address is asked next */
	case QUALIFY_NOTHING:
		break;
	}
}

/* C70, steps 4 to 6. */
static void next_candidate(struct client *c, bool success, uint64_t now,
			   struct outbox *out)
{
	struct search *s = &c->search;
	uint32_t mean;

	s->tries = 0;
	if (success)
		s->interval = s->candidate;
	else
		s->max = s->candidate;
	mean = (s->interval + s->max) / 2;
	s->candidate = 2 * s->interval < mean ? 2 * s->interval : mean;
	s->due = UINT64_MAX;
	if (success ? s->candidate < s->interval + CLOSE_ENOUGH_S
		    : 4 * s->interval >= 3 * s->max)
		conclude(s);
	else
		qualify_check(&s->qualify, now, out);
}

/* The bubble has come back: the mapping still holds. */
enum reason search_input(struct client *c, const struct frame *f,
			 struct tuple from, uint64_t now, struct outbox *out)
{
	struct search *s = &c->search;

	if (!s->on || s->tries == 0 || !ip6_is_bubble(f->ip) ||
	    from.ip != s->qualify.primary || from.port != TEREDO_PORT ||
	    client_own(c, &f->ip->src) < 0 ||
	    !ip6_equal(&f->ip->dst, &s->address))
		return REASON_NOT_OURS;
	ledger_count(c->ledger, LEDGER_GOT_INTERVAL);
	next_candidate(c, true, now, out);
	return REASON_BUBBLE;
}

/* A43: by way of the server, which the NAT lets in. */
static void send_bubble(struct client *c, uint64_t now, struct outbox *out)
{
	struct search *s = &c->search;
	const struct tuple server = {s->qualify.primary, TEREDO_PORT};
	size_t n = wire_put_bubble(outbox_head(out), &c->own[c->cur].ip6,
				   &s->address, BUBBLE_HOPS, NULL);

	if (outbox_udp(out, DOOR_SERVICE, server, n, NULL, 0) == REASON_NONE)
		ledger_count(c->ledger, LEDGER_SENT_INTERVAL);
	s->tries++;
	s->due = now + WAIT_NS;
}

void search_timeout(struct client *c, uint64_t now, struct outbox *out)
{
	struct search *s = &c->search;

	if (!s->on)
		return;
	search_event(c, qualify_timeout(&s->qualify, now, out), now);
	if (now < s->due)
		return;
	if (s->tries < TRIES)
		send_bubble(c, now, out);
	else
		next_candidate(c, false, now, out);
}

uint64_t search_next(const struct client *c)
{
	const struct search *s = &c->search;
	uint64_t next = qualify_next(&s->qualify);

	return s->due < next ? s->due : next;
}
