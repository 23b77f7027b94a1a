/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loop does for a client (see clientrun.h).
 *
 * The way to the server is looked at a moment after something has changed, for
 * changes come in bursts: a new address, then its routes. A new way is news for
 * the core, which then asks its server; so nothing else may count as one, and
 * of the tunnel's own addresses and routes nothing is heard here at all.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "clientrun.h"
#include "event.h"
#include "log.h"
#include "loop.h"
#include "preflight.h"
#include "verdict.h"

#define SETTLE_NS (50 * NS_PER_MS) /* after the first change of a burst */
#define AGAIN_NS  (100 * NS_PER_MS)

/* In whose direction the Internet is as long as no server's address is known:
 * a.root-servers.net. Nothing is sent there. */
#define FAR_AWAY 0xc6290004

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- names --- */

static const char *host_of(const struct clientrun *r, uint32_t name)
{
	return r->names.v[name].host;
}

/* The core gets what is known, unless it is content with what it has. */
static void tell_server(struct loop *l, unsigned i, uint64_t now)
{
	struct clientrun *r = l->client;
	const struct client *c = &l->node.client;
	bool is_content =
		r->told[i] && !r->wanted[i] && client_is_settled(&c->status);
	uint32_t first, second;

	if (is_content || !names_server(&r->names, i, &first, &second))
		return;
	if (!r->told[i] || c->server[i].primary != first)
		log_debug("server %s is %s and %s", host_of(r, 2 * i),
			  ip4_text(first), ip4_text(second));
	r->told[i] = true;
	r->wanted[i] = false;
	loop_make_room(l);
	client_server(&l->node.client, i, first, second, now, loop_out(l));
}

/* Once, until it can be: what the core does not know it must be told, too. */
static void say_failed(struct loop *l, const struct resolver_answer *a,
		       enum reason why, uint64_t now)
{
	const struct event_facts f = event_facts(EVENT_RESOLVER);
	struct clientrun *r = l->client;

	if (r->names.v[a->name].n)
		return; /* what was known serves */
	if (!r->said[a->name] && a->n)
		log_event(LOG_WARNING, &f,
			  "%s is %s, which cannot be a server [%s]\n"
			  "  trying again",
			  host_of(r, a->name), ip4_text(a->ip[0]),
			  reason_name(why));
	else if (!r->said[a->name])
		log_event(LOG_WARNING, &f,
			  "cannot look up %s: %s [resolver-failed]\n"
			  "  trying again",
			  host_of(r, a->name), gai_strerror(a->error));
	r->said[a->name] = true;
	r->unusable[a->name] = a->n > 0;
	loop_make_room(l);
	client_server(&l->node.client, a->name / 2, 0, 0, now, loop_out(l));
}

static void take_answer(struct loop *l, const struct resolver_answer *a,
			uint64_t now)
{
	struct clientrun *r = l->client;
	enum reason why;

	/* Of other settings it may be another name. */
	if (a->serial != l->serial || a->name >= 2 * r->names.n_servers ||
	    !host_of(r, a->name))
		return;
	why = names_answer(&r->names, a);
	if (why != REASON_NONE) {
		say_failed(l, a, why, now);
		return;
	}
	if (r->said[a->name])
		log_info("%s was found: %s", host_of(r, a->name),
			 ip4_text(a->ip[0]));
	r->said[a->name] = false;
	r->unusable[a->name] = false;
	tell_server(l, a->name / 2, now);
}

void clientrun_on_resolver(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	struct resolver_answer a;
	ssize_t n;

	while ((n = recv(r->resolver, &a, sizeof(a), MSG_DONTWAIT)) ==
	       sizeof(a))
		take_answer(l, &a, now);
	loop_flush(l);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	log_error("exiting: the resolver is gone");
	loop_finish(l, STATUS_FAILED);
}

static void ask_names(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	int i;

	/* What cannot be asked now is asked again, as if it had failed. */
	while ((i = names_due(&r->names, now)) >= 0)
		resolver_ask(r->resolver, l->serial, (uint32_t)i);
}

/* The core asks whether what it knows is right. */
static void want_names(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;

	r->wants_names = l->node.client.status.wants_names;
	for (unsigned i = 0; i < r->names.n_servers; i++)
		r->wanted[i] = true;
	/* Another address of the same name is another server. */
	names_rotate(&r->names, l->node.client.status.server);
	names_hurry(&r->names, now);
}

