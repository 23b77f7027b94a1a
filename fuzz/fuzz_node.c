/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server and relay in one process. */
#include "fuzz.h"
#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	machine_run(MACHINE_BOTH, data, size);
	return 0;
}
