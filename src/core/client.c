/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of the address: which server is asked, what its answers mean, how
 * long an address stays. Its packets are in client_packets.c, peers in
 * contact.c.
 * Numbers in comments are those of doc/conformance.md.
 */
#include "client.h"

#include <string.h>

#include "contact.h"
#include "dormant.h"
#include "memo.h"
#include "search.h"

static const uint64_t NAMES_WAIT_NS = 2 * NS_PER_S;
static const uint64_t KEEP_PEER_NS = 30 * NS_PER_S; /* after a peer was heard */
static const uint64_t KEEP_OLD_NS = 60 * NS_PER_S;  /* an address beside ours */
static const uint64_t REST_NS = 60 * NS_PER_S;      /* from a NAT of no use */
static const uint64_t QUIET_NS = NS_PER_S; /* is silence of all peers */
static const uint64_t SUSPECT_MIN_NS = 2 * NS_PER_S;
static const uint64_t SUSPECT_MAX_NS = 30 * NS_PER_S;

const struct client_conf client_defaults = {
	.mtu = TEREDO_MTU,
	.n_servers = 1,
	.refresh_s = 30,
	.extensions = EXT_ALL,
	.max_peers = 1024,
	.max_held = 256,
	.bubbles = {100, 100},
	.answers = {100, 100},
	.tests = {100, 100},
	.strangers = {20, 20},
	.errors = {100, 100},
};

static size_t aligned(size_t n)
{
	return (n + 63) / 64 * 64;
}

/* Memo, peers, packets that wait. */
static size_t table_at(void)
{
	return aligned(sizeof(struct memos));
}

static size_t held_at(const struct client_conf *conf)
{
	return table_at() + aligned(recent_memory(conf->max_peers));
}

size_t client_memory(const struct client_conf *conf)
{
	return held_at(conf) + held_memory(conf->max_held);
}

const struct recent_peer *client_slab(const void *mem)
{
	return (const void *)((const uint8_t *)mem + table_at());
}

void client_init(struct client *c, const struct client_conf *conf,
		 struct gate *gate, struct stats *stats, struct ledger *ledger,
		 const struct hash_key *key, const struct rng *rng, void *mem)
{
	const struct qualify_conf q = {
		.door = DOOR_SERVICE,
		.cone_first = conf->cone_first,
		.no_nonce_ok = conf->no_nonce_ok,
		.prefix = gate->prefix,
		.secret = conf->secret,
	};
	struct rng seed = *rng;
	uint8_t *p = mem;

	*c = (struct client){
		.conf = *conf,
		.gate = gate,
		.stats = stats,
		.ledger = ledger,
		.memos = mem,
		.wanted = true,
		.at = conf->first_server,
		.why = WHY_NO_IPV4,
		.effort_at = UINT64_MAX,
	};
	/* Each its own numbers: whole ranges of the counter apart. */
	c->rng = seed;
	seed.count += UINT64_C(1) << 62;
	qualify_init(&c->qualify, &q, gate, &seed);
	seed.count += UINT64_C(1) << 62;
	search_init(c, &q, &seed);
	randport_init(c);
	recent_init(&c->recent, conf->max_peers, key, p + table_at());
	held_init(&c->held, conf->max_held, p + held_at(conf));
	client_show(c);
}

/* --- addresses --- */

static void drop_address(struct client *c, unsigned i, uint64_t now)
{
	if (!c->own[i].on)
		return;
	contact_flush(c, i, now);
	c->own[i].on = false;
}

/* For others, or for none. */
static void drop_addresses(struct client *c, uint64_t now)
{
	for (unsigned i = 0; i < CLIENT_ADDRESSES; i++)
		drop_address(c, i, now);
	c->gate->mapped = (struct tuple){0, 0};
	c->announce_at = 0;
	dormant_end(c);
	search_stop(c);
	probe_stop(c);
	knock_stop(c);
}

static void lose_addresses(struct client *c, uint64_t now)
{
	if (client_has_address(c))
		ledger_count(c->ledger, LEDGER_ADDRESS_LOST);
	drop_addresses(c, now);
}

/* C20, A15: kept as long as the mapping lasts, also from run to run. */
static uint16_t choose_flags(struct client *c)
{
	if (!c->conf.has_flags ||
	    !tuple_equal(c->conf.mapped, c->qualify.mapped)) {
		c->conf.flags = rng_u32(&c->rng) & FLAGS_RANDOM;
		c->conf.mapped = c->qualify.mapped;
		c->conf.has_flags = true;
	}
	return (c->conf.flags & FLAGS_RANDOM) |
	       (c->qualify.is_cone ? FLAG_CONE : 0);
}

