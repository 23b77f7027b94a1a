/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Internet checksum (1071) with the pseudo-header of IPv6 (8200 §8.1).
 */
#ifndef CORE_CSUM_H
#define CORE_CSUM_H

#include "wire.h"

/*
 * Checksum of the payload of ip, taken as the upper-layer packet `next` of
 * payload length ip->plen. 0 if the packet holds a right checksum; what to put
 * into the checksum field if that is zero.
 */
uint16_t csum_ip6(const struct wire_ip6 *ip, uint8_t next);

#endif
