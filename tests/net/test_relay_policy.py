# SPDX-License-Identifier: GPL-2.0-or-later
"""Relays with other settings than the usual; each case its own daemon."""

import ipaddress
import time

import pytest

import packets as t
import tap
from lab import LabError, wait_for
from tap import less
from test_daemon import keeper_of

ROUTES = ["ip", "-6", "route", "show", "2001::/32"]


def test_route_comes_and_goes(lab):
    """R2: withdrawn at the end, even after kill -9 of everything."""
    assert not lab.relay.run(ROUTES).stdout
    with tap.relay(lab) as relay:
        assert "dev teredo" in lab.relay.run(ROUTES).stdout
    assert not lab.relay.run(ROUTES).stdout
    for whom in "monitor", "keeper":
        with lab.tidy():
            relay = tap.Relay(lab, tap.start(lab.relay))
            pids = lab.relay.processes()
            assert relay.daemon.pid in pids
            victim = relay.daemon.pid if whom == "monitor" else \
                keeper_of(lab.relay, relay.daemon.pid)
            lab.relay.kill(victim, 9)
            wait_for(lambda: not lab.relay.run(ROUTES).stdout,
                     "the route to go")
            assert relay.daemon.stop() == (-9 if whom == "monitor" else 1)
            assert not lab.relay.processes()


@pytest.mark.parametrize("date, runs", [("2020-01-01", False),
                                        ("2999-12-31", True)])
def test_sunset(lab, date, runs):
    """R33: after that date, no relay and no route."""
    with lab.tidy():
        if runs:
            tap.Relay(lab, tap.start(lab.relay, (), f"Sunset {date}\n"))
            return
        with pytest.raises(LabError, match=r"(?i)sunset|2020-01-01"):
            tap.start(lab.relay, (), f"Sunset {date}\n")
    assert not lab.relay.run(ROUTES).stdout


def test_sunset_comes(lab):
    """R33: it stops by itself and withdraws its route."""
    with lab.tidy():
        daemon = tap.start(lab.relay, (), f"Sunset {tap.soon()}\n")
        assert lab.relay.run(ROUTES).stdout
        wait_for(lambda: not daemon.alive(), "the end at sunset", 20)
    assert not lab.relay.run(ROUTES).stdout


def test_literal_rules(lab):
    """R32, R7: without nonces the bubble has 40 bytes, and ports count."""
    with tap.relay(lab, "RelayNonces no\n") as relay:
        at = relay.client()
        packet, bubble = relay.hello(at)
        assert relay.source == t.ip6(relay.host.ip6)
        assert bubble.payload == t.bubble(relay.source, relay.address(at))
        for trailers in b"", t.nonce_trailer(bytes(4)):
            for to in relay.source, relay.native():
                relay.nothing({"other port": relay.say(
                    (at[0], at[1] + 1), t.bubble(
                        relay.address(at), to, trailers=trailers))})
        got = relay.ask(relay.say(at, t.bubble(relay.address(at),
                                               relay.source)))
        assert [p.payload for p in got] == [less(packet)]


def test_relay_behind_a_nat(lab):
    """R14: a direct bubble as well, with an equal inner header."""
    with tap.relay(lab, "RelayType restricted\n") as relay:
        at = relay.client()
        client = relay.address(at)
        packet = t.udp6(relay.native(), client, data=b"hello")
        direct, indirect = sorted(relay.ask(packet),
                                  key=lambda p: p.dst != at)
        assert direct.dst == at and indirect.dst == (relay.SERVER, t.PORT)
        assert direct.inner.raw == indirect.inner.raw \
            == t.bubble(direct.inner.src, client)
        assert direct.src == indirect.src == relay.at
        got = relay.ask(relay.say(at, t.bubble(client, relay.source)))
        assert [p.payload for p in got] == [less(packet)]


