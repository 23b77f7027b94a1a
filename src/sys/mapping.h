/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loop does about PortMapping: it tells the mapper (mapper.h) which
 * router to ask, if any may be asked, and takes its news.
 *
 * Which: that of the way to the server, if its address is one of a site, it is
 * on the link of that way, and DenyIPv4 does not name it. A client that is
 * quiet, or a relay for the moment, needs none.
 */
#ifndef SYS_MAPPING_H
#define SYS_MAPPING_H

#include "mapper.h"

struct loop;

struct mapping {
	int fd; /* -1 = no mapper, PortMapping was off at the start */
	bool is_gone;
	struct mapper_order order; /* that was told last */
	struct mapper_news news;
	uint8_t logged;     /* enum portmap_why, as the log has it */
	bool was_qualified; /* the server answered */
	bool was_ever;
	struct tuple mapped; /* as it saw us */
	uint64_t wait_until; /* no server is asked before; 0 = do (A70) */
};

/* The way, the settings, or what the client is may be others. */
void mapping_look(struct loop *l);

/* What a server says of our mapping may tell that the router has restarted. */
void mapping_status(struct loop *l);

/*
 * A70: before the first datagram to a server. True: wait for
 * mapping_on_news(), or until m->wait_until. It is an answer on the link that
 * is waited for, and only if the router gave one in the last run.
 */
bool mapping_begin(struct loop *l, uint64_t now);

/* The mapper has something. */
void mapping_on_news(struct loop *l, uint64_t now);

/* X32: have what there is taken away. */
void mapping_finish(struct loop *l);

#endif
