/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue of events and the wires. An event is a packet that arrives or a
 * deadline. Deadlines are not taken out of the queue when they move: an actor
 * that is woken too early does nothing.
 */
#include "sim.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){
		.now = S(1000), .rng = seed, .delay = MS(10), .jitter = MS(5)};
}

/* splitmix64 */
uint64_t sim_random(struct world *w)
{
	uint64_t z = w->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

unsigned sim_below(struct world *w, unsigned n)
{
	return (unsigned)((sim_random(w) >> 32) * n >> 32);
}

bool sim_chance(struct world *w, unsigned per_mille)
{
	return sim_below(w, 1000) < per_mille;
}

void sim_fill(struct world *w, void *p, size_t n)
{
	for (uint8_t *b = p; n--; b++)
		*b = (uint8_t)sim_random(w);
}

/* --- events --- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->when != b->when ? a->when < b->when : a->number < b->number;
}

static void push(struct world *w, uint64_t when, struct actor *a,
		 struct packet *p)
{
	struct event e = {when, w->number++, a, p};
	size_t i = w->n_events++;

	if (i == w->max_events) {
		w->max_events = w->max_events ? 2 * w->max_events : 1024;
		w->heap = realloc(w->heap, w->max_events * sizeof(*w->heap));
		if (!w->heap)
			abort();
	}
	for (; i && earlier(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct event pop(struct world *w)
{
	struct event first = w->heap[0], e = w->heap[--w->n_events];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->n_events) {
		if (child + 1 < w->n_events &&
		    earlier(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!earlier(&w->heap[child], &e))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = e;
	return first;
}

void world_touch(struct actor *a)
{
	uint64_t next = a->next && !a->asleep ? a->next(a) : NEVER;

	if (next < a->w->now)
		next = a->w->now;
	if (next != NEVER && (next < a->armed || a->armed <= a->w->now)) {
		a->armed = next;
		push(a->w, next, a, NULL);
	}
}

void world_add(struct world *w, struct actor *a)
{
	if (w->n_actors == MAX_ACTORS)
		abort();
	a->w = w;
	a->id = w->n_actors;
	a->armed = NEVER;
	w->actors[w->n_actors++] = a;
}

/* --- the ladder --- */

static const char *describe(const struct view *v)
{
	int type = -1;

	if (!v->ip)
		return "no Teredo packet";
	if (view_is_bubble(v))
		return "bubble";
	if (v->ip->next == NEXT_ICMPV6 && v->len > 40)
		type = ip6_payload(v->ip)[0];
	switch (type) {
	case ICMP6_ROUTER_SOLICITATION:
		return "router solicitation";
	case ICMP6_ROUTER_ADVERTISEMENT:
		return "router advertisement";
	case ICMP6_ECHO_REQUEST:
		return "echo request";
	case ICMP6_ECHO_REPLY:
		return "echo reply";
	case ICMP6_UNREACHABLE:
		return "unreachable";
	case -1:
		return "data";
	default:
		return "ICMPv6";
	}
}

static void trace(const struct world *w, const struct packet *p,
		  const char *whereto, const char *note)
{
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN], outer[64] = "";
	struct view v;

	if (!w->trace)
		return;
	view_read(&v, p->data, p->len);
	if (!p->ip6)
		snprintf(outer, sizeof(outer),
			 "%u.%u.%u.%u:%u > %u.%u.%u.%u:%u ", p->from.ip >> 24,
			 p->from.ip >> 16 & 255, p->from.ip >> 8 & 255,
			 p->from.ip & 255, p->from.port, p->to.ip >> 24,
			 p->to.ip >> 16 & 255, p->to.ip >> 8 & 255,
			 p->to.ip & 255, p->to.port);
	printf("%9.3f  %-8s %s%s%s", (double)(w->now - S(1000)) / 1e9, whereto,
	       outer, describe(&v), v.has_origin ? " +origin" : "");
	if (v.ip)
		printf(" %s > %s",
		       inet_ntop(AF_INET6, v.ip->src.b, a, sizeof(a)),
		       inet_ntop(AF_INET6, v.ip->dst.b, b, sizeof(b)));
	if (view_trailer(&v))
		printf(" nonce %08x", view_trailer(&v));
	printf("%s%s\n", *note ? "  " : "", note);
}

/* --- wires --- */

static struct packet *packet_new(const void *data, size_t n, uint32_t trail)
{
	struct packet *p = calloc(1, sizeof(*p) + n);

	if (!p || n > PKT_MAX)
		abort();
	p->len = (uint16_t)n;
	p->trail = trail;
	memcpy(p->data, data, n);
	return p;
}

static struct packet *packet_copy(const struct packet *p)
{
	struct packet *c = malloc(sizeof(*p) + p->len);

	if (!c)
		abort();
	memcpy(c, p, sizeof(*p) + p->len);
	return c;
}

static void remember(struct world *w, const struct packet *p)
{
	struct packet **slot = &w->history[w->n_history++ % HISTORY];

	free(*slot);
	*slot = packet_copy(p);
}

static bool is_cut(const struct world *w, const struct packet *p)
{
	for (int i = 0; i < MAX_CUTS; i++) {
		uint32_t a = w->cut[i].a, b = w->cut[i].b;

		if (p->ip6 || !a || (p->from.ip != a && p->to.ip != a))
			continue;
		if (!b || p->from.ip == b || p->to.ip == b)
			return true;
	}
	return false;
}

