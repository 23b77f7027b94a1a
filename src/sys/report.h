/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What there is to say about files and options: all of it is found before any
 * of it is said, for only then is known where messages go.
 */
#ifndef SYS_REPORT_H
#define SYS_REPORT_H

/* In the order it was found. */
enum severity {
	SEVERITY_NOTE,    /* concerns another role */
	SEVERITY_WARNING, /* repeated: old daemons went on */
	SEVERITY_ERROR,
};

enum {
	REPORT_MAX = 100,
	REPORT_LINE = 320
};

struct report {
	unsigned n, errors, warnings;
	unsigned left_out; /* more than fit */
	struct {
		enum severity severity;
		char text[REPORT_LINE];
	} v[REPORT_MAX];
};

void report_add(struct report *r, enum severity severity, const char *format,
		...) __attribute__((format(printf, 3, 4)));

/* Log what is this severe, or more. */
void report_log(const struct report *r, enum severity from);

#endif
