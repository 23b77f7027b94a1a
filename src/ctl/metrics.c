/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `miredoctl metrics`: the daemon's counters as text that Prometheus, the node
 * exporter's textfile collector and promtool read, and that ends as OpenMetrics
 * wants it. As the older text format has it, the type of a counter is told with
 * its whole name; readers of both know that.
 *
 * Names: prefix teredo_, base units, _total for what only grows; no label has
 * values without bound, such as addresses. One row makes one family; those of
 * packets by reason come from reason.h.
 */
#include <ctype.h>
#include <string.h>

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
} families[] = {
	{"teredo_uptime_seconds", "gauge", "Since the daemon was started.",
	 NULL, "uptime", NULL},
	{"teredo_worker_starts_total", "counter",
	 "Starts of the packet process; more than 1: it was killed.", NULL,
	 "lives", NULL},
	{"teredo_packets_total", "counter", "Packets by side.", "packets", NULL,
	 "direction"},
	{"teredo_packets_dropped_total", "counter",
	 "Packets that ended nowhere, for whatever reason.", "packets",
	 "dropped", NULL},
	{"teredo_bytes_total", "counter", "Bytes by side.", "bytes", NULL,
	 "direction"},
	{"teredo_peers", "gauge", "Peers by how they stand.", "peers", NULL,
	 "state"},
	{"teredo_peer_capacity", "gauge", "Peers that there is room for.",
	 "peers", "capacity", NULL},
	{"teredo_server_rtt_seconds", "gauge",
	 "Round trip to the server in use.", "client", "server_rtt", NULL},
	{"teredo_server_last_answer_timestamp_seconds", "gauge",
	 "When the server answered last.", "client", "last_answer_timestamp",
	 NULL},
	{"teredo_address_changes_total", "counter",
	 "Changes of the Teredo address.", "client", "address_changes", NULL},
	{"teredo_solicitations_total", "counter",
	 "Solicitations sent to servers.", "client", "solicitations", NULL},
	{"teredo_configuration_serial", "gauge",
	 "Number of the configuration in force.", "configuration", "serial",
	 NULL},
	{"teredo_configuration_failed_loads_total", "counter",
	 "Configurations that had errors.", "configuration", "failed", NULL},
};

static void put_head(FILE *out, const char *name, const char *type,
		     const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
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

static void put_labelled(FILE *out, const char *name, const char *label,
			 const char *value, double n)
{
	fprintf(out, "%s{%s=\"", name, label);
	put_quoted(out, value);
	fprintf(out, "\"} %.15g\n", n);
}

/* Which role and version, the value is always 1. */
static void put_info(FILE *out, const json_t *answer)
{
	put_head(out, "teredo_info", "gauge", "Role and program; always 1.");
	fputs("teredo_info{role=\"", out);
	put_quoted(out, get_text(answer, "role"));
	fputs("\",program=\"", out);
	put_quoted(out, get_text(answer, "program"));
	fputs("\"} 1\n", out);
}

static void put_state(FILE *out, const json_t *answer)
{
	put_head(out, "teredo_good", "gauge",
		 "1: all is well, as the exit status of miredoctl status.");
	fprintf(out, "teredo_good %d\n", get_bool(answer, "good"));
	put_head(out, "teredo_state", "gauge",
		 "The state of the daemon; always 1.");
	put_labelled(out, "teredo_state", "state", get_text(answer, "state"),
		     1);
	put_head(out, "teredo_reason", "gauge",
		 "1 for the reason for it, 0 for all others.");
	for (int i = 0; i < VERDICT_COUNT; i++) {
		const char *name = verdict_words((enum verdict)i)->name;

		put_labelled(out, "teredo_reason", "reason", name,
			     strcmp(get_text(answer, "reason"), name) == 0);
	}
}

/* All reasons show, be they 0: what appears late looks like no growth. */
static void put_reasons(FILE *out, const json_t *answer)
{
	static const char name[] = "teredo_packets_ended_total";
	const json_t *reasons = json_object_get(answer, "reasons");

	if (!json_is_object(reasons))
		return;
	put_head(out, name, "counter", "How packets ended; see miredo(8).");
	for (int i = 0; i < REASON_COUNT; i++) {
		const char *reason = reason_name((enum reason)i);

		if (i != REASON_NONE && i != REASON_HELD)
			put_labelled(out, name, "reason", reason,
				     get_number(reasons, reason, 0));
	}
}

/* It has a family of its own. */
static bool is_own(const char *key)
{
	return strcmp(key, "dropped") == 0 || strcmp(key, "capacity") == 0;
}

static void put_all(FILE *out, const struct family *f, json_t *object)
{
	const char *key;
	json_t *n;

	put_head(out, f->name, f->type, f->help);
	json_object_foreach(object, key, n)
	{
		if (json_is_number(n) && !is_own(key))
			put_labelled(out, f->name, f->label, key,
				     json_number_value(n));
	}
}

/* What is unknown, or not of this role, does not show. */
static void put_family(FILE *out, const struct family *f, const json_t *answer)
{
	json_t *object = NULL;

	if (f->object)
		object = json_object_get(answer, f->object);
	if (!f->key && json_object_size(object)) {
		put_all(out, f, object);
	} else if (f->key) {
		const json_t *from = f->object ? object : answer;

		if (!json_is_number(json_object_get(from, f->key)))
			return;
		put_head(out, f->name, f->type, f->help);
		fprintf(out, "%s %.15g\n", f->name,
			get_number(from, f->key, 0));
	}
}

void show_metrics(FILE *out, const json_t *answer)
{
	put_info(out, answer);
	put_state(out, answer);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		put_family(out, &families[i], answer);
	put_reasons(out, answer);
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
		show_metrics(stdout, a.object);
	answer_free(&a);
	return CTL_GOOD;
}
