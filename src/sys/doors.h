/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UDP sockets of this process, as the configuration wants them. Who cannot
 * have one dies, and says why and what to do.
 */
#ifndef SYS_DOORS_H
#define SYS_DOORS_H

#include "loop.h"
#include "plan.h"

/* Is this socket, which the service manager has kept, what the plan wants of
 * this kind? See fdstore.h. */
bool door_fits(const struct plan *p, const char *kind, unsigned thread, int fd);

/* Have all that are open kept, for the next start. */
void doors_store(const struct loop *l, const struct plan *p);

/*
 * A socket where the plan wants this door: one that was passed in, or that the
 * service manager has kept, or a new one.
 */
int door_open(const struct plan *p, enum door door);

/* C69: the second port of a client. It has none before it is used, as
 * LearnRefresh may be switched on at any time and mostly never is. */
int door_open_later(const struct plan *p);

/* A socket at a port that nobody has, as the configuration wants all of them;
 * or -errno. For the steward. */
int door_open_random(const struct conf *c, uint16_t *port);

/* I10: at the port of the last run, for with it goes the address; 0 = there was
 * none. */
int door_open_service(const struct plan *p, uint16_t last);

/* The same door for the other lanes, as far as the kernel goes along. */
void doors_open_beside(struct loop *l, const struct plan *p, enum door door);

/* Switch offloads on: those that are wanted, and that all sockets have. */
unsigned doors_offload(const struct loop *l, const struct plan *p);

#endif
