/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a service manager keeps for us (see fdstore.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdstore.h"
#include "log.h"
#include "notify.h"
#include "value.h"

enum {
	FIRST = 3 /* SD_LISTEN_FDS_START */
};

struct stored {
	int fd; /* -1 = there is none any more */
	bool is_taken;
	char name[FDSTORE_NAME];
};

static struct {
	unsigned n;
	struct stored v[FDSTORE_MAX];
} store;

/* How many of them are for us. */
static unsigned given(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint32_t n;

	if (!getenv("NOTIFY_SOCKET") || !pid || !fds ||
	    strtol(pid, NULL, 10) != (long)getpid() ||
	    !value_number(&n, fds, 1, 1 << 16))
		return 0;
	return n < FDSTORE_MAX ? n : FDSTORE_MAX;
}

void fdstore_open(void)
{
	const char *names = getenv("LISTEN_FDNAMES");

	store.n = given();
	for (unsigned i = 0; i < store.n; i++) {
		struct stored *s = &store.v[i];
		size_t n = names ? strcspn(names, ":") : 0;

		*s = (struct stored){.fd = FIRST + (int)i};
		if (n < sizeof(s->name))
			memcpy(s->name, names ? names : "", n);
		names = names && names[n] ? names + n + 1 : NULL;
		if (fcntl(s->fd, F_SETFD, FD_CLOEXEC) < 0)
			s->fd = -1;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

unsigned fdstore_descriptors(int v[static FDSTORE_MAX])
{
	for (unsigned i = 0; i < store.n; i++)
		v[i] = store.v[i].fd;
	return store.n;
}

static void let_go(struct stored *s)
{
	if (s->fd >= 0 && !s->is_taken)
		close(s->fd);
	s->fd = -1;
}

void fdstore_close(void)
{
	for (unsigned i = 0; i < store.n; i++)
		let_go(&store.v[i]);
	store.n = 0;
}

static void make_name(char name[static FDSTORE_NAME], const char *kind,
		      unsigned thread)
{
	snprintf(name, FDSTORE_NAME, "%s-%u", kind, thread);
}

static struct stored *find(const char *kind, unsigned thread)
{
	char name[FDSTORE_NAME];

	make_name(name, kind, thread);
	for (unsigned i = 0; i < store.n; i++) {
		if (store.v[i].fd >= 0 && strcmp(store.v[i].name, name) == 0)
			return &store.v[i];
	}
	return NULL;
}

int fdstore_peek(const char *kind, unsigned thread)
{
	const struct stored *s = find(kind, thread);

	return s && !s->is_taken ? s->fd : -1;
}

/* Kind and thread of a name; false: it is none of ours. */
static bool split(char kind[static FDSTORE_NAME], uint32_t *thread,
		  const char *name)
{
	const char *dash = strrchr(name, '-');

	if (!dash || !value_number(thread, dash + 1, 0, FDSTORE_MAX))
		return false;
	memcpy(kind, name, (size_t)(dash - name));
	kind[dash - name] = '\0';
	return true;
}

static bool is_wanted(const struct stored *s, fdstore_fits_fn *fits,
		      const void *arg)
{
	char kind[FDSTORE_NAME];
	uint32_t thread;

	return split(kind, &thread, s->name) && find(kind, thread) == s &&
	       (thread == 0 || find(kind, thread - 1)) &&
	       fits(arg, kind, thread, s->fd);
}

void fdstore_sort(fdstore_fits_fn *fits, const void *arg)
{
	bool again = true, some = false;

	/* Without one, those behind it do not fit either. */
	while (again) {
		again = false;
		for (unsigned i = 0; i < store.n; i++) {
			struct stored *s = &store.v[i];

			if (s->fd < 0 || is_wanted(s, fits, arg))
				continue;
			log_debug("not used any more: %s", s->name);
			let_go(s);
			if (s->name[0])
				notify_unstore(s->name);
			again = some = true;
		}
	}
	if (some)
		notify_barrier();
}

int fdstore_take(const char *kind, unsigned thread)
{
	struct stored *s = find(kind, thread);

	if (!s || s->is_taken)
		return -1;
	s->is_taken = true;
	return s->fd;
}

void fdstore_put(const char *kind, unsigned thread, int fd)
{
	const struct stored *s = find(kind, thread);
	char name[FDSTORE_NAME];
	int r;

	if (fd < 0 || notify_descriptor() < 0 || (s && s->fd == fd))
		return;
	make_name(name, kind, thread);
	r = notify_store(fd, name);
	if (r)
		log_debug("cannot have %s kept: %s", name, strerror(-r));
}
