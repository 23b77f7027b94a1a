/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that is said of one run: files, options that override them, servers that
 * were named as arguments.
 */
#ifndef SYS_CONFIGURE_H
#define SYS_CONFIGURE_H

#include "conf.h"
#include "options.h"

/* Returns how many of the errors are in the options. What is wrong with it as a
 * whole is for plan_check(). */
unsigned configure_read(struct conf *c, const struct options *o,
			struct report *r);

#endif
