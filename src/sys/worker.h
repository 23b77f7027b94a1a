/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet process: opens what needs privilege, gives it up, runs. */
#ifndef SYS_WORKER_H
#define SYS_WORKER_H

#include "plan.h"
#include "privs.h"

struct worker_task {
	struct plan *plan;
	struct identity identity;
};

/* A worker_fn; arg is a struct worker_task. */
int worker_main(void *arg, int channel);

#endif
