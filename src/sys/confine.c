/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An empty root, and Landlock (see confine.h). */
#include <errno.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "log.h"

/* What our kernel headers need not know: rights by version of the interface. */
#define FS_ALL(version)                                                        \
	((UINT64_C(1) << ((version) >= 5   ? 16                                \
			  : (version) >= 3 ? 15                                \
			  : (version) >= 2 ? 14                                \
					   : 13)) -                            \
	 1)

enum {
	NET_ALL = 3,    /* bind and connect of TCP; version 4 */
	SCOPED_ALL = 3, /* abstract sockets and signals; version 6 */
};

/* All of it so far; kernels take a longer one than theirs if its end is zero.
 */
struct ruleset {
	uint64_t fs, net, scoped;
};

static void chroot_to(const char *dir)
{
	if (chroot(dir) < 0 || chdir("/") < 0)
		die("cannot change root to %s: %s\n"
		    "  it must be a directory, and root must start us",
		    dir, strerror(errno));
}

/* A directory of ours that has no name any more, so nothing can be made in it.
 * -1: not there. */
static int enter_empty(const char *where)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/miredo.XXXXXX", where);
	if (!mkdtemp(path))
		return -1;
	/* Whom we become may be in it, too. */
	if (chmod(path, 0555) < 0 || chdir(path) < 0) {
		rmdir(path);
		return -1;
	}
	return rmdir(path);
}

void confine_root(const char *dir)
{
	static const char *const places[] = {"/run", "/tmp", "/dev/shm"};

	if (dir) {
		chroot_to(dir);
		return;
	}
	/* Sanitizers write reports, and look into /proc. */
	if (SANITIZED || geteuid() != 0)
		return;
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (enter_empty(places[i]) == 0 && chroot(".") == 0 &&
		    chdir("/") == 0)
			return;
	}
	log_debug("the root directory stays: %s", strerror(errno));
}

static int add_rule(int ruleset, uint64_t handled,
		    const struct confine_below *b)
{
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = b->rights & handled,
		.parent_fd = b->dir,
	};

	if (b->dir < 0)
		return 0;
	return (int)syscall(SYS_landlock_add_rule, ruleset,
			    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int restrict_by(const struct ruleset *r,
		       const struct confine_below *below, size_t n)
{
	int fd = (int)syscall(SYS_landlock_create_ruleset, r, sizeof(*r), 0);
	int e = fd < 0 ? -1 : 0;

	for (size_t i = 0; i < n && e == 0; i++)
		e = add_rule(fd, r->fs, &below[i]);
	if (e == 0)
		e = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	if (fd >= 0)
		close(fd);
	return e;
}

void confine_files(const struct confine_below *below, size_t n, bool no_tcp)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset r = {.fs = FS_ALL(version)};

	if (SANITIZED)
		return;
	if (version >= 4 && no_tcp)
		r.net = NET_ALL;
	if (version >= 6)
		r.scoped = SCOPED_ALL;
	if (version < 1 || restrict_by(&r, below, n) < 0)
		log_debug("no Landlock: %s", strerror(errno));
}
