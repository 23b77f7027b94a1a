/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steward at work in a network namespace of its own, with a tun device that
 * this test holds in place of the packet process; `ip` tells what came of it.
 * Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "../../src/sys/log.h"
#include "../../src/sys/netlink.h"
#include "../../src/sys/reader.h"
#include "../../src/sys/steward.h"
#include "../../src/sys/tun.h"
#include "../../src/sys/udp.h"

#define A          "2001:0:900:2:2847:7fe3:f6ff:f5fd"
#define B          "2001:0:900:2:22:106a:f6ff:f5fd"
#define LL         "fe80::ffff:ffff:ffff"
#define STATE_DIR  "/etc/state"
#define STATE_FILE STATE_DIR "/teredo.state"
#define LONG_MS    60000

static const struct ip6 a = {{0x20, 0x01, 0, 0, 0x09, 0, 0, 2, 0x28, 0x47, 0x7f,
			      0xe3, 0xf6, 0xff, 0xf5, 0xfd}};
static const struct ip6 b = {{0x20, 0x01, 0, 0, 0x09, 0, 0, 2, 0, 0x22, 0x10,
			      0x6a, 0xf6, 0xff, 0xf5, 0xfd}};

static struct conf c;
static struct steward_wish w;
static struct tun device;
static const struct identity nobody = {
	.change = true, .uid = 12345, .gid = 54321};
static int tun = -1, channel = -1, log_fd, terminal;
static char shown[16384];

static int __attribute__((format(printf, 1, 2))) sh(const char *format, ...)
{
	char command[512];
	va_list args;
	size_t n;
	FILE *f;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(shown, 1, sizeof(shown) - 1, f);
	shown[n] = '\0';
	return pclose(f);
}

static void moment(void)
{
	const struct timespec t = {.tv_nsec = 10000000};

	nanosleep(&t, NULL);
}

/* What a command prints has this in it, or soon will. */
static void soon(const char *command, const char *text)
{
	for (unsigned i = 0; i < 1000; i++) {
		sh("%s", command);
		if (strstr(shown, text))
			return;
		moment();
	}
	fail_msg("`%s` shows no \"%s\" but:\n%s", command, text, shown);
}

static void soon_not(const char *command, const char *text)
{
	for (unsigned i = 0; i < 1000; i++) {
		sh("%s", command);
		if (!strstr(shown, text))
			return;
		moment();
	}
	fail_msg("`%s` shows \"%s\":\n%s", command, text, shown);
}

static unsigned count(const char *text)
{
	unsigned n = 0;

	for (const char *p = shown; (p = strstr(p, text)); p++)
		n++;
	return n;
}

#define ADDRESSES "ip -6 -o address show dev teredo 2>&1"
#define ROUTES    "ip -6 route show table all dev teredo proto 84 2>&1"
#define RULES     "ip -6 rule show 2>&1"

static void read_log(void)
{
	ssize_t n = pread(log_fd, shown, sizeof(shown) - 1, 0);

	assert_true(n >= 0);
	shown[n] = '\0';
}

static void soon_logged(const char *text)
{
	for (unsigned i = 0; i < 1000; i++) {
		read_log();
		if (strstr(shown, text))
			return;
		moment();
	}
	fail_msg("the log has no \"%s\" but:\n%s", text, shown);
}

/* A world of our own, as far as the steward sees it. */
static int enter(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("must be root\n");
		return 0;
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/etc", "tmpfs", 0, "size=256k") < 0 ||
	    mkdir("/etc/miredo", 0755) < 0)
		return -1;
	terminal = dup(STDERR_FILENO);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	return sh("ip link set lo up; ip link add native type veth peer "
		  "name far; ip link set far up; ip link set native up;"
		  "ip -6 address add 2001:db8::1/64 "
		  "dev native nodad");
}

