/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reader of JSON that knows nothing of how it was written. */
#ifndef FUZZ_JSON_LINE_H
#define FUZZ_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* One value, a newline, and that is all; or it aborts and says where. text has
 * a byte more than n. */
bool is_json_line(const char *text, size_t n);

#endif
