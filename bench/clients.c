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
		const struct sockaddr_in *from;
		const uint8_t *d;
		uint64_t now;
		size_t len;

		poll(p, 2, 50);
		now = now_ns();
		if (p[1].revents)
			batch_recv(&in, server, true);
		while ((d = batch_next(&in, &len, &from))) {
			answer(&out, d, len, from, now);
			if (out.n == BATCH)
				batch_send(&out, service);
		}
		batch_send(&out, service);
		if (p[0].revents)
			batch_recv(&in, service, true);
		while ((d = batch_next(&in, &len, &from))) {
			if (len != sizeof(struct up_packet))
				continue;
			tally_mark(&tally, &((const struct up_packet *)d)->mark,
				   now);
			trusted = true;
		}
	}
	return NULL;
}

/*
 * A packet of client `who`. A Teredo address ends with the inverse of the IPv4
 * address, which stands in the mark as it is: so the checksum is one for all.
 */
static void template(struct up_packet *u, uint32_t who)
{
	struct ip6 src, native;

	memcpy(&native, &args->native, sizeof(native));
	client_address(&src, who, CLIENT_PORT, (uint16_t)args->flags,
		       ntohl(args->server.s_addr));
	wire_put_ip6(&u->ip, 8 + PAYLOAD, IPPROTO_UDP, 64, &src, &native);
	put16(u->sport, SINK_PORT);
	put16(u->dport, SINK_PORT);
	put16(u->len, 8 + PAYLOAD);
	mark_put(&u->mark, 0, 0);
	put32(u->mark.who, client_tuple(who, 0).ip);
	put16(u->csum, csum_ip6(&u->ip, IPPROTO_UDP));
}

/* Packet number seq; `more` if it belongs to the train of the one before. */
static void add_packet(struct sendbatch *b, const struct up_packet *like,
		       uint64_t seq, uint32_t step, bool more)
{
	const struct tuple relay = {ntohl(args->relay.s_addr),
				    (uint16_t)args->relay_port};
	uint32_t ip = FIRST_IP + args->first +
		      (uint32_t)(seq / args->burst % args->peers);
	struct up_packet *u =
		(void *)(more ? batch_more(b, sizeof(*u))
			      : batch_ip4(b, ip, relay, sizeof(*u)));

	*u = *like;
	put32(u->ip.src.b + 12, ~ip);
	put32(u->mark.who, ip);
	mark_put(&u->mark, (uint32_t)seq, step);
}

static void send_all(struct pace *p)
{
	static struct sendbatch b;
	struct up_packet like;
	unsigned n;

	template(&like, args->first);
	send_trains(service, sizeof(like));
	while (!trusted && now_ns() < until_ns())
		sleep_until(now_ns() + 1000000);
	while ((n = pace_next(p)) > 0) {
		for (unsigned i = 0; i < n; i++)
			add_packet(&b, &like, p->sent + i, p->step,
				   i % args->train);
		batch_send(&b, service);
		pace_sent(p, n);
	}
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
