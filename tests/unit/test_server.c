/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server, sentence by sentence; ids are those of doc/conformance.md. */
#include "rig.h"

#include <string.h>

#define NONCE  "0102030405060708"
#define PHRASE "correct horse battery staple"

static struct rig r;
static struct packet p, want;
static struct secret secrets[3];

static int fresh(void **state)
{
	(void)state;
	start_server(&r);
	return 0;
}

static int done(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static struct secret secret(const char *id, const char *key, enum hmac a)
{
	struct secret s = {.algorithm = a};

	s.id_len = (uint8_t)strlen(id);
	memcpy(s.id, id, s.id_len);
	s.key_len = (uint8_t)strlen(key);
	memcpy(s.key, key, s.key_len);
	return s;
}

/* alice, bob with SHA-256, and carol, whose identifier ends. */
static void prepare_secrets(bool required)
{
	prepare_server(&r);
	secrets[0] = secret("bob", "bobs", HMAC_SHA256);
	secrets[1] = secret("alice", PHRASE, HMAC_SHA1);
	secrets[2] = secret("carol", "carols", HMAC_SHA1);
	secrets[2].renew = true;
	r.conf.server.secrets = secrets;
	r.conf.server.n_secrets = 3;
	r.conf.server.require_secret = required;
}

/* The advertisement that answers an RS from this link-local address. */
static void ra(struct packet *ra, struct ip6 to, struct tuple mapped)
{
	hex(ra, "60000000 00383aff fe800000 00000000 8000f227 f6fffffd"
		"00000000 00000000 00000000 00000000 86000000 00000000"
		"00000000 00000000 03044040 ffffffff ffffffff 00000000"
		"20010000 09000002 00000000 00000000 05010000 00000500");
	memcpy(ra->b + 24, to.b, 16);
	fix_icmp6(ra);
	add_origin(ra, mapped);
}

static struct ip6 rs_source(void)
{
	return ll(0, 50000, "192.168.1.5");
}

static void arrives(struct tuple from)
{
	from_ip4(&r, DOOR_PRIMARY, from, &p);
}

/* A plain RS is answered: the server is alive. */
static void still_answers(void)
{
	rs(&p);
	from_ip4(&r, DOOR_PRIMARY, at("12.34.56.78", 1234), &p);
	ended(&r, REASON_RA);
	ra(&want, rs_source(), at("12.34.56.78", 1234));
	sent_udp(&r, DOOR_PRIMARY, at("12.34.56.78", 1234), &want);
}

/* ---- vectors ---- */

static void documentation_server(void)
{
	prepare_secrets(false);
	r.node.gate.public_only = false;
	r.conf.server.primary = ip4("203.0.113.120");
	start(&r);
}

/* S6, S23-S27, S31, S36: the advertisement, byte for byte. */
static void s24_ra_vector(void **state)
{
	(void)state;
	documentation_server();
	rs(&p, .flags = 0x1467);
	arrives(at("192.0.2.1", 4096));
	ended(&r, REASON_RA);
	hex(&want, "0000efff 3ffffdfe"
		   "60000000 00383aff fe800000 00000000 8000f227 34ff8e87"
		   "fe800000 00000000 14673caf 3f57fefa 86000db4 00000000"
		   "00000000 00000000 03044040 ffffffff ffffffff 00000000"
		   "20010000 cb007178 00000000 00000000 05010000 00000500");
	sent_udp(&r, DOOR_PRIMARY, at("192.0.2.1", 4096), &want);
	rig_end(&r);
}

/* S33, S34: the same, signed for alice. */
static void s34_signed_ra_vector(void **state)
{
	(void)state;
	documentation_server();
	hex(&p, "00010514 616c6963 65 b59ca4c2 60aedc36 77070b03 33763c03"
		"6ac5d9ec 01020304 05060708 00"
		"60000000 00083aff fe800000 00000000 14673caf 3f57fefa"
		"ff020000 00000000 00000000 00000002 8500edce 00000000");
	arrives(at("192.0.2.1", 4096));
	ended(&r, REASON_RA);
	hex(&want, "00010514 616c6963 65"
		   "05e4498a 8f088a11 5c72bce8 cddb9bd7 1126c165"
		   "01020304 05060708 00"
		   "0000efff 3ffffdfe"
		   "60000000 00383aff fe800000 00000000 8000f227 34ff8e87"
		   "fe800000 00000000 14673caf 3f57fefa 86000db4 00000000"
		   "00000000 00000000 03044040 ffffffff ffffffff 00000000"
		   "20010000 cb007178 00000000 00000000 05010000 00000500");
	sent_udp(&r, DOOR_PRIMARY, at("192.0.2.1", 4096), &want);
	rig_end(&r);
}

/* S19, S21, S22: the indirect bubble with all its trailers. */
static void s21_bubble_vector(void **state)
{
	(void)state;
	prepare_server(&r);
	r.node.gate.public_only = false;
	r.conf.server.primary = ip4("198.51.100.118");
	start(&r);
	hex(&p, "60000000 00003b40 20010000 cb007178 1467efff 3ffffdfe"
		"20010000 c6336476 2c31dfff 3ffffdf5"
		"0104a1b2c3d4 030e0000 c0a80105c350 0a000007c350 0502c34f");
	arrives(at("192.0.2.1", 4096));
	ended(&r, REASON_TO_IPV4);
	hex(&want, "0000efff 3ffffdfe"
		   "60000000 00003b3f 20010000 cb007178 1467efff 3ffffdfe"
		   "20010000 c6336476 2c31dfff 3ffffdf5"
		   "0104a1b2c3d4 030e0000 c0a80105c350 0a000007c350 0502c34f");
	sent_udp(&r, DOOR_PRIMARY, at("192.0.2.10", 8192), &want);
	rig_end(&r);
}

/* Z4: sizes of the amplification check, with 28 bytes of outer headers. */
static void z4_amplification_sizes(void **state)
{
	(void)state;
	documentation_server();
	rs(&p, .flags = 0x1467);
	assert_int_equal(p.n + 28, 76);
	arrives(at("192.0.2.1", 4096));
	assert_int_equal(next_sent(&r)->p.n + 28, 132);
	rs(&p, .flags = 0x1467);
	add_nonce(&p, NONCE);
	assert_int_equal(p.n + 28, 89);
	arrives(at("192.0.2.1", 4096));
	assert_int_equal(next_sent(&r)->p.n + 28, 145);
	rs(&p, .flags = 0x1467);
	add_auth(&p, "alice", PHRASE, NONCE, 0, 20);
	assert_int_equal(p.n + 28, 114);
	arrives(at("192.0.2.1", 4096));
	assert_int_equal(next_sent(&r)->p.n + 28, 170);
	rig_end(&r);
}

/* ---- S1-S9 ---- */

/* S1: both addresses answer, each by itself. */
static void s1_s29_answers_on_both_addresses(void **state)
{
	(void)state;
	ra(&want, rs_source(), client_at);
	rs(&p);
	from_ip4(&r, DOOR_PRIMARY, client_at, &p);
	ended(&r, REASON_RA);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	from_ip4(&r, DOOR_SECONDARY, client_at, &p);
	ended(&r, REASON_RA);
	sent_udp(&r, DOOR_SECONDARY, client_at, &want);
}

/* S2: what it does follows from the packet in hand: a new server goes on. */
static void s2_keeps_no_state(void **state)
{
	static struct server before;

	(void)state;
	assert_int_equal(node_memory(&r.conf), 0);
	before = r.node.server;
	for (uint32_t i = 0; i < 50; i++) {
		bubble(&p, ip6("2001:db8::1"), client);
		arrives((struct tuple){0x0c000000 + i, 5000});
		ended(&r, REASON_TO_IPV4);
		next_sent(&r);
		echo_request(&p, client, native);
		arrives(client_at);
		next_sent(&r);
	}
	assert_memory_equal(&before, &r.node.server, sizeof(before));
	/* Solicitations touch token buckets, and nothing else. */
	rs(&p);
	arrives(client_at);
	next_sent(&r);
	memset(r.node.server.addresses, 0, sizeof(before.addresses));
	memset(r.node.server.networks, 0, sizeof(before.networks));
	assert_memory_equal(&before, &r.node.server, sizeof(before));
}

/* S3: one datagram per defect, from a valid source: silence. */
static void s3_malformed(void **state)
{
	static const struct {
		const char *bytes;
		enum reason why;
	} cases[] = {
		{"", REASON_TRUNCATED},
		{"60", REASON_TRUNCATED},
		{"4500003011111111", REASON_BAD_VERSION},
		{"0002000000000000", REASON_BAD_BLOCK},
		{"000100", REASON_TRUNCATED},
		{"0000efff", REASON_TRUNCATED},
		{"0000effff4fffffa 0000effff4fffffa", REASON_BAD_BLOCK},
		{"0000effff4fffffa 000100000102030405060708 00",
		 REASON_BAD_BLOCK},
		{"00010000 0102030405060708 00 00010000 0102030405060708 00",
		 REASON_BAD_BLOCK},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		r.about = cases[i].bytes;
		hex(&p, cases[i].bytes);
		arrives(client_at);
		dropped(&r, cases[i].why);
	}
	echo_request(&p, client, native);
	cut(&p, 1); /* longer than what is there */
	arrives(client_at);
	dropped(&r, REASON_TRUNCATED);
	data_of(&p, client, native, 1473, 0);
	arrives(client_at);
	dropped(&r, REASON_OVERSIZE);
	still_answers();
}

/* S4: bubbles and echos, nothing else. */
static void s4_only_bubbles_and_echos(void **state)
{
	static const struct {
		uint8_t next;
		const char *payload;
	} cases[] = {
		{6, "0050005000000000000000005002000000000000"},
		{17, "0050005000080000"},
		{59, "0000000000000000"},
		{44, "3a00000000000000 8000000000000000"},
		{0, "3a00000000000000 8000000000000000"},
		{43, "3a00000000000000 8000000000000000"},
		{58, ""},
		{58, "80000000000000"},
	};
	static const uint8_t types[] = {1,   2,   3,   4,   130, 131, 132,
					134, 135, 136, 137, 138, 143, 255};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		r.about = cases[i].payload;
		ip6_with(&p, client, native, cases[i].next, cases[i].payload);
		arrives(client_at);
		dropped(&r, REASON_NOT_RELAYED);
		ip6_with(&p, native, client, cases[i].next, cases[i].payload);
		arrives(other_relay_at);
		dropped(&r, REASON_NOT_RELAYED);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		icmp6(&p, client, native, types[i], 0, "00000000");
		arrives(client_at);
		dropped(&r, REASON_NOT_RELAYED);
	}
	/* A bubble into the Internet is for nobody. */
	bubble(&p, client, native);
	arrives(client_at);
	dropped(&r, REASON_NOT_RELAYED);
	/* Echo request and reply pass. */
	echo_request(&p, native, client);
	arrives(other_relay_at);
	ended(&r, REASON_TO_IPV4);
	next_sent(&r);
	echo_reply(&p, native, client);
	arrives(other_relay_at);
	ended(&r, REASON_TO_IPV4);
	next_sent(&r);
}

