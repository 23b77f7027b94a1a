/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "peers.h"

bool peers_read(struct peer_list *l, const json_t *answer)
{
	const json_t *peers = json_object_get(answer, "peers"), *one;
	size_t i;

	*l = (struct peer_list){.total = get_number(answer, "total", 0)};
	if (!json_array_size(peers))
		return true;
	l->v = calloc(json_array_size(peers), sizeof(*l->v));
	if (!l->v)
		return false;
	json_array_foreach(peers, i, one)
	{
		l->v[l->n++] = (struct peer){
			.address = get_text(one, "address"),
			.at = get_text(one, "at"),
			.path = get_text(one, "path"),
			.proof = get_text(one, "proof"),
			.heard = get_number(one, "heard", -1),
			.sent = get_number(one, "sent", -1),
			.in = get_number(one, "bytes_in", 0),
			.out = get_number(one, "bytes_out", 0),
		};
	}
	return true;
}

void peers_free(struct peer_list *l)
{
	free(l->v);
	*l = (struct peer_list){0};
}

static int by_address(const void *a, const void *b)
{
	const struct peer *x = a, *y = b;
	int d = strcmp(x->address, y->address);

	return d ? d : strcmp(x->at, y->at);
}

double peer_rate(const struct peer *x)
{
	return x->rate_in + x->rate_out;
}

/* Equal ones keep still: by address. */
static int by_rate(const void *a, const void *b)
{
	double x = peer_rate(a), y = peer_rate(b);

	return x > y ? -1 : x < y ? 1 : by_address(a, b);
}

/* Whoever was heard last comes first, whoever never was last. */
static int by_age(const void *a, const void *b)
{
	double x = ((const struct peer *)a)->heard;
	double y = ((const struct peer *)b)->heard;

	if ((x < 0) != (y < 0))
		return x < 0 ? 1 : -1;
	return x < y ? -1 : x > y ? 1 : by_address(a, b);
}

void peers_sort(struct peer_list *l, const char *by)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v),
		      strcmp(by, "rate") == 0  ? by_rate
		      : strcmp(by, "age") == 0 ? by_age
					       : by_address);
}

/* A counter that went back belongs to a new life of the daemon. */
static double per_second(double now, double before, double seconds)
{
	return now >= before && seconds > 0 ? (now - before) / seconds : 0;
}

void peers_rate(struct peer_list *now, struct peer_list *before, double seconds)
{
	peers_sort(before, "address");
	for (size_t i = 0; i < now->n; i++) {
		struct peer *p = &now->v[i];
		const struct peer *old = NULL;

		if (before->n)
			old = bsearch(p, before->v, before->n,
				      sizeof(*before->v), by_address);
		if (!old)
			continue;
		p->rate_in = per_second(p->in, old->in, seconds);
		p->rate_out = per_second(p->out, old->out, seconds);
	}
	now->has_rates = true;
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int sample_take(const struct ctl *c, struct sample *s)
{
	char request[32];
	int status;

	snprintf(request, sizeof(request), "peers %ld", c->limit);
	*s = (struct sample){.at = seconds_now()};
	status = ask(c, request, &s->answer);
	if (status != CTL_GOOD)
		return status;
	if (peers_read(&s->list, s->answer.object))
		return CTL_GOOD;
	answer_free(&s->answer);
	return ctl_fail(CTL_BAD, "there is no memory for so many peers\n"
				 "  ask for fewer:  --limit 100");
}

void sample_drop(struct sample *s)
{
	peers_free(&s->list);
	answer_free(&s->answer);
}

void sample_rate(struct sample *s, struct sample *before)
{
	peers_rate(&s->list, &before->list, s->at - before->at);
}

static void show_sample(const struct ctl *c, struct sample *s)
{
	struct peer_list *l = &s->list;
	struct page p;

	if (answer_printed(c, &s->answer))
		return;
	page_open(&p, c);
	if (c->sort)
		peers_sort(l, c->sort);
	peers_show(&p, l, l->n);
	if (l->total > (double)l->n)
		fprintf(p.out, "%zu of %.0f; more with --limit\n", l->n,
			l->total);
}

/* Snapshots for who is no terminal, until the daemon or the reader ends. */
static int follow(const struct ctl *c, struct sample *before)
{
	int status = CTL_GOOD;

	while (status == CTL_GOOD && !ferror(stdout)) {
		struct sample s;

		poll(NULL, 0, (int)(c->watch * 1000));
		status = sample_take(c, &s);
		if (status != CTL_GOOD)
			break;
		sample_rate(&s, before);
		show_sample(c, &s);
		if (!c->json)
			putchar('\n');
		fflush(stdout);
		sample_drop(before);
		*before = s;
	}
	return status;
}

/* Two samples a second apart. */
static int show_rates(const struct ctl *c, struct sample *before)
{
	struct sample s;
	int status;

	poll(NULL, 0, 1000);
	status = sample_take(c, &s);
	if (status != CTL_GOOD)
		return status;
	sample_rate(&s, before);
	show_sample(c, &s);
	sample_drop(&s);
	return CTL_GOOD;
}

int ctl_peers(const struct ctl *c, int n, char **argv)
{
	struct sample s;
	int status;

	(void)n, (void)argv;
	if (c->watch > 0 && !c->json && page_width())
		return peers_watch(c);
	status = sample_take(c, &s);
	if (status != CTL_GOOD)
		return status;
	if (c->watch > 0)
		status = follow(c, &s);
	else if (!c->json &&
		 (c->rates || (c->sort && strcmp(c->sort, "rate") == 0)))
		status = show_rates(c, &s);
	else
		show_sample(c, &s);
	sample_drop(&s);
	return status;
}
