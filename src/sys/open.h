/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that needs privilege, once, by the keeper: sockets, tunnel device,
 * secrets; and the processes that need privilege longer. Workers use what was
 * opened here, one after another.
 */
#ifndef SYS_OPEN_H
#define SYS_OPEN_H

#include "loop.h"
#include "plan.h"
#include "privs.h"

/*
 * Fills in the descriptors of a loop that has none, its channel but for; what
 * the secrets' file has, in the plan. Says why and dies if something is not to
 * be had.
 */
void open_all(struct loop *l, struct plan *p, const struct identity *id);

/* In a process that others can reach: what was read of secrets is gone, and
 * will not come either. */
void open_forget(void);

#endif
