/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secure qualification: what was signed is right, and wrong with any one bit
 * changed, with another secret, or under another name. The table of secrets
 * finds what a plain search finds. First bytes: secrets; then how to bend; the
 * rest is what lies behind the block.
 */
#include "fuzz.h"

#include "auth.h"

enum {
	SECRETS = 8,
	REST = 1600,
	BLOCK = 4 + AUTH_MAX_ID + AUTH_MAX_VALUE + AUTH_NONCE_LEN + 1
};

static struct secret table[SECRETS];
static unsigned n_table;
static uint8_t packet[BLOCK + REST];

static void some_bytes(struct script *s, uint8_t *to, size_t n)
{
	uint8_t c = script_u8(s);

	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(c + i % 3);
}

/* Sorted, and none twice: as secrets.c leaves them. */
static void make_table(struct script *s)
{
	unsigned n = 1 + script_u8(s) % SECRETS, kept = 1;

	for (unsigned i = 0; i < n; i++) {
		struct secret *v = &table[i];
		uint8_t how = script_u8(s);

		*v = (struct secret){
			.id_len = (uint8_t)(1 + script_u8(s) % AUTH_MAX_ID),
			.key_len = (uint8_t)(how >> 1),
			.algorithm = how & 1 ? HMAC_SHA256 : HMAC_SHA1};
		some_bytes(s, v->id, v->id_len);
		some_bytes(s, v->key, v->key_len);
	}
	qsort(table, n, sizeof(table[0]), secret_compare);
	for (unsigned i = 1; i < n; i++) {
		if (secret_compare(&table[kept - 1], &table[i]) != 0)
			table[kept++] = table[i];
	}
	n_table = kept;
}

static void check_search(const struct auth *a)
{
	const struct secret *want = NULL;

	for (unsigned i = 0; i < n_table; i++) {
		if (table[i].id_len == a->id_len &&
		    memcmp(table[i].id, a->id, a->id_len) == 0)
			want = &table[i];
	}
	WANT(secret_find(table, n_table, a) == want);
}

/* The block of a secret, and the rest of the script behind; its length. */
static size_t sign(const struct secret *s, const uint8_t *rest, size_t n)
{
	uint8_t *p = packet, *value;
	size_t len;

	memcpy(p, (uint8_t[]){0, 1, s->id_len, hmac_len(s->algorithm)}, 4);
	memcpy(p + 4, s->id, s->id_len);
	value = p + 4 + s->id_len;
	p = value + hmac_len(s->algorithm);
	memset(p, 0x55, AUTH_NONCE_LEN + 1);
	len = AUTH_NONCE_LEN + 1 + n;
	if (n)
		memcpy(p + AUTH_NONCE_LEN + 1, rest, n);
	auth_sign(s, p, len, value);
	return (size_t)(p + len - packet);
}

/* A bit that is signed, or one of the value. */
static void check_bit(const struct secret *s, size_t n, uint16_t which)
{
	size_t from = 4u + s->id_len, bit = which % ((n - from) * 8);
	uint8_t *p = &packet[from + bit / 8];
	struct frame f;

	*p ^= (uint8_t)(1 << bit % 8);
	if (frame_parse(&f, packet, n) == REASON_NONE && f.has_auth &&
	    f.tail_len == 0)
		WANT(!auth_verify(s, &f));
	*p ^= (uint8_t)(1 << bit % 8);
}

static bool same_key(const struct secret *a, const struct secret *b)
{
	uint8_t x[256] = {0}, y[256] = {0};

	/* HMAC makes no difference of zeros at the end of a key. */
	memcpy(x, a->key, a->key_len);
	memcpy(y, b->key, b->key_len);
	return a->algorithm == b->algorithm &&
	       (memcmp(x, y, sizeof(x)) == 0 || a->key_len > 64 ||
		b->key_len > 64);
}

static void check_others(const struct secret *s, const struct frame *f)
{
	WANT(!auth_verify(NULL, f));
	for (unsigned i = 0; i < n_table; i++) {
		if (!same_key(s, &table[i]))
			WANT(!auth_verify(&table[i], f));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	const struct secret *used;
	struct frame f;
	uint16_t bit;
	size_t n;

	if (size > REST)
		return 0;
	make_table(&s);
	used = &table[script_u8(&s) % n_table];
	bit = script_u16(&s);
	if (frame_parse(&f, s.p, s.n) == REASON_NONE && f.has_auth) {
		check_search(&f.auth);
		(void)auth_verify(used, &f);
	}
	n = sign(used, s.p, s.n);
	if (frame_parse(&f, packet, n) != REASON_NONE || f.tail_len)
		return 0;
	check_search(&f.auth);
	WANT(secret_find(table, n_table, &f.auth) == used);
	WANT(auth_verify(used, &f));
	check_others(used, &f);
	check_bit(used, n, bit);
	return 0;
}
