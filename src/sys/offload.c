/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "offload.h"

#include <string.h>
#include <strings.h>

static const char names[][4] = {"tso", "uso", "gso", "gro"};

enum {
	N_NAMES = sizeof(names) / sizeof(names[0])
};

void offload_names(char out[static OFFLOAD_NAMES], unsigned offloads)
{
	*out = '\0';
	for (unsigned i = 0; i < N_NAMES; i++) {
		if (!(offloads & 1u << i))
			continue;
		if (*out)
			strcat(out, " ");
		strcat(out, names[i]);
	}
	if (!*out)
		strcpy(out, "none");
}

/* The bit of the first word, or 0. */
static unsigned find(const char *s, size_t n)
{
	for (unsigned i = 0; i < N_NAMES; i++) {
		if (n == strlen(names[i]) && strncasecmp(s, names[i], n) == 0)
			return 1u << i;
	}
	return 0;
}

bool offload_parse(unsigned *out, const char *s)
{
	unsigned all = 0;

	while (*s) {
		size_t n = strcspn(s, " \t");
		unsigned one = find(s, n);

		if (!one)
			return false;
		all |= one;
		s += n;
		s += strspn(s, " \t");
	}
	if (all)
		*out = all;
	return all;
}
