/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A NAT with one host behind it. A mapping belongs to an inside tuple, and
 * behind a symmetric NAT to a remote tuple too. It remembers whom it has sent
 * to, which is what the kinds filter by, and ends after a time without use.
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

static uint16_t choose_port(const struct nat *n, struct world *w, uint16_t want)
{
	uint16_t port = want;

	if (n->preserve && port_is_free(n, port, w->now))
		return port;
	do
		port = (uint16_t)(1024 + sim_below(w, 60000));
	while (!port_is_free(n, port, w->now) || port == want);
	return port;
}

static struct nat_mapping *find(struct nat *n, struct tuple inside,
				struct tuple remote, uint64_t now)
{
	for (int i = 0; i < NAT_MAPPINGS; i++) {
		struct nat_mapping *m = &n->v[i];

		if (is_live(n, m, now) && same(m->inside, inside) &&
		    (n->kind != NAT_SYMMETRIC || same(m->remote, remote)))
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

static bool was_sent_to(const struct nat_mapping *m, struct tuple t, bool port)
{
	for (unsigned i = 0; i < m->n_sent && i < NAT_FILTERS; i++) {
		if (m->sent[i].ip == t.ip &&
		    (!port || m->sent[i].port == t.port))
			return true;
	}
	return false;
}

bool nat_out(struct nat *n, struct world *w, struct tuple *from,
	     struct tuple to)
{
	struct nat_mapping *m = find(n, *from, to, w->now);

	if (to.ip == n->ip)
		return false; /* no hairpin */
	if (!m) {
		m = oldest(n);
		*m = (struct nat_mapping){.inside = *from, .remote = to};
		m->port = choose_port(n, w, from->port);
	}
	m->used = w->now;
	if (!was_sent_to(m, to, true))
		m->sent[m->n_sent++ % NAT_FILTERS] = to;
	*from = (struct tuple){n->ip, m->port};
	return true;
}

static bool lets_in(const struct nat *n, const struct nat_mapping *m,
		    struct tuple from)
{
	switch (n->kind) {
	case NAT_NONE:
	case NAT_FULL_CONE:
		return true;
	case NAT_RESTRICTED:
		return was_sent_to(m, from, false);
	case NAT_PORT_RESTRICTED:
	case NAT_SYMMETRIC:
	case NAT_KINDS:
		break;
	}
	return was_sent_to(m, from, true);
}

bool nat_in(struct nat *n, struct world *w, struct tuple from, struct tuple *to)
{
	for (int i = 0; i < NAT_MAPPINGS; i++) {
		struct nat_mapping *m = &n->v[i];

		if (is_live(n, m, w->now) && m->port == to->port) {
			*to = m->inside;
			return lets_in(n, m, from);
		}
	}
	return false;
}

void nat_rebind(struct nat *n, uint32_t ip)
{
	for (int i = 0; i < NAT_MAPPINGS; i++)
		n->v[i] = (struct nat_mapping){0};
	n->ip = ip;
}
