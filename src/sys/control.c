/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control process (see control.h): one loop, no allocation, and nothing of
 * it waits for anybody.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "control.h"
#include "log.h"
#include "notify.h"
#include "reader.h"
#include "verdict.h"

enum {
	CONNECTIONS = 32,
	OF_ROOT = 8, /* of these for root alone */
	OF_ONE = 8,  /* for any other user */
	OTHERS = 4,  /* descriptors that are waited for */
	REQUEST = 256,
	GROUPS = 128, /* of a peer; who has more is known by the first */
	PATIENCE_MS = 5000,
	LINES_MS = 250, /* how soon who monitors sees a line */
	PEERS_USUAL = 1000,
	LINES_USUAL = 32,
};

enum job {
	JOB_ASK,     /* the request is not whole yet */
	JOB_PEERS,   /* the answer is not whole yet */
	JOB_RELOAD,  /* the reader is at it */
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

static struct control {
	const struct control_task *task;
	struct show show;
	struct settings_view settings;
	int reader;                  /* -1 = it is gone */
	bool is_asked;               /* the reader has not answered yet */
	struct connection *asked_by; /* NULL = who asked has gone */
	struct connection v[CONNECTIONS];
	bool is_news;  /* the bell has rung */
	uint64_t beat; /* of the facts that the service manager heard of */
} ctl;

static uint64_t deadline(void)
{
	return clock_now() + PATIENCE_MS * NS_PER_MS;
}

static void end(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	if (ctl.asked_by == c)
		ctl.asked_by = NULL;
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

static void refuse(struct connection *c, const char *code, const char *error,
		   const char *advice)
{
	struct json j;

	rest_of(c, &j);
	answer_error(&j, code, error, advice);
	conclude(c, &j);
}

/* Lines that came since; who has missed some sees the next. */
static void add_lines(struct connection *c)
{
	const struct journal *from = &ctl.show.board->journal;
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

static void add_status(struct connection *c)
{
	struct view v;
	struct json j;

	view_take(&v, &ctl.show);
	rest_of(c, &j);
	event_status(&j, &ctl.show, &v);
	if (json_is_whole(&j))
		take(c, &j);
}

/* What is not read is dropped, and then the one who does not read. */
static void go_on(struct connection *c)
{
	bool was_quiet = c->n == 0;
	struct json j;

	if (c->job == JOB_MONITOR && ctl.is_news)
		add_status(c);
	if (c->job == JOB_MONITOR)
		add_lines(c);
	if (was_quiet && c->n)
		c->until = deadline();
	if (c->job != JOB_PEERS)
		return;
	rest_of(c, &j);
	if (answer_peers(&j, &ctl.show, &c->peers))
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

static void do_status(struct connection *c, const char *arg)
{
	struct view v;
	struct json j;

	(void)arg;
	view_take(&v, &ctl.show);
	rest_of(c, &j);
	answer_status(&j, &ctl.show, &v);
	conclude(c, &j);
}

static void do_metrics(struct connection *c, const char *arg)
{
	struct json j;

	(void)arg;
	rest_of(c, &j);
	answer_metrics(&j, &ctl.show);
	conclude(c, &j);
}

static void do_config(struct connection *c, const char *arg)
{
	struct json j;

	(void)arg;
	rest_of(c, &j);
	answer_config(&j, &ctl.show);
	conclude(c, &j);
}

static void do_log(struct connection *c, const char *arg)
{
	struct json j;
	uint32_t n;

	if (!number_of(arg, LINES_USUAL, &n)) {
		refuse(c, "bad-request", "log: not a number of lines", NULL);
		return;
	}
	rest_of(c, &j);
	answer_log(&j, &ctl.show, n);
	conclude(c, &j);
}

static void do_peers(struct connection *c, const char *arg)
{
	uint32_t n;

	if (!number_of(arg, PEERS_USUAL, &n)) {
		refuse(c, "bad-request", "peers: not a number of peers", NULL);
		return;
	}
	c->peers = (struct peers_cursor){.limit = n};
	c->job = JOB_PEERS;
}

static void do_monitor(struct connection *c, const char *arg)
{
	(void)arg;
	c->job = JOB_MONITOR;
	c->line = __atomic_load_n(&ctl.show.board->journal.newest,
				  __ATOMIC_ACQUIRE);
	add_status(c);
}

/* One at a time. */
static void ask_reader(struct connection *c, uint32_t verb, uint32_t seconds)
{
	const struct reader_request q = {.verb = verb, .seconds = seconds};

	if (ctl.is_asked) {
		refuse(c, "busy", "the configuration is being read just now",
		       "try again");
		return;
	}
	if (ctl.reader < 0 || send(ctl.reader, &q, sizeof(q),
				   MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(q)) {
		refuse(c, "failed",
		       "the process that reads the configuration is gone",
		       "start the daemon again");
		return;
	}
	ctl.is_asked = true;
	ctl.asked_by = c;
	c->job = JOB_RELOAD;
}

static void do_reload(struct connection *c, const char *arg)
{
	uint32_t seconds;

	if (!number_of(arg, 0, &seconds) || seconds > READER_SECONDS_MAX)
		refuse(c, "bad-request", "reload: not a number of seconds",
		       "1 to 86400");
	else
		ask_reader(c, READER_RELOAD, seconds);
}

static void do_keep(struct connection *c, const char *arg)
{
	(void)arg;
	ask_reader(c, READER_KEEP, 0);
}

static void do_undo(struct connection *c, const char *arg)
{
	(void)arg;
	ask_reader(c, READER_UNDO, 0);
}

static void send_rest(struct connection *c);

/* What it has read, for who asked; he may have gone meanwhile. */
static void on_reader(void)
{
	static struct reader_answer a;
	struct connection *c = ctl.asked_by;
	ssize_t n = recv(ctl.reader, &a, sizeof(a), MSG_DONTWAIT);
	struct json j;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ctl.is_asked = false;
	ctl.asked_by = NULL;
	if (n != sizeof(a)) {
		close(ctl.reader);
		ctl.reader = -1;
	}
	if (!c)
		return;
	if (n != sizeof(a)) {
		refuse(c, "failed",
		       "the process that reads the configuration is gone",
		       "start the daemon again");
	} else {
		rest_of(c, &j);
		answer_reload(&j, &a);
		conclude(c, &j);
	}
	c->until = deadline();
	send_rest(c);
}

static const struct verb {
	const char *name;
	void (*run)(struct connection *c, const char *arg);
	bool changes, takes;
} verbs[] = {
	{"status", do_status, false, false},
	{"peers", do_peers, false, true},
	{"monitor", do_monitor, false, false},
	{"log", do_log, false, true},
	{"metrics", do_metrics, false, false},
	{"config", do_config, false, false},
	{"reload", do_reload, true, true},
	{"keep", do_keep, true, false},
	{"undo", do_undo, true, false},
};

static void run(struct connection *c, char *line)
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
			refuse(c, "denied", "you may not change this daemon",
			       "be root, or a member of ControlGroup");
		else
			v->run(c, arg);
		return;
	}
	refuse(c, "bad-request", "there is no such request",
	       "miredoctl may be of another version than the daemon");
}

static void receive(struct connection *c)
{
	char *at = c->request + c->n_request, *newline;
	ssize_t n = recv(c->fd, at, REQUEST - c->n_request, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(c);
		return;
	}
	c->n_request += (unsigned)n;
	newline = memchr(c->request, '\n', c->n_request);
	if (newline) {
		*newline = '\0';
		c->until = deadline();
		run(c, c->request);
	} else if (c->n_request == REQUEST) {
		refuse(c, "bad-request", "the request is too long", NULL);
	}
}

/* Whoever has nothing more to ask may only go. */
static void listen_on(struct connection *c)
{
	char more[64];
	ssize_t n = recv(c->fd, more, sizeof(more), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end(c);
}

static void send_rest(struct connection *c)
{
	ssize_t n = send(c->fd, c->buffer + c->sent, c->n - c->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		end(c);
		return;
	}
	if (n <= 0)
		return;
	c->sent += (size_t)n;
	c->until = deadline();
	if (c->sent < c->n)
		return;
	c->sent = c->n = 0;
	if (c->job == JOB_END)
		end(c);
}

/* --- who asks --- */

static bool is_member(int fd, const struct ucred *who, gid_t group)
{
	gid_t v[GROUPS];
	socklen_t n = sizeof(v);

	if (who->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, v, &n) < 0)
		return false;
	for (unsigned i = 0; i < n / sizeof(v[0]); i++) {
		if (v[i] == group)
			return true;
	}
	return false;
}

static struct connection *place_for(uid_t uid)
{
	struct connection *unused = NULL;
	unsigned n_unused = 0, of_him = 0;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &ctl.v[i];

		if (c->fd < 0) {
			unused = c;
			n_unused++;
		} else if (c->uid == uid) {
			of_him++;
		}
	}
	if (uid != 0 && (of_him >= OF_ONE || n_unused <= OF_ROOT))
		return NULL;
	return unused;
}

static void turn_away(int fd)
{
	char text[256];
	struct json j;

	json_init(&j, text, sizeof(text));
	answer_error(&j, "busy", "too many ask this daemon at once",
		     "try again, or end some");
	json_end(&j);
	/* Who does not get it sees the end. */
	if (send(fd, text, j.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		errno = 0;
	close(fd);
}

static void accept_one(void)
{
	const struct control_task *t = ctl.task;
	struct ucred who = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	socklen_t size = sizeof(who);
	struct connection *c;
	int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	c = place_for(who.uid);
	if (!c) {
		turn_away(fd);
		return;
	}
	c->fd = fd;
	c->uid = who.uid;
	c->may_change = who.uid == 0 || who.uid == geteuid() ||
			(t->has_group && is_member(fd, &who, t->group));
	c->job = JOB_ASK;
	c->n_request = 0;
	c->sent = c->n = 0;
	c->until = deadline();
}

/* --- the loop --- */

/* What a service manager shows of us: and that we move, as long as we do. */
static void tell_manager(void)
{
	struct view v;
	char text[160];

	view_take(&v, &ctl.show);
	if (ctl.is_news) {
		answer_headline(text, sizeof(text), &v);
		notify_send("STATUS=%s", text);
	}
	if (v.facts.at == ctl.beat || v.verdict == VERDICT_STUCK)
		return;
	ctl.beat = v.facts.at;
	notify_send("WATCHDOG=1");
}

static bool has_more(const struct connection *c)
{
	return c->job == JOB_PEERS && c->n + PEER_SPACE < sizeof(c->buffer);
}

static int timeout_ms(void)
{
	int ms = -1;

	if (notify_watchdog())
		ms = (int)(notify_watchdog() / BEATS / 2 / NS_PER_MS) + 1;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = &ctl.v[i];

		if (c->fd < 0)
			continue;
		if (has_more(c))
			return 0;
		if (c->job == JOB_MONITOR)
			return LINES_MS;
		ms = PATIENCE_MS;
	}
	return ms;
}

/* Is it time to lose patience with it? A monitor that reads may be quiet. */
static bool is_late(const struct connection *c, uint64_t now)
{
	if (c->job == JOB_MONITOR || c->job == JOB_RELOAD)
		return now >= c->until && c->n > 0;
	return now >= c->until;
}

static void serve(struct connection *c, short events)
{
	if (events & (POLLIN | POLLHUP | POLLERR)) {
		if (c->job == JOB_ASK)
			receive(c);
		else
			listen_on(c);
	}
	if (c->fd >= 0)
		go_on(c);
	if (c->fd >= 0 && c->n > c->sent)
		send_rest(c);
	if (c->fd >= 0 && is_late(c, clock_now()))
		end(c);
}

static void take_bell(void)
{
	uint64_t times;

	ctl.is_news =
		read(ctl.task->bell, &times, sizeof(times)) == sizeof(times);
}

static void look_at_settings(void)
{
	static struct settings_view now;

	if (!settings_read(ctl.task->settings, &now))
		return; /* the next time */
	ctl.is_news |= now.serial != ctl.settings.serial ||
		       now.failed != ctl.settings.failed ||
		       now.confirm_until != ctl.settings.confirm_until;
	ctl.settings = now;
}

static void wait_and_serve(void)
{
	struct pollfd p[OTHERS + CONNECTIONS] = {
		{.fd = ctl.task->listener, .events = POLLIN},
		{.fd = ctl.task->bell, .events = POLLIN},
		{.fd = ctl.task->life, .events = POLLIN},
		{.fd = ctl.reader, .events = POLLIN},
	};

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = &ctl.v[i];

		p[OTHERS + i].fd = c->fd;
		p[OTHERS + i].events = POLLIN;
		if (c->n > c->sent)
			p[OTHERS + i].events |= POLLOUT;
	}
	if (poll(p, OTHERS + CONNECTIONS, timeout_ms()) < 0)
		return;
	take_bell();
	look_at_settings();
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		if (p[OTHERS + i].fd >= 0)
			serve(&ctl.v[i], p[OTHERS + i].revents);
	}
	if (p[0].revents)
		accept_one();
	if (p[2].revents)
		exit(STATUS_OK);
	if (p[3].revents)
		on_reader();
	tell_manager();
}

_Noreturn void control_run(const struct control_task *t)
{
	ctl.task = t;
	ctl.show = t->show;
	ctl.show.settings = &ctl.settings;
	ctl.settings.conf = *t->show.plan->conf;
	ctl.reader = t->reader;
	look_at_settings();
	for (unsigned i = 0; i < CONNECTIONS; i++)
		ctl.v[i].fd = -1;
	ctl.is_news = true;
	tell_manager();
	for (;;)
		wait_and_serve();
}
