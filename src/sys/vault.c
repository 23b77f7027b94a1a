/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vault.h. */
#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "settings.h"

enum {
	HALVES = 2
};

struct half {
	uint32_t number; /* 0 = nothing that is whole */
	uint32_t n;
	struct secret v[VAULT_MOST];
};

struct vault {
	struct half half[HALVES];
};

int vault_make(void)
{
	int fd =
		memfd_create("miredo-secrets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd >= 0 && ftruncate(fd, sizeof(struct vault)) == 0)
		return fd;
	r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

static void *map(int fd, int protection)
{
	void *p = mmap(NULL, sizeof(struct vault), protection,
		       MAP_SHARED | MAP_NORESERVE, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct vault *vault_open_writer(int fd)
{
	struct vault *v = map(fd, PROT_READ | PROT_WRITE);

	settings_seal(fd);
	close(fd);
	return v;
}

const struct vault *vault_open(int fd)
{
	const struct vault *v = map(fd, PROT_READ);

	close(fd);
	return v;
}

void vault_close(const struct vault *v)
{
	if (v)
		munmap((void *)(uintptr_t)v, sizeof(*v));
}

void vault_write(struct vault *v, uint32_t number, const struct secret *s,
		 unsigned n, uint32_t keep)
{
	struct half *h = &v->half[keep && v->half[0].number == keep];
	unsigned old = h->n;

	__atomic_store_n(&h->number, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (n)
		memcpy(h->v, s, n * sizeof(*s));
	h->n = n;
	/* What is not valid any more is nowhere any more. */
	if (n < old)
		memset(h->v + n, 0, (old - n) * sizeof(*s));
	__atomic_store_n(&h->number, number, __ATOMIC_RELEASE);
}

const struct secret *vault_find(const struct vault *v, uint32_t number,
				unsigned *n)
{
	for (unsigned i = 0; i < HALVES; i++) {
		const struct half *h = &v->half[i];

		if (!number ||
		    __atomic_load_n(&h->number, __ATOMIC_ACQUIRE) != number)
			continue;
		*n = h->n;
		return h->v;
	}
	return NULL;
}
