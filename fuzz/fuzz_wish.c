/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the packet process may wish of the steward, be it taken over. What is
 * granted goes into the kernel, into a file that is read with the next start,
 * and into the environment of scripts. The input is the message, or the first
 * bytes of it.
 */
#include "fuzz.h"

#include "../core/qualify.h"
#include "wish.h"

/* Quotes, blanks, and all that a shell might take for more than a letter. */
static void check_word(const char *s, size_t space)
{
	WANT(memchr(s, 0, space));
	WANT(s[0] != '-');
	for (; *s; s++)
		WANT(*s > ' ' && *s < 0x7f &&
		     !strchr("`'\"\\$&|;<>()*?[]!#~=%/{}", *s));
}

static void check_bool(const bool *b)
{
	uint8_t c;

	memcpy(&c, b, 1);
	WANT(c <= 1);
}

static void check_state(const struct state *s)
{
	char text[STATE_TEXT + 1] = "";
	struct state again;

	state_print(text, s);
	if (!s->port)
		return; /* is not written */
	WANT(state_parse(&again, text, STATE_TEXT));
	WANT(again.port == s->port && again.has_flags == s->has_flags);
	WANT(again.server == s->server && strcmp(again.host, s->host) == 0);
	if (s->has_flags)
		WANT(again.flags == s->flags);
	if (s->mapped.port)
		WANT(again.mapped.ip == s->mapped.ip &&
		     again.mapped.port == s->mapped.port);
}

static void check(const struct steward_wish *w)
{
	check_bool(&w->final);
	check_bool(&w->is_up);
	check_bool(&w->native);
	check_bool(&w->host_native);
	check_bool(&w->state.has_flags);
	WANT(w->n <= WISH_ADDRESSES && (w->n || !w->is_up));
	for (unsigned i = 0; i < w->n; i++)
		WANT(be32(w->address[i].b) == TEREDO_PREFIX);
	check_word(w->reason, sizeof(w->reason));
	check_word(w->server, sizeof(w->server));
	check_word(w->nat, sizeof(w->nat));
	check_word(w->mapped, sizeof(w->mapped));
	check_state(&w->state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct steward_wish w;

	memset(&w, 0, sizeof(w));
	if (size)
		memcpy(&w, data, size < sizeof(w) ? size : sizeof(w));
	if (wish_is_valid(&w, TEREDO_PREFIX))
		check(&w);
	return 0;
}