/* Each test has an interface and a configuration, then starts a steward. */
static int make(void **state)
{
	struct netlink nl;
	int r;

	(void)state;
	if (geteuid() != 0)
		return 0;
	conf_defaults(&c);
	snprintf(c.state_dir, sizeof(c.state_dir), STATE_DIR);
	w = (struct steward_wish){0};
	r = tun_open(&device, "teredo", 1, 0);
	if (r)
		return r;
	tun = device.fd[0];
	r = netlink_open(&nl);
	if (!r)
		r = netlink_link_up(&nl, if_nametoindex("teredo"), 1280);
	mnl_socket_close(nl.socket);
	if (!r)
		r = ftruncate(log_fd, 0);
	return r;
}

static void finish(void)
{
	if (channel >= 0)
		steward_finish(channel, &w);
	close(channel);
	channel = -1;
}

static int unmake(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	finish();
	close(tun);
	return sh("ip -6 route del default dev native 2>/dev/null;"
		  "rm -rf " STATE_DIR);
}

/* What a reader would write and wake: here that is this test. */
static struct settings *settings;
static struct settings_view view;
static int wake;

static const struct reader *make_reader(void)
{
	static struct reader r;
	int fd[2];

	view = (struct settings_view){.serial = 1, .conf = c};
	r.settings = settings_make(&settings, &view);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	r.steward = fd[0];
	wake = fd[1];
	return &r;
}

static void start_by(const struct reader *reader)
{
	if (geteuid() != 0)
		skip();
	/* The log of the steward is a file. */
	dup2(log_fd, STDERR_FILENO);
	fcntl(log_fd, F_SETFL, O_APPEND);
	channel = steward_start(&c, "teredo", if_nametoindex("teredo"), &nobody,
				reader);
	dup2(terminal, STDERR_FILENO);
	assert_true(channel >= 0);
}

static void start(void)
{
	start_by(NULL);
}

/* The answer to the newest wish. */
static int answered(void)
{
	struct steward_done d;

	do {
		struct pollfd p = {.fd = channel, .events = POLLIN};

		assert_int_equal(poll(&p, 1, LONG_MS), 1);
		assert_int_equal(recv(channel, &d, sizeof(d), 0), sizeof(d));
	} while (d.serial != w.serial);
	return d.error;
}

/* Wish for n addresses; this one first. */
static int wish(unsigned n, struct ip6 first, struct ip6 second)
{
	w.serial++;
	w.is_up = n > 0;
	w.n = n;
	w.address[0] = first;
	w.address[1] = second;
	assert_int_equal(steward_tell(channel, &w), 0);
	return answered();
}

