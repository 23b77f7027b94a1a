/* SPDX-License-Identifier: GPL-2.0-or-later */
/* miredoctl: see ctl/ctl.h. */
#include <locale.h>

#include "ctl/ctl.h"

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	return ctl_main(argc, argv);
}
