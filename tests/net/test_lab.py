# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab is what it says: NATs by an independent probe, hosts, clean end."""

import collections
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from lab import Internet, LabError, foreign, teredo, wait_for
from lab.capture import payload
from lab.probe import (ADDRESS_DEPENDENT, ADDRESS_PORT_DEPENDENT,
                       ENDPOINT_INDEPENDENT, Verdict, gets, passes, probe,
                       seen_at, udp)

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: type: mapping, filtering, what hairpinning takes when it is on
NATS = {
    "full": (ENDPOINT_INDEPENDENT, ENDPOINT_INDEPENDENT, "open"),
    "restricted": (ENDPOINT_INDEPENDENT, ADDRESS_DEPENDENT, "address"),
    "portrestricted": (ENDPOINT_INDEPENDENT, ADDRESS_PORT_DEPENDENT,
                       "endpoint"),
    "symmetric": (ADDRESS_PORT_DEPENDENT, ADDRESS_PORT_DEPENDENT, "never"),
}


KEPT = pytest.mark.parametrize("preserving", [False, True],
                               ids=["ports-change", "ports-kept"])


@KEPT
@pytest.mark.parametrize("hairpin", [False, True],
                         ids=["no-hairpin", "hairpin"])
@pytest.mark.parametrize("kind", NATS)
def test_nat_is_what_it_says(net, kind, hairpin, preserving):
    mapping, filtering, turn = NATS[kind]
    expected = Verdict(translates=True, mapping=mapping, filtering=filtering,
                       preserving=preserving,
                       hairpin=turn if hairpin else "never", closed=True)
    net.site1.configure(kind, hairpin, preserving)
    net.site2.configure(kind, hairpin, preserving)
    assert probe(net.c1, net.tester, net.c1b) == expected
    assert probe(net.c1b, net.tester, net.c1) == expected
    expected.hairpin = "never"
    assert probe(net.c2, net.tester) == expected


def test_nat_counts(net):
    """One port after the other, for one inside port or for several."""
    net.site1.configure("symmetric", sequential=True)
    with udp(net.c1, net.c1.ip4) as one, udp(net.c1, net.c1.ip4) as two, \
            udp(net.tester, net.tester.ip4) as far, \
            udp(net.tester, net.tester.ip4) as other:
        seen = [seen_at(sock, to)[1]
                for sock in (one, two) for to in (far, other)]
        assert seen == list(range(seen[0], seen[0] + 4))
        assert seen_at(one, far)[1] == seen[0]


def test_no_nat(net):
    net.site1.configure("none")
    assert net.c1.ip4 == "9.0.20.2"
    verdict = probe(net.c1, net.tester, net.c1b)
    assert not verdict.translates
    assert verdict.preserving
    assert verdict.mapping == verdict.filtering == ENDPOINT_INDEPENDENT
    net.site1.configure("full")
    assert net.c1.ip4 == "192.168.1.2"


def look_up(host, name):
    """The IPv4 addresses that a host finds for a name, and in how long."""
    start = time.monotonic()
    shown = host.run(["getent", "ahostsv4", name], check=False)
    return re.findall(r"^(\S+) +STREAM", shown.stdout, re.M), \
        time.monotonic() - start


@pytest.mark.parametrize("name", ["c1", "relay"])
def test_names(net, name):
    host, dns = getattr(net, name), net.dns
    dns.names = {"one.example": "9.0.0.2",
                 "two.example": ["9.0.0.2", "9.0.0.3"]}
    host.resolver(dns, "timeout:1 attempts:1")
    assert look_up(host, "one.example")[0] == ["9.0.0.2"]
    assert sorted(look_up(host, "TWO.example")[0]) == ["9.0.0.2", "9.0.0.3"]
    assert look_up(host, "none.example")[0] == []
    dns.names["one.example"] = "9.0.1.2"
    assert look_up(host, "one.example")[0] == ["9.0.1.2"]
    assert set(dns.queries) == {"one.example", "two.example", "none.example"}

    dns.mode = "silent"
    dns.queries.clear()
    found, seconds = look_up(host, "one.example")
    assert not found and seconds >= 1 and dns.queries == ["one.example"]
    host.resolver(dns, "timeout:5 attempts:1")
    for mode in "refuse", "fail":
        dns.mode = mode
        found, seconds = look_up(host, "one.example")
        assert not found and seconds < 4
    dns.mode, dns.delay = "answer", 0.3
    found, seconds = look_up(host, "one.example")
    assert found and 0.3 <= seconds < 4
    host.resolver(None)
    assert not look_up(host, "one.example")[0]


