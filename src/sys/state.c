/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of what is remembered (see state.h). What a name means that is not
 * known here, a newer version knows: it is passed over; and so is the remark
 * that fills the rest.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/qualify.h"
#include "log.h"
#include "preflight.h"
#include "state.h"
#include "value.h"

enum {
	STATE_MAX = 4096, /* bytes of a file */
};

static bool read_port(struct state *s, const char *value)
{
	uint32_t n;

	if (!value_number(&n, value, 1, 65535))
		return false;
	s->port = (uint16_t)n;
	return true;
}

static bool read_flags(struct state *s, const char *value)
{
	size_t n = strspn(value, "0123456789abcdefABCDEF");
	unsigned long flags;

	if (n == 0 || n > 4 || value[n])
		return false;
	flags = strtoul(value, NULL, 16);
	if (flags & ~(unsigned long)FLAGS_RANDOM)
		return false;
	s->flags = (uint16_t)flags;
	s->has_flags = true;
	return true;
}

/* Address and port. */
static bool read_tuple(struct tuple *t, const char *value)
{
	const char *colon = strchr(value, ':');
	char ip[16];
	uint32_t port;

	if (!colon || (size_t)(colon - value) >= sizeof(ip))
		return false;
	memcpy(ip, value, (size_t)(colon - value));
	ip[colon - value] = '\0';
	if (!value_ip4(&t->ip, ip) || !value_number(&port, colon + 1, 1, 65535))
		return false;
	t->port = (uint16_t)port;
	return true;
}

static bool read_mapped(struct state *s, const char *value)
{
	return read_tuple(&s->mapped, value);
}

static bool read_router(struct state *s, const char *value)
{
	return value_ip4(&s->lease.gateway, value);
}

static bool read_method(struct state *s, const char *value)
{
	for (int i = PORTMAP_PCP; i < PORTMAP_METHODS; i++) {
		if (strcmp(portmap_method_name((enum portmap_method)i),
			   value) == 0)
			s->lease.method = (uint8_t)i;
	}
	return s->lease.method != PORTMAP_NONE;
}

static bool read_forwards(struct state *s, const char *value)
{
	return read_tuple(&s->lease.external, value);
}

static bool read_forwards_to(struct state *s, const char *value)
{
	return read_tuple(&s->lease.local, value);
}

static bool read_nonce(struct state *s, const char *value)
{
	size_t n = 2 * sizeof(s->nonce);

	if (strlen(value) != n || strspn(value, "0123456789abcdef") != n)
		return false;
	for (size_t i = 0; i < sizeof(s->nonce); i++) {
		const char two[3] = {value[2 * i], value[2 * i + 1]};

		s->nonce[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return true;
}

static bool read_server(struct state *s, const char *value)
{
	return value_ip4(&s->server, value);
}

static bool read_host(struct state *s, const char *value)
{
	return value_host(s->host, value);
}

static const struct {
	const char *name;
	bool (*read)(struct state *s, const char *value);
} fields[] = {
	{"port", read_port},
	{"flags", read_flags},
	{"mapped", read_mapped},
	{"server", read_server},
	{"host", read_host},
	{"router", read_router},
	{"method", read_method},
	{"forwards", read_forwards},
	{"forwards-to", read_forwards_to},
	{"nonce", read_nonce},
};

static bool read_line(struct state *s, char *line)
{
	char *value = strchr(line, ' ');

	if (!value)
		return false;
	*value++ = '\0';
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(line, fields[i].name) == 0)
			return fields[i].read(s, value);
	}
	return true;
}

/* An empty file is one that was made, and never written to. */
bool state_parse(struct state *s, char *text, size_t n)
{
	char *line, *rest = text;

	*s = (struct state){0};
	if (n == 0 || memchr(text, '\0', n) || text[n - 1] != '\n')
		return false;
	while ((line = strsep(&rest, "\n")) && rest) {
		if (!read_line(s, line))
			return false;
	}
	/* Half of a lease is none. */
	if (!s->lease.gateway || !s->lease.method)
		s->lease = (struct portmap_lease){0};
	if (!s->lease.local.port)
		s->lease.external = (struct tuple){0};
	return s->port != 0;
}

