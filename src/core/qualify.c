/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in comments are those of doc/conformance.md. */
#include "qualify.h"

#include <string.h>

#include "ratelim.h"

enum {
	/* Between solicitations, ms: within a phase of three, and after. */
	WAIT_FIRST_MS = 1050,
	WAIT_SECOND_MS = 1250,
	WAIT_MS = 1500,
	WAIT_SPREAD_MS = 300,
};

static const uint64_t GAP_NS = NS_PER_S; /* to who does not answer */
static const uint64_t PATIENT_NS = 120 * NS_PER_S;
static const uint64_t WAIT_MAX_NS = 600 * NS_PER_S; /* A38 */
static const uint64_t PATIENCE_SHARE = 4; /* wait a quarter of the silence */

void qualify_init(struct qualify *q, const struct qualify_conf *conf,
		  const struct gate *gate, const struct rng *rng)
{
	*q = (struct qualify){
		.conf = *conf,
		.gate = gate,
		.rng = *rng,
		.due = UINT64_MAX,
	};
}

/* --- soliciting --- */

static uint32_t asked(const struct qualify *q)
{
	return q->step == QUALIFY_SECONDARY ? q->secondary : q->primary;
}

static void own_link_local(const struct qualify *q, struct ip6 *a)
{
	teredo_link_local(a, q->flags | (q->cone ? FLAG_CONE : 0), q->local);
}

/* Fresh for each solicitation (C23, Z10). */
static const uint8_t *new_nonce(struct qualify *q)
{
	memmove(q->nonce[1], q->nonce[0],
		sizeof(q->nonce) - sizeof(q->nonce[0]));
	put32(q->nonce[0], rng_u32(&q->rng));
	put32(q->nonce[0] + 4, rng_u32(&q->rng));
	if (q->n_nonces < NONCES_VALID)
		q->n_nonces++;
	return q->nonce[0];
}

/*
 * How long to wait for an answer. Who was silent for long is asked rarely; a
 * change of the network makes us hopeful again.
 */
static uint64_t wait_ns(struct qualify *q, uint64_t now)
{
	uint64_t silence = now - q->since, ms;

	if (silence > PATIENT_NS) {
		uint64_t wait = silence / PATIENCE_SHARE;

		if (wait > WAIT_MAX_NS)
			wait = WAIT_MAX_NS;
		return wait / 1000 * (800 + rng_below(&q->rng, 200));
	}
	ms = q->tries == 1 ? WAIT_FIRST_MS : WAIT_MS;
	if (q->tries == 2)
		ms = WAIT_SECOND_MS;
	return (ms + rng_below(&q->rng, WAIT_SPREAD_MS)) * NS_PER_MS;
}

/* C8, C9. The gate may refuse; then it is as if nobody answered. */
static void solicit(struct qualify *q, uint64_t now, struct outbox *out)
{
	struct tuple to = {asked(q), TEREDO_PORT};
	struct ip6 src;
	size_t n;

	if (q->since == 0)
		q->since = now;
	own_link_local(q, &src);
	n = solicit_put(outbox_head(out), &src, q->conf.secret, new_nonce(q));
	(void)outbox_udp(out, q->conf.door, to, n, NULL, 0);
	q->tries++;
	q->asked++;
	q->silent++;
	q->sent = now;
	q->sent_to = to.ip;
	q->due = now + wait_ns(q, now);
}

/*
 * At once, unless the same address was asked just before, and is silent; or
 * there is no network.
 */
static void solicit_soon(struct qualify *q, uint64_t now, struct outbox *out)
{
	q->tries = 0;
	q->told = false;
	q->n_nonces = 0;
	if (q->local.ip == 0)
		q->due = UINT64_MAX;
	else if (q->sent && q->sent_to == asked(q) && now - q->sent < GAP_NS)
		q->due = q->sent + GAP_NS;
	else
		solicit(q, now, out);
}

