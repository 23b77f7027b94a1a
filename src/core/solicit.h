/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two messages of qualification (4380 §5.1.1, §5.2.1): what a client asks a
 * server, and what it must find in the answer.
 */
#ifndef CORE_SOLICIT_H
#define CORE_SOLICIT_H

#include "addr.h"
#include "auth.h"

/*
 * Write an authentication block with this nonce and a Router Solicitation from
 * src (C8, C9), signed if s is not NULL; its length.
 */
size_t solicit_put(uint8_t *p, const struct ip6 *src, const struct secret *s,
		   const uint8_t nonce[AUTH_NONCE_LEN]);

/* Is it an ICMPv6 Router Advertisement to a link-local address? */
bool frame_is_advertisement(const struct frame *f);

/* What an advertisement offers: PREFIX:SERVER::/64. Host order. */
struct offer {
	uint32_t prefix, server;
};

/*
 * C14, 4861 §6.1.2: is it one in all parts, with one prefix? Whether that is
 * the right one, and where it comes from, is for others to say.
 */
bool advertisement_read(const struct frame *f, struct offer *offer);

#endif
