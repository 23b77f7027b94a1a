/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See open.h. What is asked of the routing socket here is asked by a socket of
 * the keeper's own: an answer that one process has not read to its end must not
 * be in the way of the next.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clientrun.h"
#include "doors.h"
#include "fdstore.h"
#include "log.h"
#include "open.h"
#include "preflight.h"
#include "raw6.h"
#include "reader.h"
#include "secrets.h"
#include "tunnel.h"
#include "vault.h"

static const struct secret *own_secret(const struct secrets *s,
				       const struct conf *c)
{
	const struct secret *own = secrets_of(s, c->client_id);

	if (own)
		return own;
	die("the file of secrets %s has no line for %s\n"
	    "  add it, or correct ClientID",
	    c->secret_file, c->client_id);
}

static struct secrets secrets; /* as long as the process */
static const struct vault *vault;

void open_forget(void)
{
	secrets_free(&secrets);
	vault_close(vault);
}

/* Where others will come from. A relay has no use for any. */
static void open_vault(struct plan *p)
{
	if (!p->reader || p->reader->secrets < 0)
		return;
	if (!p->node.is_server && !p->node.is_client) {
		close(p->reader->secrets);
		return;
	}
	p->vault = vault = vault_open(p->reader->secrets);
	if (!vault)
		die("cannot share secrets: %s", strerror(errno));
}

static void load_secrets(struct plan *p)
{
	static struct report r;
	const char *path = p->conf->secret_file;

	if ((!p->node.is_server && !p->node.is_client) || !path[0])
		return;
	if (secrets_load(&secrets, path, &r)) {
		report_log(&r, SEVERITY_ERROR);
		die("cannot use the file of secrets %s", path);
	}
	if (p->node.is_client) {
		p->node.client.secret = own_secret(&secrets, p->conf);
		return;
	}
	p->node.server.secrets = secrets.v;
	p->node.server.n_secrets = secrets.n;
}

static void open_server(struct loop *l, const struct plan *p)
{
	preflight_server(p, l->watch, &l->node.self);
	l->lanes.lane[0].door[DOOR_PRIMARY] = door_open(p, DOOR_PRIMARY);
	l->lanes.lane[0].door[DOOR_SECONDARY] = door_open(p, DOOR_SECONDARY);
	if (p->node.is_relay)
		return; /* its interface is the IPv6 side */
	l->lanes.raw6 = raw6_open();
	if (l->lanes.raw6 < 0)
		die("cannot open a raw IPv6 socket: %s\n"
		    "  a server needs IPv6 in the kernel, and CAP_NET_RAW",
		    strerror(-l->lanes.raw6));
}

static void open_relay(struct loop *l, const struct plan *p)
{
	char name[IFNAMSIZ];

	preflight_relay(p, &l->node.self);
	if (!p->node.is_server)
		l->lanes.lane[0].door[DOOR_SERVICE] =
			door_open(p, DOOR_SERVICE);
	if (p->options->tun_fd >= 0) {
		tunnel_adopt(l, p, name);
		return;
	}
	tunnel_make(l, p);
	tunnel_route(l, p);
}

/* Before there are secrets or sockets that it could inherit. */
static int start_resolver(const struct plan *p, const struct identity *id)
{
	static const char *names[RESOLVER_NAMES];
	const struct conf *c = p->conf;

	if (!plan_has_resolver(p))
		return -1;
	for (unsigned i = 0; i < c->n_servers; i++) {
		names[2 * i] = c->servers[i].host;
		names[2 * i + 1] = c->servers[i].second;
	}
	return resolver_start(names, 2 * c->n_servers,
			      p->reader ? p->reader->settings : NULL,
			      p->reader ? p->reader->groups : -1, id);
}

/* What the last run on this interface knew: begin with it. */
static void recall(struct clientrun *r, struct plan *p, const char *name)
{
	struct client_conf *k = &p->node.client;
	const struct conf *c = p->conf;
	char path[CONF_PATH + IFNAMSIZ + 8];

	state_path(path, sizeof(path), c->state_dir, name);
	state_read(&r->state, path);
	k->has_flags = r->state.has_flags;
	k->flags = r->state.flags;
	k->mapped = r->state.mapped;
	for (unsigned i = 0; i < c->n_servers; i++) {
		if (strcmp(c->servers[i].host, r->state.host) == 0)
			k->first_server = i;
	}
}

static void open_discovery(struct loop *l, struct clientrun *r,
			   const struct conf *c)
{
	int e;

	r->neighbours.fd = -1;
	if (c->discovery == DISCOVERY_DISABLED)
		return;
	e = neighbours_prepare(l->lanes.lane[0].door[DOOR_SERVICE]);
	if (!e)
		e = neighbours_open(&r->neighbours, c->discovery_ifaces,
				    l->bound, l->watch->tun);
	if (e)
		die("cannot listen for neighbours on UDP port %u: %s\n"
		    "  for a client without:  LocalDiscovery disabled",
		    TEREDO_PORT, strerror(-e));
	l->lanes.lane[0].door[DOOR_DISCOVERY] = r->neighbours.fd;
}

