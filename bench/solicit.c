/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks a Teredo server as many clients do at once: solicitations with a nonce,
 * each from the next of `peers` IPv4 addresses; counts the advertisements.
 */
#include "gen.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "csum.h"

static int fd;
static uint64_t received, counted, first;
static atomic_bool over;

static bool is_advertisement(const uint8_t *p, size_t len)
{
	struct frame f;

	return frame_parse(&f, p, len) == REASON_NONE && f.has_origin &&
	       ip6_icmp_type(f.ip) == ICMP6_ROUTER_ADVERTISEMENT;
}

static void *count(void *unused)
{
	static struct recvbatch b;

	(void)unused;
	while (!over) {
		const struct sockaddr_in *from;
		const uint8_t *p;
		uint64_t now;
		size_t len;

		batch_recv(&b, fd, false);
		now = now_ns();
		while ((p = batch_next(&b, &len, &from))) {
			if (!is_advertisement(p, len))
				continue;
			if (received++ == 0)
				first = now;
			counted += in_window(now);
		}
	}
	return NULL;
}

void solicitation_put(struct solicitation *s, uint64_t nonce)
{
	struct tuple inside = {0xc0a80105, CLIENT_PORT}; /* 192.168.1.5 */
	struct ip6 src, routers = {{0xff, 2, [15] = 2}};

	*s = (struct solicitation){.auth = {0, 1, 0, 0}};
	memcpy(s->nonce, &nonce, sizeof(nonce));
	teredo_link_local(&src, 0, inside);
	wire_put_ip6(&s->ip, sizeof(s->rs), NEXT_ICMPV6, 255, &src, &routers);
	s->rs.type = ICMP6_ROUTER_SOLICITATION;
	put16(s->rs.csum, csum_ip6(&s->ip, NEXT_ICMPV6));
}

static void send_all(struct pace *p)
{
	static struct sendbatch b;
	struct tuple server = {ntohl(args->server.s_addr), TEREDO_PORT};
	struct solicitation s;
	unsigned n;

	solicitation_put(&s, 0);
	while ((n = pace_next(p)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			uint64_t seq = p->sent + i;
			uint32_t k =
				args->first + (uint32_t)(seq % args->peers);

			memcpy(s.nonce, &seq, sizeof(seq));
			memcpy(batch_ip4(&b, FIRST_IP + k, server, sizeof(s)),
			       &s, sizeof(s));
		}
		batch_send(&b, fd);
		pace_sent(p, n);
	}
}

int job_solicit(void)
{
	static struct pace pace;
	pthread_t thread;

	fd = udp4_socket(CLIENT_PORT);
	if (pthread_create(&thread, NULL, count, NULL))
		fail("thread");
	send_all(&pace);
	sleep_until(now_ns() + 300000000);
	over = true;
	pthread_join(thread, NULL);
	printf("{");
	pace_print(&pace);
	printf("\"received\": %lu, \"counted\": %lu, \"first\": %.6f, "
	       "\"ended\": %.6f}\n",
	       received, counted, (double)first / 1e9, (double)now_ns() / 1e9);
	return 0;
}
