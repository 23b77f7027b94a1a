/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: what files and options say, as values, and where each was
 * said. One table of directives (conf_table.c) is behind the files, the options
 * that override them, miredo-checkconf, and the list of what is in force.
 * miredo.conf(5) explains each directive.
 *
 * All of it is plain data without a pointer: it is copied, and shared between
 * processes, as it is.
 */
#ifndef SYS_CONF_H
#define SYS_CONF_H

#include <net/if.h>
#include <stdio.h>
#include <time.h>

#include "../core/client.h"
#include "../core/gate.h"
#include "../core/portmap.h"
#include "../core/relay.h"
#include "offload.h"
#include "report.h"
#include "value.h"

enum {
	CONF_NAME = 33,
	CONF_PATH = 1024,
	CONF_REGEX = 256,
	CONF_ID = AUTH_MAX_ID + 1,
	CONF_FILES = 64,                /* that one configuration is made of */
	CONF_SOURCES = CONF_FILES + 40, /* those, and options */
	CONF_SOURCE = 144,
	CONF_ROWS = 96,             /* directives that there may be */
	CONF_ORIGINS = 320,         /* one of each value that there may be */
	CONF_VALUE = CONF_PATH + 3, /* in quotes */
	CONF_ORIGIN = CONF_SOURCE + 12,
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

enum demand {
	DEMAND_ALWAYS,
	DEMAND_ON, /* dormant while nobody needs it */
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

/* Where a value was said: a line of a file, or an option (line 0). */
struct conf_place {
	uint16_t source; /* 0 = by default */
	uint32_t line;
};

struct conf_origins {
	unsigned n;
	char source[CONF_SOURCES][CONF_SOURCE]; /* [0] is "default" */
	struct conf_place of[CONF_ORIGINS];     /* conf_table.h tells which */
};

struct conf {
	enum relay_type type;
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
	uint32_t new_peers; /* per second; 0 = no limit */
	uint32_t reply_rate, network_reply_rate;
	bool accept_strangers, relay_nonces, symmetric_clients;
	bool own_clients_only, public_only;
	bool relay_too;     /* a server that is a relay as well */
	bool has_new_peers; /* else what the core holds right */

	/* of the client */
	unsigned n_servers;
	struct server_name servers[CLIENT_SERVERS];
	char second[HOST_SPACE]; /* ServerAddress2 before any ServerAddress */
	uint16_t refresh_s;
	enum demand qualify;
	uint32_t qualify_idle; /* seconds */
	bool learn_refresh, symmetric, cone_phase, nonce_required;
	unsigned extensions; /* a set of EXT_* */
	enum discovery discovery;
	enum portmap_choice port_mapping;
	char discovery_ifaces[CONF_REGEX]; /* empty = all */
	uint8_t discovery_len; /* of a subnet; 0 = as the interface says */
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

	struct conf_origins origins;
};

void conf_defaults(struct conf *c);

/*
 * Read a whole file; name is the one to show. What it says takes the place of
 * what files before it said; lists grow.
 */
void conf_read(struct conf *c, FILE *f, const char *name, struct report *r);

/* One directive from elsewhere; where is "--port" or the like. */
void conf_set(struct conf *c, const char *where, const char *directive,
	      const char *value, struct report *r);

/*
 * What is in force, in the syntax of the file: a line for each value, in an
 * order in which they can be read again. What has no value is left out.
 */
struct conf_line {
	unsigned row; /* of the directive */
	const char *directive;
	const char *value;
	const char *origin; /* "/etc/miredo/miredo.conf:3", "--port", "default"
			     */
};

typedef void conf_line_fn(void *arg, const struct conf_line *line);

void conf_list(const struct conf *c, conf_line_fn *fn, void *arg);

/* The rows of the table, 0 to conf_rows() - 1: name; does a reload apply it, or
 * the next start; are there the same values in both? */
unsigned conf_rows(void);
const char *conf_name(unsigned row);
unsigned conf_row(const char *name); /* of one that there is */
bool conf_is_live(unsigned row);
bool conf_is_any(const bool row[static CONF_ROWS]);
bool conf_is_same(const struct conf *a, const struct conf *b, unsigned row);

/* Where the (first) value of a row was said, as in struct conf_line. */
void conf_where(const struct conf *c, unsigned row,
		char out[static CONF_ORIGIN]);

/* What `from` says of a row, in place of what `to` does. (ServerAddress2 goes
 * with the servers.) */
void conf_take(struct conf *to, const struct conf *from, unsigned row);

#endif
