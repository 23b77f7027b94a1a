/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: files of 1.2.6, what is new, and what is wrong. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "../../src/sys/conf_table.h"
#include "../../src/sys/plan.h"
#include "../../src/sys/value.h"

#define OFFLOADS "yes, no, or some of tso uso gso gro"

static struct conf c;
static struct report r;
static struct options o;

/* Read a file of these lines, as miredo. */
static void read_text(const char *text)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fputs(text, f);
	rewind(f);
	r = (struct report){0};
	o = (struct options){.program = "miredo", .tun_fd = -1};
	conf_defaults(&c);
	conf_read(&c, f, "m.conf", &r);
	fclose(f);
}

static void assert_error(const char *text, const char *message)
{
	read_text(text);
	assert_int_equal(r.errors, 1);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.v[0].text, message);
}

static void assert_clean(void)
{
	assert_int_equal(r.errors, 0);
	assert_int_equal(r.warnings, 0);
}

static void defaults_are_those_of_2004(void **state)
{
	(void)state;
	read_text("");
	assert_clean();
	assert_string_equal(c.iface, "teredo");
	assert_string_equal(c.user, "miredo");
	assert_string_equal(c.group, "nogroup");
	assert_int_equal(c.prefix, TEREDO_PREFIX);
	assert_int_equal(c.mtu, 1280);
	assert_int_equal(c.facility, LOG_DAEMON);
	assert_true(c.public_only && c.relay_nonces && c.symmetric_clients);
	assert_false(c.accept_strangers || c.own_clients_only || c.relay_too);
	assert_int_equal(plan_role(&c, &o), ROLE_RELAY);
}

static void packaged_client_file_is_a_client(void **state)
{
	(void)state;
	read_text("# Please refer to the manual for details.\n"
		  "InterfaceName\tteredo\n"
		  "\n"
		  "# Pick a Teredo server:\n"
		  "#ServerAddress\tteredo.example.net\n"
		  "ServerAddress\tteredo2.example.net\n"
		  "\n"
		  "#BindPort\t3545\n");
	assert_clean();
	assert_int_equal(c.n_servers, 1);
	assert_string_equal(c.servers[0].host, "teredo2.example.net");
	assert_int_equal(c.bind_port, 0);
	assert_int_equal(plan_role(&c, &o), ROLE_CLIENT);
	o.names_server_addr = true; /* -s decides */
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);
}

static void packaged_server_file_is_a_server_by_name(void **state)
{
	(void)state;
	read_text("# Server primary IPv4 address.\n"
		  "ServerBindAddress 192.0.2.221\n");
	assert_clean();
	assert_int_equal(c.server, 0xc00002dd);
	o.as_server = true;
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);
}

static void everything_of_a_1_2_6_relay(void **state)
{
	(void)state;
	read_text("RelayType restricted\nPrefix 2001:0::\n"
		  "InterfaceMTU 1400\nInterfaceName mire0\n"
		  "BindAddress 9.0.1.2\nBindPort 3545\n"
		  "SyslogFacility local7\n");
	assert_clean();
	assert_int_equal(c.type, TYPE_RESTRICTED);
	assert_int_equal(plan_role(&c, &o), ROLE_RELAY);
	assert_int_equal(c.mtu, 1400);
	assert_string_equal(c.iface, "mire0");
	assert_int_equal(c.bind_ip, 0x09000102);
	assert_int_equal(c.bind_port, 3545);
	assert_int_equal(c.facility, LOG_LOCAL7);
}

static void all_facilities_of_syslog(void **state)
{
	(void)state;
	read_text("SyslogFacility auth\n");
	assert_clean();
	assert_int_equal(c.facility, LOG_AUTH);
	read_text("SyslogFacility News\n");
	assert_clean();
	assert_int_equal(c.facility, LOG_NEWS);
	read_text("SyslogFacility kern\n");
	assert_int_equal(c.facility, LOG_KERN);
}

static void layout_does_not_matter(void **state)
{
	(void)state;
	read_text("  bindport   3545   # why\r\n"
		  "\tINTERFACENAME \"a#b\" # quoted\n"
		  "user x");
	assert_clean();
	assert_int_equal(c.bind_port, 3545);
	assert_string_equal(c.iface, "a#b");
	assert_string_equal(c.user, "x");
}

static void role_follows_the_rules_in_order(void **state)
{
	(void)state;
	read_text("RelayType cone\nServerAddress x\n");
	assert_int_equal(plan_role(&c, &o), ROLE_RELAY);
	o.role = "client";
	assert_int_equal(plan_role(&c, &o), ROLE_CLIENT);
	o.role = "server";
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);
	o.role = "auto";
	assert_int_equal(plan_role(&c, &o), ROLE_AUTO);
	o.as_server = true;
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);

	read_text("");
	o.servers[0] = "teredo.example.net";
	o.n_servers = 1;
	assert_int_equal(plan_role(&c, &o), ROLE_CLIENT);
	read_text("RelayType autoclient\n");
	assert_int_equal(plan_role(&c, &o), ROLE_AUTO);
	read_text("RelayType auto\n");
	assert_int_equal(plan_role(&c, &o), ROLE_AUTO);
	read_text("RelayType Client\n");
	assert_int_equal(plan_role(&c, &o), ROLE_CLIENT);
	read_text("RelayType server\n");
	assert_int_equal(plan_role(&c, &o), ROLE_SERVER);
	read_text("RelayType host\n");
	assert_int_equal(plan_role(&c, &o), ROLE_RELAY);
}

