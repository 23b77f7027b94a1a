/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. One table makes getopt's tables and the help. Options of
 * 2004 and of 1.2.6 keep their letters; where the two disagree, over -p, the
 * value tells: digits are a port, anything else is a PID file.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "options.h"
#include "value.h"

typedef void take_fn(struct options *o, const char *value);

struct row {
	char letter;
	const char *name, *arg;
	const char *directive, *value; /* value: if the option takes none */
	const char *words;             /* values there are, if few */
	take_fn *take;
	const char *help; /* a row without a name is a heading; without help,
			   * another name */
};

static _Noreturn void usage_error(const struct options *o, const char *what,
				  const char *value)
{
	fprintf(stderr,
		"%s: %s \"%s\"\n"
		"  see:  %s --help\n",
		o->program, what, value, o->program);
	exit(STATUS_USAGE);
}

static void set_override(struct options *o, const char *option,
			 const char *directive, const char *value)
{
	if (o->n_overrides == OVERRIDES_MAX)
		usage_error(o, "too many options at", option);
	o->overrides[o->n_overrides].option = option;
	o->overrides[o->n_overrides].directive = directive;
	o->overrides[o->n_overrides++].value = value;
}

#define ROLES "client relay server auto"

static void take_server(struct options *o, const char *value)
{
	(void)value;
	o->names_server_addr = true;
}

static void take_file(struct options *o, const char *value)
{
	o->file = value;
}

static void take_foreground(struct options *o, const char *value)
{
	(void)value;
	o->foreground = true;
}

static void take_pidfile(struct options *o, const char *value)
{
	o->pidfile = value;
}

static void take_p(struct options *o, const char *value)
{
	if (value[strspn(value, "0123456789")] == '\0')
		set_override(o, "port", "BindPort", value);
	else
		take_pidfile(o, value);
}

static void take_chroot(struct options *o, const char *value)
{
	o->chroot = value;
}

static void take_verbose(struct options *o, const char *value)
{
	(void)value;
	o->verbose = true;
}

static void take_check(struct options *o, const char *value)
{
	(void)value;
	o->check = true;
}

static void take_role(struct options *o, const char *value)
{
	if (!value_word(ROLES, value))
		usage_error(o, "--role is client, relay, server or auto, not",
			    value);
	o->role = value;
}

static int descriptor(const struct options *o, const char *value)
{
	uint32_t n;

	if (!value_number(&n, value, 0, 1 << 20))
		usage_error(o, "not the number of a descriptor:", value);
	return (int)n;
}

static void take_tun_fd(struct options *o, const char *value)
{
	o->tun_fd = descriptor(o, value);
}

static void take_udp_fd(struct options *o, const char *value)
{
	if (o->n_udp == UDP_FDS)
		usage_error(o, "--udp-fd can be given twice, not again for",
			    value);
	o->udp_fd[o->n_udp++] = descriptor(o, value);
}

static take_fn take_help, take_version;

static const struct row rows[] = {
	{.help = "Role (by default a relay; with SERVER a client)"},
	{'s', "server", "ADDR", "ServerBindAddress", .take = take_server,
	 .help = "be a server on ADDR and the address after it"},
	{0, "server2", "ADDR", "ServerBindAddress2",
	 .help = "second address of the server, if it is another"},
	{0, "role", "ROLE", .take = take_role, .words = ROLES,
	 .help = "client, relay, server or auto, whatever the file says"},
	{'C', "cone", NULL, "RelayType", "cone",
	 .help = "be a relay with an unfiltered port"},
	{.help = "Network"},
	{'i', "iface", "NAME", "InterfaceName",
	 .help = "name of the interface (teredo)"},
	{'P', "prefix", "PREFIX", "Prefix",
	 .help = "Teredo prefix (2001::/32)"},
	{'b', "bind", "ADDR", "BindAddress",
	 .help = "IPv4 address of a relay or client (any)"},
	{0, "port", "PORT", "BindPort", .help = "its UDP port (any)"},
	{0, "tun-fd", "N", .take = take_tun_fd,
	 .help = "use an open tun device, set up by somebody else"},
	{0, "udp-fd", "N", .take = take_udp_fd,
	 .help = "use an open UDP socket; a server takes two"},
	{.help = "Process"},
	{'c', "config", "FILE", .take = take_file,
	 .help = "configuration file (/etc/miredo/PROGRAM.conf)"},
	{'f', "foreground", .take = take_foreground,
	 .help = "stay, and log to standard error"},
	{'u', "user", "USER", "User", .help = "user to run as (miredo)"},
	{'g', "group", "GROUP", "Group", .help = "group to run as (nogroup)"},
	{0, "pidfile", "FILE", .take = take_pidfile,
	 .help = "PID file (/run/miredo.pid, /run/miredo-server.pid)"},
	{0, "control", "PATH", "ControlSocket",
	 .help = "where miredoctl asks, or none (/run/miredo/control)"},
	{'t', "chroot", "DIR", .take = take_chroot,
	 .help = "change root to DIR once everything is open"},
	{0, "chrootdir", "DIR", .take = take_chroot},
	{0, "state", "DIR", "StateDirectory",
	 .help = "where a client keeps its port (/var/lib/miredo)"},
	{0, "control", "PATH", "ControlSocket",
	 .help = "where miredoctl asks (/run/miredo/control)"},
	{'v', "verbose", .take = take_verbose, .help = "log more"},
	{.help = "Other"},
	{'p', NULL, "VALUE", .take = take_p,
	 .help = "digits: as --port; else: as --pidfile"},
	{0, "check", .take = take_check,
	 .help = "check the configuration and exit"},
	{'h', "help", .take = take_help, .help = "show this and exit"},
	{'V', "version", .take = take_version,
	 .help = "show the version and exit"},
};

