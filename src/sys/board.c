/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "board.h"

#include <ctype.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>

enum {
	READ_TRIES = 1000
};

size_t board_size(unsigned lanes)
{
	return sizeof(struct board) + lanes * sizeof(struct board_lane);
}

struct board *board_make(unsigned lanes)
{
	void *b = mmap(NULL, board_size(lanes), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return b == MAP_FAILED ? NULL : b;
}

/* Nobody else writes any more. */
void board_take_over(struct board *b, unsigned lanes,
		     const struct hash_key *key)
{
	struct stats s = {0};
	struct ledger l = {0};
	struct lane_counts c;

	board_stats(b, lanes, &s);
	board_ledger(b, &l);
	board_counts(b, lanes, &c);
	b->before = s;
	b->ledger_before = l;
	b->ledger = (struct ledger){0};
	b->counts_before = c;
	b->core = (struct stats){0};
	for (unsigned i = 0; i < lanes; i++) {
		b->lane[i].stats = (struct stats){0};
		b->lane[i].counts = (struct lane_counts){0};
		meter_init(&b->lane[i].meter, key);
	}
}

/* --- facts --- */

/* If the last one who wrote was killed in the middle, it is odd already. */
void board_write(struct board *b, const struct facts *f)
{
	uint32_t n = b->sequence | 1;

	__atomic_store_n(&b->sequence, n, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(&b->facts, f, sizeof(*f));
	__atomic_store_n(&b->sequence, n + 1, __ATOMIC_RELEASE);
}

static void mend(struct facts *f)
{
	bool *const all[] = {
		&f->is_server,
		&f->is_relay,
		&f->is_client,
		&f->host_native,
		&f->default_route,
		&f->allows,
		&f->has_source,
		&f->forwarding,
		&f->has_primary,
		&f->has_secondary,
		&f->client.preserves_port,
		&f->client.key_ends,
		&f->client.wants_probe,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		mend_bool(all[i]);
	for (unsigned i = 0; i < CLIENT_SERVERS; i++) {
		mend_bool(&f->server[i].failed);
		mend_bool(&f->server[i].unusable);
	}
	if (!mapper_news_are_valid(&f->mapping))
		f->mapping = (struct mapper_news){.why = PORTMAP_GONE};
}

/* Who was killed in the middle left something that is better than nothing. */
static bool copy(const struct board *b, struct facts *f)
{
	for (unsigned i = 0; i < READ_TRIES; i++) {
		uint32_t n = __atomic_load_n(&b->sequence, __ATOMIC_ACQUIRE);

		memcpy(f, &b->facts, sizeof(*f));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (n == 0)
			return false;
		if (n % 2 == 0 &&
		    __atomic_load_n(&b->sequence, __ATOMIC_RELAXED) == n)
			return true;
		sched_yield();
	}
	return true;
}

bool board_read(const struct board *b, struct facts *f)
{
	bool is_there = copy(b, f);

	mend(f);
	return is_there;
}

/* A number is whole, whenever it is read. */
uint32_t board_settings(const struct board *b)
{
	return __atomic_load_n(&b->facts.settings, __ATOMIC_ACQUIRE);
}

/* --- numbers --- */

void board_stats(const struct board *b, unsigned lanes, struct stats *s)
{
	lane_stats_add(s, &b->before);
	lane_stats_add(s, &b->core);
	for (unsigned i = 0; i < lanes; i++)
		lane_stats_add(s, &b->lane[i].stats);
}

void board_ledger(const struct board *b, struct ledger *l)
{
	ledger_add(l, &b->ledger_before);
	ledger_add(l, &b->ledger);
}

void board_counts(const struct board *b, unsigned lanes, struct lane_counts *c)
{
	*c = b->counts_before;
	for (unsigned i = 0; i < lanes; i++)
		lane_counts_add(c, &b->lane[i].counts);
}

void board_meter(const struct board *b, unsigned lanes, const struct ip6 *a,
		 struct meter_count *in, struct meter_count *out)
{
	for (unsigned i = 0; i < lanes; i++)
		meter_read(&b->lane[i].meter, a, in, out);
}

void board_totals(const struct board *b, unsigned lanes, struct meter_count *in,
		  struct meter_count *out)
{
	for (unsigned i = 0; i < lanes; i++) {
		const struct meter *m = &b->lane[i].meter;

		in->packets += m->in.packets;
		in->bytes += m->in.bytes;
		out->packets += m->out.packets;
		out->bytes += m->out.bytes;
	}
}

/* --- journal --- */

void journal_write(struct journal *j, int severity, const char *text)
{
	struct timespec now;
	uint32_t n = __atomic_add_fetch(&j->newest, 1, __ATOMIC_RELAXED);
	struct journal_line *l = &j->v[n % JOURNAL_LINES];

	__atomic_store_n(&l->number, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	l->severity = (uint8_t)severity;
	clock_gettime(CLOCK_REALTIME, &now);
	l->time = now.tv_sec;
	strncpy(l->text, text, sizeof(l->text) - 1);
	l->text[sizeof(l->text) - 1] = '\0';
	__atomic_store_n(&l->number, n, __ATOMIC_RELEASE);
}

bool journal_read(const struct journal *j, uint32_t n, struct journal_line *l)
{
	const struct journal_line *from = &j->v[n % JOURNAL_LINES];

	if (__atomic_load_n(&from->number, __ATOMIC_ACQUIRE) != n || n == 0)
		return false;
	memcpy(l, from, sizeof(*l));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&from->number, __ATOMIC_RELAXED) != n ||
	    l->severity > LOG_DEBUG)
		return false;
	l->text[sizeof(l->text) - 1] = '\0';
	for (char *c = l->text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = *c == '\n' ? ';' : '?';
	}
	return true;
}