/* The address that the last advertisement means (C20, C62, I8). */
static struct own_address meant(struct client *c, uint64_t now)
{
	struct own_address a = {
		.on = true,
		.flags = choose_flags(c),
		.server = c->qualify.primary,
		.mapped = c->qualify.mapped,
		.used = now,
	};
	const struct teredo t = {c->gate->prefix, a.server, a.flags, a.mapped};

	teredo_pack(&a.ip6, &t);
	return a;
}

/* What makes it another one than before. */
static enum ledger_line change_to(const struct client *c,
				  const struct own_address *a)
{
	const struct own_address *was = &c->own[c->cur];

	if (!was->on)
		return LEDGER_ADDRESS_FIRST;
	if (!tuple_equal(a->mapped, was->mapped))
		return LEDGER_ADDRESS_MAPPING;
	return a->server != was->server ? LEDGER_ADDRESS_SERVER
					: LEDGER_ADDRESS_FLAGS;
}

/*
 * With another mapping, nobody can use the old address (C62, A37). With another
 * server only, everybody can who knows it, so it stays for those (C85). Behind
 * a symmetric NAT another server always sees another mapping.
 */
static void set_address(struct client *c, uint64_t now)
{
	struct own_address a = meant(c, now);
	unsigned other = !c->cur;

	if (client_has_address(c) && ip6_equal(&a.ip6, &c->own[c->cur].ip6))
		return;
	ledger_count(c->ledger, change_to(c, &a));
	c->changes++;
	knock_stop(c);
	if (c->own[other].on && ip6_equal(&a.ip6, &c->own[other].ip6)) {
		c->cur = other;
		return;
	}
	if (client_has_address(c) &&
	    tuple_equal(a.mapped, c->own[c->cur].mapped)) {
		drop_address(c, other, now);
		c->cur = other;
	} else {
		drop_addresses(c, now);
	}
	c->own[c->cur] = a;
	probe_stop(c);
	c->gate->mapped = a.mapped;
}

/* --- servers --- */

static bool is_known(const struct client *c, unsigned i)
{
	return c->server[i].primary != 0;
}

bool client_is_server(const struct client *c, struct tuple t)
{
	/* Until another is asked, it is. */
	if (c->left && t.port == TEREDO_PORT &&
	    (t.ip == c->qualify.primary || t.ip == c->qualify.secondary))
		return true;
	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		if (is_known(c, i) && t.port == TEREDO_PORT &&
		    (t.ip == c->server[i].primary ||
		     t.ip == c->server[i].secondary))
			return true;
	}
	return false;
}

/*
 * The next server to ask, from i on; n_servers if none is known. In the
 * beginning the names before it get a moment to be looked up.
 */
static unsigned next_known(const struct client *c, unsigned i, uint64_t now)
{
	for (unsigned n = 0; n < c->conf.n_servers; n++) {
		unsigned at = (i + n) % c->conf.n_servers;

		if (is_known(c, at))
			return at;
		if (!c->server[at].failed && now < c->began + NAMES_WAIT_NS)
			break;
	}
	return c->conf.n_servers;
}

static void ask(struct client *c, unsigned i, uint64_t now, struct outbox *out)
{
	dormant_end(c);
	c->at = i;
	c->left = false;
	c->rest_until = 0;
	qualify_start(&c->qualify, c->server[i].primary, c->server[i].secondary,
		      c->local, now, out);
}

/* Begin with a server, if one is known and nothing is in the way. */
static void begin(struct client *c, uint64_t now, struct outbox *out)
{
	unsigned i;

	if (!c->wanted || c->local.ip == 0 || c->rest_until ||
	    c->qualify.step != QUALIFY_IDLE)
		return;
	i = next_known(c, c->at, now);
	if (i < c->conf.n_servers) {
		c->why = WHY_START;
		ask(c, i, now, out);
	} else {
		c->why = WHY_RESOLVER;
	}
}

/* Another one, if there is another (C85). */
static void next_server(struct client *c, uint64_t now, struct outbox *out)
{
	unsigned i = next_known(c, c->at + 1, now);

	if (i < c->conf.n_servers && i != c->at)
		ask(c, i, now, out);
}

