/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See notify.h. The socket is connected, so it works without a file system. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "descriptors.h"
#include "log.h"
#include "notify.h"
#include "udp.h"
#include "value.h"

enum {
	PATIENCE_S = 3
};

static struct {
	int fd;
	uint64_t watchdog;
} to = {.fd = -1};

/* Length of the address, or 0: there is no such one. */
static socklen_t address(struct sockaddr_un *a, const char *name)
{
	size_t n = strlen(name);

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((name[0] != '/' && name[0] != '@') || n < 2 ||
	    n >= sizeof(a->sun_path))
		return 0;
	memcpy(a->sun_path, name, n);
	if (name[0] == '/')
		return sizeof(*a);
	a->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static int connect_to(const char *name)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un a;
	socklen_t n = address(&a, name);
	int fd, r;

	if (n == 0)
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&a, n) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* Whom it is for, by its number; without one, for whoever is started. */
static uint64_t watchdog(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint32_t n;

	if (!us || !value_number(&n, us, 1, UINT32_MAX))
		return 0;
	if (pid && strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	return (uint64_t)n * 1000;
}

void notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");

	if (name) {
		to.fd = connect_to(name);
		if (to.fd < 0)
			log_warning("cannot tell the service manager anything: "
				    "NOTIFY_SOCKET %s: %s",
				    name, strerror(-to.fd));
		else
			to.watchdog = watchdog();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

int notify_descriptor(void)
{
	return to.fd < 0 ? -1 : to.fd;
}

void notify_close(void)
{
	if (to.fd >= 0)
		close(to.fd);
	to.fd = -1;
}

uint64_t notify_watchdog(void)
{
	return to.watchdog;
}

void notify_send(const char *format, ...)
{
	char text[NOTIFY_TEXT];
	va_list args;

	if (to.fd < 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send(to.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void insist(const char *text)
{
	if (to.fd >= 0 && send(to.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		log_debug("the service manager does not listen: %s",
			  strerror(errno));
}

void notify_ready(void)
{
	insist("READY=1");
}

void notify_reloading(void)
{
	struct timespec t;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		 (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	insist(text);
}

void notify_stopping(void)
{
	insist("STOPPING=1");
}

/* With n descriptors, at most one. 0 or -errno */
static int send_with(const char *text, size_t n, const int *fd, unsigned n_fds,
		     int flags)
{
	struct iovec iov = part_of(text, n);
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(*fd))] = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (n_fds) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(*fd));
		memcpy(CMSG_DATA(c), fd, sizeof(*fd));
	}
	return sendmsg(to.fd, &m, MSG_NOSIGNAL | flags) < 0 ? -errno : 0;
}

int notify_store(int fd, const char *name)
{
	char text[NOTIFY_TEXT];
	/* What there is to poll for is no reason to let go of it: a socket may
	 * have an error that is of no importance. */
	int n = snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0",
			 name);

	return send_with(text, (size_t)n, &fd, 1, 0);
}

void notify_unstore(const char *name)
{
	char text[NOTIFY_TEXT];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	insist(text);
}

void notify_barrier(void)
{
	char text[] = "BARRIER=1";
	struct pollfd p;
	int fd[2];

	if (to.fd < 0 || pipe2(fd, O_CLOEXEC) < 0)
		return;
	p = (struct pollfd){.fd = fd[0]};
	if (send_with(text, sizeof(text) - 1, &fd[1], 1, 0) == 0) {
		close(fd[1]);
		poll(&p, 1, PATIENCE_S * 1000);
	} else {
		close(fd[1]);
	}
	close(fd[0]);
}

/* --- by way of the monitor --- */

int notify_channel(int fd[2])
{
	fd[0] = fd[1] = -1;
	if (to.fd >= 0 &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		return -errno;
	return 0;
}

void notify_by(int channel)
{
	notify_close();
	to.fd = channel;
}

/* A line that others may say: nothing that makes us another service. */
static bool may_pass(const char *line)
{
	static const char *const names[] = {
		"STATUS=",     "WATCHDOG=1",      "WATCHDOG_USEC=0", "READY=1",
		"RELOADING=1", "MONOTONIC_USEC=", "FDSTORE=1",       "FDNAME=",
		"FDPOLL=0",    "BARRIER=1",       "FDSTOREREMOVE=1",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (strncmp(line, names[i], n) == 0 &&
		    (names[i][n - 1] == '=' || line[n] == '\0'))
			return true;
	}
	return false;
}

/* n bytes of text and a NUL: lines that may pass, and that are text. */
static bool all_may_pass(char *text, size_t n)
{
	char *line = text;

	for (size_t i = 0; i <= n; i++) {
		if (text[i] == '\n' || i == n) {
			char end = text[i];

			text[i] = '\0';
			if (!may_pass(line))
				return false;
			text[i] = end;
			line = text + i + 1;
		} else if (text[i] < ' ' || text[i] > '~') {
			return false;
		}
	}
	return true;
}

bool notify_pass_on(int channel)
{
	/* Room for one descriptor: the kernel closes more. */
	_Alignas(struct cmsghdr) char control[CMSG_LEN(sizeof(int))];
	char text[NOTIFY_TEXT];
	struct iovec iov = {text, sizeof(text) - 1};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(channel, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	fd = descriptors_passed(&m);
	text[n] = '\0';
	if (!(m.msg_flags & MSG_TRUNC) && all_may_pass(text, (size_t)n))
		send_with(text, (size_t)n, &fd, fd >= 0, MSG_DONTWAIT);
	if (fd >= 0)
		close(fd);
	return true;
}
