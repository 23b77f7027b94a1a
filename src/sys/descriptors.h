/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process has open that it does not need. */
#ifndef SYS_DESCRIPTORS_H
#define SYS_DESCRIPTORS_H

/* Close all descriptors from 3 on but these; -1 is none. */
void descriptors_keep(const int *v, unsigned n);

#endif
