/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `miredoctl status`. The first line is the state and the one reason for it;
 * rows of facts follow, those of the role first.
 */
#include <string.h>

#include "../core/portmap.h"
#include "ask.h"
#include "status.h"

static const struct {
	const char *state, *words;
	enum page_tone tone; /* unless it is good */
} states[] = {
	{"qualified", "qualified", PAGE_FAIR},
	{"qualifying", "NOT qualified", PAGE_FAIR},
	{"silent", "address kept", PAGE_FAIR},
	{"offline", "NOT qualified", PAGE_BAD},
	{"dormant", "dormant", PAGE_FAIR},
	{"serving", "serving", PAGE_FAIR},
	{"starting", "starting", PAGE_FAIR},
	{"stuck", "STUCK", PAGE_BAD},
};

int status_of(const json_t *status)
{
	return get_bool(status, "good") ? CTL_GOOD : CTL_BAD;
}

static bool is_ok(const json_t *status)
{
	return strcmp(get_text(status, "reason"), "ok") == 0;
}

static const char *name_of(const json_t *status)
{
	return get_known(status, "interface") ? get_text(status, "interface")
					      : get_text(status, "role");
}

void show_title(struct page *p, const json_t *status)
{
	const char *words = get_text(status, "state");
	enum page_tone tone = PAGE_BAD;
	char at[40], age[32];

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].state, words) == 0) {
			words = states[i].words;
			tone = states[i].tone;
			break;
		}
	}
	if (status_of(status) == CTL_GOOD)
		tone = PAGE_GOOD;
	if (is_ok(status))
		page_title(p, tone, "%s: %s since %s (%s)", name_of(status),
			   words, page_time(at, get_text(status, "since")),
			   page_duration(age, get_number(status, "for", -1)));
	else
		page_title(p, tone, "%s: %s: %s  [%s]", name_of(status), words,
			   get_text(status, "text"),
			   get_text(status, "reason"));
}

/* What a title has no room for, if all is not well. */
static void show_trouble(struct page *p, const json_t *status)
{
	const json_t *client = json_object_get(status, "client");
	double tries = get_number(client, "requests", 0);
	char at[40], age[32];

	page_row(p, "since");
	if (!is_ok(status))
		page_fact(p, "%s (%s)",
			  page_time(at, get_text(status, "since")),
			  page_duration(age, get_number(status, "for", -1)));
	page_row(p, "tried");
	if (tries > 0) {
		page_fact(p, tries > 1 ? "%.0f times" : "once", tries);
		if (get_known(client, "next_request"))
			page_fact(p, "next in %s",
				  page_duration(age, get_number(client,
								"next_request",
								-1)));
	}
	page_row(p, "try");
	if (get_known(status, "advice"))
		page_text(p, PAGE_STRONG, get_text(status, "advice"));
}

static void show_notes(struct page *p, const json_t *status)
{
	const json_t *note;
	size_t i;

	json_array_foreach(json_object_get(status, "notes"), i, note)
	{
		page_row(p, "note");
		page_text(p, PAGE_FAIR, get_text(note, "text"));
		page_reason(p, get_text(note, "reason"));
		page_row(p, "try");
		if (get_known(note, "advice"))
			page_text(p, PAGE_PLAIN, get_text(note, "advice"));
	}
}

static void show_address(struct page *p, const json_t *status,
			 const json_t *client)
{
	const json_t *old;
	size_t i;

	page_row(p, "address");
	if (get_known(client, "address")) {
		page_fact(p, "%s", get_text(client, "address"));
		page_fact(p, "mtu %.0f", get_number(status, "mtu", 0));
		if (get_number(client, "address_changes", 0) > 0)
			page_fact(p, "changed %.0f times",
				  get_number(client, "address_changes", 0));
	}
	json_array_foreach(json_object_get(client, "old_addresses"), i, old)
	{
		page_row(p, i ? "" : "old");
		page_fact(p, "%s",
			  json_is_string(old) ? json_string_value(old) : "?");
		if (!i)
			page_fact(p, "for those who use it still");
	}
}

static void show_servers(struct page *p, const json_t *client)
{
	const json_t *server = json_object_get(client, "server"), *other;
	const char *in_use = get_text(server, "name");
	char text[32];
	size_t i;

	page_row(p, "server");
	if (get_known(server, "name")) {
		page_fact(p, "%s (%s)", get_text(server, "name"),
			  get_known(server, "address")
				  ? get_text(server, "address")
				  : "no address");
		if (get_known(server, "rtt"))
			page_fact(p, "%s",
				  page_duration(text,
						get_number(server, "rtt", -1)));
		if (get_known(server, "last_answer"))
			page_fact(p, "last answer %s ago",
				  page_duration(text,
						get_number(server,
							   "last_answer", -1)));
		else
			page_fact(p, "no answer yet");
	}
	page_row(p, "others");
	json_array_foreach(json_object_get(client, "servers"), i, other)
	{
		if (strcmp(get_text(other, "name"), in_use) != 0)
			page_fact(p, "%s (%s)", get_text(other, "name"),
				  get_text(other, "state"));
	}
}

