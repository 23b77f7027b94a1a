/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UDP sockets of this process, as the configuration wants them. Who cannot
 * have one dies, and says why and what to do.
 */
#ifndef SYS_DOORS_H
#define SYS_DOORS_H

#include "loop.h"
#include "plan.h"

/*
 * A socket at ip and port, 0 = any; or socket i of those that were passed in,
 * if there are so many.
 */
int door_open(const struct plan *p, uint32_t ip, uint16_t port, unsigned i);

/*
 * C3: at any port, since clients behind one NAT that keeps ports should not
 * meet; the kernel would draw from half of them.
 */
int door_open_random(const struct plan *p);

/* I10: at the port of the last run, for with it goes the address; 0 = there was
 * none. */
int door_open_service(const struct plan *p, uint16_t last);

/* The same door for the other lanes, as far as the kernel goes along. */
void doors_open_beside(struct loop *l, const struct plan *p, enum door door);

/* Switch offloads on: those that are wanted, and that all sockets have. */
unsigned doors_offload(const struct loop *l, const struct plan *p);

#endif
