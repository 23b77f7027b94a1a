/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mapper (see mapper.h): a loop around portmap.h. When a router starts it
 * may say so to all hosts of the link (6886 §3.2.1, 6887 §14.1); of that
 * nothing is read but who has sent it, and it is asked again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "confine.h"
#include "descriptors.h"
#include "gateway.h"
#include "lanes.h"
#include "log.h"
#include "mapper.h"

#define ALL_HOSTS 0xe0000001 /* 224.0.0.1 */

struct mapper {
	int channel, timer;
	int announced; /* what routers say of themselves, or -1 */
	pid_t child;   /* that asks; 0 = none */
	int pipe;      /* from it, or -1 */
	struct gateway_task task;
	struct mapper_order order;
	struct mapper_news told;
	bool is_making; /* the child, a mapping */
	bool is_left;   /* what could not be taken away */
	struct portmap m;
};

bool mapper_news_are_valid(const struct mapper_news *n)
{
	const struct portmap_lease *l = &n->lease;

	if (n->why >= PORTMAP_WHYS || n->lifetime_s > PCP_MAX_LIFETIME)
		return false;
	if (n->why != PORTMAP_OK)
		return true;
	return l->method > PORTMAP_NONE && l->method < PORTMAP_METHODS &&
	       l->gateway && l->local.ip && l->local.port && l->external.ip &&
	       l->external.port;
}

/* --- in the mapper --- */

static bool is_no_news(const struct mapper_news *a, const struct mapper_news *b)
{
	return a->serial == b->serial && a->why == b->why &&
	       portmap_lease_equal(&a->lease, &b->lease) &&
	       a->lifetime_s == b->lifetime_s;
}

static void tell(struct mapper *p, bool always)
{
	struct mapper_news n = {
		.serial = p->order.serial,
		.why = portmap_why(&p->m),
	};

	if (n.why == PORTMAP_OK) {
		n.lease = p->m.have;
		n.lifetime_s = p->m.lifetime_s;
	}
	if (!always && is_no_news(&n, &p->told))
		return;
	p->told = n;
	/* Who does not read its news does without. */
	send(p->channel, &n, sizeof(n), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void set_timer(struct mapper *p)
{
	uint64_t at = portmap_next(&p->m);
	struct itimerspec when = {0};

	if (at != UINT64_MAX) {
		at += !at;
		when.it_value.tv_sec = (time_t)(at / NS_PER_S);
		when.it_value.tv_nsec = (long)(at % NS_PER_S);
	}
	timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void finish_job(struct mapper *p, const struct gateway_end *end)
{
	if (p->task.job.is_end)
		p->is_left = end->why != PORTMAP_OK;
	portmap_done(&p->m, (enum portmap_why)end->why, &end->result,
		     clock_now());
}

static void start_jobs(struct mapper *p)
{
	const struct gateway_end failed = {.why = PORTMAP_FAILED};

	while (portmap_due(&p->m, clock_now(), &p->task.job)) {
		p->task.oif = p->order.oif;
		p->child = gateway_start(&p->task, &p->pipe);
		if (p->child > 0)
			return;
		p->child = 0;
		finish_job(p, &failed);
	}
}

/* It may have been killed: then its answer would have been none. */
static void on_pipe(struct mapper *p)
{
	struct gateway_end end;

	if (!gateway_read(p->pipe, &end))
		end = (struct gateway_end){.why = PORTMAP_BROKEN,
					   .result.is_maybe = p->is_making};
	p->is_making = end.why == PORTMAP_ASKING;
	if (p->is_making)
		return;
	kill(p->child, SIGKILL);
	waitpid(p->child, NULL, 0);
	close(p->pipe);
	p->pipe = -1;
	p->child = 0;
	finish_job(p, &end);
}

static void take_away(struct mapper *p)
{
	struct portmap_wish off = p->order.wish;

	off.choice = PORTMAP_BY_NONE;
	p->order.end = 1;
	/* What is just asked for is of no use any more. */
	if (p->child && !p->task.job.is_end)
		kill(p->child, SIGKILL);
	portmap_wish(&p->m, &off, clock_now());
}

/* Nobody else on the link can wake us up. */
static void listen_to(const struct mapper *p, uint32_t gateway)
{
	const struct sockaddr_in router = {
		.sin_family = gateway ? AF_INET : AF_UNSPEC,
		.sin_port = htons(PCP_PORT),
		.sin_addr.s_addr = htonl(gateway),
	};

	if (p->announced >= 0 &&
	    connect(p->announced, (const struct sockaddr *)&router,
		    sizeof(router)) < 0)
		log_debug("not listening to what routers announce: %s",
			  strerror(errno));
}

/* The packet process, or the next one, has something else; or is gone. */
static void on_channel(struct mapper *p)
{
	struct mapper_order o;
	ssize_t n = recv(p->channel, &o, sizeof(o), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(o) || o.end || o.wish.choice > PORTMAP_BY_ANY ||
	    o.wish.why >= PORTMAP_WHYS) {
		take_away(p);
		return;
	}
	if (o.wish.gateway != p->order.wish.gateway)
		listen_to(p, o.wish.gateway);
	p->order = o;
	portmap_wish(&p->m, &o.wish, clock_now());
	tell(p, true);
}

/* What it says is not looked at; and before there was a router, nobody was. */
static void on_announced(struct mapper *p)
{
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	char c;

	if (recvfrom(p->announced, &c, 1, MSG_DONTWAIT,
		     (struct sockaddr *)&from, &len) >= 0 &&
	    ntohl(from.sin_addr.s_addr) == p->order.wish.gateway)
		portmap_hurry(&p->m, clock_now());
}

static void on_timer(const struct mapper *p)
{
	uint64_t times;

	if (read(p->timer, &times, sizeof(times)) < 0)
		return; /* it was set anew */
}

static bool is_at_end(const struct mapper *p)
{
	return p->order.end && portmap_is_idle(&p->m);
}

static _Noreturn void serve(struct mapper *p)
{
	while (!is_at_end(p)) {
		struct pollfd v[] = {
			{.fd = p->timer, .events = POLLIN},
			{.fd = p->order.end ? -1 : p->channel,
			 .events = POLLIN},
			{.fd = p->pipe, .events = POLLIN},
			{.fd = p->announced, .events = POLLIN},
		};

		set_timer(p);
		if (poll(v, 4, -1) < 0)
			continue;
		if (v[0].revents)
			on_timer(p);
		if (v[1].revents)
			on_channel(p);
		if (v[2].revents)
			on_pipe(p);
		if (v[3].revents)
			on_announced(p);
		start_jobs(p);
		tell(p, false);
	}
	/* A byte: nothing of ours is left at the router. */
	if (!p->is_left)
		send(p->channel, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	_exit(STATUS_OK);
}

/* Others on this host may listen, too. Without it we are later. */
static int listen_for_routers(void)
{
	const struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_port = htons(PCP_ANNOUNCE_PORT),
		.sin_addr.s_addr = htonl(ALL_HOSTS),
	};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&here, sizeof(here)) == 0)
		return fd;
	log_debug("not listening to what routers announce: %s",
		  strerror(errno));
	close(fd);
	return -1;
}

static void set_up(struct mapper *p, uint32_t mark)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGCHLD, SIG_DFL);
	p->pipe = -1;
	p->announced = listen_for_routers();
	p->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->timer < 0)
		die("cannot start the mapper: %s", strerror(errno));
	p->task.udp = mark ? gateway_socket(mark) : -1;
	if (mark && p->task.udp < 0)
		die("cannot set Mark: %s", strerror(-p->task.udp));
}

