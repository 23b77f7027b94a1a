/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending (see udp.h). Actions become messages in two steps. First they are
 * bundled: datagrams of one length to one peer, in a row or between others',
 * are one message that the kernel cuts; the last may be shorter. A super-packet
 * is a bundle of its own. Then messages are filled and sent, as many as fit
 * into one call.
 *
 * Two things may be wrong with UDP_SEGMENT, which is found out by trying: some
 * device cannot do it at all (EIO), and then it is never tried again; or a
 * route has an MTU below the datagrams, so that they must become fragments
 * (EINVAL; EMSGSIZE since Linux 6.14, and in older ones that were mended).
 * Either way the message is sent again, datagram by datagram.
 */
#include <errno.h>
#include <linux/udp.h>
#include <string.h>

#include "udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
	LOOK_BACK = 16, /* bundles that may grow */
};

/* --- bundles --- */

/* Of the inner packet: a whole one begins with its version. */
static uint8_t dscp_of(const struct out *o)
{
	const uint8_t *p = o->super      ? o->super->p
			   : o->head_len ? o->head
					 : o->body;

	return p[0] >> 4 == 6 ? (uint8_t)((p[0] & 15) << 2 | p[1] >> 6) : 0;
}

static uint32_t size_of(const struct out *o)
{
	return (uint32_t)o->head_len + o->body_len;
}

/* The last bundle to this peer, unless it is long ago. */
static struct bundle *find(struct udp_sender *s, unsigned n, struct tuple to)
{
	for (unsigned i = 0; i < LOOK_BACK && i < n; i++) {
		struct bundle *b = &s->bundle[n - 1 - i];

		if (tuple_equal(b->to, to))
			return b;
	}
	return NULL;
}

static bool takes(const struct bundle *b, const struct out *o, uint8_t dscp)
{
	uint32_t size = size_of(o);

	return !b->is_closed && !o->super && size <= b->size &&
	       b->n < SEGMENTS_MAX && b->bytes + size <= UDP_PAYLOAD_MAX &&
	       dscp == b->dscp;
}

/* How many bundles n actions make. */
static unsigned bundle(struct udp_sender *s, const struct out *const *v,
		       unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct out *o = v[i];
		struct bundle *b = s->gso ? find(s, count, o->to) : NULL;
		uint8_t dscp = s->copies ? dscp_of(o) : 0;

		if (b && takes(b, o, dscp)) {
			s->next[b->last] = (uint16_t)i;
			b->last = (uint16_t)i;
			b->n++;
			b->bytes += size_of(o);
			b->is_closed = size_of(o) < b->size;
			continue;
		}
		if (b)
			b->is_closed = true;
		s->bundle[count++] = (struct bundle){
			.to = o->to,
			.first = (uint16_t)i,
			.last = (uint16_t)i,
			.n = 1,
			.size = (uint16_t)size_of(o),
			.bytes = size_of(o),
			.dscp = dscp,
			.is_closed = o->super,
		};
	}
	return count;
}

/* --- messages --- */

static void add_control(struct msghdr *h, int level, int type, const void *p,
			size_t n)
{
	struct cmsghdr *c =
		(void *)((char *)h->msg_control + h->msg_controllen);

	c->cmsg_len = CMSG_LEN(n);
	c->cmsg_level = level;
	c->cmsg_type = type;
	memcpy(CMSG_DATA(c), p, n);
	h->msg_controllen += CMSG_SPACE(n);
}

/* The next message; its parts follow. segment: 0 = it is one datagram. */
static void begin(struct udp_sender *s, const struct bundle *b,
		  uint16_t segment)
{
	unsigned m = s->n_msg++;
	int tos = b->dscp << 2;
	struct msghdr *h = &s->msg[m].msg_hdr;

	s->to[m] = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(b->to.port),
		.sin_addr.s_addr = htonl(b->to.ip),
	};
	*h = (struct msghdr){
		.msg_name = &s->to[m],
		.msg_namelen = sizeof(s->to[m]),
		.msg_iov = &s->iov[s->n_iov],
		.msg_control = s->control[m],
	};
	/* The one that is not for singles comes last: see send_singly(). */
	if (s->copies)
		add_control(h, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	s->segment[m] = segment;
	if (segment)
		add_control(h, IPPROTO_UDP, UDP_SEGMENT, &segment,
			    sizeof(segment));
}

static void add_part(struct udp_sender *s, const uint8_t *p, size_t n)
{
	if (n == 0)
		return;
	s->iov[s->n_iov++] = part_of(p, n);
	s->msg[s->n_msg - 1].msg_hdr.msg_iovlen++;
}

/* How many iovs make the next datagram; the last one may be shorter. */
static unsigned parts_of(const struct iovec *iov, unsigned n, size_t bytes)
{
	unsigned parts = 0;

	while (parts < n && bytes > 0)
		bytes -= iov[parts++].iov_len;
	return parts;
}

