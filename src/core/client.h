/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Teredo client (4380 §5.2): an IPv6 address for a host behind a NAT.
 *
 * It learns from a server how the Internet sees its UDP port (qualify.h), makes
 * its address of that, and exchanges packets with peers: other clients, opened
 * up by bubbles, and native hosts by way of whatever relay is near them, which
 * a connectivity test finds and proves (contact.h).
 *
 * The address stays as long as it may be of use. A server that falls silent is
 * asked again and the next one tried; peers that need no server go on
 * meanwhile. If another server is found, and the mapping is the same, the old
 * address is kept beside the new one for those who use it.
 *
 * Silence is a sign. Packets that go out while nothing comes back may mean that
 * the NAT has changed the mapping, or that a relay has forgotten us: after a
 * second of it both are looked into, and ever less often if nothing is found.
 */
#ifndef CORE_CLIENT_H
#define CORE_CLIENT_H

#include "extension.h"
#include "held.h"
#include "ledger.h"
#include "knock.h"
#include "probe.h"
#include "qualify.h"
#include "randport.h"
#include "ratelim.h"
#include "recent.h"

enum {
	CLIENT_SERVERS = 8,
	CLIENT_ADDRESSES = 2,     /* current, and the one before it */
	CLIENT_HELD_PER_PEER = 8, /* C51 */
	CLIENT_MIN_REFRESH = 5,
	CLIENT_MAX_REFRESH = 300,
	CLIENT_IDLE_S = 600, /* dormant after that, if on demand (A53) */
	CLIENT_MIN_IDLE = 5,
	CLIENT_MAX_IDLE = 86400,
};

struct client_conf {
	uint16_t mtu;                /* TEREDO_MTU */
	unsigned n_servers;          /* 1..CLIENT_SERVERS */
	unsigned first_server;       /* the one that worked last */
	uint16_t refresh_s;          /* C64 */
	uint32_t idle_s;             /* dormant after that; 0 = never (A53) */
	bool learn_refresh;          /* interval determination, C68-C70 */
	bool local_discovery;        /* C71-C77 */
	bool same_mapped_only;       /* C73's option */
	bool cone_first;             /* C13 */
	bool no_symmetric;           /* off-line behind a symmetric NAT, C18 */
	uint8_t extensions;          /* a set of EXT_*, with what each needs */
	bool no_nonce_ok;            /* A3 */
	const struct secret *secret; /* NULL = none */
	bool has_flags; /* from the last run: flags drawn for mapped */
	uint16_t flags;
	struct tuple mapped;
	struct ip6 probe;      /* a native host; :: = none */
	uint32_t max_peers;    /* RECENT_MIN..RECENT_MAX */
	uint32_t max_held;     /* packets kept in all */
	struct rate bubbles;   /* for our own host, in all */
	struct rate answers;   /* to bubbles of others, in all */
	struct rate tests;     /* connectivity tests, in all */
	struct rate strangers; /* of these, started by received packets (Z6) */
	struct rate errors;    /* ICMPv6 errors (4443 §2.4 f) */
};

/* An address, without server and peers (C65). */
#define CLIENT_KEEPS_NS (60 * NS_PER_S)

enum client_state {
	CLIENT_OFF,       /* not wanted (auto), or no way to the Internet */
	CLIENT_RESOLVING, /* the address of no server is known */
	CLIENT_ASKING,    /* qualifying; there is no address */
	CLIENT_QUALIFIED,
	CLIENT_SILENT,  /* the address is kept; the server does not answer */
	CLIENT_DORMANT, /* the same; it is not asked, for nobody needs us */
};

/* Why it is in its state; names are shown to users and stay as they are. */
#define CLIENT_WHY_LIST(X)                                                     \
	X(NONE, "ok", "all is well")                                           \
	X(NATIVE, "native-ipv6", "there is native IPv6")                       \
	X(NO_IPV4, "no-ipv4", "there is no way to the IPv4 Internet")          \
	X(RESOLVER, "resolver-failed", "no server's name can be looked up")    \
	X(START, "starting", "a server was asked")                             \
	X(SERVER, "server-silent", "the server does not answer")               \
	X(SECONDARY, "secondary-silent",                                       \
	  "the server answers on its first address only")                      \
	X(SYMMETRIC, "symmetric-nat",                                          \
	  "the NAT gives each destination another port, and Symmetric or sns " \
	  "is off")                                                            \
	X(MOVED, "mapping-changed", "the NAT has changed address or port")     \
	X(IDLE, "idle", "nothing is sent, so the server is not asked")

