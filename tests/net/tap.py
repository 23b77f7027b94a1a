# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon on its own cable: say anything to it, miss nothing it says.

What a host gets and sends, IPv4 and IPv6, passes one cable, and the test holds
the other end of it.  ask() sends packets, then proves that they have been dealt
with: on each path by which something might come in or go out it sends one more
that must be answered, and waits for these answers.  What else came is the
result.  So "nothing happens" costs a millisecond, not a time-out, and a daemon
that is dead, deaf or slow fails the test instead of passing it.
"""

import contextlib
import datetime
import re
import signal
import time

import packets as t
from lab import wait_for
from lab.capture import OUTGOING, packet_socket

#: A native host that is not there: what is sent to it just vanishes.
NATIVE = "2001:db8:77::7"
PROBE6 = "2001:db8:77::ffff"
PATIENCE = 5.0
#: Kilobytes by which a daemon that keeps nothing may grow: pages of the stack
#: that it touches for the first time.  It is less than a byte for each stranger
#: of a flood, and less than fifty packets that wait.
PAGES = 64


class Other:
    """Something that no Teredo node should send."""

    def __init__(self, data, why):
        self.data, self.why = data, why

    def __repr__(self):
        return f"<{self.why}: {self.data.hex()}>"


def parse(data):
    """A Datagram, a Packet6, an Other; or None for the kernel's own talk."""
    if data[0] >> 4 == 4 and data[9] == 2:
        return None                                     # IGMP
    try:
        packet = t.parse(data)
    except t.Malformed as problem:
        return Other(data, str(problem))
    if isinstance(packet, t.Packet6):
        if packet.kind in (135, 136) and packet.hops == 255:
            return None                                 # neighbours
        if packet.next == 0 and packet.dst[:2] == b"\xff\2":
            return None                                 # listeners
    return packet


class Tap:
    """What server and relay have in common."""

    def __init__(self, net, host, daemon):
        self.net, self.host, self.daemon = net, host, daemon
        self.wire = net.wire(host)
        # What the daemon sends to its own host does not come to the cable.
        self.loopback = packet_socket(host, "lo")
        self.loopback.setblocking(False)
        self.tunnel = None
        #: All that was ever asked and answered: (what went in, what came).
        self.history = []
        #: Where the log begins that strangers are to blame for.
        self.quiet_from = 0
        self._clients = 0
        #: When a client was first sent a bubble: (to, client) -> time.
        self._called = {}

    def close(self):
        """Let go of the sockets in the host."""
        self.loopback.close()
        if self.tunnel:
            self.tunnel.close()

    def client(self):
        """A tuple that nobody has used before."""
        self._clients += 1
        n = self._clients
        return (f"11.{1 + (n >> 14)}.{n >> 7 & 127}.{1 + (n & 127)}",
                20000 + n % 40000)

    def send(self, *packets):
        """Put IP packets on the cable."""
        for packet in packets:
            self.wire.send(packet)

    def ask(self, *packets):
        """What the daemon sends because of these packets."""
        self.wire.drain()
        self.send(*packets)
        got = self.settle() + self.to_itself()
        self.history.append((packets, got))
        return got

    def to_itself(self):
        """What the host has sent to itself so far."""
        found = []
        while True:
            try:
                frame, origin = self.loopback.recvfrom(70000)
            except BlockingIOError:
                return found
            if origin[2] == OUTGOING:
                found.append(Other(frame[14:], "to its own host"))

    def collect(self, wanted, timeout=PATIENCE):
        """Read until each of the functions wanted was true for one packet.

        Returns (those packets, all others).
        """
        deadline = time.monotonic() + timeout
        found, others = [None] * len(wanted), []
        while None in found:
            data = self.wire.recv_bytes(deadline - time.monotonic())
            if data is None:
                raise AssertionError(
                    f"no answer to probe {found.index(None)}; other packets: "
                    f"{others}; log:\n{self.daemon.log}")
            packet = parse(data)
            if packet is None:
                continue
            for n, function in enumerate(wanted):
                if found[n] is None and function(packet):
                    found[n] = packet
                    break
            else:
                others.append(packet)
        return found, others

    def is_late(self, packet):
        """Is it a repeat, or the end, of a procedure of an earlier test?

        R9 and R24 have it send more, 2 s and more after the first bubble, for
        clients that were called and did not answer.
        """
        if isinstance(packet, t.Datagram) and packet.inner.is_bubble:
            first = self._called.setdefault((packet.dst, packet.inner.dst),
                                            time.monotonic())
            return 1.9 < time.monotonic() - first < 12
        return isinstance(packet, t.Packet6) and packet.src \
            == t.ip6(self.host.ip6) \
            and packet.payload[:2] == bytes([t.UNREACHABLE, 3]) \
            and any(client == packet.payload[32:48]
                    and 7 < time.monotonic() - first < 12
                    for (_, client), first in self._called.items())

    def nothing(self, stimuli):
        """None of the stimuli, name -> packet(s), makes the daemon send."""
        wrong = []
        for name, packets in dict(stimuli).items():
            if isinstance(packets, bytes):
                packets = [packets]
            self.delivered()
            got = self.ask(*packets) + self.delivered()
            if got:
                wrong.append(f"{name}: {got}")
        assert not wrong, "\n".join(wrong)

    def delivered(self):
        """What came out of the tunnel interface since last asked."""
        return []

    def counters(self):
        """The daemon's counters by name, as it logs them on SIGUSR1.

        A relay also tells how many peers are proven, probing, failed.
        """
        self.check_log()
        before = len(self.daemon.log)
        self.host.kill(self.daemon.pid, signal.SIGUSR1)
        wait_for(lambda: "counters:" in self.daemon.log[before:], "counters")
        self.settle()
        text = self.daemon.log[before:]
        self.accept_log()
        return {name: int(count) for name, count in
                re.findall(r"\b([a-z][a-z0-9-]+)=(\d+)", text)}

    def check_log(self):
        """Strangers have not made it log anything."""
        said = self.daemon.log[self.quiet_from:].strip()
        assert not said, f"strangers made it log:\n{said}"

    def accept_log(self):
        """What it has logged so far was no stranger's doing."""
        self.quiet_from = len(self.daemon.log)

    def memory(self):
        """Kilobytes of the daemon's own memory in use: all its processes."""
        total = 0
        for pid in self.host.processes():
            status = self.host.read(f"/proc/{pid}/status")
            total += sum(map(int, re.findall(
                r"Rss(?:Anon|Shmem):\s+(\d+)", status)))
        return total


