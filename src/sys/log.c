/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two places to write to. With -f it is stderr, for all. In the background it
 * is syslog; and as long as the command that started us has not returned, its
 * terminal hears of warnings and errors as well, for that is where the person
 * is who can mend them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "log.h"

static struct {
	const char *ident;
	bool verbose, syslog, terminal;
} to = {.ident = "miredo", .terminal = true};

void log_open(const char *ident, bool verbose)
{
	to.ident = ident;
	to.verbose = verbose;
}

void log_syslog(int facility)
{
	/* Connected now: later there may be a chroot around us. */
	openlog(to.ident, LOG_PID | LOG_NDELAY, facility);
	to.syslog = true;
}

void log_leave_terminal(void)
{
	to.terminal = !to.syslog;
}

bool log_uses_terminal(void)
{
	return to.terminal;
}

__attribute__((format(printf, 2, 0))) static void say(int severity,
						      const char *format,
						      va_list args)
{
	char text[1024];
	char *newline;

	vsnprintf(text, sizeof(text), format, args);
	if (to.terminal && (!to.syslog || severity <= LOG_WARNING))
		fprintf(stderr, "%s: %s\n", to.ident, text);
	if (!to.syslog)
		return;
	while ((newline = strchr(text, '\n')))
		*newline = ';';
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
