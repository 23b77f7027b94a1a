/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader: the process that reads the configuration again while the daemon
 * runs. It has the user who started us, for the files may be root's alone, and
 * no capability; of files it sees those directories that the configuration and
 * the secrets are in, and reads only. It writes what is in force to the
 * settings (settings.h), and wakes those who obey them. Secrets go to the
 * packet process alone (vault.h).
 *
 *	monitor --- SIGHUP has come ---------> reader ---> settings
 *	control --- struct reader_request ---> (files)
 *	        <-- struct reader_answer ----         ---> packet process,
 *	                                                   steward: a byte
 *
 * It starts before the keeper. When it is gone all goes on as it is.
 */
#ifndef SYS_READER_H
#define SYS_READER_H

#include <sys/types.h>

#include "plan.h"
#include "settings.h"

enum {
	READER_ERRORS = 50,
	READER_SECONDS_MAX = 86400,
};

enum reader_verb {
	READER_RELOAD, /* undone after so many seconds without READER_KEEP; 0 =
			  never */
	READER_KEEP,
	READER_UNDO, /* at once */
	READER_VERBS,
};

struct reader_request {
	uint32_t verb;
	uint32_t seconds; /* of READER_RELOAD */
};

/* Is it one of these? What comes is not believed. */
bool reader_request_is_valid(const struct reader_request *q);

struct reader_answer {
	uint32_t failed; /* 0, or nothing was changed and errors say why */
	uint32_t serial;
	uint32_t confirm_s; /* 0 = there is no need to */
	bool applied[CONF_ROWS], waiting[CONF_ROWS]; /* by rows of the table */
	uint32_t n_errors, left_out;                 /* more of them than fit */
	char error[READER_ERRORS][REPORT_LINE];
};

/* Ends of its channels, made before any other process: -1 = not in this one. */
struct reader {
	const struct settings *settings;
	int monitor; /* a byte: SIGHUP; or back: new settings. Its end: go on
			without */
	int control; /* SOCK_SEQPACKET: requests and answers, one by one */
	int worker, steward; /* readable: there are new settings */
	int secrets;         /* of vault.h: for the keeper, who closes it */
	int groups; /* of groups.h: for the resolver; -1 = there is none */
};

/*
 * Start it, with what runs. Returns its process, or -1; the ends are filled in
 * either way. log, notify: see log_by(),
 * notify_by().
 */
pid_t reader_start(struct reader *ends, const struct plan *p, int log,
		   int notify);

/* SIGHUP; false if there is nobody any more. */
bool reader_tell(const struct reader *r);

/* There are new settings: take notice of that. */
void reader_heard(int fd);

/* LogLevel as it is now, for this process; or, for one that writes the log,
 * LogTarget and SyslogFacility, too. */
void reader_set_level(const struct settings *s);
void reader_set_log(const struct settings *s);

#endif
