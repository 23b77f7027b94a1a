/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What netcheck has found: as JSON, which miredoctl(8) describes, and for
 * people. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../core/ratelim.h"
#include "netcheck.h"
#include "page.h"

enum {
	TUPLE_SPACE = INET_ADDRSTRLEN + 6
};

static const char *ip_text(char out[static TUPLE_SPACE], uint32_t ip)
{
	struct in_addr a = {.s_addr = htonl(ip)};

	inet_ntop(AF_INET, &a, out, INET_ADDRSTRLEN);
	return out;
}

static json_t *ip_json(uint32_t ip)
{
	char text[TUPLE_SPACE];

	return ip ? json_string(ip_text(text, ip)) : json_null();
}

static json_t *tuple_json(struct tuple t)
{
	char text[TUPLE_SPACE];
	size_t n;

	if (!t.port || !t.ip)
		return json_null();
	n = strlen(ip_text(text, t.ip));
	snprintf(text + n, sizeof(text) - n, ":%u", t.port);
	return json_string(text);
}

static json_t *tri_json(enum tri t)
{
	return t == TRI_UNKNOWN ? json_null() : json_boolean(t == TRI_YES);
}

static json_t *time_json(uint64_t ns)
{
	return ns ? json_real((double)ns / (double)NS_PER_S) : json_null();
}

