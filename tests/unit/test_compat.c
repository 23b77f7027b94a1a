/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files as people have them of Miredo 1.2.6: those of packages, those that
 * systems make from a template, those pasted into questions. Each gives the
 * role and the values that it gave there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "plan.h"

struct sample {
	const char *name, *text;
	enum role role;
	const char *server, *second, *iface; /* NULL: none, none, "teredo" */
	uint32_t bind_ip, primary, secondary;
	uint16_t bind_port, mtu; /* MTU 0: 1280 */
	int facility;            /* 0: daemon */
	unsigned notes;          /* lines that are no errors */
};

static const struct sample samples[] = {
	{
		.name = "a package's client",
		.text = "# Please refer to the miredo.conf(5) man page.\n"
			"InterfaceName\tteredo\n\n# Pick a Teredo server:\n"
			"#ServerAddress\tteredo.example.org\n"
			"ServerAddress\tteredo.example.net\n\n"
			"# Some firewall/NAT setups require a port:\n"
			"#BindPort\t3545\n",
		.role = ROLE_CLIENT,
		.server = "teredo.example.net",
	},
	{
		.name = "a package's server",
		.text = "# Server primary IPv4 address.\n"
			"ServerBindAddress 203.0.114.221\n",
		.role = ROLE_SERVER,
		.primary = 0xcb0072dd,
		.secondary = 0xcb0072de,
	},
	{
		.name = "made from a template",
		.text = "InterfaceName teredo\nServerAddress "
			"teredo.example.net\n\n\n\n",
		.role = ROLE_CLIENT,
		.server = "teredo.example.net",
	},
	{
		.name = "made from a template, all of it",
		.text = "InterfaceName tun0\nServerAddress 9.9.9.1\n"
			"ServerAddress2 9.9.9.7\nBindAddress 192.168.1.2\n"
			"BindPort 3545\n",
		.role = ROLE_CLIENT,
		.server = "9.9.9.1",
		.second = "9.9.9.7",
		.iface = "tun0",
		.bind_ip = 0xc0a80102,
		.bind_port = 3545,
	},
	{
		.name = "pasted: other case, tabs, remarks, the end of line of "
			"others",
		.text = "RelayType\tclient\t# default\r\n"
			"interfacename   teredo\r\n"
			"SERVERADDRESS   teredo.example.net   # was "
			"win.example.com\r\n"
			"BindPort        \"3545\"\r\n",
		.role = ROLE_CLIENT,
		.server = "teredo.example.net",
		.bind_port = 3545,
	},
	{
		.name = "a relay",
		.text = "InterfaceName teredo\nRelayType cone\n"
			"BindAddress 9.9.9.9\nBindPort 3545\n"
			"Prefix 2001:0000::\nInterfaceMTU 1280\n"
			"SyslogFacility local7\n",
		.role = ROLE_RELAY,
		.bind_ip = 0x09090909,
		.bind_port = 3545,
		.facility = LOG_LOCAL7,
	},
	{
		.name = "a relay behind a NAT",
		.text = "RelayType restricted\n",
		.role = ROLE_RELAY,
	},
	{
		.name = "either of them",
		.text = "RelayType autoclient\nServerAddress "
			"teredo.example.net\n",
		.role = ROLE_AUTO,
		.server = "teredo.example.net",
	},
	{
		.name = "a server, all of it",
		.text = "ServerBindAddress 9.9.9.1\nServerBindAddress2 "
			"9.9.9.9\nPrefix 2001:0::\nInterfaceMTU 1400\n"
			"SyslogFacility user\n",
		.role = ROLE_SERVER,
		.primary = 0x09090901,
		.secondary = 0x09090909,
		.mtu = 1400,
		.facility = LOG_USER,
	},
	{
		.name = "of old: what has no effect any more",
		.text = "ServerAddress teredo.example.net\n"
			"IgnoreConeBit yes\nDiscoveryNetmask 255.255.255.0\n",
		.role = ROLE_CLIENT,
		.server = "teredo.example.net",
		.notes = 1,
	},
};

static void check(const struct sample *s)
{
	struct options o = {.program = "miredo", .tun_fd = -1};
	static struct report r;
	static struct conf c;
	static struct plan p;
	FILE *f = fmemopen((void *)(uintptr_t)s->text, strlen(s->text), "r");

	r = (struct report){0};
	o.as_server = s->role == ROLE_SERVER;
	conf_defaults(&c);
	conf_read(&c, f, s->name, &r);
	fclose(f);
	plan_check(&c, &o, &r);
	if (r.errors || r.warnings || r.n != s->notes)
		fail_msg("%s: %s", s->name, r.n ? r.v[0].text : "nothing said");
	assert_int_equal(plan_role(&c, &o), s->role);
	plan_make(&p, &c, &o, UINT64_C(1) << 30, 1);
	assert_int_equal(c.n_servers, s->server != NULL);
	if (s->server)
		assert_string_equal(c.servers[0].host, s->server);
	assert_string_equal(c.servers[0].second, s->second ? s->second : "");
	assert_string_equal(c.iface, s->iface ? s->iface : "teredo");
	assert_int_equal(c.bind_ip, s->bind_ip);
	assert_int_equal(c.bind_port, s->bind_port);
	assert_int_equal(c.mtu, s->mtu ? s->mtu : TEREDO_MTU);
	assert_int_equal(c.prefix, TEREDO_PREFIX);
	assert_int_equal(c.facility, s->facility ? s->facility : LOG_DAEMON);
	if (s->role == ROLE_SERVER) {
		assert_int_equal(p.node.server.primary, s->primary);
		assert_int_equal(p.node.server.secondary, s->secondary);
	}
}

static void files_mean_what_they_did(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		check(&samples[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_mean_what_they_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
