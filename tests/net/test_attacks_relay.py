# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on a relay over the wire; what is not in test_hostile_relay.py.

Rows are those of doc/attacks.md.
"""

import struct

import pytest

import packets as t
import tap
from lab.capture import payload
from tap import less
from test_hostile_relay import tunnels

#: Protocols by which packets are put into packets.
IPIP, IPV6, GRE, ESP = 4, 41, 47, 50


@pytest.fixture(scope="module")
def relay(lab):
    with tap.relay(lab) as tapped:
        yield tapped


def forgeries(right, others):
    """Nearly the token of a bubble, as trailers: name -> bytes."""
    flipped = {f"bit {n}": t.nonce_trailer(
        (int.from_bytes(right, "big") ^ 1 << n).to_bytes(4, "big"))
        for n in range(0, 32, 5)}
    return flipped | {
        "none": b"",
        "empty": t.nonce_trailer(b""),
        "one byte": t.nonce_trailer(right[:1]),
        "short": t.nonce_trailer(right[:3]),
        "long": t.nonce_trailer(right + b"\0"),
        "twice as long": t.nonce_trailer(right * 2),
        "zero": t.nonce_trailer(bytes(4)),
        "shifted left": t.nonce_trailer(right[1:] + b"\0"),
        "shifted right": t.nonce_trailer(b"\0" + right[:3]),
        "backwards": t.nonce_trailer(right[::-1]),
        "another peer's": t.nonce_trailer(others),
        "behind a wrong one": t.nonce_trailer(others) + t.nonce_trailer(right),
        "as another trailer": t.trailer(5, right),
        "without a head": right,
        "cut": t.nonce_trailer(right)[:-1],
    }


def test_forged_tokens(relay):
    """Rows 3, 4: a bubble from another port of a client's address.

    Miredo 0.9.8 to 1.0.5 compared a token of 64 bits wrongly, so that anybody
    was any client (CVE-2006-6858, MTFL-SA-0604), and took a wrong place for
    that of a client behind a symmetric NAT.
    """
    at, other = relay.client(), relay.client()
    packet, bubble = relay.hello(at)
    _, others = relay.hello(other)
    right = bubble.inner.tail[2:]
    me, elsewhere = relay.address(at), (at[0], at[1] ^ 1)
    bad = {name: relay.say(elsewhere, t.bubble(
        me, relay.source, trailers=trailers))
        for name, trailers in forgeries(right, others.inner.tail[2:]).items()}
    good = t.bubble(me, relay.source, trailers=t.nonce_trailer(right))
    relay.nothing(bad | {
        "cookie of another": relay.say(elsewhere, t.bubble(
            me, others.inner.src)),
        "cookie, nearly": relay.say(elsewhere, t.bubble(
            me, bubble.inner.src[:15] + bytes([bubble.inner.src[15] ^ 1]))),
        "right one, from another address": relay.say(
            ("11.99.0.1", at[1]), good),
        "right one, for another": relay.say((other[0], 9), t.bubble(
            relay.address(other), relay.source,
            trailers=t.nonce_trailer(right))),
        "right one, with data": relay.say(elsewhere, t.udp6(
            me, relay.native()) + t.nonce_trailer(right)),
        "data alone": relay.say(elsewhere, t.udp6(me, relay.native())),
    })
    got = relay.ask(relay.say(elsewhere, good))
    assert [(p.dst, p.payload) for p in got] == [(elsewhere, less(packet))]


def test_replayed_token_of_an_old_procedure(relay):
    """Row 3: what proved a client once proves nothing for the next bubble."""
    at = relay.client()
    packet, first = relay.hello(at)
    second, = relay.collect([lambda p: isinstance(p, t.Datagram)
                             and p.inner.is_bubble
                             and p.inner.dst == relay.address(at)
                             and p.inner.tail != first.inner.tail])[0]
    me, elsewhere = relay.address(at), (at[0], at[1] ^ 1)
    relay.nothing({
        "nonce": relay.say(elsewhere, t.bubble(
            me, relay.source, trailers=first.inner.tail)),
        "cookie": relay.say(elsewhere, t.bubble(me, first.inner.src))})
    got = relay.ask(relay.say(elsewhere, t.bubble(
        me, relay.source, trailers=second.inner.tail)))
    assert [p.payload for p in got] == [less(packet)]


def test_one_way_proxy(relay):
    """Row 20: packets that somebody wants unpacked for somebody else.

    Four million hosts take any tunnelled packet from anybody and send what is
    in it on (CVE-2025-23019 and others, USENIX Security 2025). Here, strangers
    with every tunnel there is, to the relay's port and to its address.
    """
    stranger = relay.client()
    victim = relay.native()
    inside4 = t.udp4(("11.88.1.1", 9), ("11.88.1.2", 9), b"to a victim")
    known = relay.address(relay.befriend())
    inside = {
        "native for native": t.udp6(victim, relay.native()),
        "native for a client": t.udp6(victim, known),
        "a client of another": t.udp6(known, victim),
        "a stranger": t.udp6(relay.address(stranger), victim),
        "a stranger's ping": t.echo(relay.address(stranger), victim),
        "IPv4": inside4,
        "Teredo in Teredo": t.ipv6(relay.address(stranger), victim, IPV6,
                                   t.udp6(victim, relay.native())),
    }
    relay.nothing({name: relay.say(stranger, data)
                   for name, data in inside.items()})
    # By the other tunnels: the kernel says that it has none, to the sender.
    for kind in IPIP, IPV6, GRE, ESP:
        for name, data in inside.items():
            head = struct.pack("!HH", 0, 0x86dd) if kind == GRE else b""
            packet = t.udp4(stranger, relay.at, head + data)
            packet = packet[:9] + bytes([kind]) + packet[10:20] + packet[28:]
            packet = resum(packet)
            for got in relay.ask(packet) + relay.delivered():
                assert isinstance(got, tap.Other) and got.data[16:20] \
                    == t.ip4(stranger[0]), (kind, name, got)


def resum(packet):
    """An IPv4 packet with its length and checksum put right."""
    head = packet[:2] + struct.pack("!H", len(packet)) + packet[4:10] \
        + bytes(2) + packet[12:20]
    return head[:10] + struct.pack("!H", t.checksum(head)) + head[12:] \
        + packet[20:]


def everybody(lab):
    """Tuples and IPv6 addresses of all tunnel nodes of a lab."""
    relay_port = int(lab.relay.run(["ss", "-Hunl"]).stdout.split()[3]
                     .rsplit(":", 1)[1])
    tuples = [(lab.server.ip4, t.PORT), (lab.server.addresses4[1], t.PORT),
              (lab.relay.ip4, relay_port), (lab.relay.ip4, t.PORT)]
    found = [lab.server.ip6, lab.relay.ip6]
    for at in tuples:
        found += tunnels(at[0])
        found += [t.text6(t.address(server, at, flags))
                  for server in (lab.server.ip4, lab.relay.ip4, "12.1.1.1")
                  for flags in (0, t.CONE)]
    return tuples, found


def test_nothing_circulates(make_lab):
    """Rows 1, 2: a server and a relay, and packets that would not end.

    A bubble that a server sent to itself, for ever (MTFL-SA-0603), and circles
    by way of two tunnels (RFC 6324; Nakibly and Arov 2009): every tuple of
    theirs as outer source of every pair of their addresses, Teredo, 6to4,
    ISATAP and native.
    """
    lab = make_lab()
    with lab.tidy():
        lab.server.daemon(["miredo", "-s", lab.server.ip4])
        lab.relay.daemon(["miredo"])
        seen = lab.capture(*((host, device) for host in (
            lab.server, lab.relay) for device in ("eth0", "lo")))
        server, relay = lab.wire(lab.server), lab.wire(lab.relay)
        tuples, addresses = everybody(lab)
        count = 0
        for source in addresses:
            for to in addresses[::3] + [lab.v6.ip6]:
                body = t.bubble(source, to), t.echo(source, to)
                for at in tuples[0], tuples[2], ("11.9.9.9", 9):
                    server.send(t.udp4(at, tuples[0], body[count % 2]))
                    relay.send(t.udp4(at, tuples[2], body[count % 2]))
                    count += 2
                relay.send(body[1])
                count += 1
        # Time to circulate: a round trip takes less than a millisecond.
        lab.relay.run(["ping", "-c", "20", "-i", "0.02", lab.server.ip4])
        said = [data for p in seen.packets for data in [payload(p)]
                if p.sent and data[:1] == b"\x45" and data[9] == t.UDP]
    assert 1000 < count and 0 < len(said) < count / 4, (count, len(said))
    to_itself = [data for data in said if data[16:20] in (
        data[12:16], *map(t.ip4, lab.server.addresses4))
        and data[12:16] in map(t.ip4, lab.server.addresses4)]
    assert not to_itself
