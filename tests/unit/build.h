/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets in sentences: bubble(&p, native, client) is a bubble from the native
 * host to the client. What is here shares no code with src/core but the types
 * of addresses and tuples, so that both do not make the same mistake.
 *
 * Who is who, in all tests:
 *
 *   9.0.0.2, 9.0.0.3        our server; the second address
 *   9.0.0.9                 our relay
 *   11.0.0.1                a server of others
 *   11.0.0.5 port 4096      client, of our server
 *   11.0.0.6 port 8192      far_client, of the other server
 *   11.0.0.9 port 40000     a relay of others
 *   2001:db8::1             native, a host on the IPv6 Internet
 *   2001:db8:9::9           home, our own IPv6 address
 */
#ifndef UNIT_BUILD_H
#define UNIT_BUILD_H

#include "gate.h"

struct packet {
	size_t n;
	uint8_t b[4096];
};

#define SERVER "9.0.0.2"
#define SECOND "9.0.0.3"
#define RELAY  "9.0.0.9"
#define OTHER  "11.0.0.1"

extern const struct ip6 client, far_client, native, home, all_routers;
extern const struct ip6 server_ll; /* link-local address of our server */
extern const struct tuple client_at, far_client_at, other_relay_at;

/* Addresses from text; a wrong one ends the test. */
uint32_t ip4(const char *text);
struct ip6 ip6(const char *text);
struct tuple at(const char *ip, uint16_t port);

/* TA(server, flags, port, ip) and LL(flags, port, ip). */
struct ip6 ta(const char *server, uint16_t flags, uint16_t port,
	      const char *ip);
struct ip6 ta_of(const char *server, struct tuple t);
struct ip6 ll(uint16_t flags, uint16_t port, const char *ip);

bool same_ip6(struct ip6 a, struct ip6 b);

/* Whole inner packets; hop limit 64, right checksums. */
void bubble(struct packet *p, struct ip6 from, struct ip6 to);
void ip6_with(struct packet *p, struct ip6 from, struct ip6 to, uint8_t next,
	      const char *payload);
void icmp6(struct packet *p, struct ip6 from, struct ip6 to, uint8_t type,
	   uint8_t code, const char *body);
void echo_request(struct packet *p, struct ip6 from, struct ip6 to);
void echo_reply(struct packet *p, struct ip6 from, struct ip6 to);
void data(struct packet *p, struct ip6 from, struct ip6 to);
void data_of(struct packet *p, struct ip6 from, struct ip6 to, size_t size,
	     uint8_t mark);

/* rs(&p, .cone = true): what is not said is as it should be. */
struct solicitation {
	struct packet *p;
	const struct ip6 *from, *to;
	bool cone;
	uint16_t flags;
	uint8_t hops; /* 0: 255 */
	uint8_t code;
	bool bad_checksum;
	const char *reserved; /* hex, 4 bytes */
	const char *options;  /* hex */
};
#define rs(...) build_rs((struct solicitation){.p = __VA_ARGS__})
void build_rs(struct solicitation s);

/*
 * tcp(&p, .seq = 1000, .payload = 100): what is not said is as it should be,
 * from the native host to the client. The payload is that part of an endless
 * stream that begins at seq, for UDP too.
 */
struct segment {
	struct packet *p;
	const struct ip6 *from, *to;
	const struct ip6 *last; /* destination of the pseudo-header */
	uint8_t first;          /* next header of IPv6, with extensions */
	const char *extensions; /* hex */
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;       /* 0: ACK */
	const char *options; /* hex, whole words */
	size_t payload;
	bool partial; /* the checksum is that of the pseudo-header */
};
#define tcp(...) build_l4((struct segment){.p = __VA_ARGS__}, 6)
#define udp(...) build_l4((struct segment){.p = __VA_ARGS__}, 17)
void build_l4(struct segment s, uint8_t next);

/* Put a right checksum into a TCP or UDP packet without extension headers. */
void fix_l4(struct packet *p);

/* Changes; offsets are those of an inner packet that nothing stands before. */
void set_hops(struct packet *p, uint8_t hops);
void set_ecn(struct packet *p, uint8_t ecn);
void flip(struct packet *p, size_t byte, uint8_t bits);
void cut(struct packet *p, size_t bytes);
void add_tail(struct packet *p, const char *hex);
void add_bytes(struct packet *p, uint8_t value, size_t n);
void fix_icmp6(struct packet *p);

/* In front. */
void put_front(struct packet *p, const void *bytes, size_t n);
void add_origin(struct packet *p, struct tuple t);
void add_nonce(struct packet *p, const char *nonce);

/*
 * Sign what the packet holds now, an inner packet with or without an origin
 * indication, by HMAC-SHA1 (au_len 20) or HMAC-SHA256 (32).
 */
void add_auth(struct packet *p, const char *id, const char *secret,
	      const char *nonce, uint8_t confirm, size_t au_len);

/* Hexadecimal digits, spaces between them ignored. */
void hex(struct packet *p, const char *text);

/* Sum of an ICMPv6 packet with its pseudo-header; 0 when right. */
uint16_t icmp6_sum(const uint8_t *inner);

/* Section 2.3 of what 4380 §5.2.4 refuses, first and last of each range. */
struct bad_range {
	const char *name, *first, *last;
	bool extended; /* 6890, switchable */
};
enum {
	BAD_RANGES = 16
};
extern const struct bad_range bad_ranges[BAD_RANGES];

/* Sources that nobody may use (Z18). */
extern const char *const impossible_sources[];
extern const unsigned n_impossible_sources;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
