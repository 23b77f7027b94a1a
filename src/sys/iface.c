/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wish and reality (see iface.h). There is one function, look(), that lists
 * what there is, adds what is missing, then removes what is too much; a new
 * wish, an event from the kernel and a timer all lead to it. So it does not
 * matter which events were lost, or in which order they came.
 *
 * The address is a /128, and its prefix a route of its own by way of a gateway
 * that needs no neighbour entries (netlink.c). Source address selection (6724)
 * has what it needs: the outgoing interface, and the label of 2001::/32.
 *
 * What is ours in the kernel: on our interface the one link-local address and
 * those of the Teredo prefix; routes with our protocol number to it; rules with
 * that number for our table, but for those of another client. Whatever else
 * somebody adds is left alone.
 *
 * Somebody else who removes things may be a person who tries something, or a
 * network manager that does it again and again. The first is put back at once;
 * each further time the gap doubles, until a minute went by without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "event.h"
#include "iface.h"
#include "log.h"

enum {
	LOOK_TRIES = 5,
	HAVE_MAX = 64,
};

#define SECOND    UINT64_C(1000000000)
#define GAP_FIRST (SECOND / 10)
#define GAP_MAX   (60 * SECOND)
#define CALM      (60 * SECOND)

const struct ip6 iface_link_local = {
	{0xfe, 0x80, [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* What there is. */
struct have {
	unsigned n;
	struct item v[HAVE_MAX];
};

int iface_open_sysctl(void)
{
	return open("/proc/sys/net/ipv6/conf",
		    O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void iface_hush(int sysctl, const char *name)
{
	char path[IFNAMSIZ + 16];
	int fd;

	/* With accept_ra the kernel would send Router Solicitations as soon as
	 * there is a link-local address. */
	snprintf(path, sizeof(path), "%s/accept_ra", name);
	fd = openat(sysctl, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		log_debug("cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static uint32_t table_of(const struct conf *c)
{
	return c->route_table == RT_TABLE_MAIN ? 0 : c->route_table;
}

bool iface_wants_default(const struct conf *c, bool host_native)
{
	switch (c->default_route) {
	case DEFAULT_ROUTE_YES:
		return true;
	case DEFAULT_ROUTE_NO:
		return false;
	case DEFAULT_ROUTE_AUTO:
		/* In a table of its own it is in nobody's way. */
		return table_of(c) || !host_native;
	}
	return false;
}

static void want(struct iface *i, struct item it)
{
	i->want[i->n++] = it;
}

static void want_addresses(struct iface *i)
{
	for (unsigned k = 0; k < i->n_addresses; k++) {
		want(i, (struct item){.kind = ITEM_ADDRESS,
				      .ip6 = i->address[k],
				      .len = 128,
				      .deprecated = k > 0});
		if (i->table)
			want(i, (struct item){.kind = ITEM_RULE,
					      .ip6 = i->address[k],
					      .len = 128,
					      .table = i->table});
	}
}

static void want_routes(struct iface *i)
{
	struct item route = {
		.kind = ITEM_ROUTE,
		.len = 32,
		/* The rules of a table are those of the addresses. */
		.table = i->is_up ? i->table : 0,
		.metric = ROUTE_METRIC,
	};

	put32(route.ip6.b, i->conf->prefix);
	want(i, route);
	if (i->is_up && iface_wants_default(i->conf, i->host_native))
		want(i, (struct item){.kind = ITEM_ROUTE,
				      .table = i->table,
				      .metric = i->conf->route_metric});
}

static int find(const struct item *v, unsigned n, const struct item *it)
{
	for (unsigned k = 0; k < n; k++) {
		if (item_equal(&v[k], it))
			return (int)k;
	}
	return -1;
}

/* List what ought to be; what stays keeps its mark. */
static void list_wanted(struct iface *i)
{
	const struct iface old = *i;

	i->n = 0;
	want(i, (struct item){.kind = ITEM_ADDRESS,
			      .ip6 = iface_link_local,
			      .len = 64});
	if (i->is_up)
		want_addresses(i);
	/* Without an address: for the host-specific relay (4380 §5.5). */
	if (i->is_up || i->native)
		want_routes(i);
	for (unsigned k = 0; k < i->n; k++) {
		int at = find(old.want, old.n, &i->want[k]);

		i->placed[k] = at >= 0 && old.placed[at];
	}
}

/* For the next line in the log. */
static void note(struct iface *i, const char *what, const char *how)
{
	size_t n = strlen(i->notes);

	snprintf(i->notes + n, sizeof(i->notes) - n, "%s%s %s", n ? ", " : "",
		 what, how);
}

static void say(struct iface *i, uint64_t now)
{
	const struct event_facts f = event_facts(EVENT_PUT_BACK);

	if (!i->notes[0] || now < i->say_at)
		return;
	log_event(LOG_WARNING, &f,
		  "%s: somebody else changed this, put back: %s", i->name,
		  i->notes);
	i->notes[0] = '\0';
	i->say_at = now + SECOND;
}

/* The interface is up and can do IPv6. */
static int mend_link(struct iface *i)
{
	struct host_link link;
	int r = netlink_link(&i->requests, i->ifindex, &link);

	if (r || (link.is_up && link.mtu >= TEREDO_MTU))
		return r;
	note(i, "the interface",
	     link.is_up ? "had its MTU changed" : "was set down");
	/* All went with it. */
	memset(i->placed, 0, sizeof(i->placed));
	r = netlink_link_up(&i->requests, i->ifindex, i->mtu);
	iface_hush(i->sysctl, i->name);
	return r;
}

static void take(void *arg, const struct item *it)
{
	struct have *h = arg;

	if (h->n < HAVE_MAX)
		h->v[h->n++] = *it;
}

struct elsewhere {
	const struct ip6 *address;
	unsigned ifindex; /* ours */
	bool found;
};

static void compare(void *arg, const struct host_addr *a)
{
	struct elsewhere *e = arg;

	if (a->is_ip6 && a->ifindex != e->ifindex &&
	    ip6_equal(&a->ip6, e->address))
		e->found = true;
}

/* Another client may share our table; its rules are those of its addresses. */
static bool is_elsewhere(struct iface *i, const struct ip6 *a)
{
	struct elsewhere e = {.address = a, .ifindex = i->ifindex};

	return netlink_addresses(&i->requests, compare, &e) || e.found;
}

static bool is_ours(struct iface *i, const struct item *it)
{
	switch (it->kind) {
	case ITEM_ADDRESS:
		return ip6_is_teredo(&it->ip6, i->conf->prefix) ||
		       ip6_equal(&it->ip6, &iface_link_local);
	case ITEM_ROUTE:
		return true;
	case ITEM_RULE:
		return (it->table == i->table || it->table == i->old_table) &&
		       !is_elsewhere(i, &it->ip6);
	}
	return false;
}

static void failed(struct iface *i, const struct item *it, int error)
{
	char text[ITEM_TEXT];

	if (i->error == error)
		return; /* said before */
	i->error = error;
	item_text(text, it);
	log_error(
		"cannot set %s on %s: %s\n  %s", text, i->name,
		strerror(-error),
		error == -EEXIST
			? "there is another one: see  ip -6 route\n"
			  "  for one more client:  RouteTable N"
			: "is IPv6 off there?  see  sysctl -a -r disable_ipv6");
}

/* The kernel would change the length of an address by removing it only. */
static void remove_namesake(struct iface *i, const struct item *it,
			    const struct have *h)
{
	for (unsigned k = 0; k < h->n; k++) {
		if (h->v[k].kind == ITEM_ADDRESS && h->v[k].len != it->len &&
		    ip6_equal(&h->v[k].ip6, &it->ip6))
			item_remove(&i->requests, i->ifindex, &h->v[k]);
	}
}

/* Make sure of want[k]. 0 or -errno */
static int place(struct iface *i, unsigned k, const struct have *h)
{
	const struct item *it = &i->want[k];
	int at = find(h->v, h->n, it), r;
	char text[ITEM_TEXT];

	if (at >= 0 && h->v[at].deprecated == it->deprecated) {
		i->placed[k] = true;
		return 0;
	}
	if (at < 0 && i->placed[k]) {
		item_text(text, it);
		note(i, text, "was removed");
	}
	if (it->kind == ITEM_ADDRESS)
		remove_namesake(i, it, h);
	r = item_put(&i->requests, i->ifindex, it);
	if (r == -EEXIST && it->kind == ITEM_RULE)
		r = 0; /* Linux before 4.17 forgets whose it is */
	i->placed[k] = r == 0;
	if (r)
		failed(i, it, r);
	return r;
}

/* Add first, then remove: there is no moment without an address. */
static int reconcile(struct iface *i, const struct have *h)
{
	int r = 0;

	for (unsigned k = 0; k < i->n; k++) {
		int this = place(i, k, h);

		r = r ? r : this;
	}
	for (unsigned k = 0; k < h->n; k++) {
		if (find(i->want, i->n, &h->v[k]) < 0 && is_ours(i, &h->v[k]))
			item_remove(&i->requests, i->ifindex, &h->v[k]);
	}
	return r;
}

static int look_once(struct iface *i)
{
	struct have h = {0};
	int r = mend_link(i);

	if (!r)
		r = item_list(&i->requests, i->ifindex, take, &h);
	if (r)
		return r;
	list_wanted(i);
	return reconcile(i, &h);
}

/* Something was removed: be slower the next time. */
static void slow_down(struct iface *i, uint64_t now)
{
	if (now >= i->calm_at)
		i->gap = 0;
	i->gap = i->gap ? i->gap * 2 : GAP_FIRST;
	if (i->gap > GAP_MAX)
		i->gap = GAP_MAX;
	i->calm_at = now + i->gap + CALM;
}

static int look(struct iface *i, uint64_t now)
{
	size_t noted = strlen(i->notes);
	int r = -EINTR;

	for (unsigned n = 0; r == -EINTR && n < LOOK_TRIES; n++)
		r = look_once(i);
	i->look_at = UINT64_MAX;
	if (strlen(i->notes) > noted)
		slow_down(i, now);
	if (r) {
		i->retry = i->retry ? i->retry * 2 : SECOND;
		if (i->retry > GAP_MAX)
			i->retry = GAP_MAX;
		i->look_at = now + i->retry;
	} else {
		i->retry = 0;
		i->error = 0;
	}
	say(i, now);
	return r;
}

int iface_open_link(struct iface *i, const struct conf *c, unsigned ifindex)
{
	*i = (struct iface){.conf = c, .ifindex = ifindex, .mtu = c->mtu};
	return netlink_open(&i->requests);
}

int iface_set_mtu(struct iface *i, uint16_t mtu)
{
	int r = netlink_link_mtu(&i->requests, i->ifindex, mtu);

	if (!r)
		i->mtu = mtu;
	return r;
}

int iface_open(struct iface *i, const struct conf *c, const char *name,
	       unsigned ifindex, int sysctl, uint64_t now)
{
	int r;

	*i = (struct iface){
		.conf = c,
		.name = name,
		.ifindex = ifindex,
		.mtu = c->mtu,
		.sysctl = sysctl,
	};
	i->table = i->old_table = table_of(c);
	/* Events first: nothing is missed. */
	r = netlink_open_watch(&i->events);
	if (!r)
		r = netlink_open(&i->requests);
	if (r)
		return r;
	iface_hush(sysctl, name);
	return look(i, now);
}

int iface_wish(struct iface *i, const struct steward_wish *w, uint64_t now)
{
	i->is_up = w->is_up;
	i->native = w->native;
	i->host_native = w->host_native;
	i->n_addresses = w->n;
	memcpy(i->address, w->address, sizeof(i->address));
	return look(i, now);
}

int iface_configure(struct iface *i, const struct conf *c, uint64_t now)
{
	if (table_of(c) != i->table)
		i->old_table = i->table;
	i->table = table_of(c);
	i->conf = c;
	return look(i, now);
}

void iface_events(struct iface *i, uint64_t now)
{
	uint64_t from = i->calm_at > CALM ? i->calm_at - CALM : 0;

	if (!item_events(&i->events, i->ifindex, &i->requests))
		return;
	if (from < now)
		from = now;
	if (from < i->look_at)
		i->look_at = from;
}

uint64_t iface_next(const struct iface *i)
{
	if (i->notes[0] && i->say_at < i->look_at)
		return i->say_at;
	return i->look_at;
}

int iface_timeout(struct iface *i, uint64_t now)
{
	int r = 0;

	if (now >= i->look_at)
		r = look(i, now);
	say(i, now);
	return r;
}

void iface_close(struct iface *i)
{
	struct have h = {0};

	if (item_list(&i->requests, i->ifindex, take, &h))
		return;
	for (unsigned k = h.n; k-- > 0;) {
		if (is_ours(i, &h.v[k]))
			item_remove(&i->requests, i->ifindex, &h.v[k]);
	}
}
