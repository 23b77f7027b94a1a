# SPDX-License-Identifier: GPL-2.0-or-later
"""Row 23 of doc/attacks.md: a name server that lies, babbles and floods."""

import ipaddress
import struct

import pytest

import packets as t
from lab import teredo, wait_for
from lab.capture import payload

GOOD = "good.test"


def records(query, answer, *found, flags=0x8580, count=None):
    """An answer with these records, each (type, data), all about the name."""
    question = query[12:query.index(b"\0", 12) + 5]
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data))
                    + data for kind, data in found)
    return [query[:2] + struct.pack("!HHH", flags, 1, len(
        found) if count is None else count) + bytes(4) + question + body]


def addresses(*found):
    """A function that answers with these."""
    return lambda query, answer: records(query, answer, *(
        (1, ipaddress.IPv4Address(a).packed) for a in found))


def many(query, answer):
    """Four hundred of which none may be used; 6.4 kB."""
    return addresses(*(f"10.0.{n // 200}.{n % 200 + 1}"
                       for n in range(400)))(query, answer)


def loop(query, answer):
    """The name is an alias of itself."""
    return records(query, answer, *[(5, b"\xc0\x0c")] * 20)


def pointers(query, answer):
    """Names that are pointers to themselves."""
    body = records(query, answer, (5, b"\xc0\x0c"))[0]
    at = len(body)
    return [body[:6] + b"\0\2" + body[8:] + struct.pack(
        "!HHHIH", 0xc000 | at, 1, 1, 60, 4) + bytes(4)]


#: What a name is answered with. None of it may be asked for an address.
LIES = [
    {"private.test": addresses("10.0.0.1", "192.168.1.2", "172.16.0.1"),
     "special.test": addresses("127.0.0.1", "0.0.0.0", "224.0.0.1",
                               "255.255.255.255", "169.254.1.1",
                               "192.88.99.1", "240.0.0.1", "100.64.0.1"),
     "own.test": addresses("9.0.21.2", "9.0.21.1"),
     "edge.test": addresses("223.255.255.255", "9.255.255.255"),
     "many.test": many,
     "loop.test": loop,
     "pointers.test": pointers},
    {"garbage.test": lambda query, answer: [
        query[:2] + bytes(range(256)) * 4, b"", b"\0", query[:12]],
     "other.test": lambda query, answer: [
         bytes([query[0] ^ 1]) + answer[1:], query[:2] + b"\x85\x80"
         + answer[4:12] + b"\3foo\0\0\1\0\1" + answer[-16:]],
     "truncated.test": lambda query, answer: records(
         query, answer, flags=0x8780),
     "huge.test": lambda query, answer: [answer[:12].ljust(60000, b"\xff")],
     "lengths.test": lambda query, answer: records(
         query, answer, (1, bytes(3)), (1, b"\x09\0\0\2" * 9), (1, b""),
         count=9999),
     "flood.test": lambda query, answer: [answer] * 300,
     "query.test": lambda query, answer: [query]},
]


@pytest.mark.parametrize("lies", LIES, ids=["addresses", "packets"])
def test_hostile_answers(net, lies):
    """Nobody is asked who may not be; the one good name gets an address.

    Seven names of servers are answered by lies, the eighth by the truth.
    """
    host = net.c2
    net.site2.configure("none")
    assert host.ip4 == "9.0.21.2"       # see own.test
    net.dns.forged = dict(lies)
    net.dns.names = {name: "10.1.1.1" for name in lies} | {GOOD: "9.0.0.2"}
    host.resolver(net.dns, "timeout:1 attempts:1")
    teredo.start_server(net, "ours")
    teredo.forget(host)
    seen = net.capture((host, "eth0"))
    client = host.daemon(["miredo", *lies, GOOD])
    address = teredo.wait_address(host, 30)
    assert teredo.explain(address).server == "9.0.0.2"
    wait_for(lambda: set(lies) <= set(net.dns.queries), "a look-up of each")
    # All that was sent but for names went to the good one.
    asked = {p[16:20] for p in map(payload, seen.packets)
             if p[9:10] == bytes([t.UDP]) and p[12:16] == t.ip4(host.ip4)
             and p[22:24] != b"\0\x35"}
    assert asked == {t.ip4("9.0.0.2"), t.ip4("9.0.0.3")}
    assert client.alive() and len(client.log.splitlines()) < 30, client.log
    assert client.stop() == 0
    net.dns.forged = {}
