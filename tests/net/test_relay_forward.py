# SPDX-License-Identifier: GPL-2.0-or-later
"""A relay as it comes: bubbles, trust, and packets both ways."""

import struct

import pytest

import packets as t
import tap
from tap import less


@pytest.fixture(scope="module")
def relay(lab):
    with tap.relay(lab) as tapped:
        yield tapped


def many(relay, name, ips, server=None, port=5000):
    """Native packets towards clients at those addresses, as stimuli."""
    return {f"{name} {ip}": t.udp6(
        relay.native(), t.address(server or relay.SERVER, (ip, port)),
        data=b"x") for ip in ips}


def peers(relay):
    """How many entries its table has."""
    counted = relay.counters()
    return sum(counted[roll] for roll in ("proven", "probing", "failed"))


def test_one_tuple_for_all(relay):
    """R1: a hundred clients see the same sender, and so do their servers."""
    sources = set()
    for n in range(100):
        at = relay.client()
        _, bubble = relay.hello(at, server=f"12.9.8.{n + 1}")
        sources.add(bubble.src)
        got = relay.ask(relay.say(at, t.bubble(
            relay.address(at, server=f"12.9.8.{n + 1}"), relay.source)))
        sources |= {p.src for p in got}
        assert len(got) == 1
    assert sources == {relay.at}
    assert relay.at[0] == relay.host.ip4


def test_attracts_the_prefix(relay):
    """R2: the route and the interface are there; MTU 1280."""
    shown = relay.host.run(["ip", "-6", "route", "show", "dev", "teredo"])
    assert any(line.split()[0] in ("2001::/32", "2001:0::/32")
               for line in shown.stdout.splitlines()), shown.stdout
    link = relay.host.run(["ip", "link", "show", "dev", "teredo"]).stdout
    assert "mtu 1280" in link and "UP" in link
    # No address of its own, so the kernel has nothing to say there.
    shown = relay.host.run(["ip", "-6", "address", "show", "dev", "teredo"])
    assert "inet6" not in shown.stdout


def test_only_teredo_destinations(lab, relay):
    """R3: code 0 for what is sent into the interface by mistake."""
    lab.relay.ip("route add 2001:1::/48 dev teredo",
                 "route add 2001:db8:66::/48 dev teredo")
    for to in "2001:1::1", "2001:db8:66::1":
        source = relay.native()
        packet = t.udp6(source, to, data=b"lost")
        error, = relay.ask(packet)
        assert isinstance(error, t.Packet6) and error.good
        assert (error.kind, error.code) == (t.UNREACHABLE, 0)
        assert error.dst == source
        assert error.payload[8:] == less(packet)


def test_refused_clients(relay):
    """R4, Z1, Z30: the embedded address of each range, and port 0; no error.

    192.88.99.0/24 and directed broadcasts were let pass by 1.2.6.
    """
    refused = t.REFUSED + ["9.0.1.0", "9.0.1.255"]
    before = peers(relay)
    relay.nothing(many(relay, "client", refused))
    relay.nothing({"port 0": t.udp6(relay.native(), relay.address(
        ("11.70.0.1", 0)))})
    relay.nothing({f"icmp for {ip}": t.echo(
        relay.native(), relay.address((ip, 9))) for ip in refused})
    assert peers(relay) <= before


def test_refused_servers(relay):
    """R8, Z1, Z30: the server field of each range, 0 and our own."""
    before = peers(relay)
    relay.nothing({
        f"server {ip}": t.udp6(relay.native(), t.address(ip, relay.client()))
        for ip in t.REFUSED + ["9.0.1.0", "9.0.1.255", relay.host.ip4]})
    assert peers(relay) <= before


def test_neighbours_of_the_ranges(relay):
    """R4, R8: what is just outside is served, as client and as server."""
    for ip in t.NEIGHBOURS:
        _, bubble = relay.hello((ip, 4001))
        assert bubble.dst == (relay.SERVER, t.PORT)
        _, bubble = relay.hello(relay.client(), server=ip)
        assert bubble.dst == (ip, t.PORT)


def test_direct_once_trusted(relay):
    """R5, R27: data at once, and nothing else."""
    at = relay.befriend()
    for _ in range(5):
        packet = t.udp6(relay.native(), relay.address(at), data=b"data")
        out, = relay.ask(packet)
        assert (out.src, out.dst) == (relay.at, at)
        assert out.payload == less(packet)


