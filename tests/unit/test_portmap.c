/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a router is asked to forward a port (X21 to X26, X32). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "addr.h"
#include "portmap.h"
#include "ratelim.h"

#define S NS_PER_S

#define ROUTER       0xc0a80101
#define OTHER_ROUTER 0xc0a80201

static const struct tuple host = {0xc0a80102, 35554};
static const struct portmap_result given = {.external = {0x09000a02, 35554},
					    .lifetime_s = 3600};
static struct portmap m;
static struct portmap_wish w;
static struct portmap_job job;
static uint64_t now;

static int fresh(void **state)
{
	(void)state;
	portmap_init(&m, NULL);
	w = (struct portmap_wish){
		.choice = PORTMAP_BY_ANY, .gateway = ROUTER, .local = host};
	now = 1000 * S;
	return 0;
}

static void wish(void)
{
	portmap_wish(&m, &w, now);
}

/* A job is due now: of this kind. */
static void assert_job(enum portmap_method method, bool is_end)
{
	assert_true(portmap_due(&m, now, &job));
	assert_int_equal(job.lease.method, method);
	assert_int_equal(job.is_end, is_end);
	assert_false(portmap_due(&m, now, &job));
	assert_int_equal(portmap_next(&m), UINT64_MAX);
}

static void done(enum portmap_why why)
{
	portmap_done(&m, why, &given, now);
}

static void assert_quiet(void)
{
	assert_false(portmap_due(&m, now, &job));
}

/* Until something is due. */
static uint64_t wait_s(void)
{
	uint64_t s = (portmap_next(&m) - now) / S;

	now = portmap_next(&m);
	return s;
}

static void map_by(enum portmap_method method)
{
	for (int i = PORTMAP_PCP; i < (int)method; i++) {
		assert_job((enum portmap_method)i, false);
		done(PORTMAP_SILENT);
	}
	assert_job(method, false);
	done(PORTMAP_OK);
	assert_int_equal(portmap_why(&m), PORTMAP_OK);
}

static void nothing_is_asked_before_it_is_wished(void **state)
{
	(void)state;
	assert_quiet();
	assert_int_equal(portmap_next(&m), UINT64_MAX);
	assert_int_equal(portmap_why(&m), PORTMAP_OFF);
	assert_true(portmap_is_idle(&m));
}

static void the_first_that_works_is_kept(void **state)
{
	(void)state;
	wish();
	assert_int_equal(portmap_why(&m), PORTMAP_ASKING);
	map_by(PORTMAP_NATPMP);
	assert_int_equal(m.have.external.ip, given.external.ip);
	assert_int_equal(m.have.method, PORTMAP_NATPMP);
	assert_quiet();
}

/* X22: the port that is asked for is the local one. */
static void the_local_port_is_asked_for(void **state)
{
	(void)state;
	w.choice = PORTMAP_BY_UPNP;
	wish();
	assert_job(PORTMAP_UPNP, false);
	assert_int_equal(job.lease.external.port, host.port);
	assert_true(tuple_equal(job.lease.local, host));
	assert_int_equal(job.lease.gateway, ROUTER);
}

static void renewed_at_half_of_its_life(void **state)
{
	(void)state;
	wish();
	map_by(PORTMAP_PCP);
	assert_int_equal(wait_s(), 1800);
	assert_job(PORTMAP_PCP, false);
	/* What was given is what is wished again. */
	assert_int_equal(job.lease.external.ip, given.external.ip);
	done(PORTMAP_OK);
	assert_int_equal(wait_s(), 1800);
}

static void upnp_is_looked_at_all_the_same(void **state)
{
	const struct portmap_result ever = {.external = given.external};

	(void)state;
	w.choice = PORTMAP_BY_UPNP;
	wish();
	assert_job(PORTMAP_UPNP, false);
	portmap_done(&m, PORTMAP_OK, &ever, now);
	assert_int_equal(wait_s(), PORTMAP_LOOK_S);
	assert_job(PORTMAP_UPNP, false);
}

static void a_life_of_a_second_makes_nobody_busy(void **state)
{
	const struct portmap_result brief = {.external = given.external,
					     .lifetime_s = 1};

	(void)state;
	wish();
	assert_job(PORTMAP_PCP, false);
	portmap_done(&m, PORTMAP_OK, &brief, now);
	assert_int_equal(wait_s(), PORTMAP_RENEW_MIN_S);
}

