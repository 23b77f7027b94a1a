/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets and queues that outlive the daemon. The service manager keeps a copy
 * of each (FDSTORE=1 of sd_notify(3)) and hands them to the next start, so that
 * a restart, or a crash of all of it, costs neither port nor address, nor the
 * packets that come meanwhile. What it kept is used only if it is what the
 * configuration wants now; the rest is given back before anything is opened.
 *
 *	main process	fdstore_open(), then all are forgotten in the monitor
 *	keeper		fdstore_sort(), fdstore_take(), and last fdstore_put()
 *
 * Names are of a kind and the number of a thread: "udp-service-0".
 */
#ifndef SYS_FDSTORE_H
#define SYS_FDSTORE_H

#include <stdbool.h>

enum {
	FDSTORE_MAX = 16, /* FileDescriptorStoreMax= of the units */
	FDSTORE_NAME = 32
};

/* Before anything is opened, and notify_open(): what we were given, if there is
 * a manager. Takes the variables out of the environment. */
void fdstore_open(void);

/* Which descriptors they are; how many. */
unsigned fdstore_descriptors(int v[static FDSTORE_MAX]);

/* This process has no use for them. */
void fdstore_close(void);

/* One that is there, or -1; kind: "udp-service". */
int fdstore_peek(const char *kind, unsigned thread);

/* Is this, of any name, what is wanted now? */
typedef bool fdstore_fits_fn(const void *arg, const char *kind, unsigned thread,
			     int fd);

/* Give back what does not fit, or stands behind a gap in its row, and wait
 * until it is gone. */
void fdstore_sort(fdstore_fits_fn *fits, const void *arg);

/* As fdstore_peek(), and it is the caller's now. */
int fdstore_take(const char *kind, unsigned thread);

/* Have it kept, unless it is what was taken by that name. */
void fdstore_put(const char *kind, unsigned thread, int fd);

#endif
