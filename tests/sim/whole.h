/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a table whole? Each entry is in one list, lists are linked both ways and
 * counted, each one that is in use is found, and all the others are to be had.
 * NULL, or what is wrong. For tables that nobody has proven anything about.
 */
#ifndef SIM_WHOLE_H
#define SIM_WHOLE_H

#include "peers.h"
#include "recent.h"

const char *whole_peers(const struct peers *p);
const char *whole_recent(const struct recent *r);

#endif
