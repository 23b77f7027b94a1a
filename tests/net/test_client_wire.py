# SPDX-License-Identifier: GPL-2.0-or-later
"""The client on its cable: each field, each rule, and what strangers try.

The test holds the other end of the cable of c1, which has a public address,
and plays everybody else: server, relays, other clients, native hosts, villains.
Silence is proven as in tap.py: after what must have no effect comes what must
be answered.
"""

import collections
import contextlib
import socket
import time

import pytest

import packets as t
from lab import foreign, teredo, wait_for
from lab.capture import OUTGOING, packet_socket, tshark

LAB = {"nat1": "none", "nat2": "none"}

SERVER, SECOND = ("9.0.2.2", t.PORT), ("9.0.2.3", t.PORT)
#: The server of other clients, and somebody who is a server of nobody.
OTHER_SERVER, STRANGER = ("12.7.7.7", t.PORT), ("12.8.8.8", 4000)
RELAY, RELAY2 = ("12.6.6.6", 3545), ("12.6.6.7", 3545)
#: The host behind the probes, and its relay.
ANCHOR, ANCHOR_RELAY = t.ip6("2001:db8:77:ffff::1"), ("12.0.0.1", 40001)
PORT, DATA_PORT = 40123, 9000
BUBBLES, TESTS = 4, 4
PATIENCE = 5.0

Heard = collections.namedtuple("Heard", "time packet")


def advertisement(rs, at, origin, nonce=None, prefix=None, length=64, hops=255,
                  code=0, wrong=0, source=None, to=None, prefixes=1, more=b"",
                  has_origin=True, has_auth=True, kind=t.ADVERTISEMENT):
    """What a server at that tuple answers, or nearly."""
    prefix = prefix or t.ip6("2001::")[:4] + t.ip4(SERVER[0]) + bytes(8)
    option = bytes([3, 4, length, 0x40]) + b"\xff" * 8 + bytes(4) + prefix
    body = bytes(12) + option * prefixes + bytes(
        [5, 1, 0, 0]) + (1280).to_bytes(4, "big") + more
    packet = t.icmpv6(source or t.link_local(SERVER, t.CONE),
                      to or rs.inner.src, kind, code, body, hops, wrong)
    payload = t.auth(nonce or rs.auth.nonce) if has_auth else b""
    payload += t.origin(origin) if has_origin else b""
    return t.udp4(at, rs.src, payload + packet)


