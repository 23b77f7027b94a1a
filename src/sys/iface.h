/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's interface as it ought to be: one link-local address, the Teredo
 * address, the old one beside it for as long as it is of use, and the routes.
 * It is made so, and kept so: what somebody else removes is put back.
 */
#ifndef SYS_IFACE_H
#define SYS_IFACE_H

#include "item.h"
#include "steward.h"

enum {
	/* link-local; two addresses with a rule each; two routes */
	IFACE_ITEMS = 1 + 2 * WISH_ADDRESSES + 2,
	IFACE_NOTES = 512
};

struct iface {
	const struct conf *conf;
	const char *name;
	unsigned ifindex;
	uint16_t mtu;       /* as it was set last */
	int sysctl;         /* see iface_open_sysctl() */
	uint32_t table;     /* of its own; 0 = main */
	uint32_t old_table; /* whose rules are to go */
	struct netlink requests, events;
	bool is_up, native, host_native; /* of the wish */
	unsigned n_addresses;
	struct ip6 address[WISH_ADDRESSES];
	unsigned n;
	struct item want[IFACE_ITEMS];
	bool placed[IFACE_ITEMS]; /* it is there, if nobody removed it */
	int error;                /* of the last look: 0 or -errno */
	uint64_t look_at;         /* UINT64_MAX: when something happens */
	uint64_t retry;        /* ns until it is tried again after an error */
	uint64_t gap, calm_at; /* how fast we put back, see iface.c */
	uint64_t say_at;
	char notes[IFACE_NOTES]; /* what somebody else did, not yet logged */
};

/* The fixed link-local address, as in 1.2.6. */
extern const struct ip6 iface_link_local;

/* The directory of what can be set of interfaces, to be opened as long as it is
 * to be seen; -1 if it is not. CAP_NET_ADMIN is enough to write there. */
int iface_open_sysctl(void);

/*
 * Have the kernel send nothing into the tunnel of itself, and believe no Router
 * Advertisement from there. Best before there is an address.
 */
void iface_hush(int sysctl, const char *name);

/*
 * For whom a script sets the interface, in place of iface_open(): then nothing
 * but iface_set_mtu() may be called. 0 or -errno.
 */
int iface_open_link(struct iface *i, const struct conf *c, unsigned ifindex);

/* Another MTU, TEREDO_MTU to INNER_MAX: 0 or -errno. */
int iface_set_mtu(struct iface *i, uint16_t mtu);

/* Its link-local address is set: 0, or -errno. */
int iface_open(struct iface *i, const struct conf *c, const char *name,
	       unsigned ifindex, int sysctl, uint64_t now);

/* 0, or -errno; then it is tried again later. -ENODEV: no use. */
int iface_wish(struct iface *i, const struct steward_wish *w, uint64_t now);

/* Routes are to be as c says from now on; it stays in place. As above. */
int iface_configure(struct iface *i, const struct conf *c, uint64_t now);

/* There is something to read from i->events. */
void iface_events(struct iface *i, uint64_t now);

/* Is there to be a default route, beside IPv6 of the host's own or not? */
bool iface_wants_default(const struct conf *c, bool host_native);

/* When iface_timeout() wants to be called; UINT64_MAX = not at all. */
uint64_t iface_next(const struct iface *i);
int iface_timeout(struct iface *i, uint64_t now);

/* Remove all, the link-local address too. */
void iface_close(struct iface *i);

#endif
