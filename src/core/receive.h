/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CORE_RECEIVE_H
#define CORE_RECEIVE_H

#include "client.h"

/*
 * A datagram on the service port that is no advertisement to a link-local
 * address: how it ended. t: its trailers.
 */
enum reason receive_service(struct client *c, const struct frame *f,
			    const struct trailers *t, const struct datagram *d,
			    uint64_t now, struct outbox *out);

#endif
