/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Role and plan (see plan.h). A configuration of 1.2.6 that worked keeps its
 * meaning; where 1.2.6 stopped for want of a server address, and only there,
 * the relay of 2004 starts.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lane.h"
#include "names.h"
#include "plan.h"
#include "preflight.h"

enum {
	MEMORY_SHARE = 16, /* of the host's memory, at most, unless asked */
	SMALL_MEMORY = 256 << 20,
	PEERS_LEAST = 4096,
	PEERS_A_SECOND = 256, /* the share of a table that may be new in one */
	/* Role auto: of one host, and beside a client that stays small. */
	AUTO_PEERS = 4096,
	AUTO_HELD = 128,
	CLIENT_PEERS = 1024,
	CLIENT_HELD = 256,
};

static enum role role_of_type(enum relay_type type)
{
	switch (type) {
	case TYPE_CLIENT:
		return ROLE_CLIENT;
	case TYPE_AUTO:
		return ROLE_AUTO;
	case TYPE_SERVER:
		return ROLE_SERVER;
	case TYPE_UNSET:
	case TYPE_RELAY:
	case TYPE_RESTRICTED:
	case TYPE_HOST:
		break;
	}
	return ROLE_RELAY;
}

bool plan_has_resolver(const struct plan *p)
{
	const struct conf *c = p->conf;

	return c->control_group[0] ||
	       (p->node.is_client &&
		names_need_resolver(c->servers, c->n_servers));
}

enum role plan_role(const struct conf *c, const struct options *o)
{
	if (o->as_server || o->names_server_addr)
		return ROLE_SERVER;
	if (o->role && strcmp(o->role, "relay") == 0)
		return ROLE_RELAY;
	if (o->role && strcmp(o->role, "server") == 0)
		return ROLE_SERVER;
	if (o->role && strcmp(o->role, "auto") == 0)
		return ROLE_AUTO;
	if (o->role)
		return ROLE_CLIENT;
	if (c->type != TYPE_UNSET)
		return role_of_type(c->type);
	if (o->n_servers || c->n_servers)
		return ROLE_CLIENT;
	return ROLE_RELAY;
}

static struct rate rate_of(uint32_t per_second)
{
	/* Two seconds' worth at once, as in relay_defaults. */
	return (struct rate){per_second, per_second ? 2 * per_second : 1};
}

static void plan_gate(struct gate *g, const struct conf *c)
{
	g->neighbour_len = c->discovery_len;
	g->public_only = c->public_only;
	g->n_allow = c->n_allow;
	g->n_deny = c->n_deny;
	memcpy(g->allow, c->allow, sizeof(g->allow));
	memcpy(g->deny, c->deny, sizeof(g->deny));
}

/* What may be sent to if nothing but AllowIPv4 for it is added. */
static bool may_be_allowed(const struct gate *like, uint32_t ip)
{
	struct gate g = *like;

	g.n_allow = 1;
	g.allow[0] = (struct ip4_prefix){ip, 32};
	return gate_target(&g, (struct tuple){ip, TEREDO_PORT}) == REASON_NONE;
}

/*
 * Can this be the address of a server? above: it was not given, but is the one
 * above that. With an empty self, for it may be an address of our own.
 */
static bool check_address(const struct conf *c, uint32_t ip, uint32_t above,
			  struct report *r)
{
	static const struct self nobody;
	struct gate g = {.self = &nobody};
	char who[64];
	enum reason why;

	plan_gate(&g, c);
	why = gate_target(&g, (struct tuple){ip, TEREDO_PORT});
	if (why == REASON_NONE)
		return true;
	snprintf(who, sizeof(who), "%s%s%s%s", ip4_text(ip),
		 above ? " (the one above " : "", above ? ip4_text(above) : "",
		 above ? ")" : "");
	if (why == REASON_DST_DENIED)
		report_add(r, SEVERITY_ERROR,
			   "DenyIPv4 covers %s: it cannot be the address of a "
			   "server",
			   who);
	else if (may_be_allowed(&g, ip))
		report_add(r, SEVERITY_ERROR,
			   "%s is not a global address: nobody on the Internet "
			   "can reach a server there\n"
			   "  for a laboratory, write to the configuration:  "
			   "AllowIPv4 %s/32",
			   who, ip4_text(ip));
	else
		report_add(r, SEVERITY_ERROR,
			   "%s cannot be the address of a server\n"
			   "  a server has two global unicast addresses%s",
			   who, above ? ": name the other one" : "");
	return false;
}

/* first and second; 0 = the one above the first. */
static void check_addresses(const struct conf *c, uint32_t first,
			    uint32_t second, struct report *r)
{
	bool good = check_address(c, first, 0, r);

	if (second)
		check_address(c, second, 0, r);
	else if (good)
		check_address(c, first + 1, first, r);
}

