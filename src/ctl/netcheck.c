/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `miredoctl netcheck`: without the daemon and without rights. Names have two
 * seconds, the core has the rest; see netcheck.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "../core/ratelim.h"
#include "../sys/self.h"
#include "../sys/udp.h"
#include "netcheck.h"

enum {
	NAMES_MS = 2000,
	TICK_MS = 100, /* of what a terminal shows */
};

/* 192.0.2.1: where most of the Internet is. Nothing is sent there. */
static const uint32_t outside = 0xc0000201;

static const enum door doors[] = {NETCHECK_MAIN, NETCHECK_FRESH,
				  NETCHECK_THIRD};

uint64_t check_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* --- the command line --- */

/* SERVER or FIRST,SECOND. */
static bool take_server(struct check *c, unsigned i, const char *text)
{
	const char *comma = strchr(text, ',');
	char first[HOST_SPACE];

	if (strlen(text) >= sizeof(c->name[i]))
		return false;
	strcpy(c->name[i], text);
	c->has_second[i] = comma != NULL;
	if (comma) {
		if ((size_t)(comma - text) >= sizeof(first))
			return false;
		memcpy(first, text, (size_t)(comma - text));
		first[comma - text] = '\0';
		return value_host(c->first[i].host, first) &&
		       value_host(c->second[i].host, comma + 1);
	}
	return value_host(c->first[i].host, text);
}

static bool take_allowed(struct gate *g, const char *text)
{
	char one[32];

	while (g->n_allow < GATE_MAX_RULES) {
		size_t n = strcspn(text, ",");

		if (n >= sizeof(one))
			return false;
		memcpy(one, text, n);
		one[n] = '\0';
		if (!value_ip4_prefix(&g->allow[g->n_allow++], one))
			return false;
		if (!text[n])
			return true;
		text += n + 1;
	}
	return false;
}

static bool take_host(struct netcheck_conf *conf, const char *text)
{
	struct ip6 *a = &conf->host;

	conf->with_relay = true;
	return inet_pton(AF_INET6, text, a->b) == 1 && ip6_is_global(a) &&
	       !ip6_is_teredo(a, TEREDO_PREFIX);
}

/* CTL_USAGE, or -1. */
static int take_arguments(struct check *c, struct netcheck_conf *conf, int n,
			  char **argv)
{
	const struct ctl *o = c->ctl;
	uint32_t ip;

	for (int i = 0; i < n; i++) {
		if (!take_server(c, (unsigned)i, argv[i]))
			return ctl_fail(CTL_USAGE,
					"\"%s\" is no server\n"
					"  give a name or an IPv4 address, or "
					"two with a comma between them",
					argv[i]);
	}
	c->n = (unsigned)n;
	if (o->relay && !take_host(conf, o->relay))
		return ctl_fail(CTL_USAGE,
				"--relay: \"%s\" is no address of a native "
				"IPv6 host\n  for example 2001:db8::1; no "
				"name, and no Teredo address",
				o->relay);
	if (o->bind && !value_ip4(&c->bind, o->bind))
		return ctl_fail(CTL_USAGE, "--bind: \"%s\" is no IPv4 address",
				o->bind);
	if (o->dns && !value_ip4(&ip, o->dns))
		return ctl_fail(CTL_USAGE, "--dns: \"%s\" is no IPv4 address",
				o->dns);
	if (o->allow && !take_allowed(&c->gate, o->allow))
		return ctl_fail(CTL_USAGE,
				"--allow: \"%s\" is no list of prefixes\n"
				"  for example 192.168.0.0/16,10.0.0.0/8",
				o->allow);
	if (o->port > UINT16_MAX)
		return ctl_fail(CTL_USAGE, "--port: %ld is more than 65535",
				o->port);
	return -1;
}

/* --- preparing --- */

static void know_self(struct check *c)
{
	struct self_watch w;

	if (self_open(&w, TEREDO_PREFIX) == 0) {
		self_refresh(&w, &c->self);
		self_close(&w);
	}
}

/* -1, or the exit status. */
static int open_doors(struct check *c)
{
	for (unsigned i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		const int on = 1;
		uint16_t port = i ? 0 : (uint16_t)c->ctl->port;
		int fd = udp_open(c->bind, port, false), r = fd < 0 ? fd : 0;

		c->fd[doors[i]] = fd;
		if (!r && *c->iface)
			r = udp_confine(fd, c->iface, 0);
		if (!r &&
		    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)))
			r = -errno;
		if (r == -EADDRNOTAVAIL)
			return ctl_fail(CTL_BAD,
					"--bind: %s is no address of this host"
					"\n  see:  ip address",
					c->ctl->bind);
		if (r == -ENODEV)
			return ctl_fail(CTL_BAD,
					"--interface: there is no %s\n"
					"  see:  ip link",
					c->iface);
		if (r == -EADDRINUSE)
			return ctl_fail(CTL_BAD,
					"UDP port %u is in use\n  leave "
					"--port out, or stop who has it: "
					"ss -lunp",
					port);
		if (r)
			return ctl_fail(CTL_BAD, "cannot open a UDP socket: %s",
					strerror(-r));
	}
	return -1;
}

/* --- names --- */

static struct lookup *lookup_at(struct check *c, unsigned i)
{
	return i % 2 ? &c->second[i / 2] : &c->first[i / 2];
}

/* Milliseconds until then, or the next tick of a terminal. */
static int until(uint64_t due, uint64_t now)
{
	uint64_t ms = due <= now ? 0 : (due - now) / NS_PER_MS + 1;

	return ms < TICK_MS ? (int)ms : TICK_MS;
}

