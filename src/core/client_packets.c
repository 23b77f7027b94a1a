/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of a client: whose business each is, from either side. What becomes
 * of the address is client.c's; what is judged of peers' packets receive.c's,
 * and how peers are reached contact.c's. Numbers in comments are those of
 * doc/conformance.md.
 */
#include "client.h"

#include "contact.h"
#include "dormant.h"
#include "lease.h"
#include "receive.h"
#include "search.h"

static enum reason on_advertisement(struct client *c, struct qualify *q,
				    const struct frame *f,
				    const struct datagram *d, uint64_t now,
				    struct outbox *out)
{
	enum qualify_event event;
	enum reason why;

	if (f->has_origin && client_is_server(c, f->origin))
		return REASON_RA_INVALID; /* we are no server */
	why = qualify_input(q, f, d->from, now, out, &event);

	if (q == &c->qualify)
		client_event(c, event, now, out);
	else
		search_event(c, event, now);
	client_publish(c);
	return why;
}

enum reason client_from_ip4(struct client *c, const struct datagram *d,
			    uint64_t now, struct outbox *out)
{
	bool is_probe = d->door == DOOR_PROBE;
	struct trailers with;
	struct frame f;
	enum reason why = frame_parse(&f, d->data, d->len);

	if (why == REASON_NONE)
		why = trailers_parse(&with, f.tail, f.tail_len); /* X3 */
	if (why != REASON_NONE)
		return why;
	if (d->door == DOOR_DISCOVERY)
		return discovery_input(c, &f, d->from, now, out);
	if (frame_is_advertisement(&f) && d->door >= DOOR_RANDOM)
		return randport_advertised(c, &f, d, out);
	if (frame_is_advertisement(&f))
		return on_advertisement(
			c, is_probe ? &c->search.qualify : &c->qualify, &f, d,
			now, out);
	if (is_probe) {
		why = search_input(c, &f, d->from, now, out);
		client_publish(c);
		return why;
	}
	return client_has_address(c)
		       ? receive_service(c, &f, &with, d, now, out)
		       : REASON_NOT_QUALIFIED;
}

/* C41, C42, C50, C81. */
enum reason client_from_ip6(struct client *c, const uint8_t *p, uint16_t len,
			    uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = (const void *)p;
	enum reason why = ip6_check(p, len);
	struct recent_peer *e;
	uint32_t i;
	int own;

	if (why != REASON_NONE)
		return why;
	if (!client_has_address(c))
		return REASON_NOT_QUALIFIED; /* C5 */
	own = client_own(c, &ip->src);
	if (own < 0)
		return REASON_BAD_SOURCE;
	if (!ip6_is_global(&ip->dst))
		return REASON_SCOPE;
	if (ip6_is_bubble(ip))
		return REASON_CONTROL; /* ours have limits to keep */
	if (knock_awaits(&c->knock, &ip->dst) && knock_input(c, ip, now, out))
		return REASON_KNOCK;
	if (gate_embeds_self(c->gate, &ip->dst))
		return REASON_LOOP;
	if (len > c->conf.mtu) {
		/* About what is refused there is silence, whatever its size. */
		why = contact_check(c, &ip->dst);
		if (why != REASON_NONE)
			return why;
		contact_complain(c, ICMP6_PACKET_TOO_BIG, 0, p, len, now, out);
		return REASON_TOO_BIG;
	}
	i = recent_find(&c->recent, (unsigned)own, &ip->dst);
	if (i == RECENT_NONE || !contact_is_open(recent_at(&c->recent, i), now))
		return contact_reach(c, (unsigned)own, p, len, now, out);
	e = recent_at(&c->recent, i);
	why = contact_send(e, out, 0, p, len);
	if (why != REASON_NONE)
		return why;
	contact_sent(c, i, now, out);
	dormant_sent(c, e, p, len, now, out);
	return REASON_TO_IPV4;
}

bool client_super_from_ip6(struct client *c, const struct super *s,
			   uint64_t now, struct outbox *out)
{
	const struct wire_ip6 *ip = (const void *)s->p;
	int own = client_has_address(c) ? client_own(c, &ip->src) : -1;
	uint32_t i;

	if (own < 0 || !ip6_is_global(&ip->dst) ||
	    gate_embeds_self(c->gate, &ip->dst) ||
	    super_longest(s) > c->conf.mtu)
		return false;
	i = recent_find(&c->recent, (unsigned)own, &ip->dst);
	if (i == RECENT_NONE ||
	    !contact_is_open(recent_at(&c->recent, i), now) ||
	    !contact_send_super(recent_at(&c->recent, i), out, s))
		return false;
	contact_sent(c, i, now, out);
	recent_at(&c->recent, i)->sought = true;
	dormant_carried(c, WAKER_HOST, now, out);
	return true;
}

/* Who has an entry that is good for both ways now, and is on the Internet. */
bool client_lease(const struct client *c, struct lease *l, uint64_t now)
{
	bool up = l->way == LEASE_UP;
	int own = client_own(c, up ? &l->dst : &l->src);
	const struct recent_peer *e;
	uint32_t i;

	if (!client_has_address(c) || own < 0)
		return false;
	i = recent_find(&c->recent, (unsigned)own, up ? &l->src : &l->dst);
	if (i == RECENT_NONE)
		return false;
	e = recent_at(&c->recent, i);
	if (!contact_is_open(e, now) || e->is_lan ||
	    client_is_server(c, e->tuple))
		return false;
	l->tuple = e->tuple;
	l->door = (enum door)e->door;
	l->mtu = c->conf.mtu;
	l->until = lease_end(now, e->heard + PEER_VALID_S * NS_PER_S);
	return true;
}