/* Its name has got another address; what was asked there is in vain. */
static void restart(struct client *c, uint64_t now, struct outbox *out)
{
	if (!client_has_address(c))
		qualify_stop(&c->qualify);
	else if (c->keep_until && c->local.ip)
		ask(c, c->at, now, out);
}

/*
 * From the server that is none of ours to one that is, as soon as one is known.
 * Who has an address goes on with it until the other has answered.
 */
static void leave(struct client *c, uint64_t now, struct outbox *out)
{
	unsigned i;

	if (!c->left)
		return;
	if (!client_has_address(c)) {
		c->left = false;
		qualify_stop(&c->qualify);
		begin(c, now, out);
		return;
	}
	i = next_known(c, 0, now);
	if (i < c->conf.n_servers && c->wanted && c->local.ip)
		ask(c, i, now, out);
}

void client_server(struct client *c, unsigned i, uint32_t primary,
		   uint32_t secondary, uint64_t now, struct outbox *out)
{
	struct server_entry *s = &c->server[i];
	const struct tuple a = {primary, TEREDO_PORT};
	const struct tuple b = {secondary, TEREDO_PORT};
	bool is_new = c->qualify.primary != primary ||
		      c->qualify.secondary != secondary;

	s->failed = gate_target(c->gate, a) != REASON_NONE ||
		    gate_target(c->gate, b) != REASON_NONE ||
		    primary == secondary; /* C1 */
	if (!s->failed) {
		s->primary = primary;
		s->secondary = secondary;
		if (is_new && i == c->at && !c->left)
			restart(c, now, out);
		leave(c, now, out);
	}
	begin(c, now, out);
	client_publish(c);
}

/* --- what the server says --- */

static void draw_interval(struct client *c)
{
	uint64_t most = search_interval_s(c) * NS_PER_S;

	/* C63: 75 to 100 %, in milliseconds */
	c->interval =
		most - rng_below(&c->rng, (uint32_t)(most / 4 / NS_PER_MS)) *
			       NS_PER_MS;
}

static void server_answers(struct client *c, uint64_t now)
{
	c->heard = now;
	c->keep_until = 0;
	c->why = WHY_NONE;
	draw_interval(c);
}

/* C18, X9: is there no address behind a symmetric NAT? */
static bool refuses_symmetric(const struct client *c)
{
	return c->conf.no_symmetric || !client_has(c, EXT_SNS);
}

/* C18. */
static void on_symmetric(struct client *c, uint64_t now)
{
	lose_addresses(c, now);
	qualify_stop(&c->qualify);
	c->why = WHY_SYMMETRIC;
	c->rest_until = now + REST_NS; /* others will say the same */
}

/* The address is good: what goes on with it, unless it does already. */
static void settle(struct client *c, uint64_t now, struct outbox *out)
{
	search_start(c, now, out);
	probe_start(c, now);
	if (c->conf.local_discovery && c->announce_at == 0)
		c->announce_at = now;
}

static void on_qualified(struct client *c, uint64_t now, struct outbox *out)
{
	server_answers(c, now);
	randport_qualified(c);
	if (c->qualify.is_symmetric && refuses_symmetric(c)) {
		on_symmetric(c, now);
		return;
	}
	if (!client_has_address(c))
		c->dormancy.carried = now;
	set_address(c, now);
	settle(c, now, out);
}

/*
 * Three solicitations went unanswered (C11, C19, C65). The address is kept for
 * a minute, and for as long as peers are heard; but not in a new network,
 * where nothing was heard yet.
 */
static void on_silence(struct client *c, uint64_t now, struct outbox *out)
{
	bool moved = c->changed > c->heard && c->changed > c->any_heard;

	c->why = c->qualify.step == QUALIFY_SECONDARY ? WHY_SECONDARY
						      : WHY_SERVER;
	if (client_has_address(c) && (moved || !c->keep_until))
		c->keep_until = moved ? now : now + CLIENT_KEEPS_NS;
	c->wants_names++;
	next_server(c, now, out);
}

/* C62. Who has no address waits for the second answer, as C17 wants it. */
static void on_moved(struct client *c, uint64_t now)
{
	if (!client_has_address(c))
		return;
	server_answers(c, now);
	c->suspect_gap = 0;
	c->why = WHY_MOVED;
	set_address(c, now);
}

