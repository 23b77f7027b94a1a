/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of peers: as many columns as there is room for. What changes most
 * is at the right; what is missed least is given up first.
 */
#include <string.h>

#include "peers.h"

enum {
	CELL = 64,
	BAR = 10
};

/* The columns, and in which order they are given up when there is no room. */
enum column {
	ADDRESS,
	AT,
	PATH,
	PROOF,
	HEARD,
	SENT,
	IN,
	OUT,
	RATE_IN,
	RATE_OUT,
	RATE_BAR,
	COLUMNS
};

static const struct {
	const char *head;
	unsigned given_up; /* 0 = never, 1 = first */
	bool is_rate, to_right;
} columns[COLUMNS] = {
	[ADDRESS] = {"PEER", 0, .to_right = false},
	[AT] = {"AT", 5, .to_right = false},
	[PATH] = {"PATH", 6, .to_right = false},
	[PROOF] = {"PROOF", 7, .to_right = false},
	[HEARD] = {"HEARD", 8, .to_right = true},
	[SENT] = {"SENT", 2, .to_right = true},
	[IN] = {"IN", 3, .to_right = true},
	[OUT] = {"OUT", 4, .to_right = true},
	[RATE_IN] = {"IN/S", 9, true, true},
	[RATE_OUT] = {"OUT/S", 10, true, true},
	[RATE_BAR] = {" ", 1, true, false},
};

static void put_text(char out[static CELL], const char *text)
{
	snprintf(out, CELL, "%s", *text ? text : "-");
	page_clean(out);
}

static void put_age(char out[static CELL], double age)
{
	char text[32];

	snprintf(out, CELL, "%s", age < 0 ? "-" : page_duration(text, age));
}

static void put_bytes(char out[static CELL], double n)
{
	char text[32];

	snprintf(out, CELL, "%s", n > 0 ? page_bytes(text, n) : "-");
}

/* In eighths of a letter, where there are such letters. */
static void put_bar(char out[static CELL], const struct page *p, double part)
{
	static const char *const eighths[] = {"",  "▏", "▎", "▍",
					      "▌", "▋", "▊", "▉"};
	unsigned n = part > 0 && part <= 1 ? (unsigned)(part * BAR * 8) : 0;
	size_t len = 0;

	*out = '\0';
	for (unsigned i = 0; i < n / 8; i++)
		len += (size_t)snprintf(out + len, CELL - len, "%s",
					p->utf8 ? "█" : "#");
	if (p->utf8)
		snprintf(out + len, CELL - len, "%s", eighths[n % 8]);
}

static void put_cell(char out[static CELL], const struct page *p,
		     const struct peer *x, enum column k, double highest)
{
	switch (k) {
	case ADDRESS:
		put_text(out, x->address);
		break;
	case AT:
		put_text(out, x->at);
		break;
	case PATH:
		put_text(out, x->path);
		break;
	case PROOF:
		put_text(out, x->proof);
		break;
	case HEARD:
		put_age(out, x->heard);
		break;
	case SENT:
		put_age(out, x->sent);
		break;
	case IN:
		put_bytes(out, x->in);
		break;
	case OUT:
		put_bytes(out, x->out);
		break;
	case RATE_IN:
		put_bytes(out, x->rate_in);
		break;
	case RATE_OUT:
		put_bytes(out, x->rate_out);
		break;
	case RATE_BAR:
		put_bar(out, p, highest > 0 ? peer_rate(x) / highest : 0);
		break;
	case COLUMNS:
		break;
	}
}

/* What a table needs to know before its first row. */
struct shape {
	unsigned width[COLUMNS]; /* 0 = not shown */
	double highest;          /* rate */
};

static void give_up_columns(struct shape *s, unsigned width)
{
	unsigned sum = 0;

	for (unsigned k = 0; k < COLUMNS; k++)
		sum += s->width[k] ? s->width[k] + 2 : 0;
	for (unsigned turn = 1; sum > width + 2 && turn < COLUMNS; turn++) {
		for (unsigned k = 0; k < COLUMNS; k++) {
			if (columns[k].given_up != turn || !s->width[k])
				continue;
			sum -= s->width[k] + 2;
			s->width[k] = 0;
		}
	}
}

static void measure(struct shape *s, const struct page *p,
		    const struct peer_list *l, size_t most)
{
	char cell[CELL];

	*s = (struct shape){0};
	for (size_t i = 0; i < l->n; i++)
		s->highest = peer_rate(&l->v[i]) > s->highest
				     ? peer_rate(&l->v[i])
				     : s->highest;
	for (unsigned k = 0; k < COLUMNS; k++) {
		if (columns[k].is_rate && !l->has_rates)
			continue;
		if (k == RATE_BAR && !p->width)
			continue; /* nobody looks at it */
		s->width[k] =
			k == RATE_BAR ? BAR : page_columns(columns[k].head);
		for (size_t i = 0; i < l->n && i < most; i++) {
			unsigned n;

			put_cell(cell, p, &l->v[i], k, s->highest);
			n = page_columns(cell);
			s->width[k] = n > s->width[k] ? n : s->width[k];
		}
	}
	if (p->width)
		give_up_columns(s, p->width);
}

/* Two blanks go before each but the first. */
static void put_column(struct page *p, const char *text, unsigned width,
		       bool to_right, bool is_last)
{
	unsigned n = page_columns(text), pad = width > n ? width - n : 0;

	fprintf(p->out, "%s%*s%s%*s", p->column ? "  " : "",
		to_right ? (int)pad : 0, "", text,
		to_right || is_last ? 0 : (int)pad, "");
	p->column += width + 2;
}

static enum page_tone tone_of(const struct peer *x)
{
	if (strcmp(x->proof, "proven") == 0 || strcmp(x->proof, "trusted") == 0)
		return PAGE_GOOD;
	return strcmp(x->proof, "failed") == 0 ? PAGE_BAD : PAGE_FAIR;
}

static bool is_last(const struct shape *s, unsigned k)
{
	while (++k < COLUMNS) {
		if (s->width[k])
			return false;
	}
	return true;
}

/* Of a peer; NULL = the heads. */
static void show_row(struct page *p, const struct shape *s,
		     const struct peer *x)
{
	const char *strong = x ? "" : page_tone(p, PAGE_STRONG);

	fputs(strong, p->out);
	for (unsigned k = 0; k < COLUMNS; k++) {
		const char *tone = "";
		char cell[CELL];

		if (!s->width[k])
			continue;
		if (x)
			put_cell(cell, p, x, k, s->highest);
		else
			put_text(cell, columns[k].head);
		if (x && k == PROOF)
			tone = page_tone(p, tone_of(x));
		fputs(tone, p->out);
		put_column(p, cell, s->width[k], columns[k].to_right,
			   is_last(s, k));
		fputs(*tone ? "\033[0m" : "", p->out);
	}
	fputs(*strong ? "\033[0m" : "", p->out);
	page_end(p);
}

void peers_show(struct page *p, const struct peer_list *l, size_t most)
{
	struct shape s;

	measure(&s, p, l, most);
	show_row(p, &s, NULL);
	for (size_t i = 0; i < l->n && i < most; i++)
		show_row(p, &s, &l->v[i]);
}
