/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See keeper.h. Who ends together with whom:
 *
 *	worker, by itself	the keeper ends with its status
 *	worker, killed		the next one goes on
 *	keeper, killed		the kernel kills the worker; the monitor sees
 *	monitor, killed		the worker sees the end of the channel
 *
 * Steward and resolver see the end of their channels, whose other ends are
 * those of keeper and worker: so they live on when a worker dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "confine.h"
#include "control.h"
#include "descriptors.h"
#include "keeper.h"
#include "log.h"
#include "monitor.h"
#include "notify.h"
#include "open.h"
#include "reader.h"
#include "worker.h"

enum {
	/* Deaths within so long are too many. */
	DEATHS = 5,
	DEATHS_S = 10,

	NICENESS = 10, /* who is asked waits for who carries packets */
	CONTROLS = 10, /* processes, and no more */

	HELPER_WAITS = 10,
	HELPER_WAIT_MS = 20,

	NAME_SPACE = 16, /* of PR_GET_NAME */
	HUGE_BYTES = 2 << 20,
};

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

struct keeper {
	struct life life;
	int channel;
	struct control_task control;
	pid_t control_pid;         /* 0 = there is none */
	int lifeline;              /* the end of it is that of control */
	unsigned controls;         /* that were started */
	char name[NAME_SPACE];     /* of a worker */
	uint64_t died[DEATHS - 1]; /* when the last ones did; ns, 0 = never */
	unsigned n_died;
};

static size_t round_up(size_t n)
{
	return (n + 63) / 64 * 64;
}

static void *map_at(void *at, const struct plan *p, size_t n, int flags)
{
	void *mem = mmap(at, n, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS,
			 -1, 0);

	if (mem == MAP_FAILED)
		die("cannot get %zu MiB of memory: %s\n"
		    "  %s",
		    n >> 20, strerror(errno),
		    p->node.is_relay ? "lower MaxPeers in the configuration"
				     : "see what limits it:  ulimit -v");
	return mem;
}

static void *map(const struct plan *p, size_t n, int flags)
{
	return map_at(NULL, p, n, flags);
}

/* What each worker gets a copy of: the loop with as many lanes as there are,
 * and buffers, which nobody touches here. */
static void make_loop(struct keeper *k, const struct plan *p)
{
	size_t own = round_up(offsetof(struct loop, lanes.lane) +
			      p->threads * sizeof(struct lane));
	struct loop *l =
		map(p, own + (size_t)p->threads * LANE_BYTES, MAP_PRIVATE);

	for (unsigned i = 0; i < p->threads; i++)
		lane_close(&l->lanes.lane[i]);
	l->lanes.raw6 = -1;
	lanes_shut(&l->lanes);
	l->channel = k->channel;
	k->life.plan = p;
	k->life.loop = l;
	k->life.buffers = (uint8_t *)l + own;
}

/*
 * Of what is shared the kernel makes huge pages only if it is told to, and for
 * whole ones in the right place: a look-up in a large table then costs no walk
 * of the page tables. Where it makes none, all works.
 */
