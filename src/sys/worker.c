/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet process. worker_main() reads top to bottom: open, give up, say
 * what was opened, run. All memory for packets is taken at the start, in one
 * piece, and present: what strangers send can neither make it grow nor find it
 * missing.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "clientrun.h"
#include "doors.h"
#include "log.h"
#include "loop.h"
#include "monitor.h"
#include "preflight.h"
#include "raw6.h"
#include "secrets.h"
#include "tunnel.h"
#include "worker.h"

enum {
	HUGE_FROM = 8 << 20,
};

static size_t round_up(size_t n)
{
	return (n + 63) / 64 * 64;
}

/*
 * Have all pages now, so that the memory is constant from here on. Huge pages
 * where the kernel has them: a look-up in a large table then costs no walk of
 * the page tables, and a start takes less.
 */
static void populate(void *mem, size_t n)
{
	volatile char *p = mem;

	/* A small one would only grow by being rounded up. */
	if (n > HUGE_FROM)
		madvise(mem, n, MADV_HUGEPAGE);
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 0;
}

/*
 * One piece: the loop with as many lanes as there are, the node, buffers of the
 * lanes. A client takes what belongs to lanes only when it is used: most have
 * little to carry, and ought to stay small.
 */
static struct loop *allocate(const struct plan *p, void **node_mem,
			     uint8_t **buffers)
{
	size_t own = round_up(offsetof(struct loop, lanes.lane) +
			      p->threads * sizeof(struct lane));
	size_t node = round_up(node_memory(&p->node));
	size_t lanes = (size_t)p->threads * LANE_BYTES;
	size_t all = own + node + lanes;
	struct loop *l = mmap(NULL, all, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (l == MAP_FAILED)
		die("cannot get %zu MiB of memory: %s\n"
		    "  %s",
		    all >> 20, strerror(errno),
		    p->node.is_relay ? "lower MaxPeers in the configuration"
				     : "see what limits it:  ulimit -v");
	/* Steward and resolver have no use for it. */
	madvise(l, all, MADV_DONTFORK);
	*node_mem = (char *)l + own;
	if (p->node.is_client)
		populate(*node_mem, node);
	else
		populate(l, all);
	*buffers = (uint8_t *)l + own + node;
	return l;
}

static void make_node(struct loop *l, const struct plan *p, void *mem)
{
	struct node_seed seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed) ||
	    getrandom(&l->lanes.key, sizeof(l->lanes.key), 0) !=
		    sizeof(l->lanes.key))
		die("cannot get random numbers: %s", strerror(errno));
	l->node.gate = p->gate;
	node_init(&l->node, &p->node, &seed, mem);
	explicit_bzero(&seed, sizeof(seed));
}

static const struct secret *own_secret(const struct secrets *s,
				       const struct conf *c)
{
	size_t n = strlen(c->client_id);

	for (unsigned i = 0; i < s->n; i++) {
		if (s->v[i].id_len == n &&
		    memcmp(s->v[i].id, c->client_id, n) == 0)
			return &s->v[i];
	}
	die("the file of secrets %s has no line for %s\n"
	    "  add it, or correct ClientID",
	    c->secret_file, c->client_id);
}

