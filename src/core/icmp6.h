/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMPv6 errors (4443): when one may be sent, and its bytes.
 */
#ifndef CORE_ICMP6_H
#define CORE_ICMP6_H

#include "addr.h"

/* May an error be sent about this packet (4443 §2.4 e, R25)? */
bool icmp6_may_complain(const struct wire_ip6 *ip, uint8_t type);

/*
 * Write the error about the packet ip of len bytes to p, which has room for
 * TEREDO_MTU bytes; its length. mtu is 0 but for Packet Too Big.
 */
size_t icmp6_error(uint8_t *p, uint8_t type, uint8_t code, uint32_t mtu,
		   const struct ip6 *source, const struct wire_ip6 *ip,
		   size_t len);

#endif
