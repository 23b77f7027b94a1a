/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet process takes on new settings, at its start and when it is told
 * that there are some (reader.h). Nothing is lost by that. */
#ifndef SYS_RENEW_H
#define SYS_RENEW_H

#include "loop.h"
#include "plan.h"

/* A plan of this life's own, of the newest settings; it is l->plan, too. */
const struct plan *renew_first(struct loop *l, const struct plan *p);

/* The core is ours (lanes_enter()). */
void renew(struct loop *l, uint64_t now);

#endif
