# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on a relay: loops, forgeries, garbage; all in silence.

That no case makes it log or die is checked by the fixture at the end.
"""

import random

import pytest

import packets as t
import tap
from tap import less

SEED = 20040627


@pytest.fixture(scope="module")
def relay(lab):
    with tap.relay(lab) as tapped:
        yield tapped


def own_tuples(relay):
    """By which names the relay itself could be reached."""
    return [relay.at, (relay.at[0], t.PORT), (relay.at[0], 9),
            ("127.0.0.1", relay.at[1]), ("0.0.0.0", relay.at[1]),
            ("9.0.1.255", relay.at[1]), ("255.255.255.255", relay.at[1])]


def tunnels(ip):
    """IPv6 addresses that lead to an IPv4 address through some tunnel."""
    word = t.ip4(ip).hex()
    high, low = word[:4], word[4:]
    return [f"2002:{high}:{low}::1", f"2002:{high}:{low}:1:2:3:4:5",
            f"2001:db8:9::5efe:{high}:{low}",
            f"2001:db8:9::200:5efe:{high}:{low}"]


def test_loop_to_itself(relay):
    """Z35, Z8, L4: a destination that is the relay, in any clothes."""
    before = relay.counters()
    bad = {}
    for at in own_tuples(relay):
        for flags in 0, t.CONE:
            client = relay.address(at, flags)
            bad[f"native to {at}, {flags:x}"] = t.udp6(relay.native(), client)
            bad[f"by itself to {at}, {flags:x}"] = t.udp6(
                relay.address(at, 1, "12.1.1.1"), client)
    bad["server"] = t.udp6(relay.native(), relay.address(
        relay.client(), server=relay.at[0]))
    relay.nothing(bad)
    after = relay.counters()
    for name in "proven", "probing", "failed":
        assert after[name] == before[name], "table changed"


def test_teredo_source_from_ipv6(relay):
    """Z36, L5: no Teredo packet is put into Teredo."""
    at = relay.befriend()
    relay.nothing({name: t.udp6(source, to)
                   for to in (relay.address(at), relay.address(
                       relay.client()))
                   for name, source in {
                       "other relay": relay.address(("11.88.0.1", 4000)),
                       "client": relay.address(at),
                       "ourselves": relay.address(relay.at)}.items()})


def test_teredo_destination_from_ipv4(relay):
    """Z36, L5: a client's packet for a client does not come out."""
    at = relay.befriend()
    me = relay.address(at)
    relay.nothing({name: relay.say(at, packet) for name, packet in {
        "client": t.udp6(me, relay.address(relay.befriend())),
        "stranger": t.udp6(me, relay.address(relay.client())),
        "itself": t.udp6(me, me),
        "ourselves": t.udp6(me, relay.address(relay.at)),
        "echo": t.echo(me, relay.address(("11.88.0.1", 4000)))}.items()})
    other = ("11.88.0.1", 4000)             # says it is a relay
    relay.nothing({"relay": relay.say(other, t.udp6(
        relay.address(other), relay.address(relay.at)))})


def test_sources_of_other_tunnels(relay):
    """Z37, L6: our own IPv4 address in a source; others' pass."""
    at = relay.befriend()
    relay.nothing({f"{source} to {name}": t.udp6(source, to)
                   for name, to in (("friend", relay.address(at)),
                                    ("stranger", relay.address(
                                        relay.client())))
                   for source in tunnels(relay.at[0])})
    for source in tunnels("11.88.0.2"):
        got, = relay.ask(t.udp6(source, relay.address(at)))
        assert got.dst == at


def test_destinations_of_other_tunnels(relay):
    """Z38, L7: a client's packet does not go to ourselves by 6to4."""
    at = relay.befriend()
    me = relay.address(at)
    relay.nothing({to: relay.say(at, t.udp6(me, to))
                   for to in tunnels(relay.at[0])})
    for to in tunnels("11.88.0.2"):
        packet = t.udp6(me, to)
        assert [p.raw for p in relay.ask(relay.say(at, packet))] \
            == [less(packet)]


def test_server_as_peer(relay):
    """Z40, Z42, L9: whoever is named gets bubbles only, by his server."""
    for at in ("9.0.0.2", t.PORT), ("11.88.0.3", t.PORT):
        _, bubble = relay.hello(at)
        assert bubble.dst == (relay.SERVER, t.PORT)


def test_own_outer_source(relay):
    """Z9: raw packets in the name of the relay."""
    packet = t.bubble(relay.host.ip6, relay.source)
    bad = {}
    for at in own_tuples(relay):
        me = relay.address(at)
        bad[f"bubble of {at}"] = relay.say(at, t.bubble(me, relay.source))
        bad[f"data of {at}"] = relay.say(at, t.udp6(me, relay.native()))
        bad[f"native of {at}"] = relay.say(at, packet)
    relay.nothing(bad)


