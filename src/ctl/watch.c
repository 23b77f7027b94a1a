/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `miredoctl peers --watch` on a terminal: a table that changes in place, on
 * the other screen, so that what was there before comes back. A daemon that
 * goes away is waited for.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "peers.h"

#define SCREEN_OTHER "\033[?1049h\033[?25l"
#define SCREEN_BACK  "\033[?25h\033[?1049l"

static volatile sig_atomic_t ending;

static void end(int signal)
{
	ending = signal;
}

/* It need not do anything: it ends the wait. */
static void resize(int signal)
{
	(void)signal;
}

struct watch {
	const struct ctl *c;
	const char *sort;
	bool is_paused;
	bool has_list;
	struct sample now;
	char *trouble; /* why there is nothing newer; NULL = all is well */
	int status;
	struct termios old;
	sigset_t outside; /* signals as they were */
};

static bool enter(struct watch *w)
{
	struct termios raw;
	const struct sigaction ends = {.sa_handler = end};
	const struct sigaction resizes = {.sa_handler = resize};
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t block;

	if (tcgetattr(STDIN_FILENO, &w->old) < 0)
		return false;
	sigemptyset(&block);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &ends, NULL);
		sigaddset(&block, signals[i]);
	}
	sigaction(SIGWINCH, &resizes, NULL);
	sigaddset(&block, SIGWINCH);
	/* They come while it waits, and at no other time. */
	sigprocmask(SIG_BLOCK, &block, &w->outside);
	raw = w->old;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	fputs(SCREEN_OTHER, stdout);
	return true;
}

static void leave(const struct watch *w)
{
	fputs(SCREEN_BACK, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &w->old);
}

/* The first line of what is to be said waits for the next frame. */
static void refresh(struct watch *w)
{
	struct sample s;
	size_t len;

	free(w->trouble);
	w->trouble = NULL;
	ctl_errors = open_memstream(&w->trouble, &len);
	w->status = sample_take(w->c, &s);
	if (ctl_errors)
		fclose(ctl_errors);
	ctl_errors = stderr;
	if (w->status != CTL_GOOD)
		return;
	free(w->trouble);
	w->trouble = NULL;
	if (w->has_list) {
		sample_rate(&s, &w->now);
		sample_drop(&w->now);
	}
	s.list.has_rates = true;
	w->now = s;
	w->has_list = true;
}

static void show_head(const struct watch *w, struct page *p)
{
	const struct peer_list *l = &w->now.list;
	char in[32], out[32];
	double sum_in = 0, sum_out = 0;

	if (w->trouble) {
		w->trouble[strcspn(w->trouble, "\n")] = '\0';
		page_title(p, PAGE_BAD, "%s", w->trouble);
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		sum_in += l->v[i].rate_in;
		sum_out += l->v[i].rate_out;
	}
	page_title(p, PAGE_STRONG, "%.0f peers   in %s/s   out %s/s%s",
		   l->total, page_bytes(in, sum_in), page_bytes(out, sum_out),
		   w->is_paused ? "   PAUSED" : "");
}

static void show_foot(const struct watch *w, struct page *p)
{
	page_title(p, PAGE_FAINT,
		   "by %s   r rate  a age  d address  space %s  q quit",
		   w->sort, w->is_paused ? "go on" : "pause");
}

/* Each line is cleared behind its end, and the screen behind the last. */
static void put_frame(const char *text, unsigned height)
{
	fputs("\033[H", stdout);
	for (unsigned row = 0; *text && row < height; row++) {
		size_t n = strcspn(text, "\n");

		printf("%s%.*s\033[K", row ? "\r\n" : "", (int)n, text);
		text += n + (text[n] == '\n');
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

static void draw(struct watch *w)
{
	unsigned height = page_height();
	char *text = NULL;
	size_t len;
	struct page p;

	page_open(&p, w->c);
	p.out = open_memstream(&text, &len);
	if (!p.out)
		return;
	show_head(w, &p);
	show_foot(w, &p);
	fputc('\n', p.out);
	if (w->has_list) {
		peers_sort(&w->now.list, w->sort);
		peers_show(&p, &w->now.list, height > 4 ? height - 4 : 0);
	}
	fclose(p.out);
	put_frame(text, height ? height : 24);
	free(text);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Take keys for so many seconds. */
static void wait_keys(struct watch *w, double seconds)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	struct timespec t = {.tv_sec = (time_t)seconds};
	char key = 0;
	int got;

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	got = ppoll(&in, 1, &t, &w->outside);
	if (got <= 0)
		return;
	/* A terminal that is gone says so for ever. */
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 4)
		ending = SIGTERM;
	else if (key == 'r')
		w->sort = "rate";
	else if (key == 'a')
		w->sort = "age";
	else if (key == 'd')
		w->sort = "address";
	else if (key == ' ')
		w->is_paused = !w->is_paused;
}

int peers_watch(const struct ctl *c)
{
	struct watch w = {.c = c, .sort = c->sort ? c->sort : "rate"};
	double next;

	/* Who is not there at the first time is not waited for. */
	w.status = sample_take(c, &w.now);
	if (w.status != CTL_GOOD)
		return w.status;
	w.has_list = true;
	w.now.list.has_rates = true;
	if (!enter(&w)) {
		sample_drop(&w.now);
		return ctl_fail(CTL_USAGE,
				"--watch takes keys from standard input, "
				"which is no terminal");
	}
	next = now() + c->watch;
	while (!ending) {
		double left = next - now();

		draw(&w);
		if (left > 0) {
			wait_keys(&w, left);
			continue;
		}
		if (!w.is_paused)
			refresh(&w);
		next = now() + c->watch;
	}
	leave(&w);
	sample_drop(&w.now);
	free(w.trouble);
	return w.status;
}
