/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a target over files, or over all files of directories. Names the file
 * when that aborts; with abort_on_error=1, sanitizers do so, too.
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned runs;
static char current[4200];

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
	snprintf(current, sizeof(current), "file: %s\n", path);
	LLVMFuzzerTestOneInput(exact, n);
	current[0] = '\0';
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

/* abort() goes on when this returns. */
static void name_file(int sig)
{
	ssize_t unused = write(STDERR_FILENO, current, strlen(current));

	(void)sig;
	(void)unused;
}

int main(int argc, char **argv)
{
	signal(SIGABRT, name_file);
	for (int i = 1; i < argc; i++)
		all(argv[i]);
	printf("%u files\n", runs);
	return runs ? 0 : 1;
}
