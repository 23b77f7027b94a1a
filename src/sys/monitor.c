/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command and the monitor (see monitor.h). The monitor does nothing but
 * wait, so that there is little to go wrong in it. It is no longer able to
 * signal keeper and worker, which are another user's processes: signals go
 * through the channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "confine.h"
#include "control.h"
#include "descriptors.h"
#include "fdstore.h"
#include "lanes.h"
#include "log.h"
#include "logline.h"
#include "monitor.h"
#include "notify.h"
#include "pidfile.h"
#include "privs.h"

enum {
	ORPHAN_WAITS = 20,
	ORPHAN_WAIT_MS = 100,
	LAST_WORDS_MS = 1000,
};

struct monitor {
	pid_t keeper, reader;
	const struct reader *to_reader;
	int signals, channel, ready_fd;
	int log;    /* lines of the others, or -1 */
	int notify; /* what others tell the service manager, or -1 */
	struct logline_reader lines;
	bool is_ready;
	char last_word; /* the signal that ends us; 0 = none yet */
	struct pidfile file;
	struct control_socket control;
};

static void open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		die("cannot open /dev/null: %s", strerror(errno));
	close(fd);
}

/* We are a daemon now, and hold up nothing: no directory, and no terminal. */
void daemon_leave(void)
{
	log_leave_terminal();
	if (chdir("/") < 0)
		log_warning("cannot change to /: %s", strerror(errno));
}