static unsigned offloads_of(const char *line)
{
	read_text(line);
	assert_clean();
	return c.offloads;
}

/* How packets are carried. */
static void offloads_are_named(void **state)
{
	(void)state;
	assert_int_equal(offloads_of(""), OFFLOAD_ALL);
	assert_int_equal(offloads_of("Offload yes\n"), OFFLOAD_ALL);
	assert_int_equal(offloads_of("Offload no\n"), 0);
	assert_int_equal(offloads_of("Offload tso\n"), OFFLOAD_TSO);
	assert_int_equal(offloads_of("Offload uso\n"), OFFLOAD_USO);
	assert_int_equal(offloads_of("offload GSO\n"), OFFLOAD_GSO);
	assert_int_equal(offloads_of("Offload gro\n"), OFFLOAD_GRO);
	assert_int_equal(offloads_of("Offload gro \t tso gro\n"),
			 OFFLOAD_GRO | OFFLOAD_TSO);
	assert_error("Offload lro\n",
		     "m.conf:1: Offload: \"lro\" is not allowed: " OFFLOADS);
	assert_int_equal(c.offloads, OFFLOAD_ALL);
}

static void offload_words(void **state)
{
	static const char *const bad[] = {"",        " ",       "ts",
					  "tsoo",    "t",       "tso,uso",
					  "tso lro", "tso yes", "all",
					  "none"};
	char names[OFFLOAD_NAMES];
	unsigned n = 77;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(offload_parse(&n, bad[i]));
		assert_int_equal(n, 77);
	}
	assert_true(offload_parse(&n, "uso \t"));
	assert_int_equal(n, OFFLOAD_USO);
	offload_names(names, 0);
	assert_string_equal(names, "none");
	offload_names(names, OFFLOAD_USO);
	assert_string_equal(names, "uso");
	offload_names(names, OFFLOAD_TSO | OFFLOAD_GRO);
	assert_string_equal(names, "tso gro");
	offload_names(names, OFFLOAD_ALL);
	assert_string_equal(names, "tso uso gso gro");
	for (unsigned all = 1; all <= OFFLOAD_ALL; all++) {
		offload_names(names, all);
		assert_true(offload_parse(&n, names));
		assert_int_equal(n, all);
	}
}

static uint32_t threads_of(const char *line)
{
	read_text(line);
	assert_clean();
	return c.threads;
}

static void threads_are_few(void **state)
{
	(void)state;
	assert_int_equal(threads_of(""), 0);
	assert_int_equal(threads_of("Threads 1\n"), 1);
	assert_int_equal(threads_of("threads 4\n"), 4);
	assert_int_equal(threads_of("Threads Auto\n"), 0);
}

static void dscp_of(const char *line, uint8_t dscp, bool copy)
{
	read_text(line);
	assert_clean();
	assert_int_equal(c.dscp, dscp);
	assert_int_equal(c.copy_dscp, copy);
}

static void dscp_is_a_number_or_copied(void **state)
{
	(void)state;
	dscp_of("", 0, false);
	dscp_of("DSCP 0\n", 0, false);
	dscp_of("dscp 63\n", 63, false);
	dscp_of("DSCP Copy\n", 0, true);
}

static void bad_values_say_what_is_allowed(void **state)
{
	(void)state;
	assert_error("\nBindPort 65536\n",
		     "m.conf:2: BindPort: \"65536\" is not allowed: a UDP "
		     "port, 0 to 65535 (0 = any)");
	assert_error("bindaddress\n",
		     "m.conf:1: BindAddress: a value is missing: an IPv4 "
		     "address of this host");
	assert_error("Relay perhaps\n",
		     "m.conf:1: Relay: \"perhaps\" is not allowed: yes or no");
	assert_error("InterfaceMTU 65536\n",
		     "m.conf:1: InterfaceMTU: \"65536\" is not allowed: 1280 "
		     "to 1472");
	assert_error("Threads 0\n", "m.conf:1: Threads: \"0\" is not allowed: "
				    "auto, or 1 to 4");
	assert_error("Offload tsoo\n",
		     "m.conf:1: Offload: \"tsoo\" is not allowed: yes, no, or "
		     "some of tso uso gso gro");
	assert_error("DSCP 64\n", "m.conf:1: DSCP: \"64\" is not allowed: 0 to "
				  "63, or copy");
}

