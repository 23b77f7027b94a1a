/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events for scripts (see hook.h), and the process that runs them.
 *
 * What scripts were told last is remembered, and compared with what is so now.
 * Changes that come while scripts run are told when these have ended, the
 * newest only. The sequence is that of 1.2.6, observed: nothing at the start;
 * `up` with an address, again for each other one (and, new, for another MTU);
 * `down` without; at the end
 * `down`, even if it was told before, and `destroy`. Variables without a value
 * are not set. 1.2.6 repeats at `destroy` what was the old state at `down`.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "hook.h"
#include "iface.h"
#include "log.h"
#include "privs.h"
#include "reader.h"
#include "script.h"

enum {
	LIMIT_MS = 10000,
	ENV_VARS = 24,
	ENV_TEXT = 1536,
};

enum event {
	EVENT_UP,
	EVENT_CHANGE,
	EVENT_DOWN,
	EVENT_DESTROY
};

/* EVENT, and STATE as 1.2.6 has it. */
static const char *const names[][2] = {
	[EVENT_UP] = {"up", "up"},
	[EVENT_CHANGE] = {"change", "up"},
	[EVENT_DOWN] = {"down", "down"},
	[EVENT_DESTROY] = {"destroy", "destroy"},
};

struct env {
	char *v[ENV_VARS + 1];
	char text[ENV_TEXT];
	unsigned n;
	size_t used;
};

static void set(struct env *e, const char *name, const char *value)
{
	size_t space = sizeof(e->text) - e->used;
	char *at = e->text + e->used;
	int n;

	if (!value[0] || e->n == ENV_VARS)
		return;
	n = snprintf(at, space, "%s=%s", name, value);
	if (n < 0 || (size_t)n >= space)
		return;
	e->v[e->n++] = at;
	e->used += (size_t)n + 1;
}

static void set_ip6(struct env *e, const char *name, const struct ip6 *a)
{
	char text[INET6_ADDRSTRLEN];

	set(e, name, inet_ntop(AF_INET6, a, text, sizeof(text)));
}

static void set_number(struct env *e, const char *name, unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	set(e, name, text);
}

/* What 1.2.6 tells. PATH is new: without it each shell has its own idea. */
static void set_common(struct env *e, const struct hooks *h,
		       const struct steward_wish *w, enum event event)
{
	set(e, "PATH",
	    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set(e, "IFACE", h->iface);
	set_number(e, "IFINDEX", h->ifindex);
	set(e, "STATE", names[event][1]);
	if (event == EVENT_UP || event == EVENT_CHANGE) {
		set_ip6(e, "ADDRESS", &w->address[0]);
		set_ip6(e, "LLADDRESS", &iface_link_local);
		set_number(e, "MTU", w->mtu);
	}
	set(e, "OLD_STATE", h->told.is_up ? "up" : "down");
	if (h->told.is_up) {
		set_ip6(e, "OLD_ADDRESS", &h->told.address);
		set_ip6(e, "OLD_LLADDRESS", &iface_link_local);
		set_number(e, "OLD_MTU", h->told.mtu);
	}
}

static void set_more(struct env *e, const struct steward_wish *w,
		     enum event event)
{
	set(e, "EVENT", names[event][0]);
	set(e, "REASON", w->reason);
	set(e, "SERVER", w->server);
	set(e, "NAT", w->nat);
	set(e, "MAPPED", w->mapped);
}

/* Not what editors and package managers leave lying about. */
static int is_script(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && d->d_name[n - 1] != '~' &&
	       !strstr(d->d_name, ".dpkg-") && !strstr(d->d_name, ".rpm");
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/*
 * We may outlive our packet process, and the name of the interface be that of
 * another by now, which another daemon has made.
 */
static bool is_replaced(const struct hooks *h)
{
	unsigned at = if_nametoindex(h->iface);

	return at && at != h->ifindex;
}

static void run_directory(const struct hooks *h, struct env *e)
{
	struct dirent **v;
	char path[CONF_PATH + 256];
	int n = -1;

	if (script_directory_usable(h->directory))
		n = scandir(h->directory, &v, is_script, by_name);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", h->directory,
			 v[i]->d_name);
		if (!is_replaced(h) && script_usable(path, false))
			script_run(path, e->v, h->limit_ms);
		free(v[i]);
	}
	if (n >= 0)
		free(v);
}

static int run_script(const struct hooks *h, struct env *e)
{
	if (!h->script || is_replaced(h))
		return 0;
	if (!script_usable(h->script, true))
		return EACCES;
	return script_run(h->script, e->v, h->limit_ms) ? EIO : 0;
}

