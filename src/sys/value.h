/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of directives and options, from text. Each function returns false and
 * writes nothing if the text is not entirely a value of its kind.
 */
#ifndef SYS_VALUE_H
#define SYS_VALUE_H

#include <time.h>

#include "../core/gate.h"

bool value_bool(bool *out, const char *s);
bool value_number(uint32_t *out, const char *s, uint32_t min, uint32_t max);

/* Dotted quad; host order. */
bool value_ip4(uint32_t *out, const char *s);

enum {
	HOST_SPACE = 254 /* a domain name, and a zero */
};

/* A dotted quad, or what may be the name of a host. */
bool value_host(char out[static HOST_SPACE], const char *s);

/* ADDRESS or ADDRESS/LENGTH; bits beyond the length must be zero. */
bool value_ip4_prefix(struct ip4_prefix *out, const char *s);

/* The length of a netmask, min to max: 255.255.0.0, 16 or /16. */
bool value_netmask(uint8_t *len, const char *s, uint32_t min, uint32_t max);
bool value_ip6_prefix(struct ip6_prefix *out, const char *s);

/* A Teredo prefix: 2001:0:: or 2001::/32; global unicast. */
bool value_teredo_prefix(uint32_t *out, const char *s);

/* YYYY-MM-DD, the first second of that day in UTC, or YYYY-MM-DDThh:mm:ssZ;
 * 2004 or later. */
bool value_date(time_t *out, const char *s);

/* Is it one of these words, which have blanks between them? */
bool value_word(const char *words, const char *word);

/* How many letters must change to make one word the other, regardless of case.
 */
unsigned value_distance(const char *a, const char *b);

#endif
