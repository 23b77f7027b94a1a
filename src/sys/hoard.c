/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See hoard.h. */
#include "hoard.h"

#include <errno.h>
#include <string.h>

#include "log.h"

/* Zeroes, which no file has, if there is none that could be looked at. */
static struct stat look_at(const char *path)
{
	struct stat st = {0};

	if (path[0] && stat(path, &st) < 0)
		log_debug("cannot see %s: %s", path, strerror(errno));
	return st;
}

void hoard_begin(struct hoard *h, const struct conf *c)
{
	h->now.file = look_at(c->secret_file);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Of a client the others are nobody's business. */
static bool keep_own(struct secrets *s, const struct conf *c, struct report *r)
{
	const struct secret *own = secrets_of(s, c->client_id);

	if (!own) {
		report_add(r, SEVERITY_ERROR,
			   "the file of secrets %s has no line for %s\n"
			   "  add it, or correct ClientID",
			   c->secret_file, c->client_id);
		return false;
	}
	s->v[0] = *own;
	explicit_bzero(s->v + 1, (s->n - 1) * sizeof(*s->v));
	s->n = 1;
	return true;
}

static bool load(struct secrets *s, enum role role, const struct conf *c,
		 struct report *r)
{
	errno = 0;
	if (secrets_load(s, c->secret_file, r)) {
		if (errno == EACCES)
			report_add(r, SEVERITY_ERROR,
				   "cannot use another file of secrets while "
				   "the daemon runs, unless it belongs to who "
				   "started it and is beside one of before\n"
				   "  start again");
		return false;
	}
	if (s->n > VAULT_MOST) {
		report_add(r, SEVERITY_ERROR,
			   "%s: more than %d secrets can be taken at the start "
			   "only\n  start again",
			   c->secret_file, VAULT_MOST);
		return false;
	}
	return role == ROLE_SERVER || keep_own(s, c, r);
}

enum hoard_news hoard_read(struct hoard *h, enum role role,
			   const struct conf *now, const struct conf *next,
			   struct report *r)
{
	struct hoard_state *n = &h->read;

	if (role == ROLE_RELAY)
		return HOARD_SAME;
	secrets_free(&n->secrets);
	/* Before it is read: who changes it now is heard the next time. */
	n->file = look_at(next->secret_file);
	if (strcmp(now->secret_file, next->secret_file) == 0 &&
	    is_same_file(&n->file, &h->now.file) &&
	    (role == ROLE_SERVER ||
	     strcmp(now->client_id, next->client_id) == 0))
		return HOARD_SAME;
	if (!next->secret_file[0] || load(&n->secrets, role, next, r))
		return HOARD_OTHER;
	secrets_free(&n->secrets);
	return HOARD_WRONG;
}

void hoard_remember(struct hoard *h)
{
	if (h->has_before)
		secrets_free(&h->before.secrets);
	h->has_before = false;
}

static void put(struct hoard *h, uint32_t keep)
{
	h->now.number = ++h->numbers;
	vault_write(h->vault, h->now.number, h->now.secrets.v, h->now.secrets.n,
		    keep);
}

void hoard_take(struct hoard *h)
{
	uint32_t in_force = h->now.number;

	if (h->has_before)
		secrets_free(&h->now.secrets);
	else
		h->before = h->now;
	h->has_before = true;
	h->now = h->read;
	h->read = (struct hoard_state){0};
	put(h, in_force);
}

void hoard_undo(struct hoard *h)
{
	uint32_t in_force = h->now.number;
	unsigned n;

	if (!h->has_before)
		return; /* it is what it was */
	secrets_free(&h->now.secrets);
	h->now = h->before;
	h->before = (struct hoard_state){0};
	h->has_before = false;
	if (h->now.number && !vault_find(h->vault, h->now.number, &n))
		put(h, in_force);
}