static struct tuple in_range(const struct bad_range *b, unsigned step)
{
	uint32_t first = ip4(b->first), last = ip4(b->last);

	return (struct tuple){first + (last - first) / 2 * step, 4096};
}

/* S5, S32: an outer source of each range, for each kind of packet. */
static void s5_s32_outer_source(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		r.about = bad_ranges[i].name;
		for (unsigned k = 0; k < 3; k++) {
			struct tuple from = in_range(&bad_ranges[i], k);

			rs(&p);
			arrives(from);
			dropped(&r, REASON_SRC_NOT_GLOBAL);
			rs(&p, .cone = true);
			from_ip4(&r, DOOR_SECONDARY, from, &p);
			dropped(&r, REASON_SRC_NOT_GLOBAL);
			bubble(&p, ta_of(SERVER, from), client);
			arrives(from);
			dropped(&r, REASON_SRC_NOT_GLOBAL);
			echo_request(&p, ta_of(SERVER, from), native);
			arrives(from);
			dropped(&r, REASON_SRC_NOT_GLOBAL);
		}
	}
	r.about = "a broadcast of our subnet, and port 0";
	rs(&p);
	arrives(at("9.0.0.255", 4096));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	arrives(at("9.0.0.0", 4096));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	arrives(at("11.0.0.5", 0));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	bubble(&p, native, client);
	arrives(at("11.0.0.5", 0));
	dropped(&r, REASON_SRC_NOT_GLOBAL);
	still_answers();
}

/* S6, S27, S31: the answer goes to the outer source and reports it. */
static void s6_s27_s31_mapped_address(void **state)
{
	static const struct ip6 from = {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0,
					 0x11, 0x22, 0xf4, 0xff, 0xff, 0x00}};

	(void)state;
	/* The link-local address embeds a third one; it has no effect. */
	rs(&p, .from = &from);
	arrives(at("12.1.2.3", 65535));
	ended(&r, REASON_RA);
	ra(&want, from, at("12.1.2.3", 65535));
	sent_udp(&r, DOOR_PRIMARY, at("12.1.2.3", 65535), &want);
	/* Any link-local address will do. */
	for (unsigned i = 0; i < 3; i++) {
		static const char *const v[] = {"fe80::1", "fe80:1::2",
						"febf::1"};
		struct ip6 a = ip6(v[i]);

		rs(&p, .from = &a);
		arrives(client_at);
		ended(&r, REASON_RA);
		ra(&want, a, client_at);
		sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	}
}

