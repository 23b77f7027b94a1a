/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See knock.h. */
#include "knock.h"

#include <string.h>

#include "contact.h"
#include "csum.h"

enum {
	TRIES = 2,
	FIRST_PORT = 49152, /* these belong to nobody (6335 §6) */
	PORTS = 65536 - FIRST_PORT,
	WINDOW = 1024,
};

static const uint64_t SETTLE_NS = 100 * NS_PER_MS;
static const uint64_t WAIT_NS = 2 * NS_PER_S;
static const uint64_t AGAIN_NS = 600 * NS_PER_S;

const char *inbound_name(enum inbound i)
{
	switch (i) {
	case INBOUND_OPEN:
		return "open";
	case INBOUND_ECHO:
		return "echo";
	case INBOUND_FILTERED:
		return "filtered";
	case INBOUND_UNKNOWN:
		break;
	}
	return "unknown";
}

static const struct ip6 *own(const struct client *c)
{
	return &c->own[c->cur].ip6;
}

/* --- knocking --- */

static uint16_t some_port(struct client *c)
{
	return (uint16_t)(FIRST_PORT + rng_below(&c->rng, PORTS));
}

/* Each try has another stranger: the kernel limits errors for each of them. */
static void draw(struct client *c)
{
	const struct own_address *a = &c->own[c->cur];
	struct teredo t = {
		.prefix = c->gate->prefix,
		.server = a->server,
		.flags = rng_u32(&c->rng) & FLAGS_RANDOM,
		.client = a->mapped,
	};
	struct knock *k = &c->knock;

	if (t.flags == (a->flags & FLAGS_RANDOM))
		t.flags ^= 1;
	teredo_pack(&k->stranger, &t);
	k->from = some_port(c);
	k->to = some_port(c);
	k->seq = rng_u32(&c->rng);
	k->echo_id = rng_u32(&c->rng);
}

static void send_tcp(struct client *c, uint8_t flags, uint32_t seq,
		     struct outbox *out)
{
	const struct knock *k = &c->knock;
	uint8_t *p = outbox_head(out);
	struct wire_ip6 *ip = (void *)p;
	struct wire_tcp *tcp = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*tcp), NEXT_TCP, BUBBLE_HOPS, &k->stranger,
		     own(c));
	*tcp = (struct wire_tcp){
		.offset = sizeof(*tcp) / 4 << 4,
		.flags = flags,
	};
	put16(tcp->src, k->from);
	put16(tcp->dst, k->to);
	put32(tcp->seq, seq);
	put16(tcp->window, flags & TCP_SYN ? WINDOW : 0);
	put16(tcp->csum, csum_ip6(ip, NEXT_TCP));
	outbox_ip6(out, sizeof(*ip) + sizeof(*tcp), NULL, 0);
}

static void send_echo(struct client *c, struct outbox *out)
{
	const struct knock *k = &c->knock;
	uint8_t *p = outbox_head(out);
	struct wire_ip6 *ip = (void *)p;
	struct wire_icmp6 *h = (void *)(ip + 1);

	wire_put_ip6(ip, sizeof(*h), NEXT_ICMPV6, BUBBLE_HOPS, &k->stranger,
		     own(c));
	*h = (struct wire_icmp6){.type = ICMP6_ECHO_REQUEST};
	put32(h->body, k->echo_id);
	put16(h->csum, csum_ip6(ip, NEXT_ICMPV6));
	outbox_ip6(out, sizeof(*ip) + sizeof(*h), NULL, 0);
}

static void try(struct client *c, uint64_t now, struct outbox *out)
{
	struct knock *k = &c->knock;

	k->tries++;
	k->due = now + WAIT_NS;
	draw(c);
	if (k->echo == KNOCK_SILENCE)
		send_echo(c, out);
	if (k->tcp == KNOCK_SILENCE)
		send_tcp(c, TCP_SYN, k->seq, out);
}

static void begin(struct knock *k, bool is_patient, uint64_t due)
{
	k->is_on = true;
	k->is_patient = is_patient;
	k->tries = 0;
	k->tcp = KNOCK_SILENCE;
	k->echo = KNOCK_SILENCE;
	k->due = due;
}

void knock_ready(struct client *c, uint64_t now)
{
	if (c->knock.is_ready || !client_has_address(c))
		return;
	c->knock.is_ready = true;
	begin(&c->knock, false, now + SETTLE_NS);
}

void knock_stop(struct client *c)
{
	c->knock = (struct knock){.inbound = INBOUND_UNKNOWN};
}

