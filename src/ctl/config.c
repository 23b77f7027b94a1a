/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `miredoctl config` and `miredoctl reload`. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "config.h"

enum {
	COMMENTS = 40 /* the column of comments */
};

static bool is_default(const json_t *line)
{
	return strcmp(get_text(line, "origin"), "default") == 0;
}

/* A '#' in a value would begin a comment. */
static bool needs_quotes(const char *value)
{
	return strchr(value, '#') || *value == '"' || *value == ' ';
}

static void show_line(struct page *p, const json_t *line)
{
	const char *value = get_text(line, "value");
	const char *quote = needs_quotes(value) ? "\"" : "";
	char text[512], origin[256];
	unsigned n;

	snprintf(text, sizeof(text), "%s%s %s%s%s", is_default(line) ? "#" : "",
		 get_text(line, "directive"), quote, value, quote);
	snprintf(origin, sizeof(origin), "# %s%s", get_text(line, "origin"),
		 get_bool(line, "waiting")
			 ? ", another waits for the next start"
			 : "");
	page_clean(text);
	page_clean(origin);
	n = page_columns(text);
	fprintf(p->out, "%s%*s%s%s%s\n", text,
		n < COMMENTS ? (int)(COMMENTS - n) : 1, "",
		page_tone(p,
			  get_bool(line, "waiting") ? PAGE_FAIR : PAGE_FAINT),
		origin, p->color ? "\033[0m" : "");
}

void show_config(struct page *p, const json_t *answer, bool all)
{
	const json_t *line;
	size_t i, n = 0;

	json_array_foreach(json_object_get(answer, "lines"), i, line)
	{
		if (!all && is_default(line) && !get_bool(line, "waiting"))
			continue;
		show_line(p, line);
		n++;
	}
	if (!n)
		fputs("# all directives have their defaults\n", p->out);
}

int ctl_config(const struct ctl *c, int n, char **argv)
{
	struct answer a;
	struct page p;
	int status = ask(c, "config", &a);

	(void)n, (void)argv;
	if (status != CTL_GOOD)
		return status;
	page_open(&p, c);
	if (!answer_printed(c, &a))
		show_config(&p, a.object, c->all);
	answer_free(&a);
	return CTL_GOOD;
}

static void show_names(struct page *p, const char *row, const json_t *names)
{
	const json_t *one;
	size_t i;

	page_row(p, row);
	json_array_foreach(names, i, one)
	{
		page_fact(p, "%s",
			  json_is_string(one) ? json_string_value(one) : "?");
	}
}

void show_reload(struct page *p, const json_t *answer)
{
	const json_t *applied = json_object_get(answer, "applied");
	const json_t *waiting = json_object_get(answer, "waiting");
	char text[32];

	bool is_in_force = get_bool(answer, "in_force");

	page_title(p, is_in_force ? PAGE_GOOD : PAGE_FAIR,
		   "configuration %.0f is %s", get_number(answer, "serial", 0),
		   is_in_force ? "in force"
			       : "read, but the packet process does not go by "
				 "it yet");
	show_names(p, "applied", applied);
	if (!json_array_size(applied))
		page_fact(p, "nothing else than what ran");
	show_names(p, "waiting", waiting);
	if (json_array_size(waiting))
		page_fact(p, "for the next start");
	page_row(p, "undone");
	if (get_known(answer, "confirm"))
		page_toned(
			p, PAGE_FAIR, "in %s, unless: miredoctl reload --keep",
			page_duration(text, get_number(answer, "confirm", -1)));
	page_end(p);
}

static int change(const struct ctl *c, const char *request)
{
	struct answer a;
	struct page p;
	int status = ask(c, request, &a);

	if (status != CTL_GOOD)
		return status;
	page_open(&p, c);
	if (!answer_printed(c, &a))
		show_reload(&p, a.object);
	answer_free(&a);
	return CTL_GOOD;
}

/* Who can press a key within the time need not type a command. */
static int offer_keep(const struct ctl *c)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[16];

	printf("Press Enter to keep it, or u and Enter to undo it now: ");
	fflush(stdout);
	if (poll(&in, 1, (int)(c->confirm * 1000)) <= 0 ||
	    !fgets(line, sizeof(line), stdin)) {
		puts("\nNot confirmed: miredo goes back to what was before.");
		return CTL_BAD;
	}
	return change(c, line[0] == 'u' ? "undo" : "keep");
}

int ctl_reload(const struct ctl *c, int n, char **argv)
{
	char request[32] = "reload";
	int status;

	(void)n, (void)argv;
	if (c->keep + c->undo + (c->confirm > 0) > 1)
		return ctl_fail(CTL_USAGE, "reload: --confirm, --keep and "
					   "--undo are three different things");
	if (ask_is_ambiguous(c))
		return CTL_USAGE;
	if (c->keep || c->undo)
		return change(c, c->keep ? "keep" : "undo");
	if (c->confirm > 0)
		snprintf(request, sizeof(request), "reload %.0f", c->confirm);
	status = change(c, request);
	if (status == CTL_GOOD && c->confirm > 0 && !c->json &&
	    isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		status = offer_keep(c);
	return status;
}
