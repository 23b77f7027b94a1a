# SPDX-License-Identifier: GPL-2.0-or-later
"""Trains of datagrams that hold more than plain packets of one flow.

A client that is trusted sends them: by UDP_SEGMENT, so that they come to the
relay in one piece, and one by one to a relay that uses no offload at all.
What reaches the native side must be the same, byte for byte and in order
within each flow, and so must the counters.  The relay's own link cuts and
finishes what it sends, so the wire shows single packets.
"""

import collections
import contextlib
import random
import re
import socket
import struct

import pytest

import bulk
import packets as t
import tap
from tap import less

#: Of the datagrams of most trains, and what of it is payload.
SIZE, DATA = 180, 120
ONE_BY_ONE = "one by one"
RUNS = {
    ONE_BY_ONE: "Offload no\nThreads 1\n",
    "train, 1 thread": "Offload yes\nThreads 1\n",
    "train, 2 threads": "Offload yes\nThreads 2\n",
    "train, no gro": "Offload tso uso gso\nThreads 2\n",
}
TRAINS = [name for name in RUNS if name != ONE_BY_ONE]

#: The kernel's errors about nonsense come when they come.
BACK = "to-ipv4"

ME = ("9.0.2.2", 40001)
OTHER = ("9.0.2.3", 40002)
SERVER = tap.Relay.SERVER
FROM = t.address(SERVER, ME)
TO, TO2 = t.ip6("2001:db8:77::77"), t.ip6("2001:db8:77::78")

#: A train: its datagrams; the outer TOS; counters that it must move.
Case = collections.namedtuple("Case", "datagrams tos counts",
                              defaults=(0, {}))
#: Of a case: packets of each flow, counters, trains, packets and writes.
Outcome = collections.namedtuple("Outcome", "flows counts trains wrong")


def data(n, size=DATA):
    return random.Random(n).randbytes(size)


def tcp(n, src=FROM, dst=TO, size=DATA, seq=None, **options):
    """Segment n of a flow."""
    return t.tcp6(src, dst, 4000, 5000, data(n, size),
                  1000 + n * DATA if seq is None else seq, **options)


def udp(n, size=DATA + 12, **options):
    return t.udp6(FROM, TO, 4000, 5000, data(n, size), **options)


def flow(count=12, of=tcp, **changed):
    """So many packets in a row, some of them exchanged: at3=packet."""
    made = [of(n) for n in range(count)]
    for name, packet in changed.items():
        made[int(name[2:])] = packet
    return made


def each(options, of=tcp):
    """A packet for each of the dictionaries of options, repeatedly."""
    return [of(n, **options[n % len(options)]) for n in range(12)]


def flip(packet, at=-1):
    """One bit is another."""
    packet = bytearray(packet)
    packet[at] ^= 4
    return bytes(packet)


def padded(packet, size=SIZE):
    """With a tail, as long as the others."""
    return packet + bytes(size - len(packet))


def with_length(packet, length):
    """The inner header says so."""
    return packet[:4] + struct.pack("!H", length) + packet[6:]


def routed(n):
    inner = tcp(n, size=DATA - 24)
    return t.ipv6(FROM, TO, 43, t.routing(0, inner[40:], t.TCP))


def fragment(n):
    return t.ipv6(FROM, TO, 44, struct.pack("!BBHI", t.TCP, 0, 1, n)
                  + tcp(n, size=DATA - 8)[40:])


def echo(n):
    return t.echo(FROM, TO, 1, n, data(n, DATA + 12))


def no_checksum(n):
    packet = udp(n)
    return packet[:46] + bytes(2) + packet[48:]