class World:
    """Everybody but the client."""

    def __init__(self, net, daemon):
        self.net, self.host, self.daemon = net, net.c1, daemon
        self.wire = net.wire(net.nat1, "c1")
        self.me = (net.c1.ip4, PORT)
        #: What the server says; None: the truth.
        self.mapped, self.answering = None, True
        #: All the client sent: Heard.
        self.seen = []
        self._count = 0
        self._mark, self._anchored = 0, False
        self.tunnel = None
        self._data = net.c1.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._data.bind(("::", DATA_PORT))

    def close(self):
        """Let go."""
        self._data.close()
        self.wire.close()
        if self.tunnel:
            self.tunnel.close()

    # -- the cable -----------------------------------------------------

    def pump(self, until=lambda: False, seconds=PATIENCE):
        """Take what comes, answer solicitations; is the condition true?"""
        deadline = time.monotonic() + seconds
        while not until():
            data = self.wire.recv_bytes(
                min(.02, max(0, deadline - time.monotonic())))
            if data and data[0] >> 4 == 4 and data[9] == t.UDP \
                    and data[12:16] == t.ip4(self.me[0]):
                self._take(t.Datagram(data))
            elif not data and time.monotonic() >= deadline:
                return False
        return True

    def _take(self, datagram):
        self.seen.append(Heard(self.wire.time, datagram))
        if self.answering and datagram.inner.kind == t.SOLICITATION \
                and datagram.dst in (SERVER, SECOND):
            self.answer(datagram)

    def answer(self, rs, **how):
        """Answer a solicitation."""
        how = {"at": rs.dst, "origin": self.mapped or rs.src, **how}
        self.wire.send(advertisement(rs, **how))

    def send(self, *packets):
        """To the client."""
        for packet in packets:
            self.wire.send(packet)

    def say(self, at, payload):
        """A datagram from a tuple to the client."""
        self.send(t.udp4(at, self.me, payload))

    def wait(self, what, seconds=PATIENCE, since=0):
        """The first datagram from now (or a number) on that is so."""
        found = []

        def there():
            found.extend(h for h in self.seen[since or begin:]
                         if not found and what(h.packet))
            return found

        begin = len(self.seen) if not since else 0
        assert self.pump(there, seconds), self.seen[since or begin:]
        return found[0].packet

    # -- a client that has an address ----------------------------------

    def settle(self):
        """All so far is dealt with; what it sent since the last time.

        The probe is an echo request of a native host that it trusts: nothing
        limits how many it answers.
        """
        if not self._anchored:
            self._anchored = True
            self.befriend(ANCHOR, ANCHOR_RELAY)
        self._count += 1
        probe = self._count.to_bytes(4, "big")
        self.say(ANCHOR_RELAY, t.echo(ANCHOR, self.address, 1, 1, probe))
        assert self.pump(lambda: any(
            h.packet.dst == ANCHOR_RELAY
            and h.packet.inner.payload[8:] == probe
            for h in self.seen[self._mark:])), \
            f"no answer any more: {self.seen[self._mark:]}"
        got = [h.packet for h in self.seen[self._mark:]
               if h.packet.dst != ANCHOR_RELAY]
        self._mark = len(self.seen)
        return got

    def indirect(self, source, origin, **more):
        """A bubble by way of the server."""
        self.say(SERVER, t.origin(origin) + t.bubble(source, self.address,
                                                     **more))

    def ask(self, *packets):
        """What the client sends because of these."""
        self.settle()
        self.send(*packets)
        return self.settle()

    def talk(self, to, data=b"data", count=1):
        """The host sends UDP packets."""
        for _ in range(count):
            self._data.sendto(data, (t.text6(to), 7))

    def _is_knock(self, data):
        """The client knocks at its host's door (knock.h); nobody sent that."""
        own = self.address
        return data[8:24] != own and \
            data[8:16] + data[18:24] == own[:8] + own[10:]

    def delivered(self):
        """What came out of the tunnel to the host since last asked."""
        found = []
        while True:
            try:
                data, origin = self.tunnel.recvfrom(70000)
            except BlockingIOError:
                return found
            if origin[2] != OUTGOING and data[8:24] != ANCHOR \
                    and not self._is_knock(data):
                found.append(t.Packet6(data))

    def nothing(self, stimuli):
        """None of these, name -> packet, makes it send or deliver."""
        wrong = []
        self.settle()
        self.delivered()
        for name, packet in dict(stimuli).items():
            got = self.ask(packet) + self.delivered()
            if got:
                wrong.append(f"{name}: {got}")
        assert not wrong, "\n".join(wrong)

    def peer(self, server=OTHER_SERVER[0]):
        """Somebody nobody has heard of: its tuple and address."""
        self._count += 1
        at = ("13.1.1.1", 1000 + self._count)
        return at, t.address(server, at, 0x0423)

    def native(self):
        """A native host nobody has heard of."""
        self._count += 1
        return t.ip6(f"2001:db8:77::{self._count:x}")

    def befriend(self, native, relay=RELAY):
        """The host has talked with that native host through that relay."""
        self.talk(native)
        test = self.wait(lambda p: p.dst == SERVER and p.inner.dst == native)
        self.say(relay, reply(test))
        return self.wait(lambda p: p.dst == relay and p.inner.next == t.UDP)


def reply(test, data=None):
    """The answer to a connectivity test."""
    body = test.inner.payload[4:] if data is None else data
    return t.icmpv6(test.inner.dst, test.inner.src, t.ECHO_REPLY, 0, body)


@contextlib.contextmanager
def client(lab, config="", wait=True):
    """A client among fakes; it must end well, and say nothing in between.

    Of several threads one may pass another, and the probe what is probed.
    """
    with lab.tidy():
        teredo.forget(lab.c1)
        lab.c1.write("/etc/miredo/miredo.conf",
                     f"ServerAddress {SERVER[0]}\nBindPort {PORT}\n"
                     f"StateDirectory /run/none\nThreads 1\n{config}")
        world = World(lab, None)
        world.daemon = lab.c1.daemon(["miredo"])
        if wait:
            assert world.pump(lambda: teredo.address_of(lab.c1), 10)
            world.address = t.ip6(teredo.address_of(lab.c1))
            world.tunnel = packet_socket(lab.c1, "teredo")
            world.tunnel.setblocking(False)
        yield world
        assert world.daemon.alive(), world.daemon.log
        assert world.daemon.stop() == 0, world.daemon.log
        world.close()


@pytest.fixture(scope="module")
def shared(lab):
    """One client with an address, for all the tests that do it no harm."""
    with client(lab, "RefreshInterval 300\n") as world:
        with lab.capture((lab.nat1, "c1")) as seen:
            world.capture = seen
            yield world


@pytest.fixture
def world(shared):
    """... after all that the test before has begun."""
    shared.settle()
    shared.delivered()
    return shared


# -- asking for an address ---------------------------------------------


def test_first_datagram(lab):
    """C8, C9, C12, C82: field by field."""
    with client(lab, wait=False) as world:
        world.answering = False
        rs = world.wait(lambda p: True)
        assert (rs.src, rs.dst) == (world.me, SERVER)
        assert (rs.df, rs.tos, rs.options, rs.good) == (False, 0, b"", True)
        assert (rs.auth.ident, rs.auth.value) == (b"", b"")
        assert any(rs.auth.nonce) and rs.auth.confirm == 0
        assert rs.origin is None
        inner = rs.inner
        assert inner.src[:8] == t.ip6("fe80::")[:8]
        flags = int.from_bytes(inner.src[8:10], "big")
        assert inner.src == t.link_local(world.me, flags)
        assert flags & 0xC300 == 0
        assert inner.dst == t.ALL_ROUTERS and inner.hops == 255
        assert (inner.traffic, inner.flow) == (0, 0)
        assert inner.payload == bytes([t.SOLICITATION, 0]) \
            + inner.payload[2:4] + bytes(4)
        assert inner.good and not inner.tail


