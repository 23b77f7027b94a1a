/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See reader.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "board.h"
#include "conf_files.h"
#include "configure.h"
#include "confine.h"
#include "descriptors.h"
#include "event.h"
#include "groups.h"
#include "hoard.h"
#include "lanes.h"
#include "log.h"
#include "monitor.h"
#include "names.h"
#include "notify.h"
#include "privs.h"
#include "reader.h"
#include "reload.h"

enum {
	NAMES = 1024,
	/* For the packet process: two seconds. */
	TAKING_WAITS = 200,
	TAKING_WAIT_MS = 10,
};

/* The other ends. */
struct reading {
	int monitor, control, worker, steward;
	const struct options *options;
	struct settings *out;
	bool has_before;
	bool has_secrets; /* other ones, which were just read */
	bool has_group;   /* which was just looked up */
	gid_t group;
	uint32_t confirm_s;  /* how long that may take */
	int secrets, groups; /* see struct reader */
	struct reload_means means;
	struct hoard hoard;
	const struct board *board;        /* NULL = there is none to look at */
	struct settings_view now, before; /* the one to go back to */
	struct reader_answer answer;
};

bool reader_request_is_valid(const struct reader_request *q)
{
	return q->verb < READER_VERBS &&
	       (q->verb == READER_RELOAD ? q->seconds <= READER_SECONDS_MAX
					 : q->seconds == 0);
}

/* --- the change --- */

