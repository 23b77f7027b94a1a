/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * complete SHELL PROGRAM: what bash, zsh or fish want to know to complete the
 * command line of miredoctl, miredo or miredo-server, made of their tables.
 * It is run when all is built; shells.c has the words of each shell.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/netcheck.h"
#include "../sys/options.h"
#include "../sys/verdict.h"
#include "complete.h"

static struct item items[64];
static struct command command = {.items = items};

static enum takes takes_of(const char *arg)
{
	static const struct {
		const char *arg;
		enum takes takes;
	} known[] = {
		{"FILE", TAKES_FILE},     {"PATH", TAKES_FILE},
		{"DIR", TAKES_DIRECTORY}, {"USER", TAKES_USER},
		{"GROUP", TAKES_GROUP},   {"HOST", TAKES_HOST},
		{"SERVER", TAKES_HOST},
	};

	if (!arg)
		return TAKES_NOTHING;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].arg, arg) == 0)
			return known[i].takes;
	}
	return TAKES_SOMETHING;
}

static void add(const struct item *item)
{
	if (command.n_items == sizeof(items) / sizeof(items[0]))
		abort();
	items[command.n_items++] = *item;
}

static void take_daemon(void)
{
	const char *help = "";
	struct option_row r;

	for (unsigned i = 0; options_row(&r, i); i++) {
		if (!r.letter && !r.name)
			continue;
		help = r.help ? r.help : help;
		add(&(struct item){.letter = r.letter,
				   .name = r.name,
				   .help = help,
				   .words = r.words,
				   .takes = takes_of(r.arg)});
	}
	command.takes = TAKES_HOST;
}

static void take_ctl(void)
{
	for (const struct ctl_option *o = ctl_options; o->name; o++)
		add(&(struct item){.letter = o->letter,
				   .name = o->name,
				   .help = o->help,
				   .words = o->words,
				   .verbs = o->verbs,
				   .may_lack_arg = o->may_lack_arg,
				   .takes = takes_of(o->arg)});
	command.verbs = ctl_verbs;
}

void put_reasons(void)
{
	for (int i = 0; i < VERDICT_COUNT; i++)
		printf("%s%s", i ? " " : "",
		       verdict_words((enum verdict)i)->name);
	for (int i = 0; i < NOTE_COUNT; i++)
		printf(" %s", note_words((enum note)i)->name);
	for (int i = REASON_HELD + 1; i < REASON_COUNT; i++)
		printf(" %s", reason_name((enum reason)i));
	for (int i = 0; i < NETCHECK_REASON_COUNT; i++)
		printf(" %s", netcheck_reason_name((enum netcheck_reason)i));
	for (int i = 0; i < CHECKED_COUNT; i++)
		printf(" %s", netcheck_verdict_name((enum netcheck_verdict)i));
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return CTL_USAGE;
	command.name = argv[2];
	if (strcmp(argv[2], "miredoctl") == 0)
		take_ctl();
	else
		take_daemon();
	if (strcmp(argv[1], "bash") == 0)
		write_bash(&command);
	else if (strcmp(argv[1], "zsh") == 0)
		write_zsh(&command);
	else
		write_fish(&command);
	return ferror(stdout) || fflush(stdout) ? CTL_BAD : CTL_GOOD;
}