/* X23 */
static void failure_is_told_and_tried_again(void **state)
{
	(void)state;
	wish();
	for (int i = PORTMAP_PCP; i <= PORTMAP_UPNP; i++) {
		assert_job((enum portmap_method)i, false);
		done(PORTMAP_SILENT);
	}
	assert_int_equal(portmap_why(&m), PORTMAP_SILENT);
	assert_int_equal(wait_s(), PORTMAP_LOOK_S);
	assert_job(PORTMAP_PCP, false);
}

static void the_failure_that_says_most_is_told(void **state)
{
	(void)state;
	wish();
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_REFUSED);
	assert_job(PORTMAP_NATPMP, false);
	done(PORTMAP_UNKNOWN);
	assert_job(PORTMAP_UPNP, false);
	done(PORTMAP_SILENT);
	assert_int_equal(portmap_why(&m), PORTMAP_REFUSED);
}

/* That a router does not know one of several is no news. */
static void unknown_is_silence_if_there_are_others(void **state)
{
	(void)state;
	wish();
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_UNKNOWN);
	assert_job(PORTMAP_NATPMP, false);
	done(PORTMAP_SILENT);
	assert_job(PORTMAP_UPNP, false);
	done(PORTMAP_SILENT);
	assert_int_equal(portmap_why(&m), PORTMAP_SILENT);
	w.choice = PORTMAP_BY_PCP;
	wish();
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_UNKNOWN);
	assert_int_equal(portmap_why(&m), PORTMAP_UNKNOWN);
}

static void a_router_that_restarts_is_asked_soon_again(void **state)
{
	(void)state;
	wish();
	map_by(PORTMAP_PCP);
	wait_s();
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_SILENT);
	assert_int_equal(portmap_why(&m), PORTMAP_OK); /* half of it is left */
	assert_int_equal(wait_s(), PORTMAP_RETRY_S);
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_SILENT);
	assert_int_equal(wait_s(), 2 * PORTMAP_RETRY_S);
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_SILENT);
	/* Lost; perhaps it can do something else now. */
	assert_int_equal(portmap_why(&m), PORTMAP_ASKING);
	for (int i = PORTMAP_PCP; i <= PORTMAP_UPNP; i++) {
		assert_job((enum portmap_method)i, false);
		done(PORTMAP_SILENT);
	}
	assert_int_equal(wait_s(), PORTMAP_RETRY_S); /* it has worked before */
	map_by(PORTMAP_UPNP);
}

/* 6886 §3.2.1, 6887 §14.1: it says so when it has started. */
static void an_announcement_is_a_hint(void **state)
{
	(void)state;
	wish();
	map_by(PORTMAP_PCP);
	portmap_hurry(&m, now);
	assert_int_equal(wait_s(), PORTMAP_HURRY_S);
	assert_job(PORTMAP_PCP, false);
	portmap_hurry(&m, now); /* while it is asked */
	done(PORTMAP_OK);
	assert_int_equal(wait_s(), PORTMAP_HURRY_S);
	now += 100 * S;
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_OK);
	/* The worker says the same by another number. */
	now += 100 * S;
	w.again++;
	wish();
	assert_job(PORTMAP_PCP, false);
}

static void nobody_is_asked_for_an_announcement_when_off(void **state)
{
	(void)state;
	portmap_hurry(&m, now);
	assert_quiet();
	w.gateway = 0;
	w.why = PORTMAP_NO_NAT;
	wish();
	portmap_hurry(&m, now);
	assert_quiet();
	assert_int_equal(portmap_why(&m), PORTMAP_NO_NAT);
	assert_true(portmap_is_idle(&m));
}

/* X32 */
static void taken_away_when_off(void **state)
{
	(void)state;
	wish();
	map_by(PORTMAP_UPNP);
	w.choice = PORTMAP_BY_NONE;
	wish();
	assert_job(PORTMAP_UPNP, true);
	assert_int_equal(job.lifetime_s, 0);
	assert_true(tuple_equal(job.lease.external, given.external));
	done(PORTMAP_SILENT); /* that is that */
	assert_true(portmap_is_idle(&m));
	assert_int_equal(portmap_why(&m), PORTMAP_OFF);
}

static void off_while_it_is_asked_for(void **state)
{
	(void)state;
	wish();
	assert_job(PORTMAP_PCP, false);
	w.choice = PORTMAP_BY_NONE;
	wish();
	assert_false(portmap_is_idle(&m));
	done(PORTMAP_OK);
	assert_job(PORTMAP_PCP, true);
	done(PORTMAP_OK);
	assert_true(portmap_is_idle(&m));
}

