/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a target over files, or over all files of directories.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned runs;
static const char *current;

static void one(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data, *exact;
	size_t n;

	if (!f || !(data = malloc(1 << 20))) {
		perror(path);
		exit(1);
	}
	n = fread(data, 1, 1 << 20, f);
	fclose(f);
	/* To the byte, so that a sanitizer sees a read beyond the end. */
	exact = malloc(n ? n : 1);
	if (!exact)
		abort();
	memcpy(exact, data, n);
	free(data);
	current = path;
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	runs++;
}

static void all(const char *path)
{
	struct dirent **v;
	int n = scandir(path, &v, NULL, alphasort);
	char name[4096];

	if (n < 0) {
		one(path);
		return;
	}
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, v[i]->d_name);
		if (v[i]->d_name[0] != '.')
			one(name);
		free(v[i]);
	}
	free(v);
}

static void name_file(void)
{
	if (current)
		fprintf(stderr, "file: %s\n", current);
}

int main(int argc, char **argv)
{
	atexit(name_file);
	for (int i = 1; i < argc; i++)
		all(argv[i]);
	current = NULL;
	printf("%u files\n", runs);
	return runs ? 0 : 1;
}
