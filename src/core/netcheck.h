/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the way to the Internet does to UDP, and which Teredo servers are any
 * good: `miredoctl netcheck`. It has three sockets and nothing else.
 *
 *	servers   MAIN asks both addresses of each server, a few times: round
 *		  trips, and by what they see, the mapping of the NAT
 *	filtering FRESH asks one address only. Then MAIN sends it a bubble by
 *		  way of another, a server's first one, which passes it on. If
 *		  it arrives, the NAT lets strangers in. That the server passes
 *		  bubbles on at all is shown by one from MAIN to itself
 *	hairpin   THIRD sends to FRESH where the Internet sees it: at once;
 *		  when FRESH has sent to another port of the same address, and
 *		  when it has sent to THIRD. So where there is hairpinning it is
 *		  known whether ports count
 *	relay     an echo request by way of the best server (4380 §5.2.9)
 *	silence   who does not answer is sent a datagram to another port, too:
 *		  if the host says that nobody listens there, UDP gets through
 *
 * Servers have one port, so whether a mapping depends on the port of the other
 * side cannot be told; nor can filtering by ports, without a hairpin. What is
 * not known is said to be not known.
 *
 * A server is a stranger. What it says counts only with the nonce of a
 * question, and no answer makes us send to anybody but itself, except one: a
 * mapping, to which THIRD sends six bubbles, and a relay, to which go a few
 * bubbles and echo requests. The gate judges both.
 */
#ifndef CORE_NETCHECK_H
#define CORE_NETCHECK_H

#include "hash.h"
#include "outbox.h"
#include "solicit.h"

enum {
	NETCHECK_SERVERS = 16,
	NETCHECK_ASKS = 6, /* solicitations to one address */
	NETCHECK_RTTS = 3,
	NETCHECK_OTHER_PORT = 33434, /* of traceroute: nobody listens there */
	NETCHECK_MAX_MS = 7200,      /* all of it */
};

/* Our sockets: enum door. */
#define NETCHECK_MAIN  DOOR_SERVICE
#define NETCHECK_FRESH DOOR_PROBE
#define NETCHECK_THIRD DOOR_DISCOVERY

/*
 * What there is to say about a server: an identifier, which stays as it is, and
 * a sentence.
 */
#define NETCHECK_VERDICTS(X)                                                   \
	X(GOOD, "good", "good")                                                \
	X(SECONDARY_SILENT, "secondary-silent",                                \
	  "answers on its first address only")                                 \
	X(FIRST_SILENT, "first-silent", "answers on its second address only")  \
	X(NO_BUBBLES, "no-bubbles",                                            \
	  "answers, but passes no bubbles on: peers cannot be reached")        \
	X(ODD_MAPPING, "odd-mapping",                                          \
	  "sees us where no other server does: it is wrong, or lies")          \
	X(WRONG_PREFIX, "wrong-prefix",                                        \
	  "advertises another prefix than 2001:0:SERVER::/64")                 \
	X(WRONG_NONCE, "wrong-nonce",                                          \
	  "answers without the nonce it was sent: anybody could have")         \
	X(PRIVATE_MAPPING, "private-mapping",                                  \
	  "sees us at a private address: it is on this side of the NAT")       \
	X(NONSENSE, "nonsense", "answers nonsense")                            \
	X(REFUSED, "refused",                                                  \
	  "no server there: its host says that nobody listens on UDP 3544")    \
	X(BLOCKED, "blocked", "a firewall refuses to pass UDP 3544")           \
	X(UNREACHABLE, "unreachable", "a router says that there is no way")    \
	X(FILTERED, "filtered",                                                \
	  "no answer on UDP 3544, though its host is there")                   \
	X(SILENT, "server-silent", "no answer on UDP 3544")                    \
	X(NOT_ASKED, "not-asked", "nothing could be sent to it")               \
	X(NO_NAME, "no-such-server", "there is no IPv4 address of this name")  \
	X(NO_RESOLVER, "resolver-failed", "no name server has answered")       \
	X(PRIVATE, "private-server", "the address is not global, or our own")

enum netcheck_verdict {
#define X(id, name, text) CHECKED_##id,
	NETCHECK_VERDICTS(X)
#undef X
	CHECKED_COUNT
};

