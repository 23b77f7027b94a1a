/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client needs privilege for after its start: addresses and routes of
 * its interface, the hook scripts, and the file that remembers port and flags.
 * The steward is a small process of its own: root, CAP_NET_ADMIN and nothing
 * else. The packet process tells it what ought to be, by messages of one fixed
 * form; the steward makes it so, and keeps it so: what somebody else deletes is
 * put back, and logged.
 *
 *	packet process --- struct steward_wish ---> steward ---> kernel, hooks
 *	               <-- struct steward_done ----
 */
#ifndef SYS_STEWARD_H
#define SYS_STEWARD_H

#include <net/if.h>

#include "../core/addr.h"
#include "conf.h"
#include "state.h"

enum {
	WISH_ADDRESSES = 2
};

/* All that ought to be; sent whole whenever something of it changes. */
struct steward_wish {
	uint32_t serial;
	bool final;  /* undo everything, run the hooks' last event, and end */
	bool is_up;  /* there is a first address */
	bool native; /* auto: native IPv6 is there, be quiet but stay */
	bool host_native; /* it is there: DefaultRoute auto sets none */
	unsigned n; /* addresses; the first is preferred, the others deprecated
		     */
	struct ip6 address[WISH_ADDRESSES];
	struct state state; /* to be written if it is another than before */
	/* for hooks.d */
	char reason[24], server[16], nat[24], mapped[24];
};

/* Is it one that may be granted, whoever wrote it? */
bool wish_is_valid(const struct steward_wish *w, uint32_t prefix);

/* Answer to a wish: it is as wished, or why not. */
struct steward_done {
	uint32_t serial;
	int32_t error; /* 0 or errno */
};

/*
 * Start the steward. Called while privileged, with the interface made and up
 * (it has no addresses yet). Returns a SOCK_SEQPACKET descriptor that is
 * readable when there is a struct steward_done, and at its end when the
 * steward is gone. Dies if it cannot be started.
 */
int steward_start(const struct conf *c, const char *iface, unsigned ifindex);

/* Tell it; does not wait. 0 or -errno. */
int steward_tell(int fd, const struct steward_wish *w);

/* Tell it to undo everything and end, and wait for that, a few seconds. */
void steward_finish(int fd, const struct steward_wish *last);

#endif
