/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers in one piece (see answer.h); peers are in answer_peers.c. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "answer.h"
#include "preflight.h"
#include "reader.h"
#include "verdict.h"

static bool is_waiting(const struct settings_view *v)
{
	for (unsigned i = 0; i < CONF_ROWS; i++) {
		if (v->waiting[i])
			return true;
	}
	return false;
}

static unsigned notes_of(const struct settings_view *v)
{
	unsigned n = 0;

	if (is_waiting(v))
		n |= 1u << NOTE_WAITING;
	if (v->error[0])
		n |= 1u << NOTE_REFUSED;
	if (v->confirm_until)
		n |= 1u << NOTE_CONFIRM;
	return n;
}

void view_take(struct view *v, const struct show *s)
{
	bool is_there = board_read(s->board, &v->facts);

	v->now = clock_now();
	v->clock = time(NULL);
	v->notes = is_there ? verdict_notes(&v->facts) : 0;
	v->notes |= notes_of(s->settings);
	v->verdict = (enum verdict)v->facts.verdict;
	if (v->facts.verdict >= VERDICT_COUNT)
		v->verdict = VERDICT_STUCK;
	if (v->facts.beat <= BEAT_S * NS_PER_S &&
	    v->now > v->facts.at + BEATS * v->facts.beat)
		v->verdict = VERDICT_STUCK;
	if (!is_there)
		v->verdict = VERDICT_NOT_READY;
}

void answer_begin(struct json *j)
{
	json_open(j, NULL, '{');
	json_number(j, "version", 1);
}

void answer_error(struct json *j, const char *code, const char *error,
		  const char *advice)
{
	answer_begin(j);
	json_text(j, "code", code);
	json_text(j, "error", error);
	json_text(j, "advice", advice);
	json_close(j, '}');
}

/* --- values --- */

static void put_ip4(struct json *j, const char *key, uint32_t ip)
{
	json_text(j, key, ip ? ip4_text(ip) : NULL);
}

static void put_ip6(struct json *j, const char *key, const struct ip6 *a)
{
	json_text(j, key, a ? ip6_text(a) : NULL);
}

static void put_tuple(struct json *j, const char *key, struct tuple t)
{
	char text[32];

	snprintf(text, sizeof(text), "%s:%u", ip4_text(t.ip), t.port);
	json_text(j, key, t.port ? text : NULL);
}

/* How long ago; null if that was never. */
static void put_age(struct json *j, const char *key, uint64_t t,
		    const struct view *v)
{
	if (t)
		json_seconds(j, key, t < v->now ? v->now - t : 0);
	else
		json_none(j, key);
}

static void put_duration(struct json *j, const char *key, uint64_t ns)
{
	if (ns)
		json_seconds(j, key, ns);
	else
		json_none(j, key);
}

/* --- status --- */

static const char *role_name(const struct node_conf *n)
{
	if (n->is_server)
		return n->is_relay ? "server+relay" : "server";
	if (n->is_client)
		return n->is_relay ? "auto" : "client";
	return "relay";
}

static void put_words(struct json *j, const struct verdict_words *w)
{
	json_text(j, "reason", w->name);
	json_text(j, "text", w->text);
	json_text(j, "advice", w->advice);
}

