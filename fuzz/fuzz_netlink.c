/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel tells by its routing socket, in any shape: addresses, links,
 * routes, rules and events. Sockets are none here; the linker puts functions of
 * this file in their place. The first byte of the input is the question, then
 * come messages: type, how to bend, length, payload. When they are used up, the
 * kernel has said all.
 */
#include "fuzz.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "item.h"
#include "log.h"
#include "self.h"
#include "way.h"

enum {
	FD = 1000,
	PORT = 77,
	TUN = 5,
	QUESTIONS = 64,
	MESSAGES = 8 /* in one datagram */
};

static struct script script;
static uint32_t seq;   /* of the last request */
static bool is_events; /* recv() is about events */
static bool was_read;  /* an answer: so we are in the kernel's place */
static struct self_watch watch;
static struct way_watch way_watch;
static struct self self;

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags);
int __wrap_mnl_socket_bind(struct mnl_socket *nl, unsigned groups, pid_t pid);
unsigned __wrap_mnl_socket_get_portid(const struct mnl_socket *nl);
int __wrap_mnl_socket_get_fd(const struct mnl_socket *nl);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *req,
				 size_t n);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t space, int flags,
			struct sockaddr *from, socklen_t *len);
ssize_t __wrap_recv(int fd, void *buf, size_t space, int flags);

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	static char any;

	WANT(bus == NETLINK_ROUTE && flags == SOCK_CLOEXEC);
	return (void *)&any;
}

int __wrap_mnl_socket_bind(struct mnl_socket *nl, unsigned groups, pid_t pid)
{
	(void)nl;
	(void)groups;
	(void)pid;
	return 0;
}

unsigned __wrap_mnl_socket_get_portid(const struct mnl_socket *nl)
{
	(void)nl;
	return PORT;
}

int __wrap_mnl_socket_get_fd(const struct mnl_socket *nl)
{
	(void)nl;
	return FD;
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *req,
				 size_t n)
{
	const struct nlmsghdr *h = req;

	(void)nl;
	WANT(n == h->nlmsg_len && h->nlmsg_flags & NLM_F_REQUEST);
	seq = h->nlmsg_seq;
	return (ssize_t)n;
}

/* --- the kernel's words --- */

/*
 * One message; *more: not if it claims to end elsewhere. (libmnl takes lengths
 * beyond 2^31 for small ones, so headers lie where they ought to.)
 */
static size_t put_message(uint8_t *p, bool *more)
{
	static const uint16_t types[] = {
		RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWRULE, RTM_NEWLINK,
		RTM_DELADDR, RTM_DELROUTE, RTM_DELRULE, RTM_DELLINK,
		NLMSG_ERROR, NLMSG_DONE,   NLMSG_NOOP,  RTM_NEWNEIGH,
	};
	uint8_t type = script_u8(&script), how = script_u8(&script);
	size_t n = script_u8(&script);
	struct nlmsghdr h = {
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + n),
		.nlmsg_type = types[type % 12],
		.nlmsg_flags = how & 0xf ? NLM_F_MULTI : 0,
		.nlmsg_seq = is_events ? 0 : seq,
		.nlmsg_pid = is_events ? 0 : PORT,
	};

	if (how & 0x10)
		h.nlmsg_flags |= NLM_F_DUMP_INTR;
	if (how & 0x40)
		h.nlmsg_pid = script_u8(&script);
	*more = !(how & 0x20);
	if (!*more)
		h.nlmsg_len = how & 0x80 ? NLMSG_HDRLEN - 1 : h.nlmsg_len + 99;
	memcpy(p, &h, sizeof(h));
	for (size_t i = 0; i < n; i++)
		p[NLMSG_HDRLEN + i] = script_u8(&script);
	if (h.nlmsg_type == NLMSG_ERROR) { /* the kernel has 4095 of them */
		int error = -(p[NLMSG_HDRLEN] << 4 | how >> 4);

		memcpy(p + NLMSG_HDRLEN, &error, sizeof(error));
	}
	return NLMSG_HDRLEN + NLMSG_ALIGN(n);
}

static ssize_t put_end(uint8_t *p)
{
	const struct nlmsghdr h = {.nlmsg_len = NLMSG_LENGTH(4),
				   .nlmsg_type = NLMSG_DONE,
				   .nlmsg_flags = NLM_F_MULTI,
				   .nlmsg_seq = seq,
				   .nlmsg_pid = PORT};

	memcpy(p, &h, sizeof(h));
	memset(p + NLMSG_HDRLEN, 0, 4);
	return NLMSG_LENGTH(4);
}