def test_each_client_is_its_own(relay):
    """R5, Z13: all 128 bits count; flags and server make another client."""
    at = relay.befriend()
    for flags, server in ((1, None), (t.CONE, None), (0x3cff, None),
                          (0, "12.9.9.8")):
        _, bubble = relay.hello(at, flags, server)
        assert bubble.inner.dst == relay.address(at, flags, server)


@pytest.mark.parametrize("flags", [0, 0x3cff, t.CONE, 0xffff])
def test_procedure_begins_with_one_bubble(relay, flags):
    """R6, R7, R32, Z20: whatever the cone bit says; never data first."""
    at = relay.client()
    _, bubble = relay.hello(at, flags)
    assert bubble.dst == (relay.SERVER, t.PORT) and bubble.src == relay.at
    assert bubble.payload[0] == 0x60 and bubble.auth is bubble.origin is None
    inner = bubble.inner
    assert inner.dst == relay.address(at, flags)
    # In the relay's /64; the rest is a cookie for this client (R32).
    assert inner.src[:8] == t.ip6(relay.host.ip6)[:8]
    assert inner.src != relay.source
    assert (inner.next, inner.length, inner.hops) == (t.NONE, 0, 64)
    assert (inner.traffic, inner.flow) == (0, 0)
    assert inner.tail[:2] == b"\1\4" and len(inner.tail) == 6
    assert inner.tail[2:] != bytes(4)


def test_nonces_differ(relay):
    """R32, Z14: a new one in each bubble, and another source address."""
    bubbles = [relay.hello(relay.client())[1].inner for _ in range(50)]
    assert len({inner.tail for inner in bubbles}) == 50
    assert len({inner.src for inner in bubbles}) == 50


def test_more_packets_cause_no_more_bubbles(relay):
    """R7, R21: while one is out."""
    at = relay.client()
    relay.hello(at)
    packets = [t.udp6(relay.native(), relay.address(at), data=b"more")] * 50
    assert not relay.ask(*packets)


def test_queue_is_in_order(relay):
    """R11, R12: three packets wait; 1.2.6 gave them out backwards."""
    at = relay.client()
    source = relay.native()
    packets = [t.udp6(source, relay.address(at), data=b"%d" % n)
               for n in range(3)]
    assert len(relay.ask(*packets)) == 1
    got = relay.ask(relay.say(at, t.bubble(relay.address(at), relay.source)))
    assert [p.payload for p in got] == [less(p) for p in packets]
    assert {p.dst for p in got} == {at}


def test_queue_keeps_the_newest(relay):
    """R13: eight of a hundred; overflow is silent."""
    at = relay.client()
    source = relay.native()
    packets = [t.udp6(source, relay.address(at), data=b"%d" % n)
               for n in range(100)]
    assert len(relay.ask(*packets)) == 1
    got = relay.ask(relay.say(at, t.bubble(relay.address(at), relay.source)))
    assert [p.payload for p in got] == [less(p) for p in packets[-8:]]


def test_any_packet_proves_a_client(relay):
    """R18: data instead of a bubble releases the queue and is delivered."""
    at = relay.client()
    packet, _ = relay.hello(at)
    native = relay.native()
    data = t.udp6(relay.address(at), native, data=b"first word")
    got = relay.ask(relay.say(at, data))
    assert {type(p) for p in got} == {t.Datagram, t.Packet6} and len(got) == 2
    for out in got:
        assert out.payload == less(packet) if isinstance(out, t.Datagram) \
            else out.raw == less(data)


def test_malformed(relay):
    """R15, S3: cut, wrong version, blocks; from a client that is known."""
    at = relay.befriend()
    me = relay.address(at)
    good = t.udp6(me, relay.native(), data=b"12345678")
    bubble = t.bubble(me, relay.source)
    bad = {f"cut to {n}": good[:n] for n in (0, 1, 8, 39, 40, len(good) - 1)}
    bad.update({
        "version 4": b"\x45" + good[1:], "version 7": b"\x70" + good[1:],
        "origin": t.origin(at) + good, "origin of others": t.origin(
            ("11.1.1.1", 1)) + good,
        "authentication": t.auth(b"12345678") + good,
        "both": t.auth(b"12345678") + t.origin(at) + good,
        "unknown block": b"\0\2" + good,
        "length too long": good[:4] + b"\xff\xff" + good[6:],
        "solicitation": t.solicitation(t.link_local(at)),
        "advertisement": t.origin(at) + t.icmpv6(
            t.link_local(("12.9.9.9", 3544), t.CONE), t.link_local(at),
            t.ADVERTISEMENT, hops=255, body=bytes(12)),
    })
    relay.nothing({name: relay.say(at, data) for name, data in bad.items()})
    # A block in front of the bubble proves nothing either.
    other = relay.client()
    relay.hello(other)
    bubble = t.bubble(relay.address(other), relay.source)
    relay.nothing({"origin": relay.say(other, t.origin(other) + bubble),
                   "auth": relay.say(other, t.auth(b"12345678") + bubble)})
    assert relay.ask(relay.say(other, bubble))


