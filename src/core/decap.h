/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inner packet of a datagram goes to the IPv6 side. */
#ifndef CORE_DECAP_H
#define CORE_DECAP_H

#include "outbox.h"

/*
 * Hand over the packet without what lies around it (R26, X6), and with what the
 * outer header tells about congestion (6040 §4.2, A39): REASON_TO_IPV6, or
 * REASON_ECN for a packet whose sender would not see the mark.
 */
enum reason decapsulate(const struct frame *f, uint8_t outer_ecn,
			struct outbox *out);

#endif