def test_names_answer_each_test(net):
    with net.tidy():
        net.dns.mode, net.dns.delay = "refuse", 9
    net.c2.resolver(net.dns)
    net.dns.names = {"one.example": "9.0.0.2"}
    assert look_up(net.c2, "one.example")[0] == ["9.0.0.2"]


def test_two_hosts_cannot_have_one_port(net):
    net.site1.configure("portrestricted", preserving=True)
    with udp(net.c1, net.c1.ip4, 4000) as one, \
            udp(net.c1b, net.c1b.ip4, 4000) as two, \
            udp(net.tester, net.tester.ip4) as far:
        assert seen_at(one, far)[1] == 4000
        assert seen_at(two, far)[1] != 4000


@pytest.mark.parametrize("kind", NATS)
def test_nat_forgets(net, kind):
    net.site1.configure(kind)
    with udp(net.c1, net.c1.ip4) as sock, \
            udp(net.tester, net.tester.ip4) as far:
        before = seen_at(sock, far)
        assert seen_at(sock, far) == before
        net.site1.forget()
        after = seen_at(sock, far)
        assert after != before
        far.sendto(b"stale", before)
        far.sendto(b"good", after)
        assert sock.recv(100) == b"good"


@KEPT
@pytest.mark.parametrize("kind", NATS)
def test_nat_rebinds(net, kind, preserving):
    net.site1.configure(kind, preserving=preserving)
    with udp(net.c1, net.c1.ip4) as sock, \
            udp(net.tester, net.tester.ip4) as far:
        for address in "9.0.10.2", "9.0.10.2", "9.0.10.3", "9.0.10.3":
            before = seen_at(sock, far)
            net.site1.rebind(address)
            after = seen_at(sock, far)
            assert after[0] == net.site1.wan == address
            # New for sure, not just likely: from another range.
            assert after[1] != before[1]
            assert (after[1] > 63000) == (61000 <= before[1] <= 63000)
            assert after[1] >= 61000
            far.sendto(b"stale", before)
            far.sendto(b"good", after)
            assert sock.recv(100) == b"good"
    expected = Verdict(True, *NATS[kind][:2], preserving=False,
                       hairpin="never", closed=True)
    assert probe(net.c1, net.tester) == expected
    net.site1.configure("none")
    assert net.site1.wan == "9.0.10.2"
    assert reaches(net.tester, net.c1.ip4)
    with pytest.raises(LabError, match="no NAT"):
        net.site1.rebind()


def test_hosts_take_other_addresses(net):
    net.site1.configure()
    net.c1.readdress("192.168.1.77")
    assert net.c1.ip4 == "192.168.1.77"
    shown = net.c1.run(["ip", "address", "show", "dev", "eth0"]).stdout
    assert re.findall(r"inet (\S+)", shown) == ["192.168.1.77/24"]
    assert reaches(net.c1, net.tester.ip4) and reaches(net.c1b, net.c1.ip4)
    assert is_cut_off(net.c1b, "192.168.1.2")
    net.site1.configure()
    assert net.c1.ip4 == "192.168.1.2"
    assert reaches(net.c1, net.tester.ip4)


def test_links_lose_and_double(net):
    def answers(count=40, patience=.2):
        done = net.tester.run(["ping", "-i", ".002", "-W", patience, "-c",
                               count, net.server.ip4], check=False)
        return done.stdout.count("ttl=")
    net.fault(net.server, drop=50)
    assert 0 < answers() < 30
    net.fault(net.server, drop=100)
    assert answers(2) == 0
    net.fault(net.server, duplicate=100)
    assert "DUP!" in net.tester.run(
        ["ping", "-c", "2", "-i", ".01", net.server.ip4]).stdout
    net.fault(net.server)
    assert answers(5, 5) == 5


def round_trips(host, to, count=20):
    """Times of pings in milliseconds, in the order they were answered."""
    done = host.run(["ping", "-n", "-i", ".02", "-c", count, "-W", "2", to])
    found = re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", done.stdout)
    assert [int(number) for number, _ in found] == list(range(1, count + 1))
    return [float(ms) for _, ms in found]


IP_RECVTTL = 12         # linux/in.h
PAIRS = {"ip4": lambda net: (net.server, net.tester.ip4),
         "ip6": lambda net: (net.server, net.v6.ip6),
         "from-nat": lambda net: (net.c1, net.relay.ip4)}


