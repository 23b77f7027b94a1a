/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All lanes together (see lane.h): their threads, and what they have carried.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

void lanes_count(const struct loop *l, struct lane_counts *c)
{
	*c = (struct lane_counts){0};
	for (unsigned i = 0; i < l->lanes; i++) {
		const struct lane *a = &l->lane[i];

		c->datagrams += tally_read(&a->datagrams);
		c->trains += tally_read(&a->trains);
		c->packets += tally_read(&a->packets_in);
		c->supers += tally_read(&a->supers);
		c->sent += tally_read(&a->sender.datagrams);
		c->sends += tally_read(&a->sender.calls);
		c->cut_here += tally_read(&a->sender.cut_here);
		c->written += tally_read(&a->writer.packets);
		c->writes += tally_read(&a->writer.writes);
		c->bad_csum += tally_read(&a->writer.bad_csum);
		c->refused += tally_read(&a->sender.refused) +
			      tally_read(&a->writer.refused);
	}
}

void lanes_stats(const struct loop *l, struct stats *s)
{
	for (unsigned i = 0; i < l->lanes; i++) {
		for (int r = 0; r < REASON_COUNT; r++)
			s->n[r] += tally_read(&l->lane[i].stats.n[r]);
	}
}

/* --- threads --- */

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
	struct epoll_event e[DOORS + 2];
	bool done = false;

	while (!done) {
		int n = epoll_wait(lane->epoll, e, DOORS + 2, -1);
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
	return NULL;
}

static void start(struct lane *lane)
{
	int r;

	lane->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (lane->epoll < 0)
		die("cannot start: %s", strerror(errno));
	for (unsigned i = 0; i < DOORS; i++)
		wait_for(lane, lane->door[i], SOURCE_DOOR + i);
	wait_for(lane, lane->tun, SOURCE_TUN);
	wait_for(lane, lane->loop->end, SOURCE_END);
	r = pthread_create(&lane->thread, NULL, run, lane);
	if (r)
		die("cannot start a thread: %s\n"
		    "  do without:  Threads 1",
		    strerror(r));
}

void lanes_start(struct loop *l)
{
	for (unsigned i = 1; i < l->lanes; i++)
		start(&l->lane[i]);
}

void lanes_stop(struct loop *l)
{
	const uint64_t one = 1;

	if (l->lanes < 2)
		return;
	/* Nobody reads it, so each of them sees it. */
	if (write(l->end, &one, sizeof(one)) < 0)
		die("cannot end: %s", strerror(errno));
	for (unsigned i = 1; i < l->lanes; i++)
		pthread_join(l->lane[i].thread, NULL);
}
