/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon's answers look like; of any JSON, be it of another shape. */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include "page.h"

/* The whole page of an answer to `status`. */
void show_status(struct page *p, const json_t *status);

/* Its first line alone. */
void show_title(struct page *p, const json_t *status);

/* CTL_GOOD or CTL_BAD. */
int status_of(const json_t *status);

#endif
