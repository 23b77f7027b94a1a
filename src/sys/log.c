/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three places to write to: stderr, syslog, the journal. To stderr each process
 * writes by itself. What syslog and the journal are to have comes to the
 * monitor (logline.h), which alone writes there; and as long as the command
 * that started us has not returned, its terminal hears of warnings and errors
 * as well, for that is where the person is who can mend them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "board.h"
#include "conf.h"
#include "journald.h"
#include "log.h"
#include "logline.h"

static struct {
	const char *ident;
	enum log_target target;    /* never LOG_TARGET_AUTO, once chosen */
	enum log_target automatic; /* what that is here */
	int level, facility;
	bool verbose;    /* whatever the level is to be */
	bool terminal;   /* it hears of warnings and errors, too */
	bool background; /* the terminal is to be let go of */
	int channel;     /* to the monitor; -1 = we write ourselves */
	int journald;    /* connected if it is the target; -1 = none */
	struct journal *journal;
	unsigned lost; /* lines, as the monitor did not keep up */
} to = {
	.ident = "miredo",
	.target = LOG_TARGET_STDERR,
	.automatic = LOG_TARGET_STDERR,
	.level = LOG_INFO,
	.terminal = true,
	.channel = -1,
	.journald = -1,
};

void log_open(const char *ident, bool verbose)
{
	to.ident = ident;
	to.verbose = verbose;
	to.level = verbose ? LOG_DEBUG : LOG_INFO;
}

void log_set_level(int level)
{
	if (!to.verbose)
		to.level = level;
}

static void disconnect(void)
{
	closelog();
	if (to.journald >= 0)
		close(to.journald);
	to.journald = -1;
}

/* Connected now: what does not work is seen by whoever starts us. */
static int connect_to_log(void)
{
	if (to.target == LOG_TARGET_SYSLOG)
		openlog(to.ident, LOG_PID | LOG_NDELAY, to.facility);
	if (to.target != LOG_TARGET_JOURNAL)
		return 0;
	to.journald = journald_open(NULL);
	return to.journald < 0 ? to.journald : 0;
}

static enum log_target find_automatic(bool background)
{
	if (journald_has_stderr())
		return LOG_TARGET_JOURNAL;
	return background ? LOG_TARGET_SYSLOG : LOG_TARGET_STDERR;
}

/* It may have become another, if this was not to be had. */
static enum log_target chosen(const struct conf *c)
{
	return c->log_target == LOG_TARGET_AUTO ? to.automatic : c->log_target;
}

void log_configure(const struct conf *c, bool background, bool verbose)
{
	int r;

	disconnect();
	to.verbose = verbose;
	to.level = verbose ? LOG_DEBUG : c->log_level;
	to.facility = c->facility;
	to.background = background;
	to.automatic = find_automatic(background);
	to.target = chosen(c);
	r = connect_to_log();
	if (r) {
		to.journald = -1;
		to.target = background ? LOG_TARGET_SYSLOG : LOG_TARGET_STDERR;
		connect_to_log();
		if (c->log_target == LOG_TARGET_JOURNAL)
			log_warning("cannot reach the journal: %s\n"
				    "  the log goes to %s instead",
				    strerror(-r),
				    background ? "syslog" : "standard error");
	}
	/* Each line once. */
	to.terminal = to.target != LOG_TARGET_JOURNAL || !journald_has_stderr();
}

bool log_may_switch(const struct conf *from, const struct conf *into)
{
	enum log_target a = chosen(from), b = chosen(into);

	return a == b || (log_is_central() && b != LOG_TARGET_STDERR);
}

void log_prepare(void)
{
	if (log_is_central() && to.journald < 0)
		to.journald = journald_socket();
}

