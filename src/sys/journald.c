/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines for the journal (see journald.h). */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "journald.h"
#include "logline.h"
#include "preflight.h"

enum {
	FIELDS = LOGLINE_TEXT + 512
};

struct fields {
	size_t n;
	char text[FIELDS];
};

bool journald_has_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, inode;
	struct stat s;
	char rest;

	return stream &&
	       sscanf(stream, "%llu:%llu%c", &dev, &inode, &rest) == 2 &&
	       fstat(STDERR_FILENO, &s) == 0 && s.st_dev == dev &&
	       s.st_ino == inode;
}

int journald_socket(void)
{
	const struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

int journald_connect(int fd, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s",
		 path ? path : "/run/systemd/journal/socket");
	return connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ? -errno
								       : 0;
}

int journald_open(const char *path)
{
	int fd = journald_socket(), r;

	if (fd < 0)
		return fd;
	r = journald_connect(fd, path);
	if (!r)
		return fd;
	close(fd);
	return r;
}

__attribute__((format(printf, 2, 3))) static void add(struct fields *f,
						      const char *format, ...)
{
	size_t left = sizeof(f->text) - f->n;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(f->text + f->n, left, format, args);
	va_end(args);
	if (n > 0)
		f->n += (size_t)n < left ? (size_t)n : left - 1;
}

/* The one field that may have several lines: those are told by length. */
static void add_message(struct fields *f, const char *text)
{
	size_t n = strnlen(text, LOGLINE_TEXT - 1);

	if (!memchr(text, '\n', n)) {
		add(f, "MESSAGE=%s\n", text);
		return;
	}
	add(f, "MESSAGE\n");
	for (unsigned i = 0; i < 8; i++) /* little endian */
		f->text[f->n++] = (char)((uint64_t)n >> (8 * i) & 0xff);
	memcpy(f->text + f->n, text, n);
	f->n += n;
	add(f, "\n");
}

static void add_facts(struct fields *f, const struct event_facts *facts)
{
	static const struct ip6 none;

	if (facts->event != EVENT_NONE)
		add(f, "MESSAGE_ID=%s\n",
		    event_message((enum event)facts->event));
	if (facts->state[0])
		add(f, "TEREDO_STATE=%s\n", facts->state);
	if (facts->reason[0])
		add(f, "TEREDO_REASON=%s\n", facts->reason);
	if (!ip6_equal(&facts->address, &none))
		add(f, "TEREDO_ADDRESS=%s\n", ip6_text(&facts->address));
	if (facts->server)
		add(f, "TEREDO_SERVER=%s\n", ip4_text(facts->server));
}

int journald_send(int fd, const char *ident, int severity, const char *text,
		  const struct event_facts *facts)
{
	struct fields f = {0};

	add(&f, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\n", severity, ident);
	if (facts)
		add_facts(&f, facts);
	add_message(&f, text);
	return send(fd, f.text, f.n, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
