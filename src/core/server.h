/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Teredo server (4380 §5.3): answers solicitations with the address and
 * port it saw them come from, and passes bubbles and echo packets on to
 * clients and echo requests of clients into the native Internet. It keeps
 * nothing about clients (S2): each output follows from the packet in hand and
 * the configuration. All memory are token buckets, fixed in number.
 *
 * Answers go to whom the outer source names, so a liar can have them sent to
 * others. They are rationed per address, and per /24, as a link is filled as
 * well by answers to all of its neighbours. What is passed on is not rationed:
 * it is one datagram for one of nearly its size, and a ration by target would
 * let anybody cut clients off for the price of a few bubbles.
 */
#ifndef CORE_SERVER_H
#define CORE_SERVER_H

#include "auth.h"
#include "hash.h"
#include "ledger.h"
#include "outbox.h"
#include "ratelim.h"

enum {
	SERVER_ADDRESSES = 65536, /* buckets for IPv4 addresses */
	SERVER_NETWORKS = 16384,  /* and for their /24 */
};

struct server_conf {
	uint32_t primary, secondary; /* host order */
	uint16_t mtu;                /* advertised, 1280 */
	bool own_clients_only;       /* A44: pass to no other server's client */
	bool strict_ports;           /* no leniency to symmetric NATs (A13) */
	bool require_secret;         /* S7 */
	unsigned n_secrets;
	const struct secret *secrets; /* in order; owned by the caller */
	struct rate per_address;      /* answers to one IPv4 address (Z4) */
	struct rate per_network;      /* and to its /24 */
};

struct server {
	struct server_conf conf;
	const struct gate *gate;
	struct ledger *ledger;
	struct ip6 link_local; /* source of advertisements (S25) */
	struct wire_ra ra;     /* what does not change from one to the next */
	struct hash_key key;
	struct bucket addresses[SERVER_ADDRESSES];
	struct bucket networks[SERVER_NETWORKS];
};

void server_init(struct server *s, const struct server_conf *conf,
		 const struct gate *gate, struct ledger *ledger,
		 const struct hash_key *key);

/* Go on with these rates, rules and secrets; addresses stay. */
void server_reconfigure(struct server *s, const struct server_conf *conf);

/* A datagram from the IPv4 side: how it ended. */
enum reason server_input(struct server *s, const struct datagram *d,
			 uint64_t now, struct outbox *out);

#endif
