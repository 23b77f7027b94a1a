/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secure qualification, 4380 §5.2.2. */
#include "auth.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RS_VECTOR                                                              \
	"60000000 00083aff fe800000 00000000 14673caf 3f57fefa"                \
	"ff020000 00000000 00000000 00000002 8500edce 00000000"
#define ALICE                                                                  \
	"00010514 616c6963 65 b59ca4c2 60aedc36 77070b03 33763c03"             \
	"6ac5d9ec 01020304 05060708 00" RS_VECTOR
#define PHRASE "correct horse battery staple"

static struct packet p;
static struct frame f;

static struct secret secret(const char *id, const char *key, enum hmac a)
{
	struct secret s = {.algorithm = a};

	s.id_len = (uint8_t)strlen(id);
	memcpy(s.id, id, s.id_len);
	s.key_len = (uint8_t)strlen(key);
	memcpy(s.key, key, s.key_len);
	return s;
}

static bool verifies(const struct secret *s)
{
	if (frame_parse(&f, p.b, p.n) != REASON_NONE)
		return false;
	return auth_verify(s, &f);
}

/* S34: test case 1 of 2202 and of 4231. */
static void s34_known_hmacs(void **state)
{
	struct secret s = {.key_len = 20, .algorithm = HMAC_SHA1};
	uint8_t v[32];

	(void)state;
	memset(s.key, 0x0b, 20);
	auth_sign(&s, (const uint8_t *)"Hi There", 8, v);
	hex(&p, "b6173186 55057264 e28bc0b6 fb378c8e f146be00");
	assert_memory_equal(v, p.b, 20);
	assert_int_equal(hmac_len(HMAC_SHA1), 20);
	s.algorithm = HMAC_SHA256;
	auth_sign(&s, (const uint8_t *)"Hi There", 8, v);
	hex(&p, "b0344c61 d8db3853 5ca8afce af0bf12b"
		"881dc200 c9833da7 26e9376c 2e32cff7");
	assert_memory_equal(v, p.b, 32);
	assert_int_equal(hmac_len(HMAC_SHA256), 32);
}

/* S7: the solicitation of alice. */
static void s7_vector(void **state)
{
	struct secret s = secret("alice", PHRASE, HMAC_SHA1);

	(void)state;
	hex(&p, ALICE);
	assert_true(verifies(&s));
	add_tail(&p, "0104a1b2c3d4"); /* a tail is not covered */
	assert_true(verifies(&s));
}

/* The builder of the tests makes the same block. */
static void test_builder_agrees(void **state)
{
	struct packet want;

	(void)state;
	hex(&want, ALICE);
	hex(&p, RS_VECTOR);
	add_auth(&p, "alice", PHRASE, "0102030405060708", 0, 20);
	same_packet(&p, &want);
	hex(&want, "00010000 01020304 05060708 00" RS_VECTOR);
	hex(&p, RS_VECTOR);
	add_nonce(&p, "0102030405060708");
	same_packet(&p, &want);
}

/* Z11: each bit of value, nonce, confirmation byte and packet counts. */
static void z11_every_bit_counts(void **state)
{
	struct secret s = secret("alice", PHRASE, HMAC_SHA1);

	(void)state;
	hex(&p, ALICE);
	for (size_t i = 9; i < p.n; i++) {
		for (uint8_t bit = 1; bit; bit = (uint8_t)(bit << 1)) {
			flip(&p, i, bit);
			if (verifies(&s))
				fail_msg("byte %zu bit %02x", i, bit);
			flip(&p, i, bit);
		}
	}
	assert_true(verifies(&s));
}

/* Z11: no value, a shorter and a longer one are wrong, whatever they hold. */
static void z11_strict_length(void **state)
{
	static const uint8_t lengths[] = {0, 1, 19, 21, 32, 255};
	struct secret s = secret("alice", PHRASE, HMAC_SHA1);
	struct packet good;

	(void)state;
	hex(&good, ALICE);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint8_t n = lengths[i];

		p = good;
		p.b[3] = n;
		p.n = 9;
		for (unsigned k = 0; k < n; k++)
			p.b[p.n++] = k < 20 ? good.b[9 + k] : 0;
		memcpy(p.b + p.n, good.b + 29, good.n - 29);
		p.n += good.n - 29;
		if (verifies(&s))
			fail_msg("length %u", n);
	}
}