enum client_why {
#define X(id, name, text) WHY_##id,
	CLIENT_WHY_LIST(X)
#undef X
	WHY_COUNT
};

const char *client_why_name(enum client_why w);
const char *client_why_text(enum client_why w);

/* By whom it was last made to ask after it had been dormant. */
#define CLIENT_WAKER_LIST(X)                                                   \
	X(NOBODY, "nobody so far")                                             \
	X(HOST, "a packet of this host")                                       \
	X(PEER, "a packet of a peer")                                          \
	X(ORDER, "it was told to")

enum client_waker {
#define X(id, text) WAKER_##id,
	CLIENT_WAKER_LIST(X)
#undef X
};

const char *client_waker_text(enum client_waker w);

enum client_nat {
	CLIENT_NAT_UNKNOWN,
	CLIENT_NAT_NONE,       /* the mapping is the local address and port */
	CLIENT_NAT_CONE,       /* found by the order of 4380 only */
	CLIENT_NAT_RESTRICTED, /* or a cone: not told apart (5991) */
	CLIENT_NAT_SYMMETRIC,
};

/* "none", "cone", "restricted", "symmetric", "unknown" */
const char *client_nat_name(enum client_nat n);

/* What the shell acts on; it looks whether `version` is another than before. */
struct client_status {
	unsigned version;
	enum client_state state;
	enum client_why why;
	unsigned n; /* addresses; the first is preferred, the other goes away */
	struct ip6 address[CLIENT_ADDRESSES];
	unsigned server;     /* index of the one in use or asked */
	uint32_t server_ip;  /* its primary address */
	struct tuple mapped; /* of the address */
	uint16_t flags;      /* of the address */
	enum client_nat nat;
	bool preserves_port;
	enum randport_mode random_ports;
	bool key_ends;      /* the server wants the key renewed (C25) */
	bool wants_probe;   /* the shell opens DOOR_PROBE, or closes it (C69) */
	uint16_t refresh_s; /* as configured or learned */
	unsigned wants_names; /* grows when names should be looked up again */
	enum client_waker waker;
};

/* It has an address, and no server to look for. */
static inline bool client_is_settled(const struct client_status *s)
{
	return s->state == CLIENT_QUALIFIED || s->state == CLIENT_DORMANT;
}

struct own_address {
	bool on;
	uint16_t flags;
	uint32_t server; /* primary */
	struct tuple mapped;
	struct ip6 ip6;
	uint64_t used; /* a peer was heard on it */
};

struct server_entry {
	uint32_t primary, secondary; /* 0 = not known */
	bool failed;                 /* the last look-up did */
};

/* Interval determination (search.c) */
struct search {
	struct qualify qualify; /* of the secondary port */
	bool on, concluded;
	unsigned tries;
	uint32_t interval, candidate, max; /* seconds */
	struct ip6 address;                /* secondary Teredo address */
	uint64_t due;                      /* next bubble; UINT64_MAX = none */
};

/* Whether it is quiet (dormant.h); times in ns. */
struct dormancy {
	bool on;
	enum client_waker waker;
	uint64_t carried;     /* last packet that counts */
	uint64_t waits_until; /* just woken up: packets wait; 0 = not */
};

struct memos;

struct client {
	struct client_conf conf;
	struct gate *gate; /* its `mapped` is ours to set */
	struct stats *stats;
	struct ledger *ledger;
	struct rng rng;
	struct memos *memos;
	struct client_status status;
	struct qualify qualify;
	struct search search;
	struct probe probe;
	struct knock knock;
	struct dormancy dormancy;
	struct randports ports;
	struct recent recent;
	struct held held;
	struct server_entry server[CLIENT_SERVERS];
	unsigned at;        /* server in use or asked */
	struct tuple local; /* ip 0 = there is no network */
	bool left;          /* the server in use is none of ours any more */
	bool wanted;        /* client_want() */
	bool is_resumed;    /* client_recover(): local is what it was */
	struct own_address own[CLIENT_ADDRESSES];
	unsigned cur;        /* of own[] */
	enum client_why why; /* it is not qualified */
	unsigned wants_names;
	uint64_t began;      /* looking for a server */
	uint64_t heard;      /* last interaction with the server (C29) */
	uint64_t interval;   /* after which it is asked again (C63) */
	uint64_t changed;    /* the network, last */
	uint64_t keep_until; /* address, while the server is silent; 0 = it
				is not */
	uint64_t rest_until; /* no server is asked before; 0 = ask */
	uint64_t any_heard;  /* any peer of the Internet, by way of its tuple */
	uint64_t suspected;  /* last check out of suspicion */
	uint64_t suspect_gap;
	uint64_t effort_at;   /* no effort is due before */
	uint64_t announced;   /* local discovery, last */
	uint64_t announce_at; /* local discovery; 0 = not on */
	struct bucket bubbles, answers, tests, strangers, errors;
	uint32_t changes; /* addresses so far */
	uint32_t moved;   /* peers that are somewhere else now */
};

