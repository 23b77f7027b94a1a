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
	MAX_CUTS = 4,
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
	bool local; /* from this host's own applications */
	bool group; /* to the group of local discovery */
	uint8_t ecn;
	uint16_t len;
	uint32_t trail;        /* who has forwarded it, a bit each (I4) */
	struct tuple from, to; /* outer, of a datagram */
	uint8_t data[];
};

/*
 * RFC 4787 §4.1 and §5: how a NAT maps and filters. Each may depend on nothing,
 * on the remote address, or on that and the remote port.
 */
enum nat_rule {
	NAT_INDEPENDENT,
	NAT_BY_ADDRESS,
	NAT_BY_PORT,
	NAT_RULES
};

/* Both in one number; RFC 3489 has names for four of the nine. */
#define NAT_KIND(mapping, filtering)                                           \
	(1 + (int)NAT_RULES * (mapping) + (filtering))
enum nat_kind {
	NAT_NONE,
	NAT_FULL_CONE,
	NAT_RESTRICTED,
	NAT_PORT_RESTRICTED,
	NAT_SYMMETRIC = NAT_KIND(NAT_BY_PORT, NAT_BY_PORT),
	NAT_KINDS
};

enum {
	NAT_MAPPINGS = 64,
	NAT_FILTERS = 64
};

