/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See reload.h. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "names.h"
#include "preflight.h"
#include "reload.h"

static bool is_server_row(unsigned row)
{
	return strncmp(conf_name(row), "ServerAddress", 13) == 0;
}

/* ServerAddress and ServerAddress2 go together. */
static void keep_servers(struct conf *out, const struct conf *old)
{
	for (unsigned row = 0; row < conf_rows(); row++) {
		if (is_server_row(row))
			conf_take(out, old, row);
	}
}

/*
 * Servers make a client of what is none, and are no use without somebody to
 * look their names up: then they wait, too.
 */
static bool servers_must_wait(const struct conf *out, const struct conf *old,
			      const struct options *o, bool can_look_up)
{
	enum role role = plan_role(old, o);

	if (plan_role(out, o) != role)
		return true;
	return (role == ROLE_CLIENT || role == ROLE_AUTO) && !can_look_up &&
	       names_need_resolver(out->servers, out->n_servers);
}

/*
 * Of a client the steward sets it. Of a relay's interface nobody is left who
 * may; and one that was passed in is somebody else's.
 */
static bool mtu_must_wait(const struct conf *old, const struct options *o)
{
	switch (plan_role(old, o)) {
	case ROLE_CLIENT:
	case ROLE_AUTO:
		return o->tun_fd >= 0;
	case ROLE_SERVER: /* which advertises it */
		return old->relay_too;
	case ROLE_RELAY:
		break;
	}
	return true;
}

/* As with names of servers; that nobody may is known without. */
static bool group_must_wait(const struct conf *out, const struct conf *old,
			    bool can_look_up)
{
	return !can_look_up && out->control_group[0] &&
	       strcmp(out->control_group, old->control_group) != 0;
}

/* The packet process of a server alone may do nothing to its sockets. */
static bool dscp_must_wait(const struct conf *old, const struct options *o)
{
	return plan_role(old, o) == ROLE_SERVER && !old->relay_too;
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
	if (servers_must_wait(out, old, o, means->can_look_up))
		keep_servers(out, old);
	if (out->mtu != old->mtu && mtu_must_wait(old, o))
		conf_take(out, old, conf_row("InterfaceMTU"));
	if (group_must_wait(out, old, means->can_look_up))
		conf_take(out, old, conf_row("ControlGroup"));
	if (dscp_must_wait(old, o) && !conf_is_same(out, old, conf_row("DSCP")))
		conf_take(out, old, conf_row("DSCP"));
	/* There is no socket for it. */
	if (out->discovery != old->discovery && !means->has_discovery)
		conf_take(out, old, conf_row("LocalDiscovery"));
	if (!log_may_switch(old, out))
		conf_take(out, old, conf_row("LogTarget"));
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
