/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a configuration that runs to another: which differences are applied, and
 * which wait for the next start. Decides only.
 */
#ifndef SYS_RELOAD_H
#define SYS_RELOAD_H

#include "plan.h"

struct reload {
	bool applied[CONF_ROWS]; /* runs from now on, and is another */
	bool waiting[CONF_ROWS]; /* was asked for, and does not run */
};

/* What there is since the start, or is not. */
struct reload_means {
	bool can_look_up;   /* names of servers, and groups */
	bool has_discovery; /* LocalDiscovery was not disabled */
	bool has_mapper;    /* PortMapping was not off */
};

/*
 * old runs, wanted was read. *out: what is to run now, the live directives of
 * wanted with the others of old; of these some wait in some roles. false if it
 * is not to be, and r says why; then old goes on whole. can_look_up: names of
 * servers can be looked up. now: the wall clock.
 */
bool reload_merge(struct conf *out, struct reload *what, const struct conf *old,
		  struct conf *wanted, const struct options *o,
		  const struct reload_means *means, time_t now,
		  struct report *r);

/* Names of directives, with commas; "" = none. */
void reload_names(char *out, size_t space, const bool row[static CONF_ROWS]);

#endif