def test_retransmissions(lab):
    """C10 (but faster), C23: one a second at most, each with its own nonce."""
    with client(lab, wait=False) as world:
        world.answering = False
        world.wait(lambda p: True)
        end = world.seen[0].time + 5.5
        world.pump(lambda: time.time() > end, 30)
        sent = [h for h in world.seen if h.time < end]
        assert 4 <= len(sent) <= 5, sent
        assert {h.packet.dst for h in sent} == {SERVER}
        assert len({h.packet.auth.nonce for h in sent}) == len(sent)
        for one, two in zip(sent, sent[1:]):
            # By its clock, which it reads before it sends.
            assert .9 < two.time - one.time < 2.5
        assert teredo.address_of(lab.c1) is None


def test_second_address_is_asked(lab):
    """C17, C18, C20: after the answer of the first; then there is an address.

    It is made of what the first one saw.
    """
    with client(lab, wait=False) as world:
        world.answering = False
        rs = world.wait(lambda p: True)
        world.answer(rs, origin=("9.0.10.2", 4711))
        second = world.wait(lambda p: True)
        assert second.dst == SECOND and second.src == world.me
        assert second.inner.kind == t.SOLICITATION
        assert second.auth.nonce != rs.auth.nonce
        assert second.inner.src == rs.inner.src
        assert teredo.address_of(lab.c1) is None
        world.answer(second, origin=("9.0.10.2", 4711))
        said = teredo.explain(teredo.wait_address(lab.c1))
        assert (said.server, said.ip4, said.port) == (
            SERVER[0], "9.0.10.2", 4711)
        assert said.flags & 0xC300 == 0


@pytest.mark.parametrize("flag", ["yes", "no"])
def test_symmetric_nat(lab, flag):
    """C18, X9: the second one sees another port."""
    with client(lab, f"Symmetric {flag}\n", wait=False) as world:
        world.answering = False
        world.answer(world.wait(lambda p: True), origin=("9.0.10.2", 4711))
        world.answer(world.wait(lambda p: p.dst == SECOND),
                     origin=("9.0.10.2", 4712))
        if flag == "yes":
            teredo.wait_address(lab.c1)
        else:
            world.daemon.wait_log("symmetric")
            assert teredo.address_of(lab.c1) is None


def faults(rs, origin):
    """Advertisements that are wrong in one thing each: name -> packet."""
    good = {"at": rs.dst, "origin": origin}
    wrong = {
        "other nonce": {"nonce": b"12345678"},
        "no nonce": {"nonce": bytes(8)},
        "no block": {"has_auth": False},
        "no origin": {"has_origin": False},
        "other server": {"at": STRANGER},
        "second address": {"at": SECOND},
        "other port": {"at": (SERVER[0], 3545)},
        "hop limit": {"hops": 254},
        "checksum": {"wrong": 1},
        "code": {"code": 1},
        "type": {"kind": t.SOLICITATION},
        "global source": {"source": t.ip6("2001:db8::1")},
        "other destination": {"to": t.ip6("fe80::1")},
        "destination with other flags": {
            "to": rs.inner.src[:8] + b"\x20\x20" + rs.inner.src[10:]},
        "no prefix": {"prefixes": 0},
        "two prefixes": {"prefixes": 2},
        "length of prefix": {"length": 48},
        "old prefix": {"prefix": t.ip6("3ffe:831f::")[:4]
                       + t.ip4(SERVER[0]) + bytes(8)},
        "prefix of another service": {"prefix": t.ip6("2001:1::")[:4]
                                      + t.ip4(SERVER[0]) + bytes(8)},
        "prefix of another server": {"prefix": t.ip6("2001::")[:4]
                                     + t.ip4("9.9.9.9") + bytes(8)},
        "empty option": {"more": bytes(8)},
        "cut option": {"more": bytes([24, 4]) + bytes(6)},
        "port 0": {"origin": ("9.9.9.9", 0)},
    }
    for address in ("10.0.0.1", "127.0.0.1", "192.168.1.2", "224.0.0.1",
                    "0.0.0.0", "255.255.255.255"):
        wrong[f"origin {address}"] = {"origin": (address, 4711)}
    for name, how in wrong.items():
        yield name, advertisement(rs, **{**good, **how})


