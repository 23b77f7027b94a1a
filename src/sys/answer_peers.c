/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of peers (see answer.h). The slabs are read while the packet process
 * changes them: an entry is copied, and what it says is shown if it can be
 * true. A list is no snapshot.
 */
#include <stdio.h>
#include <string.h>

#include "answer_parts.h"
#include "preflight.h"

enum {
	AT_ONCE = 8192 /* entries that are looked at in one go */
};

/* An entry of whichever slab. */
struct row {
	struct ip6 address;
	struct tuple at; /* port 0 = not known */
	const char *path, *proof;
	uint64_t heard, sent;
	struct meter_count in, out;
};

static const char *proof_of_roll(uint8_t roll)
{
	switch (roll) {
	case ROLL_PROVEN:
		return "proven";
	case ROLL_FAILED:
		return "failed";
	}
	return "probing";
}

static bool take_peer(struct row *r, const struct peer *from, uint32_t prefix)
{
	struct peer e = *from;

	if (!e.heard && !e.bubbled)
		return false;
	peer_address(&e, prefix, &r->address);
	r->at = (struct tuple){0, 0};
	if (e.roll == ROLL_PROVEN)
		r->at = (struct tuple){e.ip, e.port};
	r->path = r->at.port ? "direct" : "none";
	r->proof = proof_of_roll(e.roll);
	r->heard = e.heard;
	r->sent = e.bubbled;
	return true;
}

static const char *proof_of_standing(const struct recent_peer *e)
{
	if (e->standing == STANDING_ACTIVE)
		return "proven";
	if (e->standing == STANDING_TRUSTED)
		return "trusted";
	return e->effort == EFFORT_NONE ? "untrusted" : "probing";
}

static const char *path_of(const struct recent_peer *e)
{
	if (e->is_native)
		return "relay";
	if (e->is_lan)
		return "lan";
	return e->door < DOOR_RANDOM ? "direct" : "random-port";
}

static bool take_recent(struct row *r, const struct recent_peer *from)
{
	struct recent_peer e;

	memcpy(&e, from, sizeof(e));
	mend_bool(&e.is_native);
	mend_bool(&e.is_lan);
	if (e.own >= CLIENT_ADDRESSES || e.address.b[0] == 0)
		return false;
	r->address = e.address;
	r->at = e.tuple;
	r->path = "none";
	if (e.tuple.port)
		r->path = path_of(&e);
	r->proof = proof_of_standing(&e);
	r->heard = e.heard;
	r->sent = e.sent;
	return true;
}

static uint64_t capacity_of(const struct show *s)
{
	const struct node_conf *n = &s->plan->node;

	return (n->is_client ? n->client.max_peers : 0) +
	       (n->is_relay ? n->relay.max_peers : 0);
}

/* Entry i of both slabs, the client's first. */
static bool take(struct row *r, const struct show *s, uint32_t i)
{
	const struct node_conf *n = &s->plan->node;
	uint32_t of_client = n->is_client ? n->client.max_peers : 0;
	bool is_there;

	if (i < of_client)
		is_there = take_recent(r, &node_recent(n, s->memory)[i]);
	else
		is_there = take_peer(
			r, &node_peers(n, s->memory)[i - of_client], n->prefix);
	if (!is_there)
		return false;
	r->in = r->out = (struct meter_count){0, 0};
	board_meter(s->board, s->plan->threads, &r->address, &r->in, &r->out);
	return true;
}

static void put_row(struct json *j, const struct row *r, uint64_t now)
{
	char at[32];

	snprintf(at, sizeof(at), "%s:%u", ip4_text(r->at.ip), r->at.port);
	json_open(j, NULL, '{');
	json_text(j, "address", ip6_text(&r->address));
	json_text(j, "at", r->at.port ? at : NULL);
	json_text(j, "path", r->path);
	json_text(j, "proof", r->proof);
	put_age(j, "heard", r->heard, now);
	put_age(j, "sent", r->sent, now);
	json_number(j, "packets_in", r->in.packets);
	json_number(j, "bytes_in", r->in.bytes);
	json_number(j, "packets_out", r->out.packets);
	json_number(j, "bytes_out", r->out.bytes);
	json_close(j, '}');
}

static void begin(struct json *j, const struct show *s)
{
	const struct node_conf *n = &s->plan->node;
	uint64_t total = 0;
	struct view v;

	view_take(&v, s);
	for (int i = 0; i < STANDINGS && n->is_client; i++)
		total += v.facts.standing[i];
	for (int i = 0; i < ROLL_COUNT && n->is_relay; i++)
		total += v.facts.roll[i];
	answer_begin(j);
	json_number(j, "total", total);
	json_open(j, "peers", '[');
}

static bool has_traffic(const struct row *r)
{
	return r->in.packets + r->out.packets > 0;
}

/* Some of this pass; false: it is not through yet. */
static bool list(struct json *j, const struct show *s, struct peers_cursor *c,
		 uint64_t now)
{
	uint64_t capacity = capacity_of(s);

	for (unsigned n = 0; n < AT_ONCE && c->at < capacity; n++, c->at++) {
		struct row r;

		if (j->size - j->n < PEER_SPACE)
			return false;
		if (c->limit && c->shown == c->limit)
			return true;
		if (!take(&r, s, c->at) || has_traffic(&r) != (c->pass == 1))
			continue;
		put_row(j, &r, now);
		c->shown++;
	}
	return c->at >= capacity;
}

bool answer_peers(struct json *j, const struct show *s, struct peers_cursor *c)
{
	if (j->size - j->n < PEER_SPACE)
		return false;
	if (c->pass == 0) {
		begin(j, s);
		c->pass = 1;
	}
	if (c->pass < 3) {
		if (!list(j, s, c, clock_now()))
			return false;
		c->at = 0;
		c->pass++;
		return false;
	}
	json_close(j, ']');
	json_number(j, "shown", c->shown);
	json_close(j, '}');
	return true;
}