/* The kernel talks of itself into no tunnel. */
static void assert_silence(void)
{
	char packet[2048];

	assert_int_equal(fcntl(tun, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(tun, packet, sizeof(packet)), -1);
	assert_int_equal(errno, EAGAIN);
}

#define LINK "ip -o link show dev teredo"

/* InterfaceMTU changes: a smaller one at once, a larger one when the packet
 * process goes by it; no address or route is lost by that. */
static void mtu_follows_the_settings(bool by_script)
{
	start_by(make_reader());
	w.settings = 1;
	wish(1, a, b);
	view.serial++;
	view.conf.mtu = 1400;
	view.conf.route_metric = 77;
	settings_write(settings, &view);
	assert_int_equal(send(wake, "", 1, 0), 1);
	if (!by_script)
		soon(ROUTES, "default via fe80::1 metric 77"); /* it has seen */
	wish(1, a, b);
	sh(LINK);
	assert_int_equal(count(" mtu 1280 "), 1);
	w.settings = 2;
	wish(1, a, b);
	soon(LINK, " mtu 1400 ");
	view.serial++;
	view.conf.mtu = 1300;
	settings_write(settings, &view);
	assert_int_equal(send(wake, "", 1, 0), 1);
	soon(LINK, " mtu 1300 ");
	if (by_script)
		return;
	sh(ADDRESSES);
	assert_int_equal(count(A "/128 scope global"), 1);
	sh(ROUTES);
	assert_int_equal(count("\n"), 2);
	/* Whoever takes IPv6 off the device does not take it back either. */
	sh("ip link set teredo mtu 1279");
	soon(LINK, " mtu 1300 ");
	soon(ADDRESSES, A "/128 scope global");
}

static void mtu_of_the_settings(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	mtu_follows_the_settings(false);
}

/* Where a script sets the interface it is the same, and the script is told. */
static void mtu_with_a_script(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	sh("printf '#!/bin/sh\necho $STATE $MTU $OLD_MTU >>/etc/said\n'"
	   " >/etc/miredo/client-hook; chmod 755 /etc/miredo/client-hook");
	mtu_follows_the_settings(true);
	soon("cat /etc/said", "up 1280\nup 1400 1280\nup 1300 1400\n");
	finish();
	sh("rm /etc/miredo/client-hook /etc/said");
}

static void link_local_is_there_alone(void **state)
{
	(void)state;
	start();
	sh(ADDRESSES);
	assert_int_equal(count("inet6"), 1);
	assert_int_equal(count(LL "/64"), 1);
	sh(ROUTES);
	assert_string_equal(shown, "");
	assert_silence();
}

static void address_and_routes_as_wished(void **state)
{
	(void)state;
	start();
	assert_int_equal(wish(1, a, b), 0);
	sh(ADDRESSES);
	assert_int_equal(count("inet6"), 2);
	assert_int_equal(count(A "/128 scope global"), 1);
	assert_int_equal(count("deprecated"), 0);
	sh(ROUTES);
	assert_int_equal(count("\n"), 2);
	assert_int_equal(count("2001::/32 via fe80::1 metric 1024"), 1);
	assert_int_equal(count("default via fe80::1 metric 1029"), 1);
	sh("ip -6 route get 2600::1");
	assert_int_equal(count("dev teredo"), 1);
	assert_int_equal(count("src " A), 1);
	sh("ip -6 route get 2001:0:900:3::1");
	assert_int_equal(count("src " A), 1);
	assert_int_equal(wish(0, a, b), 0);
	sh(ADDRESSES);
	assert_int_equal(count("inet6"), 1);
	sh(ROUTES);
	assert_string_equal(shown, "");
	assert_silence();
}

static void old_address_is_deprecated_then_removed(void **state)
{
	(void)state;
	start();
	wish(1, a, b);
	assert_int_equal(wish(2, b, a), 0);
	sh(ADDRESSES);
	assert_int_equal(count("inet6"), 3);
	assert_int_equal(count("deprecated"), 1);
	sh(ADDRESSES " | grep deprecated");
	assert_int_equal(count(A "/128"), 1);
	assert_int_equal(count("valid_lft forever"), 1);
	assert_int_equal(count("preferred_lft 0sec"), 1);
	sh("ip -6 route get 2600::1");
	assert_int_equal(count("src " B), 1);
	/* It comes back. */
	assert_int_equal(wish(2, a, b), 0);
	sh(ADDRESSES " | grep deprecated");
	assert_int_equal(count(B "/128"), 1);
	assert_int_equal(count("\n"), 1);
	assert_int_equal(wish(1, a, b), 0);
	sh(ADDRESSES);
	assert_int_equal(count("inet6"), 2);
	read_log();
	assert_string_equal(shown, "");
	assert_silence();
}

static void default_route_gives_way_to_native(void **state)
{
	(void)state;
	start();
	wish(1, a, b);
	soon(ROUTES, "default");
	/* Whether there is any is for the packet process to say. */
	w.host_native = true;
	wish(1, a, b);
	sh(ROUTES);
	assert_int_equal(count("default"), 0);
	assert_int_equal(count("2001::/32"), 1);
	w.host_native = false;
	wish(1, a, b);
	soon(ROUTES, "default via fe80::1 metric 1029");
	read_log();
	assert_string_equal(shown, "");
}

static void default_route_always_or_never(void **state)
{
	(void)state;
	c.default_route = DEFAULT_ROUTE_YES;
	c.route_metric = 77;
	sh("ip -6 route add default via 2001:db8::2 dev native metric 2000");
	start();
	wish(1, a, b);
	sh(ROUTES);
	assert_int_equal(count("default via fe80::1 metric 77"), 1);
	finish();
	sh("ip -6 route del default dev native");
	c.default_route = DEFAULT_ROUTE_NO;
	start();
	wish(1, a, b);
	sh(ROUTES);
	assert_int_equal(count("2001::/32"), 1);
	assert_int_equal(count("default"), 0);
}

static void table_has_routes_and_rules(void **state)
{
	(void)state;
	c.route_table = 1000;
	sh("ip -6 route add default via 2001:db8::2 dev native metric 2000");
	start();
	assert_int_equal(wish(2, a, b), 0);
	sh(RULES);
	assert_int_equal(count("32765:\tfrom " A " lookup 1000"), 1);
	assert_int_equal(count("32765:\tfrom " B " lookup 1000"), 1);
	sh(ROUTES);
	assert_int_equal(count("table 1000"), 2);
	assert_int_equal(count("default"), 1);
	sh("ip -6 route get 2600::1 from " A);
	assert_int_equal(count("dev teredo"), 1);
	sh("ip -6 route get 2600::1");
	assert_int_equal(count("dev native"), 1);
	sh("ip -6 rule del from " A " lookup 1000");
	soon(RULES, "from " A " lookup 1000");
	soon_logged("the rule for " A " (table 1000) was removed");
	wish(1, b, a);
	sh(RULES);
	assert_int_equal(count("from " A), 0);
	assert_int_equal(count("from " B), 1);
	finish();
	sh(RULES);
	assert_int_equal(count("lookup 1000"), 0);
}

static void table_main_by_its_number_is_main(void **state)
{
	(void)state;
	c.route_table = 254;
	start();
	assert_int_equal(wish(1, a, b), 0);
	assert_int_equal(wish(1, b, a), 0);
	sh(RULES);
	assert_int_equal(count("2001:"), 0);
	sh(ROUTES);
	assert_int_equal(count("\n"), 2);
	read_log();
	assert_string_equal(shown, "");
}

static void what_somebody_removes_comes_back(void **state)
{
	static const struct {
		const char *command, *show, *back, *logged;
	} v[] = {
		{"ip -6 address del " A "/128 dev teredo", ADDRESSES, A "/128",
		 "the address " A " was removed"},
		{"ip -6 address del " LL "/64 dev teredo", ADDRESSES, LL "/64",
		 "the address " LL " was removed"},
		{"ip -6 route del default dev teredo", ROUTES,
		 "default via fe80::1 metric 1029",
		 "the route to ::/0 was removed"},
		{"ip -6 route del 2001::/32 dev teredo", ROUTES, "2001::/32",
		 "the route to 2001::/32 was removed"},
	};

	(void)state;
	start();
	wish(1, a, b);
	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_int_equal(sh("%s 2>&1", v[i].command), 0);
		soon(v[i].show, v[i].back);
		soon_logged(v[i].logged);
	}
	read_log();
	assert_int_equal(count("\n"), 4);
	/* What is of somebody else stays. */
	sh("ip -6 address add fd00::1/64 dev teredo nodad;"
	   "ip -6 address del " A "/128 dev teredo");
	soon(ADDRESSES, A "/128");
	sh(ADDRESSES);
	assert_int_equal(count("fd00::1"), 1);
	assert_silence();
}

