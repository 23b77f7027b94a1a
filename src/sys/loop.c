/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop (see loop.h).
 *
 * Order within a wake-up: packets first, in the order in which epoll names
 * their sources, then what is due. All of a batch passes through the core, or
 * as much as the outbox holds; then the outbox is run; only then is a buffer
 * used again, for the outbox points into it.
 *
 * The outbox is run socket by socket, so that each gets its datagrams in one
 * system call whatever their order in between.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "monitor.h"
#include "preflight.h"
#include "raw6.h"

enum source {
	SOURCE_DOOR, /* and the next DOORS - 1 */
	SOURCE_TUN = DOORS,
	SOURCE_CHANNEL,
	SOURCE_SIGNALS,
	SOURCE_ADDRESSES,
	SOURCE_SUNSET,
	SOURCES,
};

enum {
	/* Addresses may change in storms; reading them all takes a while. */
	REFRESH_MS = 100,
	TIMEOUT_ROUNDS = 64, /* of a full outbox, before packets get a turn */
};

static void watch(struct loop *l, int fd, uint32_t source)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = source};

	if (fd >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		die("cannot wait for descriptor %d: %s", fd, strerror(errno));
}

/* By the wall clock, for a date is meant; somebody may set it, too. */
static int open_sunset(time_t at)
{
	const struct itimerspec when = {.it_value.tv_sec = at};
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
	return fd;
}

void loop_open(struct loop *l, time_t sunset)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->signals = signals_open(0);
	l->sunset = sunset ? open_sunset(sunset) : -1;
	if (l->epoll < 0 || l->signals < 0 || (sunset && l->sunset < 0))
		die("cannot start: %s", strerror(errno));
	l->refresh_at = 0; /* things may have changed since they were opened */
	outbox_init(&l->out, &l->node.gate);
	udp_batch_init(&l->udp);
	for (uint32_t i = 0; i < DOORS; i++)
		watch(l, l->door[i], SOURCE_DOOR + i);
	watch(l, l->tun, SOURCE_TUN);
	watch(l, l->channel, SOURCE_CHANNEL);
	watch(l, l->signals, SOURCE_SIGNALS);
	watch(l, netlink_fd(&l->watch->events), SOURCE_ADDRESSES);
	watch(l, l->sunset, SOURCE_SUNSET);
}

/* The clock that goes on while the host sleeps: so do the NATs' (ns). */
static uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static unsigned sink_of(const struct out *o)
{
	return o->kind == OUT_IP6 ? DOORS : (unsigned)o->door;
}

static unsigned send_batch(const struct loop *l, unsigned sink,
			   const struct out *const *v, unsigned n)
{
	if (sink < DOORS)
		return udp_send(l->door[sink], v, n);
	if (l->tun >= 0)
		return tun_send(l->tun, v, n);
	return raw6_send(l->raw6, v, n);
}

static void run_outbox(struct loop *l)
{
	for (unsigned sink = 0; sink <= DOORS; sink++) {
		const struct out *v[BATCH];
		unsigned n = 0, refused = 0;

		for (unsigned i = 0; i < l->out.n; i++) {
			if (sink_of(&l->out.v[i]) != sink)
				continue;
			v[n++] = &l->out.v[i];
			if (n == BATCH) {
				refused += send_batch(l, sink, v, n);
				n = 0;
			}
		}
		if (n)
			refused += send_batch(l, sink, v, n);
		l->unsent += refused;
	}
	outbox_clear(&l->out);
}

static void make_room(struct loop *l)
{
	if (!outbox_has_room(&l->out))
		run_outbox(l);
}

static void on_door(struct loop *l, enum door door, uint64_t now)
{
	/* What may fail here is want of memory, and passes: errors of earlier
	 * datagrams are only reported to those who ask (IP_RECVERR) or have
	 * connected the socket. */
	int n = udp_receive(l->door[door], door, &l->udp);

	for (int i = 0; i < n; i++) {
		if (udp_is_cut(&l->udp, i)) {
			/* Its head may look like a packet that is whole. */
			stats_count(&l->node.stats, REASON_OVERSIZE);
			continue;
		}
		make_room(l);
		node_from_ip4(&l->node, &l->udp.d[i], now, &l->out);
	}
	run_outbox(l);
}

static void finish(struct loop *l, int status)
{
	l->done = true;
	l->status = status;
}

/* A relay without its route is none, and we may not set it any more. */
static void lose_tunnel(struct loop *l)
{
	if (!l->done)
		log_error("the tunnel interface is gone or was taken down, and "
			  "its route with it\n"
			  "  start again to get them back");
	finish(l, STATUS_FAILED);
}

