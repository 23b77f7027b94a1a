/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripts: what they are told, and when, as 1.2.6 does it; who may not run, and
 * what becomes of those that hang. In a mount namespace of its own, so that
 * /etc/miredo is ours. Needs root.
 */
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
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/sys/hook.h"
#include "../../src/sys/log.h"
#include "../../src/sys/script.h"
#include "../../src/sys/settings.h"

#define A "2001:0:900:2:2847:7fe3:f6ff:f5fd"
#define B "2001:0:900:2:22:106a:f6ff:f5fd"

static const struct ip6 a = {{0x20, 0x01, 0, 0, 0x09, 0, 0, 2, 0x28, 0x47, 0x7f,
			      0xe3, 0xf6, 0xff, 0xf5, 0xfd}};
static const struct ip6 b = {{0x20, 0x01, 0, 0, 0x09, 0, 0, 2, 0, 0x22, 0x10,
			      0x6a, 0xf6, 0xff, 0xf5, 0xfd}};

static struct conf c;
static struct hooks h;
static struct steward_wish w;
static int log_fd, terminal;
static char shown[16384];

static int enter(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("must be root\n");
		return 0;
	}
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/etc", "tmpfs", 0, "size=256k") < 0)
		return -1;
	umask(022);
	terminal = dup(STDERR_FILENO);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	fcntl(log_fd, F_SETFL, O_APPEND);
	return 0;
}

static int make(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	conf_defaults(&c);
	c.hook_script[0] = '\0';
	w = (struct steward_wish){.reason = "ok",
				  .server = "9.0.0.2",
				  .nat = "restricted",
				  .mapped = "9.0.10.2:1024",
				  .mtu = 1280};
	if (mkdir("/etc/miredo", 0755) < 0 || mkdir(HOOK_DIRECTORY, 0755) < 0)
		return -1;
	return ftruncate(log_fd, 0);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* A script that notes its environment, but for what shells add. */
#define NOTE "#!/bin/sh\nenv | grep -v ^PWD= | sort >>/etc/told\n"

static const char *told(void)
{
	int fd = open("/etc/told", O_RDONLY | O_CREAT, 0600);
	ssize_t n = read(fd, shown, sizeof(shown) - 1);

	assert_true(n >= 0);
	shown[n] = '\0';
	close(fd);
	unlink("/etc/told");
	return shown;
}

static const char *logged(void)
{
	ssize_t n = pread(log_fd, shown, sizeof(shown) - 1, 0);

	assert_true(n >= 0);
	shown[n] = '\0';
	assert_int_equal(ftruncate(log_fd, 0), 0);
	return shown;
}

static void close_hooks(void)
{
	if (h.fd < 0)
		return;
	close(h.fd);
	h.fd = -1;
	waitpid(-1, NULL, 0);
	unlink("/etc/told");
}

static int unmake(void **state)
{
	(void)state;
	close_hooks();
	return geteuid() == 0 ? system("rm -rf /etc/miredo /etc/told") : 0;
}

static void open_hooks(void)
{
	if (geteuid() != 0)
		skip();
	dup2(log_fd, STDERR_FILENO);
	close_hooks();
	hooks_open(&h, &c, "teredo", 3);
	dup2(terminal, STDERR_FILENO);
}

static void wait_readable(void)
{
	struct pollfd p = {.fd = h.fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 30000), 1);
}

/* Tell scripts of the wish, to the end; what the main script came to. */
static enum hook_news tell(void)
{
	enum hook_news news, script = HOOK_RUNNING;

	if (h.fd < 0) {
		dup2(log_fd, STDERR_FILENO);
		assert_int_equal(hooks_start(&h), 0);
		dup2(terminal, STDERR_FILENO);
	}
	assert_true(hooks_want(&h, &w));
	assert_false(h.is_busy);
	assert_int_equal(hooks_tell(&h, &w), 0);
	assert_true(h.is_busy);
	wait_readable();
	while ((news = hooks_read(&h)) != HOOK_ALL_DONE) {
		if (news != HOOK_RUNNING)
			script = news;
		wait_readable();
	}
	assert_false(h.is_busy);
	return script;
}

