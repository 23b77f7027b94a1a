# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods on a relay: what they cost others, and what they leave behind."""

import random
import time

import pytest

import packets as t
import tap
from tap import less

SEED = 20040628


@pytest.fixture
def relay(plain):
    with tap.relay(plain) as tapped:
        yield tapped


def test_flood_of_destinations(relay):
    """R22, Z22, Z23: 100 000 strangers named from 64 places.

    An established client loses nothing, bubbles stay within the rate, memory
    does not grow, and afterwards a newcomer is served at once.
    """
    at = relay.befriend()
    me, friend = relay.address(at), relay.native()
    rng = random.Random(SEED)
    sources = [relay.native() for _ in range(64)]

    def wave(count):
        """So many packets for strangers, in portions; count the bubbles."""
        bubbles = 0
        for _ in range(count // 250):
            strangers = [t.ipv6(rng.choice(sources), relay.address(
                (f"{rng.randrange(13, 100)}.{rng.randrange(256)}."
                 f"{rng.randrange(256)}.{rng.randrange(1, 255)}",
                 rng.randrange(1, 65536)), server="12.5.5.5"), 253, b"scan")
                for _ in range(250)]
            down = t.udp6(friend, me, data=b"down")
            up = relay.say(at, t.udp6(me, friend, data=b"up"))
            got = relay.ask(*strangers[:125], down, up, *strangers[125:])
            mine = [p for p in got if isinstance(p, t.Packet6)
                    or p.dst == at]
            assert len(mine) == 2, mine
            others = [p for p in got if p not in mine]
            assert all(p.inner.is_bubble for p in others)
            bubbles += len(others)
        return bubbles

    start = time.monotonic()
    bubbles = wave(20000)
    before = relay.memory()
    bubbles += wave(80000)
    spent = time.monotonic() - start
    assert relay.memory() - before <= tap.PAGES
    # New ones 1000/s and 2000 at once; repeats 2000/s and 4000 at once.
    assert 1000 < bubbles <= 6000 + 3000 * spent
    end = asked = time.monotonic()
    while not relay.ask(t.echo(relay.native(), relay.address(
            relay.client()), kind=t.ECHO_REPLY)):
        assert asked - end < 1, "newcomer not admitted after a second"
        asked = time.monotonic()
    relay.history.clear()
    assert relay.counters()["rate-peer"] > 10000


def test_one_greedy_host(relay):
    """Z22, R22: who scans the prefix uses up his own ration, not others'."""
    source = relay.native()
    got = relay.ask(*(t.udp6(source, relay.address(relay.client()))
                      for _ in range(3000)))
    assert 200 <= len(got) <= 1000
    assert all(p.inner.is_bubble for p in got)
    for _ in range(20):
        relay.hello(relay.client())


def test_queues_are_bounded(plain):
    """R13, Z23: 1200-byte packets for ten thousand clients."""
    with tap.relay(plain, "NewPeersPerSecond 0\n") as relay:
        def wave(count):
            for _ in range(count // 100):
                relay.ask(*(t.sized(relay.native(), relay.address(
                    relay.client()), 1200) for _ in range(100)))
            relay.history.clear()

        wave(10000)
        before = relay.memory()
        wave(10000)
        assert relay.memory() - before <= tap.PAGES
        at = relay.client()
        packet = t.udp6(relay.native(), relay.address(at), data=b"late")
        relay.ask(packet)
        got = relay.ask(relay.say(at, t.bubble(relay.address(at),
                                               relay.source)))
        assert less(packet) in [p.payload for p in got]