def test_forged_advertisements(lab):
    """C14, C15, C16, C21, C22, C23, C59, C61, C62: while one is waited for.

    Each would have the client believe that the NAT has changed; only the one
    that is right does.
    """
    with client(lab, "RefreshInterval 5\n") as world:
        began = world.seen[0].time
        world.answering = False
        rs = world.wait(lambda p: p.inner.kind == t.SOLICITATION, 7)
        assert 3.5 < world.seen[-1].time - began < 6.5
        assert rs.dst == SERVER
        wrong, count = [], 0
        for name, packet in faults(rs, ("9.0.10.2", 4711)):
            count += 1
            got = [p for p in world.ask(packet)
                   if (p.inner.kind, p.dst) != (t.SOLICITATION, SERVER)]
            if got:
                wrong.append(f"{name}: {got}")
        assert not wrong, "\n".join(wrong)
        assert count == 29
        assert t.ip6(teredo.address_of(lab.c1)) == world.address
        rs = [h.packet for h in world.seen
              if h.packet.inner.kind == t.SOLICITATION][-1]
        world.answer(rs, origin=("9.0.10.2", 4711))
        world.wait(lambda p: p.dst == SECOND)
        wait_for(lambda: teredo.address_of(lab.c1) not in (
            None, t.text6(world.address)), "the new address")
        # It is there before the old one goes.
        wait_for(lambda: len(teredo.addresses_of(lab.c1)) == 1, "one alone")
        assert teredo.explain(teredo.address_of(lab.c1)).port == 4711


def test_forged_advertisements_while_qualifying(lab):
    """C22: they neither help nor hold it up; the right one is believed."""
    with client(lab, wait=False) as world:
        world.answering = False
        rs = world.wait(lambda p: True)
        first = world.seen[-1].time
        for _, packet in faults(rs, ("9.0.10.2", 4711)):
            world.send(packet)
        again = world.wait(lambda p: True)
        assert again.dst == SERVER and world.seen[-1].time - first < 2.5
        assert teredo.address_of(lab.c1) is None
        world.answer(again)
        world.wait(lambda p: p.dst == SECOND)


def test_garbage_is_no_sign_of_life(lab):
    """C59, C66: forged packets of the server do not put maintenance off."""
    with client(lab, "RefreshInterval 5\n") as world:
        last, so_far = world.seen[-1].time, len(world.seen)
        while time.time() - last < 3.6:
            world.say(SERVER, t.bubble("2001:db8::1", "2001:db8::2"))
            world.say(SERVER, b"garbage")
            world.pump(seconds=.2)
        # It may have come already.
        world.wait(lambda p: p.inner.kind == t.SOLICITATION, 3, so_far)


# -- the end -----------------------------------------------------------


def state(host):
    """What a client could leave behind in a host."""
    return [host.run(command.split(), check=False).stdout for command in (
        "ip -o link", "ip -o address", "ip -4 route show table all",
        "ip -6 route show table all", "ip -6 rule", "ss -Huna", "ss -Hxl",
        "ps -e -o comm=")]


@pytest.mark.parametrize("when", ["qualified", "asking"])
def test_nothing_stays_behind(lab, when):
    """C84: devices, addresses, routes, sockets, processes."""
    before = state(lab.c1)
    with client(lab, wait=when == "qualified") as world:
        if when == "asking":
            world.answering = False
            world.wait(lambda p: True)
        assert state(lab.c1) != before
        world._data.close()
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: state(lab.c1) == before, "all gone")
    for was, now in zip(before, state(lab.c1)):
        assert now == was


# -- what is known of 1.2.6 --------------------------------------------


@pytest.fixture
def their_server(net):
    """The Debian package's server, and its cable."""
    foreign.server(net.server)
    return net.wire(net.server)


def hear(wire, what, seconds=10.0):
    """The next Teredo datagram that is so, or None."""
    deadline = time.monotonic() + seconds
    while (data := wire.recv_bytes(deadline - time.monotonic())) is not None:
        if data[0] >> 4 == 4 and data[9] == t.UDP:
            packet = t.Datagram(data)
            if what(packet):
                return packet
        elif data[0] >> 4 == 6 and what(t.Packet6(data)):
            return t.Packet6(data)
    return None


THEIRS = ("9.0.0.2", t.PORT)
ASKER = ("12.3.3.3", 5555)


@pytest.mark.parametrize("block", [b"", t.auth(b"nonce567"),
                                   t.auth(b"nonce567", b"name")])
def test_their_advertisements(their_server, block):
    """Always a block: our nonce or zeros; an identifier is not returned."""
    their_server.send(t.udp4(ASKER, THEIRS, block + t.solicitation(
        t.link_local(ASKER))))
    ra = hear(their_server, lambda p: getattr(p, "dst", 0) == ASKER)
    nonce = b"nonce567" if block else bytes(8)
    assert ra.auth == (b"", b"", nonce, 0)
    assert ra.origin == ASKER and ra.src == THEIRS


