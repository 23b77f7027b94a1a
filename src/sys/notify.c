/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See notify.h. All that is sent is a datagram, by a socket that is connected:
 * so it works without the file system, and by sendto(2), which is allowed. */
#include <errno.h>
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

#include "log.h"
#include "notify.h"
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

int notify_store(int fd, const char *name)
{
	char text[NOTIFY_TEXT];
	int n = snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	struct iovec iov = {text, (size_t)n};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to.fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void notify_unstore(const char *name)
{
	char text[NOTIFY_TEXT];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	insist(text);
}
