/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format of 1.2.6: `Directive value`, one a line, names in any case, `#`
 * comments. What is new keeps the style.
 *
 * Each directive is a row of the table: name, the function that takes its
 * value, the field, and the words that say what is allowed. Two kinds of row
 * take no value: those that are not in this version, and those that old
 * versions dropped. A file may be shared: what is of another role is read, and
 * has to be right, but has no effect.
 *
 * An unknown directive or a bad value is an error: who mistypes DenyIPv4 must
 * not run without it. A repeated directive is a warning, as in 1.2.6, and so
 * are those of old files that have no effect here; miredo-checkconf fails on
 * repeated ones, as it always did. All are reported, not the first.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <regex.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "conf.h"
#include "lane.h"
#include "value.h"

enum kind {
	KIND_OURS,
	KIND_LATER, /* not in this version */
	KIND_GONE,  /* dropped by 1.0 */
};

struct directive {
	const char *name;
	bool (*set)(struct conf *c, const struct directive *d, const char *s);
	size_t field, count; /* offsets; count of a list */
	uint32_t min, max;
	bool is_list;
	bool follows; /* may be repeated behind each one of the row above */
	enum kind kind;
	const char *allowed;
	const char *usual; /* KIND_LATER: value that is what we do anyway */
};

#define FIELD(name) .field = offsetof(struct conf, name)
#define LIST(name, n)                                                          \
	.field = offsetof(struct conf, name),                                  \
	.count = offsetof(struct conf, n), .is_list = true

static void *field_of(struct conf *c, size_t offset)
{
	return (char *)c + offset;
}

static bool set_bool(struct conf *c, const struct directive *d, const char *s)
{
	return value_bool(field_of(c, d->field), s);
}

static bool set_choice(struct conf *c, const struct directive *d, const char *s)
{
	enum choice *out = field_of(c, d->field);
	bool yes;

	if (!value_bool(&yes, s))
		return false;
	*out = yes ? CHOICE_YES : CHOICE_NO;
	return true;
}

static bool set_u32(struct conf *c, const struct directive *d, const char *s)
{
	return value_number(field_of(c, d->field), s, d->min, d->max);
}

static bool set_u16(struct conf *c, const struct directive *d, const char *s)
{
	uint16_t *out = field_of(c, d->field);
	uint32_t n;

	if (!value_number(&n, s, d->min, d->max))
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool set_new_peers(struct conf *c, const struct directive *d,
			  const char *s)
{
	c->has_new_peers = set_u32(c, d, s);
	return c->has_new_peers;
}

static bool set_ip4(struct conf *c, const struct directive *d, const char *s)
{
	return value_ip4(field_of(c, d->field), s);
}

/* max is the size of the field. */
static bool set_text(struct conf *c, const struct directive *d, const char *s)
{
	if (!*s || strlen(s) >= d->max)
		return false;
	strcpy(field_of(c, d->field), s);
	return true;
}

static bool set_iface(struct conf *c, const struct directive *d, const char *s)
{
	/* What the kernel's dev_valid_name() refuses, and what it expands. */
	if (strpbrk(s, "/:% \t") || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	return set_text(c, d, s);
}

static bool set_prefix(struct conf *c, const struct directive *d, const char *s)
{
	return value_teredo_prefix(field_of(c, d->field), s);
}

static bool set_date(struct conf *c, const struct directive *d, const char *s)
{
	return value_date(field_of(c, d->field), s);
}

/* max is the capacity of the list. */
static bool add_ip4(struct conf *c, const struct directive *d, const char *s)
{
	struct ip4_prefix *v = field_of(c, d->field);
	unsigned *n = field_of(c, d->count);

	return *n < d->max && value_ip4_prefix(&v[*n], s) && ++*n;
}

static bool add_ip6(struct conf *c, const struct directive *d, const char *s)
{
	struct ip6_prefix *v = field_of(c, d->field);
	unsigned *n = field_of(c, d->count);

	return *n < d->max && value_ip6_prefix(&v[*n], s) && ++*n;
}

static bool set_type(struct conf *c, const struct directive *d, const char *s)
{
	static const struct {
		const char *name;
		enum relay_type type;
	} types[] = {
		{"client", TYPE_CLIENT}, {"autoclient", TYPE_AUTO},
		{"auto", TYPE_AUTO},     {"relay", TYPE_RELAY},
		{"cone", TYPE_RELAY},    {"restricted", TYPE_RESTRICTED},
		{"host", TYPE_HOST},     {"server", TYPE_SERVER},
	};

	(void)d;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcasecmp(s, types[i].name) == 0) {
			c->type = types[i].type;
			return true;
		}
	}
	return false;
}

