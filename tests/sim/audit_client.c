/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book of a client is a hash table of rows. A row is about a peer (t is
 * {0, 0}), a tuple (the address is ::), or a peer at a tuple: when it showed
 * itself there, what was last sent to it, and what it may answer with. Numbers
 * that must not repeat are rows, too.
 */
#include "audit_client.h"

#include <stdlib.h>
#include <string.h>

#define WANT(cond, ...)                                                        \
	do {                                                                   \
		if (!(cond))                                                   \
			audit_failed(__VA_ARGS__);                             \
	} while (0)

static const uint64_t PROOF_NS = 30 * NS_PER_S;
static const uint64_t GAP_NS = 2 * NS_PER_S;
static const uint64_t WINDOW_NS = 300 * NS_PER_S;
static const uint64_t LAN_NS = 600 * NS_PER_S;
static const uint64_t RS_NS = NS_PER_S;

enum {
	TEST_LEN = IP6_LEN + 8 + TEST_NONCE_LEN,
};

/* A bucket of the auditor's own. */
struct row {
	bool used;
	struct ip6 a;
	struct tuple t;
	uint64_t proof; /* peer at a tuple: shown */
	enum door door; /* and where; others than random ones count as one */
	bool announced; /* peer at a tuple: by itself (X40) */
	uint64_t sent;  /* peer: data to it, from this address */
	struct ip6 sent_from;
	unsigned sent_step;
	bool wanted;       /* peer: our host had a packet for it */
	uint64_t bubbled;  /* peer or relay: last attempt */
	unsigned step;     /* of that */
	uint64_t tries[4]; /* bubble attempts, newest first */
	unsigned serial;   /* of the last attempt */
	uint64_t tested;
	struct leak test_leak;
	unsigned test_step, flushes;
	bool has_test, test_used;
	uint8_t test[TEST_NONCE_LEN];
	uint32_t nonce_sent, nonce_got;
	unsigned solicited; /* peer: of one effort */
	uint64_t solicited_at;
	uint64_t advertised; /* peer: last */
	struct ip6 cookie;   /* source of the last bubble, if not our own */
	struct tuple lan;    /* by a discovery bubble */
	uint64_t lan_heard;
	bool is_server;        /* tuple: what the resolver has said */
	uint32_t other;        /* address of that server */
	uint64_t asked[DOORS]; /* last solicitation without an answer */
	uint64_t echoed;       /* peer: an echo test has begun; or it greets */
	bool has_ra;
	struct tuple seen; /* as its last advertisement says */
};

struct client_book {
	struct row *v;
	size_t size, used;
	unsigned step;   /* number of this step */
	unsigned serial; /* bubble attempts in all */
	unsigned tied;   /* the last that came with another */
	uint64_t attempted;
	unsigned flushes;   /* an address went, and its peers */
	bool orphans;       /* some of whom packets wait for */
	bool lost;          /* entries may have been pushed out */
	bool was_dormant;   /* before this step */
	unsigned echo_step; /* a solicitation has left from a random port */
	enum door echo_door;
	struct stats before;
	uint32_t held;
	uint32_t n[STANDINGS];
	uint32_t oldest[STANDINGS];
	struct ip6 oldest_address;
	struct leak bubbles, tests, strangers;
	uint32_t told[CLIENT_SERVERS];
	unsigned stuck;
	uint64_t stuck_at;
};

bool audit_is_client(const struct audit *a)
{
	return a->node->is_client && !a->node->is_native;
}

static const struct client *client(const struct audit *a)
{
	return &a->node->client;
}

/* --- the book --- */

static struct client_book *book(struct audit *a)
{
	if (!a->client) {
		a->client = calloc(1, sizeof(*a->client));
		WANT(a->client, "out of memory");
	}
	return a->client;
}

void client_book_free(struct audit *a)
{
	if (a->client)
		free(a->client->v);
	free(a->client);
	a->client = NULL;
}

static bool same(struct tuple a, struct tuple b)
{
	return a.ip == b.ip && a.port == b.port;
}

static struct row *slot(struct row *v, size_t size, const struct ip6 *a,
			struct tuple t)
{
	uint64_t h = t.ip * UINT64_C(0x9e3779b97f4a7c15) + t.port;
	size_t i;

	for (int k = 0; k < 16; k++)
		h = (h ^ a->b[k]) * UINT64_C(0x100000001b3);
	i = (size_t)(h ^ h >> 29) & (size - 1);
	while (v[i].used && (!ip6_equal(&v[i].a, a) || !same(v[i].t, t)))
		i = (i + 1) & (size - 1);
	return &v[i];
}

static void grow(struct client_book *b)
{
	size_t size = b->size ? b->size * 2 : 64;
	struct row *v = calloc(size, sizeof(*v));

	WANT(v, "out of memory");
	for (size_t i = 0; i < b->size; i++) {
		if (b->v[i].used)
			*slot(v, size, &b->v[i].a, b->v[i].t) = b->v[i];
	}
	free(b->v);
	b->v = v;
	b->size = size;
}

/* Rows move when another is made: keep none. */
static struct row *row(struct audit *a, const struct ip6 *who, struct tuple t)
{
	struct client_book *b = book(a);
	struct row *r;

	if (b->used * 2 >= b->size)
		grow(b);
	r = slot(b->v, b->size, who, t);
	if (!r->used) {
		*r = (struct row){.used = true, .a = *who, .t = t};
		b->used++;
	}
	return r;
}

static const struct ip6 nobody;
static const struct tuple nowhere;

static struct row *peer_row(struct audit *a, const struct ip6 *who)
{
	return row(a, who, nowhere);
}

/* What is being tested, from which of our addresses. */
static struct row *test_row(struct audit *a, const struct ip6 *who,
			    const struct ip6 *own)
{
	return row(a, who,
		   (struct tuple){be32(own->b + 4) ^ be32(own->b + 12),
				  be16(own->b + 8) ^ be16(own->b + 10)});
}

static struct row *tuple_row(struct audit *a, struct tuple t)
{
	return row(a, &nobody, t);
}