def test_inner_source_must_match(relay):
    """R16, Z13, Z18: silent, and the queue stays closed."""
    at = relay.client()
    packet, _ = relay.hello(at)
    ip, port = at
    me, to = relay.address(at), relay.native()
    octets = ip.split(".")
    neighbour = ".".join(octets[:3] + [str(int(octets[3]) ^ 1)])
    bad = {}
    for name, inner in (("bubble", t.bubble(me, relay.source)),
                        ("data", t.udp6(me, to))):
        for where in ((ip, port + 1), (ip, port - 1), (ip, port ^ 0xffff),
                      (neighbour, port), ("75.1.1.1", port)):
            bad[f"{name} from {where}"] = relay.say(where, inner)
    for source in ("2001:db8:5::1", "fe80::1", "::", "::1", "ff02::1",
                   "::ffff:11.0.0.1", "2002:b00:1::1", "fd00::1",
                   "2001:1::1", t.link_local(at)):
        bad[f"data of {t.text6(t.ip6(source))}"] = relay.say(
            at, t.udp6(source, to))
        bad[f"bubble of {t.text6(t.ip6(source))}"] = relay.say(
            at, t.bubble(source, relay.source))
    for flags, server in ((1, None), (t.CONE, None), (0, "12.1.1.1")):
        other = relay.address(at, flags, server)
        bad[f"other flags {flags} server {server}"] = relay.say(
            at, t.bubble(other, relay.source))
    relay.nothing(bad)
    got = relay.ask(relay.say(at, t.bubble(me, relay.source)))
    assert [p.payload for p in got] == [less(packet)]


def test_wrong_tuple_does_not_move_a_client(relay):
    """R16, Z13: where it was proven, there it is sent to."""
    at = relay.befriend()
    relay.nothing({"forged": relay.say(("11.99.9.9", 9), t.bubble(
        relay.address(at), relay.source)), "port": relay.say(
        (at[0], at[1] + 1), t.bubble(relay.address(at), relay.source))})
    assert relay.known(at)


def test_strangers_are_dropped(relay):
    """R17: a client nobody has called may not use it."""
    at = relay.client()
    relay.nothing({
        "data": relay.say(at, t.udp6(relay.address(at), relay.native())),
        "echo": relay.say(at, t.echo(relay.address(at), relay.native())),
        "bubble": relay.say(at, t.bubble(relay.address(at), relay.source)),
    })
    _, bubble = relay.hello(at)         # and did not become known by it
    assert bubble.inner.is_bubble


def test_scope_of_destinations(relay):
    """R19, S15: a client's packet goes to a global address or nowhere."""
    at = relay.befriend()
    me = relay.address(at)
    relay.nothing({f"{name} to {to}": relay.say(at, packet)
                   for to in ("ff02::1", "ff02::2", "ff05::2", "ff0e::1",
                              "fe80::1", "fec0::1", "fd00::1", "fc00::1",
                              "::1", "::", "::ffff:9.9.9.9", "::9.9.9.9",
                              "64:ff9b::909:909", "4000::1")
                   for name, packet in (("data", t.udp6(me, to)),
                                        ("echo", t.echo(me, to)))})


def test_bubbles_end_here(relay):
    """R20: whatever their destination."""
    at = relay.befriend()
    me = relay.address(at)
    relay.nothing({t.text6(t.ip6(to)): relay.say(at, t.bubble(me, to))
                   for to in (relay.native(), relay.source, "ff02::1", "::",
                              relay.address(relay.client()))})


def test_packet_too_big(relay):
    """R23: 1281 bytes do not pass, 1280 do."""
    at = relay.befriend()
    for size in 1281, 1400, 1500:
        source = relay.native()
        error, = relay.ask(t.sized(source, relay.address(at), size))
        assert (error.kind, error.code) == (t.TOO_BIG, 0) and error.good
        assert struct.unpack("!I", error.payload[4:8]) == (1280,)
        assert error.dst == source and len(error.raw) <= 1280
    packet = t.sized(relay.native(), relay.address(at), 1280)
    out, = relay.ask(packet)
    assert out.payload == less(packet)
    # Nor does a client that is not known cost a bubble for it.
    error, = relay.ask(t.sized(relay.native(), relay.address(
        relay.client()), 1281))
    assert error.kind == t.TOO_BIG


