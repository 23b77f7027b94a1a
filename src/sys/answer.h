/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers to who asks the control process, as JSON; miredoctl(8) describes each
 * shape. What they are made of is read from the board, from the memory of the
 * packet process (peers), and from the configuration; nobody else is asked.
 */
#ifndef SYS_ANSWER_H
#define SYS_ANSWER_H

#include "board.h"
#include "json.h"
#include "plan.h"
#include "settings.h"
#include "verdict.h"

struct show {
	const struct board *board;
	const struct plan *plan;              /* of the start */
	const struct settings_view *settings; /* what is in force now */
	const void *memory; /* of the node, for peers; read only */
	int64_t started;    /* seconds since 1970 */
	int pid;            /* of the daemon: its monitor */
};

enum {
	ANSWER_SPACE = 96 << 10, /* the longest, but for peers */
	PEER_SPACE = 512,        /* the longest element of these */
};

/* Facts, and the verdict on them: of now, in ns. */
struct view {
	struct facts facts;
	uint64_t now;
	int64_t clock; /* the same time, in seconds since 1970 */
	enum verdict verdict;
	unsigned notes; /* bits of enum note */
};

void view_take(struct view *v, const struct show *s);

/* "{" and what every answer begins with. */
void answer_begin(struct json *j);

/* An object: error, advice, code; whole. advice may be NULL. */
void answer_error(struct json *j, const char *code, const char *error,
		  const char *advice);

/* Whole answers but for the end of the line. */
typedef void answer_fn(struct json *j, const struct show *s);

answer_fn answer_status, answer_metrics, answer_config;
void answer_log(struct json *j, const struct show *s, unsigned lines);

/*
 * What has become of a request to change something. An answer of the reader is
 * not believed more than it can be shown. is_in_force: the packet process goes
 * by it.
 */
struct reader_answer;
void answer_reload(struct json *j, const struct reader_answer *a,
		   bool is_in_force);

/* A line of `monitor`, with its end. */
void event_status(struct json *j, const struct show *s, const struct view *v);
void event_log(struct json *j, const struct journal_line *l);

/* The first line of `status`, for people: 160 bytes. */
void answer_headline(char *text, size_t size, const struct view *v);

/*
 * Peers, which may be a million: as much as there is room for, and not for
 * long. Those with traffic come first. True when that was all.
 */
struct peers_cursor {
	uint64_t limit, shown; /* limit 0 = none */
	uint32_t at;
	unsigned pass; /* 0 = begin; 1 = with traffic; 2 = without; 3 = end */
};

bool answer_peers(struct json *j, const struct show *s, struct peers_cursor *c);

#endif