static void interface_set_down_comes_up(void **state)
{
	(void)state;
	start();
	wish(2, a, b);
	sh("ip link set teredo down");
	soon(ADDRESSES, A "/128");
	soon(ROUTES, "default");
	soon(ADDRESSES, B "/128");
	sh(ADDRESSES);
	assert_int_equal(count("inet6"), 3);
	soon_logged("the interface was set down");
	read_log();
	/* On a slow machine it is seen in the midst of going down. */
	assert_in_range(count("\n"), 1, 2);
	assert_silence();
}

static void who_fights_is_not_fought_fast(void **state)
{
	unsigned n = 0;

	(void)state;
	start();
	wish(1, a, b);
	/* For about two seconds. */
	for (unsigned i = 0; i < 200; i++, moment()) {
		if (sh("ip -6 route del default dev teredo 2>&1") == 0)
			n++;
	}
	assert_in_range(n, 2, 8);
	read_log();
	assert_in_range(count("\n"), 1, 6);
	soon(ROUTES, "default");
}

static void other_length_is_mended(void **state)
{
	(void)state;
	start();
	wish(1, a, b);
	/* It sees both at once. */
	sh("kill -STOP $(pgrep -nP %d miredo-steward)", getpid());
	sh("ip -6 address del " A "/128 dev teredo;"
	   "ip -6 address add " A "/32 dev teredo nodad");
	sh("kill -CONT $(pgrep -nP %d miredo-steward)", getpid());
	soon(ADDRESSES, A "/128");
	soon_not(ADDRESSES, A "/32");
}

