/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a router is asked, and what it answers: PCP (6887, opcode MAP) and its
 * older brother NAT-PMP (6886), which share a port. Fixed records; nothing is
 * kept here. An answer is believed if it could be one to our question: nonce,
 * protocol and port are ours (6887 §11.4). Who sent it is for the shell.
 */
#ifndef CORE_PCP_H
#define CORE_PCP_H

#include <stddef.h>

#include "portmap.h"

enum {
	PCP_PORT = 5351,
	PCP_ANNOUNCE_PORT = 5350, /* of hosts, at 224.0.0.1 */
	PCP_NONCE = 12,
	PCP_MAP_SIZE = 60,        /* question and answer */
	PCP_MAX = 1100,           /* of any message, 6887 §7 */
	NATPMP_ADDRESS = 2,       /* question */
	NATPMP_MAP = 12,          /* question */
	NATPMP_ADDRESS_IS = 12,   /* answer */
	NATPMP_MAP_IS = 16,       /* answer */
	PCP_MAX_LIFETIME = 86400, /* s; 6887 §15: a day is enough */
};

/* What is asked for: lifetime_s 0 = take it away. external: what is wished. */
struct pcp_question {
	struct tuple local, external;
	uint32_t lifetime_s;
	uint8_t nonce[PCP_NONCE];
};

void pcp_ask(uint8_t out[static PCP_MAP_SIZE], const struct pcp_question *q);

/* The external address; then the port. */
void natpmp_ask_address(uint8_t out[static NATPMP_ADDRESS]);
void natpmp_ask(uint8_t out[static NATPMP_MAP], const struct pcp_question *q);

/* PORTMAP_ASKING: this is no answer to that question, so wait on. Else how it
 * has ended, with r filled. */
enum portmap_why pcp_answer(const uint8_t *in, size_t n,
			    const struct pcp_question *q,
			    struct portmap_result *r);

/* The same; the first fills r->external.ip, the second the rest. */
enum portmap_why natpmp_address(const uint8_t *in, size_t n,
				struct portmap_result *r);
enum portmap_why natpmp_answer(const uint8_t *in, size_t n,
			       const struct pcp_question *q,
			       struct portmap_result *r);

#endif
