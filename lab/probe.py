# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds out what a NAT does, from sockets alone; knows nothing of its rules.

One socket inside asks four endpoints outside (two addresses, two ports each)
where they see it; then it is tried which of them get a packet in.  The
words are those of RFC 4787.
"""

import dataclasses
import os
import socket

ENDPOINT_INDEPENDENT = "endpoint-independent"
ADDRESS_DEPENDENT = "address-dependent"
ADDRESS_PORT_DEPENDENT = "address-port-dependent"

PORTS = (5001, 5002)
#: Everything is on one machine, so what is on its way arrives at once;
#: a packet that is to be lost needs this long to be called lost, seconds.
PATIENCE = 0.15
#: What is to come gets so long.
LONG = 10


@dataclasses.dataclass
class Verdict:
    """What a NAT does."""
    translates: bool            # outside address differs from the inside one
    mapping: str
    filtering: str
    preserving: bool            # the first outside port is the inside port
    hairpin: str                # "never", or what it takes: see hairpin()
    closed: bool                # ports nobody uses let nothing in


def udp(host, address, port=0):
    """A socket on that host, which does not wait for ever."""
    sock = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    sock.settimeout(LONG)
    return sock


def gets(sock, token, timeout=PATIENCE):
    """Wait for a datagram with that content; where from, or None."""
    sock.settimeout(timeout)
    try:
        while True:
            data, origin = sock.recvfrom(2048)
            if data == token:
                return origin
    except TimeoutError:
        return None
    finally:
        sock.settimeout(LONG)


def passes(sender, receiver, to, timeout=PATIENCE):
    """Does a fresh datagram get from one socket to another?  Where from?"""
    token = os.urandom(8)
    sender.sendto(token, to)
    return gets(receiver, token, timeout)


def seen_at(inside, outside):
    """The endpoint that a socket outside sees of a socket inside."""
    origin = passes(inside, outside, outside.getsockname(), LONG)
    if origin is None:
        raise RuntimeError(f"nothing from inside reaches "
                           f"{outside.getsockname()}")
    return origin


def probe(inside, outside, neighbour=None):
    """Classify the NAT between two hosts; returns a Verdict.

    `outside` needs two addresses.  `neighbour` is a host behind the same NAT,
    for the hairpin test ("never" without one).
    """
    first, second = outside.addresses4[:2]
    far = {(address, port): udp(outside, address, port)
           for address in (first, second) for port in PORTS}
    socks = list(far.values())
    try:
        sock = udp(inside, inside.ip4)
        socks.append(sock)
        own = sock.getsockname()
        seen = seen_at(sock, far[first, PORTS[0]])
        # Only (first, PORTS[0]) has been talked to so far.
        if passes(far[second, PORTS[0]], sock, seen):
            filtering = ENDPOINT_INDEPENDENT
        elif passes(far[first, PORTS[1]], sock, seen):
            filtering = ADDRESS_DEPENDENT
        else:
            filtering = ADDRESS_PORT_DEPENDENT
        if passes(far[first, PORTS[0]], sock, seen) is None:
            raise RuntimeError("not even an answer gets in")

        if seen_at(sock, far[second, PORTS[0]]) == seen:
            mapping = ENDPOINT_INDEPENDENT
        elif seen_at(sock, far[first, PORTS[1]]) == seen:
            mapping = ADDRESS_DEPENDENT
        else:
            mapping = ADDRESS_PORT_DEPENDENT
        return Verdict(
            translates=seen[0] != own[0], mapping=mapping,
            filtering=filtering, preserving=seen[1] == own[1],
            hairpin=hairpin(inside, neighbour, far[first, PORTS[0]])
            if neighbour else "never",
            closed=early_packet_lost(inside, far[first, PORTS[0]],
                                     far[second, PORTS[0]], seen))
    finally:
        for sock in socks:
            sock.close()


def early_packet_lost(inside, outside, other, seen):
    """Do packets to an unused outside port vanish without harm?

    They must not arrive, and must not keep a later socket on that very port
    from getting it: a stray packet may not take a mapping away.
    """
    with udp(inside, inside.ip4) as later:
        port = later.getsockname()[1]
        outside.sendto(b"early", (seen[0], port))
        other.sendto(b"early", (seen[0], port))
        if gets(later, b"early"):
            return False
        fresh = seen_at(later, outside)
        again = seen_at(later, outside)
        return fresh == again and passes(outside, later, fresh) is not None


def hairpin(one, two, outside):
    """How do two hosts inside reach each other at their outside endpoints?

    "open": at once; "address": after the target has sent to any port of the
    outside address; "endpoint": after it has sent to the sender's outside
    endpoint; "never".  Fresh sockets each time; what arrives must come from
    the outside endpoint.
    """
    for needs in ("open", "address", "endpoint"):
        with udp(one, one.ip4) as a, udp(two, two.ip4) as b:
            at_a, at_b = seen_at(a, outside), seen_at(b, outside)
            if needs == "address":
                b.sendto(b"x", (at_a[0], at_a[1] ^ 1))
            elif needs == "endpoint":
                b.sendto(b"x", at_a)
            origin = passes(a, b, at_b)
            if origin is None:
                continue
            if origin != at_a:
                raise RuntimeError(f"hairpin from {origin}, not {at_a}")
            if passes(b, a, at_a) is None:
                raise RuntimeError("hairpin works in one direction only")
            return needs
    return "never"
