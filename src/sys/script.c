/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One script (see script.h). It has root's rights, so it must be root's: nobody
 * else may be able to write what is run here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "script.h"

enum {
	LINE_SPACE = 400,
	LINES_MAX = 50, /* of one run: more does not belong into a log */
};

/* Output of a script on its way to the log. */
struct output {
	const char *name;
	int fd;
	unsigned lines;
	size_t n;
	char line[LINE_SPACE];
};

/* Nobody but root may write to it. */
static bool is_roots(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & S_IWOTH) &&
	       (st->st_gid == 0 || !(st->st_mode & S_IWGRP));
}

static void refuse(const char *what, const char *path)
{
	log_warning("%s is not run: others than root may change %s\n"
		    "  do:  chown root %s; chmod go-w %s",
		    what, strcmp(what, path) ? path : "it", path, path);
}

bool script_directory_usable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	if (is_roots(&st))
		return true;
	refuse("what is in it", path);
	return false;
}

/* Who may change a directory may put another file there. */
static bool is_in_safe_place(const char *path)
{
	char *directory = strdup(path), *slash = strrchr(path, '/');
	struct stat st;
	bool safe;

	if (!directory)
		return false;
	if (slash)
		directory[slash == path ? 1 : slash - path] = '\0';
	safe = stat(slash ? directory : ".", &st) == 0 && is_roots(&st);
	if (!safe)
		refuse(path, directory);
	free(directory);
	return safe;
}

bool script_usable(const char *path, bool must_exist)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (must_exist || errno != ENOENT)
			log_warning("%s is not run: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)) {
		if (must_exist)
			log_warning("%s is not run: it is not executable",
				    path);
		return false;
	}
	if (!is_roots(&st)) {
		refuse(path, path);
		return false;
	}
	return is_in_safe_place(path);
}

static void say_line(struct output *o)
{
	o->line[o->n] = '\0';
	for (char *p = o->line; *p; p++) {
		if ((unsigned char)*p < ' ' && *p != '\t')
			*p = '?';
	}
	if (o->n && o->lines < LINES_MAX)
		log_info("%s: %s", o->name, o->line);
	else if (o->n && o->lines == LINES_MAX)
		log_info("%s: more output, not shown", o->name);
	o->lines += o->n > 0;
	o->n = 0;
}

/* Takes what there is. False at the end of the output. */
static bool read_output(struct output *o)
{
	char buf[1024];
	ssize_t n = read(o->fd, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != '\n')
			o->line[o->n++] = buf[i];
		if (buf[i] == '\n' || o->n == LINE_SPACE - 1)
			say_line(o);
	}
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Something that the script left running may still be writing. */
static void read_rest(struct output *o)
{
	fcntl(o->fd, F_SETFL, O_NONBLOCK);
	errno = 0;
	for (unsigned i = 0; i < 64 && read_output(o) && errno != EAGAIN; i++)
		errno = 0;
	say_line(o);
}

static _Noreturn void become(const char *path, char *const *env, int out)
{
	char *argv[] = {strdup(path), NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	setpgid(0, 0);
	umask(022);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(out, 2) < 0 || chdir("/") < 0)
		_exit(127);
	execve(path, argv, env);
	dprintf(2, "cannot be run: %s\n", strerror(errno));
	_exit(127);
}

static unsigned ms_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned)((now.tv_sec - from->tv_sec) * 1000 +
			  (now.tv_nsec - from->tv_nsec) / 1000000);
}

/*
 * Until the process has ended, not its output: it may leave something running.
 * False if it takes too long.
 */
static bool wait_for_end(int pidfd, struct output *o, unsigned limit_ms)
{
	struct pollfd p[] = {
		{.fd = pidfd, .events = POLLIN},
		{.fd = o->fd, .events = POLLIN},
	};
	struct timespec from;
	unsigned ms;

	clock_gettime(CLOCK_MONOTONIC, &from);
	while ((ms = ms_since(&from)) < limit_ms) {
		if (poll(p, 2, (int)(limit_ms - ms)) < 0 && errno != EINTR)
			return false;
		if (p[1].revents && !read_output(o))
			p[1].fd = -1;
		if (p[0].revents)
			return true;
	}
	return false;
}

static int judge(const char *path, int status, bool late, unsigned limit_ms)
{
	if (late)
		log_warning("%s was killed: it took more than %u s", path,
			    limit_ms / 1000);
	else if (WIFSIGNALED(status))
		log_warning("%s was ended by signal %d (%s)", path,
			    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		log_warning("%s failed: status %d", path, WEXITSTATUS(status));
	else
		return 0;
	return late || WIFSIGNALED(status) ? 128 : WEXITSTATUS(status);
}

static int supervise(const char *path, pid_t pid, struct output *o,
		     unsigned limit_ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status = 0;
	bool late = pidfd < 0 || !wait_for_end(pidfd, o, limit_ms);

	if (late) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL); /* if it has no group yet */
	}
	waitpid(pid, &status, 0);
	if (pidfd >= 0)
		close(pidfd);
	read_rest(o);
	return judge(path, status, late, limit_ms);
}

int script_run(const char *path, char *const *env, unsigned limit_ms)
{
	const char *slash = strrchr(path, '/');
	struct output o = {.name = slash ? slash + 1 : path};
	int fd[2], r;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		become(path, env, fd[1]);
	r = pid < 0 ? -errno : 0;
	close(fd[1]);
	o.fd = fd[0];
	if (!r)
		r = supervise(path, pid, &o, limit_ms);
	else
		log_warning("cannot run %s: %s", path, strerror(-r));
	close(fd[0]);
	return r;
}
