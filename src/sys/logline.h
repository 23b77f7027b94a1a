/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines for the system log on their way to the monitor, the only process that
 * writes to it: the others have no file system in which they could find it
 * again. A line is one datagram, of severity, facts and text.
 *
 * Who reads believes nothing. The others read what strangers send, and one that
 * was taken over must be able neither to write what looks like somebody else's
 * line nor to fill the disk.
 */
#ifndef SYS_LOGLINE_H
#define SYS_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/ratelim.h"
#include "event.h"

enum {
	LOGLINE_TEXT = 1024, /* with the NUL */
};

struct logline {
	uint8_t severity; /* LOG_* of syslog.h */
	struct event_facts facts;
	char text[LOGLINE_TEXT];
};

/* How much of what came was passed on. */
struct logline_reader {
	struct bucket bucket;
	unsigned left_out; /* lines since the last that was passed on */
};

/* A pair of sockets, [0] to read from; 0 or -errno. */
int logline_open(int fd[2]);

/* facts: NULL = none. Does not wait: 0, or -errno and the line is lost. */
int logline_send(int fd, int severity, const char *text,
		 const struct event_facts *facts);

/*
 * The next line, if there is one that may be passed on now: a known severity,
 * facts that are such, printable text, perhaps in several lines. Of ill-formed
 * ones nothing is seen. now: ns.
 */
bool logline_receive(int fd, struct logline_reader *r, uint64_t now,
		     struct logline *line);

#endif