/* S7, Z11: secure qualification required. */
static void s7_z11_required(void **state)
{
	static const uint8_t lengths[] = {0, 19, 21, 32};

	(void)state;
	prepare_secrets(true);
	start(&r);
	rs(&p);
	arrives(client_at);
	dropped(&r, REASON_AUTH_MISSING);
	rs(&p);
	add_nonce(&p, NONCE);
	arrives(client_at);
	dropped(&r, REASON_AUTH_FAILED);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		rs(&p);
		add_auth(&p, "alice", PHRASE, NONCE, 0, lengths[i]);
		arrives(client_at);
		dropped(&r, REASON_AUTH_FAILED);
	}
	rs(&p);
	add_auth(&p, "mallory", PHRASE, NONCE, 0, 20);
	arrives(client_at);
	dropped(&r, REASON_AUTH_FAILED);
	rs(&p);
	add_auth(&p, "mallory", "", NONCE, 0, 20);
	arrives(client_at);
	dropped(&r, REASON_AUTH_FAILED);
	rs(&p);
	add_auth(&p, "alice", PHRASE, NONCE, 0, 20);
	for (size_t i = 4; i < p.n; i++) {
		if (i >= 38 && i < 86)
			continue; /* the packet itself: S8 says no first */
		flip(&p, i, 1);
		arrives(client_at);
		dropped(&r, REASON_AUTH_FAILED);
		flip(&p, i, 1);
	}
	arrives(client_at);
	ended(&r, REASON_RA);
	next_sent(&r);
	rig_end(&r);
}

/*
 * Z11: offered, not required: who is known must prove it, others get an
 * answer without a value.
 */
static void z11_offered(void **state)
{
	(void)state;
	prepare_secrets(false);
	start(&r);
	rs(&p);
	add_auth(&p, "alice", "wrong", NONCE, 0, 20);
	arrives(client_at);
	dropped(&r, REASON_AUTH_FAILED);
	rs(&p);
	add_auth(&p, "alice", PHRASE, NONCE, 0, 0);
	arrives(client_at);
	dropped(&r, REASON_AUTH_FAILED);
	rs(&p);
	add_auth(&p, "mallory", "wrong", NONCE, 0, 20);
	arrives(client_at);
	ended(&r, REASON_RA);
	ra(&want, rs_source(), client_at);
	hex(&p, "00010700 6d616c6c6f7279 0102030405060708 00");
	put_front(&want, p.b, p.n);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	rs(&p);
	arrives(client_at);
	ended(&r, REASON_RA);
	ra(&want, rs_source(), client_at);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	rig_end(&r);
}

/* S8: the checks of 4861 §6.1.1. */
static void s8_solicitation_validity(void **state)
{
	static const char *const good[] = {
		"0501000000000500", /* unknown here */
		"fe01000000000000",
		"0102000000000000 0000000000000000", /* source link layer */
		"fe01000000000000 fd01000000000000",
	};
	static const char *const bad[] = {
		"0000000000000000",
		"0500000000000000",
		"0502000000000000",
		"fe01000000000000 fd00000000000000",
		"05",
		"0501000000",
	};

	(void)state;
	rs(&p, .hops = 254);
	arrives(client_at);
	dropped(&r, REASON_RS_INVALID);
	rs(&p, .hops = 1);
	arrives(client_at);
	dropped(&r, REASON_RS_INVALID);
	rs(&p, .bad_checksum = true);
	arrives(client_at);
	dropped(&r, REASON_RS_INVALID);
	rs(&p, .code = 1);
	arrives(client_at);
	dropped(&r, REASON_RS_INVALID);
	ip6_with(&p, rs_source(), all_routers, 58, "85000000");
	fix_icmp6(&p);
	set_hops(&p, 255);
	arrives(client_at);
	dropped(&r, REASON_NOT_RELAYED);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		r.about = bad[i];
		rs(&p, .options = bad[i]);
		arrives(client_at);
		dropped(&r, REASON_RS_INVALID);
	}
	ra(&want, rs_source(), client_at);
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		r.about = good[i];
		rs(&p, .options = good[i]);
		arrives(client_at);
		ended(&r, REASON_RA);
		sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	}
	rs(&p, .reserved = "ffffffff");
	arrives(client_at);
	ended(&r, REASON_RA);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	rs(&p); /* trailers behind it are ignored */
	add_bytes(&p, 0x55, 300);
	arrives(client_at);
	ended(&r, REASON_RA);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
}

/* S9: any other source or destination. */
static void s9_other_scopes(void **state)
{
	static const char *const sources[] = {
		"::", "::1", "2001:db8::1", "fd00::1", "fec0::1", "ff02::1"};
	static const char *const targets[] = {"ff02::1",
					      "ff02::3",
					      "ff05::2",
					      "ff02::1:0:2",
					      "2001:db8::1",
					      "fe80::8000:f227:f6ff:fffd",
					      "2001:0:900:2:0:efff:f4ff:fffa"};
	struct ip6 a;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		a = ip6(sources[i]);
		r.about = sources[i];
		rs(&p, .from = &a);
		arrives(client_at);
		dropped(&r, REASON_RS_UNEXPECTED);
	}
	rs(&p, .from = &client);
	arrives(client_at);
	dropped(&r, REASON_RS_UNEXPECTED);
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		a = ip6(targets[i]);
		r.about = targets[i];
		rs(&p, .to = &a);
		arrives(client_at);
		dropped(&r, REASON_RS_UNEXPECTED);
	}
}

/* ---- S10-S22 ---- */

static void passes_to_native(struct ip6 from, struct tuple outer)
{
	echo_request(&p, from, native);
	arrives(outer);
	ended(&r, REASON_TO_IPV6);
	want = p;
	set_hops(&want, 63);
	sent_ip6(&r, &want);
}

/* S10, S16: the client's own tuple is enough, whatever server and flags. */
static void s10_s16_matching_source(void **state)
{
	(void)state;
	passes_to_native(client, client_at);
	passes_to_native(far_client, far_client_at);
	passes_to_native(ta("1.2.3.4", 0xffff, 4096, "11.0.0.5"), client_at);
	passes_to_native(ta(SERVER, 0x8000, 65535, "9.0.0.77"),
			 at("9.0.0.77", 65535));
	echo_reply(&p, client, native);
	arrives(client_at);
	ended(&r, REASON_TO_IPV6);
	want = p;
	set_hops(&want, 63);
	sent_ip6(&r, &want);
}

/* S16, R30's like: trailing bytes stay behind on the way to the Internet. */
static void s16_no_tail_into_the_internet(void **state)
{
	(void)state;
	echo_request(&p, client, native);
	want = p;
	set_hops(&want, 63);
	add_tail(&p, "0104a1b2c3d4");
	arrives(client_at);
	ended(&r, REASON_TO_IPV6);
	sent_ip6(&r, &want);
}

