/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's control socket: a line asks, a line of JSON answers. Whoever is
 * behind it, the answer is bounded in size and time; each way to get none has
 * words of its own.
 */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include <jansson.h>

#include "ctl.h"

enum {
	ASK_VERSION = 1 /* of the objects */
};

/* Where the daemons are; tests have places of their own, and less patience. */
extern struct ask_limits {
	const char *places[2];
	const char *others; /* a pattern, of those with names of their own */
	size_t size;        /* of an answer, bytes */
	int silence_ms, all_ms; /* without a byte; until the answer is whole */
} ask_limits;

struct answer {
	char *text; /* as it came, without the end of the line */
	size_t len;
	json_t *object;
};

/*
 * Ask a daemon. CTL_GOOD: there is an answer, to be freed; otherwise why not
 * has been said. An error that the daemon answers is CTL_BAD, and with --json
 * has been printed.
 */
int ask(const struct ctl *c, const char *request, struct answer *a);
void answer_free(struct answer *a);

/* With --json: print it as it came. */
bool answer_printed(const struct ctl *c, const struct answer *a);

/* A daemon that goes on: line by line. -1 = said why not (*status). */
struct stream {
	int fd;
	char *buf;
	size_t len, room, taken;
};

int stream_open(const struct ctl *c, const char *request, struct stream *s);
/* The next object; CTL_BAD at the end. Waits as long as it takes. */
int stream_next(const struct ctl *c, struct stream *s, struct answer *a);
void stream_close(struct stream *s);

/* Both usual daemons run, and none was chosen: to be said before a change. */
bool ask_is_ambiguous(const struct ctl *c);

/* Turn a line into an answer's object; false after having said what is wrong.
 * For fuzzing, too. */
json_t *ask_parse(const char *text, size_t len, const char **why);

#endif