enum {
	N_ROWS = sizeof(rows) / sizeof(rows[0]),
	VAL_BASE = 256
};

void options_print_version(const char *program)
{
	printf("%s %s\n"
	       "Licence GPL-2.0-or-later: free software, without any "
	       "warranty\n",
	       program, MIREDO_VERSION);
}

static void take_version(struct options *o, const char *value)
{
	(void)value;
	options_print_version(o->program);
	exit(STATUS_OK);
}

static void print_row(const struct row *r)
{
	char left[40], letter[4] = "  ";

	if (r->letter)
		snprintf(letter, sizeof(letter), "-%c", r->letter);
	snprintf(left, sizeof(left), "%s%s%s%s%s%s", letter,
		 r->letter && r->name ? ", " : "  ", r->name ? "--" : "",
		 r->name ? r->name : "", r->arg ? " " : "",
		 r->arg ? r->arg : "");
	printf("  %-22s %s\n", left, r->help);
}

static void take_help(struct options *o, const char *value)
{
	(void)value;
	printf("Usage: %s [-s ADDR] [-c FILE] [-f] [options] [SERVER...]\n"
	       "Teredo client of SERVER, server or relay: IPv6 over UDP "
	       "through NATs (RFC 4380)\n",
	       o->program);
	for (unsigned i = 0; i < N_ROWS; i++) {
		if (!rows[i].letter && !rows[i].name)
			printf("\n%s:\n", rows[i].help);
		else if (rows[i].help)
			print_row(&rows[i]);
	}
	printf("\nExit status: 0 running or done, 1 failed, 2 usage. "
	       "See miredo(8).\n");
	exit(STATUS_OK);
}

bool options_row(struct option_row *out, unsigned i)
{
	if (i >= N_ROWS)
		return false;
	*out = (struct option_row){
		.letter = rows[i].letter,
		.name = rows[i].name,
		.arg = rows[i].arg,
		.words = rows[i].words,
		.help = rows[i].help,
	};
	return true;
}

static void build_tables(char *letters, struct option *names)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		if (rows[i].letter) {
			*letters++ = rows[i].letter;
			if (rows[i].arg)
				*letters++ = ':';
		}
		if (rows[i].name)
			*names++ = (struct option){
				.name = rows[i].name,
				.has_arg = rows[i].arg != NULL,
				.val = VAL_BASE + (int)i,
			};
	}
	*letters = '\0';
	*names = (struct option){0};
}

static const struct row *find_row(int got)
{
	if (got >= VAL_BASE)
		return &rows[got - VAL_BASE];
	for (unsigned i = 0; i < N_ROWS; i++) {
		if (rows[i].letter && rows[i].letter == got)
			return &rows[i];
	}
	return NULL;
}

void options_parse(struct options *o, int argc, char **argv)
{
	struct option names[N_ROWS + 1];
	char letters[2 * N_ROWS + 1];
	int got;

	*o = (struct options){.tun_fd = -1, .udp_fd = {-1, -1}};
	o->program = program_invocation_short_name;
	o->as_server = strcmp(o->program, "miredo-server") == 0;
	build_tables(letters, names);
	while ((got = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		const struct row *r = find_row(got);

		if (!r) {
			/* getopt has said what; this is what to do. */
			fprintf(stderr, "  see:  %s --help\n", o->program);
			exit(STATUS_USAGE);
		}
		if (r->directive)
			set_override(o, r->name, r->directive,
				     r->value ? r->value : optarg);
		if (r->take)
			r->take(o, optarg);
	}
	while (optind < argc && o->n_servers < CLIENT_SERVERS)
		o->servers[o->n_servers++] = argv[optind++];
	if (optind < argc)
		usage_error(o, "unexpected argument", argv[optind]);
}
