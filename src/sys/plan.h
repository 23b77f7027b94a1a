/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what was written to what is to be done: the role by the rules of
 * miredo(8), and the configuration of the core. Opens nothing.
 */
#ifndef SYS_PLAN_H
#define SYS_PLAN_H

#include <sys/types.h>

#include "../core/node.h"
#include "conf.h"
#include "options.h"

enum role {
	ROLE_RELAY,
	ROLE_SERVER,
	ROLE_CLIENT,
	ROLE_AUTO, /* client, or host-specific relay (4380 §5.5) */
};

struct board;
struct reader;
struct vault;

struct plan {
	const struct conf *conf;
	const struct options *options;
	struct node_conf node; /* secrets are added by the keeper */
	struct gate gate;      /* rules only */
	unsigned threads;      /* 1..LANES_MAX */
	uint64_t memory;       /* of plan_make() */
	unsigned processors;
	struct board *board;         /* of all processes */
	const struct reader *reader; /* of changes; NULL = there will be none */
	const struct vault *vault;   /* of other secrets; NULL = the same */
	bool has_group;              /* ControlGroup, at the start */
	gid_t group;
};

/* Is there somebody to look up names, of servers and of groups? Who has none at
 * the start has none later. */
bool plan_has_resolver(const struct plan *p);

/* The first rule that matches. */
enum role plan_role(const struct conf *c, const struct options *o);

/*
 * Report what the role cannot do without, as far as this is to be known without
 * any rights. What 1.2.6 let pass is reported as a warning, and mended.
 */
void plan_check(struct conf *c, const struct options *o, struct report *r);

/*
 * Fill a plan from what plan_check() found nothing wrong with. memory: what
 * there is of it, in bytes; processors: how many we may run on.
 */
void plan_make(struct plan *p, const struct conf *c, const struct options *o,
	       uint64_t memory, unsigned processors);

/*
 * Go on with c, in which the live directives are other ones. What was found out
 * at the start, such as what a client remembers, stays; secrets do as long as
 * nobody puts others in their place.
 */
void plan_change(struct plan *p, const struct conf *c);

#endif
