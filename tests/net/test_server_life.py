# SPDX-License-Identifier: GPL-2.0-or-later
"""A server over time, with other settings, and as the relay's other half."""

import signal

import pytest

import packets as t
import tap
from lab import LabError, wait_for
from tap import NATIVE, less

FOREIGN = "11.77.0.1"
RELAY6 = "2001:db8:5::1"
SERVE = ["-s", "9.0.0.2"]


def rs(at):
    """A solicitation of somebody."""
    return t.solicitation(t.link_local(at))


def flood(server, first, count):
    """Solicitations from so many different tuples; all are answered."""
    step = 200
    for start in range(first, first + count, step):
        sources = [(f"13.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
                    1024 + n % 60000) for n in range(start, start + step)]
        server.wire.drain()
        server.send(*(server.say(at, FLOOD) for at in sources))
        server.settle()


#: The inner source does not matter, so it need not be made each time.
FLOOD = t.solicitation(t.link_local(("10.9.9.9", 9)))


def test_memory_is_flat(plain):
    """S2, Z24: solicitations from a hundred thousand sources."""
    with tap.server(plain) as server:
        # Touches all its table of buckets.
        flood(server, 0, 100000)
        before = server.memory()
        flood(server, 100000, 100000)
        assert server.memory() - before <= tap.PAGES
        assert server.counters()["advertised"] >= 200000


def test_no_state_is_lost(lab):
    """S2: killed between a solicitation and a bubble."""
    with lab.tidy():
        daemon = tap.start(lab.server, SERVE)
        server = tap.Server(lab, daemon)
        a, b = server.client(), server.client()
        for at in a, b:
            assert server.one(at, rs(at)).dst == at
        daemon.stop(signal.SIGKILL)
        server.daemon = tap.start(lab.server, SERVE)
        out = server.one(a, t.bubble(server.address(a), server.address(b)))
        assert out.dst == b


@pytest.mark.parametrize("date, runs", [("2020-01-01", False),
                                        ("2999-01-01", True)])
def test_sunset(lab, date, runs):
    """S42: after that date it does not serve, and says why."""
    with lab.tidy():
        if runs:
            tap.Server(lab, tap.start(lab.server, SERVE, f"Sunset {date}\n"))
            return
        with pytest.raises(LabError, match=r"(?i)sunset|2020-01-01"):
            tap.start(lab.server, SERVE, f"Sunset {date}\n")


def test_sunset_comes(lab):
    """S42: the date passes while the server runs."""
    with lab.tidy():
        daemon = tap.start(lab.server, SERVE, f"Sunset {tap.soon()}\n")
        daemon.wait_log("the sunset date has come", timeout=20)
        wait_for(lambda: not daemon.alive(), "the end at sunset", 20)


@pytest.mark.parametrize("argv, config", [
    (["-s", "10.0.0.1"], ""), (["-s", "127.0.0.1"], ""),
    (["-s", "224.0.0.1"], ""), (["-s", "9.0.0.7"], ""),
    (["-s", "9.0.0.2"], "ServerBindAddress2 9.0.0.2\n"),
    (["-s", "9.0.0.2"], "ServerBindAddress2 9.0.0.77\n"),
    (["-s", "9.0.0.2"], "ServerBindAddress2 10.1.2.3\n"),
    (["-s", "9.0.0.3"], "")],
    ids=["private", "loopback", "multicast", "missing", "twice",
         "second-missing", "second-private", "no-second"])
def test_impossible_addresses(lab, argv, config):
    """S1: refuses to start."""
    with lab.tidy(), pytest.raises(LabError, match="ended with status 1"):
        tap.start(lab.server, argv, config)


def test_rate_of_answers_is_set(lab):
    """Z4: ReplyRate; zero is no limit."""
    for rate, least, most in (("10", 1, 60), ("0", 1000, 1000)):
        with tap.server(lab, f"ReplyRate {rate}\n") as server:
            at = server.client()
            got = server.ask(*[server.say(at, rs(at))] * 1000)
            assert least <= len(got) <= most


def test_literal_rules(lab):
    """S11, A13, A44: the switches to the letter of RFC 4380."""
    with tap.server(lab, "SymmetricClients no\nOwnClientsOnly yes\n") \
            as server:
        a, b = server.client(), server.client()
        other = server.address((a[0], a[1] + 1))
        server.nothing({name: server.say(a, data) for name, data in {
            "symmetric": t.bubble(other, server.address(b)),
            "foreign": t.bubble(server.address(a), t.address(FOREIGN, b)),
        }.items()})
        assert server.one(a, t.bubble(
            server.address(a), server.address(b))).dst == b


def test_denied_addresses(lab):
    """Z42: DenyIPv4 at a server, as source and as target."""
    with tap.server(lab, "DenyIPv4 11.66.0.0/16\nDenyIPv4 11.67.0.9\n") \
            as server:
        a = server.client()
        for ip in "11.66.0.1", "11.66.255.254", "11.67.0.9":
            server.nothing({
                f"to {ip}": server.say(a, t.bubble(
                    server.address(a), server.address((ip, 9)))),
                f"solicitation of {ip}": server.say((ip, 9), rs((ip, 9))),
                f"bubble of {ip}": server.say((ip, 9), t.bubble(
                    server.address((ip, 9)), server.address(a))),
            })
        for ip in "11.65.255.254", "11.67.0.8", "11.67.0.10":
            assert server.one(a, t.bubble(
                server.address(a), server.address((ip, 9)))).dst == (ip, 9)


