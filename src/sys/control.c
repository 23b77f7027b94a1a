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
#include "log.h"
#include "notify.h"
#include "request.h"
#include "verdict.h"

enum {
	OF_ROOT = 8,    /* of these for root alone */
	OF_ONE = 8,     /* for any other user */
	OTHERS = 4,     /* descriptors that are waited for */
	GROUPS = 128,   /* of a peer; who has more is known by the first */
	LINES_MS = 250, /* how soon who monitors sees a line */
	HOLD_MS = 100,  /* the bell rings, if all is well */
};

static struct control ctl;

static void end(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	if (ctl.asked_by == c)
		ctl.asked_by = NULL;
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
		c->until = request_deadline();
		request_run(&ctl, c, c->request);
	} else if (c->n_request == REQUEST) {
		request_refuse(c, "bad-request", "the request is too long",
			       NULL);
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
	c->until = request_deadline();
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
			(ctl.settings.has_group &&
			 is_member(fd, &who, ctl.settings.group));
	c->job = JOB_ASK;
	c->n_request = 0;
	c->sent = c->n = 0;
	c->until = request_deadline();
}

/* --- the loop --- */

/* What a service manager shows of us: and that we move, as long as we do. */
static void tell_manager(void)
{
	struct view v;
	char text[160];

	if (notify_descriptor() < 0)
		return;
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
	if (ctl.hold_until)
		return HOLD_MS;
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
		request_go_on(&ctl, c);
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
	uint32_t turn = settings_turn(ctl.task->settings);

	/* A copy is large, and there is seldom another. */
	if (ctl.has_settings && turn == ctl.turn)
		return;
	if (!settings_read(ctl.task->settings, &now))
		return; /* the next time */
	ctl.has_settings = true;
	ctl.turn = turn;
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
		request_on_reader(&ctl);
	request_hold(&ctl);
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
