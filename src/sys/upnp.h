/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question to a UPnP gateway (6081 §5.3.3), by libminiupnpc, which takes
 * apart HTTP and XML of whoever answers. Called in a process that has nothing
 * to lose, and whose time and memory have an end (gateway.h).
 */
#ifndef SYS_UPNP_H
#define SYS_UPNP_H

#include "../core/portmap.h"

/* Is it in this program? */
extern const bool upnp_is_built;

/* Make a mapping, or take it away; waits as long as that takes. begins is
 * called before the first action that makes one. */
enum portmap_why upnp_do(const struct portmap_job *job,
			 struct portmap_result *r, void (*begins)(int arg),
			 int arg);

#endif
