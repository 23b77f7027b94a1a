/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is there a way to the native Internet? A client may be qualified, and reach
 * other clients, while no relay answers for native hosts. So it tests one such
 * host now and then, if it is told one, by the connectivity test that each
 * native peer gets (4380 §5.2.9); the answer comes by way of a relay.
 */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#include "wire.h"

enum probe_state {
	PROBE_UNTRIED,
	PROBE_ASKING, /* for the first time, or after a failure */
	PROBE_OK,
	PROBE_FAILED,
};

/* Times in ns, 0 = never. */
struct probe {
	enum probe_state state;
	unsigned tries;
	struct tuple relay; /* that answered last */
	uint64_t rtt;       /* of that answer */
	uint64_t heard;
	uint64_t due; /* 0 = nothing is */
};

struct client;
struct recent_peer;
struct outbox;

/* "untried", "asking", "ok", "failed" */
const char *probe_state_name(enum probe_state s);

/* There is an address; or there is none, or another. */
void probe_start(struct client *c, uint64_t now);
void probe_stop(struct client *c);

/* A connectivity test was answered by way of this relay. */
void probe_answered(struct client *c, const struct recent_peer *e,
		    struct tuple relay, uint64_t now);

void probe_timeout(struct client *c, uint64_t now, struct outbox *out);
uint64_t probe_next(const struct client *c);

#endif
