# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that the client keeps towards its host, its link and its server."""

import contextlib
import json
import re
import signal
import socket
import struct

import pytest

import packets as t
from lab import gateway, teredo, wait_for
from lab.capture import payload
from test_daemon import sockets

SERVER, GROUP = "9.0.0.2", "224.0.0.253"
DISCOVERY = "LocalDiscovery enabled\n"
#: Somebody with no rights at all.
NOBODY = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"]


@pytest.fixture
def start(net):
    """A server; a function that starts a client and waits for its address."""
    teredo.start_server(net)

    def run(host, config=""):
        teredo.forget(host)
        daemon = teredo.start_client(host, config=config)
        return daemon, teredo.wait_address(host)

    return run


def reload(daemon, config, says="configuration applied"):
    """Have this configuration read in place of the one of start()."""
    since = len(daemon.log)
    daemon.host.write("/etc/miredo/miredo.conf",
                      f"ServerAddress {SERVER}\n{config}")
    daemon.host.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: says in daemon.log[since:], says)


@contextlib.contextmanager
def native(host):
    """The host has native IPv6, and a default route."""
    where = "2001:db8:99::1 dev eth0"
    host.ip("address add 2001:db8:99::2/64 dev eth0 nodad")
    try:
        host.ip(f"route add ::/0 via {where}")
        yield
    finally:
        host.ip("address del 2001:db8:99::2/64 dev eth0")
        host.run(["ip", "-6", "route", "del", "default", "via",
                  *where.split()], check=False)


def way(host, to):
    """The device that packets for this address leave by."""
    shown = host.run(["ip", "-6", "-json", "route", "get", to]).stdout
    return json.loads(shown)[0]["dev"]


def sent_udp(seen):
    """(device, datagram) of all UDP that was sent, whatever is in it; but what
    asks the router for a port (PortMapping)."""
    return [(p.device, data) for p in seen.packets
            for data in [payload(p)] if p.sent and data[:1] == b"\x45"
            and data[9] == t.UDP
            and int.from_bytes(data[22:24], "big") not in (1900, 5351)]


def discovery(seen, kind):
    """(time, datagram) of each solicitation or advertisement."""
    found = []
    for p in seen.packets:
        data = payload(p)
        if data[9:10] == bytes([t.UDP]):
            with contextlib.suppress(t.Malformed, struct.error):
                datagram = t.Datagram(data)
                if datagram.inner.kind == kind:
                    found.append((p.time, datagram))
    return found


def solicitations(seen):
    """When they were sent."""
    return [when for when, _ in discovery(seen, t.SOLICITATION)]


def answers(seen):
    """When one of them was answered."""
    nonces = {d.auth.nonce for _, d in discovery(seen, t.SOLICITATION)}
    return [when for when, d in discovery(seen, t.ADVERTISEMENT)
            if d.auth and d.auth.nonce in nonces]


# -- the host ----------------------------------------------------------


FIREWALL = """table ip6 test {
    chain input {
        type filter hook input priority 0
        iifname teredo udp dport 9 drop
    }
}
"""


def test_firewall_of_the_host(net, start):
    """Z29: its rules see what comes out of the tunnel."""
    teredo.start_relay(net)
    _, address = start(net.c1)
    with net.c1.socket(socket.AF_INET6, socket.SOCK_DGRAM) as nine, \
            net.c1.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ten, \
            net.v6.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        nine.bind(("::", 9))
        ten.bind(("::", 10))
        nine.settimeout(10)
        ten.settimeout(10)

        def send(data):
            sender.sendto(data, (address, 9))
            sender.sendto(data, (address, 10))
            return ten.recv(100)

        assert send(b"before") == nine.recv(100) == b"before"
        net.c1.nft(FIREWALL)
        try:
            assert send(b"during") == b"during"
        finally:
            net.c1.nft("delete table ip6 test\n")
        # What came first would be read first.
        assert send(b"after") == nine.recv(100) == b"after"


def test_native_route_wins(net, start):
    """C83: also if both are wanted; ours is there when it is gone."""
    start(net.c1, "DefaultRoute yes\n")
    assert way(net.c1, net.v6.ip6) == "teredo"
    with native(net.c1):
        shown = json.loads(net.c1.run(
            ["ip", "-6", "-json", "route", "show", "default"]).stdout)
        metric = {it["dev"]: it["metric"] for it in shown}
        assert metric["teredo"] > metric["eth0"]
        assert way(net.c1, net.v6.ip6) == "eth0"
        # But to other clients it is the better way.
        assert way(net.c1, "2001:0:900:2::1") == "teredo"
    assert way(net.c1, net.v6.ip6) == "teredo"