/* The Internet: p is on its way to a; a is NULL for a datagram. */
static void carry(struct world *w, struct actor *a, struct packet *p)
{
	unsigned copies = 1 + sim_chance(w, w->duplicates);

	if (w->record && !p->ip6)
		remember(w, p);
	while (copies--) {
		uint64_t delay = w->delay;

		if (w->jitter)
			delay += sim_random(w) % w->jitter;
		if (is_cut(w, p) || sim_chance(w, w->loss))
			trace(w, p, "-", "(lost)");
		else
			push(w, w->now + delay, a, packet_copy(p));
	}
	free(p);
}

static bool has_ip4(const struct actor *a, uint32_t ip)
{
	for (unsigned i = 0; i < a->n_ip; i++) {
		if (a->ip[i] == ip)
			return true;
	}
	return false;
}

static struct actor *neighbour(const struct world *w, const struct nat *nat,
			       uint32_t ip)
{
	for (unsigned i = 0; i < w->n_actors; i++) {
		if (w->actors[i]->nat == nat && has_ip4(w->actors[i], ip))
			return w->actors[i];
	}
	return NULL;
}

/* On the LAN nothing is lost. */
static void carry_inside(struct actor *to, struct packet *p, uint64_t delay)
{
	push(to->w, to->w->now + delay, to, p);
}

/* Is it an address of the LAN behind a NAT? */
static bool is_inside(uint32_t ip)
{
	return ip >> 24 == 10 || ip >> 16 == (192 << 8 | 168);
}

void sim_send(struct actor *a, struct tuple from, struct tuple to,
	      const void *data, size_t n, uint32_t trail)
{
	struct packet *p;

	if (a->nat && !is_inside(to.ip) && !nat_out(a->nat, a->w, &from, to))
		return;
	p = packet_new(data, n, trail);
	p->from = from;
	p->to = to;
	if (is_inside(to.ip)) {
		struct actor *b =
			a->nat ? neighbour(a->w, a->nat, to.ip) : NULL;

		if (b)
			carry_inside(b, p, MS(1));
		else
			free(p);
		return;
	}
	carry(a->w, NULL, p);
}

void sim_send_group(struct actor *a, struct tuple from, const void *data,
		    size_t n)
{
	const struct tuple group = {IP(224, 0, 0, 253), TEREDO_PORT};

	for (unsigned i = 0; i < a->w->n_actors; i++) {
		struct actor *to = a->w->actors[i];
		struct packet *p;

		if (to == a || !a->nat || to->nat != a->nat)
			continue;
		p = packet_new(data, n, 0);
		p->from = from;
		p->to = group;
		p->group = true;
		carry_inside(to, p, MS(1));
	}
}

void sim_send_local(struct actor *a, const void *data, size_t n)
{
	struct packet *p = packet_new(data, n, 0);

	p->ip6 = p->local = true;
	carry_inside(a, p, NS_PER_MS / 20);
}

static bool has_ip6(const struct actor *a, const struct ip6 *ip)
{
	for (unsigned i = 0; i < a->n_ip6; i++) {
		if (ip6_equal(&a->ip6[i], ip))
			return true;
	}
	return false;
}

void sim_send_ip6(struct actor *a, const void *data, size_t n, uint32_t trail)
{
	const struct wire_ip6 *ip = data;
	struct world *w = a->w;
	struct actor *to = NULL;
	struct packet *p;

	for (unsigned i = 0; i < w->n_actors; i++) {
		if (has_ip6(w->actors[i], &ip->dst))
			to = w->actors[i];
	}
	if (!to && be32(ip->dst.b) == TEREDO_PREFIX)
		to = a->via;
	if (!to || !to->from_ip6)
		return;
	p = packet_new(data, n, trail);
	p->ip6 = true;
	carry(w, to, p);
}

static struct nat *outside(const struct world *w, uint32_t ip)
{
	for (unsigned i = 0; i < w->n_actors; i++) {
		if (w->actors[i]->nat && w->actors[i]->nat->ip == ip)
			return w->actors[i]->nat;
	}
	return NULL;
}

/* Whom a datagram reaches; a NAT may rewrite or refuse it. */
static struct actor *arrive(struct world *w, struct packet *p)
{
	struct nat *nat = outside(w, p->to.ip);

	if (nat && !nat_in(nat, w, p->from, &p->to))
		return NULL;
	return neighbour(w, nat, p->to.ip);
}

static void deliver(struct world *w, struct actor *a, struct packet *p)
{
	if (!p->ip6 && !a)
		a = arrive(w, p);
	if (a && a->asleep)
		a = NULL;
	trace(w, p, a ? a->name : "-", a ? "" : "(nobody there)");
	if (a && p->ip6)
		a->from_ip6(a, p);
	else if (a && a->ip4)
		a->ip4(a, p);
	if (a)
		world_touch(a);
	free(p);
}

void world_run(struct world *w, uint64_t until)
{
	for (unsigned i = 0; i < w->n_actors; i++)
		world_touch(w->actors[i]);
	while (w->n_events && w->heap[0].when <= until) {
		struct event e = pop(w);

		w->now = e.when;
		if (e.p) {
			deliver(w, e.a, e.p);
		} else {
			if (e.a->armed <= w->now)
				e.a->armed = NEVER;
			if (!e.a->asleep && e.a->next(e.a) <= w->now)
				e.a->timer(e.a);
			world_touch(e.a);
		}
	}
	w->now = until;
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->n_events; i++)
		free(w->heap[i].p);
	for (int i = 0; i < HISTORY; i++)
		free(w->history[i]);
	free(w->heap);
}
