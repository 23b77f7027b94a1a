/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be asked, and what becomes of it (see request.h). */
#include "request.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PEERS_USUAL = 1000,
	LINES_USUAL = 32,
	TAKING_S = 2, /* the packet process may be busy, or just being born */
};

uint64_t request_deadline(void)
{
	return clock_now() + PATIENCE_MS * NS_PER_MS;
}

/* --- writing --- */

static void rest_of(const struct connection *c, struct json *j)
{
	json_init(j, (char *)(uintptr_t)c->buffer + c->n,
		  sizeof(c->buffer) - c->n);
}

static void take(struct connection *c, const struct json *j)
{
	c->n += j->n;
}

/* An answer in one piece; what is longer than the buffer is an error. */
static void conclude(struct connection *c, struct json *j)
{
	json_end(j);
	if (!json_is_whole(j)) {
		rest_of(c, j);
		answer_error(j, "failed", "the answer is too long",
			     "this is a bug: report it");
		json_end(j);
	}
	take(c, j);
	c->job = JOB_END;
}

void request_refuse(struct connection *c, const char *code, const char *error,
		    const char *advice)
{
	struct json j;

	rest_of(c, &j);
	answer_error(&j, code, error, advice);
	conclude(c, &j);
}

/* Lines that came since; who has missed some sees the next. */
static void add_lines(struct control *k, struct connection *c)
{
	const struct journal *from = &k->show.board->journal;
	uint32_t newest = __atomic_load_n(&from->newest, __ATOMIC_ACQUIRE);
	struct journal_line l;

	if (newest - c->line > JOURNAL_LINES)
		c->line = newest - JOURNAL_LINES;
	while (c->line != newest) {
		struct json j;

		rest_of(c, &j);
		if (journal_read(from, ++c->line, &l))
			event_log(&j, &l);
		if (json_is_whole(&j))
			take(c, &j);
	}
}

static void add_status(struct control *k, struct connection *c)
{
	struct view v;
	struct json j;

	view_take(&v, &k->show);
	rest_of(c, &j);
	event_status(&j, &k->show, &v);
	if (json_is_whole(&j))
		take(c, &j);
}

/* What is not read is dropped, and then the one who does not read. */
void request_go_on(struct control *k, struct connection *c)
{
	bool was_quiet = c->n == 0;
	struct json j;

	if (c->job == JOB_MONITOR && k->is_news)
		add_status(k, c);
	if (c->job == JOB_MONITOR)
		add_lines(k, c);
	if (was_quiet && c->n)
		c->until = request_deadline();
	if (c->job != JOB_PEERS)
		return;
	rest_of(c, &j);
	if (answer_peers(&j, &k->show, &c->peers))
		conclude(c, &j);
	else
		take(c, &j);
}

/* --- requests --- */

static bool number_of(const char *s, uint32_t usual, uint32_t *n)
{
	*n = usual;
	return !*s || value_number(n, s, 0, UINT32_MAX);
}

static void give(struct control *k, struct connection *c, answer_fn *answer)
{
	struct json j;

	rest_of(c, &j);
	answer(&j, &k->show);
	conclude(c, &j);
}

static void do_log(struct control *k, struct connection *c, const char *arg)
{
	struct json j;
	uint32_t n;

	if (!number_of(arg, LINES_USUAL, &n)) {
		request_refuse(c, "bad-request", "log: not a number of lines",
			       NULL);
		return;
	}
	rest_of(c, &j);
	answer_log(&j, &k->show, n);
	conclude(c, &j);
}

static void do_peers(struct control *k, struct connection *c, const char *arg)
{
	uint32_t n;

	(void)k;
	if (!number_of(arg, PEERS_USUAL, &n)) {
		request_refuse(c, "bad-request", "peers: not a number of peers",
			       NULL);
		return;
	}
	c->peers = (struct peers_cursor){.limit = n};
	c->job = JOB_PEERS;
}

static void do_monitor(struct control *k, struct connection *c, const char *arg)
{
	(void)arg;
	c->job = JOB_MONITOR;
	c->line = __atomic_load_n(&k->show.board->journal.newest,
				  __ATOMIC_ACQUIRE);
	add_status(k, c);
}

