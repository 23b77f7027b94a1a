/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets, as the configuration wants them (see doors.h). */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "doors.h"
#include "fdstore.h"
#include "log.h"
#include "portuser.h"
#include "preflight.h"

enum {
	PORT_MIN = 1024,
	PORT_TRIES = 100,
};

/* ip and port: where it must be bound to; 0 = anywhere. */
static int adopt(int fd, uint32_t ip, uint16_t port, bool with_ecn)
{
	struct tuple local;
	int r = udp_adopt(fd, with_ecn, &local);

	if (r)
		die("descriptor %d is no bound UDP socket over IPv4: %s", fd,
		    strerror(-r));
	if ((ip && local.ip != ip) || (port && local.port != port))
		die("descriptor %d is bound to %s port %u, not to %s port %u\n"
		    "  a server takes its primary address first",
		    fd, ip4_text(local.ip), local.port, ip4_text(ip), port);
	return fd;
}

static void confine(int fd, const struct conf *c)
{
	int r = udp_confine(fd, c->bind_iface, c->mark);

	if (r == -ENODEV)
		die("there is no interface \"%s\"\n"
		    "  correct BindInterface, or leave it out for any",
		    c->bind_iface);
	if (r)
		die("cannot set BindInterface or Mark: %s", strerror(-r));
}

/* What is wanted of every socket; one that was passed in is confined already,
 * if at all. */
static void set_up(int fd, const struct plan *p)
{
	int r = udp_set_dscp(fd, p->conf->dscp);

	if (r)
		die("cannot set DSCP: %s", strerror(-r));
	if (!p->node.is_server && !p->options->n_udp)
		confine(fd, p->conf);
}

/* By what name a socket is kept; NULL: it is not. */
static const char *kind_of(enum door door)
{
	static const char *const kinds[DOORS] = {
		[DOOR_PRIMARY] = "udp-primary",
		[DOOR_SECONDARY] = "udp-secondary",
		[DOOR_SERVICE] = "udp-service",
	};

	return kinds[door];
}

/* Where a door is; 0 = anywhere. false: there is none in this plan. */
static bool place(struct tuple *t, const struct plan *p, enum door door)
{
	const struct server_conf *s = &p->node.server;

	*t = (struct tuple){p->conf->bind_ip, p->conf->bind_port};
	if (door == DOOR_SERVICE)
		return !p->node.is_server;
	*t = (struct tuple){door == DOOR_PRIMARY ? s->primary : s->secondary,
			    TEREDO_PORT};
	return p->node.is_server &&
	       (door == DOOR_PRIMARY || door == DOOR_SECONDARY);
}

static bool is_at(int fd, const struct plan *p, enum door door)
{
	struct tuple is, wanted;

	return place(&wanted, p, door) && udp_local(fd, &is) == 0 && is.port &&
	       (p->node.is_server ? is.ip == wanted.ip
				  : is.ip == p->conf->bind_ip) &&
	       (!wanted.port || is.port == wanted.port);
}

bool door_fits(const struct plan *p, const char *kind, unsigned thread, int fd)
{
	bool is_free = p->node.is_server;

	for (enum door d = 0; d < DOORS; d++) {
		if (!kind_of(d) || strcmp(kind_of(d), kind) != 0)
			continue;
		return thread < p->threads && !p->options->n_udp &&
		       is_at(fd, p, d) &&
		       udp_is_confined(fd, is_free ? "" : p->conf->bind_iface,
				       is_free ? 0 : p->conf->mark);
	}
	return false;
}

void doors_store(const struct loop *l, const struct plan *p)
{
	for (unsigned i = 0; i < p->threads && !p->options->n_udp; i++) {
		for (enum door d = 0; d < DOORS; d++) {
			if (kind_of(d))
				fdstore_put(kind_of(d), i,
					    l->lanes.lane[i].door[d]);
		}
	}
}

/* What was kept of this thread, ready for use; or -1. */
static int resume(const struct plan *p, enum door door, unsigned thread)
{
	bool with_ecn = p->node.is_relay || p->node.is_client;
	int fd = fdstore_take(kind_of(door), thread), r;
	struct tuple local;

	if (fd < 0)
		return -1;
	r = udp_adopt(fd, with_ecn, &local);
	if (!r)
		r = udp_set_dscp(fd, p->conf->dscp);
	if (r)
		die("cannot use the socket that was kept for port %u: %s\n"
		    "  start again",
		    local.port, strerror(-r));
	return fd;
}

static _Noreturn void cannot_open(const struct plan *p, const struct tuple *at,
				  int error)
{
	char user[64];

	if (error == EADDRINUSE) {
		port_user(user, sizeof(user), at->ip, at->port);
		die("UDP port %u on %s is taken by %s\n"
		    "  stop it first",
		    at->port, at->ip ? ip4_text(at->ip) : "any address", user);
	}
	if (error == EADDRNOTAVAIL)
		die("%s is not an address of this host\n"
		    "  %s",
		    ip4_text(at->ip),
		    p->node.is_server
			    ? "add it, or correct ServerBindAddress"
			    : "correct BindAddress, or leave it out for any");
	die("cannot open UDP port %u on %s: %s", at->port,
	    at->ip ? ip4_text(at->ip) : "any address", strerror(error));
}