static bool set_facility(struct conf *c, const struct directive *d,
			 const char *s)
{
	static const struct {
		const char *name;
		int facility;
	} names[] = {
		{"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV},
		{"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
		{"ftp", LOG_FTP},       {"kern", LOG_KERN},
		{"lpr", LOG_LPR},       {"mail", LOG_MAIL},
		{"news", LOG_NEWS},     {"security", LOG_AUTH},
		{"syslog", LOG_SYSLOG}, {"user", LOG_USER},
		{"uucp", LOG_UUCP},
	};
	uint32_t local;

	(void)d;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(s, names[i].name) == 0) {
			c->facility = names[i].facility;
			return true;
		}
	}
	if (strncasecmp(s, "local", 5) != 0 ||
	    !value_number(&local, s + 5, 0, 7))
		return false;
	c->facility = LOG_LOCAL0 + (int)(local << 3);
	return true;
}

static bool set_default_route(struct conf *c, const struct directive *d,
			      const char *s)
{
	bool yes;

	(void)d;
	if (strcasecmp(s, "auto") == 0)
		c->default_route = DEFAULT_ROUTE_AUTO;
	else if (value_bool(&yes, s))
		c->default_route = yes ? DEFAULT_ROUTE_YES : DEFAULT_ROUTE_NO;
	else
		return false;
	return true;
}

static bool set_discovery(struct conf *c, const struct directive *d,
			  const char *s)
{
	bool yes;

	(void)d;
	if (strcasecmp(s, "forced") == 0)
		c->discovery = DISCOVERY_FORCED;
	else if (strcasecmp(s, "enabled") == 0)
		c->discovery = DISCOVERY_ENABLED;
	else if (strcasecmp(s, "disabled") == 0)
		c->discovery = DISCOVERY_DISABLED;
	else if (value_bool(&yes, s))
		c->discovery = yes ? DISCOVERY_ENABLED : DISCOVERY_DISABLED;
	else
		return false;
	return true;
}

static bool set_regex(struct conf *c, const struct directive *d, const char *s)
{
	regex_t compiled;

	if (regcomp(&compiled, s, REG_EXTENDED | REG_NOSUB))
		return false;
	regfree(&compiled);
	return set_text(c, d, s);
}

static bool set_path(struct conf *c, const struct directive *d, const char *s)
{
	return *s == '/' && set_text(c, d, s);
}

/* "none", or the name of a file. */
static bool set_socket(struct conf *c, const struct directive *d, const char *s)
{
	return strcasecmp(s, "none") == 0 ? set_text(c, d, "none")
					  : set_path(c, d, s);
}

static bool set_level(struct conf *c, const struct directive *d, const char *s)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {
		{"error", LOG_ERR},
		{"warning", LOG_WARNING},
		{"info", LOG_INFO},
		{"debug", LOG_DEBUG},
	};

	(void)d;
	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcasecmp(s, levels[i].name) == 0) {
			c->log_level = levels[i].level;
			return true;
		}
	}
	return false;
}

