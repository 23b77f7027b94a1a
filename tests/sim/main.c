/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim [--seeds N] [--seed S] [--scenario NAME] [--trace] [--list]
 *
 * Runs the scenario with N seeds from S on, or each with its share of them. The
 * first failure ends the run and says how to repeat it alone; with --trace each
 * packet is shown as it arrives. At the end it says how long all that took on
 * the clocks of its worlds.
 */
#include "scenario.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	const struct scenario *scenario;
	uint64_t seed;
	const struct world *w;
} current;

static const uint64_t START = S(1000);
static uint64_t lived; /* ns of all worlds */

_Noreturn void audit_failed(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s, seed %llu, at %.3f s: ", current.scenario->name,
		(unsigned long long)current.seed,
		(double)(current.w->now - START) / 1e9);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\nto see it: sim --scenario %s --seed %llu --trace\n",
		current.scenario->name, (unsigned long long)current.seed);
	exit(1);
}

static uint64_t mix(const char *name, uint64_t seed)
{
	for (; *name; name++)
		seed = (seed ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return seed;
}

static void play(const struct scenario *c, uint64_t seed, bool trace)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	current.scenario = c;
	current.seed = seed;
	current.w = &s->w;
	world_init(&s->w, mix(c->name, seed));
	s->w.trace = trace;
	s->seed = seed;
	c->run(s, c->arg);
	for (unsigned i = 0; i < s->n_started; i++) {
		audit_walk(&s->started[i]->audit);
		ours_free(s->started[i]);
	}
	lived += s->w.now - START;
	world_free(&s->w);
	free(s);
}

static const struct option options[] = {
	{"seeds", required_argument, NULL, 'n'},
	{"seed", required_argument, NULL, 's'},
	{"scenario", required_argument, NULL, 'c'},
	{"trace", no_argument, NULL, 't'},
	{"list", no_argument, NULL, 'l'},
	{NULL, 0, NULL, 0},
};

static const struct scenario *const tables[] = {
	service_scenarios,
	client_scenarios,
	peer_scenarios,
	recovery_scenarios,
};

enum {
	N_TABLES = sizeof(tables) / sizeof(tables[0])
};

static int list(void)
{
	for (int i = 0; i < N_TABLES; i++) {
		for (const struct scenario *c = tables[i]; c->name; c++)
			puts(c->name);
	}
	return 0;
}

static uint64_t run_all(const struct scenario *c, uint64_t first, uint64_t n,
			bool trace)
{
	for (uint64_t k = 0; k < n; k++)
		play(c, first + k, trace);
	return n;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, n = 0, runs = 0;
	const char *only = NULL;
	bool trace = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			n = strtoull(optarg, NULL, 0);
			break;
		case 's':
			first = strtoull(optarg, NULL, 0);
			n = n ? n : 1;
			break;
		case 'c':
			only = optarg;
			break;
		case 't':
			trace = true;
			break;
		case 'l':
			return list();
		default:
			return 2;
		}
	}
	n = n ? n : 200;
	for (int i = 0; i < N_TABLES; i++) {
		for (const struct scenario *k = tables[i]; k->name; k++) {
			if (!only)
				runs += run_all(k, first,
						(n + k->share - 1) / k->share,
						trace);
			else if (strcmp(only, k->name) == 0)
				runs += run_all(k, first, n, trace);
		}
	}
	printf("%llu runs, %.1f days\n", (unsigned long long)runs,
	       (double)lived / (24.0 * 3600 * 1e9));
	return runs ? 0 : 2;
}
