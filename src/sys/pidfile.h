/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PID file. A held lock, not the number in it, tells whether its writer is
 * alive, so a file that was left behind is in nobody's way.
 */
#ifndef SYS_PIDFILE_H
#define SYS_PIDFILE_H

struct pidfile {
	int fd; /* -1 = there is none; its lock passes to children */
	char *path;
};

/*
 * Create or take over a file, lock and empty it. path may be NULL: no file.
 * Dies if it cannot, naming the process that holds it.
 */
void pidfile_take(struct pidfile *p, const char *path);

/*
 * In the child that opens sockets and devices, before that. When a process is
 * killed the kernel closes what is open from the highest number down, so the
 * lock gets a low one: it is free when the others are.
 */
void pidfile_inherit(struct pidfile *p);

/* Write our number to it: the daemon is ready. */
void pidfile_write(const struct pidfile *p);

/* Where it is, to be closed; -1 if there is none. */
int pidfile_directory(const struct pidfile *p);

void pidfile_remove(struct pidfile *p);

#endif
