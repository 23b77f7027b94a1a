/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripts that are told what becomes of the interface.
 *
 * One script may take the place of our own work on addresses and routes: the
 * client-hook of 1.2.6. It gets the same events in the same order, with the
 * same environment. Then come the files of hooks.d, in the order of their
 * names, with more variables.
 *
 * What an administrator wants to be run as root can neither be foreseen nor
 * confined. So there is a process for it, as there are scripts at the start;
 * root with CAP_NET_ADMIN, which does nothing else and is told nothing but
 * wishes, which it checks as the steward does:
 *
 *	steward --- struct steward_wish ---> hooks, one script after another
 *	        <-- enum hook_news, a byte --
 */
#ifndef SYS_HOOK_H
#define SYS_HOOK_H

#include <sys/types.h>

#include "conf.h"
#include "wish.h"

#define HOOK_SCRIPT    "/etc/miredo/client-hook"
#define HOOK_DIRECTORY "/etc/miredo/hooks.d"

/* What scripts were told last. */
struct hook_told {
	bool is_up;
	bool end; /* all is told */
	struct ip6 address;
	uint16_t mtu;
};

struct settings;

struct hooks {
	const struct conf *conf;
	const struct settings *settings; /* of the log; NULL = as it is */
	const char *iface;
	unsigned ifindex;
	const char *script; /* NULL: we set the interface ourselves */
	const char *directory;
	unsigned limit_ms; /* for one script */
	struct hook_told told;
	int fd;       /* the other process; -1 = none: there are no scripts */
	bool is_busy; /* it was told something, and works on it */
};

/* What the process says, and hooks_read() makes of it. */
enum hook_news {
	HOOK_RUNNING,
	HOOK_SCRIPT_DONE,   /* the script that sets the interface */
	HOOK_SCRIPT_FAILED, /* it said so, or could not be run */
	HOOK_ALL_DONE,
	HOOK_GONE, /* it has ended */
};

/* Is there, as it seems, a script that sets the interface? */
bool hooks_have_script(const struct conf *c);

/* Decides whether there is a script that sets the interface. */
void hooks_open(struct hooks *h, const struct conf *c, const char *iface,
		unsigned ifindex);

/* Start the process, as root, if there are any scripts. 0 or -errno. */
int hooks_start(struct hooks *h);

/* Is there something that scripts were not told yet? */
bool hooks_want(const struct hooks *h, const struct steward_wish *w);

/* Have them told; it must not be busy. 0 or -errno. */
int hooks_tell(struct hooks *h, const struct steward_wish *w);

/* h->fd is readable. */
enum hook_news hooks_read(struct hooks *h);

#endif