static void end_leaves_nothing(void **state)
{
	(void)state;
	c.route_table = 7;
	start();
	wish(2, a, b);
	finish();
	sh(ADDRESSES);
	assert_string_equal(shown, "");
	sh(ROUTES);
	assert_string_equal(shown, "");
	sh(RULES);
	assert_int_equal(count("lookup 7"), 0);
}

/* The packet process was killed. */
static void end_of_channel_is_the_end(void **state)
{
	(void)state;
	c.route_table = 7;
	start();
	wish(1, a, b);
	soon(RULES, "lookup 7");
	close(tun);
	close(channel);
	channel = tun = -1;
	soon_not(RULES, "lookup 7");
	read_log();
	assert_string_equal(shown, "");
}

static void vanished_interface_is_reported(void **state)
{
	char none[16];

	(void)state;
	start();
	wish(1, a, b);
	sh("ip link del teredo");
	assert_int_equal(answered(), -ENODEV);
	assert_int_equal(recv(channel, none, sizeof(none), 0), 0);
	read_log();
	assert_non_null(strstr(shown, "the interface teredo has vanished"));
}

static void assert_refused(const struct steward_wish *bad, size_t n)
{
	char none[16];

	start();
	wish(1, a, b);
	assert_int_equal(send(channel, bad, n, 0), n);
	assert_int_equal(recv(channel, none, sizeof(none), 0), 0);
	soon_logged("must not");
	sh(ADDRESSES);
	assert_string_equal(shown, "");
	assert_int_equal(ftruncate(log_fd, 0), 0);
	close(channel);
	channel = -1;
}

static void bad_wishes_are_refused(void **state)
{
	const struct steward_wish good = {
		.is_up = true, .n = 2, .address = {a, b}};
	struct steward_wish bad;

	(void)state;
#define REFUSED(change)                                                        \
	do {                                                                   \
		bad = good;                                                    \
		change;                                                        \
		assert_refused(&bad, sizeof(bad));                             \
	} while (0)
	REFUSED(bad.n = 3);
	REFUSED(bad.n = 0);
	REFUSED(bad.address[1] = bad.address[0]);
	REFUSED(bad.address[0].b[0] = 0xff);
	REFUSED(bad.address[1].b[0] = 0xfe);
	REFUSED(bad.address[1].b[3] = 1);
	REFUSED(memset(&bad.is_up, 2, 1));
	REFUSED(memset(&bad.final, 255, 1));
	REFUSED(memset(bad.reason, 'x', sizeof(bad.reason)));
	REFUSED(strcpy(bad.nat, "a b"));
	REFUSED(strcpy(bad.mapped, "$(reboot)"));
	REFUSED(strcpy(bad.server, "a\n"));
	REFUSED(bad.state.flags = 0x8000);
	assert_refused(&good, sizeof(good) - 1);
}

static void state_is_written(void **state)
{
	(void)state;
	w.state = (struct state){.port = 4000, .has_flags = true, .flags = 1};
	start();
	wish(1, a, b);
	soon("cat " STATE_FILE, "port 4000\nflags 0001\n");
	w.state.server = 0x09000002;
	wish(1, a, b);
	soon("cat " STATE_FILE, "server 9.0.0.2\n");
	sh("stat -c %%a " STATE_DIR);
	assert_string_equal(shown, "755\n");
}