def test_own_inner_source(relay):
    """Z9, Z16: our own native address, from a friend or a stranger."""
    at = relay.befriend()
    relay.nothing({name: relay.say(where, packet)
                   for where in (at, relay.client())
                   for name, packet in {
                       "bubble": t.bubble(relay.source, relay.address(at)),
                       "data": t.udp6(relay.source, relay.native()),
                       "as host": t.udp6(relay.host.ip6, relay.native()),
                       "link-local": t.udp6("fe80::1", relay.native())
                   }.items()})


def test_own_address_from_the_ipv6_side(relay):
    """Z37: packets of this very host are not packets of a tunnel."""
    at = relay.befriend()
    got = relay.host.run(["ping", "-6", "-c", "1", "-W", "1", "-n", t.text6(
        relay.address(at))], check=False)
    assert "1 packets transmitted" in got.stdout
    assert relay.known(at)


def test_private_client(relay):
    """Z7: one forged packet from there; 1.2.6 then sent data to 10.0.0.9."""
    bad = {}
    for ip in "10.0.0.9", "192.168.1.1", "172.16.0.1", "127.0.0.1":
        at = (ip, 4000)
        me = relay.address(at)
        bad[f"bubble of {ip}"] = relay.say(at, t.bubble(me, relay.source))
        bad[f"data of {ip}"] = relay.say(at, t.udp6(me, relay.native()))
        bad[f"data to {ip}"] = t.udp6(relay.native(), me)
    relay.nothing(bad)


def test_routing_headers(relay):
    """Z25: of each type, first or behind others; 1.2.6 let them pass."""
    at = relay.befriend()
    me, to = relay.address(at), relay.native()
    upper = t.udp6(me, to)[40:]
    options = bytes([0, 1, 4, 0, 0, 0, 0])
    bad = {}
    for kind in 0, 2, 3, 4, 253:
        for left in 0, 1, 255:
            header = t.routing(kind, upper, left=left)
            name = f"type {kind}, {left} left"
            bad[name] = t.ipv6(me, to, 43, header)
            bad[f"hop-by-hop, {name}"] = t.ipv6(
                me, to, 0, bytes([43]) + options + header)
            bad[f"options, {name}"] = t.ipv6(
                me, to, 60, bytes([43]) + options + header)
            bad[f"twice options, {name}"] = t.ipv6(
                me, to, 60, (bytes([60]) + options)
                + bytes([43]) + options + header)
            bad[f"first fragment, {name}"] = t.ipv6(
                me, to, 44, bytes([43, 0, 0, 1, 0, 0, 0, 9]) + header)
    for at_end in 43, 0, 60, 44:
        bad[f"cut at {at_end}"] = t.ipv6(me, to, at_end, b"\x11\0\0\0")
        bad[f"header {at_end} beyond the end"] = t.ipv6(
            me, to, 60, bytes([at_end, 99]) + bytes(6))
    relay.nothing({name: relay.say(at, packet)
                   for name, packet in bad.items()})


def test_replayed_bubbles(relay):
    """Z5, R20: 300 of them; 1.2.6 answered each."""
    at = relay.befriend()
    packet = relay.say(at, t.bubble(relay.address(at), relay.source))
    assert not relay.ask(*[packet] * 300)


def test_guessed_nonces(relay):
    """Z14, R32: ten thousand guesses move nothing."""
    at = relay.client()
    packet, bubble = relay.hello(at)
    right = int.from_bytes(bubble.inner.tail[2:], "big")
    rng = random.Random(SEED)
    for _ in range(20):
        assert not relay.ask(*(relay.say(
            (at[0], 60999), t.bubble(relay.address(at), relay.source,
                                     trailers=t.nonce_trailer(
                                         guess.to_bytes(4, "big"))))
            for guess in (rng.getrandbits(32) for _ in range(500))
            if guess != right))
    got = relay.ask(relay.say(at, t.bubble(relay.address(at), relay.source)))
    assert [p.payload for p in got] == [less(packet)]


def test_silent_list(relay):
    """Z30: not one ICMPv6 error for what must be dropped in silence."""
    at = relay.befriend()
    source = relay.native()
    cases = {"refused client": t.udp6(source, relay.address(("10.1.1.1", 9))),
             "refused server": t.udp6(source, relay.address(
                 relay.client(), server="10.1.1.1")),
             "own tuple": t.udp6(source, relay.address(relay.at)),
             "Teredo source": t.udp6(relay.address(at), relay.address(at)),
             "6to4 of ours": t.udp6(tunnels(relay.at[0])[0],
                                    relay.address(at)),
             "impossible source": t.udp6("fd00::1", relay.address(at))}
    relay.nothing(cases)


