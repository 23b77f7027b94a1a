/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The jobs and their arguments: see gen.h. */
#include "gen.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct args given = {
	.peers = 1,
	.flags = FLAG_FLOW,
	.answer = FLAG_FLOW,
	.burst = 1,
	.train = 1,
	.every = 0.5,
	.relay_port = 3545,
};
const struct args *args = &given;

static const struct {
	const char *name;
	int (*run)(void);
} jobs[] = {
	{"clients", job_clients}, /* fake clients; a server for them */
	{"native", job_native},   /* a native host: sends, counts */
	{"solicit", job_solicit}, /* solicitations; counts advertisements */
	{"cable", job_cable},     /* questions to a server, as frames */
	{"ping", job_ping},       /* an established client and newcomers */
	{"lookup", job_lookup},   /* none: times the relay's table */
};

static const struct {
	const char *name;
	enum {
		REAL,
		COUNT,
		NUMBER,
		IP4,
		IP6,
		TEXT
	} type;
	void *to;
} names[] = {
	{"from", REAL, &given.from},
	{"until", REAL, &given.until},
	{"rate", REAL, &given.rate},
	{"rate2", REAL, &given.rate2},
	{"every", REAL, &given.every},
	{"begin", REAL, &given.begin},
	{"count", COUNT, &given.count},
	{"peers", NUMBER, &given.peers},
	{"first", NUMBER, &given.first},
	{"steps", NUMBER, &given.steps},
	{"flags", NUMBER, &given.flags},
	{"answer", NUMBER, &given.answer},
	{"send", NUMBER, &given.send},
	{"sink", NUMBER, &given.sink},
	{"burst", NUMBER, &given.burst},
	{"train", NUMBER, &given.train},
	{"server", IP4, &given.server},
	{"relay", IP4, &given.relay},
	{"relay_port", NUMBER, &given.relay_port},
	{"native", IP6, &given.native},
	{"source", IP6, &given.source},
	{"echo", NUMBER, &given.echo},
	{"bubbles", NUMBER, &given.bubbles},
	{"device", TEXT, &given.device},
	{"mac", TEXT, &given.mac},
};

static bool set(const char *word)
{
	const char *value = strchr(word, '=');
	size_t n = value ? (size_t)(value++ - word) : 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *to = names[i].to;

		if (strlen(names[i].name) != n ||
		    strncmp(word, names[i].name, n) != 0)
			continue;
		switch (names[i].type) {
		case REAL:
			*(double *)to = strtod(value, NULL);
			return true;
		case COUNT:
			*(uint64_t *)to = strtoull(value, NULL, 10);
			return true;
		case NUMBER:
			*(uint32_t *)to = (uint32_t)strtoul(value, NULL, 10);
			return true;
		case IP4:
			return inet_pton(AF_INET, value, to) == 1;
		case IP6:
			return inet_pton(AF_INET6, value, to) == 1;
		case TEXT:
			*(const char **)to = value;
			return true;
		}
	}
	return false;
}

/* Say when, then become another program: the start of a start-up time. */
_Noreturn static void job_exec(char **argv)
{
	printf("{\"exec\": %.6f}\n", (double)now_ns() / 1e9);
	fflush(stdout);
	execvp(argv[0], argv);
	fail(argv[0]);
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "exec") == 0)
		job_exec(argv + 2);
	for (int i = 2; i < argc; i++) {
		if (!set(argv[i])) {
			fprintf(stderr, "bench-gen: what is %s?\n", argv[i]);
			return 2;
		}
	}
	if (given.peers == 0 || given.steps > MAX_STEPS || given.steps == 1 ||
	    given.burst == 0 || given.train == 0 || given.train > BATCH ||
	    (uint64_t)given.first + given.peers > MAX_CLIENTS ||
	    given.until * 1e9 > (double)now_ns() + 600e9) {
		fprintf(stderr, "bench-gen: too many, or too long\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1000);
	prctl(PR_SET_PDEATHSIG, 9);
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		if (argc > 1 && strcmp(argv[1], jobs[i].name) == 0)
			return jobs[i].run();
	}
	fprintf(stderr, "usage: bench-gen clients|native|solicit|cable|"
			"ping|lookup [name=value]...\n       bench-gen exec "
			"PROGRAM ...\n");
	return 2;
}