/* The one thing to say about the network. */
#define NETCHECK_REASONS(X)                                                    \
	X(OK, "ok", "UDP works, and a server is usable", NULL)                 \
	X(NO_GOOD_SERVER, "no-good-server",                                    \
	  "UDP works, but none of these servers is usable",                    \
	  "try other servers")                                                 \
	X(NO_IPV4, "no-ipv4", "there is no way to the IPv4 Internet",          \
	  "connect this host, or look at its default route: ip route")         \
	X(LOCAL_FIREWALL, "local-firewall",                                    \
	  "this host's own firewall refuses to send",                          \
	  "let UDP out to port 3544: nft list ruleset")                        \
	X(NO_SERVER, "no-server", "there is no server that could be asked",    \
	  "name another server, or give its IPv4 address")                     \
	X(UDP_BLOCKED, "udp-blocked",                                          \
	  "UDP is blocked: nothing from outside answers",                      \
	  "a firewall between here and the Internet must let UDP pass")        \
	X(PORT_BLOCKED, "port-blocked", "UDP works, but port 3544 is blocked", \
	  "a firewall between here and the Internet must let UDP port 3544 "   \
	  "pass")                                                              \
	X(ONLY_DNS, "only-dns",                                                \
	  "a name server answers, nothing else: the network wants you to log " \
	  "in first, or blocks UDP but for names, or all servers are gone",    \
	  "open a web page and log in; or name more servers")                  \
	X(NOTHING_ANSWERS, "nothing-answers",                                  \
	  "nothing answers: UDP is blocked, or all servers are gone",          \
	  "name more servers, and a name server outside with --dns")

enum netcheck_reason {
#define X(id, name, text, advice) NETCHECK_##id,
	NETCHECK_REASONS(X)
#undef X
	NETCHECK_REASON_COUNT
};

/* Not known, no, yes. */
enum tri {
	TRI_UNKNOWN,
	TRI_NO,
	TRI_YES
};

/* Of mapping and filtering, 4787 §4.1, §5. */
enum netcheck_behaviour {
	BEHAVIOUR_UNKNOWN,
	BEHAVIOUR_NONE, /* mapping: there is no NAT */
	BEHAVIOUR_INDEPENDENT,
	BEHAVIOUR_ADDRESS,
	BEHAVIOUR_ADDRESS_PORT,
	BEHAVIOUR_DEPENDENT, /* one of the last two */
};

/* What came back instead of an answer (ICMP, RFC 792, 1812 §5.2.7.1). */
struct netcheck_icmp {
	bool refused;     /* the host itself: nobody listens */
	bool blocked;     /* somebody on the way: prohibited */
	bool unreachable; /* somebody: no way */
	uint32_t by;      /* who said the last two */
};

/* One of our sockets asks one address of a server. */
struct netcheck_ask {
	enum door door;
	uint32_t ip, server; /* the one asked; the first address of it */
	unsigned wanted;     /* answers */
	uint64_t due;        /* UINT64_MAX = no more */
	unsigned n_sent, n_heard;
	struct {
		uint8_t nonce[AUTH_NONCE_LEN];
		uint64_t sent;
		bool heard;
	} v[NETCHECK_ASKS];
	uint64_t rtt[NETCHECK_ASKS];
	struct tuple seen; /* where we are, by the first answer */
	bool wrong_nonce, wrong_prefix, private_mapping, nonsense;
	struct netcheck_icmp icmp;
};

/* A datagram that is sent a few times, until something comes of it. */
struct netcheck_probe {
	bool on, done, heard;
	unsigned tries;
	uint64_t due;
	uint32_t nonce;
};

struct netcheck_server {
	uint32_t ip[2];
	enum netcheck_verdict
		fixed; /* known without asking, or CHECKED_COUNT */
	struct netcheck_ask ask[2];
	struct netcheck_probe control; /* a bubble to ourselves */
	struct netcheck_probe other;   /* to the other port */
	bool is_alive;                 /* its host has answered there */
	bool other_blocked;            /* or somebody on the way */
};

enum {
	NETCHECK_HAIRPINS = 3,
	NETCHECK_DIRECT = 2 /* echo requests to a relay */
};

/* 4380 §5.2.9 */
struct netcheck_relay {
	struct netcheck_probe echo, direct;
	uint8_t nonce[8];
	uint64_t first; /* echo request by way of the server */
	uint64_t sent[NETCHECK_DIRECT + 1]; /* to the relay, from 1 */
	struct ip6 own;
	unsigned server;
	unsigned answers; /* bubbles to relays */
	struct tuple at;  /* port 0 = none */
	uint64_t found, rtt;
};