static void *map_shared(const struct plan *p, size_t n)
{
	uintptr_t at;

	if (n < HUGE_BYTES)
		return map(p, n, MAP_SHARED);
	at = (uintptr_t)map(p, n + HUGE_BYTES, MAP_PRIVATE | MAP_NORESERVE);
	at = (at + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
	return map_at((void *)at, p, n, MAP_SHARED | MAP_FIXED);
}

/* What all processes show of themselves. */
static void take_board(struct keeper *k, const struct plan *p)
{
	k->life.board = p->board;
	k->life.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->life.beat = BEAT_S * NS_PER_S;
	if (notify_watchdog() && notify_watchdog() / BEATS < k->life.beat)
		k->life.beat = notify_watchdog() / BEATS;
	if (k->life.bell < 0)
		die("cannot start: %s", strerror(errno));
}

/*
 * What outlives a worker: one piece, all of it present now. Made last: steward
 * and resolver have no use for it. The pages stay when we let go of ours.
 */
static void make_memory(struct keeper *k, const struct plan *p)
{
	volatile uint8_t *at;

	k->life.memory_size = round_up(node_memory(&p->node));
	if (k->life.memory_size == 0)
		return; /* a server remembers nobody */
	at = k->life.memory = map_shared(p, k->life.memory_size);
	for (size_t i = 0; i < k->life.memory_size; i += 4096)
		at[i] = 0;
	madvise(k->life.memory, k->life.memory_size, MADV_COLLAPSE);
	madvise(k->life.memory, k->life.memory_size, MADV_DONTNEED);
	if (getrandom(&k->life.log_key, sizeof(k->life.log_key), 0) !=
	    sizeof(k->life.log_key))
		die("cannot get random numbers: %s", strerror(errno));
}

/* --- the control process --- */

/* In the child: nothing of the daemon's but what can be read. */
static _Noreturn void serve(struct keeper *k, pid_t keeper)
{
	const struct control_task *t = &k->control;
	const int keep[] = {t->listener, t->bell,       t->life,
			    t->reader,   log_channel(), notify_descriptor()};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(STATUS_FAILED);
	prctl(PR_SET_NAME, "miredo-control");
	log_to(NULL);
	open_forget();
	descriptors_keep(keep, sizeof(keep) / sizeof(keep[0]));
	if (t->memory_size)
		mprotect(k->life.memory, t->memory_size, PROT_READ);
	mprotect(k->life.board, board_size(k->life.plan->threads), PROT_READ);
	setpriority(PRIO_PROCESS, 0, NICENESS);
	calls_confine(CALLS_CONTROL);
	control_run(t);
}

/* Without it packets go their way all the same; and nobody is there to tell the
 * service manager so. */
static void start_control(struct keeper *k)
{
	pid_t self = getpid(), pid;
	int fd[2];

	k->control_pid = 0;
	if (k->control.listener < 0 || k->controls == CONTROLS ||
	    pipe2(fd, O_CLOEXEC) < 0) {
		notify_send("WATCHDOG_USEC=0");
		return;
	}
	k->control.life = fd[0];
	k->lifeline = fd[1];
	pid = fork();
	if (pid == 0)
		serve(k, self);
	if (pid < 0)
		log_warning("cannot start the control process: %s",
			    strerror(errno));
	close(fd[0]);
	k->control_pid = pid > 0 ? pid : 0;
	k->controls++;
}

/* So that our end is that of all who listen. */
static void stop_control(struct keeper *k)
{
	if (!k->control_pid)
		return;
	close(k->lifeline);
	waitpid(k->control_pid, NULL, 0);
}

static void on_control_end(struct keeper *k, int status)
{
	if (WIFSIGNALED(status))
		log_ended("the control process", EVENT_NONE, WTERMSIG(status),
			  false);
	close(k->lifeline);
	start_control(k);
	if (k->control_pid)
		return;
	log_error("the control process has died %u times and is not started "
		  "again: miredoctl cannot ask this daemon",
		  k->controls);
	close(k->control.listener);
	k->control.listener = -1;
}

static void make_control(struct keeper *k, int listener)
{
	k->control.show = (struct show){
		.board = k->life.board,
		.plan = k->life.plan,
		.memory = k->life.memory,
		.started = time(NULL),
		.pid = getppid(),
	};
	k->control.memory_size = k->life.memory_size;
	k->control.listener = listener;
	k->control.bell = k->life.bell;
	k->control.settings = k->life.plan->reader->settings;
	k->control.reader = k->life.plan->reader->control;
	tzset(); /* gmtime_r() looks for the file once, for nothing */
}

/* --- workers --- */

/* In the child: a new worker. */
static _Noreturn void live(struct keeper *k, pid_t keeper)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(STATUS_FAILED);
	prctl(PR_SET_NAME, k->name);
	/* What strangers can reach has nothing to tell the service manager. */
	notify_close();
	if (k->control_pid)
		close(k->lifeline);
	if (k->control.listener >= 0)
		close(k->control.listener);
	/* Who handles packets asks for nothing. */
	close(k->life.plan->reader->control);
	exit(worker_run(&k->life));
}

/* false: it died before it was ready. */
static bool wait_ready(struct keeper *k, int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		return false;
	daemon_leave();
	if (k->controls == 0)
		start_control(k);
	daemon_ready(k->channel);
	return true;
}

