/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the kernel's routing socket, by libmnl (see netlink.h). */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "netlink.h"

enum {
	QUEUE_PACKETS = 10000,
};

int netlink_open_groups(struct netlink *nl, unsigned groups)
{
	*nl = (struct netlink){0};
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->socket)
		return -errno;
	if (mnl_socket_bind(nl->socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		mnl_socket_close(nl->socket);
		nl->socket = NULL;
		return r;
	}
	nl->seq = (unsigned)time(NULL);
	nl->port = mnl_socket_get_portid(nl->socket);
	return 0;
}

int netlink_open(struct netlink *nl)
{
	return netlink_open_groups(nl, 0);
}

int netlink_open_events(struct netlink *nl)
{
	/* rtnetlink.h has no RTMGRP_ for what is switched on and off. */
	return netlink_open_groups(
		nl, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			    1U << (RTNLGRP_IPV6_NETCONF - 1));
}

int netlink_open_watch(struct netlink *nl)
{
	/* rtnetlink.h has no RTMGRP_ for rules of IPv6. */
	return netlink_open_groups(nl, RTMGRP_LINK | RTMGRP_IPV6_IFADDR |
					       RTMGRP_IPV6_ROUTE |
					       1U << (RTNLGRP_IPV6_RULE - 1));
}

void netlink_close(struct netlink *nl)
{
	mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

int netlink_fd(const struct netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

int netlink_drain(struct netlink *nl)
{
	char buf[8192];
	int events = 0;

	while (recv(netlink_fd(nl), buf, sizeof(buf), MSG_DONTWAIT) >= 0 ||
	       errno == ENOBUFS)
		events = 1;
	return events;
}

/* What the kernel says; others may send to our socket, too. */
static ssize_t receive(const struct netlink *nl, char *buf, size_t space)
{
	struct sockaddr_nl from = {0};
	socklen_t len;
	ssize_t n;

	do {
		len = sizeof(from);
		n = recvfrom(netlink_fd(nl), buf, space, MSG_TRUNC,
			     (struct sockaddr *)&from, &len);
	} while (n >= 0 && from.nl_pid != 0);
	if (n < 0)
		return -errno;
	return (size_t)n > space ? -ENOSPC : n;
}

/* -EINTR comes of NLM_F_DUMP_INTR. */
int netlink_request(struct netlink *nl, struct nlmsghdr *h,
		    int (*fn)(const struct nlmsghdr *h, void *arg), void *arg)
{
	char buf[32768];
	ssize_t n;
	int r;

	/* A request that failed left the rest of its answer. */
	netlink_drain(nl);
	h->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->socket, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		n = receive(nl, buf, sizeof(buf));
		if (n < 0)
			return (int)n;
		r = mnl_cb_run(buf, (size_t)n, nl->seq, nl->port, fn, arg);
	} while (r > 0);
	return r < 0 ? -errno : 0;
}

struct nlmsghdr *netlink_begin(void *buf, uint16_t type, uint16_t flags,
			       const void *head, size_t size)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(h, size), head, size);
	return h;
}

struct listing {
	host_addr_fn *fn;
	void *arg;
};

/* The address itself; IFA_ADDRESS is the peer's on a point-to-point link. */
static const struct nlattr *local_attr(const struct nlattr *const *attr)
{
	return attr[IFA_LOCAL] ? attr[IFA_LOCAL] : attr[IFA_ADDRESS];
}

static int on_attr(const struct nlattr *a, void *arg)
{
	const struct nlattr **attr = arg;

	if (mnl_attr_get_type(a) <= IFA_MAX)
		attr[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr[IFA_MAX + 1] = {0}, *local;
	struct host_addr a = {
		.is_ip6 = m->ifa_family == AF_INET6,
		.ifindex = m->ifa_index,
		.len = m->ifa_prefixlen,
		.flags = m->ifa_flags,
	};
	struct listing *l = arg;

	if (h->nlmsg_type != RTM_NEWADDR)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*m), on_attr, attr);
	local = local_attr(attr);
	if (!local || mnl_attr_get_payload_len(local) < (a.is_ip6 ? 16 : 4))
		return MNL_CB_OK;
	if (attr[IFA_FLAGS])
		a.flags = mnl_attr_get_u32(attr[IFA_FLAGS]);
	if (a.is_ip6)
		memcpy(a.ip6.b, mnl_attr_get_payload(local), 16);
	else
		a.ip = be32(mnl_attr_get_payload(local));
	l->fn(l->arg, &a);
	return MNL_CB_OK;
}

