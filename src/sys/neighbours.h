/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local discovery (4380 §5.2.8): a socket for what comes to the group
 * 224.0.0.253 on port 3544, and the interfaces on which that group is joined.
 * The socket is bound to the group, so what comes to an address of ours does
 * not get in (C74); and to it only, so others may have port 3544.
 */
#ifndef SYS_NEIGHBOURS_H
#define SYS_NEIGHBOURS_H

#include <regex.h>
#include <stdbool.h>

#include "../core/outbox.h"
#include "netlink.h"

enum {
	NEIGHBOURS_MAX = 16 /* interfaces; the kernel allows 20 */
};

struct neighbours {
	int fd;
	bool is_off; /* while the daemon runs: nothing is joined */
	bool has_pattern;
	regex_t pattern;
	unsigned tun;  /* which is no link */
	unsigned only; /* this interface; 0 = any */
	unsigned n;
	unsigned ifindex[NEIGHBOURS_MAX];
};

/* pattern: for names of interfaces, "" = all. only: the interface that we are
 * bound to, or 0. Joins nothing yet. 0 or -errno. */
int neighbours_open(struct neighbours *b, const char *pattern, unsigned only,
		    unsigned tun);

/* Join where an interface has come up, leave where one is gone; everywhere if
 * it is off. */
void neighbours_refresh(struct neighbours *b, struct netlink *nl);

/* Send to the group on all of them, from this socket. How many were refused. */
unsigned neighbours_send(const struct neighbours *b, int from,
			 const struct out *o);

/* Make a service port fit for that: TTL 1, and not to ourselves. */
int neighbours_prepare(int from);

#endif
