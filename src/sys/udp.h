/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets, in batches. One receive buffer serves all sockets: what a
 * machine makes of a batch is sent before the next batch is received.
 */
#ifndef SYS_UDP_H
#define SYS_UDP_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "../core/outbox.h"

enum {
	BATCH = 64,
	/* Longer than the longest Teredo datagram; see udp_is_cut(). */
	PACKET_SPACE = 2048,
	CONTROL_SPACE = CMSG_SPACE(sizeof(int)),
};

struct udp_batch {
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in from[BATCH];
	/* for one integer of ancillary data */
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_SPACE];
	struct datagram d[BATCH];
	uint8_t bytes[BATCH][PACKET_SPACE];
};

/*
 * A socket bound to ip (host order, 0 = any) and port (0 = any), or -errno.
 * with_ecn: report the ECN bits of the outer header.
 */
int udp_open(uint32_t ip, uint16_t port, bool with_ecn);

/*
 * Make a socket that was passed to us one of ours. 0, or -errno if it is not
 * what udp_open() returns. local: where it is bound to.
 */
int udp_adopt(int fd, bool with_ecn, struct tuple *local);

/*
 * Send and receive by way of one interface only ("" = any), and mark what is
 * sent (0 = do not). 0 or -errno. A mark needs privilege.
 */
int udp_confine(int fd, const char *iface, uint32_t mark);

/* Where a socket is bound to. 0 or -errno. */
int udp_local(int fd, struct tuple *t);

void udp_batch_init(struct udp_batch *b);

/* Up to BATCH datagrams to b->d; how many, 0 if there are none, or -errno. */
int udp_receive(int fd, enum door door, struct udp_batch *b);

/* Was datagram i of the batch longer than PACKET_SPACE? */
bool udp_is_cut(const struct udp_batch *b, int i);

/* Send n datagrams, n <= BATCH. How many the kernel refused. */
unsigned udp_send(int fd, const struct out *const *v, unsigned n);

/* Head and body of an action, for sendmsg(). How many parts. */
unsigned out_to_iov(struct iovec iov[static 2], const struct out *o);

/*
 * sendmmsg() to the end: a message that is refused is left out, and if the
 * socket takes no more, so are all that follow. How many were left out.
 */
unsigned send_all(int fd, struct mmsghdr *msg, unsigned n);

#endif