static void settle(struct mapper *p, const struct identity *id)
{
	const int keep[] = {p->channel, p->timer, p->announced, p->task.udp,
			    log_channel()};

	prctl(PR_SET_NAME, "miredo-mapper");
	confine_root(NULL);
	privs_drop_all(id);
	/* The end of the channel ends us, nobody's signal. */
	descriptors_keep(keep, sizeof(keep) / sizeof(keep[0]));
	confine_files(NULL, 0, false);
	log_leave_terminal();
	calls_confine(CALLS_MAPPER | CALLS_GATEWAY);
}

/* --- for others --- */

int mapper_start(const struct portmap_lease *left,
		 const uint8_t nonce[static PCP_NONCE], uint32_t mark,
		 const struct identity *id)
{
	static struct mapper p;
	int fd[2];
	char ready;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		die("cannot start the mapper: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot start the mapper: %s", strerror(errno));
	if (pid == 0) {
		p.channel = fd[1];
		set_up(&p, mark);
		settle(&p, id);
		portmap_init(&p.m, left);
		memcpy(p.task.nonce, nonce, PCP_NONCE);
		if (send(p.channel, "", 1, MSG_NOSIGNAL) != 1)
			_exit(STATUS_FAILED);
		serve(&p);
	}
	close(fd[1]);
	if (recv(fd[0], &ready, 1, 0) != 1)
		exit(STATUS_FAILED); /* it has said why */
	return fd[0];
}

int mapper_tell(int fd, const struct mapper_order *o)
{
	ssize_t n = send(fd, o, sizeof(*o), MSG_DONTWAIT | MSG_NOSIGNAL);

	return n == sizeof(*o) ? 0 : -errno;
}

bool mapper_finish(int fd, const struct mapper_order *last)
{
	uint64_t until = clock_now() + MAPPER_ENDS_MS * NS_PER_MS, now;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct mapper_order o = *last;
	struct mapper_news rest;

	o.end = 1;
	if (mapper_tell(fd, &o))
		return false;
	while ((now = clock_now()) < until) {
		ssize_t n = sizeof(rest);

		if (poll(&p, 1, (int)((until - now) / NS_PER_MS) + 1) > 0)
			n = recv(fd, &rest, sizeof(rest), 0);
		if (n <= 1)
			return n == 1;
	}
	return false;
}
