/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which files a configuration is made of: FILE, and then those in FILE.d, the
 * directory beside it, whose names end in ".conf", in the order of their names.
 * Without -c the first that exists of the usual names is FILE, and the
 * directory is that of the first name. A file that is missing is an empty one,
 * unless it was named; so is a directory.
 */
#ifndef SYS_CONF_FILES_H
#define SYS_CONF_FILES_H

#include "conf.h"

/* named: by -c; NULL = the usual ones. What cannot be read is an error. */
void conf_files_read(struct conf *c, const char *named, bool as_server,
		     struct report *r);

/* The usual one. */
const char *conf_files_usual(bool as_server);

#endif
