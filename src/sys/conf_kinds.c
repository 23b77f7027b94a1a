/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of values (conf_table.h): each is taken from text, and written as
 * text that can be taken again. What is not set at all is not written.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_table.h"
#include "offload.h"

#define SET struct conf *c, const struct directive *d, const char *s
#define PRINT                                                                  \
	const struct conf *c, const struct directive *d, unsigned i,           \
		char out[static CONF_VALUE]

static void *field_of(struct conf *c, size_t offset)
{
	return (char *)c + offset;
}

static const void *value_of(const struct conf *c, size_t offset)
{
	return (const char *)c + offset;
}

static void print_number(char out[static CONF_VALUE], uint32_t n)
{
	snprintf(out, CONF_VALUE, "%u", n);
}

/* --- yes and no, words, numbers --- */

static bool set_bool(SET)
{
	return value_bool(field_of(c, d->field), s);
}

static bool print_bool(PRINT)
{
	const bool *on = value_of(c, d->field);

	(void)i;
	strcpy(out, *on ? "yes" : "no");
	return true;
}

const struct conf_kind kind_bool = {set_bool, print_bool};

static_assert(sizeof(enum relay_type) == sizeof(int) &&
		      sizeof(enum choice) == sizeof(int) &&
		      sizeof(enum default_route) == sizeof(int) &&
		      sizeof(enum demand) == sizeof(int) &&
		      sizeof(enum discovery) == sizeof(int) &&
		      sizeof(enum log_target) == sizeof(int),
	      "the field of a word is an int");

/* Who says yes may also say on, or true. */
static bool set_word(SET)
{
	bool yes;

	if (value_bool(&yes, s))
		s = yes ? "yes" : "no";
	for (const struct conf_word *w = d->words; w->word; w++) {
		if (strcasecmp(w->word, s) == 0) {
			memcpy(field_of(c, d->field), &w->value, sizeof(int));
			return true;
		}
	}
	return false;
}

static bool print_word(PRINT)
{
	int value;

	(void)i;
	memcpy(&value, value_of(c, d->field), sizeof(value));
	for (const struct conf_word *w = d->words; w->word; w++) {
		if (w->value == value) {
			strcpy(out, w->word);
			return true;
		}
	}
	return false;
}

const struct conf_kind kind_word = {set_word, print_word};

static bool set_u32(SET)
{
	return value_number(field_of(c, d->field), s, d->min, d->max);
}

/* What is less than may be set is not set. */
static bool print_u32(PRINT)
{
	const uint32_t *n = value_of(c, d->field);

	(void)i;
	print_number(out, *n);
	return *n >= d->min;
}

const struct conf_kind kind_u32 = {set_u32, print_u32};