static void be(bool is_up, struct ip6 address)
{
	w.is_up = is_up;
	w.n = is_up;
	w.address[0] = address;
}

/* Measured with the package of Debian 12, but for PATH. */
static void events_are_those_of_1_2_6(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_SCRIPT, NOTE, 0755);
	open_hooks();
	assert_string_equal(h.script, HOOK_SCRIPT);
	assert_false(hooks_want(&h, &w)); /* nothing at the start */
	be(true, a);
	assert_int_equal(tell(), HOOK_SCRIPT_DONE);
	assert_string_equal(told(), "ADDRESS=" A "\nIFACE=teredo\nIFINDEX=3\n"
				    "LLADDRESS=fe80::ffff:ffff:ffff\nMTU=1280\n"
				    "OLD_STATE=down\n"
				    "PATH=/usr/local/sbin:/usr/local/bin:"
				    "/usr/sbin:/usr/bin:/sbin:/bin\n"
				    "STATE=up\n");
	assert_false(hooks_want(&h, &w));
	be(true, b);
	tell();
	assert_string_equal(told(), "ADDRESS=" B "\nIFACE=teredo\nIFINDEX=3\n"
				    "LLADDRESS=fe80::ffff:ffff:ffff\nMTU=1280\n"
				    "OLD_ADDRESS=" A "\n"
				    "OLD_LLADDRESS=fe80::ffff:ffff:ffff\n"
				    "OLD_MTU=1280\nOLD_STATE=up\n"
				    "PATH=/usr/local/sbin:/usr/local/bin:"
				    "/usr/sbin:/usr/bin:/sbin:/bin\n"
				    "STATE=up\n");
	be(false, b);
	tell();
	assert_string_equal(told(), "IFACE=teredo\nIFINDEX=3\n"
				    "OLD_ADDRESS=" B "\n"
				    "OLD_LLADDRESS=fe80::ffff:ffff:ffff\n"
				    "OLD_MTU=1280\nOLD_STATE=up\n"
				    "PATH=/usr/local/sbin:/usr/local/bin:"
				    "/usr/sbin:/usr/bin:/sbin:/bin\n"
				    "STATE=down\n");
	w.final = true;
	tell();
	assert_string_equal(told(), "IFACE=teredo\nIFINDEX=3\nOLD_STATE=down\n"
				    "PATH=/usr/local/sbin:/usr/local/bin:"
				    "/usr/sbin:/usr/bin:/sbin:/bin\n"
				    "STATE=down\n"
				    "IFACE=teredo\nIFINDEX=3\nOLD_STATE=down\n"
				    "PATH=/usr/local/sbin:/usr/local/bin:"
				    "/usr/sbin:/usr/bin:/sbin:/bin\n"
				    "STATE=destroy\n");
	assert_false(hooks_want(&h, &w));
	assert_string_equal(logged(), "");
}

/* InterfaceMTU at run time: the same address, and both of them. */
static void another_mtu_is_told(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_SCRIPT, NOTE, 0755);
	open_hooks();
	w.mtu = 1400;
	assert_false(hooks_want(&h, &w)); /* not while it is down */
	be(true, a);
	tell();
	assert_non_null(strstr(told(), "\nMTU=1400\nOLD_STATE=down\n"));
	assert_false(hooks_want(&h, &w));
	w.mtu = 1300;
	tell();
	told();
	assert_non_null(strstr(shown, "\nMTU=1300\nOLD_ADDRESS=" A "\n"));
	assert_non_null(strstr(shown, "\nOLD_MTU=1400\nOLD_STATE=up\n"));
	assert_false(hooks_want(&h, &w));
	w.mtu = INNER_MAX + 1;
	assert_false(wish_is_valid(&w, TEREDO_PREFIX));
}

/* The process of scripts logs by itself, as the settings of now want it. */
static void log_follows_the_settings(void **state)
{
	static struct settings_view v;
	struct settings *writer;

	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_SCRIPT, "#!/bin/sh\necho here we are\n", 0755);
	v = (struct settings_view){.serial = 1, .conf = c};
	open_hooks();
	h.settings = settings_make(&writer, &v);
	be(true, a);
	tell();
	assert_non_null(strstr(logged(), "here we are"));
	v.conf.log_level = LOG_ERR;
	settings_write(writer, &v);
	be(true, b);
	tell();
	assert_string_equal(logged(), "");
}