static bool set_target(struct conf *c, const struct directive *d, const char *s)
{
	static const char *const names[] = {
		[LOG_TARGET_AUTO] = "auto",
		[LOG_TARGET_SYSLOG] = "syslog",
		[LOG_TARGET_JOURNAL] = "journal",
		[LOG_TARGET_STDERR] = "stderr",
	};

	(void)d;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(s, names[i]) == 0) {
			c->log_target = (enum log_target)i;
			return true;
		}
	}
	return false;
}

/* A native host: not one that is behind a tunnel like ours. */
static bool set_probe(struct conf *c, const struct directive *d, const char *s)
{
	static const uint8_t teredo[] = {0x20, 0x01, 0, 0};
	struct ip6 a;

	(void)d;
	if (inet_pton(AF_INET6, s, &a) != 1 || (a.b[0] & 0xe0) != 0x20 ||
	    memcmp(a.b, teredo, sizeof(teredo)) == 0)
		return false;
	c->probe = a;
	return true;
}

/* In decimal, or as ip(8) shows them. */
static bool set_mark(struct conf *c, const struct directive *d, const char *s)
{
	char *end;
	unsigned long n;

	(void)d;
	if (strncasecmp(s, "0x", 2) != 0)
		return value_number(&c->mark, s, 0, UINT32_MAX);
	n = strtoul(s + 2, &end, 16);
	if (!isxdigit((unsigned char)s[2]) || *end || n > UINT32_MAX)
		return false;
	c->mark = (uint32_t)n;
	return true;
}

static bool add_server(struct conf *c, const struct directive *d, const char *s)
{
	struct server_name *n = &c->servers[c->n_servers];

	(void)d;
	if (c->n_servers == CLIENT_SERVERS || !value_host(n->host, s))
		return false;
	strcpy(n->second, c->n_servers++ ? "" : c->second);
	return true;
}

static bool set_second(struct conf *c, const struct directive *d, const char *s)
{
	(void)d;
	return value_host(c->n_servers ? c->servers[c->n_servers - 1].second
				       : c->second,
			  s);
}

static bool set_threads(struct conf *c, const struct directive *d,
			const char *s)
{
	if (strcasecmp(s, "auto") != 0)
		return value_number(&c->threads, s, d->min, d->max);
	c->threads = 0;
	return true;
}

static bool set_offload(struct conf *c, const struct directive *d,
			const char *s)
{
	bool yes;

	(void)d;
	if (!value_bool(&yes, s))
		return offload_parse(&c->offloads, s);
	c->offloads = yes ? OFFLOAD_ALL : 0;
	return true;
}

static bool set_dscp(struct conf *c, const struct directive *d, const char *s)
{
	uint32_t n = 0;

	(void)d;
	c->copy_dscp = strcasecmp(s, "copy") == 0;
	if (!c->copy_dscp && !value_number(&n, s, 0, 63))
		return false;
	c->dscp = (uint8_t)n;
	return true;
}

#define YES_NO .allowed = "yes or no"
#define LATER  .kind = KIND_LATER
#define GONE   .kind = KIND_GONE

