/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See mire.h. Numbers in comments are those of doc/conformance.md. */
#include "mire.h"

#include <string.h>

#include "csum.h"

/* Whatever the prefix, for labs have others. */
static bool is_own(const struct mire *m, const struct ip6 *a)
{
	struct teredo t;

	teredo_unpack(&t, a);
	return !ip6_is_multicast(a) && !ip6_is_link_local(a) &&
	       t.client.port == m->port;
}

/*
 * A client sends from the address that its own says (the port is another behind
 * a symmetric NAT), a relay's bubble may have a link-local source (A51), all
 * others are native.
 */
static enum reason check_source(const struct mire *m, const struct datagram *d,
				const struct frame *f)
{
	const struct ip6 *src = &f->ip->src;
	struct teredo t;

	if (ip6_is_teredo(src, m->gate->prefix)) {
		teredo_unpack(&t, src);
		return t.client.ip == d->from.ip ? REASON_NONE
						 : REASON_MISMATCH;
	}
	if (ip6_is_bubble(f->ip) && ip6_is_link_local(src))
		return REASON_NONE;
	return gate_native_source(m->gate, src);
}

/*
 * Not to a server: what goes there, it might pass on. With the nonce of the
 * question (6081 §4.2), if it had one, and no other trailer.
 */
static enum reason answer_bubble(const struct datagram *d,
				 const struct frame *f, struct outbox *out)
{
	struct trailers with;
	enum reason r;
	size_t n;

	if (!ip6_is_bubble(f->ip) || d->from.port == TEREDO_PORT)
		return REASON_CONTROL;
	r = trailers_parse(&with, f->tail, f->tail_len);
	if (r != REASON_NONE)
		return r;
	with = (struct trailers){.nonce = with.nonce};
	n = wire_put_bubble(outbox_head(out), &f->ip->dst, &f->ip->src,
			    BUBBLE_HOPS, &with);
	r = outbox_udp(out, DOOR_SERVICE, d->from, n, NULL, 0);
	return r == REASON_NONE ? REASON_BUBBLE : r;
}

/* 4443 §4.2 */
static enum reason answer_echo(const struct datagram *d, const struct frame *f,
			       struct outbox *out)
{
	struct wire_ip6 *ip = (void *)outbox_head(out);
	struct wire_icmp6 *echo = (void *)(ip + 1);
	enum reason r;

	if (ip6_icmp_type(f->ip) != ICMP6_ECHO_REQUEST ||
	    csum_ip6(f->ip, NEXT_ICMPV6) != 0)
		return REASON_CONTROL;
	memcpy(ip, f->ip, f->len);
	wire_put_ip6(ip, ip6_payload_len(f->ip), NEXT_ICMPV6, BUBBLE_HOPS,
		     &f->ip->dst, &f->ip->src);
	echo->type = ICMP6_ECHO_REPLY;
	put16(echo->csum, 0);
	put16(echo->csum, csum_ip6(ip, NEXT_ICMPV6));
	r = outbox_udp(out, DOOR_SERVICE, d->from, f->len, NULL, 0);
	return r == REASON_NONE ? REASON_ECHO : r;
}

enum reason mire_input(const struct mire *m, const struct datagram *d,
		       struct outbox *out)
{
	enum reason r = gate_source(m->gate, d->from);
	struct frame f;

	if (r == REASON_NONE)
		r = frame_parse(&f, d->data, d->len);
	if (r != REASON_NONE)
		return r;
	if (f.has_auth || f.has_origin)
		return REASON_FORGED_BLOCK;
	if (!is_own(m, &f.ip->dst))
		return REASON_NOT_OURS;
	r = check_source(m, d, &f);
	if (r != REASON_NONE)
		return r;
	return d->door == DOOR_PRIMARY ? answer_bubble(d, &f, out)
				       : answer_echo(d, &f, out);
}
