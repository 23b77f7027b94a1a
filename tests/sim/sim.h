/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small internet on virtual time. Actors are the hosts: our node (ours.c) and
 * doubles of everybody else (client.c, native.c, hostile.c). An actor is called
 * with a packet or when its deadline has come, and sends; between them stand
 * NATs (nat.c) and links that delay, lose, duplicate and reorder (world.c).
 *
 * Everything random comes from one seeded generator, every event is ordered by
 * time and then by its number: the same seed gives the same run.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "audit.h"
#include "pkt.h"

enum {
	MAX_ACTORS = 24,
	MAX_ADDRESSES = 4,
	HISTORY = 64
};

#define NEVER UINT64_MAX
#define MS(n) ((uint64_t)(n)*NS_PER_MS)
#define S(n)  ((uint64_t)(n)*NS_PER_S)
#define IP(a, b, c, d)                                                         \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 |      \
	 (uint32_t)(d))

struct world;
struct actor;

struct packet {
	bool ip6;
	uint8_t ecn;
	uint16_t len;
	uint32_t trail;        /* who has forwarded it, a bit each (I4) */
	struct tuple from, to; /* outer, of a datagram */
	uint8_t data[];
};

/* RFC 3489's words for how a NAT maps and filters. */
enum nat_kind {
	NAT_NONE,
	NAT_FULL_CONE,
	NAT_RESTRICTED,
	NAT_PORT_RESTRICTED,
	NAT_SYMMETRIC,
	NAT_KINDS
};

enum {
	NAT_MAPPINGS = 32,
	NAT_FILTERS = 64
};

struct nat {
	enum nat_kind kind;
	bool preserve; /* the inner port is used outside, if it is free */
	uint32_t ip;   /* outside */
	uint64_t timeout;
	struct nat_mapping {
		struct tuple inside, remote; /* remote: symmetric only */
		uint16_t port;
		uint64_t used;
		struct tuple sent[NAT_FILTERS];
		unsigned n_sent;
	} v[NAT_MAPPINGS];
};

struct actor {
	const char *name;
	unsigned id;
	struct world *w;
	struct nat *nat; /* in front of it, or NULL */
	unsigned n_ip, n_ip6;
	uint32_t ip[MAX_ADDRESSES];
	struct ip6 ip6[MAX_ADDRESSES];
	struct actor *via; /* next hop to Teredo addresses */
	uint64_t armed;    /* deadline that the queue knows */
	void (*ip4)(struct actor *a, const struct packet *p);
	void (*from_ip6)(struct actor *a, const struct packet *p);
	void (*timer)(struct actor *a);
	uint64_t (*next)(const struct actor *a);
};

struct event {
	uint64_t when, number;
	struct actor *a;
	struct packet *p; /* NULL: its deadline */
};

struct world {
	uint64_t now, number, rng;
	bool trace;
	unsigned loss, duplicates; /* per 1000 */
	uint64_t delay, jitter;    /* jitter reorders */
	unsigned n_actors;
	struct actor *actors[MAX_ACTORS];
	struct event *heap;
	size_t n_events, max_events;
	struct packet *history[HISTORY]; /* for those who replay */
	unsigned n_history;
	bool record;
};

void world_init(struct world *w, uint64_t seed);
void world_free(struct world *w);
void world_add(struct world *w, struct actor *a);
void world_run(struct world *w, uint64_t until);
/* Its deadline may have changed from outside. */
void world_touch(struct actor *a);

uint64_t sim_random(struct world *w);
unsigned sim_below(struct world *w, unsigned n);
bool sim_chance(struct world *w, unsigned per_mille);
void sim_fill(struct world *w, void *p, size_t n);

/* Send a datagram through the NAT of a, if it has one. */
void sim_send(struct actor *a, struct tuple from, struct tuple to,
	      const void *p, size_t n, uint32_t trail);
/* Send an IPv6 packet over the native Internet. */
void sim_send_ip6(struct actor *a, const void *p, size_t n, uint32_t trail);

bool nat_out(struct nat *n, struct world *w, struct tuple *from,
	     struct tuple to);
