/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the client: quiet while nobody needs it (Qualify on-demand, A53).
 *
 *	awake ---- nothing was carried for
 *	           conf.idle_s --------------> dormant: the server is not asked,
 *	                                       nothing is announced, tested or
 *	                                       searched for; no timer is left
 *	dormant -- a packet that our host
 *	           wants sent, data of a peer
 *	           that it wanted, or we are
 *	           told to ------------------> awake: the server is asked, and
 *	                                       packets wait for what it says
 *
 * Address and routes stay, or no packet would come to wake it. Whether the NAT
 * has kept the mapping is seen when the server answers; what is another address
 * then, or none, is client.c's as ever. What comes while it is dormant, for the
 * NAT may have kept the mapping, is judged, delivered and answered as ever.
 *
 * Only our host can want us awake. Any stranger may send data that is
 * delivered, and make a host answer by itself: echo replies, errors and resets
 * count for nothing, and so does a peer to which our host has sent nothing but
 * these. So who wants to keep this client awake must get an answer of some
 * service.
 */
#ifndef CORE_DORMANT_H
#define CORE_DORMANT_H

#include "client.h"

/* Our host has sent this to the peer, or will when its way is found. */
void dormant_sent(struct client *c, struct recent_peer *e, const uint8_t *p,
		  uint16_t len, uint64_t now, struct outbox *out);

/* Something was carried that counts. */
void dormant_carried(struct client *c, enum client_waker who, uint64_t now,
		     struct outbox *out);

/* Ask the server now, if it is dormant. */
void dormant_wake(struct client *c, enum client_waker who, uint64_t now,
		  struct outbox *out);

/* It is dormant no more: another state takes its place. */
void dormant_end(struct client *c);

/* The way to the Internet is another: does that wait until it is awake? */
bool dormant_moves(struct client *c, struct tuple local);

/* Until when packets whose way is not known wait for the server; 0 = no more.
 */
static inline uint64_t dormant_waits(const struct client *c, uint64_t now)
{
	return now < c->dormancy.waits_until ? c->dormancy.waits_until : 0;
}

/* The server has said something, or nothing for a phase: they go on. */
void dormant_answered(struct client *c, uint64_t now);

void dormant_timeout(struct client *c, uint64_t now);
uint64_t dormant_next(const struct client *c);

#endif
