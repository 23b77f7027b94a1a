/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line for each; of any JSON, be it of another shape. */
#ifndef CTL_EVENTS_H
#define CTL_EVENTS_H

#include "page.h"

void show_log_line(struct page *p, const json_t *line);
void show_event(struct page *p, const json_t *event);

#endif