/* Was this number never there before? */
static bool is_new(struct audit *a, const uint8_t *p, size_t n, uint16_t kind)
{
	struct ip6 k = {{0}};
	struct row *r;
	bool fresh;

	memcpy(k.b, p, n);
	r = row(a, &k, (struct tuple){0xffffffff, kind});
	fresh = !r->is_server;
	r->is_server = true;
	return fresh;
}

/* --- what is ours --- */

static bool is_own(const struct audit *a, const struct ip6 *ip)
{
	const struct client_status *s = &client(a)->status;

	for (unsigned i = 0; i < s->n; i++) {
		if (ip6_equal(&s->address[i], ip))
			return true;
	}
	return false;
}

static bool is_teredo(const struct audit *a, const struct ip6 *ip)
{
	return be32(ip->b) == a->node->gate.prefix;
}

static struct tuple mapped(const struct ip6 *c)
{
	return (struct tuple){~be32(c->b + 12), (uint16_t)~be16(c->b + 10)};
}

static struct tuple server_of(const struct ip6 *c)
{
	return (struct tuple){be32(c->b + 4), TEREDO_PORT};
}

static bool is_server(struct audit *a, struct tuple t)
{
	return t.port == TEREDO_PORT && tuple_row(a, t)->is_server;
}

void client_note_server(struct audit *a, unsigned server, uint32_t primary,
			uint32_t secondary)
{
	const uint32_t ip[2] = {primary, secondary};
	bool moved = book(a)->told[server] != primary;

	for (int i = 0; i < 2; i++) {
		struct tuple t = {ip[i], TEREDO_PORT};

		if (primary == secondary || !audit_allows(a->node, t))
			return; /* as if it could not be looked up */
	}
	book(a)->told[server] = primary;

	for (int i = 0; i < 2; i++) {
		struct row *r =
			tuple_row(a, (struct tuple){ip[i], TEREDO_PORT});

		r->is_server = true;
		r->other = ip[!i];
		if (moved) /* and where it was is soon forgotten */
			memset(r->asked, 0, sizeof(r->asked));
	}
}

/* --- before and after --- */

void client_look(struct audit *a)
{
	struct client_book *b = book(a);
	const struct recent *r = &client(a)->recent;

	b->step++;
	b->was_dormant = client(a)->status.state == CLIENT_DORMANT;
	b->before = a->node->stats;
	b->held = client(a)->held.n;
	for (int s = 0; s < STANDINGS; s++) {
		b->n[s] = r->n[s];
		b->oldest[s] = r->oldest[s];
	}
	if (r->oldest[STANDING_ACTIVE] != RECENT_NONE)
		b->oldest_address = r->v[r->oldest[STANDING_ACTIVE]].address;
}

static uint64_t counted(const struct audit *a, enum reason r)
{
	return a->node->stats.n[r] - a->client->before.n[r];
}

/* --- input --- */

static const struct wire_icmp6 *icmp(const struct view *v, int type)
{
	const uint8_t *p = ip6_payload(v->ip);

	if (v->ip->next != NEXT_ICMPV6 || v->len < 48 || p[0] != type)
		return NULL;
	return (const void *)p;
}

/* C57: whoever answers may be sent bubbles again. */
static void answered(struct row *r)
{
	memset(r->tries, 0, sizeof(r->tries));
}

static enum door door_of(enum door door)
{
	return door >= DOOR_RANDOM ? door : DOOR_SERVICE;
}

static void prove(struct audit *a, const struct ip6 *who, struct tuple t,
		  enum door door, uint64_t now)
{
	row(a, who, t)->proof = now;
	row(a, who, t)->door = door_of(door);
	answered(peer_row(a, who));
}

static bool is_on_lan(struct audit *a, const struct ip6 *who, struct tuple t,
		      uint64_t now)
{
	const struct row *r = peer_row(a, who);

	return r->lan.port && same(r->lan, t) && now - r->lan_heard <= LAN_NS;
}

/* Or it has said so once, and was proven there since (C30, C49). */
static bool is_near(struct audit *a, const struct ip6 *who, struct tuple t,
		    uint64_t now)
{
	return is_on_lan(a, who, t, now) || row(a, who, t)->proof;
}

/* C23, C24: it holds a nonce of ours, and is signed if we share a secret. */
static void check_nonce(struct audit *a, const struct datagram *d,
			const struct view *v)
{
	const struct secret *s = client(a)->conf.secret;
	const uint8_t *end = (const uint8_t *)v->ip + v->len;
	uint8_t value[AUTH_MAX_VALUE];

	WANT(!is_new(a, v->nonce, AUTH_NONCE_LEN, 1),
	     "C23: advertisement with a foreign nonce taken");
	if (!s)
		return;
	WANT(d->data[2] == s->id_len && d->data[3] == hmac_len(s->algorithm),
	     "C24: advertisement without signature taken");
	auth_sign(s, v->nonce, (size_t)(end - v->nonce), value);
	WANT(memcmp(value, d->data + 4 + s->id_len, d->data[3]) == 0,
	     "C24: advertisement with a wrong signature taken");
}

static void note_advertisement(struct audit *a, const struct datagram *d,
			       const struct view *v)
{
	struct row *r = tuple_row(a, d->from);
	struct tuple other = {0, TEREDO_PORT};

	WANT(r->is_server, "C16: advertisement of a stranger taken");
	WANT(v->has_origin, "C14: advertisement without origin taken");
	WANT(v->nonce || client(a)->conf.no_nonce_ok,
	     "C23: advertisement without nonce taken");
	if (v->nonce)
		check_nonce(a, d, v);
	if (d->door >= DOOR_RANDOM)
		return;            /* X60 */
	r = tuple_row(a, d->from); /* rows may have moved */
	if (d->door == DOOR_SERVICE) {
		r->has_ra = true;
		r->seen = v->origin;
	}
	r->asked[d->door] = 0;
	other.ip = r->other; /* with the cone bit it answers for that */
	tuple_row(a, other)->asked[d->door] = 0;
}

