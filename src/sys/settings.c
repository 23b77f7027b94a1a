/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See settings.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "settings.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16 /* Linux 5.1 */
#endif

enum {
	TRIES = 1000
};

struct settings {
	uint32_t turn; /* the lowest bit: which of them is the newest */
	struct settings_view v[2];
};

static void *map(int fd, int protection)
{
	void *p = mmap(NULL, sizeof(struct settings), protection, MAP_SHARED,
		       fd, 0);

	if (p == MAP_FAILED)
		die("cannot share the settings: %s", strerror(errno));
	return p;
}

void settings_seal(int fd)
{
	if (fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0)
		log_debug("shared memory is not sealed: %s", strerror(errno));
}

const struct settings *settings_make(struct settings **writer,
				     const struct settings_view *first)
{
	int fd = memfd_create("miredo-settings",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct settings *all;

	if (fd < 0 || ftruncate(fd, sizeof(struct settings)) < 0)
		die("cannot share the settings: %s", strerror(errno));
	*writer = map(fd, PROT_READ | PROT_WRITE);
	(*writer)->v[0] = *first;
	settings_seal(fd);
	all = map(fd, PROT_READ);
	close(fd);
	return all;
}

void settings_let_go(struct settings *writer)
{
	munmap(writer, sizeof(*writer));
}

void settings_write(struct settings *s, const struct settings_view *v)
{
	uint32_t next = s->turn + 1;

	/* Not before everybody can see that this place is the older one. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	s->v[next & 1] = *v;
	__atomic_store_n(&s->turn, next, __ATOMIC_RELEASE);
}

uint32_t settings_turn(const struct settings *s)
{
	return __atomic_load_n(&s->turn, __ATOMIC_ACQUIRE);
}

/* What is copied is not written to before the turn has changed. */
bool settings_read(const struct settings *s, struct settings_view *out)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t turn = settings_turn(s);

		*out = s->v[turn & 1];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->turn, __ATOMIC_RELAXED) == turn)
			return true;
	}
	return false;
}
