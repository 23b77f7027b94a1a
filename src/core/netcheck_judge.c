/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follows from what was seen; see netcheck.h. */
#include <string.h>

#include "netcheck_nat.h"

/* Indexed by the enums. */
static const char *const verdict_names[] = {
#define X(id, name, text) name,
	NETCHECK_VERDICTS(X)
#undef X
};

static const char *const verdict_texts[] = {
#define X(id, name, text) text,
	NETCHECK_VERDICTS(X)
#undef X
};

static const struct {
	const char *name, *text, *advice;
} reasons[] = {
#define X(id, name, text, advice) {name, text, advice},
	NETCHECK_REASONS(X)
#undef X
};

const char *netcheck_verdict_name(enum netcheck_verdict v)
{
	return verdict_names[v];
}

const char *netcheck_verdict_text(enum netcheck_verdict v)
{
	return verdict_texts[v];
}

const char *netcheck_reason_name(enum netcheck_reason r)
{
	return reasons[r].name;
}

const char *netcheck_reason_text(enum netcheck_reason r)
{
	return reasons[r].text;
}

const char *netcheck_reason_advice(enum netcheck_reason r)
{
	return reasons[r].advice;
}

const char *netcheck_behaviour_name(enum netcheck_behaviour b)
{
	static const char *const names[] = {
		[BEHAVIOUR_UNKNOWN] = "unknown",
		[BEHAVIOUR_NONE] = "none",
		[BEHAVIOUR_INDEPENDENT] = "endpoint-independent",
		[BEHAVIOUR_ADDRESS] = "address-dependent",
		[BEHAVIOUR_ADDRESS_PORT] = "address-and-port-dependent",
		[BEHAVIOUR_DEPENDENT] = "address-and-maybe-port-dependent",
	};

	return names[b];
}

uint64_t netcheck_rtt(const struct netcheck_ask *a)
{
	uint64_t v[NETCHECK_ASKS];

	for (unsigned i = 0; i < a->n_heard; i++) {
		unsigned at = i;

		for (; at > 0 && v[at - 1] > a->rtt[i]; at--)
			v[at] = v[at - 1];
		v[at] = a->rtt[i];
	}
	return a->n_heard ? v[(a->n_heard - 1) / 2] : 0;
}

/* --- mapping --- */

/* The answers to MAIN, one for each address of each server. */
struct sight {
	unsigned server;
	uint32_t ip;
	struct tuple seen;
};

static unsigned sights(const struct netcheck *n,
		       struct sight v[static 2 * NETCHECK_SERVERS])
{
	unsigned k = 0;

	for (unsigned i = 0; i < n->n; i++) {
		for (int j = 0; j < 2; j++) {
			const struct netcheck_ask *a = &n->v[i].ask[j];

			if (a->n_heard)
				v[k++] = (struct sight){i, a->ip, a->seen};
		}
	}
	return k;
}

struct tuple netcheck_agreed(const struct netcheck *n)
{
	struct sight v[2 * NETCHECK_SERVERS];
	unsigned k = sights(n, v);

	for (unsigned i = 0; i < k; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (v[i].server != v[j].server && v[i].ip != v[j].ip &&
			    tuple_equal(v[i].seen, v[j].seen))
				return v[i].seen;
		}
	}
	return (struct tuple){0, 0};
}

/*
 * If some say the same and others do not, and no two servers agree, somebody
 * is wrong and nobody knows who.
 */
static enum netcheck_behaviour mapping(const struct netcheck *n)
{
	struct sight v[2 * NETCHECK_SERVERS];
	unsigned k = sights(n, v), pairs = 0, same = 0;

	if (k && !netcheck_is_translated(n))
		return BEHAVIOUR_NONE;
	for (unsigned i = 0; i < k; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (v[i].ip == v[j].ip)
				continue;
			pairs++;
			same += tuple_equal(v[i].seen, v[j].seen);
		}
	}
	if (pairs == 0)
		return BEHAVIOUR_UNKNOWN;
	if (same == pairs || netcheck_agreed(n).port)
		return BEHAVIOUR_INDEPENDENT;
	return same ? BEHAVIOUR_UNKNOWN : BEHAVIOUR_DEPENDENT;
}