static void full_disk_is_told_once(void **state)
{
	(void)state;
	w.state = (struct state){.port = 4000};
	start();
	sh("dd if=/dev/zero of=/etc/fill bs=4k 2>/dev/null");
	for (unsigned i = 1; i < 4; i++) {
		w.state.port = (uint16_t)(4000 + i);
		assert_int_equal(wish(1, i % 2 ? a : b, a), 0);
	}
	soon_logged("cannot write " STATE_FILE);
	sh("rm /etc/fill");
	w.state.port = 5000;
	wish(1, a, b);
	soon("cat " STATE_FILE, "port 5000\n");
	/* It has its place now. */
	sh("dd if=/dev/zero of=/etc/fill bs=4k 2>/dev/null");
	w.state.port = 6000;
	wish(1, a, b);
	soon("cat " STATE_FILE, "port 6000\n");
	sh("rm /etc/fill");
	read_log();
	assert_int_equal(count("cannot write"), 1);
}

/* One of an older version; and it stays root's. */
static void old_file_of_root_is_written(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	sh("mkdir " STATE_DIR "; chmod 755 " STATE_DIR "; umask 022;"
	   "printf 'port 1\\nflags 0001\\n' >" STATE_FILE);
	w.state = (struct state){.port = 4000};
	start();
	wish(1, a, b);
	soon("cat " STATE_FILE, "port 4000\n");
	sh("stat -c '%%u %%a' " STATE_DIR " " STATE_FILE);
	assert_string_equal(shown, "0 755\n0 644\n");
}

static void file_that_is_no_file(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	sh("mkdir " STATE_DIR "; echo mine >/etc/mine;"
	   "ln -s /etc/mine " STATE_FILE);
	w.state = (struct state){.port = 4000};
	start();
	assert_int_equal(wish(1, a, b), 0);
	finish();
	soon_logged("cannot create " STATE_FILE);
	sh("cat /etc/mine; rm /etc/mine");
	assert_string_equal(shown, "mine\n");
}

#define STATUS(names)                                                          \
	sh("grep -E '^(" names "):' /proc/$(pgrep -nP %d miredo-steward)/"     \
	   "status",                                                           \
	   getpid())

static void one_capability_and_no_descriptors(void **state)
{
	(void)state;
	start();
	STATUS("CapPrm|CapEff");
	assert_int_equal(count(":\t0000000000001000\n"), 2);
	STATUS("CapInh|CapBnd|CapAmb");
	assert_int_equal(count(":\t0000000000000000\n"), 3);
	STATUS("Uid|NoNewPrivs|Groups");
	assert_int_equal(count("Uid:\t12345\t12345\t12345\t12345\n"), 1);
	assert_int_equal(count("NoNewPrivs:\t1\n"), 1);
	assert_int_equal(count("Groups:\t \n"), 1);
	sh("ls -l /proc/$(pgrep -nP %d miredo-steward)/fd", getpid());
	assert_int_equal(count("tun"), 0);
	/* Input, log and terminal, channel, netlink, file, sysctl. */
	assert_int_equal(count(" -> "), 8);
	sh("pgrep -P $(pgrep -nP %d miredo-steward)", getpid());
	assert_string_equal(shown, "");
}

/* With scripts: one more process, which has the rights that they need. */
static void hooks_are_another_process(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	sh("mkdir -p /etc/miredo/hooks.d;"
	   "printf '#!/bin/sh\\necho $EVENT $(id -u) >>/etc/told\\n'"
	   ">/etc/miredo/hooks.d/a; chmod -R go-w /etc/miredo;"
	   "chmod 755 /etc/miredo/hooks.d/a");
	start();
	sh("cat /proc/$(pgrep -P $(pgrep -nP %d miredo-steward) "
	   "miredo-hooks)/status",
	   getpid());
	assert_int_equal(count("Uid:\t0\t0\t0\t0\n"), 1);
	assert_int_equal(count("CapEff:\t0000000000001000\n"), 1);
	assert_int_equal(count("CapBnd:\t0000000000001000\n"), 1);
	STATUS("Uid");
	assert_int_equal(count("12345"), 4);
	wish(1, a, b);
	soon("cat /etc/told", "up 0\n");
	finish();
	sh("cat /etc/told; rm -r /etc/told /etc/miredo/hooks.d");
	assert_string_equal(shown, "up 0\ndown 0\ndestroy 0\n");
	read_log();
	assert_string_equal(shown, "");
}

