/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * miredo, miredo-server and miredo-checkconf: one program, and its name tells
 * which. Reads what is wanted, then starts the processes of monitor.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/board.h"
#include "sys/conf_files.h"
#include "sys/configure.h"
#include "sys/control.h"
#include "sys/descriptors.h"
#include "sys/fdstore.h"
#include "sys/keeper.h"
#include "sys/log.h"
#include "sys/memory.h"
#include "sys/monitor.h"
#include "sys/notify.h"
#include "sys/options.h"
#include "sys/plan.h"
#include "sys/preflight.h"
#include "sys/privs.h"

/* What miredo-checkconf has always said for a bad file. */
enum {
	STATUS_BAD_FILE = 255
};

static void set_log(const struct conf *c, const struct options *o)
{
	/* Who only checks wants to see it. */
	if (!o->check)
		log_configure(c, !o->foreground, o->verbose);
}

/* The configuration of this run; dies of what is wrong with it. */
static void configure(struct plan *p, struct conf *c, const struct options *o)
{
	static struct report r;
	unsigned in_options;

	conf_defaults(c);
	set_log(c, o);
	in_options = configure_read(c, o, &r);
	set_log(c, o);
	if (!r.errors)
		plan_check(c, o, &r);
	if (r.errors) {
		report_log(&r, SEVERITY_WARNING);
		exit(in_options ? STATUS_USAGE : STATUS_FAILED);
	}
	report_log(&r, SEVERITY_NOTE);
	plan_make(p, c, o, memory_size(), memory_processors());
	if (o->n_servers && !p->node.is_client)
		log_warning("\"%s\" is ignored: only a client asks a server",
			    o->servers[0]);
	if (!p->node.is_server && c->server)
		log_warning("ServerBindAddress is ignored: this is a %s\n"
			    "  for a server:  -s %s",
			    p->node.is_client ? "client" : "relay",
			    ip4_text(c->server));
	if (p->node.is_server && (c->bind_ip || c->bind_port))
		log_warning("BindAddress and BindPort are ignored: a server is "
			    "at port %u of its own addresses",
			    TEREDO_PORT);
}

static const char *pidfile(const struct plan *p)
{
	if (p->options->pidfile)
		return p->options->pidfile;
	if (p->options->foreground)
		return NULL;
	return p->node.is_server ? "/run/miredo-server.pid" : "/run/miredo.pid";
}

/* What whoever starts us forgot to close is none of our business. */
static void close_others(const struct options *o)
{
	int keep[2 + UDP_FDS + FDSTORE_MAX] = {o->tun_fd, notify_descriptor()};
	unsigned n = 2;

	for (unsigned i = 0; i < o->n_udp; i++)
		keep[n++] = o->udp_fd[i];
	n += fdstore_descriptors(keep + n);
	descriptors_keep(keep, n);
}

/* Before any other process: it has the log of all. */
static void make_board(struct plan *p)
{
	p->board = board_make(p->threads);
	if (!p->board)
		die("cannot start: %s", strerror(errno));
	log_to(&p->board->journal);
}

static int run(int argc, char **argv)
{
	static struct options o;
	static struct conf c;
	static struct plan p;
	static struct reader reader;
	struct keeper_task task = {.plan = &p};
	struct monitor_task all = {
		.work = keeper_main,
		.arg = &task,
		.reader = &reader,
		.plan = &p,
		.ready_fd = -1,
	};

	options_parse(&o, argc, argv);
	log_open(o.program, o.verbose);
	if (!o.check) {
		fdstore_open();
		notify_open();
	}
	close_others(&o);
	configure(&p, &c, &o);
	preflight_sunset(&c);
	if (o.check)
		return STATUS_OK;
	privs_require((p.node.is_relay || p.node.is_client) && o.tun_fd < 0,
		      p.node.is_server && !p.node.is_relay);
	privs_lookup(&task.identity, c.user, c.group);
	control_group(&p);
	p.reader = &reader;
	make_board(&p);
	all.pidfile = pidfile(&p);
	if (!o.foreground)
		all.ready_fd = daemon_detach();
	return monitor_run(&all);
}

static int check_file(const char *name)
{
	static struct conf c;
	static struct report r;

	conf_defaults(&c);
	conf_files_read(&c, name, false, &r);
	if (!r.errors) {
		/* Without options one with ServerBindAddress is a server's. */
		const struct options o = {
			.as_server = c.type == TYPE_UNSET && c.server,
		};

		plan_check(&c, &o, &r);
	}
	report_log(&r, SEVERITY_WARNING);
	return r.errors || r.warnings ? STATUS_BAD_FILE : STATUS_OK;
}

static int checkconf(int argc, char **argv)
{
	int got;

	while ((got = getopt(argc, argv, "fhV")) != -1) {
		switch (got) {
		case 'f': /* units of 1.2.6 pass it */
			break;
		case 'h':
			puts("Usage: miredo-checkconf [-f] [FILE]\n"
			     "Exit status: 0 good, 255 not");
			return STATUS_OK;
		case 'V':
			options_print_version("miredo-checkconf");
			return STATUS_OK;
		default:
			return STATUS_USAGE;
		}
	}
	return check_file(optind < argc ? argv[optind]
					: conf_files_usual(false));
}

/* Lest a socket become number 2, and be written our messages to. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	fill_standard_descriptors();
	log_open(program_invocation_short_name, false);
	if (strcmp(program_invocation_short_name, "miredo-checkconf") == 0)
		return checkconf(argc, argv);
	return run(argc, argv);
}
