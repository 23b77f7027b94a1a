# SPDX-License-Identifier: GPL-2.0-or-later
"""miredoctl netcheck: each kind of NAT, each trouble made for real.

What takes seconds is done by several hosts at a time. Everybody is nobody:
netcheck needs neither rights nor a daemon.
"""

import contextlib
import json

import pytest

import packets as t
from lab import schema, teredo

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
SERVER, SECOND = "9.0.0.2", "9.0.0.3"
KINDS = ("none", "full", "restricted", "portrestricted", "symmetric")


@pytest.fixture(scope="module")
def wide(lab):
    """The lab with five sites, and a server of ours."""
    lab.add_site("c3", "c3b")
    lab.add_site("c4")
    lab.add_site("c5")
    for site in lab.sites[2:]:
        site.configure()
    lab.clients = [lab.c1, lab.c2, lab.c3, lab.c4, lab.c5]
    lab.server.daemon(["miredo", "-s", SERVER])
    return lab


@pytest.fixture
def net(wide):
    with wide.tidy():
        yield wide


class Check:
    """One netcheck, started at once."""

    def __init__(self, host, *argv):
        self.process = host.popen(
            [*NOBODY, "miredoctl", "netcheck", "--json", *argv])

    def __call__(self):
        status = self.process.wait(60)
        assert not self.process.err
        found = json.loads(self.process.out)
        assert schema.complaints(self.process.out, "netcheck") == []
        assert status == (0 if found["good"] else 1)
        assert found["good"] == any(s["verdict"] == "good"
                                    for s in found["servers"])
        return found


def verdicts(found):
    return [server["verdict"] for server in found["servers"]]


# -- NATs -------------------------------------------------------------------

MAYBE = "address-and-maybe-port-dependent"
INDEPENDENT = "endpoint-independent"


def nats(net, **options):
    for site, kind in zip(net.sites, KINDS):
        site.configure(kind, **options)
    checks = [Check(host, SERVER) for host in net.clients]
    for kind, check in zip(KINDS, checks):
        found = check()
        assert found["reason"] == "ok", kind
        assert verdicts(found) == ["good"]
        assert found["servers"][0]["bubbles"] is True
        yield found["nat"]


def test_nats(net):
    none, full, restricted, port, symmetric = nats(net)
    assert (none["mapping"], none["filtering"], none["windows"]) \
        == ("none", INDEPENDENT, "none")
    assert none["mapped"].startswith("9.0.20.2:")
    assert (full["mapping"], full["filtering"], full["windows"]) \
        == (INDEPENDENT, INDEPENDENT, "cone")
    for nat in restricted, port:
        assert (nat["mapping"], nat["filtering"]) == (INDEPENDENT, MAYBE)
        assert nat["windows"] == "restricted or restricted (port)"
    assert (symmetric["mapping"], symmetric["filtering"]) == (MAYBE, MAYBE)
    assert symmetric["windows"] == "symmetric or symmetric (port)"
    assert [nat["hairpin"] for nat in (full, restricted, port, symmetric)] \
        == [False, False, False, None]
    assert not any(nat["preserves_port"]
                   for nat in (full, restricted, port, symmetric))


def test_nats_that_hairpin(net):
    """Where packets come round, it is seen whether ports count."""
    _, full, restricted, port, symmetric = nats(
        net, hairpin=True, preserving=True)
    assert [nat["windows"] for nat in (full, restricted, port, symmetric)] \
        == ["cone", "restricted", "restricted (port)",
            "symmetric or symmetric (port)"]
    assert [nat["hairpin"] for nat in (full, restricted, port, symmetric)] \
        == [True, True, True, None]
    assert all(nat["preserves_port"]
               for nat in (full, restricted, port, symmetric))


# -- silence ----------------------------------------------------------------

@pytest.fixture(scope="module")
def named(wide):
    """All behind NATs that restrict ports; with names, but c3b."""
    for site in wide.sites:
        site.configure()
    for host in wide.clients:
        host.resolver(wide.dns)
    return wide


@pytest.fixture
def plain(named):
    with named.tidy():
        yield named