def test_their_server_and_echo_requests(their_server):
    """80 bytes of data pass, not more: so much less is in our tests."""
    me = t.address(THEIRS[0], ASKER)
    for size in (81, 80):
        their_server.send(t.udp4(ASKER, THEIRS, t.echo(
            me, "2001:db8:3::9", 1, size, bytes(size))))
    first = hear(their_server, lambda p: isinstance(p, t.Packet6)
                 and p.kind == t.ECHO_REQUEST)
    assert first.payload[6:8] == (80).to_bytes(2, "big")


def test_their_server_and_bubbles_of_other_ports(their_server):
    """A bubble from another port than that in its source is dropped.

    Trailers of others pass.
    """
    to = t.address(THEIRS[0], ("12.4.4.4", 4444))
    wrong = t.address(THEIRS[0], (ASKER[0], 5556))
    right = t.address(THEIRS[0], ASKER)
    for source in (wrong, right):
        their_server.send(t.udp4(ASKER, THEIRS, t.bubble(
            source, to, trailers=t.nonce_trailer(b"abcd"))))
    got = hear(their_server, lambda p: getattr(p, "dst", 0) == (
        "12.4.4.4", 4444))
    assert got.inner.src == right
    assert got.inner.tail == t.nonce_trailer(b"abcd")


def test_their_client(net):
    """It asks the first address only, from a source of its own."""
    teredo.start_server(net)
    with net.capture(net.nat1) as seen:
        foreign.client(net.c1)
        teredo.wait_address(net.c1)
    sent = [t.parse(p.frame[14:]) for p in seen.packets
            if p.frame[12:14] == b"\x08\x00" and p.frame[23] == t.UDP]
    asked = [p for p in sent if p.inner.kind == t.SOLICITATION]
    assert [p.dst for p in asked] == [("9.0.0.2", t.PORT)]
    assert asked[0].inner.src == t.ip6("fe80::ffff:ffff:ffff")


def test_their_relay_and_our_client(net):
    """Its bubbles have a link-local source and no hops; we answer them."""
    teredo.start_server(net, "debian")
    teredo.start_relay(net, "debian")
    teredo.start_client(net.c1)
    address = teredo.wait_address(net.c1)
    with net.capture(net.nat1) as seen:
        done = net.v6.run(["ping", "-6", "-c", "1", address])
    assert " 1 received" in done.stdout
    sent = [t.parse(p.frame[14:]) for p in seen.packets
            if p.frame[12:14] == b"\x08\x00" and p.frame[23] == t.UDP]
    theirs = next(p for p in sent if p.inner.is_bubble and p.origin)
    assert theirs.inner.src[:8] == t.ip6("fe80::")[:8]
    assert theirs.inner.hops == 0
    ours = next(p for p in sent if p.inner.is_bubble and not p.origin)
    assert ours.dst == theirs.origin and ours.inner.dst == theirs.inner.src


# -- bubbles -----------------------------------------------------------


def test_bubbles_to_a_peer(world):
    """C45, C46, C53, C54, X10, X12: one direct, one by the peer's server."""
    at, address = world.peer()
    cone = address[:8] + b"\x80\x00" + address[10:]
    for peer in (address, cone):
        world.talk(peer)
        got = [world.wait(lambda p: p.inner.dst == peer)]
        got.append(world.wait(lambda p: p.inner.dst == peer))
        direct, = [p for p in got if p.dst == at]
        indirect, = [p for p in got if p.dst == OTHER_SERVER]
        for p in got:
            assert p.inner.is_bubble and p.auth is None and p.origin is None
            assert (p.inner.src, p.inner.traffic, p.inner.flow) == (
                world.address, 0, 0)
        assert direct.inner.raw == indirect.inner.raw
        assert direct.inner.tail == b""
        assert indirect.inner.tail[:2] == bytes([t.NONCE, 4])
        assert any(indirect.inner.tail[2:])
        assert not [p for p in world.settle() if p.inner.next == t.UDP]
        world.say(at, t.bubble(peer, world.address))
        sent = world.wait(lambda p: p.inner.next == t.UDP)
        assert sent.dst == at and sent.inner.dst == peer
        assert sent.inner.good and sent.inner.payload.endswith(b"data")
        assert world.settle() == [sent]


def test_queue(world):
    """C34, C51: of a hundred packets the last eight, in order."""
    at, address = world.peer()
    for n in range(100):
        world.talk(address, b"%d" % n)
    world.wait(lambda p: p.dst == at)
    world.settle()
    world.say(at, t.bubble(address, world.address))
    got = [p.inner.payload[8:] for p in world.settle()
           if p.inner.dst == address and p.inner.next == t.UDP]
    assert got == [b"%d" % n for n in range(92, 100)]


def test_indirect_bubble(world):
    """C36, X13: answered at the place in its address, not at its origin."""
    at, address = world.peer()
    world.settle()
    world.say(SERVER, t.origin(STRANGER) + t.bubble(
        address, world.address, trailers=t.nonce_trailer(b"abcd")))
    got = world.settle()
    direct = [p for p in got if p.dst == at]
    assert len(direct) == 1 and STRANGER not in [p.dst for p in got]
    assert direct[0].inner.is_bubble
    assert (direct[0].inner.src, direct[0].inner.dst) == (
        world.address, address)
    assert direct[0].inner.tail == t.nonce_trailer(b"abcd")