#: Options of TCP: two no-operations, a time stamp.
STAMPS = [b"\1\1\x08\x0a" + struct.pack("!II", n // 2, 7) for n in range(12)]

CASES = {
    "good": Case(flow(40)),
    "good udp": Case(flow(40, udp)),
    "last shorter": Case(flow(12, at11=tcp(11, size=30))),
    "bad checksum first": Case(flow(at0=flip(tcp(0)))),
    "bad checksum second": Case(flow(at1=flip(tcp(1)))),
    "bad checksum": Case(flow(at6=flip(tcp(6)))),
    "bad checksum last": Case(flow(at11=flip(tcp(11)))),
    "two bad checksums": Case(flow(at4=flip(tcp(4)), at5=flip(tcp(5), 56))),
    "all checksums bad": Case([flip(packet) for packet in flow()]),
    "bad checksum of udp": Case(flow(of=udp, at5=flip(udp(5)))),
    "bad field of tcp": Case(flow(at5=flip(tcp(5), 55))),
    "no checksum": Case(flow(of=udp, at5=no_checksum(5))),
    "length too long": Case(flow(at5=with_length(tcp(5), DATA + 21)),
                            counts={"truncated": 1}),
    "length far too long": Case(flow(at5=with_length(tcp(5), 65535)),
                                counts={"truncated": 1}),
    "length too short": Case(flow(at5=with_length(tcp(5), 100))),
    "length of one byte of tcp": Case(flow(at5=with_length(tcp(5), 1))),
    "length of udp too long": Case(flow(of=udp, at5=udp(5)[:44] + struct.pack(
        "!H", 500) + udp(5)[46:])),
    "length of udp too short": Case(flow(of=udp, at5=udp(5)[:44] + struct.pack(
        "!H", 50) + udp(5)[46:])),
    "length of tcp's header": Case(flow(at5=tcp(5)[:52] + b"\xf0"
                                        + tcp(5)[53:])),
    "no header of tcp": Case(flow(at5=tcp(5)[:52] + b"\x10" + tcp(5)[53:])),
    "bubble": Case(flow(at5=padded(t.bubble(FROM, TO))),
                   counts={"bubble": 1}),
    "bubble last": Case(flow(at11=t.bubble(FROM, TO)), counts={"bubble": 1}),
    "source unknown": Case(flow(at5=tcp(5, src=t.address(
        SERVER, (ME[0], 9)))), counts={"mismatch": 1}),
    "source of another client": Case(flow(at5=tcp(5, src=t.address(
        SERVER, OTHER))), counts={"mismatch": 1}),
    "source of another client first": Case(flow(at0=tcp(0, src=t.address(
        SERVER, OTHER))), counts={"mismatch": 1}),
    "source native": Case(flow(at5=tcp(5, src=TO2)),
                          counts={"not-teredo": 1}),
    "half of another client": Case(flow(6) + [
        tcp(n, src=t.address(SERVER, OTHER)) for n in range(6)],
        counts={"mismatch": 6}),
    "routing header": Case(flow(at5=routed(5)),
                           counts={"routing-header": 1}),
    "fragment": Case(flow(at5=fragment(5))),
    "echo": Case(flow(at5=echo(5), at8=echo(8))),
    "sizes": Case(flow(at3=padded(tcp(3, size=50)),
                       at4=padded(tcp(4, size=50)), at8=padded(tcp(8, size=1)),
                       at9=padded(tcp(9, size=0)))),
    "two sizes": Case([padded(tcp(n, size=DATA - n // 6)) for n in range(12)]),
    "marks inside": Case(each([{"traffic": n} for n in (2, 2, 2, 3, 1, 0)])),
    "marks outside": Case(each([{"traffic": 2}]), 3),
    "marks both": Case(each([{"traffic": n} for n in (2, 2, 0, 0, 1, 3)]), 3,
                       counts={"ecn": 4}),
    "mark outside of none": Case(flow(), 3, counts={"ecn": 12}),
    "other ect outside": Case(each([{"traffic": n} for n in (2, 2, 1, 0)]), 1),
    "classes": Case(each([{"traffic": n} for n in (0, 0, 0x28)])),
    "flow labels": Case(each([{"flow": n} for n in (0, 0, 5)])),
    "hop limits": Case(each([{"hops": n} for n in (64, 64, 63)])),
    "shuffled": Case(random.Random(1).sample(flow(), 12)),
    "backwards": Case(flow()[::-1]),
    "repeated": Case([tcp(n // 2) for n in range(12)]),
    "gap": Case(flow(at5=tcp(9))),
    "around zero": Case([tcp(n, seq=(n - 4) * DATA) for n in range(12)]),
    "push": Case(each([{}, {}, {"flags": t.ACK | t.PSH}])),
    "end": Case(flow(at5=tcp(5, flags=t.ACK | t.FIN))),
    "begin": Case(flow(at0=tcp(0, flags=t.SYN), at1=tcp(1, flags=t.SYN))),
    "reset": Case(flow(at5=tcp(5, flags=t.RST))),
    "urgent": Case(each([{}, {}, {"flags": t.ACK | t.URG, "urgent": 3}])),
    "window reduced": Case(each([{}, {}, {"flags": t.ACK | t.CWR}])),
    "window reduced first": Case(flow(at0=tcp(0, flags=t.ACK | t.CWR))),
    "congestion": Case(each([{}] * 3 + [{"flags": t.ACK | t.ECE}] * 3)),
    "no flags": Case(flow(at5=tcp(5, flags=0))),
    "all flags": Case(flow(at5=tcp(5, flags=255))),
    "acknowledgements": Case(each([{"ack": n} for n in (1, 1, 2)])),
    "windows": Case(each([{"window": n} for n in (9, 9, 8)])),
    "time stamps": Case([tcp(n, size=DATA - 12, seq=n * (DATA - 12),
                             options=STAMPS[n]) for n in range(12)]),
    "two flows": Case([tcp(n // 2, dst=(TO, TO2)[n % 2]) for n in range(12)]),
    "another flow between": Case(flow(at5=tcp(5, dst=TO2))),
    "udp between": Case(flow(at5=udp(5))),
    "link-local": Case(flow(at5=tcp(5, dst=t.ip6("fe80::1"))),
                       counts={"not-served": 1}),
    "multicast": Case(flow(at5=tcp(5, dst=t.ip6("ff0e::1"))),
                      counts={"not-served": 1}),
    "to a client": Case(flow(at5=tcp(5, dst=t.address(SERVER, OTHER)))),
    "version 4": Case(flow(at5=b"\x45" + tcp(5)[1:]),
                      counts={"bad-version": 1}),
    "origin": Case(flow(at5=t.origin(ME) + tcp(5, size=DATA - 8))),
    "authentication": Case(flow(at5=t.auth(bytes(8)) + tcp(
        5, size=DATA - 13))),
    "nothing inside": Case(flow(at5=bytes(SIZE))),
    "small ones": Case([t.udp6(FROM, TO, data=b"%04d" % n)
                        for n in range(60)]),
}


def mutated(seed):
    """A train of which a quarter is something like packets."""
    rng = random.Random(seed)
    made = flow(16, rng.choice((tcp, udp)))
    for n in rng.sample(range(16), 4):
        made[n] = padded(t.mutate(rng, made[n])[:SIZE])
    return made


CASES |= {f"mutated {seed}": Case(mutated(seed)) for seed in range(24)}


def befriend(relay, at):
    """As that of the tap, for a relay whose threads pass each other."""
    client = relay.address(at)
    relay.send(t.udp6(relay.native(), client, data=b"hello"))
    relay.collect([lambda p: isinstance(p, t.Datagram)
                   and p.inner.is_bubble and p.inner.dst == client])
    relay.send(relay.say(at, t.bubble(client, relay.source)))
    relay.collect([lambda p: isinstance(p, t.Datagram) and p.dst == at])


class Client:
    """One that the relay trusts, with a real socket for trains."""

    def __init__(self, lab, relay):
        self.relay = relay
        befriend(relay, OTHER)
        befriend(relay, ME)
        self.sock = lab.tester.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(ME)
        self.ends = 0

    def send(self, case, in_one):
        """All of it, and a packet that shows the end of it."""
        self.ends += 1
        end = t.udp6(FROM, TO2, 1, 1, b"end %d" % self.ends)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, case.tos)
        if in_one:
            bulk.datagrams(self.sock, *case.datagrams, to=self.relay.at,
                           segment=len(case.datagrams[0]))
        else:
            for datagram in case.datagrams:
                self.sock.sendto(datagram, self.relay.at)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0)
        self.sock.sendto(end, self.relay.at)
        return less(end)

    def outcome(self, case, in_one):
        """What becomes of it."""
        report = bulk.report(self.relay.daemon)
        self.relay.accept_log()
        before = self.relay.counters()
        self.relay.wire.drain()
        end, flows = self.send(case, in_one), collections.defaultdict(list)
        while (packet := self.relay.wire.recv_bytes(tap.PATIENCE)) != end:
            assert packet, "the end did not come"
            if packet[:1] == b"`" and packet[8:12] == FROM[:4]:
                flows[flow_of(packet)].append(packet)
        after = self.relay.counters()
        trains = numbers(bulk.report(self.relay.daemon), report)
        self.relay.accept_log()
        return Outcome(dict(flows), {
            name: after[name] - before.get(name, 0) for name in after
            if after[name] != before.get(name) and name != BACK}, *trains)


def flow_of(packet):
    """Addresses, protocol, and ports if it has them."""
    ports = packet[40:44] if packet[6] in (t.TCP, t.UDP) else b""
    return packet[8:40] + packet[6:7] + ports


def numbers(after, before):
    """(pieces from IPv4, packets with a wrong checksum) in between."""
    def found(text):
        wrong = re.search(r"as they were: (\d+)", text)
        return (int(bulk.PIECES.search(text)[2]),
                int(wrong[1]) if wrong else 0)

    return [b - a for a, b in zip(found(before), found(after))]


@pytest.fixture(scope="module")
def outcomes(lab):
    """{run: {case: outcome}} of all there are."""
    # Whole trains on the way to the relay; single packets on the way back.
    lab.tester.offloads_on("eth0")
    lab.core.offloads_on("relay")
    lab.core.merging_off("relay")
    found = {}
    for run, config in RUNS.items():
        with tap.relay(lab, config) as relay:
            client = Client(lab, relay)
            with contextlib.closing(client.sock):
                found[run] = {name: client.outcome(case, run != ONE_BY_ONE)
                              for name, case in CASES.items()}
    return found


@pytest.mark.parametrize("name", CASES)
def test_same_as_one_by_one(outcomes, name):
    """In each run; and the counters are those that they ought to be."""
    expected = outcomes[ONE_BY_ONE][name]
    for run in TRAINS:
        got = outcomes[run][name]
        assert got.flows == expected.flows, run
        assert got.counts == expected.counts, run
    for counter, count in CASES[name].counts.items():
        assert expected.counts.get(counter) == count, expected.counts


def test_trains_are_trains(outcomes):
    """They came in one piece, and one by one they did not."""
    for run, found in outcomes.items():
        whole = "thread" in run and run != ONE_BY_ONE
        for name, outcome in found.items():
            pieces = 1 if whole else len(CASES[name].datagrams)
            # The end, and two probes of the tap.
            assert outcome.trains - pieces in (2, 3), (run, name, outcome)


def test_wrong_ones_are_counted(outcomes):
    """... where something was merged, and pass as they are."""
    for run in "train, 1 thread", "train, 2 threads":
        found = outcomes[run]
        assert [found[name].wrong for name in (
            "good", "bad checksum", "two bad checksums",
            "bad checksum of udp")] == [0, 1, 2, 1]
    passed = found["bad checksum"].flows[flow_of(tcp(0))]
    assert passed == [less(packet) for packet in
                      CASES["bad checksum"].datagrams]
