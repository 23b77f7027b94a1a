/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon says, and where. Changes of state only: nothing that a
 * stranger sends makes a line. A message may have a second line that says what
 * to do; syslog gets both in one.
 */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdbool.h>

struct conf;
struct event_facts;
struct logline;
struct journal;

/* The exit statuses of all our programs. */
enum {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE
};

/* Until log_configure() is called, everything goes to stderr. verbose: debug
 * messages, too. */
void log_open(const char *ident, bool verbose);

/*
 * LogTarget, LogLevel and SyslogFacility; may be called again. Starting in the
 * background, or with a log elsewhere, warnings and errors go to stderr too,
 * until log_leave_terminal(). In the background that lets go of terminals and
 * pipes, whose readers may be waiting for their end; the input is /dev/null by
 * then.
 */
void log_configure(const struct conf *c, bool background, bool verbose);
void log_leave_terminal(void);

/*
 * While the daemon runs: from syslog to the journal and back, or to another
 * facility. What began or would end at stderr stays as it is, for most
 * processes have let go of that. log_prepare(): whoever writes will do so,
 * before it shuts itself in.
 */
bool log_may_switch(const struct conf *from, const struct conf *to);
void log_prepare(void);
void log_switch(const struct conf *c);

/* LOG_ERR to LOG_DEBUG of syslog.h: what is less severe is not logged. With
 * `verbose` all is. */
void log_set_level(int level);

/* Is there one process that writes for all? */
bool log_is_central(void);

/* What would go to syslog or the journal goes to the monitor, by this
 * descriptor; -1 = there again. Does nothing if the log is stderr. */
void log_by(int channel);
/* It, or -1. */
int log_channel(void);

/* In the monitor: to where the log is, as it came. */
void log_pass_on(const struct logline *line);

/* All that is said from now on stands there, too (board.h). */
void log_to(struct journal *j);

/* A change of state (event.h): as the ones below, with what is known of it. */
void log_event(int severity, const struct event_facts *facts,
	       const char *format, ...) __attribute__((format(printf, 3, 4)));

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Only with -v. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Cannot start: what, where, what to do. Ends the process, STATUS_FAILED. */
_Noreturn void die(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* The command line is wrong: `what`, of this value, if any (NULL); the page
 * that tells more. Ends with STATUS_USAGE. */
_Noreturn void die_usage(const char *page, const char *what, const char *value);

#endif
