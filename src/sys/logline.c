/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both ends of the way to the log (see logline.h). */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "logline.h"

enum {
	AT_ONCE = 1024, /* datagrams that are looked at for a line */
	TOKEN_BYTES = 128,
};

/* 1 MiB at once, and then 2 KiB a second: 177 MB a day at most. */
static const struct rate rate = {.per_second = 16, .burst = 8192};

int logline_open(int fd[2])
{
	/* One that is full takes more than a hundred lines; datagram sockets
	 * take ten. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		return -errno;
	return 0;
}

int logline_send(int fd, int severity, const char *text,
		 const struct event_facts *facts)
{
	struct logline line = {.severity = (uint8_t)severity};
	size_t n = strnlen(text, LOGLINE_TEXT - 1);

	if (facts)
		line.facts = *facts;
	memcpy(line.text, text, n);
	n += offsetof(struct logline, text);
	if (send(fd, &line, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

/* n: bytes of text, without a NUL. */
static bool may_pass(struct logline_reader *r, size_t n, uint64_t now)
{
	for (size_t at = 0; at < n; at += TOKEN_BYTES) {
		if (!bucket_take(&r->bucket, &rate, now)) {
			r->left_out++;
			return false;
		}
	}
	return true;
}

static void make_harmless(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((text[i] < ' ' || text[i] > '~') && text[i] != '\n')
			text[i] = '?';
	}
	text[n] = '\0';
}

bool logline_receive(int fd, struct logline_reader *r, uint64_t now,
		     struct logline *line)
{
	const size_t most = offsetof(struct logline, text) + LOGLINE_TEXT - 1;

	for (unsigned i = 0; i < AT_ONCE; i++) {
		/* An empty one looks like the end. */
		ssize_t n = recv(fd, line, most, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0)
			return false;
		if ((size_t)n <= offsetof(struct logline, text) ||
		    (size_t)n > most || line->severity < LOG_ERR ||
		    line->severity > LOG_DEBUG || !event_is_valid(&line->facts))
			continue;
		n -= (ssize_t)offsetof(struct logline, text);
		if (!may_pass(r, (size_t)n, now))
			continue;
		make_harmless(line->text, (size_t)n);
		return true;
	}
	return false;
}
