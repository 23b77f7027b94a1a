/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See descriptors.h. */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"

enum {
	FIRST = STDERR_FILENO + 1,
	OLD_MAX = 65536
};

static void close_from_to(unsigned from, unsigned to)
{
	if (from > to || syscall(SYS_close_range, from, to, 0) == 0)
		return;
	/* Linux before 5.9 */
	for (unsigned fd = from; fd <= to && fd < OLD_MAX; fd++)
		close((int)fd);
}

/* The least of them that is not below from; or beyond all there can be. */
static unsigned next(const int *v, unsigned n, unsigned from)
{
	unsigned least = (unsigned)INT_MAX + 1;

	for (unsigned i = 0; i < n; i++) {
		if (v[i] >= 0 && (unsigned)v[i] >= from &&
		    (unsigned)v[i] < least)
			least = (unsigned)v[i];
	}
	return least;
}

void descriptors_keep(const int *v, unsigned n)
{
	unsigned at = FIRST;

	while (at <= INT_MAX) {
		unsigned kept = next(v, n, at);

		close_from_to(at, kept - 1);
		at = kept + 1;
	}
}

int descriptors_passed(struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}
