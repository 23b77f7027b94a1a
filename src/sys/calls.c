/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of system calls (see calls.h). They are short since the processes make
 * do with few: one way to wait, one to send, netlink for all questions about
 * the host, threads that never end, no allocation in the loop.
 *
 * Each worker has a filter of its own on top of its keeper's, which must allow
 * what a worker does before it has that.
 */
#include "calls.h"

#include <features.h> /* __GLIBC__ */

#define CALL(...)                                                              \
	{                                                                      \
		.name = { __VA_ARGS__ }                                        \
	}
#define LIMITED(which, ...)                                                    \
	{                                                                      \
		.name = {__VA_ARGS__}, .limit = which                          \
	}

/* The loop of every packet process. */
static const struct call loop[] = {
	/* Wait for packets and for all else: loop.c, lanes.c. */
	CALL("epoll_wait", "epoll_pwait"),
	/* Timer, signals, calls of other lanes; the tun device. */
	CALL("read"),
	/* Call the loop; with -f, the log. */
	CALL("write"),
	/* Datagrams, in batches: udp.c, udpsend.c, raw6.c. */
	CALL("recvmmsg", "recvmmsg_time64"),
#ifdef __GLIBC__
	CALL("sendmmsg"),
#else
	/* musl sends one by one. */
	CALL("sendmsg"),
#endif
	/* Monitor, steward, resolver; netlink, both ways: netlink.c. */
	CALL("recvfrom"),
	CALL("sendto"),
	/* The next deadline: loop.c. */
	CALL("timerfd_settime", "timerfd_settime64"),
	/* What the kernel has dropped: udp_dropped(). */
	CALL("getsockopt"),
	/* The lock of the core, and threads that are done: lanes.c. */
	CALL("futex", "futex_time64"),
	/* Where the vDSO has no clock. */
	CALL("clock_gettime", "clock_gettime64"),
	/* The end, of all threads at once. */
	CALL("exit_group"),
};

/* Beyond that, a relay or client. */
static const struct call tunnel[] = {
	/* Packets for the tun device: tun.c. */
	CALL("writev"),
	/* A client's second port, when it is of use: clientrun_doors(). */
	CALL("epoll_ctl"),
	/* Random ports come from the steward, and go: randdoors.c. */
	CALL("recvmsg"),
	CALL("close"),
	/* Local discovery: the group on each link, neighbours.c. */
	CALL("setsockopt"),
	/* A pattern of names of links: regexec() in neighbours.c. */
	CALL("brk"),
	LIMITED(CALL_NO_CODE, "mmap", "mmap2"),
	CALL("munmap"),
	/* The end of a client: steward_finish(); also if it was stopped. */
	CALL("poll", "ppoll", "ppoll_time64"),
	CALL("restart_syscall"),
};

static const struct call steward[] = {
	/* Wait for wishes and events: wait_and_work(); if it was stopped. */
	CALL("poll", "ppoll", "ppoll_time64"),
	CALL("restart_syscall"),
	/* Wishes, answers, netlink, hooks, the log. */
	CALL("recvfrom"),
	CALL("sendto"),
	/* What is remembered: state_write(). */
	CALL("pwrite64"),
	CALL("fsync"),
	/* Random ports for the packet process: send_doors(). */
	LIMITED(CALL_UDP, "socket"),
	CALL("setsockopt"),
	CALL("bind"),
	CALL("getrandom"),
	CALL("sendmsg"),
	/* No Router Solicitations: iface_hush(); with -f, the log. */
	LIMITED(CALL_WRITE, "openat"),
	CALL("write"),
	CALL("close"),
	/* When to look again: now_ns(), where the vDSO has no clock. */
	CALL("clock_gettime", "clock_gettime64"),
	CALL("exit_group"),
};

static const struct call monitor[] = {
	/* Wait for signals, others' lines, the keeper: wait_for_keeper(). */
	CALL("poll", "ppoll", "ppoll_time64"),
	CALL("restart_syscall"),
	CALL("read"),
	CALL("recvfrom"),
	/* What others tell the service manager: notify_pass_on(). */
	CALL("recvmsg"),
	CALL("sendmsg"),
	/* How they ended: reap(). */
	CALL("wait4", "waitpid"),
	/* Signals for the worker; syslog. */
	CALL("sendto"),
	/* syslog again, when it was restarted; our number, the time, and that
	 * older libraries ignore SIGPIPE. */
	CALL("socket"),
	CALL("connect"),
	CALL("getpid"),
	CALL("clock_gettime", "clock_gettime64"),
	CALL("gettimeofday", "time"),
	CALL("rt_sigaction"),
	/* Readiness and the PID file; with -f, the log. */
	CALL("write"),
	/* Leave terminal and directory: leave(). */
	CALL("dup2", "dup3"),
	CALL("chdir"),
	CALL("close"),
	/* The end. */
	CALL("unlink", "unlinkat"),
	CALL("exit_group"),
	/* Memory of syslog() for a long line, and of what is freed. */
	CALL("brk"),
	LIMITED(CALL_NO_CODE, "mmap", "mmap2"),
	CALL("munmap"),
};

