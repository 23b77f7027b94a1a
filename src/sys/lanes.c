/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock, threads, and what lanes have carried (see lanes.h). */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lanes.h"
#include "log.h"

uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* --- the lock --- */

void lanes_shut(struct lanes *l)
{
	for (unsigned k = 0; k < RANDOM_DOORS; k++)
		l->random[k] = -1;
}

void lanes_open(struct lanes *l)
{
	l->end = -1;
	pthread_mutex_init(&l->lock, NULL);
	if (l->n < 2)
		return;
	l->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->end < 0 || sem_init(&l->there, 0, 0) < 0 ||
	    sem_init(&l->stopped, 0, 0) < 0 || sem_init(&l->never, 0, 0) < 0)
		die("cannot start: %s", strerror(errno));
}

uint64_t lanes_enter(struct lanes *l, uint64_t now)
{
	if (l->n > 1)
		pthread_mutex_lock(&l->lock);
	if (l->latest < now)
		l->latest = now;
	return l->latest;
}

void lanes_leave(struct lanes *l, const struct lane *lane)
{
	l->on_leave(l->arg, lane != &l->lane[0]);
	if (l->n < 2)
		return;
	__atomic_store_n(&l->epoch, node_epoch(l->node), __ATOMIC_RELEASE);
	pthread_mutex_unlock(&l->lock);
}

/* --- what they have carried --- */

void lane_count(const struct lane *a, struct lane_counts *c)
{
	*c = (struct lane_counts){
		.datagrams = tally_read(&a->datagrams),
		.trains = tally_read(&a->trains),
		.packets = tally_read(&a->packets_in),
		.supers = tally_read(&a->supers),
		.sent = tally_read(&a->sender.datagrams),
		.sends = tally_read(&a->sender.calls),
		.cut_here = tally_read(&a->sender.cut_here),
		.written = tally_read(&a->writer.packets),
		.writes = tally_read(&a->writer.writes),
		.bad_csum = tally_read(&a->writer.bad_csum),
		.refused = tally_read(&a->sender.refused) +
			   tally_read(&a->writer.refused),
	};
}

void lane_counts_add(struct lane_counts *c, const struct lane_counts *more)
{
	c->datagrams += more->datagrams;
	c->trains += more->trains;
	c->packets += more->packets;
	c->supers += more->supers;
	c->sent += more->sent;
	c->sends += more->sends;
	c->cut_here += more->cut_here;
	c->written += more->written;
	c->writes += more->writes;
	c->bad_csum += more->bad_csum;
	c->refused += more->refused;
}

void lanes_count(const struct lanes *l, struct lane_counts *c)
{
	*c = (struct lane_counts){0};
	for (unsigned i = 0; i < l->n; i++) {
		struct lane_counts one;

		lane_count(&l->lane[i], &one);
		lane_counts_add(c, &one);
	}
}

void lane_stats_add(struct stats *s, const struct stats *more)
{
	for (int r = 0; r < REASON_COUNT; r++)
		s->n[r] += tally_read(&more->n[r]);
}

void lanes_stats(const struct lanes *l, struct stats *s)
{
	for (unsigned i = 0; i < l->n; i++)
		lane_stats_add(s, &l->lane[i].stats);
}

/* --- threads --- */

/* What a thread waits for, besides its doors. */
enum {
	SOURCE_TUN = DOORS,
	SOURCE_END,
	SOURCES
};

/* Waits in its epoll; the loop's own lane waits with the loop. */
static void wait_for(struct lane *lane, int fd, uint32_t source)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = source};

	if (fd >= 0 && epoll_ctl(lane->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		die("cannot wait for descriptor %d: %s", fd, strerror(errno));
}

static void *run(void *arg)
{
	struct lane *lane = arg;
	struct epoll_event e[SOURCES];
	bool done = false;

	sem_post(&lane->all->there);
	pthread_mutex_lock(&lane->all->lock);
	pthread_mutex_unlock(&lane->all->lock);
	while (!done) {
		int n = epoll_wait(lane->epoll, e, SOURCES, -1);
		uint64_t now = clock_now();

		for (int i = 0; i < n; i++) {
			uint32_t source = e[i].data.u32;

			if (source == SOURCE_END)
				done = true;
			else if (source != SOURCE_TUN)
				lane_on_door(lane, (enum door)source, now);
			else if (lane_on_tun(lane, now) < 0)
				done = true; /* the loop notices, too */
		}
	}
	sem_post(&lane->all->stopped);
	for (;;)
		sem_wait(&lane->all->never);
	return NULL;
}

static void start(struct lane *lane)
{
	int r;

	lane->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (lane->epoll < 0)
		die("cannot start: %s", strerror(errno));
	for (unsigned i = 0; i < DOORS; i++)
		wait_for(lane, lane->door[i], i);
	wait_for(lane, lane->tun, SOURCE_TUN);
	wait_for(lane, lane->all->end, SOURCE_END);
	r = pthread_create(&lane->thread, NULL, run, lane);
	if (r)
		die("cannot start a thread: %s\n"
		    "  do without:  Threads 1",
		    strerror(r));
}

static void wait_for_others(struct lanes *l, sem_t *what)
{
	for (unsigned i = 1; i < l->n; i++) {
		while (sem_wait(what) < 0)
			; /* interrupted */
	}
}

void lanes_start(struct lanes *l)
{
	if (l->n > 1)
		pthread_mutex_lock(&l->lock);
	for (unsigned i = 1; i < l->n; i++)
		start(&l->lane[i]);
	wait_for_others(l, &l->there);
}

void lanes_go(struct lanes *l)
{
	if (l->n > 1)
		pthread_mutex_unlock(&l->lock);
}

static void set_dscp(const int *fd, unsigned n, uint8_t dscp)
{
	for (unsigned d = 0; d < n; d++) {
		int r = fd[d] < 0 ? 0 : udp_set_dscp(fd[d], dscp);

		if (r)
			log_warning("cannot set DSCP: %s", strerror(-r));
	}
}

void lanes_set_dscp(struct lanes *l, uint8_t dscp, bool copy)
{
	set_dscp(l->random, RANDOM_DOORS, dscp);
	for (unsigned i = 0; i < l->n; i++) {
		set_dscp(l->lane[i].door, DOORS, dscp);
		__atomic_store_n(&l->lane[i].sender.copy_dscp, copy,
				 __ATOMIC_RELAXED);
	}
}

void lanes_stop(struct lanes *l)
{
	const uint64_t one = 1;

	if (l->n < 2)
		return;
	/* Nobody reads it, so each of them sees it. */
	if (write(l->end, &one, sizeof(one)) < 0)
		die("cannot end: %s", strerror(errno));
	wait_for_others(l, &l->stopped);
}
