/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of miredo and miredo-server. Most options stand for a
 * directive of the file and override it; the others are fields here.
 */
#ifndef SYS_OPTIONS_H
#define SYS_OPTIONS_H

#include "../core/client.h"

enum {
	OVERRIDES_MAX = 32,
	UDP_FDS = 2
};

struct options {
	const char *program;
	bool as_server;         /* by its name */
	bool names_server_addr; /* -s */
	bool foreground, check, verbose;
	const char *file, *pidfile, *chroot, *role;
	unsigned n_servers; /* arguments: somebody wants a client */
	const char *servers[CLIENT_SERVERS];
	int tun_fd, udp_fd[UDP_FDS]; /* -1 = not given */
	unsigned n_udp, n_overrides;
	struct {
		const char *option, *directive, *value;
	} overrides[OVERRIDES_MAX];
};

/* Ends the process for -h, -V, and with STATUS_USAGE for what is no option. */
void options_parse(struct options *o, int argc, char **argv);

/* "miredo 2.0.0" and the licence, to stdout. */
void options_print_version(const char *program);

/* The table, for completion: headings have neither letter nor name. */
struct option_row {
	char letter;
	const char *name, *arg;
	const char *words; /* values there are, if few */
	const char *help;  /* NULL = another name of the row before it */
};

bool options_row(struct option_row *out, unsigned i);

#endif