def test_refusals_of_the_kernel(lab):
    """S18, S16: what cannot be sent costs only itself, and makes no line."""
    with tap.server(lab) as server:
        lab.server.ip("route add unreachable 12.66.0.0/16",
                      "route add unreachable 2001:db8:66::/48")
        try:
            a, b = server.client(), server.client()
            me, good = server.address(a), []
            for n in range(40):
                good += [t.bubble(me, server.address((f"12.66.1.{n + 1}", 9))),
                         t.bubble(me, server.address(b), n + 2),
                         t.echo(me, "2001:db8:66::1"),
                         t.echo(me, NATIVE, n)]
            got = server.ask(*(server.say(a, packet) for packet in good))
            assert [p.payload for p in got if isinstance(p, t.Datagram)] \
                == [t.origin(a) + less(p) for p in good[1::4]]
            assert [p.raw for p in got if isinstance(p, t.Packet6)] \
                == [less(p) for p in good[3::4]]
        finally:
            lab.server.ip("route del unreachable 12.66.0.0/16",
                          "route del unreachable 2001:db8:66::/48")


def test_broadcasts(lab):
    """S1, Z4: it is asked at its two addresses and no other."""
    with tap.server(lab) as server:
        lab.server.ip("address add 9.0.0.4/24 dev eth0")
        try:
            at = server.client()
            server.nothing({f"{ip} port {port}": server.say(
                at, rs(at), (ip, port)) for ip, port in [
                    ("9.0.0.255", t.PORT), ("255.255.255.255", t.PORT),
                    ("224.0.0.253", t.PORT)]})
            for out in server.answers(at, rs(at), ("9.0.0.4", t.PORT)):
                assert isinstance(out, tap.Other)       # port unreachable
        finally:
            lab.server.ip("address del 9.0.0.4/24 dev eth0")


def test_two_servers(lab):
    """Z34, L3: a client of one whose tuple is the other."""
    lab.relay.ip("address replace 9.0.1.3/24 dev eth0")
    lab.relay.addresses4[1:] = ["9.0.1.3"]
    with lab.tidy(), tap.server(lab) as one:
        two = tap.Server(lab, tap.start(lab.relay, ["-s", "9.0.1.2"]),
                         lab.relay)
        a = one.client()
        for packet in (
                t.bubble(RELAY6, one.address(two.at)),
                t.bubble(one.address(a), one.address(two.at)),
                t.bubble(one.address(a), two.address(two.at)),
                t.bubble(one.address(a), two.address(one.at))):
            two.wire.drain()
            assert len(one.answers(a, packet)) <= 1
            assert not two.settle()


# -- server and relay in one process (4380 §5.4.3) ----------------------------

@pytest.fixture(scope="module")
def both(make_lab):
    lab = make_lab()
    lab.server.sysctl(ipv6__conf__all__forwarding=1)
    with tap.server(lab, "Relay yes\n", tap.Combined) as tapped:
        yield tapped


def call(both, at, flags=0, server=None):
    """A native host calls a client; what comes of it."""
    client = t.address(server or both.first, at, flags)
    packet = t.udp6(NATIVE, client, data=b"call")
    return packet, client, both.ask(packet)


def trusted(both):
    """An own client that the relay half trusts."""
    at = both.client()
    packet, client, got = call(both, at)
    assert [p.dst for p in got] == [at] and got[0].inner.is_bubble, got
    got = both.answers(at, t.bubble(client, got[0].inner.src))
    assert [p.payload for p in got] == [less(packet)], got
    return at, client


def test_combined_is_a_server(both):
    """S41, S6, S14, S16, S19: all that a server does."""
    a, b = both.client(), both.client()
    assert both.one(a, rs(a)).origin == a
    out = both.one(a, t.bubble(both.address(a), both.address(b)))
    assert (out.dst, out.origin) == (b, a)
    ping = t.echo(both.address(a), both.link_local)
    assert both.one(a, ping).inner.kind == t.ECHO_REPLY
    ping = t.echo(both.address(a), NATIVE)
    assert both.one(a, ping).raw == less(ping, 2)   # the kernel's, as well


def test_combined_bubble_comes_as_by_the_server(both):
    """S41, R7, S19: with the origin block its own server would have put."""
    at = both.client()
    _, client, got = call(both, at)
    out, = got
    assert (out.src, out.dst, out.origin) == (both.at, at, both.at)
    assert out.inner.is_bubble and out.inner.dst == client
    assert out.inner.src[:4] != b"\x20\x01\0\0"


