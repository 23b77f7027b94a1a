/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "page.h"

enum {
	INDENT = 12,
	FACT = 512
};

static const char *const tones[] = {
	[PAGE_PLAIN] = "",        [PAGE_GOOD] = "\033[32m",
	[PAGE_FAIR] = "\033[33m", [PAGE_BAD] = "\033[31m",
	[PAGE_FAINT] = "\033[2m", [PAGE_STRONG] = "\033[1m",
};

static struct winsize size_of_terminal(void)
{
	struct winsize w = {0};

	if (isatty(STDOUT_FILENO))
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
	return w;
}

unsigned page_width(void)
{
	return size_of_terminal().ws_col;
}

unsigned page_height(void)
{
	return size_of_terminal().ws_row;
}

/* no-color.org: set, and not empty. */
static bool may_color(const struct ctl *c)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (strcmp(c->color, "auto") != 0)
		return strcmp(c->color, "always") == 0;
	if (no && *no)
		return false;
	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

void page_open(struct page *p, const struct ctl *c)
{
	*p = (struct page){
		.out = stdout,
		.width = page_width(),
		.color = may_color(c),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
}

const char *page_arrow(const struct page *p)
{
	return p->utf8 ? "→" : "->";
}

const char *page_tone(const struct page *p, enum page_tone tone)
{
	return p->color ? tones[tone] : "";
}

unsigned page_columns(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* C1 control characters are two bytes of UTF-8: c2 80 to c2 9f. */
void page_clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

static void put(struct page *p, enum page_tone tone, const char *text)
{
	bool toned = p->color && tone != PAGE_PLAIN;

	fprintf(p->out, "%s%s%s", toned ? tones[tone] : "", text,
		toned ? "\033[0m" : "");
	p->column += page_columns(text);
}

void page_end(struct page *p)
{
	if (p->column)
		fputc('\n', p->out);
	p->column = 0;
}

void page_title(struct page *p, enum page_tone tone, const char *format, ...)
{
	char text[FACT];
	va_list args;

	page_end(p);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	page_clean(text);
	put(p, tone, text);
	page_end(p);
}

void page_row(struct page *p, const char *name)
{
	page_end(p);
	p->name = name;
}

static void begin_line(struct page *p, const char *name)
{
	char text[INDENT + 1];

	snprintf(text, sizeof(text), "  %-9s ", name);
	put(p, PAGE_FAINT, text);
}

/* Behind what there is, with this between them, or on a new line. */
static void add(struct page *p, enum page_tone tone, const char *between,
		const char *text)
{
	char clean[FACT];

	snprintf(clean, sizeof(clean), "%s", text);
	page_clean(clean);
	if (p->column && *between == ',')
		put(p, PAGE_PLAIN, ",");
	/* A blank before it, and perhaps a comma behind it. */
	if (p->column && p->width &&
	    p->column + page_columns(clean) + 2 > p->width)
		page_end(p);
	else if (p->column)
		put(p, PAGE_PLAIN, *between == ',' ? between + 1 : between);
	if (!p->column) {
		begin_line(p, p->name);
		p->name = "";
	}
	put(p, tone, clean);
}

__attribute__((format(printf, 3, 0))) static void add_fact(struct page *p,
							   enum page_tone tone,
							   const char *format,
							   va_list args)
{
	char text[FACT];

	vsnprintf(text, sizeof(text), format, args);
	add(p, tone, ", ", text);
}

void page_text(struct page *p, enum page_tone tone, const char *text)
{
	char word[FACT];

	while (*text) {
		size_t n = strcspn(text, " ");

		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		if (n)
			add(p, tone, " ", word);
		text += n + (text[n] == ' ');
	}
}

void page_reason(struct page *p, const char *name)
{
	char text[FACT];

	snprintf(text, sizeof(text), "[%s]", name);
	add(p, PAGE_PLAIN, "  ", text);
}

void page_fact(struct page *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_fact(p, PAGE_PLAIN, format, args);
	va_end(args);
}

void page_toned(struct page *p, enum page_tone tone, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_fact(p, tone, format, args);
	va_end(args);
}

/* Two units at most. */
const char *page_duration(char out[static 32], double s)
{
	static const struct {
		int s, parts;
		const char *unit, *part;
	} units[] = {
		{86400, 24, "d", "h"},
		{3600, 60, "h", "min"},
		{60, 60, "min", "s"},
	};

	if (!(s >= 0) || s > 1e11)
		return strcpy(out, "?");
	for (int i = 0; i < 3; i++) {
		int parts = units[i].parts;
		long n = (long)(s * parts / units[i].s);

		if (s < units[i].s)
			continue;
		snprintf(out, 32, "%ld %s %ld %s", n / parts, units[i].unit,
			 n % parts, units[i].part);
		return out;
	}
	if (s >= 10 || s == 0)
		snprintf(out, 32, "%.0f s", floor(s));
	else if (s >= 1)
		snprintf(out, 32, "%.1f s", s);
	else
		snprintf(out, 32, s < 0.01 ? "%.1f ms" : "%.0f ms", s * 1000);
	return out;
}

const char *page_bytes(char out[static 32], double n)
{
	static const char *const units[] = {"B",  "kB", "MB", "GB",
					    "TB", "PB", "EB"};
	unsigned i = 0;

	if (!(n >= 0) || n > 1e20)
		return strcpy(out, "?");
	for (; n >= 999.5 && i < 6; i++)
		n /= 1000;
	snprintf(out, 32, i && n < 9.95 ? "%.1f %s" : "%.0f %s", n, units[i]);
	return out;
}

/* -1 = none. */
static time_t time_of(const char *iso)
{
	struct tm tm = {0};
	const char *end = strptime(iso, "%Y-%m-%dT%H:%M:%S", &tm);

	return end ? timegm(&tm) : -1;
}

const char *page_time(char out[static 40], const char *iso)
{
	time_t at = time_of(iso), now = time(NULL);
	struct tm then, today;

	if (at == -1 || !localtime_r(&at, &then) ||
	    !localtime_r(&now, &today)) {
		snprintf(out, 40, "%s", iso);
		return out;
	}
	strftime(out, 40,
		 then.tm_year == today.tm_year && then.tm_yday == today.tm_yday
			 ? "%H:%M:%S"
			 : "%Y-%m-%d %H:%M:%S",
		 &then);
	return out;
}

const char *get_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

double get_number(const json_t *object, const char *key, double fallback)
{
	const json_t *v = json_object_get(object, key);

	return json_is_number(v) ? json_number_value(v) : fallback;
}

bool get_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

bool get_known(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return v && !json_is_null(v);
}