/* "mapping by PCP (3600 s)" */
static void show_mapping(struct page *p, const json_t *client)
{
	const json_t *m = json_object_get(client, "port_mapping");
	const char *name = get_text(m, "method");

	if (!get_known(m, "method"))
		return;
	for (int i = PORTMAP_PCP; i < PORTMAP_METHODS; i++) {
		const enum portmap_method method = (enum portmap_method)i;

		if (strcmp(name, portmap_method_name(method)) == 0)
			name = portmap_method_title(method);
	}
	if (get_known(m, "lifetime"))
		page_fact(p, "mapping by %s (%.0f s)", name,
			  get_number(m, "lifetime", 0));
	else
		page_fact(p, "mapping by %s", name);
}

/* Where one would help, and there is somebody to ask. */
static void show_no_mapping(struct page *p, const json_t *client)
{
	const json_t *m = json_object_get(client, "port_mapping");
	const char *state = get_text(m, "state"),
		   *nat = get_text(client, "nat");

	page_row(p, "mapping");
	if (strcmp(nat, "restricted") != 0 && strcmp(nat, "symmetric") != 0)
		return;
	for (int i = PORTMAP_GONE; i < PORTMAP_WHYS; i++) {
		if (strcmp(portmap_why_name((enum portmap_why)i), state) != 0)
			continue;
		page_text(p, PAGE_PLAIN, get_text(m, "text"));
		page_reason(p, state);
	}
}

static void show_nat(struct page *p, const json_t *status, const json_t *client)
{
	bool is_dormant = strcmp(get_text(status, "state"), "dormant") == 0;
	char text[32];

	page_row(p, "nat");
	if (get_known(client, "nat")) {
		const char *nat = get_text(client, "nat");
		const char *theirs = get_text(client, "windows_nat");

		page_fact(p, "%s", nat);
		if (*theirs && strcmp(nat, theirs) != 0)
			page_fact(p, "Windows says %s", theirs);
		if (get_bool(client, "preserves_port"))
			page_fact(p, "preserves ports");
		if (strcmp(get_text(client, "random_ports"), "predicted") == 0)
			page_fact(p, "counts ports");
		if (is_dormant)
			page_fact(p, "not refreshed");
		else
			page_fact(p, "refreshed every %s",
				  page_duration(text,
						get_number(client, "refresh",
							   -1)));
		show_mapping(p, client);
	}
	page_row(p, "");
	if (get_known(client, "local"))
		page_fact(p, "%s %s %s", get_text(client, "local"),
			  page_arrow(p),
			  get_known(client, "mapped")
				  ? get_text(client, "mapped")
				  : "not known");
}

static void show_inbound(struct page *p, const json_t *client)
{
	const char *what = get_text(client, "inbound");
	char age[32];

	page_row(p, "inbound");
	if (!get_known(client, "address"))
		return;
	if (strcmp(what, "unknown") == 0) {
		page_fact(p, "not tested yet");
		return;
	}
	if (strcmp(what, "open") == 0)
		page_toned(p, PAGE_FAIR, "open");
	else
		page_fact(p, strcmp(what, "echo") == 0
				     ? "filtered but for pings"
				     : "filtered");
	if (get_known(client, "inbound_age"))
		page_fact(p, "tested %s ago",
			  page_duration(age,
					get_number(client, "inbound_age", -1)));
}

static void show_probe(struct page *p, const json_t *client)
{
	const json_t *probe = json_object_get(client, "probe");
	char text[32];

	page_row(p, "native");
	if (!json_is_object(probe))
		return;
	page_fact(p, "%s: %s", get_text(probe, "host"),
		  get_text(probe, "state"));
	if (get_known(probe, "relay"))
		page_fact(p, "relay %s", get_text(probe, "relay"));
	if (get_known(probe, "rtt"))
		page_fact(p, "%s",
			  page_duration(text, get_number(probe, "rtt", -1)));
	if (get_known(probe, "age"))
		page_fact(p, "asked %s ago",
			  page_duration(text, get_number(probe, "age", -1)));
}

/* "18 active, 12 trusted, ...": all but what it has room for. */
static void show_counts(struct page *p, json_t *counts)
{
	const char *what;
	json_t *n;

	page_row(p, "peers");
	json_object_foreach(counts, what, n)
	{
		if (strcmp(what, "capacity") != 0)
			page_fact(p, "%.0f %s",
				  json_is_number(n) ? json_number_value(n) : 0,
				  what);
	}
	if (get_known(counts, "capacity"))
		page_fact(p, "room for %.0f",
			  get_number(counts, "capacity", 0));
}

static void show_client(struct page *p, const json_t *status)
{
	const json_t *client = json_object_get(status, "client");

	if (!json_is_object(client))
		return;
	show_address(p, status, client);
	show_servers(p, client);
	show_nat(p, status, client);
	show_no_mapping(p, client);
	show_counts(p, json_object_get(client, "peers"));
	show_probe(p, client);
	show_inbound(p, client);
	page_row(p, "used for");
	if (get_known(client, "used_for"))
		page_fact(p, "%s (%s native IPv6 on this host)",
			  get_text(client, "used_for"),
			  get_bool(client, "native_ipv6") ? "there is" : "no");
}