void knock_again(struct client *c, uint64_t now)
{
	if (c->knock.is_ready)
		begin(&c->knock, false, now);
}

/* --- what comes of it --- */

/* As it looks now: silence is no. */
static enum inbound outcome(const struct knock *k)
{
	if (k->tcp == KNOCK_LET_IN)
		return INBOUND_OPEN;
	return k->echo == KNOCK_LET_IN ? INBOUND_ECHO : INBOUND_FILTERED;
}

static void find(struct knock *k, uint64_t now)
{
	k->inbound = outcome(k);
	k->tested = now;
}

static void conclude(struct knock *k, uint64_t now)
{
	find(k, now);
	k->is_on = false;
}

/* What is open is open; only the other answer may still come. */
static void look(struct knock *k, uint64_t now)
{
	if (k->tcp != KNOCK_SILENCE && k->echo != KNOCK_SILENCE)
		conclude(k, now);
	else if (k->tcp == KNOCK_LET_IN)
		find(k, now);
}

/* The answer that our SYN gets, or a reset for it. */
static bool is_tcp_answer(const struct knock *k, const struct wire_tcp *tcp)
{
	return be16(tcp->src) == k->to && be16(tcp->dst) == k->from &&
	       be32(tcp->ack) == k->seq + 1 && tcp->flags & TCP_ACK &&
	       tcp->flags & (TCP_SYN | TCP_RST);
}

static bool on_tcp(struct client *c, const struct wire_tcp *tcp,
		   struct outbox *out)
{
	if (!is_tcp_answer(&c->knock, tcp))
		return false;
	/* Somebody listens there after all, and is not to wait for us. */
	if (!(tcp->flags & TCP_RST))
		send_tcp(c, TCP_RST, be32(tcp->ack), out);
	c->knock.tcp = KNOCK_LET_IN;
	return true;
}

/* An error about what we have sent, of which n bytes are in it. */
static bool on_error(struct client *c, const struct wire_ip6 *ip, size_t n)
{
	const struct wire_icmp6 *h = (const void *)(ip + 1);
	const struct wire_tcp *tcp = (const void *)(ip + 1);
	struct knock *k = &c->knock;

	/* The first eight bytes of both have all that is ours. */
	if (n < sizeof(*ip) + sizeof(*h) ||
	    !ip6_equal(&ip->src, &k->stranger) || !ip6_equal(&ip->dst, own(c)))
		return false;
	if (ip->next == NEXT_TCP && be16(tcp->src) == k->from &&
	    be16(tcp->dst) == k->to && be32(tcp->seq) == k->seq)
		k->tcp = KNOCK_REFUSED;
	else if (ip->next == NEXT_ICMPV6 && h->type == ICMP6_ECHO_REQUEST &&
		 be32(h->body) == k->echo_id)
		k->echo = KNOCK_REFUSED;
	else
		return false;
	return true;
}

static bool on_icmp6(struct client *c, const struct wire_icmp6 *h, size_t n)
{
	if (h->type < ICMP6_ECHO_REQUEST)
		return on_error(c, (const void *)(h + 1), n - sizeof(*h));
	if (h->type != ICMP6_ECHO_REPLY || be32(h->body) != c->knock.echo_id)
		return false;
	c->knock.echo = KNOCK_LET_IN;
	return true;
}

bool knock_input(struct client *c, const struct wire_ip6 *ip, uint64_t now,
		 struct outbox *out)
{
	size_t n = ip6_payload_len(ip);
	bool is_answer = false;

	if (!ip6_equal(&ip->src, own(c)))
		return false;
	if (ip->next == NEXT_TCP && n >= sizeof(struct wire_tcp))
		is_answer = on_tcp(c, (const void *)(ip + 1), out);
	else if (ip->next == NEXT_ICMPV6 && n >= sizeof(struct wire_icmp6))
		is_answer = on_icmp6(c, (const void *)(ip + 1), n);
	if (is_answer)
		look(&c->knock, now);
	return is_answer;
}

void knock_timeout(struct client *c, uint64_t now, struct outbox *out)
{
	struct knock *k = &c->knock;

	if (!k->is_ready || !outbox_has_room(out))
		return;
	if (!k->is_on && now - k->tested >= AGAIN_NS)
		begin(k, true, now);
	if (!k->is_on || k->due > now)
		return;
	if (k->tries == TRIES || (k->tries && outcome(k) == k->inbound))
		conclude(k, now);
	else
		try(c, now, out);
}

uint64_t knock_next(const struct client *c)
{
	const struct knock *k = &c->knock;

	return k->is_on && !k->is_patient ? k->due : UINT64_MAX;
}
