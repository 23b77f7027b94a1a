/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exhaustive exploration: all orders of a small alphabet of events, to a
 * bounded depth, with the real machines and the audit of the simulator.
 *
 * A scene is one or more machines, and what was ever sent to them. A message
 * that was sent may arrive at any time from then on, any number of times, or
 * never: so loss, delay, duplicates, reordering and replay need no events of
 * their own. Only when there are so many newer ones of its kind it is lost. The
 * other hosts (net.c) have no state; what they answer becomes a
 * message at the moment when they are asked. A silent server is one whose
 * messages never arrive.
 *
 * To go back, the scene is saved as bytes (machine.c); a state that was seen
 * before, with no fewer events left, is not looked at again (search.c).
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "audit.h"
#include "pkt.h"

enum {
	MACHINES = 2,
	MESSAGES = 56,
	MESSAGE_MAX = 176,
	PARTS = 96,
	ACTIONS = 16,
	DEPTH_MAX = 24,
	IMAGE = 1 << 18,
};

#define MS(n) ((uint64_t)(n)*NS_PER_MS)
#define S(n)  ((uint64_t)(n)*NS_PER_S)
#define IP(a, b, c, d)                                                         \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 |      \
	 (uint32_t)(d))

struct world;

/* --- machine.c: a node as bytes --- */

/* A piece of memory that may change. */
struct part {
	uint8_t *p;
	size_t n;
	bool counts; /* what it holds is part of the state */
};

struct machine {
	const char *name;
	struct node node;
	struct node_conf conf;
	struct audit audit;
	struct outbox out;
	uint8_t *mem;
	size_t mem_size;
	struct tuple local; /* where its service is */
	unsigned n_parts;
	struct part part[PARTS];
	uint8_t *node_then, *mem_then; /* to see that nothing else changes */
};

void machine_init(struct machine *m, const char *name,
		  const struct node_conf *conf, struct tuple local);
/* The prologue is over: from now on only its parts may change. */
void machine_settle(struct machine *m);
/* Has nothing else ever changed? */
void machine_check(const struct machine *m);
size_t machine_save(const struct machine *m, uint8_t *to);
size_t machine_load(struct machine *m, const uint8_t *from);
uint64_t machine_digest(const struct machine *m);

/* --- net.c: everything around the machines --- */

struct message {
	uint64_t digest, kind;
	uint8_t machine, door;
	uint16_t len;
	struct tuple from;
	uint8_t data[MESSAGE_MAX];
};

/* What changes in a scene, besides the machines. */
struct scene {
	uint64_t now;
	uint64_t flags; /* the world's own */
	uint64_t answered[2][2];
	struct ip6 address; /* that the first client had before */
	uint8_t mapping[MACHINES];
	unsigned n;
	struct message v[MESSAGES]; /* n are used */
};

extern struct scene scene;
extern struct machine machines[MACHINES];
extern unsigned n_machines;
extern struct machine server; /* keeps nothing, so it is never put back */
extern const struct world *world;
extern bool tell; /* print what happens */

enum habit {
	HABIT_NONE,      /* nobody there */
	HABIT_NONCE,     /* answers a bubble's nonce */
	HABIT_SYMMETRIC, /* from another port; answers to a bubble's source */
	HABIT_RELAY,     /* carries packets of a native host */
	HABIT_NEIGHBOUR, /* is on the link, and answers there */
};

/* Somebody else; knows nothing, answers what it is asked. */
struct other {
	enum habit habit;
	struct tuple at;
	struct ip6 address; /* of the client, or of the native host */
};

enum {
	OTHERS = 4
};

extern struct other others[OTHERS];
extern bool symmetric[MACHINES]; /* its NAT gives each remote a port */

extern const uint32_t servers[2];
extern const struct ip6 native_host;

void net_reset(void);
/* The server that all others use, at both its addresses. */
void net_start_server(void);
/* Somebody sends from here to there. */
void net_send(struct tuple from, struct tuple to, const void *p, size_t n);
/* It may arrive at this machine, whatever NATs say. */
void net_throw(unsigned machine, enum door door, struct tuple from,
	       const void *p, size_t n);
void net_deliver(unsigned i);
uint64_t net_digest(void);
/* How the Internet sees a machine, from there. */
struct tuple net_mapped(unsigned machine, struct tuple to);
struct ip6 net_address(uint32_t server_ip, struct tuple client);

/* Run its outbox. */
void carry_out(struct machine *m);
/* Deadlines on the way are served when they are due. */
void pass_until(uint64_t when);
/* The clock jumps, as after a suspend: they are served late. */
void jump(uint64_t by);
uint64_t next_deadline(void);

/* A packet of its host. */
void host_sends(unsigned machine, const struct ip6 *src, const struct ip6 *dst);

/* --- worlds --- */

struct action {
	const char *name;
	void (*run)(void);
};

struct world {
	const char *name, *what;
	unsigned quick, deep; /* depths: for ./check, and to be proud of */
	unsigned keep;        /* messages of a kind that are not lost */
	void (*start)(void);
	void (*after)(void); /* each event; may be NULL */
	/* A machine has sent a datagram; may be NULL. */
	void (*sent)(const struct out *o, const uint8_t *p, size_t n);
	struct action action[ACTIONS];
};

extern const struct world relay_worlds[], client_worlds[], server_worlds[];

/* Actions that several have. */
void act_next(void);
void act_1s(void);
void act_2s(void);
void act_30s(void);
void act_sleep(void);

#endif