static void bad_values_of_each_kind(void **state)
{
	static const char *const lines[] = {
		"RelayType teredo",
		"Threads 0",
		"Threads 5",
		"Threads -1",
		"Threads many",
		"Offload lro",
		"Offload yes tso",
		"Offload tso,uso",
		"DSCP 64",
		"DSCP -1",
		"DSCP 0x",
		"DSCP ef",
		"DSCP copy 1",
		"ServerBindAddress 9.0.0",
		"ServerBindAddress2 x",
		"InterfaceName sixteen-letters!",
		"InterfaceName a/b",
		"InterfaceMTU 70000",
		"Prefix 2001:0:1::",
		"Prefix 2001::/16",
		"Prefix fe80::",
		"SyslogFacility local8",
		"SyslogFacility post",
		"Sunset 2030-02-30",
		"Sunset tomorrow",
		"MaxPeers 63",
		"MaxPeers 16777217",
		"MaxPeers 1e6",
		"NewPeersPerSecond -1",
		"ReplyRate 4294967296",
		"NetworkReplyRate -1",
		"AllowIPv4 10.0.0.1/8",
		"AllowIPv4 10.0.0.0/33",
		"DenyIPv4 ::/0",
		"ServePrefix 2a00::1/32",
		"ServePrefix 10.0.0.0/8",
		"Secret \"\"",
		"BindPort 3 4",
		"ServerAddress",
		"ServerAddress 9.0.2",
		"ServerAddress a b",
		"ServerAddress 9.0.0.2:3544",
		"ServerAddress2 2001:db8::1",
		"RefreshInterval 4",
		"RefreshInterval 301",
		"Qualify",
		"Qualify yes",
		"Qualify on demand",
		"QualifyIdle 4",
		"QualifyIdle 86401",
		"LearnRefresh sometimes",
		"LocalDiscovery auto",
		"DiscoveryInterfaces [",
		"DiscoveryNetmask",
		"DiscoveryNetmask x",
		"DiscoveryNetmask 255.0.255.0",
		"DiscoveryNetmask 0.0.0.255",
		"DiscoveryNetmask 255.255.255.254.0",
		"DiscoveryNetmask 0.0.0.0",
		"DiscoveryNetmask 254.0.0.0",
		"DiscoveryNetmask 255.255.255.255",
		"DiscoveryNetmask 7",
		"DiscoveryNetmask /32",
		"DiscoveryNetmask //24",
		"DefaultRoute maybe",
		"RouteMetric 0",
		"RouteTable main",
		"HookScript hook",
		"StateDirectory lib",
		"Symmetric 2",
		"ConePhase cone",
		"NonceRequired never",
		"BindInterface a/b",
		"Mark 0x",
		"Mark 0x1ffffffff",
		"Mark -1",
		"Mark 0xfg",
		"Threads 0",
		"Threads 5",
		"Threads 9",
		"Threads -1",
		"Threads yes",
		"Threads",
		"Offload",
		"Offload tsoo",
		"Offload \"\"",
		"Offload \"tso nix\"",
		"Offload yes no",
		"Offload \"yes tso\"",
		"DSCP 64",
		"DSCP -1",
		"DSCP EF",
		"DSCP 0x2e",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		read_text(lines[i]);
		if (r.errors != 1)
			fail_msg("accepted: %s", lines[i]);
	}
}

static void all_errors_are_reported(void **state)
{
	(void)state;
	read_text("BindPort x\nUser a\nMaxPeers 1\nMarx 1\nBindPort 1\n");
	assert_int_equal(r.errors, 3);
	assert_int_equal(r.warnings, 1);
	assert_string_equal(r.v[2].text,
			    "m.conf:4: Marx: unknown directive, did you mean "
			    "Mark?");
	assert_string_equal(r.v[3].text, "m.conf:5: BindPort: repeated, the "
					 "first one counts");
}

static void more_errors_than_fit_are_counted(void **state)
{
	char text[REPORT_MAX * 12] = "";

	(void)state;
	for (unsigned i = 0; i < REPORT_MAX + 3; i++)
		strcat(text, "BindX y\n");
	read_text(text);
	assert_int_equal(r.errors, REPORT_MAX + 3);
	assert_int_equal(r.n, REPORT_MAX);
	assert_int_equal(r.left_out, 3);
}

static void zero_byte_is_an_error(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	fwrite("User a\0b\nGroup x\n", 1, 17, f);
	rewind(f);
	r = (struct report){0};
	conf_read(&c, f, "m.conf", &r);
	fclose(f);
	assert_int_equal(r.errors, 1);
	assert_string_equal(c.group, "x");
}

static void far_misses_are_not_guessed(void **state)
{
	(void)state;
	read_text("Nonsense 1\n");
	assert_string_equal(r.v[0].text, "m.conf:1: Nonsense: unknown "
					 "directive, see miredo.conf(5)");
	read_text("ServerBindAdress 9.0.0.2\n");
	assert_string_equal(r.v[0].text,
			    "m.conf:1: ServerBindAdress: unknown directive, "
			    "did you mean ServerBindAddress?");
}

