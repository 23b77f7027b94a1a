/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host of the native IPv6 Internet: answers echo requests and numbered
 * requests, sends numbered requests of its own.
 */
#include "sim.h"

#include <string.h>

void flow_start(struct flow *f, const struct ip6 *src, const struct ip6 *dst,
		uint64_t at, uint64_t period)
{
	*f = (struct flow){.on = true,
			   .src = *src,
			   .dst = *dst,
			   .next = at,
			   .period = period};
}

size_t flow_request(struct flow *f, uint8_t *p, uint64_t now)
{
	if (f->sent == 0)
		f->first_sent = now;
	f->next = now + f->period;
	if (f->sent + 1 >= FLOW_MAX)
		f->on = false;
	return pkt_app(p, &f->src, &f->dst, APP_REQUEST, f->sent++);
}

void flow_answered(struct flow *f, uint32_t seq, uint64_t now)
{
	if (seq >= f->sent || f->seen[seq])
		return;
	f->seen[seq] = 1;
	if (f->answered++ == 0)
		f->first_answer = now;
	f->last_answer = now;
	f->mark_answered += seq >= f->mark_from;
}

void flow_mark(struct flow *f)
{
	f->mark_from = f->sent;
	f->mark_answered = 0;
}

static struct native *native(const struct actor *a)
{
	return (struct native *)((uintptr_t)a - offsetof(struct native, a));
}

static void answer(struct native *n, const struct wire_ip6 *ip, size_t len)
{
	uint8_t p[PKT_MAX];
	uint32_t seq;
	const uint8_t *u = ip6_payload(ip);

	switch (pkt_app_read(ip, len, &seq)) {
	case APP_REQUEST:
		len = pkt_app(p, &ip->dst, &ip->src, APP_REPLY, seq);
		sim_send_ip6(&n->a, p, len, 0);
		return;
	case APP_REPLY:
		flow_answered(&n->flow, seq, n->a.w->now);
		return;
	}
	if (ip->next != NEXT_ICMPV6 || len < 48)
		return;
	n->errors += u[0] < 128;
	if (u[0] == ICMP6_ECHO_REQUEST)
		sim_send_ip6(&n->a, p, pkt_pong(p, ip, len), 0);
}

static void on_ip6(struct actor *a, const struct packet *p)
{
	answer(native(a), (const void *)p->data, p->len);
}

static uint64_t next(const struct actor *a)
{
	const struct flow *f = &native(a)->flow;

	return f->on ? f->next : NEVER;
}

static void on_timer(struct actor *a)
{
	uint8_t p[PKT_MAX];
	size_t n = flow_request(&native(a)->flow, p, a->w->now);

	sim_send_ip6(a, p, n, 0);
}

void native_init(struct native *n, struct world *w, const char *name,
		 unsigned number, struct actor *via)
{
	n->a.name = name;
	n->a.via = via;
	n->a.from_ip6 = on_ip6;
	n->a.next = next;
	n->a.timer = on_timer;
	n->a.n_ip6 = 1;
	n->a.ip6[0] =
		(struct ip6){{0x2a, 0, 0, 1, 0, (uint8_t)number, [15] = 1}};
	world_add(w, &n->a);
}
