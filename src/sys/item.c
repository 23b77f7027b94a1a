/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, routes and rules as netlink messages (see item.h). Addresses are
 * made without duplicate detection, since nobody on this link answers it, and
 * without a route to their prefix: routes are items of their own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "item.h"

enum {
	ATTRS = 32, /* types that we look at are smaller */
};

struct listing {
	item_fn *fn;
	void *arg;
	unsigned ifindex;
};

bool item_equal(const struct item *a, const struct item *b)
{
	return a->kind == b->kind && a->len == b->len &&
	       ip6_equal(&a->ip6, &b->ip6) && a->table == b->table &&
	       a->metric == b->metric;
}

void item_text(char text[static ITEM_TEXT], const struct item *it)
{
	char ip6[INET6_ADDRSTRLEN], table[24] = "";

	inet_ntop(AF_INET6, &it->ip6, ip6, sizeof(ip6));
	if (it->table)
		snprintf(table, sizeof(table), " (table %u)", it->table);
	switch (it->kind) {
	case ITEM_ADDRESS:
		snprintf(text, ITEM_TEXT, "the address %s", ip6);
		break;
	case ITEM_ROUTE:
		snprintf(text, ITEM_TEXT, "the route to %s/%u%s", ip6, it->len,
			 table);
		break;
	case ITEM_RULE:
		snprintf(text, ITEM_TEXT, "the rule for %s%s", ip6, table);
		break;
	}
}

static int change_address(struct netlink *nl, unsigned ifindex,
			  const struct item *it, uint16_t type, uint16_t flags)
{
	const struct ifa_cacheinfo life = {
		.ifa_prefered = it->deprecated ? 0 : UINT32_MAX,
		.ifa_valid = UINT32_MAX,
	};
	const struct ifaddrmsg m = {
		.ifa_family = AF_INET6,
		.ifa_prefixlen = it->len,
		.ifa_index = ifindex,
	};
	char buf[256];
	struct nlmsghdr *h =
		netlink_begin(buf, type, NLM_F_ACK | flags, &m, sizeof(m));

	mnl_attr_put(h, IFA_LOCAL, sizeof(it->ip6), &it->ip6);
	mnl_attr_put(h, IFA_ADDRESS, sizeof(it->ip6), &it->ip6);
	if (type == RTM_NEWADDR) {
		mnl_attr_put_u32(h, IFA_FLAGS,
				 IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
		mnl_attr_put(h, IFA_CACHEINFO, sizeof(life), &life);
	}
	return netlink_request(nl, h, NULL, NULL);
}

static int change_rule(struct netlink *nl, const struct item *it, uint16_t type,
		       uint16_t flags)
{
	const struct fib_rule_hdr m = {
		.family = AF_INET6,
		.src_len = it->len,
		.table = it->table < 256 ? (uint8_t)it->table : RT_TABLE_UNSPEC,
		.action = FR_ACT_TO_TBL,
	};
	char buf[256];
	struct nlmsghdr *h =
		netlink_begin(buf, type, NLM_F_ACK | flags, &m, sizeof(m));

	mnl_attr_put(h, FRA_SRC, sizeof(it->ip6), &it->ip6);
	mnl_attr_put_u32(h, FRA_PRIORITY, RULE_PRIORITY);
	mnl_attr_put_u32(h, FRA_TABLE, it->table);
	mnl_attr_put_u8(h, FRA_PROTOCOL, ROUTE_PROTOCOL);
	return netlink_request(nl, h, NULL, NULL);
}

static struct host_route route_of(unsigned ifindex, const struct item *it)
{
	return (struct host_route){
		.ifindex = ifindex,
		.dst = it->ip6,
		.len = it->len,
		.table = it->table,
		.metric = it->metric,
	};
}

int item_put(struct netlink *nl, unsigned ifindex, const struct item *it)
{
	const struct host_route route = route_of(ifindex, it);

	switch (it->kind) {
	case ITEM_ADDRESS:
		return change_address(nl, ifindex, it, RTM_NEWADDR,
				      NLM_F_CREATE | NLM_F_REPLACE);
	case ITEM_ROUTE:
		return netlink_route_add(nl, &route);
	case ITEM_RULE:
		return change_rule(nl, it, RTM_NEWRULE,
				   NLM_F_CREATE | NLM_F_EXCL);
	}
	return -EINVAL;
}

int item_remove(struct netlink *nl, unsigned ifindex, const struct item *it)
{
	const struct host_route route = route_of(ifindex, it);

	switch (it->kind) {
	case ITEM_ADDRESS:
		return change_address(nl, ifindex, it, RTM_DELADDR, 0);
	case ITEM_ROUTE:
		return netlink_route_del(nl, &route);
	case ITEM_RULE:
		return change_rule(nl, it, RTM_DELRULE, 0);
	}
	return -EINVAL;
}

static int on_attr(const struct nlattr *a, void *arg)
{
	const struct nlattr **attr = arg;

	if (mnl_attr_get_type(a) < ATTRS)
		attr[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static uint32_t u32_of(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : 0;
}

static bool ip6_of(struct ip6 *to, const struct nlattr *a)
{
	if (!a || mnl_attr_get_payload_len(a) < sizeof(*to))
		return false;
	memcpy(to, mnl_attr_get_payload(a), sizeof(*to));
	return true;
}

static void on_address(void *arg, const struct host_addr *a)
{
	const struct item it = {
		.kind = ITEM_ADDRESS,
		.ip6 = a->ip6,
		.len = a->len,
		.deprecated = a->flags & IFA_F_DEPRECATED,
	};
	struct listing *l = arg;

	if (a->is_ip6 && a->ifindex == l->ifindex)
		l->fn(l->arg, &it);
}

static int on_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr[ATTRS] = {0};
	struct item it = {.kind = ITEM_ROUTE, .len = m->rtm_dst_len};
	struct listing *l = arg;
	uint32_t table;

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_family != AF_INET6)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*m), on_attr, attr);
	table = attr[RTA_TABLE] ? u32_of(attr[RTA_TABLE]) : m->rtm_table;
	it.table = table == RT_TABLE_MAIN ? 0 : table;
	it.metric = u32_of(attr[RTA_PRIORITY]);
	ip6_of(&it.ip6, attr[RTA_DST]);
	if (u32_of(attr[RTA_OIF]) == l->ifindex &&
	    m->rtm_protocol == ROUTE_PROTOCOL)
		l->fn(l->arg, &it);
	return MNL_CB_OK;
}

