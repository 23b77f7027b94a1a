/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completion in the words of three shells. What these would take for theirs in
 * helps is escaped; names and values are plain words.
 */
#include <stdio.h>
#include <string.h>

#include "complete.h"

static bool fits(const struct item *i, const struct ctl_verb *v)
{
	const struct ctl_option o = {.verbs = i->verbs};

	return ctl_option_fits(&o, v);
}

/* The name of a function. */
static void put_function(const char *name)
{
	for (; *name; name++)
		putchar(*name == '-' ? '_' : *name);
}

/* bash */

static void bash_values(const struct item *i)
{
	static const char *const actions[] = {
		[TAKES_FILE] = "-f",          [TAKES_DIRECTORY] = "-d",
		[TAKES_USER] = "-u",          [TAKES_GROUP] = "-g",
		[TAKES_HOST] = "-A hostname",
	};

	if (i->words)
		printf("\t\twords='%s' action= ;;\n", i->words);
	else if (actions[i->takes])
		printf("\t\twords= action='%s' ;;\n", actions[i->takes]);
	else
		puts("\t\treturn ;;");
}

/*
 * "peers:-s|peers:--sort|peers:--sort=", for each of some verbs; "*" is any.
 * Where the value may lack, only what is behind "--watch=" is one.
 */
static void bash_patterns(const struct item *i, const char *verbs)
{
	for (const char * or = ""; *verbs; or = "|") {
		int n = (int)strcspn(verbs, " ");

		if (i->letter && !i->may_lack_arg) {
			printf("%s%.*s:-%c", or, n, verbs, i->letter);
			or = "|";
		}
		if (i->name && !i->may_lack_arg) {
			printf("%s%.*s:--%s", or, n, verbs, i->name);
			or = "|";
		}
		if (i->name)
			printf("%s%.*s:--%s=", or, n, verbs, i->name);
		verbs += n + (verbs[n] == ' ');
	}
}

/* The word before this one: does it want a value? */
static void bash_option(const struct item *i)
{
	if (i->takes == TAKES_NOTHING)
		return;
	putchar('\t');
	bash_patterns(i, i->verbs ? i->verbs : "*");
	puts(")");
	bash_values(i);
}

static void bash_names(const struct command *c, const struct ctl_verb *v)
{
	bool first = true;

	for (unsigned i = 0; i < c->n_items; i++) {
		if (!c->items[i].name || !fits(&c->items[i], v))
			continue;
		printf("%s--%s", first ? "" : " ", c->items[i].name);
		first = false;
	}
}

static void bash_arguments(const struct ctl_verb *v)
{
	switch (v->takes) {
	case CTL_TAKES_NOTHING:
		break;
	case CTL_TAKES_FILE:
		puts("\t\taction=-f");
		break;
	case CTL_TAKES_HOST:
		puts("\t\taction='-A hostname'");
		break;
	case CTL_TAKES_REASON:
		printf("\t\twords='");
		put_reasons();
		puts("'");
		break;
	}
}

static void bash_verb(const struct command *c, const struct ctl_verb *v)
{
	printf("\t%s)\n\t\toptions='", v->name);
	bash_names(c, v);
	puts("'");
	bash_arguments(v);
	puts("\t\t;;");
}

static void bash_verbs(const struct command *c)
{
	printf("\tcase $verb in\n\t'')\n\t\toptions='");
	bash_names(c, NULL);
	printf("'\n\t\twords='");
	for (const struct ctl_verb *v = c->verbs; v->name; v++)
		printf("%s%s", v == c->verbs ? "" : " ", v->name);
	puts("' ;;");
	for (const struct ctl_verb *v = c->verbs; v->name; v++)
		bash_verb(c, v);
	puts("\tesac");
}

