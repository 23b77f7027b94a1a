/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See verdict.h: the order of questions is that of what keeps packets back. */
#include "verdict.h"

#include <string.h>

#include "board.h"

#define UNSTABLE_NS (600 * NS_PER_S)

/* clang-format off */
static const struct verdict_words verdicts[] = {
#define X(id, name, good, text, advice)                                        \
	[VERDICT_##id] = {(name), (good), (text),                              \
			  sizeof(advice) > 1 ? (advice) : NULL},
	VERDICT_LIST(X)
#undef X
};
static const struct verdict_words notes[] = {
#define X(id, name, text, advice) [NOTE_##id] = {(name), true, (text), (advice)},
	NOTE_LIST(X)
#undef X
};
/* clang-format on */

const struct verdict_words *verdict_words(enum verdict v)
{
	return &verdicts[v];
}

const struct verdict_words *note_words(enum note n)
{
	return &notes[n];
}

const struct verdict_words *verdict_find(const char *name)
{
	for (unsigned i = 0; i < VERDICT_COUNT; i++) {
		if (strcmp(verdicts[i].name, name) == 0)
			return &verdicts[i];
	}
	for (unsigned i = 0; i < NOTE_COUNT; i++) {
		if (strcmp(notes[i].name, name) == 0)
			return &notes[i];
	}
	return NULL;
}

/* A server that is silent: is it, or is what it says not for us? */
static enum verdict of_silence(const struct facts *f)
{
	if (f->refused == REASON_RA_NONCE)
		return VERDICT_WRONG_NONCE;
	if (f->refused == REASON_RA_INVALID)
		return VERDICT_WRONG_ANSWER;
	if (f->refused == REASON_AUTH_FAILED)
		return VERDICT_AUTH_FAILED;
	return f->client.why == WHY_SECONDARY ? VERDICT_SECONDARY
					      : VERDICT_SERVER;
}

/* No name can be looked up; or it can, and is of no use. */
static enum verdict of_names(const struct facts *f)
{
	for (unsigned i = 0; i < CLIENT_SERVERS; i++) {
		if (f->server[i].unusable)
			return VERDICT_UNUSABLE;
	}
	return VERDICT_RESOLVER;
}

/* It has an address. */
static enum verdict of_qualified(const struct facts *f)
{
	if (f->steward_error)
		return VERDICT_ADDRESS;
	return f->probe.state == PROBE_FAILED ? VERDICT_NO_RELAY : VERDICT_OK;
}

static enum verdict of_client(const struct facts *f)
{
	switch (f->client.why) {
	case WHY_NONE:
	case WHY_MOVED: /* the address is the new one already */
		break;
	case WHY_NATIVE:
		return VERDICT_NATIVE;
	case WHY_NO_IPV4:
		return VERDICT_NO_IPV4;
	case WHY_RESOLVER:
		return of_names(f);
	case WHY_START:
		return VERDICT_START;
	case WHY_SERVER:
	case WHY_SECONDARY:
		return of_silence(f);
	case WHY_SYMMETRIC:
		return VERDICT_SYMMETRIC;
	case WHY_IDLE:
		return f->steward_error ? VERDICT_ADDRESS : VERDICT_IDLE;
	case WHY_COUNT:
		break;
	}
	if (f->client.n == 0)
		return VERDICT_MOVED;
	return of_qualified(f);
}

enum verdict verdict_of(const struct facts *f)
{
	if (f->is_server && !(f->has_primary && f->has_secondary))
		return VERDICT_ADDRESS_GONE;
	if (f->is_client)
		return of_client(f);
	if (f->is_relay && !f->has_source)
		return VERDICT_NO_SOURCE;
	return VERDICT_OK;
}

unsigned verdict_notes(const struct facts *f)
{
	unsigned n = 0;

	if (f->is_relay && !f->is_client && !f->forwarding)
		n |= 1u << NOTE_FORWARDING;
	if (f->allows)
		n |= 1u << NOTE_ALLOWED;
	if (f->is_client && f->inbound == INBOUND_OPEN)
		n |= 1u << NOTE_INBOUND;
	if (f->is_client && f->changes > 2 && f->at - f->changed < UNSTABLE_NS)
		n |= 1u << NOTE_UNSTABLE;
	if (f->is_client && f->client.key_ends)
		n |= 1u << NOTE_KEY_ENDS;
	if (f->lives > 1)
		n |= 1u << NOTE_RESTARTED;
	return n;
}

const char *verdict_client_state(const struct client_status *s)
{
	if (s->why == WHY_NATIVE)
		return "dormant";
	switch (s->state) {
	case CLIENT_OFF:
	case CLIENT_RESOLVING:
		return "offline";
	case CLIENT_ASKING:
		return "qualifying";
	case CLIENT_QUALIFIED:
		return "qualified";
	case CLIENT_SILENT:
		return "silent";
	case CLIENT_DORMANT:
		return "dormant";
	}
	return "stuck"; /* nobody says so who can be believed */
}

const char *verdict_state(const struct facts *f, enum verdict v)
{
	if (v == VERDICT_STUCK)
		return "stuck";
	if (v == VERDICT_NOT_READY)
		return "starting";
	return f->is_client ? verdict_client_state(&f->client) : "serving";
}