static void lists_add_up(void **state)
{
	(void)state;
	read_text("AllowIPv4 10.0.0.0/8\nAllowIPv4 192.0.2.1\n"
		  "DenyIPv4 11.0.0.0/8\nServePrefix 2a00::/16\n");
	assert_clean();
	assert_int_equal(c.n_allow, 2);
	assert_int_equal(c.allow[0].len, 8);
	assert_int_equal(c.allow[1].len, 32);
	assert_int_equal(c.n_deny, 1);
	assert_int_equal(c.n_serve, 1);
	assert_int_equal(c.serve[0].len, 16);
}

static void list_that_is_too_long_is_an_error(void **state)
{
	char text[(GATE_MAX_RULES + 1) * 24] = "";

	(void)state;
	for (unsigned i = 0; i <= GATE_MAX_RULES; i++)
		strcat(text, "DenyIPv4 11.0.0.0/8\n");
	read_text(text);
	assert_int_equal(r.errors, 1);
	assert_int_equal(c.n_deny, GATE_MAX_RULES);
}

static void everything_of_a_client(void **state)
{
	static struct plan p;

	(void)state;
	read_text("ServerAddress a.example.net\n"
		  "ServerAddress2 9.0.0.9\n"
		  "ServerAddress 9.0.0.4\n"
		  "ServerAddress b.example.net\n"
		  "ServerAddress2 b2.example.net\n"
		  "RefreshInterval 25\nLearnRefresh yes\n"
		  "Qualify on-demand\nQualifyIdle 60\n"
		  "LocalDiscovery forced\nDiscoveryInterfaces ^(eth|wlan)\n"
		  "DiscoveryNetmask 255.255.128.0\n"
		  "DefaultRoute no\nRouteMetric 7\nRouteTable 100\n"
		  "Symmetric no\nConePhase yes\nNonceRequired no\n"
		  "HookScript /a/hook\nStateDirectory /b\n"
		  "BindInterface eth0\nMark 0xff\nMaxPeers 100000\n"
		  "ClientID me\nSecret /c\n");
	assert_clean();
	assert_int_equal(r.n, 0);
	assert_int_equal(c.n_servers, 3);
	assert_string_equal(c.servers[0].host, "a.example.net");
	assert_string_equal(c.servers[0].second, "9.0.0.9");
	assert_string_equal(c.servers[1].host, "9.0.0.4");
	assert_string_equal(c.servers[1].second, "");
	assert_string_equal(c.servers[2].second, "b2.example.net");
	assert_string_equal(c.discovery_ifaces, "^(eth|wlan)");
	assert_int_equal(c.default_route, DEFAULT_ROUTE_NO);
	assert_int_equal(c.route_metric, 7);
	assert_int_equal(c.route_table, 100);
	assert_string_equal(c.hook_script, "/a/hook");
	assert_string_equal(c.state_dir, "/b");
	assert_string_equal(c.bind_iface, "eth0");
	assert_int_equal(c.mark, 255);
	assert_string_equal(c.client_id, "me");
	plan_make(&p, &c, &o, 1 << 30, 2);
	assert_true(p.node.is_client && !p.node.is_relay);
	assert_int_equal(p.node.client.n_servers, 3);
	assert_int_equal(p.node.client.refresh_s, 25);
	assert_int_equal(p.node.client.idle_s, 60);
	assert_int_equal(p.gate.neighbour_len, 17);
	assert_true(p.node.client.learn_refresh &&
		    p.node.client.local_discovery &&
		    p.node.client.no_symmetric && p.node.client.cone_first &&
		    p.node.client.no_nonce_ok);
	assert_false(p.node.client.same_mapped_only);
	assert_int_equal(p.node.client.max_peers, RECENT_MAX);
}

/* 1.2.6 looked at neither order nor kind. */
static void second_address_of_1_2_6(void **state)
{
	(void)state;
	read_text("ServerAddress2 two.example.net\n"
		  "ServerAddress one.example.net\n");
	assert_clean();
	assert_string_equal(c.servers[0].second, "two.example.net");
	read_text("ServerAddress a\nServerAddress2 9.0.0.3\n"
		  "ServerAddress2 9.0.0.4\n");
	assert_int_equal(r.warnings, 1);
	assert_string_equal(c.servers[0].second, "9.0.0.3");
}

static void servers_are_at_most_eight(void **state)
{
	char text[9 * 24] = "";

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		strcat(text, "ServerAddress a\n");
	read_text(text);
	assert_int_equal(c.n_servers, 8);
	assert_int_equal(r.errors, 1);
}

