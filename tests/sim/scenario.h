/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios: what happens on the small internet, and what must come of it
 * besides the invariants of audit.h.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "sim.h"

#define EXPECT(cond, ...)                                                      \
	do {                                                                   \
		if (!(cond))                                                   \
			audit_failed(__VA_ARGS__);                             \
	} while (0)

/* How a relay is set up. */
enum shape {
	RELAY_NETWORK,
	RELAY_HOST,   /* serves its own host */
	RELAY_NATTED, /* host-specific, behind a NAT, with direct bubbles */
	RELAY_COMBINED,
};

extern const uint32_t servers[2];

/* Everybody who can take part; a scenario calls the ones it needs. */
struct stage {
	struct world w;
	uint64_t seed;
	struct ours server, server2, relay, relay2;
	struct native x, y;
	struct model c, c2;
	struct home h, h2;
	struct nat nat, nat2, relay_nat;
	struct flooder flooder;
	struct villain villain;
	struct ours *started[8];
	unsigned n_started;
	uint64_t alarmed; /* our client had last to look into something */
	bool big;         /* a table that holds a flood */
};

struct node_conf relay_conf(void);
void start(struct stage *s, struct ours *o, const char *name,
	   const struct node_conf *conf);
void start_server(struct stage *s);
void set_relay(struct ours *r, unsigned number);
void nat_setup(struct stage *s, struct nat *n, enum nat_kind kind, uint32_t ip);
void start_relay(struct stage *s, enum shape shape);
enum model_kind any_model(struct stage *s);
enum nat_kind any_cone(struct stage *s);
void set_stage(struct stage *s, enum shape shape, enum model_kind kind,
	       enum nat_kind nat);
void set_loss(struct stage *s, unsigned per_mille);
void any_loss(struct stage *s);
void run(struct stage *s, uint64_t time);
void qualify(struct stage *s);
void expect_lossless(const struct flow *f, const char *who);
void expect_first(const struct flow *f, uint64_t limit, const char *who);
void expect_steady(struct stage *s, struct flow *f, const char *who);
struct ip6 address_of(unsigned native);

/* --- with our client (stage_home.c) --- */

extern const uint32_t homes_servers[2][2];

/* Server, relay and x. */
void set_service(struct stage *s);
void start_second_server(struct stage *s);
struct client_conf home_conf(void);
/* A host number 1 or 2 behind a NAT of its own. */
void start_home(struct stage *s, struct home *h, enum nat_kind kind,
		const struct client_conf *conf);
/* The same, behind the NAT of the other. */
void start_neighbour(struct stage *s, struct home *h,
		     const struct client_conf *conf);
void home_qualifies(struct stage *s, struct home *h, uint64_t limit);
/* From now on there are answers again within this time. */
bool heals(struct stage *s, struct flow *f, uint64_t limit);
void expect_heals(struct stage *s, struct flow *f, uint64_t limit,
		  const char *who);
/* What is sent in this time is answered. */
void expect_no_loss(struct stage *s, struct flow *f, uint64_t time,
		    const char *who);
enum nat_kind any_nat(struct stage *s);

struct scenario {
	const char *name;
	void (*run)(struct stage *s, int arg);
	int arg;
	unsigned share; /* of all seeds, one in so many must do */
};

/* Tables, each ending with a name of NULL. */
extern const struct scenario service_scenarios[];
extern const struct scenario client_scenarios[];
extern const struct scenario peer_scenarios[];
extern const struct scenario recovery_scenarios[];

#endif
