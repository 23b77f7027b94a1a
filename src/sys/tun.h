/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnel device of a relay. It is not persistent: the kernel removes it,
 * and with it the route, when the process that holds it ends, however it ends.
 */
#ifndef SYS_TUN_H
#define SYS_TUN_H

#include <net/if.h>

#include "udp.h"

struct tun_batch {
	uint16_t len[BATCH];
	uint8_t bytes[BATCH][PACKET_SPACE];
};

/* Create a device of this name. Descriptor or -errno, -EBUSY if it exists. */
int tun_open(const char *name);

/* The name of a device that was passed to us. 0 or -errno. */
int tun_adopt(int fd, char name[static IFNAMSIZ]);

/* Is the interface up? socket: any. */
bool tun_is_up(unsigned ifindex, int socket);

/* Up to BATCH packets; how many, 0 if there are none, or -errno. */
int tun_receive(int fd, struct tun_batch *b);

/* Hand n packets to the kernel. How many it refused. */
unsigned tun_send(int fd, const struct out *const *v, unsigned n);

#endif
