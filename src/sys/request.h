/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the control socket: from a line to an answer in the buffer of its
 * connection. Who is connected, and when it is sent, is control.c's. */
#ifndef SYS_REQUEST_H
#define SYS_REQUEST_H

#include <sys/types.h>

#include "control.h"
#include "reader.h"

enum {
	CONNECTIONS = 32,
	REQUEST = 256,
	PATIENCE_MS = 5000 /* with who does not get on */
};

enum job {
	JOB_ASK,     /* the request is not whole yet */
	JOB_PEERS,   /* the answer is not whole yet */
	JOB_RELOAD,  /* the reader is at it, or the packet process */
	JOB_MONITOR, /* there is always more to say */
	JOB_END,     /* all that is left is to send it */
};

struct connection {
	int fd; /* -1 = unused */
	uid_t uid;
	bool may_change;
	enum job job;
	uint64_t until; /* ns; closed then, unless it gets on */
	char request[REQUEST];
	unsigned n_request;
	struct peers_cursor peers;
	uint32_t line;  /* the last that was shown */
	size_t sent, n; /* of the buffer */
	char buffer[ANSWER_SPACE];
};

struct control {
	const struct control_task *task;
	struct show show;
	struct settings_view settings;
	uint32_t turn; /* of the settings, no later than what was read */
	bool has_settings;
	int reader;                  /* -1 = it is gone */
	bool is_asked;               /* the reader has not answered yet */
	struct connection *asked_by; /* NULL = who asked has gone */
	struct reader_answer answer; /* of the reader, which is held until */
	uint64_t hold_until; /* the packet process goes by it, or this, ns; 0 =
				none is */
	struct connection v[CONNECTIONS];
	bool is_news;  /* the bell has rung */
	uint64_t beat; /* of the facts that the service manager heard of */
};

/* Who does not get on is waited for until then; ns. */
uint64_t request_deadline(void);

/* Do what a line wants; it is changed. */
void request_run(struct control *k, struct connection *c, char *line);

/* An error, and the end. advice may be NULL. */
void request_refuse(struct connection *c, const char *code, const char *error,
		    const char *advice);

/* Add what there is more to say, if there is. */
void request_go_on(struct control *k, struct connection *c);

/* The reader has answered. */
void request_on_reader(struct control *k);

/* Give its answer when the packet process has taken what was read, or after two
 * seconds, when it is told that it has not. */
void request_hold(struct control *k);

#endif
