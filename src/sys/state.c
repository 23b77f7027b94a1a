/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of what is remembered (see state.h). A new file is written beside
 * the old one and takes its place when it is safely on the disk. What a name
 * means that is not known here, a newer version knows: it is passed over.
 */
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
	STATE_PATH = 1100,
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

static bool read_mapped(struct state *s, const char *value)
{
	const char *colon = strchr(value, ':');
	char ip[16];
	uint32_t port;

	if (!colon || (size_t)(colon - value) >= sizeof(ip))
		return false;
	memcpy(ip, value, (size_t)(colon - value));
	ip[colon - value] = '\0';
	if (!value_ip4(&s->mapped.ip, ip) ||
	    !value_number(&port, colon + 1, 1, 65535))
		return false;
	s->mapped.port = (uint16_t)port;
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
	{"port", read_port},     {"flags", read_flags}, {"mapped", read_mapped},
	{"server", read_server}, {"host", read_host},
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

/* An empty file is what a full disk leaves of others. */
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

size_t state_print(char text[static STATE_TEXT], const struct state *s)
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
#undef LINE
	return at;
}

static int print(int fd, const struct state *s)
{
	char text[STATE_TEXT];
	size_t n = state_print(text, s);

	if (write(fd, text, n) != (ssize_t)n)
		return errno ? -errno : -ENOSPC;
	return fsync(fd) < 0 ? -errno : 0;
}

/* The name of a file is on the disk when its directory is. */
static void sync_directory(const char *path)
{
	char dir[STATE_PATH];
	char *slash;
	int fd;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash)
		return;
	slash[slash == dir] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

int state_write(const struct state *s, const char *path)
{
	char new[STATE_PATH];
	int fd, r;

	if ((size_t)snprintf(new, sizeof(new), "%s.new", path) >= sizeof(new))
		return -ENAMETOOLONG;
	/* What a crash left: whatever it is, it is not written through. */
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	errno = 0;
	r = print(fd, s);
	if (close(fd) < 0 && !r)
		r = -errno;
	if (!r && rename(new, path) < 0)
		r = -errno;
	if (r)
		unlink(new);
	else
		sync_directory(path);
	return r;
}