static void on_tun(struct loop *l, uint64_t now)
{
	int n = tun_receive(l->tun, &l->packets);

	if (n < 0) {
		lose_tunnel(l);
		return;
	}
	for (int i = 0; i < n; i++) {
		make_room(l);
		node_from_ip6(&l->node, l->packets.bytes[i], l->packets.len[i],
			      now, &l->out);
	}
	run_outbox(l);
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

static void log_state(const struct loop *l)
{
	const uint32_t *n = l->node.relay.peers.n;

	log_counters(&l->node.stats);
	if (l->unsent)
		log_info("refused by the kernel when sent: %llu",
			 (unsigned long long)l->unsent);
	if (l->node.is_relay)
		log_info("peers: proven=%u probing=%u failed=%u of %u",
			 n[ROLL_PROVEN], n[ROLL_PROBING], n[ROLL_FAILED],
			 l->node.relay.conf.max_peers);
}

static void take_signal(struct loop *l, int signal)
{
	switch (signal) {
	case SIGTERM:
	case SIGINT:
		if (!l->done)
			log_info("exiting on %s",
				 signal == SIGINT ? "SIGINT" : "SIGTERM");
		finish(l, STATUS_OK);
		break;
	case SIGHUP:
		log_info("SIGHUP: start again to apply a changed "
			 "configuration");
		break;
	case SIGUSR1:
		log_state(l);
		break;
	}
}

static void on_signal(struct loop *l)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) == sizeof(info))
		take_signal(l, (int)info.ssi_signo);
}

static void on_channel(struct loop *l)
{
	char signal;

	if (recv(l->channel, &signal, 1, MSG_DONTWAIT) == 1) {
		take_signal(l, signal);
		return;
	}
	log_error("exiting: the monitor is gone");
	finish(l, STATUS_FAILED);
}

static void on_sunset(struct loop *l)
{
	log_info("exiting: the sunset date has come");
	finish(l, STATUS_OK);
}

static void on_addresses(struct loop *l, uint64_t now)
{
	uint64_t soonest = l->refreshed + REFRESH_MS * NS_PER_MS;

	if (netlink_drain(&l->watch->events))
		l->refresh_at = now > soonest ? now : soonest;
}

static void check_tunnel(struct loop *l)
{
	bool up = l->tun >= 0 &&
		  tun_is_up(l->watch->tun, l->door[l->node.relay.conf.door]);

	if (l->was_up && !up)
		lose_tunnel(l);
	l->was_up = up;
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

static void refresh(struct loop *l, uint64_t now)
{
	struct self *s = &l->node.self;
	bool had = s->has_source;
	struct ip6 old = s->source;
	int r = self_refresh(l->watch, s);

	check_tunnel(l);
	l->refreshed = now;
	l->refresh_at = UINT64_MAX;
	if (r) {
		refresh_failed(l, now, -r);
		return;
	}
	l->is_stale = false;
	log_debug("addresses of this host: %u IPv4, %u IPv6", s->n_ip4,
		  s->n_ip6);
	if (!l->node.is_relay)
		return;
	if (had && !s->has_source)
		log_warning("no native IPv6 address is left: new clients "
			    "cannot be reached until there is one");
	else if (s->has_source && (!had || !ip6_equal(&old, &s->source)))
		log_info("native IPv6 address is %s", ip6_text(&s->source));
}

static void on_event(struct loop *l, uint32_t source, uint64_t now)
{
	switch (source) {
	case SOURCE_TUN:
		on_tun(l, now);
		break;
	case SOURCE_CHANNEL:
		on_channel(l);
		break;
	case SOURCE_SIGNALS:
		on_signal(l);
		break;
	case SOURCE_ADDRESSES:
		on_addresses(l, now);
		break;
	case SOURCE_SUNSET:
		on_sunset(l);
		break;
	default: /* not the enum: numbers of doors */
		on_door(l, (enum door)(source - SOURCE_DOOR), now);
	}
}

static void on_time(struct loop *l, uint64_t now)
{
	if (l->refresh_at <= now)
		refresh(l, now);
	for (int i = 0; i < TIMEOUT_ROUNDS && node_next(&l->node) <= now; i++) {
		node_timeout(&l->node, now, &l->out);
		run_outbox(l);
	}
}

/* For epoll_wait(): milliseconds to the next deadline, rounded up. */
static int wait_ms(const struct loop *l, uint64_t now)
{
	uint64_t next = node_next(&l->node), ms;

	if (l->refresh_at < next)
		next = l->refresh_at;
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	ms = (next - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < 60000 ? (int)ms : 60000;
}

int loop_run(struct loop *l)
{
	uint64_t now = clock_now();

	while (!l->done) {
		struct epoll_event e[SOURCES];
		int n = epoll_wait(l->epoll, e, SOURCES, wait_ms(l, now));

		now = clock_now();
		for (int i = 0; i < n; i++)
			on_event(l, e[i].data.u32, now);
		on_time(l, now);
	}
	return l->status;
}
