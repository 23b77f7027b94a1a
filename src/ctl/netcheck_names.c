/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking up names, and asking name servers; see netcheck.h. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/ratelim.h"
#include "../sys/udp.h"
#include "netcheck.h"

enum {
	DNS_PORT = 53,
	DNS_TRIES = 4,
	DNS_WAIT_MS = 700,
	DNS_QUERY = 17, /* 1035 §4.1: header, the root, type, class */
	DNS_ANSWER_MIN = 12,
	DNS_IS_ANSWER = 0x80
};

/* What a child says. */
struct found {
	enum lookup_state state;
	uint32_t ip;
};

static uint32_t ip_of(const struct addrinfo *a)
{
	const struct sockaddr_in *in = (const void *)a->ai_addr;

	return ntohl(in->sin_addr.s_addr);
}

/* The first address that could be a server's, else the first. */
static struct found look_up(const char *host, const struct gate *gate)
{
	const struct addrinfo hints = {.ai_family = AF_INET,
				       .ai_socktype = SOCK_DGRAM};
	struct found f = {LOOKUP_FAILED, 0};
	struct addrinfo *all, *a;
	int r = getaddrinfo(host, NULL, &hints, &all);

	if (r == EAI_NONAME || r == EAI_NODATA)
		f.state = LOOKUP_NOT_FOUND;
	if (r)
		return f;
	f.state = LOOKUP_FOUND;
	f.ip = ip_of(all);
	for (a = all; a; a = a->ai_next) {
		const struct tuple at = {ip_of(a), TEREDO_PORT};

		if (gate_target(gate, at) == REASON_NONE) {
			f.ip = at.ip;
			break;
		}
	}
	freeaddrinfo(all);
	return f;
}

static _Noreturn void child(const char *host, const struct gate *gate, int fd)
{
	struct found f = look_up(host, gate);

	_exit(write(fd, &f, sizeof(f)) != (ssize_t)sizeof(f));
}

void lookup_start(struct lookup *l, const struct gate *gate)
{
	int ends[2];

	l->fd = -1;
	if (value_ip4(&l->ip, l->host)) {
		l->state = LOOKUP_FOUND;
		return;
	}
	l->state = LOOKUP_FAILED;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	l->pid = fork();
	if (l->pid == 0)
		child(l->host, gate, ends[1]);
	close(ends[1]);
	l->fd = ends[0];
	if (l->pid > 0)
		l->state = LOOKUP_WAITING;
	else
		lookup_end(l);
}

void lookup_end(struct lookup *l)
{
	if (l->state == LOOKUP_WAITING)
		l->state = LOOKUP_FAILED;
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, 0);
	}
	if (l->fd >= 0)
		close(l->fd);
	l->pid = 0;
	l->fd = -1;
}

void lookup_read(struct lookup *l)
{
	struct found f;

	if (read(l->fd, &f, sizeof(f)) == (ssize_t)sizeof(f)) {
		l->state = f.state;
		l->ip = f.ip;
	}
	lookup_end(l);
}

/* --- name servers --- */

/* Loopback, or on a network of ours: what it answers says nothing about the way
 * out. */
static bool is_near(const struct self *self, uint32_t ip)
{
	if (ip >> 24 == 127 || ip == 0)
		return true;
	for (unsigned i = 0; i < self->n_ip4; i++) {
		const struct ip4_prefix net = {self->ip4[i].ip,
					       self->ip4[i].len};

		if (net.len > 0 && ip4_in(ip, &net))
			return true;
	}
	return false;
}

static void dns_add(struct dns *d, const char *text, const struct self *self)
{
	uint32_t ip;

	if (d->n == DNS_MAX || !value_ip4(&ip, text) || is_near(self, ip))
		return;
	d->v[d->n].ip = ip;
	if (getrandom(&d->v[d->n].id, sizeof(d->v[0].id), 0) > 0)
		d->n++;
}

static void dns_configured(struct dns *d, const struct self *self)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	char line[256], ip[64];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "nameserver %63s", ip) == 1)
			dns_add(d, ip, self);
	}
	if (file)
		fclose(file);
}

void dns_find(struct dns *d, const char *given, const struct self *self)
{
	*d = (struct dns){.fd = -1, .due = UINT64_MAX};
	if (given)
		dns_add(d, given, self);
	else
		dns_configured(d, self);
	if (d->n)
		d->fd = udp_open(0, 0, false);
	if (d->fd >= 0)
		d->due = 0;
}

/* Which name servers has the root? All know it. */
static void dns_ask(const struct dns *d, unsigned i)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(DNS_PORT),
				       .sin_addr.s_addr = htonl(d->v[i].ip)};
	uint8_t query[DNS_QUERY] = {
		[2] = 1 /* recursion */, [5] = 1, [14] = 2 /* NS */, [16] = 1};

	put16(query, d->v[i].id);
	if (sendto(d->fd, query, sizeof(query), 0, (const void *)&to,
		   sizeof(to)) < 0)
		return; /* it is silent, then */
}

void dns_timeout(struct dns *d, uint64_t now)
{
	if (now < d->due)
		return;
	for (unsigned i = 0; i < d->n; i++) {
		if (!d->v[i].answered)
			dns_ask(d, i);
	}
	d->tries++;
	d->due = d->tries == DNS_TRIES ? UINT64_MAX
				       : now + DNS_WAIT_MS * NS_PER_MS;
}

bool dns_read(struct dns *d)
{
	uint8_t p[512];
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(d->fd, p, sizeof(p), 0, (struct sockaddr *)&from,
			     &len);

	for (unsigned i = 0; i < d->n && n >= DNS_ANSWER_MIN; i++) {
		if (d->v[i].ip == ntohl(from.sin_addr.s_addr) &&
		    ntohs(from.sin_port) == DNS_PORT && be16(p) == d->v[i].id &&
		    p[2] & DNS_IS_ANSWER) {
			d->v[i].answered = true;
			return true;
		}
	}
	return false;
}