/* At `destroy` the old state is that from before `down`. */
static void end_while_up(void **state)
{
	static const char old[] =
		"OLD_ADDRESS=" A "\nOLD_LLADDRESS=fe80::ffff:ffff:ffff\n"
		"OLD_MTU=1280\nOLD_STATE=up\n";
	const char *first;

	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_SCRIPT, NOTE, 0755);
	open_hooks();
	be(true, a);
	tell();
	told();
	w.final = true;
	be(false, a);
	tell();
	first = strstr(told(), old);
	assert_non_null(first);
	assert_non_null(strstr(first, "STATE=down\n"));
	first = strstr(first + 1, old);
	assert_non_null(first);
	assert_non_null(strstr(first, "STATE=destroy\n"));
	assert_null(strstr(shown, "\nADDRESS="));
}

static void directory_in_order_with_more(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_DIRECTORY "/20-second",
		   "#!/bin/sh\necho 20 $EVENT >>/etc/told\n", 0755);
	write_file(HOOK_DIRECTORY "/10-first", NOTE, 0755);
	write_file(HOOK_DIRECTORY "/9-last", "#!/bin/sh\necho 9 >>/etc/told\n",
		   0755);
	write_file(HOOK_DIRECTORY "/11-no", NOTE, 0644);
	write_file(HOOK_DIRECTORY "/12-no~", NOTE, 0755);
	write_file(HOOK_DIRECTORY "/.13-no", NOTE, 0755);
	write_file(HOOK_DIRECTORY "/14-no.dpkg-old", NOTE, 0755);
	mkdir(HOOK_DIRECTORY "/15-no", 0755);
	open_hooks();
	assert_null(h.script);
	be(true, a);
	assert_int_equal(tell(), HOOK_SCRIPT_DONE);
	assert_string_equal(told(), "ADDRESS=" A "\nEVENT=up\n"
				    "IFACE=teredo\nIFINDEX=3\n"
				    "LLADDRESS=fe80::ffff:ffff:ffff\n"
				    "MAPPED=9.0.10.2:1024\nMTU=1280\n"
				    "NAT=restricted\nOLD_STATE=down\n"
				    "PATH=/usr/local/sbin:/usr/local/bin:"
				    "/usr/sbin:/usr/bin:/sbin:/bin\n"
				    "REASON=ok\nSERVER=9.0.0.2\nSTATE=up\n"
				    "20 up\n9\n");
	unlink(HOOK_DIRECTORY "/10-first");
	be(true, b);
	tell();
	assert_string_equal(told(), "20 change\n9\n");
	be(false, b);
	tell();
	assert_string_equal(told(), "20 down\n9\n");
	w.final = true;
	tell();
	assert_string_equal(told(), "20 down\n9\n20 destroy\n9\n");
	assert_string_equal(logged(), "");
}

static void script_comes_before_directory(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file("/etc/miredo/mine", "#!/bin/sh\necho mine $# >>/etc/told\n",
		   0755);
	write_file(HOOK_DIRECTORY "/a", "#!/bin/sh\necho a $# >>/etc/told\n",
		   0755);
	strcpy(c.hook_script, "/etc/miredo/mine");
	open_hooks();
	be(true, a);
	tell();
	assert_string_equal(told(), "mine 0\na 0\n");
}

static void scripts_that_others_may_write(void **state)
{
	static const char bad[] = HOOK_DIRECTORY "/bad";

	(void)state;
	if (geteuid() != 0)
		skip();
	be(true, a);
	for (unsigned i = 0; i < 3; i++) {
		write_file(bad, NOTE, i == 0 ? 0757 : i == 1 ? 0775 : 0755);
		assert_int_equal(chown(bad, i == 2 ? 1000 : 0, i == 1 ? 7 : 0),
				 0);
		open_hooks();
		tell();
		assert_string_equal(told(), "");
		assert_non_null(strstr(logged(),
				       "/bad is not run: others than root may "
				       "change it"));
	}
	assert_int_equal(chown(bad, 0, 0), 0);
	assert_int_equal(chmod(bad, 0775), 0);
	open_hooks();
	tell();
	assert_int_not_equal(told()[0], '\0');
	/* The same for the script that would do our work: then we do it. */
	write_file(HOOK_SCRIPT, NOTE, 0757);
	open_hooks();
	assert_null(h.script);
	assert_non_null(strstr(logged(), HOOK_SCRIPT " is not run"));
}

