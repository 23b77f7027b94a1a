/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a router is asked to forward the service port to this host, and by which
 * protocol (6081 §5.3.3, 6886, 6887); so that strangers reach a host behind a
 * restricted NAT as they would behind a full cone. Decides only: the shell asks
 * (mapper.h), one question at a time, each bounded in time, and tells how that
 * has ended. What a router says is shown, and is nowhere sent to.
 *
 *	search	PCP, NAT-PMP, UPnP in this order; the first that works is kept
 *	keep	asked again after half of the lifetime; UPnP has none (6081),
 *		and is asked every half hour, for routers forget
 *	lost	when that fails three times: a search
 *	none	when nobody answers: asked again at a network change, or in
 *		half an hour
 *
 * A mapping that does not belong to what is wished any more is taken away, as
 * long as its router is still ours; and so is one that the last run has left
 * behind (X21), but that PCP and NAT-PMP take for their own and renew.
 */
#ifndef CORE_PORTMAP_H
#define CORE_PORTMAP_H

#include "wire.h"

/* In the order in which they are tried. */
enum portmap_method {
	PORTMAP_NONE,
	PORTMAP_PCP,
	PORTMAP_NATPMP,
	PORTMAP_UPNP,
	PORTMAP_METHODS
};

/* "none", "pcp", "natpmp", "upnp"; and as people write it: "NAT-PMP" */
const char *portmap_method_name(enum portmap_method m);
const char *portmap_method_title(enum portmap_method m);

/* Directive PortMapping: the first ones are those of enum portmap_method. */
enum portmap_choice {
	PORTMAP_BY_NONE,
	PORTMAP_BY_PCP,
	PORTMAP_BY_NATPMP,
	PORTMAP_BY_UPNP,
	PORTMAP_BY_ANY
};

/*
 * Why there is a mapping or none; of several failures the last in this order is
 * what a person wants to know. X(id, name, what it is, what to do or "")
 */
/* clang-format off */
#define PORTMAP_LIST(X)                                                        \
	X(ASKING, "gateway-asked", "the router is asked to forward the port", "") \
	X(OK, "port-mapped", "the router forwards the port to this host", "") \
	X(OFF, "mapping-off", "PortMapping is off, or the client needs none now", "") \
	X(NO_NAT, "no-nat", "this host has a global address: no router need forward anything", "") \
	X(NO_GATEWAY, "no-gateway", "there is no router on the link towards the server", "") \
	X(NOT_PRIVATE, "gateway-not-private", "the router has no private address, or one that is denied, so it is not asked", "") \
	X(GONE, "mapper-gone", "the process that asks routers has died", "start again") \
	X(NOT_BUILT, "upnp-not-built", "this program was built without UPnP", "PortMapping auto, if the router speaks PCP or NAT-PMP") \
	X(SILENT, "gateway-silent", "no gateway answers UPnP, PCP or NAT-PMP", \
	  "switch one of them on in the router, or forward the UDP port of BindPort to this host there") \
	X(UNKNOWN, "gateway-cannot", "the router does not know this protocol", "PortMapping auto") \
	X(BROKEN, "gateway-broken", "the router answers, and makes no sense", "PortMapping of another protocol, or off") \
	X(FAILED, "gateway-failed", "the router has tried, and failed", "see the router's log") \
	X(FULL, "gateway-full", "the router has no room for one more forwarded port", "remove some there") \
	X(TAKEN, "port-taken", "the router forwards this port to another host", "another BindPort, or remove it there") \
	X(REFUSED, "gateway-refuses", "the router does not let this host forward ports", "allow it there")
/* clang-format on */

enum portmap_why {
#define X(id, name, text, advice) PORTMAP_##id,
	PORTMAP_LIST(X)
#undef X
	PORTMAP_WHYS
};

const char *portmap_why_name(enum portmap_why w);
const char *portmap_why_text(enum portmap_why w);
const char *portmap_why_advice(enum portmap_why w); /* NULL = none */

enum {
	PORTMAP_LIFETIME_S = 3600, /* that is asked for */
	PORTMAP_LOOK_S = 1800,     /* after that, where there is none */
	PORTMAP_RENEW_MIN_S = 60,  /* and never sooner */
	PORTMAP_RETRY_S = 15,      /* at first; twice as long each time */
	PORTMAP_RETRIES = 3,       /* of what worked before */
	PORTMAP_HURRY_S = 5,       /* between two that were called for */
};

/* What is to be. */
struct portmap_wish {
	uint8_t choice;     /* enum portmap_choice */
	uint8_t why;        /* enum portmap_why: gateway is 0 */
	uint16_t again;     /* another number: look now, things have changed */
	uint32_t gateway;   /* host order; 0 = nobody to ask */
	struct tuple local; /* the service port */
};

/* What a router has for us. */
struct portmap_lease {
	uint8_t method; /* enum portmap_method; NONE = nothing */
	uint32_t gateway;
	struct tuple local, external;
};

bool portmap_lease_equal(const struct portmap_lease *a,
			 const struct portmap_lease *b);

struct portmap_job {
	bool is_end;                /* take it away, or make it */
	struct portmap_lease lease; /* external: as it was, or is wished */
	uint32_t lifetime_s;
};

struct portmap_result {
	struct tuple external;
	uint32_t lifetime_s; /* 0 = for ever */
	bool is_maybe;       /* it failed, and a mapping may be there (X25) */
};

/* Times in ns. */
struct portmap {
	struct portmap_wish wish;
	struct portmap_lease have;
	uint32_t lifetime_s; /* of that */
	uint64_t until;      /* it lasts */
	bool is_left;        /* by the last run: not known to be there */
	bool is_busy;        /* a job is under way */
	bool undoes;         /* the next one takes away what may be there: */
	struct portmap_lease maybe;
	bool hurry; /* and after it another one is called for */
	bool found; /* this router has worked before */
	struct portmap_job job;
	uint8_t method; /* that is tried next */
	uint8_t why;    /* of the last search */
	uint8_t worst;  /* of this one, so far */
	unsigned fails; /* in a row */
	uint64_t at;    /* of the next job */
	uint64_t began; /* the last one */
};

/* left: what the last run has left behind, if its method is not NONE. */
void portmap_init(struct portmap *m, const struct portmap_lease *left);

/* What is wished now. */
void portmap_wish(struct portmap *m, const struct portmap_wish *w,
		  uint64_t now);

/* The router may have forgotten: it has said so. */
void portmap_hurry(struct portmap *m, uint64_t now);

/* When portmap_due() is to be called; UINT64_MAX = not at all. */
uint64_t portmap_next(const struct portmap *m);

/* True: this is to be done, and portmap_done() called. */
bool portmap_due(struct portmap *m, uint64_t now, struct portmap_job *job);

void portmap_done(struct portmap *m, enum portmap_why why,
		  const struct portmap_result *r, uint64_t now);

/* There is nothing to wait for. */
bool portmap_is_idle(const struct portmap *m);

/* How it is; with OK m->have is what there is. */
enum portmap_why portmap_why(const struct portmap *m);

/*
 * May this router be asked? OK, or why not. Only one with a private, shared or
 * link-local address (1918, 6598, 3927) is; and only by a host that has such an
 * address itself, for another is behind no NAT.
 */
enum portmap_why portmap_gateway(uint32_t local, uint32_t gateway);

#endif
