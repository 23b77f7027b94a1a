/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many packets at once. Of a train of datagrams, most are plain packets of one
 * flow: of TCP or UDP, with nothing around them, from one sender to one
 * receiver. What was decided about one of them at this moment goes for the
 * next ones, and need not be decided again.
 */
#ifndef CORE_TRAIN_H
#define CORE_TRAIN_H

#include "outbox.h"

/* Datagrams of one sender, of one length each, but the last may be shorter. */
struct train {
	struct datagram all;
	uint16_t segment; /* length of each */
	uint16_t count;   /* how many there are, at least 1 */
	uint16_t taken;   /* by train_next() */
	/* The last plain packet that was handed to the IPv6 side; or NULL. */
	const struct wire_ip6 *model;
};

/* Fill in what is behind `all`. segment: 0 = it is one datagram. */
void train_begin(struct train *t, uint16_t segment);

/* The next datagram; false if there is none left. */
bool train_next(struct train *t, struct datagram *d);

static inline bool train_ended(const struct train *t)
{
	return t->taken == t->count;
}

/*
 * Is it a whole packet of TCP or UDP, without extension headers, and with
 * nothing before or behind it? Then this is it, else NULL.
 */
const struct wire_ip6 *train_plain(const struct datagram *d);

/* Two of these: do they differ in nothing that is decided by? */
static inline bool train_alike(const struct wire_ip6 *a,
			       const struct wire_ip6 *b)
{
	return a->next == b->next && be32(a->vcf) == be32(b->vcf) &&
	       ip6_equal(&a->src, &b->src) && ip6_equal(&a->dst, &b->dst);
}

#endif