int netlink_addresses(struct netlink *nl, host_addr_fn *fn, void *arg)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct listing l = {fn, arg};
	int r = 0;

	for (unsigned i = 0; i < 2 && !r; i++) {
		const struct ifaddrmsg m = {.ifa_family = families[i]};
		char buf[256];

		r = netlink_request(nl,
				    netlink_begin(buf, RTM_GETADDR, NLM_F_DUMP,
						  &m, sizeof(m)),
				    on_addr, &l);
	}
	return r;
}

struct link_listing {
	host_link_fn *fn;
	void *arg;
	const struct ifinfomsg *link; /* of the attributes being looked at */
};

static int on_name(const struct nlattr *a, void *arg)
{
	const struct link_listing *l = arg;

	if (mnl_attr_get_type(a) == IFLA_IFNAME &&
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		l->fn(l->arg, (unsigned)l->link->ifi_index, l->link->ifi_flags,
		      mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static int on_link_listed(const struct nlmsghdr *h, void *arg)
{
	struct link_listing *l = arg;

	l->link = mnl_nlmsg_get_payload(h);
	if (h->nlmsg_type == RTM_NEWLINK)
		mnl_attr_parse(h, sizeof(*l->link), on_name, l);
	return MNL_CB_OK;
}

int netlink_links(struct netlink *nl, host_link_fn *fn, void *arg)
{
	const struct ifinfomsg all = {.ifi_family = AF_UNSPEC};
	struct link_listing l = {.fn = fn, .arg = arg};
	char buf[256];

	return netlink_request(nl,
			       netlink_begin(buf, RTM_GETLINK, NLM_F_DUMP, &all,
					     sizeof(all)),
			       on_link_listed, &l);
}

static void put_no_address(struct nlmsghdr *h)
{
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *ip6 = mnl_attr_nest_start(h, AF_INET6);

	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, ip6);
	mnl_attr_nest_end(h, spec);
}

/* What to change of a link; 0 = leave it. */
struct link_change {
	unsigned flags, mask;
	uint32_t mtu, queue;
	bool no_address;
};

static int change_link(struct netlink *nl, unsigned ifindex,
		       const struct link_change *c)
{
	const struct ifinfomsg m = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)ifindex,
		.ifi_flags = c->flags,
		.ifi_change = c->mask,
	};
	char buf[512];
	struct nlmsghdr *h =
		netlink_begin(buf, RTM_NEWLINK, NLM_F_ACK, &m, sizeof(m));

	if (c->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, c->mtu);
	if (c->queue)
		mnl_attr_put_u32(h, IFLA_TXQLEN, c->queue);
	if (c->no_address)
		put_no_address(h);
	return netlink_request(nl, h, NULL, NULL);
}

/*
 * The order matters. On a router the kernel has made the new device a member
 * of the all-routers groups, and would report that into the tunnel as soon as
 * the device is up. An MTU too small for IPv6 takes IPv6 off the device; when
 * it comes back, the device knows no multicast, and joins nothing. Without a
 * link-local address there are no Router Solicitations either.
 */
int netlink_link_up(struct netlink *nl, unsigned ifindex, uint32_t mtu)
{
	const struct link_change steps[] = {
		{.flags = IFF_NOARP, .mask = IFF_NOARP | IFF_MULTICAST},
		{.mtu = TEREDO_MTU - 1},
		{.mtu = mtu, .queue = QUEUE_PACKETS},
		{.no_address = true},
		{.flags = IFF_UP, .mask = IFF_UP},
	};
	int r = 0;

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && !r; i++)
		r = change_link(nl, ifindex, &steps[i]);
	return r;
}

int netlink_link_mtu(struct netlink *nl, unsigned ifindex, uint32_t mtu)
{
	const struct link_change change = {.mtu = mtu};

	return change_link(nl, ifindex, &change);
}

