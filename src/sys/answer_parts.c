/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "answer_parts.h"

#include <stdio.h>

#include "preflight.h"

void put_ip4(struct json *j, const char *key, uint32_t ip)
{
	json_text(j, key, ip ? ip4_text(ip) : NULL);
}

void put_ip6(struct json *j, const char *key, const struct ip6 *a)
{
	json_text(j, key, a ? ip6_text(a) : NULL);
}

void put_tuple(struct json *j, const char *key, struct tuple t)
{
	char text[32];

	snprintf(text, sizeof(text), "%s:%u", ip4_text(t.ip), t.port);
	json_text(j, key, t.port ? text : NULL);
}

/* How long ago; null if that was never. */
void put_age(struct json *j, const char *key, uint64_t t, uint64_t now)
{
	if (t)
		json_seconds(j, key, t < now ? now - t : 0);
	else
		json_none(j, key);
}

void put_duration(struct json *j, const char *key, uint64_t ns)
{
	if (ns)
		json_seconds(j, key, ns);
	else
		json_none(j, key);
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

static const char *role_name(const struct node_conf *n)
{
	if (n->is_server)
		return n->is_relay ? "server+relay" : "server";
	if (n->is_client)
		return n->is_relay ? "auto" : "client";
	return "relay";
}

void put_verdict(struct json *j, const struct show *s, const struct view *v)
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

void put_inbound(struct json *j, const struct facts *f)
{
	bool known = f->inbound <= INBOUND_FILTERED;

	json_text(j, "inbound",
		  inbound_name(known ? f->inbound : INBOUND_UNKNOWN));
}

void put_mapping(struct json *j, const struct facts *f)
{
	const struct mapper_news *n = &f->mapping;
	const struct portmap_lease *l = &n->lease;
	bool has = n->why == PORTMAP_OK;

	json_open(j, "port_mapping", '{');
	json_text(j, "state", portmap_why_name((enum portmap_why)n->why));
	json_text(j, "text", portmap_why_text((enum portmap_why)n->why));
	json_text(j, "method",
		  has ? portmap_method_name((enum portmap_method)l->method)
		      : NULL);
	put_ip4(j, "gateway", has ? l->gateway : 0);
	put_tuple(j, "external", has ? l->external : (struct tuple){0});
	if (has && n->lifetime_s)
		json_number(j, "lifetime", n->lifetime_s);
	else
		json_none(j, "lifetime");
	json_close(j, '}');
}

void put_daemon(struct json *j, const struct show *s, const struct view *v)
{
	json_text(j, "program", "miredo " MIREDO_VERSION);
	json_text(j, "role", role_name(&s->plan->node));
	json_number(j, "pid", (uint64_t)s->pid);
	json_time(j, "started", s->started);
	json_number(j, "uptime", (uint64_t)(v->clock - s->started));
	json_number(j, "lives", v->facts.lives);
}

void put_client_peers(struct json *j, const struct show *s,
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

void put_relay_peers(struct json *j, const struct show *s,
		     const struct facts *f)
{
	json_open(j, "peers", '{');
	json_number(j, "proven", f->roll[ROLL_PROVEN]);
	json_number(j, "probing", f->roll[ROLL_PROBING]);
	json_number(j, "failed", f->roll[ROLL_FAILED]);
	json_number(j, "capacity", s->plan->node.relay.max_peers);
	json_close(j, '}');
}

void put_packets(struct json *j, const struct show *s, const struct stats *n)
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

void put_rows(struct json *j, const char *key, const bool row[static CONF_ROWS])
{
	json_open(j, key, '[');
	for (unsigned i = 0; i < conf_rows(); i++) {
		if (row[i])
			json_text(j, NULL, conf_name(i));
	}
	json_close(j, ']');
}

void put_settings(struct json *j, const struct settings_view *s,
		  const struct view *v)
{
	json_open(j, "configuration", '{');
	json_number(j, "serial", s->serial);
	if (v->facts.settings)
		json_number(j, "in_force", v->facts.settings);
	else
		json_none(j, "in_force");
	json_time(j, "loaded", s->loaded);
	put_rows(j, "waiting", s->waiting);
	put_duration(j, "confirm",
		     s->confirm_until ? until(s->confirm_until, v->now) : 0);
	json_text(j, "error", s->error[0] ? s->error : NULL);
	json_number(j, "failed", s->failed);
	json_close(j, '}');
}
