/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client needs privilege for after its start: addresses and routes of
 * its interface. The steward is a small process of its own: user miredo, the
 * capability CAP_NET_ADMIN and nothing else. The packet process tells it what
 * ought to be, by messages of one fixed form (wish.h); the steward makes it so,
 * and keeps it so: what somebody else deletes is put back, and logged. It also
 * writes the file that remembers port and flags, and passes wishes on to the
 * process that runs scripts, if there are any (hook.h).
 *
 * How routes are to be is read where all read it, when that changes
 * (settings.h).
 *
 *	packet process --- struct steward_wish ---> steward ---> kernel
 *	               <-- struct steward_done ----       \---> hooks
 *	               --- struct steward_ask  ---> opens sockets
 *	               <-- struct steward_door ----
 */
#ifndef SYS_STEWARD_H
#define SYS_STEWARD_H

#include <net/if.h>

#include "conf.h"
#include "privs.h"
#include "wish.h"

struct reader;

/*
 * Start the steward, and whom it needs. Called while privileged, with the
 * interface made and up (it has no addresses yet). Returns a SOCK_SEQPACKET
 * descriptor that is readable when there is a struct steward_done, and at its
 * end when the steward is gone. Who reads expects struct steward_door, too.
 * Dies if it cannot be started. reader: tells of new settings; NULL = there
 * will be none.
 */
int steward_start(const struct conf *c, const char *iface, unsigned ifindex,
		  const struct identity *id, const struct reader *reader);

/* One message of it. */
struct steward_answer {
	bool is_door;
	union {
		struct steward_done done;
		struct steward_door door;
	};
	int fd; /* of a door, the reader's; -1 = none */
};

/* The next one: 1; -EAGAIN: there is none now; 0 or another: it is gone. */
int steward_hear(int fd, struct steward_answer *a);

/* Tell it; does not wait. 0 or -errno. */
int steward_tell(int fd, const struct steward_wish *w);

/* Ask for random ports; does not wait. 0 or -errno. */
int steward_ask(int fd, uint64_t want);

/* Tell it to undo everything and end, and wait for that, a few seconds. */
void steward_finish(int fd, const struct steward_wish *last);

#endif
