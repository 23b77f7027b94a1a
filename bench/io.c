/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, pacing, batches of datagrams, counting: what all jobs share. */
#include "gen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint64_t NS = 1000000000;

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

void sleep_until(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS), (long)(ns % NS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) ==
	       EINTR)
		;
}

uint64_t from_ns(void)
{
	return (uint64_t)(args->from * 1e9);
}

uint64_t until_ns(void)
{
	return (uint64_t)(args->until * 1e9);
}

void fail(const char *what)
{
	fprintf(stderr, "bench-gen: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The rate that the ramp, if there is one, has reached. */
static double rate_now(struct pace *p, uint64_t now)
{
	double part;

	if (args->steps == 0)
		return args->rate;
	if (now < from_ns()) {
		p->step = 0;
		return args->rate;
	}
	part = (double)(now - from_ns()) / (double)(until_ns() - from_ns());
	p->step = (uint32_t)(part * args->steps);
	if (p->step >= args->steps)
		p->step = args->steps - 1;
	return args->rate + (args->rate2 - args->rate) * p->step /
				    (args->steps > 1 ? args->steps - 1 : 1);
}

/*
 * What a stall of the machine made impossible is made up for in part only:
 * 10 ms of it, lest the rate turn into a burst.
 */
static unsigned allowed(struct pace *p, uint64_t now)
{
	double rate = rate_now(p, now), most = rate / 100;

	if (p->last == 0)
		p->last = now;
	p->fraction += rate * (double)(now - p->last) / 1e9;
	p->last = now;
	if (p->fraction > most && most >= 1)
		p->fraction = most;
	return p->fraction >= BATCH ? BATCH : (unsigned)p->fraction;
}

unsigned pace_next(struct pace *p)
{
	for (;;) {
		uint64_t now = now_ns();
		unsigned n = BATCH;
		double rate;

		if (now >= until_ns() ||
		    (args->count && p->sent >= args->count))
			return 0;
		rate = rate_now(p, now);
		if (rate > 0) {
			n = allowed(p, now);
			p->fraction -= n;
		}
		if (args->count && n > args->count - p->sent)
			n = (unsigned)(args->count - p->sent);
		if (n > 0)
			return n;
		sleep_until(now +
			    (uint64_t)(rate > 5000 ? 100000 : 5e8 / rate));
	}
}

void pace_sent(struct pace *p, unsigned n)
{
	uint64_t now = now_ns();

	if (p->start == 0)
		p->start = now;
	p->sent += n;
	if (in_window(now)) {
		p->offered += n;
		p->by_step[p->step] += n;
	}
}

static int udp_socket(int family, const void *addr, socklen_t len)
{
	struct timeval t = {.tv_usec = 50000};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;
	int bytes = 64 << 20;

	if (fd < 0)
		fail("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		fail("setsockopt");
	if (bind(fd, addr, len))
		fail("bind");
	return fd;
}

int udp4_socket(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	return udp_socket(AF_INET, &a, sizeof(a));
}

int udp6_socket(uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons(port)};

	return udp_socket(AF_INET6, &a, sizeof(a));
}

static uint8_t *batch_add(struct sendbatch *b, socklen_t namelen, size_t len)
{
	unsigned i = b->n++;

	assert(i < BATCH && len <= sizeof(b->data[i]));
	b->iov[i] = (struct iovec){b->data[i], len};
	b->h[i].msg_hdr = (struct msghdr){
		.msg_name = &b->to[i],
		.msg_namelen = namelen,
		.msg_iov = &b->iov[i],
		.msg_iovlen = 1,
	};
	return b->data[i];
}

uint8_t *batch_ip4(struct sendbatch *b, uint32_t from_ip, struct tuple to,
		   size_t len)
{
	unsigned i = b->n;
	struct sockaddr_in *a = (void *)&b->to[i];
	struct msghdr *h = &b->h[i].msg_hdr;
	struct cmsghdr *c;
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(from_ip)};
	uint8_t *data = batch_add(b, sizeof(*a), len);

	*a = (struct sockaddr_in){.sin_family = AF_INET,
				  .sin_port = htons(to.port),
				  .sin_addr.s_addr = htonl(to.ip)};
	if (from_ip == 0)
		return data;
	h->msg_control = b->control[i];
	h->msg_controllen = sizeof(b->control[i]);
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return data;
}

uint8_t *batch_ip6(struct sendbatch *b, const struct in6_addr *to,
		   uint16_t port, size_t len)
{
	struct sockaddr_in6 *a = (void *)&b->to[b->n];

	*a = (struct sockaddr_in6){.sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = *to};
	return batch_add(b, sizeof(*a), len);
}

void batch_send(struct sendbatch *b, int fd)
{
	unsigned done = 0;

	while (done < b->n) {
		int k = sendmmsg(fd, b->h + done, b->n - done, 0);

		done += k > 0 ? (unsigned)k : 1;
	}
	b->n = 0;
}

int batch_recv(struct recvbatch *b, int fd, bool dontwait)
{
	int n;

	for (; b->ready < BATCH; b->ready++) {
		unsigned i = b->ready;

		b->iov[i] = (struct iovec){b->data[i], sizeof(b->data[i])};
		b->h[i].msg_hdr = (struct msghdr){
			.msg_name = &b->from[i],
			.msg_namelen = sizeof(b->from[i]),
			.msg_iov = &b->iov[i],
			.msg_iovlen = 1,
		};
	}
	n = recvmmsg(fd, b->h, BATCH, dontwait ? MSG_DONTWAIT : MSG_WAITFORONE,
		     NULL);
	for (int i = 0; i < n; i++)
		b->h[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
	return n > 0 ? n : 0;
}

void mark_put(struct mark *m, uint32_t seq, uint32_t step)
{
	m->seq = seq;
	m->not_seq = ~seq;
	m->step = step;
	m->not_step = ~step;
}

void tally_mark(struct tally *t, const struct mark *m, uint64_t now)
{
	if (m->not_seq != ~m->seq || m->not_step != ~m->step ||
	    m->step >= MAX_STEPS)
		return;
	if (t->received++ == 0)
		t->first = now;
	if (m->seq < t->highest)
		t->late++;
	else
		t->highest = m->seq;
	/* A step is counted where it was sent, and that was in the window. */
	t->by_step[m->step]++;
	if (in_window(now))
		t->counted++;
}

static void print_steps(const char *name, const uint64_t *v)
{
	printf("\"%s\": [", name);
	for (unsigned i = 0; i < args->steps; i++)
		printf("%s%lu", i ? ", " : "", v[i]);
	printf("], ");
}

void tally_print(const struct tally *t)
{
	print_steps("received_by_step", t->by_step);
	printf("\"received\": %lu, \"counted\": %lu, \"late\": %lu, "
	       "\"first\": %.6f, ",
	       t->received, t->counted, t->late, (double)t->first / 1e9);
}

void pace_print(const struct pace *p)
{
	print_steps("sent_by_step", p->by_step);
	printf("\"sent\": %lu, \"offered\": %lu, \"started\": %.6f, ", p->sent,
	       p->offered, (double)p->start / 1e9);
}

struct tuple client_tuple(uint32_t i, uint16_t port)
{
	return (struct tuple){FIRST_IP + i, port};
}

void client_address(struct ip6 *a, uint32_t i, uint16_t port, uint16_t flags,
		    uint32_t server)
{
	struct teredo t = {TEREDO_PREFIX, server, flags, client_tuple(i, port)};

	teredo_pack(a, &t);
}
