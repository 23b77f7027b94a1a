/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of `miredoctl netcheck`: names, name servers, sockets, what is
 * shown. The core's netcheck.h does the thinking.
 */
#ifndef CTL_NETCHECK_H
#define CTL_NETCHECK_H

#include <jansson.h>
#include <sys/types.h>

#include "../core/netcheck.h"
#include "../sys/value.h"
#include "ctl.h"

/* --- names, each looked up by a process of its own --- */

enum lookup_state {
	LOOKUP_WAITING,
	LOOKUP_FOUND,
	LOOKUP_NOT_FOUND, /* the name servers say so */
	LOOKUP_FAILED     /* they say nothing */
};

struct lookup {
	char host[HOST_SPACE];
	enum lookup_state state;
	uint32_t ip; /* host order */
	pid_t pid;   /* 0 = none */
	int fd;      /* what it says */
};

/* An address at once, else begin to look. */
void lookup_start(struct lookup *l, const struct gate *gate);
/* There is something to read. */
void lookup_read(struct lookup *l);
/* What is still waiting has failed. */
void lookup_end(struct lookup *l);

/* --- name servers, to see whether any UDP gets through --- */

enum {
	DNS_MAX = 3
};

struct dns {
	int fd; /* -1 = nobody is asked */
	unsigned n, tries;
	uint64_t due;
	struct {
		uint32_t ip;
		uint16_t id;
		bool answered;
	} v[DNS_MAX];
};

/* Those of resolv.conf, or the one given, that are on no network of ours. */
void dns_find(struct dns *d, const char *given, const struct self *self);
void dns_timeout(struct dns *d, uint64_t now);
/* True if one has answered. */
bool dns_read(struct dns *d);

/* --- the way out --- */

struct path {
	uint32_t source;           /* 0 = there is none */
	char iface[16], other[16]; /* of the way; of the source, or of the
				      default route, if it is another */
	bool is_tunnel;
	bool elsewhere; /* the source belongs to `other` */
	bool unusual;   /* the default route leads to `other` */
};

/* Towards an address, by way of an interface ("" = any), from `bind` (0 = any).
 * 0 or -errno. */
int path_find(struct path *p, uint32_t to, const char *iface, uint32_t bind);

/* Send what is in the outbox; tell the core what the kernel says. */
void doors_flush(const int fd[DOORS], struct outbox *out, struct netcheck *n);
/* Read some of what has come, and the errors. */
void door_read(enum door door, const int fd[DOORS], struct outbox *out,
	       struct netcheck *n);

/* --- the whole, and what is shown --- */

struct check {
	const struct ctl *ctl;
	unsigned n;
	char name[NETCHECK_SERVERS][2 * HOST_SPACE]; /* as given */
	struct lookup first[NETCHECK_SERVERS], second[NETCHECK_SERVERS];
	bool has_second[NETCHECK_SERVERS];
	uint32_t bind;
	const char *iface;
	int fd[DOORS];
	uint64_t started;
	struct self self;
	struct gate gate;
	struct path path;
	struct dns dns;
	struct netcheck core;
	struct outbox out;
};

uint64_t check_clock(void);

/* The object of --json; the caller's. */
json_t *check_json(const struct check *c, const struct netcheck_findings *f);
/* The same for people. */
void check_show(const struct ctl *c, const json_t *o);
/* One line on a terminal, rewritten; NULL = wipe it away. */
void check_progress(const struct check *c, const char *text);

#endif
