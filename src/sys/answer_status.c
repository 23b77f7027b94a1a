/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the daemon is (see answer.h). */
#include <arpa/inet.h>
#include <stdio.h>

#include "answer_parts.h"
#include "preflight.h"

/* Windows has the same words but for one. */
static const char *windows_nat(enum client_nat nat)
{
	return nat == CLIENT_NAT_NONE ? "none (global connectivity)"
				      : client_nat_name(nat);
}

static const char *server_state(const struct facts *f, unsigned i)
{
	if (i == f->client.server && f->client.server_ip)
		return client_is_settled(&f->client) ? "in use" : "asked";
	if (f->server[i].primary)
		return "known";
	return f->server[i].failed ? "not found" : "unknown";
}

static void put_servers(struct json *j, const struct show *s,
			const struct facts *f)
{
	const struct conf *c = &s->settings->conf;

	json_open(j, "servers", '[');
	for (unsigned i = 0; i < c->n_servers && i < CLIENT_SERVERS; i++) {
		json_open(j, NULL, '{');
		json_text(j, "name", c->servers[i].host);
		put_ip4(j, "address", f->server[i].primary);
		json_text(j, "state", server_state(f, i));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_server_in_use(struct json *j, const struct show *s,
			      const struct view *v)
{
	const struct client_status *c = &v->facts.client;
	bool known = c->server < s->settings->conf.n_servers;

	json_open(j, "server", '{');
	json_text(j, "name",
		  known ? s->settings->conf.servers[c->server].host : NULL);
	put_ip4(j, "address", c->server_ip);
	put_ip4(j, "address2",
		known && c->server_ip ? v->facts.server[c->server].secondary
				      : 0);
	put_duration(j, "rtt", v->facts.rtt);
	put_age(j, "last_answer", v->facts.heard, v->now);
	json_close(j, '}');
}

static void put_nat(struct json *j, const struct facts *f)
{
	const struct client_status *c = &f->client;
	bool known = c->nat <= CLIENT_NAT_SYMMETRIC;
	enum client_nat nat = known ? c->nat : CLIENT_NAT_UNKNOWN;

	json_text(j, "nat", client_nat_name(nat));
	json_text(j, "windows_nat", windows_nat(nat));
	json_bool(j, "preserves_port", c->preserves_port);
	json_text(j, "random_ports", randport_mode_name(c->random_ports));
	put_tuple(j, "local", f->local);
	put_tuple(j, "mapped", c->mapped);
	json_number(j, "refresh", c->refresh_s);
}

static void put_addresses(struct json *j, const struct client_status *c)
{
	put_ip6(j, "address", c->n ? &c->address[0] : NULL);
	json_open(j, "old_addresses", '[');
	for (unsigned i = 1; i < c->n && i < CLIENT_ADDRESSES; i++)
		put_ip6(j, NULL, &c->address[i]);
	json_close(j, ']');
}

static void put_probe(struct json *j, const struct show *s,
		      const struct view *v)
{
	const struct ip6 *host = &s->settings->conf.probe;
	const struct probe *p = &v->facts.probe;
	bool known = p->state <= PROBE_FAILED;

	if (!host->b[0]) {
		json_none(j, "probe");
		return;
	}
	json_open(j, "probe", '{');
	put_ip6(j, "host", host);
	json_text(j, "state",
		  probe_state_name(known ? p->state : PROBE_UNTRIED));
	put_tuple(j, "relay", p->relay);
	put_duration(j, "rtt", p->rtt);
	put_age(j, "age", p->heard, v->now);
	json_close(j, '}');
}

static const char *used_for(const struct facts *f)
{
	if (f->client.n == 0)
		return "nothing";
	return f->default_route ? "peers and default route" : "peers only";
}

static void put_client(struct json *j, const struct show *s,
		       const struct view *v)
{
	const struct facts *f = &v->facts;

	if (!f->is_client) {
		json_none(j, "client");
		return;
	}
	json_open(j, "client", '{');
	put_addresses(j, &f->client);
	put_server_in_use(j, s, v);
	put_servers(j, s, f);
	put_nat(j, f);
	put_mapping(j, f);
	json_number(j, "requests", f->silent);
	put_duration(j, "next_request",
		     f->silent && f->due != UINT64_MAX ? until(f->due, v->now)
						       : 0);
	json_number(j, "address_changes", f->changes ? f->changes - 1 : 0);
	json_bool(j, "native_ipv6", f->host_native);
	json_text(j, "used_for", used_for(f));
	put_inbound(j, f);
	put_age(j, "inbound_age", f->knocked, v->now);
	put_client_peers(j, s, f);
	put_probe(j, s, v);
	json_close(j, '}');
}

static void put_relay(struct json *j, const struct show *s,
		      const struct facts *f)
{
	const uint32_t prefix = s->settings->conf.prefix;
	struct ip6 a = {{0}};
	char text[INET6_ADDRSTRLEN + 4];

	if (!f->is_relay) {
		json_none(j, "relay");
		return;
	}
	put32(a.b, prefix);
	snprintf(text, sizeof(text), "%s/32", ip6_text(&a));
	json_open(j, "relay", '{');
	put_tuple(j, "local", f->relay_local);
	put_ip6(j, "source", f->has_source ? &f->source : NULL);
	json_bool(j, "host_only", s->plan->node.relay.host_only);
	json_bool(j, "forwarding", f->forwarding);
	json_text(j, "prefix", text);
	put_relay_peers(j, s, f);
	json_close(j, '}');
}

static void put_server(struct json *j, const struct show *s,
		       const struct stats *n)
{
	const struct server_conf *c = &s->plan->node.server;

	if (!s->plan->node.is_server) {
		json_none(j, "server");
		return;
	}
	json_open(j, "server", '{');
	put_ip4(j, "primary", c->primary);
	put_ip4(j, "secondary", c->secondary);
	json_number(j, "port", TEREDO_PORT);
	json_bool(j, "requires_secret", c->require_secret);
	json_number(j, "advertised", n->n[REASON_RA]);
	json_close(j, '}');
}

static void put_interface(struct json *j, const struct show *s)
{
	const struct node_conf *n = &s->plan->node;
	bool has_one = n->is_client || n->is_relay;

	json_text(j, "interface", has_one ? s->settings->conf.iface : NULL);
	json_number(j, "mtu", s->settings->conf.mtu);
}

static void put_status(struct json *j, const struct show *s,
		       const struct view *v)
{
	char offloads[OFFLOAD_NAMES];
	struct stats n = {0};

	board_stats(s->board, s->plan->threads, &n);
	offload_names(offloads, v->facts.offloads & OFFLOAD_ALL);
	put_daemon(j, s, v);
	put_verdict(j, s, v);
	put_interface(j, s);
	put_client(j, s, v);
	put_relay(j, s, &v->facts);
	put_server(j, s, &n);
	put_packets(j, s, &n);
	json_number(j, "threads", v->facts.threads);
	json_text(j, "offloads", offloads);
	put_settings(j, s->settings, v);
}

void answer_status(struct json *j, const struct show *s)
{
	struct view v;

	view_take(&v, s);
	answer_begin(j);
	put_status(j, s, &v);
	json_close(j, '}');
}

void event_status(struct json *j, const struct show *s, const struct view *v)
{
	answer_begin(j);
	json_text(j, "event", "status");
	json_time(j, "time", v->clock);
	json_open(j, "status", '{');
	json_number(j, "version", 1);
	put_status(j, s, v);
	json_close(j, '}');
	json_close(j, '}');
	json_end(j);
}

void answer_headline(char *text, size_t size, const struct view *v)
{
	const struct verdict_words *w = verdict_words(v->verdict);
	const struct facts *f = &v->facts;
	const char *state = verdict_state(f, v->verdict);

	if (v->verdict != VERDICT_OK)
		snprintf(text, size, "%s: %s [%s]", state, w->text, w->name);
	else if (f->is_client && f->client.n)
		snprintf(text, size, "%s: %s", state,
			 ip6_text(&f->client.address[0]));
	else
		snprintf(text, size, "%s", state);
}
