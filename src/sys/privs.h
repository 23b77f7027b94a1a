/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privileges: what is needed to start, and how it is given up. All of these
 * die() with what is missing and how to get it.
 */
#ifndef SYS_PRIVS_H
#define SYS_PRIVS_H

#include <stdbool.h>
#include <sys/types.h>

/* Whom the packet process becomes. */
struct identity {
	bool change; /* no: we were not root to begin with */
	uid_t uid;
	gid_t gid;
};

/* Are we root, or do we hold what opening these takes? */
void privs_require(bool tunnel, bool raw);

/* Look up user and group. Both must exist (README of 2004). */
void privs_lookup(struct identity *id, const char *user, const char *group);

/* The monitor: keeps its user, no capability. */
void privs_drop_capabilities(void);

/* Who runs hooks: keeps its user and CAP_NET_ADMIN, if it has it; so do the
 * programs that it starts. */
void privs_keep_root(void);

/* The steward: other user, CAP_NET_ADMIN if there is any, nothing else. */
void privs_keep_net_admin(const struct identity *id);

/* The packet process: other user, nothing left. */
void privs_drop_all(const struct identity *id);

#endif
