/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See reload.h. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "names.h"
#include "preflight.h"
#include "reload.h"

/* What runs, and what is to, but for rows that only a start can change. */
struct change {
	const struct conf *from, *to;
	const struct options *options;
	const struct reload_means *means;
};

static enum role role(const struct change *ch)
{
	return plan_role(ch->from, ch->options);
}

/*
 * Servers make a client of what is none, and are no use without somebody to
 * look their names up: then they wait, too. ServerAddress and ServerAddress2 go
 * together.
 */
static bool servers_must_wait(const struct change *ch)
{
	const struct conf *c = ch->to;

	if (plan_role(c, ch->options) != role(ch))
		return true;
	return (role(ch) == ROLE_CLIENT || role(ch) == ROLE_AUTO) &&
	       !ch->means->can_look_up &&
	       names_need_resolver(c->servers, c->n_servers);
}

/*
 * Of a client the steward sets it. Of a relay's interface nobody is left who
 * may; and one that was passed in is somebody else's.
 */
static bool mtu_must_wait(const struct change *ch)
{
	switch (role(ch)) {
	case ROLE_CLIENT:
	case ROLE_AUTO:
		return ch->options->tun_fd >= 0;
	case ROLE_SERVER: /* which advertises it */
		return ch->from->relay_too;
	case ROLE_RELAY:
		break;
	}
	return true;
}

/* As with names of servers; that nobody may is known without. */
static bool group_must_wait(const struct change *ch)
{
	return !ch->means->can_look_up && ch->to->control_group[0];
}

/* The packet process of a server alone may do nothing to its sockets. */
static bool dscp_must_wait(const struct change *ch)
{
	return role(ch) == ROLE_SERVER && !ch->from->relay_too;
}

/* There is no socket for it. */
static bool discovery_must_wait(const struct change *ch)
{
	return !ch->means->has_discovery;
}

/* There is no process for it. */
static bool mapping_must_wait(const struct change *ch)
{
	return !ch->means->has_mapper;
}

static bool target_must_wait(const struct change *ch)
{
	return !log_may_switch(ch->from, ch->to);
}

/* Rows that wait in some roles, or without what was not there at the start. */
static const struct {
	const char *name;
	bool (*must_wait)(const struct change *ch);
} sometimes[] = {
	{"ServerAddress", servers_must_wait},
	{"ServerAddress2", servers_must_wait},
	{"InterfaceMTU", mtu_must_wait},
	{"ControlGroup", group_must_wait},
	{"DSCP", dscp_must_wait},
	{"LocalDiscovery", discovery_must_wait},
	{"PortMapping", mapping_must_wait},
	{"LogTarget", target_must_wait},
};

enum {
	N_SOMETIMES = sizeof(sometimes) / sizeof(sometimes[0])
};

/* All are judged before any is taken back. */
static void keep_what_must_wait(struct conf *out, const struct change *ch)
{
	bool waits[N_SOMETIMES];

	for (unsigned i = 0; i < N_SOMETIMES; i++)
		waits[i] = sometimes[i].must_wait(ch);
	for (unsigned i = 0; i < N_SOMETIMES; i++) {
		unsigned row = conf_row(sometimes[i].name);

		if (waits[i] && !conf_is_same(out, ch->from, row))
			conf_take(out, ch->from, row);
	}
}

static void check_sunset(const struct conf *c, time_t now, struct report *r)
{
	if (c->sunset && c->sunset <= now)
		report_add(r, SEVERITY_ERROR,
			   "Sunset %s has passed\n"
			   "  to end the service now, stop it",
			   date_text(c->sunset));
}

/* What runs must make sense by itself: half of it is of before. */
static void check_mixed(struct conf *out, const struct options *o,
			struct report *r)
{
	unsigned before = r->errors;

	plan_check(out, o, r);
	if (r->errors > before)
		report_add(r, SEVERITY_ERROR,
			   "this cannot be applied without what waits for the "
			   "next start\n"
			   "  start again");
}

bool reload_merge(struct conf *out, struct reload *what, const struct conf *old,
		  struct conf *wanted, const struct options *o,
		  const struct reload_means *means, time_t now,
		  struct report *r)
{
	*what = (struct reload){0};
	if (!r->errors)
		plan_check(wanted, o, r);
	check_sunset(wanted, now, r);
	if (r->errors)
		return false;
	*out = *wanted;
	for (unsigned row = 0; row < conf_rows(); row++) {
		if (!conf_is_live(row) && !conf_is_same(out, old, row))
			conf_take(out, old, row);
	}
	keep_what_must_wait(out, &(struct change){old, out, o, means});
	check_mixed(out, o, r);
	for (unsigned row = 0; row < conf_rows(); row++) {
		what->applied[row] = !conf_is_same(out, old, row);
		what->waiting[row] = !conf_is_same(out, wanted, row);
	}
	return r->errors == 0;
}

void reload_names(char *out, size_t space, const bool row[static CONF_ROWS])
{
	size_t n = 0;

	*out = '\0';
	for (unsigned i = 0; i < conf_rows() && n < space; i++) {
		if (row[i])
			n += (size_t)snprintf(out + n, space - n, "%s%s",
					      n ? ", " : "", conf_name(i));
	}
}
