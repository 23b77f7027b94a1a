/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, pacing, batches of datagrams, counting: what all jobs share. */
#include "gen.h"

#include <errno.h>
#include <math.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const uint64_t NS = 1000000000;
/* What comes so long after its step piled up in some queue: it is lost. */
static const uint64_t QUEUED = 5000000;

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

/* Where the ramp is; its steps are of the same length. */
static uint32_t step_at(uint64_t now)
{
	uint64_t part;

	if (now < from_ns())
		return 0;
	part = (now - from_ns()) * args->steps / (until_ns() - from_ns());
	return part < args->steps ? (uint32_t)part : args->steps - 1;
}

/* Each step of the ramp is faster than the one before by the same factor. */
static double rate_now(struct pace *p, uint64_t now)
{
	if (args->steps == 0)
		return args->rate;
	p->step = step_at(now);
	return args->rate *
	       pow(args->rate2 / args->rate, p->step / (args->steps - 1.0));
}

/*
 * What a stall of the machine made impossible is made up for in part only:
 * 10 ms of it, lest the rate turn into a burst.
 */
static unsigned allowed(struct pace *p, uint64_t now)
{
	double rate = rate_now(p, now), most = rate / 100;
	unsigned n;

	if (p->last == 0)
		p->last = now;
	p->fraction += rate * (double)(now - p->last) / 1e9;
	p->last = now;
	if (p->fraction > most && most >= 1)
		p->fraction = most;
	n = p->fraction >= BATCH ? BATCH : (unsigned)p->fraction;
	return n - n % args->train;
}

/*
 * As fast as possible is as fast as those allow who are measured: other
 * machines, not the one under test, do this work elsewhere. (For Linux, nice(2)
 * is about the thread.)
 */
static void pace_begin(void)
{
	if (args->rate == 0 && nice(10) < 0)
		fail("nice");
	sleep_until((uint64_t)(args->begin * 1e9));
}

unsigned pace_next(struct pace *p)
{
	if (p->sent == 0)
		pace_begin();
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
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)))
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

void send_trains(int fd, int len)
{
	if (args->train > 1 &&
	    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &len, sizeof(len)))
		fail("UDP_SEGMENT");
}

static uint8_t *batch_add(struct sendbatch *b, socklen_t namelen, size_t len)
{
	unsigned i = b->n++;
	uint8_t *data;

	b->used = (b->used + 7) & ~(size_t)7;
	data = b->data + b->used;
	b->used += len;
	assert(i < BATCH && b->used <= sizeof(b->data));
	b->iov[i] = (struct iovec){data, len};
	b->h[i].msg_hdr = (struct msghdr){
		.msg_name = &b->to[i],
		.msg_namelen = namelen,
		.msg_iov = &b->iov[i],
		.msg_iovlen = 1,
	};
	return data;
}

uint8_t *batch_more(struct sendbatch *b, size_t len)
{
	uint8_t *data = b->data + b->used;

	b->used += len;
	assert(b->n > 0 && b->used <= sizeof(b->data));
	b->iov[b->n - 1].iov_len += len;
	return data;
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
	b->used = 0;
}

void batch_recv(struct recvbatch *b, int fd, bool dontwait)
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
			.msg_control = b->control[i],
			.msg_controllen = sizeof(b->control[i]),
		};
	}
	for (unsigned i = 0; i < b->n; i++) { /* have been used */
		b->h[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		b->h[i].msg_hdr.msg_controllen = sizeof(b->control[i]);
	}
	n = recvmmsg(fd, b->h, BATCH, dontwait ? MSG_DONTWAIT : MSG_WAITFORONE,
		     NULL);
	b->n = n > 0 ? (unsigned)n : 0;
	b->i = 0;
	b->at = 0;
}

/* The length of each datagram but the last, which may be shorter. */
static size_t segment_len(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int len = 65536;

	if (c && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
		memcpy(&len, CMSG_DATA(c), sizeof(len));
	return (size_t)len;
}

uint8_t *batch_next(struct recvbatch *b, size_t *len,
		    const struct sockaddr_in **from)
{
	struct mmsghdr *h = &b->h[b->i];
	uint8_t *p = b->data[b->i] + b->at;

	if (b->i >= b->n)
		return NULL;
	*len = segment_len(&h->msg_hdr);
	if (*len > h->msg_len - b->at)
		*len = h->msg_len - b->at;
	*from = &b->from[b->i];
	b->at += *len;
	if (b->at >= h->msg_len) {
		b->i++;
		b->at = 0;
	}
	return p;
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
	if (args->steps == 0 || step_at(now - QUEUED) <= m->step)
		t->by_step[m->step]++;
	if (!in_window(now))
		return;
	if (t->counted++ == 0)
		t->from = m->seq;
	if (m->seq > t->to)
		t->to = m->seq;
}

/* Of one sender: between the first and the last that came in the window. */
static int64_t missing(const struct tally *t)
{
	return t->counted ? (int64_t)t->to - t->from + 1 - (int64_t)t->counted
			  : 0;
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
	printf("\"received\": %lu, \"counted\": %lu, \"missing\": %ld, "
	       "\"late\": %lu, \"first\": %.6f, ",
	       t->received, t->counted, missing(t), t->late,
	       (double)t->first / 1e9);
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
