/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in a Teredo address (4380 §4, 5991 §3.1), and what a reason means.
 * Needs no daemon.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../core/addr.h"
#include "../core/gate.h"
#include "../core/netcheck.h"
#include "../core/portmap.h"
#include "../sys/verdict.h"
#include "ctl.h"

enum {
	FLAG_RESERVED = 0x4000, /* 4380 §4: sent as zero */
	FLAG_UNIVERSAL = 0x0200,
	FLAG_GROUP = 0x0100,
};

/* The twelve random bits of 5991 §3.1, from both sides of U and G. */
static unsigned random_bits(uint16_t flags)
{
	return (flags & 0x3c00) >> 2 | (flags & 0xff);
}

static const char *ip4(char out[static INET_ADDRSTRLEN], uint32_t ip)
{
	struct in_addr a = {.s_addr = htonl(ip)};

	inet_ntop(AF_INET, &a, out, INET_ADDRSTRLEN);
	return out;
}

static bool is_usable(uint32_t ip, uint16_t port)
{
	static const struct self nobody;
	const struct gate g = {
		.self = &nobody, .prefix = TEREDO_PREFIX, .public_only = true};

	return gate_is_global(&g, (struct tuple){.ip = ip, .port = port});
}

/* NULL = nothing. */
static const char *trouble(const struct teredo *t)
{
	if (!is_usable(t->server, TEREDO_PORT))
		return "the server's address is not one of the public "
		       "Internet: only hosts of its own network reach it";
	if (t->client.port == 0)
		return "the client's port is 0: nothing can be sent there";
	if (!is_usable(t->client.ip, t->client.port))
		return "the client's address is not one of the public "
		       "Internet: others do not send to it";
	if (t->flags & (FLAG_UNIVERSAL | FLAG_GROUP))
		return "the universal or group bit is set, which no client "
		       "does (RFC 4380, 4)";
	return NULL;
}

static json_t *take_apart(const char *text, const struct teredo *t)
{
	char server[INET_ADDRSTRLEN], client[INET_ADDRSTRLEN];
	const char *why = trouble(t);

	return json_pack("{si ss ss ss si si sb sb sb sb si sb ss?}", "version",
			 1, "address", text, "server", ip4(server, t->server),
			 "client", ip4(client, t->client.ip), "port",
			 (int)t->client.port, "flags", (int)t->flags, "cone",
			 (t->flags & FLAG_CONE) != 0, "reserved",
			 (t->flags & FLAG_RESERVED) != 0, "universal",
			 (t->flags & FLAG_UNIVERSAL) != 0, "group",
			 (t->flags & FLAG_GROUP) != 0, "random",
			 (int)random_bits(t->flags), "usable", !why, "trouble",
			 why);
}

static void print_address(const struct teredo *t)
{
	char server[INET_ADDRSTRLEN], client[INET_ADDRSTRLEN];
	const char *why = trouble(t);

	printf("server    %s\n"
	       "client    %s:%u   as the Internet sees it\n"
	       "flags     0x%04x: %scone, random 0x%03x%s%s%s\n"
	       "usable    %s%s\n",
	       ip4(server, t->server), ip4(client, t->client.ip),
	       t->client.port, t->flags, t->flags & FLAG_CONE ? "" : "not ",
	       random_bits(t->flags),
	       t->flags & FLAG_RESERVED ? ", reserved bit set" : "",
	       t->flags & FLAG_UNIVERSAL ? ", universal" : "",
	       t->flags & FLAG_GROUP ? ", group" : "", why ? "no: " : "yes",
	       why ? why : "");
}

static int explain_address(const struct ctl *c, const char *text,
			   const struct ip6 *a)
{
	struct teredo t;

	if (!ip6_is_teredo(a, TEREDO_PREFIX))
		return ctl_fail(CTL_BAD,
				"%s is no Teredo address\n"
				"  those begin with 2001:0:, as in "
				"2001:0:c000:201:0:f227:34ff:8ef8",
				text);
	teredo_unpack(&t, a);
	if (c->json) {
		json_t *object = take_apart(text, &t);

		json_dumpf(object, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(object);
	} else {
		print_address(&t);
	}
	return trouble(&t) ? CTL_BAD : CTL_GOOD;
}

struct meaning {
	const char *name, *kind, *text, *advice;
};

static bool find_in_netcheck(struct meaning *m, const char *name)
{
	for (int i = 0; i < NETCHECK_REASON_COUNT; i++) {
		const enum netcheck_reason r = (enum netcheck_reason)i;

		if (strcmp(netcheck_reason_name(r), name) != 0)
			continue;
		*m = (struct meaning){name, "netcheck", netcheck_reason_text(r),
				      netcheck_reason_advice(r)};
		return true;
	}
	for (int i = 0; i < CHECKED_COUNT; i++) {
		const enum netcheck_verdict v = (enum netcheck_verdict)i;

		if (strcmp(netcheck_verdict_name(v), name) != 0)
			continue;
		*m = (struct meaning){name, "server", netcheck_verdict_text(v),
				      NULL};
		return true;
	}
	return false;
}

static bool find_in_portmap(struct meaning *m, const char *name)
{
	for (int i = 0; i < PORTMAP_WHYS; i++) {
		const enum portmap_why w = (enum portmap_why)i;

		if (strcmp(portmap_why_name(w), name) != 0)
			continue;
		*m = (struct meaning){name, "port-mapping", portmap_why_text(w),
				      portmap_why_advice(w)};
		return true;
	}
	return false;
}

/* Of a daemon's state, of how a packet ended, of netcheck. Some words are
 * several of these; the first counts. */
static bool find_meaning(struct meaning *m, const char *name)
{
	const struct verdict_words *w = verdict_find(name);

	if (w) {
		*m = (struct meaning){name, "state", w->text, w->advice};
		return true;
	}
	for (int i = REASON_HELD + 1; i < REASON_COUNT; i++) {
		if (strcmp(reason_name((enum reason)i), name) != 0)
			continue;
		*m = (struct meaning){name, "packet",
				      reason_text((enum reason)i), NULL};
		return true;
	}
	return find_in_portmap(m, name) || find_in_netcheck(m, name);
}

static int explain_reason(const struct ctl *c, const char *name)
{
	struct meaning m;
	json_t *object;

	if (!find_meaning(&m, name))
		return ctl_fail(CTL_USAGE,
				"\"%s\" is neither an IPv6 address nor a "
				"reason\n"
				"  the reasons are in:  man miredoctl",
				name);
	if (!c->json) {
		printf("%s: %s\n%s%s%s", m.name, m.text,
		       m.advice ? "  try       " : "", m.advice ? m.advice : "",
		       m.advice ? "\n" : "");
		return CTL_GOOD;
	}
	object = json_pack("{si ss ss ss ss?}", "version", 1, "reason", m.name,
			   "kind", m.kind, "text", m.text, "advice", m.advice);
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
	return CTL_GOOD;
}

int ctl_explain(const struct ctl *c, int n, char **argv)
{
	int worst = CTL_GOOD;

	for (int i = 0; i < n; i++) {
		struct ip6 a;
		int status = inet_pton(AF_INET6, argv[i], &a) == 1
				     ? explain_address(c, argv[i], &a)
				     : explain_reason(c, argv[i]);

		if (i + 1 < n && !c->json)
			putchar('\n');
		worst = status > worst ? status : worst;
	}
	return worst;
}
