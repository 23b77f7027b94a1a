/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

/* The number in memory.max; there may be the word "max", or no such file. */
static uint64_t limit_of(const char *root, const char *group)
{
	uint64_t n = UINT64_MAX;
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s/memory.max", root, group);
	f = fopen(path, "re");
	if (f && fscanf(f, "%" SCNu64, &n) != 1)
		n = UINT64_MAX;
	if (f)
		fclose(f);
	return n;
}

/* Shortens the path of the group from its end. */
static uint64_t least_limit(const char *root, char *group)
{
	uint64_t least = limit_of(root, group);
	char *slash;

	while ((slash = strrchr(group, '/'))) {
		uint64_t n;

		*slash = '\0';
		n = limit_of(root, group);
		if (n < least)
			least = n;
	}
	return least;
}

uint64_t memory_limit(const char *list, const char *root)
{
	uint64_t limit = UINT64_MAX;
	char line[512];
	FILE *f = fopen(list, "re");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0)
			limit = least_limit(root, line + 3);
	}
	if (f)
		fclose(f);
	return limit;
}

unsigned memory_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	return 1; /* more than fit into the set; or none of our business */
}

uint64_t memory_size(void)
{
	uint64_t limit = memory_limit("/proc/self/cgroup", "/sys/fs/cgroup");
	uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) *
		       (uint64_t)sysconf(_SC_PAGE_SIZE);

	return limit < all ? limit : all;
}
