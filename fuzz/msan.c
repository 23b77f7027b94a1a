/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MemorySanitizer knows what instrumented code writes. What libraries write for
 * the core it is told here: each function is called by way of one of these.
 */
#include <nettle/hmac.h>
#include <sanitizer/msan_interface.h>
#include <sodium/crypto_shorthash.h>

int __real_crypto_shorthash(unsigned char *out, const unsigned char *in,
			    unsigned long long n, const unsigned char *key);
int __wrap_crypto_shorthash(unsigned char *out, const unsigned char *in,
			    unsigned long long n, const unsigned char *key);
void __real_nettle_hmac_sha1_digest(struct hmac_sha1_ctx *c, size_t n,
				    uint8_t *out);
void __wrap_nettle_hmac_sha1_digest(struct hmac_sha1_ctx *c, size_t n,
				    uint8_t *out);
void __real_nettle_hmac_sha256_digest(struct hmac_sha256_ctx *c, size_t n,
				      uint8_t *out);
void __wrap_nettle_hmac_sha256_digest(struct hmac_sha256_ctx *c, size_t n,
				      uint8_t *out);
void __real_nettle_hmac_sha1_update(struct hmac_sha1_ctx *c, size_t n,
				    const uint8_t *p);
void __wrap_nettle_hmac_sha1_update(struct hmac_sha1_ctx *c, size_t n,
				    const uint8_t *p);
void __real_nettle_hmac_sha256_update(struct hmac_sha256_ctx *c, size_t n,
				      const uint8_t *p);
void __wrap_nettle_hmac_sha256_update(struct hmac_sha256_ctx *c, size_t n,
				      const uint8_t *p);

/* What is read there is looked at here. */
int __wrap_crypto_shorthash(unsigned char *out, const unsigned char *in,
			    unsigned long long n, const unsigned char *key)
{
	__msan_check_mem_is_initialized(in, n);
	__msan_unpoison(out, crypto_shorthash_BYTES);
	return __real_crypto_shorthash(out, in, n, key);
}

void __wrap_nettle_hmac_sha1_update(struct hmac_sha1_ctx *c, size_t n,
				    const uint8_t *p)
{
	__msan_check_mem_is_initialized(p, n);
	__real_nettle_hmac_sha1_update(c, n, p);
}

void __wrap_nettle_hmac_sha256_update(struct hmac_sha256_ctx *c, size_t n,
				      const uint8_t *p)
{
	__msan_check_mem_is_initialized(p, n);
	__real_nettle_hmac_sha256_update(c, n, p);
}

void __wrap_nettle_hmac_sha1_digest(struct hmac_sha1_ctx *c, size_t n,
				    uint8_t *out)
{
	__msan_unpoison(out, n);
	__real_nettle_hmac_sha1_digest(c, n, out);
}

void __wrap_nettle_hmac_sha256_digest(struct hmac_sha256_ctx *c, size_t n,
				      uint8_t *out)
{
	__msan_unpoison(out, n);
	__real_nettle_hmac_sha256_digest(c, n, out);
}
