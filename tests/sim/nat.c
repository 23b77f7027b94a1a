/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A NAT as RFC 4787 takes them apart. A mapping belongs to an inside tuple, and
 * to as much of the remote tuple as the rule says. It remembers whom it has
 * sent to, which is what it filters by, and ends after a time without use.
 */
#include "sim.h"

static bool same(struct tuple a, struct tuple b)
{
	return a.ip == b.ip && a.port == b.port;
}

static bool is_live(const struct nat *n, const struct nat_mapping *m,
		    uint64_t now)
{
	return m->used && now - m->used < n->timeout;
}

static bool port_is_free(const struct nat *n, uint16_t port, uint64_t now)
{
	for (int i = 0; i < NAT_MAPPINGS; i++) {
		if (is_live(n, &n->v[i], now) && n->v[i].port == port)
			return false;
	}
	return true;
}

static uint16_t choose_port(struct nat *n, struct world *w, uint16_t want)
{
	uint16_t port = want;

	if (n->preserve && port_is_free(n, port, w->now))
		return port;
	do {
		if (!n->sequential || n->port < 1024)
			n->port = (uint16_t)(1024 + sim_below(w, 60000));
		port = ++n->port;
	} while (!port_is_free(n, port, w->now) || port == want);
	return port;
}

/* What of a remote tuple a rule looks at. */
static struct tuple part(enum nat_rule rule, struct tuple t)
{
	switch (rule) {
	case NAT_INDEPENDENT:
		return (struct tuple){0, 0};
	case NAT_BY_ADDRESS:
		return (struct tuple){t.ip, 0};
	case NAT_BY_PORT:
	case NAT_RULES:
		break;
	}
	return t;
}

static struct nat_mapping *find(struct nat *n, struct tuple inside,
				struct tuple remote, uint64_t now)
{
	for (int i = 0; i < NAT_MAPPINGS; i++) {
		struct nat_mapping *m = &n->v[i];

		if (is_live(n, m, now) && same(m->inside, inside) &&
		    same(m->remote, part(n->mapping, remote)))
			return m;
	}
	return NULL;
}

static struct nat_mapping *oldest(struct nat *n)
{
	struct nat_mapping *m = &n->v[0];

	for (int i = 1; i < NAT_MAPPINGS; i++) {
		if (n->v[i].used < m->used)
			m = &n->v[i];
	}
	return m;
}

static bool was_sent_to(const struct nat_mapping *m, enum nat_rule rule,
			struct tuple t)
{
	for (unsigned i = 0; i < m->n_sent && i < NAT_FILTERS; i++) {
		if (same(part(rule, m->sent[i]), part(rule, t)))
			return true;
	}
	return false;
}

bool nat_out(struct nat *n, struct world *w, struct tuple *from,
	     struct tuple to)
{
	struct nat_mapping *m = find(n, *from, to, w->now);

	if (n->blocked || (to.ip == n->ip && !n->hairpin))
		return false;
	if (!m) {
		m = oldest(n);
		*m = (struct nat_mapping){.inside = *from,
					  .remote = part(n->mapping, to)};
		m->port = choose_port(n, w, from->port);
	}
	m->used = w->now;
	if (!was_sent_to(m, NAT_BY_PORT, to))
		m->sent[m->n_sent++ % NAT_FILTERS] = to;
	*from = (struct tuple){n->ip, m->port};
	return true;
}

bool nat_in(struct nat *n, struct world *w, struct tuple from, struct tuple *to)
{
	for (int i = 0; i < NAT_MAPPINGS; i++) {
		struct nat_mapping *m = &n->v[i];

		if (n->blocked || !is_live(n, m, w->now) || m->port != to->port)
			continue;
		if (!was_sent_to(m, n->filtering, from))
			return false;
		if (n->refreshed_in)
			m->used = w->now;
		*to = m->inside;
		return true;
	}
	return false;
}

void nat_set_kind(struct nat *n, enum nat_kind kind)
{
	int k = kind == NAT_NONE ? 0 : (int)kind - 1;

	n->mapping = (enum nat_rule)(k / NAT_RULES);
	n->filtering = (enum nat_rule)(k % NAT_RULES);
}

void nat_rebind(struct nat *n, uint32_t ip)
{
	for (int i = 0; i < NAT_MAPPINGS; i++)
		n->v[i] = (struct nat_mapping){0};
	n->ip = ip;
}