static void count_event(const struct client *c, enum qualify_event event)
{
	const struct qualify *q = &c->qualify;
	bool refused = q->is_symmetric && refuses_symmetric(c);
	bool second = q->step == QUALIFY_SECONDARY;
	const enum ledger_line line[] = {
		[QUALIFY_QUALIFIED] =
			refused ? LEDGER_SYMMETRIC : LEDGER_QUALIFIED,
		[QUALIFY_CONFIRMED] = LEDGER_CONFIRMED,
		[QUALIFY_MOVED] = LEDGER_MOVED,
		[QUALIFY_UNANSWERED] =
			second ? LEDGER_SECOND_SILENT : LEDGER_SILENT,
	};

	if (event != QUALIFY_NOTHING)
		ledger_count(c->ledger, line[event]);
}

void client_event(struct client *c, enum qualify_event event, uint64_t now,
		  struct outbox *out)
{
	count_event(c, event);
	switch (event) {
	case QUALIFY_NOTHING:
		return;
	case QUALIFY_QUALIFIED:
		on_qualified(c, now, out);
		break;
	case QUALIFY_CONFIRMED:
		server_answers(c, now);
		settle(c, now, out);
		break;
	case QUALIFY_MOVED: /* the second address is asked meanwhile */
		on_moved(c, now);
		break;
	case QUALIFY_UNANSWERED:
		on_silence(c, now, out);
		break;
	}
	dormant_answered(c, now);
}

/*
 * No peer is heard any more while packets go out: ask the server whether the
 * mapping is what it was. If it is, wait longer the next time.
 */
void client_suspect(struct client *c, uint64_t now, struct outbox *out)
{
	uint64_t gap = c->suspect_gap;

	if (gap < SUSPECT_MIN_NS)
		gap = SUSPECT_MIN_NS;
	if (c->dormancy.on || now - c->any_heard < QUIET_NS ||
	    (c->suspected && now - c->suspected < gap))
		return;
	c->suspect_gap = 2 * gap < SUSPECT_MAX_NS ? 2 * gap : SUSPECT_MAX_NS;
	c->suspected = now;
	qualify_check(&c->qualify, now, out);
	memo_write(c);
}

void client_check(struct client *c, uint64_t now, struct outbox *out)
{
	dormant_wake(c, WAKER_ORDER, now, out);
	qualify_check(&c->qualify, now, out);
	knock_again(c, now);
	client_publish(c);
}

/* --- what the shell says --- */

/* After client_recover(): false if it is elsewhere. */
static bool resume(struct client *c, struct tuple local, uint64_t now,
		   struct outbox *out)
{
	bool same = c->is_resumed && c->wanted && local.ip &&
		    tuple_equal(local, c->local);

	c->is_resumed = false;
	if (same)
		qualify_check(&c->qualify, now, out);
	if (same && c->qualify.step == QUALIFY_IDLE)
		begin(c, now, out);
	return same;
}

void client_network(struct client *c, struct tuple local, uint64_t now,
		    struct outbox *out)
{
	if (resume(c, local, now, out)) {
		client_publish(c);
		return;
	}
	c->local = local;
	c->changed = now;
	c->suspect_gap = 0;
	if (c->search.on)
		search_stop(c); /* it knows nothing of networks; again later */
	if (!c->wanted)
		return;
	if (dormant_moves(c, local)) {
		client_publish(c);
		return;
	}
	if (local.ip == 0) {
		c->why = WHY_NO_IPV4;
		qualify_pause(&c->qualify);
		contact_stop(c, now);
		if (client_has_address(c) && !c->keep_until)
			c->keep_until = now + CLIENT_KEEPS_NS;
	} else if (c->qualify.step != QUALIFY_IDLE) {
		if (c->why == WHY_NO_IPV4)
			c->why = WHY_START;
		qualify_hurry(&c->qualify, local, now, out);
	} else {
		c->rest_until = 0;
		c->began = now;
		begin(c, now, out);
	}
	client_publish(c);
}

void client_want(struct client *c, bool wanted, uint64_t now,
		 struct outbox *out)
{
	if (c->wanted == wanted)
		return;
	c->wanted = wanted;
	if (wanted) {
		c->why = WHY_NO_IPV4; /* unless it can begin */
		c->began = now;
		begin(c, now, out);
	} else {
		lose_addresses(c, now);
		qualify_stop(&c->qualify);
		c->keep_until = 0;
		c->rest_until = 0;
		c->why = WHY_NATIVE;
	}
	client_publish(c);
}