int netlink_link_keep(struct netlink *nl, unsigned ifindex, uint32_t mtu)
{
	const struct link_change change = {.mtu = mtu, .queue = QUEUE_PACKETS};
	struct host_link link;
	int r = netlink_link(nl, ifindex, &link);

	if (r || (link.is_up && link.mtu == mtu))
		return r;
	if (!link.is_up || link.mtu < TEREDO_MTU)
		return netlink_link_up(nl, ifindex, mtu);
	return change_link(nl, ifindex, &change);
}

static int on_link_attribute(const struct nlattr *a, void *arg)
{
	struct host_link *link = arg;
	struct rtnl_link_stats stats;

	if (mnl_attr_get_type(a) == IFLA_MTU)
		link->mtu = mnl_attr_get_u32(a);
	if (mnl_attr_get_type(a) == IFLA_STATS &&
	    mnl_attr_get_payload_len(a) >= sizeof(stats)) {
		memcpy(&stats, mnl_attr_get_payload(a), sizeof(stats));
		link->tx_dropped = stats.tx_dropped;
	}
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct host_link *link = arg;

	link->is_up = m->ifi_flags & IFF_UP;
	mnl_attr_parse(h, sizeof(*m), on_link_attribute, link);
	return MNL_CB_OK;
}

int netlink_link(struct netlink *nl, unsigned ifindex, struct host_link *link)
{
	const struct ifinfomsg m = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)ifindex,
	};
	char buf[256];

	*link = (struct host_link){0};
	return netlink_request(
		nl, netlink_begin(buf, RTM_GETLINK, NLM_F_ACK, &m, sizeof(m)),
		on_link, link);
}

static int on_netconf_value(const struct nlattr *a, void *arg)
{
	bool *yes = arg;

	if (mnl_attr_get_type(a) == NETCONFA_FORWARDING)
		*yes = mnl_attr_get_u32(a) != 0;
	return MNL_CB_OK;
}

static int on_netconf(const struct nlmsghdr *h, void *arg)
{
	mnl_attr_parse(h, sizeof(struct netconfmsg), on_netconf_value, arg);
	return MNL_CB_OK;
}

int netlink_forwarding(struct netlink *nl, bool *yes)
{
	const struct netconfmsg m = {.ncm_family = AF_INET6};
	char buf[128];
	struct nlmsghdr *h =
		netlink_begin(buf, RTM_GETNETCONF, NLM_F_ACK, &m, sizeof(m));

	mnl_attr_put_u32(h, NETCONFA_IFINDEX, (uint32_t)NETCONFA_IFINDEX_ALL);
	return netlink_request(nl, h, on_netconf, yes);
}

static int change_route(struct netlink *nl, uint16_t type, uint16_t flags,
			const struct host_route *r)
{
	/* By way of an address that nobody has: else the kernel would make an
	 * entry for each destination in its neighbour table, which is small,
	 * and which strangers could fill. */
	static const struct ip6 via = {{0xfe, 0x80, [15] = 1}};
	uint32_t table = r->table ? r->table : RT_TABLE_MAIN;
	const struct rtmsg m = {
		.rtm_family = AF_INET6,
		.rtm_dst_len = r->len,
		.rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC,
		.rtm_protocol = ROUTE_PROTOCOL,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = RTNH_F_ONLINK,
	};
	char buf[256];
	struct nlmsghdr *h =
		netlink_begin(buf, type, NLM_F_ACK | flags, &m, sizeof(m));

	mnl_attr_put(h, RTA_DST, sizeof(r->dst), &r->dst);
	mnl_attr_put(h, RTA_GATEWAY, sizeof(via), &via);
	mnl_attr_put_u32(h, RTA_OIF, r->ifindex);
	mnl_attr_put_u32(h, RTA_PRIORITY, r->metric);
	mnl_attr_put_u32(h, RTA_TABLE, table);
	return netlink_request(nl, h, NULL, NULL);
}

int netlink_route_add(struct netlink *nl, const struct host_route *r)
{
	return change_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r);
}

int netlink_route_del(struct netlink *nl, const struct host_route *r)
{
	return change_route(nl, RTM_DELROUTE, 0, r);
}

int netlink_route(struct netlink *nl, unsigned ifindex, uint32_t prefix)
{
	struct host_route r = {
		.ifindex = ifindex,
		.len = 32,
		.metric = ROUTE_METRIC,
	};

	put32(r.dst.b, prefix);
	return netlink_route_add(nl, &r);
}
