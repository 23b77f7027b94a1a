/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another configuration while one runs, and a request for it: up to the first
 * zero byte is what runs, up to the next what is read then, behind that the
 * request. What waits for the start is as it was, the plan fits the same
 * memory and roles, and whoever goes back gets what there was.
 */
#include "fuzz.h"

#include <string.h>

#include "reader.h"
#include "reload.h"

enum {
	MEMORY = 1 << 30,
	NOW = 1800000000
};

static struct report r;

static const uint8_t *read_part(struct conf *c, const uint8_t *p, size_t *n)
{
	const uint8_t *end = memchr(p, 0, *n);
	size_t size = end ? (size_t)(end - p) : *n;
	FILE *f;

	memset(&r, 0, sizeof(r));
	conf_defaults(c);
	if (size) {
		f = fmemopen((void *)(uintptr_t)p, size, "r");
		WANT(f);
		conf_read(c, f, "fuzz", &r);
		fclose(f);
	}
	*n -= end ? size + 1 : size;
	return end ? end + 1 : p + size;
}

static bool is_of_servers(unsigned row)
{
	return strncmp(conf_name(row), "ServerAddress", 13) == 0;
}

/* It waits in some roles, or if there is nobody who could do it. */
static bool is_of_roles(unsigned row)
{
	return is_of_servers(row) ||
	       strcmp(conf_name(row), "InterfaceMTU") == 0 ||
	       strcmp(conf_name(row), "ControlGroup") == 0 ||
	       strcmp(conf_name(row), "LogTarget") == 0 ||
	       strcmp(conf_name(row), "LocalDiscovery") == 0 ||
	       strcmp(conf_name(row), "DSCP") == 0;
}

static void check(const struct conf *old, const struct conf *wanted,
		  const struct conf *out, const struct reload *what)
{
	for (unsigned i = 0; i < conf_rows(); i++) {
		bool is_old = conf_is_same(out, old, i);

		WANT(what->applied[i] == !is_old);
		WANT(what->waiting[i] == !conf_is_same(out, wanted, i));
		WANT(is_old || conf_is_live(i));
		if (what->waiting[i])
			WANT(!conf_is_live(i) || is_of_roles(i));
		if (what->waiting[i] && !is_of_servers(i))
			WANT(is_old);
	}
	WANT(out->origins.n <= CONF_SOURCES);
	for (unsigned i = 0; i < CONF_ORIGINS; i++)
		WANT(out->origins.of[i].source < out->origins.n);
}

static void check_plans(const struct conf *old, const struct conf *out,
			const struct options *o)
{
	static struct plan p;
	struct plan before;

	plan_make(&p, old, o, MEMORY, 2);
	before = p;
	plan_change(&p, out);
	WANT(p.node.is_server == before.node.is_server);
	WANT(p.node.is_relay == before.node.is_relay);
	WANT(p.node.is_client == before.node.is_client);
	WANT(p.threads == before.threads);
	WANT(node_memory(&p.node) == node_memory(&before.node));
	if (p.node.is_client) {
		WANT(p.node.client.n_servers >= 1);
		WANT(p.node.client.first_server < p.node.client.n_servers);
	}
	plan_change(&p, old);
	WANT(p.gate.n_deny == before.gate.n_deny);
	WANT(p.gate.n_allow == before.gate.n_allow);
	WANT(p.gate.public_only == before.gate.public_only);
	WANT(p.node.client.n_servers == before.node.client.n_servers);
}

static void check_request(const uint8_t *p, size_t n)
{
	struct reader_request q;

	if (n < sizeof(q))
		return;
	memcpy(&q, p, sizeof(q));
	if (!reader_request_is_valid(&q))
		return;
	WANT(q.verb == READER_RELOAD || q.verb == READER_KEEP ||
	     q.verb == READER_UNDO);
	WANT(q.seconds <= READER_SECONDS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct options o = {.program = "miredo", .tun_fd = -1};
	static struct conf old, wanted, out;
	const struct reload_means means = {size & 1, size & 2, size & 4};
	struct reload what;

	data = read_part(&old, data, &size);
	plan_check(&old, &o, &r);
	if (r.errors)
		return 0;
	data = read_part(&wanted, data, &size);
	check_request(data, size);
	if (!reload_merge(&out, &what, &old, &wanted, &o, &means, NOW, &r)) {
		WANT(r.errors);
		return 0;
	}
	WANT(!r.errors);
	check(&old, &wanted, &out, &what);
	check_plans(&old, &out, &o);
	return 0;
}