static void send_singly(struct udp_sender *s, int fd, unsigned m)
{
	struct mmsghdr one = {.msg_hdr = s->msg[m].msg_hdr};
	struct msghdr *h = &one.msg_hdr;
	size_t left = h->msg_iovlen;

	h->msg_controllen -= CMSG_SPACE(sizeof(s->segment[m]));
	while (left) {
		unsigned parts =
			parts_of(h->msg_iov, (unsigned)left, s->segment[m]);

		h->msg_iovlen = parts;
		tally(&s->refused, send_all(fd, &one, 1));
		left -= parts;
		h->msg_iov += parts;
	}
}

/* How many datagrams a message is. */
static unsigned datagrams_of(const struct udp_sender *s, unsigned m)
{
	const struct msghdr *h = &s->msg[m].msg_hdr;
	size_t bytes = 0;

	if (!s->segment[m])
		return 1;
	for (size_t i = 0; i < (size_t)h->msg_iovlen; i++)
		bytes += h->msg_iov[i].iov_len;
	return (unsigned)((bytes + s->segment[m] - 1) / s->segment[m]);
}

static bool is_about_cutting(int error)
{
	return error == EIO || error == EINVAL || error == EMSGSIZE;
}

/* The kernel refuses message m, and will not look at the next ones before. */
static void refuse(struct udp_sender *s, int fd, unsigned m, int error)
{
	if (!s->segment[m] || !is_about_cutting(error)) {
		tally(&s->refused, datagrams_of(s, m));
		return;
	}
	if (error == EIO)
		s->gso = false;
	tally(&s->cut_here, 1);
	send_singly(s, fd, m);
}

static void flush(struct udp_sender *s, int fd)
{
	unsigned at = 0;

	while (at < s->n_msg) {
		int sent =
			sendmmsg(fd, s->msg + at, s->n_msg - at, MSG_DONTWAIT);

		tally(&s->calls, 1);
		if (sent > 0) {
			at += (unsigned)sent;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			while (at < s->n_msg)
				tally(&s->refused, datagrams_of(s, at++));
		} else if (errno != EINTR) {
			refuse(s, fd, at, errno);
			at++;
		}
	}
	s->n_msg = s->n_iov = 0;
	s->used = 0;
}

/* Room for one more message. */
static void need(struct udp_sender *s, int fd, unsigned parts, size_t bytes)
{
	if (s->n_msg == BATCH || s->n_iov + parts > PARTS_MAX ||
	    s->used + bytes > sizeof(s->heads))
		flush(s, fd);
}

/* Many datagrams of an action or two. */
static void put_bundle(struct udp_sender *s, int fd, const struct bundle *b,
		       const struct out *const *v)
{
	unsigned i = b->first;

	need(s, fd, 2 * b->n, 0);
	begin(s, b, b->n > 1 ? b->size : 0);
	for (unsigned n = 0; n < b->n; n++, i = s->next[i]) {
		add_part(s, v[i]->head, v[i]->head_len);
		add_part(s, v[i]->body, v[i]->body_len);
	}
	tally(&s->datagrams, b->n);
}

/* The segments of a super-packet: as many messages as the limits want. */
static void put_super(struct udp_sender *s, int fd, const struct bundle *b,
		      const struct super *p)
{
	unsigned count = super_count(p), most = 1;
	uint16_t size = (uint16_t)super_longest(p);

	if (s->gso)
		most = UDP_PAYLOAD_MAX / size;
	if (most > SEGMENTS_MAX)
		most = SEGMENTS_MAX;
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *payload;
		size_t n;

		if (i % most == 0) {
			unsigned here = count - i < most ? count - i : most;

			need(s, fd, 2 * here, here * p->head_len);
			begin(s, b, here > 1 ? size : 0);
		}
		super_heads(p, i, 1, s->heads + s->used);
		add_part(s, s->heads + s->used, p->head_len);
		s->used += p->head_len;
		payload = super_payload(p, i, &n);
		add_part(s, payload, n);
	}
	tally(&s->datagrams, count);
}

void udp_send(struct udp_sender *s, int fd, const struct out *const *v,
	      unsigned n)
{
	unsigned count;

	s->copies = __atomic_load_n(&s->copy_dscp, __ATOMIC_RELAXED);
	count = bundle(s, v, n);
	for (unsigned i = 0; i < count; i++) {
		const struct bundle *b = &s->bundle[i];

		if (v[b->first]->super)
			put_super(s, fd, b, v[b->first]->super);
		else
			put_bundle(s, fd, b, v);
	}
	flush(s, fd);
}

int out_send(int fd, const struct out *o)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(o->to.port),
		.sin_addr.s_addr = htonl(o->to.ip),
	};
	struct iovec iov[2];
	struct msghdr m = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = iov,
		.msg_iovlen = out_to_iov(iov, o),
	};

	return sendmsg(fd, &m, 0) < 0 ? -errno : 0;
}
