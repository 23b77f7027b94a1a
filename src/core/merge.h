/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of one flow that come one after the other go to the tun device as
 * one super-packet: the inverse of super.h. The kernel passes it through its
 * stack once, and cuts it again where it must.
 *
 * The rules are those of the kernel's own receive offload, and strict where it
 * is not: a train, cut by the book, gives the packets it is made of, byte for
 * byte, and within a flow (addresses, next header, ports) the order stays. So
 * what is not exactly the next of its flow closes the flow's train. Checksums
 * are verified here, as the kernel will make new ones; a packet with a wrong
 * one goes alone, for the kernel to see and drop.
 *
 * Trains come in the order of their first packets. Each is written as vnet,
 * head, and what merge_pieces() says of each packet behind head_len; with a
 * train of one packet that is the packet as it is.
 */
#ifndef CORE_MERGE_H
#define CORE_MERGE_H

#include "super.h"

struct out;

enum {
	MERGE_MAX = 512,     /* packets in a batch */
	MERGE_FLOWS = 16,    /* trains that are open at a time */
	MERGE_SEGMENTS = 64, /* packets in a train; kernels take no more of UDP
			      */
	MERGE_HEAD = IP6_LEN + TCP_LEN_MAX,
	MERGE_END = 0xffff, /* no packet, no train */

	MERGE_TCP = 1, /* what the device allows */
	MERGE_ECN = 2, /* TCP with CWR */
	MERGE_UDP = 4,
};

struct merge_train {
	uint16_t first, last; /* packets; the chain is in merge.next */
	uint16_t n;
	uint16_t seg;
	uint16_t head_len; /* 0 for one packet */
	uint32_t payload;  /* of all packets, unless it is one */
	enum super_kind kind;
	struct vnet vnet;
	uint8_t head[MERGE_HEAD];
};

struct merge_flow {
	uint16_t train; /* MERGE_END if free */
	bool verified;  /* the checksum of the train's first packet */
};

struct merge {
	unsigned n; /* trains */
	unsigned bad_csum;
	struct merge_train trains[MERGE_MAX];
	uint16_t next[MERGE_MAX]; /* in its train; MERGE_END */

	const struct out *const *packets;
	unsigned allow;
	struct merge_flow *hot; /* the flow of the last packet */
	struct merge_flow flows[MERGE_FLOWS];
	uint8_t gathered[MERGE_HEAD]; /* headers that lay in two pieces */
};

/* A part of a packet. */
struct merge_piece {
	const uint8_t *p;
	size_t n;
};

/* Make trains of up to MERGE_MAX packets. */
void merge_packets(struct merge *m, const struct out *const *packets,
		   unsigned n, unsigned allow);

/* The bytes of a packet behind the first `skip`, in two pieces or less. */
unsigned merge_pieces(const struct out *o, size_t skip,
		      struct merge_piece pieces[2]);

#endif
