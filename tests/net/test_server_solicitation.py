# SPDX-License-Identifier: GPL-2.0-or-later
"""Solicitations and advertisements of a server, byte by byte."""

import struct
import time

import pytest

import packets as t
import tap

HOST = ("192.168.1.5", 50000)       # what a client calls itself


@pytest.fixture(scope="module")
def server(lab):
    with tap.server(lab) as tapped:
        yield tapped


def advertisement(server, at, source):
    """The datagram that RFC 4380 asks for, without any authentication."""
    return t.origin(at) + t.icmpv6(
        server.link_local, source, t.ADVERTISEMENT, 0,
        bytes(12)
        + bytes([3, 4, 64, 0x40]) + b"\xff" * 8 + bytes(4)
        + b"\x20\x01\0\0" + t.ip4(server.first) + bytes(8)
        + bytes([5, 1, 0, 0]) + struct.pack("!I", 1280), 255)


def own(flags=0):
    """The link-local address of a client, with these flags."""
    return t.link_local(HOST, flags)


def test_both_addresses_answer(server):
    """S1, S6, S29: exactly one advertisement each, from where it was asked."""
    for to in server.at, server.at2:
        at = server.client()
        answer = server.one(at, t.solicitation(own()), to)
        assert (answer.src, answer.dst) == (to, at)
        assert answer.origin == at
        assert answer.inner.kind == t.ADVERTISEMENT


def test_advertisement_is_the_vector(server):
    """S24, S25, S26, S31, S36, S37: all 104 bytes."""
    for flags in 0, 0x1467, 0x3cff, t.CONE, 0xbcff, 0xffff:
        for to in server.at, server.at2:
            at = server.client()
            answer = server.one(at, t.solicitation(own(flags)), to)
            assert answer.payload == advertisement(server, at, own(flags))
            kinds = [kind for kind, _ in
                     t.options(answer.inner.payload[16:])]
            assert kinds.count(3) == kinds.count(5) == 1


def test_prefix_is_that_of_the_first_address(server):
    """S23: also in answers from or at the second address."""
    for to, flags in ((server.at, 0), (server.at2, 0), (server.at, t.CONE),
                      (server.at2, t.CONE)):
        answer = server.one(server.client(), t.solicitation(own(flags)), to)
        prefix = dict(t.options(answer.inner.payload[16:]))[3]
        assert prefix[16:] == b"\x20\x01\0\0" + t.ip4(server.first) + bytes(8)
        assert answer.inner.src == server.link_local


@pytest.mark.parametrize("flags, cone", [
    (0x0000, False), (0x3cff, False), (0x7fff, False), (0x4000, False),
    (0x0300, False), (0x8000, True), (0xbcff, True), (0xffff, True)],
    ids=hex)
def test_doors(server, flags, cone):
    """S28, S29, S30: the cone bit, and no other, picks the other address."""
    for to, other in ((server.at, server.at2), (server.at2, server.at)):
        at = server.client()
        answer = server.one(at, t.solicitation(own(flags)), to)
        assert answer.src == (other if cone else to)
        assert answer.dst == at


def test_only_the_outer_source_counts(server):
    """S27, S6: whatever tuple stands in the solicitation itself."""
    for inside in ("11.99.9.9", 4000), ("9.0.0.2", 3544), ("0.0.0.0", 0):
        at = server.client()
        answer = server.one(at, t.solicitation(t.link_local(inside)))
        assert (answer.src, answer.dst, answer.origin) == (server.at, at, at)


def icmp_length(source, length):
    """A solicitation whose ICMPv6 message has only so many bytes."""
    whole = t.icmpv6(source, t.ALL_ROUTERS, t.SOLICITATION, hops=255,
                     body=bytes(max(0, length - 4)))
    return whole[:4] + struct.pack("!H", length) + whole[6:40 + length]


def test_invalid_solicitations(server):
    """S8: the checks of RFC 4861 6.1.1; 1.2.6 made none of them."""
    me = own()
    rs = {
        "hop limit 254": t.solicitation(me, hops=254),
        "hop limit 64": t.solicitation(me, hops=64),
        "hop limit 0": t.solicitation(me, hops=0),
        "checksum + 1": t.solicitation(me, wrong=1),
        "checksum of something else": t.solicitation(me)[:42] + b"\0\0"
        + t.solicitation(me)[44:],
        "code 1": t.solicitation(me, code=1),
        "length 4": icmp_length(me, 4),
        "length 7": icmp_length(me, 7),
        "option of length 0": t.solicitation(
            me, options=bytes([1, 0]) + bytes(6)),
        "second option of length 0": t.solicitation(
            me, options=bytes([253, 1]) + bytes(6) + bytes(8)),
        "option beyond the end": t.solicitation(
            me, options=bytes([253, 2]) + bytes(6)),
    }
    for to in server.at, server.at2:
        server.nothing({name: server.say(server.client(), packet, to)
                        for name, packet in rs.items()})


