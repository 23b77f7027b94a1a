/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of systemd, by its own protocol: a line of the log is a datagram
 * of fields, and so can be looked for by what it tells of:
 *
 *	journalctl -t miredo TEREDO_REASON=server-silent
 */
#ifndef SYS_JOURNALD_H
#define SYS_JOURNALD_H

#include "event.h"

/* Does our standard error lead to the journal ($JOURNAL_STREAM)? */
bool journald_has_stderr(void);

/* A socket that is not connected yet, or -errno. */
int journald_socket(void);

/* Connect it, perhaps again; 0 or -errno. path: NULL is where systemd listens.
 */
int journald_connect(int fd, const char *path);

/* Both: a descriptor, or -errno. */
int journald_open(const char *path);

/* facts: NULL = none. Waits for a second at most; 0, or -errno and the line is
 * lost. */
int journald_send(int fd, const char *ident, int severity, const char *text,
		  const struct event_facts *facts);

#endif
