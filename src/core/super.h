/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Super-packets: many packets of one flow in one, as a tun device with
 * IFF_VNET_HDR hands them out (TUN_F_TSO6, TUN_F_USO6). Each packet stands
 * behind a virtio-net header (virtio 1.2 §5.1.6), which says what the kernel
 * has left to be done: a checksum, of which the field holds the sum of the
 * pseudo-header; the cut into segments.
 *
 * The payload stays where it is. What is made are heads: all headers of a
 * segment, from the IPv6 header on, with lengths, sequence number, flags and
 * checksum of that segment. Segments are as the kernel's own tcp_gso_segment()
 * makes them.
 *
 * The header comes from the kernel, yet it is checked like a stranger's: a
 * wrong offset would make us write outside of the packet.
 */
#ifndef CORE_SUPER_H
#define CORE_SUPER_H

#include "wire.h"

enum {
	VNET_LEN = 10,

	VNET_NEEDS_CSUM = 1, /* flags */

	VNET_NONE = 0, /* gso_type */
	VNET_TCP6 = 4,
	VNET_UDP = 5,
	VNET_ECN = 0x80, /* with VNET_TCP6: CWR is set */

	SUPER_HEAD = 256, /* the longest head */
};

/* The virtio-net header; numbers are in the order of this machine. */
struct vnet {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len; /* a hint only, unused */
	uint16_t gso_size;
	uint16_t csum_start;  /* offset in the packet */
	uint16_t csum_offset; /* of the field, from there */
};
static_assert(sizeof(struct vnet) == VNET_LEN, "virtio-net header");

enum super_kind {
	SUPER_NONE, /* one packet: one segment without a head */
	SUPER_TCP,
	SUPER_UDP,
};

struct super {
	const uint8_t *p; /* from the IPv6 header on */
	uint32_t len;
	enum super_kind kind;
	uint16_t l4;       /* where the TCP or UDP header begins */
	uint16_t head_len; /* all headers; 0 for one packet */
	uint16_t seg;      /* payload of each segment but the last */
	uint64_t pseudo;   /* sum of the pseudo-header, without the length */
};

/*
 * Parse n bytes, the virtio-net header first. What is one packet is made whole
 * in place, so that it may go where any packet goes; nothing else about it was
 * checked. REASON_NONE, or REASON_TRUNCATED or REASON_BAD_OFFLOAD.
 */
enum reason super_parse(struct super *s, uint8_t *p, size_t n);

/* Number of segments, at least 1. */
unsigned super_count(const struct super *s);

/* Length of the longest of them. */
static inline uint32_t super_longest(const struct super *s)
{
	return s->kind == SUPER_NONE ? s->len : (uint32_t)s->head_len + s->seg;
}

/* The payload of segment i; the whole packet if it is one. */
const uint8_t *super_payload(const struct super *s, unsigned i, size_t *len);

/*
 * Write the heads of n segments from number i on, one behind the other, each
 * head_len bytes. Reads each byte of payload once, for the checksum.
 */
void super_heads(const struct super *s, unsigned i, unsigned n, uint8_t *heads);

/* Write segment i, head and payload: its length. */
size_t super_segment(const struct super *s, unsigned i, uint8_t *packet);

#endif
