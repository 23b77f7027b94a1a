/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people notice of a flood. One client that is established pings a native
 * host at `rate`; and every `every` seconds a client that the relay has never
 * heard of arrives and does what RFC 4380 §5.2.9 orders: an echo request to
 * the native host through its server, so that the first the relay sees is the
 * echo reply, then an answer to the relay's bubble. It is admitted when the
 * reply arrives. It asks once: a second try would come after the second in
 * which it should be in. The established client began the same way.
 *
 * Told no server, it is a native host that pings.
 */
#include "gen.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

struct echo {
	struct wire_icmp6 h;
	uint8_t who[4], seq[4]; /* client, number of the ping */
	uint8_t random[16];
};

struct echo_packet {
	struct wire_ip6 ip;
	struct echo echo;
};
static_assert(sizeof(struct echo_packet) == IP6_LEN + 8 + 24, "no holes");

struct sample {
	uint64_t sent, back; /* 0 = not yet */
};

static int fd;
static struct sendbatch out;
static struct sample pings[MAX_SAMPLES], newcomers[MAX_SAMPLES];
static uint32_t n_pings, n_newcomers;
static struct tuple relay; /* of the established client */
static struct ip6 native;

static bool is_native(void)
{
	return args->server.s_addr == 0;
}

static void my_address(struct ip6 *a, uint32_t who)
{
	client_address(a, args->first + who, PING_PORT, FLAG_PING,
		       ntohl(args->server.s_addr));
}

static void put_echo(struct echo *e, uint32_t who, uint32_t seq)
{
	memset(e, 0, sizeof(*e));
	e->h.type = ICMP6_ECHO_REQUEST;
	put32(e->h.body, 0x4d520000 | (who & 0xffff));
	put32(e->who, who);
	put32(e->seq, seq);
}

static void send_echo(uint32_t who, uint32_t seq, struct tuple to)
{
	struct echo_packet *p;
	struct ip6 me;

	if (is_native()) { /* the kernel puts the rest */
		put_echo((void *)batch_ip6(&out, &args->native, 0,
					   sizeof(struct echo)),
			 who, seq);
	} else {
		p = (void *)batch_ip4(&out, FIRST_IP + args->first + who, to,
				      sizeof(*p));
		my_address(&me, who);
		wire_put_ip6(&p->ip, sizeof(p->echo), NEXT_ICMPV6, 64, &me,
			     &native);
		put_echo(&p->echo, who, seq);
		put16(p->echo.h.csum, csum_ip6(&p->ip, NEXT_ICMPV6));
	}
	batch_send(&out, fd);
}

/* Client 0 is the established one, n the newcomer n - 1. */
static void arrive(uint32_t who, uint64_t now)
{
	struct tuple server = {ntohl(args->server.s_addr), TEREDO_PORT};

	if (who > 0)
		newcomers[who - 1].sent = now;
	send_echo(who, 0, server);
}

/* A bubble through the server says where the relay is (4380 §5.2.3). */
static void answer_bubble(const struct frame *f)
{
	struct teredo t;

	teredo_unpack(&t, &f->ip->dst);
	if (!f->has_origin || !(t.flags & FLAG_PING))
		return;
	if (t.client.ip == FIRST_IP + args->first)
		relay = f->origin;
	wire_put_ip6((void *)batch_ip4(&out, t.client.ip, f->origin, IP6_LEN),
		     0, NEXT_NONE, BUBBLE_HOPS, &f->ip->dst, &f->ip->src);
	batch_send(&out, fd);
}

static bool established;

static void take_reply(const struct echo *e, uint64_t now)
{
	uint32_t who = be32(e->who), seq = be32(e->seq);
	struct sample *s;

	if (e->h.type != ICMP6_ECHO_REPLY)
		return;
	if (who == 0 && seq == 0) {
		established = true;
		return;
	}
	if (who > n_newcomers || (who == 0 && seq > n_pings))
		return;
	s = who ? &newcomers[who - 1] : &pings[seq - 1];
	if (s->back == 0)
		s->back = now;
}

