/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publish.h"

#include <string.h>
#include <unistd.h>

#include "clientrun.h"
#include "iface.h"
#include "log.h"
#include "loop.h"
#include "verdict.h"

#define SOON_NS  (100 * NS_PER_MS)
#define LATER_NS NS_PER_S

void publish_lane(struct board *b, const struct lane *lane)
{
	struct board_lane *to = &b->lane[lane - lane->all->lane];

	meter_outbox(&to->meter, &lane->out, lane->now ? lane->now : 1);
	to->stats = lane->stats;
	lane_count(lane, &to->counts);
}

/* Whatever the core does with packets, it counts. */
void publish_core(struct loop *l)
{
	struct board *b = l->publisher.board;
	const struct node *n = &l->node;

	if (!b || (memcmp(&b->core, &n->stats, sizeof(n->stats)) == 0 &&
		   memcmp(&b->ledger, &n->ledger, sizeof(n->ledger)) == 0))
		return;
	b->core = n->stats;
	b->ledger = n->ledger;
	publish_soon(&l->publisher, l->lanes.latest);
}

void publish_soon(struct publisher *p, uint64_t now)
{
	uint64_t soonest = p->last + SOON_NS;

	if (soonest < now)
		soonest = now;
	if (p->board && p->due > soonest)
		p->due = soonest;
}

void publish_later(struct publisher *p, uint64_t now)
{
	if (p->board && p->due > now + LATER_NS)
		p->due = now + LATER_NS;
}

static void fill_servers(struct facts *f, const struct client *c,
			 const struct clientrun *r)
{
	for (unsigned i = 0; i < r->names.n_servers; i++) {
		f->server[i].primary = c->server[i].primary;
		f->server[i].secondary = c->server[i].secondary;
		f->server[i].failed = r->said[2 * i] || r->said[2 * i + 1];
		f->server[i].unusable =
			r->unusable[2 * i] || r->unusable[2 * i + 1];
	}
}

static void fill_client(struct facts *f, struct loop *l)
{
	struct publisher *p = &l->publisher;
	const struct client *c = &l->node.client;
	const struct clientrun *r = l->client;
	const struct qualify *q = &c->qualify;

	f->client = c->status;
	f->local = c->local;
	fill_servers(f, c, r);
	f->heard = c->heard;
	f->due = client_next(c);
	f->rtt = q->rtt;
	f->asked = q->asked;
	f->silent = q->silent;
	f->refused = q->refused;
	f->changes = c->changes;
	if (p->changes != c->changes)
		p->changed = f->at;
	p->changes = c->changes;
	f->changed = p->changed;
	f->probe = c->probe;
	f->inbound = c->knock.inbound;
	f->knocked = c->knock.tested;
	f->mapping = r->mapping.news;
	if (r->mapping.fd < 0 && !r->mapping.is_gone)
		f->mapping.why = PORTMAP_OFF;
	memcpy(f->standing, c->recent.n, sizeof(f->standing));
	f->steward_error = r->error;
	f->host_native = r->host_native;
	f->default_route = c->status.n > 0 &&
			   iface_wants_default(r->plan->conf, r->host_native);
}

static void fill_relay(struct facts *f, const struct loop *l)
{
	const struct relay *r = &l->node.relay;

	memcpy(f->roll, r->peers.n, sizeof(f->roll));
	f->relay_local = l->relay_local;
	f->source = l->node.self.source;
	f->has_source = l->node.self.has_source;
	f->forwarding = l->forwarding;
}

static void fill_server(struct facts *f, const struct loop *l)
{
	const struct server_conf *s = &l->node.server.conf;
	const struct self *self = &l->node.self;
	bool is_full = l->watch->is_full;

	f->has_primary = is_full || self_has_ip4(self, s->primary);
	f->has_secondary = is_full || self_has_ip4(self, s->secondary);
}

/* For who waits for news. */
static void ring(struct publisher *p, const struct facts *f)
{
	const uint64_t one = 1;
	unsigned notes = verdict_notes(f);
	bool is_news = p->verdict != f->verdict || p->notes != notes ||
		       p->version != f->client.version ||
		       p->settings != f->settings ||
		       p->mapping != f->mapping.why;

	p->settings = f->settings;
	p->verdict = f->verdict;
	p->version = f->client.version;
	p->notes = notes;
	p->mapping = f->mapping.why;
	if (is_news && p->bell >= 0 && write(p->bell, &one, sizeof(one)) < 0)
		log_debug("the bell rings already");
}

void publish_facts(struct loop *l, uint64_t now)
{
	static struct facts f; /* what is between the fields stays zero */
	struct publisher *p = &l->publisher;
	const struct node *n = &l->node;

	p->last = now;
	p->due = now + p->beat;
	if (!p->board) {
		p->due = UINT64_MAX;
		return;
	}
	f.at = now;
	f.beat = p->beat;
	f.is_server = n->is_server;
	f.is_relay = n->is_relay;
	f.is_client = n->is_client;
	f.lives = p->lives;
	f.settings = l->serial;
	f.allows = n->gate.n_allow > 0;
	f.threads = l->lanes.n;
	f.offloads = l->lanes.offloads;
	if (n->is_client)
		fill_client(&f, l);
	if (n->is_relay)
		fill_relay(&f, l);
	if (n->is_server)
		fill_server(&f, l);
	f.verdict = verdict_of(&f);
	if (f.verdict != p->verdict || !p->since)
		p->since = now;
	f.since = p->since;
	board_write(p->board, &f);
	ring(p, &f);
}