def test_hop_limits(relay):
    """R26, Z41: less one either way; used up, Time Exceeded."""
    at = relay.befriend()
    me = relay.address(at)
    for hops in 2, 64, 255:
        packet = t.udp6(relay.native(), me, hops=hops)
        out, = relay.ask(packet)
        assert out.inner.hops == hops - 1
        # Two would be used up at the next router, which would say so.
        packet = t.udp6(me, relay.native(), hops=max(hops, 3))
        out, = relay.ask(relay.say(at, packet))
        assert out.hops == max(hops, 3) - 1
    for hops in 0, 1:
        source = relay.native()
        error, = relay.ask(t.udp6(source, me, hops=hops))
        assert (error.kind, error.code) == (t.TIME_EXCEEDED, 0)
        assert error.dst == source
        got = relay.ask(relay.say(at, t.udp6(me, relay.native(), hops=hops)))
        assert not [p for p in got if isinstance(p, t.Packet6)]
        assert all(p.inner.kind == t.TIME_EXCEEDED for p in got)


def test_all_sizes_both_ways(relay):
    """R27: nothing but the hop limit changes."""
    at = relay.befriend()
    me = relay.address(at)
    for size in [*range(40, 130), *range(200, 1280, 97), *range(1270, 1281)]:
        source = relay.native()
        packet = t.sized(source, me, size)
        out, = relay.ask(packet)
        assert out.payload == less(packet), size
        assert len(out.payload) == size
        packet = t.sized(me, source, size)
        out, = relay.ask(relay.say(at, packet))
        assert out.raw == less(packet) and not out.tail, size


def test_inner_headers_stay(relay):
    """R27, A39: traffic class and flow label; extension headers too."""
    at = relay.befriend()
    me = relay.address(at)
    for packet in (
            t.udp6(relay.native(), me, traffic=0xfe, flow=0xabcde),
            t.ipv6(relay.native(), me, 60, bytes([17, 0, 1, 4, 0, 0, 0, 0])
                   + t.udp6(relay.native(), me)[40:]),
            t.ipv6(relay.native(), me, 44, bytes([17, 0, 0, 1, 0, 0, 0, 7])
                   + bytes(40)),
            t.ipv6(relay.native(), me, 253, b"unknown protocol")):
        out, = relay.ask(packet)
        assert out.payload == less(packet)
        back = packet[:8] + me + t.ip6(relay.native()) + packet[40:]
        out, = relay.ask(relay.say(at, back))
        assert out.raw == less(back)


def test_outer_headers(relay):
    """R27: DF clear, checksum, TOS and ECN 0, usual TTL."""
    at = relay.client()
    packets = [relay.hello(at)[1]]
    packets += relay.ask(relay.say(at, t.bubble(relay.address(at),
                                                relay.source)))
    for traffic in 0, 1, 2, 3, 0xfc, 0xff:
        packets += relay.ask(t.udp6(relay.native(), relay.address(at),
                                    traffic=traffic, data=bytes(traffic)))
    assert len(packets) == 8
    for out in packets:
        assert out.good and out.sum, "checksums"
        assert (out.df, out.tos, out.ttl) == (False, 0, 64)


def test_congestion_marks(relay):
    """A39: the table of RFC 6040 on the way in."""
    at = relay.befriend()
    me = relay.address(at)
    for outer in range(4):
        for inner in range(4):
            packet = t.udp6(me, relay.native(), traffic=inner | 0x50)
            got = relay.ask(relay.say(at, packet, tos=outer | 0x28))
            if outer == 3 and inner == 0:
                assert not got
                continue
            expected = 3 if outer == 3 else 1 if (outer, inner) == (1, 2) \
                else inner
            assert [p.traffic for p in got] == [expected | 0x50]


def test_tails_are_cut(relay):
    """R30: trailers do not reach the native side."""
    at = relay.befriend()
    for tail in (t.nonce_trailer(b"abcd"), b"\0", b"\1\4", bytes(200),
                 t.trailer(0x55, b"x" * 9)):
        packet = t.udp6(relay.address(at), relay.native(), data=b"data")
        relay.delivered()
        out, = relay.ask(relay.say(at, packet + tail))
        assert out.raw == less(packet) and not out.tail
        assert [p.data for p in relay.delivered()] == [packet]


