/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a service manager is told, by the protocol of sd_notify(3): each
 * message is a datagram to the socket that $NOTIFY_SOCKET names, lines of
 * NAME=value. Without such a socket nothing happens.
 *
 * Only the main process is believed (NotifyAccess=main), and that is the
 * monitor, which says READY=1 when all is open and given up, and STOPPING=1.
 * What others have to say goes by way of it: it passes on what is no lie about
 * the service itself. A process that has nothing to say closes its channel.
 */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Early, before anything is confined or forked: connects to $NOTIFY_SOCKET (a
 * path, or with '@' first an abstract name). Takes that and what belongs to it
 * out of the environment, so that no script has it. Says what does not work.
 */
void notify_open(void);

/* The socket, or the channel to the monitor, to be kept where descriptors are
 * closed; -1 = there is none. */
int notify_descriptor(void);

/*
 * In the monitor: a channel for the others, [0] to read from; both -1 if there
 * is no manager. And in these, to use it from now on instead of the socket.
 */
int notify_channel(int fd[2]);
void notify_by(int channel);

/* In the monitor: pass on what came by the channel. false: nobody is left who
 * could say anything. */
bool notify_pass_on(int channel);

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

/* Let go of all of this name; and wait, for seconds at most, until all that was
 * said is done. */
void notify_unstore(const char *name);
void notify_barrier(void);

#endif