static void note_announced(struct audit *a, const struct view *v)
{
	const struct ip6 *src = &v->ip->src;
	const struct tuple t = {mapped(src).ip, view_port(v)};

	peer_row(a, src)->nonce_got = view_trailer(v);
	if (t.port)
		row(a, src, t)->announced = true;
}

/* A bubble by way of the server. */
static void note_indirect(struct audit *a, const struct view *v)
{
	if (is_teredo(a, &v->ip->src))
		note_announced(a, v);
}

static void note_teredo(struct audit *a, const struct datagram *d,
			const struct view *v, uint64_t now)
{
	const struct ip6 *src = &v->ip->src;
	const struct row *r = peer_row(a, src);
	uint32_t trailer = view_trailer(v);
	bool shown = same(mapped(src), d->from);

	shown |= view_is_bubble(v) && trailer && trailer == r->nonce_sent;
	shown |= view_is_bubble(v) && r->cookie.b[0] == 0xfe &&
		 ip6_equal(&r->cookie, &v->ip->dst);
	shown |= is_on_lan(a, src, d->from, now);
	shown |= row(a, src, d->from)->proof != 0; /* C30 */
	WANT(shown, "X16, C37: a client without proof was believed");
	WANT(audit_allows(a->node, d->from) || is_near(a, src, d->from, now),
	     "C32: a peer at %08x was believed", d->from.ip);
	prove(a, src, d->from, d->door, now);
}

static void note_native(struct audit *a, const struct datagram *d,
			const struct view *v, uint64_t now)
{
	const struct ip6 *src = &v->ip->src;
	const struct wire_icmp6 *echo = icmp(v, ICMP6_ECHO_REPLY);
	const struct row *r = test_row(a, src, &v->ip->dst);

	if (counted(a, REASON_TEST_REPLY)) {
		WANT(echo && v->len == TEST_LEN && r->has_test &&
			     memcmp(echo + 1, r->test, sizeof(r->test)) == 0,
		     "C80: a wrong echo reply was believed");
		prove(a, src, d->from, d->door, now);
		return;
	}
	if (row(a, src, d->from)->proof)
		prove(a, src, d->from, d->door, now);
}

/* C73, C75. */
static void note_discovery(struct audit *a, const struct datagram *d,
			   const struct view *v, uint64_t now)
{
	struct row *r = peer_row(a, &v->ip->src);

	WANT(d->door == DOOR_DISCOVERY, "C74: discovery bubble by unicast");
	WANT(client(a)->conf.local_discovery, "C77: local discovery is off");
	WANT(is_teredo(a, &v->ip->src), "C73: discovery of no client");
	r->lan = d->from;
	r->lan_heard = now;
}

void client_note_input(struct audit *a, const struct datagram *d,
		       const struct view *v, uint64_t now)
{
	bool taken = counted(a, REASON_BUBBLE) || counted(a, REASON_TO_IPV6) ||
		     counted(a, REASON_TEST_REPLY) ||
		     counted(a, REASON_CONTROL) || counted(a, REASON_ECN);

	if (counted(a, REASON_RA_TAKEN)) {
		WANT(v->ip && icmp(v, ICMP6_ROUTER_ADVERTISEMENT),
		     "C14: something else was taken for an advertisement");
		note_advertisement(a, d, v);
		return;
	}
	if (counted(a, REASON_DISCOVERY)) {
		WANT(v->ip && view_is_bubble(v), "C73: no bubble");
		note_discovery(a, d, v, now);
		return;
	}
	if (!taken)
		return;
	WANT(v->ip && !v->nonce, "took what is no packet");
	answered(tuple_row(a, d->from));
	if (v->has_origin)
		WANT(is_server(a, d->from),
		     "C39: origin of a stranger believed");
	if (is_server(a, d->from) && view_is_bubble(v))
		note_indirect(a, v);
	else if (is_teredo(a, &v->ip->src))
		note_teredo(a, d, v, now);
	else
		note_native(a, d, v, now);
}

static bool is_dormant(const struct audit *a)
{
	return client(a)->status.state == CLIENT_DORMANT;
}

/* --- output --- */

static void check_solicitation(struct audit *a, const struct out *o,
			       const struct view *v, uint64_t now)
{
	struct row *r = tuple_row(a, o->to);
	uint64_t last = r->asked[o->door];

	WANT(r->is_server && o->to.port == TEREDO_PORT,
	     "C9: solicitation to %08x port %d", o->to.ip, o->to.port);
	WANT(v->ip->hops == 255 && be16(v->ip->src.b) == 0xfe80,
	     "C8: malformed solicitation");
	WANT(v->nonce, "C23: solicitation without nonce");
	WANT(last == 0 || now - last >= RS_NS,
	     "A38: solicitations %llu ms apart to a silent server",
	     (unsigned long long)((now - last) / NS_PER_MS));
	r->asked[o->door] = now;
	WANT(is_new(a, v->nonce, AUTH_NONCE_LEN, 1),
	     "Z10: the nonce of a solicitation repeats");
	if (o->door != DOOR_SERVICE)
		return;
	WANT(!a->client->was_dormant || !is_dormant(a),
	     "A53: a solicitation of who is dormant");
	a->solicitations++;
	if (a->last_solicitation && last == 0 &&
	    now - a->last_solicitation < a->min_refresh)
		a->min_refresh = now - a->last_solicitation;
	if (a->last_solicitation && now - a->last_solicitation > a->max_refresh)
		a->max_refresh = now - a->last_solicitation;
	a->last_solicitation = now;
}

/* X52, X60: one of an echo test. */
static void check_echo(struct audit *a, const struct out *o,
		       const struct view *v)
{
	struct client_book *b = a->client;

	WANT(tuple_row(a, o->to)->is_server,
	     "X52: echo test of what is no server");
	WANT(v->ip->hops == 255 && be16(v->ip->src.b) == 0xfe80 && v->nonce,
	     "X52: malformed solicitation");
	WANT(is_new(a, v->nonce, AUTH_NONCE_LEN, 1),
	     "Z10: the nonce of a solicitation repeats");
	b->echo_step = b->step;
	b->echo_door = o->door;
}

