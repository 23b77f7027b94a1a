/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people: a title, and rows of facts. A line is broken between facts,
 * never within one, and only where there is a terminal, which has a width. All
 * that the daemon said is printed without control characters.
 */
#ifndef CTL_PAGE_H
#define CTL_PAGE_H

#include <jansson.h>
#include <stdio.h>

#include "ctl.h"

enum page_tone {
	PAGE_PLAIN,
	PAGE_GOOD,
	PAGE_FAIR,
	PAGE_BAD,
	PAGE_FAINT,
	PAGE_STRONG
};

struct page {
	FILE *out;
	unsigned width; /* 0 = no end */
	bool color, utf8;
	const char *name; /* of the row */
	unsigned column;  /* where the next letter goes; 0 = a new line */
};

/* Of standard output, as --color, NO_COLOR and the locale have it. */
void page_open(struct page *p, const struct ctl *c);

/* The size of the terminal; 0 = it is none. */
unsigned page_width(void), page_height(void);

/* A line of its own. */
void page_title(struct page *p, enum page_tone tone, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A row begins, and its facts follow, with commas between them. The name shows
 * with the first fact: a row without any shows nothing. */
void page_row(struct page *p, const char *name);
void page_fact(struct page *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void page_toned(struct page *p, enum page_tone tone, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A sentence, which may be broken between words; then a reason's name. */
void page_text(struct page *p, enum page_tone tone, const char *text);
void page_reason(struct page *p, const char *name);
void page_end(struct page *p); /* of the last row */

/* "→", or "->" where that cannot be shown. */
const char *page_arrow(const struct page *p);

/* Begin and end of a tone, "" without colours. */
const char *page_tone(const struct page *p, enum page_tone tone);

/* How many columns it takes. */
unsigned page_columns(const char *text);

/* Control characters become '?'; in place. */
void page_clean(char *text);

/* "3 h 12 min", "11 s", "24 ms" */
const char *page_duration(char out[static 32], double s);
/* "1.2 MB" */
const char *page_bytes(char out[static 32], double n);
/* "2026-11-26T18:00:00Z" as local time, without the date if it is today's; as
 * it is if it is no such time. */
const char *page_time(char out[static 40], const char *iso);

/* Of a JSON object; whatever it is. "" and fallback if there is none. */
const char *get_text(const json_t *object, const char *key);
double get_number(const json_t *object, const char *key, double fallback);
bool get_bool(const json_t *object, const char *key);
bool get_known(const json_t *object, const char *key); /* there, not null */

#endif
