/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resolver (see resolver.h). A child for each look-up: it starts with
 * nothing read, so it sees the resolv.conf and the hosts file of this moment,
 * and what it loads is gone with it. It writes its answer into a pipe to the
 * resolver and not into the channel, which so has one holder only: when the
 * resolver is gone, the packet process sees it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "confine.h"
#include "descriptors.h"
#include "groups.h"
#include "log.h"
#include "resolver.h"
#include "settings.h"

enum {
	/* Names of servers, and one that stands for groups. */
	A_GROUP = RESOLVER_NAMES,
	LOOKUPS = (RESOLVER_NAMES + 1) * RESOLVER_AT_ONCE,
	CHANNEL = 3, /* the only descriptors that are left */
	GROUPS = 4,
	OTHERS = 2, /* that are waited for besides look-ups */
};

struct lookup {
	pid_t child; /* 0 = unused */
	int pipe;
	uint32_t name;
	uint64_t serial; /* the least is the oldest */
	uint32_t asked;  /* of a group: the serial of the question */
};

struct resolver {
	const char *names[RESOLVER_NAMES];
	unsigned n;
	uint32_t settings_serial; /* that these names are of */
	const struct settings *settings;
	struct settings_view view;
	uint64_t serial;
	int groups; /* GROUPS, or -1 */
	struct lookup v[LOOKUPS];
};

static void take_addresses(struct resolver_answer *a, const struct addrinfo *r)
{
	for (; r && a->n < RESOLVER_ADDRESSES; r = r->ai_next) {
		struct sockaddr_in in;

		if (r->ai_family != AF_INET || r->ai_addrlen < sizeof(in))
			continue;
		memcpy(&in, r->ai_addr, sizeof(in));
		a->ip[a->n++] = ntohl(in.sin_addr.s_addr);
	}
}

/* Ends by SIGALRM if it takes too long; the resolver sees the pipe's end. */
static void begin_lookup(void)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(CHANNEL);
	close(GROUPS);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(RESOLVER_GIVES_UP_S);
}

static _Noreturn void look_up_group(const struct group_question *q, int out)
{
	struct group_answer a = {.serial = q->serial};

	begin_lookup();
	groups_look_up(&a, q->name);
	_exit(write(out, &a, sizeof(a)) == sizeof(a) ? 0 : 1);
}

static _Noreturn void look_up(const char *host, uint32_t name, int out)
{
	const struct addrinfo hints = {
		.ai_family = AF_INET,
		.ai_socktype = SOCK_DGRAM,
	};
	struct resolver_answer a = {.name = name};
	struct addrinfo *list = NULL;

	begin_lookup();
	a.error = getaddrinfo(host, NULL, &hints, &list);
	if (a.error == 0)
		take_addresses(&a, list);
	if (a.error == 0 && a.n == 0)
		a.error = EAI_NONAME;
	_exit(write(out, &a, sizeof(a)) == sizeof(a) ? 0 : 1);
}

