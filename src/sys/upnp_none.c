/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Built without libminiupnpc. */
#include "upnp.h"

const bool upnp_is_built = false;

enum portmap_why upnp_do(const struct portmap_job *job,
			 struct portmap_result *r, void (*begins)(int arg),
			 int arg)
{
	(void)job, (void)r, (void)begins, (void)arg;
	return PORTMAP_NOT_BUILT;
}
