/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random ports of the core (core/randport.h): the steward opens them, as it may
 * (BindInterface, Mark), and hands them over; here they are listened to, and
 * closed. There are none before the core wants some.
 *
 * What the core does not want any more is closed a moment later: another lane
 * may be about to send from it. Until then nobody reads it.
 */
#ifndef SYS_RANDDOORS_H
#define SYS_RANDDOORS_H

#include "../core/outbox.h"
#include "wish.h"

struct loop;

struct randdoors {
	uint64_t asked;   /* of the steward; bit k is DOOR_RANDOM + k */
	uint64_t open;    /* and listened to */
	uint64_t closing; /* no longer */
	uint64_t close_at[RANDOM_DOORS];
	uint64_t due; /* something is to be done; UINT64_MAX = nothing */
};

/* When the core was called: does it want other ones? */
void randdoors_look(struct loop *l);

/* The steward has opened one, or could not. fd is ours. */
void randdoors_take(struct loop *l, const struct steward_door *d, int fd);

void randdoors_timeout(struct loop *l, uint64_t now);

#endif
