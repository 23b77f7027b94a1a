/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names to addresses, in a process of its own: getaddrinfo() honours
 * nsswitch.conf, may load anything, and may take its time. The resolver has the
 * user of the packet process and no privilege. It is told nothing at run time
 * but which of the configured names to look up; these it reads where all read
 * them (settings.h). The reader, which may see less, asks it for groups.
 *
 * A look-up takes as long as the system's resolver wants to; another may be
 * started meanwhile, so that a name server that has just come back is asked at
 * once. Each runs in a child of the resolver; of one name at most
 * RESOLVER_AT_ONCE, the oldest of which ends when one more is asked for.
 */
#ifndef SYS_RESOLVER_H
#define SYS_RESOLVER_H

#include <stdint.h>

#include "privs.h"

enum {
	RESOLVER_NAMES = 16, /* two of each server */
	RESOLVER_AT_ONCE = 6,
	RESOLVER_GIVES_UP_S = 15,
	RESOLVER_ADDRESSES = 8,
};

struct settings;

/* Which names is told by the serial of the settings, so that nobody need say
 * what they are: the n-th is of server n / 2. */
struct resolver_question {
	uint32_t serial;
	uint32_t name; /* index */
};

struct resolver_answer {
	uint32_t serial, name;           /* as asked */
	int32_t error;                   /* EAI_*; 0 if n is not 0 */
	uint32_t n;                      /* 0 = failed */
	uint32_t ip[RESOLVER_ADDRESSES]; /* host order, as the resolver put them
					  */
};

/*
 * Start the resolver, while privileged; it gives up all privilege before the
 * first look-up. Returns a SOCK_SEQPACKET descriptor with a struct
 * resolver_answer to read for each look-up that has ended, at its end when the
 * resolver is gone. Dies if it cannot be started. names are those of serial 1;
 * settings: the others, NULL = there will be none. groups: where the reader
 * asks for groups (groups.h), which is closed here; -1 = it does not.
 */
int resolver_start(const char *const *names, unsigned n,
		   const struct settings *settings, int groups,
		   const struct identity *id);

/* Look up a name now; does not wait. 0 or -errno. */
int resolver_ask(int fd, uint32_t serial, uint32_t name);

#endif
