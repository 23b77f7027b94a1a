/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secure qualification (4380 §5.2.2): a client and its server share a secret
 * under an identifier, and prove solicitation and advertisement to each other
 * by an HMAC over nonce, confirmation byte, origin indication and inner packet.
 * These four lie behind each other on the wire, so what is signed is one run
 * of bytes.
 */
#ifndef CORE_AUTH_H
#define CORE_AUTH_H

#include "wire.h"

enum hmac {
	HMAC_SHA1,   /* the default, 4380 §5.2.2 */
	HMAC_SHA256, /* A3 */
};

struct secret {
	uint8_t id_len; /* 1..255 */
	uint8_t key_len;
	enum hmac algorithm;
	bool renew; /* tell the client that its identifier ends (S35) */
	uint8_t id[AUTH_MAX_ID];
	uint8_t key[255];
};

/* Order of a table of secrets: by length, then by bytes. For qsort(). */
int secret_compare(const void *a, const void *b);

/* The secret of an identifier in a table in that order, or NULL. */
const struct secret *secret_find(const struct secret *v, unsigned n,
				 const struct auth *a);

/* Length of the authentication value, 20 or 32. */
uint8_t hmac_len(enum hmac algorithm);

/*
 * Is the value of a received block right (Z11)? Takes the same time for every
 * value, and for an unknown identifier (s is NULL, never right). f has a block.
 */
bool auth_verify(const struct secret *s, const struct frame *f);

/*
 * Sign: write the value for n bytes at p (from the nonce to the end of the
 * inner packet) to out, hmac_len() bytes.
 */
void auth_sign(const struct secret *s, const uint8_t *p, size_t n,
	       uint8_t *out);

#endif
