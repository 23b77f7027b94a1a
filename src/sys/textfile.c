/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_mode & S_IWOTH)
		return "others may write it (chmod o-w)";
	if (st.st_size > TEXTFILE_MAX)
		return "larger than 16 MiB";
	return NULL;
}

FILE *textfile_open(const char *path, const char **why)
{
	/* Opening a FIFO or a terminal must not make us wait for it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *f;

	*why = fd < 0 ? strerror(errno) : check(fd);
	f = *why ? NULL : fdopen(fd, "r");
	if (!f) {
		int error = fd < 0 ? errno : EINVAL;

		if (!*why)
			*why = strerror(errno);
		if (fd >= 0)
			close(fd);
		errno = error;
	}
	return f;
}
