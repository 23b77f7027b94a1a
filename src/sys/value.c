/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsers for single values. They neither log nor decide what a value means. */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "value.h"

bool value_bool(bool *out, const char *s)
{
	static const char *const words[][2] = {
		{"no", "yes"},
		{"off", "on"},
		{"false", "true"},
	};

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned v = 0; v < 2; v++) {
			if (strcasecmp(s, words[i][v]) == 0) {
				*out = v;
				return true;
			}
		}
	}
	return false;
}

bool value_number(uint32_t *out, const char *s, uint32_t min, uint32_t max)
{
	uint64_t n = 0;

	if (!*s || strlen(s) > 10)
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	if (n < min || n > max)
		return false;
	*out = (uint32_t)n;
	return true;
}

bool value_ip4(uint32_t *out, const char *s)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		return false;
	*out = ntohl(a.s_addr);
	return true;
}

/*
 * Only numbers and dots, but no dotted quad, is a mistake, which the resolver
 * would read as an address: 9.2 as 9.0.0.2.
 */
bool value_host(char out[static HOST_SPACE], const char *s)
{
	size_t n = strlen(s);
	uint32_t ip;

	if (!n || n >= HOST_SPACE || strpbrk(s, "/:%@,;\"'"))
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
			return false;
	}
	if (s[strspn(s, "0123456789.")] == '\0' && !value_ip4(&ip, s))
		return false;
	memcpy(out, s, n + 1);
	return true;
}

/* Cut s at its slash: the address to addr; length, or max if there is none. */
static bool split_prefix(char *addr, size_t space, uint8_t *len, const char *s,
			 uint32_t max)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	uint32_t bits = max;

	if (n >= space || (slash && !value_number(&bits, slash + 1, 0, max)))
		return false;
	memcpy(addr, s, n);
	addr[n] = '\0';
	*len = (uint8_t)bits;
	return true;
}

bool value_ip4_prefix(struct ip4_prefix *out, const char *s)
{
	char addr[INET_ADDRSTRLEN];
	struct ip4_prefix p;

	if (!split_prefix(addr, sizeof(addr), &p.len, s, 32) ||
	    !value_ip4(&p.ip, addr))
		return false;
	if (p.len < 32 && p.ip & (UINT32_MAX >> p.len))
		return false;
	*out = p;
	return true;
}

/* As 255.255.0.0, 16 or /16. */
bool value_netmask(uint8_t *len, const char *s, uint32_t min, uint32_t max)
{
	uint32_t n = 0, mask;

	if (value_ip4(&mask, s)) {
		while (n < 32 && mask << n >> 31)
			n++;
		if (n < 32 && mask << n)
			return false; /* a hole */
		if (n < min || n > max)
			return false;
	} else if (!value_number(&n, s + (*s == '/'), min, max)) {
		return false;
	}
	*len = (uint8_t)n;
	return true;
}

bool value_ip6_prefix(struct ip6_prefix *out, const char *s)
{
	char addr[INET6_ADDRSTRLEN];
	struct ip6_prefix p;

	if (!split_prefix(addr, sizeof(addr), &p.len, s, 128) ||
	    inet_pton(AF_INET6, addr, p.addr.b) != 1)
		return false;
	for (unsigned bit = p.len; bit < 128; bit++) {
		if (p.addr.b[bit / 8] & (0x80 >> bit % 8))
			return false;
	}
	*out = p;
	return true;
}

bool value_teredo_prefix(uint32_t *out, const char *s)
{
	struct ip6_prefix p;

	if (!value_ip6_prefix(&p, s) || (p.len != 32 && strchr(s, '/')) ||
	    !ip6_is_global(&p.addr))
		return false;
	for (unsigned i = 4; i < 16; i++) {
		if (p.addr.b[i])
			return false;
	}
	*out = be32(p.addr.b);
	return true;
}

/* The first second of 2004: what is before is a mistake, and 0 means never. */
enum {
	FIRST_DATE = 1072915200
};

bool value_date(time_t *out, const char *s)
{
	struct tm tm = {0};
	const char *end = strptime(s, "%Y-%m-%d", &tm);
	int day, month;
	time_t t;

	if (end && *end)
		end = strptime(end, "T%H:%M:%SZ", &tm);
	if (!end || *end)
		return false;
	day = tm.tm_mday;
	month = tm.tm_mon;
	t = timegm(&tm);
	/* timegm() makes March of February 30th. */
	if (t < FIRST_DATE || tm.tm_mday != day || tm.tm_mon != month)
		return false;
	*out = t;
	return true;
}

/* Levenshtein's distance, row by row. */
unsigned value_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t n = strlen(b);

	if (n >= 64 || strlen(a) >= 64)
		return UINT32_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; *a; a++, i++) {
		unsigned above_left = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			bool same = tolower((unsigned char)*a) ==
				    tolower((unsigned char)b[j - 1]);
			unsigned cost = above_left + !same;

			above_left = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[n];
}

bool value_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (*words) {
		size_t n = strcspn(words, " ");

		if (n == len && memcmp(words, word, n) == 0)
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}