/*
 * Z11: nor is a value whose missing last byte happens to be the next on the
 * wire.
 */
static void z11_truncated_value(void **state)
{
	struct secret s = secret("alice", PHRASE, HMAC_SHA1);
	char nonce[17];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(nonce, sizeof(nonce), "%08x00000000", i << 16);
		hex(&p, RS_VECTOR);
		add_auth(&p, "alice", PHRASE, nonce, 0, 20);
		if (p.b[28] != p.b[29])
			continue;
		assert_true(verifies(&s));
		p.b[3] = 19;
		memmove(p.b + 28, p.b + 29, p.n - 29);
		cut(&p, 1);
		assert_false(verifies(&s));
		return;
	}
	fail_msg("no such nonce");
}

/* Z11: who is not known is never right, not even with an empty secret. */
static void z11_unknown_identifier(void **state)
{
	(void)state;
	hex(&p, ALICE);
	assert_false(verifies(NULL));
	hex(&p, RS_VECTOR);
	add_auth(&p, "alice", "", "0102030405060708", 0, 20);
	assert_false(verifies(NULL));
}

static void s34_algorithms_differ(void **state)
{
	struct secret s1 = secret("alice", PHRASE, HMAC_SHA1);
	struct secret s256 = secret("alice", PHRASE, HMAC_SHA256);

	(void)state;
	hex(&p, ALICE);
	assert_false(verifies(&s256));
	hex(&p, RS_VECTOR);
	add_auth(&p, "alice", PHRASE, "0102030405060708", 0, 32);
	assert_true(verifies(&s256));
	assert_false(verifies(&s1));
}

/* The origin indication is covered (S34). */
static void s34_origin_is_covered(void **state)
{
	struct secret s = secret("alice", PHRASE, HMAC_SHA1);

	(void)state;
	hex(&p, RS_VECTOR);
	add_origin(&p, client_at);
	add_auth(&p, "alice", PHRASE, "0102030405060708", 0, 20);
	assert_true(verifies(&s));
	flip(&p, 38 + 4, 1);
	assert_false(verifies(&s));
}

static void find_in(unsigned n)
{
	struct secret *v = calloc(n ? n : 1, sizeof(*v));
	struct auth a;
	char id[16];

	assert_non_null(v);
	for (unsigned i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "%.*s%u", (int)(i % 3), "xyz", i * 7);
		v[i] = secret(id, "k", HMAC_SHA1);
	}
	qsort(v, n, sizeof(*v), secret_compare);
	for (unsigned i = 0; i < n; i++) {
		a = (struct auth){.id = v[i].id, .id_len = v[i].id_len};
		assert_ptr_equal(secret_find(v, n, &a), &v[i]);
		a.id_len--; /* a prefix is another identifier */
		if (secret_find(v, n, &a))
			assert_int_equal(secret_find(v, n, &a)->id_len,
					 a.id_len);
	}
	a = (struct auth){.id = (const uint8_t *)"nobody", .id_len = 6};
	assert_null(secret_find(v, n, &a));
	a.id_len = 0;
	assert_null(secret_find(v, n, &a));
	free(v);
}

static void test_find(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 70; n++)
		find_in(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s34_known_hmacs),
		cmocka_unit_test(s7_vector),
		cmocka_unit_test(test_builder_agrees),
		cmocka_unit_test(z11_every_bit_counts),
		cmocka_unit_test(z11_strict_length),
		cmocka_unit_test(z11_truncated_value),
		cmocka_unit_test(z11_unknown_identifier),
		cmocka_unit_test(s34_algorithms_differ),
		cmocka_unit_test(s34_origin_is_covered),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
