/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a router on the link answers (pcp.h), and when it is asked (portmap.h).
 * Whatever it says, it is not asked more often than every 5 s of itself, what
 * is believed is an address, a port and a lifetime within bounds, and there is
 * never more than one question. The input is a list of operations.
 */
#include "fuzz.h"

#include "addr.h"
#include "pcp.h"
#include "ratelim.h"

static const struct pcp_question question = {
	.local = {0xc0a80102, 35554}, .lifetime_s = 3600, .nonce = {1, 2, 3}};
static struct portmap m;
static struct portmap_wish w;
static uint64_t now;

static void check_result(enum portmap_why why, const struct portmap_result *r)
{
	WANT(why < PORTMAP_WHYS);
	if (why != PORTMAP_OK)
		return;
	WANT(r->external.ip && r->external.port);
	WANT(r->lifetime_s && r->lifetime_s <= PCP_MAX_LIFETIME);
}

/* Bytes of the input, or a good answer with some of them changed. */
static size_t some_answer(struct script *s, uint8_t how, uint8_t *out)
{
	size_t n = script_u8(s) % 70;

	memset(out, 0, 70);
	for (size_t i = 0; how & 1 && i < n; i++)
		out[i] = script_u8(s);
	if (how & 1)
		return n;
	pcp_ask(out, &question);
	out[1] = 0x81;
	out[42] = out[56] = 9;
	out[script_u8(s) % PCP_MAP_SIZE] ^= script_u8(s);
	out[script_u8(s) % PCP_MAP_SIZE] ^= script_u8(s);
	return PCP_MAP_SIZE;
}

static enum portmap_why op_answer(struct script *s, uint8_t how,
				  struct portmap_result *r)
{
	struct portmap_result other;
	uint8_t in[70];
	size_t n = some_answer(s, how, in);
	enum portmap_why why;

	if (natpmp_address(in, n, &other) == PORTMAP_OK)
		WANT(other.external.ip);
	other.external.ip = 1;
	check_result(natpmp_answer(in, n, &question, &other), &other);
	why = pcp_answer(in, n, &question, r);
	check_result(why, r);
	return why == PORTMAP_ASKING ? PORTMAP_SILENT : why;
}

static void op_wish(struct script *s)
{
	uint8_t what = script_u8(s);

	w.choice = script_u8(s) % (PORTMAP_BY_ANY + 1);
	w.again = (uint16_t)(w.again + (what & 1));
	w.why = PORTMAP_NO_GATEWAY;
	w.gateway = what & 2 ? 0xc0a80101 + (what >> 7) : 0;
	w.local = question.local;
	w.local.port = (uint16_t)(w.local.port + (what >> 6 & 1));
	portmap_wish(&m, &w, now);
}

static void op_time(struct script *s)
{
	struct portmap_job job;
	struct portmap_result r = {0};
	uint64_t began = m.began;
	bool was_lease = m.have.method && !m.is_left;

	now += script_u16(s) * NS_PER_S / 8;
	if (!portmap_due(&m, now, &job))
		return;
	WANT(job.lease.method > PORTMAP_NONE &&
	     job.lease.method < PORTMAP_METHODS && job.lease.gateway);
	WANT(job.is_end == (job.lifetime_s == 0));
	if (!job.is_end)
		WANT(job.lease.gateway == w.gateway &&
		     (w.choice == PORTMAP_BY_ANY ||
		      w.choice == job.lease.method));
	WANT(!portmap_due(&m, now, &job));
	WANT(now >= began && (was_lease || began <= now));
	if (script_u8(s) & 1)
		op_wish(s);
	if (script_u8(s) & 1)
		portmap_hurry(&m, now);
	portmap_done(&m, op_answer(s, script_u8(s), &r), &r, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	const struct portmap_lease left = {
		PORTMAP_UPNP, 0xc0a80101, question.local, {0x09000a02, 35554}};
	struct portmap_result r;

	now = 1000 * NS_PER_S;
	w = (struct portmap_wish){0};
	portmap_init(&m, script_u8(&s) & 1 ? &left : NULL);
	while (s.n) {
		uint8_t op = script_u8(&s);

		if (op % 4 == 0)
			op_wish(&s);
		else if (op % 4 == 1)
			portmap_hurry(&m, now);
		else if (op % 4 == 2)
			op_answer(&s, op >> 2, &r);
		else
			op_time(&s);
		WANT(portmap_why(&m) < PORTMAP_WHYS);
		if (portmap_why(&m) == PORTMAP_OK)
			WANT(m.have.external.ip && m.have.external.port);
	}
	return 0;
}
