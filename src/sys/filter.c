/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of calls.c as a filter of the kernel's, by libseccomp. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "log.h"

/* Which argument of clone() has the flags. */
#if defined(__s390__) || defined(__CRIS__)
#define CLONE_ARG 1
#else
#define CLONE_ARG 0
#endif

#define NAMESPACES                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Of the second argument of socket(); the rest are flags. */
#define SOCKET_TYPE 0xf

/* O_LARGEFILE is what 32-bit libraries add. */
#ifdef O_LARGEFILE
#define LARGE (O_LARGEFILE | 0100000)
#else
#define LARGE 0100000
#endif

/* In builds with sanitizers: what these do on their own; at the end they look
 * for leaks, by a thread that traces the others. */
static const char of_sanitizers[] =
	"access brk clock_gettime clock_nanosleep clone close dup "
	"exit faccessat fcntl fstat futex getcwd getdents getdents64 "
	"geteuid getpid getppid getrlimit gettid gettimeofday getuid "
	"ioctl lseek madvise membarrier mmap mmap2 mprotect mremap "
	"munmap nanosleep newfstatat open openat pipe2 prctl pread64 "
	"prlimit64 ptrace read readlink readlinkat rseq rt_sigaction "
	"rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield "
	"set_robust_list sigaltstack stat sysinfo tgkill uname wait4 "
	"waitid write";

/* For calls of which this argument, but for bits outside of mask, is that. */
static int rule_if(scmp_filter_ctx f, uint32_t action, int number, unsigned arg,
		   uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp c = {
		.arg = arg,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = mask,
		.datum_b = value,
	};

	return seccomp_rule_add_array(f, action, number, 1, &c);
}

static int rule_if_above(scmp_filter_ctx f, uint32_t action, int number,
			 unsigned arg, uint64_t value)
{
	const struct scmp_arg_cmp c = {
		.arg = arg,
		.op = SCMP_CMP_GT,
		.datum_a = value,
		.datum_b = 0,
	};

	return seccomp_rule_add_array(f, action, number, 1, &c);
}

static int add_udp(scmp_filter_ctx f, uint32_t action, int number)
{
	const struct scmp_arg_cmp c[] = {
		{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_INET},
		{.arg = 1,
		 .op = SCMP_CMP_MASKED_EQ,
		 .datum_a = SOCKET_TYPE,
		 .datum_b = SOCK_DGRAM},
	};

	return seccomp_rule_add_array(f, action, number, 2, c);
}

static int add_rule(scmp_filter_ctx f, uint32_t action, int number,
		    enum call_limit limit)
{
#define RULE_IF(...) rule_if(f, action, number, __VA_ARGS__)
	switch (limit) {
	case CALL_ANY:
		return seccomp_rule_add_array(f, action, number, 0, NULL);
	case CALL_NO_CODE:
		return RULE_IF(2, PROT_EXEC, 0);
	case CALL_WRITE:
		return RULE_IF(2, UINT32_MAX & ~(uint32_t)LARGE,
			       O_WRONLY | O_CLOEXEC);
	case CALL_READ:
		return RULE_IF(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY);
	case CALL_ROUTING:
		return RULE_IF(0, UINT32_MAX, AF_NETLINK);
	case CALL_IP4:
		return RULE_IF(0, UINT32_MAX, AF_INET);
	case CALL_PROCESS:
		return RULE_IF(CLONE_ARG, NAMESPACES, 0);
	case CALL_SIGNAL:
		return RULE_IF(0, UINT32_MAX, PR_SET_PDEATHSIG);
	case CALL_NAME:
		return RULE_IF(0, UINT32_MAX, PR_SET_NAME);
	case CALL_FAILS:
		return seccomp_rule_add_array(f, SCMP_ACT_ERRNO(ENOSYS), number,
					      0, NULL);
	case CALL_UDP:
		return add_udp(f, action, number);
	case CALL_FAR:
		return rule_if_above(f, action, number, 0, AF_NETLINK);
	}
#undef RULE_IF
	return -EINVAL;
}

/* Names that this architecture does not have are none. */
static int add(scmp_filter_ctx f, uint32_t action, const char *name,
	       enum call_limit limit)
{
	int number = seccomp_syscall_resolve_name(name), r;

	if (number == __NR_SCMP_ERROR)
		return 0;
	r = add_rule(f, action, number, limit);
	return r == -EDOM || r == -EEXIST ? 0 : r;
}

static int add_list(scmp_filter_ctx f, uint32_t action, const struct calls *l)
{
	int r = 0;

	for (unsigned i = 0; i < l->n; i++) {
		for (unsigned k = 0; k < CALL_NAMES && l->v[i].name[k] && !r;
		     k++)
			r = add(f, action, l->v[i].name[k], l->v[i].limit);
	}
	return r;
}

static int add_of_sanitizers(scmp_filter_ctx f)
{
	char copy[sizeof(of_sanitizers)], *rest = copy, *name;
	int r = 0;

	memcpy(copy, of_sanitizers, sizeof(copy));
	while ((name = strsep(&rest, " ")) && !r)
		r = add(f, SCMP_ACT_ALLOW, name, CALL_ANY);
	return r;
}

static int fill(scmp_filter_ctx f, unsigned lists)
{
	bool forbids = lists == CALLS_LOOKUP;
	uint32_t action = forbids ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW;
	int r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	/* It is set, and the call to set it may be forbidden by now. */
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	for (unsigned i = 0; i < CALLS_LISTS && !r; i++) {
		if (lists & 1U << i)
			r = add_list(f, action, &calls_lists[i]);
	}
	if (SANITIZED && !forbids && !r)
		r = add_of_sanitizers(f);
	return r;
}

void calls_confine(unsigned lists)
{
	/* It asks the kernel whether it can kill processes (4.14). */
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = 0;

	if (!f) {
		log_debug("no filter for system calls: the kernel has none");
		return;
	}
	if (lists == CALLS_LOOKUP)
		r = seccomp_reset(f, SCMP_ACT_ALLOW);
	if (!r)
		r = fill(f, lists);
	if (!r)
		r = seccomp_load(f);
	seccomp_release(f);
	if (r)
		die("cannot set the filter for system calls: %s", strerror(-r));
}
