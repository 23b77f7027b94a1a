/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * miredo-exporter: what `miredoctl metrics` says, by HTTP. libmicrohttpd speaks
 * with strangers; here is the one page, and how much each of them may have. It
 * is a process of its own, without rights, and asks at the control socket as
 * everybody may: no daemon has a byte of HTTP.
 *
 * One thread: who asks while the daemon is asked for another waits. One request
 * a connection, and nothing of it is logged. Signals do what they do by
 * default, for there is nothing to be put in order.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/metrics.h"
#include "sys/log.h"
#include "sys/value.h"

enum {
	PASSED = 3,          /* SD_LISTEN_FDS_START */
	AT_ONCE = 16,        /* connections; more wait in the kernel */
	HEAD_MAX = 16 << 10, /* the memory of each; a request must fit in */
	SILENCE_S = 5,
	LIFE_S = 10,      /* of a connection, however busy */
	ANSWER_MS = 8000, /* of the daemon; Prometheus waits for 10 s */
	ANSWER_MAX = 1 << 20,
};

static const char page[] = "miredo-exporter(8)";

static const struct option options[] = {
	{"listen", required_argument, NULL, 'l'},
	{"socket", required_argument, NULL, 'S'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static const char help[] =
	"Usage: miredo-exporter [options]\n"
	"Shows the counters of a Teredo daemon to Prometheus, by HTTP.\n\n"
	"  -l, --listen ADDRESS:PORT  where to be asked ([::1]:9544)\n"
	"  -S, --socket PATH          the daemon's control socket "
	"(/run/miredo/control)\n"
	"  -h, --help                 show this and exit\n"
	"  -V, --version              show the version and exit\n\n"
	"See miredo-exporter(8).\n";

/* Connections, and when they have to be over. */
static struct guest {
	int fd;
	time_t until; /* 0 = nobody */
} guests[AT_ONCE];

/* --- the page --- */

/* What the daemon says; or why there is nothing. Returns the status. */
static unsigned put_page(FILE *out, const struct ctl *c, const char *url,
			 const char *method, bool is_open)
{
	struct answer a;

	if (strcmp(url, "/metrics") != 0) {
		fputs("there is only /metrics\n", out);
		return MHD_HTTP_NOT_FOUND;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		fputs("it can only be read: GET, HEAD\n", out);
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	}
	ctl_errors = out; /* to who asks, for he could fill a log by it */
	if (ask(c, "metrics", &a) != CTL_GOOD)
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	show_metrics(out, a.object,
		     is_open ? METRICS_OPEN : METRICS_PROMETHEUS);
	answer_free(&a);
	return MHD_HTTP_OK;
}

static enum MHD_Result send_answer(struct MHD_Connection *to, unsigned status,
				   char *text, size_t n, bool is_open)
{
	const char *type = status != MHD_HTTP_OK ? "text/plain; charset=utf-8"
			   : is_open ? "application/openmetrics-text; "
				       "version=1.0.0; charset=utf-8"
				     : "text/plain; version=0.0.4; "
				       "charset=utf-8";
	struct MHD_Response *r =
		MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result sent;

	if (!r) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	sent = MHD_queue_response(to, status, r);
	MHD_destroy_response(r);
	return sent;
}

/* The head of a request is there; a body is not waited for. MHD_NO: closed. */
/* NOLINTBEGIN(readability-non-const-parameter): the library's type */
static enum MHD_Result answer(void *c, struct MHD_Connection *from,
			      const char *url, const char *method,
			      const char *version, const char *body,
			      size_t *body_len, void **state)
/* NOLINTEND(readability-non-const-parameter) */
{
	const char *accept = MHD_lookup_connection_value(
		from, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool is_open =
		accept && strcasestr(accept, "application/openmetrics-text");
	unsigned status;
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)version, (void)body, (void)body_len, (void)state;
	if (!out)
		return MHD_NO;
	status = put_page(out, c, url, method, is_open);
	if (fclose(out) != 0) {
		free(text);
		return MHD_NO;
	}
	return send_answer(from, status, text, n, is_open);
}

/* --- connections --- */

static time_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* One has come, or is about to be closed. */
static void note(void *unused, struct MHD_Connection *c, void **context,
		 enum MHD_ConnectionNotificationCode what)
{
	struct guest *g = *context;

	(void)unused;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		g->until = 0;
		return;
	}
	for (g = guests; g->until; g++)
		assert(g < guests + AT_ONCE - 1);
	g->until = now_s() + LIFE_S;
	g->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)
			->connect_fd;
	*context = g;
}

