/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the packet process wishes, and the answer. A wish has one form, and each
 * field of it one range. Who gets it believes nothing: the packet process reads
 * what strangers send, and may be taken over one day.
 */
#ifndef SYS_WISH_H
#define SYS_WISH_H

#include "../core/addr.h"
#include "state.h"

enum {
	WISH_ADDRESSES = 2
};

/* All that ought to be; sent whole whenever something of it changes. */
struct steward_wish {
	uint32_t serial;
	uint32_t settings; /* serial of those that it goes by (settings.h) */
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
	/* The steward's word, for hooks: the MTU of the interface. */
	uint16_t mtu;
};

/* Answer to a wish: it is as wished, or why not. */
struct steward_done {
	uint32_t serial;
	int32_t error; /* 0 or errno */
};

/*
 * Random ports (core/randport.h): open one for each bit of want; and what was
 * opened. Its descriptor comes along, unless there is an error.
 */
struct steward_ask {
	uint64_t want;
};

struct steward_door {
	uint32_t slot; /* bit of want */
	uint32_t port;
	int32_t error; /* 0 or errno */
};

/* May it be wished? prefix: that of Teredo. */
bool wish_is_valid(const struct steward_wish *w, uint32_t prefix);

#endif
