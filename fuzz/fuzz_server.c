/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server alone. */
#include "fuzz.h"
#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	machine_run(MACHINE_SERVER, data, size);
	return 0;
}