static const struct call keeper[] = {
	/* A new worker: run_worker(). */
	LIMITED(CALL_PROCESS, "clone"),
	CALL("fork"),
	LIMITED(CALL_FAILS, "clone3"),
	CALL("pipe2"),
	CALL("getpid"),
	CALL("read"),
	CALL("close"),
	/* Its end. */
	CALL("wait4", "waitpid"),
	CALL("clock_gettime", "clock_gettime64"),
	/* Readiness: daemon_ready(); the log. */
	CALL("write"),
	CALL("sendto"),
	CALL("dup2", "dup3"),
	CALL("chdir"),
	/* Its own end. */
	CALL("exit_group"),
};

/* Before worker_run() comes to loop_run(): what is opened anew for each life,
 * threads, and the filter of the worker. */
static const struct call birth[] = {
	/* Who it is: live(). */
	LIMITED(CALL_SIGNAL, "prctl"),
	LIMITED(CALL_NAME, "prctl"),
	CALL("getppid"),
	CALL("getpid"),
	CALL("gettid"),
	/* The C library after fork() and in a new thread. */
	CALL("set_robust_list"),
	CALL("set_tid_address"),
#ifndef __GLIBC__
	CALL("membarrier"),
#endif
	CALL("rseq"),
	CALL("rt_sigprocmask"),
	CALL("rt_sigaction"),
	LIMITED(CALL_PROCESS, "clone"),
	LIMITED(CALL_FAILS, "clone3"),
	/* Memory. */
	CALL("brk"),
	LIMITED(CALL_NO_CODE, "mmap", "mmap2"),
	LIMITED(CALL_NO_CODE, "mprotect"),
	CALL("munmap"),
	CALL("madvise"),
	/* Keys, seeds, nonces. */
	CALL("getrandom"),
	/* Routing sockets: netlink_open_groups(). */
	LIMITED(CALL_ROUTING, "socket"),
	CALL("setsockopt"),
	CALL("bind"),
	CALL("getsockname"),
	/* The control process keeps what it needs: descriptors_keep(); and
	 * comes after who carries packets. */
	CALL("close_range"),
	CALL("setpriority"),
	/* What the loop waits with: loop_open(), lanes_start(). */
	CALL("epoll_create1"),
	CALL("epoll_ctl"),
	CALL("timerfd_create"),
	CALL("eventfd2"),
	CALL("signalfd4"),
	CALL("close"),
	/* calls_confine() itself. */
	CALL("seccomp"),
};

static const struct call reader[] = {
	/* Wait for the monitor and for requests: serve(). */
	CALL("poll", "ppoll", "ppoll_time64"),
	CALL("restart_syscall"),
	CALL("recvfrom"),
	/* Answers, who is to look again, the log, the service manager. */
	CALL("sendto"),
	CALL("write"),
	/* Files: conf_files.c, textfile.c; O_NONBLOCK, to read them only. */
	LIMITED(CALL_READ, "openat"),
#ifndef __GLIBC__
	CALL("open"),
#endif
	CALL("read", "readv"),
	CALL("close"),
	CALL("fstat", "fstat64"),
	CALL("newfstatat", "fstatat64"),
	CALL("stat", "stat64"),
	CALL("statx"),
	CALL("lseek", "_llseek"),
	CALL("fcntl", "fcntl64"),
	CALL("getdents64", "getdents"),
	/* Is there a file of secrets: plan_check(). */
	CALL("access", "faccessat"),
	CALL("faccessat2"),
	/* When, and until when. */
	CALL("clock_gettime", "clock_gettime64"),
	CALL("gettimeofday", "time"),
	/* Memory for lines, names and patterns. */
	CALL("brk"),
	LIMITED(CALL_NO_CODE, "mmap", "mmap2"),
	CALL("mremap"),
	CALL("munmap"),
	CALL("getrandom"),
	CALL("exit_group"),
};

/*
 * A look-up may load what nsswitch.conf names, and that may do anything a
 * program does: so here is what nobody needs who looks up a name, and what has
 * helped to get out of cages.
 */