/* One at a time. */
static void ask_reader(struct control *k, struct connection *c, uint32_t verb,
		       uint32_t seconds)
{
	const struct reader_request q = {.verb = verb, .seconds = seconds};

	if (k->is_asked) {
		request_refuse(c, "busy",
			       "the configuration is being read just now",
			       "try again");
		return;
	}
	if (k->reader < 0 || send(k->reader, &q, sizeof(q),
				  MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(q)) {
		request_refuse(
			c, "failed",
			"the process that reads the configuration is gone",
			"start the daemon again");
		return;
	}
	k->is_asked = true;
	k->asked_by = c;
	c->job = JOB_RELOAD;
}

static void do_reload(struct control *k, struct connection *c, const char *arg)
{
	uint32_t seconds;

	if (!number_of(arg, 0, &seconds) || seconds > READER_SECONDS_MAX)
		request_refuse(c, "bad-request",
			       "reload: not a number of seconds", "1 to 86400");
	else
		ask_reader(k, c, READER_RELOAD, seconds);
}

static void do_keep(struct control *k, struct connection *c, const char *arg)
{
	(void)arg;
	ask_reader(k, c, READER_KEEP, 0);
}

static void do_undo(struct control *k, struct connection *c, const char *arg)
{
	(void)arg;
	ask_reader(k, c, READER_UNDO, 0);
}

static void release(struct control *k)
{
	k->is_asked = false;
	k->asked_by = NULL;
	k->hold_until = 0;
}

/* The board is believed so far: who lies on it says so of itself. */
static bool is_taken(const struct control *k)
{
	return (int32_t)(board_settings(k->show.board) - k->answer.serial) >= 0;
}

void request_hold(struct control *k)
{
	struct connection *c = k->asked_by;
	bool taken;
	struct json j;

	if (!k->hold_until)
		return;
	taken = is_taken(k);
	if (c && !taken && !k->answer.failed && clock_now() < k->hold_until)
		return;
	release(k);
	if (!c)
		return;
	rest_of(c, &j);
	answer_reload(&j, &k->answer, taken);
	conclude(c, &j);
	c->until = request_deadline();
}

/* What it has read, for who asked; he may have gone meanwhile. */
void request_on_reader(struct control *k)
{
	struct connection *c = k->asked_by;
	ssize_t n =
		recv(k->reader, &k->answer, sizeof(k->answer), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == sizeof(k->answer)) {
		k->hold_until = clock_now() + TAKING_S * NS_PER_S;
		request_hold(k);
		return;
	}
	close(k->reader);
	k->reader = -1;
	release(k);
	if (!c)
		return;
	request_refuse(c, "failed",
		       "the process that reads the configuration is gone",
		       "start the daemon again");
	c->until = request_deadline();
}

static const struct verb {
	const char *name;
	answer_fn *answer; /* the whole of it; NULL = there is more to do: */
	void (*run)(struct control *k, struct connection *c, const char *arg);
	bool changes, takes;
} verbs[] = {
	{"status", .answer = answer_status},
	{"peers", .run = do_peers, .takes = true},
	{"monitor", .run = do_monitor},
	{"log", .run = do_log, .takes = true},
	{"metrics", .answer = answer_metrics},
	{"config", .answer = answer_config},
	{"reload", .run = do_reload, .changes = true, .takes = true},
	{"keep", .run = do_keep, .changes = true},
	{"undo", .run = do_undo, .changes = true},
};

void request_run(struct control *k, struct connection *c, char *line)
{
	size_t n = strcspn(line, " ");
	const char *arg = line[n] ? line + n + 1 : "";

	line[n] = '\0';
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(line, v->name) != 0)
			continue;
		if (*arg && !v->takes)
			break;
		if (v->changes && !c->may_change)
			request_refuse(c, "denied",
				       "you may not change this daemon",
				       "be root, or a member of ControlGroup");
		else if (v->answer)
			give(k, c, v->answer);
		else
			v->run(k, c, arg);
		return;
	}
	request_refuse(c, "bad-request", "there is no such request",
		       "miredoctl may be of another version than the daemon");
}
