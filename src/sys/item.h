/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client puts into the kernel for its interface: addresses, routes and
 * rules. The steward (iface.h) compares what there is with what ought to be.
 * Functions return 0 or -errno.
 */
#ifndef SYS_ITEM_H
#define SYS_ITEM_H

#include "netlink.h"

enum item_kind {
	ITEM_ADDRESS,
	ITEM_ROUTE,
	ITEM_RULE, /* from the address: look up the table */
};

enum {
	ITEM_TEXT = 96,
	RULE_PRIORITY = 32765 /* as in the hook of 1.2.6: before main */
};

struct item {
	enum item_kind kind;
	struct ip6 ip6; /* address, destination, source */
	uint8_t len;
	uint32_t table, metric; /* of routes and rules; table 0 = main */
	bool deprecated;        /* address, not for new connections */
};

typedef void item_fn(void *arg, const struct item *it);

/* The same thing; perhaps one is deprecated and the other not. */
bool item_equal(const struct item *a, const struct item *b);

/* "the address 2001::1", "the route to ::/0 (table 7)" */
void item_text(char text[static ITEM_TEXT], const struct item *it);

/* An address that is there gets the deprecation that it is to have. */
int item_put(struct netlink *nl, unsigned ifindex, const struct item *it);
int item_remove(struct netlink *nl, unsigned ifindex, const struct item *it);

/*
 * Call fn for each address of an interface, for each route to it with our
 * protocol number, and for each rule with that number.
 */
int item_list(struct netlink *nl, unsigned ifindex, item_fn *fn, void *arg);

/*
 * Read events (netlink_open_watch) and do not wait. True if one of them may
 * concern this interface, or the default route, and was not caused by `self`.
 */
bool item_events(struct netlink *events, unsigned ifindex,
		 const struct netlink *self);

#endif
