/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one process is: a server, a relay, both (4380 §5.4.3), a client, or
 * a client that is a host-specific relay while there is native IPv6 (§5.5). The
 * shell knows the core by this header; it passes in what it received, the time,
 * and carries out the outbox.
 *
 * A packet's way: the shell receives a batch; each packet goes through
 * node_from_ip4() or node_from_ip6() to server_input(), relay_from_*() or
 * client_from_*(), which parses, decides and writes actions; its end is counted
 * here; the shell sends the batch.
 */
#ifndef CORE_NODE_H
#define CORE_NODE_H

#include "client.h"
#include "lease.h"
#include "relay.h"
#include "server.h"

struct node_conf {
	/* Client and relay: role auto. Client and server: never. */
	bool is_server, is_relay, is_client;
	uint32_t prefix; /* TEREDO_PREFIX, unless configured otherwise */
	struct server_conf server;
	struct relay_conf relay;
	struct client_conf client;
};

/* Secret numbers, from the kernel's generator. */
struct node_seed {
	struct hash_key table, rng; /* of one life */
	struct hash_key log; /* of times of bubbles: also of the next one */
};

struct node {
	bool is_server, is_relay, is_client;
	bool is_native;   /* auto: the relay is at work, not the client */
	struct self self; /* kept up to date by the shell */
	struct gate gate; /* rules set by the shell before the first packet,
			     then by node_reconfigure() */
	struct stats stats;
	struct ledger ledger;
	uint32_t addresses; /* the shell counts up when it changes self or gate
			     */
	struct server server;
	struct relay relay;
	struct client
		client; /* the shell calls client_network() and the like */
};

/*
 * Bytes of memory besides struct node; aligned to 64, zeroed or to be
 * recovered. May be 0.
 */
size_t node_memory(const struct node_conf *conf);

/*
 * The slabs of peers in that memory, for who only looks: entries may change
 * while they are read, and those that are not in use say so: a peer that was
 * neither heard nor sent a bubble, a recent one without an address of ours.
 * NULL if there is no such role.
 */
const struct peer *node_peers(const struct node_conf *conf, const void *mem);
const struct recent_peer *node_recent(const struct node_conf *conf,
				      const void *mem);

void node_init(struct node *n, const struct node_conf *conf,
	       const struct node_seed *seed, void *mem);

/*
 * After node_init() with memory that a node of this configuration had before,
 * whatever became of that: go on with its peers, and with a client's address.
 * n->self is up to date.
 */
void node_recover(struct node *n, uint64_t now);

void node_from_ip4(struct node *n, const struct datagram *d, uint64_t now,
		   struct outbox *out);
/*
 * Datagrams of a train, as many as the outbox has room for; true if that was
 * all. What is decided is what node_from_ip4() would decide for
 * each.
 */
bool node_train_from_ip4(struct node *n, struct train *t, uint64_t now,
			 struct outbox *out);
/*
 * All segments of a super-packet at once; false if nothing was done, and they
 * are to be handed over one by one.
 */
bool node_super_from_ip6(struct node *n, const struct super *s, uint64_t now,
			 struct outbox *out);
/* Returns how it ended, which is counted already. */
enum reason node_from_ip6(struct node *n, const uint8_t *p, uint16_t len,
			  uint64_t now, struct outbox *out);

/*
 * A plain packet (train.h) went this way just now: may other ones with the same
 * addresses do so, too, without being asked about? Fills a lease if so.
 */
bool node_lease(const struct node *n, struct lease *l, enum lease_way way,
		const struct wire_ip6 *ip, uint64_t now);

/* Leases of another epoch are none. */
uint32_t node_epoch(const struct node *n);

/*
 * Go on with another configuration: what is said of rates, of whom to deal with
 * and how, and secrets. rules: of them allow, deny and public_only count. What
 * needs other memory, sockets or roles stays as it was; of the servers of a
 * client client_servers() is told.
 */
void node_reconfigure(struct node *n, const struct node_conf *conf,
		      const struct gate *rules, uint64_t now,
		      struct outbox *out);

/* Role auto: is there native IPv6 (4380 §5.5, C6)? */
void node_native(struct node *n, bool native, uint64_t now, struct outbox *out);

void node_timeout(struct node *n, uint64_t now, struct outbox *out);

/* Deadline in ns; UINT64_MAX = none. */
uint64_t node_next(const struct node *n);

#endif