def test_combined_carries_data(both):
    """S41, A40, R5: both ways, once the client has answered."""
    at, client = trusted(both)
    packet = t.udp6(NATIVE, client, data=b"down")
    out, = both.ask(packet)
    assert (out.src, out.dst) == (both.at, at)
    assert out.payload == less(packet)
    packet = t.udp6(client, NATIVE, data=b"up")
    assert both.one(at, packet).raw == less(packet)
    packet = t.ipv6(client, NATIVE, 6, bytes(20))
    assert both.one(at, packet).raw == less(packet)


def test_combined_asks_foreign_servers(both):
    """S41, R7: a client of another server is asked through that."""
    at = both.client()
    _, client, got = call(both, at, server=FOREIGN)
    out, = got
    assert (out.src, out.dst) == (both.at, (FOREIGN, t.PORT))
    assert out.origin is None and out.inner.dst == client
    got = both.answers(at, t.bubble(client, out.inner.src))
    assert [p.dst for p in got] == [at]


def test_combined_takes_no_strangers(both):
    """S41, R16, R17: data of unknown or mismatching clients."""
    a = both.client()
    at, client = trusted(both)
    both.nothing({
        "unknown": both.say(a, t.udp6(both.address(a), NATIVE)),
        "other port": both.say((at[0], at[1] + 1), t.udp6(client, NATIVE)),
        "other address": both.say(a, t.udp6(client, NATIVE)),
        "native source": both.say(at, t.udp6("2001:db8:5::9", NATIVE)),
        "to the second": both.say(at, t.udp6(client, NATIVE), both.at2),
        "origin": both.say(at, t.origin(at) + t.udp6(client, NATIVE)),
        "to a client": both.say(at, t.udp6(client, both.address(a))),
    })


def test_combined_echo_from_native(both):
    """S41, 5.6: the reply to a client's ping comes in by the relay half."""
    at = both.client()
    client = both.address(at)
    assert both.one(at, t.echo(client, NATIVE, 5, 6, b"nonce")).kind == 128
    reply = t.echo(NATIVE, client, 5, 6, b"nonce", t.ECHO_REPLY)
    got = both.ask(reply)
    if got[0].inner.is_bubble:
        got = both.answers(at, t.bubble(client, got[0].inner.src))
    assert [p.payload for p in got] == [less(reply)]


def test_combined_does_not_talk_to_itself(both):
    """Z32, Z33, Z35, Z36: own tuples, by every name."""
    bad = {}
    for tuple4 in both.at, both.at2, ("9.0.0.2", 9), ("127.0.0.1", 3544):
        for server in both.first, both.second, FOREIGN:
            to = t.address(server, tuple4)
            bad[f"native to {tuple4} of {server}"] = t.udp6(NATIVE, to)
            bad[f"relay to {tuple4} of {server}"] = both.say(
                both.client(), t.bubble(RELAY6, to))
    at, client = trusted(both)
    bad["client to client"] = both.say(at, t.udp6(client, client))
    bad["Teredo from the IPv6 side"] = t.udp6(client, both.address(at, 1))
    both.nothing(bad)


def test_combined_symmetric_client(both):
    """S41, R32, A14: nonce or cookie, from another port."""
    at = both.client()
    packet, client, (bubble,) = call(both, at)
    nonce, seen = bubble.inner.tail, (at[0], at[1] ^ 1)
    answer = t.bubble(client, both.host.ip6)
    both.nothing({
        "no nonce": both.say(seen, answer),
        "wrong nonce": both.say(seen, answer + t.nonce_trailer(b"wron"))})
    got = both.answers(seen, answer + nonce)
    assert [(p.dst, p.payload) for p in got] == [(seen, less(packet))]
    up = t.udp6(client, NATIVE, data=b"up")
    assert both.one(seen, up).raw == less(up)
    at = both.client()
    packet, client, (bubble,) = call(both, at)
    seen = (at[0], at[1] ^ 1)
    got = both.answers(seen, t.bubble(client, bubble.inner.src))
    assert [(p.dst, p.payload) for p in got] == [(seen, less(packet))]


def test_combined_host_answers_by_the_tunnel(both):
    """S41, A40: a client pings the very host; the reply is relayed."""
    at, client = trusted(both)
    ping = t.echo(client, both.host.ip6, 1, 2, b"self")
    reply = both.one(at, ping)
    assert (reply.src, reply.dst) == (both.at, at)
    assert reply.inner.kind == t.ECHO_REPLY
    assert reply.inner.payload[4:] == ping[44:]


def test_combined_outer_headers(both):
    """S38, R27: data of the relay half too leaves by 3544, DF clear."""
    at, client = trusted(both)
    for traffic in 0, 1, 2, 3, 0xff:
        out, = both.ask(t.udp6(NATIVE, client, traffic=traffic))
        assert out.src == both.at and out.good and out.sum
        assert (out.df, out.tos, out.ttl) == (False, 0, 64)


def test_combined_routing_headers(both):
    """S41, Z25: what the server would not pass, the relay does not either."""
    at, client = trusted(both)
    for kind in 0, 2, 4:
        both.nothing({f"type {kind}": both.say(at, t.ipv6(
            client, NATIVE, 43, t.routing(kind, t.udp6(
                client, NATIVE)[40:])))})
