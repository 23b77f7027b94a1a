/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `miredoctl metrics`: the daemon's numbers as text, of one table, in one of
 * two formats. The one that goes by the name of Prometheus is what Prometheus,
 * the node exporter's textfile collector and promtool read; there a counter is
 * declared with its whole name. OpenMetrics 1.0 leaves _total out of that,
 * knows units and info, and has an end.
 *
 * Names: prefix teredo_, base units, _total for what only grows; no label has
 * values without bound, such as addresses. One row makes one family, or some
 * rows with one name do; those of packets by reason come from reason.h.
 */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "../core/knock.h"
#include "../core/portmap.h"
#include "../core/reason.h"
#include "../sys/value.h"
#include "../sys/verdict.h"
#include "ask.h"
#include "metrics.h"
#include "page.h"

static const struct family {
	const char *name, *type, *help;
	const char *object, *key; /* of the answer; key NULL: all numbers */
	const char *label;        /* for the key, then */
	const char *more;         /* another label, the same for all */
} families[] = {
	{"teredo_uptime_seconds", "gauge", "Since the daemon was started.",
	 NULL, "uptime", NULL, NULL},
	{"teredo_worker_starts_total", "counter",
	 "Starts of the packet process; more than 1: it was killed.", NULL,
	 "lives", NULL, NULL},
	{"teredo_packets_total", "counter", "Packets by side.", "packets", NULL,
	 "direction", NULL},
	{"teredo_packets_dropped_total", "counter",
	 "Packets that ended nowhere, for whatever reason.", "packets",
	 "dropped", NULL, NULL},
	{"teredo_bytes_total", "counter", "Bytes by side.", "bytes", NULL,
	 "direction", NULL},
	{"teredo_bubbles_total", "counter", "Bubbles, by the way they take.",
	 "bubbles_sent", NULL, "kind", "direction=\"sent\","},
	{"teredo_bubbles_total", "counter", "Bubbles, by the way they take.",
	 "bubbles_received", NULL, "kind", "direction=\"received\","},
	{"teredo_peers", "gauge", "Peers by how they stand.", "peers", NULL,
	 "state", NULL},
	{"teredo_peer_capacity", "gauge", "Peers that there is room for.",
	 "peers", "capacity", NULL, NULL},
	{"teredo_peers_evicted_total", "counter",
	 "Peers that others have pushed out for want of room.", "peers_evicted",
	 NULL, "state", NULL},
	{"teredo_peers_given_up_total", "counter",
	 "Peers that did not answer, by who they were.", "peers_given_up", NULL,
	 "kind", NULL},
	{"teredo_ratelimited_total", "counter",
	 "What was not done, as it would have been too much.", "ratelimited",
	 NULL, "what", NULL},
	{"teredo_server_rtt_seconds", "gauge",
	 "Round trip to the server in use.", "client", "server_rtt", NULL,
	 NULL},
	{"teredo_server_last_reply_timestamp_seconds", "gauge",
	 "When the server answered last.", "client", "last_answer_timestamp",
	 NULL, NULL},
	{"teredo_qualifications_total", "counter",
	 "How asking a server has ended.", "qualifications", NULL, "result",
	 NULL},
	{"teredo_random_ports_total", "counter",
	 "Random ports for peers, and echo tests.", "random_ports", NULL,
	 "event", NULL},
	{"teredo_address_changes_total", "counter",
	 "Changes of the Teredo address, by why.", "address_changes", NULL,
	 "reason", NULL},
	{"teredo_solicitations_total", "counter",
	 "Solicitations sent to servers.", "client", "solicitations", NULL,
	 NULL},
	{"teredo_configuration_serial", "gauge",
	 "Number of the configuration in force.", "configuration", "in_force",
	 NULL, NULL},
	{"teredo_configuration_failed_loads_total", "counter",
	 "Configurations that had errors.", "configuration", "failed", NULL,
	 NULL},
};

struct text {
	FILE *out;
	enum metrics_format format;
	const char *last; /* the family that was declared last */
};

/* How much of the name is that of the family, and not of its samples. */
static int family_len(const struct text *t, const char *name, const char *type)
{
	size_t n = strlen(name);

	if (t->format != METRICS_OPEN)
		return (int)n;
	if (strcmp(type, "counter") == 0)
		n -= strlen("_total");
	if (strcmp(type, "info") == 0)
		n -= strlen("_info");
	return (int)n;
}

