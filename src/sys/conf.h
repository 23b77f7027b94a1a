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

#include "../core/client.h"
#include "../core/gate.h"
#include "../core/relay.h"
#include "offload.h"
#include "report.h"
#include "value.h"

enum {
	CONF_NAME = 33,
	CONF_PATH = 1024,
	CONF_REGEX = 256,
	CONF_ID = AUTH_MAX_ID + 1
};

enum relay_type {
	TYPE_UNSET,
	TYPE_CLIENT,
	TYPE_AUTO,       /* client without native IPv6, host relay with it */
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

enum default_route {
	DEFAULT_ROUTE_AUTO,
	DEFAULT_ROUTE_YES,
	DEFAULT_ROUTE_NO
};

enum discovery {
	DISCOVERY_DISABLED,
	DISCOVERY_ENABLED, /* of neighbours behind the same NAT (C73) */
	DISCOVERY_FORCED,  /* of all neighbours */
};

enum log_target {
	LOG_TARGET_AUTO, /* the journal if it reads us; else stderr with -f, or
			    syslog */
	LOG_TARGET_SYSLOG,
	LOG_TARGET_JOURNAL,
	LOG_TARGET_STDERR,
};

/* A server for the client. */
struct server_name {
	char host[HOST_SPACE];   /* name or dotted quad */
	char second[HOST_SPACE]; /* the same; empty: one above the first */
};

struct conf {
	enum relay_type type;
	bool relay_too;           /* a server that is a relay as well */
	uint32_t server, server2; /* host order, 0 = not given */
	uint32_t bind_ip;
	uint16_t bind_port;
	char iface[IFNAMSIZ];
	uint16_t mtu;
	uint32_t prefix;
	int facility;
	int log_level; /* LOG_ERR .. LOG_DEBUG */
	enum log_target log_target;
	char control_socket[CONF_PATH]; /* empty = the usual one; or "none" */
	char control_group[CONF_NAME];  /* empty = root alone may change */
	char user[CONF_NAME], group[CONF_NAME];
	char secret_file[CONF_PATH]; /* empty = none */
	enum choice require_secret;
	time_t sunset;      /* 0 = never */
	uint32_t max_peers; /* 0 = by the memory of this host */
	bool has_new_peers; /* else what the core holds right */
	uint32_t new_peers; /* per second; 0 = no limit */
	uint32_t reply_rate, network_reply_rate;
	bool accept_strangers, relay_nonces, symmetric_clients;
	bool own_clients_only, public_only;

	/* of the client */
	unsigned n_servers;
	struct server_name servers[CLIENT_SERVERS];
	char second[HOST_SPACE]; /* ServerAddress2 before any ServerAddress */
	uint16_t refresh_s;
	bool learn_refresh, symmetric, cone_phase, nonce_required;
	enum discovery discovery;
	char discovery_ifaces[CONF_REGEX]; /* empty = all */
	char client_id[CONF_ID];
	enum default_route default_route;
	uint32_t route_metric, route_table; /* table 0 = main */
	char hook_script[CONF_PATH];        /* empty = the usual one */
	char state_dir[CONF_PATH];
	struct ip6 probe; /* native host, whose relay is looked for; :: = none
			   */

	/* of how packets are carried */
	uint32_t threads;  /* 0 = by the processor */
	unsigned offloads; /* enum offload: those that may be used */
	bool copy_dscp;
	uint8_t dscp;

	/* of the service port */
	char bind_iface[IFNAMSIZ];
	uint32_t mark;

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