/* Who may change the directory may put a script there. */
static void directory_that_others_may_write(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	be(true, a);
	write_file(HOOK_DIRECTORY "/good", NOTE, 0755);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(chmod(HOOK_DIRECTORY, i ? 0755 : 0757), 0);
		assert_int_equal(chown(HOOK_DIRECTORY, i ? 1000 : 0, 0), 0);
		open_hooks();
		tell();
		assert_string_equal(told(), "");
		assert_non_null(strstr(logged(), "others than root"));
	}
	assert_int_equal(chown(HOOK_DIRECTORY, 0, 0), 0);
	write_file(HOOK_SCRIPT, NOTE, 0755);
	assert_int_equal(chmod("/etc/miredo", 0757), 0);
	open_hooks();
	assert_null(h.script);
	assert_int_equal(chmod("/etc/miredo", 0755), 0);
	open_hooks();
	assert_non_null(h.script);
}

/* The name is that of another daemon's interface by now: lo, here. */
static void interface_of_another(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	be(true, a);
	write_file(HOOK_DIRECTORY "/late", NOTE, 0755);
	open_hooks();
	h.iface = "lo";
	h.ifindex = if_nametoindex("lo") + 1;
	tell();
	assert_string_equal(told(), "");
	open_hooks();
	h.iface = "lo";
	h.ifindex = if_nametoindex("lo");
	tell();
	assert_int_not_equal(told()[0], '\0');
}

static void script_that_is_not_there(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	open_hooks();
	assert_null(h.script);
	assert_string_equal(logged(), "");
	write_file(HOOK_SCRIPT, NOTE, 0644);
	open_hooks();
	assert_null(h.script);
	assert_string_equal(logged(), "");
	strcpy(c.hook_script, "/etc/miredo/missing");
	open_hooks();
	assert_null(h.script);
	assert_non_null(strstr(logged(), "/etc/miredo/missing is not run: No "
					 "such file"));
}

/* Then there is no process, and nobody to tell. */
static void without_scripts_nothing_is_root(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_DIRECTORY "/no~", NOTE, 0755);
	open_hooks();
	assert_int_equal(hooks_start(&h), 0);
	assert_int_equal(h.fd, -1);
	be(true, a);
	assert_false(hooks_want(&h, &w));
	assert_int_equal(unlink(HOOK_DIRECTORY "/no~"), 0);
	assert_int_equal(rmdir(HOOK_DIRECTORY), 0);
	open_hooks();
	assert_int_equal(hooks_start(&h), 0);
	assert_int_equal(h.fd, -1);
	assert_string_equal(logged(), "");
}

/* The steward was killed: they are told of the end, with what was last. */
static void end_of_the_steward_is_the_end(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_DIRECTORY "/a",
		   "#!/bin/sh\necho $EVENT $OLD_ADDRESS $NAT >>/etc/told\n",
		   0755);
	open_hooks();
	be(true, a);
	tell();
	close(h.fd);
	h.fd = -1;
	assert_true(waitpid(-1, NULL, 0) > 0);
	assert_string_equal(told(), "up restricted\ndown " A " restricted\n"
				    "destroy " A " restricted\n");
}

/* Of what the steward must not tell they hear nothing, but of the end. */
static void bad_wishes_are_the_end(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_DIRECTORY "/a",
		   "#!/bin/sh\necho $EVENT $NAT >>/etc/told\n", 0755);
	for (unsigned i = 0; i < 2; i++) {
		open_hooks();
		be(true, a);
		tell();
		told();
		strcpy(w.nat, "$(reboot)");
		be(true, b);
		assert_int_equal(send(h.fd, &w, sizeof(w) - i, 0),
				 sizeof(w) - i);
		assert_true(waitpid(-1, NULL, 0) > 0);
		assert_string_equal(told(), "down restricted\n"
					    "destroy restricted\n");
		assert_non_null(strstr(logged(), "must not"));
		strcpy(w.nat, "restricted");
		close(h.fd);
		h.fd = -1;
	}
}

