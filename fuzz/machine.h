/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a script of packets, time steps and changes of the host against a node,
 * with the checks of tests/sim/audit.h after every step. The first bytes choose
 * the configuration; then come operations. What all nodes have in common is in
 * machine.c; who and where their peers are, in server_machine.c and
 * client_machine.c.
 */
#ifndef FUZZ_MACHINE_H
#define FUZZ_MACHINE_H

#include "audit.h"
#include "fuzz.h"
#include "pkt.h"
#include "twin.h"

struct machine {
	const struct machine_kind *kind;
	struct script s;
	uint8_t how[3]; /* the first bytes */
	struct node node;
	struct outbox out;
	struct audit audit;
	struct node_conf conf;
	uint64_t now;
	void *mem;
	uint8_t last[PKT_MAX]; /* datagram, for bending */
	size_t last_len;
	struct datagram last_head;
	struct twin *twin;
	bool is_train; /* what is given now */
};

typedef void machine_op(struct machine *m);

struct machine_kind {
	bool is_server, is_relay;
	machine_op *const *ops;
	unsigned n_ops;
	const uint32_t *steps; /* 16 of time, ms */
	unsigned conf_bytes;
	machine_op *configure; /* fills conf */
	machine_op *begin; /* the node is there: its host, and first events */
	void (*sent)(const struct out *o); /* or NULL */
	/* For packets of the IPv6 side; for datagrams, which are from there. */
	void (*outward)(struct machine *m, uint8_t how, struct ip6 *src,
			struct ip6 *dst);
	struct datagram (*inward)(struct machine *m, uint8_t how,
				  struct ip6 *src, struct ip6 *dst);
	void (*other)(struct machine *m, uint8_t how, struct ip6 *src);
	struct tuple (*origin)(struct machine *m);
};

extern const struct machine_kind server_machine, relay_machine, node_machine,
	client_machine;

void machine_run(const struct machine_kind *kind, const uint8_t *data,
		 size_t size);

/* What the operations of all kinds are made of. Each packet lies in memory of
 * its own, to the byte: what is read beyond its end is found. */
void give_ip4(struct machine *m, struct datagram d, const uint8_t *p, size_t n);
void give_ip6(struct machine *m, const uint8_t *p, size_t n);
void carry_out(struct machine *m);

/* Bytes of the script; at p there is room for PKT_MAX, as everywhere here. */
size_t raw(struct machine *m, uint8_t *p);

/* How a packet is bent: a byte of how says what, more bytes say where. */
size_t bend(struct machine *m, uint8_t *p, size_t n, uint8_t how);

size_t some_packet(struct machine *m, uint8_t *p, uint8_t kind,
		   const struct ip6 *src, const struct ip6 *dst);

/* One of 32 clients, each with flags or without; or one of eight odd ones. */
struct teredo some_client(struct machine *m, const struct teredo odd[static 8],
			  uint16_t flags);

machine_op op_raw_ip6, op_again, op_time;

#endif