/* S11: address or port off by one, or in another order. */
static void s11_mismatch(void **state)
{
	static const struct {
		uint16_t port;
		const char *ip;
	} cases[] = {
		{4095, "11.0.0.5"},   {4097, "11.0.0.5"},  {4096, "11.0.0.4"},
		{4096, "11.0.0.6"},   {16, "11.0.0.5"},    {4096, "5.0.0.11"},
		{0x0010, "5.0.0.11"}, {4096, "139.0.0.5"}, {4096, "11.1.0.5"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip6 from = ta(SERVER, 0, cases[i].port, cases[i].ip);

		echo_request(&p, from, native);
		arrives(client_at);
		dropped(&r, REASON_MISMATCH);
		echo_request(&p, from, client);
		arrives(client_at);
		dropped(&r, REASON_MISMATCH);
		bubble(&p, from, far_client);
		arrives(client_at);
		dropped(&r, REASON_MISMATCH);
	}
}

/* S11, A13: a bubble of a symmetric client for a client of this server. */
static void s11_a13_symmetric_client(void **state)
{
	struct tuple outer = at("11.0.0.6", 9999);

	(void)state;
	bubble(&p, far_client, client);
	arrives(outer);
	ended(&r, REASON_TO_IPV4);
	want = p;
	set_hops(&want, 63);
	add_origin(&want, outer);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	/* Not with another address, and nothing but a bubble. */
	arrives(at("11.0.0.7", 8192));
	dropped(&r, REASON_MISMATCH);
	echo_request(&p, far_client, client);
	arrives(outer);
	dropped(&r, REASON_MISMATCH);
}

/* A13: and the switch that restores the literal rule. */
static void s11_a13_strict(void **state)
{
	(void)state;
	prepare_server(&r);
	r.conf.server.strict_ports = true;
	start(&r);
	bubble(&p, far_client, client);
	arrives(at("11.0.0.6", 9999));
	dropped(&r, REASON_MISMATCH);
	arrives(far_client_at);
	ended(&r, REASON_TO_IPV4);
	next_sent(&r);
	rig_end(&r);
}

/* S12, A51: relays reach clients of this server, and no others. */
static void s12_native_source(void **state)
{
	static const char *const sources[] = {"2001:db8::1", "fe80::1",
					      "2002:b00:1::1", "2a00::1"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		struct ip6 from = ip6(sources[i]);

		r.about = sources[i];
		bubble(&p, from, client);
		arrives(other_relay_at);
		ended(&r, REASON_TO_IPV4);
		want = p;
		set_hops(&want, 63);
		add_origin(&want, other_relay_at);
		sent_udp(&r, DOOR_PRIMARY, client_at, &want);
		bubble(&p, from, far_client);
		arrives(other_relay_at);
		dropped(&r, REASON_NOT_CLIENT);
		bubble(&p, from, ta(SECOND, 0, 4096, "11.0.0.5"));
		arrives(other_relay_at);
		dropped(&r, REASON_NOT_CLIENT);
		bubble(&p, from, native);
		arrives(other_relay_at);
		dropped(&r, REASON_NOT_CLIENT);
	}
	echo_request(&p, native, ip6("2001:db8::2"));
	arrives(other_relay_at);
	dropped(&r, REASON_NOT_CLIENT);
}

/* S13, Z18: sources that nobody may use. */
static void s13_z18_impossible_sources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_impossible_sources; i++) {
		struct ip6 from = ip6(impossible_sources[i]);

		r.about = impossible_sources[i];
		bubble(&p, from, client);
		arrives(other_relay_at);
		dropped(&r, REASON_BAD_SOURCE);
		echo_request(&p, from, client);
		arrives(other_relay_at);
		dropped(&r, REASON_BAD_SOURCE);
		echo_request(&p, from, native);
		arrives(other_relay_at);
		dropped(&r, REASON_BAD_SOURCE);
	}
	r.about = "link-local, no bubble";
	echo_request(&p, ip6("fe80::1"), client);
	arrives(other_relay_at);
	dropped(&r, REASON_BAD_SOURCE);
	echo_request(&p, ip6("fe80::1"), native);
	arrives(other_relay_at);
	dropped(&r, REASON_BAD_SOURCE);
	echo_request(&p, server_ll, client);
	arrives(other_relay_at);
	dropped(&r, REASON_BAD_SOURCE);
}

/* S14: an echo to the server's link-local address. */
static void s14_answers_echo(void **state)
{
	(void)state;
	echo_request(&p, client, server_ll);
	arrives(client_at);
	ended(&r, REASON_ECHO);
	echo_reply(&want, server_ll, client);
	add_origin(&want, client_at);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	/* To a client of another server without origin indication. */
	echo_request(&p, far_client, server_ll);
	arrives(far_client_at);
	ended(&r, REASON_ECHO);
	echo_reply(&want, server_ll, far_client);
	sent_udp(&r, DOOR_PRIMARY, far_client_at, &want);
	/* Tails are not sent back. */
	add_tail(&p, "0104a1b2c3d4");
	arrives(far_client_at);
	sent_udp(&r, DOOR_PRIMARY, far_client_at, &want);

	echo_request(&p, client, server_ll);
	arrives(at("11.0.0.5", 4097));
	dropped(&r, REASON_MISMATCH);
	echo_request(&p, native, server_ll);
	arrives(other_relay_at);
	dropped(&r, REASON_NOT_CLIENT);
	echo_reply(&p, client, server_ll);
	arrives(client_at);
	dropped(&r, REASON_SCOPE);
	bubble(&p, client, server_ll);
	arrives(client_at);
	dropped(&r, REASON_SCOPE);
	echo_request(&p, client, all_routers);
	arrives(client_at);
	dropped(&r, REASON_SCOPE);
	echo_request(&p, client, server_ll);
	flip(&p, 50, 1);
	arrives(client_at);
	dropped(&r, REASON_SCOPE);
}

/* The largest echo fits. */
static void s14_largest_echo(void **state)
{
	(void)state;
	data_of(&p, client, server_ll, 1472, 0x77);
	p.b[6] = 58;
	p.b[40] = 128;
	p.b[41] = 0;
	fix_icmp6(&p);
	arrives(client_at);
	ended(&r, REASON_ECHO);
	assert_int_equal(next_sent(&r)->p.n, 1480);
}

/* S15: destinations that are not global. */
static void s15_scope(void **state)
{
	static const char *const targets[] = {
		"ff02::1",         "ff0e::1",    "ff05::2",
		"fe80::1",         "fec0::1",    "fd00::1",
		"fc00::1",         "::1",        "::",
		"::ffff:11.0.0.1", "::11.0.0.1", "fe80::8000:f227:f6ff:fffc",
		"4000::1",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		r.about = targets[i];
		echo_request(&p, client, ip6(targets[i]));
		arrives(client_at);
		dropped(&r, REASON_SCOPE);
		bubble(&p, client, ip6(targets[i]));
		arrives(client_at);
		dropped(&r, REASON_SCOPE);
	}
}

/* S17, Z1, Z8: the tuple inside the destination. */
static void s17_z1_target(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BAD_RANGES; i++) {
		r.about = bad_ranges[i].name;
		for (unsigned k = 0; k < 3; k++) {
			struct tuple to = in_range(&bad_ranges[i], k);

			bubble(&p, native, ta_of(SERVER, to));
			arrives(other_relay_at);
			dropped(&r, REASON_DST_NOT_GLOBAL);
			bubble(&p, client, ta_of(OTHER, to));
			arrives(client_at);
			dropped(&r, REASON_DST_NOT_GLOBAL);
			echo_request(&p, client, ta_of(SERVER, to));
			arrives(client_at);
			dropped(&r, REASON_DST_NOT_GLOBAL);
		}
	}
	r.about = "port 0, a broadcast";
	bubble(&p, native, ta(SERVER, 0, 0, "11.0.0.5"));
	arrives(other_relay_at);
	dropped(&r, REASON_DST_NOT_GLOBAL);
	bubble(&p, native, ta(SERVER, 0, 4096, "9.0.0.255"));
	arrives(other_relay_at);
	dropped(&r, REASON_DST_NOT_GLOBAL);
	bubble(&p, native, ta(SERVER, 0, 4096, "9.0.0.0"));
	arrives(other_relay_at);
	dropped(&r, REASON_DST_NOT_GLOBAL);
}

