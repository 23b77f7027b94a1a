/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a daemon is, in one word, and what to do about it: the closed list of
 * what `miredoctl status` can say. Names are also in the log, in metrics and in
 * the environment of hooks, and stay as they are; teredo(7) explains each.
 *
 * A verdict is what most of all keeps packets from going where they ought to;
 * notes are what else is worth knowing, and are none the worse for that.
 */
#ifndef SYS_VERDICT_H
#define SYS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

/* X(id, name, is it good, what it is, what to do or "") */
#define VERDICT_LIST(X)                                                        \
	X(OK, "ok", true, "all is well", "")                                   \
	X(NATIVE, "native-ipv6", true,                                         \
	  "there is native IPv6, so no client is needed",                      \
	  "for a client nevertheless, set RelayType client")                   \
	X(IDLE, "idle", true,                                                  \
	  "nothing is sent, so the server is not asked until a packet is",     \
	  "for a client that others can always reach, set Qualify always")     \
	X(START, "starting", false, "a server was asked just now", "")         \
	X(NO_IPV4, "no-ipv4", false, "there is no way to the IPv4 Internet",   \
	  "see which is missing, an address or a default route: ip route get " \
	  "198.41.0.4")                                                        \
	X(RESOLVER, "resolver-failed", false,                                  \
	  "no server's name can be looked up",                                 \
	  "try the name: getent ahostsv4 NAME; or give a server by number")    \
	X(UNUSABLE, "private-server", false,                                   \
	  "the server's name stands for an address that is not global",        \
	  "correct ServerAddress; for a laboratory, add AllowIPv4 for it")     \
	X(SERVER, "server-silent", false, "the server does not answer",        \
	  "a firewall on the way may drop UDP, or port 3544, or the server "   \
	  "may be gone: miredoctl netcheck SERVER tells which")                \
	X(SECONDARY, "secondary-silent", false,                                \
	  "the server answers on its first address only",                      \
	  "a firewall on the way may drop UDP from the second address: "       \
	  "miredoctl netcheck SERVER")                                         \
	X(WRONG_NONCE, "wrong-nonce", false,                                   \
	  "what answers for the server does not know what it was asked",       \
	  "somebody on the way may answer in its place; for very old servers " \
	  "there is NonceRequired no")                                         \
	X(WRONG_ANSWER, "wrong-answer", false,                                 \
	  "the server's answers are none for this client",                     \
	  "another Prefix, or two addresses that are not one server's: "       \
	  "miredoctl netcheck SERVER")                                         \
	X(AUTH_FAILED, "auth-failed", false,                                   \
	  "the server's answers are not signed with our secret",               \
	  "compare ClientID and Secret with those of the server")              \
	X(SYMMETRIC, "symmetric-nat", false,                                   \
	  "the NAT gives each destination another port, and Symmetric or sns " \
	  "is off",                                                            \
	  "set Symmetric yes and Extensions all: most peers can be reached "   \
	  "then")                                                              \
	X(MOVED, "mapping-changed", false,                                     \
	  "the NAT has changed address or port", "")                           \
	X(ADDRESS, "address-refused", false,                                   \
	  "the kernel refuses the addresses or routes of the interface",       \
	  "IPv6 may be switched off there: sysctl "                            \
	  "net.ipv6.conf.all.disable_ipv6; the log has the error")             \
	X(NO_RELAY, "no-relay", false,                                         \
	  "no relay answers for native IPv6; other Teredo clients can be "     \
	  "reached",                                                           \
	  "ProbeHost may have no relay near it: try another, or a relay of "   \
	  "your own: miredo(8)")                                               \
	X(NO_SOURCE, "no-native-ipv6", false,                                  \
	  "this host has no native IPv6 address to send bubbles from",         \
	  "see what is there: ip -6 address show scope global")                \
	X(ADDRESS_GONE, "address-missing", false,                              \
	  "an address of the server is no address of this host any more",      \
	  "add it again: ip address add ADDRESS/32 dev DEVICE")                \
	X(STUCK, "stuck", false, "the packet process does not move",           \
	  "if it is stopped, let it go on; if not, start again and report "    \
	  "this")                                                              \
	X(NOT_READY, "not-ready", false,                                       \
	  "the packet process is being started", "")

#define NOTE_LIST(X)                                                           \
	X(FORWARDING, "forwarding-off",                                        \
	  "IPv6 forwarding is off, so the relay serves this host only",        \
	  "to serve others: sysctl -w net.ipv6.conf.all.forwarding=1")         \
	X(ALLOWED, "private-allowed",                                          \
	  "addresses that are not global are allowed (AllowIPv4)",             \
	  "in a laboratory only")                                              \
	X(INBOUND, "inbound-open",                                             \
	  "strangers reach any port of this host at its Teredo address",       \
	  "unless that is wanted: nft -f "                                     \
	  "/usr/share/doc/miredo/examples/client.nft")                         \
	X(UNSTABLE, "mapping-unstable",                                        \
	  "the NAT changes its mapping often, and the address with it",        \
	  "a shorter RefreshInterval may help; or another NAT")                \
	X(KEY_ENDS, "key-ends",                                                \
	  "the server wants this client to get a new secret",                  \
	  "ask its operator for one")                                          \
	X(RESTARTED, "restarted",                                              \
	  "the packet process has died, and was started again",                \
	  "the log tells why: miredoctl log")                                  \
	X(FULL, "peers-full",                                                  \
	  "there is no room for more peers: the longest silent make room",     \
	  "raise MaxPeers")                                                    \
	X(WAITING, "restart-needed",                                           \
	  "some of the configuration is applied at the next start",            \
	  "miredoctl config shows which")                                      \
	X(REFUSED, "reload-failed",                                            \
	  "the configuration was changed, and is wrong; what runs is what "    \
	  "was read before",                                                   \
	  "correct it, and reload: miredoctl check")                           \
	X(CONFIRM, "confirm-reload",                                           \
	  "the configuration is undone unless it is confirmed",                \
	  "miredoctl reload --keep")

enum verdict {
#define X(id, name, good, text, advice) VERDICT_##id,
	VERDICT_LIST(X)
#undef X
	VERDICT_COUNT
};

enum note {
#define X(id, name, text, advice) NOTE_##id,
	NOTE_LIST(X)
#undef X
	NOTE_COUNT
};

/* All of it; advice is NULL if there is none. */
struct verdict_words {
	const char *name;
	bool is_good;
	const char *text, *advice;
};

const struct verdict_words *verdict_words(enum verdict v);
const struct verdict_words *note_words(enum note n);

/* Of either list, by its name; NULL if there is none. */
const struct verdict_words *verdict_find(const char *name);

struct facts;

/* What the facts amount to; and what else: a bit for each enum note. */
enum verdict verdict_of(const struct facts *f);
unsigned verdict_notes(const struct facts *f);

struct client_status;

/* The state of a client, in a word; and of the daemon, see miredoctl(8). */
const char *verdict_client_state(const struct client_status *s);
const char *verdict_state(const struct facts *f, enum verdict v);

#endif
