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
#include "report.h"

struct secrets {
	unsigned n;
	struct secret *v; /* in order of secret_compare(); owned */
};

/*
 * Read all of f. 0, or the number of errors; each is reported as `name:line:
 * what`, and nothing is kept.
 */
unsigned secrets_read(struct secrets *s, FILE *f, const char *name,
		      struct report *r);

/*
 * Open a file and read it. The file must not be readable by others. Returns
 * the number of errors, as above.
 */
unsigned secrets_load(struct secrets *s, const char *path, struct report *r);

/* The one of this identifier; NULL if there is none. */
const struct secret *secrets_of(const struct secrets *s, const char *id);

/* Forget the keys and free the memory. */
void secrets_free(struct secrets *s);

#endif
