# SPDX-License-Identifier: GPL-2.0-or-later
"""What a server passes on, what it answers itself, and what it drops."""

import struct

import pytest

import packets as t
import tap
from tap import NATIVE, less

FOREIGN = "11.77.0.1"               # another server
RELAY6 = "2001:db8:5::1"            # a relay's own address
#: What a client with all of RFC 6081 puts behind a bubble.
TRAILERS = (t.nonce_trailer(b"\xa1\xb2\xc3\xd4")
            + t.trailer(t.ALTERNATE, bytes(2) + t.ip4("192.168.1.5")
                        + b"\xc3\x50" + t.ip4("10.0.0.7") + b"\xc3\x50")
            + t.trailer(t.RANDOM_PORT, b"\xc3\x4f"))


@pytest.fixture(scope="module")
def server(lab):
    with tap.server(lab) as tapped:
        yield tapped


@pytest.fixture
def a(server):
    """The tuple of one client."""
    return server.client()


@pytest.fixture
def b(server):
    """The tuple of another."""
    return server.client()


def test_malformed(server, a, b):
    """S3: one datagram for each defect."""
    good = t.bubble(server.address(a), server.address(b))
    rs = t.solicitation(t.link_local(a))
    ping = t.echo(server.address(a), NATIVE, data=b"12345678")
    bad = {f"cut to {n}": good[:n] for n in (0, 1, 2, 7, 8, 20, 39)}
    bad.update({
        "version 4": b"\x45" + good[1:], "version 0 and 2": b"\0\2" + good,
        "version 7": b"\x70" + good[1:], "version 5": b"\x50" + good[1:],
        "00 ff": b"\0\xff" + good, "01 00": b"\1\0" + good,
        "solicitation cut": rs[:-1], "echo cut": ping[:-1],
        "echo cut to its header": ping[:40],
        "length too long by one": rs[:4] + b"\0\x09" + rs[6:],
        "length 65535": rs[:4] + b"\xff\xff" + rs[6:],
        "authentication cut in its head": b"\0\1\0",
        "authentication without nonce": b"\0\1\0\0" + b"1234567",
        "identifier beyond the end": b"\0\1\xff\0" + rs,
        "value beyond the end": b"\0\1\0\xff" + rs,
        "both beyond the end": b"\0\1\xff\xff" + rs,
        "authentication and nothing": t.auth(b"12345678"),
        "origin cut": b"\0\0\xff",
        "origin and nothing": t.origin(a),
        "two origins": t.origin(a) * 2 + good,
        "three authentications": t.auth(b"12345678") * 3 + rs,
    })
    server.nothing({name: server.say(a, data) for name, data in bad.items()})
    server.nothing({name: server.say(a, data, server.at2)
                    for name, data in bad.items()})


def test_only_bubbles_and_echo(server, a, b):
    """S4: to clients and to native hosts; Echo passes, and 1.2.6's 80 bytes
    are no limit."""
    me, other = server.address(a), server.address(b)
    bad = {}
    for where, to in (("client", other), ("native", t.ip6(NATIVE)),
                      ("foreign client", t.address(FOREIGN, b))):
        for kind in (0, 1, 2, 3, 4, 100, 127, 130, 131, 132, 133, 134, 135,
                     136, 137, 138, 139, 143, 255):
            bad[f"icmpv6 {kind} to {where}"] = t.icmpv6(
                me, to, kind, body=bytes(20))
            bad[f"icmpv6 {kind}, 255 hops, to {where}"] = t.icmpv6(
                me, to, kind, body=bytes(20), hops=255)
        ping = t.echo(me, to)[40:]
        tcp = struct.pack("!HHIIBBHHH", 9, 80, 1, 0, 0x50, 2, 9999, 0, 0)
        bad.update({
            f"tcp to {where}": t.ipv6(me, to, 6, tcp),
            f"udp to {where}": t.udp6(me, to, data=b"data"),
            f"fragment to {where}": t.ipv6(
                me, to, 44, bytes([58, 0, 0, 1, 0, 0, 0, 1]) + ping),
            f"atomic fragment to {where}": t.ipv6(
                me, to, 44, bytes([58, 0, 0, 0, 0, 0, 0, 1]) + ping),
            f"hop-by-hop to {where}": t.ipv6(
                me, to, 0, bytes([58, 0, 1, 4, 0, 0, 0, 0]) + ping),
            f"destination options to {where}": t.ipv6(
                me, to, 60, bytes([58, 0, 1, 4, 0, 0, 0, 0]) + ping),
            f"next header 59 with data to {where}": t.ipv6(
                me, to, t.NONE, b"12345678"),
            f"no payload, next header 58, to {where}": t.ipv6(me, to, 58),
            f"icmpv6 of 4 bytes to {where}": t.ipv6(me, to, 58, ping[:4]),
            f"ip in ip to {where}": t.ipv6(me, to, 41, t.echo(me, to)),
            f"esp to {where}": t.ipv6(me, to, 50, bytes(16)),
        })
    server.nothing({name: server.say(a, data) for name, data in bad.items()})
    for to in other, t.ip6(NATIVE):
        for kind in t.ECHO_REQUEST, t.ECHO_REPLY:
            for size in 0, 8, 80, 81, 1000, 1232:
                packet = t.echo(me, to, data=bytes(size), kind=kind)
                got = server.one(a, packet)
                inner = got if isinstance(got, t.Packet6) else got.inner
                assert inner.raw == less(packet)


