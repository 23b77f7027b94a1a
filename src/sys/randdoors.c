/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See randdoors.h. All of this is called with the core to ourselves. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clientrun.h"
#include "log.h"
#include "loop.h"
#include "randdoors.h"

#define LINGER_NS (1 * NS_PER_S)
#define AGAIN_NS  (100 * NS_PER_MS)

static uint64_t bit(unsigned k)
{
	return UINT64_C(1) << k;
}

static void set_due(struct randdoors *r, uint64_t at)
{
	if (at < r->due)
		r->due = at;
}

static void set_socket(struct lanes *l, unsigned k, int fd)
{
	__atomic_store_n(&l->random[k], fd, __ATOMIC_RELAXED);
	if (fd >= 0)
		__atomic_store_n(&l->has_random, true, __ATOMIC_RELAXED);
}

/* What came to it meanwhile is for nobody. */
static void leave(struct loop *l, uint64_t which)
{
	struct randdoors *r = &l->client->random;

	for (unsigned k = 0; k < RANDOM_DOORS; k++) {
		if (!(which & bit(k)))
			continue;
		loop_unwatch(l, lanes_random(&l->lanes, k));
		r->close_at[k] = l->lanes.latest + LINGER_NS;
		set_due(r, r->close_at[k]);
	}
	r->open &= ~which;
	r->closing |= which;
}

void randdoors_look(struct loop *l)
{
	struct randdoors *r = &l->client->random;
	uint64_t wants = l->node.client.ports.wants;
	uint64_t more = wants & ~(r->asked | r->open | r->closing);

	if (r->open & ~wants)
		leave(l, r->open & ~wants);
	if (!more)
		return;
	if (steward_ask(l->client->steward, more) == 0)
		r->asked |= more;
	else
		set_due(r, l->lanes.latest + AGAIN_NS);
}

void randdoors_take(struct loop *l, const struct steward_door *d, int fd)
{
	struct randdoors *r = &l->client->random;
	struct client *c = &l->node.client;
	unsigned k = d->slot;

	/* Who asked may have been a process before this one. */
	if (k >= RANDOM_DOORS || !(r->asked & bit(k))) {
		if (fd >= 0)
			close(fd);
		return;
	}
	r->asked &= ~bit(k);
	if (fd < 0) {
		log_debug("no random port: %s", strerror(d->error));
		client_door(c, k, 0, l->lanes.latest);
		return;
	}
	udp_offload(fd, l->lanes.offloads);
	set_socket(&l->lanes, k, fd);
	r->open |= bit(k);
	loop_watch(l, fd, (enum source)(SOURCE_RANDOM + k));
	client_door(c, k, (uint16_t)d->port, l->lanes.latest);
}

void randdoors_timeout(struct loop *l, uint64_t now)
{
	struct randdoors *r = &l->client->random;

	r->due = UINT64_MAX;
	for (unsigned k = 0; k < RANDOM_DOORS; k++) {
		int fd = lanes_random(&l->lanes, k);

		if (!(r->closing & bit(k)))
			continue;
		if (r->close_at[k] > now) {
			set_due(r, r->close_at[k]);
			continue;
		}
		set_socket(&l->lanes, k, -1);
		close(fd);
		r->closing &= ~bit(k);
		client_door(&l->node.client, k, 0, now);
	}
	randdoors_look(l);
}
