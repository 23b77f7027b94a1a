/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PID file (see pidfile.h). The monitor locks it, and the packet process
 * inherits the lock: it is free when both have ended. A daemon that was killed
 * has a moment for that, so a start right after kill -9 succeeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "pidfile.h"

enum {
	TRIES = 40,
	BETWEEN_TRIES_NS = 25 * 1000 * 1000
};

static int open_file(const char *path)
{
	/* Who can open it can lock it, and so keep us from starting. */
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		die("cannot write the PID file %s: %s\n"
		    "  another place:  --pidfile FILE",
		    path, strerror(errno));
	return fd;
}

/* Did its owner remove the file between our opening and locking it? */
static bool is_current(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static _Noreturn void die_running(int fd, const char *path)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n > 0)
		text[strcspn(text, "\n")] = '\0';
	if (!*text)
		die("another one is just starting (it holds %s)\n"
		    "  give this one another place:  --pidfile FILE",
		    path);
	die("already running, process %s (it holds %s)\n"
	    "  stop it:  kill %s  (or give this one another --pidfile)",
	    text, path, text);
}

void pidfile_take(struct pidfile *p, const char *path)
{
	const struct timespec moment = {.tv_nsec = BETWEEN_TRIES_NS};

	*p = (struct pidfile){.fd = -1};
	if (!path)
		return;
	for (unsigned i = 0; p->fd < 0; i++) {
		int fd = open_file(path);

		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_current(fd, path)) {
			p->fd = fd;
			break;
		}
		if (i == TRIES)
			die_running(fd, path);
		close(fd);
		nanosleep(&moment, NULL);
	}
	/* We may be elsewhere when it is to be removed. */
	p->path = realpath(path, NULL);
	if (!p->path || ftruncate(p->fd, 0) < 0)
		die("cannot write the PID file %s: %s", path, strerror(errno));
}

void pidfile_inherit(struct pidfile *p)
{
	int fd = p->fd < 0 ? -1 : fcntl(p->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return;
	close(p->fd);
	p->fd = fd;
}

void pidfile_write(const struct pidfile *p)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", getpid());

	if (p->fd >= 0 && write(p->fd, text, (size_t)n) != n)
		log_error("cannot write the PID file %s: %s", p->path,
			  strerror(errno));
}

int pidfile_directory(const struct pidfile *p)
{
	char *copy = p->path ? strdup(p->path) : NULL;
	int fd = copy ? open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC)
		      : -1;

	free(copy);
	return fd;
}

void pidfile_remove(struct pidfile *p)
{
	if (p->path)
		unlink(p->path);
	free(p->path);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct pidfile){.fd = -1};
}