def test_bubble_without_destination_but_native(server, a):
    """S4, S16, Z3: to the native Internet go echos only, no bubbles."""
    server.nothing({"bubble": server.say(a, t.bubble(server.address(a),
                                                     NATIVE))})


def test_impossible_outer_sources(server):
    """S5, S32: each range, for solicitations and bubbles; and port 0.

    192.88.99.0/24 and directed broadcasts were let pass by 1.2.6.
    """
    bad = {}
    for ip in t.REFUSED + ["9.0.0.0", "9.0.0.255"]:
        at = (ip, 5000)
        bad[f"solicitation from {ip}"] = server.say(
            at, t.solicitation(t.link_local(at)))
        bad[f"solicitation from {ip} to the second"] = server.say(
            at, t.solicitation(t.link_local(at)), server.at2)
        bad[f"bubble from {ip}"] = server.say(at, t.bubble(
            server.address(at), server.address(("11.70.0.1", 77))))
        bad[f"relay's bubble from {ip}"] = server.say(at, t.bubble(
            RELAY6, server.address(("11.70.0.1", 77))))
        bad[f"echo from {ip}"] = server.say(
            at, t.echo(server.address(at), NATIVE))
        bad[f"echo for us from {ip}"] = server.say(
            at, t.echo(server.address(at), server.link_local))
    for at in [("11.70.0.2", 0)]:
        bad["solicitation from port 0"] = server.say(
            at, t.solicitation(t.link_local(at)))
        bad["bubble from port 0"] = server.say(at, t.bubble(
            server.address(at), server.address(("11.70.0.1", 77))))
    server.nothing(bad)


def test_sources_beside_the_ranges(server):
    """S5, S17: the neighbours of each range are served, both ways."""
    for ip in t.NEIGHBOURS:
        at, to = (ip, 5001), server.client()
        if ip.endswith(".0.0.0") or ip.endswith(".255.255.255"):
            at = (ip[:-1] + "9" if ip.endswith("0") else ip, 5001)
        answer = server.one(at, t.solicitation(t.link_local(at)))
        assert answer.dst == at
        out = server.one(to, t.bubble(server.address(to), server.address(at)))
        assert out.dst == at


def test_accepts_matching_teredo_source(server, a):
    """S10, S16: any server, any flags; the native host sees it unchanged."""
    for server_ip in server.first, FOREIGN, "0.0.0.0", "10.0.0.1":
        for flags in 0, 0x3cff, t.CONE, 0xffff:
            packet = t.echo(t.address(server_ip, a, flags), NATIVE,
                            0xbeef, flags & 0xff, b"data of an echo")
            out = server.one(a, packet)
            assert isinstance(out, t.Packet6)
            assert out.raw == less(packet) and out.good and not out.tail


