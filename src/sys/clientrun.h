/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loop does for a client, besides packets: it looks up the servers'
 * names, watches the way to them, tells the steward what ought to be, and logs
 * how the client is.
 *
 *	names.h       when a name is looked up
 *	resolver.h    by whom
 *	way.h         how the kernel would send
 *	steward.h     addresses and routes
 *	neighbours.h  local discovery
 *	mapping.h     a port of the router
 *	randdoors.h   random ports
 */
#ifndef SYS_CLIENTRUN_H
#define SYS_CLIENTRUN_H

#include "mapping.h"
#include "names.h"
#include "neighbours.h"
#include "plan.h"
#include "randdoors.h"
#include "state.h"
#include "steward.h"
#include "way.h"

struct loop;

struct clientrun {
	const struct plan *plan;
	int steward, resolver; /* -1 = none */
	int probe;             /* the secondary port of §5.2.7; -1 = none */
	bool is_probing;       /* it is listened to */
	struct randdoors random;
	struct neighbours neighbours; /* fd -1 = no local discovery */
	struct mapping mapping;
	struct names names;
	struct way_watch watch;
	struct way way;
	struct way_by by;
	uint64_t way_at;    /* look at it then */
	uint64_t native_at; /* that was not to be known */
	bool host_native;   /* this host has IPv6 that is not ours */
	uint64_t tell_at;   /* the steward had no room */
	uint16_t port;      /* service port */
	struct state state; /* as remembered */
	struct steward_wish wish;
	unsigned version; /* of the status that was looked at last */
	unsigned wants_names;
	uint32_t server_ip;
	bool told[CLIENT_SERVERS];   /* the core has an address */
	bool wanted[CLIENT_SERVERS]; /* it wants to know whether it is right */
	bool said[RESOLVER_NAMES];   /* that it cannot be looked up */
	bool unusable[RESOLVER_NAMES]; /* it can, but is no server's */
	int error; /* why the steward could not do as wished; that was said */
	struct client_status logged;
	enum inbound inbound; /* as it was logged; unknown = not yet */
};

/* Its part of what the loop waits for. */
void clientrun_watch(struct loop *l);

/* Once, before the first packet. */
void clientrun_start(struct loop *l, uint64_t now);

void clientrun_on_steward(struct loop *l, uint64_t now);
void clientrun_on_resolver(struct loop *l, uint64_t now);
void clientrun_on_way(struct loop *l, uint64_t now);

/* The addresses of this host are other ones, perhaps. */
void clientrun_addresses(struct loop *l, uint64_t now);

uint64_t clientrun_next(const struct clientrun *r);
void clientrun_timeout(struct loop *l, uint64_t now);

/* When the core was called: listen where it wants us to. */
void clientrun_doors(struct loop *l);

/* After each round: has the client's state changed? */
bool clientrun_is_behind(const struct loop *l);
void clientrun_look(struct loop *l, uint64_t now);

/* There is another plan: perhaps with other servers. */
void clientrun_renew(struct loop *l, uint64_t now);

/* SIGHUP: ask everybody again. SIGUSR1: how are we? */
void clientrun_check(struct loop *l, uint64_t now);
void clientrun_log(const struct loop *l);

/* Undo what the steward did, and wait for that. */
void clientrun_finish(struct loop *l);

#endif