static void answer(const struct resolver_answer *a)
{
	/* Nobody reads: then nobody waits for it either. */
	send(CHANNEL, a, sizeof(*a), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void answer_failed(uint32_t serial, uint32_t name, int error)
{
	const struct resolver_answer a = {
		.serial = serial, .name = name, .error = error};

	answer(&a);
}

static void answer_group(const struct group_answer *a)
{
	send(GROUPS, a, sizeof(*a), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end_lookup(struct lookup *l)
{
	kill(l->child, SIGKILL);
	waitpid(l->child, NULL, 0);
	close(l->pipe);
	*l = (struct lookup){.pipe = -1};
}

static void on_group(struct lookup *l)
{
	struct group_answer a;

	if (read(l->pipe, &a, sizeof(a)) != sizeof(a) || a.serial != l->asked)
		a = (struct group_answer){.serial = l->asked, .error = EAGAIN};
	answer_group(&a);
	end_lookup(l);
}

/* What its child has to say; nothing, if it was ended. */
static void on_pipe(const struct resolver *r, struct lookup *l)
{
	struct resolver_answer a;

	if (l->name == A_GROUP) {
		on_group(l);
		return;
	}

	if (read(l->pipe, &a, sizeof(a)) == sizeof(a) &&
	    a.n <= RESOLVER_ADDRESSES && a.name == l->name) {
		a.serial = r->settings_serial;
		answer(&a);
	} else {
		answer_failed(r->settings_serial, l->name, EAI_AGAIN);
	}
	end_lookup(l);
}

/* A place for one more; the oldest makes room if there are too many. */
static struct lookup *place(struct resolver *r, uint32_t name)
{
	struct lookup *unused = NULL, *oldest = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		struct lookup *l = &r->v[i];

		if (!l->child) {
			unused = l;
		} else if (l->name == name) {
			n++;
			if (!oldest || l->serial < oldest->serial)
				oldest = l;
		}
	}
	if (n < RESOLVER_AT_ONCE) {
		assert(unused); /* each name has so many places */
		return unused;
	}
	end_lookup(oldest);
	if (name != A_GROUP)
		answer_failed(r->settings_serial, name, EAI_AGAIN);
	return oldest;
}

/* A child for it: its number, 0 in the child, which writes to *out; or -1. */
static pid_t start_child(struct resolver *r, struct lookup *l, uint32_t name,
			 int *out)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	*out = fd[1];
	l->child = fork();
	if (l->child == 0)
		return 0;
	close(fd[1]);
	if (l->child < 0) {
		close(fd[0]);
		*l = (struct lookup){.pipe = -1};
		return -1;
	}
	l->pipe = fd[0];
	l->name = name;
	l->serial = r->serial++;
	return l->child;
}

static void start_lookup(struct resolver *r, uint32_t name)
{
	struct lookup *l = place(r, name);
	int out;
	pid_t pid = start_child(r, l, name, &out);

	if (pid == 0)
		look_up(r->names[name], name, out);
	if (pid < 0)
		answer_failed(r->settings_serial, name, EAI_SYSTEM);
}

static void start_group(struct resolver *r, const struct group_question *q)
{
	const struct group_answer failed = {.serial = q->serial,
					    .error = EAGAIN};
	struct lookup *l = place(r, A_GROUP);
	int out;
	pid_t pid = start_child(r, l, A_GROUP, &out);

	if (pid == 0)
		look_up_group(q, out);
	if (pid < 0)
		answer_group(&failed);
	else
		l->asked = q->serial;
}

static void take_names(struct resolver *r, const char *const *names, unsigned n)
{
	for (r->n = 0; r->n < n; r->n++)
		r->names[r->n] = names[r->n];
}

/* Have the names of these settings; false if they are not those of now. */
static bool learn(struct resolver *r, uint32_t serial)
{
	const struct conf *c = &r->view.conf;
	const char *names[RESOLVER_NAMES];

	if (serial == r->settings_serial)
		return true;
	if (!r->settings || !settings_read(r->settings, &r->view) ||
	    r->view.serial != serial)
		return false;
	for (unsigned i = 0; i < LOOKUPS; i++) {
		if (r->v[i].child && r->v[i].name != A_GROUP)
			end_lookup(&r->v[i]);
	}
	for (unsigned i = 0; i < c->n_servers; i++) {
		names[2 * i] = c->servers[i].host;
		names[2 * i + 1] = c->servers[i].second;
	}
	take_names(r, names, 2 * c->n_servers);
	r->settings_serial = serial;
	return true;
}

/* false: the packet process is gone. */
static bool on_channel(struct resolver *r)
{
	struct resolver_question q;
	ssize_t n = recv(CHANNEL, &q, sizeof(q), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n != sizeof(q))
		return n > 0;
	if (!learn(r, q.serial))
		answer_failed(q.serial, q.name, EAI_AGAIN);
	else if (q.name < r->n)
		start_lookup(r, q.name);
	return true;
}

/* The reader asks, or is gone; then all else goes on. */
static void on_groups(struct resolver *r)
{
	struct group_question q;
	ssize_t n = recv(GROUPS, &q, sizeof(q), MSG_DONTWAIT);

	if (n == sizeof(q) && memchr(q.name, '\0', sizeof(q.name)))
		start_group(r, &q);
	else if (n == 0)
		r->groups = -1;
}

static _Noreturn void serve(struct resolver *r)
{
	bool on = true;

	while (on) {
		struct pollfd p[OTHERS + LOOKUPS] = {
			{.fd = CHANNEL, .events = POLLIN},
			{.fd = r->groups, .events = POLLIN},
		};

		for (unsigned i = 0; i < LOOKUPS; i++)
			p[OTHERS + i] = (struct pollfd){.fd = r->v[i].pipe,
							.events = POLLIN};
		if (poll(p, OTHERS + LOOKUPS, -1) < 0)
			continue;
		for (unsigned i = 0; i < LOOKUPS; i++) {
			if (p[OTHERS + i].revents)
				on_pipe(r, &r->v[i]);
		}
		if (p[1].revents)
			on_groups(r);
		if (p[0].revents)
			on = on_channel(r);
	}
	_exit(0);
}

/* Nothing of the packet process is kept: no socket, terminal or pipe. */
static void keep_only(int fd, int groups)
{
	const int keep[] = {CHANNEL, GROUPS};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		die("cannot open /dev/null: %s", strerror(errno));
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		dup2(null, i);
	/* Out of each other's way first. */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, GROUPS + 1);
	groups = fcntl(groups < 0 ? null : groups, F_DUPFD_CLOEXEC, GROUPS + 1);
	dup2(fd, CHANNEL);
	dup2(groups, GROUPS);
	descriptors_keep(keep, sizeof(keep) / sizeof(keep[0]));
}

/* Files may be read, such as the system's resolver needs. */
static void confine(void)
{
	const struct confine_below all = {
		.dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.rights = CONFINE_READ | CONFINE_LIST | CONFINE_EXECUTE,
	};

	confine_files(&all, 1, false);
	close(all.dir);
	calls_confine(CALLS_LOOKUP);
}

static _Noreturn void run(const char *const *names, unsigned n,
			  const struct settings *settings, int groups, int fd,
			  const struct identity *id)
{
	static struct resolver r;

	prctl(PR_SET_NAME, "miredo-resolver");
	privs_drop_all(id);
	keep_only(fd, groups);
	r.groups = groups < 0 ? -1 : GROUPS;
	confine();
	take_names(&r, names, n);
	r.settings = settings;
	r.settings_serial = 1;
	for (unsigned i = 0; i < LOOKUPS; i++)
		r.v[i].pipe = -1;
	if (send(CHANNEL, "", 1, MSG_NOSIGNAL) != 1)
		_exit(STATUS_FAILED);
	serve(&r);
}

int resolver_start(const char *const *names, unsigned n,
		   const struct settings *settings, int groups,
		   const struct identity *id)
{
	int fd[2];
	char ready;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		die("cannot start the resolver: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("cannot start the resolver: %s", strerror(errno));
	if (child == 0) {
		close(fd[0]);
		run(names, n, settings, groups, fd[1], id);
	}
	close(fd[1]);
	if (groups >= 0)
		close(groups);
	if (recv(fd[0], &ready, 1, 0) != 1)
		exit(STATUS_FAILED); /* it has said why */
	return fd[0];
}

int resolver_ask(int fd, uint32_t serial, uint32_t name)
{
	const struct resolver_question q = {serial, name};
	ssize_t n = send(fd, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == sizeof(q) ? 0 : -errno;
}
