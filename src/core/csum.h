/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Internet checksum (1071) with the pseudo-header of IPv6 (8200 §8.1).
 *
 * A sum is kept in 64 bits, as the machine reads the bytes: 1071 §2 (B) shows
 * that the order of bytes comes right by itself when the result is written the
 * way the words were read. csum_fold() turns it into a number. Any 64 bits are
 * a sum, and adding to it never overflows.
 */
#ifndef CORE_CSUM_H
#define CORE_CSUM_H

#include "wire.h"

/*
 * Add n bytes. They count as if they began at an even offset and a zero byte
 * made an odd number even; so only the last piece of a whole may be odd. What
 * begins at an odd offset is summed by itself, from 0, and added by
 * csum_join_odd().
 */
uint64_t csum_add(uint64_t sum, const void *bytes, size_t n);

/* Add the sum of a piece that begins at an odd offset. */
uint64_t csum_join_odd(uint64_t sum, uint64_t piece);

/* Add a number, as if it stood in the packet. */
uint64_t csum_add16(uint64_t sum, uint16_t v);

/* Add the pseudo-header of an upper-layer packet of len bytes. */
uint64_t csum_pseudo(uint64_t sum, const struct wire_ip6 *ip, uint16_t len,
		     uint8_t next);

/*
 * In 16 bits, not yet complemented. Is 0 only if nothing but zeros was added:
 * never with a pseudo-header.
 */
uint16_t csum_fold(uint64_t sum);

/*
 * Checksum of the payload of ip, taken as the upper-layer packet `next` of
 * payload length ip->plen. 0 if the packet holds a right checksum; what to put
 * into the checksum field if that is zero.
 */
uint16_t csum_ip6(const struct wire_ip6 *ip, uint8_t next);

#endif
