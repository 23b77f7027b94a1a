/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending by real sockets of the loopback interface: into which messages
 * datagrams are bundled, and that the same ones arrive in the same order,
 * whatever the kernel refuses on the way.
 *
 * sendmmsg() and sendmsg() are this file's: they write down what is sent, as
 * "a250/100 b40": 250 bytes to the first peer, to be cut each 100 bytes; 40 to
 * the second. And they fail as they are told to.
 */
#include "build.h"

#include <errno.h>
#include <linux/udp.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/udp.h"

enum {
	LOOPBACK = 0x7f000001,
	PEERS = 20,
	LONGEST = 2048,
};

static struct udp_sender s;
static int fd = -1, peer[PEERS];
static struct tuple to[PEERS];

/* What there is to be sent: actions, and the datagrams that they are. */
static struct out action[OUT_MAX];
static const struct out *list[OUT_MAX];
static unsigned n_actions;
static struct super supers[OUT_MAX];
static void *memory[OUT_MAX]; /* of bodies and super-packets */

static struct {
	unsigned peer;
	uint8_t dscp; /* of an inner packet */
	size_t n;
	uint8_t b[LONGEST];
} want[8192];
static unsigned n_want;

/* --- the kernel --- */

static char sent[1 << 16]; /* the messages */
static unsigned calls;     /* of sendmmsg() */
static uint8_t tcp_words;  /* of the header of super-packets */

static struct {
	int segment; /* errno for messages to be cut; 0 = it can do it */
	int single;  /* for those to this peer that are not */
	unsigned single_peer;
	int full;          /* when it takes no more */
	unsigned takes;    /* messages, before it is full */
	unsigned takes_at; /* once */
	bool interrupted;
} kernel;

static unsigned peer_of(const struct msghdr *h)
{
	const struct sockaddr_in *a = h->msg_name;

	for (unsigned i = 0; i < PEERS; i++) {
		if (to[i].port == ntohs(a->sin_port))
			return i;
	}
	fail_msg("sent to nobody");
	return 0;
}

static const struct cmsghdr *control(struct msghdr *h, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == level && c->cmsg_type == type)
			return c;
	}
	return NULL;
}

static unsigned segment_of(struct msghdr *h)
{
	const struct cmsghdr *c = control(h, IPPROTO_UDP, UDP_SEGMENT);

	return c ? *(const uint16_t *)(const void *)CMSG_DATA(c) : 0;
}

static void write_down(struct msghdr *h)
{
	char *end = sent + strlen(sent);
	size_t bytes = 0;

	for (size_t i = 0; i < h->msg_iovlen; i++)
		bytes += h->msg_iov[i].iov_len;
	end += sprintf(end, "%s%c%zu", *sent ? " " : "",
		       (char)('a' + peer_of(h)), bytes);
	if (segment_of(h))
		sprintf(end, "/%u", segment_of(h));
	assert_in_range(bytes, 1, UDP_PAYLOAD_MAX);
	assert_in_range(s.used, 0, HEADS_BYTES);
	assert_in_range(s.n_iov, 1, PARTS_MAX);
}

/* What is wrong with a message, or 0. */
static int refusal(struct msghdr *h)
{
	if (segment_of(h))
		return kernel.segment;
	return peer_of(h) == kernel.single_peer ? kernel.single : 0;
}

int sendmmsg(int socket, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned i;

	calls++;
	if (kernel.interrupted) {
		kernel.interrupted = false;
		errno = EINTR;
		return -1;
	}
	for (i = 0; i < n && !refusal(&v[i].msg_hdr); i++) {
		if (kernel.full && kernel.takes == 0)
			break;
		kernel.takes -= kernel.full != 0;
		write_down(&v[i].msg_hdr);
		if (sendmsg(socket, &v[i].msg_hdr, flags) < 0)
			return -1;
	}
	if (i > 0)
		return (int)i;
	errno = refusal(&v[0].msg_hdr);
	if (!errno)
		errno = kernel.full;
	return -1;
}

