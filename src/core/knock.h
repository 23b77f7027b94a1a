/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does this host let in who comes through the tunnel? A Teredo address is
 * public, whatever NAT its host is behind (RFC 6169 §2.1), and many a host
 * relies on that NAT. We hold the other end of its interface, so we can knock
 * as a stranger would, and nothing of it leaves this host.
 *
 * Who knocks has an address that is ours by construction and nobody's: that of
 * the client, but for the random flags. The host routes its answers back to us,
 * DefaultRoute or not. Answers that we do not wait for (any more) go where all
 * goes that is for our own mapping: nowhere, by gate_target().
 *
 *	TCP SYN to a port where nobody is   reset, or accepted: let in
 *	ICMPv6 echo request                 answered: let in
 *	either                              ICMPv6 error, or silence: not
 *
 * UDP would tell nothing: to a port without a listener a kernel and a firewall
 * that rejects answer with the same error. For the same reason a firewall that
 * rejects with a TCP reset looks open here, as it wants to.
 *
 * The first time there are two tries, 2 s apart. Later, every 10 minutes, it
 * happens when the client is awake anyway, and silence is judged when it is
 * awake again: an idle host does not wake up for it. Silence that says what is
 * known already is believed at once.
 *
 * Answers come from our own kernel only, so a stranger can neither forge one
 * nor cause a test.
 */
#ifndef CORE_KNOCK_H
#define CORE_KNOCK_H

#include "addr.h"

enum inbound {
	INBOUND_UNKNOWN,
	INBOUND_OPEN,     /* anybody reaches any port */
	INBOUND_ECHO,     /* pings are let in */
	INBOUND_FILTERED, /* nothing is, unless it was told to */
};

enum knock_answer {
	KNOCK_SILENCE,
	KNOCK_LET_IN,
	KNOCK_REFUSED,
};

/* Times in ns. */
struct knock {
	enum inbound inbound; /* as it was found last */
	uint64_t tested;      /* then */
	bool is_ready;        /* the host has the address */
	bool is_on;           /* answers are waited for */
	bool is_patient;      /* until somebody else wakes us up */
	unsigned tries;
	uint64_t due; /* of the next try, or the end */
	enum knock_answer tcp, echo;
	struct ip6 stranger;
	uint16_t from, to; /* ports */
	uint32_t seq;      /* of the SYN */
	uint32_t echo_id;  /* identifier and sequence number */
};

struct client;
struct outbox;

/* "unknown", "open", "echo", "filtered" */
const char *inbound_name(enum inbound i);

/*
 * Our host was told of the address that client_status tells. It takes a moment
 * until it answers there, so that is waited for.
 */
void knock_ready(struct client *c, uint64_t now);

/* There is no address, or another, which the host does not have yet. */
void knock_stop(struct client *c);

/* Somebody wants to know, now. */
void knock_again(struct client *c, uint64_t now);

/* May a packet of our host to this address be an answer? */
static inline bool knock_awaits(const struct knock *k, const struct ip6 *dst)
{
	return k->is_on && ip6_equal(&k->stranger, dst);
}

/* Take an answer, of an address of ours; false if it is none. */
bool knock_input(struct client *c, const struct wire_ip6 *ip, uint64_t now,
		 struct outbox *out);

void knock_timeout(struct client *c, uint64_t now, struct outbox *out);
uint64_t knock_next(const struct client *c);

#endif
