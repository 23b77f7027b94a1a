/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up privileges, in four measures: the monitor stays root so that it may
 * remove its PID file, but without any capability root is only a user; who runs
 * hooks stays root and may change the network, as they may; a client's steward
 * may do so too, as user miredo; the packet process, which reads what strangers
 * send, and the resolver, which reads what name servers send, become miredo and
 * may do nothing. All but the hooks can never gain anything again, and cannot
 * be traced by other processes of their user.
 */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"
#include "privs.h"

void privs_require(bool tunnel, bool raw)
{
	static const struct {
		unsigned capability;
		const char *name;
	} root[] = {{CAP_SETUID, "CAP_SETUID"}, {CAP_SETGID, "CAP_SETGID"}};

	capng_get_caps_process();
	if (geteuid() != 0 &&
	    ((tunnel &&
	      !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN)) ||
	     (raw && !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW))))
		die("must be started by root\n"
		    "  or with the capability %s",
		    tunnel ? "CAP_NET_ADMIN" : "CAP_NET_RAW");
	if (tunnel && !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		die("root here has no CAP_NET_ADMIN, which a client or relay "
		    "needs for its interface\n"
		    "  for a container:  --cap-add NET_ADMIN --device "
		    "/dev/net/tun");
	if (raw && !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW))
		die("root here has no CAP_NET_RAW, which a server needs for "
		    "its IPv6 side\n"
		    "  for a container:  --cap-add NET_RAW");
	for (unsigned i = 0; geteuid() == 0 && i < 2; i++) {
		if (!capng_have_capability(CAPNG_EFFECTIVE, root[i].capability))
			die("root here has no %s, so it cannot become another "
			    "user\n"
			    "  start as that user with the other capabilities",
			    root[i].name);
	}
}

void privs_lookup(struct identity *id, const char *user, const char *group)
{
	const struct passwd *pw;
	const struct group *gr;

	*id = (struct identity){.change = geteuid() == 0};
	if (!id->change)
		return;
	pw = getpwnam(user);
	gr = getgrnam(group);
	if (!pw)
		log_error("user \"%s\" does not exist\n"
			  "  create it:  adduser --system --home /run/miredo "
			  "--no-create-home --ingroup %s %s  (or use -u)",
			  user, group, user);
	if (!gr)
		log_error("group \"%s\" does not exist\n"
			  "  create it:  addgroup --system %s  (or use -g)",
			  group, group);
	if (!pw || !gr)
		exit(STATUS_FAILED);
	id->uid = pw->pw_uid;
	id->gid = gr->gr_gid;
}

/* All but this one, if we have it; -1 = all. */
static void forget_capabilities(int but)
{
	bool has;

	capng_get_caps_process();
	has = but >= 0 && capng_have_capability(CAPNG_PERMITTED, (unsigned)but);
	capng_clear(CAPNG_SELECT_ALL);
	if (has)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			     (unsigned)but);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		die("cannot give up capabilities: %s", strerror(errno));
	/* Kernels before 4.3 have no ambient set. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("cannot set no_new_privs: %s", strerror(errno));
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Only possible with CAP_SETPCAP; no_new_privs makes up for it if not. */
static void empty_bounding_set(void)
{
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return;
	capng_clear(CAPNG_SELECT_BOUNDS);
	capng_apply(CAPNG_SELECT_BOUNDS);
}

void privs_drop_capabilities(void)
{
	empty_bounding_set();
	forget_capabilities(-1);
}

/*
 * What root starts has the capabilities of the bounding set, what others start
 * those of the ambient set. no_new_privs would take neither away; it is only
 * set where the bounding set cannot be made smaller, since it keeps scripts
 * from using programs with set-user-ID.
 */
void privs_keep_root(void)
{
	bool has, may_bound;

	capng_get_caps_process();
	has = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	if (has)
		capng_updatev(CAPNG_ADD,
			      CAPNG_EFFECTIVE | CAPNG_PERMITTED |
				      CAPNG_INHERITABLE | CAPNG_BOUNDING_SET,
			      CAP_NET_ADMIN, -1);
	if ((may_bound && capng_apply(CAPNG_SELECT_BOUNDS) != 0) ||
	    capng_apply(CAPNG_SELECT_CAPS) != 0)
		die("cannot give up capabilities: %s", strerror(errno));
	if (!may_bound && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("cannot set no_new_privs: %s", strerror(errno));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (has && geteuid() != 0)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0,
		      0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void become(const struct identity *id)
{
	if (id->change && (setgroups(0, NULL) < 0 ||
			   setresgid(id->gid, id->gid, id->gid) < 0 ||
			   setresuid(id->uid, id->uid, id->uid) < 0))
		die("cannot become user %u, group %u: %s", (unsigned)id->uid,
		    (unsigned)id->gid, strerror(errno));
}

static void assert_gone(const struct identity *id)
{
	if (id->change && id->uid != 0 && setuid(0) == 0)
		die("gave up root, and still can become it: not starting");
}

void privs_keep_net_admin(const struct identity *id)
{
	empty_bounding_set();
	/* Until the next execve(), which is forbidden. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		die("cannot keep CAP_NET_ADMIN: %s", strerror(errno));
	become(id);
	forget_capabilities(CAP_NET_ADMIN);
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	assert_gone(id);
}

void privs_drop_all(const struct identity *id)
{
	empty_bounding_set();
	become(id);
	forget_capabilities(-1);
	assert_gone(id);
}
