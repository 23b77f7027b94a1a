/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets and the way out; see netcheck.h. */
#include <time.h> /* before the kernel's errqueue.h, which needs it */

#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../sys/self.h"
#include "../sys/udp.h"
#include "../sys/way.h"
#include "netcheck.h"

enum {
	AT_ONCE = 64 /* datagrams, before time is looked at again */
};

/* --- the way out --- */

/* What VPNs are made of. PPP is none of them: it may be the line itself. */
static bool is_tunnel(const char *iface)
{
	char path[64];
	int type = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/type", iface);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%d", &type) != 1)
		type = 0;
	fclose(file);
	return type == ARPHRD_NONE || type == ARPHRD_TUNNEL ||
	       type == ARPHRD_IPGRE || type == ARPHRD_SIT;
}

/* The interface of the first default route of the main table. */
static bool default_route(char iface[static IF_NAMESIZE])
{
	FILE *file = fopen("/proc/net/route", "re");
	unsigned dst, gateway, flags, refs, used, metric, mask;
	unsigned best = UINT32_MAX;
	char line[256], name[IF_NAMESIZE];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%15s %x %x %x %u %u %u %x", name, &dst,
			   &gateway, &flags, &refs, &used, &metric,
			   &mask) != 8 ||
		    dst != 0 || mask != 0 || metric >= best)
			continue;
		best = metric;
		memcpy(iface, name, sizeof(name));
	}
	if (file)
		fclose(file);
	return best != UINT32_MAX;
}

/* Who has the source, and where the default route leads. */
static void compare(struct path *p, unsigned owner)
{
	char name[IF_NAMESIZE];

	if (owner && if_indextoname(owner, name) &&
	    strcmp(name, p->iface) != 0) {
		p->elsewhere = true;
		memcpy(p->other, name, sizeof(name));
	} else if (default_route(name) && strcmp(name, p->iface) != 0) {
		p->unusual = true;
		memcpy(p->other, name, sizeof(name));
	}
}

int path_find(struct path *p, uint32_t to, const char *iface, uint32_t bind)
{
	struct way_by by = {.source = bind, .oif = if_nametoindex(iface)};
	struct self_watch self;
	struct way_watch watch;
	struct way way;
	int r;

	*p = (struct path){0};
	r = way_open(&watch, 0);
	if (!r) {
		r = way_find(&watch, &by, to, &way);
		way_close(&watch);
	}
	if (r || !way.oif || !if_indextoname(way.oif, p->iface))
		return r;
	p->source = way.source;
	p->is_tunnel = is_tunnel(p->iface);
	r = self_open(&self, TEREDO_PREFIX);
	if (!r) {
		compare(p, self_interface(&self, p->source));
		self_close(&self);
	}
	return r;
}

/* --- sockets --- */

/* ICMP errors come with their datagram, and who said so. */
static void read_errors(enum door door, int fd, struct netcheck *n)
{
	_Alignas(struct cmsghdr) char control[512];
	char data[128] = "";

	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_in to = {0};
		struct iovec iov = {data, sizeof(data)};
		struct msghdr m = {.msg_name = &to,
				   .msg_namelen = sizeof(to),
				   .msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};

		if (recvmsg(fd, &m, MSG_ERRQUEUE) < 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c;
		     c = CMSG_NXTHDR(&m, c)) {
			struct sock_extended_err *e = (void *)CMSG_DATA(c);
			const struct sockaddr_in *by =
				(const void *)SO_EE_OFFENDER(e);

			if (c->cmsg_level != IPPROTO_IP ||
			    c->cmsg_type != IP_RECVERR ||
			    e->ee_origin != SO_EE_ORIGIN_ICMP ||
			    e->ee_type != ICMP_DEST_UNREACH)
				continue;
			netcheck_icmp(n, door,
				      (struct tuple){ntohl(to.sin_addr.s_addr),
						     ntohs(to.sin_port)},
				      e->ee_code, ntohl(by->sin_addr.s_addr));
		}
	}
}

/* An error of an earlier datagram may come first. */
static int send_one(int fd, enum door door, const struct out *o,
		    struct netcheck *n)
{
	int r = 0;

	for (int i = 0; i < 3; i++) {
		r = out_send(fd, o);
		if (!r)
			return 0;
		read_errors(door, fd, n);
	}
	return r;
}

void doors_flush(const int fd[DOORS], struct outbox *out, struct netcheck *n)
{
	for (unsigned i = 0; i < out->n; i++) {
		const struct out *o = &out->v[i];

		switch (send_one(fd[o->door], o->door, o, n)) {
		case -ENETUNREACH:
		case -EHOSTUNREACH:
		case -EADDRNOTAVAIL:
		case -ENETDOWN:
			netcheck_no_route(n);
			break;
		case -EPERM:
		case -EACCES:
			netcheck_refused(n);
			break;
		default:
			break;
		}
	}
	outbox_clear(out);
}

void door_read(enum door door, const int fd[DOORS], struct outbox *out,
	       struct netcheck *n)
{
	uint8_t data[PACKET_SPACE];

	read_errors(door, fd[door], n);
	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_in from = {0};
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd[door], data, sizeof(data), MSG_TRUNC,
				       (struct sockaddr *)&from, &len);
		struct datagram d = {.door = door, .data = data};

		if (got < 0)
			return;
		if (got > (ssize_t)sizeof(data))
			got = 0; /* no Teredo packet is so long */
		d.len = (uint16_t)got;
		d.from.ip = ntohl(from.sin_addr.s_addr);
		d.from.port = ntohs(from.sin_port);
		netcheck_input(n, &d, check_clock(), out);
		doors_flush(fd, out, n);
	}
}