static void load_secrets(struct plan *p)
{
	static struct secrets secrets; /* as long as the process */
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
	const struct server_conf *s = &p->node.server;

	preflight_server(p, l->watch, &l->node.self);
	l->lanes.lane[0].door[DOOR_PRIMARY] =
		door_open(p, s->primary, TEREDO_PORT, 0);
	l->lanes.lane[0].door[DOOR_SECONDARY] =
		door_open(p, s->secondary, TEREDO_PORT, 1);
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
	const struct conf *c = p->conf;
	char name[IFNAMSIZ];

	preflight_relay(p, &l->node.self);
	if (!p->node.is_server)
		l->lanes.lane[0].door[DOOR_SERVICE] =
			door_open(p, c->bind_ip, c->bind_port, 0);
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

	if (!p->node.is_client ||
	    !names_need_resolver(c->servers, c->n_servers))
		return -1;
	for (unsigned i = 0; i < c->n_servers; i++) {
		names[2 * i] = c->servers[i].host;
		names[2 * i + 1] = c->servers[i].second;
	}
	return resolver_start(names, 2 * c->n_servers, id);
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

/* What a client watches; needs no privilege, but for the mark. */
static void open_watches(struct loop *l, struct clientrun *r,
			 const struct conf *c)
{
	struct tuple local = {0};
	int e = way_open(&r->watch, l->watch->tun);

	if (e)
		die("cannot watch the network: %s", strerror(-e));
	udp_local(l->lanes.lane[0].door[DOOR_SERVICE], &local);
	r->port = local.port;
	r->by = (struct way_by){
		.source = local.ip,
		.oif = l->bound,
		.mark = c->mark,
	};
	open_discovery(l, r, c);
}

static void open_client(struct loop *l, struct plan *p)
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
	l->lanes.lane[0].door[DOOR_SERVICE] =
		door_open_service(p, r.state.port);
	if (c->learn_refresh)
		r.probe = door_open_random(p);
	if (p->options->tun_fd < 0)
		tunnel_make(l, p);
	open_watches(l, &r, c);
	r.steward = steward_start(c, name, l->watch->tun);
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

/* The core is there: what looks into it. */
static void prepare_client(struct loop *l, const struct plan *p, int resolver)
{
	struct clientrun *r = l->client;
	struct hash_key key;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		die("cannot get random numbers: %s", strerror(errno));
	r->resolver = resolver;
	names_init(&r->names, p->conf->servers, p->conf->n_servers,
		   &l->node.gate, &key, r->state.server);
}

/* Before a socket is, so that this is no younger one of the same name. */
static void note_bound(struct loop *l, const struct plan *p)
{
	l->bound_name = p->conf->bind_iface;
	if (*l->bound_name && !p->node.is_server)
		l->bound = if_nametoindex(l->bound_name);
}

static void open_queue(struct loop *l, unsigned i)
{
	/* As long as the process: where the loop is, LeakSanitizer does not
	 * look for what they point to. */
	static struct netlink links[LANES_MAX];
	int r = netlink_open(&links[i]);

	if (r)
		die("cannot watch the interface: %s", strerror(-r));
	l->lanes.lane[i].link = &links[i];
	l->lanes.lane[i].tun = l->lanes.tun.fd[i];
}

/* Sockets, queues and buffers of each lane; they are all open. */
static void open_lanes(struct loop *l, const struct plan *p, uint8_t *buffers)
{
	doors_open_beside(l, p, DOOR_PRIMARY);
	doors_open_beside(l, p, DOOR_SECONDARY);
	doors_open_beside(l, p, DOOR_SERVICE);
	l->lanes.copy_dscp = p->conf->copy_dscp;
	l->lanes.offloads = doors_offload(l, p) | l->lanes.tun.offloads;
	if (l->client)
		l->lanes.neighbours = &l->client->neighbours;
	if (l->client && l->client->probe >= 0)
		udp_offload(l->client->probe, l->lanes.offloads);
	l->lanes.n = p->threads;
	l->lanes.node = &l->node;
	l->lanes.ifindex = l->watch->tun;
	for (unsigned i = 0; i < l->lanes.n; i++) {
		if (i < l->lanes.tun.n)
			open_queue(l, i);
		lane_init(&l->lanes.lane[i], &l->lanes,
			  buffers + i * LANE_BYTES);
	}
}

/* All that needs privilege, and all memory. */
static struct loop *open_all(struct plan *p, const struct identity *id,
			     int channel)
{
	static struct self_watch w;
	int resolver = start_resolver(p, id);
	struct loop *l;
	uint8_t *buffers;
	void *mem;

	load_secrets(p);
	l = allocate(p, &mem, &buffers);
	for (unsigned i = 0; i < p->threads; i++)
		lane_close(&l->lanes.lane[i]);
	l->lanes.raw6 = -1;
	l->channel = channel;
	l->watch = &w;
	list_addresses(l, p);
	note_bound(l, p);
	if (p->node.is_server)
		open_server(l, p);
	if (p->node.is_client)
		open_client(l, p);
	else if (p->node.is_relay)
		open_relay(l, p);
	make_node(l, p, mem);
	open_lanes(l, p, buffers);
	if (l->client)
		prepare_client(l, p, resolver);
	loop_open(l, p->conf->sunset);
	return l;
}

static void announce_relay(const struct loop *l, const struct plan *p)
{
	int fd = l->lanes.lane[0].door[p->node.relay.door];
	struct tuple t = {0};

	udp_local(fd, &t);
	log_info("%srelay on %s port %u, interface %s, from %s, for %u peers",
		 p->node.relay.host_only ? "host-specific " : "",
		 t.ip ? ip4_text(t.ip) : "any address", t.port,
		 p->options->tun_fd < 0 ? p->conf->iface : "passed in",
		 ip6_text(&l->node.self.source), p->node.relay.max_peers);
}

static void announce_client(const struct loop *l, const struct plan *p)
{
	char names[400] = "";
	size_t used = 0;

	for (unsigned i = 0; i < p->conf->n_servers && used < sizeof(names);
	     i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used,
					 "%s%s", i ? ", " : "",
					 p->conf->servers[i].host);
	log_info("client%s, asking %s, port %u, interface %s",
		 p->node.is_relay ? " or host-specific relay" : "", names,
		 l->client->port,
		 p->options->tun_fd < 0 ? p->conf->iface : "passed in");
}

static void announce(const struct loop *l, const struct plan *p)
{
	const struct server_conf *s = &p->node.server;
	const struct conf *c = p->conf;
	char offloads[OFFLOAD_NAMES];

	for (unsigned i = 0; i < c->n_allow; i++)
		log_warning("AllowIPv4 %s/%u: the RFC forbids such addresses; "
			    "for a laboratory only",
			    ip4_text(c->allow[i].ip), c->allow[i].len);
	if (c->sunset)
		log_info("service ends on %s", date_text(c->sunset));
	if (p->node.is_server)
		log_info("server on %s and %s port %u%s", ip4_text(s->primary),
			 ip4_text(s->secondary), TEREDO_PORT,
			 s->require_secret ? ", secrets required" : "");
	if (p->node.is_client)
		announce_client(l, p);
	else if (p->node.is_relay)
		announce_relay(l, p);
	offload_names(offloads, l->lanes.offloads);
	log_info("%u thread%s, offloads: %s", l->lanes.n,
		 l->lanes.n > 1 ? "s" : "", offloads);
}

int worker_main(void *arg, int channel)
{
	struct worker_task *task = arg;
	struct plan *p = task->plan;
	struct loop *l = open_all(p, &task->identity, channel);

	privs_drop_all(&task->identity, p->options->chroot);
	announce(l, p);
	worker_ready(channel);
	return loop_run(l);
}
