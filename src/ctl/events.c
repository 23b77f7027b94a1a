/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `miredoctl monitor` and `miredoctl log`: what happens, line by line. */
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "events.h"
#include "status.h"

void show_log_line(struct page *p, const json_t *line)
{
	const char *severity = get_text(line, "severity");
	enum page_tone tone = PAGE_PLAIN;
	char at[40];

	if (strcmp(severity, "error") == 0)
		tone = PAGE_BAD;
	else if (strcmp(severity, "warning") == 0)
		tone = PAGE_FAIR;
	else if (strcmp(severity, "debug") == 0)
		tone = PAGE_FAINT;
	page_title(p, tone, "%s %s%s%s", page_time(at, get_text(line, "time")),
		   tone == PAGE_BAD || tone == PAGE_FAIR ? severity : "",
		   tone == PAGE_BAD || tone == PAGE_FAIR ? ": " : "",
		   get_text(line, "text"));
}

void show_event(struct page *p, const json_t *event)
{
	char at[40];

	if (strcmp(get_text(event, "event"), "log") == 0) {
		show_log_line(p, event);
	} else if (strcmp(get_text(event, "event"), "status") == 0) {
		fprintf(p->out, "%s ", page_time(at, get_text(event, "time")));
		show_title(p, json_object_get(event, "status"));
	}
}

int ctl_monitor(const struct ctl *c, int n, char **argv)
{
	struct stream s;
	struct answer a;
	struct page p;
	int status = stream_open(c, "monitor", &s);

	(void)n, (void)argv;
	if (status != CTL_GOOD)
		return status;
	page_open(&p, c);
	p.width = 0;
	while ((status = stream_next(c, &s, &a)) == CTL_GOOD) {
		if (!answer_printed(c, &a))
			show_event(&p, a.object);
		answer_free(&a);
		if (fflush(stdout) != 0)
			break;
	}
	stream_close(&s);
	return status;
}

int ctl_log(const struct ctl *c, int n, char **argv)
{
	const json_t *line;
	struct answer a;
	char request[32];
	struct page p;
	size_t i;
	int status;

	if (n && (strlen(argv[0]) > 9 ||
		  argv[0][strspn(argv[0], "0123456789")] != '\0'))
		return ctl_fail(CTL_USAGE, "log: \"%s\" is no number of lines",
				argv[0]);
	snprintf(request, sizeof(request), "log%s%s", n ? " " : "",
		 n ? argv[0] : "");
	status = ask(c, request, &a);
	if (status != CTL_GOOD)
		return status;
	page_open(&p, c);
	if (!answer_printed(c, &a)) {
		json_array_foreach(json_object_get(a.object, "lines"), i, line)
		{
			show_log_line(&p, line);
		}
	}
	answer_free(&a);
	return CTL_GOOD;
}