/* Of several at one instant the log cannot tell which is the oldest. */
static void note_attempt(struct client_book *b, uint64_t now)
{
	b->serial++;
	if (b->attempted == now)
		b->tied = b->serial;
	b->attempted = now;
}

/*
 * C56 and C57, for a peer or a relay. All bubbles of one step are one attempt.
 * The core remembers as much as its log holds: what others have pushed out it
 * cannot know.
 */
static void check_attempt(struct audit *a, struct row *r, const struct ip6 *own,
			  uint64_t now)
{
	struct client_book *b = a->client;
	bool forgotten =
		b->serial - r->serial >= LOG_WAYS || b->tied > r->serial;

	if (r->step == b->step && r->bubbled)
		return;
	if (forgotten)
		answered(r);
	WANT(r->bubbled == 0 || now - r->bubbled >= GAP_NS || forgotten,
	     "C56: bubble %llu ms after the last",
	     (unsigned long long)((now - r->bubbled) / NS_PER_MS));
	WANT(r->sent == 0 || now - r->sent >= GAP_NS || b->lost ||
		     r->sent_step == b->step || !is_own(a, &r->sent_from) ||
		     !ip6_equal(own, &r->sent_from),
	     "C56: bubble %llu ms after data",
	     (unsigned long long)((now - r->sent) / NS_PER_MS));
	WANT(r->tries[3] == 0 || now - r->tries[3] >= WINDOW_NS || forgotten,
	     "C57: a fifth bubble within %llu ms",
	     (unsigned long long)((now - r->tries[3]) / NS_PER_MS));
	memmove(r->tries + 1, r->tries, 3 * sizeof(r->tries[0]));
	r->tries[0] = now;
	r->bubbled = now;
	r->step = b->step;
	note_attempt(b, now);
	r->serial = b->serial;
	a->attempts++;
}

static void check_direct(struct audit *a, const struct view *v)
{
	uint32_t nonce = view_trailer(v);

	WANT(nonce == 0 || nonce == peer_row(a, &v->ip->dst)->nonce_got,
	     "X11, X12: direct bubble with nonce %08x", nonce);
}

static void check_indirect(struct audit *a, const struct view *v)
{
	struct row *r = peer_row(a, &v->ip->dst);
	uint32_t nonce = view_trailer(v);

	if (is_own(a, &v->ip->src)) {
		WANT(nonce, "X10: indirect bubble without nonce");
		WANT(nonce != r->nonce_sent, "X10: the nonce repeats");
	} else {
		WANT(v->ip->src.b[0] == 0xfe && v->ip->src.b[1] == 0x80,
		     "C53: bubble from a foreign address");
		r->cookie = v->ip->src;
	}
	if (nonce)
		r->nonce_sent = nonce;
}

/* X71, X72, X74: to where it was proven to be, 30 s ago; three. */
static void check_solicit(struct audit *a, const struct out *o,
			  const struct view *v, uint64_t now)
{
	const struct row *at = row(a, &v->ip->dst, o->to);
	uint64_t proof = at->proof;
	struct row *r = peer_row(a, &v->ip->dst);

	WANT(client(a)->conf.extensions & EXT_SLR, "X7: SLR is off");
	WANT(proof, "X71: a solicitation to %08x", o->to.ip);
	WANT(now - proof >= PROOF_NS, "X71: %llu ms after it was heard",
	     (unsigned long long)((now - proof) / NS_PER_MS));
	if (now - r->solicited_at > GAP_NS)
		r->solicited = 0;
	WANT(++r->solicited <= 3, "X72: a fourth solicitation");
	r->solicited_at = now;
	a->solicited++;
}

/* X73, X75, A29: who asked gets one, where he asked from. */
static void check_advertise(struct audit *a, const struct out *o,
			    const struct view *v, const struct view *in,
			    const struct datagram *d, uint64_t now)
{
	struct row *r = peer_row(a, &v->ip->dst);

	WANT(client(a)->conf.extensions & EXT_SLR, "X7: SLR is off");
	WANT(d && in->ip && view_is_bubble(in) && view_discovery(in) == 0 &&
		     ip6_equal(&in->ip->src, &v->ip->dst),
	     "X73: an advertisement that nobody asked for");
	if (!d)
		return;
	WANT(is_server(a, d->from) || same(d->from, o->to),
	     "X73: not to where it was asked from");
	WANT(r->advertised == 0 || now - r->advertised >= NS_PER_S ||
		     a->client->lost || a->client->flushes,
	     "A29: advertisements %llu ms apart",
	     (unsigned long long)((now - r->advertised) / NS_PER_MS));
	r->advertised = now;
	a->advertised++;
}

/*
 * C38: in answer to the relay's, and to where that came from. Or to let the
 * relay of a host that sends know that we are here.
 */
static void check_answer(struct audit *a, const struct out *o,
			 const struct view *v, const struct view *in,
			 const struct datagram *d, uint64_t now)
{
	bool asked = d && in->ip && view_is_bubble(in) && in->has_origin &&
		     is_server(a, d->from);

	if (!asked) {
		WANT(d && same(d->from, o->to) &&
			     row(a, &v->ip->dst, o->to)->proof == now,
		     "C38: bubble to a native host that nobody asked for");
	} else {
		WANT(same(o->to, in->origin) &&
			     ip6_equal(&v->ip->dst, &in->ip->src),
		     "C38: answer to somebody else");
	}
	check_attempt(a, tuple_row(a, o->to), &v->ip->src, now);
}

/* Of interval determination: to our own second port (C70). */
static bool is_search(const struct audit *a, const struct view *v)
{
	const struct client *c = client(a);

	return c->conf.learn_refresh &&
	       mapped(&v->ip->dst).ip == c->search.qualify.mapped.ip &&
	       mapped(&v->ip->dst).port == c->search.qualify.mapped.port;
}