/* Of each socket, by the first that it asked. */
static enum tri preserves(const struct netcheck *n)
{
	struct sight v[2 * NETCHECK_SERVERS];
	unsigned k = sights(n, v);
	bool main = false;

	if (k == 0)
		return TRI_UNKNOWN;
	for (unsigned i = 0; i < k; i++)
		main |= v[i].seen.port == n->local[NETCHECK_MAIN].port;
	if (n->fresh.n_heard &&
	    n->fresh.seen.port != n->local[NETCHECK_FRESH].port)
		main = false;
	if (n->third.n_heard &&
	    n->third.seen.port != n->local[NETCHECK_THIRD].port)
		main = false;
	return main ? TRI_YES : TRI_NO;
}

/* --- filtering and hairpin --- */

/* Whether ports count is seen where packets come back from the NAT itself. */
static enum netcheck_behaviour filtering(const struct netcheck *n)
{
	if (n->filter.heard)
		return BEHAVIOUR_INDEPENDENT;
	if (!n->filter.done || !n->v[n->via].control.heard)
		return BEHAVIOUR_UNKNOWN;
	if (n->hairpin[0].heard)
		return BEHAVIOUR_DEPENDENT;
	if (n->hairpin[1].heard)
		return BEHAVIOUR_ADDRESS;
	return n->hairpin[2].heard ? BEHAVIOUR_ADDRESS_PORT
				   : BEHAVIOUR_DEPENDENT;
}

/*
 * What is mapped by destination comes from a port that nobody was told, and
 * may be dropped for that.
 */
static enum tri hairpin(const struct netcheck *n, enum netcheck_behaviour map)
{
	for (int i = 0; i < NETCHECK_HAIRPINS; i++) {
		if (n->hairpin[i].heard)
			return TRI_YES;
	}
	return n->hairpin[NETCHECK_HAIRPINS - 1].done &&
			       map == BEHAVIOUR_INDEPENDENT
		       ? TRI_NO
		       : TRI_UNKNOWN;
}

const char *netcheck_windows(const struct netcheck_findings *f)
{
	static const char *const names[][3] = {
		{"restricted", "restricted (port)",
		 "restricted or restricted (port)"},
		{"symmetric", "symmetric (port)",
		 "symmetric or symmetric (port)"},
	};
	bool symmetric = f->mapping == BEHAVIOUR_DEPENDENT;

	if (f->mapping == BEHAVIOUR_NONE)
		return "none";
	if (f->mapping == BEHAVIOUR_UNKNOWN)
		return "unknown";
	switch (f->filtering) {
	case BEHAVIOUR_INDEPENDENT:
		return symmetric ? "symmetric" : "cone";
	case BEHAVIOUR_ADDRESS:
		return names[symmetric][0];
	case BEHAVIOUR_ADDRESS_PORT:
		return names[symmetric][1];
	case BEHAVIOUR_DEPENDENT:
		return names[symmetric][2];
	case BEHAVIOUR_UNKNOWN:
	case BEHAVIOUR_NONE:
		break;
	}
	return symmetric ? names[1][2] : "unknown";
}

/* 6081 §3.1: with nonces, one side may be symmetric if the other's filter does
 * not look at ports; or if its ports can be foreseen (§3.3, §3.4). */
const char *netcheck_reaches(const struct netcheck_findings *f)
{
	static const char foreseen[] =
		"peers behind any NAT, but of symmetric ones only those that "
		"keep or count ports";
	bool any_port = f->filtering == BEHAVIOUR_INDEPENDENT ||
			f->filtering == BEHAVIOUR_ADDRESS;

	if (!f->good)
		return "no peers";
	switch (f->mapping) {
	case BEHAVIOUR_NONE:
	case BEHAVIOUR_INDEPENDENT:
		if (any_port)
			return "peers behind any NAT";
		if (f->filtering == BEHAVIOUR_ADDRESS_PORT)
			return foreseen;
		return "peers behind any NAT; whether also a symmetric one, "
		       "is not known";
	case BEHAVIOUR_ADDRESS:
	case BEHAVIOUR_ADDRESS_PORT:
	case BEHAVIOUR_DEPENDENT:
		if (f->preserves_port == TRI_YES)
			return foreseen;
		return "peers without a NAT, behind a cone or a restricted "
		       "one; behind one that is restricted by port only if "
		       "this NAT counts ports; not behind a symmetric one";
	case BEHAVIOUR_UNKNOWN:
		break;
	}
	return "not known";
}

