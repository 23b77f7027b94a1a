/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of recent peers of a client (4380 §5.2): a fixed slab of entries,
 * found by a keyed hash over the peer's address and ours, in order of use.
 * Nothing in it grows (C67).
 *
 * Entries have one of four standings, each with a quarter of the table, and
 * room is made by the one of the same standing that was used longest ago:
 *
 *   UNTRUSTED  strangers make them by naming addresses
 *   WANTED     untrusted, but packets of our host wait for them
 *   TRUSTED    strangers make them by sending from where they are
 *   ACTIVE     our host sent to them, and they answered
 *
 * So whoever just talks to us does not push out those that we talk with.
 *
 * The times of bubbles are kept apart, in a table of their own that survives
 * the entries: the limit of four in 300 seconds is per peer, not per entry
 * (§5.2.6, C57).
 */
#ifndef CORE_RECENT_H
#define CORE_RECENT_H

#include "addr.h"
#include "hash.h"

#define RECENT_NONE UINT32_MAX

enum {
	RECENT_MIN = 16,
	RECENT_MAX = 1 << 16,
	BUBBLES_IN_WINDOW = 4,
	TEST_NONCE_LEN = 16,
	LOG_WAYS = 4,
	RECENT_ORPHAN = 0xff, /* no index of an address of ours */
};

enum standing {
	STANDING_UNTRUSTED,
	STANDING_WANTED,
	STANDING_TRUSTED,
	STANDING_ACTIVE,
	STANDINGS
};

/* What is under way towards a peer, while packets for it wait. */
enum effort {
	EFFORT_NONE,
	EFFORT_TEST,    /* connectivity test of a native host, C43 */
	EFFORT_LOCAL,   /* bubbles on the link, C44 */
	EFFORT_BUBBLES, /* direct and indirect, C46 */
	EFFORT_SOLICIT, /* the same, but direct ones ask first, X71 */
};

/* Times in ns, 0 = never. */
struct recent_peer {
	struct ip6 address; /* with `own` the key */
	uint8_t own;        /* which of our addresses it talks to; or orphan */
	uint8_t standing;   /* enum standing */
	bool is_native;     /* not a Teredo address */
	bool talked;        /* our host has sent it packets */
	bool sought;        /* and not only mere answers (A53) */
	bool is_lan;        /* its tuple is on the link (C35) */
	uint8_t effort;     /* enum effort */
	uint8_t tries;      /* of this effort */
	uint8_t patience;   /* how often silence was looked into in vain */
	uint8_t in_a_row;   /* packets that came soon after another */
	uint8_t door;       /* enum door: where packets to it leave from */
	uint32_t chain, newer, older; /* as in peers.h */
	uint32_t held;      /* oldest packet kept for it, or RECENT_NONE */
	struct tuple tuple; /* where it is; port 0 = never proven */
	struct tuple lan;   /* as its discovery bubble says; port 0 = none */
	uint64_t lan_heard;
	uint64_t heard;      /* last packet from it by way of its tuple */
	uint64_t sent;       /* last packet or bubble to it */
	uint64_t unanswered; /* first packet since it was heard, 0 = none */
	uint64_t tested;     /* last echo request to it */
	uint64_t alarmed;    /* when patience was changed */
	uint64_t due;        /* next step of the effort, UINT64_MAX = none */
	uint32_t nonce_sent, nonce_got;     /* 6081 §5.2.1; 0 = none */
	uint8_t test_nonce[TEST_NONCE_LEN]; /* of the last echo request */
	bool owes;           /* it has asked, and may be answered only later */
	bool test_open;      /* and it is unanswered */
	bool speaks_6081;    /* it has sent trailers of 6081 */
	bool is_late;        /* one direct bubble alone does not reach it */
	uint16_t peer_port;  /* outside port that it has announced; that of its
				address if it has none; 0 = not known (X40) */
	uint16_t advertised; /* last advertisement to it, 1/4 s; 0 = never */
};

/* When bubbles were sent to somebody. */
struct bubble_log {
	uint64_t tag; /* keyed hash of whom; 0 = unused */
	uint64_t last;
	uint32_t at_s[BUBBLES_IN_WINDOW]; /* seconds, rounded up, newest first;
					     0 = none */
};

struct recent {
	struct hash_key key, log_key;
	uint32_t capacity, mask, log_mask;
	uint32_t n[STANDINGS];
	uint32_t unused, touched;
	uint32_t oldest[STANDINGS], newest[STANDINGS];
	struct recent_peer *v;
	uint32_t *index;
	struct bubble_log *log;
};

size_t recent_memory(uint32_t capacity);

/*
 * mem is aligned to 64, and zeroed or to be recovered; it belongs to the
 * caller. The key is used for the times of bubbles as well, unless log_key is
 * set to another before the first of them.
 */
void recent_init(struct recent *r, uint32_t capacity,
		 const struct hash_key *key, void *mem);

/*
 * Is this entry fit to stay? Standing, key, tuples and times are to be judged;
 * what it has not to say for itself is put right. Nothing is under way for it.
 */
typedef bool recent_judge(const void *arg, struct recent_peer *e);

/*
 * After recent_init() with memory in which a list of this capacity was, and
 * with its log_key: take over entries as peers_recover() does, ACTIVE and
 * TRUSTED ones; and the times of bubbles. Times that cannot be are now.
 */
void recent_recover(struct recent *r, uint64_t life, uint64_t now,
		    recent_judge *judge, const void *arg);

static inline struct recent_peer *recent_at(const struct recent *r, uint32_t i)
{
	return &r->v[i];
}

uint32_t recent_find(const struct recent *r, unsigned own, const struct ip6 *a);

static inline bool recent_is_trusted(const struct recent_peer *e)
{
	return e->standing >= STANDING_TRUSTED;
}

/* The entry that must go before one can have this standing, or RECENT_NONE. */
uint32_t recent_victim(const struct recent *r, enum standing s);

/* Add an untrusted entry; there is room. */
uint32_t recent_add(struct recent *r, unsigned own, const struct ip6 *a);

/* Make it the most recently used one of this standing; there is room. */
void recent_touch(struct recent *r, uint32_t i, enum standing s);

void recent_remove(struct recent *r, uint32_t i);

/* Our address is gone: nobody finds the entry again, until it is removed. */
void recent_orphan(struct recent *r, uint32_t i);

/*
 * May a bubble be sent to whom these bytes name (C56, C57)? Two seconds must
 * have passed since the last one, and of the last 300 fewer than four be spent.
 * UINT64_MAX: no, not for long; else when it may (<= now: at once).
 */
uint64_t bubble_allowed(const struct recent *r, const void *whom, size_t n,
			uint64_t now);
/* How many of the four are spent. */
unsigned bubbles_spent(const struct recent *r, const void *whom, size_t n,
		       uint64_t now);

void bubble_note(struct recent *r, const void *whom, size_t n, uint64_t now);

/* A direct answer: the count starts again; the two seconds do not. */
void bubble_answered(struct recent *r, const void *whom, size_t n);

#endif
