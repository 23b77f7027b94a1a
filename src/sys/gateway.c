/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See gateway.h. PCP and NAT-PMP are asked by a socket that is bound to
 * nothing; one with a mark was made while somebody could, and serves for all
 * questions. So where from, and by which link, is said with each datagram. Of
 * what comes, only the router's counts (6887 §8.3, 6886 §3.1), and ICMP errors,
 * which tell at once that nobody is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "descriptors.h"
#include "gateway.h"
#include "lanes.h"
#include "preflight.h"
#include "upnp.h"

/* 6886 §3.1; as soon as that only once. */
static const unsigned again_ms[] = {250, 500, 1000, GATEWAY_WAITS_MS};

int gateway_socket(uint32_t mark)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	/* Without it we would wait where an error has come. */
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	if (!mark ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0)
		return fd;
	close(fd);
	return -errno;
}

/* One without a mark, that hears nothing but what comes to our address. */
static int own_socket(uint32_t local)
{
	const struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(local),
	};
	int fd = gateway_socket(0);

	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&here, sizeof(here)) == 0)
		return fd;
	close(fd);
	return -1;
}

static struct sockaddr_in router_of(const struct gateway_task *t)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(PCP_PORT),
		.sin_addr.s_addr = htonl(t->job.lease.gateway),
	};
}

static int send_from(const struct gateway_task *t, const void *data, size_t n)
{
	struct sockaddr_in to = router_of(t);
	struct iovec iov = {.iov_len = n};
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
	struct in_pktinfo info = {
		.ipi_ifindex = (int)t->oif,
		.ipi_spec_dst.s_addr = htonl(t->job.lease.local.ip),
	};
	struct msghdr m = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	memcpy(&iov.iov_base, &data, sizeof(data)); /* it is only read */
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return sendmsg(t->udp, &m, 0) < 0 ? -errno : 0;
}

/* How many bytes; 0: not from there, -errno: an error of ICMP. */
static ssize_t receive(const struct gateway_task *t, uint8_t *in, size_t space)
{
	struct sockaddr_in router = router_of(t), from = {0};
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(t->udp, in, space, MSG_DONTWAIT,
			     (struct sockaddr *)&from, &len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return from.sin_addr.s_addr == router.sin_addr.s_addr &&
			       from.sin_port == router.sin_port
		       ? n
		       : 0;
}

/* A question of n bytes, and what makes sense of answers. */
struct question {
	uint8_t data[PCP_MAP_SIZE];
	size_t n;
	enum portmap_why (*read)(const uint8_t *in, size_t n,
				 const struct pcp_question *q,
				 struct portmap_result *r);
};

static int ms_until(uint64_t until)
{
	uint64_t now = clock_now();

	return until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
}

/* ASKING: nothing has come until then. */
static enum portmap_why wait_for(const struct gateway_task *t,
				 const struct question *q,
				 const struct pcp_question *what,
				 struct portmap_result *r, uint64_t until)
{
	struct pollfd p = {.fd = t->udp, .events = POLLIN};
	uint8_t in[PCP_MAX + 4];
	enum portmap_why why = PORTMAP_ASKING;
	int ms;

	while (why == PORTMAP_ASKING && (ms = ms_until(until)) > 0) {
		ssize_t n =
			poll(&p, 1, ms) > 0 ? receive(t, in, sizeof(in)) : 0;

		if (n < 0)
			return PORTMAP_SILENT;
		if (n > 0)
			why = q->read(in, (size_t)n, what, r);
	}
	return why;
}

static enum portmap_why ask(const struct gateway_task *t,
			    const struct question *q,
			    const struct pcp_question *what,
			    struct portmap_result *r)
{
	uint64_t began = clock_now(), wait = 0;
	uint8_t old[PCP_MAX];

	while (recv(t->udp, old, sizeof(old), MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EINTR))
		;
	for (size_t i = 0; i < sizeof(again_ms) / sizeof(again_ms[0]); i++) {
		enum portmap_why why;

		if (send_from(t, q->data, q->n))
			return PORTMAP_SILENT;
		wait += again_ms[i];
		if (wait > GATEWAY_WAITS_MS)
			wait = GATEWAY_WAITS_MS;
		why = wait_for(t, q, what, r, began + wait * NS_PER_MS);
		if (why != PORTMAP_ASKING)
			return why;
	}
	return PORTMAP_SILENT;
}

static enum portmap_why read_address(const uint8_t *in, size_t n,
				     const struct pcp_question *q,
				     struct portmap_result *r)
{
	(void)q;
	return natpmp_address(in, n, r);
}

static enum portmap_why ask_pcp(const struct gateway_task *t,
				const struct pcp_question *what,
				struct portmap_result *r)
{
	struct question q = {.n = PCP_MAP_SIZE, .read = pcp_answer};

	pcp_ask(q.data, what);
	return ask(t, &q, what, r);
}

/* The address is of no use to who takes a mapping away. */
static enum portmap_why ask_natpmp(const struct gateway_task *t,
				   const struct pcp_question *what,
				   struct portmap_result *r)
{
	struct question address = {.n = NATPMP_ADDRESS, .read = read_address},
			map = {.n = NATPMP_MAP, .read = natpmp_answer};
	enum portmap_why why = PORTMAP_OK;

	natpmp_ask_address(address.data);
	natpmp_ask(map.data, what);
	if (!t->job.is_end)
		why = ask(t, &address, what, r);
	return why == PORTMAP_OK ? ask(t, &map, what, r) : why;
}

/* The library lets the kernel choose: it must choose what we mean. */
static bool is_by_our_link(const struct portmap_lease *l)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(PCP_PORT),
		.sin_addr.s_addr = htonl(l->gateway),
	};
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is = fd >= 0 &&
		  connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
		  getsockname(fd, (struct sockaddr *)&from, &len) == 0 &&
		  from.sin_addr.s_addr == htonl(l->local.ip);

	if (fd >= 0)
		close(fd);
	return is;
}