def test_nonce_of_a_symmetric_nat(relay):
    """R32, A14, Z14: from another port with the nonce, and with that only."""
    at = relay.client()
    packet, bubble = relay.hello(at)
    me, nonce = relay.address(at), bubble.inner.tail[2:]
    seen = (at[0], 61001)
    wrong = bytes([nonce[0] ^ 1]) + nonce[1:]

    def answer(trailers, where=seen, source=me):
        return relay.say(where, t.bubble(source, relay.source,
                                         trailers=trailers))

    relay.nothing({
        "no nonce": answer(b""), "wrong": answer(t.nonce_trailer(wrong)),
        "last bit": answer(t.nonce_trailer(
            nonce[:3] + bytes([nonce[3] ^ 1]))),
        "zero": answer(t.nonce_trailer(bytes(4))),
        "short": answer(t.trailer(1, nonce[:3])),
        "long": answer(t.trailer(1, nonce + b"\0")),
        "cut": answer(t.nonce_trailer(nonce)[:-1]),
        "other type": answer(t.trailer(2, nonce)),
        "second": answer(t.nonce_trailer(wrong) + t.nonce_trailer(nonce)),
        "other address": answer(t.nonce_trailer(nonce), ("11.99.8.8", 61001)),
        "other client": answer(t.nonce_trailer(nonce), source=relay.address(
            at, 5)),
        "must drop": answer(t.trailer(0x41, b"") + t.nonce_trailer(nonce)),
        "data": relay.say(seen, t.udp6(me, relay.native())
                          + t.nonce_trailer(nonce)),
    })
    got = relay.ask(answer(t.trailer(0x85, b"?") + t.nonce_trailer(nonce)))
    assert [(p.dst, p.payload) for p in got] == [(seen, less(packet))]
    # From now on it lives there.
    down = t.udp6(relay.native(), me, data=b"down")
    assert [p.dst for p in relay.ask(down)] == [seen]
    up = t.udp6(me, relay.native(), data=b"up")
    assert [p.raw for p in relay.ask(relay.say(seen, up))] == [less(up)]
    relay.nothing({"third port": relay.say((at[0], 61002), up)})


def test_cookie_of_a_symmetric_nat(relay):
    """R32, A14, Z14: 1.2.6 knows no nonce, but answers to the address the
    bubble came from; that is a cookie for one client."""
    at, other = relay.client(), relay.client()
    packet, bubble = relay.hello(at)
    me, cookie = relay.address(at), bubble.inner.src
    foreign = relay.hello(other)[1].inner.src
    seen = (at[0], 61003)
    relay.nothing({name: relay.say(where, t.bubble(me, to, trailers=tail))
                   for name, where, to, tail in [
        ("plain address", seen, relay.host.ip6, b""),
        ("another's", seen, foreign, b""),
        ("last bit", seen, cookie[:15] + bytes([cookie[15] ^ 1]), b""),
        ("first bit", seen, cookie[:8] + bytes([cookie[8] ^ 128])
         + cookie[9:], b""),
        ("other prefix", seen, cookie[:7] + b"\xff" + cookie[8:], b""),
        ("other address", ("11.99.8.7", 61003), cookie, b""),
        ("must drop", seen, cookie, t.trailer(0x41, b""))]})
    relay.nothing({
        "data": relay.say(seen, t.udp6(me, cookie)),
        "echo": relay.say(seen, t.echo(me, cookie)),
        "of another": relay.say((other[0], 61003), t.bubble(
            relay.address(other), cookie))})
    got = relay.ask(relay.say(seen, t.bubble(me, cookie)))
    assert [(p.dst, p.payload) for p in got] == [(seen, less(packet))]


def test_icmp_errors_reach_clients(relay):
    """R25, R5: an error about a client's packet is a packet like others."""
    at = relay.befriend()
    inside = t.udp6(relay.address(at), relay.native())
    packet = t.icmpv6(relay.native(), relay.address(at), t.UNREACHABLE, 4,
                      bytes(4) + inside)
    out, = relay.ask(packet)
    assert out.payload == less(packet)


def test_whole_module(relay):
    """Z5, R27: all of the above caused no more than was sent."""
    for packets, got in relay.history:
        for out in got:
            if isinstance(out, t.Datagram):
                assert out.good and not out.df and not out.tos
                assert out.src == relay.at
    assert len(relay.history) > 3
