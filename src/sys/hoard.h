/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reader knows of secrets: those of Secret that are in force, and
 * those to go back to. It reads the file anew when that is another, or has
 * changed; of a client it hands on the secret of ClientID and no other. What
 * the daemon was started with the keeper has read, and has number 0.
 */
#ifndef SYS_HOARD_H
#define SYS_HOARD_H

#include <stdbool.h>
#include <sys/stat.h>

#include "plan.h"
#include "secrets.h"
#include "vault.h"

struct hoard_state {
	uint32_t number; /* in the vault; 0 = those of the start */
	struct secrets secrets;
	struct stat file; /* as it was when it was read */
};

struct hoard {
	struct vault *vault;
	uint32_t numbers; /* that were given */
	struct hoard_state now, before;
	bool has_before;         /* it is another than now */
	struct hoard_state read; /* not in force yet */
};

/* With the configuration of the start. */
void hoard_begin(struct hoard *h, const struct conf *c);

enum hoard_news {
	HOARD_SAME,
	HOARD_OTHER, /* they were read, for hoard_take() */
	HOARD_WRONG, /* r says why */
};

/* From what runs to what is to run next. */
enum hoard_news hoard_read(struct hoard *h, enum role role,
			   const struct conf *now, const struct conf *next,
			   struct report *r);

/* What is in force is what to go back to. */
void hoard_remember(struct hoard *h);

/* What was read is in force, or what was remembered is again. */
void hoard_take(struct hoard *h);
void hoard_undo(struct hoard *h);

#endif