static void enter(struct qualify *q, enum qualify_step step, uint64_t now,
		  struct outbox *out)
{
	q->step = step;
	solicit_soon(q, now, out);
}

void qualify_start(struct qualify *q, uint32_t primary, uint32_t secondary,
		   struct tuple local, uint64_t now, struct outbox *out)
{
	q->primary = primary;
	q->secondary = secondary;
	q->local = local;
	q->flags = rng_u32(&q->rng) & FLAGS_RANDOM; /* A15 */
	q->cone = q->conf.cone_first;
	enter(q, QUALIFY_PRIMARY, now, out);
}

void qualify_check(struct qualify *q, uint64_t now, struct outbox *out)
{
	if (q->step == QUALIFY_DONE)
		enter(q, QUALIFY_CHECK, now, out);
}

void qualify_hurry(struct qualify *q, struct tuple local, uint64_t now,
		   struct outbox *out)
{
	q->local = local;
	if (q->step == QUALIFY_IDLE)
		return;
	q->since = 0;
	if (q->step == QUALIFY_DONE)
		q->step = QUALIFY_CHECK;
	/* What the first address saw was in another network. */
	if (q->step == QUALIFY_SECONDARY)
		q->step = QUALIFY_PRIMARY;
	solicit_soon(q, now, out);
}

void qualify_stop(struct qualify *q)
{
	q->step = QUALIFY_IDLE;
	q->due = UINT64_MAX;
	q->since = 0;
	q->n_nonces = 0;
}

void qualify_resume(struct qualify *q, uint32_t primary, uint32_t secondary,
		    struct tuple local, struct tuple mapped, bool is_cone,
		    bool is_symmetric)
{
	q->step = QUALIFY_DONE;
	q->primary = primary;
	q->secondary = secondary;
	q->local = local;
	q->flags = rng_u32(&q->rng) & FLAGS_RANDOM;
	q->mapped = mapped;
	q->is_cone = is_cone;
	q->cone = is_cone;
	q->is_symmetric = is_symmetric;
}

void qualify_asked(struct qualify *q, uint32_t whom, uint64_t sent,
		   uint64_t since)
{
	q->sent_to = whom;
	q->sent = sent;
	q->since = since;
}

void qualify_pause(struct qualify *q)
{
	q->local = (struct tuple){0, 0};
	q->due = UINT64_MAX;
}

/* --- what comes back --- */

/*
 * C14, C15: the prefix 2001:0:SERVER::/64. The server's second address may put
 * itself into the prefix (A5).
 */
static bool is_valid(const struct qualify *q, const struct frame *f)
{
	struct offer offer;

	return advertisement_read(f, &offer) &&
	       offer.prefix == q->conf.prefix &&
	       (offer.server == q->primary || offer.server == asked(q)) &&
	       gate_is_global(q->gate, f->origin); /* C21 */
}

/*
 * C14, C16: from the address that was asked, to the link-local address that
 * asked. With the cone bit, servers answer from their other address (A6).
 */
static bool is_expected(const struct qualify *q, const struct frame *f,
			struct tuple from)
{
	struct ip6 own;

	own_link_local(q, &own);
	return qualify_is_asking(q) && from.port == TEREDO_PORT &&
	       from.ip == (q->cone ? q->secondary : asked(q)) &&
	       ip6_equal(&f->ip->dst, &own);
}

/* Of the newest solicitation: which of them others answer, nobody knows. */
static void note_answer(struct qualify *q, const struct frame *f, uint64_t now)
{
	bool is_newest =
		f->has_auth && q->n_nonces &&
		memcmp(f->auth.nonce, q->nonce[0], AUTH_NONCE_LEN) == 0;

	if (is_newest && q->sent)
		q->rtt = now - q->sent;
	q->since = 0;
	q->sent = 0;
	q->silent = 0;
	q->refused = REASON_NONE;
	q->key_ends = f->has_auth && f->auth.confirm != 0; /* C25 */
}