static const struct directive directives[] = {
	{"RelayType", set_type,
	 .allowed = "relay (or cone), restricted, host, server, client, "
		    "autoclient, auto"},
	{"Relay", set_bool, FIELD(relay_too), YES_NO},
	{"ServerBindAddress", set_ip4, FIELD(server),
	 .allowed = "an IPv4 address such as 9.0.0.2"},
	{"ServerBindAddress2", set_ip4, FIELD(server2),
	 .allowed = "an IPv4 address such as 9.0.0.3"},
	{"BindAddress", set_ip4, FIELD(bind_ip),
	 .allowed = "an IPv4 address of this host"},
	{"BindPort", set_u16, FIELD(bind_port), .max = 65535,
	 .allowed = "a UDP port, 0 to 65535 (0 = any)"},
	{"InterfaceName", set_iface, FIELD(iface), .max = IFNAMSIZ,
	 .allowed = "1 to 15 characters without / : % and blanks"},
	/* 1.2.6 took any; plan_check() brings it within bounds. */
	{"InterfaceMTU", set_u16, FIELD(mtu), .max = 65535,
	 .allowed = "1280 to 1472"},
	{"Prefix", set_prefix, FIELD(prefix),
	 .allowed = "a global IPv6 prefix of 32 bits such as 2001::/32"},
	{"SyslogFacility", set_facility,
	 .allowed = "a facility of syslog(3) such as daemon or local0"},
	{"LogLevel", set_level, .allowed = "error, warning, info or debug"},
	{"LogTarget", set_target, .allowed = "auto, syslog, journal or stderr"},
	{"ControlSocket", set_socket, FIELD(control_socket), .max = CONF_PATH,
	 .allowed = "the name of a file, with its whole path, or none"},
	{"ControlGroup", set_text, FIELD(control_group), .max = CONF_NAME,
	 .allowed = "a group name of 1 to 32 characters"},
	{"User", set_text, FIELD(user), .max = CONF_NAME,
	 .allowed = "a user name of 1 to 32 characters"},
	{"Group", set_text, FIELD(group), .max = CONF_NAME,
	 .allowed = "a group name of 1 to 32 characters"},
	{"Secret", set_text, FIELD(secret_file), .max = CONF_PATH,
	 .allowed = "the name of a file"},
	{"RequireSecret", set_choice, FIELD(require_secret), YES_NO},
	{"Sunset", set_date, FIELD(sunset),
	 .allowed = "a date YYYY-MM-DD (UTC), 2004 or later"},
	{"MaxPeers", set_u32, FIELD(max_peers), .min = PEERS_MIN,
	 .max = PEERS_MAX, .allowed = "64 to 16777216"},
	{"NewPeersPerSecond", set_new_peers, FIELD(new_peers), .max = 10000000,
	 .allowed = "0 to 10000000 (0 = no limit)"},
	{"ReplyRate", set_u32, FIELD(reply_rate), .max = 10000000,
	 .allowed = "0 to 10000000 a second (0 = no limit)"},
	{"NetworkReplyRate", set_u32, FIELD(network_reply_rate),
	 .max = 10000000, .allowed = "0 to 10000000 a second (0 = no limit)"},
	{"AllowIPv4", add_ip4, LIST(allow, n_allow), .max = GATE_MAX_RULES,
	 .allowed = "up to 64 IPv4 prefixes such as 10.0.0.0/8"},
	{"DenyIPv4", add_ip4, LIST(deny, n_deny), .max = GATE_MAX_RULES,
	 .allowed = "up to 64 IPv4 prefixes such as 10.0.0.0/8"},
	{"ServePrefix", add_ip6, LIST(serve, n_serve), .max = RELAY_MAX_SERVED,
	 .allowed = "up to 64 IPv6 prefixes such as 2a00:1::/32"},
	{"AcceptStrangers", set_bool, FIELD(accept_strangers), YES_NO},
	{"RelayNonces", set_bool, FIELD(relay_nonces), YES_NO},
	{"SymmetricClients", set_bool, FIELD(symmetric_clients), YES_NO},
	{"OwnClientsOnly", set_bool, FIELD(own_clients_only), YES_NO},
	{"PublicOnly", set_bool, FIELD(public_only), YES_NO},

	{"ServerAddress", add_server, .is_list = true,
	 .allowed = "the name or IPv4 address of a server, up to 8 of them"},
	{"ServerAddress2", set_second, .follows = true,
	 .allowed = "the name or IPv4 address of the server before it"},
	{"RefreshInterval", set_u16, FIELD(refresh_s),
	 .min = CLIENT_MIN_REFRESH, .max = CLIENT_MAX_REFRESH,
	 .allowed = "5 to 300 (seconds)"},
	{"LearnRefresh", set_bool, FIELD(learn_refresh), YES_NO},
	{"LocalDiscovery", set_discovery,
	 .allowed = "enabled, disabled or forced"},
	{"DiscoveryInterfaces", set_regex, FIELD(discovery_ifaces),
	 .max = CONF_REGEX, .allowed = "a regular expression, regex(7)"},
	{"ClientID", set_text, FIELD(client_id), .max = CONF_ID,
	 .allowed = "an identifier of 1 to 255 bytes"},
	{"DefaultRoute", set_default_route, .allowed = "auto, yes or no"},
	{"RouteMetric", set_u32, FIELD(route_metric), .min = 1,
	 .max = UINT32_MAX, .allowed = "1 to 4294967295"},
	{"RouteTable", set_u32, FIELD(route_table), .max = UINT32_MAX,
	 .allowed = "the number of a table, 0 to 4294967295 (0 = main)"},
	{"HookScript", set_path, FIELD(hook_script), .max = CONF_PATH,
	 .allowed = "the name of a file, with its whole path"},
	{"StateDirectory", set_path, FIELD(state_dir), .max = CONF_PATH,
	 .allowed = "the name of a directory, with its whole path"},
	{"ProbeHost", set_probe,
	 .allowed = "the IPv6 address of a host with native IPv6"},
	{"Symmetric", set_bool, FIELD(symmetric), YES_NO},
	{"ConePhase", set_bool, FIELD(cone_phase), YES_NO},
	{"NonceRequired", set_bool, FIELD(nonce_required), YES_NO},
	{"BindInterface", set_iface, FIELD(bind_iface), .max = IFNAMSIZ,
	 .allowed = "the name of an interface"},
	{"Threads", set_threads, .min = 1, .max = LANES_MAX,
	 .allowed = "auto, or 1 to 4"},
	{"Offload", set_offload,
	 .allowed = "yes, no, or some of tso uso gso gro"},
	{"DSCP", set_dscp, .allowed = "0 to 63, or copy"},
	{"Mark", set_mark, .allowed = "0 to 4294967295, or 0x0 to 0xffffffff"},

	{"DiscoveryNetmask", LATER,
	 .allowed = "the subnets of the interfaces count"},
	{"Qualify", LATER, .usual = "always"},
	{"PortMapping", LATER, .usual = "off"},
	{"Extensions", LATER, .usual = "none"},
	{"IgnoreConeBit", GONE},
};

