/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fake Teredo clients and the server they name. One socket is that server: a
 * bubble that a relay sends there is answered by the client it is for, at
 * once, unless it is one of those that keep silent. The other socket is all
 * the clients: it counts the data that arrive, and sends data if told to, once
 * the relay has shown that it trusts (data came).
 */
#include "gen.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

struct up_packet {
	struct wire_ip6 ip;
	uint8_t sport[2], dport[2], len[2], csum[2];
	struct mark mark;
};
static_assert(sizeof(struct up_packet) == IP6_LEN + 8 + PAYLOAD, "no holes");

static int service, server;
static struct tally tally;
static uint64_t bubbles, window_bubbles, answers, first_bubble;
static atomic_bool over, trusted;

/* A bubble for one of ours, sent through its server. */
static void answer(struct sendbatch *out, const uint8_t *data, size_t len,
		   const struct sockaddr_in *from, uint64_t now)
{
	struct tuple relay = {ntohl(from->sin_addr.s_addr),
			      ntohs(from->sin_port)};
	struct teredo t;
	struct frame f;

	if (frame_parse(&f, data, len) != REASON_NONE || !ip6_is_bubble(f.ip))
		return;
	if (bubbles++ == 0)
		first_bubble = now;
	window_bubbles += in_window(now);
	teredo_unpack(&t, &f.ip->dst);
	if (!(t.flags & args->answer))
		return;
	answers++;
	wire_put_ip6((void *)batch_ip4(out, t.client.ip, relay, IP6_LEN), 0,
		     NEXT_NONE, BUBBLE_HOPS, &f.ip->dst, &f.ip->src);
}

static void *receive(void *unused)
{
	static struct recvbatch in;
	static struct sendbatch out;
	struct pollfd p[2] = {{service, POLLIN, 0}, {server, POLLIN, 0}};

	(void)unused;
	while (!over) {
		int n = 0;
		uint64_t now;

		poll(p, 2, 50);
		now = now_ns();
		if (p[1].revents)
			n = batch_recv(&in, server, true);
		for (int i = 0; i < n; i++)
			answer(&out, in.data[i], in.h[i].msg_len, &in.from[i],
			       now);
		batch_send(&out, service);
		n = p[0].revents ? batch_recv(&in, service, true) : 0;
		for (int i = 0; i < n; i++) {
			struct up_packet *u = (void *)in.data[i];

			if (in.h[i].msg_len != sizeof(*u))
				continue;
			tally_mark(&tally, &u->mark, now);
			trusted = true;
		}
	}
	return NULL;
}

/* A packet of each client, with the checksum that never changes. */
static struct up_packet *templates(void)
{
	struct up_packet *v = calloc(args->peers, sizeof(*v));
	struct ip6 native;

	if (!v)
		fail("memory");
	memcpy(&native, &args->native, sizeof(native));
	for (uint32_t i = 0; i < args->peers; i++) {
		struct up_packet *u = &v[i];
		struct ip6 src;

		client_address(&src, args->first + i, CLIENT_PORT,
			       (uint16_t)args->flags,
			       ntohl(args->server.s_addr));
		wire_put_ip6(&u->ip, 8 + PAYLOAD, IPPROTO_UDP, 64, &src,
			     &native);
		put16(u->sport, SINK_PORT);
		put16(u->dport, SINK_PORT);
		put16(u->len, 8 + PAYLOAD);
		mark_put(&u->mark, 0, 0);
		put16(u->csum, csum_ip6(&u->ip, IPPROTO_UDP));
	}
	return v;
}

static void send_all(struct pace *p)
{
	static struct sendbatch b;
	struct tuple relay = {ntohl(args->relay.s_addr),
			      (uint16_t)args->relay_port};
	struct up_packet *v = templates();
	unsigned n;

	while (!trusted && now_ns() < until_ns())
		sleep_until(now_ns() + 1000000);
	while ((n = pace_next(p)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			uint64_t seq = p->sent + i;
			uint32_t k =
				(uint32_t)(seq / args->burst % args->peers);
			struct up_packet *u =
				(void *)batch_ip4(&b,
						  FIRST_IP + args->first + k,
						  relay, sizeof(*u));

			*u = v[k];
			mark_put(&u->mark, (uint32_t)seq, p->step);
		}
		batch_send(&b, service);
		pace_sent(p, n);
	}
	free(v);
}

int job_clients(void)
{
	static struct pace pace;
	pthread_t thread;

	service = udp4_socket(CLIENT_PORT);
	server = udp4_socket(TEREDO_PORT);
	if (pthread_create(&thread, NULL, receive, NULL))
		fail("thread");
	if (args->send)
		send_all(&pace);
	sleep_until(until_ns() + 200000000);
	over = true;
	pthread_join(thread, NULL);
	printf("{");
	pace_print(&pace);
	tally_print(&tally);
	printf("\"bubbles\": %lu, \"window_bubbles\": %lu, \"answers\": %lu, "
	       "\"first_bubble\": %.6f}\n",
	       bubbles, window_bubbles, answers, (double)first_bubble / 1e9);
	return 0;
}