/* What was noted of a server goes with it to its new place. */
static void move_notes(struct clientrun *r, const unsigned *from, unsigned n)
{
	const struct clientrun old = *r;

	for (unsigned i = 0; i < n; i++) {
		bool is_new = from[i] == CLIENT_SERVERS;
		unsigned was = is_new ? 0 : from[i];

		/* Rules may be other ones, so the core judges all anew. */
		r->told[i] = false;
		r->wanted[i] = !is_new && old.wanted[was];
		r->said[2 * i] = !is_new && old.said[2 * was];
		r->said[2 * i + 1] = !is_new && old.said[2 * was + 1];
	}
}

/* LocalDiscovery, as it is now. */
static void look_at_links(struct loop *l)
{
	struct clientrun *r = l->client;

	if (r->neighbours.fd < 0)
		return;
	r->neighbours.is_off = r->plan->conf->discovery == DISCOVERY_DISABLED;
	neighbours_refresh(&r->neighbours, &l->watch->requests);
}

void clientrun_renew(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	const struct conf *c = r->plan->conf;
	unsigned from[CLIENT_SERVERS];

	look_at_links(l);
	mapping_look(l);

	r->version = 0; /* the steward is told that they are in force */
	names_change(&r->names, c->servers, c->n_servers, from, now);
	move_notes(r, from, c->n_servers);
	loop_make_room(l);
	client_servers(&l->node.client, c->n_servers, from, now, loop_out(l));
	for (unsigned i = 0; i < c->n_servers; i++) {
		tell_server(l, i, now);
		loop_flush(l);
	}
}

/* --- the way --- */

/* Where we send to, or would. */
static uint32_t target(const struct loop *l)
{
	const struct clientrun *r = l->client;

	if (l->node.client.status.server_ip)
		return l->node.client.status.server_ip;
	for (unsigned i = 0; i < r->names.n_servers; i++) {
		if (r->names.v[2 * i].n)
			return r->names.v[2 * i].ip[0];
	}
	return FAR_AWAY;
}

static void report_network(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	struct tuple local = {r->way.source, r->way.source ? r->port : 0};

	log_debug("way to the server: from %s, interface %u, router %s",
		  ip4_text(r->way.source), r->way.oif,
		  ip4_text(r->way.gateway));
	r->mapping.wait_until = 0;
	mapping_look(l);
	loop_make_room(l);
	client_network(&l->node.client, local, now, loop_out(l));
	if (local.ip && l->node.client.status.state != CLIENT_DORMANT)
		names_hurry(&r->names, now);
	loop_flush(l);
}

/* moved: something happened; else another server is asked, and only another
 * address of ours is news. */
static void look_at_way(struct loop *l, bool moved, uint64_t now)
{
	struct clientrun *r = l->client;
	uint32_t source = r->way.source;
	struct way way;
	bool is_new;

	r->way_at = UINT64_MAX;
	if (way_find(&r->watch, &r->by, target(l), &way)) {
		r->way_at = now + NS_PER_S;
		return;
	}
	is_new = way_take(&r->watch, &r->way, &way);
	if (moved ? is_new : source != way.source)
		report_network(l, now);
}

/*
 * C6: a global address and a default route that are not ours. A route alone,
 * or with an address for this site only (4193), leads nowhere. This is the one
 * place that decides: for role auto, and for DefaultRoute auto.
 */
static void look_at_native(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	bool native = false;

	r->native_at = UINT64_MAX;
	if (l->node.self.has_source && way_native(&r->watch, &native)) {
		r->native_at = now + AGAIN_NS; /* nothing is news until then */
		return;
	}
	if (native == r->host_native)
		return;
	r->host_native = native;
	r->version = 0; /* the steward is told */
	if (!l->node.is_relay)
		return;
	loop_make_room(l);
	node_native(&l->node, native, now, loop_out(l));
	loop_flush(l);
	mapping_look(l);
}

void clientrun_on_way(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;

	if (way_drain(&r->watch) && r->way_at == UINT64_MAX)
		r->way_at = now + SETTLE_NS;
}

void clientrun_addresses(struct loop *l, uint64_t now)
{
	look_at_links(l);
	look_at_native(l, now);
}

/* --- the steward --- */

