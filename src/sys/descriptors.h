/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process has open and does not need, or is given. */
#ifndef SYS_DESCRIPTORS_H
#define SYS_DESCRIPTORS_H

/* Close all descriptors from 3 on but these; -1 is none. */
void descriptors_keep(const int *v, unsigned n);

struct msghdr;

/* The one that came with a message of recvmsg(), which is the caller's; or -1:
 * none did, or more than one. */
int descriptors_passed(struct msghdr *m);

#endif