/* The end of a worker; that of others comes in between. */
static void wait_for(struct keeper *k, pid_t worker, int *status)
{
	pid_t pid;
	int s;

	while ((pid = waitpid(-1, &s, 0)) != worker) {
		if (pid > 0 && pid == k->control_pid)
			on_control_end(k, s);
		else if (pid > 0 && WIFSIGNALED(s))
			log_ended("a helper of the packet process", EVENT_NONE,
				  WTERMSIG(s), false);
	}
	*status = s;
}

/* Let one worker live: true if it was ever ready. */
static bool run_worker(struct keeper *k, int *status)
{
	pid_t self = getpid(), pid;
	bool was_ready;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		die("cannot start the packet process: %s", strerror(errno));
	k->life.ready = fd[1];
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		live(k, self);
	}
	if (pid < 0)
		die("cannot start the packet process: %s", strerror(errno));
	close(fd[1]);
	was_ready = wait_ready(k, fd[0]);
	close(fd[0]);
	wait_for(k, pid, status);
	return was_ready;
}

/* One more has died: is that too many? */
static bool is_too_often(struct keeper *k)
{
	uint64_t *at = &k->died[k->n_died++ % (DEATHS - 1)];
	uint64_t now = clock_now(), before = *at;

	*at = now;
	return before && now - before < DEATHS_S * NS_PER_S;
}

/*
 * Steward and resolver are nobody's business as long as they live. When one is
 * gone the worker ends with it; why it is gone is for the log. A worker may see
 * the end of one a moment before the kernel tells us of it.
 */
static void tell_of_helpers(void)
{
	pid_t pid;
	int status;

	for (unsigned i = 0; i < HELPER_WAITS; i++) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (WIFSIGNALED(status))
				log_ended("a helper of the packet process",
					  EVENT_NONE, WTERMSIG(status), false);
		}
		if (pid < 0)
			return; /* there are none */
		poll(NULL, 0, HELPER_WAIT_MS);
	}
}

/* Worker after worker; the status of the last. */
static int keep(struct keeper *k)
{
	for (;;) {
		const struct event_facts again = event_facts(EVENT_STARTED);
		int status;
		bool was_ready;

		k->life.lives++;
		was_ready = run_worker(k, &status);

		reader_set_level(k->life.plan->reader->settings);
		if (WIFEXITED(status) && k->life.loop->client &&
		    WEXITSTATUS(status) != STATUS_OK)
			tell_of_helpers();
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		log_ended("the packet process", EVENT_DIED, WTERMSIG(status),
			  !was_ready && k->life.is_first);
		if (!was_ready && k->life.is_first)
			return STATUS_FAILED;
		if (is_too_often(k)) {
			log_error("giving up: the packet process has died %d "
				  "times in %d s",
				  DEATHS, DEATHS_S);
			return STATUS_FAILED;
		}
		log_event(LOG_WARNING, &again,
			  "starting it again, with the same sockets%s",
			  was_ready ? "" : "; and nothing remembered");
		k->life.is_first = false;
		k->life.recovers = was_ready;
		/* What was remembered may have been what killed it. */
		if (!was_ready && k->life.memory_size)
			memset(k->life.memory, 0, k->life.memory_size);
	}
}

int keeper_main(void *arg, int channel, int listener)
{
	static struct keeper k;
	struct keeper_task *task = arg;
	struct plan *p = task->plan;
	int status;

	k.channel = channel;
	k.life.is_first = true;
	prctl(PR_GET_NAME, k.name);
	prctl(PR_SET_NAME, "miredo-keeper");
	make_loop(&k, p);
	take_board(&k, p);
	open_all(k.life.loop, p, &task->identity);
	make_memory(&k, p);
	make_control(&k, listener);
	confine_root(p->options->chroot);
	privs_drop_all(&task->identity);
	confine_files(NULL, 0, true);
	/* A worker sees the monitor's end, and tidies up; a change of user has
	 * done the same. */
	prctl(PR_SET_PDEATHSIG, 0);
	/* Workers and the control process have our filter from the start. */
	calls_confine(CALLS_KEEPER | CALLS_BIRTH | CALLS_CONTROL |
		      worker_calls(p));
	status = keep(&k);
	stop_control(&k);
	return status;
}
