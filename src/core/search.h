/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the client: for how long the NAT keeps an idle mapping (4380 §5.2.7).
 * A second port is qualified and left idle for the candidate interval; if a
 * bubble then still reaches it, the client may wait as long between its
 * solicitations. The second port is used for nothing else and closed at the
 * end (C69).
 */
#ifndef CORE_SEARCH_H
#define CORE_SEARCH_H

#include "client.h"

void search_init(struct client *c, const struct qualify_conf *conf,
		 const struct rng *rng);

/* The service port is qualified; once for each mapping (C68). */
void search_start(struct client *c, uint64_t now, struct outbox *out);
void search_stop(struct client *c);

/* What was learned, or the configured interval; seconds. */
uint16_t search_interval_s(const struct client *c);
bool search_wants_door(const struct client *c);

void search_event(struct client *c, enum qualify_event event, uint64_t now);
enum reason search_input(struct client *c, const struct frame *f,
			 struct tuple from, uint64_t now, struct outbox *out);
void search_timeout(struct client *c, uint64_t now, struct outbox *out);
uint64_t search_next(const struct client *c);

#endif