static void bash_find_verb(const struct command *c)
{
	printf("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n\t\t");
	for (const struct ctl_verb *v = c->verbs; v->name; v++)
		printf("%s%s", v == c->verbs ? "" : "|", v->name);
	puts(")\n\t\t\tverb=${COMP_WORDS[i]}\n\t\t\tbreak ;;\n"
	     "\t\tesac\n\tdone");
}

void write_bash(const struct command *c)
{
	printf("# bash completion of %s, made from its table of options\n_",
	       c->name);
	put_function(c->name);
	puts("()\n{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb= options= words= "
	     "action= i\n"
	     "\tlocal prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\tCOMPREPLY=()\n"
	     "\tif [[ $cur == '=' ]]; then # bash cuts --name=value in three\n"
	     "\t\tprev+='='\n\t\tcur=\n"
	     "\telif [[ $prev == '=' ]]; then\n"
	     "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}=\n"
	     "\tfi");
	if (c->verbs) {
		bash_find_verb(c);
		bash_verbs(c);
	} else {
		printf("\toptions='");
		bash_names(c, NULL);
		puts("'\n\taction='-A hostname'");
	}
	puts("\tcase $verb:$prev in");
	for (unsigned i = 0; i < c->n_items; i++)
		bash_option(&c->items[i]);
	puts("\t*)\n\t\t[[ $cur != -* ]] || words=$options action= ;;\n"
	     "\tesac\n"
	     "\t[[ $action != -[fd] ]] || compopt -o filenames 2>/dev/null\n"
	     "\tmapfile -t COMPREPLY < <(\n"
	     "\t\t[[ -z $words ]] || compgen -W \"$words\" -- \"$cur\"\n"
	     "\t\t[[ -z $action ]] || compgen $action -- \"$cur\"\n"
	     "\t)\n}");
	printf("complete -F _");
	put_function(c->name);
	printf(" %s\n", c->name);
}

/* zsh */

static void zsh_help(const char *help)
{
	for (; *help; help++) {
		if (strchr("[]:\\", *help))
			putchar('\\');
		if (*help == '\'')
			fputs("'\\'", stdout);
		putchar(*help);
	}
}

static void zsh_value(const struct item *i)
{
	static const char *const actions[] = {
		[TAKES_SOMETHING] = " ",         [TAKES_FILE] = "_files",
		[TAKES_DIRECTORY] = "_files -/", [TAKES_USER] = "_users",
		[TAKES_GROUP] = "_groups",       [TAKES_HOST] = "_hosts",
	};

	printf("%s:%s:", i->may_lack_arg ? ":" : "",
	       i->name ? i->name : "value");
	if (i->words)
		printf("(%s)", i->words);
	else
		printf("%s", actions[i->takes]);
}

static void zsh_item(const struct item *i, const char *name, char letter)
{
	bool takes = i->takes != TAKES_NOTHING;

	printf(" \\\n\t\t'");
	if (name)
		printf("--%s%s", name,
		       !takes            ? ""
		       : i->may_lack_arg ? "=-"
					 : "=");
	else
		printf("-%c%s", letter,
		       !takes            ? ""
		       : i->may_lack_arg ? "-"
					 : "+");
	putchar('[');
	zsh_help(i->help);
	putchar(']');
	if (takes)
		zsh_value(i);
	putchar('\'');
}

static void zsh_items(const struct command *c, const struct ctl_verb *v)
{
	for (unsigned n = 0; n < c->n_items; n++) {
		const struct item *i = &c->items[n];

		if (!fits(i, v))
			continue;
		if (i->name)
			zsh_item(i, i->name, 0);
		if (i->letter)
			zsh_item(i, NULL, i->letter);
	}
}

static void zsh_verb(const struct command *c, const struct ctl_verb *v)
{
	printf("\t%s)\n\t\t_arguments", v->name);
	zsh_items(c, v);
	switch (v->takes) {
	case CTL_TAKES_NOTHING:
		break;
	case CTL_TAKES_FILE:
		printf(" \\\n\t\t'1:file:_files'");
		break;
	case CTL_TAKES_HOST:
		printf(" \\\n\t\t'*:host:_hosts'");
		break;
	case CTL_TAKES_REASON:
		printf(" \\\n\t\t'*:reason:(");
		put_reasons();
		printf(")'");
		break;
	}
	puts(" ;;");
}

