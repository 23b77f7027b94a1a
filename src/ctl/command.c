/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: the tables, and what is made of them. */
#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sys/value.h"
#include "ctl.h"

#define AT(field) offsetof(struct ctl, field)

const struct ctl_verb ctl_verbs[] = {
	{"status", "", 0, 0, CTL_TAKES_NOTHING, ctl_status,
	 "how the daemon is, why, and what to do"},
	{"netcheck", "SERVER...", 1, 16, CTL_TAKES_HOST, ctl_netcheck,
	 "what the network does to UDP, and which servers are any good"},
	{"peers", "", 0, 0, CTL_TAKES_NOTHING, ctl_peers,
	 "whom it talks to, how, and how much"},
	{"monitor", "", 0, 0, CTL_TAKES_NOTHING, ctl_monitor,
	 "changes of its state and lines of its log, as they happen"},
	{"explain", "ADDRESS|REASON...", 1, 100, CTL_TAKES_REASON, ctl_explain,
	 "take a Teredo address apart, or tell what a reason means"},
	{"reload", "", 0, 0, CTL_TAKES_NOTHING, ctl_reload,
	 "read the configuration again and apply what has changed"},
	{"metrics", "", 0, 0, CTL_TAKES_NOTHING, ctl_metrics,
	 "counters, as text for Prometheus"},
	{"log", "[LINES]", 0, 1, CTL_TAKES_NOTHING, ctl_log,
	 "the last lines of its log"},
	{"check", "[FILE]", 0, 1, CTL_TAKES_FILE, ctl_check,
	 "check a configuration file"},
	{"config", "", 0, 0, CTL_TAKES_NOTHING, ctl_config,
	 "the configuration in force, and where each line comes from"},
	{0},
};

const struct ctl_option ctl_options[] = {
	{'q', "quiet", .kind = CTL_FLAG, .at = AT(quiet), .verbs = "status",
	 .help = "say nothing, the exit status tells"},
	{'n', "limit", "N", .kind = CTL_NUMBER, .at = AT(limit),
	 .verbs = "peers", .help = "that many at most, up to 100000 (1000)"},
	{'s', "sort", "BY", .kind = CTL_WORD, .at = AT(sort),
	 .words = "rate age address", .verbs = "peers",
	 .help = "by rate, age or address"},
	{'r', "rates", .kind = CTL_FLAG, .at = AT(rates), .verbs = "peers",
	 .help = "bytes a second, measured for a second"},
	{'w', "watch", "SECONDS", .may_lack_arg = true, .lacking = "1",
	 .kind = CTL_SECONDS, .at = AT(watch), .verbs = "peers",
	 .help = "again and again (1); q ends it"},
	{.name = "confirm",
	 .arg = "TIME",
	 .kind = CTL_SECONDS,
	 .at = AT(confirm),
	 .verbs = "reload",
	 .help = "undo it after 60s or 2m unless it is confirmed"},
	{.name = "keep",
	 .kind = CTL_FLAG,
	 .at = AT(keep),
	 .verbs = "reload",
	 .help = "confirm the last reload"},
	{.name = "undo",
	 .kind = CTL_FLAG,
	 .at = AT(undo),
	 .verbs = "reload",
	 .help = "go back at once, instead of confirming"},
	{.name = "openmetrics",
	 .kind = CTL_FLAG,
	 .at = AT(openmetrics),
	 .verbs = "metrics",
	 .help = "in the format of OpenMetrics 1.0"},
	{'a', "all", .kind = CTL_FLAG, .at = AT(all), .verbs = "config",
	 .help = "with defaults, as comments"},
	{.name = "relay",
	 .arg = "HOST6",
	 .kind = CTL_TEXT,
	 .at = AT(relay),
	 .verbs = "netcheck",
	 .help = "is there a relay for this native host?"},
	{.name = "bind",
	 .arg = "ADDR",
	 .kind = CTL_TEXT,
	 .at = AT(bind),
	 .verbs = "netcheck",
	 .help = "from this IPv4 address (any)"},
	{.name = "interface",
	 .arg = "NAME",
	 .kind = CTL_TEXT,
	 .at = AT(iface),
	 .verbs = "netcheck",
	 .help = "by this interface only"},
	{.name = "port",
	 .arg = "N",
	 .kind = CTL_NUMBER,
	 .at = AT(port),
	 .verbs = "netcheck",
	 .help = "from this UDP port (any)"},
	{.name = "dns",
	 .arg = "ADDR",
	 .kind = CTL_TEXT,
	 .at = AT(dns),
	 .verbs = "netcheck",
	 .help = "a name server outside, to see whether UDP works"},
	{.name = "allow",
	 .arg = "PREFIX,...",
	 .kind = CTL_TEXT,
	 .at = AT(allow),
	 .verbs = "netcheck",
	 .help = "private addresses that may be asked, as AllowIPv4"},
	{.name = "json",
	 .kind = CTL_FLAG,
	 .at = AT(json),
	 .help = "JSON, for programs"},
	{'S', "socket", "PATH", .kind = CTL_TEXT, .at = AT(socket),
	 .help = "the daemon's control socket (/run/miredo/control)"},
	{.name = "color",
	 .arg = "WHEN",
	 .kind = CTL_WORD,
	 .at = AT(color),
	 .words = "auto always never",
	 .help = "colours: auto, always or never (auto)"},
	{'h', "help", .kind = CTL_HELP, .help = "show this and exit"},
	{'V', "version", .kind = CTL_VERSION,
	 .help = "show the version and exit"},
	{0},
};