def test_accepts_strangers(lab):
    """R17: as an option; the other checks remain."""
    with tap.relay(lab, "AcceptStrangers yes\n") as relay:
        at = relay.client()
        packet = t.udp6(relay.address(at), relay.native(), data=b"hi")
        out, = relay.ask(relay.say(at, packet))
        assert out.raw == less(packet)
        relay.nothing({
            "port": relay.say((at[0], at[1] + 1), packet),
            "native": relay.say(at, t.udp6("2001:db8:5::1", relay.native())),
            "to a client": relay.say(at, t.udp6(
                relay.address(at), relay.address(relay.client()))),
        })
        # It was not asked, so it is not known.
        relay.hello(at)


def test_spoofed_sources_of_strangers(lab):
    """S5, Z1, Z7, Z9: an open relay still refuses what cannot be."""
    with tap.relay(lab, "AcceptStrangers yes\n") as open_:
        bad = {}
        for ip in t.REFUSED + ["9.0.1.0", "9.0.1.255", "9.0.1.2"]:
            me = (ip, 4000)
            bad[f"data of {ip}"] = open_.say(me, t.udp6(
                open_.address(me), open_.native()))
        bad["port 0"] = open_.say(("11.88.0.9", 0), t.udp6(
            open_.address(("11.88.0.9", 0)), open_.native()))
        open_.nothing(bad)


SERVED = "2001:db8:77::/52"     # what Relay.native() takes its hosts from
OUTSIDE = "2001:db8:77:1000::1", "2001:db8:76:ffff::1", "2a00::1"


def test_served_prefixes(lab):
    """R19, R31, Z30: others get nothing, in either direction, silently."""
    config = f"ServePrefix {SERVED}\nServePrefix 2001:db8:99::1/128\n"
    with tap.relay(lab, config) as relay:
        at = relay.befriend()
        me = relay.address(at)
        for to in relay.native(), "2001:db8:77:fff::1", "2001:db8:99::1":
            packet = t.udp6(me, to)
            assert [p.raw for p in relay.ask(relay.say(at, packet))] \
                == [less(packet)]
            packet = t.udp6(to, me)
            assert [p.payload for p in relay.ask(packet)] == [less(packet)]
        for outside in OUTSIDE + ("2001:db8:99::2", "2001:db8:1::9"):
            relay.nothing({
                f"to {outside}": relay.say(at, t.udp6(me, outside)),
                f"from {outside}": t.udp6(outside, me),
                f"stranger of {outside}": t.udp6(outside, relay.address(
                    relay.client()))})
        # The answer to a bubble must get in, although not in the list (R29).
        assert ipaddress.IPv6Address(relay.host.ip6) \
            not in ipaddress.IPv6Network(SERVED)
        echo = t.echo(me, relay.host.ip6)
        out, = relay.ask(relay.say(at, echo))
        assert (out.dst, out.inner.kind) == (at, t.ECHO_REPLY)


def test_denied_addresses(lab):
    """Z42: listed tunnel routers are never peers nor servers."""
    config = "DenyIPv4 11.66.0.0/16\nDenyIPv4 12.66.6.6\n"
    with tap.relay(lab, config) as relay:
        relay.nothing({
            "client": t.udp6(relay.native(), relay.address(("11.66.7.8", 9))),
            "server": t.udp6(relay.native(), relay.address(
                relay.client(), server="12.66.6.6")),
            "client 32": t.udp6(relay.native(), relay.address(
                ("12.66.6.6", 9))),
        })
        relay.hello(("11.65.255.255", 9))
        relay.hello(relay.client(), server="12.66.6.7")


def test_fixed_port(lab):
    """R1, Z31: BindPort; else the port cannot be foretold."""
    ports = set()
    for _ in range(3):
        with tap.relay(lab) as relay:
            ports.add(relay.at[1])
    assert len(ports) == 3
    with tap.relay(lab, "BindPort 3545\nBindAddress 9.0.1.2\n") as relay:
        assert relay.at == ("9.0.1.2", 3545)


