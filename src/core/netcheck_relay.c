/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is there a relay for a native host (4380 §5.2.9)? An echo request leaves by
 * way of the server; the host's answer comes by way of the relay next to it,
 * which may ask us by a bubble first. One more echo request goes to the relay
 * itself, for the round trip.
 */
#include <string.h>

#include "csum.h"
#include "netcheck_nat.h"
#include "ratelim.h"

enum {
	ECHOS = 3,
	BUBBLES_TO_RELAYS = 4, /* nobody makes us send more */
	ECHO_MS = 1000,
	DIRECT_MS = 600,
};

/* 4443 §4.1. The sequence number is 0 for the way by the server. */
static void send_echo(struct netcheck *n, struct tuple to, uint16_t seq,
		      struct outbox *out)
{
	struct netcheck_relay *r = &n->relay;
	struct wire_ip6 *ip = (void *)outbox_head(out);
	struct wire_icmp6 *echo = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*echo) + sizeof(r->nonce), NEXT_ICMPV6,
		     BUBBLE_HOPS, &r->own, &n->conf.host);
	*echo = (struct wire_icmp6){.type = ICMP6_ECHO_REQUEST};
	put16(echo->body + 2, seq);
	memcpy(echo + 1, r->nonce, sizeof(r->nonce));
	put16(echo->csum, csum_ip6(ip, NEXT_ICMPV6));
	(void)outbox_udp(out, NETCHECK_MAIN, to,
			 sizeof(*ip) + sizeof(*echo) + sizeof(r->nonce), NULL,
			 0);
}

static void begin(struct netcheck *n, int server, uint64_t now)
{
	struct netcheck_relay *r = &n->relay;
	const struct netcheck_server *s = &n->v[server];
	const struct teredo t = {.prefix = n->conf.prefix,
				 .server = s->ip[0],
				 .flags = n->flags,
				 .client = s->ask[0].seen};

	r->server = (unsigned)server;
	put32(r->nonce, rng_u32(&n->rng));
	put32(r->nonce + 4, rng_u32(&n->rng));
	teredo_pack(&r->own, &t);
	r->first = now;
	r->echo = (struct netcheck_probe){.on = true, .due = now};
}

bool netcheck_relay_timeout(struct netcheck *n, uint64_t now,
			    struct outbox *out)
{
	struct netcheck_relay *r = &n->relay;
	struct tuple server = {0, TEREDO_PORT};

	if (!n->conf.with_relay)
		return true;
	if (!r->echo.on) {
		int best = netcheck_best(n);

		if (!n->servers_done)
			return false;
		if (best < 0)
			return true;
		begin(n, best, now);
	}
	server.ip = n->v[r->server].ip[0];
	if (netcheck_probe_due(&r->echo, ECHOS, ECHO_MS * NS_PER_MS, now))
		send_echo(n, server, 0, out);
	if (netcheck_probe_due(&r->direct, NETCHECK_DIRECT,
			       DIRECT_MS * NS_PER_MS, now)) {
		r->sent[r->direct.tries] = now;
		send_echo(n, r->at, (uint16_t)r->direct.tries, out);
	}
	return r->echo.done && (!r->direct.on || r->direct.done);
}

/* Answer a relay that asks by way of our server (4380 §5.2.3, A8). */
static bool on_bubble(struct netcheck *n, const struct datagram *d,
		      const struct frame *f, struct outbox *out)
{
	struct netcheck_relay *r = &n->relay;
	struct trailers with;
	size_t len;

	if (!f->has_origin || d->from.port != TEREDO_PORT ||
	    d->from.ip != n->v[r->server].ip[0] ||
	    ip6_is_teredo(&f->ip->src, n->conf.prefix) ||
	    trailers_parse(&with, f->tail, f->tail_len) != REASON_NONE)
		return false;
	if (r->answers == BUBBLES_TO_RELAYS || r->echo.done)
		return true;
	r->answers++;
	with = (struct trailers){.nonce = with.nonce};
	len = wire_put_bubble(outbox_head(out), &r->own, &f->ip->src,
			      BUBBLE_HOPS, &with);
	(void)outbox_udp(out, NETCHECK_MAIN, f->origin, len, NULL, 0);
	return true;
}

/* Is it the host's answer to our request? 4443 §4.2. */
static bool is_answer(const struct netcheck *n, const struct frame *f)
{
	const struct netcheck_relay *r = &n->relay;
	const uint8_t *p = ip6_payload(f->ip);

	return ip6_icmp_type(f->ip) == ICMP6_ECHO_REPLY &&
	       f->len == IP6_LEN + 8 + sizeof(r->nonce) && p[1] == 0 &&
	       ip6_equal(&f->ip->src, &n->conf.host) &&
	       memcmp(p + 8, r->nonce, sizeof(r->nonce)) == 0 &&
	       csum_ip6(f->ip, NEXT_ICMPV6) == 0;
}

static void on_answer(struct netcheck *n, const struct datagram *d,
		      const struct frame *f, uint64_t now)
{
	struct netcheck_relay *r = &n->relay;
	uint16_t seq = be16(ip6_payload(f->ip) + 6);

	if (!r->at.port && seq == 0) {
		r->at = d->from;
		r->found = now - r->first;
		r->echo.heard = r->echo.done = true;
		r->direct = (struct netcheck_probe){.on = true, .due = now};
	} else if (seq > 0 && seq <= r->direct.tries && !r->direct.heard &&
		   tuple_equal(d->from, r->at)) {
		r->rtt = now - r->sent[seq];
		r->direct.heard = r->direct.done = true;
	}
}

bool netcheck_relay_input(struct netcheck *n, const struct datagram *d,
			  const struct frame *f, uint64_t now,
			  struct outbox *out)
{
	const struct netcheck_relay *r = &n->relay;

	if (!r->echo.on || d->door != NETCHECK_MAIN || f->has_auth ||
	    !ip6_equal(&f->ip->dst, &r->own))
		return false;
	if (ip6_is_bubble(f->ip))
		return on_bubble(n, d, f, out);
	if (!is_answer(n, f))
		return false;
	on_answer(n, d, f, now);
	return true;
}
