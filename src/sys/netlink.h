/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we ask of the kernel's routing socket: addresses of this host, and an
 * interface with a route. Functions return 0 or -errno. What a client has on
 * its interface is in item.h.
 */
#ifndef SYS_NETLINK_H
#define SYS_NETLINK_H

#include "../core/addr.h"

struct mnl_socket;
struct nlmsghdr;

enum {
	/* Marks routes and rules as ours; rtnetlink.h leaves numbers above
	 * those of its list to routing daemons. */
	ROUTE_PROTOCOL = 0x54,
	ROUTE_METRIC = 1024 /* of the Teredo prefix */
};

struct netlink {
	struct mnl_socket *socket; /* owned */
	unsigned seq, port;
};

/* An address of this host. */
struct host_addr {
	bool is_ip6;
	unsigned ifindex;
	uint8_t len;    /* of its prefix */
	uint32_t flags; /* IFA_F_* */
	uint32_t ip;    /* host order */
	struct ip6 ip6;
};

typedef void host_addr_fn(void *arg, const struct host_addr *a);

/* For events of these groups (RTMGRP_*); 0 = none, for requests. */
int netlink_open_groups(struct netlink *nl, unsigned groups);

/* For requests. */
int netlink_open(struct netlink *nl);

/* For events about addresses and links. */
int netlink_open_events(struct netlink *nl);

/* For events about all that item.h knows. */
int netlink_open_watch(struct netlink *nl);

void netlink_close(struct netlink *nl);

/*
 * A request of that type in buf, which has room for it: NLM_F_REQUEST and these
 * flags, and a copy of the head of such messages, size bytes of it. Attributes
 * may follow.
 */
struct nlmsghdr *netlink_begin(void *buf, uint16_t type, uint16_t flags,
			       const void *head, size_t size);

/*
 * Send a request and read answers up to the last; fn (an mnl_cb_t) may be NULL.
 * -EINTR: what was listed changed meanwhile.
 */
int netlink_request(struct netlink *nl, struct nlmsghdr *h,
		    int (*fn)(const struct nlmsghdr *h, void *arg), void *arg);

/*
 * Read what has come, and do not wait. 1 if there were events (or some got
 * lost), else 0.
 */
int netlink_drain(struct netlink *nl);

int netlink_fd(const struct netlink *nl);

/* Call fn for each address of this host. -EINTR: they changed meanwhile. */
int netlink_addresses(struct netlink *nl, host_addr_fn *fn, void *arg);

/* flags: IFF_*. */
typedef void host_link_fn(void *arg, unsigned ifindex, unsigned flags,
			  const char *name);

/* Call fn for each interface of this host. -EINTR: they changed meanwhile. */
int netlink_links(struct netlink *nl, host_link_fn *fn, void *arg);

/*
 * Make a tunnel device ready: MTU, queue, no address of its own, no neighbour
 * discovery; and up.
 */
int netlink_link_up(struct netlink *nl, unsigned ifindex, uint32_t mtu);

/* Another MTU, at least TEREDO_MTU; all else stays. 0 or -errno. */
int netlink_link_mtu(struct netlink *nl, unsigned ifindex, uint32_t mtu);

/* One that was up and ours before: as it is, with this MTU. What there is on it
 * stays. 0 or -errno. */
int netlink_link_keep(struct netlink *nl, unsigned ifindex, uint32_t mtu);

/* What is known of an interface. */
struct host_link {
	bool is_up;
	uint32_t mtu;
	uint32_t tx_dropped; /* modulo 2^32 */
};

/* -ENODEV: it is gone. */
int netlink_link(struct netlink *nl, unsigned ifindex, struct host_link *link);

/* Does this host forward IPv6 packets? 0 or -errno. */
int netlink_forwarding(struct netlink *nl, bool *yes);

/* A route to an interface that needs no neighbour discovery. */
struct host_route {
	unsigned ifindex;
	struct ip6 dst;
	uint8_t len;
	uint32_t table, metric; /* table 0 = main */
};

/* -EEXIST: there is one already, to wherever. */
int netlink_route_add(struct netlink *nl, const struct host_route *r);
int netlink_route_del(struct netlink *nl, const struct host_route *r);

/* Route prefix/32 to an interface that needs no neighbour discovery. */
int netlink_route(struct netlink *nl, unsigned ifindex, uint32_t prefix);

#endif
