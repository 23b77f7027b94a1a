/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of secrets: all or nothing, in order, each to be found. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "secrets.h"

static void check(const struct secrets *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct secret *v = &s->v[i];
		struct auth a = {.id = v->id, .id_len = v->id_len};

		WANT(v->id_len > 0 && v->key_len > 0);
		WANT(i == 0 || secret_compare(v - 1, v) < 0);
		WANT(secret_find(s->v, s->n, &a) == v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct report r;
	struct secrets s = {0};
	unsigned errors;
	FILE *f;

	r.n = 0;
	if (!size)
		return 0;
	f = fmemopen((void *)(uintptr_t)data, size, "r");
	WANT(f);
	errors = secrets_read(&s, f, "fuzz", &r);
	WANT(errors == 0 || s.n == 0);
	check(&s);
	secrets_free(&s);
	fclose(f);
	return 0;
}