/* S18: to exactly what the destination says, from P:3544. */
static void s18_outer_addresses(void **state)
{
	(void)state;
	bubble(&p, native, ta(SERVER, 0x3cff, 1, "200.1.2.3"));
	arrives(other_relay_at);
	want = p;
	set_hops(&want, 63);
	add_origin(&want, other_relay_at);
	sent_udp(&r, DOOR_PRIMARY, at("200.1.2.3", 1), &want);
	bubble(&p, client, ta(OTHER, 0, 65535, "1.2.3.4"));
	arrives(client_at);
	want = p;
	set_hops(&want, 63);
	sent_udp(&r, DOOR_PRIMARY, at("1.2.3.4", 65535), &want);
}

/* S19: the origin indication, for own clients only. */
static void s19_origin(void **state)
{
	(void)state;
	echo_request(&p, far_client, client);
	arrives(far_client_at);
	ended(&r, REASON_TO_IPV4);
	want = p;
	set_hops(&want, 63);
	add_origin(&want, far_client_at);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);

	echo_request(&p, client, far_client);
	arrives(client_at);
	ended(&r, REASON_TO_IPV4);
	want = p;
	set_hops(&want, 63);
	sent_udp(&r, DOOR_PRIMARY, far_client_at, &want);
}

/* A44: the option that serves own clients only. */
static void a44_own_clients_only(void **state)
{
	(void)state;
	prepare_server(&r);
	r.conf.server.own_clients_only = true;
	start(&r);
	bubble(&p, client, far_client);
	arrives(client_at);
	dropped(&r, REASON_NOT_CLIENT);
	bubble(&p, far_client, client);
	arrives(far_client_at);
	ended(&r, REASON_TO_IPV4);
	next_sent(&r);
	rig_end(&r);
}

/* S20, Z17: blocks that a sender may not use. */
static void s20_z17_forged_blocks(void **state)
{
	(void)state;
	bubble(&p, native, client);
	add_origin(&p, client_at);
	arrives(other_relay_at);
	dropped(&r, REASON_FORGED_BLOCK);
	bubble(&p, native, client);
	add_nonce(&p, NONCE);
	arrives(other_relay_at);
	dropped(&r, REASON_FORGED_BLOCK);
	echo_request(&p, client, native);
	add_origin(&p, client_at);
	arrives(client_at);
	dropped(&r, REASON_FORGED_BLOCK);
	echo_request(&p, client, native);
	add_nonce(&p, NONCE);
	arrives(client_at);
	dropped(&r, REASON_FORGED_BLOCK);
	rs(&p);
	add_origin(&p, client_at);
	arrives(client_at);
	dropped(&r, REASON_FORGED_BLOCK);
	rs(&p);
	add_origin(&p, client_at);
	add_nonce(&p, NONCE);
	arrives(client_at);
	dropped(&r, REASON_FORGED_BLOCK);
	still_answers();
}

/* S21: trailers pass as they are, up to 128 bytes. */
static void s21_trailers(void **state)
{
	static const char *const tails[] = {
		"0104a1b2c3d4",
		"5502aabb",
		"0404 00000000",
		"ff",
		"00",
		"0104a1b2c3d4 030e0000 c0a80105c350 0a000007c350 0502c34f",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(tails); i++) {
		r.about = tails[i];
		bubble(&p, far_client, client);
		add_tail(&p, tails[i]);
		arrives(far_client_at);
		ended(&r, REASON_TO_IPV4);
		want = p;
		set_hops(&want, 63);
		add_origin(&want, far_client_at);
		sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	}
	bubble(&p, client, far_client);
	add_bytes(&p, 0x11, 128);
	arrives(client_at);
	ended(&r, REASON_TO_IPV4);
	want = p;
	set_hops(&want, 63);
	sent_udp(&r, DOOR_PRIMARY, far_client_at, &want);
	add_bytes(&p, 0x11, 1);
	arrives(client_at);
	dropped(&r, REASON_BAD_TAIL);
	echo_request(&p, client, far_client);
	add_tail(&p, "0104a1b2c3d4");
	arrives(client_at);
	want = p;
	set_hops(&want, 63);
	sent_udp(&r, DOOR_PRIMARY, far_client_at, &want);
}

/* S22, Z41: each step reduces the hop limit. */
static void s22_z41_hop_limit(void **state)
{
	(void)state;
	for (unsigned hops = 0; hops < 256; hops++) {
		bubble(&p, native, client);
		set_hops(&p, (uint8_t)hops);
		arrives(other_relay_at);
		/* Those of 1.2.6 have none; they must not be dropped. */
		want = p;
		set_hops(&want, (uint8_t)(hops ? hops - 1 : 0));
		add_origin(&want, other_relay_at);
		sent_udp(&r, DOOR_PRIMARY, client_at, &want);
		echo_request(&p, native, client); /* only bubbles may */
		set_hops(&p, (uint8_t)hops);
		arrives(other_relay_at);
		if (hops <= 1)
			dropped(&r, REASON_HOPS);
		else
			next_sent(&r);
		bubble(&p, client, far_client);
		set_hops(&p, (uint8_t)hops);
		arrives(client_at);
		if (hops <= 1) {
			dropped(&r, REASON_HOPS);
		} else {
			want = p;
			set_hops(&want, (uint8_t)(hops - 1));
			sent_udp(&r, DOOR_PRIMARY, far_client_at, &want);
		}
		echo_request(&p, client, native);
		set_hops(&p, (uint8_t)hops);
		arrives(client_at);
		if (hops <= 1) {
			dropped(&r, REASON_HOPS);
		} else {
			want = p;
			set_hops(&want, (uint8_t)(hops - 1));
			sent_ip6(&r, &want);
		}
	}
}

/* ---- S23-S43 ---- */

/* S23: the primary address is in the prefix, whichever way it went. */
static void s23_s25_s26_prefix(void **state)
{
	static const enum door doors[] = {DOOR_PRIMARY, DOOR_SECONDARY};
	static const struct ip6 odd = {
		{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x3c, 0xff, 1, 2, 3, 4, 5, 6}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct sent *s;

		rs(&p, .cone = i & 1);
		from_ip4(&r, doors[i / 2], client_at, &p);
		s = next_sent(&r);
		assert_memory_equal(s->p.b + 8 + 72,
				    "\x20\1\0\0\x09\0\0\2\0\0\0\0\0\0\0\0", 16);
		assert_memory_equal(s->p.b + 8 + 8, server_ll.b, 16);
	}
	rs(&p, .from = &odd);
	arrives(client_at);
	ra(&want, odd, client_at);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
}

