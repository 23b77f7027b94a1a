/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server alone. */
#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	machine_run(&server_machine, data, size);
	return 0;
}