enum {
	MAX_OPTIONS = 32,
	VAL_BASE = 256
};
static_assert(sizeof(ctl_options) / sizeof(ctl_options[0]) <= MAX_OPTIONS,
	      "room for getopt's table");

FILE *ctl_errors;
const char *ctl_name = "miredoctl";

int ctl_fail(int status, const char *format, ...)
{
	va_list args;

	if (!ctl_errors)
		return status;
	fflush(stdout);
	fprintf(ctl_errors, "%s: ", ctl_name);
	va_start(args, format);
	vfprintf(ctl_errors, format, args);
	va_end(args);
	fputc('\n', ctl_errors);
	return status;
}

bool ctl_option_fits(const struct ctl_option *o, const struct ctl_verb *v)
{
	return !o->verbs || (v && value_word(o->verbs, v->name));
}

static void print_option(const struct ctl_option *o)
{
	char left[40], letter[4] = "  ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c", o->letter);
	snprintf(left, sizeof(left), "%s%s--%s%s%s%s", letter,
		 o->letter ? ", " : "  ", o->name,
		 !o->arg           ? ""
		 : o->may_lack_arg ? "[="
				   : " ",
		 o->arg ? o->arg : "", o->may_lack_arg ? "]" : "");
	printf("  %-22s %s\n", left, o->help);
}

static void print_options(const struct ctl_verb *v)
{
	unsigned n = 0;

	for (const struct ctl_option *o = ctl_options; o->name; o++) {
		if (o->verbs && ctl_option_fits(o, v)) {
			print_option(o);
			n++;
		}
	}
	if (n)
		putchar('\n');
	puts("Options of all verbs:");
	for (const struct ctl_option *o = ctl_options; o->name; o++) {
		if (!o->verbs)
			print_option(o);
	}
}

static int print_help(const struct ctl_verb *v)
{
	if (v) {
		printf("Usage: miredoctl %s [options]%s%s\n%s\n\n", v->name,
		       *v->args ? " " : "", v->args, v->help);
		print_options(v);
		puts("\nSee miredoctl(8).");
		return CTL_GOOD;
	}
	puts("Usage: miredoctl VERB [options] [arguments]\n"
	     "Asks a Teredo daemon, miredo or miredo-server, and explains.\n");
	for (v = ctl_verbs; v->name; v++)
		printf("  %-10s %s\n", v->name, v->help);
	putchar('\n');
	print_options(NULL);
	puts("\nExit status: 0 good, 1 degraded or failed, 2 usage, 3 no "
	     "daemon.\n"
	     "See miredoctl VERB --help and miredoctl(8).");
	return CTL_GOOD;
}

/* getopt's tables of this verb, or of what may come before any. */
static void build_tables(const struct ctl_verb *v, char *letters,
			 struct option *names)
{
	*letters++ = v ? ':' : '+';
	if (!v)
		*letters++ = ':';
	for (int i = 0; ctl_options[i].name; i++) {
		const struct ctl_option *o = &ctl_options[i];

		if (!ctl_option_fits(o, v))
			continue;
		if (o->letter) {
			*letters++ = o->letter;
			if (o->arg)
				*letters++ = ':';
			if (o->may_lack_arg)
				*letters++ = ':';
		}
		*names++ = (struct option){
			.name = o->name,
			.has_arg = !o->arg           ? no_argument
				   : o->may_lack_arg ? optional_argument
						     : required_argument,
			.val = VAL_BASE + i,
		};
	}
	*letters = '\0';
	*names = (struct option){0};
}

static const struct ctl_option *find_option(int got)
{
	if (got >= VAL_BASE)
		return &ctl_options[got - VAL_BASE];
	for (const struct ctl_option *o = ctl_options; o->name; o++) {
		if (o->letter && o->letter == got)
			return o;
	}
	return NULL;
}