@pytest.mark.parametrize("pair", PAIRS)
def test_delay(net, pair):
    """Each packet is late by what was asked for, in order, and complete."""
    host, to = PAIRS[pair](net)
    net.site1.configure()
    for ms in 20, 50, 0:
        net.delay(ms)
        times = sorted(round_trips(host, to))
        assert 2 * ms <= times[0] and times[len(times) // 2] < 2 * ms + 5


def test_delay_changes_nothing_else(net):
    """Hops, the order of packets, what is lost and doubled, captures."""
    def sight():
        """What the tester sees of a burst from the server."""
        with udp(net.server, net.server.ip4, 4001) as sock, \
                udp(net.tester, net.tester.ip4, 4002) as far:
            far.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
            for number in range(200):
                sock.sendto(b"%d" % number, far.getsockname())
            got = [far.recvmsg(99, 99) for _ in range(200)]
        return [(data, extra) for data, extra, _, _ in got]

    def hop_limit():
        return re.search(r"ttl=(\d+)", net.server.run(
            ["ping", "-c", "1", net.v6.ip6]).stdout)[1]

    before = sight(), hop_limit()
    net.delay(10)
    assert (sight(), hop_limit()) == before
    with net.capture(net.server, net.relay) as seen:
        for _ in range(9):
            round_trips(net.server, net.relay.ip4, 1)
    trips = collections.defaultdict(list)
    for packet in seen.packets:
        data = payload(packet)
        if data[9:10] == bytes([socket.IPPROTO_ICMP]) and data[20] in (0, 8):
            trips[data[24:28]].append(packet.time)  # identifier and number
    times = list(trips.values())
    assert len(times) >= 9 and {len(trip) for trip in times} == {4}, times
    for place, waits in enumerate((True, False, True)):
        late = sorted(trip[place + 1] - trip[place] for trip in times)[
            len(times) // 2]
        assert .01 <= late < .015 if waits else late < .005
    net.fault(net.server, duplicate=100)
    shown = net.server.run(["ping", "-c", "2", "-i", ".2", net.tester.ip4])
    times = map(float, re.findall(r"time=([\d.]+) ms", shown.stdout))
    assert "DUP!" in shown.stdout and min(times) > 20
    net.fault(net.server, drop=100)
    assert net.server.run(["ping", "-c", "1", "-W", ".2", net.tester.ip4],
                          check=False).returncode


def test_delay_ends_with_the_test(net):
    with net.tidy():
        net.delay(30)
    assert min(round_trips(net.server, net.tester.ip4)) < 30
    net.delay(20)
    with net.tidy():
        net.delay(30)
        net.delay(20)
    assert 40 <= min(round_trips(net.server, net.tester.ip4)) < 60


def test_order_may_be_lost(net):
    """Each packet waits a time of its own, and none is lost."""
    net.delay(1, 20)
    with udp(net.server, net.server.ip4) as sock, \
            udp(net.tester, net.tester.ip4) as far:
        sent = [b"%d" % number for number in range(100)]
        for data in sent:
            sock.sendto(data, far.getsockname())
        got = [far.recv(99) for _ in sent]
    assert got != sent and sorted(got) == sorted(sent)


def test_what_is_late_is_not_lost(net):
    """... when the delay ends."""
    net.delay(5000)
    with udp(net.server, net.server.ip4) as sock, \
            udp(net.tester, net.tester.ip4) as far:
        core = net.wire(net.server)
        sock.sendto(b"late", far.getsockname())
        while b"late" not in core.recv_bytes():
            pass
        net.delay(0)
        assert gets(far, b"late", 2)


def reaches(host, to, patience=5):
    """Does a ping come back?"""
    return not host.run(["ping", "-n", "-c", "1", "-W", patience, to],
                        check=False).returncode


def is_cut_off(host, to):
    """Does it not?  See lab.probe.PATIENCE."""
    return not reaches(host, to, .15)


@pytest.mark.parametrize("ms", [0, 10], ids=["", "delayed"])
def test_cut(net, ms):
    """Between two hosts, each way; all others have their paths."""
    net.site1.configure()
    net.site2.configure("none")
    net.delay(ms)
    ways = {(net.c1, net.server.ip4), (net.c1b, net.server.ip4),
            (net.c2, net.server.ip4), (net.server, net.c2.ip4),
            (net.c1, net.c2.ip4), (net.c1, net.relay.ip4),
            (net.server, net.relay.ip4), (net.server, net.relay.ip6),
            (net.v6, net.relay.ip6)}

    def are_broken(*those):
        """These, and no others."""
        assert set(those) <= ways
        return all(is_cut_off(*way) if way in those else reaches(*way)
                   for way in ways)

    with net.cut(net.c1, net.server):
        assert are_broken((net.c1, net.server.ip4),
                          (net.c1b, net.server.ip4))
        with net.cut(net.c1, net.c2), net.cut(net.relay, net.v6):
            assert are_broken(
                (net.c1, net.server.ip4), (net.c1b, net.server.ip4),
                (net.c1, net.c2.ip4), (net.v6, net.relay.ip6))
    with net.cut(net.relay, net.server):
        assert are_broken((net.server, net.relay.ip4),
                          (net.server, net.relay.ip6))
    assert are_broken()
    with pytest.raises(LabError, match="crosses core"):
        net.cut(net.c1, net.c1b)


def test_cut_without_nat(net):
    """Two hosts of one site have links of their own then."""
    net.site1.configure("none")
    with net.cut(net.c1, net.server):
        assert is_cut_off(net.c1, net.server.ip4)
        assert reaches(net.c1b, net.server.ip4)


@pytest.mark.parametrize("name", ["relay", "c1"])
def test_cut_is_of_both_directions(net, name):
    """Also into a NAT, for each outside address it may have."""
    net.site1.configure("full")
    host = getattr(net, name)
    with udp(net.server, net.server.ip4) as one, udp(host, host.ip4) as two:
        seen = seen_at(two, one)
        with net.cut(host, net.server):
            assert not passes(two, one, one.getsockname())
            assert not passes(one, two, seen)
            if name == "c1":
                net.site1.rebind("9.0.10.3")
                assert not passes(two, one, one.getsockname())
        assert passes(two, one, one.getsockname())


@pytest.mark.parametrize("name", ["c1", "relay"])
def test_block(net, name):
    """UDP of one host, or one port; what else there is passes."""
    net.site1.configure("full")
    host = getattr(net, name)
    with udp(host, host.ip4) as sock, udp(net.c1b, net.c1b.ip4) as other, \
            udp(net.tester, net.tester.ip4, 3544) as teredo_port, \
            udp(net.tester, net.tester.ip4, 3545) as far:
        def works():
            """Which of them get a packet out, and one in."""
            return [bool(passes(a, b, to)) for a, b, to in
                    [(sock, there, there.getsockname()) for there in fars]
                    + [(there, sock, seen) for there in fars]]

        fars = teredo_port, far
        seen = seen_at(sock, far)
        assert works() == [True] * 4
        with net.block(host, 3544):
            assert works() == [False, True, False, True]
            assert seen_at(other, teredo_port)
        with net.block(host):
            assert works() == [False] * 4
            assert seen_at(other, far)
            assert reaches(host, net.tester.ip4)
        with net.block(host, verdict="reject"):
            sock.connect(far.getsockname())
            sock.send(b"refused")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(9)


@pytest.mark.parametrize("name, other", [("server", "relay"), ("c1", "c1b")])
def test_away(net, name, other):
    net.site1.configure()
    host, other = getattr(net, name), getattr(net, other)
    with net.away(host):
        assert is_cut_off(host, net.tester.ip4)
        assert reaches(other, net.tester.ip4)
        if host.addresses6:
            assert is_cut_off(net.v6, host.ip6)
    assert reaches(host, net.tester.ip4)


def test_wire_spoofs_any_source(net):
    from scapy.layers.inet import ICMP, IP
    wire = net.wire(net.tester, "eth0")
    wire.send(IP(src="198.18.7.7", dst=net.server.ip4) / ICMP(id=7) / b"hi")
    answer = wire.recv(lambda p: ICMP in p and p[ICMP].type == 0)
    assert answer[IP].dst == "198.18.7.7"
    wire = net.wire(net.server)
    wire.send(IP(src="198.18.7.8", dst=net.server.ip4) / ICMP(id=8) / b"hi")
    answer = wire.recv(lambda p: ICMP in p)
    assert (answer[IP].dst, answer[ICMP].type) == ("198.18.7.8", 0)


def test_host_has_its_own_files(net):
    assert "miredo" in net.server.run(["id", "miredo"]).stdout
    net.server.accounts(user=None, group=None)
    assert net.server.run(["id", "miredo"], check=False).returncode
    assert net.server.run(["getent", "group", "nogroup"],
                          check=False).returncode
    net.server.accounts()
    net.server.write("/etc/miredo/miredo.conf", "RelayType relay\n")
    net.server.run(["touch", "/run/mark"])
    assert net.relay.run(["ls", "/run/mark", "/etc/miredo/miredo.conf"],
                         check=False).returncode
    assert not pathlib.Path("/run/mark").exists()
    net.server.run(["test", "-c", "/dev/net/tun"])


def test_files_are_not_written_through_links(net, tmp_path):
    """/etc/resolv.conf is one on many machines; /tmp is the machine's own."""
    outside = tmp_path / "outside"
    outside.write_text("of the machine")
    for link, to in (("absolute", outside), ("nowhere", "../run/not/there")):
        net.server.run(["ln", "-s", to, f"/etc/{link}"])
        net.server.write(f"/etc/{link}", "of the host")
        assert net.server.run(["cat", f"/etc/{link}"]).stdout == "of the host"
    net.server.run(["ln", "-s", tmp_path, "/etc/directory"])
    with pytest.raises(LabError, match="/etc/directory is a symbolic link"):
        net.server.write("/etc/directory/outside", "of the host")
    assert outside.read_text() == "of the machine"


def test_programs_are_for_everybody(net):
    """... also if the repository is not."""
    net.server.run(["setpriv", "--reuid", "1000", "--regid", "1000",
                    "--clear-groups", "miredo", "--version"])


def test_bad_ends_are_noticed(net):
    """A daemon that fails unseen, and what a sanitizer found in it."""
    with pytest.raises(LabError, match="did not end well: 7"), net.tidy():
        daemon = net.relay.daemon(["sh", "-c", DAEMON.replace("5", "7")])
    with pytest.raises(LabError, match="report"), net.tidy():
        net.relay.run(["setpriv", "--reuid", "1000", "--clear-groups", "sh",
                       "-c", "echo report >${ASAN_OPTIONS#*log_path=}.1"])
    killed = "==381==Unable to get registers from thread 377."
    for more in "", "; echo leak":
        with (pytest.raises(LabError, match=r"relay:\nleak\n$") if more
              else contextlib.nullcontext()), net.tidy():
            net.relay.run(["sh", "-c", f"(echo '{killed}'{more}) "
                           ">${ASAN_OPTIONS#*log_path=}.1"])
    with net.tidy():
        daemon = net.relay.daemon(["sh", "-c", DAEMON])
        assert daemon.stop() == 5
    with net.tidy():
        net.relay.kill(net.relay.daemon(["sh", "-c", DAEMON]).pid,
                       signal.SIGKILL)


def test_syslog_is_kept(net):
    net.server.run(["logger", "-p", "daemon.warning", "-t", "x", "seen"])
    assert net.server.wait_log("seen").severity == 4
    assert not [line for line in net.relay.log if "seen" in line.text]


def test_programs(net):
    assert net.c1.run(["cat"], input="text").stdout == "text"
    assert net.c1.run(["false"], check=False).returncode == 1
    with pytest.raises(LabError, match="status 3\nwhy"):
        net.c1.run(["sh", "-c", "echo why; exit 3"])
    with pytest.raises(LabError, match="No such file"):
        net.c1.run(["no-such-program"])
    with pytest.raises(TimeoutError):
        net.c1.run(["sleep", "100"], timeout=0.05)
    process = net.c1.popen(["sleep", "100"])
    assert process.poll() is None
    assert process.stop() == -signal.SIGTERM


DAEMON = """
    echo started; (setsid sh -c 'trap "exit 5" TERM; logger -t d ready
    echo $$ >/run/miredo.pid; while :; do sleep .01; done' &)
"""


def test_daemons_pause(net):
    daemon = net.relay.daemon(["sh", "-c", DAEMON])
    with daemon.paused():
        assert daemon.alive()
        net.relay.kill(daemon.pid)
        with pytest.raises(TimeoutError):
            wait_for(lambda: not daemon.alive(), "what must not be", 0.2)
    wait_for(lambda: not daemon.alive(), "it to go on, and to end")
    assert daemon.stop() == 5


def test_daemons(net):
    daemon = net.relay.daemon(["sh", "-c", DAEMON])
    assert daemon.alive()
    daemon.wait_log("d: ready")
    assert daemon.stop() == 5
    with pytest.raises(LabError, match="did not come up.*\n.*no way"):
        net.relay.daemon(["sh", "-c", "echo no way; exit 1"])
    with pytest.raises(LabError, match="did not come up.*\n.*too bad"):
        net.relay.daemon(["sh", "-c", "echo too bad", "-f"])


def test_foreign_client(net):
    """Its address, another one after the NAT rebinds, and none after it."""
    net.site1.configure("restricted")
    net.dns.names["teredo.example"] = net.server.ip4
    net.c1.resolver(net.dns)
    teredo.start_server(net)
    start = (net.c1, "debian", "teredo.example", "BindPort 3799\n")
    daemon = teredo.start_client(*start)
    first = teredo.wait_address(net.c1)
    assert teredo.addresses_of(net.c1) == [(first, False)]
    with pytest.raises(TimeoutError):
        teredo.wait_address(net.c1, 0.1, other_than=first)
    net.c1.ip(f"address change {first}/32 dev teredo preferred_lft 0")
    assert teredo.deprecated(net.c1) == [first]
    assert teredo.address_of(net.c1) is None
    assert daemon.stop() == 0
    assert teredo.addresses_of(net.c1) == []
    net.site1.rebind("9.0.10.3")        # running, it would notice in 30 s
    teredo.start_client(*start)
    second = teredo.wait_address(net.c1, other_than=first)
    assert teredo.explain(second).ip4 == "9.0.10.3"
    assert teredo.explain(second).port != teredo.explain(first).port


#: Stands for our client: writes its PID file, stays.
CLIENT = """#!/bin/sh
    (setsid sh -c 'echo $$ >/run/miredo.pid; while :; do sleep .01; done' &)
"""


@pytest.mark.parametrize("hook", [False, True], ids=["", "hook"])
def test_our_client_finds_its_files(net, hook):
    net.c2.write("/run/programs/miredo", CLIENT)
    net.c2.path("/run/programs/miredo").chmod(0o755)
    foreign.hook(net.c2)
    net.c2.write("/var/lib/miredo/state", "old")
    teredo.forget(net.c2)
    daemon = teredo.start_client(
        net.c2, server=["9.0.0.2", "teredo.example"],
        config="BindPort 3799\n", hook=hook)
    assert daemon.alive()
    assert net.c2.read("/etc/miredo/miredo.conf").split() == [
        "ServerAddress", "9.0.0.2", "ServerAddress", "teredo.example",
        "BindPort", "3799"]
    assert net.c2.path("/etc/miredo/client-hook").exists() == hook
    assert not net.c2.path("/var/lib/miredo").exists()
    daemon.kill()


def marked(mark):
    """The processes that have this in their environment, and their namespaces.

    The number of a namespace that is gone is that of the next one.
    """
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes():
                found[process.name] = os.readlink(process / "ns/net")
    return found


#: Raises a lab full of stubborn daemons, tells their namespaces, then waits.
VICTIM = """
    import os, signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, sys.argv[1])
    from lab import Internet
    with Internet() as net:
        net.delay(20)
        net.dns
        for host in net.hosts.values():
            host.run(["sh", "-c", "(trap '' TERM HUP INT; setsid sleep 1000 &"
                      ") >/dev/null"])
        print(*(os.readlink(f"/proc/{host.pid}/ns/net")
                for host in net.hosts.values()), flush=True)
        END
"""


@pytest.mark.parametrize("end, sig", [
    ("pass", None), ("raise SystemExit(3)", None), ("1 / 0", None),
    ("time.sleep(99)", signal.SIGINT), ("time.sleep(99)", signal.SIGTERM),
    ("time.sleep(99)", signal.SIGKILL),
], ids=["normal", "exit", "exception", "ctrl-c", "sigterm", "sigkill"])
def test_nothing_is_left(end, sig):
    code = textwrap.dedent(VICTIM).replace("END", end)
    mark = os.urandom(8).hex()
    with subprocess.Popen([sys.executable, "-c", code, str(ROOT)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=dict(os.environ, MARK=mark)) as victim:
        spaces = set(victim.stdout.readline().split())
        assert len(spaces) == 11, victim.stderr.read()
        if sig:
            assert spaces <= set(marked(mark.encode()).values())
            victim.send_signal(sig)
        victim.wait(20)
    wait_for(lambda: not marked(mark.encode()), "all processes to be gone")


def test_labs_do_not_meet(net):
    with Internet() as other:
        other.server.ip("address del 9.0.0.3/24 dev eth0")
        net.tester.run(["ping", "-c", "1", "-W", "2", "9.0.0.3"])