/* S28-S30: the cone bit chooses the other address, no other bit does. */
static void s28_s29_s30_cone_bit(void **state)
{
	static const struct {
		uint16_t flags;
		bool other;
	} cases[] = {
		{0x0000, false}, {0x8000, true},  {0x7fff, false},
		{0x3cff, false}, {0xbcff, true},  {0x4000, false},
		{0xffff, true},  {0x0080, false}, {0x0100, false},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip6 from = ll(cases[i].flags, 50000, "192.168.1.5");
		bool o = cases[i].other;

		rs(&p, .flags = cases[i].flags);
		ra(&want, from, client_at);
		from_ip4(&r, DOOR_PRIMARY, client_at, &p);
		ended(&r, REASON_RA);
		sent_udp(&r, o ? DOOR_SECONDARY : DOOR_PRIMARY, client_at,
			 &want);
		from_ip4(&r, DOOR_SECONDARY, client_at, &p);
		ended(&r, REASON_RA);
		sent_udp(&r, o ? DOOR_PRIMARY : DOOR_SECONDARY, client_at,
			 &want);
	}
}

/* S33: nonce and identifier come back, also where nothing is required. */
static void s33_nonce(void **state)
{
	static const char *const nonces[] = {
		"0102030405060708", "fffefdfcfbfaf9f8", "0000000000000000"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(nonces); i++) {
		rs(&p);
		add_nonce(&p, nonces[i]);
		arrives(client_at);
		ended(&r, REASON_RA);
		ra(&want, rs_source(), client_at);
		add_nonce(&want, nonces[i]);
		sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	}
	/* An identifier and a value for a server that knows neither. */
	rs(&p);
	add_auth(&p, "dave", "davids", NONCE, 0, 20);
	arrives(client_at);
	ended(&r, REASON_RA);
	ra(&want, rs_source(), client_at);
	hex(&p, "00010400 64617665 0102030405060708 00");
	put_front(&want, p.b, p.n);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
}

/* S33: the longest block that there can be. */
static void s33_longest_block(void **state)
{
	static char id[256];

	(void)state;
	memset(id, 'x', 255);
	prepare_secrets(true);
	secrets[2] = secret(id, "long", HMAC_SHA256);
	start(&r);
	rs(&p);
	add_auth(&p, id, "long", NONCE, 0, 32);
	arrives(client_at);
	ended(&r, REASON_RA);
	ra(&want, rs_source(), client_at);
	add_auth(&want, id, "long", NONCE, 0, 32);
	sent_udp(&r, DOOR_PRIMARY, client_at, &want);
	rig_end(&r);
}

/* S34, S35: signed with the client's own secret, by its own algorithm. */
static void s34_s35_own_secret(void **state)
{
	static const struct {
		const char *id, *key;
		uint8_t confirm, au;
	} cases[] = {
		{"alice", PHRASE, 0, 20},
		{"bob", "bobs", 0, 32},
		{"carol", "carols", 1, 20},
	};

	(void)state;
	prepare_secrets(true);
	start(&r);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		r.about = cases[i].id;
		rs(&p);
		add_auth(&p, cases[i].id, cases[i].key, NONCE, 0, cases[i].au);
		arrives(client_at);
		ended(&r, REASON_RA);
		ra(&want, rs_source(), client_at);
		add_auth(&want, cases[i].id, cases[i].key, NONCE,
			 cases[i].confirm, cases[i].au);
		sent_udp(&r, DOOR_PRIMARY, client_at, &want);
		/* Another's secret is wrong. */
		rs(&p);
		add_auth(&p, cases[i].id, cases[(i + 2) % 3].key, NONCE, 0,
			 cases[i].au);
		arrives(client_at);
		dropped(&r, REASON_AUTH_FAILED);
	}
	rig_end(&r);
}

/* S36, S37: one prefix, one MTU, as configured. */
static void s36_s37_options(void **state)
{
	const struct sent *s;
	unsigned prefixes = 0, mtus = 0;

	(void)state;
	rs(&p);
	arrives(client_at);
	s = next_sent(&r);
	for (size_t i = 8 + 56; i < s->p.n; i += 8u * s->p.b[i + 1]) {
		prefixes += s->p.b[i] == 3;
		if (s->p.b[i] == 5) {
			mtus++;
			assert_memory_equal(s->p.b + i, "\5\1\0\0\0\0\5\0", 8);
		}
		assert_int_not_equal(s->p.b[i + 1], 0);
	}
	assert_int_equal(prefixes, 1);
	assert_int_equal(mtus, 1);
}

/* S39: the secondary address is for solicitations. */
static void s39_secondary(void **state)
{
	(void)state;
	bubble(&p, native, client);
	from_ip4(&r, DOOR_SECONDARY, other_relay_at, &p);
	dropped(&r, REASON_SECONDARY);
	echo_request(&p, client, native);
	from_ip4(&r, DOOR_SECONDARY, client_at, &p);
	dropped(&r, REASON_SECONDARY);
	echo_request(&p, client, server_ll);
	from_ip4(&r, DOOR_SECONDARY, client_at, &p);
	dropped(&r, REASON_SECONDARY);
	bubble(&p, client, far_client);
	from_ip4(&r, DOOR_SECONDARY, client_at, &p);
	dropped(&r, REASON_SECONDARY);
}

/* S40: one answer, at once; nothing by itself. */
static void s40_nothing_unsolicited(void **state)
{
	(void)state;
	r.count_only = true;
	for (uint32_t i = 0; i < 1000; i++) {
		rs(&p);
		arrives((struct tuple){0x0c000000 + i, 4096});
		ended(&r, REASON_RA);
		assert_int_equal(r.n_udp, i + 1);
	}
	assert_int_equal(node_next(&r.node), UINT64_MAX);
	r.now += SECONDS(1800);
	node_timeout(&r.node, r.now, &r.out);
	assert_int_equal(r.out.n, 0);
}

/* S43: traffic from the IPv6 side is none of a server's business. */
static void s43_no_native_traffic(void **state)
{
	struct packet q;

	(void)state;
	data(&q, native, client);
	node_from_ip6(&r.node, q.b, (uint16_t)q.n, r.now, &r.out);
	bubble(&q, native, client);
	node_from_ip6(&r.node, q.b, (uint16_t)q.n, r.now, &r.out);
	assert_int_equal(r.out.n, 0);
	/* Nor is data of its clients. */
	data(&p, client, native);
	arrives(client_at);
	dropped(&r, REASON_NOT_RELAYED);
	data(&p, native, client);
	arrives(other_relay_at);
	dropped(&r, REASON_NOT_RELAYED);
}

/* ---- Z ---- */

/* Z3: whatever comes, only verified Teredo sources reach the Internet. */
static void z3_sources_in_the_internet(void **state)
{
	static const char *const sources[] = {"2001:db8::2", "2001:db8:9::9",
					      "fe80::1",     "2002:b00:5::1",
					      "::",          "ff02::1"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		echo_request(&p, ip6(sources[i]), native);
		arrives(client_at);
		sent_nothing(&r);
	}
	echo_request(&p, far_client, native);
	arrives(client_at);
	dropped(&r, REASON_MISMATCH);
}