/*
 * Bubbles that limits do not count as an attempt: the second packet of an echo
 * test, and the indirect bubble after it (X52-X54); the answer to who is heard
 * at a random port for the first time (A68); and what keeps the way to it open
 * (A52).
 */
static bool is_beside(struct audit *a, const struct out *o,
		      const struct view *v, const struct view *in,
		      const struct datagram *d, bool indirect, uint64_t now)
{
	const struct client_book *b = a->client;
	const struct row at = *row(a, &v->ip->dst, o->to);
	struct row *r = peer_row(a, &v->ip->dst);
	bool late;

	if (o->door < DOOR_RANDOM) {
		late = indirect && r->echoed && now - r->echoed < 4 * NS_PER_S;
		if (late)
			r->echoed = 0;
		return late;
	}
	if (b->echo_step == b->step && b->echo_door == o->door) {
		r->echoed = now;
		return r->step != b->step;
	}
	if (d)
		return at.proof && (d->door == o->door ||
				    (is_server(a, d->from) &&
				     ip6_equal(&in->ip->src, &v->ip->dst)));
	if (!at.proof || at.door != o->door || r->step == b->step ||
	    now - r->bubbled < GAP_NS)
		return false;
	r->bubbled = now;
	r->step = b->step;
	return true;
}

static void check_bubble(struct audit *a, const struct out *o,
			 const struct view *v, const struct view *in,
			 const struct datagram *d, uint64_t now)
{
	const struct ip6 *dst = &v->ip->dst;
	const struct rate *b = &client(a)->conf.bubbles,
			  *c = &client(a)->conf.answers;
	const bool limited = b->per_second && c->per_second;
	const struct rate all = {limited ? b->per_second + c->per_second : 0,
				 b->burst + c->burst};
	bool direct, indirect, lan;

	a->bubbles++;
	if (!is_teredo(a, dst)) {
		WANT(is_own(a, &v->ip->src), "C53: from a foreign address");
		check_answer(a, o, v, in, d, now);
		goto rate;
	}
	if (is_search(a, v))
		return;
	indirect = same(o->to, server_of(dst));
	lan = is_on_lan(a, dst, o->to, now);
	direct = same(o->to, mapped(dst)) || row(a, dst, o->to)->proof ||
		 row(a, dst, o->to)->announced;
	WANT(indirect || lan || direct, "C54: bubble to somebody else");
	WANT(indirect || is_own(a, &v->ip->src), "C53: from a foreign address");
	WANT(v->ip->hops > 1, "C53: bubble with hop limit %d", v->ip->hops);
	if (view_discovery(v) == 1)
		check_advertise(a, o, v, in, d, now);
	else if (!is_beside(a, o, v, in, d, indirect, now))
		check_attempt(a, peer_row(a, dst), &v->ip->src, now);
	if (lan)
		return;
	if (view_discovery(v) == 0)
		check_solicit(a, o, v, now);
	if (!indirect)
		check_direct(a, v);
	else if (!direct)
		check_indirect(a, v);
	if (!direct)
		return;
rate:
	WANT(audit_leaks(&a->client->bubbles, &all, now),
	     "I3: more bubbles than the rate allows");
}

static void check_announcement(struct audit *a, const struct view *v)
{
	static const struct ip6 all_nodes = {{0xff, 2, [15] = 1}};

	WANT(client(a)->conf.local_discovery, "C77: local discovery is off");
	WANT(view_is_bubble(v) && v->ip->hops == 1 && !v->has_origin &&
		     ip6_equal(&v->ip->dst, &all_nodes) &&
		     is_own(a, &v->ip->src),
	     "C72: malformed discovery bubble");
	WANT(!a->client->was_dormant || !is_dormant(a),
	     "A53: says that it is there, though dormant");
	a->announcements++;
}

/* C78, Z6. */
static void check_test(struct audit *a, const struct out *o,
		       const struct view *v, const struct view *in,
		       const struct datagram *d, uint64_t now)
{
	const struct ip6 *dst = &v->ip->dst;
	const struct wire_icmp6 *echo = icmp(v, ICMP6_ECHO_REQUEST);
	struct client_book *b = a->client;
	struct row *r;

	WANT(is_server(a, o->to) || row(a, dst, o->to)->proof,
	     "C78: test by way of %08x", o->to.ip);
	r = test_row(a, dst, &v->ip->src);
	if (!r->has_test || memcmp(r->test, echo + 1, sizeof(r->test)) != 0)
		WANT(is_new(a, (const void *)(echo + 1), 16, 2),
		     "C78: the nonce of a test repeats");
	r = test_row(a, dst, &v->ip->src);
	memcpy(r->test, echo + 1, sizeof(r->test));
	r->has_test = true;
	if (r->test_step == b->step && r->tested)
		return; /* by two ways at once */
	WANT(r->tested == 0 || now - r->tested >= GAP_NS || b->lost ||
		     r->flushes != b->flushes,
	     "Z6: tests %llu ms apart",
	     (unsigned long long)((now - r->tested) / NS_PER_MS));
	r->tested = now;
	r->test_step = b->step;
	r->flushes = b->flushes;
	r = peer_row(a, dst); /* every two seconds on average, from them all */
	WANT(audit_leaks(&r->test_leak, &(struct rate){1, 8}, now / 2) ||
		     b->lost,
	     "Z6: too many tests of one host");
	a->tests++;
	note_attempt(b, now); /* strangers' are in the log of bubbles, too */
	WANT(audit_leaks(&b->tests, &client(a)->conf.tests, now),
	     "I3: more tests than the rate allows");
	if (d && in->ip && !in->has_origin)
		WANT(audit_leaks(&b->strangers, &client(a)->conf.strangers,
				 now),
		     "Z6: strangers start more tests than the rate allows");
}

static bool is_test(const struct view *v)
{
	return v->len == TEST_LEN && icmp(v, ICMP6_ECHO_REQUEST) &&
	       ip6_payload(v->ip)[1] == 0;
}

