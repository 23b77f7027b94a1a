# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes a relay half a minute: retries, giving up, expiry.

One play of 46 seconds with many actors, each a client of its own that is
called by a native host of its own.  The play is recorded; the tests read the
record.
"""

import time

import pytest

import packets as t
import tap
from tap import less

LENGTH = 46.0
ECHO_SERVER = "12.7.7.7"


class Actor:
    """A client, the native host that calls it, and all that concerns them."""

    def __init__(self, relay, server=None):
        self.relay, self.server = relay, server or relay.SERVER
        self.at = relay.client()
        self.address = relay.address(self.at, server=server)
        self.native = relay.native()
        #: (time, packet) of what the relay sent to it, its server, its host.
        self.seen = []
        self.calls = 0

    def call(self, packet=None):
        """The native host sends a packet; returns it."""
        self.calls += 1
        packet = packet or t.udp6(self.native, self.address,
                                  data=b"%d" % self.calls)
        self.relay.send(packet)
        return packet

    def answer(self, inner=None):
        """The client sends a bubble, or something else."""
        self.relay.send(self.relay.say(self.at, inner or t.bubble(
            self.address, self.relay.source)))

    def concerns(self, packet):
        """Is this packet for it?"""
        if isinstance(packet, t.Datagram):
            return self.address in (packet.inner.src, packet.inner.dst)
        return isinstance(packet, t.Packet6) and packet.dst == self.native

    def between(self, start, end):
        """What it saw in that time."""
        return [p for when, p in self.seen if start <= when < end]

    def bubbles(self):
        """When bubbles for it left."""
        return [when for when, p in self.seen
                if isinstance(p, t.Datagram) and p.inner.is_bubble]

    def data(self, start=0.0, end=LENGTH):
        """What was delivered to it."""
        return [p.payload for p in self.between(start, end)
                if isinstance(p, t.Datagram) and not p.inner.is_bubble]

    def errors(self, start=0.0, end=LENGTH):
        """ICMPv6 errors its native host got."""
        return [p for p in self.between(start, end)
                if isinstance(p, t.Packet6)]


class Play:
    """The actors, and what they do when."""

    def __init__(self, relay):
        self.relay, self.cues, self.kept = relay, [], {}
        names = ("silent", "hammered", "late", "slow", "expiring", "lively",
                 "complaining", "pinged", "flooded", "mixed")
        self.actors = {name: Actor(relay) for name in names}
        self.actors["echoing"] = Actor(relay, ECHO_SERVER)
        self.__dict__.update(self.actors)
        self._write()

    def at(self, when, function, name=None):
        """Have a function called; keep its result under a name."""
        self.cues.append((when, function, name))

    def _write(self):
        for n in range(3):
            self.at(0, self.silent.call, f"silent {n}")
        self.at(37.0, self.silent.call)         # still a tombstone
        self.at(40.8, self.silent.call)         # no more
        for n in range(int(LENGTH * 20)):
            self.at(n / 20, self.hammered.call)
        self.at(0, self.late.call)
        self.at(14.0, self.late.call, "late, dead")
        self.at(15.0, self.late.answer)
        self.at(15.2, self.late.call, "late, alive")
        self.at(0, self.slow.call, "slow 0")
        self.at(3.0, self.slow.call, "slow 1")
        self.at(5.0, self.slow.answer)
        for actor in self.expiring, self.lively:
            self.at(0, actor.call)
            self.at(0.2, actor.answer)
        self.at(20.0, self.expiring.call, "expiring, valid")
        self.at(29.0, self.expiring.call, "expiring, still valid")
        self.at(31.5, self.expiring.call, "expiring, expired")
        self.at(33.0, self.expiring.answer)
        self.at(33.2, self.expiring.call, "expiring, back")
        self.at(25.0, lambda: self.lively.answer(t.udp6(
            self.lively.address, "2001:db8:77:ffff::1")))
        self.at(44.0, self.lively.call, "lively")
        self.at(0, lambda: self.complaining.call(t.icmpv6(
            self.complaining.native, self.complaining.address,
            t.UNREACHABLE, 4, bytes(60))))
        self.at(12.0, lambda: self.complaining.call(t.icmpv6(
            self.complaining.native, self.complaining.address,
            t.TIME_EXCEEDED, 0, bytes(60))))
        self.at(0, lambda: self.pinged.call(t.echo(
            self.pinged.native, self.pinged.address, data=bytes(1232))),
            "pinged")
        self.at(0, self.flooded.call)
        for n in range(1000):
            self.at(22.0, self.flooded.call)
        for n in range(20):
            self.at(0, self.mixed.call, f"mixed {n}")
        self.at(0, self.echoing.call)
        self.at(20.0, self.echoing.call)

    def run(self):
        """Play it; record."""
        self.cues.sort(key=lambda cue: cue[0])
        wire, cues = self.relay.wire, list(self.cues)
        wire.drain()
        start, epoch = time.monotonic(), time.time()
        while (now := time.monotonic() - start) < LENGTH:
            while cues and cues[0][0] <= now:
                _, function, name = cues.pop(0)
                self.kept[name] = function()
            data = wire.recv_bytes(min(0.02, cues[0][0] - now if cues
                                       else 0.02))
            packet = data and tap.parse(data)
            if packet:
                self.record(wire.time - epoch, packet)

    def record(self, when, packet):
        """Give a packet to whom it concerns; the echoing one replies."""
        for actor in self.actors.values():
            if actor.concerns(packet):
                actor.seen.append((when, packet))
        if isinstance(packet, t.Datagram) and (
                packet.dst == self.echoing.at
                or packet.dst[0] == ECHO_SERVER):
            self.relay.send(t.udp4(packet.dst, packet.src, packet.payload))


@pytest.fixture(scope="module")
def play(lab):
    with tap.relay(lab) as relay:
        it = Play(relay)
        it.run()
        yield it


def even(times):
    """Bubbles of one procedure: four, a little more than 2 s apart.

    2.05 to 2.25 s by the relay's clock, which it reads before it sends.
    """
    assert len(times) == 4, times
    for one, two in zip(times, times[1:]):
        assert 1.9 <= two - one < 3.0, times


def test_retries(play):
    """R9: at 0, 2.2, 4.4 and 6.6 s, and no fifth in the next 25 s."""
    even([when for when in play.silent.bubbles() if when < 40])


def test_each_retry_has_its_own_nonce(play):
    """R32, Z14: and goes to the server, from one tuple."""
    sent = [p for _, p in play.silent.seen if isinstance(p, t.Datagram)]
    assert len({p.inner.tail for p in sent}) == len(sent) >= 4
    assert len({p.inner.src for p in sent}) == len(sent)
    assert {p.dst for p in sent} == {(play.relay.SERVER, t.PORT)}
    assert {p.src for p in sent} == {play.relay.at}


def test_failure_is_reported(play):
    """R24: code 3, one for each packet that waited, after about 8 s."""
    got = play.silent.errors(0, 20)
    assert len(got) == 3
    assert not play.silent.errors(0, 8.0)
    for n, error in enumerate(got):
        assert (error.kind, error.code) == (t.UNREACHABLE, 3) and error.good
        assert error.dst == play.silent.native
        assert error.payload[8:] == less(play.kept[f"silent {n}"])
        assert error.hops >= 62 and error.src[:4] != b"\x20\x01\0\0"


def test_only_what_waited_is_reported(play):
    """R13, R24: of twenty packets twelve were dropped in silence."""
    got = [error.payload[8:] for error in play.mixed.errors(0, 20)]
    assert got == [less(play.kept[f"mixed {n}"]) for n in range(12, 20)]


def test_large_packet_is_quoted_in_part(play):
    """R25, R24: an error is never larger than 1280 bytes."""
    error, = play.pinged.errors()
    assert len(error.raw) == 1280
    assert less(play.kept["pinged"]).startswith(error.payload[8:])


def test_no_error_about_errors(play):
    """R25, Z30: neither when it fails nor at a tombstone."""
    assert len(play.complaining.bubbles()) == 4
    assert not play.complaining.errors()


def test_tombstone(play):
    """R10, R24: code 3 at once and no bubble for 30 s, then a new start."""
    error, = play.silent.errors(36.9, 38)
    assert error.code == 3
    assert len([when for when in play.silent.bubbles()
                if 40.7 < when < 41.5]) == 1
    assert not play.silent.errors(40.7, LENGTH)
    assert not [when for when in play.silent.bubbles() if 9 < when < 40.7]


def test_late_client(play):
    """R10, R12: heard during the tombstone; nothing old is released."""
    error, = play.late.errors(13.9, 15)
    assert error.payload[8:] == less(play.kept["late, dead"])
    assert play.late.data() == [less(play.kept["late, alive"])]
    assert play.late.data(15.1, 16) == play.late.data()
    assert not [when for when in play.late.bubbles() if when > 9]


def test_slow_client(play):
    """R11, R12, R9: an answer to the third bubble; then no fourth."""
    assert play.slow.data() == [less(play.kept[f"slow {n}"])
                                for n in range(2)]
    assert play.slow.data(4.9, 5.5) == play.slow.data()
    assert len(play.slow.bubbles()) == 3 and not play.slow.errors()


def test_validity(play):
    """R5: 30 s after the last packet of a client, bubbles again, no data."""
    actor, kept = play.expiring, play.kept
    assert actor.data(19, 30) == [less(kept["expiring, valid"]),
                                  less(kept["expiring, still valid"])]
    assert not actor.data(31, 32.9)
    assert len([when for when in actor.bubbles() if 31 < when < 32.9]) == 1
    assert actor.data(32.9, 40) == [less(kept["expiring, expired"]),
                                    less(kept["expiring, back"])]


def test_reception_keeps_valid(play):
    """R18: what it sends counts, what it is sent does not."""
    assert play.lively.data(43, LENGTH) == [less(play.kept["lively"])]
    assert len(play.lively.bubbles()) == 1


def test_limits_of_bubbles(play):
    """R21, R10: a steady stream gets four, then four more after 30 s."""
    times = play.hammered.bubbles()
    assert play.hammered.calls > 900
    even(times[:4])
    assert 5 <= len(times) <= 8
    assert times[4] - times[3] > 30
    for one, two in zip(times, times[1:]):
        assert two - one >= 1.9
    assert not play.hammered.data()


def test_errors_are_limited(play):
    """R25: 1000 failing packets at once, no more than burst and rate."""
    got = play.flooded.errors(22, 24)
    assert 50 <= len(got) <= 300
    assert {(p.kind, p.code) for p in got} == {(t.UNREACHABLE, 3)}


def test_echoing_target(play):
    """Z16, Z40: its own packets come back; nobody is trusted for that."""
    actor = play.echoing
    assert len(actor.bubbles()) == 4
    assert not actor.data()
    assert {p.code for p in actor.errors()} == {3}
    assert len(actor.errors()) == 2


def test_expired_client_needs_no_call(play):
    """R18: the anchor was silent for 46 s; its next packet counts."""
    assert not play.relay.ask()
