/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before anything is opened: does this host have what the role needs? Each
 * function returns if so, and dies with what is missing and how to add it.
 */
#ifndef SYS_PREFLIGHT_H
#define SYS_PREFLIGHT_H

#include "plan.h"
#include "self.h"

/* Two addresses of this host. */
void preflight_server(const struct plan *p, struct self_watch *w,
		      const struct self *s);

/* A native IPv6 address (R29), the interface's name, forwarding. */
void preflight_relay(const struct plan *p, const struct self *s);

/* The interface's name. */
void preflight_client(const struct plan *p);

/* The date after which there is no service (S42, R33). */
void preflight_sunset(const struct conf *c);

/* Dotted quad of an address in host order, in one of four static buffers. */
const char *ip4_text(uint32_t ip);

/* The same for IPv6, one static buffer. */
const char *ip6_text(const struct ip6 *a);

/* A date in UTC, one static buffer. */
const char *date_text(time_t t);

#endif
