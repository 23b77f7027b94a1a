/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each target is one function of bytes. libFuzzer looks for bytes that break
 * it (-Dfuzz=true, clang); replay.c runs it over the files of corpus/, in every
 * build. A target fails by abort(), or by what a sanitizer finds.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What must be so. */
#define WANT(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #cond);                              \
			abort();                                               \
		}                                                              \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input. Behind the end, all is zero. */
struct script {
	const uint8_t *p;
	size_t n;
};

static inline uint8_t script_u8(struct script *s)
{
	if (!s->n)
		return 0;
	s->n--;
	return *s->p++;
}

static inline uint16_t script_u16(struct script *s)
{
	uint16_t hi = script_u8(s);

	return (uint16_t)(hi << 8 | script_u8(s));
}

static inline uint32_t script_u32(struct script *s)
{
	uint32_t hi = script_u16(s);

	return hi << 16 | script_u16(s);
}

#endif
