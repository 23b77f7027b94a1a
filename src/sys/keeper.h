/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper stands between monitor and worker. It opens everything, gives up
 * all privilege, and starts a worker; and another one if that is killed, with
 * the same sockets and tunnel device. So a bug that ends a worker, or the
 * kernel when a filter was broken, costs neither port nor address.
 *
 * It reads nothing that comes from outside, and of a dead worker it believes
 * nothing but that it is dead.
 */
#ifndef SYS_KEEPER_H
#define SYS_KEEPER_H

#include "plan.h"
#include "privs.h"

struct keeper_task {
	struct plan *plan;
	struct identity identity;
};

/* A keeper_fn; arg is a struct keeper_task. */
int keeper_main(void *arg, int channel, int listener);

#endif
