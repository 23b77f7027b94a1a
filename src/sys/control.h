/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control process: answers who asks by the control socket (miredoctl). It
 * reads the board and the packet process' memory of peers, and can write to
 * neither; so a request, whatever it is and however slow its sender, never
 * takes a moment of the packet process. User miredo, no capability, no files.
 *
 *	a line		VERB [ARGUMENT], at most 255 bytes
 *	an answer	one JSON object and a newline; then it is closed
 *	monitor		an object a line for each change, to the end
 *
 * Everybody may look. Who may change something is root, the user of the
 * daemon, and the members of ControlGroup, as the kernel knows them.
 *
 * Connections are few, each user has a share of them, and root some of its own.
 * Each has a time limit, and a buffer; who does not read is closed.
 */
#ifndef SYS_CONTROL_H
#define SYS_CONTROL_H

#include <sys/types.h>

#include "answer.h"

struct control_task {
	struct show show;
	const struct settings *settings;
	int reader; /* requests to it, and answers */
	size_t memory_size;
	int listener; /* from control_listen() */
	int bell;     /* see publish.h */
	int life;     /* a pipe from the keeper: at its end, so do we */
};

/*
 * Where a daemon of this plan is asked, or NULL if nowhere: ControlSocket, or
 * the usual place.
 */
const char *control_path(const struct plan *p);

struct control_socket {
	int listener; /* -1 = none */
	int dir;      /* where it is; -1 = none */
	char name[108];
};

/*
 * While privileged: listen there. A socket that nobody listens at any more is
 * replaced. There is none if that is not wanted, or if it is not possible and
 * nobody asked for it, which is said; false if somebody did.
 */
bool control_listen(struct control_socket *s, const struct plan *p);

/* It is to be gone with the daemon. */
void control_remove(const struct control_socket *s);

/* ControlGroup of the start, for the plan; dies if it is unknown. */
void control_group(struct plan *p);

/* In a process of its own, of the right user already. */
_Noreturn void control_run(const struct control_task *t);

#endif