@contextlib.contextmanager
def own_firewall(host):
    host.nft("table ip own { chain out { type filter hook output"
             " priority 0; udp dport 3544 drop; }\n}\n")
    yield
    host.nft("delete table ip own\n")


def test_silence(plain):
    """Six firewalls and no way at all; and one thing that cannot be known."""
    net = plain
    bare = net.add_host("bare")
    with contextlib.ExitStack() as stack:
        for host, port, verdict in (
                (net.c1, None, "drop"), (net.c2, 3544, "drop"),
                (net.c3, 3544, "reject"), (net.c4, None, "reject"),
                (net.c5, 3544, "drop"), (net.c5, 33434, "drop"),
                (net.c3b, None, "drop")):
            stack.enter_context(net.block(host, port, verdict))
        stack.enter_context(own_firewall(net.c1b))
        checks = [Check(host, SERVER) for host in net.clients
                  + [net.c3b, net.c1b, bare]]
        all_blocked, port, port_told, told, dns, unknown, own, nowhere = found \
            = [check() for check in checks]
    assert all_blocked["reason"] == "udp-blocked"
    assert all_blocked["udp"]["works"] is False
    assert verdicts(all_blocked) == ["server-silent"]
    assert port["reason"] == "port-blocked"
    assert port["udp"]["works"] is True
    assert verdicts(port) == ["filtered"]
    assert port_told["reason"] == "port-blocked"
    assert port_told["udp"]["blocked_by"] == "192.168.3.1"
    assert verdicts(port_told) == ["blocked"]
    assert told["reason"] == "udp-blocked"
    assert told["udp"]["blocked_by"] == "192.168.4.1"
    assert dns["reason"] == "only-dns"
    assert unknown["reason"] == "nothing-answers"
    assert own["reason"] == "local-firewall"
    assert nowhere["reason"] == "no-ipv4"
    assert nowhere["udp"]["local"] is None
    assert verdicts(own) == verdicts(nowhere) == ["not-asked"]
    assert all(one["advice"] for one in found)
    assert all(one["reaches"] == "no peers" for one in found)


# -- servers ----------------------------------------------------------------

class Fake:
    """A server that answers as its function says: (query, from) to a list."""

    def __init__(self, host, address, answer):
        self.socks = []
        for ip in address, t.socket.inet_ntoa(
                (int.from_bytes(t.ip4(address), "big") + 1).to_bytes(4, "big")):
            sock = host.socket(t.socket.AF_INET, t.socket.SOCK_DGRAM)
            sock.bind((ip, t.PORT))
            host.lab.reader.add(sock, self._read)
            self.socks.append(sock)
        self.host, self.address, self.answer = host, address, answer

    def _read(self, sock):
        with contextlib.suppress(BlockingIOError):
            while True:
                query, at = sock.recvfrom(2048, t.socket.MSG_DONTWAIT)
                if query[:2] != b"\0\1":       # a bubble
                    continue
                for data in self.answer(self.address, query, at):
                    sock.sendto(data, at)

    def close(self):
        for sock in self.socks:
            self.host.lab.reader.remove(sock)
            sock.close()


def advertisement(server, query, seen, prefix=b"\x20\x01\0\0", wrong=0):
    """Behind its nonce: 4380 §5.3.2, as in section 1.6 of 4861."""
    ask = t.Packet6(query[13:])
    body = bytes(12) + bytes([3, 4, 64, 0x40]) + b"\xff" * 8 + bytes(4) \
        + prefix + t.ip4(server) + bytes(8)
    return t.origin(seen) + t.icmpv6(
        t.link_local((server, t.PORT), t.CONE), ask.src, t.ADVERTISEMENT, 0,
        body, 255, wrong)


def good(server, query, at):
    return query[:13] + advertisement(server, query, at)


