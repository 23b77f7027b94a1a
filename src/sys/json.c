/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void json_init(struct json *j, void *memory, size_t size)
{
	*j = (struct json){.p = memory, .size = size};
}

/* All of it, or nothing and then nothing more. */
static void put(struct json *j, const char *s, size_t n)
{
	if (j->is_cut || n > j->size - j->n) {
		j->is_cut = true;
		return;
	}
	memcpy(j->p + j->n, s, n);
	j->n += n;
}

static void put_string(struct json *j, const char *s)
{
	put(j, s, strlen(s));
}

/* How many bytes of well-formed UTF-8 (3629 §4) begin here; 0 = none. */
static size_t utf8_length(const uint8_t *s)
{
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if (n == 3 &&
	    ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
		return 0;
	if (n == 4 &&
	    ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
		return 0;
	return n;
}

static void put_quoted(struct json *j, const char *s)
{
	put(j, "\"", 1);
	while (*s) {
		size_t n = utf8_length((const uint8_t *)s);
		char code[8];

		if (n == 0) {
			put_string(j, "\\ufffd");
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			put(j, "\\", 1);
			put(j, s, 1);
		} else if (n == 1 && ((uint8_t)*s < 0x20 || *s == 0x7f)) {
			snprintf(code, sizeof(code), "\\u%04x", (uint8_t)*s);
			put_string(j, code);
		} else {
			put(j, s, n);
		}
		s += n;
	}
	put(j, "\"", 1);
}

/* What stands before each value. */
static void begin(struct json *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
	if (!key)
		return;
	put_quoted(j, key);
	put(j, ":", 1);
}

void json_open(struct json *j, const char *key, char c)
{
	begin(j, key);
	put(j, &c, 1);
	j->comma = false;
}

void json_close(struct json *j, char c)
{
	put(j, &c, 1);
	j->comma = true;
}

void json_text(struct json *j, const char *key, const char *s)
{
	begin(j, key);
	if (s)
		put_quoted(j, s);
	else
		put_string(j, "null");
}

void json_number(struct json *j, const char *key, uint64_t n)
{
	char text[24];

	begin(j, key);
	snprintf(text, sizeof(text), "%" PRIu64, n);
	put_string(j, text);
}

void json_bool(struct json *j, const char *key, bool yes)
{
	begin(j, key);
	put_string(j, yes ? "true" : "false");
}

void json_none(struct json *j, const char *key)
{
	json_text(j, key, NULL);
}

void json_seconds(struct json *j, const char *key, uint64_t ns)
{
	char text[32];

	begin(j, key);
	snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, ns / 1000000000,
		 ns / 1000 % 1000000);
	put_string(j, text);
}

void json_time(struct json *j, const char *key, int64_t t)
{
	char text[32];
	time_t clock = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&clock, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm)) {
		json_none(j, key);
		return;
	}
	json_text(j, key, text);
}

void json_end(struct json *j)
{
	put(j, "\n", 1);
	j->comma = false;
}