def test_impossible_native_sources(relay):
    """R25, R31, Z18: what is no global address is not carried."""
    at = relay.befriend()
    relay.nothing({f"{source} to {name}": t.udp6(source, to)
                   for source in ("::", "::1", "fd00::1", "fec0::1",
                                  "fe80::9", "ff02::1", "::ffff:9.9.9.9",
                                  "2002:a00:1::1", "2002:7f00:1::1")
                   for name, to in (("friend", relay.address(at)),
                                    ("stranger", relay.address(
                                        relay.client())))})


def test_forged_icmp(relay):
    """Z30: port unreachable about its bubbles and data; it goes on."""
    at = relay.befriend()
    for code in range(16):
        out, = relay.ask(t.udp6(relay.native(), relay.address(at)))
        assert not relay.ask(t.port_unreachable(out.raw, at[0], code))
    _, bubble = relay.hello(relay.client())
    assert not relay.ask(t.port_unreachable(bubble.raw, relay.SERVER))
    assert relay.known(at)


def test_oversized(relay):
    """R15, R23: from a client: more than any Teredo packet has."""
    at = relay.befriend()
    me = relay.address(at)
    for size in 1473, 2000, 9000, 40000, 65000:
        relay.nothing({f"{size} bytes": t.fragments(relay.say(
            at, t.sized(me, relay.native(), size)))})


def originals(relay, at):
    """What the garbage of a client is made of."""
    me, to = relay.address(at), relay.native()
    data = t.udp6(me, to, data=b"payload")
    return [data, t.echo(me, to), t.bubble(me, relay.source),
            t.bubble(me, relay.source, trailers=t.nonce_trailer(b"1234")
                     + t.trailer(t.ALTERNATE, bytes(14))),
            t.origin(at) + data, t.auth(b"12345678") + data,
            t.ipv6(me, to, 60, bytes([44, 1]) + bytes(14)
                   + bytes([17, 0, 0, 1, 0, 0, 0, 1]) + data[40:]),
            t.ipv6(me, to, 43, t.routing(0, data[40:])),
            t.sized(me, to, 1280)]


def test_garbage_from_ipv4(relay):
    """R15, R16, Z24: 20 000 broken datagrams of a client, by a fixed seed."""
    rng = random.Random(SEED)
    at = relay.befriend()
    me = relay.address(at)
    seeds = originals(relay, at)
    for _ in range(100):
        asked = [relay.say(at, t.mutate(rng, rng.choice(seeds))[:1472])
                 for _ in range(200)]
        got = [p for p in relay.ask(*asked) if not errors_of_router(p, me)]
        assert len(got) <= len(asked)
        for out in got:
            assert isinstance(out, t.Packet6) and out.src == me, out
            assert out.dst[0] >> 5 == 1 and out.dst[:4] != b"\x20\x01\0\0"
            assert out.next != 43 and not out.tail
    assert relay.known(at)


def errors_of_router(packet, client):
    """An ICMPv6 message by which the host's kernel answers a client."""
    return isinstance(packet, t.Datagram) and packet.inner.dst == client \
        and packet.inner.kind in (1, 2, 3, 4, t.ECHO_REPLY)


def test_garbage_from_ipv6(relay):
    """R3, R4, Z24: 20 000 broken packets towards clients."""
    rng = random.Random(SEED + 1)
    at = relay.befriend()
    for _ in range(100):
        # A slow machine takes longer than the relay trusts a silent client.
        asked = [relay.say(at, t.bubble(relay.address(at), relay.source))]
        for _ in range(200):
            source, to = relay.native(), relay.address(
                at if rng.random() < 0.5 else relay.client())
            packet = t.mutate(rng, rng.choice([
                t.udp6(source, to, data=b"x" * 30), t.echo(source, to),
                t.bubble(source, to), t.sized(source, to, 1280),
                t.ipv6(source, to, 60, bytes([58, 1]) + bytes(30))]))
            # The kernel wants a header it can forward.
            asked.append(packet[:1500] if packet[:1] and packet[0] >> 4 == 6
                         and len(packet) >= 40 else t.udp6(source, to))
        for out in relay.ask(*asked):
            if isinstance(out, t.Packet6):
                continue                # errors, or not for us at all
            assert isinstance(out, t.Datagram), out
            if errors_of_router(out, out.inner.dst):
                continue                # about what came before
            assert out.inner.is_bubble or out.dst == at, out
            assert out.dst[0] not in t.REFUSED and out.dst[0] != relay.at[0]
    assert relay.known(at)


def test_reasons_are_counted(relay):
    """Z30, R15: each kind of drop has its name."""
    counted = relay.counters()
    for name in ("to-ipv4", "to-ipv6", "released", "bubble", "truncated",
                 "bad-version", "routing-header", "source-own",
                 "source-not-global", "target-own", "target-not-global",
                 "mismatch", "loop", "not-teredo", "forged-block",
                 "oversize"):
        assert counted.get(name), f"{name} in {counted}"
