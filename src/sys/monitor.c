/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command and the monitor (see monitor.h). The monitor does nothing but
 * wait, so that there is little to go wrong in it. It is no longer able to
 * signal the worker, which is another user's process: signals go through the
 * channel.
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
#include <unistd.h>

#include "log.h"
#include "monitor.h"
#include "pidfile.h"
#include "privs.h"

struct monitor {
	pid_t worker;
	int signals, channel, ready_fd;
	bool is_ready;
	struct pidfile file;
};

/* In the background: what takes the terminal's place; -1 with -f. */
static int null_fd = -1;

static void open_null(void)
{
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
		die("cannot open /dev/null: %s", strerror(errno));
}

/*
 * We are a daemon now, and hold up nothing: no directory, and no terminal or
 * pipe, whose reader may be waiting for its end.
 */
static void leave(void)
{
	log_leave_terminal();
	if (chdir("/") < 0)
		log_warning("cannot change to /: %s", strerror(errno));
	if (null_fd < 0)
		return;
	dup2(null_fd, STDOUT_FILENO);
	dup2(null_fd, STDERR_FILENO);
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
	close(fd[1]);
	if (read(fd[0], &c, 1) == 1)
		_exit(STATUS_OK);
	/* It has said why. */
	waitpid(child, &status, 0);
	_exit(STATUS_FAILED);
}

void worker_ready(int channel)
{
	const char c = WORKER_READY;

	/* From here on the channel tells of the monitor's end, and we tidy up
	 * after it; a change of user has done the same. */
	prctl(PR_SET_PDEATHSIG, 0);
	leave();
	if (send(channel, &c, 1, MSG_NOSIGNAL) < 0)
		die("the monitor is gone");
}

/* The worker is ready: let the command return. */
static void on_ready(struct monitor *m)
{
	const char c = WORKER_READY;

	m->is_ready = true;
	pidfile_write(&m->file);
	leave();
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

	if (recv(m->channel, &c, 1, 0) == 1 && c == WORKER_READY)
		on_ready(m);
	else
		p->fd = -1; /* it is ending; SIGCHLD will tell how */
}

static int worker_killed(const struct monitor *m, int signal)
{
	/* All its memory is taken at the start. */
	bool by_kernel = signal == SIGKILL && !m->is_ready;

	log_error("the packet process was ended by signal %d (%s)%s", signal,
		  strsignal(signal),
		  by_kernel ? "\n  if memory is short, lower MaxPeers in the "
			      "configuration"
			    : "");
	return STATUS_FAILED;
}

/* Has the worker ended? In a container we may be process 1, to which the
 * orphans of all others fall: of those nobody else would be rid. */
static bool reap(const struct monitor *m, int *status)
{
	bool ended = false;
	pid_t pid;
	int s;

	while ((pid = waitpid(-1, &s, WNOHANG)) > 0) {
		if (pid != m->worker)
			continue;
		*status = s;
		ended = true;
	}
	return ended;
}

/* The exit status, or -1 to go on. */
static int on_signal(struct monitor *m)
{
	struct signalfd_siginfo info;
	int status;
	char c;

	if (read(m->signals, &info, sizeof(info)) != sizeof(info))
		return -1;
	if (info.ssi_signo != SIGCHLD) {
		c = (char)info.ssi_signo;
		send(m->channel, &c, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		return -1;
	}
	if (!reap(m, &status))
		return -1;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return worker_killed(m, WTERMSIG(status));
}

static int wait_for_worker(struct monitor *m)
{
	struct pollfd p[] = {
		{.fd = m->signals, .events = POLLIN},
		{.fd = m->channel, .events = POLLIN},
	};
	int status = -1;

	while (status < 0) {
		if (poll(p, 2, -1) < 0)
			continue;
		/* Before the worker's end its readiness, if both are there. */
		if (p[1].revents)
			on_channel(m, &p[1]);
		if (p[0].revents)
			status = on_signal(m);
	}
	return status;
}

static int run_worker(worker_fn *work, void *arg, int channel, pid_t monitor)
{
	/* Should the monitor be killed before we look at the channel. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != monitor)
		return STATUS_FAILED;
	return work(arg, channel);
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

/* The worker inherits them blocked. */
static int open_signals(void)
{
	/* Who started us may have ignored it, and so would we. */
	signal(SIGCHLD, SIG_DFL);
	/* With -f the reader of our log may go away; we go on. */
	signal(SIGPIPE, SIG_IGN);
	return signals_open(SIGCHLD);
}

int monitor_run(worker_fn *work, void *arg, const char *pidfile, int ready_fd)
{
	struct monitor m = {.ready_fd = ready_fd, .signals = open_signals()};
	pid_t self = getpid();
	int fd[2], status;

	if (m.signals < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		die("cannot start: %s", strerror(errno));
	pidfile_take(&m.file, pidfile);
	m.worker = fork();
	if (m.worker == 0) {
		close(fd[0]);
		close(m.signals);
		if (ready_fd >= 0)
			close(ready_fd);
		exit(run_worker(work, arg, fd[1], self));
	}
	close(fd[1]);
	m.channel = fd[0];
	if (m.worker < 0)
		log_error("cannot start the packet process: %s",
			  strerror(errno));
	privs_drop_capabilities();
	status = m.worker < 0 ? STATUS_FAILED : wait_for_worker(&m);
	pidfile_remove(&m.file);
	return status;
}
