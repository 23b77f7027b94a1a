/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that has a place on the wire: names as in the RFCs, each with the
 * section it comes from. Fields are arrays of bytes, so that the structures
 * have no alignment and may lie anywhere in a datagram; numbers are read and
 * written by the be16 and be32 functions below.
 */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reason.h"

/* An IPv6 address, in network order. */
struct ip6 {
	uint8_t b[16];
};

/* An IPv4 address and a UDP port, both in host order. */
struct tuple {
	uint32_t ip;
	uint16_t port;
};

enum {
	TEREDO_PORT = 3544,         /* 4380 §2.7 */
	TEREDO_PREFIX = 0x20010000, /* 4380 §2.6: 2001:0000::/32 */
	TEREDO_MTU = 1280,          /* 4380 §5.1.2 */

	FLAG_CONE = 0x8000, /* 4380 §4; only servers look at it (5991 §3.2) */

	ORIGIN_LEN = 8, /* 4380 §5.1.1 */
	AUTH_NONCE_LEN = 8,
	AUTH_MAX_ID = 255,
	AUTH_MAX_VALUE = 32, /* HMAC-SHA256, the longest we make */

	TRAILER_NONCE = 0x01,            /* 6081 §4.2 */
	TRAILER_RANDOM_PORT_IANA = 0x02, /* 6081 §9 has this number, A1 */
	TRAILER_ALTERNATE = 0x03,        /* 6081 §4.3 */
	TRAILER_DISCOVERY = 0x04,        /* 6081 §4.4 */
	TRAILER_RANDOM_PORT = 0x05,      /* 6081 §4.5 */
	ALTERNATES_MAX = 4,
	TRAILERS_MAX = 44, /* bytes of one of each, with all alternates */

	IP6_LEN = 40,
	INNER_MAX = 1472, /* fills a UDP datagram on a path of 1500 bytes */
	TAIL_MAX = 128,   /* bytes behind a packet that a server copies, A30 */
	BUBBLE_HOPS = 64,

	NEXT_HOPOPTS = 0, /* next header values */
	NEXT_TCP = 6,
	NEXT_UDP = 17,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_AUTH = 51,
	NEXT_ICMPV6 = 58,
	NEXT_NONE = 59,
	NEXT_DSTOPTS = 60,

	ICMP6_UNREACHABLE = 1, /* 4443 §3 */
	ICMP6_PACKET_TOO_BIG = 2,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_ROUTER_SOLICITATION = 133, /* 4861 §4.1 */
	ICMP6_ROUTER_ADVERTISEMENT = 134,
	ICMP6_REDIRECT = 137,

	UNREACHABLE_NO_ROUTE = 0, /* 4443 §3.1 */
	UNREACHABLE_ADDRESS = 3,

	TCP_FIN = 0x01, /* 9293 §3.1, 3168 §6.1 */
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
	TCP_LEN_MAX = 60,
};

/* IPv6 header, 8200 §3. */
struct wire_ip6 {
	uint8_t vcf[4]; /* version, traffic class, flow label */
	uint8_t plen[2];
	uint8_t next;
	uint8_t hops;
	struct ip6 src;
	struct ip6 dst;
};
static_assert(sizeof(struct wire_ip6) == IP6_LEN, "IPv6 header");

/* ICMPv6 header with the four bytes that each of our types has, 4443 §2.1. */
struct wire_icmp6 {
	uint8_t type;
	uint8_t code;
	uint8_t csum[2];
	uint8_t body[4]; /* MTU; identifier and sequence; reserved */
};
static_assert(sizeof(struct wire_icmp6) == 8, "ICMPv6 header");

/* UDP header, RFC 768. */
struct wire_udp {
	uint8_t src[2];
	uint8_t dst[2];
	uint8_t len[2];
	uint8_t csum[2];
};
static_assert(sizeof(struct wire_udp) == 8, "UDP header");

/* TCP header without options, 9293 §3.1. */
struct wire_tcp {
	uint8_t src[2];
	uint8_t dst[2];
	uint8_t seq[4];
	uint8_t ack[4];
	uint8_t offset; /* of the data, in words; four reserved bits */
	uint8_t flags;
	uint8_t window[2];
	uint8_t csum[2];
	uint8_t urgent[2];
};
static_assert(sizeof(struct wire_tcp) == 20, "TCP header");

/* Origin indication, 4380 §5.1.1; port and address are inverted. */
struct wire_origin {
	uint8_t type[2]; /* 00 00 */
	uint8_t port[2];
	uint8_t ip[4];
};
static_assert(sizeof(struct wire_origin) == ORIGIN_LEN, "origin indication");

