/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the parts of netcheck: see netcheck.h. */
#ifndef CORE_NETCHECK_NAT_H
#define CORE_NETCHECK_NAT_H

#include "netcheck.h"

/* Begin to ask; the caller has netcheck_ask_timeout() called. */
void netcheck_ask_start(struct netcheck_ask *a, enum door door, uint32_t ip,
			uint32_t server, unsigned wanted, uint64_t due);
void netcheck_ask_timeout(struct netcheck *n, struct netcheck_ask *a,
			  uint64_t now, struct outbox *out);

/* Filtering, hairpin, other ports and relay. A bubble or an echo packet: is it
 * one that belongs to us? */
bool netcheck_nat_input(struct netcheck *n, const struct datagram *d,
			const struct frame *f, uint64_t now,
			struct outbox *out);

/* True if nothing more will come of it. */
bool netcheck_nat_timeout(struct netcheck *n, uint64_t now, struct outbox *out);
uint64_t netcheck_nat_next(const struct netcheck *n);

/* Send a probe once more? Not if it was answered, or sent `most` times. */
bool netcheck_probe_due(struct netcheck_probe *p, unsigned most, uint64_t wait,
			uint64_t now);

/* The same for the relay; true as above. */
bool netcheck_relay_input(struct netcheck *n, const struct datagram *d,
			  const struct frame *f, uint64_t now,
			  struct outbox *out);
bool netcheck_relay_timeout(struct netcheck *n, uint64_t now,
			    struct outbox *out);

/* Median round trip to an address, 0 = no answer. */
uint64_t netcheck_rtt(const struct netcheck_ask *a);

/* The best server of those known so far, or -1. */
int netcheck_best(const struct netcheck *n);

/* Where we are, if two servers say the same: a NAT that maps by destination
 * does not make them. Else port 0. */
struct tuple netcheck_agreed(const struct netcheck *n);

/* Is there a NAT between us and what was seen? */
bool netcheck_is_translated(const struct netcheck *n);

#endif
