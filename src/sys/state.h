/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client remembers from run to run, so that its address stays the same
 * where the NAT allows it (I10): UDP port, random flag bits and the mapping
 * they belong to, and which server answered last. A small text file, NAME value
 * a line.
 *
 * It is opened while we are root and written to when we are not any more. Its
 * directory is root's, so nobody can play tricks with names there. What is
 * written is of one length, less than a sector of a disk, and so whole after a
 * crash: the old text or the new one.
 */
#ifndef SYS_STATE_H
#define SYS_STATE_H

#include <sys/types.h>

#include "../core/pcp.h"
#include "value.h"

struct state {
	uint16_t port; /* local UDP port; 0 = nothing is remembered */
	bool has_flags;
	uint16_t flags;      /* of the address */
	struct tuple mapped; /* that the flags were drawn for */
	uint32_t server;     /* primary address that answered last; 0 = none */
	char host[HOST_SPACE]; /* its name, as configured */
	/* The router that has forwarded the port last, and by which method;
	 * with an external port, it does so still (X21, X24). */
	struct portmap_lease lease;
	uint8_t nonce[PCP_NONCE]; /* of our mappings; zeros = none yet */
};

enum {
	STATE_TEXT = 512 /* bytes of each file that we write: one sector */
};

/*
 * What n bytes of text say, and there is a zero behind them; text is taken
 * apart. False: it is not such a file, and s is to be thrown away.
 */
bool state_parse(struct state *s, char *text, size_t n);

/* The text of a file, with no zero behind it. */
void state_print(char text[static STATE_TEXT], const struct state *s);

/* Where it is, for an interface. */
void state_path(char *path, size_t space, const char *dir, const char *iface);

/*
 * Read a file. A missing file is no error and leaves an empty state; so does
 * one that is damaged, with a warning in the log: a new port is better than no
 * service.
 */
void state_read(struct state *s, const char *path);

/*
 * Open or make the file: a descriptor for state_write(), or -errno. It must be
 * our own or that of this user and have no second name: -EPERM.
 */
int state_open(const char *path, uid_t user);

/* Write it: 0 or -errno; then the old text is as it was. */
int state_write(const struct state *s, int fd);

#endif
