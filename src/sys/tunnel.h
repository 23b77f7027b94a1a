/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnel interface, as the configuration wants it: l->tun and l->watch->tun
 * are set. Who cannot have it dies, and says why and what to do.
 */
#ifndef SYS_TUNNEL_H
#define SYS_TUNNEL_H

#include "loop.h"
#include "plan.h"

/* The one that was passed in, and its name. */
void tunnel_adopt(struct loop *l, const struct plan *p,
		  char name[static IFNAMSIZ]);

/* Is this queue, which the service manager has kept, one of the interface that
 * the plan wants? See fdstore.h. */
bool tunnel_fits(const struct plan *p, const char *kind, unsigned thread,
		 int fd);

/* Has the service manager kept the interface that this plan wants? */
bool tunnel_is_kept(const struct plan *p);

/* Have its queues kept, for the next start. */
void tunnel_store(const struct tun *t, const struct plan *p);

/* A new one, or the one that was kept; it is up. */
void tunnel_make(struct loop *l, const struct plan *p);

/* What a relay takes packets for: the Teredo prefix. */
void tunnel_route(struct loop *l, const struct plan *p);

#endif
