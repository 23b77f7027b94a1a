/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * teredo-mire: a Teredo client and its server in one, that does nothing but
 * answer pings, and remembers nobody. It is known by the address
 * TA(own address, any flags, service port, own address).
 *
 *	bubble to port 3544 (the server)    a bubble, from the service port
 *	echo request to the service port    its answer
 *
 * It is no reflector: an answer goes to who has sent, is no longer than what it
 * answers, and is nothing that another one would answer. Miredo 1.2.6's also
 * sends ICMPv6 errors about other packets, which are twice as long; this one
 * does not.
 */
#ifndef CORE_MIRE_H
#define CORE_MIRE_H

#include "outbox.h"

/* Doors: DOOR_PRIMARY is port 3544, DOOR_SERVICE the service port. */
struct mire {
	const struct gate *gate;
	uint16_t port; /* of the service */
};

enum {
	MIRE_PORT = 3545
};

/* REASON_BUBBLE or REASON_ECHO if it is answered, or why it is not. */
enum reason mire_input(const struct mire *m, const struct datagram *d,
		       struct outbox *out);

#endif
