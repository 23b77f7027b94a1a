/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tunnel interface, as the configuration wants it (see tunnel.h). */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "fdstore.h"
#include "hook.h"
#include "item.h"
#include "log.h"
#include "preflight.h"
#include "tunnel.h"

/* By what name its queues are kept; NULL: they are not. A script of somebody's
 * finds a new interface each time, as ever. */
static const char *kind_of(const struct plan *p)
{
	if (p->options->tun_fd >= 0)
		return NULL;
	if (!p->node.is_client)
		return p->node.is_relay ? "tun-relay" : NULL;
	return hooks_have_script(p->conf) ? NULL : "tun-client";
}

bool tunnel_fits(const struct plan *p, const char *kind, unsigned thread,
		 int fd)
{
	const char *ours = kind_of(p);

	return ours && strcmp(kind, ours) == 0 && thread < p->threads &&
	       tun_fits(fd, p->conf->iface, p->threads, p->conf->offloads);
}

bool tunnel_is_kept(const struct plan *p)
{
	return kind_of(p) && fdstore_peek(kind_of(p), 0) >= 0;
}

void tunnel_store(const struct tun *t, const struct plan *p)
{
	for (unsigned i = 0; kind_of(p) && i < t->n; i++)
		fdstore_put(kind_of(p), i, t->fd[i]);
}

/* Queues that were kept; how many. */
static unsigned kept(int fd[static QUEUES_MAX], const struct plan *p)
{
	unsigned n = 0;

	while (kind_of(p) && n < QUEUES_MAX &&
	       (fd[n] = fdstore_take(kind_of(p), n)) >= 0)
		n++;
	return n;
}

/* true: it is the one that was kept. */
static bool open_tun(struct tun *t, const struct plan *p)
{
	const char *name = p->conf->iface;
	int fd[QUEUES_MAX], r;
	unsigned n = kept(fd, p);

	if (n) {
		tun_resume(t, fd, n, name, p->threads, p->conf->offloads);
		return true;
	}
	r = tun_open(t, name, p->threads, p->conf->offloads);

	if (r == -ENOENT || r == -ENODEV || r == -ENXIO)
		die("there is no /dev/net/tun\n"
		    "  get it:  modprobe tun  (in a container: --device "
		    "/dev/net/tun)\n"
		    "  or:  mkdir -p /dev/net; mknod /dev/net/tun c 10 200");
	if (r == -EACCES || r == -EPERM)
		die("this process may not use /dev/net/tun\n"
		    "  start as root  (in a container: --device /dev/net/tun)\n"
		    "  or:  chmod 666 /dev/net/tun");
	if (r == -EBUSY)
		die("there is already an interface \"%s\"\n"
		    "  use another name: -i NAME",
		    name);
	if (r)
		die("cannot create the interface %s: %s", name, strerror(-r));
	return false;
}

void tunnel_adopt(struct loop *l, const struct plan *p,
		  char name[static IFNAMSIZ])
{
	struct host_link link;
	int r = tun_adopt(&l->lanes.tun, p->options->tun_fd, name);

	if (r)
		die("descriptor %d is no tun device without header: %s",
		    p->options->tun_fd, strerror(-r));
	l->watch->tun = if_nametoindex(name);
	r = netlink_link(&l->watch->requests, l->watch->tun, &link);
	if (r)
		die("cannot look at the interface %s: %s", name, strerror(-r));
	if (link.mtu < TEREDO_MTU || link.mtu > PACKET_SPACE)
		die("the interface %s has an MTU of %u: it must be %d to %d\n"
		    "  set it:  ip link set dev %s mtu %d",
		    name, link.mtu, TEREDO_MTU, PACKET_SPACE, name, TEREDO_MTU);
}

struct wanted {
	const struct ip6 *prefix;
	bool found;
};

static void compare(void *arg, const struct item *it)
{
	struct wanted *w = arg;

	if (it->kind == ITEM_ROUTE && it->len == 32 &&
	    ip6_equal(&it->ip6, w->prefix))
		w->found = true;
}

static bool has_route(struct loop *l, const struct ip6 *prefix)
{
	struct wanted w = {.prefix = prefix};

	return item_list(&l->watch->requests, l->watch->tun, compare, &w) ==
		       0 &&
	       w.found;
}

void tunnel_route(struct loop *l, const struct plan *p)
{
	const struct conf *c = p->conf;
	int r = netlink_route(&l->watch->requests, l->watch->tun, c->prefix);
	struct ip6 prefix = {0};

	put32(prefix.b, c->prefix);
	if (r == -EEXIST && has_route(l, &prefix))
		return; /* of an interface that was kept */
	if (r == -EEXIST)
		die("there is already a route to the Teredo prefix\n"
		    "  see it:  ip -6 route show %s/32",
		    ip6_text(&prefix));
	if (r)
		die("cannot set a route to %s: %s\n"
		    "  is IPv6 off for new interfaces?  sysctl "
		    "net.ipv6.conf.default.disable_ipv6",
		    c->iface, strerror(-r));
}

void tunnel_make(struct loop *l, const struct plan *p)
{
	const struct conf *c = p->conf;
	bool is_kept;
	int r;

	is_kept = open_tun(&l->lanes.tun, p);
	l->watch->tun = if_nametoindex(c->iface);
	r = is_kept ? netlink_link_keep(&l->watch->requests, l->watch->tun,
					c->mtu)
		    : netlink_link_up(&l->watch->requests, l->watch->tun,
				      c->mtu);
	if (r)
		die("cannot set up the interface %s: %s\n"
		    "  is IPv6 off for new interfaces?  sysctl "
		    "net.ipv6.conf.default.disable_ipv6",
		    c->iface, strerror(-r));
}