/* Z4: RA rate per source; another source is served. */
static void z4_rate(void **state)
{
	uint64_t answered;

	(void)state;
	r.count_only = true;
	rs(&p);
	for (int i = 0; i < 10000; i++) {
		r.now += NS_PER_MS;
		from_ip4(&r, DOOR_PRIMARY, at("12.0.0.1", (uint16_t)(i + 1)),
			 &p);
	}
	answered = counted(&r, REASON_RA);
	assert_in_range(answered, 100 + 10 * 50 - 1, 100 + 10 * 50);
	assert_int_equal(counted(&r, REASON_RATE_RA), 10000 - answered);
	assert_int_equal(r.n_udp, answered);
	arrives(at("12.0.0.2", 1));
	ended(&r, REASON_RA);
}

/* n solicitations from addresses in turn of 12.0.0.0/24, so far apart. */
static void claims_of_a_network(unsigned n, uint64_t apart)
{
	for (unsigned i = 0; i < n; i++) {
		struct tuple from = at("12.0.0.0", (uint16_t)(i / 254 + 1));

		from.ip += 1 + i % 254;
		r.now += apart;
		from_ip4(&r, DOOR_PRIMARY, from, &p);
	}
}

/* Z4: all of a /24 together, whoever it is; the next one is served. */
static void z4_rate_of_a_network(void **state)
{
	uint64_t answered;

	(void)state;
	r.count_only = true;
	rs(&p);
	claims_of_a_network(40000, NS_PER_MS / 4);
	answered = counted(&r, REASON_RA);
	assert_in_range(answered, 2000 + 10 * 1000 - 1, 2000 + 10 * 1000);
	assert_int_equal(counted(&r, REASON_RATE_RA), 40000 - answered);
	assert_int_equal(r.n_udp, answered);
	arrives(at("12.0.1.1", 1));
	ended(&r, REASON_RA);
}

/* Z4: one address that floods does not use up what is for its neighbours. */
static void z4_neighbours_of_a_flood(void **state)
{
	(void)state;
	r.count_only = true;
	rs(&p);
	for (int i = 0; i < 10000; i++)
		arrives(at("12.0.0.255", (uint16_t)(i + 1)));
	assert_int_equal(counted(&r, REASON_RA), 100);
	claims_of_a_network(1900, 0);
	assert_int_equal(counted(&r, REASON_RA), 2000);
}

/* Z4: by unsigned lies nobody keeps out a client that signs. */
static void z4_who_signs_has_his_own(void **state)
{
	(void)state;
	prepare_secrets(false);
	start(&r);
	r.count_only = true;
	rs(&p);
	claims_of_a_network(40000, 0);
	arrives(at("12.0.0.7", 1));
	ended(&r, REASON_RATE_RA);
	rs(&p);
	add_auth(&p, "alice", PHRASE, NONCE, 0, 20);
	for (int i = 0; i < 100; i++) {
		arrives(at("12.0.0.7", 1));
		ended(&r, REASON_RA);
	}
	arrives(at("12.0.0.7", 1));
	ended(&r, REASON_RATE_RA);
	rig_end(&r);
}

/* Z4: answers to pings are answers. */
static void z4_rate_of_pings(void **state)
{
	(void)state;
	r.count_only = true;
	echo_request(&p, client, server_ll);
	for (int i = 0; i < 1000; i++)
		arrives(client_at);
	assert_int_equal(counted(&r, REASON_ECHO), 100);
	assert_int_equal(counted(&r, REASON_RATE_RA), 900);
	assert_int_equal(r.n_udp, 100);
}

/* Z4: what is refused before, an invalid solicitation or value, is free. */
static void z4_rate_is_charged_late(void **state)
{
	(void)state;
	prepare_secrets(true);
	start(&r);
	for (int i = 0; i < 1000; i++) {
		rs(&p);
		add_auth(&p, "alice", "wrong", NONCE, 0, 20);
		arrives(client_at);
		dropped(&r, REASON_AUTH_FAILED);
		rs(&p, .hops = 3);
		arrives(client_at);
		dropped(&r, REASON_RS_INVALID);
	}
	rs(&p);
	add_auth(&p, "alice", PHRASE, NONCE, 0, 20);
	arrives(client_at);
	ended(&r, REASON_RA);
	next_sent(&r);
	rig_end(&r);
}

/* A random datagram, often nearly right. */
static void random_packet(struct rng *rng)
{
	static const char *const any[] = {"2001:db8::1", "fe80::1",
					  "::", "ff02::2", "2002:900:2::1"};
	const struct ip6 ends[] = {client,
				   far_client,
				   native,
				   home,
				   all_routers,
				   server_ll,
				   ip6(any[rng_below(rng, 5)]),
				   ta(SERVER, 0, 3544, SERVER)};
	struct ip6 from = ends[rng_below(rng, 8)], to = ends[rng_below(rng, 8)];

	switch (rng_below(rng, 6)) {
	case 0:
		rs(&p, .from = &from, .to = &to);
		break;
	case 1:
		rs(&p, .cone = rng_below(rng, 2));
		break;
	case 2:
		echo_request(&p, from, to);
		break;
	case 3:
		data(&p, from, to);
		break;
	default:
		bubble(&p, from, to);
		break;
	}
	if (rng_below(rng, 4) == 0)
		add_bytes(&p, (uint8_t)rng_u32(rng), rng_below(rng, 200));
	if (rng_below(rng, 8) == 0)
		add_origin(&p, client_at);
	if (rng_below(rng, 8) == 0)
		add_nonce(&p, NONCE);
	if (rng_below(rng, 4) == 0)
		flip(&p, rng_below(rng, (uint32_t)p.n),
		     (uint8_t)rng_below(rng, 256));
	if (rng_below(rng, 8) == 0)
		cut(&p, rng_below(rng, (uint32_t)p.n + 1));
}

/* Z3, Z4, S31: at most one out, at most twice as large, for any input. */
static void z4_z3_any_input(void **state)
{
	struct tuple from[] = {client_at, far_client_at, other_relay_at,
			       at(SERVER, 3544), at("10.0.0.1", 5)};
	struct rng rng = {.key = {{4}}};

	(void)state;
	for (int i = 0; i < 50000; i++) {
		unsigned who = rng_below(&rng, 5);
		const struct sent *s;

		r.now += 20 * NS_PER_MS;
		random_packet(&rng);
		from_ip4(&r, (enum door)rng_below(&rng, 2), from[who], &p);
		if (r.n == 0)
			continue;
		s = next_sent(&r);
		sent_nothing(&r);
		assert_in_range(who, 0, 2);
		assert_in_range(s->p.n + 28, 1, 2 * (p.n + 28));
		if (s->kind == OUT_IP6) {
			struct ip6 src;

			memcpy(src.b, s->p.b + 8, 16);
			assert_int_equal(be32(src.b), 0x20010000);
			assert_int_equal(~be32(src.b + 12), from[who].ip);
			assert_int_equal(be16(src.b + 10) ^ 0xffff,
					 from[who].port);
		}
		if (counted(&r, REASON_RA) != r.before.n[REASON_RA]) {
			size_t at_ = s->p.b[1] == 1 ? 13 : 0;

			assert_int_equal(be16(s->p.b + at_), 0);
			assert_int_equal(be16(s->p.b + at_ + 2) ^ 0xffff,
					 from[who].port);
		}
	}
	assert_int_not_equal(counted(&r, REASON_RA), 0);
	assert_int_not_equal(counted(&r, REASON_TO_IPV4), 0);
	assert_int_not_equal(counted(&r, REASON_TO_IPV6), 0);
}