enum {
	N_DIRECTIVES = sizeof(directives) / sizeof(directives[0])
};

void conf_defaults(struct conf *c)
{
	*c = (struct conf){
		.iface = "teredo",
		.mtu = TEREDO_MTU,
		.prefix = TEREDO_PREFIX,
		.facility = LOG_DAEMON,
		.log_level = LOG_INFO,
		.user = "miredo",
		.group = "nogroup",
		.reply_rate = 50,
		.network_reply_rate = 1000,
		.relay_nonces = true,
		.symmetric_clients = true,
		.public_only = true,
		.refresh_s = 30,
		.symmetric = true,
		.nonce_required = true,
		.route_metric = 1029,
		.state_dir = "/var/lib/miredo",
		.offloads = OFFLOAD_ALL,
	};
}

static const struct directive *find(const char *name)
{
	for (unsigned i = 0; i < N_DIRECTIVES; i++) {
		if (strcasecmp(directives[i].name, name) == 0)
			return &directives[i];
	}
	return NULL;
}

static void report_unknown(struct report *r, const char *where,
			   const char *name)
{
	unsigned best = 3; /* two slips of the finger */
	const char *near = NULL;

	/* When there is no room to say it, it is not worth the search. */
	for (unsigned i = 0; i < N_DIRECTIVES && r->n < REPORT_MAX; i++) {
		unsigned d = value_distance(name, directives[i].name);

		if (d < best) {
			best = d;
			near = directives[i].name;
		}
	}
	if (near)
		report_add(r, SEVERITY_ERROR,
			   "%s: %.64s: unknown directive, did you mean %s?",
			   where, name, near);
	else
		report_add(r, SEVERITY_ERROR,
			   "%s: %.64s: unknown directive, see miredo.conf(5)",
			   where, name);
}

