/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A native IPv6 host: sends counted packets to Teredo clients in turn, to one
 * of them (a flow), to a few (many flows), or to millions (a spray, which
 * names each once); or, told no server, to a native address. Counts what
 * arrives.
 */
#include "gen.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int fd;
static struct tally tally;
static atomic_bool over;

static void *count(void *unused)
{
	static struct recvbatch b;

	(void)unused;
	while (!over) {
		int n = batch_recv(&b, fd, false);
		uint64_t now = now_ns();

		for (int i = 0; i < n; i++) {
			if (b.h[i].msg_len == PAYLOAD)
				tally_mark(&tally, (void *)b.data[i], now);
		}
	}
	return NULL;
}

static void destination(struct in6_addr *to, uint64_t seq)
{
	struct ip6 a;

	*to = args->native;
	if (args->server.s_addr == 0)
		return;
	client_address(
		&a, args->first + (uint32_t)(seq / args->burst % args->peers),
		CLIENT_PORT, (uint16_t)args->flags, ntohl(args->server.s_addr));
	memcpy(to, &a, sizeof(a));
}

static void send_all(struct pace *p)
{
	static struct sendbatch b;
	unsigned n;

	while ((n = pace_next(p)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			struct in6_addr to;

			destination(&to, p->sent + i);
			mark_put((void *)batch_ip6(&b, &to, SINK_PORT, PAYLOAD),
				 (uint32_t)(p->sent + i), p->step);
		}
		batch_send(&b, fd);
		pace_sent(p, n);
	}
}

int job_native(void)
{
	static struct pace pace;
	pthread_t sink;

	fd = udp6_socket(SINK_PORT);
	if (args->sink && pthread_create(&sink, NULL, count, NULL))
		fail("thread");
	if (args->send)
		send_all(&pace);
	if (args->sink) {
		sleep_until(until_ns() + 200000000);
		over = true;
		pthread_join(sink, NULL);
	}
	printf("{");
	pace_print(&pace);
	tally_print(&tally);
	printf("\"ended\": %.6f}\n", (double)now_ns() / 1e9);
	return 0;
}