def test_ipv4_is_preferred(net, start):
    """C83: by RFC 6724, of the two addresses of a name."""
    def order():
        shown = net.c1.run(["getent", "ahosts", "both.test"]).stdout
        return [line.split()[0] for line in shown.splitlines()
                if "STREAM" in line]

    net.c1.write("/etc/hosts", "127.0.0.1 localhost\n"
                 f"{net.v6.ip6} both.test\n9.0.3.3 both.test\n")
    start(net.c1, "DefaultRoute yes\n")
    assert way(net.c1, net.v6.ip6) == "teredo"
    assert order() == ["9.0.3.3", net.v6.ip6]
    with native(net.c1):            # a name does not just go by the file
        assert order() == [net.v6.ip6, "9.0.3.3"]


def test_global_address(net, start):
    """C7, A47: a client runs there, too, and reaches all."""
    teredo.start_relay(net)
    net.site1.configure("none")
    try:
        daemon, address = start(net.c1)
        daemon.wait_log(f"qualified: {address}, .* NAT none, "
                        f"mapped {re.escape(net.c1.ip4)}:")
        assert teredo.explain(address).ip4 == net.c1.ip4
        net.c1.run(["ping", "-6", "-c", "1", "-W", "5", net.v6.ip6])
        net.v6.run(["ping", "-6", "-c", "1", "-W", "5", address])
    finally:
        net.site1.configure()


def test_others_have_no_say(net, start):
    """Z28: who is not root can see, but change or disturb nothing."""
    daemon, _ = start(net.c1)
    where = "/var/lib/miredo"
    wait_for(lambda: net.c1.path(f"{where}/teredo.state").exists()
             and "server 9.0.0.2" in net.c1.read(f"{where}/teredo.state"),
             "the file")

    def attempt(command):
        return net.c1.run([*NOBODY, "sh", "-c", command], check=False)

    assert "server 9.0.0.2" in attempt(f"cat {where}/teredo.state").stdout
    assert attempt("ip -6 address show dev teredo").stdout
    gateway.settled(net.c1)
    pids = net.c1.run(["pgrep", "miredo"]).stdout.split()
    assert len(pids) >= 3
    refused = {f"echo x >>{where}/teredo.state": "Permission denied",
               f"rm -f {where}/teredo.state": "Permission denied",
               f"touch {where}/x": "Permission denied",
               "rm -f /run/miredo.pid": "Permission denied",
               "echo 1 >>/run/miredo.pid": "Permission denied",
               "ip link set teredo down": "not permitted"}
    for verb in "reload", "reload --keep", "reload --undo":
        refused[f"miredoctl {verb}"] = "may not change this daemon"
    for pid in pids:
        refused[f"ls /proc/{pid}/fd"] = "Permission denied"
        refused[f"head -c1 /proc/{pid}/mem"] = "Permission denied"
        for name in "TERM", "HUP", "USR1", "KILL":
            refused[f"kill -{name} {pid}"] = "not permitted"
    for command, why in refused.items():
        done = attempt(command)
        assert done.returncode and why in done.stderr, (command, done)
    # Nothing else takes orders: one socket, and that is Teredo; and one that
    # tells everybody, and obeys root (test_control.py).
    assert len(sockets(net.c1)) == 1
    assert not net.c1.run(["ss", "-Hltn"]).stdout
    unix = net.c1.run(["cat", "/proc/net/unix"]).stdout.splitlines()[1:]
    assert {line.split()[7] for line in unix if "miredo" in line.lower()} == \
        {"/run/miredo/control"}
    assert daemon.alive() and "SIG" not in daemon.log
    assert pids == net.c1.run(["pgrep", "miredo"]).stdout.split()


# -- the link ----------------------------------------------------------


def members(host):
    """The devices on which somebody listens to the group."""
    found, device = set(), None
    for line in host.run(["cat", "/proc/net/igmp"]).stdout.splitlines()[1:]:
        words = line.split()
        if not line.startswith("\t"):
            device = words[1]
        elif words[0] == "FD0000E0":
            found.add(device)
    return found


def said_to_group(seen, since=0):
    """Devices by which something was sent to the group."""
    return {device for device, data in list(sent_udp(seen))[since:]
            if data[16:20] == socket.inet_aton(GROUP)}


