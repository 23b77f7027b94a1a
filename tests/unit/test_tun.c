/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnel device, in a network namespace of its own: what the kernel hands
 * over and what it takes, with each combination of offloads, and on kernels
 * that have less of them than this one. ioctl() is this file's, and refuses
 * what those would. Needs root.
 *
 * The host is fd00::1; whoever is behind the tunnel, fd00::2, is this test.
 */
#include "build.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <poll.h>
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

#include "../../src/sys/tun.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	BOTH = OFFLOAD_TSO | OFFLOAD_USO,
	PORT = 4000, /* of the host */
};

static struct tun t;
static uint8_t memory[TUN_BATCH_BYTES];
static struct tun_batch batch = {.memory = memory};
static struct tun_sender sender;
static struct ip6 host, beyond;
static int udp_socket = -1;

/* --- an older kernel --- */

static unsigned long lacks; /* TUN_F_* that it does not know */
static bool no_offloads;    /* TUNSETOFFLOAD fails, whatever it says */
static unsigned max_queues = QUEUES_MAX;
static unsigned attached;

int ioctl(int fd, unsigned long request, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	if (request == TUNSETOFFLOAD && (no_offloads || arg & lacks)) {
		errno = EINVAL;
		return -1;
	}
	if (request == TUNSETIFF && attached++ >= max_queues) {
		errno = E2BIG;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* --- a device in a world of its own --- */

static void run(const char *command)
{
	if (system(command))
		fail_msg("`%s` failed", command);
}

static int open_device(unsigned queues, unsigned offloads)
{
	attached = 0;
	return tun_open(&t, "t0", queues, offloads);
}

static void bring_up(void)
{
	run("ip link set t0 addrgenmode none mtu 1280 up");
	run("ip -6 address add fd00::1/64 dev t0 nodad");
	/* The kernel takes packets for it a moment later. */
	run("timeout 10 sh -c 'until ip -6 route show table local | "
	    "grep -q \"^local fd00::1 \"; do sleep 0.01; done'");
}

static void open_up(unsigned queues, unsigned offloads)
{
	assert_int_equal(open_device(queues, offloads), 0);
	bring_up();
}

static void close_device(void)
{
	for (unsigned i = 0; i < t.n; i++)
		close(t.fd[i]);
	t.n = 0;
}

static int bound_socket(int type, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0);

	memcpy(&a.sin6_addr, &host, sizeof(host));
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int connect_beyond(int fd)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons(5000)};

	memcpy(&a.sin6_addr, &beyond, sizeof(beyond));
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : 0;
}

static int enter(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("must be root\n");
		return 0;
	}
	host = ip6("fd00::1");
	beyond = ip6("fd00::2");
	return unshare(CLONE_NEWNET);
}

static int teardown(void **state)
{
	(void)state;
	close(udp_socket);
	udp_socket = -1;
	close_device();
	lacks = 0;
	no_offloads = false;
	max_queues = QUEUES_MAX;
	memset(&sender, 0, sizeof(sender));
	return 0;
}

static void needs_root(void)
{
	if (geteuid() != 0) {
		print_message("must be root\n");
		skip();
	}
}

/* --- out of the kernel --- */

static int some_queue(void)
{
	struct pollfd p[QUEUES_MAX];

	for (unsigned i = 0; i < t.n; i++)
		p[i] = (struct pollfd){.fd = t.fd[i], .events = POLLIN};
	if (poll(p, t.n, 30000) < 1)
		return -1;
	for (unsigned i = 0; i < t.n; i++) {
		if (p[i].revents)
			return t.fd[i];
	}
	return -1;
}

