/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of a daemon:
 *
 *	the command	returns when the daemon is ready or has failed
 *	  monitor	root without capabilities; has the PID file, waits
 *	    worker	user miredo; has the sockets, handles the packets
 *	      resolver	user miredo; looks up a client's names, if any
 *	      steward	root with CAP_NET_ADMIN; a client's addresses, routes
 *	        hooks	what an administrator wants to be run
 *
 * With -f the command is the monitor. The channel between monitor and worker
 * carries WORKER_READY one way and numbers of signals the other; when one of
 * the two is gone, the other sees its end and goes too.
 */
#ifndef SYS_MONITOR_H
#define SYS_MONITOR_H

#include <stdbool.h>

enum {
	WORKER_READY = 'r'
};

/* What the worker does; returns its exit status. */
typedef int worker_fn(void *arg, int channel);

/*
 * Go into the background. Returns in the child only, with the descriptor to
 * tell monitor_run(); the parent waits there and exits with a true status.
 */
int daemon_detach(void);

/*
 * Write the PID file (pidfile may be NULL), start the worker, wait for its
 * end. ready_fd: from daemon_detach(), or -1 with -f. Returns the exit status.
 */
int monitor_run(worker_fn *work, void *arg, const char *pidfile, int ready_fd);

/*
 * Block the signals that a daemon obeys, and one more (0 = none); a descriptor
 * to read them from, without waiting, or -1.
 */
int signals_open(int more);

/* In the worker: everything is open and given up. */
void worker_ready(int channel);

#endif