/* Who sends a byte now and then is never silent: it has an end all the same.
 * Returns how long may be waited for the next, ms; -1 = nobody is there. */
static int end_late_ones(void)
{
	time_t now = now_s();
	int wait = -1;

	for (unsigned i = 0; i < AT_ONCE; i++) {
		if (!guests[i].until)
			continue;
		wait = 1000;
		if (now >= guests[i].until)
			shutdown(guests[i].fd, SHUT_RDWR);
	}
	return wait;
}

static _Noreturn void serve(struct ctl *c, int fd)
{
	struct MHD_Daemon *d = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, answer, c,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)AT_ONCE, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)SILENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HEAD_MAX, MHD_OPTION_NOTIFY_CONNECTION, note, NULL,
		MHD_OPTION_END);

	if (!d)
		die("libmicrohttpd cannot start: %s", strerror(errno));
	log_info("listening at port %u",
		 MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
	while (MHD_run_wait(d, end_late_ones()) == MHD_YES)
		;
	die("libmicrohttpd cannot go on: %s", strerror(errno));
}

/* --- where it listens --- */

/* The socket of a unit of systemd, or -1: there is none. */
static int passed_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int listens = 0;
	uint32_t n;

	if (!pid || !fds || !value_number(&n, pid, 1, INT_MAX) ||
	    n != (uint32_t)getpid())
		return -1;
	if (strcmp(fds, "1") != 0 ||
	    getsockopt(PASSED, SOL_SOCKET, SO_ACCEPTCONN, &listens,
		       &(socklen_t){sizeof(listens)}) < 0 ||
	    !listens)
		die("what systemd passes is not one socket that listens\n"
		    "  see:  the unit, which needs one ListenStream= and "
		    "Accept=no");
	return PASSED;
}

struct place {
	struct sockaddr_storage at;
	socklen_t len;
};

/* ADDRESS:PORT, where an IPv6 address is in brackets. */
static bool parse_address(struct place *out, const char *where)
{
	const struct addrinfo hints = {.ai_flags =
					       AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_socktype = SOCK_STREAM};
	const char *port = strrchr(where, ':');
	size_t n = port ? (size_t)(port - where) : 0;
	bool is_6 = n > 2 && where[0] == '[' && where[n - 1] == ']';
	struct addrinfo *a;
	char host[64];
	uint32_t number;

	if (n >= sizeof(host) || !n ||
	    !value_number(&number, port + 1, 0, UINT16_MAX))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)n - 2 * is_6, where + is_6);
	if (is_6 != !!strchr(host, ':') ||
	    getaddrinfo(host, port + 1, &hints, &a) != 0)
		return false;
	memcpy(&out->at, a->ai_addr, a->ai_addrlen);
	out->len = a->ai_addrlen;
	freeaddrinfo(a);
	return true;
}

static int listen_at(const char *where)
{
	struct place to;
	int fd, one = 1;

	if (!parse_address(&to, where))
		die_usage(page,
			  "--listen takes ADDRESS:PORT, such as [::1]:9544",
			  where);
	fd = socket(to.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&to.at, to.len) < 0 ||
	    listen(fd, AT_ONCE) < 0)
		die("cannot listen at %s: %s\n  see who does:  ss -ltnp", where,
		    strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	static struct ctl c = {.color = "never"};
	const char *where = NULL;
	int got, fd;

	ctl_name = "miredo-exporter";
	log_open(ctl_name, false);
	while ((got = getopt_long(argc, argv, "l:S:hV", options, NULL)) != -1) {
		switch (got) {
		case 'l':
			where = optarg;
			break;
		case 'S':
			c.socket = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return STATUS_OK;
		case 'V':
			puts("miredo-exporter (Miredo) " MIREDO_VERSION);
			return STATUS_OK;
		default:
			die_usage(page,
				  "there is no such option, or its value is "
				  "missing",
				  NULL);
		}
	}
	if (optind < argc)
		die_usage(page, "there are no arguments", argv[optind]);
	signal(SIGPIPE, SIG_IGN); /* who goes away is no news */
	ask_limits.size = ANSWER_MAX;
	ask_limits.all_ms = ANSWER_MS;
	fd = passed_socket();
	if (fd >= 0 && where)
		die_usage(
			page,
			"systemd has passed a socket, so --listen is too much",
			where);
	serve(&c, fd >= 0 ? fd : listen_at(where ? where : "[::1]:9544"));
}