def test_other_mtu(lab):
    """R23: InterfaceMTU is what Packet Too Big says."""
    with tap.relay(lab, "InterfaceMTU 1400\nInterfaceName other\n",
                   device="other") as relay:
        at = relay.befriend()
        packet = t.sized(relay.native(), relay.address(at), 1400)
        assert relay.ask(packet)[0].payload == less(packet)
        error, = relay.ask(t.sized(relay.native(), relay.address(at), 1401))
        assert error.payload[4:8] == (1400).to_bytes(4, "big")


def test_bubble_source_comes_and_goes(lab):
    """R29: without a native address no bubbles; with one again, bubbles."""
    with tap.relay(lab, "RelayNonces no\n") as relay:
        other = "2001:db8:1::77"
        at = relay.befriend()
        lab.relay.ip(f"address add {other}/64 dev eth0",
                     f"address del {relay.source_text}/64 dev eth0")
        try:
            # The one that is left, at once, or as soon as it is not tentative.
            wait_for(lambda: [p.inner.src for p in relay.ask(t.udp6(
                relay.native(), relay.address(relay.client())))]
                == [t.ip6(other)], "bubbles from the other address")
            lab.relay.ip(f"address del {other}/64 dev eth0")
            wait_for(lambda: not relay.ask(t.udp6(
                relay.native(), relay.address(relay.client()))),
                "bubbles to stop")
            relay.nothing({f"stranger {n}": t.udp6(
                relay.native(), relay.address(relay.client()))
                for n in range(5)})
            assert relay.known(at)      # who is known is served on
            relay.daemon.wait_log("(?i)no native ipv6 address")
        finally:
            lab.relay.ip(
                f"address add {relay.source_text}/64 dev eth0",
                "route replace default via 2001:db8:1::1")
        wait_for(lambda: relay.ask(t.udp6(relay.native(), relay.address(
            relay.client()))), "bubbles to come back")
        _, bubble = relay.hello(relay.client())
        assert bubble.inner.src == relay.source
        relay.accept_log()              # it may tell of this


def test_no_native_address_at_start(lab):
    """R29: without any, it does not start, and says what is missing."""
    lab.relay.ip("address del 2001:db8:1::2/64 dev eth0")
    try:
        with lab.tidy(), pytest.raises(LabError, match="(?i)ipv6"):
            tap.start(lab.relay)
    finally:
        lab.relay.ip("address add 2001:db8:1::2/64 dev eth0",
                     "route replace default via 2001:db8:1::1")


def test_address_added_at_run_time(lab):
    """Z2, Z8: a new address and its broadcasts count at once."""
    with tap.relay(lab) as relay:
        names = "11.9.8.255", "11.9.8.0", "11.9.8.1"
        ports = iter(range(2000, 60000))    # each a client nobody knows

        def goes(ip):
            return relay.ask(t.udp6(relay.native(), relay.address(
                (ip, next(ports)))))

        for ip in names:                # fine as long as they are not ours
            relay.hello((ip, 999))
        lab.relay.ip("address add 11.9.8.1/24 dev eth0")
        try:
            wait_for(lambda: not goes("11.9.8.255"), "the event")
            relay.nothing({f"{what} {ip}": t.udp6(relay.native(), t.address(
                *((relay.SERVER, (ip, 1001)) if what == "client"
                  else (ip, relay.client()))))
                for ip in names for what in ("client", "server")})
            relay.nothing({f"from {ip}": relay.say((ip, 999), t.bubble(
                relay.address((ip, 999)), relay.source)) for ip in names})
            relay.hello(("11.9.8.7", 1001))
        finally:
            lab.relay.ip("address del 11.9.8.1/24 dev eth0")
        wait_for(lambda: goes("11.9.8.1"), "it to be gone")