/* Base units, as they end names. */
static void put_unit(const struct text *t, const char *name, int n)
{
	static const char *const units[] = {"seconds", "bytes"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		int len = (int)strlen(units[i]);

		if (n > len &&
		    strncmp(name + n - len, units[i], (size_t)len) == 0)
			fprintf(t->out, "# UNIT %.*s %s\n", n, name, units[i]);
	}
}

static void put_head(struct text *t, const char *name, const char *type,
		     const char *help)
{
	bool is_info = strcmp(type, "info") == 0;
	int n = family_len(t, name, type);

	if (t->last && strcmp(t->last, name) == 0)
		return;
	t->last = name;
	if (is_info && t->format != METRICS_OPEN)
		type = "gauge"; /* there is nothing else */
	fprintf(t->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", n, name, help, n,
		name, type);
	if (t->format == METRICS_OPEN)
		put_unit(t, name, n);
}

/* Within a label's quotes. */
static void put_quoted(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(iscntrl((unsigned char)*text) ? '?' : *text, out);
	}
}

static void put_labelled(const struct text *t, const char *name,
			 const char *more, const char *label, const char *value,
			 double n)
{
	fprintf(t->out, "%s{%s%s=\"", name, more ? more : "", label);
	put_quoted(t->out, value);
	fprintf(t->out, "\"} %.15g\n", n);
}

static void put_plain(const struct text *t, const char *name, double n)
{
	fprintf(t->out, "%s %.15g\n", name, n);
}

/* Which role and version; the value is always 1. */
static void put_info(struct text *t, const json_t *answer)
{
	const char *program = get_text(answer, "program");
	const char *version = strchr(program, ' ');

	put_head(t, "teredo_info", "info", "Role and version; always 1.");
	fputs("teredo_info{role=\"", t->out);
	put_quoted(t->out, get_text(answer, "role"));
	fputs("\",version=\"", t->out);
	put_quoted(t->out, version ? version + 1 : program);
	fputs("\"} 1\n", t->out);
}

static void put_reason(struct text *t, const char *now)
{
	put_head(t, "teredo_reason", "gauge",
		 "1 for the reason for it, 0 for all others.");
	for (int i = 0; i < VERDICT_COUNT; i++) {
		const char *name = verdict_words((enum verdict)i)->name;

		put_labelled(t, "teredo_reason", NULL, "reason", name,
			     strcmp(now, name) == 0);
	}
}

static void put_state(struct text *t, const json_t *answer)
{
	const char *state = get_text(answer, "state");

	put_head(t, "teredo_good", "gauge",
		 "1: all is well, as the exit status of miredoctl status.");
	put_plain(t, "teredo_good", get_bool(answer, "good"));
	if (json_is_object(json_object_get(answer, "client"))) {
		put_head(t, "teredo_qualified", "gauge",
			 "1: the client has an address, and its server "
			 "answers.");
		put_plain(t, "teredo_qualified",
			  strcmp(state, "qualified") == 0);
	}
	put_head(t, "teredo_state", "gauge",
		 "The state of the daemon; always 1.");
	put_labelled(t, "teredo_state", NULL, "state", state, 1);
	put_reason(t, get_text(answer, "reason"));
}

/* What the host of a client lets in: 1 for that, 0 for all others. */
static void put_inbound(struct text *t, const json_t *answer)
{
	const char *inbound =
		get_text(json_object_get(answer, "client"), "inbound");

	if (!*inbound)
		return;
	put_head(t, "teredo_inbound", "gauge",
		 "1 for what strangers reach of this host, 0 for all others.");
	for (int i = INBOUND_UNKNOWN; i <= INBOUND_FILTERED; i++) {
		const char *name = inbound_name((enum inbound)i);

		put_labelled(t, "teredo_inbound", NULL, "state", name,
			     strcmp(inbound, name) == 0);
	}
}

/* By whom the router forwards our port: 1 for that, 0 for all others. */
static void put_mapping(struct text *t, const json_t *answer)
{
	const json_t *m = json_object_get(json_object_get(answer, "client"),
					  "port_mapping");
	const char *method = get_text(m, "method");

	if (!json_is_object(m))
		return;
	put_head(t, "teredo_port_mapping", "gauge",
		 "1 for the protocol by which the router forwards our port.");
	for (int i = PORTMAP_PCP; i < PORTMAP_METHODS; i++) {
		const char *name = portmap_method_name((enum portmap_method)i);

		put_labelled(t, "teredo_port_mapping", NULL, "method", name,
			     strcmp(method, name) == 0);
	}
}