static void note(const char *where, const struct directive *d,
		 const char *value, struct report *r)
{
	switch (d->kind) {
	case KIND_OURS:
		return;
	case KIND_LATER:
		if (d->usual && strcasecmp(value, d->usual) == 0)
			return;
		report_add(r, SEVERITY_NOTE,
			   "%s: %s: not in this version, ignored%s%s", where,
			   d->name, d->allowed ? ": " : "",
			   d->allowed ? d->allowed : "");
		return;
	case KIND_GONE:
		report_add(r, SEVERITY_NOTE, "%s: %s: has no effect any more",
			   where, d->name);
		return;
	}
}

static void apply(struct conf *c, const char *where, const struct directive *d,
		  const char *value, struct report *r)
{
	note(where, d, value, r);
	if (!d->set || d->set(c, d, value))
		return;
	if (!*value)
		report_add(r, SEVERITY_ERROR, "%s: %s: a value is missing: %s",
			   where, d->name, d->allowed);
	else
		report_add(r, SEVERITY_ERROR,
			   "%s: %s: \"%.64s\" is not allowed: %s", where,
			   d->name, value, d->allowed);
}

void conf_set(struct conf *c, const char *where, const char *directive,
	      const char *value, struct report *r)
{
	const struct directive *d = find(directive);

	assert(d); /* options.c names only what is in the table */
	apply(c, where, d, value, r);
}

/*
 * Cut the value out of what follows the name: without blanks around it, a
 * comment behind it, or quotes.
 */
static char *cut_value(char *s)
{
	char *end;

	s += strspn(s, " \t");
	if (*s == '"') {
		end = strchr(s + 1, '"');
		if (end) {
			*end = '\0';
			return s + 1;
		}
	}
	for (end = s; *end; end++) {
		if (*end == '#' &&
		    (end == s || isblank((unsigned char)end[-1])))
			break;
	}
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static void read_line(struct conf *c, char *line, const char *where,
		      bool seen[static N_DIRECTIVES], struct report *r)
{
	char *name = line + strspn(line, " \t\r\n");
	size_t n = strcspn(name, " \t\r\n");
	const struct directive *d;
	char *value;

	if (!*name || *name == '#')
		return;
	value = name[n] ? cut_value(name + n + 1) : name + n;
	name[n] = '\0';
	d = find(name);
	if (!d) {
		report_unknown(r, where, name);
		return;
	}
	if (seen[d - directives] && !d->is_list) {
		report_add(r, SEVERITY_WARNING,
			   "%s: %s: repeated, the first one counts", where,
			   d->name);
		return;
	}
	seen[d - directives] = true;
	if (d->is_list && d + 1 < directives + N_DIRECTIVES && d[1].follows)
		seen[d + 1 - directives] = false;
	apply(c, where, d, value, r);
}

void conf_read(struct conf *c, FILE *f, const char *name, struct report *r)
{
	bool seen[N_DIRECTIVES] = {false};
	char *line = NULL;
	size_t space = 0;
	ssize_t n;

	for (unsigned number = 1; (n = getline(&line, &space, f)) >= 0;
	     number++) {
		char where[160];

		snprintf(where, sizeof(where), "%.140s:%u", name, number);
		if (memchr(line, '\0', (size_t)n))
			report_add(r, SEVERITY_ERROR,
				   "%s: not a text file: a zero byte", where);
		else
			read_line(c, line, where, seen, r);
	}
	if (ferror(f))
		report_add(r, SEVERITY_ERROR, "%.140s: cannot be read", name);
	free(line);
}