static void put_notes(struct json *j, unsigned notes)
{
	json_open(j, "notes", '[');
	for (int n = 0; n < NOTE_COUNT; n++) {
		if (!(notes >> n & 1))
			continue;
		json_open(j, NULL, '{');
		put_words(j, note_words((enum note)n));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_verdict(struct json *j, const struct show *s,
			const struct view *v)
{
	const struct verdict_words *w = verdict_words(v->verdict);
	uint64_t lasts = v->facts.since && v->facts.since < v->now
				 ? v->now - v->facts.since
				 : 0;

	if (v->verdict == VERDICT_STUCK)
		lasts = v->now - v->facts.at;
	if (v->verdict == VERDICT_NOT_READY)
		lasts = (uint64_t)(v->clock - s->started) * NS_PER_S;
	json_text(j, "state", verdict_state(&v->facts, v->verdict));
	json_time(j, "since", v->clock - (int64_t)(lasts / NS_PER_S));
	json_seconds(j, "for", lasts);
	json_bool(j, "good", w->is_good);
	put_words(j, w);
	put_notes(j, v->notes);
}

static const char *windows_nat(enum client_nat nat)
{
	switch (nat) {
	case CLIENT_NAT_NONE:
		return "none (global connectivity)";
	case CLIENT_NAT_CONE:
		return "cone";
	case CLIENT_NAT_RESTRICTED:
		return "restricted";
	case CLIENT_NAT_SYMMETRIC:
		return "symmetric";
	case CLIENT_NAT_UNKNOWN:
		break;
	}
	return "unknown";
}

static const char *server_state(const struct facts *f, unsigned i)
{
	if (i == f->client.server && f->client.server_ip)
		return f->client.state == CLIENT_QUALIFIED ? "in use" : "asked";
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
	put_age(j, "last_answer", v->facts.heard, v);
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
	put_age(j, "age", p->heard, v);
	json_close(j, '}');
}

static void put_client_peers(struct json *j, const struct show *s,
			     const struct facts *f)
{
	json_open(j, "peers", '{');
	json_number(j, "active", f->standing[STANDING_ACTIVE]);
	json_number(j, "trusted", f->standing[STANDING_TRUSTED]);
	json_number(j, "untrusted",
		    (uint64_t)f->standing[STANDING_UNTRUSTED] +
			    f->standing[STANDING_WANTED]);
	json_number(j, "capacity", s->plan->node.client.max_peers);
	json_close(j, '}');
}

static const char *used_for(const struct facts *f)
{
	if (f->client.n == 0)
		return "nothing";
	return f->default_route ? "peers and default route" : "peers only";
}

static uint64_t until(uint64_t t, uint64_t now)
{
	return t > now ? t - now : 1;
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
	json_number(j, "requests", f->silent);
	put_duration(j, "next_request",
		     f->silent && f->due != UINT64_MAX ? until(f->due, v->now)
						       : 0);
	json_number(j, "address_changes", f->changes ? f->changes - 1 : 0);
	json_bool(j, "native_ipv6", f->host_native);
	json_text(j, "used_for", used_for(f));
	put_client_peers(j, s, f);
	put_probe(j, s, v);
	json_close(j, '}');
}

static void put_relay_peers(struct json *j, const struct show *s,
			    const struct facts *f)
{
	json_open(j, "peers", '{');
	json_number(j, "proven", f->roll[ROLL_PROVEN]);
	json_number(j, "probing", f->roll[ROLL_PROBING]);
	json_number(j, "failed", f->roll[ROLL_FAILED]);
	json_number(j, "capacity", s->plan->node.relay.max_peers);
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

static void put_packets(struct json *j, const struct show *s,
			const struct stats *n)
{
	struct lane_counts c;
	uint64_t dropped = 0;

	board_counts(s->board, s->plan->threads, &c);
	for (int r = REASON_TRUNCATED; r < REASON_COUNT; r++)
		dropped += n->n[r];
	json_open(j, "packets", '{');
	json_number(j, "from_ipv4", c.datagrams);
	json_number(j, "to_ipv4", c.sent);
	json_number(j, "from_ipv6", c.packets);
	json_number(j, "to_ipv6", c.written);
	json_number(j, "dropped", dropped);
	json_close(j, '}');
}

static void put_daemon(struct json *j, const struct show *s,
		       const struct view *v)
{
	json_text(j, "program", "miredo " MIREDO_VERSION);
	json_text(j, "role", role_name(&s->plan->node));
	json_number(j, "pid", (uint64_t)s->pid);
	json_time(j, "started", s->started);
	json_number(j, "uptime", (uint64_t)(v->clock - s->started));
	json_number(j, "lives", v->facts.lives);
}

static void put_interface(struct json *j, const struct show *s)
{
	const struct node_conf *n = &s->plan->node;
	bool has_one = n->is_client || n->is_relay;

	json_text(j, "interface", has_one ? s->settings->conf.iface : NULL);
	json_number(j, "mtu", s->settings->conf.mtu);
}

static void put_rows(struct json *j, const char *key,
		     const bool row[static CONF_ROWS])
{
	json_open(j, key, '[');
	for (unsigned i = 0; i < conf_rows(); i++) {
		if (row[i])
			json_text(j, NULL, conf_name(i));
	}
	json_close(j, ']');
}

static void put_settings(struct json *j, const struct settings_view *s,
			 uint64_t now)
{
	json_open(j, "configuration", '{');
	json_number(j, "serial", s->serial);
	json_time(j, "loaded", s->loaded);
	put_rows(j, "waiting", s->waiting);
	put_duration(j, "confirm",
		     s->confirm_until ? until(s->confirm_until, now) : 0);
	json_text(j, "error", s->error[0] ? s->error : NULL);
	json_number(j, "failed", s->failed);
	json_close(j, '}');
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
	put_settings(j, s->settings, v->now);
}

void answer_status(struct json *j, const struct show *s, const struct view *v)
{
	answer_begin(j);
	put_status(j, s, v);
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

/* --- the log --- */

static const char *severity_name(uint8_t severity)
{
	if (severity <= LOG_ERR)
		return "error";
	if (severity == LOG_WARNING)
		return "warning";
	return severity == LOG_DEBUG ? "debug" : "info";
}

static void put_line(struct json *j, const struct journal_line *l)
{
	json_time(j, "time", l->time);
	json_text(j, "severity", severity_name(l->severity));
	json_text(j, "text", l->text);
}

void answer_log(struct json *j, const struct show *s, unsigned lines)
{
	const struct journal *from = &s->board->journal;
	uint32_t newest = __atomic_load_n(&from->newest, __ATOMIC_ACQUIRE);
	struct journal_line l;

	if (lines > JOURNAL_LINES)
		lines = JOURNAL_LINES;
	answer_begin(j);
	json_open(j, "lines", '[');
	for (uint32_t n = newest - lines; n != newest; n++) {
		if (!journal_read(from, n + 1, &l))
			continue;
		json_open(j, NULL, '{');
		put_line(j, &l);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

void event_log(struct json *j, const struct journal_line *l)
{
	answer_begin(j);
	json_text(j, "event", "log");
	put_line(j, l);
	json_close(j, '}');
	json_end(j);
}

/* --- numbers --- */

static void put_reasons(struct json *j, const struct stats *n)
{
	json_open(j, "reasons", '{');
	for (int r = REASON_HELD + 1; r < REASON_COUNT; r++)
		json_number(j, reason_name((enum reason)r), n->n[r]);
	json_close(j, '}');
}

static void put_bytes(struct json *j, const struct show *s)
{
	struct meter_count in = {0}, out = {0};

	board_totals(s->board, s->plan->threads, &in, &out);
	json_open(j, "bytes", '{');
	json_number(j, "to_ipv4", out.bytes);
	json_number(j, "to_ipv6", in.bytes);
	json_close(j, '}');
}

static void put_client_numbers(struct json *j, const struct view *v)
{
	const struct facts *f = &v->facts;
	uint64_t age = f->heard < v->now ? v->now - f->heard : 0;

	if (!f->is_client) {
		json_none(j, "client");
		return;
	}
	json_open(j, "client", '{');
	put_duration(j, "server_rtt", f->rtt);
	if (f->heard)
		json_number(j, "last_answer_timestamp",
			    (uint64_t)v->clock - age / NS_PER_S);
	else
		json_none(j, "last_answer_timestamp");
	json_number(j, "address_changes", f->changes ? f->changes - 1 : 0);
	json_number(j, "solicitations", f->asked);
	json_close(j, '}');
}

void answer_metrics(struct json *j, const struct show *s)
{
	struct stats n = {0};
	struct view v;

	view_take(&v, s);
	board_stats(s->board, s->plan->threads, &n);
	answer_begin(j);
	put_daemon(j, s, &v);
	put_verdict(j, s, &v);
	put_reasons(j, &n);
	put_packets(j, s, &n);
	put_bytes(j, s);
	if (v.facts.is_client)
		put_client_peers(j, s, &v.facts);
	else if (v.facts.is_relay)
		put_relay_peers(j, s, &v.facts);
	else
		json_none(j, "peers");
	put_client_numbers(j, &v);
	put_settings(j, s->settings, v.now);
	json_close(j, '}');
}

/* --- configuration --- */

struct conf_lines {
	struct json *j;
	const struct settings_view *settings;
};

static void put_conf_line(void *arg, const struct conf_line *line)
{
	const struct conf_lines *lines = arg;
	struct json *j = lines->j;

	json_open(j, NULL, '{');
	json_text(j, "directive", line->directive);
	json_text(j, "value", line->value);
	json_text(j, "origin", line->origin);
	json_bool(j, "waiting", lines->settings->waiting[line->row]);
	json_close(j, '}');
}

void answer_config(struct json *j, const struct show *s)
{
	struct conf_lines lines = {j, s->settings};

	answer_begin(j);
	json_number(j, "serial", s->settings->serial);
	json_open(j, "lines", '[');
	conf_list(&s->settings->conf, put_conf_line, &lines);
	json_close(j, ']');
	json_close(j, '}');
}

static void put_errors(struct json *j, const struct reader_answer *a)
{
	json_open(j, "errors", '[');
	for (unsigned i = 0; i < a->n_errors && i < READER_ERRORS; i++)
		json_text(j, NULL, a->error[i]);
	json_close(j, ']');
	json_number(j, "left_out", a->left_out);
}

void answer_reload(struct json *j, const struct reader_answer *a)
{
	answer_begin(j);
	if (a->failed) {
		json_text(j, "code", "failed");
		json_text(j, "error", "the configuration was not changed");
		json_text(j, "advice", "correct it, and try again");
		put_errors(j, a);
		json_close(j, '}');
		return;
	}
	json_number(j, "serial", a->serial);
	put_rows(j, "applied", a->applied);
	put_rows(j, "waiting", a->waiting);
	if (a->confirm_s)
		json_number(j, "confirm", a->confirm_s);
	else
		json_none(j, "confirm");
	json_close(j, '}');
}
