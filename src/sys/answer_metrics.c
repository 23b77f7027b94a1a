/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All numbers (see answer.h); miredoctl makes metrics of them. */
#include "answer.h"

#include "answer_parts.h"

static void put_reasons(struct json *j, const struct stats *n)
{
	json_open(j, "reasons", '{');
	for (int r = REASON_HELD + 1; r < REASON_COUNT; r++)
		json_number(j, reason_name((enum reason)r), n->n[r]);
	json_close(j, '}');
}

static void put_bytes(struct json *j, const struct show *s)
{
	struct meter_count in = {0}, out = {0};

	board_totals(s->board, s->plan->threads, &in, &out);
	json_open(j, "bytes", '{');
	json_number(j, "to_ipv4", out.bytes);
	json_number(j, "to_ipv6", in.bytes);
	json_close(j, '}');
}

static void put_client_numbers(struct json *j, const struct view *v)
{
	const struct facts *f = &v->facts;
	uint64_t age = f->heard < v->now ? v->now - f->heard : 0;

	if (!f->is_client) {
		json_none(j, "client");
		return;
	}
	json_open(j, "client", '{');
	put_duration(j, "server_rtt", f->rtt);
	if (f->heard)
		json_number(j, "last_answer_timestamp",
			    (uint64_t)v->clock - age / NS_PER_S);
	else
		json_none(j, "last_answer_timestamp");
	json_number(j, "solicitations", f->asked);
	put_inbound(j, f);
	put_mapping(j, f);
	json_close(j, '}');
}

/* Of the roles of this process. */
static unsigned roles_of(const struct node_conf *n)
{
	return (n->is_server ? LEDGER_SERVER : 0u) |
	       (n->is_relay ? LEDGER_RELAY : 0u) |
	       (n->is_client ? LEDGER_CLIENT : 0u);
}

/* Some lines of a family are reasons. */
static const struct {
	struct ledger_words words;
	enum reason reason;
} others[] = {
#define X(family, name, reason, roles)                                         \
	{{name, LEDGER_FAMILY_##family, roles}, REASON_##reason},
	LEDGER_REASONS(X)
#undef X
};

struct family_part {
	struct json *j;
	enum ledger_family family;
	unsigned roles;
	bool is_open;
};

static void put_line(struct family_part *p, const struct ledger_words *w,
		     uint64_t n)
{
	if (w->family != p->family || !(w->roles & p->roles))
		return;
	if (!p->is_open)
		json_open(p->j, ledger_family_name(p->family), '{');
	p->is_open = true;
	json_number(p->j, w->name, n);
}

/* What no role of this process has is null. */
static void put_family(struct json *j, enum ledger_family f, unsigned roles,
		       const struct ledger *l, const struct stats *n)
{
	struct family_part p = {j, f, roles, false};

	for (int i = 0; i < LEDGER_COUNT; i++)
		put_line(&p, ledger_words((enum ledger_line)i), l->n[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		put_line(&p, &others[i].words, n->n[others[i].reason]);
	if (p.is_open)
		json_close(j, '}');
	else
		json_none(j, ledger_family_name(f));
}

/* As histograms are in Prometheus: each bucket has those before it, too. */
static void put_waits(struct json *j, unsigned roles, const struct ledger *l)
{
	uint64_t sum = 0;

	if (!(roles & LEDGER_PEERS)) {
		json_none(j, "connection_setup");
		return;
	}
	json_open(j, "connection_setup", '{');
	json_open(j, "buckets", '[');
	for (int i = 0; i < LEDGER_WAITS - 1; i++) {
		sum += l->waits[i];
		json_open(j, NULL, '{');
		json_seconds(j, "le", ledger_bound_ms[i] * NS_PER_MS);
		json_number(j, "count", sum);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_number(j, "count", sum + l->waits[LEDGER_WAITS - 1]);
	json_seconds(j, "sum", l->waited_ns);
	json_close(j, '}');
}

static void put_ledger(struct json *j, const struct show *s,
		       const struct stats *n)
{
	unsigned roles = roles_of(&s->plan->node);
	struct ledger l = {0};

	board_ledger(s->board, &l);
	for (int f = 0; f < LEDGER_FAMILY_COUNT; f++)
		put_family(j, (enum ledger_family)f, roles, &l, n);
	put_waits(j, roles, &l);
}

void answer_metrics(struct json *j, const struct show *s)
{
	struct stats n = {0};
	struct view v;

	view_take(&v, s);
	board_stats(s->board, s->plan->threads, &n);
	answer_begin(j);
	put_daemon(j, s, &v);
	put_verdict(j, s, &v);
	put_reasons(j, &n);
	put_packets(j, s, &n);
	put_bytes(j, s);
	put_ledger(j, s, &n);
	if (v.facts.is_client)
		put_client_peers(j, s, &v.facts);
	else if (v.facts.is_relay)
		put_relay_peers(j, s, &v.facts);
	else
		json_none(j, "peers");
	put_client_numbers(j, &v);
	put_settings(j, s->settings, &v);
	json_close(j, '}');
}
