/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a UDP port: the kernel lists sockets with their inodes, and the
 * descriptors of each process are links to inodes.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portuser.h"

/*
 * The IPv4 address (network order) that a socket of these files is bound to: 8
 * digits, or 32 of an IPv6 one, which takes IPv4 as well if it is bound to any
 * address or to ::ffff:a.b.c.d.
 */
static bool parse_address(uint32_t *ip, const char *digits)
{
	static const char any[] = "00000000000000000000000000000000";
	size_t n = strlen(digits);
	char mapped[25];

	snprintf(mapped, sizeof(mapped), "%016X%08X", 0, htonl(0xffff));
	if (n == 32 && strcmp(digits, any) != 0 &&
	    strncmp(digits, mapped, 24) != 0)
		return false;
	*ip = (uint32_t)strtoul(digits + n - 8, NULL, 16);
	return true;
}

/* Inode of the socket, 0 if there is none. */
static unsigned long find_inode(const char *file, uint32_t ip, uint16_t port)
{
	unsigned long inode = 0;
	char line[256];
	FILE *f = fopen(file, "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned long found;
		char digits[33];
		uint32_t addr;
		unsigned at;

		if (sscanf(line,
			   " %*d: %32[0-9A-F]:%x %*x:%*x %*x %*x:%*x %*x:%*x "
			   "%*x %*d %*d %lu",
			   digits, &at, &found) == 3 &&
		    at == port && parse_address(&addr, digits) &&
		    (addr == 0 || ip == 0 || ntohl(addr) == ip))
			inode = found;
	}
	fclose(f);
	return inode;
}

static bool has_inode(const char *pid, unsigned long inode)
{
	char path[300], want[64], link[64];
	const struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(want, sizeof(want), "socket:[%lu]", inode);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n =
			readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, want) == 0;
	}
	if (d)
		closedir(d);
	return found;
}

static void name_process(char *out, size_t space, const char *pid)
{
	char path[300], name[32] = "process";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
	snprintf(out, space, "%s (process %s)", name, pid);
}

void port_user(char *out, size_t space, uint32_t ip, uint16_t port)
{
	unsigned long inode = find_inode("/proc/net/udp", ip, port);
	const struct dirent *e;
	DIR *d;

	if (!inode)
		inode = find_inode("/proc/net/udp6", ip, port);
	snprintf(out, space, "another process");
	d = inode ? opendir("/proc") : NULL;
	if (!d)
		return;
	while ((e = readdir(d))) {
		if (strspn(e->d_name, "0123456789") == strlen(e->d_name) &&
		    has_inode(e->d_name, inode)) {
			name_process(out, space, e->d_name);
			break;
		}
	}
	closedir(d);
}
