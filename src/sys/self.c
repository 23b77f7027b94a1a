/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of this host (see self.h).
 *
 * A relay sends its bubbles from a native address of its own, and the clients'
 * answers come back to it (R29). Any global one will do that can be used right
 * now; a lasting one is better than one that privacy extensions will replace,
 * and the one in use better than another of its kind, since a client may be
 * answering it at this moment.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <poll.h>

#include "log.h"
#include "self.h"

enum {
	REFRESH_TRIES = 5,
	SETTLE_STEP_MS = 100,
	SETTLE_STEPS = 30
};

struct filling {
	struct self_watch *w;
	struct self self;
	const struct self *old;
	int best; /* rank of self.source */
};

int self_open(struct self_watch *w, uint32_t prefix)
{
	int r;

	*w = (struct self_watch){.prefix = prefix};
	/* Events first: what changes during the first dump is not missed. */
	r = netlink_open_events(&w->events);
	return r ? r : netlink_open(&w->requests);
}

void self_close(struct self_watch *w)
{
	netlink_close(&w->events);
	netlink_close(&w->requests);
}

/* How good a source it would be; 0 = none. */
static int rank(const struct filling *f, const struct host_addr *a)
{
	const uint32_t unusable =
		IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
	int r;

	if (a->flags & unusable && !(a->flags & IFA_F_OPTIMISTIC))
		return 0;
	if (a->flags & IFA_F_TEMPORARY)
		r = 2;
	else if (a->flags & IFA_F_PERMANENT)
		r = 6;
	else
		r = 4;
	return r + (f->old->has_source && ip6_equal(&f->old->source, &a->ip6));
}

static void take_ip4(struct filling *f, const struct host_addr *a)
{
	struct self *s = &f->self;

	if (s->n_ip4 == SELF_MAX_IP4) {
		f->w->is_full = true;
		return;
	}
	s->ip4[s->n_ip4].ip = a->ip;
	s->ip4[s->n_ip4++].len = a->len;
}

static void take_ip6(struct filling *f, const struct host_addr *a)
{
	struct self *s = &f->self;
	int r;

	if (!ip6_is_global(&a->ip6) || ip6_is_teredo(&a->ip6, f->w->prefix) ||
	    a->ifindex == f->w->tun)
		return;
	if (s->n_ip6 < SELF_MAX_IP6)
		s->ip6[s->n_ip6++] = a->ip6;
	else
		f->w->is_full = true;
	if (a->flags & IFA_F_TENTATIVE && !(a->flags & IFA_F_DADFAILED))
		f->w->is_tentative = true;
	r = rank(f, a);
	if (r > f->best) {
		f->best = r;
		s->source = a->ip6;
		s->has_source = true;
	}
}

static void take(void *arg, const struct host_addr *a)
{
	if (a->is_ip6)
		take_ip6(arg, a);
	else
		take_ip4(arg, a);
}

static int list(struct self_watch *w, struct self *s)
{
	struct filling f = {.w = w, .old = s};
	int r;

	w->is_tentative = false;
	w->is_full = false;
	r = netlink_addresses(&w->requests, take, &f);
	if (!r)
		*s = f.self;
	return r;
}

/* Lists are asked for when addresses change, so they do while we list them. */
int self_refresh(struct self_watch *w, struct self *s)
{
	bool was_full = w->is_full;
	int r = list(w, s);

	for (int i = 1; i < REFRESH_TRIES && r; i++)
		r = list(w, s);
	if (r)
		w->is_full = was_full;
	else if (w->is_full && !was_full)
		log_warning("this host has more than %d IPv4 or %d IPv6 "
			    "addresses: the others are not known as its own",
			    SELF_MAX_IP4, SELF_MAX_IP6);
	return r;
}

int self_settle(struct self_watch *w, struct self *s, int other)
{
	struct pollfd p[] = {
		{.fd = netlink_fd(&w->events), .events = POLLIN},
		{.fd = other, .events = POLLIN},
	};
	int r = self_refresh(w, s);

	for (int i = 0; i < SETTLE_STEPS && !r; i++) {
		if (s->has_source || !w->is_tentative)
			break;
		poll(p, 2, SETTLE_STEP_MS);
		if (p[1].revents)
			return -ECANCELED;
		netlink_drain(&w->events);
		r = self_refresh(w, s);
	}
	return r;
}

struct search {
	uint32_t ip;
	unsigned exact, near;
};

static void compare(void *arg, const struct host_addr *a)
{
	struct search *s = arg;

	if (a->is_ip6)
		return;
	if (a->ip == s->ip)
		s->exact = a->ifindex;
	else if ((a->ip ^ s->ip) >> 8 == 0)
		s->near = a->ifindex;
}

unsigned self_interface(struct self_watch *w, uint32_t ip)
{
	struct search s = {.ip = ip};

	netlink_addresses(&w->requests, compare, &s);
	return s.exact ? s.exact : s.near;
}