static bool set_u16(SET)
{
	uint16_t *out = field_of(c, d->field);
	uint32_t n;

	if (!value_number(&n, s, d->min, d->max))
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool print_u16(PRINT)
{
	const uint16_t *n = value_of(c, d->field);

	(void)i;
	print_number(out, *n);
	return true;
}

const struct conf_kind kind_u16 = {set_u16, print_u16};

static bool set_new_peers(SET)
{
	c->has_new_peers = set_u32(c, d, s);
	return c->has_new_peers;
}

static bool print_new_peers(PRINT)
{
	return c->has_new_peers && print_u32(c, d, i, out);
}

const struct conf_kind kind_new_peers = {set_new_peers, print_new_peers};

static bool set_date(SET)
{
	return value_date(field_of(c, d->field), s);
}

static bool print_date(PRINT)
{
	const time_t *t = value_of(c, d->field);
	struct tm tm;

	(void)i;
	gmtime_r(t, &tm);
	strftime(out, CONF_VALUE,
		 *t % 86400 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d", &tm);
	return *t != 0;
}

const struct conf_kind kind_date = {set_date, print_date};

/* --- text --- */

/* max is the size of the field. */
static bool set_text(SET)
{
	if (!*s || strlen(s) >= d->max)
		return false;
	strcpy(field_of(c, d->field), s);
	return true;
}

/* Would the file be understood without quotes? */
static bool is_plain(const char *s)
{
	size_t n = strlen(s);

	if (*s == '"' || isspace((unsigned char)*s) ||
	    isspace((unsigned char)s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '#' && (i == 0 || isblank((unsigned char)s[i - 1])))
			return false;
	}
	return true;
}

/* With quotes only where they are needed: they cannot be in them. */
static bool print_text(PRINT)
{
	const char *s = value_of(c, d->field);
	bool plain;

	(void)i;
	if (!*s)
		return false;
	plain = is_plain(s) || strchr(s, '"');
	snprintf(out, CONF_VALUE, plain ? "%s" : "\"%s\"", s);
	return true;
}

const struct conf_kind kind_text = {set_text, print_text};

static bool set_iface(SET)
{
	/* What the kernel's dev_valid_name() refuses, and what it expands. */
	if (strpbrk(s, "/:% \t") || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	return set_text(c, d, s);
}

const struct conf_kind kind_iface = {set_iface, print_text};

static bool set_path(SET)
{
	return *s == '/' && set_text(c, d, s);
}

const struct conf_kind kind_path = {set_path, print_text};

/* "none", or the name of a file. */
static bool set_socket(SET)
{
	return strcasecmp(s, "none") == 0 ? set_text(c, d, "none")
					  : set_path(c, d, s);
}

const struct conf_kind kind_socket = {set_socket, print_text};

static bool set_regex(SET)
{
	regex_t compiled;

	if (regcomp(&compiled, s, REG_EXTENDED | REG_NOSUB))
		return false;
	regfree(&compiled);
	return set_text(c, d, s);
}

const struct conf_kind kind_regex = {set_regex, print_text};

/* --- addresses --- */

static bool set_ip4(SET)
{
	return value_ip4(field_of(c, d->field), s);
}

static void print_quad(char out[static CONF_VALUE], uint32_t ip)
{
	snprintf(out, CONF_VALUE, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255,
		 ip >> 8 & 255, ip & 255);
}

static bool print_ip4(PRINT)
{
	const uint32_t *ip = value_of(c, d->field);

	(void)i;
	print_quad(out, *ip);
	return *ip != 0;
}

const struct conf_kind kind_ip4 = {set_ip4, print_ip4};

static bool set_netmask(SET)
{
	return value_netmask(field_of(c, d->field), s, d->min, d->max);
}

static bool print_netmask(PRINT)
{
	const uint8_t *len = value_of(c, d->field);

	(void)i;
	print_quad(out, *len ? UINT32_MAX << (32 - *len) : 0);
	return *len != 0;
}

const struct conf_kind kind_netmask = {set_netmask, print_netmask};

static bool set_prefix(SET)
{
	return value_teredo_prefix(field_of(c, d->field), s);
}

static void print_net(char out[static CONF_VALUE], const struct ip6 *a,
		      unsigned len)
{
	inet_ntop(AF_INET6, a, out, INET6_ADDRSTRLEN);
	snprintf(out + strlen(out), 8, "/%u", len);
}

static bool print_prefix(PRINT)
{
	const uint32_t *prefix = value_of(c, d->field);
	struct ip6 a = {0};

	(void)i;
	for (unsigned b = 0; b < 4; b++)
		a.b[b] = (uint8_t)(*prefix >> (24 - 8 * b));
	print_net(out, &a, 32);
	return true;
}

const struct conf_kind kind_prefix = {set_prefix, print_prefix};

static bool add_ip4(SET)
{
	struct ip4_prefix *v = field_of(c, d->field);
	unsigned *n = field_of(c, d->count);

	return *n < d->slots && value_ip4_prefix(&v[*n], s) && ++*n;
}

static bool print_ip4_list(PRINT)
{
	const struct ip4_prefix *v = value_of(c, d->field);
	const unsigned *n = value_of(c, d->count);

	if (i >= *n)
		return false;
	print_quad(out, v[i].ip);
	snprintf(out + strlen(out), 8, "/%u", v[i].len);
	return true;
}

const struct conf_kind kind_ip4_list = {add_ip4, print_ip4_list};

static bool add_ip6(SET)
{
	struct ip6_prefix *v = field_of(c, d->field);
	unsigned *n = field_of(c, d->count);

	return *n < d->slots && value_ip6_prefix(&v[*n], s) && ++*n;
}

static bool print_ip6_list(PRINT)
{
	const struct ip6_prefix *v = value_of(c, d->field);
	const unsigned *n = value_of(c, d->count);

	if (i >= *n)
		return false;
	print_net(out, &v[i].addr, v[i].len);
	return true;
}

const struct conf_kind kind_ip6_list = {add_ip6, print_ip6_list};

/* A native host: not one that is behind a tunnel like ours. */
static bool set_probe(SET)
{
	static const uint8_t teredo[] = {0x20, 0x01, 0, 0};
	struct ip6 a;

	(void)d;
	if (inet_pton(AF_INET6, s, &a) != 1 || (a.b[0] & 0xe0) != 0x20 ||
	    memcmp(a.b, teredo, sizeof(teredo)) == 0)
		return false;
	c->probe = a;
	return true;
}

static bool print_probe(PRINT)
{
	(void)d;
	(void)i;
	inet_ntop(AF_INET6, &c->probe, out, INET6_ADDRSTRLEN);
	return c->probe.b[0] != 0;
}

const struct conf_kind kind_probe = {set_probe, print_probe};

/* --- servers --- */

/* The second address that stood before the first server is that one's. */
static bool add_server(SET)
{
	struct server_name *n = &c->servers[c->n_servers];

	if (c->n_servers == d->slots || !value_host(n->host, s))
		return false;
	strcpy(n->second, c->second);
	memset(c->second, 0, sizeof(c->second));
	c->n_servers++;
	return true;
}

static bool print_server(PRINT)
{
	(void)d;
	if (i >= c->n_servers)
		return false;
	strcpy(out, c->servers[i].host);
	return true;
}

const struct conf_kind kind_server = {add_server, print_server};

static bool set_second(SET)
{
	(void)d;
	return value_host(c->n_servers ? c->servers[c->n_servers - 1].second
				       : c->second,
			  s);
}

static bool print_second(PRINT)
{
	(void)d;
	if (i < c->n_servers)
		strcpy(out, c->servers[i].second);
	else if (i == 0)
		strcpy(out, c->second);
	else
		*out = '\0';
	return *out != '\0';
}

const struct conf_kind kind_second = {set_second, print_second};

/* --- how packets are carried --- */

static bool set_threads(SET)
{
	if (strcasecmp(s, "auto") != 0)
		return value_number(&c->threads, s, d->min, d->max);
	c->threads = 0;
	return true;
}

static bool print_threads(PRINT)
{
	(void)d;
	(void)i;
	print_number(out, c->threads);
	if (c->threads == 0)
		strcpy(out, "auto");
	return true;
}

const struct conf_kind kind_threads = {set_threads, print_threads};

static bool set_offload(SET)
{
	bool yes;

	(void)d;
	if (!value_bool(&yes, s))
		return offload_parse(&c->offloads, s);
	c->offloads = yes ? OFFLOAD_ALL : 0;
	return true;
}

static bool print_offload(PRINT)
{
	(void)d;
	(void)i;
	if (c->offloads == OFFLOAD_ALL || c->offloads == 0)
		strcpy(out, c->offloads ? "yes" : "no");
	else
		offload_names(out, c->offloads);
	return true;
}

const struct conf_kind kind_offload = {set_offload, print_offload};

/* --- extensions --- */

static const char extension_names[][4] = {
#define X(id, name) name,
	EXTENSION_LIST(X)
#undef X
};

/* The bit of the first word, or 0. */
static unsigned find_extension(const char *s, size_t n)
{
	for (unsigned i = 0; i < EXTENSIONS; i++) {
		if (n == strlen(extension_names[i]) &&
		    strncasecmp(s, extension_names[i], n) == 0)
			return 1u << i;
	}
	return 0;
}

static bool set_extensions(SET)
{
	unsigned all = strcasecmp(s, "all") == 0 ? EXT_ALL : 0;

	(void)d;
	if (!*s)
		return false;
	if (all || strcasecmp(s, "none") == 0)
		s = "";
	while (*s) {
		size_t n = strcspn(s, " \t");
		unsigned one = find_extension(s, n);

		if (!one)
			return false;
		all |= one;
		s += n;
		s += strspn(s, " \t");
	}
	if (!extensions_fit(all))
		return false;
	c->extensions = all;
	return true;
}

static bool print_extensions(PRINT)
{
	(void)d;
	(void)i;
	if (c->extensions == EXT_ALL || c->extensions == 0) {
		strcpy(out, c->extensions ? "all" : "none");
		return true;
	}
	*out = '\0';
	for (unsigned k = 0; k < EXTENSIONS; k++) {
		if (!(c->extensions & 1u << k))
			continue;
		if (*out)
			strcat(out, " ");
		strcat(out, extension_names[k]);
	}
	return true;
}

const struct conf_kind kind_extensions = {set_extensions, print_extensions};

static bool set_dscp(SET)
{
	bool copy = strcasecmp(s, "copy") == 0;
	uint32_t n = 0;

	(void)d;
	if (!copy && !value_number(&n, s, 0, 63))
		return false;
	c->copy_dscp = copy;
	c->dscp = (uint8_t)n;
	return true;
}

static bool print_dscp(PRINT)
{
	(void)d;
	(void)i;
	print_number(out, c->dscp);
	if (c->copy_dscp)
		strcpy(out, "copy");
	return true;
}

const struct conf_kind kind_dscp = {set_dscp, print_dscp};

/* In decimal, or as ip(8) shows them. */
static bool set_mark(SET)
{
	char *end;
	unsigned long n;

	(void)d;
	if (strncasecmp(s, "0x", 2) != 0)
		return value_number(&c->mark, s, 0, UINT32_MAX);
	n = strtoul(s + 2, &end, 16);
	if (!isxdigit((unsigned char)s[2]) || *end || n > UINT32_MAX)
		return false;
	c->mark = (uint32_t)n;
	return true;
}

static bool print_mark(PRINT)
{
	(void)d;
	(void)i;
	snprintf(out, CONF_VALUE, c->mark ? "0x%x" : "%u", c->mark);
	return true;
}

const struct conf_kind kind_mark = {set_mark, print_mark};
