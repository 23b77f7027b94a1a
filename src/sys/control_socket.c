/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: where it is, and whose group may change things. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "log.h"

enum {
	BACKLOG = 64
};

const char *control_path(const struct plan *p)
{
	const char *path = p->conf->control_socket;

	if (strcasecmp(path, "none") == 0)
		return NULL;
	if (path[0])
		return path;
	return p->node.is_server ? "/run/miredo-server/control"
				 : "/run/miredo/control";
}

/* Of the usual place only; an administrator's own is there, or is an error. */
static int make_directory(const char *path)
{
	char dir[CONF_PATH];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	*slash = '\0';
	return mkdir(dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Does anybody listen there? */
static bool is_alive(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = fd >= 0 && (connect(fd, (const void *)a, sizeof(*a)) == 0 ||
			       errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return yes;
}

/* Nobody else may be listening, and it is a socket that we take away. */
static int make_way(const struct sockaddr_un *a)
{
	struct stat st;

	if (lstat(a->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (is_alive(a))
		return -EADDRINUSE;
	return unlink(a->sun_path) < 0 ? -errno : 0;
}

static int listen_at(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0); /* everybody may ask */
	int r = 0;

	if (fd < 0 || bind(fd, (const void *)a, sizeof(*a)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		r = -errno;
	umask(mask);
	if (r && fd >= 0)
		close(fd);
	return r ? r : fd;
}

static int open_at(const char *path, bool is_usual)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int r = 0;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	if (is_usual)
		r = make_directory(path);
	if (!r)
		r = make_way(&a);
	return r ? r : listen_at(&a);
}

static const char *hint(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another daemon is asked there; give this one another "
		       "ControlSocket, or none";
	case EEXIST:
		return "there is a file that is no socket; remove it";
	case ENOENT:
		return "create the directory";
	case ENAMETOOLONG:
		return "a path of at most 107 bytes is possible";
	}
	return "miredoctl cannot ask this daemon";
}

static void note_place(struct control_socket *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[sizeof(s->name)];

	snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
	snprintf(s->name, sizeof(s->name), "%s", slash + 1);
	s->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void control_remove(const struct control_socket *s)
{
	if (s->dir >= 0)
		unlinkat(s->dir, s->name, 0);
}

bool control_listen(struct control_socket *s, const struct plan *p)
{
	const char *path = control_path(p);
	bool is_usual = !p->conf->control_socket[0];
	int fd;

	s->listener = s->dir = -1;
	if (!path)
		return true;
	fd = open_at(path, is_usual);
	if (fd >= 0) {
		s->listener = fd;
		note_place(s, path);
		return true;
	}
	if (!is_usual)
		log_error("cannot listen at %s: %s\n"
			  "  %s",
			  path, strerror(-fd), hint(-fd));
	else
		log_warning("cannot listen at %s: %s\n"
			    "  %s",
			    path, strerror(-fd), hint(-fd));
	return is_usual;
}

void control_group(struct plan *p)
{
	const char *name = p->conf->control_group;
	const struct group *g = name[0] ? getgrnam(name) : NULL;

	if (name[0] && !g)
		die("group \"%s\" of ControlGroup does not exist\n"
		    "  create it:  addgroup --system %s",
		    name, name);
	p->has_group = g != NULL;
	p->group = g ? g->gr_gid : 0;
}
