/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client on the rig. Its host is 192.168.1.5 in a home, service port 50000;
 * servers see it at client_at, 11.0.0.5 port 4096, so its address is `client`:
 * the flags of an earlier run, which are none, are kept with that mapping.
 *
 *	start_qualified(&r);
 *	goes_to(&r, &p, native);
 *	ended(&r, REASON_HELD);
 *	sent_test(&r, server_at, native, &t);
 *	reply(&q, &t);
 *	from_ip4(&r, DOOR_SERVICE, other_relay_at, &q);
 *	ended(&r, REASON_TEST_REPLY);
 *	sent_udp(&r, DOOR_SERVICE, other_relay_at, &p);
 */
#ifndef UNIT_RIG_CLIENT_H
#define UNIT_RIG_CLIENT_H

#include "rig.h"

extern const struct tuple local_at, server_at, second_at, other_server_at,
	other_second_at;

void prepare_client(struct rig *r);
/* With a network and the server's addresses; nothing was answered yet. */
void start_client(struct rig *r);
void start_qualified(struct rig *r);

/* What the shell says. */
void network(struct rig *r, struct tuple local);
void server(struct rig *r, unsigned i, const char *primary,
	    const char *secondary);
void want(struct rig *r, bool yes);
void check_server(struct rig *r);

static inline const struct client_status *status(const struct rig *r)
{
	return &r->node.client.status;
}

#define is_state(r, state, why, n)                                             \
	rig_is_state(r, state, why, n, __FILE__, __LINE__)
void rig_is_state(struct rig *r, enum client_state state, enum client_why why,
		  unsigned n, const char *file, int line);

/* A solicitation, checked byte for byte but for its nonce and flags. */
struct asked {
	uint64_t when;
	struct tuple to;
	struct ip6 from;
	char nonce[17];
	uint16_t flags;
};

#define asked(r, to)             rig_asked(r, to, local_at, __FILE__, __LINE__)
#define asked_from(r, to, local) rig_asked(r, to, local, __FILE__, __LINE__)
struct asked rig_asked(struct rig *r, struct tuple to, struct tuple local,
		       const char *file, int line);

/* The advertisement to it: inner packet, or all of it. */
void advert_inner(struct packet *p, const struct asked *a, const char *primary);
void advert(struct packet *p, const struct asked *a, const char *primary,
	    struct tuple seen);

/* The server is asked, and answers that it sees us there. */
#define answers(r, to, seen)                                                   \
	rig_answers(r, to, SERVER, seen, __FILE__, __LINE__)
#define answers_as(r, to, primary, seen)                                       \
	rig_answers(r, to, primary, seen, __FILE__, __LINE__)
void rig_answers(struct rig *r, struct tuple to, const char *primary,
		 struct tuple seen, const char *file, int line);

/* Time passes, and the servers answer; they see us there. */
void pass_answered(struct rig *r, uint64_t ns, struct tuple seen);

/* Silence of peers makes it ask the server no more (C62). */
static inline void unsuspecting(struct rig *r)
{
	r->node.client.suspected = r->now;
	r->node.client.suspect_gap = SECONDS(1000000);
}

/* A packet of our host. */
#define goes_to(r, p, to)                                                      \
	do {                                                                   \
		data(p, client, to);                                           \
		from_ip6(r, p);                                                \
	} while (0)

/* Our echo request to a native host, whole; its answer. */
#define sent_test(r, via, to, t)                                               \
	rig_sent_test(r, via, to, t, __FILE__, __LINE__)
void rig_sent_test(struct rig *r, struct tuple via, struct ip6 to,
		   struct packet *t, const char *file, int line);
void reply(struct packet *p, const struct packet *test);

/* Bubbles: direct, bare or with a nonce; indirect with a nonce, returned. */
#define sent_direct(r, to, who, nonce)                                         \
	rig_sent_direct(r, to, who, nonce, __FILE__, __LINE__)
void rig_sent_direct(struct rig *r, struct tuple to, struct ip6 who,
		     const char *nonce, const char *file, int line);
#define sent_indirect(r, via, who)                                             \
	rig_sent_indirect(r, via, who, __FILE__, __LINE__)
uint32_t rig_sent_indirect(struct rig *r, struct tuple via, struct ip6 who,
			   const char *file, int line);
/* With a link-local source, which is returned. */
#define sent_cookie(r, via, who)                                               \
	rig_sent_cookie(r, via, who, __FILE__, __LINE__)
struct ip6 rig_sent_cookie(struct rig *r, struct tuple via, struct ip6 who,
			   const char *file, int line);

void bubble_with(struct packet *p, struct ip6 from, struct ip6 to,
		 uint32_t nonce);

/* What the server makes of a bubble from there. */
void by_server(struct rig *r, const struct packet *p, struct tuple origin);

/* Found by a test, at this relay; valid, nothing is held. */
void trust_native(struct rig *r, struct ip6 who, struct tuple relay);
/* It sent a bubble from where its address says. */
void trust_client(struct rig *r, struct ip6 who, struct tuple where);

/* The error about a packet of our host. */
void complaint(struct packet *e, uint8_t type, uint8_t code, uint32_t mtu,
	       const struct packet *about);

#endif
