/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking servers; netcheck_nat.c does the rest, netcheck_judge.c draws the
 * conclusions. */
#include "netcheck.h"

#include <string.h>

#include "netcheck_nat.h"
#include "ratelim.h"

enum {
	SENDS_UNHEARD = 3, /* to who has not answered yet */
	FLAGS_RANDOM = 0x3cff,

	/* Milliseconds. */
	WAIT_FIRST_MS = 800,
	WAIT_SECOND_MS = 1000,
	WAIT_LAST_MS = 1700,
	WAIT_AGAIN_MS = 500, /* for one of several answers */
	GAP_MS = 200,        /* after an answer */
	SPREAD_MS = 15,      /* from server to server */
	SERVERS_MS = WAIT_FIRST_MS + WAIT_SECOND_MS + WAIT_LAST_MS,

	CODE_PORT = 3, /* RFC 792 */
	CODE_NET_PROHIBITED = 9,
	CODE_HOST_PROHIBITED = 10,
	CODE_PROHIBITED = 13, /* 1812 §5.2.7.1 */
};

void netcheck_init(struct netcheck *n, const struct netcheck_conf *conf,
		   const struct gate *gate, const struct rng *rng)
{
	*n = (struct netcheck){
		.conf = *conf, .gate = gate, .rng = *rng, .via = -1};
	n->flags = rng_u32(&n->rng) & FLAGS_RANDOM;
}

void netcheck_no_server(struct netcheck *n, enum netcheck_verdict why)
{
	struct netcheck_server *s = &n->v[n->n++];

	assert(n->n <= NETCHECK_SERVERS);
	*s = (struct netcheck_server){.fixed = why};
	s->ask[0].due = s->ask[1].due = UINT64_MAX;
}

void netcheck_server(struct netcheck *n, uint32_t first, uint32_t second)
{
	const uint32_t ip[2] = {first, second};
	struct netcheck_server *s = &n->v[n->n];

	netcheck_no_server(n, CHECKED_COUNT);
	for (int i = 0; i < 2; i++) {
		const struct tuple at = {ip[i], TEREDO_PORT};

		s->ip[i] = ip[i];
		netcheck_ask_start(&s->ask[i], NETCHECK_MAIN, ip[i], first,
				   NETCHECK_RTTS, UINT64_MAX);
		if (gate_target(n->gate, at) != REASON_NONE)
			s->fixed = CHECKED_PRIVATE;
	}
}

void netcheck_ask_start(struct netcheck_ask *a, enum door door, uint32_t ip,
			uint32_t server, unsigned wanted, uint64_t due)
{
	*a = (struct netcheck_ask){.door = door,
				   .ip = ip,
				   .server = server,
				   .wanted = wanted,
				   .due = due};
}

static void link_local_of(const struct netcheck *n, enum door door,
			  struct ip6 *a)
{
	teredo_link_local(a, n->flags, n->local[door]);
}

static uint64_t wait_of(const struct netcheck_ask *a)
{
	if (a->n_heard)
		return WAIT_AGAIN_MS * NS_PER_MS;
	if (a->n_sent == SENDS_UNHEARD)
		return WAIT_LAST_MS * NS_PER_MS;
	return (a->n_sent == 1 ? WAIT_FIRST_MS : WAIT_SECOND_MS) * NS_PER_MS;
}

void netcheck_ask_timeout(struct netcheck *n, struct netcheck_ask *a,
			  uint64_t now, struct outbox *out)
{
	const struct tuple to = {a->ip, TEREDO_PORT};
	uint8_t *nonce;
	struct ip6 src;
	size_t len;

	if (now < a->due)
		return;
	if (a->n_sent == (a->n_heard ? NETCHECK_ASKS : SENDS_UNHEARD)) {
		a->due = UINT64_MAX;
		return;
	}
	nonce = a->v[a->n_sent].nonce;
	put32(nonce, rng_u32(&n->rng));
	put32(nonce + 4, rng_u32(&n->rng));
	link_local_of(n, a->door, &src);
	len = solicit_put(outbox_head(out), &src, NULL, nonce);
	(void)outbox_udp(out, a->door, to, len, NULL, 0);
	a->v[a->n_sent++].sent = now;
	a->due = now + wait_of(a);
}

void netcheck_start(struct netcheck *n, const struct tuple local[DOORS],
		    uint64_t now, struct outbox *out)
{
	memcpy(n->local, local, sizeof(n->local));
	n->until = now + NETCHECK_MAX_MS * NS_PER_MS;
	n->servers_until = now + SERVERS_MS * NS_PER_MS;
	for (unsigned i = 0; i < n->n; i++) {
		struct netcheck_server *s = &n->v[i];

		for (int k = 0; k < 2 && s->fixed == CHECKED_COUNT; k++)
			s->ask[k].due = now + i * SPREAD_MS * NS_PER_MS;
	}
	n->is_done = n->no_route; /* there is nothing to wait for */
	netcheck_timeout(n, now, out);
}

/* --- answers --- */

/*
 * Who asks this address from this door, the i-th of them? NULL = nobody more.
 * A server may be there twice, by name and by address.
 */
static struct netcheck_ask *asker(struct netcheck *n, enum door door,
				  struct tuple from, unsigned i)
{
	struct netcheck_ask *one =
		door == NETCHECK_FRESH ? &n->fresh : &n->third;

