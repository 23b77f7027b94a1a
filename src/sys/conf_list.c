/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in force, as text; and whether that is the same as before. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "conf_table.h"

static unsigned slots(const struct directive *d)
{
	return d->slots ? d->slots : 1;
}

unsigned conf_slot(unsigned row, unsigned i)
{
	unsigned at = i;

	for (unsigned r = 0; r < row; r++)
		at += slots(&conf_table[r]);
	assert(at < CONF_ORIGINS);
	return at;
}

void conf_origin_text(const struct conf *c, struct conf_place at,
		      char out[static CONF_ORIGIN])
{
	const char *source = c->origins.source[at.source];

	if (at.line)
		snprintf(out, CONF_ORIGIN, "%s:%u", source, at.line);
	else
		snprintf(out, CONF_ORIGIN, "%s", source);
}

/* The i-th value of a row; false if there is none. */
static bool value_text(const struct conf *c, unsigned row, unsigned i,
		       char out[static CONF_VALUE])
{
	const struct directive *d = &conf_table[row];

	return d->kind && d->kind->print(c, d, i, out);
}

static void list_one(const struct conf *c, unsigned row, unsigned i,
		     conf_line_fn *fn, void *arg)
{
	char value[CONF_VALUE], origin[CONF_ORIGIN];
	const struct conf_line line = {
		.row = row,
		.directive = conf_table[row].name,
		.value = value,
		.origin = origin,
	};

	if (!value_text(c, row, i, value))
		return;
	conf_origin_text(c, c->origins.of[conf_slot(row, i)], origin);
	fn(arg, &line);
}

static bool is_followed(unsigned row)
{
	return row + 1 < conf_table_rows && conf_table[row + 1].follows;
}

void conf_list(const struct conf *c, conf_line_fn *fn, void *arg)
{
	for (unsigned row = 0; row < conf_table_rows; row++) {
		for (unsigned i = 0; i < slots(&conf_table[row]); i++) {
			if (conf_table[row].follows)
				break; /* was listed with the one above */
			list_one(c, row, i, fn, arg);
			if (is_followed(row))
				list_one(c, row + 1, i, fn, arg);
		}
	}
}

unsigned conf_rows(void)
{
	return conf_table_rows;
}

const char *conf_name(unsigned row)
{
	return conf_table[row].name;
}

unsigned conf_row(const char *name)
{
	unsigned row = 0;

	while (strcmp(conf_table[row].name, name) != 0) {
		row++;
		assert(row < conf_table_rows);
	}
	return row;
}

bool conf_is_live(unsigned row)
{
	return conf_table[row].when == WHEN_LIVE;
}

bool conf_is_any(const bool row[static CONF_ROWS])
{
	for (unsigned i = 0; i < CONF_ROWS; i++) {
		if (row[i])
			return true;
	}
	return false;
}

bool conf_is_same(const struct conf *a, const struct conf *b, unsigned row)
{
	for (unsigned i = 0; i < slots(&conf_table[row]); i++) {
		char one[CONF_VALUE], other[CONF_VALUE];
		bool is_set = value_text(a, row, i, one);

		if (value_text(b, row, i, other) != is_set ||
		    (is_set && strcmp(one, other) != 0))
			return false;
	}
	return true;
}

void conf_where(const struct conf *c, unsigned row,
		char out[static CONF_ORIGIN])
{
	conf_origin_text(c, c->origins.of[conf_slot(row, 0)], out);
}

void conf_take(struct conf *to, const struct conf *from, unsigned row)
{
	const struct directive *d = &conf_table[row];
	const char *in = (const char *)from;
	char *out = (char *)to;

	memcpy(out + d->field, in + d->field, d->size);
	if (d->count_size)
		memcpy(out + d->count, in + d->count, d->count_size);
	for (unsigned i = 0; i < slots(d); i++) {
		struct conf_place at = from->origins.of[conf_slot(row, i)];

		if (at.source)
			at.source = conf_source(
				to, from->origins.source[at.source]);
		to->origins.of[conf_slot(row, i)] = at;
	}
}