def test_bubbles_are_not_answered_twice(world):
    """C56: ten in a moment get one answer."""
    at, address = world.peer()
    world.settle()
    for _ in range(10):
        world.indirect(address, at)
    assert len([p for p in world.settle() if p.dst == at]) == 1


@pytest.mark.parametrize("hops", [0, 64])
@pytest.mark.parametrize("source", ["2001:db8:1::1", "fe80::1234:5678"])
def test_bubble_of_a_relay(world, source, hops):
    """C38, A8, A51: answered at its origin; those of 1.2.6 have no hops."""
    world._count += 1
    relay = ("12.6.1.1", 2000 + world._count)
    world.settle()
    world.say(SERVER, t.origin(relay) + t.bubble(source, world.address,
                                                 hops=hops))
    got, = world.settle()
    assert got.dst == relay and got.inner.is_bubble
    assert (got.inner.src, got.inner.dst) == (world.address, t.ip6(source))
    assert got.inner.tail == b"" and got.origin is None


def test_impossible_origins(world):
    """C38, C48, Z1, Z8: nothing is sent there."""
    world.nothing((f"{ip}:{port}", t.udp4(SERVER, world.me, t.origin(
        (ip, port)) + t.bubble("fe80::1", world.address)))
        for ip, port in [("10.0.0.9", 3545), ("127.0.0.1", 3545),
                         ("192.168.1.1", 3545), ("224.0.0.1", 3545),
                         ("255.255.255.255", 3545), ("12.1.1.1", 0),
                         world.me])


# -- native hosts ------------------------------------------------------


def test_connectivity_test(world):
    """C31, C43, C78, C80: an echo request by the server; the reply shows where.

    A server of 1.2.6 passes no more than 80 bytes of data on.
    """
    native = world.native()
    world.talk(native, b"first")
    test = world.wait(lambda p: p.inner.dst == native)
    assert test.dst == SERVER and test.src == world.me
    assert (test.auth, test.origin, test.inner.tail) == (None, None, b"")
    assert (test.inner.kind, test.inner.code) == (t.ECHO_REQUEST, 0)
    assert test.inner.src == world.address and test.inner.good
    data = test.inner.payload[8:]
    assert 8 <= len(data) <= 80 and any(data)
    body = test.inner.payload[4:]
    world.settle()
    for wrong in (body[:-1], body + b"\0", body[:-1] + bytes(
            [body[-1] ^ 1]), body[:4]):
        world.say(RELAY, reply(test, wrong))
    assert RELAY not in [p.dst for p in world.settle()]
    world.delivered()
    world.say(RELAY2, reply(test))
    sent, = [p for p in world.settle() if p.inner.next == t.UDP]
    assert sent.dst == RELAY2 and sent.inner.payload.endswith(b"first")
    assert not [p for p in world.delivered() if p.src == native]
    world.say(RELAY, reply(test))       # C80: it is used up
    world.talk(native, b"second")
    assert world.wait(lambda p: p.inner.dst == native).dst == RELAY2


def test_nonces_of_tests_differ(world):
    """C78, Z12."""
    nonces = set()
    for _ in range(20):
        native = world.native()
        world.talk(native)
        nonces.add(world.wait(lambda p: p.inner.dst == native)
                   .inner.payload[4:])
    assert len(nonces) == 20


def test_packet_of_a_stranger(world):
    """C37, C79: delivered, tested, and not trusted."""
    native = world.native()
    world.settle()
    world.delivered()
    world.say(STRANGER, t.udp6(native, world.address, 7, DATA_PORT, b"hello"))
    test, = world.settle()
    assert test.dst == SERVER and test.inner.kind == t.ECHO_REQUEST
    assert test.inner.dst == native
    got, = world.delivered()
    assert got.src == native and got.payload.endswith(b"hello")
    world.talk(native, b"answer")
    world.settle()
    world.say(RELAY, reply(test))
    sent = [p for p in world.settle() if p.inner.next == t.UDP]
    assert [p.dst for p in sent] == [RELAY]
    assert STRANGER not in [h.packet.dst for h in world.seen]


def test_relay_keeps_its_place(world):
    """C30, Z13: another tuple may send, but gets nothing."""
    native = world.native()
    world.befriend(native)
    world.say(STRANGER, t.udp6(native, world.address, 7, DATA_PORT, b"x"))
    world.settle()
    world.talk(native)
    assert world.wait(lambda p: p.inner.dst == native
                      and p.inner.next == t.UDP).dst == RELAY