/* I2. */
static void check_data(struct audit *a, const struct out *o,
		       const struct view *v, const struct view *in,
		       const struct datagram *d, uint64_t now)
{
	const struct ip6 *dst = &v->ip->dst;
	const struct row *p = row(a, dst, o->to);
	struct row *r;

	WANT(p->proof, "I2: data to %08x:%d, never proven for %08x", o->to.ip,
	     o->to.port, be32(dst->b + 12));
	WANT(now - p->proof < PROOF_NS, "I2: data %llu ms after the last proof",
	     (unsigned long long)((now - p->proof) / NS_PER_MS));
	WANT(p->door == door_of(o->door), "X49: data from door %d, not %d",
	     o->door, p->door);
	WANT(is_own(a, &v->ip->src), "C5: data from what is not our address");
	WANT(dst->b[0] != 0xff && !(dst->b[0] == 0xfe && dst->b[1] >> 6 == 2),
	     "C50: multicast or link-local");
	WANT(v->len <= client(a)->conf.mtu && v->tail_len == 0 &&
		     !v->has_origin && !v->nonce,
	     "C81: malformed data");
	if (!d && in && in->ip && ip6_equal(&in->ip->dst, dst) &&
	    counted(a, REASON_TO_IPV4))
		WANT(in->len == v->len && memcmp(in->ip, v->ip, v->len) == 0,
		     "data changed on the way");
	r = peer_row(a, dst);
	r->sent = now;
	r->sent_step = a->client->step;
	r->sent_from = v->ip->src;
}

/* I1, with the exceptions of C49. */
static void check_target(struct audit *a, const struct out *o,
			 const struct view *v, uint64_t now)
{
	const struct self *s = &a->node->self;
	bool near = false;

	if (audit_allows(a->node, o->to)) {
		WANT(!same(o->to, client(a)->status.mapped) ||
			     client(a)->status.n == 0,
		     "I1: sends to its own mapping");
		return;
	}
	for (unsigned i = 0; i < s->n_ip4; i++) {
		unsigned len = a->node->gate.neighbour_len && s->ip4[i].len
				       ? a->node->gate.neighbour_len
				       : s->ip4[i].len;
		uint64_t size = UINT64_C(1) << (32 - len);

		WANT(s->ip4[i].ip != o->to.ip, "I1: sends to itself");
		near |= len && o->to.ip / size == s->ip4[i].ip / size &&
			o->to.ip % size && o->to.ip % size != size - 1;
	}
	WANT(near && o->to.port && is_near(a, &v->ip->dst, o->to, now),
	     "I1: sends to %08x port %d", o->to.ip, o->to.port);
}

static size_t flatten(uint8_t *p, const struct out *o)
{
	WANT(o->head_len + o->body_len <= PKT_MAX, "I3: output of %d bytes",
	     o->head_len + o->body_len);
	if (o->head_len)
		memcpy(p, o->head, o->head_len);
	if (o->body_len)
		memcpy(p + o->head_len, o->body, o->body_len);
	return (size_t)o->head_len + o->body_len;
}

/* An address that leads to our own mapping, and is not ours. */
static bool is_strange(const struct audit *a, const struct ip6 *ip)
{
	return is_teredo(a, ip) && same(mapped(ip), client(a)->status.mapped) &&
	       !is_own(a, ip);
}

/* K1. What it asks: an echo; to be let in by TCP, and no more then. */
static bool is_knock(const struct audit *a, const struct view *v)
{
	const uint8_t *p = ip6_payload(v->ip);

	if (!is_own(a, &v->ip->dst) || !is_strange(a, &v->ip->src))
		return false;
	if (v->ip->next == NEXT_TCP)
		return v->len == IP6_LEN + 20 &&
		       (p[13] == TCP_SYN || p[13] == TCP_RST);
	return v->len == IP6_LEN + 8 && icmp(v, ICMP6_ECHO_REQUEST);
}

/* To the host goes what was for it, errors about what it sent, and knocks. */
static void check_ip6(struct audit *a, const struct out *o,
		      const struct view *in, const struct datagram *d)
{
	uint8_t p[PKT_MAX];
	size_t n = flatten(p, o);
	struct view v;

	view_read(&v, p, n);
	WANT(v.ip == (const void *)p && v.tail_len == 0,
	     "no plain packet to the host");
	if (!d || !in->ip || in->len != n ||
	    memcmp(&in->ip->src, &v.ip->src, 32) != 0) {
		if (is_knock(a, &v))
			return;
		WANT(v.ip->next == NEXT_ICMPV6 && n >= 48 &&
			     ip6_payload(v.ip)[0] < 128 && n <= TEREDO_MTU,
		     "the host gets what nobody sent");
		return;
	}
	p[1] = (uint8_t)((p[1] & ~0x30) | (in->ip->vcf[1] & 0x30));
	WANT(memcmp(p, in->ip, n) == 0, "changed on the way to the host");
	WANT(is_own(a, &v.ip->dst), "C28: not for our address");
	WANT(!view_is_bubble(&v), "C33: bubble to the host");
	WANT(v.ip->src.b[0] != 0xff &&
		     !(v.ip->src.b[0] == 0xfe && v.ip->src.b[1] >> 6 == 2),
	     "C40: multicast or link-local source");
}

void client_check_out(struct audit *a, const struct out *o,
		      const struct view *in, const struct datagram *d,
		      uint64_t now)
{
	uint8_t p[PKT_MAX];
	struct view v;

	if (o->kind == OUT_IP6) {
		check_ip6(a, o, in, d);
		return;
	}
	view_read(&v, p, flatten(p, o));
	WANT(v.ip, "sends what is no Teredo packet");
	if (o->kind == OUT_GROUP) {
		check_announcement(a, &v);
		return;
	}
	check_target(a, o, &v, now);
	WANT(o->door == DOOR_SERVICE || o->door == DOOR_PROBE ||
		     o->door >= DOOR_RANDOM,
	     "C4: sends from door %d", o->door);
	if (icmp(&v, ICMP6_ROUTER_SOLICITATION)) {
		if (o->door >= DOOR_RANDOM) {
			check_echo(a, o, &v);
			return;
		}
		check_solicitation(a, o, &v, now);
		return;
	}
	WANT(o->door != DOOR_PROBE, "C69: something else from the probe");
	WANT(!v.has_origin && !v.nonce, "blocks that are for servers");
	if (!d && !in && a->node->is_relay && view_is_bubble(&v) &&
	    (v.ip->src.b[0] & 0xe0) == 0x20 && !is_teredo(a, &v.ip->src))
		return; /* what the relay of role auto had begun */
	if (view_is_bubble(&v))
		check_bubble(a, o, &v, in, d, now);
	else if (is_test(&v) && !is_teredo(a, &v.ip->dst))
		check_test(a, o, &v, in, d, now);
	else
		check_data(a, o, &v, in, d, now);
}

