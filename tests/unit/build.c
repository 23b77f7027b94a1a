/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "build.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/hmac.h>

const struct ip6 client = {
	{0x20, 1, 0, 0, 9, 0, 0, 2, 0, 0, 0xef, 0xff, 0xf4, 0xff, 0xff, 0xfa}};
const struct ip6 far_client = {
	{0x20, 1, 0, 0, 11, 0, 0, 1, 0, 0, 0xdf, 0xff, 0xf4, 0xff, 0xff, 0xf9}};
const struct ip6 native = {
	{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
const struct ip6 home = {
	{0x20, 1, 0x0d, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}};
const struct ip6 all_routers = {
	{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};
const struct ip6 server_ll = {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x80, 0, 0xf2,
			       0x27, 0xf6, 0xff, 0xff, 0xfd}};

const struct tuple client_at = {0x0b000005, 4096};
const struct tuple far_client_at = {0x0b000006, 8192};
const struct tuple other_relay_at = {0x0b000009, 40000};

const struct bad_range bad_ranges[BAD_RANGES] = {
	{"0.0.0.0/8", "0.0.0.0", "0.255.255.255", false},
	{"127.0.0.0/8", "127.0.0.0", "127.255.255.255", false},
	{"10.0.0.0/8", "10.0.0.0", "10.255.255.255", false},
	{"172.16.0.0/12", "172.16.0.0", "172.31.255.255", false},
	{"192.168.0.0/16", "192.168.0.0", "192.168.255.255", false},
	{"169.254.0.0/16", "169.254.0.0", "169.254.255.255", false},
	{"192.88.99.0/24", "192.88.99.0", "192.88.99.255", false},
	{"224.0.0.0/4", "224.0.0.0", "239.255.255.255", false},
	{"255.255.255.255", "255.255.255.255", "255.255.255.255", false},
	{"100.64.0.0/10", "100.64.0.0", "100.127.255.255", true},
	{"192.0.0.0/24", "192.0.0.0", "192.0.0.255", true},
	{"192.0.2.0/24", "192.0.2.0", "192.0.2.255", true},
	{"198.18.0.0/15", "198.18.0.0", "198.19.255.255", true},
	{"198.51.100.0/24", "198.51.100.0", "198.51.100.255", true},
	{"203.0.113.0/24", "203.0.113.0", "203.0.113.255", true},
	{"240.0.0.0/4", "240.0.0.0", "255.255.255.254", true},
};

const char *const impossible_sources[] = {
	"::",
	"::1",
	"ff02::1",
	"ff0e::1",
	"ff02::2",
	"::ffff:11.0.0.5",
	"::11.0.0.5",
	"fec0::1",
	"fd00::1",
	"fc00::1",
	"64:ff9b::1",
	"2002:a00:1::1",
	"100::1",
	"2002:7f00:1::1",
	"2002:e000:1::1",
};
const unsigned n_impossible_sources = ARRAY_SIZE(impossible_sources);

static _Noreturn void bad(const char *what, const char *text)
{
	fprintf(stderr, "the test itself: %s: %s\n", what, text);
	abort();
}

static void w16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void w32(uint8_t *p, uint32_t v)
{
	w16(p, v >> 16);
	w16(p + 2, v & 0xffff);
}

uint32_t ip4(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		bad("no IPv4 address", text);
	return ntohl(a.s_addr);
}

struct ip6 ip6(const char *text)
{
	struct ip6 a;

	if (inet_pton(AF_INET6, text, a.b) != 1)
		bad("no IPv6 address", text);
	return a;
}

struct tuple at(const char *ip, uint16_t port)
{
	return (struct tuple){ip4(ip), port};
}

static void identifier(uint8_t *p, uint16_t flags, struct tuple t)
{
	w16(p, flags);
	w16(p + 2, t.port ^ 0xffffu);
	w32(p + 4, t.ip ^ 0xffffffff);
}

struct ip6 ta(const char *server, uint16_t flags, uint16_t port, const char *ip)
{
	struct ip6 a = {{0x20, 1, 0, 0}};

	w32(a.b + 4, ip4(server));
	identifier(a.b + 8, flags, at(ip, port));
	return a;
}

struct ip6 ta_of(const char *server, struct tuple t)
{
	struct ip6 a = {{0x20, 1, 0, 0}};

	w32(a.b + 4, ip4(server));
	identifier(a.b + 8, 0, t);
	return a;
}

struct ip6 ll(uint16_t flags, uint16_t port, const char *ip)
{
	struct ip6 a = {{0xfe, 0x80}};

	identifier(a.b + 8, flags, at(ip, port));
	return a;
}

bool same_ip6(struct ip6 a, struct ip6 b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *d = c ? strchr(digits, c) : NULL;

	if (!d)
		bad("no hexadecimal digit", (char[]){c, 0});
	return (int)(d - digits);
}

static void append_hex(struct packet *p, const char *text)
{
	while (*text) {
		if (*text == ' ') {
			text++;
			continue;
		}
		p->b[p->n++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
}

void hex(struct packet *p, const char *text)
{
	p->n = 0;
	append_hex(p, text);
}

void add_tail(struct packet *p, const char *text)
{
	append_hex(p, text);
}

void add_bytes(struct packet *p, uint8_t value, size_t n)
{
	memset(p->b + p->n, value, n);
	p->n += n;
}

static void header(struct packet *p, struct ip6 from, struct ip6 to,
		   uint8_t next, uint8_t hops)
{
	memset(p->b, 0, 40);
	p->b[0] = 0x60;
	p->b[6] = next;
	p->b[7] = hops;
	memcpy(p->b + 8, from.b, 16);
	memcpy(p->b + 24, to.b, 16);
	p->n = 40;
}

/* What stands behind the header is the payload. */
static void close_packet(struct packet *p)
{
	w16(p->b + 4, (unsigned)(p->n - 40));
}

static uint32_t sum_bytes(const uint8_t *b, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

uint16_t icmp6_sum(const uint8_t *inner)
{
	size_t len = (size_t)(inner[4] << 8 | inner[5]);

	return (uint16_t)~fold((uint32_t)len + 58 +
			       sum_bytes(inner + 8, 32 + len));
}

void fix_icmp6(struct packet *p)
{
	w16(p->b + 42, 0);
	w16(p->b + 42, icmp6_sum(p->b));
}

void bubble(struct packet *p, struct ip6 from, struct ip6 to)
{
	header(p, from, to, 59, 64);
}

void ip6_with(struct packet *p, struct ip6 from, struct ip6 to, uint8_t next,
	      const char *payload)
{
	header(p, from, to, next, 64);
	append_hex(p, payload);
	close_packet(p);
}

void icmp6(struct packet *p, struct ip6 from, struct ip6 to, uint8_t type,
	   uint8_t code, const char *body)
{
	header(p, from, to, 58, 64);
	append_hex(p, "00000000");
	p->b[40] = type;
	p->b[41] = code;
	append_hex(p, body);
	close_packet(p);
	fix_icmp6(p);
}

void echo_request(struct packet *p, struct ip6 from, struct ip6 to)
{
	icmp6(p, from, to, 128, 0, "12340001 0102030405060708090a0b0c0d0e0f10");
}

void echo_reply(struct packet *p, struct ip6 from, struct ip6 to)
{
	icmp6(p, from, to, 129, 0, "12340001 0102030405060708090a0b0c0d0e0f10");
}

void data_of(struct packet *p, struct ip6 from, struct ip6 to, size_t size,
	     uint8_t mark)
{
	header(p, from, to, 17, 64);
	add_bytes(p, mark, size - 40);
	close_packet(p);
}

void data(struct packet *p, struct ip6 from, struct ip6 to)
{
	data_of(p, from, to, 104, 0xda);
}

/* The checksum field is zero; what to put there. */
static uint16_t l4_sum(const struct packet *p, size_t l4, uint8_t next,
		       const uint8_t *to, bool partial)
{
	uint32_t sum = (uint32_t)(p->n - l4) + next + sum_bytes(to, 16) +
		       sum_bytes(p->b + 8, 16);

	if (partial)
		return fold(sum);
	sum = (uint16_t)~fold(sum + sum_bytes(p->b + l4, p->n - l4));
	return (uint16_t)(next == 17 && sum == 0 ? 0xffff : sum);
}

void fix_l4(struct packet *p)
{
	uint8_t *field = p->b + (p->b[6] == 6 ? 56 : 46);

	w16(field, 0);
	w16(field, l4_sum(p, 40, p->b[6], p->b + 24, false));
}

static void append16(struct packet *p, unsigned v)
{
	w16(p->b + p->n, v);
	p->n += 2;
}

static void tcp_header(struct packet *p, const struct segment *s)
{
	const char *options = s->options ? s->options : "";
	size_t at = p->n;

	w32(p->b + at, s->seq);
	w32(p->b + at + 4, s->ack ? s->ack : 77);
	p->n += 8;
	append16(p, s->flags ? s->flags : 0x10);
	append16(p, s->window ? s->window : 500);
	append16(p, 0);
	append16(p, 0);
	append_hex(p, options);
	p->b[at + 8] = (uint8_t)((p->n - at + 4) / 4 << 4);
}

void build_l4(struct segment s, uint8_t next)
{
	struct ip6 to = s.to ? *s.to : client;
	struct packet *p = s.p;
	size_t l4;

	header(p, s.from ? *s.from : native, to, s.extensions ? s.first : next,
	       64);
	append_hex(p, s.extensions ? s.extensions : "");
	l4 = p->n;
	append16(p, s.sport ? s.sport : 1000);
	append16(p, s.dport ? s.dport : 2000);
	if (next == 6) {
		tcp_header(p, &s);
	} else {
		append16(p, (unsigned)s.payload + 8);
		append16(p, 0);
	}
	for (size_t i = 0; i < s.payload; i++) {
		size_t place = s.seq + i;

		p->b[p->n++] = (uint8_t)(place * 7 + place / 256);
	}
	close_packet(p);
	w16(p->b + l4 + (next == 6 ? 16 : 6),
	    l4_sum(p, l4, next, s.last ? s.last->b : to.b, s.partial));
}

void build_rs(struct solicitation s)
{
	uint16_t flags = s.flags | (s.cone ? 0x8000 : 0);
	struct ip6 from = s.from ? *s.from : ll(flags, 50000, "192.168.1.5");
	struct packet *p = s.p;

	icmp6(p, from, s.to ? *s.to : all_routers, 133, s.code,
	      s.reserved ? s.reserved : "00000000");
	if (s.options)
		append_hex(p, s.options);
	close_packet(p);
	fix_icmp6(p);
	p->b[7] = s.hops ? s.hops : 255;
	if (s.bad_checksum)
		p->b[43] ^= 1;
}

void set_hops(struct packet *p, uint8_t hops)
{
	p->b[7] = hops;
}

void set_ecn(struct packet *p, uint8_t ecn)
{
	p->b[1] = (uint8_t)((p->b[1] & 0xcf) | ecn << 4);
}

void flip(struct packet *p, size_t byte, uint8_t bits)
{
	p->b[byte] ^= bits;
}

void cut(struct packet *p, size_t bytes)
{
	p->n -= bytes;
}

void put_front(struct packet *p, const void *bytes, size_t n)
{
	memmove(p->b + n, p->b, p->n);
	memcpy(p->b, bytes, n);
	p->n += n;
}

void add_origin(struct packet *p, struct tuple t)
{
	uint8_t o[8] = {0};

	w16(o + 2, t.port ^ 0xffffu);
	w32(o + 4, t.ip ^ 0xffffffff);
	put_front(p, o, sizeof(o));
}

void add_nonce(struct packet *p, const char *nonce)
{
	add_auth(p, "", "", nonce, 0, 0);
}

/* Bytes of the inner packet and of what stands before it, without a tail. */
static size_t signed_len(const struct packet *p)
{
	size_t inner = p->b[0] == 0 ? 8 : 0;

	return inner + 40 + (size_t)(p->b[inner + 4] << 8 | p->b[inner + 5]);
}

void add_auth(struct packet *p, const char *id, const char *secret,
	      const char *nonce, uint8_t confirm, size_t au_len)
{
	uint8_t block[4 + 255 + 32], value[32];
	struct packet n;
	size_t id_len = strlen(id);

	hex(&n, nonce);
	n.b[n.n++] = confirm;
	put_front(p, n.b, n.n);
	if (au_len == 20) {
		struct hmac_sha1_ctx c;

		hmac_sha1_set_key(&c, strlen(secret), (const void *)secret);
		hmac_sha1_update(&c, n.n, p->b);
		memmove(p->b, p->b + n.n, p->n - n.n);
		hmac_sha1_update(&c, signed_len(p), p->b);
		hmac_sha1_digest(&c, 20, value);
	} else if (au_len == 32) {
		struct hmac_sha256_ctx c;

		hmac_sha256_set_key(&c, strlen(secret), (const void *)secret);
		hmac_sha256_update(&c, n.n, p->b);
		memmove(p->b, p->b + n.n, p->n - n.n);
		hmac_sha256_update(&c, signed_len(p), p->b);
		hmac_sha256_digest(&c, 32, value);
	} else {
		memset(value, 0xaa, sizeof(value));
		memmove(p->b, p->b + n.n, p->n - n.n);
	}
	p->n -= n.n;
	put_front(p, n.b, n.n);
	block[0] = 0;
	block[1] = 1;
	block[2] = (uint8_t)id_len;
	block[3] = (uint8_t)au_len;
	memcpy(block + 4, id, id_len);
	memcpy(block + 4 + id_len, value, au_len);
	put_front(p, block, 4 + id_len + au_len);
}