static const struct call lookup[] = {
	/* Other programs, other processes. */
	CALL("execve"),
	CALL("execveat"),
	CALL("ptrace"),
	CALL("process_vm_readv"),
	CALL("process_vm_writev"),
	CALL("process_madvise"),
	CALL("pidfd_getfd"),
	CALL("kcmp"),
	/* Other views of the host. */
	CALL("unshare"),
	CALL("setns"),
	CALL("mount"),
	CALL("umount", "umount2"),
	CALL("fsopen"),
	CALL("fsmount"),
	CALL("move_mount"),
	CALL("open_tree"),
	CALL("mount_setattr"),
	CALL("pivot_root"),
	CALL("chroot"),
	CALL("open_by_handle_at"),
	/* Doors of the kernel that had bugs. */
	CALL("bpf"),
	CALL("perf_event_open"),
	CALL("userfaultfd"),
	CALL("io_uring_setup"),
	CALL("io_uring_enter"),
	CALL("io_uring_register"),
	CALL("keyctl"),
	CALL("add_key"),
	CALL("request_key"),
	CALL("personality"),
	CALL("modify_ldt"),
	CALL("vmsplice"),
	LIMITED(CALL_FAR, "socket"),
	/* What only root can do, for the day it can. */
	CALL("init_module"),
	CALL("finit_module"),
	CALL("delete_module"),
	CALL("kexec_load"),
	CALL("kexec_file_load"),
	CALL("reboot"),
	CALL("swapon"),
	CALL("swapoff"),
	CALL("acct"),
	CALL("quotactl"),
	CALL("settimeofday", "stime"),
	CALL("clock_settime", "clock_settime64"),
	CALL("adjtimex"),
	CALL("clock_adjtime", "clock_adjtime64"),
	CALL("iopl"),
	CALL("ioperm"),
};

static const struct call control[] = {
	/* Wait for who asks: wait_and_serve(); if it was stopped. */
	CALL("poll", "ppoll", "ppoll_time64"),
	CALL("restart_syscall"),
	/* Who it is, and what it wants. */
	CALL("accept4"),
	CALL("getsockopt"),
	CALL("recvfrom"),
	CALL("sendto"),
	CALL("close"),
	/* News: take_bell(); with -f, the log. */
	CALL("read"),
	CALL("write"),
	CALL("geteuid"),
	CALL("clock_gettime", "clock_gettime64"),
	CALL("gettimeofday", "time"),
	/* Facts that are just being written: board_read(). */
	CALL("sched_yield"),
	CALL("exit_group"),
};

static const struct call mapper[] = {
	/* Wait for orders, answers and time: serve(); if it was stopped. */
	CALL("poll", "ppoll", "ppoll_time64"),
	CALL("restart_syscall"),
	CALL("recvfrom"),
	CALL("sendto"),
	CALL("read"),
	CALL("close"),
	CALL("timerfd_settime", "timerfd_settime64"),
	CALL("clock_gettime", "clock_gettime64"),
	/* A child that asks a router, and its end. */
	CALL("pipe2"),
	LIMITED(CALL_PROCESS, "clone"),
	CALL("fork"),
	LIMITED(CALL_FAILS, "clone3"),
	CALL("kill"),
	CALL("wait4", "waitpid"),
	CALL("exit_group"),
	/* What the C library does in a child, and the child before it has a
	 * filter of its own: run() in gateway.c. */
	CALL("set_robust_list"),
	CALL("set_tid_address"),
	CALL("rseq"),
	CALL("gettid"),
	CALL("rt_sigprocmask"),
	CALL("rt_sigaction"),
	LIMITED(CALL_SIGNAL, "prctl"),
	LIMITED(CALL_NAME, "prctl"),
	CALL("close_range"),
	CALL("prlimit64", "setrlimit"),
	CALL("alarm", "setitimer"),
	CALL("brk"),
	LIMITED(CALL_NO_CODE, "mmap", "mmap2"),
	LIMITED(CALL_NO_CODE, "mprotect"),
	CALL("munmap"),
	CALL("seccomp"),
};

static const struct call gateway[] = {
	/* PCP and NAT-PMP: ask(). */
	CALL("poll", "ppoll", "ppoll_time64"),
	CALL("sendmsg"),
	CALL("recvfrom"),
	CALL("clock_gettime", "clock_gettime64"),
	/* UPnP: libminiupnpc. */
	LIMITED(CALL_IP4, "socket"),
	CALL("bind"),
	CALL("connect"),
	CALL("getsockname"),
	CALL("setsockopt"),
	CALL("getsockopt"),
	CALL("sendto"),
	CALL("select", "_newselect"),
	CALL("pselect6", "pselect6_time64"),
	CALL("close"),
	/* Its memory, which has an end: bound(). */
	CALL("brk"),
	LIMITED(CALL_NO_CODE, "mmap", "mmap2"),
	CALL("mremap"),
	CALL("munmap"),
	/* What it has found out. */
	CALL("write"),
	CALL("exit_group"),
};

#define LIST(v)                                                                \
	{                                                                      \
		sizeof(v) / sizeof((v)[0]), v                                  \
	}

/* In the order of enum calls_of. */
const struct calls calls_lists[CALLS_LISTS] = {
	LIST(loop),   LIST(tunnel), LIST(steward), LIST(monitor),
	LIST(keeper), LIST(birth),  LIST(lookup),  LIST(control),
	LIST(reader), LIST(mapper), LIST(gateway),
};
