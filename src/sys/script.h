/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running one script of the administrator's, for root, and not for ever. */
#ifndef SYS_SCRIPT_H
#define SYS_SCRIPT_H

#include <stdbool.h>

/* May it be run? If not, and somebody should know why, that is logged. */
bool script_usable(const char *path, bool must_exist);

/* May what is in this directory be run? There may be no such directory. */
bool script_directory_usable(const char *path);

/*
 * Run it in / with this environment, no input, its output in our log; waits for
 * its end, or kills its process group. Its exit status, or -errno; a bad one is
 * logged.
 */
int script_run(const char *path, char *const *env, unsigned limit_ms);

#endif
