/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See lane.h. A packet's way through here: a batch is received; while the lock
 * is held, each packet of it passes through the core, which fills the outbox;
 * then the outbox is run, and only then is a buffer used again, for the outbox
 * points into it.
 *
 * With several threads, first of all as many packets as there are leases for
 * pass without lock and core; all from the first on that has none take the long
 * way. So order stays.
 *
 * The outbox is run after the lock is given back, so that others go on. Except
 * for what must come before anything that they send: then before (at_once).
 *
 * The outbox is run socket by socket, so that each gets its datagrams in few
 * system calls whatever their order in between.
 */
#include "lanes.h"
#include "neighbours.h"
#include "publish.h"
#include "raw6.h"

void lane_close(struct lane *lane)
{
	for (unsigned i = 0; i < DOORS; i++)
		lane->door[i] = -1;
	lane->tun = -1;
}

void lane_init(struct lane *lane, struct lanes *all, void *memory)
{
	bool gro = all->offloads & OFFLOAD_GRO;

	lane->all = all;
	outbox_init(&lane->out, &all->node->gate);
	udp_batch_init(&lane->udp, memory, gro);
	lane->packets.memory = (uint8_t *)memory + UDP_BATCH_BYTES;
	lane->sender.gso = all->offloads & OFFLOAD_GSO;
	lane->sender.copy_dscp = all->copy_dscp;
	lane->leases.key = all->key;
	for (unsigned i = 0; i < DOORS; i++)
		fair_init(&lane->from_door[i], &all->key);
	fair_init(&lane->from_tun, &all->key);
}

/* Where an action goes: a door, or one of these. */
enum {
	SINK_IP6 = DOORS,
	SINK_GROUP,
	SINK_RANDOM,
	SINKS,
};

static unsigned sink_of(const struct out *o)
{
	switch (o->kind) {
	case OUT_UDP:
		break;
	case OUT_IP6:
		return SINK_IP6;
	case OUT_GROUP:
		return SINK_GROUP;
	}
	return o->door < DOOR_RANDOM ? (unsigned)o->door : SINK_RANDOM;
}

static void send_group(struct lane *lane, const struct out *const *v,
		       unsigned n)
{
	const struct lanes *l = lane->all;

	for (unsigned i = 0; i < n; i++)
		tally(&lane->sender.refused,
		      neighbours_send(l->neighbours,
				      l->lane[0].door[DOOR_SERVICE], v[i]));
}

static void send_ip6(struct lane *lane, const struct out *const *v, unsigned n)
{
	const struct lanes *l = lane->all;

	if (l->tun.n)
		tun_send(&lane->writer, &l->tun,
			 lane->tun >= 0 ? lane->tun : l->tun.fd[0], v, n);
	else
		raw6_send(&lane->writer, l->raw6, v, n);
}

/* Lanes that do not receive from a door still send from it. */
static int way_out(const struct lane *lane, enum door door)
{
	if (lane->door[door] >= 0)
		return lane->door[door];
	return lane->all->lane[0].door[door];
}

/* What goes to one peer mostly stands together. A port that was shut a while
 * ago had a peer that is elsewhere now. */
static void send_random(struct lane *lane, const struct out *const *v,
			unsigned n)
{
	unsigned same;

	for (; n; v += same, n -= same) {
		int fd = lanes_random(lane->all, v[0]->door - DOOR_RANDOM);

		for (same = 1; same < n && v[same]->door == v[0]->door; same++)
			;
		if (fd >= 0)
			udp_send(&lane->sender, fd, v, same);
		else
			tally(&lane->sender.refused, same);
	}
}

/* Most have none, and look no further. */
static unsigned sinks(const struct lane *lane)
{
	return __atomic_load_n(&lane->all->has_random, __ATOMIC_RELAXED)
		       ? SINKS
		       : SINK_RANDOM;
}

void lane_flush(struct lane *lane)
{
	struct outbox *o = &lane->out;
	unsigned all = o->n ? sinks(lane) : 0;

	for (unsigned sink = 0; sink < all; sink++) {
		unsigned n = 0;

		for (unsigned i = 0; i < o->n; i++) {
			if (sink_of(&o->v[i]) == sink)
				lane->sorted[n++] = &o->v[i];
		}
		if (n == 0)
			continue;
		if (sink == SINK_IP6)
			send_ip6(lane, lane->sorted, n);
		else if (sink == SINK_GROUP)
			send_group(lane, lane->sorted, n);
		else if (sink == SINK_RANDOM)
			send_random(lane, lane->sorted, n);
		else
			udp_send(&lane->sender, way_out(lane, (enum door)sink),
				 lane->sorted, n);
	}
	if (lane->all->board)
		publish_lane(lane->all->board, lane);
	outbox_clear(o);
}