/* The steward may be gone: scripts are told nevertheless. */
static void report(int fd, enum hook_news news)
{
	const uint8_t c = (uint8_t)news;

	send(fd, &c, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void run_event(const struct hooks *h, const struct steward_wish *w,
		      enum event event)
{
	struct env e = {0};
	bool failed;

	set_common(&e, h, w, event);
	failed = run_script(h, &e) != 0;
	if (event != EVENT_DESTROY)
		report(h->fd, failed ? HOOK_SCRIPT_FAILED : HOOK_SCRIPT_DONE);
	set_more(&e, w, event);
	run_directory(h, &e);
}

static struct hook_told told_of(const struct steward_wish *w)
{
	return (struct hook_told){
		.is_up = w->is_up && !w->final,
		.end = w->final,
		.address = w->address[0],
		.mtu = w->mtu,
	};
}

/* --- the process --- */

static void run(struct hooks *h, const struct steward_wish *w)
{
	enum event event = EVENT_DOWN;

	if (!w->final && w->is_up)
		event = h->told.is_up ? EVENT_CHANGE : EVENT_UP;
	run_event(h, w, event);
	if (w->final)
		run_event(h, w, EVENT_DESTROY);
	h->told = told_of(w);
	report(h->fd, HOOK_ALL_DONE);
}

static void settle(int fd)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	descriptors_keep(&fd, 1);
	prctl(PR_SET_NAME, "miredo-hooks");
	/* The monitor does not wait for scripts. */
	log_by(-1);
	log_prepare();
	log_leave_terminal();
	privs_keep_root();
}

/* Until the last wish; or the steward's end, which makes one of the newest. */
static _Noreturn void serve(struct hooks *h)
{
	struct steward_wish w, last = {0};
	ssize_t n;

	settle(h->fd);
	while ((n = recv(h->fd, &w, sizeof(w), MSG_TRUNC)) == sizeof(w) &&
	       wish_is_valid(&w, h->conf->prefix)) {
		last = w;
		if (h->settings)
			reader_set_log(h->settings);
		run(h, &w);
		if (w.final)
			_exit(STATUS_OK);
	}
	if (n > 0)
		log_error("hooks were told what they must not: not listening "
			  "any more");
	last.final = true;
	last.is_up = false;
	run(h, &last);
	_exit(STATUS_OK);
}

/* --- the steward's side --- */

bool hooks_have_script(const struct conf *c)
{
	return access(c->hook_script[0] ? c->hook_script : HOOK_SCRIPT, F_OK) ==
	       0;
}

void hooks_open(struct hooks *h, const struct conf *c, const char *iface,
		unsigned ifindex)
{
	bool named = c->hook_script[0];

	*h = (struct hooks){
		.conf = c,
		.iface = iface,
		.ifindex = ifindex,
		.directory = HOOK_DIRECTORY,
		.limit_ms = LIMIT_MS,
		.fd = -1,
	};
	h->script = named ? c->hook_script : HOOK_SCRIPT;
	if (script_usable(h->script, named))
		return;
	if (named)
		log_warning("addresses and routes of %s are set without a "
			    "script",
			    iface);
	h->script = NULL;
}

static bool has_scripts(const struct hooks *h)
{
	struct dirent **v;
	int n = scandir(h->directory, &v, is_script, NULL);

	for (int i = 0; i < n; i++)
		free(v[i]);
	if (n >= 0)
		free(v);
	return h->script || n > 0;
}

int hooks_start(struct hooks *h)
{
	int fd[2];
	pid_t pid;

	if (!has_scripts(h))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		h->fd = fd[1];
		serve(h);
	}
	close(fd[1]);
	if (pid < 0) {
		int r = -errno;

		close(fd[0]);
		return r;
	}
	h->fd = fd[0];
	return 0;
}

bool hooks_want(const struct hooks *h, const struct steward_wish *w)
{
	if (h->fd < 0)
		return false;
	if (w->final)
		return !h->told.end;
	return w->is_up != h->told.is_up ||
	       (w->is_up && (w->mtu != h->told.mtu ||
			     !ip6_equal(&w->address[0], &h->told.address)));
}

int hooks_tell(struct hooks *h, const struct steward_wish *w)
{
	/* Should it fail, it would fail again. */
	h->told = told_of(w);
	if (send(h->fd, w, sizeof(*w), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	h->is_busy = true;
	return 0;
}

enum hook_news hooks_read(struct hooks *h)
{
	uint8_t news;
	ssize_t n = recv(h->fd, &news, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return HOOK_RUNNING;
	if (n == 1 && news == HOOK_ALL_DONE)
		h->is_busy = false;
	if (n == 1 && news <= HOOK_ALL_DONE)
		return (enum hook_news)news;
	close(h->fd);
	h->fd = -1;
	h->is_busy = false;
	return HOOK_GONE;
}
