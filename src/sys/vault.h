/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets that were read while the daemon runs, on their way from the reader to
 * the packet process: memory that the reader alone can write, and that keeper
 * and packet process can read. No other process has it: monitor, steward,
 * resolver and hooks never map it, and the control process lets go of it.
 *
 * There are two halves. What is in force in one of them stays there until the
 * packet process goes by the other; so nothing is copied, and nobody waits.
 */
#ifndef SYS_VAULT_H
#define SYS_VAULT_H

#include <stdint.h>

#include "../core/auth.h"

enum {
	VAULT_MOST = 1 << 16 /* secrets; their memory is taken as it is used */
};

struct vault;

/* A descriptor of the memory, which nobody has mapped; or -errno. */
int vault_make(void);

/*
 * Map it, for the reader, after whom nobody can write; or for who only reads.
 * Closes the descriptor. NULL: not to be had, see errno.
 */
struct vault *vault_open_writer(int fd);
const struct vault *vault_open(int fd);
void vault_close(const struct vault *v);

/*
 * Put n secrets there, at most VAULT_MOST and in order of secret_compare(),
 * under a number of their own that is not 0; in the place of all but those
 * under `keep`, if there are such.
 */
void vault_write(struct vault *v, uint32_t number, const struct secret *s,
		 unsigned n, uint32_t keep);

/* Those under this number, and how many; NULL if they are not there. */
const struct secret *vault_find(const struct vault *v, uint32_t number,
				unsigned *n);

#endif
