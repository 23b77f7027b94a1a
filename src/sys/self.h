/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of this host, kept up to date (Z2, R29): a struct self for the
 * core, filled at start and again after each event about addresses or links.
 */
#ifndef SYS_SELF_H
#define SYS_SELF_H

#include "../core/gate.h"
#include "netlink.h"

struct self_watch {
	struct netlink events, requests;
	uint32_t prefix;   /* of Teredo addresses, which are none of ours */
	unsigned tun;      /* interface whose addresses do not count, or 0 */
	bool is_tentative; /* the kernel is still checking a global address */
	bool is_full;      /* there are more than struct self can hold */
};

/* 0 or -errno. What is opened here needs no privilege, then or later. */
int self_open(struct self_watch *w, uint32_t prefix);
void self_close(struct self_watch *w);

/* Fill s. s->source stays what it is while it is as good as any. -errno: s is
 * as it was. */
int self_refresh(struct self_watch *w, struct self *s);

/*
 * Fill s, and wait until there is a source as long as the kernel checks one.
 * -ECANCELED: there is something to read from the descriptor `other`.
 */
int self_settle(struct self_watch *w, struct self *s, int other);

/* The interface that has this address; else one of 11.22.33.0/24 and the like
 * around it; else 0. */
unsigned self_interface(struct self_watch *w, uint32_t ip);

#endif