static void off_while_it_fails(void **state)
{
	(void)state;
	wish();
	assert_job(PORTMAP_PCP, false);
	w.choice = PORTMAP_BY_NONE;
	wish();
	done(PORTMAP_REFUSED);
	assert_true(portmap_is_idle(&m));
	assert_int_equal(portmap_why(&m), PORTMAP_OFF);
}

/* X25: who was cut off may have made one. */
static void what_may_be_there_is_taken_away(void **state)
{
	const struct portmap_result maybe = {.is_maybe = true};

	(void)state;
	w.choice = PORTMAP_BY_UPNP;
	wish();
	assert_job(PORTMAP_UPNP, false);
	portmap_done(&m, PORTMAP_BROKEN, &maybe, now);
	assert_false(portmap_is_idle(&m));
	assert_job(PORTMAP_UPNP, true);
	assert_int_equal(job.lease.external.port, host.port);
	done(PORTMAP_BROKEN); /* once */
	assert_int_equal(portmap_why(&m), PORTMAP_BROKEN);
	assert_int_equal(wait_s(), PORTMAP_LOOK_S);
	/* Switched off in the middle. */
	assert_job(PORTMAP_UPNP, false);
	w.choice = PORTMAP_BY_NONE;
	wish();
	portmap_done(&m, PORTMAP_BROKEN, &maybe, now);
	assert_job(PORTMAP_UPNP, true);
	done(PORTMAP_OK);
	assert_true(portmap_is_idle(&m));
	/* Not at another router. */
	w.choice = PORTMAP_BY_UPNP;
	wish();
	assert_job(PORTMAP_UPNP, false);
	portmap_done(&m, PORTMAP_BROKEN, &maybe, now);
	w.gateway = OTHER_ROUTER;
	wish();
	assert_job(PORTMAP_UPNP, false);
}

/* The old router is not on this link: it keeps what it has until it is over. */
static void another_network(void **state)
{
	(void)state;
	wish();
	map_by(PORTMAP_PCP);
	w.gateway = OTHER_ROUTER;
	w.local.ip = 0xc0a80202;
	wish();
	assert_int_equal(portmap_why(&m), PORTMAP_ASKING);
	assert_job(PORTMAP_PCP, false);
	assert_int_equal(job.lease.gateway, OTHER_ROUTER);
}

static void another_network_while_it_is_asked_for(void **state)
{
	(void)state;
	wish();
	assert_job(PORTMAP_PCP, false);
	w.gateway = OTHER_ROUTER;
	wish();
	done(PORTMAP_REFUSED);
	assert_job(PORTMAP_PCP, false);
	assert_int_equal(job.lease.gateway, OTHER_ROUTER);
	w.gateway = ROUTER;
	wish();
	done(PORTMAP_OK);
	assert_int_equal(portmap_why(&m), PORTMAP_ASKING);
	assert_job(PORTMAP_PCP, false);
	assert_int_equal(job.lease.gateway, ROUTER);
}

static void another_port_or_address(void **state)
{
	(void)state;
	wish();
	map_by(PORTMAP_UPNP);
	w.local.ip++;
	wish();
	/* For ever is long: it goes first. */
	assert_job(PORTMAP_UPNP, true);
	done(PORTMAP_OK);
	map_by(PORTMAP_PCP);
	w.local.port++;
	wish();
	assert_job(PORTMAP_PCP, true);
	assert_int_equal(job.lease.local.port, host.port);
	done(PORTMAP_OK);
	map_by(PORTMAP_PCP);
	/* It knows us by our address, which we have no more. */
	w.local.ip++;
	wish();
	assert_job(PORTMAP_PCP, false);
}

static void the_network_goes_and_comes(void **state)
{
	(void)state;
	wish();
	map_by(PORTMAP_PCP);
	w.gateway = 0;
	w.why = PORTMAP_NO_GATEWAY;
	wish();
	assert_quiet();
	assert_int_equal(portmap_why(&m), PORTMAP_NO_GATEWAY);
	w.gateway = ROUTER;
	now += 5 * S;
	wish();
	assert_job(PORTMAP_PCP, false);
	done(PORTMAP_OK);
	assert_int_equal(wait_s(), 1800);
}

static void leave(enum portmap_method method, uint32_t gateway)
{
	const struct portmap_lease left = {(uint8_t)method, gateway, host,
					   given.external};

	portmap_init(&m, &left);
}

