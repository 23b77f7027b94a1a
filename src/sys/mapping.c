/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See mapping.h. */
#include "mapping.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "clientrun.h"
#include "event.h"
#include "log.h"
#include "loop.h"
#include "preflight.h"

/* A router on the link that answers at all does so within a few ms; beyond a
 * slow radio, too. UPnP first looks for it, and takes a second for that. */
#define WAIT_NS (250 * NS_PER_MS)

static bool is_denied(const struct gate *g, uint32_t ip)
{
	for (unsigned i = 0; i < g->n_deny; i++) {
		if (ip4_in(ip, &g->deny[i]))
			return true;
	}
	return false;
}

/* Is the router where we think, on the link of the way? */
static bool is_on_link(struct clientrun *r, uint32_t gateway)
{
	struct way to;

	return way_find(&r->watch, &r->by, gateway, &to) == 0 &&
	       to.oif == r->way.oif && to.gateway == 0 &&
	       to.source == r->way.source;
}

static enum portmap_why judge(const struct loop *l, struct clientrun *r)
{
	uint32_t gateway = r->way.gateway;
	enum portmap_why why = portmap_gateway(r->way.source, gateway);

	if (why != PORTMAP_OK)
		return why;
	if (is_denied(&l->node.gate, gateway))
		return PORTMAP_NOT_PRIVATE;
	return is_on_link(r, gateway) ? PORTMAP_OK : PORTMAP_NO_GATEWAY;
}

static bool is_of_use(const struct loop *l)
{
	return !l->node.is_native &&
	       l->node.client.status.state != CLIENT_DORMANT;
}

static void fill_wish(const struct loop *l, struct portmap_wish *w)
{
	struct clientrun *r = l->client;
	enum portmap_why why = judge(l, r);

	w->choice = is_of_use(l) ? (uint8_t)r->plan->conf->port_mapping
				 : PORTMAP_BY_NONE;
	w->why = (uint8_t)why;
	w->gateway = why == PORTMAP_OK ? r->way.gateway : 0;
	w->local.ip = r->way.source;
	w->local.port = r->port;
}

static void tell(struct mapping *m, const struct mapper_order *o)
{
	/* No room: it will be told at the next change, or beat. */
	if (mapper_tell(m->fd, o) == 0)
		m->order = *o;
}

static bool is_same(const struct mapper_order *a, const struct mapper_order *b)
{
	const struct portmap_wish *v = &a->wish, *w = &b->wish;

	return a->oif == b->oif && v->choice == w->choice && v->why == w->why &&
	       v->again == w->again && v->gateway == w->gateway &&
	       tuple_equal(v->local, w->local);
}

static void look(struct loop *l, bool again)
{
	struct mapping *m = &l->client->mapping;
	struct mapper_order o = m->order;

	if (m->fd < 0)
		return;
	fill_wish(l, &o.wish);
	o.oif = l->client->way.oif;
	o.wish.again = (uint16_t)(o.wish.again + again);
	if (m->order.serial && is_same(&o, &m->order))
		return;
	o.serial++;
	tell(m, &o);
}

void mapping_look(struct loop *l)
{
	look(l, false);
}

void mapping_status(struct loop *l)
{
	struct mapping *m = &l->client->mapping;
	const struct client_status *s = &l->node.client.status;
	bool is_qualified = s->state == CLIENT_QUALIFIED, again;

	again = is_qualified && m->was_ever &&
		(!m->was_qualified || !tuple_equal(s->mapped, m->mapped));
	m->was_qualified = is_qualified;
	m->was_ever |= is_qualified;
	if (is_qualified)
		m->mapped = s->mapped;
	look(l, again);
}

/* It has answered in the last run, and so fast that it is worth the wait. */
static bool is_fast(const struct clientrun *r)
{
	const struct portmap_lease *l = &r->state.lease;
	const struct portmap_wish *w = &r->mapping.order.wish;

	return w->gateway && w->choice != PORTMAP_BY_NONE &&
	       l->gateway == w->gateway &&
	       (l->method == PORTMAP_PCP || l->method == PORTMAP_NATPMP);
}

