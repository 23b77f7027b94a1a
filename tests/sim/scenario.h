/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios: what happens on the small internet, and what must come of it
 * besides the invariants of audit.h.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "sim.h"

/* Everybody who can take part; a scenario calls the ones it needs. */
struct stage {
	struct world w;
	struct ours server, relay, relay2;
	struct native x, y;
	struct client c, c2;
	struct nat nat, nat2, relay_nat;
	struct flooder flooder;
	struct villain villain;
	struct ours *started[3];
	unsigned n_started;
	bool big; /* a table that holds a flood */
};

struct scenario {
	const char *name;
	void (*run)(struct stage *s, int arg);
	int arg;
	bool costly; /* a tenth of the seeds must do */
};

extern const struct scenario scenarios[];
extern const unsigned n_scenarios;

#endif
