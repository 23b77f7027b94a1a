/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts that several answers have (answer.h): values, and what is the same in
 * each. */
#ifndef SYS_ANSWER_PARTS_H
#define SYS_ANSWER_PARTS_H

#include "answer.h"

/* null for what is not known: 0, NULL, port 0. */
void put_ip4(struct json *j, const char *key, uint32_t ip);
void put_ip6(struct json *j, const char *key, const struct ip6 *a);
void put_tuple(struct json *j, const char *key, struct tuple t);

/* How long ago; null if that was never. */
void put_age(struct json *j, const char *key, uint64_t t, uint64_t now);
/* null for 0. */
void put_duration(struct json *j, const char *key, uint64_t ns);

/* What the host lets in, as a word. */
void put_inbound(struct json *j, const struct facts *f);

/* What the router forwards to us: an object of a client. */
void put_mapping(struct json *j, const struct facts *f);

/* Members of an object. */
void put_daemon(struct json *j, const struct show *s, const struct view *v);
void put_verdict(struct json *j, const struct show *s, const struct view *v);
void put_client_peers(struct json *j, const struct show *s,
		      const struct facts *f);
void put_relay_peers(struct json *j, const struct show *s,
		     const struct facts *f);
void put_packets(struct json *j, const struct show *s, const struct stats *n);
void put_settings(struct json *j, const struct settings_view *s,
		  const struct view *v);

/* The names of directives that are marked. */
void put_rows(struct json *j, const char *key, const bool row[CONF_ROWS]);

/* From now; at least 1. */
static inline uint64_t until(uint64_t t, uint64_t now)
{
	return t > now ? t - now : 1;
}

#endif