LIES = {
    # what it answers to a solicitation: the verdict
    "nonsense": lambda server, query, at: [b"\xa5" * 117, b"", b"\0\1"],
    "nonsense, half": lambda server, query, at: [
        good(server, query, at)[:n] for n in range(0, 109, 7)],
    "nonsense, sum": lambda server, query, at: [
        query[:13] + advertisement(server, query, at, wrong=1)],
    "wrong-nonce": lambda server, query, at: [
        advertisement(server, query, at)],
    "wrong-nonce, flood": lambda server, query, at: [
        t.auth(n.to_bytes(8, "big")) + advertisement(server, query, at)
        for n in range(300)],
    "wrong-prefix": lambda server, query, at: [
        query[:13] + advertisement(server, query, at, b"\x3f\xfe\x83\x1f")],
    "private-mapping": lambda server, query, at: [
        query[:13] + advertisement(server, query, ("192.168.9.9", at[1]))],
    "no-bubbles": lambda server, query, at: [good(server, query, at)],
}


def real_servers(net):
    """Of another prefix, behind no door, without a name, private, good."""
    net.join("odd", "9.0.7", None)
    net.odd.ip("address add 9.0.7.3/24 dev eth0")
    net.odd.write("/etc/miredo/odd.conf",
                  "ServerBindAddress 9.0.7.2\nPrefix 3ffe:831f::\n")
    net.odd.daemon(["miredo-server", "-c", "/etc/miredo/odd.conf"])
    net.dns.names["teredo.example"] = SERVER
    return ["9.0.7.2", "9.0.0.1,9.0.1.1", "no.such.example", "192.168.1.1",
            f"{SERVER},{SECOND}", "teredo.example"]


def liars(net):
    net.join("liars", "9.0.6", None)
    net.liars.ip(*(f"address add 9.0.6.{n}/24 dev eth0"
                   for n in range(10, 10 + 2 * len(LIES))))
    return [Fake(net.liars, f"9.0.6.{10 + 2 * n}", lie)
            for n, lie in enumerate(LIES.values())]


def sent(packets):
    """Where UDP datagrams have gone."""
    return {t.socket.inet_ntoa(p.frame[30:34]) for p in packets
            if p.sent and p.frame[12:14] == b"\x08\x00" and p.frame[23] == 17}


def test_servers_and_liars(plain):
    """No liar is believed, hides the good one, or has us send to others."""
    net = plain
    real = Check(net.c2, *real_servers(net))
    fakes = liars(net)
    tapped = net.capture((net.c1, "eth0"))
    try:
        lied = Check(net.c1, *(fake.address for fake in fakes), SERVER)()
    finally:
        for fake in fakes:
            fake.close()
    assert verdicts(lied) == [lie.partition(",")[0] for lie in LIES] + ["good"]
    assert lied["servers"][-1]["recommended"]
    assert lied["reason"] == "ok"
    assert lied["nat"]["mapping"] == INDEPENDENT
    assert lied["nat"]["filtering"] == MAYBE
    for to in sent(tapped.take()) - {"9.0.10.2", net.dns.address}:
        assert to.startswith(("9.0.0.", "9.0.6.")), to

    real = real()
    assert verdicts(real) == ["wrong-prefix", "refused", "no-such-server",
                              "private-server", "good", "good"]
    assert sorted(s["rank"] for s in real["servers"][4:]) == [1, 2]
    assert real["servers"][5]["address"] == SERVER


def test_silent_resolver_and_slow_server(plain):
    net = plain
    net.dns.mode = "silent"
    net.delay(250)
    checks = [Check(net.c1, "teredo.example"), Check(net.c2, SERVER)]
    nameless, slow = [check() for check in checks]
    assert verdicts(nameless) == ["resolver-failed"]
    assert nameless["reason"] == "no-server"
    assert verdicts(slow) == ["good"]
    assert slow["servers"][0]["rtt"] > 0.49


# -- the relay, interfaces, private servers ---------------------------------

@contextlib.contextmanager
def second_address_silent(net, router):
    router.nft("table ip second { chain forward { type filter hook forward"
               f" priority 0; ip daddr {SECOND} drop; }}\n}}\n")
    yield
    router.nft("delete table ip second\n")