static unsigned singles; /* of sendmsg() calls that are the sender's own */

ssize_t sendmsg(int socket, const struct msghdr *h, int flags)
{
	struct msghdr copy = *h;
	int why = refusal(&copy);

	singles++;
	if (why) {
		errno = why;
		return -1;
	}
	return syscall(SYS_sendmsg, socket, h, flags);
}

/* --- what is sent --- */

static void expect(unsigned whom, const uint8_t *b, size_t n)
{
	assert_in_range(n_want, 0, ARRAY_SIZE(want) - 1);
	want[n_want].peer = whom;
	want[n_want].n = n;
	want[n_want].dscp = n > 1 && b[0] >> 4 == 6
				    ? (uint8_t)((b[0] & 15) << 2 | b[1] >> 6)
				    : 0;
	memcpy(want[n_want++].b, b, n);
}

static struct out *next_action(unsigned whom)
{
	struct out *o = &action[n_actions];

	assert_in_range(n_actions, 0, OUT_MAX - 1);
	list[n_actions++] = o;
	*o = (struct out){.kind = OUT_UDP, .to = to[whom]};
	return o;
}

/* Some bytes, of which the first are a head. */
static void add_in_two(unsigned whom, size_t head, size_t n, uint8_t dscp)
{
	static unsigned stamp;
	uint8_t *b = malloc(n);
	struct out *o;

	assert_non_null(b);
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(stamp + i * 7);
	b[0] = (uint8_t)(0x60 | dscp >> 2);
	if (n > 1)
		b[1] = (uint8_t)(dscp << 6);
	if (n > 4)
		memcpy(b + 2, &stamp, 2);
	stamp++;
	memory[n_actions] = b;
	o = next_action(whom);
	o->head = b;
	o->head_len = (uint16_t)head;
	o->body = b + head;
	o->body_len = (uint16_t)(n - head);
	expect(whom, b, n);
}

static void add(unsigned whom, size_t n)
{
	add_in_two(whom, 0, n, 0);
}

/* A super-packet of that much TCP payload; its header is 60 bytes. */
static void add_super_marked(unsigned whom, uint16_t size, size_t payload,
			     uint8_t dscp)
{
	const struct vnet v = {VNET_NEEDS_CSUM, VNET_TCP6, 0, size, 40, 16};
	size_t head = 40 + 4u * tcp_words;
	uint8_t *b = calloc(1, sizeof(v) + head + payload), segment[LONGEST];
	struct super *p = &supers[n_actions];
	uint8_t *ip = b + sizeof(v);

	assert_non_null(b);
	memcpy(b, &v, sizeof(v));
	wire_put_ip6((void *)ip, (uint16_t)(head - 40 + payload), NEXT_TCP, 64,
		     &native, &client);
	ip[0] |= (uint8_t)(dscp >> 2);
	ip[1] |= (uint8_t)(dscp << 6);
	ip[40 + 12] = (uint8_t)(tcp_words << 4);
	for (size_t i = 0; i < payload; i++)
		ip[head + i] = (uint8_t)(i * 3 + i / 251);
	assert_int_equal(super_parse(p, b, sizeof(v) + head + payload),
			 REASON_NONE);
	memory[n_actions] = b;
	next_action(whom)->super = p;
	for (unsigned i = 0; i < super_count(p); i++)
		expect(whom, segment, super_segment(p, i, segment));
}

static void add_super(unsigned whom, uint16_t size, size_t payload)
{
	add_super_marked(whom, size, payload, 0);
}

static void reset_list(void)
{
	for (unsigned i = 0; i < n_actions; i++) {
		free(memory[i]);
		memory[i] = NULL;
	}
	n_actions = n_want = 0;
}

static void go(void)
{
	*sent = '\0';
	calls = singles = 0;
	udp_send(&s, fd, list, n_actions);
}

/* --- what arrives --- */

