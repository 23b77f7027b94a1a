/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration that is in force; of any JSON, be it of another shape. */
#ifndef CTL_CONFIG_H
#define CTL_CONFIG_H

#include "page.h"

/* In the syntax of the file; with defaults, too, as comments, if `all`. */
void show_config(struct page *p, const json_t *answer, bool all);

/* What a reload has done. */
void show_reload(struct page *p, const json_t *answer);

#endif
