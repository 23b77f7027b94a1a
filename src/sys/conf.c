/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format of 1.2.6: `Directive value`, one a line, names in any case, `#`
 * comments. What is new keeps the style. A file may be shared: what is of
 * another role is read, and has to be right, but has no effect.
 *
 * An unknown directive or a bad value is an error: who mistypes DenyIPv4 must
 * not run without it. A repeated directive is a warning, as in 1.2.6, and so
 * are those of old files that have no effect here; miredo-checkconf fails on
 * repeated ones, as it always did. All are reported, not the first.
 */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_table.h"

static const struct directive *find(const char *name)
{
	for (unsigned i = 0; i < conf_table_rows; i++) {
		if (strcasecmp(conf_table[i].name, name) == 0)
			return &conf_table[i];
	}
	return NULL;
}

static void report_unknown(struct report *r, const char *where,
			   const char *name)
{
	unsigned best = 3; /* two slips of the finger */
	const char *near = NULL;

	/* When there is no room to say it, it is not worth the search. */
	for (unsigned i = 0; i < conf_table_rows && r->n < REPORT_MAX; i++) {
		unsigned d = value_distance(name, conf_table[i].name);

		if (d < best) {
			best = d;
			near = conf_table[i].name;
		}
	}
	if (near)
		report_add(r, SEVERITY_ERROR,
			   "%s: %.64s: unknown directive, did you mean %s?",
			   where, name, near);
	else
		report_add(r, SEVERITY_ERROR,
			   "%s: %.64s: unknown directive, see miredo.conf(5)",
			   where, name);
}

static void note(const char *where, const struct directive *d, struct report *r)
{
	if (d->is_gone)
		report_add(r, SEVERITY_NOTE, "%s: %s: has no effect any more",
			   where, d->name);
}

uint16_t conf_source(struct conf *c, const char *name)
{
	struct conf_origins *o = &c->origins;

	for (unsigned i = 1; i < o->n; i++) {
		if (strncmp(o->source[i], name, CONF_SOURCE - 1) == 0)
			return (uint16_t)i;
	}
	if (o->n == CONF_SOURCES)
		return CONF_SOURCES - 1;
	snprintf(o->source[o->n], CONF_SOURCE, "%s", name);
	return (uint16_t)o->n++;
}

/* Which of the values of a row was set just now. */
static unsigned last_of(const struct conf *c, const struct directive *d)
{
	unsigned n = 0;

	if (d->follows)
		n = c->n_servers;
	else if (d->is_list)
		memcpy(&n, (const char *)c + d->count, sizeof(n));
	return n ? n - 1 : 0;
}

static void apply(struct conf *c, struct conf_place at,
		  const struct directive *d, const char *value,
		  struct report *r)
{
	char where[CONF_ORIGIN];

	conf_origin_text(c, at, where);
	note(where, d, r);
	if (!d->kind)
		return;
	if (d->kind->set(c, d, value))
		c->origins.of[conf_slot((unsigned)(d - conf_table),
					last_of(c, d))] = at;
	else if (!*value)
		report_add(r, SEVERITY_ERROR, "%s: %s: a value is missing: %s",
			   where, d->name, d->allowed);
	else
		report_add(r, SEVERITY_ERROR,
			   "%s: %s: \"%.64s\" is not allowed: %s", where,
			   d->name, value, d->allowed);
}

void conf_set(struct conf *c, const char *where, const char *directive,
	      const char *value, struct report *r)
{
	const struct directive *d = find(directive);

	assert(d); /* options.c names only what is in the table */
	apply(c, (struct conf_place){.source = conf_source(c, where)}, d, value,
	      r);
}

/*
 * Cut the value out of what follows the name: without blanks around it, a
 * comment behind it, or quotes.
 */
static char *cut_value(char *s)
{
	char *end;

	s += strspn(s, " \t");
	if (*s == '"') {
		end = strchr(s + 1, '"');
		if (end) {
			*end = '\0';
			return s + 1;
		}
	}
	for (end = s; *end; end++) {
		if (*end == '#' &&
		    (end == s || isblank((unsigned char)end[-1])))
			break;
	}
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static void read_line(struct conf *c, char *line, struct conf_place at,
		      bool seen[static CONF_ROWS], struct report *r)
{
	char *name = line + strspn(line, " \t\r\n");
	size_t n = strcspn(name, " \t\r\n");
	const struct directive *d;
	char where[CONF_ORIGIN];
	char *value;

	if (!*name || *name == '#')
		return;
	value = name[n] ? cut_value(name + n + 1) : name + n;
	name[n] = '\0';
	d = find(name);
	conf_origin_text(c, at, where);
	if (!d) {
		report_unknown(r, where, name);
		return;
	}
	if (seen[d - conf_table] && !d->is_list) {
		report_add(r, SEVERITY_WARNING,
			   "%s: %s: repeated, the first one counts", where,
			   d->name);
		return;
	}
	seen[d - conf_table] = true;
	if (d->is_list && d + 1 < conf_table + conf_table_rows && d[1].follows)
		seen[d + 1 - conf_table] = false;
	apply(c, at, d, value, r);
}

void conf_read(struct conf *c, FILE *f, const char *name, struct report *r)
{
	struct conf_place at = {.source = conf_source(c, name)};
	bool seen[CONF_ROWS] = {false};
	char *line = NULL;
	size_t space = 0;
	ssize_t n;

	assert(conf_table_rows <= CONF_ROWS);
	while ((n = getline(&line, &space, f)) >= 0) {
		at.line++;
		if (memchr(line, '\0', (size_t)n))
			report_add(r, SEVERITY_ERROR,
				   "%.140s:%u: not a text file: a zero byte",
				   name, at.line);
		else
			read_line(c, line, at, seen, r);
	}
	if (ferror(f))
		report_add(r, SEVERITY_ERROR, "%.140s: cannot be read", name);
	free(line);
}