class Server(Tap):
    """A server, or server and relay in one, under test."""

    def __init__(self, net, daemon, host=None):
        super().__init__(net, host or net.server, daemon)
        self.first, self.second = self.host.addresses4[:2]
        self.at, self.at2 = (self.first, t.PORT), (self.second, t.PORT)
        self.link_local = t.link_local(self.at, t.CONE)
        self._probes = 0
        #: What a solicitation goes through before it is sent.
        self.sign = lambda packet: packet
        self.settle()

    def address(self, at, flags=0):
        """The address of a client of this server."""
        return t.address(self.first, at, flags)

    def settle(self):
        """Wait until all is dealt with; return what was sent besides."""
        self._probes += 1
        n = self._probes
        at = (f"12.{1 + (n >> 14)}.{n >> 7 & 127}.{1 + (n & 127)}", 3000)
        rs = self.sign(t.solicitation(t.link_local(at)))
        self.send(t.udp4(at, self.at, t.echo(self.address(at), PROBE6, n)),
                  t.udp4(at, self.at2, rs), t.udp4(at, self.at, rs))
        return self.collect([
            lambda p: isinstance(p, t.Packet6) and p.src == self.address(at),
            lambda p: isinstance(p, t.Datagram) and p.dst == at
            and p.src == self.at2,
            lambda p: isinstance(p, t.Datagram) and p.dst == at
            and p.src == self.at])[1]

    def say(self, at, payload, to=None, **outer):
        """A datagram from that tuple to the server."""
        return t.udp4(at, to or self.at, payload, **outer)

    def answers(self, at, payload, to=None):
        """What the server sends because of one datagram."""
        return self.ask(self.say(at, payload, to))

    def one(self, at, payload, to=None):
        """The one datagram or packet that is sent because of another."""
        got = self.answers(at, payload, to)
        assert len(got) == 1, got
        return got[0]


class Combined(Server):
    """Server and relay in one process: there is a third way in."""

    anchor = ("12.0.0.1", 40001)
    _known = False

    def settle(self):
        """See there; then a packet from the tunnel interface as well."""
        before = super().settle()
        client = self.address(self.anchor)
        token = b"probe" + self._probes.to_bytes(4, "big")
        ready = t.echo(client, PROBE6, 1, 1, token)
        call = t.udp6(PROBE6, client, data=token)
        self.send(self.say(self.anchor, ready))
        before += self.collect([
            lambda p: isinstance(p, t.Packet6) and p.src == client])[1]
        self.send(call)
        if not self._known:
            self._known = True
            before += self.collect([
                lambda p: isinstance(p, t.Datagram)
                and p.dst == self.anchor and p.inner.is_bubble])[1]
            self.send(self.say(self.anchor, ready))
        before += self.collect([
            lambda p: isinstance(p, t.Datagram) and p.dst == self.anchor
            and p.inner.payload.endswith(token)])[1]
        return [p for p in before if not self.is_late(p)]


