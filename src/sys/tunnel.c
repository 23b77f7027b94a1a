/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tunnel interface, as the configuration wants it (see tunnel.h). */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "log.h"
#include "preflight.h"
#include "tunnel.h"

static void open_tun(struct tun *t, const struct plan *p)
{
	const char *name = p->conf->iface;
	int r = tun_open(t, name, p->threads, p->conf->offloads);

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

void tunnel_route(struct loop *l, const struct plan *p)
{
	const struct conf *c = p->conf;
	int r = netlink_route(&l->watch->requests, l->watch->tun, c->prefix);
	struct ip6 prefix = {0};

	put32(prefix.b, c->prefix);
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
	int r;

	open_tun(&l->lanes.tun, p);
	l->watch->tun = if_nametoindex(c->iface);
	r = netlink_link_up(&l->watch->requests, l->watch->tun, c->mtu);
	if (r)
		die("cannot set up the interface %s: %s\n"
		    "  is IPv6 off for new interfaces?  sysctl "
		    "net.ipv6.conf.default.disable_ipv6",
		    c->iface, strerror(-r));
}
