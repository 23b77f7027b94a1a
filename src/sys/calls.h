/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that each kind of process may make. Whoever makes another
 * one is killed at once, with SIGSYS: it is not itself any more. The lists are
 * in calls.c, each call with what it is there for.
 *
 * Some calls have several numbers, by architecture, C library and width of
 * time; these are names of one call in the lists.
 */
#ifndef SYS_CALLS_H
#define SYS_CALLS_H

/* Lists, to be added up. */
enum calls_of {
	CALLS_LOOP = 1,   /* of every packet process; all that a server makes */
	CALLS_TUNNEL = 2, /* of a client or relay, beyond that */
	CALLS_STEWARD = 4,
	CALLS_MONITOR = 8,
	CALLS_KEEPER = 16, /* what it needs itself */
	CALLS_BIRTH = 32,  /* what a worker needs before its loop runs */
	CALLS_LOOKUP = 64, /* the resolver: all but what is in the list */
	CALLS_CONTROL = 128,
	CALLS_READER = 256,   /* who reads the configuration again */
	CALLS_MAPPER = 512,   /* it, and what its children do first */
	CALLS_GATEWAY = 1024, /* who asks a router */
};

enum {
	CALLS_LISTS = 11,
	CALL_NAMES = 3
};

/* What its arguments must be for it to be allowed. */
enum call_limit {
	CALL_ANY,
	CALL_NO_CODE, /* memory that cannot be executed */
	CALL_WRITE,   /* a file is opened for writing, and not made */
	CALL_READ,    /* a file is opened for reading */
	CALL_ROUTING, /* a socket to the kernel */
	CALL_IP4,     /* one for IPv4 */
	CALL_PROCESS, /* no namespaces */
	CALL_SIGNAL,  /* prctl(PR_SET_PDEATHSIG) */
	CALL_NAME,    /* prctl(PR_SET_NAME) */
	CALL_FAILS,   /* nothing will do: ENOSYS */
	CALL_UDP,     /* a socket for datagrams over IPv4 */
	CALL_FAR,     /* forbidden: a socket beyond IP, UNIX and routing */
};

struct call {
	const char *name[CALL_NAMES]; /* names of the same; NULL = no more */
	enum call_limit limit;
};

struct calls {
	unsigned n;
	const struct call *v;
};

extern const struct calls calls_lists[CALLS_LISTS];

/*
 * Allow these lists (enum calls_of) to this process, all its threads, and what
 * it starts. Filters from before go on to count. Dies if it cannot, but for a
 * kernel that has no filters. Needs no_new_privs.
 */
void calls_confine(unsigned lists);

#endif
