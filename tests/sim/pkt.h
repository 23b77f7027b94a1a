/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets as the doubles of the simulator write and read them. Reading is done
 * without the parser of the core, so that a mistake there is not repeated here.
 */
#ifndef SIM_PKT_H
#define SIM_PKT_H

#include "addr.h"

enum {
	PKT_MAX = 2048,
	APP_LEN = IP6_LEN + 8 + 16 /* UDP header, then a numbered message */
};

enum app_kind {
	APP_REQUEST = 1,
	APP_REPLY
};

/* A UDP payload taken apart; ip is NULL if it is not Teredo. */
struct view {
	const uint8_t *nonce; /* of the authentication block, or NULL */
	bool has_origin;
	struct tuple origin;
	const struct wire_ip6 *ip;
	size_t len; /* of the inner packet */
	const uint8_t *tail;
	size_t tail_len;
};

void view_read(struct view *v, const uint8_t *p, size_t n);

/* The nonce trailer; 0 if there is none. */
uint32_t view_trailer(const struct view *v);
/* The port of a random port trailer; 0 if there is none. */
uint16_t view_port(const struct view *v);
/* What its discovery trailer says: 0 or 1; or -1. */
int view_discovery(const struct view *v);
bool view_is_bubble(const struct view *v);

/* Bytes written. nonce may be NULL; trailer 0 is none. */
size_t pkt_rs(uint8_t *p, const struct ip6 *src, const uint8_t *nonce);
size_t pkt_bubble(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
		  uint32_t trailer);
size_t pkt_echo(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
		uint8_t type, const uint8_t data[8]);
/* The answer to an echo request of n bytes, with all its data. */
size_t pkt_pong(uint8_t *p, const struct wire_ip6 *ping, size_t n);
/* What a SYN gets from a port where nobody is. */
size_t pkt_reset(uint8_t *p, const struct wire_ip6 *syn);
size_t pkt_app(uint8_t *p, const struct ip6 *src, const struct ip6 *dst,
	       enum app_kind kind, uint32_t seq);

/* Is this an unharmed message? 0 if not. */
enum app_kind pkt_app_read(const struct wire_ip6 *ip, size_t len,
			   uint32_t *seq);

/* Bytes to a number; equal numbers mean equal bytes, but for 2^-64. */
uint64_t digest_bytes(const void *p, size_t n, uint64_t start);

#endif
