/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See groups.h. */
#include "groups.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../core/wire.h"
#include "lanes.h"

enum {
	WAIT_MS = 5000
};

void groups_look_up(struct group_answer *a, const char *name)
{
	const struct group *g;

	errno = 0;
	g = getgrnam(name);
	a->found = g != NULL;
	a->gid = g ? g->gr_gid : 0;
	/* What it leaves behind when there is no such group, see getgrnam(3).
	 */
	a->error = g || errno == ENOENT || errno == ESRCH ? 0 : errno;
}

/* The answer to this question; others came too late. */
static bool wait_for(int fd, uint32_t serial, struct group_answer *a)
{
	uint64_t until = clock_now() + WAIT_MS * NS_PER_MS, now;

	while ((now = clock_now()) < until) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ms = (int)((until - now) / NS_PER_MS) + 1;
		ssize_t n;

		if (poll(&p, 1, ms) <= 0)
			continue;
		n = recv(fd, a, sizeof(*a), MSG_DONTWAIT);
		if (n == 0)
			return false;
		if (n == sizeof(*a) && a->serial == serial)
			return true;
	}
	errno = ETIMEDOUT;
	return false;
}

const char *groups_ask(int fd, const char *name, gid_t *gid)
{
	static uint32_t serial;
	struct group_question q;
	struct group_answer a;

	serial++;
	q = (struct group_question){.serial = serial};
	snprintf(q.name, sizeof(q.name), "%s", name);
	errno = EPIPE;
	if (send(fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(q) ||
	    !wait_for(fd, serial, &a))
		return errno == ETIMEDOUT
			       ? "it could not be looked up in time"
			       : "nobody is left to look it up: start again";
	if (a.error)
		return strerror(a.error);
	if (!a.found)
		return "there is no such group";
	*gid = a.gid;
	return NULL;
}