static json_t *text_json(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

/* --- the object --- */

static json_t *udp_json(const struct check *c,
			const struct netcheck_findings *f)
{
	struct tuple local = c->core.local[NETCHECK_MAIN];
	bool works = f->reason == NETCHECK_OK ||
		     f->reason == NETCHECK_NO_GOOD_SERVER ||
		     f->reason == NETCHECK_PORT_BLOCKED;
	bool unknown = f->reason == NETCHECK_NO_SERVER ||
		       f->reason == NETCHECK_NOTHING_ANSWERS ||
		       f->reason == NETCHECK_ONLY_DNS;

	return json_pack("{so so so so}", "works",
			 unknown ? json_null() : json_boolean(works), "local",
			 tuple_json(local), "interface",
			 text_json(c->path.iface), "blocked_by",
			 ip_json(f->blocked_by));
}

static json_t *nat_json(const struct netcheck_findings *f)
{
	return json_pack("{ss ss ss so so so}", "mapping",
			 netcheck_behaviour_name(f->mapping), "filtering",
			 netcheck_behaviour_name(f->filtering), "windows",
			 netcheck_windows(f), "preserves_port",
			 tri_json(f->preserves_port), "hairpin",
			 tri_json(f->hairpin), "mapped", tuple_json(f->mapped));
}

static json_t *server_json(const struct check *c,
			   const struct netcheck_findings *f, unsigned i)
{
	const struct netcheck_server *s = &c->core.v[i];
	enum netcheck_verdict v = f->server[i].verdict;

	return json_pack("{ss so so so so ss ss so so sb}", "name", c->name[i],
			 "address", ip_json(s->ip[0]), "address2",
			 ip_json(s->ip[1]), "rtt",
			 time_json(f->server[i].rtt[0]), "rtt2",
			 time_json(f->server[i].rtt[1]), "verdict",
			 netcheck_verdict_name(v), "text",
			 netcheck_verdict_text(v), "rank",
			 f->server[i].rank ? json_integer(f->server[i].rank)
					   : json_null(),
			 "bubbles", tri_json(f->server[i].bubbles),
			 "recommended", f->best == (int)i);
}

static void add_note(json_t *notes, const char *reason, const char *before,
		     const char *iface, const char *after, const char *other)
{
	json_array_append_new(notes,
			      json_pack("{ss so}", "reason", reason, "text",
					json_sprintf("%s%s%s%s", before, iface,
						     after, other)));
}

/* Where packets go that should go elsewhere. */
static json_t *notes_json(const struct check *c)
{
	const struct path *p = &c->path;
	json_t *notes = json_array();

	if (p->is_tunnel)
		add_note(notes, "tunnel", "the way to the servers leads into ",
			 p->iface,
			 ", a tunnel: all this is about its other end", "");
	if (p->elsewhere)
		add_note(notes, "source-elsewhere", "packets leave by ",
			 p->iface, " with an address of ", p->other);
	if (p->unusual)
		add_note(notes, "not-default-route", "packets leave by ",
			 p->iface, ", the default route by ", p->other);
	return notes;
}

static json_t *relay_json(const struct check *c,
			  const struct netcheck_findings *f)
{
	static const char *const states[] = {
		[TRI_UNKNOWN] = "untried", [TRI_NO] = "none", [TRI_YES] = "ok"};

	if (!c->core.conf.with_relay)
		return json_null();
	return json_pack("{ss ss so so so}", "host", c->ctl->relay, "state",
			 states[f->relay], "relay", tuple_json(f->relay_at),
			 "found_after", time_json(f->relay_found), "rtt",
			 time_json(f->relay_rtt));
}

json_t *check_json(const struct check *c, const struct netcheck_findings *f)
{
	json_t *servers = json_array();

	for (unsigned i = 0; i < c->n; i++)
		json_array_append_new(servers, server_json(c, f, i));
	return json_pack(
		"{si sb ss ss so so so so so ss so sf}", "version", 1, "good",
		f->good, "reason", netcheck_reason_name(f->reason), "text",
		netcheck_reason_text(f->reason), "advice",
		text_json(netcheck_reason_advice(f->reason)), "udp",
		udp_json(c, f), "nat", nat_json(f), "servers", servers, "notes",
		notes_json(c), "reaches", netcheck_reaches(f), "relay",
		relay_json(c, f), "elapsed",
		(double)(check_clock() - c->started) / (double)NS_PER_S);
}

/* --- for people --- */

static void show_udp(struct page *p, const json_t *o)
{
	const json_t *udp = json_object_get(o, "udp");
	const char *works = !get_known(udp, "works") ? "not known"
			    : get_bool(udp, "works") ? "works"
						     : "does not work";

	page_row(p, "udp/ipv4");
	if (get_known(udp, "local"))
		page_fact(p, "%s (%s on %s)", works, get_text(udp, "local"),
			  get_text(udp, "interface"));
	else
		page_fact(p, "%s", works);
	if (get_known(udp, "blocked_by"))
		page_fact(p, "refused by %s", get_text(udp, "blocked_by"));
}

/* "endpoint-independent" with blanks. */
static const char *with_blanks(char out[static 64], const char *name)
{
	snprintf(out, 64, "%s", name);
	for (char *c = out; *c; c++) {
		if (*c == '-')
			*c = ' ';
	}
	return out;
}

static const char *yes(const json_t *o, const char *key)
{
	return !get_known(o, key) ? "not known"
	       : get_bool(o, key) ? "yes"
				  : "no";
}

static void show_nat(struct page *p, const json_t *o)
{
	const json_t *nat = json_object_get(o, "nat");
	char text[64];

	if (strcmp(get_text(nat, "mapping"), "unknown") == 0 &&
	    !get_known(nat, "mapped"))
		return;
	page_row(p, "nat");
	page_fact(p, "mapping: %s",
		  with_blanks(text, get_text(nat, "mapping")));
	page_row(p, "");
	page_fact(p, "filtering: %s",
		  with_blanks(text, get_text(nat, "filtering")));
	page_row(p, "");
	page_fact(p, "preserves ports: %s", yes(nat, "preserves_port"));
	page_fact(p, "hairpin: %s", yes(nat, "hairpin"));
	if (get_known(nat, "mapped"))
		page_fact(p, "seen at %s", get_text(nat, "mapped"));
	page_row(p, "");
	page_fact(p, "Windows calls this: %s", get_text(nat, "windows"));
}

static const char *rtt(char out[static 32], const json_t *server,
		       const char *key)
{
	double s = get_number(server, key, -1);

	return s < 0 ? strcpy(out, "-") : page_duration(out, s);
}

static void show_server(struct page *p, const json_t *s, int width)
{
	bool good = strcmp(get_text(s, "verdict"), "good") == 0;
	char one[32], two[32], name[2 * HOST_SPACE];

	snprintf(name, sizeof(name), "%s", get_text(s, "name"));
	page_clean(name);
	if (good)
		page_title(p, PAGE_GOOD, "    %-*s  %8s  %8s  %s", width, name,
			   rtt(one, s, "rtt"), rtt(two, s, "rtt2"),
			   get_bool(s, "recommended") ? "good (recommended)"
						      : "good");
	else
		page_title(p, PAGE_FAIR, "    %-*s  %8s  %8s  %s  [%s]", width,
			   name, rtt(one, s, "rtt"), rtt(two, s, "rtt2"),
			   get_text(s, "text"), get_text(s, "verdict"));
}

static void show_servers(struct page *p, const json_t *o)
{
	const json_t *servers = json_object_get(o, "servers"), *s;
	size_t i, width = 7;

	json_array_foreach(servers, i, s)
	{
		size_t n = strlen(get_text(s, "name"));

		width = n > width && n < 40 ? n : width;
	}
	page_title(p, PAGE_FAINT, "  server%-*s  %8s  %8s  %s", (int)width - 4,
		   "", "first", "second", "verdict");
	json_array_foreach(servers, i, s)
	{
		show_server(p, s, (int)width);
	}
}

static void show_relay(struct page *p, const json_t *o)
{
	const json_t *r = json_object_get(o, "relay");
	const char *state = get_text(r, "state");
	char text[32];

	if (!get_known(o, "relay"))
		return;
	page_row(p, "relay");
	if (strcmp(state, "ok") == 0) {
		page_fact(p, "%s", get_text(r, "relay"));
		if (get_known(r, "rtt"))
			page_fact(p, "%s",
				  page_duration(text,
						get_number(r, "rtt", -1)));
		page_fact(p, "found in %s",
			  page_duration(text,
					get_number(r, "found_after", -1)));
	} else if (strcmp(state, "none") == 0) {
		page_toned(p, PAGE_FAIR,
			   "none answered in 3 s for %s: peers only",
			   get_text(r, "host"));
	} else {
		page_fact(p, "not tried, for want of a server");
	}
}

void check_show(const struct ctl *c, const json_t *o)
{
	const json_t *note;
	struct page p;
	size_t i;

	page_open(&p, c);
	page_title(&p, get_bool(o, "good") ? PAGE_GOOD : PAGE_BAD,
		   "netcheck: %s  [%s]", get_text(o, "text"),
		   get_text(o, "reason"));
	show_udp(&p, o);
	show_nat(&p, o);
	show_servers(&p, o);
	page_row(&p, "reaches");
	page_fact(&p, "%s", get_text(o, "reaches"));
	show_relay(&p, o);
	json_array_foreach(json_object_get(o, "notes"), i, note)
	{
		page_row(&p, "note");
		page_toned(&p, PAGE_FAIR, "%s  [%s]", get_text(note, "text"),
			   get_text(note, "reason"));
	}
	page_row(&p, "try");
	if (get_known(o, "advice"))
		page_toned(&p, PAGE_STRONG, "%s", get_text(o, "advice"));
	page_end(&p);
}

void check_progress(const struct check *c, const char *text)
{
	static bool is_shown;

	if (!isatty(STDERR_FILENO) || (!text && !is_shown))
		return;
	if (text)
		fprintf(stderr, "\r\033[K%s, %.1f s", text,
			(double)(check_clock() - c->started) /
				(double)NS_PER_S);
	else
		fputs("\r\033[K", stderr);
	is_shown = text != NULL;
}