/* Have the core to ourselves. */
static void enter(struct lane *lane)
{
	lane->now = lanes_enter(lane->all, lane->now);
}

/*
 * Give back the lock, and run the outbox. Whatever the core wants of the loop
 * (a timer sooner than it is set to, a changed state) the loop gets to know.
 */
static void leave(struct lane *lane)
{
	struct lanes *l = lane->all;
	bool at_once = lane->out.at_once;

	if (at_once)
		lane_flush(lane);
	lanes_leave(l, lane);
	if (!at_once)
		lane_flush(lane);
}

/* --- fairness --- */

/* Kernels are asked when they may have dropped something: when there was more
 * than we take at a time. */
static bool may_have_dropped(struct lane *lane, uint64_t *asked, bool is_full)
{
	if (!is_full || lane->now - *asked < FAIR_SLICE_MS * NS_PER_MS)
		return false;
	*asked = lane->now;
	return true;
}

/*
 * Leave out what those sent who send more than their share, if there is too
 * much; how many trains are left.
 */
static int fair_trains(struct lane *lane, enum door door, int n)
{
	struct fair *f = &lane->from_door[door];
	uint32_t dropped = f->dropped;
	int kept = 0;

	if (may_have_dropped(lane, &lane->asked_door[door],
			     n == (int)lane->udp.slots))
		dropped = udp_dropped(lane->door[door], dropped);
	fair_begin(f, dropped, lane->now);
	for (int i = 0; i < n && f->is_on; i++) {
		struct train *t = &lane->udp.t[i];
		struct tuple from = t->all.from;
		uint8_t who[6];

		put32(who, from.ip);
		put16(who + 4, from.port);
		if (fair_admits(f, who, sizeof(who), t->count))
			lane->udp.t[kept++] = *t;
		else
			stats_add(&lane->stats, REASON_FLOOD, t->count);
	}
	return f->is_on ? kept : n;
}

/* What the device has dropped for want of room in our queue. */
static uint32_t tun_dropped(struct lane *lane, int n)
{
	uint32_t known = lane->from_tun.dropped;
	struct host_link link;

	if (!may_have_dropped(lane, &lane->asked_tun, n == BATCH) ||
	    netlink_link(lane->link, lane->all->ifindex, &link))
		return known;
	return link.tx_dropped;
}

/* The same as fair_trains(), by whom packets are for. */
static int fair_packets(struct lane *lane, int n)
{
	struct fair *f = &lane->from_tun;
	int kept = 0;

	fair_begin(f, tun_dropped(lane, n), lane->now);
	for (int i = 0; i < n && f->is_on; i++) {
		const struct super *s = &lane->super[i];
		const struct wire_ip6 *ip = (const void *)s->p;

		if (lane->why[i] != REASON_NONE || s->len < IP6_LEN ||
		    fair_admits(f, &ip->dst, sizeof(ip->dst), super_count(s))) {
			lane->why[kept] = lane->why[i];
			lane->super[kept++] = *s;
		} else {
			stats_add(&lane->stats, REASON_FLOOD, super_count(s));
		}
	}
	return f->is_on ? kept : n;
}

/* --- by lease --- */

static uint32_t epoch_now(const struct lanes *l)
{
	return __atomic_load_n(&l->epoch, __ATOMIC_ACQUIRE);
}

static bool train_by_lease(struct lane *lane, struct train *t)
{
	while (!lease_train(&lane->leases, t, epoch_now(lane->all), lane->now,
			    &lane->stats, &lane->out)) {
		if (outbox_has_room(&lane->out))
			return false;
		lane_flush(lane);
	}
	return true;
}

static bool packet_by_lease(struct lane *lane, const struct super *s)
{
	if (!outbox_has_room(&lane->out))
		lane_flush(lane);
	return lease_packet(&lane->leases, s, epoch_now(lane->all), lane->now,
			    &lane->stats, &lane->out);
}

/* How many of the first trains, or packets, were passed on. */
static int doors_by_lease(struct lane *lane, int n)
{
	int i = 0;

	while (lane->all->n > 1 && i < n && !udp_is_cut(&lane->udp.t[i]) &&
	       train_by_lease(lane, &lane->udp.t[i]))
		i++;
	return i;
}

static int tun_by_lease(struct lane *lane, int n)
{
	int i = 0;

	while (lane->all->n > 1 && i < n && lane->why[i] == REASON_NONE &&
	       packet_by_lease(lane, &lane->super[i]))
		i++;
	return i;
}

/* A plain packet went this way: let others follow. */
static void ask_lease(struct lane *lane, enum lease_way way,
		      const struct wire_ip6 *ip)
{
	struct lease l;

	if (lane->all->n > 1 &&
	    lease_wanted(&lane->leases, way, ip, epoch_now(lane->all),
			 lane->now) &&
	    node_lease(lane->all->node, &l, way, ip, lane->now))
		lease_put(&lane->leases, &l);
}

