/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See conf_files.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_files.h"
#include "textfile.h"

enum {
	USUAL = 2,
	NAME = CONF_PATH + NAME_MAX + 8,
};

/* Debian keeps the file one level up, with a link. */
static const char *const usual[][USUAL] = {
	{"/etc/miredo/miredo.conf", "/etc/miredo.conf"},
	{"/etc/miredo/miredo-server.conf", "/etc/miredo-server.conf"},
};

const char *conf_files_usual(bool as_server)
{
	return usual[as_server][0];
}

static void report_unreadable(struct report *r, const char *name,
			      const char *why)
{
	report_add(r, SEVERITY_ERROR,
		   "cannot read the configuration file %.140s: %s", name, why);
}

static void read_open(struct conf *c, FILE *f, const char *name,
		      struct report *r)
{
	conf_read(c, f, name, r);
	fclose(f);
}

static void read_named(struct conf *c, const char *name, struct report *r)
{
	const char *why;
	FILE *f = textfile_open(name, &why);

	if (f)
		read_open(c, f, name, r);
	else
		report_unreadable(r, name, why);
}

/* The first that exists, if any does. */
static void read_usual(struct conf *c, bool as_server, struct report *r)
{
	for (unsigned i = 0; i < USUAL; i++) {
		const char *name = usual[as_server][i], *why;
		FILE *f = textfile_open(name, &why);

		if (f)
			read_open(c, f, name, r);
		else if (errno != ENOENT)
			report_unreadable(r, name, why);
		if (f || errno != ENOENT)
			return;
	}
}

/* --- the directory --- */

static int is_part(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 &&
	       strcmp(e->d_name + n - 5, ".conf") == 0;
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* NULL, or why nothing in it is read. */
static const char *judge_directory(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "not a directory";
	if (st.st_mode & S_IWOTH)
		return "others may write it (chmod o-w)";
	return NULL;
}

static void read_parts(struct conf *c, const char *dir, struct dirent **v,
		       int n, struct report *r)
{
	for (int i = 0; i < n; i++) {
		char name[NAME];

		snprintf(name, sizeof(name), "%s/%s", dir, v[i]->d_name);
		if (i < CONF_FILES - 1)
			read_named(c, name, r);
		else if (i == CONF_FILES - 1)
			report_add(r, SEVERITY_ERROR,
				   "%.140s: more than %d files", dir,
				   CONF_FILES - 1);
		free(v[i]);
	}
}

static void read_directory(struct conf *c, const char *file, struct report *r)
{
	char dir[CONF_PATH + 3];
	struct dirent **v = NULL;
	const char *wrong;
	int n;

	if (strlen(file) >= CONF_PATH)
		return; /* that could not be opened either */
	snprintf(dir, sizeof(dir), "%s.d", file);
	wrong = judge_directory(dir);
	n = wrong ? 0 : scandir(dir, &v, is_part, by_name);
	if (n < 0 && errno != ENOENT)
		wrong = strerror(errno);
	if (wrong)
		report_add(r, SEVERITY_ERROR,
			   "cannot read the configuration directory %.140s: %s",
			   dir, wrong);
	read_parts(c, dir, v, n, r);
	free(v);
}

void conf_files_read(struct conf *c, const char *named, bool as_server,
		     struct report *r)
{
	if (named)
		read_named(c, named, r);
	else
		read_usual(c, as_server, r);
	read_directory(c, named ? named : conf_files_usual(as_server), r);
}
