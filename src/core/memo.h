/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client would want to know of itself if its process died and another
 * went on with its memory: address, server, and when that was asked last. It
 * stands before the peers in the memory of client_init().
 *
 * There are two places, written in turn, so that one is always whole. Whoever
 * reads believes nothing of it, as with the peers (peers_recover()).
 */
#ifndef CORE_MEMO_H
#define CORE_MEMO_H

#include "client.h"

struct memo_address {
	uint32_t server;
	struct tuple mapped; /* port 0 = none */
	uint16_t flags;
	uint64_t used;
};

/* Numbers only: of these, any bytes are a value. */
struct memo {
	struct memo_address own[CLIENT_ADDRESSES]; /* the current one first */
	uint32_t at;                               /* server in use or asked */
	uint32_t primary, secondary;               /* of the address's server */
	struct tuple second; /* as the second address sees us */
	uint8_t settled;     /* nothing but the first was asked of it */
	uint8_t is_cone, is_symmetric;
	uint8_t has_flags;
	uint16_t flags; /* drawn for this mapping */
	struct tuple flags_for;
	struct tuple local;
	uint64_t heard, keep_until, changed, announce_at;
	uint64_t asked, since; /* the server; see qualify.h */
	uint32_t asked_whom;
};

struct memos {
	uint32_t turn; /* the lowest bit: which of them is the newest */
	struct memo v[2];
};

/* Write it down, if something is new. */
void memo_write(struct client *c);

#endif
