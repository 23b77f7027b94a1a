/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Qualification and maintenance (4380 §5.2.1, §5.2.2, §5.2.5): a client asks
 * both addresses of a server how they see one of its UDP ports.
 *
 *	IDLE ------- start ------------------------> PRIMARY
 *	PRIMARY ---- advertisement ----------------> SECONDARY, or DONE as cone
 *	SECONDARY -- advertisement ----------------> DONE
 *	DONE ------- check ------------------------> CHECK
 *	CHECK ------ advertisement, same mapping --> DONE
 *	CHECK ------ advertisement, another one ---> SECONDARY
 *	PRIMARY, SECONDARY, CHECK: solicitations again and again, until the
 *	machine is stopped; each third one without an answer ends a phase, of
 *	which the caller is told
 *
 * §5.2.1 has defaults of four seconds and three transmissions. We keep the
 * three, for a phase, but ask again sooner: who waits for a server that has
 * just come back should not wait long. A server is never sent more than one
 * solicitation a second, and after two minutes of silence ever fewer (A38).
 */
#ifndef CORE_QUALIFY_H
#define CORE_QUALIFY_H

#include "hash.h"
#include "outbox.h"
#include "solicit.h"

enum {
	PHASE_TRIES = 3,       /* N of §5.2.1, A4 */
	NONCES_VALID = 2,      /* of the last solicitations, to one address */
	FLAGS_RANDOM = 0x3cff, /* 5991 §3.1 */
};

struct qualify_conf {
	enum door door;
	bool cone_first;  /* the order of 4380; against 5991 §3.2 (C13) */
	bool no_nonce_ok; /* take advertisements without a block (A3) */
	uint32_t prefix;
	const struct secret *secret; /* C2; NULL = nonces only */
};

enum qualify_step {
	QUALIFY_IDLE,
	QUALIFY_PRIMARY,   /* soliciting the first address */
	QUALIFY_SECONDARY, /* soliciting the second; the first mapping is known
			    */
	QUALIFY_DONE,      /* nothing is outstanding */
	QUALIFY_CHECK,     /* soliciting the first again (§5.2.5) */
};

/* What the caller must look at. */
enum qualify_event {
	QUALIFY_NOTHING,
	QUALIFY_QUALIFIED,  /* step is DONE; mapped, symmetric, cone are new */
	QUALIFY_CONFIRMED,  /* step is DONE; the mapping is what it was */
	QUALIFY_MOVED,      /* mapped is new; step is SECONDARY */
	QUALIFY_UNANSWERED, /* a phase has ended without an answer; call
			       again to go on asking */
};

struct qualify {
	struct qualify_conf conf;
	const struct gate *gate;
	struct rng rng;
	enum qualify_step step;
	uint32_t primary, secondary; /* of the server, host order */
	struct tuple local;          /* for the link-local source, §5.2.1 */
	uint16_t flags;              /* random bits of that source, A15 */
	bool cone;                   /* this phase asks with the cone bit */
	bool is_cone, is_symmetric;  /* outcome */
	bool key_ends;               /* the server said so (C25) */
	struct tuple mapped;         /* as the primary address sees us */
	struct tuple second;         /* as the other did; port 0 = not known */
	uint64_t rtt;                /* of the last answer, ns; 0 = none yet */
	uint32_t asked;              /* solicitations in all */
	uint32_t silent;             /* of these since the last answer */
	enum reason refused; /* the last answer since then that was no good;
				REASON_NONE = there was none */
	unsigned tries;      /* solicitations since the step began */
	bool told;           /* that a phase has ended */
	uint64_t since;      /* first since anybody answered, 0 = none */
	uint64_t sent;       /* last solicitation without an answer, 0 = none */
	uint32_t sent_to;
	uint64_t due; /* next; UINT64_MAX = none */
	uint8_t nonce[NONCES_VALID][AUTH_NONCE_LEN]; /* newest first */
	unsigned n_nonces;
};

void qualify_init(struct qualify *q, const struct qualify_conf *conf,
		  const struct gate *gate, const struct rng *rng);

/* Begin with this server; the first solicitation leaves as soon as it may. */
void qualify_start(struct qualify *q, uint32_t primary, uint32_t secondary,
		   struct tuple local, uint64_t now, struct outbox *out);

/* Solicit the first address once more; step is DONE, or nothing happens. */
void qualify_check(struct qualify *q, uint64_t now, struct outbox *out);

/*
 * The network has changed: ask now whatever is asked for, and with patience as
 * at the start. From DONE as qualify_check().
 */
void qualify_hurry(struct qualify *q, struct tuple local, uint64_t now,
		   struct outbox *out);

void qualify_stop(struct qualify *q);

/*
 * After qualify_init(), of what a machine before this one has found out: DONE;
 * or only whom it asked last, when, and since when it has got no answer
 * (0 = none), so that nobody is asked too often (A38).
 */
void qualify_resume(struct qualify *q, uint32_t primary, uint32_t secondary,
		    struct tuple local, struct tuple mapped, bool is_cone,
		    bool is_symmetric);
void qualify_asked(struct qualify *q, uint32_t whom, uint64_t sent,
		   uint64_t since);

/* There is no network: be still until qualify_hurry(). */
void qualify_pause(struct qualify *q);

/*
 * An advertisement, or what claims to be one (C14-C16, C21-C24):
 * REASON_RA_TAKEN, or why it is ignored; then nothing has changed.
 */
enum reason qualify_input(struct qualify *q, const struct frame *f,
			  struct tuple from, uint64_t now, struct outbox *out,
			  enum qualify_event *event);

enum qualify_event qualify_timeout(struct qualify *q, uint64_t now,
				   struct outbox *out);

static inline uint64_t qualify_next(const struct qualify *q)
{
	return q->due;
}

/* Is a solicitation outstanding? */
static inline bool qualify_is_asking(const struct qualify *q)
{
	return q->step != QUALIFY_IDLE && q->step != QUALIFY_DONE;
}

#endif