def test_server_address_added_at_run_time(lab):
    """Z2, Z8: the same at a server."""
    with tap.server(lab) as server:
        a = server.client()

        def goes(ip):
            return server.answers(a, t.bubble(
                server.address(a), server.address((ip, 999))))

        assert all(goes(f"11.9.8.{n}") for n in (0, 1, 255))
        lab.server.ip("address add 11.9.8.1/24 dev eth0")
        try:
            wait_for(lambda: not goes("11.9.8.1"), "the event")
            assert not goes("11.9.8.0") and not goes("11.9.8.255")
            server.nothing({f"from {ip}": server.say(
                (ip, 5), t.solicitation(t.link_local((ip, 5))))
                for ip in ("11.9.8.1", "11.9.8.0", "11.9.8.255")})
            assert goes("11.9.9.0")
        finally:
            lab.server.ip("address del 11.9.8.1/24 dev eth0")
        wait_for(lambda: goes("11.9.8.1"), "it to be gone")


def test_small_table(lab):
    """R22, Z22: MaxPeers 64; who is proven stays, strangers displace."""
    with tap.relay(lab, "MaxPeers 64\nNewPeersPerSecond 0\n") as relay:
        friends = [relay.befriend() for _ in range(30)]
        for _ in range(3):
            packets = [t.udp6(relay.native(), relay.address(relay.client()))
                       for _ in range(300)]
            assert len(relay.ask(*packets)) <= 300
            for at in friends:
                assert relay.known(at)
        # A bubble less than 2 s old holds its place; then there is room.
        wait_for(lambda: relay.ask(t.udp6(relay.native(), relay.address(
            relay.client()))), "room for a newcomer")


def test_rate_of_new_peers(lab):
    """R22, Z5, Z22: NewPeersPerSecond is a limit on bubbles."""
    with tap.relay(lab, "NewPeersPerSecond 50\n") as relay:
        start = time.monotonic()
        got = []
        for _ in range(10):
            got += relay.ask(*(t.udp6(relay.native(), relay.address(
                relay.client())) for _ in range(200)))
        spent = time.monotonic() - start
        assert all(p.inner.is_bubble for p in got)
        # The burst is twice the rate; repeats only after 2 s.
        assert 50 <= len(got) <= 50 * (spent + 2) + 10


def test_host_firewall(lab):
    """Z29: packets pass an interface where rules apply."""
    with tap.relay(lab) as relay:
        at = relay.befriend()
        me, native = relay.address(at), relay.native()
        lab.relay.nft("""
            table ip6 guard {
                chain forward {
                    type filter hook forward priority 0
                    iifname "teredo" udp dport 666 drop
                    oifname "teredo" udp dport 667 drop
                }
            }
            """)
        try:
            assert not relay.ask(relay.say(at, t.udp6(me, native, 1, 666)),
                                 t.udp6(native, me, 1, 667))
            assert len(relay.delivered()) == 1
        finally:
            lab.relay.nft("delete table ip6 guard\n")
        assert relay.ask(relay.say(at, t.udp6(me, native, 1, 666)))


def test_refusals_of_the_kernel(lab):
    """R5, R11: what cannot be sent costs only itself, and makes no line."""
    with tap.relay(lab) as relay:
        lab.relay.ip("route add unreachable 12.66.0.0/16",
                     "route add prohibit 12.67.0.0/16",
                     "route add unreachable 2001:db8:66::/48")
        try:
            at = relay.befriend()
            packets, good = [], []
            for n in range(40):
                packets.append(t.udp6(relay.native(), relay.address(
                    relay.client(), server=f"12.{66 + n % 2}.1.1")))
                good.append(t.udp6(relay.native(), relay.address(at),
                                   data=b"%d" % n))
                packets.append(good[-1])
            got = relay.ask(*packets)
            assert [p.payload for p in got] == [less(p) for p in good]
            for out in relay.ask(relay.say(at, t.udp6(
                    relay.address(at), "2001:db8:66::1"))):
                assert out.dst == at and out.inner.kind == t.UNREACHABLE
        finally:
            lab.relay.ip("route del unreachable 12.66.0.0/16",
                         "route del prohibit 12.67.0.0/16",
                         "route del unreachable 2001:db8:66::/48")