/* --- another configuration --- */

/* Servers that may not be sent to any more. */
static void forget_refused(struct client *c)
{
	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		const struct server_entry *s = &c->server[i];
		const struct tuple a = {s->primary, TEREDO_PORT};
		const struct tuple b = {s->secondary, TEREDO_PORT};

		if (!is_known(c, i) ||
		    (gate_target(c->gate, a) == REASON_NONE &&
		     gate_target(c->gate, b) == REASON_NONE))
			continue;
		c->server[i] = (struct server_entry){.failed = true};
		c->left = c->left || i == c->at;
	}
}

/* C18, as it is said now. */
static void judge_symmetric(struct client *c, uint64_t now, struct outbox *out)
{
	if (refuses_symmetric(c) && c->qualify.is_symmetric &&
	    client_has_address(c)) {
		on_symmetric(c, now);
	} else if (!refuses_symmetric(c) && c->why == WHY_SYMMETRIC) {
		c->rest_until = 0;
		begin(c, now, out);
	}
}

/* C64: what was found out by tries was found out from there on. */
static void set_refresh(struct client *c, uint16_t refresh_s)
{
	if (c->conf.refresh_s == refresh_s)
		return;
	c->conf.refresh_s = refresh_s;
	search_stop(c);
	draw_interval(c);
}

/* C68: from now on, or not any more; then what was learned is forgotten. */
static void set_learning(struct client *c, bool learn, uint64_t now,
			 struct outbox *out)
{
	if (c->conf.learn_refresh == learn)
		return;
	c->conf.learn_refresh = learn;
	search_stop(c);
	draw_interval(c);
	if (client_has_address(c) && c->qualify.step == QUALIFY_DONE &&
	    !c->dormancy.on)
		search_start(c, now, out);
}

/*
 * Another secret, or none. The server is asked at once, so that one it does not
 * accept is seen now; the address is kept meanwhile (C65).
 */
static void set_secret(struct client *c, const struct secret *secret,
		       uint64_t now, struct outbox *out)
{
	if (c->conf.secret == secret)
		return;
	c->conf.secret = secret;
	c->qualify.conf.secret = secret;
	c->search.qualify.conf.secret = secret;
	c->qualify.key_ends = false;
	if (!c->dormancy.on)
		qualify_check(&c->qualify, now, out);
}

/* C71 to C77: as from the start. Whom it found on the link is forgotten where
 * it would not look for him now. */
static void set_discovery(struct client *c, const struct client_conf *conf,
			  uint64_t now)
{
	if (c->conf.local_discovery == conf->local_discovery &&
	    c->conf.same_mapped_only == conf->same_mapped_only)
		return;
	c->conf.local_discovery = conf->local_discovery;
	c->conf.same_mapped_only = conf->same_mapped_only;
	contact_leave_link(c, now);
	if (!c->conf.local_discovery)
		c->announce_at = 0;
	else if (client_has_address(c) && !c->announce_at && !c->dormancy.on)
		c->announce_at = now;
}

void client_reconfigure(struct client *c, const struct client_conf *conf,
			uint64_t now, struct outbox *out)
{
	bool other_host = !ip6_equal(&c->conf.probe, &conf->probe);

	c->conf.mtu = conf->mtu;
	c->conf.no_symmetric = conf->no_symmetric;
	c->conf.extensions = conf->extensions;
	c->conf.cone_first = conf->cone_first;
	c->conf.no_nonce_ok = conf->no_nonce_ok;
	c->conf.probe = conf->probe;
	c->conf.idle_s = conf->idle_s;
	c->qualify.conf.cone_first = conf->cone_first;
	c->qualify.conf.no_nonce_ok = conf->no_nonce_ok;
	c->search.qualify.conf.cone_first = conf->cone_first;
	c->search.qualify.conf.no_nonce_ok = conf->no_nonce_ok;
	set_refresh(c, conf->refresh_s);
	set_secret(c, conf->secret, now, out);
	set_learning(c, conf->learn_refresh, now, out);
	set_discovery(c, conf, now);
	if (other_host)
		probe_stop(c);
	if (other_host && client_has_address(c))
		probe_start(c, now);
	knock_again(c, now);
	if (!conf->idle_s)
		dormant_wake(c, WAKER_ORDER, now, out);
	judge_symmetric(c, now, out);
	forget_refused(c);
	leave(c, now, out);
	client_publish(c);
}

