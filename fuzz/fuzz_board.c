/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the packet process shows of itself, should somebody have taken it over:
 * whatever stands on the board and in the slabs of peers, each answer is one
 * JSON value in one line, and nothing outside of them is read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "json_line.h"

#include "../src/sys/answer.h"

enum {
	LANES = 2,
	PEERS = 64
};

static struct conf conf;
static struct options options;
static struct plan plan;
static struct settings_view settings;
static char text[ANSWER_SPACE];

static void check(struct json *j, bool has_end)
{
	if (!has_end)
		json_end(j);
	WANT(json_is_whole(j));
	WANT(is_json_line(text, j->n));
}

/* --- */

static void *exactly(size_t n, const uint8_t *data, size_t size)
{
	uint8_t *p = malloc(n);

	WANT(p);
	/* Short inputs fill it again and again, each time with another twist,
	 * so that large counts and small ones are there. */
	for (size_t i = 0; i < n; i++)
		p[i] = size ? data[i % size] ^ (uint8_t)(i / size % 3) : 0;
	return p;
}

static void all(const struct show *s)
{
	struct peers_cursor cursor = {0};
	struct journal_line line;
	struct view v;
	struct json j;
	char headline[160];

	view_take(&v, s);
	json_init(&j, text, sizeof(text) - 1);
	answer_status(&j, s);
	check(&j, false);
	json_init(&j, text, sizeof(text) - 1);
	answer_metrics(&j, s);
	check(&j, false);
	json_init(&j, text, sizeof(text) - 1);
	answer_log(&j, s, JOURNAL_LINES);
	check(&j, false);
	json_init(&j, text, sizeof(text) - 1);
	event_status(&j, s, &v);
	check(&j, true);
	if (journal_read(&s->board->journal, s->board->journal.newest, &line)) {
		json_init(&j, text, sizeof(text) - 1);
		event_log(&j, &line);
		check(&j, true);
	}
	answer_headline(headline, sizeof(headline), &v);
	json_init(&j, text, sizeof(text) - 1);
	for (unsigned i = 0; !answer_peers(&j, s, &cursor); i++)
		WANT(i < 100);
	check(&j, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct show s = {.plan = &plan, .started = 1000000000, .pid = 1};
	size_t space = board_size(LANES);
	struct board *b;
	void *memory;

	if (size < 1)
		return 0;
	conf_defaults(&conf);
	conf.n_servers = 1;
	strcpy(conf.servers[0].host, "a\"\\\n\xff");
	conf.probe.b[0] = data[0] & 0x20;
	settings.conf = conf;
	s.settings = &settings;
	plan.conf = &conf;
	plan.options = &options;
	plan.threads = LANES;
	plan.node.is_client = data[0] & 1;
	plan.node.is_relay = data[0] & 2;
	plan.node.is_server = data[0] & 4;
	plan.node.prefix = TEREDO_PREFIX;
	plan.node.client = client_defaults;
	plan.node.client.max_peers = PEERS;
	plan.node.client.max_held = 1;
	plan.node.relay = relay_defaults;
	plan.node.relay.max_peers = PEERS;
	plan.node.relay.max_held = 1;
	b = exactly(space, data, size);
	memory = exactly(node_memory(&plan.node), data + 1, size - 1);
	s.board = b;
	s.memory = memory;
	all(&s);
	free(b);
	free(memory);
	return 0;
}
