/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for Prometheus; of any JSON, be it of another shape. */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

#include <jansson.h>
#include <stdio.h>

void show_metrics(FILE *out, const json_t *answer);

#endif
