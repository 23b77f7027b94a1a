/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directives, and their values when nobody says anything. */
#include <stddef.h>
#include <string.h>
#include <syslog.h>

#include "conf_table.h"
#include "lane.h"

static const struct conf_word types[] = {
	{"client", TYPE_CLIENT},
	{"auto", TYPE_AUTO},
	{"autoclient", TYPE_AUTO},
	{"relay", TYPE_RELAY},
	{"cone", TYPE_RELAY},
	{"restricted", TYPE_RESTRICTED},
	{"host", TYPE_HOST},
	{"server", TYPE_SERVER},
	{0},
};

static const struct conf_word facilities[] = {
	{"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV},
	{"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
	{"ftp", LOG_FTP},       {"kern", LOG_KERN},
	{"lpr", LOG_LPR},       {"mail", LOG_MAIL},
	{"news", LOG_NEWS},     {"security", LOG_AUTH},
	{"syslog", LOG_SYSLOG}, {"user", LOG_USER},
	{"uucp", LOG_UUCP},     {"local0", LOG_LOCAL0},
	{"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
	{"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
	{"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
	{"local7", LOG_LOCAL7}, {0},
};

static const struct conf_word levels[] = {
	{"error", LOG_ERR},
	{"warning", LOG_WARNING},
	{"info", LOG_INFO},
	{"debug", LOG_DEBUG},
	{0},
};

static const struct conf_word targets[] = {
	{"auto", LOG_TARGET_AUTO},
	{"syslog", LOG_TARGET_SYSLOG},
	{"journal", LOG_TARGET_JOURNAL},
	{"stderr", LOG_TARGET_STDERR},
	{0},
};

static const struct conf_word choices[] = {
	{"yes", CHOICE_YES},
	{"no", CHOICE_NO},
	{0},
};

static const struct conf_word default_routes[] = {
	{"auto", DEFAULT_ROUTE_AUTO},
	{"yes", DEFAULT_ROUTE_YES},
	{"no", DEFAULT_ROUTE_NO},
	{0},
};

static const struct conf_word demands[] = {
	{"always", DEMAND_ALWAYS},
	{"on-demand", DEMAND_ON},
	{0},
};

static const struct conf_word discoveries[] = {
	{"enabled", DISCOVERY_ENABLED}, {"disabled", DISCOVERY_DISABLED},
	{"forced", DISCOVERY_FORCED},   {"yes", DISCOVERY_ENABLED},
	{"no", DISCOVERY_DISABLED},     {0},
};

static const struct conf_word mappings[] = {
	{"auto", PORTMAP_BY_ANY},      {"pcp", PORTMAP_BY_PCP},
	{"natpmp", PORTMAP_BY_NATPMP}, {"upnp", PORTMAP_BY_UPNP},
	{"off", PORTMAP_BY_NONE},      {"yes", PORTMAP_BY_ANY},
	{"no", PORTMAP_BY_NONE},       {0},
};

#define SIZE(name)  sizeof(((struct conf *)NULL)->name)
#define FIELD(name) .field = offsetof(struct conf, name), .size = SIZE(name)
#define AND(name)   .count = offsetof(struct conf, name), .count_size = SIZE(name)
#define LIST(name, n, capacity)                                                \
	FIELD(name), AND(n), .is_list = true, .slots = (capacity)
#define YES_NO     .allowed = "yes or no"
#define START(of)  &kind_##of, WHEN_START
#define LIVE(of)   &kind_##of, WHEN_LIVE
#define RATE(name) FIELD(name), .max = 10000000

const struct directive conf_table[] = {
	{"RelayType", START(word), FIELD(type), .words = types,
	 .allowed = "relay (or cone), restricted, host, server, client, "
		    "autoclient, auto"},
	{"Relay", START(bool), FIELD(relay_too), YES_NO},
	{"ServerBindAddress", START(ip4), FIELD(server),
	 .allowed = "an IPv4 address such as 9.0.0.2"},
	{"ServerBindAddress2", START(ip4), FIELD(server2),
	 .allowed = "an IPv4 address such as 9.0.0.3"},
	{"BindAddress", START(ip4), FIELD(bind_ip),
	 .allowed = "an IPv4 address of this host"},
	{"BindPort", START(u16), FIELD(bind_port), .max = 65535,
	 .allowed = "a UDP port, 0 to 65535 (0 = any)"},
	{"InterfaceName", START(iface), FIELD(iface), .max = IFNAMSIZ,
	 .allowed = "1 to 15 characters without / : % and blanks"},
	/* 1.2.6 took any; plan_check() brings it within bounds. */
	{"InterfaceMTU", LIVE(u16), FIELD(mtu), .max = 65535,
	 .allowed = "1280 to 1472"},
	{"Prefix", START(prefix), FIELD(prefix),
	 .allowed = "a global IPv6 prefix of 32 bits such as 2001::/32"},
	{"SyslogFacility", LIVE(word), FIELD(facility), .words = facilities,
	 .allowed = "a facility of syslog(3) such as daemon or local0"},
	{"LogLevel", LIVE(word), FIELD(log_level), .words = levels,
	 .allowed = "error, warning, info or debug"},
	{"LogTarget", LIVE(word), FIELD(log_target), .words = targets,
	 .allowed = "auto, syslog, journal or stderr"},
	{"ControlSocket", START(socket), FIELD(control_socket),
	 .max = CONF_PATH,
	 .allowed = "the name of a file, with its whole path, or none"},
	{"ControlGroup", LIVE(text), FIELD(control_group), .max = CONF_NAME,
	 .allowed = "a group name of 1 to 32 characters"},
	{"User", START(text), FIELD(user), .max = CONF_NAME,
	 .allowed = "a user name of 1 to 32 characters"},
	{"Group", START(text), FIELD(group), .max = CONF_NAME,
	 .allowed = "a group name of 1 to 32 characters"},
	{"Secret", LIVE(text), FIELD(secret_file), .max = CONF_PATH,
	 .allowed = "the name of a file"},
	{"RequireSecret", LIVE(word), FIELD(require_secret), .words = choices,
	 YES_NO},
	{"Sunset", LIVE(date), FIELD(sunset),
	 .allowed = "a date YYYY-MM-DD (UTC), 2004 or later"},
	{"MaxPeers", START(u32), FIELD(max_peers), .min = PEERS_MIN,
	 .max = PEERS_MAX, .allowed = "64 to 16777216"},
	{"NewPeersPerSecond", LIVE(new_peers), RATE(new_peers),
	 AND(has_new_peers), .allowed = "0 to 10000000 (0 = no limit)"},
	{"ReplyRate", LIVE(u32), RATE(reply_rate),
	 .allowed = "0 to 10000000 a second (0 = no limit)"},
	{"NetworkReplyRate", LIVE(u32), RATE(network_reply_rate),
	 .allowed = "0 to 10000000 a second (0 = no limit)"},
	{"AllowIPv4", LIVE(ip4_list), LIST(allow, n_allow, GATE_MAX_RULES),
	 .allowed = "up to 64 IPv4 prefixes such as 10.0.0.0/8"},
	{"DenyIPv4", LIVE(ip4_list), LIST(deny, n_deny, GATE_MAX_RULES),
	 .allowed = "up to 64 IPv4 prefixes such as 10.0.0.0/8"},
	{"ServePrefix", LIVE(ip6_list), LIST(serve, n_serve, RELAY_MAX_SERVED),
	 .allowed = "up to 64 IPv6 prefixes such as 2a00:1::/32"},
	{"AcceptStrangers", LIVE(bool), FIELD(accept_strangers), YES_NO},
	{"RelayNonces", LIVE(bool), FIELD(relay_nonces), YES_NO},
	{"SymmetricClients", LIVE(bool), FIELD(symmetric_clients), YES_NO},
	{"OwnClientsOnly", LIVE(bool), FIELD(own_clients_only), YES_NO},
	{"PublicOnly", LIVE(bool), FIELD(public_only), YES_NO},

	{"ServerAddress", LIVE(server),
	 LIST(servers, n_servers, CLIENT_SERVERS),
	 .allowed = "the name or IPv4 address of a server, up to 8 of them"},
	{"ServerAddress2", LIVE(second), FIELD(second), .follows = true,
	 .slots = CLIENT_SERVERS,
	 .allowed = "the name or IPv4 address of the server before it"},
	{"RefreshInterval", LIVE(u16), FIELD(refresh_s),
	 .min = CLIENT_MIN_REFRESH, .max = CLIENT_MAX_REFRESH,
	 .allowed = "5 to 300 (seconds)"},
	{"Qualify", LIVE(word), FIELD(qualify), .words = demands,
	 .allowed = "always or on-demand"},
	{"QualifyIdle", LIVE(u32), FIELD(qualify_idle), .min = CLIENT_MIN_IDLE,
	 .max = CLIENT_MAX_IDLE, .allowed = "5 to 86400 (seconds)"},
	{"LearnRefresh", LIVE(bool), FIELD(learn_refresh), YES_NO},
	{"LocalDiscovery", LIVE(word), FIELD(discovery), .words = discoveries,
	 .allowed = "enabled, disabled or forced"},
	{"DiscoveryInterfaces", START(regex), FIELD(discovery_ifaces),
	 .max = CONF_REGEX, .allowed = "a regular expression, regex(7)"},
	{"DiscoveryNetmask", LIVE(netmask), FIELD(discovery_len), .min = 8,
	 .max = 31,
	 .allowed = "a netmask such as 255.255.0.0, or its length, 8 to 31"},
	{"PortMapping", LIVE(word), FIELD(port_mapping), .words = mappings,
	 .allowed = "auto, pcp, natpmp, upnp or off"},
	{"ClientID", LIVE(text), FIELD(client_id), .max = CONF_ID,
	 .allowed = "an identifier of 1 to 255 bytes"},
	{"DefaultRoute", LIVE(word), FIELD(default_route),
	 .words = default_routes, .allowed = "auto, yes or no"},
	{"RouteMetric", LIVE(u32), FIELD(route_metric), .min = 1,
	 .max = UINT32_MAX, .allowed = "1 to 4294967295"},
	{"RouteTable", LIVE(u32), FIELD(route_table), .max = UINT32_MAX,
	 .allowed = "the number of a table, 0 to 4294967295 (0 = main)"},
	{"HookScript", START(path), FIELD(hook_script), .max = CONF_PATH,
	 .allowed = "the name of a file, with its whole path"},
	{"StateDirectory", START(path), FIELD(state_dir), .max = CONF_PATH,
	 .allowed = "the name of a directory, with its whole path"},
	{"ProbeHost", LIVE(probe), FIELD(probe),
	 .allowed = "the IPv6 address of a host with native IPv6"},
	{"Symmetric", LIVE(bool), FIELD(symmetric), YES_NO},
	{"Extensions", LIVE(extensions), FIELD(extensions),
	 .allowed = "all, none, or some of sns pp sp slr, where pp needs "
		    "sns, and sp needs sns and pp"},
	{"ConePhase", LIVE(bool), FIELD(cone_phase), YES_NO},
	{"NonceRequired", LIVE(bool), FIELD(nonce_required), YES_NO},
	{"BindInterface", START(iface), FIELD(bind_iface), .max = IFNAMSIZ,
	 .allowed = "the name of an interface"},
	{"Threads", START(threads), FIELD(threads), .min = 1, .max = LANES_MAX,
	 .allowed = "auto, or 1 to 4"},
	{"Offload", START(offload), FIELD(offloads),
	 .allowed = "yes, no, or some of tso uso gso gro"},
	{"DSCP", LIVE(dscp), FIELD(dscp), AND(copy_dscp),
	 .allowed = "0 to 63, or copy"},
	{"Mark", START(mark), FIELD(mark),
	 .allowed = "0 to 4294967295, or 0x0 to 0xffffffff"},

	{"IgnoreConeBit", .is_gone = true},
};

const unsigned conf_table_rows = sizeof(conf_table) / sizeof(conf_table[0]);

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
		.qualify_idle = CLIENT_IDLE_S,
		.port_mapping = PORTMAP_BY_ANY,
		.symmetric = true,
		.extensions = EXT_ALL,
		.nonce_required = true,
		.route_metric = 1029,
		.state_dir = "/var/lib/miredo",
		.offloads = OFFLOAD_ALL,
		.origins = {.n = 1, .source = {"default"}},
	};
}
