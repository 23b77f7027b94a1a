/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop (see loop.h).
 *
 * Order within a wake-up: packets first, in the order in which epoll names
 * their sources, then what is due.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "clientrun.h"
#include "event.h"
#include "log.h"
#include "loop.h"
#include "monitor.h"
#include "preflight.h"
#include "raw6.h"
#include "reader.h"
#include "renew.h"

enum {
	/* Addresses may change in storms; reading them all takes a while. */
	REFRESH_MS = 100,
	LATER_MS = 500,
	TIMEOUT_ROUNDS = 64, /* of a full outbox, before packets get a turn */
};

static void watch(struct loop *l, int fd, uint32_t source)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = source};

	if (fd >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		die("cannot wait for descriptor %d: %s", fd, strerror(errno));
}

void loop_watch(struct loop *l, int fd, enum source source)
{
	watch(l, fd, source);
}

void loop_unwatch(struct loop *l, int fd)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* By the wall clock, for a date is meant; somebody may set it, too. */
void loop_sunset(struct loop *l, time_t sunset)
{
	const struct itimerspec when = {.it_value.tv_sec = sunset};

	timerfd_settime(l->sunset, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_leave(void *arg, bool other);

static void open_lanes(struct loop *l)
{
	struct lanes *all = &l->lanes;

	all->on_leave = on_leave;
	all->arg = l;
	lanes_open(all);
	l->call = all->n > 1 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (all->n > 1 && l->call < 0)
		die("cannot start: %s", strerror(errno));
	for (unsigned i = 0; i < DOORS; i++)
		watch(l, all->lane[0].door[i], SOURCE_DOOR + i);
	watch(l, all->lane[0].tun, SOURCE_TUN);
	watch(l, l->call, SOURCE_CALL);
}

void loop_open(struct loop *l, time_t sunset)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->signals = signals_open(0);
	l->sunset = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	l->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	l->armed = UINT64_MAX;
	if (l->epoll < 0 || l->signals < 0 || l->timer < 0 || l->sunset < 0)
		die("cannot start: %s", strerror(errno));
	loop_sunset(l, sunset);
	l->refresh_at = 0; /* things may have changed since they were opened */
	open_lanes(l);
	watch(l, l->channel, SOURCE_CHANNEL);
	watch(l, l->signals, SOURCE_SIGNALS);
	watch(l, netlink_fd(&l->watch->events), SOURCE_ADDRESSES);
	watch(l, l->sunset, SOURCE_SUNSET);
	watch(l, l->timer, SOURCE_TIMER);
	if (l->plan && l->plan->reader)
		watch(l, l->plan->reader->worker, SOURCE_SETTINGS);
	if (l->client)
		clientrun_watch(l);
}

static uint64_t next_deadline(const struct loop *l);

/* The core has changed its mind about the time, or what the client is. */
static bool is_called(const struct loop *l)
{
	return next_deadline(l) < l->armed ||
	       (l->client && clientrun_is_behind(l));
}

/*
 * Another lane's packets may make something due sooner than the loop knows. If
 * its timer is not set, it is awake and will see.
 */
static void on_leave(void *arg, bool other)
{
	const uint64_t one = 1;
	struct loop *l = arg;

	if (l->client)
		clientrun_doors(l);
	publish_core(l);
	if (other && is_called(l) && write(l->call, &one, sizeof(one)) < 0)
		log_debug("the loop is called already");
}

static void on_call(struct loop *l)
{
	uint64_t times;

	if (read(l->call, &times, sizeof(times)) < 0)
		log_debug("called for nothing");
}

/* --- packets --- */

struct outbox *loop_out(struct loop *l)
{
	return &l->lanes.lane[0].out;
}

void loop_flush(struct loop *l)
{
	if (l->client)
		clientrun_doors(l);
	lane_flush(&l->lanes.lane[0]);
}

void loop_make_room(struct loop *l)
{
	if (!outbox_has_room(loop_out(l)))
		loop_flush(l);
}

void loop_finish(struct loop *l, int status)
{
	l->done = true;
	l->status = status;
}

/* A relay without its route is none, and we may not set it any more; what a
 * client has is put back by its steward as long as there is an interface. */
static void lose_tunnel(struct loop *l)
{
	if (!l->done)
		log_error("the tunnel interface is gone%s\n"
			  "  start again to get %s back",
			  l->client ? ""
				    : " or was taken down, and its route with "
				      "it",
			  l->client ? "it" : "them");
	loop_finish(l, STATUS_FAILED);
}

/* A few counters a line, so that a person can read it. */
static void log_counters(const struct stats *s)
{
	char line[800] = "";
	size_t used = 0;
	unsigned on_line = 0;

	for (unsigned r = 0; r < REASON_COUNT; r++) {
		if (!s->n[r])
			continue;
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 " %s=%llu",
					 reason_name((enum reason)r),
					 (unsigned long long)s->n[r]);
		if (++on_line < 10)
			continue;
		log_info("counters:%s", line);
		used = 0;
		on_line = 0;
	}
	if (on_line)
		log_info("counters:%s", line);
}

