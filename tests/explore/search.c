/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explore [--world NAME] [--depth N] [--quick] [--replay EVENTS] [--list]
 *
 * Runs all sequences of N events of a world, or of each; without --depth, as
 * many as the table of the world says. Depths come one after
 * the other, so the first violation that is found has the shortest sequence; it
 * is printed, and --replay shows what happens in it.
 *
 * What is left out: a state with the same digest as one that was expanded with
 * at least as many events left. The digest is over all that machines, checks
 * and events look at: the machines' memory, the audit's books, the clock and
 * the messages. So both states have the same future; unless two of the n states
 * share 60 bits by chance, which is n^2 in 2^61.
 */
#include "explore.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	FIRST_MESSAGE = 64, /* events below are actions */
	LEFT_BITS = 4,
	PATIENCE_S = 100, /* of the processor, for many states */
	DEEP = 0,         /* and QUICK: whatever the world says */
	QUICK = 100,
};

static struct {
	unsigned at; /* events that have happened */
	uint8_t path[DEPTH_MAX];
	uint64_t states, steps;
} run;

static uint8_t *image[DEPTH_MAX + 1];

/* --- events --- */

static unsigned n_actions(const struct world *w)
{
	unsigned n = 0;

	while (n < ACTIONS && w->action[n].name)
		n++;
	return n;
}

static void print_path(FILE *f)
{
	for (unsigned i = 0; i < run.at; i++) {
		uint8_t e = run.path[i];

		if (e >= FIRST_MESSAGE)
			fprintf(f, "%sm%d", i ? "," : "", e - FIRST_MESSAGE);
		else
			fprintf(f, "%s%s", i ? "," : "", world->action[e].name);
	}
}

static void print_failure(void)
{
	fprintf(stderr, "\nto see it: explore --world %s --replay ",
		world->name);
	print_path(stderr);
	fputc('\n', stderr);
}

_Noreturn void audit_failed(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s, after %u events: ", world->name, run.at);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	print_failure();
	exit(1);
}

/* An assertion, a sanitizer; or a step without an end. */
static void on_signal(int sig)
{
	fprintf(stderr, "%s, after %u events: %s", world->name, run.at,
		strsignal(sig));
	print_failure();
	_exit(1);
}

static void happen(uint8_t e)
{
	run.path[run.at++] = e;
	run.steps++;
	if (e >= FIRST_MESSAGE)
		net_deliver(e - FIRST_MESSAGE);
	else
		world->action[e].run();
	if (world->after)
		world->after();
	for (unsigned i = 0; i < n_machines; i++) {
		audit_walk(&machines[i].audit);
		if (node_next(&machines[i].node) <= scene.now)
			pass_until(scene.now);
	}
}

/* --- there and back --- */

static void save(unsigned at)
{
	uint8_t *p = image[at];
	size_t n = offsetof(struct scene, v) + scene.n * sizeof(scene.v[0]);

	memcpy(p, &scene, n);
	for (unsigned i = 0; i < n_machines; i++)
		n += machine_save(&machines[i], p + n);
	if (n > IMAGE)
		abort();
}

static void load(unsigned at)
{
	const uint8_t *p = image[at];
	size_t n = offsetof(struct scene, v);

	memcpy(&scene, p, n);
	memcpy(scene.v, p + n, scene.n * sizeof(scene.v[0]));
	n += scene.n * sizeof(scene.v[0]);
	for (unsigned i = 0; i < n_machines; i++)
		n += machine_load(&machines[i], p + n);
}

static uint64_t digest(void)
{
	uint64_t h =
		digest_bytes(&scene, offsetof(struct scene, n), net_digest());

	for (unsigned i = 0; i < n_machines; i++)
		h ^= machine_digest(&machines[i]) * (2 * i + 3);
	return digest_bytes(&h, sizeof(h), 6);
}

/* --- states that were seen --- */

static struct {
	uint64_t *v; /* digest, and events left in the last bits; 0 = none */
	size_t size, used;
} seen;

static uint64_t *seen_slot(uint64_t *v, size_t size, uint64_t d)
{
	size_t i = (size_t)(d >> LEFT_BITS) & (size - 1);

	while (v[i] && v[i] >> LEFT_BITS != d >> LEFT_BITS)
		i = (i + 1) & (size - 1);
	return &v[i];
}

static void seen_grow(void)
{
	size_t size = seen.size ? seen.size * 2 : 1 << 16;
	uint64_t *v = calloc(size, sizeof(*v));

	if (!v) {
		fprintf(stderr, "explore: no memory for %zu states\n", size);
		exit(2);
	}
	for (size_t i = 0; i < seen.size; i++) {
		if (seen.v[i])
			*seen_slot(v, size, seen.v[i]) = seen.v[i];
	}
	free(seen.v);
	seen.v = v;
	seen.size = size;
}

