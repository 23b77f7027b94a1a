/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lease.h"

#include <string.h>

#include "decap.h"

static unsigned slot(const struct leases *ls, enum lease_way way,
		     const struct ip6 *src, const struct ip6 *dst)
{
	struct ip6 both[2] = {*src, *dst};

	return (hash_bytes(&ls->key, both, sizeof(both)) + way) % LEASES;
}

void lease_put(struct leases *ls, const struct lease *l)
{
	ls->v[slot(ls, l->way, &l->src, &l->dst)] = *l;
}

bool lease_wanted(const struct leases *ls, enum lease_way way,
		  const struct wire_ip6 *ip, uint32_t epoch, uint64_t now)
{
	const struct lease *l = &ls->v[slot(ls, way, &ip->src, &ip->dst)];

	return now >= l->until || l->epoch != epoch;
}

static const struct lease *find(const struct leases *ls, enum lease_way way,
				const struct wire_ip6 *ip, uint32_t epoch,
				uint64_t now)
{
	const struct lease *l = &ls->v[slot(ls, way, &ip->src, &ip->dst)];

	if (now >= l->until || l->epoch != epoch || l->way != way ||
	    !ip6_equal(&l->src, &ip->src) || !ip6_equal(&l->dst, &ip->dst))
		return NULL;
	return l;
}

/* The packet in d, if there is a lease for it; model: one that had. */
static const struct wire_ip6 *leased(const struct leases *ls,
				     const struct datagram *d,
				     const struct wire_ip6 *model,
				     uint32_t epoch, uint64_t now)
{
	const struct wire_ip6 *ip = train_plain(d);
	const struct lease *l;

	if (!ip || (model && train_alike(model, ip)))
		return ip;
	l = find(ls, LEASE_UP, ip, epoch, now);
	if (!l || l->door != d->door || !tuple_equal(l->tuple, d->from))
		return NULL;
	return ip;
}

bool lease_train(const struct leases *ls, struct train *t, uint32_t epoch,
		 uint64_t now, struct stats *stats, struct outbox *out)
{
	const struct wire_ip6 *model = NULL;
	struct datagram d;

	while (outbox_has_room(out) && train_next(t, &d)) {
		struct frame f = {.len = d.len};

		model = leased(ls, &d, model, epoch, now);
		if (!model) {
			t->taken--;
			return false;
		}
		f.ip = model;
		stats_count(stats, decapsulate(&f, d.ecn, out));
	}
	return train_ended(t);
}

/* A plain packet, or a super-packet of such. */
static bool is_plain(const struct super *s)
{
	const struct wire_ip6 *ip = (const void *)s->p;

	return ip6_check(s->p, s->len) == REASON_NONE &&
	       (ip->next == NEXT_TCP || ip->next == NEXT_UDP);
}

bool lease_packet(const struct leases *ls, const struct super *s,
		  uint32_t epoch, uint64_t now, struct stats *stats,
		  struct outbox *out)
{
	const struct lease *l;

	if (!outbox_has_room(out) || !is_plain(s))
		return false;
	l = find(ls, LEASE_DOWN, (const void *)s->p, epoch, now);
	if (!l || super_longest(s) > l->mtu)
		return false;
	outbox_leased(out, l->door, l->tuple, s);
	stats_add(stats, REASON_TO_IPV4, super_count(s));
	return true;
}