def test_advertisement_changes_nothing(world):
    """C40: of whom was not asked; nor does it come to the host."""
    before = world.host.run(["ip", "-6", "route"]).stdout
    rs = next(h.packet for h in world.seen
              if h.packet.inner.kind == t.SOLICITATION)
    world.nothing({
        "of the server": advertisement(rs, SERVER, ("9.0.10.2", 4711)),
        "to all": t.udp4(SERVER, world.me, t.icmpv6(
            "fe80::1", "ff02::1", t.ADVERTISEMENT, 0, bytes(12), 255)),
        "to us": t.udp4(SERVER, world.me, t.icmpv6(
            "fe80::1", world.address, t.ADVERTISEMENT, 0, bytes(12), 255))})
    world.say(RELAY, t.icmpv6(world.native(), world.address, t.ADVERTISEMENT,
                              0, bytes(12), 255))
    world.settle()
    assert world.delivered() == []
    assert world.host.run(["ip", "-6", "route"]).stdout == before


# -- villains ----------------------------------------------------------


def test_nothing_of_the_kind(world):
    """C27, C28, C37, C39, C40, C50, Z9, Z18, Z25: no effect at all."""
    at, peer = world.peer()
    native = world.native()
    me = world.address
    other = me[:8] + bytes([me[8] ^ 4]) + me[9:]

    def data(src, dst=me, **more):
        return t.udp6(src, dst, 7, DATA_PORT, b"evil", **more)

    routing = [t.ipv6(native, me, 43, t.routing(kind, data(native)[40:]))
               for kind in (0, 2, 4)]
    world.nothing({
        "empty": t.udp4(STRANGER, world.me, b""),
        "short": t.udp4(STRANGER, world.me, data(native)[:39]),
        "cut": t.udp4(STRANGER, world.me, data(native)[:-1]),
        "IPv4 inside": t.udp4(STRANGER, world.me, b"\x45" + bytes(60)),
        "other flags": t.udp4(STRANGER, world.me, data(native, other)),
        "to a native host": t.udp4(STRANGER, world.me, data(
            native, t.ip6("2001:db8::5"))),
        "to all nodes": t.udp4(STRANGER, world.me, data(
            native, t.ip6("ff02::1"))),
        "origin of a stranger": t.udp4(STRANGER, world.me, t.origin(
            ("12.9.9.9", 9)) + data(native)),
        "bubble with origin of a stranger": t.udp4(
            STRANGER, world.me, t.origin(("12.9.9.9", 9)) + t.bubble(
                "fe80::1", me)),
        "block of a stranger": t.udp4(STRANGER, world.me, t.auth(
            bytes(8)) + data(native)),
        "a peer from elsewhere": t.udp4(STRANGER, world.me, data(peer)),
        "a bubble from elsewhere": t.udp4(STRANGER, world.me, t.bubble(
            peer, me)),
        "from us": t.udp4(STRANGER, world.me, data(me)),
        "from our tuple": t.udp4(world.me, world.me, data(native)),
        "from loopback": t.udp4(STRANGER, world.me, data(t.ip6("::1"))),
        "from a link": t.udp4(STRANGER, world.me, data(t.ip6("fe80::1"))),
        "from a group": t.udp4(STRANGER, world.me, data(t.ip6("ff0e::1"))),
        "from nobody": t.udp4(STRANGER, world.me, data(t.ip6("::"))),
        "from IPv4, mapped": t.udp4(STRANGER, world.me, data(
            t.ip6("::ffff:9.9.9.9"))),
        **{f"routing header {n}": t.udp4(STRANGER, world.me, packet)
           for n, packet in enumerate(routing)}})


def test_private_sender(world):
    """C48, Z7: nothing of 10.0.0.9 counts, and nothing goes there."""
    private = ("10.0.0.9", 4000)
    native = world.native()
    ours = t.address(SERVER[0], private)
    world.nothing({
        "native": t.udp4(private, world.me, t.udp6(
            native, world.address, 7, DATA_PORT, b"evil")),
        "as a client": t.udp4(private, world.me, t.udp6(
            ours, world.address, 7, DATA_PORT, b"evil")),
        "bubble": t.udp4(private, world.me, t.bubble(ours, world.address)),
        "by the server": t.udp4(SERVER, world.me, t.origin(
            STRANGER) + t.bubble(ours, world.address))})
    world.talk(ours)
    world.talk(native)
    world.wait(lambda p: p.inner.dst == native)
    assert world.delivered() == []
    assert "10.0.0.9" not in [h.packet.dst[0] for h in world.seen]


def test_refused_peers(world):
    """C48, C50: packets for impossible clients and servers just vanish."""
    world.settle()
    for ip in t.REFUSED:
        world.talk(t.address(OTHER_SERVER[0], (ip, 4000)))
        world.talk(t.address(ip, ("13.2.2.2", 4000)))
    world.talk(t.address(OTHER_SERVER[0], ("13.2.2.2", 0)))
    world.talk(world.address[:8] + b"\x20\x20" + world.address[10:])
    native = world.native()
    world.talk(native)
    world.wait(lambda p: p.inner.dst == native)
    assert [p for p in world.settle() if p.inner.dst != native] == []
    assert world.delivered() == []