/* Whether we may read it, and what is in it, is seen at the start. */
static void check_secrets(const struct conf *c, struct report *r)
{
	const char *path = c->secret_file;

	if (path[0] && access(path, F_OK) < 0 &&
	    (errno == ENOENT || errno == ENOTDIR))
		report_add(r, SEVERITY_ERROR, "%s: %s", path, strerror(errno));
}

static void check_server(const struct conf *c, struct report *r)
{
	if (!c->server)
		report_add(r, SEVERITY_ERROR,
			   "a server needs its IPv4 address\n"
			   "  give it:  -s ADDR, or ServerBindAddress in the "
			   "configuration");
	else if (c->server == c->server2)
		report_add(r, SEVERITY_ERROR,
			   "a server needs two different addresses, not %s "
			   "twice\n"
			   "  leave the second out to use %s",
			   ip4_text(c->server), ip4_text(c->server + 1));
	else
		check_addresses(c, c->server, c->server2, r);
	if (c->require_secret == CHOICE_YES && !c->secret_file[0])
		report_add(r, SEVERITY_ERROR,
			   "RequireSecret without a file of secrets would turn "
			   "every client away\n"
			   "  name it:  Secret FILE");
	check_secrets(c, r);
}

/* C1: two addresses. Numbers only: what a name stands for may be right
 * tomorrow. */
static void check_name(const struct conf *c, struct server_name *n,
		       struct report *r)
{
	uint32_t first, second = 0;
	bool numeric = value_ip4(&first, n->host);

	if (strcasecmp(n->host, n->second) == 0) {
		report_add(r, SEVERITY_WARNING,
			   "ServerAddress2 %s is the first address again: "
			   "ignored, for a server has two",
			   n->second);
		n->second[0] = '\0';
	}
	if (n->second[0] && value_ip4(&second, n->second)) {
		if (numeric)
			check_addresses(c, first, second, r);
		else
			check_address(c, second, 0, r);
	} else if (numeric && n->second[0]) {
		check_address(c, first, 0, r);
	} else if (numeric) {
		check_addresses(c, first, 0, r);
	}
}

static void check_client(struct conf *c, struct report *r)
{
	if (!c->n_servers)
		report_add(r, SEVERITY_ERROR,
			   "a client needs the name of a Teredo server\n"
			   "  give it:  miredo NAME, or ServerAddress in the "
			   "configuration");
	for (unsigned i = 0; i < c->n_servers; i++)
		check_name(c, &c->servers[i], r);
	/* C2 */
	if (!c->client_id[0] != !c->secret_file[0])
		report_add(r, SEVERITY_ERROR,
			   "ClientID and Secret go together: the file has a "
			   "secret for the identifier\n"
			   "  add %s, or leave both out",
			   c->client_id[0] ? "Secret FILE" : "ClientID ID");
	check_secrets(c, r);
}

/* 1.2.6 took what it was told; the kernel took no IPv6 then, or cut packets. */
static void mend_mtu(struct conf *c, struct report *r)
{
	uint16_t mtu = c->mtu;

	if (mtu < TEREDO_MTU)
		mtu = TEREDO_MTU;
	else if (mtu > INNER_MAX)
		mtu = INNER_MAX;
	if (mtu != c->mtu)
		report_add(r, SEVERITY_WARNING,
			   "InterfaceMTU %u is not possible: %u is used",
			   c->mtu, mtu);
	c->mtu = mtu;
}

void plan_check(struct conf *c, const struct options *o, struct report *r)
{
	mend_mtu(c, r);
	switch (plan_role(c, o)) {
	case ROLE_SERVER:
		check_server(c, r);
		break;
	case ROLE_CLIENT:
	case ROLE_AUTO:
		check_client(c, r);
		break;
	case ROLE_RELAY:
		break;
	}
}

static void plan_server(struct server_conf *s, const struct conf *c)
{
	*s = (struct server_conf){
		.primary = c->server,
		.secondary = c->server2 ? c->server2 : c->server + 1,
		.mtu = c->mtu,
		.own_clients_only = c->own_clients_only,
		.strict_ports = !c->symmetric_clients,
		.per_address = rate_of(c->reply_rate),
		.per_network = rate_of(c->network_reply_rate),
	};
	switch (c->require_secret) {
	case CHOICE_UNSET:
		s->require_secret = c->secret_file[0] != '\0';
		break;
	case CHOICE_NO:
		break;
	case CHOICE_YES:
		s->require_secret = true;
		break;
	}
}

static void plan_relay(struct relay_conf *r, const struct conf *c)
{
	*r = relay_defaults;
	r->mtu = c->mtu;
	r->host_only = c->type == TYPE_HOST;
	r->direct_bubbles = c->type == TYPE_RESTRICTED;
	r->accept_strangers = c->accept_strangers;
	r->no_nonces = !c->relay_nonces;
	r->n_served = c->n_serve;
	memcpy(r->served, c->serve, sizeof(r->served));
}

/*
 * How many new destinations a second. They hold an entry for nine seconds, so
 * a small table takes fewer; else a flood would fill what is for newcomers.
 */