/* What is asked for and not there is said; what is done anyway is not. */
/* X7 */
static void x7_extensions(void **state)
{
	static const struct {
		const char *text;
		unsigned set; /* UINT_MAX: refused */
	} cases[] = {
		{"all", EXT_ALL},
		{"None", 0},
		{"sns", EXT_SNS},
		{"SNS slr", EXT_SNS | EXT_SLR},
		{"sns\tpp", EXT_SNS | EXT_PP},
		{"slr sns slr", EXT_SNS | EXT_SLR},
		{"sp pp sns", EXT_SNS | EXT_PP | EXT_SP},
		{"sns pp sp slr", EXT_ALL},
		{"sns up", UINT_MAX},
		{"pp slr", UINT_MAX},
		{"sns sp", UINT_MAX},
		{"pp sp", UINT_MAX},
		{"all sns", UINT_MAX},
		{"sns none", UINT_MAX},
		{"sn", UINT_MAX},
		{"snss", UINT_MAX},
		{"yes", UINT_MAX},
	};
	static struct plan p;
	char text[64];

	(void)state;
	read_text("");
	assert_int_equal(c.extensions, EXT_ALL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "Extensions %s\n", cases[i].text);
		read_text(text);
		if (cases[i].set == UINT_MAX) {
			assert_int_equal(r.errors, 1);
			continue;
		}
		assert_clean();
		assert_int_equal(c.extensions, cases[i].set);
		c.n_servers = 1;
		plan_make(&p, &c, &o, 1 << 30, 2);
		assert_int_equal(p.node.client.extensions, cases[i].set);
	}
	read_text("\nExtensions pp slr\n");
	assert_string_equal(r.v[0].text,
			    "m.conf:2: Extensions: \"pp slr\" is not allowed: "
			    "all, none, or some of sns pp sp slr, where pp "
			    "needs sns, and sp needs sns and pp");
	read_text("Extensions\n");
	assert_int_equal(r.errors, 1);
}

static void port_mapping(void **state)
{
	(void)state;
	read_text("");
	assert_int_equal(c.port_mapping, PORTMAP_BY_ANY);
	read_text("PortMapping off\n");
	assert_int_equal(c.port_mapping, PORTMAP_BY_NONE);
	read_text("PortMapping NATPMP\n");
	assert_int_equal(c.port_mapping, PORTMAP_BY_NATPMP);
	read_text("PortMapping both\n");
	assert_int_equal(r.errors, 1);
}

static void log_and_control(void **state)
{
	(void)state;
	read_text("LogLevel Warning\nLogTarget journal\nControlSocket /run/a\n"
		  "ControlGroup adm\nProbeHost 2001:db8::1\n");
	assert_clean();
	assert_int_equal(r.n, 0);
	assert_int_equal(c.log_level, LOG_WARNING);
	assert_int_equal(c.log_target, LOG_TARGET_JOURNAL);
	assert_string_equal(c.control_socket, "/run/a");
	assert_string_equal(c.control_group, "adm");
	assert_int_equal(c.probe.b[15], 1);
	read_text("LogLevel loud\nLogTarget x\nControlSocket a\n"
		  "ControlGroup\nProbeHost 2001::1\nProbeHost fe80::1\n");
	assert_int_equal(r.errors, 5); /* and one that is repeated */
	read_text("ControlSocket NONE\n");
	assert_string_equal(c.control_socket, "none");
}

static void local_discovery_has_old_words(void **state)
{
	static const struct {
		const char *word;
		enum discovery want;
	} v[] = {
		{"enabled", DISCOVERY_ENABLED},   {"yes", DISCOVERY_ENABLED},
		{"FORCED", DISCOVERY_FORCED},     {"no", DISCOVERY_DISABLED},
		{"disabled", DISCOVERY_DISABLED},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		char line[40];

		snprintf(line, sizeof(line), "LocalDiscovery %s\n", v[i].word);
		read_text(line);
		assert_clean();
		assert_int_equal(c.discovery, v[i].want);
	}
}

static void plan_takes_what_was_configured(void **state)
{
	static struct plan p;

	(void)state;
	read_text("RelayType host\nNewPeersPerSecond 401\nMaxPeers 5000\n"
		  "RelayNonces no\nAcceptStrangers yes\nAllowIPv4 10.0.0.0/8\n"
		  "PublicOnly no\n");
	plan_make(&p, &c, &o, 1 << 30, 2);
	assert_true(p.node.is_relay && !p.node.is_server);
	assert_true(p.node.relay.host_only && p.node.relay.no_nonces &&
		    p.node.relay.accept_strangers);
	assert_int_equal(p.node.relay.strangers.per_second, 401);
	assert_int_equal(p.node.relay.answers.per_second, 401);
	assert_int_equal(p.node.relay.per_source.per_second, 101);
	assert_int_equal(p.node.relay.max_peers, 5000);
	assert_int_equal(p.gate.n_allow, 1);
	assert_false(p.gate.public_only);
}

static void no_limit_stays_no_limit(void **state)
{
	static struct plan p;

	(void)state;
	read_text("NewPeersPerSecond 0\nReplyRate 0\nNetworkReplyRate 0\n"
		  "Relay yes\nServerBindAddress 9.0.0.2\n");
	o.role = "server";
	plan_make(&p, &c, &o, 1 << 30, 2);
	assert_int_equal(p.node.relay.strangers.per_second, 0);
	assert_int_equal(p.node.relay.per_source.per_second, 0);
	assert_int_equal(p.node.server.per_address.per_second, 0);
	assert_true(p.node.server.per_address.burst > 0);
	assert_int_equal(p.node.server.per_network.per_second, 0);
}

