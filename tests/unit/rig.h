/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node on virtual time, and what it was told to send. Whatever leaves the
 * outbox is copied into a log; a test takes it out entry by entry, and each
 * new packet, and the end of a test, asserts that nothing is left in the log
 * that the test did not name. After each call, each packet so far has been
 * counted under exactly one reason or is held.
 *
 *	start_server(&r);
 *	bubble(&p, native, client);
 *	from_ip4(&r, DOOR_PRIMARY, other_relay_at, &p);
 *	ended(&r, REASON_TO_IPV4);
 *	set_hops(&p, 63);
 *	add_origin(&p, other_relay_at);
 *	sent_udp(&r, DOOR_PRIMARY, client_at, &p);
 */
#ifndef UNIT_RIG_H
#define UNIT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build.h"
#include "node.h"

#define SECONDS(n) ((uint64_t)((n)*1000) * NS_PER_MS)

struct sent {
	uint64_t when;
	enum out_kind kind;
	enum door door;
	struct tuple to;
	struct packet p;
};

enum {
	RIG_LOG = 64
};

struct rig {
	struct node node;
	struct node_conf conf;
	struct outbox out;
	void *mem;
	uint64_t now;
	uint64_t packets_in;
	struct stats before;
	uint64_t held_before;
	const char *about; /* said when something is not as it should be */
	bool count_only;   /* floods: no log */
	unsigned n_udp, n_ip6;
	unsigned first, n;
	struct sent log[RIG_LOG];
};

/*
 * A configuration as after installation. Between prepare and start a test
 * changes r->conf, r->node.self and the rules of r->node.gate.
 */
void prepare_server(struct rig *r);
void prepare_relay(struct rig *r);
void prepare_both(struct rig *r);
void start(struct rig *r);
void start_server(struct rig *r);
void start_relay(struct rig *r);
void start_both(struct rig *r);

/* The process dies; another one goes on with its memory. */
void die_and_recover(struct rig *r);

/* Asserts that nothing is left; frees. For cmocka's teardown, too. */
void rig_end(struct rig *r);

/* Addresses of this host. */
void own_ip4(struct rig *r, const char *ip, uint8_t len);
void own_ip6(struct rig *r, const char *ip);
void deny(struct rig *r, const char *ip, uint8_t len);

/* Packets arrive. */
#define from_ip4(r, door, from, p)                                             \
	rig_from_ip4(r, door, from, 0, p, __FILE__, __LINE__)
#define from_ip4_ecn(r, door, from, ecn, p)                                    \
	rig_from_ip4(r, door, from, ecn, p, __FILE__, __LINE__)
#define from_ip6(r, p) rig_from_ip6(r, p, __FILE__, __LINE__)

/* Time passes, and what is due is done at its time. */
void pass(struct rig *r, uint64_t ns);

/* A machine was called by the test itself: what it wants done is logged. */
void rig_flush(struct rig *r);

/* How the last packet ended. */
#define ended(r, why) rig_ended(r, why, __FILE__, __LINE__)

/* What was sent next. */
#define sent_udp(r, door, to, p)                                               \
	rig_sent_udp(r, door, to, p, __FILE__, __LINE__)
#define sent_ip6(r, p)  rig_sent_ip6(r, p, __FILE__, __LINE__)
#define sent_nothing(r) rig_sent_nothing(r, __FILE__, __LINE__)
#define next_sent(r)    rig_next_sent(r, __FILE__, __LINE__)

/* It ended so, and nothing was sent. */
#define dropped(r, why)                                                        \
	do {                                                                   \
		ended(r, why);                                                 \
		sent_nothing(r);                                               \
	} while (0)

/* Counters. */
uint64_t counted(const struct rig *r, enum reason why);
uint64_t noted_family(const struct rig *r, enum ledger_family f);
void same_rate(struct rate got, uint32_t per_second, uint32_t burst);

/*
 * A bubble of our relay to a client by way of a server: checked but for its
 * nonce, which is returned, and the second half of its source.
 */
#define sent_bubble(r, via, to) rig_sent_bubble(r, via, to, __FILE__, __LINE__)

void rig_from_ip4(struct rig *r, enum door door, struct tuple from, uint8_t ecn,
		  const struct packet *p, const char *file, int line);
void rig_from_ip6(struct rig *r, const struct packet *p, const char *file,
		  int line);
void rig_ended(struct rig *r, enum reason why, const char *file, int line);
void rig_sent_udp(struct rig *r, enum door door, struct tuple to,
		  const struct packet *p, const char *file, int line);
void rig_sent_ip6(struct rig *r, const struct packet *p, const char *file,
		  int line);
void rig_sent_nothing(struct rig *r, const char *file, int line);
const struct sent *rig_next_sent(struct rig *r, const char *file, int line);
uint32_t rig_sent_bubble(struct rig *r, struct tuple via, struct ip6 to,
			 const char *file, int line);

/* Two packets are the same, byte for byte. */
#define same_packet(got, want)                                                 \
	rig_same_packet(got, want, "", __FILE__, __LINE__)
void rig_same_packet(const struct packet *got, const struct packet *want,
		     const char *about, const char *file, int line);

#endif
