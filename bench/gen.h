/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traffic generator and sink of bench/run.
 *
 *   bench-gen JOB [name=value]...
 *
 * Each job runs for a time given on the command line, at most `until`, and
 * then prints one line of JSON. All processes of a measurement share a window,
 * [from, until), in seconds of CLOCK_MONOTONIC: what is outside warms up and
 * is not counted.
 *
 * Fake clients have the addresses FIRST_IP, FIRST_IP + 1 and so on; the host
 * they run on treats them all as its own (a route of type local). All use one
 * port and one Teredo server. The flags of their Teredo addresses say what they
 * are for, so that one process may play thousands and treat them differently.
 */
#ifndef BENCH_GEN_H
#define BENCH_GEN_H

#include <netinet/in.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "addr.h"
#include "wire.h"

enum {
	FIRST_IP = 0x09400000, /* 9.64.0.0; 12 million up to 9.255.255.255 */
	MAX_CLIENTS = 12000000,
	CLIENT_PORT = 40000,
	PING_PORT = 40001,
	SINK_PORT = 9000,
	BATCH = 64,
	PAYLOAD = 64, /* of UDP, inside */
	MAX_STEPS = 64,
	MAX_SAMPLES = 1 << 16,
};

/* What a Teredo address was made for: its flags field. */
enum {
	FLAG_FLOW = 1,  /* data flows of the throughput rows */
	FLAG_SPRAY = 2, /* invented destinations */
	FLAG_PING = 4,  /* clients that ping */
};

/* Everything a job may be told. */
struct args {
	double from, until; /* the window */
	double rate;        /* packets/s, 0 = as fast as possible */
	double rate2;       /* a ramp ends at this rate */
	double every;       /* s between newcomers */
	double begin;       /* nothing is sent before; 0 = at once */
	uint64_t count;     /* packets at most, 0 = no limit */
	uint32_t peers;     /* clients, or sources, used in turn */
	uint32_t first;     /* the first of them */
	uint32_t steps;     /* of the ramp; 0 = constant rate */
	uint32_t flags;     /* of the addresses sent to */
	uint32_t answer;    /* clients with these flags answer bubbles */
	uint32_t send, sink;
	uint32_t burst; /* another client after this many packets */
	uint32_t
		train; /* so many datagrams in one call: see struct sendbatch */
	struct in_addr server;
	struct in_addr relay;
	uint32_t relay_port;
	struct in6_addr native, source;
	uint32_t echo;      /* send echo replies, not UDP */
	uint32_t bubbles;   /* send bubbles, not solicitations */
	const char *device; /* of the cable, */
	const char *mac;    /* and who is at its other end */
};

extern const struct args *args;

int job_clients(void);
int job_native(void);
int job_solicit(void);
int job_cable(void);
int job_ping(void);
int job_lookup(void);

/* -- time ------------------------------------------------------------ */

uint64_t now_ns(void);
void sleep_until(uint64_t ns);
uint64_t from_ns(void);
uint64_t until_ns(void);

static inline bool in_window(uint64_t now)
{
	return now >= from_ns() && now < until_ns();
}

/* Decides how many packets may go now; sleeps until one may. */
struct pace {
	uint64_t start;
	uint64_t sent, offered; /* in all, in the window */
	uint64_t by_step[MAX_STEPS];
	uint64_t due; /* packets allowed so far */
	uint64_t last;
	double fraction;
	uint32_t step;
};

/* 0: the time or the count is over. */
unsigned pace_next(struct pace *p);
void pace_sent(struct pace *p, unsigned n);

/* -- sockets --------------------------------------------------------- */

_Noreturn void fail(const char *what);

/*
 * Bound to all addresses, with large buffers, blocking for at most 50 ms; a
 * train that arrives is read in one go (UDP_GRO).
 */
int udp4_socket(uint16_t port);
int udp6_socket(uint16_t port);

/*
 * From now on what is longer than a datagram of this length is a train: the
 * kernel makes datagrams of it, as late as it can (UDP_SEGMENT).
 */
void send_trains(int fd, int len);

/* Datagrams to send, of up to 256 bytes each, alone or in trains. */
struct sendbatch {
	struct mmsghdr h[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage to[BATCH];
	alignas(struct cmsghdr) char control[BATCH][CMSG_SPACE(
		sizeof(struct in_pktinfo))];
	alignas(8) uint8_t data[BATCH * 256];
	size_t used;
	unsigned n;
};

/*
 * Add a datagram: returns where to write its bytes. from_ip 0: any source. A
 * full batch must be sent first.
 */
uint8_t *batch_ip4(struct sendbatch *b, uint32_t from_ip, struct tuple to,
		   size_t len);
uint8_t *batch_ip6(struct sendbatch *b, const struct in6_addr *to,
		   uint16_t port, size_t len);
/* One more of the same length, in the train of the last one. */
uint8_t *batch_more(struct sendbatch *b, size_t len);
/* Send all of it; what the kernel refuses is skipped. */
void batch_send(struct sendbatch *b, int fd);

struct recvbatch {
	struct mmsghdr h[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in from[BATCH]; /* of no use with IPv6 */
	alignas(struct cmsghdr) char control[BATCH][CMSG_SPACE(sizeof(int))];
	alignas(8) uint8_t data[BATCH][65536];
	unsigned ready; /* headers filled in */
	unsigned n, i;  /* messages, and the one being taken apart */
	size_t at;      /* how far */
};

/* Receive; nothing after 50 ms without any, or at once if dontwait. */
void batch_recv(struct recvbatch *b, int fd, bool dontwait);
/* The next datagram, and who sent it; NULL if there is none. */
uint8_t *batch_next(struct recvbatch *b, size_t *len,
		    const struct sockaddr_in **from);

/* -- packets --------------------------------------------------------- */

/*
 * The payload of a counted packet. Each number stands beside its complement,
 * so that the checksum does not depend on it and need not be computed anew.
 */
struct mark {
	uint32_t seq, not_seq;
	uint32_t step, not_step;
	uint8_t who[4]; /* stands for the address of the sender likewise */
	uint8_t rest[PAYLOAD - 20];
};
static_assert(sizeof(struct mark) == PAYLOAD, "64 bytes of payload");

void mark_put(struct mark *m, uint32_t seq, uint32_t step);

/* What a sink counts. */
struct tally {
	uint64_t received, counted; /* in all, in the window */
	uint64_t by_step[MAX_STEPS];
	uint64_t late; /* behind one with a higher number */
	uint32_t highest;
	uint32_t from, to; /* numbers of the first and the last in the window */
	uint64_t first;    /* time of the first, ns */
};

void tally_mark(struct tally *t, const struct mark *m, uint64_t now);
void tally_print(const struct tally *t);
void pace_print(const struct pace *p);

/* A solicitation with a nonce. */
struct solicitation {
	uint8_t auth[4], nonce[8], confirm;
	struct wire_ip6 ip;
	struct wire_icmp6 rs;
} __attribute__((packed));
static_assert(sizeof(struct solicitation) == 61, "packed");

void solicitation_put(struct solicitation *s, uint64_t nonce);

struct tuple client_tuple(uint32_t i, uint16_t port);
void client_address(struct ip6 *a, uint32_t i, uint16_t port, uint16_t flags,
		    uint32_t server);

#endif