/* 0.0.0.0 is how programs say it. */
static void show_local(struct page *p, const char *local)
{
	static const char any[] = "0.0.0.0:";

	if (strncmp(local, any, strlen(any)) == 0)
		page_fact(p, "at port %s of any address", local + strlen(any));
	else
		page_fact(p, "at %s", local);
}

static void show_relay(struct page *p, const json_t *status)
{
	const json_t *relay = json_object_get(status, "relay");

	if (!json_is_object(relay))
		return;
	page_row(p, "relay");
	show_local(p, get_text(relay, "local"));
	page_fact(p, "for %s", get_text(relay, "prefix"));
	if (get_known(relay, "source"))
		page_fact(p, "bubbles from %s", get_text(relay, "source"));
	else
		page_toned(p, PAGE_FAIR, "no native address to send from");
	page_row(p, "serves");
	if (get_bool(relay, "host_only"))
		page_fact(p, "this host only");
	else if (json_is_false(json_object_get(relay, "forwarding")))
		page_toned(p, PAGE_FAIR, "this host only: forwarding is off");
	else
		page_fact(p, "this host and others");
	show_counts(p, json_object_get(relay, "peers"));
}

static void show_server(struct page *p, const json_t *status)
{
	const json_t *server = json_object_get(status, "server");

	if (!json_is_object(server))
		return;
	page_row(p, "server");
	page_fact(p, "at %s and %s", get_text(server, "primary"),
		  get_text(server, "secondary"));
	page_fact(p, "port %.0f", get_number(server, "port", 0));
	if (get_bool(server, "requires_secret"))
		page_fact(p, "for clients with a secret");
	page_row(p, "");
	page_fact(p, "%.0f addresses given",
		  get_number(server, "advertised", 0));
}

static void show_packets(struct page *p, const json_t *status)
{
	const json_t *packets = json_object_get(status, "packets");

	page_row(p, "packets");
	if (!json_is_object(packets))
		return;
	page_fact(p, "IPv4 %.0f in and %.0f out",
		  get_number(packets, "from_ipv4", 0),
		  get_number(packets, "to_ipv4", 0));
	page_fact(p, "IPv6 %.0f in and %.0f out",
		  get_number(packets, "from_ipv6", 0),
		  get_number(packets, "to_ipv6", 0));
	page_fact(p, "%.0f dropped", get_number(packets, "dropped", 0));
}

static void show_configuration(struct page *p, const json_t *status)
{
	const json_t *conf = json_object_get(status, "configuration"), *one;
	char text[40];
	size_t i;

	page_row(p, "reload");
	if (get_known(conf, "error"))
		page_toned(p, PAGE_BAD, "failed: %s", get_text(conf, "error"));
	if (get_known(conf, "confirm"))
		page_toned(p, PAGE_FAIR,
			   "undone in %s without: miredoctl reload --keep",
			   page_duration(text,
					 get_number(conf, "confirm", -1)));
	page_row(p, "waiting");
	json_array_foreach(json_object_get(conf, "waiting"), i, one)
	{
		page_fact(p, "%s",
			  json_is_string(one) ? json_string_value(one) : "?");
	}
	if (i)
		page_fact(p, "for the next start");
}

static void show_process(struct page *p, const json_t *status)
{
	double threads = get_number(status, "threads", 0);
	double lives = get_number(status, "lives", 1);
	char age[32];

	page_row(p, "daemon");
	page_fact(p, "%s", get_text(status, "program"));
	page_fact(p, "%s", get_text(status, "role"));
	page_fact(p, "pid %.0f", get_number(status, "pid", 0));
	page_fact(p, "up %s",
		  page_duration(age, get_number(status, "uptime", -1)));
	if (lives > 1)
		page_toned(p, PAGE_FAIR, "packet process started %.0f times",
			   lives);
	page_fact(p, threads > 1 ? "%.0f threads" : "one thread", threads);
	page_fact(p, "offloads %s", get_text(status, "offloads"));
}

void show_status(struct page *p, const json_t *status)
{
	show_title(p, status);
	show_trouble(p, status);
	show_notes(p, status);
	show_client(p, status);
	show_server(p, status);
	show_relay(p, status);
	show_packets(p, status);
	show_configuration(p, status);
	show_process(p, status);
	page_end(p);
}

int ctl_status(const struct ctl *c, int n, char **argv)
{
	struct answer a;
	struct page p;
	int status = ask(c, "status", &a);

	(void)n, (void)argv;
	if (status != CTL_GOOD)
		return status;
	status = status_of(a.object);
	if (!c->quiet && !answer_printed(c, &a)) {
		page_open(&p, c);
		show_status(&p, a.object);
	}
	answer_free(&a);
	return status;
}