static ssize_t receive(unsigned whom, uint8_t *b, int *tos)
{
	uint8_t space[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {b, LONGEST};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = space,
			   .msg_controllen = sizeof(space)};
	ssize_t n = recvmsg(peer[whom], &h, MSG_DONTWAIT);
	const struct cmsghdr *c =
		n < 0 ? NULL : control(&h, IPPROTO_IP, IP_TOS);

	*tos = c ? *CMSG_DATA(c) : -1;
	return n;
}

/* Loopback is fast: what is not there now will never be. */
static void nothing_is_left(void)
{
	uint8_t b[LONGEST];
	int tos;

	for (unsigned i = 0; i < PEERS; i++)
		assert_int_equal(receive(i, b, &tos), -1);
}

/* All of it, to each peer in order, but for the datagrams of one peer. */
static void arrived_but(unsigned lost_peer)
{
	uint8_t b[LONGEST];
	int tos;

	for (unsigned i = 0; i < n_want; i++) {
		if (want[i].peer == lost_peer)
			continue;
		assert_int_equal(receive(want[i].peer, b, &tos), want[i].n);
		assert_memory_equal(b, want[i].b, want[i].n);
		assert_int_equal(tos, s.copy_dscp ? want[i].dscp << 2 : 0);
	}
	nothing_is_left();
}

static void arrived(void)
{
	arrived_but(PEERS);
}

/* Sent so, arrived so, counted so. */
static void sends(const char *messages)
{
	uint64_t datagrams = s.datagrams, refused = s.refused;
	uint64_t before = s.calls;

	go();
	assert_string_equal(sent, messages);
	arrived();
	assert_int_equal(s.datagrams - datagrams, n_want);
	assert_int_equal(s.calls - before, calls);
	assert_int_equal(s.refused, refused);
	reset_list();
}

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	memset(&kernel, 0, sizeof(kernel));
	kernel.single_peer = PEERS;
	tcp_words = 5;
	s.gso = true;
	fd = udp_open(LOOPBACK, 0, false);
	for (unsigned i = 0; i < PEERS; i++) {
		peer[i] = udp_open(LOOPBACK, 0, true);
		if (peer[i] < 0 || udp_local(peer[i], &to[i]))
			return -1;
	}
	return fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	reset_list();
	for (unsigned i = 0; i < PEERS; i++)
		close(peer[i]);
	close(fd);
	return 0;
}

/* --- bundles --- */

static void one_is_no_bundle(void **state)
{
	(void)state;
	sends("");
	add(0, 100);
	sends("a100");
	add(0, 1);
	sends("a1");
	add_in_two(0, 60, 100, 0);
	sends("a100");
	add_in_two(0, 100, 100, 0);
	sends("a100");
}

static void one_length_is_a_bundle(void **state)
{
	(void)state;
	add(0, 100);
	add_in_two(0, 40, 100, 0);
	add_in_two(0, 100, 100, 0);
	sends("a300/100");
	assert_int_equal(calls, 1);
}

static void shorter_ends_it(void **state)
{
	(void)state;
	add(0, 100);
	add(0, 100);
	add(0, 40);
	add(0, 40);
	add(0, 100);
	sends("a240/100 a40 a100");
	add(0, 100);
	add(0, 1);
	sends("a101/100");
}

static void longer_begins_anew(void **state)
{
	(void)state;
	add(0, 100);
	add(0, 101);
	add(0, 101);
	add(0, 100);
	add(0, 100);
	sends("a100 a302/101 a100");
}

static void others_may_come_between(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 9; i++)
		add(i % 3, 100 + i % 3);
	add(0, 50);
	add(1, 200);
	sends("a350/100 b303/101 c306/102 b200");
}