def wrong(a):
    """Tuples that are almost this one."""
    ip, port = a
    octets = ip.split(".")
    return {
        "port + 1": (ip, port + 1), "port - 1": (ip, port - 1),
        "port swapped": (ip, (port & 0xff) << 8 | port >> 8),
        "port inverted": (ip, port ^ 0xffff), "port 0": (ip, 0),
        "address + 1": (".".join(octets[:3] + [str(int(octets[3]) + 1)]),
                        port),
        "first octet": (".".join(["75"] + octets[1:]), port),
        "swapped": (".".join(reversed(octets)), port),
        "both swapped": (".".join(reversed(octets)),
                         (port & 0xff) << 8 | port >> 8),
        "the server's own": ("9.0.0.2", 3544),
    }


def test_drops_mismatching_teredo_source(server, b):
    """S11, A13: only a bubble to an own client may come from another port."""
    a = ("11.5.6.7", 0x1234)
    bad = {}
    for name, at in wrong(a).items():
        for flags in 0, t.CONE:
            me = server.address(at, flags)
            name = f"{name}, flags {flags:x}"
            bad[f"echo to native, {name}"] = t.echo(me, NATIVE)
            bad[f"echo to client, {name}"] = t.echo(me, server.address(b))
            bad[f"echo to server, {name}"] = t.echo(me, server.link_local)
            bad[f"bubble to foreign, {name}"] = t.bubble(
                me, t.address(FOREIGN, b))
            if at[0] != a[0]:
                bad[f"bubble, {name}"] = t.bubble(me, server.address(b))
    server.nothing({name: server.say(a, data) for name, data in bad.items()})


def test_symmetric_client(server, b):
    """A13: a bubble for an own client from another port of its sender."""
    a = ("11.5.6.8", 0x4321)
    packet = t.bubble(server.address(("11.5.6.8", 0x4322)), server.address(b),
                      trailers=TRAILERS)
    out = server.one(a, packet)
    assert (out.dst, out.origin) == (b, a)
    assert out.payload[8:] == less(packet)


def test_native_and_link_local_sources(server, a, b):
    """S12, A51: a relay's bubble for an own client, and for no other."""
    for source in (RELAY6, "fe80::1", "fe80::abcd:1234:5678:9abc",
                   "2a00:1450::1", "2002:b00:1::1"):
        packet = t.bubble(source, server.address(b))
        out = server.one(a, packet)
        assert (out.src, out.dst, out.origin) == (server.at, b, a)
        assert out.payload[8:] == less(packet)
    server.nothing({
        name: server.say(a, data) for name, data in {
            "foreign client": t.bubble(RELAY6, t.address(FOREIGN, b)),
            "foreign client, link-local": t.bubble(
                "fe80::1", t.address(FOREIGN, b)),
            "native": t.bubble(RELAY6, NATIVE),
            "echo to native": t.echo(RELAY6, NATIVE),
            "echo to foreign client": t.echo(RELAY6, t.address(FOREIGN, b)),
            "link-local to native": t.bubble("fe80::1", NATIVE),
            "to our link-local": t.echo(RELAY6, server.link_local),
            "link-local to our link-local": t.echo(
                "fe80::1", server.link_local),
            "bubble to all routers": t.bubble(RELAY6, t.ALL_ROUTERS),
        }.items()})


def test_echo_of_native_source(server, a, b):
    """S12, S4: an Echo Request with a native source reaches an own client."""
    packet = t.echo(RELAY6, server.address(b), data=b"from outside")
    out = server.one(a, packet)
    assert (out.dst, out.origin) == (b, a)
    assert out.inner.raw == less(packet)


IMPOSSIBLE = ["::", "::1", "::9.9.9.9", "::ffff:9.9.9.9", "ff02::1", "ff0e::1",
              "ff05::2", "fec0::1", "fd00::1", "fc00::1", "64:ff9b::1",
              "4000::1", "fe00::1", "2002:a00:1::1", "2002:7f00:1::1",
              "2002:c0a8:101::1", "2002:e000:1::1", "2002:a9fe:1::1"]