static int on_rule(const struct nlmsghdr *h, void *arg)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr[ATTRS] = {0}, *protocol;
	struct item it = {.kind = ITEM_RULE, .len = m->src_len};
	struct listing *l = arg;

	if (h->nlmsg_type != RTM_NEWRULE || m->family != AF_INET6)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*m), on_attr, attr);
	protocol = attr[FRA_PROTOCOL];
	if (!protocol || mnl_attr_get_u8(protocol) != ROUTE_PROTOCOL ||
	    u32_of(attr[FRA_PRIORITY]) != RULE_PRIORITY ||
	    !ip6_of(&it.ip6, attr[FRA_SRC]))
		return MNL_CB_OK;
	it.table = attr[FRA_TABLE] ? u32_of(attr[FRA_TABLE]) : m->table;
	l->fn(l->arg, &it);
	return MNL_CB_OK;
}

static int dump(struct netlink *nl, uint16_t type, mnl_cb_t fn,
		struct listing *l)
{
	const struct rtmsg all = {.rtm_family = AF_INET6};
	char buf[256];

	static_assert(sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr),
		      "both begin with the family");
	return netlink_request(
		nl, netlink_begin(buf, type, NLM_F_DUMP, &all, sizeof(all)), fn,
		l);
}

int item_list(struct netlink *nl, unsigned ifindex, item_fn *fn, void *arg)
{
	struct listing l = {.fn = fn, .arg = arg, .ifindex = ifindex};
	int r = netlink_addresses(nl, on_address, &l);

	if (!r)
		r = dump(nl, RTM_GETROUTE, on_route, &l);
	if (!r)
		r = dump(nl, RTM_GETRULE, on_rule, &l);
	return r == -EOPNOTSUPP ? 0 : r; /* a kernel without rules */
}

struct watch {
	unsigned ifindex, self;
	bool found;
};

static bool concerns_route(const struct nlmsghdr *h, unsigned ifindex)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr[ATTRS] = {0};

	if (m->rtm_family != AF_INET6)
		return false;
	mnl_attr_parse(h, sizeof(*m), on_attr, attr);
	return m->rtm_dst_len == 0 || u32_of(attr[RTA_OIF]) == ifindex;
}

static bool concerns(const struct nlmsghdr *h, unsigned ifindex)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(h);
	const struct ifaddrmsg *addr = mnl_nlmsg_get_payload(h);

	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link->ifi_index == (int)ifindex;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return addr->ifa_index == ifindex;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return concerns_route(h, ifindex);
	case RTM_DELRULE:
		return true;
	}
	return false;
}

static int on_event(const struct nlmsghdr *h, void *arg)
{
	struct watch *w = arg;

	if (h->nlmsg_pid != w->self && concerns(h, w->ifindex))
		w->found = true;
	return MNL_CB_OK;
}

bool item_events(struct netlink *events, unsigned ifindex,
		 const struct netlink *self)
{
	struct watch w = {.ifindex = ifindex, .self = self->port};
	char buf[32768];
	ssize_t n;

	for (;;) {
		n = recv(netlink_fd(events), buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			mnl_cb_run(buf, (size_t)n, 0, 0, on_event, &w);
		else if (n < 0 && errno == ENOBUFS)
			w.found = true; /* some were lost */
		else if (n == 0 || errno != EINTR)
			return w.found;
	}
}
