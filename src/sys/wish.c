/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be wished (see wish.h). */
#include <string.h>

#include "../core/qualify.h"
#include "wish.h"

/* A bool that came from elsewhere may be neither. */
static bool is_bool(const bool *b)
{
	unsigned char c;

	memcpy(&c, b, 1);
	return c <= 1;
}

/* A word that a script may use without quotes, and is no option. */
static bool is_word(const char *s, size_t space)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.:-_";

	return memchr(s, '\0', space) && s[0] != '-' &&
	       s[strspn(s, letters)] == '\0';
}

static bool is_host(const char s[static HOST_SPACE])
{
	char copy[HOST_SPACE];

	return memchr(s, '\0', HOST_SPACE) && (!s[0] || value_host(copy, s));
}

#define IS_WORD(field) is_word(field, sizeof(field))

bool wish_is_valid(const struct steward_wish *w, uint32_t prefix)
{
	if (!is_bool(&w->final) || !is_bool(&w->is_up) ||
	    !is_bool(&w->native) || !is_bool(&w->host_native) ||
	    !is_bool(&w->state.has_flags))
		return false;
	if (w->n > WISH_ADDRESSES || (w->is_up && w->n == 0))
		return false;
	for (unsigned i = 0; i < w->n; i++) {
		if (!ip6_is_teredo(&w->address[i], prefix))
			return false;
	}
	if (w->n == 2 && ip6_equal(&w->address[0], &w->address[1]))
		return false;
	return (w->state.flags & ~FLAGS_RANDOM) == 0 &&
	       w->state.lease.method < PORTMAP_METHODS && w->mtu <= INNER_MAX &&
	       is_host(w->state.host) && IS_WORD(w->reason) &&
	       IS_WORD(w->server) && IS_WORD(w->nat) && IS_WORD(w->mapped);
}
