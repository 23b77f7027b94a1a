/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of state, as the log tells of them (see event.h). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "event.h"

static const struct {
	const char *name, *message;
} events[] = {
#define X(id, name, message) [EVENT_##id] = {name, message},
	EVENT_LIST(X)
#undef X
};

static_assert((int)EVENT_IDLE - (int)EVENT_OK == (int)WHY_IDLE &&
		      (int)WHY_IDLE + 1 == (int)WHY_COUNT,
	      "the same order as enum client_why");

const char *event_name(enum event e)
{
	return events[e].name;
}

const char *event_message(enum event e)
{
	return events[e].message;
}

struct event_facts event_facts(enum event e)
{
	struct event_facts f = {.event = (uint8_t)e};

	if (e != EVENT_NONE)
		snprintf(f.reason, sizeof(f.reason), "%s", event_name(e));
	return f;
}

static bool is_word(const char *s, size_t space)
{
	size_t n = strnlen(s, space);

	return n < space &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

bool event_is_valid(const struct event_facts *f)
{
	return f->event < EVENT_COUNT && is_word(f->state, EVENT_STATE) &&
	       is_word(f->reason, EVENT_REASON);
}