/* Z8, Z32: nothing leads the server to itself. */
static void z32_z8_loop_to_itself(void **state)
{
	static const char *const own[] = {SERVER, SECOND, "9.1.0.1",
					  "12.12.12.12"};

	(void)state;
	own_ip4(&r, "9.1.0.1", 24);
	own_ip4(&r, "12.12.12.12", 32);
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
		r.about = own[i];
		bubble(&p, native, ta(SERVER, 0, 3544, own[i]));
		arrives(other_relay_at);
		dropped(&r, REASON_DST_OWN);
		bubble(&p, client, ta(OTHER, 0, 1, own[i]));
		arrives(client_at);
		dropped(&r, REASON_DST_OWN);
		echo_request(&p, client, ta(SERVER, 0, 3544, own[i]));
		arrives(client_at);
		dropped(&r, REASON_DST_OWN);
	}
	bubble(&p, native, ta(SERVER, 0, 3544, "127.0.0.1"));
	arrives(other_relay_at);
	dropped(&r, REASON_DST_NOT_GLOBAL);
}

/* Z9, Z33: nobody is us. */
static void z9_z33_claims_to_be_us(void **state)
{
	static const char *const own[] = {SERVER, SECOND};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
		struct ip6 self = ta(SERVER, 0, 3544, own[i]);

		bubble(&p, self, self);
		arrives(at(own[i], 3544));
		dropped(&r, REASON_SRC_OWN);
		rs(&p);
		arrives(at(own[i], 4096));
		dropped(&r, REASON_SRC_OWN);
	}
	bubble(&p, home, client);
	arrives(other_relay_at);
	dropped(&r, REASON_BAD_SOURCE);
}

/* Z34: what another server passes on to us ends here. */
static void z34_server_to_server(void **state)
{
	(void)state;
	/* We are A: one datagram to the other server, no more. */
	bubble(&p, native, ta(SERVER, 0, 3544, OTHER));
	arrives(other_relay_at);
	ended(&r, REASON_TO_IPV4);
	want = p;
	set_hops(&want, 63);
	add_origin(&want, other_relay_at);
	sent_udp(&r, DOOR_PRIMARY, at(OTHER, 3544), &want);
	/* We are B: neither with nor without the origin indication. */
	bubble(&p, native, ta(OTHER, 0, 3544, SERVER));
	set_hops(&p, 63);
	arrives(at(OTHER, 3544));
	dropped(&r, REASON_NOT_CLIENT);
	add_origin(&p, other_relay_at);
	arrives(at(OTHER, 3544));
	dropped(&r, REASON_FORGED_BLOCK);
}

/* Z37, Z38: no way round by another tunnel of this host. */
static void z37_z38_other_tunnels(void **state)
{
	static const char *const ours[] = {"2002:900:2::1", "2002:900:3:1::2",
					   "2001:db8::5efe:900:2",
					   "2001:db8:5::200:5efe:900:3"};
	static const char *const others[] = {"2002:b00:1::1",
					     "2001:db8::5efe:b00:1"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ours); i++) {
		r.about = ours[i];
		echo_request(&p, client, ip6(ours[i]));
		arrives(client_at);
		dropped(&r, REASON_LOOP);
		bubble(&p, ip6(ours[i]), client);
		arrives(other_relay_at);
		dropped(&r, REASON_LOOP);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		r.about = others[i];
		echo_request(&p, client, ip6(others[i]));
		arrives(client_at);
		ended(&r, REASON_TO_IPV6);
		next_sent(&r);
	}
}

/* Z42: what the operator lists is refused, as source and as destination. */
static void z42_deny(void **state)
{
	(void)state;
	deny(&r, "11.0.0.0", 24);
	rs(&p);
	arrives(client_at);
	dropped(&r, REASON_SRC_DENIED);
	bubble(&p, native, client);
	arrives(at("12.0.0.1", 5));
	dropped(&r, REASON_DST_DENIED);
}

/* Z25: Routing headers do not pass. */
static void z25_routing_headers(void **state)
{
	static const char *const headers[] = {
		"3a000001 00000000 80000000 00000000",
		"3a000201 00000000 80000000 00000000",
		"3a000401 00000000 80000000 00000000"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(headers); i++) {
		ip6_with(&p, client, native, 43, headers[i]);
		arrives(client_at);
		dropped(&r, REASON_NOT_RELAYED);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s24_ra_vector),
		cmocka_unit_test(s34_signed_ra_vector),
		cmocka_unit_test(s21_bubble_vector),
		cmocka_unit_test(z4_amplification_sizes),
		TEST(s1_s29_answers_on_both_addresses),
		TEST(s2_keeps_no_state),
		TEST(s3_malformed),
		TEST(s4_only_bubbles_and_echos),
		TEST(s5_s32_outer_source),
		TEST(s6_s27_s31_mapped_address),
		cmocka_unit_test(s7_z11_required),
		cmocka_unit_test(z11_offered),
		TEST(s8_solicitation_validity),
		TEST(s9_other_scopes),
		TEST(s10_s16_matching_source),
		TEST(s16_no_tail_into_the_internet),
		TEST(s11_mismatch),
		TEST(s11_a13_symmetric_client),
		cmocka_unit_test(s11_a13_strict),
		TEST(s12_native_source),
		TEST(s13_z18_impossible_sources),
		TEST(s14_answers_echo),
		TEST(s14_largest_echo),
		TEST(s15_scope),
		TEST(s17_z1_target),
		TEST(s18_outer_addresses),
		TEST(s19_origin),
		cmocka_unit_test(a44_own_clients_only),
		TEST(s20_z17_forged_blocks),
		TEST(s21_trailers),
		TEST(s22_z41_hop_limit),
		TEST(s23_s25_s26_prefix),
		TEST(s28_s29_s30_cone_bit),
		TEST(s33_nonce),
		cmocka_unit_test(s33_longest_block),
		cmocka_unit_test(s34_s35_own_secret),
		TEST(s36_s37_options),
		TEST(s39_secondary),
		TEST(s40_nothing_unsolicited),
		TEST(s43_no_native_traffic),
		TEST(z3_sources_in_the_internet),
		TEST(z4_rate),
		TEST(z4_rate_of_a_network),
		TEST(z4_neighbours_of_a_flood),
		cmocka_unit_test(z4_who_signs_has_his_own),
		TEST(z4_rate_of_pings),
		cmocka_unit_test(z4_rate_is_charged_late),
		TEST(z4_z3_any_input),
		TEST(z32_z8_loop_to_itself),
		TEST(z9_z33_claims_to_be_us),
		TEST(z34_server_to_server),
		TEST(z37_z38_other_tunnels),
		TEST(z42_deny),
		TEST(z25_routing_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
