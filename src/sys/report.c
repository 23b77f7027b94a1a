/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"
#include "report.h"

/* What a file contains is not to move the cursor of who reads about it. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text) && *text != '\n')
			*text = '?';
	}
}

void report_add(struct report *r, enum severity severity, const char *format,
		...)
{
	va_list args;

	r->errors += severity == SEVERITY_ERROR;
	r->warnings += severity == SEVERITY_WARNING;
	if (r->n == REPORT_MAX) {
		r->left_out++;
		return;
	}
	va_start(args, format);
	vsnprintf(r->v[r->n].text, REPORT_LINE, format, args);
	va_end(args);
	make_printable(r->v[r->n].text);
	r->v[r->n++].severity = severity;
}

void report_log(const struct report *r, enum severity from)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (r->v[i].severity < from)
			continue;
		if (r->v[i].severity == SEVERITY_ERROR)
			log_error("%s", r->v[i].text);
		else
			log_warning("%s", r->v[i].text);
	}
	if (r->left_out)
		log_warning("and %u lines like these", r->left_out);
}
