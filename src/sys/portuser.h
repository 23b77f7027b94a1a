/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a UDP port: for the message when it is not to be had. */
#ifndef SYS_PORTUSER_H
#define SYS_PORTUSER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Write "NAME (process PID)" of the process whose socket keeps another from
 * this port at ip (host order, 0 = any); "another process" if it cannot be
 * found.
 */
void port_user(char *out, size_t space, uint32_t ip, uint16_t port);

#endif
