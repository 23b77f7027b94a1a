/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The board: what a daemon shows of itself. It is memory that the packet
 * process writes and the control process reads, so that nobody who asks ever
 * takes a moment of the packet process.
 *
 *	facts		how it is, as one piece: a sequence lock
 *	counters	numbers that are read one by one
 *	journal		the last lines of the log, of all processes
 *
 * Who reads believes nothing: the packet process may have been taken over.
 * Indices are checked, text is printable, numbers are shown as they are.
 */
#ifndef SYS_BOARD_H
#define SYS_BOARD_H

#include <net/if.h>
#include <string.h>
#include <time.h>

#include "../core/meter.h"
#include "../core/node.h"
#include "lanes.h"
#include "mapper.h"

enum {
	JOURNAL_LINES = 64,
	JOURNAL_TEXT = 500,
	BEAT_S = 60, /* facts are at most so old, if all is well */
	BEATS = 3,   /* so many that are missed are too many */
};

/* Times are of clock_now(), ns, 0 = never, unless they say otherwise. */
struct facts {
	uint64_t at;    /* when this was written */
	uint64_t beat;  /* and how soon again, at the latest; ns */
	uint64_t since; /* the verdict is what it is */
	uint32_t verdict;
	uint32_t lives;    /* packet processes so far */
	uint32_t settings; /* serial of those that it goes by */
	bool is_server, is_relay, is_client;
	bool host_native; /* there is IPv6 that is not ours */
	bool default_route;
	bool allows; /* AllowIPv4 is used */
	unsigned threads, offloads;

	/* client */
	struct client_status client;
	struct tuple local;
	struct {
		uint32_t primary, secondary;
		bool failed, unusable; /* its name */
	} server[CLIENT_SERVERS];
	uint64_t heard, due; /* the server */
	uint64_t rtt;        /* ns */
	uint32_t asked, silent, changes;
	uint64_t changed; /* the address, the time before the last */
	enum reason refused;
	struct probe probe;
	enum inbound inbound;       /* what the host lets in */
	uint64_t knocked;           /* that was found */
	struct mapper_news mapping; /* what the router forwards */
	uint32_t standing[STANDINGS];
	int steward_error; /* errno of what it could not do */

	/* relay */
	uint32_t roll[ROLL_COUNT];
	struct tuple relay_local;
	struct ip6 source;
	bool has_source, forwarding;

	/* server: its addresses are this host's */
	bool has_primary, has_secondary;
};

struct board_lane {
	struct stats stats;
	struct lane_counts counts;
	struct meter meter;
};

struct journal_line {
	uint32_t number; /* of the line that is here, from 1; 0 = none */
	uint8_t severity;
	int64_t time; /* seconds since 1970 */
	char text[JOURNAL_TEXT];
};

struct journal {
	uint32_t newest; /* number of the last line; it may be half written */
	struct journal_line v[JOURNAL_LINES];
};

struct board {
	uint32_t sequence; /* of the facts: odd while they are written */
	struct facts facts;
	struct stats core;   /* counted by the core */
	struct stats before; /* by packet processes that are gone */
	struct ledger ledger, ledger_before;
	struct lane_counts counts_before;
	struct journal journal;
	struct board_lane lane[]; /* how many, only who made it knows */
};

size_t board_size(unsigned lanes);

/* Memory for one that this process and those it starts share; NULL = errno. */
struct board *board_make(unsigned lanes);

/* A packet process begins where the one before it has ended; the first, with
 * memory that is zeroed. */
void board_take_over(struct board *b, unsigned lanes,
		     const struct hash_key *key);

void board_write(struct board *b, const struct facts *f);

/* false: nothing was written yet. */
bool board_read(const struct board *b, struct facts *f);

/* The serial of the settings that the packet process goes by; 0 = none yet. */
uint32_t board_settings(const struct board *b);

/* How packets ended, and what was carried, in all. */
void board_stats(const struct board *b, unsigned lanes, struct stats *s);
/* l is zeroed, or holds what that is added to. */
void board_ledger(const struct board *b, struct ledger *l);
void board_counts(const struct board *b, unsigned lanes, struct lane_counts *c);

/* What is known of a peer's traffic, and of all. */
void board_meter(const struct board *b, unsigned lanes, const struct ip6 *a,
		 struct meter_count *in, struct meter_count *out);
void board_totals(const struct board *b, unsigned lanes, struct meter_count *in,
		  struct meter_count *out);

/* One more line; any process may do so. */
void journal_write(struct journal *j, int severity, const char *text);

/* Line number n as it is, checked; false if it is not there (any more). */
bool journal_read(const struct journal *j, uint32_t n, struct journal_line *l);

/* What came from elsewhere: a byte that is neither false nor true is no value
 * of a bool. */
static inline void mend_bool(bool *b)
{
	uint8_t byte;

	memcpy(&byte, b, 1);
	*b = byte != 0;
}

#endif
