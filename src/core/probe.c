/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See probe.h. */
#include "probe.h"

#include "contact.h"

enum {
	PROBE_TRIES = 3
};

static const uint64_t WAIT_NS = 3 * NS_PER_S; /* for an answer */
static const uint64_t GOOD_NS = 300 * NS_PER_S;
static const uint64_t BAD_NS = 60 * NS_PER_S;

const char *probe_state_name(enum probe_state s)
{
	switch (s) {
	case PROBE_ASKING:
		return "asking";
	case PROBE_OK:
		return "ok";
	case PROBE_FAILED:
		return "failed";
	case PROBE_UNTRIED:
		break;
	}
	return "untried";
}

static bool is_wanted(const struct client *c)
{
	return c->conf.probe.b[0] != 0;
}

void probe_start(struct client *c, uint64_t now)
{
	if (!is_wanted(c) || c->probe.due)
		return;
	c->probe.state = PROBE_ASKING;
	c->probe.tries = 0;
	c->probe.due = now;
}

void probe_stop(struct client *c)
{
	c->probe = (struct probe){.state = PROBE_UNTRIED};
}

void probe_answered(struct client *c, const struct recent_peer *e,
		    struct tuple relay, uint64_t now)
{
	struct probe *p = &c->probe;

	if (!p->due || !ip6_equal(&e->address, &c->conf.probe))
		return;
	p->state = PROBE_OK;
	p->tries = 0;
	p->relay = relay;
	p->rtt = now - e->tested;
	p->heard = now;
	p->due = now + GOOD_NS;
}

static void give_up(struct client *c, uint64_t now)
{
	c->probe.state = PROBE_FAILED;
	c->probe.tries = 0;
	c->probe.due = now + BAD_NS;
}

/* One test, unless there was one just now for a packet of our host. */
static void try(struct client *c, uint64_t now, struct outbox *out)
{
	uint32_t i = contact_of(c, c->cur, &c->conf.probe);
	struct recent_peer *e;

	contact_want(c, i);
	e = recent_at(&c->recent, i);
	c->probe.due = now + WAIT_NS;
	if (!contact_may_test(e, now))
		return;
	c->probe.tries++;
	contact_test(c, e, false, now, out);
}

void probe_timeout(struct client *c, uint64_t now, struct outbox *out)
{
	if (probe_next(c) > now)
		return;
	if (c->probe.tries == PROBE_TRIES ||
	    contact_check(c, &c->conf.probe) != REASON_NONE)
		give_up(c, now);
	else if (outbox_has_room(out))
		try(c, now, out);
}

/* Without a way to the Internet, or an address, there is nothing to ask; and
 * nobody to ask for while it is dormant. */
uint64_t probe_next(const struct client *c)
{
	if (!c->probe.due || !client_has_address(c) || c->local.ip == 0 ||
	    c->dormancy.on)
		return UINT64_MAX;
	return c->probe.due;
}
