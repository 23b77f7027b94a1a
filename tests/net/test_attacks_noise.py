# SPDX-License-Identifier: GPL-2.0-or-later
"""Row 14 of doc/attacks.md: 200 000 hostile packets, and what they leave behind.

A server, a relay and a client get them at the same time, of all kinds, nearly
right and quite wrong. Nothing is logged, no memory is taken, nothing is opened.
"""

import random
import re

import packets as t
import tap
import test_client_wire
import test_hostile_relay
import test_hostile_server
from test_client_wire import OTHER_SERVER, SERVER, client

LAB = test_client_wire.LAB

SEED = 20040629
BURST = 400


def of_client(world, at):
    """What the garbage for a client is made of."""
    me, peer = world.address, t.address(OTHER_SERVER[0], at)
    native = t.ip6("2001:db8:88::1")
    return [
        (at, t.bubble(peer, me, trailers=t.nonce_trailer(b"1234"))),
        (at, t.udp6(peer, me, 7, 9000, b"data")),
        (at, t.udp6(native, me, 7, 9000, b"data")),
        (at, t.echo(native, me, kind=t.ECHO_REPLY, data=bytes(16))),
        (SERVER, t.origin(at) + t.bubble(peer, me)),
        (SERVER, t.origin(at) + t.bubble("fe80::1", me)),
        (SERVER, t.echo(native, me)),
        (SERVER, t.auth(b"12345678") + t.origin(world.me) + t.icmpv6(
            t.link_local(SERVER, t.CONE), t.link_local(world.me, 0),
            t.ADVERTISEMENT, 0, bytes(12), 255)),
        (at, t.ipv6(native, me, 43, t.routing(0, t.udp6(native, me)[40:]))),
        (("10.0.0.9", 9), t.udp6(native, me)), (world.me, t.udp6(me, me)),
        (at, b"")]


def for_server(rng, server):
    a, b = server.client(), server.client()
    return server.say(a, t.mutate(rng, rng.choice(
        test_hostile_server.originals(server, a, b)))[:1472],
        rng.choice((server.at, server.at2)))


def for_relay(rng, relay, friend):
    at = rng.choice((friend, relay.client()))
    if rng.random() < .5:
        return relay.say(at, t.mutate(rng, rng.choice(
            test_hostile_relay.originals(relay, at)))[:1472])
    source, to = relay.native(), relay.address(at)
    return rng.choice((t.udp6(source, to), t.echo(source, to), t.sized(
        source, to, 1400), t.ipv6(source, to, 43, t.routing(0, bytes(16)))))


def for_client(rng, world):
    at = (f"16.{rng.randrange(256)}.{rng.randrange(256)}.1",
          rng.randrange(1, 65536))
    source, data = rng.choice(of_client(world, at))
    return t.udp4(source, world.me, rng.choice((data, t.mutate(rng, data)))
                  [:1472])


def resources(host):
    """Kilobytes of own memory, and descriptors, of all our processes."""
    memory = fds = 0
    for pid in host.processes():
        memory += int(re.search(r"RssAnon:\s+(\d+)", host.read(
            f"/proc/{pid}/status"))[1])
        fds += len(list(host.run(["ls", f"/proc/{pid}/fd"]).stdout.split()))
    return memory, fds


def test_noise(plain):
    """Rows 14, 21 and 24 of the figures: no line, no page, no descriptor."""
    rng = random.Random(SEED)
    with tap.server(plain) as server, tap.relay(plain) as relay, \
            client(plain, "RefreshInterval 300\n") as world:
        friend = relay.befriend()
        noise = [(server, [for_server(rng, server) for _ in range(3200)]),
                 (relay, [for_relay(rng, relay, friend) for _ in range(3200)]),
                 (world, [for_client(rng, world) for _ in range(3200)])]

        def wave(times):
            for _ in range(times):
                for at in range(0, 3200, BURST):
                    for who, packets in noise:
                        who.send(*packets[at:at + BURST])
                    for who, _ in noise:
                        who.settle()

        world.settle()
        wave(5)
        said = len(world.daemon.log)
        before = [resources(who.host) for who, _ in noise]
        wave(16)
        after = [resources(who.host) for who, _ in noise]
        for (memory, fds), (more, others) in zip(before, after):
            assert more - memory <= tap.PAGES and others == fds, (before, after)
        server.check_log()
        relay.check_log()
        assert world.daemon.log[said:] == ""
        counted = server.counters(), relay.counters()
        assert sum(counted[0].values()) > 50000, counted
        assert sum(counted[1].values()) > 50000, counted