static void receive(uint64_t until)
{
	static struct recvbatch in;
	struct pollfd p = {fd, POLLIN, 0};
	uint64_t now = now_ns();
	struct timespec wait = {0, until > now ? (long)(until - now) : 0};
	const struct sockaddr_in *from;
	const uint8_t *d;
	size_t len;

	ppoll(&p, 1, &wait, NULL);
	batch_recv(&in, fd, true);
	now = now_ns();
	while ((d = batch_next(&in, &len, &from))) {
		struct frame f;

		if (is_native()) {
			if (len == sizeof(struct echo))
				take_reply((const void *)d, now);
			continue;
		}
		if (frame_parse(&f, d, len) != REASON_NONE)
			continue;
		if (ip6_is_bubble(f.ip))
			answer_bubble(&f);
		else if (f.len == sizeof(struct echo_packet))
			take_reply(&((const struct echo_packet *)f.ip)->echo,
				   now);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Figures of the samples sent in a span of time; times in ms. */
static void print(const char *name, const struct sample *s, uint32_t n,
		  uint64_t from, uint64_t until)
{
	uint64_t *v = calloc(n + 1, sizeof(*v));
	uint32_t sent = 0, back = 0, in_time = 0;

	if (!v)
		fail("memory");
	for (uint32_t i = 0; i < n; i++) {
		if (s[i].sent < from || s[i].sent >= until)
			continue;
		sent++;
		if (!s[i].back)
			continue;
		v[back] = s[i].back - s[i].sent;
		in_time += v[back++] <= 1000000000;
	}
	qsort(v, back, sizeof(*v), by_size);
	printf("\"%s\": {\"sent\": %u, \"back\": %u, \"in_a_second\": %u", name,
	       sent, back, in_time);
	if (back)
		printf(", \"median\": %.3f, \"p99\": %.3f, \"max\": %.3f",
		       (double)v[back / 2] / 1e6,
		       (double)v[back * 99 / 100] / 1e6,
		       (double)v[back - 1] / 1e6);
	printf("}");
	free(v);
}

/*
 * Before `from`: quiet, for comparison. From there to `until`: the flood.
 * Then as long again as `rate2` seconds: the time after it.
 */
int job_ping(void)
{
	uint64_t end = until_ns() + (uint64_t)(args->rate2 * 1e9), now, next;
	uint64_t ping = now_ns(), newcomer = ping, first_try = 0;
	uint64_t step = (uint64_t)(1e9 / args->rate);
	uint64_t pause = (uint64_t)(args->every * 1e9);

	fd = is_native() ? socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
			 : udp4_socket(PING_PORT);
	if (fd < 0)
		fail("raw socket");
	memcpy(&native, &args->native, sizeof(native));
	while ((now = now_ns()) < end + 2000000000) {
		if (!established && now - first_try > 250000000) {
			arrive(0, now);
			first_try = now;
			ping = now + step;
		}
		if (established && now >= ping && now < end &&
		    n_pings < MAX_SAMPLES) {
			pings[n_pings++].sent = now;
			send_echo(0, n_pings, relay);
			ping += step;
		}
		if (now >= newcomer && now < end && n_newcomers < MAX_SAMPLES) {
			arrive(++n_newcomers, now);
			newcomer += pause;
		}
		next = ping < newcomer ? ping : newcomer;
		receive(!established || now >= end ? now + 50000000 : next);
	}
	printf("{");
	print("ping_before", pings, n_pings, 0, from_ns());
	printf(", ");
	print("ping", pings, n_pings, from_ns(), until_ns());
	printf(", ");
	print("ping_after", pings, n_pings, until_ns(), end);
	printf(", ");
	print("new_before", newcomers, n_newcomers, 0, from_ns());
	printf(", ");
	print("new", newcomers, n_newcomers, from_ns(), until_ns());
	printf(", ");
	print("new_after", newcomers, n_newcomers, until_ns(), end);
	printf("}\n");
	return 0;
}