struct netcheck_conf {
	uint32_t prefix;
	bool with_relay;
	struct ip6 host; /* native, for the relay */
};

struct netcheck {
	struct netcheck_conf conf;
	const struct gate *gate;
	struct rng rng;
	struct tuple local[DOORS];
	uint16_t flags; /* of our addresses, 5991 §3.1 */
	uint64_t until, servers_until;
	bool servers_done; /* asked as often as they will be */
	bool is_done;
	unsigned n;
	struct netcheck_server v[NETCHECK_SERVERS];

	int via;       /* server whose first address passes bubbles on */
	uint64_t wait; /* for an answer of it */
	struct netcheck_ask fresh, third;
	struct netcheck_probe filter;
	unsigned step; /* of the hairpin tests */
	struct netcheck_probe hairpin[NETCHECK_HAIRPINS];
	struct netcheck_relay relay;

	bool no_route, refused_here; /* what the kernel said */
	bool far_dns_asked, far_dns_answered;
};

/* What was found out. */
struct netcheck_findings {
	enum netcheck_reason reason;
	bool good;
	enum netcheck_behaviour mapping, filtering;
	enum tri preserves_port, hairpin;
	struct tuple mapped; /* of MAIN; port 0 = not known */
	int best;            /* server, or -1 */
	uint32_t blocked_by; /* who said so, or 0 */
	struct {
		enum netcheck_verdict verdict;
		unsigned rank;   /* 1 is the best; 0 = not usable */
		uint64_t rtt[2]; /* ns, median; 0 = no answer */
		enum tri bubbles;
	} server[NETCHECK_SERVERS];
	enum tri relay; /* unknown: was not asked for, or could not be tried */
	struct tuple relay_at;
	uint64_t relay_found, relay_rtt; /* ns, 0 = not known */
};

/* What is going on, for people who wait. */
enum netcheck_step {
	NETCHECK_ASKING,
	NETCHECK_TESTING_NAT,
	NETCHECK_SEEKING_RELAY
};

void netcheck_init(struct netcheck *n, const struct netcheck_conf *conf,
		   const struct gate *gate, const struct rng *rng);

/*
 * One more server, at most NETCHECK_SERVERS: its addresses; or why it cannot be
 * asked. In the order of the command line.
 */
void netcheck_server(struct netcheck *n, uint32_t first, uint32_t second);
void netcheck_no_server(struct netcheck *n, enum netcheck_verdict why);

/* local: of MAIN, FRESH and THIRD; index with enum door. */
void netcheck_start(struct netcheck *n, const struct tuple local[DOORS],
		    uint64_t now, struct outbox *out);

void netcheck_input(struct netcheck *n, const struct datagram *d, uint64_t now,
		    struct outbox *out);

/* ICMP Destination Unreachable about a datagram to `about`. */
void netcheck_icmp(struct netcheck *n, enum door door, struct tuple about,
		   uint8_t code, uint32_t by);

/* The kernel does not send: there is no route, or a rule forbids it. */
void netcheck_no_route(struct netcheck *n);
void netcheck_refused(struct netcheck *n);

/* A name server that is not on a network of this host was asked, answers. */
void netcheck_dns(struct netcheck *n, bool answered);

void netcheck_timeout(struct netcheck *n, uint64_t now, struct outbox *out);

/* When that is to be called, UINT64_MAX = all is done. */
uint64_t netcheck_next(const struct netcheck *n);

enum netcheck_step netcheck_step(const struct netcheck *n);

/* At any time; best when all is done. */
void netcheck_judge(const struct netcheck *n, struct netcheck_findings *f);

/* Identifiers and sentences. Never NULL, but advice may be. */
const char *netcheck_verdict_name(enum netcheck_verdict v);
const char *netcheck_verdict_text(enum netcheck_verdict v);
const char *netcheck_reason_name(enum netcheck_reason r);
const char *netcheck_reason_text(enum netcheck_reason r);
const char *netcheck_reason_advice(enum netcheck_reason r);

/* "endpoint-independent"; "endpoint independent" is for people. */
const char *netcheck_behaviour_name(enum netcheck_behaviour b);

/* What Windows calls such a NAT, and which peers are reached from behind it. */
const char *netcheck_windows(const struct netcheck_findings *f);
const char *netcheck_reaches(const struct netcheck_findings *f);

#endif