static void server_and_relay_share_the_primary_address(void **state)
{
	static struct plan p;

	(void)state;
	read_text("RelayType server\nRelay yes\nServerBindAddress 9.0.0.2\n"
		  "OwnClientsOnly yes\nSymmetricClients no\n");
	plan_make(&p, &c, &o, 1 << 30, 2);
	assert_true(p.node.is_server && p.node.is_relay);
	assert_int_equal(p.node.server.secondary, 0x09000003);
	assert_int_equal(p.node.relay.door, DOOR_PRIMARY);
	assert_int_equal(p.node.relay.server, 0x09000002);
	assert_true(p.node.server.own_clients_only);
	assert_true(p.node.server.strict_ports);
	assert_false(p.node.server.require_secret);
}

static void file_of_secrets_makes_them_required(void **state)
{
	static struct plan p;

	(void)state;
	read_text("RelayType server\nServerBindAddress 9.0.0.2\nSecret f\n");
	plan_make(&p, &c, &o, 1 << 30, 2);
	assert_true(p.node.server.require_secret);
	read_text("RelayType server\nServerBindAddress 9.0.0.2\nSecret f\n"
		  "RequireSecret no\n");
	plan_make(&p, &c, &o, 1 << 30, 2);
	assert_false(p.node.server.require_secret);
}

static void peers_fit_the_memory_of_the_host(void **state)
{
	static struct plan p;
	uint32_t last = 0;

	(void)state;
	read_text("");
	for (unsigned bits = 20; bits < 40; bits++) {
		uint64_t memory = UINT64_C(1) << bits;

		plan_make(&p, &c, &o, memory, 2);
		assert_true(p.node.relay.max_peers >= 4096);
		assert_true(p.node.relay.max_peers >= last);
		if (p.node.relay.max_peers > 4096)
			assert_true(node_memory(&p.node) <= memory / 16);
		last = p.node.relay.max_peers;
	}
	assert_int_equal(last, 1048576);
}

static void dates_are_in_utc(void **state)
{
	time_t t = 0;

	(void)state;
	setenv("TZ", "America/New_York", 1);
	assert_true(value_date(&t, "2026-01-01"));
	assert_int_equal(t, 1767225600);
	assert_true(value_date(&t, "2026-01-01T00:00:10Z"));
	assert_int_equal(t, 1767225610);
	assert_false(value_date(&t, "2026-01-01T00:00:10"));
	assert_false(value_date(&t, "2026-13-01"));
	assert_true(value_date(&t, "2004-01-01"));
	assert_false(value_date(&t, "2003-12-31"));
	assert_false(value_date(&t, "1970-01-01")); /* 0 means never */
}

/* --- several files --- */

static void read_more(const char *text, const char *name)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fputs(text, f);
	rewind(f);
	conf_read(&c, f, name, &r);
	fclose(f);
}

/* The whole list, as a file with the origin of each line behind it. */
static char listing[200000];

static void add_line(void *arg, const struct conf_line *line)
{
	bool origins = *(bool *)arg;
	size_t n = strlen(listing);

	snprintf(listing + n, sizeof(listing) - n, "%s %s%s%s\n",
		 line->directive, line->value, origins ? " # " : "",
		 origins ? line->origin : "");
}

static const char *list(bool origins)
{
	listing[0] = '\0';
	conf_list(&c, add_line, &origins);
	return listing;
}

static void assert_listed(const char *line)
{
	if (!strstr(list(true), line))
		fail_msg("no \"%s\" in:\n%s", line, listing);
}

static void later_files_override(void **state)
{
	(void)state;
	read_text("BindPort 1\nInterfaceName a\nDenyIPv4 9.0.0.1\n"
		  "ServerAddress a.net\n");
	read_more("BindPort 2\nBindPort 3\nDenyIPv4 9.0.0.2\n"
		  "ServerAddress2 9.0.0.9\nServerAddress b.net\n",
		  "m.conf.d/b.conf");
	assert_int_equal(r.errors, 0);
	assert_int_equal(r.warnings, 1); /* within one file */
	assert_string_equal(r.v[0].text, "m.conf.d/b.conf:2: BindPort: "
					 "repeated, the first one counts");
	assert_int_equal(c.bind_port, 2);
	assert_string_equal(c.iface, "a");
	assert_int_equal(c.n_deny, 2);
	assert_int_equal(c.n_servers, 2);
	assert_string_equal(c.servers[0].second, "9.0.0.9");
}