static void fill_state(struct clientrun *r, const struct client_status *s)
{
	r->state.port = r->port;
	if (s->state != CLIENT_QUALIFIED)
		return;
	r->state.has_flags = true;
	r->state.flags = s->flags & FLAGS_RANDOM;
	r->state.mapped = s->mapped;
	r->state.server = s->server_ip;
	snprintf(r->state.host, sizeof(r->state.host), "%s",
		 r->plan->conf->servers[s->server].host);
}

static void fill_wish(struct loop *l, struct steward_wish *w)
{
	struct clientrun *r = l->client;
	const struct client_status *s = &l->node.client.status;

	fill_state(r, s);
	*w = (struct steward_wish){
		.serial = r->wish.serial + 1,
		.settings = l->serial,
		.is_up = s->n > 0,
		.native = l->node.is_native,
		.host_native = r->host_native,
		.n = s->n,
		.state = r->state,
	};
	memcpy(w->address, s->address, s->n * sizeof(*s->address));
	snprintf(w->reason, sizeof(w->reason), "%s", client_why_name(s->why));
	snprintf(w->nat, sizeof(w->nat), "%s", client_nat_name(s->nat));
	if (s->server_ip)
		snprintf(w->server, sizeof(w->server), "%s",
			 ip4_text(s->server_ip));
	if (s->n)
		snprintf(w->mapped, sizeof(w->mapped), "%s:%u",
			 ip4_text(s->mapped.ip), s->mapped.port);
}

static void tell_steward(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;

	r->tell_at = UINT64_MAX;
	if (steward_tell(r->steward, &r->wish) == -EAGAIN)
		r->tell_at = now + AGAIN_NS;
}

static void take_done(struct clientrun *r, const struct steward_done *d)
{
	int error = d->error < 0 ? -d->error : d->error;

	if (error && !r->error)
		log_warning("addresses and routes are not as they ought to "
			    "be: %s",
			    strerror(error));
	r->error = error;
}

/* The host has what the core has now: so packets come in. */
static void be_ready(struct loop *l, const struct steward_done *d, uint64_t now)
{
	const struct clientrun *r = l->client;

	if (!d->error && d->serial == r->wish.serial && !clientrun_is_behind(l))
		knock_ready(&l->node.client, now);
}

void clientrun_on_steward(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	struct steward_answer a;
	int n;

	publish_soon(&l->publisher, l->lanes.latest);
	while ((n = steward_hear(r->steward, &a)) > 0) {
		if (a.is_door) {
			randdoors_take(l, &a.door, a.fd);
			continue;
		}
		take_done(r, &a.done);
		be_ready(l, &a.done, now);
	}
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (!l->done)
		log_error("exiting: the steward is gone");
	r->steward = -1;
	loop_finish(l, STATUS_FAILED);
}

void clientrun_finish(struct loop *l)
{
	struct clientrun *r = l->client;

	mapping_finish(l);
	if (r->steward < 0)
		return;
	fill_wish(l, &r->wish);
	steward_finish(r->steward, &r->wish);
}

/* --- how it is --- */

/* For who looks for it in the journal. */
static struct event_facts facts_of(enum event e, const struct client_status *s)
{
	struct event_facts f = event_facts(e);

	snprintf(f.state, sizeof(f.state), "%s", verdict_client_state(s));
	f.server = s->server_ip;
	if (s->n)
		f.address = s->address[0];
	return f;
}

static void log_qualified(const struct client_status *s)
{
	const struct event_facts f = facts_of(event_of_why(s->why), s);
	const char *cause =
		s->why == WHY_MOVED ? "the NAT has changed the mapping; " : "";

	log_event(LOG_INFO, &f,
		  "%squalified: %s, server %s, NAT %s, mapped %s:%u", cause,
		  ip6_text(&s->address[0]), ip4_text(s->server_ip),
		  client_nat_name(s->nat), ip4_text(s->mapped.ip),
		  s->mapped.port);
}

static void log_trouble(const struct client_status *s)
{
	const char *state = s->n ? "the address is kept" : "off-line";
	bool by_server = s->why == WHY_SERVER || s->why == WHY_SECONDARY;
	const struct event_facts f = facts_of(event_of_why(s->why), s);

	if (s->why == WHY_NATIVE)
		log_event(LOG_INFO, &f, "off: %s [%s]", client_why_text(s->why),
			  client_why_name(s->why));
	else
		log_event(LOG_WARNING, &f, "%s: %s%s%s [%s]", state,
			  by_server ? ip4_text(s->server_ip) : "",
			  by_server ? ": " : "", client_why_text(s->why),
			  client_why_name(s->why));
}

