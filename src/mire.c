/* SPDX-License-Identifier: GPL-2.0-or-later */
/* teredo-mire: two sockets and core/mire.h. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/mire.h"
#include "sys/log.h"
#include "sys/self.h"
#include "sys/udp.h"
#include "sys/value.h"

enum {
	AT_ONCE = 64,
	ALLOW = 256
};

static const char page[] = "teredo-mire(1)";

static const struct option options[] = {
	{"bind", required_argument, NULL, 'b'},
	{"port", required_argument, NULL, 'p'},
	{"allow", required_argument, NULL, ALLOW},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static const char help[] =
	"Usage: teredo-mire [options]\n"
	"Answers pings of Teredo clients and, by way of relays, of others.\n\n"
	"  -b, --bind ADDR     only at this IPv4 address (all)\n"
	"  -p, --port N        UDP port of the service (3545)\n"
	"      --allow PREFIX  private addresses that are answered, too; again "
	"for more\n"
	"  -h, --help          show this and exit\n"
	"  -V, --version       show the version and exit\n\n"
	"See teredo-mire(1).\n";

struct mire_run {
	struct mire mire;
	struct gate gate;
	struct self self;
	struct self_watch watch;
	uint32_t bind;
	int fd[2]; /* DOOR_PRIMARY, DOOR_SERVICE */
};

static const enum door doors[2] = {DOOR_PRIMARY, DOOR_SERVICE};
static struct outbox out;

static void take_option(struct mire_run *r, int got)
{
	uint32_t port;

	switch (got) {
	case 'b':
		if (!value_ip4(&r->bind, optarg))
			die_usage(page, "--bind takes an IPv4 address", optarg);
		break;
	case 'p':
		if (!value_number(&port, optarg, 1, UINT16_MAX) ||
		    port == TEREDO_PORT)
			die_usage(page, "--port takes 1 to 65535, but 3544",
				  optarg);
		r->mire.port = (uint16_t)port;
		break;
	case ALLOW:
		if (r->gate.n_allow == GATE_MAX_RULES ||
		    !value_ip4_prefix(&r->gate.allow[r->gate.n_allow++],
				      optarg))
			die_usage(page,
				  "--allow takes a prefix, such as 10.0.0.0/8",
				  optarg);
		break;
	case 'h':
		fputs(help, stdout);
		exit(STATUS_OK);
	case 'V':
		puts("teredo-mire (Miredo) " MIREDO_VERSION);
		exit(STATUS_OK);
	default:
		die_usage(page,
			  "there is no such option, or its value is missing",
			  NULL);
	}
}

static void open_doors(struct mire_run *r)
{
	const uint16_t ports[2] = {TEREDO_PORT, r->mire.port};

	for (int i = 0; i < 2; i++) {
		r->fd[i] = udp_open(r->bind, ports[i], false);
		if (r->fd[i] == -EADDRINUSE)
			die("UDP port %u is in use\n  stop who has it: ss "
			    "-lunp",
			    ports[i]);
		if (r->fd[i] == -EADDRNOTAVAIL)
			die("--bind: this is no address of this host\n  see:  "
			    "ip address");
		if (r->fd[i] < 0)
			die("cannot open UDP port %u: %s", ports[i],
			    strerror(-r->fd[i]));
	}
}

/* What the kernel does not take is lost, as on any full link. */
static void flush(const struct mire_run *r)
{
	for (unsigned i = 0; i < out.n; i++) {
		const struct out *o = &out.v[i];

		(void)out_send(r->fd[o->door == DOOR_SERVICE], o);
	}
	outbox_clear(&out);
}

static void receive(const struct mire_run *r, int which)
{
	static uint8_t data[PACKET_SPACE];

	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_in from = {0};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(r->fd[which], data, sizeof(data),
				     MSG_TRUNC, (struct sockaddr *)&from, &len);
		struct datagram d = {.door = doors[which], .data = data};

		if (n < 0)
			return;
		if (n > (ssize_t)sizeof(data))
			continue; /* no Teredo packet is so long */
		d.len = (uint16_t)n;
		d.from.ip = ntohl(from.sin_addr.s_addr);
		d.from.port = ntohs(from.sin_port);
		(void)mire_input(&r->mire, &d, &out);
		flush(r);
	}
}

static _Noreturn void serve(struct mire_run *r)
{
	struct pollfd p[3] = {
		{r->fd[0], POLLIN, 0},
		{r->fd[1], POLLIN, 0},
		{netlink_fd(&r->watch.events), POLLIN, 0},
	};

	for (;;) {
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			die("cannot wait: %s", strerror(errno));
		if (p[2].revents && netlink_drain(&r->watch.events))
			self_refresh(&r->watch, &r->self);
		for (int i = 0; i < 2; i++) {
			if (p[i].revents)
				receive(r, i);
		}
	}
}

int main(int argc, char **argv)
{
	static struct mire_run r;
	int got, bad;

	log_open("teredo-mire", false);
	r.gate = (struct gate){
		.self = &r.self, .prefix = TEREDO_PREFIX, .public_only = true};
	r.mire = (struct mire){.gate = &r.gate, .port = MIRE_PORT};
	while ((got = getopt_long(argc, argv, "b:p:hV", options, NULL)) != -1)
		take_option(&r, got);
	if (optind < argc)
		die_usage(page, "there are no arguments", argv[optind]);
	open_doors(&r);
	bad = self_open(&r.watch, TEREDO_PREFIX);
	if (!bad)
		bad = self_refresh(&r.watch, &r.self);
	if (bad)
		die("cannot learn the addresses of this host: %s",
		    strerror(-bad));
	outbox_init(&out, &r.gate);
	serve(&r);
}
