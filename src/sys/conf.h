/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: what the file and the options say, as values. One table
 * of directives (conf.c) is behind the file, the options that override it, and
 * miredo-checkconf. miredo.conf(5) explains each directive.
 */
#ifndef SYS_CONF_H
#define SYS_CONF_H

#include <net/if.h>
#include <stdio.h>
#include <time.h>

#include "../core/gate.h"
#include "../core/relay.h"
#include "report.h"

enum {
	CONF_NAME = 33,
	CONF_PATH = 1024
};

enum relay_type {
	TYPE_UNSET,
	TYPE_CLIENT,
	TYPE_RELAY,      /* network relay, 4380 §5.4 */
	TYPE_RESTRICTED, /* the same behind a NAT (R14) */
	TYPE_HOST,       /* host-specific relay, 4380 §5.5 */
	TYPE_SERVER,
};

enum choice {
	CHOICE_UNSET,
	CHOICE_NO,
	CHOICE_YES
};

struct conf {
	enum relay_type type;
	bool names_server;        /* ServerAddress: somebody wants a client */
	bool relay_too;           /* a server that is a relay as well */
	uint32_t server, server2; /* host order, 0 = not given */
	uint32_t bind_ip;
	uint16_t bind_port;
	char iface[IFNAMSIZ];
	uint16_t mtu;
	uint32_t prefix;
	int facility;
	char user[CONF_NAME], group[CONF_NAME];
	char secret_file[CONF_PATH]; /* empty = none */
	enum choice require_secret;
	time_t sunset;      /* 0 = never */
	uint32_t max_peers; /* 0 = by the memory of this host */
	bool has_new_peers; /* else what the core holds right */
	uint32_t new_peers; /* per second; 0 = no limit */
	uint32_t reply_rate;
	bool accept_strangers, relay_nonces, symmetric_clients;
	bool own_clients_only, public_only;
	unsigned n_allow, n_deny, n_serve;
	struct ip4_prefix allow[GATE_MAX_RULES], deny[GATE_MAX_RULES];
	struct ip6_prefix serve[RELAY_MAX_SERVED];
};

void conf_defaults(struct conf *c);

/* Read a whole file; name is the one to show. */
void conf_read(struct conf *c, FILE *f, const char *name, struct report *r);

/* One directive from elsewhere; where is "--port" or the like. */
void conf_set(struct conf *c, const char *where, const char *directive,
	      const char *value, struct report *r);

#endif