static void long_ago_is_another(void **state)
{
	(void)state;
	add(0, 100);
	for (unsigned i = 1; i < 16; i++)
		add(i, 100);
	add(0, 100);
	sends("a200/100 b100 c100 d100 e100 f100 g100 h100 i100 j100 k100 l100 "
	      "m100 n100 o100 p100");
	add(0, 100);
	for (unsigned i = 1; i < 17; i++)
		add(i, 100);
	add(0, 100);
	add(0, 100);
	sends("a100 b100 c100 d100 e100 f100 g100 h100 i100 j100 k100 l100 "
	      "m100 n100 o100 p100 q100 a200/100");
}

static void no_more_than_64(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++)
		add(0, 20);
	sends("a1280/20");
	for (unsigned i = 0; i < 130; i++)
		add(0, 20);
	sends("a1280/20 a1280/20 a40/20");
}

static void no_more_than_a_datagram_holds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 47; i++)
		add(0, 1400);
	sends("a64400/1400 a1400");
	/* 45 * 1423 + 1472 = 65507, and one too many. */
	for (unsigned i = 0; i < 45; i++)
		add(0, 1423);
	add(0, 1400);
	sends("a65435/1423");
	for (unsigned i = 0; i < 44; i++)
		add(0, 1472);
	add(0, 739);
	sends("a65507/1472");
	for (unsigned i = 0; i < 44; i++)
		add(0, 1472);
	add(0, 740);
	sends("a64768/1472 a740");
}

static void without_gso_each_alone(void **state)
{
	(void)state;
	s.gso = false;
	for (unsigned i = 0; i < 4; i++)
		add(i % 2, 100);
	add_super(0, 100, 250);
	sends("a100 b100 a100 b100 a160 a160 a110");
	assert_int_equal(calls, 1);
}

static void nobody_has_more_than_one_call_for_64(void **state)
{
	(void)state;
	s.gso = false;
	for (unsigned i = 0; i < 65; i++)
		add(0, 100);
	go();
	assert_int_equal(calls, 2);
	arrived();
}

/* --- super-packets --- */

static void super_is_a_bundle(void **state)
{
	(void)state;
	add_super(0, 1000, 3500);
	sends("a3740/1060");
	add_super(0, 1000, 2000);
	sends("a2120/1060");
}

static void super_stands_alone(void **state)
{
	(void)state;
	add(0, 160);
	add_super(0, 100, 200);
	add(0, 160);
	add_super(0, 100, 201);
	add_super(1, 100, 200);
	add(0, 60);
	sends("a160 a320/160 a160 a381/160 b320/160 a60");
}

static void super_of_more_than_64(void **state)
{
	(void)state;
	add_super(0, 10, 640);
	sends("a4480/70");
	add_super(0, 10, 641);
	sends("a4480/70 a61");
	add_super(0, 10, 660);
	sends("a4480/70 a140/70");
	add_super(0, 10, 2000);
	sends("a4480/70 a4480/70 a4480/70 a560/70");
}

/* 51 of 1280 bytes are as many as a datagram holds. */
static void super_of_more_than_64k(void **state)
{
	(void)state;
	add_super(0, 1220, 51 * 1220);
	sends("a65280/1280");
	add_super(0, 1220, 51 * 1220 + 1);
	sends("a65280/1280 a61");
	add_super(0, 1220, 53 * 1220 - 1);
	sends("a65280/1280 a2559/1280");
}

/* More heads and parts than there is room for: they are sent in between. */
static void many_supers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		add_super(i % 3, 10, 640);
	go();
	assert_true(calls > 1);
	arrived();
	assert_int_equal(s.datagrams, 40 * 64);
	reset_list();
	tcp_words = 15; /* full of options */
	for (unsigned i = 0; i < 40; i++)
		add_super(i % 3, 10, 640);
	go();
	assert_true(calls > 1);
	arrived();
}

/* Two parts each: 8 bundles fill all of them. */
static void many_parts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OUT_MAX; i++)
		add_in_two(i / 64, 40, 100, 0);
	go();
	arrived();
	reset_list();
	for (unsigned i = 0; i < OUT_MAX; i++)
		add_in_two(i % 20, 40, 100, 0);
	go();
	arrived();
}

