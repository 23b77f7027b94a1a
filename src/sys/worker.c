/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See worker.h. worker_run() reads top to bottom: take memory, make what is of
 * this life only, say what was opened, run. All memory for packets is present
 * before the first of them: what strangers send can neither make it grow nor
 * find it missing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clientrun.h"
#include "log.h"
#include "monitor.h"
#include "preflight.h"
#include "renew.h"
#include "worker.h"

/*
 * The pages of the memory are there; here they are mapped. A client takes what
 * belongs to lanes only when it is used: most have little to carry, and ought
 * to stay small.
 */
static void populate(const struct life *life)
{
	const volatile uint8_t *memory = life->memory;
	volatile uint8_t *buffers = life->buffers;
	size_t n = (size_t)life->plan->threads * LANE_BYTES;

	for (size_t i = 0; i < life->memory_size; i += 4096)
		(void)memory[i];
	for (size_t i = 0; i < n && !life->plan->node.is_client; i += 4096)
		buffers[i] = 0;
}

static void random_bytes(void *p, size_t n)
{
	if (getrandom(p, n, 0) != (ssize_t)n)
		die("cannot get random numbers: %s", strerror(errno));
}

static void make_node(struct loop *l, const struct life *life)
{
	struct node_seed seed;

	random_bytes(&seed.table, sizeof(seed.table));
	random_bytes(&seed.rng, sizeof(seed.rng));
	seed.log = life->log_key;
	random_bytes(&l->lanes.key, sizeof(l->lanes.key));
	l->node.gate = l->plan->gate;
	node_init(&l->node, &l->plan->node, &seed, life->memory);
	explicit_bzero(&seed, sizeof(seed));
	if (life->recovers)
		node_recover(&l->node, clock_now());
}

/* The addresses of this host, as they are now. */
static void open_self(struct loop *l, const struct plan *p)
{
	unsigned tun = l->watch->tun;
	int r = self_open(l->watch, p->conf->prefix);

	l->watch->tun = tun;
	if (!r)
		r = self_refresh(l->watch, &l->node.self);
	if (r)
		die("cannot list the addresses of this host: %s", strerror(-r));
}

static void open_link(struct lane *lane, unsigned i)
{
	/* As long as the process: where the loop is, LeakSanitizer does not
	 * look for what they point to. */
	static struct netlink links[LANES_MAX];
	int r = netlink_open(&links[i]);

	if (r)
		die("cannot watch the interface: %s", strerror(-r));
	lane->link = &links[i];
}

static void make_lanes(struct loop *l, const struct life *life)
{
	l->lanes.n = life->plan->threads;
	l->lanes.node = &l->node;
	l->lanes.ifindex = l->watch->tun;
	l->lanes.copy_dscp = l->plan->conf->copy_dscp;
	if (l->client)
		l->lanes.neighbours = &l->client->neighbours;
	for (unsigned i = 0; i < l->lanes.n; i++) {
		struct lane *lane = &l->lanes.lane[i];

		if (lane->tun >= 0)
			open_link(lane, i);
		lane_init(lane, &l->lanes, life->buffers + i * LANE_BYTES);
	}
}

/* What was said of our host is not said again. */
static void take_note(struct clientrun *r, const struct facts *f)
{
	r->inbound = f->inbound;
	r->mapping.logged = (uint8_t)f->mapping.why;
}

/* What a worker before us knew better than the file that the keeper read, and
 * what it has told of our host already. */
static void remind(struct clientrun *r, const struct client *c,
		   const struct plan *p)
{
	const struct client_status *s = &c->status;
	struct facts f;

	if (p->board && board_read(p->board, &f))
		take_note(r, &f);
	r->state.has_flags = c->conf.has_flags;
	r->state.flags = c->conf.flags;
	r->state.mapped = c->conf.mapped;
	if (s->n == 0 || !s->server_ip)
		return;
	r->state.server = s->server_ip;
	strcpy(r->state.host, p->conf->servers[s->server].host);
}

static void make_client(struct loop *l, const struct plan *p)
{
	struct clientrun *r = l->client;
	struct hash_key key;
	int e;

	r->plan = p;
	e = way_open(&r->watch, l->watch->tun);

	if (e)
		die("cannot watch the network: %s", strerror(-e));
	random_bytes(&key, sizeof(key));
	remind(r, &l->node.client, p);
	names_init(&r->names, p->conf->servers, p->conf->n_servers,
		   &l->node.gate, &key, r->state.server);
}

/* What there is to see of us, and where. */
static void show(struct loop *l, const struct life *life)
{
	const struct node_conf *n = &life->plan->node;

	board_take_over(life->board, life->plan->threads, &l->lanes.key);
	l->lanes.board = life->board;
	l->publisher = (struct publisher){
		.board = life->board,
		.bell = life->bell,
		.beat = life->beat,
		.lives = life->lives,
	};
	if (n->is_relay)
		udp_local(l->lanes.lane[0].door[n->relay.door],
			  &l->relay_local);
	(void)netlink_forwarding(&l->watch->requests, &l->forwarding);
}

static void announce_relay(const struct loop *l, const struct plan *p)
{
	const struct tuple t = l->relay_local;

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

static void announce_again(const struct loop *l)
{
	const struct node *n = &l->node;
	unsigned peers = 0;

	if (n->is_relay)
		peers += n->relay.peers.n[ROLL_PROVEN];
	if (n->is_client)
		peers += n->client.recent.n[STANDING_ACTIVE] +
			 n->client.recent.n[STANDING_TRUSTED];
	if (n->is_client && n->client.status.n)
		log_info("going on with %s, and %u peers",
			 ip6_text(&n->client.status.address[0]), peers);
	else
		log_info("going on with %u peers", peers);
}

unsigned worker_calls(const struct plan *p)
{
	if (p->node.is_relay || p->node.is_client)
		return CALLS_LOOP | CALLS_TUNNEL;
	return CALLS_LOOP;
}

int worker_run(const struct life *life)
{
	struct loop *l = life->loop;
	const struct plan *p = renew_first(l, life->plan);

	populate(life);
	open_self(l, p);
	make_node(l, life);
	make_lanes(l, life);
	if (l->client)
		make_client(l, p);
	show(l, life);
	loop_open(l, p->conf->sunset);
	/* Sockets are as the keeper has made them, or another left them. */
	if (l->serial != 1)
		lanes_set_dscp(&l->lanes, p->conf->dscp, p->conf->copy_dscp);
	if (life->is_first)
		announce(l, p);
	else
		announce_again(l);
	loop_start(l);
	daemon_leave();
	calls_confine(worker_calls(p));
	daemon_ready(life->ready);
	return loop_run(l);
}
