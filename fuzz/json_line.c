/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_line.h"

#include "fuzz.h"

static const char *at, *end;

static char next(void)
{
	WANT(at < end);
	return *at++;
}

static void expect(char c)
{
	WANT(next() == c);
}

static void read_string(void)
{
	char c;

	while ((c = next()) != '"') {
		WANT((uint8_t)c >= 0x20 && c != 0x7f);
		if (c == '\\')
			WANT(strchr("\"\\u", next()));
	}
}

static void read_value(unsigned depth);

static void read_members(char close, unsigned depth)
{
	WANT(depth < 8);
	if (at < end && *at == close) {
		at++;
		return;
	}
	for (;;) {
		char c;

		if (close == '}') {
			expect('"');
			read_string();
			expect(':');
		}
		read_value(depth + 1);
		c = next();
		if (c == close)
			return;
		WANT(c == ',');
	}
}

static void read_word(void)
{
	size_t n = strspn(at, "0123456789.truefalsn");

	WANT(n > 0);
	at += n;
	WANT(at <= end);
}

static void read_value(unsigned depth)
{
	switch (*at) {
	case '{':
		at++;
		read_members('}', depth);
		break;
	case '[':
		at++;
		read_members(']', depth);
		break;
	case '"':
		at++;
		read_string();
		break;
	default:
		read_word();
	}
}

bool is_json_line(const char *text, size_t n)
{
	at = text;
	end = text + n;
	read_value(0);
	expect('\n');
	return at == end;
}