/* Router Advertisement of a Teredo server, 4380 §5.3.2, 4861 §4.2, §4.6. */
struct wire_ra {
	struct wire_ip6 ip;
	uint8_t type, code, csum[2];
	uint8_t hop_limit, flags, lifetime[2], reachable[4], retrans[4];
	struct {
		uint8_t type, len, prefix_len, flags;
		uint8_t valid[4], preferred[4], reserved[4];
		struct ip6 prefix;
	} prefix;
	struct {
		uint8_t type, len, reserved[2], mtu[4];
	} mtu;
};
static_assert(sizeof(struct wire_ra) == 96, "Router Advertisement");

/* The authentication block as received, 4380 §5.1.1. */
struct auth {
	const uint8_t *id;
	const uint8_t *value;
	const uint8_t *nonce;
	uint8_t id_len;
	uint8_t value_len;
	uint8_t confirm;
};

/*
 * The checked view of a UDP payload. All pointers lie in the datagram. What is
 * behind frame_parse() relies on it: len is 40 + payload length and lies
 * within the datagram, the version is 6, blocks are whole and in order.
 */
struct frame {
	bool has_auth;
	bool has_origin;
	struct auth auth;
	struct tuple origin;
	const struct wire_ip6 *ip;
	uint16_t len;      /* of the inner packet, header included */
	uint16_t tail_len; /* of what follows it: trailers, 6081 §4 */
	const uint8_t *tail;
};

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

/* The bytes behind the IPv6 header. */
static inline const uint8_t *ip6_payload(const struct wire_ip6 *ip)
{
	return (const uint8_t *)(ip + 1);
}

static inline uint16_t ip6_payload_len(const struct wire_ip6 *ip)
{
	return be16(ip->plen);
}

/* Bubble: no payload and no next header (4380 §2.8). */
static inline bool ip6_is_bubble(const struct wire_ip6 *ip)
{
	return ip->next == NEXT_NONE && ip6_payload_len(ip) == 0;
}

/*
 * Parse a UDP payload (S3, R15). REASON_NONE, or why it is no Teredo packet.
 */
enum reason frame_parse(struct frame *f, const uint8_t *p, size_t n);

/*
 * Check a packet that came whole from the IPv6 side. REASON_NONE, or why it is
 * no IPv6 packet.
 */
enum reason ip6_check(const uint8_t *p, size_t n);

/* Type of an ICMPv6 message right behind the IPv6 header; -1 if none. */
int ip6_icmp_type(const struct wire_ip6 *ip);

/* Length of the TCP header at p, options included; 0 if n bytes do not hold it.
 */
size_t tcp_len(const uint8_t *p, size_t n);

/* Where the extension headers end. */
struct upper {
	bool routing;     /* there was a Routing header */
	bool single;      /* a Fragment or Authentication header: it belongs to
			     this packet, no other may have a copy */
	uint8_t next;     /* what follows; NEXT_FRAGMENT if out of sight */
	const uint8_t *p; /* n bytes of it */
	size_t n;
};

/*
 * Walk the extension headers; linear in the length of the packet. REASON_NONE
 * or REASON_TRUNCATED.
 */
enum reason ip6_upper(const struct wire_ip6 *ip, struct upper *u);

/* 6081 §4.4. The numbers on the wire are 0 and 1. */
enum nd {
	ND_NONE,
	ND_SOLICITATION,
	ND_ADVERTISEMENT,
};

/*
 * What stands behind a bubble (6081 §4). Nothing of it has been judged:
 * addresses and ports are as the sender wrote them.
 */
struct trailers {
	uint32_t nonce;       /* 0 = none (A19) */
	uint16_t random_port; /* 0 = none */
	uint8_t discovery;    /* enum nd */
	bool bad_alternates;  /* of a length that cannot be (X66) */
	uint8_t n_alternates; /* of which these are set */
	struct tuple alternate[ALTERNATES_MAX];
};

/*
 * All that we know among these trailers, in one pass (X1, X2, X4, X5, X37, X66,
 * X74). Of each type the first counts that has a length it can have. A type
 * 01xxxxxx says that the packet must be dropped (X3): REASON_TRAILER, and *t is
 * of no use.
 */
enum reason trailers_parse(struct trailers *t, const uint8_t *p, size_t n);

/* Write the 8 bytes of an origin indication, 4380 §5.1.1. */
void wire_put_origin(struct wire_origin *o, struct tuple t);

/* Write an IPv6 header without traffic class and flow label. */
void wire_put_ip6(struct wire_ip6 *ip, uint16_t plen, uint8_t next,
		  uint8_t hops, const struct ip6 *src, const struct ip6 *dst);

/*
 * A bubble (4380 §2.8) and the trailers that are set; t may be NULL. Returns
 * its length, at most IP6_LEN + TRAILERS_MAX.
 */
size_t wire_put_bubble(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
		       uint8_t hops, const struct trailers *t);

#endif
