/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * miredoctl: whatever a daemon answers, be it JSON of any shape, is shown
 * without control characters.
 */
#include "fuzz.h"

#include "../src/ctl/ask.h"
#include "../src/ctl/config.h"
#include "../src/ctl/events.h"
#include "../src/ctl/metrics.h"
#include "../src/ctl/peers.h"
#include "../src/ctl/status.h"

static void show_peers(struct page *p, const json_t *answer)
{
	static const char *const orders[] = {"rate", "age", "address"};
	struct peer_list now, before;

	WANT(peers_read(&now, answer) && peers_read(&before, answer));
	peers_rate(&now, &before, 1);
	for (unsigned i = 0; i < 3; i++) {
		peers_sort(&now, orders[i]);
		peers_show(p, &now, 3);
	}
	peers_free(&now);
	peers_free(&before);
}

static void show_all(struct page *p, const json_t *answer)
{
	show_status(p, answer);
	show_config(p, answer, true);
	show_reload(p, answer);
	show_event(p, answer);
	show_log_line(p, answer);
	show_peers(p, answer);
	show_metrics(p->out, answer, METRICS_PROMETHEUS);
	show_metrics(p->out, answer, METRICS_OPEN);
	page_end(p);
	status_of(answer);
}

/* The first byte is how wide the terminal is, 0 = there is none. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct page p = {.utf8 = true};
	char *text = NULL;
	const char *why;
	json_t *answer;
	size_t len;

	if (!size)
		return 0;
	p.width = data[0];
	answer = ask_parse((const char *)data + 1, size - 1, &why);
	WANT(!answer == (why != NULL));
	if (!answer)
		return 0;
	p.out = open_memstream(&text, &len);
	WANT(p.out);
	show_all(&p, answer);
	fclose(p.out);
	for (size_t i = 0; i < len; i++)
		WANT(text[i] == '\n' || (unsigned char)text[i] >= ' ');
	free(text);
	json_decref(answer);
	return 0;
}