/* X21 */
static void what_the_last_run_left_goes_first(void **state)
{
	(void)state;
	leave(PORTMAP_UPNP, ROUTER);
	wish();
	assert_int_equal(portmap_why(&m), PORTMAP_ASKING);
	assert_job(PORTMAP_UPNP, true);
	assert_int_equal(job.lease.external.port, given.external.port);
	done(PORTMAP_FAILED);
	assert_job(PORTMAP_PCP, false);
}

static void what_is_left_of_pcp_is_renewed(void **state)
{
	(void)state;
	leave(PORTMAP_PCP, ROUTER);
	wish();
	assert_job(PORTMAP_PCP, false);
	assert_int_equal(job.lease.external.ip, given.external.ip);
	done(PORTMAP_SILENT);
	map_by(PORTMAP_NATPMP); /* at once */
}

static void what_is_left_at_another_router_is_left_alone(void **state)
{
	(void)state;
	leave(PORTMAP_UPNP, OTHER_ROUTER);
	w.choice = PORTMAP_BY_NONE;
	wish();
	assert_quiet();
	w.choice = PORTMAP_BY_ANY;
	wish();
	assert_job(PORTMAP_PCP, false);
	leave(PORTMAP_UPNP, ROUTER);
	w.choice = PORTMAP_BY_NONE;
	wish();
	assert_job(PORTMAP_UPNP, true);
}

/* Nobody is asked who is not of this site, nor for whom needs it not. */
static void which_gateway_may_be_asked(void **state)
{
	static const uint32_t good[] = {0xc0a80101, 0x0a000001, 0xac1f0001,
					0xa9fe0001, 0x647f0001},
			      bad[] = {0x08080808, 0xac200001, 0xe0000001,
				       0x7f000001, 0xa9fd0001, 0xffffffff,
				       0xc0a90101, 0x64800001};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(portmap_gateway(host.ip, good[i]), PORTMAP_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(portmap_gateway(host.ip, bad[i]),
				 PORTMAP_NOT_PRIVATE);
		assert_int_equal(portmap_gateway(bad[i], ROUTER),
				 PORTMAP_NO_NAT);
	}
	assert_int_equal(portmap_gateway(host.ip, 0), PORTMAP_NO_GATEWAY);
	assert_int_equal(portmap_gateway(0, ROUTER), PORTMAP_NO_GATEWAY);
	assert_int_equal(portmap_gateway(ROUTER, ROUTER), PORTMAP_NO_GATEWAY);
}

static void all_have_names(void **state)
{
	(void)state;
	for (int i = 0; i < PORTMAP_WHYS; i++) {
		assert_true(*portmap_why_name((enum portmap_why)i));
		assert_true(*portmap_why_text((enum portmap_why)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
				portmap_why_name((enum portmap_why)i),
				portmap_why_name((enum portmap_why)k));
	}
	assert_null(portmap_why_advice(PORTMAP_OK));
	assert_non_null(portmap_why_advice(PORTMAP_SILENT));
	assert_string_equal(portmap_method_name(PORTMAP_NATPMP), "natpmp");
	assert_string_equal(portmap_method_title(PORTMAP_NATPMP), "NAT-PMP");
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_asked_before_it_is_wished),
		TEST(the_first_that_works_is_kept),
		TEST(the_local_port_is_asked_for),
		TEST(renewed_at_half_of_its_life),
		TEST(upnp_is_looked_at_all_the_same),
		TEST(a_life_of_a_second_makes_nobody_busy),
		TEST(failure_is_told_and_tried_again),
		TEST(the_failure_that_says_most_is_told),
		TEST(unknown_is_silence_if_there_are_others),
		TEST(a_router_that_restarts_is_asked_soon_again),
		TEST(an_announcement_is_a_hint),
		TEST(nobody_is_asked_for_an_announcement_when_off),
		TEST(taken_away_when_off),
		TEST(off_while_it_is_asked_for),
		TEST(off_while_it_fails),
		TEST(what_may_be_there_is_taken_away),
		TEST(another_network),
		TEST(another_network_while_it_is_asked_for),
		TEST(another_port_or_address),
		TEST(the_network_goes_and_comes),
		TEST(what_the_last_run_left_goes_first),
		TEST(what_is_left_of_pcp_is_renewed),
		TEST(what_is_left_at_another_router_is_left_alone),
		TEST(which_gateway_may_be_asked),
		TEST(all_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