/* --- state --- */

/* A53: who may wake it, and what is left to do until then. */
static void check_dormancy(struct audit *a, const struct datagram *d,
			   const struct view *in)
{
	const struct client *c = client(a);

	if (in && in->ip && !d)
		peer_row(a, &in->ip->dst)->wanted = true;
	if (a->client->was_dormant && !is_dormant(a) && d) {
		const struct row *r;

		WANT(counted(a, REASON_TO_IPV6), "A53: woken by no packet");
		r = peer_row(a, &in->ip->src);
		WANT(r->sent || r->wanted, "A53: woken by a stranger");
	}
	if (is_dormant(a) && !a->client->was_dormant)
		WANT(!d && !in && c->conf.idle_s && c->held.n == 0,
		     "A53: dormant while somebody needs it");
}

/* I8. */
static void check_address(struct audit *a, const struct ip6 *ip)
{
	const struct client *c = client(a);
	const struct row *first = tuple_row(a, server_of(ip));
	bool good = first->has_ra && same(first->seen, mapped(ip));

	/* With the cone bit a server answers from its other address. */
	if (!good && c->conf.cone_first) {
		first = tuple_row(a, (struct tuple){first->other, TEREDO_PORT});
		good = first->has_ra && same(first->seen, mapped(ip));
	}
	WANT(good, "I8: an address of mapping %08x:%d; %08x was told %08x:%d",
	     mapped(ip).ip, mapped(ip).port, server_of(ip).ip, first->seen.ip,
	     first->seen.port);
	WANT(be32(ip->b) == a->node->gate.prefix, "I8: another prefix");
	WANT((be16(ip->b + 8) &
	      ~(0x3cff | (c->conf.cone_first ? 0x8000 : 0))) == 0,
	     "C20: flags %04x", be16(ip->b + 8));
}

static void check_status(struct audit *a)
{
	const struct client_status *s = &client(a)->status;
	const struct ip6 *v = s->address;

	WANT(s->n <= CLIENT_ADDRESSES, "I6: too many addresses");
	for (unsigned i = 0; i < s->n; i++)
		check_address(a, &v[i]);
	if (s->n == 2) {
		WANT(same(mapped(&v[0]), mapped(&v[1])),
		     "I8: two addresses of different mappings");
		WANT(!ip6_equal(&v[0], &v[1]), "I8: the same address twice");
	}
	if (s->n)
		WANT(same(a->node->gate.mapped, mapped(&v[0])),
		     "I1: the gate does not know our mapping");
	switch (s->state) {
	case CLIENT_OFF:
	case CLIENT_RESOLVING:
	case CLIENT_ASKING:
		WANT(s->n == 0, "an address in state %d", s->state);
		break;
	case CLIENT_QUALIFIED:
	case CLIENT_SILENT:
	case CLIENT_DORMANT:
		WANT(s->n, "no address in state %d", s->state);
		break;
	}
}

static void check_sizes(const struct audit *a)
{
	const struct recent *r = &client(a)->recent;
	uint32_t n = 0;

	for (int s = 0; s < STANDINGS; s++) {
		n += r->n[s];
		WANT(r->n[s] <= r->capacity / STANDINGS,
		     "I6: %u peers of standing %d", r->n[s], s);
	}
	WANT(n <= r->capacity, "I6: %u peers", n);
	WANT(client(a)->held.n <= client(a)->held.capacity,
	     "I6: too many held");
}

/*
 * I7: somebody who was talked with goes only if there is one more of his kind,
 * or with the address.
 */
static void check_trusted(struct audit *a, uint64_t now)
{
	struct client_book *b = a->client;
	const struct client *c = client(a);
	const uint32_t share = c->recent.capacity / STANDINGS;
	const struct recent_peer *e;

	for (int k = 0; k < STANDINGS; k++)
		b->lost |= b->n[k] + 1 >= share;
	if (c->status.version != a->client_version) {
		a->client_version = c->status.version;
		b->flushes++;
		b->orphans = true;
		return; /* the address may have changed */
	}
	if (b->orphans) { /* they go at the next deadline, which is now */
		b->orphans = c->effort_at <= now;
		return;
	}
	WANT(c->recent.n[STANDING_ACTIVE] >= b->n[STANDING_ACTIVE],
	     "I7: an active peer is gone");
	if (b->oldest[STANDING_ACTIVE] == RECENT_NONE ||
	    b->n[STANDING_ACTIVE] >= share)
		return;
	e = &c->recent.v[b->oldest[STANDING_ACTIVE]];
	WANT(ip6_equal(&e->address, &b->oldest_address) &&
		     e->standing == STANDING_ACTIVE,
	     "I7: the oldest active peer is gone");
}

/* I3. */
static void check_number(struct audit *a, const struct outbox *out,
			 unsigned from, const struct datagram *d,
			 const struct view *in)
{
	unsigned udp = 0, ip6 = 0;
	uint64_t released = counted(a, REASON_RELEASED);

	for (unsigned i = from; i < out->n; i++) {
		if (out->v[i].kind == OUT_IP6)
			ip6++;
		else
			udp++;
	}
	WANT(udp <= released + (d || in ? 4 : OUT_MAX),
	     "I3: %u datagrams, %llu released", udp,
	     (unsigned long long)released);
	WANT(ip6 <= (in ? 1 + CLIENT_HELD_PER_PEER : OUT_MAX),
	     "I3: %u packets to the host", ip6);
	if (d)
		WANT(ip6 <= 1, "I3: %u packets to the host", ip6);
}

