/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel writes beside datagrams (UDP_GRO, IP_TOS), in any shape: the
 * trains that come of it lie in what was received. The kernel's place is taken
 * by __wrap_recvmmsg(). For each message: how, length, length of the control
 * messages, these.
 */
#include "fuzz.h"

#include "udp.h"

int __wrap_recvmmsg(int fd, struct mmsghdr *msg, unsigned n, int flags,
		    struct timespec *timeout);

static struct script script;
static uint8_t *memory;

static size_t put_control(struct msghdr *h, uint8_t how)
{
	uint8_t *p = h->msg_control;
	size_t n = script_u8(&script) % (h->msg_controllen + 1);
	struct cmsghdr *c = (void *)p;

	for (size_t i = 0; i < n; i++)
		p[i] = script_u8(&script);
	if (how & 1) { /* as it ought to be */
		int segment = script_u16(&script);

		*c = (struct cmsghdr){CMSG_LEN(1), IPPROTO_IP, IP_TOS};
		c = (void *)(p + CMSG_SPACE(1));
		*c = (struct cmsghdr){CMSG_LEN(sizeof(int)), IPPROTO_UDP, 104};
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
		n = CMSG_SPACE(1) + CMSG_SPACE(sizeof(int));
	}
	return n;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *msg, unsigned n, int flags,
		    struct timespec *timeout)
{
	unsigned i = 0;

	(void)fd;
	(void)timeout;
	WANT(flags & MSG_TRUNC && flags & MSG_DONTWAIT);
	for (; i < n && script.n; i++) {
		struct msghdr *h = &msg[i].msg_hdr;
		uint8_t how = script_u8(&script);
		uint16_t len = script_u16(&script);

		WANT(h->msg_iovlen == 1 &&
		     h->msg_namelen == sizeof(struct sockaddr_in));
		memset(h->msg_name, how, h->msg_namelen);
		/* A datagram that is longer than its place is cut. */
		msg[i].msg_len = len;
		h->msg_controllen = put_control(h, how);
	}
	return (int)i;
}

/* Cars follow each other, and are all of the train. */
static void check(struct train *t, const uint8_t *start, size_t space)
{
	size_t sum = 0, len = t->all.len;
	struct datagram d;

	WANT(t->all.data == start && t->all.ecn <= 3);
	WANT(t->count >= 1 && t->segment <= len);
	if (udp_is_cut(t))
		return; /* the lane throws it away */
	WANT(len <= space);
	while (train_next(t, &d)) {
		WANT(d.data == start + sum && d.len <= t->segment);
		WANT(len == 0 || d.len > 0);
		sum += d.len;
	}
	WANT(sum == len && train_ended(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct udp_batch *b = malloc(sizeof(*b));
	bool gro = size && *data & 1;
	int n;

	if (!memory)
		memory = malloc(UDP_BATCH_BYTES);
	WANT(b && memory);
	memset(b, 0, sizeof(*b));
	script = (struct script){data, size};
	script_u8(&script);
	udp_batch_init(b, memory, gro);
	n = udp_receive(-1, DOOR_SERVICE, b);
	WANT(n >= 0 && (unsigned)n <= b->slots);
	for (int i = 0; i < n; i++) {
		WANT(b->t[i].all.door == DOOR_SERVICE);
		check(&b->t[i], b->iov[i].iov_base, b->iov[i].iov_len);
	}
	free(b);
	return 0;
}
