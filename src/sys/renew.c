/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See renew.h. */
#include "clientrun.h"
#include "log.h"
#include "reader.h"
#include "renew.h"

/* The newest configuration, if it is another than before; what was in force
 * stays where it is as long as it is compared with. */
static const struct conf *newest(struct loop *l)
{
	static struct settings_view view;
	static struct conf in_turn[2];
	static unsigned turn;

	if (!settings_read(l->plan->reader->settings, &view) ||
	    view.serial == l->serial)
		return NULL;
	l->serial = view.serial;
	turn = !turn;
	in_turn[turn] = view.conf;
	return &in_turn[turn];
}

const struct plan *renew_first(struct loop *l, const struct plan *p)
{
	static struct plan own;
	const struct conf *c;

	own = *p;
	l->plan = &own;
	l->serial = 1; /* the keeper's */
	c = p->reader ? newest(l) : NULL;
	if (c) {
		plan_change(&own, c);
		log_set_level(c->log_level);
	}
	return &own;
}

void renew(struct loop *l, uint64_t now)
{
	struct plan *p = l->plan;
	const struct conf *c;

	reader_heard(p->reader->worker);
	c = newest(l);
	if (!c)
		return;
	plan_change(p, c);
	log_set_level(c->log_level);
	loop_sunset(l, c->sunset);
	loop_make_room(l);
	node_reconfigure(&l->node, &p->node, &p->gate, now, loop_out(l));
	loop_flush(l);
	if (l->client)
		clientrun_renew(l, now);
	log_debug("settings %u are in force", l->serial);
}