def reported(seen):
    """Devices on which routers and switches were told that we listen.

    Not that somebody has left: the kernel repeats that for a while after a
    client of the test before this.
    """
    return {p.device for p in seen.packets for data in [payload(p)]
            if p.sent and data[9:10] == bytes([t.ICMP + 1])
            and socket.inet_aton(GROUP) in data[20:]
            and data[(data[0] & 15) * 4 + 8] in (2, 4)}


@pytest.fixture
def links(net):
    """More links of c1: a function that adds one."""
    made = []

    def add(name, third):
        made.append(name)
        net.c1.ip(f"link add {name} type veth peer name x{name}",
                  f"link set x{name} up", f"link set {name} up",
                  f"address add 10.50.{third}.1/24 dev {name}")
        net.c1.offloads_off(name)

    yield add
    for name in made:
        net.c1.ip(f"link del {name}")


def test_group_is_joined(net, start, links):
    """C71, C72: on the links that are meant, early and late ones; then left.
    """
    links("lan0", 1)
    links("guest0", 2)
    seen = net.capture(*((net.c1, name) for name in (
        "eth0", "lan0", "guest0")))
    daemon, _ = start(net.c1, DISCOVERY + "DiscoveryInterfaces ^(eth|lan)\n")
    assert members(net.c1) == {"eth0", "lan0"}
    (port,) = [port for _, port in sockets(net.c1) if port != t.PORT]
    assert sockets(net.c1) == {(GROUP, t.PORT), ("0.0.0.0", port)}
    wait_for(lambda: said_to_group(seen) >= {"eth0", "lan0"},
             "announcements")
    wait_for(lambda: reported(seen) >= {"eth0", "lan0"}, "reports")
    links("lan1", 3)
    wait_for(lambda: members(net.c1) == {"eth0", "lan0", "lan1"},
             "the new link")
    assert said_to_group(seen) == reported(seen) == {"eth0", "lan0"}
    # Off and on again while it runs.
    reload(daemon, "LocalDiscovery disabled\nDiscoveryInterfaces ^(eth|lan)\n")
    wait_for(lambda: members(net.c1) == set(), "the group to be left")
    links("lan2", 4)
    said = len(list(sent_udp(seen)))
    reload(daemon, DISCOVERY + "DiscoveryInterfaces ^(eth|lan)\n")
    wait_for(lambda: members(net.c1) == {"eth0", "lan0", "lan1", "lan2"},
             "the group to be joined")
    wait_for(lambda: said_to_group(seen, said) >= {"eth0", "lan0"},
             "an announcement")
    for _, data in sent_udp(seen):
        if data[16:20] == socket.inet_aton(GROUP):
            bubble = t.Datagram(data)
            assert bubble.ttl == 1 and bubble.dst[1] == t.PORT
            assert bubble.src[1] == port and bubble.good
            assert bubble.inner.is_bubble
            assert bubble.inner.dst == t.ip6("ff02::1")
    assert daemon.stop() == 0
    assert members(net.c1) == set()


@pytest.mark.parametrize("config", ["", "LocalDiscovery disabled\n"])
def test_discovery_is_off(net, start, config):
    """C77: no group, no socket, not a word; what comes is not heard."""
    seen = net.capture((net.c1, "eth0"))
    daemon, _ = start(net.c1, config)
    assert members(net.c1) == set()
    assert len(sockets(net.c1)) == 1
    with neighbour(net) as say:
        say(1, (GROUP, t.PORT))
        say(2, (net.c1.ip4, t.PORT))
        net.c1b.run(["ping", "-c", "1", "-i", ".2", net.c1.ip4])
        assert say.heard() == []
    assert not said_to_group(seen) and not reported(seen)
    reload(daemon, DISCOVERY, "waiting for the next start: LocalDiscovery")
    assert members(net.c1) == set()


@contextlib.contextmanager
def neighbour(net):
    """Somebody at c1b; a function sends a discovery bubble of client n."""
    def teredo_address(n):
        return t.address(SERVER, (net.site1.wan, 5000 + n))

    def say(n, to):
        sock.sendto(t.bubble(teredo_address(n), "ff02::1"), to)

    def heard(count=0):
        """Numbers of the clients that were answered; at least so many."""
        got = []
        while True:
            sock.settimeout(10 if len(got) < count else .001)
            try:
                data, _ = sock.recvfrom(2000)
            except (TimeoutError, BlockingIOError):
                return got
            answer = t.Packet6(data)
            assert answer.is_bubble
            got.append(t.mapped(answer.dst)[1] - 5000)

    with net.c1b.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((net.c1b.ip4, 0))
        say.heard = heard
        yield say


