/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth.h"

#include <string.h>

#include <nettle/hmac.h>
#include <nettle/memops.h>

static int compare(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
	if (an != bn)
		return an < bn ? -1 : 1;
	return memcmp(a, b, an);
}

int secret_compare(const void *a, const void *b)
{
	const struct secret *x = a, *y = b;

	return compare(x->id, x->id_len, y->id, y->id_len);
}

const struct secret *secret_find(const struct secret *v, unsigned n,
				 const struct auth *a)
{
	while (n) {
		const struct secret *mid = &v[n / 2];
		int c = compare(a->id, a->id_len, mid->id, mid->id_len);

		if (c == 0)
			return mid;
		if (c > 0) {
			v = mid + 1;
			n--;
		}
		n /= 2;
	}
	return NULL;
}

uint8_t hmac_len(enum hmac algorithm)
{
	switch (algorithm) {
	case HMAC_SHA1:
		return SHA1_DIGEST_SIZE;
	case HMAC_SHA256:
		break;
	}
	return SHA256_DIGEST_SIZE;
}

static void sign_sha1(const struct secret *s, const uint8_t *p, size_t n,
		      uint8_t *out)
{
	struct hmac_sha1_ctx ctx;

	hmac_sha1_set_key(&ctx, s->key_len, s->key);
	hmac_sha1_update(&ctx, n, p);
	hmac_sha1_digest(&ctx, SHA1_DIGEST_SIZE, out);
}

static void sign_sha256(const struct secret *s, const uint8_t *p, size_t n,
			uint8_t *out)
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, s->key_len, s->key);
	hmac_sha256_update(&ctx, n, p);
	hmac_sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
}

void auth_sign(const struct secret *s, const uint8_t *p, size_t n, uint8_t *out)
{
	switch (s->algorithm) {
	case HMAC_SHA1:
		sign_sha1(s, p, n, out);
		break;
	case HMAC_SHA256:
		sign_sha256(s, p, n, out);
		break;
	}
}

bool auth_verify(const struct secret *s, const struct frame *f)
{
	static const struct secret nobody = {.algorithm = HMAC_SHA1};
	const struct secret *used = s ? s : &nobody;
	const uint8_t *start = f->auth.nonce;
	const uint8_t *end = (const uint8_t *)f->ip + f->len;
	uint8_t value[AUTH_MAX_VALUE];
	uint8_t len = hmac_len(used->algorithm);

	auth_sign(used, start, (size_t)(end - start), value);
	if (f->auth.value_len != len)
		return false;
	/* & and not &&: no shortcut that shows which part was wrong. */
	return (s != NULL) & (memeql_sec(value, f->auth.value, len) != 0);
}
