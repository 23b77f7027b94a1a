# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on a client over the wire; what is not in test_client_wire.py.

Rows are those of doc/attacks.md.
"""

import random
import time

import packets as t
import test_client_wire
from lab import wait_for
from test_attacks_relay import ESP, GRE, IPIP, IPV6, forgeries, resum
from test_client_wire import (
    DATA_PORT, OTHER_SERVER, RELAY, RELAY2, SERVER, STRANGER, client, reply)
from test_hostile_relay import tunnels

LAB = test_client_wire.LAB
shared, world = test_client_wire.shared, test_client_wire.world


def test_what_waits_is_answered_when_the_network_goes(lab):
    """Row 14: a packet that waits is not forgotten; its sender is told."""
    with client(lab) as mine:
        ping = lab.c1.popen(["ping", "-6", "-n", "-c", "1", "-W", "20",
                             "2001:db8:77::dead"])
        mine.wait(lambda p: p.inner.kind == t.ECHO_REQUEST)
        began = time.monotonic()
        route = lab.c1.run(["ip", "route", "show", "default"]).stdout.strip()
        lab.c1.ip("route del default")
        try:
            wait_for(lambda: ping.poll() is not None, "an error")
        finally:
            lab.c1.ip(f"route add {route}")
        assert "No route" in ping.out and time.monotonic() - began < 7, ping.out


def test_forged_answers_to_tests(world):
    """Rows 3, 5: who answers a connectivity test is believed to be the relay.

    A native host's place could be taken by guessing, or by no guess at all
    (CVE-2006-6858; fixed in 0.8.1 and again in 0.9.8).
    """
    native, other = world.native(), world.native()
    world.talk(native)
    test = world.wait(lambda p: p.inner.dst == native)
    world.talk(other)
    others = world.wait(lambda p: p.inner.dst == other)
    right, wrong = test.inner.payload[4:], others.inner.payload[4:]
    world.settle()
    bad = {f"bit {n}": right[:n] + bytes([right[n] ^ 1]) + right[n + 1:]
           for n in range(4, len(right), 3)} | {
        "empty": b"", "identifier alone": right[:4], "short": right[:-1],
        "long": right + b"\0", "shifted left": right[1:] + b"\0",
        "shifted right": b"\0" + right[:-1], "zero": bytes(len(right)),
        "another peer's": wrong, "halves": right[:12] + wrong[12:],
        "twice": right + right}
    for data in bad.values():
        world.say(RELAY, reply(test, data))
    # The right one, but of another host, or for another address of ours.
    world.say(RELAY, t.icmpv6(other, world.address, t.ECHO_REPLY, 0, right))
    world.say(RELAY, t.icmpv6(native, world.address[:8] + bytes(
        [world.address[8] ^ 4]) + world.address[9:], t.ECHO_REPLY, 0, right))
    world.say(RELAY, t.icmpv6(native, world.address, t.ECHO_REPLY, 0, right,
                              wrong=0)[:-1])
    assert RELAY not in [p.dst for p in world.settle()]
    world.say(RELAY2, reply(test))
    sent = [p for p in world.settle() if p.inner.next == t.UDP]
    assert [(p.dst, p.inner.dst) for p in sent] == [(RELAY2, native)]
    world.say(RELAY2, reply(others))    # it asks no more


def test_forged_tokens_of_peers(world):
    """Rows 3, 4: a client that is elsewhere, and has not got our bubble.

    The place of a client behind a symmetric NAT was taken on its word
    (CVE-2006-6858); fixed in 1.0.5, and "yet another" time in 1.0.6.
    """
    def asked(address):
        world.talk(address)
        return world.wait(lambda p: p.inner.dst == address and p.dst
                          == OTHER_SERVER).inner.tail[2:]

    at, address = world.peer()
    _, other = world.peer()
    right, others = asked(address), asked(other)
    elsewhere = (at[0], at[1] ^ 0x4000)
    world.settle()
    bad = {name: t.udp4(elsewhere, world.me, t.bubble(
        address, world.address, trailers=trailers))
        for name, trailers in forgeries(right, others).items()}
    world.nothing(bad | {
        "right one, for another": t.udp4(elsewhere, world.me, t.bubble(
            other, world.address, trailers=t.nonce_trailer(right))),
        "right one, with data": t.udp4(elsewhere, world.me, t.udp6(
            address, world.address) + t.nonce_trailer(right)),
        "to a made-up cookie": t.udp4(elsewhere, world.me, t.bubble(
            address, "fe80::1234:5678:9abc:def0")),
    })
    world.say(elsewhere, t.bubble(address, world.address,
                                  trailers=t.nonce_trailer(right)))
    sent = [p for p in world.settle() if p.inner.next == t.UDP]
    assert [(p.dst, p.inner.dst) for p in sent] == [(elsewhere, address)]
    world.say(elsewhere, t.bubble(other, world.address,
                                  trailers=t.nonce_trailer(others)))


def test_tests_do_not_hit_a_victim(world):
    """Row 7: one native host, named 500 times, is asked once.

    Each packet in its name made a client send it another (CVE-2006-6266,
    MTFL-SA-0703).
    """
    victim = world.native()
    got = world.ask(*(t.udp4((f"12.77.{n >> 8}.{n & 255}", 1000 + n), world.me,
                             t.udp6(victim, world.address, 7, DATA_PORT,
                                    b"%d" % n)) for n in range(500)))
    assert [p.inner.dst for p in got] == [victim]
    assert world.delivered()


def test_strangers_push_out_nobody(world):
    """Row 13: the list of peers is full of strangers; the friend stays.

    1.2.6 refused newcomers for half a minute after such a flood.
    """
    rng = random.Random(2004)
    friend = world.native()
    world.befriend(friend)
    world.settle()
    for n in range(3000):
        at = (f"14.{rng.randrange(256)}.{rng.randrange(256)}.9", 1024 + n)
        mine = t.address(OTHER_SERVER[0], at)
        world.say(at, t.udp6(mine, world.address, 7, DATA_PORT, b"x"))
        world.say(at, t.bubble(mine, world.address))
        world.say(STRANGER, t.udp6(t.ip6(f"2001:db8:55:{n:x}::1"),
                                   world.address, 7, DATA_PORT, b"x"))
        world.indirect(t.address(OTHER_SERVER[0], (at[0], 9)), at)
        if n % 100 == 0:
            world.pump(seconds=.02)
    world.settle()
    world.talk(friend, b"friend")
    assert world.wait(lambda p: p.inner.dst == friend).dst == RELAY
    world.befriend(world.native())      # and there is room for a new one
    world.delivered()


def test_no_open_proxy(world):
    """Row 20: nothing is unpacked but for this host, by no tunnel at all.

    See test_attacks_relay.py::test_one_way_proxy.
    """
    victim, peer = world.native(), world.peer()[1]
    inside = {
        "for a native host": t.udp6(world.native(), victim),
        "for another client": t.udp6(world.native(), peer),
        "from us": t.udp6(world.address, victim),
        "IPv4": t.udp4(("11.88.1.1", 9), ("11.88.1.2", 9), b"to a victim"),
        **{f"to {to}": t.udp6(world.native(), to)
           for to in tunnels(world.me[0])}}
    world.nothing({f"{name}, from {at[0]}": t.udp4(at, world.me, data)
                   for name, data in inside.items()
                   for at in (STRANGER, SERVER, RELAY)})
    world.settle()
    world.delivered()
    for kind in IPIP, IPV6, GRE, ESP:
        for data in inside.values():
            packet = t.udp4(STRANGER, world.me, data)
            world.send(resum(packet[:9] + bytes([kind]) + packet[10:20]
                             + packet[28:]))
    assert world.settle() == [] and world.delivered() == []


def test_own_packets_into_other_tunnels(world):
    """Row 2: the host calls itself by Teredo, 6to4 and ISATAP."""
    world.settle()
    for to in tunnels(world.me[0]):
        world.talk(t.ip6(to))
    world.talk(t.address(SERVER[0], world.me))
    world.talk(t.address(OTHER_SERVER[0], world.me, t.CONE))
    world.talk(t.address(OTHER_SERVER[0], SERVER))
    assert world.settle() == [] and world.delivered() == []
