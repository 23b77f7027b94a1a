/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What anybody may send to the control socket: whatever the line, there is one
 * answer, of one JSON value in one line; who may not change anything gets no
 * word to the reader.
 */
#include "fuzz.h"
#include "json_line.h"

#include <sys/socket.h>
#include <unistd.h>

#include "../src/sys/reader.h"
#include "../src/sys/request.h"

enum {
	PEERS = 64
};

static struct conf conf;
static struct plan plan;
static struct board *board;
static void *memory;
static struct control k;
static int reader[2];

static void make(void)
{
	conf_defaults(&conf);
	plan.conf = &conf;
	plan.threads = 1;
	plan.node.is_relay = true;
	plan.node.prefix = TEREDO_PREFIX;
	plan.node.relay = relay_defaults;
	plan.node.relay.max_peers = PEERS;
	plan.node.relay.max_held = 1;
	board = calloc(1, board_size(1));
	memory = calloc(1, node_memory(&plan.node));
	WANT(board && memory &&
	     socketpair(AF_UNIX, SOCK_SEQPACKET, 0, reader) == 0);
	k.show = (struct show){
		.board = board,
		.plan = &plan,
		.settings = &k.settings,
		.memory = memory,
	};
	k.settings.conf = conf;
}

/* What the reader was asked: nothing, or what it can be. */
static bool was_asked(void)
{
	struct reader_request q;
	ssize_t n = recv(reader[1], &q, sizeof(q), MSG_DONTWAIT);

	WANT(n < 0 || (n == sizeof(q) && reader_request_is_valid(&q)));
	return n > 0;
}

static void whole(struct connection *c)
{
	for (unsigned i = 0; c->job == JOB_PEERS; i++) {
		WANT(i < 100);
		request_go_on(&k, c);
	}
	WANT(c->n < sizeof(c->buffer));
	WANT(is_json_line(c->buffer, c->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct connection c;
	size_t n;

	if (size < 1)
		return 0;
	if (!board)
		make();
	n = size - 1 < REQUEST - 1 ? size - 1 : REQUEST - 1;
	c = (struct connection){.may_change = data[0] & 1};
	k.reader = data[0] & 2 ? -1 : reader[0];
	k.is_asked = data[0] & 4;
	k.asked_by = NULL;
	memcpy(c.request, data + 1, n);
	c.request[n] = '\0';
	request_run(&k, &c, c.request);
	if (was_asked())
		WANT(c.may_change && c.job == JOB_RELOAD && k.asked_by == &c);
	else
		whole(&c);
	return 0;
}
