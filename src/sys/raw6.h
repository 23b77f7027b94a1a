/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPv6 side of a server: whole IPv6 packets, with the address of a client
 * as their source, leave by the ordinary routing of this host. Nothing comes
 * in here; the answers go to whatever relay is nearest to their sender.
 */
#ifndef SYS_RAW6_H
#define SYS_RAW6_H

#include "tun.h"

/* Needs CAP_NET_RAW. Descriptor or -errno. */
int raw6_open(void);

/* Send n packets; they are counted where those to a tun device are. */
void raw6_send(struct tun_sender *s, int fd, const struct out *const *v,
	       unsigned n);

#endif