/* The next packets with this next header; others are the kernel's own. */
static int next_packets(struct super *v, int max, uint8_t next)
{
	int found = 0, n;

	while (found == 0) {
		int fd = some_queue();

		if (fd < 0)
			fail_msg("nothing comes out of the device");
		n = tun_receive(&t, fd, &batch);
		assert_in_range(n, 0, BATCH);
		for (int i = 0; i < n && found < max; i++) {
			struct super s = {.p = batch.v[i].p,
					  .len = batch.v[i].len};

			assert_int_equal((uintptr_t)batch.v[i].p % 8, 0);
			if (t.has_header)
				assert_int_equal(super_parse(&s, batch.v[i].p,
							     batch.v[i].len),
						 REASON_NONE);
			if (s.p[6] == next && s.p[0] >> 4 == 6)
				v[found++] = s;
		}
	}
	return found;
}

static uint32_t sum_of(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A whole packet, with a right checksum. */
static void is_right(const uint8_t *p, size_t n)
{
	uint32_t sum = sum_of(p + 8, 32, (uint32_t)(n - 40) + p[6]);

	assert_int_equal(be16(p + 4), n - 40);
	assert_int_equal(sum_of(p + 40, n - 40, sum), 0xffff);
	assert_true(p[40 + (p[6] == 6 ? 16 : 6)] ||
		    p[41 + (p[6] == 6 ? 16 : 6)]);
}

static void is_right_super(const struct super *s)
{
	static uint8_t segment[70000];

	for (unsigned i = 0; i < super_count(s); i++)
		is_right(segment, super_segment(s, i, segment));
}

static uint8_t stream[20000]; /* what is sent, byte for byte */
static uint8_t large[60000];  /* 60 datagrams */

static void open_udp(void)
{
	for (size_t i = 0; i < sizeof(stream); i++)
		stream[i] = (uint8_t)(i * 5 + i / 256);
	udp_socket = bound_socket(SOCK_DGRAM, PORT);
	assert_int_equal(connect_beyond(udp_socket), 0);
}

static void one_udp_packet(void)
{
	struct super s;

	assert_int_equal(send(udp_socket, stream, 777, 0), 777);
	assert_int_equal(next_packets(&s, 1, 17), 1);
	assert_int_equal(s.kind, SUPER_NONE);
	assert_int_equal(s.len, 48 + 777);
	is_right(s.p, s.len);
	assert_memory_equal(s.p + 48, stream, 777);
}

/* As one, if the device takes it; else the kernel has cut it. */
static void many_udp_packets(void)
{
	const int size = 1000;
	struct super s[16];
	size_t at = 0;

	assert_int_equal(setsockopt(udp_socket, IPPROTO_UDP, UDP_SEGMENT, &size,
				    sizeof(size)),
			 0);
	assert_int_equal(send(udp_socket, stream, 3500, 0), 3500);
	while (at < 3500) {
		int found = next_packets(s, 16, 17);

		for (int i = 0; i < found; i++) {
			size_t len = s[i].len - 48;

			is_right_super(&s[i]);
			assert_int_equal(super_count(&s[i]),
					 t.offloads & OFFLOAD_USO ? 4 : 1);
			assert_memory_equal(s[i].p + 48, stream + at, len);
			at += len;
		}
	}
}

/* --- into the kernel --- */

static struct out out[64];
static const struct out *list[64];
static struct packet packets[64];

static void write_out(unsigned n)
{
	tun_send(&sender, &t, t.fd[0], list, n);
}

/* In two pieces, of which the machine may have made the first. */
static struct packet *put(unsigned i)
{
	list[i] = &out[i];
	return &packets[i];
}

static void put_done(unsigned i)
{
	size_t head = i % 2 * 40;

	out[i] = (struct out){.kind = OUT_IP6,
			      .head = packets[i].b,
			      .head_len = (uint16_t)head,
			      .body = packets[i].b + head,
			      .body_len = (uint16_t)(packets[i].n - head)};
}

static void udp_to_host(unsigned i, size_t size)
{
	udp(put(i), .from = &beyond, .to = &host, .sport = 5000, .dport = PORT,
	    .seq = i * 1000, .payload = size);
	put_done(i);
}

static void udp_arrives(unsigned i)
{
	struct pollfd p = {.fd = udp_socket, .events = POLLIN};
	uint8_t b[4096];

	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(recv(udp_socket, b, sizeof(b), 0), packets[i].n - 48);
	assert_memory_equal(b, packets[i].b + 48, packets[i].n - 48);
}

static void udp_goes_in(void)
{
	sender.writes = 0;
	for (unsigned i = 0; i < 5; i++)
		udp_to_host(i, i < 4 ? 1000 : 500);
	write_out(5);
	assert_int_equal(sender.refused, 0);
	assert_int_equal(sender.writes, t.offloads & OFFLOAD_USO ? 1 : 5);
	for (unsigned i = 0; i < 5; i++)
		udp_arrives(i);
}

/* --- TCP --- */

static int tcp_socket = -1;
static uint32_t their_seq, our_seq;

/* SYN out, SYN and ACK in: a connection to nowhere. */
static void open_tcp(void)
{
	const struct linger abrupt = {.l_onoff = 1};
	struct super s;

	/* It goes without a trace, for there will be another. */
	tcp_socket = bound_socket(SOCK_STREAM, PORT);
	assert_int_equal(setsockopt(tcp_socket, SOL_SOCKET, SO_LINGER, &abrupt,
				    sizeof(abrupt)),
			 0);
	assert_int_equal(connect_beyond(tcp_socket), -EINPROGRESS);
	assert_int_equal(next_packets(&s, 1, 6), 1);
	assert_int_equal(s.kind, SUPER_NONE);
	is_right(s.p, s.len);
	their_seq = be32(s.p + 44) + 1;
	our_seq = 7001;
	tcp(put(0), .from = &beyond, .to = &host, .sport = 5000, .dport = PORT,
	    .seq = our_seq - 1, .ack = their_seq, .flags = TCP_SYN | TCP_ACK,
	    .window = 60000, .options = "020404c4");
	put_done(0);
	write_out(1);
	assert_int_equal(next_packets(&s, 1, 6), 1); /* its ACK */
	is_right(s.p, s.len);
}

static void tcp_comes_out(void)
{
	const size_t n = 6000;
	struct super s[16];
	size_t at = 0;
	bool super = false;

	assert_int_equal(send(tcp_socket, stream, n, 0), n);
	while (at < n) {
		int found = next_packets(s, 16, 6);

		for (int i = 0; i < found; i++) {
			size_t len = s[i].len - 60;

			is_right_super(&s[i]);
			super |= s[i].kind == SUPER_TCP;
			assert_memory_equal(s[i].p + 60, stream + at, len);
			at += len;
		}
	}
	assert_int_equal(super, (t.offloads & OFFLOAD_TSO) != 0);
}

static void tcp_goes_in(void)
{
	static uint8_t b[4000], want[4000];
	size_t at = 0;

	sender.writes = 0;
	for (unsigned i = 0; i < 4; i++) {
		tcp(put(i), .from = &beyond, .to = &host, .sport = 5000,
		    .dport = PORT, .seq = our_seq, .ack = their_seq + 6000,
		    .window = 60000, .payload = 1000);
		put_done(i);
		memcpy(want + 1000 * i, packets[i].b + 60, 1000);
		our_seq += 1000;
	}
	write_out(4);
	assert_int_equal(sender.refused, 0);
	assert_int_equal(sender.bad_csum, 0);
	assert_int_equal(sender.writes, t.offloads & OFFLOAD_TSO ? 1 : 4);
	while (at < 4000) {
		struct pollfd p = {.fd = tcp_socket, .events = POLLIN};
		ssize_t n;

		assert_int_equal(poll(&p, 1, 30000), 1);
		n = recv(tcp_socket, b + at, 4000 - at, 0);
		assert_true(n > 0);
		at += (size_t)n;
	}
	assert_memory_equal(b, want, 4000);
}

/* --- cases --- */

static void each_way(void)
{
	open_udp();
	one_udp_packet();
	many_udp_packets();
	udp_goes_in();
	open_tcp();
	tcp_comes_out();
	tcp_goes_in();
	close(tcp_socket);
	close(udp_socket);
	udp_socket = -1;
	close_device();
}

static void each_combination(void **state)
{
	(void)state;
	needs_root();
	for (unsigned offloads = 0; offloads <= BOTH; offloads++) {
		open_up(1, offloads | OFFLOAD_GSO | OFFLOAD_GRO);
		assert_int_equal(t.n, 1);
		assert_int_equal(t.has_header, offloads != 0);
		assert_int_equal(t.offloads, offloads);
		each_way();
	}
}

/* Before 6.2 there is no USO; before that, who knows. */
static void without_uso(void **state)
{
	(void)state;
	needs_root();
	lacks = TUN_F_USO4 | TUN_F_USO6;
	for (unsigned wanted = 1; wanted <= BOTH; wanted++) {
		open_up(1, wanted);
		assert_true(t.has_header);
		assert_int_equal(t.offloads, wanted & OFFLOAD_TSO);
		each_way();
	}
}

static void without_tso(void **state)
{
	(void)state;
	needs_root();
	lacks = TUN_F_TSO6;
	for (unsigned wanted = 1; wanted <= BOTH; wanted++) {
		open_up(1, wanted);
		assert_int_equal(t.offloads, wanted & OFFLOAD_USO);
		each_way();
	}
}

/* A header is there all the same. */
static void without_any(void **state)
{
	(void)state;
	needs_root();
	no_offloads = true;
	open_up(1, BOTH);
	assert_true(t.has_header);
	assert_int_equal(t.offloads, 0);
	each_way();
}

static void queues(void **state)
{
	(void)state;
	needs_root();
	open_up(3, BOTH);
	assert_int_equal(t.n, 3);
	each_way();
	assert_int_equal(open_device(100, 0), 0);
	assert_int_equal(t.n, QUEUES_MAX);
	assert_int_equal(attached, QUEUES_MAX);
	close_device();
	max_queues = 2;
	open_up(4, BOTH); /* fewer will do */
	assert_int_equal(t.n, 2);
	each_way();
}

/* Exclusively: somebody else's device is not ours. */
static void existing_device(void **state)
{
	(void)state;
	needs_root();
	run("ip tuntap add dev t0 mode tun");
	assert_int_equal(open_device(1, 0), -EBUSY);
	assert_int_equal(open_device(2, BOTH), -EBUSY);
	run("ip link del t0");
	max_queues = 0;
	assert_int_equal(open_device(1, 0), -E2BIG);
	assert_int_equal(tun_open(&t, "a/b", 1, 0), -E2BIG);
	max_queues = 9;
	assert_int_equal(tun_open(&t, "a/b", 1, 0), -EINVAL);
}

static void gone_device(void **state)
{
	(void)state;
	needs_root();
	open_up(1, BOTH);
	run("ip link del t0");
	assert_int_equal(tun_receive(&t, t.fd[0], &batch), -EBADFD);
}

/* It is down: what is written is refused, and counted. */
static void device_that_is_down(void **state)
{
	(void)state;
	needs_root();
	for (unsigned offloads = 0; offloads <= BOTH; offloads++) {
		memset(&sender, 0, sizeof(sender));
		assert_int_equal(open_device(1, offloads), 0);
		for (unsigned i = 0; i < 5; i++)
			udp_to_host(i, 1000);
		write_out(5);
		assert_int_equal(sender.packets, 5);
		assert_int_equal(sender.refused, 5);
		close_device();
	}
}

/* The kernel drops it, and so it must get it as it is. */
static void wrong_checksum(void **state)
{
	(void)state;
	needs_root();
	open_up(1, BOTH);
	open_udp();
	for (unsigned i = 0; i < 4; i++)
		udp_to_host(i, 1000);
	packets[1].b[100] ^= 1;
	write_out(4);
	assert_int_equal(sender.packets, 4);
	assert_int_equal(sender.bad_csum, 1);
	assert_int_equal(sender.refused, 0);
	udp_arrives(0);
	udp_arrives(2);
	udp_arrives(3);
}

/* As many as there are, or as there is room for. */
static void many_at_once(void **state)
{
	static const unsigned offloads[] = {0, BOTH};

	(void)state;
	needs_root();
	for (unsigned k = 0; k < ARRAY_SIZE(offloads); k++) {
		struct super s[BATCH];
		int n = 0;

		open_up(1, offloads[k]);
		open_udp();
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(send(udp_socket, stream + i, 100, 0),
					 100);
		while (n < 100) {
			int found = next_packets(s, BATCH, 17);

			for (int i = 0; i < found; i++)
				assert_memory_equal(s[i].p + 48, stream + n++,
						    100);
		}
		assert_int_equal(n, 100);
		assert_int_equal(tun_receive(&t, t.fd[0], &batch), 0);
		close(udp_socket);
		close_device();
	}
	udp_socket = -1;
}

/* Few of them fill the memory; the next call has the others. */
static void large_ones(void **state)
{
	const int size = 1000;
	unsigned n = 0;

	(void)state;
	needs_root();
	open_up(1, BOTH);
	open_udp();
	assert_int_equal(setsockopt(udp_socket, IPPROTO_UDP, UDP_SEGMENT, &size,
				    sizeof(size)),
			 0);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(send(udp_socket, large, sizeof(large), 0),
				 sizeof(large));
	if (!(t.offloads & OFFLOAD_USO))
		skip();
	while (n < 12) {
		struct super s[BATCH];
		int found = next_packets(s, BATCH, 17);

		assert_in_range(found, 1, 4);
		for (int i = 0; i < found; i++, n++) {
			assert_int_equal(s[i].len, 48 + sizeof(large));
			assert_in_range(s[i].p + s[i].len - memory, 0,
					sizeof(memory));
		}
	}
}

static int attach_as(int flags)
{
	struct ifreq ifr = {.ifr_name = "t1", .ifr_flags = (short)flags};
	int fd = open("/dev/net/tun", O_RDWR);

	assert_true(fd >= 0);
	attached = 0;
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static int adopt(int flags, char name[static IFNAMSIZ])
{
	int fd = attach_as(flags), r = tun_adopt(&t, fd, name);

	if (r == 0) {
		assert_int_equal(t.n, 1);
		assert_int_equal(t.fd[0], fd);
		assert_false(t.has_header);
		assert_int_equal(t.offloads, 0);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	}
	close(fd);
	t.n = 0;
	return r;
}

/* From a manager: what it has set up is what it knows to be used. */
static void adopted_device(void **state)
{
	char name[IFNAMSIZ] = "";
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	needs_root();
	assert_int_equal(adopt(IFF_TUN | IFF_NO_PI, name), 0);
	assert_string_equal(name, "t1");
	assert_int_equal(adopt(IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE, name), 0);
	assert_int_equal(adopt(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, name),
			 -EINVAL);
	/* Without IFF_NO_PI it would be wrong, too, but the kernel says that of
	 * all: it has the same bit for IFF_NOFILTER. */
	assert_int_equal(adopt(IFF_TAP | IFF_NO_PI, name), -EINVAL);
	assert_true(tun_adopt(&t, fd, name) < 0);
	assert_int_equal(tun_adopt(&t, 1000, name), -EBADF);
	close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		T(each_combination), T(without_uso),
		T(without_tso),      T(without_any),
		T(queues),           T(existing_device),
		T(gone_device),      T(device_that_is_down),
		T(wrong_checksum),   T(many_at_once),
		T(large_ones),       T(adopted_device),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
