/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file: whatever is in it, values stay within bounds; and
 * what is listed reads back as the same.
 */
#include "fuzz.h"

#include <string.h>

#include "conf.h"

static void check_rules(const struct ip4_prefix *v, unsigned n)
{
	WANT(n <= GATE_MAX_RULES);
	for (unsigned i = 0; i < n; i++) {
		WANT(v[i].len <= 32);
		WANT(v[i].len == 32 || (v[i].ip & UINT32_MAX >> v[i].len) == 0);
	}
}

static void check(const struct conf *c, const struct report *r)
{
	check_rules(c->allow, c->n_allow);
	check_rules(c->deny, c->n_deny);
	WANT(c->n_serve <= RELAY_MAX_SERVED);
	for (unsigned i = 0; i < c->n_serve; i++)
		WANT(c->serve[i].len <= 128);
	WANT(memchr(c->iface, 0, sizeof(c->iface)));
	WANT(memchr(c->user, 0, sizeof(c->user)));
	WANT(memchr(c->group, 0, sizeof(c->group)));
	WANT(memchr(c->secret_file, 0, sizeof(c->secret_file)));
	WANT(r->n <= REPORT_MAX);
	for (unsigned i = 0; i < r->n; i++)
		WANT(memchr(r->v[i].text, 0, REPORT_LINE));
	if (r->errors == 0)
		WANT(c->mtu >= TEREDO_MTU && c->mtu <= INNER_MAX);
}

static void write_line(void *arg, const struct conf_line *line)
{
	WANT(strlen(line->value) < CONF_VALUE);
	WANT(strlen(line->origin) < CONF_ORIGIN);
	fprintf(arg, "%s %s\n", line->directive, line->value);
}

static void check_list(const struct conf *c)
{
	static struct report r;
	static struct conf again;
	FILE *f = tmpfile();

	WANT(f);
	conf_list(c, write_line, f);
	rewind(f);
	memset(&r, 0, sizeof(r));
	conf_defaults(&again);
	conf_read(&again, f, "again", &r);
	WANT(r.n == 0);
	for (unsigned i = 0; i < conf_rows(); i++)
		WANT(conf_is_same(c, &again, i));
	fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct report r;
	static struct conf c;
	FILE *f;

	if (!size)
		return 0;
	f = fmemopen((void *)(uintptr_t)data, size, "r");
	WANT(f);
	memset(&r, 0, sizeof(r));
	conf_defaults(&c);
	conf_read(&c, f, "fuzz", &r);
	check(&c, &r);
	/* As a file of the directory would be read after that. */
	rewind(f);
	conf_read(&c, f, "fuzz.d/1", &r);
	check(&c, &r);
	check_list(&c);
	fclose(f);
	return 0;
}