def test_odd_but_valid_solicitations(server):
    """S8: reserved bits and unknown options are ignored."""
    for packet in (t.solicitation(own(), reserved=0xffffffff),
                   t.solicitation(own(), options=bytes([253, 1]) + bytes(6)),
                   t.solicitation(own(), options=bytes([1, 1]) + bytes(6)
                                  + bytes([200, 3]) + bytes(22)),
                   t.solicitation(own()) + t.trailer(0x55, b"tail")):
        at = server.client()
        answer = server.one(at, packet)
        assert answer.payload == advertisement(server, at, own())


def test_scopes_of_solicitations(server):
    """S9, A18: nothing but link-local to all routers."""
    teredo = t.address(server.first, ("11.98.1.1", 9999))
    server.nothing({
        f"{t.text6(src)} to {t.text6(dst)}": server.say(
            at, t.solicitation(src, dst))
        for at in [("11.98.1.1", 9999)] for src, dst in [
            (t.ip6("::"), t.ALL_ROUTERS), (own(), t.ip6("ff02::1")),
            (own(), server.link_local), (teredo, t.ALL_ROUTERS),
            (t.ip6("2001:db8::1"), t.ALL_ROUTERS),
            (t.ip6("::1"), t.ALL_ROUTERS), (own(), t.ip6("ff05::2")),
            (own(), t.ip6("ff0e::2")), (teredo, server.link_local),
            (own(), t.ip6("2001:db8::1")), (own(), t.ip6("fe80::1")),
            (t.ip6("ff02::1"), t.ALL_ROUTERS), (t.ip6("fd00::1"),
                                                t.ALL_ROUTERS)]})


def test_blocks_of_solicitations(server):
    """S3, S20: one authentication block may come first, nothing else."""
    at = ("11.98.2.1", 9998)
    rs, block = t.solicitation(own()), t.auth(b"12345678")
    server.nothing({
        "origin": server.say(at, t.origin(at) + rs),
        "authentication and origin": server.say(
            at, block + t.origin(at) + rs),
        "origin and authentication": server.say(
            at, t.origin(at) + block + rs),
        "two authentications": server.say(at, block + block + rs),
        "unknown block": server.say(at, b"\0\2" + bytes(6) + rs),
        "unknown leading byte": server.say(at, b"\1\0" + bytes(6) + rs),
    })


def test_nonce_comes_back(server):
    """S33: nonce-only blocks, each answer with its own nonce."""
    asked = {}
    for n in range(20):
        at, nonce = server.client(), n.to_bytes(8, "big") \
            if n % 2 else bytes([255 - n]) * 8
        asked[at] = nonce
    got = server.ask(*(server.say(at, t.auth(nonce)
                                  + t.solicitation(own(0x1234)))
                       for at, nonce in asked.items()))
    assert [p.dst for p in got] == list(asked)
    for answer in got:
        assert answer.payload == t.auth(asked[answer.dst]) \
            + advertisement(server, answer.dst, own(0x1234))


def test_identifier_without_any_secret(server):
    """S33: where no secrets are configured, nonce and identifier return."""
    at, nonce = server.client(), b"noncense"
    answer = server.one(at, t.auth(nonce, b"somebody", b"x" * 20, 1)
                        + t.solicitation(own()))
    assert answer.auth == (b"somebody", b"", nonce, 0)
    assert answer.payload.endswith(advertisement(server, at, own()))


def test_one_answer_each_at_once_and_no_other(server):
    """S40: 1000 solicitations, 1000 answers, no delay; silence otherwise."""
    waits = []
    for _ in range(1000):
        at = server.client()
        packet = server.say(at, t.solicitation(own()))
        server.wire.drain()
        start = time.monotonic()
        server.send(packet)
        (answer,), others = server.collect(
            [lambda p, at=at: isinstance(p, t.Datagram) and p.dst == at])
        waits.append(time.monotonic() - start)
        assert answer.inner.kind == t.ADVERTISEMENT and not others
    # RFC 4861 would have it wait up to half a second: 250 ms at the median.
    assert sorted(waits)[500] < 0.2
    server.wire.drain()
    quiet = time.monotonic() + 1.5
    while (data := server.wire.recv_bytes(quiet - time.monotonic())):
        assert tap.parse(data) is None, tap.parse(data)


def test_rate_of_answers_to_one_source(server):
    """Z4: a flood from one source is cut, another source is served."""
    victim = server.client()
    got = server.ask(*(server.say((victim[0], 1024 + n), t.solicitation(own()))
                       for n in range(2000)))
    assert 50 <= len(got) <= 400
    assert {p.dst[0] for p in got} == {victim[0]}
    at = server.client()
    assert server.one(at, t.solicitation(own())).dst == at


def test_outer_header_of_advertisements(server):
    """S38, Z4: DF, checksum, ECN, TTL; never more than twice what came."""
    at = server.client()
    for block in b"", t.auth(b"87654321"):
        asked = t.udp4(at, server.at, block + t.solicitation(own()), tos=3)
        answer, = server.ask(asked)
        assert answer.good and answer.sum and not answer.df
        assert (answer.tos, answer.ttl, answer.options) == (0, 64, b"")
        assert answer.size <= 2 * len(asked)
        assert answer.size == 132 + len(block)