static ssize_t put_messages(uint8_t *p, size_t space)
{
	uint8_t count = 1 + script_u8(&script) % MESSAGES;
	bool more = true;
	size_t n = 0;

	WANT(space >= MESSAGES * (NLMSG_HDRLEN + 256));
	memset(p, 0, MESSAGES * (NLMSG_HDRLEN + 256));
	while (count-- && script.n && more)
		n += put_message(p + n, &more);
	return (ssize_t)n;
}

/* Of the kernel, or of another process (0xfe), or longer than its place. */
ssize_t __wrap_recvfrom(int fd, void *buf, size_t space, int flags,
			struct sockaddr *from, socklen_t *len)
{
	struct sockaddr_nl who = {.nl_family = AF_NETLINK};

	WANT(fd == FD && flags == MSG_TRUNC && *len == sizeof(who));
	was_read = true;
	if (script.n && *script.p == 0xfe)
		who.nl_pid = script_u8(&script);
	memcpy(from, &who, sizeof(who));
	if (script.n && *script.p == 0xfd) {
		script_u8(&script);
		return (ssize_t)space + 1;
	}
	return script.n ? put_messages(buf, space) : put_end(buf);
}

ssize_t __wrap_recv(int fd, void *buf, size_t space, int flags)
{
	WANT(fd == FD && flags == MSG_DONTWAIT);
	if (is_events && script.n && *script.p == 0xff) {
		script_u8(&script);
		errno = ENOBUFS;
		return -1;
	}
	if (is_events && script.n)
		return put_messages(buf, space);
	errno = EAGAIN;
	return -1;
}

/* --- questions --- */

static void ask_self(void)
{
	struct self before = self;

	if (self_refresh(&watch, &self) < 0) {
		WANT(memcmp(&before, &self, sizeof(self)) == 0);
		return;
	}
	WANT(self.n_ip4 <= SELF_MAX_IP4 && self.n_ip6 <= SELF_MAX_IP6);
	for (unsigned i = 0; i < self.n_ip6; i++)
		WANT(ip6_is_global(&self.ip6[i]) &&
		     !ip6_is_teredo(&self.ip6[i], TEREDO_PREFIX));
	if (self.has_source)
		WANT(ip6_is_global(&self.source) &&
		     !ip6_is_teredo(&self.source, TEREDO_PREFIX));
}

static void on_item(void *arg, const struct item *it)
{
	char text[ITEM_TEXT];

	(void)arg;
	WANT(it->kind <= ITEM_RULE);
	item_text(text, it);
	WANT(item_equal(it, it));
}

static void on_name(void *arg, unsigned ifindex, unsigned flags,
		    const char *name)
{
	(void)arg;
	(void)ifindex;
	(void)flags;
	WANT(strlen(name) < 256); /* the payload of a message here */
}

static void ask_way(void)
{
	const struct way_by by = {.source = script_u8(&script) & 1 ? 1 : 0,
				  .oif = script_u8(&script) & 1};
	struct way way, old = {0};

	if (way_find(&way_watch, &by, 0x09000002, &way) < 0)
		return;
	if (by.source && way.oif)
		WANT(way.source == by.source);
	way_take(&way_watch, &old, &way);
	WANT(!way_take(&way_watch, &old, &way) && way_watch.oif == way.oif);
}

static void ask(uint8_t what)
{
	struct host_link link;
	bool native;

	is_events = false;
	was_read = false;
	switch (what % 9) {
	case 0:
		ask_self();
		break;
	case 1:
		netlink_link(&watch.requests, TUN, &link);
		break;
	case 2:
		item_list(&watch.requests, TUN, on_item, NULL);
		break;
	case 3:
		is_events = true;
		item_events(&watch.events, TUN, &watch.requests);
		break;
	case 4:
		is_events = true;
		way_drain(&way_watch);
		break;
	case 5:
		ask_way();
		break;
	case 6:
		way_native(&way_watch, &native);
		break;
	case 7:
		self_interface(&watch, 0x0b000001);
		break;
	case 8:
		netlink_links(&watch.requests, on_name, NULL);
		break;
	}
	WANT(was_read != is_events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script = (struct script){data, size};
	memset(&self, 0, sizeof(self));
	WANT(self_open(&watch, TEREDO_PREFIX) == 0);
	WANT(way_open(&way_watch, TUN) == 0);
	watch.tun = TUN;
	way_watch.oif = 2;
	watch.is_full = true; /* was said */
	for (int i = 0; script.n && i < QUESTIONS; i++)
		ask(script_u8(&script));
	return 0;
}