def test_impossible_inner_sources(server, a, b):
    """S13, Z18: sources nobody may use; 1.2.6 took them for bubbles."""
    bad = {}
    for source in IMPOSSIBLE:
        bad[f"bubble of {source}"] = t.bubble(source, server.address(b))
        bad[f"echo of {source}"] = t.echo(source, server.address(b))
        bad[f"echo of {source} to native"] = t.echo(source, NATIVE)
    bad["link-local echo to client"] = t.echo("fe80::1", server.address(b))
    bad["link-local echo to native"] = t.echo("fe80::1", NATIVE)
    bad["link-local echo reply"] = t.echo(
        "fe80::1", server.address(b), kind=t.ECHO_REPLY)
    bad["our own link-local, echo"] = t.echo(
        server.link_local, server.address(b))
    server.nothing({name: server.say(a, data) for name, data in bad.items()})


def test_echo_to_the_server(server, a):
    """S14: answered from the address that was pinged, to the outer source."""
    me = server.address(a, 0x1c44)
    ping = t.echo(me, server.link_local, 77, 88, b"are you there?")
    for packet in ping, ping + TRAILERS:
        out = server.one(a, packet)
        assert (out.src, out.dst) == (server.at, a)
        assert (out.inner.src, out.inner.dst) == (server.link_local, me)
        assert out.inner.kind == t.ECHO_REPLY and out.inner.good
        assert out.inner.payload[4:] == ping[44:] and not out.inner.tail
        assert out.origin in (None, a)
    foreign = t.address(FOREIGN, a)
    out = server.one(a, t.echo(foreign, server.link_local))
    assert out.payload[0] == 0x60 and out.inner.dst == foreign
    server.nothing({name: server.say(a, data) for name, data in {
        "wrong port": t.echo(server.address((a[0], a[1] + 1)),
                             server.link_local),
        "wrong checksum": t.echo(me, server.link_local, wrong=1),
        "echo reply": t.echo(me, server.link_local, kind=t.ECHO_REPLY),
        "bubble": t.bubble(me, server.link_local),
        "other link-local": t.echo(me, t.link_local(server.at)),
        "that of the second": t.echo(me, t.link_local(server.at2, t.CONE)),
        "to the second": t.echo(me, server.link_local),
    }.items() if name != "to the second"} | {
        "to the second": server.say(a, ping, server.at2)})


def test_scope_of_destinations(server, a):
    """S15: neither side sees a packet that is not for a global address."""
    me, bad = server.address(a), {}
    for to in ("ff01::1", "ff02::1", "ff05::2", "ff08::1", "ff0e::1",
               "fe80::1", "febf::1", "fec0::1", "fd00::1", "fc00::1", "::1",
               "::", "::ffff:11.0.0.1", "::11.0.0.1", "64:ff9b::b00:1"):
        for name, data in (("echo", t.echo(me, to)),
                           ("reply", t.echo(me, to, kind=t.ECHO_REPLY)),
                           ("bubble", t.bubble(me, to))):
            bad[f"{name} to {to}"] = server.say(a, data)
    server.nothing(bad)


def test_refused_targets(server, a):
    """S17, Z1: each range and port 0, from clients and relays."""
    bad = {}
    for ip in t.REFUSED + ["9.0.0.0", "9.0.0.255"]:
        for name, data in (
                ("bubble", t.bubble(server.address(a), server.address(
                    (ip, 5000)))),
                ("foreign", t.bubble(server.address(a), t.address(
                    FOREIGN, (ip, 5000)))),
                ("relay", t.bubble(RELAY6, server.address((ip, 5000)))),
                ("echo", t.echo(server.address(a), server.address(
                    (ip, 5000))))):
            bad[f"{name} to {ip}"] = server.say(a, data)
    to = server.address(("11.70.0.3", 0))
    bad["bubble to port 0"] = server.say(a, t.bubble(server.address(a), to))
    bad["echo to port 0"] = server.say(a, t.echo(server.address(a), to))
    server.nothing(bad)


