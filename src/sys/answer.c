/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers in one piece (see answer.h); status, metrics and peers have files of
 * their own. */
#include "answer.h"

#include <syslog.h>
#include <time.h>

#include "answer_parts.h"
#include "reader.h"

static unsigned notes_of(const struct settings_view *v)
{
	unsigned n = 0;

	if (conf_is_any(v->waiting))
		n |= 1u << NOTE_WAITING;
	if (v->error[0])
		n |= 1u << NOTE_REFUSED;
	if (v->confirm_until)
		n |= 1u << NOTE_CONFIRM;
	return n;
}

void view_take(struct view *v, const struct show *s)
{
	bool is_there = board_read(s->board, &v->facts);

	v->now = clock_now();
	v->clock = time(NULL);
	v->notes = is_there ? verdict_notes(&v->facts) : 0;
	v->notes |= notes_of(s->settings);
	v->verdict = (enum verdict)v->facts.verdict;
	if (v->facts.verdict >= VERDICT_COUNT)
		v->verdict = VERDICT_STUCK;
	if (v->facts.beat <= BEAT_S * NS_PER_S &&
	    v->now > v->facts.at + BEATS * v->facts.beat)
		v->verdict = VERDICT_STUCK;
	if (!is_there)
		v->verdict = VERDICT_NOT_READY;
}

void answer_begin(struct json *j)
{
	json_open(j, NULL, '{');
	json_number(j, "version", 1);
}

void answer_error(struct json *j, const char *code, const char *error,
		  const char *advice)
{
	answer_begin(j);
	json_text(j, "code", code);
	json_text(j, "error", error);
	json_text(j, "advice", advice);
	json_close(j, '}');
}

static const char *severity_name(uint8_t severity)
{
	if (severity <= LOG_ERR)
		return "error";
	if (severity == LOG_WARNING)
		return "warning";
	return severity == LOG_DEBUG ? "debug" : "info";
}

static void put_line(struct json *j, const struct journal_line *l)
{
	json_time(j, "time", l->time);
	json_text(j, "severity", severity_name(l->severity));
	json_text(j, "text", l->text);
}

void answer_log(struct json *j, const struct show *s, unsigned lines)
{
	const struct journal *from = &s->board->journal;
	uint32_t newest = __atomic_load_n(&from->newest, __ATOMIC_ACQUIRE);
	struct journal_line l;

	if (lines > JOURNAL_LINES)
		lines = JOURNAL_LINES;
	answer_begin(j);
	json_open(j, "lines", '[');
	for (uint32_t n = newest - lines; n != newest; n++) {
		if (!journal_read(from, n + 1, &l))
			continue;
		json_open(j, NULL, '{');
		put_line(j, &l);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

void event_log(struct json *j, const struct journal_line *l)
{
	answer_begin(j);
	json_text(j, "event", "log");
	put_line(j, l);
	json_close(j, '}');
	json_end(j);
}

struct conf_lines {
	struct json *j;
	const struct settings_view *settings;
};

static void put_conf_line(void *arg, const struct conf_line *line)
{
	const struct conf_lines *lines = arg;
	struct json *j = lines->j;

	json_open(j, NULL, '{');
	json_text(j, "directive", line->directive);
	json_text(j, "value", line->value);
	json_text(j, "origin", line->origin);
	json_bool(j, "waiting", lines->settings->waiting[line->row]);
	json_close(j, '}');
}

void answer_config(struct json *j, const struct show *s)
{
	struct conf_lines lines = {j, s->settings};

	answer_begin(j);
	json_number(j, "serial", s->settings->serial);
	json_open(j, "lines", '[');
	conf_list(&s->settings->conf, put_conf_line, &lines);
	json_close(j, ']');
	json_close(j, '}');
}

static void put_errors(struct json *j, const struct reader_answer *a)
{
	json_open(j, "errors", '[');
	for (unsigned i = 0; i < a->n_errors && i < READER_ERRORS; i++)
		json_text(j, NULL, a->error[i]);
	json_close(j, ']');
	json_number(j, "left_out", a->left_out);
}

void answer_reload(struct json *j, const struct reader_answer *a,
		   bool is_in_force)
{
	answer_begin(j);
	if (a->failed) {
		json_text(j, "code", "failed");
		json_text(j, "error", "the configuration was not changed");
		json_text(j, "advice", "correct it, and try again");
		put_errors(j, a);
		json_close(j, '}');
		return;
	}
	json_number(j, "serial", a->serial);
	json_bool(j, "in_force", is_in_force);
	put_rows(j, "applied", a->applied);
	put_rows(j, "waiting", a->waiting);
	if (a->confirm_s)
		json_number(j, "confirm", a->confirm_s);
	else
		json_none(j, "confirm");
	json_close(j, '}');
}
