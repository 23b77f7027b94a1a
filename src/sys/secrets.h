/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of secrets for secure qualification (4380 §5.2.2), one client
 * identifier a line:
 *
 *	# identifier  algorithm  secret  [renew]
 *	alice  hmac-sha256  hex:6f2c9a...
 *	bob    hmac-sha1    a-word-without-blanks  renew
 *
 * renew: the server tells the client that its identifier ends (S35).
 */
#ifndef SYS_SECRETS_H
#define SYS_SECRETS_H

#include <stdio.h>

#include "../core/auth.h"

struct secrets {
	unsigned n;
	struct secret *v; /* in order of secret_compare(); owned */
};

/*
 * Read all of f. 0, or the number of errors; each is written to err as
 * `name:line: what`, and nothing is kept.
 */
unsigned secrets_read(struct secrets *s, FILE *f, const char *name, FILE *err);

/*
 * Open a file and read it. The file must not be readable by others. Returns
 * the number of errors, as above.
 */
unsigned secrets_load(struct secrets *s, const char *path, FILE *err);

/* Forget the keys and free the memory. */
void secrets_free(struct secrets *s);

#endif