def test_forwarded_bubbles(server, a, b):
    """S18, S19, S22: addresses, origin for own clients only, hop limit."""
    for flags in 0, 0x3cff, t.CONE:
        packet = t.bubble(server.address(a, flags), server.address(b, flags))
        out = server.one(a, packet)
        assert (out.src, out.dst) == (server.at, b)
        assert out.payload == t.origin(a) + less(packet)
        packet = t.bubble(server.address(a, flags), t.address(
            FOREIGN, b, flags))
        out = server.one(a, packet)
        assert (out.src, out.dst) == (server.at, b)
        assert out.payload == less(packet)


def test_second_address_is_somebody_elses_server(server, a, b):
    """S12, S19: an address made with the second one is no own client."""
    out = server.one(a, t.bubble(server.address(a), t.address(
        server.second, b)))
    assert out.payload[0] == 0x60
    server.nothing({"relay": server.say(a, t.bubble(
        RELAY6, t.address(server.second, b)))})


def test_forged_blocks(server, a, b):
    """S20, Z17, A21: blocks are for solicitations, and only one kind."""
    bad = {}
    for name, packet in (
            ("bubble", t.bubble(server.address(a), server.address(b))),
            ("relay's bubble", t.bubble(RELAY6, server.address(b))),
            ("echo", t.echo(server.address(a), NATIVE)),
            ("echo to us", t.echo(server.address(a), server.link_local))):
        bad[f"origin, {name}"] = t.origin(a) + packet
        bad[f"forged origin, {name}"] = t.origin(("11.1.1.1", 1)) + packet
        bad[f"authentication, {name}"] = t.auth(b"12345678") + packet
        bad[f"both, {name}"] = t.auth(b"12345678") + t.origin(a) + packet
    server.nothing({name: server.say(a, data) for name, data in bad.items()})


def test_tails(server, a, b):
    """S21: up to 128 bytes pass unread and unchanged."""
    for to in server.address(b), t.address(FOREIGN, b):
        for tail in (TRAILERS, t.trailer(0x55, b"whatever"), b"\1", b"\1\xff",
                     b"\x41\0", bytes(128), b"\xff" * 127,
                     t.trailer(0x41, bytes(126))):
            packet = t.bubble(server.address(a), to, trailers=tail)
            out = server.one(a, packet)
            assert out.inner.raw + out.inner.tail == less(packet)
            assert out.inner.tail == tail
        server.nothing({
            f"{n} bytes": server.say(a, t.bubble(
                server.address(a), to, trailers=bytes(n)))
            for n in (129, 130, 256, 1000)})
    packet = t.echo(server.address(a), server.address(b)) + TRAILERS
    assert server.one(a, packet).payload == t.origin(a) + less(packet)


def test_tail_of_echo_stays_out_of_native(server, a):
    """S16, R30: what follows the packet does not reach the IPv6 side."""
    packet = t.echo(server.address(a), NATIVE, data=b"x" * 11)
    out = server.one(a, packet + TRAILERS)
    assert out.raw == less(packet) and not out.tail


def test_hop_limits(server, a, b):
    """S22, Z41: less one on each way; used up at 1; 1.2.6 never counted."""
    for hops in 2, 3, 64, 255:
        for to in server.address(b), t.address(FOREIGN, b):
            for packet in (t.bubble(server.address(a), to, hops),
                           t.echo(server.address(a), to, hops=hops)):
                out = server.one(a, packet)
                assert out.inner.raw == less(packet)
                assert out.inner.hops == hops - 1
        out = server.one(a, t.echo(server.address(a), NATIVE, hops=hops))
        assert out.hops == hops - 1
    server.nothing({
        f"{name}, hop limit {hops}": server.say(a, packet)
        for hops in (0, 1) for name, packet in {
            "foreign": t.bubble(server.address(a), t.address(FOREIGN, b),
                                hops),
            "echo": t.echo(server.address(a), server.address(b), hops=hops),
            "foreign echo": t.echo(server.address(a), t.address(FOREIGN, b),
                                   hops=hops),
            "relay's echo": t.echo(RELAY6, server.address(b), hops=hops),
            "itself": t.bubble(RELAY6, server.address(server.at), hops),
        }.items()})