/* A new one. */
static int open_at(const struct plan *p, struct tuple at)
{
	int fd =
		udp_open(at.ip, at.port, p->node.is_relay || p->node.is_client);

	if (fd < 0)
		cannot_open(p, &at, -fd);
	set_up(fd, p);
	return fd;
}

int door_open(const struct plan *p, enum door door)
{
	bool with_ecn = p->node.is_relay || p->node.is_client;
	unsigned i = door == DOOR_SECONDARY;
	struct tuple at;
	int fd;

	place(&at, p, door);
	if (i < p->options->n_udp) {
		fd = adopt(p->options->udp_fd[i], at.ip, at.port, with_ecn);
		set_up(fd, p);
		return fd;
	}
	fd = resume(p, door, 0);
	return fd >= 0 ? fd : open_at(p, at);
}

static uint16_t random_port(void)
{
	uint16_t n;

	do {
		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			die("cannot get random numbers: %s", strerror(errno));
	} while (n < PORT_MIN);
	return n;
}

/*
 * C3: at any port, since clients behind one NAT that keeps ports should not
 * meet; the kernel would draw from half of them.
 */
static int open_random(const struct plan *p)
{
	const struct conf *c = p->conf;

	for (int i = 0; i < PORT_TRIES; i++) {
		int fd = udp_open(c->bind_ip, random_port(), true);

		if (fd >= 0) {
			set_up(fd, p);
			return fd;
		}
		if (fd != -EADDRINUSE && fd != -EACCES)
			break;
	}
	return open_at(p, (struct tuple){c->bind_ip, 0});
}

int door_open_random(const struct conf *c, uint16_t *port)
{
	int fd = -EADDRINUSE, r;

	for (int i = 0; i < PORT_TRIES && fd == -EADDRINUSE; i++) {
		if (getrandom(port, sizeof(*port), 0) != sizeof(*port))
			return -errno;
		if (*port >= PORT_MIN)
			fd = udp_open(c->bind_ip, *port, true);
	}
	if (fd < 0)
		return fd;
	r = udp_confine(fd, c->bind_iface, c->mark);
	if (!r)
		r = udp_set_dscp(fd, c->dscp);
	if (r)
		close(fd);
	return r ? r : fd;
}

int door_open_later(const struct plan *p)
{
	int fd = udp_open_later(p->conf->bind_ip, true);

	if (fd < 0)
		die("cannot open a second UDP socket: %s", strerror(-fd));
	set_up(fd, p);
	return fd;
}

int door_open_service(const struct plan *p, uint16_t last)
{
	const struct conf *c = p->conf;
	int fd;

	if (c->bind_port || p->options->n_udp ||
	    fdstore_peek(kind_of(DOOR_SERVICE), 0) >= 0)
		return door_open(p, DOOR_SERVICE);
	if (!last)
		return open_random(p);
	fd = udp_open(c->bind_ip, last, true);
	if (fd >= 0) {
		set_up(fd, p);
		return fd;
	}
	log_info("UDP port %u of the last run is taken: using another, so the "
		 "address will be another",
		 last);
	return open_random(p);
}

/* The same door for the other lanes, as far as the kernel goes along. */
void doors_open_beside(struct loop *l, const struct plan *p, enum door door)
{
	bool with_ecn = p->node.is_relay || p->node.is_client;

	if (l->lanes.lane[0].door[door] < 0)
		return;
	for (unsigned i = 1; i < p->threads; i++) {
		int fd = resume(p, door, i);

		if (fd >= 0) {
			l->lanes.lane[i].door[door] = fd;
			continue;
		}
		fd = udp_open_beside(l->lanes.lane[0].door[door], with_ecn);
		if (fd < 0) {
			log_warning("no socket for thread %u: %s", i + 1,
				    strerror(-fd));
			return;
		}
		set_up(fd, p);
		l->lanes.lane[i].door[door] = fd;
	}
}

unsigned doors_offload(const struct loop *l, const struct plan *p)
{
	unsigned got = p->conf->offloads & (OFFLOAD_GSO | OFFLOAD_GRO);

	/* A server has one short packet of each of many clients. */
	if (p->node.is_server && !p->node.is_relay)
		got &= ~(unsigned)OFFLOAD_GRO;

	for (unsigned i = 0; i < p->threads; i++) {
		for (unsigned d = 0; d < DOORS; d++) {
			if (l->lanes.lane[i].door[d] >= 0)
				got &= udp_offload(l->lanes.lane[i].door[d],
						   got);
		}
	}
	return got;
}
