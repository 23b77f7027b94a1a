/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes JSON into memory of the caller. Known shapes, output only: nothing is
 * allocated, and what does not fit is left out, which json_is_whole() tells.
 * key is NULL for the elements of an array. Strings may be anything: what is
 * not UTF-8 is replaced.
 */
#ifndef SYS_JSON_H
#define SYS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *p;
	size_t size, n; /* n is at most size */
	bool comma;     /* the next value needs one before it */
	bool is_cut;
};

void json_init(struct json *j, void *memory, size_t size);

/* c: '{' or '['; and the same, '}' or ']'. */
void json_open(struct json *j, const char *key, char c);
void json_close(struct json *j, char c);

/* NULL is null. */
void json_text(struct json *j, const char *key, const char *s);
void json_number(struct json *j, const char *key, uint64_t n);
void json_bool(struct json *j, const char *key, bool yes);
void json_none(struct json *j, const char *key);

/* A duration in seconds, to the microsecond. */
void json_seconds(struct json *j, const char *key, uint64_t ns);

/* A time, of seconds since 1970: "2026-11-26T18:00:00Z". */
void json_time(struct json *j, const char *key, int64_t t);

/* End of the line. */
void json_end(struct json *j);

static inline bool json_is_whole(const struct json *j)
{
	return !j->is_cut;
}

#endif
