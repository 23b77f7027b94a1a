/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the client: how it finds the way to a peer, proves it, and keeps it.
 *
 *	nothing --- a packet for a native host ---> TEST: echo requests by way
 *	                                            of the server, every 2 s
 *	nothing --- a packet for another client --> BUBBLES, every 2 s, or LOCAL
 *	effort ---- four (LOCAL: two) in vain ----> nothing; the packets that
 *	                                            waited are answered
 *	any ------- proof ------------------------> trusted: packets leave at
 *	                                            once, to where it came from
 *	trusted --- silent for 30 s, and a packet
 *	            for it -----------------------> TEST, SOLICIT, BUBBLES or
 *	                                            LOCAL
 *
 * Proof is what only the peer can have: the nonce of our echo request or of our
 * bubble; or for a client, to send from the address inside its address.
 *
 * A native host that was trusted is asked by way of its last relay as well. If
 * it was only the path to that relay that had failed, this is the quickest to
 * find out; and it wakes up a relay that has given us up.
 *
 * A client that was trusted and knows RFC 6081 is asked directly (§5.7):
 * SOLICIT is BUBBLES, but the first three direct ones go to where it was,
 * and ask for an answer. The very first goes alone, so that its server has
 * nothing to do; but only if it is likely to arrive, for 2 s are lost if it
 * does not (A75). The others have an indirect one beside them, as §5.1 leaves
 * us free to do. Who meets by random ports has no use for it.
 */
#ifndef CORE_CONTACT_H
#define CORE_CONTACT_H

#include "client.h"

enum {
	PEER_VALID_S = 30, /* C41 */
	LOCAL_TRIES = 2,   /* which leaves two of the four of C57 */
	SOLICITATIONS = 3, /* X72 */
};

#define CONTACT_TEST_WAIT_NS (2 * NS_PER_S) /* C43 */

/* Is it trusted, and was it heard from within 30 s? */
bool contact_is_valid(const struct recent_peer *e, uint64_t now);

/* Do packets for it leave at once? */
bool contact_is_open(const struct recent_peer *e, uint64_t now);

/* The index of one of our addresses in c->own, or -1. */
int client_own(const struct client *c, const struct ip6 *a);

/* Find or make the (untrusted) entry of a peer; RECENT_NONE if there is no
 * room. */
uint32_t contact_of(struct client *c, unsigned own, const struct ip6 *a);

/* Strangers do not push it out from now on. */
void contact_want(struct client *c, uint32_t i);

/*
 * May IPv4 packets go where this Teredo address leads (C48, Z8, Z40)?
 */
enum reason contact_check_target(const struct client *c, const struct ip6 *a);

/* The same for any destination: a native one is always good. */
enum reason contact_check(const struct client *c, const struct ip6 *a);

/* Head and body to a peer that is valid: REASON_NONE, or why not. */
enum reason contact_send(const struct recent_peer *e, struct outbox *out,
			 size_t head_len, const void *body, size_t body_len);

/* All of a super-packet to it: false if it may not be. */
bool contact_send_super(const struct recent_peer *e, struct outbox *out,
			const struct super *s);

/* A packet for a peer whose way is not known: REASON_HELD, or how it ended. */
enum reason contact_reach(struct client *c, unsigned own, const uint8_t *p,
			  uint16_t len, uint64_t now, struct outbox *out);

/* A packet to a valid peer went out. Is it silent? */
void contact_sent(struct client *c, uint32_t i, uint64_t now,
		  struct outbox *out);

/* It has sent a packet of its own accord: silence was none. */
void contact_calm(struct recent_peer *e, uint64_t now);

/* It has proven to be at this tuple: trust it, send what is held. The same
 * without sending anything is contact_trust(). */
void contact_prove(struct client *c, uint32_t i, struct tuple from, bool is_lan,
		   uint64_t now, struct outbox *out);
void contact_trust(struct client *c, uint32_t i, struct tuple from, bool is_lan,
		   uint64_t now);

/* It is trusted, but has not sent the nonce by which it would trust us: until
 * then packets wait; and now they go. */
void contact_await(struct client *c, uint32_t i, uint64_t now);
void contact_go(struct client *c, uint32_t i, uint64_t now, struct outbox *out);

/*
 * A valid peer sends, and our host does not: let its relay, or itself, know
 * before 30 s that we are here (R5, C41). Else it would have to ask again by
 * way of the server, which may be gone.
 */
void contact_keep(struct client *c, uint32_t i, uint64_t now,
		  struct outbox *out);

/*
 * Test the way to a native host because it sent something (C37, Z6). It gets an
 * entry only if it may be tested.
 */
void contact_test_stranger(struct client *c, unsigned own, const struct ip6 *a,
			   uint64_t now, struct outbox *out);

/*
 * One attempt towards another client: a direct bubble, and one by way of its
 * server unless direct_only (C46, C36, X19); if the limits allow.
 */
void contact_attempt(struct client *c, uint32_t i, bool direct_only,
		     uint64_t now, struct outbox *out);

/*
 * Another client wants us to open the way (C36, X19). If the limits do not
 * allow it now, it is answered when they do. nd: ND_ADVERTISEMENT if it asks
 * for one, or ND_NONE.
 */
void contact_answer(struct client *c, uint32_t i, enum nd nd, uint64_t now,
		    struct outbox *out);

/*
 * Answer a solicitation (X73) that has just proven where its sender is. It does
 * not count as a bubble, but goes to a peer once a second at most (A29).
 */
