/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See renew.h. */
#include "clientrun.h"
#include "log.h"
#include "reader.h"
#include "renew.h"
#include "vault.h"

/* What the keeper has read. */
static struct {
	const struct secret *own, *all;
	unsigned n;
} of_the_start;

/* The newest settings, if they are others than before; what was in force stays
 * where it is as long as it is compared with. */
static const struct settings_view *newest(struct loop *l)
{
	static struct settings_view in_turn[2];
	static unsigned turn;
	struct settings_view *v = &in_turn[!turn];

	if (!settings_read(l->plan->reader->settings, v) ||
	    v->serial == l->serial)
		return NULL;
	turn = !turn;
	l->serial = v->serial;
	return v;
}

/* Secrets that belong to these settings. If they are not there, others are, and
 * settings that they belong to will be. */
static void take_secrets(struct plan *p, uint32_t number)
{
	const struct secret *all = of_the_start.all, *own = of_the_start.own;
	unsigned n = of_the_start.n;

	if (number) {
		all = p->vault ? vault_find(p->vault, number, &n) : NULL;
		if (!all)
			return;
		own = n ? all : NULL;
	}
	if (p->node.is_client) {
		p->node.client.secret = own;
	} else {
		p->node.server.secrets = all;
		p->node.server.n_secrets = n;
	}
}

static void take(struct plan *p, const struct settings_view *v)
{
	plan_change(p, &v->conf);
	take_secrets(p, v->secrets);
	log_set_level(v->conf.log_level);
}

const struct plan *renew_first(struct loop *l, const struct plan *p)
{
	const struct settings_view *v;
	static struct plan own;

	own = *p;
	of_the_start.own = p->node.client.secret;
	of_the_start.all = p->node.server.secrets;
	of_the_start.n = p->node.server.n_secrets;
	l->plan = &own;
	l->serial = 1; /* the keeper's */
	v = p->reader ? newest(l) : NULL;
	if (v)
		take(&own, v);
	return &own;
}

void renew(struct loop *l, uint64_t now)
{
	struct plan *p = l->plan;
	const struct conf *old = p->conf;
	const struct settings_view *v;

	reader_heard(p->reader->worker);
	v = newest(l);
	if (!v)
		return;
	take(p, v);
	if (old->dscp != v->conf.dscp || old->copy_dscp != v->conf.copy_dscp)
		lanes_set_dscp(&l->lanes, v->conf.dscp, v->conf.copy_dscp);
	loop_sunset(l, p->conf->sunset);
	loop_make_room(l);
	node_reconfigure(&l->node, &p->node, &p->gate, now, loop_out(l));
	loop_flush(l);
	if (l->client)
		clientrun_renew(l, now);
	log_debug("settings %u are in force", l->serial);
}
