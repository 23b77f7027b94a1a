/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client remembers from run to run, so that its address stays the same
 * where the NAT allows it (I10): UDP port, random flag bits and the mapping
 * they belong to, and which server answered last. A small text file, NAME value
 * a line; replaced as a whole, so that it is whole after a crash.
 */
#ifndef SYS_STATE_H
#define SYS_STATE_H

#include "../core/wire.h"
#include "value.h"

struct state {
	uint16_t port; /* local UDP port; 0 = nothing is remembered */
	bool has_flags;
	uint16_t flags;      /* of the address */
	struct tuple mapped; /* that the flags were drawn for */
	uint32_t server;     /* primary address that answered last; 0 = none */
	char host[HOST_SPACE]; /* its name, as configured */
};

/* Where it is, for an interface. */
void state_path(char *path, size_t space, const char *dir, const char *iface);

/*
 * Read a file. A missing file is no error and leaves an empty state; so does
 * one that is damaged, with a warning in the log: a new port is better than no
 * service.
 */
void state_read(struct state *s, const char *path);

/* Write it: 0 or -errno; then the old file is as it was. */
int state_write(const struct state *s, const char *path);

#endif