/* How the way to the server is asked for, and who is near. */
static void open_ways(struct loop *l, struct clientrun *r, const struct conf *c)
{
	struct tuple local = {0};

	udp_local(l->lanes.lane[0].door[DOOR_SERVICE], &local);
	r->port = local.port;
	r->by = (struct way_by){
		.source = local.ip,
		.oif = l->bound,
		.mark = c->mark,
	};
	open_discovery(l, r, c);
}

/* What the last run has left at a router, and where we may be renewed. */
static int start_mapper(struct clientrun *r, const struct conf *c,
			const struct identity *id)
{
	static const uint8_t none[PCP_NONCE];
	struct state *s = &r->state;

	if (c->port_mapping == PORTMAP_BY_NONE)
		return -1;
	if (memcmp(s->nonce, none, sizeof(none)) == 0 &&
	    getrandom(s->nonce, sizeof(s->nonce), 0) != sizeof(s->nonce))
		die("cannot get random numbers: %s", strerror(errno));
	return mapper_start(s->lease.external.port ? &s->lease : NULL, s->nonce,
			    c->mark, id);
}

static void open_client(struct loop *l, struct plan *p,
			const struct identity *id)
{
	static struct clientrun r;
	const struct conf *c = p->conf;
	char name[IFNAMSIZ];

	l->client = &r;
	r.plan = p;
	r.probe = -1;
	preflight_client(p);
	if (p->options->tun_fd >= 0)
		tunnel_adopt(l, p, name);
	else
		strcpy(name, c->iface);
	recall(&r, p, name);
	/* Before there are sockets that it could inherit. */
	r.mapping.fd = start_mapper(&r, c, id);
	l->lanes.lane[0].door[DOOR_SERVICE] =
		door_open_service(p, r.state.port);
	r.probe = door_open_later(p);
	if (p->options->tun_fd < 0)
		tunnel_make(l, p);
	open_ways(l, &r, c);
	r.steward = steward_start(c, name, l->watch->tun, id, p->reader);
}

/* Ends the process if it is to stop before it has started. */
static void obey(int channel)
{
	char signal;

	if (recv(channel, &signal, 1, MSG_DONTWAIT) == 1 && signal != SIGTERM &&
	    signal != SIGINT)
		return; /* no business of a daemon that is not there yet */
	log_warning("stopped while starting");
	exit(STATUS_OK);
}

static int settle(struct loop *l)
{
	int r;

	while ((r = self_settle(l->watch, &l->node.self, l->channel)) ==
	       -ECANCELED)
		obey(l->channel);
	return r;
}

static void list_addresses(struct loop *l, const struct plan *p)
{
	int r = self_open(l->watch, p->conf->prefix);

	if (!r && p->node.is_relay && !p->node.is_client)
		r = settle(l);
	else if (!r)
		r = self_refresh(l->watch, &l->node.self);
	if (r)
		die("cannot list the addresses of this host: %s", strerror(-r));
}

/* Before a socket is, so that this is no younger one of the same name. */
static void note_bound(struct loop *l, const struct plan *p)
{
	l->bound_name = p->conf->bind_iface;
	if (*l->bound_name && !p->node.is_server)
		l->bound = if_nametoindex(l->bound_name);
}

/* Sockets and queues of each lane, beside those of the first. */
static void open_lanes(struct loop *l, const struct plan *p)
{
	doors_open_beside(l, p, DOOR_PRIMARY);
	doors_open_beside(l, p, DOOR_SECONDARY);
	doors_open_beside(l, p, DOOR_SERVICE);
	l->lanes.offloads = doors_offload(l, p) | l->lanes.tun.offloads;
	if (l->client && l->client->probe >= 0)
		udp_offload(l->client->probe, l->lanes.offloads);
	for (unsigned i = 0; i < l->lanes.tun.n; i++)
		l->lanes.lane[i].tun = l->lanes.tun.fd[i];
}

/* Of what was kept. */
static bool fits(const void *plan, const char *kind, unsigned thread, int fd)
{
	return door_fits(plan, kind, thread, fd) ||
	       tunnel_fits(plan, kind, thread, fd);
}

void open_all(struct loop *l, struct plan *p, const struct identity *id)
{
	static struct self_watch w;
	int resolver;

	fdstore_sort(fits, p);
	resolver = start_resolver(p, id);
	l->watch = &w;
	list_addresses(l, p);
	note_bound(l, p);
	if (p->node.is_server)
		open_server(l, p);
	if (p->node.is_client)
		open_client(l, p, id);
	else if (p->node.is_relay)
		open_relay(l, p);
	if (l->client)
		l->client->resolver = resolver;
	load_secrets(p); /* the last: no other process has a copy */
	open_vault(p);
	open_lanes(l, p);
	doors_store(l, p);
	tunnel_store(&l->lanes.tun, p);
	self_close(&w);
}