static void origins_are_known(void **state)
{
	(void)state;
	read_text("BindPort 1\nInterfaceName a\nDenyIPv4 9.0.0.1\n"
		  "ServerAddress a.net\n");
	read_more("BindPort 2\n\nDenyIPv4 9.0.0.0/24\n"
		  "ServerAddress2 9.0.0.9\nServerAddress b.net\n",
		  "m.conf.d/b.conf");
	conf_set(&c, "--iface", "InterfaceName", "b", &r);
	assert_clean();
	assert_listed("BindPort 2 # m.conf.d/b.conf:1\n");
	assert_listed("DenyIPv4 9.0.0.1/32 # m.conf:3\n"
		      "DenyIPv4 9.0.0.0/24 # m.conf.d/b.conf:3\n");
	assert_listed("ServerAddress a.net # m.conf:4\n"
		      "ServerAddress2 9.0.0.9 # m.conf.d/b.conf:4\n"
		      "ServerAddress b.net # m.conf.d/b.conf:5\n");
	assert_listed("InterfaceName b # --iface\n");
	assert_listed("User miredo # default\n");
	/* What has no value has no line. */
	assert_null(strstr(listing, "HookScript"));
	assert_null(strstr(listing, "RelayType"));
}

/* What is wrong sets nothing, nor where it was said. */
static void origin_of_what_is_in_force(void **state)
{
	(void)state;
	read_text("BindPort 1\nDenyIPv4 9.0.0.1\n");
	read_more("BindPort x\nDenyIPv4 y\n", "b.conf");
	assert_int_equal(r.errors, 2);
	assert_listed("BindPort 1 # m.conf:1\n");
	assert_listed("DenyIPv4 9.0.0.1/32 # m.conf:2\n");
}

static void more_sources_than_fit(void **state)
{
	(void)state;
	read_text("");
	for (unsigned i = 0; i < 2 * CONF_SOURCES; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%u", i);
		read_more("BindPort 1\n", name);
	}
	assert_clean();
	assert_int_equal(c.origins.n, CONF_SOURCES);
	assert_int_equal(c.bind_port, 1);
}

/* What is listed reads back as the same. */
static void assert_round_trip(const char *text)
{
	static struct conf before;

	read_text(text);
	assert_clean();
	before = c;
	read_text(list(false));
	assert_clean();
	before.origins = c.origins;
	for (unsigned i = 0; i < conf_rows(); i++) {
		if (!conf_is_same(&before, &c, i))
			fail_msg("%s is another, of: %s", conf_name(i), text);
	}
	assert_memory_equal(&before, &c, sizeof(c));
}

static void list_reads_back(void **state)
{
	(void)state;
	assert_round_trip("");
	assert_round_trip(
		"RelayType autoclient\nRelay true\n"
		"ServerBindAddress 9.0.0.2\nServerBindAddress2 9.0.0.9\n"
		"BindAddress 255.255.255.255\nBindPort 65535\n"
		"InterfaceName \"#a\"\nInterfaceMTU 1400\n"
		"Prefix 2001:db8::/32\nSyslogFacility security\n"
		"LogLevel error\nLogTarget stderr\nControlSocket None\n"
		"ControlGroup \" a \"\nUser \"a #b\"\nGroup a\"b\"\n"
		"Secret \"a\n" /* a quote that does not end */
		"RequireSecret off\nSunset 2030-02-28\nMaxPeers 64\n");
	assert_round_trip(
		"NewPeersPerSecond 0\nReplyRate 0\nNetworkReplyRate 10000000\n"
		"AllowIPv4 10.0.0.0/8\nAllowIPv4 0.0.0.0/0\n"
		"DenyIPv4 9.9.9.9\nServePrefix ::/0\nServePrefix 2a00::/16\n"
		"AcceptStrangers yes\nRelayNonces no\nSymmetricClients no\n"
		"OwnClientsOnly yes\nPublicOnly no\n"
		"ServerAddress2 two.net\nServerAddress one.net\n"
		"ServerAddress 9.0.0.4\nServerAddress2 9.0.0.6\n"
		"RefreshInterval 300\nLearnRefresh yes\n"
		"Qualify On-Demand\nQualifyIdle 86400\n"
		"LocalDiscovery forced\nDiscoveryInterfaces ^(a|b)#$\n"
		"DiscoveryNetmask 255.128.0.0\n"
		"ClientID x\"y\nDefaultRoute no\nRouteMetric 4294967295\n"
		"RouteTable 7\nHookScript /a\nStateDirectory /b/c\n"
		"ProbeHost 2001:db8::1\nSymmetric no\nConePhase yes\n"
		"NonceRequired no\nBindInterface e\nThreads 4\n"
		"Offload tso gro\nDSCP copy\nMark 0xffffffff\n");
	assert_round_trip("ServerAddress2 alone.net\nThreads auto\n"
			  "Offload no\nDSCP 46\nMark 0\n"
			  "Sunset 2030-01-01T10:11:12Z\n"
			  "RequireSecret yes\nDefaultRoute yes\n");
	assert_round_trip("DiscoveryNetmask 31\nLocalDiscovery "
			  "yes\nSyslogFacility local3\n"
			  "RelayType cone\n");
}

/* A directive without a say on when it is applied would never be. */
static void each_directive_says_when_it_applies(void **state)
{
	(void)state;
	for (unsigned i = 0; i < conf_table_rows; i++) {
		const struct directive *d = &conf_table[i];

		if (d->is_gone != (d->when == WHEN_UNSAID) ||
		    d->is_gone != (d->kind == NULL))
			fail_msg("%s: when is it applied?", d->name);
	}
	assert_true(conf_slot(conf_table_rows - 1, 0) < CONF_ORIGINS);
}

