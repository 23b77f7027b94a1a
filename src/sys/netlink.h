/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we ask of the kernel's routing socket: addresses of this host, and an
 * interface with a route. Functions return 0 or -errno.
 */
#ifndef SYS_NETLINK_H
#define SYS_NETLINK_H

#include "../core/addr.h"

struct mnl_socket;

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

/* For requests. */
int netlink_open(struct netlink *nl);

/* For events about addresses and links. */
int netlink_open_events(struct netlink *nl);

/*
 * Read what has come, and do not wait. 1 if there were events (or some got
 * lost), else 0.
 */
int netlink_drain(struct netlink *nl);

int netlink_fd(const struct netlink *nl);

/* Call fn for each address of this host. -EINTR: they changed meanwhile. */
int netlink_addresses(struct netlink *nl, host_addr_fn *fn, void *arg);

/*
 * Make a tunnel device ready: MTU, queue, no address of its own, no neighbour
 * discovery; and up.
 */
int netlink_link_up(struct netlink *nl, unsigned ifindex, uint32_t mtu);

/* Route prefix/32 to an interface that needs no neighbour discovery. */
int netlink_route(struct netlink *nl, unsigned ifindex, uint32_t prefix);

#endif
