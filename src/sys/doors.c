/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets, as the configuration wants them (see doors.h). */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "doors.h"
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

int door_open(const struct plan *p, uint32_t ip, uint16_t port, unsigned i)
{
	bool with_ecn = p->node.is_relay || p->node.is_client;
	char user[64];
	int fd;

	if (i < p->options->n_udp) {
		fd = adopt(p->options->udp_fd[i], ip, port, with_ecn);
		set_up(fd, p);
		return fd;
	}
	fd = udp_open(ip, port, with_ecn);
	if (fd == -EADDRINUSE) {
		port_user(user, sizeof(user), ip, port);
		die("UDP port %u on %s is taken by %s\n"
		    "  stop it first",
		    port, ip ? ip4_text(ip) : "any address", user);
	}
	if (fd == -EADDRNOTAVAIL)
		die("%s is not an address of this host\n"
		    "  %s",
		    ip4_text(ip),
		    p->node.is_server
			    ? "add it, or correct ServerBindAddress"
			    : "correct BindAddress, or leave it out for any");
	if (fd < 0)
		die("cannot open UDP port %u on %s: %s", port,
		    ip ? ip4_text(ip) : "any address", strerror(-fd));
	set_up(fd, p);
	return fd;
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

int door_open_random(const struct plan *p)
{
	const struct conf *c = p->conf;

	for (int i = 0; i < PORT_TRIES; i++) {
		int fd = udp_open(c->bind_ip, random_port(), true);

		if (fd >= 0)
			set_up(fd, p);
		if (fd != -EADDRINUSE && fd != -EACCES)
			return fd >= 0 ? fd : door_open(p, c->bind_ip, 0, 0);
	}
	return door_open(p, c->bind_ip, 0, 0);
}

int door_open_service(const struct plan *p, uint16_t last)
{
	const struct conf *c = p->conf;
	int fd;

	if (c->bind_port || p->options->n_udp || !last)
		return c->bind_port || p->options->n_udp
			       ? door_open(p, c->bind_ip, c->bind_port, 0)
			       : door_open_random(p);
	fd = udp_open(c->bind_ip, last, true);
	if (fd >= 0) {
		set_up(fd, p);
		return fd;
	}
	log_info("UDP port %u of the last run is taken: using another, so the "
		 "address will be another",
		 last);
	return door_open_random(p);
}

/* The same door for the other lanes, as far as the kernel goes along. */
void doors_open_beside(struct loop *l, const struct plan *p, enum door door)
{
	bool with_ecn = p->node.is_relay || p->node.is_client;

	if (l->lanes.lane[0].door[door] < 0)
		return;
	for (unsigned i = 1; i < p->threads; i++) {
		int fd = udp_open_beside(l->lanes.lane[0].door[door], with_ecn);

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
