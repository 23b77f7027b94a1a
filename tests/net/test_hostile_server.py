# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on a server: loops, forgeries, garbage; all of it in silence.

That no case makes it log or die is checked by the fixture at the end.
"""

import random

import pytest

import packets as t
import tap
from tap import NATIVE, less

RELAY6 = "2001:db8:5::1"
FOREIGN = "11.77.0.1"
SEED = 20040626


@pytest.fixture(scope="module")
def server(lab):
    with tap.server(lab) as tapped:
        yield tapped


@pytest.fixture
def a(server):
    return server.client()


def own_tuples(server):
    """By which names the server itself could be reached."""
    return [server.at, server.at2, (server.first, 9), (server.second, 1),
            ("127.0.0.1", t.PORT), ("127.0.0.2", t.PORT),
            ("0.0.0.0", t.PORT), ("9.0.0.255", t.PORT),
            ("255.255.255.255", t.PORT)]


def test_loop_by_native_source(server, a):
    """Z32, L1: the packet of MTFL-SA-0603 and its relatives."""
    bad = {}
    for at in own_tuples(server):
        for flags in 0, t.CONE, 0x3cff:
            for source in RELAY6, "fe80::1":
                bad[f"{source} to {at} {flags:x}"] = server.say(
                    a, t.bubble(source, server.address(at, flags)))
            bad[f"echo to {at} {flags:x}"] = server.say(
                a, t.echo(RELAY6, server.address(at, flags)))
    server.nothing(bad)


def test_loop_by_client(server, a):
    """Z32, Z8: the same by a client of ours or of others."""
    bad = {}
    for at in own_tuples(server):
        for of in server.first, server.second, FOREIGN:
            bad[f"to {at} of {of}"] = server.say(
                a, t.bubble(server.address(a), t.address(of, at)))
            bad[f"echo to {at} of {of}"] = server.say(
                a, t.echo(server.address(a), t.address(of, at)))
    server.nothing(bad)


def test_own_outer_source(server):
    """Z33, Z9, L2: in the name of the server itself, whatever is inside."""
    bad = {}
    for at in own_tuples(server):
        for to in server.at, server.at2:
            me = server.address(at)
            for name, inner in {
                    "itself": t.bubble(me, me),
                    "first": t.bubble(me, server.address(server.at)),
                    "first, as first": t.bubble(server.address(server.at),
                                                server.address(server.at)),
                    "client": t.bubble(me, server.address(("11.70.0.1", 7))),
                    "relay": t.bubble(RELAY6, server.address(
                        ("11.70.0.1", 7))),
                    "solicitation": t.solicitation(t.link_local(at)),
                    "cone": t.solicitation(t.link_local(at, t.CONE)),
                    "native": t.echo(me, NATIVE),
                    "echo to itself": t.echo(me, server.link_local)}.items():
                bad[f"{name}, from {at} to {to}"] = server.say(at, inner, to)
    server.nothing(bad)


def test_own_inner_source(server, a):
    """Z9: our own native address comes from nowhere else."""
    server.nothing({name: server.say(a, data) for name, data in {
        "bubble": t.bubble(server.host.ip6, server.address(a)),
        "echo": t.echo(server.host.ip6, server.address(a)),
        "echo to native": t.echo(server.host.ip6, NATIVE)}.items()})


def test_other_tunnels_of_this_host(server, a):
    """Z37, Z38, L6, L7: 6to4 and ISATAP of our own IPv4 addresses."""
    bad = {}
    for ip in server.first, server.second:
        word = t.ip4(ip).hex()
        for address in (f"2002:{word[:4]}:{word[4:]}::1",
                        f"2001:db8:9::5efe:{word[:4]}:{word[4:]}",
                        f"2001:db8:9::200:5efe:{word[:4]}:{word[4:]}"):
            bad[f"to {address}"] = server.say(
                a, t.echo(server.address(a), address))
            bad[f"from {address}"] = server.say(
                a, t.bubble(address, server.address(a)))
    server.nothing(bad)
    packet = t.echo(server.address(a), "2002:b00:1::1")
    assert server.one(a, packet).raw == less(packet)


def test_routing_headers(server, a):
    """Z25: servers forward nothing behind an extension header."""
    me, to = server.address(a), server.address(server.client())
    bad = {}
    for kind in 0, 2, 3, 4, 253:
        for where, dst in (("client", to), ("native", NATIVE),
                           ("us", server.link_local)):
            for left in 0, 1:
                bad[f"type {kind}, {left} left, to {where}"] = server.say(
                    a, t.ipv6(me, dst, 43, t.routing(
                        kind, t.echo(me, dst)[40:], t.ICMPV6, left)))
    server.nothing(bad)


def test_replayed_bubbles(server, a):
    """Z4: 300 bubbles, 300 bubbles; never an answer of our own."""
    b = server.client()
    packet = t.bubble(server.address(a), server.address(b))
    got = server.ask(*[server.say(a, packet)] * 300)
    assert len(got) == 300 and {p.dst for p in got} == {b}


def test_no_answer_is_answered(server, a):
    """Z4, S4: advertisements and replies that come back end here."""
    answer = server.one(a, t.solicitation(t.link_local(a)))
    reply = server.one(a, t.echo(server.address(a), server.link_local))
    server.nothing({
        "advertisement": server.say(a, answer.payload),
        "without origin": server.say(a, answer.inner.raw),
        "from ourselves": server.say(server.at, answer.payload),
        "reply": server.say(a, reply.payload),
        "reply, without origin": server.say(a, reply.inner.raw)})


def test_oversized(server, a):
    """S3, S21: datagrams larger than any Teredo packet, in fragments."""
    me, to = server.address(a), server.address(server.client())
    for size in 1473, 2000, 9000, 40000, 65000:
        for name, inner in {
                "bubble and tail": t.bubble(me, to, trailers=bytes(
                    size - 40)),
                "echo": t.echo(me, to, data=bytes(size - 48)),
                "echo to us": t.echo(me, server.link_local,
                                     data=bytes(size - 48)),
                "echo to native": t.echo(me, NATIVE, data=bytes(size - 48)),
                "identifier": t.auth(bytes(8), b"x" * 255, b"y" * 255)
                + bytes(size - 523), "zeros": bytes(size)}.items():
            server.nothing({f"{name} of {size}": t.fragments(
                server.say(a, inner))})


def test_fragments(server, a):
    """S3: a datagram in pieces is a datagram."""
    b = server.client()
    packet = t.bubble(server.address(a), server.address(b))
    out, = server.ask(*t.fragments(server.say(a, packet), 24))
    assert out.payload == t.origin(a) + less(packet)


def test_forged_icmp(server, a):
    """Z30: errors about what it sent do not confuse it."""
    for code in range(16):
        out = server.one(a, t.solicitation(t.link_local(a)))
        assert not server.ask(t.port_unreachable(out.raw, a[0], code))
    for to in server.at, server.at2:
        assert server.answers(a, t.solicitation(t.link_local(a)), to)


def test_empty_datagrams(server, a):
    """S3: a thousand of them."""
    assert not server.ask(*[server.say(a, b"")] * 1000)


def originals(server, a, b):
    """What the garbage is made of."""
    me, to = server.address(a), server.address(b)
    rs = t.solicitation(t.link_local(a), options=bytes([253, 1]) + bytes(6))
    return [rs, t.auth(b"12345678") + rs,
            t.auth(b"12345678", b"alice", bytes(20)) + rs,
            t.bubble(me, to, trailers=t.nonce_trailer(b"1234")
                     + t.trailer(t.ALTERNATE, bytes(14))),
            t.bubble(RELAY6, to), t.echo(me, NATIVE, data=b"x" * 20),
            t.echo(me, to), t.echo(me, server.link_local),
            t.origin(a) + t.bubble(me, to), t.udp6(me, NATIVE),
            t.ipv6(me, NATIVE, 43, t.routing(0, t.echo(me, NATIVE)[40:],
                                             t.ICMPV6))]


def test_garbage(server):
    """S3, Z3, Z4, Z24: 20 000 broken datagrams, by a fixed seed.

    What happens to be valid is treated as such; nothing worse comes out.
    """
    rng = random.Random(SEED)
    for batch in range(100):
        a, b = server.client(), server.client()
        seeds = originals(server, a, b)
        asked = [server.say(a, t.mutate(rng, rng.choice(seeds))[:1472],
                            rng.choice((server.at, server.at, server.at2)))
                 for _ in range(200)]
        got = server.ask(*asked)
        assert len(got) <= len(asked)
        for out in got:
            check_output(server, a, out)
    assert server.one(a, t.solicitation(t.link_local(a)))


def check_output(server, a, out):
    """Is this all right, caused by garbage of that client?"""
    if isinstance(out, t.Packet6):
        assert t.mapped(out.src) == a and out.src[:4] == b"\x20\x01\0\0"
        assert out.kind in (t.ECHO_REQUEST, t.ECHO_REPLY), out
        return
    assert isinstance(out, t.Datagram) and out.good and not out.df, out
    assert out.src in (server.at, server.at2)
    if out.inner.kind in (t.ADVERTISEMENT, t.ECHO_REPLY) \
            and out.inner.src == server.link_local:
        assert out.dst == a
        return
    assert out.dst == t.mapped(out.inner.dst), out
    assert out.inner.is_bubble or out.inner.kind in (
        t.ECHO_REQUEST, t.ECHO_REPLY), out
    assert len(out.inner.tail) <= 128 and 0 < out.inner.hops < 255
    assert out.origin in (None, a)


def test_random_datagrams(server):
    """S3: 5000 of noise, by a fixed seed, from everywhere."""
    rng = random.Random(SEED + 1)
    for _ in range(25):
        server.ask(*(server.say(server.client(), rng.randbytes(
            rng.randrange(0, 1472))) for _ in range(200)))


def test_reasons_are_counted(server):
    """Z30, S3: each kind of drop has its name, and nothing is unexplained."""
    counted = server.counters()
    for name in ("advertised", "echo-answered", "to-ipv4", "to-ipv6",
                 "truncated", "bad-block", "bad-version",
                 "source-not-global", "source-own", "target-own",
                 "target-not-global", "forged-block", "not-relayed",
                 "secondary", "mismatch", "bad-source", "loop"):
        assert counted.get(name), f"{name} in {counted}"
