/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command as shells complete it: see complete.c. */
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

#include "ctl.h"

enum takes {
	TAKES_NOTHING,
	TAKES_SOMETHING, /* nobody can guess it */
	TAKES_FILE,
	TAKES_DIRECTORY,
	TAKES_USER,
	TAKES_GROUP,
	TAKES_HOST,
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): so it reads */
struct item {
	char letter;
	const char *name; /* NULL = only a letter */
	const char *help;
	const char *words, *verbs; /* NULL = any, all */
	bool may_lack_arg;
	enum takes takes;
};

struct command {
	const char *name;
	const struct item *items;
	unsigned n_items;
	enum takes takes;             /* arguments, without verbs */
	const struct ctl_verb *verbs; /* NULL = none */
};

/* All to stdout. */
void write_bash(const struct command *c);
void write_zsh(const struct command *c);
void write_fish(const struct command *c);

/* All names of reasons, with blanks between them. */
void put_reasons(void);

#endif