/* --- servers --- */

/* Of an address that has not answered as it should. */
static enum netcheck_verdict why_not(const struct netcheck_ask *a,
				     bool is_alive)
{
	if (a->wrong_prefix)
		return CHECKED_WRONG_PREFIX;
	if (a->private_mapping)
		return CHECKED_PRIVATE_MAPPING;
	if (a->wrong_nonce)
		return CHECKED_WRONG_NONCE;
	if (a->nonsense)
		return CHECKED_NONSENSE;
	if (a->icmp.refused)
		return CHECKED_REFUSED;
	if (a->icmp.blocked)
		return CHECKED_BLOCKED;
	if (a->icmp.unreachable)
		return CHECKED_UNREACHABLE;
	return is_alive ? CHECKED_FILTERED : CHECKED_SILENT;
}

static bool says_something(enum netcheck_verdict v)
{
	return v == CHECKED_WRONG_PREFIX || v == CHECKED_PRIVATE_MAPPING ||
	       v == CHECKED_WRONG_NONCE || v == CHECKED_NONSENSE;
}

static enum netcheck_verdict judge_server(const struct netcheck *n, unsigned i)
{
	const struct netcheck_server *s = &n->v[i];
	const struct netcheck_ask *a = s->ask;
	struct tuple at = netcheck_agreed(n);
	enum netcheck_verdict other;

	if (s->fixed != CHECKED_COUNT)
		return s->fixed;
	if (n->no_route || n->refused_here)
		return CHECKED_NOT_ASKED;
	if (a[0].n_heard == 0) {
		other = why_not(&a[0], s->is_alive);
		return a[1].n_heard && !says_something(other)
			       ? CHECKED_FIRST_SILENT
			       : other;
	}
	if (a[1].n_heard == 0) {
		other = why_not(&a[1], false);
		return says_something(other) ? other : CHECKED_SECONDARY_SILENT;
	}
	if (at.port &&
	    (!tuple_equal(a[0].seen, at) || !tuple_equal(a[1].seen, at)))
		return CHECKED_ODD_MAPPING;
	return s->control.done && !s->control.heard ? CHECKED_NO_BUBBLES
						    : CHECKED_GOOD;
}

/* Both ways count. */
static uint64_t distance(const struct netcheck *n, unsigned i)
{
	return netcheck_rtt(&n->v[i].ask[0]) + netcheck_rtt(&n->v[i].ask[1]);
}

int netcheck_best(const struct netcheck *n)
{
	int best = -1;

	for (unsigned i = 0; i < n->n; i++) {
		if (judge_server(n, i) == CHECKED_GOOD &&
		    (best < 0 || distance(n, i) < distance(n, (unsigned)best)))
			best = (int)i;
	}
	return best;
}

static void rank(const struct netcheck *n, struct netcheck_findings *f)
{
	for (unsigned i = 0; i < n->n; i++) {
		if (f->server[i].verdict != CHECKED_GOOD)
			continue;
		f->server[i].rank = 1;
		for (unsigned j = 0; j < n->n; j++) {
			uint64_t a = distance(n, i), b = distance(n, j);

			if (f->server[j].verdict == CHECKED_GOOD &&
			    (b < a || (b == a && j < i)))
				f->server[i].rank++;
		}
		if (f->server[i].rank == 1)
			f->best = (int)i;
	}
}

/* --- the network --- */

/* What all addresses of all servers have seen, together. */
struct sum {
	bool asked, heard, wrong, refused, blocked, alive, other_blocked;
	uint32_t by;
};

