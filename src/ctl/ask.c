/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"

/* 100000 peers are 30 MB. */
struct ask_limits ask_limits = {
	.places = {"/run/miredo/control", "/run/miredo-server/control"},
	.others = "/run/miredo-*/control",
	.size = 64 << 20,
	.silence_ms = 5000,
	.all_ms = 30000,
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A descriptor, or -errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	long until = now_ms() + ask_limits.silence_ms;
	int fd, e;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: more are waiting than the daemon lets wait. */
	while (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		e = errno;
		if (e != EAGAIN || now_ms() > until) {
			close(fd);
			return -e;
		}
		poll(NULL, 0, 20);
	}
	return fd;
}

static int say_why(const char *path, int error)
{
	struct stat st;

	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return ctl_fail(CTL_NO_DAEMON,
				"there is no daemon at %s: it is not running, "
				"or its ControlSocket is another\n"
				"  start it:  systemctl start miredo",
				path);
	case ECONNREFUSED:
		if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
			return ctl_fail(CTL_NO_DAEMON, "%s is no socket", path);
		return ctl_fail(CTL_NO_DAEMON,
				"miredo is not running: nobody is behind %s, "
				"which a former one has left\n"
				"  start it:  systemctl start miredo",
				path);
	case EACCES:
	case EPERM:
		return ctl_fail(CTL_NO_DAEMON,
				"no permission to ask at %s\n"
				"  see:  namei -l %s",
				path, path);
	case EAGAIN:
		return ctl_fail(CTL_NO_DAEMON,
				"too many are asking at %s already\n"
				"  see who:  ss -xp src %s",
				path, path);
	default:
		return ctl_fail(CTL_NO_DAEMON, "cannot ask at %s: %s", path,
				strerror(error));
	}
}

