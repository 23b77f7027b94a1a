/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon says, and where. Changes of state only: nothing that a
 * stranger sends makes a line. A message may have a second line that says what
 * to do; syslog gets both in one.
 */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdbool.h>

struct logline;
struct journal;

/* The exit statuses of all our programs. */
enum {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE
};

/* Until another of these is called, everything goes to stderr. */
void log_open(const char *ident, bool verbose);

/*
 * Starting in the background: everything to syslog, and warnings and errors to
 * stderr too, until log_leave_terminal(). That lets go of terminals and pipes,
 * whose readers may be waiting for their end; the input is /dev/null by then.
 * In the foreground it does nothing.
 */
void log_syslog(int facility);
void log_leave_terminal(void);

/* What would go to syslog goes to the monitor, by this descriptor; -1 = to
 * syslog again. Does nothing without log_syslog(). */
void log_by(int channel);
/* It, or -1. */
int log_channel(void);

/* In the monitor: to syslog, as it came. */
void log_pass_on(const struct logline *line);

/* All that is said from now on stands there, too (board.h). */
void log_to(struct journal *j);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Only with -v. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Cannot start: what, where, what to do. Ends the process, STATUS_FAILED. */
_Noreturn void die(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
