/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the log tells of, beside the words: changes of state, each with a name
 * and with a message identifier of the journal, both the same for ever. For
 * each there is an entry in dist/miredo.catalog that says what to do.
 */
#ifndef SYS_EVENT_H
#define SYS_EVENT_H

#include "../core/client.h"

/* The first ones are those of enum client_why, in its order. */
/* clang-format off */
#define EVENT_LIST(X)                                                          \
	X(OK, "ok", "82bd7471d4564659bd4400529c841627") \
	X(NATIVE, "native-ipv6", "93066f2b05524618bd7e52649cd99762") \
	X(NO_IPV4, "no-ipv4", "38a38ac04f3947ef9d6ec02e94d666a2") \
	X(RESOLVER, "resolver-failed", "b783f865b7784d4a98397e082e0be57b") \
	X(START, "starting", "a449de70283345c8a6c932376a33383d") \
	X(SERVER, "server-silent", "8aa896487c53473fbc76d2ac3556dfe7") \
	X(SECONDARY, "secondary-silent", "9bfc440e8f44430aa1b3dff0ee451682") \
	X(SYMMETRIC, "symmetric-nat", "18b7b47906fc49a89fdfd75b7b0f1965") \
	X(MOVED, "mapping-changed", "dab5360899bd4bd5b8a293281b23db87") \
	X(IDLE, "idle", "7fd1066e7d21487fb1c70c58d9f27841") \
	X(SOURCE_LOST, "no-native-ipv6", "547c699f325540b19ecd56a7f736f8ea") \
	X(SOURCE_FOUND, "source-found", "afe437392a08439fad5fff505b947a7f") \
	X(RELOADED, "reload-applied", "aba549c5b8374d818f162355707f3ae6") \
	X(RELOAD_FAILED, "reload-failed", "ee4767727a0844919f2c1c797af39e49") \
	X(DIED, "packet-process-died", "753a0fe0e66343a798e976f5c266614f") \
	X(STARTED, "restarted", "fa8913419b3741ec8a22459d931775c7") \
	X(PUT_BACK, "put-back", "4d531644ff854d9380b0c4cac92c3af9") \
	X(INBOUND_OPEN, "inbound-open", "e8714faad45645a7a6d3a9d1bd709fc1") \
	X(INBOUND_FILTERED, "inbound-filtered", "55402c8e389e4bb1940b2c2819419000") \
	X(AWAKE, "awake", "7aee9d56d57b4ab2b3bfc7942ec97a3a") \
	X(PORT_MAPPED, "port-mapped", "fb2a7d1ea2b84d2dbd5a3c5f9ec7e0c1") \
	X(PORT_LOST, "port-mapping-lost", "0a4be1b6c1d4464a93cd7d32a61f5b7e")
/* clang-format on */

enum event {
	EVENT_NONE, /* a line that is no change of state */
#define X(id, name, message) EVENT_##id,
	EVENT_LIST(X)
#undef X
	EVENT_COUNT
};

enum {
	EVENT_STATE = 16, /* with the NUL */
	EVENT_REASON = 24
};

/* What is known of it; what is not is empty, :: or 0. States and reasons are
 * lower-case letters, digits, '-'. */
struct event_facts {
	uint8_t event;           /* enum event */
	char state[EVENT_STATE]; /* verdict_client_state() */
	char reason[EVENT_REASON];
	struct ip6 address;
	uint32_t server; /* host order */
};

/* "server-silent", ...; e is none of the two ends of the enum */
const char *event_name(enum event e);
/* 32 hexadecimal digits */
const char *event_message(enum event e);

static inline enum event event_of_why(enum client_why w)
{
	return (enum event)(EVENT_OK + (unsigned)w);
}

/* The event, and its name as the reason; EVENT_NONE: nothing. */
struct event_facts event_facts(enum event e);

/* Facts that came from a process that may be anybody's: are they such? */
bool event_is_valid(const struct event_facts *f);

#endif
