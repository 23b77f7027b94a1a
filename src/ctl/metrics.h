/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for Prometheus and its like; of any JSON, be it of another shape. */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

#include <jansson.h>
#include <stdio.h>

enum metrics_format {
	METRICS_PROMETHEUS, /* text format 0.0.4 */
	METRICS_OPEN,       /* OpenMetrics 1.0 */
};

void show_metrics(FILE *out, const json_t *answer, enum metrics_format format);

#endif
