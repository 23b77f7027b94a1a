/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much there is of this machine for us: less in a container. */
#ifndef SYS_MEMORY_H
#define SYS_MEMORY_H

#include <stdint.h>

/* How many processors this process may run on; at least 1. */
unsigned memory_processors(void);

/* Bytes. */
uint64_t memory_size(void);

/*
 * The least limit of a control group and those around it; UINT64_MAX if there
 * is none. list is /proc/self/cgroup, root where version 2 is mounted.
 */
uint64_t memory_limit(const char *list, const char *root);

#endif