void contact_advertise(struct client *c, uint32_t i, uint64_t now,
		       struct outbox *out);

/* Answer a neighbour's discovery bubble on the link (C76). */
void contact_answer_neighbour(struct client *c, uint32_t i, uint64_t now,
			      struct outbox *out);

/* Answer a relay's bubble, and its nonce, at the tuple it came from (C38). */
void contact_answer_relay(struct client *c, unsigned own, const struct ip6 *to,
			  struct tuple origin, uint32_t nonce, uint64_t now,
			  struct outbox *out);

/*
 * The link-local source of our last bubble to a peer, if it was such a one:
 * Miredo 1.2.6 knows no nonces, and behind a symmetric NAT it can prove itself
 * only by answering to an address that nobody else can know.
 */
void contact_cookie(const struct client *c, const struct recent_peer *e,
		    struct ip6 *a);

/*
 * There is no network: nothing is tried. What waits is answered at the next
 * contact_timeout(), as there may be more of it than a call may send.
 */
void contact_stop(struct client *c, uint64_t now);

/* Efforts that were put off until then are due now. */
void contact_go_on(struct client *c, uint64_t waited_until, uint64_t now);

/* Forget all peers of one of our addresses (C62); see contact_stop(). */
void contact_flush(struct client *c, unsigned own, uint64_t now);

/* Forget peers on the link whom discovery does not allow any more (C73, C77).
 */
void contact_leave_link(struct client *c, uint64_t now);

/* An ICMPv6 error to the own host, if one may be sent (C52). */
void contact_complain(struct client *c, uint8_t type, uint8_t code,
		      const void *packet, uint16_t len, uint64_t now,
		      struct outbox *out);

void contact_timeout(struct client *c, uint64_t now, struct outbox *out);

/* --- between contact.c, bubble.c and echo.c --- */

/* The next step of its effort, or of what is owed to it. */
void contact_set_due(struct client *c, struct recent_peer *e, uint64_t due);

/* When an attempt towards it may be made; UINT64_MAX = not for long (C57). */
uint64_t contact_attempt_allowed(const struct client *c,
				 const struct recent_peer *e, uint64_t now);

/* One attempt, whatever the limits say; and one on the link (C44). nd: what
 * its direct bubble says. */
void contact_send_attempt(struct client *c, struct recent_peer *e,
			  bool direct_only, enum nd nd, uint64_t now,
			  struct outbox *out);
void contact_send_local(struct client *c, struct recent_peer *e, uint64_t now,
			struct outbox *out);

/*
 * From a random port, or the service port (p NULL), a direct bubble to a peer;
 * its indirect one, at the end of an echo test; and one that keeps the way to a
 * peer at a random port open, whatever the limits say (X48, A52).
 */
void contact_send_bubble(struct client *c, struct recent_peer *e,
			 struct randport *p, struct tuple to,
			 struct outbox *out);
void contact_send_indirect(struct client *c, uint32_t i, struct outbox *out);
void contact_refresh(struct client *c, uint32_t i, uint64_t now,
		     struct outbox *out);

/*
 * It was heard at a random port for the first time: before it gets packets, it
 * has to hear its nonce from there (5.9 step 6, A68).
 */
void contact_greet(struct client *c, uint32_t i, uint64_t now,
		   struct outbox *out);

/* Where a peer hears our random port: at its own, or at the port of its address
 * (X39, A69). */
struct tuple contact_random_target(const struct recent_peer *e);

/* It has answered. */
void contact_clear_limits(struct client *c, const struct recent_peer *e);

/*
 * A connectivity test (C78): by way of the server, and if asked for, of the
 * last relay. Not more often than every two seconds.
 */
bool contact_may_test(const struct recent_peer *e, uint64_t now);
void contact_test(struct client *c, struct recent_peer *e, bool last_relay,
		  uint64_t now, struct outbox *out);

/* discovery.c: local client discovery (4380 §5.2.8). */
enum reason discovery_input(struct client *c, const struct frame *f,
			    struct tuple from, uint64_t now,
			    struct outbox *out);
void discovery_announce(struct client *c, struct outbox *out);
void discovery_timeout(struct client *c, uint64_t now, struct outbox *out);
/* May a client of this address be on the link (C73)? */
bool discovery_allows(const struct client *c, const struct ip6 *a);
bool discovery_knows(const struct client *c, const struct recent_peer *e,
		     uint64_t now);

/* EXT_* */
static inline bool client_has(const struct client *c, unsigned extension)
{
	return c->conf.extensions & extension;
}

/* X10: do bubbles carry nonces, and do these prove something? */
static inline bool client_has_nonces(const struct client *c)
{
	return client_has(c, EXT_SNS);
}

/* Is there an address? */
static inline bool client_has_address(const struct client *c)
{
	return c->own[c->cur].on;
}

/* status.c: at the end of whatever may have changed it; and without writing
 * that down for a client that goes on with our memory. */
void client_publish(struct client *c);
void client_show(struct client *c);

/* client.c: what the server's answer, or silence, means for the address. */
void client_event(struct client *c, enum qualify_event event, uint64_t now,
		  struct outbox *out);

/* client.c: is this a server of ours (Z40)? */
bool client_is_server(const struct client *c, struct tuple t);

/* client.c: nothing comes back, and it may be the mapping (C62). */
void client_suspect(struct client *c, uint64_t now, struct outbox *out);

#endif
