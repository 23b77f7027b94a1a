/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of a client's state: what is read is written and read the same. */
#include "fuzz.h"

#include "../core/qualify.h"
#include "state.h"

static void check(const struct state *s)
{
	char host[HOST_SPACE];

	WANT(s->port != 0);
	WANT((s->flags & ~FLAGS_RANDOM) == 0);
	WANT(s->has_flags || s->flags == 0);
	WANT(memchr(s->host, 0, sizeof(s->host)));
	WANT(!s->host[0] || value_host(host, s->host));
}

static void check_again(const struct state *s)
{
	char text[STATE_TEXT + 1] = "", copy[STATE_TEXT + 1];
	size_t n = STATE_TEXT;
	struct state again;

	state_print(text, s);
	memcpy(copy, text, n + 1);
	WANT(state_parse(&again, copy, n));
	WANT(again.port == s->port && again.has_flags == s->has_flags);
	WANT(again.flags == s->flags && again.server == s->server);
	WANT(again.mapped.ip == s->mapped.ip);
	WANT(again.mapped.port == s->mapped.port);
	WANT(strcmp(again.host, s->host) == 0);
	/* A power cut that leaves less of it is seen, or loses whole lines. */
	memcpy(copy, text, n);
	copy[n - 1] = '\0';
	WANT(!state_parse(&again, copy, n - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct state s;

	WANT(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (state_parse(&s, text, size)) {
		check(&s);
		check_again(&s);
	}
	free(text);
	return 0;
}