static void zsh_verbs(const struct command *c)
{
	puts(" \\\n\t\t'1:verb:->verb' '*::argument:->argument'\n"
	     "case $state in\nverb)\n\tlocal -a verbs=(");
	for (const struct ctl_verb *v = c->verbs; v->name; v++) {
		printf("\t\t'%s:", v->name);
		zsh_help(v->help);
		puts("'");
	}
	puts("\t)\n\t_describe verb verbs ;;\n"
	     "argument)\n\tcase $line[1] in");
	for (const struct ctl_verb *v = c->verbs; v->name; v++)
		zsh_verb(c, v);
	puts("\tesac ;;\nesac");
}

void write_zsh(const struct command *c)
{
	printf("#compdef %s\n"
	       "# made from its table of options\n"
	       "local state line\n"
	       "typeset -A opt_args\n"
	       "_arguments -C",
	       c->name);
	zsh_items(c, NULL);
	if (c->verbs)
		zsh_verbs(c);
	else
		puts(" \\\n\t\t'*:server:_hosts'");
}

/* fish */

static void fish_help(const char *help)
{
	for (; *help; help++) {
		if (*help == '\\' || *help == '\'')
			putchar('\\');
		putchar(*help);
	}
}

static void fish_value(const struct item *i)
{
	static const char *const actions[] = {
		[TAKES_SOMETHING] = " -x",
		[TAKES_FILE] = " -r -F",
		[TAKES_DIRECTORY] = " -x -a '(__fish_complete_directories)'",
		[TAKES_USER] = " -x -a '(__fish_complete_users)'",
		[TAKES_GROUP] = " -x -a '(__fish_complete_groups)'",
		[TAKES_HOST] = " -x -a '(__fish_print_hostnames)'",
	};

	if (i->may_lack_arg)
		return;
	if (i->words)
		printf(" -x -a '%s'", i->words);
	else if (actions[i->takes])
		printf("%s", actions[i->takes]);
}

static void fish_item(const char *command, const struct item *i)
{
	printf("complete -c %s", command);
	if (i->verbs)
		printf(" -n '__fish_seen_subcommand_from %s'", i->verbs);
	if (i->letter)
		printf(" -s %c", i->letter);
	if (i->name)
		printf(" -l %s", i->name);
	fish_value(i);
	printf(" -d '");
	fish_help(i->help);
	puts("'");
}

static void fish_verb(const char *command, const struct ctl_verb *v)
{
	printf("complete -c %s -n __fish_use_subcommand -a %s -d '", command,
	       v->name);
	fish_help(v->help);
	puts("'");
	if (v->takes == CTL_TAKES_NOTHING)
		return;
	printf("complete -c %s -n '__fish_seen_subcommand_from %s'", command,
	       v->name);
	if (v->takes == CTL_TAKES_FILE) {
		puts(" -F");
	} else if (v->takes == CTL_TAKES_HOST) {
		puts(" -a '(__fish_print_hostnames)'");
	} else {
		printf(" -a '");
		put_reasons();
		puts("'");
	}
}

void write_fish(const struct command *c)
{
	printf("# fish completion of %s, made from its table of options\n"
	       "complete -c %s -f\n",
	       c->name, c->name);
	for (const struct ctl_verb *v = c->verbs; v && v->name; v++)
		fish_verb(c->name, v);
	if (!c->verbs)
		printf("complete -c %s -a '(__fish_print_hostnames)'\n",
		       c->name);
	for (unsigned i = 0; i < c->n_items; i++)
		fish_item(c->name, &c->items[i]);
}