int daemon_detach(void)
{
	int fd[2], status;
	pid_t child;
	char c;

	signal(SIGCHLD, SIG_DFL);
	if (pipe2(fd, O_CLOEXEC) < 0)
		die("cannot go into the background: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("cannot go into the background: %s", strerror(errno));
	if (child == 0) {
		close(fd[0]);
		setsid();
		open_null();
		return fd[1];
	}
	/* What it would hold could not be opened anew. */
	descriptors_keep(fd, 1);
	if (read(fd[0], &c, 1) == 1)
		_exit(STATUS_OK);
	/* It has said why. */
	waitpid(child, &status, 0);
	_exit(STATUS_FAILED);
}

void daemon_ready(int fd)
{
	const char c = DAEMON_READY;

	if (write(fd, &c, 1) < 0)
		die("cannot say that all is ready: %s", strerror(errno));
}

static void tell_worker(const struct monitor *m, char signal)
{
	send(m->channel, &signal, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/*
 * A worker is ready: let the command return. Or it is not the first; and the
 * last may have died before it did what it was told.
 */
static void on_ready(struct monitor *m)
{
	const char c = DAEMON_READY;

	if (m->last_word)
		tell_worker(m, m->last_word);
	if (m->is_ready)
		return;
	m->is_ready = true;
	pidfile_write(&m->file);
	/* In the background it was another process that was started. */
	notify_send("MAINPID=%d", (int)getpid());
	notify_ready();
	daemon_leave();
	if (m->ready_fd < 0)
		return;
	if (write(m->ready_fd, &c, 1) < 0)
		log_debug("the command that started us has gone");
	close(m->ready_fd);
	m->ready_fd = -1;
}

static void on_channel(struct monitor *m, struct pollfd *p)
{
	char c;

	if (recv(m->channel, &c, 1, 0) == 1 && c == DAEMON_READY)
		on_ready(m);
	else
		p->fd = -1; /* it is ending; SIGCHLD will tell how */
}

void log_ended(const char *who, enum event event, int signal, bool is_early)
{
	const struct event_facts f = event_facts(event);
	/* All memory is taken at the start. */
	const char *more = "";

	if (signal == SIGKILL && is_early)
		more = "\n  if memory is short, lower MaxPeers in the "
		       "configuration";
	else if (signal == SIGSYS)
		more = "\n  it made a system call that it never makes, so it "
		       "has a bug or was attacked; the kernel's log tells "
		       "which:  dmesg | grep type=1326";
	log_event(LOG_ERR, &f, "%s was ended by signal %d (%s)%s", who, signal,
		  strsignal(signal), more);
}

static void say_reader_ended(int status)
{
	if (WIFSIGNALED(status))
		log_ended("the reader of the configuration", EVENT_DIED,
			  WTERMSIG(status), false);
	log_warning("the configuration cannot be read again until the next "
		    "start");
}

/* It has read something else, or is gone. */
static void on_reader(const struct monitor *m, struct pollfd *p)
{
	reader_heard(p->fd);
	if (p->revents & POLLHUP)
		p->fd = -1;
	else
		reader_set_log(m->to_reader->settings);
}

/* Has the keeper ended? In a container we may be process 1, to which the
 * orphans of all others fall: of those nobody else would be rid. */
static bool reap(struct monitor *m, int *status)
{
	bool ended = false;
	pid_t pid;
	int s;

	while ((pid = waitpid(-1, &s, WNOHANG)) > 0) {
		if (pid == m->reader) {
			say_reader_ended(s);
			m->reader = -1;
		}
		if (pid != m->keeper)
			continue;
		*status = s;
		ended = true;
	}
	return ended;
}

/*
 * The keeper was killed; its children, which are ours now, are ending. So that
 * our end is that of all of them, and the next start finds nothing in its way;
 * scripts may take longer than we wait.
 */
static void wait_for_orphans(const struct monitor *m)
{
	struct pollfd p = {.fd = m->signals, .events = POLLIN};
	struct signalfd_siginfo info;

	for (int i = 0; i < ORPHAN_WAITS; i++) {
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return;
		if (poll(&p, 1, ORPHAN_WAIT_MS) > 0 &&
		    read(m->signals, &info, sizeof(info)) < 0)
			return;
	}
}

/* false: the keeper has ended, and this is how. */
static bool on_signal(struct monitor *m, int *status)
{
	struct signalfd_siginfo info;

	if (read(m->signals, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo == SIGCHLD)
		return !reap(m, status);
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
		if (!m->last_word)
			notify_stopping();
		m->last_word = (char)info.ssi_signo;
	}
	if (info.ssi_signo == SIGHUP && !reader_tell(m->to_reader))
		log_error("SIGHUP: nobody is left to read the configuration\n"
			  "  start again");
	tell_worker(m, (char)info.ssi_signo);
	return true;
}

/* Others have something for the log. */
static void on_log(struct monitor *m, struct pollfd *p)
{
	uint64_t now = clock_now();
	struct logline line;

	while (logline_receive(m->log, &m->lines, now, &line)) {
		unsigned n = m->lines.left_out;

		m->lines.left_out = 0;
		if (n)
			log_warning("%u lines for the log were left out: there "
				    "were too many",
				    n);
		log_pass_on(&line);
	}
	if (p->revents & POLLHUP)
		p->fd = -1; /* nobody is left who could send one */
}

/* The keeper has ended; what it said last, and others may have to say. */
static void hear_out(struct monitor *m)
{
	struct pollfd p = {.fd = m->log, .events = POLLIN};
	uint64_t until = clock_now() + LAST_WORDS_MS * NS_PER_MS;

	while (p.fd >= 0 && poll(&p, 1, LAST_WORDS_MS) > 0 &&
	       clock_now() < until)
		on_log(m, &p);
}

/* The keeper has ended: the exit status. */
static int judge(struct monitor *m, int status)
{
	if (!m->last_word)
		notify_stopping();
	close(m->to_reader->monitor); /* its end, too */
	hear_out(m);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_ended("the keeper", EVENT_DIED, WTERMSIG(status), !m->is_ready);
	wait_for_orphans(m);
	return STATUS_FAILED;
}

static int wait_for_keeper(struct monitor *m)
{
	struct pollfd p[] = {
		{.fd = m->signals, .events = POLLIN},
		{.fd = m->channel, .events = POLLIN},
		{.fd = m->log, .events = POLLIN},
		{.fd = m->notify, .events = POLLIN},
		{.fd = m->to_reader->monitor, .events = POLLIN},
	};
	bool on = true;
	int status = 0;

	while (on) {
		if (poll(p, 5, -1) < 0)
			continue;
		if (p[4].revents)
			on_reader(m, &p[4]);
		if (p[3].revents && !notify_pass_on(m->notify))
			p[3].fd = -1;
		if (p[2].revents)
			on_log(m, &p[2]);
		/* Before the end the readiness, if both are there. */
		if (p[1].revents)
			on_channel(m, &p[1]);
		if (p[0].revents)
			on = on_signal(m, &status);
	}
	return judge(m, status);
}

/* What is left to us is to write to the log, and to remove the PID file and
 * the control socket. */
static void confine(const struct monitor *m)
{
	struct confine_below below[] = {
		{pidfile_directory(&m->file), CONFINE_REMOVE},
		{m->control.dir, CONFINE_REMOVE},
	};

	/* So that syslog() looks for it once, and not for each line. */
	setenv("TZ", ":/etc/localtime", 0);
	tzset();
	log_prepare();
	privs_drop_capabilities();
	confine_files(below, sizeof(below) / sizeof(below[0]), true);
	if (below[0].dir >= 0)
		close(below[0].dir);
	calls_confine(CALLS_MONITOR);
}

static int run_keeper(const struct monitor_task *t, int channel, int listener,
		      pid_t monitor)
{
	/* Should the monitor be killed before we look at the channel. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != monitor)
		return STATUS_FAILED;
	close(t->reader->monitor);
	return t->work(t->arg, channel, listener);
}

int signals_open(int more)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (more)
		sigaddset(&set, more);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Keeper and worker inherit them blocked. */
static int open_signals(void)
{
	/* Who started us may have ignored it, and so would we. */
	signal(SIGCHLD, SIG_DFL);
	/* With -f the reader of our log may go away; we go on. */
	signal(SIGPIPE, SIG_IGN);
	return signals_open(SIGCHLD);
}

/* What is the keeper's, and of those it starts. */
static void let_go(const struct reader *r)
{
	close(r->control);
	close(r->worker);
	close(r->steward);
	close(r->secrets);
	if (r->groups >= 0)
		close(r->groups);
}

/*
 * It has let go of what is not its own when this returns, also of what the
 * service manager has kept: of that the keeper must be the only one to have, or
 * it could not give it back.
 */
static pid_t start_reader(const struct monitor_task *t, int log, int notify)
{
	int held[2];
	pid_t pid;
	char c;

	if (pipe2(held, O_CLOEXEC) < 0)
		die("cannot start: %s", strerror(errno));
	pid = reader_start(t->reader, t->plan, log, notify);
	close(held[1]);
	while (read(held[0], &c, 1) < 0 && errno == EINTR)
		;
	close(held[0]);
	return pid;
}

int monitor_run(const struct monitor_task *t)
{
	struct monitor m = {.ready_fd = t->ready_fd,
			    .to_reader = t->reader,

			    .signals = open_signals()};
	int fd[2], log[2] = {-1, -1}, notify[2], status;
	pid_t self = getpid();

	if (m.signals < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0 ||
	    (log_is_central() && logline_open(log) < 0) ||
	    notify_channel(notify) < 0)
		die("cannot start: %s", strerror(errno));
	pidfile_take(&m.file, t->pidfile);
	if (!control_listen(&m.control, t->plan)) {
		pidfile_remove(&m.file);
		return STATUS_FAILED;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	m.reader = start_reader(t, log[1], notify[1]);
	m.keeper = fork();
	if (m.keeper == 0) {
		close(fd[0]);
		close(m.signals);
		close(log[0]);
		close(notify[0]);
		if (m.ready_fd >= 0)
			close(m.ready_fd);
		if (m.control.dir >= 0)
			close(m.control.dir);
		pidfile_inherit(&m.file);
		log_by(log[1]);
		notify_by(notify[1]);
		exit(run_keeper(t, fd[1], m.control.listener, self));
	}
	close(fd[1]);
	close(log[1]);
	close(notify[1]);
	if (m.control.listener >= 0)
		close(m.control.listener);
	fdstore_close();
	let_go(t->reader);
	m.channel = fd[0];
	m.log = log[0];
	m.notify = notify[0];
	if (m.keeper < 0)
		log_error("cannot start the keeper: %s", strerror(errno));
	confine(&m);
	status = m.keeper < 0 ? STATUS_FAILED : wait_for_keeper(&m);
	pidfile_remove(&m.file);
	control_remove(&m.control);
	return status;
}
