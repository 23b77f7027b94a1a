/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the audit: the rules of a client, and the book that is kept about it.
 */
#ifndef SIM_AUDIT_CLIENT_H
#define SIM_AUDIT_CLIENT_H

#include "audit.h"
#include "pkt.h"

/* Is the client of this node at work (and not its relay)? */
bool audit_is_client(const struct audit *a);

void client_book_free(struct audit *a);

/* A step begins. */
void client_look(struct audit *a);

/* What the node was told about server i. */
void client_note_server(struct audit *a, unsigned server, uint32_t primary,
			uint32_t secondary);

/* A datagram was taken, and how; before its outputs are checked. */
void client_note_input(struct audit *a, const struct datagram *d,
		       const struct view *v, uint64_t now);

/*
 * One output. in: what came in, or NULL; d: its datagram, NULL if it came from
 * the tunnel.
 */
void client_check_out(struct audit *a, const struct out *o,
		      const struct view *in, const struct datagram *d,
		      uint64_t now);

/* The number of outputs, and the state after a step. */
void client_check_step(struct audit *a, const struct outbox *out, unsigned from,
		       const struct view *in, const struct datagram *d,
		       uint64_t now);

void client_walk(const struct audit *a);

/* Part of audit_save() and its like. */
size_t client_book_save(const struct audit *a, uint8_t *to);
size_t client_book_load(struct audit *a, const uint8_t *from);
uint64_t client_book_digest(const struct audit *a);

#endif