bool mapping_begin(struct loop *l, uint64_t now)
{
	struct mapping *m = &l->client->mapping;

	look(l, false);
	if (m->fd < 0 || !is_fast(l->client) || l->node.client.status.n)
		return false;
	m->wait_until = now + WAIT_NS;
	l->publisher.due = m->wait_until; /* there is nothing to show yet */
	return true;
}

/* --- news --- */

static void log_mapped(const struct mapper_news *n)
{
	const struct event_facts f = event_facts(EVENT_PORT_MAPPED);
	const struct portmap_lease *l = &n->lease;

	log_event(LOG_INFO, &f,
		  "the router %s forwards UDP port %u of %s to this host, by "
		  "%s [%s]",
		  ip4_text(l->gateway), l->external.port,
		  ip4_text(l->external.ip),
		  portmap_method_title((enum portmap_method)l->method),
		  f.reason);
}

/* One line for each change; that there is none at first is shown, not said. */
static void log_news(struct mapping *m)
{
	const struct event_facts lost = event_facts(EVENT_PORT_LOST);
	enum portmap_why why = (enum portmap_why)m->news.why;
	bool had = m->logged == PORTMAP_OK;

	if (why == PORTMAP_ASKING || why == m->logged)
		return;
	m->logged = (uint8_t)why;
	if (why == PORTMAP_OK)
		log_mapped(&m->news);
	else if (had)
		log_event(LOG_INFO, &lost,
			  "no router forwards our port any more: %s [%s]",
			  portmap_why_text(why), portmap_why_name(why));
	else
		log_debug("no port mapping: %s [%s]", portmap_why_text(why),
			  portmap_why_name(why));
}

/* X24; and which router it was that answered, for the next run. What was not
 * taken away, and did not prove to be gone, may be left there. */
static void remember(struct clientrun *r)
{
	const struct mapper_news *n = &r->mapping.news;
	struct portmap_lease lease = r->state.lease;

	if (n->why == PORTMAP_OK)
		lease = n->lease;
	else if (n->why == PORTMAP_OFF || n->why >= PORTMAP_SILENT)
		lease.external = (struct tuple){0};
	if (portmap_lease_equal(&lease, &r->state.lease))
		return;
	r->state.lease = lease;
	r->version = 0; /* the steward is told */
}

static void take(struct loop *l, const struct mapper_news *n, uint64_t now)
{
	struct mapping *m = &l->client->mapping;

	m->news = *n;
	if (n->serial != m->order.serial)
		return; /* what follows is of this order */
	remember(l->client);
	log_news(m);
	publish_soon(&l->publisher, now);
	if (n->why != PORTMAP_ASKING && m->wait_until)
		m->wait_until = now;
}

/* All but that goes on. Its channel stays open, as we may close nothing. */
static void lose(struct loop *l, uint64_t now)
{
	struct mapping *m = &l->client->mapping;
	const struct mapper_news gone = {.serial = m->order.serial,
					 .why = PORTMAP_GONE};

	loop_unwatch(l, m->fd);
	take(l, &gone, now);
	m->fd = -1;
	m->is_gone = true;
	log_warning("the process that asks the router for our port is gone\n"
		    "  there is another after the next start");
}

void mapping_on_news(struct loop *l, uint64_t now)
{
	struct mapping *m = &l->client->mapping;
	struct mapper_news n;
	ssize_t got;

	while ((got = recv(m->fd, &n, sizeof(n), MSG_DONTWAIT)) == sizeof(n)) {
		if (mapper_news_are_valid(&n))
			take(l, &n, now);
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (!l->done)
		lose(l, now);
}

void mapping_finish(struct loop *l)
{
	struct clientrun *r = l->client;
	struct mapping *m = &r->mapping;

	if (m->fd >= 0 && mapper_finish(m->fd, &m->order))
		r->state.lease.external = (struct tuple){0};
}