static bool has_nonce(const struct qualify *q, const struct auth *a)
{
	for (unsigned i = 0; i < q->n_nonces; i++) {
		if (memcmp(a->nonce, q->nonce[i], AUTH_NONCE_LEN) == 0)
			return true;
	}
	return false;
}

/* C23, C24, Z11. */
static enum reason check_auth(const struct qualify *q, const struct frame *f)
{
	const struct secret *s = q->conf.secret;

	if (!f->has_auth)
		return s || !q->conf.no_nonce_ok ? REASON_RA_NONCE
						 : REASON_NONE;
	if (!has_nonce(q, &f->auth))
		return REASON_RA_NONCE;
	if (s && (secret_find(s, 1, &f->auth) == NULL || !auth_verify(s, f)))
		return REASON_AUTH_FAILED;
	return REASON_NONE;
}

static void done(struct qualify *q)
{
	q->step = QUALIFY_DONE;
	q->due = UINT64_MAX;
	q->n_nonces = 0;
}

/* The first address has answered: C17, C18, C62. */
static enum qualify_event by_primary(struct qualify *q, struct tuple seen,
				     uint64_t now, struct outbox *out)
{
	bool was_check = q->step == QUALIFY_CHECK;
	bool same = tuple_equal(seen, q->mapped);
	bool moved = q->mapped.port != 0 && !same;

	if (was_check && same) {
		done(q);
		return QUALIFY_CONFIRMED;
	}
	q->mapped = seen;
	q->is_cone = q->cone;
	if (q->cone) { /* 4380 §5.2.1: fully qualified */
		q->is_symmetric = false;
		done(q);
		return QUALIFY_QUALIFIED;
	}
	enter(q, QUALIFY_SECONDARY, now, out);
	return moved ? QUALIFY_MOVED : QUALIFY_NOTHING;
}

/* C18. What the first address saw may have changed if it was long ago. */
static enum qualify_event by_secondary(struct qualify *q, struct tuple seen,
				       uint64_t now, struct outbox *out)
{
	bool same = tuple_equal(seen, q->mapped);

	if (!same && q->tries > PHASE_TRIES) {
		enter(q, QUALIFY_PRIMARY, now, out);
		return QUALIFY_NOTHING;
	}
	q->is_symmetric = !same;
	q->second = seen;
	done(q);
	return QUALIFY_QUALIFIED;
}

enum reason qualify_input(struct qualify *q, const struct frame *f,
			  struct tuple from, uint64_t now, struct outbox *out,
			  enum qualify_event *event)
{
	enum reason why;

	*event = QUALIFY_NOTHING;
	if (!is_expected(q, f, from))
		return REASON_RA_UNEXPECTED;
	why = is_valid(q, f) ? check_auth(q, f) : REASON_RA_INVALID;
	if (why != REASON_NONE) {
		q->refused = why;
		return why;
	}
	note_answer(q, f, now);
	if (q->step == QUALIFY_SECONDARY) {
		*event = by_secondary(q, f->origin, now, out);
	} else {
		*event = by_primary(q, f->origin, now, out);
	}
	return REASON_RA_TAKEN;
}

/* C10, C13, A4. */
enum qualify_event qualify_timeout(struct qualify *q, uint64_t now,
				   struct outbox *out)
{
	bool ended = q->tries > 0 && q->tries % PHASE_TRIES == 0 && !q->told;

	if (now < q->due)
		return QUALIFY_NOTHING;
	if (ended && q->step == QUALIFY_PRIMARY && q->cone) {
		q->cone = false; /* the other answers would not get in */
		enter(q, QUALIFY_PRIMARY, now, out);
		return QUALIFY_NOTHING;
	}
	q->told = ended;
	if (ended)
		return QUALIFY_UNANSWERED;
	solicit(q, now, out);
	return QUALIFY_NOTHING;
}