def test_discovery_bubble_to_us_alone(net, start):
    """C74: has no effect on either port; the same one to the group has."""
    start(net.c1, DISCOVERY)
    (port,) = [port for _, port in sockets(net.c1) if port != t.PORT]
    with neighbour(net) as say:
        say(1, (net.c1.ip4, t.PORT))
        say(2, (net.c1.ip4, port))
        for n in 3, 4:              # the second one's turn comes after all
            say(n, (GROUP, t.PORT))
            assert say.heard(1) == [n]
        for n in 1, 2:
            say(n, (GROUP, t.PORT))
            assert say.heard(1) == [n]


# -- the service port --------------------------------------------------


def test_one_port_for_all(net, start):
    """C4: to servers, relays, peers, neighbours; from the first to the last.
    """
    teredo.start_relay(net)
    seen = net.capture((net.c1, "eth0"))
    _, other = start(net.c2)
    daemon, address = start(net.c1, DISCOVERY + "RefreshInterval 5\n")
    for host, to in ((net.c1, net.v6.ip6), (net.c1, other),
                     (net.v6, address), (net.c2, address)):
        host.run(["ping", "-6", "-c", "1", "-W", "6", to])
    before = len(solicitations(seen))
    net.c1.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: len(solicitations(seen)) > before + 1, "maintenance")
    wait_for(lambda: said_to_group(seen), "an announcement")
    (port,) = [port for _, port in sockets(net.c1) if port != t.PORT]
    all_sent = [t.Datagram(data) for _, data in sent_udp(seen)]
    assert {d.src for d in all_sent} == {(net.c1.ip4, port)}
    peer = teredo.explain(other)
    assert {d.dst for d in all_sent} >= {
        (SERVER, t.PORT), ("9.0.0.3", t.PORT), (GROUP, t.PORT),
        (peer.ip4, peer.port)}
    assert net.relay.ip4 in {d.dst[0] for d in all_sent}


# -- maintenance -------------------------------------------------------

INTERVALS = 6


def forgeries(address, number):
    """Of the server's address and port; none is acceptable (C66)."""
    me, server = t.ip6(address), (SERVER, t.PORT)
    said = teredo.explain(address)
    other = me[:8] + bytes([me[8] ^ 4]) + me[9:]
    own = t.link_local((said.ip4, said.port))
    option = bytes([3, 4, 64, 0x40]) + b"\xff" * 8 + bytes(4) + me[:8] \
        + bytes(8)
    advert = t.icmpv6(t.link_local(server, t.CONE), own, t.ADVERTISEMENT, 0,
                      bytes(12) + option, 255)
    for data in (b"garbage", t.bubble("2001:db8::1", other),
                 t.origin(("12.1.1.1", 9)) + t.bubble("fe80::1", other),
                 t.auth(number.to_bytes(8, "big")) + t.origin(
                     (said.ip4, said.port)) + advert,
                 t.origin((said.ip4, said.port)) + advert,
                 t.udp6("::1", me, 7, 9), t.bubble(me, me)):
        yield t.udp4(server, (said.ip4, said.port), data)


def test_maintenance(net, start):
    """C59, C63, C66: after 75 to 100 % of the interval, never the same.

    The server's silence counts, not that of somebody with its address: c2 is
    told nonsense all the time.
    """
    seen = {host: net.capture((host, "eth0")) for host in (net.c1, net.c2)}
    address = {host: start(host, "RefreshInterval 5\n")[1] for host in seen}
    wire = net.wire(net.nat2)
    sent = 0

    def done():
        nonlocal sent
        sent += 1
        for packet in forgeries(address[net.c2], sent):
            wire.send(packet)
        return all(len(solicitations(it)) >= 2 + INTERVALS
                   for it in seen.values())

    wait_for(done, "solicitations", 40, .1)
    assert sent > 50
    for host, it in seen.items():
        asked, told = solicitations(it), answers(it)
        gaps = [one - max(when for when in told if when < one)
                for one in asked[2:2 + INTERVALS]]
        # And what a machine takes that is busy.
        assert all(3.7 <= gap <= 6 for gap in gaps), (host, gaps)
        assert max(gaps) - min(gaps) > .05, (host, gaps)
    garbage = [p for p in seen[net.c2].packets
               if not p.sent and b"garbage" in p.frame]
    assert len(garbage) > 50, "the NAT kept them out"