/* What the lanes have carried, in all. */
static void log_lanes(const struct loop *l)
{
	struct lane_counts c;
	char names[OFFLOAD_NAMES];

	lanes_count(&l->lanes, &c);
	offload_names(names, l->lanes.offloads);
	log_info("threads: %u, offloads: %s", l->lanes.n, names);
	log_info("from IPv4: %llu datagrams in %llu pieces; to IPv6: %llu "
		 "packets in %llu",
		 c.datagrams, c.trains, c.written, c.writes);
	if (l->lanes.tun.n)
		log_info("from IPv6: %llu packets in %llu pieces; to IPv4: "
			 "%llu datagrams in %llu",
			 c.packets, c.supers, c.sent, c.sends);
	if (c.refused)
		log_info("refused by the kernel when sent: %llu", c.refused);
	if (c.cut_here)
		log_info("cut here, as the kernel would not: %llu", c.cut_here);
	if (c.bad_csum)
		log_info("with a wrong checksum, passed on as they were: %llu",
			 c.bad_csum);
}

static void log_state(const struct loop *l)
{
	const uint32_t *n = l->node.relay.peers.n;
	struct stats s = l->node.stats;

	lanes_stats(&l->lanes, &s);
	log_counters(&s);
	log_lanes(l);
	if (l->client)
		clientrun_log(l);
	if (l->node.is_relay)
		log_info("peers: proven=%u probing=%u failed=%u of %u",
			 n[ROLL_PROVEN], n[ROLL_PROBING], n[ROLL_FAILED],
			 l->node.relay.conf.max_peers);
}

static void take_signal(struct loop *l, int signal, uint64_t now)
{
	switch (signal) {
	case SIGTERM:
	case SIGINT:
		if (!l->done)
			log_info("exiting on %s",
				 signal == SIGINT ? "SIGINT" : "SIGTERM");
		loop_finish(l, STATUS_OK);
		break;
	case SIGHUP: /* the configuration is the reader's */
		if (l->client)
			clientrun_check(l, now);
		break;
	case SIGUSR1:
		log_state(l);
		break;
	}
}

static void on_signal(struct loop *l, uint64_t now)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) == sizeof(info))
		take_signal(l, (int)info.ssi_signo, now);
}

static void on_channel(struct loop *l, uint64_t now)
{
	char signal;

	if (recv(l->channel, &signal, 1, MSG_DONTWAIT) == 1) {
		take_signal(l, signal, now);
		return;
	}
	log_error("exiting: the monitor is gone");
	loop_finish(l, STATUS_FAILED);
}

static void on_sunset(struct loop *l)
{
	log_info("exiting: the sunset date has come");
	loop_finish(l, STATUS_OK);
}

