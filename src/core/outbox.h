/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine wants done, as plain values.
 *
 * A machine never sends: it writes actions here, and the shell carries them
 * out in order. An action is a few bytes made by the machine (head, in the
 * outbox's own memory) followed by bytes of the packet that is being handled
 * (body, where it was received; the shell must not reuse that buffer before it
 * has run the outbox). outbox_udp() is the one send gate: it refuses what
 * gate.h refuses.
 *
 * A packet that is handed to a machine makes it add at most OUT_PER_CALL
 * actions and OUT_PER_CALL * OUT_HEAD bytes, so the shell calls as long as
 * outbox_has_room(). When time has passed, machines look at that themselves.
 */
#ifndef CORE_OUTBOX_H
#define CORE_OUTBOX_H

#include "gate.h"
#include "super.h"

enum {
	OUT_MAX = 512,     /* actions */
	OUT_PER_CALL = 14, /* 8 released packets, and bubbles and tests */
	OUT_HEAD = 1536,   /* the longest head: a released packet */
	OUT_BYTES = 4 * OUT_PER_CALL * OUT_HEAD,
};

/* Which socket of ours a datagram came to or leaves from. */
enum door {
	DOOR_PRIMARY,   /* server, first address, port 3544 */
	DOOR_SECONDARY, /* server, second address */
	DOOR_SERVICE,   /* service port of a relay or client */
	DOOR_PROBE,     /* client: secondary port of §5.2.7 */
	DOOR_DISCOVERY, /* client: port 3544 of the group of §5.2.8 */
	DOORS,
	DOOR_RANDOM = DOORS, /* client: the first of RANDOM_DOORS, randport.h */
};

enum {
	RANDOM_DOORS = 64 /* X50 */
};

enum out_kind {
	OUT_UDP,   /* datagram to `to`, from `door` */
	OUT_IP6,   /* packet for the IPv6 side of this host */
	OUT_GROUP, /* to 224.0.0.253:3544 on all links of local discovery, TTL 1
		    */
};

struct out {
	enum out_kind kind;
	enum door door;
	struct tuple to;
	const uint8_t *head, *body;
	uint16_t head_len, body_len;
	const struct super *super; /* send its segments; else NULL. The
				      caller's, like the body */
};

/* A datagram as received. */
struct datagram {
	enum door door;
	struct tuple from;
	uint8_t ecn; /* of the outer header, 0..3 */
	const uint8_t *data;
	uint16_t len;
};

struct outbox {
	const struct gate *gate;
	bool at_once; /* run it before anybody else calls the machine: held
			 packets are in here, and later ones of the same flow
			 must not overtake them; or what is not to be shared */
	unsigned n;
	unsigned used;
	struct out v[OUT_MAX];
	uint8_t bytes[OUT_BYTES];
};

void outbox_init(struct outbox *o, const struct gate *gate);

static inline void outbox_clear(struct outbox *o)
{
	o->n = 0;
	o->used = 0;
	o->at_once = false;
}

static inline bool outbox_has_room(const struct outbox *o)
{
	return o->n + OUT_PER_CALL <= OUT_MAX &&
	       o->used + OUT_PER_CALL * OUT_HEAD <= OUT_BYTES;
}

/*
 * Memory for the head of the next action, at least OUT_HEAD bytes, valid until
 * the outbox is cleared. Taken only when an action is added with it.
 */
uint8_t *outbox_head(struct outbox *o);

/*
 * Send head (written by way of outbox_head()) and body to a tuple. REASON_NONE,
 * or why the gate refuses; then nothing is added.
 */
enum reason outbox_udp(struct outbox *o, enum door door, struct tuple to,
		       size_t head_len, const void *body, size_t body_len);

/* The segments of a super-packet to a tuple. */
enum reason outbox_super(struct outbox *o, enum door door, struct tuple to,
			 const struct super *s);

/* The same two to a neighbour, by gate_neighbour() (C49). */
enum reason outbox_neighbour(struct outbox *o, enum door door, struct tuple to,
			     size_t head_len, const void *body,
			     size_t body_len);
enum reason outbox_neighbour_super(struct outbox *o, enum door door,
				   struct tuple to, const struct super *s);

/*
 * A super-packet, or one packet, by a lease (lease.h): to a tuple that passed
 * the gate when the core granted it, and the gate has not changed since.
 */
void outbox_leased(struct outbox *o, enum door door, struct tuple to,
		   const struct super *s);

/* To the local discovery group, from the service port (4380 §5.2.8). */
void outbox_group(struct outbox *o, size_t head_len);

/* Hand head and body to the IPv6 side. */
void outbox_ip6(struct outbox *o, size_t head_len, const void *body,
		size_t body_len);

#endif