static void add_ask(struct sum *sum, const struct netcheck_ask *a)
{
	sum->asked |= a->n_sent > 0;
	sum->heard |= a->n_heard > 0;
	sum->wrong |= says_something(why_not(a, false));
	sum->refused |= a->icmp.refused;
	sum->blocked |= a->icmp.blocked;
	if (a->icmp.blocked)
		sum->by = a->icmp.by;
}

static struct sum add_up(const struct netcheck *n)
{
	struct sum sum = {0};

	for (unsigned i = 0; i < n->n; i++) {
		add_ask(&sum, &n->v[i].ask[0]);
		add_ask(&sum, &n->v[i].ask[1]);
		sum.alive |= n->v[i].is_alive;
		sum.other_blocked |= n->v[i].other_blocked;
	}
	return sum;
}

/* Something has come back, but no word of a server. */
static enum netcheck_reason why_silent(const struct netcheck *n,
				       const struct sum *sum)
{
	if (sum->refused)
		return NETCHECK_NO_GOOD_SERVER;
	if (sum->alive)
		return NETCHECK_PORT_BLOCKED;
	if (sum->blocked && !sum->other_blocked &&
	    n->far_dns_answered == n->far_dns_asked)
		return NETCHECK_PORT_BLOCKED;
	if (sum->blocked)
		return NETCHECK_UDP_BLOCKED;
	if (n->far_dns_answered)
		return NETCHECK_ONLY_DNS;
	return n->far_dns_asked ? NETCHECK_UDP_BLOCKED
				: NETCHECK_NOTHING_ANSWERS;
}

static enum netcheck_reason judge_network(const struct netcheck *n,
					  const struct netcheck_findings *f,
					  const struct sum *sum)
{
	if (f->good)
		return NETCHECK_OK;
	if (sum->heard || sum->wrong)
		return NETCHECK_NO_GOOD_SERVER;
	if (n->no_route)
		return NETCHECK_NO_IPV4;
	if (n->refused_here)
		return NETCHECK_LOCAL_FIREWALL;
	return sum->asked ? why_silent(n, sum) : NETCHECK_NO_SERVER;
}

static void judge_relay(const struct netcheck *n, struct netcheck_findings *f)
{
	const struct netcheck_relay *r = &n->relay;

	if (!r->echo.on)
		return;
	f->relay = r->at.port ? TRI_YES : r->echo.done ? TRI_NO : TRI_UNKNOWN;
	f->relay_at = r->at;
	f->relay_found = r->found;
	f->relay_rtt = r->rtt;
}

void netcheck_judge(const struct netcheck *n, struct netcheck_findings *f)
{
	const struct sum sum = add_up(n);
	struct sight v[2 * NETCHECK_SERVERS];

	*f = (struct netcheck_findings){.best = -1};
	for (unsigned i = 0; i < n->n; i++) {
		f->server[i].verdict = judge_server(n, i);
		for (int k = 0; k < 2; k++)
			f->server[i].rtt[k] = netcheck_rtt(&n->v[i].ask[k]);
		if (n->v[i].control.done)
			f->server[i].bubbles =
				n->v[i].control.heard ? TRI_YES : TRI_NO;
	}
	rank(n, f);
	f->good = f->best >= 0;
	f->blocked_by = sum.by;
	f->mapping = mapping(n);
	f->filtering = filtering(n);
	f->preserves_port = preserves(n);
	f->hairpin = hairpin(n, f->mapping);
	if (f->best >= 0)
		f->mapped = n->v[f->best].ask[0].seen;
	else if (sights(n, v))
		f->mapped = v[0].seen;
	f->reason = judge_network(n, f, &sum);
	judge_relay(n, f);
}

enum netcheck_step netcheck_step(const struct netcheck *n)
{
	if (n->relay.echo.on && !n->relay.echo.done)
		return NETCHECK_SEEKING_RELAY;
	return n->via >= 0 ? NETCHECK_TESTING_NAT : NETCHECK_ASKING;
}