static void on_timer(struct loop *l)
{
	uint64_t times;

	if (read(l->timer, &times, sizeof(times)) == sizeof(times))
		l->armed = UINT64_MAX;
}

static void on_addresses(struct loop *l, uint64_t now)
{
	uint64_t soonest = l->refreshed + REFRESH_MS * NS_PER_MS;

	if (netlink_drain(&l->watch->events))
		l->refresh_at = now > soonest ? now : soonest;
}

static void check_tunnel(struct loop *l)
{
	struct host_link link;
	bool up;

	if (l->client)
		return; /* its steward takes care */
	up = l->lanes.tun.n &&
	     netlink_link(&l->watch->requests, l->watch->tun, &link) == 0 &&
	     link.is_up;
	if (l->was_up && !up)
		lose_tunnel(l);
	l->was_up = up;
}

/*
 * BindInterface binds to the number of an interface, not to its name. One that
 * is made anew under the same name (a dongle that was replugged, a restarted
 * hostapd) has another, and we may bind to nothing any more.
 */
static void check_bound(struct loop *l)
{
	struct host_link link;

	if (!l->bound || l->done ||
	    netlink_link(&l->watch->requests, l->bound, &link) != -ENODEV)
		return;
	log_error("exiting: the interface %s of BindInterface is gone\n"
		  "  start again when it is back",
		  l->bound_name);
	loop_finish(l, STATUS_FAILED);
}

/* There may be no further event, so try again; and say it once. */
static void refresh_failed(struct loop *l, uint64_t now, int error)
{
	l->refresh_at = now + NS_PER_S;
	if (!l->is_stale)
		log_warning("cannot list the addresses of this host: %s\n"
			    "  trying again every second",
			    strerror(error));
	l->is_stale = true;
}

/* What a relay cannot do without. */
static void say_source(const struct self *s, bool had, const struct ip6 *old)
{
	struct event_facts lost = event_facts(EVENT_SOURCE_LOST),
			   found = event_facts(EVENT_SOURCE_FOUND);

	found.address = s->source;
	if (had && !s->has_source)
		log_event(LOG_WARNING, &lost,
			  "no native IPv6 address is left: new clients cannot "
			  "be reached until there is one");
	else if (s->has_source && (!had || !ip6_equal(old, &s->source)))
		log_event(LOG_INFO, &found, "native IPv6 address is %s",
			  ip6_text(&s->source));
}

static void refresh(struct loop *l, uint64_t now)
{
	struct self *s = &l->node.self;
	bool had = s->has_source;
	struct ip6 old = s->source;
	int r = self_refresh(l->watch, s);

	check_tunnel(l);
	check_bound(l);
	l->refreshed = now;
	l->refresh_at = UINT64_MAX;
	if (r) {
		refresh_failed(l, now, -r);
		return;
	}
	l->is_stale = false;
	l->node.addresses++;
	log_debug("addresses of this host: %u IPv4, %u IPv6", s->n_ip4,
		  s->n_ip6);
	(void)netlink_forwarding(&l->watch->requests, &l->forwarding);
	publish_soon(&l->publisher, now);
	if (l->client)
		clientrun_addresses(l, now);
	if (!l->node.is_relay || l->client)
		return;
	say_source(s, had, &old);
}

static void on_event(struct loop *l, uint32_t source, uint64_t now)
{
	switch (source) {
	case SOURCE_CHANNEL:
		on_channel(l, now);
		break;
	case SOURCE_SIGNALS:
		on_signal(l, now);
		break;
	case SOURCE_ADDRESSES:
		on_addresses(l, now);
		break;
	case SOURCE_SUNSET:
		on_sunset(l);
		break;
	case SOURCE_TIMER:
		on_timer(l);
		break;
	case SOURCE_STEWARD:
		clientrun_on_steward(l, now);
		break;
	case SOURCE_RESOLVER:
		clientrun_on_resolver(l, now);
		break;
	case SOURCE_WAY:
		clientrun_on_way(l, now);
		break;
	case SOURCE_MAPPER:
		mapping_on_news(l, now);
		break;
	case SOURCE_CALL:
		on_call(l);
		break;
	case SOURCE_SETTINGS:
		renew(l, now);
		l->publisher.due = now; /* who told us to waits for that */
		break;
	}
}

