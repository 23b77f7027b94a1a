/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * miredoctl: asks the daemon, shows its answers to people and programs, and
 * explains. One table of verbs and one of options (command.c) make what getopt
 * is told, the help, the completion of shells, and what tests compare with
 * miredoctl(8).
 *
 * A new verb is a row and a function; a new option is a row and a field of
 * struct ctl.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The exit status, for scripts. */
enum {
	CTL_GOOD,
	CTL_BAD, /* degraded, not qualified; a change that was not made */
	CTL_USAGE,
	CTL_NO_DAEMON, /* not running, or what it answers is none of ours */
};

/* What the command line says. What is not given is zero, or as in command.c. */
struct ctl {
	const struct ctl_verb *verb;

	/* of all verbs */
	bool json;
	const char *socket; /* NULL = the usual ones */
	const char *color;  /* "auto", "always" or "never" */

	/* of some, see the table */
	bool quiet, rates, all, keep, undo, openmetrics;
	long limit;
	double watch;   /* seconds, 0 = once */
	double confirm; /* seconds, 0 = no need to */
	const char *sort;

	/* of netcheck */
	const char *relay, *bind, *iface, *dns, *allow;
	long port; /* 0 = any */
};

/* argv has n arguments that are no options. Returns the exit status. */
typedef int ctl_run_fn(const struct ctl *c, int n, char **argv);

/* What arguments of a verb are, for completion. */
enum ctl_takes {
	CTL_TAKES_NOTHING,
	CTL_TAKES_FILE,
	CTL_TAKES_HOST,
	CTL_TAKES_REASON
};

struct ctl_verb {
	const char *name, *args; /* "[FILE]", as the help shows it */
	int min, max;            /* arguments */
	enum ctl_takes takes;
	ctl_run_fn *run;
	const char *help;
};

enum ctl_kind {
	CTL_FLAG,    /* bool */
	CTL_TEXT,    /* const char * */
	CTL_WORD,    /* the same, one of `words` */
	CTL_NUMBER,  /* long, 1 to 100000 */
	CTL_SECONDS, /* double; "60", "60s", "2m" */
	CTL_HELP,
	CTL_VERSION
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): so rows read */
struct ctl_option {
	char letter; /* 0 = none */
	const char *name, *arg;
	bool may_lack_arg; /* --watch and --watch=2 */
	enum ctl_kind kind;
	size_t at;           /* offset in struct ctl */
	const char *verbs;   /* words; NULL = all */
	const char *words;   /* CTL_WORD */
	const char *lacking; /* the value without an argument */
	const char *help;
};

/* Both end with a row without a name. */
extern const struct ctl_verb ctl_verbs[];
extern const struct ctl_option ctl_options[];

/* Is it an option of this verb? NULL = before any verb. */
bool ctl_option_fits(const struct ctl_option *o, const struct ctl_verb *v);

/* The whole command; returns the exit status. */
int ctl_main(int argc, char **argv);

/* "miredoctl: ..." where errors go; a second line, indented, says what to do.
 * Returns status. */
int ctl_fail(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Where that goes: stderr; NULL = nowhere. And who says so. */
extern FILE *ctl_errors;
extern const char *ctl_name;

ctl_run_fn ctl_status, ctl_peers, ctl_monitor, ctl_explain, ctl_reload;
ctl_run_fn ctl_metrics, ctl_log, ctl_check, ctl_config, ctl_netcheck;

#endif
