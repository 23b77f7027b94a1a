/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to a server: by which of our addresses, interfaces and routers the
 * kernel would send to it, and when that may have changed. And whether there is
 * a default route for IPv6 that is not ours.
 */
#ifndef SYS_WAY_H
#define SYS_WAY_H

#include "netlink.h"

struct way {
	uint32_t source;  /* host order; 0 = there is no way */
	uint32_t gateway; /* 0 = on the link, or by IPv6 */
	unsigned oif;
};

/* How we send: what policy routing may look at. */
struct way_by {
	uint32_t source; /* bound to, or 0 */
	unsigned oif;    /* the same */
	uint32_t mark;
};

struct way_watch {
	struct netlink events, requests;
	unsigned tun;   /* what happens to it is our own doing */
	unsigned oif;   /* of the way in use */
	bool went_down; /* that one, since way_took() */
};

/* 0 or -errno. */
int way_open(struct way_watch *w, unsigned tun);
void way_close(struct way_watch *w);

/* Read what has come: might the way be another now? */
bool way_drain(struct way_watch *w);

/* 0, or -errno; a way that is not there is no error. */
int way_find(struct way_watch *w, const struct way_by *by, uint32_t server,
	     struct way *way);

/*
 * Is this a new way? It is, too, if its interface has been down. From then on
 * it is the one in use.
 */
bool way_take(struct way_watch *w, struct way *old, const struct way *new);

/*
 * Is there an IPv6 default route in the main table that is not ours, and that
 * packets can take? 0, or -errno: it is not known then.
 */
int way_native(struct way_watch *w, bool *native);

#endif
