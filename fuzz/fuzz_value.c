/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single values: what is taken, printed and read again is the same; who takes
 * more takes what others take.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <strings.h>

#include "offload.h"
#include "preflight.h"
#include "value.h"

static void check_numbers(const char *s)
{
	uint32_t n, again;
	char text[16];
	bool b;

	if (value_number(&n, s, 5, 70000)) {
		WANT(n >= 5 && n <= 70000);
		snprintf(text, sizeof(text), "%u", n);
		WANT(value_number(&again, text, n, n) && again == n);
	}
	WANT(!value_number(&n, s, 0, UINT32_MAX) || s[0] != '-');
	if (value_bool(&b, s))
		WANT(strcasecmp(s, b ? "yes" : "no") == 0 ||
		     strcasecmp(s, b ? "on" : "off") == 0 ||
		     strcasecmp(s, b ? "true" : "false") == 0);
}

static void check_ip4(const char *s)
{
	struct ip4_prefix p;
	char host[HOST_SPACE], text[64];
	uint32_t ip, again;

	if (value_ip4(&ip, s)) {
		WANT(value_ip4(&again, ip4_text(ip)) && again == ip);
		WANT(value_host(host, s));
		WANT(value_ip4_prefix(&p, s) && p.ip == ip && p.len == 32);
	}
	if (!value_ip4_prefix(&p, s))
		return;
	WANT(p.len <= 32);
	for (unsigned bit = p.len; bit < 32; bit++)
		WANT(!(p.ip & UINT32_C(1) << (31 - bit)));
	WANT(ip4_in(p.ip, &p));
	snprintf(text, sizeof(text), "%s/%u", ip4_text(p.ip), p.len);
	WANT(value_ip4_prefix(&p, text));
}

static void check_ip6(const char *s)
{
	char text[INET6_ADDRSTRLEN + 4], addr[INET6_ADDRSTRLEN];
	struct ip6_prefix p, again;
	uint32_t prefix;

	if (value_teredo_prefix(&prefix, s)) {
		WANT(value_ip6_prefix(&p, s) && be32(p.addr.b) == prefix);
		WANT(ip6_is_global(&p.addr));
	}
	if (!value_ip6_prefix(&p, s))
		return;
	WANT(p.len <= 128 && ip6_in(&p.addr, &p));
	WANT(inet_ntop(AF_INET6, p.addr.b, addr, sizeof(addr)));
	snprintf(text, sizeof(text), "%s/%u", addr, p.len);
	WANT(value_ip6_prefix(&again, text) && again.len == p.len);
	WANT(ip6_equal(&again.addr, &p.addr));
}

static void check_host(const char *s)
{
	char host[HOST_SPACE], again[HOST_SPACE];

	if (!value_host(host, s))
		return;
	WANT(strcmp(host, s) == 0 && value_host(again, host));
	for (; *s; s++)
		WANT((uint8_t)*s > ' ' && *s != '/' && *s != ':');
}

static void check_date(const char *s)
{
	char text[32];
	time_t t, again;
	struct tm tm;

	if (!value_date(&t, s))
		return;
	WANT(t >= 1072915200 && gmtime_r(&t, &tm));
	WANT(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm));
	WANT(value_date(&again, text) && again == t);
}

static void check_offload(const char *s)
{
	char text[OFFLOAD_NAMES];
	unsigned o, again;

	if (!offload_parse(&o, s))
		return;
	WANT(o && !(o & ~(unsigned)OFFLOAD_ALL));
	offload_names(text, o);
	WANT(offload_parse(&again, text) && again == o);
}

/* A metric, as far as two words show. */
static void check_distance(const char *a, const char *b)
{
	unsigned d = value_distance(a, b);
	size_t n = strlen(a), m = strlen(b);

	WANT(d == value_distance(b, a));
	if (n >= 64 || m >= 64)
		return;
	WANT(value_distance(a, a) == 0);
	WANT((d == 0) == (strcasecmp(a, b) == 0));
	WANT(d <= (n > m ? n : m) && d >= (n > m ? n - m : m - n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	WANT(s);
	if (size)
		memcpy(s, data, size);
	s[size] = '\0';
	check_numbers(s);
	check_ip4(s);
	check_ip6(s);
	check_host(s);
	check_date(s);
	check_offload(s);
	/* The word, and what is behind the first zero. */
	check_distance(s, strlen(s) < size ? s + strlen(s) + 1 : "RelayType");
	free(s);
	return 0;
}