static bool is_missing(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

/* Nobody is at the usual places: is somebody at another? */
static void say_nobody(void)
{
	glob_t g;

	if (glob(ask_limits.others, 0, NULL, &g) == 0)
		ctl_fail(CTL_NO_DAEMON,
			 "miredo is not running, but another of its name is%s\n"
			 "  ask it:  miredoctl --socket %s",
			 g.gl_pathc > 1 ? ", and not the only one" : "",
			 g.gl_pathv[0]);
	else
		ctl_fail(CTL_NO_DAEMON, "miredo is not running, or "
					"ControlSocket is none\n"
					"  start it:  systemctl start miredo");
	globfree(&g);
}

/* A descriptor, or -1 after having said why. */
static int connect_any(const struct ctl *c)
{
	const char *const *places = ask_limits.places;
	int first, second;

	first = connect_to(c->socket ? c->socket : places[0]);
	if (first >= 0)
		return first;
	if (c->socket) {
		say_why(c->socket, -first);
		return -1;
	}
	second = connect_to(places[1]);
	if (second >= 0)
		return second;
	if (!is_missing(-first))
		say_why(places[0], -first);
	else if (!is_missing(-second))
		say_why(places[1], -second);
	else
		say_nobody();
	return -1;
}

bool ask_is_ambiguous(const struct ctl *c)
{
	int fds[2];
	bool both;

	if (c->socket)
		return false;
	for (int i = 0; i < 2; i++)
		fds[i] = connect_to(ask_limits.places[i]);
	both = fds[0] >= 0 && fds[1] >= 0;
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (both)
		ctl_fail(CTL_USAGE,
			 "two daemons are running: which one?\n"
			 "  say:  --socket %s  or  --socket %s",
			 ask_limits.places[0], ask_limits.places[1]);
	return both;
}

static int bad_answer(const char *what)
{
	return ctl_fail(CTL_NO_DAEMON,
			"what answers is not miredo, or not well: %s\n"
			"  see its log:  journalctl -u miredo",
			what);
}

/* Ready to be read within that time? */
static bool wait_for(int fd, long ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	long until = now_ms() + ms;
	int got;

	do
		got = poll(&p, 1, ms < 0 ? -1 : (int)ms);
	while (got < 0 && errno == EINTR &&
	       (ms < 0 || (ms = until - now_ms()) >= 0));
	return got > 0;
}

static bool grow(struct stream *s)
{
	size_t room = s->room ? 2 * s->room : 65536;
	char *buf;

	if (s->len < s->room)
		return true;
	buf = realloc(s->buf, room);
	if (!buf)
		return false;
	s->buf = buf;
	s->room = room;
	return true;
}

/* More bytes: how many, 0 = the end, -1 = said why not. */
static ssize_t fill(struct stream *s, long ms)
{
	ssize_t got;

	do {
		if (!wait_for(s->fd, ms)) {
			bad_answer("it does not answer");
			return -1;
		}
		if (s->len >= ask_limits.size || !grow(s)) {
			bad_answer("it says more than it can have to say");
			return -1;
		}
		got = recv(s->fd, s->buf + s->len, s->room - s->len, 0);
	} while (got < 0 && (errno == EAGAIN || errno == EINTR));
	if (got > 0)
		s->len += (size_t)got;
	return got < 0 ? 0 : got; /* who resets us ends, too */
}

int stream_open(const struct ctl *c, const char *request, struct stream *s)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s\n", request);

	*s = (struct stream){.fd = connect_any(c)};
	if (s->fd < 0)
		return CTL_NO_DAEMON;
	if (n >= (int)sizeof(line) ||
	    send(s->fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
		stream_close(s);
		return bad_answer("it does not listen");
	}
	return CTL_GOOD;
}

void stream_close(struct stream *s)
{
	close(s->fd);
	free(s->buf);
}

json_t *ask_parse(const char *text, size_t len, const char **why)
{
	json_error_t error;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	json_int_t version;

	*why = NULL;
	version = json_integer_value(json_object_get(object, "version"));
	if (!object)
		*why = "it says what is no JSON";
	else if (!json_is_object(object) || version < 1)
		*why = "it says what is no answer";
	else if (version > ASK_VERSION)
		*why = "it is of a newer version than this miredoctl";
	if (!*why)
		return object;
	json_decref(object);
	return NULL;
}

/* An error that the daemon tells of. */
static int tell_error(const struct ctl *c, struct answer *a)
{
	const char *text, *advice;

	text = json_string_value(json_object_get(a->object, "error"));
	advice = json_string_value(json_object_get(a->object, "advice"));
	if (!answer_printed(c, a)) {
		json_t *errors = json_object_get(a->object, "errors");
		json_t *one;
		size_t i;

		ctl_fail(CTL_BAD, "%s%s%s", text ? text : "it failed",
			 advice ? "\n  " : "", advice ? advice : "");
		if (ctl_errors)
			json_array_foreach(errors, i, one)
			{
				fprintf(ctl_errors, "  %s\n",
					json_string_value(one));
			}
	}
	answer_free(a);
	return CTL_BAD;
}

/* Make an answer of the first bytes of the stream, up to a line's end. */
static int take_line(const struct ctl *c, struct stream *s, size_t len,
		     struct answer *a)
{
	const char *why = "there is no memory for it";

	*a = (struct answer){.text = strndup(s->buf, len), .len = len};
	a->object = a->text ? ask_parse(s->buf, len, &why) : NULL;
	if (!a->object) {
		answer_free(a);
		return bad_answer(why);
	}
	if (json_object_get(a->object, "error"))
		return tell_error(c, a);
	return CTL_GOOD;
}

int stream_next(const struct ctl *c, struct stream *s, struct answer *a)
{
	bool first = s->len == 0 && s->taken == 0;
	char *end;
	int status;

	s->len -= s->taken;
	if (s->taken)
		memmove(s->buf, s->buf + s->taken, s->len);
	s->taken = 0;
	while (!(end = s->len ? memchr(s->buf, '\n', s->len) : NULL)) {
		ssize_t got = fill(s, first ? ask_limits.silence_ms : -1);

		if (got < 0)
			return CTL_NO_DAEMON;
		if (got == 0)
			return first ? bad_answer("it says nothing")
				     : ctl_fail(CTL_NO_DAEMON,
						"the daemon has ended");
	}
	status = take_line(c, s, (size_t)(end - s->buf), a);
	s->taken = (size_t)(end - s->buf) + 1;
	return status;
}

int ask(const struct ctl *c, const char *request, struct answer *a)
{
	long until = now_ms() + ask_limits.all_ms;
	struct stream s;
	int status = stream_open(c, request, &s);
	char *end = NULL;
	ssize_t got;

	if (status != CTL_GOOD)
		return status;
	while (!end) {
		long left = until - now_ms();

		if (left > ask_limits.silence_ms)
			left = ask_limits.silence_ms;
		got = fill(&s, left < 0 ? 0 : left);
		if (got <= 0)
			break;
		end = memchr(s.buf + s.len - got, '\n', (size_t)got);
	}
	if (end)
		status = take_line(c, &s, (size_t)(end - s.buf), a);
	else if (got == 0)
		status = bad_answer(s.len ? "it stops in the middle of a line"
					  : "it says nothing");
	else
		status = CTL_NO_DAEMON;
	stream_close(&s);
	return status;
}

void answer_free(struct answer *a)
{
	json_decref(a->object);
	free(a->text);
	*a = (struct answer){0};
}

bool answer_printed(const struct ctl *c, const struct answer *a)
{
	if (!c->json)
		return false;
	fwrite(a->text, 1, a->len, stdout);
	putchar('\n');
	return true;
}
