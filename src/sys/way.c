/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to the routing table (see way.h). The kernel is asked for the route
 * that a datagram of ours would take, so rules, marks and several tables need
 * no knowledge here.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "../core/wire.h"
#include "way.h"

int way_open(struct way_watch *w, unsigned tun)
{
	int r;

	*w = (struct way_watch){.tun = tun};
	r = netlink_open_groups(&w->events, RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
						    RTMGRP_IPV4_ROUTE |
						    RTMGRP_IPV4_RULE |
						    RTMGRP_IPV6_ROUTE);
	return r ? r : netlink_open(&w->requests);
}

void way_close(struct way_watch *w)
{
	netlink_close(&w->events);
	netlink_close(&w->requests);
}

static int on_attr(const struct nlattr *a, void *arg)
{
	const struct nlattr **attr = arg;

	if (mnl_attr_get_type(a) <= RTA_MAX)
		attr[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static unsigned oif_of(const struct nlattr *const *attr)
{
	return attr[RTA_OIF] ? mnl_attr_get_u32(attr[RTA_OIF]) : 0;
}

static bool is_other_link(struct way_watch *w, const struct ifinfomsg *m,
			  uint16_t type)
{
	unsigned i = (unsigned)m->ifi_index;

	if (i == w->tun)
		return false;
	if (i == w->oif &&
	    (type == RTM_DELLINK || !(m->ifi_flags & IFF_RUNNING)))
		w->went_down = true;
	return true;
}

static bool is_other_route(const struct way_watch *w, const struct nlmsghdr *h)
{
	const struct nlattr *attr[RTA_MAX + 1] = {0};
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);

	/* What the kernel learned about single destinations. */
	if (m->rtm_flags & RTM_F_CLONED || m->rtm_protocol == ROUTE_PROTOCOL)
		return false;
	mnl_attr_parse(h, sizeof(*m), on_attr, attr);
	return oif_of(attr) != w->tun;
}

/* Addresses and routes of the tunnel change nothing, lest we see ourselves. */
static bool is_other(struct way_watch *w, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *a = mnl_nlmsg_get_payload(h);

	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return is_other_link(w, mnl_nlmsg_get_payload(h),
				     h->nlmsg_type);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return a->ifa_index != w->tun;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return is_other_route(w, h);
	default:
		return true;
	}
}

bool way_drain(struct way_watch *w)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	bool changed = false;
	ssize_t got;

	for (;;) {
		const struct nlmsghdr *h = (const void *)buf;
		int n;

		got = recv(netlink_fd(&w->events), buf, sizeof(buf),
			   MSG_DONTWAIT);
		if (got < 0 && errno == ENOBUFS)
			changed = true; /* some were lost */
		else if (got < 0)
			return changed;
		for (n = (int)got; got > 0 && mnl_nlmsg_ok(h, n);
		     h = mnl_nlmsg_next(h, &n))
			changed |= is_other(w, h);
	}
}

static uint32_t ip_of(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 4
		       ? be32(mnl_attr_get_payload(a))
		       : 0;
}

static int on_route(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *attr[RTA_MAX + 1] = {0};
	struct way *way = arg;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(struct rtmsg), on_attr, attr);
	way->source = ip_of(attr[RTA_PREFSRC]);
	way->gateway = ip_of(attr[RTA_GATEWAY]);
	way->oif = oif_of(attr);
	return MNL_CB_STOP;
}

static int ask_way(struct way_watch *w, const struct way_by *by,
		   uint32_t server, unsigned flags, struct way *way)
{
	const struct rtmsg m = {
		.rtm_family = AF_INET,
		.rtm_dst_len = 32,
		.rtm_src_len = by->source ? 32 : 0,
		.rtm_flags = flags,
	};
	char buf[256];
	struct nlmsghdr *h = netlink_begin(buf, RTM_GETROUTE, 0, &m, sizeof(m));

	mnl_attr_put_u32(h, RTA_DST, htonl(server));
	if (by->source)
		mnl_attr_put_u32(h, RTA_SRC, htonl(by->source));
	if (by->oif)
		mnl_attr_put_u32(h, RTA_OIF, by->oif);
	if (by->mark)
		mnl_attr_put_u32(h, RTA_MARK, by->mark);
	*way = (struct way){0};
	return netlink_request(&w->requests, h, on_route, way);
}

static bool means_no_way(int r)
{
	switch (r) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EACCES: /* a route that prohibits */
	case -EINVAL: /* one that blackholes; or our address is gone */
	case -ENODEV:
	case -ENETDOWN:
		return true;
	default:
		return false;
	}
}

int way_find(struct way_watch *w, const struct way_by *by, uint32_t server,
	     struct way *way)
{
	int r = 0;

	/* For who is bound to an interface everybody is on its link, if there
	 * is no route: so look first whether there is one. */
	if (by->oif)
		r = ask_way(w, by, server, RTM_F_FIB_MATCH, way);
	if (!r)
		r = ask_way(w, by, server, 0, way);
	if (r) {
		*way = (struct way){0};
		return means_no_way(r) ? 0 : r;
	}
	if (by->source && way->oif)
		way->source = by->source;
	return 0;
}

bool way_take(struct way_watch *w, struct way *old, const struct way *new)
{
	bool is_new = w->went_down || old->source != new->source ||
		      old->gateway != new->gateway || old->oif != new->oif;

	*old = *new;
	w->oif = new->oif;
	w->went_down = false;
	return is_new;
}

/* Packets that took it would not get anywhere. */
static bool is_dead(unsigned flags)
{
	return flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN);
}

/* One of several ways of a route that is not ours, and works. */
static bool has_other_hop(const struct nlattr *a, unsigned tun)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(a);
	int left = mnl_attr_get_payload_len(a);

	while (RTNH_OK(hop, left)) {
		int len = RTNH_ALIGN(hop->rtnh_len);

		if (hop->rtnh_ifindex != (int)tun && !is_dead(hop->rtnh_flags))
			return true;
		hop = (const void *)((const char *)hop + len);
		left -= len;
	}
	return false;
}

struct native {
	unsigned tun;
	bool found;
};

static int on_ip6_route(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *attr[RTA_MAX + 1] = {0};
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct native *n = arg;

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_dst_len != 0 ||
	    m->rtm_src_len != 0 || m->rtm_type != RTN_UNICAST ||
	    m->rtm_table != RT_TABLE_MAIN || m->rtm_flags & RTM_F_CLONED ||
	    m->rtm_protocol == ROUTE_PROTOCOL)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*m), on_attr, attr);
	if (attr[RTA_MULTIPATH])
		n->found |= has_other_hop(attr[RTA_MULTIPATH], n->tun);
	else
		n->found |= oif_of(attr) != n->tun && !is_dead(m->rtm_flags);
	return MNL_CB_OK;
}

int way_native(struct way_watch *w, bool *native)
{
	struct native n = {.tun = w->tun};
	const struct rtmsg all = {.rtm_family = AF_INET6};
	char buf[256];
	int r;

	r = netlink_request(&w->requests,
			    netlink_begin(buf, RTM_GETROUTE, NLM_F_DUMP, &all,
					  sizeof(all)),
			    on_ip6_route, &n);
	if (!r)
		*native = n.found;
	return r;
}
