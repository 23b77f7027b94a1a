/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of a daemon:
 *
 *	the command	returns when the daemon is ready or has failed
 *	  monitor	root without capabilities; has the PID file, waits
 *	    reader	the same; reads the configuration again (reader.h)
 *	    keeper	user miredo; has opened the sockets, keeps them, waits
 *	      worker	user miredo; handles the packets
 *	      control	user miredo; answers who asks how it is
 *	      resolver	user miredo; looks up names, if there are any
 *	      steward	miredo with CAP_NET_ADMIN; a client's addresses, routes
 *	        hooks	root with CAP_NET_ADMIN; runs scripts, if any
 *
 * With -f the command is the monitor. If a worker is killed, the keeper starts
 * another (keeper.h). The channel between the monitor and these two carries
 * DAEMON_READY one way, which the keeper sends, and numbers of signals the
 * other, which the worker reads; when the monitor is gone, the worker sees its
 * end and goes too. To syslog and the journal the monitor writes what the
 * others have to say (logline.h).
 */
#ifndef SYS_MONITOR_H
#define SYS_MONITOR_H

#include <stdbool.h>

#include "event.h"
#include "reader.h"

enum {
	DAEMON_READY = 'r'
};

struct plan;

/* What the keeper does; returns its exit status. listener: of control.h. */
typedef int keeper_fn(void *arg, int channel, int listener);

/*
 * Go into the background. Returns in the child only, with the descriptor to
 * tell monitor_run(); the parent waits there and exits with a true status.
 */
int daemon_detach(void);

struct monitor_task {
	keeper_fn *work;
	void *arg;
	struct reader *reader; /* its ends, which the keeper finds here */
	const struct plan *plan;
	const char *pidfile; /* NULL = none */
	int ready_fd;        /* from daemon_detach(), or -1 with -f */
};

/* Write the PID file, start reader and keeper, wait for the keeper's end.
 * Returns the exit status. */
int monitor_run(const struct monitor_task *t);

/*
 * Block the signals that a daemon obeys, and one more (0 = none); a descriptor
 * to read them from, without waiting, or -1.
 */
int signals_open(int more);

/* Leave terminal and directory. */
void daemon_leave(void);

/* Say that everything is open and given up, on the channel; or in a worker, to
 * its keeper. */
void daemon_ready(int fd);

/* Log that a process was ended by a signal. is_early: it was never ready. */
void log_ended(const char *who, enum event event, int signal, bool is_early);

#endif
