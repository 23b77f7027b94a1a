/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client shows to the shell: its status, and words for it. */
#include "client.h"

#include <string.h>

#include "contact.h"
#include "memo.h"
#include "search.h"

/* clang-format off */
static const char *const why_names[] = {
#define X(id, name, text) [WHY_##id] = (name),
	CLIENT_WHY_LIST(X)
#undef X
};
static const char *const wakers[] = {
#define X(id, text) [WAKER_##id] = (text),
	CLIENT_WAKER_LIST(X)
#undef X
};
static const char *const why_texts[] = {
#define X(id, name, text) [WHY_##id] = (text),
	CLIENT_WHY_LIST(X)
#undef X
};
/* clang-format on */

const char *client_why_name(enum client_why w)
{
	return why_names[w];
}

const char *client_why_text(enum client_why w)
{
	return why_texts[w];
}

const char *client_waker_text(enum client_waker w)
{
	return wakers[w];
}

const char *client_nat_name(enum client_nat n)
{
	switch (n) {
	case CLIENT_NAT_NONE:
		return "none";
	case CLIENT_NAT_CONE:
		return "cone";
	case CLIENT_NAT_RESTRICTED:
		return "restricted";
	case CLIENT_NAT_SYMMETRIC:
		return "symmetric";
	case CLIENT_NAT_UNKNOWN:
		break;
	}
	return "unknown";
}

/* With an address. */
static enum client_state settled_state(const struct client *c)
{
	if (c->dormancy.on)
		return CLIENT_DORMANT;
	return c->keep_until ? CLIENT_SILENT : CLIENT_QUALIFIED;
}

static enum client_state state_of(const struct client *c)
{
	if (client_has_address(c))
		return settled_state(c);
	if (!c->wanted || c->local.ip == 0)
		return CLIENT_OFF;
	return c->qualify.step == QUALIFY_IDLE && !c->rest_until
		       ? CLIENT_RESOLVING
		       : CLIENT_ASKING;
}

static enum client_nat nat_of(const struct client *c)
{
	const struct qualify *q = &c->qualify;

	if (q->mapped.port == 0)
		return CLIENT_NAT_UNKNOWN;
	if (q->is_symmetric)
		return CLIENT_NAT_SYMMETRIC;
	if (q->mapped.ip == c->local.ip && q->mapped.port == c->local.port)
		return CLIENT_NAT_NONE;
	return q->is_cone ? CLIENT_NAT_CONE : CLIENT_NAT_RESTRICTED;
}

static void list_addresses(const struct client *c, struct client_status *s)
{
	const struct own_address *cur = &c->own[c->cur];

	if (!cur->on)
		return;
	s->mapped = cur->mapped;
	s->flags = cur->flags;
	s->address[s->n++] = cur->ip6;
	for (unsigned i = 0; i < CLIENT_ADDRESSES; i++) {
		if (i != c->cur && c->own[i].on)
			s->address[s->n++] = c->own[i].ip6;
	}
}

void client_publish(struct client *c)
{
	memo_write(c);
	randport_refill(c);
	client_show(c);
}

void client_show(struct client *c)
{
	struct client_status s;

	memset(&s, 0, sizeof(s)); /* what is between the fields, too */
	s.version = c->status.version;
	s.state = state_of(c);
	s.why = c->why;
	s.server = c->at;
	s.server_ip = c->qualify.primary;
	s.nat = nat_of(c);
	s.preserves_port = s.nat != CLIENT_NAT_UNKNOWN &&
			   c->qualify.mapped.port == c->local.port;
	s.random_ports = randport_mode(c);
	s.key_ends = c->qualify.key_ends;
	s.wants_probe = search_wants_door(c);
	s.refresh_s = search_interval_s(c);
	s.wants_names = c->wants_names;
	s.waker = c->dormancy.waker;
	list_addresses(c, &s);
	/* NOLINTNEXTLINE: what is between the fields is 0 in both */
	if (memcmp(&s, &c->status, sizeof(s)) == 0)
		return;
	s.version++;
	c->status = s;
}