def test_spoofed_native_sources(world):
    """Z6: a flood of strangers starts 20 tests a second at most."""
    time.sleep(1.1)                 # the ration is full again
    world.settle()
    began = time.monotonic()
    for n in range(1000):
        world.say(STRANGER, t.udp6(t.ip6(f"2001:db8:66::{n:x}"),
                                   world.address, 7, DATA_PORT, b"x"))
        if n % 50 == 0:
            world.pump(seconds=.05)
    got = world.settle()
    took = time.monotonic() - began
    tests = [p for p in got
             if p.inner.dst[:8] == t.ip6("2001:db8:66::")[:8]]
    assert {p.inner.kind for p in tests} == {t.ECHO_REQUEST}
    assert 20 <= len(tests) <= 20 + 20 * took + 2
    assert len([p for p in world.delivered()
                if p.payload.endswith(b"x")]) == 1000


# -- what takes a while ------------------------------------------------


class Play:
    """Half a minute with silent peers and with one who replays."""

    def __init__(self, world):
        self.world = world
        self.replayed = world.peer()
        self.silent, self.relay = world.peer(), ("12.6.2.2", 2222)
        self.native = world.native()

    def run(self):
        """Play; what was sent to whom is in world.seen."""
        world = self.world
        self.begin = time.time()
        world.talk(self.silent[1], b"silent")
        world.talk(self.native, b"silent")
        self.replays = 0
        while time.time() < self.begin + 25:
            self.replays += 1
            world.indirect(self.replayed[1], self.replayed[0])
            world.say(SERVER, t.origin(self.relay) + t.bubble(
                "fe80::77", world.address))
            world.pump(seconds=.08)
        world.talk(self.silent[1], b"again")
        world.settle()
        self.errors = [p for p in world.delivered()
                       if p.kind == t.UNREACHABLE]

    def times(self, what):
        """When such datagrams were sent."""
        return [h.time for h in self.world.seen
                if h.time >= self.begin and what(h.packet)]


@pytest.fixture(scope="module")
def play(shared):
    shared.settle()
    shared.delivered()
    it = Play(shared)
    it.run()
    return it


def spaced(times, count, least=1.9):
    """So many, and never two in 2 s."""
    assert len(times) == count, times
    for one, two in zip(times, times[1:]):
        assert least <= two - one < 3.5, times


def test_replayed_bubbles(play):
    """C56, C57: 300 in half a minute get four answers; 1.2.6 gives 300."""
    assert play.replays > 100
    times = play.times(lambda p: p.dst == play.replayed[0])
    spaced(times, BUBBLES)


def test_replayed_bubbles_of_a_relay(play):
    """C38: the same at an origin."""
    spaced(play.times(lambda p: p.dst == play.relay), BUBBLES)


def test_silent_peer(play):
    """C47, C52, C57: four pairs, an error; then errors at once, no bubbles."""
    at, address = play.silent
    direct = play.times(lambda p: p.dst == at)
    spaced(direct, BUBBLES)
    assert len(play.times(lambda p: p.inner.next == t.NONE
                          and p.dst == OTHER_SERVER
                          and p.inner.dst[10:] == address[10:])) == 4
    said = [p for p in play.errors if address in p.payload]
    assert [p.payload.endswith(word) for p, word in zip(
        said, (b"silent", b"again"), strict=True)] == [True, True]
    assert {(p.kind, p.code, p.good) for p in said} == {
        (t.UNREACHABLE, 3, True)}


def test_silent_native_host(play):
    """C43, C52: four tests, 2 s apart, and an error."""
    spaced(play.times(lambda p: p.inner.dst == play.native), TESTS)
    said, = [p for p in play.errors if play.native in p.payload]
    assert said.code == 3 and said.payload.endswith(b"silent")


# -- all that was said -------------------------------------------------


def test_outer_headers(world):
    """C4, C53, C82: of every datagram of this module so far."""
    assert len(world.seen) > 100
    for h in world.seen:
        p = h.packet
        assert p.src == world.me and p.good and p.sum
        assert not p.df and not p.tos and not p.options
        assert p.inner.good
        assert p.inner.next != t.NONE or p.inner.is_bubble


def test_tshark_finds_no_fault(world):
    """Teredo, says a decoder that nobody here wrote."""
    lines = tshark(
        world.capture.take(), "-d", f"udp.port=={PORT},teredo", "-T",
        "fields", "-E", "occurrence=a", "-o", "udp.check_checksum:TRUE",
        "-Y", f"udp && ip.src == {world.me[0]} && !icmp",
        *(word for field in ("frame.protocols", "_ws.malformed",
                             "_ws.expert.message")
          for word in ("-e", field)))
    assert len(lines) > 100
    for line in lines:
        protocols, malformed, expert = line.split("\t")
        assert "teredo:ipv6" in protocols, line
        assert not malformed and not expert, line