void log_switch(const struct conf *c)
{
	enum log_target target = chosen(c);
	int r = 0;

	if (!log_is_central() || target == LOG_TARGET_STDERR ||
	    (target == to.target && c->facility == to.facility))
		return;
	if (target == LOG_TARGET_JOURNAL && to.target != LOG_TARGET_JOURNAL)
		r = to.journald < 0 ? -EBADF
				    : journald_connect(to.journald, NULL);
	to.facility = c->facility;
	if (!r)
		to.target = target;
	closelog();
	if (to.target == LOG_TARGET_SYSLOG)
		openlog(to.ident, LOG_PID | LOG_NDELAY, to.facility);
	if (r)
		log_warning("cannot reach the journal: %s\n"
			    "  the log goes to syslog as before",
			    strerror(-r));
}

bool log_is_central(void)
{
	return to.target != LOG_TARGET_STDERR;
}

void log_leave_terminal(void)
{
	if (!log_is_central())
		return;
	to.terminal = false;
	if (!to.background)
		return;
	dup2(STDIN_FILENO, STDOUT_FILENO);
	dup2(STDIN_FILENO, STDERR_FILENO);
}

void log_by(int channel)
{
	if (!log_is_central())
		return;
	disconnect();
	to.channel = channel;
	if (channel < 0)
		connect_to_log();
}

void log_to(struct journal *j)
{
	to.journal = j;
}

int log_channel(void)
{
	return to.channel;
}

static void to_syslog(int severity, const char *text)
{
	char line[LOGLINE_TEXT];
	char *newline;

	snprintf(line, sizeof(line), "%s", text);
	while ((newline = strchr(line, '\n')))
		*newline = ';';
	syslog(severity, "%s", line);
}

/* Ourselves, with nobody between. */
static void write_line(int severity, const char *text,
		       const struct event_facts *facts)
{
	if (to.target == LOG_TARGET_SYSLOG)
		to_syslog(severity, text);
	else if (to.target == LOG_TARGET_JOURNAL && to.journald >= 0)
		journald_send(to.journald, to.ident, severity, text, facts);
}

void log_pass_on(const struct logline *line)
{
	write_line(line->severity, line->text, &line->facts);
}

/* A line that does not fit is lost; nobody waits for a log. */
static void send_line(int severity, const char *text,
		      const struct event_facts *facts)
{
	unsigned lost = __atomic_exchange_n(&to.lost, 0, __ATOMIC_RELAXED);
	char note[64];

	if (lost) {
		snprintf(note, sizeof(note), "%u line%s lost", lost,
			 lost > 1 ? "s were" : " was");
		if (logline_send(to.channel, LOG_WARNING, note, NULL) < 0)
			__atomic_add_fetch(&to.lost, lost, __ATOMIC_RELAXED);
	}
	if (logline_send(to.channel, severity, text, facts) < 0)
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

__attribute__((format(printf, 3, 0))) static void say(
	int severity, const struct event_facts *facts, const char *format,
	va_list args)
{
	char text[LOGLINE_TEXT];

	vsnprintf(text, sizeof(text), format, args);
	if (to.journal && severity <= LOG_INFO)
		journal_write(to.journal, severity, text);
	if (severity > to.level)
		return;
	if (to.terminal && (!log_is_central() || severity <= LOG_WARNING))
		write_terminal(text);
	if (to.channel >= 0)
		send_line(severity, text, facts);
	else
		write_line(severity, text, facts);
}

void log_event(int severity, const struct event_facts *facts,
	       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(severity, facts, format, args);
	va_end(args);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_ERR, NULL, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_WARNING, NULL, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_INFO, NULL, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (to.level < LOG_DEBUG)
		return;
	va_start(args, format);
	say(LOG_DEBUG, NULL, format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(LOG_ERR, NULL, format, args);
	va_end(args);
	exit(STATUS_FAILED);
}

void die_usage(const char *page, const char *what, const char *value)
{
	fprintf(stderr, "%s: %s%s%s\n  see:  %s --help, and %s\n", to.ident,
		what, value ? ": " : "", value ? value : "", to.ident, page);
	exit(STATUS_USAGE);
}