void client_check_step(struct audit *a, const struct outbox *out, unsigned from,
		       const struct view *in, const struct datagram *d,
		       uint64_t now)
{
	struct client_book *b = a->client;

	check_number(a, out, from, d, in);
	if (counted(a, REASON_KNOCK))
		WANT(!d && in && in->ip && is_strange(a, &in->ip->dst) &&
			     is_own(a, &in->ip->src),
		     "K1: an answer to nobody");
	check_status(a);
	check_dormancy(a, d, in);
	check_sizes(a);
	check_trusted(a, now);
	/* I9 */
	if (d || in || node_next(a->node) > now || out->n > from ||
	    b->stuck_at != now)
		b->stuck = 0;
	b->stuck_at = now;
	WANT(b->stuck++ < 32, "I9: the deadline stays in the past");
}

/* --- I6 --- */

static unsigned walk_held(const struct client *c, uint32_t owner)
{
	const struct recent_peer *e = &c->recent.v[owner];
	unsigned n = 0;

	for (uint32_t i = e->held; i != HELD_NONE; i = c->held.v[i].next) {
		WANT(i < c->held.capacity, "I6: held packet out of range");
		WANT(c->held.v[i].owner == owner, "I6: held for another");
		WANT(++n <= CLIENT_HELD_PER_PEER, "I6: a peer holds too much");
	}
	WANT(n == 0 || e->effort != EFFORT_NONE,
	     "I6: packets are held for a peer that is not asked");
	WANT(e->effort == EFFORT_NONE || e->due != UINT64_MAX,
	     "I6: an effort without a deadline");
	return n;
}

static unsigned walk_roll(const struct client *c, int s)
{
	const struct recent *r = &c->recent;
	uint32_t before = RECENT_NONE, n = 0;
	unsigned held = 0;

	for (uint32_t i = r->oldest[s]; i != RECENT_NONE; i = r->v[i].newer) {
		const struct recent_peer *e = &r->v[i];

		WANT(i < r->touched && e->standing == s && e->older == before,
		     "I6: the roll of peers is torn");
		WANT(++n <= r->n[s], "I6: roll is longer than counted");
		if (e->own == RECENT_ORPHAN) {
			WANT(e->held != HELD_NONE && e->due >= c->effort_at,
			     "I6: an orphan for which nobody waits");
		} else {
			WANT(recent_find(r, e->own, &e->address) == i,
			     "I6: peer is not found");
			WANT(c->own[e->own].on,
			     "I6: peer of an address that is gone");
		}
		held += walk_held(c, i);
		before = i;
	}
	WANT(n == r->n[s] && r->newest[s] == before,
	     "I6: roll is shorter than counted");
	return held;
}

void client_walk(const struct audit *a)
{
	const struct client *c = client(a);
	unsigned held = 0, slots = 0;

	for (int s = 0; s < STANDINGS; s++)
		held += walk_roll(c, s);
	for (uint32_t i = 0; i < c->held.capacity; i++)
		slots += c->held.v[i].owner != HELD_NONE;
	WANT(held == c->held.n && slots == c->held.n,
	     "I6: %u held packets in chains, %u in slots, %u counted", held,
	     slots, c->held.n);
}

/* --- as bytes --- */

static size_t save_rows(const struct client_book *b, uint8_t *to)
{
	size_t at = 0;

	for (size_t i = 0; i < b->size; i++) {
		if (!b->v[i].used)
			continue;
		memcpy(to + at, &b->v[i], sizeof(b->v[i]));
		at += sizeof(b->v[i]);
	}
	return at;
}

size_t client_book_save(const struct audit *a, uint8_t *to)
{
	const struct client_book *b = a->client;

	if (!b)
		return 0;
	memcpy(to, b, sizeof(*b));
	return sizeof(*b) + save_rows(b, to + sizeof(*b));
}

static size_t load_rows(struct client_book *b, const uint8_t *from)
{
	size_t at = 0;
	struct row r;

	for (size_t i = 0; i < b->size; i++)
		b->v[i].used = false;
	for (size_t n = 0; n < b->used; n++) {
		memcpy(&r, from + at, sizeof(r));
		*slot(b->v, b->size, &r.a, r.t) = r;
		at += sizeof(r);
	}
	return at;
}

size_t client_book_load(struct audit *a, const uint8_t *from)
{
	struct client_book *b = a->client;
	struct row *v;
	size_t size;

	if (!b)
		return 0;
	v = b->v;
	size = b->size;
	memcpy(b, from, sizeof(*b));
	b->v = v;
	b->size = size;
	return sizeof(*b) + load_rows(b, from + sizeof(*b));
}

/* In which step something happened means nothing in the next. */
static uint64_t row_digest(const struct row *r)
{
	struct row copy;

	memcpy(&copy, r, sizeof(copy));
	copy.step = copy.sent_step = copy.test_step = 0;
	return digest_bytes(&copy, sizeof(copy), 3);
}

/* What client_look() sets anew in each step is left out. */
uint64_t client_book_digest(const struct audit *a)
{
	const struct client_book *b = a->client;
	uint64_t sum = 0;

	if (!b)
		return 0;
	for (size_t i = 0; i < b->size; i++) {
		if (b->v[i].used)
			sum += row_digest(&b->v[i]);
	}
	sum = digest_bytes(&sum, sizeof(sum), a->client_version);
	sum = digest_bytes(&b->serial, sizeof(b->serial), sum);
	sum = digest_bytes(&b->tied, sizeof(b->tied), sum);
	sum = digest_bytes(&b->attempted, sizeof(b->attempted), sum);
	sum = digest_bytes(&b->flushes, sizeof(b->flushes), sum + b->lost);
	sum = digest_bytes(&b->bubbles, 3 * sizeof(b->bubbles), sum);
	return digest_bytes(b->told, sizeof(b->told), sum);
}
