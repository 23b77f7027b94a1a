/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of peers; rates come from two lists and the time between them. */
#ifndef CTL_PEERS_H
#define CTL_PEERS_H

#include "ask.h"
#include "page.h"

struct peer {
	const char *address, *at, *path, *proof; /* of the JSON object */
	double heard, sent;                      /* ages, -1 = never */
	double in, out;                          /* bytes, from and to it */
	double rate_in, rate_out;                /* a second */
};

struct peer_list {
	struct peer *v;
	size_t n;
	double total; /* of the daemon; more than n if not all are shown */
	bool has_rates;
};

double peer_rate(const struct peer *x);

/* Of an answer to `peers`, which must stay. False: no memory. */
bool peers_read(struct peer_list *l, const json_t *answer);
void peers_free(struct peer_list *l);

/* What has changed since, by second. */
void peers_rate(struct peer_list *now, struct peer_list *before,
		double seconds);

/* "rate", "age" or "address". */
void peers_sort(struct peer_list *l, const char *by);

/* A head and up to `most` rows. */
void peers_show(struct page *p, const struct peer_list *l, size_t most);

/* An answer, and its list, taken at that second. */
struct sample {
	struct answer answer;
	struct peer_list list;
	double at;
};

/* CTL_GOOD, or why there is none has been said. */
int sample_take(const struct ctl *c, struct sample *s);
void sample_drop(struct sample *s);
void sample_rate(struct sample *s, struct sample *before);

/* The live table, until q; src/ctl/watch.c. */
int peers_watch(const struct ctl *c);

#endif
