/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in force now, in memory that all processes of a daemon share: the
 * reader of the configuration writes it (reader.h), the others see it read-only
 * and cannot change that. So whoever is told that there is something new looks
 * here, and nothing need be sent, or parsed, or believed.
 *
 * There are two places, written in turn: one is whole whatever becomes of the
 * writer in between.
 */
#ifndef SYS_SETTINGS_H
#define SYS_SETTINGS_H

#include "conf.h"

struct settings_view {
	uint32_t serial; /* of conf: 1 at the start, one more for each change */
	uint32_t secrets; /* number of those that belong to it (vault.h); 0 =
			     those of the start */
	bool has_group;   /* ControlGroup, and its number */
	gid_t group;
	uint32_t failed;        /* times that a configuration was not applied */
	time_t loaded;          /* when conf was read, by the wall clock */
	uint64_t confirm_until; /* undone then, if nobody confirms;
				   clock_now(), 0 = there is no need to */
	char error[REPORT_LINE]; /* of the last time; empty = there was none */
	bool waiting[CONF_ROWS]; /* for the next start, by rows of the table */
	struct conf conf;        /* what is in force, without these */
};

struct settings;

/*
 * Get the memory, with this in it: *writer is for the reader only, who lets go
 * of the other. Dies if it cannot be had.
 */
const struct settings *settings_make(struct settings **writer,
				     const struct settings_view *first);

/*
 * What has mapped this memory may write to it, nobody who maps it from now on.
 * Older kernels: nobody but the reader may call mprotect().
 */
void settings_seal(int fd);

/* Before other processes are started: none of them can write. */
void settings_let_go(struct settings *writer);

void settings_write(struct settings *s, const struct settings_view *v);

/* Another number after each settings_write(). */
uint32_t settings_turn(const struct settings *s);

/* A whole view of one moment. Does not wait; false if the writer is so busy
 * that none could be had. */
bool settings_read(const struct settings *s, struct settings_view *out);

#endif
