/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what was written to what is to be done: the role by the rules of
 * miredo(8), and the configuration of the core. Decides only; opens nothing.
 */
#ifndef SYS_PLAN_H
#define SYS_PLAN_H

#include "../core/node.h"
#include "conf.h"
#include "options.h"

enum role {
	ROLE_RELAY,
	ROLE_SERVER,
	ROLE_CLIENT,
};

struct plan {
	const struct conf *conf;
	const struct options *options;
	struct node_conf node; /* secrets are added by the worker */
	struct gate gate;      /* rules only */
};

/* The first rule that matches. */
enum role plan_role(const struct conf *c, const struct options *o);

/*
 * Fill a plan; memory: what there is of it, in bytes. Dies if the configuration
 * makes no sense for the role.
 */
void plan_make(struct plan *p, const struct conf *c, const struct options *o,
	       uint64_t memory);

#endif
