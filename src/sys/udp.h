/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets, in batches. The kernel is asked to do much in one call: to hand
 * over datagrams of one sender together (UDP_GRO), and to cut what goes to one
 * peer into datagrams itself (UDP_SEGMENT). What it cannot do is done here, one
 * datagram at a time, and nobody else notices.
 */
#ifndef SYS_UDP_H
#define SYS_UDP_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "../core/train.h"
#include "offload.h"

enum {
	BATCH = 64,
	/* Longer than the longest Teredo datagram; see udp_is_cut(). */
	PACKET_SPACE = 2048,

	/* What UDP_GRO hands over: 16 of any length, instead of 64 short ones.
	 * They do not all begin in the same lines of a cache. */
	TRAINS = 16,
	TRAIN_SPACE = (64 << 10) + 192,
	UDP_BATCH_BYTES = TRAINS * TRAIN_SPACE,

	/* What the kernel takes in one call. */
	SEGMENTS_MAX = 64,
	UDP_PAYLOAD_MAX = 65507,
	PARTS_MAX = 1024, /* heads and bodies of a few messages */
	HEADS_BYTES = 48 << 10,
};

struct udp_batch {
	unsigned slots;
	struct train t[BATCH];
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in from[BATCH];
	/* for two integers of ancillary data */
	_Alignas(struct cmsghdr)
		uint8_t control[BATCH][2 * CMSG_SPACE(sizeof(int))];
};

/*
 * One more of what only its own thread counts, and others may read meanwhile.
 */
/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes to it */
static inline void tally(uint64_t *count, uint64_t more)
{
	__atomic_store_n(count, *count + more, __ATOMIC_RELAXED);
}

static inline uint64_t tally_read(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

/* How udp_send() sends, and what it needs for that. */
struct udp_sender {
	bool gso;       /* UDP_SEGMENT may be used */
	bool copy_dscp; /* of the inner packet; else that of the socket. Others
			   may change it while this one sends */
	bool copies;    /* now */
	uint64_t datagrams, calls; /* handed to the kernel, in how many calls */
	uint64_t refused;          /* of these */
	uint64_t cut_here;         /* messages that the kernel could not cut */
	unsigned n_msg, n_iov;
	struct mmsghdr msg[BATCH];
	struct sockaddr_in to[BATCH];
	struct iovec iov[PARTS_MAX];
	uint16_t segment[BATCH]; /* bytes of each datagram; 0 = it is one */
	_Alignas(struct cmsghdr)
		uint8_t control[BATCH][2 * CMSG_SPACE(sizeof(int))];
	struct bundle {
		struct tuple to;
		uint16_t first, last, n; /* actions, by way of next[] */
		uint16_t size;           /* bytes of each but the last */
		uint32_t bytes;
		uint8_t dscp;
		bool is_closed;
	} bundle[OUT_MAX];
	uint16_t next[OUT_MAX];
	size_t used; /* of heads: those of segments, made here */
	uint8_t heads[HEADS_BYTES];
};

/*
 * A socket bound to ip (host order, 0 = any) and port (0 = any), or -errno.
 * with_ecn: report the ECN bits of the outer header.
 */
int udp_open(uint32_t ip, uint16_t port, bool with_ecn);

/*
 * The same, with any port, which the kernel gives it with the first datagram
 * that is sent: until then it takes none.
 */
int udp_open_later(uint32_t ip, bool with_ecn);

/*
 * One more socket at the same place: the kernel spreads what comes by its
 * sender. The first call makes fd one that allows others beside it; nobody
 * could have been there before. A descriptor or -errno.
 */
int udp_open_beside(int fd, bool with_ecn);

/*
 * Make a socket that was passed to us one of ours. 0, or -errno if it is not
 * what udp_open() returns. local: where it is bound to.
 */
int udp_adopt(int fd, bool with_ecn, struct tuple *local);

/* Which of OFFLOAD_GSO and OFFLOAD_GRO that are wanted the kernel has; they are
 * on from now on. */
unsigned udp_offload(int fd, unsigned wanted);

/* How many datagrams the kernel has dropped, as the socket had no room; known
 * if it does not tell. */
uint32_t udp_dropped(int fd, uint32_t known);

/* DSCP of what is sent, 0 to 63. 0 or -errno. */
int udp_set_dscp(int fd, uint8_t dscp);

/*
 * Send and receive by way of one interface only ("" = any), and mark what is
 * sent (0 = do not). 0 or -errno. A mark needs privilege.
 */
int udp_confine(int fd, const char *iface, uint32_t mark);

/* Is that how it is? */
bool udp_is_confined(int fd, const char *iface, uint32_t mark);

/* Where a socket is bound to. 0 or -errno. */
int udp_local(int fd, struct tuple *t);

/* memory: UDP_BATCH_BYTES, the caller's. gro: the sockets have OFFLOAD_GRO. */
void udp_batch_init(struct udp_batch *b, void *memory, bool gro);

/* Datagrams to b->t; how many trains, 0 if there are none, or -errno. */
int udp_receive(int fd, enum door door, struct udp_batch *b);

/* Are its datagrams longer than PACKET_SPACE? They may not be whole. */
static inline bool udp_is_cut(const struct train *t)
{
	return t->segment > PACKET_SPACE;
}

/*
 * Send what n actions say, n <= OUT_MAX; those to one peer in order. What the
 * kernel refuses is counted.
 */
void udp_send(struct udp_sender *s, int fd, const struct out *const *v,
	      unsigned n);

/* For what is only sent: an iovec is for reading, too, so it knows no const. */
static inline struct iovec part_of(const void *p, size_t n)
{
	const union {
		const void *in;
		void *out;
	} part = {.in = p};

	return (struct iovec){part.out, n};
}

/* Head and body of an action, for sendmsg(). How many parts. */
unsigned out_to_iov(struct iovec iov[static 2], const struct out *o);

/* Send one action, which is no super-packet. 0 or -errno. */
int out_send(int fd, const struct out *o);

/*
 * sendmmsg() to the end: a message that is refused is left out, and if the
 * socket takes no more, so are all that follow. How many were left out.
 */
unsigned send_all(int fd, struct mmsghdr *msg, unsigned n);

#endif
