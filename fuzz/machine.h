/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a script of packets, time steps and changes of the host against a node,
 * with the checks of tests/sim/audit.h after every step. The first bytes choose
 * the configuration; then come operations (machine.c).
 */
#ifndef FUZZ_MACHINE_H
#define FUZZ_MACHINE_H

#include <stddef.h>
#include <stdint.h>

enum machine {
	MACHINE_SERVER = 1,
	MACHINE_RELAY = 2,
	MACHINE_BOTH = 3
};

void machine_run(enum machine what, const uint8_t *data, size_t size);

/* The same for a client (client_machine.c). */
void client_machine_run(const uint8_t *data, size_t size);

#endif
