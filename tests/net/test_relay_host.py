# SPDX-License-Identifier: GPL-2.0-or-later
"""A host-specific relay: for the host it runs on, and for nobody else."""

import contextlib
import socket

import pytest

import packets as t
import tap
from tap import NATIVE


class HostRelay(tap.Relay):
    """Its native side is the host itself, so its probe is a ping."""

    def _start(self):
        self.native_socket = self.host.socket(socket.AF_INET6,
                                              socket.SOCK_DGRAM)
        client = self.address(self.anchor)
        self.wire.drain()
        self.tell(self.anchor)
        (hello,), self.first = self.collect([
            lambda p: isinstance(p, t.Datagram) and p.inner.is_bubble
            and p.inner.dst == client and p.dst[0] == self.SERVER])
        self.at, self.source = hello.src, hello.inner.src
        self.send(self.say(self.anchor, t.bubble(client, self.source)))
        self.collect([lambda p: isinstance(p, t.Datagram)
                      and p.dst == self.anchor and not p.inner.is_bubble])

    def tell(self, at, data=b"hello", server=None):
        """A program on the host sends something to a client."""
        self.native_socket.sendto(data, (t.text6(
            self.address(at, 0, server)), 9))

    def settle(self):
        self._probes += 1
        client, n = self.address(self.anchor), self._probes & 0xFFFF
        self.send(self.say(self.anchor, t.echo(client, self.host.ip6, n)))
        _, others = self.collect([
            lambda p: isinstance(p, t.Datagram) and p.dst == self.anchor
            and p.inner.kind == t.ECHO_REPLY
            and p.inner.payload[4:6] == n.to_bytes(2, "big")])
        return [p for p in others if not self.is_late(p)]

    def told(self, at, **options):
        """What is sent because a program talks to a client."""
        self.wire.drain()
        self.tell(at, **options)
        return self.settle()


@pytest.fixture
def host(lab):
    """On a host with native IPv6, IPv4, and no forwarding."""
    with running(lab) as relay:
        yield relay


@contextlib.contextmanager
def running(lab):
    """Such a relay on the server's host."""
    with tap.running(lab, lambda net, daemon: HostRelay(
            net, daemon, net.server), [], "RelayType host\n",
            lab.server) as relay:
        yield relay


def forwarding(host):
    """All sysctls that make a host a router."""
    return host.run(["sysctl", "-a", "-r", r"forwarding$|ip_forward$"]).stdout


def test_it_relays_for_itself(host):
    """R28, R7, R18: the same procedure, with the host's own address."""
    at = host.client()
    bubble, = host.told(at, data=b"first")
    assert bubble.dst == (host.SERVER, t.PORT) and bubble.inner.is_bubble
    assert bubble.inner.src[:8] == t.ip6(host.host.ip6)[:8]
    got, = host.ask(host.say(at, t.bubble(host.address(at), host.source)))
    assert got.dst == at and got.inner.payload.endswith(b"first")
    got, = host.told(at, data=b"second")
    assert got.inner.payload.endswith(b"second")
    ping = t.echo(host.address(at), host.host.ip6, 7, 8, b"hello host")
    reply, = host.ask(host.say(at, ping))
    assert reply.dst == at and reply.inner.kind == t.ECHO_REPLY
    assert reply.inner.payload[4:] == ping[44:]


def test_it_relays_for_nobody_else(lab, host):
    """R28, R19, R31: even if the host forwards."""
    at = host.client()
    host.told(at)
    host.ask(host.say(at, t.bubble(host.address(at), host.source)))
    me = host.address(at)
    for forward in 0, 1:
        lab.server.sysctl(ipv6__conf__all__forwarding=forward)
        try:
            host.nothing({
                f"to a third, forwarding {forward}": host.say(
                    at, t.udp6(me, NATIVE)),
                f"to a neighbour, forwarding {forward}": host.say(
                    at, t.udp6(me, "2001:db8::1")),
                f"of a third, forwarding {forward}": t.udp6(NATIVE, me),
                f"of a third to a stranger, forwarding {forward}": t.udp6(
                    NATIVE, host.address(host.client()))})
        finally:
            lab.server.sysctl(ipv6__conf__all__forwarding=0)
            lab.server.ip("route replace default via 2001:db8::1")


def test_it_is_no_client(lab):
    """R28, R2: no solicitation, no Teredo address, nothing switched on."""
    before = forwarding(lab.server)
    with running(lab) as relay:
        for out in relay.first:
            assert isinstance(out, t.Datagram) and out.inner.is_bubble, out
        shown = lab.server.run(["ip", "-6", "address"]).stdout
        assert "2001:0:" not in shown and " 2001::" not in shown
        route = lab.server.run(["ip", "-6", "route", "show", "2001::/32"])
        assert "dev teredo" in route.stdout
        seen = [p for _, got in relay.history for p in got]
        assert not [p for p in seen if isinstance(p, t.Packet6)
                    and p.kind in (t.SOLICITATION, t.ADVERTISEMENT)]
        now = "\n".join(line for line in forwarding(lab.server).splitlines()
                        if ".teredo." not in line)
        assert now.strip() == before.strip()
    assert forwarding(lab.server) == before


def test_hop_limit_of_own_packets(host):
    """R26, R27: the host is where they begin; nothing is taken away."""
    at = host.client()
    host.told(at)
    host.ask(host.say(at, t.bubble(host.address(at), host.source)))
    got, = host.told(at)
    assert got.inner.hops == 64 and got.good and not got.df and not got.tos