/* Each directive of ours, with a value that is not its default. */
static void each_difference_is_seen(void **state)
{
	static const char *const lines[] = {
		"RelayType host",
		"Relay yes",
		"ServerBindAddress 9.0.0.2",
		"ServerBindAddress2 9.0.0.2",
		"BindAddress 9.0.0.2",
		"BindPort 1",
		"InterfaceName x",
		"InterfaceMTU 1300",
		"Prefix 2002::",
		"SyslogFacility kern",
		"LogLevel debug",
		"LogTarget syslog",
		"ControlSocket none",
		"ControlGroup x",
		"User x",
		"Group x",
		"Secret x",
		"RequireSecret yes",
		"Sunset 2040-01-01",
		"MaxPeers 64",
		"NewPeersPerSecond 1000",
		"ReplyRate 1",
		"NetworkReplyRate 1",
		"AllowIPv4 10.0.0.0/8",
		"DenyIPv4 10.0.0.0/8",
		"ServePrefix ::/0",
		"AcceptStrangers yes",
		"RelayNonces no",
		"SymmetricClients no",
		"OwnClientsOnly yes",
		"PublicOnly no",
		"ServerAddress a",
		"ServerAddress2 a",
		"RefreshInterval 31",
		"Qualify on-demand",
		"QualifyIdle 5",
		"LearnRefresh yes",
		"LocalDiscovery yes",
		"DiscoveryInterfaces x",
		"DiscoveryNetmask /24",
		"PortMapping upnp",
		"ClientID x",
		"DefaultRoute no",
		"RouteMetric 1",
		"RouteTable 1",
		"HookScript /x",
		"StateDirectory /x",
		"ProbeHost 2002::",
		"Symmetric no",
		"Extensions none",
		"ConePhase yes",
		"NonceRequired no",
		"BindInterface x",
		"Threads 1",
		"Offload no",
		"DSCP 1",
		"Mark 1",
	};
	static struct conf usual;
	unsigned at = 0;

	(void)state;
	read_text("");
	usual = c;
	for (unsigned row = 0; row < conf_rows(); row++) {
		unsigned n = 0;

		if (conf_table[row].is_gone)
			continue;
		assert_true(at < sizeof(lines) / sizeof(lines[0]));
		read_text(lines[at]);
		assert_clean();
		for (unsigned i = 0; i < conf_rows(); i++)
			n += !conf_is_same(&usual, &c, i);
		if (n != 1 || conf_is_same(&usual, &c, row))
			fail_msg("%s: %s", conf_name(row), lines[at]);
		at++;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_2004),
		cmocka_unit_test(packaged_client_file_is_a_client),
		cmocka_unit_test(packaged_server_file_is_a_server_by_name),
		cmocka_unit_test(everything_of_a_1_2_6_relay),
		cmocka_unit_test(all_facilities_of_syslog),
		cmocka_unit_test(layout_does_not_matter),
		cmocka_unit_test(role_follows_the_rules_in_order),
		cmocka_unit_test(offloads_are_named),
		cmocka_unit_test(offload_words),
		cmocka_unit_test(threads_are_few),
		cmocka_unit_test(dscp_is_a_number_or_copied),
		cmocka_unit_test(bad_values_say_what_is_allowed),
		cmocka_unit_test(bad_values_of_each_kind),
		cmocka_unit_test(all_errors_are_reported),
		cmocka_unit_test(more_errors_than_fit_are_counted),
		cmocka_unit_test(zero_byte_is_an_error),
		cmocka_unit_test(far_misses_are_not_guessed),
		cmocka_unit_test(lists_add_up),
		cmocka_unit_test(list_that_is_too_long_is_an_error),
		cmocka_unit_test(plan_takes_what_was_configured),
		cmocka_unit_test(no_limit_stays_no_limit),
		cmocka_unit_test(server_and_relay_share_the_primary_address),
		cmocka_unit_test(file_of_secrets_makes_them_required),
		cmocka_unit_test(peers_fit_the_memory_of_the_host),
		cmocka_unit_test(dates_are_in_utc),
		cmocka_unit_test(everything_of_a_client),
		cmocka_unit_test(second_address_of_1_2_6),
		cmocka_unit_test(servers_are_at_most_eight),
		cmocka_unit_test(port_mapping),
		cmocka_unit_test(x7_extensions),
		cmocka_unit_test(log_and_control),
		cmocka_unit_test(local_discovery_has_old_words),
		cmocka_unit_test(later_files_override),
		cmocka_unit_test(origins_are_known),
		cmocka_unit_test(origin_of_what_is_in_force),
		cmocka_unit_test(more_sources_than_fit),
		cmocka_unit_test(list_reads_back),
		cmocka_unit_test(each_directive_says_when_it_applies),
		cmocka_unit_test(each_difference_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