/* All reasons show, be they 0: what appears late looks like no growth. */
static void put_ends(struct text *t, const json_t *answer)
{
	static const char name[] = "teredo_packets_ended_total";
	const json_t *reasons = json_object_get(answer, "reasons");

	if (!json_is_object(reasons))
		return;
	put_head(t, name, "counter", "How packets ended; see teredo(7).");
	for (int i = 0; i < REASON_COUNT; i++) {
		const char *reason = reason_name((enum reason)i);

		if (i != REASON_NONE && i != REASON_HELD)
			put_labelled(t, name, NULL, "reason", reason,
				     get_number(reasons, reason, 0));
	}
}

/* OpenMetrics wants each bound to be seen as a number with a fraction. */
static void put_bucket(const struct text *t, const char *name, double bound,
		       double n)
{
	bool is_whole = bound == floor(bound) && fabs(bound) < 1e9;

	fprintf(t->out, "%s_bucket{le=\"%.9g%s\"} %.15g\n", name, bound,
		is_whole ? ".0" : "", n);
}

/* How long the first packet to a peer waited; of who has peers. */
static void put_waits(struct text *t, const json_t *answer)
{
	static const char name[] = "teredo_connection_setup_seconds";
	const json_t *o = json_object_get(answer, "connection_setup");
	const json_t *buckets = json_object_get(o, "buckets"), *b;
	size_t i;

	if (!json_is_array(buckets))
		return;
	put_head(t, name, "histogram",
		 "From the first packet to a peer until it has answered.");
	json_array_foreach(buckets, i, b)
	{
		put_bucket(t, name, get_number(b, "le", 0),
			   get_number(b, "count", 0));
	}
	fprintf(t->out, "%s_bucket{le=\"+Inf\"} %.15g\n", name,
		get_number(o, "count", 0));
	fprintf(t->out, "%s_sum %.15g\n", name, get_number(o, "sum", 0));
	fprintf(t->out, "%s_count %.15g\n", name, get_number(o, "count", 0));
}

/* It has a family of its own. */
static bool is_own(const char *key)
{
	return strcmp(key, "dropped") == 0 || strcmp(key, "capacity") == 0;
}

static void put_all(struct text *t, const struct family *f, json_t *object)
{
	const char *key;
	json_t *n;

	put_head(t, f->name, f->type, f->help);
	json_object_foreach(object, key, n)
	{
		if (json_is_number(n) && !is_own(key))
			put_labelled(t, f->name, f->more, f->label, key,
				     json_number_value(n));
	}
}

/* What is unknown, or not of this role, does not show. */
static void put_family(struct text *t, const struct family *f,
		       const json_t *answer)
{
	json_t *object = NULL;

	if (f->object)
		object = json_object_get(answer, f->object);
	if (!f->key && json_object_size(object)) {
		put_all(t, f, object);
	} else if (f->key) {
		const json_t *from = f->object ? object : answer;

		if (!json_is_number(json_object_get(from, f->key)))
			return;
		put_head(t, f->name, f->type, f->help);
		put_plain(t, f->name, get_number(from, f->key, 0));
	}
}

void show_metrics(FILE *out, const json_t *answer, enum metrics_format format)
{
	struct text t = {out, format, NULL};

	put_info(&t, answer);
	put_state(&t, answer);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		put_family(&t, &families[i], answer);
	put_inbound(&t, answer);
	put_mapping(&t, answer);
	put_waits(&t, answer);
	put_ends(&t, answer);
	if (format == METRICS_OPEN)
		fputs("# EOF\n", out);
}

int ctl_metrics(const struct ctl *c, int n, char **argv)
{
	struct answer a;
	int status = ask(c, "metrics", &a);

	(void)n, (void)argv;
	if (status != CTL_GOOD)
		return status;
	if (!answer_printed(c, &a))
		show_metrics(stdout, a.object,
			     c->openmetrics ? METRICS_OPEN
					    : METRICS_PROMETHEUS);
	answer_free(&a);
	return CTL_GOOD;
}