	if (from.port != TEREDO_PORT)
		return NULL;
	if (door != NETCHECK_MAIN)
		return i == 0 && one->ip == from.ip ? one : NULL;
	for (unsigned k = 0; k < 2 * n->n; k++) {
		struct netcheck_ask *a = &n->v[k / 2].ask[k % 2];

		if (a->ip == from.ip && i-- == 0)
			return a;
	}
	return NULL;
}

/* Which solicitation is it the answer of? -1 = of none. */
static int find_nonce(const struct netcheck_ask *a, const struct frame *f)
{
	if (!f->has_auth)
		return -1;
	for (unsigned i = 0; i < a->n_sent; i++) {
		if (memcmp(a->v[i].nonce, f->auth.nonce, AUTH_NONCE_LEN) == 0)
			return (int)i;
	}
	return -1;
}

static void take_answer(struct netcheck_ask *a, int i, struct tuple seen,
			uint64_t now)
{
	a->v[i].heard = true;
	a->rtt[a->n_heard] = now - a->v[i].sent;
	if (a->n_heard++ == 0)
		a->seen = seen;
	a->due = a->n_heard < a->wanted ? now + GAP_MS * NS_PER_MS : UINT64_MAX;
}

/* The nonce comes first: without it, anybody may have sent the rest. */
static void on_advertisement(struct netcheck *n, struct netcheck_ask *a,
			     const struct frame *f, uint64_t now)
{
	struct offer offer;
	struct ip6 own;
	int i = find_nonce(a, f);

	link_local_of(n, a->door, &own);
	if (!ip6_equal(&f->ip->dst, &own) || !advertisement_read(f, &offer))
		a->nonsense = true;
	else if (i < 0)
		a->wrong_nonce = true;
	else if (offer.prefix != n->conf.prefix ||
		 (offer.server != a->server && offer.server != a->ip))
		a->wrong_prefix = true;
	else if (!gate_is_global(n->gate, f->origin))
		a->private_mapping = true;
	else if (!a->v[i].heard)
		take_answer(a, i, f->origin, now);
}

void netcheck_input(struct netcheck *n, const struct datagram *d, uint64_t now,
		    struct outbox *out)
{
	struct netcheck_ask *a;
	struct frame f;
	bool whole, ours;

	if (n->is_done)
		return;
	whole = frame_parse(&f, d->data, d->len) == REASON_NONE;
	ours = whole && !frame_is_advertisement(&f) &&
	       netcheck_nat_input(n, d, &f, now, out);
	for (unsigned i = 0; !ours && (a = asker(n, d->door, d->from, i));
	     i++) {
		if (whole && frame_is_advertisement(&f))
			on_advertisement(n, a, &f, now);
		else
			a->nonsense = true;
	}
	netcheck_timeout(n, now, out);
}

/* --- what comes instead --- */

static void note_icmp(struct netcheck_icmp *i, uint8_t code, struct tuple about,
		      uint32_t by)
{
	bool prohibited = code == CODE_NET_PROHIBITED ||
			  code == CODE_HOST_PROHIBITED ||
			  code == CODE_PROHIBITED;

	if (code == CODE_PORT && by == about.ip)
		i->refused = true;
	else if (prohibited || code == CODE_PORT)
		i->blocked = true;
	else
		i->unreachable = true;
	if (!i->refused)
		i->by = by;
}

void netcheck_icmp(struct netcheck *n, enum door door, struct tuple about,
		   uint8_t code, uint32_t by)
{
	struct netcheck_icmp other = {0};
	struct netcheck_ask *a;

	for (unsigned i = 0; (a = asker(n, door, about, i)); i++)
		note_icmp(&a->icmp, code, about, by);
	if (about.port != NETCHECK_OTHER_PORT)
		return;
	note_icmp(&other, code, about, by);
	for (unsigned i = 0; i < n->n; i++) {
		if (n->v[i].ip[0] != about.ip)
			continue;
		n->v[i].is_alive |= other.refused;
		n->v[i].other_blocked |= other.blocked;
	}
}

void netcheck_no_route(struct netcheck *n)
{
	n->no_route = true;
}

void netcheck_refused(struct netcheck *n)
{
	n->refused_here = true;
}

void netcheck_dns(struct netcheck *n, bool answered)
{
	n->far_dns_asked = true;
	n->far_dns_answered |= answered;
}

/* --- time --- */

/* Has each address been asked as often as it will be? */
static bool servers_done(const struct netcheck *n, uint64_t now)
{
	if (now >= n->servers_until)
		return true;
	for (unsigned i = 0; i < n->n; i++) {
		if (n->v[i].ask[0].due != UINT64_MAX ||
		    n->v[i].ask[1].due != UINT64_MAX)
			return false;
	}
	return true;
}

void netcheck_timeout(struct netcheck *n, uint64_t now, struct outbox *out)
{
	bool done;

	if (n->is_done)
		return;
	for (unsigned i = 0; i < n->n; i++) {
		netcheck_ask_timeout(n, &n->v[i].ask[0], now, out);
		netcheck_ask_timeout(n, &n->v[i].ask[1], now, out);
	}
	n->servers_done = servers_done(n, now);
	done = netcheck_nat_timeout(n, now, out);
	n->is_done = now >= n->until || (done && n->servers_done);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t netcheck_next(const struct netcheck *n)
{
	uint64_t next = earlier(n->until, netcheck_nat_next(n));

	if (n->is_done)
		return UINT64_MAX;
	if (!n->servers_done)
		next = earlier(next, n->servers_until);
	for (unsigned i = 0; i < n->n; i++) {
		next = earlier(next, n->v[i].ask[0].due);
		next = earlier(next, n->v[i].ask[1].due);
	}
	return next;
}
