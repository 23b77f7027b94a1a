/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client, alone or with the relay of role auto. */
#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	machine_run(&client_machine, data, size);
	return 0;
}
