/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two places to write to. With -f it is stderr, for all. In the background it
 * is syslog, to which the others come by way of the monitor (logline.h); and as
 * long as the command that started us has not returned, its terminal hears of
 * warnings and errors as well, for that is where the person is who can mend
 * them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "board.h"
#include "log.h"
#include "logline.h"

static struct {
	const char *ident;
	bool verbose, syslog, terminal;
	int facility;
	int channel; /* to the monitor; -1 = we write to syslog ourselves */
	struct journal *journal;
	unsigned lost; /* lines, as the monitor did not keep up */
} to = {.ident = "miredo", .terminal = true, .channel = -1};

void log_open(const char *ident, bool verbose)
{
	to.ident = ident;
	to.verbose = verbose;
}

void log_syslog(int facility)
{
	/* Connected now: what does not work is seen by whoever starts us. */
	openlog(to.ident, LOG_PID | LOG_NDELAY, facility);
	to.facility = facility;
	to.syslog = true;
}

void log_leave_terminal(void)
{
	if (!to.syslog)
		return;
	to.terminal = false;
	dup2(STDIN_FILENO, STDOUT_FILENO);
	dup2(STDIN_FILENO, STDERR_FILENO);
}

void log_by(int channel)
{
	if (!to.syslog)
		return;
	to.channel = channel;
	if (channel >= 0)
		closelog();
	else
		openlog(to.ident, LOG_PID | LOG_NDELAY, to.facility);
}

void log_to(struct journal *j)
{
	to.journal = j;
}

int log_channel(void)
{
	return to.channel;
}

void log_pass_on(const struct logline *line)
{
	syslog(line->severity, "%s", line->text);
}

/* A line that does not fit is lost; nobody waits for a log. */
static void send_line(int severity, const char *text)
{
	unsigned lost = __atomic_exchange_n(&to.lost, 0, __ATOMIC_RELAXED);
	char note[64];

	if (lost) {
		snprintf(note, sizeof(note), "%u line%s lost", lost,
			 lost > 1 ? "s were" : " was");
		if (logline_send(to.channel, LOG_WARNING, note) < 0)
			__atomic_add_fetch(&to.lost, lost, __ATOMIC_RELAXED);
	}
	if (logline_send(to.channel, severity, text) < 0)
		__atomic_add_fetch(&to.lost, 1, __ATOMIC_RELAXED);
}

static void write_terminal(const char *text)
{
	char line[LOGLINE_TEXT + 64];
	int n = snprintf(line, sizeof(line), "%s: %s\n", to.ident, text);

	/* Nobody reads it: then nobody is told. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		errno = 0;
}

__attribute__((format(printf, 2, 0))) static void say(int severity,
						      const char *format,
						      va_list args)
{
	char text[LOGLINE_TEXT];
	char *newline;

	vsnprintf(text, sizeof(text), format, args);
	if (to.journal && severity <= LOG_INFO)
		journal_write(to.journal, severity, text);
	if (to.terminal && (!to.syslog || severity <= LOG_WARNING))
		write_terminal(text);
	if (!to.syslog)
		return;
	while ((newline = strchr(text, '\n')))
		*newline = ';';
	if (to.channel >= 0)
		send_line(severity, text);
	else
		syslog(severity, "%s", text);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_ERR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (!to.verbose)
		return;
	va_start(args, format);
	say(LOG_DEBUG, format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_ERR, format, args);
	va_end(args);
	exit(STATUS_FAILED);
}
