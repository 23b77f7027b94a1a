/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a service manager is told, by the protocol of sd_notify(3): each
 * message is a datagram to the socket that $NOTIFY_SOCKET names, lines of
 * NAME=value. Without such a socket nothing happens.
 *
 * The monitor says READY=1 when all is open and given up, and STOPPING=1; who
 * reads the configuration again says so. A process that has no use for it
 * closes it: what comes from it would be believed.
 */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include <stdint.h>

/*
 * Early, before anything is confined or forked: connects to $NOTIFY_SOCKET (a
 * path, or with '@' first an abstract name). Takes that and what belongs to it
 * out of the environment, so that no script has it. Says what does not work.
 */
void notify_open(void);

/* The socket, to be kept where descriptors are closed; -1 = there is none. */
int notify_descriptor(void);

/* No more words from this process. */
void notify_close(void);

/* How often WATCHDOG=1 must be said, ns; 0 = nobody waits for it. Twice as
 * often is right. */
uint64_t notify_watchdog(void);

/* Lines of it, at most NOTIFY_TEXT bytes. Does not wait; what the manager has
 * no room for is lost. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum {
	NOTIFY_TEXT = 1024
};

/* These must arrive, and wait a few seconds for it: all is ready (again), what
 * runs is changing, the end has begun. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* Hand over a copy of a descriptor, for the next start to be given (fdstore.h);
 * 0 or -errno. name: without ':'. */
int notify_store(int fd, const char *name);

/* Let go of all of this name. */
void notify_unstore(const char *name);

#endif