static ssize_t read_all(int fd, char *buf, size_t space)
{
	size_t n = 0;
	ssize_t r;

	do {
		r = read(fd, buf + n, space - n);
		if (r < 0)
			return -errno;
		n += (size_t)r;
	} while (r > 0 && n < space);
	return (ssize_t)n;
}

/* NULL, or what is wrong. Never waits, whatever lies there. */
static const char *read_file(struct state *s, int fd)
{
	static char text[STATE_MAX + 1];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	n = read_all(fd, text, STATE_MAX);
	if (n < 0)
		return strerror((int)-n);
	text[n] = '\0';
	if (n == 0)
		return NULL; /* made, and never written to */
	if (n == STATE_MAX || !state_parse(s, text, (size_t)n))
		return "damaged";
	return NULL;
}

void state_path(char *path, size_t space, const char *dir, const char *iface)
{
	snprintf(path, space, "%s/%s.state", dir, iface);
}

void state_read(struct state *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const char *wrong;

	*s = (struct state){0};
	if (fd < 0 && errno == ENOENT)
		return;
	wrong = fd < 0 ? strerror(errno) : read_file(s, fd);
	if (fd >= 0)
		close(fd);
	if (!wrong)
		return;
	*s = (struct state){0};
	log_warning("cannot use %s: %s\n"
		    "  starting with a new port, so the address may change",
		    path, wrong);
}

static bool has_nonce(const struct state *s)
{
	static const uint8_t none[PCP_NONCE];

	return memcmp(s->nonce, none, sizeof(none)) != 0;
}

void state_print(char text[static STATE_TEXT], const struct state *s)
{
	size_t at = 0;

#define LINE(...)                                                              \
	at += (size_t)snprintf(text + at, STATE_TEXT - at, __VA_ARGS__)
	LINE("port %u\n", s->port);
	if (s->has_flags)
		LINE("flags %04x\n", s->flags);
	if (s->mapped.port)
		LINE("mapped %s:%u\n", ip4_text(s->mapped.ip), s->mapped.port);
	if (s->server)
		LINE("server %s\n", ip4_text(s->server));
	if (s->host[0])
		LINE("host %s\n", s->host);
	if (s->lease.method && s->lease.method < PORTMAP_METHODS)
		LINE("router %s\nmethod %s\n", ip4_text(s->lease.gateway),
		     portmap_method_name((enum portmap_method)s->lease.method));
	if (s->lease.external.port)
		LINE("forwards %s:%u\nforwards-to %s:%u\n",
		     ip4_text(s->lease.external.ip), s->lease.external.port,
		     ip4_text(s->lease.local.ip), s->lease.local.port);
	if (has_nonce(s))
		LINE("nonce");
	for (size_t i = 0; has_nonce(s) && i < sizeof(s->nonce); i++)
		LINE("%s%02x%s", i ? "" : " ", s->nonce[i],
		     i + 1 < sizeof(s->nonce) ? "" : "\n");
	LINE("# what the client remembers for its next run");
#undef LINE
	memset(text + at, ' ', STATE_TEXT - 1 - at);
	text[STATE_TEXT - 1] = '\n';
}

/* Somebody who may write to its directory may have put anything there. */
static int check(int fd, uid_t user)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    (st.st_uid != geteuid() && st.st_uid != user))
		return -EPERM;
	/* No older version has written that much. */
	if (st.st_size > STATE_TEXT && ftruncate(fd, STATE_TEXT) < 0)
		return -errno;
	return 0;
}

int state_open(const char *path, uid_t user)
{
	int fd = open(path,
		      O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		      0644);
	int r;

	if (fd < 0)
		return -errno;
	r = check(fd, user);
	if (!r)
		return fd;
	close(fd);
	return r;
}

int state_write(const struct state *s, int fd)
{
	char text[STATE_TEXT];
	ssize_t n;

	static_assert(STATE_TEXT > 250 + HOST_SPACE, "all lines fit");
	state_print(text, s);
	n = pwrite(fd, text, sizeof(text), 0);
	if (n != sizeof(text))
		return n < 0 ? -errno : -ENOSPC;
	return fsync(fd) < 0 ? -errno : 0;
}
