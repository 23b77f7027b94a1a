/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel may do for many packets at once. Each is found by trying, at
 * the start; what it has not, is done here. Names are shown to users and stay
 * as they are; miredo.conf(5) explains them.
 */
#ifndef SYS_OFFLOAD_H
#define SYS_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>

enum offload {
	OFFLOAD_TSO = 1, /* tun: super-packets of TCP, both ways */
	OFFLOAD_USO = 2, /* tun: the same of UDP */
	OFFLOAD_GSO = 4, /* UDP sockets: UDP_SEGMENT */
	OFFLOAD_GRO = 8, /* UDP sockets: UDP_GRO */
	OFFLOAD_ALL = 15,
};

enum {
	OFFLOAD_NAMES = 24 /* room for all of them */
};

/* "tso gso gro", or "none". */
void offload_names(char out[static OFFLOAD_NAMES], unsigned offloads);

/* Names with blanks between them; false if one is unknown or there is none. */
bool offload_parse(unsigned *out, const char *s);

#endif