static void wake(const struct reading *r)
{
	/* Where there is one already, one more tells nothing new. */
	send(r->monitor, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	send(r->worker, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	send(r->steward, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void publish(const struct reading *r)
{
	settings_write(r->out, &r->now);
	wake(r);
}

static void failed(struct reader_answer *a, const char *text)
{
	a->failed = 1;
	if (a->n_errors == READER_ERRORS)
		a->left_out++;
	else
		snprintf(a->error[a->n_errors++], REPORT_LINE, "%s", text);
}

static void log_names(const char *what, const bool row[static CONF_ROWS])
{
	const struct event_facts f = event_facts(EVENT_RELOADED);
	char names[NAMES];

	reload_names(names, sizeof(names), row);
	if (*names)
		log_event(LOG_INFO, &f, "configuration %s: %s", what, names);
}

/*
 * Of secrets there are those in force and the ones before; where these are the
 * new ones will be. So who still goes by them is waited for.
 */
static bool is_vault_free(const struct reading *r)
{
	for (unsigned i = 0; i < TAKING_WAITS && r->board; i++) {
		if ((int32_t)(board_settings(r->board) - r->now.serial) >= 0)
			return true;
		poll(NULL, 0, TAKING_WAIT_MS);
	}
	return !r->board;
}

/* false: there is something wrong with them. */
static bool read_secrets(struct reading *r, const struct conf *next,
			 struct reload *what, struct report *report)
{
	const struct conf *now = &r->now.conf;

	switch (hoard_read(&r->hoard, plan_role(now, r->options), now, next,
			   report)) {
	case HOARD_SAME:
		return true;
	case HOARD_WRONG:
		return false;
	case HOARD_OTHER:
		break;
	}
	what->applied[conf_row("Secret")] = true;
	r->has_secrets = is_vault_free(r);
	if (!r->has_secrets)
		report_add(report, SEVERITY_ERROR,
			   "the packet process has not taken the last change "
			   "yet\n  try again");
	return r->has_secrets;
}

/* It stays as it is. */
static void refuse(struct reading *r, const struct report *report)
{
	const struct event_facts f = event_facts(EVENT_RELOAD_FAILED);

	r->now.failed++;
	for (unsigned i = 0; i < report->n; i++) {
		if (report->v[i].severity != SEVERITY_ERROR)
			continue;
		if (!r->answer.failed)
			strcpy(r->now.error, report->v[i].text);
		failed(&r->answer, report->v[i].text);
	}
	r->answer.left_out += report->left_out;
	report_log(report, SEVERITY_WARNING);
	log_event(LOG_ERR, &f,
		  "configuration not applied: %u error%s; going on as before",
		  report->errors, report->errors == 1 ? "" : "s");
	publish(r);
}

/* ControlGroup is one that there is; false if not. */
static bool find_group(struct reading *r, const struct conf *next,
		       struct report *report)
{
	char where[CONF_ORIGIN];
	const char *wrong;

	r->has_group = next->control_group[0];
	r->group = r->now.group;
	if (!r->has_group ||
	    strcmp(next->control_group, r->now.conf.control_group) == 0)
		return true;
	wrong = groups_ask(r->groups, next->control_group, &r->group);
	if (!wrong)
		return true;
	conf_where(next, conf_row("ControlGroup"), where);
	report_add(report, SEVERITY_ERROR, "%s: ControlGroup: \"%s\": %s",
		   where, next->control_group, wrong);
	return false;
}

static void take(struct reading *r, const struct conf *c,
		 const struct reload *what)
{
	/* What is not confirmed yet is nothing to go back to. */
	if (!r->now.confirm_until) {
		r->before = r->now;
		r->has_before = true;
		hoard_remember(&r->hoard);
	}
	r->now.conf = *c;
	if (r->has_secrets)
		hoard_take(&r->hoard);
	r->now.secrets = r->hoard.now.number;
	r->now.has_group = r->has_group;
	r->now.group = r->group;
	log_set_level(c->log_level);
	r->now.serial += conf_is_any(what->applied);
	r->now.loaded = time(NULL);
	r->now.error[0] = '\0';
	memcpy(r->now.waiting, what->waiting, sizeof(what->waiting));
	memcpy(r->answer.applied, what->applied, sizeof(what->applied));
	log_names("applied", what->applied);
	log_names("waiting for the next start", what->waiting);
	if (!conf_is_any(what->applied))
		log_info("configuration: nothing else than what runs");
}

static void read_again(struct reading *r, uint32_t seconds)
{
	static struct report report;
	static struct conf wanted, next;
	struct reload what;

	memset(&report, 0, sizeof(report));
	configure_read(&wanted, r->options, &report);
	r->has_secrets = false;
	if (!reload_merge(&next, &what, &r->now.conf, &wanted, r->options,
			  &r->means, time(NULL), &report) ||
	    !find_group(r, &next, &report) ||
	    !read_secrets(r, &next, &what, &report)) {
		refuse(r, &report);
		return;
	}
	report_log(&report, SEVERITY_WARNING);
	take(r, &next, &what);
	if (seconds && conf_is_any(what.applied)) {
		r->now.confirm_until = clock_now() + seconds * NS_PER_S;
		r->confirm_s = seconds;
	}
	publish(r);
}

static void reload(struct reading *r, uint32_t seconds)
{
	notify_reloading();
	read_again(r, seconds);
	notify_ready();
}

static void keep(struct reading *r)
{
	if (!r->now.confirm_until) {
		failed(&r->answer, "there is nothing to confirm");
		return;
	}
	r->now.confirm_until = 0;
	r->has_before = false;
	log_info("configuration confirmed");
	publish(r);
}

static void undo(struct reading *r, const char *why)
{
	struct settings_view *old = &r->before;

	if (!r->has_before) {
		failed(&r->answer, "there is nothing to undo");
		return;
	}
	for (unsigned row = 0; row < conf_rows(); row++)
		r->answer.applied[row] =
			!conf_is_same(&r->now.conf, &old->conf, row);
	if (r->hoard.has_before)
		r->answer.applied[conf_row("Secret")] = true;
	hoard_undo(&r->hoard);
	old->secrets = r->hoard.now.number;
	old->serial = r->now.serial + 1;
	old->failed = r->now.failed;
	r->now = *old;
	log_set_level(r->now.conf.log_level);
	r->has_before = false;
	log_warning("configuration undone: %s", why);
	publish(r);
}

/* --- who asks --- */

static void begin_answer(struct reading *r)
{
	memset(&r->answer, 0, sizeof(r->answer));
}

static uint32_t seconds_left(const struct reading *r)
{
	uint64_t now = clock_now();

	if (r->now.confirm_until <= now)
		return 0;
	return (uint32_t)((r->now.confirm_until - now + NS_PER_S - 1) /
			  NS_PER_S);
}

static void answer_request(struct reading *r)
{
	r->answer.serial = r->now.serial;
	memcpy(r->answer.waiting, r->now.waiting, sizeof(r->now.waiting));
	r->answer.confirm_s = seconds_left(r);
	/* Who does not read its answers does without. */
	send(r->control, &r->answer, sizeof(r->answer),
	     MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void obey(struct reading *r, const struct reader_request *q)
{
	switch ((enum reader_verb)q->verb) {
	case READER_RELOAD:
		reload(r, q->seconds);
		break;
	case READER_KEEP:
		keep(r);
		break;
	case READER_UNDO:
		undo(r, "as told");
		break;
	case READER_VERBS:
		break;
	}
}

static void on_control(struct reading *r)
{
	struct reader_request q;
	ssize_t n = recv(r->control, &q, sizeof(q), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return;
	if (n == 0) {
		close(r->control);
		r->control = -1; /* nobody asks any more */
		return;
	}
	begin_answer(r);
	if (n == sizeof(q) && reader_request_is_valid(&q))
		obey(r, &q);
	else
		failed(&r->answer, "not a request");
	answer_request(r);
}

/* However often it was told meanwhile. false: the monitor is gone, or ends. */
static bool on_monitor(struct reading *r)
{
	ssize_t n;
	char c;

	do
		n = recv(r->monitor, &c, 1, MSG_DONTWAIT);
	while (n > 0);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		return false;
	begin_answer(r);
	reload(r, 0);
	return true;
}

static void on_time(struct reading *r)
{
	char why[48];

	if (!r->now.confirm_until || clock_now() < r->now.confirm_until)
		return;
	snprintf(why, sizeof(why), "not confirmed within %u s", r->confirm_s);
	begin_answer(r);
	undo(r, why);
}

static int ms_left(const struct reading *r)
{
	uint64_t now = clock_now(), until = r->now.confirm_until;

	if (!until)
		return -1;
	return until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
}

static _Noreturn void serve(struct reading *r)
{
	bool on = true;

	while (on) {
		struct pollfd p[] = {
			{.fd = r->monitor, .events = POLLIN},
			{.fd = r->control, .events = POLLIN},
		};

		if (poll(p, 2, ms_left(r)) < 0)
			continue;
		on_time(r);
		if (p[1].revents)
			on_control(r);
		if (p[0].revents)
			on = on_monitor(r);
	}
	_exit(STATUS_OK);
}

/* --- its start --- */

struct sight {
	unsigned n;
	struct confine_below v[5 + 2 * CONF_SOURCES];
};

static void see(struct sight *s, const char *directory)
{
	s->v[s->n++] = (struct confine_below){
		.dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.rights = CONFINE_READ | CONFINE_LIST,
	};
}

/* The directory that a file is in. */
static void see_around(struct sight *s, const char *file)
{
	char path[PATH_MAX];
	char *slash;

	snprintf(path, sizeof(path), "%s", file);
	slash = strrchr(path, '/');
	if (slash)
		slash[slash == path] = '\0';
	see(s, slash ? path : ".");
}

/* Where it is, and where it leads. */
static void see_both(struct sight *s, const char *file)
{
	char *real = realpath(file, NULL);

	if (!real)
		return; /* an option; or it is gone already */
	see_around(s, file);
	see_around(s, real);
	free(real);
}

/* Files that were read, and those that may come. Whoever replaces one makes
 * another of that name. */
static void find_sights(struct sight *s, const struct options *o,
			const struct conf *c)
{
	const struct conf_origins *from = &c->origins;
	const char *file = o->file ? o->file : conf_files_usual(o->as_server);
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s.d", file);
	see_around(s, file);
	see(s, directory);
	for (unsigned i = 1; i < from->n; i++)
		see_both(s, from->source[i]);
	if (c->secret_file[0])
		see_both(s, c->secret_file);
}

/* A name that begins elsewhere than at the root needs the directory that the
 * daemon was started in. */
static bool needs_directory(const struct reading *r)
{
	const char *file = r->options->file, *secrets = r->now.conf.secret_file;

	return (file && file[0] != '/') || (*secrets && *secrets != '/');
}

static void confine(const struct reading *r)
{
	static struct sight s;

	find_sights(&s, r->options, &r->now.conf);
	privs_drop_capabilities();
	confine_files(s.v, s.n, true);
	for (unsigned i = 0; i < s.n; i++) {
		if (s.v[i].dir >= 0)
			close(s.v[i].dir);
	}
	if (needs_directory(r))
		log_leave_terminal();
	else
		daemon_leave();
	calls_confine(CALLS_READER);
}

static _Noreturn void run(struct reading *r, int log, int notify, pid_t parent)
{
	const int keep[] = {r->monitor, r->control, r->worker, r->steward,
			    r->groups,  log,        notify};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_FAILED);
	prctl(PR_SET_NAME, "miredo-reader");
	r->hoard.vault = vault_open_writer(r->secrets);
	if (!r->hoard.vault)
		die("cannot share secrets: %s", strerror(errno));
	descriptors_keep(keep, sizeof(keep) / sizeof(keep[0]));
	log_by(log);
	notify_by(notify);
	confine(r);
	serve(r);
}

static void make_channel(int *ours, int *theirs, int type)
{
	int fd[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd) < 0)
		die("cannot start the reader: %s", strerror(errno));
	*ours = fd[0];
	*theirs = fd[1];
}

static void begin(struct reading *r, struct reader *ends, const struct plan *p)
{
	const struct conf *c = p->conf;

	hoard_begin(&r->hoard, c);
	r->now.serial = 1;
	r->now.loaded = time(NULL);
	r->now.conf = *c;
	r->now.has_group = p->has_group;
	r->now.group = p->group;
	ends->settings = settings_make(&r->out, &r->now);
	make_channel(&ends->monitor, &r->monitor, SOCK_SEQPACKET);
	make_channel(&ends->control, &r->control, SOCK_SEQPACKET);
	/* Nobody is to see the end of these: without it all goes on. */
	make_channel(&ends->worker, &r->worker, SOCK_DGRAM);
	make_channel(&ends->steward, &r->steward, SOCK_DGRAM);
	r->means.can_look_up = plan_has_resolver(p);
	r->means.has_mapper = c->port_mapping != PORTMAP_BY_NONE;
	r->means.has_discovery = c->discovery != DISCOVERY_DISABLED;
	ends->groups = r->groups = -1;
	if (r->means.can_look_up)
		make_channel(&r->groups, &ends->groups, SOCK_SEQPACKET);
	ends->secrets = r->secrets = vault_make();
	if (r->secrets < 0)
		die("cannot share secrets: %s", strerror(-r->secrets));
}

pid_t reader_start(struct reader *ends, const struct plan *p, int log,
		   int notify)
{
	static struct reading r;
	pid_t self = getpid(), pid;

	r.options = p->options;
	r.board = p->board;
	begin(&r, ends, p);
	pid = fork();
	if (pid == 0)
		run(&r, log, notify, self);
	if (pid < 0)
		log_error("cannot start the reader: %s", strerror(errno));
	close(r.monitor);
	close(r.control);
	close(r.worker);
	close(r.steward);
	if (r.groups >= 0)
		close(r.groups);
	settings_let_go(r.out);
	return pid;
}

bool reader_tell(const struct reader *r)
{
	/* If there is no room it has been told often enough. */
	return send(r->monitor, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ||
	       errno == EAGAIN;
}

void reader_heard(int fd)
{
	char c;

	while (recv(fd, &c, 1, MSG_DONTWAIT) == 1)
		;
}

/* What is in force, or NULL; LogLevel of it is heeded. */
static const struct conf *heed_level(const struct settings *s)
{
	static struct settings_view v;

	if (!settings_read(s, &v))
		return NULL;
	log_set_level(v.conf.log_level);
	return &v.conf;
}

void reader_set_level(const struct settings *s)
{
	heed_level(s);
}

void reader_set_log(const struct settings *s)
{
	const struct conf *c = heed_level(s);

	if (c)
		log_switch(c);
}