/* What a configuration gets that says nothing else. */
extern const struct client_conf client_defaults;

/* Bytes of memory that client_init() needs; all a client will ever use. */
size_t client_memory(const struct client_conf *conf);

/* The list of recent peers in it; see node_recent(). */
const struct recent_peer *client_slab(const void *mem);

/* mem is aligned to 64, and zeroed or to be recovered; it is the caller's. */
void client_init(struct client *c, const struct client_conf *conf,
		 struct gate *gate, struct stats *stats, struct ledger *ledger,
		 const struct hash_key *key, const struct rng *rng, void *mem);

/*
 * After that, if a client of this configuration had the memory before: go on
 * with its address and its peers, as far as they are good (memo.h). What has
 * become of the network meanwhile, client_network() tells: with the same local
 * address as before it asks the server whether all is as it was.
 */
void client_recover(struct client *c, uint64_t now);

/*
 * What the shell found out about server i: its addresses (host order), or 0
 * and 0 if its name could not be looked up. What is no usable address counts
 * as a name that could not.
 */
void client_server(struct client *c, unsigned i, uint32_t primary,
		   uint32_t secondary, uint64_t now, struct outbox *out);

/*
 * The way to the Internet is new, or is gone (local.ip is 0). local: the
 * address that datagrams to the server leave from, and our service port.
 */
void client_network(struct client *c, struct tuple local, uint64_t now,
		    struct outbox *out);

/*
 * Go on with these times, rules and secret. Addresses, servers that rules
 * refuse now, and what was learned otherwise: all stays that the new ones
 * allow.
 */
void client_reconfigure(struct client *c, const struct client_conf *conf,
			uint64_t now, struct outbox *out);

/*
 * There are n servers now, 1 to CLIENT_SERVERS. Server i is the one that was
 * from[i] before; or CLIENT_SERVERS: a new one. As long as the one in use is
 * among them nothing happens; else the first that is known is asked, and the
 * address is kept meanwhile.
 */
void client_servers(struct client *c, unsigned n,
		    const unsigned from[static CLIENT_SERVERS], uint64_t now,
		    struct outbox *out);

/* Role auto: is a client wanted now (C6)? Wanted at first. */
void client_want(struct client *c, bool wanted, uint64_t now,
		 struct outbox *out);

/* Ask the server now, if that was not just done; and knock (knock.h). */
void client_check(struct client *c, uint64_t now, struct outbox *out);

/*
 * DOOR_RANDOM + k was opened, as c->ports.wants it to be, at this local port;
 * or port 0: it is shut, was lost, or could not be opened. What is wanted may
 * be something else then; the shell looks after each call.
 */
void client_door(struct client *c, unsigned k, uint16_t port, uint64_t now);

/* A datagram on any of its doors: how it ended. */
enum reason client_from_ip4(struct client *c, const struct datagram *d,
			    uint64_t now, struct outbox *out);

/* A packet from the tunnel device: how it ended, or REASON_HELD. */
enum reason client_from_ip6(struct client *c, const uint8_t *p, uint16_t len,
			    uint64_t now, struct outbox *out);

/* A super-packet from the tunnel device: see relay_super_from_ip6(). */
bool client_super_from_ip6(struct client *c, const struct super *s,
			   uint64_t now, struct outbox *out);

struct lease;

/* Fill in what node_lease() has begun; false if there is none. */
bool client_lease(const struct client *c, struct lease *l, uint64_t now);

/* Do what is due, as long as the outbox has room. */
void client_timeout(struct client *c, uint64_t now, struct outbox *out);

/* When client_timeout() wants to be called; UINT64_MAX = not at all. */
uint64_t client_next(const struct client *c);

#endif
