/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that an administrator writes. A name may by mistake, or by malice of
 * who can write where it leads, be that of something else: a device never ends,
 * a FIFO makes us wait for ever, and what others may write is not his.
 */
#ifndef SYS_TEXTFILE_H
#define SYS_TEXTFILE_H

#include <stdio.h>

enum {
	TEXTFILE_MAX = 16 << 20 /* bytes; 100000 secrets are 10 MB */
};

/*
 * Open one to read it. NULL: *why says why, errno is ENOENT if it is not there.
 */
FILE *textfile_open(const char *path, const char **why);

#endif