/* --- DSCP --- */

static void one_mark_is_a_bundle(void **state)
{
	(void)state;
	s.copy_dscp = true;
	add_in_two(0, 0, 100, 46);
	add_in_two(0, 40, 100, 46);
	add_in_two(0, 0, 100, 0);
	add_in_two(0, 0, 100, 46);
	add_in_two(0, 0, 100, 46);
	add_super_marked(0, 100, 250, 12);
	add_super_marked(1, 100, 50, 63);
	sends("a200/100 a100 a200/100 a430/160 b110");
	s.copy_dscp = false;
	add_in_two(0, 0, 100, 46);
	add_in_two(0, 0, 100, 0);
	sends("a200/100");
}

/* What does not begin with a packet has no mark: an origin indication. */
static void no_packet_no_mark(void **state)
{
	(void)state;
	s.copy_dscp = true;
	add_in_two(0, 50, 100, 46);
	((uint8_t *)memory[0])[0] = 0x0f;
	want[0].b[0] = 0x0f;
	want[0].dscp = 0;
	add_in_two(0, 50, 100, 0);
	sends("a200/100");
}

/* --- order --- */

static void some_actions(void)
{
	unsigned n = 100 + (unsigned)rand() % 300;

	for (unsigned i = 0; i < n; i++) {
		unsigned whom = rand() % 4 ? (unsigned)rand() % 3
					   : (unsigned)rand() % PEERS;
		size_t size = rand() % 3 ? 1300 : 2 + (size_t)rand() % 1400;
		uint8_t dscp = rand() % 8 ? 0 : rand() % 64;

		if (rand() % 20 == 0 && n_want < 4000)
			add_super_marked(whom, (uint16_t)(1 + rand() % 1220),
					 1300 + (size_t)rand() % 2000 *
							 (rand() % 8 == 0),
					 dscp);
		else
			add_in_two(whom, (size_t)rand() % (size + 1), size,
				   dscp);
	}
}

static void order_is_kept(void **state)
{
	(void)state;
	srand(1);
	for (unsigned i = 0; i < 40; i++) {
		s.gso = i & 1;
		s.copy_dscp = i & 2;
		kernel.segment = i & 4 ? EINVAL : 0;
		some_actions();
		go();
		arrived();
		reset_list();
	}
	assert_int_equal(s.refused, 0);
}

/* --- what kernels refuse --- */

/* Bundles among others, and a super-packet. */
static void mixed(void)
{
	add(1, 90);
	for (unsigned i = 0; i < 3; i++)
		add_in_two(0, 40 * (i & 1), 100, 10);
	add(0, 30);
	add(2, 70);
	add_super(1, 100, 250);
	add(0, 60);
}

/* No device that cannot do it is asked again. */
static void eio_ends_it(void **state)
{
	(void)state;
	for (unsigned dscp = 0; dscp < 2; dscp++) {
		s.gso = true;
		s.copy_dscp = dscp;
		kernel.segment = EIO;
		mixed();
		go();
		assert_false(s.gso);
		assert_int_equal(s.cut_here, 2 * (dscp + 1));
		assert_int_equal(s.refused, 0);
		assert_int_equal(s.datagrams, 10 * (dscp + 1));
		arrived();
		kernel.segment = 0;
		reset_list();
		mixed();
		go();
		assert_null(strchr(sent, '/'));
		arrived();
		reset_list();
		s.datagrams = 10 * (dscp + 1);
	}
}

/* But a route may be as narrow as it likes: it is not the only one. */
static void other_errors_pass(void **state)
{
	static const int errors[] = {EINVAL, EMSGSIZE};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		s.cut_here = 0;
		kernel.segment = errors[i];
		mixed();
		go();
		assert_true(s.gso);
		assert_int_equal(s.cut_here, 2);
		assert_int_equal(s.refused, 0);
		arrived();
		reset_list();
		kernel.segment = 0;
		add(0, 100);
		add(0, 100);
		sends("a200/100");
	}
}