def test_worn_out_bubbles(server, a, b):
    """S22: those of 1.2.6 have hop limit 0, and reach an own client.

    They cannot come round: what leaves has an origin block and hop limit 0,
    and no server takes it.
    """
    for hops in 0, 1:
        for source in server.address(a), t.ip6(RELAY6), t.ip6("fe80::1"):
            packet = t.bubble(source, server.address(b), hops)
            out = server.one(a, packet)
            assert (out.dst, out.origin, out.inner.hops) == (b, a, 0)
            server.nothing({"again": server.say(a, out.payload),
                            "by the client": server.say(b, out.payload)})


def test_spent_hop_limit_towards_native(server, a):
    """S22, A32: nothing but perhaps a Time Exceeded to the client."""
    for hops in 0, 1:
        for got in server.answers(a, t.echo(server.address(a), NATIVE,
                                            hops=hops)):
            assert isinstance(got, t.Packet6)
            assert (got.kind, got.dst) == (t.TIME_EXCEEDED,
                                           server.address(a))


def test_second_address_takes_solicitations_only(server, a, b):
    """S39: where bubbles and echos go to the second address, nothing."""
    me = server.address(a)
    server.nothing({name: server.say(a, data, server.at2)
                    for name, data in {
                        "bubble": t.bubble(me, server.address(b)),
                        "foreign": t.bubble(me, t.address(FOREIGN, b)),
                        "relay": t.bubble(RELAY6, server.address(b)),
                        "echo": t.echo(me, NATIVE),
                        "echo to us": t.echo(me, server.link_local),
                        "data": t.udp6(me, NATIVE)}.items()})


def test_outer_headers(server, a, b):
    """S38: of each kind of packet, whatever the outer header that came."""
    kinds = [t.solicitation(t.link_local(a)), t.echo(server.address(a),
                                                     server.link_local),
             t.bubble(server.address(a), server.address(b)),
             t.bubble(server.address(a), t.address(FOREIGN, b)),
             t.bubble(RELAY6, server.address(b), trailers=TRAILERS),
             t.ipv6(server.address(a), server.address(b), t.NONE,
                    traffic=0xff, flow=0xfffff),
             t.echo(server.address(a), server.address(b), data=bytes(1232),
                    traffic=3)]
    for packet in kinds:
        for tos in 0, 1, 2, 3, 0xb8:
            out, = server.ask(server.say(a, packet, tos=tos, df=True))
            assert out.good and out.sum, "checksums"
            assert (out.df, out.tos, out.ttl) == (False, 0, 64)


def test_no_checksum_is_fine(server, a, b):
    """S3: UDP without a checksum is legal in IPv4."""
    packet = t.bubble(server.address(a), server.address(b))
    out, = server.ask(server.say(a, packet, checksums=False))
    assert out.payload == t.origin(a) + less(packet)


def test_carries_nothing_from_native_hosts(server, b):
    """S43: a pure server has no relay's work done to it."""
    to = server.address(b)
    for packet in (t.udp6(NATIVE, to, data=b"x"), t.echo(NATIVE, to),
                   t.bubble(NATIVE, to), t.ipv6(NATIVE, to, 6, bytes(20))):
        for got in server.ask(packet):
            assert isinstance(got, t.Packet6), got


def test_data_is_relay_business(server, a):
    """S41: a pure server forwards no data, not even of a known client."""
    server.nothing({"udp": server.say(a, t.udp6(server.address(a), NATIVE))})


def test_whole_module(server):
    """Z3, Z4: what all of the above made the server send.

    Towards native hosts only what a client sent by its own tuple; and never
    more than one packet for one, nor twice its size.
    """
    for packets, got in server.history:
        assert len(got) <= len(packets)
        for out in got:
            if isinstance(out, t.Datagram):
                assert len(packets) > 1 or out.size <= 2 * len(packets[0])
                continue
            if out.kind in (t.UNREACHABLE, t.TIME_EXCEEDED):
                continue            # the kernel's, about native packets
            asked = t.Datagram(packets[0])
            assert out.src[:4] == b"\x20\x01\0\0"
            assert t.mapped(out.src) == asked.src
            assert out.kind in (t.ECHO_REQUEST, t.ECHO_REPLY)
    assert len(server.history) > 5
