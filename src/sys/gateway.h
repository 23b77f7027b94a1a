/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question to a router, in a process of its own that ends with the answer:
 * what takes apart what the router says has no privilege, no file, next to no
 * memory, and little time. It is started by the mapper (mapper.h), which gets
 * nothing of it but a struct gateway_end.
 */
#ifndef SYS_GATEWAY_H
#define SYS_GATEWAY_H

#include <sys/types.h>

#include "../core/pcp.h"

enum {
	GATEWAY_WAITS_MS = 3000, /* for one answer */
	GATEWAY_GIVES_UP_S = 10, /* in all: UPnP takes several */
	GATEWAY_MEMORY = 16 << 20,
};

struct gateway_task {
	struct portmap_job job;
	uint8_t nonce[PCP_NONCE];
	int udp; /* of gateway_socket(), with a mark; -1 = one of its own */
	unsigned oif; /* of the link of the router */
};

struct gateway_end {
	uint32_t why; /* enum portmap_why */
	struct portmap_result result;
};

/* For PCP and NAT-PMP, with a mark (0 = none); or -errno. While privileged. */
int gateway_socket(uint32_t mark);

/* In the mapper: start one. *out is readable when it has something to say, or
 * has ended. Its process, or -1. */
pid_t gateway_start(const struct gateway_task *t, int *out);

/* What it has said; false: it has ended without a word. ASKING: it begins to
 * make a mapping, which is there, perhaps, if it comes to an untimely end. */
bool gateway_read(int fd, struct gateway_end *end);

#endif
