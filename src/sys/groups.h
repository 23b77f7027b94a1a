/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group of ControlGroup while the daemon runs. The reader may see no file
 * that nsswitch.conf is about, so it asks the resolver, if there is one. What
 * that answers is believed: it has the user of the daemon, who may change the
 * daemon anyhow.
 */
#ifndef SYS_GROUPS_H
#define SYS_GROUPS_H

#include <stdint.h>
#include <sys/types.h>

#include "conf.h"

struct group_question {
	uint32_t serial;
	char name[CONF_NAME]; /* with a NUL */
};

struct group_answer {
	uint32_t serial;
	int32_t error; /* errno; 0 and no group: there is none */
	uint32_t found, gid;
};

/* What the resolver makes of a question; takes as long as it takes. */
void groups_look_up(struct group_answer *a, const char *name);

/*
 * Ask, and wait for five seconds at most. NULL, or why there is no number: for
 * a person, as long as nothing else is asked.
 */
const char *groups_ask(int fd, const char *name, gid_t *gid);

#endif
