/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steward (see steward.h): a loop around iface.h, hook.h and state.h.
 *
 * It believes nothing of what the packet process says. Who wishes what must not
 * be is not talked to any more.
 *
 * The interface comes first, then the answer, then the file, then scripts;
 * these are run by another process, so that none of them can hold up an
 * address. If the packet process ends without a word, its device is gone
 * already: rules are removed, scripts are told, and that was it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "confine.h"
#include "descriptors.h"
#include "doors.h"
#include "hook.h"
#include "iface.h"
#include "log.h"
#include "privs.h"
#include "reader.h"
#include "steward.h"

enum {
	FINISH_MS = 5000,
	LAST_WORD_MS = 1000,
	STATE_PATH = CONF_PATH + IFNAMSIZ + 8,
};

struct steward {
	const struct conf *conf;
	const char *name;
	int channel;
	const struct reader *reader; /* NULL = none */
	uint32_t serial;             /* of conf */
	struct steward_wish wish;    /* the newest */
	bool owes;                   /* an answer to it */
	int script_error;
	struct iface iface;
	struct hooks hooks;
	struct state written;
	bool cannot_write; /* that was said */
	int file;          /* of what is remembered; -1 = none */
	char path[STATE_PATH];
	int sysctl; /* directory of what the kernel lets us set */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void answer(struct steward *s, int error)
{
	const struct steward_done d = {s->wish.serial, error};

	s->owes = false;
	/* Who does not read its answers does without. */
	send(s->channel, &d, sizeof(d), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A socket for the packet process, or why there is none. */
static void send_door(const struct steward *s, uint32_t slot)
{
	uint16_t port = 0;
	int fd = door_open_random(s->conf, &port);
	struct steward_door d = {slot, port, fd < 0 ? -fd : 0};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {0};
	struct iovec part = {&d, sizeof(d)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(fd)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	}
	sendmsg(s->channel, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
}

static void send_doors(const struct steward *s, uint64_t want)
{
	for (uint32_t slot = 0; slot < RANDOM_DOORS; slot++) {
		if (want >> slot & 1)
			send_door(s, slot);
	}
}

static bool state_equal(const struct state *a, const struct state *b)
{
	return a->port == b->port && a->has_flags == b->has_flags &&
	       a->flags == b->flags && a->mapped.ip == b->mapped.ip &&
	       a->mapped.port == b->mapped.port && a->server == b->server &&
	       strcmp(a->host, b->host) == 0 &&
	       portmap_lease_equal(&a->lease, &b->lease) &&
	       memcmp(a->nonce, b->nonce, sizeof(a->nonce)) == 0;
}

static void remember(struct steward *s)
{
	const struct state *state = &s->wish.state;
	int r;

	if (s->file < 0 || state->port == 0 || state_equal(state, &s->written))
		return;
	r = state_write(state, s->file);
	if (r && !s->cannot_write)
		log_error("cannot write %s: %s\n"
			  "  the address may change with the next start",
			  s->path, strerror(-r));
	s->cannot_write = r != 0;
	if (!r)
		s->written = *state;
}

/* No more words from the packet process. */
static void end(struct steward *s)
{
	s->wish.final = true;
	s->wish.is_up = false;
	s->owes = false;
	if (!s->hooks.script)
		iface_close(&s->iface); /* rules do not go with the device */
}

/* Its device may be gone because it is gone itself; then it is heard soon. */
static void lost_interface(struct steward *s)
{
	struct pollfd p = {.fd = s->channel};

	if (s->wish.final)
		return;
	poll(&p, 1, LAST_WORD_MS);
	if (!(p.revents & POLLHUP))
		log_error("the interface %s has vanished\n"
			  "  who removed it?  start again",
			  s->name);
	answer(s, -ENODEV);
	end(s);
}

/*
 * InterfaceMTU. A larger one not before the packet process takes such packets:
 * the kernel would be told that they are too big, and believe that for ten
 * minutes.
 */
static void follow_mtu(struct steward *s)
{
	uint16_t mtu = s->conf->mtu;
	bool goes_by_it = (int32_t)(s->wish.settings - s->serial) >= 0;
	int r;

	if (mtu == s->iface.mtu || s->wish.final ||
	    (mtu > s->iface.mtu && !goes_by_it))
		return;
	r = iface_set_mtu(&s->iface, mtu);
	if (r == -ENODEV)
		lost_interface(s);
	else if (r)
		log_error("cannot set the MTU of %s to %u: %s", s->name, mtu,
			  strerror(-r));
	s->wish.mtu = s->iface.mtu;
}

static void wished(struct steward *s)
{
	int r = 0;

	if (!s->hooks.script && s->wish.final)
		iface_close(&s->iface);
	else if (!s->hooks.script)
		r = iface_wish(&s->iface, &s->wish, now_ns());
	if (r == -ENODEV) {
		lost_interface(s);
		return;
	}
	s->script_error = 0;
	s->owes = true;
	if (!s->hooks.script)
		answer(s, r);
	remember(s);
}

/* Take all wishes there are; only the newest matters. */
static void on_channel(struct steward *s)
{
	struct steward_wish w;
	struct steward_ask ask;
	bool is_new = false;
	ssize_t n;

	while ((n = recv(s->channel, &w, sizeof(w), MSG_DONTWAIT | MSG_TRUNC)) >
	       0) {
		if (n == sizeof(ask)) {
			memcpy(&ask, &w, sizeof(ask));
			send_doors(s, ask.want);
			continue;
		}
		if (n != sizeof(w) || !wish_is_valid(&w, s->conf->prefix)) {
			log_error("the packet process asked for what it must "
				  "not: not listening to it any more");
			n = 0;
			break;
		}
		is_new = true;
		s->wish = w;
		s->wish.mtu = s->iface.mtu;
		if (w.final)
			break;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		remember(s);
		end(s);
	} else if (is_new) {
		wished(s);
		follow_mtu(s);
	}
}

static void on_hooks(struct steward *s)
{
	switch (hooks_read(&s->hooks)) {
	case HOOK_RUNNING:
	case HOOK_ALL_DONE:
		return;
	case HOOK_GONE:
		if (s->hooks.told.end)
			return;
		log_error("the process that runs hooks is gone");
		end(s);
		return;
	case HOOK_SCRIPT_FAILED:
		s->script_error = -EIO;
		break;
	case HOOK_SCRIPT_DONE:
		break;
	}
	/* What came meanwhile is answered when the script was told of it. */
	if (s->owes && !hooks_want(&s->hooks, &s->wish))
		answer(s, s->script_error);
}

/* Tell scripts what is due. False when all is done. */
static bool go_on(struct steward *s)
{
	int r;

	if (s->hooks.is_busy)
		return true;
	if (!hooks_want(&s->hooks, &s->wish)) {
		if (s->owes)
			answer(s, s->script_error);
		return !s->wish.final;
	}
	r = hooks_tell(&s->hooks, &s->wish);
	if (r)
		log_error("cannot run scripts: %s", strerror(-r));
	return !r || !s->wish.final;
}

/* The reader has read something else. */
static void on_settings(struct steward *s)
{
	static struct settings_view view;
	static struct conf newest;

	reader_heard(s->reader->steward);
	if (!settings_read(s->reader->settings, &view))
		return;
	newest = view.conf;
	s->conf = &newest;
	s->serial = view.serial;
	log_set_level(newest.log_level);
	if (!s->hooks.script &&
	    iface_configure(&s->iface, s->conf, now_ns()) == -ENODEV)
		lost_interface(s);
	follow_mtu(s);
}

static int ms_until(const struct steward *s, uint64_t now)
{
	uint64_t next = s->hooks.script ? UINT64_MAX : iface_next(&s->iface);
	uint64_t ms;

	if (next == UINT64_MAX)
		return -1;
	ms = next <= now ? 0 : (next - now) / 1000000 + 1;
	return ms > 60000 ? 60000 : (int)ms;
}

static void wait_and_work(struct steward *s)
{
	bool watches = !s->hooks.script && !s->wish.final;
	struct pollfd p[] = {
		{.fd = s->wish.final ? -1 : s->channel, .events = POLLIN},
		{.fd = watches ? netlink_fd(&s->iface.events) : -1,
		 .events = POLLIN},
		{.fd = s->hooks.fd, .events = POLLIN},
		{.fd = s->reader && !s->wish.final ? s->reader->steward : -1,
		 .events = POLLIN},
	};

	if (poll(p, 4, watches ? ms_until(s, now_ns()) : -1) < 0)
		return;
	if (p[0].revents)
		on_channel(s);
	if (p[2].revents)
		on_hooks(s);
	if (p[3].revents && s->reader && !s->wish.final)
		on_settings(s);
	if (!watches || s->wish.final)
		return;
	if (p[1].revents)
		iface_events(&s->iface, now_ns());
	if (iface_timeout(&s->iface, now_ns()) == -ENODEV)
		lost_interface(s);
}

static void open_file(struct steward *s, uid_t user)
{
	const char *dir = s->conf->state_dir;
	int r = 0;

	state_path(s->path, sizeof(s->path), dir, s->name);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		r = -errno;
	s->file = r ? -1 : state_open(s->path, user);
	if (!r && s->file < 0)
		r = s->file;
	if (r)
		log_warning("cannot create %s: %s\n"
			    "  the address may change with the next start%s",
			    s->path, strerror(-r),
			    r == -EPERM ? "; it must be a file of root's own"
					: "");
}

/* Our own, in the steward: nothing of the packet process stays open. */
static void settle(struct steward *s, uid_t user)
{
	const int keep[] = {s->channel, log_channel(),
			    s->reader ? s->reader->steward : -1};
	sigset_t all;

	/* The end of the channel ends us, no signal that a terminal or service
	 * manager sends to all. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	descriptors_keep(keep, 3);
	prctl(PR_SET_NAME, "miredo-steward");
	umask(022);
	open_file(s, user);
	s->sysctl = iface_open_sysctl();
}

static void set_up(struct steward *s, unsigned ifindex,
		   const struct identity *id)
{
	int r;

	hooks_open(&s->hooks, s->conf, s->name, ifindex);
	s->hooks.settings = s->reader ? s->reader->settings : NULL;
	r = hooks_start(&s->hooks);
	if (r)
		die("cannot start the process for hooks: %s", strerror(-r));
	confine_root(NULL);
	privs_keep_net_admin(id);
	if (s->hooks.script) {
		iface_hush(s->sysctl, s->name);
		r = iface_open_link(&s->iface, s->conf, ifindex);
	} else {
		r = iface_open(&s->iface, s->conf, s->name, ifindex, s->sysctl,
			       now_ns());
	}
	if (r)
		die("cannot set up the interface %s: %s", s->name,
		    strerror(-r));
}

/* No file but those for which CAP_NET_ADMIN is enough. */
static void confine(const struct steward *s)
{
	const struct confine_below sysctl = {s->sysctl, CONFINE_WRITE};

	confine_files(&sysctl, 1, true);
	log_leave_terminal();
	calls_confine(CALLS_STEWARD);
}

static _Noreturn void serve(const struct conf *c, const char *iface,
			    unsigned ifindex, const struct identity *id,
			    const struct reader *reader, int channel)
{
	static struct steward s;

	s = (struct steward){
		.conf = c, .name = iface, .channel = channel, .reader = reader};
	settle(&s, id->change ? id->uid : geteuid());
	set_up(&s, ifindex, id);
	confine(&s);
	answer(&s, 0);
	do {
		wait_and_work(&s);
	} while (go_on(&s));
	_exit(STATUS_OK);
}

int steward_start(const struct conf *c, const char *iface, unsigned ifindex,
		  const struct identity *id, const struct reader *reader)
{
	struct steward_done ready;
	int fd[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		die("cannot start the steward: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot start the steward: %s", strerror(errno));
	if (pid == 0)
		serve(c, iface, ifindex, id, reader, fd[1]);
	close(fd[1]);
	if (recv(fd[0], &ready, sizeof(ready), 0) != sizeof(ready))
		exit(STATUS_FAILED); /* it has said why */
	return fd[0];
}

int steward_hear(int fd, struct steward_answer *a)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&a->door, sizeof(a->door)};
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return n < 0 ? -errno : 0;
	a->is_door = n == sizeof(a->door);
	a->fd = descriptors_passed(&m);
	return a->is_door || n == sizeof(a->done) ? 1 : -EBADMSG;
}

int steward_tell(int fd, const struct steward_wish *w)
{
	ssize_t n = send(fd, w, sizeof(*w), MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

int steward_ask(int fd, uint64_t want)
{
	const struct steward_ask a = {want};
	ssize_t n = send(fd, &a, sizeof(a), MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

void steward_finish(int fd, const struct steward_wish *last)
{
	struct steward_wish w = *last;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	uint64_t until = now_ns() + FINISH_MS * UINT64_C(1000000);
	char rest[sizeof(struct steward_door)];

	w.final = true;
	w.is_up = false;
	while (steward_tell(fd, &w) == -EAGAIN && poll(&p, 1, 100) >= 0 &&
	       now_ns() < until)
		;
	p.events = POLLIN;
	while (now_ns() < until) {
		if (poll(&p, 1, 100) > 0 &&
		    recv(fd, rest, sizeof(rest), 0) <= 0)
			return;
	}
	log_warning("scripts take long: not waiting for them");
}