/* Packets are the lane's; all else is done with the core to ourselves. */
static void take_event(struct loop *l, uint32_t source, uint64_t now)
{
	if (source < SOURCE_TUN) {
		lane_on_door(&l->lanes.lane[0], (enum door)source, now);
	} else if (source == SOURCE_TUN) {
		if (lane_on_tun(&l->lanes.lane[0], now) < 0)
			lose_tunnel(l);
	} else if (source >= SOURCE_RANDOM) {
		lane_on_random(&l->lanes.lane[0], source - SOURCE_RANDOM, now);
	} else {
		now = lanes_enter(&l->lanes, now);
		on_event(l, source, now);
		lanes_leave(&l->lanes, &l->lanes.lane[0]);
	}
}

static void on_time(struct loop *l, uint64_t now)
{
	if (l->refresh_at <= now)
		refresh(l, now);
	if (l->client && clientrun_next(l->client) <= now)
		clientrun_timeout(l, now);
	for (int i = 0; i < TIMEOUT_ROUNDS && node_next(&l->node) <= now; i++) {
		node_timeout(&l->node, now, loop_out(l));
		loop_flush(l);
		publish_later(&l->publisher, now);
	}
}

static uint64_t next_deadline(const struct loop *l)
{
	uint64_t next = node_next(&l->node), client;

	if (l->refresh_at < next)
		next = l->refresh_at;
	if (l->publisher.due < next)
		next = l->publisher.due;
	client = l->client ? clientrun_next(l->client) : UINT64_MAX;
	return client < next ? client : next;
}

/*
 * Most deadlines move away before they come, with each packet. The timer is set
 * anew when the next one is sooner; or later by so much that it is worth the
 * call, lest an idle client wake up for nothing.
 */
static void set_timer(struct loop *l)
{
	uint64_t next = next_deadline(l);
	bool is_later = l->armed != UINT64_MAX &&
			next > l->armed + LATER_MS * NS_PER_MS;
	struct itimerspec when = {0};

	if (next >= l->armed && !is_later)
		return;
	if (next == 0)
		next = 1; /* 0 would switch it off, as UINT64_MAX is meant to */
	if (next != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(next / NS_PER_S);
		when.it_value.tv_nsec = (long)(next % NS_PER_S);
	}
	timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &when, NULL);
	l->armed = next;
}

/* One wake-up. */
static void run_round(struct loop *l)
{
	struct epoll_event e[SOURCES];
	uint64_t now;
	int n;

	n = epoll_wait(l->epoll, e, SOURCES, -1);
	now = clock_now();
	for (int i = 0; i < n; i++)
		take_event(l, e[i].data.u32, now);
	now = lanes_enter(&l->lanes, now);
	on_time(l, now);
	if (l->client && clientrun_is_behind(l))
		l->publisher.due = now;
	if (l->client)
		clientrun_look(l, now);
	if (l->publisher.due <= now)
		publish_facts(l, now);
	set_timer(l);
	lanes_leave(&l->lanes, &l->lanes.lane[0]);
}

void loop_start(struct loop *l)
{
	lanes_start(&l->lanes);
}

int loop_run(struct loop *l)
{
	if (l->client)
		clientrun_start(l, clock_now());
	set_timer(l);
	lanes_go(&l->lanes);
	while (!l->done)
		run_round(l);
	lanes_stop(&l->lanes);
	if (l->client)
		clientrun_finish(l);
	return l->status;
}