class Relay(Tap):
    """A relay under test, with one client that keeps it answering."""

    #: Server of the clients of this test; nobody is there.
    SERVER = "12.9.9.9"

    def __init__(self, net, daemon, host=None, probe6=PROBE6,
                 device="teredo"):
        super().__init__(net, host or net.relay, daemon)
        self.probe6 = t.ip6(probe6)
        self._probes = 0
        self._natives = 0
        self.anchor = ("12.0.0.1", 40001)
        # The kernel forwards not all that comes out of the tunnel.
        self.tunnel = packet_socket(self.host, device)
        self.tunnel.setblocking(False)
        self._start()
        self.settle()

    @property
    def source_text(self):
        """The source of its bubbles, as text."""
        return t.text6(self.source)

    def address(self, at, flags=0, server=None):
        """The address of a client."""
        return t.address(server or self.SERVER, at, flags)

    def native(self):
        """A native host nobody has heard of, in a /64 of its own."""
        self._natives += 1
        return t.ip6(f"2001:db8:77:{self._natives:x}::7")

    def _start(self):
        """Make the anchor known and trusted."""
        client = self.address(self.anchor)
        self.wire.drain()
        self.send(t.udp6(self.probe6, client, data=b"start"))
        (hello,), _ = self.collect([
            lambda p: isinstance(p, t.Datagram) and p.inner.is_bubble
            and p.inner.dst == client and p.dst[0] == self.SERVER])
        #: The relay's tuple, and the IPv6 source of its bubbles.
        self.at, self.source = hello.src, hello.inner.src
        self.send(t.udp4(self.anchor, self.at, t.bubble(client, self.source)))
        self.collect([
            lambda p: isinstance(p, t.Datagram) and p.dst == self.anchor
            and not p.inner.is_bubble])

    def settle(self):
        """Wait until all is dealt with; return what was sent besides."""
        self._probes += 1
        n = self._probes & 0xFFFF
        client = self.address(self.anchor)
        token = b"probe" + self._probes.to_bytes(4, "big")
        self.send(t.udp4(self.anchor, self.at, t.udp6(
            client, self.probe6, n, 1, token)))
        _, before = self.collect([
            lambda p: isinstance(p, t.Packet6) and p.src == client
            and p.payload.endswith(token)])
        self.send(t.udp6(self.probe6, client, n, 2, token))
        _, after = self.collect([
            lambda p: isinstance(p, t.Datagram) and p.dst == self.anchor
            and p.inner.payload.endswith(token)])
        return [p for p in before + after if not self.is_late(p)]

    def delivered(self):
        """What came out of the tunnel interface, but for the probes."""
        found = []
        while True:
            try:
                data, origin = self.tunnel.recvfrom(70000)
            except BlockingIOError:
                return found
            if origin[2] != OUTGOING \
                    and data[8:24] != self.address(self.anchor) \
                    and not self.is_late(parse(data)):
                found.append(Other(data, "out of the tunnel"))

    def say(self, at, payload, to=None, **outer):
        """A datagram from that tuple to the relay."""
        return t.udp4(at, to or self.at, payload, **outer)

    def hello(self, at, flags=0, server=None, packet=None):
        """Have a native host call a client: (its first packet, the bubble).

        All else that was sent is an error.
        """
        client = self.address(at, flags, server)
        packet = packet or t.udp6(self.native(), client, data=b"hello")
        got = self.ask(packet)
        assert len(got) == 1 and got[0].inner.is_bubble, got
        return packet, got[0]

    def befriend(self, at=None, flags=0, server=None):
        """A client that the relay trusts: its tuple."""
        at = at or self.client()
        packet, _ = self.hello(at, flags, server)
        got = self.ask(self.say(at, t.bubble(
            self.address(at, flags, server), self.source)))
        assert [p.dst for p in got] == [at], got
        assert got[0].payload == less(packet), got
        return at

    def known(self, at, flags=0, server=None):
        """Is a packet for that client sent to it at once?"""
        client = self.address(at, flags, server)
        got = self.ask(t.udp6(self.native(), client, data=b"known"))
        return [p.dst for p in got] == [at]


def less(packet, by=1):
    """The IPv6 packet after a router: hop limit less one."""
    return packet[:7] + bytes([packet[7] - by]) + packet[8:]


def soon():
    """A date for Sunset: a daemon has time to start, a test to wait for it."""
    then = datetime.datetime.now(datetime.timezone.utc) \
        + datetime.timedelta(seconds=6)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def start(host, argv=(), config=""):
    """Start our daemon in the foreground, with this configuration.

    Of several threads one may pass another, and the probe what is probed.
    """
    if "Threads" not in config:
        config += "Threads 1\n"
    host.write("/run/test.conf", config)
    return host.daemon(["miredo", "-f", "--pidfile", "/run/test.pid",
                        "-c", "/run/test.conf", *argv], "/run/test.pid")


@contextlib.contextmanager
def running(lab, make, argv, config="", host=None, **options):
    """A daemon under test; make(lab, daemon) wraps it.

    At its end it must be alive, stop in time and have nothing to complain
    about, least of all about what strangers sent it.
    """
    host = host or (lab.server if "-s" in argv else lab.relay)
    with lab.tidy(), contextlib.ExitStack() as stack:
        daemon = start(host, argv, config)
        tap = make(lab, daemon, **options)
        stack.callback(tap.close)
        tap.accept_log()
        yield tap
        assert daemon.alive(), f"it died:\n{daemon.log}"
        tap.check_log()
        assert daemon.stop() == 0, daemon.log


def server(lab, config="", make=Server):
    """A server of 9.0.0.2 and 9.0.0.3 under test."""
    return running(lab, make, ["-s", "9.0.0.2"], config)


def relay(lab, config="", **options):
    """A relay under test."""
    return running(lab, Relay, [], config, **options)