static bool wait_lookups(struct check *c, int timeout)
{
	struct pollfd p[2 * NETCHECK_SERVERS];
	bool waiting = false;

	for (unsigned i = 0; i < 2 * c->n; i++) {
		const struct lookup *l = lookup_at(c, i);

		p[i] = (struct pollfd){.fd = l->fd, .events = POLLIN};
		waiting |= l->fd >= 0;
	}
	if (!waiting || poll(p, 2 * c->n, timeout) < 0)
		return waiting;
	for (unsigned i = 0; i < 2 * c->n; i++) {
		if (p[i].revents)
			lookup_read(lookup_at(c, i));
	}
	return true;
}

static void look_up(struct check *c)
{
	uint64_t end = c->started + NAMES_MS * NS_PER_MS, now;

	for (unsigned i = 0; i < 2 * c->n; i++) {
		struct lookup *l = lookup_at(c, i);

		l->fd = -1;
		if (i % 2 == 0 || c->has_second[i / 2])
			lookup_start(l, &c->gate);
	}
	while ((now = check_clock()) < end && wait_lookups(c, until(end, now)))
		check_progress(c, "looking up names");
	for (unsigned i = 0; i < 2 * c->n; i++)
		lookup_end(lookup_at(c, i));
}

static enum netcheck_verdict why_missing(const struct lookup *l)
{
	return l->state == LOOKUP_NOT_FOUND ? CHECKED_NO_NAME
					    : CHECKED_NO_RESOLVER;
}

static void add_servers(struct check *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct lookup *a = &c->first[i], *b = &c->second[i];

		if (a->state != LOOKUP_FOUND)
			netcheck_no_server(&c->core, why_missing(a));
		else if (c->has_second[i] && b->state != LOOKUP_FOUND)
			netcheck_no_server(&c->core, why_missing(b));
		else
			netcheck_server(&c->core, a->ip,
					c->has_second[i] ? b->ip : a->ip + 1);
	}
}

/* The way to the first server that can be asked. */
static void find_path(struct check *c)
{
	uint32_t to = outside;

	for (unsigned i = 0; i < c->n && to == outside; i++) {
		if (c->core.v[i].fixed == CHECKED_COUNT)
			to = c->first[i].ip;
	}
	(void)path_find(&c->path, to, c->iface, c->bind);
	if (!c->path.source)
		netcheck_no_route(&c->core);
}

/* --- the check itself --- */

static const char *doing(const struct check *c)
{
	switch (netcheck_step(&c->core)) {
	case NETCHECK_ASKING:
		return "asking servers";
	case NETCHECK_TESTING_NAT:
		return "testing the NAT";
	case NETCHECK_SEEKING_RELAY:
		break;
	}
	return "looking for a relay";
}

static void start(struct check *c)
{
	struct tuple local[DOORS] = {{0}};

	for (unsigned i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		udp_local(c->fd[doors[i]], &local[doors[i]]);
		local[doors[i]].ip = c->path.source;
	}
	outbox_init(&c->out, &c->gate);
	if (c->dns.n)
		netcheck_dns(&c->core, false);
	netcheck_start(&c->core, local, check_clock(), &c->out);
	doors_flush(c->fd, &c->out, &c->core);
}

static void wait_answers(struct check *c)
{
	struct pollfd p[4];
	uint64_t now = check_clock(), due = netcheck_next(&c->core);

	for (int i = 0; i < 3; i++)
		p[i] = (struct pollfd){c->fd[doors[i]], POLLIN, 0};
	p[3] = (struct pollfd){c->dns.fd, POLLIN, 0};
	poll(p, 4, until(due < c->dns.due ? due : c->dns.due, now));
	for (int i = 0; i < 3; i++) {
		if (p[i].revents)
			door_read(doors[i], c->fd, &c->out, &c->core);
	}
	if (p[3].revents && dns_read(&c->dns))
		netcheck_dns(&c->core, true);
	now = check_clock();
	dns_timeout(&c->dns, now);
	netcheck_timeout(&c->core, now, &c->out);
	doors_flush(c->fd, &c->out, &c->core);
}

static int conclude(struct check *c)
{
	struct netcheck_findings f;
	json_t *o;

	check_progress(c, NULL);
	netcheck_judge(&c->core, &f);
	o = check_json(c, &f);
	if (c->ctl->json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		check_show(c->ctl, o);
	}
	json_decref(o);
	return f.good ? CTL_GOOD : CTL_BAD;
}

int ctl_netcheck(const struct ctl *ctl, int n, char **argv)
{
	static struct check c; /* an outbox is large */
	struct netcheck_conf conf = {.prefix = TEREDO_PREFIX};
	struct rng rng = {0};
	int status;

	c.ctl = ctl;
	c.started = check_clock();
	c.iface = ctl->iface ? ctl->iface : "";
	c.gate = (struct gate){
		.self = &c.self, .prefix = TEREDO_PREFIX, .public_only = true};
	status = take_arguments(&c, &conf, n, argv);
	if (status < 0)
		status = open_doors(&c);
	if (status >= 0)
		return status;
	know_self(&c);
	if (getrandom(&rng.key, sizeof(rng.key), 0) != (ssize_t)sizeof(rng.key))
		return ctl_fail(CTL_BAD, "the kernel has no random numbers");
	dns_find(&c.dns, ctl->dns, &c.self);
	look_up(&c);
	netcheck_init(&c.core, &conf, &c.gate, &rng);
	add_servers(&c);
	find_path(&c);
	start(&c);
	while (netcheck_next(&c.core) != UINT64_MAX) {
		check_progress(&c, doing(&c));
		wait_answers(&c);
	}
	return conclude(&c);
}
