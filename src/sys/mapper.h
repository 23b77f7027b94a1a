/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mapper: the process that has the router forward our port (portmap.h). It
 * decides and keeps the time; it reads nothing that a router says but how a
 * question has ended, which it gets of the process that asked (gateway.h). It
 *is of user miredo, with no privilege and no file, and outlives a packet
 *process, as the mapping does.
 *
 *	packet process --- struct mapper_order --> mapper ---> gateway ~~~>
 *router
 *	               <-- struct mapper_news ---         <---
 *
 * Which router may be asked is decided by who gives the order (clientrun.c), by
 * portmap_gateway() and the route to it. What the news say is for people, and
 *for client_mapping(); nothing is ever sent where a router says.
 */
#ifndef SYS_MAPPER_H
#define SYS_MAPPER_H

#include <stdbool.h>

#include "../core/pcp.h"
#include "privs.h"

enum {
	MAPPER_ENDS_MS = 3500, /* X32: no longer than that */
};

struct mapper_order {
	uint32_t serial;
	uint32_t oif; /* of wish.gateway */
	uint32_t end; /* 1: take away what there is, and end */
	struct portmap_wish wish;
};

struct mapper_news {
	uint32_t serial;            /* of the order that this follows */
	uint32_t why;               /* enum portmap_why */
	struct portmap_lease lease; /* with PORTMAP_OK */
	uint32_t lifetime_s;        /* 0 = until it is taken away */
};

/* What the mapper says may be anything, some day. */
bool mapper_news_are_valid(const struct mapper_news *n);

/*
 * Start it, while privileged. left: of the last run; nonce: of all our PCP
 * mappings (6887 §11.2), the same from run to run, so that we may renew what we
 * left. A SOCK_SEQPACKET descriptor with news to read, at its end when the
 * mapper is gone. Dies if it cannot be started.
 */
int mapper_start(const struct portmap_lease *left,
		 const uint8_t nonce[static PCP_NONCE], uint32_t mark,
		 const struct identity *id);

/* Does not wait. 0 or -errno. */
int mapper_tell(int fd, const struct mapper_order *o);

/* Have it end, and wait for that, MAPPER_ENDS_MS at most. True: what there was
 * is gone. */
bool mapper_finish(int fd, const struct mapper_order *last);

#endif