static bool take_number(long *out, const char *value)
{
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return false;
	*out = strtol(value, &end, 10);
	return *end == '\0' && *out >= 1 && *out <= 100000;
}

static bool take_seconds(double *out, const char *value)
{
	char *end;

	if (value[0] < '0' || value[0] > '9' || strlen(value) > 12)
		return false;
	*out = strtod(value, &end);
	if (strcmp(end, "m") == 0)
		*out *= 60;
	else if (*end && strcmp(end, "s") != 0)
		return false;
	return *out > 0 && *out <= 86400;
}

/* NULL, or what would be right. */
static const char *take_value(struct ctl *c, const struct ctl_option *o,
			      const char *value)
{
	void *at = (char *)c + o->at;

	switch (o->kind) {
	case CTL_FLAG:
		*(bool *)at = true;
		break;
	case CTL_WORD:
		if (!value_word(o->words, value))
			return o->words;
		*(const char **)at = value;
		break;
	case CTL_TEXT:
		*(const char **)at = value;
		break;
	case CTL_NUMBER:
		return take_number(at, value) ? NULL
					      : "a number from 1 to 100000";
	case CTL_SECONDS:
		return take_seconds(at, value) ? NULL
					       : "seconds, such as 60 or 60s, "
						 "or minutes, such as 2m";
	case CTL_HELP:
	case CTL_VERSION:
		break;
	}
	return NULL;
}

static const char *see(const struct ctl *c)
{
	static char text[64];

	snprintf(text, sizeof(text), "miredoctl%s%s --help", c->verb ? " " : "",
		 c->verb ? c->verb->name : "");
	return text;
}

static int bad_option(const struct ctl *c, int got, char **argv)
{
	const char *word = argv[optind - 1];
	char letter[3] = {'-', (char)optopt, '\0'};

	if (optopt > 0 && optopt < VAL_BASE)
		word = letter;
	return ctl_fail(CTL_USAGE, "%s \"%s\"\n  see:  %s",
			got == ':' ? "there is no value behind"
				   : "there is no option",
			word, see(c));
}

/* Options from here to the end, or to the verb. -1 = go on. */
static int take_options(struct ctl *c, int argc, char **argv)
{
	struct option names[MAX_OPTIONS];
	char letters[2 * MAX_OPTIONS];
	int got;

	build_tables(c->verb, letters, names);
	while ((got = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		const struct ctl_option *o = find_option(got);
		const char *right, *value;

		if (!o)
			return bad_option(c, got, argv);
		if (o->kind == CTL_HELP)
			return print_help(c->verb);
		if (o->kind == CTL_VERSION) {
			puts("miredoctl " MIREDO_VERSION "\n"
			     "Licence GPL-2.0-or-later: free software, without "
			     "any warranty");
			return CTL_GOOD;
		}
		value = optarg ? optarg : o->lacking;
		right = take_value(c, o, value);
		if (right)
			return ctl_fail(CTL_USAGE,
					"--%s: \"%s\" is wrong\n"
					"  it takes:  %s",
					o->name, value, right);
	}
	return -1;
}

static const struct ctl_verb *find_verb(const char *name)
{
	for (const struct ctl_verb *v = ctl_verbs; v->name; v++) {
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

static int no_verb(const char *name)
{
	char all[256] = "";
	size_t n = 0;

	for (const struct ctl_verb *v = ctl_verbs; v->name; v++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, " %s", v->name);
	if (name)
		return ctl_fail(CTL_USAGE,
				"there is no verb \"%s\"\n"
				"  there are: %s",
				name, all);
	return ctl_fail(CTL_USAGE, "what shall it do?\n  one of: %s", all);
}

int ctl_main(int argc, char **argv)
{
	struct ctl c = {.color = "auto", .limit = 1000};
	int status, n;

	ctl_errors = stderr;
	optind = 0; /* what of getopt was used before is forgotten */
	status = take_options(&c, argc, argv);
	if (status >= 0)
		return status;
	if (optind == argc)
		return no_verb(NULL);
	c.verb = find_verb(argv[optind]);
	if (!c.verb)
		return no_verb(argv[optind]);
	argv += optind;
	argc -= optind;
	optind = 0;
	status = take_options(&c, argc, argv);
	if (status >= 0)
		return status;
	if (c.quiet)
		ctl_errors = NULL;
	n = argc - optind;
	if (n < c.verb->min || n > c.verb->max)
		return ctl_fail(CTL_USAGE, "%s: %s\n  see:  %s", c.verb->name,
				n < c.verb->min ? "an argument is missing"
						: "too many arguments",
				see(&c));
	return c.verb->run(&c, n, argv + optind);
}
