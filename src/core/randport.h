/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random ports (6081 §5.4, §5.5): how a client behind a symmetric NAT meets
 * peers whose filter looks at ports. Such a NAT gives each destination another
 * outside port. So a peer gets a port of its own, from which nothing was sent
 * yet, and is told by way of its server from where it will hear:
 *
 *	PRESERVED   the NAT gives a new port's first destination the same
 *	            number outside (PP)
 *	PREDICTED   the NAT counts: an echo test asks both addresses of the
 *	            server, and sends to the peer in between (SP)
 *
 * A port is for one peer. As long as nothing was sent from it, it is fresh;
 * then the NAT has bound it to one destination, and it is of no use for another
 * (A66). Who proves itself by the service port needs none: it is closed.
 *
 *	shut -- wanted --> opened by the shell, spare -- taken --> of a peer
 *	 ^                                                             |
 *	 +---- closed by the shell <---- not wanted <---- left --------+
 *
 * Ports are doors from DOOR_RANDOM on. The shell keeps open what `wants` says,
 * and tells what it did by client_door(). A few spare ones are there before
 * they are needed, and none as long as the NAT does not need any: so a packet
 * of our host does not wait for a socket.
 *
 * No more than half of the table is for who asks us; strangers cannot use up
 * what our own host needs (X50).
 */
#ifndef CORE_RANDPORT_H
#define CORE_RANDPORT_H

#include "auth.h"
#include "outbox.h"

enum {
	RANDPORT_SPARE = 4,
	RANDPORT_FOR_OTHERS = RANDOM_DOORS / 2,
	RANDPORT_NEAR = 32,      /* ports of one NAT that counts are not further
				    apart (A65) */
	RANDPORT_REFRESHES = 20, /* X48 */
	RANDPORT_GREETINGS = 4,  /* A68 */
};

enum randport_mode {
	RANDPORT_OFF,
	RANDPORT_PRESERVED,
	RANDPORT_PREDICTED,
};

/* Times in ns. */
struct randport {
	uint32_t peer;     /* index in the list of recent peers */
	uint16_t port;     /* local; 0 = shut */
	uint16_t outside;  /* as it is announced; 0 = it is not (A22) */
	bool taken;        /* of a peer */
	bool used;         /* the NAT has bound it */
	bool is_ours;      /* our host wanted the peer */
	bool is_stale;     /* the peer was asked there, in vain so far */
	uint8_t refreshes; /* X48 */
	uint8_t greetings; /* A68 */
	uint8_t tests;     /* EchoTestRetryCounter */
	uint16_t seen[2];  /* EchoTestLowerPort, EchoTestUpperPort */
	uint8_t nonce[2][AUTH_NONCE_LEN];
	uint64_t bubbled;    /* last bubble to the peer */
	uint64_t data;       /* last packet before that, X49 */
	uint64_t refresh_at; /* X48 */
	uint64_t test_ends;  /* the failover timer; UINT64_MAX = no test */
};

struct randports {
	uint64_t wants;    /* DOOR_RANDOM + i is bit i */
	uint64_t retry_at; /* the shell could not open one; 0 = it could */
	uint64_t next;     /* nothing is due before */
	bool scattered;    /* ports of this NAT are not near each other */
	unsigned n;        /* taken */
	unsigned for_others;
	struct randport v[RANDOM_DOORS];
};

struct client;
struct recent_peer;
struct frame;

void randport_init(struct client *c);

/* "off", "preserved", "predicted"; of what is none of these, too: "off" */
const char *randport_mode_name(enum randport_mode m);

/* What the NAT is like, and the configuration allows. */
enum randport_mode randport_mode(const struct client *c);

/* Do we, or the peer, need random ports to meet? */
bool randport_concerns(const struct client *c, const struct recent_peer *e);

/* The port of a peer; NULL = it has none. */
struct randport *randport_of(struct client *c, uint32_t i);
const struct randport *randport_seen(const struct client *c, uint32_t i);
enum door randport_door(const struct client *c, const struct randport *p);

/* Was this door opened for this peer? */
bool randport_is_for(const struct client *c, enum door door, uint32_t i);

/* The peer's port, and if it has none, a spare one: NULL if there is none, or
 * no need for any (X35, X50, X51). */
struct randport *randport_take(struct client *c, uint32_t i, uint64_t now);

/* The peer has no more use for its port. If it was heard there, it has to
 * prove itself anew. */
void randport_leave(struct client *c, uint32_t i);

/* Something was sent to the peer that is no packet of our host, now. */
void randport_bubbled(struct client *c, uint32_t i, uint64_t now);

/* An indirect bubble of a peer has announced this port, or none: 0 (X40-X42).
 */
void randport_announced(struct client *c, uint32_t i, uint16_t port,
			uint64_t now);

/*
 * A bubble has proven the peer to be somewhere else than before, at this door:
 * start over (X44, X47)? Otherwise it is believed.
 */
bool randport_restarts(struct client *c, uint32_t i, enum door door,
		       struct tuple from, uint64_t now);

/* It has proven itself at this door: packets to it leave from there (X43, X45,
 * X46). Was it not before? */
bool randport_prove(struct client *c, uint32_t i, enum door door, uint64_t now);

/* It was heard at its port, and may be answered there at once (A68). */
bool randport_greets(struct client *c, uint32_t i, uint64_t now);

/* An attempt begins. A port where the peer was heard once is tried once more;
 * then there has to be a fresh one. */
void randport_try(struct client *c, uint32_t i, uint64_t now);

/* Is the indirect bubble to wait for the end of an echo test? Start one if need
 * be (X51-X53). */
bool randport_test(struct client *c, uint32_t i, struct tuple to, uint64_t now,
		   struct outbox *out);

/* The time of one is over (X54). */
void randport_test_failed(struct client *c, struct randport *p, uint64_t now,
			  struct outbox *out);

/* An advertisement on a random port (X55, X60): how it ended. */
enum reason randport_advertised(struct client *c, const struct frame *f,
				const struct datagram *d, struct outbox *out);

/* The server sees us by another mapping, or the NAT is another. */
void randport_qualified(struct client *c);

/* Are two ports that a NAT gave one after the other near each other, and not
 * the same (A65)? */
bool randport_near(uint16_t a, uint16_t b);

/* Something is due then. */
void randport_due(struct client *c, uint64_t at);

/* Which ports the shell ought to open. */
void randport_refill(struct client *c);

void randport_timeout(struct client *c, uint64_t now, struct outbox *out);
uint64_t randport_next(const struct client *c);

#endif