bool nat_in(struct nat *n, struct world *w, struct tuple from,
	    struct tuple *to);
/* Forget every mapping and take another outside address. */
void nat_rebind(struct nat *n, uint32_t ip);

/* --- numbered requests and their answers --- */

enum {
	FLOW_MAX = 4096
};

struct flow {
	bool on;
	struct ip6 src, dst;
	uint64_t next, period;
	uint32_t sent, answered;
	uint64_t first_sent, first_answer, last_answer;
	uint8_t seen[FLOW_MAX];
	uint32_t mark_sent, mark_answered; /* since flow_mark() */
	uint32_t mark_from;
};

void flow_start(struct flow *f, const struct ip6 *src, const struct ip6 *dst,
		uint64_t at, uint64_t period);
/* Write the request that is due. */
size_t flow_request(struct flow *f, uint8_t *p, uint64_t now);
void flow_answered(struct flow *f, uint32_t seq, uint64_t now);
void flow_mark(struct flow *f);

/* --- our node --- */

struct ours {
	struct actor a;
	struct node *node;
	struct audit audit;
	struct node_conf conf;
	struct outbox *out;
	void *mem;
	uint16_t port; /* of the relay */
	bool down;
};

void ours_init(struct ours *o, struct world *w, const char *name,
	       const struct node_conf *conf);
/* What it knows is gone. */
void ours_restart(struct ours *o);
void ours_free(struct ours *o);

/* --- native hosts --- */

struct native {
	struct actor a;
	struct flow flow;
	unsigned errors; /* ICMPv6 */
};

void native_init(struct native *n, struct world *w, const char *name,
		 unsigned number, struct actor *via);

/* --- clients --- */

enum client_kind {
	CLIENT_PLAIN,  /* 4380 with both servers, nonces in solicitations */
	CLIENT_DEBIAN, /* speaks to the first server only, without nonces */
	CLIENT_SNS,    /* 6081: nonces in bubbles; symmetric NATs are no bar */
	CLIENT_KINDS
};

enum {
	CLIENT_REMOTES = 4,
	CLIENT_QUEUE = 8
};

struct remote {
	bool used, trusted;
	struct ip6 addr;
	struct tuple relay;
	uint64_t heard, test_due;
	unsigned tests;
	uint8_t nonce[8];
	unsigned n;
	uint8_t queue[CLIENT_QUEUE][APP_LEN];
};

struct client {
	struct actor a;
	enum client_kind kind;
	struct tuple local;
	uint32_t server[2];
	enum {
		CLIENT_ASK_FIRST,
		CLIENT_ASK_SECOND,
		CLIENT_UP,
		CLIENT_REFRESH,
		CLIENT_SILENT
	} state;
	bool has_address;
	uint64_t due;
	unsigned tries;
	uint8_t nonce[8];
	struct tuple first;
	struct ip6 ll, addr;
	struct remote remotes[CLIENT_REMOTES];
	struct flow flow;
	uint64_t qualified_at;
	unsigned requests; /* served to others */
};

void client_init(struct client *c, struct world *w, enum client_kind kind,
		 unsigned number, struct nat *nat, const uint32_t server[2]);
void client_silence(struct client *c);
void client_return(struct client *c);
/* Requests to a native host, as soon as it has an address. */
void client_talk(struct client *c, const struct ip6 *dst, uint64_t period);

/* --- who means harm --- */

enum flood {
	FLOOD_DATA,   /* from one host, to invented clients */
	FLOOD_SPREAD, /* the same from many /64 */
	FLOOD_ECHO,   /* echo replies from one host */
};

struct flooder {
	struct actor a;
	enum flood kind;
	unsigned per_ms;
	uint64_t start, stop, due;
};

void flooder_init(struct flooder *f, struct world *w, enum flood kind,
		  unsigned per_ms, struct actor *via);

struct villain {
	struct actor a;
	struct tuple targets[3];
	unsigned n_targets;
	struct actor *relay; /* gets packets from the IPv6 side */
	const struct client *victim;
	struct ip6 native;
	uint64_t due, stop;
};

void villain_init(struct villain *v, struct world *w);

#endif