static void begins(int out)
{
	const struct gateway_end end = {.why = PORTMAP_ASKING};

	/* If nobody hears it, nobody waits for the end. */
	if (write(out, &end, sizeof(end)) != sizeof(end))
		_exit(1);
}

static enum portmap_why answer_to(const struct gateway_task *t,
				  struct portmap_result *r, int out)
{
	const struct portmap_lease *l = &t->job.lease;
	struct pcp_question q = {
		.local = l->local,
		.external = l->external,
		.lifetime_s = t->job.lifetime_s,
	};

	memcpy(q.nonce, t->nonce, sizeof(q.nonce));
	switch ((enum portmap_method)l->method) {
	case PORTMAP_PCP:
		return ask_pcp(t, &q, r);
	case PORTMAP_NATPMP:
		return ask_natpmp(t, &q, r);
	case PORTMAP_UPNP:
		if (!is_by_our_link(l))
			return PORTMAP_NO_GATEWAY;
		return upnp_do(&t->job, r, begins, out);
	case PORTMAP_NONE:
	case PORTMAP_METHODS:
		break;
	}
	return PORTMAP_FAILED;
}

static void bound(void)
{
	const struct rlimit memory = {GATEWAY_MEMORY, GATEWAY_MEMORY};
	sigset_t none;

	if (!SANITIZED)
		setrlimit(RLIMIT_DATA, &memory);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(GATEWAY_GIVES_UP_S);
}

static _Noreturn void run(const struct gateway_task *t, int out)
{
	const int keep[] = {t->udp, out};
	struct gateway_task own = *t;
	struct gateway_end end = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "miredo-gateway");
	descriptors_keep(keep, 2);
	bound();
	calls_confine(CALLS_GATEWAY);
	if (own.udp < 0)
		own.udp = own_socket(t->job.lease.local.ip);
	end.why = own.udp < 0 ? PORTMAP_FAILED
			      : answer_to(&own, &end.result, out);
	_exit(write(out, &end, sizeof(end)) == sizeof(end) ? 0 : 1);
}

pid_t gateway_start(const struct gateway_task *t, int *out)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		run(t, fd[1]);
	close(fd[1]);
	if (pid < 0)
		close(fd[0]);
	*out = pid < 0 ? -1 : fd[0];
	return pid;
}

bool gateway_read(int fd, struct gateway_end *end)
{
	return read(fd, end, sizeof(*end)) == sizeof(*end) &&
	       end->why < PORTMAP_WHYS;
}