def test_relay_and_second_address(plain):
    """Of a host that is there, and of one that is not; by half a server."""
    net = plain
    teredo.start_relay(net)
    with second_address_silent(net, net.nat3):
        checks = [Check(host, "--relay", native, SERVER)
                  for host, native in ((net.c1, net.v6.ip6),
                                       (net.c2, "2001:db8:2::77"),
                                       (net.c3, net.v6.ip6))]
        there, missing, half = [check() for check in checks]
    there, missing = there["relay"], missing["relay"]
    assert there["state"] == "ok"
    assert there["host"] == net.v6.ip6
    assert there["relay"].startswith(f"{net.relay.ip4}:")
    assert 0 < there["rtt"]
    assert 0 < there["found_after"]
    assert missing["state"] == "none"
    assert missing["relay"] is None
    assert verdicts(half) == ["secondary-silent"]
    assert half["reason"] == "no-good-server"
    assert half["servers"][0]["rtt"] > 0
    assert half["servers"][0]["rtt2"] is None
    assert half["nat"]["mapping"] == "unknown"
    assert half["relay"]["state"] == "untried"


def test_interfaces(plain):
    """A VPN that swallows the packets is named."""
    net = plain
    net.c1.run(["ip", "tuntap", "add", "vpn0", "mode", "tun"])
    try:
        net.c1.ip("link set vpn0 up", "address add 10.9.9.9/32 dev vpn0",
                  f"route add {SERVER} dev vpn0")
        lost = Check(net.c1, SERVER)
        held = Check(net.c1, "--interface", "eth0", "--bind", net.c1.ip4,
                     "--port", "45678", SERVER)
        lost, held = lost(), held()
    finally:
        net.c1.run(["ip", "link", "del", "vpn0"])
    assert [note["reason"] for note in lost["notes"]] \
        == ["tunnel", "not-default-route"]
    assert "vpn0" in lost["notes"][0]["text"]
    assert "eth0" in lost["notes"][1]["text"]
    assert lost["udp"]["interface"] == "vpn0"
    assert held["udp"]["local"] == f"{net.c1.ip4}:45678"
    assert held["udp"]["interface"] == "eth0"
    assert verdicts(held) == ["good"]
    assert held["notes"] == []


def test_private_server(plain):
    net = plain
    net.c3b.ip("address add 192.168.3.4/24 dev eth0")
    net.c3b.write("/etc/miredo/lan.conf", "ServerBindAddress 192.168.3.3\n"
                  "AllowIPv4 192.168.0.0/16\n")
    net.c3b.daemon(["miredo-server", "-c", "/etc/miredo/lan.conf"])
    found = Check(net.c3, "--allow", "192.168.0.0/16", "192.168.3.3")()
    assert verdicts(found) == ["good"]
    assert found["nat"]["mapping"] == "none"


# -- for people -------------------------------------------------------------

def test_on_a_terminal(plain):
    """One line tells what it does, and is gone at the end."""
    shown = plain.c1.run(["script", "-qefc", f"miredoctl netcheck {SERVER}",
                          "/dev/null"], env={"TERM": "xterm"}).stdout
    progress, _, report = shown.rpartition("\r\x1b[K")
    assert "\r\x1b[Ktesting the NAT, " in progress
    assert "\n" not in progress
    assert "[ok]" in report
    assert "good (recommended)" in report
    assert "Windows calls this: restricted or restricted (port)" in report


@pytest.mark.parametrize("argv, text", [
    ([], "an argument is missing"),
    (["a b"], '"a b" is no server'),
    (["--relay", "2001::1", SERVER], "no address of a native"),
    (["--bind", "x", SERVER], "no IPv4 address"),
    (["--allow", "10.0.0.0/99", SERVER], "no list of prefixes"),
    (["--port", "70000", SERVER], "more than 65535"),
])
def test_usage(plain, argv, text):
    said = plain.c1.run([*NOBODY, "miredoctl", "netcheck", *argv],
                        check=False)
    assert said.returncode == 2
    assert text in said.stderr
    assert said.stderr.count("\n  ") == 1 or said.stderr.count("\n") == 1


def test_what_is_not_there(plain):
    for option, value, text in (
            ("--bind", "9.9.9.9", "no address of this host"),
            ("--interface", "eth9", "there is no eth9")):
        said = plain.c1.run([*NOBODY, "miredoctl", "netcheck", option, value,
                             SERVER], check=False)
        assert said.returncode == 1
        assert text in said.stderr
