/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See configure.h. */
#include <stdio.h>

#include "conf_files.h"
#include "configure.h"
#include "plan.h"

static void take_overrides(struct conf *c, const struct options *o,
			   struct report *r)
{
	for (unsigned i = 0; i < o->n_overrides; i++) {
		char where[32];

		snprintf(where, sizeof(where), "--%s", o->overrides[i].option);
		conf_set(c, where, o->overrides[i].directive,
			 o->overrides[i].value, r);
	}
}

/* Arguments: these servers, and not those of the file. */
static void take_servers(struct conf *c, const struct options *o,
			 struct report *r)
{
	if (o->n_servers) {
		c->n_servers = 0;
		c->second[0] = '\0';
	}
	for (unsigned i = 0; i < o->n_servers; i++)
		conf_set(c, "argument", "ServerAddress", o->servers[i], r);
}

/* Descriptors that nobody would read from. */
static void check_descriptors(const struct conf *c, const struct options *o,
			      struct report *r)
{
	enum role role = plan_role(c, o);
	bool is_server = role == ROLE_SERVER;

	if (!is_server && o->n_udp > 1)
		report_add(r, SEVERITY_ERROR,
			   "--udp-fd: a %s has one socket, not two",
			   role == ROLE_RELAY ? "relay" : "client");
	if (is_server && !c->relay_too && o->tun_fd >= 0)
		report_add(r, SEVERITY_ERROR,
			   "--tun-fd: a server has no tunnel interface");
}

unsigned configure_read(struct conf *c, const struct options *o,
			struct report *r)
{
	unsigned in_files;

	conf_defaults(c);
	conf_files_read(c, o->file, o->as_server, r);
	in_files = r->errors;
	take_overrides(c, o, r);
	take_servers(c, o, r);
	check_descriptors(c, o, r);
	return r->errors - in_files;
}