/*
 * It is quiet now, or asks again: it keeps its address, and nothing is wrong.
 * Was there nothing else to say?
 */
static bool log_dormancy(const struct client_status *was,
			 const struct client_status *s)
{
	struct event_facts f;

	if (s->state == CLIENT_DORMANT) {
		f = facts_of(event_of_why(s->why), s);
		log_event(LOG_INFO, &f, "dormant: %s [%s]",
			  client_why_text(s->why), client_why_name(s->why));
		return true;
	}
	if (was->state != CLIENT_DORMANT || s->state != CLIENT_QUALIFIED)
		return false;
	f = facts_of(EVENT_AWAKE, s);
	log_event(LOG_INFO, &f, "awake: %s, so server %s is asked [%s]",
		  client_waker_text(s->waker), ip4_text(s->server_ip),
		  event_name(EVENT_AWAKE));
	return ip6_equal(&was->address[0], &s->address[0]);
}

/* A mapping that was changed is none, once the address is the new one. */
static enum client_why trouble(const struct client_status *s)
{
	return s->why == WHY_MOVED ? WHY_NONE : s->why;
}

static bool is_same(const struct client_status *a,
		    const struct client_status *b)
{
	if (a->n != b->n || trouble(a) != trouble(b))
		return false;
	if (a->n == 0)
		return true;
	return a->state == b->state && a->server_ip == b->server_ip &&
	       a->mapped.ip == b->mapped.ip &&
	       a->mapped.port == b->mapped.port && a->nat == b->nat &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* A line for each change; not for each server that is tried in turn. */
static void log_change(struct clientrun *r, const struct client_status *s)
{
	const struct client_status was = r->logged;

	if (s->why == WHY_START) {
		log_debug("asking server %s", ip4_text(s->server_ip));
		return;
	}
	if (is_same(&was, s))
		return;
	r->logged = *s;
	/* There was no address, and each name has a line of its own. */
	if (s->n == 0 && was.n == 0 && s->why == WHY_RESOLVER)
		return;
	if (log_dormancy(&was, s))
		return;
	if (s->state == CLIENT_QUALIFIED)
		log_qualified(s);
	else
		log_trouble(s);
	if (s->key_ends)
		log_warning("the server wants ClientID %s to get a new secret",
			    r->plan->conf->client_id);
}

/* What nobody would believe of a host behind a NAT is said. */
static void log_inbound(struct clientrun *r, const struct client *c)
{
	const struct client_status *s = &c->status;
	struct event_facts f;

	if (c->knock.inbound == r->inbound ||
	    c->knock.inbound == INBOUND_UNKNOWN || s->n == 0)
		return;
	r->inbound = c->knock.inbound;
	if (r->inbound == INBOUND_OPEN) {
		f = facts_of(EVENT_INBOUND_OPEN, s);
		log_event(LOG_WARNING, &f,
			  "the Internet reaches any port of this host at %s "
			  "[%s]\n"
			  "  unless that is wanted, have a firewall: teredo(7)",
			  ip6_text(&s->address[0]), f.reason);
		return;
	}
	f = facts_of(EVENT_INBOUND_FILTERED, s);
	log_event(LOG_INFO, &f, "a firewall keeps strangers out%s [%s]",
		  r->inbound == INBOUND_ECHO ? ", but for pings" : "",
		  f.reason);
}

void clientrun_doors(struct loop *l)
{
	struct clientrun *r = l->client;
	bool wants = l->node.client.status.wants_probe && r->probe >= 0;
	char old;

	randdoors_look(l);
	if (wants == r->is_probing)
		return;
	r->is_probing = wants;
	if (!wants) {
		loop_unwatch(l, r->probe);
		return;
	}
	/* What came while nobody listened. */
	while (recv(r->probe, &old, 1, MSG_DONTWAIT) >= 0)
		;
	loop_watch(l, r->probe, (enum source)(SOURCE_DOOR + DOOR_PROBE));
}

bool clientrun_is_behind(const struct loop *l)
{
	/* Before it is told of the network it has nothing to say. */
	return !l->client->mapping.wait_until &&
	       l->client->version != l->node.client.status.version;
}

void clientrun_look(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	const struct client_status *s = &l->node.client.status;

	log_inbound(r, &l->node.client);
	if (!clientrun_is_behind(l))
		return;
	r->version = s->version;
	clientrun_doors(l);
	mapping_status(l);
	log_change(r, s);
	fill_wish(l, &r->wish);
	tell_steward(l, now);
	names_silent(&r->names, !client_is_settled(s), now);
	if (s->wants_names != r->wants_names)
		want_names(l, now);
	if (s->server_ip != r->server_ip) {
		r->server_ip = s->server_ip;
		look_at_way(l, false, now);
	}
}

void clientrun_log(const struct loop *l)
{
	static const char *const states[] = {
		[CLIENT_OFF] = "off",       [CLIENT_RESOLVING] = "resolving",
		[CLIENT_ASKING] = "asking", [CLIENT_QUALIFIED] = "qualified",
		[CLIENT_SILENT] = "silent", [CLIENT_DORMANT] = "dormant",
	};
	const struct client *c = &l->node.client;
	const struct client_status *s = &c->status;

	log_info("client: %s [%s], server %s (%s), NAT %s%s, refresh %u s, "
		 "inbound %s",
		 states[s->state], client_why_name(s->why),
		 l->client->plan->conf->servers[s->server].host,
		 s->server_ip ? ip4_text(s->server_ip) : "unknown",
		 client_nat_name(s->nat),
		 s->preserves_port ? ", preserves the port" : "", s->refresh_s,
		 inbound_name(c->knock.inbound));
	for (unsigned i = 0; i < s->n; i++)
		log_info("address: %s%s", ip6_text(&s->address[i]),
			 i ? ", going away" : "");
	if (s->n)
		log_info("mapped: %s:%u, local %s:%u", ip4_text(s->mapped.ip),
			 s->mapped.port, ip4_text(c->local.ip), c->local.port);
	log_info("peers: active=%u trusted=%u untrusted=%u of %u",
		 c->recent.n[STANDING_ACTIVE], c->recent.n[STANDING_TRUSTED],
		 c->recent.n[STANDING_UNTRUSTED], c->recent.capacity);
}

void clientrun_check(struct loop *l, uint64_t now)
{
	log_info("SIGHUP: asking the server again");
	names_hurry(&l->client->names, now);
	loop_make_room(l);
	client_check(&l->node.client, now, loop_out(l));
	loop_flush(l);
}

/* --- time --- */

void clientrun_watch(struct loop *l)
{
	struct clientrun *r = l->client;

	/* Sends; it is listened to when the core wants that. */
	l->lanes.lane[0].door[DOOR_PROBE] = r->probe;
	loop_watch(l, r->steward, SOURCE_STEWARD);
	loop_watch(l, r->resolver, SOURCE_RESOLVER);
	loop_watch(l, r->mapping.fd, SOURCE_MAPPER);
	loop_watch(l, netlink_fd(&r->watch.events), SOURCE_WAY);
}

void clientrun_start(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;
	struct way way = {0};

	r->way_at = r->tell_at = r->native_at = UINT64_MAX;
	r->random.due = UINT64_MAX;
	look_at_native(l, now);
	for (unsigned i = 0; i < r->names.n_servers; i++) {
		tell_server(l, i, now);
		loop_flush(l);
	}
	names_hurry(&r->names, now);
	if (way_find(&r->watch, &r->by, target(l), &way))
		r->way_at = now + NS_PER_S;
	way_take(&r->watch, &r->way, &way);
	/* Also if there is none. */
	if (!mapping_begin(l, now))
		report_network(l, now);
}

uint64_t clientrun_next(const struct clientrun *r)
{
	uint64_t look = earlier(r->way_at, r->native_at);

	if (r->mapping.wait_until)
		look = earlier(look, r->mapping.wait_until);
	look = earlier(look, r->random.due);
	return earlier(earlier(look, r->tell_at), names_next(&r->names));
}

void clientrun_timeout(struct loop *l, uint64_t now)
{
	struct clientrun *r = l->client;

	if (r->mapping.wait_until && r->mapping.wait_until <= now)
		report_network(l, now);
	if (earlier(r->way_at, r->native_at) <= now)
		look_at_native(l, now);
	if (r->way_at <= now)
		look_at_way(l, true, now);
	if (r->tell_at <= now)
		tell_steward(l, now);
	if (names_next(&r->names) <= now)
		ask_names(l, now);
	if (r->random.due <= now)
		randdoors_timeout(l, now);
}
