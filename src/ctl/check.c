/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `miredoctl check`: what a daemon would say of a configuration. Unlike
 * miredo-checkconf it says what the file makes, and tells by 0 and 1.
 */
#include <jansson.h>

#include "../sys/conf_files.h"
#include "../sys/plan.h"
#include "ctl.h"

/* What the file makes without options, as with miredo-checkconf. */
static const char *judge(struct conf *c, struct report *r)
{
	static const char *const roles[] = {[ROLE_CLIENT] = "client",
					    [ROLE_RELAY] = "relay",
					    [ROLE_SERVER] = "server",
					    [ROLE_AUTO] = "auto"};
	const struct options o = {.as_server =
					  c->type == TYPE_UNSET && c->server};

	if (!r->errors)
		plan_check(c, &o, r);
	return roles[plan_role(c, &o)];
}

static json_t *texts(const struct report *r, enum severity severity)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n; i++) {
		if (r->v[i].severity == severity)
			json_array_append_new(list, json_string(r->v[i].text));
	}
	return list;
}

static void print_json(const char *name, const char *role,
		       const struct report *r)
{
	json_t *object =
		json_pack("{si ss sb ss so so so}", "version", 1, "file", name,
			  "good", !r->errors && !r->warnings, "role", role,
			  "errors", texts(r, SEVERITY_ERROR), "warnings",
			  texts(r, SEVERITY_WARNING), "notes",
			  texts(r, SEVERITY_NOTE));

	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_report(const char *name, const char *role,
			 const struct report *r)
{
	for (unsigned i = 0; i < r->n; i++)
		fprintf(stderr, "%s\n", r->v[i].text);
	if (r->left_out)
		fprintf(stderr, "and %u lines like these\n", r->left_out);
	if (!r->errors && !r->warnings)
		printf("%s: good, role %s\n", name, role);
}

int ctl_check(const struct ctl *c, int n, char **argv)
{
	static struct conf conf;
	static struct report r;
	const char *name = n ? argv[0] : conf_files_usual(false), *role;

	conf_defaults(&conf);
	conf_files_read(&conf, n ? name : NULL, false, &r);
	role = judge(&conf, &r);
	if (c->json)
		print_json(name, role, &r);
	else
		print_report(name, role, &r);
	return r.errors || r.warnings ? CTL_BAD : CTL_GOOD;
}
