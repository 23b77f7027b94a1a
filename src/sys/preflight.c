/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host must have (see preflight.h). */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <time.h>

#include "log.h"
#include "preflight.h"
#include "tunnel.h"

const char *ip4_text(uint32_t ip)
{
	static char text[4][INET_ADDRSTRLEN];
	static unsigned at;
	const struct in_addr a = {htonl(ip)};

	at = (at + 1) % 4;
	return inet_ntop(AF_INET, &a, text[at], sizeof(text[at]));
}

const char *ip6_text(const struct ip6 *a)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(AF_INET6, a->b, text, sizeof(text));
}

const char *date_text(time_t t)
{
	static char text[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	return text;
}

static void check_present(struct self_watch *w, const struct self *s,
			  uint32_t ip, uint32_t other)
{
	char name[IF_NAMESIZE] = "DEVICE";
	unsigned ifindex;

	if (self_has_ip4(s, ip) || w->is_full)
		return; /* bind() will tell of one that was not listed */
	ifindex = self_interface(w, other);
	if (!ifindex)
		ifindex = self_interface(w, ip);
	if (ifindex)
		if_indextoname(ifindex, name);
	die("%s is not an address of this host\n"
	    "  add it:  ip address add %s/32 dev %s",
	    ip4_text(ip), ip4_text(ip), name);
}

void preflight_server(const struct plan *p, struct self_watch *w,
		      const struct self *s)
{
	const struct server_conf *c = &p->node.server;

	check_present(w, s, c->primary, c->secondary);
	check_present(w, s, c->secondary, c->primary);
}

static bool is_forwarding(void)
{
	FILE *f = fopen("/proc/sys/net/ipv6/conf/all/forwarding", "re");
	bool yes = !f || fgetc(f) != '0';

	if (f)
		fclose(f);
	return yes;
}

static void check_iface(const struct plan *p)
{
	const char *name = p->conf->iface;

	if (p->options->tun_fd < 0 && !tunnel_is_kept(p) &&
	    if_nametoindex(name))
		die("there is already an interface \"%s\"\n"
		    "  remove it:  ip link delete %s  (or use another name: "
		    "-i NAME)",
		    name, name);
}

void preflight_relay(const struct plan *p, const struct self *s)
{
	if (!s->has_source)
		die("a relay needs a native IPv6 address of this host, and "
		    "there is none that is global and usable\n"
		    "  add yours, such as:  ip -6 address add 2a00:1::1/64 dev "
		    "eth0\n"
		    "  to get IPv6 from a Teredo server, be a client:  miredo "
		    "SERVER");
	check_iface(p);
	if (!p->node.relay.host_only && !is_forwarding())
		log_warning("IPv6 forwarding is off: this relay serves only "
			    "this host\n"
			    "  to serve others:  sysctl -w "
			    "net.ipv6.conf.all.forwarding=1");
}

void preflight_client(const struct plan *p)
{
	check_iface(p);
}

void preflight_sunset(const struct conf *c)
{
	if (c->sunset && time(NULL) >= c->sunset)
		die("the service ended on %s\n"
		    "  to go on, change or remove Sunset in the configuration",
		    date_text(c->sunset));
}
