/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server and relay in one process. */
#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	machine_run(&node_machine, data, size);
	return 0;
}