/* --- by the core --- */

static void pass_train(struct lane *lane, struct train *t)
{
	struct lanes *l = lane->all;

	if (udp_is_cut(t)) {
		/* Its head may look like a packet that is whole. */
		stats_add(&l->node->stats, REASON_OVERSIZE, t->count);
		return;
	}
	while (!node_train_from_ip4(l->node, t, lane->now, &lane->out)) {
		leave(lane);
		enter(lane);
	}
	if (t->model)
		ask_lease(lane, LEASE_UP, t->model);
}

/* n trains: by lease as far as there are leases, then by the core. */
static void carry(struct lane *lane, int n)
{
	int i = doors_by_lease(lane, n);

	if (i >= n) {
		lane_flush(lane);
		return;
	}
	enter(lane);
	for (; i < n; i++)
		pass_train(lane, &lane->udp.t[i]);
	leave(lane);
}

static int receive(struct lane *lane, int fd, enum door door, uint64_t now)
{
	int n;

	lane->now = now;
	n = udp_receive(fd, door, &lane->udp);
	for (int i = 0; i < n; i++)
		tally(&lane->datagrams, lane->udp.t[i].count);
	tally(&lane->trains, n > 0 ? (unsigned)n : 0);
	return n;
}

void lane_on_door(struct lane *lane, enum door door, uint64_t now)
{
	/* What may fail here is want of memory, and passes: errors of earlier
	 * datagrams are only reported to those who ask (IP_RECVERR) or have
	 * connected the socket. */
	int n = receive(lane, lane->door[door], door, now);

	carry(lane, fair_trains(lane, door, n));
}

/* It has one peer, so there is nobody to be fair to. It may have been shut
 * since it was seen to have something. */
void lane_on_random(struct lane *lane, unsigned k, uint64_t now)
{
	int fd = lanes_random(lane->all, k);

	if (fd >= 0)
		carry(lane,
		      receive(lane, fd, (enum door)(DOOR_RANDOM + k), now));
}

/* One by one: some or all of them do not leave at once. */
static void cut(struct lane *lane, const struct super *s)
{
	struct lanes *l = lane->all;

	for (unsigned i = 0; i < super_count(s); i++) {
		size_t n = super_segment(s, i, lane->segment);

		node_from_ip6(l->node, lane->segment, (uint16_t)n, lane->now,
			      &lane->out);
		leave(lane);
		enter(lane);
	}
}

static void make_room(struct lane *lane)
{
	if (outbox_has_room(&lane->out))
		return;
	leave(lane);
	enter(lane);
}

/* What super_parse() has made of it. */
static void pass_packet(struct lane *lane, const struct super *s)
{
	struct node *n = lane->all->node;
	bool gone;

	if (s->kind == SUPER_NONE)
		gone = node_from_ip6(n, s->p, (uint16_t)s->len, lane->now,
				     &lane->out) == REASON_TO_IPV4;
	else
		gone = node_super_from_ip6(n, s, lane->now, &lane->out);
	if (gone)
		ask_lease(lane, LEASE_DOWN, (const void *)s->p);
	else if (s->kind != SUPER_NONE)
		cut(lane, s);
}

/* Take the header away; what is wrong stands in why[]. */
static void parse(struct lane *lane, int n)
{
	for (int i = 0; i < n; i++) {
		struct super *s = &lane->super[i];
		uint8_t *p = lane->packets.v[i].p;
		uint32_t len = lane->packets.v[i].len;

		if (lane->all->tun.has_header) {
			lane->why[i] = super_parse(s, p, len);
		} else {
			*s = (struct super){.p = p, .len = len};
			lane->why[i] = REASON_NONE;
		}
		if (lane->why[i] == REASON_NONE)
			tally(&lane->packets_in, super_count(s));
	}
}

int lane_on_tun(struct lane *lane, uint64_t now)
{
	struct lanes *l = lane->all;
	int n = tun_receive(&l->tun, lane->tun, &lane->packets), i;

	if (n <= 0)
		return n;
	lane->now = now;
	tally(&lane->supers, (unsigned)n);
	parse(lane, n);
	n = fair_packets(lane, n);
	i = tun_by_lease(lane, n);
	if (i == n) {
		lane_flush(lane);
		return n;
	}
	enter(lane);
	for (; i < n; i++) {
		make_room(lane);
		if (lane->why[i] == REASON_NONE)
			pass_packet(lane, &lane->super[i]);
		else
			stats_count(&l->node->stats, lane->why[i]);
	}
	leave(lane);
	return n;
}