struct nat {
	enum nat_rule mapping, filtering;
	bool preserve;     /* the inner port is used outside, if it is free */
	bool sequential;   /* else one port after the other */
	bool hairpin;      /* hosts inside may meet by outside addresses */
	bool refreshed_in; /* what comes in keeps a mapping alive, too */
	bool blocked;      /* nothing passes */
	uint16_t port;     /* last one given out */
	uint32_t ip;       /* outside */
	uint64_t timeout;
	struct nat_mapping {
		struct tuple inside, remote; /* remote: as far as it counts */
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
	bool asleep;       /* it gets nothing, and does nothing */
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
	struct {
		uint32_t a, b; /* outside; b = 0: from and to everybody */
	} cut[MAX_CUTS];
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
/* Send to the group of local discovery, on the LAN behind the same NAT. */
void sim_send_group(struct actor *a, struct tuple from, const void *p,
		    size_t n);
/* Send an IPv6 packet over the native Internet. */
void sim_send_ip6(struct actor *a, const void *p, size_t n, uint32_t trail);
/* From an application of this host to its own from_ip6(). */
void sim_send_local(struct actor *a, const void *p, size_t n);

bool nat_out(struct nat *n, struct world *w, struct tuple *from,
	     struct tuple to);
bool nat_in(struct nat *n, struct world *w, struct tuple from,
	    struct tuple *to);
/* Forget every mapping and take another outside address. */
void nat_rebind(struct nat *n, uint32_t ip);
void nat_set_kind(struct nat *n, enum nat_kind kind);
/* RFC 3489's symmetric: two remotes see two ports. */
static inline bool nat_is_symmetric(const struct nat *n)
{
	return n->mapping != NAT_INDEPENDENT;
}

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
	uint16_t port;                 /* of the service */
	uint16_t random[RANDOM_DOORS]; /* ports; 0 = shut */
	bool no_random;                /* none can be opened */
	bool down;
	/* What the node has for its host; NULL: it is routed on. */
	void (*deliver)(struct ours *o, uint8_t *p, size_t n);
	void (*after)(struct ours *o); /* each step; may be NULL */
};

void ours_init(struct ours *o, struct world *w, const char *name,
	       const struct node_conf *conf);
/* What it knows is gone. */
void ours_restart(struct ours *o);
/* The shell opens and shuts random ports as the core wants. */
void ours_doors(struct ours *o);
/* Run the outbox; in: the packet that filled it, or NULL. */
void ours_carry_out(struct ours *o, const struct packet *in);
void ours_timer(struct actor *a);
void ours_free(struct ours *o);

/* --- a host with our client --- */

enum {
	HOME_FLOWS = 3
};

struct home {
	struct ours o;
	struct client_status seen; /* when the shell last looked */
	struct flow flow[HOME_FLOWS];
	bool pinned[HOME_FLOWS]; /* the flow keeps its source */
	unsigned errors;         /* ICMPv6: nobody there */
	unsigned served;         /* requests of others */
	struct {
		uint32_t ip[2];
	} name[CLIENT_SERVERS]; /* what the resolver will say */
	bool resolver_down;
	bool is_auto; /* set before home_init(): has a relay, too */
	uint64_t start_at, lookup_at;
	uint64_t ready_at;     /* the interface has the address */
	enum inbound firewall; /* what it lets in of strangers; unknown: all */
	uint64_t up_at;        /* the address last changed */
	struct ip6 native;     /* its address if there is native IPv6 */
};

void home_init(struct home *h, struct world *w, const char *name,
	       unsigned number, struct nat *nat, const struct client_conf *conf,
	       const uint32_t servers[][2], unsigned n);
/* As after a crash: what the shell had written down is all that is known. */
void home_restart(struct home *h);
/* Tell the core what netlink tells: ip 0 is no network. */
void home_network(struct home *h, uint32_t ip);
/* NULL if it has none. */
const struct ip6 *home_address(const struct home *h);
bool home_has(const struct home *h, const struct ip6 *a);
void home_talk(struct home *h, unsigned i, const struct ip6 *dst,
	       uint64_t period);
void home_native(struct home *h, bool native);

/* --- native hosts --- */

struct native {
	struct actor a;
	struct flow flow;
	unsigned errors; /* ICMPv6 */
};

void native_init(struct native *n, struct world *w, const char *name,
		 unsigned number, struct actor *via);

/* --- clients --- */

enum model_kind {
	MODEL_PLAIN,  /* 4380 with both servers, nonces in solicitations */
	MODEL_DEBIAN, /* speaks to the first server only, without nonces */
	MODEL_SNS,    /* 6081: nonces in bubbles; symmetric NATs are no bar */
	MODEL_KINDS
};

enum {
	MODEL_REMOTES = 4,
	MODEL_QUEUE = 8
};

struct remote {
	bool used, trusted;
	struct ip6 addr;
	struct tuple relay;
	uint64_t heard, test_due;
	unsigned tests;
	uint8_t nonce[8];
	unsigned n;
	uint8_t queue[MODEL_QUEUE][APP_LEN];
};

struct model {
	struct actor a;
	enum model_kind kind;
	struct tuple local;
	uint32_t server[2];
	enum {
		MODEL_ASK_FIRST,
		MODEL_ASK_SECOND,
		MODEL_UP,
		MODEL_REFRESH,
		MODEL_SILENT
	} state;
	bool has_address;
	uint64_t due;
	unsigned tries;
	uint8_t nonce[8];
	struct tuple first;
	struct ip6 ll, addr;
	struct remote remotes[MODEL_REMOTES];
	struct flow flow;
	uint64_t qualified_at;
	unsigned requests; /* served to others */
};

void model_init(struct model *c, struct world *w, enum model_kind kind,
		unsigned number, struct nat *nat, const uint32_t server[2]);
void model_silence(struct model *c);
void model_return(struct model *c);
/* Requests to a native host, as soon as it has an address. */
void model_talk(struct model *c, const struct ip6 *dst, uint64_t period);

/* --- who means harm --- */

enum flood {
	FLOOD_DATA,   /* from one host, to invented clients */
	FLOOD_SPREAD, /* the same from many /64 */
	FLOOD_ECHO,   /* echo replies from one host */
	FLOOD_CLAIMS, /* solicitations in the name of all of a /24 */
};

struct flooder {
	struct actor a;
	enum flood kind;
	unsigned per_ms;
	uint64_t start, stop, due;
	struct tuple server; /* of claims */
};

void flooder_init(struct flooder *f, struct world *w, enum flood kind,
		  unsigned per_ms, struct actor *via);

struct villain {
	struct actor a;
	struct tuple targets[3];
	unsigned n_targets;
	struct actor *relay; /* gets packets from the IPv6 side */
	const struct ip6 *victim;
	struct ip6 native;
	uint32_t servers[2]; /* of a victim that is a client; or 0 */
	/* It does nothing but forge answers to this; NULL: all sorts. */
	const struct qualify *asked;
	bool spies; /* and has seen the question */
	uint64_t due, stop;
};

void villain_init(struct villain *v, struct world *w);

#endif