static void plan_new_peers(struct relay_conf *r, const struct conf *c)
{
	uint32_t fit = r->max_peers / PEERS_A_SECOND;
	uint32_t n = r->strangers.per_second;

	if (c->has_new_peers)
		n = c->new_peers;
	else if (fit < n)
		n = fit ? fit : 1;
	r->strangers = rate_of(n);
	r->answers = r->strangers;
	/* A quarter, but never 0, which would be no limit. */
	r->per_source = rate_of((n + 3) / 4);
}

/* As many peers as asked for; else what a share of the memory holds. */
static void plan_memory(struct plan *p, uint64_t memory)
{
	struct relay_conf *r = &p->node.relay;

	if (p->conf->max_peers) {
		r->max_peers = p->conf->max_peers;
		return;
	}
	while (r->max_peers > PEERS_LEAST &&
	       node_memory(&p->node) > memory / MEMORY_SHARE)
		r->max_peers /= 2;
}

static void plan_client(struct client_conf *k, const struct conf *c)
{
	*k = client_defaults;
	k->mtu = c->mtu;
	k->n_servers = c->n_servers;
	k->refresh_s = c->refresh_s;
	k->idle_s = c->qualify == DEMAND_ON ? c->qualify_idle : 0;
	k->learn_refresh = c->learn_refresh;
	k->local_discovery = c->discovery != DISCOVERY_DISABLED;
	k->same_mapped_only = c->discovery == DISCOVERY_ENABLED;
	k->cone_first = c->cone_phase;
	k->no_symmetric = !c->symmetric;
	k->extensions = (uint8_t)c->extensions;
	k->no_nonce_ok = !c->nonce_required;
	k->probe = c->probe;
	k->max_held = CLIENT_HELD;
	k->max_peers = CLIENT_PEERS;
	if (c->max_peers)
		k->max_peers =
			c->max_peers < RECENT_MAX ? c->max_peers : RECENT_MAX;
}

/* The relay that role auto is when no client is wanted. */
static void plan_host_relay(struct relay_conf *r, const struct conf *c)
{
	plan_relay(r, c);
	r->host_only = true;
	r->direct_bubbles = true; /* whatever NAT the client was behind */
	r->max_peers = AUTO_PEERS;
	r->max_held = AUTO_HELD;
	plan_new_peers(r, c);
}

/*
 * One for each processor; one on a small system, where each costs memory; and
 * one where device or socket was passed in, for there is one of that.
 */
static unsigned plan_threads(const struct conf *c, const struct options *o,
			     uint64_t memory, unsigned processors)
{
	if (o->tun_fd >= 0 || o->n_udp)
		return 1;
	if (c->threads)
		return c->threads;
	if (memory < SMALL_MEMORY)
		return 1;
	return processors < LANES_MAX ? processors : LANES_MAX;
}

void plan_make(struct plan *p, const struct conf *c, const struct options *o,
	       uint64_t memory, unsigned processors)
{
	struct node_conf *n = &p->node;
	enum role role = plan_role(c, o);

	*p = (struct plan){.conf = c,
			   .options = o,
			   .memory = memory,
			   .processors = processors};
	p->threads = plan_threads(c, o, memory, processors);
	n->prefix = c->prefix;
	n->is_server = role == ROLE_SERVER;
	n->is_client = role == ROLE_CLIENT || role == ROLE_AUTO;
	n->is_relay = n->is_server ? c->relay_too : role != ROLE_CLIENT;
	plan_gate(&p->gate, c);
	if (n->is_server)
		plan_server(&n->server, c);
	if (n->is_client)
		plan_client(&n->client, c);
	if (n->is_client && n->is_relay) {
		plan_host_relay(&n->relay, c);
	} else if (n->is_relay) {
		plan_relay(&n->relay, c);
		plan_memory(p, memory);
		plan_new_peers(&n->relay, c);
	}
	if (n->is_server && n->is_relay) {
		n->relay.door = DOOR_PRIMARY;
		n->relay.server = n->server.primary;
	}
}

static void keep_client(struct client_conf *k, const struct client_conf *old,
			const struct conf *c, const char *first)
{
	k->secret = old->secret;
	k->has_flags = old->has_flags;
	k->flags = old->flags;
	k->mapped = old->mapped;
	for (unsigned i = 0; i < c->n_servers; i++) {
		if (strcmp(c->servers[i].host, first) == 0)
			k->first_server = i;
	}
}

void plan_change(struct plan *p, const struct conf *c)
{
	const struct plan old = *p;
	const struct node_conf *n = &old.node;

	plan_make(p, c, old.options, old.memory, old.processors);
	p->board = old.board;
	p->reader = old.reader;
	p->vault = old.vault;
	p->has_group = old.has_group;
	p->group = old.group;
	p->node.server.secrets = n->server.secrets;
	p->node.server.n_secrets = n->server.n_secrets;
	keep_client(&p->node.client, &n->client, c,
		    old.conf->servers[n->client.first_server].host);
}