/* Was it expanded with that many events left, or more? If not, it will be. */
static bool seen_before(uint64_t d, unsigned left)
{
	const uint64_t mask = (1 << LEFT_BITS) - 1;
	uint64_t *s;

	if (seen.used * 10 >= seen.size * 7)
		seen_grow();
	s = seen_slot(seen.v, seen.size, d);
	if (*s && (*s & mask) >= left)
		return true;
	if (!*s) {
		seen.used++;
		run.states++;
	}
	*s = (d & ~mask) | left;
	return false;
}

static void expand(unsigned left);

static void try(unsigned at, uint8_t event, unsigned left)
{
	load(at);
	run.at = at;
	happen(event);
	if (left > 1 && !seen_before(digest(), left - 1))
		expand(left - 1);
}

static void expand(unsigned left)
{
	const struct itimerval patience = {.it_value.tv_sec = PATIENCE_S};
	unsigned at = run.at, n = n_actions(world), messages = scene.n;

	if (run.states % 1024 == 0)
		setitimer(ITIMER_VIRTUAL, &patience, NULL);
	save(at);
	for (unsigned i = 0; i < n; i++)
		try(at, (uint8_t)i, left);
	for (unsigned i = 0; i < messages; i++)
		try(at, (uint8_t)(FIRST_MESSAGE + i), left);
}

/* --- a world --- */

static void start(const struct world *w)
{
	world = w;
	run.at = 0;
	net_reset();
	w->start();
	for (unsigned i = 0; i < n_machines; i++)
		machine_settle(&machines[i]);
	if (w->after)
		w->after();
	save(0);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void explore(const struct world *w, unsigned depth)
{
	double before = seconds();

	start(w);
	for (unsigned d = 1; d <= depth; d++) {
		memset(seen.v, 0, seen.size * sizeof(*seen.v));
		seen.used = 0;
		run.states = run.steps = 0;
		run.at = 0;
		load(0);
		expand(d);
	}
	for (unsigned i = 0; i < n_machines; i++)
		machine_check(&machines[i]);
	printf("%-12s depth %2u: %9llu states %10llu steps %6.1f s\n", w->name,
	       depth, (unsigned long long)run.states,
	       (unsigned long long)run.steps, seconds() - before);
	fflush(stdout);
}

static int event_of(const struct world *w, const char *name)
{
	if (name[0] == 'm' && name[1] >= '0' && name[1] <= '9')
		return FIRST_MESSAGE + atoi(name + 1);
	for (unsigned i = 0; i < n_actions(w); i++) {
		if (strcmp(w->action[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static int replay(const struct world *w, char *events)
{
	tell = true;
	start(w);
	load(0);
	for (char *e = strtok(events, ","); e; e = strtok(NULL, ",")) {
		int k = event_of(w, e);

		if (k < 0 || run.at == DEPTH_MAX ||
		    k >= FIRST_MESSAGE + (int)scene.n) {
			fprintf(stderr, "explore: no event %s here\n", e);
			return 2;
		}
		printf("%10.3f s  %s\n", (double)(scene.now - S(1000)) / 1e9,
		       e);
		happen((uint8_t)k);
	}
	return 0;
}

static const struct world *const tables[] = {
	relay_worlds,
	client_worlds,
	server_worlds,
};

enum {
	N_TABLES = sizeof(tables) / sizeof(tables[0])
};

static const struct option options[] = {
	{"world", required_argument, NULL, 'w'},
	{"depth", required_argument, NULL, 'd'},
	{"quick", no_argument, NULL, 'q'},
	{"replay", required_argument, NULL, 'r'},
	{"list", no_argument, NULL, 'l'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	const char *only = NULL;
	unsigned depth = DEEP, n = 0;
	bool list = false;
	char *events = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'w':
			only = optarg;
			break;
		case 'd':
			depth = (unsigned)atoi(optarg);
			break;
		case 'q':
			depth = QUICK;
			break;
		case 'r':
			events = optarg;
			break;
		case 'l':
			list = true;
			break;
		default:
			return 2;
		}
	}
	if (depth >= 1 << LEFT_BITS && depth != QUICK) {
		fprintf(stderr, "explore: the depth is at most %d\n",
			(1 << LEFT_BITS) - 1);
		return 2;
	}
	signal(SIGABRT, on_signal);
	signal(SIGVTALRM, on_signal);
	for (int i = 0; i <= DEPTH_MAX; i++) {
		image[i] = malloc(IMAGE);
		if (!image[i])
			abort();
	}
	seen_grow();
	for (int i = 0; i < N_TABLES; i++) {
		for (const struct world *w = tables[i]; w->name; w++) {
			if (only && strcmp(only, w->name) != 0)
				continue;
			n++;
			if (list)
				printf("%-12s %s\n", w->name, w->what);
			else if (events)
				return replay(w, events);
			else
				explore(w, depth == DEEP    ? w->deep
					   : depth == QUICK ? w->quick
							    : depth);
		}
	}
	return n ? 0 : 2;
}