static void hanging_script_is_killed(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_DIRECTORY "/a-hangs",
		   "#!/bin/sh\ntrap '' TERM\necho waiting\n"
		   "(sleep 1000)\nexit 0\n",
		   0755);
	write_file(HOOK_DIRECTORY "/b-next",
		   "#!/bin/sh\necho next >>/etc/told\n", 0755);
	open_hooks();
	assert_int_equal(h.limit_ms, 10000);
	h.limit_ms = 2000; /* in which a shell says a word on any machine */
	be(true, a);
	tell();
	assert_string_equal(told(), "next\n");
	logged();
	assert_non_null(strstr(shown, "a-hangs: waiting\n"));
	assert_non_null(
		strstr(shown, "/a-hangs was killed: it took more than"));
}

/* It need not be waited for, though it holds the output open. */
static void script_may_leave_something_running(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_DIRECTORY "/a",
		   "#!/bin/sh\nsleep 1000 &\necho $! >/etc/told\necho left\n",
		   0755);
	open_hooks();
	be(true, a);
	tell();
	assert_non_null(strstr(logged(), "a: left\n"));
	assert_null(strstr(shown, "was killed"));
	assert_int_equal(kill(atoi(told()), SIGKILL), 0); /* it runs on */
}

static void failures_are_logged(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(HOOK_SCRIPT, "#!/bin/sh\necho 'no \033[1m' >&2\nexit 3\n",
		   0755);
	write_file(HOOK_DIRECTORY "/a", "#!/bin/sh\nkill -SEGV $$\n", 0755);
	write_file(HOOK_DIRECTORY "/b", "#!/nowhere/at/all\n", 0755);
	write_file(HOOK_DIRECTORY "/c",
		   "#!/bin/sh\nseq 1 1000\nprintf %3000s x\n", 0755);
	open_hooks();
	be(true, a);
	assert_int_equal(tell(), HOOK_SCRIPT_FAILED);
	logged();
	assert_non_null(strstr(shown, "client-hook: no ?[1m\n"));
	assert_non_null(strstr(shown, HOOK_SCRIPT " failed: status 3\n"));
	assert_non_null(strstr(shown, "/a was ended by signal 11"));
	assert_non_null(strstr(shown, "b: cannot be run: No such file"));
	assert_non_null(strstr(shown, "/b failed: status 127\n"));
	assert_non_null(strstr(shown, "c: 50\n"));
	assert_null(strstr(shown, "c: 51\n"));
	assert_non_null(strstr(shown, "c: more output, not shown\n"));
}

static void where_and_with_what_scripts_run(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	setenv("SECRET", "x", 1);
	write_file(HOOK_DIRECTORY "/a",
		   "#!/bin/sh\npwd >/etc/told\numask >>/etc/told\n"
		   "readlink /proc/self/fd/0 >>/etc/told\n"
		   "ls /proc/self/fd | wc -l >>/etc/told\n"
		   "grep SigBlk /proc/self/status >>/etc/told\n"
		   "echo \"$SECRET.\" >>/etc/told\n",
		   0755);
	open_hooks();
	be(true, a);
	tell();
	/* `ls` has its directory open. */
	assert_string_equal(told(), "/\n0022\n/dev/null\n4\n"
				    "SigBlk:\t0000000000000000\n.\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)
	const struct CMUnitTest tests[] = {
		T(events_are_those_of_1_2_6),
		T(another_mtu_is_told),
		T(log_follows_the_settings),
		T(end_while_up),
		T(directory_in_order_with_more),
		T(script_comes_before_directory),
		T(scripts_that_others_may_write),
		T(directory_that_others_may_write),
		T(interface_of_another),
		T(script_that_is_not_there),
		T(without_scripts_nothing_is_root),
		T(end_of_the_steward_is_the_end),
		T(bad_wishes_are_the_end),
		T(hanging_script_is_killed),
		T(script_may_leave_something_running),
		T(failures_are_logged),
		T(where_and_with_what_scripts_run),
	};

	h.fd = -1;
	return cmocka_run_group_tests(tests, enter, NULL);
}