static void hooks_that_are_gone_end_it(void **state)
{
	char none[64];

	(void)state;
	if (geteuid() != 0)
		skip();
	sh("mkdir -p /etc/miredo/hooks.d; echo >/etc/miredo/hooks.d/a");
	start();
	wish(1, a, b);
	sh("kill -KILL $(pgrep -P $(pgrep -nP %d miredo-steward) "
	   "miredo-hooks); rm -r /etc/miredo/hooks.d",
	   getpid());
	while (recv(channel, none, sizeof(none), 0) > 0)
		;
	soon_logged("the process that runs hooks is gone");
	sh(ADDRESSES);
	assert_string_equal(shown, "");
}

/* The next message that is a door. */
static struct steward_answer door(void)
{
	struct steward_answer d;

	for (unsigned i = 0; i < 1000; i++) {
		if (steward_hear(channel, &d) == 1 && d.is_door)
			return d;
		moment();
	}
	fail_msg("no door comes");
	return d;
}

/* X35, X50: sockets as the configuration wants all, each at a port of its own.
 */
static void random_ports_are_opened(void **state)
{
	struct steward_answer first, second;
	struct tuple at;

	(void)state;
	c.bind_ip = 0x7f000001;
	c.mark = 7;
	c.dscp = 10;
	snprintf(c.bind_iface, sizeof(c.bind_iface), "lo");
	start();
	assert_int_equal(steward_ask(channel, 0x8000000000000002), 0);
	first = door();
	second = door();
	assert_int_equal(first.door.slot, 1);
	assert_int_equal(second.door.slot, 63);
	assert_int_equal(first.door.error, 0);
	assert_int_not_equal(first.door.port, second.door.port);
	assert_int_equal(udp_local(first.fd, &at), 0);
	assert_int_equal(at.ip, 0x7f000001);
	assert_int_equal(at.port, first.door.port);
	assert_true(at.port >= 1024);
	assert_true(udp_is_confined(second.fd, "lo", 7));
	assert_true(fcntl(first.fd, F_GETFD) & FD_CLOEXEC);
	close(first.fd);
	close(second.fd);
}

static void random_port_that_cannot_be(void **state)
{
	struct steward_answer d;

	(void)state;
	c.bind_ip = 0x01020304; /* not ours */
	start();
	assert_int_equal(steward_ask(channel, 1), 0);
	d = door();
	assert_int_equal(d.door.error, EADDRNOTAVAIL);
	assert_int_equal(d.fd, -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)
	const struct CMUnitTest tests[] = {
		T(link_local_is_there_alone),
		T(mtu_of_the_settings),
		T(mtu_with_a_script),
		T(address_and_routes_as_wished),
		T(old_address_is_deprecated_then_removed),
		T(default_route_gives_way_to_native),
		T(default_route_always_or_never),
		T(table_has_routes_and_rules),
		T(table_main_by_its_number_is_main),
		T(what_somebody_removes_comes_back),
		T(interface_set_down_comes_up),
		T(who_fights_is_not_fought_fast),
		T(other_length_is_mended),
		T(end_leaves_nothing),
		T(end_of_channel_is_the_end),
		T(vanished_interface_is_reported),
		T(bad_wishes_are_refused),
		T(state_is_written),
		T(full_disk_is_told_once),
		T(old_file_of_root_is_written),
		T(file_that_is_no_file),
		T(one_capability_and_no_descriptors),
		T(random_ports_are_opened),
		T(random_port_that_cannot_be),
		T(hooks_are_another_process),
		T(hooks_that_are_gone_end_it),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
