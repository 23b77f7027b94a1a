/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of directives, for conf*.c alone. A row has the name, the kind of
 * value and the field it goes to, when a change is applied, and the words that
 * say what is allowed. Two kinds of row take no value: those that are not in
 * this version, and those that old versions dropped.
 */
#ifndef SYS_CONF_TABLE_H
#define SYS_CONF_TABLE_H

#include "conf.h"

struct directive;

/*
 * Take a value from text; write the i-th as text, so that it can be taken
 * again. false: it is none, or there is none.
 */
struct conf_kind {
	bool (*set)(struct conf *c, const struct directive *d, const char *s);
	bool (*print)(const struct conf *c, const struct directive *d,
		      unsigned i, char out[static CONF_VALUE]);
};

extern const struct conf_kind kind_bool, kind_u16, kind_u32, kind_new_peers,
	kind_word, kind_ip4, kind_iface, kind_text, kind_path, kind_socket,
	kind_regex, kind_prefix, kind_date, kind_ip4_list, kind_ip6_list,
	kind_server, kind_second, kind_threads, kind_offload, kind_dscp,
	kind_mark, kind_netmask, kind_probe, kind_extensions;

/* A word of kind_word, and the value of an enum, which has the size of an int.
 */
struct conf_word {
	const char *word; /* NULL ends the list */
	int value;
};

enum conf_when {
	WHEN_UNSAID, /* no value, so nothing to apply */
	WHEN_START,  /* when the daemon starts */
	WHEN_LIVE,   /* also by SIGHUP or `miredoctl reload` */
};

struct directive {
	const char *name;
	const struct conf_kind *kind;
	enum conf_when when;
	bool is_gone;       /* dropped by 1.0 */
	size_t field, size; /* offset in struct conf */
	size_t count; /* the same of a list's count, or what else belongs to
			 it; count_size 0 = nothing does */
	size_t count_size;
	uint32_t min, max; /* of a number; max: size of a text */
	unsigned slots;    /* capacity of a list; 0 = a single value */
	bool is_list;      /* each line adds a value */
	bool follows; /* may be repeated behind each one of the row above */
	const struct conf_word *words;
	const char *allowed;
};

extern const struct directive conf_table[];
extern const unsigned conf_table_rows;

/* Where the i-th value of a row was said is origins.of[] of this. */
unsigned conf_slot(unsigned row, unsigned i);

/* The number of a source, a new one if need be. One that has no place is taken
 * for the last: what it says counts, only where is not known. */
uint16_t conf_source(struct conf *c, const char *name);

/* "FILE:LINE", "--port" or "default". */
void conf_origin_text(const struct conf *c, struct conf_place at,
		      char out[static CONF_ORIGIN]);

#endif