/* Cut here, and refused one by one. */
static void singles_are_refused(void **state)
{
	(void)state;
	kernel.segment = EINVAL;
	kernel.single = EPERM;
	kernel.single_peer = 0;
	mixed();
	go();
	assert_int_equal(s.cut_here, 2);
	assert_int_equal(s.refused, 4 + 1);
	arrived_but(0);
}

/* One message is refused, whole; the others go. */
static void one_is_refused(void **state)
{
	(void)state;
	kernel.segment = EPERM;
	mixed();
	go();
	assert_int_equal(s.cut_here, 0);
	assert_int_equal(s.refused, 4 + 3);
	assert_string_equal(sent, "b90 c70 a60");
	assert_true(s.gso);
	reset_list();
	kernel.segment = 0;
	kernel.single = EINVAL; /* not for its bundles */
	kernel.single_peer = 1;
	s.refused = 0;
	mixed();
	go();
	assert_int_equal(s.refused, 1);
	assert_int_equal(s.cut_here, 0);
	assert_true(s.gso);
	kernel.single = EIO;
	go();
	assert_true(s.gso);
}

/* What does not fit any more is lost, as on any full link. */
static void full_socket(void **state)
{
	static const int errors[] = {EAGAIN, ENOBUFS};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		s.refused = 0;
		kernel.full = errors[i];
		kernel.takes = 2;
		mixed();
		go();
		assert_string_equal(sent, "b90 a330/100");
		assert_int_equal(s.refused, 1 + 3 + 1);
		assert_int_equal(calls, 2);
		assert_int_equal(s.cut_here, 0);
		n_want = 5;
		arrived();
		reset_list();
	}
	/* And none of it is sent the next time. */
	kernel.full = 0;
	add(0, 100);
	sends("a100");
}

static void interrupted(void **state)
{
	(void)state;
	kernel.interrupted = true;
	mixed();
	go();
	assert_int_equal(calls, 2);
	assert_int_equal(s.refused, 0);
	arrived();
}

/* --- a narrow route --- */

static int set_loopback(int mtu)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_mtu = mtu};
	int control_fd = socket(AF_INET, SOCK_DGRAM, 0);
	int r = ioctl(control_fd, SIOCSIFMTU, &ifr);

	ifr.ifr_flags = IFF_UP;
	r |= ioctl(control_fd, SIOCSIFFLAGS, &ifr);
	close(control_fd);
	return r;
}

/*
 * The kernel says EINVAL before 6.14, and EMSGSIZE since, and in what was
 * mended meanwhile: it does not make fragments of what it cuts.
 */
static void narrow_route(void **state)
{
	if (geteuid() != 0) {
		print_message("must be root\n");
		skip();
	}
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(set_loopback(600), 0);
	teardown(state);
	assert_int_equal(setup(state), 0);
	for (unsigned i = 0; i < 5; i++)
		add(0, 1200);
	add_super(1, 1000, 3500);
	add(0, 100);
	go();
	assert_int_equal(s.refused, 0);
	assert_int_equal(s.cut_here, 2);
	assert_true(s.gso);
	arrived();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_is_no_bundle),
		T(one_length_is_a_bundle),
		T(shorter_ends_it),
		T(longer_begins_anew),
		T(others_may_come_between),
		T(long_ago_is_another),
		T(no_more_than_64),
		T(no_more_than_a_datagram_holds),
		T(without_gso_each_alone),
		T(nobody_has_more_than_one_call_for_64),
		T(super_is_a_bundle),
		T(super_stands_alone),
		T(super_of_more_than_64),
		T(super_of_more_than_64k),
		T(many_supers),
		T(many_parts),
		T(one_mark_is_a_bundle),
		T(no_packet_no_mark),
		T(order_is_kept),
		T(eio_ends_it),
		T(other_errors_pass),
		T(singles_are_refused),
		T(one_is_refused),
		T(full_socket),
		T(interrupted),
		T(narrow_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