void client_servers(struct client *c, unsigned n,
		    const unsigned from[static CLIENT_SERVERS], uint64_t now,
		    struct outbox *out)
{
	struct server_entry old[CLIENT_SERVERS];
	unsigned at = n;

	memcpy(old, c->server, sizeof(old));
	memset(c->server, 0, sizeof(c->server));
	for (unsigned i = 0; i < n; i++) {
		if (from[i] < CLIENT_SERVERS)
			c->server[i] = old[from[i]];
		if (from[i] == c->at && !c->left)
			at = i;
	}
	c->conf.n_servers = n;
	c->left = at == n;
	c->at = at < n ? at : 0;
	leave(c, now, out);
	begin(c, now, out);
	client_publish(c);
}

/* --- time --- */

/* When an address goes that is kept without a server; UINT64_MAX = it stays. */
static uint64_t keeps_until(const struct client *c)
{
	uint64_t peers = c->any_heard + KEEP_PEER_NS;

	if (!c->keep_until)
		return UINT64_MAX;
	if (c->any_heard <= c->changed || peers < c->keep_until)
		return c->keep_until;
	return peers;
}

/* When the address that we had before goes. */
static uint64_t old_goes_at(const struct client *c)
{
	const struct own_address *old = &c->own[!c->cur];

	return old->on ? old->used + KEEP_OLD_NS : UINT64_MAX;
}

/* Maintenance (C59): when the server was not heard for so long. */
static uint64_t check_due(const struct client *c)
{
	return c->qualify.step == QUALIFY_DONE && !c->dormancy.on
		       ? c->heard + c->interval
		       : UINT64_MAX;
}

/* Names that have not been looked up yet hold us up no longer. */
static uint64_t names_due(const struct client *c)
{
	uint64_t due = c->began + NAMES_WAIT_NS;

	if (!c->wanted || c->local.ip == 0 || c->rest_until ||
	    c->qualify.step != QUALIFY_IDLE)
		return UINT64_MAX;
	for (unsigned i = 0; i < c->conf.n_servers; i++) {
		if (is_known(c, i))
			return due;
	}
	return UINT64_MAX;
}

static void lose_address(struct client *c, uint64_t now, struct outbox *out)
{
	lose_addresses(c, now);
	c->keep_until = 0;
	if (c->local.ip == 0 || !c->wanted)
		qualify_stop(&c->qualify);
	else if (c->left)
		leave(c, now, out);
	else if (c->qualify.step == QUALIFY_CHECK)
		ask(c, c->at, now, out);
}

static void rest_is_over(struct client *c, uint64_t now, struct outbox *out)
{
	c->rest_until = 0;
	begin(c, now, out);
}

static uint64_t earliest(const uint64_t *v, unsigned n)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < n; i++) {
		if (v[i] < least)
			least = v[i];
	}
	return least;
}

uint64_t client_next(const struct client *c)
{
	const uint64_t v[] = {
		qualify_next(&c->qualify),
		check_due(c),
		keeps_until(c),
		old_goes_at(c),
		names_due(c),
		c->rest_until ? c->rest_until : UINT64_MAX,
		c->announce_at ? c->announce_at : UINT64_MAX,
		search_next(c),
		probe_next(c),
		knock_next(c),
		dormant_next(c),
		randport_next(c),
		c->effort_at,
	};

	return earliest(v, sizeof(v) / sizeof(v[0]));
}

void client_timeout(struct client *c, uint64_t now, struct outbox *out)
{
	if (check_due(c) <= now)
		qualify_check(&c->qualify, now, out);
	client_event(c, qualify_timeout(&c->qualify, now, out), now, out);
	if (keeps_until(c) <= now)
		lose_address(c, now, out);
	if (old_goes_at(c) <= now)
		drop_address(c, !c->cur, now);
	if (names_due(c) <= now)
		begin(c, now, out);
	if (c->rest_until && c->rest_until <= now)
		rest_is_over(c, now, out);
	if (outbox_has_room(out))
		search_timeout(c, now, out);
	if (outbox_has_room(out))
		discovery_timeout(c, now, out);
	probe_timeout(c, now, out);
	knock_timeout(c, now, out);
	contact_timeout(c, now, out);
	randport_timeout(c, now, out);
	dormant_timeout(c, now);
	client_publish(c);
}
