/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process may see, once it has opened what it needs. What kernels do not
 * know is left out, and said with -v: each of these stands for itself.
 */
#ifndef SYS_CONFINE_H
#define SYS_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Have dir as the root directory, or with NULL an empty one that is already
 * deleted, if we are root; and be there. Dies if dir cannot be had.
 */
void confine_root(const char *dir);

/* What Landlock leaves: these rights below this directory. */
struct confine_below {
	int dir;         /* descriptor, O_PATH will do; -1 = no rule */
	uint64_t rights; /* CONFINE_* */
};

#define CONFINE_EXECUTE (UINT64_C(1) << 0)
#define CONFINE_WRITE   (UINT64_C(1) << 1)
#define CONFINE_READ    (UINT64_C(1) << 2)
#define CONFINE_LIST    (UINT64_C(1) << 3)
#define CONFINE_REMOVE  (UINT64_C(1) << 5)

/*
 * From here on this thread, and what it starts, opens no file but below these,
 * signals nobody who was there before, and connects to no abstract socket.
 * no_tcp: it uses no TCP either. Needs no_new_privs.
 */
void confine_files(const struct confine_below *below, size_t n, bool no_tcp);

#endif
